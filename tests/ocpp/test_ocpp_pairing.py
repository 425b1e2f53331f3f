from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ocpp_transcript import anomalies, closed, items, messages, names, run

from ocpp_inspect.model import ConnectionClosed, Loss, WsMessage
from ocpp_inspect.ocpp import Ocpp

BOOT = '{"chargePointVendor":"V","chargePointModel":"M"}'
BOOTED = '{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}'
CLOCK = '{"currentTime":"2026-01-01T00:00:00Z"}'


def test_a_clean_dialogue_is_paired_validated_and_silent() -> None:
    found = run(
        f"""
        -- upgrade /ocpp/CP%2001 ocpp1.6
        0.0 > [2,"1","BootNotification",{BOOT}]
        0.25 < [3,"1",{BOOTED}]
        1.0 > [2,"2","Heartbeat",{{}}]
        1.5 < [3,"2",{CLOCK}]
        -- closed
        """
    )
    assert names(found) == []
    call, answer, _, beat = messages(found)
    assert (call.kind, call.action, call.version, call.station) == ("CALL", "BootNotification", "1.6", "CP 01")
    assert (answer.kind, answer.action, answer.request_id) == ("CALLRESULT", "BootNotification", call.message_id)
    assert (answer.request, answer.request_ns, answer.latency_ns) == (call.payload, 0, 250_000_000)
    assert call.schema_valid is answer.schema_valid is beat.schema_valid is True
    assert beat.latency_ns == 500_000_000
    ended = found[-1]
    assert isinstance(ended, ConnectionClosed)
    assert (ended.station, ended.version, ended.is_ocpp) == ("CP 01", "1.6", True)
    assert call.session is beat.session
    assert (call.session.boot_status, call.session.heartbeat_interval) == ("Accepted", 300)


def test_two_stations_that_both_use_the_id_1_do_not_mix() -> None:
    found = run(
        f"""
        -- upgrade /A ocpp1.6
        == 2
        -- upgrade /B ocpp1.6
        == 1
        0.0 > [2,"1","BootNotification",{BOOT}]
        == 2
        0.1 > [2,"1","Heartbeat",{{}}]
        == 1
        0.2 < [3,"1",{BOOTED}]
        == 2
        0.3 < [3,"1",{CLOCK}]
        """
    )
    assert names(found) == []
    first, second = messages(found)[2:]
    assert (first.action, first.station, first.latency_ns) == ("BootNotification", "A", 200_000_000)
    assert (second.action, second.station, second.latency_ns) == ("Heartbeat", "B", 200_000_000)


def test_items_come_apart_by_station_once_all_their_connections_are_named() -> None:
    text = f"""
        -- upgrade /A ocpp1.6
        == 2
        -- upgrade /B ocpp1.6
        == 3
        -- upgrade /A ocpp1.6
        == 1
        0.0 > [2,"1","Heartbeat",{{}}]
        == 2
        0.1 > [2,"1","Heartbeat",{{}}]
        == 3
        0.2 > [2,"1","Heartbeat",{{}}]
        == 1
        0.3 < [3,"1",{CLOCK}]
        """
    room = Ocpp()
    whole = items(text)
    assert room.by_station(whole) is None  # nobody is named yet
    room.feed(whole)
    later = [item for item in items(text) if type(item) is WsMessage]
    for shown in (later, sorted(later, key=lambda item: item.connection)):
        parts = room.by_station(shown)
        assert parts is not None
        assert {name: [item.connection for item in part] for name, part in parts.items()} == {"A": [1, 3, 1], "B": [2]}
    assert room.by_station([*later, closed(1, 20, "fin")]) is None  # an end may free a name
    assert room.by_station([*later, Loss(2, "unknown", 1, 20, 20, "gap")]) is None


def test_calls_that_cross_with_the_same_id_are_legal() -> None:
    found = run(
        f"""
        -- upgrade /A ocpp1.6
        0 > [2,"1","Heartbeat",{{}}]
        0 < [2,"1","ClearCache",{{}}]
        1 > [3,"1",{{"status":"Accepted"}}]
        1 < [3,"1",{CLOCK}]
        """
    )
    assert names(found) == []
    assert [each.action for each in messages(found)] == ["Heartbeat", "ClearCache", "ClearCache", "Heartbeat"]


