"""A payload that a schema refused in; one fault for each broken constraint, in plain words, out.

Knows the keywords that OCPP's schemas use (type, enum, required, properties, items, $ref, lengths, limits,
multipleOf, format); a test checks that it and jsonschema-rs always agree about validity. Off the hot path.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import jsonschema_rs
import orjson

from ocpp_inspect import limits
from ocpp_inspect.ocpp import datetimes

Schema = Mapping[str, Any]

_TYPES: Final = {
    "object": "an object", "array": "a list", "string": "a string", "integer": "an integer", "number": "a number",
    "boolean": "true or false", "null": "null",
}  # fmt: skip
_DEPTH: Final = 32


class SchemaFault(NamedTuple):
    """One broken constraint. `risky` ones are legal, and do not make the payload invalid."""

    name: str
    path: str
    detail: str
    risky: bool = False


def shown(value: Any) -> str:
    """A value as a person reads it, cut to a bounded length."""
    if isinstance(value, str):
        text = value if len(value) <= limits.EXCERPT_CHARACTERS else value[: limits.EXCERPT_CHARACTERS - 1] + "…"
        return f"'{text}'"
    if isinstance(value, dict | list):
        if not value:
            return "{}" if isinstance(value, dict) else "[]"
        return f"{{{len(value)} fields}}" if isinstance(value, dict) else f"[{len(value)} items]"
    return orjson.dumps(value).decode()


def kind_of(value: Any) -> str:
    """The JSON type of a decoded value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for types, name in ((str, "string"), (int, "integer"), (float, "number"), (list, "array")):
        if isinstance(value, types):
            return name
    return "object"


