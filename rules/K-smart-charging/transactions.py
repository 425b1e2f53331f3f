"""Messages of one station in, remarks about charging profiles and the transactions that they are for out.

Rules SC-002, SC-019, SC-023 and SC-043. Times are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ocpp_inspect.engine import Conversation, Remark, looks_at

from .profiles import number, text

TRANSACTIONS: Final = 256  # per station; beyond it the oldest is forgotten
PLACES: Final = 256
PROFILES: Final = 64
SECOND: Final = 10**9
CROSSED_NS: Final = 5 * SECOND  # what is younger may have crossed the request
QUEUED_NS: Final = 60 * SECOND  # a station that was busy may tell a start so late
GRACE_NS: Final = 10 * SECOND
TRANSACTION: Final = (
    "TransactionEvent.request",
    "StartTransaction.request",
    "StartTransaction.response",
    "StopTransaction.request",
    "StatusNotification.request",
)
"""What tells of the beginning and the end of transactions."""
BUSY: Final = ("Preparing", "Charging", "SuspendedEV", "SuspendedEVSE")


def remember(table: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Keep the newest entries of a table."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]


def profile_of(request: dict[str, Any]) -> dict[str, Any]:
    """The profile that a SetChargingProfile sets; empty when it is none."""
    found = request.get("csChargingProfiles", request.get("chargingProfile"))
    return found if isinstance(found, dict) else {}


def place_of(request: dict[str, Any]) -> Any:
    """Its connector (OCPP 1.6) or EVSE (2.x)."""
    return request.get("connectorId", request.get("evseId"))


class Ended(Conversation):
    """Which transactions have ended, and which places have none."""

    looks_at_samples = False

    def __init__(self) -> None:
        self.ended: dict[str, int] = {}  # transaction → when
        self.places: dict[str, int] = {}  # transaction → its place
        self.idle: dict[int, int] = {}  # place → since when it certainly has none

    def forget(self) -> None:
        """A transaction may have begun, with an id that was used before (OCPP 1.6 lets the CSMS choose)."""
        self.ended.clear()
        self.places.clear()
        self.idle.clear()

    @looks_at(*TRANSACTION)
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Begin and end of transactions of either generation."""
        action = item.action
        if action == "StatusNotification":
            if item.kind == "CALL" and item.version == "1.6":
                self.status(item, payload.get("connectorId"), payload.get("status"))
        elif action == "TransactionEvent":
            if item.kind == "CALL":
                self.event(item, payload)
        elif action == "StartTransaction":
            place = place_of(payload if item.kind == "CALL" else request)
            if isinstance(place, int):
                self.busy(place)
            name = text(payload.get("transactionId"))
            if item.kind == "CALLRESULT" and name is not None and isinstance(place, int):
                self.ended.pop(name, None)
                remember(self.places, name, place, TRANSACTIONS)
        elif action == "StopTransaction" and item.kind == "CALL":
            self.end(item, text(payload.get("transactionId")))

    def busy(self, place: int) -> None:
        """A place has a transaction, or may have one."""
        self.idle.pop(place, None)

    def status(self, item: Any, place: Any, status: Any) -> None:
        """Available means that there is no transaction (OCPP 1.6 §7.7); it does not in 2.x."""
        if not isinstance(place, int):
            return
        if status in BUSY:
            self.busy(place)
        elif status == "Available" and place not in self.idle:
            remember(self.idle, place, item.ts_ns, PLACES)

    def event(self, item: Any, payload: dict[str, Any]) -> None:
        """An event of 2.x."""
        info, evse = payload.get("transactionInfo"), payload.get("evse")
        if evse is None and payload.get("eventType") != "Ended":
            return  # it tells no place
        name = text(info.get("transactionId")) if isinstance(info, dict) else None
        place = evse.get("id") if isinstance(evse, dict) else None
        if name is None:
            return
        if isinstance(place, int):
            remember(self.places, name, place, TRANSACTIONS)
        if payload.get("eventType") == "Ended":
            self.end(item, name)
        elif isinstance(place, int):
            self.busy(place)

    def end(self, item: Any, name: str | None) -> None:
        """A transaction has ended."""
        if name is None:
            return
        remember(self.ended, name, item.ts_ns, TRANSACTIONS)
        place = self.places.pop(name, None)
        if place is not None and place not in self.places.values():
            remember(self.idle, place, item.ts_ns, PLACES)


