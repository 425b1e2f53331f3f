"""One line of the console in, a command out; what is wrong with it is said with what to write instead. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from ocpp_inspect import catalogue
from ocpp_inspect.engine.expression import closest
from ocpp_inspect.engine.rule import RuleError
from ocpp_inspect.proxy.interception import Sender
from ocpp_inspect.proxy.scenario.language import Match, Order, Step
from ocpp_inspect.proxy.scenario.reader import parse_order, parse_when

HELP: Final = {
    "> ACTION {…}": "send the CSMS a CALL as the station (`>!` though the schema refuses it, `@CP1 > …` of that one)",
    "< ACTION {…}": "send the station a CALL as the CSMS",
    "drop <|> WHAT": "drop the next message of that side: `drop < Heartbeat.response`, `drop @CP1 > CALL`",
    "hold <|> WHAT": "hold the next one",
    "delay 5s <|> WHAT": "delay the next one",
    "duplicate <|> WHAT": "send the next one twice",
    "next <|> WHAT DO": "do with the next one what a scenario can: `next < Heartbeat.response {modify: {…}}`",
    "pending": "list what waits for its next message; `forget` takes all of it back",
    "list": "list the held messages",
    "show N": "the whole text of held message N",
    "release N|all": "let held messages go on",
    "edit N": "edit held message N in $EDITOR, then let it go on",
    "drop N": "let held message N go nowhere",
    "stations": "list the open connections",
    "use STATION": "the station that is meant when a line names none",
    "cut STATION": "reset its connection",
    "close STATION [CODE]": "close it with a close frame",
    "scenario load FILE": "another scenario from now on; `scenario off`, `scenario`",
    "watch on|off": "tell of everything that is done to messages",
    "help": "this list",
    "quit": "leave the console; the proxy goes on",
}

_WORDS: Final = (
    "drop", "hold", "delay", "duplicate", "next", "pending", "forget", "list", "show", "release", "edit", "stations",
    "use", "cut", "close", "scenario", "watch", "help", "quit",
)  # fmt: skip
_STATION: Final = re.compile(r"@(\S+)\s*")
_CALL: Final = re.compile(r"([<>])\s*(!)?\s*([A-Za-z]\w*)\s*(\{.*)?\Z", re.DOTALL)
_NEXT: Final = re.compile(r"([<>])?\s*([A-Za-z][\w.]*)\s*(.*)\Z", re.DOTALL)
_DURATION: Final = re.compile(r"\d+(?:\.\d+)?\s*(?:ms|s|min|h)\b\s*")

Name = Literal[
    "call", "next", "pending", "forget", "list", "show", "release", "edit", "discard", "stations", "use", "cut",
    "close", "scenario", "watch", "help", "quit", "nothing",
]  # fmt: skip


class CommandError(ValueError):
    """A line that is no command; the text says what to write."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command and its parts; those that it does not have are empty."""

    name: Name
    station: str = ""
    to: Sender = "csms"
    action: str = ""
    payload: Any = None
    is_forced: bool = False
    step: Step | None = None
    number: int = 0  # 0: all
    words: tuple[str, ...] = ()


def parse(line: str) -> Command:
    """The command of a line. Raises CommandError."""
    text = line.strip()
    if not text or text.startswith("#"):
        return Command("nothing")
    is_forced = text.startswith("!")
    text = text.removeprefix("!").strip()
    station, text = _station(text)
    if text[:1] in ("<", ">"):
        return _call(text, station, is_forced)
    word, _, rest = text.partition(" ")
    word, rest = {"ls": "list", "?": "help", "exit": "quit"}.get(word, word), rest.strip()
    if word not in _WORDS:
        hint = closest(word, [*_WORDS])
        raise CommandError(f"no command is named {word!r}; " + (hint or "`help` lists them"))
    if word in ("drop", "hold", "delay", "duplicate", "next") and not (word == "drop" and rest.isdigit()):
        return _next(word, rest, station)
    return _plain(word, rest, station)


def complete(line: str, stations: tuple[str, ...] = (), held: tuple[int, ...] = ()) -> list[str]:
    """The words that may stand at the end of a line that was begun."""
    head, space, last = line.rpartition(" ")
    first = head.split(" ")[0] if head else ""
    if last.startswith("@"):
        known: list[str] = [f"@{station}" for station in stations]
    elif not space:
        known = [*_WORDS, "<", ">"]
    elif first in ("use", "cut", "close"):
        known = list(stations)
    elif first in ("release", "edit", "show"):
        known = [str(number) for number in held] + (["all"] if first == "release" else [])
    elif first == "scenario":
        known = ["load", "off"]
    elif first == "watch":
        known = ["on", "off"]
    else:
        known = _actions(line)
    return sorted({word for word in known if word.startswith(last)})


