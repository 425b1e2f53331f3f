"""The comparison's own arithmetic; the contenders run on a file of a few hundred messages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench import compare
from bench.compare import Result
from bench.traffic import Options, generate


def test_ratios_and_slices_are_shown() -> None:
    ours = Result("ours", "all", 100_000, 1.0, 1.8, 200_000_000, False)
    slow = Result("slow", "some", 500, 1.0, 1.0, 90_000_000, True)
    lines = compare.table([ours, slow]).splitlines()
    assert lines[2] == "| ours | all | 100,000 | 1.00 | 1.80 | 100,000 |  | 200 |"
    assert lines[3] == "| slow ¹ | some | 500 | 1.00 | 1.00 | 500 | 200.0 × | 90 |"


def test_a_run_measures_time_and_memory_of_the_whole_tree(tmp_path: Path) -> None:
    child = "import time; data = bytearray(60_000_000); time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print('done')"
    seconds, cpu_seconds, peak_bytes = compare.run([sys.executable, "-c", parent], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "done\n"
    assert seconds > cpu_seconds > 0
    assert 60_000_000 < peak_bytes < 200_000_000


def test_descendants_begin_with_the_process_itself() -> None:
    assert compare.descendants(os.getpid())[0] == os.getpid()


@pytest.mark.tshark
def test_the_others_count_the_messages_of_a_generated_file(tmp_path: Path) -> None:
    path = tmp_path / "site.pcap"
    totals = generate(path, Options(messages=400, stations=3))
    assert compare.tshark_fields(path, tmp_path, 80).messages == totals.messages
    scapy = compare.python_tool("scapy", "", compare.SCAPY, path, tmp_path, 80)
    assert scapy.messages == totals.messages
