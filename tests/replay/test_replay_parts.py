"""Dates keep their spelling; comparisons leave times and ids aside; answers are chosen as documented."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_inspect.replay.answers import Answers
from ocpp_inspect.replay.compare import Comparison
from ocpp_inspect.replay.dates import moved, written
from ocpp_inspect.replay.recording import Recording, Said, Visit
from ocpp_inspect.replay.renewal import Renewal, Timing

HOUR_NS = 3600 * 10**9


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-01-31T23:30:00Z", "2026-02-01T00:30:00Z"),
        ("2026-01-31T23:30:00.123Z", "2026-02-01T00:30:00.123Z"),
        ("2026-01-31T23:30:00.1+05:30", "2026-02-01T00:30:00.1+05:30"),
        ("2026-01-31t23:30:00z", "2026-02-01t00:30:00z"),
        ("2026-01-31 23:30:00,5", "2026-02-01 00:30:00,5"),
        ("2026-01-31T23:30-0330", "2026-02-01T00:30-0330"),
        ("2026-01-31T23:30:00-05", "2026-02-01T00:30:00-05"),
        ("yesterday", "yesterday"),
        ("2026-02-30T00:00:00Z", "2026-02-30T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("2026-01-31T24:00:00Z", "2026-01-31T24:00:00Z"),
        ("2026-01-31T23:30:00+99:99", "2026-02-01T00:30:00+99:99"),
    ],
)
def test_a_moved_date_time_keeps_its_spelling(text: str, wanted: str) -> None:
    assert moved(text, lambda ns: ns + HOUR_NS) == wanted


def test_times_of_now_are_written_with_milliseconds() -> None:
    assert written(1_767_225_600_123_456_789) == "2026-01-01T00:00:00.123Z"


def test_at_a_speed_both_moments_and_dates_are_compressed() -> None:
    timing = Timing(1000, 5000, 100_000, 4.0)
    assert (timing.moment(1000), timing.moment(5000)) == (100_000, 101_000)
    assert timing.date(3000) == 100_500


def test_as_fast_as_it_goes_nothing_lies_in_the_future() -> None:
    timing = Timing(1000, 5000, 100_000, 0.0)
    assert timing.moment(5000) == 0
    assert (timing.date(1000), timing.date(5000)) == (96_000, 100_000)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({"currentTime": "2026-01-01T00:00:00Z"}, {"currentTime": "2027-01-01T00:00:00Z"}, []),
        ({"currentTime": "2026-01-01T00:00:00Z"}, {}, ["$.currentTime"]),
        ({"currentTime": "2026-01-01T00:00:00Z"}, {"currentTime": 5}, ["$.currentTime"]),
        ({"interval": 1}, {"interval": 1.0}, []),
        ({"interval": 1}, {"interval": True}, ["$.interval"]),
        ({"interval": None}, {}, ["$.interval"]),
        ({"status": "Accepted"}, {"status": "Accepted", "more": {}}, ["$.more"]),
        ({"list": [1, {"a": 2}]}, {"list": [1, {"a": 3}, 4]}, ["$.list[1].a", "$.list[2]"]),
        ({"transactionId": 5}, {"transactionId": 6}, []),
        ({"transactionId": 5}, {"transactionId": "6"}, ["$.transactionId"]),
        ([], {}, ["$"]),
    ],
)
def test_differences(old: Any, new: Any, wanted: list[str]) -> None:
    found = Comparison().differences("1.6", "BootNotification", True, old, new)
    assert [each.path for each in found] == wanted


def test_fields_can_be_left_aside() -> None:
    old, new = {"interval": 1, "list": [{"a": 1}, {"a": 2}]}, {"interval": 2, "list": [{"a": 3}, {"a": 4}]}
    found = Comparison(["interval", "BootNotification:list[].a"]).differences("1.6", "BootNotification", True, old, new)
    assert found == []
    found = Comparison(["Heartbeat:interval"]).differences("1.6", "BootNotification", True, old, new)
    assert [each.path for each in found] == ["$.interval", "$.list[0].a", "$.list[1].a"]


def visit(*messages: Said) -> Visit:
    return Visit(1, "1.6", 0, 0, "fin", "station", 1000, "", False, False, "/CP1", ("ocpp1.6",), "ocpp1.6", False, 101,
                 None, False, list(messages))  # fmt: skip


def said(number: int, sender: Any, kind: Any, action: str, payload: Any, request: int = 0, raw: str = "") -> Said:
    return Said(number, "1.6", number, sender, kind, str(number), action, raw.encode(), payload, None, request)


def test_the_answer_to_the_same_request_is_taken_first_then_the_next_unused_then_the_last() -> None:
    messages = []
    for number, key in ((1, "A"), (3, "B"), (5, "C")):
        messages.append(said(number, "csms", "CALL", "GetConfiguration", {"key": [key]}))
        messages.append(said(number + 1, "station", "CALLRESULT", "GetConfiguration", {"unknownKey": [key]}, number))
    answers = Answers(Recording("CP1", [visit(*messages)]), "station")

    def answer(key: str) -> str:
        exchange = answers.to("1.6", "GetConfiguration", {"key": [key]}, 0).exchange
        assert exchange is not None
        return str(exchange.answer.payload["unknownKey"][0])

    assert [answer(key) for key in ("B", "X", "B", "Y", "Z")] == ["B", "A", "B", "C", "C"]
    assert answers.unused() == []


def test_what_was_not_recorded_is_refused_or_answered_plainly() -> None:
    station = Answers(Recording("CP1", [visit()]), "station")
    assert station.to("1.6", "Reset", {"type": "Hard"}, 0).payload == {"status": "Rejected"}
    assert station.to("1.6", "GetLocalListVersion", {}, 0).error_code == "NotSupported"
    assert station.to("1.6", "NoSuchAction", {}, 0).error_code == "NotImplemented"
    csms = Answers(Recording("CP1", [visit()]), "csms")
    assert csms.to("1.6", "Heartbeat", {}, 0).payload == {"currentTime": "1970-01-01T00:00:00.000Z"}


def test_a_renewed_message_differs_in_ids_and_times_only() -> None:
    renewal = Renewal("station", lambda ns: ns + HOUR_NS)
    renewal.learn({"transactionId": 17, "idTagInfo": {}}, {"transactionId": 99, "idTagInfo": {}})
    raw = '[2, "old", "StopTransaction", {"timestamp":"2026-01-01T00:00:00Z","transactionId":17, "meterStop": 1e3}]'
    payload = {"timestamp": "2026-01-01T00:00:00Z", "transactionId": 17, "meterStop": 1000.0}
    text = renewal.text(said(1, "station", "CALL", "StopTransaction", payload, raw=raw), "new")
    assert text == (
        '[2, "new", "StopTransaction", {"timestamp":"2026-01-01T01:00:00Z","transactionId":99, "meterStop": 1e3}]'
    )


def test_what_is_no_message_is_sent_as_it_was() -> None:
    renewal = Renewal("station", lambda ns: ns)
    assert renewal.text(said(1, "station", "INVALID", "", None, raw="[2,]"), "new") == b"[2,]"
    assert renewal.text(said(1, "station", "CALL", "Heartbeat", {}, raw="[2,\0"), "new") == b"[2,\0"
