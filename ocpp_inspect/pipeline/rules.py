"""Options in, rules out, also compiled: the built-in directory, those of installed packages, and the user's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import structs

from ocpp_inspect.engine import Rule, load_rules
from ocpp_inspect.engine.kept import KeptCode
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.model import Severity
from ocpp_inspect.pipeline.options import Options
from ocpp_inspect.plugins import rule_directories
from ocpp_inspect.resources import data_directory

_STRICTER: Final[dict[Severity, Severity]] = {"info": "warning", "warning": "error", "error": "error"}


@lru_cache(maxsize=1)  # a run asks several times: to check them, to judge, to report; 40 ms each
def built_in_and(options: Options) -> list[Rule]:
    """The rules of a run. Raises RuleError (with file:line:column) when a rule of others does not load."""
    rules = load_rules(directories_and(options.rules), select=options.select, ignore=options.ignore)
    return [_promoted(rule) for rule in rules] if options.strict else rules


def program_of(options: Options) -> Program:
    """These rules compiled, as far as an earlier run did not. Raises RuleError."""
    rules = built_in_and(options)
    return Program(rules, load_monitor, kept=KeptCode.of(rules))


def directories_and(own: Sequence[Path] | None) -> list[Path]:
    """Where rules are: built in, in installed packages, and in the user's own directories."""
    return [data_directory("rules"), *rule_directories(), *(own or ())]


def _promoted(rule: Rule) -> Rule:
    """With --strict, a compatibility rule weighs one step more."""
    if rule.axis != "compatibility":
        return rule
    return structs.replace(
        rule,
        severity=_STRICTER[rule.severity],
        severities={version: _STRICTER[severity] for version, severity in rule.severities.items()},
    )
