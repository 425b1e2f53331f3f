"""A rule in; where a station's state holds its registers, and the lines that read and write them, out.

A rule that knows one key of a station (`by: [station]`, as most do) has a slot for each register: nothing is looked up,
and what fifty such rules remember lies side by side. Rules with the same `by` share one slot, which holds key → row:
a row has the registers of each of them, so that a message looks its transaction up once, and not once for each rule.
Every rule keeps the packet that it learned from last behind its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ocpp_inspect.engine.rule import Rule
from ocpp_inspect.engine.state import EMPTY, StationState

if TYPE_CHECKING:
    from ocpp_inspect.engine.program import Program


class Registers:
    """The registers of one rule. Holds no state of a station."""

    def __init__(self, program: Program, rule: Rule, number: int) -> None:
        self.names = rule.registers
        self._rule = rule.id
        self._number = number
        self._shared = program.shared
        by = tuple(part for part in rule.by if part != "station")
        # All `by` of a rule have as many parts, so that this holds for each of them.
        self.has_keys = bool(by)
        if self.has_keys and self.names:
            if by not in program.rows:
                slot = program.new_slot(EMPTY)
                program.rows[by] = slot, []
                program.runtime[f"_row{slot}"] = program.rows[by][1]
                program.register_slots.append(slot)
            self._slot, row = program.rows[by]
            self._first = len(row)  # its place in a row
            row += [None] * (len(self.names) + 1)
        elif self.names:
            slots = [program.new_slot(None) for _ in (*self.names, "packet")]
            self._slot = slots[0]
            program.register_slots += slots

    def read(self, used: Iterable[str], key: str) -> list[str]:
        """Lines that load these registers as g_NAME; `key` is there, and made by the source `key`."""
        wanted = sorted(used)
        if not wanted:
            return []
        if not self.has_keys:
            return [f"g_{name} = S[{self._slot + self.names.index(name)}]" for name in wanted]
        found = self._row(key)
        return [
            f"if {found} is None: {found} = S[{self._slot}].get(key)",
            f"r = {found} or _row{self._slot}",
            *(f"g_{name} = r[{self._first + self.names.index(name)}]" for name in wanted),
        ]

    def write(self, sets: Mapping[str, str], key: str, *, proves: bool) -> list[str]:
        """Lines that set these registers to their sources; `proves`: the message is evidence from now on."""
        lines = [f"x_{name} = {source}" for name, source in sets.items()]
        if self.has_keys:
            row, first = self._row(key), self._first
            lines += [
                f"if {row} is None: {row} = S[{self._slot}].get(key)",
                f"if {row} is None: {row} = _new_row(st, {self._slot}, _row{self._slot}, key, m, {self._rule!r})",
            ]
        else:
            row, first = "S", self._slot
        lines += [f"{row}[{first + self.names.index(name)}] = x_{name}" for name in sets]
        return [*lines, f"{row}[{first + len(self.names)}] = m.packet"] if proves else lines

    def _row(self, key: str) -> str:
        """The variable for the row of a key: the same for all rules that write their key alike."""
        # What a station tells of its configuration may change the key while the rules run.
        owner = self._number if "config" in key else ""
        return f"r{self._slot}_{self._shared.number(key)}_{owner}"

    def packet(self, st: StationState, key: Any) -> int | None:
        """The packet that was learned from last."""
        if not self.names:
            return None
        if self.has_keys:
            kept: list[Any] | None = st.slots[self._slot].get(key)
            return kept[self._first + len(self.names)] if kept is not None else None
        packet: int | None = st.slots[self._slot + len(self.names)]
        return packet
