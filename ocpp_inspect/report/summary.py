"""Facts in; the summary that `analyze` ends with, as lines that fit a width, out.

Head (inputs), a panel a station (the worst first), anomalies, and a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ocpp_inspect.catalogue.formats import identifier, tag
from ocpp_inspect.report.clock import SECOND_NS, Clock, span, stamp
from ocpp_inspect.report.facts import Capture, Facts, FindingGroup, Latency, LossGroup, Station, Transaction, collect
from ocpp_inspect.report.lines import Line, clip, padded, together, width_of, wrap
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.tls import tls_lines
from ocpp_inspect.report.wording import FAINT, finding_label

_LABEL_CELLS: Final = 14
_ANOMALIES: Final = 8  # kinds told; the database has them all
_STATIONS: Final = 50
_ROWS: Final = 8
_OF_MESSAGES: Final = ("http", "ws", "soap", "ocpp", "rpc", "schema")  # layers whose anomalies are the peers' doing
_CAPTURES: Final = 6
_PANELS: Final = 8  # stations that all get a panel, whether there is something to complain or not
_LATENCIES: Final = 4
_PROTOCOLS: Final = 5  # other protocols that are named
# What the network room counts on the way to TCP: these packets are not left alone.
_OF_TCP: Final = {"packets", "tcp", "duplicates", "fragments", "reassembled", "VXLAN", "GRE", "Geneve", "GTP", "TZSP"}
LOSSES: Final = {
    "gap": "bytes missing from the capture",
    "snaplen": "packets cut short by the snap length",
    "joined_midway": "capture starts in mid-stream",
    "resync": "next frame searched",
    "inflate": "compressed, history lost",
    "oversize": "too large to keep",
    "limit": "a limit was reached",
    "drops": "packets dropped while capturing",
}


def summary(database: Any, width: int = 120, clock: Clock = "utc") -> Iterator[Line]:
    """The lines of the summary of a database."""
    yield from summary_of(collect(database, _STATIONS, _ROWS), width, clock)


def summary_of(facts: Facts, width: int = 120, clock: Clock = "utc") -> Iterator[Line]:
    """The lines of the summary of facts already collected."""
    yield from _head(facts, width, clock)
    first, last = facts.captures_span
    today = stamp(first, clock)[:10] if stamp(first, clock)[:10] == stamp(last, clock)[:10] else ""
    brief = len(facts.stations) > _PANELS  # stations in order get a line instead of a panel, below the others
    in_order = [station for station in facts.stations if brief and _is_in_order(station)]
    for station in facts.stations:
        if station in in_order:
            continue
        yield []
        yield from panel(*_title(station), _body(station, max(width, 60) - 4, clock, today), max(width, 60))
    if in_order:
        yield []
        yield from _in_order(in_order, max(width, 60))
    if facts.stations_total > len(facts.stations):
        yield [(f"… and {facts.stations_total - len(facts.stations)} more stations", FAINT)]
    yield []
    yield from tls_lines(facts.tls, width, clock)
    yield from _anomalies(facts, width)
    yield from verdict(facts, width)


def amount(number: int, noun: str, nouns: str = "") -> str:
    """ "1 error", "2 345 errors"."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}".replace(",", " ")


def octets(number: int) -> str:
    """A number of bytes with a unit that keeps it short."""
    size = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def energy(wh: float) -> str:
    """Energy in Wh below 10 kWh, else in kWh."""
    return f"{wh:,.0f} Wh".replace(",", " ") if abs(wh) < 10_000 else f"{wh / 1000:,.1f} kWh".replace(",", " ")


# --------------------------------------------------------------------------- head


