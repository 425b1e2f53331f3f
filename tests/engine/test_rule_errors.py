"""Every fault of a rule file is told with its place and a hint."""
# ruff: noqa: E501 - a table reads best with one case a line

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_inspect.engine import Engine, RuleError, load_rules
from ocpp_inspect.engine.cache import RuleCache
from ocpp_inspect.engine.reader import parse_rule

GOOD = """\
id: TST-001
name: test-rule
title: A test
severity: error
reference: none
when: CALL
require: payload.a > 1
message: "{action}"
examples: ["0 # TST-001"]
"""


def refused(text: str) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse_rule(text, "dir/rule.yaml")
    return caught.value


def test_the_good_rule_is_good() -> None:
    rule = parse_rule(GOOD, "dir/rule.yaml")
    assert (rule.id, rule.when, rule.require, rule.axis, rule.blame) == (
        "TST-001", ("CALL",), "payload.a > 1", "conformance", "unknown")  # fmt: skip


@pytest.mark.parametrize(
    ("line", "instead", "place", "message", "hint"),
    [
        ("severity: error", "severity: eror", (4, 11), "'eror' is none of error, warning, info", "did you mean 'error'?"),
        ("severity: error", "severity: [error]", (4, 11), "expected a mapping (key: value)", ""),
        ("severity: error", "severity: {default: error, 1.7: info}", (4, 28), "unknown key '1.7'", "did you mean '1.6'?"),
        ("severity: error", "", (1, 1), "the key 'severity' is missing", ""),
        ("title: A test", "titel: A test", (3, 1), "unknown key 'titel'", "did you mean 'title'?"),
        ("title: A test", "title: a\ntitle: b", (4, 1), "the key 'title' is given twice", "the first one is in line 3"),
        ("title: A test", "title: ''", (3, 8), "expected a text, found nothing", ""),
        ("title: A test", "title: [a", (4, 9), "not YAML", "quote texts"),
        ("title: A test", "title: &a x", (3, 8), "anchors and aliases are not part of the language", ""),
        ("title: A test", "title: !!binary aGk=", (3, 8), "the tag tag:yaml.org,2002:binary is not part", ""),
        ("title: A test", "title: !python/name:os x", (3, 8), "the tag !python/name:os is not part", ""),
        ("id: TST-001", "id: T1", (1, 5), "'T1' is not an id such as RPC-005", ""),
        ("name: test-rule", "name: Test", (2, 7), "'Test' is not a kebab-case name", ""),
        ("reference: none", "reference: none\nversions: [1.6]", (6, 12), "the version 1.6 is not quoted", 'write "1.6"'),
        ("reference: none", 'reference: none\nversions: ["1.7"]', (6, 12), "'1.7' is none of", "did you mean '1.6'?"),
        ("reference: none", "reference: none\nblame: charger", (6, 8), "'charger' is none of station", ""),
        ("reference: none", "reference: none\naxis: style", (6, 7), "'style' is none of conformance", ""),
        ("when: CALL", "when: CAL", (6, 7), "'CAL' is no trigger", "did you mean 'CALL'?"),
        ("when: CALL", "when: [CALL, Boot.reply]", (6, 14), "'Boot.reply' is no trigger", "Action.request"),
        ("when: CALL", "when: Anomaly:WS.x", (6, 7), "'Anomaly:WS.x' is no trigger", "Action.request"),
        ("when: CALL", "when: CALL\nwhere: paylod.a == 1", (7, 8), "unknown name 'paylod'", "did you mean 'payload'?"),
        ("when: CALL", "when: CALL\nwhere: 1 < close_kind", (7, 12), "CALL has no 'close_kind'", ""),
        ("when: CALL", "when: CALL\nwhere: a ==", (7, 12), "not an expression", ""),
        ("when: CALL", "when: CALL\nwhere: start.payload == 1", (7, 8), "`start` exists in expect.where", ""),
        ("when: CALL", "when: CALL\nby: [stationn]", (7, 6), "unknown name 'stationn'", "did you mean 'station'?"),
        ("when: CALL", "when: CALL\ncount: {max: 1, within: 1 s}", (7, 8), "'require' and 'count' in one rule", "split it"),
        ("when: CALL", "when: CALL\nremember: {when: ANY, set: {payload: 1}}", (7, 29), "the register 'payload' would hide", ""),
        ("when: CALL", "when: CALL\nremember: {when: ANY, set: {Boot: 1}}", (7, 29), "'Boot' is no name for a register", ""),
        ("when: CALL", "when: CALL\nremember: {set: {a: 1}}", (7, 11), "the key 'when' is missing", ""),
        ("when: CALL", "when: CALL\nby: [action]\nremember: {when: ANY, by: [action, side], set: {a: 1}}", (8, 27),
         "this `by` has 2 parts besides the station, the rule's has 1", ""),
        ("when: CALL", "when: CALL\nby: [action]\nremember: {when: Ping, set: {a: 1}}", (8, 11),
         "the rule's `by` uses 'action', which Ping lacks", "a `by` of its own"),
        ("require: payload.a > 1", "require: payload.a.__class__", (7, 10), "begins with an underscore", ""),
        ("require: payload.a > 1", "count: {max: 1.5, within: 1 s}", (7, 14), "'1.5' is no number from 0", ""),
        ("require: payload.a > 1", "count: {max: 1, within: 1 week}", (7, 25), "'1 week' is no duration", "500 ms"),
        ("require: payload.a > 1", "count: {max: 1, within: 0 s}", (7, 25), "0 s is out of range", ""),
        ("require: payload.a > 1", "expect: {when: CALLRESULT, within: 30}", (7, 36), "'30' is no duration", "30 s"),
        ("require: payload.a > 1", "expect: {when: CALLRESULT}", (7, 9), "the key 'within' is missing", ""),
        ("require: payload.a > 1", "expect: {when: ANY, within: 1 s, where: start.foo == 1}", (7, 41),
         "the opening item has no 'foo'", ""),
        ("require: payload.a > 1", "expect: {when: ANY, within: {config: X}}", (7, 29), "the key 'default' is missing", ""),
        ("require: payload.a > 1", "expect: {when: ANY, within: 1 s, survives: death}", (7, 44), "'death' is none of", ""),
        ('message: "{action}"', 'message: "{actoin}"', (8, 12), "unknown name 'actoin'", "did you mean 'action'?"),
        ('message: "{action}"', 'message: "{action"', (8, 10), "a brace in the message has no partner", "{{"),
        ('examples: ["0 # TST-001"]', 'examples: ["0"]', (9, 11), "no example shows TST-001", "# TST-001"),
    ],
)  # fmt: skip
def test_fault(line: str, instead: str, place: tuple[int, int], message: str, hint: str) -> None:
    assert line in GOOD
    error = refused(GOOD.replace(line, instead))
    assert message in error.message
    assert (error.line, error.column) == place
    assert hint in error.hint
    assert str(error).startswith(f"dir/rule.yaml:{place[0]}:{place[1]}: ")


