"""A run that goes on in; the screen or lines meanwhile, the summary at its end: what `live` and `--follow` share."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from types import FrameType

    from ocpp_inspect.capture.live import CaptureOutput
    from ocpp_inspect.model import CaptureInfo
    from ocpp_inspect.pipeline.recording import Recording
    from ocpp_inspect.report.live import Header


class Run(Protocol):
    """What is watched: an analysis that records as it goes."""

    recording: Recording
    output: CaptureOutput | None
    news: list[str]

    @property
    def info(self) -> CaptureInfo:
        """The figures of the source."""

    def now_ns(self) -> int:
        """The time of the source; 0 before it told one."""

    def stop(self) -> None:
        """End with the next turn."""

    def run(self, turn: Callable[[], None] | None = None, duration_s: float | None = None) -> None:
        """Go on until the end."""

    def finish(self) -> None:
        """Write and close everything."""


class Ending:
    """Whether somebody asked for the end."""

    is_wanted = False


@contextmanager
def ending_wanted() -> Iterator[Ending]:
    """Ctrl-C, SIGTERM and a closed terminal ask for a clean end; the second Ctrl-C is taken at its word."""
    ending = Ending()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if ending.is_wanted:
            raise KeyboardInterrupt
        ending.is_wanted = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def watch(run: Run, ending: Ending, seconds: float | None, *, is_screen: bool, quiet: bool, local: bool) -> None:
    """Show what happens until it ends; everything is written and closed afterwards."""
    from ocpp_inspect.cli.watching import shown
    from ocpp_inspect.report.live import Board, Header

    source = run.info.path.removeprefix("live:").removeprefix("log:")
    board, header = Board(), Header(source=source, started_ns=time.time_ns())
    with shown(board, header, is_screen=is_screen, clock="local" if local else "utc") as output:

        def turn() -> None:
            now_ns = run.now_ns() or time.time_ns()
            _fill(header, run)
            for text in run.news:
                output.tell([board.note(text, now_ns)])
            run.news.clear()
            output.turn(now_ns)
            if output.wants_to_quit or ending.is_wanted:
                run.stop()

        if not quiet:
            run.recording.subscribe(lambda decoded: output.tell(board.show(decoded.items, decoded.findings)))
        try:
            run.run(turn, seconds)
        finally:
            run.finish()


def _fill(header: Header, run: Run) -> None:
    """What the head of the screen says about source, database and capture file."""
    info, recording, output = run.info, run.recording, run.output
    header.packets, header.octets, header.dropped = info.packets, info.bytes, info.dropped_packets
    if not recording.is_scratch:
        header.database = f"database {recording.database.name}"
    if output is not None:
        header.capture_file = f"packets {output.current.name} {_size(output.octets)}"
    troubles = (recording.trouble, output.trouble if output is not None else "")
    header.troubles = [_without_directory(text) for text in troubles if text]


def _without_directory(trouble: str) -> str:
    """The reason has to be seen on a narrow screen; the whole path is said at the end."""
    place, colon, reason = trouble.partition(": ")
    return f"{Path(place).name}{colon}{reason}"


def say_end(run: Run, db: Path | None) -> None:
    """The summary on stdout, what was kept on stderr."""
    from ocpp_inspect.cli.screen import print_lines, screen_width
    from ocpp_inspect.report.opened import open_database
    from ocpp_inspect.report.summary import summary

    recording, info = run.recording, run.info
    opened = open_database(recording.database)
    try:
        print_lines(summary(opened, screen_width()))
    finally:
        opened.close()
    if info.dropped_packets:
        typer.echo(
            f"{info.dropped_packets} packets were dropped before they could be read; "
            "--ports or --filter spares the machine, findings near the drops are inconclusive",
            err=True,
        )
    say_kept(run, db)


def say_kept(run: Run, db: Path | None) -> None:
    """Where database and packets are, and what went wrong with them, on stderr."""
    recording, output = run.recording, run.output
    if db is not None:
        typer.echo(f"database: {db}", err=True)
    if output is not None:
        typer.echo(f"packets: {output.current}", err=True)
    for trouble in (recording.trouble, output.trouble if output is not None else ""):
        if trouble:
            typer.echo(f"ocpp-inspect: {trouble}", err=True)


def _size(octets: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}"
    return f"{octets} B"
