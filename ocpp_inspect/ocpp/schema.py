"""(version, action, direction) and a payload in; valid or not, and why not, out.

jsonschema-rs decides (0.4 µs for a MeterValues of 1.6, 0.7 µs for a TransactionEvent of 2.0.1); `explain` says why it
refused. A date-time is decided by a pattern in the same call (0.05 µs), so that `format` needs no second pass.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson

from ocpp_inspect.ocpp import datetimes
from ocpp_inspect.ocpp.explain import Explainer, SchemaFault, shown

SCHEMA_VERSIONS: Final = ("1.6", "2.0.1", "2.1")
"""Versions with schemas in PyPI `ocpp`. OCPP 2.0 was withdrawn and has none there."""

_FOLDERS: Final = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}


def _folder(version: str) -> Path:
    spec = importlib.util.find_spec("ocpp")  # finds the package without importing it
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package 'ocpp' with the JSON schemas is missing; reinstall ocpp-inspect")
    return Path(spec.submodule_search_locations[0]) / _FOLDERS[version] / "schemas"


def _decisive(schema: Any, pattern: str) -> Any:
    """A copy of a schema that decides date-times by `pattern`. `format` is also the name of a property."""
    if isinstance(schema, list):
        return [_decisive(each, pattern) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _decisive(value, pattern) for key, value in schema.items()}
    if copy.get("format") == "date-time":
        del copy["format"]
        copy["pattern"] = pattern
    return copy


@cache
def actions(version: str) -> frozenset[str]:
    """The actions that a version has schemas for."""
    if version not in _FOLDERS:
        return frozenset()
    names = (path.stem for path in _folder(version).glob("*.json"))
    return frozenset(name.removesuffix("Request") for name in names if not name.endswith("Response"))


class Checker:
    """The schema of one action in one direction: `is_valid` for the hot path, `explain` for what it refuses."""

    __slots__ = ("_old", "_schema", "accepts")

    def __init__(self, schema: dict[str, Any], old: bool) -> None:
        self._schema = schema
        self._old = old
        decisive = _decisive(schema, datetimes.PATTERN_1 if old else datetimes.PATTERN_2)
        validator = jsonschema_rs.Draft4Validator if old else jsonschema_rs.Draft6Validator
        self.accepts: Callable[[Any], bool] = validator(decisive, validate_formats=True).is_valid

    def explain(self, payload: Any) -> tuple[list[SchemaFault], int]:
        """(faults, how many more there are at least). Empty for what `accepts` refuses only out of caution."""
        explainer = Explainer(self._schema, self._old)
        found = explainer.run(payload)
        if not found and not self.accepts(payload):
            found = self._unnamed(payload)
        return found, explainer.left_out

    def _unnamed(self, payload: Any) -> list[SchemaFault]:
        """What only jsonschema-rs knows: a keyword that OCPP's schemas do not use yet. A 29 February is none."""
        validator = jsonschema_rs.Draft4Validator if self._old else jsonschema_rs.Draft6Validator
        error = next(validator(self._schema, validate_formats=False).iter_errors(payload), None)
        return [] if error is None else [SchemaFault("schema.other", "$", shown(error.message)[1:-1])]

    def is_valid(self, payload: Any) -> bool:
        """Whether the payload is legal, risky date-times included."""
        return self.accepts(payload) or all(fault.risky for fault in self.explain(payload)[0])


@cache
def load(version: str, action: str, answer: bool) -> dict[str, Any] | None:
    """The JSON Schema of an action in one direction, as PyPI `ocpp` holds it (1.6: both spellings of Celsius).

    None when there is none. Shared: not to be changed.
    """
    if action not in actions(version):
        return None
    suffix = "Response" if answer else "" if version == "1.6" else "Request"
    path = _folder(version) / f"{action}{suffix}.json"
    if not path.is_file():
        return None
    schema: dict[str, Any] = orjson.loads(path.read_text(encoding="utf-8-sig"))
    if version == "1.6":
        _both_spellings(schema)
    return schema


@cache
def checker(version: str, action: str, answer: bool) -> Checker | None:
    """The checker of an action, compiled on first use (about 1 ms); None when there is no schema."""
    schema = load(version, action, answer)
    # 1.6 security files are draft 6, but no keyword differs from draft 4 in them except how 1.0 counts.
    return None if schema is None else Checker(schema, version == "1.6")


def _both_spellings(schema: Any) -> None:
    """Let 1.6 units have Celsius and Celcius: receivers must take both (J16E §2.1, §2.2)."""
    if isinstance(schema, dict):
        units = schema.get("enum")
        if isinstance(units, list) and ("Celsius" in units or "Celcius" in units):
            schema["enum"] = [*dict.fromkeys([*units, "Celsius", "Celcius"])]
        for value in schema.values():
            _both_spellings(value)
    elif isinstance(schema, list):
        for value in schema:
            _both_spellings(value)
