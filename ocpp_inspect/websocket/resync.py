"""Stream bytes with an unknown frame boundary in, the offset of the next believable frame out (joins, gaps)."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final, NamedTuple

from ocpp_inspect import limits
from ocpp_inspect.websocket.inflate import inflate_alone, looks_like_ocpp, looks_like_text

_PLAUSIBLE_FIRST: Final = re.compile(rb"[\x00-\x02\x41\x42\x80-\x82\xc1\xc2\x88-\x8a]")
_CLOSE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015)})
_STRONG: Final = 4  # proves itself: OCPP text inside
_MEDIUM: Final = 2  # printable text, valid close
_WEAK: Final = 1  # a plausible header and nothing else
_CHAIN: Final = 8
_REJECT: Final = 0
_ACCEPT: Final = -1
_PREVIEW_BYTES: Final = 4_096  # enough of a message to see what it is


class Header(NamedTuple):
    """A plausible frame header: first octet, masked or not, where its payload begins and ends."""

    first: int
    is_masked: bool
    start: int
    end: int


def is_valid_close_code(code: int) -> bool:
    """RFC 6455 §7.4: codes that may be sent."""
    return code in _CLOSE_CODES or 3000 <= code <= 4999


def unmask(payload: bytes, key: bytes) -> bytes:
    """XOR with the repeated key (RFC 6455 §5.3); as integers: 0.5 µs for 200 octets, 11 µs in a loop."""
    size = len(payload)
    repeated = (key * ((size + 3) >> 2))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


def plausible_header(  # noqa: PLR0911 - one return a doubt
    buffer: bytes | bytearray, at: int, message_bytes: int
) -> Header | int | None:
    """The header at an offset, the number of octets it needs at least, or None when it is not believable."""
    available = len(buffer) - at
    if available < 2:
        return 2
    first, second = buffer[at], buffer[at + 1]
    if _PLAUSIBLE_FIRST.match(buffer, at) is None:
        return None
    length = second & 0x7F
    start = at + 2
    if first & 0x08 and length > 125:
        return None
    if length == 126:
        if available < 4:
            return 4
        length = int.from_bytes(buffer[start : start + 2], "big")
        start += 2
        if length < 126:
            return None
    elif length == 127:
        if available < 10:
            return 10
        length = int.from_bytes(buffer[start : start + 8], "big")
        start += 8
        if length < 65_536:
            return None
    if length > message_bytes:
        return None
    is_masked = second >= 0x80
    if is_masked:
        start += 4
    return Header(first, is_masked, start, start + length)


class Search:
    """Looks for a frame boundary in one direction, in bounded memory.

    `is_known` says that the connection is a WebSocket for sure. `expects_mask` is None when the side is unknown.
    """

    __slots__ = (
        "_ends",
        "_message_bytes",
        "_pending",
        "_scanned",
        "allows_deflate",
        "buffer",
        "expects_mask",
        "is_known",
        "is_masked",
        "marks",
        "searched_bytes",
    )

    def __init__(self, *, is_known: bool, expects_mask: bool | None, allows_deflate: bool, message_bytes: int) -> None:
        self.is_known = is_known
        self.expects_mask = expects_mask
        self.allows_deflate = allows_deflate
        self.buffer = bytearray()
        self.marks: list[tuple[int, int, int]] = []  # (offset, ts_ns, packet) of each segment held
        self.searched_bytes = 0
        self.is_masked = False  # of the frame found
        self._message_bytes = message_bytes
        self._pending: list[tuple[int, int]] = []  # (octets needed in the buffer, candidate)
        self._scanned = 0
        self._ends: set[int] = set()

    def feed(self, data: bytes, ts_ns: int, packet: int) -> int | None:
        """Add a segment; the offset in `buffer` where frames begin, None while it is unknown."""
        self._shrink(len(data))
        self.marks.append((len(self.buffer), ts_ns, packet))
        self._ends.add(len(self.buffer))
        self.buffer += data
        self.searched_bytes += len(data)
        waiting: list[tuple[int, int]] = []
        size = len(self.buffer)
        for need, at in self._pending:
            verdict = self._judge(at) if need <= size else need
            if verdict == _ACCEPT:
                return at
            if verdict != _REJECT:
                waiting.append((verdict, at))
        for match in _PLAUSIBLE_FIRST.finditer(self.buffer, self._scanned):
            at = match.start()
            verdict = self._judge(at)
            if verdict == _ACCEPT:
                return at
            if verdict != _REJECT:
                waiting.append((verdict, at))
        self._scanned = size
        self._pending = waiting[-limits.RESYNC_CANDIDATES :]
        return None

    def _shrink(self, more: int) -> None:
        """Let the oldest octets go when the bound is reached; they hold no frame that can be proved."""
        excess = len(self.buffer) + more - limits.RESYNC_BYTES
        if excess <= 0 or not self.buffer:
            return
        cut = min(len(self.buffer), max(excess, limits.RESYNC_BYTES // 2))
        del self.buffer[:cut]
        self.marks = [(offset - cut, ts_ns, packet) for offset, ts_ns, packet in self.marks if offset >= cut]
        self._ends = {offset - cut for offset in self._ends if offset >= cut}
        self._pending = [(need - cut, at - cut) for need, at in self._pending if at >= cut]
        self._scanned = max(0, self._scanned - cut)

    def _judge(self, at: int) -> int:
        """Follow the chain of frames from a candidate: accepted, rejected, or the octets needed to tell."""
        buffer, size = self.buffer, len(self.buffer)
        score = frames = 0
        where = at
        is_masked: bool | None = None
        for frames in range(_CHAIN):
            header = plausible_header(buffer, where, self._message_bytes)
            if header is None:
                return _REJECT
            if isinstance(header, int):
                # The bytes end between two frames, or inside a header.
                return self._verdict(score, at, where, size, frames) or where + header
            if is_masked is None:
                is_masked = header.is_masked
            if header.is_masked != is_masked or (header.first & 0x40 and not self.allows_deflate):
                return _REJECT
            if header.end > size:
                return _ACCEPT if score >= _STRONG and self._accept(is_masked) else header.end
            grade = self._grade(header)
            mask_is_wrong = self.expects_mask is not None and is_masked != self.expects_mask
            if grade < _STRONG and (mask_is_wrong or (not frames and not self._is_whole(at, header.end, grade))):
                return _REJECT
            score += grade
            self.is_masked = is_masked
            where = header.end
        return self._verdict(score, at, where, size, frames + 1)

    def _is_whole(self, at: int, end: int, grade: int) -> bool:
        """Whether a first frame that does not prove itself begins and ends with segments.

        Otherwise octets inside of a payload could pass for a frame that happens to end where a real one begins.
        """
        return grade > 0 and at in self._ends and (end in self._ends or end == len(self.buffer))

    def _accept(self, is_masked: bool) -> bool:
        self.is_masked = is_masked
        return True

    def _verdict(self, score: int, at: int, where: int, size: int, frames: int) -> int:
        if score >= _STRONG and (self.is_known or at in self._ends or where == size):
            return _ACCEPT
        # That frames begin and end with segments proves something only when there are not more segments than frames.
        segments = len(self.marks) - bisect_left(self.marks, (at, 0, 0))
        is_aligned = at in self._ends and where == size and segments <= frames
        if is_aligned and score >= (_MEDIUM if self.is_known else _STRONG):
            return _ACCEPT
        return _REJECT

    def _grade(self, header: Header) -> int:  # noqa: PLR0911 - one return a kind of frame
        """How much the payload of a whole frame proves."""
        opcode = header.first & 0x0F
        if opcode == 0 or (opcode == 2 and not header.first & 0x40):
            return _WEAK if self.is_known else 0
        if opcode in (9, 10):
            return _WEAK
        stop = header.end if opcode == 8 else min(header.end, header.start + _PREVIEW_BYTES)
        payload = bytes(self.buffer[header.start : stop])
        if header.is_masked:
            payload = unmask(payload, bytes(self.buffer[header.start - 4 : header.start]))
        if opcode == 8:
            if not payload:
                return _WEAK
            is_valid = len(payload) >= 2 and is_valid_close_code(int.from_bytes(payload[:2], "big"))
            return _MEDIUM if is_valid and (len(payload) == 2 or looks_like_text(payload[2:].ljust(8))) else 0
        if header.first & 0x40:
            text = inflate_alone(payload, _PREVIEW_BYTES)
            return _STRONG if text is not None and looks_like_ocpp(text, complete=False) else _WEAK
        is_complete = bool(header.first & 0x80) and stop == header.end
        if looks_like_ocpp(payload, complete=is_complete):
            return _STRONG
        return _MEDIUM if looks_like_text(payload) else 0
