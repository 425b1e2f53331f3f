"""Passing in, the names of the language and the parts of the message out; answers are paired with their CALLs.

A reading of its own, smaller than the ocpp room's: it has to be made before the message is forwarded.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from ocpp_inspect.limits import OPEN_CALLS
from ocpp_inspect.model import Kind
from ocpp_inspect.ocpp.frame import read_frame
from ocpp_inspect.ocpp.version import from_token
from ocpp_inspect.proxy.interception import Link, Passing, Sender

_CONTROLS: Final = {8: "close", 9: "ping", 10: "pong"}
PAYLOAD_AT: Final[dict[str, int]] = {"CALL": 3, "SEND": 3, "CALLRESULT": 2, "CALLERROR": 4, "CALLRESULTERROR": 4}
"""Where the payload stands in a message (OCPP-J 1.6 §4.2)."""


class View(msgspec.Struct):
    """One item that passes, as a scenario sees it. `item_class` is message, control, upgrade or opened."""

    item_class: str
    sender: Sender
    kind: str
    action: str
    unique_id: str
    payload: Any
    text: str | None
    values: dict[str, Any]


class _Call(msgspec.Struct):
    action: str
    payload: Any
    ts_ns: int


class Pairing:
    """The CALLs of one connection that wait for an answer, by the side that sent them."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Sender, str], _Call] = {}

    def add(self, sender: Sender, unique_id: str, action: str, payload: Any, ts_ns: int) -> None:
        """A CALL was sent."""
        self._waiting[sender, unique_id] = _Call(action, payload, ts_ns)
        if len(self._waiting) > OPEN_CALLS:
            del self._waiting[next(iter(self._waiting))]

    def find(self, answering: Sender, unique_id: str) -> _Call | None:
        """The CALL that `answering` answers with this id."""
        return self._waiting.get(("csms" if answering == "station" else "station", unique_id))

    def waits(self, sender: Sender) -> bool:
        """Whether a CALL of this side is unanswered."""
        return any(side == sender for side, _ in self._waiting)

    def settle(self, answering: Sender, unique_id: str) -> None:
        """It has been answered."""
        self._waiting.pop(("csms" if answering == "station" else "station", unique_id), None)


class Connected:
    """What is known of one connection: version, age, open CALLs."""

    def __init__(self, link: Link, now_ns: int) -> None:
        self.link = link
        self.opened_ns = now_ns
        self.version = from_token(link.subprotocol)[0] if link.subprotocol else ""
        self.calls = Pairing()

    def common(self, now_ns: int) -> dict[str, Any]:
        """The names that every item of this connection has."""
        link = self.link
        return {
            "station": link.station, "connection": link.connection, "version": self.version or None,
            "ts": now_ns / 1e9, "path": link.path, "client": link.client, "subprotocol": link.subprotocol,
            "age": (now_ns - self.opened_ns) / 1e9,
        }  # fmt: skip


def opened(connected: Connected, now_ns: int) -> View:
    """The moment at which a connection is open."""
    return View("opened", "station", "", "", "", None, None, connected.common(now_ns))


def seen(connected: Connected, passing: Passing) -> View:
    """A message or control frame; its CALL is found, its own pairing is taken down."""
    values = connected.common(passing.ts_ns)
    values |= {"side": passing.sender, "size": len(passing.payload or b""), "compressed": passing.compressed}
    if passing.is_control:
        kind = _CONTROLS.get(passing.opcode, "")
        values["kind"] = kind
        if kind == "close" and passing.payload and len(passing.payload) >= 2:
            values["code"] = int.from_bytes(passing.payload[:2], "big")
            values["reason"] = passing.payload[2:].decode("utf-8", "replace")
        return View("control", passing.sender, kind, "", "", None, None, values)
    kind, frame = _read(passing.text)
    view = View("message", passing.sender, kind, frame.action, frame.unique_id, frame.payload, passing.text, values)
    if kind in ("CALL", "SEND"):
        if kind == "CALL":
            connected.calls.add(passing.sender, frame.unique_id, frame.action, frame.payload, passing.ts_ns)
    elif kind in ("CALLRESULT", "CALLERROR"):
        call = connected.calls.find(passing.sender, frame.unique_id)
        if call is not None:
            connected.calls.settle(passing.sender, frame.unique_id)
            view.action = call.action
            values |= {"request": call.payload, "latency": (passing.ts_ns - call.ts_ns) / 1e9}
    values |= {
        "kind": kind, "unique_id": frame.unique_id, "action": view.action or None, "payload": frame.payload,
        "error_code": frame.error_code, "error_description": frame.error_description,
    }  # fmt: skip
    return view


def _read(text: str | None) -> tuple[Kind, Any]:
    if text is None:
        return "INVALID", read_frame(None)
    try:
        frame = read_frame(orjson.loads(text))
    except orjson.JSONDecodeError:
        return "INVALID", read_frame(None)
    return frame.kind, frame
