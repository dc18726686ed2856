"""Text of a formula -> syntax tree, or everything that is wrong with it.

Python's own parser reads the text; a white list of its nodes is translated to our tree. Nothing is ever evaluated as
Python. The input is bounded (length, depth, size of literals), so that a hostile spec costs no more than an error message.
"""

from __future__ import annotations

import ast
import warnings
from typing import Final

from generator.formula.problems import Place, Problem, problem
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num

MAX_LENGTH: Final = 500
MAX_DEPTH: Final = 50
MAX_LITERAL: Final = 2**63

_OPERATORS: Final[dict[type[ast.AST], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_HINTS: Final[dict[type[ast.AST], str]] = {
    ast.FloorDiv: "write floor(a / b), or a shift",
    ast.Mod: "write a & (2**k - 1) for a power of two",
    ast.BitOr: "only & combines bits",
    ast.IfExp: "write select(condition, a, b)",
    ast.BoolOp: "nest select(condition, a, b)",
    ast.Compare: "compare two values at a time",
    ast.Invert: "write -x - 1",
    ast.UAdd: "drop the plus sign",
}


def parse(text: str, where: str) -> Expr | tuple[Problem, ...]:
    """Read one formula; `where` is the caller's key, copied to every problem."""
    start = Place(where, 0)
    if len(text) > MAX_LENGTH:
        return (problem("F002", start, f"the formula has {len(text)} characters, more than {MAX_LENGTH}", "split it"),)
    if not text.isascii() or "\0" in text:
        at = next(i for i, c in enumerate(text) if not c.isascii() or c == "\0")
        return (problem("F001", Place(where, at), f"unexpected character {text[at]!r}", "write ASCII only"),)
    indent = len(text) - len(text.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text[indent:].replace("\n", " ").replace("\r", " "), mode="eval")
    except SyntaxError as error:
        column = min(max((error.offset or 1) - 1 + indent, 0), len(text))
        return (problem("F001", Place(where, column), f"not an expression: {error.msg}"),)
    except (RecursionError, MemoryError, ValueError):
        return (problem("F002", start, "the formula cannot be read", "simplify it"),)
    reader = _Reader(where, indent)
    expr = reader.read(tree.body, 0)
    return tuple(reader.problems) if reader.problems or expr is None else expr


class _Reader:
    """Translates nodes of Python's tree; collects the problems of all of them."""

    def __init__(self, where: str, indent: int) -> None:
        self.problems: list[Problem] = []
        self._where = where
        self._indent = indent

    def read(self, node: ast.expr, depth: int) -> Expr | None:
        """Translate one node, or note why not."""
        place = Place(self._where, node.col_offset + self._indent)
        if depth > MAX_DEPTH:
            return self._refuse("F002", place, f"the formula nests deeper than {MAX_DEPTH}", "split it")
        match node:
            case ast.Constant():
                return self._literal(node, place)
            case ast.Name() | ast.Attribute():
                return self._name(node, place)
            case ast.UnaryOp(op=ast.USub()):
                return self._negation(node, place, depth)
            case ast.BinOp():
                return self._binary(node.op, (node.left, node.right), place, depth)
            case ast.Compare(ops=[single], comparators=[right]):
                return self._binary(single, (node.left, right), place, depth)
            case ast.Call():
                return self._call(node, place, depth)
            case _:
                return self._forbidden(node.op if isinstance(node, ast.UnaryOp) else node, place)

    def _refuse(self, code: str, place: Place, message: str, hint: str = "") -> Expr | None:
        self.problems.append(problem(code, place, message, hint))
        return None

    def _forbidden(self, node: ast.AST, place: Place) -> Expr | None:
        what = type(node).__name__
        return self._refuse("F003", place, f"{what} is not part of the formula language", _HINTS.get(type(node), ""))

    def _literal(self, node: ast.Constant, place: Place) -> Expr | None:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._refuse("F003", place, f"{type(value).__name__} literals are not part of the formula language")
        if not abs(value) <= MAX_LITERAL:  # NaN, too
            return self._refuse("F002", place, "the literal is larger than 2**63")
        return Num(value, place)

    def _name(self, node: ast.expr, place: Place) -> Expr | None:
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            return self._refuse("F003", place, "only a name can have dotted fields")
        return Name(".".join((inner.id, *reversed(parts))), place)

    def _negation(self, node: ast.UnaryOp, place: Place, depth: int) -> Expr | None:
        operand = self.read(node.operand, depth + 1)
        if operand is None:
            return None
        return Num(-operand.value, place) if isinstance(operand, Num) else Negate(operand, place)

    def _binary(self, op: ast.AST, sides: tuple[ast.expr, ast.expr], place: Place, depth: int) -> Expr | None:
        left, right = (self.read(side, depth + 1) for side in sides)
        symbol = _OPERATORS.get(type(op))
        if symbol is None:
            return self._forbidden(op, place)
        return None if left is None or right is None else Binary(symbol, left, right, place)

    def _call(self, node: ast.Call, place: Place, depth: int) -> Expr | None:
        function = self._name(node.func, place)
        args = [self.read(arg, depth + 1) for arg in node.args]
        values = [(keyword.arg, self.read(keyword.value, depth + 1)) for keyword in node.keywords]
        if any(key is None for key, _ in values):
            return self._refuse("F003", place, "** arguments are not part of the formula language")
        twice = [key for index, (key, _) in enumerate(values) if key in [other for other, _ in values[:index]]]
        if twice:
            return self._refuse("F006", place, f"the keyword {twice[0]!r} is given twice")
        keywords = tuple((key, value) for key, value in values if key is not None and value is not None)
        good = tuple(arg for arg in args if arg is not None)
        if not isinstance(function, Name) or len(good) != len(args) or len(keywords) != len(values):
            return None
        return Call(function.text, good, keywords, place)
