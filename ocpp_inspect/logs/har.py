"""A HAR document in (browsers' and proxies' recordings), entries of its WebSocket messages out.

Browsers write the messages of a WebSocket into `_webSocketMessages` of its entry: `type` send or receive as the client
sees it, `time` in seconds, `opcode`, `data`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson

from ocpp_inspect.logs.entry import Entry
from ocpp_inspect.logs.formats import Sender
from ocpp_inspect.logs.times import Stamp, find_time, from_epoch


def is_har(head: bytes) -> bool:
    """Whether octets begin a HAR document."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:4096]
    return start.startswith(b"{") and b'"log"' in start and (b'"creator"' in start or b'"entries"' in start)


def entries_of_har(document: bytes) -> Iterator[Entry]:
    """The messages of all its WebSockets; `line` counts them. Nothing for what is no HAR."""
    try:
        log = orjson.loads(document.removeprefix(b"\xef\xbb\xbf")).get("log")
    except (ValueError, AttributeError):
        return
    number = 0
    for index, each in enumerate(_list(log, "entries")):
        request = each.get("request") if isinstance(each, dict) else None
        url = request.get("url") if isinstance(request, dict) else ""
        station = urlsplit(url).path.rstrip("/").rpartition("/")[2] if isinstance(url, str) else ""
        begun = each.get("startedDateTime") if isinstance(each, dict) else None
        opened = find_time(begun) if isinstance(begun, str) else None
        messages = _list(each, "_webSocketMessages")
        if messages:
            number += 1
            yield Entry(number, "open", opened, station, str(index), "unknown")
        for message in messages:
            number += 1
            text = message.get("data") if isinstance(message, dict) else None
            if not isinstance(text, str):
                continue
            moment = message.get("time")
            ns = from_epoch(moment) if isinstance(moment, int | float) and not isinstance(moment, bool) else None
            sender: Sender = "station" if message.get("type") == "send" else "csms"
            stamp = Stamp(ns, has_zone=True) if ns is not None else None
            yield Entry(number, "message", stamp, station, str(index), sender, text)


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []
