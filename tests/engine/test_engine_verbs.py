"""The verbs, registers and timers."""

from __future__ import annotations

from typing import Any

import pytest
from rule_making import SECOND, Traffic, judge, make, play

from ocpp_inspect.engine import Engine

UNANSWERED = make("when: CALL\nby: [call]\nexpect: {when: [CALLRESULT, CALLERROR], within: 30 s}\n",
                  message='"{unique_id} after {within}"', blame="receiver")  # fmt: skip


def test_a_deadline_has_its_own_time() -> None:
    traffic = Traffic()
    engine = Engine([UNANSWERED])
    call = traffic.call(0)
    assert engine.feed([call, traffic.call(29.999, side="csms")]) == []
    (finding,) = engine.feed([traffic.call(40, side="csms")])
    assert (finding.ts_ns, finding.text, finding.blame) == (30 * SECOND, f"{call.unique_id} after 30 s", "csms")
    assert finding.evidence == (call.packet,)
    assert (finding.position, finding.message_id, finding.verdict) == (call.position, call.message_id, "violation")


def test_a_late_answer_does_not_help_and_an_answer_in_time_does() -> None:
    traffic = Traffic()
    first, second = traffic.call(0), traffic.call(1)
    found = judge([first, second, traffic.answer(30.999, second), traffic.answer(31, first)], UNANSWERED, end=100)
    assert [finding.evidence[0] for finding in found] == [first.packet]


def test_at_the_very_deadline_it_is_too_late() -> None:
    traffic = Traffic()
    call = traffic.call(0)
    assert len(judge([call, traffic.answer(30, call)], UNANSWERED)) == 1


def test_what_is_not_due_at_the_end_is_dropped() -> None:
    traffic = Traffic()
    assert judge([traffic.call(0), traffic.call(5)], UNANSWERED, end=30) != []
    assert judge([traffic.call(0), traffic.call(5)], UNANSWERED, end=29.9) == []


def test_tick_fires_live() -> None:
    engine = Engine([UNANSWERED])
    engine.feed([Traffic().call(0)])
    assert engine.tick(29 * SECOND) == []
    assert len(engine.tick(31 * SECOND)) == 1
    assert engine.tick(99 * SECOND) == []


