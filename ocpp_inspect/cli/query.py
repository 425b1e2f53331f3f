"""A database and SQL in, a table (or CSV, JSON, JSON lines, Parquet) out."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ocpp_inspect.store.query import Result


class Format(StrEnum):
    """How the rows are written."""

    table = "table"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"
    parquet = "parquet"


def query(
    database: Annotated[Path, typer.Argument(help="Database that `analyze --db` wrote.", metavar="DB")],
    sql: Annotated[str, typer.Argument(help="One SQL statement; `-` reads it from standard input.")] = "",
    output_format: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: table, or what the ending of --output says.", show_default=False),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file instead.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="List the tables and views with their columns.")] = False,
) -> None:
    """Ask a database anything, in SQL (DuckDB's). It is opened read-only; times are UTC.

    Start with --tables, and with the queries in docs/database.md.

    [bold]Examples[/bold]

      ocpp-inspect query site.duckdb --tables

      ocpp-inspect query site.duckdb "SELECT * FROM transactions"

      ocpp-inspect query site.duckdb "SELECT action, p95_ms FROM latency" --format csv

      ocpp-inspect query site.duckdb "SELECT * FROM messages" --output messages.parquet
    """
    from ocpp_inspect.pipeline.lending import opened as borrowed
    from ocpp_inspect.report.safe import safe
    from ocpp_inspect.store.query import TABLES_SQL, Database
    from ocpp_inspect.store.writer import StoreError

    if tables == bool(sql):
        _fail("give one SQL statement, or --tables; `ocpp-inspect query DB 'SELECT * FROM stations'`")
    statement = TABLES_SQL if tables else sys.stdin.read() if sql == "-" else sql
    chosen = output_format or _format_of(output)
    try:
        with borrowed(database, lambda: Database(database), StoreError) as opened:
            result = opened.run(statement)
            if output is not None:
                _to_file(result, chosen, output)
            elif chosen is Format.table and tables:
                _print_layout(result)
            elif chosen is Format.table:
                _print_table(result)
            else:
                _to_stdout(result, chosen)
    except StoreError as error:
        _fail("\n".join(safe(line) for line in str(error).splitlines()))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        _fail(safe(str(error)))


def _fail(text: str) -> None:
    typer.echo(text, err=True)
    raise typer.Exit(2)


def _format_of(output: Path | None) -> Format:
    ending = output.suffix.removeprefix(".").lower() if output else ""
    return Format(ending) if ending in tuple(Format) else Format.csv if output else Format.table


def _to_stdout(result: Result, chosen: Format) -> None:
    from ocpp_inspect.store.query import FORMATS

    if chosen is Format.parquet and sys.stdout.isatty():
        _fail("Parquet is not for a terminal; add --output FILE")
    FORMATS[chosen.value](result, sys.stdout.buffer)
    sys.stdout.flush()


def _to_file(result: Result, chosen: Format, output: Path) -> None:
    """Write beside the target and rename, so that a failing query leaves no half file."""
    from rich.console import Console

    from ocpp_inspect.store.query import FORMATS

    partial = output.with_name(f".{output.name}.partial")
    try:
        if chosen is Format.table:
            with partial.open("w", encoding="utf-8") as file:
                _print_table(result, Console(file=file, width=_ENDLESS))
        else:
            with partial.open("wb") as octets:
                FORMATS[chosen.value](result, octets)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def _print_layout(result: Result) -> None:
    """Each table and view with its columns, folded to the width of the page."""
    from itertools import groupby

    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from ocpp_inspect.report.safe import safe

    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in _environment() else 120)
    for (name, kind), rows in groupby(result.rows(), key=lambda row: row[:2]):
        console.print(Text.assemble((safe(name), "bold"), f" ({kind})"))
        columns = ", ".join(f"{safe(column)} {safe(type_name)}" for _, _, column, type_name in rows)
        console.print(Padding(Text(columns), (0, 0, 0, 4)))


_ENDLESS = 4_000
"""Columns of a page that nobody looks at directly: a file or a pipe."""

_NARROWEST = 8
"""Columns that a cell needs at least to be worth reading; when they do not fit, each row becomes a block of lines."""


def _print_table(result: Result, console: Console | None = None) -> None:
    from itertools import islice

    from rich.console import Console

    from ocpp_inspect.limits import QUERY_CELL_CHARACTERS, QUERY_TABLE_ROWS
    from ocpp_inspect.report.safe import safe
    from ocpp_inspect.store.query import text

    if console is None:
        console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in _environment() else _ENDLESS)
    rows = list(islice(result.rows(), QUERY_TABLE_ROWS + 1))
    cells = [
        [None if value is None else safe(_short(value) or text(value), QUERY_CELL_CHARACTERS) for value in row]
        for row in rows[:QUERY_TABLE_ROWS]
    ]
    names = [safe(name) for name in result.names]
    widths = [max([len(name), *(len(row[i] or "NULL") for row in cells)]) for i, name in enumerate(names)]
    if (
        sum(min(width, max(_NARROWEST, len(name))) + 2 for width, name in zip(widths, names, strict=True))
        > console.width
    ):
        _print_blocks(console, names, cells)
    else:
        _print_grid(console, names, result.types, cells)
    more = len(rows) > QUERY_TABLE_ROWS
    count = f"the first {QUERY_TABLE_ROWS:,} rows; --format csv or jsonl gives all" if more else _rows(len(cells))
    typer.echo(count, err=True)


def _environment() -> Any:
    import os

    return os.environ


def _short(value: Any) -> str:
    """A float without the digits that only a machine wants; "" for anything else."""
    return f"{value:.10g}" if isinstance(value, float) else ""


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _print_grid(console: Console, names: list[str], types: list[str], cells: list[list[str | None]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    numbers = ("BIGINT", "INTEGER", "DOUBLE", "HUGEINT", "DECIMAL", "UBIGINT", "FLOAT", "SMALLINT", "TINYINT")
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(names, types, strict=True):
        number = kind.startswith(numbers) and not kind.endswith("]")
        grid.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in cells:
        grid.add_row(*(Text("NULL", style="dim") if cell is None else Text(cell) for cell in row))
    console.print(grid)


def _print_blocks(console: Console, names: list[str], cells: list[list[str | None]]) -> None:
    from rich.table import Table
    from rich.text import Text

    for number, row in enumerate(cells, 1):
        console.print(Text(f"row {number}", style="bold"))
        block = Table.grid(padding=(0, 2))
        block.add_column(justify="right", style="dim", no_wrap=True)
        block.add_column(overflow="fold")
        for name, cell in zip(names, row, strict=True):
            block.add_row(Text(name), Text("NULL", style="dim") if cell is None else Text(cell))
        console.print(block)
