from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ocpp_transcript import message, messages, names, run

from ocpp_inspect.model import MESSAGES_PER_PACKET, Anomaly, OcppItem, OcppMessage, Upgrade
from ocpp_inspect.ocpp import ANOMALIES, Ocpp, frame, text

CALL = b'[2,"1","Heartbeat",{}]'


def heard(*raws: bytes, version: str = "1.6") -> list[OcppItem]:
    upgrade = Upgrade(1, 0, 1, 1, 101, "/A", subprotocol=f"ocpp{version}")
    return Ocpp().feed([upgrade, *(message(n, "station", raw) for n, raw in enumerate(raws, 2))])[1:]


@pytest.mark.parametrize(
    ("raw", "name", "detail"),
    [
        (b"pong", "ocpp.plain_text", '"pong"'),
        (b'[2,"1","Heartbeat",{}', "ocpp.truncated_json", "] is missing"),
        (b'[2,"1","Heart', "ocpp.truncated_json", "inside a string"),
        (
            b'[2,"1",\n"a",{"b":1 2}]',
            "ocpp.not_json",
            "line 2, character 12: unexpected character, expected ',' or '}'",
        ),
        (b'[2,"1","a",{"b":1,}]', "ocpp.trailing_comma", "line 1, character 18"),
        (b"[2,'1','a',{}]", "ocpp.single_quotes", "line 1, character 4"),
        (CALL + b" " + CALL, "ocpp.concatenated_messages", "line 1, character 24"),
        (CALL + b"]", "ocpp.trailing_text", "']' follows"),
        (b'[2,"1","\xc3\x28",{}]', "ocpp.bad_utf8", "octet 8 is 0xC3"),
        (b'[2,"1\0","a",{}]', "ocpp.nul_byte", "the first at offset 5"),
        (b"[" * 100_000, "ocpp.deep_nesting", "1024 levels"),
        (b'[2,"1","a",{"b":1e999}]', "ocpp.number_range", "1e999"),
        (b'{2,"1"', "ocpp.not_json", "character 2"),
        (b"<html></html>", "ocpp.not_json", "character 1"),
    ],
)
def test_what_is_no_json_is_kept_and_explained(raw: bytes, name: str, detail: str) -> None:
    kept, anomaly = heard(raw)
    assert isinstance(kept, OcppMessage)
    assert isinstance(anomaly, Anomaly)
    assert (kept.kind, kept.raw, kept.size, kept.payload, kept.schema_valid) == ("INVALID", raw, len(raw), None, None)
    assert anomaly.name == name
    assert detail in anomaly.detail
    assert anomaly.message_id == kept.message_id


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"\xef\xbb\xbf" + CALL, "ocpp.byte_order_mark"),
        (CALL + b"\0\0", "ocpp.nul_byte"),
        (b'[2,"1","DataTransfer",{"vendorId":"a\nb"}]', "ocpp.control_character"),
        (b'[2, "1", "DataTransfer", {"vendorId": "x", "vendorId": "a"}]', "ocpp.duplicate_key"),
        (b'[2,"1","DataTransfer",{"vendorId" :"x","vendorId" :"a"}]', "ocpp.duplicate_key"),
        (b'[2,"1","DataTransfer",{"vendorId":"1e5","vendorId":"a"}]', "ocpp.duplicate_key"),
        (b'[2,1,"Heartbeat",{}]', "ocpp.id_not_string"),
        (b'["2","1","Heartbeat",{}]', "ocpp.message_type_not_integer"),
        (b'[2.0,"1","Heartbeat",{}]', "ocpp.message_type_not_integer"),
        (b'[2,"1","Heartbeat",[]]', "ocpp.payload_not_object"),
        (b'[2,"1","Heartbeat",null]', "ocpp.payload_null"),
        (b'[2,"1","Heartbeat",{},{}]', "ocpp.wrong_length"),
    ],
)
def test_what_is_beyond_doubt_is_decoded_and_noted(raw: bytes, name: str) -> None:
    kept, anomaly = heard(raw)
    assert isinstance(kept, OcppMessage)
    assert isinstance(anomaly, Anomaly)
    assert (kept.kind, kept.unique_id, kept.schema_valid, kept.raw) == ("CALL", "1", True, raw)
    assert anomaly.name == name


