/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/conv_dense.h */
/*
 * A convolution over all channels, in one pass: a tile of pixels by channels stays in registers from its first product to
 * its int8 results. Images are copied some at a time, so that the copies stay in the cache.
 */
#define COPIED (96 * 1024)
#define MOST_PIXELS 8
#define MOST_VECTORS 4

/* PIXELS by VECTORS * 16 channels. */
INLINE void dense_tile(const int PIXELS, const int VECTORS, const struct dense *d, const uint8_t *const *rows, int64_t c,
                       int64_t count, const int8_t *e, result *out)
{
    const struct layer *layer = d->layer;
    const int64_t panel = d->runs * d->quads * LANES * QUAD;
    const int8_t *weight = layer->weight + c / LANES * panel;
    lanes sums[MOST_PIXELS][MOST_VECTORS];
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v)
#pragma GCC unroll 16
        for (int p = 0; p < PIXELS; ++p)
            sums[p][v] = lanes_at(layer->start + c + v * LANES);
    for (int64_t r = 0; r < d->runs; ++r) {
        const uint8_t *x[MOST_PIXELS];
#pragma GCC unroll 16
        for (int p = 0; p < PIXELS; ++p)
            x[p] = rows[p] + d->run[r];
        for (int64_t k = 0; k < d->quads; ++k, weight += LANES * QUAD)
#pragma GCC unroll 16
            for (int p = 0; p < PIXELS; ++p) {
                const lanes four = repeated(x[p] + k * QUAD);
#pragma GCC unroll 16
                for (int v = 0; v < VECTORS; ++v)
                    sums[p][v] = multiply_add(sums[p][v], four, weight + v * panel);
            }
    }
    _Alignas(64) int32_t done[MOST_PIXELS][MOST_VECTORS][LANES];
#pragma GCC unroll 16
    for (int p = 0; p < PIXELS; ++p)
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; ++v)
            store_lanes(done[p][v], sums[p][v]);
    for (int64_t p = 0; p < count; ++p)
        for (int64_t v = 0; v < VECTORS; ++v)
            finish_lanes(layer, done[p][v], c + v * LANES, e + p * layer->out, out + p * layer->out);
}

typedef void tile_of(const struct dense *, const uint8_t *const *, int64_t, int64_t, const int8_t *, result *);
#define TILE(PIXELS, VECTORS)                                                                                          \
    static __attribute__((noinline)) void tile_##PIXELS##_##VECTORS(const struct dense *d, const uint8_t *const *rows, \
                                                                    int64_t c, int64_t count, const int8_t *e,         \
                                                                    result *out)                                       \
    {                                                                                                                  \
        dense_tile(PIXELS, VECTORS, d, rows, c, count, e, out);                                                        \
    }
TILE(8, 1)
TILE(8, 2)
TILE(8, 3)
TILE(6, 4)
static tile_of *const TILES[] = {NULL, tile_8_1, tile_8_2, tile_8_3, tile_6_4};
static const int TILE_PIXELS[] = {0, 8, 8, 8, 6};

/* Pixels `first` to `last` of copied images, for the channels of `vectors` vectors from `c` on. */
static void dense_pixels(const struct dense *d, const uint8_t *copy, int64_t first, int64_t last, int64_t c, int vectors,
                         const int8_t *e, result *out)
{
    const struct layer *layer = d->layer;
    const int64_t area = d->y.high * d->y.wide, step = TILE_PIXELS[vectors], in = layer->in;
    const int64_t down = layer->stride[0] * d->padded.wide * in, right = layer->stride[1] * in;
    int64_t image = first / area, y = first % area / d->y.wide, x = first % area % d->y.wide;
    for (int64_t i = first; i < last; i += step) {
        const uint8_t *rows[MOST_PIXELS];
        const int64_t count = smaller(step, last - i);
        for (int p = 0; p < step; ++p) {
            if (d->is_point)
                rows[p] = copy + (p < count ? i + p : i) * in;
            else
                rows[p] = copy + image * d->copied + y * down + x * right;
            if (p + 1 < count && ++x == d->y.wide) {
                x = 0;
                if (++y == d->y.high)
                    y = 0, ++image;
            }
        }
        if (++x == d->y.wide) {
            x = 0;
            if (++y == d->y.high)
                y = 0, ++image;
        }
        TILES[vectors](d, rows, c, count, e ? e + i * layer->out : NULL, out + i * layer->out);
    }
}

/* x [images, high, wide, in] and, where the formula adds one, e like the results -> out; 0, or 1 where memory lacks. */
int run(const struct layer *layer, int64_t images, int64_t high, int64_t wide, const int8_t *x, const int8_t *e,
        result *out, int threads)
{
    const struct dense d = dense_of(layer, (struct image){high, wide}, 1, 128);
    const int64_t area = d.y.high * d.y.wide, vectors = CEIL(layer->out, LANES), groups = CEIL(vectors, 4);
    const int64_t at_once = d.copied * images <= COPIED ? images : d.copied >= COPIED ? 1 : COPIED / d.copied;
    uint8_t *const copy = scratch(at_once * d.copied + LANES * QUAD);
    if (!copy)
        return 1;
    for (int64_t begin = 0; begin < images; begin += at_once) {
        const int64_t count = smaller(at_once, images - begin), line = d.padded.wide * layer->in;
        const int8_t *const from = x + begin * high * wide * layer->in;
        const int64_t pixels = count * area, blocks = CEIL(pixels, PIXELS_AT_ONCE);
#pragma omp parallel num_threads(threads) if (threads > 1)
        {
#pragma omp for schedule(static)
            for (int64_t row = 0; row < count * d.padded.high; ++row)
                copy_row(&d, from + row / d.padded.high * high * wide * layer->in, row % d.padded.high, copy + row * line);
#pragma omp for schedule(static) collapse(2)
            for (int64_t block = 0; block < blocks; ++block)
                for (int64_t group = 0; group < groups; ++group) {
                    const int64_t first = group * vectors / groups, last = (group + 1) * vectors / groups;
                    const int64_t done = begin * area * layer->out;
                    dense_pixels(&d, copy, block * PIXELS_AT_ONCE, smaller((block + 1) * PIXELS_AT_ONCE, pixels),
                                 first * LANES, (int)(last - first), e ? e + done : NULL, out + done);
                }
        }
    }
    return 0;
}
