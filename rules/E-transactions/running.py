"""Messages of one station in, remarks about its running transactions out.

Rules TX16-002, TX16-008, TX16-022, TX2-022, TX2-029, RC-008, RC-009, RC-012 and AVL-001. The place of a transaction is
its connector in OCPP 1.6 and its EVSE in 2.x. One that began before the capture, or before a boot, is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ocpp_inspect.engine import Conversation, Remark, looks_at
from ocpp_inspect.engine.functions import seconds_of

TRANSACTIONS: Final = 256  # open ones per station; beyond it the oldest is forgotten
PLACES: Final = 256  # connectors and EVSEs per station
CLAIMS: Final = 64  # suspicions that wait for the end of a transaction
SECOND: Final = 10**9
SETTLED_NS: Final = 5 * SECOND  # a transaction that is younger may have crossed the request
END_NS: Final = 60 * SECOND  # the documents give no time; a minute is our convention
QUEUE_NS: Final = 600 * SECOND  # a station that was offline has its queue to send
TRANSACTION: Final = (
    "TransactionEvent.request",
    "StartTransaction.response",
    "StopTransaction.request",
    "BootNotification.request",
)
"""What tells of the beginning and the end of transactions."""
ENDING: Final = ("StopAuthorized", "Deauthorized", "RemoteStop", "EVDeparted", "AbnormalCondition", "ResetCommand")


class Transaction(msgspec.Struct):  # made by each of these rules: 0.15 µs instead of the 0.45 of a dataclass
    """One that runs, as far as is known."""

    name: str
    since_ns: int
    item: Any  # its first message
    place: int | None = None
    connector: int | None = None  # of the EVSE, 2.x
    authorized: bool = False
    had_token: bool = False


@dataclass(slots=True)
class Claim:
    """Something that is wrong unless `transaction` ends by `until_ns`."""

    transaction: str
    until_ns: int
    remark: Remark


class Running(Conversation):
    """The open transactions of a station, and the suspicions that their end clears."""

    looks_at_samples = False
    rests_on = frozenset(("Heartbeat", "StatusNotification"))  # they only let time pass
    rests_without = ("claims",)  # without a suspicion nothing becomes due

    def __init__(self) -> None:
        self.open: dict[str, Transaction] = {}
        self.claims: list[Claim] = []

    def claim(self, transaction: Transaction, item: Any, text: str, wait_ns: int = END_NS) -> None:
        """Tell it later, if the transaction has not ended by then."""
        if len(self.claims) < CLAIMS and all(claim.transaction != transaction.name for claim in self.claims):
            until_ns = item.ts_ns + wait_ns
            self.claims.append(Claim(transaction.name, until_ns, Remark(item, text, ts_ns=until_ns)))

    def due(self, now_ns: int) -> Iterable[Remark]:
        """Claims whose time is over."""
        if not self.claims or now_ns < min(claim.until_ns for claim in self.claims):
            return ()
        over = [claim for claim in self.claims if claim.until_ns <= now_ns]
        self.claims = [claim for claim in self.claims if claim.until_ns > now_ns]
        return [claim.remark for claim in over]

    def cut_off(self, now_ns: int) -> None:
        """The end of a transaction may be waiting in the station; an answer that came last may not have reached it."""
        self.claims.clear()
        for name in [name for name, each in self.open.items() if each.since_ns > now_ns - END_NS]:
            if self.open[name].item.kind == "CALLRESULT":
                del self.open[name]

    def forget(self) -> None:
        """An end may have been lost."""
        self.open.clear()
        self.claims.clear()

    @looks_at(*TRANSACTION)
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Begin and end of transactions of either generation."""
        action, kind = item.action, item.kind
        if action == "TransactionEvent" and kind == "CALL":
            self.event(item, payload)
        elif action == "StartTransaction" and kind == "CALLRESULT":
            info = payload.get("idTagInfo")
            name, place = payload.get("transactionId"), request.get("connectorId")
            if isinstance(info, dict) and info.get("status") == "Accepted" and isinstance(place, int):
                self.begin(Transaction(str(name), item.ts_ns, item, place, authorized=True))
        elif action == "StopTransaction" and kind == "CALL":
            self.end(str(payload.get("transactionId")))
        elif action == "BootNotification" and kind == "CALL":
            self.boot()

    def event(self, item: Any, payload: dict[str, Any]) -> None:
        """What a TransactionEvent says about its transaction."""
        event, trigger = payload.get("eventType"), payload.get("triggerReason")
        if event == "Updated" and "evse" not in payload and "idToken" not in payload and trigger not in ENDING:
            return  # most say nothing new
        info, evse = payload.get("transactionInfo"), payload.get("evse")
        name = info.get("transactionId") if isinstance(info, dict) else None
        if not isinstance(name, str):
            return
        if event == "Ended":
            self.end(name)
            return
        if event == "Started" and name not in self.open:
            self.begin(Transaction(name, item.ts_ns, item))
        transaction = self.open.get(name)
        if transaction is None:
            return
        if isinstance(evse, dict):
            place = evse.get("id")
            if isinstance(place, int) and place != transaction.place:
                transaction.place = place
                self.placed(transaction, item)
            if isinstance(evse.get("connectorId"), int):
                transaction.connector = evse["connectorId"]
        transaction.had_token = transaction.had_token or "idToken" in payload
        if trigger in ENDING:
            transaction.authorized = False
        elif "idToken" in payload:
            transaction.authorized = True

    def begin(self, transaction: Transaction) -> None:
        """A transaction runs from now on."""
        before = self.open.pop(transaction.name, None)
        self.open[transaction.name] = transaction
        if len(self.open) > TRANSACTIONS:
            del self.open[next(iter(self.open))]
        if transaction.place is not None and (before is None or before.place != transaction.place):
            self.placed(transaction, transaction.item)

    def placed(self, transaction: Transaction, item: Any) -> None:
        """`item` tells where a transaction runs, which was not known, or was another place."""

    def end(self, name: str) -> None:
        """It has ended; what was held against it is settled."""
        self.open.pop(name, None)
        if self.claims:
            self.claims = [claim for claim in self.claims if claim.transaction != name]

    def boot(self) -> None:
        """Whether transactions outlive a reboot is not known."""
        self.open.clear()
        self.claims.clear()

    def at(self, place: int | None, before_ns: int) -> list[Transaction]:
        """Those at a place (0 or None: at any) that have run for long enough."""
        return [
            each
            for each in self.open.values()
            if (place in (0, None) or each.place == place) and each.since_ns <= before_ns - SETTLED_NS
        ]


