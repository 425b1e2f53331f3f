"""The summary and the list of findings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

sys.path.insert(0, str(Path(__file__).parent))
import report_database
import snapshot
from test_report_timeline import hostile_database

from ocpp_inspect.report.facts import collect
from ocpp_inspect.report.findings import findings
from ocpp_inspect.report.lines import plain
from ocpp_inspect.report.summary import energy, octets, summary


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    with report_database.sample() as opened:
        yield opened


@pytest.mark.parametrize("width", [80, 120, 160])
def test_looks(database: Any, width: int) -> None:
    lines = [plain(line) for line in summary(database, width)]
    assert max(cell_len(line) for line in lines) <= width
    snapshot.matches(f"summary-{width}", "\n".join(lines) + "\n")


def test_findings_one_a_line(database: Any) -> None:
    lines = [plain(line) for line in findings(database)]
    assert lines[0] == (
        "CP-0001 frame 58 SEQ-014 error station: MeterValues for transaction 17 before a StartTransaction named it: "
        "the station uses an id that the CSMS has not given [OCPP 1.6 ed2 §4.7]"
    )
    assert len(lines) == 5
    assert [plain(line) for line in findings(database, "CP-0003")] == lines[-1:]


def test_verdict(database: Any) -> None:
    assert plain([*summary(database)][-1]) == "2 errors, 2 warnings, 1 inconclusive in 2 of 3 stations"


def test_a_clean_run_says_so() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        report_database.cs_2041(site)
        assert plain([*summary(database)][-1]) == "✔ no findings in 1 station"


def test_anomalies_without_findings_are_not_called_clean() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        report_database.cs_2041(site)
        site.anomaly(3.0, "tcp.gap", "the network's")
        assert plain([*summary(database)][-1]) == "✔ no findings in 1 station"
        site.anomaly(3.0, "schema.required", "errorCode is missing")
        assert plain([*summary(database)][-1]) == "no findings in 1 station, but 1 anomaly that no rule judges"


def test_nothing_found_says_so() -> None:
    with report_database.empty() as database:
        assert plain([*summary(database)][-1]) == "no OCPP found"


def test_lists_are_bounded_and_say_what_is_left_out() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        for number in range(45):
            site.call(
                number * 10, "station", "StartTransaction", {"connectorId": 1, "idTag": "T", "meterStart": number}
            )
            site.answer(number * 10 + 1, {"idTagInfo": {"status": "Accepted"}, "transactionId": number})
        lines = [plain(line) for line in summary(database)]
        assert any("transactions  45" in line for line in lines)
        assert any("… 37 more" in line for line in lines)
        assert len(collect(database, rows=3).stations[0].transactions) == 3
        for number in range(60):
            site.connect(1000.0 + number, f"X-{number}", "1.6")
            site.call(1000.0 + number, "station", "Heartbeat", {})
        lines = [plain(line) for line in summary(database)]
        assert any("… and 11 more stations" in line for line in lines)
        assert any(line.startswith("✔ X-0 ") for line in lines)


@pytest.mark.parametrize("width", [60, 100])
def test_hostile_text_is_shown_and_not_obeyed(width: int) -> None:
    with hostile_database() as database:
        lines = [plain(line) for line in summary(database, width)]
        listed = [plain(line) for line in findings(database)]
    assert all(line.isprintable() for line in (*lines, *listed))
    assert max(cell_len(line) for line in lines) <= width


def test_amounts() -> None:
    assert [octets(each) for each in (0, 999, 1460, 123_456, 5_000_000, 7_100_000_000)] == [
        "0 bytes", "999 bytes", "1.5 kB", "123 kB", "5.0 MB", "7.1 GB",
    ]  # fmt: skip
    assert [energy(each) for each in (0.0, 467.0, 9_999.0, 12_650.0)] == ["0 Wh", "467 Wh", "9 999 Wh", "12.7 kWh"]


def test_what_else_is_on_the_link_is_told_when_there_is_something() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        report_database.cs_2041(site)
        plain_ocpp = {"network": {"packets": 9, "tcp": 9, "duplicates": 0}, "websocket": {"websocket": 2, "http": 0}}
        for room, numbers in plain_ocpp.items():
            for name, number in numbers.items():
                site.insert("counters", capture_id=1, room=room, name=name, number=number)
        before = [plain(line) for line in summary(database)]
        assert not any("connections:" in line or "packets left alone" in line for line in before)
        others = {"ARP": 7, "udp": 30, "ICMP": 2, "LLDP": 3, "IGMP": 1, "PTP": 4, "link type 147": 1, "duplicates": 5}
        for name, number in others.items():
            site.insert("counters", capture_id=1, room="network", name=name, number=number)
        site.insert("counters", capture_id=1, room="websocket", name="tls", number=6)
        told = [plain(line) for line in summary(database, 200) if "left alone" in plain(line)]
        assert told == [
            "other TCP connections: 6 TLS, not readable without keys; "
            "packets left alone: 30 udp, 7 ARP, 4 PTP, 3 LLDP, 2 ICMP, 2 others; 5 duplicate packets"
        ]
