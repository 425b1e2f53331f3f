"""Compressed payloads in, message bytes out: RFC 7692 for an observer who may have missed the beginning."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from ocpp_inspect import limits

if TYPE_CHECKING:
    from ocpp_inspect.websocket.context import Context

_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692 §7.2.2: the sender cut it off
_WINDOW: Final = 32_768
_FINAL_BLOCKS: Final = 16  # finished deflate streams followed in one message; real senders make one

_OCPP_START: Final = re.compile(rb"\s*\[\s*[2-6]\s*,")
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class TooLargeError(Exception):
    """The message inflates beyond its bound."""


def looks_like_ocpp(text: bytes, *, complete: bool = True) -> bool:
    """Whether the text begins (and ends) as every OCPP-J message does, and is clean UTF-8."""
    if _OCPP_START.match(text) is None or _CONTROLS.search(text) is not None:
        return False
    if complete and not text.rstrip().endswith(b"]"):
        return False
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return not complete and error.start >= len(text) - 3
    return True


def looks_like_text(text: bytes) -> bool:
    """Whether the octets are printable UTF-8 of some length."""
    if len(text) < 8 or _CONTROLS.search(text) is not None:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def inflate_alone(payload: bytes, output_bytes: int) -> bytes | None:
    """The first octets of a message that needs no history, None when it does or is no deflate data.

    zlib refuses a distance that reaches behind the first octet, so a message that needs lost history never
    comes out as garbage.
    """
    try:
        return zlib.decompressobj(-15).decompress(payload + _TAIL, output_bytes)
    except zlib.error:
        return None


class Inflater:
    """One direction of one connection.

    `is_lost` says that the history is not (all) known. A message that decodes nevertheless makes the known history
    begin there: later messages may refer to it, and zlib refuses those that reach further back.
    """

    __slots__ = ("context", "is_kept", "is_lost", "last_position", "no_takeover", "stream", "tail", "was_dropped")

    def __init__(self, context: Context, *, no_takeover: bool, is_lost: bool = False) -> None:
        self.context = context
        self.no_takeover = no_takeover
        self.is_lost = is_lost
        self.stream: zlib._Decompress | None = None
        self.tail: bytes | None = None  # own copy of the window, kept only for senders of final blocks
        self.last_position = 0
        self.was_dropped = False  # by that bound; told with the next message
        self.is_kept = False  # in the context's list, which bounds how many windows are alive

    def lose(self) -> None:
        """Forget the history: a message was missed."""
        self.stream = None
        self.tail = None
        self.is_lost = not self.no_takeover

    def message(self, payload: bytes, *, is_text: bool) -> bytes | None:
        """The inflated message; None when it cannot be decoded. Raises TooLargeError, with the history lost."""
        was_lost = self.is_lost
        stream = self.stream
        if stream is not None:
            output = self._inflate(stream, payload)
            if output is not None:
                return output
        output = self._inflate(zlib.decompressobj(-15), payload)
        # Without known history only what proves itself is believed: a false message is worse than a missing one.
        if output is not None and (was_lost or stream is not None) and not (is_text and looks_like_ocpp(output)):
            output = None
        if output is None:
            self.lose()
        return output

    def _inflate(self, stream: zlib._Decompress, payload: bytes) -> bytes | None:
        bound = min(
            self.context.message_bytes, max(limits.INFLATE_FLOOR_BYTES, len(payload) * self.context.inflate_ratio)
        )
        try:
            output = stream.decompress(payload + _TAIL, bound + 1)
            if stream.eof:
                return self._after_final_block(stream, output, bound)
        except zlib.error:
            return None
        if len(output) > bound:
            self.lose()
            raise TooLargeError
        if self.no_takeover:
            self.stream = None
        else:
            self.stream = stream
            if not self.is_kept:
                self.context.keep_inflater(self)
            if self.tail is not None:
                self.tail = (self.tail + output)[-_WINDOW:]
        return output

    def _after_final_block(self, stream: zlib._Decompress, output: bytes, bound: int) -> bytes | None:
        """Go on behind a block marked final (RFC 7692 §7.2.3.4): zlib stops there, the window does not."""
        window = (self.tail or b"") + output
        for _ in range(_FINAL_BLOCKS):
            rest = stream.unused_data
            stream = zlib.decompressobj(-15, zdict=window[-_WINDOW:])
            if len(rest) <= len(_TAIL) + 1:  # nothing, or the empty block that the RFC asks for
                break
            more = stream.decompress(rest, bound + 1 - len(output))
            output += more
            window += more
            if len(output) > bound:
                self.lose()
                raise TooLargeError
            if not stream.eof:
                break
        else:
            return None
        if self.no_takeover:
            self.stream = None
        else:
            self.stream = stream
            self.tail = window[-_WINDOW:]
        return output
