from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp_transcript import anomalies, closed, items, message, messages, names, run

from ocpp_inspect import limits
from ocpp_inspect.model import ConnectionClosed, Loss, Upgrade
from ocpp_inspect.ocpp import Ocpp, station_from_path
from ocpp_inspect.ocpp.aliases import ALIASES
from ocpp_inspect.ocpp.identity import Identities
from ocpp_inspect.ocpp.session import Session
from ocpp_inspect.ocpp.version import from_token

BOOT = '{"chargePointVendor":"V","chargePointModel":"M","chargePointSerialNumber":"S1","firmwareVersion":"1.2"}'
BOOT_2 = '{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V","serialNumber":"S2"}}'
TIME = "2026-01-01T00:00:00Z"


def booted(status: str, interval: int = 300) -> str:
    return f'{{"status":"{status}","currentTime":"{TIME}","interval":{interval}}}'


@pytest.mark.parametrize(
    ("path", "station"),
    [
        ("/ocpp/CP1", "CP1"),
        ("/ocpp/CP1/", "CP1"),
        ("///CP1", "CP1"),
        ("/ocpp/CP1?token=x/y", "CP1"),
        ("/ocpp/RDAM%7C123", "RDAM|123"),
        ("/a%2Fb", "a/b"),
        ("/%1b%5b31m", "�[31m"),
        ("/%ff", "ÿ"),
        ("/S%E4ule", "Säule"),  # Latin-1
        ("/S%C3%A4ule", "Säule"),
        ("/SÃ¤ule", "Säule"),  # bare UTF-8, as a head is read
        ("/Säule%20☃", "Säule ☃"),  # from a log
        ("/%ff%1b", "ÿ�"),
        ("/%zz", "%zz"),
        ("/", ""),
        ("", ""),
        ("/" + "x" * 5000, "x" * 255),
        ("/" + "%41" * 5000, "A" * 255),
        ("/s\u202eafe", "s�afe"),
    ],
)
def test_station_from_path(path: str, station: str) -> None:
    assert station_from_path(path) == station


@given(st.text())
def test_an_identity_is_always_printable_and_bounded(path: str) -> None:
    station = station_from_path(path)
    assert station.isprintable()
    assert len(station) <= 255


BEAT = b'[2,"1","Heartbeat",{}]'


def behind_one_address() -> Ocpp:
    return Ocpp(endpoints=lambda number, _: ("10.0.0.7", 40000 + number, "10.0.0.1", 80))


def test_a_connection_without_its_upgrade_takes_the_only_station_of_its_address() -> None:
    room = behind_one_address()
    before = room.feed([message(1, "station", BEAT, 5)])
    assert messages(before)[0].station == "10.0.0.7:40005"
    room.feed(items("== 1\n-- upgrade /ocpp/CP1 ocpp1.6"))
    room.feed([closed(1, 3, "fin")])
    loss = Loss(6, "unknown", 0, 4, 4, "joined_midway")
    found = room.feed([loss, message(5, "station", BEAT, 6), closed(6, 9, "end")])
    assert [each.station for each in found] == ["CP1"] * 3
    room.feed(items("== 2\n-- upgrade /ocpp/CP2 ocpp1.6"))  # now the address has two stations
    assert messages(room.feed([message(12, "station", BEAT, 7)]))[0].station == "10.0.0.7:40007"
    assert Identities().recall(("fe80::1", 1, "x", 2)) == "[fe80::1]:1"


def test_beside_a_connection_of_the_station_it_is_perhaps_another_one() -> None:
    room = behind_one_address()
    room.feed(items("== 1\n-- upgrade /ocpp/CP1 ocpp1.6"))
    assert messages(room.feed([message(4, "station", BEAT, 6)]))[0].station == "10.0.0.7:40006"
    assert messages(room.feed([message(5, "station", BEAT, 1)]))[0].station == "CP1"


def test_a_guess_is_doubted_when_the_station_itself_comes() -> None:
    room = behind_one_address()
    room.feed([*items("== 1\n-- upgrade /ocpp/CP1 ocpp1.6"), closed(1, 3, "fin")])
    assert messages(room.feed([message(4, "station", BEAT, 6)]))[0].station == "CP1"
    upgrade = next(item for item in items("== 2\n-- upgrade /ocpp/CP1 ocpp1.6") if type(item) is Upgrade)
    (loss,) = [item for item in room.feed([upgrade]) if type(item) is Loss]
    assert (loss.connection, loss.station, loss.cause) == (6, "CP1", "joined_midway")


