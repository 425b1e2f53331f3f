"""WsItems in; OcppItems out: the way of every message through this room.

Nearly every message is well-formed, so `_message` reads such a one in place and calls nothing that it does not need;
whatever is odd leaves to `frame`, `text`, `explain` or a `_note_*` method. Measured with the traffic of
tests/ocpp/ocpp_measure.py (four kinds of messages and their answers, about 200 octets): see `_message`.
The length of this file is that of the hot path: splitting it would cost a call for every message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import orjson

from ocpp_inspect import limits
from ocpp_inspect.model import (
    MESSAGES_PER_PACKET,
    Anomaly,
    ConnectionClosed,
    Loss,
    OcppItem,
    OcppMessage,
    Side,
    Upgrade,
    WsItem,
    WsMessage,
)
from ocpp_inspect.ocpp import actions, errors, frame, schema, text, version
from ocpp_inspect.ocpp.actions import Action, transaction_in
from ocpp_inspect.ocpp.connection import Connection
from ocpp_inspect.ocpp.identity import Endpoints, Identities, station_from_path
from ocpp_inspect.ocpp.pairing import Calls
from ocpp_inspect.ocpp.session import Session
from ocpp_inspect.ocpp.text import Fault

_OTHER: Final[dict[Side, Side]] = {"station": "csms", "csms": "station", "unknown": "unknown"}
_LAST_ORDINAL: Final = MESSAGES_PER_PACKET - 1


class Counters(msgspec.Struct):
    """What went through."""

    messages: int = 0
    invalid: int = 0  # OCPP messages that could not be decoded
    refused: int = 0  # payloads that break their schema
    not_ocpp_messages: int = 0  # messages of other WebSockets, left out
    ocpp_connections: int = 0
    not_ocpp_connections: int = 0


class Ocpp:
    """The ocpp room. `endpoints` gives (client, port, server, port) of a connection id, None when unknown."""

    def __init__(
        self,
        *,
        validate: bool = True,
        endpoints: Callable[[int], Endpoints | None] | None = None,
        connection_limit: int = limits.OCPP_CONNECTIONS,
        station_limit: int = limits.STATIONS,
        open_calls_limit: int = limits.OPEN_CALLS,
    ) -> None:
        self.counters = Counters()
        self._validate = validate
        self._endpoints = endpoints
        self._connection_limit = connection_limit
        self._station_limit = station_limit
        self._open_calls_limit = open_calls_limit
        self._connections: dict[int, Connection] = {}
        self._sessions: dict[str, Session] = {}
        self._identities = Identities(station_limit)
        self._packet = 0
        self._ordinal = 0

    def feed(self, items: list[WsItem]) -> list[OcppItem]:
        """The items in their order, each WsMessage as an OcppMessage with its anomalies behind it."""
        out: list[OcppItem] = []
        message = self._message
        for item in items:
            if type(item) is WsMessage:
                message(item, out)
            else:
                self._other(item, out)
        return out

    def learn_address(self, client: str, server: str, server_port: int, station: str) -> None:
        """An upgrade seen by another worker: an address that serves several stations must name none of them."""
        self._identities.learn((client, 0, server, server_port), station)

    def tick(self, now_ns: int) -> list[OcppItem]:
        """Nothing here depends on time alone."""
        del now_ns
        return []

    def finish(self, end_ns: int) -> list[OcppItem]:
        """Nothing is held back: a CALL that is open at the end of the capture stays unknown."""
        del end_ns
        self._connections.clear()
        return []

    def session(self, station: str) -> Session | None:
        """The live state of a station, None when nothing was seen of it."""
        return self._sessions.get(station)

    # ----------------------------------------------------------------- one message

    def _message(self, item: WsMessage, out: list[OcppItem]) -> None:  # noqa: PLR0912, PLR0915 - the hot path
        packet = item.packet
        if packet == self._packet:
            if self._ordinal < _LAST_ORDINAL:
                self._ordinal += 1
        else:
            self._packet = packet
            self._ordinal = 0
        connection = self._connections.get(item.connection) or self._open(item, out)
        raw = item.payload
        validate = self._validate
        faults: list[Fault] | None = None
        value: Any = None
        sure = True
        try:
            value = orjson.loads(raw)
            canonical = orjson.dumps(value)
            if canonical != raw:
                faults = text.silent_faults(raw, canonical)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, TypeError, RecursionError):
            value, sure, faults = text.read(raw)
            # The null that stands for NaN is ours, not the sender's: no schema may judge it.
            validate = validate and not any(name == "ocpp.not_a_number" for name, _ in faults)
        if not connection.is_ocpp and not self._recognise(connection, value, sure, item, out):
            return
        kind, unique_id, action, payload = "", "", "", None
        error_code: str | None = None
        description: str | None = None
        meant = 0
        if type(value) is list and sure:
            length = len(value)
            if length == 4:
                number, unique_id, action, payload = value
                if (
                    number == 2
                    and type(number) is int
                    and type(unique_id) is str
                    and 0 < len(unique_id) <= 36
                    and type(action) is str
                    and type(payload) is dict
                ):
                    kind = "CALL"
            elif length == 3:
                number, unique_id, payload = value
                if (
                    number == 3
                    and type(number) is int
                    and type(unique_id) is str
                    and 0 < len(unique_id) <= 36
                    and type(payload) is dict
                ):
                    kind = "CALLRESULT"
        if not kind:
            parts = frame.read_frame(value) if sure else frame.Frame()
            kind, unique_id, action, payload = parts.kind, parts.unique_id, parts.action, parts.payload
            error_code, description, meant = parts.error_code, parts.error_description, parts.meant
            if parts.faults:
                faults = (faults or []) + parts.faults
        if item.opcode != 1:
            faults = [*(faults or []), ("ocpp.binary_message", "the WebSocket opcode is 2 (binary)")]
        session = connection.session or self._session(connection, item, out)
        message = OcppMessage(
            packet * MESSAGES_PER_PACKET + self._ordinal,
            item.connection,
            connection.station,
            connection.version,
            item.side,
            item.ts_ns,
            packet,
            item.position,
            kind,  # type: ignore[arg-type]
            unique_id,
            action,
            payload,
            raw,
            len(raw),
            item.compressed,
            error_code,
            description,
            None,
            0,
            0,
            -1,
            None,
            None,
            connection.version_inferred,
            session,
        )
        out.append(message)
        counters = self.counters
        counters.messages += 1
        if kind == "CALL":
            if message.side == "unknown":
                message.side = actions.initiators().get(action, "unknown")
            if connection.inference is not None:
                self._infer(connection, message)
            entry = connection.actions.get(action)
            if entry is None:
                entry = self._unlisted(connection, message, out)
            elif entry.initiator not in (message.side, "unknown") or entry.send:
                self._note_direction(entry, message, out)
            if entry is not None:
                if entry.call_path is not None:
                    message.transaction = transaction_in(payload, entry.call_path)
                if validate:
                    message.schema_valid = valid = entry.accepts_call(payload)
                    if not valid:
                        self._refused(connection, entry, message, False, out)
                if entry.learn_call is not None:
                    entry.learn_call(session, message)
            if message.side != "unknown":
                odd = connection.calls[message.side].add(message)
                if odd is not None:
                    self._note(message, odd, out)
        elif kind == "CALLRESULT":
            call = self._pair(connection, message, out)
            if call is not None:
                entry = connection.actions.get(call.action) or actions.table(call.version).get(call.action)
                if entry is not None:
                    if entry.answer_path is not None:
                        message.transaction = transaction_in(payload, entry.answer_path)
                    if validate:
                        message.schema_valid = valid = entry.accepts_answer(payload)
                        if not valid:
                            self._refused(connection, entry, message, True, out)
                    if entry.learn_answer is not None:
                        entry.learn_answer(session, message)
        else:
            self._rare(connection, message, meant, out)
        if faults:
            self._note(message, faults, out)

    def _pair(self, connection: Connection, message: OcppMessage, out: list[OcppItem]) -> OcppMessage | None:
        """The CALL that an answer belongs to, written into the answer; anomalies when there is none."""
        side = message.side
        call: OcppMessage | None = None
        if side == "unknown":
            side = message.side = self._answering_side(connection, message.unique_id)
        if side != "unknown":
            call = connection.calls[_OTHER[side]].take(message.unique_id)
        if call is None:
            self._orphan(connection, message, out)
            return None
        message.action = call.action
        message.request = call.payload
        message.request_id = call.message_id
        message.request_ns = call.ts_ns
        message.latency_ns = message.ts_ns - call.ts_ns
        message.transaction = call.transaction
        return call

    def _answering_side(self, connection: Connection, unique_id: str) -> Side:
        """Who answers, by the only side that has an open CALL with this id."""
        asked: list[Side] = [side for side, calls in connection.calls.items() if unique_id in calls.waiting]
        return _OTHER[asked[0]] if len(asked) == 1 else "unknown"

    def _orphan(self, connection: Connection, message: OcppMessage, out: list[OcppItem]) -> None:
        unique_id, side = message.unique_id, message.side
        shown = f"'{text.excerpt(unique_id)}'"
        if unique_id == "-1" and message.kind == "CALLERROR":
            self._note(message, [("rpc.error_without_id", "the sender could not read the id of a message")], out)
            return
        past = connection.calls[_OTHER[side]].answered.get(unique_id) if side != "unknown" else None
        if past is not None:
            message.action = past.action
            if past.send:
                self._note(message, [("rpc.send_answered", f"{shown} is the {past.action} sent as SEND")], out)
                return
            message.request_id, message.request_ns = past.message_id, past.ts_ns
            detail = f"the {past.action} {shown} was answered before"
            self._note(message, [("rpc.second_answer", detail)], out)
            return
        if side != "unknown" and unique_id in connection.calls[side].waiting:
            own = connection.calls[side].waiting[unique_id]
            detail = f"{shown} is the id of its sender's own {own.action}"
            self._note(message, [("rpc.answer_from_same_side", detail)], out)
            return
        missing = connection.lossy or side == "unknown"
        name = "rpc.unpaired_answer" if missing else "rpc.orphan_answer"
        detail = f"no CALL with the id {shown} was seen" if missing else f"no CALL has the id {shown}"
        self._note(message, [(name, detail)], out)

    def _rare(self, connection: Connection, message: OcppMessage, meant: int, out: list[OcppItem]) -> None:
        """CALLERROR, CALLRESULTERROR, SEND and what could not be decoded."""
        kind = message.kind
        if kind == "INVALID":
            self.counters.invalid += 1
            if meant in (3, 4) and message.unique_id and message.side != "unknown":
                waiting = connection.calls[_OTHER[message.side]].waiting
                if message.unique_id in waiting:  # a bad answer is an answer: its CALL is not unanswered
                    self._pair(connection, message, out)
            return
        if kind == "SEND":
            self._send(connection, message, out)
        elif kind == "CALLERROR":
            self._pair(connection, message, out)
        else:
            self._result_error(connection, message, out)
        if kind != "SEND":
            self._note(message, errors.faults(message), out)
        if kind in ("SEND", "CALLRESULTERROR") and connection.version not in ("", "2.1"):
            detail = f"a {kind} in OCPP {connection.version}"
            self._note(message, [("ocpp.message_type_not_in_version", detail)], out)

    def _send(self, connection: Connection, message: OcppMessage, out: list[OcppItem]) -> None:
        if message.side == "unknown":
            message.side = actions.initiators().get(message.action, "unknown")
        if connection.inference is not None:
            self._infer(connection, message)
        entry = connection.actions.get(message.action)
        if entry is None:
            entry = self._unlisted(connection, message, out)
        else:
            self._note_direction(entry, message, out)
        if entry is not None and self._validate:
            message.schema_valid = entry.accepts_call(message.payload)
            if not message.schema_valid:
                self._refused(connection, entry, message, False, out)
        if message.side != "unknown" and (odd := connection.calls[message.side].sent(message)) is not None:
            self._note(message, odd, out)

    def _result_error(self, connection: Connection, message: OcppMessage, out: list[OcppItem]) -> None:
        """A CALLRESULTERROR refers to the CALLRESULT that answered its sender's own CALL (P4-21 §4.2.3)."""
        own = connection.calls.get(message.side)
        past = own.answered.get(message.unique_id) if own is not None else None
        if own is None or past is None or past.send:
            detail = f"no CALLRESULT of the other side has the id '{text.excerpt(message.unique_id)}'"
            name = "rpc.unpaired_answer" if connection.lossy else "rpc.result_error_unpaired"
            self._note(message, [(name, detail)], out)
            return
        message.action = past.action
        message.request_id, message.request_ns = past.message_id, past.ts_ns
        if own.last is not None and own.last.message_id == past.message_id:
            message.request = own.last.payload
            message.transaction = own.last.transaction

    # ----------------------------------------------------------------- what is said about a message

    def _note(self, message: OcppMessage, faults: list[Fault], out: list[OcppItem]) -> None:
        for name, detail in faults:
            out.append(_anomaly(message, name, detail))

    def _note_direction(self, entry: Action, message: OcppMessage, out: list[OcppItem]) -> None:
        if entry.initiator != "unknown" and message.side not in (entry.initiator, "unknown"):
            names = {"station": "the station", "csms": "the CSMS"}
            detail = f"{entry.name} may be sent by {names[entry.initiator]} only, {names[message.side]} sent it"
            self._note(message, [("rpc.wrong_side", detail)], out)
        if entry.send and message.kind == "CALL":
            self._note(message, [("ocpp.send_expected", f"{entry.name} is sent as SEND (type 6)")], out)
        elif message.kind == "SEND" and not entry.send:
            self._note(message, [("ocpp.send_not_allowed", f"{entry.name} is sent as CALL (type 2)")], out)

    def _unlisted(self, connection: Connection, message: OcppMessage, out: list[OcppItem]) -> Action | None:
        """An action that the version of the connection does not have."""
        action = message.action
        if action.endswith("-Signed") and connection.version != "1.6":
            # The payload is a flattened JWS (P4-201 §7.1): not one of the schemas, so it is not checked.
            self._note(message, [("ocpp.signed_message", f"a signed {action.removesuffix('-Signed')}")], out)
            return None
        known = version.known_in(action)
        if connection.version and known:
            detail = f"{action} belongs to OCPP {' and '.join(known)}, not to {connection.version}"
            self._note(message, [("ocpp.action_of_other_version", detail)], out)
        elif not known:
            bare = action.removesuffix(".req").removesuffix("Request")
            hint = f" (did you mean {bare}?)" if version.known_in(bare) else ""
            detail = f"there is no action '{text.excerpt(action)}'{hint}"
            self._note(message, [("ocpp.unknown_action", detail)], out)
        return None

    def _refused(
        self, connection: Connection, entry: Action, message: OcppMessage, answer: bool, out: list[OcppItem]
    ) -> None:
        """Explain what the schema did not accept, or had no schema to check."""
        checked_as = entry.version
        if message.schema_valid is None:
            if entry.version != "2.0":
                return
            checked_as = "2.0.1"  # OCPP 2.0 has no schemas here, but shares its date-times
            if not connection.noted_schemas:
                connection.noted_schemas = True
                detail = "OCPP 2.0 was withdrawn and has no schemas: payloads are decoded, only date-times are checked"
                self._note(message, [("schema.not_available", detail)], out)
        checker = schema.checker(checked_as, entry.name, answer)
        if checker is None:
            return
        found, more = checker.explain(message.payload)
        if message.schema_valid is None:
            found, more = [each for each in found if each.name.startswith("schema.datetime_")], 0
        elif checked_as != "1.6":
            found = [each for each in found if not _extended(each.name, each.path, entry.name, message)]
        illegal = [each for each in found if not each.risky]
        for fault in found:
            out.append(_anomaly(message, fault.name, fault.detail, fault.path))
        if message.schema_valid is None:
            return
        message.schema_valid = not illegal
        if not illegal:
            return
        self.counters.refused += 1
        if more:
            out.append(_anomaly(message, "schema.more_faults", f"at least {more} faults more"))
        if any(not each.name.startswith("schema.datetime_") for each in illegal):
            self._fits_elsewhere(entry, message, answer, out)

    def _fits_elsewhere(self, entry: Action, message: OcppMessage, answer: bool, out: list[OcppItem]) -> None:
        fitting = []
        for other in schema.SCHEMA_VERSIONS:
            checker = schema.checker(other, entry.name, answer) if other != entry.version else None
            if checker is not None and checker.is_valid(message.payload):
                fitting.append(other)
        if fitting:
            detail = f"the payload is valid as OCPP {' and '.join(fitting)}, but {entry.version} is spoken"
            out.append(_anomaly(message, "schema.valid_in_other_version", detail))

    # ----------------------------------------------------------------- connections

    def _open(self, item: WsItem, out: list[OcppItem]) -> Connection:
        connection = Connection(self._station_of(item.connection))
        if self._open_calls_limit != limits.OPEN_CALLS:
            connection.calls = {"station": Calls(self._open_calls_limit), "csms": Calls(self._open_calls_limit)}
        self._connections[item.connection] = connection
        if len(self._connections) > self._connection_limit:
            oldest = next(iter(self._connections))
            self._leave(oldest, self._connections.pop(oldest))
            out.append(
                Anomaly(
                    "ocpp.connection_limit",
                    item.ts_ns,
                    item.packet,
                    item.position,
                    oldest,
                    detail=f"more than {self._connection_limit} connections at once",
                )
            )
        return connection

    def _station_of(self, connection: int) -> str:
        endpoints = self._endpoints(connection) if self._endpoints is not None else None
        return self._identities.recall(endpoints) if endpoints is not None else ""

    def _session(self, connection: Connection, item: WsMessage, out: list[OcppItem]) -> Session:
        """The session of the connection's station; a new one, or that of its earlier connections."""
        station = connection.station
        key = station or f"#{item.connection}"  # stations without a name share nothing
        session = self._sessions.pop(key, None) or Session(station, joined_midway=not connection.upgraded)
        self._sessions[key] = session  # the one that was silent longest stays first
        session.connections.add(item.connection)
        if connection.version:
            session.version = connection.version
        elif session.version and not connection.negotiated:  # until a message tells otherwise
            connection.version, connection.version_inferred = session.version, True
            connection.actions = actions.table(session.version)
        connection.session = session
        if len(self._sessions) > self._station_limit:
            oldest = next(iter(self._sessions))
            del self._sessions[oldest]
            out.append(
                Anomaly(
                    "ocpp.station_limit",
                    item.ts_ns,
                    item.packet,
                    item.position,
                    item.connection,
                    detail=f"more than {self._station_limit} stations",
                    station=oldest,
                )
            )
        return session

    def _recognise(self, connection: Connection, value: Any, sure: bool, item: WsMessage, out: list[OcppItem]) -> bool:
        """Whether the connection speaks OCPP, as far as this message tells. Only asked until one does."""
        known = connection.negotiated
        if not known and sure and frame.looks_like(value):
            # WAMP has the same arrays: under another subprotocol only a known action counts.
            known = not connection.foreign or (value[0] in (2, 6) and bool(version.known_in(value[2])))
        if not known and not connection.foreign and not sure:
            known = item.payload.lstrip()[:4].replace(b" ", b"")[:3] in _BEGINNINGS
        if not known:
            connection.left_out += 1
            self.counters.not_ocpp_messages += 1
            return False
        connection.is_ocpp = True
        if connection.version_inferred or not (connection.version or connection.negotiated):
            connection.inference = version.Inference()
        if connection.left_out:
            detail = f"{connection.left_out} messages before this one were not OCPP-J"
            out.append(
                Anomaly(
                    "ocpp.late_recognition",
                    item.ts_ns,
                    item.packet,
                    item.position,
                    item.connection,
                    item.side,
                    detail,
                    connection.station,
                )
            )
        return True

    def _infer(self, connection: Connection, message: OcppMessage) -> None:
        inference = connection.inference
        entry = connection.actions.get(message.action)
        if inference is None or (entry is not None and entry.accepts_call(message.payload)):
            return  # a version that fits is kept: asking three schemas costs 3 µs
        found = inference.observe(message.action, message.payload)
        if inference.settled():
            connection.inference = None
        if found and found != connection.version:
            connection.version, connection.version_inferred = found, True
            connection.actions = actions.table(found)
            if connection.session is not None:
                connection.session.version = found
        message.version, message.version_inferred = connection.version, connection.version_inferred

    def _other(self, item: WsItem, out: list[OcppItem]) -> None:
        """Everything that is no message: named, counted, passed on."""
        if isinstance(item, WsMessage):
            return
        if not item.connection:
            out.append(item)  # an anomaly of no connection
            return
        if type(item) is Upgrade:
            self._upgrade(item, out)
            return
        connection = self._connections.get(item.connection)
        if connection is None and type(item) is not ConnectionClosed:
            connection = self._open(item, out)
        station = connection.station if connection is not None else self._station_of(item.connection)
        if not item.station:
            item.station = station
        if type(item) is ConnectionClosed:
            self._closed(item, connection, out)
            return
        if type(item) is Loss and connection is not None:
            connection.lossy = True
        out.append(item)

    def _upgrade(self, item: Upgrade, out: list[OcppItem]) -> None:
        connection = self._connections.get(item.connection) or self._open(item, out)
        station = station_from_path(item.path)
        if station:
            connection.station = station
            if item.client:
                self._identities.learn((item.client, item.client_port, item.server, item.server_port), station)
        elif not connection.station and item.client:
            connection.station = self._identities.recall((item.client, item.client_port, item.server, item.server_port))
        item.station = connection.station
        out.append(item)
        if item.status not in (0, 101):
            return
        connection.upgraded = True
        token = item.subprotocol
        if not token:
            self._offered(connection, item)
            return
        found, name, detail = version.from_token(token)
        if name:
            out.append(
                Anomaly(
                    name,
                    item.response_ns or item.ts_ns,
                    item.response_packet or item.packet,
                    item.position,
                    item.connection,
                    "csms",
                    detail,
                    connection.station,
                )
            )
        connection.negotiated = bool(found) or name == "ocpp.unsupported_version"
        connection.foreign = not connection.negotiated
        connection.version = found
        connection.actions = actions.table(found)

    def _offered(self, connection: Connection, item: Upgrade) -> None:
        """No subprotocol was agreed, or the answer was not seen: take the only one that the station offered."""
        found = {version.from_token(token)[0] for token in item.offered}
        if len(found) == 1 and (only := found.pop()):
            connection.version, connection.version_inferred = only, True
            connection.actions = actions.table(only)

    def _closed(self, item: ConnectionClosed, connection: Connection | None, out: list[OcppItem]) -> None:
        if connection is None:  # nothing but its end was seen
            out.append(item)
            return
        item.station = connection.station or item.station
        if not item.station:
            item.station = self._identities.recall((item.client, item.client_port, item.server, item.server_port))
        item.version = connection.version
        offered = item.upgrade.offered if item.upgrade is not None else ()
        other = bool(offered) and not any("ocpp" in token.lower() for token in offered)
        item.is_ocpp = bool(connection.is_ocpp) or not (connection.left_out or connection.foreign or other)
        if item.is_ocpp:
            self.counters.ocpp_connections += 1
        else:
            self.counters.not_ocpp_connections += 1
        # Idle expiry and the end of the capture prove nothing about the CALLs that are open.
        if item.close_kind in ("fin", "rst", "reuse"):
            for calls in connection.calls.values():
                for call in calls.open():
                    out.append(_lost(item, call))
        out.append(item)
        self._leave(item.connection, self._connections.pop(item.connection))

    def _leave(self, number: int, connection: Connection) -> None:
        if connection.session is not None:
            connection.session.connections.discard(number)


