"""Damaged captures and generated traffic in; the same items and findings out, whatever batches, lanes and workers.

Packets stand in the order of their times: of a capture whose clock jumps back, when a silent connection was forgotten
still depends on the batches. OCPP_INSPECT_FUZZ_ROUNDS and OCPP_INSPECT_FUZZ_SEED work as in test_fuzz_chain.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from equality import WAYS, compare
from mutants import SAMPLES
from whole_chain import ROUNDS, SEEDS, Mutant, for_each_mutant

from bench.traffic import Options, generate

COUNT = ROUNDS
SITE = Options(messages=300, stations=6)
TRAFFIC = {
    "ideal": SITE,
    "one-address": SITE._replace(one_address=True, version="2.0.1"),
    "rough": SITE._replace(mtu=150, reorder=0.2, duplicate=0.1, retransmit=0.1),
    "torn": SITE._replace(mtu=200, loss=0.03, reorder=0.1, duplicate=0.05, retransmit=0.05),
    "torn-compressed": SITE._replace(loss=0.03, compressed=True, pcapng=True, version="2.1"),
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_samples_give_the_same_every_way(sample: Path) -> None:
    compare(sample)


@pytest.mark.parametrize("name", TRAFFIC)
def test_generated_traffic_gives_the_same_every_way(name: str, tmp_path: Path) -> None:
    generate(tmp_path / "site.pcap", TRAFFIC[name])
    compare(tmp_path / "site.pcap")


@pytest.mark.parametrize("way", WAYS)
def test_damaged_captures_give_the_same_this_way(way: str, tmp_path: Path) -> None:
    def action(each: Mutant) -> None:
        compare(each.path, way)

    for number, sample in enumerate(SAMPLES):  # each sample begins with another damage
        for_each_mutant(sample, f"{SEEDS[0]}-{way}", COUNT, tmp_path, action, in_order=True, first=number)
