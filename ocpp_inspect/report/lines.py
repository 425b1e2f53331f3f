"""Pieces of styled text in; lines that fit a width out, as plain text or as Rich text."""

from __future__ import annotations

from typing import TypeAlias

from rich.cells import cell_len
from rich.text import Text

Piece: TypeAlias = tuple[str, str]
"""(text, Rich style)"""
Line: TypeAlias = list[Piece]


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
    for word in text.split(" "):
        cells = width_of(word)
        if used and used + 1 + cells <= room:
            line, used = f"{line} {word}", used + 1 + cells
            continue
        if not used and cells <= room:
            line, used = word, cells
            continue
        if used or cells <= width:
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


def padded(text: str, cells: int) -> str:
    """Text filled with spaces, or cut with an ellipsis, to exactly so many cells."""
    used = width_of(text)
    if used > cells:
        text = cut(text, cells - 1) + "…"
        used = width_of(text)
    return text + " " * (cells - used)
