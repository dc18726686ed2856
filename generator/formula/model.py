"""The data that enters and leaves the formula compiler.

In: a `Kernel` (one integer formula family of the specs), the `MarchFacts` it is compiled for, and the tables of kernels,
dtypes and rounding modes. Out: a `Compiled` kernel, or problems. All are frozen values; nothing here knows a target language.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from generator.formula.lines import Line
    from generator.formula.prove import Prover

TensorType = str | tuple[int, int]
"""A type parameter, a dtype id, an inclusive range of integers, or `REAL_TENSOR`."""

REAL_TENSOR: Final = "real"
"""The tensor type of float32 values."""


class Kind(enum.Enum):
    """What a value is: host values are Python numbers of convert time, tensor values exist per channel or per element."""

    INT = "int"
    HOST = "host"
    FLAG = "flag"
    REAL = "real"
    INTEGER = "integer"
    MASK = "mask"

    @property
    def is_tensor(self) -> bool:
        """True for values that are tensors in the generated code."""
        return self is Kind.REAL or self is Kind.INTEGER or self is Kind.MASK

    @property
    def is_number(self) -> bool:
        """True for values that arithmetic accepts."""
        return self is not Kind.FLAG and self is not Kind.MASK

    def __str__(self) -> str:
        """Name the kind as error texts do."""
        return _KIND_NAMES[self]


_KIND_NAMES: Final = {
    Kind.INT: "int (host integer)",
    Kind.HOST: "host (host float)",
    Kind.FLAG: "flag (host condition)",
    Kind.REAL: "real (float32 tensor)",
    Kind.INTEGER: "integer (integer tensor)",
    Kind.MASK: "mask (tensor condition)",
}


@dataclass(frozen=True, slots=True)
class Dtype:
    """A quantized dtype: its value range and the torch dtype that stores it (`storage`: "int8")."""

    id: str
    bits: int
    min: int
    max: int
    storage: str


@dataclass(frozen=True, slots=True)
class RoundingMode:
    """A rounding rule as formulas: `real` over x, `shift` over x and n; None where the rule has no such form."""

    id: str
    real: str | None
    shift: str | None = None
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    """One line `targets: text` of a kernel; `where` is the caller's key for error messages."""

    targets: tuple[str, ...]
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel spec: how scales become integers (`derive`) and how integers become integers (`compute`).

    Attributes:
        id: The role, by which other kernels call it.
        variant: The rule that a march chooses by `algorithms[role]`; empty when one rule serves all marches.
        doc: One line or more of prose.
        types: Type parameter -> ids of the dtypes it may be.
        scales: Name of a float32 operand -> what it is.
        integers: Name of a host integer -> its inclusive range.
        tensors: Name of a tensor operand -> its type.
        tables: Name of a one-dimensional table of integers -> (type of its entries, their number).
        sites: Local name -> rounding site of the march.
        derive: Formulas over scales and integers, in order.
        compute: Formulas over tensors and derived names, in order; the last one defines the result.
        result: Type of the result.
        where: The caller's key for faults of the kernel as a whole.
    """

    id: str
    variant: str = ""
    doc: str = ""
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scales: Mapping[str, str] = field(default_factory=dict)
    integers: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    tensors: Mapping[str, TensorType] = field(default_factory=dict)
    tables: Mapping[str, tuple[TensorType, int]] = field(default_factory=dict)
    sites: Mapping[str, str] = field(default_factory=dict)
    derive: tuple[Formula, ...] = ()
    compute: tuple[Formula, ...] = ()
    result: TensorType = REAL_TENSOR
    where: str = ""

    @property
    def label(self) -> str:
        """The kernel's name in reports: `role` or `role/variant`."""
        return f"{self.id}/{self.variant}" if self.variant else self.id


@dataclass(frozen=True, slots=True)
class MarchFacts:
    """What a march tells a kernel: numeric constants by dotted field, site -> rounding mode, role -> variant."""

    id: str
    constants: Mapping[str, int | float]
    sites: Mapping[str, str]
    algorithms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument of a generated function; `kind` is "tensor", "table", "scale", "int" or "dtype"."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Param:
    """A derived value that compute reads as `p.<name>`: an int64 tensor, or float32 where `kind` is "real"."""

    name: str
    kind: str
    lo: int | float
    hi: int | float


@dataclass(frozen=True, slots=True)
class Proved:
    """A flat kernel with its proofs: what a lowering that is made on demand (C, LaTeX) starts from.

    Attributes:
        kernel: The kernel as its spec says it.
        derive: Its derive formulas, calls of other kernels inlined.
        compute: Its compute formulas, likewise; the last one defines the result.
        params: Derived names that compute reads.
        provers: One proof for each choice of dtypes.
    """

    kernel: Kernel
    derive: tuple[Line, ...]
    compute: tuple[Line, ...]
    params: tuple[str, ...]
    provers: tuple[Prover, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel that was proven for one march, and its lowerings.

    Attributes:
        label: `role` or `role/variant`.
        params: Fields of the parameter tuple, in the order of the derive formulas.
        derive_args: Arguments of the derive function (scales, ints, dtypes); `torch_derive` assigns every param's name.
        compute_args: Arguments of the compute function (tensors, tables, scales, ints, dtypes), beside `p` when there are params.
        result: The kernel's result type.
        torch_derive: Statements; the caller writes the `return` with `params`.
        torch_compute: Statements; the last one is a `return`.
        torch_helpers: Names out of `TORCH_HELPERS` that the torch lines call.
        python_derive: The same for exact Python numbers.
        python_compute: The same for exact Python numbers.
        python_helpers: Names out of `PYTHON_HELPERS` that the Python lines call.
        math: Readable formulas.
        proof: One line a compute name: interval and storage.
        ranges: Name -> proven interval over all dtypes.
        sites: Rounding sites read.
        constants: March fields read, without the leading "march.".
        calls: Labels of the kernels that were inlined.
        proved: What further lowerings are made from.
    """

    label: str
    params: tuple[Param, ...]
    derive_args: tuple[Arg, ...]
    compute_args: tuple[Arg, ...]
    result: TensorType
    torch_derive: tuple[str, ...]
    torch_compute: tuple[str, ...]
    torch_helpers: frozenset[str]
    python_derive: tuple[str, ...]
    python_compute: tuple[str, ...]
    python_helpers: frozenset[str]
    math: tuple[str, ...]
    proof: tuple[str, ...]
    ranges: Mapping[str, tuple[int | float, int | float]]
    sites: frozenset[str]
    constants: frozenset[str]
    calls: frozenset[str]
    proved: Proved = field(repr=False, compare=False)