def _actions(line: str) -> list[str]:
    """Actions, with what can be said of them where a message is chosen."""
    names = sorted({action for version in catalogue.VERSIONS for action in catalogue.load(version)})
    if line.lstrip("! ")[:1] in ("<", ">", "@"):
        return names
    parts = [f"{name}.{part}" for name in names for part in ("request", "response", "error")]
    return [*names, *parts, "ANY", "CALL", "CALLRESULT", "CALLERROR", "Ping", "Pong", "Close"]


def _station(text: str) -> tuple[str, str]:
    found = _STATION.match(text)
    return (found[1], text[found.end() :]) if found is not None else ("", text)


def _call(text: str, station: str, is_forced: bool) -> Command:
    found = _CALL.match(text)
    if found is None:
        raise CommandError('write > Heartbeat {} or < TriggerMessage {"requestedMessage":"Heartbeat"}')
    written = (found[4] or "{}").strip()
    is_forced = is_forced or found[2] is not None
    if written.endswith("!"):
        written, is_forced = written[:-1].rstrip(), True
    try:
        payload = orjson.loads(written)
    except orjson.JSONDecodeError as error:
        raise CommandError(f"the payload is not JSON: {error}") from None
    return Command("call", station, "csms" if found[1] == ">" else "station", found[3], payload, is_forced)


def _next(word: str, rest: str, station: str) -> Command:
    orders = word
    if word == "delay":
        found = _DURATION.match(rest)
        if found is None:
            raise CommandError("write how long and which message: delay 5s < Heartbeat.response")
        orders, rest = f"delay: {found[0].strip()}", rest[found.end() :]
    named, rest = _station(rest)
    chosen = _NEXT.match(rest)
    if chosen is None:
        raise CommandError(f"write which message: {word} < Heartbeat.response, {word} > CALL")
    triggers = parse_when(chosen[2])
    if not triggers or "Opened" in triggers:
        near = closest(chosen[2], _actions(""))
        raise CommandError(f"{chosen[2]!r} is no message; " + (near or "write an action, or CALL, CALLRESULT, ANY"))
    if word == "next":
        orders = chosen[3]
        if not orders:
            raise CommandError("write what to do: next < Heartbeat.response {modify: {set: {…}}}")
    elif chosen[3]:
        raise CommandError(f"{chosen[3]!r} stands behind the message; conditions are for `scenario load`")
    try:
        parsed: tuple[Order, ...] = parse_order(orders, "console")
    except RuleError as error:
        raise CommandError(f"{error.message}" + (f"; {error.hint}" if error.hint else "")) from None
    sender: Sender | None = {">": "station", "<": "csms"}.get(chosen[1] or "")  # type: ignore[assignment]
    match = Match(triggers, station or named or "*", sender)
    return Command("next", step=Step(f"console: {word}", match, parsed))


def _plain(word: str, rest: str, station: str) -> Command:
    words = tuple(rest.split())
    if word == "drop":
        return Command("discard", number=int(rest))
    if word in ("release", "edit", "show"):
        if word == "release" and rest == "all":
            return Command("release")
        if not rest.isdigit() or int(rest) < 1:
            raise CommandError(f"write the number of a held message: {word} 1 (`list` shows them)")
        return Command(word, number=int(rest))  # type: ignore[arg-type]
    if word in ("use", "cut") and len(words) > 1:
        raise CommandError(f"write {word} and one station")
    if word in ("use", "cut", "close"):
        if word == "close" and len(words) > 1 and not (words[1].isdigit() and 1000 <= int(words[1]) <= 4999):
            raise CommandError("write close STATION CODE, the code from 1000 to 4999")
        return Command(word, station or (words[0] if words else ""), words=words[1:])  # type: ignore[arg-type]
    if word == "scenario" and words and not (words[0] == "load" and len(words) > 1) and words != ("off",):
        raise CommandError("write scenario load FILE, scenario off, or scenario")
    if word == "watch" and words not in (("on",), ("off",)):
        raise CommandError("write watch on or watch off")
    if word == "scenario" and words[:1] == ("load",):
        words = ("load", rest.partition(" ")[2].strip())
    return Command(word, words=words)  # type: ignore[arg-type]
