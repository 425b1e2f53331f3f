"""A read-only connection in; the messages as Open OCPP Trace 1.1 out: one JSON object a line.

The format knows CALL, CALLRESULT and CALLERROR. A CALLRESULTERROR, a SEND and what is no OCPP message have no place in
it: they are counted, so that the caller can say how many were left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from ocpp_inspect.limits import REPORT_ROWS
from ocpp_inspect.report.machine import time

_DIRECTIONS: Final = {"station": "cp-to-csms", "csms": "csms-to-cp"}
_QUERY: Final = (
    "SELECT epoch_ns(ts), station, version, sender, kind, unique_id, action, raw, payload, error_code,"
    " error_description, capture_id, frame_no FROM messages WHERE (? IS NULL OR station = ?)"
    " AND (? IS NULL OR epoch_ns(ts) >= ?) AND (? IS NULL OR epoch_ns(ts) < ?) ORDER BY ts, message_id"
)


class Trace:
    """The records of a choice of messages; `left_out` counts those that the format cannot hold, once all were read."""

    def __init__(self, database: Any, station: str | None, since_ns: int | None, until_ns: int | None) -> None:
        self._database = database
        self._parameters = [station, station, since_ns, since_ns, until_ns, until_ns]
        self.written = 0
        self.left_out = 0

    def __iter__(self) -> Iterator[bytes]:
        cursor = self._database.cursor()
        cursor.execute(_QUERY, self._parameters)
        while rows := cursor.fetchmany(REPORT_ROWS):
            for row in rows:
                record = _record(row)
                if record is None:
                    self.left_out += 1
                else:
                    self.written += 1
                    yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _record(row: tuple[Any, ...]) -> dict[str, Any] | None:
    ts_ns, station, version, sender, kind, unique_id, action, raw, payload, code, description, capture, frame = row
    if kind not in ("CALL", "CALLRESULT", "CALLERROR") or sender not in _DIRECTIONS or raw is None:
        return None
    transport = "soap" if raw.lstrip("\ufeff \t\r\n").startswith("<") else "json"
    record: dict[str, Any] = {"schemaVersion": "1.1", "timestamp": time(ts_ns), "transport": transport}
    if version:
        record["ocppVersion"] = version
    if station:
        record["chargePointId"] = station
    record |= {"direction": _DIRECTIONS[sender], "messageType": kind, "messageId": unique_id or ""}
    if action or kind == "CALL":
        record["action"] = action or ""
    if kind == "CALLERROR":
        record["error"] = {"code": code or "", "description": description or "", "details": _json(payload)}
    else:
        record["payload"] = _json(payload)
    record["raw"] = raw
    record["meta"] = {"capture": capture, "frame": frame}
    return record


def _json(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else {}
    except ValueError:
        return {}
