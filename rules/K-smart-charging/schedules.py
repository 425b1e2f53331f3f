"""One message with charging profiles or schedules in, remarks about their form out.

Rules SC-004, SC-005, SC-006, SC-021, SC-027, SC-028, SC-029 and SC-037. Nothing is remembered. The sender of a profile
is blamed for it; what a station reports of the profiles of its CSMS is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark
from ocpp_inspect.model import OcppItem, OcppMessage

MANY: Final = 1024  # periods of a schedule, schedules of a message: OCPP 2.1 §2.19 allows no more periods
LEAST_W: Final = 100.0  # no charger goes that low: a limit below it is meant in ampere
MOST_A: Final = 1000.0  # per phase of one connector
LIMITS: Final = ("limit", "dischargeLimit", "setpoint", "setpointReactive")
CHARGING: Final = ("ChargingOnly",)
EXTERNAL: Final = ("ChargingOnly", "ExternalLimits", "ExternalSetpoint")
MODES: Final = {  # OCPP 2.1 K01.FR.111-113
    "PriorityCharging": CHARGING,
    "ChargingStationMaxProfile": CHARGING,
    "ChargingStationExternalConstraints": EXTERNAL,
    "LocalGeneration": EXTERNAL[:2],
}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of an array; a single object is taken for an array of one, as OCPP 1.6 writes it."""
    found = value[:MANY] if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict)]


def profiles(item: OcppMessage) -> list[dict[str, Any]]:
    """The charging profiles that the message sets, or that its station made itself."""
    payload: Any = item.payload
    if item.action == "ReportChargingProfiles" and str(payload.get("chargingLimitSource")).upper() == "CSO":
        return []
    return objects(payload.get("csChargingProfiles", payload.get("chargingProfile")))


def schedules(item: OcppMessage) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what it belongs to, schedule) of every schedule in the message."""
    for profile in profiles(item):
        for schedule in objects(profile.get("chargingSchedule")):
            yield name_of(profile), schedule
    payload: Any = item.payload
    for schedule in objects(payload.get("chargingSchedule")):
        yield f"The schedule in {item.action}", schedule


def name_of(profile: dict[str, Any]) -> str:
    """How a profile is called in a remark."""
    return f"Charging profile {profile.get('chargingProfileId', profile.get('id'))}"


def periods(schedule: dict[str, Any]) -> list[dict[str, Any]]:
    """The periods of a schedule."""
    return objects(schedule.get("chargingSchedulePeriod", []))


def starts(schedule: dict[str, Any]) -> list[int]:
    """When its periods begin, in seconds; empty when one does not say."""
    found = [period.get("startPeriod") for period in periods(schedule)]
    return [each for each in found if type(each) is int] if all(type(each) is int for each in found) else []


def number(value: Any) -> float | None:
    """A JSON number."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e30 else None


class _Form(Monitor):
    """Says what is wrong with a message by itself; the first fault of a message is enough."""

    def feed(self, item: OcppItem) -> Iterable[Remark]:
        """Look at one message."""
        if type(item) is not OcppMessage or type(item.payload) is not dict:
            return ()
        text = next(iter(self.faults(item)), None)
        return () if text is None else (Remark(item, text),)

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """What is wrong with it."""
        return ()


