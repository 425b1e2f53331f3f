"""Text in, the OCPP-J array that begins in it out: exactly as written, over one line or several."""

from __future__ import annotations

import re
from typing import Final

BEGINNING: Final = re.compile(r"\[\s*[2-6]\s*,\s*\"")
"""How every OCPP-J message begins: type, then a unique id in quotation marks."""

_MARK: Final = re.compile(r"[\[\]{}\"\\]")


class Scanner:
    """Finds where an array ends, fed piece by piece; a bracket inside a text does not count."""

    __slots__ = ("_depth", "_escaped", "_in_text")

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False
        self._escaped = -1  # the character at this place is taken literally

    def feed(self, text: str) -> int:
        """The place behind the array's last bracket; -1 when it goes on behind this piece."""
        at = 0
        if self._escaped >= 0:
            at, self._escaped = 1, -1
        while (match := _MARK.search(text, at)) is not None:
            mark, at = match[0], match.end()
            if self._in_text:
                if mark == "\\":
                    if at == len(text):
                        self._escaped = 0
                        return -1
                    at += 1
                elif mark == '"':
                    self._in_text = False
            elif mark == '"':
                self._in_text = True
            elif mark in "[{":
                self._depth += 1
            elif mark in "]}":
                self._depth -= 1
                if self._depth <= 0:
                    return at
        return -1
