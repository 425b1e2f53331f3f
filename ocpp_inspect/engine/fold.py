"""An expression's tree and what is known beforehand in, a smaller tree out (`action == "Heartbeat"` of a Heartbeat).

Three-valued logic stays as it is: what is unknown of every such message becomes None.
"""

# ruff: noqa: PLR0911, PLR0912 - one case a node type

from __future__ import annotations

import ast
from typing import Final

from ocpp_inspect.engine.forms import Known

_FOLDED: Final = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
_NEGATIVE: Final = (ast.NotEq, ast.NotIn, ast.IsNot)
_UNKNOWN: Final = ast.Constant(None)
"""Stands for what is certainly missing; a None that the rule says is another one."""


def fold(tree: ast.expr, known: Known) -> ast.expr:
    """Replace what is known, and decide what it decides."""
    parts = list(ast.walk(tree))
    names = {node.id for node in parts if isinstance(node, ast.Name)}
    bound = {
        node.target.id for node in parts if isinstance(node, ast.comprehension) and isinstance(node.target, ast.Name)
    }
    if bound & known.roots or not names & known.roots:
        return tree
    return _fold(tree, known)


def _fold(node: ast.expr, known: Known) -> ast.expr:
    match node:
        case ast.Name() | ast.Attribute():
            path = _path(node)
            if path in known.texts:
                return ast.Constant(known.texts[path])
            return _UNKNOWN if known.is_absent(path) else node
        case ast.BoolOp(op=operator, values=values):
            neutral = isinstance(operator, ast.And)
            rest = [folded for value in values if not _is(folded := _fold(value, known), neutral)]
            if any(_is(value, not neutral) for value in rest):
                return ast.Constant(not neutral)
            return ast.BoolOp(operator, rest) if len(rest) > 1 else rest[0] if rest else ast.Constant(neutral)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _fold(operand, known)
            if isinstance(inner, ast.Constant) and (inner.value is None or type(inner.value) is bool):
                return _UNKNOWN if inner.value is None else ast.Constant(not inner.value)
            return ast.UnaryOp(ast.Not(), inner)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            left, right = _fold(left, known), _fold(right, known)
            return _compare(left, operator, right) or ast.Compare(left, [operator], [right])
        case ast.IfExp(test=test, body=body, orelse=orelse):
            test = _fold(test, known)
            if isinstance(test, ast.Constant) and type(test.value) is bool:
                return _fold(body if test.value else orelse, known)
            return ast.IfExp(test, _fold(body, known), _fold(orelse, known))
        case ast.Call(func=ast.Name(id="default"), args=[value, other]):
            first = _fold(value, known)
            if isinstance(first, ast.Constant):
                return _fold(other, known) if first.value is None else first
            return ast.Call(node.func, [first, _fold(other, known)], [])
        case ast.Call(func=function, args=arguments):
            return ast.Call(function, [_fold(argument, known) for argument in arguments], [])
        case _:
            return node


def _path(node: ast.expr) -> str:
    """`payload.status` as a text; empty when it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _is(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.Constant | None:
    """The outcome of a comparison when it is certain; None when it is not."""
    is_missing = left is _UNKNOWN or right is _UNKNOWN
    if isinstance(operator, ast.In | ast.NotIn) and isinstance(right, ast.Tuple | ast.List):
        return _among(left, operator, right)
    if not isinstance(operator, _FOLDED) or isinstance(operator, ast.In | ast.NotIn):
        return _UNKNOWN if is_missing else None
    if is_missing:  # only a comparison with None decides what is missing
        asked = _is_none(left) or _is_none(right)
        return ast.Constant(not isinstance(operator, _NEGATIVE)) if asked else _UNKNOWN
    if not _is_text(left) or not (_is_text(right) or _is_none(right)):
        return None
    return ast.Constant((left.value == right.value) is not isinstance(operator, _NEGATIVE))  # type: ignore[attr-defined]


def _among(left: ast.expr, operator: ast.cmpop, right: ast.Tuple | ast.List) -> ast.Constant | None:
    """The same for `in` and `not in` a list."""
    if not (left is _UNKNOWN or _is_text(left)) or not all(_is_text(each) or _is_none(each) for each in right.elts):
        return None
    values = [each.value for each in right.elts if isinstance(each, ast.Constant)]
    if left is _UNKNOWN and None not in values:
        return _UNKNOWN
    return ast.Constant((left.value in values) is not isinstance(operator, _NEGATIVE))  # type: ignore[attr-defined]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is str


def _is_none(node: ast.expr) -> bool:
    """Whether the rule says None there."""
    return isinstance(node, ast.Constant) and node.value is None and node is not _UNKNOWN
