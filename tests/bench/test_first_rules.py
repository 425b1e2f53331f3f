from __future__ import annotations

from bench.first_rules import FIRST_RULES
from ocpp_inspect.engine import load_rules
from ocpp_inspect.resources import data_directory


def test_each_of_the_first_rules_is_there() -> None:
    known = {rule.id for rule in load_rules([data_directory("rules")])}
    assert len(set(FIRST_RULES)) == 84
    assert set(FIRST_RULES) <= known