class FirstPeriod(_Form):
    """SC-004: the first period does not start at 0."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """Nothing holds before the first period."""
        for name, schedule in schedules(item):
            found = starts(schedule)
            if found and found[0] != 0:
                yield f"{name} begins with a period at {found[0]} s, not at 0"


class PeriodOrder(_Form):
    """SC-005: periods are not in their order in time."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """Each period ends where the next one starts."""
        for name, schedule in schedules(item):
            found = starts(schedule)
            for before, after in pairwise(found):
                if after <= before:
                    yield f"{name} has a period at {after} s behind the one at {before} s"


class Kind(_Form):
    """SC-006: the kind of a profile and the fields that belong to it do not agree."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """In OCPP 1.6 an Absolute schedule without start is relative to the start of charging (§7.13)."""
        old = item.version == "1.6"
        for profile in profiles(item):
            kind, name = profile.get("chargingProfileKind"), name_of(profile)
            for schedule in objects(profile.get("chargingSchedule")):
                has_start = "startSchedule" in schedule
                if kind == "Relative" and has_start:
                    yield f"{name} is Relative and has a startSchedule"
                if kind in (("Recurring",) if old else ("Absolute", "Recurring")) and not has_start:
                    yield f"{name} is {kind} and has no startSchedule"
            if old and kind in ("Absolute", "Relative") and "recurrencyKind" in profile:
                yield f"{name} is {kind} and has a recurrencyKind"


class Implausible(_Form):
    """SC-021: a limit that only makes sense in the other unit."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """Only nines mean "no limit", and a whole station may draw thousands of amperes."""
        for profile in profiles(item):
            whole = "Station" in str(profile.get("chargingProfilePurpose")) or "Point" in str(
                profile.get("chargingProfilePurpose")
            )
            for schedule in objects(profile.get("chargingSchedule")):
                unit = schedule.get("chargingRateUnit")
                for period in periods(schedule):
                    limit = number(period.get("limit"))
                    if limit is None:
                        continue
                    too_low = unit == "W" and 0 < limit < LEAST_W
                    too_high = unit == "A" and limit > MOST_A and not whole and set(f"{limit:.0f}") != {"9"}
                    if too_low or too_high:
                        yield f"{name_of(profile)} limits to {limit:g} {unit}"


def mode_faults(unit: Any, period: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """(fault, whether a station has to refuse it) of the fields that an operationMode needs or excludes."""
    mode = period.get("operationMode", "ChargingOnly")
    given = [name for name in LIMITS if any(name + phase in period for phase in ("", "_L2", "_L3"))]
    if mode in ("LocalFrequency", "Idle"):  # Q08.FR.01, Q10.FR.01
        for name in given:
            yield f"{mode} with {name}", True
    if mode == "LocalFrequency":  # Q08.FR.02, Q08.FR.03, Q08.FR.05
        curve = period.get("v2xFreqWattCurve")
        if "v2xBaseline" not in period or not isinstance(curve, list) or len(curve) < 2:
            yield "LocalFrequency without v2xBaseline or a v2xFreqWattCurve of two points", True
        elif unit == "A":
            yield "LocalFrequency in ampere", False
    if mode == "ChargingOnly":  # §2.2 of block Q, Q02.FR.02
        for name in given:
            if name != "limit":
                yield f"ChargingOnly with {name}", False
        if "limit" not in given:
            yield "ChargingOnly without limit", False
    if mode in ("CentralSetpoint", "CentralFrequency") and "setpoint" not in given:
        yield f"{mode} without setpoint", False


class Modes(_Form):
    """SC-027: fields that the operationMode of a period needs, or excludes."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """Of every period."""
        for profile in profiles(item):
            for schedule in objects(profile.get("chargingSchedule")):
                for period in periods(schedule):
                    for text, _ in mode_faults(schedule.get("chargingRateUnit"), period):
                        yield f"{name_of(profile)}, period at {period.get('startPeriod')} s: {text}"


def purpose_faults(profile: dict[str, Any]) -> Iterator[str]:
    """Operation modes that the purpose does not allow."""
    purpose = profile.get("chargingProfilePurpose")
    allowed = MODES.get(purpose) if isinstance(purpose, str) else None
    if allowed is None:
        return
    for schedule in objects(profile.get("chargingSchedule")):
        for period in periods(schedule):
            if period.get("operationMode", "ChargingOnly") not in allowed:
                yield f"{name_of(profile)}: a {purpose} with operationMode {period['operationMode']}"


class Purposes(_Form):
    """SC-028: an operationMode that the purpose of the profile does not allow."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """Of every profile."""
        for profile in profiles(item):
            yield from purpose_faults(profile)


def phase_faults(profile: dict[str, Any], *, is_set: bool) -> Iterator[str]:
    """Values for phases L2 and L3 without one for L1, or in a profile for more than one transaction."""
    purpose = profile.get("chargingProfilePurpose")
    for schedule in objects(profile.get("chargingSchedule")):
        for period in periods(schedule):
            for name in LIMITS:
                if name + "_L2" not in period and name + "_L3" not in period:
                    continue
                if name not in period:  # K01.FR.145, V2X.07
                    yield f"{name_of(profile)} has {name} for phase L2 or L3 and none for L1"
                elif is_set and purpose != "TxProfile":  # K01.FR.143, V2X.09
                    yield f"{name_of(profile)}, a {purpose}, has {name} for single phases"


class Phases(_Form):
    """SC-029: values for single phases where they are not allowed."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """Of every profile."""
        for profile in profiles(item):
            yield from phase_faults(profile, is_set=item.action == "SetChargingProfile")


def refusals(profile: dict[str, Any]) -> Iterator[str]:
    """Why a station of OCPP 2.1 has to refuse the profile, as far as the profile alone shows it."""
    purpose, kind, name = profile.get("chargingProfilePurpose"), profile.get("chargingProfileKind"), name_of(profile)
    yield from purpose_faults(profile)  # K01.FR.114
    yield from phase_faults(profile, is_set=True)  # K01.FR.144, K01.FR.146, V2X.10
    several = objects(profile.get("chargingSchedule"))
    if kind == "Dynamic" and [starts(schedule) for schedule in several] != [[0]]:  # K28.FR.03
        yield f"{name} is Dynamic and is not a single period at 0"
    if kind != "Dynamic" and number(profile.get("dynUpdateInterval")):  # K28.FR.04
        yield f"{name} is {kind} and has a dynUpdateInterval"
    for schedule in several:
        if purpose == "PriorityCharging" and "duration" in schedule:  # K01.FR.70
            yield f"{name} is for priority charging and has a duration"
        if purpose not in ("TxProfile", "TxDefaultProfile") and number(schedule.get("randomizedDelay")):  # K01.FR.95
            yield f"{name}, a {purpose}, has a randomizedDelay"
        for period in periods(schedule):
            yield from (f"{name}: {text}" for text, fatal in mode_faults("", period) if fatal)
            setpoint, low, high = (number(period.get(key)) for key in ("setpoint", "dischargeLimit", "limit"))
            if setpoint is not None and low is not None and high is not None and not low <= setpoint <= high:  # V2X.05
                yield f"{name}: setpoint {setpoint:g} is not between {low:g} and {high:g}"


class Taken(_Form):
    """SC-037: a profile is accepted that has to be refused."""

    def faults(self, item: OcppMessage) -> Iterable[str]:
        """Of the profile in the request."""
        payload: Any = item.payload
        request: Any = item.request
        if payload.get("status") == "Accepted" and type(request) is dict:
            for profile in objects(request.get("chargingProfile")):
                yield from refusals(profile)
