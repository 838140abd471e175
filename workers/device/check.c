/* Elements: what a device knows about each type, and how it compares them. */
#include "workers/device/internal.h"

#include <math.h>

enum kind { FLOATS, SIGNED, UNSIGNED, TRUTH };

static const struct {
    size_t size;
    enum kind kind;
} elems[HONE_ELEM_COUNT] = {
    [HONE_ELEM_F64] = {8, FLOATS},  [HONE_ELEM_F32] = {4, FLOATS}, [HONE_ELEM_F16] = {2, FLOATS},
    [HONE_ELEM_BF16] = {2, FLOATS}, [HONE_ELEM_I64] = {8, SIGNED}, [HONE_ELEM_I32] = {4, SIGNED},
    [HONE_ELEM_I16] = {2, SIGNED},  [HONE_ELEM_I8] = {1, SIGNED},  [HONE_ELEM_U8] = {1, UNSIGNED},
    [HONE_ELEM_BOOL] = {1, TRUTH},
};

size_t hone_device__elem_size(uint8_t elem)
{
    return elems[elem].size;
}

/* ---- 16-bit floats ------------------------------------------------------------------------- */

static double from_f16(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double x;
    if (exponent == 31)
        x = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        x = ldexp(fraction, -24);
    else
        x = ldexp(1024 + fraction, exponent - 25);
    return h >> 15 ? -x : x;
}

/* Scales so that the last bit kept is worth 1, and lets nearbyint round to nearest even. */
static uint16_t to_f16(double x)
{
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    if (isnan(x))
        return sign | 0x7e00;
    x = fabs(x);
    if (x >= 65520) /* halfway between the largest and what would come next */
        return sign | 0x7c00;
    int e = -14;
    if (x >= 0x1p-14)
        e = ilogb(x);
    double units = nearbyint(ldexp(x, 10 - e));
    /* A carry out of the fraction lands in the exponent, as it should. */
    unsigned base = x >= 0x1p-14 ? (unsigned)(e + 14) << 10 : 0;
    return (uint16_t)(sign | (base + (unsigned)units));
}

static double from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint16_t to_bf16(double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (isnan(f))
        return (uint16_t)(bits >> 16 | 0x40);
    bits += 0x7fff + (bits >> 16 & 1);
    return (uint16_t)(bits >> 16);
}

#define LOAD(T) (((const T *)array)[i])
#define STORE(T, v) (((T *)array)[i] = (T)(v))

double hone_device__elem_get(uint8_t elem, const void *array, int64_t i)
{
    switch ((hone_elem)elem) {
    case HONE_ELEM_F64:
        return LOAD(double);
    case HONE_ELEM_F32:
        return LOAD(float);
    case HONE_ELEM_F16:
        return from_f16(LOAD(uint16_t));
    case HONE_ELEM_BF16:
        return from_bf16(LOAD(uint16_t));
    case HONE_ELEM_I64:
        return (double)LOAD(int64_t);
    case HONE_ELEM_I32:
        return LOAD(int32_t);
    case HONE_ELEM_I16:
        return LOAD(int16_t);
    case HONE_ELEM_I8:
        return LOAD(int8_t);
    case HONE_ELEM_U8:
    case HONE_ELEM_BOOL:
        return LOAD(uint8_t);
    case HONE_ELEM_COUNT:
        break;
    }
    return NAN;
}

void hone_device__elem_put(uint8_t elem, void *array, int64_t i, double x)
{
    switch ((hone_elem)elem) {
    case HONE_ELEM_F64:
        STORE(double, x);
        break;
    case HONE_ELEM_F32:
        STORE(float, x);
        break;
    case HONE_ELEM_F16:
        STORE(uint16_t, to_f16(x));
        break;
    case HONE_ELEM_BF16:
        STORE(uint16_t, to_bf16(x));
        break;
    case HONE_ELEM_I64:
        STORE(int64_t, x);
        break;
    case HONE_ELEM_I32:
        STORE(int32_t, x);
        break;
    case HONE_ELEM_I16:
        STORE(int16_t, x);
        break;
    case HONE_ELEM_I8:
        STORE(int8_t, x);
        break;
    case HONE_ELEM_U8:
    case HONE_ELEM_BOOL:
        STORE(uint8_t, x);
        break;
    case HONE_ELEM_COUNT:
        break;
    }
}

