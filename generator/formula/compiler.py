"""The formula compiler: one kernel for one march, proved and lowered.

In: a Kernel, the facts of a march, and the tables. Out: `Compiled`, or every problem found. The steps: flatten (inline what
is called), prove (intervals, for every combination of dtypes), then lower to torch, to exact Python and to readable text.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

from generator.formula.declarations import declaration_problems
from generator.formula.flatten import Flattener
from generator.formula.intervals import REAL, ROUNDED, Value
from generator.formula.lines import Flat, used_names
from generator.formula.lower_math import readable
from generator.formula.lower_python import PythonLowering
from generator.formula.lower_torch import TorchLowering
from generator.formula.model import REAL_TENSOR, Arg, Compiled, Kind, Param, Proved
from generator.formula.problems import Place, Problem, distinct, problem
from generator.formula.prove import Prover
from generator.formula.syntax import Call, Expr, Name, children

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from generator.formula.model import Dtype, Kernel, MarchFacts, RoundingMode, TensorType


def compile_kernel(
    kernel: Kernel,
    march: MarchFacts,
    kernels: Mapping[tuple[str, str], Kernel],
    dtypes: Mapping[str, Dtype],
    rounding: Mapping[str, RoundingMode],
) -> Compiled | tuple[Problem, ...]:
    """Compile one kernel; `kernels` is keyed by (role, variant or "")."""
    flattener = Flattener(march, kernels, dtypes, rounding)
    flat = flattener.flatten(kernel)
    problems = [*flattener.problems, *declaration_problems(kernel, dtypes)]
    if problems:
        return distinct(problems)
    flat = _without_dead_lines(flat)
    problems.extend(_unused(kernel, flat))
    provers = [
        _prove(kernel, flat, dict(zip(kernel.types, choice, strict=True)), dtypes) for choice in _choices(kernel)
    ]
    for prover in provers:
        problems.extend(prover.problems)
        problems.extend(_check_result(kernel, flat, prover))
    if problems:
        return distinct(problems)
    return _Assembly(kernel, flat, provers).compiled()


def _choices(kernel: Kernel) -> Iterator[tuple[str, ...]]:
    return product(*kernel.types.values())


def _without_dead_lines(flat: Flat) -> Flat:
    """Drop inlined lines that nothing reads; a kernel's own unused lines stay, to be reported."""
    while True:
        used = used_names([*flat.derive, *flat.compute])
        derive = [line for line in flat.derive if line.own or used & set(line.targets)]
        if len(derive) == len(flat.derive):
            return flat
        flat = Flat(derive, flat.compute, flat.sites, flat.constants, flat.calls)


def _unused(kernel: Kernel, flat: Flat) -> Iterator[Problem]:
    used = used_names([*flat.derive, *flat.compute])
    last = flat.compute[-1].targets if flat.compute else ()
    for section, lines in (("derive", flat.derive), ("compute", flat.compute[:-1])):
        for line in lines:
            if line.own and not used & set(line.targets) and line.targets != last:
                names = ", ".join(line.targets)
                yield problem(
                    "F012", line.place, f"{names!r} of {section} is never used", "remove the line, or name a target _"
                )


def _prove(kernel: Kernel, flat: Flat, types: Mapping[str, str], dtypes: Mapping[str, Dtype]) -> Prover:
    values: dict[str, Value] = dict.fromkeys(kernel.scales, REAL)
    values |= {name: Value(Kind.INT, lo, hi) for name, (lo, hi) in kernel.integers.items()}
    tables = {name: (_operand(kind, types, dtypes), size) for name, (kind, size) in kernel.tables.items()}
    prover = Prover(dtypes, types, values, tables)
    for line in flat.derive:
        prover.line(line)
    prover.phase = "compute"
    for name, kind in kernel.tensors.items():
        values[name] = _operand(kind, types, dtypes)
    params = used_names(flat.compute)
    for line in flat.derive:
        for name in line.targets:
            value = values.get(name, REAL)
            bounded = value.finite and value.lo > -ROUNDED and value.hi < ROUNDED
            if name in params and value.kind is not Kind.REAL and not bounded:
                prover.report("F020", line.expr, f"parameter {name!r} has no proven finite range", "wrap it in clip()")
    for line in flat.compute:
        prover.line(line)
    _report_unread_entries(kernel, prover)
    return prover


def _report_unread_entries(kernel: Kernel, prover: Prover) -> None:
    """A table is as long as its indices reach, no longer."""
    for name, last in prover.last_read.items():
        size = prover.tables[name][1]
        if last < size - 1 and not prover.problems:
            what = f"{name!r} has {size} entries, but no index is beyond {int(last)}"
            prover.problems.append(problem("F026", Place(kernel.where, 0), what, f"give it {int(last) + 1} entries"))


