"""Commands in, orders to the meddler and lines to read out: what stands behind a prompt, wherever the prompt is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from uuid import uuid4

import orjson

from ocpp_inspect.catalogue import mask_message
from ocpp_inspect.engine.rule import RuleError
from ocpp_inspect.proxy.console.commands import HELP, Command, CommandError, parse
from ocpp_inspect.proxy.interception import Link, LinkGoneError, Mark
from ocpp_inspect.proxy.meddler import Held, Meddler
from ocpp_inspect.proxy.scenario.director import call_fault, call_text, is_send
from ocpp_inspect.proxy.scenario.reader import load_scenario

_ANSWER_S: Final = 30.0
_SHOWN: Final = 200
_WHOLE: Final = 4000


class Front(Protocol):
    """The person's end of a session."""

    def say(self, line: str) -> None:
        """One line, captured text not yet escaped."""
        ...

    async def edit(self, text: str) -> str | None:
        """Let the person edit a text; None when it was given up."""
        ...


class Session:
    """One person at one prompt."""

    def __init__(self, meddler: Meddler, front: Front) -> None:
        self._meddler = meddler
        self._front = front
        self._station = ""
        self._answers: set[asyncio.Task[None]] = set()
        self._watches = True
        self._tell = front.say
        meddler.marks.append(self._hear)
        meddler.hears.append(self._tell)

    def end(self) -> None:
        """The person has left; what is held stays held."""
        self._meddler.marks.remove(self._hear)
        self._meddler.hears.remove(self._tell)
        for task in self._answers:
            task.cancel()

    def stations(self) -> tuple[str, ...]:
        """For completion."""
        return tuple(dict.fromkeys(link.station for link in self._meddler.links()))

    def held(self) -> tuple[int, ...]:
        """For completion."""
        return tuple(held.number for held in self._meddler.held())

    async def execute(self, line: str) -> bool:
        """Do what a line says; False when it could not be done, which was said then."""
        try:
            command = parse(line)
            await self._do(command)
        except (CommandError, LinkGoneError, RuleError) as error:
            self._front.say(f"? {error}")
            return False
        return True

    async def _do(self, command: Command) -> None:
        simple: dict[str, Callable[[Command], None]] = {
            "call": self._call, "next": self._next, "pending": self._pending, "forget": self._forget,
            "list": self._list, "show": self._show, "release": self._release, "discard": self._discard,
            "stations": self._stations, "use": self._use, "cut": self._cut, "close": self._close,
            "scenario": self._scenario, "watch": self._watch, "help": self._help,
        }  # fmt: skip
        if command.name == "edit":
            await self._edit(command)
        elif command.name in simple:
            simple[command.name](command)

    # ------------------------------------------------------------------ sending

    def _call(self, command: Command) -> None:
        link = self._link(command.station)
        connected = self._meddler.director.known(link.connection)
        version = connected.version if connected is not None else ""
        if not command.is_forced and (fault := call_fault(version, command.action, command.to, command.payload)):
            raise CommandError(f"not sent: {fault}; `{'>' if command.to == 'csms' else '<'}!` sends it all the same")
        unique_id = str(uuid4())
        text = call_text(version, unique_id, command.action, command.payload)
        if is_send(version, command.action):
            self._meddler.put(link, command.to, text, "console")
            self._front.say(f"sent to {self._who(link, command.to)}, no answer comes: {shown(text)}")
            return
        injected = self._meddler.inject(link, command.to, unique_id, command.action, text, "console")
        self._front.say(f"sent to {self._who(link, command.to)}: {shown(text)}")
        sent_s = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._await(injected.answer, command.action, sent_s))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _await(self, answer: asyncio.Future[str | None], action: str, sent_s: float) -> None:
        try:
            text = await asyncio.wait_for(asyncio.shield(answer), _ANSWER_S)
        except TimeoutError:
            self._front.say(f"{action}: no answer within {_ANSWER_S:g} s; it is kept when it comes")
            return
        if text is None:
            self._front.say(f"{action}: the connection ended without an answer")
        else:
            self._front.say(
                f"{action}: answered after {(time.monotonic() - sent_s) * 1000:.0f} ms, kept: {shown(text)}"
            )

    def _next(self, command: Command) -> None:
        assert command.step is not None  # noqa: S101 - parse has made it
        self._meddler.once(command.step)
        self._front.say("for the next such message")

    def _pending(self, _: Command) -> None:
        steps = self._meddler.director.pending
        for step in steps:
            self._front.say(f"{step.name} (station {step.match.station})")
        self._front.say(f"{len(steps)} pending")

    def _forget(self, _: Command) -> None:
        self._front.say(f"{self._meddler.forget()} taken back")

    # ------------------------------------------------------------------ held messages

    def _list(self, _: Command) -> None:
        messages = self._meddler.held()
        for held in messages:
            age_s = (time.time_ns() - held.since_ns) / 1e9
            self._front.say(
                f"{held.number}  {held.link.station} {'>' if held.sender == 'station' else '<'} "
                f"{held.action or held.kind}  {age_s:.1f} s  {shown(held.text)}"
            )
        self._front.say(f"{len(messages)} held")

    def _show(self, command: Command) -> None:
        self._front.say(shown(self._held(command.number).text, _WHOLE))

    def _release(self, command: Command) -> None:
        chosen: Sequence[Held] = self._meddler.held() if not command.number else [self._held(command.number)]
        for held in chosen:
            held.release()
        self._front.say(f"{len(chosen)} released")

    def _discard(self, command: Command) -> None:
        self._held(command.number).drop()
        self._front.say(f"{command.number} dropped")

    async def _edit(self, command: Command) -> None:
        held = self._held(command.number)
        if held.text is None:
            raise CommandError(f"{command.number} is not readable as text")
        edited = await self._front.edit(held.text)
        if edited is None:
            self._front.say(f"{command.number} is still held, unchanged")
            return
        text = edited.rstrip("\r\n")
        if held.is_over:
            raise CommandError(f"{command.number} is held no more")
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._front.say(f"this is no JSON any more ({error}); sent as it is")
        if text == held.text.rstrip("\r\n"):
            held.release()
            self._front.say(f"{command.number} released, unchanged")
            return
        held.replace(text)
        self._front.say(f"{command.number} released, edited")

    def _held(self, number: int) -> Held:
        for held in self._meddler.held():
            if held.number == number:
                return held
        raise CommandError(f"no held message has the number {number}; `list` shows them")

    # ------------------------------------------------------------------ connections

    def _link(self, station: str) -> Link:
        """The link that a line means: of the station named, or used, or the only one."""
        links = self._meddler.links()
        wanted = station or self._station
        found = [link for link in links if link.station == wanted] if wanted else list(links)
        if wanted and not found:
            near = [link for link in links if wanted.casefold() in link.station.casefold()]
            found = near if len({link.station for link in near}) == 1 else []
        if not found:
            names = ", ".join(self.stations()) or "none"
            raise CommandError(f"no connected station is named {wanted!r}; there is {names}" if wanted else
                               "no station is connected")  # fmt: skip
        if len({link.station for link in found}) > 1:
            raise CommandError(f"which station? write @NAME before the line, or use NAME: {', '.join(self.stations())}")
        return found[-1]

    def _stations(self, _: Command) -> None:
        links = self._meddler.links()
        for link in links:
            self._front.say(f"{link.station}  {link.subprotocol or 'no subprotocol'}  {link.client} → {link.upstream}")
        self._front.say(f"{len(links)} connected")

    def _use(self, command: Command) -> None:
        self._station = self._link(command.station).station if command.station else ""
        self._front.say(f"using {self._station}" if self._station else "using none")

    def _cut(self, command: Command) -> None:
        link = self._link(command.station)
        self._meddler.cut(link, "console")
        self._front.say(f"{link.station} cut")

    def _close(self, command: Command) -> None:
        link = self._link(command.station)
        code = int(command.words[0]) if command.words else 1000
        self._meddler.close(link, code, " ".join(command.words[1:])[:100], "console")
        self._front.say(f"{link.station} closed with {code}")

    @staticmethod
    def _who(link: Link, to: str) -> str:
        return link.station if to == "station" else f"the CSMS of {link.station}"

    # ------------------------------------------------------------------ the rest

    def _scenario(self, command: Command) -> None:
        if command.words[:1] == ("load",):
            scenario = load_scenario(command.words[1])
            self._meddler.load(scenario)
            self._front.say(f"{scenario.title}: {len(scenario.steps)} steps")
        elif command.words == ("off",):
            self._meddler.load(None)
            self._front.say("no scenario")
        else:
            current = self._meddler.director.scenario
            self._front.say(f"{current.path}: {current.title}" if current is not None else "no scenario")

    def _watch(self, command: Command) -> None:
        self._watches = command.words == ("on",)
        self._front.say("told of everything that is done" if self._watches else "told of answers only")

    def _help(self, _: Command) -> None:
        for usage, text in HELP.items():
            self._front.say(f"{usage:<22} {text}")

    def _hear(self, mark: Mark) -> None:
        if self._watches:
            self._front.say(told(mark))


def shown(text: str | None, limit: int = _SHOWN) -> str:
    """A message as it may be seen: credentials covered, long ones cut. Only the editor gets all of it."""
    if text is None:
        return "(not readable)"
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        message = None
    covered = mask_message(message)
    if covered is not message:
        text = orjson.dumps(covered).decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def told(mark: Mark) -> str:
    """A mark as one line."""
    arrow = ">" if mark.sender == "station" else "<"
    what = mark.name.removeprefix("proxy.").replace("_", " ")
    texts = shown(mark.original or mark.forwarded or "")
    if mark.original and mark.forwarded and mark.original != mark.forwarded:
        texts += f" → {shown(mark.forwarded)}"
    return f"{mark.station} {arrow} {what}" + (f" ({mark.note})" if mark.note else "") + (f": {texts}" if texts else "")
