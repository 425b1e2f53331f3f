"""Mid-session joins and gaps: late is fine, wrong is not."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websocket_dialog import Deflater, frame, names, only, opened, payloads, play, up

from ocpp_inspect.model import ConnectionClosed, Loss, Upgrade, WsControl, WsMessage
from ocpp_inspect.websocket import WebSockets

CALL = b'[2,"1","Heartbeat",{}]'
ANSWER = b'[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'
BOTH = "permessage-deflate"


@pytest.mark.parametrize("columns", [False, True])
def test_joined_at_a_frame(columns: bool) -> None:
    out = play([(1, frame(ANSWER)), (0, up(CALL)), (1, frame(ANSWER))], midway=True, columns=columns)
    assert payloads(out) == [("csms", ANSWER), ("station", CALL), ("csms", ANSWER)]
    assert [loss.cause for loss in only(out, Loss)] == ["joined_midway"]
    (closed,) = only(out, ConnectionClosed)
    assert (closed.joined_midway, closed.upgrade, closed.client) == (True, None, "10.0.0.9")


def test_joined_in_the_middle_of_a_frame() -> None:
    long = up(b'[2,"2","DataTransfer",{"data":"' + b"abc" * 500 + b'"}]')
    out = play([(0, long[700:1200]), (0, long[1200:]), (0, up(CALL)), (1, frame(ANSWER))], midway=True)
    assert payloads(out) == [("station", CALL), ("csms", ANSWER)]
    assert [(loss.cause, loss.bytes) for loss in only(out, Loss)] == [("joined_midway", 0), ("resync", len(long) - 700)]


def test_joined_backwards_the_masked_side_is_the_station() -> None:
    out = play([(0, frame(ANSWER)), (1, up(CALL))], midway=True)
    assert payloads(out) == [("csms", ANSWER), ("station", CALL)]
    (closed,) = only(out, ConnectionClosed)
    assert (closed.client, closed.client_port, closed.server) == ("10.0.0.1", 80, "10.0.0.9")


def test_joined_with_compression() -> None:
    station, csms = Deflater(), Deflater(takeover=False)
    for _ in range(5):
        station(CALL)
    steps = [(0, up(station(CALL), 0xC1)), (1, frame(csms(ANSWER), first=0xC1))] * 3
    out = play(steps, midway=True)
    assert payloads(out) == [("csms", ANSWER)] * 3
    (closed,) = only(out, ConnectionClosed)
    assert closed.undecodable == 3


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.booleans(), st.randoms(use_true_random=False))
def test_a_join_anywhere_never_gives_a_message_that_was_not_sent(
    start: int, compressed: bool, generator: random.Random
) -> None:
    deflate = Deflater()
    texts = [
        f'[2,"{index}","DataTransfer",{{"data":"{generator.randbytes(generator.randrange(90)).hex()}"}}]'.encode()
        for index in range(25)
    ]
    stream = b"".join(up(deflate(text), 0xC1) if compressed else up(text) for text in texts)
    cut, steps = start, []
    while cut < len(stream):
        size = generator.choice((1, 30, 300, 1400))
        steps.append((0, stream[cut : cut + size]))
        cut += size
    found = [message.payload for message in only(play(steps, midway=True), WsMessage)]
    assert all(text in texts for text in found)
    if found:
        assert found == texts[texts.index(found[0]) :]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_never_taken_for_a_websocket(seed: int) -> None:
    generator = random.Random(seed)
    room = WebSockets()
    steps = [(generator.randrange(2), generator.randbytes(generator.randrange(1, 1400))) for _ in range(300)]
    assert play(steps, room, midway=True) == []
    assert room.counters["other"] == 1


def test_a_gap_of_known_length_inside_a_frame_needs_no_search() -> None:
    long = up(b'[2,"2","DataTransfer",{"data":"' + b"abc" * 1000 + b'"}]')
    out = play(opened((0, long[:500]), (0, 1000), (0, long[1500:] + up(CALL)), (0, up(CALL))))
    assert payloads(out) == [("station", CALL)] * 2
    assert [(loss.cause, loss.bytes, loss.messages) for loss in only(out, Loss)] == [("gap", 1000, 1)]
    assert names(out) == []


def test_a_gap_that_ends_with_the_frame() -> None:
    long = up(CALL)
    out = play(opened((0, long[:10]), (0, len(long) - 10), (0, up(b"hello")), (0, up(CALL))))
    assert payloads(out) == [("station", b"hello"), ("station", CALL)]


@pytest.mark.parametrize("length", [0, 77])
def test_a_gap_between_frames(length: int) -> None:
    out = play(
        opened((0, up(CALL)), (0, length), (0, b"tail of a lost frame" + up(CALL)), (0, up(CALL)), (1, frame(ANSWER)))
    )
    assert payloads(out) == [("station", CALL)] * 3 + [("csms", ANSWER)]
    assert [(loss.cause, loss.bytes, loss.side) for loss in only(out, Loss)] == [
        ("gap", length, "station"),
        ("resync", 20, "station"),
    ]


def test_a_gap_loses_the_history_of_its_direction_only() -> None:
    station, csms = Deflater(), Deflater()
    up_messages = [up(station(CALL), 0xC1) for _ in range(4)]
    down = [frame(csms(ANSWER), first=0xC1) for _ in range(4)]
    steps = [
        (0, up_messages[0]),
        (1, down[0]),
        (0, len(up_messages[1])),
        (1, down[1]),
        (0, up_messages[2]),
        (1, down[2]),
        (0, up_messages[3]),
    ]
    out = play(opened(*steps, extensions=BOTH))
    assert payloads(out) == [("station", CALL)] + [("csms", ANSWER)] * 3
    assert only(out, ConnectionClosed)[0].undecodable == 2


def test_a_lost_answer() -> None:
    out = play([(0, request_octets()), (1, 200), (0, up(CALL)), (1, frame(ANSWER))])
    assert [upgrade.status for upgrade in only(out, Upgrade)] == [0]
    assert payloads(out) == [("station", CALL), ("csms", ANSWER)]


def request_octets() -> bytes:
    from websocket_dialog import request

    return request()


def test_the_beginning_of_the_connection_is_lost() -> None:
    out = play([(0, 300), (1, 200), (0, up(CALL)), (1, frame(ANSWER))])
    assert payloads(out) == [("station", CALL), ("csms", ANSWER)]


def test_the_search_keeps_a_bounded_buffer() -> None:
    room = WebSockets()
    steps = [(0, 10), *((0, os.urandom(1400)) for _ in range(100)), (0, up(CALL))]
    out = play(opened(*steps), room)
    assert payloads(out) == [("station", CALL)]


@pytest.mark.parametrize("seed", range(120))
def test_many_small_frames_in_a_segment_are_not_misread(seed: int) -> None:
    """Octets inside of a payload look like a frame that ends where a real one begins: a chain proves nothing."""
    generator = random.Random(seed)
    deflate = Deflater()
    compressed = seed % 3 != 0
    texts = [
        f'[2,"{index}","DataTransfer",{{"data":"{"00" * generator.choice((0, 90))}"}}]'.encode() for index in range(40)
    ]
    stream = b"".join(
        up(deflate(text) if compressed else text, 0xC1 if compressed else 0x81, generator.randbytes(4))
        for text in texts
    )
    start = generator.randrange(1, len(stream) // 2)
    size = generator.choice((30, 300, 1400))
    steps = [(0, stream[cut : cut + size]) for cut in range(start, len(stream), size)]
    for out in (
        play(steps, midway=True),
        play(opened((0, start), *steps, extensions=BOTH)),
        play(opened((0, stream[:start]), (0, 0), *steps[1:], extensions=BOTH)),
    ):
        assert {message.payload for message in only(out, WsMessage)} <= set(texts)
        assert only(out, WsControl) == []