def _operand(kind: TensorType, types: Mapping[str, str], dtypes: Mapping[str, Dtype]) -> Value:
    if kind == REAL_TENSOR:
        return REAL
    if isinstance(kind, tuple):
        return Value(Kind.INTEGER, *kind)
    dtype = dtypes[types.get(kind, kind)]
    return Value(Kind.INTEGER, dtype.min, dtype.max)


def _check_result(kernel: Kernel, flat: Flat, prover: Prover) -> Iterator[Problem]:
    if not flat.compute:
        yield problem("F012", Place(kernel.where, 0), "a kernel needs a compute formula")
        return
    line = flat.compute[-1]
    value = prover.values.get(line.targets[-1])
    if value is None or prover.problems:
        return
    if (kernel.result == REAL_TENSOR) != (value.kind is Kind.REAL):
        yield problem("F007", line.place, f"the result is {value.kind}, but the kernel says {kernel.result}")
    elif kernel.result != REAL_TENSOR:
        allowed = _operand(kernel.result, prover.types, prover.dtypes)
        if not (allowed.lo <= value.lo and value.hi <= allowed.hi):
            what = (
                f"the result may reach {value.lo} .. {value.hi}, but {kernel.result} holds {allowed.lo} .. {allowed.hi}"
            )
            yield problem("F024", line.place, what, "saturate or wrap it")


