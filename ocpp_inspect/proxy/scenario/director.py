"""Items of a proxy and a scenario in, decisions out: which step takes an item, and what it makes of it.

The steps are asked in the order of the file; the first one that takes a message decides, and each counts for itself
the messages that fit it, whether or not another one decides. Chance comes from the seed, the step and the scope alone,
so the same traffic gives the same decisions.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, TypeAlias
from uuid import uuid4

import orjson

from ocpp_inspect import catalogue
from ocpp_inspect.limits import SCENARIO_SCOPES
from ocpp_inspect.ocpp import schema
from ocpp_inspect.ocpp.places import Path
from ocpp_inspect.ocpp.splice import DELETED, PathError, spliced
from ocpp_inspect.proxy.interception import (
    Close,
    Cut,
    Delay,
    Drop,
    Forward,
    Link,
    Passing,
    Refusal,
    Replace,
    Sender,
    UpgradeAttempt,
)
from ocpp_inspect.proxy.scenario.language import (
    AnswerIt,
    CloseIt,
    CutIt,
    DelayIt,
    DropIt,
    DuplicateIt,
    HoldIt,
    InjectIt,
    Match,
    ModifyIt,
    RefuseIt,
    ReorderIt,
    Scenario,
    Step,
)
from ocpp_inspect.proxy.scenario.values import UnknownValueError
from ocpp_inspect.proxy.scenario.view import PAYLOAD_AT, Connected, View, opened, seen

_FRAME_AT: Final = {
    "CALL": {"unique_id": 1, "action": 2}, "SEND": {"unique_id": 1, "action": 2}, "CALLRESULT": {"unique_id": 1},
    "CALLERROR": {"unique_id": 1, "error_code": 2, "error_description": 3},
    "CALLRESULTERROR": {"unique_id": 1, "error_code": 2, "error_description": 3},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Await:
    """The message is kept until somebody releases it; at the latest after `seconds`."""

    seconds: float
    note: str


@dataclass(frozen=True, slots=True)
class Behind:
    """The message is kept until `behind` more of its sender have passed; at the latest after `seconds`."""

    behind: int
    seconds: float
    note: str


@dataclass(frozen=True, slots=True)
class Injection:
    """A message to put into the connection, after `delay_s`. `unique_id` "" when it is no CALL."""

    connection: int
    to: Sender
    text: str
    unique_id: str
    action: str
    note: str
    delay_s: float = 0.0
    is_before: bool = False
    is_answer: bool = False  # in the receiver's place: nothing comes back


Wait: TypeAlias = Delay | Await | Behind
Act: TypeAlias = Forward | Replace | Drop | Close | Cut


@dataclass(slots=True)
class Decision:
    """What happens to one item: wait first, then act; `injections` beside it. `problems` are for a person."""

    step: str = ""
    waits: list[Wait] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _Counter:
    """How often a step's match came, and fired, in one scope."""

    __slots__ = ("chance", "fired", "seen")

    def __init__(self, chance: random.Random) -> None:
        self.seen = 0
        self.fired = 0
        self.chance = chance


