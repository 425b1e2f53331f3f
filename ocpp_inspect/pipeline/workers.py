"""Inputs in, Arrow batches out: decodes in this process, or in several that share the work by station.

Workers send nothing to each other. Each reads the whole input and decodes its own stations (`shard.py`); what they find
goes through one pipe each, as Arrow IPC, to the only process that writes the database. A full pipe stops its worker, so
a slow disk bounds memory instead of filling it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, Final

from ocpp_inspect.pipeline.options import Options, Outcome, Progress

SMALL_INPUT_BYTES: Final = 12 * 1024 * 1024
"""Below this a second process costs more than it saves (its start takes as long as decoding some MB)."""

PIPE_OCTETS: Final = 1024 * 1024
"""What a worker's pipe may hold: the most that Linux allows everyone."""


COLLECTION_THRESHOLDS: Final = (200_000, 50, 100)
"""Decoded payloads hold no cycles: let reference counts free them and look for cycles rarely. Worth 8 %."""


class WorkerError(RuntimeError):
    """A worker died or raised: a bug of ours. The text is its traceback."""


_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
LARGE_OCTETS: Final = 2 * 1024 * 1024
"""Buffers of this size are the kernel's again as soon as they are free (malloc.h, mallopt)."""


def decide_jobs(wanted: int | None, input_bytes: int | None) -> int:
    """How many workers to use. Every worker reads the whole input, and a pipe (`input_bytes` None) can be read once."""
    if input_bytes is None:
        return 1
    if wanted is not None:
        return max(1, wanted)
    if input_bytes < SMALL_INPUT_BYTES:
        return 1
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def decode_here(
    paths: Sequence[str], options: Options, first_capture: int, outcome: Outcome, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    """Decode in this process; yields table → Arrow record batch."""
    _give_back_what_is_free()
    yield from _decode(paths, options, first_capture, 0, 1, outcome, progress)


def decode_in_workers(
    paths: Sequence[str], options: Options, first_capture: int, jobs: int, outcome: Outcome, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    """Start `jobs` processes at once; yields table → Arrow record batch as they come.

    The iterator raises WorkerError, or the worker's CaptureError.
    """
    _give_back_what_is_free()  # before they begin: they inherit it
    context = _context()
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []
    for index in range(jobs):
        receiver, sender = context.Pipe(duplex=False)
        _widen(sender)
        # A forked worker has copies of all ends for reading: while it keeps them it cannot learn that we are gone.
        copies = [*pipes, receiver] if context.get_start_method() == "fork" else []
        arguments = (list(paths), options, first_capture, index, jobs, sender, copies)
        process = context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        sender.close()
        pipes.append(receiver)
        processes.append(process)
    return _collect(pipes, processes, outcome, progress)


def elsewhere(function: Callable[[Any], Any], argument: Any) -> Any:
    """What the function gives, asked in a process of its own where this one is still to fork: it starts threads.

    Raises what the function raises.
    """
    context = _context()
    if context.get_start_method() != "fork":
        return function(argument)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(function, argument, sender), daemon=True)
    process.start()
    sender.close()
    try:
        result, error = receiver.recv()
    except EOFError:
        raise WorkerError("a helping process ended without a word (out of memory, or killed)") from None
    finally:
        receiver.close()
        process.join()
    if error is not None:
        raise error
    return result


def _answer(function: Callable[[Any], Any], argument: Any, pipe: Connection) -> None:
    try:
        pipe.send((function(argument), None))
    except Exception as error:  # noqa: BLE001 - it is raised again where it was asked
        pipe.send((None, error))
    finally:
        pipe.close()


def _collect(
    pipes: list[Connection], processes: list[BaseProcess], outcome: Outcome, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    """What the workers send, until each has said that it is done."""
    from ocpp_inspect.store.columns import unpack

    working = dict(zip(pipes, range(len(pipes)), strict=True))
    try:
        while working:
            for pipe in wait(list(working)):
                assert isinstance(pipe, Connection)  # noqa: S101 - for the type checker: we gave nothing else
                try:
                    kind, body = pipe.recv()
                    rows = {table: pipe.recv_bytes() for table in body} if kind == "rows" else {}
                except EOFError:
                    text = f"worker {working[pipe]} ended without a word (out of memory, or killed)"
                    raise WorkerError(text) from None
                if rows:
                    yield unpack(rows)
                elif kind == "progress" and progress is not None:
                    progress(*body)
                elif kind == "failed":
                    error, text = body
                    raise error if error is not None else WorkerError(text)
                elif kind == "done":
                    captures, counters = body
                    outcome.add_counters(counters)
                    if working.pop(pipe) == 0:
                        outcome.captures = captures
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            if working:
                process.terminate()
            process.join()


def _widen(pipe: Connection) -> None:
    """Let the pipe hold more than 64 KiB: a batch of rows has 3 MB, and every read of a part costs a buffer for all."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # beyond what one user's pipes may hold together: slower, no more
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_OCTETS)


def _give_back_what_is_free() -> None:
    """Let glibc return memory: by itself it learns to keep what the largest buffer took, 15 MB in each process."""
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # another C library may not have it
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, LARGE_OCTETS)
            mallopt(_M_TRIM_THRESHOLD, 2 * LARGE_OCTETS)


def _context() -> ForkContext | SpawnContext:
    """Fork is quick but must not meet threads, and DuckDB and Arrow start some."""
    if sys.platform == "linux" and "duckdb" not in sys.modules and "pyarrow" not in sys.modules:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _work(
    paths: list[str],
    options: Options,
    first_capture: int,
    index: int,
    count: int,
    pipe: Connection,
    copies: list[Connection],
) -> None:
    """The body of one worker process. Ctrl-C reaches the whole group: the parent alone says so and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for copy in copies:
        copy.close()
    from ocpp_inspect.capture import CaptureError
    from ocpp_inspect.store.columns import pack

    outcome = Outcome()

    def tell(done: int, total: int | None) -> None:
        pipe.send(("progress", (done, total)))

    try:
        for batches in _decode(paths, options, first_capture, index, count, outcome, tell if index == 0 else None):
            packed = pack(batches)
            pipe.send(("rows", list(packed)))
            for octets in packed.values():  # not pickled with the names: 0.2 µs a message less on the two sides
                pipe.send_bytes(octets)
        pipe.send(("done", (outcome.captures, outcome.counters)))
    except CaptureError as error:
        pipe.send(("failed", (error, str(error))))
    except BrokenPipeError:
        return  # the parent gave up and says why
    except Exception:  # noqa: BLE001 - a bug must reach the person, from whichever process
        pipe.send(("failed", (None, traceback.format_exc())))
    finally:
        pipe.close()


def _decode(
    paths: Sequence[str],
    options: Options,
    first_capture: int,
    index: int,
    count: int,
    outcome: Outcome,
    progress: Progress | None,
) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    from ocpp_inspect.capture import CaptureReader
    from ocpp_inspect.pipeline.chain import Chain
    from ocpp_inspect.pipeline.clock import ClockWatch
    from ocpp_inspect.pipeline.keys import CaptureSecrets, add_secrets_inside, keys_of
    from ocpp_inspect.pipeline.rules import program_of
    from ocpp_inspect.pipeline.stream import filled
    from ocpp_inspect.store.columns import Columns

    keys = keys_of(options)
    add_secrets_inside(keys, paths)
    secrets = CaptureSecrets(keys)
    chain = Chain(
        program_of(options),
        validate=options.validate,
        acceptances=options.acceptances,
        index=index,
        count=count,
        keys=keys,
    )
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pool keeps 10 MB for next time, and is no faster
    columns = Columns()
    thresholds = gc.get_threshold()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    try:
        with CaptureReader(paths, first_capture=first_capture, watch=ClockWatch) as reader:
            secrets.take(reader.captures)
            for batch in reader:
                secrets.take(reader.captures)
                yield from filled(columns, chain.feed_bursts(batch))
                if progress is not None:
                    progress(reader.bytes_read, reader.bytes_total)
            yield from filled(columns, chain.flush())
            yield from filled(columns, [chain.finish()])
            yield columns.flush()
            outcome.captures = reader.captures
            outcome.counters = chain.counters()
    finally:
        gc.set_threshold(*thresholds)
