/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/byte_table.h */
/* A function of one int8 value with int8 results: an entry for each of the 256. */
#include <stdint.h>
#if defined(__AVX512VBMI__) && defined(__AVX512BW__) && !defined(PORTABLE)
#include <immintrin.h>
#define AT_ONCE 64
#else
#define AT_ONCE 1
#endif

/* Entries of the table at x + 128. */
static void look_up(const int8_t *restrict table, const int8_t *restrict x, int8_t *restrict y, int64_t count)
{
    int64_t i = 0;
#if AT_ONCE > 1
    __m512i part[4];
    for (int k = 0; k < 4; ++k)
        part[k] = _mm512_loadu_si512(table + k * AT_ONCE);
    for (; i + AT_ONCE <= count; i += AT_ONCE) {
        const __m512i at = _mm512_xor_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi8(-128));
        const __m512i low = _mm512_permutex2var_epi8(part[0], at, part[1]);
        const __m512i high = _mm512_permutex2var_epi8(part[2], at, part[3]);
        _mm512_storeu_si512(y + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), low, high));
    }
#endif
    for (; i < count; ++i)
        y[i] = table[x[i] + 128];
}

#define PIECE 32768
void run(const int8_t *table, const int8_t *x, int8_t *y, int64_t count, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && count > 2 * PIECE)
    for (int64_t begin = 0; begin < count; begin += PIECE)
        look_up(table, x + begin, y + begin, count - begin < PIECE ? count - begin : PIECE);
}
