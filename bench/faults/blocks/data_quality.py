"""Faults of what is measured and when: clocks, units, values that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from bench.faults.fault import fault
from bench.faults.session import ENERGY, Payload, Session, stamps_in


def samples(s: Session, measurand: str = "") -> Iterator[Payload]:
    """Every sample that the station sends."""
    for request in s.requests("MeterValues", "TransactionEvent"):
        for value in request.payload.get("meterValue", []):
            yield from (sample for sample in value["sampledValue"] if not measurand or sample["measurand"] == measurand)


def number(s: Session, value: float) -> str | float:
    return f"{value:g}" if s.version == "1.6" else value


@fault(
    "DQ-001",
    also=("TX2-014", "ST16-009"),
    note="Only statuses count, and only five minutes after a boot on the same connection.",
)
def clock_never_set(s: Session) -> None:
    """The station counts from 1970, whatever it is told."""
    for request in s.requests(side=">"):
        for stamp in stamps_in(request.payload):
            stamp.at -= 56 * 365.25 * 86_400


@fault("DQ-002", also=("TX2-015", "TX2-020"), note="Only statuses and messages about transactions are compared.")
def clock_ahead(s: Session) -> None:
    """Its clock is half an hour ahead."""
    ahead = s.chance.uniform(900, 3000)
    for request in s.requests(side=">"):
        for stamp in stamps_in(request.payload):
            stamp.at += ahead


@fault("DQ-013", also=("DQ-002", "TX2-014", "TX2-020"), note="Only statuses count, and three of them have to agree.")
def local_time_called_utc(s: Session) -> None:
    hours = s.chance.choice((1, 2, -5))
    for request in s.requests(side=">"):
        for stamp in stamps_in(request.payload):
            stamp.at += 3600 * hours


@fault("DQ-003", "transaction", also=("TX16-013",))
def value_is_no_number(s: Session) -> None:
    found = list(samples(s, ENERGY))
    s.need(found)
    wrong = s.chance.choice(("NaN", "1,5", "12 Wh", "", "n/a"))
    for sample in found[:6]:
        sample["value"] = wrong


@fault("DQ-004", "transaction")
def more_than_full(s: Session) -> None:
    found = list(samples(s, "SoC"))
    s.need(found)
    value = s.chance.choice((-1, 101, 255, 6500))
    for sample in found:
        sample["value"] = str(value) if s.version == "1.6" else value


@fault("DQ-005", "transaction", also=("DQ-014",))
def unit_of_another_dimension(s: Session) -> None:
    """Power in Wh, current in V."""
    found = [x for x in samples(s) if x["measurand"] in ("Power.Active.Import", "Current.Import")]
    s.need(found)
    for sample in found:
        unit = {"Power.Active.Import": "Wh", "Current.Import": "V"}[sample["measurand"]]
        if s.version == "1.6":
            sample["unit"] = unit
        else:
            sample["unitOfMeasure"]["unit"] = unit


@fault("DQ-008", "transaction")
def two_values_of_one_thing(s: Session) -> None:
    """The same measurand twice at one moment, without phase or place: three phases, not named."""
    found = [
        value
        for request in s.requests("MeterValues", "TransactionEvent")
        for value in request.payload.get("meterValue", [])
    ]
    found = [value for value in found if len(value["sampledValue"]) > 1]
    s.need(found)
    for value in found:
        sample = next(x for x in value["sampledValue"] if x["measurand"] == "Current.Import")
        sample.pop("phase")
        value["sampledValue"].append({**sample, "value": "0.1" if s.version == "1.6" else 0.1})


@fault("DQ-010", "data_transfer", also=("DT-002",))
def required_text_empty(s: Session) -> None:
    if s.chance.random() < 0.5:
        s.one("DataTransfer").payload["vendorId"] = ""
        return
    boot = s.requests("BootNotification")[0]
    holder = boot.payload if s.version == "1.6" else boot.payload["chargingStation"]
    holder["chargePointModel" if s.version == "1.6" else "model"] = ""


@fault("DQ-014", "long_transaction")
def kilowatt_called_watt(s: Session) -> None:
    """Power in kW with the unit W."""
    found = list(samples(s, "Power.Active.Import"))
    s.need(found)
    for sample in found:
        sample["value"] = number(s, round(float(sample["value"]) / 1000, 2))
