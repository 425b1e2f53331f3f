"""OcppItem and Finding in, one DuckDB file out: `Columns` in every worker, `Writer` in the parent."""

from ocpp_inspect.store.columns import Columns, pack, unpack
from ocpp_inspect.store.writer import Batches, StoreError, Writer, next_capture_id

__all__ = ["Batches", "Columns", "StoreError", "Writer", "next_capture_id", "pack", "unpack"]
