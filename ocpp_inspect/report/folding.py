"""Events in; fewer events out: those that one line tells are joined, those without a problem near are left out."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from ocpp_inspect.report.lines import Line
from ocpp_inspect.report.rows import Event
from ocpp_inspect.report.wording import FAINT, extra_of, payload_of


def joined(events: Iterable[Event], compact: bool) -> Iterator[Event]:
    """Events that one line tells: a ping with its pong, losses in a row and, if `compact`, a call with its `{}`."""
    held: Event | None = None
    for event in events:
        if held is not None:
            if held.type == "loss" and _adds(held, event):
                continue
            answered = held.type != "loss" and _completes(held, event)
            if answered:
                held.kind = "ping, pong" if held.kind == "ping" else held.kind
                held.joined = event
                held.latency_ms = (event.ts_ns - held.ts_ns) / 10**6
            yield held
            held = None
            if answered:
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
    first.joined = second
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


def problems(said: Iterable[tuple[Event, list[Line]]], context: int) -> Iterator[tuple[Event, list[Line]]]:
    """Only findings and losses with the events around them."""
    before: deque[tuple[Event, list[Line]]] = deque(maxlen=max(context, 1))
    after = 0
    skipped = False
    for event, block in said:
        if event.type in ("finding", "loss"):
            if skipped and before:
                yield event, [[("           ⋮", FAINT)]]
            skipped = False
            yield from before
            before.clear()
            yield event, block
            after = context
        elif event.type == "anomaly" and before and not after:
            before[-1][1].extend(block)  # belongs to that event, is no context of its own
        elif after > 0:
            after -= event.type != "anomaly"
            yield event, block
        else:
            skipped = skipped or len(before) == before.maxlen
            before.append((event, block))
