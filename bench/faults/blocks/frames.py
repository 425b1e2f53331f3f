"""Faults of the framing: what is on the wire is no well-formed OCPP message, or one of another kind."""

from __future__ import annotations

import json
from typing import Any

from bench.faults.fault import fault
from bench.faults.session import NoPlace, Session, Step

QUIET = ("Heartbeat", "DataTransfer", "GetLocalListVersion", "GetTransactionStatus", "ClearCache",
         "GetVariables", "GetConfiguration", "UnlockConnector")  # fmt: skip
"""Requests that nothing else depends on."""


def calm(s: Session, *actions: str) -> Step:
    """One of them by chance that no TriggerMessage has asked for."""
    request = s.one(*(actions or QUIET))
    s.need(not [x for x in s.requests("TriggerMessage") if 0 < request.at - x.at < 10])
    return request


def spoil(s: Session, request: Step, text: str) -> None:
    """`text` is sent instead of the request; the other side cannot answer it."""
    request.text = text
    s.drop(request.answer)
    s.shift(request.at + 0.001, 35.0)


def parts(step: Step) -> list[Any]:
    found: list[Any] = json.loads(step.wire())
    return found


@fault("FRM-001")
def cut_off(s: Session) -> None:
    """A buffer that is too short."""
    request = calm(s)
    spoil(s, request, request.wire()[: -s.chance.randint(1, 12)])


@fault("FRM-001")
def not_json(s: Session) -> None:
    request = calm(s)
    spoil(
        s,
        request,
        s.chance.choice(
            (request.wire().replace('"', "'"), request.wire() + "\\0", "hello", request.wire()[:-1] + ",]")
        ),
    )


@fault("FRM-002")
def no_array(s: Session) -> None:
    request = calm(s)
    spoil(s, request, s.chance.choice((json.dumps({"type": 2, "id": request.unique_id}), '"pong"', "2", "null")))


@fault("FRM-003", also=("FRM-005",))
def unknown_type(s: Session) -> None:
    request = calm(s)
    found = parts(request)
    found[0] = s.chance.choice((1, 7, 22, "2", -2, 2.5))
    spoil(s, request, json.dumps(found))


@fault("FRM-005", also=("FRM-003",))
def unknown_type_unnoticed(s: Session) -> None:
    request = calm(s)
    spoil(s, request, json.dumps([8, *parts(request)[1:]]))


@fault("FRM-006")
def call_of_wrong_length(s: Session) -> None:
    request = calm(s)
    found = parts(request)
    spoil(s, request, json.dumps(s.chance.choice((found[:3], [*found, {}], found[:2]))))


@fault("FRM-007", also=("RPC-005",))
def result_of_wrong_length(s: Session) -> None:
    answer = calm(s).answer
    assert answer is not None
    found = parts(answer)
    answer.text = json.dumps(s.chance.choice((found[:2], [*found, {}], [*found[:2], answer.action, found[2]])))
    s.shift(answer.at + 0.001, 35.0)


@fault("FRM-008", also=("RPC-005",))
def error_of_wrong_length(s: Session) -> None:
    answer = s.refuse(s.one("DataTransfer", "UnlockConnector", "ClearCache"), "InternalError")
    found = parts(answer)
    answer.text = json.dumps(s.chance.choice((found[:3], found[:4], [*found, {}])))
    s.shift(answer.at + 0.001, 35.0)


@fault("FRM-009", also=("RPC-012",))
def result_error_of_wrong_length(s: Session) -> None:
    answer = calm(s).answer
    assert answer is not None
    text = json.dumps([5, answer.unique_id, "FormatViolation", *(("",) if s.chance.random() < 0.5 else ())])
    s.insert_line(answer.at + 0.05, text, "<" if answer.side == ">" else ">")


@fault("FRM-010", "stream")
def send_of_wrong_length(s: Session) -> None:
    sent = s.pick([step for step in s.steps if step.kind == "send"])
    found = parts(sent)
    sent.text = json.dumps(s.chance.choice((found[:3], [*found, 1])))


