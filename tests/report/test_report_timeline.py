"""The timeline: its looks at three widths, its filters, and hostile text."""

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

from ocpp_inspect.report import rows
from ocpp_inspect.report.lines import plain
from ocpp_inspect.report.rows import Choice
from ocpp_inspect.report.timeline import TimelineOptions, timeline

START = report_database.START_NS
SECOND = report_database.SECOND


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    with report_database.sample() as opened:
        yield opened


def text_of(database: Any, **options: Any) -> list[str]:
    return [plain(line) for line in timeline(database, TimelineOptions(**options))]


@pytest.mark.parametrize("width", [80, 120, 160])
def test_looks(database: Any, width: int) -> None:
    snapshot.matches(f"timeline-{width}", "\n".join(text_of(database, width=width)) + "\n")


def test_looks_compact(database: Any) -> None:
    snapshot.matches("timeline-compact-100", "\n".join(text_of(database, width=100, compact=True)) + "\n")


def test_looks_of_problems(database: Any) -> None:
    snapshot.matches("timeline-problems-100", "\n".join(text_of(database, width=100, problems=True)) + "\n")


def test_looks_interleaved_and_relative(database: Any) -> None:
    options = {"width": 140, "interleaved": True, "clock": "relative"}
    snapshot.matches("timeline-interleaved-140", "\n".join(text_of(database, **options)) + "\n")


@pytest.mark.parametrize("width", [60, 80, 97, 120, 160, 200])
def test_no_line_is_wider_than_asked_for(database: Any, width: int) -> None:
    assert max(cell_len(line) for line in text_of(database, width=width)) <= width


def test_every_message_is_there(database: Any) -> None:
    number = database.execute("SELECT count(*) FROM messages").fetchone()[0]
    shown = [line for line in text_of(database, width=160) if "▶│" in line or "│◀" in line]
    controls = 2  # a ping with its pong, a close
    assert len(shown) == number + controls


def test_other_websockets_are_left_alone() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "chat", "1.6", subprotocol="chat")
        site.control(1.0, "station", "ping")
        site.loss(2.0, "station", "gap", 10, 0)
        site.close(3.0)
        database.execute("UPDATE connections SET is_ocpp = false")
        assert text_of(database) == []


def test_secrets_are_not_shown(database: Any) -> None:
    text = "\n".join(text_of(database, width=200))
    assert "hunter2" not in text
    assert "0011223344556677" not in text
    assert "BasicAuthPassword = •••" in text


def test_station_filter(database: Any) -> None:
    text = "\n".join(text_of(database, choice=Choice(station="CS-2041")))
    assert "Voltaire" in text
    assert "VendorX" not in text


def test_action_filter_shows_answers_and_findings_too(database: Any) -> None:
    lines = text_of(database, width=160, choice=Choice(station="CP-0001", actions=("startTRANSACTION",)))
    assert [line for line in lines if "accepted as transaction 17" in line]
    assert not [line for line in lines if "Heartbeat" in line or "╞" in line]
    lines = text_of(database, width=160, choice=Choice(station="CP-0001", actions=("Heartbeat",)))
    assert [line for line in lines if "RPC-005" in line]
    assert not [line for line in lines if "SEQ-014" in line]


def test_transaction_filter_finds_the_call_that_did_not_know_its_id(database: Any) -> None:
    lines = text_of(database, width=160, choice=Choice(transaction="17"))
    assert [line for line in lines if "StartTransaction  tag 04A2…" in line]
    assert [line for line in lines if "StopTransaction  tag 04A2…" in line]
    assert not [line for line in lines if "Authorize" in line]


def test_time_filter(database: Any) -> None:
    choice = Choice(station="CP-0001", since_ns=START + 300 * SECOND, until_ns=START + 303 * SECOND)
    events = list(rows.events(database, choice))
    assert [(event.kind, event.action) for event in events] == [
        ("CALL", "RemoteStopTransaction"),
        ("CALLRESULT", "RemoteStopTransaction"),
        ("CALL", "StopTransaction"),
    ]


