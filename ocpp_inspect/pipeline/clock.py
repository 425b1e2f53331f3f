"""Packets of one capture in the order of its file in; those before which its clock was set back, as TCP shows, out.

A time that goes back has two reasons: the packet stands in the wrong place, or the clock was set. In the second case
the packets of a connection follow each other in their sequence numbers although their times do not. Segments that
bring nothing new (copies, retransmissions, bare acknowledgments again) show nothing.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from ocpp_inspect.model import Int64, PacketBatch
from ocpp_inspect.network import Network

_SYN, _RST, _ACK = 2, 4, 16
_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1


class _Seen(NamedTuple):
    """A segment that brought something new: its flow, time and acknowledgment, its first octet and that behind it."""

    flow: int
    ts_ns: int
    seq: int
    end: int
    ack: int


class ClockWatch:
    """Implements `capture.order.ClockWatch`. 2 µs a segment, of captures with packets out of order only."""

    def __init__(self) -> None:
        self._network = Network()  # its table of endpoints is bounded, and so are the ones here
        self._last: dict[int, _Seen] = {}  # by pair of endpoints
        self._furthest: dict[int, tuple[int, int]] = {}  # by flow: (end, acknowledgment)

    def __call__(self, batch: PacketBatch) -> Int64:
        """The rows that follow a segment, or answer to one, that has a later time."""
        segments = self._network.feed(batch)
        for flow in segments.new_flows:  # these numbers belonged to other endpoints before
            self._forget(flow.pair)
        found: list[int] = []
        columns: Any = zip(
            segments.position.tolist(), segments.flow.tolist(), segments.ts_ns.tolist(), segments.seq.tolist(),
            segments.ack.tolist(), segments.flags.tolist(), (segments.length + segments.missing).tolist(), strict=True,
        )  # fmt: skip
        for row, flow, ts_ns, seq, ack, flags, length in columns:
            if flags & (_SYN | _RST) or not flags & _ACK:
                self._forget(flow >> 1)
                continue
            segment = _Seen(flow, ts_ns, seq, seq + length, ack)
            end, acknowledged = self._furthest.get(flow, (segment.end, ack))
            if flow in self._furthest and _ahead(segment.end, end) <= 0 and _ahead(ack, acknowledged) <= 0:
                continue
            last = self._last.get(flow >> 1)
            if last is not None and ts_ns < last.ts_ns and _follows(last, segment):
                found.append(row)
            self._last[flow >> 1] = segment
            self._furthest[flow] = (_later(segment.end, end), _later(ack, acknowledged))
        return np.array(found, np.int64)

    def _forget(self, pair: int) -> None:
        self._last.pop(pair, None)
        self._furthest.pop(2 * pair, None)
        self._furthest.pop(2 * pair + 1, None)


def _ahead(later: int, earlier: int) -> int:
    """How far a sequence number lies before another, modulo 2**32 (RFC 9293 §3.4)."""
    return ((later - earlier + _HALF) & _MASK) - _HALF


def _later(one: int, two: int) -> int:
    return one if _ahead(one, two) > 0 else two


def _follows(last: _Seen, segment: _Seen) -> bool:
    """Whether a segment was sent after the one before it in the file."""
    if segment.flow == last.flow:
        return _ahead(segment.seq, last.seq) >= 0 and _ahead(segment.ack, last.ack) >= 0
    return last.end != last.seq and _ahead(segment.ack, last.end) >= 0 and _ahead(segment.seq, last.ack) >= 0
