"""Every rule's examples notice when its condition is turned round or left out."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace
from rule_mutants import mutants

from ocpp_inspect.engine import Rule, load_rules, run_examples
from ocpp_inspect.engine.cache import RuleCache
from ocpp_inspect.ocpp import Ocpp
from ocpp_inspect.resources import data_directory

RULES = {rule.id: rule for rule in load_rules([data_directory("rules")], every=True, cache=RuleCache(enabled=False))}
MARK = re.compile(r"\s+#\s*((?:[A-Z][A-Z0-9]*-\d{3}\??,?\s*)+)$", re.MULTILINE)


def alone(rule: Rule) -> Rule:
    """The rule with the marks of all others taken out of its examples: only it is compiled."""

    def own(found: re.Match[str]) -> str:
        words = [word for word in re.split(r"[,\s]+", found[1]) if word.rstrip("?") == rule.id]
        return f"  # {', '.join(words)}" if words else ""

    return replace(rule, examples=tuple(MARK.sub(own, example) for example in rule.examples))


def fails(rule: Rule) -> bool:
    return bool(run_examples([rule], lambda: Ocpp().feed))


@pytest.mark.parametrize("identifier", RULES)
def test_the_examples_notice_a_broken_condition(identifier: str) -> None:
    rule = alone(RULES[identifier])
    assert not fails(rule)
    assert [what for what, broken in mutants(rule) if not fails(broken)] == []
