"""HTTP exchanges written as octets in; StreamBatches (whole, in pieces, as columns) and the room's answer out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ocpp_inspect.model import (
    Anomaly,
    ConnectionClosed,
    Flow,
    Loss,
    SoapItem,
    SoapMessage,
    StreamBatch,
    StreamClosed,
    StreamData,
    StreamGap,
    StreamItem,
    StreamOpened,
)
from ocpp_inspect.soap import Soap

STATION, CSMS = "10.0.0.9", "10.0.0.1"
EMPTY = np.zeros(0, dtype=np.int64)
FRAME = 10**10
ENVELOPE_12 = "http://www.w3.org/2003/05/soap-envelope"
ENVELOPE_11 = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
CS = "urn://Ocpp/Cs/2015/10/"
CP = "urn://Ocpp/Cp/2015/10/"


def envelope(
    body: str,
    *,
    space: str = CS,
    identity: str | None = "CP1",
    action: str | None = "/Heartbeat",
    message_id: str | None = "id-1",
    relates_to: str | None = None,
    sender: str | None = "http://10.0.0.9:9000/",
    reply_to: str | None = None,
    to: str | None = "http://csms/soap",
    soap: str = ENVELOPE_12,
    addressing: str = ADDRESSING,
    declaration: str = "",
) -> bytes:
    """A request's envelope; None leaves a header out."""
    headers = (
        "" if identity is None else f'<o:chargeBoxIdentity s:mustUnderstand="true">{identity}</o:chargeBoxIdentity>'
    )
    for name, text in (("Action", action), ("MessageID", message_id), ("RelatesTo", relates_to), ("To", to)):
        if text is not None:
            headers += f"<a:{name}>{text}</a:{name}>"
    for name, text in (("From", sender), ("ReplyTo", reply_to)):
        if text is not None:
            headers += f"<a:{name}><a:Address>{text}</a:Address></a:{name}>"
    return (
        f'{declaration}<s:Envelope xmlns:s="{soap}" xmlns:a="{addressing}" xmlns:o="{space}">'
        f"<s:Header>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def answer_envelope(body: str, *, relates_to: str | None = "id-1", action: str | None = "/HeartbeatResponse",
                    space: str = CS, **others: Any) -> bytes:  # fmt: skip
    """A response's envelope."""
    parts = {"identity": None, "message_id": None, "sender": None, "to": None} | others
    return envelope(body, space=space, relates_to=relates_to, action=action, **parts)


HEARTBEAT = envelope("<o:heartbeatRequest/>")
ALIVE = answer_envelope(
    "<o:heartbeatResponse><o:currentTime>2026-01-01T00:00:00Z</o:currentTime></o:heartbeatResponse>"
)


def fault(code: str, subcode: str = "", *, reason: str = "because", soap: str = ENVELOPE_12) -> bytes:
    """A response's envelope with a fault of SOAP 1.2."""
    inner = f"<s:Subcode><s:Value>o:{subcode}</s:Value></s:Subcode>" if subcode else ""
    return answer_envelope(
        f"<s:Fault><s:Code><s:Value>s:{code}</s:Value>{inner}</s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>',
        soap=soap,
    )


def post(body: bytes, *headers: str, path: str = "/soap", kind: str = "application/soap+xml; charset=utf-8",
         length: bool = True) -> bytes:  # fmt: skip
    lines = [f"POST {path} HTTP/1.1", "Host: csms:8080", f"Content-Type: {kind}", *headers]
    lines += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def ok(body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/soap+xml",
       length: bool = True) -> bytes:  # fmt: skip
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {kind}"] if kind else []), *headers]
    lines += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes, size: int = 100) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;x=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: 1\r\n\r\n"


Turn = tuple[int, bytes | int]
"""(direction, octets or the length of a gap); 0 is the client's."""


