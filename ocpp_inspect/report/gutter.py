"""Events in; the brackets of running transactions, one column a transaction, out.

┌  it starts      ├  a message of it      │  it runs      └  it stops      ╷  first heard of while it runs
"""

from __future__ import annotations

from typing import Any, Final

from ocpp_inspect.report.lines import Line
from ocpp_inspect.report.rows import Event

_COLOURS: Final = ("bright_blue", "bright_yellow", "bright_magenta", "bright_green")
COLUMNS: Final = len(_COLOURS)
"""Most brackets side by side; beyond it the transaction that was silent longest gives its column up."""


class Gutter:
    """The columns of brackets left of the dialogue."""

    def __init__(self, columns: int) -> None:
        self._slots: list[tuple[Any, ...] | None] = [None] * min(columns, COLUMNS)
        self._heard = [0] * len(self._slots)
        self._clock = 0

    @property
    def width(self) -> int:
        """Cells it takes."""
        return len(self._slots)

    def running(self) -> Line:
        """The brackets beside a line that belongs to no transaction."""
        return [("│" if key else " ", colour) for key, colour in zip(self._slots, _COLOURS, strict=False)]

    def mark(self, event: Event, payload: Any) -> Line:
        """The brackets beside a message."""
        if not self._slots or event.type != "message":
            return self.running()
        self._clock += 1
        at, sign, ends = self._place(event, payload)
        line = self.running()
        if at is not None:
            line[at] = (sign, _COLOURS[at])
            self._heard[at] = self._clock
            if ends:
                self._slots[at] = None
        return line

    def _place(self, event: Event, payload: Any) -> tuple[int | None, str, bool]:
        """(column or None, sign, whether the bracket ends here)."""
        fields = payload if isinstance(payload, dict) else {}
        if event.action == "StartTransaction":
            return self._start(event, fields)
        if event.transaction is None:
            return None, "", False
        key = (event.station, "id", event.transaction)
        at = self._find(key)
        state = fields.get("eventType") if event.action == "TransactionEvent" else None
        if (event.action == "StopTransaction" or state == "Ended") and event.kind == "CALL":
            return at, "└", True
        if at is not None:
            return at, "├", False
        if event.kind != "CALL" or event.action not in ("MeterValues", "TransactionEvent"):
            return None, "", False  # after its end nothing reopens it: a late answer is no new bracket
        return self._take(key), "┌" if state == "Started" else "╷", False

    def _start(self, event: Event, fields: dict[Any, Any]) -> tuple[int | None, str, bool]:
        """StartTransaction of 1.6: only its answer names the transaction."""
        if event.kind == "CALL":
            return self._take((event.station, "call", event.message_id)), "┌", False
        at = self._find((event.station, "call", event.request_id))
        name = event.transaction or fields.get("transactionId")
        if at is None or event.kind != "CALLRESULT" or name is None:
            return at, "└", True
        key = (event.station, "id", str(name))
        before = self._find(key)  # heard of before its start was answered
        if before is not None:
            self._slots[before] = None
        self._slots[at] = key
        return at, "├", False

    def _find(self, key: tuple[Any, ...]) -> int | None:
        return self._slots.index(key) if key in self._slots else None

    def _take(self, key: tuple[Any, ...]) -> int:
        at = self._slots.index(None) if None in self._slots else self._heard.index(min(self._heard))
        self._slots[at] = key
        return at
