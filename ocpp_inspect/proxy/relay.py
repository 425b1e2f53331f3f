"""Settings in, listening sockets and their sessions out; what a scenario or a console may ask of them."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, cast

from ocpp_inspect.model import split_packet_key
from ocpp_inspect.proxy import http
from ocpp_inspect.proxy.interception import Close, Cut, Injector, Interceptor, Link, LinkGoneError, Sender, Transparent
from ocpp_inspect.proxy.session import Session
from ocpp_inspect.proxy.settings import Address, Settings
from ocpp_inspect.proxy.tap import Note, Tap

_LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 1024
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
                server = await loop.create_server(
                    lambda address=address: self._accept(address),  # type: ignore[misc]
                    address.host,
                    address.port,
                    backlog=_BACKLOG,
                )
            except OSError as error:
                await self.stop()
                raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from error
            self._servers.append(server)
            for each in server.sockets:
                name = each.getsockname()
                addresses.append(Address(str(name[0]), int(name[1]), address.is_tls))
        self._sweeper = loop.create_task(self._sweep())
        self.interceptor.attach(self)
        return addresses

    async def stop(self) -> None:
        """Listen no more, end every session, and wait until they are gone (some seconds at most)."""
        for server in self._servers:
            server.close()
        self._servers = []
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in list(self._handshakes):
            task.cancel()
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
        if len(self._sessions) + len(self._handshakes) >= self.settings.bounds.connections:
            self.say(f"a connection was refused: {self.settings.bounds.connections} are open (--max-connections)")
            self.tap.say(0, Note("proxy.limit", "unknown", f"refused: {self.settings.bounds.connections} are open"))
            return _Full()
        self.accepted += 1
        session = Session(self, (address.host, address.port), is_tls=address.is_tls)
        if not address.is_tls:
            self._sessions.add(session)
            return session.protocol()
        return _TlsDoor(self, session)

    def shake_hands(self, transport: asyncio.Transport, session: Session) -> None:
        """TLS on a socket that was accepted."""
        task = asyncio.get_running_loop().create_task(self._handshake(transport, session))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _handshake(self, transport: asyncio.Transport, session: Session) -> None:
        context = self.settings.server_tls
        assert context is not None  # noqa: S101 - an address with TLS has one
        peer = transport.get_extra_info("peername") or ("", 0)
        leg = session.protocol()
        try:
            secure = await asyncio.get_running_loop().start_tls(
                transport, leg, context, server_side=True, ssl_handshake_timeout=self.settings.bounds.handshake_s
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            why = explain_handshake(error)
            self.say(f"{peer[0]}:{peer[1]}: TLS handshake failed: {why}")
            self.tap.say(0, Note("proxy.tls_failed", "station", f"{peer[0]}:{peer[1]}: {why}"))
            transport.abort()
            return
        if secure is None:  # the station went away in the middle
            return
        self._sessions.add(session)
        leg.connection_made(secure)

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


class _TlsDoor(asyncio.Protocol):
    """Stands in front of a session until TLS is done, so that a failure can be told."""

    def __init__(self, relay: Relay, session: Session) -> None:
        self._relay = relay
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        stream.pause_reading()
        self._relay.shake_hands(stream, self._session)


def explain_handshake(error: Exception) -> str:  # noqa: PLR0911 - one return a cause
    """Why a station did not accept us, or we not the station, in the words of a person."""
    if isinstance(error, TimeoutError):
        return "not finished in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the station's certificate is not accepted: {error.verify_message}"
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