def test_following_continues_behind_the_last_event(database: Any) -> None:
    every = list(rows.events(database, Choice()))
    for at in (0, 10, len(every) - 2):
        rest = list(rows.events(database, Choice(after=every[at].place)))
        assert [event.place for event in rest] == [event.place for event in every[at + 1 :]]


def test_problems_without_findings_show_nothing(database: Any) -> None:
    assert text_of(database, problems=True, choice=Choice(station="CS-2041")) == []


def test_context_of_problems(database: Any) -> None:
    narrow = text_of(database, width=160, problems=True, context=0, choice=Choice(station="CP-0001"))
    wide = text_of(database, width=160, problems=True, context=5, choice=Choice(station="CP-0001"))
    assert sum("FRM-003" in line for line in narrow) == sum("FRM-003" in line for line in wide) == 1
    assert len(narrow) < len(wide)


def test_anomalies_do_not_push_their_message_out_of_the_context() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        site.call(1.0, "station", "Authorize", {"idTag": "T"})
        beat = site.call(2.0, "station", "Heartbeat", {})
        site.anomaly(2.0, "schema.type", "one thing", beat)
        site.anomaly(2.0, "schema.enum", "another thing", beat)
        site.finding(2.0, "X-1", "error", "station", "both", "§1", beat)
        lines = [line[13:] for line in text_of(database, width=100, problems=True, context=1)]
    assert [line.split()[1] for line in lines if line.startswith("│ ")] == ["Heartbeat", "◦", "◦", "✖"]


