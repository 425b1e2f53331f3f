"""A conforming dialogue as a list of steps that can be looked through, changed and written as a transcript.

A scene (`bench.faults.scenes`) adds steps, a fault (`bench.faults.blocks`) breaks one of them. Times are seconds since
the session's begin; a time inside of a payload is a `Stamp`, so that steps can be moved together with what they say.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

BEGIN: Final = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
Side = Literal[">", "<"]
Payload = dict[str, Any]
ENERGY: Final = "Energy.Active.Import.Register"


class NoPlace(Exception):  # noqa: N818 - no error: the session has nothing that this fault could break
    """The session has no place for a fault."""


class Stamp:
    """A date-time inside of a payload, in seconds since the session's begin."""

    def __init__(self, at: float, style: str = "ms") -> None:
        self.at = at
        self.style = style

    def __str__(self) -> str:
        moment = BEGIN + timedelta(seconds=self.at)
        if self.style == "ms":
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def __deepcopy__(self, memo: dict[int, Any]) -> Stamp:
        return Stamp(self.at, self.style)


@dataclass(eq=False)
class Step:
    """One message, or one line of a transcript such as `open`, `> ping`, `close`."""

    at: float
    label: str
    side: Side | None = None
    kind: Literal["call", "send", "result", "error", "line"] = "line"
    action: str = ""
    payload: Any = None
    unique_id: str = ""
    code: str = ""  # of an error
    description: str = ""
    answers: Step | None = None  # the CALL that this answers
    answer: Step | None = None
    text: str | None = None  # exactly what is on the wire, or the words of a line

    def wire(self) -> str:
        """The message as it is sent."""
        if self.text is not None:
            return self.text
        payload = self.payload
        if self.kind == "error":
            parts: list[Any] = [4, self.unique_id, self.code, self.description, payload or {}]
        elif self.kind == "result":
            parts = [3, self.unique_id, payload]
        else:
            parts = [2 if self.kind == "call" else 6, self.unique_id, self.action, payload]
        return json.dumps(parts, default=str, separators=(",", ":"), ensure_ascii=False)

    def line(self) -> str:
        """The line of a transcript."""
        arrow = "" if self.side is None else f"{self.label}{self.side} "
        return f"{max(self.at, 0):.3f} {arrow}{self.wire()}"


