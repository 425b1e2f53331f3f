"""Meter values of one station in, remarks about energy registers that fall out. Rules TX16-007 and TX2-019.

Values are compared only as they are written: same transaction, meter, measurand, phase, location and unit. So rounding
in one of two units never looks like a fall. Older readings that arrive later (transactionData) are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark

SERIES: Final = 512  # per station: 30 connectors with 16 registers each; beyond it the oldest is forgotten
DEFAULT: Final = "Energy.Active.Import.Register"


def moment_of(timestamp: Any) -> float | None:
    """Seconds since 1970; None without a zone, when the order is unknown."""
    try:
        moment = datetime.fromisoformat(timestamp)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def registers(meter_value: Any) -> list[dict[str, Any]]:
    """The sampled values of energy registers; every other measurand is left out first, most values are of those."""
    values = meter_value.get("sampledValue") if isinstance(meter_value, dict) else None
    if not isinstance(values, list):
        return []
    return [
        value
        for value in values
        if isinstance(value, dict)
        and str(value.get("measurand", DEFAULT)).endswith(".Register")
        and value.get("format") != "SignedData"
    ]


class Registers(Monitor):
    """One remark at most a message: a meter that falls takes all its registers along."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, ...], tuple[float, float]] = {}  # series → (time, value)

    def feed(self, item: Any) -> Iterable[Remark]:
        """Compare every register of the message with its last reading."""
        payload = item.payload
        if not isinstance(payload, dict):
            return ()
        meter_values = payload.get("meterValue") or payload.get("transactionData")
        if not isinstance(meter_values, list):
            return ()
        info = payload.get("transactionInfo")
        transaction = info.get("transactionId") if isinstance(info, dict) else payload.get("transactionId")
        if transaction is None:
            return ()  # a session's own counter may begin again with the next one
        # Connector 0 of OCPP 1.6 is the main meter; a stop names no connector.
        of_meter = str(transaction), "main" if payload.get("connectorId") == 0 else ""
        fallen = ""
        for meter_value in meter_values:
            if not (values := registers(meter_value)):
                continue
            at = moment_of(meter_value.get("timestamp"))
            if at is not None:
                for value in values:
                    found = self.compare(of_meter, at, value)
                    fallen = fallen or found
        return (Remark(item, fallen),) if fallen else ()

    def compare(self, of_meter: tuple[str, str], at: float, value: dict[str, Any]) -> str:
        """How a register fell; empty when it did not."""
        try:
            reading = float(value["value"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return ""
        measurand = str(value.get("measurand", DEFAULT))
        unit = value.get("unitOfMeasure", value.get("unit", "Wh"))
        if isinstance(unit, dict):
            unit = f"{unit.get('unit', 'Wh')} {unit.get('multiplier', 0)}"
        place = f"{value.get('phase')}/{value.get('location', 'Outlet')}"
        series = (*of_meter, measurand, place, str(unit))
        before = self.last.pop(series, None)
        if before is not None and at <= before[0]:
            self.last[series] = before
            return ""
        self.last[series] = at, reading
        if len(self.last) > SERIES:
            del self.last[next(iter(self.last))]
        if before is not None and reading < before[1]:
            return f"{measurand} of transaction {of_meter[0]} falls from {before[1]:g} to {reading:g} {unit}"
        return ""

    def forget(self) -> None:
        """Nothing: a register that fell has fallen, whatever was lost between."""
