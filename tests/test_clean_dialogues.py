"""Dialogues that the specifications allow: no rule may tell an error or a warning about any of them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocpp_inspect.engine import load_rules, play_transcript
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.ocpp import Ocpp

RULES = Path(__file__).parents[1] / "rules"
DIALOGUES = Path(__file__).with_name("clean_dialogues.txt")
SHORT = re.compile(r"(\S+)\s+([A-Z]?)([<>])(=|!|(?=\s+[A-Z]))\s*(.*)")
FAULT = """
0   open
1   > [2,"1","Heartbeat",{}]
40  > [2,"2","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Charging"}]
"""


@pytest.fixture(scope="module")
def rules() -> Program:
    return Program(load_rules([RULES]), load_monitor)


def dialogues() -> dict[str, str]:
    parts = DIALOGUES.read_text(encoding="utf-8").split("\n== ")[1:]
    return {title: text for title, _, text in (part.partition("\n") for part in parts)}


def written_out(text: str) -> Iterator[str]:
    """Lines with the shorthands of the file replaced by OCPP-J."""
    waiting: dict[tuple[str, str], deque[str]] = {}
    label = "A"
    for number, line in enumerate(text.splitlines()):
        opened = re.search(r"\b(?:open|joined)\b(?:.*\bas=([A-Z]))?", line)
        if opened is not None and not SHORT.fullmatch(line):
            label = opened[1] or "A"
        short = SHORT.fullmatch(line)
        if short is None:
            yield line
            continue
        time, named, arrow, kind, rest = short.groups()
        label = named or label
        if not kind:
            unique_id = f"id-{number}"
            waiting.setdefault((label, arrow), deque()).append(unique_id)
            action, _, payload = rest.partition(" ")
            yield f'{time} {label}{arrow} [2,"{unique_id}","{action}",{payload}]'
            continue
        unique_id = waiting[label, "<" if arrow == ">" else ">"].popleft()
        if kind == "=":
            yield f'{time} {label}{arrow} [3,"{unique_id}",{rest}]'
        else:
            yield f'{time} {label}{arrow} [4,"{unique_id}","{rest}","",{{}}]'


def accusations(text: str, rules: Program) -> list[str]:
    found = play_transcript("\n".join(written_out(text)), rules, Ocpp().feed)
    blamed = [finding for finding in found if finding.verdict == "violation" and finding.severity != "info"]
    return [f"{finding.rule} {finding.severity}: {finding.text}" for finding in blamed]


@pytest.mark.parametrize("title", list(dialogues()))
def test_a_conforming_dialogue_is_not_blamed(title: str, rules: Program) -> None:
    assert accusations(dialogues()[title], rules) == []


def test_a_faulty_dialogue_is_blamed(rules: Program) -> None:
    assert {line[:8].strip() for line in accusations(FAULT, rules)} == {"RPC-005", "ST16-002"}
