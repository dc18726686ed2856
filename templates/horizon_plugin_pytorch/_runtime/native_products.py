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
from .native_build import library
from .native_loop import TYPES, functions_of, header_of

_NARROW = (torch.int8, torch.int16)
_MATRIX, _MOST_BATCHES = 2, 2
_INT32 = 1 << 31


class _Shape(ctypes.Structure):
    """`shape` of products.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("rows", "columns", "depth", "run")),
        *((name, ctypes.c_int64 * 2) for name in ("x", "y", "batches", "x_batch", "y_batch")),
    )


@dataclass(frozen=True, slots=True)
class Finish:
    """A kernel of sums, its derived integers (one for all channels each) and the dtype of the result."""

    kernels: ModuleType
    name: str
    params: Any
    output: QuantDType


def product(x: Tensor, y: Tensor, bounds: tuple[int, int], finish: Finish) -> Tensor | None:
    """The kernel of the sums of x @ y; None where there is no code for these operands.

    Args:
        x: integers [..., rows, depth].
        y: integers [..., depth, columns].
        bounds: the largest magnitude in each.
        finish: the kernel behind the sums.
    """
    pairs = (_INT32 - 1) // (2 * bounds[0] * bounds[1])
    if not pairs or not all(_is_taken(z) for z in (x, y)) or any(p.numel() > 1 for p in finish.params):
        return None
    batches = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])  # type: ignore[no-untyped-call]
    shape = (*batches, x.shape[-2], y.shape[-1])
    run = None
    if len(batches) <= _MOST_BATCHES and 0 not in (*shape, x.shape[-1]):
        run = _compiled(
            header_of(finish.kernels), finish.name, len(finish.params), (x.dtype, y.dtype, finish.output.storage)
        )
    if run is None:
        return None
    x, y = x.expand(*batches, *x.shape[-2:]), y.expand(*batches, *y.shape[-2:])
    around = (1,) * (_MOST_BATCHES - len(batches))
    how = _Shape(*shape[-2:], x.shape[-1], pairs)
    how.x, how.y, how.batches = x.stride()[-2:], y.stride()[-2:], (*around, *batches)
    how.x_batch, how.y_batch = ((*(0 for _ in around), *z.stride()[:-2]) for z in (x, y))
    out = torch.empty(shape, dtype=finish.output.storage)
    read = (ctypes.byref(how), x.data_ptr(), y.data_ptr(), out.data_ptr(), torch.get_num_threads())
    failed = run(*read, *(int(p) for p in finish.params), finish.output.min, finish.output.max)
    return None if failed else out


def _is_taken(x: Tensor) -> bool:
    return x.is_cpu and x.dtype in _NARROW and x.dim() >= _MATRIX and may_choose(x)


@functools.cache
def _compiled(header: Path, name: str, params: int, kinds: tuple[torch.dtype, ...]) -> Callable[..., int] | None:
    function = functions_of(header).get(name)
    if function is None:
        return None
    arguments = [f"bpu_word p{i}" for i in range(params + 2)]
    passed = ", ".join(f"p{i}" for i in range(params + 2))
    types = (f"typedef {TYPES[kind]} {role};" for kind, role in zip(kinds, ("left", "right", "result"), strict=True))
    built = library(
        "\n".join(
            (
                "#define WORD_BITS 64",
                header.with_name("elements.h").read_text(encoding="utf-8"),
                function.text,
                *types,
                f"#define ARGUMENTS , {', '.join(arguments)}",
                f"#define PASSED , {passed}",
                f"#define FINISH(sum) {name}(sum, {passed})",
                Path(__file__).with_name("products.h").read_text(encoding="utf-8"),
            )
        )
    )
    if built is None:
        return None
    run: Any = built.run
    run.argtypes = (*[ctypes.c_void_p] * 4, ctypes.c_int, *[ctypes.c_int64] * (params + 2))
    run.restype = ctypes.c_int
    return run  # type: ignore[no-any-return]
