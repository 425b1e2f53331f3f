"""SOAP through the whole pipeline: database, timeline, export, rules by transport, and any number of workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from recorded_samples import SAMPLES

from ocpp_inspect.engine import Rule, callers, load_rules
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.pipeline import Options, analyze
from ocpp_inspect.pipeline.rules import built_in_and
from ocpp_inspect.replay.recording import RecordingError, read_recording

COMMAND = str(Path(sys.executable).parent / "ocpp-inspect")
MIXED = [str(SAMPLES[name].capture) for name in ("soap16-day", "five-stations", "soap16-faulty", "soap16-tls13")]
TABLES = ("messages", "connections", "soap_messages", "anomalies", "losses", "findings")


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as opened:
        return opened.execute(query).fetchall()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("soap") / "day.duckdb"
    analyze([str(SAMPLES["soap16-day"].capture)], database, Options(jobs=1))
    return database


def test_any_number_of_workers_gives_the_same(tmp_path: Path) -> None:
    """Stations over SOAP and over WebSockets, in captures of the same day."""
    found = []
    for jobs in (1, 2, 3):
        database = tmp_path / f"{jobs}.duckdb"
        analyze(MIXED, database, Options(jobs=jobs))
        found.append([sorted(map(repr, rows(database, f"FROM {table}"))) for table in TABLES])
        counters = rows(database, "SELECT room, name, number FROM counters WHERE room IN ('soap', 'ocpp') ORDER BY ALL")
        found[-1].append(list(map(repr, counters)))
    assert found[0] == found[1] == found[2]
    assert rows(tmp_path / "1.duckdb", "SELECT transport, count(*) FROM connections GROUP BY 1 ORDER BY 1") == [
        ("soap", 4), ("websocket", 5),
    ]  # fmt: skip


def test_views_know_what_came_over_soap(day: Path) -> None:
    transactions = rows(
        day, "SELECT transaction_id, connector, token, energy_wh, reason FROM transactions ORDER BY start"
    )
    assert transactions == [
        ("711", 1, "04A2B3C4", 5400.0, "Local"),
        ("712", 1, "04FFE001", 7200.0, "Remote"),
        ("713", 1, "04A2B3C4", 3600.0, "Local"),
    ]
    assert rows(day, "SELECT count(*), min(unit_si) FROM meter_values") == [(18, "Wh")]
    assert rows(day, "SELECT vendor, model, connections, boots FROM stations") == [("Example Works", "EW-S2", 1, 1)]
    assert rows(day, "SELECT count(*) FROM exchanges WHERE outcome <> 'answered'") == [(0,)]
    assert rows(day, "SELECT count(*) FROM messages WHERE raw NOT LIKE '<?xml%'") == [(0,)]
    assert rows(day, "SELECT count(*) FROM frames WHERE NOT json_valid(raw)") == [(0,)]
    data = "SELECT payload ->> 'data' FROM messages WHERE action = 'DataTransfer' AND kind = 'CALL'"
    assert rows(day, data) == [("<hello> & goodbye",)]


def test_the_http_side_stands_in_a_table_of_its_own(day: Path) -> None:
    assert rows(
        day, "SELECT DISTINCT namespace, soap_version, identity FROM soap_messages WHERE http_status IS NULL"
    ) == [
        ("urn://Ocpp/Cs/2015/10/", "1.2", "EW-S1001"),
        ("urn://Ocpp/Cp/2015/10/", "1.2", "EW-S1001"),
    ]
    paired = (
        "SELECT count(*), count(DISTINCT a.tcp_connection_id) FROM soap_messages a JOIN messages m USING (message_id)"
        " JOIN soap_messages q ON q.message_id = m.request_id"
        " WHERE a.wsa_relates_to = q.wsa_message_id AND a.tcp_connection_id = q.tcp_connection_id"
    )
    ((number, connections),) = rows(day, paired)
    assert number == 96
    assert 80 < int(str(connections)) < 96  # the CSMS keeps its connection


def test_the_timeline_and_the_export(day: Path) -> None:
    text = subprocess.run([COMMAND, "timeline", str(day)], capture_output=True, text=True, check=True).stdout
    assert "SOAP over HTTP: 192.168.50.11 and" in text
    assert "RemoteStartTransaction  starts for" in text
    command = [COMMAND, "export", str(day), "--format", "trace"]
    trace = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    records = [json.loads(line) for line in trace.splitlines()]
    assert len(records) == 192
    assert {record["transport"] for record in records} == {"soap"}
    assert records[0]["raw"].startswith("<?xml")
    assert records[0]["payload"]["chargePointVendor"] == "Example Works"


def test_an_excerpt_holds_all_connections_of_a_station(day: Path, tmp_path: Path) -> None:
    excerpt, database = tmp_path / "excerpt.pcapng", tmp_path / "again.duckdb"
    subprocess.run([COMMAND, "export", str(day), "--output", str(excerpt)], check=True, capture_output=True)
    analyze([str(excerpt)], database, Options(jobs=1))
    said = "SELECT sender, kind, action, raw FROM messages ORDER BY ts, message_id"
    assert rows(database, said) == rows(day, said)
    assert rows(database, "SELECT count(*) FROM losses") == [(0,)]


def test_replay_says_that_it_plays_no_soap(day: Path) -> None:
    with (
        duckdb.connect(str(day), read_only=True) as opened,
        pytest.raises(RecordingError, match="EW-S1001 speaks OCPP over SOAP"),
    ):
        read_recording(opened, None)


def test_rules_may_name_a_transport() -> None:
    rules = built_in_and(Options())
    over_websockets = Program(rules, load_monitor)
    over_soap = over_websockets.over("soap")
    assert over_websockets.over("websocket") is over_websockets
    assert over_websockets.over("soap") is over_soap
    names = {rule.id for rule in over_websockets.rules}, {rule.id for rule in over_soap.rules}
    assert {"SOAP-001", "SOAP-013"} <= names[1] - names[0]
    assert {"CON-011", "RPC-004", "RPC-005"} <= names[0] - names[1]
    assert {"TX16-003", "SCH-001"} <= names[0] & names[1]


def test_whose_requests_a_rule_rests_on() -> None:
    rules: dict[str, Rule] = {rule.id: rule for rule in load_rules([Path(__file__).parents[2] / "rules"])}
    assert callers(rules["TX16-010"]) == {"station", "csms"}
    assert callers(rules["TX16-003"]) == {"station"}
    assert callers(rules["SOAP-003"]) == set()
