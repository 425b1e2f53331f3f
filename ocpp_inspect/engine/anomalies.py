"""The names under which the engine reports what it does not judge: beyond its bounds, or there already."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    "pipeline.rule_stations_limit": "More stations than the rule engine keeps: the state of the quietest was dropped.",
    "pipeline.rule_keys_limit": "A rule had more keys of one station than it keeps: the oldest was forgotten.",
    "pipeline.rule_waits_limit": "More open expectations of one station than are kept: the newest was dropped.",
    "pipeline.same_session": "A session was captured on both sides of a proxy: both are kept, one of them is judged.",
    "pipeline.rule_failed": "A Python rule raised an exception: it is switched off for this station.",
}
