"""A read-only connection in; JSON (one document) or JSON lines (one record a line) out. Keys: docs/json.md.

Text is told exactly as captured: JSON escapes control characters itself. Times are RFC 3339 in UTC with nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import orjson

from ocpp_inspect.report import facts as facts_of
from ocpp_inspect.report.judged import Judged, judged

FORMAT: Final = 1
"""Grows when a key is renamed or its meaning changes; new keys do not change it."""

_ALL: Final = 2**31 - 1


def time(ns: int | None) -> str | None:
    """RFC 3339 with nine decimals."""
    if ns is None:
        return None
    try:
        return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09d}Z"
    except (OverflowError, ValueError, OSError):
        return None


def document(database: Any) -> bytes:
    """All facts as one JSON document, indented."""
    parts: dict[str, Any] = {
        "format": FORMAT,
        "captures": [],
        "stations": [],
        "findings": [],
        "tls": [],
        "anomalies": [],
        "counters": [],
    }
    for record in records(database):
        kind = record.pop("type")
        if kind == "verdict":
            parts["verdict"] = record
        else:
            parts[_LISTS[kind]].append(record)
    return orjson.dumps(parts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


_LISTS: Final = {
    "capture": "captures",
    "station": "stations",
    "finding": "findings",
    "tls": "tls",
    "anomaly": "anomalies",
    "counter": "counters",
}


def lines(database: Any) -> Iterator[bytes]:
    """The same facts, one JSON object a line, each with its `type`; the last one is the verdict."""
    for record in records(database):
        yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def records(database: Any) -> Iterator[dict[str, Any]]:
    """capture …, station …, finding …, anomaly …, counter …, verdict."""
    facts = facts_of.collect(database, stations=_ALL, rows=_ALL)
    for capture in facts.captures:
        yield {"type": "capture", **_timed(msgspec.structs.asdict(capture))}
    for station in sorted(facts.stations, key=lambda each: (each.first_ns or 0, each.station)):
        yield {"type": "station", **_station(station)}
    for finding in judged(database):
        yield {"type": "finding", **_finding(finding)}
    for group in facts.tls:
        yield {"type": "tls", **_timed(msgspec.structs.asdict(group))}
    for name, count, detail, frame in facts.anomalies:
        yield {"type": "anomaly", "name": name, "count": count, "first_detail": _text(detail), "first_frame": frame}
    for room, numbers in facts.counters.items():
        for name, number in numbers.items():
            yield {"type": "counter", "room": room, "name": name, "number": number}
    yield {
        "type": "verdict",
        "errors": facts.errors,
        "warnings": facts.warnings,
        "infos": facts.infos,
        "inconclusive": facts.inconclusive,
        "accepted": facts.accepted,
        "stations": facts.stations_total,
        "stations_with_findings": facts.stations_with_findings,
        "ocpp_connections": facts.ocpp_connections,
        "refused_connections": facts.refused_connections,
        "other_websockets": facts.other_websockets,
        "tls_connections": facts.tls_connections,
    }


def _station(station: facts_of.Station) -> dict[str, Any]:
    fields = _timed(msgspec.structs.asdict(station))
    fields["transactions"] = [_timed(msgspec.structs.asdict(each)) for each in station.transactions]
    fields["latencies"] = [msgspec.structs.asdict(each) for each in station.latencies]
    fields["losses"] = [msgspec.structs.asdict(each) for each in station.losses]
    fields["rules"] = [
        {
            "rule": each.rule,
            "severity": each.severity,
            "verdict": each.verdict,
            "blame": each.blame,
            "count": each.count,
            "first": time(each.first_ns),
            "last": time(each.last_ns),
            "accepted": each.accepted or None,
            "cause": each.cause or None,
        }
        for each in station.findings
    ]
    del fields["findings"]
    return fields


def _finding(finding: Judged) -> dict[str, Any]:
    fields = _timed(msgspec.structs.asdict(finding))
    fields["evidence"] = [{"capture_id": capture, "frame": frame} for capture, frame in finding.evidence]
    return fields


def _timed(fields: dict[str, Any]) -> dict[str, Any]:
    """`x_ns` becomes `x` in RFC 3339; text that is no Unicode is repaired."""
    return {
        name.removesuffix("_ns"): time(value)
        if name.endswith("_ns")
        else _text(value)
        if isinstance(value, str)
        else value
        for name, value in fields.items()
    }


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
