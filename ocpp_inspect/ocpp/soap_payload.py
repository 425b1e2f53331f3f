"""The body of a SOAP message in; the payload that OCPP-J would have for it out.

Element names are those of the JSON fields, in the same order of things; what XML cannot say (whether "5" is a number,
whether one element is a list of one) the JSON Schema of the message tells. A text that is not of the type of its field
stays text, so that the schema refuses it as it would refuse it in JSON.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ocpp_inspect.model import SoapValue
from ocpp_inspect.ocpp import schema

# The lexical forms of xs:int, xs:decimal and xs:boolean; white space around them means nothing (XSD part 2 §4.3.6).
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def payload_of(version: str, action: str, body: SoapValue, *, is_answer: bool) -> Any:
    """The payload as JSON has it; OCPP 1.2 and 1.5 are read by what their messages share with those of 1.6."""
    shape = schema.load("1.6", action, is_answer) or {}
    if isinstance(body, str):
        if body.strip():
            return body
        body = []
    if body is None:
        return None
    found = _object(body, shape)
    if version == "1.6":
        # No element at all is how XML writes an empty list, which the WSDL allows where the schema wants a list.
        for name in shape.get("required", ()):
            if name not in found and shape["properties"].get(name, {}).get("type") == "array":
                found[name] = []
    return found


def _object(parts: list[tuple[str, Any]], shape: dict[str, Any]) -> dict[str, Any]:
    properties = shape.get("properties", {})
    found: dict[str, Any] = {}
    repeated: set[str] = set()
    for name, part in parts:
        field = properties.get(name, {})
        if field.get("type") == "array":
            value = _value(part, field.get("items", {}))
            found.setdefault(name, []).append(value)
        elif name not in found:
            found[name] = _value(part, field)
        else:  # twice where one is expected: a list, which no schema takes for one
            if name not in repeated:
                repeated.add(name)
                found[name] = [found[name]]
            found[name].append(_value(part, field))
    return found


def _value(part: SoapValue, shape: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return _object(part, shape)
    if part is None:
        return None
    kind, text = shape.get("type"), part.strip()
    if kind == "string":
        return text if shape.get("format") == "date-time" else part
    value: Any = part
    if kind == "object" and not text:
        value = {}
    elif kind == "integer" and _INTEGER.fullmatch(text):
        value = int(text)
    elif kind == "number" and _DECIMAL.fullmatch(text):
        value = float(text) if "." in text else int(text)
    elif kind == "boolean":
        value = _BOOLEANS.get(text, part)
    return value
