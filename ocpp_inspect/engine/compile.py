"""A rule in, compiled functions out: one for each of its roles and kinds of items, generated as source.

A generated function takes (m, st), the item and its station's state, and looks like this for `require`:

    def check(m, st):
        n_payload = m.payload
        if not (n_payload.get('status') if type(n_payload) is dict else None) == 'Accepted': return
        key = ...
        r = st.slots[4].get(key, _NONE); g_boot = r[0]
        if (g_boot not in (None, 'Accepted', )): _judge.violate(m, st, key)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ocpp_inspect.engine import functions
from ocpp_inspect.engine.expression import Expression
from ocpp_inspect.engine.names import ANSWERS, NAMES, ItemClass, Trigger, parse_trigger
from ocpp_inspect.engine.rule import Rule, RuleError
from ocpp_inspect.engine.state import EMPTY, StationState
from ocpp_inspect.engine.verdict import Judge, duration, make_room, nanoseconds, settle, show, unlink
from ocpp_inspect.model import Anomaly, ConnectionClosed, Loss, OcppMessage, Upgrade, WsControl

if TYPE_CHECKING:
    from ocpp_inspect.engine.program import Program

Handler: TypeAlias = Callable[[Any, StationState], None]

_ITEM_TYPE: Final[dict[ItemClass, type]] = {
    "message": OcppMessage, "upgrade": Upgrade, "control": WsControl, "closed": ConnectionClosed, "loss": Loss,
    "anomaly": Anomaly,
}  # fmt: skip
_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*?)(?::\.(\d)f)?\}")
_ITEM: Final = re.compile(r"\bm\.")


def _compare(a: Any, symbol: str, b: Any) -> bool:
    if a is None or b is None:
        return False
    if symbol in ("in", "not in"):
        return (a in b) is (symbol == "in")
    order = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
    return bool(order.get(symbol, operator.ne)(a, b))


def _is_false(value: Any) -> bool:
    return value is not None and not value


_RUNTIME: Final[dict[str, Any]] = {
    "__builtins__": {"type": type, "dict": dict, "any": any, "all": all, "len": len, "float": float},
    "_compare": _compare,
    "_is_false": _is_false,
    "_get": functions.get,
    "_item": functions.item,
    "_entries": functions.entries,
    **{f"_{name}": getattr(functions, name)
       for name in ("add", "subtract", "multiply", "divide", "floor_divide", "modulo", "negative")},
    **{f"_{function.__name__}": function for function in functions.FUNCTIONS.values()},
    "_pattern": re.compile,
    "_EMPTY": EMPTY,
    "_make_room": make_room,
    "_nanoseconds": nanoseconds,
    "_settle": settle,
    "_unlink": unlink,
    "_show": show,
}  # fmt: skip


_Body: TypeAlias = Callable[["_Names", str, ItemClass | None], list[str]]


class RuleCompiler:
    """Writes and compiles the functions of one rule."""

    def __init__(self, program: Program, rule: Rule) -> None:
        self._program = program
        self._rule = rule
        self._names = rule.registers
        self._register_slot = program.new_slot() if self._names else -1
        if self._names:
            program.register_slots.append(self._register_slot)
        has_verb = bool(rule.expect or rule.count or rule.python)
        self._verb_slot = program.new_slot() if has_verb else -1
        self._judge = Judge(rule, len(program.judges), self._register_slot, self._verb_slot)
        program.judges.append(self._judge)
        self._runtime = {**_RUNTIME, "_judge": self._judge, "_NONE": (None,) * (len(self._names) + 1)}

    def compile(self) -> None:
        """Hang every function of the rule on its triggers."""
        rule = self._rule
        triggers = _triggers(rule, rule.when)
        expect = rule.expect
        if rule.python:
            monitor = self._program.load_monitor(rule)
            self._runtime["_monitor"] = monitor
            self._program.monitors.append((self._verb_slot, self._judge))
        if expect is not None:
            self._judge.answers_only = all(set(t.kinds) <= set(ANSWERS) and t.item_class == "message"
                                           for t in _triggers(rule, expect.when))  # fmt: skip
            start_class = triggers[0].item_class
            self._hang(expect.when, expect.where, expect.by or rule.by, self._answer_lines, start_class)
            if expect.until:
                self._hang(expect.until, expect.until_where, expect.by or rule.by, self._answer_lines,
                           start_class)  # fmt: skip
        self._hang(rule.when, rule.where, rule.by, self._check_lines)
        for remember in rule.remember:
            self._hang(remember.when, remember.where, remember.by or rule.by,
                       partial(self._remember_lines, remember.set))  # fmt: skip
        for item_class in {trigger.item_class for trigger in triggers}:
            self._judge.describe[_ITEM_TYPE[item_class]] = self._describe(item_class)

    # ------------------------------------------------------------------------------------------------ functions

    def _hang(
        self, when: tuple[str, ...], where: str, by: tuple[str, ...], body: _Body,
        start_class: ItemClass | None = None,
    ) -> None:  # fmt: skip
        """Compile one role of the rule, once for every class of items among its triggers."""
        triggers = _triggers(self._rule, when)
        for item_class in dict.fromkeys(trigger.item_class for trigger in triggers):
            handler = self._function(item_class, where, by, body, start_class)
            for trigger in triggers:
                if trigger.item_class == item_class:
                    self._program.add(self._rule, trigger, handler, answers=start_class is not None)

    def _function(
        self, item_class: ItemClass, where: str, by: tuple[str, ...],
        body: _Body, start_class: ItemClass | None,
    ) -> Handler:  # fmt: skip
        names = _Names(item_class, self._names)
        condition = Expression(where) if where else None
        parts = [Expression(part) for part in by if part != "station"]
        values = [part.value(names) for part in parts]
        key = "0" if not values else values[0] if len(values) == 1 else f"({', '.join(values)})"
        truth = ""
        if condition is not None and start_class is None:
            truth = condition.truth(names)
        elif condition is not None and start_class is not None:
            start = {name: _ITEM.sub("s.", source) for name, source in NAMES[start_class].items()}
            truth = condition.truth(names, start)
        inner = body(names, truth, start_class)
        lines = []
        needs_registers = names.used_registers
        early = truth and start_class is None and not (condition and needs_registers & set(condition.names))
        late_names = set() if not early or condition is None else names.used - set(condition.names)
        lines += names.loads(names.used - late_names)
        if early:
            lines.append(f"if not {truth}: return")
            lines += names.loads(late_names)
        lines.append(f"key = {key}")
        if len(values) == 1:
            lines.append("if key is None: return")
        elif values:
            lines.append("if None in key: return")
        if needs_registers:
            lines.append(f"r = st.slots[{self._register_slot}].get(key, _NONE)")
            lines += [f"g_{name} = r[{self._names.index(name)}]" for name in sorted(needs_registers)]
        if truth and start_class is None and not early:
            lines.append(f"if not {truth}: return")
        return self._make("handle", "m, st", lines + inner)

    def _check_lines(self, names: _Names, _truth: str, _start: ItemClass | None) -> list[str]:
        rule = self._rule
        if rule.require:
            return [f"if {Expression(rule.require).falsity(names)}: _judge.violate(m, st, key)"]
        if rule.count is not None:
            return ["_judge.count(m, st, key)"]
        if rule.expect is not None:
            within = rule.expect.within
            if within.config:
                limit = "_judge.within_config(st)"
            elif within.expression:
                limit = f"_nanoseconds({Expression(within.expression).value(names)})"
            else:
                limit = str(within.constant_ns)
            return [f"_judge.open(m, st, key, {limit})"]
        if rule.python:
            return [f"st.engine.watch(m, st, _judge, {self._verb_slot}, _monitor)"]
        return ["_judge.violate(m, st, key)"]

    def _answer_lines(self, _names: _Names, truth: str, _start: ItemClass | None) -> list[str]:
        slot = self._verb_slot
        if self._judge.renews:
            return [
                f"w = st.slots[{slot}].get(key)",
                "while w is not None:",
                "    if not w.settled:",
                "        s = w.item",
                f"        if {truth or 'True'}: _settle(st, w)",
                "    w = w.older",
            ]
        if not truth:
            return [
                f"w = st.slots[{slot}].get(key)",
                "if w is None: return",
                f"del st.slots[{slot}][key]",
                "while w is not None:",
                "    _settle(st, w); w = w.older",
            ]
        return [
            f"w = st.slots[{slot}].get(key)",
            "while w is not None:",
            "    s = w.item",
            f"    if {truth}:",
            "        _unlink(st, w); _settle(st, w)",
            "    w = w.older",
        ]

    def _remember_lines(
        self, sets: Mapping[str, str], names: _Names, _truth: str, _start: ItemClass | None
    ) -> list[str]:
        slot = self._register_slot
        lines = [f"x_{name} = {Expression(source).value(names)}" for name, source in sets.items()]
        lines += [
            f"d = st.slots[{slot}]",
            f"if d is _EMPTY: d = st.slots[{slot}] = {{}}",
            "r = d.get(key)",
            "if r is None:",
            f"    _make_room(st, d, m, {self._rule.id!r})",
            f"    r = d[key] = [None] * {len(self._names) + 1}",
        ]
        lines += [f"r[{self._names.index(name)}] = x_{name}" for name in sets]
        if not all(name.startswith("told") for name in sets):  # that something was told proves nothing
            lines.append("r[-1] = m.packet")
        return lines

    def _describe(self, item_class: ItemClass) -> Callable[[Any, StationState, Any], str]:
        names = _Names(item_class, self._names, {"within": repr(self._limit_text()), "max": repr(self._max())})
        source = self._template(names)
        lines = names.loads(names.used)
        if names.used_registers:
            lines.append(f"r = st.slots[{self._register_slot}].get(key, _NONE)")
            lines += [f"g_{name} = r[{self._names.index(name)}]" for name in sorted(names.used_registers)]
        return self._make("describe", "m, st, key", [*lines, f"return {source}"])  # type: ignore[return-value]

    def _template(self, names: _Names) -> str:
        parts: list[str] = []
        position = 0
        message = self._rule.message
        for found in _PLACEHOLDER.finditer(message):
            if found.start() > position:
                parts.append(repr(message[position : found.start()]))
            position = found.end()
            if found[1] is None:
                parts.append(repr(found[0][0]))
                continue
            digits = f", {found[2]}" if found[2] else ""
            parts.append(f"_show({Expression(found[1]).value(names)}{digits})")
        if position < len(message):
            parts.append(repr(message[position:]))
        return " + ".join(parts) or "''"

    def _limit_text(self) -> str:
        if self._rule.count is not None:
            return self._rule.count.text
        if self._rule.expect is not None:
            within = self._rule.expect.within
            return duration(within.constant_ns / 1e9) if within.constant_ns else within.text
        return ""

    def _max(self) -> int:
        return self._rule.count.max if self._rule.count is not None else 0

    def _make(self, name: str, arguments: str, lines: list[str]) -> Handler:
        source = f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in lines)
        namespace = dict(self._runtime)
        code = compile(source, f"<rule {self._rule.id}>", "exec")
        exec(code, namespace)  # noqa: S102 - the source is written here from whitelisted syntax only
        return namespace[name]  # type: ignore[no-any-return]


class _Names(Mapping[str, str]):
    """Name → local variable; remembers which were used, so that only those are loaded."""

    def __init__(
        self, item_class: ItemClass, registers: tuple[str, ...], extra: Mapping[str, str] | None = None
    ) -> None:
        self._sources = NAMES[item_class]
        self._registers = registers
        self._extra = extra or {}
        self.used: set[str] = set()
        self.used_registers: set[str] = set()

    def __getitem__(self, name: str) -> str:
        if name in self._registers:
            self.used_registers.add(name)
            return f"g_{name}"
        if name in self._extra:
            return self._extra[name]
        self.used.add(name)
        return f"n_{name}"

    def __iter__(self) -> Iterator[str]:
        return iter((*self._sources, *self._registers, *self._extra))

    def __len__(self) -> int:
        return len(self._sources) + len(self._registers) + len(self._extra)

    def loads(self, used: Iterable[str]) -> list[str]:
        """Assignments of the used names; one that this class of items lacks is unknown."""
        return [f"n_{name} = {self._sources.get(name, 'None')}" for name in sorted(used)]


def _triggers(rule: Rule, when: tuple[str, ...]) -> list[Trigger]:
    triggers = []
    for text in when:
        trigger = parse_trigger(text)
        if trigger is None:
            raise RuleError(f"{text!r} is no trigger", rule.path, rule.line)
        triggers.append(trigger)
    return triggers
