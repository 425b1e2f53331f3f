"""The rules' own examples, of which the capture lacks something at every place: no verdict that the whole one lacks.

Whatever was lost, the whole example is one of the things that may have happened. What it does not show is not certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from test_clean_dialogues import RULES

from ocpp_inspect.engine import Rule, load_rules, play_transcript
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.engine.reader import parse_rule
from ocpp_inspect.ocpp import Ocpp

SENT = re.compile(r"(?P<time>\S+)\s+(?P<label>[A-Z]?)(?P<arrow>[<>])\s")
MESSAGE = re.compile(r"(?P<time>\S+)\s+(?P<label>[A-Z]?)(?P<arrow>[<>])\s+(?!ping|pong|close)")
CONNECTS = re.compile(r"(?P<time>\S+)\s+(?P<word>open|joined)\b(?P<words>[^#]*)")
CLOSES = re.compile(r"\S+\s+close\b(?:.*\bas=(?P<label>[A-Z]))?")
HEAD = re.compile(r"(version|station|start|transport)\b")
KINDS = ("message", "both sides", "beginning", "connection before", "csms", "station", "csms, shown", "station, shown")

LATER = "400d"  # when everything is due
# (rule, rule whose example it is): why a finding about the damaged example is right, whatever was lost.
CERTAIN = {
    ("CON-015", "CON-015"): "told once for each side; that it was told is forgotten with all else",
    ("SCH-018", "SCH-018"): "told once for each side; that it was told is forgotten with all else",
    ("RC-002", "RC-002"): "who accepts a remote stop says that the transaction is ongoing (errata §3.33)",
    ("RC-002", "RC-003"): "who accepts a remote stop says that the transaction is ongoing (errata §3.33)",
    ("RC-010", "RC-003"): "who accepts a remote stop says that the transaction is ongoing (F03.FR.08)",
    ("RC-010", "RC-010"): "who accepts a remote stop says that the transaction is ongoing (F03.FR.08)",
    ("TX2-001", "TX2-001"): "the example uses number 0 twice: wrong with and without the event Started",
    (
        "SCH-002",
        "RPC-001",
    ): "the example uses an id twice; the first answer and the second CALL are lost, so the pair looks whole",
}


class Damaged(NamedTuple):
    """An example of which something is missing."""

    what: str  # the line that is
    lines: list[str]


def parts(rule: Rule, example: str) -> tuple[list[str], list[str]]:
    """(header, body) of an example; a default of its rule is written out."""
    lines = [line.strip() for line in example.splitlines() if line.strip() and not line.strip().startswith("#")]
    head = [line for line in lines if HEAD.match(line)]
    defaults = [f"version {rule.versions[0]}"] if rule.versions else []
    defaults += [f"transport {rule.transports[0]}"] if rule.transports else []
    return [*defaults, *head], [*(line for line in lines if not HEAD.match(line)), LATER]


def damaged(head: list[str], body: list[str], kind: str) -> Iterator[Damaged]:
    """The example, once for each thing that is missing."""
    if kind in ("message", "both sides"):
        yield from without_a_message(head, body, both=kind == "both sides")
    elif kind in ("beginning", "connection before"):
        yield from joined_midway(head, body, with_message=kind == "beginning")
    else:
        side, _, shown = kind.partition(", ")
        yield Damaged(f"the {side}", [*head, *one_sided(body, "<" if side == "csms" else ">", shown=bool(shown))])


def without_a_message(head: list[str], body: list[str], *, both: bool) -> Iterator[Damaged]:
    """A message is lost; or two neighbours are, and of which side is not known."""
    label = "A" if begins_connected(body) else ""
    for at, line in enumerate(body):
        found = MESSAGE.match(line)
        if found is None:
            connects = CONNECTS.match(line)
            if connects is not None:
                label = label_of(connects["words"])
            continue
        here = found["label"] in ("", label)  # a loss is on the connection of the line before
        label = found["label"] or label
        follows = MESSAGE.match("".join(body[at + 1 : at + 2]))
        if here and not both:
            yield Damaged(line, [*head, *body[:at], f"{found['time']} loss {found['arrow']} bytes=99", *body[at + 1 :]])
        elif here and follows is not None and follows["label"] in ("", label):
            yield Damaged(line, [*head, *body[:at], f"{found['time']} loss", *body[at + 2 :]])


def joined_midway(head: list[str], body: list[str], *, with_message: bool) -> Iterator[Damaged]:
    """The capture begins with a message, on the connections that were open then; or where a later one is opened."""
    opened = {"A": ""} if begins_connected(body) else {}
    label = "A"
    for at, line in enumerate(body):
        found, connects, closes = MESSAGE.match(line), CONNECTS.match(line), CLOSES.match(line)
        if connects is not None and not with_message and at:
            yield Damaged(line, [*head, *joined(connects["time"], opened, label), *body[at:]])
        if connects is not None:
            label = label_of(connects["words"])
            opened[label] = connects["words"]
        elif closes is not None:
            opened.pop(closes["label"] or label, None)
        if found is None or not at:
            continue
        label = found["label"] or label
        opened.setdefault(label, "")
        if with_message:
            yield Damaged(line, [*head, *joined(found["time"], opened, label), *body[at:]])


def joined(time: str, opened: dict[str, str], last: str) -> list[str]:
    """Lines that join open connections, the one that spoke last at the end."""
    return [f"{time} joined {opened[name]}" for name in sorted(opened, key=lambda name: name == last)]


def one_sided(body: list[str], arrow: str, *, shown: bool) -> Iterator[str]:
    """What the one side sends; that something of the other is missing shows, or nothing of it is ever seen."""
    if begins_connected(body):
        yield f"{body[0].split()[0]} joined"
    for line in body:
        found, connects = SENT.match(line), CONNECTS.match(line)
        if connects is not None:
            yield f"{connects['time']} joined {connects['words']}"
        elif found is None or found["arrow"] == arrow:
            yield line
        elif shown and not found["label"]:
            yield f"{found['time']} loss {found['arrow']} bytes=99"


def begins_connected(body: list[str]) -> bool:
    """Whether an example begins in the middle of a connection: nothing is lost, but its opening is not told."""
    first = next((line for line in body if CONNECTS.match(line) or SENT.match(line) or CLOSES.match(line)), "0 open")
    return CONNECTS.match(first) is None


def label_of(words: str) -> str:
    found = re.search(r"\bas=([A-Z])", words)
    return found[1] if found else "A"


class Accused(NamedTuple):
    """A finding that somebody has to answer for."""

    rule: str
    ts_ns: int
    text: str


def accusations(lines: list[str], program: Program) -> list[Accused]:
    found = play_transcript("\n".join(lines), program, Ocpp().feed)
    return [
        Accused(finding.rule, finding.ts_ns, finding.text)
        for finding in found
        if finding.verdict == "violation" and finding.severity != "info"
    ]


def uncertain(whole: list[Accused], lacking: list[Accused]) -> Iterator[Accused]:
    """What only the damaged example shows. What is told once moves to the next place when its own is lost."""
    places = {(finding.rule, finding.ts_ns) for finding in whole}
    kept = {(finding.rule, finding.ts_ns) for finding in lacking}
    moved = dict(sorted(places - kept, reverse=True))
    for finding in lacking:
        if (finding.rule, finding.ts_ns) not in places and finding.ts_ns < moved.get(finding.rule, finding.ts_ns + 1):
            yield finding


class Example(NamedTuple):
    """An example of a rule, and what the whole of it shows."""

    rule: str
    head: list[str]
    body: list[str]
    whole: list[Accused]


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(load_rules([RULES]), load_monitor)


@pytest.fixture(scope="module")
def examples(program: Program) -> list[Example]:
    split = [(rule.id, *parts(rule, text)) for rule in load_rules([RULES]) for text in rule.examples]
    return [Example(name, head, body, accusations([*head, *body], program)) for name, head, body in split]


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_example_lacks_is_nobodys_fault(kind: str, examples: list[Example], program: Program) -> None:
    suspects = []
    for example in examples:
        for what, lines in damaged(example.head, example.body, kind):
            for finding in uncertain(example.whole, accusations(lines, program)):
                if (finding.rule, example.rule) not in CERTAIN:
                    suspects.append(f"{finding.rule} ({example.rule} without {what[:60]}): {finding.text}")
    assert suspects == []


CARELESS = """
id: TST-001
name: careless-rule
title: A rule that takes a heartbeat that it did not see for none
severity: error
reference: none
when: StatusNotification.request
remember: {when: Heartbeat.request, set: {seen: "True"}}
require: seen != None
message: No heartbeat before
examples:
  - |
    1   > [2,"2","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available"}]  # TST-001
  - |
    0   > [2,"1","Heartbeat",{}]
    0.1 < [3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]
    1   > [2,"2","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available"}]
    1.1 < [3,"2",{}]
"""


@pytest.mark.parametrize("kind", ["message", "both sides", "beginning"])
def test_a_rule_that_takes_the_unknown_for_nothing_is_noticed(kind: str) -> None:
    rule = parse_rule(CARELESS, "careless.yaml")
    program = Program([rule], load_monitor)
    head, body = parts(rule, rule.examples[1])
    assert accusations([*head, *body], program) == []
    found = [
        finding for _, lines in damaged(head, body, kind) for finding in uncertain([], accusations(lines, program))
    ]
    assert {finding.rule for finding in found} == {"TST-001"}
