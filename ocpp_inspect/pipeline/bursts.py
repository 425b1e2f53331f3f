"""WebSocket items of many batches in; what each station said meanwhile, in one piece, out.

A station that says one thing a batch would have its state fetched from main memory for every message: with a thousand
stations the rules take twice the time. So messages wait here, undecoded, until a station has some.
"""

from __future__ import annotations

from collections.abc import Iterable

from ocpp_inspect.limits import BURST_MESSAGES, BURST_TOTAL_MESSAGES, BURST_TOTAL_OCTETS
from ocpp_inspect.model import WsItem, WsMessage


class Bursts:
    """Items that wait, by station. A part holds all of one station in its order; parts may be taken in any order."""

    def __init__(self) -> None:
        self._parts: dict[str, list[WsItem]] = {}
        self._items = 0
        self._octets = 0

    def add(self, parts: dict[str, list[WsItem]]) -> None:
        """Take what `Ocpp.by_station` gave."""
        held = self._parts
        for station, part in parts.items():
            if station in held:
                held[station] += part
            else:
                held[station] = part
            self._items += len(part)
            self._octets += sum([len(item.payload) for item in part if type(item) is WsMessage])

    @property
    def are_due(self) -> bool:
        """True when stations have enough each, or all of them too much."""
        wanted = min(BURST_MESSAGES * len(self._parts), BURST_TOTAL_MESSAGES)
        return self._items >= wanted or self._octets >= BURST_TOTAL_OCTETS

    def take(self) -> list[list[WsItem]]:
        """The parts; nothing waits any more."""
        parts = list(self._parts.values())
        self._parts, self._items, self._octets = {}, 0, 0
        return parts


def in_order(parts: Iterable[list[WsItem]]) -> list[WsItem]:
    """The items of all parts by position."""
    return sorted((item for part in parts for item in part), key=lambda item: item.position)
