"""Lines of a report in, styled text on a terminal or plain text in a pipe out."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocpp_inspect.report.lines import Line

PIPE_WIDTH = 120
"""Columns when nobody tells: in a pipe or a file."""

NARROWEST = 60


def screen_width() -> int:
    """The terminal's columns; `COLUMNS` or 120 in a pipe."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return PIPE_WIDTH
    return max(shutil.get_terminal_size((PIPE_WIDTH, 40)).columns, NARROWEST)


def print_lines(lines: Iterable[Line]) -> int:
    """Print as they come; returns their number."""
    number = 0
    if sys.stdout.isatty():
        from rich.console import Console

        from ocpp_inspect.report.lines import styled

        console = Console(highlight=False, soft_wrap=True)
        for line in lines:
            console.print(styled(line))
            number += 1
        return number
    from ocpp_inspect.report.lines import plain

    for line in lines:
        sys.stdout.write(plain(line) + "\n")
        number += 1
    sys.stdout.flush()
    return number
