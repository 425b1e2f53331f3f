"""Meter values of one station in, remarks about power that does not fit energy out. Rule DQ-014."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark

TRANSACTIONS: Final = 64  # per station; beyond it the oldest is forgotten
PAUSE_S: Final = 240.0  # between two looks at one transaction: short steps are lost in rounding, and cost time
LEAST_WH: Final = 200.0
TIMES: Final = 3  # so many looks in a row have to agree
FITS: Final = 4  # so many that fit are enough: a station does not change its units
ENERGY: Final = "Energy.Active.Import.Register"
POWER: Final = "Power.Active.Import"
FACTORS: Final = {"Wh": 1.0, "kWh": 1000.0, "W": 1.0, "kW": 1000.0}


def reading(samples: list[Any], measurand: str, unit: str) -> float | None:
    """The value of a measurand over all phases at the outlet, in Wh or W; None where it is not told plainly."""
    for sample in samples:
        if not isinstance(sample, dict) or sample.get("measurand", ENERGY) != measurand or "phase" in sample:
            continue
        if sample.get("location", "Outlet") != "Outlet" or sample.get("format", "Raw") != "Raw":
            continue
        told: Any = sample.get("unitOfMeasure", sample.get("unit", unit))
        power_of_ten = 0
        if isinstance(told, dict):
            told, power_of_ten = told.get("unit", unit), told.get("multiplier", 0)
        factor = FACTORS.get(told) if isinstance(told, str) else None
        if factor is None or not isinstance(power_of_ten, int) or abs(power_of_ten) > 9:
            return None
        try:
            return float(sample["value"]) * factor * 10.0**power_of_ten
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
    return None


class Power(Monitor):
    """Compares the growth of the register with the power that was told at its two ends, every few minutes."""

    def __init__(self) -> None:
        self.fits = 0
        # transaction → (capture time, its time, Wh, W, misfits)
        self.last: dict[str, tuple[float, float, float, float, int]] = {}

    def feed(self, item: Any) -> Iterable[Remark]:
        """Judge the message if its transaction was not looked at for a while."""
        payload = item.payload
        if not isinstance(payload, dict):
            return ()
        meter_values = payload.get("meterValue")
        last = meter_values[-1] if isinstance(meter_values, list) and meter_values else None
        samples = last.get("sampledValue") if isinstance(last, dict) else None
        power = reading(samples, POWER, "W") if isinstance(samples, list) else None
        if power is None or last is None:
            return ()  # many stations tell no power: this costs them least
        info = payload.get("transactionInfo")
        name = str(info.get("transactionId") if isinstance(info, dict) else payload.get("transactionId"))
        before = self.last.get(name)
        now = item.ts_ns / 1e9
        if (before is not None and now - before[0] < PAUSE_S) or name == "None":
            return ()
        energy = reading(samples, ENERGY, "Wh")
        if energy is None:
            return ()
        try:
            at = datetime.fromisoformat(str(last.get("timestamp"))).timestamp()
        except (ValueError, OverflowError):
            return ()
        misfits, text = self.compare(before, at, energy, power)
        if self.fits >= FITS:
            self.asleep, self.fits = True, 0
        self.last.pop(name, None)
        self.last[name] = now, at, energy, power, misfits
        if len(self.last) > TRANSACTIONS:
            del self.last[next(iter(self.last))]
        return (Remark(item, f"Transaction {name}: {text}"),) if misfits == TIMES else ()

    def compare(
        self, before: tuple[float, float, float, float, int] | None, at: float, energy: float, power: float
    ) -> tuple[int, str]:
        """(looks in a row that did not fit, what was found)."""
        if before is None:
            return 0, ""
        _, since, energy_before, power_before, misfits = before
        grown, seconds, mean = energy - energy_before, at - since, (power + power_before) / 2
        if grown < LEAST_WH or not PAUSE_S / 2 <= seconds <= 3600 or mean <= 0:
            return (0, "") if misfits >= TIMES else (misfits, "")
        ratio = mean / (grown * 3600 / seconds)
        if 1 / 50 < ratio < 50:  # the car may have changed its mind in between: only orders of magnitude count
            self.fits += 1
            return 0, ""
        self.fits = 0
        return misfits + 1, (
            f"the register grew by {grown:.0f} Wh in {seconds:.0f} s, which is {grown * 3600 / seconds:.0f} W; "
            f"the power that was told is {mean:.0f} W"
        )

    def forget(self) -> None:
        """Nothing: two readings are compared, whatever was lost between."""
