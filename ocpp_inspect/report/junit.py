"""Findings in; JUnit XML out: a suite a station, a case a rule that was broken, and one for all the others.

A finding at or above the wanted severity is a failure, a lesser one is told in the case's output, an inconclusive or
accepted one skips its case.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import groupby
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from ocpp_inspect.report.judged import Judged, judged

_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 §2.2 does not allow in any form, lone surrogates included."""

_FINDINGS: Final = 50  # of one rule told in one case


def junit(database: Any, failing: Collection[str]) -> str:
    """The document; `failing` are the severities that fail a case."""
    stations = [
        row[0]
        for row in database.execute(
            "SELECT DISTINCT station FROM connections WHERE is_ocpp"
            " UNION SELECT DISTINCT station FROM findings ORDER BY 1 NULLS LAST"
        ).fetchall()
    ]
    by_station: dict[str | None, list[Judged]] = {station: [] for station in stations}
    for finding in judged(database):
        by_station[finding.station].append(finding)
    suites, tests, failures, skipped = [], 0, 0, 0
    for station, findings in by_station.items():
        name = station or "unknown station"
        cases = [_case(name, "all other rules", [], failing)]
        findings.sort(key=lambda each: (each.rule, each.finding_id))
        for rule, group in groupby(findings, key=lambda each: each.rule):
            told = list(group)
            cases.append(_case(name, f"{rule} {told[0].name}", told, failing))
        failed = sum("<failure" in case for case in cases)
        left = sum("<skipped" in case for case in cases)
        counts = f'tests="{len(cases)}" failures="{failed}" errors="0" skipped="{left}"'
        suites.append(f"  <testsuite name={_attribute(name)} {counts}>\n" + "".join(cases) + "  </testsuite>\n")
        tests, failures, skipped = tests + len(cases), failures + failed, skipped + left
    counts = f'tests="{tests}" failures="{failures}" errors="0"'
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="ocpp-inspect" {counts}>\n'
    return head + "".join(suites) + "</testsuites>\n"


def _case(station: str, name: str, findings: list[Judged], failing: Collection[str]) -> str:
    failed = [each for each in findings if each.fails and each.severity in failing]
    lesser = [each for each in findings if each.fails and each.severity not in failing]
    open_ones = [each for each in findings if not each.fails]
    body = ""
    if failed:
        first = f"{failed[0].severity}: {failed[0].text}"
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        kind = f"{failed[0].severity}, {failed[0].blame}"
        body += (
            f"      <failure message={_attribute(first + more)} type={_attribute(kind)}>{_lines(failed)}</failure>\n"
        )
    elif open_ones and not lesser:
        reason = open_ones[0].accepted or "inconclusive: the capture does not show enough"
        body += f"      <skipped message={_attribute(reason)}/>\n"
    if lesser or (failed and open_ones):
        body += f"      <system-out>{_lines(lesser + (open_ones if failed else []))}</system-out>\n"
    head = f"    <testcase classname={_attribute(station)} name={_attribute(name)}"
    return f"{head}>\n{body}    </testcase>\n" if body else f"{head}/>\n"


def _lines(findings: list[Judged]) -> str:
    lines = [
        f"{each.severity}, {each.blame}: {each.text} [{each.reference}] {each.capture} {each.proof}".rstrip()
        for each in findings[:_FINDINGS]
    ]
    if len(findings) > _FINDINGS:
        lines.append(f"… and {len(findings) - _FINDINGS} more")
    return escape(_FORBIDDEN.sub("\ufffd", "\n".join(lines)))


def _attribute(value: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", value), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