/* ---- outputs -------------------------------------------------------------------------------- */

void hone_device__poison(hone_device__kind kind, uint8_t elem, void *array, int64_t n)
{
    /* All ones is a NaN in every float format, with which a kernel that keeps the larger of what
     * was there and what it computes is right: so there are large numbers of either sign, too. */
    static const uint8_t bytes[HONE_DEVICE__KINDS][2] = {[HONE_DEVICE__SMALL] = {0xff, 0xa5},
                                                         [HONE_DEVICE__FULL] = {0xff, 0xa5},
                                                         [HONE_DEVICE__SPARSE] = {0x7b, 0x7b},
                                                         [HONE_DEVICE__EDGES] = {0xfb, 0x80}};
    if (n > 0)
        memset(array, bytes[kind][elems[elem].kind != FLOATS], (size_t)n * elems[elem].size);
}

/* ---- comparing ----------------------------------------------------------------------------- */

static double number(double x)
{
    return isnan(x) ? NAN : x; /* of either sign */
}

/* In units of the bound, which is 0 or positive: 0 when they are equal. */
static double distance(double got, double want, double bound)
{
    if (got == want || bound == INFINITY || (isnan(got) && isnan(want)))
        return 0;
    double off = fabs(got - want);
    if (isnan(off) || isinf(want) || bound == 0) /* a number is expected, or one infinity */
        return INFINITY;
    return off / bound;
}

/* What a 16-bit float takes in below the last place of its smallest numbers. */
static double least_rounding(uint8_t elem)
{
    return elem == HONE_ELEM_F16 ? 0x1p-25 : 0x1p-134;
}

/* Half of a last place of x. */
static double rounding_of(uint8_t elem, double x)
{
    return fabs(x) * (elem == HONE_ELEM_F16 ? 0x1p-11 : elem == HONE_ELEM_BF16 ? 0x1p-8 : 0x1p-24);
}

/* The number of a 16-bit type that comes after g on the way to x. */
static double next_to(uint8_t elem, double g, double x)
{
    uint16_t h;
    hone_device__elem_put(elem, &h, 0, g);
    if (g == 0)
        h = x < 0 ? 0x8001 : 1;
    else
        h = (uint16_t)((x > g) == (g > 0) ? h + 1 : h - 1);
    return hone_device__elem_get(elem, &h, 0);
}

/* Bounds of 16-bit results have the rounding of their store in them. That is to nearest, whatever
 * was computed before, and so there must be something to round to g: within the rest of the bound,
 * which alone is taken `tolerance` times. Else cutting instead of rounding would do. Where w is of
 * the type itself the bound may have no rounding in it. */
static bool is_rounded(uint8_t elem, double g, double w, double bound, double tolerance)
{
    bool is_short = elem == HONE_ELEM_F16 || elem == HONE_ELEM_BF16;
    double off = fabs(w - g);
    if (!is_short || !isfinite(off) || !isfinite(bound) || off <= rounding_of(elem, w) / 2)
        return true;
    double before = fmax(0, bound - rounding_of(elem, w) - least_rounding(elem));
    if (off <= fabs(next_to(elem, g, w) - g) / 2 + before * tolerance)
        return true;
    uint16_t h;
    hone_device__elem_put(elem, &h, 0, w);
    return hone_device__elem_get(elem, &h, 0) == w;
}

static void compare_one(uint8_t elem, const void *got, const hone_device__expected *want, int64_t i,
                        double tolerance, hone_device__diff *d)
{
    double g = hone_device__elem_get(elem, got, i);
    double w = hone_device__elem_get(want->elem, want->value, i);
    double bound = want->error ? want->error[i] : 0, off = distance(g, w, bound);
    if (off > d->max_error)
        d->max_error = off;
    if (d->first_bad < 0 && (off > tolerance || !is_rounded(elem, g, w, bound, tolerance))) {
        d->first_bad = i;
        d->got = number(g);
        d->want = number(w);
        d->bound = bound * tolerance;
    }
}

