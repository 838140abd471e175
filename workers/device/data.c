/* What inputs are filled with: one way for each kind of data set (datasets.def), within the range
 * that an input's values have. Of kind, element type, range and seed alone, the same on every
 * device. */
#include "workers/device/internal.h"

#include <float.h>
#include <math.h>

typedef struct filler {
    hone_device__kind kind;
    uint8_t elem;
    bool ranged, real;
    bool tiny;     /* denormals and their neighbours may come */
    double lo, hi; /* lo <= x < hi, when ranged */
    hone_rng rng;
} filler;

static const char *const names[] = {
#define DATASET(NAME, text, doc) text,
#include "workers/device/datasets.def"
#undef DATASET
};

const char *hone_device__kind_name(hone_device__kind k)
{
    return names[k];
}

static bool is_real(uint8_t elem)
{
    return elem == HONE_ELEM_F64 || elem == HONE_ELEM_F32 || elem == HONE_ELEM_F16 ||
           elem == HONE_ELEM_BF16;
}

/* ---- integers -------------------------------------------------------------------------------- */

static const struct {
    double lo, hi; /* inclusive */
} whole_range[HONE_ELEM_COUNT] = {
    [HONE_ELEM_I64] = {-0x1p63, 0x1p63},      [HONE_ELEM_I32] = {INT32_MIN, INT32_MAX},
    [HONE_ELEM_I16] = {INT16_MIN, INT16_MAX}, [HONE_ELEM_I8] = {INT8_MIN, INT8_MAX},
    [HONE_ELEM_U8] = {0, UINT8_MAX},          [HONE_ELEM_BOOL] = {0, 1},
};

/* The first integer that is not below x, as near as there is one. */
static int64_t from(double x)
{
    return x < -0x1p63 ? INT64_MIN : x >= 0x1p63 ? INT64_MAX : (int64_t)ceil(x);
}

static int64_t in_range(filler *f)
{
    int64_t lo = from(f->lo), hi = from(f->hi);
    uint64_t n = (uint64_t)hi - (uint64_t)lo;
    return hi > lo ? (int64_t)((uint64_t)lo + hone_rng_below(&f->rng, n)) : lo;
}

static int64_t an_edge(filler *f)
{
    static const int64_t edges[] = {0, 1, -1, 127, 128, -128, 255, 256, 32767, -32768};
    double lo = whole_range[f->elem].lo, hi = whole_range[f->elem].hi;
    unsigned k = (unsigned)hone_rng_below(&f->rng, HONE_LEN(edges) + 4);
    if (k < 2 + 2 * (unsigned)(f->elem != HONE_ELEM_I64))
        return f->elem == HONE_ELEM_I64 ? (k ? INT64_MAX : INT64_MIN) : (int64_t)(k % 2 ? hi : lo);
    int64_t x = edges[k % HONE_LEN(edges)];
    return (double)x < lo || (double)x > hi ? 1 : x;
}

static int64_t draw_integer(filler *f)
{
    if (f->ranged) {
        int64_t first = from(f->lo), end = from(f->hi), last = end > first ? end - 1 : first;
        if (f->kind == HONE_DEVICE__EDGES && hone_rng_below(&f->rng, 2))
            return hone_rng_below(&f->rng, 2) ? first : last;
        return in_range(f);
    }
    if (f->elem == HONE_ELEM_BOOL)
        return (int64_t)hone_rng_below(&f->rng, 2);
    bool positive = f->elem == HONE_ELEM_U8;
    switch (f->kind) {
    case HONE_DEVICE__SMALL:
        return positive ? (int64_t)hone_rng_below(&f->rng, 5)
                        : (int64_t)hone_rng_below(&f->rng, 9) - 4;
    case HONE_DEVICE__SPARSE:
        return hone_rng_below(&f->rng, 8) ? 0 : positive || hone_rng_below(&f->rng, 2) ? 1 : -1;
    case HONE_DEVICE__EDGES:
        return an_edge(f);
    case HONE_DEVICE__FULL:
    case HONE_DEVICE__KINDS:
        break;
    }
    return (int64_t)hone_rng_u64(&f->rng); /* its low bits */
}

static void put_integer(uint8_t elem, void *array, int64_t i, int64_t x)
{
    switch (elem) {
    case HONE_ELEM_I64:
        ((int64_t *)array)[i] = x;
        break;
    case HONE_ELEM_I32:
        ((int32_t *)array)[i] = (int32_t)(uint32_t)x;
        break;
    case HONE_ELEM_I16:
        ((int16_t *)array)[i] = (int16_t)(uint16_t)x;
        break;
    default: /* a byte */
        ((uint8_t *)array)[i] = (uint8_t)x;
    }
}

/* ---- floats ---------------------------------------------------------------------------------- */

/* Magnitudes of the full kind: sums of products stay finite. */
static int exponent_of(filler *f)
{
    return f->elem == HONE_ELEM_F16 ? (int)hone_rng_below(&f->rng, 5) - 3
                                    : (int)hone_rng_below(&f->rng, 13) - 6;
}

