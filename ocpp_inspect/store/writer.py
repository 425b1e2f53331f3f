"""Arrow batches and CaptureInfo in, one DuckDB file out: all of a run, or nothing of it.

A new database is written beside its target under a hidden name and renamed when complete; into an existing one the
run is a single transaction. A killed process therefore leaves the old content, or none. One transaction is also the
fastest way: 1.4 µs a message of 200 bytes at a memory that does not grow with the run, against 3.4 with a commit a
batch (whose row groups are written twice); a second DuckDB thread gains nothing on batches of this size.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

from ocpp_inspect.limits import (
    FINGERPRINT_BYTES,
    STORE_CAPTURES,
    STORE_GROUP_ROWS,
    STORE_MEMORY_BYTES,
    STORE_MEMORY_MAXIMUM_BYTES,
)
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.store.columns import Batches, valid_text
from ocpp_inspect.store.layout import SCHEMAS

__all__ = ["Batches", "StoreError", "Writer", "next_capture_id"]

_VECTOR_ROWS: Final = 2048  # DuckDB's STANDARD_VECTOR_SIZE
_TABLES: Final = ("captures", "counters", *SCHEMAS)
INSERT: Final = {
    table: f"INSERT INTO {table} ({', '.join(schema.names)}) SELECT {', '.join(schema.names)} FROM incoming"  # noqa: S608
    for table, schema in SCHEMAS.items()
}
_STAGE: Final = "INSERT INTO temp.staged_findings SELECT * FROM incoming"
_FINDING_COLUMNS: Final = ", ".join(name for name in SCHEMAS["findings"].names if name != "position")
# Workers deliver in any order; the numbers must not depend on it.
_NUMBER_FINDINGS: Final = f"""
    INSERT INTO findings (finding_id, {_FINDING_COLUMNS})
    SELECT coalesce((SELECT max(finding_id) FROM findings), 0)
           + row_number() OVER (ORDER BY ts, position, rule, message_id, station, connection_id, text, evidence),
           {_FINDING_COLUMNS}
    FROM temp.staged_findings
"""  # noqa: S608 - the names are ours


class StoreError(Exception):
    """The database cannot be written or read; the text tells a person what to do."""


def sql_text(name: str) -> str:
    """The SQL file `name` of this package."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _settings() -> dict[str, str | bool | int | float | list[str]]:
    return {
        "threads": 1,
        "memory_limit": f"{STORE_MEMORY_BYTES // 1024}KiB",
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }


