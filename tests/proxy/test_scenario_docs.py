"""Every scenario in the manual loads, and its examples hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocpp_inspect.proxy.scenario import parse_scenario
from ocpp_inspect.proxy.scenario.examples import run_examples

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "scenarios.md"
SCENARIOS = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text("utf-8"), re.DOTALL)


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) == 6


@pytest.mark.parametrize("text", SCENARIOS, ids=lambda text: text.splitlines()[0])
def test_a_scenario_of_the_manual_does_what_it_says(text: str) -> None:
    scenario = parse_scenario(text, "scenarios.md")
    assert scenario.examples
    assert run_examples(scenario) == []


@pytest.mark.parametrize("text", SCENARIOS, ids=lambda text: text.splitlines()[0])
def test_an_example_whose_marks_are_taken_away_fails(text: str) -> None:
    head, examples, body = text.partition("examples:")
    scenario = parse_scenario(head + examples + re.sub(r"\s#\s.*", "", body), "scenarios.md")
    assert run_examples(scenario)
