"""An action and its decoded payload in; who may send it, where it is specified, and one readable line out.

The knowledge is data: `dissectors/catalogue/ocpp<version>.yaml`, one file a version of OCPP. This package reads the
files (`reader`), compiles their sentences (`template`), shows values as people write them (`formats`) and covers
credentials (`masking`). It belongs to the foundation: every room may import it, it imports no room.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal

import msgspec

from ocpp_inspect import limits
from ocpp_inspect.catalogue import formats, reader
from ocpp_inspect.catalogue.masking import Secret, masked
from ocpp_inspect.catalogue.template import Template, TemplateError
from ocpp_inspect.resources import data_directory

__all__ = ["VERSIONS", "CatalogueError", "MessageInfo", "load", "mask", "mask_message", "phrases", "summarise"]

VERSIONS: Final = ("1.6", "2.0", "2.0.1", "2.1")
_GUESSES: Final = ("1.6", "2.0.1", "2.1", "2.0")
"""Order in which a message of unknown version is tried; the first whose sentence lacks nothing wins."""

_DESCRIPTION_CHARACTERS: Final = 200  # of a refusal's text: it explains what no other field does

CatalogueError = reader.CatalogueError


class MessageInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the catalogue says about one action of one version."""

    action: str
    version: str
    initiator: Literal["CS", "CSMS", "both"]  # who sends the CALL (or SEND); CS is the station
    block: str  # functional block, "Core" (1.6 profile) or "B Provisioning" (2.x)
    use_cases: tuple[str, ...]
    request: str  # sentence template
    response: str = ""  # "" for a SEND, which has no answer
    send: bool = False
    secret_request: tuple[str, ...] = ()
    secret_response: tuple[str, ...] = ()


@cache
def _file(version: str) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """(phrases, messages) of a version, those of the version that it extends included."""
    path = data_directory("dissectors") / "catalogue" / f"ocpp{version}.yaml"
    content = reader.read(path)
    sentences: dict[str, str] = {}
    messages: dict[str, dict[str, Any]] = {}
    if base := content.get("extends"):
        sentences, messages = _file(base)
    sentences = sentences | content.get("phrases", {})
    messages = messages | {
        action: messages.get(action, {}) | entry for action, entry in content.get("messages", {}).items()
    }
    return sentences, messages


@cache
def load(version: str) -> Mapping[str, MessageInfo]:
    """Action → MessageInfo of a version of `VERSIONS`; empty for any other. About 2 ms for all four."""
    if version not in VERSIONS:
        return {}
    found = {}
    for action, entry in _file(version)[1].items():
        try:
            found[action] = msgspec.convert({"action": action, "version": version} | entry, MessageInfo)
        except msgspec.ValidationError as error:
            raise CatalogueError(f"ocpp{version}.yaml: {action}: {error}") from error
    return found


def phrases(version: str) -> Mapping[str, str]:
    """The named parts of sentences that the templates of a version share."""
    return _file(version)[0] if version in VERSIONS else {}


@cache
def _template(version: str, action: str, answer: bool) -> Template | None:
    info = load(version).get(action)
    text = "" if info is None else info.response if answer else info.request
    return Template(text, phrases(version)) if text else None


@cache
def _secrets(version: str, action: str, answer: bool) -> tuple[Secret, ...]:
    info = load(version).get(action)
    if info is None:
        return ()
    return tuple(Secret(text) for text in (info.secret_response if answer else info.secret_request))


def mask(version: str, action: str, kind: str, payload: Any) -> Any:
    """The payload with its credentials covered; the payload itself is not changed, and is returned if it has none."""
    answer = kind == "CALLRESULT"
    found: tuple[Secret, ...] = ()
    for each in (version,) if version in VERSIONS else _GUESSES:
        found += _secrets(each, action, answer) if action in load(each) else ()
    return masked(payload, found) if found else payload


_PAYLOAD_AT: Final = {2: 3, 6: 3, 3: 2}


@cache
def _secret_answers() -> tuple[Secret, ...]:
    """What the answer to any action may hold: for answers whose CALL is not at hand."""
    texts = {text for version in VERSIONS for info in load(version).values() for text in info.secret_response}
    return tuple(Secret(text) for text in sorted(texts))


def mask_message(message: Any) -> Any:
    """A whole decoded message (OCPP-J 1.6 §4.2) with its credentials covered; anything else as it is.

    An answer does not tell its action, so all that an answer may hold is covered.
    """
    if not isinstance(message, list) or not message or not isinstance(message[0], int):
        return message
    at = _PAYLOAD_AT.get(message[0])
    if at is None or len(message) <= at:
        return message
    payload = message[at]
    if message[0] == 3:
        covered = masked(payload, _secret_answers())
    else:
        covered = mask("", message[2], "CALL", payload) if isinstance(message[2], str) else payload
    return message if covered is payload else [*message[:at], covered, *message[at + 1 :]]


def summarise(
    version: str,
    kind: str,
    action: str,
    payload: Any,
    request: Any = None,
    error_code: str | None = None,
    error_description: str | None = None,
) -> str:
    """One line that says what a message says. Never raises; bounded by `limits.SUMMARY_CHARACTERS`.

    Captured text inside it is not yet escaped: `report.safe` is the door to a terminal. Credentials are covered.
    """
    if kind in ("CALLERROR", "CALLRESULTERROR"):
        head = "refused" if kind == "CALLERROR" else "answer refused"
        code = formats.shown(error_code) or "no error code"
        text = error_description[:_DESCRIPTION_CHARACTERS] if isinstance(error_description, str) else ""
        line = f"{head}: {code}" + (f" — {text}" if text else "")
    elif kind == "INVALID":
        line = "not an OCPP message"
    elif kind == "CALLRESULT" and not action:
        line = "answer to a request that was not seen" + (f": {formats.outline(payload)}" if payload else "")
    else:
        answer = kind == "CALLRESULT"
        line = _sentence(version, action, mask(version, action, kind, payload), request, answer)
    return line if len(line) <= limits.SUMMARY_CHARACTERS else line[: limits.SUMMARY_CHARACTERS - 1] + "…"


def _sentence(version: str, action: str, payload: Any, request: Any, answer: bool) -> str:
    best, fewest = "", 1 << 30
    for each in (version,) if version in VERSIONS else _GUESSES:
        template = _template(each, action, answer)
        if template is None:
            continue
        text, missing = template.say(payload, request)
        if missing < fewest and text.strip(" ?,:()"):
            best, fewest = text, missing
        if not missing:
            break
    return best or formats.outline(payload)


def check() -> list[str]:
    """Every template and secret of every version that does not compile, as `version action: reason`."""
    problems = []
    for version in VERSIONS:
        for action, info in load(version).items():
            try:
                for text in (info.request, info.response):
                    Template(text, phrases(version))
                for text in (*info.secret_request, *info.secret_response):
                    Secret(text)
            except (TemplateError, ValueError) as error:
                problems.append(f"{version} {action}: {error}")
    return problems
