"""Header fields in, packets out, by hand with struct; batches of them; what the network room makes of a batch."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import numpy as np

from ocpp_inspect.model import Anomaly, Flow, PacketBatch, SegmentBatch, packet_key
from ocpp_inspect.network import Network

START_NS = 1_700_000_000 * 10**9
STATION, CSMS = "10.0.0.7", "192.168.1.1"
STATION6, CSMS6 = "2001:db8::7", "2001:db8::1"
MAC = bytes.fromhex("020000000001020000000002")


def tcp(
    payload: bytes = b"",
    *,
    sport: int = 40000,
    dport: int = 80,
    seq: int = 1,
    ack: int = 1,
    flags: int = 0x18,
    window: int = 1000,
    options: bytes = b"",
    data_offset: int | None = None,
) -> bytes:
    size = (20 + len(options)) // 4 if data_offset is None else data_offset
    return struct.pack(">HHIIBBHHH", sport, dport, seq, ack, size << 4, flags, window, 0, 0) + options + payload


def udp(payload: bytes, *, sport: int = 50000, dport: int = 53) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def ipv4(
    body: bytes,
    *,
    source: str = STATION,
    target: str = CSMS,
    protocol: int = 6,
    identification: int = 0,
    fragment: int = 0x4000,
    ttl: int = 64,
    options: bytes = b"",
    total: int | None = None,
    head: int | None = None,
) -> bytes:
    first = 0x40 | (20 + len(options)) // 4 if head is None else head
    length = 20 + len(options) + len(body) if total is None else total
    addresses = ip_address(source).packed, ip_address(target).packed
    return (
        struct.pack(">BBHHHBBH", first, 0, length, identification, fragment, ttl, protocol, 0)
        + b"".join(addresses)
        + options
        + body
    )


def ipv6(
    body: bytes,
    *,
    source: str = STATION6,
    target: str = CSMS6,
    following: int = 6,
    length: int | None = None,
    head: int = 0x60,
) -> bytes:
    size = len(body) if length is None else length
    addresses = ip_address(source).packed + ip_address(target).packed
    return struct.pack(">B3xHBB", head, size, following, 64) + addresses + body


def ethernet(
    body: bytes, ethertype: int = 0x0800, *, tags: Sequence[int] = (), mac: bytes = MAC, pad: bool = True
) -> bytes:
    frame = mac + b"".join(struct.pack(">HH", tag, 5) for tag in tags) + struct.pack(">H", ethertype) + body
    return frame.ljust(60, b"\0") if pad else frame


@dataclass(frozen=True)
class Seen:
    """A packet as it was captured."""

    data: bytes
    original: int | None = None
    link: int = 1
    interface: int = 0
    ts_ns: int | None = None


@dataclass
class Result:
    rows: list[tuple[int, int, int, int, int, int, bytes, int]] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def payloads(self) -> list[bytes]:
        return [row[6] for row in self.rows]

    @property
    def names(self) -> list[str]:
        return [anomaly.name for anomaly in self.anomalies]


def batch_of(packets: Sequence[Seen], first: int = 0) -> PacketBatch:
    count = len(packets)
    octets = np.frombuffer(b"".join(packet.data for packet in packets), np.uint8)
    captured = np.array([len(packet.data) for packet in packets], np.int64)
    times = [START_NS + (first + i) * 10**9 if p.ts_ns is None else p.ts_ns for i, p in enumerate(packets)]
    return PacketBatch(
        octets=octets,
        packet=np.arange(count, dtype=np.int64) + packet_key(1, first + 1),
        position=np.arange(first, first + count, dtype=np.int64),
        ts_ns=np.array(times, np.int64),
        offset=np.cumsum(captured) - captured,
        captured=captured,
        original=np.array([len(p.data) if p.original is None else p.original for p in packets], np.int64),
        link=np.array([packet.link for packet in packets], np.int64),
        interface=np.array([packet.interface for packet in packets], np.int64),
    )


def take(result: Result, segments: SegmentBatch) -> None:
    columns = (segments.packet, segments.flow, segments.seq, segments.ack, segments.flags, segments.window)
    assert {len(column) for column in columns} == {len(segments.position)} == {len(segments.ts_ns)}
    for i in range(len(segments.packet)):
        at, size = int(segments.offset[i]), int(segments.length[i])
        assert 0 <= at <= at + size <= len(segments.octets)
        payload = segments.octets[at : at + size].tobytes()
        numbers = [int(column[i]) for column in columns]
        result.rows.append((*numbers, payload, int(segments.missing[i])))  # type: ignore[arg-type]
    assert (np.diff(segments.position) > 0).all()
    result.flows += segments.new_flows
    result.anomalies += segments.anomalies


def run(packets: Sequence[Seen | bytes], *, batch_packets: int = 10**6, **options: int) -> Result:
    seen = [packet if isinstance(packet, Seen) else Seen(packet) for packet in packets]
    network = Network(**options)  # type: ignore[arg-type]
    result = Result()
    for low in range(0, len(seen), batch_packets):
        take(result, network.feed(batch_of(seen[low : low + batch_packets], low)))
    result.anomalies += network.finish(START_NS)
    result.counters = dict(network.counters)
    return result


def both(packets: Sequence[Seen | bytes], **options: int) -> Result:
    """The result, which must be the same in both lanes and for any batches."""
    result = run(packets, **options)
    for fast in (True, False):
        for size in (10**6, 1, 3):
            other = run(packets, batch_packets=size, fast=fast, **options)
            assert other.rows == result.rows, (fast, size)
            assert other.flows == result.flows
            assert other.anomalies == result.anomalies
            assert other.counters == result.counters
    return result
