"""A string in; what is wrong with it as a date-time out: illegal, or legal and risky.

OCPP 2.x follows RFC 3339 with at most three digits behind the second (P2-201 §3.1); OCPP 1.6 follows ISO 8601
(1.6 §3.15), which also allows a missing zone, a comma, missing seconds, hour 24 and an offset without minutes.
"""

from __future__ import annotations

import re
from calendar import monthrange
from typing import Final

from ocpp_inspect import limits

_DAY: Final = (
    r"[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_CLOCK: Final = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_ZONE: Final = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"

PATTERN_2: Final = rf"^{_DAY}{_CLOCK}(?:\.[0-9]{{1,3}})?{_ZONE}$"
"""A date-time of 2.x beyond reproach. 29 February is left to `faults`, which knows leap years."""
PATTERN_1: Final = rf"^{_DAY}{_CLOCK}(?:\.[0-9]+)?{_ZONE}$"
"""The same for 1.6, whose fractions have any length."""

_PARTS: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?:(?P<separator>[Tt ])(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    r"(?:(?P<mark>[.,])(?P<fraction>[0-9]+))?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    re.ASCII,
)


def faults(text: str, old: bool) -> list[tuple[str, str]]:
    """(name, detail) of each fault; `old` is OCPP 1.6. Names that begin with `risky` are legal."""
    shown = text if len(text) <= limits.EXCERPT_CHARACTERS else text[: limits.EXCERPT_CHARACTERS] + "…"
    parts = _PARTS.fullmatch(text) if len(text) <= limits.EXCERPT_CHARACTERS else None
    if parts is None:
        return [("invalid", f"'{shown}' is not a date-time such as 2026-01-31T09:30:00Z")]
    if (impossible := _impossible(parts, old)) is not None:
        return [("impossible", f"'{shown}': {impossible}")]
    if parts["separator"] is None:
        return [("date_only", f"'{shown}' has no time of day")]
    found = [*_spelling(parts, old), *_zone(parts["zone"], old)]
    return [(name, f"'{shown}' {detail}") for name, detail in found]


def _impossible(parts: re.Match[str], old: bool) -> str | None:
    month, day = int(parts["month"]), int(parts["day"])
    if not 1 <= month <= 12:
        return f"there is no month {month}"
    year = int(parts["year"])
    days = monthrange(year or 2000, month)[1]  # year 0 was a leap year in the proleptic calendar, as 2000 was
    if not 1 <= day <= days:
        return f"month {month} of {year} has no day {day}"
    if parts["hour"] is None:
        return None
    hour, minute, second = int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0)
    midnight = old and hour == 24 and not minute and not second and not int(parts["fraction"] or 0)
    if not (hour <= 23 or midnight) or minute > 59 or second > 60 or (second == 60 and minute != 59):
        return f"there is no time {hour:02}:{minute:02}:{second:02}"
    zone = (parts["zone"] or "Z")[1:].replace(":", "")
    if zone and (int(zone[:2]) > 23 or int(zone[2:] or 0) > 59):
        return f"there is no offset {parts['zone']}"
    return None


def _spelling(parts: re.Match[str], old: bool) -> list[tuple[str, str]]:
    found = []
    if parts["separator"] == " ":
        found.append(("space", "has a space where T belongs"))
    if parts["separator"] == "t" or parts["zone"] == "z":
        found.append(("risky_lower_case", "has a lower-case letter"))
    if parts["hour"] == "24":
        found.append(("risky_hour_24", "says 24:00"))
    if parts["second"] is None:
        found.append(("risky_no_seconds" if old else "no_seconds", "has no seconds"))
    if parts["second"] == "60":
        found.append(("risky_leap_second", "names a leap second"))
    if parts["mark"] == ",":
        found.append(("risky_comma" if old else "comma", "has a comma before the fraction"))
    if not old and len(parts["fraction"] or "") > 3:
        digits = len(parts["fraction"])
        found.append(("fraction_digits", f"has {digits} digits behind the second, at most 3 are allowed"))
    return found


def _zone(zone: str | None, old: bool) -> list[tuple[str, str]]:
    if zone is None:
        return [("risky_no_zone" if old else "no_zone", "has no zone: neither Z nor an offset")]
    if len(zone) == 3:
        return [("risky_offset_form" if old else "offset_form", f"has the offset {zone}, without minutes")]
    if len(zone) == 5:  # ISO 8601 does not mix the extended form of a time with the basic form of an offset
        return [("offset_form", f"has the offset {zone}, without a colon")]
    return []
