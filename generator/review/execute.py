"""A compiled kernel as functions, and all that it is run on.

In: `Compiled`, the dtypes. Out: `Run`s: one for each combination of dtypes and each setting of scales, and the outputs of
torch code executed in memory; nothing is written to disk and nothing of the package on disk is imported.
"""

from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

from generator.formula.lower_torch import TORCH_HELPERS
from generator.formula.model import Arg, Compiled, Dtype
from generator.review.vectors import REAL, Vectors, host_integers, operands, scale_settings, table


@dataclass(frozen=True, slots=True)
class QuantDType:
    """What kernels read of a dtype."""

    name: str
    bits: int
    fraction_bits: int
    min: int
    max: int
    storage: torch.dtype

    @classmethod
    def of(cls, dtype: Dtype) -> "QuantDType":
        """The dtype of a spec."""
        return cls(dtype.id, dtype.bits, dtype.bits - 1, dtype.min, dtype.max, getattr(torch, dtype.storage))


@dataclass(frozen=True, slots=True)
class Run:
    """One combination of dtypes and scales of a kernel, and its operands."""

    dtypes: Mapping[str, str]
    scales: Mapping[str, float]
    integers: Mapping[str, int]
    tables: Mapping[str, Tensor]
    vectors: Vectors

    def row(self, names: tuple[str, ...], index: int) -> dict[str, float]:
        """The operands of one element."""
        return {name: column[index].item() for name, column in zip(names, self.vectors.operands, strict=True)}


@dataclass(frozen=True, slots=True)
class Executable:
    """A kernel whose torch code was executed."""

    compiled: Compiled
    functions: Mapping[str, Any]
    dtypes: Mapping[str, QuantDType]

    def outputs(self, run: Run) -> Tensor:
        """The result of every row of a run."""
        named: dict[str, Any] = {name: torch.tensor(value) for name, value in run.scales.items()}
        named |= {**run.integers, **run.tables}
        named |= {name: self.dtypes[dtype] for name, dtype in run.dtypes.items()}
        derived = (
            self.functions["derive"](**_wanted(self.compiled.derive_args, named)) if self.compiled.params else None
        )
        tensors = dict(zip(self.compiled.proved.kernel.tensors, run.vectors.operands, strict=True))
        wanted = _wanted(self.compiled.compute_args, {**named, **tensors})
        result: Tensor = self.functions["compute"](p=derived, **wanted)
        return result.expand(run.vectors.count) if result.dim() == 0 else result


def executable(compiled: Compiled, dtypes: Mapping[str, Dtype]) -> Executable:
    """Execute the torch code of a kernel in memory."""
    names = [param.name for param in compiled.params]
    scope = {**_helpers(), "Params": namedtuple("Params", names)}  # noqa: PYI024 - its fields are known now only
    result = f"return Params({', '.join(names)})"
    text = _function("compute", ("p", *_names(compiled.compute_args)), compiled.torch_compute)
    text += _function("derive", _names(compiled.derive_args), (*compiled.torch_derive, result))
    exec(compile(text, f"<{compiled.label}>", "exec"), scope)  # noqa: S102 - our own lowering, of a proved formula
    return Executable(compiled, scope, {name: QuantDType.of(dtype) for name, dtype in dtypes.items()})


def runs(compiled: Compiled, dtypes: Mapping[str, Dtype]) -> Iterator[Run]:
    """Everything that a kernel is run on."""
    kernel = compiled.proved.kernel
    for choice in product(*kernel.types.values()):
        types = dict(zip(kernel.types, choice, strict=True))
        tables = {name: table(*_range(entry, types, dtypes), size) for name, (entry, size) in kernel.tables.items()}
        vectors = operands(tuple(_range(kind, types, dtypes) for kind in kernel.tensors.values()))
        for number, scales in enumerate(scale_settings(len(kernel.scales))):
            integers = host_integers(tuple(kernel.integers.values()), number)
            named = dict(zip(kernel.integers, integers, strict=True))
            yield Run(types, dict(zip(kernel.scales, scales, strict=True)), named, tables, vectors)


def _range(kind: str | tuple[int, int], types: Mapping[str, str], dtypes: Mapping[str, Dtype]) -> tuple[float, float]:
    if isinstance(kind, tuple):
        return kind
    if kind == "real":
        return REAL
    dtype = dtypes[types.get(kind, kind)]
    return dtype.min, dtype.max


@cache
def _helpers() -> dict[str, Any]:
    """The functions that lowered lines call."""
    scope: dict[str, Any] = {"torch": torch, "Tensor": Tensor}
    for text in TORCH_HELPERS.values():
        exec(text, scope)  # noqa: S102 - our own text
    return scope


def _names(args: tuple[Arg, ...]) -> tuple[str, ...]:
    return tuple(arg.name for arg in args)


def _wanted(args: tuple[Arg, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    return {arg.name: values[arg.name] for arg in args}


def _function(name: str, arguments: tuple[str, ...], lines: tuple[str, ...]) -> str:
    return "\n".join([f"def {name}({', '.join(arguments)}):", *(f"    {line}" for line in lines), ""])
