"""Arrow batches of one running recording in, committed rows out: a database that is whole after every batch.

`Writer` makes all of a run visible at once, which is right for files. What is recorded live must be there after a
crash, so here every batch is a transaction of its own, written to DuckDB's log beside the file and folded into the
file every `STORE_LOG_BYTES`. Measured: 20,000 messages a transaction, 12 ms; folding 16 MiB in, 35 ms.

DuckDB lets one process write, or many read. While a reader waits (it leaves a wish, see `lending`), `release` gives
the file up for a moment; `append` then fails with `BusyError` until the reader is done, and its caller keeps the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ocpp_inspect.limits import STORE_LOG_BYTES
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.store import writer
from ocpp_inspect.store.columns import Batches, valid_text
from ocpp_inspect.store.layout import SCHEMAS
from ocpp_inspect.store.writer import StoreError, Writer

_NAMES = ", ".join(name for name in SCHEMAS["findings"].names if name != "position")
_ADD_FINDINGS = f"""
    INSERT INTO findings (finding_id, {_NAMES})
    SELECT $first + row_number() OVER (ORDER BY ts, position, rule, message_id, station, connection_id, text, evidence),
           {_NAMES}
    FROM incoming
"""  # noqa: S608 - the names are ours


class BusyError(StoreError):
    """Another process has the database open."""


class Appender(Writer):
    """Writes one capture, batch by batch. `path` None makes a temporary database, which `close` removes."""

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        self._findings = 0

    def start(self, capture: CaptureInfo) -> None:
        """Open the database, or make it, and add the capture's row. Raises StoreError, BusyError."""
        if self.database.is_dir():
            raise StoreError(f"{self.database}: is a directory; name a file")
        if not self.database.parent.is_dir():
            raise StoreError(f"{self.database.parent}: no such directory")
        if not self.database.exists():
            writer.log_of(self.database).unlink(missing_ok=True)  # left by a database that somebody deleted
        connection = self._connected()
        with self._whole_or_nothing():
            connection.execute("BEGIN")
            if writer.own_tables(connection):
                self._check_layout(connection)
            connection.execute(writer.sql_text("schema.sql"))
            connection.execute(writer.sql_text("views.sql"))
            self._admit(connection, [capture])
            writer.insert_capture(connection, capture, None)
            row = connection.execute("SELECT coalesce(max(finding_id), 0) FROM findings").fetchone()
            self._findings = int(row[0]) if row else 0
            connection.execute("COMMIT")

    def append(self, batches: Batches, capture: CaptureInfo | None) -> None:
        """Insert and commit; with the capture, its figures too (13 ms: DuckDB writes the row anew).

        After an error nothing of it is in the database, and the same may be tried again.
        """
        connection = self._connected()
        added = 0
        with self._whole_or_nothing():
            connection.execute("BEGIN")
            for table, batch in batches.items():
                self._reserve(connection, batch)
                if table == "findings":
                    added = batch.num_rows
                    _insert_findings(connection, batch, self._findings)
                else:
                    writer.insert(connection, writer.INSERT[table], batch)
            if capture is not None:
                _update_figures(connection, capture)
            connection.execute("COMMIT")
        self._findings += added

    def conclude(self, capture: CaptureInfo, counters: Mapping[str, Mapping[str, int]]) -> None:
        """Write the capture's row anew with everything known at its end, fold the log in, and close the file."""
        connection = self._connected()
        with self._whole_or_nothing():
            connection.execute("BEGIN")
            connection.execute("DELETE FROM captures WHERE capture_id = $1", [capture.capture])
            writer.insert_capture(connection, capture, None)
            writer.insert_counters(connection, capture, counters)
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
            connection.close()
            self._connection = None

    def release(self) -> None:
        """Close the file, so that others can read what was committed; the next `append` opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def octets(self) -> int:
        """Size of the database with its log."""
        files = (self.database, writer.log_of(self.database))
        return sum(file.stat().st_size for file in files if file.exists())

    def _connected(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            try:
                connection = writer.open_file(self.database)
            except StoreError as error:
                if "in use" in str(error):
                    raise BusyError(str(error)) from error
                raise
            # Folding in rewrites the last row group: not at every release, only when enough has come.
            connection.execute(f"SET wal_autocheckpoint = '{STORE_LOG_BYTES // 1024}KiB'")
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            self._connection = connection
        return self._connection


def _insert_findings(connection: duckdb.DuckDBPyConnection, batch: Any, before: int) -> None:
    incoming = pa.Table.from_batches([batch])
    connection.execute(_ADD_FINDINGS, {"first": before})
    del incoming


def _update_figures(connection: duckdb.DuckDBPyConnection, capture: CaptureInfo) -> None:
    connection.execute(
        "UPDATE captures SET format = $2, first_ts = make_timestamp_ns($3), last_ts = make_timestamp_ns($4), "
        "packets = $5, bytes = $6, dropped_packets = $7 WHERE capture_id = $1",
        [
            capture.capture,
            valid_text(capture.format),
            capture.first_ns or None,
            capture.last_ns or None,
            capture.packets,
            capture.bytes,
            capture.dropped_packets,
        ],
    )
