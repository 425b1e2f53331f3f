"""Meter values of one station in, remarks about energy registers that fall out. Rules TX16-007 and TX2-019.

Values are compared only as they are written: same transaction, measurand, phase, location and unit. So rounding in
one of two units never looks like a fall. Older readings that arrive later (transactionData) are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark
from ocpp_inspect.model import OcppMessage

SERIES: Final = 512  # per station: 30 connectors with 16 registers each; beyond it the oldest is forgotten
DEFAULT: Final = "Energy.Active.Import.Register"


def samples(payload: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(timestamp, sampled value) of a MeterValues, StopTransaction or TransactionEvent."""
    meter_values = payload.get("meterValue") or payload.get("transactionData") or ()
    for meter_value in meter_values if isinstance(meter_values, list) else ():
        if isinstance(meter_value, dict) and isinstance(values := meter_value.get("sampledValue"), list):
            for value in values:
                if isinstance(value, dict):
                    yield str(meter_value.get("timestamp")), value


class Registers(Monitor):
    """One remark at most a message: a meter that falls takes all its registers along."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, ...], tuple[float, float]] = {}  # series → (time, value)

    def feed(self, item: Any) -> Iterable[Remark]:
        """Compare every register of the message with its last reading."""
        if not isinstance(item, OcppMessage) or not isinstance(item.payload, dict):
            return
        payload = item.payload
        info = payload.get("transactionInfo")
        transaction = info.get("transactionId") if isinstance(info, dict) else payload.get("transactionId")
        if transaction is None:
            return  # a session's own counter may begin again with the next one
        fallen = ""
        for timestamp, value in samples(payload):
            measurand = value.get("measurand", DEFAULT)
            if not str(measurand).endswith(".Register") or value.get("format") == "SignedData":
                continue
            try:
                moment, reading = datetime.fromisoformat(timestamp), float(value["value"])
                at = moment.timestamp()
            except (KeyError, TypeError, ValueError, OverflowError):
                continue
            if moment.tzinfo is None:
                continue  # without a zone its order is unknown
            unit = value.get("unitOfMeasure", value.get("unit", "Wh"))
            if isinstance(unit, dict):
                unit = f"{unit.get('unit', 'Wh')} {unit.get('multiplier', 0)}"
            place = value.get("phase"), value.get("location", "Outlet")
            series = (str(transaction), str(measurand), str(place), str(unit))
            before = self.last.pop(series, None)
            if before is not None and at <= before[0]:
                self.last[series] = before
                continue
            if before is not None and reading < before[1] and not fallen:
                fallen = f"{measurand} of transaction {transaction} falls from {before[1]:g} to {reading:g} {unit}"
            self.last[series] = at, reading
            if len(self.last) > SERIES:
                del self.last[next(iter(self.last))]
        if fallen:
            yield Remark(item, fallen)

    def forget(self) -> None:
        """Nothing: a register that fell has fallen, whatever was lost between."""
