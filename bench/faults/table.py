"""Figures in, their file and the published table out; and back."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.faults.fault import all_faults
from bench.faults.measure import CLEAN, VERSIONS, Figures
from ocpp_inspect.engine import Rule

FIGURES: Final = Path(__file__).with_name("figures.csv")
_COLUMNS: Final = ("injected", "found", "unsure", "false_alarms", "damaged", "false_when_damaged")
_HEAD: Final = (
    "rule", "faults", "broken", "found", "recall", "false alarms", "precision", "false after a loss", "what is missed",
)  # fmt: skip


def write(figures: Mapping[str, Figures]) -> None:
    with FIGURES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("rule", *_COLUMNS))
        for rule, found in sorted(figures.items()):
            if found.injected or found.false_alarms or found.false_when_damaged:
                writer.writerow((rule, *(getattr(found, column) for column in _COLUMNS)))


def write_recall(figures: Mapping[str, Figures], rules: Sequence[str]) -> None:
    """Store what these rules found; false alarms stay, for they come from the sessions of all rules."""
    stored = read()
    for rule in rules:
        old = stored.get(rule, Figures())
        figures[rule].false_alarms, figures[rule].false_when_damaged = old.false_alarms, old.false_when_damaged
        stored[rule] = figures[rule]
    write(stored)


def read() -> dict[str, Figures]:
    with FIGURES.open(encoding="utf-8", newline="") as file:
        return {row["rule"]: Figures(**{name: int(row[name]) for name in _COLUMNS}) for row in csv.DictReader(file)}


def rows(figures: Mapping[str, Figures], rules: Sequence[Rule], prefixes: Sequence[str] = ()) -> Iterator[str]:
    """The table in Markdown; rules that nothing was injected for stand below it."""
    faults = all_faults()
    shown = [rule for rule in rules if not prefixes or rule.id.startswith(tuple(prefixes))]
    yield "| " + " | ".join(_HEAD) + " |"
    yield "|---" * len(_HEAD) + "|"
    for rule in shown:
        found = figures.get(rule.id, Figures())
        if found.injected or found.false_alarms or found.false_when_damaged:
            own = faults.get(rule.id, ())
            notes = " ".join(fault.note for fault in own if fault.note and found.found < found.injected)
            cells = (
                f"[{rule.id}](rules/{rule.id}.md)", len(own), found.injected, found.found, _share(found.recall),
                found.false_alarms, _share(found.precision), found.false_when_damaged, notes,
            )  # fmt: skip
            yield "| " + " | ".join(str(cell) for cell in cells) + " |"
    unmeasured = [rule.id for rule in shown if not figures.get(rule.id, Figures()).injected]
    yield ""
    yield f"Not measured ({len(unmeasured)}): {' '.join(unmeasured) or 'none'}."


def totals(figures: Mapping[str, Figures]) -> str:
    """All rules in one sentence."""
    measured = [found for found in figures.values() if found.injected]
    injected, found = sum(each.injected for each in measured), sum(each.found for each in measured)
    alarms = sum(each.false_alarms for each in figures.values())
    after = sum(each.false_when_damaged for each in figures.values())
    whole = sum(each.recall == 1 for each in measured)
    return (
        f"{len(measured)} rules, {injected} broken sessions: {found} faults found ({found / max(injected, 1):.1%}), "
        f"{alarms} false alarms in them and in {CLEAN * len(VERSIONS)} clean sessions, {after} after a loss; "
        f"{whole} rules find all of theirs."
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
