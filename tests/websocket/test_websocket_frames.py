"""RFC 6455: frames in, messages and anomalies out."""

from __future__ import annotations

import pytest
from websocket_dialog import frame, names, only, opened, payloads, play, up

from ocpp_inspect.model import Anomaly, ConnectionClosed, Loss, WsControl, WsMessage
from ocpp_inspect.websocket import WebSockets

CALL = b'[2,"1","Heartbeat",{}]'
ANSWER = b'[3,"1",{}]'


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (bytes.fromhex("810548656c6c6f"), b"Hello"),  # RFC 6455 §5.7: unmasked
        (bytes.fromhex("010348656c 80026c6f"), b"Hello"),  # fragmented
        (bytes.fromhex("827e0100") + bytes(range(256)), bytes(range(256))),
        (bytes.fromhex("827f0000000000010000") + bytes(65536), bytes(65536)),
    ],
)
def test_the_examples_of_the_rfc(octets: bytes, text: bytes, columns: bool) -> None:
    whole = play(opened((1, octets)), columns=columns)
    assert payloads(whole) == [("csms", text)]
    assert names(whole) == []
    with_tail = play(opened((1, octets + frame(ANSWER))), columns=columns)
    assert payloads(with_tail) == [("csms", text), ("csms", ANSWER)]


def test_the_masked_example_byte_by_byte() -> None:
    octets = bytes.fromhex("818537fa213d7f9f4d5158")
    out = play(opened(*((0, octets[index : index + 1]) for index in range(len(octets)))))
    (message,) = only(out, WsMessage)
    assert (message.side, message.payload, message.opcode, message.frames) == ("station", b"Hello", 1, 1)
    assert (message.first_ns, message.ts_ns, message.position) == (1003, 1013, 13)
    assert names(out) == []


def test_ping_and_pong_of_the_rfc() -> None:
    out = play(opened((1, bytes.fromhex("890548656c6c6f")), (0, bytes.fromhex("8a8537fa213d7f9f4d5158"))))
    assert [(item.side, item.kind, item.payload) for item in only(out, WsControl)] == [
        ("csms", "ping", b"Hello"),
        ("station", "pong", b"Hello"),
    ]


def test_controls_between_fragments() -> None:
    out = play(opened((0, up(b'[2,"1",', 0x01) + up(b"x", 0x89) + up(b'"Heart', 0x00)), (0, up(b'beat",{}]', 0x80))))
    (message,) = only(out, WsMessage)
    assert (message.payload, message.frames, message.first_packet) == (CALL, 3, message.packet - 1)
    assert [item.kind for item in only(out, WsControl)] == ["ping"]
    assert names(out) == []


def test_empty_messages() -> None:
    out = play(opened((0, up(b"")), (1, frame(b"")), (1, frame(b"", first=0x82))))
    assert payloads(out) == [("station", b""), ("csms", b""), ("csms", b"")]
    assert names(out) == []


@pytest.mark.parametrize(
    ("name", "octets", "direction"),
    [
        ("ws.unmasked_client_frame", frame(CALL), 0),
        ("ws.masked_server_frame", up(CALL), 1),
        ("ws.reserved_bits", up(CALL, 0xA1), 0),
        ("ws.reserved_bits", up(CALL, 0x91), 0),
        ("ws.compressed_without_negotiation", up(CALL, 0xC1), 0),
        ("ws.long_length_form", frame(CALL, form=2), 1),
        ("ws.long_length_form", frame(CALL, form=8), 1),
    ],
)
def test_faults_of_a_message_that_is_still_handed_on(name: str, octets: bytes, direction: int) -> None:
    out = play(opened((direction, octets), (direction, octets)))
    assert names(out) == [name, name]
    assert all(anomaly.detail for anomaly in only(out, Anomaly))  # findings quote it
    assert [payload for _, payload in payloads(out)] == [CALL, CALL]


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("ws.unknown_opcode", up(b"abc", 0x83)),
        ("ws.unknown_opcode", up(b"abc", 0x8B)),
        ("ws.fragmented_control", up(b"abc", 0x09)),
        ("ws.long_control", up(b"x" * 126, 0x89)),
        ("ws.continuation_without_start", up(CALL, 0x80)),
        ("ws.bad_close_payload", up(b"x", 0x88)),
        ("ws.bad_close_code", up(b"\x03\xed", 0x88)),  # 1005
        ("ws.bad_close_code", up(b"\x00\x00", 0x88)),
        ("ws.bad_close_reason", up(b"\x03\xe8\xff", 0x88)),
    ],
)
def test_faults_without_a_message(name: str, octets: bytes) -> None:
    out = play(opened((0, octets), (1, frame(ANSWER))))
    assert names(out) == [name]
    assert payloads(out) == [("csms", ANSWER)]


def test_a_message_inside_a_fragmented_message() -> None:
    out = play(opened((0, up(b"[2,", 0x01)), (0, up(CALL)), (0, up(CALL))))
    assert names(out) == ["ws.interrupted_message"]
    assert payloads(out) == [("station", CALL)] * 2


