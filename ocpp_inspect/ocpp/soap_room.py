"""SoapMessages (and the other items of the soap room) in; OcppItems out: the way of a SOAP message through this room.

What OCPP-J says of frames and ids does not hold here; all else (schemas, what is learned of a station) is the same.
The soap room has paired already: an answer belongs to the request of its HTTP exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from ocpp_inspect import limits
from ocpp_inspect.model import Kind, OcppItem, OcppMessage, SoapItem, SoapMessage
from ocpp_inspect.ocpp import actions
from ocpp_inspect.ocpp.actions import transaction_in
from ocpp_inspect.ocpp.connection import Connection
from ocpp_inspect.ocpp.room import Ocpp
from ocpp_inspect.ocpp.soap_payload import payload_of

_NUMBERS: Final[dict[Kind, int]] = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4}


class SoapOcpp(Ocpp):
    """The ocpp room for what came over SOAP: tables of its own, so that nothing of it depends on other transports."""

    def __init__(self, *, validate: bool = True) -> None:
        super().__init__(validate=validate)
        self._asked: dict[int, dict[int, OcppMessage]] = {}  # connection → message_id → request without an answer

    def feed_soap(self, items: Sequence[SoapItem]) -> list[OcppItem]:
        """The items in their order, each SoapMessage as an OcppMessage with its anomalies behind it."""
        out: list[OcppItem] = []
        for item in items:
            if type(item) is SoapMessage:
                self._soap(item, out)
            else:
                self._other(item, out)  # type: ignore[arg-type]
                if item.connection not in self._connections:
                    self._asked.pop(item.connection, None)
        return out

    def _soap(self, item: SoapMessage, out: list[OcppItem]) -> None:
        connection = self._connections.get(item.connection) or self._open(item, out)  # type: ignore[arg-type]
        connection.station = item.station
        connection.is_ocpp = True
        if item.version and item.version != connection.version:
            connection.version = item.version
            connection.actions = actions.table(item.version)
        session = connection.session or self._session(connection, item, out)  # type: ignore[arg-type]
        session.version = connection.version
        version, asked = connection.version, self._asked.setdefault(item.connection, {})
        is_answer = item.kind != "CALL"
        payload: Any = {}
        if item.kind != "CALLERROR":
            payload = payload_of(version, item.action, item.body, is_answer=is_answer)
        message = OcppMessage(
            item.message_id, item.connection, item.station, version, item.side, item.ts_ns, item.packet, item.position,
            item.kind, item.unique_id, item.action, payload, b"", len(item.facts.xml),
            item.facts.content_encoding not in ("", "identity"), item.error_code, item.error_description,
            session=session, soap=item.facts,
        )  # fmt: skip
        faults = list(item.anomalies)
        if item.kind in ("CALL", "CALLRESULT") and type(payload) is not dict:
            message.kind = "INVALID"
            faults.append(("soap.bad_body", "the element in the Body holds text"))
        message.raw = _as_json(message)
        out.append(message)
        self.counters.messages += 1
        self.counters.invalid += message.kind == "INVALID"
        call = asked.pop(item.request_id, None)
        if call is not None:
            message.request, message.request_id, message.request_ns = call.payload, call.message_id, call.ts_ns
            message.latency_ns = item.ts_ns - call.ts_ns
            message.transaction = call.transaction
        elif item.request_id:
            message.request_id = item.request_id
        if message.kind == "CALL":
            self._call(connection, message, out)
            asked[message.message_id] = message
            if len(asked) > limits.OPEN_CALLS:
                del asked[next(iter(asked))]
        elif message.kind == "CALLRESULT":
            self._answer(connection, message, out)
        self._note(message, faults, out)

    def _call(self, connection: Connection, message: OcppMessage, out: list[OcppItem]) -> None:
        entry = connection.actions.get(message.action)
        if entry is None:
            return
        if message.side == "unknown":
            message.side = entry.initiator
        if entry.call_path is not None:
            message.transaction = transaction_in(message.payload, entry.call_path)
        if self._validate:
            message.schema_valid = entry.accepts_call(message.payload)
            if not message.schema_valid:
                self._refused(connection, entry, message, False, out)
        if entry.learn_call is not None and message.session is not None:
            entry.learn_call(message.session, message)

    def _answer(self, connection: Connection, message: OcppMessage, out: list[OcppItem]) -> None:
        entry = connection.actions.get(message.action)
        if entry is None:
            return
        if entry.answer_path is not None:
            message.transaction = transaction_in(message.payload, entry.answer_path)
        if self._validate:
            message.schema_valid = entry.accepts_answer(message.payload)
            if not message.schema_valid:
                self._refused(connection, entry, message, True, out)
        if entry.learn_answer is not None and message.session is not None and message.request_id:
            entry.learn_answer(message.session, message)


def _as_json(message: OcppMessage) -> bytes:
    """The message as OCPP-J would write it; of what cannot be decoded the beginning of what came instead."""
    number = _NUMBERS.get(message.kind)
    if number is None:
        facts = message.soap
        return facts.xml[: limits.EXPLAINED_CHARACTERS] if facts is not None else b""
    if number == 2:
        value: list[Any] = [2, message.unique_id, message.action, message.payload]
    elif number == 3:
        value = [3, message.unique_id, message.payload]
    else:
        value = [4, message.unique_id, message.error_code, message.error_description or "", message.payload]
    return orjson.dumps(value)
