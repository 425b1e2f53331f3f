"""A station that never uses a number twice: no rule in Python remembers it all."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from test_rules_hostile import MESSAGE, RULES

from ocpp_inspect.engine import Engine, Monitor, Rule
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.model import Upgrade, WsItem, WsMessage, packet_key
from ocpp_inspect.ocpp import Ocpp

ROUNDS = 800
LARGEST = 600  # entries of one table: the largest bound of a rule is below it, ROUNDS above
NAMES = ("transactionId", "idTag", "idToken", "checksum", "name", "instance", "vendorId")


def renumbered(value: Any, shift: int, key: str = "") -> Any:
    """A copy with other numbers and names: every request, reservation, connector, monitor … is a new one."""
    if isinstance(value, dict):
        return {name: renumbered(each, shift, name) for name, each in value.items()}
    if isinstance(value, list):
        return [renumbered(each, shift, key) for each in value]
    if type(value) is int and key != "interval":
        return value + shift * 1000
    return f"{value}{shift}" if isinstance(value, str) and key in NAMES else value


def items(rule: Rule) -> Iterator[WsItem]:
    """The messages of the rule's first example, again and again, on one connection."""
    version = (rule.versions or ("1.6",))[0]
    first = rule.examples[0]
    version = first.split()[1] if first.startswith("version") else version
    upgrade = {"path": "/CP1", "offered": (f"ocpp{version}",), "subprotocol": f"ocpp{version}", "station": "CP1"}
    yield Upgrade(1, 0, packet_key(1, 1), 1, 101, **upgrade)  # type: ignore[arg-type]
    lines = [found for line in first.splitlines() if (found := MESSAGE.search(line)) is not None]
    messages = [("station" if found[1] == ">" else "csms", json.loads(found[2])) for found in lines]
    number = 1
    for shift in range(ROUNDS):
        for side, message in messages:
            number += 1
            own = [*message[:1], f"{message[1]}-{shift}", *message[2:-1], renumbered(message[-1], shift)]
            at, octets = packet_key(1, number), json.dumps(own).encode()
            yield WsMessage(1, side, number * 10**9, number * 10**9, at, number, 1, octets, 1, False, at)  # type: ignore[arg-type]


def tables(value: Any, depth: int = 3) -> Iterator[int]:
    """The sizes of the tables that an object holds."""
    if isinstance(value, dict | list | set | deque | tuple):
        yield len(value)
        for each in list(value.values() if isinstance(value, dict) else value)[:50]:
            if depth:
                yield from tables(each, depth - 1)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_table_of_a_rule_grows_for_ever(rule: Rule) -> None:
    made: list[Monitor] = []

    def watched(which: Rule) -> type[Monitor]:
        kind = load_monitor(which)

        class Watched(kind):  # type: ignore[misc,valid-type]
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        return Watched

    engine, dissector = Engine(Program([rule], watched)), Ocpp()
    for item in items(rule):
        engine.feed(dissector.feed([item]))
    assert made
    assert max((size for each in made for size in tables(vars(each))), default=0) <= LARGEST
