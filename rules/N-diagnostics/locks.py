"""Locks and transactions of one station in; remarks about charging in spite of a failed lock out. Rule MON-011."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark, looks_at

PLACES: Final = 64  # EVSEs, and transactions, that are remembered per station


def evse_of(holder: Any) -> int | None:
    """The number of the EVSE that a payload or a component names."""
    evse = holder.get("evse") if isinstance(holder, dict) else None
    found = evse.get("id") if isinstance(evse, dict) else None
    return found if type(found) is int else None


class ChargingUnlocked(Conversation):
    """A lock fails (G05.FR.02), and the EVSE goes over to charging in the same stay of the car (G05.FR.01)."""

    looks_at_samples = False
    rests_on = frozenset({"StatusNotification", "BootNotification"})
    rests_without = ("failed",)  # only a failed lock is of interest; transactions are followed all the same

    def __init__(self) -> None:
        self.failed: dict[int, Any] = {}  # EVSE → the event that told it
        self.places: dict[str, int] = {}  # transaction → EVSE, which is told once
        self.charging: set[str] = set()  # transactions that charge already

    @looks_at("TransactionEvent.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """A transaction that was seen not to charge begins to."""
        if not self.failed or item.action != "TransactionEvent" or item.kind == "CALLRESULT":
            return ()
        info = payload.get("transactionInfo")
        if not isinstance(info, dict) or info.get("chargingState") != "Charging" or payload.get("offline"):
            return ()
        name = str(info.get("transactionId"))
        place = evse_of(payload)
        place = self.places.get(name) if place is None else place
        if (
            place is None
            or name in self.charging
            or (name not in self.places and payload.get("eventType") != "Started")
        ):
            return ()
        if self.failed.pop(place, None) is None:
            return ()
        return (Remark(item, f"EVSE {place} begins to charge, though the lock of its connector has failed"),)

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Note failures and repairs of locks, where transactions are, and when a car has left."""
        if item.action == "NotifyEvent" and item.kind != "CALLRESULT":
            self.locks(item, payload)
        elif item.action == "TransactionEvent" and item.kind != "CALLRESULT":
            self.transaction(payload)
        elif item.action == "StatusNotification" and payload.get("connectorStatus") == "Available":
            self.failed.pop(payload.get("evseId"), None)  # type: ignore[arg-type]
        elif item.action == "BootNotification":
            self.failed.clear()

    def locks(self, item: Any, payload: dict[str, Any]) -> None:
        """Take the events of locks."""
        events = payload.get("eventData")
        for event in events if isinstance(events, list) else ():
            component = event.get("component") if isinstance(event, dict) else None
            variable = event.get("variable") if isinstance(event, dict) else None
            if not isinstance(component, dict) or not isinstance(variable, dict):
                continue
            place = evse_of(component)
            if component.get("name") != "ConnectorPlugRetentionLock" or place is None:
                continue
            value = str(event.get("actualValue")).casefold()
            if variable.get("name") == "Problem" and value == "true" and event.get("cleared") is not True:
                self.failed[place] = item
                if len(self.failed) > PLACES:
                    del self.failed[next(iter(self.failed))]
            else:
                self.failed.pop(place, None)  # whatever else it tells of the lock: it moves again

    def transaction(self, payload: dict[str, Any]) -> None:
        """Take place and state of a transaction."""
        info = payload.get("transactionInfo")
        name = str(info.get("transactionId")) if isinstance(info, dict) else ""
        place, state = evse_of(payload), info.get("chargingState") if isinstance(info, dict) else None
        if payload.get("eventType") == "Ended" or state == "Idle":
            known = (
                self.places.pop(name, place) if payload.get("eventType") == "Ended" else self.places.get(name, place)
            )
            self.charging.discard(name)
            if known is not None:
                self.failed.pop(known, None)  # the car has left
            return
        if place is not None:
            self.places.pop(name, None)
            self.places[name] = place
            if len(self.places) > PLACES:
                oldest = next(iter(self.places))
                del self.places[oldest]
                self.charging.discard(oldest)
        if name in self.places and state is not None:
            if state == "Charging":
                self.charging.add(name)
            elif state in ("EVConnected", "SuspendedEV", "SuspendedEVSE"):
                self.charging.discard(name)

    def forget(self) -> None:
        """The lock may have been repaired unseen."""
        self.failed.clear()
        self.places.clear()
        self.charging.clear()
