"""pcap in every variant, whole, cut at every octet, and with garbage inside."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from capture_writing import START_NS, Packet, pcap, read_octets, some_packets, whole
from hypothesis import given, settings
from hypothesis import strategies as st

PACKETS = some_packets(40)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("magic", "fraction_ns", "extra", "behind"),
    [
        (0xA1B2C3D4, 1000, b"", b""),
        (0xA1B23C4D, 1, b"", b""),
        (0xA1B2CD34, 1000, b"\1\0\0\0\0\x08\0\0", b""),
        (0xA1B2CD34, 1000, bytes(12), b""),
        (0xA1B2CD34, 1000, b"", b""),
        (0xA1B2C3D4, 1000, b"\1\0\0\0\0\x08\0\0", b""),
        (0xA1B2C3D4, 1000, b"\1\2\3\4", b""),
        (0x1C0001AC, 1000, b"", b"\0\0\1\0"),
        (0x1C0001AB, 1000, b"", b"\0\0\1\0"),
    ],
)
def test_reads_every_variant(
    tmp_path: Path, order: str, magic: int, fraction_ns: int, extra: bytes, behind: bytes
) -> None:
    octets = pcap(PACKETS, order=order, magic=magic, fraction_ns=fraction_ns, header_extra=extra, behind_header=behind)
    for size in (64, 100, 4096, 1 << 20):
        reading = read_octets(tmp_path, octets, batch_bytes=size)
        assert reading.packets == whole(PACKETS)
        assert [row[1] for row in reading.rows] == list(range(1, 41))
        assert not reading.anomalies
    info = reading.reader.captures[0]
    assert (info.format, info.link_types, info.packets) == ("pcap", ["EN10MB"], 40)
    assert (info.first_ns, info.last_ns) == (START_NS, START_NS + 39_000_000)
    assert info.bytes == sum(len(packet.data) for packet in PACKETS)
    assert not info.truncated
    assert not info.notes


def test_nanoseconds_are_exact(tmp_path: Path) -> None:
    packets = [Packet(START_NS + 123_456_789, b"x" * 30), Packet(START_NS + 999_999_999, b"y" * 31)]
    assert read_octets(tmp_path, pcap(packets, magic=0xA1B23C4D, fraction_ns=1)).packets == whole(packets)


def test_old_version_with_swapped_lengths(tmp_path: Path) -> None:
    packets = [Packet(packet.ts_ns, packet.data, 1500) for packet in PACKETS]
    for version in ((2, 1), (2, 3)):
        assert read_octets(tmp_path, pcap(packets, version=version, swapped=True)).packets == packets


def test_link_type_ignores_the_check_sequence_bits(tmp_path: Path) -> None:
    reading = read_octets(tmp_path, pcap(PACKETS[:3], link=113 | 0x24000000))
    assert {row[5] for row in reading.rows} == {113}
    assert reading.reader.captures[0].link_types == ["LINUX_SLL"]


def test_snaplen(tmp_path: Path) -> None:
    packets = [Packet(START_NS, b"a" * 64, 1500), Packet(START_NS, b"b" * 10, 10)]
    assert read_octets(tmp_path, pcap(packets)).packets == packets


def test_cut_at_every_octet(tmp_path: Path) -> None:
    packets = some_packets(6)
    octets = pcap(packets)
    ends = [24]
    for packet in packets:
        ends.append(ends[-1] + 16 + len(packet.data))
    for cut in range(4, len(octets)):
        reading = read_octets(tmp_path, octets[:cut])
        complete = sum(end <= cut for end in ends[1:])
        assert reading.packets[:complete] == whole(packets[:complete])
        info = reading.reader.captures[0]
        if cut in ends:
            assert len(reading.packets) == complete
            assert not reading.anomalies
            continue
        assert info.truncated
        assert reading.names == ["capture.truncated"]
        assert f"offset {ends[complete] if cut > 24 else 0}:" in info.notes[0]
        partial = cut - ends[complete] - 16 if cut > 24 else 0
        if partial > 0:
            last = reading.packets[complete]
            assert last.data == packets[complete].data[:partial]
            assert last.length == packets[complete].length
        else:
            assert len(reading.packets) == complete


@pytest.mark.parametrize("size", [1, 7, 16, 333, 5000])
@pytest.mark.parametrize("kind", ["random", "zeros", "text", "ones"])
def test_goes_on_behind_garbage(tmp_path: Path, size: int, kind: str) -> None:
    before, after = PACKETS[:20], PACKETS[20:]
    rng = random.Random(size)
    garbage = {
        "random": rng.randbytes(size),
        "zeros": bytes(size),
        "text": (b"write failed: no space left on device\n" * 200)[:size],
        "ones": b"\xff" * size,
    }[kind]
    head = pcap(before)
    octets = head + garbage + pcap(after)[24:]
    for window in (512, 1 << 20):
        reading = read_octets(tmp_path, octets, batch_bytes=window)
        assert "capture.garbage" in reading.names
        assert reading.packets[:20] == whole(before)
        assert reading.packets[-19:] == whole(after[1:])  # the first record behind may be taken into the garbage
        assert any(note.startswith("offset ") for note in reading.reader.captures[0].notes)


def test_garbage_is_placed_exactly(tmp_path: Path) -> None:
    head = pcap(PACKETS[:20])
    reading = read_octets(tmp_path, head + b"\xff" * 100 + pcap(PACKETS[20:])[24:])
    assert reading.packets == whole(PACKETS)
    assert reading.reader.captures[0].notes == [f"offset {len(head)}: 100 octets are not a record and were skipped"]
    assert [(a.name, a.packet, a.position) for a in reading.anomalies] == [("capture.garbage", 10**10 + 20, 19)]


def test_clock_that_jumps_back_is_told(tmp_path: Path) -> None:
    packets = [*some_packets(3), *some_packets(3, start_ns=START_NS - 10**10)]
    reading = read_octets(tmp_path, pcap(packets))
    assert reading.packets == whole(packets)
    assert reading.names == ["capture.time_goes_back"]
    assert reading.anomalies[0].packet == 10**10 + 4
    info = reading.reader.captures[0]
    assert (info.first_ns, info.last_ns) == (START_NS - 10**10, START_NS + 2_000_000)


def test_small_disorder_is_nothing(tmp_path: Path) -> None:
    packets = [Packet(START_NS, b"a" * 20), Packet(START_NS - 5_000_000, b"b" * 20)]
    assert not read_octets(tmp_path, pcap(packets)).anomalies


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(64, 3000), st.integers(0, 2**31))
def test_batches_do_not_change_the_result(
    tmp_path_factory: pytest.TempPathFactory, packets: int, size: int, seed: int
) -> None:
    rng = random.Random(seed)
    content = [
        Packet(START_NS + rng.randrange(10**10) // 1000 * 1000, rng.randbytes(rng.randrange(1, 200))) for _ in range(30)
    ]
    octets = pcap(content)
    directory = tmp_path_factory.mktemp("any")
    expected = read_octets(directory, octets)
    small = read_octets(directory, octets, batch_packets=packets, batch_bytes=size)
    assert small.rows == expected.rows
    assert small.anomalies == expected.anomalies


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutations_never_raise(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    octets = bytearray(pcap(PACKETS))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(4, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    reading = read_octets(
        tmp_path_factory.mktemp("mutated"), bytes(octets), batch_bytes=data.draw(st.integers(64, 4096))
    )
    assert len(reading.rows) <= 200
