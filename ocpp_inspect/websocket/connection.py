"""Stream items of one connection in, all this room says about it out: undecided → HTTP → WebSocket, or left alone.

Long because every rung of the ladder may fall back to another one: gaps, refusals, tunnels, unseen answers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal

from ocpp_inspect import limits
from ocpp_inspect.http import BodyEnd, Head, HttpReader, starts_request, starts_response
from ocpp_inspect.model import ConnectionClosed, Flow, Side, StreamClosed, Upgrade
from ocpp_inspect.websocket.context import Context, Facts
from ocpp_inspect.websocket.frames import FrameReader
from ocpp_inspect.websocket.handshake import (
    Request,
    check_answer,
    check_request,
    describe_upgrade,
    endpoints,
    negotiate,
)
from ocpp_inspect.websocket.inflate import Inflater
from ocpp_inspect.websocket.resync import Search, plausible_header

if TYPE_CHECKING:
    from ocpp_inspect.websocket.handshake import Deflate

Phase = Literal["undecided", "http", "websocket", "ignored"]
Kind = Literal["silent", "websocket", "websocket_other", "http", "http2", "tls", "other"]

_TLS_TYPES: Final = frozenset(range(0x14, 0x18))
_PREFIX_BYTES: Final = 10  # enough to know any first line
_HELD_SEGMENTS: Final = 4  # of frames behind an unanswered upgrade: more than a reordering capture swaps


class Connection:
    """The ladder of one TCP connection."""

    __slots__ = (
        "_answer",
        "_held",
        "_is_holding",
        "_prefix",
        "_requests",
        "_requests_reader",
        "_responses_reader",
        "_searches",
        "_tunnels",
        "client_direction",
        "facts",
        "flow",
        "forwarded_for",
        "is_midway",
        "is_tls",
        "joined_midway",
        "kind",
        "opened_ns",
        "pair",
        "phase",
        "readers",
        "upgrade",
    )

    def __init__(
        self,
        context: Context,
        connection: int,
        pair: int,
        flow: Flow | None,
        opened_ns: int,
        client_direction: int | None,
        *,
        joined_midway: bool,
    ) -> None:
        self.facts = Facts(context, connection)
        self.pair = pair
        self.flow = flow
        self.opened_ns = opened_ns
        self.client_direction = client_direction
        self.joined_midway = joined_midway
        self.is_midway = joined_midway  # octets before the first one seen are unknown
        self.is_tls = False
        self.forwarded_for = ""  # whom a balancer named that made this connection
        self.phase: Phase = "undecided"
        self.kind: Kind = "silent"
        self.readers: tuple[FrameReader, FrameReader] | None = None  # by direction
        self.upgrade: Upgrade | None = None
        self._prefix: list[bytes] | None = None  # by direction, while too short to decide
        self._searches: list[Search] | None = None  # by direction
        self._tunnels = 0  # CONNECTs answered so far
        self._requests_reader: HttpReader | None = None
        self._responses_reader: HttpReader | None = None
        self._requests: deque[Request] = deque()
        self._answer: tuple[Request | None, Head] | None = None  # whose body is being read
        self._is_holding = False  # the client's octets wait for an answer
        self._held: list[tuple[int, int, bytes | int]] = []  # (ts_ns, packet, octets or length of a gap)

    # ------------------------------------------------------------------ what comes from below

    def data(self, direction: int, ts_ns: int, packet: int, position: int, data: bytes) -> None:
        """New octets of one direction."""
        facts = self.facts
        facts.ts_ns, facts.packet, facts.position = ts_ns, packet, position
        if self.readers is not None:
            self.readers[direction].feed(data, ts_ns, packet)
        elif self.phase == "http":
            self._feed_http(direction, data)
        elif self.phase == "undecided":
            self._decide(direction, data)

    def gap(self, direction: int, ts_ns: int, packet: int, position: int, length: int) -> None:
        """Octets of one direction are missing."""
        facts = self.facts
        facts.ts_ns, facts.packet, facts.position = ts_ns, packet, position
        if self.readers is not None:
            self.readers[direction].gap(length)
        elif self.phase == "http":
            self._gap_in_http(direction, length)
        elif self.phase == "undecided":
            self._become_midway()
            if self._searches is not None:
                self._searches[direction] = self._new_search()

    def doubt(self, direction: int, ts_ns: int, packet: int, position: int) -> None:
        """Octets of one direction may be missing: a warning to those who judge, our reading goes on."""
        facts = self.facts
        facts.ts_ns, facts.packet, facts.position = ts_ns, packet, position
        if self.readers is not None:
            facts.loss("suspected", self.readers[direction].side)

    def close(self, item: StreamClosed) -> None:
        """The connection is over: say what it was."""
        facts = self.facts
        facts.ts_ns, facts.packet, facts.position = item.ts_ns, item.packet, item.position
        if self.phase == "http":
            self._close_http()
        if self.readers is not None:
            for reader in self.readers:
                reader.finish(was_closed=item.reason in ("fin", "rst"))
        facts.tell_unreported()
        context = facts.context
        context.counters[self.kind] += 1
        context.counters["messages"] += facts.messages
        context.counters["undecodable"] += facts.undecodable
        if self.upgrade is None and self.readers is None:
            return
        client = self.client_direction or 0
        ends = endpoints(self.flow, client) if self.flow is not None else ("", 0, "", 0)
        side: Side = facts.close_side
        # A close frame behind the other side's FIN only answers to it, as behind a proxy that ends what is idle.
        is_answer = item.ended_ns is not None and facts.close_ns > item.ended_ns
        if (side == "unknown" or is_answer) and item.closed_by is not None and self.client_direction is not None:
            side = "station" if item.closed_by == client else "csms"
        context.items.append(
            ConnectionClosed(
                facts.connection,
                item.ts_ns,
                item.packet,
                item.position,
                self.opened_ns,
                *ends,
                self.joined_midway,
                item.reason,
                side,
                facts.close_code,
                facts.close_reason,
                item.lost_bytes,
                self.upgrade,
                facts.messages,
                facts.undecodable,
                self.is_tls,
                heard_ns=item.heard_ns if not (client and item.heard_ns) else (item.heard_ns[1], item.heard_ns[0]),
            )
        )

    def restart_decrypted(self, *, is_readable: bool = True) -> None:
        """The seam for decrypted TLS: the data from here on are plaintext, the ladder begins again; or none come."""
        self.is_tls = True
        if is_readable:
            self._restart()
        else:
            self._ignore("tls")

    # ------------------------------------------------------------------ undecided

    def _restart(self) -> None:
        self.phase, self.kind = "undecided", "silent"
        self._requests_reader = self._responses_reader = None
        self._requests.clear()
        self._answer = None
        self._is_holding = False
        self._held = []
        self._prefix = None
        self._searches = None

    def _ignore(self, kind: Kind) -> None:
        self._restart()
        self.phase, self.kind = "ignored", kind

    def _become_midway(self) -> None:
        self._restart()
        self.is_midway = True

    def _decide(self, direction: int, data: bytes) -> None:
        """The first octets say what a connection is."""
        if self._prefix is not None:
            data = self._prefix[direction] + data
            self._prefix[direction] = b""
        is_request, is_response = starts_request(data), starts_response(data)
        if is_request or is_response:
            self._start_http(direction if is_request else 1 - direction)
            self._feed_http(direction, data)
            return
        could_be_tls = data[0] == 0x16 or (self.is_midway and data[0] in _TLS_TYPES)
        if could_be_tls and len(data) >= 3 and data[1] == 3 and data[2] <= 4:
            self.facts.anomaly("tls.encrypted", "unknown", f"record type 0x{data[0]:02x}")
            self._ignore("tls")
            return
        is_short = is_request is None or is_response is None or (could_be_tls and len(data) < 3)
        if is_short and len(data) < _PREFIX_BYTES:
            if self._prefix is None:
                self._prefix = [b"", b""]
            self._prefix[direction] = data
            return
        if _begins_http_2(data):
            self._ignore("http2")
        elif self.is_midway:
            self._search(direction, data)
        else:
            self._ignore("other")

    def _new_search(self) -> Search:
        return Search(
            is_known=False, expects_mask=None, allows_deflate=True, message_bytes=self.facts.context.message_bytes
        )

    def _search(self, direction: int, data: bytes) -> None:
        """Joined midway: is it a WebSocket?"""
        facts = self.facts
        if self._searches is None:
            self._searches = [self._new_search(), self._new_search()]
        searches = self._searches
        at = searches[direction].feed(data, facts.ts_ns, facts.packet)
        if at is None:
            if sum(search.searched_bytes for search in searches) > limits.MIDWAY_BYTES:
                self._ignore("other")
            return
        # Only clients mask (RFC 6455 §5.1), and the station is the client.
        client = direction if searches[direction].is_masked else 1 - direction
        facts.loss("joined_midway", "unknown")
        readers = self._start_frames(client, None, negotiated=None)
        for reader in readers:
            reader.lose_boundary()
        readers[direction].search = searches[direction]
        other = searches[1 - direction]
        marks = [mark[0] for mark in other.marks] + [len(other.buffer)]
        for (start, ts_ns, packet), stop in zip(other.marks, marks[1:], strict=True):
            readers[1 - direction].feed(bytes(other.buffer[start:stop]), ts_ns, packet)
        readers[direction].resume(at)

    def _start_frames(
        self, client: int, deflate: Deflate | None, *, negotiated: bool | None
    ) -> tuple[FrameReader, FrameReader]:
        facts = self.facts
        up = down = None
        if deflate is not None:
            up = Inflater(facts.context, no_takeover=deflate.client_no_takeover)
            down = Inflater(facts.context, no_takeover=deflate.server_no_takeover)
        station = FrameReader(facts, "station", True, up, negotiated)
        csms = FrameReader(facts, "csms", False, down, negotiated)
        upgrade, joined = self.upgrade, (csms, station) if client else (station, csms)
        self._restart()
        self.upgrade = upgrade
        self._set_client(client)
        self.phase, self.kind = "websocket", "websocket"
        self.readers = joined
        return joined

    def _set_client(self, client: int) -> None:
        if client != self.client_direction and self.flow is not None:
            facts = self.facts
            facts.context.note_client(facts.connection, facts.position, endpoints(self.flow, client))
        self.client_direction = client

    # ------------------------------------------------------------------ HTTP

    def _start_http(self, client: int) -> None:
        self._prefix = self._searches = None
        self.phase, self.kind = "http", "http"
        self._set_client(client)
        self._requests_reader, self._responses_reader = HttpReader(), HttpReader()

    def _feed_http(self, direction: int, data: bytes) -> None:
        requests, responses = self._requests_reader, self._responses_reader
        if requests is None or responses is None:
            return
        if direction != self.client_direction:
            if data[:1] == b"\x15" and data[1:2] in (b"", b"\x03") and responses.awaits_head and not responses.buffer:
                # No HTTP and no frame begins like a TLS alert (RFC 5246 §6.2.1).
                self._flush_upgrades()
                self.facts.anomaly("http.answered_by_tls", "csms")
                self._ignore("http")
                return
            if self._is_holding and responses.awaits_head and not b"HTTP/".startswith(data[:5]):
                # No head begins like this: the answer was not captured, and these are frames behind it.
                self._assume_upgraded_without_frames()
                if self.readers is not None:
                    self.readers[direction].feed(data, self.facts.ts_ns, self.facts.packet)
                return
            responses.feed(data)
            self._read_responses(responses)
        elif self._is_holding:
            self._hold(data)
        else:
            requests.feed(data)
            self._read_requests(requests)

    def _fault(self, *, is_too_long: bool) -> None:
        if is_too_long:
            self.facts.anomaly("http.head_too_long", "unknown", f"more than {limits.HTTP_HEAD_BYTES} octets")
        self._flush_upgrades()
        self._ignore("http")

    def _read_requests(self, reader: HttpReader) -> None:
        facts = self.facts
        while (item := reader.read()) is not None:
            if isinstance(item, BodyEnd):
                continue
            if not isinstance(item, Head) or item.status or len(self._requests) >= limits.HTTP_PIPELINE:
                self._fault(is_too_long=not isinstance(item, Head) and item.is_too_long)
                return
            request = Request(item, facts.ts_ns, facts.packet)
            self._requests.append(request)
            if request.holds_stream:
                self._is_holding = True
                rest = reader.take_rest()
                if rest:
                    self._hold(rest)
                return
            reader.expect_body(item)

    def _hold(self, data: bytes) -> None:
        """Octets behind a request whose answer says what they are."""
        self._held.append((self.facts.ts_ns, self.facts.packet, data))
        is_long = sum(len(part) for _, _, part in self._held if isinstance(part, bytes)) > limits.UPGRADE_HELD_BYTES
        if len(self._held) < _HELD_SEGMENTS and not is_long:
            return
        if self._has_held_frames():
            self._assume_upgraded()
        elif is_long:
            self._fault(is_too_long=False)

    def _has_held_frames(self) -> bool:
        """Whether the client went on with masked frames, so that its upgrade must have been accepted."""
        start = b"".join(part for _, _, part in self._held if isinstance(part, bytes))
        header = plausible_header(start, 0, self.facts.context.message_bytes)
        has_upgrade = any(request.may_be_upgrade for request in self._requests)
        return has_upgrade and header is not None and not isinstance(header, int) and header.is_masked

    def _assume_upgraded(self) -> None:
        """The answer was not seen (one direction captured, or lost), the client's frames were."""
        facts = self.facts
        request = next(request for request in self._requests if request.may_be_upgrade)
        self._emit_upgrade(request, None)
        facts.anomaly("http.data_before_answer", "station")
        held = self._held
        client = self.client_direction or 0
        readers = self._start_frames(client, None, negotiated=None)
        # An unseen answer: what was agreed is unknown, and where the server's frames begin too.
        readers[1 - client].lose_boundary()
        self._replay(readers[client], held)

    @staticmethod
    def _replay(reader: FrameReader, held: list[tuple[int, int, bytes | int]]) -> None:
        for ts_ns, packet, part in held:
            if isinstance(part, int):
                reader.gap(part)
            else:
                reader.feed(part, ts_ns, packet)

    def _read_responses(self, reader: HttpReader) -> None:
        while self.phase == "http" and (item := reader.read()) is not None:
            if isinstance(item, BodyEnd):
                self._end_response(item.excerpt)
            elif not isinstance(item, Head) or not item.status:
                self._fault(is_too_long=not isinstance(item, Head) and item.is_too_long)
            elif item.status == 101:
                self._switch(reader, item)
                return
            elif item.status < 200:
                reader.expect_body(item, may_have_body=False)
            else:
                self._begin_response(reader, item)

    def _begin_response(self, reader: HttpReader, head: Head) -> None:
        request = self._requests.popleft() if self._requests else None
        method = request.head.method if request is not None else ""
        if method == "CONNECT" and head.status < 300:
            # The tunnel's content is a connection of its own, and the client speaks first in it or not.
            rest, held = reader.take_rest(), self._held
            self._tunnels += 1
            if self._tunnels > limits.HTTP_TUNNELS:
                self._ignore("other")
                return
            self._restart()
            client, facts = self.client_direction or 0, self.facts
            chunks = [(client, part) for _, _, part in held if isinstance(part, bytes)] + [(1 - client, rest)]
            for direction, part in chunks:
                if part:
                    self.data(direction, facts.ts_ns, facts.packet, facts.position, part)
            return
        self._answer = (request, head)
        reader.expect_body(head, may_have_body=method != "HEAD" and head.status not in (204, 304))
        if request is not None and request.holds_stream:
            self._release()

    def _release(self) -> None:
        """The upgrade was refused: what the client sent behind it are further requests."""
        held, self._held, self._is_holding = self._held, [], False
        requests = self._requests_reader
        if requests is None:
            return
        for _, _, part in held:
            if isinstance(part, bytes):
                self._feed_http(self.client_direction or 0, part)

    def _end_response(self, excerpt: bytes) -> None:
        if self._answer is None:
            return
        request, head = self._answer
        self._answer = None
        if request is not None and request.is_upgrade:
            self._emit_upgrade(request, head, excerpt)

    def _switch(self, reader: HttpReader, head: Head) -> None:
        """101: from here on both directions are frames. What was not captured of the heads is not judged."""
        facts = self.facts
        request = self._requests.popleft() if self._requests else None
        is_other = "upgrade" in head.headers and not head.has_token("upgrade", "websocket")
        if is_other and (request is None or not request.is_upgrade):
            self._ignore("other")
            return
        asked = request.head if request is not None and not request.head.is_partial else None
        deflate, faults = negotiate(asked, head)
        self._emit_upgrade(request, head)
        if not head.is_partial:
            for name, detail in check_answer(asked, head) + faults:
                facts.anomaly(name, "csms", detail)
        subprotocol = self.upgrade.subprotocol if self.upgrade is not None else None
        if subprotocol is not None and not subprotocol.lower().startswith("ocpp"):
            self._ignore("websocket_other")
            return
        rest, held = reader.take_rest(), self._held
        early = self._requests_reader.take_rest() if self._requests_reader is not None else b""
        client = self.client_direction or 0
        is_negotiated = None if head.is_partial and deflate is None else deflate is not None
        readers = self._start_frames(client, deflate, negotiated=is_negotiated)
        if request is None and self.is_midway:
            facts.loss("joined_midway", "unknown")
        self._replay(readers[client], held)
        for side, octets in ((client, early), (1 - client, rest)):
            if octets:
                readers[side].feed(octets, facts.ts_ns, facts.packet)

    def _emit_upgrade(self, request: Request | None, answer: Head | None, excerpt: bytes = b"") -> None:
        facts = self.facts
        upgrade = describe_upgrade(facts.connection, request, answer, self.flow, self.client_direction or 0)
        upgrade.position = facts.position
        upgrade.body = excerpt.decode(errors="replace")
        upgrade.tls = self.is_tls
        upgrade.forwarded_for = upgrade.forwarded_for or self.forwarded_for
        if request is None:
            upgrade.ts_ns, upgrade.packet = facts.ts_ns, facts.packet
        if answer is not None:
            upgrade.response_ns, upgrade.response_packet = facts.ts_ns, facts.packet
        self.upgrade = upgrade
        facts.context.items.append(upgrade)
        if request is not None and request.is_upgrade and not request.head.is_partial:
            # Told behind the upgrade, which names the station, but as facts of the request's packet.
            here = facts.ts_ns, facts.packet
            facts.ts_ns, facts.packet = request.ts_ns, request.packet
            for name, detail in check_request(request.head):
                facts.anomaly(name, "station", detail)
            facts.ts_ns, facts.packet = here

    def _gap_in_http(self, direction: int, length: int) -> None:
        is_client = direction == self.client_direction
        if is_client and self._is_holding:
            self._held.append((self.facts.ts_ns, self.facts.packet, length))
            return
        reader = self._requests_reader if is_client else self._responses_reader
        if reader is None or reader.gap(length):
            return
        head = reader.take_partial_head()
        if is_client and head is not None and head.method:
            request = Request(head, self.facts.ts_ns, self.facts.packet)
            if request.holds_stream:
                self._requests.append(request)
                self._is_holding = True
                self._held.append((self.facts.ts_ns, self.facts.packet, length))
                return
        if not is_client and head is not None and head.status == 101:
            self._switch(reader, head)
            if self.readers is not None:
                self.readers[direction].gap(length)
            return
        if any(request.may_be_upgrade for request in self._requests):
            self._assume_upgraded_without_frames()
            return
        self._flush_upgrades()
        self._become_midway()

    def _assume_upgraded_without_frames(self) -> None:
        """The answer to an upgrade is lost: what follows are frames, if anything."""
        request = next((request for request in self._requests if request.may_be_upgrade), None)
        if request is None:
            self._fault(is_too_long=False)
            return
        self._emit_upgrade(request, None)
        held = self._held
        client = self.client_direction or 0
        readers = self._start_frames(client, None, negotiated=None)
        self.facts.loss("gap", "csms")
        readers[1 - client].lose_boundary()
        self._replay(readers[client], held)

    def _flush_upgrades(self) -> None:
        """Tell the upgrade attempts whose answer is incomplete or will not come."""
        if self._answer is not None and self._responses_reader is not None:
            self._end_response(self._responses_reader.excerpt)
        for request in self._requests:
            if request.is_upgrade:
                self._emit_upgrade(request, None)
        self._requests.clear()

    def _close_http(self) -> None:
        if self._is_holding and self._has_held_frames():
            self._assume_upgraded()
        else:
            self._flush_upgrades()


def _begins_http_2(data: bytes) -> bool:
    """The client's preface or the server's SETTINGS (RFC 9113 §3.4). WebSockets inside (RFC 8441) are not read."""
    return data.startswith(b"PRI * HTTP") or (
        data[3:9] == b"\x04" + bytes(5) and data[0] == 0 and (data[1] << 8 | data[2]) % 6 == 0
    )
