"""A date-time as a station wrote it and a function of time in; the moved date-time in the same spelling out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_PARTS: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?P<separator>[Tt ])(?P<clock>\d\d:\d\d)(?P<seconds>:\d\d)?"
    r"(?:(?P<mark>[.,])(?P<fraction>\d{1,9}))?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moved(text: str, move: Callable[[int], int]) -> str:
    """`text` with its time (ns since the epoch) replaced by `move(time)`; unchanged when it is no date-time.

    The spelling stays: zone, number of digits behind the second, missing seconds or zone (then UTC), letters.
    """
    parts = _PARTS.fullmatch(text)
    if parts is None:
        return text
    zone = _zone(parts["zone"])
    digits = parts["fraction"] or ""
    try:
        whole = datetime.fromisoformat(f"{parts['day']}T{parts['clock']}{parts['seconds'] or ':00'}").replace(
            tzinfo=zone
        )
        ns = _ns(whole) + int(digits.ljust(9, "0") or 0)
        new_ns = move(ns)
        new = (_EPOCH + timedelta(seconds=new_ns // 10**9)).astimezone(zone)
    except (ValueError, OverflowError):  # 24:00, a leap second, the 30th of February, the year 10000
        return text
    fraction = f"{new_ns % 10**9:09d}"[: len(digits)]
    return (
        f"{new:%Y-%m-%d}{parts['separator']}{new:%H:%M}"
        + (f":{new:%S}" if parts["seconds"] else "")
        + (parts["mark"] + fraction if digits else "")
        + (parts["zone"] or "")
    )


def written(ns: int) -> str:
    """A time as RFC 3339 in UTC with milliseconds, which every version of OCPP takes."""
    moment = _EPOCH + timedelta(seconds=ns // 10**9)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % 10**9 // 10**6:03d}Z"


def _ns(moment: datetime) -> int:
    passed = moment - _EPOCH
    return (passed.days * 86400 + passed.seconds) * 10**9


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    if offset >= timedelta(days=1):
        return UTC
    return timezone(-offset if text[0] == "-" else offset)
