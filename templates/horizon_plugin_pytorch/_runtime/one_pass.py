# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/one_pass.py
"""Fake quantization in one pass over memory: divide, round, saturate, multiply, and note what was saturated.

In: float32 tensors on the CPU and their scales. Out: the very values and masks that the same operations of torch give.
How quotients are rounded is the march's C text; what is here goes through memory. `None` instead of a result means that
there is no compiled code for these tensors, and the caller uses torch operations.
"""

import ctypes
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..kernels import load
from .native_build import library
from .recording import is_recorded

_C = """
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 16384
#define LANES 32
static const uint8_t ONES[LANES] = {[0 ... LANES - 1] = 1};

%(rounding)s

/* One row: a run of elements that share a scale. */
#define ROW(NAME, ROUND)                                                                                        \\
static void NAME(const float *x, float *y, uint8_t *inside, int64_t n, float scale, float low, float high)      \\
{                                                                                                               \\
    if (inside)                                                                                                 \\
        for (int64_t i = 0; i < n; i++) {                                                                       \\
            const float q = ROUND(x[i] / scale);                                                                \\
            const float raised = q < low ? low : q, kept = raised > high ? high : raised;                       \\
            inside[i] = kept == q;                                                                              \\
            y[i] = kept * scale;                                                                                \\
        }                                                                                                       \\
    else                                                                                                        \\
        for (int64_t i = 0; i < n; i++) {                                                                       \\
            const float q = ROUND(x[i] / scale);                                                                \\
            const float raised = q < low ? low : q, kept = raised > high ? high : raised;                       \\
            y[i] = kept * scale;                                                                                \\
        }                                                                                                       \\
}
ROW(activation_row, round_activation)
ROW(weight_row, round_weight)
ROW(weighted_row, round_weighted)

typedef void row_function(const float *, float *, uint8_t *, int64_t, float, float, float);

/* `count` elements; each `inner` of them share a scale, and the scales repeat after `channels`. */
void fake_quantize(const float *x, float *y, uint8_t *inside, int64_t count, int64_t inner, const float *scale,
                   int64_t channels, int rounded_as, float low, float high, int threads)
{
    row_function *const row_of = rounded_as == 0 ? activation_row : rounded_as == 1 ? weight_row : weighted_row;
    const int64_t blocks = (count + BLOCK - 1) / BLOCK;
    #pragma omp parallel for num_threads(threads) schedule(static) if (blocks > 2 && threads > 1)
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t end = (block + 1) * BLOCK < count ? (block + 1) * BLOCK : count;
        for (int64_t i = block * BLOCK; i < end;) {
            const int64_t row = i / inner, stop = (row + 1) * inner < end ? (row + 1) * inner : end;
            row_of(x + i, y + i, inside ? inside + i : NULL, stop - i, scale[row %% channels], low, high);
            i = stop;
        }
    }
}

/* The smallest and the largest of each of `rows` rows of `inner` elements; NaN where there is one. */
void extremes(const float *x, float *lowest, float *highest, int64_t rows, int64_t inner, int threads)
{
    #pragma omp parallel for num_threads(threads) schedule(static) if (rows * inner > 2 * BLOCK && threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        const float *const first = x + row * inner;
        float lo[LANES], hi[LANES];
        int nan[LANES] = {0};
        int64_t i = 0;
        for (int j = 0; j < LANES; j++)
            lo[j] = hi[j] = first[0];
        for (; i + LANES <= inner; i += LANES)
            for (int j = 0; j < LANES; j++) {
                const float v = first[i + j];
                lo[j] = v < lo[j] ? v : lo[j];
                hi[j] = v > hi[j] ? v : hi[j];
                nan[j] |= v != v;
            }
        for (int j = 0; i + j < inner; j++) {
            const float v = first[i + j];
            lo[j] = v < lo[j] ? v : lo[j];
            hi[j] = v > hi[j] ? v : hi[j];
            nan[j] |= v != v;
        }
        for (int j = 1; j < LANES; j++) {
            lo[0] = lo[j] < lo[0] ? lo[j] : lo[0];
            hi[0] = hi[j] > hi[0] ? hi[j] : hi[0];
            nan[0] |= nan[j];
        }
        lowest[row] = nan[0] ? NAN : lo[0];
        highest[row] = nan[0] ? NAN : hi[0];
    }
}

/* The gradient where the mask is not 0. */
void pass_inside(const float *gradient, const uint8_t *inside, float *out, int64_t count, int threads)
{
    const int64_t blocks = (count + BLOCK - 1) / BLOCK;
    #pragma omp parallel for num_threads(threads) schedule(static) if (blocks > 2 && threads > 1)
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t end = (block + 1) * BLOCK < count ? (block + 1) * BLOCK : count;
        for (int64_t i = block * BLOCK; i < end; i++)
            out[i] = inside[i] ? gradient[i] : 0.0f;
    }
}

/* The same in place, for masks with few zeros. */
void clear_outside(float *gradient, const uint8_t *inside, int64_t count, int threads)
{
    const int64_t blocks = (count + BLOCK - 1) / BLOCK;
    #pragma omp parallel for num_threads(threads) schedule(static) if (blocks > 2 && threads > 1)
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t end = (block + 1) * BLOCK < count ? (block + 1) * BLOCK : count;
        int64_t i = block * BLOCK;
        for (; i + LANES <= end; i += LANES)
            if (memcmp(inside + i, ONES, LANES))
                for (int j = 0; j < LANES; j++)
                    gradient[i + j] = inside[i + j] ? gradient[i + j] : 0.0f;
        for (; i < end; i++)
            gradient[i] = inside[i] ? gradient[i] : 0.0f;
    }
}
"""