def _head(facts: Facts, width: int, clock: Clock) -> Iterator[Line]:
    for capture in facts.captures[:_CAPTURES]:
        yield from _hanging([(safe(capture.path, 300) + "  ", "bold")], _capture(capture), "", width, 2)
        for note in capture.notes[:3]:
            yield from _hanging([("  ▲ ", "yellow")], safe(note), "yellow", width, 4)
    if len(facts.captures) > _CAPTURES:
        yield [(f"… and {len(facts.captures) - _CAPTURES} more captures", FAINT)]
    first, last = facts.captures_span
    parts = []
    if first and last:
        until = stamp(last, clock)
        until = until[11:] if until[:10] == stamp(first, clock)[:10] else until
        parts.append(f"{stamp(first, clock)} → {until}{' UTC' if clock == 'utc' else ''} ({span(last - first)})")
    parts.append(amount(facts.stations_total, "station"))
    parts.append(amount(facts.ocpp_connections, "OCPP connection"))
    if facts.refused_connections:
        parts.append(amount(facts.refused_connections, "refused upgrade"))
    if facts.tls_connections:
        parts.append(f"{facts.tls_connections} over TLS")
    if facts.other_websockets:
        parts.append(amount(facts.other_websockets, "other WebSocket"))
    yield from _hanging([], ", ".join(parts), "", width, 2)
    if traffic := _traffic(facts):
        yield from _hanging([], traffic, FAINT, width, 2)


def _traffic(facts: Facts) -> str:
    """What the captures hold besides OCPP, and how well they were captured; nothing when there is nothing to say."""
    kinds, soap, tcp, network = (facts.counters.get(room, {}) for room in ("websocket", "soap", "tcp", "network"))
    kinds = kinds | {"http": kinds.get("http", 0) - soap.get("connections", 0)}
    carried = [
        f"{kinds[name]} {label}"
        for name, label in (
            ("websocket_other", "other WebSocket"),
            ("http", "HTTP"),
            ("http2", "HTTP/2, not read"),
            ("tls", "TLS, not readable without keys"),
            ("other", "other"),
            ("silent", "silent"),
        )
        if kinds.get(name)
    ]
    parts = [f"other TCP connections: {', '.join(carried)}"] if carried else []
    ignored = sorted((-number, name) for name, number in network.items() if number and name not in _OF_TCP)
    packets = [f"{-number} {safe(name, 30)}" for number, name in ignored[:_PROTOCOLS]]
    packets += [f"{-sum(number for number, _ in ignored[_PROTOCOLS:])} others"] if len(ignored) > _PROTOCOLS else []
    parts += [f"packets left alone: {', '.join(packets)}"] if packets else []
    quality = [
        amount(numbers[name], noun)
        for numbers, name, noun in (
            (network, "duplicates", "duplicate packet"),
            (tcp, "retransmissions", "retransmission"),
            (tcp, "gaps", "gap"),
            (tcp, "out_of_order", "reordered segment"),
        )
        if numbers.get(name)
    ]
    return "; ".join([*parts, *([", ".join(quality)] if quality else [])])


def _capture(capture: Capture) -> str:
    kind = " ".join(
        filter(None, (safe(capture.format, 30), "/".join(safe(each, 30) for each in capture.link_types[:4])))
    )
    unit = "message" if capture.format == "log" else "packet"
    parts = [kind, amount(capture.packets, unit), octets(capture.bytes)]
    if capture.dropped_packets:
        parts.append(f"{amount(capture.dropped_packets, 'packet')} dropped while capturing")
    if capture.truncated:
        parts.append("the file ends early")
    return ", ".join(filter(None, parts))


# --------------------------------------------------------------------------- a station


def _is_in_order(station: Station) -> bool:
    open_findings = any(not group.accepted for group in station.findings)
    return not (open_findings or station.losses or station.undecodable or station.refused or station.invalid)


