"""Rows of a board in, the table of stations as lines of a width out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ocpp_inspect.report.clock import SECOND_NS
from ocpp_inspect.report.lines import Line, clip, padded, width_of
from ocpp_inspect.report.live.board import StationRow
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.wording import FAINT, SEVERITIES

_WIDE: Final = 110
_TRANSACTION_CELLS: Final = 11
_WORDS_CELLS: Final = 22  # the last message wants as much, before another column gets some
_BOOT_STYLES: Final = {"Accepted": "green", "Pending": "yellow", "Rejected": "bold red"}


def table(rows: Sequence[StationRow], width: int, height: int, now_ns: int) -> list[Line]:
    """A head and at most `height - 1` stations; when there are more, those with problems and the latest."""
    room = max(height - 1, 1)
    chosen = sorted(rows, key=lambda row: row.name)
    if len(chosen) > room:
        chosen = sorted(rows, key=_urgency, reverse=True)[:room]
        chosen.sort(key=lambda row: row.name)
    name_cells = max(max((width_of(safe(row.name, 48)) for row in chosen), default=0), 7)
    columns = _columns(min(name_cells, 13 if width < _WIDE else 24), width)
    is_wide = dict(columns)["transaction"] > _TRANSACTION_CELLS
    lines: list[Line] = [_joined([(title, FAINT) for title, _ in columns], columns, width)]
    for row in chosen:
        cells = {
            "station": (safe(row.name, 64) or "unknown", "bold"),
            "version": (row.version or "?", ""),
            "model": (_model(row), FAINT),
            "state": _state(row, now_ns),
            "last message": _last(row, now_ns),
            "heartbeat": _heartbeat(row, now_ns),
            "transaction": _transaction(row, now_ns, is_wide=is_wide),
            "power": (_power(row), ""),
            "findings": ("", ""),
            "messages": (f"{row.messages:,}".replace(",", " "), FAINT),
        }
        lines.append(_joined([cells[title] for title, _ in columns], columns, width, row))
    return lines


def _columns(name_cells: int, width: int) -> list[tuple[str, int]]:
    """(title, cells) of each column: those that always stand, and as many of the others as leave room for words."""
    columns = [("station", name_cells), ("state", 12), ("last message", 0), ("heartbeat", 9)]
    columns += [("transaction", _TRANSACTION_CELLS), ("power", 7), ("findings", 8)]
    rest = width - 1 - sum(cells + 1 for _, cells in columns)
    if rest >= _WORDS_CELLS + 14:
        columns[4] = ("transaction", _TRANSACTION_CELLS + 13)
        rest -= 13
    for title, cells, place in (("version", 7, 1), ("model", 22, 2), ("messages", 9, len(columns) + 2)):
        if rest - cells - 1 < _WORDS_CELLS:
            break
        columns.insert(place, (title, cells))
        rest -= cells + 1
    return [(title, cells or max(rest, 4)) for title, cells in columns]


def _urgency(row: StationRow) -> tuple[int, int, int]:
    return row.findings.get("error", 0) > 0, row.findings.get("warning", 0) > 0, row.last_ns


def _joined(
    cells: Sequence[tuple[str, str]], columns: Sequence[tuple[str, int]], width: int, row: StationRow | None = None
) -> Line:
    line: Line = [(" ", "")]
    used = 1
    for (text, style), (title, room) in zip(cells, columns, strict=True):
        if used + room > width:
            break
        if row is not None and title == "findings":
            line += _findings(row, room)
        elif title in ("power", "messages"):
            line.append((clip(text, room).rjust(room), style))
        else:
            line.append((padded(text, room), style))
        line.append((" ", ""))
        used += room + 1
    return line


def _findings(row: StationRow, room: int) -> Line:
    line: Line = []
    used = 0
    for severity, (sign, style) in SEVERITIES.items():
        number = row.findings.get(severity, 0)
        text = f"{sign}{number if number < 1000 else '1k+'} "
        if number and used + width_of(text) <= room:
            line.append((text, style))
            used += width_of(text)
    return [*line, (" " * (room - used), "")]


def _model(row: StationRow) -> str:
    session = row.session
    return safe(f"{session.vendor} {session.model}".strip(), 60) if session is not None else ""


def _state(row: StationRow, now_ns: int) -> tuple[str, str]:
    if row.refused:
        return f"HTTP {row.refused}", "bold red"
    if not row.is_connected:
        return "○ " + ("gone " + ago(now_ns - row.last_ns) if row.last_ns else "silent"), "yellow"
    status = safe(row.session.boot_status, 20) if row.session is not None else ""
    if status:
        return f"● {status}", _BOOT_STYLES.get(status, "yellow")
    booting = row.session is not None and row.session.boot is not None
    return ("● booting", "yellow") if booting else ("● connected", "")


def _last(row: StationRow, now_ns: int) -> tuple[str, str]:
    if not row.messages:
        return "none yet", FAINT
    return f"{ago(now_ns - row.last_ns)} {safe(row.last_words, 40)}", ""


def _heartbeat(row: StationRow, now_ns: int) -> tuple[str, str]:
    """How long until the station has to say something: any message of it stands for a heartbeat (OCPP 1.6 §4.6)."""
    interval = row.session.heartbeat_interval if row.session is not None else None
    if not interval or not row.is_connected:
        return ("every ?" if row.is_connected else ""), FAINT
    left_ns = row.heard_ns + interval * SECOND_NS - now_ns
    if left_ns >= 0:
        return "in " + ago(left_ns), FAINT
    return "late " + ago(-left_ns), "bold red" if -left_ns > interval * SECOND_NS else "yellow"


def _transaction(row: StationRow, now_ns: int, *, is_wide: bool) -> tuple[str, str]:
    running: list[Any] = row.session.open_transactions() if row.session is not None else []
    if not running:
        return "", ""
    first = running[-1]
    name = safe(first.id, 60)
    if len(name) > (14 if is_wide else 5):
        name = name[:4] + "…"
    since = f" {ago(now_ns - first.started_ns)}" if first.started_ns else ""
    more = f" +{len(running) - 1}" if len(running) > 1 else ""
    token = f" {safe(first.id_tag[:4])}…" if is_wide and first.id_tag else ""  # who charges is nobody's business
    return f"#{name}{since}{more}{token}", "bright_blue"


def _power(row: StationRow) -> str:
    if not row.power_w:
        return ""
    watts = sum(row.power_w.values())
    return f"{watts / 1000:.1f} kW" if abs(watts) >= 1000 else f"{watts:.0f} W"


def ago(ns: int) -> str:
    """A short duration of one unit: 3s, 12m, 5h, 2d."""
    seconds = max(ns, 0) // SECOND_NS
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
