"""Inputs in, a DuckDB file out: the only package that knows every room.

analysis    captures → a finished database, shared among `workers`
chain       packets → messages and findings; `stream` is the part above TCP, which the proxy feeds directly
recording   what a running chain gives → a database that is whole at every moment; `lending` lets others read it
"""

from __future__ import annotations

from ocpp_inspect.pipeline.analysis import analyze, temporary_analysis
from ocpp_inspect.pipeline.options import Options, Outcome, Progress

__all__ = ["Options", "Outcome", "Progress", "analyze", "temporary_analysis"]
