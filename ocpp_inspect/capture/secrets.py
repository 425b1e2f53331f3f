"""A pcapng file in; the decryption secrets anywhere inside of it out, before its packets are read.

A block of secrets should stand in front of the packets that need it (draft-ietf-opsawg-pcapng §4.7), but not every
writer keeps to that. Only plain files are walked, from header to header (0.3 µs a block); of compressed ones and pipes
the secrets are known when the reader comes to them.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final

from ocpp_inspect.limits import BLOCK_OCTETS, CAPTURE_SECRETS_OCTETS

_SECTION: Final = 0x0A0D0D0A
_SECRETS: Final = 10
_LEAST_BLOCK: Final = 12


def secrets_in(path: str) -> list[tuple[int, bytes]]:
    """(type, data) of each block of secrets; what follows the first damage is not looked at."""
    if not Path(path).is_file() or Path(path).stat().st_size < _LEAST_BLOCK:
        return []
    with Path(path).open("rb") as file:
        if file.read(4) != _SECTION.to_bytes(4, "big"):
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
            return _walk(octets)


def _walk(octets: mmap.mmap) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    total, at, end = 0, 0, len(octets)
    little, big = struct.Struct("<II"), struct.Struct(">II")
    header = little
    while at + _LEAST_BLOCK <= end:
        kind, length = header.unpack_from(octets, at)
        if kind == _SECTION:  # the same in both orders
            header = little if octets[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else big
            length = header.unpack_from(octets, at)[1]
        if not _LEAST_BLOCK <= length <= BLOCK_OCTETS:
            break
        if kind == _SECRETS and at + 16 <= end:
            secrets, size = header.unpack_from(octets, at + 8)
            total += size
            if total > CAPTURE_SECRETS_OCTETS:
                break
            found.append((secrets, octets[at + 16 : min(at + 16 + size, at + length - 4)]))
        at += length
    return found
