"""The shape of one rule as data: what the loader hands to the compiler, the explainer and the document pages.

Everything is plain data (texts, numbers, tuples), so that a rule can be cached, listed and sent to a worker.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ocpp_inspect.model import Severity

Axis: TypeAlias = Literal["conformance", "compatibility", "migration"]
Blamed: TypeAlias = Literal["station", "csms", "network", "unknown", "sender", "receiver"]


class RuleError(Exception):
    """A rule file is wrong: what, where, and what to do next."""

    def __init__(self, message: str, path: str, line: int = 1, column: int = 1, hint: str = "") -> None:
        self.message = message
        self.path = path
        self.line = line
        self.column = column
        self.hint = hint
        super().__init__(f"{path}:{line}:{column}: {message}" + (f"\n    hint: {hint}" if hint else ""))


class Within(msgspec.Struct, frozen=True):
    """A time limit in one of three forms: constant, learned configuration with a default, or expression (seconds)."""

    text: str  # as written, for people
    constant_ns: int = 0  # 0: not constant
    config: str = ""
    unit_ns: int = 1_000_000_000
    default_ns: int = 0
    factor: float = 1.0
    plus_ns: int = 0
    expression: str = ""


class Remember(msgspec.Struct, frozen=True):
    """On these triggers, set these registers (name → expression) of the key."""

    when: tuple[str, ...]
    where: str
    by: tuple[str, ...]
    set: dict[str, str]


class Expect(msgspec.Struct, frozen=True):
    """What must follow the trigger, and until when."""

    when: tuple[str, ...]
    where: str
    by: tuple[str, ...]
    within: Within
    until: tuple[str, ...] = ()
    until_where: str = ""
    survives: tuple[str, ...] = ()  # "connection", "reboot"


class Count(msgspec.Struct, frozen=True):
    """At most `max` triggers of one key in any window of `within_ns`."""

    max: int
    within_ns: int
    text: str  # the window as written


class Rule(msgspec.Struct, frozen=True):
    """One rule: its documentation, its meaning and its examples."""

    id: str
    name: str
    title: str
    severity: Severity
    reference: str
    when: tuple[str, ...]
    message: str
    axis: Axis = "conformance"
    blame: Blamed = "unknown"
    versions: tuple[str, ...] = ()
    severities: dict[str, Severity] = msgspec.field(default_factory=dict)  # version → severity, where it differs
    transports: tuple[str, ...] = ()  # "websocket", "soap"; empty: any
    block: str = ""
    why: str = ""
    benign: str = ""
    aliases: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()  # ids of rules whose findings explain those of this one
    tags: tuple[str, ...] = ()
    where: str = ""
    by: tuple[str, ...] = ()
    remember: tuple[Remember, ...] = ()
    require: str = ""
    expect: Expect | None = None
    count: Count | None = None
    python: str = ""
    examples: tuple[str, ...] = ()
    example_lines: tuple[int, ...] = ()  # the line of the file at which each example's text begins
    path: str = ""
    line: int = 1
    source: str = ""

    def runs_over(self, transport: str) -> bool:
        """Whether the rule judges what came over this transport."""
        return not self.transports or transport in self.transports

    @property
    def registers(self) -> tuple[str, ...]:
        """Names of the registers, in order of their first mention."""
        return tuple(dict.fromkeys(name for remember in self.remember for name in remember.set))
