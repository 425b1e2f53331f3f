"""Packets of one capture in the order of its file in; those before which its clock was set back, as TCP shows, out.

A time that goes back has two reasons: the packet stands in the wrong place, or the clock was set. In the second case
the packets of a connection follow each other in their sequence numbers although their times do not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ocpp_inspect.model import Int64, PacketBatch, SegmentBatch
from ocpp_inspect.network import Network

_NAMES = ("flow", "ts_ns", "seq", "ack", "length", "flags", "position")
_SYN, _RST, _ACK = 2, 4, 16
_HALF = 1 << 31


class ClockWatch:
    """Implements `capture.order.ClockWatch`: remembers the last segment of each pair of endpoints."""

    def __init__(self) -> None:
        self._network = Network()
        self._last: Int64 = np.zeros((len(_NAMES), 0), np.int64)

    def __call__(self, batch: PacketBatch) -> Int64:
        """The rows that answer to, or follow, a segment with a later time."""
        segments = self._network.feed(batch)
        forgotten = {flow.pair for flow in segments.new_flows}  # their numbers belong to other endpoints now
        kept = self._last[:, ~np.isin(self._last[0] >> 1, list(forgotten))]
        kept[_NAMES.index("position")] = -1
        rows = np.concatenate([kept, _columns(segments)], axis=1)
        pair = rows[0] >> 1
        order = np.argsort(pair, kind="stable")
        rows, pair = rows[:, order], pair[order]
        is_last = np.append(pair[1:] != pair[:-1], True) if len(pair) else np.zeros(0, np.bool_)
        self._last = rows[:, is_last]
        before, after = rows[:, :-1], rows[:, 1:]
        shown = (pair[1:] == pair[:-1]) & _follows(before, after)
        return np.sort(after[_NAMES.index("position"), shown])


def _columns(segments: SegmentBatch) -> Int64:
    return np.stack([getattr(segments, name) for name in _NAMES])


def _ahead(later: Int64, earlier: Int64) -> Int64:
    """How far a sequence number lies before another, modulo 2**32 (RFC 9293 §3.4)."""
    return ((later - earlier + _HALF) & 0xFFFFFFFF) - _HALF


def _follows(before: Int64, after: Int64) -> npt.NDArray[np.bool_]:
    """Which segments were sent after the one before them in the file, although their time is before its."""
    flow, ts_ns, seq, ack, length, flags, _ = before
    next_flow, next_ns, next_seq, next_ack, _, next_flags, _ = after
    usual = (flags | next_flags) & (_SYN | _RST) == 0
    usual &= flags & next_flags & _ACK != 0
    same = flow == next_flow
    progress, answered = _ahead(next_seq, seq), _ahead(next_ack, ack)
    goes_on = same & (progress >= 0) & (answered >= 0) & (progress + answered > 0)
    acknowledges = ~same & (length > 0) & (_ahead(next_ack, seq + length) >= 0) & (_ahead(next_seq, ack) >= 0)
    shown: npt.NDArray[np.bool_] = usual & (next_ns < ts_ns) & (goes_on | acknowledges)
    return shown
