"""Messages of one station in, remarks about limits that are not kept out. Rules SC-020, SC-033, SC-035.

Only what is certain counts: see installed.py for which limit holds. Nobody tells an observer the voltage and the phases
that station and car agreed on, so a power only shows that a current was at least so much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from ocpp_inspect.engine import Remark, looks_at
from ocpp_inspect.engine.functions import seconds_of

from .installed import SECOND, TRANSACTIONS, Installed
from .profiles import number, steps, text

SETTLED_S: Final = 120.0  # a limit has to hold for so long before a reading counts
AHEAD_S: Final = 60.0  # and for so long after it: clocks differ
APART_S: Final = 30.0  # two readings above the limit have to be so far apart
PAUSE_S: Final = 240.0  # after a reading that is not above it: a look costs 20 µs, as much as all other rules
ONLINE_S: Final = 120.0  # a reading that is older was stored
SHARE: Final = 1.1  # meters and cars are not exact
MOST: Final = 1e8
MOST_V: Final = 1000.0  # CCS and CHAdeMO end there; three phases of 277 V are less
LEAST: Final = {"A": 1.0, "W": 250.0}
MEASURANDS: Final = {"Current.Import": "A", "Power.Active.Import": "W"}
SINGLE: Final = ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N")
INSTANTS: Final = (None, "Sample.Periodic", "Trigger")  # others are averages, or of a moment of change


def reading(sample: Any) -> tuple[str, float] | None:
    """(unit, at least so much) that a sampled value shows; a current without phase may be the sum of three."""
    unit = MEASURANDS.get(str(sample.get("measurand"))) if isinstance(sample, dict) else None
    if unit is None or sample.get("location", "Outlet") != "Outlet" or sample.get("context") not in INSTANTS:
        return None
    told, power_of_ten, phase = sample.get("unitOfMeasure", sample.get("unit", unit)), 0, sample.get("phase")
    if isinstance(told, dict):
        told, power_of_ten = told.get("unit", unit), told.get("multiplier", 0)
    if told == "kW":
        told, power_of_ten = "W", power_of_ten + 3 if type(power_of_ten) is int else None
    if told != unit or type(power_of_ten) is not int or abs(power_of_ten) > 9 or phase not in (None, *SINGLE):
        return None
    try:
        value = float(sample["value"]) * 10.0**power_of_ten
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not abs(value) < MOST:  # nor a number at all
        return None
    return unit, value / 3 if unit == "A" and phase is None else value


def highest(meter_values: Any, now: float) -> dict[str, tuple[float, str]]:
    """Unit → the highest reading of this moment, and how it was read."""
    found: dict[str, tuple[float, str]] = {}
    for meter_value in meter_values[-3:] if isinstance(meter_values, list) else ():
        at = seconds_of(meter_value.get("timestamp")) if isinstance(meter_value, dict) else None
        samples = meter_value.get("sampledValue") if isinstance(meter_value, dict) else None
        if at is None or abs(at - now) > ONLINE_S or not isinstance(samples, list):
            continue
        for sample in samples[:100]:
            read = reading(sample)
            if read is not None:
                unit, value = read
                found[unit] = max(found.get(unit, (value, "")), (value, f"{value:g} {unit}"))
    power, told = found.get("W", (0.0, ""))
    if power > 0:
        current = power / MOST_V
        found["A"] = max(found.get("A", (current, "")), (current, f"{told} (at least {current:g} A)"))
    return found


class NotKept(Installed):
    """SC-020: what is measured is above the limit that holds."""

    looks_at_samples = True
    rests_on_samples = True
    rests_on: ClassVar[frozenset[str]] = frozenset(("MeterValues",))

    def __init__(self) -> None:
        super().__init__()
        self.pause: dict[str, float] = {}  # transaction → until when its readings are not looked at
        self.over: dict[tuple[str, int], float] = {}  # (transaction, profile) → first reading above it; 0: told

    @property
    def resting(self) -> bool:
        """Without a profile and a transaction no reading is too high."""
        return not (self.profiles and self.running)

    def forget(self) -> None:
        """A limit may have been changed."""
        super().forget()
        self.pause.clear()
        self.over.clear()

    @looks_at("CALL")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Look at a transaction's readings now and then."""
        if item.kind != "CALL" or "meterValue" not in payload or payload.get("offline"):
            return ()
        info = payload.get("transactionInfo")
        name = text(info.get("transactionId") if isinstance(info, dict) else payload.get("transactionId"))
        now = item.ts_ns / SECOND
        if name not in self.running or now < self.pause.get(name, 0.0) or not self.profiles:
            return ()
        return self.compared(item, name, highest(payload["meterValue"], now), now)

    def compared(self, item: Any, name: str, readings: dict[str, tuple[float, str]], now: float) -> Iterator[Remark]:
        """Compare what is measured with the profiles that hold."""
        if len(self.pause) > TRANSACTIONS:
            self.pause.clear()
            self.over.clear()
        self.pause[name] = now + PAUSE_S
        for unit, (value, told) in readings.items():
            for profile, limit in self.ceilings(name, unit, now - SETTLED_S, now + AHEAD_S):
                key = name, profile.name
                if value <= max(limit * SHARE, limit + LEAST[unit]):
                    self.over.pop(key, None)
                    continue
                self.pause[name] = now + APART_S
                if self.over.setdefault(key, now) not in (0, now):
                    self.over[key] = 0
                    holds = f"profile {profile.name} ({profile.purpose}) limits to {limit:g} {unit}"
                    yield Remark(item, f"Transaction {name}: {told} are measured, twice in a row; {holds}")


