/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/range_search.h */
/*
 * Which fraction of a batch's range loses least when the batch is quantized. Before this text stand passes.h and histogram.h.
 */

struct search {
    const float *fractions; /* float32, the widest first */
    int64_t fraction_count;
    int64_t counted_from; /* batches of more elements are counted */
    int64_t bins_a_step;  /* of the widest step */
};

/* The middles of the bins that hold something, and how much: how many these are. */
static int64_t occupied(const int64_t *counts, int64_t bins, float lowest, float width, float *middles, double *weights)
{
    int64_t used = 0;
    for (int64_t i = 0; i < bins; i++)
        if (counts[i]) {
            middles[used] = lowest + ((float)i + 0.5f) * width;
            weights[used++] = (double)counts[i];
        }
    return used;
}

/* The errors of all fractions; values count as clamped to lowest .. highest. 0 when there is no memory. */
static int errors_of_counts(const float *x, int64_t n, float lowest, float highest, const struct search *how,
                            const float *scales, const bpu_dtype *range, double *errors, int threads)
{
    const double width = (double)scales[0] / how->bins_a_step;
    const int64_t bins = (int64_t)(((double)highest - lowest) / width) + 1;
    int64_t *const counts = calloc(bins, sizeof *counts);
    float *const middles = malloc(bins * sizeof *middles);
    double *const weights = malloc(bins * sizeof *weights);
    const int done = counts && middles && weights && count(x, n, 0, lowest, highest, width, bins, counts, threads);
    if (done) {
        const int64_t used = occupied(counts, bins, lowest, (float)width, middles, weights);
        squared_errors(middles, weights, 1, used, scales, how->fraction_count, errors, 0, range->min, range->max, threads);
    }
    free(counts);
    free(middles);
    free(weights);
    return done;
}

static int errors_of_values(const float *x, int64_t n, float lowest, float highest, const struct search *how,
                            const float *scales, const bpu_dtype *range, double *errors, int threads)
{
    float *const clamped = malloc(n * sizeof *clamped);
    for (int64_t i = 0; clamped && i < n; i++)
        clamped[i] = between(x[i], lowest, highest);
    if (clamped)
        squared_errors(clamped, NULL, 1, n, scales, how->fraction_count, errors, 0, range->min, range->max, threads);
    free(clamped);
    return clamped != NULL;
}

/* The best fraction of the range of a batch, clamped to floor .. ceiling, enters the average; of equal ones the smallest.
   0, and nothing happened, where the range is not finite or there is no memory. */
int search(const float *x, int64_t n, const struct search *how, const struct average *held, float floor, float ceiling,
           int threads)
{
    float lowest, highest;
    if (!finite_extremes(x, &lowest, &highest, 1, n, floor, ceiling, threads))
        return 0;
    float scales[how->fraction_count];
    double errors[how->fraction_count];
    for (int64_t i = 0; i < how->fraction_count; i++)
        scales[i] = observer_scale(how->fractions[i] * lowest, how->fractions[i] * highest, held->range);
    if (!(n > how->counted_from ? errors_of_counts : errors_of_values)(x, n, lowest, highest, how, scales, &held->range,
                                                                       errors, threads))
        return 0;
    int64_t best = 0;
    for (int64_t i = 1; i < how->fraction_count; i++)
        best = errors[i] <= errors[best] ? i : best;
    merge(held, 0, how->fractions[best] * lowest, how->fractions[best] * highest);
    return 1;
}
