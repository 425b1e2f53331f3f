"""A database file and SQL in, rows out: as Arrow batches, CSV, JSON, JSON lines or Parquet.

The database is opened read-only, without files, network, extensions or settings for the statement to reach, because
people paste statements from the web and databases come from strangers. Every format is written batch by batch, so
that memory does not grow with the answer. Times are UTC, with all nine digits.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocpp_inspect.limits import QUERY_MEMORY_BYTES
from ocpp_inspect.store.writer import StoreError

TABLES_SQL: Final = """
    SELECT
        coalesce(v.view_name, c.table_name) AS name,
        CASE WHEN v.view_name IS NULL THEN 'table' ELSE 'view' END AS kind,
        c.column_name AS "column",
        c.data_type AS type
    FROM duckdb_columns() AS c
    LEFT JOIN duckdb_views() AS v ON v.view_name = c.table_name AND NOT v.internal
    WHERE NOT c.internal
    ORDER BY kind, name, c.column_index
"""

_BATCH_ROWS: Final = 2_000


class Result:
    """The answer to one statement: column names, DuckDB type names, and the rows, read once."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self.names: list[str] = list(relation.columns)
        self.types: list[str] = [str(kind) for kind in relation.types]
        self._reader = relation.to_arrow_reader(_BATCH_ROWS)
        self.schema = self._reader.schema

    def batches(self) -> Iterator[Any]:
        """The rows as pyarrow.RecordBatch."""
        try:
            yield from self._reader
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # a failing cast shows when its row is reached
            raise StoreError(sql_error(error)) from error

    def close(self) -> None:
        """Give up the rows that were not read: a stream left open keeps the database open, even when it is closed."""
        self._reader.close()
        del self._reader

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows as Python values; times are text."""
        for batch in self.batches():
            columns = [_values(column, kind) for column, kind in zip(batch.columns, self.types, strict=True)]
            yield from zip(*columns, strict=True)


class Database:
    """A database opened for reading only; use it as a context manager."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"{path}: no such database; `analyze CAPTURE --db {path.name}` makes one")
        self._results: list[Result] = []
        settings: dict[str, str | bool | int | float | list[str]] = {
            "enable_external_access": False,
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,  # FROM must name a table, not a variable of ours
            "memory_limit": f"{QUERY_MEMORY_BYTES // 1024}KiB",
        }
        try:
            self._connection = duckdb.connect(str(path), read_only=True, config=settings)
            self._connection.execute("SET TimeZone = 'UTC'")
            self._connection.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            text = sql_error(error)
            if "lock" in text:
                raise StoreError(f"{path}: in use by another program; try again when it is done") from error
            raise StoreError(f"{path}: not a database of this program ({text.splitlines()[0]})") from error

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        for result in self._results:
            result.close()
        self._connection.close()

    def run(self, sql: str) -> Result:
        """The answer to a statement; StoreError says what is wrong with it."""
        try:
            relation = self._connection.sql(sql)
            if relation is None:
                raise StoreError("there is no SQL statement in what was given")
            result = Result(relation)
            self._results.append(result)
            return result
        except duckdb.Error as error:
            raise StoreError(sql_error(error)) from error


def sql_error(error: Exception) -> str:
    """What DuckDB says: the fault, and the place in the statement when it knows."""
    return str(error).strip() or type(error).__name__


def _values(column: Any, kind: str) -> list[Any]:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_timestamp(column.type):
        return list(map(_iso, pc.cast(column.cast(pa.timestamp(column.type.unit)), pa.string()).to_pylist()))
    values: list[Any] = column.to_pylist()
    return values if kind != "JSON" else [None if value is None else str(value) for value in values]


def _iso(text: str | None) -> str | None:
    """ISO 8601 in UTC (RFC 3339 §5.6)."""
    if text is None:
        return None
    return text.removesuffix("Z").replace(" ", "T", 1) + "Z"


def plain(value: Any) -> Any:
    """The value as something that JSON knows."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # JSON has neither NaN nor Infinity (RFC 8259 §6)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value)


def text(value: Any) -> str:
    """The value as a person reads it, on one line of CSV or in a cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    if isinstance(value, float):
        return repr(value)
    return str(plain(value)) if not isinstance(value, bool) else str(value).lower()


def _member(value: Any, kind: str) -> bytes:
    if kind == "JSON" and value is not None:
        octets = value.encode()
        try:
            orjson.loads(octets)
            return bytes(octets)  # JSON inside JSON, not a text with quotes in it
        except orjson.JSONDecodeError:
            return json.dumps(value).encode()
    return json.dumps(plain(value), ensure_ascii=False).encode()


def _objects(result: Result) -> Iterator[bytes]:
    names = [json.dumps(name, ensure_ascii=False).encode() for name in unique(result.names)]
    for row in result.rows():
        members = zip(names, row, result.types, strict=True)
        yield b"{" + b",".join(name + b":" + _member(value, kind) for name, value, kind in members) + b"}"


def unique(names: Sequence[str]) -> list[str]:
    """The column names, a number behind those that came before: JSON and Parquet need them distinct."""
    seen: set[str] = set()
    result = []
    for name in names:
        number, wanted = 1, name
        while wanted in seen:
            number += 1
            wanted = f"{name}_{number}"
        seen.add(wanted)
        result.append(wanted)
    return result


def write_csv(result: Result, out: BinaryIO) -> None:
    """CSV with a header line (RFC 4180, but LF): NULL is empty, lists are JSON."""
    stream = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.names)
    for row in result.rows():
        writer.writerow([text(value) for value in row])
    stream.flush()
    stream.detach()


def write_json(result: Result, out: BinaryIO) -> None:
    """One JSON array of objects."""
    separator = b"[\n"
    for row in _objects(result):
        out.write(separator + row)
        separator = b",\n"
    out.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def write_jsonl(result: Result, out: BinaryIO) -> None:
    """One JSON object a line."""
    for row in _objects(result):
        out.write(row + b"\n")


def write_parquet(result: Result, out: BinaryIO) -> None:
    """One Parquet file, compressed with zstd."""
    names = unique(result.names)
    fields = []
    for name, field in zip(names, result.schema, strict=True):
        kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        fields.append(pa.field(name, kind))
    schema = pa.schema(fields)
    try:
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            for batch in result.batches():
                columns = [c.storage if isinstance(c, pa.ExtensionArray) else c for c in batch.columns]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    except pa.ArrowNotImplementedError as error:
        raise StoreError(f"Parquet cannot hold a column of this answer ({error}); cast it to VARCHAR") from error


FORMATS: Final = {"csv": write_csv, "json": write_json, "jsonl": write_jsonl, "parquet": write_parquet}
"""Format name → function that writes a result to a binary stream."""
