"""Settings in, listening sockets and their sessions out; what a scenario or a console may ask of them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, cast

from ocpp_inspect.model import split_packet_key
from ocpp_inspect.proxy import http
from ocpp_inspect.proxy.interception import Close, Cut, Injector, Interceptor, Link, LinkGoneError, Sender, Transparent
from ocpp_inspect.proxy.session import Session
from ocpp_inspect.proxy.settings import Address, Settings
from ocpp_inspect.proxy.tap import Note, Tap

_BACKLOG: Final = 1024
_ACCEPT_PAUSE_S: Final = 0.5
_LINES: Final = 20  # lines said at once; then
_LINES_A_SECOND: Final = 2


class ListenError(OSError):
    """An address cannot be listened on; the text says what to do."""


class Relay(Injector):
    """The proxy of one event loop: `start`, then `stop`. `say` gets lines for the person who runs it."""

    def __init__(
        self, settings: Settings, tap: Tap, say: Callable[[str], None], interceptor: Interceptor | None = None,
        capture: int = 1,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.tap = tap
        self.capture = capture
        self.interceptor: Interceptor = interceptor or Transparent()
        self._say = say
        self._sessions: set[Session] = set()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        self._acceptors: list[asyncio.Task[None]] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._empty: asyncio.Event | None = None
        self._lines = float(_LINES)
        self._lines_s = time.monotonic()
        self._unsaid = 0
        self.accepted = 0

    async def start(self) -> list[Address]:
        """Listen; returns the addresses with their real ports. Raises ListenError."""
        loop = asyncio.get_running_loop()
        addresses: list[Address] = []
        for address in self.settings.listen:
            try:
                sockets = await bound_sockets(address)
                for each in sockets:
                    name = each.getsockname()
                    actual = Address(str(name[0]), int(name[1]), address.is_tls)
                    addresses.append(actual)
                    if address.is_tls:
                        each.listen(_BACKLOG)
                        self._acceptors.append(loop.create_task(self._accept_tls(each, actual)))
                    else:
                        factory = partial(self._accept, actual)
                        self._servers.append(await loop.create_server(factory, sock=each, backlog=_BACKLOG))
            except OSError as error:
                await self.stop()
                raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from error
        self._sweeper = loop.create_task(self._sweep())
        self.interceptor.attach(self)
        return addresses

    async def stop(self) -> None:
        """Listen no more, end every session, and wait until they are gone (some seconds at most)."""
        for server in self._servers:
            server.close()
        self._servers = []
        waiting = [*self._acceptors, *self._handshakes, *filter(None, [self._sweeper])]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        self._empty = asyncio.Event()
        for session in list(self._sessions):
            session.stop()
        if self._sessions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self.settings.bounds.linger_s + 1)

    @property
    def open_sessions(self) -> int:
        """Connections of stations that are open now."""
        return len(self._sessions)

    # ------------------------------------------------------------------ accepting

    def _accept(self, address: Address) -> asyncio.Protocol:
        """The protocol of a connection that was accepted without TLS."""
        if not self._admits():
            return _Full()
        session = Session(self, (address.host, address.port), is_tls=False)
        self._sessions.add(session)
        return session.protocol()

    def _admits(self) -> bool:
        """Whether one more connection is allowed."""
        bound = self.settings.bounds.connections
        if len(self._sessions) + len(self._handshakes) < bound:
            self.accepted += 1
            return True
        self.say(f"a connection was refused: {bound} are open (--max-connections)")
        self.tap.say(0, Note("proxy.limit", "unknown", f"refused: {bound} are open"))
        return False

    async def _accept_tls(self, listener: socket.socket, address: Address) -> None:
        """Accept by ourselves: a listening event loop would keep the reason to itself when TLS fails."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    accepted, _ = await loop.sock_accept(listener)
                except OSError as error:  # no descriptors left, or the peer has gone already
                    self.say(f"cannot accept a connection: {error.strerror or error}")
                    await asyncio.sleep(_ACCEPT_PAUSE_S)
                    continue
                if not self._admits():
                    accepted.close()
                    continue
                task = loop.create_task(self._handshake(accepted, address))
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)
        finally:
            listener.close()

    async def _handshake(self, accepted: socket.socket, address: Address) -> None:
        peer = accepted.getpeername()
        session = Session(self, (address.host, address.port), is_tls=True)
        self._sessions.add(session)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                session.protocol,
                accepted,
                ssl=self.settings.server_tls,
                ssl_handshake_timeout=self.settings.bounds.handshake_s,
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self._sessions.discard(session)
            why = explain_handshake(error)
            self.say(f"{peer[0]}:{peer[1]}: TLS handshake failed: {why}")
            self.tap.say(0, Note("proxy.tls_failed", "station", f"{peer[0]}:{peer[1]}: {why}"))
            accepted.close()

    # ------------------------------------------------------------------ what sessions need

    def say(self, text: str) -> None:
        """A line for the person; a flood of them is counted instead."""
        now_s = time.monotonic()
        self._lines = min(_LINES, self._lines + (now_s - self._lines_s) * _LINES_A_SECOND)
        self._lines_s = now_s
        if self._lines < 1:
            self._unsaid += 1
            return
        self._lines -= 1
        if self._unsaid:
            self._say(f"({self._unsaid} more lines were left out)")
            self._unsaid = 0
        self._say(text)

    def ended(self, session: Session) -> None:
        """A session is over."""
        self._sessions.discard(session)
        if self._empty is not None and not self._sessions:
            self._empty.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            now_s = time.monotonic()
            for session in list(self._sessions):
                session.check(now_s)

    # ------------------------------------------------------------------ Injector

    def links(self) -> Sequence[Link]:
        """The WebSocket connections that are open now."""
        return [session.link for session in self._sessions if session.link is not None and session.is_open]

    def inject(
        self, connection: int, toward: Sender, text: str, *, note: str = "", mark: str = "proxy.injected"
    ) -> None:
        """See `interception.Injector`."""
        self._session(connection).inject(toward, text, note, mark)

    def close(self, connection: int, code: int, reason: str = "", *, note: str = "") -> None:
        """See `interception.Injector`."""
        self._session(connection).end(Close(code, reason, note))

    def cut(self, connection: int, *, note: str = "") -> None:
        """See `interception.Injector`."""
        self._session(connection).end(Cut(note))

    def reconsider(self) -> None:
        """Ask for every link whether somebody wants to intercept it."""
        for session in list(self._sessions):
            session.reconsider()

    def _session(self, connection: int) -> Session:
        capture, ordinal = split_packet_key(connection)
        for session in self._sessions:
            if session.ordinal == ordinal and capture == self.capture and session.is_open:
                return session
        raise LinkGoneError(f"connection {connection} is not open")


