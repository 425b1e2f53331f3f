"""What the proxy says of a message that was touched in; one line that tells what became of it out.

The mark holds why, the text that came and the text that went on. Two long texts are hard to compare by eye, so a
changed message is told by the places that differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from ocpp_inspect import catalogue
from ocpp_inspect.limits import SCHEMA_FAULTS

WORDS: Final = {
    "proxy.modified": "changed on its way",
    "proxy.dropped": "not forwarded",
    "proxy.delayed": "forwarded late",
    "proxy.held": "held",
    "proxy.duplicated": "forwarded again",
    "proxy.injected": "put in by the proxy",
    "proxy.answer_kept": "kept by the proxy",
    "proxy.refused": "refused by the proxy",
    "proxy.cut": "cut by the proxy",
    "proxy.closed": "closed by the proxy",
}
"""Names of what somebody made the proxy do, and what they mean beside the message."""

_WHY: Final = re.compile(r"why: (.*?)(?:; (?=came: |went on: )|\Z)", re.DOTALL)
_WENT: Final = "; went on: "
_SPLITS: Final = 20  # places that look like the seam of the two texts, of which a station may make any number
_DEPTH: Final = 64
_SHOWN: Final = 60
_ABSENT: Final = object()
_Path: TypeAlias = tuple[str | int, ...]


def told(name: str, detail: str, *, briefly: bool = False) -> str:
    """One line about a message; the words of `detail` where it is no mark of ours. Credentials are covered.

    `briefly`: without what differs, for a detail that may have been cut.
    """
    found = _WHY.match(detail)
    why = found[1] if found is not None else ""
    came, went = _texts(detail[found.end() :] if found is not None else detail)
    head = WORDS[name] + (f" ({why})" if why else "")
    if not came and not went and not why:
        return f"{head}: {detail}" if detail else head
    if came and went and came != went and not briefly:
        return f"{head}: {', '.join(_places(came, went))}"
    return head


def _texts(detail: str) -> tuple[str, str]:
    """(what came, what went on), "" where there is none."""
    if detail.startswith("went on: "):
        return "", detail.removeprefix("went on: ")
    if not detail.startswith("came: "):
        return "", ""
    came, seam, went = detail.removeprefix("came: ").partition(_WENT)
    first = came, went
    for _ in range(_SPLITS):
        if _is_json(came):
            return came, went
        if not seam:
            break
        more, seam, went = went.partition(_WENT)
        came = f"{came}{_WENT}{more}"
    return first


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _places(came: str, went: str) -> Iterator[str]:
    try:
        old, new = json.loads(came), json.loads(went)
    except (ValueError, RecursionError):
        yield f"came {_short(came)}, went on {_short(went)}"
        return
    covered_old, covered_new = catalogue.mask_message(old), catalogue.mask_message(new)
    for number, path in enumerate(_unequal(old, new, ())):
        if number == SCHEMA_FAULTS:
            yield "…"
            return
        yield f"{_named(path, old)} {_text(_at(covered_old, path))} → {_text(_at(covered_new, path))}"


def _unequal(old: Any, new: Any, path: _Path) -> Iterator[_Path]:
    """The places at which two values differ."""
    if len(path) > _DEPTH:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in (*old, *(name for name in new if name not in old)):
            yield from _unequal(old.get(name, _ABSENT), new.get(name, _ABSENT), (*path, name))
    elif isinstance(old, list) and isinstance(new, list) and (path or len(old) == len(new)):
        for at in range(max(len(old), len(new))):
            yield from _unequal(
                old[at] if at < len(old) else _ABSENT, new[at] if at < len(new) else _ABSENT, (*path, at)
            )
    elif type(old) is not type(new) or old != new:
        yield path


def _at(value: Any, path: _Path) -> Any:
    for step in path:
        if isinstance(step, str):
            value = value.get(step, _ABSENT) if isinstance(value, dict) else value
        elif isinstance(value, list):
            value = value[step] if step < len(value) else _ABSENT
    return value


def _named(path: _Path, message: Any) -> str:
    """`meterValue[0].value`: a place in the payload, without the brackets of the message around it."""
    if len(path) > 1 and isinstance(message, list) and isinstance(message[int(path[0])], dict):
        path = path[1:]
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".") or "all of it"


def _text(value: Any) -> str:
    return "nothing" if value is _ABSENT else _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
