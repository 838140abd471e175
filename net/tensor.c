/* Tensors: sizes, elements, and their text. */
#include "net/internal.h"

#include <math.h>

/* ---- sizes ----------------------------------------------------------------------------------- */

int64_t hone_net__elems(const hone_tensor *t, uint32_t from, uint32_t to)
{
    int64_t n = 1;
    for (uint32_t k = from; k < to; k++)
        n *= t->shape[k];
    return n;
}

int64_t hone_net__place_along(const hone_tensor *t, uint32_t axis, int64_t k)
{
    return k / hone_net__elems(t, axis + 1, t->n_dims) % t->shape[axis];
}

int64_t hone_tensor_elems(const hone_tensor *t)
{
    return hone_net__elems(t, 0, t->n_dims);
}

int64_t hone_tensor_bytes(const hone_tensor *t)
{
    return hone_tensor_elems(t) * hone_dtype_bytes(t->dtype);
}

bool hone_net__shape_ok(const hone_tensor *t)
{
    /* sizes of 0 make the product 0, so the others are held to the limit too */
    int64_t n = 1;
    for (uint32_t k = 0; k < t->n_dims; k++) {
        int64_t d = t->shape[k];
        if (d < 0 || d > HONE_NET_MAX_ELEMS || (d && n > HONE_NET_MAX_ELEMS / d))
            return false;
        n *= d ? d : 1;
    }
    return true;
}

bool hone_net__add_dim(hone_tensor *t, int64_t size)
{
    if (t->n_dims == HONE_MAX_DIMS)
        return false;
    t->shape[t->n_dims++] = size;
    return hone_net__shape_ok(t);
}

bool hone_tensor_same_shape(const hone_tensor *a, const hone_tensor *b)
{
    return a->n_dims == b->n_dims &&
           memcmp(a->shape, b->shape, a->n_dims * sizeof a->shape[0]) == 0;
}

void hone_tensor_text(const hone_tensor *t, char *ret, size_t n)
{
    size_t at = 0;
    const char *type = t->dtype == HONE_DTYPE_COUNT ? "?" : hone_dtype_name(t->dtype);
    at += (size_t)snprintf(ret, n, "%s[", type);
    for (uint32_t k = 0; k < t->n_dims && at < n; k++)
        at += (size_t)snprintf(ret + at, n - at, "%s%" PRId64, k ? ", " : "", t->shape[k]);
    if (at < n)
        snprintf(ret + at, n - at, "]");
}

/* ---- half precision -------------------------------------------------------------------------- */

static double from_f16(uint16_t h)
{
    int exponent = h >> 10 & 31;
    double m = h & 1023, sign = h >> 15 ? -1 : 1;
    if (exponent == 31)
        return m != 0 ? NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(m + 1024, exponent - 25) : ldexp(m, -24));
}

/* Rounds once, to nearest even. */
static uint16_t to_f16(double x)
{
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    double a = fabs(x);
    if (isnan(x))
        return 0x7e00;
    if (a >= 65520)
        return sign | 0x7c00;
    if (a < ldexp(1, -14))
        return sign | (uint16_t)nearbyint(ldexp(a, 24));
    int exponent;
    double m = frexp(a, &exponent); /* in [1/2, 1) */
    /* a mantissa that rounds up to 2048 carries into the exponent, as it should */
    return sign | (uint16_t)(((exponent + 13) << 10) + (int)nearbyint(ldexp(m, 11)));
}

static double from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* By f32: a double that lies between two f32 is rounded twice. */
static uint16_t to_bf16(double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (isnan(x))
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* ---- elements -------------------------------------------------------------------------------- */

double hone_tensor_float(const hone_tensor *t, int64_t k)
{
    switch (t->dtype) {
    case HONE_F64:
        return ((const double *)t->data)[k];
    case HONE_F32:
        return (double)((const float *)t->data)[k];
    case HONE_F16:
        return from_f16(((const uint16_t *)t->data)[k]);
    case HONE_BF16:
        return from_bf16(((const uint16_t *)t->data)[k]);
    default:
        return (double)hone_tensor_int(t, k);
    }
}

static int64_t cut(double x)
{
    if (isnan(x))
        return 0;
    if (x >= 0x1p63)
        return INT64_MAX;
    return x < -0x1p63 ? INT64_MIN : (int64_t)x;
}

int64_t hone_tensor_int(const hone_tensor *t, int64_t k)
{
    switch (t->dtype) {
    case HONE_I64:
        return ((const int64_t *)t->data)[k];
    case HONE_I32:
        return ((const int32_t *)t->data)[k];
    case HONE_I16:
        return ((const int16_t *)t->data)[k];
    case HONE_I8:
        return ((const int8_t *)t->data)[k];
    case HONE_U8:
    case HONE_BOOL:
        return ((const uint8_t *)t->data)[k];
    default:
        return cut(hone_tensor_float(t, k));
    }
}

void hone_net__set_float(hone_tensor *t, int64_t k, double x)
{
    switch (t->dtype) {
    case HONE_F64:
        ((double *)t->data)[k] = x;
        break;
    case HONE_F32:
        ((float *)t->data)[k] = (float)x;
        break;
    case HONE_F16:
        ((uint16_t *)t->data)[k] = to_f16(x);
        break;
    case HONE_BF16:
        ((uint16_t *)t->data)[k] = to_bf16(x);
        break;
    case HONE_BOOL:
        ((uint8_t *)t->data)[k] = x != 0;
        break;
    default:
        hone_net__set_int(t, k, cut(x));
    }
}

void hone_net__set_int(hone_tensor *t, int64_t k, int64_t x)
{
    switch (t->dtype) {
    case HONE_I64:
        ((int64_t *)t->data)[k] = x;
        break;
    case HONE_I32:
        ((int32_t *)t->data)[k] = (int32_t)x;
        break;
    case HONE_I16:
        ((int16_t *)t->data)[k] = (int16_t)x;
        break;
    case HONE_I8:
        ((int8_t *)t->data)[k] = (int8_t)x;
        break;
    case HONE_U8:
        ((uint8_t *)t->data)[k] = (uint8_t)x;
        break;
    case HONE_BOOL:
        ((uint8_t *)t->data)[k] = x != 0;
        break;
    default:
        hone_net__set_float(t, k, (double)x);
    }
}

double *hone_net__floats(const hone_tensor *t)
{
    int64_t n = hone_tensor_elems(t);
    double *v = hone_xmalloc((size_t)(n ? n : 1) * sizeof *v);
    for (int64_t k = 0; k < n; k++)
        v[k] = hone_tensor_float(t, k);
    return v;
}

int64_t *hone_net__ints(const hone_tensor *t)
{
    int64_t n = hone_tensor_elems(t);
    int64_t *v = hone_xmalloc((size_t)(n ? n : 1) * sizeof *v);
    for (int64_t k = 0; k < n; k++)
        v[k] = hone_tensor_int(t, k);
    return v;
}
