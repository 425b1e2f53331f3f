"""Arguments in; a timeline on standard output.

Imports stand inside the functions: `--help` must not wait for DuckDB and Rich.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ocpp_inspect.report.clock import Clock
    from ocpp_inspect.report.timeline import TimelineOptions

_MANY = 2000
_POLL_S = 0.5


def timeline(
    source: Annotated[
        list[Path], typer.Argument(help="A database that `analyze --db` wrote, or captures.", show_default=False)
    ],
    station: Annotated[str | None, typer.Option("--station", "-s", help="Only this station.")] = None,
    action: Annotated[
        list[str] | None, typer.Option("--action", "-a", help="Only these actions; may be repeated.")
    ] = None,
    transaction: Annotated[
        str | None,
        typer.Option("--transaction", "-t", help="Only this transaction; the beginning of its id is enough."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From 08:15, 2026-01-31T08:15Z, +10m (after the start) or -5m.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until; written as --since.")] = None,
    problems: Annotated[
        bool, typer.Option("--problems", "-p", help="Only findings and losses, with what is around them.")
    ] = False,
    context: Annotated[int, typer.Option(min=0, max=100, help="Lines of the dialogue around a problem.")] = 2,
    interleave: Annotated[
        bool, typer.Option("--interleave", help="All stations in one dialogue, in time order.")
    ] = False,
    compact: Annotated[
        bool, typer.Option("--compact", "-c", help="Empty answers on the line of their request; no pings.")
    ] = False,
    relative: Annotated[bool, typer.Option("--relative", help="Times since the start.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Times of this machine's zone instead of UTC.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the database grows, until Ctrl-C.")] = False,
    width: Annotated[
        int | None, typer.Option(min=60, max=500, help="Columns; the terminal's, or 120 in a pipe.")
    ] = None,
    keylog: Annotated[
        list[Path] | None,
        typer.Option("--keylog", help="A TLS key log that opens wss, when a capture is given.", metavar="FILE"),
    ] = None,
) -> None:
    """Show what station and CSMS said to each other, with findings below the message that caused them.

    [bold]Examples[/bold]

      ocpp-inspect timeline site.duckdb --station CP1
      ocpp-inspect timeline site.pcapng --problems
      ocpp-inspect timeline site.duckdb --transaction 17 --compact
      ocpp-inspect timeline site.duckdb --action StatusNotification --since +10m --until +20m
    """
    from ocpp_inspect.cli.failures import fail, said_clearly
    from ocpp_inspect.cli.screen import screen_width
    from ocpp_inspect.report.rows import Choice
    from ocpp_inspect.report.timeline import TimelineOptions

    with said_clearly(), ExitStack() as stack:
        database, path = _opened(source, stack, keylog or ())
        clock: Clock = "relative" if relative else "local" if local else "utc"
        try:
            choice = chosen(database, Choice(station, tuple(action or ()), transaction), since, until, clock)
        except ValueError as error:
            fail(str(error))
        options = TimelineOptions(
            width=width or screen_width(),
            clock=clock,
            choice=choice,
            problems=problems,
            context=context,
            interleaved=interleave or follow,
            compact=compact,
        )
        _hint(database, options)
        last = _show(database, options)
        if follow and path is None:
            fail("--follow needs a database, not a capture")
        elif follow and path is not None:
            _follow(database, path, options, last)


def _opened(source: list[Path], stack: ExitStack, key_logs: Sequence[Path]) -> tuple[Any, Path | None]:
    """A read-only connection: to the database given, or to a temporary one made from the captures given."""
    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.pipeline.lending import opened
    from ocpp_inspect.report.opened import NotADatabaseError, is_database, open_database

    for each in source:
        if str(each) != "-" and not each.exists() and not any(sign in str(each) for sign in "*?["):
            fail(f"{_shown(str(each))}: no such file")
    path = source[0] if len(source) == 1 and is_database(source[0]) else None
    try:
        if path is not None:
            database = opened(path, lambda: open_database(path), NotADatabaseError)
        else:
            database = open_database(stack.enter_context(_analysed(source, key_logs)))
    except NotADatabaseError as error:
        fail(_shown(str(error)))
    stack.callback(database.close)
    return database, path


@contextmanager
def _analysed(source: list[Path], key_logs: Sequence[Path]) -> Iterator[Path]:
    from ocpp_inspect.cli.analyze import key_log_of_environment
    from ocpp_inspect.cli.progress import progress_bar
    from ocpp_inspect.pipeline import Options, temporary_analysis

    with ExitStack() as stack:
        with progress_bar() as progress:
            options = Options(key_logs=(*key_logs, *key_log_of_environment()))
            path = stack.enter_context(temporary_analysis([str(each) for each in source], options, progress=progress))
        yield path


def chosen(database: Any, choice: Any, since: str | None, until: str | None, clock: Clock) -> Any:
    """The choice with what a person wrote made exact. Raises ValueError that says what there is instead."""
    import msgspec

    from ocpp_inspect.report import clock as clocks
    from ocpp_inspect.report import rows

    known = [name for name, _, _ in rows.stations(database)]
    if choice.station is not None and choice.station not in known:
        near = [name for name in known if choice.station.casefold() in name.casefold()]
        if len(near) != 1:
            names = ", ".join(_shown(name) for name in (near or known)[:10] if name)
            raise ValueError(f"no station is named {_shown(choice.station)}; there is {names or 'none'}")
        choice = msgspec.structs.replace(choice, station=near[0])
    if choice.transaction is not None:
        like = rows.transactions_like(database, choice.transaction.removesuffix("…"), choice.station)
        if len(like) != 1:
            names = ", ".join(_shown(name) for name in like)
            known_ids = f"; several begin so: {names}" if like else ""
            raise ValueError(f"no transaction has the id {_shown(choice.transaction)}{known_ids}")
        choice = msgspec.structs.replace(choice, transaction=like[0])
    first_ns, last_ns = rows.time_range(database)
    return msgspec.structs.replace(
        choice,
        since_ns=clocks.parse(since, first_ns, last_ns, clock) if since else None,
        until_ns=clocks.parse(until, first_ns, last_ns, clock) if until else None,
    )


def _hint(database: Any, options: TimelineOptions) -> None:
    """On a terminal, how to narrow a timeline that is too long to read."""
    from ocpp_inspect.report import rows

    choice = options.choice
    if not sys.stdout.isatty() or options.problems or choice.is_narrow or choice.since_ns or choice.until_ns:
        return
    messages = sum(number for name, _, number in rows.stations(database) if choice.station in (None, name))
    if messages > _MANY:
        typer.echo(
            f"{messages:,} messages; narrow with --problems, --station, --action, --since, --until".replace(",", " "),
            err=True,
        )


def _show(database: Any, options: TimelineOptions) -> Any:
    """Print the timeline; the place of the last event said, for --follow."""
    from ocpp_inspect.cli.screen import print_lines
    from ocpp_inspect.report import rows
    from ocpp_inspect.report.timeline import Dialogue
    from ocpp_inspect.report.timeline import timeline as lines_of

    if options.interleaved:
        dialogue = Dialogue(database, options, rows.time_range(database)[0])
        said = print_lines(dialogue.lines())
        last = dialogue.place or options.choice.after
    else:
        said, last = print_lines(lines_of(database, options)), None
    if not said and options.choice.after is None:
        typer.echo(
            "nothing to show" + (": no findings, no losses" if options.problems else " for this choice"), err=True
        )
    return last


def _follow(database: Any, path: Path, options: TimelineOptions, last: Any) -> None:
    """Look for new events whenever the file has changed; who records in it gets it back between two looks."""
    import time

    import msgspec

    from ocpp_inspect.pipeline.lending import borrow
    from ocpp_inspect.report.opened import NotADatabaseError, open_database

    seen = _state(path)
    database.close()
    while True:
        time.sleep(_POLL_S)
        now = _state(path)
        if now == seen:
            continue
        try:
            borrow(path)
            database = open_database(path)
        except NotADatabaseError:
            continue  # between two versions of the file
        seen = now
        choice = msgspec.structs.replace(options.choice, after=last)
        last = _show(database, msgspec.structs.replace(options, choice=choice)) or last
        database.close()


def _state(path: Path) -> list[tuple[int, int, int]]:
    """What changes whenever the database does: of the file, and of the log that DuckDB keeps beside it."""
    files = (path, path.with_name(path.name + ".wal"))
    found = [file.stat() for file in files if file.exists()]
    return [(each.st_mtime_ns, each.st_ino, each.st_size) for each in found]


def _shown(text: str) -> str:
    from ocpp_inspect.report.safe import safe

    return safe(text)
