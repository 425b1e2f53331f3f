"""Captured text in, text that a terminal shows and does not obey out.

Whoever sends OCPP messages chooses vendor names, error texts, URLs and close reasons. On their way to a terminal they
must not move the cursor, change colours, set the window title (ESC, C1), reverse the reading direction (bidi
overrides), hide (zero width), break the line or pile up marks. Such characters become visible stand-ins. Text that
comes from here goes into `rich.text.Text`, which takes no markup; never into an f-string that Rich parses.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Final

TEXT_CHARACTERS: Final = 400
"""Longest captured text on a terminal: three lines; more is read with `query`."""

_MARKS: Final = 2  # combining marks on one character: enough for any script, too few to reach the neighbouring lines


def safe(value: Any, limit: int = TEXT_CHARACTERS) -> str:
    """One line of printable text, at most `limit` characters, cut with an ellipsis."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _visible(text)[: limit * 2]


def _visible(text: str) -> str:
    out, marks = [], 0
    for character in text:
        if unicodedata.category(character) in ("Mn", "Me"):
            marks += 1
            if marks <= _MARKS:
                out.append(character)
            continue
        marks = 0
        out.append(character if character.isprintable() else _stand_in(character))
    return "".join(out)


def _stand_in(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # the pictures of control characters: ESC is ␛, LF is ␊
    if code == 0x7F:
        return "␡"
    if unicodedata.category(character) == "Zs":
        return " "
    return f"<U+{code:04X}>"
