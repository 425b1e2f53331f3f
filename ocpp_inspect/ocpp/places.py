"""A payload and its schema in; where its date-times stand, and what a plain answer looks like, out.

Whether a text is a date-time is told by the schema (`format: date-time`), never by how it looks: a serial number may
look like a date, and a wrong date is still one. OCPP 2.0 has no schemas of its own here and is read as 2.0.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ocpp_inspect.limits import EXPRESSION_ITEMS
from ocpp_inspect.ocpp import schema

Path = tuple[str | int, ...]
"""Steps from a payload to a value in it: names of members, 0-based positions in lists."""

_DEPTH: Final = 32
_FRESH_INTERVAL_S: Final = 300


def date_times(version: str, action: str, answer: bool, payload: Any) -> Iterator[tuple[Path, str]]:
    """(path, text) of every date-time in a payload, in the order of the schema; nothing for an unknown action."""
    root = schema.load("2.0.1" if version == "2.0" else version, action, answer)
    return iter(()) if root is None else _walk(root, root, payload, (), 0)


def _walk(root: Mapping[str, Any], part: Mapping[str, Any], value: Any, path: Path, depth: int) -> Iterator[
    tuple[Path, str]
]:  # fmt: skip
    part = _resolved(root, part)
    if depth > _DEPTH:
        return
    if isinstance(value, str):
        if part.get("format") == "date-time":
            yield path, value
    elif isinstance(value, list) and isinstance(part.get("items"), dict):
        for at, item in enumerate(value[:EXPRESSION_ITEMS]):
            yield from _walk(root, part["items"], item, (*path, at), depth + 1)
    elif isinstance(value, dict):
        for name, below in part.get("properties", {}).items():
            if name in value:
                yield from _walk(root, below, value[name], (*path, name), depth + 1)


def _resolved(root: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in part:
        return part
    found: Mapping[str, Any] = root["definitions"][part["$ref"].rpartition("/")[2]]
    return found


def plain_answer(version: str, action: str, preferred: tuple[str, ...], now: str, fresh_id: int) -> Any | None:
    """The least CALLRESULT payload that the schema allows, or None when it would have to be made up.

    Of an enumeration the first word of `preferred` that it has is taken; date-times are `now`, an interval is 300 s and
    a transactionId `fresh_id`. A field that needs anything else makes the answer None.
    """
    version = "2.0.1" if version == "2.0" else version
    root, checker = schema.load(version, action, True), schema.checker(version, action, True)
    if root is None or checker is None:
        return None
    made = _least(root, root, "", preferred, now, fresh_id, 0)
    return made if made is not None and checker.accepts(made) else None


def _least(
    root: Mapping[str, Any], part: Mapping[str, Any], name: str, preferred: tuple[str, ...], now: str, fresh_id: int,
    depth: int,
) -> Any | None:  # fmt: skip
    part = _resolved(root, part)
    if "enum" in part:
        return next((word for word in preferred if word in part["enum"]), None)
    if part.get("format") == "date-time":
        return now
    if part.get("type") == "integer":
        return {"interval": _FRESH_INTERVAL_S, "transactionId": fresh_id}.get(name)
    if part.get("type") != "object" or depth > _DEPTH:
        return None
    made = {}
    for field in part.get("required", ()):
        value = _least(root, part["properties"][field], field, preferred, now, fresh_id, depth + 1)
        if value is None:
            return None
        made[field] = value
    return made