class SecondStart(Running):
    """TX16-002, TX2-022: a transaction begins where another one runs."""

    def placed(self, transaction: Transaction, item: Any) -> None:
        """Compare a new transaction with those that run at its place."""
        name, place = transaction.name, transaction.place
        for old in [each for each in self.open.values() if each.place == place and each.name != name]:
            if self.began(old) == self.began(transaction):
                self.end(old.name)  # a start that was sent again got another id
                continue
            self.claim(old, item, f"Transaction {name} begins at {place}, where {old.name} has not ended")

    @staticmethod
    def began(transaction: Transaction) -> float | None:
        """When it began by its own account."""
        item = transaction.item
        source = item.request if item.kind == "CALLRESULT" else item.payload
        return seconds_of(source.get("timestamp"))


class NeverStopped(Running):
    """TX16-022: the connector is free, and its transaction does not stop."""

    rests_on = frozenset(("Heartbeat",))

    @looks_at(*TRANSACTION, "StatusNotification.request")
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """A connector that charges on was not free."""
        if item.action != "StatusNotification":
            super().learn(item, payload, request)
            return
        status, place = payload.get("status"), payload.get("connectorId")
        if not place or not self.open:
            return
        if status == "Available":
            for each in self.at(place, item.ts_ns):
                text = f"Connector {each.place} is Available; transaction {each.name} does not stop within 10 minutes"
                self.claim(each, item, text, QUEUE_NS)
        elif self.claims and status in ("Charging", "SuspendedEV", "SuspendedEVSE"):
            for each in self.at(place, item.ts_ns):
                self.claims = [claim for claim in self.claims if claim.transaction != each.name]


class Rebased(Conversation):
    """TX16-008: the register of a connector begins again below the end of its last transaction."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}  # transaction → connector
        self.last: dict[int, tuple[float, float]] = {}  # connector → (time, register) of the last stop
        self.told: set[int] = set()

    @looks_at("StartTransaction.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Compare a start with the last stop; once for each connector."""
        place, register = payload.get("connectorId"), payload.get("meterStart")
        at = seconds_of(payload.get("timestamp"))
        if item.action != "StartTransaction" or item.kind != "CALL" or at is None or not isinstance(register, int):
            return
        stopped = self.last.get(place) if isinstance(place, int) else None
        if stopped is not None and at >= stopped[0] and register < stopped[1] and place not in self.told:
            self.told.add(place)
            yield Remark(item, f"Connector {place} starts with {register} Wh, it stopped with {stopped[1]:g} Wh before")

    @looks_at("StartTransaction.response", "StopTransaction.request")
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Which transaction belongs to which connector, and where its register was."""
        if item.action == "StartTransaction" and item.kind == "CALLRESULT":
            place = request.get("connectorId")
            if isinstance(place, int):
                self.places[str(payload.get("transactionId"))] = place
                if len(self.places) > TRANSACTIONS:
                    del self.places[next(iter(self.places))]
        elif item.action == "StopTransaction" and item.kind == "CALL":
            at, register = seconds_of(payload.get("timestamp")), payload.get("meterStop")
            place = self.places.pop(str(payload.get("transactionId")), None)
            if place is not None and at is not None and isinstance(register, int) and len(self.last) < PLACES:
                self.last[place] = at, register

    def forget(self) -> None:
        """The last stop may have been lost."""
        self.places.clear()
        self.last.clear()


class NotScheduled(Running):
    """AVL-001: a place is taken out of service at once while a transaction runs there."""

    @looks_at("ChangeAvailability.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Only an answer Accepted is wrong: the station may refuse."""
        wanted = request.get("operationalStatus", request.get("type"))
        if item.action != "ChangeAvailability" or payload.get("status") != "Accepted" or wanted != "Inoperative":
            return ()
        evse = request.get("evse")
        place = evse.get("id") if isinstance(evse, dict) else request.get("connectorId")
        connector = evse.get("connectorId") if isinstance(evse, dict) else None
        for each in self.at(place, item.request_ns):
            if None not in (connector, each.connector) and connector != each.connector:
                continue
            text = f"ChangeAvailability to Inoperative is Accepted, not Scheduled; transaction {each.name} runs"
            self.claim(each, item, text, END_NS)
        return ()


