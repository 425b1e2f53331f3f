"""A terminal in, single keys out: without Enter, without waiting, and with the terminal as it was afterwards."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ESCAPE: Final = "escape"
ENTER: Final = "enter"
BACKSPACE: Final = "backspace"
_NAMED: Final = {"\x1b": ESCAPE, "\r": ENTER, "\n": ENTER, "\x7f": BACKSPACE, "\x08": BACKSPACE, "\x03": "q"}


class Keys:
    """Keys that were pressed since the last look. Arrow keys and the like are one key without meaning."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal

    def take(self) -> list[str]:
        """Characters, or ESCAPE, ENTER, BACKSPACE."""
        octets = b""
        while select.select([self._terminal], [], [], 0)[0]:
            more = os.read(self._terminal, 1024)
            if not more:
                break
            octets += more
        text = octets.decode("utf-8", "ignore")
        if len(text) > 1 and text[0] == "\x1b":
            return []
        return [
            _NAMED.get(character, character) for character in text if character in _NAMED or character.isprintable()
        ]


@contextmanager
def keys() -> Iterator[Keys | None]:
    """Keys of the terminal; None when there is none to read from (a pipe on standard input has /dev/tty beside it)."""
    try:
        import termios
        import tty

        terminal = sys.stdin.fileno() if sys.stdin.isatty() else os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except (ImportError, OSError):
        yield None
        return
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield Keys(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        if terminal != sys.stdin.fileno():
            os.close(terminal)