def test_events_come_in_batches_of_any_size(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = text_of(database)
    monkeypatch.setattr(rows, "REPORT_ROWS", 1)
    assert text_of(database) == whole


@pytest.mark.parametrize("window", [1, 3, 10])
@pytest.mark.parametrize("choice", [Choice(), Choice(transaction="17"), Choice(since_ns=START + 60 * SECOND)])
def test_windows_of_any_size_give_the_same_events(
    database: Any, window: int, choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [event.place for event in rows.events(database, choice)]
    monkeypatch.setattr(rows, "REPORT_WINDOW_ROWS", window)
    assert [event.place for event in rows.events(database, choice)] == whole
    monkeypatch.setattr(rows, "REPORT_WINDOW_BYTES", 1)
    assert [event.place for event in rows.events(database, choice)] == whole


def test_times_at_the_ends_of_the_calendar_are_shown() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        for seconds in (-report_database.START_NS / SECOND, 7_400_000_000.0):
            site.call(seconds, "station", "Heartbeat", {})
        lines = text_of(database)
    assert sum("Heartbeat" in line for line in lines) == 2
    assert any(line.startswith("1970-01-01") for line in lines)


def test_losses_in_a_row_take_one_line() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        for second in range(5):
            site.loss(second, "station", "inflate", 100, 1)
        site.loss(6, "csms", "inflate", 100, 1)
        site.loss(7, "csms", "gap", 100, 1)
        losses = [line for line in text_of(database, width=160) if "loss" in line]
    assert len(losses) == 2
    assert "loss: a compressed message could not be inflated (6 times, 600 bytes, 6 messages unknown)" in losses[0]


def test_transactions_side_by_side_have_a_bracket_each() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        starts = []
        for connector in (1, 2):
            site.call(
                connector, "station", "StartTransaction", {"connectorId": connector, "idTag": "T", "meterStart": 0}
            )
            starts.append(site.last)
        for connector, start in enumerate(starts, 1):
            site.answer(connector + 10, {"idTagInfo": {"status": "Accepted"}, "transactionId": connector}, start,
                        transaction=str(connector))  # fmt: skip
        for connector in (1, 2):
            site.call(20 + connector, "station", "StopTransaction", {"transactionId": connector, "meterStop": 5},
                      transaction=str(connector))  # fmt: skip
        lines = [line[13:15] for line in text_of(database, width=160) if "Transaction" in line]
    assert lines == ["┌ ", "│┌", "├│", "│├", "└│", " └"]


def test_a_refused_start_ends_its_bracket() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        site.call(
            1, "station", "MeterValues", {"connectorId": 1, "transactionId": 9, "meterValue": []}, transaction="9"
        )
        site.call(2, "station", "StopTransaction", {"transactionId": 9, "meterStop": 5}, transaction="9")
        site.call(3, "station", "StartTransaction", {"connectorId": 1, "idTag": "T", "meterStart": 0})
        site.answer(4, {}, error=("InternalError", "no"))
        site.call(5, "station", "Heartbeat", {})
        lines = [line[13:14] for line in text_of(database, width=160) if "▶│" in line or "│◀" in line]
    assert "".join(lines) == "╷└┌└ "


def test_an_upgrade_without_an_answer_is_told_once() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6", status=None)
        site.close(9.0, kind="rst", by="csms")
        lines = [line for line in text_of(database, width=160) if "═" in line and "CP-1" in line]
        everything = "\n".join(text_of(database, width=160))
    assert len(lines) == 1
    assert "upgrade to /ocpp/CP-1 (ocpp1.6) no answer was seen" in lines[0]
    assert "no upgrade was seen" not in everything


def test_an_empty_database_says_nothing() -> None:
    with report_database.empty() as database:
        assert text_of(database) == []


HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07",
    "[bold red]markup[/] [link=x]y[/link]",
    "\u202eevil\u2066\u200b",
    "line\r\nbreak\ttab\x00nul",
    "x" * 500_000,
    "充電器" * 300,
    "a" + "\u0301" * 5000,
]


def hostile_database() -> Any:
    """A station whose every text is an attack."""
    database = report_database.empty()
    site = report_database.Site(database)
    for number, text in enumerate(HOSTILE):
        site.connect(number * 100.0, text[:300], "1.6", user_agent=text, auth_user=text, extensions=text)
        site.call(
            number * 100 + 1, "station", "BootNotification", {"chargePointVendor": text, "chargePointModel": text}
        )
        site.answer(number * 100 + 2, {"status": text, "interval": text, "currentTime": text}, transaction=text[:1000])
        site.call(number * 100 + 3, "csms", text[:200], {text[:100]: text, "list": [text] * 3})
        site.answer(number * 100 + 4, {}, error=(text[:200], text))
        bad = site.message(number * 100 + 5, text, "station", kind="INVALID")
        site.finding(number * 100 + 5, text[:50], text[:20], text[:20], text, text, bad)
        site.control(number * 100 + 6, "csms", "close", code=1000, reason=text)
        site.loss(number * 100 + 7, "station", text[:40], 2**62, 2**62)
        site.anomaly(number * 100 + 7, text[:80], text)
        site.close(number * 100 + 8, text[:20], text[:20], close_reason=text, messages=2**40)
    return database


@pytest.mark.parametrize("options", [{}, {"interleaved": True}, {"problems": True}, {"compact": True}])
def test_hostile_text_is_shown_and_not_obeyed(options: dict[str, Any]) -> None:
    with hostile_database() as database:
        lines = text_of(database, width=100, **options)
    assert all(line.isprintable() for line in lines)
    assert max(cell_len(line) for line in lines) <= 100
    assert len(lines) < 1000


def test_a_message_of_ten_megabytes_is_named_by_its_size() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        site.call(1.0, "station", "DataTransfer", {"vendorId": "V", "data": "x" * 10_000_000})
        lines = text_of(database, width=100)
    assert any("10 000 0" in line and "bytes, too long" in line for line in lines)


def test_a_message_of_half_a_megabyte_is_put_together_and_said() -> None:
    with report_database.empty() as database:
        site = report_database.Site(database)
        site.connect(0.0, "CP-1", "1.6")
        boot = {"chargePointVendor": "Patient", "chargePointModel": "M", "meterType": "ü" * 250_000}
        number = site.call(1.0, "station", "BootNotification", boot)
        text = database.execute("SELECT raw FROM message_records WHERE message_id = ?", [number]).fetchone()[0].encode()
        database.execute("UPDATE message_records SET raw = left(raw, 1000), size = ?", [len(text)])
        for part in reversed(range(0, len(text), 9_999)):  # pieces end inside characters, and lie in any order
            site.insert(
                "long_texts", message_id=number, capture_id=1, part=part // 9_999, octets=text[part : part + 9_999]
            )
        lines = text_of(database, width=100)
    assert any("Patient" in line for line in lines)
