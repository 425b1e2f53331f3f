"""Two payloads of one action in; where they differ, times and ids left aside, out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import orjson

from ocpp_inspect.limits import EXPRESSION_ITEMS, SCHEMA_FAULTS
from ocpp_inspect.ocpp.places import Path, date_times
from ocpp_inspect.ocpp.splice import shown
from ocpp_inspect.replay.renewal import LINKED

_DEPTH: Final = 64
_SHOWN: Final = 80
_ABSENT: Final = object()


class Difference(msgspec.Struct, frozen=True):
    """One place at which the answer of now differs; values as JSON, "" when there is none."""

    path: str
    recorded: str
    now: str


class Comparison:
    """Compares answers. `ignored` are places to leave aside: `interval`, `idTagInfo.expiryDate`, `list[].value`,

    with the action before a colon when only that is meant (`BootNotification:interval`).
    """

    def __init__(self, ignored: Sequence[str] = ()) -> None:
        self._ignored = {each.strip().removeprefix("$.") for each in ignored}

    def differences(self, version: str, action: str, answer: bool, recorded: Any, now: Any) -> list[Difference]:
        """At most `limits.SCHEMA_FAULTS` of them, in the order of the recorded payload."""
        times = {path for path, _ in date_times(version, action, answer, recorded)}
        times &= {path for path, _ in date_times(version, action, answer, now)}
        found: list[Difference] = []
        for path, old, new in _unequal(recorded, now, (), times):
            if not self._is_ignored(action, path):
                found.append(Difference(shown(path), _text(old), _text(new)))
                if len(found) == SCHEMA_FAULTS:
                    break
        return found

    def _is_ignored(self, action: str, path: Path) -> bool:
        if not self._ignored:
            return False
        name = re.sub(r"\[\d+\]", "[]", shown(path)).removeprefix("$.")
        return name in self._ignored or f"{action}:{name}" in self._ignored


def _unequal(old: Any, new: Any, path: Path, times: set[Path]) -> Iterator[tuple[Path, Any, Any]]:
    if len(path) > _DEPTH or path in times:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in (*old, *(name for name in new if name not in old)):
            yield from _unequal(old.get(name, _ABSENT), new.get(name, _ABSENT), (*path, name), times)
    elif isinstance(old, list) and isinstance(new, list):
        for at in range(min(max(len(old), len(new)), EXPRESSION_ITEMS)):
            yield from _unequal(
                old[at] if at < len(old) else _ABSENT, new[at] if at < len(new) else _ABSENT, (*path, at), times
            )
    elif not _is_alike(old, new) and not (path and path[-1] in LINKED and type(old) is type(new)):
        yield path, old, new


def _is_alike(old: Any, new: Any) -> bool:
    """Whether two scalars are the same JSON value; True is not 1."""
    return old is new or ((type(old) is bool) is (type(new) is bool) and bool(old == new))


def _text(value: Any) -> str:
    if value is _ABSENT:
        return ""
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
