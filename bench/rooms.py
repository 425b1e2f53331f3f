"""A capture in; what each room costs, in µs a message, out (`python -m bench.rooms [FILE]`).

One process, one pass: the chain of `ocpp_inspect.pipeline` with a stop-watch around each room, on a quiet machine (a
clock of CPU time costs more than the rooms take between two looks at it). `analyze` spreads the sum over its workers,
each of which reads the capture. "between" is what the loop around the rooms takes.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from bench.traffic import Options as Traffic
from bench.traffic import generate

_DOORS = ("feed", "by_station", "judge", "take", "tick", "finish", "add", "add_findings", "flush", "write", "commit")


class StopWatch:
    """Stands in for a room: the same doors, with the time that they take."""

    def __init__(self, room: Any) -> None:
        self._room = room
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._room, name)
        if name not in _DOORS:
            return found

        def timed(*arguments: Any, **how: Any) -> Any:
            begun = time.perf_counter()
            try:
                return found(*arguments, **how)
            finally:
                self.seconds += time.perf_counter() - begun

        setattr(self, name, timed)
        return timed


def measure(path: Path, *, profile: bool = False) -> tuple[dict[str, float], int, float]:
    """(seconds by room, messages, seconds in all)."""
    from ocpp_inspect.capture import CaptureReader  # noqa: PLC0415 - only what is measured is loaded
    from ocpp_inspect.pipeline import Options  # noqa: PLC0415
    from ocpp_inspect.pipeline.chain import Chain  # noqa: PLC0415
    from ocpp_inspect.pipeline.rules import built_in_and  # noqa: PLC0415
    from ocpp_inspect.pipeline.workers import COLLECTION_THRESHOLDS  # noqa: PLC0415
    from ocpp_inspect.store import Writer  # noqa: PLC0415
    from ocpp_inspect.store.columns import Columns  # noqa: PLC0415

    gc.set_threshold(*COLLECTION_THRESHOLDS)
    chain: Any = Chain(built_in_and(Options()))
    watches: dict[str, Any] = {}
    for owner, names in ((chain, ("network", "tcp")), (chain.streams, ("websockets", "ocpp", "engine"))):
        for name in names:
            watch = watches[name.removesuffix("s")] = StopWatch(getattr(owner, name))
            setattr(owner, name, watch)
    with tempfile.TemporaryDirectory() as folder, Writer(Path(folder) / "bench.duckdb") as database:
        database.begin([])
        writer = watches["writer"] = StopWatch(database)
        columns: Any = StopWatch(Columns())
        watches["columns"] = columns
        profiler: Any = None
        if profile:
            import cProfile  # noqa: PLC0415

            profiler = cProfile.Profile()
            profiler.enable()
        begun = time.perf_counter()
        reading = 0.0
        with CaptureReader([str(path)]) as reader:
            batches = iter(reader)
            while True:
                before = time.perf_counter()
                batch = next(batches, None)
                reading += time.perf_counter() - before
                for decoded in _end(chain) if batch is None else chain.feed_bursts(batch):
                    columns.add(decoded.items)
                    columns.add_findings(decoded.findings)
                    if columns.full:
                        writer.write(columns.flush())
                if batch is None:
                    break
            writer.write(columns.flush())
            writer.commit(reader.captures)
        total = time.perf_counter() - begun
        if profiler is not None:
            profiler.disable()
            import pstats  # noqa: PLC0415

            pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
        with duckdb.connect(str(Path(folder) / "bench.duckdb"), read_only=True) as connection:
            row = connection.execute("select count(*) from messages").fetchone()
            assert row is not None
    seconds = {"capture": reading} | {room: watch.seconds for room, watch in watches.items()}
    seconds["between"] = total - sum(seconds.values())
    return seconds, row[0], total


def _end(chain: Any) -> Iterator[Any]:
    yield from chain.flush()
    yield chain.finish()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rooms", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="default: generated 1.6 traffic")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--version", default="1.6")
    parser.add_argument("--compressed", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print the 30 dearest functions, too")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file
        if path is None:
            path = Path(folder) / "site.pcap"
            shape = Traffic(options.messages, options.stations, version=options.version, compressed=options.compressed)
            generate(path, shape)
        seconds, messages, total = measure(path, profile=options.profile)
    print("| room | µs a message | share |\n|---|---:|---:|")
    for room, spent in seconds.items():
        print(f"| {room} | {spent / messages * 1e6:.2f} | {spent / total:.0%} |")
    print(f"| **all** | **{total / messages * 1e6:.2f}** | {messages:,} messages, {messages / total:,.0f}/s |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