def test_an_empty_and_a_huge_file() -> None:
    assert refused("").message == "the file is empty"
    assert "larger than" in refused("a: " + "x" * 300_000).message
    assert refused("- a\n- b\n").message == "expected a mapping (key: value)"
    assert "not YAML" in refused(GOOD + "---\n" + GOOD).message


def test_a_block_expression_is_placed_in_its_own_line() -> None:
    error = refused(GOOD.replace("require: payload.a > 1", "require: |\n  payload.a > nothing"))
    assert (error.line, error.message) == (8, "unknown name 'nothing'")


def directory(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_a_doubled_id_and_a_doubled_name_are_refused(tmp_path: Path) -> None:
    cache = RuleCache(tmp_path / "cache")
    directory(tmp_path, a=GOOD, b=GOOD)
    with pytest.raises(RuleError, match="the id TST-001 is taken"):
        load_rules([tmp_path], cache=cache)
    directory(tmp_path, b=GOOD.replace("TST-001", "TST-002"))
    with pytest.raises(RuleError, match="the name test-rule is taken"):
        load_rules([tmp_path], cache=cache)
    directory(tmp_path, b=GOOD.replace("TST-001", "TST-002").replace("test-rule", "other-rule\naliases: test-rule"))
    with pytest.raises(RuleError, match="the name test-rule is taken"):
        load_rules([tmp_path], cache=cache)


def test_select_and_ignore(tmp_path: Path) -> None:
    cache = RuleCache(tmp_path / "cache")
    second = GOOD.replace("TST-001", "ABC-002").replace("test-rule", "other-rule")
    directory(tmp_path, a=GOOD, b=second.replace("reference", "axis: compatibility\nblock: E\ntags: [slow]\nreference"))

    def ids(select: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> list[str]:
        return [rule.id for rule in load_rules([tmp_path], select, ignore, cache=cache)]

    assert ids() == ["ABC-002", "TST-001"]
    for word in ("ABC-002", "ABC", "ABC-*", "E", "slow", "compatibility", "other-rule"):
        assert ids((word,)) == ["ABC-002"]
        assert ids((), (word,)) == ["TST-001"]
    with pytest.raises(RuleError, match=r"no rule is meant by 'TST-01'\n    hint: did you mean 'TST-001'"):
        ids(("TST-01",))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="there is no such directory"):
        load_rules([tmp_path / "none"], cache=RuleCache(enabled=False))
    (tmp_path / "x.yaml").write_bytes(b"id: \xff")
    with pytest.raises(RuleError, match="not UTF-8 at octet 4"):
        load_rules([tmp_path], cache=RuleCache(enabled=False))


def test_the_cache_gives_the_same_rule_and_notices_every_change(tmp_path: Path) -> None:
    directory(tmp_path, a=GOOD)
    store = tmp_path / "cache" / "rules.msgpack"
    first = load_rules([tmp_path], cache=RuleCache(store))
    assert store.exists()
    assert load_rules([tmp_path], cache=RuleCache(store)) == first
    directory(tmp_path, a=GOOD.replace("A test", "B test"))
    assert load_rules([tmp_path], cache=RuleCache(store))[0].title == "B test"
    store.write_bytes(b"broken")
    assert load_rules([tmp_path], cache=RuleCache(store))[0].title == "B test"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_gives_a_rule_or_a_rule_error(data: st.DataObject) -> None:
    text = GOOD + "by: [call]\nremember: {when: Ping, by: [kind], set: {a: 1}}\n"
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 8))
        text = text[:at] + data.draw(st.text("aA:{}[]\"'#&*!|>-? \n\t\0\x85é%@`,=1.", max_size=4)) + text[at + cut :]
    try:
        rule = parse_rule(text, "x.yaml")
    except RuleError as error:
        assert error.line >= 1
        assert error.column >= 1
    else:
        Engine([rule])