def _in_order(stations: list[Station], width: int) -> Iterator[Line]:
    """A line each for stations of which there is nothing to complain."""
    names = [clip(safe(station.station), 28) or "station unknown" for station in stations]
    cells = max(width_of(name) for name in names)
    for name, station in zip(names, stations, strict=True):
        parts = [f"OCPP {'/'.join(safe(each, 6) for each in station.versions[:3]) or '?'}"]
        parts += [amount(station.sessions, "session"), amount(station.messages, "message")]
        if station.transactions_total:
            parts.append(amount(station.transactions_total, "transaction"))
        parts += [energy(station.energy_wh)] if station.energy_wh else []
        head: Line = [("✔ ", "green"), (padded(name, cells), "bold cyan"), ("  ", "")]
        yield from _hanging(head, ", ".join(parts), FAINT, width, cells + 4)


def panel(title: Line, note: Line, body: list[Line], width: int) -> Iterator[Line]:
    """A box with a title at its upper left and a note at its upper right; the body's lines are width - 4 cells."""
    used = sum(width_of(text) for text, _ in (*title, *note)) + (8 if note else 5)
    rule = "─" * max(width - used, 0)
    right: Line = [(" ", ""), *note, (" ─╮", FAINT)] if note else [("╮", FAINT)]
    yield [("╭─ ", FAINT), *title, (" " + rule, FAINT), *right]
    for line in body:
        cells = sum(width_of(text) for text, _ in line)
        yield [("│ ", FAINT), *line, (" " * max(width - 4 - cells, 0), ""), (" │", FAINT)]
    yield [("╰" + "─" * (width - 2) + "╯", FAINT)]


def _title(station: Station) -> tuple[Line, Line]:
    versions = "/".join(safe(each, 6) for each in station.versions[:3])
    title: Line = [(clip(safe(station.station), 28) or "station unknown", "bold cyan")]
    if versions:
        title.append((f" OCPP {versions}", FAINT))
    counts = {"error": 0, "warning": 0, "info": 0, "inconclusive": 0, "accepted": 0}
    for group in station.findings:
        name = "accepted" if group.accepted else "inconclusive" if group.verdict == "inconclusive" else group.severity
        counts[name if name in counts else "info"] += group.count
    note: Line = []
    for name, style in (
        ("error", "bold red"), ("warning", "bold yellow"), ("info", "blue"), ("inconclusive", FAINT),
        ("accepted", FAINT),
    ):  # fmt: skip
        if counts[name]:
            text = f"{counts[name]} {name}" if name in ("inconclusive", "accepted") else amount(counts[name], name)
            note += [(", ", FAINT)] if note else []
            note.append((text, style))
    return title, note or [("no findings", "green")]


def _body(station: Station, width: int, clock: Clock, today: str) -> list[Line]:
    body: list[Line] = []
    device = " ".join(safe(each, 60) for each in (station.vendor, station.model) if each)
    device += f", firmware {safe(station.firmware, 60)}" if station.firmware else ""
    device += f", serial {safe(station.serial_number, 60)}" if station.serial_number else ""
    if device:
        body += _field("station", device, width)
    sessions = amount(station.sessions, "session")
    sessions += f", connected {span(int(station.connected_s * SECOND_NS))}" if station.connected_s else ""
    sessions += f", {amount(station.refused, 'refused upgrade')}" if station.refused else ""
    body += _field("connection", sessions, width, "yellow" if station.refused else "")
    notes = [amount(station.calls, "request")]
    if station.unanswered:
        notes.append(f"{station.unanswered} unanswered")
    if station.errors_answered:
        notes.append(f"{station.errors_answered} refused")
    if station.invalid:
        notes.append(f"{station.invalid} malformed")
    total = f"{station.messages:,}".replace(",", " ")
    body += _field("messages", f"{total}: {', '.join(notes)}", width)
    if lost := _lost(station):
        body += _field("not decoded", lost, width, "yellow")
    if station.transactions_total:
        total = f"{station.transactions_total:,}".replace(",", " ")
        total += f", {energy(station.energy_wh)}" if station.energy_wh is not None else ""
        body += _field("transactions", total, width)
        body += _transactions(station, width, clock, today)
    if station.latencies:
        body += _field("slowest", ", ".join(_slow(each) for each in station.latencies[:_LATENCIES]), width)
    explained = {group.rule for group in station.findings}
    for group in station.findings:
        body += _finding(group, width, follows=group.cause in explained, clock=clock)
    return body


