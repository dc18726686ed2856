"""What both lowerings share: operator precedence, kinds of sub-expressions, folding of constants.

A lowering turns an expression into `Code`: text, how tightly it binds, and its kind. Kinds come from the proof, so that no
lowering decides what is real and what is an integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.formula.model import Kind
from generator.formula.prove import Proof
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num

if TYPE_CHECKING:
    from generator.formula.prove import Prover

ATOM, UNARY, POWER, PRODUCT, SUM, SHIFT, AND, COMPARE = 100, 90, 95, 80, 70, 60, 50, 40
PRECEDENCE = {
    "**": POWER, "*": PRODUCT, "/": PRODUCT, "+": SUM, "-": SUM, "<<": SHIFT, ">>": SHIFT, "&": AND,
    "<": COMPARE, "<=": COMPARE, ">": COMPARE, ">=": COMPARE, "==": COMPARE, "!=": COMPARE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """Text of an expression in the target language."""

    text: str
    precedence: int
    kind: Kind

    def within(self, precedence: int) -> str:
        """The text, in parentheses where it binds less tightly."""
        return self.text if self.precedence >= precedence else f"({self.text})"


class Lowering:
    """Walks an expression; sub-classes say how each construct is written."""

    def __init__(self, provers: tuple[Prover, ...], params: frozenset[str]) -> None:
        self.provers = tuple(map(Proof, provers))
        self.prover = self.provers[0]
        self.params = params
        self.helpers: set[str] = set()

    def range(self, expr: Expr) -> tuple[float, float]:
        """The interval of an expression over all dtypes."""
        values = [prover.value(expr) for prover in self.provers]
        return min(v.lo for v in values), max(v.hi for v in values)

    def always(self, condition: Expr) -> bool | None:
        """Whether a condition is the same for all dtypes: True, False, or None when it is not."""
        lo, hi = self.range(condition)
        return bool(lo) if lo == hi else None

    def kind(self, expr: Expr) -> Kind:
        """The kind that the proof found; a tensor where any choice of dtypes makes it one."""
        kinds = [prover.value(expr).kind for prover in self.provers]
        return next((kind for kind in kinds if kind.is_tensor), kinds[0])

    def lower(self, expr: Expr) -> Code:
        """The code of an expression."""
        match expr:
            case Num():
                return self.number(expr.value)
            case Name():
                return self.name(expr)
            case Negate():
                inner = self.lower(expr.operand)
                return Code(f"-{inner.within(UNARY)}", UNARY, inner.kind)
            case Binary():
                return self.binary(expr)
            case Call():
                whole = expr.function.startswith("_whole_")
                method = getattr(self, "call_whole" if whole else f"call_{expr.function}")
                code: Code = method(expr)
                return code

    def number(self, value: float) -> Code:
        """A literal."""
        kind = Kind.INT if isinstance(value, int) else Kind.HOST
        return Code(repr(value), ATOM if value >= 0 else UNARY, kind)

    def name(self, name: Name) -> Code:
        """A variable, a parameter, or a field of a dtype."""
        if name.tail:
            root = (
                f"{name.root}.{name.tail}"
                if name.root not in self.prover.dtypes
                else str(int(self.prover.value(name).lo))
            )
            return Code(root, ATOM, Kind.INT)
        text = f"p.{name.text}" if name.text in self.params else name.text
        return Code(text, ATOM, self.kind(name))

    def constant(self, expr: Expr) -> Code | None:
        """A host integer made of literals only, folded."""
        if isinstance(expr, Binary) and is_literal(expr):
            value = self.prover.value(expr)
            if value.kind is Kind.INT and value.lo == value.hi:
                return self.number(int(value.lo))
            if value.kind is Kind.HOST and value.lo == value.hi:
                return self.number(float(value.lo))
        return None

    def binary(self, expr: Binary) -> Code:
        """An operator."""
        raise NotImplementedError

    def folded(self, expr: Binary) -> Code | None:
        """What Python and torch write alike: constants that are folded, and powers."""
        if (constant := self.constant(expr)) is not None or expr.op != "**":
            return constant
        kind = self.kind(expr)
        if self.kind(expr.right) is Kind.INTEGER:
            return self.helper("exp2", kind, self.lower(expr.right).text)
        return self.joined(expr, kind)

    def ends(self, call: Call) -> tuple[str, str]:
        """What a saturation clamps to: the ends of a dtype, or of a number of bits."""
        target = call.args[1]
        if isinstance(target, Num):
            half = 2 ** (int(target.value) - 1)
            return self.number(-half).text, self.number(half - 1).text
        assert isinstance(target, Name)
        low, high = (self.name(Name(f"{target.text}.{end}", call.place)).text for end in ("min", "max"))
        return low, high

    def call_log2(self, call: Call) -> Code:
        """Base-2 logarithm."""
        return self.helper("log2", Kind.REAL, self.lower(call.args[0]).text)

    def call_exp2(self, call: Call) -> Code:
        """2**n."""
        return self.helper("exp2", Kind.REAL, self.lower(call.args[0]).text)

    def helper(self, name: str, kind: Kind, *args: str) -> Code:
        """A call of a helper function, which is noted."""
        self.helpers.add(name)
        return self.call(name, kind, *args)

    def call_lookup(self, call: Call) -> Code:
        """An entry of a table: both languages write it alike."""
        table, index = call.args
        assert isinstance(table, Name)
        return Code(f"{table.text}[{self.lower(index).text}]", ATOM, Kind.INTEGER)

    def call_fma(self, call: Call) -> Code:
        """A product plus a number, rounded to float32 at the end only."""
        return self.helper("fma", Kind.REAL, *(self.lower(arg).text for arg in call.args))

    def call_search(self, call: Call) -> Code:
        """The place of a value in a rising table."""
        table, value = call.args
        assert isinstance(table, Name)
        return self.helper("search", Kind.INTEGER, table.text, self.lower(value).text)

    def joined(self, expr: Binary, kind: Kind) -> Code:
        """The operator written between its operands."""
        precedence = PRECEDENCE[expr.op]
        left, right = self.lower(expr.left), self.lower(expr.right)
        inner = ATOM if precedence in (SHIFT, AND) else precedence  # nobody knows the precedence of << and & by heart
        return Code(f"{left.within(inner)} {expr.op} {right.within(max(inner, precedence + 1))}", precedence, kind)

    def call(self, function: str, kind: Kind, *args: str) -> Code:
        """A call in the target language."""
        return Code(f"{function}({', '.join(args)})", ATOM, kind)


def is_literal(expr: Expr) -> bool:
    """Whether an expression is made of literals only."""
    match expr:
        case Num():
            return True
        case Negate():
            return is_literal(expr.operand)
        case Binary():
            return is_literal(expr.left) and is_literal(expr.right)
        case _:
            return False
