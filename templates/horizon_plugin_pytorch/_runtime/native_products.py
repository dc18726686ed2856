# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_products.py
"""Products of matrices of features in one compiled pass: 16-bit products, exact sums, the march's formula, one store.

In: int8 or int16 matrices with as many before them as there are batches, and a kernel of the sums. Out: its integers. The
kernel is the C function that the march's formula became; sums are words of 64 bits, for which it is proved.
"""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .dtype import QuantDType
from .exact import may_choose
from .interval import INT32
from .native_build import library
from .native_loop import TYPES, functions_of, header_of

_NARROW = (torch.int8, torch.int16)
_MATRIX, _MOST_BATCHES = 2, 2


class _Shape(ctypes.Structure):
    """`shape` of products.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("rows", "columns", "depth", "run")),
        *((name, ctypes.c_int64 * 2) for name in ("x", "y", "batches", "x_batch", "y_batch")),
    )


@dataclass(frozen=True, slots=True)
class NativeProduct:
    """A matrix product of features with a kernel of its sums; call it with integers of the types that it was made for.

    Attributes:
        run: the compiled loop.
        kinds: the types of the operands.
        params: the derived integers of the kernel.
        output: dtype of the result.
        pairs: how many pairs of products int32 adds up.
        proof: why it is exact.
    """

    run: Callable[..., int]
    kinds: tuple[torch.dtype, ...]
    params: tuple[int, ...]
    output: QuantDType
    pairs: int
    proof: str

    @classmethod
    def prove(
        cls,
        kernel: tuple[ModuleType, str],
        params: Any,
        output: QuantDType,
        operands: tuple[tuple[QuantDType, int], ...],
    ) -> "NativeProduct | None":
        """None where int32 holds not even two products, or nothing can be compiled.

        Args:
            kernel: the kernels of a march, and the name of that behind the sums.
            params: its derived integers.
            output: dtype of the result.
            operands: of each operand its dtype and its largest magnitude.
        """
        kinds = tuple(dtype.storage for dtype, _ in operands)
        largest = operands[0][1] * operands[1][1]
        pairs = INT32.max // (2 * largest)
        if not pairs or not {*kinds} <= set(_NARROW) or any(p.numel() > 1 for p in params):
            return None
        run = _compiled(header_of(kernel[0]), kernel[1], len(params), (*kinds, output.storage))
        proof = f"products in one pass: {2 * pairs} * {largest} = {2 * pairs * largest} < 2**31, then int64"
        return None if run is None else cls(run, kinds, tuple(map(int, params)), output, pairs, proof)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor | None:
        """The kernel of the sums of [..., rows, depth] @ [..., depth, columns]; None where there is no code for them."""
        if (x.dtype, y.dtype) != self.kinds or not _is_plain(x) or not _is_plain(y):
            return None
        batches: tuple[int, ...] = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])  # type: ignore[no-untyped-call]
        shape = (*batches, x.shape[-2], y.shape[-1])
        if len(batches) > _MOST_BATCHES or 0 in (*shape, x.shape[-1]):
            return None
        x, y = x.expand(*batches, *x.shape[-2:]), y.expand(*batches, *y.shape[-2:])
        missing = _MOST_BATCHES - len(batches)
        how = _Shape(*shape[-2:], x.shape[-1], self.pairs)
        how.x, how.y, how.batches = x.stride()[-2:], y.stride()[-2:], ((1,) * missing + batches)
        how.x_batch, how.y_batch = ((0,) * missing + z.stride()[:-2] for z in (x, y))
        out = torch.empty(shape, dtype=self.output.storage)
        read = (ctypes.byref(how), x.data_ptr(), y.data_ptr(), out.data_ptr(), torch.get_num_threads())
        return None if self.run(*read, *self.params, self.output.min, self.output.max) else out


def _is_plain(x: Tensor) -> bool:
    return x.is_cpu and x.dim() >= _MATRIX and may_choose(x)


@functools.cache
def _compiled(header: Path, name: str, params: int, kinds: tuple[torch.dtype, ...]) -> Callable[..., int] | None:
    function = functions_of(header).get(name)
    if function is None:
        return None
    names = [f"p{i}" for i in range(params + 2)]
    parts = (header.with_name("elements.h"), Path(__file__).with_name("products.h"))
    elements, loops = (path.read_text(encoding="utf-8") for path in parts)
    lines = (
        *("#define WORD_BITS 64", elements, function.text),
        *(f"typedef {TYPES[kind]} {role};" for kind, role in zip(kinds, ("left", "right", "result"), strict=True)),
        f"#define ARGUMENTS , {', '.join(f'bpu_word {argument}' for argument in names)}",
        f"#define PASSED , {', '.join(names)}",
        f"#define FINISH(sum) {name}(sum, {', '.join(names)})",
    )
    built = library("\n".join((*lines, loops)))
    if built is None:
        return None
    run: Any = built.run
    run.argtypes = (*[ctypes.c_void_p] * 4, ctypes.c_int, *[ctypes.c_int64] * (params + 2))
    run.restype = ctypes.c_int
    return run  # type: ignore[no-any-return]
