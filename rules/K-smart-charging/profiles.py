"""A charging profile as it is sent in, what has to be remembered of it out: when it is valid, and its limits.

Times are seconds since 1970. Of a profile only a few numbers are kept, however long it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ocpp_inspect.engine.functions import seconds_of

MANY: Final = 1024  # periods of a schedule (OCPP 2.1 §2.19), entries of an answer
TEXT: Final = 100  # characters of an id; the documents allow 36
EVER: Final = 1e18
RECURS: Final = {"Daily": 86_400.0, "Weekly": 604_800.0}


def number(value: Any) -> float | None:
    """A JSON number."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e30 else None


def text(value: Any) -> str | None:
    """An id as text; None when there is none that a document allows."""
    if isinstance(value, str):
        return value if len(value) <= TEXT else None
    return str(value) if type(value) is int and abs(value) < 10**18 else None


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of an array."""
    return [each for each in value[:MANY] if isinstance(each, dict)] if isinstance(value, list) else []


def steps(schedule: dict[str, Any]) -> tuple[tuple[float, float], ...]:
    """(start in s, limit) of every period; empty when one of them is not a plain limit, or they are not in order."""
    found = schedule.get("chargingSchedulePeriod")
    steps: list[tuple[float, float]] = []
    for period in listed(found):
        start, limit = number(period.get("startPeriod")), number(period.get("limit"))
        is_plain = (
            period.get("operationMode", "ChargingOnly") == "ChargingOnly"
            and not {"limit_L2", "limit_L3"} & period.keys()
        )
        if not is_plain or start is None or limit is None or limit < 0 or (steps and start <= steps[-1][0]):
            return ()
        steps.append((start, limit))
    return tuple(steps) if isinstance(found, list) and len(steps) == len(found) else ()


def validity(data: dict[str, Any], now: float) -> tuple[float, float]:
    """From when to when a profile that arrives now is valid."""
    since, until = seconds_of(data.get("validFrom")), seconds_of(data.get("validTo"))
    return max(now, -EVER if since is None else since), EVER if until is None else until


@dataclass(slots=True)
class Schedule:
    """The only schedule of a profile."""

    unit: str | None
    steps: tuple[tuple[float, float], ...]  # empty: its limits are not known
    start: float | None
    has_start: bool  # also one that is no date-time
    duration: float | None
    has_duration: bool
    is_shifted: bool  # by local time, or by chance

    def whenever(self) -> bool:
        """Whether it has one limit, from its beginning on for ever."""
        return len(self.steps) == 1 and not self.has_start and not self.has_duration

    def highest(self, low: float, high: float) -> float:
        """The highest limit from `low` to `high`, in seconds from its start."""
        ends = [begin for begin, _ in self.steps[1:]] + [EVER]
        return max(limit for (begin, limit), end in zip(self.steps, ends, strict=True) if begin <= high and end > low)


def only_schedule(data: dict[str, Any]) -> Schedule | None:
    """The schedule of a profile; None when there are several to choose from."""
    found = data.get("chargingSchedule")
    if isinstance(found, list):
        found = found[0] if len(found) == 1 else None
    if not isinstance(found, dict):
        return None
    limits = steps(found)
    shifted = bool(found.get("useLocalTime")) or (len(limits) > 1 and bool(found.get("randomizedDelay")))
    return Schedule(
        text(found.get("chargingRateUnit")),
        limits if limits and limits[0][0] == 0 else (),
        seconds_of(found.get("startSchedule")),
        "startSchedule" in found,
        number(found.get("duration")),
        "duration" in found,
        shifted,
    )


@dataclass(slots=True)
class Profile:
    """One that the station has accepted, or reported."""

    name: int
    place: int
    purpose: str
    level: int
    since: float  # when it was accepted
    kind: str | None
    cycle: float | None  # of a recurring one
    transaction: str | None
    valid_from: float
    valid_to: float
    ends_offline: bool
    schedule: Schedule | None
    unsure: bool = False  # it may have been replaced
    rebooted: bool = False

    def may_be_over(self, now: float) -> bool:
        """Whether a station may have thrown it away by now, since it will not be used any more."""
        ends = self.kind != "Recurring" and (self.schedule is None or self.schedule.has_duration)
        return self.unsure or ends or now >= self.valid_to

    def is_there(self, now: float) -> bool:
        """Whether it certainly is: a reboot should not lose it, but does with some stations."""
        return not self.rebooted and not self.may_be_over(now)

    def ceiling(self, unit: str, since: float, until: float) -> float | None:
        """The highest limit in that time; None unless it is in force all the time and everything about it is known."""
        schedule = self.schedule
        if self.unsure or self.ends_offline or schedule is None or not schedule.steps or schedule.unit != unit:
            return None
        if since < max(self.since, self.valid_from) or until >= self.valid_to:
            return None
        if self.kind in ("Absolute", "Relative") and schedule.whenever():
            return schedule.steps[0][1]
        window = self.elapsed(schedule, since, until)
        return None if window is None else schedule.highest(*window)

    def elapsed(self, schedule: Schedule, since: float, until: float) -> tuple[float, float] | None:
        """The time as seconds from the start of the schedule; None where it does not hold throughout."""
        start, duration = schedule.start, schedule.duration
        if self.kind not in ("Absolute", "Recurring") or schedule.is_shifted or start is None or since < start:
            return None
        if schedule.has_duration and duration is None:
            return None
        low, length = since - start, until - since
        if self.kind == "Recurring":
            if self.cycle is None:
                return None
            low %= self.cycle
            duration = self.cycle if duration is None else min(self.cycle, duration)
        return None if duration is not None and low + length >= duration else (low, low + length)


def read_profile(data: Any, place: Any, since: float) -> Profile | None:
    """What a profile says; None when it lacks what every profile has."""
    if not isinstance(data, dict) or type(place) is not int:
        return None
    name, purpose = data.get("chargingProfileId", data.get("id")), text(data.get("chargingProfilePurpose"))
    level = data.get("stackLevel")
    if type(name) is not int or purpose is None or type(level) is not int:
        return None
    valid_from, valid_to = validity(data, -EVER)
    return Profile(
        name,
        place,
        purpose,
        level,
        since,
        text(data.get("chargingProfileKind")),
        RECURS.get(str(data.get("recurrencyKind"))),
        text(data.get("transactionId")),
        valid_from,
        valid_to,
        "maxOfflineDuration" in data,
        only_schedule(data),
    )
