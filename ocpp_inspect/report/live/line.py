"""A Happening in, its line out: one that fits a width, or the whole of it for a pipe.

08:00:00.285 CP1   ◀╌ BootNotification  accepted, heartbeat every 5 min                                45 ms
"""

from __future__ import annotations

from typing import Final

from ocpp_inspect import catalogue
from ocpp_inspect.report.clock import Clock, span, time_of_day
from ocpp_inspect.report.lines import Line, clip, padded, plain, width_of
from ocpp_inspect.report.live.happenings import Happening
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.wording import FAINT, finding_label, style_of_payload

_ARROWS: Final = {"station": ("──▶", "╌╌▶"), "csms": ("◀──", "◀╌╌"), "unknown": ("── ", "╌╌ ")}
_SENDERS: Final = {"station": "cyan", "csms": "magenta", "unknown": "white"}
_SLOW_NS: Final = 5 * 10**9
_NAME_CELLS: Final = 16


def line(happening: Happening, width: int, clock: Clock, name_cells: int) -> Line:
    """One line of at most `width` cells; `name_cells` 0: the station is known."""
    head: Line = [(time_of_day(happening.ts_ns, clock), FAINT)]
    if name_cells:
        head.append((" " + padded(safe(happening.station, 64) or "?", name_cells), "bold"))
    tail, tail_style = _latency(happening)
    body = _body(happening)
    room = width - sum(width_of(text) for text, _ in head) - (10 if tail else 0)
    fitted: Line = []
    for text, style in body:
        if room <= 1:
            break
        shown = clip(text, room)
        fitted.append((shown, style))
        room -= width_of(shown)
    if tail:
        fitted += [(" " * max(room, 0), ""), (tail.rjust(10), tail_style)]
    return [*head, *fitted]


def plain_line(happening: Happening, clock: Clock = "utc") -> str:
    """The whole of it, for a pipe."""
    name = padded(safe(happening.station, 64) or "?", _NAME_CELLS)
    tail, _ = _latency(happening)
    frame = f" #{happening.frame}" if happening.frame else ""
    text = plain(_body(happening))
    return f"{time_of_day(happening.ts_ns, clock)} {name}{text}{f' ({tail})' if tail else ''}{frame}"


def _latency(happening: Happening) -> tuple[str, str]:
    if happening.latency_ns < 0:
        return "", ""
    return span(happening.latency_ns), "yellow" if happening.latency_ns >= _SLOW_NS else FAINT


def _body(happening: Happening) -> Line:
    if happening.type == "finding":
        return _finding(happening)
    if happening.type == "notice":
        times = f" ({happening.times} times)" if happening.times > 1 else ""
        return [(" ═══ ", happening.style), (safe(happening.text) + times, happening.style)]
    is_call = happening.kind in ("CALL", "SEND")
    arrow = _ARROWS.get(happening.sender, _ARROWS["unknown"])[0 if is_call else 1]
    colour = _SENDERS.get(happening.sender, "white")
    action = safe(happening.action or happening.kind, 60)
    if happening.is_long:
        sentence = f"{happening.size:,}".replace(",", " ") + " bytes"
    else:
        sentence = catalogue.summarise(
            happening.version, happening.kind, happening.action, happening.payload, happening.request,
            happening.error_code, happening.error_description,
        )  # fmt: skip
    if happening.kind == "INVALID":
        sentence = f"{sentence}: {happening.text}"
    style = style_of_payload(happening.kind, happening.action, happening.schema_valid, happening.payload)
    head = (f"{action}  ", f"bold {colour}") if is_call else (f"{action}  ", FAINT)
    return [(f" {arrow} ", colour if is_call else FAINT), head, (safe(sentence), style)]


def _finding(happening: Happening) -> Line:
    sign, style, label = finding_label(happening.severity, happening.verdict)
    blame = safe(happening.blame, 20)
    words = f"{label}, {blame}: " if blame not in ("", "unknown") else f"{label}: "
    rest = style.removeprefix("bold ")
    times = f"×{happening.times} " if happening.times > 1 else ""
    return [(f" {sign} {safe(happening.rule, 30)} {times}", style), (words + safe(happening.text, 600), rest)]
