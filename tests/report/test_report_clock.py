"""Times and spans as people read and write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_inspect.report.clock import SECOND_NS, parse, span, stamp, time_of_day

START = 1_767_254_400 * SECOND_NS  # 2026-01-01T08:00:00Z
END = START + 3600 * SECOND_NS


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.0 ms"),
        (845_000, "0.8 ms"),
        (45_400_000, "45 ms"),
        (999_700_000, "1 s"),
        (1_240_000_000, "1.24 s"),
        (59_990_000_000, "1 min"),
        (252 * SECOND_NS, "4 min 12 s"),
        (5400 * SECOND_NS, "1 h 30 min"),
        (86_400 * SECOND_NS, "1 d"),
        (-45_000_000, "-45 ms"),
    ],
)
def test_spans(ns: int, text: str) -> None:
    assert span(ns) == text


@given(st.integers(min_value=-(2**63), max_value=2**63))
def test_any_time_can_be_shown(ns: int) -> None:
    assert len(span(ns)) < 40
    assert stamp(ns, "utc")
    assert len(time_of_day(ns, "utc")) == 12
    assert len(time_of_day(ns, "relative", START)) >= 12


def test_times_of_day() -> None:
    assert time_of_day(START + 1_234_567_890, "utc") == "08:00:01.234"
    assert time_of_day(START + 75_120_000_000, "relative", START) == "   +1:15.120"
    assert time_of_day(START - 2_100_000_000, "relative", START) == "   -0:02.100"
    assert time_of_day(START + 7_384_250_000_000, "relative", START) == "  +2:03:04.2"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("+10m", 600),
        ("+1h30m", 5400),
        ("+1.5s", 1.5),
        ("+250ms", 0.25),
        ("-5min", 3300),
        ("08:15", 900),
        ("8:15:30.5", 930.5),
        ("2026-01-01T08:15Z", 900),
        ("2026-01-01T08:15", 900),
        ("2026-01-01T10:15:00.250+02:00", 900.25),
    ],
)
def test_what_people_type(text: str, seconds: float) -> None:
    assert parse(text, START, END, "utc") == START + int(seconds * SECOND_NS)


@pytest.mark.parametrize("text", ["", "10m", "+10", "25:00", "08:99", "yesterday", "+m", "2026-13-01"])
def test_what_is_no_time_says_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"write \+10m"):
        parse(text, START, END, "utc")
