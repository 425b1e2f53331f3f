"""Every idea for a rule became one, or docs/rules-not-made.md says why not."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from ocpp_inspect.engine import load_rules

ROOT = Path(__file__).parents[1]
UNDECIDED: set[str] = set()
"""Families that are still being worked on. Take yours out when every id of it is decided."""


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_page", ROOT / "docs" / "coverage_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_idea_is_decided(page: ModuleType) -> None:
    made = {rule.id for rule in load_rules([ROOT / "rules"])}
    left_out = page.not_made()
    assert [idea for idea, times in Counter(left_out).items() if times > 1] == []
    assert sorted(made.intersection(left_out)) == []
    assert sorted(set(left_out).difference(page.ideas())) == []
    open_ideas = [idea for idea in page.ideas() if idea not in made and idea not in left_out]
    assert [idea for idea in open_ideas if idea.rpartition("-")[0] not in UNDECIDED] == []


def test_the_page_of_faults_names_rules_that_exist() -> None:
    text = (ROOT / "docs" / "field-faults.md").read_text(encoding="utf-8")
    made = {rule.id for rule in load_rules([ROOT / "rules"])}
    assert sorted(set(re.findall(r"\b[A-Z][A-Z0-9]*-\d{3}\b", text)) - made) == []