def test_an_id_used_again_after_a_reconnect_pairs_with_the_new_call() -> None:
    room = Ocpp()
    run('-- upgrade /A ocpp1.6\n0 > [2,"1","Heartbeat",{}]\n-- closed', room)
    found = run(f'== 9\n-- upgrade /A ocpp1.6\n5 > [2,"1","BootNotification",{BOOT}]\n6 < [3,"1",{BOOTED}]', room)
    assert names(found) == []
    answer = messages(found)[-1]
    assert (answer.action, answer.latency_ns) == ("BootNotification", 1_000_000_000)
    assert room.session("A") is answer.session


def test_a_close_makes_open_calls_lost_and_the_end_of_the_capture_does_not() -> None:
    dialogue = '-- upgrade /A ocpp1.6\n0 > [2,"1","Heartbeat",{}]\n0 < [2,"7","ClearCache",{}]\n-- '
    lost = anomalies(run(dialogue + "closed"))
    assert [each.name for each in lost] == ["rpc.connection_lost"] * 2
    assert "Heartbeat '1'" in lost[0].detail
    assert lost[1].side == "csms"
    assert lost[0].message_id > 0
    assert names(run(dialogue + "end")) == []


def test_second_answer_orphan_and_answer_from_the_same_side() -> None:
    found = run(
        f"""
        -- upgrade /A ocpp1.6
        0 > [2,"1","Heartbeat",{{}}]
        1 < [3,"1",{CLOCK}]
        2 < [3,"1",{CLOCK}]
        3 < [3,"nobody",{{}}]
        4 > [2,"2","Heartbeat",{{}}]
        5 > [3,"2",{CLOCK}]
        6 < [4,"-1","RpcFrameworkError","",{{}}]
        """
    )
    assert names(found) == [
        "rpc.second_answer", "rpc.orphan_answer", "rpc.answer_from_same_side", "rpc.error_without_id",
        "ocpp.error_code_other_version",
    ]  # fmt: skip
    second = messages(found)[2]
    assert (second.action, second.latency_ns, second.request) == ("Heartbeat", -1, None)


def test_an_answer_after_a_loss_is_unpaired_and_not_an_orphan() -> None:
    assert names(run('-- upgrade /A ocpp1.6\n-- lost\n0 < [3,"1",{}]')) == ["rpc.unpaired_answer"]


def test_one_captured_direction_makes_no_orphans() -> None:
    assert names(run('0 < [3,"1",{}]\n1 < [3,"2",{}]')) == ["rpc.unpaired_answer"] * 2
    assert names(run('0 > [2,"1","Heartbeat",{}]\n1 < [3,"2",{}]')) == ["rpc.orphan_answer"]


def test_a_retry_differs_from_another_call_with_the_same_id() -> None:
    start = '-- upgrade /A ocpp1.6\n0 > [2,"1","Heartbeat",{}]\n'
    other = f'30 > [2,"1","BootNotification",{BOOT}]\n'
    answer = f'1 < [3,"1",{CLOCK}]\n'
    assert names(run(start + '30 > [2,"1","Heartbeat",{}]')) == ["rpc.retry"]
    assert names(run(start + answer + '30 > [2,"1","Heartbeat",{}]')) == ["rpc.retry"]
    assert names(run(start + other)) == ["rpc.id_reused_open"]
    assert names(run(start + answer + other)) == ["rpc.id_reused"]


def test_the_most_recent_call_with_the_id_is_answered_first() -> None:
    found = run(
        f"""
        -- upgrade /A ocpp1.6
        0 > [2,"1","Heartbeat",{{}}]
        1 > [2,"1","BootNotification",{BOOT}]
        2 < [3,"1",{BOOTED}]
        3 < [3,"1",{CLOCK}]
        """
    )
    assert [each.action for each in messages(found)[2:]] == ["BootNotification", "Heartbeat"]
    assert names(found) == ["rpc.id_reused_open"]


