"""Faults of the RPC layer: calls, answers, ids."""

from __future__ import annotations

import json

from bench.faults.fault import fault
from bench.faults.session import NoPlace, Session, Step


@fault("RPC-001", also=("TX2-002", "TX2-003", "TX16-004"))
def id_used_again(s: Session) -> None:
    """A station that draws its ids badly."""
    late = s.one(side=s.chance.choice((">", "<")))
    earlier = s.pick([r for r in s.requests(side=late.side) if r.at < late.at and r.label == late.label])
    _rename(late, earlier.unique_id)


@fault("RPC-002", also="RPC-005", note="In the first minute of a connection it may answer a CALL of the one before.")
def answer_with_other_id(s: Session) -> None:
    answer = s.one().answer
    assert answer is not None
    answer.unique_id = s.chance.choice((answer.unique_id[:-1] + "z", "unknown", s.new_id("<")))


@fault("RPC-002")
def answer_to_nothing(s: Session) -> None:
    at = s.quiet()
    s.steps.append(Step(at, s.label_at(at), s.chance.choice((">", "<")), "result", "", {}, s.new_id(">")))


@fault("RPC-003")
def answered_twice(s: Session) -> None:
    answer = s.one().answer
    assert answer is not None
    s.steps.append(Step(answer.at + 0.01, answer.label, answer.side, "result", answer.action, answer.payload,
                        answer.unique_id, answers=answer.answers))  # fmt: skip


@fault("RPC-004")
def does_not_wait(s: Session) -> None:
    """A station that sends its next request before the answer to this one has come."""
    first = s.one()
    second = s.following(first, side=first.side)
    if (
        second.label != first.label
        or "BootNotification" in (first.action, second.action)
        or second.action == first.action
    ):
        raise NoPlace
    answer = first.answer
    assert answer is not None
    s.need(not [step for step in s.steps if answer.at < step.at < second.at])
    s.shift(answer.at, 1.0)
    second.at = first.at + 0.3


@fault("RPC-005")
def never_answered(s: Session) -> None:
    """The other side loses a request, and both go on a minute later."""
    s.need(s.interval > 60)
    request = s.one(
        "Heartbeat", "DataTransfer", "MeterValues", "Authorize", "GetConfiguration", "GetVariables", "Reset"
    )
    assert request.answer is not None
    s.drop(request.answer)
    s.shift(request.answer.at, 40.0)


@fault("RPC-006", also="RPC-005")
def answered_late(s: Session) -> None:
    request = s.one()
    assert request.answer is not None
    s.need(request.action != "BootNotification" and s.interval > 60 and s.traits["sample"] > 30)
    s.shift(request.answer.at, s.chance.uniform(45, 70))


@fault("RPC-008", also=("RPC-016",))
def request_of_the_other_side(s: Session) -> None:
    """The CSMS sends what only stations send, or the reverse."""
    request = s.insert(s.quiet(), "<", "Heartbeat")
    if s.chance.random() < 0.5:
        request.side, request.action = ">", "ClearCache"
        assert request.answer is not None
        request.answer.side, request.answer.action = "<", "ClearCache"
    s.refuse(request, "NotSupported")


@fault("RPC-009", note="OccurrenceConstraintViolation may come from rules that no schema holds.")
def good_request_refused(s: Session) -> None:
    request = s.one(
        "Heartbeat", "StatusNotification", "NotifyReport", "GetVariables", "DataTransfer", "UnlockConnector"
    )
    s.refuse(request, s.chance.choice(("FormatViolation", "TypeConstraintViolation", "OccurrenceConstraintViolation")))


@fault("RPC-010", also=("SCH-006", "DT-002"))
def bad_request_taken(s: Session) -> None:
    """A text that is longer than its field, and the other side says nothing about it."""
    request = s.one("DataTransfer")
    request.payload["vendorId"] = "V" * s.chance.randint(256, 400)


@fault("RPC-011", "stream")
def send_is_answered(s: Session) -> None:
    sent = s.pick([step for step in s.steps if step.kind == "send"])
    s.steps.append(Step(sent.at + 0.1, sent.label, "<", "result", sent.action, {}, sent.unique_id))


@fault("RPC-012")
def refuses_what_was_no_response(s: Session) -> None:
    at = s.quiet()
    text = json.dumps([5, s.new_id("<"), "FormatViolation", "", {}])
    s.insert_line(at, text, s.chance.choice((">", "<")))


@fault("RPC-013", also=("SCH-002",), note="The end of the connection calls it off.")
def bad_response_taken(s: Session) -> None:
    request = s.one("Heartbeat", "GetTransactionStatus", "DataTransfer", "ClearCache")
    assert request.answer is not None
    request.answer.payload = {"status": 17}


@fault("RPC-014", "transaction", "offline_transaction")
def transaction_message_refused(s: Session) -> None:
    """The CSMS cannot take a meter value; the station sends it again, later, as it should."""
    request = s.one("MeterValues", "TransactionEvent", where=lambda p: p.get("eventType") in (None, "Updated"))
    _refused_then_repeated(s, request, 1, 62.0)


@fault("RPC-015", "transaction", also=("RPC-014",))
def repeated_at_once(s: Session) -> None:
    """The same message again, without waiting: it is not known to the CSMS what the station's interval is in 2.x."""
    request = s.one("StopTransaction", "TransactionEvent")
    _refused_then_repeated(s, request, 1, 3.0 if s.version == "1.6" else 0.0)


@fault("RPC-018", "transaction", also=("RPC-014",), note="A start has no id to count by: only stops are counted.")
def repeated_for_ever(s: Session) -> None:
    """Three attempts are configured; it makes eight."""
    s.need(s.interval == 900)
    request = s.one("StopTransaction", "StartTransaction")
    _refused_then_repeated(s, request, 7, 0.0, growing=70.0)


@fault("RPC-016")
def asked_in_vain(s: Session) -> None:
    """The other side says NotImplemented each time; the CSMS asks again and again."""
    for _ in range(6):
        s.refuse(s.insert(s.quiet(), "<", "GetLocalListVersion"), "NotImplemented")


def _rename(request: Step, unique_id: str) -> None:
    request.unique_id = unique_id
    if request.answer is not None:
        request.answer.unique_id = unique_id


def _refused_then_repeated(s: Session, request: Step, times: int, pause: float, growing: float = 0.0) -> None:
    answer = request.answer
    assert answer is not None
    good = dict(answer.payload)
    at = answer.at
    s.shift(answer.at + 0.001, times * 3.0 + sum(pause + growing * (n + 1) for n in range(times)) + 2)
    refused = request
    for turn in range(times):
        s.refuse(refused, "InternalError")
        at += pause + growing * (turn + 1) + 0.2
        refused = Step(at, request.label, ">", "call", request.action, request.payload, s.new_id(">"))
        refused.answer = Step(
            at + 0.1, request.label, "<", "result", request.action, good, refused.unique_id, answers=refused
        )
        s.steps += (refused, refused.answer)
