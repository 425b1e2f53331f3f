"""Values in, a value or None (unknown) out: the pure functions that rule expressions may call.

None stands for "missing" or "unknown" and passes through. A value of the wrong type raises TypeError, ValueError,
ArithmeticError or LookupError; the engine takes that as unknown and stays silent.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from ocpp_inspect.limits import EXPRESSION_ITEMS, EXPRESSION_PAIRS, EXPRESSION_TEXT_CHARACTERS

_NUMBER_CHARACTERS: Final = 40
_TIMES_KEPT: Final = 16
_from_iso: Final = datetime.fromisoformat
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\d*(?:([Zz])|([+-]\d\d):?(\d\d)?)?\Z", re.ASCII
)


def get(value: Any, name: str) -> Any:
    """`value.name`: an entry of a JSON object."""
    return value.get(name) if type(value) is dict else None


def item(value: Any, key: Any) -> Any:
    """`value[key]`: an entry of a JSON object or array."""
    if type(value) is dict:
        return value.get(key)
    if type(value) in (list, tuple) and type(key) is int and -len(value) <= key < len(value):
        return value[key]
    return None


def entries(value: Any) -> list[Any] | tuple[Any, ...]:
    """The elements of a JSON array, bounded, for `… for x in value`."""
    if type(value) is not list and type(value) is not tuple:
        raise TypeError("not an array")
    return value if len(value) <= EXPRESSION_ITEMS else value[:EXPRESSION_ITEMS]


def index(value: Any, member: str, key: str, wanted: Container[str | None]) -> dict[str | None, list[Any]] | None:
    """The pairs (a, b) of `for a in value for b in a.member`, by the text `b.key` (None: missing) if it is `wanted`.

    With an empty `key` all are under "". None when `value` is not all arrays: no rule can be decided.
    """
    found: dict[str | None, list[Any]] = {}
    left = EXPRESSION_PAIRS
    try:
        for outer in value if type(value) is list and len(value) <= EXPRESSION_ITEMS else entries(value):
            inners = outer.get(member)
            if type(inners) is not list or len(inners) > EXPRESSION_ITEMS:
                inners = entries(inners)
            left -= len(inners)
            if left < 0:
                return None
            if not key:
                found.setdefault("", []).extend([(outer, inner) for inner in inners])
                continue
            for inner in inners:
                text = inner.get(key) if type(inner) is dict else None
                try:
                    if text not in wanted:  # most samples are of measurands that no rule names
                        continue
                except TypeError:  # an array or an object, no text
                    continue
                if text in found:
                    found[text].append((outer, inner))
                else:
                    found[text] = [(outer, inner)]
    except (TypeError, AttributeError):
        return None
    return found


def either(found: dict[str | None, list[Any]], text: str) -> list[Any]:
    """Of an `index`, the pairs whose member is `text` or missing."""
    chosen, others = found.get(text, []), found.get(None)
    return [*chosen, *others] if others else chosen


def _number(value: Any) -> int | float:
    if type(value) in (int, float) and abs(value) < 1e30:
        return value  # type: ignore[no-any-return]
    raise TypeError("not a number")


def add(a: Any, b: Any) -> Any:
    """`a + b` of numbers."""
    if type(a) is float and type(b) is float and -1e30 < a < 1e30 and -1e30 < b < 1e30:
        return a + b  # times: the usual case in place
    return None if a is None or b is None else _number(a) + _number(b)


def subtract(a: Any, b: Any) -> Any:
    """`a - b` of numbers."""
    if type(a) is float and type(b) is float and -1e30 < a < 1e30 and -1e30 < b < 1e30:
        return a - b  # times: the usual case in place
    return None if a is None or b is None else _number(a) - _number(b)


def multiply(a: Any, b: Any) -> Any:
    """`a * b` of numbers."""
    return None if a is None or b is None else _number(a) * _number(b)


def divide(a: Any, b: Any) -> Any:
    """`a / b` of numbers."""
    return None if a is None or b is None else _number(a) / _number(b)


def floor_divide(a: Any, b: Any) -> Any:
    """`a // b` of numbers."""
    return None if a is None or b is None else _number(a) // _number(b)


def modulo(a: Any, b: Any) -> Any:
    """`a % b` of numbers."""
    return None if a is None or b is None else _number(a) % _number(b)


def negative(a: Any) -> Any:
    """`-a` of a number."""
    return None if a is None else -_number(a)


def length(value: Any) -> int | None:
    """len(x): characters of a text, elements of an array, members of an object, octets of a control frame."""
    return None if value is None else len(value)


def lower(value: Any) -> str | None:
    """lower(text): in lower case, for comparisons that ignore case (idTag, OCPP 1.6 §7.28)."""
    return None if value is None else _text(value).lower()


def upper(value: Any) -> str | None:
    """upper(text): in upper case."""
    return None if value is None else _text(value).upper()


def text(value: Any) -> str | None:
    """text(x): a number or truth value as it is written in JSON; a text as it is."""
    if value is None or type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return repr(value)
    raise TypeError("not a scalar")


def number(value: Any) -> int | float | None:
    """number(x): the number that a text holds (configuration values are texts); None when it holds none."""
    if type(value) is str:
        if len(value) < 16 and value.isdigit() and value.isascii():
            return int(value)
        return _read_number(value) if len(value) <= _NUMBER_CHARACTERS else None
    return value if type(value) in (int, float) else None


@lru_cache(1024)  # the same few configuration values for every message: 60 ns instead of 400
def _read_number(value: str) -> int | float | None:
    if "_" in value:
        return None  # Python's float() takes 1_000
    try:
        read = float(value)
    except ValueError:
        return None
    if not -1e30 < read < 1e30:
        return None
    return int(read) if read.is_integer() else read


def absolute(value: Any) -> Any:
    """abs(x): without its sign."""
    if type(value) is float and -1e30 < value < 1e30:
        return abs(value)  # the usual case in place
    return None if value is None else abs(_number(value))


def minimum(*values: Any) -> Any:
    """min(a, b, …): the smallest; None when one is unknown."""
    return None if None in values else min(values)


def maximum(*values: Any) -> Any:
    """max(a, b, …): the largest; None when one is unknown."""
    return None if None in values else max(values)


def smallest(values: Iterator[Any]) -> Any:
    """min(… for …): the smallest; None when one is unknown or there is none."""
    known = list(values)
    return None if not known or None in known else min(known)


def largest(values: Iterator[Any]) -> Any:
    """max(… for …): the largest; None when one is unknown or there is none."""
    known = list(values)
    return None if not known or None in known else max(known)


def total(values: Any) -> Any:
    """sum(… for …): the sum of numbers; None when one is unknown."""
    known = list(values)
    return None if None in known else sum(_number(value) for value in known)


def first(values: Any) -> Any:
    """first(… for …): the first value; None when there is none."""
    return next(iter(values), None)


def last(values: Any) -> Any:
    """last(… for …): the last value; None when there is none."""
    result = None
    for value in values:
        result = value
    return result


def default(value: Any, otherwise: Any) -> Any:
    """default(x, y): y where x is missing or unknown."""
    return otherwise if value is None else value


def starts_with(value: Any, prefix: Any) -> bool | None:
    """starts_with(text, prefix)."""
    return None if value is None or prefix is None else _text(value).startswith(_text(prefix))


def ends_with(value: Any, suffix: Any) -> bool | None:
    """ends_with(text, suffix)."""
    return None if value is None or suffix is None else _text(value).endswith(_text(suffix))


def matches(value: Any, pattern: re.Pattern[str]) -> bool | None:
    """matches(text, "pattern"): the whole text fits the regular expression."""
    if value is None:
        return None
    subject = _text(value)
    if len(subject) > EXPRESSION_TEXT_CHARACTERS:
        raise ValueError("text too long to match")
    return pattern.fullmatch(subject) is not None


_TIMES: Final[dict[str, float | None]] = {}
"""The times that were read last: several rules ask for those of one message."""


def seconds_of(value: Any) -> float | None:
    """time(x): seconds since 1970 of an RFC 3339 date-time (without zone: taken as UTC); None when it is none."""
    if type(value) is str:
        seconds = _TIMES.get(value, 0.0)
        if seconds == 0.0:
            if len(value) > _NUMBER_CHARACTERS:
                return None
            seconds = _read_time(value)
            if len(_TIMES) >= _TIMES_KEPT:  # 60 ns instead of 250 for an lru_cache, which few messages profit from
                _TIMES.clear()
            _TIMES[value] = seconds
        return seconds
    return value if type(value) in (int, float) else None


def _read_time(value: str) -> float | None:
    length = len(value)
    if (
        ((length == 24 and value[19] == ".") or (length == 20 and value[13] == value[16] == ":"))
        and value[10] == "T"
        and value[length - 1] == "Z"
        and value[5] != "W"
    ):
        # Most stations write 2026-01-05T08:05:15.282Z, or no fraction; of that form Python reads nothing else.
        try:
            return _from_iso(value).timestamp()
        except ValueError:
            return None
    found = _RFC3339.match(value)
    if found is None:
        return None
    day, clock, fraction, _zulu, hours, minutes = found.groups()
    try:
        seconds = datetime.fromisoformat(f"{day}T{clock}+00:00").timestamp()
    except ValueError:
        return None
    if hours:
        seconds -= int(hours) * 3600 + int(hours[0] + (minutes or "0")) * 60
    return seconds + float("0." + fraction) if fraction else seconds


def seconds_between(a: Any, b: Any) -> float | None:
    """seconds_between(a, b): b minus a, each a date-time or `ts`."""
    start, end = seconds_of(a), seconds_of(b)
    return None if start is None or end is None else end - start


def is_text(value: Any) -> bool | None:
    """is_text(x): x is a JSON string."""
    return None if value is None else type(value) is str


def is_number(value: Any) -> bool | None:
    """is_number(x): x is a JSON number."""
    return None if value is None else type(value) in (int, float)


def is_object(value: Any) -> bool | None:
    """is_object(x): x is a JSON object."""
    return None if value is None else type(value) is dict


def is_array(value: Any) -> bool | None:
    """is_array(x): x is a JSON array."""
    return None if value is None else type(value) is list


def keys(value: Any) -> list[str] | None:
    """keys(x): the member names of a JSON object."""
    return None if value is None else list(value.keys())


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    raise TypeError("not a text")


FUNCTIONS: Final = {
    "abs": absolute,
    "default": default,
    "ends_with": ends_with,
    "first": first,
    "is_array": is_array,
    "is_number": is_number,
    "is_object": is_object,
    "is_text": is_text,
    "keys": keys,
    "last": last,
    "len": length,
    "lower": lower,
    "matches": matches,
    "max": maximum,
    "min": minimum,
    "number": number,
    "seconds_between": seconds_between,
    "starts_with": starts_with,
    "sum": total,
    "text": text,
    "time": seconds_of,
    "upper": upper,
}
"""Name in a rule → function. `any` and `all` belong to the language itself."""

OVER_GENERATOR: Final = {"first": first, "last": last, "max": largest, "min": smallest, "sum": total}
"""The same for the functions that take a `for`."""
