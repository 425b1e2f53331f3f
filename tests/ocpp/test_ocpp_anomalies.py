"""Every anomaly that the room names can be produced, and carries its message, place and side."""

from __future__ import annotations

import pytest
from ocpp_transcript import anomalies, message, names, run

from ocpp_inspect.model import Upgrade
from ocpp_inspect.ocpp import ANOMALIES, Ocpp
from ocpp_inspect.ocpp.schema import Checker

BOOT = '{"chargePointVendor":"V","chargePointModel":"M"}'
CLOCK = '{"currentTime":"2026-01-01T00:00:00Z"}'
CALL = '[2,"1","Heartbeat",{}]'


def timed(text: str, version: str = "1.6") -> str:
    return f'-- upgrade /A ocpp{version}\n0 > [2,"1","Heartbeat",{{}}]\n1 < [3,"1",{{"currentTime":"{text}"}}]'


def said(text: str, version: str = "1.6", side: str = ">") -> str:
    return f"-- upgrade /A ocpp{version}\n0 {side} {text}"


def status(extra: str) -> str:
    return said(f'[2,"1","StatusNotification",{{"errorCode":"NoError","status":"Available",{extra}}}]')


RAW = {
    "ocpp.empty_message": b"  ",
    "ocpp.byte_order_mark": b"\xef\xbb\xbf" + CALL.encode(),
    "ocpp.bad_utf8": b'[2,"1","Heart\xff",{}]',
    "ocpp.nul_byte": CALL.encode() + b"\0",
    "ocpp.control_character": b'[2,"1","DataTransfer",{"vendorId":"a\tb"}]',
    "ocpp.deep_nesting": b'[2,"1","DataTransfer",{"vendorId":"a","data":' + b"[" * 300 + b"]" * 300 + b"}]",
}