_BEGINNINGS: Final = (b"[2,", b"[3,", b"[4,", b"[5,", b"[6,")


def _anomaly(message: OcppMessage, name: str, detail: str, path: str = "") -> Anomaly:
    return Anomaly(
        name, message.ts_ns, message.packet, message.position, message.connection, message.side, detail,
        message.station, message.message_id, path,
    )  # fmt: skip


def _lost(item: ConnectionClosed, call: OcppMessage) -> Anomaly:
    waited = (item.ts_ns - call.ts_ns) / 1e9
    detail = f"{call.action or 'a CALL'} '{text.excerpt(call.unique_id)}' had waited {waited:.3f} s for its answer"
    return Anomaly(
        "rpc.connection_lost", item.ts_ns, item.packet, item.position, item.connection, call.side, detail,
        item.station, call.message_id,
    )  # fmt: skip


def _extended(name: str, path: str, action: str, message: OcppMessage) -> bool:
    """Whether the station said that it takes a longer string here: FieldLength[message.field] (P2-201 §2.1.5)."""
    config = message.session.config
    if name != "schema.max_length" or not config:
        return False
    allowed = config.get(f"OCPPCommCtrlr.FieldLength[{action}.{path.rpartition('.')[2]}]", "")
    value = message.payload
    for part in path.removeprefix("$.").replace("[", ".").replace("]", "").split("."):
        value = value[int(part)] if isinstance(value, list) else value.get(part)
    return allowed.isdecimal() and len(allowed) < 10 and isinstance(value, str) and len(value) <= int(allowed)
