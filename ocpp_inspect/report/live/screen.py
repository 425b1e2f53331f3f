"""A board, a view, the time and a size in; the lines of the whole screen out."""

from __future__ import annotations

from typing import Final

import msgspec

from ocpp_inspect.report.clock import Clock, span, time_of_day
from ocpp_inspect.report.lines import Line, clip, width_of
from ocpp_inspect.report.live.board import Board
from ocpp_inspect.report.live.happenings import Happening
from ocpp_inspect.report.live.line import line
from ocpp_inspect.report.live.stations import table
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.wording import FAINT, SEVERITIES

_KEYS: Final = (("space", "pause"), ("/", "filter"), ("s", "station"), ("q", "quit"))
_LEAST_LINES: Final = 8


class Header(msgspec.Struct):
    """What the source and the recording say."""

    source: str = ""
    packets: int = 0
    octets: int = 0
    dropped: int = 0
    started_ns: int = 0
    database: str = ""
    capture_file: str = ""
    troubles: list[str] = []


class View(msgspec.Struct):
    """What the person chose. `paused` holds the happenings as they were."""

    words: str = ""  # of the filter
    station: str | None = None
    prompt: str | None = None  # what is being asked, None: nothing
    typed: str = ""
    paused: list[Happening] | None = None
    skipped: int = 0  # happenings since the pause
    hint: str = ""
    clock: Clock = "utc"

    def wants(self, happening: Happening) -> bool:
        """Whether the timeline shows it."""
        if self.station is not None and happening.station not in (self.station, ""):
            return False
        return not self.words or happening.matches(self.words.lower())


def screen(board: Board, view: View, header: Header, width: int, height: int, now_ns: int) -> list[Line]:
    """Exactly `height` lines of at most `width` cells."""
    width, height = max(width, 40), max(height, _LEAST_LINES)
    lines = _head(board, view, header, width, now_ns)
    room = height - len(lines) - 1
    rows = [row for name, row in board.stations.items() if view.station in (None, name)]
    findings = [each for each in board.findings.values() if view.station in (None, each.station)]
    stations_lines = min(len(rows) + 1, max(room * 2 // 5, 3)) if rows else 2
    findings_lines = min(len(findings), max((room - stations_lines) // 3, 1))
    lines += table(rows, width, stations_lines, now_ns) if rows else _waiting(header)
    if findings_lines:
        lines.append(_rule("findings", _hidden(len(findings) - findings_lines), width))
        cells = _name_cells(findings[-findings_lines:]) if view.station is None else 0
        lines += [line(each, width, view.clock, cells) for each in findings[-findings_lines:]]
    timeline_lines = height - 1 - len(lines) - 1
    if timeline_lines > 0:
        lines.append(_rule(*_timeline_title(view), width))
        lines += _timeline(board, view, width, timeline_lines)
    lines = lines[: height - 1]
    lines += [[] for _ in range(height - 1 - len(lines))]
    return [_fitted(each, width) for each in (*lines, _foot(view, width))]


def _head(board: Board, view: View, header: Header, width: int, now_ns: int) -> list[Line]:
    messages, packets = board.rates(now_ns, header.packets)
    running = span(max(now_ns - header.started_ns, 0) // 10**9 * 10**9) if now_ns > header.started_ns else ""
    state = ("⏸ paused", "black on yellow") if view.paused is not None else ("● live", "bold green")
    right = f"{time_of_day(now_ns, view.clock)[:8]} {'UTC' if view.clock == 'utc' else ''}"
    title: Line = [state, (" " + safe(header.source, 60), "bold"), (f"  for {running}" if running else "", FAINT)]
    used = sum(width_of(text) for text, _ in title)
    lines: list[Line] = [[*title, (right.rjust(max(width - used, 0)), FAINT)] if used + len(right) < width else title]
    connected = sum(row.is_connected for row in board.stations.values())
    figures: Line = [(f"{connected}/{len(board.stations) + board.forgotten} stations  ", "")]
    figures.append((f"{board.messages:,} messages ".replace(",", " "), ""))
    figures.append((f"{messages:.0f}/s  " if messages >= 10 else f"{messages:.1f}/s  ", FAINT))
    figures.append((f"{packets:.0f} packets/s  ", FAINT))
    figures.append((f"{header.dropped:,} dropped  ".replace(",", " "), "bold red" if header.dropped else FAINT))
    for severity, (sign, style) in SEVERITIES.items():
        if board.counts.get(severity):
            figures.append((f"{sign} {board.counts[severity]}  ", style))
    if board.losses:
        figures.append((f"{board.losses} losses", "yellow"))
    lines.append(_fitted(figures, width))
    kept = "  ".join(filter(None, (header.database, header.capture_file)))
    if kept and width >= 60:
        lines.append([(clip(safe(kept, 300), width), FAINT)])
    lines += [[(clip(f"! {safe(trouble, 300)}", width), "bold red")] for trouble in header.troubles[:2]]
    return lines


def _waiting(header: Header) -> list[Line]:
    if header.packets:
        return [[("", "")], [(" packets come, but no OCPP among them so far", FAINT)]]
    return [[("", "")], [(" waiting for the first packet", FAINT)]]


def _timeline_title(view: View) -> tuple[str, str]:
    parts = [f"station {safe(view.station, 48)}"] if view.station is not None else []
    parts += [f"filter “{safe(view.words, 60)}”"] if view.words else []
    title = "timeline" + (": " + ", ".join(parts) if parts else "")
    return title, f"{view.skipped} more since the pause" if view.paused is not None else ""


def _timeline(board: Board, view: View, width: int, room: int) -> list[Line]:
    shown: list[Happening] = []
    for happening in reversed(view.paused if view.paused is not None else board.happenings):
        if view.wants(happening):
            shown.append(happening)
            if len(shown) == room:
                break
    shown.reverse()
    cells = _name_cells(shown) if view.station is None else 0
    return [line(each, width, view.clock, cells) for each in shown]


def _name_cells(happenings: list[Happening]) -> int:
    return min(max((width_of(safe(each.station, 48)) for each in happenings), default=4), 16) or 4


def _hidden(number: int) -> str:
    return f"{number} earlier" if number > 0 else ""


def _rule(title: str, note: str, width: int) -> Line:
    title = clip(title, width - width_of(note) - 8)
    fill = max(width - width_of(title) - width_of(note) - 5 - (2 if note else 0), 0)
    return [
        ("── ", FAINT),
        (title, "bold"),
        (f" {'─' * fill}", FAINT),
        (f" {note} " if note else "", FAINT),
        ("─", FAINT),
    ]


def _foot(view: View, width: int) -> Line:
    if view.prompt is not None:
        typed = safe(view.typed, 200)
        return _fitted([(f"{view.prompt}: ", "bold"), (typed, ""), ("▏", "blink"), (f"  {view.hint}", FAINT)], width)
    keys: Line = []
    for key, what in _KEYS:
        what = "resume" if key == "space" and view.paused is not None else what  # noqa: PLW2901 - the same place
        keys += [(f" {key} ", "reverse"), (f" {what}  ", "")]
    if view.words or view.station is not None:
        keys += [(" esc ", "reverse"), (" show all  ", "")]
    return _fitted([*keys, (safe(view.hint, 100), FAINT)], width)


def _fitted(pieces: Line, width: int) -> Line:
    fitted: Line = []
    for text, style in pieces:
        if width_of(text) > width:
            if width > 1:
                fitted.append((clip(text, width), style))
            break
        fitted.append((text, style))
        width -= width_of(text)
    return fitted
