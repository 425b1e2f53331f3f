"""Figures in, their file and the published table out; and back."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.faults.measure import Figures
from ocpp_inspect.engine import Rule

FIGURES: Final = Path(__file__).with_name("figures.csv")
_COLUMNS: Final = ("injected", "found", "unsure", "false_alarms", "damaged", "false_when_damaged")


def write(figures: Mapping[str, Figures]) -> None:
    with FIGURES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("rule", *_COLUMNS))
        for rule, found in sorted(figures.items()):
            if found.injected or found.false_alarms or found.false_when_damaged:
                writer.writerow((rule, *(getattr(found, column) for column in _COLUMNS)))


def read() -> dict[str, Figures]:
    with FIGURES.open(encoding="utf-8", newline="") as file:
        return {row["rule"]: Figures(**{name: int(row[name]) for name in _COLUMNS}) for row in csv.DictReader(file)}


def rows(figures: Mapping[str, Figures], rules: Sequence[Rule], prefixes: Sequence[str] = ()) -> Iterator[str]:
    """The table in Markdown; rules that nothing was injected for stand below it."""
    shown = [rule for rule in rules if not prefixes or rule.id.startswith(tuple(prefixes))]
    yield "| rule | fault | injected | found | recall | false alarms | precision | false alarms after a loss |"
    yield "|---|---|---|---|---|---|---|---|"
    unmeasured = []
    for rule in shown:
        found = figures.get(rule.id, Figures())
        if not found.injected:
            unmeasured.append(rule.id)
        if found.injected or found.false_alarms or found.false_when_damaged:
            link = f"[{rule.id}](rules/{rule.id}.md)"
            yield (
                f"| {link} | {rule.title} | {found.injected} | {found.found} | {_share(found.recall)} | "
                f"{found.false_alarms} | {_share(found.precision)} | {found.false_when_damaged} |"
            )
    yield ""
    yield f"Not measured ({len(unmeasured)}): {', '.join(unmeasured) or 'none'}."


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
