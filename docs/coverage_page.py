"""Rules and the message catalogue in, docs/coverage.md out: what is looked at, what is not, which ideas are open."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ocpp_inspect import catalogue
from ocpp_inspect.engine import Rule

HERE = Path(__file__).resolve().parent
VERSIONS = ("1.6", "2.0.1", "2.1")
_IDEA = re.compile(r"\b[A-Z][A-Z0-9]*-\d{3}\b")
_NOT_MADE = re.compile(r"^\| ([A-Z][A-Z0-9]*-\d{3}) \|", re.MULTILINE)
_USE_CASE = re.compile(r"\b([A-S]\d\d)(?:\.FR\.|\b)")
_DOCUMENT = re.compile(r"(?:OCPP(?:-J)? (1\.6|2\.0\.1|2\.1))")


def ideas() -> list[str]:
    """The id of every rule that was ever proposed."""
    text = (HERE / "rule-ideas.txt").read_text(encoding="utf-8")
    return [found for line in text.splitlines() if not line.startswith("#") for found in _IDEA.findall(line)]


def not_made() -> list[str]:
    """Ids of docs/rules-not-made.md, as often as they stand there."""
    return _NOT_MADE.findall((HERE / "rules-not-made.md").read_text(encoding="utf-8"))


def actions_of(rule: Rule) -> set[str]:
    """The actions that a rule names in its triggers and conditions."""
    triggers = [*rule.when, *(trigger for remember in rule.remember for trigger in remember.when)]
    conditions = [rule.where, rule.require, *(remember.where for remember in rule.remember)]
    if rule.expect is not None:
        triggers += [*rule.expect.when, *rule.expect.until]
        conditions += [rule.expect.where, rule.expect.until_where]
    named = {trigger.partition(".")[0] for trigger in triggers if "." in trigger and not trigger.startswith("Anomaly")}
    return named | {word for condition in conditions for word in re.findall(r'"([A-Z][A-Za-z]+)"', condition)}


def use_cases_of(rule: Rule) -> dict[str, set[str]]:
    """Version → use cases whose requirements the rule's reference names. A bare id holds for both 2.x documents."""
    found: dict[str, set[str]] = defaultdict(set)
    for part in rule.reference.split(";"):
        document = _DOCUMENT.search(part)
        versions = ("2.0.1", "2.1") if document is None or document[1] != "1.6" else ()
        for version in versions:
            if not rule.versions or version in rule.versions:
                found[version] |= set(_USE_CASE.findall(part))
    return found


def text(rules: Sequence[Rule]) -> str:
    """The document."""
    return "\n".join(
        [
            "# Coverage",
            "",
            "What the rules look at. Rules about connections, frames, exchanges and schemas see every message and",
            "are not repeated here.",
            "",
            *_blocks(rules),
            *_messages(rules),
            *_use_cases(rules),
            *_ideas(rules),
            *_measured(rules),
        ]
    ).rstrip() + "\n"  # fmt: skip


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _link(identifiers: Iterable[str]) -> str:
    return " ".join(f"[{identifier}](rules/{identifier}.md)" for identifier in sorted(identifiers)) or "—"


def _blocks(rules: Sequence[Rule]) -> Iterator[str]:
    counted: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(VERSIONS, 0))
    for rule in rules:
        for version in VERSIONS:
            counted[rule.block][version] += not rule.versions or version in rule.versions
    yield from ("## Rules by block", "", _row(("block", *VERSIONS)), "|---|---|---|---|")
    for block in sorted(counted, key=lambda name: (len(name) > 1, name)):
        yield _row((block, *counted[block].values()))
    yield from (_row(("all", *(sum(row[version] for row in counted.values()) for version in VERSIONS))), "")


