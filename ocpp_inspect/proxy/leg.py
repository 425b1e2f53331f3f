"""One socket of a session: the event loop's calls in, the session's methods out; direct octets go straight across."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, cast

from ocpp_inspect.proxy.frames import Boundary

BUFFER: Final = 1
"""Why a leg is not read: the other side's buffer is full."""
HELD: Final = 2
"""… too many messages wait behind one that is held."""
WAITING: Final = 4
"""… there is nobody yet to forward to."""

_RESET: Final = struct.pack("ii", 1, 0)


class Owner(Protocol):
    """What a leg tells its session."""

    ordinal: int
    is_active: bool
    tap_data: Callable[[int, int, bytes], None]

    def connected(self, leg: Leg) -> None:
        """The socket is open."""
        ...

    def received(self, leg: Leg, octets: bytes) -> None:
        """Octets that are not direct."""
        ...

    def too_long(self, direction: int, octets: int) -> None:
        """A frame beyond the limit was announced."""
        ...

    def half_closed(self, leg: Leg) -> bool:
        """The peer sends nothing more; True keeps the socket open for what it still wants to hear."""
        ...

    def lost(self, leg: Leg, error: Exception | None) -> None:
        """The socket is closed."""
        ...

    def congested(self, leg: Leg, is_congested: bool) -> None:
        """The peer reads too slowly, or reads again."""
        ...


class Leg(asyncio.Protocol):
    """Side 0 is the station, 1 the CSMS; `forward` is set while octets need nobody's decision."""

    __slots__ = ("_owner", "_paused", "boundary", "forward", "has_ended", "is_lost", "side", "transport")

    def __init__(self, owner: Owner, side: int) -> None:
        self._owner = owner
        self._paused = 0
        self.side = side
        self.transport: asyncio.Transport | None = None
        self.forward: Callable[[bytes], object] | None = None
        self.boundary: Boundary | None = None
        self.has_ended = False  # the peer sends nothing more
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self.transport = cast(asyncio.Transport, transport)
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop. Direct octets are on their way before anything looks at them."""
        forward = self.forward
        if forward is None:
            self._owner.received(self, data)
            return
        forward(data)
        owner, boundary = self._owner, self.boundary
        owner.tap_data(owner.ordinal, self.side, data)
        owner.is_active = True
        if boundary is not None:
            boundary.feed(data)
            if boundary.too_long:
                owner.too_long(self.side, boundary.too_long)

    def eof_received(self) -> bool:
        """Called by the event loop."""
        self.has_ended = True
        return self._owner.half_closed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.is_lost = self.has_ended = True
        self.forward = None
        self._owner.lost(self, exc)

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self._owner.congested(self, True)

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._owner.congested(self, False)

    # ------------------------------------------------------------------ what the session does

    @property
    def is_open(self) -> bool:
        """Whether octets can be written."""
        return self.transport is not None and not self.is_lost and not self.transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """Octets that wait for the peer to read."""
        return self.transport.get_write_buffer_size() if self.transport is not None and not self.is_lost else 0

    def write(self, octets: bytes) -> None:
        """Send octets, if that is still possible."""
        if self.is_open and self.transport is not None:
            self.transport.write(octets)

    def pause(self, reason: int) -> None:
        """Do not read for this reason (BUFFER, HELD, WAITING)."""
        if not self._paused and self.is_open and self.transport is not None:
            self.transport.pause_reading()
        self._paused |= reason

    def resume(self, reason: int) -> None:
        """This reason is over."""
        if not self._paused & reason:
            return
        self._paused &= ~reason
        if not self._paused and self.is_open and self.transport is not None:
            self.transport.resume_reading()

    def end_writing(self) -> None:
        """Half-close when the transport can (TLS cannot), else close behind what is still to be sent."""
        if not self.is_open or self.transport is None:
            return
        if self.transport.can_write_eof() and not self.has_ended:
            self.transport.write_eof()
        else:
            self.transport.close()

    def close(self) -> None:
        """Close behind what is still to be sent."""
        if self.is_open and self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None and not self.is_lost:
            self.transport.abort()

    def reset(self) -> None:
        """Close at once, with a RST."""
        if self.transport is None or self.is_lost:
            return
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


def prepare(transport: asyncio.BaseTransport, dead_s: int) -> None:
    """Let the kernel find out that a peer has died without a word: a pulled cable, a lost modem."""
    raw = transport.get_extra_info("socket")
    if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    options = {
        "TCP_KEEPIDLE": max(1, dead_s // 2),  # s of silence before the kernel asks whether the peer is alive
        "TCP_KEEPINTVL": max(1, dead_s // 6),  # s between its questions
        "TCP_KEEPCNT": 3,  # questions
        "TCP_USER_TIMEOUT": dead_s * 1000,  # ms that octets may stay unacknowledged
    }
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            option = getattr(socket, name, None)  # not every system has all of them
            if option is not None:
                raw.setsockopt(socket.IPPROTO_TCP, option, value)
