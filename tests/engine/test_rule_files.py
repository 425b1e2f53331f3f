"""The built-in rules: every example holds, and every mark is needed."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ocpp_inspect.engine import Rule, RuleError, load_rules, run_examples
from ocpp_inspect.engine.cache import RuleCache
from ocpp_inspect.engine.page import index, page
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.reader import parse_rule
from ocpp_inspect.ocpp import Ocpp
from ocpp_inspect.resources import data_directory

RULES = load_rules([data_directory("rules")], every=True, cache=RuleCache(enabled=False))
LANGUAGE = Path(__file__).parents[2] / "docs" / "rule-language.md"


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    return RULES


def test_examples_hold(rules: list[Rule]) -> None:
    assert run_examples(rules, lambda: Ocpp().feed) == []


def test_every_rule_is_needed_by_its_examples(rules: list[Rule]) -> None:
    """Without the mark, or without the rule, each rule's examples fail: they can fail at all."""
    unmarked = []
    for rule in rules:
        plain = tuple(_without_mark(example, rule.id) for example in rule.examples)
        unmarked.append(msgspec.structs.replace(rule, examples=plain))
    failed = {failure.rule for failure in run_examples(rules, lambda: Ocpp().feed, unmarked)}
    assert failed == {rule.id for rule in rules}


def _without_mark(example: str, identifier: str) -> str:
    alone = re.sub(rf"#\s*{identifier}\??\s*$", "", example, flags=re.MULTILINE)
    return re.sub(rf"(# .*?){identifier}\??,?\s*", r"\1", alone)


def test_every_rule_has_two_silent_examples(rules: list[Rule]) -> None:
    """One of them was joined in mid-session, or lacks something; a TLS handshake is there as a whole, or not at all."""
    for rule in rules:
        silent = [example for example in rule.examples if not re.search(rf"# .*{rule.id}\b(?!\?)", example)]
        assert len(silent) > 1 or rule.when == ("TlsHandshake",), f"{rule.id} has {len(silent)} silent examples"
        torn = [example for example in silent if re.search(r"^\s*\S+\s+(joined|loss)\b", example, re.MULTILINE)]
        assert torn or rule.when == ("TlsHandshake",), f"{rule.id} has no silent example in which something is missing"


def test_file_names_say_id_and_name(rules: list[Rule]) -> None:
    for rule in rules:
        assert Path(rule.path).name.startswith(f"{rule.id}-")


def test_pages(rules: list[Rule]) -> None:
    for rule in rules:
        text = page(rule)
        assert text.startswith(f"# {rule.id}: {rule.title}\n")
        assert rule.reference in text
    assert index(rules).count("\n|") == len(rules) + 2


def test_the_rules_of_the_language_page_work(tmp_path: Path) -> None:
    text = LANGUAGE.read_text()
    rule = re.search(r"```yaml\n(id: .*?)```", text, re.DOTALL)
    python = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert rule is not None
    assert python is not None
    first = parse_rule(rule[1], "page.yaml")
    assert run_examples([first], lambda: Ocpp().feed) == []
    (tmp_path / "third.py").write_text(python[1])
    second = parse_rule(
        "id: TST-001\nname: every-third\ntitle: t\nseverity: info\nreference: r\nwhen: CALL\n"
        "python: third.py:EveryThird\nmessage: m\nexamples:\n  - |\n"
        + "".join(f'    {n} > [2,"{n}","Heartbeat",{{}}]{"  # TST-001" * (n == 3)}\n' for n in (1, 2, 3, 4)),
        str(tmp_path / "x.yaml"),
    )
    assert run_examples([second], lambda: Ocpp().feed) == []
    for wrong in ("none.py:A", "third.py:Nothing", "json:JSONDecoder", "no.such.module:A", "third.py"):
        with pytest.raises(RuleError, match="python: "):
            load_monitor(msgspec.structs.replace(second, python=wrong))


def test_a_rule_in_python_reads_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text(
        "from ocpp_inspect.engine import Monitor\nclass Base(Monitor):\n    limit = 7\n"
    )
    (tmp_path / "own.py").write_text("from .shared import Base\nclass Own(Base):\n    pass\n")
    (tmp_path / "lost.py").write_text("from .nowhere import Base\n")
    rule = parse_rule(
        "id: TST-001\nname: own-class\ntitle: t\nseverity: info\nreference: r\nwhen: CALL\n"
        "python: own.py:Own\nmessage: m\nexamples: ['1 # TST-001']\n",
        str(tmp_path / "x.yaml"),
    )
    assert load_monitor(rule).limit == 7  # type: ignore[attr-defined]
    with pytest.raises(RuleError, match="nowhere"):
        load_monitor(msgspec.structs.replace(rule, python="lost.py:Base"))


def test_the_language_page_names_every_function_and_name() -> None:
    from ocpp_inspect.engine.functions import FUNCTIONS
    from ocpp_inspect.engine.names import NAME_HELP, NAMES

    text = LANGUAGE.read_text()
    words = set(re.findall(r"[a-z_]+", text))
    names = {name for table in NAMES.values() for name in table}
    assert names <= NAME_HELP.keys()
    assert set(FUNCTIONS) | names <= words
