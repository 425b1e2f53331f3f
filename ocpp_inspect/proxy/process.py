"""Starts the process that analyses what the relay hands over, and is its body: a pipe in, a recording and lines out.

A process of its own, at lower priority: with a thread, each decoded message would hold the interpreter's lock while a
station waits. It ignores Ctrl-C: the relay's last word ends it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ocpp_inspect.pipeline.options import Options

if TYPE_CHECKING:
    from ocpp_inspect.capture.live import CaptureOutput, Rotation
    from ocpp_inspect.pipeline.recording import Recording

_PIPE_OCTETS: Final = 1024 * 1024
_READ_OCTETS: Final = 1024 * 1024
_TURN_S: Final = 0.2
_TICK_NS: Final = 500_000_000
_MARGIN_NS: Final = 500_000_000  # what the relay may still hold when the pipe is empty
_NICE: Final = 5
_INCOMPLETE: Final = 2  # exit code when the database lacks something


class Watcher(Protocol):
    """Shows a person what is recorded."""

    @property
    def wants_to_quit(self) -> bool:
        """Whether the person asked for the end."""
        ...

    def turn(self, now_ns: int) -> None:
        """Some time has passed."""
        ...

    def say(self, text: str, now_ns: int) -> None:
        """A line of the relay."""
        ...


Show = Callable[["Recording"], AbstractContextManager[Watcher]]
"""Called with the recording at its start; may subscribe to it."""


class AnalysisError(Exception):
    """The analysis cannot start; the text tells a person why."""


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """What the analysis is told. `show` and `conclude` must be functions of a module; `conclude` gets the database."""

    database: Path | None
    source: str
    options: Options = field(default_factory=Options)
    write: Path | None = None
    rotation: Rotation | None = None
    remembers: bool = False
    show: Show | None = None
    has_screen: bool = False  # `show` takes the whole terminal
    conclude: Callable[[Path], int] | None = None


@dataclass(slots=True)
class AnalysisProcess:
    """The relay's view of it: the pipe to write to, and the number of the capture."""

    descriptor: int
    capture: int
    _process: BaseProcess
    _replies: Connection
    has_gone: bool = False
    wants_to_stop: bool = False  # somebody pressed its key on the screen

    def wait(self, seconds: float) -> tuple[int, list[str]]:
        """(exit code, what went wrong) once everything is written; gives up after some time of silence."""
        lines: list[str] = []
        code = 0
        try:
            while self._replies.poll(seconds):
                kind, value = self._replies.recv()
                if kind == "trouble":
                    lines.append(value)
                elif kind == "done":
                    code = value
                    break
            else:
                lines.append(f"the analysis does not come to an end within {seconds:g} s; it was stopped")
                self._process.kill()
        except (EOFError, OSError):
            lines.append("the analysis ended early; what it had written before is in the database")
            code = 2
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return code, lines

    def troubles(self) -> list[str]:
        """What the analysis has to tell a person now."""
        lines: list[str] = []
        try:
            while self._replies.poll(0):
                kind, value = self._replies.recv()
                if kind == "trouble":
                    lines.append(value)
                elif kind == "stop":
                    self.wants_to_stop = True
        except (EOFError, OSError):
            self.has_gone = True
        return lines

    @property
    def replies(self) -> int:
        """A descriptor that is readable when there is something to tell."""
        return self._replies.fileno()


def start_analysis(settings: AnalysisOptions) -> AnalysisProcess:
    """Start the process before any thread or event loop. Raises AnalysisError when it cannot begin."""
    context = _context()
    reader, writer = context.Pipe(duplex=False)
    replies, reply = context.Pipe(duplex=False)
    _widen(writer)
    process = context.Process(target=_main, args=(reader, writer, replies, reply, settings), daemon=False)
    process.start()
    reader.close()
    reply.close()
    try:
        kind, value = replies.recv()
    except EOFError:
        kind, value = "error", "the analysis process died at its start"
    if kind != "ready":
        process.join()
        raise AnalysisError(value)
    descriptor = os.dup(writer.fileno())
    writer.close()
    return AnalysisProcess(descriptor, value, process, replies)


def _context() -> ForkContext | SpawnContext:
    """Fork is quick but must not meet threads, and DuckDB and Arrow start some."""
    if sys.platform == "linux" and "duckdb" not in sys.modules and "pyarrow" not in sys.modules:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _widen(pipe: Connection) -> None:
    with suppress(ImportError, OSError):
        import fcntl

        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_OCTETS)


