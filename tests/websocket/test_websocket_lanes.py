"""Any cutting, any batching, both lanes, any rubbish: equal answers, bounded, no exception."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websocket_dialog import (
    Deflater,
    Step,
    batch_of_columns,
    batches_of,
    frame,
    items_of,
    names,
    only,
    opened,
    payloads,
    play,
    request,
    run,
    up,
)
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from ocpp_inspect.model import Anomaly, StreamData, Upgrade, WsItem, WsMessage
from ocpp_inspect.websocket import ANOMALIES, WebSockets

CALL = b'[2,"1","Heartbeat",{}]'


def random_stream(generator: random.Random, *, is_client: bool, deflate: Deflater | None, faulty: bool) -> bytes:
    stream = b""
    for index in range(generator.randrange(1, 12)):
        data = "é" * generator.randrange(2) + "x" * generator.choice((0, 90, 200))
        text = f'[2,"{index}","DataTransfer",{{"data":"{data}"}}]'
        payload, first = text.encode(), 0x81
        choice = generator.randrange(8 if faulty else 5)
        if choice == 0:
            payload, first = b"ping", generator.choice((0x89, 0x8A))
        elif choice == 1 and deflate is not None:
            payload, first = deflate(payload), 0xC1
        elif choice == 5:
            first = generator.randrange(256)
        elif choice == 6:
            payload = generator.randbytes(20)
        masked = is_client != (choice == 7)
        stream += frame(payload, first=first, mask=generator.randbytes(4) if masked else None)
    return stream


def random_dialog(generator: random.Random, *, faulty: bool) -> list[Step]:
    compressed = generator.random() < 0.5
    steps: list[Step] = opened(extensions="permessage-deflate" if compressed else "")
    pair = [Deflater() if compressed else None for _ in range(2)]
    for _ in range(generator.randrange(1, 6)):
        side = generator.randrange(2)
        stream = random_stream(generator, is_client=side == 0, deflate=pair[side], faulty=faulty)
        while stream:
            size = generator.choice((1, 11, 60, 300, 1400))
            steps.append((side, stream[:size]))
            stream = stream[size:]
        if faulty and generator.random() < 0.2:
            steps.append((side, generator.choice((0, 1, 50))))
    return steps


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_lanes_and_batches_do_not_matter(generator: random.Random, faulty: bool, midway: bool) -> None:
    steps = random_dialog(generator, faulty=faulty)
    if midway:
        steps = steps[2:]
    items = items_of(steps, midway=midway)
    expected = run(batches_of(items))
    sizes = [generator.randrange(1, 9) for _ in range(len(items))]
    assert run(batches_of(items, sizes)) == expected
    assert run(batches_of(items, sizes, columns=True)) == expected
    assert run(batches_of(items, columns=True)) == expected
    assert run(batches_of(items, sizes, columns=True), WebSockets(uses_columns=False)) == expected
    positions = [item.position for item in expected]
    assert positions == sorted(positions)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_cutting_does_not_matter(generator: random.Random) -> None:
    streams: list[Step] = []
    for _ in range(4):
        side = generator.randrange(2)
        streams.append((side, random_stream(generator, is_client=side == 0, deflate=None, faulty=True)))
    pieces: list[Step] = []
    for side, stream in streams:
        assert isinstance(stream, bytes)
        for start in range(0, len(stream), 7):
            pieces.append((side, stream[start : start + 7]))

    def facts(items: list[WsItem]) -> tuple[Any, ...]:
        lost_sync = "ws.lost_sync" in names(items)  # a search uses the segments' boundaries, so it may end later
        return ("lost",) if lost_sync else (payloads(items), Counter(names(items)))

    assert facts(play(opened(*streams))) == facts(play(opened(*pieces)))


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_mutated_dialogs_never_raise(generator: random.Random, midway: bool) -> None:
    steps = random_dialog(generator, faulty=True)
    for _ in range(generator.randrange(1, 8)):
        index = generator.randrange(len(steps))
        side, what = steps[index]
        if isinstance(what, bytes) and what:
            changed = bytearray(what)
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
            steps[index] = (generator.choice((side, side, 1 - side)), bytes(changed)[: generator.randrange(1, 2000)])
    room = WebSockets()
    out = play(
        steps, room, midway=midway, columns=generator.random() < 0.5, close=generator.choice(("fin", "rst", None))
    )
    assert set(names(out)) <= set(ANOMALIES)
    assert room._context.held_bytes == 0
    assert not room._connections


def test_hostile_streams_stay_cheap() -> None:
    tricky = [
        b"\x81\xfe\x7f\xff" * 8000,  # everywhere the start of a long frame
        b"\xc1\xfe\x01\x00" * 8000,
        b"\x00\x80aaaa" * 6000,
        b"\x89\x00" * 16000,
    ]
    for stream in tricky:
        for size in (1, 50, 1400):
            part = stream[: 4000 if size == 1 else None]
            play([(0, part[i : i + size]) for i in range(0, len(part), size)], midway=True)
            play(opened((0, 5), *((0, part[i : i + size]) for i in range(0, len(part), size))))
    play([(0, b"G"), *((0, b"E") for _ in range(3000))])
    play([(0, request()[:40]), *((0, b"x") for _ in range(5000))])
    play(opened(*((0, up(b"", 0x01 if index == 0 else 0x00)) for index in range(3000))))


def test_boundaries_lost_thousands_of_times_in_one_segment() -> None:
    unit = frame(b"[2,]") + frame(b"", first=0x89) * 7 + b"\xff\xff"
    out = play(opened((1, unit * 3000)))
    assert set(payloads(out)) == {("csms", b"[2,]")}
    assert names(out)[-1] == "ws.more_anomalies"
    tunnel = b"CONNECT a:1 HTTP/1.1\r\n\r\n"
    assert play([(0, tunnel * 3000), (1, b"HTTP/1.1 200 OK\r\n\r\n" * 3000)]) == []


DEFLATES = [
    None,
    (ServerPerMessageDeflateFactory(), ClientPerMessageDeflateFactory(client_max_window_bits=True)),
    (
        ServerPerMessageDeflateFactory(True, True, 9, 10),
        ClientPerMessageDeflateFactory(client_max_window_bits=True),
    ),
    (
        ServerPerMessageDeflateFactory(True, False, 12, 12),
        ClientPerMessageDeflateFactory(client_max_window_bits=True),
    ),
    (
        ServerPerMessageDeflateFactory(False, True, 15, 9),
        ClientPerMessageDeflateFactory(client_max_window_bits=True),
    ),
]


@pytest.mark.parametrize("deflate", DEFLATES)
@pytest.mark.parametrize("seed", range(6))
def test_the_same_as_websockets_understands(deflate: Any, seed: int) -> None:
    """Random dialogs between the two halves of another implementation, as it sends and as it receives them."""
    generator = random.Random(seed)
    client = ClientProtocol(
        parse_uri("ws://csms/ocpp/CP1"),
        subprotocols=["ocpp2.0.1"],
        extensions=deflate and [deflate[1]],  # type: ignore[list-item]
    )
    server = ServerProtocol(subprotocols=["ocpp2.0.1"], extensions=deflate and [deflate[0]])  # type: ignore[list-item]
    steps: list[Step] = []

    def move(side: int) -> list[Any]:
        sender, receiver = (client, server) if side == 0 else (server, client)
        octets = b"".join(sender.data_to_send())
        while octets:
            size = generator.choice((3, 100, 1400))
            steps.append((side, octets[:size]))
            receiver.receive_data(octets[:size])
            octets = octets[size:]
        return receiver.events_received()

    client.send_request(client.connect())
    (asked,) = move(0)
    server.send_response(server.accept(asked))
    move(1)
    expected: list[tuple[str, bytes]] = []
    for index in range(40):
        side = generator.randrange(2)
        sender = (client, server)[side]
        text = f'[2,"{index}","DataTransfer",{{"data":"{"é" * generator.randrange(300)}"}}]'.encode()
        if generator.random() < 0.3:
            half = len(text) // 2
            sender.send_text(text[:half], fin=False)
            sender.send_ping(b"p")
            sender.send_continuation(text[half:], fin=True)
        else:
            sender.send_text(text)
        received = b"".join(event.data for event in move(side) if event.opcode in (Opcode.TEXT, Opcode.CONT))
        expected.append((("station", "csms")[side], bytes(received)))
        move(1 - side)  # pongs
    client.send_close(1000, "done")
    move(0)
    move(1)
    for columns in (False, True):
        out = play(steps, columns=columns)
        assert payloads(out) == expected
        assert names(out) == []
        (upgrade,) = only(out, Upgrade)
        assert (upgrade.status, upgrade.subprotocol) == (101, "ocpp2.0.1")


@pytest.mark.parametrize("seed", range(5))
def test_many_masked_rows_are_unmasked_at_once(seed: int) -> None:
    generator = random.Random(seed)
    steps: list[Step] = []
    expected = []
    for _ in range(200):
        text = generator.randbytes(generator.choice((0, 1, 2, 3, 4, 5, 120, 125, 126, 127, 300))).hex().encode()[1:]
        side = generator.choice((0, 0, 0, 1))
        steps.append((side, frame(text, mask=generator.randbytes(4) if side == 0 else None)))
        expected.append((("station", "csms")[side], text))
    assert payloads(play(opened(*steps), columns=True)) == expected
    small = WebSockets(message_bytes=200)
    skipped = run(batches_of(items_of(opened(*steps)), columns=True), small)
    assert skipped == play(opened(*steps), WebSockets(message_bytes=200))
    assert payloads(skipped) == [item for item in expected if len(item[1]) <= 200]


def test_octets_of_a_large_batch_far_apart() -> None:
    """Offsets may point anywhere into a memory-mapped file, and rows need not be in order."""
    import numpy as np

    items = items_of(opened((0, up(CALL)), (1, frame(CALL)), (0, up(CALL))), close=None)
    room = WebSockets()
    room.feed(batches_of(items[:3])[0])
    batch = batch_of_columns([item for item in items[3:] if isinstance(item, StreamData)])
    order = np.array([2, 0, 1])
    for name in ("packet", "position", "ts_ns", "flow", "connection", "offset", "length", "stream_offset"):
        setattr(batch, name, getattr(batch, name)[order])
    out = room.feed(batch)
    assert [(item.position, item.payload) for item in out if isinstance(item, WsMessage)] == [
        (3, CALL),
        (4, CALL),
        (5, CALL),
    ]


def test_every_anomaly_is_produced_somewhere() -> None:
    """The name of each one stands in a test that asserts it; here only that no other name exists."""
    import pathlib

    text = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("test_*.py"))
    assert [name for name in ANOMALIES if f'"{name}"' not in text] == []
    assert all(isinstance(Anomaly(name, 0, 0, 0), Anomaly) for name in ANOMALIES)


def test_both_lanes_forget_that_a_beginning_was_lost() -> None:
    long = up(b"x" * 90, 0x01)
    steps = opened((0, long[:50]), (0, len(long) - 50), (0, up(CALL)), (0, up(CALL, 0x80)))
    for columns in (False, True):
        out = play(steps, columns=columns)
        assert names(out) == ["ws.continuation_without_start"]
        assert payloads(out) == [("station", CALL)]
