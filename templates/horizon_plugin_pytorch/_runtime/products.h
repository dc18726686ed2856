/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/products.h */
/*
 * Products of matrices of integers, one batch of them, and the march's formula behind each sum: x [rows][depth], y [depth]
 * [columns] -> [rows][columns]. Both operands are packed as pairs of int16 along the depth. Sums of RUN pairs are proved to stay
 * in int32; they are added up as words. Before this text stand the types `left`, `right` and `result`, the formula `FINISH(sum)`
 * and its ARGUMENTS.
 */
#include <stdlib.h>
#include <string.h>
#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && !defined(PORTABLE)
#define VNNI
#include <immintrin.h>
#endif

#define LANES 16
#define ROWS 6
#define VECTORS 4
#define COLUMNS (VECTORS * LANES)
#define CEIL(a, b) (((a) + (b)-1) / (b))

typedef struct {
    int64_t rows, columns, depth, run;    /* `run`: pairs whose products int32 holds */
    int64_t x[2], y[2], batches[2];       /* distances of row and column; how many matrices */
    int64_t x_batch[2], y_batch[2];       /* distances of matrices */
} shape;

/* Two rows of a panel of columns, element by element by turns; the second one may lack. */
static inline void weave(const right *even, const right *odd, int64_t step, int64_t count, int16_t *restrict to)
{
    for (int64_t j = 0; j < count; ++j) {
        to[2 * j] = even[j * step];
        to[2 * j + 1] = odd ? odd[j * step] : 0;
    }
}

static void pack_left(const shape *s, const left *x, int16_t *restrict to, int64_t pairs)
{
    const int64_t rows = CEIL(s->rows, ROWS) * ROWS, row = s->x[0], step = s->x[1];
    for (int64_t i = 0; i < s->rows; ++i, to += 2 * pairs) {
        if (step == 1)
            for (int64_t k = 0; k < s->depth; ++k)
                to[k] = x[i * row + k];
        else
            for (int64_t k = 0; k < s->depth; ++k)
                to[k] = x[i * row + k * step];
        if (s->depth % 2)
            to[s->depth] = 0;
    }
    memset(to, 0, (size_t)((rows - s->rows) * 2 * pairs) * sizeof *to);
}

/* [columns / 16][pairs][16][2]. */
static void pack_right(const shape *s, const right *y, int16_t *restrict to, int64_t pairs)
{
    for (int64_t column = 0; column < CEIL(s->columns, COLUMNS) * COLUMNS; column += LANES) {
        const int64_t left_over = s->columns - column, count = left_over < LANES ? left_over : LANES;
        for (int64_t k = 0; k < s->depth; k += 2, to += 2 * LANES) {
            if (count < LANES)
                memset(to, 0, 2 * LANES * sizeof *to);
            if (count <= 0)
                continue;
            const right *const even = y + k * s->y[0] + column * s->y[1], *const odd = k + 1 < s->depth ? even + s->y[0] : NULL;
            if (s->y[1] == 1 && count == LANES)
                weave(even, odd, 1, LANES, to);
            else
                weave(even, odd, s->y[1], count, to);
        }
    }
}

/* Sums of the pairs `begin` to `end`, of ROWS by COLUMNS. */
static void add_pairs(const int16_t *x, const int16_t *y, int64_t pairs, int64_t begin, int64_t end,
                      int32_t sums[ROWS][COLUMNS])
{
#ifdef VNNI
    __m512i sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; ++v)
            sum[r][v] = _mm512_setzero_si512();
    for (int64_t k = begin; k < end; ++k)
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
            int32_t pair;
            memcpy(&pair, x + (r * pairs + k) * 2, sizeof pair);
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; ++v)
                sum[r][v] = _mm512_dpwssd_epi32(sum[r][v], _mm512_set1_epi32(pair),
                                                _mm512_loadu_si512(y + (v * pairs + k) * LANES * 2));
        }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; ++v)
            _mm512_storeu_si512(&sums[r][v * LANES], sum[r][v]);
#else
    memset(sums, 0, sizeof(int32_t) * ROWS * COLUMNS);
    for (int v = 0; v < VECTORS; ++v)
        for (int64_t k = begin; k < end; ++k)
            for (int r = 0; r < ROWS; ++r) {
                const int32_t even = x[(r * pairs + k) * 2], odd = x[(r * pairs + k) * 2 + 1];
                const int16_t *const two = y + (v * pairs + k) * LANES * 2;
                for (int j = 0; j < LANES; ++j)
                    sums[r][v * LANES + j] += even * two[2 * j] + odd * two[2 * j + 1];
            }
#endif
}

/* Rows from `row`, columns from `column` of one product. */
static void tile(const shape *s, const int16_t *x, const int16_t *y, int64_t pairs, int64_t row, int64_t column,
                 result *out ARGUMENTS)
{
    int32_t sums[ROWS][COLUMNS];
    bpu_word total[ROWS][COLUMNS] = {0};
    for (int64_t begin = 0; begin < pairs; begin += s->run) {
        add_pairs(x, y, pairs, begin, begin + s->run < pairs ? begin + s->run : pairs, sums);
        for (int r = 0; r < ROWS; ++r)
            for (int j = 0; j < COLUMNS; ++j)
                total[r][j] += sums[r][j];
    }
    const int64_t count = s->columns - column < COLUMNS ? s->columns - column : COLUMNS;
    for (int64_t r = 0; r < ROWS && row + r < s->rows; ++r)
        for (int64_t j = 0; j < count; ++j)
            out[(row + r) * s->columns + column + j] = (result)FINISH(total[r][j]);
}

/* 0, or 1 where memory lacks. */
int run(const shape *s, const left *x, const right *y, result *out, int threads ARGUMENTS)
{
    const int64_t pairs = CEIL(s->depth, 2), count = s->batches[0] * s->batches[1];
    const int64_t x_size = CEIL(s->rows, ROWS) * ROWS * pairs * 2, y_size = CEIL(s->columns, COLUMNS) * COLUMNS * pairs * 2;
    int16_t *const memory = malloc((size_t)(count * (x_size + y_size)) * sizeof(int16_t));
    if (!memory)
        return 1;
    int16_t *const xs = memory, *const ys = memory + count * x_size;
    const int64_t tiles = CEIL(s->rows, ROWS), panels = CEIL(s->columns, COLUMNS);
#pragma omp parallel num_threads(threads) if (threads > 1 && count * s->rows * s->columns * pairs > 65536)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < count; ++i) {
            const int64_t a = i / s->batches[1], b = i % s->batches[1];
            pack_left(s, x + a * s->x_batch[0] + b * s->x_batch[1], xs + i * x_size, pairs);
            pack_right(s, y + a * s->y_batch[0] + b * s->y_batch[1], ys + i * y_size, pairs);
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < count * panels * tiles; ++i) {
            const int64_t batch = i / tiles / panels, panel = i / tiles % panels, row = i % tiles * ROWS;
            tile(s, xs + batch * x_size + row * pairs * 2, ys + batch * y_size + panel * COLUMNS * pairs * 2, pairs, row,
                 panel * COLUMNS, out + batch * s->rows * s->columns PASSED);
        }
    }
    free(memory);
    return 0;
}
