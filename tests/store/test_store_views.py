"""The views give what the transcript of `site_day` says, and survive any payload."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from site_day import Site
from test_store_rows import batch_of, store
from test_store_writer import message, rows

from ocpp_inspect.store.writer import sql_text


def at(second: int) -> datetime.datetime:
    return datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=second)


def test_transactions_of_both_generations(database: Path) -> None:
    found = rows(
        database,
        "SELECT station, transaction_id, evse, connector, token, token_status, start, stop, state, energy_wh, reason "
        "FROM transactions ORDER BY station, coalesce(start, stop)",
    )
    assert found == [
        ("CP1", "3", None, None, None, None, None, at(5), "started before the capture", None, "Local"),
        ("CP1", "7", None, 1, "04A2", "Accepted", at(11), at(31), "closed", 1500.0, "EVDisconnected"),
        ("CP1", "7", None, 2, "04A3", "Accepted", at(40), None, "open", 42.0, None),
        ("CP2", "uuid-1", 1, 1, "AB", "Accepted", at(3), at(63), "closed", 1000.0, "EVDisconnected"),
    ]
    reported = "SELECT start_reported, stop_reported FROM transactions WHERE token = '04A2'"
    assert rows(database, reported) == [(at(10), at(30))]


def test_meter_values_in_si_units(database: Path) -> None:
    found = rows(
        database,
        "SELECT station, action, evse, connector, transaction_id, sampled_at, measurand, phase, value, unit, "
        "value_si, unit_si FROM meter_values ORDER BY station, message_id, measurand",
    )
    energy = "Energy.Active.Import.Register"
    assert found == [
        ("CP1", "MeterValues", None, 1, "7", at(20), energy, None, 1.5, "kWh", 1500.0, "Wh"),
        ("CP1", "MeterValues", None, 1, "7", at(20), "Power.Active.Import", "L1", 3.6, "kW", 3600.0, "W"),
        ("CP1", "MeterValues", None, 1, "7", at(20), "Temperature", None, 77.0, "Fahrenheit", 25.0, "Celsius"),
        ("CP1", "StopTransaction", None, None, "7", at(29), energy, None, 2500.0, "Wh", 2500.0, "Wh"),
        ("CP1", "MeterValues", None, 2, "7", at(50), energy, None, 42.0, "Wh", 42.0, "Wh"),
        ("CP2", "TransactionEvent", 1, 1, "uuid-1", at(3), energy, None, 0.1, "kWh", 100.0, "Wh"),
        ("CP2", "TransactionEvent", None, None, "uuid-1", at(33), energy, None, 0.6, "kWh", 600.0, "Wh"),
        ("CP2", "TransactionEvent", None, None, "uuid-1", at(63), energy, None, 1.1, "kWh", 1100.0, "Wh"),
        ("CP2", "MeterValues", 2, None, None, at(64), "Power.Active.Import", None, 12.0, "W", 12000.0, "W"),
    ]


def test_status_changes(database: Path) -> None:
    assert rows(
        database,
        "SELECT station, evse, connector, status, previous_status, is_change FROM status_changes ORDER BY station, ts",
    ) == [
        ("CP1", None, 1, "Available", None, True),
        ("CP1", None, 1, "Charging", "Available", True),
        ("CP1", None, 1, "Charging", "Charging", False),
        ("CP2", 1, 1, "Available", None, True),
        ("CP2", 1, 1, "Occupied", "Available", True),
    ]


def test_stations(database: Path) -> None:
    assert rows(database, "SELECT * EXCLUDE (messages) FROM stations ORDER BY station") == [
        ("CP1", "Acme", "One", "1.2", "S", ["1.6"], at(0), at(70), 1, 1, 70.0, 1, 1),
        ("CP2", "Bolt", "Two", None, "9", ["2.0.1"], at(0), at(70), 1, 1, 70.0, 1, 1),
    ]


def test_exchanges_and_latency(database: Path) -> None:
    assert rows(
        database,
        "SELECT action, sender, outcome, error_code, response, latency_ms FROM exchanges "
        "WHERE outcome <> 'answered' ORDER BY ts",
    ) == [
        ("StartTransaction", "station", "unanswered", None, None, None),
        ("UnlockConnector", "csms", "error", "InternalError", '{"a":1.5}', 1000.0),
    ]
    assert rows(
        database,
        "SELECT calls, answered, errors, unanswered, min_ms, p50_ms, max_ms FROM latency "
        "WHERE action = 'MeterValues' AND version = '1.6'",
    ) == [(2, 2, 0, 0, 50.0, 125.0, 200.0)]


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-01-01T00:00:10Z", at(10)),
        ("2026-01-01T01:00:10+01:00", at(10)),
        ("2025-12-31T18:30:10-0530", at(10)),
        ("2026-01-01T02:00:10+02", at(10)),
        ("2026-01-01 00:00:10", at(10)),
        ("2026-01-01T00:00:10", at(10)),
        ("2026-02-30T00:00:00Z", None),
        ("9999-01-01T00:00:00Z", None),
        ("9999-01-01T00:00:00+01:00", None),
        ("infinity", None),
        ("now", None),
        ("", None),
    ],
)
def test_the_times_that_stations_write(written: str, utc: datetime.datetime | None) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")  # which must not matter
        connection.execute(sql_text("schema.sql"))
        connection.execute(sql_text("views.sql"))
        assert connection.execute("SELECT station_time(?)", [written]).fetchone() == (utc,)


KEYS = [
    "connectorId", "transactionId", "meterValue", "sampledValue", "timestamp", "value", "unit", "measurand", "evse",
    "transactionData", "eventData", "id", "evseId", "transactionInfo", "unitOfMeasure", "multiplier", "idTag",
    "meterStart", "meterStop", "chargePointVendor", "chargingStation", "status", "component", "variable", "name",
    "idToken", "eventType",
]  # fmt: skip
WORDS = [
    "1e400", "-1e308", "NaN", "inf", "9223372036854775808", "2026-01-01T00:00:00+99:99", "AvailabilityState", "Wh",
]  # fmt: skip
ODD: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(WORDS),
)
PAYLOAD: Any = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
ACTIONS = [
    "BootNotification", "StatusNotification", "NotifyEvent", "MeterValues", "StartTransaction", "StopTransaction",
    "TransactionEvent",
]  # fmt: skip
VIEWS = ["exchanges", "latency", "meter_values", "status_changes", "transactions", "stations"]


@pytest.fixture(scope="module")
def workbench() -> Any:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(sql_text("schema.sql"))
    connection.execute(sql_text("views.sql"))
    return connection


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), PAYLOAD, PAYLOAD), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_payload_makes_a_view_fail(workbench: Any, exchanges: list[tuple[str, Any, Any]]) -> None:
    workbench.execute("DELETE FROM message_records")
    number = 0
    for action, request, response in exchanges:
        for kind, text, asked in (
            ("CALL", json.dumps([2, "1", action, request]), None),
            ("CALLRESULT", json.dumps([3, "1", response]), number + 1),
        ):
            number += 1
            workbench.execute(
                "INSERT INTO message_records (message_id, station, ts, sender, kind, action, raw, request_id) "
                "VALUES (?, 'CP', make_timestamp_ns(?), 'station', ?, ?, ?, ?)",
                [number, number, kind, action, text, asked],
            )
    for view in VIEWS:
        workbench.execute(f"SELECT * FROM {view}").fetchall()  # noqa: S608


def test_a_start_sent_again_after_an_answer_is_one_transaction(tmp_path: Path) -> None:
    site = Site()
    start = {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": "2026-01-01T00:00:00Z"}
    for second in (1, 2):
        site.exchange(second, "CP1", "StartTransaction", start, {"transactionId": 9})
    site.exchange(3, "CP1", "StopTransaction", {"transactionId": 9, "meterStop": 8}, {})
    site.exchange(4, "CP1", "StopTransaction", {"transactionId": 9, "meterStop": 8}, {})
    database = store(tmp_path / "a.duckdb", batch_of(*site.items))
    assert rows(database, "SELECT transaction_id, state, energy_wh FROM transactions") == [("9", "closed", 3.0)]


def test_soap_and_other_text_has_no_payload(tmp_path: Path) -> None:
    database = store(tmp_path / "a.duckdb", batch_of(message(1, raw=b"<soap/>")))
    assert rows(database, "SELECT payload, raw FROM messages") == [(None, "<soap/>")]
