"""A change touches its place and no other octet; hypothesis compares with the same change made to decoded values."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ocpp_inspect.ocpp.splice import DELETED, PathError, shown, spliced

TEXT = '[2, "a","X", {"a": 1.50, "b":[1, 2,{"c":"x\\"]"}] ,"d":{} }] '


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({(1,): "new"}, TEXT.replace('"a","X"', '"new","X"')),
        ({(3, "a"): 2}, TEXT.replace("1.50", "2")),
        ({(3, "b", 2, "c"): None}, TEXT.replace('"x\\"]"', "null")),
        ({(3, "b", -1, "c"): "é"}, TEXT.replace('"x\\"]"', '"é"')),
        ({(3, "b", 1): DELETED}, TEXT.replace("1, 2,{", "1,{")),
        ({(3, "a"): DELETED}, TEXT.replace('"a": 1.50, ', "")),
        ({(3, "d"): DELETED}, TEXT.replace(' ,"d":{}', "")),
        ({(3, "d", "n"): [1]}, TEXT.replace("{}", '{"n":[1]}')),
        ({(3, "b", 3): 7}, TEXT.replace('"}] ,', '"}, 7] ,')),
        ({(3, "z"): DELETED, (3, "y", "z"): DELETED}, TEXT),
        ({}, TEXT),
        ({(): {}}, "{}"),
    ],
)
def test_only_the_place_changes(changes: Any, wanted: str) -> None:
    assert spliced(TEXT, changes) == wanted


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ((3, "x", "y"), "$[3].x is missing"),
        ((3, "a", "y"), "neither an object nor a list"),
        ((3, "b", 9), "the list has 3 items"),
        ((3, 0), "is an object"),
        (("x",), "is a list"),
    ],
)
def test_a_step_that_leads_nowhere_is_said(path: Any, words: str) -> None:
    with pytest.raises(PathError) as caught:
        spliced(TEXT, {path: 1})
    assert words in str(caught.value)


def test_paths_are_shown_as_people_write_them() -> None:
    assert shown((3, "meterValue", 0, "timestamp")) == "$[3].meterValue[0].timestamp"


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.text(max_size=4),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in entries for found in ((*path, key), *places(inner, (*path, key)))]


@given(some.lists(VALUES, min_size=1, max_size=3), some.data(), some.booleans(), VALUES)
def test_it_equals_the_change_of_the_decoded_value(value: Any, data: Any, deletes: bool, new: Any) -> None:
    path = data.draw(some.sampled_from(places(value)))
    for separators in ((",", ":"), (" , ", " : ")):
        text = json.dumps(value, separators=separators, ensure_ascii=data.draw(some.booleans()))
        wanted = copy.deepcopy(value)
        owner: Any = wanted
        for step in path[:-1]:
            owner = owner[step]
        if deletes:
            del owner[path[-1]]
        else:
            owner[path[-1]] = new
        assert json.loads(spliced(text, {path: DELETED if deletes else new})) == wanted
