"""What is missing makes rules silent or inconclusive, never wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rule_making import Traffic, judge, make

from ocpp_inspect.engine import Engine, Monitor, Remark, run_examples
from ocpp_inspect.engine.program import Program
from ocpp_inspect.engine.reader import parse_rule
from ocpp_inspect.ocpp import Ocpp

UNANSWERED = make("when: CALL\nby: [call]\nexpect: {when: [CALLRESULT, CALLERROR], within: 30 s}\n")
BOOT = make(
    "when: Q.request\nremember: {when: Boot.response, set: {boot: payload.status}}\n"
    'require: boot in (None, "Accepted")\n'
)


def verdicts(items: list[Any], *rules: Any) -> list[str]:
    return [finding.verdict for finding in judge(items, *rules, end=9999)]


@pytest.mark.parametrize(
    ("lost", "sender", "wanted"),
    [("csms", "station", "inconclusive"), ("station", "station", "violation"), ("unknown", "station", "inconclusive"),
     ("station", "csms", "inconclusive"), ("csms", "csms", "violation")],
)  # fmt: skip
def test_only_a_loss_of_the_answering_side_makes_an_answer_uncertain(lost: str, sender: str, wanted: str) -> None:
    traffic = Traffic()
    assert verdicts([traffic.call(0, side=sender), traffic.loss(5, lost)], UNANSWERED) == [wanted]


def test_a_side_stays_hidden_until_it_is_read_again() -> None:
    traffic = Traffic()
    assert verdicts([traffic.loss(0, "csms"), traffic.call(1)], UNANSWERED) == ["inconclusive"]
    heard = traffic.call(1, side="csms")
    answered = traffic.answer(1.5, heard)
    assert verdicts([traffic.loss(0, "csms"), heard, answered, traffic.call(2)], UNANSWERED) == ["violation"]
    # Without its history the rest of a compressed direction may stay unreadable.
    assert verdicts([traffic.loss(0, "csms", "inflate"), heard, answered, traffic.call(2)], UNANSWERED) == [
        "inconclusive"
    ]


def test_a_violation_waits_until_the_owing_side_is_heard_of_without_a_loss() -> None:
    traffic = Traffic()
    engine = Engine([UNANSWERED])
    assert engine.feed([traffic.call(0), traffic.call(40)]) == []
    (found,) = engine.feed([traffic.call(50, side="csms")])
    assert (found.verdict, found.ts_ns) == ("violation", 30 * 10**9)
    # The gap shows with the next segment of that side, however late.
    engine = Engine([UNANSWERED])
    (found,) = engine.feed([traffic.call(0), traffic.loss(60, "csms"), traffic.call(60, side="csms")])
    assert (found.verdict, found.ts_ns) == ("inconclusive", 30 * 10**9)
    engine = Engine([UNANSWERED])
    engine.hear("CP1", 1)
    assert engine.feed([traffic.call(0), traffic.loss(60, "station")]) == []
    assert [f.verdict for f in engine.feed([traffic.closed(61, closed_by="csms")])] == ["violation"]
    # Cut by the station: the CSMS may have lost the network before the CALL.
    engine = Engine([UNANSWERED])
    engine.hear("CP1", 1)
    found = engine.feed([traffic.call(0), traffic.call(60), traffic.closed(61)])
    assert [f.verdict for f in found] == ["inconclusive"]


@pytest.mark.parametrize(
    ("heard_s", "closed_s", "kind", "wanted"),
    [(31, 50, "end", "violation"), (29, 50, "end", "inconclusive"), (29, 50, "idle", "inconclusive"),
     (31, 50, "rst", "violation"), (29, 50, "rst", "inconclusive"), (28, 28, "end", "inconclusive")],
)  # fmt: skip
def test_packets_tell_whether_a_silent_side_was_there_when_the_time_was_up(
    heard_s: int, closed_s: int, kind: str, wanted: str
) -> None:
    """A hole may hide the answer, the end of the connection and the next one; an acknowledgment shows silence."""
    traffic = Traffic()
    asked = traffic.call(1, side="csms")
    closed = traffic.closed(closed_s, close_kind=kind, closed_by="station", heard_ns=(0, heard_s * 10**9))
    engine = Engine([UNANSWERED])
    found = engine.feed([traffic.call(0), asked, traffic.answer(1, asked), closed]) + engine.finish(999 * 10**9)
    assert [f.verdict for f in found] == [wanted]


def test_a_side_that_was_never_heard_of_may_not_have_been_captured() -> None:
    traffic = Traffic()
    engine = Engine([UNANSWERED])
    found = engine.feed([traffic.call(0), traffic.call(50)]) + engine.finish(99 * 10**9)
    assert [f.verdict for f in found] == ["inconclusive", "inconclusive"]
    engine = Engine([UNANSWERED])
    first = traffic.call(0)
    found = engine.feed([first, traffic.answer(1, first), traffic.call(2)]) + engine.finish(99 * 10**9)
    assert [f.verdict for f in found] == ["violation"]
    engine = Engine([UNANSWERED])  # it accepted the upgrade
    found = engine.feed([traffic.upgrade(0), traffic.call(2)]) + engine.finish(99 * 10**9)
    assert [f.verdict for f in found] == ["violation"]


def test_a_late_answer_confirms() -> None:
    traffic = Traffic()
    call = traffic.call(0)
    engine = Engine([UNANSWERED])
    assert [f.verdict for f in engine.feed([call, traffic.answer(35, call)])] == ["violation"]


def test_a_call_that_waited_behind_lost_bytes_may_have_been_answered_before() -> None:
    traffic = Traffic()
    loss = traffic.loss(0, "station")
    call = traffic.call(0)
    call.position = loss.position
    assert verdicts([loss, call], UNANSWERED) == ["inconclusive"]
    assert verdicts([loss, traffic.call(0)], UNANSWERED) == ["violation"]


def test_a_call_that_is_older_than_what_was_read_of_the_other_side_may_have_been_answered() -> None:
    """Each side finds where its frames begin by itself, when we joined in mid-session."""
    traffic = Traffic()
    joined, heard, late, on_time = (
        traffic.loss(5, "unknown", "joined_midway"), traffic.call(5), traffic.call(4, side="csms"),
        traffic.call(6, side="csms"),
    )  # fmt: skip
    assert verdicts([joined, heard, late, traffic.call(60)], UNANSWERED)[0] == "inconclusive"  # due after 34 s
    assert verdicts([joined, heard, on_time, traffic.call(60)], UNANSWERED)[1] == "violation"  # after 36 s


def test_a_loss_of_another_connection_or_station_changes_nothing() -> None:
    traffic, other, stranger = Traffic(), Traffic(connection=2), Traffic("CP2", 3)
    assert verdicts([traffic.call(0), other.loss(1), stranger.loss(1)], UNANSWERED) == ["violation"]


def test_a_loss_without_connection_concerns_everybody() -> None:
    traffic = Traffic()
    everywhere = Traffic("", 0).loss(1)
    assert verdicts([traffic.call(0), everywhere], UNANSWERED) == ["inconclusive"]


def boot(traffic: Traffic, seconds: float, status: str) -> Any:
    return traffic.answer(seconds, traffic.call(seconds, "Boot"), {"status": status})


def test_registers_begin_unknown_and_become_unknown_again() -> None:
    traffic, other = Traffic(), Traffic(connection=2)
    rejected = boot(traffic, 0, "Rejected")
    assert verdicts([traffic.call(1, "Q")], BOOT) == []
    assert verdicts([rejected, traffic.call(1, "Q")], BOOT) == ["violation"]
    assert verdicts([rejected, traffic.loss(1), traffic.call(2, "Q")], BOOT) == []
    assert verdicts([rejected, other.loss(1, cause="joined_midway"), traffic.call(2, "Q")], BOOT) == []
    assert verdicts([rejected, traffic.loss(1), boot(traffic, 2, "Pending"), traffic.call(3, "Q")], BOOT) == [
        "violation"
    ]


def test_a_limit_learned_before_a_loss_is_doubtful() -> None:
    rule = make("when: Q.request\nexpect: {when: Z.request, within: {config: T, default: 60 s}}\n")
    traffic = Traffic()
    change = traffic.call(0, "ChangeConfiguration", {"key": "T", "value": "10"}, side="csms")
    learned = traffic.answer(0, change, {"status": "Accepted"})
    assert verdicts([learned, traffic.call(1, "Q")], rule) == ["violation"]
    assert verdicts(
        [learned, traffic.loss(0.2), traffic.call(0.5, side="csms"), traffic.call(0.6), traffic.call(1, "Q")], rule
    ) == ["inconclusive"]


def test_complete_means_seen_from_the_opening_without_a_loss() -> None:
    rule = make("when: Q.request\nwhere: complete\n")
    traffic = Traffic()
    up = traffic.upgrade(0)
    assert len(judge([up, traffic.call(1, "Q")], rule)) == 1
    assert judge([traffic.call(1, "Q")], rule) == []
    assert judge([up, traffic.loss(0.5), traffic.call(1, "Q")], rule) == []
    assert judge([up, traffic.closed(0.5), traffic.call(1, "Q")], rule) == []
    assert judge([traffic.upgrade(0, 404), traffic.call(1, "Q")], rule) == []


class Watch(Monitor):
    """Tells every third item."""

    def __init__(self) -> None:
        self.seen = 0

    def feed(self, item: Any) -> list[Remark]:
        if item.action == "Bad":
            raise RuntimeError("boom")
        self.seen += 1
        return [Remark(item, f"seen {self.seen}", blame="sender")] if self.seen % 3 == 0 else []

    def forget(self) -> None:
        self.seen = 0


def test_a_python_rule_serves_one_station_forgets_and_may_fail() -> None:
    rule = make("when: CALL\npython: watch.py:Watch\n")
    a, b = Traffic("A"), Traffic("B", 2)
    items: list[Any] = [t.call(s) for s in range(4) for t in (a, b)]
    program = Program([rule], lambda _: Watch)
    engine = Engine(program)
    found = engine.feed(items)
    assert [(finding.station, finding.text, finding.blame) for finding in found] == [
        ("A", "seen 3", "station"), ("B", "seen 3", "station")]  # fmt: skip
    engine = Engine(program)
    assert engine.feed([a.call(0), a.call(1), a.loss(2), a.call(3), a.call(4)]) == []
    assert engine.feed([a.call(5, "Bad"), a.call(6), a.call(7), a.call(8)]) == []
    assert [(x.name, x.station) for x in engine.anomalies] == [("pipeline.rule_failed", "A")]
    assert "RuntimeError: boom" in engine.anomalies[0].detail


def test_an_upgrade_request_captured_in_part_offers_unknown() -> None:
    rule = make("when: [Upgrade, ConnectionClosed]\nrequire: len(offered) > 0\n")
    traffic = Traffic()
    whole = traffic.upgrade(0, offered=())
    part = traffic.upgrade(0, offered=(), request_complete=False)
    assert verdicts([whole, traffic.closed(1, upgrade=whole)], rule) == ["violation", "violation"]
    assert verdicts([part, traffic.closed(1, upgrade=part)], rule) == []


def test_what_a_station_told_of_its_configuration_is_unknown_behind_a_loss() -> None:
    rule = parse_rule(
        """
