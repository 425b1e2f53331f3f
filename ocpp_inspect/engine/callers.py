"""A rule in; the sides whose requests it rests on, out.

Where each direction of requests has connections of its own (SOAP), a capture may hold only one of them: a filter on one
port is enough. What rests on requests of a side of which none was ever seen cannot be decided.
"""

from __future__ import annotations

from functools import cache

from ocpp_inspect import catalogue
from ocpp_inspect.engine.names import parse_trigger
from ocpp_inspect.engine.rule import Rule


def callers(rule: Rule) -> frozenset[str]:
    """The sides ("station", "csms") that send the requests which the triggers of a rule name."""
    named = list(rule.when)
    for remember in rule.remember:
        named += remember.when
    if rule.expect is not None:
        named += [*rule.expect.when, *rule.expect.until]
    found = set()
    for text in named:
        trigger = parse_trigger(text)
        if trigger is not None and trigger.action in _initiators():
            found.add(_initiators()[trigger.action])
    return frozenset(found)


@cache
def _initiators() -> dict[str, str]:
    """Who sends an action of 1.6; what both may send is left out."""
    sides = {"CS": "station", "CSMS": "csms"}
    return {name: sides[info.initiator] for name, info in catalogue.load("1.6").items() if info.initiator in sides}
