"""Times and positions of all packets in; the capture's clock at a position, and the position of a time, out.

The clock never goes back: it is the newest time so far. It belongs to the whole capture, not to the segments that one
worker decodes, so what happens when time passes does not depend on how many workers share the connections.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ocpp_inspect.model import Int64

NEVER: Final = 1 << 62
"""Later than every time in ns."""


class Clock(NamedTuple):
    """Time and position of every packet of a batch, whoever decodes it, in position order."""

    ts_ns: Int64
    position: Int64


class Timeline:
    """The clock of the present batch and of the last `positions` packets before it.

    The past is for segments that come late: workers hold a connection back until its station is known. It costs 5 ns a
    packet.
    """

    def __init__(self, positions: int) -> None:
        self._most = positions
        self._size = 0
        self._position: Int64 = np.zeros(1024, dtype=np.int64)
        self._now_ns: Int64 = np.zeros(1024, dtype=np.int64)
        self.now_ns = -NEVER
        self.last_position = 0

    def advance(self, clock: Clock) -> None:
        """Take the packets of the next batch; those at positions already passed are late and move no clock."""
        ts_ns, position = clock
        if self._size and len(position) and position[0] <= self.last_position:
            is_new = position > self.last_position
            ts_ns, position = ts_ns[is_new], position[is_new]
        count = len(position)
        if not count:
            return
        if self._size + count > len(self._position):
            self._make_room(count)
        start, end = self._size, self._size + count
        now_ns = self._now_ns[start:end]
        np.maximum.accumulate(ts_ns, out=now_ns)
        if now_ns[0] < self.now_ns:
            np.maximum(now_ns, self.now_ns, out=now_ns)
        self._position[start:end] = position
        self._size = end
        self.now_ns, self.last_position = int(now_ns[-1]), int(position[-1])

    def _make_room(self, count: int) -> None:
        kept = min(self._size, self._most)
        former = slice(self._size - kept, self._size)
        position, now_ns = self._position, self._now_ns
        # At least as much free as is kept, so that moving it costs each packet little.
        if 2 * kept + count > len(position):
            size = 2 * kept + 2 * count
            position, now_ns = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        position[:kept], now_ns[:kept] = self._position[former], self._now_ns[former]
        self._position, self._now_ns = position, now_ns
        self._size = kept

    def at(self, position: Int64, ts_ns: Int64) -> Int64:
        """The clock when each of these segments came; their own time where that is forgotten."""
        if not self._size:
            return ts_ns
        index = np.searchsorted(self._position[: self._size], position, side="right") - 1
        return np.where(index < 0, np.minimum(ts_ns, self._now_ns[0]), self._now_ns[index])

    def position_of(self, due_ns: int) -> int:
        """The first packet as of which the clock shows this time; the last one when none does yet."""
        index = int(self._now_ns[: self._size].searchsorted(due_ns))
        return int(self._position[index]) if index < self._size else self.last_position