class Director:
    """A scenario in motion. `scenario` None: only what `add_once` brings."""

    def __init__(self, scenario: Scenario | None, now_ns: int) -> None:
        self.scenario = scenario
        self._started_ns = now_ns
        self._steps: list[Step] = list(scenario.steps) if scenario is not None else []
        self._once: list[Step] = []
        self._counters: dict[tuple[int, str], _Counter] = {}
        self._links: dict[int, Connected] = {}

    # ------------------------------------------------------------------------------------------------ who is concerned

    def replace(self, scenario: Scenario | None, now_ns: int) -> None:
        """Another scenario from now on; connections stay known, counting begins anew."""
        self.scenario = scenario
        self._started_ns = now_ns
        self._steps = list(scenario.steps) if scenario is not None else []
        self._counters.clear()

    def add_once(self, step: Step) -> None:
        """A step that fires once, before all others: what a person asks for."""
        self._once.append(step)

    @property
    def pending(self) -> Sequence[Step]:
        """The steps of `add_once` that have not fired yet."""
        return self._once

    def forget_once(self) -> int:
        """Take back what has not fired yet; returns their number."""
        number = len(self._once)
        self._once.clear()
        return number

    def concerns(self, link: Link) -> bool:
        """Whether a step may ever take a message of this link."""
        return any(
            _is_meant(step.match, link.station)
            and any(trigger != "Opened" and trigger.item_class != "upgrade" for trigger in step.match.triggers)
            for step in (*self._once, *self._steps)
        )

    def known(self, connection: int) -> Connected | None:
        """What is known of an open connection."""
        return self._links.get(connection)

    # ------------------------------------------------------------------------------------------------ items

    def upgrade(self, attempt: UpgradeAttempt, now_ns: int) -> Refusal | None:
        """A station asks for an upgrade."""
        values = {"station": attempt.station, "connection": attempt.connection, "ts": now_ns / 1e9, "side": "station",
                  "path": attempt.path, "client": attempt.client, "user_agent": attempt.headers.get("user-agent"),
                  "subprotocol": attempt.headers.get("sec-websocket-protocol"), "age": 0.0}  # fmt: skip
        step = self._taking(View("upgrade", "station", "", "", "", None, None, values), attempt.station, now_ns)
        for order in step.orders if step is not None else ():
            if isinstance(order, RefuseIt):
                refusal = order.refusal
                return Refusal(refusal.status, refusal.reason, refusal.body, refusal.headers, step.name if step else "")
        return None

    def opened(self, link: Link, now_ns: int) -> Decision | None:
        """A connection is open."""
        connected = self._links[link.connection] = Connected(link, now_ns)
        view = opened(connected, now_ns)
        step = self._taking(view, link.station, now_ns)
        return None if step is None else self._decide(step, view, connected)

    def closed(self, link: Link) -> None:
        """A connection has ended."""
        self._links.pop(link.connection, None)
        for key in [key for key in self._counters if key[1] == f"connection {link.connection}"]:
            del self._counters[key]

    def message(self, passing: Passing) -> tuple[View, Decision | None]:
        """A message or control frame passes; None when nobody wants it."""
        link = passing.link
        connected = self._links.get(link.connection)
        if connected is None:
            connected = self._links[link.connection] = Connected(link, passing.ts_ns)
        view = seen(connected, passing)
        step = self._taking(view, link.station, passing.ts_ns)
        return view, None if step is None else self._decide(step, view, connected)

    # ------------------------------------------------------------------------------------------------ which step

    def _taking(self, view: View, station: str, now_ns: int) -> Step | None:
        """The first step that takes the item; all that it fits count it."""
        taking: Step | None = None
        for step in list(self._once):
            if _fits(step.match, view, station, now_ns, self._started_ns) and taking is None:
                self._once.remove(step)
                view.values["count"] = 1
                taking = step
        for index, step in enumerate(self._steps):
            if not _fits(step.match, view, station, now_ns, self._started_ns):
                continue
            counter = self._counter(index, step, view, station)
            counter.seen += 1
            if taking is None and _is_turn(step.match, counter):
                counter.fired += 1
                view.values["count"] = counter.fired
                taking = step
        return taking

    def _counter(self, index: int, step: Step, view: View, station: str) -> _Counter:
        scope = {"all": "", "station": f"station {station}"}.get(
            step.match.per, f"connection {view.values.get('connection')}"
        )
        counter = self._counters.pop((index, scope), None)
        if counter is None:
            seed = self.scenario.seed if self.scenario is not None else 0
            name = station if step.match.per == "connection" else scope
            counter = _Counter(random.Random(f"{seed} {index} {name}"))  # noqa: S311 - must be repeatable
            if len(self._counters) >= SCENARIO_SCOPES:
                del self._counters[next(iter(self._counters))]
        self._counters[index, scope] = counter
        return counter

    # ------------------------------------------------------------------------------------------------ what it does

    def _decide(self, step: Step, view: View, connected: Connected) -> Decision:  # noqa: PLR0912 - one case an order
        decision = Decision(step.name)
        text, copies, is_changed = view.text, 1, False
        last: Act | None = None
        for order in step.orders:
            match order:
                case DropIt():
                    last = Drop(step.name)
                case CutIt():
                    last = Cut(step.name)
                case CloseIt(code=code, reason=reason):
                    last = Close(code, reason, step.name)
                case DelayIt(seconds=seconds, is_overtaken=is_overtaken):
                    decision.waits.append(Delay(seconds, is_overtaken, step.name))
                case ReorderIt(behind=behind, within_s=within_s):
                    decision.waits.append(Behind(behind, within_s, step.name))
                case HoldIt(seconds=seconds):
                    decision.waits.append(Await(seconds, step.name))
                case DuplicateIt(copies=number):
                    copies = number
                case ModifyIt():
                    changed = self._modified(order, view, text, decision)
                    is_changed = is_changed or changed != text
                    text = changed
                case AnswerIt():
                    if (injection := self._answered(order, view, connected, step, decision)) is not None:
                        decision.injections.append(injection)
                        connected.calls.settle(injection_sender(injection), view.unique_id)
                        last = Drop(f"{step.name}: answered in the receiver's place")
                case InjectIt():
                    if (injection := self.injection(order, view.values, connected, step.name, decision)) is not None:
                        decision.injections.append(injection)
                case RefuseIt():
                    pass  # `upgrade` does it
        if last is not None:
            decision.acts = [last]
        elif is_changed and text is not None:
            decision.acts = [Replace(text, step.name)] * copies
        else:
            decision.acts = [Forward(step.name if copies > 1 else "")] * copies
        return decision

    @staticmethod
    def _modified(order: ModifyIt, view: View, text: str | None, decision: Decision) -> str | None:
        """The text after one `modify`; unchanged, with a problem told, when it cannot be done."""
        try:
            if order.text is not None:
                whole = order.text(view.values)
                return whole if isinstance(whole, str) else orjson.dumps(whole).decode()
            at = PAYLOAD_AT.get(view.kind)
            if at is None or text is None:
                raise UnknownValueError("the message is no well-formed OCPP message")
            changes: dict[Path, Any] = {}
            for name, value in order.frame.items():
                place = _FRAME_AT[view.kind].get(name)
                if place is None:
                    raise UnknownValueError(f"a {view.kind} has no {name}")
                changes[(place,)] = value(view.values)
            if order.payload is not None:
                changes[(at,)] = order.payload(view.values)
            for pattern in order.delete:
                changes |= {(at, *path): DELETED for path in pattern.places(view.payload)}
            for pattern, value in order.set:
                changes |= {(at, *path): value(view.values) for path in pattern.places(view.payload)}
            return spliced(text, changes)
        except (UnknownValueError, PathError, orjson.JSONEncodeError) as error:
            decision.problems.append(f"{decision.step}: not modified: {error}")
            return text

    @staticmethod
    def _answered(
        order: AnswerIt, view: View, connected: Connected, step: Step, decision: Decision
    ) -> Injection | None:
        try:
            if order.payload is not None:
                message: list[Any] = [3, view.unique_id, order.payload(view.values)]
            else:
                given = (order.error_code, order.error_description, order.error_details)
                parts = [
                    default if part is None else part(view.values)
                    for part, default in zip(given, ("GenericError", "", {}), strict=True)
                ]
                message = [4, view.unique_id, *parts]
            text = orjson.dumps(message).decode()
        except (UnknownValueError, orjson.JSONEncodeError) as error:
            decision.problems.append(f"{step.name}: not answered: {error}")
            return None
        return Injection(connected.link.connection, view.sender, text, "", view.action,
                         f"{step.name}: in the receiver's place", is_before=True, is_answer=True)  # fmt: skip

    @staticmethod
    def injection(
        order: InjectIt, values: dict[str, Any], connected: Connected, name: str, decision: Decision
    ) -> Injection | None:
        """The message that an order asks for; None, with a problem told, when it cannot be made or is not legal."""
        unique_id = ""
        try:
            if order.text is not None:
                whole = order.text(values)
                text = whole if isinstance(whole, str) else orjson.dumps(whole).decode()
            else:
                payload = order.payload(values) if order.payload is not None else {}
                if not order.is_forced and (fault := call_fault(connected.version, order.action, order.to, payload)):
                    raise UnknownValueError(fault)
                unique_id = str(uuid4())
                text = call_text(connected.version, unique_id, order.action, payload)
                if is_send(connected.version, order.action):
                    unique_id = ""  # nothing comes back
        except (UnknownValueError, orjson.JSONEncodeError) as error:
            decision.problems.append(f"{name}: not injected: {error}")
            return None
        return Injection(
            connected.link.connection, order.to, text, unique_id, order.action, name, order.delay_s, order.is_before
        )


