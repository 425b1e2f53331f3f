"""Rules and OCPP items in, findings out."""

from __future__ import annotations

from ocpp_inspect.engine.acceptance import Acceptance, in_force, read_acceptances
from ocpp_inspect.engine.anomalies import ANOMALIES
from ocpp_inspect.engine.callers import callers
from ocpp_inspect.engine.conversation import Conversation, looks_at
from ocpp_inspect.engine.engine import Engine
from ocpp_inspect.engine.examples import Failure, play_transcript, run_examples
from ocpp_inspect.engine.load import load_rules
from ocpp_inspect.engine.monitor import Monitor, Remark
from ocpp_inspect.engine.rule import Rule, RuleError

__all__ = [
    "ANOMALIES", "Acceptance", "Conversation", "Engine", "Failure", "Monitor", "Remark", "Rule", "RuleError",
    "callers", "in_force", "load_rules", "looks_at", "play_transcript", "read_acceptances", "run_examples",
]  # fmt: skip