class _Assembly:
    """Puts a Compiled together from proved lines."""

    def __init__(self, kernel: Kernel, flat: Flat, provers: list[Prover]) -> None:
        self.kernel, self.flat, self.provers = kernel, flat, provers
        read = used_names(flat.compute)
        derived = [t for line in flat.derive for t in line.targets]
        self.params = tuple(name for name in derived if name in read)

    def compiled(self) -> Compiled:
        kernel, flat, params = self.kernel, self.flat, frozenset(self.params)
        torch, python = TorchLowering(tuple(self.provers), params), PythonLowering(tuple(self.provers), params)
        torch_derive, python_derive = (self._derive(lowering) for lowering in (torch, python))
        torch_compute, python_compute = self._torch_compute(torch), self._python_compute(python)
        return Compiled(
            label=kernel.label,
            params=tuple(self._param(name) for name in self.params),
            derive_args=self._derive_args(),
            compute_args=self._compute_args(),
            result=kernel.result,
            torch_derive=torch_derive,
            torch_compute=torch_compute,
            torch_helpers=frozenset(torch.helpers),
            python_derive=python_derive,
            python_compute=python_compute,
            python_helpers=frozenset(python.helpers),
            math=tuple(readable(line) for line in (*flat.derive, *flat.compute)),
            proof=self._proof(),
            ranges={name: self._range(name) for line in flat.compute for name in line.targets if name != "_"},
            sites=frozenset(flat.sites),
            constants=frozenset(flat.constants),
            calls=frozenset(flat.calls),
            proved=Proved(kernel, tuple(flat.derive), tuple(flat.compute), self.params, tuple(self.provers)),
        )

    def _derive(self, lowering: TorchLowering | PythonLowering) -> tuple[str, ...]:
        lowering.params, kept = frozenset(), lowering.params
        lines = tuple(lowering.statement(line, frozenset(self.params)) for line in self.flat.derive)
        lowering.params = kept
        return lines

    def _range(self, name: str) -> tuple[float, float]:
        values = [prover.values[name] for prover in self.provers]
        return min(v.lo for v in values), max(v.hi for v in values)

    def _param(self, name: str) -> Param:
        kind = self.provers[0].values[name].kind
        lo, hi = self._range(name)
        names = {Kind.REAL: "real", Kind.MASK: "mask"}
        return Param(name, names.get(kind, "integer"), lo, hi)

    def _derive_args(self) -> tuple[Arg, ...]:
        kernel = self.kernel
        return (
            *(Arg(name, "scale") for name in kernel.scales),
            *(Arg(name, "int") for name in kernel.integers),
            *(Arg(name, "dtype") for name in kernel.types),
        )

    def _compute_args(self) -> tuple[Arg, ...]:
        kernel, read = self.kernel, used_names(self.flat.compute)
        result = {kernel.result} if isinstance(kernel.result, str) and not self._keeps_storage() else set()
        return (
            *(Arg(name, "tensor") for name in kernel.tensors),
            *(Arg(name, "table") for name in kernel.tables),
            *(Arg(name, "scale") for name in kernel.scales if name in read),
            *(Arg(name, "int") for name in kernel.integers if name in read),
            *(Arg(name, "dtype") for name in kernel.types if name in read | result),
        )

    def _torch_compute(self, lowering: TorchLowering) -> tuple[str, ...]:
        """Operands brought once to the width of the parameters, one line a name, the result in its storage."""
        kernel = self.kernel
        read = used_names(self.flat.compute)
        narrow = self._keeps_storage()
        widened = [n for n, kind in kernel.tensors.items() if kind != REAL_TENSOR and n in read and not narrow]
        width = self._width()
        lines = [f"{name} = {name}.to({width})" for name in widened if self._computes(name)]
        lines += [lowering.statement(line) for line in self.flat.compute[:-1]]
        return (*lines, *self._torch_return(lowering, narrow=narrow))

    def _width(self) -> str:
        """What the integers are computed in: int64, or whatever the caller proved wide enough and put the parameters in."""
        integers = (name for name in self.params if self.provers[0].values[name].kind is Kind.INTEGER)
        first = next(integers, None)
        return "torch.int64" if first is None else f"p.{first}.dtype"

    def _keeps_storage(self) -> bool:
        """Whether the one formula works on the operand's own storage: nothing can leave it, nothing is derived."""
        kernel = self.kernel
        same = kernel.result != REAL_TENSOR and kernel.result in kernel.tensors.values()
        if len(self.flat.compute) != 1 or self.params or kernel.tables or not same:
            return False
        return all(self._stays_in_storage(prover) for prover in self.provers)

    def _stays_in_storage(self, prover: Prover) -> bool:
        """Whether every intermediate value is one that the result could have."""
        result = _operand(self.kernel.result, prover.types, prover.dtypes)
        numbers = (prover.value(part) for part in _walk(self.flat.compute[0].expr) if not _is_dtype(part, prover))
        return all(value.within(result.lo, result.hi) for value in numbers if value.kind is Kind.INTEGER)

    def _computes(self, name: str) -> bool:
        """Whether an operand takes part in integer arithmetic, not only in a cast to float32."""
        parts = [part for line in self.flat.compute for part in _walk(line.expr)]
        uses = sum(isinstance(part, Name) and part.text == name for part in parts)
        casts = sum(
            isinstance(part, Call) and part.function == "real" and _is_name(part.args[0], name) for part in parts
        )
        return uses > casts

    def _torch_return(self, lowering: TorchLowering, *, narrow: bool) -> tuple[str, ...]:
        line = self.flat.compute[-1]
        code = lowering.lower(line.expr)
        result = self.kernel.result
        if result == REAL_TENSOR or narrow:
            return (f"return {code.text}",)
        if isinstance(result, tuple):
            return (f"return {code.text}",) if code.kind.is_tensor else (f"return torch.as_tensor({code.text})",)
        dtypes = self.provers[0].dtypes
        storage = f"{result}.storage" if result in self.kernel.types else f"torch.{dtypes[result].storage}"
        text = code.text if code.kind.is_tensor else f"torch.as_tensor({code.text})"
        statement = f"{line.targets[-1]} = {text}"
        return statement, f"return {line.targets[-1]}.to({storage})"

    def _python_compute(self, lowering: PythonLowering) -> tuple[str, ...]:
        lines = [lowering.statement(line) for line in self.flat.compute[:-1]]
        return (*lines, f"return {lowering.lower(self.flat.compute[-1].expr).text}")

    def _proof(self) -> tuple[str, ...]:
        lines = []
        for line in self.flat.compute:
            for name in line.targets:
                if name == "_" or self.provers[0].values[name].kind is not Kind.INTEGER:
                    continue
                lo, hi = self._range(name)
                if math.isfinite(lo) and math.isfinite(hi):
                    bits = "int32" if lo >= -(2**31) and hi < 2**31 else "int64"
                    lines.append(f"{name}: {int(lo)} .. {int(hi)}, fits {bits}")
        return tuple(lines)


def _is_dtype(expr: Expr, prover: Prover) -> bool:
    """Whether an expression is the dtype that a value is saturated to."""
    return isinstance(expr, Name) and not expr.tail and expr.text in (*prover.types, *prover.dtypes)


def _is_name(expr: Expr, name: str) -> bool:
    return isinstance(expr, Name) and expr.text == name


def _walk(expr: Expr) -> Iterator[Expr]:
    """An expression and everything inside it."""
    yield expr
    for child in children(expr):
        yield from _walk(child)
