"""Nanoseconds in, readable times and spans out; and what people type for --since and --until back to nanoseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, Literal, TypeAlias

Clock: TypeAlias = Literal["utc", "local", "relative"]

SECOND_NS: Final = 10**9
DAY_NS: Final = 86_400 * SECOND_NS
_UNITS: Final = {"ms": 10**6, "s": 10**9, "min": 60 * 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": DAY_NS}
_SPAN = re.compile(r"([+-])((?:\d+(?:\.\d+)?(?:ms|s|min|m|h|d))+)")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d)")
_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(\.\d+)?)?")
_LARGEST_NS: Final = 253_402_300_799 * SECOND_NS  # the year 9999: later times are shown as a number


def span(ns: int) -> str:
    """A duration with two units at most: "0.8 ms", "45 ms", "1.24 s", "4 min 12 s", "3 d 4 h"."""
    if ns < 0:
        return "-" + span(-ns)
    if ns < 9_950_000:
        return f"{ns / 10**6:.1f} ms"
    if ns < SECOND_NS:
        return f"{ns / 10**6:.0f} ms" if ns < 999_500_000 else "1 s"
    if ns < 60 * SECOND_NS:
        return f"{ns / SECOND_NS:.3g} s" if ns < 59_950_000_000 else "1 min"
    seconds = (ns + SECOND_NS // 2) // SECOND_NS
    for name, size, smaller, small in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // small
            return f"{seconds // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


def zone(clock: Clock) -> tzinfo | None:
    """UTC, or None for the machine's own zone (whose offset depends on the date)."""
    return None if clock == "local" else UTC


def moment(ns: int, clock: Clock) -> datetime | None:
    """The second in which a time lies; None beyond the calendar."""
    if not 0 <= ns <= _LARGEST_NS:
        return None
    return datetime.fromtimestamp(ns // SECOND_NS, UTC).astimezone(zone(clock))


def day(ns: int, clock: Clock) -> str:
    """The date."""
    then = moment(ns, clock)
    return "no date" if then is None else then.strftime("%Y-%m-%d")


def time_of_day(ns: int, clock: Clock, start_ns: int = 0) -> str:
    """HH:MM:SS.mmm, or the seconds since the start; always 12 characters."""
    if clock == "relative":
        milliseconds = (ns - start_ns) // 10**6
        sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("+", milliseconds)
        seconds, milliseconds = divmod(milliseconds, 1000)
        if seconds < 3600:
            return f"{sign}{seconds // 60:d}:{seconds % 60:02d}.{milliseconds:03d}".rjust(12)
        return f"{sign}{seconds // 3600:d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds // 100:d}".rjust(
            12
        )
    then = moment(ns, clock)
    return "  :  :  .   " if then is None else then.strftime("%H:%M:%S") + f".{ns // 10**6 % 1000:03d}"


def stamp(ns: int, clock: Clock = "utc") -> str:
    """Date and time to the second."""
    then = moment(ns, clock)
    return f"{ns} ns" if then is None else then.strftime("%Y-%m-%d %H:%M:%S")


def parse(text: str, first_ns: int, last_ns: int, clock: Clock) -> int:
    """What a person typed: `+10m` (after the first message), `-5m` (before the last one), `08:15`, `2026-01-01T08:15Z`.

    A time of day is that of the first day. Raises ValueError with what is accepted.
    """
    text = text.strip()
    if match := _SPAN.fullmatch(text):
        ns = sum(int(float(amount) * _UNITS[unit]) for amount, unit in _PART.findall(match[2]))
        return first_ns + ns if match[1] == "+" else last_ns - ns
    if match := _OF_DAY.fullmatch(text):
        start = moment(first_ns, clock)
        if start is not None and int(match[1]) < 24 and int(match[2]) < 60 and int(match[3] or 0) < 60:
            then = start.replace(hour=int(match[1]), minute=int(match[2]), second=int(match[3] or 0))
            return int(then.timestamp()) * SECOND_NS + int(float(match[4] or 0) * SECOND_NS)
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: write +10m (after the start), -5m (before the end), 08:15:30 or 2026-01-31T08:15Z"
        ) from None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC) if clock != "local" else then.astimezone()
    return (then - datetime(1970, 1, 1, tzinfo=timezone(timedelta()))) // timedelta(microseconds=1) * 1000
