/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/elements.h */
/* What the functions of <march>.h call. Values are proved to fit, so nothing here overflows. */
#include <stdint.h>

static inline int32_t bpu_min(int32_t a, int32_t b)
{
    return b < a ? b : a;
}

static inline int32_t bpu_max(int32_t a, int32_t b)
{
    return b > a ? b : a;
}

static inline int32_t bpu_clip(int32_t v, int32_t lo, int32_t hi)
{
    return bpu_min(bpu_max(v, lo), hi);
}

static inline int32_t bpu_abs(int32_t v)
{
    return v < 0 ? -v : v;
}

static inline int32_t bpu_shift_left(int32_t v, int32_t n)
{
    return (int32_t)((uint32_t)v << n);
}

/* floor(v / 2**n): the compilers that are looked for shift arithmetically. */
static inline int32_t bpu_shift_right(int32_t v, int32_t n)
{
    return v >> n;
}

/* The low bits, sign-extended. */
static inline int32_t bpu_wrap(int32_t v, int32_t bits)
{
    return (int32_t)((uint32_t)v << (32 - bits)) >> (32 - bits);
}
