"""A flow file of mitmproxy in, entries of its WebSocket messages out.

The file is a row of typed netstrings: `<length>:<octets><type>`, where the type is `,` octets, `;` text, `#` integer,
`^` float, `!` boolean, `~` nothing, `]` list, `}` dictionary. A flow with a `websocket` part lists its messages as
[opcode, from the client, octets, time, dropped, injected].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ocpp_inspect.limits import FLOW_DEPTH
from ocpp_inspect.logs.entry import Entry
from ocpp_inspect.logs.times import Stamp, from_epoch

_LENGTH: Final = re.compile(rb"(\d{1,10}):")


class _DamagedError(ValueError):
    """The octets are no netstring."""


def is_flow_file(head: bytes) -> bool:
    """Whether octets begin a flow file."""
    return _LENGTH.match(head) is not None and b"version;" in head[:200_000] and b":type;" in head


def entries_of_flows(octets: bytes) -> Iterator[Entry]:
    """The messages of all its WebSockets; `line` counts them. Ends silently where the file is damaged."""
    at, number, index = 0, 0, 0
    while at < len(octets):
        try:
            flow, at = _value(octets, at, 0)
        except _DamagedError:
            return
        index += 1
        part = flow.get("websocket") if isinstance(flow, dict) else None
        messages = part.get("messages") if isinstance(part, dict) else None
        if not isinstance(messages, list) or not messages:
            continue
        station = _station(flow)
        number += 1
        yield Entry(number, "open", None, station, str(index), "unknown")
        for message in messages:
            number += 1
            if not isinstance(message, list) or len(message) < 4 or not isinstance(message[2], bytes):
                continue
            _, from_client, content, moment = message[:4]
            ns = from_epoch(moment) if isinstance(moment, int | float) and not isinstance(moment, bool) else None
            yield Entry(
                number, "message", Stamp(ns, has_zone=True) if ns is not None else None, station, str(index),
                "station" if from_client else "csms", content.decode("utf-8", "surrogateescape"),
            )  # fmt: skip


def _station(flow: dict[str, Any]) -> str:
    request = flow.get("request")
    path = request.get("path") if isinstance(request, dict) else None
    text = path.decode("utf-8", "replace") if isinstance(path, bytes) else ""
    return text.partition("?")[0].rstrip("/").rpartition("/")[2]


def _value(octets: bytes, at: int, depth: int) -> tuple[Any, int]:
    """(value, place behind it)."""
    match = _LENGTH.match(octets, at)
    if match is None or depth > FLOW_DEPTH:
        raise _DamagedError
    start = match.end()
    end = start + int(match[1])
    if end >= len(octets):
        raise _DamagedError
    body, kind = octets[start:end], octets[end : end + 1]
    if kind in (b"]", b"}"):
        items: list[Any] = []
        place = start
        while place < end:
            item, place = _value(octets, place, depth + 1)
            items.append(item)
        if place != end:
            raise _DamagedError
        return (_dictionary(items) if kind == b"}" else items), end + 1
    return _scalar(body, kind), end + 1


def _dictionary(items: list[Any]) -> dict[str, Any]:
    names = [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in items[::2]]
    return dict(zip(names, items[1::2], strict=False))


def _scalar(body: bytes, kind: bytes) -> Any:
    try:
        match kind:
            case b",":
                return body
            case b";":
                return body.decode("utf-8", "replace")
            case b"#":
                return int(body)
            case b"^":
                return float(body)
            case b"!":
                return body == b"true"
            case b"~":
                return None
    except ValueError as error:
        raise _DamagedError from error
    raise _DamagedError
