"""Segments whose times go back: what stands in the wrong place, and what came after the clock was set."""

from __future__ import annotations

import struct

import numpy as np

from ocpp_inspect.model import Int64, PacketBatch
from ocpp_inspect.pipeline.clock import ClockWatch

START_NS = 1_700_000_000 * 10**9
ACK, SYN = 16, 2


def packet(*, up: bool, seq: int, ack: int, data: bytes = b"", flags: int = ACK, port: int = 40_000) -> bytes:
    ends = (b"\x0a\0\0\x07", b"\x0a\0\0\x01") if up else (b"\x0a\0\0\x01", b"\x0a\0\0\x07")
    ports = (port, 80) if up else (80, port)
    tcp = struct.pack(">HHIIBBHHH", *ports, seq % 2**32, ack % 2**32, 5 << 4, flags, 500, 0, 0)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0x4000, 64, 6, 0) + b"".join(ends)
    return bytes(12) + b"\x08\x00" + ip + tcp + data


def batch(*packets: tuple[float, bytes]) -> PacketBatch:
    sizes = np.array([len(data) for _, data in packets], np.int64)
    numbers = np.arange(len(packets), dtype=np.int64)
    return PacketBatch(
        octets=np.frombuffer(b"".join(data for _, data in packets), np.uint8),
        packet=numbers + 1, position=numbers,
        ts_ns=np.array([START_NS + int(at * 10**9) for at, _ in packets], np.int64),
        offset=np.cumsum(sizes) - sizes, captured=sizes, original=sizes, link=np.ones(len(packets), np.int64),
        interface=numbers,
    )  # fmt: skip


def rows(*packets: tuple[float, bytes]) -> list[int]:
    return ClockWatch()(batch(*packets)).tolist()


def test_a_segment_that_goes_on_behind_its_clock_shows_it() -> None:
    assert rows((5, packet(up=True, seq=1, ack=1, data=b"one")), (2, packet(up=True, seq=4, ack=1, data=b"two"))) == [1]


def test_an_answer_before_its_question_by_the_clock_shows_it() -> None:
    assert rows((5, packet(up=True, seq=1, ack=9, data=b"one")), (2, packet(up=False, seq=9, ack=4))) == [1]


def test_a_segment_in_the_wrong_place_shows_nothing() -> None:
    one, two = packet(up=True, seq=1, ack=1, data=b"one"), packet(up=True, seq=4, ack=1, data=b"two")
    assert rows((5, two), (2, one)) == []
    assert rows((5, packet(up=False, seq=9, ack=4)), (2, packet(up=True, seq=1, ack=9, data=b"one"))) == []


def test_neither_copies_nor_new_connections_nor_others_show_anything() -> None:
    one = packet(up=True, seq=1, ack=1, data=b"one")
    assert rows((5, one), (2, one)) == []
    assert rows((5, one), (2, packet(up=True, seq=900, ack=0, flags=SYN))) == []
    assert rows((5, one), (2, packet(up=True, seq=4, ack=1, data=b"two", port=40_001))) == []
    assert rows((5, one), (6, packet(up=True, seq=4, ack=1, data=b"two"))) == []


def test_sequence_numbers_wrap() -> None:
    assert rows((5, packet(up=True, seq=-2, ack=1, data=b"one")), (2, packet(up=True, seq=1, ack=1, data=b"x"))) == [1]


def test_what_came_in_an_earlier_batch_is_remembered() -> None:
    watch = ClockWatch()
    empty: Int64 = watch(batch((5, packet(up=True, seq=1, ack=1, data=b"one"))))
    assert empty.tolist() == []
    other = packet(up=True, seq=7, ack=1, data=b"x", port=40_001)
    assert watch(batch((6, other), (2, packet(up=True, seq=4, ack=1, data=b"two")))).tolist() == [1]
