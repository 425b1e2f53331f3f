"""An expression's tree and what is known beforehand in, a smaller tree out (`action == "Heartbeat"` of a Heartbeat)."""

# ruff: noqa: PLR0911 - one case a node type

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

_FOLDED: Final = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def fold(tree: ast.expr, known: Mapping[str, str]) -> ast.expr:
    """Replace the names whose text is known, and decide what they decide. Three-valued logic stays as it is."""
    parts = list(ast.walk(tree))
    names = {node.id for node in parts if isinstance(node, ast.Name)}
    bound = {
        node.target.id for node in parts if isinstance(node, ast.comprehension) and isinstance(node.target, ast.Name)
    }
    if bound & set(known) or not names & set(known):
        return tree
    return _fold(tree, known)


def _fold(node: ast.expr, known: Mapping[str, str]) -> ast.expr:
    match node:
        case ast.Name(id=name) if name in known:
            return ast.Constant(known[name])
        case ast.BoolOp(op=operator, values=values):
            neutral = isinstance(operator, ast.And)
            rest = [folded for value in values if (folded := _fold(value, known)) and not _is(folded, neutral)]
            if any(_is(value, not neutral) for value in rest):
                return ast.Constant(not neutral)
            return ast.BoolOp(operator, rest) if len(rest) > 1 else rest[0] if rest else ast.Constant(neutral)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _fold(operand, known)
            if isinstance(inner, ast.Constant) and type(inner.value) is bool:
                return ast.Constant(not inner.value)
            return ast.UnaryOp(ast.Not(), inner)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            left, right = _fold(left, known), _fold(right, known)
            outcome = _compare(left, operator, right)
            return ast.Compare(left, [operator], [right]) if outcome is None else ast.Constant(outcome)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            test = _fold(test, known)
            if isinstance(test, ast.Constant) and type(test.value) is bool:
                return _fold(body if test.value else orelse, known)
            return ast.IfExp(test, _fold(body, known), _fold(orelse, known))
        case ast.Call(func=function, args=arguments):
            return ast.Call(function, [_fold(argument, known) for argument in arguments], [])
        case _:
            return node


def _is(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool | None:
    """The outcome when both sides are known texts."""
    if not isinstance(left, ast.Constant) or type(left.value) is not str or not isinstance(operator, _FOLDED):
        return None
    if isinstance(operator, ast.Eq | ast.NotEq):
        if not isinstance(right, ast.Constant) or type(right.value) is not str:
            return None
        return (left.value == right.value) is isinstance(operator, ast.Eq)
    if not isinstance(right, ast.Tuple | ast.List):
        return None
    texts = [element.value for element in right.elts if isinstance(element, ast.Constant)]
    if len(texts) < len(right.elts) or not all(type(text) is str for text in texts):
        return None
    return (left.value in texts) is isinstance(operator, ast.In)