class _Full(asyncio.Protocol):
    """Says that there are too many connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writer = cast(asyncio.Transport, transport)
        writer.write(http.answer(503, "Service Unavailable", "ocpp-inspect proxy: too many connections\n"))
        writer.close()


async def bound_sockets(address: Address) -> list[socket.socket]:
    """Sockets bound to every address that the host name stands for."""
    infos = await asyncio.get_running_loop().getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, target in dict.fromkeys(infos):
            each = socket.socket(family, kind, protocol)
            sockets.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.setblocking(False)
            each.bind(target)
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def explain_handshake(error: Exception) -> str:  # noqa: PLR0911 - one return a cause
    """Why a station did not accept us, or we not the station, in the words of a person."""
    if isinstance(error, TimeoutError):
        return "not finished in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the station's certificate is not accepted: {error.verify_message}"
    if isinstance(error, ConnectionError):
        return "the station broke it off without a reason; if it does not trust our certificate, see `proxy ca`"
    if not isinstance(error, ssl.SSLError):
        return str(error) or type(error).__name__
    reason = error.reason or str(error)
    if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason or "CERTIFICATE_UNKNOWN" in reason:
        return f"the station does not trust our certificate ({reason}); `ocpp-inspect proxy ca` tells what to install"
    if "HTTP_REQUEST" in reason or "WRONG_VERSION_NUMBER" in reason:
        return f"the station does not speak TLS here ({reason}): wss:// in its URL?"
    if "PEER_DID_NOT_RETURN_A_CERTIFICATE" in reason:
        return "the station showed no certificate (--client-ca demands one)"
    return reason


def is_public(host: str) -> bool:
    """Whether others than this machine can reach an address to listen on."""
    if host in ("localhost", ""):
        return host == ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
