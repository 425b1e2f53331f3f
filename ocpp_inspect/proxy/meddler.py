"""A scenario and a person's orders in, what the relay must do with each message out: the interceptor of a debugger.

Runs in the relay's event loop. The scenario decides without time and sockets (`scenario.Director`); here its waits
become futures, its injections leave at their moment, and the answers to what was injected are kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ocpp_inspect.limits import MEDDLER_HELD, MEDDLER_INJECTED
from ocpp_inspect.proxy.interception import (
    Action,
    Close,
    Cut,
    Delay,
    Drop,
    Forward,
    Hold,
    Injector,
    Link,
    LinkGoneError,
    Mark,
    Passing,
    Refusal,
    Replace,
    Sender,
    Transparent,
    UpgradeAttempt,
)
from ocpp_inspect.proxy.scenario.director import Await, Behind, Decision, Director, Injection, Wait
from ocpp_inspect.proxy.scenario.language import Scenario, Step

_KEPT: Final = "the answer to a message that was injected"


@dataclass(slots=True)
class Held:
    """A message that waits for a person. `text` is None when it cannot be read."""

    number: int
    link: Link
    sender: Sender
    kind: str
    action: str
    text: str | None
    since_ns: int
    note: str
    _release: asyncio.Future[Sequence[Action]]
    _rest: tuple[Action, ...]

    def release(self) -> None:
        """Let it go on, as the step that holds it says."""
        self._settle(self._rest)

    def replace(self, text: str) -> None:
        """Let another text go on in its place."""
        self._settle((Replace(text, "edited at the console"),))

    def drop(self) -> None:
        """Let it go nowhere."""
        self._settle((Drop("dropped at the console"),))

    @property
    def is_over(self) -> bool:
        """Whether it waits no more."""
        return self._release.done()

    def _settle(self, actions: Sequence[Action]) -> None:
        if not self._release.done():
            self._release.set_result(actions)


@dataclass(slots=True)
class Injected:
    """A CALL of ours that waits for its answer; the future gets the answer's text, or None when the link has ended."""

    link: Link
    to: Sender
    unique_id: str
    action: str
    answer: asyncio.Future[str | None]


class _Turn:
    """A message that waits until others have passed it."""

    __slots__ = ("connection", "left", "release", "rest", "sender")

    def __init__(
        self, connection: int, sender: Sender, left: int, release: asyncio.Future[Sequence[Action]],
        rest: tuple[Action, ...],
    ) -> None:  # fmt: skip
        self.connection, self.sender, self.left, self.release, self.rest = connection, sender, left, release, rest

    def over(self) -> None:
        """It is its turn."""
        if not self.release.done():
            self.release.set_result(self.rest)


