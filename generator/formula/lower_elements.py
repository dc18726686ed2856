"""Formulas as C functions of one element, for loops that a compiler vectorizes.

In: a proved kernel. Out: `ElementBody`; None for one of floats alone, or that reads a host value of the call. Every integer
is a `bpu_word`: int64_t, which holds whatever a kernel was proved for, or int32_t where the caller proves, with the integers of
a layer, that 32 bits hold all of them. Derived integers and the ends of dtypes are plain arguments, tables are pointers. Of
`saturate(t * mult, output)` is made::

    const bpu_word y = bpu_clip(t * mult, output_min, output_max);
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.formula.lines import used_names
from generator.formula.lower import ATOM, Code
from generator.formula.lower_c import CLowering, c_name
from generator.formula.model import REAL_TENSOR, Kind

if TYPE_CHECKING:
    from generator.formula.lines import Line
    from generator.formula.model import Arg, Proved
    from generator.formula.prove import Prover
    from generator.formula.syntax import Call, Name

_ENDS = ("min", "max")
_WORD, _REAL = "bpu_word", "float"


@dataclass(frozen=True, slots=True)
class ElementBody:
    """A C function: the type of its result, its arguments in order, and statements, of which the last one returns.

    Arguments are operands, derived integers, tables, ends of dtypes.
    """

    result: str
    arguments: tuple[str, ...]
    lines: tuple[str, ...]


def lower_elements(proved: Proved, args: tuple[Arg, ...], dtypes: tuple[str, ...]) -> ElementBody | None:
    """Lower a kernel; `args` are the arguments of its torch form, `dtypes` the dtypes among them."""
    if set(proved.kernel.tensors.values()) <= {REAL_TENSOR} or not _reads_operands_only(proved, args):
        return None
    lowering = _ElementLowering(proved.provers, frozenset(proved.params))
    lines = tuple(lowering.statement(line) for line in proved.compute)
    if lowering.other_fields:
        return None
    reals = {arg.name for arg in args if arg.kind == "scale" or proved.kernel.tensors.get(arg.name) == REAL_TENSOR}
    operands = (
        f"{_REAL if x.name in reals else _WORD} {c_name(x.name)}" for x in args if x.kind in ("tensor", "scale")
    )
    tables = (f"const {_WORD} *{c_name(arg.name)}" for arg in args if arg.kind == "table")
    params = (f"{_WORD} {c_name(name)}" for name in proved.params)
    ends = (f"{_WORD} {name}_{end}" for name in dtypes for end in _ENDS)
    last = proved.compute[-1]
    result = _type(lowering.kind(last.expr))
    return ElementBody(result, (*operands, *params, *tables, *ends), (*lines, f"return {c_name(last.targets[-1])};"))


def _reads_operands_only(proved: Proved, args: tuple[Arg, ...]) -> bool:
    """Whether the computation has no host float, no real among what was derived, and no host value of the call."""
    params = [prover.values[name] for prover in proved.provers for name in proved.params]
    values = [p.values[t] for p in proved.provers for line in proved.compute for t in line.targets if t != "_"]
    host = {*proved.kernel.integers, *(set(proved.kernel.scales) - {arg.name for arg in args})}
    known = all(v.kind is not Kind.REAL for v in params) and all(v.kind is not Kind.HOST for v in (*params, *values))
    return known and not host & used_names(list(proved.compute))


def _type(kind: Kind) -> str:
    return _REAL if kind is Kind.REAL else _WORD


class _ElementLowering(CLowering):
    """`other_fields` are the fields of dtypes, beside their ends, that were read."""

    def __init__(self, provers: tuple[Prover, ...], params: frozenset[str]) -> None:
        super().__init__(provers, params)
        self.other_fields: set[str] = set()

    def statement(self, line: Line, read: frozenset[str] = frozenset()) -> str:
        """One definition."""
        return f"const {_type(self.kind(line.expr))} {c_name(line.targets[-1])} = {self.lower(line.expr).text};"

    def name(self, name: Name) -> Code:
        """A variable, a derived integer, or an end of a dtype."""
        if not name.tail or name.root in self.prover.dtypes:
            code = super().name(name)
            return Code(code.text.removeprefix("p->"), code.precedence, code.kind)
        if name.tail not in _ENDS:
            self.other_fields.add(name.tail)
        return Code(f"{name.root}_{name.tail}", ATOM, Kind.INT)

    def call_wrap(self, call: Call) -> Code:
        """Nothing where 32 bits are known to hold the value."""
        bits = int(self.range(call.args[1])[0])
        return self.call("bpu_wrap", self.kind(call), self.lower(call.args[0]).text, str(bits))