def open_file(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection with the settings of this package. Raises StoreError with what to do."""
    connection = duckdb.connect(config=_settings())
    try:
        quoted = str(path).replace("'", "''")
        access = ", READ_ONLY" if read_only else ""
        # Only by ATTACH can the row groups be smaller than 122,880 rows, which are held until they are full.
        connection.execute(f"ATTACH '{quoted}' AS run (ROW_GROUP_SIZE {STORE_GROUP_ROWS}{access})")
        connection.execute("USE run")
    except duckdb.Error as error:
        connection.close()
        raise _not_opened(path, error) from error
    return connection


def _not_opened(path: Path, error: duckdb.Error) -> StoreError:
    if not isinstance(error, duckdb.IOException):
        return StoreError(f"{path}: cannot be opened ({_first_line(error)})")
    if "lock" in str(error):
        return StoreError(f"{path}: in use by another program; close it and try again")
    return StoreError(f"{path}: not a DuckDB database that can be opened ({_first_line(error)})")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def next_capture_id(path: Path | None) -> int:
    """The number of the first capture of the next run into `path`: ask before decoding, packet keys carry it."""
    if path is None or not _has_content(path):
        return 1
    if path.is_dir():
        raise StoreError(f"{path}: is a directory; name a file")
    connection = open_file(path, read_only=True)
    try:
        if not own_tables(connection):
            return 1
        row = connection.execute("SELECT coalesce(max(capture_id), 0) + 1 FROM captures").fetchone()
        return int(row[0]) if row else 1
    except duckdb.Error as error:
        raise StoreError(f"{path}: not a database of this program ({_first_line(error)})") from error
    finally:
        connection.close()


def own_tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Our tables that a database has already."""
    rows = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary").fetchall()
    return {name for (name,) in rows if name in _TABLES}


def fingerprint(path: Path) -> str | None:
    """What tells the content of a capture file from others; None for what is no regular file."""
    if not path.is_file():
        return None
    size = path.stat().st_size
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        digest.update(file.read(FINGERPRINT_BYTES))
        file.seek(max(0, size - FINGERPRINT_BYTES))
        digest.update(file.read(FINGERPRINT_BYTES))
    return f"{size}-{digest.hexdigest()}"


class Writer:
    """Writes one run into a database: begin, write as often as needed, commit (or abort), close.

    `path` None makes a temporary database, which `close` removes. After `commit` the file is complete and closed:
    readers open `database`.
    """

    def __init__(self, path: Path | None) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="ocpp-inspect-")) if path is None else None
        self.database: Path = self._scratch / "run.duckdb" if self._scratch else (path or Path()).resolve()
        self._partial: Path | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._replace = False
        self._memory_bytes = STORE_MEMORY_BYTES
        self._fingerprints: dict[int, str | None] = {}  # of the captures that begin() saw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def begin(self, captures: Sequence[CaptureInfo], replace: bool = False) -> None:
        """Open the database and refuse (or, with `replace`, remove) captures that it already holds."""
        if self._connection is not None:
            raise StoreError("a run is already being written")
        self._fingerprints = {}
        self._replace = replace
        self._memory_bytes = STORE_MEMORY_BYTES
        self._connection = connection = self._open_target()
        with self._whole_or_nothing():
            connection.execute("BEGIN")
            if own_tables(connection):
                self._check_layout(connection)
            connection.execute(sql_text("schema.sql"))
            connection.execute(sql_text("views.sql"))
            empty = pa.RecordBatch.from_pylist([], schema=SCHEMAS["findings"])
            insert(connection, "CREATE TEMP TABLE staged_findings AS SELECT * FROM incoming", empty)
            self._admit(connection, captures)

    def write(self, batches: Batches) -> None:
        """Insert what `Columns.flush` gave, in any order of workers."""
        connection = self._running()
        with self._whole_or_nothing():
            for table, batch in batches.items():
                self._reserve(connection, batch)
                insert(connection, _STAGE if table == "findings" else INSERT[table], batch)

    def commit(self, captures: Sequence[CaptureInfo], counters: Mapping[str, Mapping[str, int]] | None = None) -> None:
        """Add the captures with their final figures, and make the run visible.

        `counters` (room → name → number) belong to the whole run: they are kept with its first capture.

        A capture without a file (standard input, live) is known by its packets only now, and may be refused now.
        """
        connection = self._running()
        with self._whole_or_nothing():
            self._admit(connection, [capture for capture in captures if capture.capture not in self._fingerprints])
            for capture in captures:
                self._refuse_same_packets(connection, capture)
            for capture in captures:
                insert_capture(connection, capture, self._fingerprints[capture.capture])
            if captures:
                insert_counters(connection, captures[0], counters or {})
            connection.execute(_NUMBER_FINDINGS)
            connection.execute("DROP TABLE temp.staged_findings")
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
            connection.close()
            self._connection = None
            if self._partial is not None:
                log_of(self.database).unlink(missing_ok=True)  # left by a database that somebody deleted
                self._partial.replace(self.database)
                self._partial = None

    def abort(self) -> None:
        """Forget everything written since `begin`."""
        if self._connection is not None:
            self._connection.close()  # rolls back
            self._connection = None
        if self._partial is not None:
            _remove(self._partial)
            self._partial = None

    def close(self) -> None:
        """Abort what is not committed, and remove a temporary database."""
        self.abort()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    @contextmanager
    def _whole_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError) as error:
            self.abort()
            raise StoreError(f"{self.database}: cannot be written ({_first_line(error)})") from error
        except BaseException:
            self.abort()
            raise

    def _reserve(self, connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch) -> None:
        """Let DuckDB use more memory when 2,048 rows such as these, which it handles at once, need more."""
        wanted = min(4 * _VECTOR_ROWS * batch.nbytes // max(1, batch.num_rows), STORE_MEMORY_MAXIMUM_BYTES)
        if wanted > self._memory_bytes:
            self._memory_bytes = wanted
            connection.execute(f"SET memory_limit = '{wanted // 1024}KiB'")

    def _running(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise StoreError("no run is being written; call begin first")
        return self._connection

    def _open_target(self) -> duckdb.DuckDBPyConnection:
        target = self.database
        if target.is_dir():
            raise StoreError(f"{target}: is a directory; name a file")
        if _has_content(target):
            return open_file(target)
        if not target.parent.is_dir():
            raise StoreError(f"{target.parent}: no such directory")
        partial = target.with_name(f".{target.name}.partial")
        if partial.exists():
            try:
                open_file(partial).close()  # the lock of a run that still lives refuses this
            except StoreError as error:
                if "in use" in str(error):
                    raise StoreError(f"{target}: another run is writing it; wait until it is done") from error
            _remove(partial)  # what a killed run left
        log_of(partial).unlink(missing_ok=True)
        self._partial = partial  # before it exists: a kill in between must not leave it
        return open_file(partial)

    def _check_layout(self, connection: duckdb.DuckDBPyConnection) -> None:
        wanted = {table: set(schema.names) for table, schema in SCHEMAS.items()}
        wanted["findings"].discard("position")
        rows = connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
        found: dict[str, set[str]] = {}
        for table, column in rows:
            found.setdefault(table, set()).add(column)
        for table, columns in wanted.items():
            if not columns <= found.get(table, set()):
                missing = ", ".join(sorted(columns - found.get(table, set())))
                raise StoreError(
                    f"{self.database}: its table {table} lacks {missing}: another version wrote it; name a new file"
                )

    def _admit(self, connection: duckdb.DuckDBPyConnection, captures: Sequence[CaptureInfo]) -> None:
        """Refuse a capture that is given twice or stored already; with `replace`, remove the stored one."""
        given: dict[str, str] = {}
        for capture in captures:
            if not 0 < capture.capture <= STORE_CAPTURES:
                raise StoreError(
                    f"{self.database}: full ({STORE_CAPTURES} captures were read into it); name a new file"
                )
            path = Path(capture.path)
            mark = fingerprint(path)
            self._fingerprints[capture.capture] = mark
            for key in filter(None, (mark, _absolute(path))):
                if key in given:
                    raise StoreError(f"{capture.path}: given twice (it has the same content as {given[key]})")
            given.update(dict.fromkeys(filter(None, (mark, _absolute(path))), capture.path))
            rows = connection.execute(
                "SELECT capture_id, path FROM captures WHERE absolute_path = $1 OR fingerprint = $2 OR capture_id = $3",
                [_absolute(path), mark, capture.capture],
            ).fetchall()
            self._refuse_or_remove(connection, capture, rows)

    def _refuse_same_packets(self, connection: duckdb.DuckDBPyConnection, capture: CaptureInfo) -> None:
        """The same packets under another name: compressed, converted, or piped in."""
        if capture.packets:
            rows = connection.execute(
                "SELECT capture_id, path FROM captures "
                "WHERE packets = $1 AND bytes = $2 AND epoch_ns(first_ts) = $3 AND epoch_ns(last_ts) = $4",
                [capture.packets, capture.bytes, capture.first_ns, capture.last_ns],
            ).fetchall()
            self._refuse_or_remove(connection, capture, rows)

    def _refuse_or_remove(
        self, connection: duckdb.DuckDBPyConnection, capture: CaptureInfo, stored: Sequence[tuple[int, str]]
    ) -> None:
        for number, path in stored:
            if number == capture.capture:
                raise StoreError(f"{self.database}: another run added capture {number} meanwhile; start again")
            if not self._replace:
                name = "" if path == capture.path else f" (as {path})"
                raise StoreError(
                    f"{capture.path}: already in {self.database} as capture {number}{name}; --replace writes it anew"
                )
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table} WHERE capture_id = $1", [number])  # noqa: S608 - our own names


def insert(connection: duckdb.DuckDBPyConnection, sql: str, batch: pa.RecordBatch) -> None:
    """Run a statement that selects from `incoming`, which is the batch."""
    # DuckDB finds `incoming` among our local names. To register it would put it into the catalogue, whose old entries
    # live until the transaction ends, and every batch with them.
    incoming = pa.Table.from_batches([batch])
    connection.execute(sql)
    del incoming


def _absolute(path: Path) -> str | None:
    """The path that names the file for ever; None for standard input and interfaces."""
    return str(path.resolve()) if path.is_file() else None


def log_of(database: Path) -> Path:
    """The write-ahead log that DuckDB keeps beside the file."""
    return database.with_name(database.name + ".wal")


def _remove(database: Path) -> None:
    database.unlink(missing_ok=True)
    log_of(database).unlink(missing_ok=True)


def insert_counters(
    connection: duckdb.DuckDBPyConnection, capture: CaptureInfo, counters: Mapping[str, Mapping[str, int]]
) -> None:
    """Keep what the rooms counted with one capture."""
    for room, numbers in counters.items():
        for name, number in numbers.items():
            row = [capture.capture, room, name, number]
            connection.execute("INSERT INTO counters VALUES ($1, $2, $3, $4)", row)


def insert_capture(connection: duckdb.DuckDBPyConnection, capture: CaptureInfo, mark: str | None) -> None:
    """Add the row of a capture; `mark` is the fingerprint of its file."""
    connection.execute(
        "INSERT INTO captures VALUES ($1, $2, $3, $4, $5, $6, make_timestamp_ns($7), make_timestamp_ns($8), "
        "$9, $10, $11, $12, $13, $14)",
        [
            capture.capture,
            valid_text(capture.path),
            valid_text(_absolute(Path(capture.path)) or "") or None,
            mark,
            capture.format,
            [valid_text(text) for text in capture.link_types],
            capture.first_ns if capture.packets or capture.first_ns else None,
            capture.last_ns if capture.packets or capture.last_ns else None,
            capture.packets,
            capture.bytes,
            capture.dropped_packets,
            capture.truncated,
            [valid_text(text) for text in capture.comments],
            [valid_text(text) for text in capture.notes],
        ],
    )
