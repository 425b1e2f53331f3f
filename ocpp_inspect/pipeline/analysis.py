"""Paths in, a finished database out: asks for capture numbers, decodes, writes, commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ocpp_inspect.capture import CaptureReader, expand_inputs
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.pipeline.keys import check_keys
from ocpp_inspect.pipeline.logs import check_log_format, decode_logs, split_inputs
from ocpp_inspect.pipeline.options import Options, Outcome, Progress
from ocpp_inspect.pipeline.rules import built_in_and
from ocpp_inspect.pipeline.tshark import check_tshark, decode_by_tshark
from ocpp_inspect.pipeline.workers import decide_jobs, decode_here, decode_in_workers, elsewhere


def analyze(
    inputs: Sequence[str],
    database: Path,
    options: Options | None = None,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Read captures, judge them, and add them to `database`: all of it, or nothing when something goes wrong.

    Raises CaptureError for an unreadable input, RuleError for a rule that does not load, KeyFileError for a key file
    that cannot be used, StoreError for a database that cannot be written or already holds a capture, WorkerError for a
    bug of ours.
    """
    options = options or Options()
    paths = expand_inputs(inputs)
    pipes = [path for path in paths if path == "-" or Path(path).is_fifo()]
    check_log_format(options)
    paths, logs = split_inputs(paths, options)
    if options.engine == "tshark":
        check_tshark(paths)
    else:
        with CaptureReader([path for path in paths if path not in pipes]):
            pass  # an unreadable input is said before anything starts
    jobs = decide_jobs(options.jobs, None if pipes else sum(Path(path).stat().st_size for path in paths))
    check_keys(options)
    built_in_and(options)  # a rule that does not load is said before minutes of work, and once
    outcome = Outcome()
    first_capture = 1
    if database.exists():
        first_capture = elsewhere(_next_capture_id, database) if jobs > 1 else _next_capture_id(database)
    announced = [CaptureInfo(capture=first_capture + i, path=path) for i, path in enumerate([*paths, *logs])]
    # Workers start before DuckDB is loaded: a process with threads cannot be forked safely.
    batches: Iterable[dict[str, Any]] = ()
    if paths and options.engine == "tshark":
        batches = decode_by_tshark(paths, options, first_capture, outcome, progress)
    elif paths:
        decode = decode_here if jobs == 1 else partial(decode_in_workers, jobs=jobs)
        batches = decode(paths, options, first_capture, outcome=outcome, progress=progress)
    if logs:
        batches = chain(batches, decode_logs(logs, options, first_capture + len(paths), outcome, progress))
    from ocpp_inspect.store import Writer

    with Writer(database) as writer:
        writer.begin([capture for capture in announced if capture.path != "-"], replace)
        for batch in batches:
            writer.write(batch)
        writer.commit(outcome.captures, outcome.counters)
    return outcome


def _next_capture_id(database: Path) -> int:
    from ocpp_inspect.store import next_capture_id

    return next_capture_id(database)


@contextmanager
def temporary_analysis(
    inputs: Sequence[str], options: Options | None = None, *, progress: Progress | None = None
) -> Iterator[Path]:
    """Analyse into a database that is removed afterwards; yields its path."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ocpp-inspect-") as directory:
        database = Path(directory) / "run.duckdb"
        analyze(inputs, database, options, progress=progress)
        yield database
