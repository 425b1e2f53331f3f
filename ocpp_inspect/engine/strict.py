"""Text of a YAML file in, nodes with positions out: YAML 1.2 without its traps.

No duplicate keys, no anchors, no tags, one document; scalars stay text and the reader says what they must be, so `on`
is never True and 2.10 never 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ocpp_inspect.engine.expression import closest
from ocpp_inspect.engine.rule import RuleError
from ocpp_inspect.limits import RULE_FILE_BYTES, YAML_DEPTH


class Node:
    """A YAML node that knows its place and complains with it."""

    __slots__ = ("column", "line", "path", "plain", "style", "value")

    def __init__(self, event: Any, path: str, value: str | list[Node] | dict[str, tuple[Node, Node]]) -> None:
        self.path = path
        self.line: int = event.start_mark.line + 1
        self.column: int = event.start_mark.column + 1
        self.style: str | None = getattr(event, "style", None) or None
        self.plain = isinstance(value, str) and self.style is None
        self.value = value

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
    import yaml  # noqa: PLC0415 - unneeded when all rules come from the cache

    if len(text) > RULE_FILE_BYTES:
        raise RuleError(f"the file is larger than {RULE_FILE_BYTES} octets", path)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is 40 times faster, and in every wheel
    try:
        return _Builder(iter(yaml.parse(text, Loader=loader)), path).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        hint = "quote texts that hold ': ' or ' #', and indent with spaces"
        raise RuleError(f"not YAML: {error.problem or error.context}", path, line, column, hint) from None
    except (yaml.YAMLError, ValueError) as error:
        raise RuleError(f"not YAML: {str(error).splitlines()[0]}", path) from None


class _Builder:
    """Makes nodes of a parser's events (YAML 1.2 §3.1); what the language leaves out is refused here."""

    def __init__(self, events: Iterator[Any], path: str) -> None:
        self._events = events
        self._path = path

    def document(self) -> Node:
        """The only document of the stream."""
        next(self._events)  # the stream's start
        first = next(self._events)
        if type(first).__name__ == "StreamEndEvent":
            raise RuleError("the file is empty", self._path, hint="see docs/rule-language.md")
        root = self._node(next(self._events), 0)
        next(self._events)  # the document's end
        more = next(self._events)
        if type(more).__name__ != "StreamEndEvent":
            raise self._refused(more, "not YAML: a second document begins; a file holds one")
        if root.value == "":
            raise RuleError("the file is empty", self._path, hint="see docs/rule-language.md")
        return root

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event).__name__
        if kind == "AliasEvent" or event.anchor:
            raise self._refused(event, "anchors and aliases are not part of the language")
        if event.tag is not None:
            raise self._refused(event, f"the tag {event.tag} is not part of the language")
        if depth > YAML_DEPTH:
            raise self._refused(event, f"nested deeper than {YAML_DEPTH}")
        if kind == "ScalarEvent":
            return Node(event, self._path, event.value)
        if kind == "SequenceStartEvent":
            return Node(event, self._path, list(self._children("SequenceEndEvent", depth)))
        entries: dict[str, tuple[Node, Node]] = {}
        nodes = self._children("MappingEndEvent", depth)
        for key in nodes:
            if not isinstance(key.value, str):
                raise key.error("a key must be a plain word")
            value = next(nodes)
            if key.value in entries:
                first = entries[key.value][0].line
                raise key.error(f"the key {key.value!r} is given twice", f"the first one is in line {first}")
            entries[key.value] = (key, value)
        return Node(event, self._path, entries)

    def _children(self, end: str, depth: int) -> Iterator[Node]:
        while type(event := next(self._events)).__name__ != end:
            yield self._node(event, depth + 1)

    def _refused(self, event: Any, message: str) -> RuleError:
        mark = event.start_mark
        return RuleError(message, self._path, mark.line + 1, mark.column + 1)
