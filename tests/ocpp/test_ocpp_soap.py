"""SOAP bodies become the payloads that OCPP-J has; then everything is as with OCPP-J."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ocpp_inspect import limits
from ocpp_inspect.model import Anomaly, ConnectionClosed, OcppItem, OcppMessage, SoapFacts, SoapMessage, packet_key
from ocpp_inspect.ocpp import SoapOcpp
from ocpp_inspect.ocpp.soap_payload import payload_of


def typed(action: str, body: Any, *, version: str = "1.6", is_answer: bool = False) -> Any:
    return payload_of(version, action, body, is_answer=is_answer)


@pytest.mark.parametrize(
    ("action", "body", "payload"),
    [
        ("Heartbeat", "", {}),
        ("Heartbeat", " \n ", {}),
        ("Heartbeat", "text", "text"),
        ("Heartbeat", None, None),
        ("StartTransaction", [("connectorId", " 1 "), ("idTag", " A "), ("meterStart", "+5")],
         {"connectorId": 1, "idTag": " A ", "meterStart": 5}),
        ("StartTransaction", [("connectorId", "1.0"), ("meterStart", ""), ("reservationId", "99999999999999999999")],
         {"connectorId": "1.0", "meterStart": "", "reservationId": "99999999999999999999"}),
        ("StatusNotification", [("timestamp", "\n2026-01-01T00:00:00Z ")], {"timestamp": "2026-01-01T00:00:00Z"}),
        ("MeterValues", [("connectorId", "1")], {"connectorId": 1, "meterValue": []}),
        ("MeterValues", [("meterValue", [("sampledValue", [("value", "1")])])],
         {"meterValue": [{"sampledValue": [{"value": "1"}]}]}),
        ("StatusNotification", [("status", "A"), ("status", "B"), ("status", "C")], {"status": ["A", "B", "C"]}),
        ("StatusNotification", [("info", None), ("new", "1"), ("other", [("a", "1"), ("a", "2")])],
         {"info": None, "new": "1", "other": {"a": ["1", "2"]}}),
        ("SetChargingProfile",
         [("connectorId", "1"), ("csChargingProfiles", [
             ("stackLevel", "0"), ("chargingSchedule", [
                 ("chargingRateUnit", "A"), ("minChargingRate", "6.5"),
                 ("chargingSchedulePeriod", [("startPeriod", "0"), ("limit", "16")]),
                 ("chargingSchedulePeriod", [("startPeriod", "60"), ("limit", ".1"), ("numberPhases", "3")])])])],
         {"connectorId": 1, "csChargingProfiles": {
             "stackLevel": 0, "chargingSchedule": {
                 "chargingRateUnit": "A", "minChargingRate": 6.5,
                 "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16},
                                            {"startPeriod": 60, "limit": 0.1, "numberPhases": 3}]}}}),
        ("SetChargingProfile", [("csChargingProfiles", ""), ("connectorId", "x")],
         {"csChargingProfiles": {}, "connectorId": "x"}),
        ("Eat", [("a", "1"), ("b", [("c", "x")])], {"a": "1", "b": {"c": "x"}}),
    ],
)  # fmt: skip
def test_requests(action: str, body: Any, payload: Any) -> None:
    assert typed(action, body) == payload


def test_answers() -> None:
    body = [("configurationKey", [("key", "A"), ("readonly", "true")]), ("configurationKey", [("readonly", "0")])]
    found = typed("GetConfiguration", body, is_answer=True)
    assert found == {"configurationKey": [{"key": "A", "readonly": True}, {"readonly": False}]}
    odd = typed("GetConfiguration", [("configurationKey", [("readonly", "yes")])], is_answer=True)
    assert odd == {"configurationKey": [{"readonly": "yes"}]}
    old = typed("Heartbeat", [("currentTime", "x")], version="1.5", is_answer=True)
    assert old == {"currentTime": "x"}


def test_values_of_15_keep_their_attributes() -> None:
    """In 1.5 a value has its unit in an attribute."""
    body = [("connectorId", "1"), ("values", [("timestamp", "t"), ("value", [("unit", "Wh"), ("value", "7")])])]
    assert typed("MeterValues", body, version="1.5") == {
        "connectorId": 1,
        "values": {"timestamp": "t", "value": {"unit": "Wh", "value": "7"}},
    }


class Dialogue:
    """Messages of one station, one behind the other."""

    def __init__(self, version: str = "1.6") -> None:
        self.room = SoapOcpp()
        self.version = version
        self.number = 0

    def say(self, kind: Any, action: str, body: Any, *, answers: int = 0, **more: Any) -> list[OcppItem]:
        self.number += 1
        packet = packet_key(1, self.number)
        side: Any = "station" if not answers else "csms"
        return self.room.feed_soap(
            [
                SoapMessage(
                    packet_key(1, 10**9), "CP1", self.version, more.pop("side", side), self.number * 10**9, packet,
                    self.number, packet * 100_000, kind, more.pop("unique_id", f"id-{self.number}"), action, body,
                    packet_key(1, answers) * 100_000 if answers else 0, SoapFacts(xml=b"<xml/>"), **more,
                )
            ]
        )  # fmt: skip


def message(items: list[OcppItem]) -> OcppMessage:
    (found,) = (item for item in items if isinstance(item, OcppMessage))
    return found


def names(items: list[OcppItem]) -> list[str]:
    return [item.name for item in items if isinstance(item, Anomaly)]


def test_a_transaction_is_known_as_with_json() -> None:
    said = Dialogue()
    start = [("connectorId", "1"), ("idTag", "A"), ("meterStart", "5"), ("timestamp", "2026-01-01T00:00:00Z")]
    call = message(said.say("CALL", "StartTransaction", start))
    assert (call.schema_valid, call.side, call.size) == (True, "station", 6)
    assert orjson.loads(call.raw) == [2, "id-1", "StartTransaction", call.payload]
    begun = [("transactionId", "7"), ("idTagInfo", [("status", "Accepted")])]
    answer = message(said.say("CALLRESULT", "StartTransaction", begun, answers=1))
    assert (answer.transaction, answer.request, answer.latency_ns) == ("7", call.payload, 10**9)
    assert orjson.loads(answer.raw) == [3, "id-2", answer.payload]
    session = said.room.session("CP1")
    assert session is not None
    assert session.transactions["7"].id_tag == "A"
    stop = [("transactionId", "7"), ("meterStop", "9"), ("timestamp", "2026-01-01T01:00:00Z")]
    assert message(said.say("CALL", "StopTransaction", stop)).transaction == "7"
    assert session.open_transactions() == []


def test_what_the_schema_refuses_is_told() -> None:
    said = Dialogue()
    found = said.say("CALL", "StatusNotification", [("connectorId", "one"), ("status", "Occupied"),
                                                    ("errorCode", "NoError")])  # fmt: skip
    assert message(found).schema_valid is False
    assert sorted(names(found)) == ["schema.enum", "schema.type"]
    assert said.room.counters.refused == 1


def test_a_long_message_id_and_the_codes_of_faults_are_no_faults() -> None:
    said = Dialogue()
    assert names(said.say("CALL", "Heartbeat", "", unique_id="urn:uuid:" + "0" * 36)) == []
    found = said.say("CALLERROR", "Heartbeat", "", answers=1, error_code="IdentityMismatch", error_description="x")
    assert names(found) == []
    error = message(found)
    assert (error.error_code, error.request_id, error.payload) == ("IdentityMismatch", packet_key(1, 1) * 100_000, {})
    assert orjson.loads(error.raw) == [4, "id-2", "IdentityMismatch", "x", {}]


@pytest.mark.parametrize("version", ["1.2", "1.5", ""])
def test_older_versions_are_not_checked(version: str) -> None:
    said = Dialogue(version)
    found = said.say("CALL", "StatusNotification", [("connectorId", "1"), ("status", "Occupied")])
    assert names(found) == []
    assert (message(found).version, message(found).schema_valid) == (version, None)
    assert message(found).payload == {"connectorId": 1, "status": "Occupied"}


def test_text_instead_of_fields_is_invalid() -> None:
    said = Dialogue()
    found = said.say("CALL", "Heartbeat", "now")
    assert (message(found).kind, names(found)) == ("INVALID", ["soap.bad_body"])
    assert message(found).raw == b"<xml/>"


def test_facts_of_the_soap_room_belong_to_the_message() -> None:
    said = Dialogue()
    found = said.say("CALL", "Heartbeat", "", anomalies=[("soap.wrong_action", "x")])
    (anomaly,) = (item for item in found if isinstance(item, Anomaly))
    assert (anomaly.name, anomaly.message_id, anomaly.station) == (
        "soap.wrong_action",
        message(found).message_id,
        "CP1",
    )


def test_requests_that_nobody_answers_are_bounded() -> None:
    said = Dialogue()
    for _ in range(limits.OPEN_CALLS + 5):
        said.say("CALL", "Heartbeat", "")
    answer = message(said.say("CALLRESULT", "Heartbeat", "", answers=1))
    assert (answer.request, answer.latency_ns, answer.request_id) == (None, -1, packet_key(1, 1) * 100_000)
    (asked,) = said.room._asked.values()
    assert len(asked) == limits.OPEN_CALLS


def test_the_end_forgets_the_dialogue() -> None:
    said = Dialogue()
    said.say("CALL", "Heartbeat", "")
    end = ConnectionClosed(packet_key(1, 10**9), 5, packet_key(1, 1), 1, 0, "10.0.0.9", 0, "10.0.0.1", 80, False, "end",
                           "unknown", None, "", 0, None, 1, station="CP1", transport="soap")  # fmt: skip
    (closed,) = said.room.feed_soap([end])
    assert isinstance(closed, ConnectionClosed)
    assert (closed.version, closed.is_ocpp, closed.station) == ("1.6", True, "CP1")
    assert said.room._asked == {}
