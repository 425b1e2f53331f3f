"""Files of accepted findings: what they accept, until when, and what is wrong with them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from rule_making import Traffic, make

from ocpp_inspect.engine import Engine, RuleError, in_force, load_rules, read_acceptances
from ocpp_inspect.resources import data_directory

RULES = load_rules([data_directory("rules")], select=["RPC-005", "RPC-001", "TX16"])
JANUARY, APRIL = date(2027, 1, 31), date(2027, 4, 1)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "known.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def entry(tmp_path: Path, text: str) -> list[str]:
    (found,) = read_acceptances([written(tmp_path, text)], RULES)
    return [
        f"{rule} {station}"
        for rule in ("RPC-005", "RPC-001", "TX16-007")
        for station in ("EW-1", "EW-2", "CP1")
        if found.accepts(rule, station, "Register falls from 5 to 4 Wh")
    ]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("- {rule: RPC-005, reason: known}", ["RPC-005 EW-1", "RPC-005 EW-2", "RPC-005 CP1"]),
        ("- {rule: call-without-response, station: EW-1, reason: known}", ["RPC-005 EW-1"]),
        ('- {rule: RPC, station: "EW-*", reason: k}', ["RPC-005 EW-1", "RPC-005 EW-2", "RPC-001 EW-1", "RPC-001 EW-2"]),
        ('- {rule: TX16, text: "from 5", station: CP1, reason: k}', ["TX16-007 CP1"]),
        ('- {rule: TX16, text: "from 6", station: CP1, reason: k}', []),
        ('[{"rule": "RPC-005", "station": "CP1", "reason": "JSON"}]', ["RPC-005 CP1"]),
    ],
)
def test_an_entry_accepts_what_it_names(tmp_path: Path, text: str, accepted: list[str]) -> None:
    assert entry(tmp_path, text) == accepted


def test_an_expired_entry_accepts_nothing(tmp_path: Path) -> None:
    entries = read_acceptances([written(tmp_path, "- {rule: RPC-005, reason: k, until: 2027-01-31}")], RULES)
    assert in_force(entries, JANUARY) == tuple(entries)
    assert in_force(entries, APRIL) == ()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("- {rule: RPC-005}", "1:3", "'reason' is missing"),
        ("- rule: RPC-999\n  reason: k", "1:9", "no rule is meant by 'RPC-999'"),
        ("- rule: RPC-005\n  reason: k\n  until: soon", "3:10", "'soon' is no date"),
        ("- rule: RPC-005\n  reson: k", "2:3", "unknown key 'reson'"),
        ("rule: RPC-005", "1:1", "expected a list"),
        ("- rule: RPC-005\n  reason: k\n  expected: maybe", "3:13", "none of true, false"),
        ("", "1:1", "empty"),
    ],
)
def test_faults_are_told_with_their_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RuleError) as caught:
        read_acceptances([path], RULES)
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="cannot be read"):
        read_acceptances([tmp_path / "none.yaml"], RULES)


def test_the_engine_marks_what_is_accepted(tmp_path: Path) -> None:
    rule = make("when: Heartbeat.request\nrequire: payload.x == 1\n")
    entries = read_acceptances([written(tmp_path, f"- {{rule: {rule.id}, station: CP1, reason: firmware 4}}")], [rule])
    engine = Engine([rule], acceptances=entries)
    found = engine.feed([Traffic().call(0, payload={"x": 2}), Traffic(station="CP2").call(1, payload={"x": 2})])
    assert [(finding.station, finding.accepted) for finding in found] == [("CP1", "firmware 4"), ("CP2", "")]


def test_a_finding_names_the_one_that_explains_it() -> None:
    first = make("when: BootNotification.request\n", id="TST-001")
    second = make("follows: [TST-001]\nwhen: Heartbeat.request\n", id="TST-002")
    traffic, other = Traffic(), Traffic(station="CP2")
    found = Engine([first, second]).feed(
        [
            traffic.call(0), traffic.call(1, "BootNotification"), other.call(2), traffic.call(600), traffic.call(602),
        ]
    )  # fmt: skip
    causes = [
        (finding.station, finding.ts_ns // 10**9, finding.cause) for finding in found if finding.rule == "TST-002"
    ]
    causes.sort(key=lambda cause: cause[1])
    assert causes == [("CP1", 0, ""), ("CP2", 2, ""), ("CP1", 600, "TST-001"), ("CP1", 602, "")]


def test_only_rules_that_exist_explain_others() -> None:
    rules = load_rules([data_directory("rules")])
    assert {cause for rule in rules for cause in rule.follows} <= {rule.id for rule in rules}