DIALOGUES = {
    "ocpp.not_json": said('[2,"1" "Heartbeat",{}]'),
    "ocpp.truncated_json": said('[2,"1","Heartbeat",{'),
    "ocpp.plain_text": said("pong"),
    "ocpp.not_a_number": said('[2,"1","DataTransfer",{"vendorId":"a","x":NaN}]'),
    "ocpp.lone_surrogate": said('[2,"1","\\ud800",{}]'),
    "ocpp.trailing_comma": said('[2,"1","Heartbeat",{},]'),
    "ocpp.single_quotes": said("[2,'1','Heartbeat',{}]"),
    "ocpp.concatenated_messages": said(CALL + CALL),
    "ocpp.trailing_text": said(CALL + "ok"),
    "ocpp.duplicate_key": said('[2,"1","Authorize",{"idTag":"A","idTag":"B"}]'),
    "ocpp.number_precision": said('[2,"1","DataTransfer",{"vendorId":"a","x":1234567890123456789012}]'),
    "ocpp.number_range": said('[2,"1","DataTransfer",{"vendorId":"a","x":1e400}]'),
    "ocpp.negative_zero": said('[2,"1","DataTransfer",{"vendorId":"a","x":-0}]'),
    "ocpp.not_array": said('{"type":2}'),
    "ocpp.unknown_message_type": said('[9,"1",{}]'),
    "ocpp.message_type_not_integer": said('["2","1","Heartbeat",{}]'),
    "ocpp.message_type_not_in_version": said('[6,"1","Heartbeat",{}]'),
    "ocpp.wrong_length": said('[2,"1","Heartbeat"]'),
    "ocpp.id_not_string": said('[2,1,"Heartbeat",{}]'),
    "ocpp.id_empty": said('[2,"","Heartbeat",{}]'),
    "ocpp.id_too_long": said(f'[2,"{"x" * 37}","Heartbeat",{{}}]'),
    "ocpp.action_not_string": said('[2,"1",["Heartbeat"],{}]'),
    "ocpp.payload_null": said('[2,"1","Heartbeat",null]'),
    "ocpp.payload_not_object": said('[2,"1","Heartbeat","{}"]'),
    "ocpp.error_code_not_string": said('[4,"1",404,"",{}]'),
    "ocpp.error_code_unknown": said('[4,"1","BadRequest","",{}]'),
    "ocpp.error_code_other_version": said('[4,"1","FormatViolation","",{}]'),
    "ocpp.error_description_not_string": said('[4,"1","GenericError",null,{}]'),
    "ocpp.error_description_too_long": said(f'[4,"1","GenericError","{"x" * 256}",{{}}]', "2.0.1"),
    "ocpp.error_details_not_object": said('[4,"1","GenericError","",""]'),
    "ocpp.unknown_action": said('[2,"1","BootNotificationRequest",{}]'),
    "ocpp.action_of_other_version": said('[2,"1","TransactionEvent",{}]'),
    "ocpp.send_expected": said('[2,"1","NotifyPeriodicEventStream",{}]', "2.1"),
    "ocpp.send_not_allowed": said('[6,"1","Heartbeat",{}]', "2.1"),
    "ocpp.signed_message": said('[2,"1","Heartbeat-Signed",{"payload":"","protected":"","signature":""}]', "2.0.1"),
    "ocpp.odd_subprotocol": "-- upgrade /A OCPP1.6J",
    "ocpp.unsupported_version": "-- upgrade /A ocpp1.5",
    "ocpp.late_recognition": f"-- upgrade /A\n0 > hello\n1 > {CALL}",
    "rpc.wrong_side": said(CALL, side="<"),
    "rpc.retry": said(CALL) + f"\n30 > {CALL}",
    "rpc.id_reused": said(CALL) + f'\n1 < [3,"1",{CLOCK}]\n2 > [2,"1","BootNotification",{BOOT}]',
    "rpc.id_reused_open": said(CALL) + f'\n2 > [2,"1","BootNotification",{BOOT}]',
    "rpc.second_answer": said(CALL) + f'\n1 < [3,"1",{CLOCK}]\n2 < [4,"1","GenericError","",{{}}]',
    "rpc.orphan_answer": said('[3,"1",{}]'),
    "rpc.unpaired_answer": '-- lost\n0 > [3,"1",{}]',
    "rpc.answer_from_same_side": said(CALL) + '\n1 > [3,"1",{}]',
    "rpc.send_answered": said('[6,"1","Heartbeat",{}]', "2.1") + '\n1 < [3,"1",{}]',
    "rpc.error_without_id": said('[4,"-1","GenericError","",{}]'),
    "rpc.result_error_unpaired": said('[5,"1","GenericError","",{}]', "2.1"),
    "rpc.connection_lost": said(CALL) + "\n-- closed",
    "schema.required": said('[2,"1","Authorize",{}]'),
    "schema.type": said('[2,"1","Authorize",{"idTag":5}]'),
    "schema.enum": said('[2,"1","Reset",{"type":"hard"}]', side="<"),
    "schema.max_length": said(f'[2,"1","Authorize",{{"idTag":"{"A" * 21}"}}]'),
    "schema.max_items": said(
        '[2,"3","SetChargingProfile",{"evseId":1,"chargingProfile":{"id":1,"stackLevel":0,'
        '"chargingProfilePurpose":"TxProfile","chargingProfileKind":"Absolute","chargingSchedule":[{},{},{},{}]}}]',
        "2.0.1", "<"
    ),
    "schema.min_items": said('[2,"1","MeterValues",{"connectorId":1,"meterValue":[]}]'),
    "schema.minimum": said('[2,"1","SetMonitoringLevel",{"severity":-1}]', "2.1", "<"),
    "schema.maximum": said(
        '[2,"1","NotifyEVChargingNeeds",{"evseId":1,"chargingNeeds":{"requestedEnergyTransfer":"DC",'
        '"dcChargingParameters":{"evMaxCurrent":1,"evMaxVoltage":1,"stateOfCharge":101}}}]', "2.0.1"
    ),
    "schema.multiple_of": said(
        '[2,"1","RemoteStartTransaction",{"idTag":"A","chargingProfile":{"chargingProfileId":1,"stackLevel":0,'
        '"chargingProfilePurpose":"TxProfile","chargingProfileKind":"Relative","chargingSchedule":'
        '{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.25}]}}}]', side="<"
    ),
    "schema.additional_property": said('[2,"1","Heartbeat",{"x":1}]'),
    "schema.format": said('[2,"1","GetDiagnostics",{"location":"no uri"}]', side="<"),
    "schema.more_faults": said(f'[2,"1","MeterValues",{{"connectorId":1,"meterValue":[{",".join("1" * 30)}]}}]'),
    "schema.valid_in_other_version": said('[2,"1","Reset",{"type":"Immediate"}]', side="<"),
    "schema.not_available": said(CALL, "2.0"),
    "schema.datetime_invalid": timed("now"),
    "schema.datetime_impossible": timed("2022-02-29T00:00:00Z"),
    "schema.datetime_date_only": timed("2022-02-28"),
    "schema.datetime_space": timed("2022-02-28 00:00:00Z"),
    "schema.datetime_no_zone": timed("2022-02-28T00:00:00", "2.0.1"),
    "schema.datetime_offset_form": timed("2022-02-28T00:00:00+0200"),
    "schema.datetime_comma": timed("2022-02-28T00:00:00,1Z", "2.0.1"),
    "schema.datetime_fraction_digits": timed("2022-02-28T00:00:00.1234Z", "2.0"),
    "schema.datetime_no_seconds": timed("2022-02-28T00:00Z", "2.1"),
    "schema.datetime_risky_no_zone": timed("2022-02-28T00:00:00"),
    "schema.datetime_risky_lower_case": timed("2022-02-28t00:00:00z"),
    "schema.datetime_risky_offset_form": timed("2022-02-28T00:00:00+02"),
    "schema.datetime_risky_comma": timed("2022-02-28T00:00:00,1Z"),
    "schema.datetime_risky_no_seconds": timed("2022-02-28T00:00Z"),
    "schema.datetime_risky_leap_second": timed("2016-12-31T23:59:60Z"),
    "schema.datetime_risky_hour_24": timed("2016-12-31T24:00:00Z"),
}  # fmt: skip

