"""Arguments of `analyze` in; summary or JSON on stdout and an exit code out."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ocpp_inspect.cli.formats import Format
from ocpp_inspect.cli.reporter import FailOn, Reporter, acceptances_of


class Target(StrEnum):
    """What `--as` takes."""

    V201 = "2.0.1"


class Engine(StrEnum):
    """What `--engine` takes."""

    OWN = "own"
    TSHARK = "tshark"


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
    keylog: Annotated[
        list[Path] | None,
        typer.Option("--keylog", help="A TLS key log (SSLKEYLOGFILE) that opens wss (repeatable).", metavar="FILE"),
    ] = None,
    tls_key: Annotated[
        list[Path] | None,
        typer.Option("--tls-key", help="An RSA private key in PEM, for TLS 1.2 with RSA key exchange.", metavar="PEM"),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option("--engine", help="Who decodes captures; tshark: slow, for what ours cannot open (docs/tls.md)."),
    ] = Engine.OWN,
    format: Annotated[Format, typer.Option("--format", "-f", help="How to tell the result.")] = Format.RICH,  # noqa: A002
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the report to this file; the summary still goes to the terminal."),
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit 1 when there is a finding of at least this severity.")
    ] = FailOn.ERROR,
    log_format: Annotated[
        str,
        typer.Option(
            "--log-format",
            help="Lines of a text log: a regular expression with the groups time, station, direction, message.",
            metavar="REGEX",
        ),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-F", help="Go on as a text log grows, until Ctrl-C; - follows a pipe.")
    ] = False,
    judged_as: Annotated[
        Target | None,
        typer.Option("--as", help="Tell what a move to this version changes, instead of faults (docs/migration.md)."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What is legal but known to break peers weighs one step more.")
    ] = False,
    baseline: Annotated[
        list[Path] | None,
        typer.Option("--baseline", help="Findings that are known and accepted, each with a reason (repeatable)."),
    ] = None,
    quirks: Annotated[
        list[Path] | None, typer.Option("--quirks", help="The same for single stations, with end dates (repeatable).")
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option("--write-baseline", help="Accept today's findings: write them as a baseline.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Analyse captures: decode, judge, and say per station what was wrong, who is at fault and which frames prove it.

    Reads pcap and pcapng, also gzip, zstd and xz. Several files are one recording in time order. Encrypted connections
    (wss) are opened with --keylog, with the file that SSLKEYLOGFILE names, or with secrets inside a pcapng.

    Exit code: 0 clean, 1 findings at or above --fail-on, 2 wrong usage or unreadable input.

    [bold]Examples[/bold]

      ocpp-inspect analyze site.pcapng

      ocpp-inspect analyze /var/captures --db site.duckdb --fail-on warning

      ssh pi tcpdump -w - -s 0 port 9000 | ocpp-inspect analyze -

      ocpp-inspect analyze site.pcap --select RPC,SCH --format json

      ocpp-inspect analyze run.pcap --baseline known.yaml --format sarif --output run.sarif

      ocpp-inspect analyze site.pcapng --keylog site.keys

      ocpp-inspect analyze site.pcap --as 2.0.1 --format markdown --output move.md

      kubectl logs -f csms | ocpp-inspect analyze --follow - --db site.duckdb
    """
    from dataclasses import replace as replace_in

    from ocpp_inspect.cli.failures import said_clearly
    from ocpp_inspect.cli.progress import progress_bar
    from ocpp_inspect.pipeline import Options, temporary_analysis
    from ocpp_inspect.pipeline import analyze as run

    options = Options(
        rules=tuple(rules or ()),
        select=(*_split(select), *(("migration",) if judged_as else ())),
        ignore=_split(ignore),
        jobs=jobs,
        strict=strict,
        log_format=log_format,
        key_logs=(*(keylog or ()), *key_log_of_environment()),
        private_keys=tuple(tls_key or ()),
        engine=engine.value,
    )
    with said_clearly():
        accepted = acceptances_of(options, [*(baseline or ()), *(quirks or ())])
        options = replace_in(options, acceptances=accepted)
        report = Reporter(options, format, output, fail_on, write_baseline)
        if follow:
            from ocpp_inspect.cli.following import follow as follow_log

            sys.exit(follow_log(captures, db, options, report, quiet=quiet or format is not Format.RICH))
        if db is not None:
            with progress_bar(not quiet) as progress:
                run(captures, db, options, replace=replace, progress=progress)
            code = report.tell(db)
        else:
            with (
                progress_bar(not quiet) as progress,
                temporary_analysis(captures, options, progress=progress) as database,
            ):
                code = report.tell(database)
    sys.exit(code)


def key_log_of_environment() -> tuple[Path, ...]:
    """The file that every TLS stack of the session writes its keys to, if there is one already."""
    named = Path(os.environ.get("SSLKEYLOGFILE") or os.devnull)
    return (named,) if named.is_file() else ()


def _split(values: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())
