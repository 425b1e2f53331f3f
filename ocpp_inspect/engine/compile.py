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
from functools import lru_cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ocpp_inspect.engine import functions
from ocpp_inspect.engine.expression import Expression
from ocpp_inspect.engine.forms import NOTHING, Known
from ocpp_inspect.engine.monitor import NOT_YET
from ocpp_inspect.engine.names import ANSWERS, NAMES, ItemClass, Trigger, parse_trigger
from ocpp_inspect.engine.registers import Registers
from ocpp_inspect.engine.rule import Rule, RuleError, Within
from ocpp_inspect.engine.sharing import NEVER_UNKNOWN, Shared
from ocpp_inspect.engine.shown import Shown
from ocpp_inspect.engine.state import EMPTY, NEVER, StationState, Wait, Waits
from ocpp_inspect.engine.verdict import Judge, absorb, duration, nanoseconds, new_row, settle, show, unlink
from ocpp_inspect.engine.waiting import SOUND, answer_lines, open_lines
from ocpp_inspect.engine.writer import Sharing
from ocpp_inspect.model import Anomaly, ConnectionClosed, Loss, OcppMessage, TlsSession, Upgrade, WsControl

if TYPE_CHECKING:
    from ocpp_inspect.engine.program import Program

Handler: TypeAlias = Callable[[Any, StationState], None]
Block: TypeAlias = Callable[[Known, set[str]], list[str]]
"""(what is known beforehand, names loaded so far) → lines of a function of (m, st)."""

_ITEM_TYPE: Final[dict[ItemClass, type]] = {
    "message": OcppMessage, "upgrade": Upgrade, "control": WsControl, "closed": ConnectionClosed, "loss": Loss,
    "anomaly": Anomaly, "tls": TlsSession,
}  # fmt: skip
_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*?)(?::\.(\d)f)?\}")
_ITEM: Final = re.compile(r"\bm\.")
_KEY: Final = re.compile(r"\bkey\b")
_FACT: Final = re.compile(r"\(F\[(\d+)\] if \1 in F else _fact\(st, \1\)\)")


def _compare(a: Any, symbol: str, b: Any) -> bool:
    if a is None or b is None:
        return False
    if symbol in ("in", "not in"):
        return (a in b) is (symbol == "in")
    order = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
    return bool(order.get(symbol, operator.ne)(a, b))


def _is_false(value: Any) -> bool:
    return value is not None and not value


