"""A database and a choice of events in; the dialogue of station and CSMS, line by line, out.

    08:00:00.240   │ BootNotification  boots: VendorX ModelY fw 1.2 ───────▶│
    08:00:00.285   │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ accepted, heartbeat every 5 min │   45 ms

The station's lifeline is on the left, the CSMS's on the right; text stands at the side of its sender, requests have
solid arrows, answers dashed ones. Brackets left of the dialogue are transactions. Findings stand below the message
that they judge. Nothing is cut: long text continues on the next line.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import orjson

from ocpp_inspect import catalogue
from ocpp_inspect.report import rows
from ocpp_inspect.report.clock import DAY_NS, SECOND_NS, Clock, day, span, time_of_day
from ocpp_inspect.report.gutter import COLUMNS, Gutter
from ocpp_inspect.report.lines import Line, clip, padded, together, width_of, wrap
from ocpp_inspect.report.rows import Choice, Event
from ocpp_inspect.report.safe import safe

_SENDERS: Final = {"station": "cyan", "csms": "magenta", "unknown": "white"}
SEVERITIES: Final = {"error": ("✖", "bold red"), "warning": ("▲", "bold yellow"), "info": ("•", "bold blue")}
_LIFELINE: Final = "bright_black"
_FAINT: Final = "bright_black"
_GAP_NS: Final = 120 * SECOND_NS  # silence worth a line of its own: longer than the usual period of meter values
_SLOW_MS: Final = 5000  # an answer that stands out; rules judge by the station's own timeouts
_REMEMBERED: Final = 1024  # requests whose payload an answer's sentence may need
_LANES: Final = 116  # widest dialogue: further apart the eye loses the line
_STATION_CELLS: Final = 16
_PAYLOAD: Final = {"CALL": 3, "SEND": 3, "CALLRESULT": 2, "CALLERROR": 4, "CALLRESULTERROR": 4}
_NEEDS_REQUEST: Final = {"Authorize", "StartTransaction", "ChangeConfiguration"}
_CLOSE_CODES: Final = {  # RFC 6455 §7.4.1 and the IANA registry
    1000: "normal",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code",
    1006: "abnormal",
    1007: "invalid payload",
    1008: "policy violation",
    1009: "too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}


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
    for position, (station, _, messages) in enumerate(known):
        choice = msgspec.structs.replace(options.choice, station=station)
        part = Dialogue(database, msgspec.structs.replace(options, choice=choice), first_ns)
        lines = part.lines()
        head = next(lines, None)
        if head is None:
            continue
        if position:
            yield []
        yield heading(station or "station unknown", f"{messages:,} messages".replace(",", " "), options.width)
        yield head
        yield from lines


def heading(title: str, note: str, width: int) -> Line:
    """A rule across the width with a title at its left and a note at its right."""
    note = clip(safe(note), 40)
    title = clip(safe(title), width - width_of(note) - 12)
    rule = max(width - width_of(title) - width_of(note) - 8, 2)
    return [("━━ ", _FAINT), (title, "bold"), (f" {'━' * rule} ", _FAINT), (note, _FAINT), (" ━━", _FAINT)]


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
        said = self._said(_joined(found, self._options.compact))
        chosen = _problems(said, self._options.context) if self._options.problems else said
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
            (left, _FAINT),
            ("station", _SENDERS["station"]),
            (middle, ""),
            ("CSMS", _SENDERS["csms"]),
            (right, _FAINT),
        ]

    def _passed(self, event: Event) -> Iterator[Line]:
        """The date where it changes, and silence that is worth a line."""
        if event.type in ("finding", "anomaly"):
            return
        today = day(event.ts_ns, self._options.clock)
        silence = event.ts_ns - self._last_ns if self._last_ns is not None else 0
        if silence >= _GAP_NS:
            middle = f"— {span(silence)} —"
            yield self._beside([("│" + middle.center(self._lanes - 2) + "│", _FAINT)])
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
        line: Line = [(time.ljust(12), _FAINT)]
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
        self._last_call = event.message_id if is_call else self._last_call
        action = clip(safe(event.action, 60), self._lanes // 2)
        brackets = self._gutter.mark(event, payload)
        style = _style_of(event, payload)
        if is_call:
            head = (f"{action}  " if action else "", "bold " + _SENDERS.get(event.sender, "white"))
        else:
            head = ("" if follows or not action else f"{action}: ", _FAINT)
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
        return [(latency.rjust(9), "yellow" if slow else _FAINT), (frame.rjust(self._frame_cells), _FAINT)]

    def _arrow(self, event: Event, head: tuple[str, str], text: str, style: str, fill: str) -> list[Line]:
        """Text at its sender's lifeline and an arrow to the other one."""
        sender, tail = event.sender, self._tail(event)
        room = self._lanes - 2 - 6  # lifelines, two blanks, the shortest arrow
        head_cells = width_of(head[0])
        wrapped = wrap(text, room, room - head_cells)
        widths = [width_of(line) + (head_cells if number == 0 else 0) for number, line in enumerate(wrapped)]
        arrow_style = _SENDERS.get(sender, "white") if fill == "─" else _FAINT
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
            code = extra.get("code")
            known = _CLOSE_CODES.get(code, "") if isinstance(code, int) else "no code"
            reason = safe(extra.get("reason") or "", 200)
            text = " ".join(filter(None, ("close", str(code or ""), known, f"“{reason}”" if reason else "")))
            content = self._arrow(event, ("", ""), text, "yellow", "─")
        else:
            content = self._arrow(event, ("", ""), event.kind, _FAINT, "╌")
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
        sign, style, label = finding_label(event.kind, str(extra.get("verdict") or ""))
        head = f"{sign} {safe(extra.get('rule') or '', 30)} "
        blame = safe(extra.get("blame") or "unknown", 20)
        words = f"{label}, {blame}: " if blame not in ("", "unknown") else f"{label}: "
        late = (extra.get("ts_ns") or 0) - event.ts_ns
        frames = ", ".join(str(frame) for frame in extra.get("frames") or ())
        more = f" and {extra['more']} more" if extra.get("more") else ""
        text = words + safe(extra.get("text") or "", 500)
        text += f" [{safe(extra.get('reference') or '', 100)}]" if extra.get("reference") else ""
        text += f" frame{'s' if len(extra.get('frames') or ()) > 1 else ''} {frames}{more}" if frames else ""
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
        name = safe(event.kind, 60)
        text = ": ".join(filter(None, (name, safe(extra.get("detail"), 400))))
        room = self._lanes + 9 + self._frame_cells - 6
        running = self._gutter.running()
        wrapped = wrap(text, room)
        return [
            self._beside([("│ ", _LIFELINE), ("◦ " if number == 0 else "  ", _FAINT), (line, _FAINT)], None, running)
            for number, line in enumerate(wrapped)
        ]


