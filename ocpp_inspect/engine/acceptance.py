"""Files of accepted findings in (a baseline, quirks of single stations); why a finding is accepted out.

Both files have one shape, so that an entry can move from one to the other:

    - rule: TX16-007            # id, name, prefix, block, tag or axis; required
      station: "EW-*"           # identity, * and ? allowed; default: every station
      text: "falls from"        # a part of the finding's text; default: any text
      reason: firmware 4.2 resets its register   # required
      until: 2027-03-31         # the last day on which it is accepted; default: for ever
      expected: true            # its absence is worth a failure; default: false

YAML or JSON (which is YAML). An entry that has expired accepts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import msgspec

from ocpp_inspect.engine.load import is_meant
from ocpp_inspect.engine.rule import Rule, RuleError
from ocpp_inspect.engine.strict import Node, read
from ocpp_inspect.limits import ACCEPTANCES
from ocpp_inspect.model import Finding

_KEYS: Final = ("rule", "station", "text", "reason", "until", "expected")


class Acceptance(msgspec.Struct, frozen=True):
    """One entry: which findings are known, and why that is all right."""

    rule: str
    reason: str
    station: str = "*"
    text: str = ""
    until: str = ""  # ISO date; "": for ever
    expected: bool = False
    place: str = ""  # file:line of the entry
    rules: frozenset[str] = frozenset()  # ids that `rule` means

    def accepts(self, rule: str, station: str, text: str) -> bool:
        """Whether a finding is the one that this entry knows."""
        return rule in self.rules and fnmatchcase(station, self.station) and self.text in text


def read_acceptances(paths: Iterable[Path], rules: Sequence[Rule]) -> list[Acceptance]:
    """The entries of all files, in their order. Raises RuleError with the place of the first fault."""
    found: list[Acceptance] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise RuleError(f"cannot be read: {error.strerror}", str(path)) from None
        except UnicodeDecodeError as error:
            raise RuleError(f"not UTF-8 at octet {error.start}", str(path)) from None
        entries = read(text, str(path)).value
        if not isinstance(entries, list):
            raise RuleError("expected a list of accepted findings", str(path), hint="- rule: RPC-005")
        found += [_entry(node, rules) for node in entries]
        if len(found) > ACCEPTANCES:
            raise RuleError(f"more than {ACCEPTANCES} accepted findings", str(path), hint="use * in `station`")
    return found


def in_force(acceptances: Iterable[Acceptance], today: date) -> tuple[Acceptance, ...]:
    """Those that have not expired."""
    return tuple(each for each in acceptances if not each.until or date.fromisoformat(each.until) >= today)


def accept(findings: Iterable[Finding], acceptances: Sequence[Acceptance]) -> None:
    """Write into each finding why it is accepted; the first entry that knows it counts."""
    for finding in findings:
        for entry in acceptances:
            if entry.accepts(finding.rule, finding.station, finding.text):
                finding.accepted = entry.reason
                break


def _entry(node: Node, rules: Sequence[Rule]) -> Acceptance:
    keys = node.mapping(_KEYS, ("rule", "reason"))
    word = keys["rule"].text()
    meant = frozenset(rule.id for rule in rules if is_meant(rule, word))
    if not meant:
        raise keys["rule"].error(f"no rule is meant by {word!r}", "see `ocpp-inspect rules list`")
    until = keys["until"].text() if "until" in keys else ""
    if until:
        try:
            date.fromisoformat(until)
        except ValueError:
            raise keys["until"].error(f"{until!r} is no date", "write 2027-03-31") from None
    return Acceptance(
        word,
        keys["reason"].text(),
        keys["station"].text() if "station" in keys else "*",
        keys["text"].text() if "text" in keys else "",
        until,
        "expected" in keys and keys["expected"].one_of(("true", "false")) == "true",
        f"{node.path}:{node.line}",
        meant,
    )
