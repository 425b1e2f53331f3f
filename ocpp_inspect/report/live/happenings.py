"""OcppItem or Finding in; a Happening, which is what one line of a live timeline tells, out.

Words are made when a line is drawn, because most messages of a busy site are never drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
import orjson

from ocpp_inspect.limits import LIVE_PAYLOAD_BYTES
from ocpp_inspect.model import (
    ConnectionClosed,
    Finding,
    Loss,
    OcppItem,
    OcppMessage,
    Upgrade,
    WsControl,
    split_packet_key,
)
from ocpp_inspect.report.rows import Event, EventType
from ocpp_inspect.report.wording import close_words, notice


class Happening(msgspec.Struct):
    """One line to be."""

    type: Literal["message", "notice", "finding"]
    ts_ns: int
    station: str
    sender: str
    frame: int
    text: str = ""  # of a notice or finding; captured, not yet safe
    times: int = 1  # losses in a row that it tells
    style: str = ""
    action: str = ""
    kind: str = ""
    version: str = ""
    payload: Any = None
    request: Any = None
    error_code: str | None = None
    error_description: str | None = None
    latency_ns: int = -1
    size: int = 0
    is_long: bool = False
    schema_valid: bool | None = None
    rule: str = ""
    severity: str = ""
    verdict: str = ""
    blame: str = ""

    def matches(self, words: str) -> bool:
        """Whether its station, action, kind, rule or text contains all of the words (lower case)."""
        place = (
            f"{self.station} {self.action} {self.kind} {self.rule} {self.severity} {self.error_code or ''} {self.text}"
        )
        place = place.lower()
        return all(word in place for word in words.split())


def happening_of(item: OcppItem | Finding) -> Happening | None:
    """What a line tells of the item; None when it tells nothing (pings, facts below OCPP, other WebSockets)."""
    tell = _TELLERS.get(type(item))
    return tell(item) if tell is not None else None


_WHO: Final = {"station": "the station", "csms": "the CSMS"}


def _message(item: OcppMessage) -> Happening:
    is_long = item.size > LIVE_PAYLOAD_BYTES
    return Happening(
        "message", item.ts_ns, item.station, item.side, split_packet_key(item.packet)[1],
        text=item.raw[:100].decode("utf-8", "replace") if item.kind == "INVALID" else "",
        action=item.action, kind=item.kind, version=item.version,
        payload=None if is_long else item.payload, request=None if is_long else item.request,
        error_code=item.error_code, error_description=item.error_description,
        latency_ns=item.latency_ns, size=item.size, is_long=is_long, schema_valid=item.schema_valid,
    )  # fmt: skip


def _finding(item: Finding) -> Happening:
    frame = split_packet_key(item.evidence[0])[1] if item.evidence else 0
    return Happening(
        "finding", item.ts_ns, item.station, "unknown", frame, text=item.text, rule=item.rule,
        severity=item.severity, verdict=item.verdict, blame=item.blame,
    )  # fmt: skip


def _control(item: WsControl) -> Happening | None:
    if item.kind != "close":
        return None
    text = close_words({"code": item.code, "reason": item.reason})
    return _notice(item, item.side, f"{text}, said {_WHO.get(item.side, 'somebody')}", "yellow")


def _loss(item: Loss) -> Happening | None:
    if item.cause == "suspected":
        return None
    return _noticed(item, "loss", "unknown", {}, item.cause)


def _notice(item: WsControl | Upgrade | ConnectionClosed | Loss, sender: str, text: str, style: str) -> Happening:
    frame = split_packet_key(item.packet)[1]
    return Happening("notice", item.ts_ns, item.station, sender, frame, text=text, style=style)


def _noticed(
    item: Upgrade | ConnectionClosed | Loss, kind_of: EventType, sender: str, extra: dict[str, Any], kind: str = ""
) -> Happening:
    """In the words of the timeline."""
    event = Event(
        item.ts_ns, 0, 0, 0, kind_of, item.connection, item.station, sender, 0, kind, "", "", None, None, None,
        0, 0, 0, None, None, None, orjson.dumps(extra, default=str).decode(),
    )  # fmt: skip
    text, style = notice(event, extra)
    return _notice(item, sender, text.replace("\u00a0", " "), style)


def _upgrade(item: Upgrade) -> Happening | None:
    # Other WebSockets are left alone; whoever offers no subprotocol at all may be a faulty station.
    names = (*item.offered, item.subprotocol or "")
    if item.offered and not any(name.lower().startswith("ocpp") for name in names):
        return None
    extra = _ends(item) | {
        "status": item.status,
        "path": item.path[:400],
        "subprotocol": item.subprotocol,
        "offered": item.offered[:8],
        "extensions": item.extensions,
        "user": item.user,
        "has_password": item.has_password,
        "agent": item.user_agent[:100],
        "body": item.body[:200],
    }
    return _noticed(item, "upgrade", "station", extra)


def _closed(item: ConnectionClosed) -> Happening | None:
    was_refused = item.upgrade is not None and item.upgrade.status != 101  # a refusal says itself that it ends
    if not item.is_ocpp or (was_refused and not item.messages):
        return None
    extra = _ends(item) | {
        "opened_ns": item.opened_ns,
        "messages": item.messages,
        "undecodable": item.undecodable,
        "code": item.close_code,
        "reason": item.close_reason,
    }
    return _noticed(item, "close", item.closed_by, extra, item.close_kind)


def _ends(item: Upgrade | ConnectionClosed) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ("client", "client_port", "server", "server_port", "tls")}


_TELLERS: Final[dict[type, Callable[[Any], Happening | None]]] = {
    OcppMessage: _message,
    Finding: _finding,
    WsControl: _control,
    Upgrade: _upgrade,
    ConnectionClosed: _closed,
    Loss: _loss,
}
