"""Messages of one station in, what is known about its charging profiles out. limits.py and stack.py judge by it.

A place is a connector in OCPP 1.6 and an EVSE in 2.x; 0 is the whole station. Profiles from before the capture are not
known: a limit is taken for the one that holds only where no unknown profile can stand above it. That is so for the own
profiles of a transaction whose start was seen, for the highest stackLevel that the station takes, and after all of the
purpose were cleared. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ocpp_inspect.engine import Conversation

from .profiles import Profile, listed, number, read_profile, text

PROFILES: Final = 128  # per station; beyond it the oldest is forgotten
TRANSACTIONS: Final = 64
SECOND: Final = 10**9
WHOLE: Final = ("ChargePointMaxProfile", "ChargingStationMaxProfile")
LASTING: Final = (*WHOLE, "TxDefaultProfile")
OTHERS: Final = ("ChargingStationExternalConstraints", "LocalGeneration")  # not for the CSMS to clear
CRITERIA: Final = {
    "connectorId": "place",
    "evseId": "place",
    "chargingProfilePurpose": "purpose",
    "stackLevel": "level",
}
LEARNERS: Final = {
    "SetChargingProfile": "profile_set",
    "ReportChargingProfiles": "profiles_reported",
    "ClearChargingProfile": "profiles_cleared",
    "GetConfiguration": "keys_told",
    "GetVariables": "variables_told",
    "StartTransaction": "transaction_started",
    "StopTransaction": "transaction_stopped",
    "TransactionEvent": "transaction_told",
    "BootNotification": "booted",
    "RemoteStartTransaction": "started_remotely",
    "NotifyPriorityCharging": "priority_changed",
    "NotifyChargingLimit": "limit_told",
    "RequestStartTransaction": "started_remotely",
    "UsePriorityCharging": "priority_changed",
}  # action → what learns from it
REMOTE_S: Final = 600.0  # a remote start may bring a profile to a transaction that begins so much later


def small(value: Any) -> int | None:
    """A small number that a configuration holds as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else None


class Transaction(msgspec.Struct):
    """One whose start was seen."""

    place: int | None
    since: float
    clouded: bool  # it may have profiles that are not known


