"""Captures whose packets stand behind later ones: sorted as far as the bounds reach, whatever the windows were."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from capture_writing import START_NS, Packet, Reading, pcap, read_octets, some_packets, whole

from ocpp_inspect.capture.order import TimeOrder
from ocpp_inspect.capture.stretch import Stretch
from ocpp_inspect.limits import SORTED_PACKETS
from ocpp_inspect.model import Int64, PacketBatch

NO_ROWS: Int64 = np.zeros(0, np.int64)


def never_set() -> Callable[[PacketBatch], Int64]:
    return lambda batch: NO_ROWS


def set_before(*tags: bytes) -> Callable[[], Callable[[PacketBatch], Int64]]:
    """A watch that knows before which packets the clock was set back."""

    def watch(batch: PacketBatch) -> Int64:
        starts = [batch.octets[at : at + len(tags[0])].tobytes() for at in batch.offset.tolist()]
        return np.array([row for row, start in enumerate(starts) if start in tags], np.int64)

    return lambda: watch


def sort(path: Path, packets: list[Packet], **options: int) -> Reading:
    return read_octets(path, pcap(packets), watch=never_set, **options)


def windows_of(packets: list[Packet], size: int, seed: int) -> list[Packet]:
    chance, out = random.Random(seed), []
    for low in range(0, len(packets), size):
        part = packets[low : low + size]
        chance.shuffle(part)
        out += part
    return out


@pytest.mark.parametrize("size", [64, 3000, 1 << 20])
@pytest.mark.parametrize("stretch", [2, 7, 300])
def test_packets_behind_later_ones_are_put_back(tmp_path: Path, size: int, stretch: int) -> None:
    packets = some_packets(300, step_ns=10**9)
    reading = sort(tmp_path, windows_of(packets, stretch, 1), batch_bytes=size)
    assert reading.packets == whole(packets)
    assert reading.names == ["capture.disorder"]
    assert reading.anomalies[0].position == 299
    assert "packets stood behind later ones, by up to" in reading.anomalies[0].detail


def test_frames_keep_their_numbers(tmp_path: Path) -> None:
    first, second = some_packets(2)
    assert [row[1] for row in sort(tmp_path, [second, first]).rows] == [2, 1]


def test_without_a_watch_the_order_of_the_file_stands(tmp_path: Path) -> None:
    packets = windows_of(some_packets(20), 5, 1)
    assert read_octets(tmp_path, pcap(packets)).packets == whole(packets)


def test_a_clock_that_was_set_back_does_not_mix_what_came_before_and_after(tmp_path: Path) -> None:
    before = some_packets(30, step_ns=10**9, tag=b"before")
    after = some_packets(30, start_ns=START_NS - 10**10, step_ns=10**9, tag=b"after-")
    mixed = [*windows_of(before, 4, 1), *after[:1], *windows_of(after[1:], 4, 2)]
    watch = set_before(mixed[30].data[:7])
    reading = read_octets(tmp_path, pcap(mixed), watch=watch)
    assert reading.packets == whole([*before, *after])
    assert reading.names == ["capture.time_goes_back", "capture.disorder"]


def test_what_is_too_late_is_told_and_stays_behind(tmp_path: Path) -> None:
    packets = some_packets(SORTED_PACKETS + 10, step_ns=10**9)
    moved = [*packets[1:], packets[0]]
    reading = sort(tmp_path, moved)
    assert reading.packets == whole([*packets[1:10], packets[0], *packets[10:]])
    assert reading.names == ["capture.time_goes_back", "capture.disorder"]


@pytest.mark.parametrize("seed", range(6))
def test_what_comes_out_does_not_depend_on_the_windows(tmp_path: Path, seed: int) -> None:
    """Neither does it lose or invent a packet, nor hold more than the bounds."""
    chance = random.Random(seed)
    packets = some_packets(400, step_ns=10**6)
    for _ in range(chance.randrange(1, 30)):
        packets.insert(chance.randrange(400), packets.pop(chance.randrange(400)))
    stretches = [stretch_of(packets)]
    for sizes in (1, 7, 100):
        stretches.append(stretch_of(packets))
        whole_, parts = stretches[-1], []
        while len(whole_.packet):
            part, whole_ = whole_.split(sizes)
            parts.append(part)
            if whole_ is part:
                break
        order = TimeOrder(never_set(), packets=20, octets=1000)
        given = [packet for part in parts for given in order.feed(part) for packet in given.packet.tolist()]
        given += [packet for left in order.finish() for packet in left.packet.tolist()]
        if sizes == 1:
            first = given
        assert given == first
        assert sorted(given) == list(range(1, 401))


def stretch_of(packets: list[Packet]) -> Stretch:
    sizes = np.array([len(packet.data) for packet in packets], np.int64)
    times = np.array([packet.ts_ns for packet in packets], np.int64)
    octets = np.frombuffer(b"".join(packet.data for packet in packets), np.uint8)
    numbers = np.arange(1, len(packets) + 1, dtype=np.int64)
    return Stretch(octets, numbers, times, times, np.cumsum(sizes) - sizes, sizes, sizes, sizes, sizes)