def injection_sender(injection: Injection) -> Sender:
    """The side as which it is sent."""
    return "csms" if injection.to == "station" else "station"


def is_send(version: str, action: str) -> bool:
    """Whether it goes as a SEND, which has no answer (OCPP 2.1 Part 4 §4.2.5)."""
    info = catalogue.load(version).get(action)
    return info is not None and info.send


def call_text(version: str, unique_id: str, action: str, payload: Any) -> str:
    """A CALL, or where the version has it so a SEND, as OCPP-J writes it (OCPP-J 1.6 §4.2.1)."""
    return orjson.dumps([6 if is_send(version, action) else 2, unique_id, action, payload]).decode()


def call_fault(version: str, action: str, to: Sender, payload: Any) -> str:
    """Why a CALL may not be sent to that side; "" when it may. Faults of the payload name their path."""
    if not version:
        return "the OCPP version of the connection is not known, so nothing can be checked"
    info = catalogue.load(version).get(action)
    if info is None:
        return f"OCPP {version} has no action {action}"
    if info.initiator == ("CSMS" if to == "csms" else "CS"):
        return f"{action} is not for the {'station' if to == 'csms' else 'CSMS'} to send"
    checker = schema.checker("2.0.1" if version == "2.0" else version, action, False)
    if checker is None or checker.is_valid(payload):
        return ""
    return "; ".join(f"{fault.path}: {fault.detail}" for fault in checker.explain(payload)[0][:3] if not fault.risky)


