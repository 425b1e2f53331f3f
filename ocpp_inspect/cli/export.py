"""A database in; what others read out: a slice of the packets with findings as comments, or a vendor-neutral trace."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any

import typer


class ExportFormat(StrEnum):
    """What `--format` takes."""

    PCAPNG = "pcapng"
    TRACE = "trace"


def export(
    database: Annotated[Path, typer.Argument(help="Database written by `analyze --db`.", metavar="DB")],
    format: Annotated[  # noqa: A002
        ExportFormat | None,
        typer.Option("--format", "-f", help="Default: by the ending of --output; .jsonl is a trace."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: standard output.", metavar="FILE")
    ] = None,
    station: Annotated[str | None, typer.Option("--station", "-s", help="Only this station.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only from this moment on, as of `timeline`.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only before this moment.")] = None,
) -> None:
    """Write evidence for others: the packets of a station with findings as packet comments, or an Open OCPP Trace.

    pcapng: whole connections, cut out of the captures that were analysed; Wireshark shows each finding at the frame
    that proves it (filter: pkt_comment). trace: one JSON object a message, as many tools read it.

    Both hold what was captured, identities and passwords included: look before you send.

    [bold]Examples[/bold]

      ocpp-inspect export site.duckdb --station CP1 --output evidence.pcapng

      ocpp-inspect export site.duckdb --since +10m --until +20m --output evidence.pcapng

      ocpp-inspect export site.duckdb --station CP1 --format trace > cp1.jsonl
    """
    from ocpp_inspect.cli.failures import fail, said_clearly
    from ocpp_inspect.report.opened import NotADatabaseError, open_database

    form = format or _by_name(output)
    if form is None:
        fail("say what to write: --format pcapng or --format trace, or an --output that ends in .pcapng or .jsonl")
    if output is None and form is ExportFormat.PCAPNG and sys.stdout.isatty():
        fail("a pcapng file is nothing for a terminal: name one with --output")
    with said_clearly():
        try:
            opened = open_database(database)
        except NotADatabaseError as error:
            fail(str(error))
        try:
            choice = _choice(opened, station, since, until)
            if output is None:
                _write(opened, form, sys.stdout.buffer, choice)
            else:
                try:
                    with output.open("wb") as stream:
                        _write(opened, form, stream, choice)
                except OSError as error:
                    fail(f"{output}: cannot be written: {error.strerror}")
        finally:
            opened.close()


def _by_name(output: Path | None) -> ExportFormat | None:
    suffix = output.suffix.lower() if output is not None else ""
    return {".pcapng": ExportFormat.PCAPNG, ".jsonl": ExportFormat.TRACE, ".json": ExportFormat.TRACE}.get(suffix)


def _choice(
    opened: Any, station: str | None, since: str | None, until: str | None
) -> tuple[str | None, int | None, int | None]:
    """(station, since, until) as the database knows them."""
    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.cli.timeline import chosen
    from ocpp_inspect.report.rows import Choice

    try:
        found = chosen(opened, Choice(station, (), None), since, until, "utc")
    except ValueError as error:
        fail(str(error))
    return found.station, found.since_ns, found.until_ns


def _write(
    opened: Any, form: ExportFormat, stream: IO[bytes], choice: tuple[str | None, int | None, int | None]
) -> None:
    if form is ExportFormat.TRACE:
        from ocpp_inspect.report.trace import Trace

        trace = Trace(opened, *choice)
        stream.writelines(trace)
        stream.flush()
        rest = f"; {trace.left_out} that the format cannot hold were left out" if trace.left_out else ""
        typer.echo(f"{trace.written} messages{rest}", err=True)
        return
    from ocpp_inspect.pipeline.excerpt import Excerpt

    excerpt = Excerpt(opened, *choice)
    excerpt.write(stream)
    stream.flush()
    typer.echo(f"{excerpt.packets} packets, {excerpt.comments} of them with findings as comments", err=True)
