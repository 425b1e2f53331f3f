from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_package_is_the_command_where_scripts_are_not_on_the_path(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "ocpp_inspect"]
    help_ = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "python -m ocpp_inspect" in help_.stdout and "analyze" in help_.stdout
    wrong = subprocess.run([*run, "analyze", "none.pcap"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert wrong.returncode == 2
    assert "none.pcap: no such file" in wrong.stderr
