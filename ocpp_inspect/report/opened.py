"""A path in; a read-only connection that cannot reach beyond its file out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import duckdb

from ocpp_inspect.limits import REPORT_MEMORY_BYTES

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": f"{REPORT_MEMORY_BYTES // 1024}KiB",
    "threads": 2,
    "preserve_insertion_order": False,  # every query that needs an order asks for it
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
}
_MAGIC: Final = b"DUCK"
_MAGIC_OFFSET: Final = 8  # behind the checksum of the main header


class NotADatabaseError(Exception):
    """The file is no database of ours, or another process is writing it."""


def is_database(path: Path) -> bool:
    """Whether a file begins as DuckDB files do."""
    try:
        with path.open("rb") as file:
            return file.read(_MAGIC_OFFSET + len(_MAGIC))[_MAGIC_OFFSET:] == _MAGIC
    except OSError:
        return False


def open_database(path: Path) -> Any:
    """A read-only connection; external access is off. Raises NotADatabaseError with what to do."""

    try:
        database = duckdb.connect(str(path), read_only=True, config=_SETTINGS)
        database.execute("SET enable_external_access = false")
        database.execute("SELECT 1 FROM messages LIMIT 0")
    except duckdb.CatalogException:
        raise NotADatabaseError(f"{path}: a DuckDB file, but not one that ocpp-inspect wrote") from None
    except duckdb.Error as error:
        raise NotADatabaseError(f"{path}: cannot be opened: {str(error).splitlines()[0][:200]}") from None
    return database
