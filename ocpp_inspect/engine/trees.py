"""An expression's tree in; what it is, what it names and about how dear it is, out."""

from __future__ import annotations

import ast
from typing import Final


def is_none(node: ast.expr) -> bool:
    """Whether it is written as None."""
    return isinstance(node, ast.Constant) and node.value is None


def is_constant(node: ast.expr) -> bool:
    """Whether it is a literal, or a list of literals, other than None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return is_constant(node.operand)
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(is_constant, node.elts))
    return isinstance(node, ast.Constant) and node.value is not None


def free_names(node: ast.expr) -> frozenset[str]:
    """The names that an expression uses and does not bind."""
    return _seen(node)[0]


def calls(node: ast.expr) -> bool:
    """Whether an expression calls a function: what does not is written in place."""
    return _seen(node)[1]


def _seen(node: ast.expr) -> tuple[frozenset[str], bool]:
    """(free names, whether it calls a function). Kept on the node: every writer of it asks."""
    known: tuple[frozenset[str], bool] | None = getattr(node, "seen", None)
    if known is not None:
        return known
    names: set[str] = set()
    others: set[str] = set()  # bound by a `for`, or functions
    does_call = False
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            if isinstance(part.ctx, ast.Load):
                names.add(part.id)
        elif isinstance(part, ast.comprehension):
            if isinstance(part.target, ast.Name):
                others.add(part.target.id)
        elif isinstance(part, ast.Call):
            does_call = True
            if isinstance(part.func, ast.Name):
                others.add(part.func.id)
    found = frozenset(names - others), does_call
    node.seen = found  # type: ignore[attr-defined]
    return found


def is_small(node: ast.Constant) -> bool:
    """Whether it is a number of a size that seconds have."""
    return isinstance(node.value, int | float) and type(node.value) is not bool and abs(node.value) < 1e15


def conjuncts(node: ast.expr) -> list[ast.expr]:
    """What has to hold, part by part."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [part for value in node.values for part in conjuncts(value)]
    return [node]


_COSTS: Final = {"default": 0, "matches": 5}
"""default() is written in place; a pattern is tried in 0.7 µs. Other functions cost 1."""


def cost(node: ast.expr) -> int:
    """About how dear an expression is: what decides cheaply is asked first, nothing else depends on the order."""
    known: int | None = getattr(node, "cost", None)
    if known is not None:
        return known
    total = 0
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            name = part.func.id if isinstance(part.func, ast.Name) else ""
            total += _COSTS.get(name, 1)
        elif isinstance(part, ast.BinOp):
            total += 1
        elif isinstance(part, ast.GeneratorExp):
            total += 5
    node.cost = total  # type: ignore[attr-defined]
    return total


def picks(node: ast.expr, variable: str) -> tuple[str, str, bool] | None:
    """(member, text, whether a missing one counts too) of `variable.member == "text"`."""
    match node:
        case ast.Compare(
            left=ast.Attribute(value=ast.Name(id=owner), attr=member),
            ops=[ast.Eq()],
            comparators=[ast.Constant(value=str() as text)],
        ) if owner == variable:
            return member, text, False
        case ast.Compare(
            left=ast.Call(
                func=ast.Name(id="default"),
                args=[ast.Attribute(value=ast.Name(id=owner), attr=member), ast.Constant(value=str() as other)],
            ),
            ops=[ast.Eq()],
            comparators=[ast.Constant(value=str() as text)],
        ) if owner == variable:
            return member, text, other == text
    return None
