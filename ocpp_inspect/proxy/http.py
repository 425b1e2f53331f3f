"""Octets of one direction of HTTP/1 in, heads and bodies in order out; and heads changed where a proxy must.

Every octet comes out again: what the analysis only looks at (`ocpp_inspect/http.py`), the proxy has to forward.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ocpp_inspect.http import Head, parse_head
from ocpp_inspect.limits import HTTP_HEAD_BYTES

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE: Final = re.compile(rb"([^\s]+[ \t]+)([^\r\n]*?)([ \t]+HTTP/\d\.\d[ \t]*\r?\n)")
_HOST: Final = re.compile(rb"(\nhost[ \t]*:[ \t]*)([^\r\n]*)", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(
    rb"(\n(?:proxy-)?authorization[ \t]*:[ \t]*)([^\s\r\n]+)([ \t]+)([^\r\n]*)", re.IGNORECASE
)
_EXTENSIONS: Final = re.compile(rb"\nsec-websocket-extensions[ \t]*:[^\n]*", re.IGNORECASE)
_SIZE: Final = re.compile(rb"\s*([0-9A-Fa-f]{1,15})\s*(?:;.*)?$")


class HeadError(ValueError):
    """The octets are no HTTP/1, or their head is longer than the limit."""


class Piece(NamedTuple):
    """A head (parsed, with its octets), or octets of a body."""

    octets: bytes
    head: Head | None = None
    is_last: bool = False  # of a body: the message ends here


class HttpReader:
    """One direction. The owner tells behind each head what body it has, before it asks for the next piece."""

    __slots__ = ("_buffer", "_left", "_state")

    def __init__(self) -> None:
        self._buffer = b""
        self._state = "head"
        self._left = 0

    @property
    def is_between_messages(self) -> bool:
        """Whether nothing is held, and the next octet begins a head."""
        return self._state == "head" and not self._buffer

    def keep(self, data: bytes) -> None:
        """Octets for later: nobody asks for pieces now."""
        self._buffer += data

    def take_rest(self) -> bytes:
        """The octets behind the last head, which are no HTTP."""
        rest, self._buffer = self._buffer, b""
        return rest

    def expect_body(self, head: Head, *, may_have_body: bool = True) -> bool:
        """RFC 9112 §6.3: how long the body behind `head` is; returns whether there is any."""
        length = head.headers.get("content-length", "").split(",")[0].strip()
        self._left = 0
        if not may_have_body:
            self._state = "head"
        elif head.has_token("transfer-encoding", "chunked"):
            self._state = "size"
        elif length.isascii() and length.isdigit() and 0 < len(length) < 16:
            self._left = int(length)
            self._state = "length" if self._left else "head"
        else:
            self._state = "close" if head.status else "head"
        return self._state != "head"

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Pieces that are complete. Raises HeadError."""
        self._buffer += data
        while self._buffer:
            if self._state == "head":
                piece = self._read_head()
            elif self._state in ("length", "chunk"):
                piece = self._read_counted()
            elif self._state == "close":
                piece = Piece(self.take_rest())
            else:
                piece = self._read_line()
            if piece is None:
                return
            yield piece

    def _read_head(self) -> Piece | None:
        begin = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))  # RFC 9112 §2.2
        end = _HEAD_END.search(self._buffer, begin)
        if end is None or end.end() > HTTP_HEAD_BYTES:
            if len(self._buffer) > HTTP_HEAD_BYTES:
                raise HeadError(f"no end of the head in {HTTP_HEAD_BYTES} octets")
            return None
        head = parse_head(self._buffer[begin : end.start()])
        if head is None:
            raise HeadError(f"no HTTP/1 at {self._buffer[begin : begin + 40]!r}")
        octets, self._buffer = self._buffer[: end.end()], self._buffer[end.end() :]
        return Piece(octets, head)

    def _read_counted(self) -> Piece:
        octets, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(octets)
        is_last = False
        if not self._left:
            is_last = self._state == "length"
            self._state = "head" if is_last else "chunk-end"
        return Piece(octets, None, is_last)

    def _read_line(self) -> Piece | None:
        end = self._buffer.find(b"\n") + 1
        if not end:
            if len(self._buffer) > HTTP_HEAD_BYTES:
                raise HeadError("no end of a chunk's first line")
            return None
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        is_last = False
        if self._state == "size":
            size = _SIZE.match(line.rstrip(b"\r\n"))
            if size is None:
                raise HeadError(f"no size of a chunk: {line[:40]!r}")
            self._left = int(size[1], 16)
            self._state = "chunk" if self._left else "trailer"
        elif self._state == "chunk-end":
            self._state = "size"
        elif not line.rstrip(b"\r\n"):
            self._state, is_last = "head", True
        return Piece(line, None, is_last)


def redirect(octets: bytes, target: str | None, host: str | None) -> bytes:
    """A request's head with another target and Host; everything else, the order and the case of names, stays."""
    if target is not None:
        begin = len(octets) - len(octets.lstrip(b"\r\n"))
        line = _REQUEST_LINE.match(octets, begin)
        if line is not None:
            octets = octets[: line.start(2)] + target.encode("latin-1") + octets[line.end(2) :]
    if host is not None:
        field = _HOST.search(octets)
        if field is not None:
            octets = octets[: field.start(2)] + host.encode("latin-1") + octets[field.end(2) :]
    return octets


def without_extensions(octets: bytes) -> bytes:
    """A request's head that offers no extensions."""
    return _EXTENSIONS.sub(b"", octets)


def mask_credentials(octets: bytes) -> bytes:
    """The same head, equally long, without passwords and tokens: what may be stored.

    Of Basic authentication the user and the length of the password stay (RFC 7617 §2).
    """

    def masked(found: re.Match[bytes]) -> bytes:
        scheme, secret = found[2], found[4].rstrip()
        rest = found[4][len(secret) :]
        if scheme.lower() == b"basic":
            try:
                user, colon, password = base64.b64decode(secret, validate=True).partition(b":")
            except (binascii.Error, ValueError):
                pass
            else:
                hidden = base64.b64encode(user + colon + b"*" * len(password))
                return found[1] + scheme + found[3] + hidden + rest
        return found[1] + scheme + found[3] + b"*" * len(secret) + rest

    return _CREDENTIALS.sub(masked, octets)


def answer(status: int, reason: str, body: str, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A whole answer of the proxy itself, which ends the connection."""
    octets = body.encode()
    lines = [f"HTTP/1.1 {status} {_one_line(reason)}", "Content-Type: text/plain; charset=utf-8"]
    lines += [f"{_one_line(name)}: {_one_line(value)}" for name, value in headers]
    lines += [f"Content-Length: {len(octets)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + octets


def _one_line(text: str) -> str:
    return "".join(each for each in text if each >= " ")
