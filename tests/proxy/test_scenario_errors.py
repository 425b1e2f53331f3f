"""Every fault of a scenario file is told with its place and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocpp_inspect.engine import RuleError
from ocpp_inspect.proxy.scenario import load_scenario, parse_scenario


def step(body: str) -> str:
    return "title: T\nsteps:\n  - " + body.replace("\n", "\n    ")


FAULTS = [
    ("", 1, 1, "empty"),
    ("title: T", 1, 1, "'steps' is missing"),
    ("title: T\nsteps: []", 2, 8, "list of steps"),
    ("title: T\nsteps: x", 2, 8, "list of steps"),
    ("title: T\ntitle: U\nsteps: []", 2, 1, "given twice"),
    ("titel: T\nsteps: []", 1, 1, "did you mean 'title'"),
    ("title: T\nseed: -1\nsteps:\n  - {when: CALL, do: drop}", 2, 7, "no whole number"),
    (step("when: CALL"), 3, 5, "'do' is missing"),
    (step("when: Heartbeet\ndo: drop"), 3, 11, "did you mean 'Heartbeat'"),
    (step("when: Heartbeet.request\ndo: drop"), 3, 11, "did you mean 'Heartbeat'"),
    (step("when: Loss\ndo: drop"), 3, 11, "no trigger"),
    (step("when: [CALL, Upgrade]\ndo: drop"), 4, 9, "message and upgrade"),
    (step("when: CALL\ndo: dorp"), 4, 9, "did you mean 'drop'"),
    (step("when: CALL\ndo: []"), 4, 9, "nothing is to be done"),
    (step("when: CALL\ndo: delay"), 4, 9, "'delay' needs to be told what"),
    (step("when: CALL\ndo: {drop: now}"), 4, 16, "takes nothing"),
    (step("when: CALL\ndo: {delay: 5}"), 4, 17, "no duration"),
    (step("when: CALL\ndo: {delay: 25 h}"), 4, 17, "out of range"),
    (step("when: CALL\ndo: {duplicate: 1}"), 4, 21, "from 2 to 100"),
    (step("when: CALL\ndo: [drop, cut]"), 4, 9, "decide alone"),
    (step("when: CALL\ndo: [drop, duplicate]"), 4, 9, "cannot be modified or duplicated"),
    (step("when: CALL\nfrom: charger\ndo: drop"), 4, 11, "none of station, csms"),
    (step("when: CALL\nnth: 0\ndo: drop"), 4, 10, "no whole number"),
    (step("when: CALL\nnth: 1\nevery: 2\ndo: drop"), 5, 12, "`nth` and `every`"),
    (step("when: CALL\nprobability: 120%\ndo: drop"), 4, 18, "no probability"),
    (step("when: CALL\nduring: {from: 5 s, to: 1 s}\ndo: drop"), 4, 13, "not behind"),
    (step("when: CALL\nwhere: payload.x ==\ndo: drop"), 4, 24, "not an expression"),
    (step("when: CALL\nwhere: payloat.x == 1\ndo: drop"), 4, 12, "did you mean 'payload'"),
    (step('when: CALL\nwhere: matches(action, "(a+)+")\ndo: drop'), 4, 12, "repetition"),
    (step("when: CALL\nwhere: __import__('os')\ndo: drop"), 4, 12, "no function"),
    (step("when: CALL\ndo: {modify: {}}"), 4, 18, "nothing is to be modified"),
    (step("when: CALL\ndo: {modify: {set: {a..b: 1}}}"), 4, 26, "no path"),
    (step('when: CALL\ndo: {modify: {set: {a: "{payload.x +}"}}}'), 4, 41, "not an expression"),
    (step('when: CALL\ndo: {modify: {set: {a: "{nothing}"}}}'), 4, 30, "unknown name"),
    (step('when: CALL\ndo: {modify: {set: {a: "}"}}}'), 4, 28, "no partner"),
    (step("when: CALL\ndo: {modify: {payload: {}, delete: [a]}}"), 4, 28, "replaces all"),
    (step("when: CALL\ndo: {modify: {payload: 5}}"), 4, 28, "mapping"),
    (step("when: Ping\ndo: {modify: {text: x}}"), 4, 9, "cannot be modified"),
    (step("when: CALLRESULT\ndo: {answer: {payload: {}}}"), 4, 9, "only a CALL can be answered"),
    (step("when: CALL\ndo: {answer: {payload: {}, error: X}}"), 4, 18, "a payload or an error"),
    (step("when: CALL\ndo: {answer: {payload: {}, details: {}}}"), 4, 41, "belongs to an error"),
    (step("when: CALL\ndo: {inject: {call: Reset}}"), 4, 18, "'to' is missing"),
    (step("when: CALL\ndo: {inject: {to: station}}"), 4, 18, "a call or a text"),
    (step("when: CALL\ndo: {inject: {to: station, call: Resett}}"), 4, 38, "did you mean 'Reset'"),
    (step("when: CALL\ndo: {inject: {to: csms, call: Reset, payload: {type: Soft}}}"), 4, 35, "not for the station"),
    (step("when: CALL\ndo: {inject: {to: station, call: Reset, payload: {type: Warm}}}"), 4, 54, "$.type"),
    (step("when: CALL\ndo: {refuse: 503}"), 4, 9, "an Upgrade can be refused"),
    (step("when: Upgrade\ndo: drop"), 4, 9, "`refuse`"),
    (step("when: Upgrade\ndo: {refuse: 200}"), 4, 18, "from 300 to 599"),
    (step('when: Upgrade\ndo: {refuse: {status: 503, headers: {"a b": c}}}'), 4, 42, "no header name"),
    (step('when: Upgrade\ndo: {refuse: {status: 503, reason: "a\\r\\nb"}}'), 4, 40, "one line of ASCII"),
    (step("when: Opened\ndo: drop"), 4, 9, "only inject, close and cut"),
    (step("when: CALL\ndo: {close: 99}"), 4, 17, "from 1000 to 4999"),
    ("title: T\nsteps:\n  - &a {when: CALL, do: drop}\n  - *a", 3, 5, "anchors"),
    ("title: T\nsteps:\n  - {when: CALL, do: !secret x}", 3, 22, "tag"),
    ("title: T\nsteps:\n  - when: CALL\n   do: drop", 4, 4, "not YAML"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), FAULTS)
def test_a_fault_is_told_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_scenario(text, "s.yaml")
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="cannot be read"):
        load_scenario(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"\xff")
    with pytest.raises(RuleError, match="not UTF-8"):
        load_scenario(tmp_path / "bad.yaml")


def test_force_sends_what_the_schema_refuses() -> None:
    scenario = parse_scenario(step("when: CALL\ndo: {inject: {to: station, call: Foo, force: true}}"), "s")
    assert len(scenario.steps) == 1
