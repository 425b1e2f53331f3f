"""Times and sizes of records that could not be read in; a guess at what repeats, in words, out.

Honest traffic analysis: a size that comes again at even distances suggests heartbeats or WebSocket pings. It proves
nothing, so it is worded as a guess and no rule judges it.
"""

from __future__ import annotations

from typing import Final

from ocpp_inspect.limits import TLS_SIZES

_LEAST_TIMES: Final = 5
_LEAST_SECONDS: Final = 4.0
_EVENNESS: Final = 0.1  # how much the distances may deviate from their mean, as a part of it


class Rhythm:
    """The client's application records of one connection, by size."""

    __slots__ = ("_last_ns", "_sizes")

    def __init__(self) -> None:
        # size → [times, sum of distances in seconds, sum of their squares]
        self._sizes: dict[int, list[float]] = {}
        self._last_ns: dict[int, int] = {}

    def note(self, octets: int, ts_ns: int) -> None:
        """A record of the client."""
        entry = self._sizes.get(octets)
        if entry is None:
            if len(self._sizes) < TLS_SIZES:
                self._sizes[octets] = [1, 0.0, 0.0]
                self._last_ns[octets] = ts_ns
            return
        seconds = (ts_ns - self._last_ns[octets]) / 1e9
        self._last_ns[octets] = ts_ns
        entry[0] += 1
        entry[1] += seconds
        entry[2] += seconds * seconds

    def guess(self) -> str:
        """The most frequent even rhythm; "" when there is none."""
        best, times = "", 0
        for octets, (count, total, squares) in self._sizes.items():
            mean = total / (count - 1) if count > 1 else 0.0
            if count < _LEAST_TIMES or mean < _LEAST_SECONDS or count <= times:
                continue
            variance = squares / (count - 1) - mean * mean
            if variance <= (_EVENNESS * mean) ** 2:
                times = int(count)
                best = (
                    f"{times} records of {octets} octets from the client, one every {mean:.0f} s: "
                    "a guess is heartbeats or pings"
                )
        return best
