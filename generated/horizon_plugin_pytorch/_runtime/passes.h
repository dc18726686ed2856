/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/passes.h */
/*
 * Passes over float32 memory: fake quantization, its gradient, and observation. Before this text stand how the march rounds
 * quotients and what scale a range has.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 16384
#define PIECE 512
#define LANES 32
static const uint8_t ONES[LANES] = {[0 ... LANES - 1] = 1};

/* One row: a run of elements that share a scale; values are clamped to floor .. ceiling before. Dividing and rounding keep the
   order of numbers, so that it is the same to clamp the integers. */
#define ROW(NAME, ROUND)                                                                                        \
static void NAME(const float *x, float *y, uint8_t *inside, int64_t n, float scale, const float *ends)          \
{                                                                                                               \
    const float floor = ends[2], ceiling = ends[3], least = ROUND(floor / scale), most = ROUND(ceiling / scale); \
    const float low = ends[0] < least ? least : ends[0] > most ? most : ends[0];                                \
    const float high = ends[1] > most ? most : ends[1] < least ? least : ends[1];                               \
    if (inside)                                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                       \
            const float q = ROUND(x[i] / scale);                                                                \
            const float raised = q < low ? low : q, kept = raised > high ? high : raised;                       \
            inside[i] = (kept == q) & (x[i] > floor) & (x[i] < ceiling);                                        \
            y[i] = kept * scale;                                                                                \
        }                                                                                                       \
    else                                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                       \
            const float q = ROUND(x[i] / scale);                                                                \
            const float raised = q < low ? low : q, kept = raised > high ? high : raised;                       \
            y[i] = kept * scale;                                                                                \
        }                                                                                                       \
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
            row_of(x + i, y + i, inside ? inside + i : NULL, stop - i, scale[row % channels], ends);
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

/* The sum of |w| of each row. */
void magnitudes(const int8_t *w, int64_t *sums, int64_t rows, int64_t inner, int threads)
{
    #pragma omp parallel for num_threads(threads) schedule(static) if (rows * inner > 2 * BLOCK && threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        sums[row] = 0;
        for (int64_t first = 0; first < inner; first += BLOCK) {
            const int8_t *const part = w + row * inner + first;
            const int64_t count = inner - first < BLOCK ? inner - first : BLOCK;
            int32_t sum = 0;
            for (int64_t i = 0; i < count; i++)
                sum += part[i] < 0 ? -part[i] : part[i];
            sums[row] += sum;
        }
    }
}

