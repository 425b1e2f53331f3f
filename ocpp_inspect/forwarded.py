"""First octets of a connection in; the PROXY protocol's headers before its payload, and whom they name, out.

Load balancers that pass TCP on (HAProxy, stunnel, hitch, those of clouds) put such a header in front of what the client
says, even of its TLS. The document meant by clauses is HAProxy's `doc/proxy-protocol.txt`, versions 1 and 2.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from ocpp_inspect.limits import PROXY_HEADERS

UNKNOWN: Final = "unknown"
"""The source when a header tells none; the word that RFC 7239 §6.2 has for it."""

_SHORTEST: Final = 6  # octets that tell the beginning of either version from everything else that is read
_LINE: Final = b"PROXY "
_LINE_OCTETS: Final = 107  # §2.1: the longest line, its CRLF included
_TOLD: Final = re.compile(rb"PROXY (TCP4|TCP6) (\S+) \S+ \d{1,5} \d{1,5}$")
_UNTOLD: Final = re.compile(rb"PROXY UNKNOWN(?: .*)?$")
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED: Final = struct.Struct("!12sBBH")  # §2.2: signature, version and command, family and transport, length
_VERSION: Final = 2
_LOCAL, _PROXY = range(2)
_FAMILIES: Final = {0: 0, 1: 12, 2: 36, 3: 216}  # octets of the addresses


class Headers(NamedTuple):
    """`octets` long at the beginning of a stream; 0: there is none. The last one names the first client."""

    octets: int
    source: str  # its address, or UNKNOWN


def begins_with_header(data: bytes) -> bool:
    """Whether the octets begin like a header; never for fewer than 6 of them."""
    return len(data) >= _SHORTEST and (data.startswith(_LINE) or data.startswith(_SIGNATURE[: len(data)]))


def read_headers(data: bytes) -> Headers | None:
    """The headers at the beginning, those of nested balancers one behind another; None while they are incomplete."""
    at, source = 0, ""
    for _ in range(PROXY_HEADERS):
        if not begins_with_header(data[at : at + len(_SIGNATURE)]):
            break
        found = _read_line(data, at) if data.startswith(_LINE, at) else _read_binary(data, at)
        if found is None:
            return None
        if not found.octets:
            break
        at, source = at + found.octets, found.source
    return Headers(at, source)


_NONE: Final = Headers(0, "")


def _read_line(data: bytes, at: int) -> Headers | None:
    """Version 1 (§2.1): a line of text."""
    end = data.find(b"\r\n", at, at + _LINE_OCTETS)
    if end < 0:
        return _NONE if len(data) - at >= _LINE_OCTETS else None
    line = data[at:end]
    octets = end + 2 - at
    told = _TOLD.match(line)
    if told is None:
        return Headers(octets, UNKNOWN) if _UNTOLD.match(line) else _NONE
    try:
        return Headers(octets, str(ip_address(told[2].decode("latin-1"))))
    except ValueError:
        return _NONE


def _read_binary(data: bytes, at: int) -> Headers | None:
    """Version 2 (§2.2): a block of fixed length, addresses, and fields that are skipped."""
    if len(data) - at < _FIXED.size:
        return None
    _, command, family, length = _FIXED.unpack_from(data, at)
    addresses = _FAMILIES.get(family >> 4)
    if command >> 4 != _VERSION or command & 15 > _PROXY or addresses is None or family & 15 > 2:
        return _NONE
    if len(data) - at < _FIXED.size + length:
        return None
    start = at + _FIXED.size
    source = UNKNOWN
    if command & 15 != _LOCAL and length >= addresses:
        if family >> 4 == 1:
            source = str(IPv4Address(data[start : start + 4]))
        elif family >> 4 == 2:
            source = str(IPv6Address(data[start : start + 16]))
    return Headers(_FIXED.size + length, source)
