"""Stream octets of one TCP connection in, its HTTP exchanges out: which response answers which request.

Undecided → HTTP → left alone, when it is none or carries no OCPP. Behind a gap the next head is searched, and until
an answer proves by its RelatesTo which request it belongs to, none is given to any.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final, Literal, Protocol

from ocpp_inspect import limits
from ocpp_inspect.http import BodyEnd, Head, HttpReader, may_be_inside_xml, starts_request, starts_response
from ocpp_inspect.model import MESSAGES_PER_PACKET, Flow
from ocpp_inspect.soap.body import may_be_xml

_REQUESTS: Final = (b"POST ",)
_RESPONSES: Final = (b"HTTP/1.",)
_PREFIX_BYTES: Final = 10  # enough to know any first line
_UPGRADE: Final = re.compile(rb"\n(?:upgrade[ \t]*:|sec-websocket-)", re.IGNORECASE)
_OTHER_EXCHANGES: Final = 16  # without OCPP, after which a connection is left alone
_REVISITED: Final = MESSAGES_PER_PACKET // 2

Place = tuple[int, int, int]
"""(ts_ns, packet, position)"""


class Exchange:
    """One HTTP request, and what its room made of it."""

    __slots__ = ("content", "head", "is_complete", "is_ocpp", "place")

    def __init__(self, head: Head, place: Place) -> None:
        self.head = head
        self.place = place
        self.is_complete = False
        self.is_ocpp = False
        self.content: object = None  # the room's


class Listener(Protocol):
    """Who is told what a connection carries."""

    def knows(self, connection: Connection) -> bool:
        """Whether the connection goes to an address where OCPP over SOAP was seen."""

    def request(self, connection: Connection, exchange: Exchange, body: BodyEnd, place: Place) -> bool:
        """A request is complete; True when it carries OCPP."""

    def response(
        self, connection: Connection, exchange: Exchange | None, head: Head, body: BodyEnd, place: Place
    ) -> bool:
        """A final response is complete; the exchange is None when it is not known. True when it carries OCPP."""

    def relates(self, exchange: Exchange, body: BodyEnd, head: Head) -> bool:
        """Whether a response says that it belongs to this exchange."""

    def broken(self, connection: Connection, direction: int, place: Place, detail: str) -> None:
        """What should be HTTP is none."""

    def unanswered(self, connection: Connection, exchange: Exchange, place: Place, closed_by: int | None) -> None:
        """The connection ended before this request was answered."""

    def cut(self, connection: Connection, exchange: Exchange | None, direction: int, place: Place) -> None:
        """The connection ended in the middle of this request, or of its answer."""

    def lost(self, connection: Connection, cause: str, direction: int, place: Place, octets: int) -> None:
        """Octets of a connection of OCPP are missing."""


class Connection:
    """The exchanges of one TCP connection."""

    __slots__ = (
        "_head", "_holds", "_last", "_listener", "_ordinal", "_others", "_passed", "_pending_loss", "_prefix",
        "_readers", "_response", "_revisits", "_searching", "_tunnels", "client", "flow", "heard", "is_lossy",
        "is_midway", "is_ocpp", "is_tls", "is_unsure", "key", "opened_ns", "pair", "pending", "phase", "stations",
    )  # fmt: skip

    def __init__(
        self,
        listener: Listener,
        key: int,
        pair: int,
        flow: Flow | None,
        opened_ns: int,
        client: int | None,
        *,
        joined_midway: bool,
    ) -> None:
        self._listener = listener
        self.key = key
        self.pair = pair
        self.flow = flow
        self.opened_ns = opened_ns
        self.client = client or 0  # the direction of the requests
        self.is_midway = joined_midway
        self.is_tls = False
        self.is_ocpp = False
        self.is_lossy = False
        self.is_unsure = False  # which request the next answer belongs to
        self.heard = [False, False]  # by direction, whether any octets were captured
        self.phase: Literal["undecided", "http", "ignored"] = "undecided"
        self.pending: deque[Exchange] = deque()
        self.stations: dict[str, None] = {}  # whose messages it carried
        self._prefix = [b"", b""]
        self._readers: tuple[HttpReader, HttpReader] | None = None  # requests, responses
        self._searching = [False, False]  # requests, responses
        self._holds = False  # the client's octets wait for the answer to its CONNECT
        self._head: Exchange | None = None  # whose request's body is being read
        self._response: tuple[Exchange | None, Head] | None = None
        self._passed = 0  # octets in which no HTTP was found
        self._others = 0
        self._tunnels = 0
        self._pending_loss: tuple[str, int, Place, int] | None = None
        self._last = 0  # packet of the latest message
        self._ordinal = 0
        self._revisits = 0

    @property
    def held_bytes(self) -> int:
        """Octets of messages that are not complete."""
        if self._readers is None:
            return len(self._prefix[0]) + len(self._prefix[1])
        return self._readers[0].held_bytes + self._readers[1].held_bytes

    def ends(self) -> tuple[str, int, str, int]:
        """(client, port, server, port)."""
        flow = self.flow
        if flow is None:
            return "", 0, "", 0
        if self.client == 0:
            return flow.a, flow.a_port, flow.b, flow.b_port
        return flow.b, flow.b_port, flow.a, flow.a_port

    def next_message_id(self, packet: int) -> int:
        """The number of the next message that `packet` completed.

        Octets that waited behind a hole name the packet that brought them: such a packet may come again behind later
        ones, and its messages are numbered from the middle on.
        """
        if packet > self._last:
            self._last, self._ordinal = packet, 0
        elif packet == self._last:
            self._ordinal = min(self._ordinal + 1, _REVISITED - 1)
        else:
            self._revisits += 1
            return packet * MESSAGES_PER_PACKET + _REVISITED + self._revisits % _REVISITED
        return packet * MESSAGES_PER_PACKET + self._ordinal

    # ------------------------------------------------------------------------------------------------ from below

    def data(self, direction: int, place: Place, octets: bytes) -> None:
        """New octets of one direction."""
        self.heard[direction] = True
        if self.phase == "http":
            self._feed(direction, place, octets)
        elif self.phase == "undecided":
            self._decide(direction, place, octets)

    def gap(self, direction: int, place: Place, length: int) -> None:
        """Octets of one direction are missing."""
        if self.phase == "ignored":
            return
        self.is_lossy = True
        self._tell_loss("gap", direction, place, length)
        if self._readers is None:
            self.is_midway = True
            self._prefix = [b"", b""]
            return
        number = 0 if direction == self.client else 1
        if self._readers[number].gap(length):
            return
        self._readers[number].take_rest()
        self._lose(number)

    def doubt(self, direction: int, place: Place) -> None:
        """Octets of one direction may be missing."""
        if self.is_ocpp:
            self._listener.lost(self, "suspected", direction, place, 0)

    def close(self, place: Place, *, was_closed: bool, closed_by: int | None, lost_bytes: int) -> None:
        """The connection is over."""
        if self.phase != "http" or self._readers is None:
            return
        body = self._readers[1].finish()
        if body is not None:
            self._end_response(body, place)
        if not was_closed or self.is_lossy or self.is_unsure or lost_bytes or self.phase != "http":
            return
        if self._head is not None and self.is_ocpp:
            self._listener.cut(self, None, self.client, place)
        if self._response is not None:
            exchange, _ = self._response
            if exchange is not None and exchange.is_ocpp:
                self._listener.cut(self, exchange, 1 - self.client, place)
        for exchange in self.pending:
            if exchange.is_ocpp:
                self._listener.unanswered(self, exchange, place, closed_by)

    def decrypted(self, *, is_readable: bool) -> None:
        """What follows is the plaintext of TLS; or nothing does."""
        self._restart()
        self.is_tls = True
        if not is_readable:
            self.phase = "ignored"

    # ------------------------------------------------------------------------------------------------ undecided

    def _restart(self) -> None:
        self.phase = "undecided"
        self._readers = self._head = self._response = None
        self._prefix = [b"", b""]
        self._searching = [False, False]
        self._holds = False
        self.pending.clear()

    def ignore(self) -> None:
        """Leave the connection alone."""
        self._restart()
        self.phase = "ignored"

    def _decide(self, direction: int, place: Place, octets: bytes) -> None:
        octets = self._prefix[direction] + octets
        self._prefix[direction] = b""
        is_request, is_response = starts_request(octets), starts_response(octets)
        if is_request and octets.startswith(b"GET ") and _UPGRADE.search(octets) is not None:
            self.ignore()  # a WebSocket: another room's
        elif is_request or is_response:
            self._start(direction if is_request else 1 - direction, place, direction, octets)
        elif (is_request is None or is_response is None) and len(octets) < _PREFIX_BYTES:
            self._prefix[direction] = octets
        elif not self.is_midway or not (self._passed or may_be_inside_xml(octets)):
            self.ignore()
        else:
            self._search_midway(direction, place, octets)

    def _search_midway(self, direction: int, place: Place, octets: bytes) -> None:
        """Joined midway, or behind a gap: a message may begin anywhere."""
        for start, is_request in ((b"POST /", True), (b"HTTP/1.1 ", False), (b"HTTP/1.0 ", False)):
            at = octets.find(start)
            if at >= 0:
                self._start(direction if is_request else 1 - direction, place, direction, octets[at:])
                return
        self._passed += len(octets)
        if self._passed > limits.SOAP_MIDWAY_BYTES:
            self.ignore()
            return
        self._prefix[direction] = octets[-8:]

    def _start(self, client: int, place: Place, direction: int, octets: bytes) -> None:
        self.phase = "http"
        self.client = client
        self._readers = HttpReader(0), HttpReader(0)
        self._searching = [self.is_midway, self.is_midway]
        self.is_unsure = self.is_midway
        self._feed(direction, place, octets)

    # ------------------------------------------------------------------------------------------------ HTTP

    def _feed(self, direction: int, place: Place, octets: bytes) -> None:
        readers = self._readers
        if readers is None:
            return
        number = 0 if direction == self.client else 1
        reader = readers[number]
        reader.feed(octets)
        while self.phase == "http":
            if self._holds and number == 0:
                if len(reader.buffer) > limits.UPGRADE_HELD_BYTES:
                    self.ignore()
                return
            if self._searching[number]:
                if not reader.search(_RESPONSES if number else _REQUESTS):
                    self._passed += len(octets)
                    if self._passed > (limits.SOAP_SEARCH_BYTES if self.is_ocpp else limits.SOAP_MIDWAY_BYTES):
                        self.ignore()
                    return
                self._searching[number] = False
            item = reader.read()
            if item is None:
                return
            if isinstance(item, Head):
                self._begin(number, item, place)
            elif isinstance(item, BodyEnd):
                self._end(number, item, place)
            else:
                self._stumble(number, place)

    def _begin(self, number: int, head: Head, place: Place) -> None:
        if number:
            self._begin_response(head, place)
        elif head.status:
            self._stumble(0, place)
        else:
            self._begin_request(head, place)

    def _begin_request(self, head: Head, place: Place) -> None:
        if self._readers is None:
            return
        if head.is_upgrade:
            self.ignore()
            return
        exchange = Exchange(head, place)
        if len(self.pending) >= limits.HTTP_PIPELINE:
            self.pending.popleft()  # their answers are not captured
            self.is_unsure = True
        self.pending.append(exchange)
        if head.method == "CONNECT":
            exchange.is_complete = True
            self._holds = True  # what follows is the tunnel's, if the answer allows it
            return
        self._head = exchange
        self._readers[0].keeps = self._keeps(head)
        self._readers[0].expect_body(head)

    def _keeps(self, head: Head) -> int:
        if self.is_ocpp or self._listener.knows(self):
            return limits.SOAP_BODY_BYTES
        return limits.SOAP_UNKNOWN_BYTES if may_be_xml(head) else 0

    def _begin_response(self, head: Head, place: Place) -> None:
        readers = self._readers
        if readers is None:
            return
        if not head.status:
            self._stumble(1, place)
            return
        if head.status == 101:
            self.ignore()
            return
        if head.status < 200:  # 100 Continue: the answer is still to come
            readers[1].expect_body(head, may_have_body=False)
            return
        exchange = self.pending.popleft() if self.pending and not self.is_unsure else None
        method = exchange.head.method if exchange is not None else ""
        if method == "CONNECT":
            self._holds = False
            if head.status < 300:
                self._tunnel(place)
                return
        self._response = exchange, head
        readers[1].keeps = self._keeps(head)
        readers[1].expect_body(head, may_have_body=method != "HEAD" and head.status not in (204, 304))

    def _tunnel(self, place: Place) -> None:
        """The content of a tunnel is a connection of its own."""
        readers = self._readers
        self._tunnels += 1
        if readers is None or self._tunnels > limits.HTTP_TUNNELS:
            self.ignore()
            return
        rest = readers[0].take_rest(), readers[1].take_rest()
        client = self.client
        self._restart()
        for direction, octets in ((client, rest[0]), (1 - client, rest[1])):
            if octets:
                self.data(direction, place, octets)

    def _end(self, number: int, body: BodyEnd, place: Place) -> None:
        if number:
            self._end_response(body, place)
            return
        exchange, self._head = self._head, None
        if exchange is None:
            return
        exchange.is_complete = True
        exchange.is_ocpp = exchange.head.method == "POST" and self._listener.request(self, exchange, body, place)
        self._count_other(is_ocpp=exchange.is_ocpp)

    def _end_response(self, body: BodyEnd, place: Place) -> None:
        if self._response is None:
            return  # that of a 100 Continue
        (exchange, head), self._response = self._response, None
        if self.is_unsure:
            exchange = self._related(body, head)
        is_ocpp = self._listener.response(self, exchange, head, body, place)
        if is_ocpp and not self.is_ocpp:
            self._count_other(is_ocpp=True)

    def _related(self, body: BodyEnd, head: Head) -> Exchange | None:
        """The request that an answer names; from then on the order is known again.

        When it names none, all are given up: who does not pipeline asks again only after the answer.
        """
        self.is_unsure = False
        while self.pending:
            exchange = self.pending.popleft()
            if exchange.is_ocpp and self._listener.relates(exchange, body, head):
                return exchange
        return None

    def _count_other(self, *, is_ocpp: bool) -> None:
        if is_ocpp:
            self.is_ocpp = True
            if self._pending_loss is not None:
                loss, self._pending_loss = self._pending_loss, None
                self._listener.lost(self, *loss)
            return
        self._others += 1
        if self._others > _OTHER_EXCHANGES and not self.is_ocpp:
            self.ignore()

    # ------------------------------------------------------------------------------------------------ what is lost

    def _tell_loss(self, cause: str, direction: int, place: Place, octets: int) -> None:
        if self.is_ocpp or self._listener.knows(self):
            self._listener.lost(self, cause, direction, place, octets)
        else:
            self._pending_loss = cause, direction, place, octets

    def _lose(self, number: int) -> None:
        """Where the next message of requests (0) or responses (1) begins is unknown."""
        self._searching[number] = True
        self.is_unsure = True
        if number == 0 and self._head is not None:
            if self.pending and self.pending[-1] is self._head:
                self.pending.pop()
            self._head = None
        elif number:
            self._response = None

    def _stumble(self, number: int, place: Place) -> None:
        """What should be a head or a chunk is none."""
        if self.is_ocpp:
            direction = self.client if number == 0 else 1 - self.client
            self._listener.broken(self, direction, place, "no head or chunk of HTTP/1.1 begins here")
        elif not self.is_midway:
            self.ignore()
            return
        self._lose(number)
