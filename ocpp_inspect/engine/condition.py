"""One expression of the rule language in, a question to a single item out: for those who ask outside of rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ocpp_inspect.engine.compile import RUNTIME
from ocpp_inspect.engine.expression import Expression, ExpressionError, closest
from ocpp_inspect.engine.verdict import UNKNOWN

__all__ = ["Condition", "ExpressionError"]

_SOURCE: Final = "def ask(v):\n    return {source}\n"


class _Members(Mapping[str, str]):
    """Name, or path of a shared name (`payload.status`), → source over the dict `v`."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)

    def __getitem__(self, name: str) -> str:
        first, *members = name.split(".")
        source = f"v.get({first!r})"
        for member in members:
            source = f"_get({source}, {member!r})"
        return source

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known


class Condition:
    """A compiled expression over the names `known`. Raises ExpressionError, with the place of the fault."""

    __slots__ = ("_expression", "_names", "_truth", "_value", "text")

    def __init__(self, text: str, known: Iterable[str]) -> None:
        self.text = text
        self._names = _Members(known)
        self._expression = Expression(text)
        for name, offset in self._expression.names.items():
            if name not in self._names:
                raise ExpressionError(f"unknown name {name!r}", offset, closest(name, [*self._names]))
        if self._expression.start_names:
            raise ExpressionError("`start` exists in rules only", next(iter(self._expression.start_names.values())))
        self._truth = _compiled(self._expression.truth(self._names))
        self._value = _compiled(self._expression.value(self._names))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is certainly true; what is missing or of the wrong type makes it unknown, hence False."""
        try:
            return bool(self._truth(values))
        except UNKNOWN:
            return False

    def value(self, values: Mapping[str, Any]) -> Any:
        """Its value; None when it is unknown."""
        try:
            return self._value(values)
        except UNKNOWN:
            return None


def _compiled(source: str) -> Any:
    namespace = dict(RUNTIME)
    code = compile(_SOURCE.format(source=source), "<condition>", "exec")
    exec(code, namespace)  # noqa: S102 - written by engine.writer from whitelisted syntax only
    return namespace["ask"]
