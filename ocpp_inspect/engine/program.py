"""Rules in, a dispatch table out: which compiled functions see which item, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from ocpp_inspect.engine.compile import Handler, RuleCompiler
from ocpp_inspect.engine.facts import LEARNERS
from ocpp_inspect.engine.monitor import Monitor
from ocpp_inspect.engine.names import MESSAGE_KINDS, VERSIONS, ItemClass, Trigger
from ocpp_inspect.engine.rule import Rule
from ocpp_inspect.engine.state import StationState, Tables
from ocpp_inspect.engine.verdict import Judge, call_off
from ocpp_inspect.model import OcppMessage

_ALL_VERSIONS: Final = (*VERSIONS, "")


class Program:
    """Compiled rules. Holds no state: many engines may share one."""

    def __init__(self, rules: Iterable[Rule], load_monitor: Callable[[Rule], type[Monitor]]) -> None:
        self.rules = sorted(rules, key=lambda rule: rule.id)
        self.slots = 0
        self.judges: list[Judge] = []
        self.monitors: list[tuple[int, Judge]] = []
        self.register_slots: list[int] = []
        self.load_monitor = load_monitor
        self._events: dict[tuple[ItemClass, str], tuple[list[Handler], list[Handler]]] = {}
        self._messages: list[tuple[Rule, Trigger, Handler, bool]] = []
        self._anomalies: list[tuple[Trigger, Handler]] = []
        self._guarded: dict[Handler, Handler] = {}
        for rule in self.rules:
            RuleCompiler(self, rule).compile()
        self.messages: dict[str, Tables] = {
            version: {kind: self._table(version, kind) for kind in MESSAGE_KINDS} for version in _ALL_VERSIONS
        }

    def new_slot(self) -> int:
        """One more place in every station's state."""
        self.slots += 1
        return self.slots - 1

    def add(self, rule: Rule, trigger: Trigger, handler: Handler, *, answers: bool) -> None:
        """Hang a handler on a trigger; those that answer expectations run before all that open or judge."""
        if trigger.item_class == "message":
            self._messages.append((rule, trigger, handler, answers))
            return
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

    def _table(self, version: str, kind: str) -> tuple[dict[str, tuple[Handler, ...]], tuple[Handler, ...]]:
        """(action → handlers, handlers of every other action) of a kind of message of one version."""
        fitting = [
            entry
            for entry in self._messages
            if kind in entry[1].kinds and (not entry[0].versions or version in entry[0].versions)
        ]
        actions = {entry[1].action for entry in fitting} | {action for k, action in LEARNERS if k == kind}
        if kind == "CALL":
            actions.add("BootNotification")
        return (
            {action: self._handlers(fitting, kind, action) for action in actions if action},
            self._handlers(fitting, kind, ""),
        )

    def _handlers(
        self, fitting: list[tuple[Rule, Trigger, Handler, bool]], kind: str, action: str
    ) -> tuple[Handler, ...]:
        chosen = [entry for entry in fitting if entry[1].action in ("", action)]
        handlers: list[Handler] = [handler for _rule, _trigger, handler, answers in chosen if answers]
        if (kind, action) == ("CALL", "BootNotification"):
            handlers.append(_reboot)
        if (kind, action) in LEARNERS:
            handlers.append(LEARNERS[kind, action])
        handlers += [handler for _rule, _trigger, handler, answers in chosen if not answers]
        return tuple(dict.fromkeys(handlers))  # two triggers of one role may overlap: run it once


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
