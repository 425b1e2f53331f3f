"""The limit that a charging profile sets for a stretch of time, against one that is looked up second by second."""

from __future__ import annotations

import random
import sys
import types
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_inspect.engine import load_rules
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.resources import data_directory

WHO = {"id": 1, "chargingProfilePurpose": "TxProfile", "stackLevel": 0}
NOON = 1_767_268_800  # 2026-01-01T12:00:00Z


@pytest.fixture(scope="module")
def installed() -> types.ModuleType:
    rule = next(rule for rule in load_rules([data_directory("rules")]) if rule.id == "SC-020")
    return sys.modules[load_monitor(rule).__mro__[1].__module__]


def written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def some_profile(rnd: random.Random) -> dict[str, Any]:
    starts = [0, *sorted(rnd.sample(range(1, 400), rnd.randrange(0, 4)))]
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": rnd.randrange(0, 33)} for start in starts],
    }
    kind = rnd.choice(["Absolute", "Recurring", "Relative"])
    data: dict[str, Any] = {"chargingProfileKind": kind, "chargingSchedule": schedule}
    if kind == "Recurring":
        data["recurrencyKind"] = "Daily"
    if kind != "Relative":
        days = rnd.randrange(0, 3) if kind == "Recurring" else 0
        schedule["startSchedule"] = written(NOON - days * 86_400 - rnd.randrange(-50, 300))
    if rnd.random() < 0.4:
        schedule["duration"] = rnd.randrange(1, 600)
    if rnd.random() < 0.2:
        data["validFrom"] = written(NOON + rnd.randrange(-100, 100))
    if rnd.random() < 0.2:
        data["validTo"] = written(NOON + rnd.randrange(0, 400))
    return data


def limit_at(data: dict[str, Any], moment: int) -> float | None:
    """What holds in this second; None when nothing does, or nobody knows."""
    schedule = data["chargingSchedule"]
    periods = [(period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]]
    for key, before in (("validFrom", True), ("validTo", False)):
        if key in data and (moment < datetime.fromisoformat(data[key]).timestamp()) is before:
            return None
    if data["chargingProfileKind"] == "Relative":
        return periods[0][1] if len(periods) == 1 and "duration" not in schedule else None
    since = moment - int(datetime.fromisoformat(schedule["startSchedule"]).timestamp())
    if since < 0:
        return None
    if data["chargingProfileKind"] == "Recurring":
        since %= 86_400
    if since >= schedule.get("duration", 10**9):
        return None
    return [limit for start, limit in periods if start <= since][-1]


def test_a_ceiling_is_the_highest_limit_of_every_second(installed: types.ModuleType) -> None:
    rnd = random.Random(5)
    known = 0
    for _ in range(3000):
        data = some_profile(rnd)
        since = NOON + rnd.randrange(0, 200)
        until = since + rnd.randrange(0, 180)
        profile = installed.read_profile({**WHO, **data}, 1, 0.0)
        each = [limit_at(data, moment) for moment in range(since, until + 1)]
        found = profile.ceiling("A", float(since), float(until))
        if None in each:
            assert found is None, data
        elif found is not None:
            known += 1
            assert found == max(limit for limit in each if limit is not None), data
        else:  # a day's schedule that begins anew meanwhile is left alone
            assert data["chargingProfileKind"] == "Recurring", data
    assert known > 500


def test_a_ceiling_is_unknown_without_certainty(installed: types.ModuleType) -> None:
    period = {"startPeriod": 0, "limit": 16}
    schedule: dict[str, Any] = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    plain = {"chargingProfileKind": "Relative", "chargingSchedule": schedule}

    def ceiling(data: dict[str, Any], unit: str = "A", since: float = 10.0) -> float | None:
        found: float | None = installed.read_profile({**WHO, **data}, 1, 5.0).ceiling(unit, since, 20.0)
        return found

    def with_period(**fields: Any) -> dict[str, Any]:
        return {**plain, "chargingSchedule": {**schedule, "chargingSchedulePeriod": [{**period, **fields}]}}

    assert ceiling(plain) == 16
    assert ceiling({**plain, "chargingSchedule": [schedule]}) == 16
    assert ceiling(plain, "W") is None
    assert ceiling(plain, since=4.0) is None  # it was not set yet
    assert ceiling({**plain, "chargingSchedule": [schedule, schedule]}) is None
    assert ceiling({**plain, "chargingProfileKind": "Dynamic"}) is None
    assert ceiling({**plain, "maxOfflineDuration": 5}) is None
    for fields in ({"startPeriod": 5}, {"operationMode": "Idle"}, {"limit": "16"}, {"limit": -1}, {"limit_L2": 5}):
        assert ceiling(with_period(**fields)) is None
