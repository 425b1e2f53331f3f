"""Facts in; a Markdown report for an issue, a merge request or a mail out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ocpp_inspect.report.clock import span, stamp
from ocpp_inspect.report.facts import Facts, FindingGroup, Station, collect
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.summary import amount, energy, octets, verdict

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~&@]|:(?=//)|(?<=www)\.)")
_STATIONS: Final = 200
_ROWS: Final = 50


def markdown(database: Any) -> Iterator[str]:
    """The report, line by line."""
    facts = collect(database, _STATIONS, _ROWS)
    yield "# OCPP report\n\n"
    yield from _captures(facts)
    words = "".join(text for line in verdict(facts, 10_000) for text, _ in line)
    yield f"\n**{_escaped(words)}**\n"
    for station in facts.stations:
        yield from _station(station)
    if facts.stations_total > len(facts.stations):
        yield f"\n… and {facts.stations_total - len(facts.stations)} more stations.\n"
    if facts.anomalies:
        yield "\n## Oddities\n\n| what | times | first |\n|---|---:|---|\n"
        for name, count, detail, frame in facts.anomalies[:_ROWS]:
            place = f" (frame {frame})" if frame else ""
            yield f"| {_escaped(name)} | {count} | {_escaped(detail)}{place} |\n"


def _captures(facts: Facts) -> Iterator[str]:
    yield "| capture | from (UTC) | for | packets | size |\n|---|---|---|---:|---:|\n"
    for capture in facts.captures[:_ROWS]:
        first, last = capture.first_ns or 0, capture.last_ns or 0
        begun = stamp(first, "utc") if first else ""
        name = _escaped(capture.path)
        yield f"| {name} | {begun} | {span(last - first)} | {capture.packets} | {octets(capture.bytes)} |\n"
        for note in capture.notes[:3]:
            yield f"| ↳ {_escaped(note)} | | | | |\n"


def _station(station: Station) -> Iterator[str]:
    yield f"\n## {_escaped(station.station) or 'station unknown'}\n\n"
    device = " ".join(filter(None, (station.vendor, station.model, station.firmware)))
    parts = [
        f"OCPP {'/'.join(station.versions) or '?'}",
        device,
        amount(station.sessions, "session"),
        amount(station.messages, "message"),
        f"{station.unanswered} unanswered" if station.unanswered else "",
        f"{station.undecodable} not decodable" if station.undecodable else "",
        amount(station.transactions_total, "transaction") if station.transactions_total else "",
        energy(station.energy_wh) if station.energy_wh is not None else "",
    ]
    yield _escaped(", ".join(filter(None, parts))) + "\n"
    if not station.findings:
        yield "\nNo findings.\n"
        return
    yield "\n| finding | severity | to blame | times | what | clause | frames |\n|---|---|---|---:|---|---|---|\n"
    for group in station.findings:
        yield _row(group)


def _row(group: FindingGroup) -> str:
    state = "inconclusive" if group.verdict == "inconclusive" else group.severity
    text = _escaped(group.text)
    if group.cause:
        text += f" — follows from {_escaped(group.cause)}"
    if group.accepted:
        state += ", accepted"
        text += f" — accepted: {_escaped(group.accepted)}"
    frames = ", ".join(map(str, group.frames)) + (" …" if group.count > len(group.frames) else "")
    what = (group.rule, state, group.blame)
    cells = (*map(_escaped, what), str(group.count), text, _escaped(group.reference), frames)
    return "| " + " | ".join(cells) + " |\n"


def _escaped(value: str) -> str:
    """Text that Markdown shows as it is: no links, no HTML, no mentions, no cells of its own."""
    return _SPECIAL.sub(r"\\\1", safe(value, 500)) if value else ""
