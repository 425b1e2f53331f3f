"""What is missing is told as missing; nothing is blamed on anybody, and reading goes on."""

from __future__ import annotations

import gzip

import pytest
from soap_dialog import (
    ALIVE,
    CP,
    CSMS,
    HEARTBEAT,
    STATION,
    Wire,
    batch,
    closed,
    envelope,
    losses,
    messages,
    ok,
    post,
    run,
    said,
    told,
)

from ocpp_inspect import limits
from ocpp_inspect.model import StreamDoubt, StreamSecured
from ocpp_inspect.soap import Soap

BOTH = [("CP1", "station", "CALL", "Heartbeat"), ("CP1", "csms", "CALLRESULT", "Heartbeat")]


def request(number: int) -> bytes:
    return post(HEARTBEAT.replace(b"id-1", b"id-%d" % number))


def response(number: int) -> bytes:
    return ok(ALIVE.replace(b"id-1", b"id-%d" % number))


def known() -> Wire:
    """A connection that is known to carry OCPP."""
    wire = Wire()
    wire.open()
    wire.exchange(request(1), response(1))
    return wire


@pytest.mark.parametrize(("start", "length"), [(300, 50), (20, 30), (100, 600), (0, 100)])
@pytest.mark.parametrize("direction", [0, 1])
def test_a_gap_anywhere_in_a_message(start: int, length: int, direction: int) -> None:
    wire = known()
    texts = [request(2), response(2)]
    for number, text in enumerate(texts):
        if number == direction:
            wire.say(number, text[:start])
            wire.gap(number, min(length, len(text) - start))
            wire.say(number, text[start + length :])
        else:
            wire.say(number, text)
    wire.exchange(request(3), response(3))
    wire.close()
    found = run(wire.items)
    assert told(found) == []
    side = ("station", "csms")[direction]
    assert {(cause, who) for cause, who, _ in losses(found)} == {("gap", side)}
    assert said(found)[:2] == BOTH
    assert said(found)[-2:] == BOTH
    assert messages(found)[-1].request_id == messages(found)[-2].message_id
    assert closed(found)[0].lost_bytes > 0


def test_a_gap_inside_a_chunk() -> None:
    wire = known()
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HEARTBEAT), HEARTBEAT)
    text = post(body, "Transfer-Encoding: chunked", length=False)
    wire.say(0, text[:400])
    wire.gap(0, 100)
    wire.say(0, text[500:] + request(3))
    wire.say(1, response(2) + response(3))
    found = run(wire.items)
    assert told(found) == []
    assert said(found) == [*BOTH, BOTH[0], BOTH[1], BOTH[1]]
    assert [each.request_id > 0 for each in messages(found)] == [False, True, False, False, True]


def test_a_whole_request_is_missing() -> None:
    wire = known()
    wire.gap(0, len(request(2)))
    wire.say(1, response(2))
    wire.exchange(request(3), response(3))
    found = run(wire.items)
    assert told(found) == []
    assert said(found) == [*BOTH, BOTH[1], *BOTH]
    assert [each.request_id > 0 for each in messages(found)] == [False, True, False, False, True]
    assert messages(found)[2].station == "CP1"


def test_a_gap_before_anything_is_told_once_it_is_known_whose_it_is() -> None:
    wire = Wire()
    wire.open()
    wire.gap(0, 300)
    wire.say(0, request(1)[300:])
    wire.say(1, response(1))
    wire.exchange(request(2), response(2))
    found = run(wire.items)
    assert told(found) == []
    # The answer alone does not name its station, so the address does.
    assert said(found) == [(STATION, "csms", "CALLRESULT", "Heartbeat"), *BOTH]
    assert {cause for cause, _, _ in losses(found)} == {"gap"}
    other = Wire()
    other.open()
    other.gap(0, 300)
    other.say(0, b"\x81\x85abcdefghi")
    assert run(other.items) == []


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("skip", [0, 10, 400, 700])
def test_joined_in_the_middle(skip: int, zipped: bool) -> None:
    """Compressed text looks like anything: its message and the next answer are given up, not misread."""
    wire = Wire()
    wire.open(midway=True)
    first = post(gzip.compress(HEARTBEAT), "Content-Encoding: gzip") if zipped else request(1)
    if zipped and skip:
        return
    wire.say(0, first[skip:])
    wire.say(1, response(1))
    wire.exchange(request(2), response(2))
    found = run(wire.items)
    assert told(found) == []
    assert said(found)[-2:] == BOTH
    assert len(messages(found)) == (4 if skip == 0 else 3)
    assert messages(found)[-1].request_id == messages(found)[-2].message_id


