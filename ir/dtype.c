/* Element types: names, ranges, rounding and conversion of single elements; operations' names. */
#include "ir/internal.h"

#include <float.h>
#include <math.h>

/* The 16-bit float formats differ only in how many bits the mantissa has. */
#define F16_MANTISSA 10
#define BF16_MANTISSA 7

static const struct {
    const char *text;
    int bytes;
    char class;
} dtypes[HONE_DTYPE_COUNT] = {
#define HONE_DTYPE(NAME, text, bytes, class) [HONE_##NAME] = {#text, bytes, #class[0]},
#include "ir/dtypes.def"
#undef HONE_DTYPE
};

static const struct {
    const char *name, *text;
    int arity;
    char form;
} ops[HONE_OP_COUNT] = {
    [HONE_OP_NONE] = {"NONE", "", 0, 'L'},
#define HONE_OP(NAME, text, arity, form) [HONE_OP_##NAME] = {#NAME, text, arity, #form[0]},
#include "ir/ops.def"
#undef HONE_OP
};

const char *hone_dtype_name(hone_dtype t)
{
    return (unsigned)t < HONE_DTYPE_COUNT ? dtypes[t].text : "?";
}

int hone_dtype_bytes(hone_dtype t)
{
    HONE_ASSERT((unsigned)t < HONE_DTYPE_COUNT);
    return dtypes[t].bytes;
}

char hone_ir__dtype_class(hone_dtype t)
{
    HONE_ASSERT((unsigned)t < HONE_DTYPE_COUNT);
    return dtypes[t].class;
}

bool hone_dtype_is_float(hone_dtype t)
{
    return hone_ir__dtype_class(t) == 'F';
}

hone_dtype hone_dtype_parse(const char *name, size_t n)
{
    int t = 0;
    while (t < HONE_DTYPE_COUNT &&
           (strlen(dtypes[t].text) != n || memcmp(dtypes[t].text, name, n) != 0))
        t++;
    return (hone_dtype)t;
}

void hone_ir__dtype_range(hone_dtype t, int64_t *ret_lo, int64_t *ret_hi)
{
    int bits = 8 * hone_dtype_bytes(t);
    if (t == HONE_BOOL) {
        *ret_lo = 0;
        *ret_hi = 1;
    } else if (dtypes[t].class == 'U') {
        *ret_lo = 0;
        *ret_hi = (int64_t)((1ull << bits) - 1);
    } else {
        *ret_hi = (int64_t)((1ull << (bits - 1)) - 1);
        *ret_lo = -*ret_hi - 1;
    }
}

/* Bits of a float's mantissa, the one that is not stored included. */
static int mantissa_of(hone_dtype t)
{
    switch (t) {
    case HONE_F64:
        return DBL_MANT_DIG;
    case HONE_F32:
        return FLT_MANT_DIG;
    case HONE_F16:
        return F16_MANTISSA + 1;
    default:
        return BF16_MANTISSA + 1;
    }
}

bool hone_dtype_holds(hone_dtype wide, hone_dtype narrow)
{
    int64_t lo, hi, lo2, hi2;
    if (wide == narrow)
        return true;
    if (hone_dtype_is_float(narrow)) /* more bytes have more of both mantissa and exponent */
        return hone_dtype_is_float(wide) && hone_dtype_bytes(wide) > hone_dtype_bytes(narrow);
    hone_ir__dtype_range(narrow, &lo, &hi);
    if (hone_dtype_is_float(wide)) { /* the smallest value is a power of two */
        int bits = 0;
        while (bits < 63 && hi >> bits)
            bits++;
        return bits <= mantissa_of(wide);
    }
    hone_ir__dtype_range(wide, &lo2, &hi2);
    return lo2 <= lo && hi <= hi2;
}

int64_t hone_ir__wrap(hone_dtype t, int64_t v)
{
    switch (t) {
    case HONE_I32:
        return (int32_t)(uint32_t)v;
    case HONE_I16:
        return (int16_t)(uint16_t)v;
    case HONE_I8:
        return (int8_t)(uint8_t)v;
    case HONE_U8:
        return (uint8_t)v;
    default:
        return v;
    }
}

uint64_t hone_ir__bits(hone_dtype t, int64_t v)
{
    return (uint64_t)v & (UINT64_MAX >> (64 - 8 * hone_dtype_bytes(t)));
}

const char *hone_op_name(hone_op op)
{
    return (unsigned)op < HONE_OP_COUNT ? ops[op].name : "?";
}

const char *hone_op_text(hone_op op)
{
    return (unsigned)op < HONE_OP_COUNT ? ops[op].text : "?";
}

int hone_op_arity(hone_op op)
{
    return (unsigned)op < HONE_OP_COUNT ? ops[op].arity : 0;
}

char hone_op_form(hone_op op)
{
    return (unsigned)op < HONE_OP_COUNT ? ops[op].form : 'L';
}

/* ---- element conversion ---------------------------------------------------------------------- */

