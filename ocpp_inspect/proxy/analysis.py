"""Records of the relay in, decoded messages and findings in a recording out: what the packets of a capture would give.

A connection is known by the number of its first frame; both ends of the pipe count frames (`tap.frames_of`). Mirrors
are decoded by a chain without rules, for a copy of a station has nobody who could answer its CSMS.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec

from ocpp_inspect.capture.live import CaptureOutput
from ocpp_inspect.engine import Rule
from ocpp_inspect.engine.program import Program
from ocpp_inspect.limits import PROXY_MARK_CHARACTERS, PROXY_MARKED_MESSAGES
from ocpp_inspect.model import (
    Anomaly,
    CloseReason,
    Flow,
    Loss,
    OcppMessage,
    Side,
    StreamClosed,
    StreamData,
    StreamGap,
    StreamItem,
    StreamOpened,
    packet_key,
)
from ocpp_inspect.pipeline.recording import Recording
from ocpp_inspect.pipeline.stream import Decoded, StreamChain
from ocpp_inspect.proxy.packets import Packets
from ocpp_inspect.proxy.tap import (
    CLOSED,
    DATA,
    END,
    MARK,
    MISSING,
    NOTE,
    OPENED,
    SAID,
    TYPES,
    Closed,
    Marked,
    Missing,
    Note,
    Payload,
    Said,
    frames_of,
    read_records,
)
from ocpp_inspect.proxy.tap import Opened as OpenedRecord

_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[Any]]] = {
    kind: msgspec.msgpack.Decoder(payload) for kind, payload in TYPES.items()
}
_SIDES: Final[tuple[Side, Side]] = ("station", "csms")


class _Open:
    """One connection: what its stream items are made of."""

    __slots__ = ("is_mirror", "key", "offsets", "pair")

    def __init__(self, key: int, pair: int, *, is_mirror: bool) -> None:
        self.key = key
        self.pair = pair
        self.is_mirror = is_mirror
        self.offsets = [0, 0]


class Analysis:
    """Feed it what the pipe gives; `is_over` tells that the relay has said its last word."""

    def __init__(
        self, rules: Sequence[Rule] | Program, recording: Recording, *, validate: bool = True, remembers: bool = False,
        output: CaptureOutput | None = None,
    ) -> None:  # fmt: skip
        self._recording = recording
        self._capture = recording.info.capture
        self._chain = StreamChain(rules, validate=validate)
        self._mirrors = StreamChain((), validate=validate)
        self._output = output
        self._packets = Packets(self._capture) if output is not None else None
        self._items: list[StreamItem] = []
        self._mirror_items: list[StreamItem] = []
        self._open: dict[int, _Open] = {}
        self._free_pairs: list[int] = []
        self._pairs = 0
        self._frames = 0
        self._last_ns = 0
        self._recent: OrderedDict[tuple[int, Side, bytes], tuple[int, int]] = OrderedDict()
        self._remembers = remembers  # messages, so that a mark which comes later finds its message
        self.is_over = False
        self.said: Callable[[str, int], None] = lambda text, now_ns: None
        self.missing_bytes = 0
        self.records = 0

    def feed(self, buffer: bytes) -> bytes:
        """Take the whole records of a buffer; returns the rest of it."""
        end = 0
        for kind, connection, ts_ns, octets, after in read_records(buffer):
            end = after
            self.records += 1
            self._last_ns = max(ts_ns, self._last_ns)  # clocks are set back now and then
            if kind <= DATA + 1:
                self._data(kind, connection, self._last_ns, octets)
            elif kind == END:
                self.is_over = True
            else:
                self._frames += frames_of(kind, 0)
                self._other(kind, connection, self._last_ns, octets)
        self._flush()
        if self._packets is not None and self._output is not None:
            batch = self._packets.take()
            if batch is not None:
                self._output.write(batch, self._last_ns)
        return buffer[end:]

    def tick(self, now_ns: int) -> None:
        """Let time pass; `now_ns` must not be later than what may still come."""
        now_ns = max(now_ns, self._last_ns)
        self._recording.add(self._chain.tick(now_ns))

    def finish(self) -> dict[str, dict[str, int]]:
        """Close what is open; returns the counters of the rooms."""
        self._flush()
        self._recording.add(self._chain.finish(self._last_ns or None))
        self._recording.add(self._mirrors.finish(self._last_ns or None))
        own = {"records": self.records, "not_analysed_bytes": self.missing_bytes}
        return {**self._chain.counters(), "proxy": own}

    # ------------------------------------------------------------------ records

    def _data(self, direction: int, connection: int, ts_ns: int, octets: bytes) -> None:
        self._frames += frames_of(direction, len(octets))
        if self._packets is not None:
            self._packets.data(connection, direction, ts_ns, octets)
        opened = self._open.get(connection)
        if opened is None:
            return
        info = self._recording.info
        info.bytes += len(octets)
        info.packets = self._frames
        info.first_ns = info.first_ns or ts_ns
        info.last_ns = ts_ns
        offset = opened.offsets[direction]
        opened.offsets[direction] = offset + len(octets)
        item = StreamData(opened.key, opened.pair, direction, ts_ns, self._packet(), self._frames, offset, octets)
        (self._mirror_items if opened.is_mirror else self._items).append(item)

    def _other(self, kind: int, connection: int, ts_ns: int, octets: bytes) -> None:
        payload = _DECODERS[kind].decode(octets)
        if self._packets is not None:
            self._write(self._packets, connection, ts_ns, payload)
        if kind == OPENED:
            self._opened(connection, ts_ns, cast(OpenedRecord, payload))
        elif kind == CLOSED:
            self._closed(connection, ts_ns, cast(Closed, payload))
        elif kind == MISSING:
            self._missing(connection, ts_ns, cast(Missing, payload))
        elif kind == MARK:
            self._marked(connection, ts_ns, cast(Marked, payload))
        elif kind == SAID:
            self.said(cast(Said, payload).text, ts_ns)
        elif kind == NOTE:
            note = cast(Note, payload)
            self._anomaly(connection, ts_ns, note.name, cast(Side, note.sender), note.detail)

    @staticmethod
    def _write(packets: Packets, connection: int, ts_ns: int, payload: Payload) -> None:
        """As many packets as the record counts frames."""
        if isinstance(payload, OpenedRecord):
            packets.opened(connection, ts_ns, payload.client, payload.client_port, payload.server, payload.server_port)
        elif isinstance(payload, Closed):
            packets.closed(connection, ts_ns, payload.reason, payload.closed_by)
        elif isinstance(payload, Missing):
            packets.missing(connection, payload.direction, ts_ns, payload.octets)
        else:
            packets.mark(connection, ts_ns)

    def _opened(self, connection: int, ts_ns: int, record: OpenedRecord) -> None:
        if self._free_pairs:
            pair = self._free_pairs.pop()
        else:
            pair = self._pairs
            self._pairs += 1
        key = packet_key(self._capture, connection)
        opened = self._open[connection] = _Open(key, pair, is_mirror=bool(record.mirror_of))
        flow = Flow(pair, record.client, record.client_port, record.server, record.server_port)
        item = StreamOpened(key, flow, ts_ns, self._packet(), self._frames, 0, False)
        if opened.is_mirror:
            self._mirror_items.append(item)
            return
        self._items.append(item)
        if record.is_tls:
            self._flush()
            self._chain.decrypted(key)

    def _closed(self, connection: int, ts_ns: int, record: Closed) -> None:
        opened = self._open.pop(connection, None)
        if opened is None:
            return
        self._free_pairs.append(opened.pair)
        reason = cast(CloseReason, record.reason)
        item = StreamClosed(opened.key, opened.pair, ts_ns, self._packet(), self._frames, reason, record.closed_by, 0)
        (self._mirror_items if opened.is_mirror else self._items).append(item)

    def _missing(self, connection: int, ts_ns: int, record: Missing) -> None:
        opened = self._open.get(connection)
        self.missing_bytes += record.octets
        if opened is None:
            return
        direction = record.direction
        offset = opened.offsets[direction]
        opened.offsets[direction] = offset + record.octets
        item = StreamGap(opened.key, opened.pair, direction, ts_ns, self._packet(), self._frames, offset, record.octets)
        (self._mirror_items if opened.is_mirror else self._items).append(item)
        self._anomaly(connection, ts_ns, "proxy.not_analysed", _SIDES[direction], f"{record.octets} octets")

    def _marked(self, connection: int, ts_ns: int, record: Marked) -> None:
        """Something was done to a message: an anomaly beside it, and nobody is blamed for what follows."""
        self._remembers = True
        self._flush()
        side = cast(Side, record.sender)
        key = packet_key(self._capture, connection)
        text = record.original or record.forwarded
        found = self._recent.get((key, side, text.encode()))
        detail = "; ".join(
            f"{name}: {value[:PROXY_MARK_CHARACTERS]}"
            for name, value in (("why", record.note), ("came", record.original), ("went on", record.forwarded))
            if value
        )
        message_id, packet = found or (0, 0)
        self._anomaly(connection, ts_ns, record.name, side, detail, message_id, packet)
        if connection in self._open:
            loss = Loss(key, "unknown", ts_ns, self._packet(), self._frames, "manipulated")
            self._items.append(cast(StreamItem, loss))

    def _anomaly(
        self, connection: int, ts_ns: int, name: str, side: Side, detail: str, message_id: int = 0, packet: int = 0
    ) -> None:
        opened = self._open.get(connection)
        key = opened.key if opened is not None else 0
        anomaly = Anomaly(name, ts_ns, packet or self._packet(), self._frames, key, side, detail, message_id=message_id)
        (self._mirror_items if opened is not None and opened.is_mirror else self._items).append(anomaly)

    def _packet(self) -> int:
        return packet_key(self._capture, max(1, self._frames))

    # ------------------------------------------------------------------ decoding

    def _flush(self) -> None:
        if self._items:
            items, self._items = self._items, []
            self._add(self._chain.feed(items))
        if self._mirror_items:
            items, self._mirror_items = self._mirror_items, []
            self._add(self._mirrors.feed(items))

    def _add(self, decoded: Decoded) -> None:
        for item in decoded.items:
            if type(item) is OcppMessage:
                if self._remembers:
                    self._remember(item)
            elif type(item) is Loss and item.cause == "gap":
                item.cause = "limit"  # nothing is missing here but what was not looked at
        self._recording.add(decoded)

    def _remember(self, message: OcppMessage) -> None:
        key = (message.connection, message.side, message.raw)
        self._recent[key] = (message.message_id, message.packet)
        if len(self._recent) > PROXY_MARKED_MESSAGES:
            self._recent.popitem(last=False)