class Explainer:
    """Walks one payload along one schema and collects at most `limits.SCHEMA_FAULTS` faults."""

    def __init__(self, schema: Schema, old: bool) -> None:
        self._root = schema
        self._old = old  # OCPP 1.6: draft 4, ISO 8601
        self.faults: list[SchemaFault] = []
        self.left_out = 0

    def run(self, payload: Any) -> list[SchemaFault]:
        """All faults of a payload, in the order of the schema."""
        self._walk(self._root, payload, "$", "the payload", 0)
        return self.faults

    def _add(self, name: str, path: str, detail: str, risky: bool = False) -> None:
        if len(self.faults) < limits.SCHEMA_FAULTS:
            self.faults.append(SchemaFault("schema." + name, path, detail, risky))
        else:
            self.left_out += 1

    def _walk(self, schema: Schema, value: Any, path: str, name: str, depth: int) -> None:
        if "$ref" in schema:
            schema = self._root["definitions"][schema["$ref"].rpartition("/")[2]]
        if depth > _DEPTH:
            return
        if not self._right_type(schema, value, path, name):
            return
        if isinstance(value, str):
            self._string(schema, value, path, name)
        elif isinstance(value, list):
            self._list(schema, value, path, name, depth)
        elif isinstance(value, dict):
            self._object(schema, value, path, depth)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._number(schema, value, path, name)
        if not isinstance(value, str) and "enum" in schema and value not in schema["enum"]:
            self._add("enum", path, f"{name} is {shown(value)}, which is not one of {_choices(schema['enum'])}")

    def _right_type(self, schema: Schema, value: Any, path: str, name: str) -> bool:
        wanted = schema.get("type")
        if wanted is None:
            return True
        found = kind_of(value)
        if found == wanted or (wanted == "number" and found == "integer"):
            return True
        if wanted == "integer" and found == "number" and value.is_integer() and not self._old:
            return True  # draft 6: 1.0 is an integer; draft 4 (OCPP 1.6) says that it is not
        hint = ""
        if wanted in ("integer", "number") and found == "string":
            hint = " (a number in quotation marks)" if _is_number(value) else ""
        elif wanted == "integer" and found == "number":
            hint = " with a fraction"
        elif found == "null":
            hint = "; an optional field without a value is left out"
        article = _TYPES.get(wanted, str(wanted))
        self._add("type", path, f"{name} must be {article}, but is {_TYPES[found]}: {shown(value)}{hint}")
        return False

    def _string(self, schema: Schema, value: str, path: str, name: str) -> None:
        if "enum" in schema and value not in schema["enum"]:
            choices = schema["enum"]
            hint = _near(value, choices)
            self._add("enum", path, f"{name} is {shown(value)}, which is not one of {_choices(choices)}{hint}")
        longest = schema.get("maxLength")
        if longest is not None and len(value) > longest:
            self._add("max_length", path, f"{name} is {len(value)} characters long, at most {longest} are allowed")
        form = schema.get("format")
        if form == "date-time":
            for fault, detail in datetimes.faults(value, self._old):
                self._add("datetime_" + fault, path, f"{name} {detail}", fault.startswith("risky"))
        elif form is not None and not _form(form).is_valid(value):
            self._add("format", path, f"{name} is {shown(value)}, which is not a valid {form}")

    def _number(self, schema: Schema, value: float, path: str, name: str) -> None:
        if "minimum" in schema and value < schema["minimum"]:
            self._add("minimum", path, f"{name} is {value!r}, at least {schema['minimum']} is required")
        if "maximum" in schema and value > schema["maximum"]:
            self._add("maximum", path, f"{name} is {value!r}, at most {schema['maximum']} is allowed")
        step = schema.get("multipleOf")
        # Decimal(repr(x)) is the number as it was written, so that 0.3 is a multiple of 0.1 (1.6 §7.14).
        if step is not None and not _is_multiple(value, step):
            self._add("multiple_of", path, f"{name} is {value!r}, which is not a multiple of {step}")

    def _list(self, schema: Schema, value: list[Any], path: str, name: str, depth: int) -> None:
        fewest, most = schema.get("minItems"), schema.get("maxItems")
        if fewest is not None and len(value) < fewest:
            self._add("min_items", path, f"{name} has {len(value)} items, at least {fewest} required")
        if most is not None and len(value) > most:
            self._add("max_items", path, f"{name} has {len(value)} items, at most {most} are allowed")
        items = schema.get("items")
        if isinstance(items, dict):
            for index, each in enumerate(value):
                if self.left_out > limits.SCHEMA_FAULTS:
                    return  # enough to say that there are more; a list of a million wrong items costs no more
                self._walk(items, each, f"{path}[{index}]", f"item {index} of {name}", depth + 1)

    def _object(self, schema: Schema, value: dict[str, Any], path: str, depth: int) -> None:
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                near = next((key for key in value if key.lower() == name.lower()), None)
                hint = f" (found '{near}': names are case-sensitive)" if near is not None else ""
                self._add("required", f"{path}.{name}", f"{name} is missing{hint}")
        if schema.get("additionalProperties", True) is False:
            for key in value:
                if key not in properties:
                    if self.left_out > limits.SCHEMA_FAULTS:
                        break
                    bounded = shown(key)[1:-1]
                    hint = _near(key, list(properties))
                    self._add("additional_property", f"{path}.{bounded}", f"{bounded} is not a field here{hint}")
        for name, part in properties.items():
            if name in value:
                self._walk(part, value[name], f"{path}.{name}", name, depth + 1)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) < 32


def _is_multiple(value: float, step: float) -> bool:
    number = Decimal(repr(value))
    if number.adjusted() > 24:  # beyond a double's digits every number is a whole one
        return True
    return number % Decimal(repr(step)) == 0


def _choices(choices: list[Any]) -> str:
    named = ", ".join(str(choice) for choice in choices[:12])
    return named + (f" and {len(choices) - 12} others" if len(choices) > 12 else "")


def _near(value: str, choices: list[Any]) -> str:
    if len(value) > 64:
        return ""
    texts = [choice for choice in choices if isinstance(choice, str)]
    same = [choice for choice in texts if choice.lower() == value.lower()]
    close = same or get_close_matches(value, texts, 1, 0.75)
    return f" (did you mean '{close[0]}'?)" if close else ""


_FORMS: Final[dict[str, Any]] = {}


def _form(name: str) -> Any:
    """The validator of one `format`; a cache of constants."""
    if name not in _FORMS:
        _FORMS[name] = jsonschema_rs.Draft6Validator({"format": name}, validate_formats=True)
    return _FORMS[name]
