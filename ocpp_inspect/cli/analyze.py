"""Arguments of `analyze` in; summary or JSON on stdout and an exit code out."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Format(StrEnum):
    """What `--format` takes."""

    RICH = "rich"
    JSON = "json"
    JSONL = "jsonl"


class FailOn(StrEnum):
    """What `--fail-on` takes."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


def analyze(
    captures: Annotated[
        list[str],
        typer.Argument(help="Capture files, directories or globs; - reads standard input.", metavar="CAPTURE..."),
    ],
    db: Annotated[
        Path | None, typer.Option("--db", help="Keep everything in this DuckDB file, for timeline and query.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="A capture that is already in the database is written anew.")
    ] = False,
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="A directory of your own rules (repeatable).")
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", help="Only these rules: id, prefix, block or axis (repeatable, or with commas)."),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Not these rules; wins over --select.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; default: as many as it has cores.")
    ] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")] = Format.RICH,  # noqa: A002
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit 1 when there is a finding of at least this severity.")
    ] = FailOn.ERROR,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Analyse captures: decode, judge, and say per station what was wrong, who is at fault and which frames prove it.

    Reads pcap and pcapng, also gzip, zstd and xz. Several files are one recording in time order.

    Exit code: 0 clean, 1 findings at or above --fail-on, 2 wrong usage or unreadable input.

    [bold]Examples[/bold]

      ocpp-inspect analyze site.pcapng

      ocpp-inspect analyze /var/captures --db site.duckdb --fail-on warning

      ssh pi tcpdump -w - -s 0 port 9000 | ocpp-inspect analyze -

      ocpp-inspect analyze site.pcap --select RPC,SCH --format json
    """
    from ocpp_inspect.cli.failures import said_clearly
    from ocpp_inspect.cli.progress import progress_bar
    from ocpp_inspect.pipeline import Options, temporary_analysis
    from ocpp_inspect.pipeline import analyze as run

    options = Options(rules=tuple(rules or ()), select=_split(select), ignore=_split(ignore), jobs=jobs)
    with said_clearly():
        if db is not None:
            with progress_bar(not quiet) as progress:
                run(captures, db, options, replace=replace, progress=progress)
            code = _report(db, format, fail_on)
        else:
            with (
                progress_bar(not quiet) as progress,
                temporary_analysis(captures, options, progress=progress) as database,
            ):
                code = _report(database, format, fail_on)
    sys.exit(code)


def _split(values: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())


def _report(database: Path, form: Format, fail_on: FailOn) -> int:
    """Print the result; returns the exit code."""
    from ocpp_inspect.report import facts, machine
    from ocpp_inspect.report.opened import open_database

    opened = open_database(database)
    try:
        if form is Format.JSON:
            sys.stdout.buffer.write(machine.document(opened))
        elif form is Format.JSONL:
            sys.stdout.buffer.writelines(machine.lines(opened))
        else:
            _print_summary(opened)
        sys.stdout.flush()
        found = facts.severities(opened)
    finally:
        opened.close()
    limit = {FailOn.ERROR: ("error",), FailOn.WARNING: ("error", "warning"), FailOn.NEVER: ()}[fail_on]
    return 1 if any(found.get(severity) for severity in limit) else 0


def _print_summary(opened: Any) -> None:
    from ocpp_inspect.cli.screen import print_lines, screen_width
    from ocpp_inspect.report.summary import summary

    print_lines(summary(opened, screen_width()))