def _slow(each: Latency) -> str:
    median = f" (median {span(int(each.median_ms * 10**6))} of {each.answered})" if each.answered > 1 else ""
    return together(f"{safe(each.action, 40) or 'unknown'} {span(int(each.max_ms * 10**6))}{median}")


def _field(label: str, text: str, width: int, style: str = "") -> list[Line]:
    wrapped = wrap(text, width - _LABEL_CELLS)
    return [
        [((label if number == 0 else "").ljust(_LABEL_CELLS), FAINT), (line, style)]
        for number, line in enumerate(wrapped)
    ]


def _lost(station: Station) -> str:
    parts = [amount(station.undecodable, "message")] if station.undecodable else []
    parts += [_loss(loss) for loss in station.losses]
    return ", ".join(parts)


def _loss(loss: LossGroup) -> str:
    lost = f" ({octets(loss.bytes)})" if loss.bytes else ""
    times = f" {loss.count}×" if loss.count > 1 else ""
    return f"{LOSSES.get(loss.cause, safe(loss.cause, 40))}{lost}{times}"


def _transactions(station: Station, width: int, clock: Clock, today: str) -> list[Line]:
    rows = [_transaction(each, clock, today) for each in station.transactions]
    cells = [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]))]
    found: list[Line] = []
    for row in rows:
        columns = [
            text.rjust(size) if place in (4, 5) else padded(text, size)
            for place, (text, size) in enumerate(zip(row, cells, strict=True))
            if size
        ]
        wide = sum(cells) + 2 * len(columns) > width - _LABEL_CELLS  # no table fits: the words, wrapped
        words = "  ".join(together(text) for text in row if text)
        lines = wrap(words, width - _LABEL_CELLS - 2) if wide else ["  ".join(columns)]
        indents = [" " * _LABEL_CELLS, *[" " * (_LABEL_CELLS + 2)] * (len(lines) - 1)]
        found += [[(indent, ""), (line.rstrip(), "")] for indent, line in zip(indents, lines, strict=True)]
    more = station.transactions_total - len(rows)
    if more > 0:
        found.append([(" " * _LABEL_CELLS, ""), (f"… {more} more", FAINT)])
    return found


def _transaction(each: Transaction, clock: Clock, today: str) -> tuple[str, ...]:
    """Cells of one row; `today` is the date that need not be said."""
    where = (
        f"EVSE {each.evse}"
        if each.evse is not None
        else f"connector {each.connector}"
        if each.connector is not None
        else ""
    )
    start = stamp(each.start_ns, clock) if each.start_ns else "before capture"
    stop = stamp(each.stop_ns, clock) if each.stop_ns else "open"
    stop = stop[11:] if each.start_ns and each.stop_ns and stop[:10] == start[:10] else stop
    start, stop = (each.removeprefix(today).lstrip() if today else each for each in (start, stop))
    took = span(each.stop_ns - each.start_ns) if each.start_ns and each.stop_ns else ""
    return (
        safe(identifier(each.transaction_id)) or "no id",
        where,
        f"tag {safe(tag(each.token))}" if each.token else "",
        f"{start} → {stop}",
        took,
        energy(each.energy_wh) if each.energy_wh is not None else "",
        safe(each.reason, 30),
    )