static uint16_t to_16(double v, int mantissa)
{
    int exponent_bits = 15 - mantissa, bias = (1 << (exponent_bits - 1)) - 1;
    uint64_t bits;
    memcpy(&bits, &v, 8);
    uint64_t sign = bits >> 63 << 15, man = bits & ((1ull << 52) - 1);
    uint64_t inf = ((1ull << exponent_bits) - 1) << mantissa;
    int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0x7ff) /* a NaN stays quiet */
        return (uint16_t)(sign | inf | (man ? 1ull << (mantissa - 1) : 0));
    if (exponent == 0) /* far below the smallest subnormal of either format */
        return (uint16_t)sign;
    int e = exponent - 1023, shift = 52 - mantissa;
    if (e < 1 - bias)
        shift += 1 - bias - e;
    if (shift > 54)
        return (uint16_t)sign;
    man |= 1ull << 52;
    uint64_t q = man >> shift, rest = man & ((1ull << shift) - 1), half = 1ull << (shift - 1);
    if (rest > half || (rest == half && (q & 1)))
        q++;
    /* A normal q carries its leading one, which is worth one step of the exponent field; a carry
     * out of the mantissa moves the exponent up by itself. */
    if (e >= 1 - bias)
        q += (uint64_t)(e + bias - 1) << mantissa;
    return (uint16_t)(sign | (q < inf ? q : inf));
}

static double from_16(uint16_t x, int mantissa)
{
    int exponent_bits = 15 - mantissa, bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (x & 0x7fff) >> mantissa, man = x & ((1 << mantissa) - 1);
    double v;
    if (exponent == (1 << exponent_bits) - 1)
        v = man ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        v = ldexp(man, 1 - bias - mantissa);
    else
        v = ldexp(man + (1 << mantissa), exponent - bias - mantissa);
    return x & 0x8000 ? -v : v;
}

double hone_ir__round(hone_dtype t, double v)
{
    switch (t) {
    case HONE_F32:
        return (double)(float)v;
    case HONE_F16:
        return from_16(to_16(v, F16_MANTISSA), F16_MANTISSA);
    case HONE_BF16:
        return from_16(to_16(v, BF16_MANTISSA), BF16_MANTISSA);
    default:
        return v;
    }
}

double hone_ir__largest(hone_dtype t)
{
    switch (t) {
    case HONE_F32:
        return (double)FLT_MAX;
    case HONE_F16:
        return from_16(0x7bff, F16_MANTISSA);
    case HONE_BF16:
        return from_16(0x7f7f, BF16_MANTISSA);
    default:
        return DBL_MAX;
    }
}

/* Nearest integer, ties to even, saturating; NaN gives 0. */
static int64_t to_int(hone_dtype t, double v)
{
    int64_t lo, hi;
    hone_ir__dtype_range(t, &lo, &hi);
    if (v != v)
        return 0;
    if (t == HONE_BOOL)
        return v != 0;
    v = nearbyint(v);
    if (v <= (double)lo)
        return lo;
    return v >= (double)hi ? hi : (int64_t)v;
}

#define LOAD_AS(T)                                 \
    do {                                           \
        T x;                                       \
        memcpy(&x, (const T *)base + k, sizeof x); \
        return (double)x;                          \
    } while (0)
#define STORE_AS(T, value)                   \
    do {                                     \
        T x = (T)(value);                    \
        memcpy((T *)base + k, &x, sizeof x); \
        return;                              \
    } while (0)

double hone_elem_get(hone_dtype t, const void *base, int64_t k)
{
    uint16_t h;
    switch (t) {
    case HONE_F64:
        LOAD_AS(double);
    case HONE_F32:
        LOAD_AS(float);
    case HONE_F16:
    case HONE_BF16:
        memcpy(&h, (const uint16_t *)base + k, sizeof h);
        return from_16(h, t == HONE_F16 ? F16_MANTISSA : BF16_MANTISSA);
    case HONE_I64:
        LOAD_AS(int64_t);
    case HONE_I32:
        LOAD_AS(int32_t);
    case HONE_I16:
        LOAD_AS(int16_t);
    case HONE_I8:
        LOAD_AS(int8_t);
    case HONE_U8:
    case HONE_BOOL:
        LOAD_AS(uint8_t);
    case HONE_DTYPE_COUNT:
        break;
    }
    hone_bug(__FILE__, __LINE__, "a dtype");
}

void hone_elem_set(hone_dtype t, void *base, int64_t k, double v)
{
    switch (t) {
    case HONE_F64:
        STORE_AS(double, v);
    case HONE_F32:
        STORE_AS(float, v);
    case HONE_F16:
        STORE_AS(uint16_t, to_16(v, F16_MANTISSA));
    case HONE_BF16:
        STORE_AS(uint16_t, to_16(v, BF16_MANTISSA));
    case HONE_I64:
        STORE_AS(int64_t, to_int(t, v));
    case HONE_I32:
        STORE_AS(int32_t, to_int(t, v));
    case HONE_I16:
        STORE_AS(int16_t, to_int(t, v));
    case HONE_I8:
        STORE_AS(int8_t, to_int(t, v));
    case HONE_U8:
    case HONE_BOOL:
        STORE_AS(uint8_t, to_int(t, v));
    case HONE_DTYPE_COUNT:
        break;
    }
    hone_bug(__FILE__, __LINE__, "a dtype");
}
