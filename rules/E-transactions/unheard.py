"""Starts and stops of one station in, remarks about stops whose start was not seen out. Rule TX16-003."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark
from ocpp_inspect.model import ConnectionClosed, Loss

TRANSACTIONS: Final = 512  # ids that are remembered for a station; beyond it nothing is told any more


class Unheard(Monitor):
    """Silent from the first loss on: any start may have been among what was lost, on whichever connection."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.lost = False

    def feed(self, item: Any) -> Iterable[Remark]:
        """Remember the ids that the CSMS gave, and those that were told."""
        if isinstance(item, (Loss, ConnectionClosed)):
            if isinstance(item, Loss) or item.joined_midway:  # joined: nothing was told of that loss yet
                self.forget()
            return ()
        payload = item.payload
        name = payload.get("transactionId") if isinstance(payload, dict) else None
        if self.lost or not isinstance(name, int):
            return ()
        is_known = name in self.known
        self.known.add(name)
        if len(self.known) > TRANSACTIONS:
            self.forget()
        if is_known or item.action != "StopTransaction":
            return ()
        return (Remark(item, f"StopTransaction names transaction {name}, whose start was not seen"),)

    def forget(self) -> None:
        """A start may be among what was lost."""
        self.known.clear()
        self.lost = True
