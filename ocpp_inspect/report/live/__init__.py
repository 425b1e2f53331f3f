"""OcppItem and Finding in, as they happen; a screen of a given size, or lines for a pipe, out.

happenings  an item → what one line tells of it
line        a happening → its line
board       items → stations, rates, the latest happenings and findings: all that a screen needs to know
screen      board, time and size → the lines of the whole screen
"""

from __future__ import annotations

from ocpp_inspect.report.live.board import Board
from ocpp_inspect.report.live.line import plain_line
from ocpp_inspect.report.live.screen import Header, View, screen

__all__ = ["Board", "Header", "View", "plain_line", "screen"]
