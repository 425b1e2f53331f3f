"""Messages of one station in, remarks about charging profiles that do not fit together out.

Rules SC-007, SC-008 and SC-013.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ocpp_inspect.engine import Remark, looks_at

from .installed import SECOND, WHOLE, Installed, criteria
from .profiles import text, validity


class Compared(Installed):
    """Compares a profile with those that are there: without one, the end of a transaction means nothing."""

    rests_on: ClassVar[frozenset[str]] = frozenset(("TransactionEvent", "BootNotification"))

    rests_without = ("profiles",)  # which transactions run does not matter here


class Conflict(Compared):
    """SC-007: a profile is sent that is valid at the same time as another one of its purpose, level and place."""

    @looks_at("SetChargingProfile.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """The request alone is wrong, whatever the station answers (K01.FR.06, K01.FR.39)."""
        data = payload.get("chargingProfile")
        if item.action != "SetChargingProfile" or item.kind != "CALL" or not isinstance(data, dict):
            return ()
        purpose, level, now = data.get("chargingProfilePurpose"), data.get("stackLevel"), item.ts_ns / SECOND
        name, transaction = data.get("id"), text(data.get("transactionId"))
        new_since, new_until = validity(data, now)
        for each in self.profiles.values():
            if (each.purpose, each.level) != (purpose, level) or each.name == name or not each.is_there(now):
                continue
            same = each.place == payload.get("evseId")
            if purpose == "TxProfile":
                same = transaction is not None and each.transaction == transaction
            if same and max(each.since, each.valid_from) < new_until and new_since < each.valid_to:
                there = f"{each.name} is the {purpose} at stackLevel {level} there"
                return (Remark(item, f"Profile {name} is sent; {there}"),)
        return ()


class Duplicate(Compared):
    """SC-008: a default profile is accepted for the station and for one EVSE at the same level."""

    @looks_at("SetChargingProfile.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """The station has to refuse it (K01.FR.52, K01.FR.53)."""
        data, place = request.get("chargingProfile"), request.get("evseId")
        if item.action != "SetChargingProfile" or payload.get("status") != "Accepted" or not isinstance(data, dict):
            return ()
        purpose, level, now = data.get("chargingProfilePurpose"), data.get("stackLevel"), item.ts_ns / SECOND
        if purpose != "TxDefaultProfile" or not isinstance(place, int):
            return ()
        for each in self.profiles.values():
            alike = (each.purpose, each.level) == (purpose, level) and each.name != data.get("id")
            if alike and (each.place == 0) != (place == 0) and each.is_there(now):
                where = f"Default profile {data.get('id')} for EVSE {place} is Accepted"
                return (Remark(item, f"{where}; {each.name} for EVSE {each.place} has the same stackLevel {level}"),)
        return ()


class Cleared(Installed):
    """SC-013: the station knows no profile to clear, and has one."""

    @looks_at("ClearChargingProfile.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """A profile of a transaction counts only while that is known to run."""
        if item.action != "ClearChargingProfile" or payload.get("status") != "Unknown":
            return ()
        if item.version != "1.6" and not criteria(item, request):
            return ()  # what is to be cleared then is not said
        for each in self.matching(item, request):
            bound = each.purpose == "TxProfile" and not any(self.belongs(each, name) for name in self.running)
            # "The profile of the station" (0) may be read as its maximum only.
            other = criteria(item, request).get("place") == 0 and each.purpose not in WHOLE
            if bound or other or each.may_be_over(item.ts_ns / SECOND):
                continue
            when = "before the last reboot" if each.rebooted else "and not cleared since"
            return (Remark(item, f"ClearChargingProfile is answered Unknown; profile {each.name} was accepted {when}"),)
        return ()
