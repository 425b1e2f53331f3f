"""A capture in; the names of the ways to analyse it whose result differs from the plain way, out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from whole_chain import Result, assert_equal, chain_of, run, run_sharded

WAYS: dict[str, Callable[[list[Path]], Result]] = {
    "one packet at a time": lambda paths: run(paths, batch_packets=1),
    "seven packets at a time": lambda paths: run(paths, batch_packets=7),
    "33 packets at a time": lambda paths: run(paths, batch_packets=33),
    "little windows of the file": lambda paths: run(paths, batch_bytes=2000),
    "every lane item by item": lambda paths: run(paths, chain_of(columns=False)),
    "station by station": lambda paths: run(paths, bursts=True),
    "station by station, 33 packets at a time": lambda paths: run(paths, batch_packets=33, bursts=True),
    "two workers": lambda paths: run_sharded(paths, 2, bursts=True),
    "three workers": lambda paths: run_sharded(paths, 3, bursts=True),
    "three workers, five packets at a time": lambda paths: run_sharded(paths, 3, batch_packets=5, bursts=True),
}


def compare(path: Path, *names: str) -> None:
    """Assert that each way (all when none is named) gives what the plain way gives."""
    plain = run([path])
    for name in names or WAYS:
        assert_equal(plain, WAYS[name]([path]), name)