class Unlocked(Running):
    """RC-012: a connector is unlocked while its transaction goes on."""

    @looks_at("UnlockConnector.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """In OCPP 1.6 the transaction has to end; in 2.x an authorized one forbids the unlocking."""
        if item.action != "UnlockConnector" or payload.get("status") != "Unlocked":
            return ()
        place = request.get("evseId", request.get("connectorId"))
        for each in self.at(place, item.request_ns):
            other = each.connector is not None and each.connector != request.get("connectorId")
            if each.authorized and not (other and "evseId" in request):
                self.claim(each, item, f"Connector {place} is Unlocked, and its transaction {each.name} goes on")
        return ()


class NotReturned(Running):
    """RC-008: a remote start finds a transaction that waits for it, and does not name it."""

    @looks_at("RequestStartTransaction.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Only where one transaction runs at the EVSE, without a token so far."""
        if item.action != "RequestStartTransaction" or payload.get("status") != "Accepted" or not request.get("evseId"):
            return ()
        waiting = self.at(request["evseId"], item.request_ns)
        if len(waiting) == 1 and not waiting[0].had_token and "transactionId" not in payload:
            text = f"A remote start at EVSE {request['evseId']}, where {waiting[0].name} runs, does not name it"
            self.claim(waiting[0], item, text, 10 * SECOND)
        return ()


class BusyStart(Running):
    """RC-009: a remote start is accepted where an authorized transaction runs, or nothing can."""

    rests_on = frozenset(("Heartbeat",))

    def __init__(self) -> None:
        super().__init__()
        self.status: dict[tuple[int, int], tuple[str, int]] = {}  # (EVSE, connector) → (status, since)

    @looks_at("RequestStartTransaction.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """A state that is young may have crossed the request."""
        place = request.get("evseId")
        if item.action != "RequestStartTransaction" or payload.get("status") != "Accepted" or not place:
            return
        for each in self.at(place, item.request_ns):
            if each.authorized:
                self.claim(
                    each, item, f"A remote start at EVSE {place} is Accepted; transaction {each.name} runs there"
                )
        known = [entry for (evse, _), entry in self.status.items() if evse == place]
        if known and all(
            status in ("Unavailable", "Faulted") and since <= item.request_ns - SETTLED_NS for status, since in known
        ):
            yield Remark(item, f"A remote start at EVSE {place} is Accepted; it is {known[0][0]}")

    @looks_at(*TRANSACTION, "StatusNotification.request", "NotifyEvent.request", "ChangeAvailability.response")
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """The status of connectors, until something is changed that it does not show yet."""
        super().learn(item, payload, request)
        if item.action == "StatusNotification" and item.kind == "CALL":
            key, status = (payload.get("evseId"), payload.get("connectorId")), payload.get("connectorStatus")
            if all(isinstance(part, int) for part in key) and isinstance(status, str) and len(self.status) < PLACES:
                self.status[key] = status, item.ts_ns  # type: ignore[index]
        elif item.action in ("NotifyEvent", "ChangeAvailability"):
            self.status.clear()

    def boot(self) -> None:
        """A connector may come back otherwise."""
        super().boot()
        self.status.clear()

    def forget(self) -> None:
        """A status may have been lost."""
        super().forget()
        self.status.clear()


class NotResumed(Running):
    """TX2-029: after a boot nothing is heard of a transaction that ran before."""

    looks_at_samples = True

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[str, Transaction] = {}

    def boot(self) -> None:
        """They may go on."""
        self.before = dict(self.open)
        super().boot()

    @looks_at(*TRANSACTION, "BootNotification.response")
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Any event of the transaction shows that the station knows it."""
        super().learn(item, payload, request)
        if item.action == "BootNotification" and item.kind == "CALLRESULT" and payload.get("status") == "Accepted":
            for each in self.before.values():
                text = f"Transaction {each.name} ran before the boot; nothing is heard of it within 10 minutes after"
                self.claim(each, item, text, QUEUE_NS)
            self.before = {}
        elif item.action == "TransactionEvent" and item.kind == "CALL":
            info = payload.get("transactionInfo")
            name = str(info.get("transactionId")) if isinstance(info, dict) else ""
            self.before.pop(name, None)
            self.claims = [claim for claim in self.claims if claim.transaction != name]

    def cut_off(self, now_ns: int) -> None:
        """A boot is expected to come with a new connection; only a later one holds things back."""
        if self.claims:
            super().cut_off(now_ns)

    def forget(self) -> None:
        """Its events may have been lost."""
        super().forget()
        self.before = {}