def _main(
    reader: Connection, writer: Connection, replies: Connection, reply: Connection, settings: AnalysisOptions
) -> None:
    """The body of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    writer.close()  # or the end of the relay would not be the end of the pipe
    replies.close()
    with suppress(OSError):
        os.nice(_NICE)
    try:
        body = _Body(reader.fileno(), reply, settings)
    except Exception as error:  # noqa: BLE001 - the relay tells it
        reply.send(("error", _clearly(error)))
        return
    reply.send(("ready", body.recording.info.capture))
    try:
        body.run()
        code = body.finish()
    except Exception:  # noqa: BLE001 - told to the relay, which goes on without us
        _tell(reply, "trouble", f"the analysis failed: {traceback.format_exc()}")
        body.abandon()
        code = 2
    _tell(reply, "done", code)


def _tell(reply: Connection, kind: str, value: Any) -> None:
    with suppress(OSError):  # the relay has gone: nobody wants to know
        reply.send((kind, value))


def _clearly(error: Exception) -> str:
    """What a person's files and flags did wrong is a line; a bug of ours stays a traceback."""
    from ocpp_inspect.capture import CaptureError
    from ocpp_inspect.engine import RuleError
    from ocpp_inspect.plugins import PluginError
    from ocpp_inspect.store import StoreError

    if isinstance(error, (CaptureError, RuleError, PluginError, StoreError, OSError)):
        return str(error)
    return traceback.format_exc()


class _Body:
    """The recording, the chain behind it, and the time between two looks at the pipe."""

    def __init__(self, descriptor: int, reply: Connection, settings: AnalysisOptions) -> None:
        from ocpp_inspect.capture.live import CaptureOutput
        from ocpp_inspect.capture.pcapng_writer import PcapngWriter
        from ocpp_inspect.pipeline.recording import Recording
        from ocpp_inspect.pipeline.rules import program_of
        from ocpp_inspect.proxy.analysis import Analysis

        program = program_of(settings.options)
        self._descriptor = descriptor
        self._reply = reply
        self._settings = settings
        self._output: CaptureOutput | None = None
        if settings.write is not None:
            self._output = CaptureOutput(settings.write, PcapngWriter("ocpp-inspect proxy", {}), settings.rotation)
        self.recording = Recording(settings.database, source=settings.source, format="proxy")
        self._analysis = Analysis(
            program,
            self.recording,
            validate=settings.options.validate,
            remembers=settings.remembers,
            output=self._output,
        )
        self._shown = ExitStack()
        self._watcher: Watcher | None = None
        if settings.show is not None:
            self._watcher = self._shown.enter_context(settings.show(self.recording))
            self._analysis.said = self._watcher.say
        self._trouble = ""
        # Decoded payloads hold no cycles: let reference counts free them and look for cycles rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(200_000, 50, 100)

    def run(self) -> None:
        """Until the relay's last word, or the end of the pipe."""
        rest = b""
        ticked_ns = 0
        has_asked = False
        while not self._analysis.is_over:
            readable, _, _ = select.select([self._descriptor], [], [], _TURN_S)
            if readable:
                octets = os.read(self._descriptor, _READ_OCTETS)
                if not octets:
                    break
                rest = self._analysis.feed(rest + octets if rest else octets)
            else:
                now_ns = time.time_ns()
                if now_ns - ticked_ns >= _TICK_NS:
                    ticked_ns = now_ns
                    self._analysis.tick(now_ns - _MARGIN_NS)
            self.recording.tick(time.monotonic_ns())
            self._tell_trouble()
            if self._watcher is not None:
                self._watcher.turn(time.time_ns())
                if self._watcher.wants_to_quit and not has_asked:
                    has_asked = True
                    _tell(self._reply, "stop", None)

    def finish(self) -> int:
        """Write what is left, tell the person, and return the exit code."""
        counters = self._analysis.finish()
        if self._output is not None:
            self._output.close()
            if self._output.lost_packets:
                note = f"{self._output.lost_packets} packets could not be written to the capture file"
                self.recording.info.notes.append(note)
        self._shown.close()
        self.recording.close(counters)
        self._tell_trouble()
        conclude = self._settings.conclude
        code = conclude(self.recording.database) if conclude is not None else 0
        if self.recording.trouble or self.recording.lost_rows:
            code = _INCOMPLETE
        self.recording.dispose()
        return code

    def abandon(self) -> None:
        """After a bug of ours: what was decoded is kept, the terminal is given back."""
        with suppress(Exception):
            self._shown.close()
        with suppress(Exception):
            self.recording.close()

    def _tell_trouble(self) -> None:
        trouble = self.recording.trouble or (self._output.trouble if self._output is not None else "")
        if trouble == self._trouble:
            return
        self._trouble = trouble
        _tell(self._reply, "trouble", trouble or "what could not be written is written again")
