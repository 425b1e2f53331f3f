"""A database that is being recorded in, a moment in which others may read it out: the wish, the loan and its end.

DuckDB locks a file that is open for writing against all other processes. A reader therefore leaves a file beside the
database (`.site.duckdb.wanted`); the recording sees it at its next tick, commits, closes the database and stays away
for a second, longer when the reader does. The file `.site.duckdb.recording` says that there is a recording to ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

_LOAN_NS: Final = 10**9
_PATIENCE_S: Final = 5.0
_STEP_S: Final = 0.02

Opened = TypeVar("Opened")


def _sign(database: Path) -> Path:
    return database.with_name(f".{database.name}.recording")


def _wish(database: Path) -> Path:
    return database.with_name(f".{database.name}.wanted")


class Loan:
    """The recording's side."""

    def __init__(self, database: Path) -> None:
        self._sign_file, self._wish_file = _sign(database), _wish(database)
        self._until_ns = 0
        self._remove(self._wish_file)
        with suppress(OSError):  # a full disk: nobody can ask then
            self._sign_file.touch()

    def is_wanted(self) -> bool:
        """Whether somebody asks."""
        return self._wish_file.exists()

    def lend(self, now_ns: int) -> None:
        """The database was closed: whoever asked may have it."""
        self._until_ns = now_ns + _LOAN_NS
        self._remove(self._wish_file)

    def is_lent(self, now_ns: int) -> bool:
        """Whether the readers' second still runs; they may hold the file longer, which shows when it is opened."""
        return now_ns < self._until_ns <= now_ns + _LOAN_NS

    def end(self) -> None:
        """The recording ends: nobody needs to ask any more."""
        self._remove(self._sign_file)
        self._remove(self._wish_file)

    def wait(self, attempt: Callable[[], bool]) -> bool:
        """Try until it works; a reader gets five seconds to finish."""
        deadline = time.monotonic() + _PATIENCE_S
        while not attempt():
            if time.monotonic() >= deadline:
                return False
            time.sleep(10 * _STEP_S)
        return True

    @staticmethod
    def _remove(file: Path) -> None:
        with suppress(OSError):  # somebody took away our right to the directory: the sign stays, and misleads nobody
            file.unlink(missing_ok=True)


def opened(database: Path, opening: Callable[[], Opened], refusals: type[Exception]) -> Opened:
    """Borrow a database and open it; raises what `opening` raises.

    On a busy machine the loan may be over before it was used: then ask again, for five seconds at most.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        borrow(database)
        try:
            return opening()
        except refusals:
            if not _sign(database.resolve()).exists() or time.monotonic() >= deadline:
                raise


def borrow(database: Path) -> None:
    """The reader's side: when a recording writes this database, ask for it and wait until it can be opened.

    Gives up silently after five seconds: opening it then says what is wrong.
    """
    database = database.resolve()
    if not _sign(database).exists():
        return
    import duckdb

    try:
        _wish(database).touch()
    except OSError:  # no right to write there: opening says that the file is in use
        return
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            duckdb.connect(str(database), read_only=True).close()
        except duckdb.Error:
            time.sleep(_STEP_S)
        else:
            break
    _wish(database).unlink(missing_ok=True)
