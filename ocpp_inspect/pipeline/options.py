"""What a run is told: inputs, rules, where to. Shared by the parent and its workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ocpp_inspect.engine import Acceptance
from ocpp_inspect.model import CaptureInfo

Progress = Callable[[int, int | None], None]
"""Called with (octets read so far, octets in all or None when that is unknown)."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to analyse. `jobs` None: as many workers as the input and the machine deserve."""

    rules: tuple[Path, ...] = ()  # directories beside the built-in ones
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    jobs: int | None = None
    validate: bool = True
    log_format: str = ""  # a regular expression with the groups time, station, direction and message
    strict: bool = False  # what is legal but known to break peers weighs one step more
    acceptances: tuple[Acceptance, ...] = ()  # findings that are known, in force
    engine: Literal["own", "tshark"] = "own"  # who decodes captures
    key_logs: tuple[Path, ...] = ()  # NSS key logs
    private_keys: tuple[Path, ...] = ()  # RSA, in PEM


@dataclass(slots=True)
class Outcome:
    """What a run gave besides the rows in the database."""

    captures: list[CaptureInfo] = field(default_factory=list)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)

    def add_counters(self, more: dict[str, dict[str, int]]) -> None:
        """Sum what another worker counted."""
        for room, numbers in more.items():
            mine = self.counters.setdefault(room, {})
            for name, number in numbers.items():
                mine[name] = mine.get(name, 0) + number
