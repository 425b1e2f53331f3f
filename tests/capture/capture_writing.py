"""Packets in, octets of capture files out: every format written by hand, so that the reader is not its own oracle."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.model import Anomaly, split_packet_key

START_NS = 1_700_000_000 * 10**9


@dataclass(frozen=True)
class Packet:
    ts_ns: int
    data: bytes
    original: int | None = None

    @property
    def length(self) -> int:
        return len(self.data) if self.original is None else self.original


def some_packets(count: int, *, start_ns: int = START_NS, step_ns: int = 1_000_000, tag: bytes = b"") -> list[Packet]:
    return [Packet(start_ns + i * step_ns, tag + bytes([i & 255]) * (20 + i % 37)) for i in range(count)]


def pcap(
    packets: Iterable[Packet],
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    fraction_ns: int = 1000,
    link: int = 1,
    header_extra: bytes = b"",
    version: tuple[int, int] = (2, 4),
    swapped: bool = False,
    behind_header: bytes = b"",
) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, *version, 0, 0, 262_144, link) + behind_header
    for packet in packets:
        seconds, rest = divmod(packet.ts_ns, 10**9)
        lengths = (len(packet.data), packet.length)
        if swapped:
            lengths = lengths[::-1]
        out += struct.pack(order + "4I", seconds, rest // fraction_ns, *lengths) + header_extra + packet.data
    return out


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(link: int = 1, *, order: str = "<", snaplen: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(
    packet: Packet, *, order: str = "<", number: int = 0, ticks: int | None = None, options: bytes = b""
) -> bytes:
    if ticks is None:
        ticks = packet.ts_ns // 1000
    head = struct.pack(order + "5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(packet.data), packet.length)
    return block(6, head + packet.data + bytes(-len(packet.data) % 4) + options, order)


def pcapng(packets: Iterable[Packet], *, order: str = "<", link: int = 1) -> bytes:
    return section(order) + interface(link, order=order) + b"".join(enhanced(p, order=order) for p in packets)


@dataclass
class Reading:
    reader: CaptureReader
    rows: list[tuple[int, int, int, bytes, int, int, int]]  # capture, frame, ts_ns, data, original, link, interface
    anomalies: list[Anomaly]
    positions: list[int]

    @property
    def packets(self) -> list[Packet]:
        return [Packet(row[2], row[3], row[4]) for row in self.rows]

    @property
    def names(self) -> list[str]:
        return [anomaly.name for anomaly in self.anomalies]


def read(paths: Sequence[str | Path], **options: Any) -> Reading:
    rows, anomalies, positions = [], [], []
    with CaptureReader(paths, **options) as reader:
        for batch in reader:
            sizes = {
                len(column) for column in (batch.packet, batch.position, batch.ts_ns, batch.offset, batch.captured)
            }
            assert sizes == {len(batch.original)} == {len(batch.link)} == {len(batch.interface)}
            assert batch.octets.dtype == np.uint8
            assert not batch.octets.flags.writeable
            for i in range(len(batch.packet)):
                at, size = int(batch.offset[i]), int(batch.captured[i])
                assert 0 <= at <= at + size <= len(batch.octets)
                data = batch.octets[at : at + size].tobytes()
                key = split_packet_key(int(batch.packet[i]))
                rest = (int(batch.original[i]), int(batch.link[i]), int(batch.interface[i]))
                rows.append((*key, int(batch.ts_ns[i]), data, *rest))
            positions += batch.position.tolist()
            anomalies += batch.anomalies
    assert positions == list(range(len(positions)))
    return Reading(reader, rows, anomalies, positions)


def read_octets(directory: Path, octets: bytes, **options: Any) -> Reading:
    path = directory / "capture"
    path.write_bytes(octets)
    return read([path], **options)


def whole(packets: Iterable[Packet]) -> list[Packet]:
    """The packets with their original length written out, as a reading gives them."""
    return [Packet(packet.ts_ns, packet.data, packet.length) for packet in packets]
