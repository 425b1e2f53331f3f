"""A pcap of tcpdump in; the same packets with virtual times, as pcap or as one pcapng with several interfaces, out."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

Shift = Callable[[int], int]


def read_pcap(path: Path) -> tuple[int, int, list[tuple[int, int, bytes]]]:
    """(link type, snaplen, [(time in ns, original length, octets)]) of tcpdump's nanosecond pcap."""
    data = path.read_bytes()
    magic, _, _, _, _, snaplen, link = struct.unpack_from("<IHHiIII", data)
    assert magic == 0xA1B23C4D, "recorded with --time-stamp-precision=nano"
    packets: list[tuple[int, int, bytes]] = []
    at = 24
    while at < len(data):
        seconds, rest, captured, original = struct.unpack_from("<IIII", data, at)
        packets.append((seconds * 10**9 + rest, original, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return link, snaplen, packets


def write_pcap(raw: Path, target: Path, shift: Shift, *, nanoseconds: bool = False) -> None:
    """Shift the times; microseconds unless asked otherwise, as tcpdump writes by default."""
    link, snaplen, packets = read_pcap(raw)
    unit_ns, magic = (1, 0xA1B23C4D) if nanoseconds else (1000, 0xA1B2C3D4)
    with target.open("wb") as file:
        file.write(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen, link))
        for time_ns, original, octets in packets:
            seconds, rest = divmod(shift(time_ns), 10**9)
            file.write(struct.pack("<IIII", seconds, rest // unit_ns, len(octets), original) + octets)


def write_pcapng(raws: dict[str, Path], target: Path, shift: Shift, comment: str, secrets: bytes = b"") -> None:
    """One section, one interface with nanoseconds for each file, all packets in time order; gzip by name."""

    def blocks() -> Iterator[bytes]:
        yield _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _option(1, comment.encode()) + _END)
        packets: list[tuple[int, int, int, bytes]] = []
        for number, (name, raw) in enumerate(raws.items()):
            link, snaplen, found = read_pcap(raw)
            options = _option(2, name.encode()) + _option(9, b"\x09") + _END
            yield _block(1, struct.pack("<HHI", link, 0, snaplen) + options)
            packets += [(shift(time_ns), number, original, octets) for time_ns, original, octets in found]
        if secrets:  # a TLS key log: draft-ietf-opsawg-pcapng §4.7
            yield _block(10, struct.pack("<II", 0x544C534B, len(secrets)) + secrets + bytes(-len(secrets) % 4))
        for time_ns, number, original, octets in sorted(packets, key=lambda packet: packet[0]):
            head = struct.pack("<IIIII", number, time_ns >> 32, time_ns & 0xFFFFFFFF, len(octets), original)
            yield _block(6, head + octets + bytes(-len(octets) % 4))

    content = b"".join(blocks())
    target.write_bytes(gzip.compress(content, mtime=0) if target.suffix == ".gz" else content)


_END = b"\0\0\0\0"


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
