"""Admitted syntax of an expression in, Python source out, in three forms: truth, falsity, value."""
# ruff: noqa: PLR0911, PLR0912 - one case a node type

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Final

from ocpp_inspect.engine.functions import FUNCTIONS, OVER_GENERATOR
from ocpp_inspect.engine.trees import calls, conjuncts, cost, free_names, is_constant, is_none, is_small, picks

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


TEMPORARY: Final = "\0"
"""Begins the temporary variables of shared source, until its place in the whole function is known."""

_OF_TEXT: Final = {"ends_with": "endswith", "lower": "lower", "starts_with": "startswith", "upper": "upper"}
"""Functions that are methods of a text: of one they are called in place (30 ns instead of 150)."""

_CONFIGURATION: Final = frozenset({"config"})
_SHAREABLE: Final = (ast.Call, ast.Compare, ast.BoolOp, ast.BinOp, ast.IfExp, ast.UnaryOp)


class Sharing(Mapping[str, str]):
    """Names that know of the other rules which see the same item."""

    never_unknown: frozenset[str]  # source of names that are never None

    @abstractmethod
    def is_of_item(self, names: frozenset[str]) -> bool:
        """Whether nothing but the item decides what all these names mean."""

    @abstractmethod
    def fact(self, source: str) -> str:
        """Source of what depends on the configuration only, kept until that changes."""

    @abstractmethod
    def once(self, source: str) -> str:
        """Source that computes its value for the first rule that asks."""

    @abstractmethod
    def index(self, path: str, member: str, key: str, wanted: Iterable[str | None]) -> str:
        """The variable with the pairs (a, b) of `for a in path for b in a.member`: value of `b.key` → its pairs.

        `wanted` are the values that will be asked for.
        """


