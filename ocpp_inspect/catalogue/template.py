r"""A sentence template and a payload in; one line of text out. No `eval`, no code in data, no unbounded loop.

    connector {connectorId} is {status}[ ({info})]

`{path}`            the value at a dotted path: `idTagInfo.status`, `schedule.0.limit` (item 0), `data.-1.v` (the last).
                    `request.` at the start reaches into the payload of the CALL that is answered.
`{path|path}`       the first of them that is present.
`{path:format}`     the value in a format of `formats.FORMATS`: `tag`, `n`, `Wh`, `W`, `duration`, `time`, `word`,
                    `quote`, `short`, `id`, `url`, `size`, `list`, `meter`; `count noun` counts a list ("3 nouns").
`{path*phrase}`     the item there, or each item of the list there, said by a phrase: three, then "and 4 more".
`{@phrase}`         a named part of a sentence, from the file's `phrases`; its paths start where the sentence's do.
`{?path}`           says nothing; holds when the path is present. `{?path=text}`, `{?path!=text}` compare (`!=`
                    holds only for a value that is present).
`[optional]`        left out when something in it is missing.
`[this|that]`       the first alternative in which nothing is missing; nothing, if there is none.
`this|that`         the same for a whole sentence or phrase.

Null, empty text and empty lists count as missing. A sentence whose alternatives all miss something says its last
possible one with `?` in the gaps: nothing is invented. Backslash makes the next character literal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from ocpp_inspect.catalogue.formats import FORMATS, counted, shown

Part: TypeAlias = "str | Callable[[Any, Any], str | None]"
Sentence: TypeAlias = "list[list[Part]]"

_ITEMS: Final = 3  # of a list that are said one by one; a line has room for no more
_DEPTH: Final = 8  # phrases within phrases, brackets within brackets: files need 4


class TemplateError(ValueError):
    """A template that does not compile."""


class _Guard:
    """A condition without text: "" when it holds, None when not (then even a gap is not shown as `?`)."""

    __slots__ = ("equal", "path", "text")

    def __init__(self, body: str) -> None:
        name, found, self.text = body.partition("!=")
        self.equal: bool | None = False if found else None
        if not found:
            name, found, self.text = body.partition("=")
            self.equal = True if found else None
        self.path = parse_path(name)

    def __call__(self, scope: Any, request: Any) -> str | None:
        value = look_up(self.path, scope, request)
        if value is None:
            return None
        return "" if self.equal is None or (shown(value) == self.text) is self.equal else None


class Template:
    """A compiled sentence."""

    __slots__ = ("_sentence",)

    def __init__(self, text: str, phrases: Mapping[str, str]) -> None:
        self._sentence = _compile(text, phrases, 0)

    def say(self, payload: Any, request: Any = None) -> tuple[str, int]:
        """(the sentence, the number of gaps in it)."""
        text = say(self._sentence, payload, request)
        if text is not None:
            return text, 0
        for alternative in reversed(self._sentence):
            said, gaps = [], 0
            for part in alternative:
                piece = part if isinstance(part, str) else part(payload, request)
                if piece is None:
                    if isinstance(part, _Guard):
                        break
                    gaps += 1
                said.append("?" if piece is None else piece)
            else:
                return "".join(said), gaps
        return "", 1


def say(sentence: Sentence, scope: Any, request: Any) -> str | None:
    """The first alternative in which nothing is missing, else None."""
    for alternative in sentence:
        said = []
        for part in alternative:
            piece = part if isinstance(part, str) else part(scope, request)
            if piece is None:
                break
            said.append(piece)
        else:
            return "".join(said)
    return None


def parse_path(text: str) -> tuple[str | int, ...]:
    """The steps of a dotted path; numbers are list positions."""
    if not text or any(not step for step in text.split(".")):
        raise TemplateError(f"not a path: {text!r}")
    return tuple(int(step) if step.lstrip("-").isdigit() else step for step in text.split("."))


def look_up(path: tuple[str | int, ...], scope: Any, request: Any) -> Any:
    """The value at a path; None when it, or any step to it, is missing, null or empty."""
    steps = path
    if path[0] == "request" and len(path) > 1:
        scope, steps = request, path[1:]
    for step in steps:
        if isinstance(step, str):
            if not isinstance(scope, dict):
                return None
            scope = scope.get(step)
        elif isinstance(scope, list) and -len(scope) <= step < len(scope):
            scope = scope[step]
        else:
            return None
    return None if scope in ("", []) else scope


def paths(text: str, phrases: Mapping[str, str]) -> list[tuple[str, ...]]:
    """For tests: each path that a template reads, `*` standing for "each item or the thing itself"."""
    found: list[tuple[str, ...]] = []
    _compile(text, phrases, 0, found)
    return found


def _compile(text: str, phrases: Mapping[str, str], depth: int, found: list[tuple[str, ...]] | None = None) -> Sentence:
    sentence, end = _alternatives(text, 0, phrases, depth, found)
    if end != len(text):
        raise TemplateError(f"{text[end]!r} at {end} closes nothing in {text!r}")
    return sentence


def _alternatives(
    text: str, at: int, phrases: Mapping[str, str], depth: int, found: list[tuple[str, ...]] | None
) -> tuple[Sentence, int]:
    if depth > _DEPTH:
        raise TemplateError(f"more than {_DEPTH} levels deep")
    sentence: Sentence = [[]]
    literal = ""
    while at <= len(text):
        character = text[at] if at < len(text) else ""
        if character == "\\":
            literal += text[at + 1 : at + 2]
            at += 2
            continue
        if character not in ("", "|", "]", "[", "{", "}"):
            literal += character
            at += 1
            continue
        if literal:
            sentence[-1].append(literal)
            literal = ""
        if character in ("", "]", "}"):
            break
        at += 1
        if character == "|":
            sentence.append([])
        elif character == "[":
            inner, at = _alternatives(text, at, phrases, depth + 1, found)
            if text[at : at + 1] != "]":
                raise TemplateError(f"a bracket is not closed in {text!r}")
            at += 1
            sentence[-1].append(_optional(inner))
        else:
            close = text.find("}", at)
            if close < 0:
                raise TemplateError(f"a brace is not closed in {text!r}")
            sentence[-1].append(_field(text[at:close], phrases, depth, found))
            at = close + 1
    return sentence, at


def _field(body: str, phrases: Mapping[str, str], depth: int, found: list[tuple[str, ...]] | None) -> Part:
    if body.startswith("?"):
        guard = _Guard(body[1:])
        _note(found, guard.path)
        return guard
    name, star, phrase = body.partition("*")
    if body.startswith("@"):
        name, star, phrase = "", "", body[1:]
    if phrase:
        if phrase not in phrases:
            raise TemplateError(f"no phrase is named {phrase!r}")
        inner_found: list[tuple[str, ...]] | None = None if found is None else []
        inner = _compile(phrases[phrase], phrases, depth + 1, inner_found)
        prefix = (*(str(step) for step in parse_path(name)), "*") if star else ()
        for path in inner_found or ():
            _note(found, path if path[0] == "request" else (*prefix, *path))
        if not star:
            return lambda scope, request: say(inner, scope, request)
        steps = parse_path(name)
        return lambda scope, request: _each(look_up(steps, scope, request), inner, request)
    name, _, style = body.partition(":")
    style, _, noun = style.partition(" ")
    choices = [parse_path(choice) for choice in name.split("|")]
    for choice in choices:
        _note(found, choice)
    if style == "count":
        if not noun:
            raise TemplateError(f"{body!r} counts nothing: write {{path:count noun}}")
        return _reader(choices, lambda value: counted(value, noun))
    if noun or (style and style not in FORMATS):
        raise TemplateError(f"no format is named {style!r}")
    return _reader(choices, FORMATS[style] if style else shown)


def _optional(inner: Sentence) -> Part:
    return lambda scope, request: say(inner, scope, request) or ""


def _note(found: list[tuple[str, ...]] | None, path: tuple[str | int, ...]) -> None:
    if found is not None:
        found.append(tuple(str(step) for step in path))


def _reader(choices: list[tuple[str | int, ...]], form: Callable[[Any], str | None]) -> Part:
    def read(scope: Any, request: Any) -> str | None:
        for path in choices:
            value = look_up(path, scope, request)
            if value is not None:
                return form(value)
        return None

    return read


def _each(value: Any, phrase: Sentence, request: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, list):
        return say(phrase, value, request)
    said = [say(phrase, item, request) or "?" for item in value[:_ITEMS]]
    return ", ".join(said) + (f" and {len(value) - _ITEMS} more" if len(value) > _ITEMS else "")
