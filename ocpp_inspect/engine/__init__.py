"""Rules and OCPP items in, findings out."""

from __future__ import annotations

from ocpp_inspect.engine.anomalies import ANOMALIES
from ocpp_inspect.engine.engine import Engine
from ocpp_inspect.engine.examples import Failure, play_transcript, run_examples
from ocpp_inspect.engine.load import load_rules
from ocpp_inspect.engine.monitor import Monitor, Remark
from ocpp_inspect.engine.rule import Rule, RuleError

__all__ = [
    "ANOMALIES", "Engine", "Failure", "Monitor", "Remark", "Rule", "RuleError", "load_rules", "play_transcript",
    "run_examples",
]  # fmt: skip