_POINTER, _COUNT, _FLOAT, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int
_FORWARD = (*[_POINTER] * 3, _COUNT, _COUNT, _POINTER, _COUNT, _INT, _FLOAT, _FLOAT, _INT)
_BACKWARD = (*[_POINTER] * 3, _COUNT, _INT)
_CLEAR = (*[_POINTER] * 2, _COUNT, _INT)
_EXTREMES = (*[_POINTER] * 3, _COUNT, _COUNT, _INT)
_ROUNDED_AS = ("activation", "weight", "weighted")


class _Switch(threading.local):
    off = False


_SWITCH = _Switch()


@contextmanager
def torch_operations_only() -> Iterator[None]:
    """Compute without compiled code, as where there is no compiler: what it is tested against."""
    before, _SWITCH.off = _SWITCH.off, True
    try:
        yield
    finally:
        _SWITCH.off = before


def compiled_code_is_off() -> bool:
    """Whether this is inside of `torch_operations_only`."""
    return _SWITCH.off


@functools.cache
def _source(march: str) -> str:
    return _C % {"rounding": load(march).ROUNDING_C}


def _function(march: str, name: str, types: tuple[Any, ...]) -> Callable[..., None] | None:
    built = None if _SWITCH.off else library(_source(march))
    if built is None:
        return None
    function: Any = getattr(built, name)
    if function.argtypes is None:
        function.argtypes, function.restype = types, None
    return function  # type: ignore[no-any-return]


def grid_values(
    x: Tensor,
    scale: Tensor,
    axis: int,
    bounds: tuple[int, int],
    rounding: tuple[str, str],
    *,
    mask: bool,
    overwrite: bool,
) -> tuple[Tensor, Tensor | None] | None:
    """clamp(R(x / scale), bounds) * scale, and where it was not saturated.

    Args:
        x: float32.
        scale: float32, one element, or one for each channel of `axis`.
        axis: the channels' dimension; -1: one scale for all.
        bounds: the smallest and the largest integer.
        rounding: R, as the march of this name rounds these quotients: "activation", "weight" or "weighted".
        mask: whether the mask is wanted.
        overwrite: whether the values may be written into `x`.

    Returns:
        Values, float32, and mask, uint8 of 0 and 1, in the memory layout of `x`; None when there is no code for this.
    """
    if not (is_plain(x) and is_plain(scale)) or x.dtype is not torch.float32 or not scale.is_contiguous():
        return None
    inner, (march, rounded_as) = _elements_per_scale(x, axis), rounding
    function = _function(march, "fake_quantize", _FORWARD) if inner else None
    if function is None:
        return None
    values = x if overwrite else torch.empty_like(x)
    inside = torch.empty_like(x, dtype=torch.uint8) if mask else None
    pointers = x.data_ptr(), values.data_ptr(), None if inside is None else inside.data_ptr()
    how = _ROUNDED_AS.index(rounded_as), *bounds, torch.get_num_threads()
    function(*pointers, x.numel(), inner, scale.data_ptr(), scale.numel(), *how)
    return values, inside


def extremes(x: Tensor, march: str) -> tuple[Tensor, Tensor] | None:
    """(smallest, largest) of each row of a float32 matrix, NaN where there is one; None when there is no code for it."""
    if not is_plain(x) or x.dtype is not torch.float32 or not x.is_contiguous() or not x.numel():
        return None
    function = _function(march, "extremes", _EXTREMES)
    if function is None:
        return None
    lowest, highest = torch.empty(2, len(x)).unbind()
    rows, inner = x.shape
    function(x.data_ptr(), lowest.data_ptr(), highest.data_ptr(), rows, inner, torch.get_num_threads())
    return lowest, highest


def gradient_inside(gradient: Tensor, inside: Tensor, march: str, *, in_place: bool) -> Tensor | None:
    """The gradient where the mask is 1, else 0; None when there is no code for these tensors."""
    if not is_plain(gradient) or gradient.dtype is not torch.float32 or gradient.stride() != inside.stride():
        return None
    if not is_dense(gradient) or (torch.is_grad_enabled() and gradient.requires_grad):
        return None
    function = _function(march, *(("clear_outside", _CLEAR) if in_place else ("pass_inside", _BACKWARD)))
    if function is None:
        return None
    if in_place:
        function(gradient.data_ptr(), inside.data_ptr(), gradient.numel(), torch.get_num_threads())
        return gradient
    out = torch.empty_like(gradient)
    pointers = gradient.data_ptr(), inside.data_ptr(), out.data_ptr()
    function(*pointers, gradient.numel(), torch.get_num_threads())
    return out


def is_plain(x: Tensor) -> bool:
    """Whether a tensor is memory of this process and nothing records or replaces what is done with it."""
    if type(x) is not Tensor and type(x) is not torch.nn.Parameter:
        return False
    return x.device.type == "cpu" and not is_recorded() and not torch._C._functorch.is_functorch_wrapped_tensor(x)


def _elements_per_scale(x: Tensor, axis: int) -> int:
    """How many neighbours in memory share a scale; 0 when the channels do not lie in memory in their order."""
    if not is_dense(x):
        return 0
    if axis < 0:
        return x.numel()
    if axis == 0 and x.dim() > 0 and x.stride(0) * x.shape[0] == x.numel():
        return x.stride(0)
    return x.shape[axis + 1 :].numel() if x.is_contiguous() else 0


def is_dense(x: Tensor) -> bool:
    """Whether the elements fill their memory without gaps or repetitions, in whatever order."""
    if x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):  # noqa: PLR2004 - NCHW
        return True
    return bool(torch.ops.aten.is_non_overlapping_and_dense(x))
