/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/conv_tiles.h */
/*
 * A convolution over all channels by the processor's matrix tiles: 32 pixels by 32 channels at a time, 64 products of signed
 * bytes each. The pixels of a tile lie at equal distances: where the window is one pixel these are the image's own, read
 * where they lie; else all of a padded row, of which those between the ends of two rows are computed for nothing.
 */
#if defined(__AMX_INT8__) && !defined(PORTABLE)
#include <sys/syscall.h>
#include <unistd.h>

#define SIDE 32
#define TILE_QUADS 16

/* Whether this process may use tiles: the system gives them to who asks. */
int has_tiles(void)
{
    static int known = -1;
    if (known < 0)
        known = syscall(SYS_arch_prctl, 0x1023, 18) == 0;
    return known;
}

static void begin_tiles(void)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; ++i)
        config.bytes[i] = 64, config.rows[i] = 16;
    _tile_loadconfig(&config);
}

/* How the pixels of an image lie: rows of `across`, of which `wide` are wanted, `step` bytes from each to the next. */
struct grid {
    const struct dense *d;
    int64_t step, across, wide, pixels;
};

/* The sums of up to 32 pixels from `x` on by 16 or 32 channels from `c` on. */
static void tile_sums(const struct grid *grid, const uint8_t *x, int64_t pixels, int64_t c, int vectors,
                      int32_t (*sums)[SIDE])
{
    const struct dense *d = grid->d;
    const int64_t step = grid->step;
    const int64_t panel = d->runs * d->quads * LANES * QUAD;
    const int8_t *first = d->layer->weight + c / LANES * panel, *second = first + panel;
    const int both_rows = pixels > 16, both_columns = vectors > 1;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t r = 0; r < d->runs; ++r) {
        const uint8_t *upper = x + d->run[r], *lower = upper + 16 * step;
        for (int64_t k = 0; k < d->quads; k += TILE_QUADS) {
            _tile_loadd(4, upper, step);
            _tile_loadd(6, first, 64);
            _tile_dpbssd(0, 4, 6);
            if (both_columns) {
                _tile_loadd(7, second, 64);
                _tile_dpbssd(1, 4, 7);
            }
            if (both_rows) {
                _tile_loadd(5, lower, step);
                _tile_dpbssd(2, 5, 6);
                if (both_columns)
                    _tile_dpbssd(3, 5, 7);
            }
            upper += 64, lower += 64, first += 1024, second += 1024;
        }
    }
    _tile_stored(0, sums[0], SIDE * 4);
    _tile_stored(1, sums[0] + 16, SIDE * 4);
    _tile_stored(2, sums[16], SIDE * 4);
    _tile_stored(3, sums[16] + 16, SIDE * 4);
}

/* Pixels `first` to `last`, for some channels. */
static void tile_pixels(const struct grid *grid, const uint8_t *image, int64_t first, int64_t last, int64_t c,
                        int vectors, const int8_t *e, result *out)
{
    _Alignas(64) int32_t sums[SIDE][SIDE];
    const struct layer *layer = grid->d->layer;
    int64_t y = first / grid->across, x = first % grid->across;
    for (int64_t i = first; i < last; i += SIDE) {
        const int64_t count = smaller(SIDE, last - i);
        tile_sums(grid, image + i * grid->step, count, c, vectors, sums);
        for (int64_t p = 0; p < count; ++p) {
            const int64_t at = (y * grid->wide + x) * layer->out;
            if (x < grid->wide)
                for (int v = 0; v < vectors; ++v)
                    finish_lanes(layer, sums[p] + v * LANES, c + v * LANES, e ? e + at : NULL, out + at);
            if (++x == grid->across)
                x = 0, ++y;
        }
    }
}

/* Pixels `first` to `last`, a multiple of 32 or the last, by all threads. */
static void tile_image(const struct grid *grid, const uint8_t *image, int64_t first, int64_t last, const int8_t *e,
                       result *out)
{
    const int64_t vectors = CEIL(grid->d->layer->out, LANES), groups = CEIL(vectors, 2);
    const int64_t blocks = CEIL(last - first, PIXELS_AT_ONCE);
#pragma omp for schedule(static) collapse(2)
    for (int64_t group = 0; group < groups; ++group)
        for (int64_t block = 0; block < blocks; ++block) {
            const int64_t begin = first + block * PIXELS_AT_ONCE, end = smaller(begin + PIXELS_AT_ONCE, last);
            tile_pixels(grid, image, begin, end, group * 2 * LANES, (int)smaller(2, vectors - group * 2), e, out);
        }
}

/* A batch of images whose pixels are the window, read where they lie; the last ones, behind which nothing may be read, in a
   copy. */
static int run_in_place(const struct dense *d, int64_t images, const int8_t *x, const int8_t *e, result *out, int threads)
{
    const int64_t in = d->layer->in, pixels = images * d->y.high * d->y.wide, read = CEIL(d->quads * QUAD, in);
    const int64_t safe = read > pixels ? 0 : (pixels + 1 - read) / SIDE * SIDE;
    const struct grid grid = {d, in, pixels, pixels, pixels};
    uint8_t *const copy = scratch((pixels - safe + SIDE + read) * in);
    if (!copy)
        return 1;
    memcpy(copy, x + safe * in, (pixels - safe) * in);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        begin_tiles();
        tile_image(&grid, (const uint8_t *)x, 0, safe, e, out);
        tile_image(&grid, copy - safe * in, safe, pixels, e, out);
        _tile_release();
    }
    return 0;
}

/* x [images, high, wide, in] and, where the formula adds one, e like the results -> out; 0, or 1 where memory lacks. */
int run(const struct layer *layer, int64_t images, int64_t high, int64_t wide, const int8_t *x, const int8_t *e,
        result *out, int threads)
{
    const struct dense made = dense_of(layer, (struct image){high, wide}, TILE_QUADS, 0), *const d = &made;
    if (d->is_point && layer->stride[0] == 1 && layer->stride[1] == 1)
        return run_in_place(d, images, x, e, out, threads);
    const int64_t right = d->is_point ? 1 : layer->stride[1], down = d->is_point ? 1 : layer->stride[0];
    const int64_t across = d->padded.wide * down / right, line = d->padded.wide * layer->in, results = d->y.high * d->y.wide;
    const struct grid grid = {d, right * layer->in, across, d->y.wide, (d->y.high - 1) * across + d->y.wide};
    uint8_t *const copy = scratch(d->copied + SIDE * grid.step + d->quads * QUAD);
    if (!copy)
        return 1;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        begin_tiles();
        for (int64_t image = 0; image < images; ++image) {
            const int64_t done = image * results * layer->out;
#pragma omp for schedule(static)
            for (int64_t row = 0; row < d->padded.high; ++row)
                copy_row(d, x + image * d->x.high * d->x.wide * layer->in, row, copy + row * line);
            tile_image(&grid, copy, 0, grid.pixels, e ? e + done : NULL, out + done);
        }
        _tile_release();
    }
    return 0;
}
#else
int has_tiles(void)
{
    return 0;
}
#endif
