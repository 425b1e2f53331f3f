"""What is known of a message beforehand decides conditions, and never otherwise than the message itself would."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ocpp_inspect.engine.expression import Expression
from ocpp_inspect.engine.forms import Form, Known, form_of
from ocpp_inspect.engine.functions import FUNCTIONS, add, get

SAMPLE: dict[str, Any] = {
    "eventType": "Updated",
    "timestamp": "2026-01-01T00:00:00Z",
    "triggerReason": "MeterValuePeriodic",
    "seqNo": 1,
    "transactionInfo": {"transactionId": "T1", "chargingState": "Charging"},
    "meterValue": [],
}


@pytest.mark.parametrize(
    ("payload", "form"),
    [
        (SAMPLE, "sample"),
        ({**SAMPLE, "offline": True}, "sample"),
        ({**SAMPLE, "triggerReason": "MeterValueClock"}, "samples"),
        ({**SAMPLE, "eventType": "Ended"}, "samples"),
        ({**SAMPLE, "transactionInfo": {"transactionId": "T1", "remoteStartId": 3}}, "samples"),
        ({**SAMPLE, "transactionInfo": None}, "samples"),
        ({**SAMPLE, "idToken": {}}, ""),
        ({**SAMPLE, "triggerReason": "ChargingStateChanged"}, ""),
        ({**SAMPLE, "triggerReason": ["MeterValuePeriodic"]}, ""),
        ({"eventType": "Started"}, ""),
        ({"eventType": "sample"}, ""),
        ({"idTokenInfo": {}}, ""),
        ({}, "empty"),
        (None, ""),
        ([], ""),
    ],
)
def test_the_form_of_an_event(payload: Any, form: Form) -> None:
    assert form_of(payload) == form


KNOWN = Known({"action": "TransactionEvent", "kind": "CALL"}).of("sample")
OPERANDS = (
    "payload.idToken",
    "payload.idToken.type",
    "payload.eventType",
    "payload.transactionInfo.remoteStartId",
    "payload.seqNo",
    "action",
    "other",
    "None",
    '"Updated"',
)
LISTS = ('("Updated", "Ended")', '("Ended", None)', "(None, other)", "(other, payload.eventType)")
VALUES: dict[str, Any] = {"payload": SAMPLE, "action": "TransactionEvent", "other": None}


class Names(dict[str, str]):
    """Sources of names and of paths of the payload."""

    def __missing__(self, path: str) -> str:
        source = "payload"
        for member in path.split(".")[1:]:
            source = f"get({source}, {member!r})"
        return source


RUNTIME = {"get": get, "_add": add, **{f"_{each.__name__}": each for each in FUNCTIONS.values()}}


def decide(text: str, known: Known, form: str) -> Any:
    """Evaluate one form of an expression, for a message of the form `sample`."""
    source = getattr(Expression(text).part(known), form)(Names({name: name for name in VALUES}))
    value = eval(source, {**RUNTIME, **VALUES})  # noqa: S307 - written from whitelisted syntax
    return value if form == "value" else bool(value)


@pytest.mark.parametrize("text", [
    *(f"{a} {sign} {b}" for a, b in itertools.product(OPERANDS, OPERANDS) for sign in ("==", "!=")),
    *(f"{a} {word} {b}" for a, b in itertools.product(OPERANDS, LISTS) for word in ("in", "not in")),
    *(f"not ({a} == {b})" for a, b in itertools.product(OPERANDS, OPERANDS)),
    *(f"{a} == None or {a} < 3 and payload.seqNo == 1" for a in ("payload.idToken", "payload.seqNo")),
    *(f"{a} is None" for a in OPERANDS),
    'default(payload.idToken.type, payload.eventType) == "Updated"',
    'default(payload.eventType, "") == "Ended"',
    'lower(payload.idToken.type) == other',
    '"a" if payload.idToken == other else "b"',
    '"a" if payload.eventType == "Updated" else "b"',
    "payload.idToken + 1 > 0",
])  # fmt: skip
def test_what_is_known_decides_as_the_message_would(text: str) -> None:
    for form in ("truth", "falsity", "value"):
        assert decide(text, KNOWN, form) == decide(text, Known({}), form), form


@pytest.mark.parametrize(
    ("text", "is_never_true"),
    [
        ("payload.idToken != None", True),
        ("payload.idToken.type == other", True),  # unknown, whatever comes
        ('payload.eventType == "Started"', True),
        ("payload.evse.id > 0", True),
        ("payload.transactionInfo.remoteStartId == None", False),
        ("payload.transactionInfo.chargingState == None", False),
        ("payload.seqNo == 0", False),
        ("other == None", False),
    ],
)
def test_a_condition_that_the_form_fails_is_not_asked(text: str, is_never_true: bool) -> None:
    assert any(part.is_never_true for part in Expression(text).conjuncts(KNOWN)) is is_never_true


def test_a_name_that_a_for_binds_is_not_the_message() -> None:
    part = Expression('any(payload.eventType == "Ended" for payload in other)').part(KNOWN)
    assert "Ended" in part.truth({"other": "other"})
