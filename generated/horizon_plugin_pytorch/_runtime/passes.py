# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/passes.py
"""Passes over memory in C: fake quantization, its gradient, and observation.

In: a march, whose C text says how quotients are rounded and what scale a range has. Out: functions of a library that is built
when the first of them is needed; None where there is no compiler. What they do with tensors is the business of `one_pass`.
"""

import ctypes
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..kernels import load
from .native_build import library

_C = """
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 16384
#define PIECE 512
#define LANES 32
static const uint8_t ONES[LANES] = {[0 ... LANES - 1] = 1};

%(floats)s

/* One row: a run of elements that share a scale; values are clamped to floor .. ceiling before. Dividing and rounding keep the
   order of numbers, so that it is the same to clamp the integers. */
#define ROW(NAME, ROUND)                                                                                        \\
static void NAME(const float *x, float *y, uint8_t *inside, int64_t n, float scale, const float *ends)          \\
{                                                                                                               \\
    const float floor = ends[2], ceiling = ends[3], least = ROUND(floor / scale), most = ROUND(ceiling / scale); \\
    const float low = ends[0] < least ? least : ends[0] > most ? most : ends[0];                                \\
    const float high = ends[1] > most ? most : ends[1] < least ? least : ends[1];                               \\
    if (inside)                                                                                                 \\
        for (int64_t i = 0; i < n; i++) {                                                                       \\
            const float q = ROUND(x[i] / scale);                                                                \\
            const float raised = q < low ? low : q, kept = raised > high ? high : raised;                       \\
            inside[i] = (kept == q) & (x[i] > floor) & (x[i] < ceiling);                                        \\
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

typedef void row_function(const float *, float *, uint8_t *, int64_t, float, const float *);

/* `count` elements; each `inner` of them share a scale, and the scales repeat after `channels`. */
void fake_quantize(const float *x, float *y, uint8_t *inside, int64_t count, int64_t inner, const float *scale,
                   int64_t channels, int rounded_as, float low, float high, float floor, float ceiling, int threads)
{
    const float ends[] = {low, high, floor, ceiling};
    row_function *const row_of = rounded_as == 0 ? activation_row : rounded_as == 1 ? weight_row : weighted_row;
    const int64_t blocks = (count + BLOCK - 1) / BLOCK;
    #pragma omp parallel for num_threads(threads) schedule(static) if (blocks > 2 && threads > 1)
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t end = (block + 1) * BLOCK < count ? (block + 1) * BLOCK : count;
        for (int64_t i = block * BLOCK; i < end;) {
            const int64_t row = i / inner, stop = (row + 1) * inner < end ? (row + 1) * inner : end;
            row_of(x + i, y + i, inside ? inside + i : NULL, stop - i, scale[row %% channels], ends);
            i = stop;
        }
    }
}

/* The integers alone, of a range within int8; NaN is 0. */
void integers(const float *x, int8_t *y, int64_t rows, int64_t inner, const float *scale, int is_weight, float low,
              float high, int threads)
{
    #pragma omp parallel for num_threads(threads) schedule(static) if (rows * inner > 2 * BLOCK && threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        const float step = scale[row];
        for (int64_t i = row * inner; i < (row + 1) * inner; i++) {
            const float steps = x[i] / step, q = is_weight ? round_weight(steps) : round_activation(steps);
            const float raised = q < low ? low : q, kept = raised > high ? high : raised;
            y[i] = (int8_t)(kept == kept ? kept : 0);
        }
    }
}

/* The extremes of a run; `odd` is NaN where one of its values is NaN or infinite. */
#define RUN(NAME, PRAGMA)                                                                                       \\
static inline void NAME(const float *x, int64_t n, float *lowest, float *highest, float *odd, int threads)      \\
{                                                                                                               \\
    float lo = x[0], hi = x[0], sum = 0;                                                                        \\
    _Pragma(PRAGMA)                                                                                             \\
    for (int64_t i = 0; i < n; i++) {                                                                           \\
        const float v = x[i];                                                                                   \\
        lo = v < lo ? v : lo;                                                                                   \\
        hi = v > hi ? v : hi;                                                                                   \\
        sum += v - v;                                                                                           \\
    }                                                                                                           \\
    *lowest = lo, *highest = hi, *odd = sum;                                                                    \\
}
RUN(run_alone, "omp simd reduction(min:lo) reduction(max:hi) reduction(+:sum)")
RUN(run_together, "omp parallel for simd num_threads(threads) reduction(min:lo) reduction(max:hi) reduction(+:sum)")

typedef void run_function(const float *, int64_t, float *, float *, float *, int);

/* The smallest and the largest of a row; NaN where there is one. */
static inline void row_extremes(run_function run, const float *x, int64_t n, float *lowest, float *highest, int threads)
{
    float odd;
    run(x, n, lowest, highest, &odd, threads);
    for (int64_t i = 0; odd != odd && i < n; i++)
        if (x[i] != x[i])
            *lowest = *highest = NAN;
}

/* Those of each of `rows` rows of `inner` elements. Threads share one row or take several: a parallel region inside of
   another, even of one thread, would start its threads anew each time. */
void extremes(const float *x, float *lowest, float *highest, int64_t rows, int64_t inner, int threads)
{
    const int shared = threads > 1 && rows * inner > 2 * BLOCK;
    if (rows == 1) {
        row_extremes(shared ? run_together : run_alone, x, inner, lowest, highest, threads);
        return;
    }
    #pragma omp parallel for num_threads(threads) schedule(static) if (shared)
    for (int64_t row = 0; row < rows; row++)
        row_extremes(run_alone, x + row * inner, inner, lowest + row, highest + row, 1);
}

/* Extremes enter a moving average, whose range makes a scale: 1; or 0, and nothing happened, where one is not finite.
   `found` holds 2 * rows floats; `replaces`: the batch alone counts.
   Values count as clamped to floor .. ceiling. */
int observe(const float *x, int64_t rows, int64_t inner, float *found, float *lowest, float *highest, float *scale,
            int replaces, float constant, int64_t low, int64_t high, float floor, float ceiling, int threads)
{
    const bpu_dtype range = {.min = low, .max = high};
    float *const lo = found, *const hi = found + rows;
    extremes(x, lo, hi, rows, inner, threads);
    for (int64_t i = 0; i < rows; i++) {
        lo[i] = lo[i] < floor ? floor : lo[i] > ceiling ? ceiling : lo[i];
        hi[i] = hi[i] < floor ? floor : hi[i] > ceiling ? ceiling : hi[i];
        if (!isfinite(hi[i] - lo[i]))
            return 0;
    }
    for (int64_t i = 0; i < rows; i++) {
        if (replaces || constant > 0) {
            lowest[i] = replaces ? lo[i] : lowest[i] + constant * (lo[i] - lowest[i]);
            highest[i] = replaces ? hi[i] : highest[i] + constant * (hi[i] - highest[i]);
        }
        scale[i] = observer_scale(lowest[i], highest[i], range);
    }
    return 1;
}

/* The sum of squares that quantizing loses, each as often as `counts` says, or once; no more of it than exceeds `most`.
   Sorted values have what is clipped at their end, so there it begins. */
#define LOST(NAME, ROUND)                                                                                       \\
static double NAME(const float *x, const double *counts, int64_t n, float scale, float low, float high, double most) \\
{                                                                                                               \\
    const double area = (double)scale * scale;                                                                  \\
    double total = 0;                                                                                           \\
    for (int64_t end = n; end > 0 && !(total * area > most); end -= PIECE) {                                    \\
        const int64_t begin = end > PIECE ? end - PIECE : 0;                                                    \\
        double sum = 0;                                                                                         \\
        _Pragma("omp simd reduction(+:sum)")                                                                    \\
        for (int64_t i = begin; i < end; i++) {                                                                 \\
            const float steps = x[i] / scale, q = ROUND(steps);                                                 \\
            const float raised = q < low ? low : q, kept = raised > high ? high : raised, lost = kept - steps;  \\
            const float square = lost * lost;                                                                   \\
            sum += counts ? square * counts[i] : square;                                                        \\
        }                                                                                                       \\
        total += sum;                                                                                           \\
    }                                                                                                           \\
    return total * area;                                                                                        \\
}
LOST(lost_of_activation, round_activation)
LOST(lost_of_weight, round_weight)

/* The least error of each row is exact; a greater one may be given too small, but never as small as that. */
void squared_errors(const float *x, const double *counts, int64_t rows, int64_t inner, const float *scales,
                    int64_t ranges, double *errors, int is_weight, float low, float high, int threads)
{
    const int64_t shares = rows == 1 ? threads : 1; /* of the ranges, each with a least error of its own */
    #pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t part = 0; part < rows * shares; part++) {
        const int64_t row = part / shares;
        double least = INFINITY;
        for (int64_t i = part %% shares; i < ranges; i += shares) {
            double *const error = errors + i * rows + row;
            *error = (is_weight ? lost_of_weight : lost_of_activation)(x + row * inner, counts, inner,
                                                                       scales[i * rows + row], low, high, least);
            least = *error < least ? *error : least;
        }
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
_TYPES = {
    "integers": (*[_POINTER] * 2, _COUNT, _COUNT, _POINTER, _INT, _FLOAT, _FLOAT, _INT),
    "squared_errors": (*[_POINTER] * 2, _COUNT, _COUNT, _POINTER, _COUNT, _POINTER, _INT, _FLOAT, _FLOAT, _INT),
    "fake_quantize": (*[_POINTER] * 3, _COUNT, _COUNT, _POINTER, _COUNT, _INT, *[_FLOAT] * 4, _INT),
    "pass_inside": (*[_POINTER] * 3, _COUNT, _INT),
    "clear_outside": (*[_POINTER] * 2, _COUNT, _INT),
    "extremes": (*[_POINTER] * 3, _COUNT, _COUNT, _INT),
    "observe": (_POINTER, _COUNT, _COUNT, *[_POINTER] * 4, _INT, _FLOAT, _COUNT, _COUNT, _FLOAT, _FLOAT, _INT),
}


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
    return _C % {"floats": load(march).FLOATS_C}


@functools.cache
def _built(march: str, name: str) -> Callable[..., Any] | None:
    built = library(_source(march))
    if built is None:
        return None
    function: Any = getattr(built, name)
    function.argtypes, function.restype = _TYPES[name], _INT if name == "observe" else None
    return function  # type: ignore[no-any-return]


def compiled_pass(march: str, name: str) -> Callable[..., Any] | None:
    """A function of the library of a march; None where it cannot be built or is switched off."""
    return None if _SWITCH.off else _built(march, name)
