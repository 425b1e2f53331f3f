"""What several rules ask of one message is computed once, and no rule sees another's failure."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_inspect.engine import Conversation, Remark, functions
from ocpp_inspect.engine.functions import either, index
from ocpp_inspect.engine.sharing import Shared
from ocpp_inspect.limits import EXPRESSION_PAIRS
from ocpp_inspect.model import OcppMessage

VALUES = [
    {"sampledValue": [{"measurand": "SoC", "value": 1}, {"value": 2}]},
    {"sampledValue": [{"measurand": "Voltage"}, {"measurand": 7}, "odd"]},
]


def test_an_index_has_the_pairs_by_the_text_of_a_member() -> None:
    found = index(VALUES, "sampledValue", "measurand", {"SoC", "Voltage", None})
    assert found is not None
    assert [inner for _, inner in found["SoC"]] == [{"measurand": "SoC", "value": 1}]
    assert [inner for _, inner in found[None]] == [{"value": 2}, "odd"]
    assert found["SoC"][0][0] is VALUES[0]
    assert [inner for _, inner in either(found, "Voltage")] == [{"measurand": "Voltage"}, {"value": 2}, "odd"]
    assert "7" not in found


def test_an_index_leaves_out_what_no_rule_asks_for() -> None:
    assert index(VALUES, "sampledValue", "measurand", {"SoC"}) == {"SoC": [(VALUES[0], VALUES[0]["sampledValue"][0])]}


def test_without_a_member_an_index_has_all_pairs_in_order() -> None:
    found = index(VALUES, "sampledValue", "", {""})
    assert found is not None
    assert [inner for _, inner in found[""]] == [inner for outer in VALUES for inner in outer["sampledValue"]]
    assert index([], "sampledValue", "", {""}) == {}


@pytest.mark.parametrize("value", [None, {}, "text", [1], [{"sampledValue": None}], [{}], [{"sampledValue": "ab"}]])
def test_what_is_not_all_arrays_cannot_be_decided(value: Any) -> None:
    assert index(value, "sampledValue", "measurand", {None}) is None


def test_an_index_is_bounded() -> None:
    inner = {"sampledValue": [{}] * 1000}
    assert index([inner] * (EXPRESSION_PAIRS // 1000), "sampledValue", "", {""}) is not None
    assert index([inner] * (EXPRESSION_PAIRS // 1000 + 1), "sampledValue", "", {""}) is None


def test_a_source_that_stands_twice_is_computed_once() -> None:
    shared = Shared()
    lines = [f"a = {shared.once('count()')}", f"b = {shared.once('count()')}", f"c = {shared.once('other()')}"]
    calls: list[int] = []
    names: dict[str, Any] = {"count": lambda: calls.append(1) or len(calls), "other": lambda: 7, "_LATER": object()}
    exec("\n".join(shared.expand(lines)), names)  # noqa: S102 - written here
    assert (names["a"], names["b"], names["c"]) == (1, 1, 7)
    assert calls == [1]


def test_a_part_of_what_is_shared_is_shared_too() -> None:
    shared = Shared()
    part = shared.once("count()")
    one, two = shared.once(f"{part} + 1"), shared.once(f"{part} + 2")
    lines = [f"a = {one}", f"b = {two}", f"c = {two}"]
    calls: list[int] = []
    names: dict[str, Any] = {"count": lambda: calls.append(1) or len(calls), "_LATER": object()}
    exec("\n".join(shared.expand(lines)), names)  # noqa: S102 - written here
    assert (names["a"], names["b"], names["c"]) == (2, 3, 3)
    assert calls == [1]


def test_a_source_that_failed_is_tried_again() -> None:
    shared = Shared()
    lines = [f"try: a = {shared.once('count()')}", "except ValueError: a = 0", f"b = {shared.once('count()')}"]
    calls: list[int] = []

    def count() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError
        return len(calls)

    names: dict[str, Any] = {"count": count, "_LATER": object()}
    exec("\n".join(shared.expand(lines)), names)  # noqa: S102 - written here
    assert (names["a"], names["b"]) == (0, 2)


@pytest.mark.parametrize(
    "text", ["12", "0", "007", "12.5", "-3", " 4", "1e3", "1_0", "١٢", "9" * 16, "9" * 41, "", "x"]
)
def test_a_number_is_read_as_before(text: str) -> None:
    try:
        wanted: float | None = float(text) if "_" not in text and len(text) <= 40 else None
    except ValueError:
        wanted = None
    if wanted is not None and abs(wanted) >= 1e30:
        wanted = None
    assert functions.number(text) == wanted


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-05T08:05:15Z", 1767600315.0),
        ("2026-01-05T08:05:15.282Z", 1767600315.282),
        ("2026-01-05T10:05:15+02:00", 1767600315.0),
        ("2026-01-05t08:05:15z", 1767600315.0),
        *((odd, None) for odd in (
            "2026-01-05T08:05,15Z", "2026-01-05T080515.1Z", "2026-W02-1T08:05:15Z", "20260105T080515.123Z",
            "2026-01-05T08:05:60Z", "2026-01-05T25:05:15Z", "2026-13-05T08:05:15Z", "2026-01-05T08:05:1٣Z")),
    ],
)  # fmt: skip
def test_a_time_is_read_as_rfc_3339_whatever_its_length(text: str, seconds: float | None) -> None:
    assert functions.seconds_of(text) == seconds


def test_few_times_are_kept_and_no_long_texts() -> None:
    texts = [f"2026-01-01T00:{minute:02}:00Z" for minute in range(60)]
    read = [functions.seconds_of(text) for text in texts]
    assert [second - read[0] for second in read if second is not None and read[0]] == list(range(0, 3600, 60))
    assert [functions.seconds_of(text) for text in texts] == read
    assert functions.seconds_of("1970-01-01T00:00:00Z") == functions.seconds_of("1970-01-01T00:00:00.000Z") == 0.0
    for odd in ("2026-01-01T00:00:00Z" * 3, "2026-13-01T00:00:00.000Z", "2026-01-01T24:61:00Z", "no"):
        assert functions.seconds_of(odd) is functions.seconds_of(odd) is None
    assert len(functions._TIMES) <= 16
    assert max(map(len, functions._TIMES)) <= 40


def test_a_conversation_calls_only_what_its_rule_overrides() -> None:
    class Learner(Conversation):
        def __init__(self) -> None:
            self.learned: list[str] = []

        def learn(self, item: OcppMessage, payload: dict[str, Any], request: dict[str, Any]) -> None:
            self.learned.append(item.action)

    class Owner(Learner):
        def due(self, now_ns: int) -> list[Remark]:
            return [Remark(message, f"{now_ns}")]

    message = OcppMessage(1, 1, "A", "1.6", "station", 5, 1, 1, "CALL", "1", "Heartbeat", {}, b"", 0, False)
    learner, owner = Learner(), Owner()
    assert learner.feed(message) == ()
    assert [remark.text for remark in owner.feed(message)] == ["5"]
    assert learner.learned == owner.learned == ["Heartbeat"]
