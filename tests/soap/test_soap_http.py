"""HTTP under SOAP: bodies of every form, exchanges in order, and what breaks them."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from soap_dialog import (
    ALIVE,
    CP,
    CSMS,
    HEARTBEAT,
    STATION,
    Wire,
    answer_envelope,
    chunked,
    closed,
    cut,
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
from ocpp_inspect.model import SoapItem, SoapMessage
from ocpp_inspect.soap import Soap

BOTH = [("CP1", "station", "CALL", "Heartbeat"), ("CP1", "csms", "CALLRESULT", "Heartbeat")]


def zipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def deflated(body: bytes, *, is_bare: bool) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15 if is_bare else 15)
    return stream.compress(body) + stream.flush()


ZIPPED = "Content-Encoding: gzip"
IN_CHUNKS = "Transfer-Encoding: chunked"
FORMS = {
    "plain": (post(HEARTBEAT), ok(ALIVE)),
    "chunked": (
        post(chunked(HEARTBEAT), "Transfer-Encoding: chunked", length=False),
        ok(chunked(ALIVE), "Transfer-Encoding: chunked", length=False),
    ),
    "gzip": (
        post(zipped(HEARTBEAT), "Content-Encoding: gzip"),
        ok(zipped(ALIVE), "Content-Encoding: gzip"),
    ),
    "deflate": (
        post(deflated(HEARTBEAT, is_bare=False), "Content-Encoding: deflate"),
        ok(deflated(ALIVE, is_bare=True), "Content-Encoding: deflate"),
    ),
    "gzip in chunks": (
        post(chunked(zipped(HEARTBEAT), 40), ZIPPED, IN_CHUNKS, length=False),
        ok(chunked(zipped(ALIVE), 40), ZIPPED, IN_CHUNKS, length=False),
    ),
    "continue": (post(HEARTBEAT, "Expect: 100-continue"), b"HTTP/1.1 100 Continue\r\n\r\n" + ok(ALIVE)),
    "one behind the other": (post(HEARTBEAT) * 3, ok(ALIVE) * 3),
    "empty lines": (b"\r\n\r\n" + post(HEARTBEAT), ok(ALIVE)),
    "path of a proxy": (post(HEARTBEAT, path="http://csms/a/b/soap"), ok(ALIVE)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [0, 1, 3, 100])
@pytest.mark.parametrize("columns", [False, True])
def test_every_form_in_pieces_of_any_size(form: str, size: int, columns: bool) -> None:
    wire = Wire()
    wire.open()
    wire.exchange(*FORMS[form], size=size)
    wire.close()
    found = run(wire.items, columns=columns)
    number = 3 if form == "one behind the other" else 1
    assert sorted(said(found)) == sorted(BOTH * number)
    assert told(found) == []
    assert losses(found) == []
    calls = [each for each in messages(found) if each.kind == "CALL"]
    answers = [each for each in messages(found) if each.kind == "CALLRESULT"]
    assert [each.request_id for each in answers] == [each.message_id for each in calls]
    assert len({each.message_id for each in messages(found)}) == 2 * number
    assert {each.facts.xml for each in calls} == {HEARTBEAT}
    assert {each.facts.xml for each in answers} == {ALIVE}


def test_a_body_that_ends_with_the_connection() -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), ok(ALIVE, length=False))
    wire.close(by=1)
    assert said(run(wire.items)) == BOTH


def test_any_cutting_and_any_batches_give_the_same() -> None:
    generator = random.Random(7)
    whole = Wire()
    whole.open("A")
    whole.open("B")
    for form in FORMS.values():
        whole.exchange(*form, name="A")
        whole.exchange(*form, name="B")
    expected = [
        (*line, each.facts.xml) for line, each in zip(said(run(whole.items)), messages(run(whole.items)), strict=True)
    ]
    assert len(expected) == 44
    for _ in range(20):
        wire = Wire()
        wire.open("A")
        wire.open("B")
        for form in FORMS.values():
            for name in "AB":
                for direction, octets in enumerate(form):
                    for part in cut(octets, generator):
                        wire.say(direction, part, name)
        found = run(wire.items, at_once=generator.choice((0, 1, 5)), columns=generator.random() < 0.5)
        assert [(*line, each.facts.xml) for line, each in with_messages(found)] == expected


def with_messages(found: list[SoapItem]) -> list[tuple[tuple[str, str, str, str], SoapMessage]]:
    return list(zip(said(found), messages(found), strict=True))


def test_one_station_is_one_dialogue_over_many_connections_of_both_directions() -> None:
    wire = Wire()
    for number in range(5):
        wire.open(f"up{number}")
        wire.exchange(post(HEARTBEAT), ok(ALIVE), f"up{number}")
        wire.close(f"up{number}")
        wire.open(f"down{number}", client=CSMS, server=STATION, port=9000)
        request = envelope("<o:clearCacheRequest/>", space=CP, action="/ClearCache", sender=None)
        answer = answer_envelope("<o:clearCacheResponse><o:status>Accepted</o:status></o:clearCacheResponse>",
                                 space=CP, action="/ClearCacheResponse")  # fmt: skip
        wire.exchange(post(request), ok(answer), f"down{number}")
        wire.close(f"down{number}")
    found = run(wire.items)
    assert (
        said(found)
        == [*BOTH, ("CP1", "csms", "CALL", "ClearCache"), ("CP1", "station", "CALLRESULT", "ClearCache")] * 5
    )
    assert told(found) == []
    (record,) = closed(found)
    assert {each.connection for each in messages(found)} == {record.connection}
    assert (record.transport, record.client, record.server, record.server_port) == ("soap", STATION, CSMS, 8080)
    assert (record.path, record.host, record.messages, record.close_kind) == ("/soap", "csms:8080", 20, "end")


def test_one_connection_carries_several_stations() -> None:
    wire = Wire()
    wire.open()
    requests = [post(HEARTBEAT.replace(b"CP1", name)) for name in (b"CP1", b"CP2", b"CP1")]
    wire.exchange(b"".join(requests), ok(ALIVE) * 3)
    found = run(wire.items)
    assert [each.station for each in messages(found)] == ["CP1", "CP2", "CP1"] * 2
    assert {each.station for each in closed(found)} == {"CP1", "CP2"}
    assert len({each.connection for each in closed(found)}) == 2
    assert len({each.message_id for each in messages(found)}) == 6


@pytest.mark.parametrize(
    ("octets", "direction"),
    [
        (b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", 0),
        (b"\x16\x03\x01\x02\x00\x01\x00", 0),
        (b"SSH-2.0-OpenSSH\r\n", 1),
        (post(b'{"a": 1}', kind="application/json") * 40, 0),
        (post(b"<a>not ours</a>", kind="text/xml") * 40, 0),
        (post(HEARTBEAT.replace(b"urn://Ocpp/Cs/2015/10/", b"urn:other").replace(b"chargeBoxIdentity", b"x")) * 40, 0),
    ],
)
def test_other_traffic_is_left_alone(octets: bytes, direction: int) -> None:
    wire = Wire()
    wire.open()
    wire.say(direction, octets)
    wire.say(0, post(HEARTBEAT))
    room = Soap()
    found = run(wire.items[:-1], room=room)
    assert found == []
    assert room._connections == {}


def test_a_request_without_answer() -> None:
    wire = Wire()
    wire.open("A")
    wire.exchange(post(HEARTBEAT), ok(ALIVE))
    wire.open("B")
    wire.say(0, post(HEARTBEAT), "B")
    wire.close("B", by=1)
    found = run(wire.items)
    assert told(found) == ["soap.unanswered"]
    wire.items[-1].closed_by = 0
    assert told(run(wire.items)) == ["soap.unanswered"]
    wire.items[-1].ts_ns += 10**10
    assert told(run(wire.items)) == ["soap.given_up"]
    # Nothing is known when answers from there are not captured at all, or the capture just ends.
    alone = Wire()
    alone.open("B")
    alone.say(0, post(HEARTBEAT), "B")
    alone.close("B", by=1)
    assert told(run(alone.items)) == []
    assert told(run(wire.items[:-1])) == []


@pytest.mark.parametrize("direction", [0, 1])
def test_a_connection_that_ends_in_the_middle_of_a_message(direction: int) -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), ok(ALIVE))
    wire.say(0, post(HEARTBEAT) if direction else post(HEARTBEAT)[:300])
    if direction:
        wire.say(1, ok(ALIVE)[:200])
    wire.close(reason="rst", by=1 - direction)
    found = run(wire.items)
    assert told(found) == ["soap.cut_message"]
    assert losses(found) == [("resync", ("station", "csms")[direction], "CP1")]


@pytest.mark.parametrize(
    ("response", "kind", "code", "names"),
    [
        (ok(b"<html>no</html>", status="503 Service Unavailable", kind="text/html"), "CALLERROR", "HTTP 503",
         ["soap.http_error"]),
        (ok(b"", status="401 Unauthorized", kind=""), "CALLERROR", "HTTP 401", ["soap.http_error"]),
        (ok(b"", status="202 Accepted", kind=""), "INVALID", None, ["soap.empty_answer"]),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "INVALID", None, ["soap.empty_answer"]),
        (ok(b"<a/>"), "INVALID", None, ["soap.not_envelope"]),
        (ok(b"<a"), "INVALID", None, ["soap.not_xml"]),
    ],
)  # fmt: skip
def test_answers_without_an_envelope(response: bytes, kind: str, code: str | None, names: list[str]) -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), response)
    found = run(wire.items)
    call, answer = messages(found)
    assert (answer.kind, answer.error_code, answer.request_id) == (kind, code, call.message_id)
    assert (answer.side, answer.action) == ("csms", "Heartbeat")
    assert told(found) == names


def test_an_answer_that_nobody_asked_for() -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), ok(ALIVE) * 2)
    found = run(wire.items)
    assert told(found) == ["soap.answer_without_request"]
    assert [each.request_id > 0 for each in messages(found)] == [False, True, False]


def test_broken_http_is_told_and_reading_goes_on() -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), ok(ALIVE))
    wire.say(0, b"POST nonsense\r\n\r\n" + post(HEARTBEAT))
    wire.say(1, ok(ALIVE))
    found = run(wire.items)
    assert told(found) == ["soap.bad_http"]
    assert losses(found) == [("resync", "station", "CP1")]
    assert said(found) == BOTH * 2


@pytest.mark.parametrize(
    ("encoding", "body", "name"),
    [
        ("br", HEARTBEAT, "soap.unknown_encoding"),
        ("gzip, gzip", HEARTBEAT, "soap.unknown_encoding"),
        ("gzip", HEARTBEAT, "soap.inflate_failed"),
        ("gzip", zipped(HEARTBEAT)[:-9], "soap.inflate_failed"),
        ("gzip", zipped(b" " * (limits.SOAP_BODY_BYTES + 1)), "soap.body_too_long"),
        ("gzip", zipped(b" " * (limits.SOAP_UNPACKED_BYTES + 1)), "soap.body_too_long"),
        ("gzip", zipped(b"<a>" + b"<b/>" * 3000), "soap.xml_limit"),
    ],
    ids=["br", "twice", "not packed", "cut", "long", "dense", "many elements"],
)
def test_bodies_that_cannot_be_unpacked(encoding: str, body: bytes, name: str) -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), ok(ALIVE))
    wire.exchange(post(body, f"Content-Encoding: {encoding}"), ok(ALIVE))
    found = run(wire.items)
    assert told(found) == [name]
    assert [each.kind for each in messages(found)] == ["CALL", "CALLRESULT", "INVALID", "CALLRESULT"]


def test_a_body_that_is_too_long_is_skipped() -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), ok(ALIVE))
    wire.say(0, post(HEARTBEAT + b" " * limits.SOAP_BODY_BYTES), size=60_000)
    wire.exchange(post(HEARTBEAT), ok(ALIVE) * 2)
    found = run(wire.items)
    assert told(found) == ["soap.body_too_long"]
    assert losses(found) == [("oversize", "station", "CP1")]
    assert [each.kind for each in messages(found)] == ["CALL", "CALLRESULT", "CALL", "CALLRESULT", "CALLRESULT"]


def test_a_tunnel_through_a_proxy() -> None:
    wire = Wire()
    wire.open()
    wire.say(0, b"CONNECT csms:8080 HTTP/1.1\r\nHost: csms:8080\r\n\r\n")
    wire.say(1, b"HTTP/1.1 200 Connection established\r\n\r\n")
    wire.exchange(post(HEARTBEAT), ok(ALIVE), size=50)
    refused = Wire()
    refused.open()
    refused.say(0, b"CONNECT csms:8080 HTTP/1.1\r\nHost: csms:8080\r\n\r\n")
    refused.say(1, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    refused.exchange(post(HEARTBEAT), ok(ALIVE), size=50)
    assert said(run(wire.items)) == said(run(refused.items)) == BOTH


def test_an_envelope_with_attachments() -> None:
    body = b"--b\r\nContent-Type: application/xop+xml\r\n\r\n" + HEARTBEAT + b"\r\n--b\r\n\r\nmore\r\n--b--\r\n"
    wire = Wire()
    wire.open()
    wire.exchange(post(body, kind='multipart/related; type="application/xop+xml"; boundary=b'), ok(ALIVE))
    found = run(wire.items)
    assert (said(found), told(found)) == (BOTH, [])
    assert messages(found)[0].facts.xml == HEARTBEAT


def test_other_services_at_the_same_address_are_left_alone() -> None:
    """A CSMS has web pages too, and other services of SOAP beside OCPP's."""
    other = HEARTBEAT.replace(b"urn://Ocpp/Cs/2015/10/", b"urn:other").replace(b"chargeBoxIdentity", b"x")
    old = other.replace(b"http://www.w3.org/2003/05/soap-envelope", b"http://schemas.xmlsoap.org/soap/envelope/")
    wire = Wire()
    wire.open("A")
    wire.exchange(post(HEARTBEAT), ok(ALIVE), "A")
    for number, (request, response) in enumerate(
        [
            (post(old, kind="text/xml", path="/other"), ok(old.replace(b"Body>", b"Fault>"), kind="text/xml")),
            (post(b"a=b", kind="application/x-www-form-urlencoded"), ok(b"<html>", kind="text/html")),
            (post(b"<a", kind="text/xml", path="/other"), ok(b"no", kind="text/html", status="400 Bad Request")),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ok(b"<html>", kind="text/html")),
        ]
    ):
        wire.open(str(number))
        wire.exchange(request, response, str(number))
        wire.close(str(number))
    wire.exchange(post(HEARTBEAT), ok(ALIVE), "A")
    found = run(wire.items)
    assert (said(found), told(found), losses(found)) == (BOTH * 2, [], [])
    # Where OCPP was asked for, what cannot be read is OCPP gone wrong.
    wire.open("B")
    wire.exchange(post(b"<a", kind="text/xml"), ok(b"no", kind="text/html", status="400 Bad Request"), "B")
    assert told(run(wire.items)) == ["soap.not_xml", "soap.http_error"]


def test_both_legs_of_a_proxy() -> None:
    """The same request on its way from the proxy to the CSMS is no second request."""
    wire = Wire()
    wire.open("outer", server="10.0.0.5", port=443)
    wire.open("inner", client="10.0.0.5", server="127.0.0.1", port=8080)
    for number in (1, 2):
        request, response = (post(text.replace(b"id-1", b"id-%d" % number)) for text in (HEARTBEAT, HEARTBEAT))
        wire.say(0, request, "outer")
        wire.exchange(response, ok(ALIVE.replace(b"id-1", b"id-%d" % number)), "inner")
        wire.say(1, ok(ALIVE.replace(b"id-1", b"id-%d" % number)), "outer")
    found = run(wire.items)
    assert said(found) == BOTH * 2
    assert told(found) == ["soap.relayed"] * 2
    assert len(closed(found)) == 1
