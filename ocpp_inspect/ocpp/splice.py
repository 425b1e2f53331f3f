"""The text of a JSON value and changes at paths in it in; the text with only these places written anew out.

Everything else keeps its octets: member order, spacing, the spelling of numbers, even a member given twice. That is
what a debugger needs: a message of which one field was changed differs in that field and in nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import orjson

from ocpp_inspect.ocpp.places import Path

DELETED: Final = object()
"""As the new value of a path: take the member or item away."""

_Changes: TypeAlias = "dict[str | int, Any]"

_SPACE: Final = re.compile(r"[ \t\r\n]*+")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_SCALAR: Final = re.compile(r"[^\s,\[\]{}]++")
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class PathError(ValueError):
    """A change that the text has no place for; the message says which step leads nowhere."""


class _Leaf:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def spliced(text: str, changes: Mapping[Path, Any]) -> str:
    """`text` (valid JSON) with the values at these paths replaced, deleted (DELETED) or, of an object, added.

    A list may be extended by one item at its end (position = length). Negative positions count from the end. Raises
    PathError when a step leads nowhere: into a missing member, a scalar, or beyond a list. Deleting what is missing
    changes nothing.
    """
    root: _Changes = {}
    for path, value in changes.items():
        if not path:
            return orjson.dumps(value).decode()
        below = root
        for step in path[:-1]:
            found = below.setdefault(step, {})
            if isinstance(found, _Leaf):
                raise PathError(f"{shown(path)} lies inside another place that is changed")
            below = found
        if path[-1] in below:
            raise PathError(f"{shown(path)} is changed twice")
        below[path[-1]] = _Leaf(value)
    if not root:
        return text
    at = _skip_space(text, 0)
    pieces: list[str] = [text[:at]]
    end = _write(text, at, root, (), pieces)
    return "".join(pieces) + text[end:]


def shown(path: Path) -> str:
    """A path as people write it: `$.meterValue[0].timestamp`."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at


def _end(text: str, at: int) -> int:
    """Where the value that begins at `at` ends."""
    if text[at] == '"':
        found = _STRING.match(text, at)
    elif text[at] in "[{":
        depth = 0
        for token in _TOKENS.finditer(text, at):
            symbol = token[0]
            depth += 1 if symbol in "[{" else -1 if symbol in "]}" else 0
            if not depth:
                return token.end()
        raise PathError("the text is not JSON")
    else:
        found = _SCALAR.match(text, at)
    if found is None:
        raise PathError("the text is not JSON")
    return found.end()


class _Entry:
    """One member or item: what stands before it, where it and its value begin, where it ends."""

    __slots__ = ("begin", "end", "gap", "key", "value")

    def __init__(self, gap: str, begin: int, key: str | int, value: int, end: int) -> None:
        self.gap, self.begin, self.key, self.value, self.end = gap, begin, key, value, end


def _entries(text: str, at: int) -> Iterator[_Entry]:
    """The entries of the object or list that begins at `at`."""
    is_object, index, end = text[at] == "{", 0, at + 1
    at = _skip_space(text, end)
    while text[at] not in "]}":
        begin, gap, key = at, text[end:at], index
        if is_object:
            end = _end(text, at)
            name: str | int = orjson.loads(text[at:end])
            at = _skip_space(text, _skip_space(text, end) + 1)
        else:
            name = key
        end = _end(text, at)
        yield _Entry(gap, begin, name, at, end)
        index += 1
        at = _skip_space(text, end)
        if text[at] == ",":
            at = _skip_space(text, at + 1)


def _write(text: str, at: int, changes: _Changes, path: Path, pieces: list[str]) -> int:
    """Append the changed value that begins at `at` to `pieces`; returns its end in `text`."""
    if text[at] not in "[{":
        step = next(iter(changes))
        raise PathError(f"{shown((*path, step))}: {shown(path)} is neither an object nor a list")
    entries = list(_entries(text, at))
    last = entries[-1].end if entries else at + 1
    left = _counted_from_start(changes, text[at] == "{", len(entries), path)
    kept: list[tuple[str, str]] = []  # (what stands before it, itself)
    seen: set[str | int] = set()
    for entry in entries:
        change = left.get(entry.key)
        seen.add(entry.key)
        if change is None:
            kept.append((entry.gap, text[entry.begin : entry.end]))
        elif isinstance(change, _Leaf):
            if change.value is not DELETED:
                kept.append((entry.gap, text[entry.begin : entry.value] + orjson.dumps(change.value).decode()))
        else:
            inner = [text[entry.begin : entry.value]]
            end = _write(text, entry.value, change, (*path, entry.key), inner)
            kept.append((entry.gap, "".join(inner) + text[end : entry.end]))
    for step, change in left.items():
        if step in seen or _only_deletes(change):
            continue
        if not isinstance(change, _Leaf):
            raise PathError(f"{shown((*path, step))} is missing")
        kept.append((entries[1].gap if len(entries) > 1 else ",", _added(step, change.value, len(entries), path)))
    pieces.append(text[at])
    for number, (gap, entry_text) in enumerate(kept):
        pieces.append((gap if number else entries[0].gap if entries else "") + entry_text)
    close = _skip_space(text, last) + 1
    pieces.append(text[last:close])
    return close


def _only_deletes(change: Any) -> bool:
    if isinstance(change, _Leaf):
        return change.value is DELETED
    return all(map(_only_deletes, change.values()))


def _counted_from_start(changes: _Changes, is_object: bool, number: int, path: Path) -> _Changes:
    """The changes of one object or list, checked, negative positions resolved."""
    if is_object:
        if wrong := [step for step in changes if isinstance(step, int)]:
            raise PathError(f"{shown((*path, wrong[0]))}: {shown(path)} is an object, not a list")
        return changes
    counted: _Changes = {}
    for step, change in changes.items():
        if not isinstance(step, int):
            raise PathError(f"{shown((*path, step))}: {shown(path)} is a list, not an object")
        position = step + number if step < 0 else step
        if position in counted:
            raise PathError(f"{shown((*path, step))} is changed twice")
        counted[position] = change
    return counted


def _added(step: str | int, value: Any, length: int, path: Path) -> str:
    written = orjson.dumps(value).decode()
    if isinstance(step, str):
        return orjson.dumps(step).decode() + ":" + written
    if step != length:
        raise PathError(f"{shown((*path, step))}: the list has {length} items")
    return written
