"""Dialogues with the director: messages in, decisions out, no socket anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ocpp_inspect.proxy.interception import Drop, Forward, Link, Passing, Replace, UpgradeAttempt
from ocpp_inspect.proxy.scenario import Decision, Director, parse_scenario
from ocpp_inspect.proxy.scenario.examples import outcome
from ocpp_inspect.proxy.scenario.values import PathPattern


class Table:
    """A scenario and some stations around it."""

    def __init__(self, steps: str, seed: int = 0) -> None:
        self.director = Director(parse_scenario(f"title: T\nseed: {seed}\nsteps:\n{steps}", "s.yaml"), 0)
        self.links: dict[str, Link] = {}

    def link(self, station: str = "CP1", subprotocol: str | None = "ocpp1.6") -> Link:
        if station not in self.links:
            number = len(self.links) + 1
            self.links[station] = Link(number, station, f"/{station}", subprotocol, "a:1", "ws://b")
            self.director.opened(self.links[station], 0)
        return self.links[station]

    def say(self, arrow: str, text: str, station: str = "CP1", at: float = 1.0) -> Decision | None:
        sender: Any = "station" if arrow == ">" else "csms"
        passing = Passing(self.link(station), sender, int(at * 1e9), 1, text, text.encode(), b"", 1, False)
        return self.director.message(passing)[1]

    def beat(self, number: int, station: str = "CP1", at: float = 1.0) -> str:
        """A Heartbeat and its answer; what happens to the answer."""
        assert self.say(">", f'[2,"{number}","Heartbeat",{{}}]', station, at) is None
        return outcome(self.say("<", f'[3,"{number}",{{"currentTime":"x"}}]', station, at))


def beats(steps: str, number: int = 8, **more: Any) -> list[int]:
    """Which answers to Heartbeats are dropped."""
    table = Table(steps, **more)
    return [n for n in range(1, number + 1) if table.beat(n) == "drop"]


DROP = "  - {when: Heartbeat.response, do: drop, "


@pytest.mark.parametrize(
    ("keys", "dropped"),
    [
        ("nth: 3", [3]),
        ("nth: [2, 5]", [2, 5]),
        ("every: 3", [3, 6]),
        ("after: 6", [7, 8]),
        ("times: 2", [1, 2]),
        ("after: 2, every: 2, times: 2", [4, 6]),
        ("probability: 0", []),
        ("probability: 100%", [1, 2, 3, 4, 5, 6, 7, 8]),
        ('where: unique_id == "4"', [4]),
        ('where: request.missing == "4"', []),
        ("from: station", []),
        ("station: CP?", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("station: XX*", []),
    ],
)
def test_which_of_the_messages_that_fit(keys: str, dropped: list[int]) -> None:
    assert beats(DROP + keys + "}") == dropped


def test_chance_is_repeated_by_the_seed_and_independent_between_stations() -> None:
    keys = DROP + "probability: 0.5}"
    first = beats(keys, 200, seed=1)
    assert 60 < len(first) < 140
    assert beats(keys, 200, seed=1) == first
    assert beats(keys, 200, seed=2) != first
    table = Table(keys, seed=1)
    mixed: list[int] = []
    for number in range(1, 201):
        table.beat(number, "CP2")
        if table.beat(number, "CP1") == "drop":
            mixed.append(number)
    assert mixed == first


@pytest.mark.parametrize(("per", "dropped"), [("station", "111"), ("all", "100"), ("connection", "111")])
def test_counting_is_kept_apart_as_told(per: str, dropped: str) -> None:
    table = Table(DROP + f"nth: 1, per: {per}}}")
    assert "".join(str(int(table.beat(1, station) == "drop")) for station in ("A", "B", "C")) == dropped


def test_a_step_counts_what_another_one_takes() -> None:
    table = Table(DROP + "nth: 1}\n  - {when: Heartbeat.response, nth: 2, do: duplicate}")
    assert [table.beat(number) for number in (1, 2, 3)] == ["drop", "duplicate 2", ""]


def test_windows_are_counted_from_the_opening_or_the_loading() -> None:
    table = Table(DROP + "during: {from: 10 s, to: 20 s}}")
    assert [table.beat(n, at=at) for n, at in ((1, 9.9), (2, 10.0), (3, 19.9), (4, 20.0))] == ["", "drop", "drop", ""]


def test_an_answer_that_belongs_to_no_call_has_no_action() -> None:
    table = Table("  - {when: Heartbeat.response, do: drop}")
    assert table.say("<", '[3,"9",{}]') is None


@pytest.mark.parametrize(
    ("modify", "wanted"),
    [
        ("{set: {a.b: 5}}", '[2,"1","X", {"a" : {"b":5,"c":1.50}, "l":[{"x":1},{"x":2}]}]'),
        ("{set: {a.b: '5'}}", '[2,"1","X", {"a" : {"b":"5","c":1.50}, "l":[{"x":1},{"x":2}]}]'),
        ("{set: {'$.l[*].x': true}}", '[2,"1","X", {"a" : {"b":1,"c":1.50}, "l":[{"x":true},{"x":true}]}]'),
        ("{delete: ['l[0]', a.c]}", '[2,"1","X", {"a" : {"b":1}, "l":[{"x":2}]}]'),
        ("{set: {new: [null, 1]}}", '[2,"1","X", {"a" : {"b":1,"c":1.50}, "l":[{"x":1},{"x":2}], "new":[null,1]}]'),
        ("{set: {a: '{payload.a.b + 1}'}}", '[2,"1","X", {"a" : 2, "l":[{"x":1},{"x":2}]}]'),
        ("{set: {a: 'n={payload.a.b}, {{{action}}}'}}", '[2,"1","X", {"a" : "n=1, {X}", "l":[{"x":1},{"x":2}]}]'),
        ("{payload: {z: 1}}", '[2,"1","X", {"z":1}]'),
        ("{action: Y, unique_id: '7'}", '[2,"7","Y", {"a" : {"b":1,"c":1.50}, "l":[{"x":1},{"x":2}]}]'),
        ("{text: 'not JSON {unique_id}'}", "not JSON 1"),
    ],
)  # fmt: skip
def test_modify(modify: str, wanted: str) -> None:
    table = Table(f"  - when: CALL\n    do: {{modify: {modify}}}")
    decision = table.say(">", '[2,"1","X", {"a" : {"b":1,"c":1.50}, "l":[{"x":1},{"x":2}]}]')
    assert decision is not None
    assert decision.problems == []
    assert [act.text for act in decision.acts if isinstance(act, Replace)] == [wanted]


@pytest.mark.parametrize(
    "modify",
    ["{set: {a.b.c: 1}}", "{set: {none.b: 1}}", "{set: {b: '{payload.none}'}}", "{set: {'l[9]': 1}}",
     "{error_code: X}", "{set: {b: '{payload.a:time}'}}", "{set: {b: '{9999999999 * 9999999999}'}}"],
)  # fmt: skip
def test_what_cannot_be_modified_passes_as_it_is_and_is_said(modify: str) -> None:
    table = Table(f"  - when: CALL\n    do: {{modify: {modify}}}")
    decision = table.say(">", '[2,"1","X",{"a":{"b":1},"l":[]}]')
    assert decision is not None
    assert [type(act) for act in decision.acts] == [Forward]
    assert decision.problems


def test_what_is_no_message_can_be_dropped_or_replaced() -> None:
    table = Table("  - {when: INVALID, nth: 1, do: drop}\n  - {when: INVALID, do: {modify: {text: '[3]'}}}")
    assert outcome(table.say(">", "[2,]")) == "drop"
    assert outcome(table.say(">", "hello")) == "modify"


def test_an_answer_in_the_receivers_place() -> None:
    table = Table("  - {when: CALL, from: csms, do: {answer: {error: InternalError, details: {a: 1}}}}")
    decision = table.say("<", '[2,"5","Reset",{"type":"Hard"}]')
    assert decision is not None
    [injection] = decision.injections
    assert (injection.to, json.loads(injection.text)) == ("csms", [4, "5", "InternalError", "", {"a": 1}])
    assert injection.is_before
    assert [type(act) for act in decision.acts] == [Drop]


def test_an_injected_call_is_checked_for_the_version_of_the_connection() -> None:
    steps = """
  - when: Heartbeat.request
    do: {inject: {to: station, call: TriggerMessage, payload: {requestedMessage: "{'Heartbeat'}"}}}
