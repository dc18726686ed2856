/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/conv_layer.h */
/*
 * What one-pass convolutions share: the layer, its memory of scratch, and how 16 sums become 16 results.
 *
 * Features are int8, channels last; they are read plus 128, as uint8, for that is what 8-bit products of processors take.
 * So a sum starts at -128 times the sum of its channel's weights (`start`), and what lies outside of an image reads as 128.
 * Sums are int32: 255 * sum of |weight| < 2**31 is proved by the caller. `finish`, generated, is the formula of the layer:
 * it makes of 16 sums the 16 results, which it has saturated to `result`.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512VL__) && !defined(PORTABLE)
#define VNNI
#include <immintrin.h>
#endif

#define LANES 16
#define QUAD 4
#define INLINE static inline __attribute__((always_inline))
#define CEIL(a, b) (((a) + (b)-1) / (b))

struct layer {
    const int8_t *weight;  /* packed as the kernel reads it */
    const int32_t *start;  /* [channels out, whole lanes] */
    const int32_t *params; /* derived integers, [channels out / 16][PARAMS][16] */
    const int32_t *ends;   /* of the dtypes of the formula */
    int64_t in, out;       /* channels */
    int64_t high, wide;    /* the window */
    int64_t stride[2], pad[2], dilation[2];
};

struct image {
    int64_t high, wide;
};

static inline int64_t smaller(int64_t a, int64_t b)
{
    return b < a ? b : a;
}

INLINE struct image result_of(const struct layer *layer, struct image x)
{
    const int64_t high = x.high + 2 * layer->pad[0] - layer->dilation[0] * (layer->high - 1) - 1;
    const int64_t wide = x.wide + 2 * layer->pad[1] - layer->dilation[1] * (layer->wide - 1) - 1;
    return (struct image){high / layer->stride[0] + 1, wide / layer->stride[1] + 1};
}

/* Memory of the calling thread that is kept between calls; NULL where there is none. */
static uint8_t *scratch(size_t size)
{
    static _Thread_local uint8_t *memory;
    static _Thread_local size_t held;
    if (held < size) {
        free(memory);
        held = CEIL(size, 4096) * 4096;
        memory = aligned_alloc(4096, held);
        held = memory ? held : 0;
    }
    return memory;
}

/* Features plus 128, or plus 0. */
static void raise_bytes(const int8_t *restrict x, uint8_t *restrict y, int64_t count, uint8_t raised)
{
    for (int64_t i = 0; i < count; ++i)
        y[i] = (uint8_t)x[i] ^ raised;
}

#ifdef VNNI
typedef __m512i lanes;

INLINE lanes lanes_at(const int32_t *x)
{
    return _mm512_loadu_si512(x);
}

/* sums + four products each of 16 channels: u8 by s8, added in 32 bits. */
INLINE lanes multiply_add(lanes sums, lanes features, const int8_t *weight)
{
    return _mm512_dpbusd_epi32(sums, features, _mm512_loadu_si512(weight));
}

/* The same four features for all channels. */
INLINE lanes repeated(const uint8_t *x)
{
    int32_t four;
    memcpy(&four, x, QUAD);
    return _mm512_set1_epi32(four);
}

INLINE lanes bytes_at(const uint8_t *x)
{
    return _mm512_loadu_si512(x);
}

INLINE void store_lanes(int32_t *y, lanes x)
{
    _mm512_store_si512(y, x);
}

INLINE void store_results(result *y, const int32_t *x, int64_t count)
{
    const __mmask16 wanted = (__mmask16)((1u << count) - 1);
    if (sizeof(result) == 1)
        _mm_mask_storeu_epi8(y, wanted, _mm512_cvtepi32_epi8(_mm512_load_si512(x)));
    else if (sizeof(result) == 2)
        _mm256_mask_storeu_epi16(y, wanted, _mm512_cvtepi32_epi16(_mm512_load_si512(x)));
    else
        _mm512_mask_storeu_epi32(y, wanted, _mm512_load_si512(x));
}

INLINE void load_bytes(int32_t *y, const int8_t *x, int64_t count)
{
    const __m128i bytes = _mm_maskz_loadu_epi8((__mmask16)((1u << count) - 1), x);
    _mm512_store_si512(y, _mm512_cvtepi8_epi32(bytes));
}
#else
typedef struct {
    int32_t of[LANES];
} lanes;

INLINE lanes lanes_at(const int32_t *x)
{
    lanes y;
    memcpy(&y, x, sizeof y);
    return y;
}

INLINE lanes multiply_add(lanes sums, lanes features, const int8_t *weight)
{
    uint8_t x[LANES * QUAD];
    memcpy(x, &features, sizeof x);
    for (int i = 0; i < LANES; ++i)
        sums.of[i] += x[QUAD * i] * weight[QUAD * i] + x[QUAD * i + 1] * weight[QUAD * i + 1] +
                      x[QUAD * i + 2] * weight[QUAD * i + 2] + x[QUAD * i + 3] * weight[QUAD * i + 3];
    return sums;
}

INLINE lanes repeated(const uint8_t *x)
{
    int32_t four;
    lanes y;
    memcpy(&four, x, QUAD);
    for (int i = 0; i < LANES; ++i)
        y.of[i] = four;
    return y;
}

INLINE lanes bytes_at(const uint8_t *x)
{
    lanes y;
    memcpy(&y, x, sizeof y);
    return y;
}

INLINE void store_lanes(int32_t *y, lanes x)
{
    memcpy(y, &x, sizeof x);
}

INLINE void store_results(result *y, const int32_t *x, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        y[i] = (result)x[i];
}

INLINE void load_bytes(int32_t *y, const int8_t *x, int64_t count)
{
    for (int64_t i = 0; i < LANES; ++i)
        y[i] = i < count ? x[i] : 0;
}
#endif

/* Results of 16 channels from `c` on, or of those that there are, of one pixel. */
INLINE void finish_lanes(const struct layer *layer, const int32_t *sums, int64_t c, const int8_t *e, result *out)
{
    _Alignas(64) int32_t y[LANES], other[LANES];
    const int64_t count = smaller(LANES, layer->out - c);
    if (ADDS)
        load_bytes(other, e + c, count);
    finish(sums, other, layer->params + c / LANES * PARAMS, layer->ends, y);
    store_results(out + c, y, count);
}