class WithoutTransaction(Ended):
    """SC-002: a TxProfile for the whole station, or accepted where no transaction is."""

    rests_without = ("claims",)  # without a claim nothing becomes due

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[int, tuple[int, Remark]] = {}  # place → (due, what is wrong unless a transaction shows)

    rests_on: ClassVar[frozenset[str]] = frozenset(("Heartbeat",))

    @looks_at("SetChargingProfile.request", "SetChargingProfile.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """The CSMS must not send it for 0; the station has to refuse it without its transaction."""
        if item.action != "SetChargingProfile":
            return
        data, place = profile_of(payload if item.kind == "CALL" else request), place_of(payload)
        if data.get("chargingProfilePurpose") != "TxProfile":
            return
        if item.kind == "CALL" and place == 0:
            yield Remark(item, "A TxProfile is set for 0, the whole station", blame="csms")
        if item.kind != "CALLRESULT" or payload.get("status") != "Accepted":
            return
        name, place = text(data.get("transactionId")), place_of(request)
        before = item.request_ns - CROSSED_NS
        if name is not None and self.ended.get(name, before + 1) <= before:
            yield Remark(item, f"A TxProfile for transaction {name} is Accepted, which has ended", blame="station")
        elif isinstance(place, int) and self.idle.get(place, before + 1) <= before and place not in self.claims:
            wrong = f"A TxProfile for {place} is Accepted, where no transaction is"
            remember(self.claims, place, (item.ts_ns + QUEUED_NS, Remark(item, wrong, blame="station")), PLACES)

    def busy(self, place: int) -> None:
        """A transaction that shows later was there already."""
        super().busy(place)
        self.claims.pop(place, None)

    def due(self, now_ns: int) -> Iterable[Remark]:
        """No transaction has shown."""
        if not self.claims:
            return ()
        over = [place for place, (due_ns, _) in self.claims.items() if due_ns <= now_ns]
        return [self.claims.pop(place)[1] for place in over]

    def cut_off(self, now_ns: int) -> None:
        """What shows a transaction may wait in the station."""
        self.claims.clear()
        self.idle.clear()

    def forget(self) -> None:
        """It may have been lost."""
        super().forget()
        self.claims.clear()


class Outlived(Ended):
    """SC-019: a profile is reported whose transaction has ended."""

    @looks_at("ReportChargingProfiles.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """The report may have been on its way when the transaction ended."""
        found = payload.get("chargingProfile")
        if item.action != "ReportChargingProfiles" or item.kind != "CALL" or not isinstance(found, list):
            return ()
        for data in found[:PROFILES]:
            name = text(data.get("transactionId")) if isinstance(data, dict) else None
            if name is not None and self.ended.get(name, item.ts_ns) <= item.ts_ns - GRACE_NS:
                return (Remark(item, f"Profile {data.get('id')} is still there; its transaction {name} has ended"),)
        return ()


@dataclass(slots=True)
class Dynamic:
    """A dynamic profile whose station has to ask for its value."""

    item: Any  # what set or updated it last
    interval_ns: int
    due_ns: int
    transaction: str | None


class NotPulled(Ended):
    """SC-023: the value of a dynamic profile is not asked for at its interval."""

    rests_on: ClassVar[frozenset[str]] = frozenset(("Heartbeat", "StatusNotification", "TransactionEvent"))
    rests_without = ("profiles",)  # without such a profile nothing is owed

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[int, Dynamic] = {}

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Every update, asked for or not, begins the interval anew."""
        accepted = item.kind == "CALLRESULT" and payload.get("status") == "Accepted"
        if item.action == "SetChargingProfile" and accepted:
            self.set(item, profile_of(request))
        elif item.action == "PullDynamicScheduleUpdate" or (item.action == "UpdateDynamicSchedule" and accepted):
            name = number((payload if item.kind == "CALL" else request).get("chargingProfileId"))
            profile = self.profiles.get(int(name)) if name is not None else None
            if profile is not None:
                profile.item, profile.due_ns = item, item.ts_ns + profile.interval_ns * 6 // 5 + GRACE_NS
        elif item.action == "ClearChargingProfile" and accepted:
            name = number(request.get("chargingProfileId"))
            for each in [each for each in self.profiles if name in (None, each)]:
                del self.profiles[each]
        elif item.action == "BootNotification":
            self.profiles.clear()
        elif item.action == "TransactionEvent" and item.kind == "CALL":
            self.event(item, payload)

    def set(self, item: Any, data: dict[str, Any]) -> None:
        """A profile is there from now on, with a new value."""
        name, interval = data.get("id"), number(data.get("dynUpdateInterval"))
        if type(name) is not int:
            return
        self.profiles.pop(name, None)
        if data.get("chargingProfileKind") != "Dynamic" or not interval or not 0 < interval <= 86_400:
            return
        if {"validFrom", "validTo"} & data.keys():
            return  # whether it is asked for while it is not valid is not said
        interval_ns = int(interval * SECOND)
        due_ns = item.ts_ns + interval_ns * 6 // 5 + GRACE_NS
        new = Dynamic(item, interval_ns, due_ns, text(data.get("transactionId")))
        remember(self.profiles, name, new, PROFILES)

    def end(self, item: Any, name: str | None) -> None:
        """The transaction's profiles go with it."""
        for each in [each for each, profile in self.profiles.items() if profile.transaction == name]:
            del self.profiles[each]

    def due(self, now_ns: int) -> Iterable[Remark]:
        """A fifth of the interval and ten seconds are allowed; it is told once."""
        if not self.profiles:
            return
        for name in [name for name, each in self.profiles.items() if each.due_ns <= now_ns]:
            late = self.profiles.pop(name)
            wanted = f"has dynUpdateInterval {late.interval_ns // SECOND}; no PullDynamicScheduleUpdate follows"
            yield Remark(late.item, f"Profile {name} {wanted}", ts_ns=late.due_ns)

    def cut_off(self, now_ns: int) -> None:
        """Nothing can be asked for without a connection; what comes after it is not said."""
        self.profiles.clear()

    def forget(self) -> None:
        """An update may have been lost."""
        super().forget()
        self.profiles.clear()


class PauseRefused(Ended):
    """SC-043: a profile that pauses charging is refused, and the same with another limit was accepted."""

    rests_on: ClassVar[frozenset[str]] = frozenset(("TransactionEvent", "StopTransaction"))
    rests_without = ("accepted",)  # without such a profile no end of a transaction matters

    def __init__(self) -> None:
        super().__init__()
        self.accepted: dict[tuple[Any, ...], float] = {}  # what it was alike in → its limit

    @looks_at("SetChargingProfile.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Alike in all that a station could refuse it for, but the limit."""
        if item.action != "SetChargingProfile" or item.kind != "CALLRESULT":
            return ()
        data = profile_of(request)
        schedule = data.get("chargingSchedule")
        schedule = schedule[0] if isinstance(schedule, list) and len(schedule) == 1 else schedule
        periods = schedule.get("chargingSchedulePeriod") if isinstance(schedule, dict) else None
        if not isinstance(periods, list) or len(periods) != 1 or not isinstance(periods[0], dict):
            return ()
        limit = number(periods[0].get("limit"))
        names = ("chargingProfilePurpose", "chargingProfileKind", "stackLevel", "transactionId")
        key = (
            text(place_of(request)),
            *(text(data.get(name)) for name in names),
            text(schedule.get("chargingRateUnit")),
        )
        if payload.get("status") == "Accepted" and limit:
            remember(self.accepted, key, limit, PROFILES)
        elif payload.get("status") == "Rejected" and limit == 0 and key in self.accepted:
            return (Remark(item, f"A limit of 0 is Rejected, {self.accepted[key]:g} in the same place was Accepted"),)
        return ()

    def end(self, item: Any, name: str | None) -> None:
        """Without its transaction a profile is refused anyway."""
        for key in [key for key in self.accepted if key[1] == "TxProfile"]:
            del self.accepted[key]

    def forget(self) -> None:
        """The end of a transaction may have been lost."""
        super().forget()
        self.end(None, None)
