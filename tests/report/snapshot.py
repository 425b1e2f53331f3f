"""Compares text with a file under snapshots/.

Regenerate, then read the diff:  OCPP_INSPECT_SNAPSHOTS=write python -m pytest tests/report
"""

from __future__ import annotations

import os
from pathlib import Path

_DIRECTORY = Path(__file__).parent / "snapshots"


def matches(name: str, text: str) -> None:
    path = _DIRECTORY / f"{name}.txt"
    if os.environ.get("OCPP_INSPECT_SNAPSHOTS") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; regenerate as tests/report/snapshot.py says"
