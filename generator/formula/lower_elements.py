"""Formulas as C functions of one element in 32 bits, for loops that a compiler vectorizes.

In: a proved kernel. Out: `ElementBody`, or None for a kernel that is more than integers to integers. Every value is int32_t:
the caller proves, with the integers of a layer, that int32 holds all of them; so a wrap to 32 bits changes nothing. Derived
integers and the ends of dtypes are plain arguments. Of `saturate(t * mult, output)` is made::

    const int32_t y = bpu_clip(t * mult, output_min, output_max);
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
    from generator.formula.model import Proved
    from generator.formula.prove import Prover
    from generator.formula.syntax import Call, Name

_ENDS = ("min", "max")
_WORD = 32


@dataclass(frozen=True, slots=True)
class ElementBody:
    """Arguments in order (tensors, derived integers, ends of dtypes) and statements; the last one returns."""

    arguments: tuple[str, ...]
    lines: tuple[str, ...]


def lower_elements(proved: Proved, dtypes: tuple[str, ...]) -> ElementBody | None:
    """Lower a kernel; `dtypes` are the dtype arguments that its torch form takes."""
    kernel = proved.kernel
    integers = REAL_TENSOR not in (*kernel.tensors.values(), kernel.result)
    if not integers or not kernel.tensors or kernel.tables or not _reads_integers_only(proved):
        return None
    lowering = _ElementLowering(proved.provers, frozenset(proved.params))
    lines = tuple(lowering.statement(line) for line in proved.compute)
    if lowering.other_fields:
        return None
    ends = (f"{name}_{end}" for name in dtypes for end in _ENDS)
    arguments = (*(c_name(name) for name in kernel.tensors), *(c_name(name) for name in proved.params), *ends)
    return ElementBody(arguments, (*lines, f"return {c_name(proved.compute[-1].targets[-1])};"))


def _reads_integers_only(proved: Proved) -> bool:
    """Whether nothing in the computation is real or a host value of the call."""
    values = [prover.values[name] for prover in proved.provers for name in proved.params]
    values += [p.values[t] for p in proved.provers for line in proved.compute for t in line.targets if t != "_"]
    host = {*proved.kernel.scales, *proved.kernel.integers}
    return all(v.kind in (Kind.INTEGER, Kind.MASK, Kind.INT) for v in values) and not host & used_names(
        list(proved.compute)
    )


class _ElementLowering(CLowering):
    """`other_fields` are the fields of dtypes, beside their ends, that were read."""

    def __init__(self, provers: tuple[Prover, ...], params: frozenset[str]) -> None:
        super().__init__(provers, params)
        self.other_fields: set[str] = set()

    def statement(self, line: Line, read: frozenset[str] = frozenset()) -> str:
        """One definition."""
        return f"const int32_t {c_name(line.targets[-1])} = {self.lower(line.expr).text};"

    def name(self, name: Name) -> Code:
        """A variable, a derived integer, or an end of a dtype."""
        if not name.tail or name.root in self.prover.dtypes:
            code = super().name(name)
            return Code(code.text.removeprefix("p->"), code.precedence, code.kind)
        if name.tail not in _ENDS:
            self.other_fields.add(name.tail)
        return Code(f"{name.root}_{name.tail}", ATOM, Kind.INT)

    def call_wrap(self, call: Call) -> Code:
        """Nothing for 32 bits or more."""
        bits = int(self.range(call.args[1])[0])
        value = self.lower(call.args[0])
        return value if bits >= _WORD else self.call("bpu_wrap", self.kind(call), value.text, str(bits))
