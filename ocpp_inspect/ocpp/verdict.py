"""A message whose payload the schema did not accept in; its anomalies, and the final verdict on the message, out."""

from __future__ import annotations

from ocpp_inspect.model import Anomaly, OcppMessage
from ocpp_inspect.ocpp import schema
from ocpp_inspect.ocpp.actions import Action


def anomaly(message: OcppMessage, name: str, detail: str, path: str = "") -> Anomaly:
    """An anomaly of one message."""
    return Anomaly(
        name, message.ts_ns, message.packet, message.position, message.connection, message.side, detail,
        message.station, message.message_id, path,
    )  # fmt: skip


def of_refused(entry: Action, message: OcppMessage, answer: bool) -> list[Anomaly]:
    """Explain a refusal and settle `schema_valid`: what is only risky, or legal after all, is valid."""
    checker = schema.checker(entry.version, entry.name, answer)
    if checker is None:
        return []
    found, more = checker.explain(message.payload)
    if entry.version != "1.6":
        found = [each for each in found if not _extended(each.name, each.path, entry.name, message)]
    anomalies = [anomaly(message, each.name, each.detail, each.path) for each in found]
    illegal = [each for each in found if not each.risky]
    message.schema_valid = not illegal
    if more:
        anomalies.append(anomaly(message, "schema.more_faults", f"at least {more} faults more"))
    if any(not each.name.startswith("schema.datetime_") for each in illegal):
        anomalies += _fits_elsewhere(entry, message, answer)
    return anomalies


def of_unchecked(entry: Action, message: OcppMessage, answer: bool) -> list[Anomaly]:
    """The date-times of OCPP 2.0, which has no schemas here but shares these fields with 2.0.1."""
    checker = schema.checker("2.0.1", entry.name, answer)
    found = checker.explain(message.payload)[0] if checker is not None else []
    times = [each for each in found if each.name.startswith("schema.datetime_")]
    return [anomaly(message, each.name, each.detail, each.path) for each in times]


def _fits_elsewhere(entry: Action, message: OcppMessage, answer: bool) -> list[Anomaly]:
    fitting = []
    for other in schema.SCHEMA_VERSIONS:
        checker = schema.checker(other, entry.name, answer) if other != entry.version else None
        if checker is not None and checker.is_valid(message.payload):
            fitting.append(other)
    if not fitting:
        return []
    detail = f"the payload is valid as OCPP {' and '.join(fitting)}, but {entry.version} is spoken"
    return [anomaly(message, "schema.valid_in_other_version", detail)]


def _extended(name: str, path: str, action: str, message: OcppMessage) -> bool:
    """Whether the station said that it takes a longer string here: FieldLength[message.field] (P2-201 §2.1.5)."""
    config = message.session.config
    if name != "schema.max_length" or not config:
        return False
    allowed = config.get(f"OCPPCommCtrlr.FieldLength[{action}.{path.rpartition('.')[2]}]", "")
    value = message.payload
    for part in path.removeprefix("$.").replace("[", ".").replace("]", "").split("."):
        value = value[int(part)] if isinstance(value, list) else value.get(part)
    return allowed.isdecimal() and len(allowed) < 10 and isinstance(value, str) and len(value) <= int(allowed)
