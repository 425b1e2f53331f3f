"""What a header or body lacks or says wrongly, each by its name; and what is right says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from soap_dialog import (
    ADDRESSING,
    ALIVE,
    CP,
    CS,
    CSMS,
    ENVELOPE_11,
    HEARTBEAT,
    STATION,
    Wire,
    answer_envelope,
    envelope,
    fault,
    messages,
    ok,
    post,
    run,
    told,
)

from ocpp_inspect.soap import ANOMALIES

BODY = "<o:heartbeatRequest/>"
ANSWER = "<o:heartbeatResponse><o:currentTime>2026-01-01T00:00:00Z</o:currentTime></o:heartbeatResponse>"
OLD = "http://schemas.xmlsoap.org/ws/2004/08/addressing"


def exchange(request: bytes, response: bytes, **kinds: Any) -> list[Any]:
    """The exchange on a connection that is known to carry OCPP, and only what is told of it."""
    wire = Wire()
    wire.open()
    wire.exchange(post(HEARTBEAT), ok(ALIVE))
    wire.exchange(post(request, **kinds.get("post", {})), ok(response, **kinds.get("ok", {})))
    return run(wire.items)


@pytest.mark.parametrize(
    ("request_parts", "names"),
    [
        ({}, []),
        ({"reply_to": f"{ADDRESSING}/anonymous"}, []),
        ({"declaration": '<?xml version="1.0" encoding="UTF-8"?>'}, []),
        ({"identity": None}, ["soap.missing_identity"]),
        ({"identity": " "}, ["soap.missing_identity"]),
        ({"message_id": None}, ["soap.missing_message_id"]),
        ({"relates_to": "x"}, ["soap.relates_to_in_request"]),
        ({"sender": None}, ["soap.missing_from"]),
        ({"to": None}, ["soap.missing_to"]),
        ({"reply_to": "http://10.0.0.9/answers"}, ["soap.reply_elsewhere"]),
        ({"action": None}, ["soap.missing_action"]),
        ({"action": "Heartbeat"}, ["soap.wrong_action"]),
        ({"action": "/heartbeat"}, ["soap.wrong_action"]),
        ({"action": "/HeartbeatResponse"}, ["soap.wrong_action"]),
        ({"addressing": OLD}, ["soap.draft_addressing"]),
        ({"space": "urn://Ocpp/Cs/2015/10"}, []),
        ({"space": CP}, ["soap.wrong_service"]),
        ({"space": "urn://Ocpp/Cs/2019/12/"}, ["soap.unknown_namespace"]),
        ({"space": "urn:ocpp"}, ["soap.unknown_namespace"]),
        ({"soap": ENVELOPE_11}, ["soap.old_envelope", "soap.wrong_content_type"]),
        ({"soap": "urn:soap"}, ["soap.unknown_envelope"]),
    ],
)
def test_requests(request_parts: dict[str, Any], names: list[str]) -> None:
    found = exchange(envelope(BODY, **request_parts), ALIVE)
    call, answer = messages(found)[2:]
    assert [name for name, _ in call.anomalies] == names
    assert (call.kind, call.action, call.side) == ("CALL", "Heartbeat", "station")
    if "message_id" in request_parts:
        assert answer.request_id == call.message_id


@pytest.mark.parametrize(
    ("body", "action", "kind", "names"),
    [
        ("<o:HeartbeatRequest/>", "/Heartbeat", "CALL", ["soap.unknown_operation"]),
        ("<o:signCertificateRequest/>", "/SignCertificate", "CALL", ["soap.unknown_operation"]),
        ("<o:eatRequest/>", "/Eat", "CALL", ["soap.unknown_operation"]),
        ("<o:heartbeat/>", "/Heartbeat", "INVALID", ["soap.unknown_operation"]),
        ("", "/Heartbeat", "INVALID", ["soap.bad_body"]),
        (BODY + BODY, "/Heartbeat", "CALL", ["soap.bad_body"]),
        ("<o:heartbeatRequest>x<o:a/></o:heartbeatRequest>", "/Heartbeat", "CALL", ["soap.mixed_text"]),
        ("<a:To/>", "/Heartbeat", "INVALID", ["soap.unknown_namespace", "soap.unknown_operation"]),
    ],
)
def test_bodies_of_requests(body: str, action: str, kind: str, names: list[str]) -> None:
    call = messages(exchange(envelope(body, action=action), ALIVE))[2]
    assert (call.kind, [name for name, _ in call.anomalies]) == (kind, names)


@pytest.mark.parametrize(
    ("response", "kind", "names"),
    [
        (ALIVE, "CALLRESULT", []),
        (answer_envelope(ANSWER, relates_to=None), "CALLRESULT", ["soap.missing_relates_to"]),
        (answer_envelope(ANSWER, relates_to="id-2"), "CALLRESULT", ["soap.wrong_relates_to"]),
        (answer_envelope(ANSWER, action="/Heartbeat"), "CALLRESULT", ["soap.wrong_action"]),
        (answer_envelope(ANSWER, action=None), "CALLRESULT", ["soap.missing_action"]),
        (answer_envelope("<o:authorizeResponse/>", action="/AuthorizeResponse"), "INVALID", ["soap.wrong_answer"]),
        (answer_envelope(BODY, action="/Heartbeat"), "INVALID", ["soap.unknown_operation", "soap.wrong_action"]),
        (fault("Receiver", "InternalError"), "CALLERROR", []),
        (fault("Sender"), "CALLERROR", []),
        (fault("MustUnderstand"), "CALLERROR", []),
        (fault("Sender", "BadThing"), "CALLERROR", ["soap.unknown_fault_code"]),
        (fault("Sender", "InternalError"), "CALLERROR", ["soap.unknown_fault_code"]),
        (fault("Client"), "CALLERROR", ["soap.unknown_fault_code"]),
        (ALIVE.replace(b"</s:Header>", b"<a:Action>/HeartbeatResponse</a:Action></s:Header>"), "CALLRESULT",
         ["soap.repeated_header"]),
        (ALIVE[:-4], "INVALID", ["soap.not_xml"]),
        (b"<!DOCTYPE a>" + ALIVE, "INVALID", ["soap.doctype"]),
        (b"<a/>", "INVALID", ["soap.not_envelope"]),
        (b"<a>" * 40, "INVALID", ["soap.xml_limit"]),
    ],
)  # fmt: skip
def test_responses(response: bytes, kind: str, names: list[str]) -> None:
    call, answer = messages(exchange(HEARTBEAT, response))[2:]
    assert (answer.kind, [name for name, _ in answer.anomalies]) == (kind, names)
    assert answer.request_id == call.message_id


def test_a_fault_is_an_error_with_its_innermost_code() -> None:
    answer = messages(exchange(HEARTBEAT, fault("Receiver", "NotSupported", reason="cannot")))[3]
    assert (answer.error_code, answer.error_description) == ("NotSupported", "cannot")
    old = answer_envelope(
        "<s:Fault><faultcode>s:Server</faultcode><faultstring>old</faultstring></s:Fault>", soap=ENVELOPE_11
    )
    answer = messages(exchange(HEARTBEAT, old, ok={"kind": "text/xml"}))[3]
    assert (answer.kind, answer.error_code, answer.error_description) == ("CALLERROR", "Server", "old")


@pytest.mark.parametrize(("kind", "names"), [("text/xml", ["soap.wrong_content_type"]), ("application/soap+xml", [])])
def test_content_types(kind: str, names: list[str]) -> None:
    assert told(exchange(HEARTBEAT, ALIVE, post={"kind": kind})) == names


@pytest.mark.parametrize("name", ["chargeBoxIdentity", "ChargeBoxIdentity", "CHARGEBOXIDENTITY"])
def test_the_name_of_the_identity_header_may_be_in_any_case(name: str) -> None:
    found = exchange(HEARTBEAT.replace(b"chargeBoxIdentity", name.encode()), ALIVE)
    assert told(found) == []
    assert {each.station for each in messages(found)} == {"CP1"}


@pytest.mark.parametrize(("date", "version"), [("2010/08", "1.2"), ("2012/06", "1.5"), ("2015/10", "1.6")])
def test_versions(date: str, version: str) -> None:
    body = f'<x:heartbeatRequest xmlns:x="urn://Ocpp/Cs/{date}/"/>'
    call = messages(exchange(envelope(body), ALIVE))[2]
    assert (call.version, call.anomalies) == (version, [])


def test_a_station_that_answers_for_another_one() -> None:
    """Only told when both stations have said where they listen."""
    wire = Wire()
    for number, name in ((9, "CP1"), (8, "CP2")):
        wire.open(name, client=f"10.0.0.{number}")
        said = envelope(BODY, identity=name, sender=f"http://10.0.0.{number}:9000/")
        wire.exchange(post(said), ok(ALIVE), name)
    wire.open("down", client=CSMS, server=STATION, port=9000)
    request = envelope("<o:clearCacheRequest/>", space=CP, action="/ClearCache", identity="CP2", sender=None)
    answer = answer_envelope("<o:clearCacheResponse><o:status>Accepted</o:status></o:clearCacheResponse>", space=CP,
                             action="/ClearCacheResponse")  # fmt: skip
    wire.exchange(post(request), ok(answer), "down")
    assert told(run(wire.items)) == ["soap.identity_mismatch"]
    assert told(run(wire.items[:3] + wire.items[6:])) == []
    refused = Wire()
    refused.items = wire.items[:-1]
    refused._keys, refused._pairs, refused._frame = wire._keys, wire._pairs, wire._frame
    refused.say(1, ok(fault("Sender", "IdentityMismatch"), status="500 Error"), "down")
    assert told(run(refused.items)) == []


def test_without_identity_the_address_names_the_station() -> None:
    wire = Wire()
    wire.open("A")
    wire.exchange(post(envelope(BODY, identity=None)), ok(ALIVE), "A")
    wire.exchange(post(HEARTBEAT), ok(ALIVE), "A")
    wire.exchange(post(envelope(BODY, identity=None)), ok(ALIVE), "A")
    assert [each.station for each in messages(run(wire.items))] == [STATION] * 2 + ["CP1"] * 4


def test_names_are_printable_and_short() -> None:
    wire = Wire()
    wire.open()
    wire.exchange(post(envelope(BODY, identity="a&#x202e;b" + "x" * 400)), ok(ALIVE))
    station = messages(run(wire.items))[0].station
    assert station.startswith("a�bxxx")
    assert len(station) == 255


def test_every_anomaly_has_a_test() -> None:
    from pathlib import Path

    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in ANOMALIES if f'"{name}"' not in tests] == []
    assert CS != CP