ELSEWHERE = {
    "ocpp.binary_message", "ocpp.connection_limit", "ocpp.station_limit", "rpc.open_calls_limit", "schema.other",
}  # fmt: skip


def test_every_name_is_produced_somewhere() -> None:
    assert set(RAW) | set(DIALOGUES) | ELSEWHERE == set(ANOMALIES)
    assert all(text.endswith(".") and len(text) < 130 for text in ANOMALIES.values())


@pytest.mark.parametrize("name", DIALOGUES)
def test_a_dialogue_produces_it(name: str) -> None:
    found = run(DIALOGUES[name])
    produced = [each for each in anomalies(found) if each.name == name]
    assert produced, names(found)
    assert all(each.detail and len(each.detail) < 500 for each in produced)
    assert set(names(found)) <= set(ANOMALIES)
    if not name.endswith(("subprotocol", "unsupported_version")):
        assert produced[0].message_id or name == "ocpp.late_recognition"


@pytest.mark.parametrize("name", RAW)
def test_octets_produce_it(name: str) -> None:
    upgrade = Upgrade(1, 0, 1, 1, 101, "/A", subprotocol="ocpp1.6")
    found = Ocpp().feed([upgrade, message(2, "station", RAW[name])])
    assert name in names(found)


def test_a_risky_date_time_is_still_valid_and_an_illegal_one_is_not() -> None:
    for name, dialogue in DIALOGUES.items():
        if name.startswith("schema.datetime_") and "2.0" not in name:
            answer = [each for each in run(dialogue) if hasattr(each, "schema_valid")][-1]
            expected = None if "ocpp2.0\n" in dialogue else name.startswith("schema.datetime_risky_")
            assert answer.schema_valid is expected, name


def test_limits_of_the_room_are_reported() -> None:
    room = Ocpp(connection_limit=2, station_limit=2)
    upgrades = [Upgrade(n, 0, n, n, 101, f"/S{n}", subprotocol="ocpp1.6") for n in range(1, 5)]
    found = []
    for upgrade in upgrades:
        found += room.feed([upgrade, message(10 + upgrade.connection, "station", CALL.encode(), upgrade.connection)])
    assert names(found) == ["ocpp.connection_limit", "ocpp.station_limit"] * 2
    assert room.session("S1") is None
    assert room.session("S4") is not None


def test_a_binary_message_is_decoded_and_noted() -> None:
    upgrade = Upgrade(1, 0, 1, 1, 101, "/A", subprotocol="ocpp1.6")
    found = Ocpp().feed([upgrade, message(2, "station", CALL.encode(), opcode=2)])
    assert names(found) == ["ocpp.binary_message"]


def test_an_unnamed_constraint() -> None:
    assert Checker({"not": {}}, old=True).explain({})[0][0].name == "schema.other"


def test_details_are_bounded_whatever_the_id_and_the_action() -> None:
    unique_id, action = "i" * 5000, "A" * 5000
    other = f'[2,"{unique_id}","B",{{}}]'
    found = run(said(f'[2,"{unique_id}","{action}",{{}}]') + f'\n1 > {other}\n2 < [3,"{unique_id}x",{{}}]\n-- closed')
    assert {"rpc.id_reused_open", "rpc.orphan_answer", "rpc.connection_lost", "ocpp.unknown_action"} <= set(
        names(found)
    )
    assert all(len(each.detail) < 300 for each in anomalies(found))