def finding_label(severity: str, verdict: str) -> tuple[str, str, str]:
    """(sign, style, words) of a finding."""
    sign, style = SEVERITIES.get(severity, ("•", "bold white"))
    severity = safe(severity, 20)
    if verdict == "inconclusive":
        return "?", "bold bright_black", f"{severity}, inconclusive"
    return sign, style, severity


def payload_of(event: Event) -> Any:
    """The decoded payload of a message, None when its text is no JSON or is not at hand."""
    place = _PAYLOAD.get(event.kind)
    if event.raw is None or place is None:
        return None
    try:
        parts = orjson.loads(event.raw)
    except ValueError:
        try:
            parts = json.loads(event.raw)  # NaN and the like, which stations do send
        except (ValueError, RecursionError):
            return None
    return parts[place] if isinstance(parts, list) and len(parts) > place else None


def extra_of(event: Event) -> dict[str, Any]:
    """The fields that only this type of event has."""
    found = orjson.loads(event.extra) if event.extra else {}
    return found if isinstance(found, dict) else {}


def _style_of(event: Event, payload: Any) -> str:
    """The colour of a message's text: refusals stand out, routine recedes."""
    if event.kind in ("CALLERROR", "CALLRESULTERROR", "INVALID") or event.schema_valid is False:
        return "red"
    if event.action == "Heartbeat":
        return _FAINT
    if event.kind == "CALLRESULT" and isinstance(payload, dict):
        info = payload.get("idTagInfo") or payload.get("idTokenInfo")
        status = info.get("status") if isinstance(info, dict) else payload.get("status")
        if status == "Accepted":
            return "green"
        return "yellow" if isinstance(status, str) else ""
    return ""


def notice(event: Event, extra: dict[str, Any]) -> tuple[str, str]:
    """(text, style) of the beginning or end of a connection, or of a loss."""
    ends = f"{extra.get('client')}:{extra.get('client_port')} → {extra.get('server')}:{extra.get('server_port')}"
    tls = ", TLS" if extra.get("tls") else ""
    if event.type == "open":
        how = "joined midway, its beginning was not captured" if extra.get("joined_midway") else "no upgrade was seen"
        return f"connection {ends}{tls}: {how}", "yellow"
    if event.type == "upgrade":
        return _upgrade(extra, ends + tls)
    if event.type == "loss":
        return _loss(event, extra), "bold yellow"
    who = (
        f" by {'the station' if event.sender == 'station' else 'the CSMS'}"
        if event.sender in ("station", "csms")
        else ""
    )
    how = {
        "fin": "closed",
        "rst": "reset",
        "idle": "silent since, taken as over",
        "reuse": "its port was used again",
        "end": "still open when the capture ends",
    }.get(event.kind, "ends")
    if event.kind in ("fin", "rst"):
        how += who
    age = event.ts_ns - (extra.get("opened_ns") or event.ts_ns)
    unknown = f", {extra['undecodable']} undecodable" if extra.get("undecodable") else ""
    style = "bold yellow" if event.kind == "rst" else "blue"
    count = extra.get("messages") or 0
    return f"{how} after {together(span(age))}, {count} message{'' if count == 1 else 's'}{unknown}", style


