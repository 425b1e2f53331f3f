"""Text of a log line in, the time that stands in it out: nanoseconds since the epoch, and whether its zone was told.

Understood are ISO 8601 and its relatives (`2026-01-31 12:00:00,123`, `2026/01/31 12:00:00`, `31.01.2026 12:00:00`,
`31/Jan/2026:12:00:00 +0100`), numbers of seconds or milliseconds since the epoch, and bare times of day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_CLOCK: Final = r"(?P<hour>\d\d?):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE: Final = r"\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?(?![\d:])"
_FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?<!\d)(?P<year>\d{{4}})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)[T ,_]+{_CLOCK}{_ZONE}",
        rf"(?<!\d)(?P<day>\d\d?)[./](?P<month>\d\d?)[./](?P<year>\d{{4}})[T ,]+{_CLOCK}{_ZONE}",
        rf"(?<!\d)(?P<day>\d\d?)[/ -](?P<month>[A-Z]{{3}})[/ -](?P<year>\d{{4}})[: ,]+{_CLOCK}{_ZONE}",
        rf"(?P<month>[A-Z]{{3}})\s+(?P<day>\d\d?),?\s+(?P<year>\d{{4}})[ ,]+{_CLOCK}{_ZONE}",
    )
)
_EPOCH: Final = re.compile(r"(?<![\d.])(?P<whole>1[0-9]{9})(?P<milli>\d{3})?(?:[.,](?P<fraction>\d{1,9}))?(?![\d.])")
_OF_DAY: Final = re.compile(rf"(?<![\d:]){_CLOCK}(?![\d:])")
_SECOND_NS: Final = 10**9
_DAY_NS: Final = 86_400 * _SECOND_NS
_HEAD: Final = 400
"""Characters in which a time is searched: logs begin their lines with it, or soon after."""


class Stamp(NamedTuple):
    """A time. Without a zone `ns` is as if it were UTC; without a date it counts from 1970-01-01."""

    ns: int
    has_zone: bool
    has_date: bool = True


def find_time(text: str) -> Stamp | None:
    """The first time in the text, None when there is none."""
    head = text[:_HEAD]
    for form in _FORMS:
        match = form.search(head)
        if match is not None and (stamp := _dated(match)) is not None:
            return stamp
    match = _EPOCH.search(head)
    if match is not None:
        fraction = (match["milli"] or "") + (match["fraction"] or "")
        return Stamp(int(match["whole"]) * _SECOND_NS + _nanoseconds(fraction), has_zone=True)
    match = _OF_DAY.search(head)
    if match is not None and int(match["hour"]) < 24:
        seconds = int(match["hour"]) * 3600 + int(match["minute"]) * 60 + int(match["second"])
        return Stamp(seconds * _SECOND_NS + _nanoseconds(match["fraction"] or ""), has_zone=False, has_date=False)
    return None


def from_epoch(value: float) -> int | None:
    """A number of seconds, milliseconds, microseconds or nanoseconds since the epoch, told by its size."""
    if not 10**8 < value < 4 * 10**18:
        return None
    for limit, unit in ((10**11, _SECOND_NS), (10**14, 10**6), (10**17, 10**3)):
        if value < limit:
            return int(value * unit) if isinstance(value, int) else round(value * 10**6) * (unit // 10**6 or 1)
    return int(value)


def after(time_of_day_ns: int, last_ns: int) -> int:
    """A bare time of day on the day of the last one, or on the next when it has passed midnight."""
    moment = last_ns - last_ns % _DAY_NS + time_of_day_ns
    return moment + _DAY_NS if moment < last_ns - _DAY_NS // 2 else moment


def _dated(match: re.Match[str]) -> Stamp | None:
    month = match["month"]
    try:
        moment = datetime(
            int(match["year"]),
            _MONTHS[month.lower()] if month.isalpha() else int(month),
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"]),
            tzinfo=UTC,
        )
    except (ValueError, KeyError):
        return None
    zone = match["zone"]
    if zone is not None and zone[0] in "+-":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        moment = moment.replace(tzinfo=timezone(offset if zone[0] == "+" else -offset)) if offset.days == 0 else moment
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return Stamp(seconds * _SECOND_NS + _nanoseconds(match["fraction"] or ""), has_zone=zone is not None)


def _nanoseconds(fraction: str) -> int:
    return int(fraction.ljust(9, "0")[:9]) if fraction else 0