def test_not_a_number_is_read_as_null() -> None:
    kept, *found = heard(b'[2,"1","DataTransfer",{"vendorId":"a","data":NaN}]')
    assert isinstance(kept, OcppMessage)
    assert kept.payload == {"vendorId": "a", "data": None}
    assert kept.schema_valid is None  # nobody knows what the number was meant to be
    assert names(found) == ["ocpp.not_a_number"]


@pytest.mark.parametrize(
    ("raw", "silent"),
    [
        (b'[2, "1", "DataTransfer", {"vendorId": "a, b: c"}]', True),
        (b'[2,"1","DataTransfer",{"vendorId":"caf\\u00e9 \\/ \\"x\\": 1.50"}]', True),
        (b' [2,"1","DataTransfer",\r\n\t{"vendorId":"1234567890123456.5"}] ', True),
        (b'[2,"1","DataTransfer",{"vendorId":"a","data":9007199254740993}]', True),
        (b'[2,"1","DataTransfer",{"vendorId":"a","data":0.1234567890123456789}]', False),
        (b'[2,"1","DataTransfer",{"vendorId":"a","data":18446744073709551616}]', False),
        (b'[2,"1","DataTransfer",{"vendorId":"a","data":18446744073709551615}]', True),
        (b'[2,"1","DataTransfer",{"vendorId":"a","data":1.2300000000000000000}]', True),
    ],
)
def test_spellings_that_lose_nothing_are_silent(raw: bytes, silent: bool) -> None:
    odd = [name for name in names(heard(raw)) if name.startswith("ocpp.")]
    assert odd == ([] if silent else ["ocpp.number_precision"])


def test_message_ids_count_within_a_packet() -> None:
    upgrade = Upgrade(1, 0, 1, 1, 101, "/A", subprotocol="ocpp1.6")
    room = Ocpp()
    found = room.feed([upgrade, message(5, "station", b'[2,"a","Heartbeat",{}]')])
    found += room.feed([message(5, "station", b'[2,"b","Heartbeat",{}]'), message(6, "station", CALL)])
    ids = [each.message_id for each in messages(found)]
    assert ids == [5 * MESSAGES_PER_PACKET, 5 * MESSAGES_PER_PACKET + 1, 6 * MESSAGES_PER_PACKET]


def test_a_bad_answer_still_answers_its_call() -> None:
    found = run('-- upgrade /A ocpp1.6\n0 > [2,"1","Heartbeat",{}]\n1 < [3,"1","Heartbeat",{}]\n-- closed')
    assert names(found) == ["ocpp.wrong_length"]
    answer = messages(found)[1]
    assert (answer.kind, answer.action, answer.latency_ns) == ("INVALID", "Heartbeat", 1_000_000_000)


