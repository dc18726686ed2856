# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_loop.py
"""Compiled loops over a kernel: one pass from its operands to its result.

In: a chain of kernels (each applied to the result of the one before), and the types of operands and result. Out: a function
over memory. The kernels are the C functions of <march>.h, generated from the formulas; here is only the loop around them. What
a kernel reads for each element, operands and derived integers alike, lies at distances in memory, one of each dimension; along
the innermost one it is a neighbour, or the same for all. That no result overlaps an operand is said at the inner loop, for what
is said of pointers does not reach the bodies that threads run.
"""

import ctypes
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from .int8_sums import OFFSET
from .native_build import library

TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.int64: "int64_t",
    torch.int32: "int32_t",
    torch.int16: "int16_t",
    torch.int8: "int8_t",
    torch.uint8: "uint8_t",
    torch.bool: "uint8_t",
}
DIMS = 4
"""Of a loop: three around the innermost one."""
_LOOP = """
#define PIECE 4096
void run(const int64_t *restrict sizes, const int64_t *restrict strides, int32_t threads, {arguments})
{{
    const int64_t inner = sizes[3], rows = sizes[0] * sizes[1] * sizes[2], pieces = (inner + PIECE - 1) / PIECE;
    const int flat = sizes[0] * sizes[1] == 1;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && rows * inner > 2 * PIECE)
    for (int64_t i = 0; i < rows * pieces; ++i) {{
        const int64_t row = pieces == 1 ? i : i / pieces, begin = pieces == 1 ? 0 : i % pieces * PIECE;
        const int64_t count = inner - begin < PIECE ? inner - begin : PIECE, at = row * inner + begin;
        const int64_t a = flat ? 0 : row / sizes[2] / sizes[1], b = flat ? 0 : row / sizes[2] % sizes[1];
        const int64_t c = flat ? row : row % sizes[2];
{pointers}
#pragma omp simd
        for (int64_t j = 0; j < count; ++j) {{
            const {kind} y = {value};
            out[at + j] = ({result})y;{twin}
        }}
    }}
}}
"""
_POINTER = "        const {kind} *const r{i} = x{i} + a * strides[{a}] + b * strides[{b}] + c * strides[{c}]{begin};"


@dataclass(frozen=True, slots=True)
class Read:
    """What a loop reads for each element.

    Attributes:
        kind: its type.
        steps: whether neighbours along the innermost dimension read neighbours; else all read the same.
    """

    kind: torch.dtype
    steps: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """What a loop is compiled for.

    Attributes:
        header: the march's C functions.
        kernels: names; the first takes the operands, each further one the result so far.
        reads: the operands and the derived integers of the first kernel.
        tables: how many tables it takes behind them: arrays of words.
        ends: how many ends of dtypes the first kernel takes.
        result: type of the result.
        bits: of a word: 32 where the caller proved that it holds everything between, else 64.
        twins: whether it also writes what the next sums of products read: int8 results plus 128.
    """

    header: Path
    kernels: tuple[str, ...]
    reads: tuple[Read, ...]
    tables: int
    ends: int
    result: torch.dtype
    bits: int
    twins: bool

    @classmethod
    def of(cls, header: Path, kernel: str) -> "Loop":
        """For a kernel whose operands are not known yet."""
        return cls(header, (kernel,), (), 0, 0, torch.int32, 64, twins=False)

    def source(self) -> str:
        """The C file."""
        reads = [f"const {TYPES[read.kind]} *x{i}" for i, read in enumerate(self.reads)]
        tables = [f"const bpu_word *restrict t{i}" for i in range(self.tables)]
        ends = [f"int32_t end{i}" for i in range(self.ends)]
        results = [f"{TYPES[self.result]} *restrict out", *(["uint8_t *restrict twin"] if self.twins else [])]
        pointers = (
            _POINTER.format(
                kind=TYPES[read.kind], i=i, a=3 * i, b=3 * i + 1, c=3 * i + 2, begin=" + begin" * read.steps
            )
            for i, read in enumerate(self.reads)
        )
        loop = _LOOP.format(
            arguments=", ".join([*reads, *tables, *ends, *results]),
            pointers="\n".join(pointers),
            kind="float" if self.result.is_floating_point else "bpu_word",
            value=self._value(),
            result=TYPES[self.result],
            twin=f"\n            twin[at + j] = (uint8_t)(y + {OFFSET});" if self.twins else "",
        )
        functions = (functions_of(self.header)[name].text for name in dict.fromkeys(self.kernels))
        return "\n".join(
            [f"#define WORD_BITS {self.bits}", _text(self.header.with_name("elements.h")), *functions, loop]
        )

    def _value(self) -> str:
        """The kernels applied to what is read for element j."""
        read = [f"r{i}[{'j' if read.steps else '0'}]" for i, read in enumerate(self.reads)]
        given = [*read, *(f"t{i}" for i in range(self.tables)), *(f"end{i}" for i in range(self.ends))]
        value = f"{self.kernels[0]}({', '.join(given)})"
        for name in self.kernels[1:]:
            value = f"{name}({value})"
        return value


@dataclass(frozen=True, slots=True)
class Function:
    """A C function of a march.

    Attributes:
        text: all of it.
        tables: the arguments that are tables.
    """

    text: str
    tables: frozenset[str]


@functools.cache
def functions_of(header: Path) -> dict[str, Function]:
    """The C functions of a march by name; none where it has no header."""
    if not header.exists():
        return {}
    found = re.finditer(r"^static inline \w+\s+(\w+)\(([^)]*)\)\s*\{.*?^\}\n", _text(header), re.MULTILINE | re.DOTALL)
    return {f[1]: Function(f[0], frozenset(re.findall(r"\*(\w+)", f[2]))) for f in found}


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def compiled(loop: Loop) -> Callable[..., None] | None:
    """(sizes, distances, threads, addresses of what is read and of tables, ends, addresses of the results) -> None.

    None where the march has no C function of one of the kernels, or nothing can be compiled here.
    """
    known = {*(read.kind for read in loop.reads), loop.result} <= set(TYPES)
    if not known or not set(loop.kernels) <= set(functions_of(loop.header)):
        return None
    built = library(loop.source())
    if built is None:
        return None
    run: Any = built.run
    pointers = len(loop.reads) + loop.tables
    run.argtypes = [*[ctypes.c_void_p] * 2, ctypes.c_int32, *[ctypes.c_void_p] * pointers]
    run.argtypes += [*[ctypes.c_int32] * loop.ends, *[ctypes.c_void_p] * (1 + loop.twins)]
    run.restype = None
    return run  # type: ignore[no-any-return]


def header_of(kernels: ModuleType) -> Path:
    """The C functions beside the torch kernels of a march."""
    return Path(str(kernels.__file__)).with_suffix(".h")
