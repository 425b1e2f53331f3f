"""JSON for machines: stable keys, documented, lossless."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import report_database
from test_report_timeline import HOSTILE, hostile_database

from ocpp_inspect.report import machine

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "json.md"


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    with report_database.sample() as opened:
        yield opened


def test_document(database: Any) -> None:
    document = json.loads(machine.document(database))
    assert document["format"] == 1
    assert [station["station"] for station in document["stations"]] == ["CP-0001", "CS-2041", "CP-0003"]
    assert document["captures"][0]["first"] == "2026-01-01T08:00:00.000000000Z"
    assert document["verdict"]["errors"] == 2
    assert len(document["findings"]) == 5
    first = document["findings"][0]
    assert first["evidence"] == [{"capture_id": 1, "frame": 58}, {"capture_id": 1, "frame": 61}]
    assert first["ts"] == "2026-01-01T08:01:04.900000000Z"
    assert document["stations"][0]["transactions"][0]["energy_wh"] == 467.0


def test_lines_hold_the_same_records(database: Any) -> None:
    records = [json.loads(line) for line in machine.lines(database)]
    assert [record["type"] for record in records] == [
        "capture", *["station"] * 3, *["finding"] * 5, "tls", "anomaly", *["counter"] * 6, "verdict",
    ]  # fmt: skip
    document = json.loads(machine.document(database))
    findings = [
        {key: value for key, value in each.items() if key != "type"} for each in records if each["type"] == "finding"
    ]
    assert findings == document["findings"]


def test_every_key_is_documented_and_no_other(database: Any) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `(\w+)`.*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    seen: dict[str, set[str]] = {}
    for record in machine.records(database):
        seen.setdefault(record["type"], set()).update(keys_of(record))
    assert set(sections) == set(seen)
    for kind, keys in seen.items():
        assert set(re.findall(r"^\| `([\w.]+)`", sections[kind], re.MULTILINE)) == keys - {"type"}, kind


def keys_of(record: Any, prefix: str = "") -> set[str]:
    keys = set()
    for key, value in record.items():
        keys.add(prefix + key)
        for each in value if isinstance(value, list) else []:
            if isinstance(each, dict):
                keys |= keys_of(each, f"{prefix}{key}.")
    return keys


def test_hostile_text_arrives_as_it_was_captured() -> None:
    with hostile_database() as database:
        document = json.loads(machine.document(database))
        for line in machine.lines(database):
            json.loads(line)
    assert {finding["text"] for finding in document["findings"]} == set(HOSTILE)


def test_times_beyond_the_calendar_are_null() -> None:
    assert machine.time(None) is None
    assert machine.time(2**63) == "2262-04-11T23:47:16.854775808Z"
    assert machine.time(10**30) is None