class Installed(Conversation):
    """The profiles of a station, as far as they are known, and its transactions."""

    looks_at_samples = False

    def __init__(self) -> None:
        self.profiles: dict[int, Profile] = {}
        self.running: dict[str, Transaction] = {}
        self.cleared: set[str] = set()  # purposes of which every profile is known
        self.top: int | None = None  # the highest stackLevel that the station takes
        self.remote: float | None = -1e18  # when a profile came with a remote start; None: one may have been lost
        self.local_generation = False

    def forget(self) -> None:
        """Profiles may have been set or cleared, transactions begun, unseen."""
        self.profiles.clear()
        self.running.clear()
        self.cleared.clear()
        self.local_generation = False
        self.remote = None

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Take a message into the picture."""
        if self.remote is None:
            self.remote = item.ts_ns / SECOND  # not later
        name = LEARNERS.get(item.action)
        if name is not None:
            getattr(self, name)(item, payload, request)

    def profile_set(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Accepted: it replaces the one of its id, and in OCPP 1.6 the one of its purpose and level."""
        if item.kind == "CALLRESULT" and payload.get("status") == "Accepted":
            data = request.get("csChargingProfiles", request.get("chargingProfile"))
            self.install(item, data, request.get("connectorId", request.get("evseId")))

    def profiles_reported(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """What the station says that the CSMS has set."""
        if payload.get("chargingLimitSource") == "CSO" and item.kind == "CALL":
            for data in listed(payload.get("chargingProfile")):
                if number(data.get("id")) not in self.profiles:
                    self.install(item, data, payload.get("evseId"))

    def install(self, item: Any, data: Any, place: Any) -> None:
        """A profile is there from now on."""
        new = read_profile(data, place, item.ts_ns / SECOND)
        if new is None:
            self.cleared.clear()  # one more is there, and nobody knows which
            return
        self.local_generation = self.local_generation or new.purpose == "LocalGeneration"
        self.profiles.pop(new.name, None)
        for each in list(self.profiles.values()):
            if (each.purpose, each.level) != (new.purpose, new.level):
                continue
            if item.version == "1.6" and each.place == new.place:
                del self.profiles[each.name]
            elif item.version == "1.6" or (each.place, each.transaction) == (new.place, new.transaction):
                each.unsure = True  # in 2.x it should not have been sent, nor been accepted (K01.FR.06)
        self.profiles[new.name] = new
        if len(self.profiles) > PROFILES:
            del self.profiles[next(iter(self.profiles))]
            self.cleared.clear()

    def profiles_cleared(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Accepted or Unknown: what matches is not there any more. Without further criteria nothing else is either."""
        if item.kind != "CALLRESULT" or payload.get("status") not in ("Accepted", "Unknown"):
            return
        for each in self.matching(item, request):
            del self.profiles[each.name]
        wanted = criteria(item, request)
        purpose = wanted.pop("purpose", None)
        if not wanted:
            self.cleared.update(each for each in LASTING if purpose in (None, each))

    def matching(self, item: Any, request: dict[str, Any]) -> list[Profile]:
        """Known profiles that a ClearChargingProfile names. In 2.x an id stands for itself (K10.FR.03)."""
        wanted = criteria(item, request)
        return [
            each
            for each in self.profiles.values()
            if each.purpose not in OTHERS
            and all(
                value == {"id": each.name, "place": each.place, "purpose": each.purpose, "level": each.level}.get(key)
                for key, value in wanted.items()
            )
        ]

    def keys_told(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """The highest stackLevel (OCPP 1.6 §9.4.1)."""
        for entry in listed(payload.get("configurationKey")):
            if entry.get("key") == "ChargeProfileMaxStackLevel":
                self.top = small(entry.get("value"))

    def variables_told(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """The highest stackLevel (OCPP 2.0.1 §2.9.4)."""
        for entry in listed(payload.get("getVariableResult")):
            variable = entry.get("variable")
            if isinstance(variable, dict) and variable.get("name") == "ProfileStackLevel":
                self.top = small(entry.get("attributeValue"))

    def transaction_started(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """The answer gives the transaction its id."""
        if item.kind == "CALLRESULT":
            self.begin(item, text(payload.get("transactionId")), request.get("connectorId"))

    def transaction_stopped(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Its profiles go with it (§3.13.1)."""
        if item.kind == "CALL":
            self.end(text(payload.get("transactionId")))

    def transaction_told(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Begin, end and place of a transaction of 2.x."""
        info, evse = payload.get("transactionInfo"), payload.get("evse")
        if evse is None and payload.get("eventType") == "Updated":
            return  # it tells no place
        name = text(info.get("transactionId")) if isinstance(info, dict) else None
        place = evse.get("id") if isinstance(evse, dict) else None
        if item.kind != "CALL" or name is None:
            return
        if payload.get("eventType") == "Ended":
            self.end(name)
        elif payload.get("eventType") == "Started" and name not in self.running:
            self.begin(item, name, place)
        elif name in self.running and isinstance(place, int):
            self.running[name].place = place

    def begin(self, item: Any, name: str | None, place: Any) -> None:
        """A transaction runs from now on."""
        if name is None:
            return
        now = item.ts_ns / SECOND
        clouded = self.remote is None or now - self.remote < REMOTE_S
        self.running[name] = Transaction(place if isinstance(place, int) else None, now, clouded)
        if len(self.running) > TRANSACTIONS:
            del self.running[next(iter(self.running))]

    def end(self, name: str | None) -> None:
        """A transaction has ended, and its profiles with it."""
        ended = self.running.pop(name, None) if name is not None else None
        for each in [each for each in self.profiles.values() if each.purpose == "TxProfile"]:
            at_its_place = each.transaction is None and (ended is None or ended.place == each.place)
            if each.transaction == name or at_its_place:
                del self.profiles[each.name]

    def booted(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Profiles outlive a reboot (OCPP 1.6 errata §3.37, K01.FR.27), those of a transaction perhaps not."""
        if item.kind != "CALL":
            return
        self.running.clear()
        for each in list(self.profiles.values()):
            each.rebooted = True
            if each.purpose not in (*LASTING, "PriorityCharging"):
                del self.profiles[each.name]

    def started_remotely(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Its profile belongs to a transaction that has no id yet."""
        data = request.get("chargingProfile")
        if payload.get("status") == "Accepted" and isinstance(data, dict):
            self.remote = item.ts_ns / SECOND
            replaced = number(data.get("chargingProfileId", data.get("id")))
            if replaced in self.profiles:
                del self.profiles[int(replaced)]

    def priority_changed(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Priority charging stands above the transaction's profiles (K22.FR.02)."""
        transaction = self.running.get(text(payload.get("transactionId", request.get("transactionId"))) or "")
        if transaction is not None:
            transaction.clouded = True

    def limit_told(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Local generation adds to every limit (K08.FR.04)."""
        limit = payload.get("chargingLimit")
        self.local_generation |= isinstance(limit, dict) and limit.get("isLocalGeneration") is True

    def ceilings(
        self, name: str | None, unit: str, since: float, until: float, place: Any = None
    ) -> Iterator[tuple[Profile, float]]:
        """(profile, highest limit) of those that certainly bind a transaction, or the whole station, all that time."""
        if self.local_generation:
            return
        whole = [each for each in self.profiles.values() if each.purpose in WHOLE and each.place == 0]
        chains = [(whole, False)]
        transaction = self.running.get(name) if name is not None else None
        if transaction is not None and not transaction.clouded and place in (None, transaction.place):
            own = [each for each in self.profiles.values() if each.purpose == "TxProfile" and self.belongs(each, name)]
            places = (0, transaction.place)
            default = [
                each for each in self.profiles.values() if each.purpose == "TxDefaultProfile" and each.place in places
            ]
            chains.append((own, True) if own else (default, False))
        for chain, is_known in chains:
            if not chain:
                continue
            top = max(chain, key=lambda each: (each.level, each.place))
            if is_known or top.purpose in self.cleared or (self.top is not None and top.level >= self.top):
                limit = top.ceiling(unit, since, until)
                if limit is not None:
                    yield top, limit

    def belongs(self, profile: Profile, name: str | None) -> bool:
        """Whether a TxProfile is for this transaction."""
        transaction = self.running[name] if name is not None else None
        if profile.transaction is not None or transaction is None:
            return profile.transaction == name
        return profile.place == transaction.place and profile.since >= transaction.since


def criteria(item: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What a ClearChargingProfile asks for, with one name for the same thing in all versions."""
    if item.version == "1.6":
        return {CRITERIA.get(name, name): value for name, value in request.items()}
    if "chargingProfileId" in request:
        return {"id": request["chargingProfileId"]}
    found = request.get("chargingProfileCriteria")
    return {CRITERIA.get(name, name): value for name, value in found.items()} if isinstance(found, dict) else {}
