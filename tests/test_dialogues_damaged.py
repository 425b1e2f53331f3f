"""Clean dialogues of which the capture lacks something, at every place: nobody is accused."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from test_clean_dialogues import RULES, dialogues, written_out

from ocpp_inspect.engine import load_rules, play_transcript
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.ocpp import Ocpp

MESSAGE = re.compile(r"(\S+)\s+([A-Z]?)([<>]) \[")
KINDS = ("message", "both sides", "beginning")


@pytest.fixture(scope="module")
def rules() -> Program:
    return Program(load_rules([RULES]), load_monitor)


def damaged(text: str, kind: str) -> Iterator[list[str]]:
    """The lines of the dialogue, once for each message: it is lost, it and its neighbour, or all before it."""
    lines = [line for line in written_out(text) if line.strip() and not line.startswith("#")]
    head = [line for line in lines if re.match(r"(version|station|start)\b", line)]
    body = lines[len(head) :]
    version = next((line.split()[1] for line in head if line.startswith("version")), "1.6")
    one_connection = sum(re.search(r"\bopen\b", line) is not None for line in body) < 2
    last = ""
    for at, line in enumerate(body):
        found = MESSAGE.match(line)
        if found is None:
            last = ""
            continue
        time, label, arrow = found.groups()
        if kind == "beginning" and one_connection:
            yield [*head, f"{time} joined subprotocol=ocpp{version} as={label or 'A'}", *body[at:]]
        elif kind == "message" and label == last:  # a loss is on the connection of the line before
            yield [*head, *body[:at], f"{time} loss {arrow} bytes=99", *body[at + 1 :]]
        elif kind == "both sides" and label == last:
            follows = body[at + 1 : at + 2]
            kept = [] if follows and MESSAGE.match(follows[0]) else follows
            yield [*head, *body[:at], f"{time} loss", *kept, *body[at + 2 :]]
        last = label


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_dialogue_lacks_is_nobodys_fault(kind: str, rules: Program) -> None:
    accused = []
    for title, text in dialogues().items():
        for lines in damaged(text, kind):
            for finding in play_transcript("\n".join(lines), rules, Ocpp().feed):
                if finding.verdict == "violation" and finding.severity != "info":
                    accused.append(f"{title}: {finding.rule} {finding.text}")
    assert accused == []