def test_how_long_a_line_is_open_is_told_by_positions() -> None:
    """Whatever the order in which workers learn it."""
    known = Identities()
    known.learn(("10.0.0.7", 1, "10.0.0.1", 80), "CP1", 10)
    known.leave(("10.0.0.7", 1, "10.0.0.1", 80), 20)
    known.leave(("10.0.0.7", 1, "10.0.0.1", 80), 30)  # the FIN of the other side
    known.leave(("10.0.0.9", 1, "10.0.0.1", 80), 12)
    other = ("10.0.0.7", 2, "10.0.0.1", 80)
    assert [known.recall(other, at) for at in (9, 10, 19, 20)] == ["10.0.0.7:2", "10.0.0.7:2", "10.0.0.7:2", "CP1"]
    assert known.recall(("10.0.0.7", 1, "10.0.0.1", 80), 15) == "CP1"
    for port in range(3, 3 + 2 * limits.LINES_PER_ADDRESS):  # those that are open stay longest
        known.learn(("10.0.0.7", port, "10.0.0.1", 80), "CP1", 40)
        if port > 3:
            known.leave(("10.0.0.7", port, "10.0.0.1", 80), 50)
    assert known.recall(other, 60) == "10.0.0.7:2"
    known.leave(("10.0.0.7", 3, "10.0.0.1", 80), 70)
    assert known.recall(other, 70) == "CP1"


def test_the_state_of_a_station_survives_a_reconnect() -> None:
    room = Ocpp()
    first = messages(
        run(
            f"""
            -- upgrade /A ocpp1.6
            0 > [2,"1","BootNotification",{BOOT}]
            1 < [3,"1",{booted("Pending", 60)}]
            -- closed
            """,
            room,
        )
    )
    session = first[0].session
    assert (session.vendor, session.model, session.boot.serial, session.boot.firmware) == ("V", "M", "S1", "1.2")
    assert (session.boot_status, session.boot.interval, session.heartbeat_interval) == ("Pending", 60, None)
    assert session.connections == set()
    again = messages(run('== 2\n-- upgrade /A ocpp1.6\n9 > [2,"1","Heartbeat",{}]', room))
    assert again[0].session is session
    assert session.connections == {2}
    assert not session.joined_midway


def test_sessions_of_stations_without_a_name_are_not_shared() -> None:
    found = messages(run('0 > [2,"1","Heartbeat",{}]\n== 2\n0 > [2,"1","Heartbeat",{}]'))
    assert found[0].session is not found[1].session


def entry(key: str, value: str, readonly: bool) -> dict[str, object]:
    return {"key": key, "value": value, "readonly": readonly}


def test_configuration_of_1_6_is_learned() -> None:
    entries = [
        entry("ConnectionTimeOut", "90", False),
        entry("AuthorizationKey", "s3cret", False),
        entry("NumberOfConnectors", "2", True),
    ]
    found = run(
        f"""
        -- upgrade /A ocpp1.6
        0 < [2,"1","GetConfiguration",{{}}]
        1 > [3,"1",{json.dumps({"configurationKey": entries})}]
        2 < [2,"2","ChangeConfiguration",{{"key":"HeartbeatInterval","value":"120"}}]
        3 > [3,"2",{{"status":"Accepted"}}]
        4 < [2,"3","ChangeConfiguration",{{"key":"ConnectionTimeOut","value":"5"}}]
        5 > [3,"3",{{"status":"Rejected"}}]
        """
    )
    assert names(found) == []
    session = messages(found)[0].session
    assert session.config == {
        "ConnectionTimeOut": "90",
        "AuthorizationKey": "***",
        "NumberOfConnectors": "2",
        "HeartbeatInterval": "120",
    }
    assert session.readonly == {"ConnectionTimeOut": False, "AuthorizationKey": False, "NumberOfConnectors": True}
    assert session.heartbeat_interval == 120


def variable(component: str, name: str, rest: str) -> str:
    return f'{{"component":{{"name":"{component}"}},"variable":{{"name":"{name}"}},{rest}}}'