id: TST-001
name: interval-too-long
title: t
severity: info
reference: r
when: Heartbeat.request
require: number(config.X) < 10
message: m
examples:
  - |
    0    < [2,"a","GetConfiguration",{"key":["X"]}]
    0.1  > [3,"a",{"configurationKey":[{"key":"X","readonly":false,"value":"20"}]}]
    1    > [2,"1","Heartbeat",{}]     # TST-001
    2    loss < bytes=90
    3    > [2,"2","Heartbeat",{}]
    4    < [2,"b","GetConfiguration",{"key":["X"]}]
    4.1  > [3,"b",{"configurationKey":[{"key":"X","readonly":false,"value":"20"}]}]
    5    > [2,"3","Heartbeat",{}]     # TST-001
""",
        "config.yaml",
    )
    assert run_examples([rule], lambda: Ocpp().feed) == []


def test_a_monitor_that_rests_is_spared_the_actions_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "rester.py").write_text(
        "from ocpp_inspect.engine import Monitor, Remark\n"
        "class Rester(Monitor):\n"
        "    rests_on = frozenset(('Heartbeat',))\n"
        "    resting = True\n"
        "    def feed(self, item):\n"
        "        self.resting = item.action == 'StatusNotification'\n"
        "        return [Remark(item, 'seen')]\n"
    )
    text = (
        "id: TST-003\nname: rests-between\ntitle: t\nseverity: info\nreference: r\nwhen: CALL\n"
        "python: rester.py:Rester\nmessage: m\nexamples:\n  - |\n"
        "    0    open\n"
        '    1    > [2,"1","Authorize",{}]     # TST-003\n'
        '    2    > [2,"2","Heartbeat",{}]     # TST-003\n'
        '    3    > [2,"3","StatusNotification",{}]     # TST-003\n'
        '    4    > [2,"4","Heartbeat",{}]\n'
        '    5    > [2,"5","Authorize",{}]     # TST-003\n'
        '    6    > [2,"6","Heartbeat",{}]     # TST-003\n'
    )
    rule = parse_rule(text, str(tmp_path / "x.yaml"))
    assert run_examples([rule], lambda: Ocpp().feed) == []


def test_a_monitor_rests_without_what_it_remembers(tmp_path: Path) -> None:
    (tmp_path / "holder.py").write_text(
        "from ocpp_inspect.engine import Monitor, Remark\n"
        "class Holder(Monitor):\n"
        "    rests_on = frozenset(('Heartbeat',))\n"
        "    rests_without = ('one', 'other')\n"
        "    def __init__(self):\n"
        "        self.one, self.other = [], {}\n"
        "    def feed(self, item):\n"
        "        self.one = [1] if item.action == 'StatusNotification' else []\n"
        "        self.other = {1: 1} if item.action == 'Authorize' else {}\n"
        "        return [Remark(item, 'seen')]\n"
    )
    text = (
        "id: TST-003\nname: rests-without\ntitle: t\nseverity: info\nreference: r\nwhen: CALL\n"
        "python: holder.py:Holder\nmessage: m\nexamples:\n  - |\n"
        "    0    open\n"
        '    1    > [2,"1","Authorize",{}]     # TST-003\n'
        '    2    > [2,"2","Heartbeat",{}]     # TST-003\n'
        '    3    > [2,"3","Heartbeat",{}]\n'
        '    4    > [2,"4","StatusNotification",{}]     # TST-003\n'
        '    5    > [2,"5","Heartbeat",{}]     # TST-003\n'
        '    6    > [2,"6","Heartbeat",{}]\n'
    )
    rule = parse_rule(text, str(tmp_path / "x.yaml"))
    assert run_examples([rule], lambda: Ocpp().feed) == []


def test_a_monitor_that_sleeps_wakes_with_the_next_connection(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(
        "from ocpp_inspect.engine import Monitor, Remark\n"
        "class Sleeper(Monitor):\n"
        "    def feed(self, item):\n"
        "        self.asleep = True\n"
        "        return [Remark(item, 'seen')]\n"
    )
    text = (
        "id: TST-002\nname: sleeps-once\ntitle: t\nseverity: info\nreference: r\nwhen: CALL\n"
        "python: sleeper.py:Sleeper\nmessage: m\nexamples:\n  - |\n"
        "    0    open\n"
        '    1    > [2,"1","Heartbeat",{}]     # TST-002\n'
        '    2    > [2,"2","Heartbeat",{}]\n'
        "    3    close\n"
        "    4    open as=B\n"
        '    5    > [2,"3","Heartbeat",{}]     # TST-002\n'
    )
    rule = parse_rule(text, str(tmp_path / "x.yaml"))
    assert run_examples([rule], lambda: Ocpp().feed) == []


@pytest.mark.parametrize(
    ("keys", "inner_s", "judged"),
    [(("k", "k"), (0.1, 0.2), [2]), (("k", "l"), (0.1, 0.2), [2, 1]), (("", ""), (0.1, 0.2), [2, 1]),
     # A station with a constant key that comes back: neither handshake lies inside of the other.
     (("k", "k"), (-9.0, -8.9), [2, 1])],
)  # fmt: skip
def test_of_a_session_on_both_sides_of_a_proxy_one_leg_is_judged(
    keys: tuple[str, str], inner_s: tuple[float, float], judged: list[int]
) -> None:
    every_call = make("when: CALL\nrequire: action == None\n")
    traffic = Traffic()
    inner = traffic.upgrade(inner_s[0], key=keys[0], response_ns=round(inner_s[1] * 10**9))
    outer = traffic.upgrade(0, key=keys[1], response_ns=round(0.3 * 10**9))
    calls = [traffic.call(1), traffic.call(1)]
    inner.connection = calls[0].connection = 2
    engine = Engine([every_call])
    assert [finding.connection for finding in engine.feed([inner, outer, *calls])] == judged
    told = [anomaly.connection for anomaly in engine.take_anomalies() if anomaly.name == "pipeline.same_session"]
    assert told == ([1] if judged == [2] else [])
    # A balancer in front of the proxy makes a third leg around them; a reconnect with the same key is none.
    outermost = traffic.upgrade(-1, key=keys[1], response_ns=round(0.4 * 10**9))
    later = traffic.upgrade(5, key=keys[1], response_ns=round(5.1 * 10**9))
    calls = [traffic.call(6), traffic.call(6)]
    outermost.connection = calls[0].connection = 3
    later.connection = calls[1].connection = 4
    judged_too = [finding.connection for finding in engine.feed([outermost, later, *calls])]
    assert judged_too == ([4] if keys[1] else [3, 4])
    # The number of a connection that ended may be given again.
    again = traffic.call(9)
    assert len(engine.feed([traffic.closed(8), again])) == 1


@pytest.mark.parametrize(
    ("server", "later_s", "judged"),
    [("10.0.0.2", 0.4, [1]), ("10.0.0.1", 0.4, [1, 2]), ("10.0.0.2", 60, [1, 2])],
    ids=["another server", "the same server", "much later"],
)
def test_legs_whose_times_are_wrong_are_told_by_their_ends(server: str, later_s: float, judged: list[int]) -> None:
    """Packets of a merged capture carry the times of their places: no handshake lies inside of the other."""
    every_call = make("when: CALL\nrequire: action == None\n")
    traffic = Traffic()
    ends = {"client": "10.0.0.9", "server_port": 80}
    one = traffic.upgrade(0, key="k", response_ns=10**8, server="10.0.0.1", **ends)
    two = traffic.upgrade(later_s, key="k", response_ns=round((later_s + 0.1) * 10**9), server=server, **ends)
    calls = [traffic.call(70), traffic.call(70)]
    two.connection = calls[1].connection = 2
    engine = Engine([every_call])
    assert [finding.connection for finding in engine.feed([one, two, *calls])] == judged


PROMISE = make(
    "when: Q.response\nexpect: {when: Done.request, within: 30 s}\n",
)


@pytest.mark.parametrize(("lost_at", "wanted"), [(0.5, "violation"), (1.5, "inconclusive")])
def test_what_an_answer_promises_may_be_lost_before_it(lost_at: float, wanted: str) -> None:
    traffic = Traffic()
    before = [traffic.loss(lost_at, "station"), traffic.call(lost_at)] if lost_at < 1 else []
    asked = traffic.call(1, "Q", side="csms")
    between = [traffic.loss(lost_at, "station"), traffic.call(lost_at)] if lost_at > 1 else []
    items = [
        *before,
        asked,
        *between,
        traffic.answer(2, asked, request_ns=asked.ts_ns),
        traffic.call(60),
        traffic.call(61, side="csms"),
    ]
    assert verdicts(items, PROMISE) == [wanted]


REPEATED = make(
    "when: Q.request\nremember: {when: Q.request, set: {before: payload.x}}\nrequire: payload.x != before\n"
)
NEGATIVE = make("when: Q.request\nrequire: payload.x >= 0\n", id="TST-002")


@pytest.mark.parametrize(("answered", "wanted"), [(True, "violation"), (False, "inconclusive")])
def test_of_one_side_alone_no_comparison_is_certain(answered: bool, wanted: str) -> None:
    engine, traffic = Engine([REPEATED, NEGATIVE]), Traffic()
    first = traffic.call(0, "Q", {"x": -1})
    items = [first, *([traffic.answer(0.1, first)] if answered else []), traffic.call(1, "Q", {"x": -1})]
    found = {(finding.rule, finding.ts_ns // 10**9): finding.verdict for finding in engine.feed(items)}
    assert found == {("TST-002", 0): "violation", ("TST-002", 1): "violation", ("TST-001", 1): wanted}


def test_a_python_rule_hears_that_something_is_missing_before_its_first_item() -> None:
    class Knows(Monitor):
        def __init__(self) -> None:
            self.whole = True

        def forget(self) -> None:
            self.whole = False

        def feed(self, item: Any) -> Any:
            yield Remark(item, "whole" if self.whole else "not whole")

    rule = make('when: Q.request\npython: "x.py:Knows"\n')
    for items, wanted in (([], "whole"), ([Traffic().loss(0, "unknown")], "not whole")):
        engine = Engine(Program([rule], lambda _: Knows))
        (found,) = engine.feed([*items, Traffic().call(1, "Q")])
        assert found.text == wanted
