"""What was done to a message is told in one line, by what differs."""

from __future__ import annotations

import json

import pytest

from ocpp_inspect.report.meddled import told


@pytest.mark.parametrize(
    ("name", "detail", "wanted"),
    [
        (
            "proxy.modified",
            'why: shorter; came: [3,"1",{"time":300,"a":[1,{"b":2}]}]; went on: [3,"1",{"time":7,"a":[1,{"b":3}]}]',
            "changed on its way (shorter): time 300 → 7, a[1].b 2 → 3",
        ),
        (
            "proxy.modified",
            'came: [2,"1","X",{"old":"x; went on: y"}]; went on: [2,"2","X",{"new":null}]',
            'changed on its way: [1] "1" → "2", old "x; went on: y" → nothing, new nothing → null',
        ),
        ("proxy.modified", "came: [2,]; went on: [3]", "changed on its way: came [2,], went on [3]"),
        ("proxy.modified", 'came: [3,"1",{}]; went on: 5', 'changed on its way: all of it [3, "1", {}] → 5'),
        ("proxy.dropped", 'why: step 1; came: [3,"1",{}]', "not forwarded (step 1)"),
        ("proxy.injected", 'why: console; went on: [2,"1","Heartbeat",{}]', "put in by the proxy (console)"),
        ("proxy.held", 'why: 1.2 s; hold; came: [3,"1",{}]; went on: [3,"1",{}]', "held (1.2 s; hold)"),
        ("proxy.cut", "console", "cut by the proxy: console"),
        ("proxy.cut", "", "cut by the proxy"),
    ],
)
def test_one_line(name: str, detail: str, wanted: str) -> None:
    assert told(name, detail) == wanted


def test_credentials_are_covered_and_still_told_to_differ() -> None:
    came = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"0123456789abcdef"}]'
    told_of = told("proxy.modified", f"came: {came}; went on: {came.replace('abcdef', 'fedcba')}")
    assert told_of == 'changed on its way: value "•••" → "•••"'
    answer = '[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"secret"}]}]'
    told_of = told("proxy.modified", f"came: {answer}; went on: {answer.replace('secret', 'other')}")
    assert told_of == 'changed on its way: configurationKey[0].value "•••" → "•••"'


def test_briefly_no_text_is_shown() -> None:
    assert told("proxy.modified", 'why: w; came: [3,"1",{"a":"secr', briefly=True) == "changed on its way (w)"


def test_many_and_deep_differences_are_bounded() -> None:
    old, new = [3, "1", {str(at): 1 for at in range(500)}], [3, "1", {str(at): 2 for at in range(500)}]
    assert len(told("proxy.modified", f"came: {json.dumps(old)}; went on: {json.dumps(new)}")) < 2000
    deep = "[" * 2000 + "]" * 2000
    assert told("proxy.modified", f"came: {deep}; went on: {deep} ").startswith("changed on its way: ")
    assert told("proxy.modified", "came: " + "[" * 100000 + "; went on: " + "]" * 100000).startswith("changed")
