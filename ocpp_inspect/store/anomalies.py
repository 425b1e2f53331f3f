"""The facts this room can report: none. It stores what others report, and refuses in words what it cannot store."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {}
