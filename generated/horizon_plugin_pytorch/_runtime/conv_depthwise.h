/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/conv_depthwise.h */
/*
 * A convolution of each channel by itself, in one pass: for each row of results the rows of the image that it reads are
 * laid side by side, four to a word, as [pixel][channel][row of the window], filled up with rows of 128, padded. A column
 * of the window is then one product of four for 16 channels. Weights lie as
 * [channels / 16][rows of the window / 4][columns][16][4].
 */
#ifdef VNNI
/* 16 channels of four rows -> channel by channel, plus 128. */
INLINE void woven(const int8_t *const *rows, int64_t at, int64_t count, uint8_t *y)
{
    const __mmask16 there = (__mmask16)((1u << count) - 1);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m512i x = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(there, rows[0] + at));
    x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(there, rows[1] + at), 1);
    x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(there, rows[2] + at), 2);
    x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(there, rows[3] + at), 3);
    x = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(order, x), bytes);
    _mm512_store_si512(y, _mm512_xor_si512(x, _mm512_set1_epi8((char)128)));
}
#else
INLINE void woven(const int8_t *const *rows, int64_t at, int64_t count, uint8_t *y)
{
    for (int64_t c = 0; c < LANES; ++c)
        for (int i = 0; i < QUAD; ++i)
            y[QUAD * c + i] = c < count ? (uint8_t)rows[i][at + c] ^ 128 : 128;
}
#endif

/* The rows that result row `row` reads, woven: [quads][pixels, padded][channels, whole lanes][4]. */
static void weave(const struct layer *layer, struct image x, const int8_t *image, int64_t row, const int8_t *zeros,
                  uint8_t *y)
{
    const int64_t channels = layer->in, lanes_wide = CEIL(channels, LANES) * LANES * QUAD, side = layer->pad[1];
    for (int64_t q = 0; q < CEIL(layer->high, QUAD); ++q) {
        const int8_t *rows[QUAD];
        for (int i = 0; i < QUAD; ++i) {
            const int64_t tap = q * QUAD + i, from = row * layer->stride[0] - layer->pad[0] + tap * layer->dilation[0];
            const int there = tap < layer->high && from >= 0 && from < x.high;
            rows[i] = there ? image + from * x.wide * channels : zeros;
        }
        memset(y, 128, side * lanes_wide);
        y += side * lanes_wide;
        for (int64_t pixel = 0; pixel < x.wide; ++pixel)
            for (int64_t c = 0; c < channels; c += LANES, y += LANES * QUAD)
                woven(rows, pixel * channels + c, smaller(LANES, channels - c), y);
        memset(y, 128, side * lanes_wide);
        y += side * lanes_wide;
    }
}

/* A row of results. */
INLINE void depthwise_row(const int WIDE, const int QUADS, const struct layer *layer, struct image x, int64_t pixels,
                          const uint8_t *read, const int8_t *e, result *out)
{
    const int64_t lanes_wide = CEIL(layer->in, LANES) * LANES * QUAD, right = layer->dilation[1] * lanes_wide;
    const int64_t plane = (x.wide + 2 * layer->pad[1]) * lanes_wide;
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
        const uint8_t *from = read + pixel * layer->stride[1] * lanes_wide;
        const int8_t *weight = layer->weight;
        for (int64_t c = 0; c < layer->in; c += LANES, from += LANES * QUAD) {
            lanes sums = lanes_at(layer->start + c);
            for (int q = 0; q < QUADS; ++q)
                for (int k = 0; k < WIDE; ++k, weight += LANES * QUAD)
                    sums = multiply_add(sums, bytes_at(from + q * plane + k * right), weight);
            _Alignas(64) int32_t done[LANES];
            store_lanes(done, sums);
            finish_lanes(layer, done, c, e + pixel * layer->in, out + pixel * layer->in);
        }
    }
}

/* x [images, high, wide, in] and, where the formula adds one, e like the results -> out; 0, or 1 where memory lacks. */
int run(const struct layer *layer, int64_t images, int64_t high, int64_t wide, const int8_t *x, const int8_t *e,
        result *out, int threads)
{
    const struct image size = {high, wide}, y = result_of(layer, size);
    const int64_t channels = layer->in, line = wide * channels;
    const int64_t woven_size = CEIL(layer->high, QUAD) * (wide + 2 * layer->pad[1]) * CEIL(channels, LANES) * LANES * QUAD;
    const int quads = (int)CEIL(layer->high, QUAD);
    int failed = 0;
#pragma omp parallel num_threads(threads) if (threads > 1) reduction(| : failed)
    {
        uint8_t *const memory = scratch(woven_size + line + LANES);
        if (memory)
            memset(memory + woven_size, 0, line + LANES);
        failed = !memory;
#pragma omp for schedule(static)
        for (int64_t row = 0; row < images * y.high; ++row) {
            if (!memory)
                continue;
            const int64_t to = row * y.wide * channels;
            weave(layer, size, x + row / y.high * high * line, row % y.high, (const int8_t *)memory + woven_size, memory);
            if (layer->wide == 3 && quads == 1)
                depthwise_row(3, 1, layer, size, y.wide, memory, e ? e + to : NULL, out + to);
            else
                depthwise_row((int)layer->wide, quads, layer, size, y.wide, memory, e ? e + to : NULL, out + to);
        }
    }
    return failed;
}
