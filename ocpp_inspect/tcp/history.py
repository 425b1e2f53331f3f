"""Recent SegmentBatches in; whether a retransmission repeats the octets that were captured before, out.

What is remembered is a number of packet positions, not of batches, so that the answer does not depend on batching.
Nothing is copied: the batches themselves are kept until they are too old.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from ocpp_inspect.model import Int64, SegmentBatch
from ocpp_inspect.tcp.direction import sequence_distance

Rows = npt.NDArray[np.intp]

_SYN: Final = 2
_MASK: Final = 0xFFFFFFFF
_HALF: Final = 1 << 31
_COMPARED: Final = 16
"""Earlier segments compared with one retransmission, so that thousands of copies cost no square of time."""


class _Past:
    """One batch, sorted by flow on the first question."""

    __slots__ = ("batch", "first", "flow", "flows", "last", "order", "position", "size")

    def __init__(self, batch: SegmentBatch) -> None:
        self.batch = batch
        self.last = int(batch.position.max())
        self.order: npt.NDArray[np.intp] | None = None
        self.flow = self.position = self.first = self.size = batch.flow  # until sorted
        self.flows: frozenset[int] = frozenset()

    def holds(self, flow: int) -> bool:
        """The flow occurs in the batch: quick, because a live capture has thousands of tiny batches."""
        if self.order is None:
            self.order = np.argsort(self.batch.flow, kind="stable")
            self.flow = self.batch.flow[self.order]
            self.position = self.batch.position[self.order]
            self.size = self.batch.length[self.order]
            self.first = _first_octet(self.batch, self.order)
            self.flows = frozenset(self.flow.tolist())
        return flow in self.flows

    def overlapping(self, flow: int, seq: int, length: int, since: int, before: int) -> Rows:
        """The earliest rows of the flow that carry octets in the same place."""
        low, high = np.searchsorted(self.flow, (flow, flow + 1)).tolist()
        inside = slice(low, high)
        if self.position[low] < since or self.position[high - 1] >= before:
            early, late = np.searchsorted(self.position[low:high], (since, before)).tolist()
            inside = slice(low + early, low + late)
        size = self.size[inside]
        ahead = ((self.first[inside] - seq + _HALF) & _MASK) - _HALF
        # A single octet may be a keep-alive with an arbitrary one (RFC 9293 §3.8.4).
        fits = np.flatnonzero((size > 1) & (ahead < length) & (ahead + size > 0))
        return np.zeros(0, dtype=np.intp) if self.order is None else self.order[inside][fits[:_COMPARED]]


def _first_octet(batch: SegmentBatch, rows: Rows) -> Int64:
    """Sequence numbers of the first payload octets: a SYN takes one before them."""
    return batch.seq[rows] + ((batch.flags[rows] & _SYN) >> 1)


class History:
    """The segments of the last `positions` packets."""

    def __init__(self, positions: int) -> None:
        self._positions = positions
        self._past: deque[_Past] = deque()

    def add(self, batch: SegmentBatch) -> None:
        """Remember a batch before its segments are taken."""
        oldest = int(batch.position[0]) - self._positions
        while self._past and self._past[0].last < oldest:
            self._past.popleft()
        self._past.append(_Past(batch))

    def repeats(self, flow: int, seq: int, data: bytes, position: int, since: int) -> bool:
        """No earlier segment of the flow, from position `since` on, carried other octets in the same place.

        About 25 µs. The earliest few overlapping segments are compared: they brought what was handed on.
        """
        since = max(since, position - self._positions)
        compared = 0
        for past in self._past:
            if past.last < since or not past.holds(flow):
                continue
            batch = past.batch
            rows = past.overlapping(flow, seq, len(data), since, position)[: _COMPARED - compared]
            for row, first in zip(rows.tolist(), _first_octet(batch, rows).tolist(), strict=True):
                ahead = sequence_distance(first, seq)
                low, high = max(0, ahead), min(len(data), ahead + int(batch.length[row]))
                start = int(batch.offset[row]) - ahead
                if batch.octets[start + low : start + high].tobytes() != data[low:high]:
                    return False
            compared += len(rows)
            if compared >= _COMPARED:
                break
        return True