/* The extremes of a run; `odd` is NaN where one of its values is NaN or infinite. */
#define RUN(NAME, PRAGMA)                                                                                       \
static inline void NAME(const float *x, int64_t n, float *lowest, float *highest, float *odd, int threads)      \
{                                                                                                               \
    float lo = x[0], hi = x[0], sum = 0;                                                                        \
    _Pragma(PRAGMA)                                                                                             \
    for (int64_t i = 0; i < n; i++) {                                                                           \
        const float v = x[i];                                                                                   \
        lo = v < lo ? v : lo;                                                                                   \
        hi = v > hi ? v : hi;                                                                                   \
        sum += v - v;                                                                                           \
    }                                                                                                           \
    *lowest = lo, *highest = hi, *odd = sum;                                                                    \
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

/* A range enters a moving average, which makes a scale; `replaces`: the range alone counts. */
struct average {
    float *lowest, *highest, *scale;
    float constant;
    int replaces;
    bpu_dtype range;
};

/* Whether anything moved. */
static inline int merge(const struct average *held, int64_t i, float low, float high)
{
    const float before[] = {held->lowest[i], held->highest[i], held->scale[i]};
    if (held->replaces || held->constant > 0) {
        held->lowest[i] = held->replaces ? low : held->lowest[i] + held->constant * (low - held->lowest[i]);
        held->highest[i] = held->replaces ? high : held->highest[i] + held->constant * (high - held->highest[i]);
    }
    held->scale[i] = observer_scale(held->lowest[i], held->highest[i], held->range);
    return before[0] != held->lowest[i] || before[1] != held->highest[i] || before[2] != held->scale[i];
}

static inline float between(float x, float floor, float ceiling)
{
    return x < floor ? floor : x > ceiling ? ceiling : x;
}

/* The extremes of each row, of values clamped to floor .. ceiling; 0 where those of one are not finite. */
static int finite_extremes(const float *x, float *lowest, float *highest, int64_t rows, int64_t inner, float floor,
                           float ceiling, int threads)
{
    int finite = 1;
    extremes(x, lowest, highest, rows, inner, threads);
    for (int64_t i = 0; i < rows; i++) {
        lowest[i] = between(lowest[i], floor, ceiling);
        highest[i] = between(highest[i], floor, ceiling);
        finite &= isfinite(highest[i] - lowest[i]) != 0;
    }
    return finite;
}

/* Extremes enter the average: 2 where that moved it, else 1; or 0, and nothing happened, where one is not finite. `found` holds
   2 * rows floats. */
int observe(const float *x, int64_t rows, int64_t inner, float *found, const struct average *held, float floor,
            float ceiling, int threads)
{
    float *const lo = found, *const hi = found + rows;
    if (!finite_extremes(x, lo, hi, rows, inner, floor, ceiling, threads))
        return 0;
    int moved = 0;
    for (int64_t i = 0; i < rows; i++)
        moved |= merge(held, i, lo[i], hi[i]);
    return 1 + moved;
}

/* The same of one row, which is clamped along with it. */
#define CLAMP(NAME, PRAGMA)                                                                                     \
static int NAME(float *x, int64_t n, float *found, float floor, float ceiling, int threads)                     \
{                                                                                                               \
    float lo = x[0], hi = x[0];                                                                                 \
    int odd = 0;                                                                                                \
    (void)threads;                                                                                              \
    _Pragma(PRAGMA)                                                                                             \
    for (int64_t i = 0; i < n; i++) {                                                                           \
        const float v = x[i];                                                                                   \
        lo = v < lo ? v : lo;                                                                                   \
        hi = v > hi ? v : hi;                                                                                   \
        odd |= v != v;                                                                                          \
        x[i] = between(v, floor, ceiling);                                                                      \
    }                                                                                                           \
    found[0] = between(lo, floor, ceiling), found[1] = between(hi, floor, ceiling);                             \
    return !odd && isfinite(found[1] - found[0]);                                                               \
}
CLAMP(clamp_alone, "omp simd reduction(min:lo) reduction(max:hi) reduction(|:odd)")
CLAMP(clamp_together, "omp parallel for simd num_threads(threads) reduction(min:lo) reduction(max:hi) reduction(|:odd)")

int observe_and_clamp(float *x, int64_t n, const struct average *held, float floor, float ceiling, int threads)
{
    float found[2];
    if (!(threads > 1 && n > 2 * BLOCK ? clamp_together : clamp_alone)(x, n, found, floor, ceiling, threads))
        return 0;
    return 1 + merge(held, 0, found[0], found[1]);
}

/* Extremes enter the average, and values go to the grid that follows: not 0, or 0 and nothing was observed. A row is read while
   it lies in the processor's cache, so what was held is kept in `found`, 5 * rows floats, until all are known to be finite. */
int observe_and_fake_quantize(const float *x, float *y, uint8_t *inside, int64_t rows, int64_t inner, float *found,
                              const struct average *held, int rounded_as, float floor, float ceiling, int threads)
{
    const float low = held->range.min, high = held->range.max;
    if (rows == 1) {
        if (!observe(x, 1, inner, found, held, floor, ceiling, threads))
            return 0;
        fake_quantize(x, y, inside, inner, inner, held->scale, 1, rounded_as, low, high, floor, ceiling, threads);
        return 1;
    }
    const size_t size = rows * sizeof *found;
    const float ends[] = {low, high, floor, ceiling};
    float *const before[] = {held->lowest, held->highest, held->scale};
    row_function *const row_of = rounded_as == 0 ? activation_row : rounded_as == 1 ? weight_row : weighted_row;
    int finite = 1;
    for (int i = 0; i < 3; i++)
        memcpy(found + (2 + i) * rows, before[i], size);
    #pragma omp parallel for num_threads(threads) schedule(static) reduction(& : finite) \
        if (threads > 1 && rows * inner > 2 * BLOCK)
    for (int64_t i = 0; i < rows; i++) {
        const float *const row = x + i * inner;
        finite &= finite_extremes(row, found + i, found + rows + i, 1, inner, floor, ceiling, 1);
        merge(held, i, found[i], found[rows + i]);
        row_of(row, y + i * inner, inside ? inside + i * inner : NULL, inner, held->scale[i], ends);
    }
    for (int i = 0; i < 3 && !finite; i++)
        memcpy(before[i], found + (2 + i) * rows, size);
    return finite;
}

/* The sum of squares that quantizing loses, each as often as `counts` says, or once; no more of it than exceeds `most`.
   Sorted values have what is clipped at their end, so there it begins. */
#define LOST(NAME, ROUND)                                                                                       \
static double NAME(const float *x, const double *counts, int64_t n, float scale, float low, float high, double most) \
{                                                                                                               \
    const double area = (double)scale * scale;                                                                  \
    double total = 0;                                                                                           \
    for (int64_t end = n; end > 0 && !(total * area > most); end -= PIECE) {                                    \
        const int64_t begin = end > PIECE ? end - PIECE : 0;                                                    \
        double sum = 0;                                                                                         \
        _Pragma("omp simd reduction(+:sum)")                                                                    \
        for (int64_t i = begin; i < end; i++) {                                                                 \
            const float steps = x[i] / scale, q = ROUND(steps);                                                 \
            const float raised = q < low ? low : q, kept = raised > high ? high : raised, lost = kept - steps;  \
            const float square = lost * lost;                                                                   \
            sum += counts ? square * counts[i] : square;                                                        \
        }                                                                                                       \
        total += sum;                                                                                           \
    }                                                                                                           \
    return total * area;                                                                                        \
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
        for (int64_t i = part % shares; i < ranges; i += shares) {
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