class Meddler(Transparent):
    """The interceptor of `proxy` when there is a scenario or a console. `say` gets lines while no console listens."""

    def __init__(self, scenario: Scenario | None, say: Callable[[str], None], *, has_console: bool) -> None:
        self.director = Director(scenario, time.time_ns())
        self.marks: list[Callable[[Mark], None]] = []  # who wants to hear of every mark
        self._has_console = has_console
        self.hears: list[Callable[[str], None]] = []  # consoles: they are told instead of `say`
        self._fallback = say
        self._injector: Injector | None = None
        self._held: dict[int, Held] = {}
        self._last_number = 0
        self._injected: dict[tuple[int, Sender, str], Injected] = {}
        self._turns: list[_Turn] = []
        self._timers: dict[int, set[asyncio.TimerHandle]] = {}

    # ------------------------------------------------------------------ what the relay calls

    @property
    def may_want(self) -> bool:
        """Whether a message may ever be asked for."""
        return self._has_console or self.director.scenario is not None

    def attach(self, injector: Injector) -> None:
        """The relay has started."""
        self._injector = injector

    def upgrade(self, attempt: UpgradeAttempt) -> Refusal | None:
        """A station asks for an upgrade."""
        return self.director.upgrade(attempt, time.time_ns())

    def opened(self, link: Link) -> None:
        """A connection is open: what a scenario does then is done once the relay is ready for it."""
        decision = self.director.opened(link, time.time_ns())
        if decision is not None:
            asyncio.get_running_loop().call_soon(self._begin, link, decision)

    def wants(self, link: Link) -> bool:
        """Whether somebody waits for a message of this link."""
        return self.director.concerns(link) or any(key[0] == link.connection for key in self._injected) or any(
            turn.connection == link.connection for turn in self._turns)  # fmt: skip

    def message(self, message: Passing) -> Sequence[Action]:
        """What to do with a message."""
        connection, sender = message.link.connection, message.sender
        pending = len(self.director.pending)
        view, decision = self.director.message(message)
        if view.kind in ("CALLRESULT", "CALLERROR", "CALLRESULTERROR"):
            injected = self._injected.pop((connection, sender, view.unique_id), None)
            if injected is not None:
                self._settle(injected, message.text)
                if not self.wants(message.link):
                    asyncio.get_running_loop().call_soon(self.reconsider)
                return (Drop(f"{_KEPT}: {injected.action}", "proxy.answer_kept"),)
        if not message.is_control:
            self._let_pass(connection, sender)
        if decision is None:
            return (Forward(),)
        for problem in decision.problems:
            self._say(f"{message.link.station}: {problem}")
        for injection in decision.injections:
            self._schedule(message.link, injection)
        if len(self.director.pending) != pending:  # every link is asked: only when something may have changed
            asyncio.get_running_loop().call_soon(self.reconsider)
        return self._actions(message, view.kind, view.action, decision, decision.waits)

    def marked(self, mark: Mark) -> None:
        """Something was done."""
        for hear in self.marks:
            hear(mark)

    def closed(self, link: Link) -> None:
        """A connection has ended: what waits there waits no more."""
        self.director.closed(link)
        for key in [key for key in self._injected if key[0] == link.connection]:
            self._settle(self._injected.pop(key), None)
        self._turns = [turn for turn in self._turns if turn.connection != link.connection]
        for timer in self._timers.pop(link.connection, ()):
            timer.cancel()
        self._held = {number: held for number, held in self._held.items() if held.link.connection != link.connection}

    # ------------------------------------------------------------------ what a person asks

    def links(self) -> Sequence[Link]:
        """The connections that are open."""
        return self._injector.links() if self._injector is not None else ()

    def held(self) -> list[Held]:
        """The messages that wait, oldest first."""
        self._held = {number: held for number, held in self._held.items() if not held.is_over}
        return list(self._held.values())

    def load(self, scenario: Scenario | None) -> None:
        """Another scenario, or none, from now on."""
        self.director.replace(scenario, time.time_ns())
        self.reconsider()

    def once(self, step: Step) -> None:
        """A step for the next message that fits."""
        self.director.add_once(step)
        self.reconsider()

    def forget(self) -> int:
        """Take back the steps that still wait for their message."""
        number = self.director.forget_once()
        self.reconsider()
        return number

    def inject(self, link: Link, to: Sender, unique_id: str, action: str, text: str, note: str) -> Injected:
        """Put a CALL into a connection now. Raises LinkGoneError."""
        if self._injector is None:
            raise LinkGoneError("the proxy has not started")
        injected = Injected(link, to, unique_id, action, asyncio.get_running_loop().create_future())
        if len(self._injected) >= MEDDLER_INJECTED:
            self._settle(self._injected.pop(next(iter(self._injected))), None)
        was_wanted = self.wants(link)
        self._injected[link.connection, to, unique_id] = injected
        if not was_wanted:
            self.reconsider()
        try:
            self._injector.inject(link.connection, to, text, note=note)
        except LinkGoneError:
            del self._injected[link.connection, to, unique_id]
            raise
        return injected

    def put(self, link: Link, to: Sender, text: str, note: str) -> None:
        """Put any text into a connection now; what comes back is forwarded. Raises LinkGoneError."""
        if self._injector is None:
            raise LinkGoneError("the proxy has not started")
        self._injector.inject(link.connection, to, text, note=note)

    def cut(self, link: Link, note: str) -> None:
        """Reset a connection. Raises LinkGoneError."""
        if self._injector is not None:
            self._injector.cut(link.connection, note=note)

    def close(self, link: Link, code: int, reason: str, note: str) -> None:
        """Close a connection. Raises LinkGoneError."""
        if self._injector is not None:
            self._injector.close(link.connection, code, reason, note=note)

    def _say(self, line: str) -> None:
        for hear in self.hears or [self._fallback]:
            hear(line)

    def reconsider(self) -> None:
        """Wishes have changed."""
        if self._injector is not None:
            self._injector.reconsider()

    # ------------------------------------------------------------------ decisions become actions

    def _actions(
        self, message: Passing, kind: str, action: str, decision: Decision, waits: Sequence[Wait]
    ) -> tuple[Action, ...]:
        """The waits in their order, then the acts; a wait of ours carries what follows in its result."""
        if not waits:
            return tuple(decision.acts)
        wait, *others = waits
        rest = self._actions(message, kind, action, decision, others)
        if isinstance(wait, Delay):
            return (wait, *rest)
        loop = asyncio.get_running_loop()
        release: asyncio.Future[Sequence[Action]] = loop.create_future()
        if isinstance(wait, Behind):
            turn = _Turn(message.link.connection, message.sender, wait.behind, release, rest)
            self._turns.append(turn)
            self._later(message.link, wait.seconds, turn.over)
            return (Hold(release, is_overtaken=True, note=f"{wait.note}: behind {wait.behind}"),)
        return (self._hold(message, kind, action, wait, release, rest),)

    def _hold(
        self, message: Passing, kind: str, action: str, wait: Await, release: asyncio.Future[Sequence[Action]],
        rest: tuple[Action, ...],
    ) -> Action:  # fmt: skip
        if len(self.held()) >= MEDDLER_HELD:
            self._say(f"{MEDDLER_HELD} messages are held: the next one goes on")
            release.set_result(rest)
            return Hold(release, note=wait.note)
        self._last_number += 1
        replaced = next((each.text for each in rest if isinstance(each, Replace)), message.text)
        held = Held(self._last_number, message.link, message.sender, kind, action, replaced, message.ts_ns, wait.note,
                    release, rest)  # fmt: skip
        self._held[held.number] = held
        if wait.seconds != float("inf"):
            self._later(message.link, wait.seconds, held.release)
        self._say(f"held {held.number}: {message.link.station} {'>' if message.sender == 'station' else '<'} "
                  f"{action or kind}")  # fmt: skip
        return Hold(release, note=wait.note)

    def _let_pass(self, connection: int, sender: Sender) -> None:
        """A message passes those that wait for their turn."""
        if not self._turns:
            return
        for turn in self._turns:
            if turn.connection == connection and turn.sender == sender:
                turn.left -= 1
                if turn.left <= 0:
                    turn.over()
        self._turns = [turn for turn in self._turns if not turn.release.done()]

    def _begin(self, link: Link, decision: Decision) -> None:
        """What a scenario does when a connection opens."""
        for problem in decision.problems:
            self._say(f"{link.station}: {problem}")
        for injection in decision.injections:
            self._schedule(link, injection)
        for act in decision.acts:
            try:
                if isinstance(act, Close):
                    self.close(link, act.code, act.reason, act.note)
                elif isinstance(act, Cut):
                    self.cut(link, act.note)
            except LinkGoneError:
                return

    def _schedule(self, link: Link, injection: Injection) -> None:
        if injection.is_before and not injection.delay_s:
            self._inject(link, injection)
        else:
            self._later(link, injection.delay_s, lambda: self._inject(link, injection))

    def _inject(self, link: Link, injection: Injection) -> None:
        try:
            if injection.unique_id:
                self.inject(link, injection.to, injection.unique_id, injection.action, injection.text, injection.note)
            else:
                self.put(link, injection.to, injection.text, injection.note)
        except LinkGoneError:
            self._say(f"{link.station}: {injection.note}: not injected, the connection has ended")

    def _later(self, link: Link, seconds: float, do: Callable[[], None]) -> None:
        """`do` in so many seconds, unless the connection has ended by then."""
        timers = self._timers.setdefault(link.connection, set())

        def due() -> None:
            timers.discard(timer)
            do()

        timer = asyncio.get_running_loop().call_later(seconds, due)
        timers.add(timer)

    @staticmethod
    def _settle(injected: Injected, text: str | None) -> None:
        if not injected.answer.done():
            injected.answer.set_result(text)
