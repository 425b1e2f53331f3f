"""Lines of a person in, orders to the meddler and lines to read out.

`commands` reads a line, `session` does what it says, `socket` serves sessions on a Unix socket, `terminal` is the
person's end: prompt, completion, editor.
"""

from __future__ import annotations

from ocpp_inspect.proxy.console.commands import HELP, Command, CommandError, parse
from ocpp_inspect.proxy.console.session import Front, Session

__all__ = ["HELP", "Command", "CommandError", "Front", "Session", "parse"]