def _is_meant(match: Match, station: str) -> bool:
    return match.station == "*" or fnmatchcase(station, match.station)


def _fits(match: Match, view: View, station: str, now_ns: int, started_ns: int) -> bool:
    """Whether an item is of the kind that the step is about."""
    if match.sender not in (None, view.sender) or not _is_meant(match, station):
        return False
    if not _triggered(match.triggers, view):
        return False
    window = match.during
    if window.from_s or window.to_s != float("inf"):
        age_s = view.values.get("age", 0.0) if window.of == "connection" else (now_ns - started_ns) / 1e9
        if not window.from_s <= age_s < window.to_s:
            return False
    return match.where is None or match.where.holds(view.values)


def _triggered(triggers: Iterable[Any], view: View) -> bool:
    for trigger in triggers:
        if trigger == "Opened":
            if view.item_class == "opened":
                return True
        elif (
            trigger.item_class == view.item_class
            and (not trigger.kinds or view.kind in trigger.kinds)
            and trigger.action in ("", view.action)
        ):
            return True
    return False


def _is_turn(match: Match, counter: _Counter) -> bool:
    """Whether it is this one's turn, of all that fit."""
    number = counter.seen - match.after
    if number < 1 or (match.times and counter.fired >= match.times):
        return False
    if match.nth and number not in match.nth:
        return False
    if number % match.every:
        return False
    return match.probability >= 1.0 or counter.chance.random() < match.probability
