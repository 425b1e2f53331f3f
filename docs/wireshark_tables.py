"""The catalogue in; the generated part of dissectors/wireshark/ocpp.lua out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ocpp_inspect import catalogue
from ocpp_inspect.ocpp.errors import CODES_1, CODES_2

BEGIN = "-- generated tables: begin\n"
END = "-- generated tables: end\n"
SIDES = {"CS": "station", "CSMS": "csms", "both": "both"}


def with_tables(source: str) -> str:
    """The dissector's text with its tables written anew."""
    before, _, rest = source.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "".join(f"{line}\n" for line in _lines()) + END + after


def _lines() -> Iterator[str]:
    yield "local PHRASES = {"
    for version in catalogue.VERSIONS:
        yield f'  ["{version}"] = {{'
        for name, text in sorted(catalogue.phrases(version).items()):
            yield f"    {name} = {_text(text)},"
        yield "  },"
    yield "}"
    yield "local ACTIONS = {"
    for version in catalogue.VERSIONS:
        yield f'  ["{version}"] = {{'
        for action, info in sorted(catalogue.load(version).items()):
            parts: Mapping[str, str] = {
                "by": _text(SIDES[info.initiator]),
                "request": _text(info.request),
                "response": _text(info.response) if info.response else "",
                "secret_request": _list(info.secret_request),
                "secret_response": _list(info.secret_response),
            }
            yield f"    {action} = {{ {', '.join(f'{name} = {value}' for name, value in parts.items() if value)} }},"
        yield "  },"
    yield "}"
    yield "local ERROR_CODES = {"
    for version, codes in (("1.6", CODES_1), ("2.0", CODES_2), ("2.0.1", CODES_2), ("2.1", CODES_2)):
        yield f'  ["{version}"] = {{ {", ".join(f"{code} = true" for code in sorted(codes))} }},'
    yield "}"


def _list(values: tuple[str, ...]) -> str:
    return f"{{ {', '.join(map(_text, values))} }}" if values else ""


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
