"""Faults in; for every rule how many it found, and what it said about sessions that have another fault or none."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench.faults.corpus import session
from bench.faults.damage import lose_some
from bench.faults.fault import Fault, all_faults
from bench.faults.session import NoPlace, Session
from ocpp_inspect.engine import Rule, load_rules, play_transcript
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.model import Finding
from ocpp_inspect.ocpp import Ocpp
from ocpp_inspect.resources import data_directory

VERSIONS: Final = ("1.6", "2.0.1", "2.1")
TRIALS: Final = 12  # broken sessions a rule
TRIES: Final = 8  # sessions that are looked at for a place, for each broken one that is wanted
CLEAN: Final = 100  # clean sessions a version


class Trial(NamedTuple):
    """One broken session, and what was said about it."""

    fault: Fault
    session: Session
    findings: list[Finding]
    damaged: Session  # the same with a part missing
    said_then: list[Finding]


@dataclass
class Figures:
    """What was counted about one rule."""

    injected: int = 0
    found: int = 0
    unsure: int = 0  # not found, but an inconclusive finding
    false_alarms: int = 0  # sessions without its fault that it accuses
    accused: dict[str, int] = field(default_factory=dict)  # where: fault of the session → number
    missed: dict[str, list[int]] = field(default_factory=dict)  # fault → which of the rule's broken sessions
    damaged: int = 0  # broken sessions of which a part was taken away
    false_when_damaged: int = 0  # of all damaged sessions: those that it accuses without reason

    def with_(self, other: Figures) -> Figures:
        """Both together."""
        numbers = ("injected", "found", "unsure", "false_alarms", "damaged", "false_when_damaged")
        both = Figures(**{name: getattr(self, name) + getattr(other, name) for name in numbers})
        both.accused = self.accused | other.accused
        both.missed = self.missed | other.missed
        return both

    @property
    def recall(self) -> float | None:
        return self.found / self.injected if self.injected else None

    @property
    def precision(self) -> float | None:
        said = self.found + self.false_alarms
        return self.found / said if said else None


class Bench:
    """The rules, compiled once, and the faults."""

    def __init__(self) -> None:
        self.rules: Sequence[Rule] = load_rules([data_directory("rules")])
        self.by_id = {rule.id: rule for rule in self.rules}
        self.faults = all_faults()
        self._program = Program(self.rules, load_monitor)

    def play(self, dialogue: Session) -> list[Finding]:
        return play_transcript(dialogue.transcript(), self._program, Ocpp().feed)

    def versions(self, fault: Fault) -> Sequence[str]:
        named = fault.versions or self.by_id[fault.rule].versions
        return [version for version in VERSIONS if not named or version in named]

    def trials(self, rule: str, wanted: int = TRIALS) -> Iterator[Trial]:
        """Broken sessions of every fault of the rule, in turns over its versions."""
        faults = self.faults[rule]
        for fault in faults:
            share, made = -(-wanted // len(faults)), 0
            versions = self.versions(fault)
            for number in range(share * TRIES):
                dialogue = session(versions[number % len(versions)], number, fault.scenes)
                dialogue.chance = random.Random(f"{fault.name} {number}")
                try:
                    fault.apply(dialogue)
                except NoPlace:
                    continue
                findings = self.play(dialogue)
                damaged = dialogue.copy()
                lose_some(damaged)
                yield Trial(fault, dialogue, findings, damaged, self.play(damaged))
                made += 1
                if made == share:
                    break

    def unexpected(self, fault: Fault, findings: Iterable[Finding]) -> set[str]:
        """Rules that accuse somebody, although neither the fault nor a rule that says it explains that."""
        said = {finding.rule for finding in findings if finding.verdict == "violation"}
        explained = {fault.rule, *fault.also}
        rest = said - explained
        while True:
            consequences = {rule for rule in rest if explained.intersection(self.by_id[rule].follows)}
            if not consequences:
                return rest
            explained |= consequences
            rest -= consequences

    def measure(
        self, rules: Iterable[str] | None = None, wanted: int = TRIALS, clean: int = CLEAN
    ) -> dict[str, Figures]:
        """Figures of every rule (those without a fault have `injected` 0)."""
        figures = {rule.id: Figures() for rule in self.rules}
        for rule in self.faults if rules is None else rules:
            for trial in self.trials(rule, wanted):
                self._count(figures, trial)
        for version in VERSIONS:
            for number in range(clean):
                for said in {f.rule for f in self.play(session(version, number)) if f.verdict == "violation"}:
                    _accuse(figures[said], f"clean {version}")
        return figures

    def _count(self, figures: dict[str, Figures], trial: Trial) -> None:
        own = figures[trial.fault.rule]
        own.injected += 1
        verdicts = {finding.verdict for finding in trial.findings if finding.rule == trial.fault.rule}
        own.found += "violation" in verdicts
        if "violation" not in verdicts:
            own.missed.setdefault(trial.fault.name, []).append(own.injected - 1)
        own.unsure += verdicts == {"inconclusive"}
        for rule in self.unexpected(trial.fault, trial.findings):
            _accuse(figures[rule], f"{trial.fault.rule} {trial.fault.name}")
        own.damaged += 1
        known = {finding.rule for finding in trial.findings if finding.verdict == "violation"}
        for rule in self.unexpected(trial.fault, trial.said_then) - known:
            figures[rule].false_when_damaged += 1
            figures[rule].accused[f"damaged {trial.fault.rule} {trial.fault.name}"] = own.injected - 1


def _accuse(figures: Figures, where: str) -> None:
    figures.false_alarms += 1
    figures.accused[where] = figures.accused.get(where, 0) + 1


def measure_part(part: tuple[list[str], int, int]) -> dict[str, Figures]:
    """What a worker does: (rules, broken sessions a rule, clean sessions a version)."""
    rules, wanted, clean = part
    return Bench().measure(rules, wanted, clean)


def measure_all(rules: list[str], wanted: int, clean: int, jobs: int) -> dict[str, Figures]:
    """The figures of these rules, by several processes; equal for any number of them."""
    parts = [(rules[number::jobs], wanted, clean if number == 0 else 0) for number in range(jobs)]
    merged: dict[str, Figures] = {}
    with ProcessPoolExecutor(jobs) as pool:
        for figures in pool.map(measure_part, parts):
            for rule, found in figures.items():
                merged[rule] = found if rule not in merged else merged[rule].with_(found)
    return merged
