"""Messages of one station in, remarks about energy for tokens that must not have it out. Rules AUTH-003, -008, -012."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark, looks_at
from ocpp_inspect.engine.functions import seconds_of

TRANSACTIONS: Final = 256  # per station; beyond it the oldest is forgotten
TOKENS: Final = 512
SECOND: Final = 10**9
STOP_NS: Final = 60 * SECOND  # the documents give no time; a minute is our convention
FRESH_SECONDS: Final = 60.0  # a message is of now, and the station's clock right, if its time is so near
FLOWING_WH: Final = 100.0
MAXIMUM: Final = "MaxEnergyOnInvalidId"


def entries(payload: dict[str, Any], name: str) -> list[Any]:
    """The array of that name; empty when there is none."""
    found = payload.get(name)
    return found if isinstance(found, list) else []


def registers_wh(payload: dict[str, Any]) -> list[tuple[float, float]]:
    """(time in s, Wh) of the imported energy at the outlet, without a phase."""
    found = []
    for value in entries(payload, "meterValue"):
        at = seconds_of(value.get("timestamp")) if isinstance(value, dict) else None
        for sample in entries(value, "sampledValue") if at is not None else ():
            if not isinstance(sample, dict) or "phase" in sample or sample.get("location", "Outlet") != "Outlet":
                continue
            if sample.get("measurand", "Energy.Active.Import.Register") != "Energy.Active.Import.Register":
                continue
            unit = sample.get("unit", "Wh")
            try:
                wh = float(sample["value"]) * {"Wh": 1.0, "kWh": 1000.0}[unit]
            except (KeyError, TypeError, ValueError):
                continue
            found.append((at or 0.0, wh))
    return found


@dataclass(slots=True)
class Refusal:
    """A running transaction whose token was refused."""

    since_ns: int
    status: str
    certain: bool  # no word about another token of the transaction can have been lost
    first_wh: float | None = None


class Refused(Conversation):
    """AUTH-003, AUTH-008: a minute and more after a token was refused, energy still flows.

    How much a refused driver may get is configured. As long as that was not seen, the remark is inconclusive.
    """

    rests_on = frozenset(("MeterValues",))
    rests_on_samples = True
    rests_without = ("refused",)  # energy matters only while a refused token charges

    def __init__(self) -> None:
        self.refused: dict[str, Refusal] = {}
        self.accepted: dict[str, None] = {}  # transactions that a token was accepted for
        self.begun: dict[str, None] = {}  # transactions of 2.x that were seen from their beginning
        self.maximum: float | None = None  # Wh; None: unknown

    @looks_at("MeterValues.request", "TransactionEvent.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Energy that is reported later, by a message of now."""
        return self.flowing(item, payload) if self.refused else ()

    def flowing(self, item: Any, payload: dict[str, Any]) -> Iterable[Remark]:
        """The same, while there is a refused token."""
        if item.kind != "CALL" or item.action not in ("MeterValues", "TransactionEvent") or self.maximum:
            return
        info = payload.get("transactionInfo")
        name = str(info.get("transactionId") if isinstance(info, dict) else payload.get("transactionId"))
        refusal = self.refused.get(name)
        if refusal is None or payload.get("offline") or item.ts_ns < refusal.since_ns + STOP_NS:
            return
        now = item.ts_ns / SECOND
        charging = isinstance(info, dict) and info.get("chargingState") == "Charging"
        sent = seconds_of(payload.get("timestamp"))
        flows = charging and sent is not None and abs(now - sent) < FRESH_SECONDS
        for at, wh in registers_wh(payload):
            if abs(now - at) < FRESH_SECONDS:
                refusal.first_wh = wh if refusal.first_wh is None else refusal.first_wh
                flows = flows or wh > refusal.first_wh + FLOWING_WH
        if flows:
            del self.refused[name]
            after = (item.ts_ns - refusal.since_ns) / SECOND
            text = f"Energy flows in transaction {name} {after:.0f} s after its token was refused as {refusal.status}"
            yield Remark(item, text, "violation" if self.maximum == 0 and refusal.certain else "inconclusive")

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """What is said of tokens, and how much energy a refused one may have."""
        if item.action == "StartTransaction" and item.kind == "CALLRESULT":
            at = seconds_of(request.get("timestamp"))
            if at is not None and abs(item.request_ns / SECOND - at) < FRESH_SECONDS:
                self.answer(item, str(payload.get("transactionId")), payload.get("idTagInfo"))
        elif item.action == "TransactionEvent":
            source = payload if item.kind == "CALL" else request
            if item.kind == "CALL" and source.get("eventType") == "Updated":
                return
            info = source.get("transactionInfo")
            name = str(info.get("transactionId")) if isinstance(info, dict) else ""
            if source.get("eventType") == "Started" and item.kind == "CALL":
                self.begun[name] = None
            if source.get("eventType") == "Ended":
                self.refused.pop(name, None)
            elif (
                item.kind == "CALLRESULT" and "idToken" in request and request.get("triggerReason") != "StopAuthorized"
            ):
                self.answer(item, name, payload.get("idTokenInfo"))
        elif item.action == "StopTransaction" and item.kind == "CALL":
            self.refused.pop(str(payload.get("transactionId")), None)
        else:
            self.learn_maximum(item, payload, request)

    def answer(self, item: Any, name: str, info: Any) -> None:
        """The first word about a transaction's token counts."""
        status = info.get("status") if isinstance(info, dict) else None
        if not isinstance(status, str):
            return
        if status == "Accepted":
            self.refused.pop(name, None)
            self.accepted[name] = None
        elif name not in self.accepted or item.action == "StartTransaction":
            certain = item.action == "StartTransaction" or name in self.begun
            self.refused[name] = Refusal(item.ts_ns, status, certain)
        for table in (self.refused, self.accepted, self.begun):
            if len(table) > TRANSACTIONS:
                del table[next(iter(table))]

    def learn_maximum(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """MaxEnergyOnInvalidId, or that there is none."""
        for entry in entries(payload, "configurationKey"):
            if isinstance(entry, dict) and entry.get("key") == MAXIMUM:
                self.set_maximum(entry.get("value"))
                return
        if item.action == "GetConfiguration":
            if MAXIMUM in entries(payload, "unknownKey") or not request.get("key"):
                self.maximum = 0.0
        elif item.action == "ChangeConfiguration" and (request.get("key"), payload.get("status")) == (
            MAXIMUM,
            "Accepted",
        ):
            self.set_maximum(request.get("value"))
        for entry in entries(payload, "getVariableResult"):
            variable = entry.get("variable") if isinstance(entry, dict) else None
            if isinstance(variable, dict) and variable.get("name") == MAXIMUM:
                known = entry.get("attributeStatus")
                self.set_maximum(entry.get("attributeValue") if known == "Accepted" else "0")

    def set_maximum(self, value: Any) -> None:
        """A number in a text; anything else leaves it unknown."""
        try:
            self.maximum = float(value)
        except (TypeError, ValueError):
            self.maximum = None

    def forget(self) -> None:
        """Another word about the token may have been lost."""
        self.refused.clear()
        self.accepted.clear()
        self.begun.clear()


class OtherEvse(Conversation):
    """AUTH-012: a token charges at an EVSE that it is not allowed at."""

    looks_at_samples = False

    def __init__(self) -> None:
        self.allowed: dict[str, list[Any]] = {}  # token → EVSEs; absent: any, or unknown
        self.transactions: dict[str, list[Any]] = {}  # transaction → [token, EVSE]

    @looks_at("TransactionEvent.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Compare when energy flows; once for each transaction."""
        info, token, evse = payload.get("transactionInfo"), payload.get("idToken"), payload.get("evse")
        if not isinstance(info, dict):
            return ()
        name = str(info.get("transactionId"))
        known = self.transactions.setdefault(name, [None, None])
        if isinstance(token, dict) and payload.get("triggerReason") != "StopAuthorized":
            known[0] = str(token.get("idToken")).lower()
        if isinstance(evse, dict):
            known[1] = evse.get("id")
        if len(self.transactions) > TRANSACTIONS:
            del self.transactions[next(iter(self.transactions))]
        if payload.get("eventType") == "Ended":
            self.transactions.pop(name, None)
        allowed = self.allowed.get(known[0])
        if info.get("chargingState") == "Charging" and allowed and known[1] is not None and known[1] not in allowed:
            known[0] = None
            if not payload.get("offline"):
                where = ", ".join(map(str, allowed[:10]))
                wrong = f"Transaction {name} charges at EVSE {known[1]}; its token is allowed at {where} only"
                return (Remark(item, wrong),)
        return ()

    @looks_at("CALLRESULT")
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """The last word of the CSMS about a token."""
        token, info = request.get("idToken"), payload.get("idTokenInfo")
        if item.kind != "CALLRESULT" or not isinstance(token, dict) or not isinstance(info, dict):
            return
        name = str(token.get("idToken")).lower()
        self.allowed.pop(name, None)
        if isinstance(info.get("evseId"), list) and info["evseId"] and info.get("status") == "Accepted":
            self.allowed[name] = info["evseId"]
            if len(self.allowed) > TOKENS:
                del self.allowed[next(iter(self.allowed))]

    def forget(self) -> None:
        """Another word about a token may have been lost."""
        self.allowed.clear()
        self.transactions.clear()