"""
    table = Table(steps)
    decision = table.say(">", '[2,"1","Heartbeat",{}]')
    assert decision is not None
    [injection] = decision.injections
    message = json.loads(injection.text)
    assert message[2:] == ["TriggerMessage", {"requestedMessage": "Heartbeat"}]
    assert message[1] == injection.unique_id
    assert len(message[1]) == 36
    table = Table(steps.replace("'Heartbeat'", "'Nothing'"))
    decision = table.say(">", '[2,"1","Heartbeat",{}]')
    assert decision is not None
    assert not decision.injections
    assert "$.requestedMessage" in decision.problems[0]


def test_a_send_of_2_1_is_injected_as_one() -> None:
    table = Table("""
  - when: Heartbeat.request
    do:
      inject:
        to: csms
        call: NotifyPeriodicEventStream
        payload: {id: 1, pending: 0, basetime: "2026-01-01T00:00:00Z", data: [{t: 0, v: "1"}]}
""")
    table.link(subprotocol="ocpp2.1")
    decision = table.say(">", '[2,"1","Heartbeat",{}]')
    assert decision is not None
    [injection] = decision.injections
    assert json.loads(injection.text)[0] == 6
    assert injection.unique_id == "", "no answer is waited for"


def test_an_upgrade_is_refused_so_many_times() -> None:
    table = Table('  - {when: Upgrade, station: "CP*", times: 1, do: {refuse: {status: 401, body: no}}}')
    attempt = UpgradeAttempt(1, "CP1", "/CP1", "a:1", {})
    refusal = table.director.upgrade(attempt, 0)
    assert refusal is not None
    assert (refusal.status, refusal.reason, refusal.body) == (401, "Unauthorized", "no")
    assert table.director.upgrade(attempt, 0) is None
    assert table.director.upgrade(UpgradeAttempt(1, "XX", "/XX", "a:1", {}), 0) is None


def test_links_that_no_step_is_about_are_left_alone() -> None:
    table = Table("  - {when: CALL, station: CP1, do: drop}\n  - {when: Upgrade, do: refuse}")
    assert table.director.concerns(table.link("CP1"))
    assert not table.director.concerns(table.link("CP2"))


def test_control_frames() -> None:
    table = Table("  - {when: Ping, every: 2, do: drop}\n  - {when: Close, where: code == 1001, do: {delay: 1 s}}")

    def control(opcode: int, payload: bytes) -> str:
        passing = Passing(table.link(), "station", 1, opcode, None, payload, b"", 1, False)
        return outcome(table.director.message(passing)[1])

    assert [control(9, b""), control(9, b"")] == ["", "drop"]
    assert [control(8, b"\x03\xe8"), control(8, b"\x03\xe9bye"), control(8, b"")] == ["", "delay 1 s", ""]


@pytest.mark.parametrize(
    "text", ['[2,"1","X",5]', "[]", "[2]", "{}", "null", '"x"', "[3,{},[]]", '[4,"1","X"]', "[[[[", "\0"]
)
def test_odd_texts_pass(text: str) -> None:
    table = Table("  - {when: Heartbeat, do: drop}\n  - {when: CALLRESULT, do: {modify: {set: {a: 1}}}}")
    assert table.say(">", text) is None


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ["a"]),
        ("$.a.b", ["a", "b"]),
        ("a[0][-1].b", ["a", 0, -1, "b"]),
        ("[*].x", [None, "x"]),
        ('a["x y"].z', ["a", "x y", "z"]),
    ],
)
def test_paths(text: str, steps: list[Any]) -> None:
    assert PathPattern(text).steps == steps


@pytest.mark.parametrize("text", ["", "$", "a.", "a..b", "a[", "a[x]", "a b", "a]"])
def test_no_paths(text: str) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        PathPattern(text)


TEXTS = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=6),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(
    some.lists(
        some.tuples(
            some.sampled_from("<>"),
            TEXTS.map(json.dumps)
            | some.text(max_size=20)
            | some.builds(
                lambda kind, action, payload: json.dumps([kind, "1", action, payload]),
                some.sampled_from([2, 3, 4, 5, 6]),
                some.sampled_from(["Heartbeat", "Authorize", "X"]),
                TEXTS,
            ),
        ),
        max_size=6,
    )
)
def test_no_message_makes_it_fail(dialogue: list[tuple[str, str]]) -> None:
    table = Table(
        "  - {when: CALL, every: 2, do: {modify: {set: {a.b: '{payload.x}', 'l[*].y': 1}, delete: [c]}}}\n"
        "  - {when: ANY, where: payload.a.b > 3 or len(payload.l) == 2, do: {modify: {payload: {z: '{request.q}'}}}}\n"
        "  - {when: CALL, do: {answer: {payload: {echo: '{payload}'}}}}\n"
        "  - {when: CALLRESULT, do: {inject: {to: csms, call: DataTransfer, payload: {vendorId: '{payload.v}'}}}}"
    )
    for arrow, text in dialogue:
        decision = table.say(arrow, text)
        if decision is not None:
            assert decision.acts
            for act in decision.acts:
                if isinstance(act, Replace):
                    json.loads(act.text)
