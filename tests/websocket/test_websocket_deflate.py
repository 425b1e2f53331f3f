"""permessage-deflate (RFC 7692)."""

from __future__ import annotations

import itertools
import zlib

import pytest
from websocket_dialog import Deflater, frame, names, only, opened, payloads, play, up

from ocpp_inspect.model import ConnectionClosed, Loss
from ocpp_inspect.websocket import WebSockets

CALL = b'[2,"1","Heartbeat",{"a":"some words that repeat, some words that repeat"}]'
BOTH = "permessage-deflate"


@pytest.mark.parametrize(
    "octets",
    [
        bytes.fromhex("c107f248cdc9c90700"),  # RFC 7692 §7.2.3.1
        bytes.fromhex("4103f248cd 8004c9c90700"),  # fragmented
        bytes.fromhex("c10b000500faff48656c6c6f00"),  # §7.2.3.3: no compression
        bytes.fromhex("c108f348cdc9c9070000"),  # §7.2.3.4: a final block
        bytes.fromhex("c10df2480500000 0ffffcac9c90700".replace(" ", "")),  # §7.2.3.5: two blocks
    ],
)
def test_the_examples_of_the_rfc(octets: bytes) -> None:
    second = bytes.fromhex("c105f200110000")  # §7.2.3.2: the same text by reference to the first
    out = play(opened((1, octets), (1, second), extensions=BOTH))
    assert payloads(out) == [("csms", b"Hello")] * 2
    assert names(out) == []


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    ("client_takeover", "server_takeover", "client_bits", "server_bits"),
    list(itertools.product((True, False), (True, False), (9, 15), (9, 12))),
)
def test_every_combination(
    client_takeover: bool, server_takeover: bool, client_bits: int, server_bits: int, columns: bool
) -> None:
    extensions = f"permessage-deflate; client_max_window_bits={client_bits}; server_max_window_bits={server_bits}"
    extensions += "" if client_takeover else "; client_no_context_takeover"
    extensions += "" if server_takeover else "; server_no_context_takeover"
    station, csms = (
        Deflater(bits=client_bits, takeover=client_takeover),
        Deflater(bits=server_bits, takeover=server_takeover),
    )
    texts = [CALL.replace(b"1", str(index).encode() * 200) for index in range(12)]
    steps = [
        step
        for text in texts
        for step in ((0, up(station(text), 0xC1)), (1, frame(csms(text), first=0xC1)), (0, up(text)))
    ]
    out = play(opened(*steps, extensions=extensions), columns=columns)
    assert payloads(out) == [(side, text) for text in texts for side in ("station", "csms", "station")]
    assert names(out) == []


def test_an_empty_compressed_message() -> None:
    out = play(opened((1, bytes.fromhex("c10100")), (1, bytes.fromhex("c100")), extensions=BOTH))
    assert payloads(out) == [("csms", b"")] * 2


def test_final_blocks_keep_the_window() -> None:
    def finished(text: bytes, window: bytes) -> bytes:
        stream = zlib.compressobj(wbits=-15, zdict=window) if window else zlib.compressobj(wbits=-15)
        return stream.compress(text) + stream.flush(zlib.Z_FINISH) + b"\x00"

    steps = [
        (0, up(finished(CALL, b""), 0xC1)),
        (0, up(finished(CALL, CALL), 0xC1)),
        (0, up(finished(CALL, CALL * 2), 0xC1)),
    ]
    out = play(opened(*steps, extensions=BOTH))
    assert payloads(out) == [("station", CALL)] * 3
    assert names(out) == []


def test_wrong_data_are_told_once_and_counted() -> None:
    deflate = Deflater()
    good = [deflate(CALL) for _ in range(4)]
    steps = [(0, up(good[0], 0xC1)), (0, up(b"\xff" * 20, 0xC1)), (0, up(good[2], 0xC1)), (0, up(good[3], 0xC1))]
    out = play(opened(*steps, extensions=BOTH))
    assert names(out) == ["ws.inflate_failed"]
    assert payloads(out) == [("station", CALL)]
    assert [loss.messages for loss in only(out, Loss)] == [1, 1, 1]
    assert only(out, ConnectionClosed)[0].undecodable == 3


def test_without_takeover_the_next_message_recovers() -> None:
    deflate = Deflater(takeover=False)
    steps = [(0, up(deflate(CALL), 0xC1)), (0, up(b"\xff" * 20, 0xC1)), (0, up(deflate(CALL), 0xC1))]
    out = play(opened(*steps, extensions=BOTH + "; client_no_context_takeover"))
    assert payloads(out) == [("station", CALL)] * 2


def test_a_sender_that_begins_anew_recovers() -> None:
    again = Deflater()
    steps = [
        (0, up(Deflater()(CALL), 0xC1)),
        (0, up(b"\xff" * 20, 0xC1)),
        (0, up(again(CALL), 0xC1)),
        (0, up(again(CALL), 0xC1)),
    ]
    out = play(opened(*steps, extensions=BOTH))
    assert payloads(out) == [("station", CALL)] * 3


def test_compressed_without_negotiation() -> None:
    deflate = Deflater()
    out = play(opened((0, up(deflate(CALL), 0xC1)), (0, up(deflate(CALL), 0xC1))))
    assert names(out) == ["ws.compressed_without_negotiation"] * 2
    assert payloads(out) == [("station", CALL)] * 2


@pytest.mark.parametrize("columns", [False, True])
def test_a_bomb_is_not_inflated(columns: bool) -> None:
    bomb = Deflater()(bytes(20_000_000))
    out = play(opened((0, up(bomb, 0xC1)), (0, up(CALL)), extensions=BOTH), columns=columns)
    assert names(out) == ["ws.inflate_limit"]
    assert payloads(out) == [("station", CALL)]


def test_the_number_of_windows_is_bounded() -> None:
    station, csms = Deflater(), Deflater()
    steps = [(0, up(station(CALL), 0xC1)), (1, frame(csms(CALL), first=0xC1)), (0, up(station(CALL), 0xC1))]
    out = play(opened(*steps, extensions=BOTH), WebSockets(inflaters=1))
    assert "ws.inflate_contexts" in names(out)
    assert payloads(out) == [("station", CALL), ("csms", CALL)]


def test_the_server_keeps_no_window_when_it_agreed_to_keep_none() -> None:
    room = WebSockets()
    steps = opened((1, frame(Deflater()(CALL), first=0xC1)), extensions=BOTH + "; server_no_context_takeover")
    assert payloads(play(steps, room)) == [("csms", CALL)]
    assert room._context._kept == []
