"""Admitted syntax of an expression in, Python source out, in three forms: truth, falsity, value."""
# ruff: noqa: PLR0911, PLR0912 - one case a node type

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Final

from ocpp_inspect.engine.functions import FUNCTIONS

ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "_add", ast.Sub: "_subtract", ast.Mult: "_multiply",
    ast.Div: "_divide", ast.FloorDiv: "_floor_divide", ast.Mod: "_modulo",
}  # fmt: skip
SHARED: Final = ("payload", "request")
"""Names whose members are loaded once for all rules that see an item: nothing changes them meanwhile."""

_ORDER: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    # The inverse operator, not `not`: neither is true of NaN.
    ast.Lt: ("<", ">="), ast.LtE: ("<=", ">"), ast.Gt: (">", "<="), ast.GtE: (">=", "<"),
}  # fmt: skip


class Writer:
    """Writes source for admitted nodes. `names` maps free names to source."""

    def __init__(self, names: Mapping[str, str], start: Mapping[str, str] | None) -> None:
        self._names = names
        self._variables: dict[str, str] = {}  # bound by `for`
        self._start = start or {}
        self._temporaries = 0
        self._in_iterable = False  # Python allows no `:=` there

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"_{self._temporaries}"

    def truth(self, node: ast.expr) -> str:
        """Source that is truthy only when `node` is certainly true."""
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return "(" + " and ".join(map(self.truth, values)) + ")"
            case ast.BoolOp(values=values):
                return "(" + " or ".join(map(self.truth, values)) + ")"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.falsity(operand)
            case ast.Compare():
                return self._comparison(node, wanted=True)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({self.truth(test)} and {self.truth(body)} or {self.falsity(test)} and {self.truth(orelse)})"
            case ast.Call(func=ast.Name(id="any" | "all" as name)):
                return self._quantifier(name, node, self.truth)
            case _:
                return self.value(node)

    def falsity(self, node: ast.expr) -> str:
        """Source that is truthy only when `node` is certainly false."""
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return "(" + " or ".join(map(self.falsity, values)) + ")"
            case ast.BoolOp(values=values):
                return "(" + " and ".join(map(self.falsity, values)) + ")"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.truth(operand)
            case ast.Compare():
                return self._comparison(node, wanted=False)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return (
                    f"({self.truth(test)} and {self.falsity(body)} or {self.falsity(test)} and {self.falsity(orelse)})"
                )
            case ast.Call(func=ast.Name(id="any" | "all" as name)):
                return self._quantifier("all" if name == "any" else "any", node, self.falsity)
            case _:
                if self._in_iterable:
                    return f"_is_false({self.value(node)})"
                t = self._temporary()
                return f"(({t} := {self.value(node)}) is not None and not {t})"

    def _quantifier(self, name: str, node: ast.Call, side: Callable[[ast.expr], str]) -> str:
        argument = node.args[0]
        assert isinstance(argument, ast.GeneratorExp)  # noqa: S101 - admitted by _check_call
        return f"{name}({self._generator(argument, side)})"

    def _generator(self, node: ast.GeneratorExp, element: Callable[[ast.expr], str]) -> str:
        outer = dict(self._variables)
        clauses = []
        for generator in node.generators:
            was, self._in_iterable = self._in_iterable, True
            iterable = self.value(generator.iter)
            self._in_iterable = was
            assert isinstance(generator.target, ast.Name)  # noqa: S101 - admitted by _check_generator
            variable = f"v_{generator.target.id}"
            clauses.append(f"for {variable} in _entries({iterable})")
            self._variables[generator.target.id] = variable
            clauses += [f"if {self.truth(condition)}" for condition in generator.ifs]
        code = f"{element(node.elt)} {' '.join(clauses)}"
        self._variables = outer
        return code

    def _comparison(self, node: ast.Compare, *, wanted: bool) -> str:
        operands = [node.left, *node.comparators]
        parts = [
            self._pair(left, operator, right, wanted)
            for left, operator, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else "(" + (" and " if wanted else " or ").join(parts) + ")"

    def _pair(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, wanted: bool) -> str:
        """Source that is truthy when `left operator right` is certainly `wanted`."""
        if isinstance(operator, ast.NotEq | ast.NotIn | ast.IsNot):
            positive: ast.cmpop = {ast.NotEq: ast.Eq, ast.NotIn: ast.In, ast.IsNot: ast.Is}[type(operator)]()
            return self._pair(left, positive, right, not wanted)
        if type(operator) in _ORDER:
            return self._guarded(left, _ORDER[type(operator)][0 if wanted else 1], right)
        if isinstance(operator, ast.In):
            if isinstance(right, ast.Tuple | ast.List) and any(map(_is_none, right.elts)):
                return f"({self.value(left)} {'in' if wanted else 'not in'} {self.value(right)})"
            return self._guarded(left, "in" if wanted else "not in", right)
        if _is_none(left) or _is_none(right):
            other = left if _is_none(right) else right
            if isinstance(other, ast.Constant):  # Python warns of `1 is None`
                return repr((other.value is None) is wanted)
            return f"({self.value(other)} {'is' if wanted else 'is not'} None)"
        if wanted and (_is_constant(left) or _is_constant(right)):
            return f"({self.value(left)} == {self.value(right)})"
        return self._guarded(left, "==" if wanted else "!=", right)

    def _guarded(self, left: ast.expr, operator: str, right: ast.expr) -> str:
        """`left operator right` where both are known."""
        if self._in_iterable:
            return f"_compare({self.value(left)}, {operator!r}, {self.value(right)})"
        guards: list[str] = []
        sides: list[str] = []
        for operand in (left, right):
            source = self.value(operand)
            if _is_constant(operand):
                sides.append(source)
                continue
            t = self._temporary()
            guards.append(f"({t} := {source}) is not None")
            sides.append(t)
        return "(" + " and ".join([*guards, f"{sides[0]} {operator} {sides[1]}"]) + ")"

    def value(self, node: ast.expr) -> str:
        """Source of the value of `node`; None when it is unknown."""
        match node:
            case ast.Constant(value=constant):
                return repr(constant)
            case ast.Name(id=name):
                return self._variables.get(name) or self._names[name]
            case ast.Attribute(value=ast.Name(id="start"), attr=name) if "start" not in self._variables:
                return self._start[name]
            case ast.Attribute(value=value, attr=name):
                path = self._path(node)
                if path:
                    return self._names[path]
                source = self.value(value)
                if self._in_iterable:
                    return f"_get({source}, {name!r})"
                if source.isidentifier():
                    return f"({source}.get({name!r}) if type({source}) is dict else None)"
                t = self._temporary()
                return f"({t}.get({name!r}) if type({t} := {source}) is dict else None)"
            case ast.Subscript(value=ast.Name(id=owner), slice=ast.Constant(value=str() as name)) if (
                owner not in self._variables
            ):
                source = self._names[owner]
                return f"({source}.get({name!r}) if type({source}) is dict else None)"
            case ast.Subscript(value=value, slice=key):
                return f"_item({self.value(value)}, {self.value(key)})"
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return "(" + "".join(f"{self.value(element)}, " for element in elements) + ")"
            case ast.BinOp(left=left, op=operator, right=right):
                return f"{ARITHMETIC[type(operator)]}({self.value(left)}, {self.value(right)})"
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as constant)):
                return repr(-constant)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"_negative({self.value(operand)})"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return (
                    f"({self.value(body)} if {self.truth(test)} else "
                    f"{self.value(orelse)} if {self.falsity(test)} else None)"
                )
            case ast.Call(func=ast.Name(id=name)) if name not in ("any", "all"):
                return self._call(name, node)
            case _:
                return f"(True if {self.truth(node)} else False if {self.falsity(node)} else None)"

    def _path(self, node: ast.expr) -> str:
        """`payload.status` where it may be loaded once for all rules, else nothing."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in SHARED or node.id in self._variables:
            return ""
        return ".".join([node.id, *reversed(parts)]) if node.id in self._names else ""

    def _call(self, name: str, node: ast.Call) -> str:
        function = FUNCTIONS[name].__name__
        if name == "matches":
            pattern = node.args[1]
            assert isinstance(pattern, ast.Constant)  # noqa: S101 - admitted by _check_pattern
            return f"_matches({self.value(node.args[0])}, _pattern({pattern.value!r}))"
        if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            return f"_{function}({self._generator(node.args[0], self.value)})"
        return f"_{function}({', '.join(map(self.value, node.args))})"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(_is_constant, node.elts))
    return isinstance(node, ast.Constant) and node.value is not None
