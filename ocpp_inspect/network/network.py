"""PacketBatch in, SegmentBatch out: opens link and network layers, drops copies, numbers the endpoint pairs."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ocpp_inspect.limits import (
    DUPLICATE_LOOKBACK,
    DUPLICATE_WINDOW_NS,
    FLOWS,
    FRAGMENT_OCTETS,
    FRAGMENT_PACKETS,
    FRAGMENT_TIMEOUT_NS,
    FRAGMENTS_PER_PACKET,
    NETWORK_ANOMALIES,
)
from ocpp_inspect.model import Anomaly, Int64, PacketBatch, SegmentBatch, UInt8

from .duplicates import Duplicates
from .fast import read_fast
from .flows import Addresses, Flows
from .fragments import Fragments
from .names import EVERYDAY, name_of
from .rows import Rows, join
from .slow import Segment, SlowLane


class Network:
    """The network room. `counters` tells what was seen: packets, tcp, duplicates, fragments, protocols by name."""

    def __init__(
        self,
        *,
        flows: int = FLOWS,
        fragment_packets: int = FRAGMENT_PACKETS,
        fragment_octets: int = FRAGMENT_OCTETS,
        fragments_per_packet: int = FRAGMENTS_PER_PACKET,
        fragment_timeout_ns: int = FRAGMENT_TIMEOUT_NS,
        duplicate_window_ns: int = DUPLICATE_WINDOW_NS,
        duplicate_lookback: int = DUPLICATE_LOOKBACK,
        anomalies: int = NETWORK_ANOMALIES,
        fast: bool = True,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._fast = fast
        self._addresses = Addresses()
        self._flows = Flows(self._addresses, flows)
        self._fragments = Fragments(
            packets=fragment_packets,
            octets=fragment_octets,
            pieces=fragments_per_packet,
            timeout_ns=fragment_timeout_ns,
        )
        self._duplicates = Duplicates(window_ns=duplicate_window_ns, lookback=duplicate_lookback)
        self._slow = SlowLane(self._addresses, self._fragments, self._seen_one, self.counters)
        self._max_anomalies = anomalies
        self._told: Counter[str] = Counter()
        self._kinds: set[tuple[str, int]] = set()
        self._new_kinds: dict[tuple[str, int], int] = {}  # → index of its first packet in the batch
        self._found: list[Anomaly] = []
        self._batch: PacketBatch | None = None
        self._index = 0  # of the packet in the slow lane
        self._last = (0, 0, 0)  # time, packet, position

    def feed(self, batch: PacketBatch) -> SegmentBatch:
        """The TCP segments of a batch."""
        self._batch, self._found = batch, []
        count = len(batch.packet)
        self.counters["packets"] += count
        parts: list[Rows] = []
        slow = np.arange(count, dtype=np.int64)
        if self._fast and count:
            rows, slow = read_fast(batch, self._addresses, self._seen)
            if rows is not None:
                parts.append(rows)
        octets = batch.octets
        if len(slow):
            rows, octets = self._read_slow(batch, slow)
            parts.append(rows)
        self._name_new_kinds()
        result = self._segments(batch, join(parts), octets) if parts else _nothing(octets)
        result.anomalies = sorted(self._found, key=lambda anomaly: anomaly.position)
        if count:
            self._last = (int(batch.ts_ns[-1]), int(batch.packet[-1]), int(batch.position[-1]))
        self._batch = None
        return result

    def finish(self, end_ns: int) -> list[Anomaly]:
        """What is still to be said at the end of the input."""
        self._found = []
        self._fragments.finish(self._report_last)
        for name, told in sorted(self._told.items()):
            if told > self._max_anomalies:
                text = f"{told - self._max_anomalies} more of {name}"
                self._found.append(Anomaly("network.suppressed", *self._last, detail=text))
        self._told.clear()
        return self._found

    # ------------------------------------------------------------------------------------------------------- lanes

    def _read_slow(self, batch: PacketBatch, slow: Int64) -> tuple[Rows, UInt8]:
        segments: list[Segment] = []
        indices: list[int] = []
        extra = bytearray()
        base = len(batch.octets)
        columns = (batch.offset, batch.captured, batch.original, batch.link, batch.ts_ns)
        for index, *packet in zip(slow.tolist(), *(column[slow].tolist() for column in columns), strict=True):
            self._index = index
            offset, captured, original, link, ts_ns = packet
            segment = self._slow.read(batch.octets, offset, captured, original, link, ts_ns, self._report)
            if segment is None:
                continue
            if segment.extra:
                segment = segment._replace(payload_at=base + len(extra) + segment.payload_at)
                extra += segment.extra
            segments.append(segment)
            indices.append(index)
        octets = batch.octets
        if extra:
            octets = np.concatenate([octets, np.frombuffer(bytes(extra), np.uint8)])
            octets.flags.writeable = False
        ends = [np.array([segment[at] for segment in segments], np.uint64) for at in (0, 1)]
        rest = [np.array([segment[at] for segment in segments], np.int64) for at in range(2, 12)]
        return Rows(np.array(indices, np.int64), ends[0], ends[1], *rest), octets

    def _segments(self, batch: PacketBatch, rows: Rows, octets: UInt8) -> SegmentBatch:
        if not len(rows):
            return _nothing(octets)
        copies = self._duplicates.find(batch, rows, octets)
        self.counters["tcp"] += len(rows)
        if copies.any():
            self.counters["duplicates"] += int(copies.sum())
            rows = rows.take(~copies)
        position = batch.position[rows.index]
        flow, new, forgotten = self._flows.number(rows.source, rows.target, position)
        for row in forgotten:
            self._index = int(rows.index[row])
            self._report("network.flow_limit", "a new pair takes the place of the one idle for longest")
        return SegmentBatch(
            octets=octets,
            packet=batch.packet[rows.index],
            position=position,
            ts_ns=batch.ts_ns[rows.index],
            flow=flow,
            seq=rows.seq,
            ack=rows.ack,
            flags=rows.flags,
            window=rows.window,
            offset=rows.offset,
            length=rows.length,
            missing=rows.missing,
            new_flows=new,
        )

    # --------------------------------------------------------------------------------------------------- reporting

    def _seen_one(self, what: str, number: int) -> None:
        self._seen(what, number, 1, self._index)

    def _seen(self, what: str, number: int, count: int, index: int) -> None:
        """Count what is not opened; it is named once when it is not on every network anyway."""
        name = name_of(what, number)
        self.counters["udp" if name == "UDP" else name] += count
        kind = (what, number)
        if kind not in EVERYDAY and kind not in self._kinds:
            self._new_kinds[kind] = min(index, self._new_kinds.get(kind, index))

    def _name_new_kinds(self) -> None:
        """At the end of a batch, because each lane has its own first packet of a kind."""
        for kind, index in sorted(self._new_kinds.items(), key=lambda entry: entry[1]):
            self._kinds.add(kind)
            self._index = index
            name = "network.unknown_link_type" if kind[0] == "link type" else "network.unknown_protocol"
            self._report(name, f"{name_of(*kind)} is counted, not opened")
        self._new_kinds.clear()

    def _report(self, name: str, detail: str) -> None:
        self._told[name] += 1
        batch = self._batch
        if self._told[name] <= self._max_anomalies and batch is not None:
            at = self._index
            entry = Anomaly(name, int(batch.ts_ns[at]), int(batch.packet[at]), int(batch.position[at]), detail=detail)
            self._found.append(entry)

    def _report_last(self, name: str, detail: str) -> None:
        self._told[name] += 1
        if self._told[name] <= self._max_anomalies:
            self._found.append(Anomaly(name, *self._last, detail=detail))


def _nothing(octets: UInt8) -> SegmentBatch:
    none = np.zeros(0, np.int64)
    return SegmentBatch(octets, none, none, none, none, none, none, none, none, none, none, none)
