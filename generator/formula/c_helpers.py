"""The C functions that lowered expressions call, as text; several headers may be included together, so emission guards it."""

import re

_DEFINED = re.compile(r"(bpu_\w+)(?:\(|;$)", re.MULTILINE)
_USED = re.compile(r"bpu_\w+")

C_HELPERS = """\
typedef struct {
    int64_t bits, fraction_bits, min, max;
} bpu_dtype;

/* v * 2**n; the proofs say that it fits. */
static inline int64_t bpu_shift_left(int64_t v, int64_t n)
{
    return v * ((int64_t)1 << n);
}

/* floor(v / 2**n), also of negative v, which C leaves to the compiler. */
static inline int64_t bpu_shift_right(int64_t v, int64_t n)
{
    return v < 0 ? ~(~v >> n) : v >> n;
}

static inline int64_t bpu_min(int64_t a, int64_t b)
{
    return b < a ? b : a;
}

static inline int64_t bpu_max(int64_t a, int64_t b)
{
    return b > a ? b : a;
}

static inline int64_t bpu_clip(int64_t v, int64_t lo, int64_t hi)
{
    return bpu_min(bpu_max(v, lo), hi);
}

static inline int64_t bpu_abs(int64_t v)
{
    return v < 0 ? -v : v;
}

/* The float nearest to v: what passes here is rounded, never fused with the operation around it. */
static inline float bpu_float(float v)
{
    volatile float rounded = v;
    return rounded;
}

/* Of floats NaN wins, as in the derivation of a model. */
static inline float bpu_minf(float a, float b)
{
    return b < a || b != b ? b : a;
}

static inline float bpu_maxf(float a, float b)
{
    return b > a || b != b ? b : a;
}

static inline float bpu_clipf(float v, float lo, float hi)
{
    return bpu_minf(bpu_maxf(v, lo), hi);
}

static inline double bpu_mind(double a, double b)
{
    return b < a ? b : a;
}

static inline double bpu_maxd(double a, double b)
{
    return b > a ? b : a;
}

static inline double bpu_clipd(double v, double lo, double hi)
{
    return bpu_mind(bpu_maxd(v, lo), hi);
}

/* A rounded float as integer; beyond 2**62 it saturates there, NaN is 0. */
static inline int64_t bpu_to_int(float v)
{
    if (v != v) {
        return 0;
    }
    return (int64_t)bpu_clipf(v, -4611686018427387904.0f, 4611686018427387904.0f);
}

/* v = mantissa * 2**exponent with 1/2 <= |mantissa| < 1; both are 0 for 0. */
static inline float bpu_mantissa(float v)
{
    int exponent;
    return frexpf(v, &exponent);
}

static inline int64_t bpu_exponent(float v)
{
    int exponent = 0;
    if (v - v == 0.0f) {
        (void)frexpf(v, &exponent);
    }
    return exponent;
}

static inline float bpu_exp2(int64_t n)
{
    return ldexpf(1.0f, (int)bpu_clip(n, -1000, 1000));
}

/* a * b + c in double, where the product is exact, rounded to float at the end. */
static inline float bpu_fma(float a, float b, float c)
{
    return (float)((double)a * (double)b + (double)c);
}

/* The index of the first entry of a rising table that is not less than v; the last index where all are less. */
static inline int64_t bpu_search(const int64_t *table, int64_t size, int64_t v)
{
    int64_t i = 0;
    while (i < size - 1 && table[i] < v) {
        ++i;
    }
    return i;
}

static inline float bpu_log2(float v)
{
    return (float)log2((double)v);
}
"""
"""What lowered expressions call; guarded by the emission, for several headers may be included together."""


def c_helpers_for(text: str) -> tuple[str, ...]:
    """Of the helpers those that C text uses, and those that these use, in their order; each with its comment."""
    chunks = {_DEFINED.findall(chunk)[0]: chunk for chunk in C_HELPERS.strip().split("\n\n")}
    wanted: set[str] = set()
    while found := {name for name in chunks if name in _USED.findall(text)} - wanted:
        wanted |= found
        text = "\n".join(chunks[name] for name in wanted)
    return tuple(chunk for name, chunk in chunks.items() if name in wanted)
