"""What one record of a log tells."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ocpp_inspect.logs.formats import Sender
from ocpp_inspect.logs.times import Stamp

EntryKind: TypeAlias = Literal["message", "cut", "open", "close"]


class Entry(msgspec.Struct, frozen=True):
    """A message as its program wrote it down, or the opening or end of a connection.

    `line` is 1-based. `text` is the message exactly as written; of a "cut" one only its beginning is there.
    """

    line: int
    kind: EntryKind
    stamp: Stamp | None
    station: str
    session: str
    sender: Sender
    text: str = ""
    code: int | None = None
    reason: str = ""
    version: str = ""  # as the trace tells it
