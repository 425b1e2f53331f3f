"""What the relay did in, records in a pipe to the analysis out: never waited for, bounded, losses counted.

A record is a header and its octets. Data are copied once, in batches; a full pipe leaves them here, and when the bound
is reached they are counted instead, by connection and direction, so that the analysis knows exactly what it lacks.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import msgspec

from ocpp_inspect.limits import PROXY_QUEUE_BYTES

DATA: Final = 0
"""Octets of direction 0 (station → CSMS); `DATA + 1` are those of direction 1."""
OPENED: Final = 2
CLOSED: Final = 3
MISSING: Final = 4
MARK: Final = 5
NOTE: Final = 6
END: Final = 7
SAID: Final = 8

HEADER: Final = struct.Struct("<BIQq")
"""Kind, length of what follows, connection, time in ns."""

SEGMENT_BYTES: Final = 60_000
"""Octets of one made-up TCP segment: fits into an IP packet."""

_FLUSH_S: Final = 0.005
_FLUSH_BYTES: Final = 128 * 1024
_WRITE_BYTES: Final = 256 * 1024
_RECORD_BYTES: Final = 64  # what a waiting record costs besides its octets
_FIXED_BYTES: Final = 8 * 1024 * 1024  # beyond the bound for records that are no data: opened, closed, marks


class Opened(msgspec.Struct, array_like=True):
    """A connection begins: its two ends as the database names them."""

    client: str
    client_port: int
    server: str
    server_port: int
    is_tls: bool  # the station's leg
    mirror_of: int = 0  # the ordinal of the connection whose copy this is


class Closed(msgspec.Struct, array_like=True):
    """A connection ended: "fin", "rst" or "end" (by us), and the direction that began."""

    reason: str
    closed_by: int | None


class Missing(msgspec.Struct, array_like=True):
    """Octets of a direction were forwarded and not handed to the analysis."""

    direction: int
    octets: int


class Marked(msgspec.Struct, array_like=True):
    """Something was done to a message: see `interception.Mark`."""

    name: str
    sender: str
    original: str
    forwarded: str
    note: str


class Note(msgspec.Struct, array_like=True):
    """The proxy did or saw something itself: becomes an anomaly of the connection (0: of none)."""

    name: str
    sender: str
    detail: str


class Said(msgspec.Struct, array_like=True):
    """A line for the person, where the analysis shows a screen."""

    text: str


Payload = Opened | Closed | Missing | Marked | Note | Said
_KINDS: Final[dict[type, int]] = {
    Opened: OPENED,
    Closed: CLOSED,
    Missing: MISSING,
    Marked: MARK,
    Note: NOTE,
    Said: SAID,
}
TYPES: Final[dict[int, type]] = {kind: payload for payload, kind in _KINDS.items()}
_encode = msgspec.msgpack.Encoder().encode


class Tap:
    """The relay's end of the pipe. `descriptor` None: nothing is analysed, and everything is dropped here."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, descriptor: int | None, on_lost: Callable[[str], None],
        maximum: int = PROXY_QUEUE_BYTES,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._descriptor = descriptor
        self._on_lost = on_lost
        self._maximum = maximum
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._writing: memoryview = memoryview(b"")
        self._is_scheduled = False
        self._is_watching = False
        self._missing: dict[tuple[int, int], int] = {}
        self._is_full = False
        self._drained: asyncio.Event | None = None
        self.frames = 0
        self.missing_bytes = 0
        self.missing_chunks = 0
        self.refused_records = 0
        if descriptor is not None:
            os.set_blocking(descriptor, False)

    @property
    def is_behind(self) -> bool:
        """Whether octets are being forwarded without being told."""
        return self._is_full

    @property
    def is_alive(self) -> bool:
        """Whether somebody reads the other end."""
        return self._descriptor is not None

    def data(self, connection: int, direction: int, octets: bytes) -> None:
        """Octets of a direction, in their order."""
        if self._descriptor is None:
            self.missing_bytes += len(octets)
            return
        if self._is_full or self._waiting_bytes > self._maximum or not connection:
            self._refuse(connection, direction, len(octets))
            return
        size = len(octets)
        self.frames += 1 if size <= SEGMENT_BYTES else frames_of(DATA, size)
        waiting = self._waiting
        waiting.append(HEADER.pack(direction, size, connection, time.time_ns()))
        waiting.append(octets)
        self._waiting_bytes += size + _RECORD_BYTES
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_later(_FLUSH_S, self._flush)

    def open(self, payload: Opened) -> int:
        """A connection begins; returns the number that names it from now on, 0 when the analysis takes no more."""
        number = self.frames + 1
        if self._descriptor is None:
            self.frames = number
            return number
        self.say(number, payload)
        return number if self.frames >= number else 0

    def say(self, connection: int, payload: Payload) -> None:
        """A record that is no data; these are few, and only a bound far above refuses them."""
        if self._descriptor is None:
            return
        if self._waiting_bytes > self._maximum + _FIXED_BYTES:
            self.refused_records += 1
            return
        octets = _encode(payload)
        self.frames += frames_of(_KINDS[type(payload)], 0)
        self._waiting.append(HEADER.pack(_KINDS[type(payload)], len(octets), connection, time.time_ns()))
        self._waiting.append(octets)
        self._waiting_bytes += len(octets) + _RECORD_BYTES
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_later(_FLUSH_S, self._flush)

    async def finish(self, seconds: float) -> None:
        """Hand over what waits, say that nothing follows, and close; gives up after some time."""
        if self._descriptor is None:
            return
        self._tell_missing()
        self._waiting.append(HEADER.pack(END, 0, 0, time.time_ns()))
        self._drained = asyncio.Event()
        self._flush()
        if self._descriptor is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), seconds)
        self._close()

    def _refuse(self, connection: int, direction: int, size: int) -> None:
        if connection:
            self._is_full = True
            key = (connection, direction)
            self._missing[key] = self._missing.get(key, 0) + size
        self.missing_bytes += size
        self.missing_chunks += 1

    def _tell_missing(self) -> None:
        missing, self._missing = self._missing, {}
        self._is_full = False
        for (connection, direction), octets in missing.items():
            self.say(connection, Missing(direction, octets))

    def _flush(self) -> None:
        """Write as much as the pipe takes."""
        self._is_scheduled = False
        descriptor = self._descriptor
        if descriptor is None:
            return
        try:
            while True:
                if not self._writing:
                    if not self._waiting:
                        break
                    octets = b"".join(self._waiting)
                    self._waiting = []
                    self._writing = memoryview(octets)
                    self._waiting_bytes = len(octets)
                written = os.write(descriptor, self._writing[:_WRITE_BYTES])
                self._writing = self._writing[written:]
                self._waiting_bytes -= written
                if self._is_full and self._waiting_bytes < self._maximum // 2:
                    self._tell_missing()
        except BlockingIOError:
            if not self._is_watching:
                self._is_watching = True
                self._loop.add_writer(descriptor, self._flush)
            return
        except OSError as error:
            self.lose(f"the analysis has gone ({error.strerror}); forwarding goes on without it")
            return
        if self._is_watching:
            self._is_watching = False
            self._loop.remove_writer(descriptor)
        self._waiting_bytes = 0
        if self._drained is not None:
            self._drained.set()

    def lose(self, why: str) -> None:
        """Nobody reads the pipe any more: count from here on."""
        if self._descriptor is None:
            return
        self._close()
        if self._drained is not None:
            self._drained.set()
        self._on_lost(why)

    def _close(self) -> None:
        if self._descriptor is None:
            return
        if self._is_watching:
            self._loop.remove_writer(self._descriptor)
            self._is_watching = False
        os.close(self._descriptor)
        self._descriptor = None
        self._waiting, self._writing = [], memoryview(b"")


def frames_of(kind: int, size: int) -> int:
    """How many frames a record counts for: those that a capture of it has (`pcapng.py`).

    Both ends of the pipe count, so that the relay knows the numbers under which the database will keep a connection:
    that of its first frame.
    """
    if kind == OPENED:
        return 3
    if kind == CLOSED:
        return 2
    return -(-size // SEGMENT_BYTES) if kind <= DATA + 1 else 1


def read_records(buffer: bytes) -> Iterator[tuple[int, int, int, bytes, int]]:
    """(kind, connection, ts_ns, octets, offset behind the record) of each whole record in the buffer."""
    at, size = 0, len(buffer)
    while at + HEADER.size <= size:
        kind, length, connection, ts_ns = HEADER.unpack_from(buffer, at)
        end = at + HEADER.size + length
        if end > size:
            return
        yield kind, connection, ts_ns, buffer[at + HEADER.size : end], end
        at = end
