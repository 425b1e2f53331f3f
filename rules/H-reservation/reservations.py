"""Messages of one station in, remarks about its reservations out. Rules RES-001, -006, -008, -010, ST16-008.

A reservation of OCPP 1.6 is for a connector (0: any), one of 2.x for an EVSE (none: any): here both are the place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark, looks_at

RESERVATIONS: Final = 64  # per station; beyond it the oldest is forgotten
PLACES: Final = 256  # connectors whose status is kept
SECOND: Final = 10**9
WITHIN_NS: Final = 60 * SECOND  # the documents give no time; a minute is our convention
CLOCK_NS: Final = 120 * SECOND  # clocks of station, CSMS and capture may differ so much
OUT: Final = ("Faulted", "Unavailable")
BUSY: Final = ("StartTransaction", "TransactionEvent")


def text_of(value: Any) -> str:
    """A token in lower case: tokens are compared without case. Empty when it is none."""
    token = value.get("idToken") if isinstance(value, dict) else value
    return token.lower() if isinstance(token, str) else ""


def number_of(payload: dict[str, Any]) -> int:
    """The reservation that a message names; -1 for none."""
    number = payload.get("reservationId")
    return number if isinstance(number, int) else -1


def moment_ns(timestamp: Any) -> int | None:
    """Nanoseconds since 1970; None without a zone, when the moment is unknown."""
    try:
        moment = datetime.fromisoformat(timestamp)
        return int(moment.timestamp() * SECOND) if moment.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass(slots=True)
class Reservation:
    """One that the station has accepted."""

    item: Any  # the answer Accepted
    name: int
    place: int  # 0: any
    token: str
    group: str  # empty: none
    expires_ns: int | None
    was_free: bool  # a connector of the place was reported as Available before
    shown: bool = False


def status_of(payload: dict[str, Any]) -> tuple[int, int, str] | None:
    """(place, connector in it, status) of a StatusNotification."""
    connector = payload.get("connectorId")
    place, status = payload.get("evseId", connector), payload.get("connectorStatus", payload.get("status"))
    if not isinstance(place, int) or not isinstance(status, str):
        return None
    return place, connector if isinstance(connector, int) else 0, status


def statuses(item: Any) -> list[tuple[int, int, str]]:
    """(place, connector in it, status) of every status that the message reports."""
    payload = item.payload
    if item.action == "StatusNotification":
        told = status_of(payload)
        return [] if told is None else [told]
    found = []
    events = payload.get("eventData")
    for event in events if isinstance(events, list) else ():
        component = event.get("component") if isinstance(event, dict) else None
        variable = event.get("variable") if isinstance(event, dict) else None
        evse = component.get("evse") if isinstance(component, dict) else None
        if isinstance(evse, dict) and isinstance(variable, dict) and variable.get("name") == "AvailabilityState":
            found.append((evse.get("id"), evse.get("connectorId"), event.get("actualValue")))
    return [
        (place, connector if isinstance(connector, int) else 0, status)
        for place, connector, status in found
        if isinstance(place, int) and isinstance(status, str)
    ]


class Reservations(Conversation):
    """What is known about the reservations of a station; the rules below look at it."""

    looks_at_samples = False
    rests_on = frozenset((*BUSY, "Heartbeat", "CancelReservation", "ReservationStatusUpdate", "BootNotification"))
    rests_without = ("active",)  # without a reservation nothing uses or ends it

    def __init__(self) -> None:
        self.active: dict[int, Reservation] = {}
        self.last: dict[tuple[int, int], str] = {}  # (place, connector) → last status

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Take a message into the picture."""
        if item.action == "StatusNotification":
            if (told := status_of(payload)) is not None:
                self.status(*told)
        elif item.action == "NotifyEvent":
            for place, connector, status in statuses(item):
                self.status(place, connector, status)
        elif item.action == "ReserveNow" and payload.get("status") == "Accepted":
            self.reserve(item, request)
        elif item.action == "CancelReservation" and payload.get("status") == "Accepted":
            self.active.pop(number_of(request), None)
        elif item.action in (*BUSY, "ReservationStatusUpdate"):
            self.active.pop(number_of(payload), None)
        elif item.action == "BootNotification":
            self.active.clear()  # whether a reservation outlives a reboot is not said

    def status(self, place: int, connector: int, status: str) -> None:
        """Note a status; one of these ends a reservation of the place (OCPP 1.6 §5.13, H01.FR.16)."""
        key = place, connector
        if key in self.last or len(self.last) < PLACES:
            self.last[key] = status
        if self.active and status in OUT:
            for name in [name for name, each in self.active.items() if each.place == place]:
                del self.active[name]

    def reserve(self, item: Any, request: dict[str, Any]) -> None:
        """Note a reservation that was accepted; one of the same number is replaced."""
        name = request.get("reservationId", request.get("id"))
        place = request.get("evseId", request.get("connectorId", 0))
        if not isinstance(name, int) or not isinstance(place, int):
            return
        self.active.pop(name, None)
        free = [status for (where, _), status in self.last.items() if where == place]
        self.active[name] = Reservation(
            item,
            name,
            place,
            text_of(request.get("idTag", request.get("idToken"))),
            text_of(request.get("parentIdTag", request.get("groupIdToken"))),
            moment_ns(request.get("expiryDate", request.get("expiryDateTime"))),
            was_free=bool(free) and set(free) == {"Available"},
        )
        if len(self.active) > RESERVATIONS:
            del self.active[next(iter(self.active))]

    def forget(self) -> None:
        """A reservation may have been used or cancelled unseen."""
        self.active.clear()
        self.last.clear()