def test_send_has_no_answer_and_a_result_error_refers_to_a_result() -> None:
    stream = '{"id":1,"pending":0,"basetime":"2026-01-01T00:00:00Z","data":[{"t":1,"v":"2"}]}'
    found = run(
        f"""
        -- upgrade /A ocpp2.1
        0 > [6,"s","NotifyPeriodicEventStream",{stream}]
        1 < [3,"s",{{}}]
        2 > [2,"h","Heartbeat",{{}}]
        3 < [3,"h",{{"time":1}}]
        4 > [5,"h","FormatViolation","no time",{{}}]
        5 > [5,"x","FormatViolation","",{{}}]
        6 > [2,"t","NotifyPeriodicEventStream",{stream}]
        7 > [6,"u","Heartbeat",{{}}]
        """
    )
    assert names(found) == [
        "rpc.send_answered", "schema.required", "schema.additional_property", "rpc.result_error_unpaired",
        "ocpp.send_expected", "ocpp.send_not_allowed",
    ]  # fmt: skip
    refused = messages(found)[4]
    assert (refused.kind, refused.action, refused.error_code) == ("CALLRESULTERROR", "Heartbeat", "FormatViolation")
    assert refused.request_id == messages(found)[2].message_id
    assert names(run('-- upgrade /A ocpp1.6\n0 > [6,"1","Heartbeat",{}]'))[-1] == "ocpp.message_type_not_in_version"


def test_sides_that_are_unknown_follow_from_the_actions() -> None:
    found = run(f'-- upgrade /A ocpp1.6\n0 ? [2,"1","Heartbeat",{{}}]\n1 ? [3,"1",{CLOCK}]')
    assert [each.side for each in messages(found)] == ["station", "csms"]
    assert names(found) == []


def test_the_table_of_open_calls_is_bounded_and_says_so() -> None:
    room = Ocpp(open_calls_limit=3)
    lines = "".join(f'{n} > [2,"{n}","Heartbeat",{{}}]\n' for n in range(5))
    found = run("-- upgrade /A ocpp1.6\n" + lines + "-- closed", room)
    assert names(found) == ["rpc.open_calls_limit"] * 2 + ["rpc.connection_lost"] * 3


def test_actions_have_a_direction() -> None:
    found = run(f'-- upgrade /A ocpp1.6\n0 < [2,"1","BootNotification",{BOOT}]\n1 > [2,"1","Reset",{{"type":"Hard"}}]')
    assert names(found) == ["rpc.wrong_side"] * 2
    assert anomalies(found)[0].detail == "BootNotification may be sent by the station only, the CSMS sent it"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("><"),
            st.sampled_from(['[2,"1","Heartbeat",{}]', '[2,"2","ClearCache",{}]', '[3,"1",{}]', '[3,"2",{}]',
                             '[4,"1","GenericError","",{}]', '[6,"1","Heartbeat",{}]', '[5,"1","x","",{}]', "[2"]),
        ),
        max_size=20,
    ),
    st.integers(1, 7),
)  # fmt: skip
def test_any_batching_gives_equal_items(lines: list[tuple[str, str]], step: int) -> None:
    spoken = "\n".join(f"{n} {side} {text}" for n, (side, text) in enumerate(lines))
    dialogue = f"-- upgrade /A ocpp2.1\n{spoken}\n-- closed"
    whole = Ocpp().feed(items(dialogue))
    again = items(dialogue)
    room, parts = Ocpp(), []
    for at in range(0, len(again), step):
        parts += room.feed(again[at : at + step])
    for each in messages(whole) + messages(parts):
        each.session = None
    assert parts == whole


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_pairing_equals_a_naive_model(steps: list[tuple[bool, int]]) -> None:
    """The newest unanswered CALL with the id, found by walking the whole history."""
    history: list[tuple[int, int]] = []  # (id, packet)
    lines, expected = ["-- upgrade /A ocpp1.6"], []
    for number, (is_call, unique_id) in enumerate(steps, 2):
        if is_call:
            history.append((unique_id, number))
            lines.append(f'{number} > [2,"{unique_id}","Heartbeat",{{}}]')
        else:
            at = next((n for n in range(len(history) - 1, -1, -1) if history[n][0] == unique_id), None)
            expected.append(history.pop(at)[1] * 10**5 if at is not None else None)
            lines.append(f'{number} < [3,"{unique_id}",{CLOCK}]')
    answers = [each for each in messages(run("\n".join(lines))) if each.kind == "CALLRESULT"]
    assert [each.request_id if each.latency_ns >= 0 else None for each in answers] == expected
