r"""Formulas as LaTeX, for pages that typeset them: `\lfloor m \cdot 2^{15} + 0.5 \rfloor`.

No backslash stands before punctuation and no line is broken by two of them: Markdown would take them for its own escapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.formula.lower import AND, ATOM, PRECEDENCE, PRODUCT, SHIFT, UNARY
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num

if TYPE_CHECKING:
    from generator.formula.lines import Line

_SYMBOLS = {
    "*": r"\cdot", "<<": r"\ll", ">>": r"\gg", "<": r"\lt", "<=": r"\le", ">": r"\gt", ">=": r"\ge", "==": "=", "!=": r"\ne",
    "&": r"\mathbin{\mathrm{and}}",
}  # fmt: skip
_WRAPPED = {
    "floor": r"\lfloor {} \rfloor", "ceil": r"\lceil {} \rceil", "abs": r"\lvert {} \rvert", "sqrt": r"\sqrt{{{}}}",
    "exp2": "2^{{{}}}", "log2": r"\log_2 ({})",
}  # fmt: skip
_SUBSCRIPT = {"saturate": "sat", "wrap": "wrap"}


def latex(line: Line) -> str:
    """One formula, without delimiters."""
    targets = ", ".join(r"\cdot" if target == "_" else _name(target) for target in line.targets)
    return f"{targets} = {_text(line.expr)[0]}"


def _name(text: str) -> str:
    r"""A name with its parts as subscript: `s_in` is `s_{\mathrm{in}}`, `mult` is `\mathrm{mult}`."""
    first, _, rest = text.partition("_")
    head = _upright(first)
    return f"{head}_{{{_upright(rest.replace('_', '~'))}}}" if rest else head


def _upright(text: str) -> str:
    return text if len(text) == 1 and text.isalpha() else rf"\mathrm{{{text}}}"


def _text(expr: Expr) -> tuple[str, int]:
    match expr:
        case Num():
            return str(expr.value), ATOM if expr.value >= 0 else UNARY
        case Name():
            return (rf"\mathrm{{{expr.text.replace('_', '~')}}}" if expr.tail else _name(expr.text)), ATOM
        case Negate():
            return f"-{_within(expr.operand, UNARY)}", UNARY
        case Binary():
            return _binary(expr)
        case Call():
            return _call(expr)


def _binary(expr: Binary) -> tuple[str, int]:
    if expr.op == "/":
        return rf"\frac{{{_text(expr.left)[0]}}}{{{_text(expr.right)[0]}}}", PRODUCT
    if expr.op == "**":
        return f"{_within(expr.left, ATOM)}^{{{_text(expr.right)[0]}}}", ATOM
    precedence = PRECEDENCE[expr.op]
    tight = ATOM if precedence in (SHIFT, AND) else precedence
    left, right = _within(expr.left, tight), _within(expr.right, max(tight, precedence + 1))
    return f"{left} {_SYMBOLS.get(expr.op, expr.op)} {right}", precedence


def _call(call: Call) -> tuple[str, int]:
    function = call.function.removeprefix("_whole_")
    args = [_text(arg)[0] for arg in call.args]
    if function in _WRAPPED:
        return _WRAPPED[function].format(*args), ATOM
    if function in _SUBSCRIPT:
        return rf"\mathrm{{{_SUBSCRIPT[function]}}}_{{{args[1]}}} ({args[0]})", ATOM
    if function == "select":
        return (
            rf"\begin{{cases}} {args[1]} & \text{{if }} {args[0]} \cr {args[2]} & \text{{otherwise}} \end{{cases}}",
            ATOM,
        )
    if function == "shift_left":
        return _binary(Binary("<<", call.args[0], call.args[1], call.place))
    if function == "real":
        return _text(call.args[0])
    return rf"\mathrm{{{function.replace('_', '~')}}} ({', '.join(args)})", ATOM


def _within(expr: Expr, precedence: int) -> str:
    text, own = _text(expr)
    return text if own >= precedence else f"({text})"