@dataclass(eq=False)
class Session:
    """One station's dialogue. `chance` decides all that may vary; the same seed gives the same session."""

    version: str
    chance: random.Random
    steps: list[Step] = field(default_factory=list)
    now: float = 0.0
    label: str = "A"
    interval: int = 300
    traits: dict[str, Any] = field(default_factory=dict)
    quiet_moments: list[float] = field(default_factory=list)  # between scenes: nothing runs, nobody waits
    _heartbeat_due: float = 0.0
    _count: int = 0

    # ------------------------------------------------------------------------------------------ building

    def stamp(self, after: float = 0.0) -> Stamp:
        return Stamp(self.now + after, self.traits["stamps"])

    def new_id(self, side: Side) -> str:
        self._count += 1
        style = self.traits["ids"]
        if style == "uuid":
            return f"{self.chance.getrandbits(32):08x}-{self._count:04x}-4000-8000-{self.chance.getrandbits(48):012x}"
        return f"{'' if side == '>' else 'c'}{style}{self._count}"

    def call(
        self, side: Side, action: str, payload: Payload | None = None, answer: Payload | None = None, wait: float = 0.2
    ) -> Step:
        """A CALL with its answer, `wait` seconds after what came before."""
        self.now += wait
        request = Step(self.now, self.label, side, "call", action, copy.deepcopy(payload or {}), self.new_id(side))
        self.now += self.chance.choice((0.02, 0.05, 0.1, 0.3, 1.1))
        back: Side = "<" if side == ">" else ">"
        request.answer = Step(
            self.now,
            self.label,
            back,
            "result",
            action,
            copy.deepcopy(answer or {}),
            request.unique_id,
            answers=request,
        )
        self.steps += (request, request.answer)
        return request

    def line(self, text: str, side: Side | None = None, wait: float = 0.2) -> Step:
        self.now += wait
        step = Step(self.now, self.label, side, text=text)
        self.steps.append(step)
        return step

    def station(self, action: str, payload: Payload | None = None, answer: Payload | None = None, **more: Any) -> Step:
        return self.call(">", action, payload, answer, **more)

    def csms(self, action: str, payload: Payload | None = None, answer: Payload | None = None, **more: Any) -> Step:
        return self.call("<", action, payload, answer, **more)

    def wait(self, seconds: float) -> None:
        """Time passes, with the heartbeats that fall into it."""
        end = self.now + seconds
        while self._heartbeat_due <= end:
            self.now = max(self.now + 0.2, self._heartbeat_due)
            self.heartbeat()
        self.now = max(self.now, end)

    def heartbeat(self) -> Step:
        step = self.station("Heartbeat", {}, {}, wait=0)
        assert step.answer is not None
        step.answer.payload = {"currentTime": Stamp(step.answer.at, self.traits["stamps"])}
        self._heartbeat_due = step.at + self.interval
        return step

    def expect_heartbeats(self, interval: int) -> None:
        """From now on a heartbeat each `interval` seconds."""
        self.interval = interval
        self._heartbeat_due = self.now + interval

    def rest(self) -> None:
        """A pause between scenes."""
        self.wait(self.chance.choice((5, 20, 45)))
        self.quiet_moments.append(self.now)
        self.wait(self.chance.choice((5, 20, 200)))

    # ------------------------------------------------------------------------------------------ looking

    def copy(self) -> Session:
        return copy.deepcopy(self)

    def requests(
        self,
        *actions: str,
        side: Side | None = None,
        where: Callable[[Payload], Any] | None = None,
        answer: Callable[[Payload], Any] | None = None,
    ) -> list[Step]:
        """CALLs of these actions (any, when none is named), whose payload and answer fit."""
        return [
            step
            for step in self.steps
            if step.kind == "call"
            and (not actions or step.action in actions)
            and (side is None or step.side == side)
            and (where is None or where(step.payload))
            and (answer is None or (step.answer is not None and answer(step.answer.payload)))
        ]

    def one(self, *actions: str, **conditions: Any) -> Step:
        """One of these CALLs by chance; not at the very end, where nothing could show what follows."""
        return self.pick([found for found in self.requests(*actions, **conditions) if found.at < self.end - 120])

    def pick(self, found: list[Any]) -> Any:
        if not found:
            raise NoPlace
        return self.chance.choice(found)

    def need(self, condition: object) -> None:
        """No place for the fault without it."""
        if not condition:
            raise NoPlace

    def following(self, step: Step, *actions: str, **conditions: Any) -> Step:
        """The first such CALL behind `step`."""
        for found in self.requests(*actions, **conditions):
            if found.at > step.at:
                return found
        raise NoPlace

    def quiet(self) -> float:
        """A moment at which nothing runs."""
        return float(self.pick(self.quiet_moments))

    def label_at(self, at: float) -> str:
        """The connection that is open at that time."""
        label = None
        for step in self.sorted():
            if step.at > at:
                break
            if step.side is None and (step.text or "").startswith(("open", "joined")):
                label = step.label
            elif step.side is None and (step.text or "").startswith("close"):
                label = None
        if label is None:
            raise NoPlace
        return label

    def sorted(self) -> list[Step]:
        return sorted(self.steps, key=lambda step: step.at)

    @property
    def end(self) -> float:
        return max(step.at for step in self.steps)

    # ------------------------------------------------------------------------------------------ changing

    def drop(self, *steps: Step | None) -> None:
        gone = {id(step) for step in steps}
        self.steps = [step for step in self.steps if id(step) not in gone]

    def drop_exchange(self, *requests: Step) -> None:
        for request in requests:
            self.drop(request, request.answer)

    def shift(self, at: float, seconds: float) -> None:
        """Move everything from `at` on by `seconds`, and what it says about times from then on."""
        for step in self.steps:
            if step.at >= at:
                step.at += seconds
            for stamp in stamps_in(step.payload):
                if stamp.at >= at:
                    stamp.at += seconds
        self.quiet_moments = [moment + seconds if moment >= at else moment for moment in self.quiet_moments]
        self.now = max(self.now, self.end)

    def insert(
        self, at: float, side: Side, action: str, payload: Payload | None = None, answer: Payload | None = None
    ) -> Step:
        """An exchange at that time; what comes later makes room for it."""
        for step in self.sorted():  # a side waits for its answer before it asks again
            if step.kind == "call" and step.side == side and step.answer is not None and step.at <= at < step.answer.at:
                at = step.answer.at + 0.02
        label = self.label_at(at)
        self.shift(at, 3.0)
        back: Side = "<" if side == ">" else ">"
        request = Step(at, label, side, "call", action, payload or {}, self.new_id(side))
        request.answer = Step(at + 0.4, label, back, "result", action, answer or {}, request.unique_id, answers=request)
        self.steps += (request, request.answer)
        return request

    def insert_line(self, at: float, text: str, side: Side | None = None) -> Step:
        """A line at that time: of a side when `side` is given, else of the transcript."""
        step = Step(at, self.label_at(at), side, text=text)
        self.steps.append(step)
        return step

    def refuse(self, request: Step, code: str, description: str = "", details: Payload | None = None) -> Step:
        """Answer a CALL with a CALLERROR instead."""
        answer = request.answer
        assert answer is not None
        answer.kind, answer.code, answer.description, answer.payload = "error", code, description, details or {}
        return answer

    def end_later(self, seconds: float) -> None:
        """The session goes on for that long, with heartbeats."""
        self.now = self.end
        self.label = self.label_at(self.now)
        self._heartbeat_due = max(step.at for step in self.steps if step.side == ">") + self.interval
        self.wait(seconds)
        self.heartbeat()

    # ------------------------------------------------------------------------------------------ writing

    def transcript(self) -> str:
        head = [f"version {self.version}", f"station {self.traits['station']}", f"start {BEGIN.isoformat()}"]
        return "\n".join([*head, *(step.line() for step in self.sorted())])


def after(step: Step) -> float:
    """Just behind an exchange."""
    return (step.answer or step).at + 0.05


def stamps_in(value: Any) -> Iterator[Stamp]:
    """Every time that a payload tells."""
    if isinstance(value, Stamp):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from stamps_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from stamps_in(inner)