def _finding(group: FindingGroup, width: int, *, follows: bool, clock: Clock) -> list[Line]:
    """One rule's findings: how often, of whom, the first in words, its clause and frames, and what explains it."""
    sign, style, label = finding_label(group.severity, group.verdict, group.accepted)
    if follows:
        sign = "└" + sign
    times = f"{group.count}× " if group.count > 1 else ""
    if group.count > 1 and group.last_ns > group.first_ns:
        times += f"in {span(group.last_ns - group.first_ns)} from {stamp(group.first_ns, clock)[11:19]}, "
    blame = f", {safe(group.blame, 20)}" if group.blame not in ("", "unknown") else ""
    frames = ", ".join(str(frame) for frame in group.frames) + (" …" if group.count > len(group.frames) else "")
    text = f"{times}{label}{blame}: {safe(group.text, 500)}"
    text += f" [{safe(group.reference, 100)}]" if group.reference else ""
    text += f" frame{'s' if len(group.frames) > 1 else ''} {frames}" if frames else ""
    text += f" (follows from {safe(group.cause, 30)})" if follows else ""
    text += f" (accepted: {safe(group.accepted, 200)})" if group.accepted else ""
    head = f"{sign} {safe(group.rule, 30)}"
    wrapped = wrap(text, width - _LABEL_CELLS)
    text_style = FAINT if group.verdict == "inconclusive" or group.accepted else ""
    return [
        [(padded(head if number == 0 else "", _LABEL_CELLS - 1) + " ", style), (line, text_style)]
        for number, line in enumerate(wrapped)
    ]


# --------------------------------------------------------------------------- end


def _anomalies(facts: Facts, width: int) -> Iterator[Line]:
    """The most frequent anomalies, each with its first detail: facts, where no rule may have judged."""
    for name, count, detail, frame in facts.anomalies[:_ANOMALIES]:
        words = f"{count}×"
        words += f", first: {safe(detail, 200)}" if detail else ""
        words += f" (frame {frame})" if frame else ""
        yield from _hanging([(f"◦ {clip(safe(name), width // 2)} ", "")], words, FAINT, width, 4)
    if len(facts.anomalies) > _ANOMALIES:
        yield [(f"… and {len(facts.anomalies) - _ANOMALIES} more kinds of anomalies", FAINT)]


def verdict(facts: Facts, width: int) -> Iterator[Line]:
    """The last line: how many of each severity, and where."""
    parts: list[tuple[str, str]] = []
    for number, noun, style in (
        (facts.errors, "error", "bold red"),
        (facts.warnings, "warning", "bold yellow"),
        (facts.infos, "info", "blue"),
    ):
        if number:
            parts.append((amount(number, noun), style))
    if facts.inconclusive:
        parts.append((f"{facts.inconclusive} inconclusive", FAINT))
    if facts.accepted:
        parts.append((f"{facts.accepted} accepted", FAINT))
    if not facts.stations_total:
        where = ": see the anomalies above" if facts.anomalies else ""
        if any(group.completed and group.opened < group.connections for group in facts.tls):
            where = "; it may be inside of TLS: with --keylog, a key log of one side opens it (docs/tls.md)"
        yield from _hanging([], "no OCPP found" + where, "bold yellow", width, 2)
        return
    odd = sum(count for name, count, _, _ in facts.anomalies if name.partition(".")[0] in _OF_MESSAGES)
    if not parts and odd:
        where = amount(facts.stations_total, "station")
        text = f"no findings in {where}, but {amount(odd, 'anomaly', 'anomalies')} that no rule judges"
        yield from _hanging([], text, "bold yellow", width, 2)
        return
    if not parts:
        yield [("✔ ", "bold green"), (f"no findings in {amount(facts.stations_total, 'station')}", "bold green")]
        return
    line: Line = []
    for text, style in parts:
        line += [(", ", "")] if line else []
        line.append((text, style))
    yield [*line, (f" in {facts.stations_with_findings} of {amount(facts.stations_total, 'station')}", "")]


def _hanging(head: Line, text: str, style: str, width: int, indent: int) -> Iterator[Line]:
    used = sum(width_of(part) for part, _ in head)
    wrapped = wrap(text, max(width - indent, 20), max(width - used, 0))
    yield [*head, (wrapped[0], style)]
    for line in wrapped[1:]:
        yield [(" " * indent + line, style)]
