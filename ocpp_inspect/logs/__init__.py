"""Text logs and traces in, WsItems out: the OCPP messages that a program wrote down, with what it told about them.

What lies below the messages (packets, frames, handshakes) is unknown here, so the connections count as joined in
mid-session, and rules that need more stay silent.
"""

from __future__ import annotations

from ocpp_inspect.logs.formats import LogFormat, LogFormatError, format_names, own_format
from ocpp_inspect.logs.growing import GrowingLog
from ocpp_inspect.logs.reader import LogReader, is_log

__all__ = ["GrowingLog", "LogFormat", "LogFormatError", "LogReader", "format_names", "is_log", "own_format"]
