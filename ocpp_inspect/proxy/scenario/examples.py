"""A scenario with dialogues inside in, what they do not do as they say out.

A line is SECONDS, then `>` (sent by the station) or `<` (by the CSMS) and a text, `ping`, `pong` or `close`; or `open`,
a connection opens; or `upgrade`, a station asks for one. `# drop`, `# delay 0.5 s, modify` at its end says what happens
to it; without a mark it must pass as it is. Lines that begin with `=` give the texts that go out instead, or are put
in, in order; `"*"` stands for a message id of ours. Headers: `version 2.0.1`, `station CP2`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ocpp_inspect.proxy.interception import Close, Cut, Delay, Drop, Link, Passing, Refusal, Replace, UpgradeAttempt
from ocpp_inspect.proxy.scenario.director import Await, Behind, Decision, Director
from ocpp_inspect.proxy.scenario.language import Scenario

_MARK: Final = re.compile(r"\s#\s+([a-z][a-z0-9., ]*)\Z")
_LINE: Final = re.compile(r"(\d+(?:\.\d+)?)\s+(?:([<>])\s*(.+)|(open|upgrade))\Z", re.DOTALL)
_CONTROLS: Final = {"ping": 9, "pong": 10, "close": 8}


@dataclass(frozen=True, slots=True)
class Failure:
    """One line of an example that does not hold."""

    line: int
    text: str


def run_examples(scenario: Scenario) -> list[Failure]:
    """Play every example, each against a fresh director."""
    return [failure for line, text in scenario.examples for failure in _Example(scenario, line).run(text)]


def outcome(decision: Decision | None) -> str:
    """What a decision does, in the words of the language; "" when the message passes as it is."""
    if decision is None:
        return ""
    words: list[str] = []
    for wait in decision.waits:
        match wait:
            case Delay(seconds=seconds):
                words.append(f"delay {seconds:g} s")
            case Behind(behind=behind):
                words.append(f"reorder {behind}")
            case Await():
                words.append("hold")
    first = decision.acts[0] if decision.acts else None
    if any(injection.is_answer for injection in decision.injections):
        words.append("answer")
    elif isinstance(first, Drop):
        words.append("drop")
    elif isinstance(first, Close):
        words.append(f"close {first.code}")
    elif isinstance(first, Cut):
        words.append("cut")
    elif isinstance(first, Replace):
        words.append("modify")
    if len(decision.acts) > 1:
        words.append(f"duplicate {len(decision.acts)}")
    words += ["inject" for injection in decision.injections if not injection.is_answer]
    return ", ".join(words)


def texts(decision: Decision | None) -> list[str]:
    """The texts that a decision makes: put in before the message, in its place, and put in behind it."""
    if decision is None:
        return []
    replaced = [act.text for act in decision.acts[:1] if isinstance(act, Replace)]
    before = [each.text for each in decision.injections if each.is_before]
    return [*before, *replaced, *(each.text for each in decision.injections if not each.is_before)]


class _Example:
    """One dialogue."""

    def __init__(self, scenario: Scenario, first_line: int) -> None:
        self._director = Director(scenario, 0)
        self._line = first_line
        self._link = Link(1, "CP1", "/ocpp/CP1", "ocpp1.6", "10.0.0.1:50001", "ws://csms.example/ocpp/CP1")
        self._is_open = False

    def run(self, text: str) -> list[Failure]:
        failures: list[Failure] = []
        awaited: list[str] = []  # texts that the last line has made
        at = 0
        for number, raw in enumerate(text.splitlines()):
            line = raw.strip()
            self._now = self._line + number
            if not line or line.startswith("#"):
                continue
            if line.startswith("="):
                wanted, made = line[1:].strip(), awaited.pop(0) if awaited else ""
                if not _is_same(wanted, made):
                    failures.append(Failure(self._now, f"expected {wanted}, made {made or 'nothing'}"))
                continue
            mark = _MARK.search(line)
            wanted = mark[1].strip() if mark is not None else ""
            at += 1
            try:
                done, awaited = self._play(line[: mark.start()].rstrip() if mark is not None else line)
            except ValueError as error:
                return [*failures, Failure(self._now, str(error))]
            if done != wanted:
                failures.append(Failure(self._now, f"expected {wanted or 'nothing'}, happened {done or 'nothing'}"))
        if not at:
            failures.append(Failure(self._line, "the example has no line"))
        return failures

    def _play(self, line: str) -> tuple[str, list[str]]:
        word, _, rest = line.partition(" ")
        if word == "version":
            self._link = _with(self._link, subprotocol=f"ocpp{rest.strip()}")
            return "", []
        if word == "station":
            self._link = _with(self._link, station=rest.strip(), path=f"/ocpp/{rest.strip()}")
            return "", []
        found = _LINE.match(line)
        if found is None:
            raise ValueError("write SECONDS, then > or < and a text, or open, or upgrade")
        now_ns = round(float(found[1]) * 1e9)
        if found[4] == "upgrade":
            attempt = UpgradeAttempt(1, self._link.station, self._link.path, self._link.client, {})
            refusal = self._director.upgrade(attempt, now_ns)
            return (f"refuse {refusal.status}" if isinstance(refusal, Refusal) else ""), []
        if found[4] == "open" or not self._is_open:
            decision = self._director.opened(self._link, now_ns)
            self._is_open = True
            if found[4] == "open":
                return outcome(decision), texts(decision)
        _, decision = self._director.message(_passing(self._link, found[2], found[3], now_ns))
        problems = "".join(f"; {problem}" for problem in decision.problems) if decision is not None else ""
        return outcome(decision) + problems, texts(decision)


def _with(link: Link, **changes: str) -> Link:
    values = {"station": link.station, "path": link.path, "subprotocol": link.subprotocol} | changes
    return Link(link.connection, values["station"] or "", values["path"] or "", values["subprotocol"], link.client,
                link.upstream)  # fmt: skip


def _passing(link: Link, arrow: str, text: str, now_ns: int) -> Passing:
    word, _, rest = text.partition(" ")
    opcode = _CONTROLS.get(word, 1)
    payload = text.encode() if opcode == 1 else rest.encode()
    if opcode == 8 and rest:
        code, _, reason = rest.partition(" ")
        payload = int(code).to_bytes(2, "big") + reason.encode()
    return Passing(link, "station" if arrow == ">" else "csms", now_ns, opcode, text if opcode == 1 else None, payload,
                   b"", 1, False)  # fmt: skip


def _is_same(wanted: str, made: str) -> bool:
    """Equal texts, or equal messages but for an id that is written `"*"`."""
    if wanted == made:
        return True
    try:
        left, right = orjson.loads(wanted), orjson.loads(made)
    except orjson.JSONDecodeError:
        return False
    return bool(_without_id(left) == _without_id(right, like=left))


def _without_id(message: Any, like: Any = None) -> Any:
    like = message if like is None else like
    if isinstance(message, list) and isinstance(like, list) and len(like) > 1 and like[1] == "*" and len(message) > 1:
        return [message[0], "*", *message[2:]]
    return message
