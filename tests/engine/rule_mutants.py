"""A rule in, broken copies of it out: each lacks one part of its condition, or has it the wrong way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ocpp_inspect.engine import Rule
from ocpp_inspect.engine.rule import Remember

NEVER = "False"


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """(what was broken, the broken rule); at least one of the rule's examples has to notice each.

    What a class in Python decides is broken as a whole: it says nothing, or something about everything it looks at.
    """
    yield "it never speaks", replace(rule, where=NEVER)
    if rule.where:
        yield "where is turned round", replace(rule, where=f"not ({rule.where})")
        yield "where is left out", replace(rule, where="")
    if rule.require:
        yield "require is turned round", replace(rule, require=f"not ({rule.require})")
        yield "require is left out", replace(rule, require="")  # the trigger itself is the fault
    if rule.python:
        yield "the class is left out", replace(rule, python="")  # the trigger itself is the fault
    if rule.count is not None:
        yield "count allows one more", replace(rule, count=replace(rule.count, max=rule.count.max + 1))
        yield "count allows one less", replace(rule, count=replace(rule.count, max=rule.count.max - 1))
        yield "count is left out", replace(rule, count=None)
    yield from _expectations(rule)
    for number, entry in enumerate(rule.remember):
        yield from _registers(rule, number, entry)


def _expectations(rule: Rule) -> Iterator[tuple[str, Rule]]:
    expect = rule.expect
    if expect is None:
        return
    yield "expect is left out", replace(rule, expect=None)  # the trigger itself is the fault

    def broken(**changes: Any) -> Rule:
        return replace(rule, expect=replace(expect, **changes))

    if expect.where:
        yield "expect.where is turned round", broken(where=f"not ({expect.where})")
        yield "expect.where is left out", broken(where="")
    if expect.until:
        yield "until is left out", broken(until=(), until_where="")
    if expect.until_where:
        yield "until.where is turned round", broken(until_where=f"not ({expect.until_where})")
        yield "until.where is left out", broken(until_where="")


def _registers(rule: Rule, number: int, entry: Remember) -> Iterator[tuple[str, Rule]]:
    def broken(*instead: Remember) -> Rule:
        return replace(rule, remember=(*rule.remember[:number], *instead, *rule.remember[number + 1 :]))

    where = f"remember {number + 1}"
    # The registers stay known as names, so that the rule still compiles.
    forgotten = replace(entry, where=NEVER)
    yield f"{where} is left out", broken(forgotten)
    if entry.where:
        yield f"{where}: where is turned round", broken(replace(entry, where=f"not ({entry.where})"))
