"""Thousands of damaged captures in; no exception, no hang, bounded work and memory, every packet accounted for.

A fast profile runs always: one fixed seed and one that is fresh in every run; a failure prints the seed, the sample and
the number, and OCPP_INSPECT_FUZZ_SEED=… repeats it. OCPP_INSPECT_FUZZ_ROUNDS=20 is the deep profile (20 times as many
mutants; a quarter of an hour).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mutants import OCTET_DAMAGES, RECORD_DAMAGES, SAMPLES
from whole_chain import (
    CALLS,
    CALLS_PER_OCTET,
    MEMORY_BYTES,
    ROUNDS,
    SEEDS,
    Mutant,
    Work,
    check,
    for_each_mutant,
    peak_memory,
    run,
)

COUNT = len(RECORD_DAMAGES) * ROUNDS
MEASURED = 2 * ROUNDS


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_nothing_raises_and_everything_is_accounted_for(sample: Path, seed: str, tmp_path: Path) -> None:
    def action(each: Mutant) -> None:
        check(run([each.path]), each.octets)

    for_each_mutant(sample, seed, COUNT, tmp_path, action)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_work_grows_with_the_input_and_no_faster(sample: Path, tmp_path: Path) -> None:
    def action(each: Mutant) -> None:
        with Work() as work:
            run([each.path])
        assert work.calls <= CALLS + CALLS_PER_OCTET * each.octets

    for_each_mutant(sample, f"{SEEDS[1]}-work", MEASURED, tmp_path, action)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_memory_is_bounded(sample: Path, tmp_path: Path) -> None:
    def action(each: Mutant) -> None:
        assert peak_memory(lambda: run([each.path])) <= MEMORY_BYTES

    for_each_mutant(sample, f"{SEEDS[1]}-memory", MEASURED, tmp_path, action)


def test_every_damage_has_its_turn() -> None:
    assert len(RECORD_DAMAGES) <= COUNT
    assert len(OCTET_DAMAGES) >= 8
    assert len(SAMPLES) >= 25