def test_deadlines_of_mixed_lengths_fire_in_their_order() -> None:
    slow = make("when: Slow.request\nexpect: {when: X.request, within: 50 s}\n", id="TST-002")
    by_payload = make(
        "when: CALL\nwhere: payload.wait > 0\nby: [payload.id]\nexpect: {when: X.request, within: payload.wait}\n",
        id="TST-003",
    )
    traffic = Traffic()
    items = [
        traffic.call(0, "Slow"),
        traffic.call(1, "A", {"wait": 60, "id": 1}),
        traffic.call(2, "B", {"wait": 7, "id": 2}),
    ]
    found = judge(items, UNANSWERED, slow, by_payload, end=100)
    times = [finding.ts_ns // SECOND for finding in found]
    assert times == [9, 30, 31, 32, 50, 61]


def test_the_end_of_the_connection_calls_off() -> None:
    traffic, other = Traffic(), Traffic(connection=2)
    assert judge([traffic.call(0), traffic.closed(5)], UNANSWERED, end=99) == []
    assert len(judge([traffic.call(0), other.closed(5)], UNANSWERED, end=99)) == 1
    # Nobody closed it: it was only not heard of any more, or the capture ended.
    for kind in ("idle", "end"):
        assert len(judge([traffic.call(0), traffic.closed(5, close_kind=kind)], UNANSWERED, end=99)) == 1
        assert judge([traffic.call(0), traffic.closed(5, close_kind=kind)], UNANSWERED, end=20) == []
    # The station came back on another connection: the first one is dead although nobody closed it.
    assert judge([traffic.call(0), other.upgrade(5)], UNANSWERED, end=99) == []
    assert len(judge([traffic.call(0), other.upgrade(5, status=401)], UNANSWERED, end=99)) == 1


def follow(more: str = "") -> Any:
    return make(
        'when: RemoteStart.response\nwhere: payload.status == "Accepted"\nby: [request.tag]\n'
        "expect: {when: Start.request, by: [payload.tag], within: 60 s, "
        f"where: 'start.request.connector in (None, payload.connector)'{more}}}\n"
    )


def remote(traffic: Traffic, seconds: float, **request: Any) -> Any:
    call = traffic.call(seconds, "RemoteStart", request, side="csms")
    return traffic.answer(seconds, call, {"status": "Accepted"})


def test_expect_compares_keys_and_its_where_sees_the_start() -> None:
    traffic = Traffic()
    asked = remote(traffic, 0, tag="A", connector=2)
    for payload, number in (
        ({"tag": "A", "connector": 2}, 0), ({"tag": "B", "connector": 2}, 1), ({"tag": "A", "connector": 1}, 1),
        ({"tag": "A"}, 1),
        ({"tag": ["A"]}, 1),
    ):  # fmt: skip
        assert len(judge([asked, traffic.call(1, "Start", payload)], follow(), end=99)) == number
    assert (
        judge([remote(traffic, 0, tag="A"), traffic.call(1, "Start", {"tag": "A", "connector": 9})], follow(), end=99)
        == []
    )
    assert judge([remote(traffic, 0)], follow(), end=99) == []  # no key: unknown


def test_one_answer_settles_every_wait_of_its_key() -> None:
    traffic = Traffic()
    twice = [remote(traffic, 0, tag="A"), remote(traffic, 1, tag="A", connector=3)]
    assert judge([*twice, traffic.call(2, "Start", {"tag": "A", "connector": 3})], follow(), end=99) == []
    found = judge([*twice, traffic.call(2, "Start", {"tag": "A", "connector": 4})], follow(), end=99)
    assert [finding.ts_ns // SECOND for finding in found] == [61]


def test_until_survives_and_reboot() -> None:
    traffic, other = Traffic(), Traffic(connection=2)
    asked = remote(traffic, 0, tag="A")
    stop = traffic.call(1, "Stop", {"tag": "A"})
    until = ", until: {when: Stop.request, where: 'payload.tag == start.request.tag'}"
    keyed = follow(until)
    assert len(judge([asked, stop], follow(), end=99)) == 1
    assert len(judge([asked, traffic.call(1, "Stop", {"tag": "B"})], keyed, end=99)) == 1
    surviving = follow(", survives: connection")
    boot = other.call(2, "BootNotification")
    assert judge([asked, traffic.closed(1)], follow(), end=99) == []
    assert len(judge([asked, traffic.closed(1)], surviving, end=99)) == 1
    assert judge([asked, boot], surviving, end=99) == []
    assert len(judge([asked, boot], follow(", survives: [connection, reboot]"), end=99)) == 1
    assert (
        len(judge([asked, traffic.call(2, "BootNotification")], surviving, end=99)) == 1
    )  # same connection: no reboot


def test_until_with_the_key_of_expect() -> None:
    rule = make("when: A.request\nby: [payload.x]\nexpect: {when: B.request, within: 9 s, until: C.request}\n")
    traffic = Traffic()
    assert judge([traffic.call(0, "A", {"x": 1}), traffic.call(1, "C", {"x": 1})], rule, end=99) == []
    assert len(judge([traffic.call(0, "A", {"x": 1}), traffic.call(1, "C", {"x": 2})], rule, end=99)) == 1


def test_within_by_learned_configuration() -> None:
    rule = make(
        "when: A.request\n"
        "expect: {when: B.request, within: {config: TimeOut, unit: s, default: 60 s, factor: 2, plus: 1 s}}\n"
    )
    traffic = Traffic()

    def due(*before: Any) -> list[int]:
        return [f.ts_ns // SECOND for f in judge([*before, traffic.call(1, "A")], rule, end=9999)]

    change = traffic.call(0, "ChangeConfiguration", {"key": "TimeOut", "value": "10"}, side="csms")
    ask = traffic.call(0, "GetConfiguration", {}, side="csms")
    assert due() == [1 + 121]
    assert due(traffic.answer(0, change, {"status": "Accepted"})) == [1 + 21]
    assert due(traffic.answer(0, change, {"status": "Rejected"})) == [1 + 121]
    assert due(traffic.answer(0, ask, {"configurationKey": [{"key": "TimeOut", "value": "5"}, 7]})) == [1 + 11]
    assert due(traffic.answer(0, ask, {"configurationKey": [{"key": "TimeOut", "value": "soon"}]})) == [1 + 121]


def test_configuration_of_the_second_generation() -> None:
    rule = make('when: Q.request\nrequire: config["Ctrlr.V"] == "1" and config.V == "1"\n', versions='["2.0.1"]')
    traffic = Traffic(version="2.0.1")
    name = {"component": {"name": "Ctrlr"}, "variable": {"name": "V"}}
    asked = traffic.call(0, "SetVariables", {"setVariableData": [{**name, "attributeValue": "0"}]}, side="csms")
    report = traffic.call(0, "NotifyReport", {"reportData": [{**name, "variableAttribute": [{"value": "0"}]}]})
    got = traffic.answer(
        0,
        traffic.call(0, "GetVariables", {}, side="csms"),
        {"getVariableResult": [{**name, "attributeStatus": "Accepted", "attributeValue": "0"}]},
    )
    done = traffic.answer(0, asked, {"setVariableResult": [{**name, "attributeStatus": "Accepted"}]})
    refused = traffic.answer(0, asked, {"setVariableResult": [{**name, "attributeStatus": "Rejected"}]})
    for learned, number in ((report, 1), (got, 1), (done, 1), (refused, 0)):
        assert len(judge([learned, traffic.call(1, "Q")], rule)) == number


def test_count_in_a_sliding_window() -> None:
    rule = make("when: CALL\nby: [action]\ncount: {max: 2, within: 10 s}\n", message='"more than {max} in {within}"')
    traffic = Traffic()
    assert judge([traffic.call(t) for t in (0, 5, 10, 15, 20)], rule) == []
    (found,) = judge([traffic.call(t) for t in (0, 5, 9.9)], rule)
    assert found.text == "more than 2 in 10 s"
    assert judge([traffic.call(0), traffic.call(1), traffic.call(2, "Other")], rule) == []
    assert len(judge([traffic.call(t / 10) for t in range(9)], rule)) == 3  # each needs a full window


def test_registers_keep_the_previous_value_and_are_evidence() -> None:
    rule = make(
        "when: M.request\nby: [payload.c]\nrequire: payload.v >= last\n"
        "remember: {when: M.request, set: {last: payload.v}}\n",
        message='"{payload.v} after {last}"',
    )
    traffic = Traffic()
    items = [
        traffic.call(t, "M", {"c": c, "v": v})
        for t, c, v in ((0, 1, 5), (1, 2, 1), (2, 1, 7), (3, 1, 6), (4, 1, None), (5, 1, 1))
    ]
    (found,) = judge(items, rule)
    assert (found.text, found.evidence) == ("6 after 7", (items[3].packet, items[2].packet))


def test_versions_and_severity_by_version() -> None:
    rule = make(
        "when: [CALL, Ping, ConnectionClosed]\n", severity='{default: error, "1.6": info}', versions='["1.6", "2.1"]'
    )
    for version, wanted in (("1.6", "info"), ("2.1", "error"), ("2.0.1", None), ("", None), ("9", None)):
        traffic = Traffic(version=version)
        found = judge([traffic.call(0), traffic.closed(1)], rule)
        assert [finding.severity for finding in found] == [wanted] * 2 if wanted else not found


def test_more_findings_than_told_are_counted() -> None:
    rule = make("when: CALL\n")
    traffic = Traffic()
    found = judge([traffic.call(t) for t in range(1000)], rule)
    assert len(found) == 201
    assert found[-1].text.endswith("(the last of 800 more findings like this, not told one by one)")


def test_two_triggers_that_overlap_run_once() -> None:
    both = make("when: [Ping, Control, Anomaly:tcp.*, Anomaly:tcp.overlap]\n", versions='["1.6"]')
    beginning = '0 > [2,"1","Heartbeat",{}]\n0.1 < [3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]\n'
    assert (
        play(beginning + "1 > ping x  # TST-001\n2 > pong x  # TST-001\n3 anomaly tcp.overlap x  # TST-001", both) == []
    )
    assert play("1 > ping x  # TST-001", both) == ["1: TST-001 was not found"]  # its version is not known yet
    assert len(judge([Traffic().call(0)], make("when: [CALL, ANY, Heartbeat.request]\n"))) == 1


def test_events_of_the_lower_layers_in_a_transcript() -> None:
    upgrade = make("when: Upgrade\nwhere: status == 401\n", id="UPG-001")
    ping = make('when: Ping\nwhere: data != None and side == "csms"\n', id="PNG-001")
    close = make("when: Close\nwhere: code == 1002\n", id="CLS-001")
    gone = make('when: ConnectionClosed\nwhere: close_kind == "rst" and closed_by == "csms"\n', id="GON-001")
    loss = make('when: Loss\nwhere: cause == "gap"\n', id="LOS-001")
    odd = make('when: Anomaly:tcp.*\nwhere: side == "station"\n', id="ANO-001")
    schema = make('when: Anomaly:schema.*\nwhere: action == "Heartbeat" and path != None\n', id="SCH-001")
    transcript = """
        0 open status=401 as=B                # UPG-001
        1 open
        2 < ping x                            # PNG-001
        2 > ping x
        3 > [2,"1","Heartbeat",{"a":1}]       # SCH-001
        4 loss < bytes=5                      # LOS-001
        5 anomaly tcp.overlap > two texts     # ANO-001
        6 anomaly tcp.overlap < two texts
        7 > close 1002 bad frame              # CLS-001
        8 close by=csms kind=rst              # GON-001
    """
    assert play(transcript, upgrade, ping, close, gone, loss, odd, schema) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 > [2,\"1\",\"Heartbeat\",{}]  # TST-001, TST-002", "TST-002 was not found"),
        ('0 > [2,"1","Heartbeat",{}]', "unexpected TST-001 (test-rule): CP001"),
        ('0 > [2,"1","Heartbeat",{}]  # TST-001?', "unexpected TST-001"),
        ("x > [2]", "a line begins with its time"),
        ("0 shout", "'shout' is none of"),
        ("0 Z> [2]", "connection Z is not open"),
        ("0 open colour=red", "an upgrade has no 'colour'"),
        ("0 close colour=red", "close has no 'colour'"),
        ("5\n4", "time runs backwards"),
        ("0 loss x", "write `loss`"),
        ("start yesterday", "Invalid isoformat"),
    ],
)  # fmt: skip
def test_what_a_transcript_complains_about(line: str, problem: str) -> None:
    found = play(line, make("when: CALL\n"))
    assert any(problem in text for text in found), found


def test_rules_with_the_same_key_do_not_see_each_others_registers() -> None:
    one = make(
        "when: B.request\nby: [payload.k]\nrequire: seen == 1\n"
        "remember: [{when: A.request, set: {seen: payload.v}}, {when: B.request, set: {seen: 5}}]\n",
        message='"{seen}"',
    )
    other = make(
        "when: B.request\nby: [payload.k]\nrequire: seen == 2 and more == None\n"
        "remember: {when: A.request, set: {seen: payload.v + 1}}\n".replace("}}", ", more: payload.more}}"),
        id="TST-002", message='"{seen} {more}"',
    )  # fmt: skip
    traffic = Traffic()
    first = traffic.call(0, "A", {"k": "x", "v": 1})
    again = [traffic.call(1, "B", {"k": "x"}), traffic.call(2, "B", {"k": "x"}), traffic.call(3, "B", {"k": "y"})]
    # The second finds what the first has left; what another key remembers is unknown to both.
    found = judge([first, *again], one, other)
    assert [(finding.rule, finding.ts_ns, finding.text) for finding in found] == [("TST-001", 2 * SECOND, "5")]
    assert found[0].evidence[-1] == again[0].packet
    told = judge([traffic.call(0, "A", {"k": "x", "v": 1, "more": 9}), *again[:1]], one, other)
    assert [(finding.rule, finding.text) for finding in told] == [("TST-002", "2 9")]


def test_a_key_that_is_written_in_two_ways_is_one_key() -> None:
    rule = make(
        "when: A.request\nby: [payload.k]\nrequire: last == None or payload.v > last\n"
        "remember: [{when: A.request, by: [lower(payload.k)], set: {last: payload.v}},"
        " {when: A.request, by: [payload.k], where: 'last != None', set: {twice: True}}]\n",
        message='"{twice}"',
    )
    traffic = Traffic()
    rising = [traffic.call(n, "A", {"k": "x", "v": n}) for n in range(3)]
    assert judge(rising, rule) == []
    assert [finding.text for finding in judge([*rising, traffic.call(9, "A", {"k": "x", "v": 1})], rule)] == ["true"]


PAIRED = make(
    "when: A.request\nby: [payload.k]\n"
    "expect: {when: B.request, within: 9 s, until: {when: C.request, where: payload.v == start.payload.v}}\n",
    message='"{payload.v}"',
)


def texts(items: list[Any]) -> list[str]:
    """What is overdue at the end, as verdict and text."""
    return [f"{finding.verdict} {finding.text}" for finding in judge([*items, Traffic().call(60, "Q")], PAIRED)]


def test_an_expectation_waits_alone_or_with_others_of_its_key() -> None:
    traffic = Traffic()
    one, two = traffic.call(0, "A", {"k": "x", "v": 1}), traffic.call(1, "A", {"k": "x", "v": 2})
    first = traffic.call(0, "A", {"k": "w", "v": 0})  # the key's table is there from now on
    met = traffic.call(0, "B", {"k": "w"})
    assert texts([first, met, one]) == ["violation 1"]
    assert texts([first, met, one, two]) == ["violation 1", "violation 2"]
    assert texts([first, met, one, two, traffic.call(2, "B", {"k": "x"})]) == []
    assert texts([first, met, one, traffic.call(2, "C", {"k": "x", "v": 1})]) == []
    assert texts([first, met, one, traffic.call(2, "C", {"k": "x", "v": 2})]) == ["violation 1"]
    assert texts([first, met, one, two, traffic.call(2, "C", {"k": "x", "v": 2})]) == ["violation 1"]
    assert texts([first, met, one, traffic.closed(2)]) == []
    assert texts([first, met, one, traffic.loss(2)]) == ["inconclusive 1"]
