"""Rules in, a dispatch table out: which compiled functions see which item, in which order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from ocpp_inspect.engine.compile import RUNTIME, Block, Handler, RuleCompiler, make
from ocpp_inspect.engine.conversation import actions_looked_at
from ocpp_inspect.engine.facts import LEARNERS
from ocpp_inspect.engine.forms import Known, form_of
from ocpp_inspect.engine.kept import KeptCode
from ocpp_inspect.engine.monitor import Monitor
from ocpp_inspect.engine.names import VERSIONS, ItemClass, Trigger
from ocpp_inspect.engine.rule import Rule
from ocpp_inspect.engine.sharing import Shared
from ocpp_inspect.engine.shown import Shown
from ocpp_inspect.engine.state import StationState, Tables
from ocpp_inspect.engine.verdict import UNKNOWN, Judge, call_off
from ocpp_inspect.model import OcppMessage

_ALL_VERSIONS: Final = (*VERSIONS, "")


class Program:
    """Compiled rules for what came over one transport. Holds no state of a station: many engines may share one.

    `kept` are functions that earlier runs compiled of the same rules; `keep` adds those of this run.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        load_monitor: Callable[[Rule], type[Monitor]],
        transport: str = "websocket",
        kept: KeptCode | None = None,
    ) -> None:
        self.transport = transport
        self.kept = kept
        self._every = sorted(rules, key=lambda rule: rule.id)
        self._siblings: dict[str, Program] = {transport: self}
        self.rules = [rule for rule in self._every if rule.runs_over(transport)]
        self.follows = {rule.id: rule.follows for rule in self.rules if rule.follows}
        self.causes = frozenset(cause for causes in self.follows.values() for cause in causes)
        self.slots: list[Any] = []  # what a new station has in each
        self.judges: list[Judge] = []
        self.light: list[Judge] = []  # those whose open expectations may be no more than the items that opened them
        self.monitors: list[tuple[int, Judge]] = []
        self.register_slots: list[int] = []
        self.rows: dict[tuple[str, ...], tuple[int, list[None]]] = {}  # `by` → slot of a table, an empty row of it
        self.load_monitor = load_monitor
        self._events: dict[tuple[ItemClass, str], tuple[list[Handler], list[Handler]]] = {}
        self._messages: list[tuple[Rule, Trigger, Block, bool]] = []
        self.shows: dict[Block, type[Monitor]] = {}  # what shows a message to a rule in Python
        self.runtime: dict[str, Any] = dict(RUNTIME)
        self.runtime["_fact"] = self._fact
        self.shared = Shared()
        self.runtime["_wanted"] = self.shared.wanted
        self._facts: dict[int, Callable[[StationState], Any]] = {}
        self._anomalies: list[tuple[Trigger, Handler]] = []
        self._guarded: dict[Handler, Handler] = {}
        for rule in self.rules:
            RuleCompiler(self, rule).compile()
        self.runtime |= {"_UNKNOWN": UNKNOWN, "_reboot": _reboot}
        self.runtime |= {f"_learn_{kind}_{action}": learner for (kind, action), learner in LEARNERS.items()}
        self.messages: dict[str, Tables] = {version: {} for version in _ALL_VERSIONS}
        self._actions = {action for _, action in LEARNERS} | {"BootNotification"}
        self._actions |= {trigger.action for _, trigger, _, _ in self._messages}
        for _slot, judge in self.monitors:
            monitor = self.runtime[f"_monitor{judge.index}"]
            self._actions |= monitor.rests_on | actions_looked_at(monitor)

    def over(self, transport: str) -> Program:
        """The same rules for another transport, compiled when they are first asked for."""
        found = self._siblings.get(transport)
        if found is None:
            found = self._siblings[transport] = Program(self._every, self.load_monitor, transport, self.kept)
        return found

    def keep(self) -> None:
        """Let the next run have what was compiled in this one."""
        if self.kept is not None:
            self.kept.save()

    def new_slot(self, first: Any) -> int:
        """One more place in every station's state, and what is there at first."""
        self.slots.append(first)
        return len(self.slots) - 1

    def add_message(self, rule: Rule, trigger: Trigger, block: Block, *, answers: bool) -> None:
        """Hang a block on a kind of message; those that answer expectations run before all that open or judge."""
        self._messages.append((rule, trigger, block, answers))

    def add_event(self, rule: Rule, trigger: Trigger, handler: Handler, *, answers: bool) -> None:
        """Hang a handler on another trigger; those that answer expectations run before all that open or judge."""
        guarded = self._guarded.get(handler)
        if guarded is None:
            guarded = self._guarded[handler] = _for_versions(handler, rule)
        if trigger.item_class == "anomaly":
            self._anomalies.append((trigger, guarded))
            return
        kinds = (trigger.kinds or ("ping", "pong", "close")) if trigger.item_class == "control" else ("",)
        for kind in kinds:
            handlers = self._events.setdefault((trigger.item_class, kind), ([], []))[0 if answers else 1]
            if guarded not in handlers:  # two triggers of one role may overlap: run it once
                handlers.append(guarded)

    def events(self, item_class: ItemClass, kind: str = "") -> tuple[tuple[Handler, ...], tuple[Handler, ...]]:
        """(answering handlers, other handlers) of an event of the lower layers."""
        answering, others = self._events.get((item_class, kind), ((), ()))
        return tuple(answering), tuple(others)

    def anomaly(self, name: str) -> tuple[Handler, ...]:
        """Handlers of an anomaly."""
        return tuple(dict.fromkeys(handler for trigger, handler in self._anomalies if trigger.matches_anomaly(name)))

    def judge_of(self, version: str, kind: str, action: str, side: str) -> Handler:
        """The function in which all rules that see such a message run, one block after the other.

        It is written when the first such message comes. One function costs half of what one for each rule costs:
        nothing is called or loaded twice, and what kind, action and side decide is decided here.
        """
        if action not in self._actions:
            action = ""  # all others see the same rules; the table must not grow with names from the wire
        table = self.messages[version]
        found: Handler | None = table.get((kind, action, side))
        if found is None:
            found = table[kind, action, side] = self._write(version, kind, action, side)
        return found

    def _fact(self, st: StationState, number: int) -> Any:
        """Compute what depends on the configuration of the station only."""
        read = self._facts.get(number)
        if read is None:
            made: Any = make(self, "st", lambda: [f"return {self.shared.source(number)}"], f"fact {number}")
            read = self._facts[number] = made
        value = st.facts[number] = read(st)
        return value

    def _write(self, version: str, kind: str, action: str, side: str) -> Handler:
        names = {"version": version, "kind": kind, "action": action, "side": side}
        known = Known({name: text for name, text in names.items() if text})
        name = f"{self.transport} {version} {kind} {action} {side}"
        if action != "TransactionEvent":
            return make(self, "m, st", lambda: self._lines(known), name)
        # Most messages of OCPP 2.x. The function for a form is written when the first message has it.
        written: dict[str, Handler] = {}

        def judge(m: OcppMessage, st: StationState) -> None:
            form = form_of(m.payload)
            handler = written.get(form)
            if handler is None:
                lines = partial(self._lines, known.of(form))
                handler = written[form] = make(self, "m, st", lines, f"{name} {form}")
            handler(m, st)

        return judge

    def _lines(self, known: Known) -> list[str]:
        """The lines of the function for messages of which this is known beforehand."""
        version, kind, action = known.get("version"), known.get("kind"), known.get("action")
        chosen = [
            (answers, block)
            for rule, trigger, block, answers in self._messages
            if kind in trigger.kinds
            and trigger.action in ("", action)
            and (not rule.versions or version in rule.versions)
        ]
        loaded: set[str] = set()
        # Two triggers of one role may overlap: it runs once.
        answering = dict.fromkeys(block for answers, block in chosen if answers)
        others = dict.fromkeys(block for answers, block in chosen if not answers)
        lines = []
        if action and kind in ("CALLRESULT", "CALLERROR"):
            # A second answer has its action but belongs to no CALL any more: it is no `.response`.
            unpaired = f"st.engine.program.judge_of({version!r}, {kind!r}, '', m.side)(m, st)"
            lines.append(f"if m.latency_ns == -1: return {unpaired}")
        lines += [line for block in answering for line in _guard(block(known, loaded))]
        if (kind, action) == ("CALL", "BootNotification"):
            lines.append("_reboot(m, st)")
        if (kind, action) in LEARNERS:
            lines += _guard([f"_learn_{kind}_{action}(m, st)"])
        resting = [block for block in others if block in self.shows and Shown(self.shows[block], known).can_rest]
        lines += [line for block in others if block not in resting for line in _guard(block(known, loaded))]
        # What nothing is open for is asked once for all of them, not by each (50 ns).
        awake = [f"    {line}" for block in resting for line in _guard(block(known, loaded))]
        if awake:
            lines += ["R = st.restless", "if R:", *awake]
        return lines


def _guard(lines: list[str]) -> list[str]:
    """A block of a larger function: it can be left early, and what it cannot decide does not end the others."""
    if not lines:
        return []
    body = [re.sub(r"\breturn$", "break", line) for line in lines]
    return ["try:", "    while 1:", *(f"        {line}" for line in body), "        break",
            "except _UNKNOWN: st.engine.counters['undecidable'] += 1"]  # fmt: skip


def _reboot(m: OcppMessage, st: StationState) -> None:
    """A station that boots on a new connection has forgotten what it was asked on the old ones."""
    if st.open_waits:
        call_off(st, m.connection, ended=False, reboot=True)


def _for_versions(handler: Handler, rule: Rule) -> Handler:
    """Limit a handler of a version-less event to the versions of its rule."""
    if not rule.versions:
        return handler
    versions = frozenset(rule.versions)

    def guarded(m: Any, st: StationState) -> None:
        if st.version in versions:
            handler(m, st)

    return guarded
