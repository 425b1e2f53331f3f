"""What a station sends in, the same at a second CSMS out; its answers are recorded and go nowhere.

A mirror can only lose: whatever it does, refuse, hang or die, the station's own connection does not notice. It is
offered no compression, so a compressed station is copied message by message, inflated.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol

from ocpp_inspect.http import Head
from ocpp_inspect.limits import PROXY_MIRROR_BYTES
from ocpp_inspect.proxy import http
from ocpp_inspect.proxy.deflate import Agreement, Inflation
from ocpp_inspect.proxy.frames import CLOSE, MessageReader, RawMessage, encode_frame
from ocpp_inspect.proxy.routes import Upstream
from ocpp_inspect.proxy.settings import Settings
from ocpp_inspect.proxy.tap import Closed, Note, Opened, Tap


class Host(Protocol):
    """What a mirror needs of the relay."""

    settings: Settings
    tap: Tap

    def say(self, text: str) -> None:
        """A line for the person who runs the proxy."""
        ...


class Mirror(asyncio.Protocol):
    """The copy of one station's connection. The session feeds it, and closes it."""

    def __init__(self, host: Host, to: Upstream, of: int, station: str, request: bytes, head: Head) -> None:
        self._host = host
        self._to = to
        self._station = station
        self._request = http.without_extensions(http.redirect(request, to.target(head.target), to.authority))
        self._answers = http.HttpReader()
        self._transport: asyncio.Transport | None = None
        self._is_open = False  # its upgrade succeeded
        self._is_over = False
        self._is_accepted = False  # the station's upgrade succeeded
        self._waiting: list[bytes] = []  # until both have
        self._waiting_bytes = 0
        self._has_closed = False  # the station sent a close frame
        self._station_reader = MessageReader()
        self._inflation: Inflation | None = None
        self._mirror_reader = MessageReader()
        self._ordinal = host.tap.open(Opened(f"mirror of {station}", 0, to.host, to.port, to.is_tls, of))
        told = http.redirect(request, _named(head.target, to), to.authority)
        host.tap.data(self._ordinal, 0, http.mask_credentials(http.without_extensions(told)))
        self._task: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(self._connect())

    # ------------------------------------------------------------------ the session's side

    def accepted(self, agreement: Agreement | None) -> None:
        """The station's upgrade succeeded: from here on frames follow."""
        self._is_accepted = True
        if agreement is not None:
            self._inflation = Inflation(agreement)
        self._send_waiting()

    def feed(self, octets: bytes) -> None:
        """Frames of the station."""
        if self._is_over:
            return
        octets = b"".join(map(self._plain, self._station_reader.feed(octets)))
        if not octets:
            return
        self._waiting.append(octets)
        self._waiting_bytes += len(octets)
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._waiting_bytes + unsent > PROXY_MIRROR_BYTES:
            self._give_up(f"does not read: more than {PROXY_MIRROR_BYTES} octets wait")
        else:
            self._send_waiting()

    def close(self) -> None:
        """The station has gone, or its CSMS refused it."""
        if not self._is_over:
            self._is_over = True
            self._host.tap.say(self._ordinal, Closed("fin", 0))
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.close()

    # ------------------------------------------------------------------ the event loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - create_connection makes no other
        self._transport = transport  # type: ignore[assignment]
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._is_over:
            return
        self._host.tap.data(self._ordinal, 1, data)
        if self._is_open:
            self._read(data)
            return
        try:
            for piece in self._answers.feed(data):
                if piece.head is None:
                    continue
                if piece.head.status != 101:
                    self._give_up(f"refused the upgrade: {piece.head.status}")
                    return
                self._is_open = True
                self._send_waiting()
                self._read(self._answers.take_rest())
                return
        except http.HeadError as error:
            self._give_up(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._has_closed:
            self.close()
        elif not self._is_over:
            self._give_up(f"closed the connection{f': {exc}' if exc else ''}")

    # ------------------------------------------------------------------ the rest

    async def _connect(self) -> None:
        settings = self._host.settings
        to = self._to
        why = ""
        try:
            context = settings.upstream_tls(to) if to.is_tls else None
            async with asyncio.timeout(settings.bounds.connect_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: self, to.host, to.port, ssl=context, server_hostname=to.host if context else None
                )
        except (OSError, ValueError, TimeoutError, ssl.SSLError) as error:
            why = str(error) or type(error).__name__
        finally:
            self._task = None
        if why:
            self._give_up(f"cannot be reached: {why}")
        elif self._is_over and self._transport is not None:
            self._transport.close()

    def _send_waiting(self) -> None:
        if not (self._is_open and self._is_accepted and self._transport is not None):
            return
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for octets in waiting:
            self._host.tap.data(self._ordinal, 0, octets)
            self._transport.write(octets)

    def _plain(self, raw: RawMessage) -> bytes:
        """A message, not compressed."""
        self._has_closed |= raw.opcode == CLOSE
        if self._inflation is None or not raw.is_compressed or raw.opcode >= 8:
            return raw.octets
        if raw.payload is None:
            self._inflation.lose()
            return b""
        message = self._inflation.inflate(raw.payload)
        return b"" if message is None else encode_frame(raw.opcode, message, is_masked=True)

    def _read(self, data: bytes) -> None:
        """Answer the mirror's pings, for the station never sees them."""
        for raw in self._mirror_reader.feed(data):
            if raw.opcode == 9 and self._transport is not None and raw.payload is not None:
                pong = encode_frame(10, raw.payload, is_masked=True)
                self._host.tap.data(self._ordinal, 0, pong)
                self._transport.write(pong)

    def _give_up(self, why: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._waiting, self._waiting_bytes = [], 0
        self._host.tap.say(self._ordinal, Note("proxy.mirror", "csms", f"{self._to.url} {why}"))
        self._host.tap.say(self._ordinal, Closed("fin", 1))
        self._host.say(f"{self._station}: mirror {self._to.url} {why}; its copy ends, the station goes on")
        if self._transport is not None:
            self._transport.abort()


def _named(target: str, to: Upstream) -> str:
    """The target under which the copy is recorded: a station of its own, `CP1@second.example`."""
    path, mark, query = target.partition("?")
    return f"{path.rstrip('/')}@{to.authority}{mark}{query}"
