from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp_transcript import messages, names, run

from ocpp_inspect import catalogue
from ocpp_inspect.ocpp import schema
from ocpp_inspect.ocpp.explain import Explainer

TIME = "2026-01-31T09:30:00Z"
EVERY = [
    (version, action, answer)
    for version in schema.SCHEMA_VERSIONS
    for action in sorted(schema.actions(version))
    for answer in (False, True)
    if schema.checker(version, action, answer) is not None
]


class Mutation(NamedTuple):
    payload: Any
    name: str
    path: str


def resolved(root: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    return root["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part


def instance(root: dict[str, Any], part: dict[str, Any], full: bool) -> Any:
    """The smallest valid instance, or one with every field."""
    part = resolved(root, part)
    if "enum" in part:
        return part["enum"][0]
    kind = part.get("type")
    if kind == "object":
        wanted = part.get("properties", {}) if full else part.get("required", ())
        return {name: instance(root, part["properties"][name], full) for name in wanted}
    if kind == "array":
        return [instance(root, part["items"], full) for _ in range(max(1, part.get("minItems", 0)))]
    if kind == "string":
        return {"date-time": TIME, "uri": "ftp://example.com/log"}.get(part.get("format", ""), "x")
    if kind in ("integer", "number"):
        return part.get("minimum", part.get("maximum", 3))
    return {"boolean": True}.get(kind or "", {})


def places(root: dict[str, Any], part: dict[str, Any], value: Any, path: str = "$", depth: int = 0) -> Iterator[Any]:
    """(schema, value, path) of every node."""
    part = resolved(root, part)
    yield part, value, path
    if isinstance(value, dict):
        for name, each in value.items():
            if name in part.get("properties", {}):
                yield from places(root, part["properties"][name], each, f"{path}.{name}", depth + 1)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from places(root, part["items"], each, f"{path}[{index}]", depth + 1)


def keys_of(path: str) -> list[str | int]:
    words = path.removeprefix("$").replace("[", ".#").replace("]", "").split(".")[1:]
    return [int(word[1:]) if word.startswith("#") else word for word in words]


def changed(payload: Any, path: str, value: Any) -> Any:
    """A copy with another value at a path."""
    keys = keys_of(path)
    if not keys:
        return value
    result = copy.deepcopy(payload)
    target = result
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value
    return result


def mutations(root: dict[str, Any], payload: Any) -> Iterator[Mutation]:  # noqa: PLR0912 - one branch a keyword
    """The payload with one constraint broken at a time, and the fault that must be found."""
    for part, value, path in places(root, root, payload):
        if path != "$" and "type" in part:
            yield Mutation(changed(payload, path, None), "schema.type", path)
        if isinstance(value, dict):
            for name in part.get("required", ()):
                without = {key: each for key, each in value.items() if key != name}
                yield Mutation(changed(payload, path, without), "schema.required", f"{path}.{name}")
            if part.get("additionalProperties") is False:
                more = {**value, "Zq": 1}
                yield Mutation(changed(payload, path, more), "schema.additional_property", f"{path}.Zq")
        elif isinstance(value, list):
            if part.get("minItems"):
                yield Mutation(changed(payload, path, []), "schema.min_items", path)
            if "maxItems" in part and part["maxItems"] < 1100:
                many = value[:1] * (part["maxItems"] + 1)
                yield Mutation(changed(payload, path, many), "schema.max_items", path)
        elif isinstance(value, str):
            if "enum" in part:
                yield Mutation(changed(payload, path, "Zq"), "schema.enum", path)
            elif part.get("format") == "date-time":
                yield Mutation(changed(payload, path, "soon"), "schema.datetime_invalid", path)
            elif part.get("format") == "uri":
                yield Mutation(changed(payload, path, "no uri"), "schema.format", path)
            elif "maxLength" in part:
                yield Mutation(changed(payload, path, "é" * (part["maxLength"] + 1)), "schema.max_length", path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if "minimum" in part:
                yield Mutation(changed(payload, path, part["minimum"] - 1), "schema.minimum", path)
            if "maximum" in part:
                yield Mutation(changed(payload, path, part["maximum"] + 1), "schema.maximum", path)
            if "multipleOf" in part:
                yield Mutation(changed(payload, path, 16.25), "schema.multiple_of", path)
            if part.get("type") == "integer":
                yield Mutation(changed(payload, path, 1.5), "schema.type", path)


def loaded(version: str, action: str, answer: bool) -> tuple[schema.Checker, dict[str, Any]]:
    checker = schema.checker(version, action, answer)
    assert checker is not None
    return checker, checker._schema


@pytest.mark.parametrize("version", schema.SCHEMA_VERSIONS)
def test_every_action_of_the_catalogue_has_a_schema(version: str) -> None:
    assert set(catalogue.load(version)) == set(schema.actions(version))


@pytest.mark.parametrize(("version", "action", "answer"), EVERY)
def test_every_broken_constraint_is_named_at_its_place(version: str, action: str, answer: bool) -> None:
    checker, root = loaded(version, action, answer)
    for full in (False, True):
        payload = instance(root, root, full)
        assert checker.accepts(payload), checker.explain(payload)
        assert checker.explain(payload) == ([], 0)
        for mutation in mutations(root, payload):
            assert not checker.accepts(mutation.payload), mutation
            faults = [(fault.name, fault.path) for fault in checker.explain(mutation.payload)[0]]
            assert faults == [(mutation.name, mutation.path)]


@pytest.mark.parametrize(("version", "action", "answer"), EVERY)
def test_a_valid_payload_of_every_action_is_silent(version: str, action: str, answer: bool) -> None:
    info = catalogue.load(version)[action]
    asks, answers = (">", "<") if info.initiator != "CSMS" else ("<", ">")
    _, root = loaded(version, action, False)
    request = orjson.dumps(instance(root, root, True)).decode()
    lines = f'-- upgrade /A ocpp{version}\n0 {asks} [{6 if info.send else 2},"1","{action}",{request}]\n'
    if answer:
        _, root = loaded(version, action, True)
        lines += f'1 {answers} [3,"1",{orjson.dumps(instance(root, root, True)).decode()}]\n'
    found = run(lines)
    assert names(found) == []
    assert [each.schema_valid for each in messages(found)] == [True] * (1 + answer)
    assert {each.action for each in messages(found)} == {action}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "Accepted", TIME, "2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2026-01-01 00:00:00"])
    | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.sampled_from(EVERY), st.data())
