"""Date-times are where the schema says; plain answers are legal or not given."""

from __future__ import annotations

import pytest

from ocpp_inspect import catalogue
from ocpp_inspect.ocpp import schema
from ocpp_inspect.ocpp.places import date_times, plain_answer

NOW = "2026-01-01T00:00:00.000Z"


def test_date_times_are_told_by_the_schema_not_by_their_looks() -> None:
    payload = {
        "connectorId": 1,
        "idTag": "2026-01-01T00:00:00Z",  # a text that looks like one
        "meterStart": 0,
        "timestamp": "yesterday",  # one that does not
    }
    assert list(date_times("1.6", "StartTransaction", False, payload)) == [(("timestamp",), "yesterday")]


@pytest.mark.parametrize("version", ["2.0", "2.0.1", "2.1"])
def test_references_and_lists_are_followed(version: str) -> None:
    payload = {"timestamp": "a", "meterValue": [{"timestamp": "b"}, {"timestamp": "c", "sampledValue": [{"value": 1}]}]}
    found = dict(date_times(version, "TransactionEvent", False, payload))
    assert found == {
        ("timestamp",): "a",
        ("meterValue", 0, "timestamp"): "b",
        ("meterValue", 1, "timestamp"): "c",
    }


def test_what_is_unknown_has_none() -> None:
    assert list(date_times("1.6", "NoSuchAction", False, {"timestamp": NOW})) == []
    assert list(date_times("", "Heartbeat", True, {"currentTime": NOW})) == []


def test_every_plain_answer_is_valid() -> None:
    given = 0
    for version in ("1.6", "2.0.1", "2.1"):
        for action in catalogue.load(version):
            for preferred in (("Accepted",), ("Rejected", "NotSupported")):
                answer = plain_answer(version, action, preferred, NOW, 7)
                checker = schema.checker(version, action, True)
                if answer is not None and checker is not None:
                    assert checker.is_valid(answer), (version, action)
                    given += 1
    assert given > 150


def test_nothing_is_made_up() -> None:
    assert plain_answer("1.6", "GetLocalListVersion", ("Rejected",), NOW, 7) is None
    assert plain_answer("1.6", "Reset", ("Perhaps",), NOW, 7) is None
    assert plain_answer("1.6", "StartTransaction", ("Accepted",), NOW, 7) == {
        "idTagInfo": {"status": "Accepted"}, "transactionId": 7,
    }  # fmt: skip