def test_variables_of_2_x_are_learned_under_both_names() -> None:
    timeout = variable("TxCtrlr", "EVConnectionTimeOut", '"attributeValue":"45"')
    beat = variable("OCPPCommCtrlr", "HeartbeatInterval", '"attributeValue":"60"')
    secret = variable("SecurityCtrlr", "BasicAuthPassword", '"attributeValue":"geheim-geheim-1234"')
    report = variable("LocalAuthListCtrlr", "Enabled", '"variableAttribute":[{"value":"true","mutability":"ReadOnly"}]')
    results = [
        variable("TxCtrlr", "EVConnectionTimeOut", '"attributeStatus":"Accepted"'),
        variable("OCPPCommCtrlr", "HeartbeatInterval", '"attributeStatus":"Rejected"'),
        variable("SecurityCtrlr", "BasicAuthPassword", '"attributeStatus":"Accepted"'),
    ]
    found = run(
        f"""
        -- upgrade /A ocpp2.0.1
        0 < [2,"1","SetVariables",{{"setVariableData":[{timeout},{beat},{secret}]}}]
        1 > [3,"1",{{"setVariableResult":[{",".join(results)}]}}]
        2 > [2,"2","NotifyReport",{{"requestId":1,"generatedAt":"{TIME}","seqNo":0,"reportData":[{report}]}}]
        3 < [3,"2",{{}}]
        """
    )
    assert names(found) == []
    session = messages(found)[-1].session
    assert session.config == {
        "TxCtrlr.EVConnectionTimeOut": "45",
        "EVConnectionTimeOut": "45",
        "SecurityCtrlr.BasicAuthPassword": "***",
        "BasicAuthPassword": "***",
        "LocalAuthListCtrlr.Enabled": "true",
        "LocalAuthListEnabled": "true",
    }
    assert session.readonly["LocalAuthListEnabled"] is True
    assert ALIASES["OCPPCommCtrlr.HeartbeatInterval"] == "HeartbeatInterval"


def test_a_transaction_of_1_6() -> None:
    sample = f'{{"timestamp":"{TIME}","sampledValue":[{{"value":"1"}}]}}'
    found = messages(
        run(
            f"""
            -- upgrade /A ocpp1.6
            0 > [2,"1","StartTransaction",{{"connectorId":2,"idTag":"T","meterStart":10,"timestamp":"{TIME}"}}]
            1 < [3,"1",{{"transactionId":77,"idTagInfo":{{"status":"Accepted"}}}}]
            2 > [2,"2","MeterValues",{{"connectorId":2,"transactionId":77,"meterValue":[{sample}]}}]
            3 < [3,"2",{{}}]
            4 < [2,"9","RemoteStopTransaction",{{"transactionId":77}}]
            5 > [2,"3","StopTransaction",{{"transactionId":77,"meterStop":30,"timestamp":"{TIME}"}}]
            """
        )
    )
    assert [each.transaction for each in found] == [None, "77", "77", "77", "77", "77"]
    transaction = found[0].session.transactions["77"]
    assert (transaction.connector, transaction.id_tag, transaction.status) == (2, "T", "Accepted")
    assert (transaction.meter_start, transaction.meter_stop, transaction.reason) == (10, 30, "Local")
    assert (transaction.started_ns, transaction.ended_ns) == (0, 5_000_000_000)
    assert found[0].session.open_transactions() == []


def event(kind: str, number: int, more: str = "") -> str:
    info = '"transactionInfo":{"transactionId":"tx-1","chargingState":"Charging"}'
    return f'{{"eventType":"{kind}","timestamp":"{TIME}","triggerReason":"Authorized","seqNo":{number},{info}{more}}}'


def test_a_transaction_of_2_x() -> None:
    more = ',"evse":{"id":1,"connectorId":2},"idToken":{"idToken":"T","type":"Central"}'
    found = run(
        f"""
        -- upgrade /A ocpp2.0.1
        0 > [2,"1","TransactionEvent",{event("Started", 0, more)}]
        1 < [3,"1",{{"idTokenInfo":{{"status":"Invalid"}}}}]
        2 > [2,"2","TransactionEvent",{event("Updated", 1)}]
        """
    )
    assert names(found) == []
    session = messages(found)[0].session
    assert [each.transaction for each in messages(found)] == ["tx-1"] * 3
    transaction = session.transactions["tx-1"]
    assert (transaction.evse, transaction.connector, transaction.id_tag) == (1, 2, "T")
    assert (transaction.status, transaction.sequence, transaction.charging_state) == ("Invalid", 1, "Charging")
    assert session.open_transactions() == [transaction]


def test_the_tables_of_a_session_are_bounded() -> None:
    session = Session("A")
    for number in range(5000):
        session.learn(f"key{number}", "1")
        session.transaction(str(number))
    assert len(session.config) == 2000
    assert len(session.transactions) == 64
    assert "4999" in session.transactions


