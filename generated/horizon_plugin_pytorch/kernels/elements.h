/*
 * What the functions of <march>.h call. Values are proved to fit, so nothing here overflows: `bpu_word` is int64_t, which holds
 * whatever a kernel was proved for; or, where WORD_BITS is 32, int32_t, for integers that were proved to stay there.
 */
#include <math.h>
#include <stdint.h>
#ifndef WORD_BITS
#define WORD_BITS 32
#endif
#if WORD_BITS == 32
typedef int32_t bpu_word;
typedef uint32_t bpu_bits;
#else
typedef int64_t bpu_word;
typedef uint64_t bpu_bits;
#endif

static inline bpu_word bpu_min(bpu_word a, bpu_word b)
{
    return b < a ? b : a;
}

static inline bpu_word bpu_max(bpu_word a, bpu_word b)
{
    return b > a ? b : a;
}

static inline bpu_word bpu_clip(bpu_word v, bpu_word lo, bpu_word hi)
{
    return bpu_min(bpu_max(v, lo), hi);
}

static inline bpu_word bpu_abs(bpu_word v)
{
    return v < 0 ? -v : v;
}

static inline bpu_word bpu_shift_left(bpu_word v, bpu_word n)
{
    return (bpu_word)((bpu_bits)v << n);
}

/* floor(v / 2**n): the compilers that are looked for shift arithmetically. */
static inline bpu_word bpu_shift_right(bpu_word v, bpu_word n)
{
    return v >> n;
}

/* The low bits, sign-extended. */
static inline bpu_word bpu_wrap(bpu_word v, bpu_word bits)
{
    return bits < WORD_BITS ? (bpu_word)((bpu_bits)v << (WORD_BITS - bits)) >> (WORD_BITS - bits) : v;
}

/* The index of the first entry of a rising table that is not less than v; the last index where all are less. */
static inline bpu_word bpu_search(const bpu_word *table, bpu_word size, bpu_word v)
{
    bpu_word less = 0;
    for (bpu_word i = 0; i < size - 1; ++i)
        less += table[i] < v;
    return less;
}

/* A product of floats; the compiler is told to contract none. */
static inline float bpu_float(float v)
{
    return v;
}

/* a * b + c in double, where the product is exact, rounded to float at the end. */
static inline float bpu_fma(float a, float b, float c)
{
    return (float)((double)a * (double)b + (double)c);
}

/* A rounded float as integer; beyond 2**62 it saturates there, NaN is 0: called where a word has 64 bits. */
static inline bpu_word bpu_to_int(float v)
{
    const float number = v == v ? v : 0.0f, raised = number < -4611686018427387904.0f ? -4611686018427387904.0f : number;
    return (bpu_word)(raised > 4611686018427387904.0f ? 4611686018427387904.0f : raised);
}