RUNTIME: Final[dict[str, Any]] = {
    "__builtins__": {"type": type, "dict": dict, "any": any, "all": all, "len": len, "str": str, "float": float,
                     "Exception": Exception},
    "_compare": _compare,
    "_is_false": _is_false,
    "_get": functions.get,
    "_item": functions.item,
    "_entries": functions.entries,
    "_index": functions.index,
    "_either": functions.either,
    "_Wait": Wait,
    "_NEVER": NEVER,
    "_absorb": absorb,
    "_LATER": object(),
    "_NOT_YET": NOT_YET,
    "_NOTHING": (),
    "_list": list,
    "_next": next,
    **{f"_{name}": getattr(functions, name)
       for name in ("add", "subtract", "multiply", "divide", "floor_divide", "modulo", "negative")},
    **{f"_{function.__name__}": function
       for function in (*functions.FUNCTIONS.values(), *functions.OVER_GENERATOR.values())},
    "_pattern": lru_cache(512)(re.compile),  # 60 ns; its own table costs 400
    "_EMPTY": EMPTY,
    "_new_row": new_row,
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
        number = len(program.judges)
        self._registers = Registers(program, rule, number)
        self._names = self._registers.names
        self._handlers = 0  # made so far
        self._verb_slot = -1
        if rule.expect:
            self._verb_slot = program.new_slot(Waits.empty(has_keys=self._registers.has_keys))
        elif rule.count or rule.python:
            self._verb_slot = program.new_slot(NOT_YET if rule.python else EMPTY)
        self._judge = Judge(rule, number, self._registers, self._verb_slot)
        program.judges.append(self._judge)
        if self._judge.is_light:
            program.light.append(self._judge)
        self._judge_name, self._monitor_name = f"_judge{number}", f"_monitor{number}"
        program.runtime[self._judge_name] = self._judge

    def compile(self) -> None:
        """Hang every function of the rule on its triggers."""
        rule = self._rule
        triggers = _triggers(rule, rule.when)
        expect = rule.expect
        if rule.python:
            monitor = self._program.load_monitor(rule)
            self._program.runtime[self._monitor_name] = monitor
            self._program.monitors.append((self._verb_slot, self._judge))
        if expect is not None:
            self._judge.answers_only = all(set(t.kinds) <= set(ANSWERS) and t.item_class == "message"
                                           for t in _triggers(rule, expect.when))  # fmt: skip
            start_class = triggers[0].item_class
            self._hang(expect.when, expect.where, expect.by or rule.by, self._answer_lines, start_class)
            if expect.until:
                self._hang(expect.until, expect.until_where, expect.by or rule.by, self._answer_lines,
                           start_class)  # fmt: skip
        self._hang(rule.when, rule.where, rule.by, self._check_lines, shows=bool(rule.python))
        for remember in rule.remember:
            self._hang(remember.when, remember.where, remember.by or rule.by,
                       partial(self._remember_lines, remember.set))  # fmt: skip
        for item_class in {trigger.item_class for trigger in triggers}:
            self._judge.describe[_ITEM_TYPE[item_class]] = partial(self._describe_first, item_class)

    # ------------------------------------------------------------------------------------------------ functions

    def _hang(
        self, when: tuple[str, ...], where: str, by: tuple[str, ...], body: _Body,
        start_class: ItemClass | None = None, *, shows: bool = False,
    ) -> None:  # fmt: skip
        """Compile one role of the rule, once for every class of items among its triggers.

        `shows`: it shows the items to the rule's Python.
        """
        triggers = _triggers(self._rule, when)
        for item_class in dict.fromkeys(trigger.item_class for trigger in triggers):
            block = partial(self._block, item_class, where, by, body, start_class)
            handler = None if item_class == "message" else self._handler(block)
            for trigger in triggers:
                if trigger.item_class != item_class:
                    continue
                if handler is None:
                    self._program.add_message(self._rule, trigger, block, answers=start_class is not None)
                    if shows:
                        self._program.shows[block] = self._program.runtime[self._monitor_name]
                else:
                    self._program.add_event(self._rule, trigger, handler, answers=start_class is not None)

    def _handler(self, block: Block) -> Handler:
        self._handlers += 1
        return make(
            self._program,
            "m, st",
            lambda: block(NOTHING, set()),
            f"{self._program.transport} {self._rule.id} {self._handlers}",
        )

    def _block(
        self, item_class: ItemClass, where: str, by: tuple[str, ...], body: _Body, start_class: ItemClass | None,
        known: Known, loaded: set[str],
    ) -> list[str]:  # fmt: skip
        """The lines of one role; none when it can do nothing. `loaded` are the names that earlier lines loaded."""
        shared = self._program.shared
        names = _Names(item_class, self._names, shared, known=known)
        late = _Names(item_class, self._names, shared, known=known)  # what only an item that passes `where` needs
        tests: list[str] = []
        late_tests: list[str] = []
        asked: set[str] = set()  # registers that the tests need; the others are loaded behind them
        truth = ""
        conditions = _expression(where).conjuncts(known) if where else []
        if any(condition.is_never_true for condition in conditions):
            return []
        if start_class is not None:
            start = {name: _ITEM.sub("s.", source) for name, source in NAMES[start_class].items()}
            truth = " and ".join(condition.truth(late, start) for condition in conditions)
        else:
            # What needs no register is asked first: most items end there.
            for condition in sorted(conditions, key=attrgetter("cost")):
                probe = _Names(item_class, self._names, shared, known=known)
                source = condition.truth(probe)
                (late_tests if probe.used_registers else tests).append(source)
                asked |= probe.used_registers
                (late if probe.used_registers else names).use(probe)
        parts = [_expression(part).part(known) for part in by if part != "station"]
        values = [part.value(late) for part in parts]
        key = "0" if not values else values[0] if len(values) == 1 else f"({', '.join(values)})"
        late.key = key
        inner = body(late, truth, start_class) if "None" not in values else []
        if not inner:
            return []
        lines = names.loads(loaded)
        loaded |= names.used
        if tests:
            lines.append(f"if not ({' and '.join(tests)}): return")
        lines += late.loads(loaded)
        if not tests:
            loaded |= late.used
        if key != "0":
            lines.append(f"key = {key}")
        doubtful = [value for value in values if value not in NEVER_UNKNOWN and value[0] != "'"]
        if doubtful and len(values) == 1:
            lines.append("if key is None: return")
        elif doubtful:
            lines.append("if None in key: return")
        lines += self._registers.read(asked, key)
        if late_tests:
            lines.append(f"if not ({' and '.join(late_tests)}): return")
        lines += self._registers.read(late.used_registers - asked, key)
        if key == "0":
            return ["key = 0", *lines, *inner] if any(_KEY.search(line) for line in lines + inner) else lines + inner
        return lines + inner

    def _check_lines(self, names: _Names, _truth: str, _start: ItemClass | None) -> list[str]:
        rule = self._rule
        judge = self._judge_name
        if rule.require:
            wrong = _expression(rule.require).part(names.known).falsity(names)
            return [f"if {wrong}: {judge}.violate(m, st, key)"] if wrong != "False" else []
        if rule.count is not None:
            # As in Judge.count, for the usual case: a key that was counted before.
            return [
                f"t = S[{self._verb_slot}].get(key)",
                f"if t is None: {judge}.count(m, st, key)",
                "else:",
                f"    t.append(m.ts_ns); since = m.ts_ns - {rule.count.within_ns}",
                "    while t[0] <= since: del t[0]",
                f"    if len(t) > {rule.count.max}: t.clear(); {judge}.violate(m, st, key)",
            ]
        if rule.expect is not None:
            return self._open_lines(names, rule.expect.within)
        if rule.python:
            shown = Shown(self._program.runtime[self._monitor_name], names.known)
            return shown.lines(self._verb_slot, judge, self._monitor_name, names.once)
        return [f"{judge}.violate(m, st, key)"]

    def _open_lines(self, names: _Names, within: Within) -> list[str]:
        if within.config:
            return [f"{self._judge_name}.open(m, st, key, {self._judge_name}.within_config(st))"]
        limit = str(within.constant_ns)
        if within.expression:
            limit = names.over(_expression(within.expression).value(names), "_nanoseconds")
        return open_lines(self._judge, limit, names.once(SOUND))

    def _answer_lines(self, _names: _Names, truth: str, _start: ItemClass | None) -> list[str]:
        return answer_lines(self._judge, truth)

    def _remember_lines(
        self, sets: Mapping[str, str], names: _Names, _truth: str, _start: ItemClass | None
    ) -> list[str]:
        sources = {name: _expression(source).part(names.known).value(names) for name, source in sets.items()}
        # That something was told proves nothing.
        return self._registers.write(sources, names.key, proves=not all(name.startswith("told") for name in sets))

    def _describe_first(self, item_class: ItemClass, m: Any, st: StationState, key: Any) -> str:
        """Write the function for the text of a finding when there is one: most rules of a run find nothing."""
        written = self._judge.describe[_ITEM_TYPE[item_class]] = self._describe(item_class)
        return written(m, st, key)

    def _describe(self, item_class: ItemClass) -> Callable[[Any, StationState, Any], str]:
        write = partial(self._describe_lines, item_class)
        name = f"{self._program.transport} {self._rule.id} describes {item_class}"
        return make(self._program, "m, st, key", write, name)  # type: ignore[return-value]

    def _describe_lines(self, item_class: ItemClass) -> list[str]:
        extra = {"within": repr(self._limit_text()), "max": repr(self._max())}
        names = _Names(item_class, self._names, self._program.shared, extra)
        source = self._template(names)
        lines = names.loads(set())
        lines += self._registers.read(names.used_registers, "key")
        return [*lines, f"return {source}"]

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
            parts.append(f"_show({_expression(found[1]).value(names)}{digits})")
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


def make(program: Program, arguments: str, write: Callable[[], list[str]], name: str) -> Handler:
    """Compile the lines that `write` gives to a function; or take the one that an earlier run compiled by this name."""
    kept = program.kept.get(name) if program.kept is not None else None
    if kept is not None:
        code, needs = kept
        program.shared.know(needs.sources, needs.wanted)
    else:
        lines = program.shared.expand(write())
        if any("F[" in line for line in lines):
            lines.insert(0, "F = st.facts")
        if any("S[" in line for line in lines):
            lines.insert(0, "S = st.slots")
        source = f"def handle({arguments}):\n" + "".join(f"    {line}\n" for line in lines or ["pass"])
        code = compile(source, "<rules>", "exec")
        if program.kept is not None:
            program.kept.put(name, code, program.shared.behind(lines), program.shared.wanted_by(lines))
    namespace = dict(program.runtime)
    exec(code, namespace)  # noqa: S102 - written here from whitelisted syntax only
    return namespace["handle"]  # type: ignore[no-any-return]


@lru_cache(2000)  # read again for every kind of message that a rule sees
def _expression(text: str) -> Expression:
    return Expression(text)


class _Names(Sharing):
    """Name or path (`payload.status`) → local variable; remembers which were used, so that only those are loaded."""

    def __init__(
        self, item_class: ItemClass, registers: tuple[str, ...], shared: Shared,
        extra: Mapping[str, str] | None = None, known: Known = NOTHING,
    ) -> None:  # fmt: skip
        self._sources = NAMES[item_class]
        self._shared = shared
        self._registers = registers
        self._extra = extra or {}
        self.known = known  # the same for every item that these lines see
        self.key = "key"  # source of the key
        self.used: set[str] = set()
        self.used_registers: set[str] = set()

    def __getitem__(self, name: str) -> str:
        if name in self._registers:
            self.used_registers.add(name)
            return f"g_{name}"
        if name in self._extra:
            return self._extra[name]
        if name in self.known.texts:
            return repr(self.known.texts[name])
        if self.known.is_absent(name):
            return "None"
        self.used.add(name)
        return _local(name)

    def __iter__(self) -> Iterator[str]:
        return iter((*self._sources, *self._registers, *self._extra))

    def __len__(self) -> int:
        return len(self._sources) + len(self._registers) + len(self._extra)

    def __contains__(self, name: object) -> bool:
        """Whether an item has it."""
        return name in self._sources

    never_unknown = NEVER_UNKNOWN

    def is_of_item(self, names: frozenset[str]) -> bool:
        """Whether nothing but the item decides what all these names mean."""
        return all(name in self._sources and name not in self._registers and name != "config" for name in names)

    def fact(self, source: str) -> str:
        """Source of what depends on the configuration only, kept until that changes."""
        number = self._shared.number(source)
        return f"(F[{number}] if {number} in F else _fact(st, {number}))"

    def over(self, source: str, function: str) -> str:
        """Source of `function` of a value; of what depends on the configuration only, it is kept until that changes."""
        fact = _FACT.fullmatch(source)
        return self.fact(f"{function}({self._shared.source(int(fact[1]))})") if fact else f"{function}({source})"

    def once(self, source: str) -> str:
        """Source that computes its value for the first rule that asks."""
        return self._shared.once(source)

    def index(self, path: str, member: str, key: str, wanted: Iterable[str | None]) -> str:
        """The variable with pairs of elements by the value of `key`; see functions.index."""
        self[path]
        self._shared.wanted.setdefault(f"{member}|{key}", set()).update(wanted)
        place = f"{path}[{member}|{key}]"
        self.used.add(place)
        return _local(place)

    def use(self, other: _Names) -> None:
        """Take over what `other` used."""
        self.used |= other.used
        self.used_registers |= other.used_registers

    def loads(self, loaded: set[str]) -> list[str]:
        """Assignments of the used names but `loaded`; one that this class of items lacks is unknown."""
        needed = set(self.used)
        for path in self.used:
            path = path.partition("[")[0]  # noqa: PLW2901 - an index needs its array
            while path:
                needed.add(path)
                path = path.rpartition(".")[0]  # noqa: PLW2901 - from the leaf to the root
        self.used |= needed
        lines = []
        for path in sorted(needed - loaded):
            whole, _, index = path.partition("[")
            owner, _, member = whole.rpartition(".")
            if index:
                inner, _, key = index.rstrip("]").partition("|")
                # Most rules get here behind a test, so that the next one cannot count on it.
                n = _local(path)
                wanted = f"_wanted[{inner + '|' + key!r}]"
                lines.append(f"if {n} is _LATER: {n} = _index({_local(whole)}, {inner!r}, {key!r}, {wanted})")
            elif owner:
                n = _local(owner)
                lines.append(f"{_local(path)} = {n}.get({member!r}) if type({n}) is dict else None")
            else:
                lines.append(f"{_local(path)} = {self._sources.get(path, 'None')}")
        return lines


def _local(path: str) -> str:
    """The variable of a name, path or index; lengths keep a.b_c and a.b.c apart."""
    first, *others = re.split(r"[.\[|\]]", path)
    return f"n_{first}" + "".join(f"_{len(other)}{other}" for other in others)


def _triggers(rule: Rule, when: tuple[str, ...]) -> list[Trigger]:
    triggers = []
    for text in when:
        trigger = parse_trigger(text)
        if trigger is None:
            raise RuleError(f"{text!r} is no trigger", rule.path, rule.line)
        triggers.append(trigger)
    return triggers
