"""Pieces of styled text in; lines that fit a width out, as plain text or as Rich text."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from rich.cells import cell_len
from rich.text import Text

Piece: TypeAlias = tuple[str, str]
"""(text, Rich style)"""
Line: TypeAlias = list[Piece]

_AMOUNT: Final = re.compile(r"(?<=\d) (?=\d{3}(?!\d)|(?:[kM]?Wh?|[AVs%]|k?VA|[mµ]s|min|h|d|[kMG]B|bytes)(?!\w))")
"""Blanks inside a number and before its unit: no line ends there."""


def plain(line: Line) -> str:
    """A line for a pipe or a file."""
    return "".join(text for text, _ in line).rstrip()


def styled(line: Line) -> Text:
    """A line for a terminal."""
    return Text.assemble(*line, no_wrap=True, end="")


def width_of(text: str) -> int:
    """Cells that a text takes on a terminal (an ideogram takes two)."""
    return len(text) if text.isascii() else cell_len(text)


def together(text: str) -> str:
    """Text that `wrap` does not break at its spaces."""
    return text.replace(" ", "\u00a0")


def wrap(text: str, width: int, first: int | None = None) -> list[str]:
    """Text broken at spaces into lines of at most `width` cells, the first of at most `first`; long words are cut."""
    width = max(width, 8)
    room = max(width if first is None else first, 0)
    lines: list[str] = []
    line, used = "", 0
    for word in _AMOUNT.sub("\u00a0", text).split(" "):
        cells = width_of(word)
        if line and used + 1 + cells <= room:
            line, used = f"{line} {word}", used + 1 + cells
            continue
        if not line and cells <= room:
            line, used = word, cells
            continue
        if line or cells <= width or room < 2:
            lines.append(line)
            room, line, used = width, "", 0
        while cells > room:
            head = cut(word, room)
            lines.append(head)
            word = word[len(head) :]  # noqa: PLW2901 what is left of it
            cells, room = width_of(word), width
        line, used = word, cells
    lines.append(line)
    return [line.replace("\u00a0", " ") for line in lines]


def cut(text: str, cells: int) -> str:
    """The longest beginning of a text that fits, at least one character."""
    if text.isascii():
        return text[: max(cells, 1)]
    end, used = 0, 0
    for end, character in enumerate(text):
        used += cell_len(character)
        if used > cells:
            return text[: max(end, 1)]
    return text


def clip(text: str, cells: int) -> str:
    """Text of at most so many cells, cut with an ellipsis."""
    return text if width_of(text) <= cells else cut(text, cells - 1) + "…"


def padded(text: str, cells: int) -> str:
    """Text filled with spaces, or cut with an ellipsis, to exactly so many cells."""
    text = clip(text, cells)
    return text + " " * (cells - width_of(text))
