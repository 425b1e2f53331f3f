"""A pcap file in; its records, to be changed and written again as pcap or pcapng, out.

Written for the fuzzers only and apart from the capture room, so that a fault of that room cannot hide itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

ETHERNET = 1


@dataclass(slots=True)
class Record:
    """One captured packet; `original` is what its record says about the length on the wire."""

    ts_ns: int
    original: int
    data: bytearray

    def copy(self) -> Record:
        return Record(self.ts_ns, self.original, bytearray(self.data))


class Place(NamedTuple):
    """Offsets inside a packet, and who talks to whom (addresses and ports as octets)."""

    ip: int
    tcp: int
    payload: int
    end: int
    source: bytes
    target: bytes


def read_pcap(octets: bytes) -> list[Record]:
    """Records of a little-endian pcap: all that the samples need."""
    units = {b"\xd4\xc3\xb2\xa1": 1000, b"\x4d\x3c\xb2\xa1": 1}
    unit_ns = units[octets[:4]]
    records, at = [], 24
    while at + 16 <= len(octets):
        seconds, fraction, captured, original = struct.unpack_from("<IIII", octets, at)
        at += 16
        data = bytearray(octets[at : at + captured])
        records.append(Record(seconds * 10**9 + fraction * unit_ns, original, data))
        at += captured
    return records


def write_pcap(records: list[Record], *, big: bool = False, nanoseconds: bool = False) -> bytes:
    order, unit = ">" if big else "<", 1 if nanoseconds else 1000
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, ETHERNET)]
    for record in records:
        seconds, rest = divmod(record.ts_ns, 10**9)
        sizes = (len(record.data), record.original & 0xFFFFFFFF)
        parts.append(struct.pack(order + "IIII", seconds & 0xFFFFFFFF, rest // unit, *sizes))
        parts.append(bytes(record.data))
    return b"".join(parts)


def write_pcapng(records: list[Record]) -> bytes:
    """One section, one Ethernet interface with nanoseconds, Enhanced Packet Blocks."""
    interface = struct.pack("<HHI", ETHERNET, 0, 262144) + struct.pack("<HHB3x", 9, 1, 9) + bytes(4)
    parts = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, interface)]
    for record in records:
        length = len(record.data)
        head = struct.pack(
            "<IIIII",
            0,
            (record.ts_ns >> 32) & 0xFFFFFFFF,
            record.ts_ns & 0xFFFFFFFF,
            length,
            record.original & 0xFFFFFFFF,
        )
        parts.append(block(6, head + bytes(record.data) + bytes(-length % 4)))
    return b"".join(parts)


def block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def place_of(data: bytes | bytearray) -> Place | None:
    """Where the TCP header and payload of an Ethernet packet stand; None of anything else."""
    kind = bytes(data[12:14])
    if kind == b"\x08\x00" and len(data) >= 34 and data[23] == 6:
        tcp = 14 + (data[14] & 15) * 4
        end = 14 + int.from_bytes(data[16:18], "big")
        addresses = bytes(data[26:30]), bytes(data[30:34])
    elif kind == b"\x86\xdd" and len(data) >= 54 and data[20] == 6:
        tcp = 54
        end = 54 + int.from_bytes(data[18:20], "big")
        addresses = bytes(data[22:38]), bytes(data[38:54])
    else:
        return None
    if tcp + 20 > len(data):
        return None
    payload = tcp + (data[tcp + 12] >> 4) * 4
    end = min(end, len(data))
    source, target = (
        address + bytes(data[tcp + at : tcp + at + 2]) for address, at in zip(addresses, (0, 2), strict=True)
    )
    return Place(14, tcp, payload, max(end, payload), source, target) if payload <= len(data) else None


def payload_of(record: Record) -> bytes:
    place = place_of(record.data)
    return bytes(record.data[place.payload : place.end]) if place is not None else b""


def splice(records: list[Record], index: int, payload: bytes) -> None:
    """Give a packet another payload and move all sequence numbers behind it, so that the connection stays whole."""
    record = records[index]
    place = place_of(record.data)
    if place is None:
        return
    room = 65_000 - (place.payload - place.ip)
    payload = payload[:room]
    added = len(payload) - (place.end - place.payload)
    sequence = int.from_bytes(record.data[place.tcp + 4 : place.tcp + 8], "big")
    record.data[place.payload : place.end] = payload
    at = place.ip + (2 if record.data[12:14] == b"\x08\x00" else 4)
    total = int.from_bytes(record.data[at : at + 2], "big") + added
    record.data[at : at + 2] = (total & 0xFFFF).to_bytes(2, "big")
    record.original = len(record.data)
    for each in records:
        if each is record:
            continue
        other = place_of(each.data)
        if other is None:
            continue
        if (other.source, other.target) == (place.source, place.target):
            at = other.tcp + 4
            is_behind = 0 < (int.from_bytes(each.data[at : at + 4], "big") - sequence) % 2**32 < 2**31
        elif (other.target, other.source) == (place.source, place.target):
            at = other.tcp + 8
            is_behind = 0 < (int.from_bytes(each.data[at : at + 4], "big") - sequence) % 2**32 < 2**31
        else:
            continue
        if is_behind:
            number = int.from_bytes(each.data[at : at + 4], "big") + added
            each.data[at : at + 4] = (number % 2**32).to_bytes(4, "big")
