"""pcapng: sections, interfaces, resolutions, every packet block, what is beside packets, and damage."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from capture_writing import (
    START_NS,
    Packet,
    block,
    enhanced,
    interface,
    option,
    pcapng,
    read_octets,
    section,
    some_packets,
    whole,
)
from hypothesis import given, settings
from hypothesis import strategies as st

PACKETS = some_packets(40)


@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_both_byte_orders(tmp_path: Path, order: str) -> None:
    for size in (64, 100, 4096, 1 << 20):
        reading = read_octets(tmp_path, pcapng(PACKETS, order=order), batch_bytes=size)
        assert reading.packets == whole(PACKETS)
        assert [row[1] for row in reading.rows] == list(range(1, 41))
        assert not reading.anomalies
    assert reading.reader.captures[0].format == "pcapng"


def test_sections_of_either_order_with_several_interfaces(tmp_path: Path) -> None:
    first, second = PACKETS[:10], PACKETS[10:20]
    octets = section("<") + interface(1) + interface(113)
    octets += b"".join(enhanced(packet, number=index % 2) for index, packet in enumerate(first))
    octets += section(">") + interface(276, order=">")
    octets += b"".join(enhanced(packet, order=">") for packet in second)
    reading = read_octets(tmp_path, octets)
    assert reading.packets == whole(first + second)
    assert [row[5] for row in reading.rows] == [1, 113] * 5 + [276] * 10
    assert len({row[6] for row in reading.rows}) == 3
    assert [row[1] for row in reading.rows] == list(range(1, 21))
    assert reading.reader.captures[0].link_types == ["EN10MB", "LINUX_SLL", "LINUX_SLL2"]


@pytest.mark.parametrize(
    ("resolution", "per_second"),
    [
        (0, 1),
        (3, 10**3),
        (6, 10**6),
        (9, 10**9),
        (12, 10**12),
        (0x80 | 10, 2**10),
        (0x80 | 20, 2**20),
        (0x80 | 33, 2**33),
    ],
)
@pytest.mark.parametrize("offset", [0, 3600, -7200])
def test_every_resolution_and_offset(tmp_path: Path, resolution: int, per_second: int, offset: int) -> None:
    options = option(9, bytes([resolution])) + option(14, struct.pack("<q", offset))
    ticks = [(1_700_000_000 * per_second + step) for step in (0, 1, per_second // 3, per_second - 1)]
    octets = section() + interface(options=options)
    octets += b"".join(enhanced(Packet(0, b"p" * 20), ticks=tick) for tick in ticks if tick < 2**64)
    reading = read_octets(tmp_path, octets)
    expected = [tick * 10**9 // per_second + offset * 10**9 for tick in ticks if tick < 2**64]
    assert [row[2] for row in reading.rows] == expected


def test_time_that_does_not_fit(tmp_path: Path) -> None:
    octets = (
        section() + interface() + enhanced(PACKETS[0]) + enhanced(PACKETS[1], ticks=2**64 - 1) + enhanced(PACKETS[2])
    )
    reading = read_octets(tmp_path, octets)
    assert [row[2] for row in reading.rows] == [PACKETS[0].ts_ns, PACKETS[0].ts_ns, PACKETS[2].ts_ns]
    assert reading.names == ["capture.bad_timestamp"]
    assert reading.anomalies[0].packet == 10**10 + 1


def test_simple_and_obsolete_packet_blocks(tmp_path: Path) -> None:
    ticks = START_NS // 1000
    old = struct.pack("<HHIIII", 0, 0, ticks >> 32, ticks & 0xFFFFFFFF, 21, 1500) + b"o" * 21
    octets = section() + interface(snaplen=30) + block(2, old)
    octets += block(3, struct.pack("<I", 25) + b"s" * 25) + block(3, struct.pack("<I", 900) + b"t" * 30)
    octets += enhanced(PACKETS[1])
    reading = read_octets(tmp_path, octets)
    assert [(row[1], row[2], row[3], row[4]) for row in reading.rows] == [
        (1, START_NS, b"o" * 21, 1500),
        (2, START_NS, b"s" * 25, 25),
        (3, START_NS, b"t" * 30, 900),
        (4, PACKETS[1].ts_ns, PACKETS[1].data, PACKETS[1].length),
    ]


def test_comments_drops_and_secrets_are_kept(tmp_path: Path) -> None:
    statistics = struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 7)) + option(7, struct.pack("<Q", 2))
    octets = section(options=option(1, b"made by a test")) + interface(options=option(1, "für".encode()))
    octets += block(10, struct.pack("<II", 0x544C534B, 5) + b"CLIEN" + bytes(3))
    octets += enhanced(PACKETS[0]) + enhanced(PACKETS[1], options=option(1, b"look here") + bytes(4))
    octets += enhanced(PACKETS[2], options=option(2, b"\1\0\0\0") + option(4, struct.pack("<Q", 3)) + bytes(4))
    octets += block(5, statistics) + block(5, statistics)
    reading = read_octets(tmp_path, octets)
    info = reading.reader.captures[0]
    assert info.comments == ["made by a test", "interface 0: für", "frame 2: look here"]
    assert info.secrets == [(0x544C534B, b"CLIEN")]
    assert info.dropped_packets == 9  # the statistics are a running total, and contain those counted at packets
    assert reading.names == ["capture.dropped_packets"] * 2
    assert [anomaly.packet % 100 for anomaly in reading.anomalies] == [2, 3]


def test_blocks_without_packets_are_skipped(tmp_path: Path) -> None:
    octets = section() + interface() + enhanced(PACKETS[0]) + block(4, b"names") + block(0xBAD, b"custom")
    octets += block(9, b"journal") + block(0x0777, b"unheard of") + block(0x0777, b"again") + enhanced(PACKETS[1])
    reading = read_octets(tmp_path, octets)
    assert reading.packets == whole(PACKETS[:2])
    assert not reading.anomalies
    assert reading.reader.captures[0].notes == ["blocks of the unknown type 0x777 were skipped"]


def test_undescribed_interface(tmp_path: Path) -> None:
    octets = section() + interface() + enhanced(PACKETS[0]) + enhanced(PACKETS[1], number=5) + enhanced(PACKETS[2])
    reading = read_octets(tmp_path, octets)
    assert [row[1] for row in reading.rows] == [1, 3]
    assert reading.names == ["capture.unknown_interface"]


def test_limits_are_told(tmp_path: Path) -> None:
    comments = b"".join(enhanced(PACKETS[0], options=option(1, b"c") + bytes(4)) for _ in range(1002))
    reading = read_octets(tmp_path, section() + interface() + comments)
    assert len(reading.rows) == 1002
    assert reading.names == ["capture.limit"]


def test_cut_at_every_octet(tmp_path: Path) -> None:
    packets = some_packets(4)
    parts = [section() + interface(), *(enhanced(packet) for packet in packets)]
    octets = b"".join(parts)
    ends = [sum(map(len, parts[: index + 1])) for index in range(len(parts))]
    for cut in range(4, len(octets)):
        reading = read_octets(tmp_path, octets[:cut])
        complete = max(0, sum(end <= cut for end in ends) - 1)
        assert reading.packets[:complete] == whole(packets[:complete])
        at_border = cut in ends or cut == len(section())
        assert reading.names == ([] if at_border else ["capture.truncated"])
        assert reading.reader.captures[0].truncated is not at_border
        for partial in reading.packets[complete:]:
            assert packets[complete].data.startswith(partial.data)


@pytest.mark.parametrize("size", [1, 3, 4, 100, 7001])
def test_goes_on_behind_garbage(tmp_path: Path, size: int) -> None:
    head = section() + interface() + b"".join(enhanced(packet) for packet in PACKETS[:20])
    tail = b"".join(enhanced(packet) for packet in PACKETS[20:])
    for garbage in (random.Random(size).randbytes(size), b"\xff" * size, bytes(size)):
        for window in (512, 1 << 20):
            reading = read_octets(tmp_path, head + garbage + tail, batch_bytes=window)
            assert reading.packets == whole(PACKETS)
            assert reading.names == ["capture.garbage"]
            assert reading.reader.captures[0].notes[0].startswith(f"offset {len(head)}: {size} octets")


def test_lengths_that_disagree_cost_one_block(tmp_path: Path) -> None:
    broken = bytearray(enhanced(PACKETS[1]))
    broken[-4:] = b"\0\0\0\1"
    reading = read_octets(
        tmp_path, section() + interface() + enhanced(PACKETS[0]) + bytes(broken) + enhanced(PACKETS[2])
    )
    assert reading.packets == whole([PACKETS[0], PACKETS[2]])
    assert reading.names == ["capture.garbage"]


def test_packet_longer_than_its_block(tmp_path: Path) -> None:
    broken = bytearray(enhanced(PACKETS[1]))
    broken[20:24] = struct.pack("<I", 5000)
    reading = read_octets(
        tmp_path, section() + interface() + enhanced(PACKETS[0]) + bytes(broken) + enhanced(PACKETS[2])
    )
    assert [row[1] for row in reading.rows] == [1, 3]
    assert reading.names == ["capture.garbage"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(64, 3000), st.integers(0, 2**31))
def test_batches_do_not_change_the_result(
    tmp_path_factory: pytest.TempPathFactory, packets: int, size: int, seed: int
) -> None:
    rng = random.Random(seed)
    octets = section() + interface() + interface(113)
    for _ in range(30):
        packet = Packet(START_NS + rng.randrange(10**9), rng.randbytes(rng.randrange(0, 150)))
        options = rng.choice([b"", option(1, b"hello") + bytes(4), option(2, b"\1\0\0\0")])
        octets += enhanced(packet, number=rng.randrange(2), options=options)
        octets += rng.choice([b"", b"", section() + interface() + interface(276), block(4, b"n")])
    directory = tmp_path_factory.mktemp("any")
    expected = read_octets(directory, octets)
    small = read_octets(directory, octets, batch_packets=packets, batch_bytes=size)
    assert small.rows == expected.rows
    assert small.anomalies == expected.anomalies
    assert small.reader.captures == expected.reader.captures


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutations_never_raise(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    octets = bytearray(pcapng(PACKETS))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(4, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    reading = read_octets(
        tmp_path_factory.mktemp("mutated"), bytes(octets), batch_bytes=data.draw(st.integers(64, 4096))
    )
    assert len(reading.rows) <= 200