def test_joined_before_an_answer() -> None:
    wire = Wire()
    wire.open(midway=True)
    wire.say(1, response(1))
    wire.exchange(request(2), response(2))
    found = run(wire.items)
    assert said(found) == [(STATION, "csms", "CALLRESULT", "Heartbeat"), *BOTH]
    assert told(found) == []


def test_an_answer_of_a_station_that_was_asked_before() -> None:
    """A request that is missing whole: the address tells whose the answer is."""
    wire = known()
    wire.open("down", client=CSMS, server=STATION, port=9000)
    wire.exchange(post(envelope("<o:clearCacheRequest/>", space=CP, action="/ClearCache", sender=None)),
                  response(1), "down")  # fmt: skip
    wire.gap(0, 500, "down")
    wire.say(1, response(2), "down")
    found = run(wire.items)
    assert losses(found) == [("gap", "csms", "CP1")]
    assert messages(found)[-1].station == "CP1"


def test_a_doubt_is_handed_on() -> None:
    wire = known()
    last = wire.items[-1]
    wire.items.append(StreamDoubt(last.connection, 1, 0, last.ts_ns + 1, last.packet + 1, last.position + 1))
    assert losses(run(wire.items)) == [("suspected", "station", "CP1")]


def test_the_plaintext_of_tls() -> None:
    wire = known()
    opened = wire.items[0]
    secured = StreamSecured(opened.connection, 1, opened.ts_ns, opened.packet, opened.position, True)
    found = run([opened, secured, *wire.items[1:]])
    assert said(found) == BOTH
    assert closed(found)[0].tls
    secured.is_readable = False
    assert run([opened, secured, *wire.items[1:]]) == []


def test_too_many_connections() -> None:
    room = Soap(connections=3)
    wire = Wire()
    for number in range(6):
        wire.open(str(number))
        wire.exchange(request(1), response(1), str(number))
    found = run(wire.items, room=room)
    assert told(found) == ["soap.connection_limit"] * 3
    assert losses(found) == [("limit", "station", "CP1")] * 3
    assert said(found) == BOTH * 6


def test_too_many_stations() -> None:
    room = Soap(stations=3)
    wire = Wire()
    for number in range(6):
        name = f"CP{number}"
        wire.open(name)
        wire.exchange(request(1).replace(b"CP1", name.encode()), response(1), name)
    found = run(wire.items, room=room)
    assert told(found) == ["soap.station_limit"] * 3
    assert [(each.station, each.close_kind) for each in closed(found)] == [
        (f"CP{number}", "idle" if number < 3 else "end") for number in range(6)
    ]


def test_memory_is_bounded() -> None:
    room = Soap(total_bytes=100_000)
    wire = known()
    head = post(b"", f"Content-Length: {limits.SOAP_BODY_BYTES}", length=False)
    wire.say(0, head + b"<a>" + b"x" * 200_000, size=10_000)
    found = run(wire.items, room=room)
    assert told(found) == ["soap.memory_limit"]
    assert losses(found) == [("limit", "station", "CP1")]


def test_one_fault_again_and_again_is_counted() -> None:
    wire = Wire()
    wire.open()
    number = limits.CONNECTION_ANOMALIES + 30
    for _ in range(number):
        wire.exchange(post(envelope("<o:heartbeatRequest/>", action="Heartbeat")), ok(ALIVE))
    found = run(wire.items)
    assert told(found) == ["soap.wrong_action"] * limits.CONNECTION_ANOMALIES + ["soap.more_anomalies"]
    assert len(messages(found)) == 2 * number


def test_octets_of_a_connection_that_was_never_opened() -> None:
    wire = known()
    found = Soap().feed(batch(wire.items[1:]))
    assert [each.kind for each in messages(found)] == ["CALL", "CALLRESULT"]


def test_garbage_behind_a_gap_ends() -> None:
    wire = known()
    wire.gap(0, 0)
    wire.say(0, b"x" * (limits.SOAP_SEARCH_BYTES + 200_000), size=60_000)
    room = Soap()
    found = room.feed(batch(wire.items))
    assert room._connections == {}
    assert losses(found) == [("gap", "station", "CP1")]