class NotShown(Reservations):
    """RES-001: a minute after it was accepted, the place is neither Reserved nor in use."""

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Any status but Available shows that something happens at the place, so does a transaction."""
        super().learn(item, payload, request)
        if not self.active:
            return
        if item.action in ("StatusNotification", "NotifyEvent"):
            touched = {place for place, _, status in statuses(item) if status != "Available"}
        else:
            evse = payload.get("evse")
            place = evse.get("id") if isinstance(evse, dict) else payload.get("connectorId")
            touched = {place} if item.action in BUSY and isinstance(place, int) else set()
        for each in self.active.values():
            each.shown = each.shown or each.place in touched

    def cut_off(self, now_ns: int) -> None:
        """What is not shown by now was perhaps not sent."""
        for each in self.active.values():
            each.shown = True

    def due(self, now_ns: int) -> Iterable[Remark]:
        """Tell what was to be shown by now."""
        for each in self.active.values():
            if each.place > 0 and each.was_free and not each.shown and now_ns >= each.item.ts_ns + WITHIN_NS:
                each.shown = True
                text = f"Connector or EVSE {each.place} was reserved and is not reported as Reserved within 60 s"
                yield Remark(each.item, text, ts_ns=each.item.ts_ns + WITHIN_NS)


class _AtStart(Reservations):
    """Looks at reservations when a transaction is begun with a token."""

    # Whether the place was free before it was reserved does not matter here.
    rests_on = Reservations.rests_on | {"StatusNotification", "NotifyEvent"}

    @looks_at("StartTransaction.request", "TransactionEvent.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Find place, token and time of the beginning; only what is certainly after the reservation counts."""
        if item.action not in BUSY or item.kind != "CALL" or payload.get("offline") or "reservationId" in payload:
            return
        place = payload.get("connectorId")
        if item.action == "TransactionEvent":
            evse = payload.get("evse")
            place = evse.get("id") if isinstance(evse, dict) else None
            if payload.get("triggerReason") == "StopAuthorized" or payload.get("eventType") == "Ended":
                return
        token = text_of(payload.get("idTag", payload.get("idToken")))
        at_ns = moment_ns(payload.get("timestamp"))
        if not token or not isinstance(place, int) or at_ns is None:
            return
        valid = [
            each
            for each in self.active.values()
            if each.item.ts_ns + CLOCK_NS < min(at_ns, item.ts_ns)
            and (each.expires_ns is None or at_ns < each.expires_ns - CLOCK_NS)
        ]
        yield from self.begun(item, place, token, valid)

    def begun(self, item: Any, place: int, token: str, valid: list[Reservation]) -> Iterable[Remark]:
        """What the rule has to say about a beginning at `place`, without reservationId, while `valid` are in force."""
        raise NotImplementedError