@pytest.mark.parametrize("columns", [False, True])
def test_invalid_utf8_is_told_and_handed_on(columns: bool) -> None:
    out = play(opened((0, up(b"[2,\xff]")), (0, up("[2,é]".encode()))), columns=columns)
    assert names(out) == ["ws.invalid_utf8"]
    assert payloads(out)[0] == ("station", b"[2,\xff]")


def test_close_and_what_follows() -> None:
    steps = opened((1, frame(b"\x03\xe9going", first=0x88)), (0, up(b"\x03\xe9", 0x88)), (1, frame(ANSWER)))
    out = play(steps, closed_by=0)
    (closed,) = only(out, ConnectionClosed)
    assert (closed.closed_by, closed.close_code, closed.close_reason) == ("csms", 1001, "going")
    assert names(out) == ["ws.data_after_close"]


def test_http_behind_a_close_frame_is_told_as_such() -> None:
    # Flask answers to the upgrade's request once more when its handler returns.
    steps = opened((0, up(b"\x03\xe8", 0x88)), (1, frame(b"\x03\xe8", first=0x88)), (1, b"HTTP/1.1 200 OK\r\n\r\n"))
    (told,) = only(play(steps), Anomaly)
    assert (told.name, told.detail) == ("ws.lost_sync", "octets 48 54 54 50 behind its close frame")


def test_closed_by_the_first_fin() -> None:
    (closed,) = only(play(opened((0, up(CALL))), closed_by=1), ConnectionClosed)
    assert (closed.closed_by, closed.close_code, closed.messages) == ("csms", None, 1)


@pytest.mark.parametrize(("ended_ns", "closed_by"), [(1003, "csms"), (1005, "station"), (None, "station")])
def test_a_close_frame_behind_the_fin_of_the_other_side_only_answers_to_it(
    ended_ns: int | None, closed_by: str
) -> None:
    steps = opened((0, up(CALL)), (0, up(b"\x03\xe8", 0x88)))  # 1001 and on
    (closed,) = only(play(steps, closed_by=1, ended_ns=ended_ns), ConnectionClosed)
    assert (closed.closed_by, closed.close_code) == (closed_by, 1000)


def test_a_frame_cut_by_the_close() -> None:
    out = play(opened((0, up(CALL)[:-3])))
    assert names(out) == ["ws.cut_frame"]
    assert names(play(opened((0, up(CALL)[:-3])), close="end")) == []


def test_a_long_message_is_skipped_and_its_connection_is_not() -> None:
    long = up(b"x" * 5000)
    steps = opened((0, long[:1000]), (0, long[1000:4000]), (0, long[4000:] + up(CALL)), (0, up(CALL)))
    out = play(steps, WebSockets(message_bytes=1000))
    assert names(out) == ["ws.message_too_long"]
    assert [(loss.cause, loss.bytes, loss.messages) for loss in only(out, Loss)] == [("oversize", 5000, 1)]
    assert payloads(out) == [("station", CALL)] * 2


def test_a_long_fragmented_message_is_skipped() -> None:
    steps = opened((0, up(b"x" * 900, 0x01)), (0, up(b"x" * 900, 0x00)), (0, up(b"x" * 9, 0x80)), (0, up(CALL)))
    out = play(steps, WebSockets(message_bytes=1000))
    assert names(out) == ["ws.message_too_long"]
    assert payloads(out) == [("station", CALL)]


def test_memory_of_many_incomplete_messages_is_bounded() -> None:
    room = WebSockets(total_bytes=2000)
    long = up(b"x" * 5000)
    out = play(opened((0, long[:1500]), (0, long[1500:3000]), (0, long[3000:] + up(CALL))), room)
    assert names(out) == ["ws.memory_limit"]
    assert payloads(out) == [("station", CALL)]
    assert room._context.held_bytes == 0


def test_garbage_loses_the_boundary_and_finds_it_again() -> None:
    garbage = b"\xbf\xff" + b"\xff" * 40
    out = play(opened((0, up(CALL)), (0, garbage), (0, up(CALL)), (0, up(CALL))))
    assert names(out) == ["ws.lost_sync"]
    assert payloads(out) == [("station", CALL)] * 3
    assert [(loss.cause, loss.bytes) for loss in only(out, Loss)] == [("resync", 42)]


def test_anomalies_of_one_kind_are_not_told_without_end() -> None:
    out = play(opened(*((0, frame(CALL)) for _ in range(60))))
    assert names(out).count("ws.unmasked_client_frame") == 50
    assert names(out)[-1] == "ws.more_anomalies"
    assert len(payloads(out)) == 60


def test_a_forgotten_connection_is_told() -> None:
    room = WebSockets(connections=1)
    room.feed(_opening(1))
    out = room.feed(_opening(2))
    assert names(out) == ["ws.connection_limit"]


def _opening(number: int):  # type: ignore[no-untyped-def]
    from websocket_dialog import batch_of_items

    from ocpp_inspect.model import Flow, StreamOpened

    return batch_of_items([StreamOpened(number, Flow(number, "a", 1, "b", 2), 1, number, number, 0, False)])
