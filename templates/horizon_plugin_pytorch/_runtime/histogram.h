/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/histogram.h */
/*
 * How many values lie in each of some bins of one width; which bin a value is in is decided in float64.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define COUNTED 4096
#define WAYS 4
#define NEIGHBOURS 64
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

/* The same by products, at a fraction of the time; not 0 where one is so near to the edge of a bin that it may be wrong.
   Values at `lowest`, and from `highest` on, which are in the last bin, are known to be right. */
static int places(const float *x, int begin, int end, int magnitudes, double lowest, double highest, double inverse,
                  int64_t bins, int32_t *bin)
{
    const double span = highest - lowest;
    int near = 0;
    for (int i = begin; i < end; i++) {
        const double over = (double)(magnitudes ? fabsf(x[i]) : x[i]) - lowest, place = over * inverse;
        near |= (fabs(place - rint(place)) <= NEAR * place) & (over != 0) & (over < span);
        bin[i] = over < span ? kept(place, bins) : (int32_t)(bins - 1);
    }
    return near;
}

/* 0 when there is no memory. Values from `highest` on are known to be in the last bin. */
int count(const float *x, int64_t elements, int magnitudes, double lowest, double highest, double width, int64_t bins,
          int64_t *counts, int threads)
{
    const int64_t blocks = (elements + COUNTED - 1) / COUNTED;
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
            const float *const first = x + block * COUNTED;
            const int n = elements - block * COUNTED < COUNTED ? (int)(elements - block * COUNTED) : COUNTED;
            int32_t bin[COUNTED];
            for (int i = 0; i < n; i += NEIGHBOURS) {
                const int end = i + NEIGHBOURS < n ? i + NEIGHBOURS : n;
                if (places(first, i, end, magnitudes, lowest, highest, 1 / width, bins, bin))
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
