"""Bounds, sharding and batches: no state crosses stations, nothing grows, nothing depends on the cut."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_making import Traffic, judge, make

from ocpp_inspect.engine import ANOMALIES, Engine, Monitor
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.limits import RULE_KEYS, RULE_WAITS
from ocpp_inspect.model import Loss

RULES = (
    make("when: CALL\nby: [call]\nexpect: {when: [CALLRESULT, CALLERROR], within: 30 s}\n", id="TST-001"),
    make(
        'when: ANY\nwhere: side == "station"\nexpect: {when: ANY, where: side == "station", within: 40 s}\n',
        id="TST-002",
    ),
    make("when: CALL\nby: [action]\ncount: {max: 2, within: 20 s}\n", id="TST-003"),
    make("when: B.request\nremember: {when: A.response, set: {a: latency}}\nrequire: a < 5\n", id="TST-004"),
    make("when: A.response\nexpect: {when: B.request, within: latency * 3, survives: connection}\n", id="TST-005"),
)
PROGRAM = Program(RULES, load_monitor)


def story(seed: int, stations: int = 3, length: int = 150) -> list[Any]:
    """Random traffic of several stations with losses, closes and reconnects."""
    pick = random.Random(seed)
    traffics = [Traffic(f"CP{n}", n + 1) for n in range(stations)]
    open_calls: dict[int, list[Any]] = {n: [] for n in range(stations)}
    seconds, items = 0.0, []
    for _ in range(length):
        seconds += pick.choice((0.0, 0.5, 3, 9, 35))
        n = pick.randrange(stations)
        traffic, calls = traffics[n], open_calls[n]
        what = pick.random()
        if what < 0.5:
            call = traffic.call(seconds, pick.choice("AB"), side=pick.choice(("station", "csms")))
            calls.append(call)
            items.append(call)
        elif what < 0.8 and calls:
            items.append(traffic.answer(seconds, calls.pop()))
        elif what < 0.85:
            items.append(traffic.loss(seconds, pick.choice(("station", "csms", "unknown"))))
        elif what < 0.9:
            items.append(traffic.closed(seconds))
            calls.clear()
            traffic.connection += 10
            items.append(traffic.upgrade(seconds))
        elif what < 0.92:
            items.append(Loss(0, "unknown", int(seconds * 1e9), 1, 0, "drops"))  # of any station
    for position, item in enumerate(items):
        item.position = position
    return items


def run(items: list[Any], cut: int, end_ns: int) -> list[Any]:
    engine = Engine(PROGRAM)
    found = []
    for start in range(0, len(items), cut):
        found += engine.feed(items[start : start + cut])
    return found + engine.finish(end_ns)


def order(finding: Any) -> Any:
    return finding.ts_ns, finding.position, finding.rule, finding.text


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_neither_batches_nor_shards_change_the_findings(seed: int, cut: int) -> None:
    items = story(seed)
    end_ns = items[-1].ts_ns + 10**9
    whole = run(items, len(items), end_ns)
    assert sorted(run(items, cut, end_ns), key=order) == sorted(whole, key=order)
    parts = []
    for station in ("CP0", "CP1", "CP2"):
        parts += run([item for item in items if item.station in (station, "")], cut, end_ns)
    assert sorted(parts, key=order) == sorted(whole, key=order)


def test_the_random_stories_exercise_every_rule() -> None:
    found = [finding for seed in range(10) for finding in run(story(seed), 7, 10**15)]
    assert {finding.rule for finding in found} == {rule.id for rule in RULES}
    assert {finding.verdict for finding in found} == {"violation", "inconclusive"}


def names(engine: Engine) -> set[str]:
    taken = {anomaly.name for anomaly in engine.take_anomalies()}
    assert engine.take_anomalies() == []
    return taken


def test_every_bound_is_reported() -> None:
    reached: set[str] = set()
    waits = Engine([RULES[0]])
    traffic = Traffic()
    waits.feed([traffic.call(0) for _ in range(RULE_WAITS + 5)])
    assert waits.state("CP1") is not None
    assert len(waits.finish(60 * 10**9)) == 201  # 200 told, 800 counted
    reached |= names(waits)

    keys = Engine([make("when: Q.request\nby: [payload.k]\nremember: {when: CALL, set: {a: 1}}\n")])
    keys.feed([traffic.call(0, payload={"k": k}) for k in range(RULE_KEYS + 5)])
    state = keys.state("CP1")
    assert state is not None
    assert len(state.slots[0]) == RULE_KEYS
    reached |= names(keys)

    stations = Engine([RULES[0]], stations=20)
    stations.feed([Traffic(f"CP{n}", n + 1).call(n) for n in range(200)])
    assert sum(stations.state(f"CP{n}") is not None for n in range(200)) == 20
    reached |= names(stations)

    def broken(_rule: Any) -> Any:
        class Broken(Monitor):
            def feed(self, _item: Any) -> Any:
                raise ValueError

        return Broken

    python = Engine(Program([make("when: CALL\npython: a.py:A\n")], broken))
    python.feed([traffic.call(0)])
    reached |= names(python)
    assert reached == set(ANOMALIES) - {"pipeline.same_session"}  # no bound; see test_engine_honesty.py


def test_a_busy_station_outlives_a_scan_of_identities() -> None:
    engine = Engine([RULES[0]], stations=20)
    busy = Traffic("BUSY", 999)
    for n in range(500):
        engine.feed([busy.call(n), Traffic(f"SCAN{n}", n + 1).call(n)])
    assert engine.state("BUSY") is not None


def test_settled_expectations_leave_nothing_behind() -> None:
    engine = Engine(PROGRAM)
    traffic = Traffic()
    for n in range(2000):
        call = traffic.call(n, "C")
        engine.feed([call, traffic.answer(n, call)])
    state = engine.state("CP1")
    assert state is not None
    assert state.open_waits == 1  # the silence of the station
    assert len(state.heap) <= 3
    assert all(len(slot) <= 2 for slot in state.slots if type(slot) is dict)


@pytest.mark.parametrize("payload", [None, [], "x", 7, {"a": {}}, [[[]]], {"k": []}, float("nan")])
def test_odd_payloads_are_silent(payload: Any) -> None:
    rules = [
        make(
            "when: CALL\nby: [payload.k]\nrequire: payload.a < 5\nremember: {when: CALL, set: {last: payload.a + 1}}\n"
        ),
        make("when: CALL\nrequire: number(payload.a) > len(payload.k)\n", id="TST-002"),
        make("when: CALL\nby: [payload]\nexpect: {when: ANY, within: payload.a}\n", id="TST-003"),
    ]
    call = Traffic().call(0)
    call.payload = payload
    assert judge([call], *rules, end=99) == []
