"""A station's socket in; a socket to its CSMS, and everything between the two, out: from the first octet to the last.

Long because it is one life: request, upstream, answer, WebSocket, end; each step may be the last one.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, Protocol

from ocpp_inspect.http import Head
from ocpp_inspect.limits import HTTP_PIPELINE, UPGRADE_HELD_BYTES
from ocpp_inspect.model import packet_key
from ocpp_inspect.ocpp import station_from_path
from ocpp_inspect.proxy import http
from ocpp_inspect.proxy.deflate import agreed
from ocpp_inspect.proxy.direction import Direction
from ocpp_inspect.proxy.frames import Boundary
from ocpp_inspect.proxy.interception import (
    Close,
    Cut,
    Interceptor,
    Link,
    LinkGoneError,
    Mark,
    Sender,
    UpgradeAttempt,
)
from ocpp_inspect.proxy.leg import BUFFER, HELD, WAITING, Leg, prepare
from ocpp_inspect.proxy.mirror import Mirror
from ocpp_inspect.proxy.routes import Upstream
from ocpp_inspect.proxy.settings import Settings
from ocpp_inspect.proxy.tap import Closed, Marked, Note, Opened, Tap

Phase = Literal["head", "connecting", "http", "upgrading", "websocket", "raw", "ending"]

_TLS_HANDSHAKE: Final = 0x16
_REASONS: Final = {400: "Bad Request", 421: "Misdirected Request", 431: "Request Header Fields Too Large",
                   404: "Not Found", 408: "Request Timeout", 502: "Bad Gateway", 503: "Service Unavailable",
                   504: "Gateway Timeout"}  # fmt: skip


class Host(Protocol):
    """What a session needs of its relay."""

    settings: Settings
    tap: Tap
    interceptor: Interceptor
    capture: int

    def say(self, text: str) -> None:
        """A line for the person who runs the proxy."""
        ...

    def ended(self, session: Session) -> None:
        """The session is over."""
        ...


class Session:
    """One connection of a station."""

    def __init__(self, host: Host, listening: tuple[str, int], *, is_tls: bool) -> None:
        self._host = host
        self._listening = listening
        self._is_tls = is_tls
        self.ordinal = 0  # its number at the tap; 0: not told yet
        self.tap_data: Callable[[int, int, bytes], None] = host.tap.data
        self.is_active = False
        self.link: Link | None = None
        self.phase: Phase = "head"
        self._client = Leg(self, 0)
        self._upstream: Leg | None = None
        self._to: Upstream | None = None
        self._directions: tuple[Direction, Direction] | None = None
        self._requests = http.HttpReader()
        self._answers = http.HttpReader()
        self._asked: deque[tuple[str, bool]] = deque()  # (method, is an upgrade) of requests without an answer
        self._first: http.Piece | None = None  # the head that waits for the upstream
        self._upgrade: Head | None = None
        self._held = bytearray()  # what the station sends before its upgrade is answered
        self._connecting: asyncio.Task[None] | None = None
        self._mirror: Mirror | None = None
        self._end: Closed | None = None
        self._is_finished = False
        self._linger: asyncio.TimerHandle | None = None
        self._began_s = self._since_s = time.monotonic()  # of the session, of the latest step or octets
        self.station = ""

    # ------------------------------------------------------------------ the event loop's side

    def protocol(self) -> Leg:
        """The station's leg, for the listening socket."""
        return self._client

    def connected(self, leg: Leg) -> None:
        """A socket is open."""
        if leg.transport is not None:
            prepare(leg.transport, self._host.settings.bounds.dead_s)

    def received(self, leg: Leg, octets: bytes) -> None:
        """Octets of one side that did not go straight across."""
        self.is_active = True
        if self._directions is not None:
            direction = self._directions[leg.side]
            direction.receive(octets)
            if direction.is_direct and self._end is None:
                self._arm()  # what had to be looked at is over
        elif leg.side == 1:
            self._read_answers(octets)
        elif self.phase == "connecting":
            self._requests.keep(octets)
        elif self.phase in ("head", "http"):
            self._read_requests(octets)
        elif self.phase == "upgrading":
            self._hold(octets)
        elif self.phase == "raw":
            self._relay_raw(leg, octets)

    def congested(self, leg: Leg, is_congested: bool) -> None:
        """A side reads too slowly: read no more from the other one."""
        other = self._other(leg)
        if other is None:
            return
        if is_congested:
            other.pause(BUFFER)
        else:
            other.resume(BUFFER)

    def half_closed(self, leg: Leg) -> bool:
        """A side sends nothing more: the other one learns it, and has little time left."""
        self._begin_end(leg, "fin")
        other = self._other(leg)
        if other is not None and other.has_ended:
            leg.close()
            other.close()
        return other is not None and leg.transport is not None and leg.transport.can_write_eof()

    def lost(self, leg: Leg, error: Exception | None) -> None:
        """A socket is closed."""
        if self._connecting is not None and leg is self._client:
            self._connecting.cancel()
        self._begin_end(leg, "fin" if error is None or isinstance(error, ssl.SSLError) else "rst")
        other = self._other(leg)
        if other is not None and not other.is_lost:
            other.close()
        else:
            self._finish()

    def _other(self, leg: Leg) -> Leg | None:
        return self._upstream if leg is self._client else self._client

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self._directions is not None and self._end is None

    # ------------------------------------------------------------------ requests

    def _read_requests(self, octets: bytes) -> None:
        try:
            for piece in self._requests.feed(octets):
                if piece.head is None:
                    self._to_upstream(piece.octets)
                elif self._upstream is None:
                    self._begin(piece, piece.head)
                    return
                elif not self._forward_request(piece, piece.head):
                    return
        except http.HeadError as error:
            self._open_at_tap(None)
            rest = self._requests.take_rest()
            self._tap(0, rest)
            if rest[:1] == bytes((_TLS_HANDSHAKE,)):
                self._note("proxy.answered", "the station speaks TLS to a port without; use --tls, or ws:// there")
                self._host.say(f"{self._name()}: speaks TLS to a port without; use --tls, or ws:// in the station")
                self._end_by_us()
            else:
                self._answer(431 if len(rest) > 1024 else 400, f"ocpp-inspect proxy: {error}\n")

    def _begin(self, piece: http.Piece, head: Head) -> None:
        """The first head: find the upstream and connect."""
        host = self._host
        self.station = station_from_path(head.target)
        self._to = host.settings.routes.find(self.station, head.target)
        self._open_at_tap(self._to)
        self._tap(0, http.mask_credentials(piece.octets))
        if self._to is None:
            self._answer(404, f"ocpp-inspect proxy: no route for {head.target}\n")
            return
        if head.is_upgrade and self._is_refused(head):
            return
        self._first = piece
        self.phase = "connecting"
        self._since_s = time.monotonic()
        self._client.pause(WAITING)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(self._to))

    def _is_refused(self, head: Head) -> bool:
        """Whether the interceptor answers in the CSMS's place."""
        headers = {
            name: "***" if name in ("authorization", "proxy-authorization", "cookie") else value
            for name, value in head.headers.items()
        }
        attempt = UpgradeAttempt(self._connection(), self.station, head.target, self._peer(), headers)
        refusal = self._host.interceptor.upgrade(attempt)
        if refusal is None:
            return False
        octets = http.answer(refusal.status, refusal.reason, refusal.body, refusal.headers)
        self._note("proxy.refused", f"{refusal.status} {refusal.reason}; {refusal.note}".rstrip("; "))
        self._client.write(octets)
        self._end_by_us()
        return True

    async def _connect(self, to: Upstream) -> None:
        settings = self._host.settings
        leg = Leg(self, 1)
        why, status = "", 502
        try:
            context = settings.upstream_tls(to) if to.is_tls else None
            async with asyncio.timeout(settings.bounds.connect_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: leg, to.host, to.port, ssl=context, server_hostname=to.host if context else None
                )
        except TimeoutError:
            why, status = f"no answer within {settings.bounds.connect_s:g} s", 504
        except ssl.SSLCertVerificationError as error:
            why = f"its certificate is not accepted: {error.verify_message} (--upstream-ca FILE, or --insecure)"
        except (OSError, ValueError) as error:
            why = describe(error)
        finally:
            self._connecting = None
        if self._is_finished or self.phase != "connecting":
            leg.abort()
        elif why:
            self._note("proxy.upstream_failed", f"{to.url}: {why}", "csms")
            self._host.say(f"{self._name()}: cannot reach {to.url}: {why}")
            self._answer(status, f"ocpp-inspect proxy: cannot reach {to.url}: {why}\n")
        else:
            self._go_on(leg)

    def _go_on(self, leg: Leg) -> None:
        """The upstream is there: forward the head that waited, and what came behind it."""
        piece, self._first = self._first, None
        assert piece is not None and piece.head is not None  # noqa: S101 - set before connecting
        self._upstream = leg
        self.phase = "http"
        self._since_s = time.monotonic()
        self._client.resume(WAITING)
        if self._forward_request(piece, piece.head, is_told=True):
            self._read_requests(b"")

    def _forward_request(self, piece: http.Piece, head: Head, *, is_told: bool = False) -> bool:
        """Forward a head; False when what follows it is no HTTP request."""
        settings = self._host.settings
        to = self._to
        if not is_told:
            self.station = station_from_path(head.target)
            self._tap(0, http.mask_credentials(piece.octets))
            if settings.routes.find(self.station, head.target) is not to:
                self._answer(421, "ocpp-inspect proxy: this path has another upstream; use another connection\n")
                return False
            if head.is_upgrade and self._is_refused(head):
                return False
        if len(self._asked) >= HTTP_PIPELINE:
            self._limit(f"{HTTP_PIPELINE} requests wait for answers")
            return False
        assert to is not None and self._upstream is not None  # noqa: S101 - the callers' business
        target = to.target(head.target)
        self._upstream.write(
            http.redirect(
                piece.octets,
                None if target == head.target else target,
                None if settings.keeps_host else to.authority,
            )
        )
        is_upgrade = head.is_upgrade
        self._asked.append((head.method, is_upgrade))
        self._requests.expect_body(head)
        if is_upgrade:
            self.phase, self._upgrade = "upgrading", head
            if settings.mirror is not None and self._mirror is None:
                self._mirror = Mirror(self._host, settings.mirror, self._connection(), self.station, piece.octets, head)
            rest = self._requests.take_rest()
            if rest:
                self._hold(rest)
            return False
        return True

    def _hold(self, octets: bytes) -> None:
        """Nothing may come behind an upgrade before its answer; what comes nevertheless waits."""
        self._held += octets
        if len(self._held) > UPGRADE_HELD_BYTES:
            self._client.pause(WAITING)

    def _to_upstream(self, octets: bytes) -> None:
        self._tap(0, octets)
        if self._upstream is not None:
            self._upstream.write(octets)

    # ------------------------------------------------------------------ answers

    def _read_answers(self, octets: bytes) -> None:
        if self.phase == "raw" and self._upstream is not None:
            self._relay_raw(self._upstream, octets)
            return
        try:
            for piece in self._answers.feed(octets):
                self._client.write(piece.octets)
                self._tap(1, piece.octets)
                if piece.head is not None and not self._answered(piece.head):
                    return
        except http.HeadError:
            rest = self._answers.take_rest()
            self._client.write(rest)
            self._tap(1, rest)
            self.phase = "raw"
            self._release_held()

    def _answered(self, head: Head) -> bool:
        """An answer's head was forwarded; False when what follows it is no HTTP."""
        method, is_upgrade = self._asked[0] if self._asked else ("", False)
        if head.status == 101:
            if is_upgrade:
                self._start_websocket(head)
            else:
                self.phase = "raw"
                self._relay_raw(self._upstream or self._client, self._answers.take_rest())
            return False
        is_final = head.status >= 200
        may_have_body = is_final and method != "HEAD" and head.status not in (204, 304)
        self._answers.expect_body(head, may_have_body=may_have_body)
        if is_final and self._asked:
            self._asked.popleft()
            if is_upgrade:  # refused: the station may ask again on the same connection
                self.phase = "http"
                if self._mirror is not None:
                    self._mirror.close()
                    self._mirror = None
                self._release_held()
        return True

    def _release_held(self) -> None:
        held, self._held = bytes(self._held), bytearray()
        self._client.resume(WAITING)
        if held:
            self.received(self._client, held)

    def _relay_raw(self, leg: Leg, octets: bytes) -> None:
        """Neither HTTP nor WebSocket: forwarded, and left to the analysis to wonder about."""
        other = self._other(leg)
        if other is not None and octets:
            other.write(octets)
        self._tap(leg.side, octets)

    # ------------------------------------------------------------------ WebSocket

    def _start_websocket(self, head: Head) -> None:
        host, request, upstream, to = self._host, self._upgrade, self._upstream, self._to
        assert request is not None and upstream is not None and to is not None  # noqa: S101 - an upgrade was asked for
        self.phase = "websocket"
        self._asked.clear()
        selected = head.words("sec-websocket-protocol")
        link = self.link = Link(
            self._connection(), self.station, request.target, selected[0] if selected else None, self._peer(), to.url
        )
        extensions = head.headers.get("sec-websocket-extensions", "")
        self._directions = (
            Direction(0, link, upstream.write, self, host.interceptor, agreed(extensions, "station")),
            Direction(1, link, self._client.write, self, host.interceptor, agreed(extensions, "csms")),
        )
        for direction in self._directions:
            direction.boundary = Boundary(host.settings.bounds.frame_bytes)
        if self._mirror is not None:
            self._mirror.accepted(agreed(extensions, "station"))
        host.interceptor.opened(link)
        self.reconsider()
        rest = self._answers.take_rest()
        if rest:
            self.received(upstream, rest)
        self._release_held()

    def reconsider(self) -> None:
        """Ask whether somebody wants to intercept this link."""
        if self._directions is None or self.link is None or self._end is not None:
            return
        wanted = self._host.interceptor.wants(self.link)
        for direction in self._directions:
            direction.want(wanted)
        self._arm()

    def inject(self, toward: Sender, text: str, note: str, mark: str) -> None:
        """Send a message to one side as if the other one had. Raises LinkGoneError."""
        if self._directions is None or self._end is not None:
            raise LinkGoneError("the connection is not open")
        self._directions[0 if toward == "csms" else 1].inject(text, note, mark)
        self._arm()

    def _arm(self) -> None:
        """Let octets go straight across wherever nobody has to look at them first."""
        if self._directions is None or self._upstream is None:
            return
        for leg, other in ((self._client, self._upstream), (self._upstream, self._client)):
            direction = self._directions[leg.side]
            is_direct = direction.is_direct and (leg.side == 1 or self._mirror is None)
            leg.boundary = direction.boundary
            leg.forward = other.transport.write if is_direct and other.transport is not None and other.is_open else None

    # ------------------------------------------------------------------ Surroundings of a direction

    def tap_of(self, direction: int, octets: bytes) -> None:
        """Octets to the analysis and to the mirror."""
        self._tap(direction, octets)
        if direction == 0 and self._mirror is not None:
            self._mirror.feed(octets)

    def mark(self, mark: Mark) -> None:
        """What was done to a message."""
        self._host.tap.say(self.ordinal, Marked(mark.name, mark.sender, mark.original, mark.forwarded, mark.note))
        self._host.interceptor.marked(mark)

    def hold_sender(self, direction: int, held: bool) -> None:
        """Stop, or go on, reading from a side."""
        leg = self._upstream if direction else self._client
        if leg is None:
            return
        if held:
            leg.pause(HELD)
        else:
            leg.resume(HELD)

    def end(self, action: Close | Cut) -> None:
        """Somebody's order to end the connection."""
        if isinstance(action, Cut):
            self._note("proxy.cut", action.note)
            self._end = self._end or Closed("end", None)
            for leg in (self._client, self._upstream):
                if leg is not None:
                    leg.reset()
            return
        self._note("proxy.closed", f"{action.code} {action.reason}; {action.note}".rstrip("; "))
        for direction in self._directions or ():
            direction.close_frame(action.code, action.reason)
        self._end_by_us()

    def too_long(self, direction: int, octets: int) -> None:
        """A frame beyond the limit: no CSMS takes it, and it would occupy the connection for long."""
        if self._end is not None:
            return
        bound = self._host.settings.bounds.frame_bytes
        if self._directions is not None:  # 1009: RFC 6455 §7.4.1
            self._directions[1 - direction].close_frame(1009, f"frame of {octets} octets, the limit is {bound}")
        self._limit(f"a frame of {octets} octets from the {'CSMS' if direction else 'station'}; the limit is {bound}")

    # ------------------------------------------------------------------ time

    def check(self, now_s: float) -> None:
        """Called once a second: is this step taking too long?"""
        if self.is_active:
            self.is_active = False
            self._since_s = now_s
            if self.phase != "head":
                return
        bounds = self._host.settings.bounds
        silent_s = now_s - self._since_s
        if self.phase == "head":
            if now_s - self._began_s > bounds.handshake_s:
                self._open_at_tap(None)
                self._tap(0, self._requests.take_rest())
                self._answer(408, f"ocpp-inspect proxy: no request within {bounds.handshake_s:g} s\n")
        elif self.phase == "upgrading" or (self.phase == "http" and self._asked):
            if silent_s > bounds.answer_s:
                self._note("proxy.upstream_failed", f"no answer within {bounds.answer_s:g} s", "csms")
                self._answer(504, f"ocpp-inspect proxy: the upstream did not answer within {bounds.answer_s:g} s\n")
        elif self.phase == "http":
            if self._end is not None:
                self._end_by_us()  # the station had half-closed, and has its answer now
            elif silent_s > bounds.http_idle_s:
                self._limit(f"no request for {bounds.http_idle_s:g} s")
        elif self.phase in ("websocket", "raw") and silent_s > bounds.idle_s:
            self._limit(f"silent for {bounds.idle_s:g} s")

    # ------------------------------------------------------------------ the end

    def stop(self) -> None:
        """The proxy stops."""
        if self._end is None:
            self._note("proxy.ended", "")
        self._end_by_us()

    def _limit(self, text: str) -> None:
        self._note("proxy.limit", text)
        self._host.say(f"{self._name()}: ended: {text}")
        self._end_by_us()

    def _answer(self, status: int, body: str) -> None:
        """The proxy's own answer; it ends the connection. The analysis does not take it for one of the CSMS."""
        self._note("proxy.answered", f"{status} {_REASONS[status]}; {body.strip()}")
        self._client.write(http.answer(status, _REASONS[status], body))
        self._end_by_us()

    def _end_by_us(self) -> None:
        self.phase = "ending"
        self._end = self._end or Closed("end", None)
        for leg in (self._client, self._upstream):
            if leg is not None:
                leg.forward = None
                leg.close()
        self._start_linger(self._host.settings.bounds.linger_s)
        if self._client.is_lost:
            self._finish()

    def _begin_end(self, leg: Leg, reason: str) -> None:
        """One side has gone: tell the other one."""
        if self._directions is not None:
            self._directions[leg.side].finish()
        other = self._other(leg)
        if other is not None:
            if leg.is_lost:
                other.forward = None
            other.end_writing()
        if self._end is not None:
            return
        self._end = Closed(reason, leg.side)
        waits_for_answer = leg is self._client and bool(self._asked) and not leg.is_lost
        bounds = self._host.settings.bounds
        self._start_linger(bounds.answer_s if waits_for_answer else bounds.linger_s)

    def _start_linger(self, seconds: float) -> None:
        if self._linger is None:
            unsent = self._unsent()
            deadline_s = time.monotonic() + self._host.settings.bounds.drain_s
            self._linger = asyncio.get_running_loop().call_later(seconds, self._linger_over, unsent, deadline_s)

    def _linger_over(self, unsent: int, deadline_s: float) -> None:
        """Time is up, except for octets that a slow reader is still taking."""
        left = self._unsent()
        if 0 < left < unsent and time.monotonic() < deadline_s:
            seconds = self._host.settings.bounds.linger_s
            self._linger = asyncio.get_running_loop().call_later(seconds, self._linger_over, left, deadline_s)
            return
        for leg in (self._client, self._upstream):
            if leg is not None:
                leg.abort()
        if self._client.transport is None or self._client.is_lost:
            self._finish()

    def _unsent(self) -> int:
        return self._client.unsent_bytes + (self._upstream.unsent_bytes if self._upstream is not None else 0)

    def _finish(self) -> None:
        if self._is_finished:
            return
        self._is_finished = True
        if self._linger is not None:
            self._linger.cancel()
        if self._mirror is not None:
            self._mirror.close()
        if self.phase == "head":
            rest = self._requests.take_rest()
            if rest:
                self._open_at_tap(None)
                self._tap(0, rest)
        if self.ordinal:
            self._host.tap.say(self.ordinal, self._end or Closed("end", None))
        if self.link is not None:
            self._host.interceptor.closed(self.link)
        self._host.ended(self)

    # ------------------------------------------------------------------ what is told

    def _open_at_tap(self, to: Upstream | None) -> None:
        if self.ordinal:
            return
        client, port = self._peer_address()
        server, server_port = (to.host, to.port) if to is not None else self._listening
        self.ordinal = self._host.tap.open(Opened(client, port, server, server_port, self._is_tls))

    def _tap(self, direction: int, octets: bytes) -> None:
        if octets:
            self._host.tap.data(self.ordinal, direction, octets)

    def _note(self, name: str, detail: str, sender: str = "unknown") -> None:
        self._host.tap.say(self.ordinal, Note(name, sender, detail))

    def _connection(self) -> int:
        return packet_key(self._host.capture, self.ordinal)

    def _peer_address(self) -> tuple[str, int]:
        transport = self._client.transport
        address = transport.get_extra_info("peername") if transport is not None else None
        return (str(address[0]), int(address[1])) if address else ("", 0)

    def _peer(self) -> str:
        host, port = self._peer_address()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _name(self) -> str:
        return self.station or self._peer()


def describe(error: Exception) -> str:
    """A connection error in the words of a person."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "connection refused"
    return str(error) or type(error).__name__
