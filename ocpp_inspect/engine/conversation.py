"""A rule in Python that remembers a dialogue: judge a message, learn from it, and tell later what did not follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from ocpp_inspect.engine.monitor import Monitor, Remark
from ocpp_inspect.engine.names import parse_trigger
from ocpp_inspect.model import ConnectionClosed, OcppItem, OcppMessage, Upgrade

_SAMPLES: Final = ("MeterValuePeriodic", "MeterValueClock")
ONLY_SAMPLES: Final = frozenset(
    (
        "eventType",
        "timestamp",
        "triggerReason",
        "seqNo",
        "offline",
        "numberOfPhasesUsed",
        "meterValue",
        "transactionInfo",
    )
)
"""All members of an event that `only_samples` says yes to."""


_Method = TypeVar("_Method", bound=Callable[..., Any])


def looks_at(*triggers: str) -> Callable[[_Method], _Method]:
    """Say above a Conversation's `judge` or `learn` which messages it looks at, in the words of `when`.

    It is not called for any other: a call that finds nothing to do costs 0.3 µs, and most messages meet several. A
    class that overrides the method says it anew; without it, all messages are shown. ValueError for what is no such
    trigger.
    """
    chosen = []
    for text in triggers:
        trigger = parse_trigger(text)
        if trigger is None or trigger.item_class != "message":
            raise ValueError(f"looks_at: {text!r} names no message; write StartTransaction.response or CALL")
        chosen.append((frozenset(trigger.kinds), trigger.action))

    def mark(method: _Method) -> _Method:
        method.looks_at = tuple(chosen)  # type: ignore[attr-defined]
        return method

    return mark


def is_looked_at(method: Callable[..., Any], kind: str, action: str) -> bool:
    """Whether a method looks at messages of this kind and action."""
    chosen: tuple[tuple[frozenset[str], str], ...] | None = getattr(method, "looks_at", None)
    return chosen is None or any(kind in kinds and named in ("", action) for kinds, named in chosen)


def actions_looked_at(monitor: type[Monitor]) -> set[str]:
    """The actions that a rule names by `looks_at`."""
    methods = (monitor.judge, monitor.learn) if issubclass(monitor, Conversation) else ()
    return {action for method in methods for _, action in getattr(method, "looks_at", ()) if action}


def only_samples(payload: Any) -> bool:
    """Whether an event, or the answer to it, has nothing to learn from but meter values."""
    if type(payload) is not dict:
        return False
    return not payload or (payload.get("triggerReason") in _SAMPLES and ONLY_SAMPLES.issuperset(payload))


class Conversation(Monitor):
    """Override what the rule needs. What the station owes is told when it speaks again.

    Until then something may turn out to be lost: a loss shows when its side is next read, and calls `forget` first.
    Where the rule's `when` names Upgrade and ConnectionClosed, `cut_off` hears of both.
    """

    looks_at_samples = True
    """Set it to False to be spared the events of OCPP 2.x that only carry meter values, and empty answers to events.

    They are most of all messages: a rule that has nothing to learn from them costs a third then.
    """

    rests_on_samples = False
    """Set it to True to be spared such events while `resting`."""

    # What a rule does not override is not called: most messages meet several such rules.
    judges = learns = owes = False

    def __init_subclass__(cls) -> None:
        """Note what the rule overrides."""
        cls.judges = cls.judge is not Conversation.judge
        cls.learns = cls.learn is not Conversation.learn
        cls.owes = cls.due is not Conversation.due

    @classmethod
    def spared(cls) -> str:
        """When the rule is spared events that only carry samples: "always", "resting" (nothing is due then) or ""."""
        if not cls.looks_at_samples and not cls.owes:
            return "always"
        return "resting" if cls.rests_on_samples or not cls.looks_at_samples else ""

    def feed(self, item: OcppItem) -> Iterable[Remark]:
        """Judge by what was known before, then learn."""
        if type(item) is OcppMessage:
            payload = item.payload
            if type(payload) is not dict:
                return ()
            remarks: Iterable[Remark] = ()
            if self.owes and item.side == "station":
                owed = self.due(item.ts_ns)
                remarks = owed if owed == () else list(owed)  # a generator runs here, before anything is learned
            if not self.looks_at_samples and item.action == "TransactionEvent" and only_samples(payload):
                return remarks or ()  # no empty list: the engine would look into it
            request = item.request if type(item.request) is dict else {}
            if self.judges and is_looked_at(self.judge, item.kind, item.action):
                judged = self.judge(item, payload, request)
                if judged != ():
                    remarks = [*remarks, *judged]
            if self.learns and is_looked_at(self.learn, item.kind, item.action):
                self.learn(item, payload, request)
            return remarks or ()
        if type(item) is Upgrade or type(item) is ConnectionClosed:
            self.cut_off(item.ts_ns)
        return ()

    def judge(self, item: OcppMessage, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """What is wrong with a message, before it is learned; `request` is what it answers, empty for a CALL."""
        return ()

    def learn(self, item: OcppMessage, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Take a message into the picture."""

    def due(self, now_ns: int) -> Iterable[Remark]:
        """What should have followed by now. Bound what waits, and tell it once."""
        return ()

    def cut_off(self, now_ns: int) -> None:
        """A connection began or ended: what is owed was perhaps not sent, or sent to nobody."""
