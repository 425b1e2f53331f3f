"""A rule in; where a station's state holds its registers, and the lines that read and write them, out.

A rule that knows one key of a station (`by: [station]`, as most do) has a slot for each register: nothing is looked up,
and what fifty such rules remember lies side by side. Any other rule has one slot that holds key → list of values. Both
keep the packet that was learned from last behind the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ocpp_inspect.engine.rule import Rule
from ocpp_inspect.engine.state import EMPTY, StationState
from ocpp_inspect.limits import RULE_KEYS

if TYPE_CHECKING:
    from ocpp_inspect.engine.program import Program


class Registers:
    """The registers of one rule. Holds no state of a station."""

    def __init__(self, program: Program, rule: Rule, number: int) -> None:
        self.names = rule.registers
        self._rule = rule.id
        # All `by` of a rule have as many parts, so that this holds for each of them.
        self.has_keys = any(part != "station" for part in rule.by)
        self._none = f"_none{number}"
        if self.has_keys and self.names:
            self._slot = program.new_slot(EMPTY)
            program.runtime[self._none] = (None,) * (len(self.names) + 1)
            program.register_slots.append(self._slot)
        elif self.names:
            slots = [program.new_slot(None) for _ in (*self.names, "packet")]
            self._slot = slots[0]
            program.register_slots += slots

    def read(self, used: Iterable[str], *, is_found: bool = False) -> list[str]:
        """Lines that load these registers as g_NAME; `key` is there, and `is_found` after others of it were read."""
        wanted = sorted(used)
        if not wanted:
            return []
        if self.has_keys:
            find = [] if is_found else [f"r = S[{self._slot}].get(key, {self._none})"]
            return [*find, *(f"g_{name} = r[{self.names.index(name)}]" for name in wanted)]
        return [f"g_{name} = S[{self._slot + self.names.index(name)}]" for name in wanted]

    def write(self, sets: Mapping[str, str], *, proves: bool) -> list[str]:
        """Lines that set these registers to their sources; `proves`: the message is evidence from now on."""
        lines = [f"x_{name} = {source}" for name, source in sets.items()]
        if not self.has_keys:
            lines += [f"S[{self._slot + self.names.index(name)}] = x_{name}" for name in sets]
            return [*lines, f"S[{self._slot + len(self.names)}] = m.packet"] if proves else lines
        lines += [f"d = S[{self._slot}]", f"if d is _EMPTY: d = S[{self._slot}] = {{}}"]
        room = f"_make_room(st, d, m, {self._rule!r})"
        if proves and set(sets) == set(self.names):  # one list instead of a look-up and an assignment each
            values = ", ".join(f"x_{name}" for name in self.names)
            # A full table is rare: the key is looked up in it only then.
            return [*lines, f"if len(d) >= {RULE_KEYS} and key not in d: {room}", f"d[key] = [{values}, m.packet]"]
        lines += ["r = d.get(key)", "if r is None:", f"    if len(d) >= {RULE_KEYS}: {room}",
                  f"    r = d[key] = [None] * {len(self.names) + 1}"]  # fmt: skip
        lines += [f"r[{self.names.index(name)}] = x_{name}" for name in sets]
        return [*lines, "r[-1] = m.packet"] if proves else lines

    def packet(self, st: StationState, key: Any) -> int | None:
        """The packet that was learned from last."""
        if not self.names:
            return None
        if self.has_keys:
            kept: list[Any] | None = st.slots[self._slot].get(key)
            return kept[-1] if kept is not None else None
        packet: int | None = st.slots[self._slot + len(self.names)]
        return packet
