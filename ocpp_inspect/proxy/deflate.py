"""Compressed payloads of one direction in, text out; and text of our own in, compressed payloads out (RFC 7692)."""

from __future__ import annotations

import re
import zlib
from typing import Final, NamedTuple

from ocpp_inspect.limits import PROXY_MESSAGE_BYTES
from ocpp_inspect.proxy.interception import Sender

_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692 §7.2.1
_WINDOW_BITS: Final = re.compile(r"^(?P<end>client|server)_max_window_bits\s*=\s*\"?(?P<bits>\d+)\"?$")


class Agreement(NamedTuple):
    """permessage-deflate of one direction, as the answer to the upgrade agreed on it."""

    no_takeover: bool
    window_bits: int


def agreed(extensions: str, sender: Sender) -> Agreement | None:
    """What the accepted Sec-WebSocket-Extensions say about the messages of one sender; None: no compression."""
    end = "client" if sender == "station" else "server"
    for extension in extensions.split(","):
        name, *parameters = (part.strip().lower() for part in extension.split(";"))
        if name != "permessage-deflate":
            continue
        bits = 15
        for parameter in parameters:
            found = _WINDOW_BITS.match(parameter)
            if found is not None and found["end"] == end and 8 <= int(found["bits"]) <= 15:
                bits = int(found["bits"])
        return Agreement(f"{end}_no_context_takeover" in parameters, bits)
    return None


class Inflation:
    """Reads the compressed messages of one sender, all of them from the first on."""

    __slots__ = ("_agreement", "_is_lost", "_stream")

    def __init__(self, agreement: Agreement) -> None:
        self._agreement = agreement
        self._stream = zlib.decompressobj(-15)
        self._is_lost = False

    def lose(self) -> None:
        """A message was not read: what refers to it cannot be read either."""
        self._is_lost = not self._agreement.no_takeover

    def inflate(self, payload: bytes) -> bytes | None:
        """The message; None when it cannot be read."""
        if self._is_lost:
            return None
        if self._agreement.no_takeover:
            self._stream = zlib.decompressobj(-15)
        try:
            message = self._stream.decompress(payload + _TAIL, PROXY_MESSAGE_BYTES + 1)
        except zlib.error:
            self.lose()
            return None
        if len(message) > PROXY_MESSAGE_BYTES:
            self.lose()
            return None
        if self._stream.eof:  # a final block (RFC 7692 §7.2.3.4): zlib cannot go on behind it with the same window
            self._stream = zlib.decompressobj(-15, zdict=message[-32_768:])
        return message


class Deflation:
    """Compresses messages of our own for one receiver."""

    __slots__ = ("_agreement", "_stream")

    def __init__(self, agreement: Agreement) -> None:
        self._agreement = agreement
        self._stream: zlib._Compress | None = None

    def deflate(self, message: bytes) -> bytes | None:
        """The compressed payload; None when zlib has no window as small as the one agreed on."""
        bits = self._agreement.window_bits
        if bits < 9:  # zlib silently takes 9 for 8
            return None
        if self._stream is None or self._agreement.no_takeover:
            self._stream = zlib.compressobj(wbits=-bits)
        compressed = self._stream.compress(message) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return compressed.removesuffix(_TAIL)
