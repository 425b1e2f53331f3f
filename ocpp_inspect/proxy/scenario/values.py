"""A value as written in a scenario and the names of a message in; the JSON value to send out.

    5, true, null         as JSON has them
    "5", plain words      texts
    "{payload.idTag}"     a placeholder alone keeps the type of its value
    "tag {payload.idTag}" placeholders inside a text are written into it
    "{ts - 7200:time}"    seconds since 1970 as a date-time; {ts:time} is now
    "{new_id}"            a message id that nobody else uses; {count} counts the firings of the step

A brace itself is doubled: {{ and }}. What a placeholder asks for and the message lacks makes the value unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import uuid4

import orjson

from ocpp_inspect.engine.condition import Condition, ExpressionError
from ocpp_inspect.engine.functions import text as scalar_text
from ocpp_inspect.limits import EXPRESSION_ITEMS
from ocpp_inspect.ocpp.places import Path

_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{((?:[^{}\"']|\"[^\"]*\"|'[^']*')*?)(:time)?\}")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
_STEP: Final = re.compile(r"\.?([A-Za-z_][\w-]*)|\[(-?\d{1,6}|\*)\]|\[\"((?:[^\"\\]|\\.)*)\"\]", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Names: TypeAlias = Mapping[str, Any]


class UnknownValueError(Exception):
    """A placeholder asks for what the message lacks; the text names it."""


class Value:
    """A compiled value: call it with the names of a message. Raises ExpressionError when it does not compile."""

    __slots__ = ("_make", "is_constant", "source")

    def __init__(self, source: Any, known: Iterable[str]) -> None:
        self.source = source
        names = (*known, "new_id")
        self._make, self.is_constant = _compiled(source, names)

    def __call__(self, values: Names) -> Any:
        """The value. Raises UnknownValueError."""
        return self._make({**values, "new_id": str(uuid4())})


def literal(text: str, *, is_plain: bool) -> Any:
    """A scalar of the file as JSON: numbers, true, false and null where they are not quoted, else the text."""
    if is_plain and text in _WORDS:
        return _WORDS[text]
    if is_plain and _NUMBER.match(text):
        return orjson.loads(text)
    return text


def _compiled(source: Any, names: tuple[str, ...]) -> tuple[Callable[[Names], Any], bool]:
    if isinstance(source, dict):
        members = {key: _compiled(value, names) for key, value in source.items()}
        return (lambda values: {key: make(values) for key, (make, _) in members.items()},
                all(constant for _, constant in members.values()))  # fmt: skip
    if isinstance(source, list):
        items = [_compiled(value, names) for value in source]
        return lambda values: [make(values) for make, _ in items], all(constant for _, constant in items)
    if isinstance(source, str) and ("{" in source or "}" in source):
        return _template(source, names)
    return lambda _: source, True


def _template(source: str, names: tuple[str, ...]) -> tuple[Callable[[Names], Any], bool]:
    parts: list[str | Callable[[Names], Any]] = []
    end = 0
    for found in _PLACEHOLDER.finditer(source):
        parts.append(_plain(source, end, found.start()))
        end = found.end()
        if found[1] is None:
            parts.append(found[0][0])
            continue
        try:
            parts.append(_asked(Condition(found[1].strip(), names), found[2] is not None))
        except ExpressionError as error:
            raise ExpressionError(error.message, error.offset + found.start(1), error.hint) from None
    parts.append(_plain(source, end, len(source)))
    asked = [part for part in parts if part != ""]
    if len(asked) == 1 and not isinstance(asked[0], str):
        return asked[0], False
    if all(isinstance(part, str) for part in asked):
        text = "".join(map(str, asked))
        return lambda _: text, True
    return lambda values: "".join(part if isinstance(part, str) else _text(part(values)) for part in asked), False


def _plain(source: str, start: int, end: int) -> str:
    text = source[start:end]
    for brace in "{}":
        if brace in text:
            raise ExpressionError(
                "a brace has no partner", start + text.index(brace), "write {{ or }} for a brace itself"
            )
    return text


def _asked(condition: Condition, is_time: bool) -> Callable[[Names], Any]:
    def ask(values: Names) -> Any:
        value = condition.value(values)
        if value is None:
            raise UnknownValueError(f"{{{condition.text}}} is unknown here")
        return written_time(value, condition.text) if is_time else value

    return ask


def written_time(seconds: Any, what: str) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds. Raises UnknownValueError."""
    if type(seconds) not in (int, float) or not math.isfinite(seconds):
        raise UnknownValueError(f"{{{what}}} is no time")
    try:
        moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    except OverflowError:
        raise UnknownValueError(f"{{{what}}} is no time") from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _text(value: Any) -> str:
    try:
        return scalar_text(value) or ""
    except TypeError:
        return orjson.dumps(value).decode()


class PathPattern:
    """A place in a payload: `idTagInfo.status`, `$.meterValue[-1].timestamp`, `list[*].x`, `a["odd name"]`."""

    __slots__ = ("steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        rest = text.removeprefix("$")
        self.steps: list[str | int | None] = []  # None: each item
        at = 0
        while at < len(rest):
            found = _STEP.match(rest, at)
            if found is None or (at and found[1] and rest[at] != "."):
                raise ValueError(at + len(text) - len(rest))
            if found[1] is not None:
                self.steps.append(found[1])
            elif found[2] is not None:
                self.steps.append(None if found[2] == "*" else int(found[2]))
            else:
                self.steps.append(orjson.loads(f'"{found[3]}"'))
            at = found.end()
        if not self.steps:
            raise ValueError(0)

    def places(self, payload: Any) -> list[Path]:
        """The paths that it means in a payload; without `*` exactly one, whether it exists or not."""
        found: list[tuple[Path, Any]] = [((), payload)]
        for step in self.steps:
            below: list[tuple[Path, Any]] = []
            for path, value in found:
                if step is None:
                    items = value[:EXPRESSION_ITEMS] if isinstance(value, list) else []
                    below += [((*path, at), item) for at, item in enumerate(items)]
                else:
                    below.append(((*path, step), _member(value, step)))
            found = below[:EXPRESSION_ITEMS]
        return [path for path, _ in found]


def _member(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    return value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
