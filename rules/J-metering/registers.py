"""Meter values of one station in, remarks about energy registers that fall out. Rules TX16-007 and TX2-019.

Values are compared only as they are written: same transaction, meter, measurand, phase, location and unit. So rounding
in one of two units never looks like a fall. Older readings that arrive later (transactionData) are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark

SERIES: Final = 192  # per station: 12 connectors with 16 registers each; beyond it the oldest is forgotten
DEFAULT: Final = "Energy.Active.Import.Register"


def moment_of(timestamp: Any) -> datetime | None:
    """The moment; None without a zone, when the order is unknown."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None


class Registers(Monitor):
    """One remark at most a message: a meter that falls takes all its registers along."""

    def __init__(self) -> None:
        self.last: dict[Any, tuple[datetime, float]] = {}  # series → (time, value)

    def feed(self, item: Any) -> Iterable[Remark]:
        """Compare every register of the message with its last reading."""
        payload = item.payload
        if type(payload) is not dict:
            return ()
        meter_values = payload.get("meterValue") or payload.get("transactionData")
        if type(meter_values) is not list:
            return ()
        info = payload.get("transactionInfo")
        transaction = info.get("transactionId") if type(info) is dict else payload.get("transactionId")
        if transaction is None:
            return ()  # a session's own counter may begin again with the next one
        # Connector 0 of OCPP 1.6 is the main meter; a stop names no connector.
        is_main = payload.get("connectorId") == 0
        fallen = ""
        for meter_value in meter_values:
            values = meter_value.get("sampledValue") if type(meter_value) is dict else None
            if type(values) is not list:
                continue
            at: datetime | None = None
            for value in values:
                if type(value) is not dict:
                    continue
                measurand = value.get("measurand", DEFAULT)
                # Most values are of other measurands, and `in` is asked twice as fast.
                if type(measurand) is not str or ".Register" not in measurand or not measurand.endswith(".Register"):
                    continue
                if value.get("format") == "SignedData":
                    continue
                if at is None:
                    at = moment_of(meter_value.get("timestamp"))
                    if at is None:
                        break
                found = self.compare(transaction, is_main, at, measurand, value)
                if found and not fallen:
                    fallen = found
        return (Remark(item, fallen),) if fallen else ()

    def compare(self, transaction: Any, is_main: bool, at: datetime, measurand: str, value: dict[str, Any]) -> str:
        """How a register fell; empty when it did not."""
        try:
            reading = float(value["value"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return ""
        unit: Any = value["unitOfMeasure"] if "unitOfMeasure" in value else value.get("unit", "Wh")
        if type(unit) is dict:
            unit = unit.get("unit", "Wh"), unit.get("multiplier", 0)
        series: Any = transaction, measurand, unit, is_main
        if "phase" in value or value.get("location", "Outlet") != "Outlet":  # a shorter key is faster
            series = *series, value.get("phase"), value.get("location", "Outlet")
        try:
            before = self.last.get(series)
        except TypeError:  # a list where a text belongs
            series = str(series)
            before = self.last.get(series)
        if before is None:
            self.last[series] = at, reading
            if len(self.last) > SERIES:
                del self.last[next(iter(self.last))]
            return ""
        if at <= before[0]:
            return ""
        self.last[series] = at, reading
        if reading < before[1]:
            unit = f"{unit[0]} {unit[1]}" if type(unit) is tuple else unit  # written only now: readings are many
            return f"{measurand} of transaction {transaction} falls from {before[1]:g} to {reading:g} {unit}"
        return ""

    def forget(self) -> None:
        """Nothing: a register that fell has fallen, whatever was lost between."""
