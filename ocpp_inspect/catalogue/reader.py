"""A catalogue file in; nested dicts of text, lists and booleans out.

The files keep to a strict subset of YAML 1.2, so that they load at start-up: a full parser in Python needs 1.2 s for
the four files, this one 2 ms. Two-space indents, `key:` or `key: value`; a value is a JSON string, a word, `true` or
`false`, or a one-line list of words and JSON strings; comments stand on lines of their own. A test reads the files
with a full YAML parser too and compares. Anything else is an error with its line.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_LINE = re.compile(r"( *)([A-Za-z][A-Za-z0-9_]*):(?: (.+))?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z][A-Za-z0-9_]*')


class CatalogueError(ValueError):
    """A catalogue file that cannot be read: what, and in which line."""


def read(path: Path) -> dict[str, Any]:
    """The content of one file. Raises CatalogueError with `file:line`."""
    root: dict[str, Any] = {}
    stack = [root]  # the mapping that is open at each depth
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or len(match[1]) % 2 or len(match[1]) // 2 >= len(stack):
            raise CatalogueError(f"{path.name}:{number}: expected `key: value`, indented by two spaces a level")
        depth, key, value = len(match[1]) // 2, match[2], match[3]
        del stack[depth + 1 :]
        if key in stack[depth]:
            raise CatalogueError(f"{path.name}:{number}: {key!r} stands here twice")
        if value is None:
            stack.append({})
            stack[depth][key] = stack[-1]
        else:
            try:
                stack[depth][key] = _value(value)
            except ValueError as error:
                raise CatalogueError(f"{path.name}:{number}: {key}: {error}") from None
    return root


def _value(text: str) -> str | bool | list[str]:
    if text[0] == '"':
        return str(json.loads(text))
    if text[0] == "[" and text[-1] == "]":
        items = _ITEM.findall(text)
        if "[" + ", ".join(items) + "]" != text:
            raise ValueError("expected a list such as [A01, B02]")
        return [json.loads(item) if item[0] == '"' else item for item in items]
    if text in ("true", "false"):
        return text == "true"
    if _WORD.fullmatch(text):
        return text
    raise ValueError("expected a word or text in double quotes")
