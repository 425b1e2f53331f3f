"""A database and a choice of events in; the dialogue of station and CSMS, line by line, out.

    08:00:00.240   │ BootNotification  boots: VendorX ModelY fw 1.2 ───────▶│
    08:00:00.285   │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ accepted, heartbeat every 5 min │   45 ms

The station's lifeline is on the left, the CSMS's on the right; text stands at the side of its sender, requests have
solid arrows, answers dashed ones. Brackets left of the dialogue are transactions. Findings stand below the message
that they judge. Nothing is cut: long text continues on the next line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from ocpp_inspect import catalogue
from ocpp_inspect.report import meddled, rows
from ocpp_inspect.report.clock import SECOND_NS, Clock, day, span, time_of_day
from ocpp_inspect.report.folding import joined, problems
from ocpp_inspect.report.gutter import COLUMNS, Gutter
from ocpp_inspect.report.lines import Line, clip, padded, together, width_of, wrap
from ocpp_inspect.report.rows import Choice, Event
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.wording import FAINT, close_words, extra_of, finding_label, notice, payload_of, style_of

_SENDERS: Final = {"station": "cyan", "csms": "magenta", "unknown": "white"}
_LIFELINE: Final = FAINT
_MEDDLED: Final = "magenta"
_GAP_NS: Final = 120 * SECOND_NS  # silence worth a line of its own: longer than the usual period of meter values
_SLOW_MS: Final = 5000  # an answer that stands out; rules judge by the station's own timeouts
_REMEMBERED: Final = 1024  # requests whose payload an answer's sentence may need
_LANES: Final = 116  # widest dialogue: further apart the eye loses the line
_STATION_CELLS: Final = 16
_NEEDS_REQUEST: Final = {"Authorize", "StartTransaction", "ChangeConfiguration"}


class TimelineOptions(msgspec.Struct, frozen=True):
    """How a timeline is laid out, and what of it is shown."""

    width: int = 120
    clock: Clock = "utc"
    choice: Choice = Choice()
    problems: bool = False
    context: int = 2  # events around a finding, with `problems`
    interleaved: bool = False  # all stations in one dialogue, with a column that names them
    compact: bool = False  # empty answers on the line of their request, no pings


def timeline(database: Any, options: TimelineOptions) -> Iterator[Line]:
    """The lines of a timeline: a section a station, or all stations interleaved."""
    first_ns, _ = rows.time_range(database)
    if options.interleaved:
        yield from Dialogue(database, options, first_ns).lines()
        return
    known = [each for each in rows.stations(database) if options.choice.station in (None, each[0])]
    is_first = True
    for station, _, messages in known:
        choice = msgspec.structs.replace(options.choice, station=station)
        part = Dialogue(database, msgspec.structs.replace(options, choice=choice), first_ns)
        lines = part.lines()
        head = next(lines, None)
        if head is None:
            continue
        if not is_first:
            yield []
        is_first = False
        yield heading(station or "station unknown", f"{messages:,} messages".replace(",", " "), options.width)
        yield head
        yield from lines


def heading(title: str, note: str, width: int) -> Line:
    """A rule across the width with a title at its left and a note at its right."""
    note = clip(safe(note), 40)
    title = clip(safe(title), width - width_of(note) - 12)
    rule = max(width - width_of(title) - width_of(note) - 8, 2)
    return [("━━ ", FAINT), (title, "bold"), (f" {'━' * rule} ", FAINT), (note, FAINT), (" ━━", FAINT)]


class Dialogue:
    """One run of events on one pair of lifelines."""

    def __init__(self, database: Any, options: TimelineOptions, start_ns: int) -> None:
        self._database = database
        self._options = options
        self._start_ns = start_ns
        self._gutter = Gutter(rows.open_transactions(database, options.choice.station, COLUMNS))
        self._name_cells = _STATION_CELLS if options.interleaved and options.choice.station is None else 0
        self._frame_cells = 9 if options.width >= 100 else 0
        self._before = 13 + (self._name_cells + 1 if self._name_cells else 0)
        self._before += self._gutter.width + 1 if self._gutter.width else 0
        self._lanes = max(min(options.width - self._before - 9 - self._frame_cells, _LANES), 30)
        self._last_ns: int | None = None
        self._day = ""
        self._last_call = 0
        self._requests: dict[int, Any] = {}
        self.place: tuple[int, int, int, int] | None = None  # of the last event said

    def lines(self) -> Iterator[Line]:
        """All lines, the head of the lanes first; nothing at all when there is no event."""
        found = rows.events(self._database, self._options.choice)
        if self._options.compact:
            found = (event for event in found if event.kind not in ("ping", "pong"))
        said = self._said(joined(found, self._options.compact))
        chosen = problems(said, self._options.context) if self._options.problems else said
        headless = self._options.choice.after is not None
        for _, block in chosen:
            if not headless:
                yield self._head()
                headless = True
            yield from block

    def _said(self, events: Iterable[Event]) -> Iterator[tuple[Event, list[Line]]]:
        for event in events:
            block = [*self._passed(event), *self._event(event)]
            self.place = event.place
            yield event, block

    # ------------------------------------------------------------------ time and margins

    def _head(self) -> Line:
        left = padded(
            {"relative": "since start", "utc": "UTC", "local": "local time"}[self._options.clock], self._before
        )
        middle = " " * max(self._lanes - len("station") - len("CSMS"), 1)
        right = "  latency" + ("   frame" if self._frame_cells else "")
        return [
            (left, FAINT),
            ("station", _SENDERS["station"]),
            (middle, ""),
            ("CSMS", _SENDERS["csms"]),
            (right, FAINT),
        ]

    def _passed(self, event: Event) -> Iterator[Line]:
        """The date where it changes, and silence that is worth a line."""
        if event.type in ("finding", "anomaly"):
            return
        today = day(event.ts_ns, self._options.clock)
        silence = event.ts_ns - self._last_ns if self._last_ns is not None else 0
        if silence >= _GAP_NS:
            middle = f"— {span(silence)} —"
            yield self._beside([("│" + middle.center(self._lanes - 2) + "│", FAINT)])
        if self._options.clock != "relative" and today != self._day:
            yield [(today.ljust(12), "bold"), *self._margin(None, self._gutter.running())[1:], *self._empty_lanes()]
        self._day = today
        self._last_ns = event.ts_ns

    def _empty_lanes(self) -> Line:
        return [("│" + " " * (self._lanes - 2) + "│", _LIFELINE)]

    def _brackets(self, brackets: Line) -> Line:
        return [(" ", ""), *brackets] if brackets else []

    def _margin(self, event: Event | None, brackets: Line) -> Line:
        """What stands left of the dialogue."""
        time = "" if event is None else time_of_day(event.ts_ns, self._options.clock, self._start_ns)
        line: Line = [(time.ljust(12), FAINT)]
        if self._name_cells:
            name = "" if event is None else safe(event.station or "unknown", 64)
            line.append((" " + padded(name, self._name_cells), "bold"))
        return [*line, *self._brackets(brackets), (" ", "")]

    def _beside(self, content: Line, event: Event | None = None, brackets: Line | None = None) -> Line:
        return [*self._margin(event, self._gutter.running() if brackets is None else brackets), *content]

    # ------------------------------------------------------------------ events

    def _event(self, event: Event) -> list[Line]:
        match event.type:
            case "message":
                return self._message(event)
            case "finding":
                return self._finding(event)
            case "anomaly":
                return self._anomaly(event)
            case "control":
                return self._control(event)
            case _:
                return self._notice(event)

    def _message(self, event: Event) -> list[Line]:
        payload = payload_of(event)
        if event.kind == "CALL" and event.action in _NEEDS_REQUEST:
            self._requests[event.message_id] = payload
            if len(self._requests) > _REMEMBERED:
                del self._requests[next(iter(self._requests))]
        request = self._requests.pop(event.request_id, None) if event.request_id else None
        if event.raw is None:
            sentence = f"{event.size:,}".replace(",", " ") + " bytes, too long to be said here"
        else:
            sentence = catalogue.summarise(
                event.version, event.kind, event.action, payload, request, event.error_code, event.error_description
            )
        if event.kind == "INVALID" and event.raw:
            sentence = f"{sentence}: {event.raw[:100]}"
        is_call = event.kind in ("CALL", "SEND")
        follows = bool(event.request_id) and event.request_id == self._last_call
        self._last_call = event.message_id if is_call else 0
        action = clip(safe(event.action, 60), self._lanes // 2)
        brackets = self._gutter.mark(event, payload)
        style = style_of(event, payload)
        if is_call:
            head = (f"{action}  " if action else "", "bold " + _SENDERS.get(event.sender, "white"))
        else:
            head = ("" if follows or not action else f"{action}: ", FAINT)
        content = self._arrow(event, head, safe(sentence), style, "─" if is_call else "╌")
        return self._stacked(event, content, brackets)

    def _stacked(self, event: Event, content: list[Line], brackets: Line) -> list[Line]:
        """The lines of one event: time and brackets beside the first, running brackets beside the others."""
        first = self._beside(content[0], event, brackets)
        return [first, *(self._beside(line) for line in content[1:])]

    def _tail(self, event: Event) -> Line:
        """Latency and frame, right of the dialogue."""
        latency = "" if event.latency_ms is None else span(int(event.latency_ms * 10**6))
        slow = event.latency_ms is not None and event.latency_ms >= _SLOW_MS
        frame = f"#{event.frame}" if event.frame and self._frame_cells else ""
        return [(latency.rjust(9), "yellow" if slow else FAINT), (frame.rjust(self._frame_cells), FAINT)]

    def _arrow(self, event: Event, head: tuple[str, str], text: str, style: str, fill: str) -> list[Line]:
        """Text at its sender's lifeline and an arrow to the other one."""
        sender, tail = event.sender, self._tail(event)
        room = self._lanes - 2 - 6  # lifelines, two blanks, the shortest arrow
        head_cells = width_of(head[0])
        wrapped = wrap(text, room, room - head_cells)
        widths = [width_of(line) + (head_cells if number == 0 else 0) for number, line in enumerate(wrapped)]
        arrow_style = _SENDERS.get(sender, "white") if fill == "─" else FAINT
        content: list[Line] = []
        widest = max(widths)
        for number, line in enumerate(wrapped):
            lead = [head] if number == 0 and head[0] else []
            left = room - widths[number]
            if sender == "csms":
                start = room - widest
                arrow = ("◀" + fill * (start + 2) + " ", arrow_style) if number == 0 else (" " * (start + 4), "")
                middle: Line = [arrow, *lead, (line, style), (" " * (left - start + 2), "")]
            else:
                arrow = (" " + fill * (left + 3) + "▶", arrow_style) if number == 0 else (" " * (left + 5), "")
                middle = [(" ", ""), *lead, (line, style), arrow]
            content.append([("│", _LIFELINE), *middle, ("│", _LIFELINE), *(tail if number == 0 else [])])
        return content

    def _control(self, event: Event) -> list[Line]:
        extra = extra_of(event)
        if event.kind == "close":
            text = safe(close_words(extra))
            content = self._arrow(event, ("", ""), text, "yellow", "─")
        else:
            content = self._arrow(event, ("", ""), event.kind, FAINT, "╌")
        return self._stacked(event, content, self._gutter.running())

    def _notice(self, event: Event) -> list[Line]:
        """A line across both lifelines: the beginning or end of a connection, or a loss."""
        text, style = notice(event, extra_of(event))
        wrapped = wrap(safe(text), self._lanes - 8)
        sign = "┄" if event.type == "loss" else "═"
        content: list[Line] = []
        for number, line in enumerate(wrapped):
            rest = self._lanes - 6 - width_of(line)
            if number == 0:
                content.append(
                    [
                        (f"╞{sign * 2} ", style),
                        (line, style),
                        (" " + sign * max(rest, 1) + "╡", style),
                        *self._tail(event),
                    ]
                )
            else:
                content.append([("│   ", _LIFELINE), (line, style), (" " * (rest + 1) + "│", _LIFELINE)])
        return self._stacked(event, content, self._gutter.running())

    def _finding(self, event: Event) -> list[Line]:
        extra = extra_of(event)
        sign, style, label = finding_label(
            event.kind, str(extra.get("verdict") or ""), str(extra.get("accepted") or "")
        )
        head = f"{sign} {safe(extra.get('rule') or '', 30)} "
        blame = safe(extra.get("blame") or "unknown", 20)
        words = f"{label}, {blame}: " if blame not in ("", "unknown") else f"{label}: "
        late = (extra.get("ts_ns") or 0) - event.ts_ns
        frames = ", ".join(str(frame) for frame in extra.get("frames") or ())
        more = f" and {extra['more']} more" if extra.get("more") else ""
        text = words + safe(extra.get("text") or "", 500)
        text += f" [{safe(extra.get('reference') or '', 100)}]" if extra.get("reference") else ""
        text += f" frame{'s' if len(extra.get('frames') or ()) > 1 else ''} {frames}{more}" if frames else ""
        text += f", follows from {safe(extra['cause'], 30)}" if extra.get("cause") else ""
        text += f", accepted: {safe(extra['accepted'], 200)}" if extra.get("accepted") else ""
        text += f", seen {together(span(late) + ' later')}" if late >= SECOND_NS else ""
        room = self._lanes + 9 + self._frame_cells - 4
        wrapped = wrap(text, room - 2, room - width_of(head))
        running = self._gutter.running()
        found = [
            self._beside([("│ ", _LIFELINE), (head, style), (wrapped[0], style.removeprefix("bold "))], None, running)
        ]
        for line in wrapped[1:]:
            found.append(self._beside([("│   ", _LIFELINE), (line, style.removeprefix("bold "))], None, running))
        return found

    def _anomaly(self, event: Event) -> list[Line]:
        """A fact that no finding tells, faint: it judges nothing."""
        extra = extra_of(event)
        if event.kind in meddled.WORDS:
            return self._meddled(meddled.told(event.kind, str(extra.get("detail") or "")))
        name = safe(event.kind, 60)
        text = ": ".join(filter(None, (name, safe(extra.get("detail"), 400))))
        room = self._lanes + 9 + self._frame_cells - 6
        running = self._gutter.running()
        wrapped = wrap(text, room)
        return [
            self._beside([("│ ", _LIFELINE), ("◦ " if number == 0 else "  ", FAINT), (line, FAINT)], None, running)
            for number, line in enumerate(wrapped)
        ]

    def _meddled(self, text: str) -> list[Line]:
        """What somebody made the proxy do to a message: it must not be taken for what the peers did."""
        running = self._gutter.running()
        return [
            self._beside(
                [("│ ", _LIFELINE), ("✎ " if number == 0 else "  ", _MEDDLED), (line, _MEDDLED)], None, running
            )
            for number, line in enumerate(wrap(safe(text, 600), self._lanes + 9 + self._frame_cells - 6))
        ]
