"""SARIF, JUnit, workflow commands and Markdown: valid by the readings of others, and safe whatever was captured."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from junitparser import JUnitXml
from sarif_pydantic import Sarif

sys.path.insert(0, str(Path(__file__).parent))
import report_database
from test_report_timeline import HOSTILE, hostile_database

from ocpp_inspect.report.annotations import workflow_commands
from ocpp_inspect.report.judged import RuleText, judged
from ocpp_inspect.report.junit import junit
from ocpp_inspect.report.markdown import markdown
from ocpp_inspect.report.sarif import sarif

RULES = [
    RuleText("RPC-005", "call-without-response", "A CALL is not answered", "warning", why="It hangs.", block="rpc")
]


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    with report_database.sample() as opened:
        opened.execute("UPDATE findings SET accepted = 'known since firmware 4' WHERE finding_id = 2")
        yield opened


@pytest.fixture(scope="module")
def hostile() -> Iterator[Any]:
    with hostile_database() as opened:
        yield opened


def log_of(database: Any) -> dict[str, Any]:
    octets = b"".join(sarif(database, RULES, "1.2.3"))
    Sarif.model_validate_json(octets)
    found: dict[str, Any] = json.loads(octets)
    return found


def test_sarif_tells_every_finding(database: Any) -> None:
    (run,) = log_of(database)["runs"]
    told = [(each["ruleId"], each["kind"], each["level"]) for each in run["results"]]
    level = {"error": "error", "warning": "warning", "info": "note"}
    assert told == [
        (each.rule, "fail", level[each.severity]) if each.verdict == "violation" else (each.rule, "open", "none")
        for each in judged(database)
    ]
    assert [each["suppressions"] for each in run["results"] if "suppressions" in each] == [
        [{"kind": "external", "justification": "known since firmware 4"}]
    ]
    named = [each for each in run["results"] if each["ruleId"] == "RPC-005"]
    assert named and all(run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == "RPC-005" for each in named)
    assert all(each["properties"]["frames"] for each in run["results"])


def test_fingerprints_outlive_another_recording(database: Any) -> None:
    first = next(judged(database))
    again = type(first)(**{name: getattr(first, name) for name in first.__struct_fields__} | {"text": "x 12 y 5f-3"})
    later = type(first)(**{name: getattr(first, name) for name in first.__struct_fields__} | {"text": "x 99 y 71-a"})
    assert again.mark == later.mark != first.mark


def test_junit_counts_what_fails(database: Any) -> None:
    text = junit(database, ("error",))
    document = JUnitXml.fromstring(text.encode())
    suites = {suite.name: suite for suite in document}
    failed = {
        (suite, case.name)
        for suite in suites
        for case in suites[suite]
        for each in case.result
        if "Failure" in type(each).__name__
    }
    errors = {
        (each.station, f"{each.rule} {each.name}")
        for each in judged(database)
        if each.fails and each.severity == "error"
    }
    assert failed == errors
    assert document.failures == len(errors)
    assert all(suite.tests == len(list(suite)) for suite in suites.values())
    assert JUnitXml.fromstring(junit(database, ()).encode()).failures == 0
    stricter = JUnitXml.fromstring(junit(database, ("error", "warning")).encode())
    assert stricter.failures is not None and stricter.failures >= len(errors)


def test_workflow_commands_tell_what_counts(database: Any) -> None:
    lines = list(workflow_commands(database))
    counting = [each for each in judged(database) if each.fails]
    assert len(lines) == len(counting)
    assert all(re.fullmatch(r"::(error|warning|notice) file=[^,]*,title=[^,:]*::[^\r\n]+\n", line) for line in lines)


def test_markdown_tells_stations_and_findings(database: Any) -> None:
    text = "".join(markdown(database))
    assert "## CP-0001" in text
    assert "accepted: known since firmware 4" in text
    assert all(f"| {each.rule} |" in text for each in judged(database))
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    for table in tables:
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {len(re.findall(r"\|", table[1]))}


def test_nothing_captured_is_obeyed(hostile: Any) -> None:
    log_of(hostile)
    document = junit(hostile, ("error", "warning"))
    ElementTree.fromstring(document.encode())  # noqa: S314 - our own document
    report = "".join(markdown(hostile))
    lines = list(workflow_commands(hostile))
    assert all(line.count("\n") == 1 and line.startswith("::") for line in lines)
    for text in (report, *lines):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert not re.search(r"(?<!\\)<\w", report)
    assert HOSTILE
