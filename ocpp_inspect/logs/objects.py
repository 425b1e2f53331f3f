"""A JSON object that stands on a line in; the entry that it tells, or the line of text inside it, out.

Open OCPP Trace (version 1: `messageType`, `direction` cp-to-csms or csms-to-cp, `raw` or its parts) is read by its own
field names; structured logs of any program by names that are usual for time, station, direction and message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from ocpp_inspect.logs.arrays import BEGINNING
from ocpp_inspect.logs.entry import Entry
from ocpp_inspect.logs.formats import Sender, sender_by_words
from ocpp_inspect.logs.times import Stamp, find_time, from_epoch

_TIMES: Final = ("timestamp", "time", "ts", "@timestamp", "date", "datetime", "asctime", "t", "logged_at")
_STATIONS: Final = (
    "chargePointId", "chargeBoxId", "chargingStationId", "stationId", "station", "identity", "charge_point_id",
    "charge_box_id", "station_id", "cpId", "cp_id", "cp", "clientId", "client_id",
)  # fmt: skip
_DIRECTIONS: Final = ("direction", "dir", "sender", "from", "origin", "type", "event")
_MESSAGES: Final = ("raw", "message", "msg", "payload", "data", "frame", "text", "content", "ocpp", "log", "body")
_TRACE: Final[Mapping[str, Sender]] = {"cp-to-csms": "station", "csms-to-cp": "csms"}
_TRACE_TYPES: Final = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4, "CALLRESULTERROR": 5, "SEND": 6}


def entry_of(line: int, record: Mapping[str, Any]) -> Entry | None:
    """The entry of a record, None when it tells no OCPP message by itself."""
    if record.get("direction") in _TRACE and record.get("messageType") in _TRACE_TYPES:
        return _trace(line, record)
    text = _message(record)
    if text is None:
        return None
    return Entry(line, "message", _stamp(record), _first(record, _STATIONS), "", _sender(record), text)


def inner_text(record: Mapping[str, Any]) -> str:
    """The line of text that a record wraps (Docker and journald log so), with its time in front; "" for none."""
    for name in _MESSAGES:
        value = record.get(name)
        if isinstance(value, str) and BEGINNING.search(value):
            moment = next((str(record[key]) for key in _TIMES if key in record), "")
            return f"{moment} {value}".strip()
    return ""


def _trace(line: int, record: Mapping[str, Any]) -> Entry:
    raw = record.get("raw")
    text = raw if isinstance(raw, str) and raw.strip() else orjson.dumps(_rebuilt(record)).decode()
    version = record.get("ocppVersion")
    return Entry(
        line,
        "message",
        _stamp(record),
        _first(record, ("chargePointId",)),
        "",
        _TRACE[record["direction"]],
        text,
        version=version.lower().removeprefix("ocpp").rstrip("j") if isinstance(version, str) else "",
    )


def _rebuilt(record: Mapping[str, Any]) -> list[Any]:
    """The array of a record that gives its parts only."""
    kind = _TRACE_TYPES[record["messageType"]]
    head = [kind, record.get("messageId", "")]
    if kind in (2, 6):
        return [*head, record.get("action", ""), record.get("payload", {})]
    if kind == 3:
        return [*head, record.get("payload", {})]
    error = record.get("error")
    error = error if isinstance(error, dict) else {}
    return [*head, error.get("code", ""), error.get("description", ""), error.get("details", {})]


def _message(record: Mapping[str, Any]) -> str | None:
    for name in _MESSAGES:
        value = record.get(name)
        if isinstance(value, str) and BEGINNING.match(value.lstrip()):
            return value.strip()
        if isinstance(value, list) and len(value) >= 3 and value[0] in (2, 3, 4, 5, 6) and isinstance(value[1], str):
            return orjson.dumps(value).decode()
    return None


def _stamp(record: Mapping[str, Any]) -> Stamp | None:
    for name in _TIMES:
        value = record.get(name)
        if isinstance(value, str) and (found := find_time(value)) is not None:
            return found
        if isinstance(value, int | float) and not isinstance(value, bool):
            ns = from_epoch(value)
            if ns is not None:
                return Stamp(ns, has_zone=True)
    return None


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((value for name in names if isinstance(value := record.get(name), str) and value), "")


def _sender(record: Mapping[str, Any]) -> Sender:
    for name in _DIRECTIONS:
        value = record.get(name)
        if not isinstance(value, str):
            continue
        word = value.strip().lower()
        if word in ("cp", "cs", "station", "chargepoint", "charge_point", "chargingstation", "charger"):
            return "station"
        if word in ("csms", "central_system", "centralsystem", "backend", "server"):
            return "csms"
        sender = sender_by_words(f" {value.replace('_', ' ').replace('-', ' ')} ")
        if sender != "unknown":
            return sender
    return "unknown"
