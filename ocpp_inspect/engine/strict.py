"""Text of a YAML file in, nodes with positions out: YAML 1.2 without its traps.

No duplicate keys, no anchors, no tags, one document; scalars stay text and the reader says what they must be, so `on`
is never True and 2.10 never 2.1.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

from ocpp_inspect.engine.expression import closest
from ocpp_inspect.engine.rule import RuleError
from ocpp_inspect.limits import RULE_FILE_BYTES

_TAGS: Final = "tag:yaml.org,2002:"


class Node:
    """A YAML node that knows its place and complains with it."""

    __slots__ = ("column", "line", "path", "plain", "style", "value")

    def __init__(self, raw: Any, path: str) -> None:
        self.path = path
        self.line: int = raw.start_mark.line + 1
        self.column: int = raw.start_mark.column + 1
        self.style: str | None = getattr(raw, "style", None)
        self.plain = False
        self.value: str | list[Node] | dict[str, tuple[Node, Node]]
        kind = type(raw).__name__
        if kind == "ScalarNode":
            self.plain = raw.style is None or raw.style == ""
            self.value = raw.value
        elif kind == "SequenceNode":
            self.value = [Node(child, path) for child in raw.value]
        else:
            self.value = {}
            for raw_key, raw_value in raw.value:
                key = Node(raw_key, path)
                if not isinstance(key.value, str):
                    raise key.error("a key must be a plain word")
                if key.value in self.value:
                    first = self.value[key.value][0].line
                    raise key.error(f"the key {key.value!r} is given twice", f"the first one is in line {first}")
                self.value[key.value] = (key, Node(raw_value, path))

    def error(self, message: str, hint: str = "", offset: int = 0) -> RuleError:
        """An error at this node, `offset` characters into its text."""
        line, column = self.line, self.column
        if offset and self.style in ("|", ">"):
            line += 1
        elif offset:
            column += offset + (0 if self.plain else 1)
        return RuleError(message, self.path, line, column, hint)

    def mapping(self, known: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Node]:
        """The entries of a mapping whose keys are all known."""
        if not isinstance(self.value, dict):
            raise self.error("expected a mapping (key: value)")
        for name, (key, _) in self.value.items():
            if name not in known:
                raise key.error(f"unknown key {name!r}", closest(name, known) or f"known are {', '.join(known)}")
        for name in required:
            if name not in self.value:
                raise self.error(f"the key {name!r} is missing")
        return {name: value for name, (_, value) in self.value.items()}

    def any_mapping(self) -> dict[str, tuple[Node, Node]]:
        """The entries of a mapping with free keys."""
        if not isinstance(self.value, dict):
            raise self.error("expected a mapping (key: value)")
        return self.value

    def text(self) -> str:
        """A scalar as text; it may not be empty."""
        if not isinstance(self.value, str):
            raise self.error("expected a text")
        text = self.value.strip() if self.style != "|" else self.value.rstrip()
        if not text:
            raise self.error("expected a text, found nothing")
        return text

    def one_of(self, known: tuple[str, ...]) -> str:
        """One word of a closed set."""
        text = self.text()
        if text not in known:
            raise self.error(f"{text!r} is none of {', '.join(known)}", closest(text, known))
        return text

    def texts(self) -> list[Node]:
        """A list of scalars; a lone one counts as a list of one."""
        nodes = self.value if isinstance(self.value, list) else [self]
        for node in nodes:
            node.text()
        return nodes


def read(text: str, path: str) -> Node:
    """Parse one rule file. Raises RuleError with the place of the fault."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - 20 ms; unneeded when all rules come from the cache
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415
    from ruamel.yaml.nodes import CollectionNode, ScalarNode  # noqa: PLC0415

    if len(text) > RULE_FILE_BYTES:
        raise RuleError(f"the file is larger than {RULE_FILE_BYTES} octets", path)
    try:
        loader = YAML(typ="safe", pure=True)
        loader.allow_duplicate_keys = True  # told by Node, with both places
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about anchors, which are refused below
            raw = loader.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        hint = "quote texts that hold ': ' or ' #', and indent with spaces"
        raise RuleError(f"not YAML: {error.problem or error.context}", path, line, column, hint) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise RuleError(f"not YAML: {str(error).splitlines()[0]}", path) from None
    if raw is None:
        raise RuleError("the file is empty", path, hint="see docs/rule-language.md")
    seen: set[int] = set()
    stack = [raw]
    while stack:
        node = stack.pop()
        mark = node.start_mark
        if id(node) in seen or node.anchor:
            raise RuleError("anchors and aliases are not part of the language", path, mark.line + 1, mark.column + 1)
        seen.add(id(node))
        tag = str(node.tag)
        if not tag.startswith(_TAGS) or (isinstance(node, ScalarNode) and tag == _TAGS + "binary"):
            raise RuleError(f"the tag {tag} is not part of the language", path, mark.line + 1, mark.column + 1)
        if isinstance(node, CollectionNode):
            for child in node.value:
                stack += child if isinstance(child, tuple) else (child,)
    return Node(raw, path)
