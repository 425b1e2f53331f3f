"""Decoded in, continuously; a database out that is whole at every moment: the base of live capture and proxy.

Rows are committed every second (or every `RECORDING_ROWS`), so after a kill, a crash or a power cut the database opens
and lacks at most the last second. Memory is bounded by what comes in one second, and by `RECORDING_HELD_BYTES` while
the database cannot be written.

Who reads meanwhile: DuckDB lets one process write, or many read. `timeline`, `timeline --follow` and `query` therefore
ask the recording to lend them the file (`pipeline.lending`): it commits, closes, keeps its rows in memory until they
are done, and goes on. Nothing has to be stopped to look at a running recording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ocpp_inspect.limits import RECORDING_HELD_BYTES, RECORDING_ROWS, RECORDING_SCRATCH_BYTES
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.pipeline.lending import Loan

if TYPE_CHECKING:
    from ocpp_inspect.pipeline.stream import Decoded
    from ocpp_inspect.store import Batches

Observer = Callable[["Decoded"], None]
"""Called with what was decoded, at once, by the thread that calls `add`; it should not keep the items alive."""

_SECOND_NS: Final = 10**9
_RETRY_NS: Final = 2 * _SECOND_NS
_FIGURES_NS: Final = 5 * _SECOND_NS  # the capture's own row is written anew this often
_NOTES: Final = 100
_NO_SPACE: Final = "No space left on device"  # ENOSPC, within DuckDB's words


class Recording:
    """One running capture. Single-threaded: one owner calls it, and it blocks while DuckDB commits (10 to 50 ms).

        recording = Recording(Path("site.duckdb"), source="live:eth0")
        chain = StreamChain(rules)                     # or Chain, fed with PacketBatch
        recording.subscribe(screen.show)
        key = packet_key(recording.info.capture, n)    # of what is fed to the chain
        recording.add(chain.feed(items))               # whenever something came
        recording.add(chain.tick(now_ns)); recording.tick(now_ns)      # about every second; oftener is cheap
        recording.add(chain.finish()); recording.close(chain.counters())

    `database` None: rows go to a temporary database, at most `RECORDING_SCRATCH_BYTES` of it, for the summary at the
    end; `dispose` removes it. The owner keeps `info` true (packets, bytes, first_ns, last_ns, dropped_packets, notes):
    its figures are written with every commit, all of it at the end. Raises StoreError when the database cannot be
    opened at all; what happens later (disk full, file taken by another program) never raises: it is told in `trouble`,
    tried again every two seconds, and what could not be kept meanwhile is counted in `lost_rows` and noted in `info`.
    """

    def __init__(self, database: Path | None, *, source: str, format: str = "live") -> None:  # noqa: A002
        from ocpp_inspect.store import Columns, next_capture_id
        from ocpp_inspect.store.appender import Appender

        self.info = CaptureInfo(capture=next_capture_id(database), path=source, format=format)
        self.trouble = ""
        """Why rows wait now, for a person; empty when all is well."""
        self.lost_rows = 0
        self.is_scratch = database is None
        """Whether the database is temporary."""
        self._is_full = False
        self._columns = Columns(RECORDING_ROWS)
        self._held: list[Batches] = []
        self._held_octets = 0
        self._observers: list[Observer] = []
        self._committed_ns = 0
        self._retry_ns = 0
        self._figures_ns = -_FIGURES_NS
        self._now_ns = 0
        self._is_closed = False
        self._appender = Appender(database)
        self._appender.start(self.info)
        self.database: Path = self._appender.database
        self._loan = Loan(self.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()
        self.dispose()

    def subscribe(self, observer: Observer) -> None:
        """Show everything added from now on to the observer, as it comes."""
        self._observers.append(observer)

    def add(self, decoded: Decoded) -> None:
        """Take what a chain gave. Commits when much has gathered; otherwise `tick` does."""
        columns = self._columns
        columns.add(decoded.items)
        columns.add_findings(decoded.findings)
        for observer in self._observers:
            observer(decoded)
        if columns.full:
            self._commit(self._now_ns)

    def tick(self, now_ns: int) -> None:
        """Let time pass (any clock that does not stand still; nanoseconds): commits once a second, lends when asked."""
        self._now_ns = now_ns
        if self._loan.is_wanted():
            self._commit(now_ns)
            self._appender.release()
            self._loan.lend(now_ns)
        elif not 0 <= now_ns - self._committed_ns < _SECOND_NS:
            self._commit(now_ns)

    def close(self, counters: Mapping[str, Mapping[str, int]] | None = None) -> None:
        """Write what is left and the capture's final row. Waits a few seconds for a reader; then `trouble` is set."""
        from ocpp_inspect.store import StoreError

        if self._is_closed:
            return
        self._is_closed = True
        self._loan.end()
        if not self._loan.wait(lambda: self._write_all(last=True)):
            rows = self._drop_held()
            self.info.notes.append(f"{rows} rows could not be written at the end: {self.trouble}")
        elif self.lost_rows:
            self.info.notes.append(f"{self.lost_rows} rows were not written, see above")
        del self.info.notes[_NOTES:]
        try:
            self._appender.conclude(self.info, counters or {})
        except StoreError as error:
            self.trouble = self.trouble or str(error)
            self._appender.release()

    def dispose(self) -> None:
        """Remove the database when it was a temporary one."""
        self._appender.close()

    @property
    def waiting_octets(self) -> int:
        """What waits to be written."""
        return self._held_octets

    # ---------------------------------------------------------------------------------------------------- writing

    def _commit(self, now_ns: int) -> None:
        self._committed_ns = now_ns
        if self._loan.is_lent(now_ns) or (self.trouble and now_ns < self._retry_ns):
            self._hold()
        else:
            self._write_all()

    def _write_all(self, *, last: bool = False) -> bool:
        """Write what is held and what is new; False when that failed and all of it is still held."""
        from ocpp_inspect.store import StoreError
        from ocpp_inspect.store.appender import BusyError

        self._hold()
        try:
            while self._held:
                is_due = last or not 0 <= self._now_ns - self._figures_ns < _FIGURES_NS
                self._appender.append(self._held[0], self.info if is_due else None)
                self._figures_ns = self._now_ns if is_due else self._figures_ns
                self._held_octets -= _octets_of(self._held.pop(0))
            if self.trouble:
                self._note(f"written again after: {self.trouble}")
                self.trouble = ""
        except BusyError:
            self._retry_ns = self._now_ns  # a reader will be done soon: look again at the next tick
            if last or self._held_octets > RECORDING_HELD_BYTES // 8:
                self.trouble = f"{self.database}: another program has it open; rows wait in memory"
            return False
        except StoreError as error:
            text = f"{self.database}: the disk is full" if _NO_SPACE in str(error) else str(error)
            if not self.trouble:
                self._note(text)
            self.trouble = text
            self._retry_ns = self._now_ns + _RETRY_NS
            return False
        self._bound_scratch()
        return True

    def _hold(self) -> None:
        batches = self._columns.flush()
        if not batches:
            return
        if self._is_full:
            self.lost_rows += _rows_of(batches)
            return
        self._held.append(batches)
        self._held_octets += _octets_of(batches)
        while self._held_octets > RECORDING_HELD_BYTES:
            oldest = self._held.pop(0)
            self._held_octets -= _octets_of(oldest)
            if not self.lost_rows:
                self._note(f"more rows waited than fit into memory, the oldest were given up: {self.trouble}")
            self.lost_rows += _rows_of(oldest)

    def _drop_held(self) -> int:
        rows = sum(map(_rows_of, self._held))
        self.lost_rows += rows
        self._held.clear()
        self._held_octets = 0
        return rows

    def _bound_scratch(self) -> None:
        if self.is_scratch and not self._is_full and self._appender.octets > RECORDING_SCRATCH_BYTES:
            self._is_full = True
            self._note("the temporary database is full, the summary ends here; name a database with --db to keep all")

    def _note(self, text: str) -> None:
        if len(self.info.notes) < _NOTES:
            self.info.notes.append(text)


def _octets_of(batches: Batches) -> int:
    return sum(int(batch.nbytes) for batch in batches.values())


def _rows_of(batches: Batches) -> int:
    return sum(int(batch.num_rows) for batch in batches.values())