class Writer:
    """Writes source for admitted nodes. `names` maps free names to source."""

    def __init__(self, names: Mapping[str, str], start: Mapping[str, str] | None, prefix: str = "_") -> None:
        self._names = names
        self._share = names if isinstance(names, Sharing) else None
        self._prefix = prefix  # of temporary variables
        self._variables: dict[str, str] = {}  # bound by `for`
        self._start = start or {}
        self._temporaries = 0
        self._in_iterable = False  # Python allows no `:=` there
        self._guard = ("", "")  # of the generator written last: what must be there, and the key that must be in it
        self._whole: ast.expr | None = None  # what is written to be shared: only its parts may be so again

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"{self._prefix}{self._temporaries}"

    def _shared(self, node: ast.expr, form: str) -> str:
        """Source for what has the same value for many rules or items, nothing for all else.

        What depends on the station's configuration only is kept until that changes. What depends on the item only, and
        calls a function, is computed for the first rule that asks.
        """
        if self._share is None or self._variables or self._in_iterable or type(node) not in _SHAREABLE:
            return ""
        free = free_names(node)
        if node is self._whole or not free or not calls(node):
            return ""
        if free == _CONFIGURATION:
            return self._share.fact(getattr(Writer({"config": "st.sure"}, None), form)(node))
        if not self._share.is_of_item(free):
            return ""
        writer = Writer(self._names, None, TEMPORARY)
        writer._whole = node
        return self._share.once(getattr(writer, form)(node))

    def truth(self, node: ast.expr) -> str:
        """Source that is truthy only when `node` is certainly true."""
        if shared := self._shared(node, "truth"):
            return shared
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return "(" + " and ".join(map(self.truth, sorted(values, key=cost))) + ")"
            case ast.BoolOp(values=values):
                return "(" + " or ".join(map(self.truth, sorted(values, key=cost))) + ")"
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
        if shared := self._shared(node, "falsity"):
            return shared
        match node:
            case ast.Constant(value=constant):
                return repr(constant is not None and not constant)
            case ast.BoolOp(op=ast.And(), values=values):
                return "(" + " or ".join(map(self.falsity, sorted(values, key=cost))) + ")"
            case ast.BoolOp(values=values):
                return "(" + " and ".join(map(self.falsity, sorted(values, key=cost))) + ")"
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
        generator = self._generator(argument, side, is_any=name == "any")
        present, chosen = self._guard
        if not present or self._in_iterable:
            return f"{name}({generator})"
        # What is missing is unknown; nothing to look at is the usual case, and needs no generator (0.2 µs).
        if not chosen:
            return f"({present} is not None and {name}({generator}))"
        if name == "any":
            return f"({present} is not None and {chosen} in {present} and any({generator}))"
        return f"({present} is not None and ({chosen} not in {present} or all({generator})))"

    def _generator(self, node: ast.GeneratorExp, element: Callable[[ast.expr], str], *, is_any: bool = False) -> str:
        self._guard = ("", "")
        if (pairs := self._pairs(node)) is not None:
            return self._of_pairs(node, element, *pairs, is_any=is_any)
        outer = dict(self._variables)
        first = node.generators[0].iter
        if not outer and isinstance(first, ast.Attribute) and (path := self._path(first)):
            self._guard = (self._names[path], "")
        guard = self._guard
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
        self._guard = guard
        return code

    def _pairs(self, node: ast.GeneratorExp) -> tuple[str, str] | None:
        """(path, member) of `for a in path for b in a.member`, which many rules ask of the same meter values."""
        if self._variables or not isinstance(self._names, Sharing) or len(node.generators) != 2:
            return None
        outer, inner = node.generators
        match outer, inner:
            case (
                ast.comprehension(target=ast.Name(id=first), iter=ast.Attribute() as array, ifs=[]),
                ast.comprehension(iter=ast.Attribute(value=ast.Name(id=owner), attr=member)),
            ) if first == owner and (path := self._path(array)):
                return path, member
        return None

    def _of_pairs(
        self, node: ast.GeneratorExp, element: Callable[[ast.expr], str], path: str, member: str, *, is_any: bool
    ) -> str:
        """The generator over an index of pairs that all rules share, by the member that a condition names."""
        assert isinstance(self._names, Sharing)  # noqa: S101 - _pairs() asked
        first, second = (generator.target for generator in node.generators)
        assert isinstance(first, ast.Name) and isinstance(second, ast.Name)  # noqa: S101 - admitted by _check_generator
        conditions = [part for condition in node.generators[1].ifs for part in conjuncts(condition)]
        iterable = key = ""
        for place, condition in enumerate(conditions):
            if (found := picks(condition, second.id)) is None:
                continue
            key, value, or_missing = found
            index = self._names.index(path, member, key, (value, None) if or_missing else (value,))
            iterable = f"{index}.get({value!r}, ())"
            if or_missing:  # that it is missing is the rare case
                iterable = f"({iterable} if None not in {index} else _either({index}, {value!r}))"
            self._guard = (index, "" if or_missing else repr(value))
            del conditions[place]
            break
        else:
            index = self._names.index(path, member, "", ("",))
            iterable = f"{index}.get('', ())"
            self._guard = (index, "''")
        guard = self._guard
        self._variables = {first.id: f"v_{first.id}", second.id: f"v_{second.id}"}
        tests: list[tuple[int, Callable[[ast.expr], str], ast.expr]]
        tests = [(cost(condition), self.truth, condition) for condition in conditions]
        if is_any:
            tests.append((cost(node.elt), element, node.elt))
        tests.sort(key=itemgetter(0))
        code = "".join(f" if {write(condition)}" for _, write, condition in tests)
        code = f"{'True' if is_any else element(node.elt)} for v_{first.id}, v_{second.id} in {iterable}{code}"
        self._variables = {}
        self._guard = guard
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
            if isinstance(right, ast.Tuple | ast.List) and any(map(is_none, right.elts)):
                return f"({self.value(left)} {'in' if wanted else 'not in'} {self.value(right)})"
            return self._guarded(left, "in" if wanted else "not in", right)
        if is_none(left) or is_none(right):
            other = left if is_none(right) else right
            if isinstance(other, ast.Constant):  # Python warns of `1 is None`
                return repr((other.value is None) is wanted)
            return f"({self.value(other)} {'is' if wanted else 'is not'} None)"
        if wanted and (is_constant(left) or is_constant(right)):
            return f"({self.value(left)} == {self.value(right)})"
        return self._guarded(left, "==" if wanted else "!=", right)

    def _guarded(self, left: ast.expr, operator: str, right: ast.expr) -> str:
        """`left operator right` where both are known."""
        if self._in_iterable:
            return f"_compare({self.value(left)}, {operator!r}, {self.value(right)})"
        never: frozenset[str] = getattr(self._names, "never_unknown", frozenset())
        guards: list[tuple[int, str]] = []
        sides: list[str] = []
        for operand in (left, right):
            source = self.value(operand)
            if is_constant(operand) or source in never:
                sides.append(source)
                continue
            if source.isidentifier():
                guards.append((0, f"{source} is not None"))
                sides.append(source)
                continue
            t = self._temporary()
            guards.append((1 + cost(operand), f"({t} := {source}) is not None"))
            sides.append(t)
        known = [guard for _, guard in sorted(guards, key=itemgetter(0))]
        return "(" + " and ".join([*known, f"{sides[0]} {operator} {sides[1]}"]) + ")"

    def value(self, node: ast.expr) -> str:
        """Source of the value of `node`; None when it is unknown."""
        if shared := self._shared(node, "value"):
            return shared
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
                return self._sum(left, operator, right)
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

    def _sum(self, left: ast.expr, operator: ast.operator, right: ast.expr) -> str:
        """Arithmetic; two times are added and subtracted in place, as the function does (40 ns instead of 100)."""
        a, b, function = self.value(left), self.value(right), ARITHMETIC[type(operator)]
        sign = {"_add": "+", "_subtract": "-"}.get(function)
        if sign is None or self._in_iterable or isinstance(left, ast.Constant):
            return f"{function}({a}, {b})"
        if not a.isidentifier():
            name = self._temporary()
            a, first = name, f"({name} := {a})"
        else:
            first = a
        if isinstance(right, ast.Constant):
            usual = f"type({first}) is float and -1e30 < {a} < 1e30" if is_small(right) else ""
        else:
            if not b.isidentifier():
                name = self._temporary()
                b, second = name, f"({name} := {b})"
            else:
                second = b
            # Both are evaluated, whatever they are.
            usual = f"type({first}) is type({second}) is float and -1e30 < {a} < 1e30 and -1e30 < {b} < 1e30"
        return f"({a} {sign} {b} if {usual} else {function}({a}, {b}))" if usual else f"{function}({first}, {b})"

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
        if name == "default" and not self._in_iterable:
            first = self.value(node.args[0])
            if not first.isidentifier():
                t = self._temporary()
                return f"({t} if ({t} := {first}) is not None else {self.value(node.args[1])})"
            return f"({first} if {first} is not None else {self.value(node.args[1])})"
        if name in _OF_TEXT and not self._in_iterable:
            first, *others = map(self.value, node.args)
            if all(isinstance(other, ast.Constant) and type(other.value) is str for other in node.args[1:]):
                t = first if first.isidentifier() else self._temporary()
                given = first if t == first else f"({t} := {first})"
                arguments = ", ".join(others)
                usual = f"{t}.{_OF_TEXT[name]}({arguments})"
                return f"({usual} if type({given}) is str else _{function}({', '.join([t, *others])}))"
        if name == "matches":
            pattern = node.args[1]
            assert isinstance(pattern, ast.Constant)  # noqa: S101 - admitted by _check_pattern
            return f"_matches({self.value(node.args[0])}, _pattern({pattern.value!r}))"
        if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            generator = self._generator(node.args[0], self.value)
            # The usual function in place: 0.1 µs.
            call = (
                f"_next(({generator}), None)" if name == "first" else f"_{OVER_GENERATOR[name].__name__}({generator})"
            )
            missing = self._guard[0]
            if not missing or self._in_iterable:
                return call
            return f"({call} if {missing} is not None else None)"
        return f"_{function}({', '.join(map(self.value, node.args))})"
