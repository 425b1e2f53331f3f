"""The complete requests and responses of HTTP exchanges in, SoapMessages (and what is wrong with them) out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from ocpp_inspect import limits
from ocpp_inspect.http import BodyEnd, Head
from ocpp_inspect.model import Kind, Side, SoapFacts, SoapMessage
from ocpp_inspect.soap.body import charset, content_type, masked, may_be_xml, root_part, unpack
from ocpp_inspect.soap.connection import Connection, Exchange, Place
from ocpp_inspect.soap.context import Context, Dialogue, listener_of
from ocpp_inspect.soap.envelope import (
    Envelope,
    Fault,
    faults_of_request,
    faults_of_response,
    read_envelope,
    sender_of,
)

_OTHER: Final[dict[Side, Side]] = {"station": "csms", "csms": "station", "unknown": "unknown"}
_PATIENCE_NS: Final = 5 * 10**9  # a connection that ends earlier was perhaps just reset
_LEFT_OUT: Final = object()  # the content of an exchange that another one has told
_KEPT_BYTES: Final = 512  # of a body that is no XML


class Asked(msgspec.Struct):
    """What is remembered of a request until its answer comes."""

    dialogue: Dialogue
    side: Side
    message_id: int
    unique_id: str
    operation: str
    version: str
    ts_ns: int
    mismatch: str = ""  # the station that listens where another one was called


class Reader:
    """Reads what the connections of the room carry."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read: tuple[BodyEnd, Envelope, bytes, list[Fault]] | None = None  # the body that was read last

    # ------------------------------------------------------------------------------------------------ requests

    def knows(self, connection: Connection) -> bool:
        """Whether requests of OCPP were seen to go to the connection's server."""
        _, _, server, port = connection.ends()
        return self._context.carries_ocpp((server, port))

    def request(self, connection: Connection, exchange: Exchange, body: BodyEnd, place: Place) -> bool:
        """A request is complete."""
        is_known = connection.is_ocpp or self.knows(connection)
        if body.missing or len(body.excerpt) < body.octets:
            if not is_known:
                return False
            self._skipped(connection, body, connection.client, place)
            return True
        envelope, octets, faults = self._open(exchange.head, body)
        if not envelope.is_ocpp:
            # What is no SOAP at all is OCPP gone wrong, where OCPP is expected; another service's envelope is not.
            _, _, server, port = connection.ends()
            is_expected = connection.is_ocpp or self._context.is_asked_at((server, port), exchange.head.target)
            is_broken = bool(envelope.faults or faults) and not envelope.soap_version and body.octets
            if not (is_expected and is_broken and may_be_xml(exchange.head)):
                return False
        if self._is_relayed(connection, envelope, place):
            exchange.content = _LEFT_OUT
            return True
        self._take_request(connection, exchange, envelope, octets, faults, place)
        return True

    def _is_relayed(self, connection: Connection, envelope: Envelope, place: Place) -> bool:
        """Whether a proxy hands on what was seen already: the same request, unanswered, at another server."""
        dialogue = self._context.dialogue(_printable(envelope.identity))
        _, _, server, port = connection.ends()
        asked = dialogue.open_ids.get(envelope.message_id) if dialogue is not None and envelope.message_id else None
        if dialogue is None or asked in (None, (server, port)):
            return False
        connection.stations[dialogue.station] = None
        detail = f"{envelope.operation} '{envelope.message_id[:80]}' goes on to {server}:{port}"
        self._context.anomaly(dialogue, "soap.relayed", place, sender_of(envelope), detail)
        return True

    def _take_request(
        self, connection: Connection, exchange: Exchange, envelope: Envelope, octets: bytes, faults: list[Fault],
        place: Place,
    ) -> None:  # fmt: skip
        side = self._sender(connection, envelope)
        dialogue = self._dialogue(connection, envelope, side, exchange.head.target, place)
        head = exchange.head
        kind: Kind = "CALL" if envelope.operation and not envelope.is_fault else "INVALID"
        faults = faults + envelope.faults + self._faults_of_head(head, envelope)
        if envelope.soap_version:
            found = faults_of_request(envelope)
            # Whether the CSMS names itself in From is left to it: only a station has to be found by it.
            faults += [each for each in found if side == "station" or each[0] != "soap.missing_from"]
        message_id = connection.next_message_id(place[1])
        unique_id = envelope.message_id
        asked = Asked(dialogue, side, message_id, unique_id, envelope.operation, envelope.version, place[0])
        asked.mismatch = self._mismatch(connection, envelope, side, dialogue)
        exchange.content = asked
        if unique_id:
            _, _, server, port = connection.ends()
            dialogue.open_ids[unique_id] = server, port
            if len(dialogue.open_ids) > limits.HTTP_PIPELINE:
                del dialogue.open_ids[next(iter(dialogue.open_ids))]
        self._emit(
            connection, dialogue, envelope, octets, head, place, kind, side, message_id, unique_id, envelope.operation,
            0, faults,
        )  # fmt: skip

    def _sender(self, connection: Connection, envelope: Envelope) -> Side:
        side = sender_of(envelope)
        if side != "unknown":
            return side
        _, _, server, port = connection.ends()
        if self._context.is_listener((server, port)):
            return "csms"
        return "station" if self._context.is_server((server, port)) else "unknown"

    def _dialogue(self, connection: Connection, envelope: Envelope, side: Side, path: str, place: Place) -> Dialogue:
        """The dialogue of the station that sends or gets this request."""
        context = self._context
        client, _, server, port = connection.ends()
        address = (server, port)
        station = _printable(envelope.identity)
        if side == "csms":
            name = station or context.station_at_listener(address) or server
        else:
            name = station or context.station_at_client(client, address) or client
        dialogue = self._admit(connection, name, place)
        if side == "csms":
            dialogue.client = server
            dialogue.server = dialogue.server or client
        else:
            dialogue.client, dialogue.server, dialogue.server_port = client, server, port
        if station and side == "csms":
            context.learn_listener(address, station)
        elif station and side == "station":
            context.learn_client(client, address, path, station)
            listener = listener_of(envelope.sender)
            if listener is not None:
                dialogue.listener = listener
                context.learn_listener(listener, station, is_own_word=True)
        return dialogue

    def _admit(self, connection: Connection, name: str, place: Place) -> Dialogue:
        dialogue = self._context.open(name, connection.key, *place)
        dialogue.is_tls = dialogue.is_tls or connection.is_tls
        connection.stations[name] = None
        if len(connection.stations) > limits.HTTP_PIPELINE:
            del connection.stations[next(iter(connection.stations))]
        return dialogue

    def _mismatch(self, connection: Connection, envelope: Envelope, side: Side, dialogue: Dialogue) -> str:
        """The other station that listens where this one was called, if both said where they listen."""
        _, _, server, port = connection.ends()
        if side != "csms" or not envelope.identity or dialogue.listener in (None, (server, port)):
            return ""
        other = self._context.says_it_listens((server, port))
        return other if other != dialogue.station else ""

    # ------------------------------------------------------------------------------------------------ responses

    def response(
        self, connection: Connection, exchange: Exchange | None, head: Head, body: BodyEnd, place: Place
    ) -> bool:
        """A final response is complete."""
        asked = exchange.content if exchange is not None and isinstance(exchange.content, Asked) else None
        _, _, server, port = connection.ends()
        if body.missing or len(body.excerpt) < body.octets:
            is_ours = exchange.is_ocpp if exchange is not None else connection.is_ocpp
            if is_ours:
                self._context.hear((server, port))
                self._skipped(connection, body, 1 - connection.client, place)
            return is_ours
        if exchange is not None and exchange.content is _LEFT_OUT:
            return True
        if exchange is not None and exchange.is_complete and not exchange.is_ocpp:
            return False  # the answer to something else
        envelope, octets, faults = self._open(head, body)
        if asked is None:
            return self._take_stray(connection, exchange, envelope, octets, faults, head, place)
        self._context.hear((server, port))
        self._take_response(connection, asked, envelope, octets, faults, head, place)
        return True

    def _take_response(
        self, connection: Connection, asked: Asked, envelope: Envelope, octets: bytes, faults: list[Fault], head: Head,
        place: Place,
    ) -> None:  # fmt: skip
        dialogue = self._admit(connection, asked.dialogue.station, place)
        dialogue.open_ids.pop(asked.unique_id, None)
        side = _OTHER[asked.side]
        code, description, kind = self._outcome(envelope, head, octets, faults)
        faults = faults + envelope.faults
        if envelope.soap_version:
            found = faults_of_response(envelope)
            # What has no MessageID cannot be referred to.
            found = [each for each in found if asked.unique_id or each[0] != "soap.missing_relates_to"]
            faults += self._faults_of_head(head, envelope) + found
            if envelope.relates_to and asked.unique_id and envelope.relates_to != asked.unique_id:
                detail = f"RelatesTo is '{envelope.relates_to[:80]}', the request has '{asked.unique_id[:80]}'"
                faults.append(("soap.wrong_relates_to", detail))
            if envelope.operation and asked.operation and envelope.operation != asked.operation:
                faults.append(("soap.wrong_answer", f"{asked.operation} was answered by '{envelope.element}'"))
                kind = "INVALID"
            if asked.mismatch and not envelope.is_fault:
                detail = f"the station that listens there is '{asked.mismatch}', it answered for '{dialogue.station}'"
                faults.append(("soap.identity_mismatch", detail))
        self._emit(
            connection, dialogue, envelope, octets, head, place, kind, side, connection.next_message_id(place[1]),
            asked.unique_id, asked.operation, asked.message_id, faults, code, description,
        )  # fmt: skip

    def _outcome(
        self, envelope: Envelope, head: Head, octets: bytes, faults: list[Fault]
    ) -> tuple[str | None, str | None, Kind]:
        """(error code, description, kind) of a response."""
        if envelope.is_fault:
            return envelope.error_code, envelope.reason, "CALLERROR"
        if envelope.soap_version:
            return None, None, "CALLRESULT" if envelope.operation and envelope.is_response else "INVALID"
        phrase = HTTPStatus(head.status).phrase if head.status in _STATUSES else ""
        if head.status >= 300:
            envelope.faults = []  # an error page need not be XML
            faults[:] = [("soap.http_error", f"HTTP status {head.status} {phrase}".rstrip())]
            return f"HTTP {head.status}", phrase, "CALLERROR"
        if not octets.strip():
            faults[:] = [("soap.empty_answer", f"HTTP status {head.status} {phrase} without a body".replace("  ", " "))]
        return None, None, "INVALID"

    def _take_stray(
        self, connection: Connection, exchange: Exchange | None, envelope: Envelope, octets: bytes, faults: list[Fault],
        head: Head, place: Place,
    ) -> bool:  # fmt: skip
        """An answer whose request is not known: it was lost, or came before the capture."""
        if not envelope.is_ocpp and not envelope.is_fault:
            return False
        if not envelope.is_ocpp and not (connection.is_ocpp or self.knows(connection)):
            return False  # a fault names no service
        request_side = sender_of(envelope)
        client, _, server, port = connection.ends()
        if request_side == "unknown":
            request_side = "csms" if self._context.is_listener((server, port)) else "station"
        station = _printable(envelope.identity)
        if not station and len(connection.stations) == 1:
            station = next(iter(connection.stations))
        if request_side == "csms":
            name = station or self._context.station_at_listener((server, port)) or server
        else:
            name = station or self._context.station_at_client(client, (server, port)) or client
        dialogue = self._admit(connection, name, place)
        if request_side == "station" and not dialogue.client:
            dialogue.client, dialogue.server, dialogue.server_port = client, server, port
        elif not dialogue.client:
            dialogue.client, dialogue.server = server, client
        faults = faults + envelope.faults
        is_whole = connection.heard[connection.client] and not (connection.is_lossy or connection.is_midway)
        if is_whole and exchange is None:
            faults = [*faults, ("soap.answer_without_request", f"HTTP status {head.status}")]
        if envelope.soap_version:
            faults = faults + self._faults_of_head(head, envelope) + faults_of_response(envelope)
        code, description, kind = self._outcome(envelope, head, octets, faults)
        self._emit(
            connection, dialogue, envelope, octets, head, place, kind, _OTHER[request_side],
            connection.next_message_id(place[1]), envelope.relates_to, envelope.operation, 0, faults, code, description,
        )  # fmt: skip
        return True

    def relates(self, exchange: Exchange, body: BodyEnd, head: Head) -> bool:
        """Whether a response names this request."""
        asked = exchange.content
        if not isinstance(asked, Asked) or not asked.unique_id or body.missing:
            return False
        return self._open(head, body)[0].relates_to == asked.unique_id

    # ------------------------------------------------------------------------------------------------ what is missing

    def broken(self, connection: Connection, direction: int, place: Place, detail: str) -> None:
        """What should be HTTP is none."""
        for dialogue in self._dialogues(connection, place):
            self._context.anomaly(dialogue, "soap.bad_http", place, self._side(connection, direction), detail)
            self._context.loss(dialogue, place, "resync", self._side(connection, direction))

    def unanswered(self, connection: Connection, exchange: Exchange, place: Place, closed_by: int | None) -> None:
        """The connection ended before this request was answered."""
        asked = exchange.content
        _, _, server, port = connection.ends()
        if not isinstance(asked, Asked) or not self._context.is_heard((server, port)):
            return  # answers from there may not be captured at all
        who = "" if closed_by is None else "its client " if closed_by == connection.client else "its server "
        waited = (place[0] - asked.ts_ns) / 1e9
        detail = (
            f"{asked.operation or 'a request'} had waited {waited:.3f} s when {who or 'somebody '}ended the connection"
        )
        side: Side = (
            "unknown" if closed_by is None else asked.side if closed_by == connection.client else _OTHER[asked.side]
        )
        has_given_up = side == asked.side != "unknown" and place[0] - asked.ts_ns >= _PATIENCE_NS
        name = "soap.given_up" if has_given_up else "soap.unanswered"
        self._context.anomaly(asked.dialogue, name, place, side, detail, asked.message_id)

    def cut(self, connection: Connection, exchange: Exchange | None, direction: int, place: Place) -> None:
        """The connection ended in the middle of a message."""
        asked = exchange.content if exchange is not None else None
        message_id = asked.message_id if isinstance(asked, Asked) else 0
        dialogues = [asked.dialogue] if isinstance(asked, Asked) else self._dialogues(connection, place)
        what = "a request" if exchange is None else "an answer"
        for dialogue in dialogues:
            side = self._side(connection, direction)
            self._context.anomaly(dialogue, "soap.cut_message", place, side, f"{what} lacks its end", message_id)
            self._context.loss(dialogue, place, "resync", side, 0, 1)

    def lost(self, connection: Connection, cause: str, direction: int, place: Place, octets: int) -> None:
        """Octets of a connection of OCPP are missing."""
        for dialogue in self._dialogues(connection, place):
            self._context.loss(dialogue, place, cause, self._side(connection, direction), octets)

    def _skipped(self, connection: Connection, body: BodyEnd, direction: int, place: Place) -> None:
        side = self._side(connection, direction)
        for dialogue in self._dialogues(connection, place):
            if not body.missing:
                detail = f"{body.octets} octets, at most {limits.SOAP_BODY_BYTES} are read"
                self._context.anomaly(dialogue, "soap.body_too_long", place, side, detail)
            self._context.loss(dialogue, place, "gap" if body.missing else "oversize", side, 0, 1)

    def _dialogues(self, connection: Connection, place: Place) -> list[Dialogue]:
        """Those that a loss of the connection concerns."""
        context = self._context
        names = list(connection.stations)
        if not names:
            client, _, server, port = connection.ends()
            if context.is_listener((server, port)):
                names = [context.station_at_listener((server, port)) or server]
            else:
                names = [context.station_at_client(client, (server, port)) or client]
        return [context.open(name, connection.key, *place) for name in names]

    def _side(self, connection: Connection, direction: int) -> Side:
        _, _, server, port = connection.ends()
        is_request = direction == connection.client
        if self._context.is_listener((server, port)):
            return "csms" if is_request else "station"
        if self._context.is_server((server, port)):
            return "station" if is_request else "csms"
        return "unknown"

    # ------------------------------------------------------------------------------------------------ parts

    def _open(self, head: Head, body: BodyEnd) -> tuple[Envelope, bytes, list[Fault]]:
        """The envelope in a body, its unpacked octets, and what is wrong with HTTP's part of it."""
        if self._read is not None and self._read[0] is body:
            return self._read[1:]
        octets, name, detail = unpack(head, body.excerpt)
        packed = len(body.excerpt) if octets is not body.excerpt else 0
        octets = root_part(head, octets)
        most = limits.XML_ELEMENTS
        if packed:
            most = min(most, limits.XML_ELEMENTS_PACKED + 2 * packed)
        envelope = read_envelope(octets, charset(head), most) if octets else Envelope(faults=[])
        self._read = body, envelope, octets or body.excerpt[:_KEPT_BYTES], [(name, detail)] if name else []
        return self._read[1:]

    @staticmethod
    def _faults_of_head(head: Head, envelope: Envelope) -> list[Fault]:
        wanted = "text/xml" if envelope.soap_version == "1.1" else "application/soap+xml"
        found = content_type(head)
        if not envelope.soap_version or head.is_partial or found in (wanted, "multipart/related"):
            return []
        return [("soap.wrong_content_type", f"the Content-Type is '{found[:80]}', {wanted} was expected")]

    def _emit(
        self, connection: Connection, dialogue: Dialogue, envelope: Envelope, octets: bytes, head: Head, place: Place,
        kind: Kind, side: Side, message_id: int, unique_id: str, operation: str, request_id: int, faults: list[Fault],
        code: str | None = None, description: str | None = None,
    ) -> None:  # fmt: skip
        context = self._context
        dialogue.messages += 1
        context.counters["messages"] += 1
        if head.target:
            dialogue.path = head.target[:400] if side != "csms" else dialogue.path
            dialogue.host = head.headers.get("host", "")[:255] if side != "csms" else dialogue.host
        facts = SoapFacts(
            connection.key, *connection.ends(), head.target, head.headers.get("host", ""), head.status,
            head.headers.get("content-type", ""), head.headers.get("content-encoding", ""), envelope.soap_version,
            envelope.namespace, envelope.identity, envelope.action, envelope.message_id, envelope.relates_to,
            envelope.sender, envelope.reply_to, envelope.to, masked(octets),
        )  # fmt: skip
        told = [(name, detail) for name, detail in faults if context.is_told(dialogue, name)]
        context.items.append(
            SoapMessage(
                dialogue.number, dialogue.station, envelope.version, side, *place, message_id, kind, unique_id,
                operation, envelope.body, request_id, facts, code, description, told,
            )
        )  # fmt: skip


_STATUSES: Final = frozenset(int(status) for status in HTTPStatus)


def _printable(identity: str) -> str:
    text = identity[: limits.STATION_CHARACTERS]
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)
