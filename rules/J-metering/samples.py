"""Meter values of one station in, remarks about the form of their samples out. Rules DQ-003, DQ-005, DQ-008 and DQ-009.

What a station writes into its samples hardly ever changes, and meter values are most of all traffic: the first dozen
messages of each connection are looked at. Each fault is told once for each measurand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark

ENOUGH: Final = 12  # messages of a connection
FAULTS: Final = 64  # different ones that are told for one station
DEFAULT: Final = "Energy.Active.Import.Register"
NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
UNITS: Final[dict[str, frozenset[str]]] = {
    "Energy.Active": frozenset(("Wh", "kWh")),
    "Energy.Reactive": frozenset(("varh", "kvarh")),
    "Energy.Apparent": frozenset(("VAh", "kVAh")),
    "Power.Active": frozenset(("W", "kW")),
    "Power.Offered": frozenset(("W", "kW")),
    "Power.Reactive": frozenset(("var", "kvar")),
    "Current": frozenset(("A",)),
    "Voltage": frozenset(("V",)),
    "Temperature": frozenset(("Celsius", "Celcius", "Fahrenheit", "K")),
    "SoC": frozenset(("Percent",)),
}
"""Beginning of a measurand → units of its dimension. The others have none in OCPP 1.6 (Frequency, RPM, factors)."""


class Samples(Monitor):
    """Looks at the samples of the first messages of each connection."""

    def __init__(self) -> None:
        self.messages = 0
        self.told: set[str] = set()

    def feed(self, item: Any) -> Iterable[Remark]:
        """Judge the message."""
        self.messages += 1
        if self.messages >= ENOUGH:
            self.asleep, self.messages = True, 0
        payload = item.payload
        if not isinstance(payload, dict):
            return ()
        meter_values = payload.get("meterValue") or payload.get("transactionData")
        if not isinstance(meter_values, list):
            return ()
        found = {}
        for meter_value in meter_values:
            samples = meter_value.get("sampledValue") if isinstance(meter_value, dict) else None
            if isinstance(samples, list):
                for kind, text in self.faults([sample for sample in samples if isinstance(sample, dict)]):
                    found.setdefault(kind, text)
        new = [kind for kind in found if kind not in self.told and len(self.told) < FAULTS]
        self.told.update(new)
        return [Remark(item, found[kind]) for kind in new]

    def faults(self, samples: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        """(kind, what is wrong) for each fault among the samples of one moment."""
        yield from ()


def measurand_of(sample: dict[str, Any]) -> str:
    """What the sample is a value of."""
    return str(sample.get("measurand", DEFAULT))


class NotNumeric(Samples):
    """DQ-003: a raw value that is no number (OCPP 1.6, where it is a text)."""

    def faults(self, samples: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        """Values that are no decimal numbers."""
        for sample in samples:
            value = sample.get("value")
            if sample.get("format", "Raw") == "Raw" and isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
                yield measurand_of(sample), f'The value "{value}" of {measurand_of(sample)} is no number'


class WrongUnit(Samples):
    """DQ-005: a unit of another dimension than the measurand's."""

    def faults(self, samples: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        """Samples whose unit belongs to something else."""
        for sample in samples:
            measurand = measurand_of(sample)
            units = next((units for beginning, units in UNITS.items() if measurand.startswith(beginning)), None)
            unit = sample.get("unit")
            if isinstance(sample.get("unitOfMeasure"), dict):
                unit = sample["unitOfMeasure"].get("unit")
            if units is None or sample.get("format") == "SignedData":
                continue
            if isinstance(unit, str) and unit not in units:
                yield f"{measurand}/{unit}", f"{measurand} in {unit}; its units are {' and '.join(sorted(units))}"
            elif unit is None and measurand.startswith("Power."):
                yield measurand, f"{measurand} has no unit: W or kW?"


class Doubled(Samples):
    """DQ-008: two samples of one moment that cannot be told apart."""

    def faults(self, samples: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        """Samples that are equal in everything but their value."""
        seen: dict[str, Any] = {}
        for sample in samples:
            unit = sample.get("unit", sample.get("unitOfMeasure"))
            parts = (sample.get(name) for name in ("phase", "location", "context", "format"))
            key = f"{measurand_of(sample)} {' '.join(str(part) for part in parts)} {unit}"
            if key in seen and seen[key] != sample.get("value"):
                phase = f" of phase {sample['phase']}" if "phase" in sample else ""
                yield key, f"{measurand_of(sample)}{phase} has the values {seen[key]} and {sample.get('value')} at once"
            seen[key] = sample.get("value")


class UnsignedData(Samples):
    """DQ-009: signed data without its parts (OCPP 2.x)."""

    def faults(self, samples: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        """Samples whose signed data is empty, or does not say how it is encoded."""
        for sample in samples:
            signed = sample.get("signedMeterValue")
            if not isinstance(signed, dict):
                continue
            for name in ("signedMeterData", "encodingMethod"):
                if name in signed and not str(signed[name]).strip():
                    yield name, f"signedMeterValue of {measurand_of(sample)} has an empty {name}"
