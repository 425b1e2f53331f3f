"""Findings and the rules' texts in; a SARIF 2.1.0 log for code scanning and viewers out.

A capture has no lines, so a result points at the capture file, names the station as a logical location and tells the
frames in its message. What is inconclusive is `open`, what is accepted is suppressed: neither counts as a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson

from ocpp_inspect.report.judged import Judged, RuleText, judged

_LEVEL: Final = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(database: Any, rules: Iterable[RuleText], version: str) -> Iterator[bytes]:
    """The log, result by result: it is never whole in memory."""
    told = list(rules)
    places = {rule.id: place for place, rule in enumerate(told)}
    driver = {
        "name": "ocpp-inspect",
        "semanticVersion": version,
        "rules": [_rule(rule) for rule in told],
    }
    head = orjson.dumps({"driver": driver}).decode()
    yield (
        f'{{"$schema":"{_SCHEMA}","version":"2.1.0","runs":[{{"tool":{head},'
        '"columnKind":"unicodeCodePoints","results":['
    ).encode()
    for number, finding in enumerate(judged(database)):
        yield (b",\n" if number else b"\n") + orjson.dumps(_result(finding, places))
    yield b"\n]}]}\n"


def _rule(rule: RuleText) -> dict[str, Any]:
    words = " ".join(rule.why.split())
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": words or rule.title},
        "help": {"text": " ".join(f"{words} Harmless when: {rule.benign or 'never.'} [{rule.reference}]".split())},
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
        "properties": {"tags": [tag for tag in ("ocpp", rule.block, rule.axis) if tag], "reference": rule.reference},
    }


def _result(finding: Judged, places: dict[str, int]) -> dict[str, Any]:
    station = finding.station or "unknown station"
    proof = f" ({finding.proof})" if finding.proof else ""
    text = f"{station}: {finding.text}{proof}. To blame: {finding.blame}."
    is_open = finding.verdict != "violation"
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "kind": "open" if is_open else "fail",
        "level": "none" if is_open else _LEVEL.get(finding.severity, "note"),
        "message": {"text": _text(text)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(finding.capture)}},
                "logicalLocations": [{"name": _text(station), "kind": "member"}],
            }
        ],
        "partialFingerprints": {"finding/v1": finding.mark},
        "properties": {
            "blame": finding.blame,
            "frames": [frame for _, frame in finding.evidence],
            "reference": finding.reference,
        },
    }
    if finding.rule in places:
        result["ruleIndex"] = places[finding.rule]
    if finding.accepted:
        result["suppressions"] = [{"kind": "external", "justification": _text(finding.accepted)}]
    return result


def _uri(path: str) -> str:
    """A path as a URI reference: relative where it was given so."""
    if path in ("", "-"):
        return "stdin"
    given = Path(path)
    posix = quote(given.as_posix().encode("utf-8", "surrogateescape"))
    return f"file://{posix}" if given.is_absolute() else posix


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