HOSTILE = [
    b"[" * 5_000_000,
    b'{"a":' * 200_000,
    b'[2,"1","DataTransfer",{"vendorId":"' + b"x" * 10_000_000 + b'"}]',
    b'[2,"' + b"1" * 1_000_000 + b'","Heartbeat",{}]',
    b'[2,"1","' + b"A" * 1_000_000 + b'",{}]',
    b'[2,"1","DataTransfer",{"vendorId":"a","data":' + b"9" * 1_000_000 + b"}]",
    b'[2,"1","DataTransfer",{"vendorId":"a","data":0.' + b"9" * 100_000 + b"e-5}]",
    b'[2,"1","DataTransfer",{' + b",".join(b'"k%d":1' % n for n in range(50_000)) + b"}]",
    b'[2,"1","DataTransfer",{' + b",".join([b'"k":1'] * 50_000) + b"}]",
    b"[" + b"2," * 1_000_000,
    b"'" * 1_000_000,
    b'"' * 1_000_001,
    b"\\" * 1_000_000,
    b'"\\' * 500_000,
    b"[2,\xff" + b"\0" * 1_000_000,
    b"[2," + b'"a",' * 300_000 + b"]",
    b" " * 1_000_000,
    b"[NaN," * 10_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_texts_end_with_a_bounded_report(number: int) -> None:
    """A reader that tries again behind every quote needs hours for these; ours needs less than a second in all."""
    found = heard(HOSTILE[number])
    assert isinstance(found[0], OcppMessage)
    assert len(found) < 50
    for each in found[1:]:
        assert isinstance(each, Anomaly)
        assert len(each.detail) < 1000
        assert len(each.path) < 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=40)
    | st.integers(0, 7) | st.sampled_from(["Heartbeat", "BootNotification", "StartTransaction", "TransactionEvent"]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
FRAMES = st.lists(JSON, max_size=6) | st.tuples(st.integers(1, 7), JSON, JSON, JSON, JSON).map(list) | JSON
ARGUMENTS = ["Authorize", "GetVariables", "SetVariables", "NotifyReport", "StatusNotification", "StopTransaction"]


@given(st.lists(FRAMES, min_size=1, max_size=4), st.sampled_from(["1.6", "2.0", "2.0.1", "2.1"]))
def test_any_json_gives_one_message_each(values: list[object], version: str) -> None:
    raws = [json.dumps(value).encode() for value in values]
    found = heard(*raws, version=version)
    assert [each.raw for each in messages(found)] == raws
    assert set(names(found)) <= set(ANOMALIES)


@given(
    st.lists(
        st.tuples(st.sampled_from(ARGUMENTS), st.dictionaries(st.sampled_from(
            ["idTag", "setVariableData", "setVariableResult", "getVariableResult", "reportData", "transactionId",
             "connectorId", "status", "transactionInfo", "configurationKey", "idTagInfo"]), JSON, max_size=4),
            st.dictionaries(st.sampled_from(["status", "setVariableResult", "getVariableResult"]), JSON, max_size=3)),
        max_size=3,
    )
)  # fmt: skip
def test_any_payload_is_taken_into_the_session(exchanges: list[tuple[str, object, object]]) -> None:
    lines = ["-- upgrade /A ocpp2.0.1"]
    for number, (action, request, answer) in enumerate(exchanges):
        lines.append(f"{number} > {json.dumps([2, str(number), action, request])}")
        lines.append(f"{number} < {json.dumps([3, str(number), answer])}")
    assert len(messages(run("\n".join(lines)))) == 2 * len(exchanges)


@given(
    st.binary(max_size=60)
    | st.tuples(st.sampled_from([CALL, b'[3,"1",{"a":[1.5,"x"]}]']), st.integers(0, 30), st.binary(max_size=3)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :]))  # fmt: skip
@example(b"")
def test_any_octets_give_one_message(raw: bytes) -> None:
    found = heard(raw)
    assert len(messages(found)) == 1
    kept = messages(found)[0]
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        assert names(found) != []
        return
    expected = frame.read_frame(value)
    assert (kept.kind, kept.unique_id, kept.action) == (expected.kind, expected.unique_id, expected.action)


@given(
    JSON.filter(lambda value: isinstance(value, dict | list)),
    st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
    st.booleans(),
)
def test_texts_without_duplicates_are_never_said_to_have_one(
    value: object, separators: tuple[str, str], ascii_only: bool
) -> None:
    raw = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    _, _, faults = text.read(raw)
    assert not [name for name, _ in faults if name == "ocpp.duplicate_key"]


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), min_size=1, max_size=4), st.data())
def test_every_duplicate_is_found(members: dict[str, object], data: st.DataObject) -> None:
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]))
    ascii_only = data.draw(st.booleans())
    key = data.draw(st.sampled_from(sorted(members)))
    body = json.dumps(members, separators=separators, ensure_ascii=ascii_only)
    again = json.dumps(
        {key: data.draw(st.sampled_from([1, "x", 1e22]))}, separators=separators, ensure_ascii=ascii_only
    )
    raw = (body[:-1] + separators[0] + again[1:]).encode("utf-8", "surrogatepass")
    _, sure, faults = text.read(raw)
    assert not sure or [name for name, _ in faults].count("ocpp.duplicate_key") == 1
