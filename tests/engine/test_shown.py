"""What a rule in Python says of itself decides what it is shown; the rest is not called at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rule_making import Traffic, make

from ocpp_inspect.engine import Conversation, Engine, Remark, RuleError, looks_at
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program


class Listener(Conversation):
    """Writes down what it is called for."""

    rests_without = ("open",)

    def __init__(self) -> None:
        self.open: list[int] = []
        self.calls: list[str] = []

    @looks_at("Authorize.request", "Authorize.response")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterator[Remark]:
        self.calls.append(f"judge {item.action} {len(self.open)}")
        yield Remark(item, f"{item.kind} with {len(self.open)} open")

    @looks_at("Authorize.request")
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        self.calls.append(f"learn {item.action}")
        self.open.append(item.ts_ns)

    def due(self, now_ns: int) -> list[Remark]:
        self.calls.append("due")
        self.open.clear()
        return []


class Anew(Listener):
    """Overrides `learn` and does not say what it looks at."""

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        self.calls.append(f"learn all {item.action}")


def run(kind: type[Listener], items: list[Any], *, apart: bool = True) -> tuple[list[str], list[str]]:
    """What it was called for, and what it said."""
    made: list[Listener] = []

    def watched() -> type[Listener]:
        class Watched(kind):  # type: ignore[valid-type,misc]
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        return Watched

    other = make("when: Heartbeat.request\nrequire: True\n", id="TST-002")  # so that actions are told apart
    engine = Engine(Program([make("when: ANY\npython: x.py:X\n"), *([other] if apart else [])], lambda _: watched()))
    found = engine.feed(items)
    assert engine.anomalies == []
    return [call for each in made for call in each.calls], [finding.text for finding in found]


def actions(*names: str) -> list[Any]:
    traffic = Traffic()
    return [traffic.call(second, name) for second, name in enumerate(names)]


def test_a_conversation_is_called_for_what_its_methods_look_at() -> None:
    calls, texts = run(Listener, actions("Authorize", "Authorize"))
    # What is owed comes first, and what is judged is judged before anything is learned.
    assert calls == ["due", "judge Authorize 0", "learn Authorize"] * 2
    assert texts == ["CALL with 0 open", "CALL with 0 open"]


def test_what_nothing_looks_at_only_lets_time_pass_and_only_while_something_is_open() -> None:
    assert run(Listener, actions("Heartbeat", "Authorize", "Heartbeat", "Heartbeat"))[0] == [
        "due", "judge Authorize 0", "learn Authorize", "due"]  # fmt: skip


@pytest.mark.parametrize("apart", [True, False])
def test_an_action_that_no_rule_names_is_no_exception(*, apart: bool) -> None:
    calls, _ = run(Listener, actions("Reset", "Authorize", "Reset"), apart=apart)
    assert [call for call in calls if call != "due"] == ["judge Authorize 0", "learn Authorize"]


def test_an_override_looks_at_everything_again() -> None:
    calls, _ = run(Anew, actions("Heartbeat", "Authorize"))
    assert calls == ["due", "learn all Heartbeat", "judge Authorize 0", "learn all Authorize"]


def test_a_loss_keeps_a_rule_awake_that_remembers_something_from_it() -> None:
    class Wary(Listener):
        def forget(self) -> None:
            self.open = [1]

    traffic = Traffic()
    items = [traffic.call(0, "Authorize"), traffic.call(1, "Heartbeat"), traffic.loss(2), traffic.call(3, "Heartbeat")]
    assert run(Wary, items)[0] == ["due", "judge Authorize 0", "learn Authorize", "due", "due"]


def test_one_that_raises_is_switched_off() -> None:
    class Broken(Listener):
        @looks_at("Authorize.request")
        def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
            raise RuntimeError("boom")

    engine = Engine(Program([make("when: ANY\npython: x.py:X\n")], lambda _: Broken))
    engine.feed(actions("Authorize", "Authorize", "Heartbeat"))
    assert [anomaly.name for anomaly in engine.anomalies] == ["pipeline.rule_failed"]


@pytest.mark.parametrize("text", ["Authorise", "Upgrade", "authorize.request", ""])
def test_what_names_no_message_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names no message; write StartTransaction\.response or CALL"):
        looks_at(text)
    (tmp_path / "odd.py").write_text(
        "from ocpp_inspect.engine import Conversation, looks_at\n"
        f"class Odd(Conversation):\n    @looks_at({text!r})\n    def judge(self, *a): return ()\n"
    )
    rule = msgspec.structs.replace(make("when: CALL\npython: odd.py:Odd\n"), path=str(tmp_path / "x.yaml"))
    with pytest.raises(RuleError, match="names no message"):
        load_monitor(rule)
