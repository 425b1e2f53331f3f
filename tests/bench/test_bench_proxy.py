"""The comparison of proxies runs, and counts what it says it counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_short_run_records_all_and_loses_no_connection() -> None:
    command = [sys.executable, "-m", "bench.proxy", "--without-mitmproxy", "--rounds", "1", "--seconds", "0.3"]
    command += ["--idle", "40", "--hold", "1", "--every", "0.5"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=True
    )
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[2:4]] == ["direct", "ocpp-inspect proxy"]
    assert "; 0 octets not analysed" in lines[4]
    assert lines[5].startswith("40 connections held for 1 s:")
    assert lines[5].endswith("0 connections lost")
