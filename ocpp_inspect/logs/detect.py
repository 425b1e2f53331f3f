"""The first lines of a log in; the format that reads most of them out."""

from __future__ import annotations

from collections.abc import Sequence

from ocpp_inspect.logs.formats import ANY, KNOWN, LogFormat
from ocpp_inspect.logs.lines import Lines

_SHARE = 0.5  # of the messages that a special format has to read, else it is somebody else's log that quotes a line


def detect(lines: Sequence[str]) -> tuple[LogFormat, int]:
    """(format, messages that it reads in these lines); the special ones go before the general one."""
    general = _read(ANY, lines)
    for form in KNOWN:
        reader = _read(form, lines)
        by_pattern = reader.messages - reader.objects
        if by_pattern and by_pattern >= (general.messages - general.objects) * _SHARE:
            return form, reader.messages
    return ANY, general.messages


def _read(form: LogFormat, lines: Sequence[str]) -> Lines:
    reader = Lines(form)
    for number, line in enumerate(lines, 1):
        for _ in reader.feed(number, line):
            pass
    return reader
