"""Octets of one direction in; where frames and messages end, whole messages, frames of our own out (RFC 6455 §5)."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from ocpp_inspect.limits import PROXY_FRAME_BYTES, PROXY_MESSAGE_BYTES
from ocpp_inspect.websocket.resync import unmask

TEXT: Final = 1
CLOSE: Final = 8


class Boundary:
    """Follows frames that were forwarded, so that it is known whether a message could be put behind them.

    `too_long` is the length of a frame beyond the limit, once one was announced.
    """

    __slots__ = ("_head", "_is_fragmented", "_left", "_maximum", "too_long")

    def __init__(self, maximum: int = PROXY_FRAME_BYTES) -> None:
        self._left = 0  # octets of the current frame to come
        self._head = b""  # of a frame whose header is not complete
        self._is_fragmented = False  # in a message whose last frame has not begun
        self._maximum = maximum
        self.too_long = 0

    @property
    def is_between_messages(self) -> bool:
        """Whether the next octet begins a message (or a control frame)."""
        return not self._left and not self._head and not self._is_fragmented

    def feed(self, data: bytes) -> None:
        """The next octets of the direction."""
        self._walk(data, until_message=False)

    def split(self, data: bytes) -> int:
        """Like `feed`, but stops behind the first message's end: the number of octets taken (all when none ends)."""
        if self.is_between_messages:
            return 0
        return self._walk(data, until_message=True)

    def _walk(self, data: bytes, *, until_message: bool) -> int:
        size = len(data)
        if self._left > size:
            self._left -= size
            return size
        at, self._left = self._left, 0
        if until_message and not self._head and not self._is_fragmented:
            return at
        known = len(self._head)
        if known:
            data, self._head = self._head + data, b""
            size += known
        while at < size:
            length = frame_length(data, at)
            if length is None:
                self._head = data[at:]
                return size - known
            if length > self._maximum:
                self.too_long = self.too_long or length
            if data[at] & 0x08 == 0:
                self._is_fragmented = data[at] < 0x80
            at += length
            if at > size:
                self._left = at - size
                return size - known
            if until_message and not self._is_fragmented:
                return at - known
        return size - known


def frame_length(data: bytes | bytearray, at: int) -> int | None:
    """Octets of the frame that begins at an offset, header included; None while its header is incomplete."""
    available = len(data) - at
    if available < 2:
        return None
    second = data[at + 1]
    length = second & 0x7F
    header = 6 if second & 0x80 else 2
    if length == 126:
        if available < 4:
            return None
        return header + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if length == 127:
        if available < 10:
            return None
        return header + 8 + int.from_bytes(data[at + 2 : at + 10], "big")
    return header + length


class RawMessage(NamedTuple):
    """One message or control frame. `payload` is unmasked, not inflated; None for a piece of a message too long."""

    first: int  # the first octet of its first frame: FIN, RSV1, opcode
    payload: bytes | None
    octets: bytes
    frames: int

    @property
    def opcode(self) -> int:
        """RFC 6455 §5.2."""
        return self.first & 0x0F

    @property
    def is_compressed(self) -> bool:
        """RFC 7692 §6: RSV1 of the first frame."""
        return bool(self.first & 0x40)


class MessageReader:
    """Puts frames together to messages. One beyond the limit is handed on in pieces as it comes."""

    __slots__ = ("_buffer", "_first", "_frames", "_maximum", "_octets", "_payload", "_piece_left", "_size")

    def __init__(self, maximum: int = PROXY_MESSAGE_BYTES) -> None:
        self._maximum = maximum
        self._buffer = bytearray()
        self._first = -1  # of the message begun; -1: none
        self._octets: list[bytes] = []
        self._payload: list[bytes] | None = []  # None: too long, its frames are handed on at once
        self._frames = 0
        self._size = 0
        self._piece_left = 0  # octets of a frame that is handed on in pieces

    @property
    def is_between_messages(self) -> bool:
        """Whether nothing is held, and the next octet begins a message."""
        return not self._buffer and self._first < 0 and not self._piece_left

    @property
    def is_in_pieces(self) -> bool:
        """Whether a message has been handed on in part."""
        return self._payload is None

    def feed(self, data: bytes) -> list[RawMessage]:
        """What is complete with these octets."""
        found: list[RawMessage] = []
        self._buffer += data
        buffer = self._buffer
        while buffer:
            if self._piece_left:
                piece = bytes(buffer[: self._piece_left])
                del buffer[: len(piece)]
                self._piece_left -= len(piece)
                found.append(RawMessage(self._first & 0x7F, None, piece, 1))
                if not self._piece_left and self._first & 0x80:
                    self._reset()
                continue
            length = frame_length(buffer, 0)
            if length is None:
                break
            is_control = bool(buffer[0] & 0x08)
            if not is_control and (self._payload is None or self._size + length > self._maximum):
                self._hand_on(length, found)
                continue
            if length > len(buffer):
                break
            octets = bytes(buffer[:length])
            del buffer[:length]
            if is_control:
                found.append(RawMessage(octets[0], payload_of(octets), octets, 1))
            else:
                self._add(octets, found)
        return found

    def _hand_on(self, length: int, found: list[RawMessage]) -> None:
        """A message too long: what was kept of it goes on, and its frames as they come."""
        if self._octets:
            found.append(RawMessage(self._first & 0x7F, None, b"".join(self._octets), self._frames))
            self._octets = []
        is_first = self._first < 0
        final = self._buffer[0] & 0x80
        self._first = (self._buffer[0] if is_first else self._first & 0x7F) | final
        self._payload = None
        self._piece_left = length

    def _add(self, octets: bytes, found: list[RawMessage]) -> None:
        if self._first < 0:
            self._first = octets[0]
        self._octets.append(octets)
        self._frames += 1
        self._size += len(octets)
        assert self._payload is not None  # noqa: S101 - the caller hands on what is too long
        self._payload.append(payload_of(octets))
        if octets[0] & 0x80:
            found.append(RawMessage(self._first | 0x80, b"".join(self._payload), b"".join(self._octets), self._frames))
            self._reset()

    def _reset(self) -> None:
        self._first = -1
        self._octets = []
        self._payload = []
        self._frames = 0
        self._size = 0


def payload_of(octets: bytes) -> bytes:
    """The payload of one complete frame, unmasked."""
    length = octets[1] & 0x7F
    start = 2 if length < 126 else 4 if length == 126 else 10
    if octets[1] & 0x80:
        return unmask(octets[start + 4 :], octets[start : start + 4])
    return octets[start:]


def encode_frame(opcode: int, payload: bytes, *, is_masked: bool, is_compressed: bool = False) -> bytes:
    """One final frame; a client's with a fresh key (RFC 6455 §5.3)."""
    size = len(payload)
    first = 0x80 | (0x40 if is_compressed else 0) | opcode
    bit = 0x80 if is_masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65_536:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    if not is_masked:
        return head + payload
    key = os.urandom(4)
    return head + key + unmask(payload, key)


def encode_close(code: int, reason: str, *, is_masked: bool) -> bytes:
    """A close frame; the reason is cut to what fits (RFC 6455 §5.5)."""
    text = reason.encode()[:123].decode(errors="ignore").encode()
    return encode_frame(CLOSE, code.to_bytes(2, "big") + text, is_masked=is_masked)