def test_the_explanation_agrees_with_the_decision(which: tuple[str, str, bool], data: st.DataObject) -> None:
    """`explain` finds nothing illegal exactly when the schema itself, formats apart, accepts."""
    checker, root = loaded(*which)
    payload = instance(root, root, True)
    for _part, _, path in data.draw(st.lists(st.sampled_from(list(places(root, root, payload))), max_size=2)):
        try:
            payload = changed(payload, path, data.draw(VALUES))
        except (KeyError, TypeError, IndexError):  # the first change took the place of the second away
            continue
    faults = checker.explain(payload)[0]
    official = jsonschema_rs.Draft4Validator if which[0] == "1.6" else jsonschema_rs.Draft6Validator
    plain = official(root, validate_formats=False).is_valid(payload)
    structural = [fault for fault in faults if not fault.name.startswith(("schema.datetime_", "schema.format"))]
    assert plain == (not structural)
    assert checker.is_valid(payload) == all(fault.risky for fault in faults)
    if checker.accepts(payload):
        assert faults == []


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.7, 1.1, 6, 16.2, 21.7, 32.1, 1e6, 3.3000000000000003e15])
def test_tenths_are_exact(limit: float) -> None:
    checker, root = loaded("1.6", "SetChargingProfile", False)
    payload = instance(root, root, True)
    period = payload["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]
    period["limit"] = limit
    assert checker.is_valid(payload)
    period["limit"] = 16.25
    assert [fault.name for fault in checker.explain(payload)[0]] == ["schema.multiple_of"]


def test_words_are_plain() -> None:
    found = run(
        """
        -- upgrade /A ocpp1.6
        0 > [2,"1","Authorize",{"idTag":"12345678901234567890123"}]
        1 > [2,"2","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"charging"}]
        2 > [2,"3","BootNotification",{"chargepointVendor":"V","chargePointModel":null}]
        """
    )
    details = [each.detail for each in found if hasattr(each, "detail")]
    assert details[0] == "idTag is 23 characters long, at most 20 are allowed"
    assert details[1] == "connectorId must be an integer, but is a string: '1' (a number in quotation marks)"
    assert details[2].startswith("status is 'charging', which is not one of Available, Preparing, ")
    assert details[2].endswith("(did you mean 'Charging'?)")
    assert details[3] == "chargePointVendor is missing (found 'chargepointVendor': names are case-sensitive)"
    assert details[4] == "chargepointVendor is not a field here (did you mean 'chargePointVendor'?)"
    assert details[5].startswith("chargePointModel must be a string, but is null: null; an optional field")
    assert [each.schema_valid for each in messages(found)] == [False] * 3


def test_both_spellings_of_celsius_are_accepted() -> None:
    for unit in ("Celsius", "Celcius"):
        sample = f'{{"timestamp":"{TIME}","sampledValue":[{{"value":"1","unit":"{unit}"}}]}}'
        found = run(f'-- upgrade /A ocpp1.6\n0 > [2,"1","MeterValues",{{"connectorId":1,"meterValue":[{sample}]}}]')
        assert names(found) == []


def test_a_payload_of_another_version_is_recognised() -> None:
    boot = '{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}'
    found = run(f'-- upgrade /A ocpp1.6\n0 > [2,"1","BootNotification",{boot}]')
    assert names(found)[-1] == "schema.valid_in_other_version"
    assert "2.0.1 and 2.1" in found[-1].detail  # type: ignore[union-attr]


def test_a_thousand_faults_are_bounded() -> None:
    entries = ",".join(["1"] * 5000)
    found = run(f'-- upgrade /A ocpp1.6\n0 > [2,"1","MeterValues",{{"connectorId":1,"meterValue":[{entries}]}}]')
    assert names(found).count("schema.type") == 20
    assert names(found)[-1] == "schema.more_faults"


def test_a_keyword_without_a_name_is_still_reported() -> None:
    checker = schema.Checker({"properties": {"a": {"uniqueItems": True}}}, old=False)
    assert [fault.name for fault in checker.explain({"a": [1, 1]})[0]] == ["schema.other"]
    assert checker.is_valid({"a": [1, 2]})


def test_longer_strings_are_legal_when_the_station_said_so() -> None:
    value = (
        '[{"component":{"name":"OCPPCommCtrlr"},"variable":{"name":"FieldLength","instance":"DataTransfer.vendorId"}'
    )
    lines = f"""
        -- upgrade /A ocpp2.0.1
        0 < [2,"1","GetVariables",{{"getVariableData":{value}}}]}}]
        1 > [3,"1",{{"getVariableResult":{value},"attributeStatus":"Accepted","attributeValue":"300"}}]}}]
        """
    long = '2 > [2,"2","DataTransfer",{"vendorId":"' + "v" * {True: 300, False: 301}[True] + '"}]'
    assert names(run(lines + long)) == []
    assert names(run(lines + long.replace("vv", "vvv", 1))) == ["schema.max_length"]


def test_deep_payloads_end_the_walk() -> None:
    nested: Any = 1
    for _ in range(200):
        nested = {"customData": nested}
    assert (
        Explainer(
            {"$ref": "#/definitions/A", "definitions": {"A": {"properties": {"customData": {"$ref": "/A"}}}}}, False
        ).run(nested)
        == []
    )