def composite(payload: dict[str, Any]) -> dict[str, Any] | None:
    """The schedule of a GetCompositeSchedule answer."""
    found = payload.get("chargingSchedule", payload.get("schedule"))
    return found if isinstance(found, dict) else None


def stretches(schedule: dict[str, Any], start: float, end: float) -> Iterator[tuple[float, float, float]]:
    """(from, to, limit) of every period; the last one ends with the schedule."""
    periods = steps(schedule)
    for (begin, limit), after in zip(periods, [*(each for each, _ in periods[1:]), end - start], strict=False):
        if after > begin:
            yield start + begin, min(start + after, end) - 0.001, limit


class AboveProfile(Installed):
    """SC-035: the composite schedule allows more than a profile that is part of it."""

    @looks_at("GetCompositeSchedule.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Whether TxDefaultProfile or TxProfile holds is known only of a transaction whose start was seen."""
        schedule, place = composite(payload), request.get("connectorId", request.get("evseId"))
        if item.action != "GetCompositeSchedule" or payload.get("status") != "Accepted" or schedule is None:
            return ()
        start = seconds_of(payload.get("scheduleStart", schedule.get("scheduleStart")))
        duration, unit = number(request.get("duration")), schedule.get("chargingRateUnit")
        now = item.ts_ns / SECOND
        if start is None or abs(start - now) > ONLINE_S or not duration or not isinstance(unit, str):
            return ()
        running = [name for name, each in self.running.items() if each.place == place]
        name = running[0] if len(running) == 1 and place else None
        for since, until, limit in stretches(schedule, start, start + duration):
            for profile, ceiling in self.ceilings(name, unit, since, until, place):
                if limit > ceiling * 1.01 + 0.1:
                    message = f"The composite schedule of {place} allows {limit:g} {unit} from {since - start:.0f} s on"
                    return (Remark(item, f"{message}; profile {profile.name} ({profile.purpose}) allows {ceiling:g}"),)
        return ()


class EvAbove(Installed):
    """SC-033: the CSMS accepts a car's schedule that is above the limits that it sent."""

    @looks_at("NotifyEVChargingSchedule.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Compared with the transaction's own profile, in the same unit."""
        schedule, place = request.get("chargingSchedule"), request.get("evseId")
        if item.action != "NotifyEVChargingSchedule" or payload.get("status") != "Accepted":
            return ()
        start = seconds_of(request.get("timeBase"))
        running = [name for name, each in self.running.items() if each.place == place]
        if not isinstance(schedule, dict) or start is None or len(running) != 1:
            return ()
        unit, now = str(schedule.get("chargingRateUnit")), item.ts_ns / SECOND
        duration = number(schedule.get("duration"))
        begin = max(start, now)
        for since, until, limit in stretches(schedule, begin, begin + (1.0 if duration is None else duration)):
            for profile, ceiling in self.ceilings(running[0], unit, since, until):
                if profile.purpose == "TxProfile" and limit > ceiling * 1.01 + 0.1:
                    message = f"The car's schedule for EVSE {place} with {limit:g} {unit} is Accepted"
                    return (Remark(item, f"{message}; profile {profile.name} allows {ceiling:g} {unit}"),)
        return ()