static double sign(filler *f)
{
    return hone_rng_below(&f->rng, 2) ? 1 : -1;
}

/* Arithmetic on denormals takes many processors a hundred times as long, so that a product of large
 * matrices full of them would take longer than all that it is timed. Of a large input they are in
 * one stretch of so many elements in each of these. */
#define TINY_STRETCH 64
#define TINY_EACH 4096

/* Processors' instructions for products of bf16 take denormals for 0, those they get and those they
 * make (LANGUAGE.md leaves that open): none is there, and no product of two is one. */
static double a_real_edge(filler *f)
{
    double least = f->elem == HONE_ELEM_F64   ? 0x1p-1074
                   : f->elem == HONE_ELEM_F32 ? 0x1p-149
                   : f->elem == HONE_ELEM_F16 ? 0x1p-24
                                              : 0x1p-61;
    double normal = f->elem == HONE_ELEM_F64   ? DBL_MIN
                    : f->elem == HONE_ELEM_F32 ? FLT_MIN
                    : f->elem == HONE_ELEM_F16 ? 0x1p-14
                                               : 0x1p-60;
    double ulp = f->elem == HONE_ELEM_F64   ? DBL_EPSILON
                 : f->elem == HONE_ELEM_F32 ? FLT_EPSILON
                 : f->elem == HONE_ELEM_F16 ? 0x1p-10
                                            : 0x1p-7;
    const double edges[] = {0, 0, 1,    1,     1 + ulp, 1 - ulp / 2,   0.5,
                            2, 3, 1000, least, normal,  normal - least};
    return sign(f) * edges[hone_rng_below(&f->rng, HONE_LEN(edges) - (f->tiny ? 0 : 3))];
}

/* Multiples of 1/8 in the range; false: there are none. */
static bool eighths(const filler *f, int64_t *ret_first, int64_t *ret_n)
{
    double first = ceil(f->ranged ? f->lo * 8 : -8), last = f->ranged ? ceil(f->hi * 8) - 1 : 8;
    if (!f->ranged || (first < 0 && last > 0)) { /* around 0, few places do */
        first = fmax(first, -8);
        last = fmin(last, 8);
    }
    *ret_first = (int64_t)first;
    *ret_n = (int64_t)fmin(last - first + 1, 17);
    return last >= first && fabs(first) < 0x1p40;
}

static double draw_real(filler *f)
{
    int64_t first, n;
    if (f->kind == HONE_DEVICE__FULL || (f->ranged && !eighths(f, &first, &n)))
        return f->ranged ? f->lo + (f->hi - f->lo) * hone_rng_double(&f->rng)
                         : sign(f) * (1 + hone_rng_double(&f->rng)) * ldexp(1, exponent_of(f));
    if (f->kind == HONE_DEVICE__SPARSE && !f->ranged)
        return hone_rng_below(&f->rng, 8) ? 0 : sign(f);
    if (f->kind == HONE_DEVICE__EDGES)
        return !f->ranged                   ? a_real_edge(f)
               : hone_rng_below(&f->rng, 2) ? f->lo
                                            : f->lo + (f->hi - f->lo) * hone_rng_double(&f->rng);
    eighths(f, &first, &n);
    return (double)(first + (int64_t)hone_rng_below(&f->rng, (uint64_t)n)) * 0.125;
}

/* ---- the whole ------------------------------------------------------------------------------- */

void hone_device__fill(hone_device__kind kind, const hone_arg *a, void *array, uint64_t seed)
{
    filler f = {.kind = kind,
                .elem = a->elem,
                .ranged = a->lo < a->hi,
                .real = is_real(a->elem),
                .lo = a->lo,
                .hi = a->hi};
    hone_rng_seed(&f.rng, hone_hash_mix(seed, (uint64_t)kind));
    for (int64_t i = 0; i < a->count; i++) {
        f.tiny = a->count <= TINY_EACH || i % TINY_EACH < TINY_STRETCH;
        if (f.real) {
            hone_device__elem_put(a->elem, array, i, draw_real(&f));
            if (f.ranged && !(hone_device__elem_get(a->elem, array, i) < f.hi)) /* rounded up */
                hone_device__elem_put(a->elem, array, i, f.lo);
        } else
            put_integer(a->elem, array, i, draw_integer(&f));
    }
}

double hone_device__quantum(hone_device__kind kind, const hone_manifest *m)
{
    double quantum = kind == HONE_DEVICE__SMALL ? 0.125 : kind == HONE_DEVICE__SPARSE ? 1 : 0;
    for (uint32_t i = 0; i < m->n_args; i++) {
        const hone_arg *a = &m->args[i];
        filler f = {
            .kind = kind, .elem = a->elem, .ranged = a->lo < a->hi, .lo = a->lo, .hi = a->hi};
        int64_t first, n;
        if (a->is_output || !is_real(a->elem) || !f.ranged)
            continue;
        quantum = eighths(&f, &first, &n) ? fmin(quantum, 0.125) : 0;
    }
    return quantum;
}
