/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/grid.h */
/*
 * Images read at rows and columns of a grid: int8 [images][high][wide][channels] -> [images][rows][columns][channels]. Nearest
 * elements are copied; else the two neighbours along each dimension are blended by the march's functions `blend_across` and
 * `blend_down`, which stand before this text. Rows that were blended across are kept for the next row of results.
 */
#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t count;          /* of results */
    const int32_t *first;   /* which element is read, */
    const int32_t *second;  /* and which one is blended with it */
    const int32_t *weight;  /* by how much */
} taps;

typedef struct {
    int64_t images, high, wide, channels;
    taps rows, columns;
} grid;

void pick(const grid *g, const int8_t *x, int8_t *y, int threads)
{
    const int64_t channels = g->channels, line = g->columns.count * channels;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < g->images * g->rows.count; ++i) {
        const int64_t image = i / g->rows.count;
        const int8_t *const from = x + (image * g->high + g->rows.first[i % g->rows.count]) * g->wide * channels;
        if (channels == 1)
            for (int64_t j = 0; j < g->columns.count; ++j)
                y[i * line + j] = from[g->columns.first[j]];
        else
            for (int64_t j = 0; j < g->columns.count; ++j)
                memcpy(y + i * line + j * channels, from + g->columns.first[j] * channels, (size_t)channels);
    }
}

static void across(const grid *g, const int8_t *row, bpu_word *restrict out)
{
    const int64_t channels = g->channels;
    if (channels == 1) {
        for (int64_t j = 0; j < g->columns.count; ++j)
            out[j] = blend_across(row[g->columns.first[j]], row[g->columns.second[j]], g->columns.weight[j]);
        return;
    }
    for (int64_t j = 0; j < g->columns.count; ++j) {
        const int8_t *const a = row + g->columns.first[j] * channels, *const b = row + g->columns.second[j] * channels;
        for (int64_t c = 0; c < channels; ++c)
            out[j * channels + c] = blend_across(a[c], b[c], g->columns.weight[j]);
    }
}

/* Rows of results of one image from `row` to `end`; `kept` holds two rows. */
static void blend_rows(const grid *g, const int8_t *x, int8_t *y, int64_t row, int64_t end, bpu_word *kept)
{
    const int64_t line = g->columns.count * g->channels;
    int64_t of[2] = {-1, -1};
    for (; row < end; ++row) {
        const int64_t wanted[2] = {g->rows.first[row], g->rows.second[row]};
        const int start = of[1] == wanted[0] || of[0] == wanted[1]; /* where the first one is, or goes */
        const int place[2] = {start, wanted[1] == wanted[0] ? start : 1 - start};
        for (int k = 0; k < 2; ++k)
            if (of[place[k]] != wanted[k]) {
                across(g, x + wanted[k] * g->wide * g->channels, kept + place[k] * line);
                of[place[k]] = wanted[k];
            }
        const bpu_word *const top = kept + place[0] * line, *const bottom = kept + place[1] * line;
        const bpu_word weight = g->rows.weight[row];
        int8_t *const out = y + row * line;
        for (int64_t j = 0; j < line; ++j)
            out[j] = (int8_t)blend_down(top[j], bottom[j], weight);
    }
}

/* 0, or 1 where memory lacks. */
int blend(const grid *g, const int8_t *x, int8_t *y, int threads)
{
    const int64_t line = g->columns.count * g->channels, blocks = threads > 1 ? 4 * threads : 1;
    const int64_t step = (g->rows.count + blocks - 1) / blocks, parts = (g->rows.count + step - 1) / step;
    int failed = 0;
#pragma omp parallel num_threads(threads) if (threads > 1) reduction(| : failed)
    {
        bpu_word *const kept = malloc(2 * (size_t)line * sizeof(bpu_word));
        failed = !kept;
#pragma omp for schedule(static)
        for (int64_t i = 0; i < g->images * parts; ++i) {
            const int64_t image = i / parts, row = i % parts * step, end = row + step < g->rows.count ? row + step : g->rows.count;
            if (kept)
                blend_rows(g, x + image * g->high * g->wide * g->channels, y + image * g->rows.count * line, row, end, kept);
        }
        free(kept);
    }
    return failed;
}
