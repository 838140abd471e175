/* Elements: what a device knows about each type, the inputs it makes and how it compares. */
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

/* ---- inputs -------------------------------------------------------------------------------- */

/* Every type has at most 17 values, so they are converted once and then copied by index. */
void hone_device__generate(uint8_t elem, void *array, int64_t n, uint64_t seed)
{
    static const struct {
        int low, high;
        double scale;
    } ranges[] = {[FLOATS] = {-8, 8, 0.125},
                  [SIGNED] = {-4, 4, 1},
                  [UNSIGNED] = {0, 4, 1},
                  [TRUTH] = {0, 1, 1}};
    enum kind k = elems[elem].kind;
    size_t size = elems[elem].size;
    unsigned values = (unsigned)(ranges[k].high - ranges[k].low + 1);
    _Alignas(8) uint8_t table[17 * 8];
    for (unsigned v = 0; v < values; v++)
        hone_device__elem_put(elem, table, v, (ranges[k].low + (int)v) * ranges[k].scale);
    hone_rng rng;
    hone_rng_seed(&rng, seed);
    uint8_t *to = array;
    for (int64_t i = 0; i < n;) {
        uint64_t bits = hone_rng_u64(&rng);
        for (int b = 0; b < 4 && i < n; b++, i++, bits >>= 16)
            memcpy(to + (size_t)i * size, table + ((bits & 0xffff) * values >> 16) * size, size);
    }
}

void hone_device__poison(uint8_t elem, void *array, int64_t n)
{
    /* All ones is a NaN in every float format. */
    if (n > 0)
        memset(array, elems[elem].kind == FLOATS ? 0xff : 0xa5, (size_t)n * elems[elem].size);
}

/* ---- comparing ----------------------------------------------------------------------------- */

static double error_of(double got, double want)
{
    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want) ? 0 : INFINITY;
    if (isinf(got) || isinf(want))
        return got == want ? 0 : INFINITY;
    return fabs(got - want) / fmax(1, fabs(want));
}

hone_device__diff hone_device__compare(uint8_t elem, const void *got, const void *want, int64_t n,
                                       double tolerance)
{
    enum { BLOCK = 512 };
    hone_device__diff d = {.first_bad = -1};
    size_t size = elems[elem].size;
    bool exact = elems[elem].kind != FLOATS;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t m = n - at < BLOCK ? n - at : BLOCK;
        const uint8_t *g = (const uint8_t *)got + (size_t)at * size;
        const uint8_t *w = (const uint8_t *)want + (size_t)at * size;
        if (memcmp(g, w, (size_t)m * size) == 0)
            continue;
        for (int64_t i = 0; i < m; i++) {
            if (exact && memcmp(g + (size_t)i * size, w + (size_t)i * size, size) == 0)
                continue;
            double gx = hone_device__elem_get(elem, g, i), wx = hone_device__elem_get(elem, w, i);
            double e = error_of(gx, wx);
            if (e > d.max_error)
                d.max_error = e;
            if (d.first_bad < 0 && (exact || e > tolerance)) {
                d.first_bad = at + i;
                d.got = isnan(gx) ? NAN : gx; /* of either sign */
                d.want = isnan(wx) ? NAN : wx;
            }
        }
    }
    return d;
}