@pytest.mark.parametrize(
    ("token", "version", "name"),
    [
        ("ocpp1.6", "1.6", ""),
        ("ocpp2.0", "2.0", ""),
        ("ocpp2.0.1", "2.0.1", ""),
        ("ocpp2.1", "2.1", ""),
        ("OCPP1.6", "1.6", "ocpp.odd_subprotocol"),
        ("OCPP1.6J", "1.6", "ocpp.odd_subprotocol"),
        ("ocpp1.6.0", "1.6", "ocpp.odd_subprotocol"),
        ("ocpp16", "1.6", "ocpp.odd_subprotocol"),
        ("ocpp201", "2.0.1", "ocpp.odd_subprotocol"),
        ("ocpp2.0.1.1", "2.0.1", "ocpp.odd_subprotocol"),
        ("ocpp1.5", "", "ocpp.unsupported_version"),
        ("graphql-ws", "", ""),
        ("ocpp" + "1" * 100_000, "", ""),
    ],
)
def test_versions_from_tokens(token: str, version: str, name: str) -> None:
    assert from_token(token)[:2] == (version, name)


def test_a_version_is_inferred_from_the_messages_and_marked() -> None:
    for boot, version in ((BOOT, "1.6"), (BOOT_2, "2.0.1")):
        found = messages(
            run(f'0 > [2,"0","Heartbeat",{{}}]\n0 > [2,"1","BootNotification",{boot}]\n1 > [2,"2","Heartbeat",{{}}]')
        )
        assert [each.version for each in found] == ["", version, version]
        assert [each.version_inferred for each in found] == [False, True, True]
        assert [each.schema_valid for each in found] == [None, True, True]
    swap = '{"data":[],"eventType":"BatteryIn","idToken":{"idToken":"a","type":"Central"},"requestId":1}'
    found = messages(run(f'0 > [2,"1","BootNotification",{BOOT_2}]\n1 > [2,"2","BatterySwap",{swap}]'))
    assert [each.version for each in found] == ["2.0.1", "2.1"]


def test_a_version_that_was_only_offered_is_taken_and_marked() -> None:
    upgrade = Upgrade(1, 0, 1, 1, 101, "/A", offered=("ocpp2.0.1",))
    found = messages(Ocpp().feed([upgrade, message(2, "station", b'[2,"1","Heartbeat",{}]')]))
    assert (found[0].version, found[0].version_inferred) == ("2.0.1", True)


def test_a_version_is_learned_from_an_earlier_connection_of_the_station() -> None:
    room = Ocpp()
    run('-- upgrade /A ocpp2.0.1\n0 > [2,"1","Heartbeat",{}]\n-- closed', room)
    found = messages(run('== 2\n-- upgrade /A\n0 > [2,"1","Heartbeat",{}]', room))
    assert (found[0].version, found[0].version_inferred, found[0].schema_valid) == ("2.0.1", True, True)


def test_other_websockets_are_counted_and_left_alone() -> None:
    room = Ocpp()
    found = run(
        """
        -- upgrade /graphql graphql-ws
        0 > {"type":"connection_init"}
        1 > [2,"1","com.example.add",{}]
        -- closed
        == 2
        -- upgrade /chat
        0 > hello
        0 < [1,2,3]
        -- closed
        """,
        room,
    )
    assert messages(found) == []
    assert anomalies(found) == []
    ends = [each for each in found if isinstance(each, ConnectionClosed)]
    assert [each.is_ocpp for each in ends] == [False, False]
    assert (room.counters.not_ocpp_messages, room.counters.not_ocpp_connections) == (4, 2)


def test_a_connection_without_subprotocol_that_speaks_ocpp_is_ocpp() -> None:
    found = run('-- upgrade /A\n0 > [2,"1","Heartbeat",{\n-- closed')
    assert names(found) == ["ocpp.truncated_json"]
    assert found[-1].is_ocpp  # type: ignore[union-attr]
    assert run("-- upgrade /A ocpp1.6\n0 > pong\n-- closed")[-1].is_ocpp  # type: ignore[union-attr]
    assert run("-- upgrade /A\n-- closed")[-1].is_ocpp  # type: ignore[union-attr]


def test_validation_can_be_switched_off() -> None:
    found = run('-- upgrade /A ocpp1.6\n0 > [2,"1","Authorize",{}]', Ocpp(validate=False))
    assert names(found) == []
    assert messages(found)[0].schema_valid is None
