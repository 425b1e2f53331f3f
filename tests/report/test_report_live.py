"""The live screen: what its table says of a station, how it fits any terminal, what hostile text may do to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.limits import LIVE_HAPPENINGS, LIVE_STATIONS
from ocpp_inspect.model import ConnectionClosed, Finding, Loss, OcppMessage, Upgrade
from ocpp_inspect.ocpp.session import Boot, Session, Transaction
from ocpp_inspect.pipeline import Options
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.pipeline.rules import built_in_and
from ocpp_inspect.report.lines import plain, width_of
from ocpp_inspect.report.live import Board, Header, View, plain_line, screen
from ocpp_inspect.report.live.stations import ago, table

SAMPLES = Path(__file__).parents[2] / "samples"
SECOND = 10**9
START = 1_767_225_600 * SECOND


def watched(sample: str, packets: int = 10**6) -> tuple[Board, int]:
    """A board that saw the beginning of a sample, and the time then."""
    board, now, left = Board(), 0, packets
    chain = Chain(built_in_and(Options()))
    with CaptureReader([str(SAMPLES / sample)], batch_packets=1) as reader:
        for batch in reader:
            decoded = chain.feed(batch)
            board.show(decoded.items, decoded.findings)
            now = int(batch.ts_ns[-1])
            left -= 1
            if not left:
                break
    return board, now


def message(station: str = "CP1", number: int = 1, **fields: Any) -> OcppMessage:
    given: dict[str, Any] = {
        "side": "station", "kind": "CALL", "action": "Heartbeat", "payload": {}, "raw": b"[]", "ts_ns": START,
        "session": Session(station),
    }  # fmt: skip
    given |= fields
    return OcppMessage(
        number, 7, station, "1.6", given.pop("side"), given.pop("ts_ns"), number, number, given.pop("kind"),
        str(number), given.pop("action"), given.pop("payload"), given.pop("raw"), 2, False, **given,
    )  # fmt: skip


def finding(station: str = "CP1", rule: str = "X-1", verdict: Any = "violation", severity: Any = "error") -> Finding:
    return Finding(
        rule, "name", severity, verdict, "station", station, 7, START, "it is wrong", (10**10 + 5,), "clause"
    )


def texts(board: Board, now: int, width: int = 100, height: int = 30, view: View | None = None) -> list[str]:
    return [plain(line) for line in screen(board, view or View(), Header("eth0"), width, height, now)]


@pytest.mark.parametrize("width", [40, 60, 80, 81, 109, 110, 160, 250])
@pytest.mark.parametrize("height", [8, 12, 24, 50, 100])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    board, now = watched("five-stations.pcap")
    lines = screen(board, View(), Header("eth0", database="database x.duckdb"), width, height, now)
    assert len(lines) == height
    assert max(sum(width_of(text) for text, _ in line) for line in lines) <= width


def test_it_shows_stations_dialogue_and_findings() -> None:
    board, now = watched("faulty-sequence-16.pcap")
    said = "\n".join(texts(board, now, 120, 40))
    assert "── findings ──" in said and "── timeline ──" in said
    assert "BootNotification" in said and " space  pause" in said
    assert sum(row.messages for row in board.stations.values()) == board.messages > 20


def test_a_station_in_the_table() -> None:
    session = Session("CP1")
    session.boot = Boot(1, START, 7, vendor="V", model="M", status="Accepted")
    session.heartbeat_interval = 60
    session.transactions["17"] = Transaction("17", started_ns=START - 120 * SECOND, id_tag="04A1")
    meter = {"connectorId": 1, "meterValue": [{"sampledValue": [
        {"value": "7.36", "unit": "kW", "measurand": "Power.Active.Import"},
        {"value": "99", "measurand": "Power.Active.Import", "phase": "L1"},
    ]}]}  # fmt: skip
    board = Board()
    board.show(
        [message(action="MeterValues", payload=meter, session=session)], [finding(), finding(severity="warning")]
    )
    row = plain(table(list(board.stations.values()), 80, 5, START + 20 * SECOND)[1])
    assert row.split("  ")[0].strip() == "CP1"
    for text in ("● Accepted", "20s MeterValues", "in 40s", "#17 2m", "7.4 kW", "✖1 ▲1"):
        assert text in row
    late = plain(table(list(board.stations.values()), 80, 5, START + 130 * SECOND)[1])
    assert "late 1m" in late


def test_a_station_that_leaves_or_is_refused() -> None:
    board = Board()
    board.show([message()], [])
    closed = ConnectionClosed(
        7, START + SECOND, 9, 9, START, "192.0.2.1", 1, "192.0.2.2", 9000, False, "fin", "station", 1000, "", 0, None,
        station="CP1",
    )  # fmt: skip
    board.show([closed], [])
    assert "○ gone 4s" in "\n".join(texts(board, START + 5 * SECOND))
    assert "0/1 stations" in texts(board, START + 5 * SECOND)[1]
    board.show([Upgrade(8, START + 2 * SECOND, 10, 10, 401, path="/CP1", offered=("ocpp1.6",), station="CP1")], [])
    said = "\n".join(texts(board, START + 5 * SECOND))
    assert "HTTP 401" in said and "upgrade to /CP1 (ocpp1.6) refused with HTTP 401" in said


def test_a_station_over_soap_is_there_as_long_as_it_speaks() -> None:
    board, now = watched("soap16-day.pcap", 400)
    (row,) = board.stations.values()
    assert (row.name, row.client, row.version, row.is_connected) == ("EW-S1001", "192.168.50.11", "1.6", True)
    said = "\n".join(texts(board, now, 130))
    assert "EW-S1001" in said and "StatusNotification" in said


def test_other_websockets_are_left_alone() -> None:
    board = Board()
    assert board.show([Upgrade(8, START, 10, 10, 101, path="/chat", offered=("graphql-ws",))], []) == []


def test_losses_of_a_connection_are_one_line() -> None:
    board = Board()
    for number in range(20):
        board.show([Loss(7, "station", START + number * SECOND, number, number, "inflate", 5, 1, station="CP1")], [])
    assert board.losses == 20
    assert [plain_line(each).count("(20 times)") for each in board.happenings] == [1]
    assert not Board().show([Loss(7, "station", START, 1, 1, "suspected")], [])


def test_findings_of_one_rule_are_one_line_with_their_number() -> None:
    board = Board()
    board.show([message()], [finding(), finding(), finding(rule="Y-2"), finding(verdict="inconclusive")])
    said = [line for line in texts(board, START, 100, 40) if "X-1 ×2" in line]
    assert said and board.counts == {"error": 3} and board.doubts == 1


def test_filter_station_and_pause() -> None:
    board = Board()
    board.show([message("CP1", 1), message("CP2", 2, action="StatusNotification")], [])
    said = "\n".join(texts(board, START, view=View(words="STATUS")))
    assert "filter “STATUS”" in said and "StatusNotification" in said.split("timeline")[1]
    assert "──▶ Heartbeat" not in said
    said = "\n".join(texts(board, START, view=View(station="CP1")))
    assert "CP2" not in said and "──▶ Heartbeat" in said
    paused = View(paused=list(board.happenings), skipped=3)
    board.show([message("CP3", 3, action="Authorize", payload={"idTag": "A"})], [])
    said = "\n".join(texts(board, START, view=paused))
    assert "⏸ paused" in said and "3 more since the pause" in said and "──▶ Authorize" not in said


def test_hostile_text_does_not_reach_the_terminal() -> None:
    board = Board()
    evil = "\x1b]0;owned\x07\x1b[2J\u202e[bold red]x"
    session = Session(evil)
    session.boot = Boot(1, START, 7, vendor=evil, model=evil, status=evil)
    session.transactions[evil] = Transaction(evil, started_ns=START, id_tag=evil)
    board.show(
        [message(evil, action=evil, payload={evil: evil}, session=session)],
        [finding(evil, evil, severity=evil, verdict=evil)],
    )
    for width in (80, 160):
        said = "\n".join(texts(board, START, width, 40, View(station=None, words="", hint=evil)))
        assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "\x1b" not in plain_line(board.happenings[0])


def test_memory_is_bounded() -> None:
    board = Board()
    for number in range(LIVE_STATIONS + 50):
        board.show([message(f"CP{number}", number, ts_ns=START + number)], [finding(f"CP{number}")])
    for number in range(LIVE_HAPPENINGS + 100):
        board.show([message("CP1", number)], [])
    assert len(board.stations) <= LIVE_STATIONS and board.forgotten >= 50
    assert len(board.happenings) == LIVE_HAPPENINGS
    assert len(board.findings) <= 500


def test_power_of_any_shape() -> None:
    board = Board()
    shapes: list[Any] = [
        [], None, {"meterValue": 5}, {"meterValue": [5]}, {"meterValue": [{"sampledValue": 5}]},
        {"meterValue": [{"sampledValue": [5, {"measurand": "Power.Active.Import", "value": "x"}]}]},
        {"meterValue": [{"sampledValue": [{"measurand": "Power.Active.Import", "value": "1e999"}]}]},
        {"evse": {"id": 2}, "eventType": "Updated", "meterValue": [{"sampledValue": [
            {"measurand": "Power.Active.Import", "value": 11, "unitOfMeasure": {"unit": "W", "multiplier": 3}}]}]},
    ]  # fmt: skip
    for number, payload in enumerate(shapes):
        board.show([message(number=number, action="MeterValues", payload=payload)], [])
    assert board.stations["CP1"].power_w == {2: 11_000.0}


def test_rates_are_of_the_last_seconds() -> None:
    board = Board()
    for second in range(20):
        board.show([message(number=n) for n in range(10)], [])
        rates = board.rates(START + second * SECOND, second * 100)
    assert rates == (10.0, 100.0)


@pytest.mark.parametrize(("seconds", "text"), [(-5, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (200_000, "2d")])
def test_short_durations(seconds: int, text: str) -> None:
    assert ago(seconds * SECOND) == text
