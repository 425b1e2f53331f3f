"""Text of a rule expression in, Python source out: parsed by Python, admitted by whitelist, compiled to three forms.

Logic is three-valued. An expression has a *truth* (source that is truthy only when it is certainly true), a *falsity*
(truthy only when it is certainly false) and a *value*; what is neither is unknown. So `where` triggers on truth and
`require` is violated on falsity, and a missing value decides neither. A comparison costs 30–60 ns this way.
"""
# ruff: noqa: PLR0912 - one case a node type

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Final

from ocpp_inspect.engine.fold import fold
from ocpp_inspect.engine.forms import Known
from ocpp_inspect.engine.functions import FUNCTIONS
from ocpp_inspect.engine.trees import cost, is_none
from ocpp_inspect.engine.writer import ARITHMETIC, Writer
from ocpp_inspect.limits import EXPRESSION_CHARACTERS, EXPRESSION_DEPTH

_OVER_GENERATOR: Final = frozenset({"first", "last", "max", "min", "sum"})
_NESTED_REPEAT: Final = re.compile(r"[*+}]\)?[*+{]|\([^()]*[*+}][^()]*\)[*+{]")


class ExpressionError(Exception):
    """An expression is refused; `offset` is the 0-based character at which."""

    def __init__(self, message: str, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


class Part:
    """An admitted expression, or one of its conjuncts, to be written as source."""

    def __init__(self, tree: ast.expr) -> None:
        self._tree = tree

    @property
    def cost(self) -> int:
        """About how much of it is dear; see writer.cost."""
        return cost(self._tree)

    @property
    def is_never_true(self) -> bool:
        """Whether it is false, or unknown, whatever comes."""
        return isinstance(self._tree, ast.Constant) and not self._tree.value

    def truth(self, names: Mapping[str, str], start: Mapping[str, str] | None = None) -> str:
        """Source that is truthy only when the expression is certainly true."""
        return Writer(names, start).truth(self._tree)

    def falsity(self, names: Mapping[str, str], start: Mapping[str, str] | None = None) -> str:
        """Source that is truthy only when the expression is certainly false."""
        return Writer(names, start).falsity(self._tree)

    def value(self, names: Mapping[str, str], start: Mapping[str, str] | None = None) -> str:
        """Source of its value; None when it is unknown."""
        return Writer(names, start).value(self._tree)


class Expression(Part):
    """A parsed and admitted expression. `names` are the free names that it uses."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > EXPRESSION_CHARACTERS:
            raise ExpressionError(f"the expression is {len(text)} characters long, at most {EXPRESSION_CHARACTERS}")
        # One line: a YAML block may break it anywhere.
        flat = re.sub(r"[\r\n\t]", " ", text)
        stripped = flat.lstrip()
        self._shift = len(flat) - len(stripped)
        try:
            super().__init__(ast.parse(stripped, mode="eval").body)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            # Python gives 0 when the text ends too early.
            offset = (getattr(error, "offset", 1) or len(stripped) + 1) - 1 + self._shift
            raise ExpressionError(f"not an expression: {getattr(error, 'msg', error)}", offset) from None
        self.names: dict[str, int] = {}  # name → offset of its first use
        self.start_names: dict[str, int] = {}  # of `start.NAME`
        self.patterns: dict[str, re.Pattern[str]] = {}
        self._check(self._tree, 0, frozenset())

    # ------------------------------------------------------------------------------------------------ whitelist

    def _refuse(self, node: ast.AST, message: str, hint: str = "") -> ExpressionError:
        return ExpressionError(message, getattr(node, "col_offset", 0) + self._shift, hint)

    def _check(self, node: ast.expr, depth: int, bound: frozenset[str]) -> None:
        """Admit `node` or raise; collects the free names."""
        if depth > EXPRESSION_DEPTH:
            raise self._refuse(node, f"nested deeper than {EXPRESSION_DEPTH}")
        below = depth + 1
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None):
                return
            case ast.Name(id=name):
                self._check_name(node, name)
                if name not in bound:
                    self.names.setdefault(name, node.col_offset + self._shift)
            case ast.Attribute(value=ast.Name(id="start"), attr=name) if "start" not in bound:
                self._check_name(node, name)
                self.start_names.setdefault(name, node.col_offset + self._shift)
            case ast.Attribute(value=value, attr=name):
                self._check_name(node, name)
                self._check(value, below, bound)
            case ast.Subscript(value=value, slice=key):
                if isinstance(key, ast.Slice):
                    raise self._refuse(key, "slices are not part of the language")
                self._check(value, below, bound)
                self._check(key, below, bound)
            case ast.Compare(left=left, ops=ops, comparators=others):
                for operator in ops:
                    if isinstance(operator, ast.Is | ast.IsNot) and not any(map(is_none, (left, *others))):
                        raise self._refuse(node, "`is` compares with None only", "use ==")
                for operand in (left, *others):
                    self._check(operand, below, bound)
            case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
                for value in values:
                    self._check(value, below, bound)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                self._check(operand, below, bound)
            case ast.BinOp(left=left, op=binary, right=right) if type(binary) in ARITHMETIC:
                self._check(left, below, bound)
                self._check(right, below, bound)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                for part in (test, body, orelse):
                    self._check(part, below, bound)
            case ast.Call():
                self._check_call(node, below, bound)
            case _:
                raise self._refuse(node, f"{_describe(node)} is not part of the language")

    def _check_name(self, node: ast.AST, name: str) -> None:
        if name.startswith("_"):
            raise self._refuse(node, f"the name {name!r} begins with an underscore")

    def _check_call(self, node: ast.Call, depth: int, bound: frozenset[str]) -> None:
        if not isinstance(node.func, ast.Name):
            raise self._refuse(node, "only the language's own functions can be called")
        name = node.func.id
        if name not in FUNCTIONS and name not in ("any", "all"):
            raise self._refuse(node, f"there is no function {name!r}", closest(name, [*FUNCTIONS, "any", "all"]))
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self._refuse(node, "functions take plain arguments only")
        if name == "matches":
            self._check_pattern(node)
        if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            if name not in ("any", "all") and name not in _OVER_GENERATOR:
                raise self._refuse(node, f"{name}() takes no `for`")
            self._check_generator(node.args[0], depth, bound)
            return
        low, high = _arity(name)
        if high < 0:
            raise self._refuse(node, f"{name}() takes a `for`", f"{name}(x.value for x in payload.list)")
        if not low <= len(node.args) <= high:
            raise self._refuse(node, f"{name}() takes {low if low == high else f'{low} or more'} arguments")
        for argument in node.args:
            self._check(argument, depth, bound)

    def _check_pattern(self, node: ast.Call) -> None:
        match node.args:
            case [_, ast.Constant(value=str(text))]:
                pass
            case _:
                raise self._refuse(node, "matches() takes a text and a literal pattern")
        if _NESTED_REPEAT.search(re.sub(r"\\.|\[[^\]]*\]", "x", text)):
            raise self._refuse(node, "a repetition inside a repetition can take for ever", "write it without nesting")
        try:
            self.patterns[text] = re.compile(text)
        except re.error as error:
            raise self._refuse(node, f"not a regular expression: {error}") from None

    def _check_generator(self, node: ast.GeneratorExp, depth: int, bound: frozenset[str]) -> None:
        for generator in node.generators:
            if not isinstance(generator.target, ast.Name) or generator.is_async:
                raise self._refuse(node, "`for` binds one plain name")
            self._check_name(generator.target, generator.target.id)
            self._check(generator.iter, depth, bound)
            bound = bound | {generator.target.id}
            for condition in generator.ifs:
                self._check(condition, depth, bound)
        self._check(node.elt, depth, bound)

    # ------------------------------------------------------------------------------------------------ code

    def conjuncts(self, known: Known) -> list[Part]:
        """What must all be true of messages of which something is known beforehand."""
        tree = fold(self._tree, known)
        parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
        return [Part(part) for part in parts if not (isinstance(part, ast.Constant) and part.value is True)]

    def part(self, known: Known) -> Part:
        """The whole, for messages of which something is known beforehand."""
        return Part(fold(self._tree, known))


def closest(word: str, known: object) -> str:
    """A hint that names the known word nearest to `word`; empty when none is near."""
    import difflib  # noqa: PLC0415 - only mistakes pay for it

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)  # type: ignore[call-overload]
    return f"did you mean {near[0]!r}?" if near else ""


def _arity(name: str) -> tuple[int, int]:
    if name in ("any", "all", "sum", "first", "last"):
        return (-1, -1)
    if name in ("min", "max"):
        return (2, 10)
    return (2, 2) if name in ("default", "ends_with", "matches", "seconds_between", "starts_with") else (1, 1)


def _describe(node: ast.expr) -> str:
    words = {
        ast.Lambda: "lambda", ast.JoinedStr: "an f-string", ast.NamedExpr: "an assignment", ast.Dict: "an object",
        ast.Set: "a set", ast.Await: "await", ast.ListComp: "a list comprehension", ast.GeneratorExp: "a bare `for`",
        ast.Constant: "this constant", ast.Starred: "a star",
    }  # fmt: skip
    return words.get(type(node), f"`{ast.unparse(node)[:40]}`")