def _upgrade(extra: dict[str, Any], ends: str) -> tuple[str, str]:
    status = extra.get("status") or 0
    path = extra.get("path") or ""
    if status != 101:
        offered = ", ".join(str(each) for each in extra.get("offered") or ()) or "no subprotocol"
        body = f" “{str(extra['body']).strip()}”" if extra.get("body") else ""
        answer = f"refused with HTTP {status}{body}" if status else "no answer was seen"
        return f"upgrade to {path} ({offered}) {answer} — {ends}", "bold red"
    parts = [extra.get("subprotocol") or "no subprotocol", ends]
    if extra.get("extensions"):
        parts.append(str(extra["extensions"]).partition(";")[0])
    if extra.get("user") is not None or extra.get("has_password"):
        parts.append(f"Basic auth as {extra.get('user') or 'nobody'}")
    if extra.get("agent"):
        parts.append(str(extra["agent"]))
    return f"connected to {path}: {', '.join(parts)}", "bold blue"


def _loss(event: Event, extra: dict[str, Any]) -> str:
    cause = {
        "gap": "bytes are missing from the capture",
        "snaplen": "packets were cut short (snaplen)",
        "joined_midway": "the capture starts in mid-stream",
        "resync": "the next frame had to be searched",
        "inflate": "a compressed message could not be inflated",
        "oversize": "a message was too large to keep",
        "limit": "a limit was reached",
        "drops": "the capture lost packets",
    }.get(event.kind, event.kind)
    sender = {"station": " from the station", "csms": " from the CSMS"}.get(event.sender, "")
    lost = f"{extra['bytes']:,} bytes".replace(",", " ") if extra.get("bytes") else ""
    count = extra.get("messages") or 0
    messages = f"{count} message{'' if count == 1 else 's'} unknown" if count else ""
    times = f"{extra['times']} times" if extra.get("times") else ""
    detail = ", ".join(filter(None, (times, lost, messages)))
    return f"loss{sender}: {cause}" + (f" ({detail})" if detail else "")


def _joined(events: Iterable[Event], compact: bool) -> Iterator[Event]:
    """Events that one line tells: a ping with its pong, losses in a row and, if `compact`, a call with an empty answer."""
    held: Event | None = None
    for event in events:
        if held is not None:
            if held.type == "loss" and _adds(held, event):
                continue
            joined = held.type != "loss" and _completes(held, event)
            if joined:
                held.kind = "ping, pong" if held.kind == "ping" else held.kind
                held.latency_ms = (event.ts_ns - held.ts_ns) / 10**6
            yield held
            held = None
            if joined:
                continue
        if event.type == "loss" or event.kind == "ping" or (compact and event.kind == "CALL"):
            held = event
        else:
            yield event
    if held is not None:
        yield held


def _adds(first: Event, second: Event) -> bool:
    """Whether the second event is another loss of the same kind; the first one then tells both."""
    if second.type != "loss" or second.kind != first.kind or second.connection != first.connection:
        return False
    one, other = extra_of(first), extra_of(second)
    total = {name: (one.get(name) or 0) + (other.get(name) or 0) for name in ("bytes", "messages")}
    total["times"] = (one.get("times") or 1) + 1
    first.extra = json.dumps(total)
    first.sender = first.sender if first.sender == second.sender else "unknown"
    return True


def _completes(first: Event, second: Event) -> bool:
    """Whether the second event is nothing but the expected answer to the first."""
    if first.kind == "ping":
        return second.kind == "pong" and second.connection == first.connection and second.sender != first.sender
    return (
        second.kind == "CALLRESULT"
        and second.request_id == first.message_id
        and second.schema_valid is not False
        and _says_nothing(second.action, payload_of(second))
    )


def _says_nothing(action: str, payload: Any) -> bool:
    return payload == {} or (action == "Heartbeat" and isinstance(payload, dict) and set(payload) == {"currentTime"})


def _problems(said: Iterable[tuple[Event, list[Line]]], context: int) -> Iterator[tuple[Event, list[Line]]]:
    """Only findings and losses with the events around them."""
    before: deque[tuple[Event, list[Line]]] = deque(maxlen=max(context, 1))
    after = 0
    skipped = False
    for event, block in said:
        if event.type in ("finding", "loss"):
            if skipped and before:
                yield event, [[("           ⋮", _FAINT)]]
            skipped = False
            yield from before
            before.clear()
            yield event, block
            after = context
        elif after > 0:
            after -= 1
            yield event, block
        else:
            skipped = skipped or len(before) == before.maxlen
            before.append((event, block))


__all__ = ["DAY_NS", "Dialogue", "TimelineOptions", "heading", "timeline"]
