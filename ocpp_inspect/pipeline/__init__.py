"""Inputs in, a DuckDB file out: the only package that knows every room."""

from __future__ import annotations

from ocpp_inspect.pipeline.analysis import analyze, temporary_analysis
from ocpp_inspect.pipeline.options import Options, Outcome, Progress

__all__ = ["Options", "Outcome", "Progress", "analyze", "temporary_analysis"]
