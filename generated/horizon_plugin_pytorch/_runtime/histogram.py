# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/histogram.py
"""How many values of a tensor lie in each of some bins of one width: what observers search in instead of the tensor.

In: finite float32 values. Out: int64 counts. Which bin a value is in is decided in float64, in the same way by compiled
code, which takes a few times as long as copying the tensor, and by torch operations, which take ten times as long as that.
"""

import ctypes

import torch
from torch import Tensor

from .native_build import library
from .one_pass import is_dense, is_plain
from .passes import compiled_code_is_off

_C = """
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define BLOCK 4096
#define WAYS 4
#define PIECE 64
#define NEAR 1e-12 /* beyond the error of a quotient and a product, relative to the place */

static inline int32_t kept(double place, int64_t bins)
{
    place = place < 0 ? 0 : place;
    return (int32_t)(place > bins - 1 ? bins - 1 : place);
}

/* Which bins values are in. */
static void divided_places(const float *x, int begin, int end, int magnitudes, double lowest, double width,
                           int64_t bins, int32_t *bin)
{
    for (int i = begin; i < end; i++)
        bin[i] = kept(((double)(magnitudes ? fabsf(x[i]) : x[i]) - lowest) / width, bins);
}

/* The same by products, at a fraction of the time; not 0 where one is so near to the edge of a bin that it may be wrong. */
static int places(const float *x, int begin, int end, int magnitudes, double lowest, double inverse, int64_t bins,
                  int32_t *bin)
{
    int near = 0;
    for (int i = begin; i < end; i++) {
        const double over = (double)(magnitudes ? fabsf(x[i]) : x[i]) - lowest, place = over * inverse;
        near |= (fabs(place - rint(place)) <= NEAR * place) & (over != 0);
        bin[i] = kept(place, bins);
    }
    return near;
}

/* 0 when there is no memory. */
int count(const float *x, int64_t elements, int magnitudes, double lowest, double width, int64_t bins, int64_t *counts,
          int threads)
{
    const int64_t blocks = (elements + BLOCK - 1) / BLOCK;
    int failed = 0;
    #pragma omp parallel num_threads(threads) if (blocks > 8 && threads > 1)
    {
        int64_t *const own = calloc(WAYS * bins, sizeof *own); /* neighbours are often equal: each counts elsewhere */
        if (!own) {
            #pragma omp atomic write
            failed = 1;
        }
        #pragma omp for schedule(static)
        for (int64_t block = 0; block < blocks; block++) {
            const float *const first = x + block * BLOCK;
            const int n = elements - block * BLOCK < BLOCK ? (int)(elements - block * BLOCK) : BLOCK;
            int32_t bin[BLOCK];
            for (int i = 0; i < n; i += PIECE) {
                const int end = i + PIECE < n ? i + PIECE : n;
                if (places(first, i, end, magnitudes, lowest, 1 / width, bins, bin))
                    divided_places(first, i, end, magnitudes, lowest, width, bins, bin);
            }
            for (int i = 0; own && i < n; i++)
                own[i % WAYS * bins + bin[i]]++;
        }
        #pragma omp critical
        for (int way = 0; own && way < WAYS; way++)
            for (int64_t i = 0; i < bins; i++)
                counts[i] += own[way * bins + i];
        free(own);
    }
    return !failed;
}
"""


def counts_of(x: Tensor, lowest: float, width: float, bins: int, *, magnitudes: bool = False) -> Tensor:
    """How many values lie in each bin; values below the first bin count in it, and those beyond the last in that.

    Args:
        x: float32, finite, any shape.
        lowest: where the first bin starts.
        width: of a bin, positive.
        bins: how many, less than 2^31.
        magnitudes: count |x|.

    Returns:
        int64 [bins].
    """
    counted = _compiled(x, lowest, width, bins, magnitudes=magnitudes)
    if counted is not None:
        return counted
    values = (x.abs() if magnitudes else x).to(torch.float64).flatten()
    return torch.bincount(((values - lowest) / width).clamp_(0, bins - 1).to(torch.int64), minlength=bins)


def _compiled(x: Tensor, lowest: float, width: float, bins: int, *, magnitudes: bool) -> Tensor | None:
    if not is_plain(x) or x.dtype is not torch.float32 or not is_dense(x) or compiled_code_is_off():
        return None
    built = library(_C)
    if built is None:
        return None
    counts = torch.zeros(bins, dtype=torch.int64)
    place = (ctypes.c_double(lowest), ctypes.c_double(width), ctypes.c_int64(bins), ctypes.c_void_p(counts.data_ptr()))
    elements = (ctypes.c_void_p(x.data_ptr()), ctypes.c_int64(x.numel()), int(magnitudes))
    return counts if built.count(*elements, *place, torch.get_num_threads()) else None
