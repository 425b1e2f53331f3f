"""Battery swaps, statuses and transactions of a station in, remarks about its slots out. Rules BSW-003 and BSW-004.

A slot is an EVSE (OCPP 2.1 Part 2 S03, remarks). Which EVSEs are slots shows in the batteries that go in and out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark

SLOTS: Final = 256  # per station; beyond it the oldest is forgotten
SECOND: Final = 10**9
WITHIN_NS: Final = 60 * SECOND  # the document gives no time; a minute is our convention


def numbers(entries: Any, *path: str) -> Iterator[int]:
    """The numbers at the end of a path into each object of a list, of the first objects only."""
    for entry in entries[:SLOTS] if isinstance(entries, list) else ():
        value: Any = entry
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, int) and not isinstance(value, bool):
            yield value


def told(payload: dict[str, Any]) -> Iterator[int]:
    """The EVSEs whose state a StatusNotification or NotifyEvent tells."""
    if "connectorStatus" in payload:
        yield from numbers([payload], "evseId")
        return
    events = payload.get("eventData")
    for event in events if isinstance(events, list) else ():
        variable = event.get("variable") if isinstance(event, dict) else None
        if isinstance(variable, dict) and variable.get("name") == "AvailabilityState":
            yield from numbers([event], "component", "evse", "id")


class StateNotTold(Conversation):
    """BSW-003: a battery went in or out, and no state of its slot is told around that time."""

    looks_at_samples = False

    def __init__(self) -> None:
        self.told: dict[int, int] = {}  # EVSE → when its state was told last
        self.owed: dict[int, Any] = {}  # EVSE → the swap
        self.is_complete_since = -1  # nothing is known of what came before

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """A state that was told shortly before the swap counts as well."""
        if self.is_complete_since < 0:
            self.is_complete_since = item.ts_ns
        if item.action == "BatterySwap":
            if payload.get("eventType") not in ("BatteryIn", "BatteryOut"):
                return
            for slot in numbers(payload.get("batteryData"), "evseId"):
                seen_ns = self.told.get(slot, self.is_complete_since)
                if seen_ns < item.ts_ns - WITHIN_NS and len(self.owed) < SLOTS:
                    self.owed[slot] = item
        elif item.action in ("StatusNotification", "NotifyEvent"):
            for slot in told(payload):
                self.owed.pop(slot, None)
                self.told.pop(slot, None)
                self.told[slot] = item.ts_ns
                if len(self.told) > SLOTS:
                    del self.told[next(iter(self.told))]

    def due(self, now_ns: int) -> Iterable[Remark]:
        """Tell what was to be told by now."""
        for slot, item in list(self.owed.items()):
            if now_ns >= item.ts_ns + WITHIN_NS:
                del self.owed[slot]
                text = f"{item.payload.get('eventType')} at slot {slot}; no state of that EVSE is told within 60 s"
                yield Remark(item, text, ts_ns=item.ts_ns + WITHIN_NS)

    def cut_off(self, now_ns: int) -> None:
        """What is not told by now was perhaps not sent."""
        self.forget()

    def forget(self) -> None:
        """The state may have been told unseen."""
        self.told.clear()
        self.owed.clear()
        self.is_complete_since = -1


class OddStart(Conversation):
    """BSW-004: the transaction that charges a battery begins with a driver's token, or by another cause."""

    looks_at_samples = False
    rests_on = frozenset(("TransactionEvent",))
    rests_without = ("filled",)  # without a battery in a slot no transaction charges one

    def __init__(self) -> None:
        self.filled: dict[int, int] = {}  # slot → when a battery went in

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """The first transaction at a slot that was filled within the last minute."""
        if item.action != "TransactionEvent" or payload.get("eventType") != "Started":
            return
        for slot in numbers([payload], "evse", "id"):
            filled_ns = self.filled.pop(slot, None)
            if filled_ns is None or item.ts_ns > filled_ns + WITHIN_NS:
                continue
            token, cause = payload.get("idToken"), payload.get("triggerReason")
            kind = token.get("type") if isinstance(token, dict) else None
            if cause != "CablePluggedIn" or kind not in (None, "Central", "NoAuthorization"):
                text = f"The battery in slot {slot} is charged by a transaction that begins with {cause}"
                yield Remark(item, text + (f" and a token of type {kind}" if kind else ""))

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Which slots were filled; one that was emptied may serve otherwise."""
        if item.action != "BatterySwap":
            return
        for slot in numbers(payload.get("batteryData"), "evseId"):
            self.filled.pop(slot, None)
            if payload.get("eventType") == "BatteryIn":
                self.filled[slot] = item.ts_ns
                if len(self.filled) > SLOTS:
                    del self.filled[next(iter(self.filled))]

    def forget(self) -> None:
        """The transaction may have begun unseen."""
        self.filled.clear()
