"""The upgrade: accepted, refused, through proxies, malformed."""

from __future__ import annotations

import pytest
from websocket_dialog import answer, frame, names, only, opened, payloads, play, request, up

from ocpp_inspect.model import Anomaly, ConnectionClosed, Loss, Upgrade, WsMessage
from ocpp_inspect.websocket import WebSockets

CALL = b'[2,"1","Heartbeat",{}]'
RESULT = b'[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'


def test_an_upgrade_is_described() -> None:
    lines = ("AUTHORIZATION: Basic Q1AxOnNlY3JldA==", "X-Forwarded-For: 1.2.3.4, 5.6.7.8", "user-agent: box/1")
    steps = [(0, request(*lines, target="/a/CP%201?x=1", protocol="ocpp2.0.1, ocpp1.6")), (1, answer("Server: s"))]
    (upgrade,) = only(play(steps), Upgrade)
    assert (upgrade.status, upgrade.path, upgrade.host) == (101, "/a/CP%201?x=1", "csms")
    assert (upgrade.offered, upgrade.subprotocol) == (("ocpp2.0.1", "ocpp1.6"), "ocpp1.6")
    assert (upgrade.user, upgrade.has_password, upgrade.password_length) == ("CP1", True, 6)
    assert (upgrade.forwarded_for, upgrade.user_agent, upgrade.server_agent) == ("1.2.3.4, 5.6.7.8", "box/1", "s")
    assert (upgrade.client, upgrade.client_port, upgrade.server, upgrade.server_port) == (
        "10.0.0.9",
        40000,
        "10.0.0.1",
        80,
    )
    assert (upgrade.ts_ns, upgrade.response_ns, upgrade.position) == (1001, 1002, 2)
    assert b"secret" not in repr(upgrade).encode()


def test_the_head_and_the_first_frames_in_any_pieces() -> None:
    whole = play([(0, request()), (1, answer() + frame(CALL) + frame(CALL)), (0, up(CALL))])
    assert payloads(whole) == [("csms", CALL), ("csms", CALL), ("station", CALL)]
    octets = request()
    answered = answer() + frame(CALL) + frame(CALL)
    pieces = [(0, octets[i : i + 1]) for i in range(len(octets))] + [
        (1, answered[i : i + 1]) for i in range(len(answered))
    ]
    out = play(pieces)
    assert payloads(out) == [("csms", CALL), ("csms", CALL)]
    assert names(out) == names(whole) == []


