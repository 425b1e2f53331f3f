"""Stream bytes of one direction in, HTTP/1.1 heads and bodies (or their beginnings) out; bounded.

For every room that reads HTTP: WebSocket handshakes, SOAP.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ocpp_inspect import limits

METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")
_REQUEST_STARTS: Final = tuple(method + b" " for method in METHODS)
_REQUEST_LINE: Final = re.compile(rb"([A-Z]+) +(\S.*?) +HTTP/(\d)\.(\d)\s*$")
_STATUS_LINE: Final = re.compile(rb"HTTP/(\d)\.(\d) +(\d{3})(?: .*|\s*)$")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LINE_END: Final = re.compile(rb"\r?\n")
_TAG: Final = re.compile(rb"</[A-Za-z]|<[A-Za-z][\w.-]*:[A-Za-z]|xmlns")
_HEXADECIMAL: Final = re.compile(rb"\s*([0-9A-Fa-f]{1,15})\s*(?:;.*)?$")


def starts_request(data: bytes) -> bool | None:
    """Whether the octets begin an HTTP/1 request; None while there are too few of them."""
    data = data.lstrip(b"\r\n")
    if data.startswith(_REQUEST_STARTS):
        return True
    if any(start.startswith(data) for start in _REQUEST_STARTS):
        return None
    return False


def starts_response(data: bytes) -> bool | None:
    """Whether the octets begin an HTTP/1 response; None while there are too few of them."""
    if data.startswith(b"HTTP/1."):
        return True
    return None if b"HTTP/1.".startswith(data) else False


def may_be_inside_xml(data: bytes) -> bool:
    """Whether octets from the middle of a stream may be of an XML body: a tag begins or ends in them."""
    return _TAG.search(data) is not None


class Head(NamedTuple):
    """A request's or a response's head. Header names are in lower case, repeated ones joined by a comma."""

    method: str  # "" in a response
    target: str
    status: int  # 0 in a request
    minor: int  # of HTTP/1.x
    headers: dict[str, str]
    bad_lines: list[str]
    is_partial: bool = False  # its end was not captured

    def has_token(self, name: str, token: str) -> bool:
        """Whether a comma-separated header contains a word, in any case."""
        return token in (word.strip().lower() for word in self.headers.get(name, "").split(","))

    def words(self, name: str) -> tuple[str, ...]:
        """The words of a comma-separated header."""
        return tuple(word.strip() for word in self.headers.get(name, "").split(",") if word.strip())

    @property
    def is_upgrade(self) -> bool:
        """Whether a request tries to become a WebSocket, however badly."""
        return self.has_token("upgrade", "websocket") or any(name.startswith("sec-websocket-") for name in self.headers)


class Fault(NamedTuple):
    """The bytes are no HTTP, or more than is kept."""

    is_too_long: bool


class BodyEnd(NamedTuple):
    """A body is complete: its first octets, as many as are kept."""

    excerpt: bytes
    octets: int = 0  # of the whole body
    missing: int = 0  # of them, not captured


def parse_head(block: bytes) -> Head | None:
    """A head without its empty line; None when its first line is no HTTP/1."""
    lines = _LINE_END.split(block)
    method, target, status = "", "", 0
    request = _REQUEST_LINE.match(lines[0])
    if request is not None:
        method, target = request[1].decode("ascii"), request[2].decode("latin-1")
        major, minor = int(request[3]), int(request[4])
    else:
        response = _STATUS_LINE.match(lines[0])
        if response is None:
            return None
        major, minor, status = int(response[1]), int(response[2]), int(response[3])
    if major != 1:
        return None
    headers: dict[str, str] = {}
    bad_lines: list[str] = []
    last = ""
    for line in lines[1:]:
        text = line.decode("latin-1")
        if text[:1] in (" ", "\t") and last:  # RFC 9112 §5.2: an old way to continue a line
            headers[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or name != name.strip():
            bad_lines.append(text)
            if not colon:
                continue
        last = name.strip().lower()
        value = value.strip()
        headers[last] = f"{headers[last]}, {value}" if last in headers else value
    return Head(method, target, status, minor, headers, bad_lines)


class HttpReader:
    """One direction of an HTTP/1 connection. The owner asks `read` until None and tells what follows.

    `keeps` is how many octets of a body are kept.
    """

    __slots__ = ("_excerpt", "_left", "_missing", "_octets", "_scanned", "_state", "buffer", "keeps")

    def __init__(self, keeps: int = limits.HTTP_EXCERPT_BYTES) -> None:
        self.keeps = keeps
        self._octets = 0
        self._missing = 0
        self.buffer = bytearray()
        self._state = "head"
        self._left = 0
        self._scanned = 0  # octets that hold no end of a head
        self._excerpt = bytearray()

    @property
    def awaits_head(self) -> bool:
        """Whether the next octet is the first of a head."""
        return self._state == "head" and not self.buffer

    @property
    def held_bytes(self) -> int:
        """Octets in memory."""
        return len(self.buffer) + len(self._excerpt)

    @property
    def is_in_body_until_close(self) -> bool:
        """Whether only the end of the connection ends the body."""
        return self._state == "close"

    @property
    def excerpt(self) -> bytes:
        """The first octets of the body being read."""
        return bytes(self._excerpt)

    def feed(self, data: bytes) -> None:
        """Add octets."""
        self.buffer += data

    def take_rest(self) -> bytes:
        """The octets behind the last head, for whoever reads them instead."""
        rest = bytes(self.buffer)
        self.buffer = bytearray()
        self._scanned = 0
        return rest

    def gap(self, length: int) -> bool:
        """Octets are missing; True when they all belong to a body (or chunk) of known length."""
        if self._state == "close":
            self._missing += max(length, 1)
            return True
        if self._state not in ("length", "chunk-data") or not 0 < length <= self._left:
            return False
        self._left -= length
        self._octets += length
        self._missing += length
        return True

    def finish(self) -> BodyEnd | None:
        """The connection ends, and with it the body that only its end delimits, if one is being read."""
        if self._state != "close":
            return None
        self._state = "head"
        return self._body_end()

    def search(self, starts: tuple[bytes, ...]) -> bool:
        """Begin anew at the first of these octets, wherever they are; what lies before is dropped."""
        self._state, self._scanned, self._excerpt = "head", 0, bytearray()
        at = min((at for start in starts if (at := self.buffer.find(start)) >= 0), default=-1)
        if at >= 0:
            del self.buffer[:at]
            return True
        del self.buffer[: max(0, len(self.buffer) - max(map(len, starts)))]
        return False

    def take_partial_head(self) -> Head | None:
        """What was captured of a head whose rest is missing: its whole lines, when the first one is among them."""
        if self._state != "head":
            return None
        octets = self.take_rest().lstrip(b"\r\n")
        end = octets.rfind(b"\n")
        head = parse_head(octets[:end].rstrip(b"\r")) if end > 0 else None
        return None if head is None else head._replace(is_partial=True)

    def expect_body(self, head: Head, *, may_have_body: bool = True) -> None:
        """RFC 9112 §6.3: how long the body behind `head` is."""
        self._excerpt = bytearray()
        self._left = self._octets = self._missing = 0
        length = head.headers.get("content-length", "").split(",")[0].strip()
        if not may_have_body:
            self._state = "length"
        elif head.has_token("transfer-encoding", "chunked"):
            self._state = "chunk-size"
        elif length.isascii() and length.isdigit() and len(length) < 16:
            self._state, self._left = "length", int(length)
        elif head.status:
            self._state = "close"
        else:
            self._state = "length"

    def read(self) -> Head | BodyEnd | Fault | None:  # noqa: PLR0911 - one return a state
        """The next thing that is complete."""
        while True:
            if self._state == "head":
                return self._read_head()
            if self._state in ("length", "close", "chunk-data"):
                if self._state == "close":
                    self._take(len(self.buffer))
                    return None
                self._left -= self._take(self._left)
                if self._left:
                    return None
                if self._state == "length":
                    self._state = "head"
                    return self._body_end()
                self._state = "chunk-end"
            line = self._read_line()
            if line is None:
                return Fault(True) if len(self.buffer) > limits.HTTP_HEAD_BYTES else None
            if self._state == "chunk-size":
                size = _HEXADECIMAL.match(line)
                if size is None:
                    return Fault(False)
                self._left = int(size[1], 16)
                self._state = "chunk-data" if self._left else "trailer"
            elif self._state == "chunk-end":
                self._state = "chunk-size"
            elif not line:  # the end of the trailer
                self._state = "head"
                return self._body_end()

    def _body_end(self) -> BodyEnd:
        end = BodyEnd(bytes(self._excerpt), self._octets, self._missing)
        self._excerpt = bytearray()
        return end

    def _read_head(self) -> Head | Fault | None:
        blank = 0
        while blank < len(self.buffer) and self.buffer[blank] in (
            0x0A,
            0x0D,
        ):  # RFC 9112 §2.2: empty lines before a request
            blank += 1
        if blank:
            del self.buffer[:blank]
        end = _HEAD_END.search(self.buffer, self._scanned)
        if end is None:
            if len(self.buffer) > limits.HTTP_HEAD_BYTES:
                self.take_rest()
                return Fault(True)
            self._scanned = max(0, len(self.buffer) - 3)
            return None
        self._scanned = 0
        head = parse_head(bytes(self.buffer[: end.start()]))
        del self.buffer[: end.end()]
        return Fault(False) if head is None else head

    def _read_line(self) -> bytes | None:
        end = self.buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(self.buffer[:end]).rstrip(b"\r")
        del self.buffer[: end + 1]
        return line

    def _take(self, octets: int) -> int:
        taken = min(octets, len(self.buffer))
        self._octets += taken
        room = self.keeps - len(self._excerpt)
        if room > 0:
            self._excerpt += self.buffer[: min(taken, room)]
        del self.buffer[:taken]
        return taken