class NotNamed(_AtStart):
    """RES-010: the reserved token begins a transaction that does not name its reservation."""

    def begun(self, item: Any, place: int, token: str, valid: list[Reservation]) -> Iterable[Remark]:
        """The one whose token it is."""
        for each in valid:
            if each.token == token and each.place in (0, place):
                text = f"The transaction at {place} has the token of reservation {each.name}, which it does not name"
                yield Remark(item, text)
                del self.active[each.name]  # once
                return


class ForeignToken(_AtStart):
    """RES-006: another token than the reserved one begins a transaction at the reserved place."""

    def begun(self, item: Any, place: int, token: str, valid: list[Reservation]) -> Iterable[Remark]:
        """Only where no group is reserved: the group of the token that came is not known."""
        for each in valid:
            if each.place == place and each.token != token and not each.group:
                text = f"A transaction begins at {place}, which is reserved for another token (number {each.name})"
                yield Remark(item, text)
                del self.active[each.name]  # once
                return


class NotRemoved(Reservations):
    """RES-008: a reserved EVSE fails, and the end of its reservation is not told."""

    rests_without = ("active", "owed")  # without a reservation nothing uses or ends it

    def __init__(self) -> None:
        super().__init__()
        self.owed: dict[int, Any] = {}  # reservation → the status that ended it

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Remember which reservations a fault of all connectors of their EVSE has ended."""
        if self.resting:
            super().learn(item, payload, request)
            return
        before = dict(self.active)
        super().learn(item, payload, request)
        if item.action in ("StatusNotification", "NotifyEvent"):
            for name in before.keys() - self.active.keys():
                place = before[name].place
                known = [status for (where, _), status in self.last.items() if where == place]
                if all(status in ("Faulted", "Unavailable") for status in known):
                    self.owed[name] = item
        elif item.action in ("ReservationStatusUpdate", *BUSY):
            self.owed.pop(number_of(payload), None)
        elif item.action == "CancelReservation":
            self.owed.pop(number_of(request), None)
        elif item.action == "BootNotification":
            self.owed.clear()

    def cut_off(self, now_ns: int) -> None:
        """What is not told by now was perhaps not sent."""
        self.owed.clear()

    def due(self, now_ns: int) -> Iterable[Remark]:
        """Tell what was to be told by now."""
        for name, item in list(self.owed.items()):
            if now_ns >= item.ts_ns + WITHIN_NS:
                del self.owed[name]
                text = f"The EVSE of reservation {name} is out of service; its end is not told within 60 s"
                yield Remark(item, text, ts_ns=item.ts_ns + WITHIN_NS)

    def forget(self) -> None:
        """The end may have been told unseen."""
        super().forget()
        self.owed.clear()


class WithoutReservation(Reservations):
    """ST16-008: a connector becomes Reserved, and there is no reservation."""

    @looks_at("StatusNotification.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Only a connector that had another status before: then the reservation would be of the capture's time."""
        if item.action != "StatusNotification" or payload.get("status") != "Reserved":
            return ()
        connector = payload.get("connectorId")
        if not isinstance(connector, int) or self.last.get((connector, connector), "Reserved") == "Reserved":
            return ()
        for each in self.active.values():
            if each.place in (0, connector) and (each.expires_ns is None or item.ts_ns < each.expires_ns + CLOCK_NS):
                return ()
        return (Remark(item, f"Connector {connector} becomes Reserved; no reservation of it was accepted"),)