_METHOD = """\
Measured by `python -m bench.faults --measure`: generated sessions of all three versions (boot, transactions,
reservations, updates, resets, losses of the line and more, in any order and with other values each time), in each of
which one thing is broken as the protocol sees it, not as the rule's condition is written. Whole sessions run through
the dissector and *all* rules. *Recall* is the share of broken sessions that the rule tells. A *false alarm* is a
session that the rule accuses although another thing was broken, or nothing; what a rule declares as a consequence
(`follows`), or what the fault's author named as another word for it, does not count; some were named after a look at
what spoke, so this figure is not independent of the rules. *False after a loss*: each broken session once more as a
capture that lacks a part of it (a hole, the beginning, the end), and accusations that the whole session did not earn.
Faults of the upgrade, of WebSocket frames and of TLS handshakes enter as the rooms below OCPP report them. The faults
are in `bench/faults/blocks/`; `python -m bench.faults --show RULE` prints a broken session and what is said of it."""


def _measured(rules: Sequence[Rule]) -> Iterator[str]:
    from bench.faults.table import read, rows, totals

    figures = read()
    yield from (
        "## Precision and recall",
        "",
        _METHOD,
        "",
        totals(figures),
        "",
    )
    yield from rows(figures, rules)
    yield ""


def _messages(rules: Sequence[Rule]) -> Iterator[str]:
    yield from ("## Messages", "", "Rules that name a message, in a trigger or a condition.", "")
    yield from (_row(("message", *VERSIONS)), "|---|---|---|---|")
    named = {rule.id: actions_of(rule) for rule in rules}
    unwatched: dict[str, list[str]] = {version: [] for version in VERSIONS}
    tables = {version: catalogue.load(version) for version in VERSIONS}
    for action in sorted({action for table in tables.values() for action in table}):
        cells = []
        for version in VERSIONS:
            if action not in tables[version]:
                cells.append("")
                continue
            found = [r.id for r in rules if action in named[r.id] and (not r.versions or version in r.versions)]
            cells.append(_link(found))
            if not found:
                unwatched[version].append(action)
        yield _row((action, *cells))
    yield from ("", "### Messages that only the general rules look at", "")
    for version in VERSIONS:
        yield f"- {version}: {', '.join(unwatched[version]) or 'none'}"
    yield ""


def _use_cases(rules: Sequence[Rule]) -> Iterator[str]:
    yield from (
        "## Use cases of OCPP 2.0.1 and 2.1",
        "",
        "Rules whose reference names a requirement of the use case.",
        "",
    )
    known: dict[str, set[str]] = defaultdict(set)
    messages: dict[str, set[str]] = defaultdict(set)
    for version in VERSIONS[1:]:
        for action, info in catalogue.load(version).items():
            for use_case in info.use_cases:
                known[use_case].add(version)
                messages[use_case].add(action)
    made: dict[tuple[str, str], set[str]] = defaultdict(set)
    for rule in rules:
        for version, use_cases in use_cases_of(rule).items():
            for use_case in use_cases:
                known[use_case].add(version)
                made[use_case, version].add(rule.id)
    yield from (_row(("use case", "messages", *VERSIONS[1:])), "|---|---|---|---|")
    for use_case in sorted(known):
        cells = [_link(made[use_case, version]) if version in known[use_case] else "" for version in VERSIONS[1:]]
        yield _row((use_case, ", ".join(sorted(messages[use_case])), *cells))
    yield ""


def _ideas(rules: Sequence[Rule]) -> Iterator[str]:
    made, left_out = {rule.id for rule in rules}, set(not_made())
    families: dict[str, list[str]] = defaultdict(list)
    for idea in ideas():
        families[idea.rpartition("-")[0]].append(idea)
    yield from ("## Ideas for rules", "", "What became of every idea; `rules-not-made.md` has the reasons.", "")
    yield from (_row(("family", "ideas", "rules", "not made", "not decided")), "|---|---|---|---|---|")
    for family, members in families.items():
        undecided = [idea for idea in members if idea not in made | left_out]
        yield _row((
            family, len(members), sum(idea in made for idea in members), sum(idea in left_out for idea in members),
            " ".join(idea.rpartition("-")[2] for idea in undecided) or "—",
        ))  # fmt: skip
    further = sorted(made - set(ideas()))
    yield from ("", f"Rules beside these ideas: {_link(further)}.", "")
