"""docs/five-rules.md: every rule on the page loads and its examples hold, beside all built-in rules or alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocpp_inspect.engine import load_rules, run_examples
from ocpp_inspect.engine.cache import RuleCache
from ocpp_inspect.ocpp import Ocpp
from ocpp_inspect.plugins import PluginError, rule_directories

PAGE = (Path(__file__).parents[1] / "docs" / "five-rules.md").read_text("utf-8")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)):
        (tmp_path / f"rule-{number}.yaml").write_text(text, encoding="utf-8")
    for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / text.split("\n", 1)[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_rules_of_the_page_hold(directory: Path) -> None:
    rules = load_rules([directory], cache=RuleCache(enabled=False))
    assert [rule.id for rule in rules] == [f"OUR-00{number}" for number in range(1, 6)]
    assert run_examples(rules, lambda: Ocpp().feed) == []
    assert {verb for rule in rules for verb in ("require", "expect", "count", "python") if getattr(rule, verb)} == {
        "require", "expect", "count", "python",
    }  # fmt: skip


def test_a_package_brings_rules(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    package = site / "acme_ocpp_rules"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "one.yaml").write_bytes((directory / "rule-0.yaml").read_bytes())
    info = site / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", encoding="utf-8")
    entry = info / "entry_points.txt"
    entry.write_text("[ocpp_inspect.rules]\nacme = acme_ocpp_rules\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    assert rule_directories() == [package]
    assert [rule.id for rule in load_rules(rule_directories())] == ["OUR-001"]
    entry.write_text("[ocpp_inspect.rules]\nacme = no_such_package\n", encoding="utf-8")
    with pytest.raises(PluginError, match="acme: the entry point 'acme'"):
        rule_directories()