@pytest.mark.parametrize(
    ("head", "body", "close"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\n", b"nope", "fin"),
        (
            b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"2;a=b\r\nno\r\n2\r\npe\r\n0\r\nT: x\r\n\r\n",
            "fin",
        ),
        (b"HTTP/1.1 426 Upgrade Required\r\n\r\n", b"nope", "fin"),
        (b"HTTP/1.0 503 Unavailable\r\n\r\n", b"nope", "rst"),
        (b"HTTP/1.1 403\r\nContent-Length: 900\r\n\r\n", b"nope", "end"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_a_refusal(head: bytes, body: bytes, close: str, piece: int) -> None:
    octets = head + body
    out = play([(0, request()), *((1, octets[i : i + piece]) for i in range(0, len(octets), piece))], close=close)
    (upgrade,), (closed,) = only(out, Upgrade), only(out, ConnectionClosed)
    assert upgrade.status == int(head.split()[1])
    assert upgrade.body == "nope"
    assert closed.upgrade == upgrade
    assert names(out) == []


def test_a_second_attempt_on_the_same_connection() -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    out = play([(0, request()), (1, refusal), *opened((0, up(CALL)))])
    assert [upgrade.status for upgrade in only(out, Upgrade)] == [401, 101]
    assert payloads(out) == [("station", CALL)]


def test_requests_before_the_upgrade_pipelined() -> None:
    first = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
    answers = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    answers += b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    out = play([(0, first + request()), (1, answers + answer()), (0, up(CALL))])
    assert payloads(out) == [("station", CALL)]
    assert names(out) == []


def test_no_answer_at_all() -> None:
    out = play([(0, request())], close="rst")
    assert [upgrade.status for upgrade in only(out, Upgrade)] == [0]
    assert len(only(out, ConnectionClosed)) == 1


def test_through_a_forward_proxy() -> None:
    (upgrade,) = only(play([(0, request(target="http://u:p@csms.example:8080/ocpp/CP1")), (1, answer())]), Upgrade)
    assert upgrade.path == "/ocpp/CP1"
    tunnel = [
        (0, b"CONNECT csms:80 HTTP/1.1\r\nHost: csms\r\n\r\n"),
        (1, b"HTTP/1.1 200 Connection established\r\n\r\n"),
    ]
    out = play([*tunnel, *opened((0, up(CALL)))])
    assert payloads(out) == [("station", CALL)]
    assert names(out) == []
    refused = play([tunnel[0], (1, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")])
    assert refused == []


@pytest.mark.parametrize(
    ("name", "asked", "answered"),
    [
        ("http.not_get", request().replace(b"GET", b"POST"), answer()),
        ("http.old_version", request().replace(b"HTTP/1.1", b"HTTP/1.0"), answer()),
        ("http.missing_host", request().replace(b"Host: csms\r\n", b""), answer()),
        ("http.missing_upgrade", request().replace(b"Upgrade: websocket\r\n", b""), answer()),
        ("http.missing_connection", request().replace(b"Connection: Upgrade\r\n", b""), answer()),
        ("http.missing_key", request().replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""), answer()),
        (
            "http.bad_key",
            request().replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"YWJj"),
            answer(accept="3a5CCPQwTy9Z3aIwP0n8tDoTzzg="),
        ),
        ("http.missing_version", request().replace(b"Sec-WebSocket-Version: 13\r\n", b""), answer()),
        ("http.bad_version", request().replace(b"Version: 13", b"Version: 8"), answer()),
        ("http.no_subprotocol_offered", request(protocol=None), answer(protocol=None)),
        ("http.bad_header", request("what is this"), answer()),
        ("http.missing_accept_key", request(), answer().replace(b"Sec-WebSocket-Accept", b"X")),
        ("http.wrong_accept_key", request(), answer(accept="AAAA")),
        ("http.answer_missing_upgrade", request(), answer().replace(b"upgrade: WebSocket\r\n", b"")),
        ("http.answer_missing_connection", request(), answer().replace(b"keep-alive, upgrade", b"close")),
        ("http.subprotocol_not_offered", request(), answer(protocol="ocpp2.0.1")),
        ("http.no_subprotocol_selected", request(), answer(protocol=None)),
        (
            "http.several_subprotocols_selected",
            request(protocol="ocpp1.6, ocpp2.0.1"),
            answer(protocol="ocpp1.6, ocpp2.0.1"),
        ),
        ("http.extension_not_offered", request(), answer(extensions="permessage-deflate")),
        ("http.bad_extension", request(extensions="x-a"), answer(extensions="x-a")),
        (
            "http.bad_extension",
            request(extensions="permessage-deflate"),
            answer(extensions="permessage-deflate; server_max_window_bits=16"),
        ),
        (
            "http.bad_extension",
            request(extensions="permessage-deflate"),
            answer(extensions="permessage-deflate; client_max_window_bits=10"),
        ),
    ],
)
def test_a_faulty_handshake_is_told_and_read_on(name: str, asked: bytes, answered: bytes) -> None:
    if name == "http.bad_key":
        from ocpp_inspect.websocket.handshake import accept_key

        answered = answer(accept=accept_key("YWJj"))
    out = play([(0, asked), (1, answered), (0, up(CALL))])
    assert names(out) == [name]
    assert payloads(out) == [("station", CALL)]
    # The upgrade names the station, so it comes before what is wrong with it.
    assert [type(item) for item in out[:2]] == [Upgrade, Anomaly]
    assert out[1].packet == (out[0].packet if out[1].side == "station" else out[0].response_packet)  # type: ignore[union-attr]


def test_an_endless_head_is_left_alone() -> None:
    out = play([(0, b"GET / HTTP/1.1\r\n"), *((0, b"x: " + b"y" * 9000 + b"\r\n") for _ in range(9))])
    assert names(out) == ["http.head_too_long"]


def test_frames_of_the_server_behind_an_answer_that_nobody_saw() -> None:
    out = play([(0, request()), (0, up(CALL)), (1, frame(RESULT)), (0, up(CALL)), (1, frame(RESULT))])
    assert [payload for _, payload in payloads(out)] == [CALL, RESULT, CALL, RESULT]
    assert ("gap", "csms") in [(loss.cause, loss.side) for loss in only(out, Loss)]
    assert [upgrade.status for upgrade in only(out, Upgrade)] == [0]


def test_frames_behind_an_answer_that_nobody_saw() -> None:
    out = play([(0, request()), *((0, up(CALL)) for _ in range(6))])
    assert names(out) == ["http.data_before_answer"]
    assert [payload for _, payload in payloads(out)] == [CALL] * 6
    assert [upgrade.status for upgrade in only(out, Upgrade)] == [0]
    positions = [item.position for item in out]
    assert positions == sorted(positions)


def test_a_frame_captured_before_the_answer() -> None:
    out = play([(0, request()), (0, up(CALL)), (1, answer()), (0, up(CALL))])
    assert [upgrade.status for upgrade in only(out, Upgrade)] == [101]
    assert payloads(out) == [("station", CALL)] * 2
    assert names(out) == []


def test_only_the_answer_was_seen() -> None:
    out = play([(1, answer()), (1, frame(CALL)), (0, up(CALL))], client=None, midway=True)
    assert payloads(out) == [("csms", CALL), ("station", CALL)]


def test_other_websockets_are_counted_and_left_alone() -> None:
    room = WebSockets()
    steps = [(0, request(protocol="mqtt")), (1, answer(protocol="mqtt")), (0, up(CALL)), (1, b"\xff" * 99)]
    out = play(steps, room)
    assert [type(item).__name__ for item in out] == ["Upgrade", "ConnectionClosed"]
    assert room.counters["websocket_other"] == 1
    assert payloads(play([(0, request(protocol="OCPP1.6")), (1, answer(protocol="OCPP1.6")), (0, up(CALL))])) != []


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        ("http", [(0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")]),
        ("other", [(1, b"SSH-2.0-x\r\n"), (0, b"SSH-2.0-y\r\n")]),
        ("http2", [(0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (1, bytes(9))]),
        ("http2", [(1, b"\x00\x00\x06\x04" + bytes(5) + b"\x00\x03\x00\x00\x00\x64"), (0, b"PRI * HTTP/2.0\r\n")]),
        ("other", [(1, b"\x00\x00\x05\x04" + bytes(10))]),
        ("silent", []),
        ("other", [(0, b"\x00" * 100)]),
    ],
)
def test_everything_else_is_only_counted(kind: str, steps: list[tuple[int, bytes]]) -> None:
    room = WebSockets()
    assert play(steps, room) == []
    assert room.counters[kind] == 1


@pytest.mark.parametrize("piece", [1, 2, 50])
def test_tls_is_told_once_and_can_come_back_decrypted(piece: int) -> None:
    hello = b"\x16\x03\x01\x00\x10" + b"x" * 16
    room = WebSockets()
    out = play([(0, hello[i : i + piece]) for i in range(0, len(hello), piece)], room, close=None)
    assert [(item.name, type(item)) for item in out] == [("tls.encrypted", Anomaly)]
    assert room.counters["tls"] == 1


@pytest.mark.parametrize("piece", [1, 2, 50])
def test_a_port_that_speaks_tls_answers_with_an_alert(piece: int) -> None:
    alert = b"\x15\x03\x03\x00\x02\x02\x46"
    out = play([(0, request()), *((1, alert[i : i + piece]) for i in range(0, len(alert), piece))])
    assert [getattr(item, "name", type(item).__name__) for item in out] == [
        "Upgrade", "http.answered_by_tls", "ConnectionClosed",
    ]  # fmt: skip
    assert only(out, Upgrade)[0].status == 0


def test_decrypted_data_start_the_ladder_again() -> None:
    from websocket_dialog import CONNECTION, batch_of_columns, batch_of_items, items_of

    room = WebSockets()
    encrypted = items_of([(0, b"\x16\x03\x01\x00\x10xx")], close=None)
    room.feed(batch_of_items(encrypted))
    room.decrypted(CONNECTION)
    plain = items_of(opened((0, up(CALL))), close=None)[1:]
    out = room.feed(batch_of_columns(plain))  # type: ignore[arg-type]
    assert [type(item) for item in out] == [Upgrade, WsMessage]
    assert out[0].tls  # type: ignore[union-attr]


def test_heads_cut_by_a_snap_length_tell_what_was_captured() -> None:
    asked, answered = request("X-Long: " + "y" * 200, target="/ocpp/CP7"), answer("X-Long: " + "y" * 200)
    steps = [(0, asked[:150]), (0, len(asked) - 150), (1, answered[:200]), (1, len(answered) - 200)]
    out = play([*steps, (0, up(CALL)), (1, frame(CALL))])
    (upgrade,) = only(out, Upgrade)
    assert (upgrade.status, upgrade.path, upgrade.subprotocol) == (101, "/ocpp/CP7", "ocpp1.6")
    assert (upgrade.request_complete, upgrade.answer_complete) == (False, False)
    assert payloads(out) == [("station", CALL), ("csms", CALL)]
    assert names(out) == []


def test_an_upgrade_tells_which_of_its_heads_are_whole() -> None:
    asked = request(target="/ocpp/CP7")
    for steps, expected in (
        ([(0, asked), (1, answer())], (True, True)),
        ([(0, asked[:60]), (0, len(asked) - 60), (1, answer())], (False, True)),
        ([(1, answer())], (False, True)),
        ([(0, asked)], (True, False)),
    ):
        upgrades = only(play(steps), Upgrade)
        assert [(upgrade.request_complete, upgrade.answer_complete) for upgrade in upgrades] == [expected]


def test_a_cut_request_that_is_no_upgrade() -> None:
    plain = b"GET /index HTTP/1.1\r\nHost: a\r\nX-Long: yyyyyyyyy"
    assert play([(0, plain), (0, 90), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("for=192.0.2.60;proto=https;by=203.0.113.43", "192.0.2.60"),
        ('proto=https; For="[2001:db8:cafe::17]:4711", for=unknown', "[2001:db8:cafe::17]:4711, unknown"),
        ("by=203.0.113.43;xfor=1.2.3.4", ""),
        ('for="a\\"b', ""),
    ],
)
def test_the_header_forwarded_tells_for_whom(value: str, told: str) -> None:
    (upgrade,) = [each for each in play([(0, request(f"Forwarded: {value}"))]) if isinstance(each, Upgrade)]
    assert upgrade.forwarded_for == told
