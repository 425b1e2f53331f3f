"""Messages of any shape: no rule in Python raises, whatever a message holds."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ocpp_inspect.engine import Engine, Rule, load_rules
from ocpp_inspect.model import Upgrade, WsItem, WsMessage, packet_key
from ocpp_inspect.ocpp import Ocpp
from ocpp_inspect.resources import data_directory

RULES = [rule for rule in load_rules([data_directory("rules")], every=True) if rule.python]
MESSAGE = re.compile(r"[A-Z]?([<>]) (\[[2-6],.*\])(?:\s+#.*)?$")
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "2026-01-01T00:00:00", "9" * 50, [], [None], [[]], {}, {"x": []},
    {"id": {}}, "Accepted", 1,
]  # fmt: skip
ROUNDS = 6


def spoiled(value: Any, rnd: random.Random) -> Any:
    """A copy in which some values are of another kind."""
    if rnd.random() < 0.08:
        return rnd.choice(ODD)
    if isinstance(value, dict):
        return {key: spoiled(each, rnd) for key, each in value.items()}
    if isinstance(value, list):
        return [spoiled(each, rnd) for each in value]
    return value


def items(rule: Rule, rnd: random.Random) -> Iterator[WsItem]:
    """All messages of the rule's examples, spoiled, on one connection; a minute passes between them."""
    version = (rule.versions or ("1.6",))[0]
    upgrade = {"path": "/CP1", "offered": (f"ocpp{version}",), "subprotocol": f"ocpp{version}", "station": "CP1"}
    yield Upgrade(1, 0, packet_key(1, 1), 1, 101, **upgrade)  # type: ignore[arg-type]
    number = 1
    for line in "\n".join(rule.examples).splitlines():
        found = MESSAGE.search(line)
        if found is None:
            continue
        message = json.loads(found[2])
        message[3 if message[0] == 2 else 2 :] = [spoiled(each, rnd) for each in message[3 if message[0] == 2 else 2 :]]
        number += 1
        at_ns, octets = number * 60 * 10**9, json.dumps(message).encode()
        side = "station" if found[1] == ">" else "csms"
        yield WsMessage(
            1, side, at_ns, at_ns, packet_key(1, number), number, 1, octets, 1, False, packet_key(1, number)
        )  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_message_makes_a_rule_raise(rule: Rule) -> None:
    for seed in range(ROUNDS):
        engine = Engine([rule])
        dissector = Ocpp()
        for item in items(rule, random.Random(seed)):
            engine.feed(dissector.feed([item]))
        engine.finish(10**15)
        assert [anomaly.detail for anomaly in engine.take_anomalies()] == [], f"seed {seed}"
