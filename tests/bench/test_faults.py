"""Faults in generated sessions: the published figures are true, cover every fault, and do not fall."""

from __future__ import annotations

import pytest

from bench.faults.__main__ import main
from bench.faults.corpus import SCENES_OF, session
from bench.faults.damage import lose_some
from bench.faults.measure import VERSIONS, Bench
from bench.faults.table import read

SHARE = 6  # of the rules, each in another part of the suite's runs
STALE = "run `python -m bench.faults --measure --write RULE`, look at what it says, then `make docs`"


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def test_every_fault_is_of_a_rule_and_was_measured(bench: Bench) -> None:
    figures = read()
    assert sorted(set(bench.faults) - set(bench.by_id)) == []
    assert sorted(rule for rule in bench.faults if not figures.get(rule) or not figures[rule].injected) == [], STALE
    also = {other for faults in bench.faults.values() for fault in faults for other in fault.also}
    assert sorted(also - set(bench.by_id)) == []
    scenes = set().union(*SCENES_OF.values())
    wanted = {scene for faults in bench.faults.values() for fault in faults for scene in fault.scenes}
    assert sorted(wanted - scenes) == []


@pytest.mark.parametrize("part", range(SHARE))
def test_recall_and_precision_do_not_fall(bench: Bench, part: int) -> None:
    """A third of each rule's broken sessions, and what was published of all of them."""
    published = read()
    rules = list(bench.faults)[part::SHARE]
    found = bench.measure(rules, wanted=4, clean=0)
    for rule in rules:
        assert found[rule].injected >= 1, f"{rule}: no session has a place for its faults"
        if published[rule].recall == 1:
            assert found[rule].found == found[rule].injected, (
                f"{rule} missed {found[rule].missed}; if that is meant, {STALE}"
            )
    accused = {rule: each.accused for rule, each in found.items() if each.accused}
    allowed = {rule for rule, each in published.items() if each.false_alarms or each.false_when_damaged}
    assert {rule: where for rule, where in accused.items() if rule not in allowed} == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_clean_sessions_are_clean_whole_and_damaged(bench: Bench, version: str) -> None:
    for number in range(1000, 1020):
        dialogue = session(version, number)
        assert bench.play(dialogue) == [], f"session {number}"
        lose_some(dialogue)
        said = [f"{finding.rule}: {finding.text}" for finding in bench.play(dialogue) if finding.verdict == "violation"]
        assert said == [], f"session {number}, damaged"


def test_a_session_is_the_same_each_time() -> None:
    assert session("2.1", 5, ("report",)).transcript() == session("2.1", 5, ("report",)).transcript()
    assert session("2.1", 5).transcript() != session("2.1", 6).transcript()


def test_the_table_and_a_broken_session_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["RPC-003"]) == 0
    assert "[RPC-003]" in capsys.readouterr().out
    assert main(["--show", "RPC-003"]) == 0
    out = capsys.readouterr().out
    assert "# RPC-003 violation" in out
    assert main(["--show", "XYZ-001"]) == 2
    assert "bench/faults/blocks" in capsys.readouterr().err
