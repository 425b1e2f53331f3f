"""WsItems in; OcppItems out: the way of every message through this room.

Nearly every message is well-formed, so `feed` reads such a one in place and calls nothing that it does not need;
whatever is odd leaves to `frame`, `text`, `verdict` or a method of its own. Measured with tests/ocpp/ocpp_measure.py
(MeterValues, Heartbeat, StatusNotification, TransactionEvent and their answers): 2.8 µs a message, all included.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import orjson

from ocpp_inspect import limits
from ocpp_inspect.model import (
    MESSAGES_PER_PACKET,
    OcppItem,
    OcppMessage,
    Side,
    WsControl,
    WsItem,
    WsMessage,
)
from ocpp_inspect.ocpp import actions, errors, frame, text, verdict, version
from ocpp_inspect.ocpp.actions import Action, transaction_in
from ocpp_inspect.ocpp.connection import Connection
from ocpp_inspect.ocpp.identity import Endpoints
from ocpp_inspect.ocpp.lifecycle import Lifecycle
from ocpp_inspect.ocpp.text import Fault

_BY_POSITION: Final = attrgetter("position")
_OTHER: Final[dict[Side, Side]] = {"station": "csms", "csms": "station", "unknown": "unknown"}


class Ocpp(Lifecycle):
    """The ocpp room.

    `endpoints` gives (client, port, server, port) of a connection id as known at a position, None when unknown.
    `learns_addresses=False`: only `learn_address` tells which station an address has, not the upgrades fed.
    """

    def __init__(
        self,
        *,
        validate: bool = True,
        endpoints: Callable[[int, int], Endpoints | None] | None = None,
        connection_limit: int = limits.OCPP_CONNECTIONS,
        station_limit: int = limits.STATIONS,
        open_calls_limit: int = limits.OPEN_CALLS,
        learns_addresses: bool = True,
    ) -> None:
        super().__init__(endpoints, connection_limit, station_limit, open_calls_limit, learns_addresses)
        self._validate = validate

    def feed(self, items: list[WsItem]) -> list[OcppItem]:  # noqa: PLR0912, PLR0915 - the hot path
        """The items in their order, each WsMessage as an OcppMessage with its anomalies behind it."""
        out: list[OcppItem] = []
        connections, loads, dumps = self._connections, orjson.loads, orjson.dumps
        count = 0
        for item in items:
            if type(item) is not WsMessage:
                self._other(item, out)
                continue
            packet = item.packet
            connection = connections.get(item.connection) or self._open(item, out)
            if packet > connection.packet:
                connection.packet, ordinal = packet, 0
                connection.ordinal = 0
            else:
                ordinal = connection.next_ordinal(packet)
            raw = item.payload
            validate = self._validate
            faults: list[Fault] | None = None
            value: Any = None
            sure = True
            try:
                value = loads(raw)
                canonical = dumps(value)
                if canonical != raw:
                    faults = text.silent_faults(raw, canonical)
            except (orjson.JSONDecodeError, orjson.JSONEncodeError, TypeError, RecursionError):
                value, sure, faults = text.read(raw)
                # The null that stands for NaN is ours, not the sender's: no schema may judge it.
                validate = validate and not any(name == "ocpp.not_a_number" for name, _ in faults)
            if not connection.is_ocpp and not self._recognise(connection, value, sure, item, out):
                continue
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
                        and len(action) <= limits.EXCERPT_CHARACTERS
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
            side = item.side
            call: OcppMessage | None = None
            request: Any = None
            request_id, request_ns, latency_ns = 0, 0, -1
            transaction: str | None = None
            if kind == "CALLRESULT" and side != "unknown":
                call = connection.calls[_OTHER[side]].take(unique_id)
                if call is not None:  # as in _pair, which would set these one by one in a finished message
                    action, transaction = call.action, call.transaction
                    request, request_id, request_ns = call.payload, call.message_id, call.ts_ns
                    latency_ns = item.ts_ns - request_ns
            message = OcppMessage(
                packet * MESSAGES_PER_PACKET + ordinal,
                item.connection,
                connection.station,
                connection.version,
                side,
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
                request,
                request_id,
                request_ns,
                latency_ns,
                None,
                transaction,
                connection.version_inferred,
                session,
            )
            out.append(message)
            count += 1
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
                if call is None:
                    call = self._pair(connection, message, out)
                if call is not None:
                    entry = connection.actions.get(call.action) or actions.table(call.version).get(call.action)
                    if entry is not None:
                        if entry.answer_path is not None:
                            message.transaction = transaction_in(payload, entry.answer_path)
                        if validate:
                            # Most answers are empty, and all empty ones of an action are alike.
                            valid = entry.accepts_answer(payload) if payload else entry.accepts_empty_answer()
                            message.schema_valid = valid
                            if not valid:
                                self._refused(connection, entry, message, True, out)
                        if entry.learn_answer is not None:
                            entry.learn_answer(session, message)
            else:
                self._rare(connection, message, meant, out)
            if faults:
                self._note(message, faults, out)
        self.counters.messages += count
        return out

    def by_station(self, items: list[WsItem]) -> dict[str, list[WsItem]] | None:
        """The items of each station by position, which can be fed in any order of the stations.

        They come by position, or at least those of each connection do.

        None when one of them may matter to another station: then only their own order is right.
        """
        parts: dict[str, list[WsItem]] = {}
        part_of: dict[int, list[WsItem]] = {}  # by connection
        mixed: dict[str, None] = {}  # stations of several connections
        for item in items:
            part = part_of.get(item.connection)
            if part is None:
                connection = self._connections.get(item.connection)
                if connection is None or connection.session is None:
                    return None  # it is opened and named by others
                if connection.station in parts:
                    mixed[connection.station] = None
                part = part_of[item.connection] = parts.setdefault(connection.station, [])
            if type(item) is not WsMessage and type(item) is not WsControl:
                return None
            part.append(item)
        for station in mixed:
            parts[station].sort(key=_BY_POSITION)
        return parts

    def tick(self, now_ns: int) -> list[OcppItem]:
        """Nothing here depends on time alone."""
        del now_ns
        return []

    def finish(self, end_ns: int) -> list[OcppItem]:
        """Nothing is held back: a CALL that is open at the end of the capture stays unknown."""
        del end_ns
        self._connections.clear()
        return []

    # ----------------------------------------------------------------- what is rare

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
        past = connection.calls[_OTHER[side]].past(unique_id) if side != "unknown" else None
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
        # When neither an upgrade nor any CALL of the other side was seen, its direction may not have been captured.
        missing = connection.lossy or side == "unknown"
        if not missing and not connection.upgraded:
            other = connection.calls[_OTHER[side]]
            missing = other.is_untouched
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
        past = own.past(message.unique_id) if own is not None else None
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
            out.append(verdict.anomaly(message, name, detail))

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
        if message.schema_valid is not None:
            out.extend(verdict.of_refused(entry, message, answer))
            self.counters.refused += not message.schema_valid
        elif entry.version == "2.0":
            if not connection.noted_schemas:
                connection.noted_schemas = True
                detail = "OCPP 2.0 was withdrawn and has no schemas: payloads are decoded, only date-times are checked"
                self._note(message, [("schema.not_available", detail)], out)
            out.extend(verdict.of_unchecked(entry, message, answer))