@fault("FRM-011", also=("RPC-005",))
def bad_id(s: Session) -> None:
    request = calm(s)
    found = parts(request)
    found[1] = s.chance.choice((99017, "x" * s.chance.randint(37, 60), None, {}))
    spoil(s, request, json.dumps(found))


@fault("FRM-012", also=("RPC-005", "SCH-001"))
def payload_is_no_object(s: Session) -> None:
    request = calm(s)
    found = parts(request)
    found[3] = s.chance.choice(([], "", 0, [{}], "x"))
    spoil(s, request, json.dumps(found))


@fault("FRM-014")
def invented_error_code(s: Session) -> None:
    s.refuse(calm(s), s.chance.choice(("Oops", "500", "NotFound", "UnknownError", "internalerror")))


@fault("FRM-016")
def error_code_of_another_version(s: Session) -> None:
    """1.6 wrote two codes with other letters than 2.0.1."""
    s.refuse(calm(s), "FormatViolation" if s.version == "1.6" else "FormationViolation")


@fault("FRM-017")
def description_is_no_text(s: Session) -> None:
    answer = s.refuse(calm(s), "InternalError")
    answer.description = s.chance.choice((None, 5, "x" * 300 if s.version != "1.6" else 1, {"text": "no"}))


@fault("FRM-018")
def details_are_no_object(s: Session) -> None:
    answer = s.refuse(calm(s), "InternalError")
    found = parts(answer)
    found[4] = s.chance.choice((None, "", [], "none"))
    answer.text = json.dumps(found)


@fault("FRM-019", also=("FRM-001", "RPC-002", "TRG-001"))
def error_with_empty_id(s: Session) -> None:
    """A message that cannot be read, and an error about it that does not say -1."""
    request = calm(s)
    answer = request.answer
    assert answer is not None
    request.text = request.wire()[:-3]
    answer.text = '[4,"","RpcFrameworkError","cannot be read",{}]'


@fault("FRM-020", also=("RPC-016",))
def unknown_action(s: Session) -> None:
    """A made-up action, a misspelt one, or one of another version."""
    other = "TransactionEvent" if s.version == "1.6" else "StartTransaction"
    action = s.chance.choice(("MakeCoffee", "heartbeat", "Boot", other))
    s.refuse(s.insert(s.quiet(), ">", action, {}), "NotImplemented")


@fault("FRM-021")
def call_that_should_be_a_send(s: Session) -> None:
    payload = {"id": 1, "pending": 0, "basetime": s.stamp(), "data": [{"t": 0, "v": "1"}]}
    s.insert(s.quiet(), ">", "NotifyPeriodicEventStream", payload)


@fault("FRM-021")
def send_that_should_be_a_call(s: Session) -> None:
    request = s.one("Heartbeat", "SecurityEventNotification")
    request.kind = "send"
    s.drop(request.answer)


@fault("FRM-022", also="DT-002")
def letters_in_identifier(s: Session) -> None:
    """A vendor id, a tag or a serial number with letters that CiString does not have."""
    request = s.one("DataTransfer")
    request.payload["vendorId"] = s.chance.choice(("Größe", "充电", "vendor-é"))


@fault("FRM-023")
def same_key_twice(s: Session) -> None:
    request = s.one("DataTransfer", "StatusNotification", "MeterValues", "UnlockConnector")
    name, value = s.chance.choice(list(request.payload.items()))
    text = request.wire()
    request.text = text[:-2] + f",{json.dumps(name)}:{json.dumps(value, default=str)}" + text[-2:]


@fault("FRM-024")
def signature_lacks_a_part(s: Session) -> None:
    """A signed message (its action has the suffix -Signed) without protected header or signature."""
    request = calm(s, "Heartbeat", "DataTransfer")
    whole = {"payload": "e30", "protected": "eyJhbGciOiJFUzI1NiJ9", "signature": "c2ln"}
    whole["payload"] = "eyJ2ZW5kb3JJZCI6Im9yZy5leGFtcGxlIn0" if request.action == "DataTransfer" else "e30"
    del whole[s.chance.choice(("protected", "signature"))]
    found = parts(request)
    request.text = json.dumps([2, found[1], request.action + "-Signed", whole])
    if request.answer is None:
        raise NoPlace