/* Most results of f32 lie well inside: then one pass that the compiler makes vectors of tells. */
static bool is_within(const float *got, const double *want, const double *error, int64_t n,
                      double limit, double *ret_worst)
{
    double worst = 0;
    int bad = 0;
    for (int64_t i = 0; i < n; i++) {
        double off = fabs((double)got[i] - want[i]);
        bad |= !(off <= error[i] * limit); /* NaN, or infinities: looked at one by one */
        double share = off / (error[i] + 0x1p-1000);
        worst = share > worst ? share : worst;
    }
    *ret_worst = worst;
    return !bad;
}

hone_device__diff hone_device__compare(uint8_t elem, const void *got,
                                       const hone_device__expected *want, int64_t n,
                                       double tolerance)
{
    enum { BLOCK = 512 };
    hone_device__diff d = {.first_bad = -1};
    size_t size = elems[elem].size;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t m = n - at < BLOCK ? n - at : BLOCK;
        double worst;
        if (elem == HONE_ELEM_F32 && want->elem == HONE_ELEM_F64 && want->error &&
            is_within((const float *)got + at, (const double *)want->value + at, want->error + at,
                      m, fmin(1, tolerance), &worst)) {
            d.max_error = fmax(d.max_error, worst);
            continue;
        }
        if (elem == want->elem && elems[elem].kind != FLOATS && !want->error) {
            /* whole numbers, also those a double does not hold */
            const uint8_t *g = (const uint8_t *)got + (size_t)at * size;
            const uint8_t *w = (const uint8_t *)want->value + (size_t)at * size;
            for (int64_t i = 0; i < m && memcmp(g, w, (size_t)m * size) != 0; i++) {
                if (memcmp(g + (size_t)i * size, w + (size_t)i * size, size) == 0)
                    continue;
                d.max_error = INFINITY;
                if (d.first_bad < 0) {
                    d.first_bad = at + i;
                    d.got = hone_device__elem_get(elem, got, at + i);
                    d.want = hone_device__elem_get(elem, want->value, at + i);
                }
            }
            continue;
        }
        for (int64_t i = at; i < at + m; i++)
            compare_one(elem, got, want, i, tolerance, &d);
    }
    return d;
}

/* Where a bound says nothing, what the program as written is off tells how much is usual. The most
 * that many are off is no chance; what one or two are is: of normal errors one in six is four times
 * another, one in two hundred a hundred and twenty times. */
enum { FEW = 3 };
static double times_written(int64_t n)
{
    return n < FEW ? 120 : 4;
}

void hone_device__settle_bounds(uint8_t elem, hone_device__expected *e, const void *written,
                                int64_t n)
{
    const double vague = 0.25;
    double most = 0;
    /* Where the program as written leaves the numbers and the exact result does not, another order
     * may do so too; of few results nobody knows. */
    bool overflows = n < FEW;
    for (int64_t i = 0; e->error && i < n; i++) {
        double v = hone_device__elem_get(e->elem, e->value, i);
        if (isnan(e->error[i])) /* a value that is not certain, times infinity, or less infinity */
            e->error[i] = INFINITY;
        if (written) {
            double off = fabs(hone_device__elem_get(elem, written, i) - v);
            most = isfinite(off) ? fmax(most, off) : most;
            overflows |= isfinite(v) && !isfinite(off);
        }
    }
    /* What overflowed inside, and was divided by, is 0 without being off: that is no measure. */
    overflows |= most == 0;
    /* Nor is f64 off that no sum in 16 bits came into: as written, it is the value itself. */
    if (elem == HONE_ELEM_F64 && most == 0)
        written = NULL;
    e->telling = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = hone_device__elem_get(e->elem, e->value, i);
        /* sums that pass the largest number on their way are infinite of either sign, or not */
        bool passed = written && !isfinite(hone_device__elem_get(elem, written, i));
        if (e->error && written && elems[elem].kind == FLOATS && !passed && isfinite(v) &&
            e->error[i] > vague * fabs(v) && !(overflows && isinf(e->error[i])))
            e->error[i] = fmin(e->error[i], times_written(n) * most + rounding_of(elem, v));
        e->telling += isfinite(v) && v != 0 && (!e->error || e->error[i] < 0.5 * fabs(v));
    }
}
