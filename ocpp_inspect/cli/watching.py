"""A Board in; a live screen on a terminal, lines in a pipe: what `live` (and whoever runs like it) shows meanwhile."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ocpp_inspect.cli.keys import BACKSPACE, ENTER, ESCAPE, Keys, keys

if TYPE_CHECKING:
    from rich.live import Live

    from ocpp_inspect.report.clock import Clock
    from ocpp_inspect.report.live import Board, Header, View
    from ocpp_inspect.report.live.happenings import Happening

_FRAME_S: Final = 0.25
_HINTS: Final = {"filter": "enter: show what contains these words; empty: all", "station": "enter: only this station"}


class Screen:
    """Draws four times a second, oftener after a key. `wants_to_quit` becomes true with q or Ctrl-C."""

    def __init__(self, board: Board, header: Header, live: Live, pressed: Keys | None, clock: Clock) -> None:
        from ocpp_inspect.report.live import View

        self.wants_to_quit = False
        self._board = board
        self._header = header
        self._view = View(clock=clock)
        self._live = live
        self._keys = pressed
        self._drawn_s = 0.0

    def tell(self, happenings: list[Happening]) -> None:
        """Something happened; the board has it already."""
        if self._view.paused is not None:
            self._view.skipped += len(happenings)

    def turn(self, now_ns: int) -> None:
        """Read keys, draw when it is time."""
        pressed = self._keys.take() if self._keys is not None else []
        for key in pressed:
            _press(key, self._view, self._board)
            self.wants_to_quit = self.wants_to_quit or (key == "q" and self._view.prompt is None)
        now_s = time.monotonic()
        if not pressed and now_s - self._drawn_s < _FRAME_S:
            return
        self._drawn_s = now_s
        self.draw(now_ns)

    def draw(self, now_ns: int) -> None:
        """Draw now."""
        from rich.text import Text

        from ocpp_inspect.report.lines import styled
        from ocpp_inspect.report.live import screen

        width, height = self._live.console.size
        lines = screen(self._board, self._view, self._header, width, height, now_ns)
        whole = Text("\n", no_wrap=True, end="", overflow="crop").join(map(styled, lines))
        self._live.update(whole, refresh=True)


class Lines:
    """Prints a line a happening; its reader may go away, which is no error but the wish to end."""

    def __init__(self, clock: Clock) -> None:
        self.wants_to_quit = False
        self._clock = clock

    def tell(self, happenings: list[Happening]) -> None:
        """Print, at once."""
        from ocpp_inspect.report.live import plain_line

        if not happenings or self.wants_to_quit:
            return
        try:
            sys.stdout.write("".join(f"{plain_line(happening, self._clock)}\n" for happening in happenings))
            sys.stdout.flush()
        except BrokenPipeError:
            self.wants_to_quit = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed into it at exit

    def turn(self, now_ns: int) -> None:
        """Nothing to draw."""


@contextmanager
def shown(board: Board, header: Header, *, is_screen: bool, clock: Clock = "utc") -> Iterator[Screen | Lines]:
    """The screen, as long as it is needed; or lines, where nobody could see it."""
    if not is_screen:
        yield Lines(clock)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with keys() as pressed, Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        yield Screen(board, header, live, pressed, clock)


def _press(key: str, view: View, board: Board) -> None:
    """What a key does to the view."""
    if view.prompt is not None:
        _type(key, view, board)
        return
    view.hint = ""
    actions: dict[str, Callable[[], None]] = {
        " ": lambda: _pause(view, board),
        "/": lambda: _ask(view, "filter"),
        "s": lambda: _ask(view, "station"),
        ESCAPE: lambda: _show_all(view),
    }
    if key in actions:
        actions[key]()


def _pause(view: View, board: Board) -> None:
    view.paused = list(board.happenings) if view.paused is None else None
    view.skipped = 0


def _ask(view: View, what: str) -> None:
    view.prompt, view.typed, view.hint = what, view.words if what == "filter" else "", _HINTS[what]


def _show_all(view: View) -> None:
    view.words, view.station = "", None


def _type(key: str, view: View, board: Board) -> None:
    if key == ESCAPE:
        view.prompt, view.hint = None, ""
    elif key == BACKSPACE:
        view.typed = view.typed[:-1]
    elif key == ENTER:
        typed = view.typed.strip()
        if view.prompt == "filter":
            view.words, view.hint = typed, ""
        else:
            found = _stations_like(typed, board)
            view.station = found[0] if typed and found else None
            view.hint = f"no station is like {typed!r}" if typed and not found else ""
        view.prompt = None
    elif len(key) == 1 and len(view.typed) < 100:
        view.typed += key
    if view.prompt == "station":
        view.hint = "  ".join(_stations_like(view.typed.strip(), board)[:6]) or "no such station"


def _stations_like(typed: str, board: Board) -> list[str]:
    """Stations whose name begins with, or else contains, what was typed."""
    low = typed.lower()
    names = sorted(name for name in board.stations if low in name.lower())
    return sorted(names, key=lambda name: not name.lower().startswith(low))
