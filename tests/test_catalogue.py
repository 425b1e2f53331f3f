"""The catalogue is complete, names only fields that exist, and reads like sentences."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ocpp_inspect import catalogue, limits
from ocpp_inspect.catalogue import reader
from ocpp_inspect.catalogue.template import paths
from ocpp_inspect.resources import data_directory

SCHEMAS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
DIRECTORY = data_directory("dissectors") / "catalogue"


def schema_files(version: str) -> dict[str, Any]:
    folder = files("ocpp") / SCHEMAS[version] / "schemas"
    return {Path(each.name).stem: each for each in folder.iterdir() if each.name.endswith(".json")}


def schema_of(version: str, action: str, answer: bool) -> dict[str, Any]:
    request = action if version == "1.6" or action == "NotifyPeriodicEventStream" else f"{action}Request"
    found = schema_files(version)[f"{action}Response" if answer else request]
    schema: dict[str, Any] = json.loads(found.read_text(encoding="utf-8-sig"))
    return schema


def actions_with_schema(version: str) -> set[str]:
    names = {name.removesuffix("Request").removesuffix("Response") for name in schema_files(version)}
    return {name for name in names if name}


def reaches(schema: dict[str, Any], path: tuple[str, ...]) -> bool:
    node = schema
    for step in path:
        while "$ref" in node:
            node = schema["definitions"][node["$ref"].rpartition("/")[2]]
        if step == "*":
            node = node.get("items", node)
        elif step.lstrip("-").isdigit():
            if node.get("type") != "array":
                return False
            node = node["items"]
        elif step in node.get("properties", {}):
            node = node["properties"][step]
        else:
            return False
    return True


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_every_action_of_the_schemas_has_an_entry(version: str) -> None:
    assert actions_with_schema(version) == set(catalogue.load(version))


def test_version_2_0_has_what_2_0_1_has_and_what_was_dropped_after_it() -> None:
    assert set(catalogue.load("2.0")) - set(catalogue.load("2.0.1")) == {
        "NotifyCentralChargingNeeds",
        "Renegotiate15118Schedule",
        "Update15118EVCertificate",
    }
    assert set(catalogue.load("2.0.1")) <= set(catalogue.load("2.0"))


@pytest.mark.parametrize("version", catalogue.VERSIONS)
def test_every_template_and_secret_compiles(version: str) -> None:
    assert not [problem for problem in catalogue.check() if problem.startswith(version)]
    for info in catalogue.load(version).values():
        assert info.request
        assert info.block
        assert bool(info.response) != info.send, info.action


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_templates_and_secrets_name_fields_of_the_schema(version: str) -> None:
    wrong = []
    phrases = catalogue.phrases(version)
    used_somewhere: set[tuple[str, ...]] = set()
    for action, info in catalogue.load(version).items():
        request = schema_of(version, action, answer=False)
        for text, answer in ((info.request, False), (info.response, True)):
            if not text:
                continue
            schema = schema_of(version, action, answer)
            for path in paths(text, phrases):
                where, tail = (request, path[1:]) if path[0] == "request" else (schema, path)
                if reaches(where, tail):
                    used_somewhere.add(path)
                elif not is_shared_phrase_path(path, text):
                    wrong.append((action, "response" if answer else "request", ".".join(path)))
        for answer, secrets in ((False, info.secret_request), (True, info.secret_response)):
            for secret in secrets:
                schema = schema_of(version, action, answer)
                place, _, name = secret.removesuffix(" as url").partition(" when ")
                for each in filter(None, (place, name)):
                    if not reaches(schema, tuple(each.split("."))):
                        wrong.append((action, "secret", each))
    assert not wrong


def is_shared_phrase_path(path: tuple[str, ...], text: str) -> bool:
    """A shared phrase may offer a detail (connector, reason, instance) that one of the messages that use it lacks."""
    return path[-1] not in text and path[-1] in {
        "connectorId",
        "reasonCode",
        "additionalInfo",
        "variable",
        "name",
        "instance",
    }


def test_files_are_plain_yaml_and_our_reader_agrees() -> None:
    for path in sorted(DIRECTORY.glob("*.yaml")):
        full = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert reader.read(path) == full


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\n", "word or text"),
        ("a: b\na: c\n", "twice"),
        ("a:\n    b: c\n", "indented"),
        ("a: [b,c]\n", "a list such as"),
        ("- a\n", "key: value"),
    ],
)
def test_reader_refuses_what_it_does_not_know_and_names_the_line(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(catalogue.CatalogueError, match=problem) as caught:
        reader.read(file)
    assert "x.yaml:" in str(caught.value)


def sampled(measurand: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"measurand": measurand, "value": value, **more}


SENTENCES: list[tuple[str, str, str, Any, Any, str]] = [
    ("1.6", "CALL", "StartTransaction", {"idTag": "04A2B3C4", "connectorId": 1, "meterStart": 12345}, None,
     "tag 04A2… starts on connector 1 at 12 345 Wh"),
    ("1.6", "CALLRESULT", "StartTransaction", {"idTagInfo": {"status": "Accepted"}, "transactionId": 17}, None,
     "accepted as transaction 17"),
    ("1.6", "CALLRESULT", "StartTransaction", {"idTagInfo": {"status": "Blocked"}, "transactionId": 0}, None,
     "tag refused: Blocked, transaction 0"),
    ("1.6", "CALL", "StatusNotification", {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}, None,
     "connector 1 is Charging"),
    ("1.6", "CALL", "StatusNotification", {"connectorId": 0, "status": "Faulted", "errorCode": "GroundFailure"}, None,
     "the station is Faulted: GroundFailure"),
    ("1.6", "CALL", "BootNotification",
     {"chargePointVendor": "VendorX", "chargePointModel": "ModelY", "firmwareVersion": "1.2",
      "chargeBoxSerialNumber": "S-1"}, None, "boots: VendorX ModelY fw 1.2 (serial S-1)"),
    ("1.6", "CALLRESULT", "BootNotification", {"status": "Accepted", "interval": 300}, None,
     "accepted, heartbeat every 5 min"),
    ("1.6", "CALLRESULT", "BootNotification", {"status": "Pending", "interval": 90}, None,
     "pending, retry in 1 min 30 s"),
    ("1.6", "CALL", "MeterValues",
     {"connectorId": 1, "transactionId": 17, "meterValue": [{"sampledValue": [
         {"value": "12345"}, sampled("Power.Active.Import", "7200", unit="W"),
         sampled("Current.Import", "16.0", unit="A")]}]}, None,
     "meter: 12 345 Wh, 7.2 kW, 16 A on connector 1 in transaction 17"),
    ("1.6", "CALL", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "6465616462656566"}, None,
     "sets AuthorizationKey = •••"),
    ("1.6", "CALL", "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"}, None,
     "sets HeartbeatInterval = 300"),
    ("1.6", "CALL", "GetConfiguration", {}, None, "asks for the whole configuration"),
    ("1.6", "CALLRESULT", "GetConfiguration",
     {"configurationKey": [{"key": "A", "value": "1"}, {"key": "B"}, {"key": "C", "value": "x y"},
                           {"key": "D", "value": "4"}], "unknownKey": ["E"]}, None,
     "A = 1, B (no value), C = “x y” and 1 more, unknown: E"),
    ("1.6", "CALL", "Heartbeat", {}, None, "alive"),
    ("1.6", "CALL", "StopTransaction", {"transactionId": 17, "meterStop": 19000, "reason": "EVDisconnected"}, None,
     "stops transaction 17 at 19 000 Wh (EV disconnected)"),
    ("1.6", "CALL", "UpdateFirmware", {"location": "ftp://u:pw@fw.example/a", "retrieveDate": "2026-01-01T00:00:00Z"},
     None, "update firmware from ftp://fw.example/a at 2026-01-01 00:00:00Z"),
    ("1.6", "CALL", "StartTransaction", {"idTag": "04A2B3C4"}, None, "tag 04A2… starts on ? at ?"),
    ("1.6", "CALL", "Nonsense", {"a": 1, "b": [1]}, None, "a: 1, b: [1 item]"),
    ("2.0.1", "CALL", "TransactionEvent",
     {"eventType": "Started", "transactionInfo": {"transactionId": "tx-1", "chargingState": "EVConnected"}, "seqNo": 0,
      "evse": {"id": 1, "connectorId": 1}, "triggerReason": "CablePluggedIn", "idToken": {"idToken": "04A2B3C4"},
      "meterValue": [{"sampledValue": [{"value": 12.345, "unitOfMeasure": {"unit": "Wh", "multiplier": 3}}]}]}, None,
     "starts transaction tx-1 #0 on EVSE 1 connector 1 (cable plugged in), token 04A2…, EV connected, 12 345 Wh"),
    ("2.0", "CALL", "TransactionEvent",
     {"eventType": "Ended", "transactionData": {"id": "tx-1", "stoppedReason": "Local"}, "seqNo": 3,
      "triggerReason": "StopAuthorized"}, None,
     "ends transaction tx-1 #3 (stop authorized), stopped: local"),
    ("2.0.1", "CALLRESULT", "SetVariables",
     {"setVariableResult": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"},
                             "attributeStatus": "RebootRequired"}]}, None,
     "OCPPCommCtrlr.HeartbeatInterval reboot required"),
    ("2.0.1", "CALLRESULT", "Reset", {"status": "Rejected", "statusInfo": {"reasonCode": "InTx"}}, None,
     "rejected (InTx)"),
    ("2.0.1", "CALLRESULT", "Authorize", {"idTokenInfo": {"status": "Blocked"}}, {"idToken": {"idToken": "ABCDEFGH"}},
     "token ABCD… refused: Blocked"),
    ("2.1", "SEND", "NotifyPeriodicEventStream",
     {"id": 4, "pending": 0, "data": [{"t": 1, "v": "1"}, {"t": 2, "v": "230.1"}]}, None,
     "stream 4: 2 values, last 230.1, 0 pending"),
    ("", "CALL", "BootNotification", {"chargingStation": {"vendorName": "V", "model": "M"}, "reason": "PowerUp"}, None,
     "boots (power up): V M"),
    ("", "CALL", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}, None, "boots: V M"),
    ("1.6", "INVALID", "", None, None, "not an OCPP message"),
    ("1.6", "CALLRESULT", "", {"status": "Accepted"}, None,
     "answer to a request that was not seen: status: Accepted"),
    ("2.0.1", "CALL", "RequestStopTransaction", {"transactionId": "207ff2eb-86e8-41d6-9b0c-1f2e3d4c5b6a"}, None,
     "stops transaction 207ff2eb…"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "action", "payload", "request_payload", "expected"), SENTENCES)
def test_sentences(version: str, kind: str, action: str, payload: Any, request_payload: Any, expected: str) -> None:
    assert catalogue.summarise(version, kind, action, payload, request_payload) == expected


def test_refusals_name_code_and_text() -> None:
    line = catalogue.summarise("1.6", "CALLERROR", "Reset", {}, None, "NotSupported", "no such action")
    assert line == "refused: NotSupported — no such action"
    assert catalogue.summarise("1.6", "CALLERROR", "Reset", {}, None, None, None) == "refused: no error code"


def test_three_phases_share_a_unit() -> None:
    samples = [sampled("Current.Import", value, phase=phase) for value, phase in ((16, "L1"), (15, "L2"), (16, "L3"))]
    payload = {"evseId": 1, "meterValue": [{"sampledValue": samples}]}
    assert catalogue.summarise("2.0.1", "CALL", "MeterValues", payload) == "meter: 16/15/16 A on EVSE 1"


def test_mask_covers_credentials_and_changes_nothing_else() -> None:
    given_payload = {
        "configurationSlot": 1,
        "connectionData": {
            "ocppCsmsUrl": "wss://user:pw@csms.example/ocpp",
            "securityProfile": 2,
            "apn": {"apn": "net", "apnPassword": "pw", "simPin": 1234},
            "vpn": {"user": "u", "password": "pw", "key": "k"},
        },
    }
    before = json.dumps(given_payload)
    covered = catalogue.mask("2.0.1", "SetNetworkProfile", "CALL", given_payload)
    assert json.dumps(given_payload) == before
    assert covered["connectionData"] == {
        "ocppCsmsUrl": "wss://•••@csms.example/ocpp",
        "securityProfile": 2,
        "apn": {"apn": "net", "apnPassword": "•••", "simPin": "•••"},
        "vpn": {"user": "u", "password": "•••", "key": "•••"},
    }
    harmless = {"configurationKey": [{"key": "HeartbeatInterval", "value": "1"}]}
    assert catalogue.mask("1.6", "GetConfiguration", "CALLRESULT", harmless) is harmless
    keys = {"configurationKey": [{"key": "A", "value": "1"}, {"key": "AuthorizationKey", "value": "s3cret"}]}
    covered = catalogue.mask("", "GetConfiguration", "CALLRESULT", keys)
    assert covered["configurationKey"] == [{"key": "A", "value": "1"}, {"key": "AuthorizationKey", "value": "•••"}]


def test_mask_finds_the_name_two_levels_up() -> None:
    report = {"reportData": [{"variable": {"name": name}, "variableAttribute": [{"value": "x"}]}
                             for name in ("BasicAuthPassword", "Interval")]}  # fmt: skip
    covered = catalogue.mask("2.0.1", "NotifyReport", "CALL", report)
    assert [each["variableAttribute"][0]["value"] for each in covered["reportData"]] == ["•••", "x"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
    | st.sampled_from([10**400, "9" * 400]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["status", "idToken", "idTagInfo", "meterValue", "sampledValue", "value", "unitOfMeasure",
                         "multiplier", "evse", "id", "connectorId", "configurationKey", "key", "transactionInfo",
                         "unit", "phase", "measurand", "location", "interval", "variable", "name", "component"]),
        inner, max_size=6),
    max_leaves=20,
)  # fmt: skip
ACTIONS = sorted({(version, action) for version in catalogue.VERSIONS for action in catalogue.load(version)})


@given(
    st.sampled_from(ACTIONS), st.sampled_from(["CALL", "CALLRESULT", "CALLERROR", "SEND", "INVALID", "x"]), JSON, JSON
)
def test_no_payload_makes_it_raise_or_grow(
    which: tuple[str, str], kind: str, payload: Any, request_payload: Any
) -> None:
    version, action = which
    for known in (version, "", "9.9"):
        line = catalogue.summarise(known, kind, action, payload, request_payload)
        assert 0 < len(line) <= limits.SUMMARY_CHARACTERS
        catalogue.mask(known, action, kind, payload)


@pytest.mark.parametrize("version", catalogue.VERSIONS)
def test_every_sentence_survives_fields_of_the_wrong_type(version: str) -> None:
    names = sorted({step for info in catalogue.load(version).values() for text in (info.request, info.response)
                    for path in paths(text, catalogue.phrases(version)) for step in path})  # fmt: skip
    for value in ("x" * 10_000_000, [[]], {"a": {}}, -1, 10**5000, float("nan"), True, ["\x1b[31m"] * 1000, "\ud800"):
        payload = dict.fromkeys(names, value)
        for action in catalogue.load(version):
            for kind in ("CALL", "CALLRESULT"):
                line = catalogue.summarise(version, kind, action, payload, payload)
                assert 0 < len(line) <= limits.SUMMARY_CHARACTERS
