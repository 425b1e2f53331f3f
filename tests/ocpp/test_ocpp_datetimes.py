from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocpp_inspect.ocpp import datetimes

CASES = {  # text: (names in 1.6, names in 2.x)
    "2026-01-31T09:30:00Z": ([], []),
    "2026-01-31T09:30:00.123Z": ([], []),
    "2026-01-31T09:30:00+05:30": ([], []),
    "2024-02-29T00:00:00Z": ([], []),
    "2026-01-31T09:30:00.1234567Z": ([], ["fraction_digits"]),
    "2026-01-31T09:30:00": (["risky_no_zone"], ["no_zone"]),
    "2026-01-31 09:30:00": (["space", "risky_no_zone"], ["space", "no_zone"]),
    "2026-01-31t09:30:00z": (["risky_lower_case"], ["risky_lower_case"]),
    "2026-01-31T09:30:00+02": (["risky_offset_form"], ["offset_form"]),
    "2026-01-31T09:30:00+0200": (["offset_form"], ["offset_form"]),
    "2026-01-31T09:30:00,5Z": (["risky_comma"], ["comma"]),
    "2026-01-31T09:30Z": (["risky_no_seconds"], ["no_seconds"]),
    "2026-01-31": (["date_only"], ["date_only"]),
    "2016-12-31T23:59:60Z": (["risky_leap_second"], ["risky_leap_second"]),
    "2026-01-31T24:00:00Z": (["risky_hour_24"], ["impossible"]),
    "2022-02-29T00:00:00Z": (["impossible"], ["impossible"]),
    "2026-04-31T00:00:00Z": (["impossible"], ["impossible"]),
    "2026-13-01T00:00:00Z": (["impossible"], ["impossible"]),
    "2026-01-31T25:00:00Z": (["impossible"], ["impossible"]),
    "2026-01-31T09:60:00Z": (["impossible"], ["impossible"]),
    "2026-01-31T09:30:60Z": (["impossible"], ["impossible"]),
    "2026-01-31T09:30:00+24:00": (["impossible"], ["impossible"]),
    "2026-01-31T09:30:00Z ": (["invalid"], ["invalid"]),
    "2026-01-31T09:30:00Z\n": (["invalid"], ["invalid"]),
    "20260131T093000Z": (["invalid"], ["invalid"]),
    "٢٠26-01-31T09:30:00Z": (["invalid"], ["invalid"]),
    "": (["invalid"], ["invalid"]),
    "1769851800": (["invalid"], ["invalid"]),
    "x" * 10_000: (["invalid"], ["invalid"]),
}


@pytest.mark.parametrize("text", CASES)
def test_faults(text: str) -> None:
    for old, expected in zip((True, False), CASES[text], strict=True):
        found = datetimes.faults(text, old)
        assert [name for name, _ in found] == expected
        assert all(len(detail) < 250 for _, detail in found)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from(["seconds", "milliseconds"]),
)
def test_what_python_writes_is_clean(moment: datetime, offset: int, spec: str) -> None:
    near_the_edge = not datetime(2, 1, 1, tzinfo=UTC) < moment < datetime(9998, 1, 1, tzinfo=UTC)
    zone = timezone(timedelta(minutes=0 if near_the_edge else offset))
    text = moment.astimezone(zone).isoformat(timespec=spec)
    assert datetimes.faults(text, old=True) == datetimes.faults(text, old=False) == []


@given(st.from_regex(re.compile(datetimes.PATTERN_2.replace("$", r"\Z"), re.ASCII)))
@example("0000-01-31T20:00:00Z")
def test_the_fast_pattern_accepts_only_what_is_faultless(text: str) -> None:
    assert datetimes.faults(text, old=False) == []
    assert datetimes.faults(text, old=True) == []