class Wire:
    """The items of several TCP connections in packet order."""

    def __init__(self) -> None:
        self.items: list[StreamItem] = []
        self._frame = 0
        self._keys: dict[str, int] = {}
        self._pairs: dict[str, int] = {}
        self._offsets: dict[tuple[str, int], int] = {}

    def _next(self) -> tuple[int, int, int]:
        self._frame += 1
        return self._frame * 10**9, FRAME + self._frame, self._frame

    def open(
        self, name: str = "A", *, client: str = STATION, server: str = CSMS, port: int = 8080, midway: bool = False
    ) -> None:
        ts_ns, packet, position = self._next()
        self._keys[name], self._pairs[name] = packet, len(self._pairs) + 1
        flow = Flow(self._pairs[name], client, 40000 + len(self._pairs), server, port)
        self.items.append(StreamOpened(packet, flow, ts_ns, packet, position, None if midway else 0, midway))

    def say(self, direction: int, octets: bytes, name: str = "A", *, size: int = 0) -> None:
        for at in range(0, len(octets), size or len(octets) or 1):
            part = octets[at : at + (size or len(octets))]
            offset = self._offsets.get((name, direction), 0)
            self._offsets[name, direction] = offset + len(part)
            self.items.append(StreamData(self._keys[name], self._pairs[name], direction, *self._next(), offset, part))

    def gap(self, direction: int, length: int, name: str = "A") -> None:
        self.items.append(StreamGap(self._keys[name], self._pairs[name], direction, *self._next(), 0, length))

    def close(self, name: str = "A", *, reason: Any = "fin", by: int | None = 0, lost: int = 0) -> None:
        self.items.append(StreamClosed(self._keys[name], self._pairs[name], *self._next(), reason, by, lost))

    def exchange(self, request: bytes, response: bytes, name: str = "A", *, size: int = 0) -> None:
        self.say(0, request, name, size=size)
        self.say(1, response, name, size=size)


def batch(items: Sequence[StreamItem]) -> StreamBatch:
    octets = np.zeros(0, dtype=np.uint8)
    return StreamBatch(octets, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, list(items))


def as_columns(items: Sequence[StreamItem]) -> StreamBatch:
    """The data of the items as columns, all else as items."""
    data = [item for item in items if isinstance(item, StreamData)]
    octets = b"".join(item.data for item in data)
    sizes = np.array([len(item.data) for item in data], dtype=np.int64)
    column = {
        name: np.array([getattr(item, name) for item in data], dtype=np.int64)
        for name in ("packet", "position", "ts_ns", "connection", "stream_offset")
    }
    flow = np.array([2 * item.pair + item.direction for item in data], dtype=np.int64)
    return StreamBatch(
        np.frombuffer(octets, dtype=np.uint8), column["packet"], column["position"], column["ts_ns"], flow,
        column["connection"], np.cumsum(sizes) - sizes, sizes, column["stream_offset"],
        [item for item in items if not isinstance(item, StreamData)],
    )  # fmt: skip


def run(
    items: Sequence[StreamItem], *, at_once: int = 0, room: Soap | None = None, columns: bool = False
) -> list[SoapItem]:
    """What the room makes of the items, `at_once` of them a batch (0: all)."""
    room = room or Soap()
    found: list[SoapItem] = []
    step = at_once or len(items) or 1
    for at in range(0, len(items), step):
        part = items[at : at + step]
        found += room.feed(as_columns(part) if columns else batch(part))
    return found + room.finish(10**12)


def messages(found: Sequence[SoapItem]) -> list[SoapMessage]:
    return [item for item in found if isinstance(item, SoapMessage)]


def told(found: Sequence[SoapItem]) -> list[str]:
    """The names of all anomalies, those about messages too."""
    names: list[str] = []
    for item in found:
        if isinstance(item, SoapMessage):
            names += [name for name, _ in item.anomalies]
        elif isinstance(item, Anomaly):
            names.append(item.name)
    return names


def losses(found: Sequence[SoapItem]) -> list[tuple[str, str, str]]:
    return [(item.cause, item.side, item.station) for item in found if isinstance(item, Loss)]


def closed(found: Sequence[SoapItem]) -> list[ConnectionClosed]:
    return [item for item in found if isinstance(item, ConnectionClosed)]


def said(found: Sequence[SoapItem]) -> list[tuple[str, str, str, str]]:
    """(station, sender, kind, action) of each message."""
    return [(each.station, each.side, each.kind, each.action) for each in messages(found)]


def cut(octets: bytes, generator: random.Random) -> list[bytes]:
    """The octets in pieces of any length."""
    parts, at = [], 0
    while at < len(octets):
        size = generator.choice((1, 2, 7, 40, 300))
        parts.append(octets[at : at + size])
        at += size
    return parts
