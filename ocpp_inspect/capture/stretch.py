"""Packets of a capture as columns, with the anomalies between them; splitting, joining and reordering them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ocpp_inspect.model import Anomaly, Int64, UInt8


@dataclass(slots=True)
class Stretch:
    """Packets of one capture (or several, merged) with the octets they point into. `key` never decreases."""

    octets: UInt8
    packet: Int64
    ts_ns: Int64
    key: Int64  # what is merged by: the latest time so far within the file
    offset: Int64
    captured: Int64
    original: Int64
    link: Int64
    interface: Int64
    anomalies: list[tuple[int, Anomaly]] = field(default_factory=list)  # packets before it, anomaly

    @property
    def last_key(self) -> int:
        """The key of the last packet."""
        return int(self.key[-1]) if len(self.key) else -(2**63)

    def split(self, count: int) -> tuple[Stretch, Stretch]:
        """The first packets and the rest; an anomaly stays with the packet before it."""
        if count >= len(self.packet):
            return self, self._part(count, len(self.packet), [])
        head = [entry for entry in self.anomalies if entry[0] <= count and (entry[0] or count)]
        rest = [(after - count, anomaly) for after, anomaly in self.anomalies if after > count or not (after or count)]
        return self._part(0, count, head), self._part(count, len(self.packet), rest)

    def _part(self, low: int, high: int, anomalies: list[tuple[int, Anomaly]]) -> Stretch:
        return Stretch(
            self.octets,
            self.packet[low:high],
            self.ts_ns[low:high],
            self.key[low:high],
            self.offset[low:high],
            self.captured[low:high],
            self.original[low:high],
            self.link[low:high],
            self.interface[low:high],
            anomalies,
        )

    def reordered(self, order: Int64) -> Stretch:
        """The packets at the places `order`, which names each at most once; an anomaly stays behind its packet."""
        rank = np.full(len(self.packet), -1, np.int64)
        rank[order] = np.arange(len(order))
        anomalies = [
            (int(rank[after - 1]) + 1 if after else 0, anomaly)
            for after, anomaly in self.anomalies
            if not after or rank[after - 1] >= 0
        ]
        return Stretch(
            self.octets,
            self.packet[order],
            self.ts_ns[order],
            self.key[order],
            self.offset[order],
            self.captured[order],
            self.original[order],
            self.link[order],
            self.interface[order],
            sorted(anomalies, key=lambda entry: entry[0]),
        )


def join(stretches: Sequence[Stretch]) -> Stretch:
    """Several stretches one behind the other; the octets they point at are copied together."""
    if len(stretches) == 1:
        return stretches[0]
    pieces: list[UInt8] = []
    offsets: list[Int64] = []
    anomalies: list[tuple[int, Anomaly]] = []
    size = packets = 0
    for stretch in stretches:
        anomalies += [(after + packets if after else 0, anomaly) for after, anomaly in stretch.anomalies]
        packets += len(stretch.packet)
        if not len(stretch.packet):
            offsets.append(stretch.offset)
            continue
        low = int(stretch.offset.min())
        high = int((stretch.offset + stretch.captured).max())
        pieces.append(stretch.octets[low:high])
        offsets.append(stretch.offset - low + size)
        size += high - low

    def column(name: str) -> Int64:
        joined: Int64 = np.concatenate([getattr(stretch, name) for stretch in stretches])
        return joined

    octets = np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)
    octets.flags.writeable = False
    return Stretch(
        octets=octets,
        packet=column("packet"),
        ts_ns=column("ts_ns"),
        key=column("key"),
        offset=np.concatenate(offsets),
        captured=column("captured"),
        original=column("original"),
        link=column("link"),
        interface=column("interface"),
        anomalies=anomalies,
    )
