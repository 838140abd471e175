/* Kernels: resizing along axes. Where an output lies in the input is a fraction of whole numbers,
 * (i*a + b) / c, so that indices are exact and affine: a scale that is an f32 is such a fraction
 * too. */
#include "net/kernel/internal.h"

#include <math.h>

typedef struct place {
    int64_t a, b, c;
    int64_t in, out; /* sizes of the axis */
} place;

/* ---- places ---------------------------------------------------------------------------------- */

static int64_t common(int64_t a, int64_t b)
{
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Of an axis that is p/q times as long, or nearly so. False: this is no such fraction. */
static bool place_of(hone_net_resize_transform transform, int64_t p, int64_t q, int64_t in,
                     int64_t out, place *ret)
{
    place r = {.c = 1};
    switch (transform) {
    case HONE_NET_ASYMMETRIC:
        r = (place){.a = q, .c = p};
        break;
    case HONE_NET_PYTORCH_HALF_PIXEL:
        if (out > 1)
            r = (place){.a = 2 * q, .b = q - p, .c = 2 * p};
        break;
    case HONE_NET_HALF_PIXEL:
        r = (place){.a = 2 * q, .b = q - p, .c = 2 * p};
        break;
    case HONE_NET_TF_HALF_PIXEL:
        r = (place){.a = 2 * q, .b = q, .c = 2 * p};
        break;
    case HONE_NET_ALIGN_CORNERS:
        if (in * p > q) /* more than one element, before its length is cut to a whole number */
            r = (place){.a = (in - 1) * q, .c = in * p - q};
        break;
    case HONE_NET_CROP_AND_RESIZE:
        return false;
    }
    int64_t g = common(common(r.a, r.b), r.c);
    *ret = (place){r.a / g, r.b / g, r.c / g, in, out};
    return true;
}

/* i<d>*a + b */
static hone_nk_text above_of(const place *p, unsigned d)
{
    if (p->a == 0)
        return hone_nk__textf("%" PRId64, p->b);
    hone_nk_text i = hone_nk__times(hone_nk__textf("i%u", d).s, p->a);
    return p->b == 0 ? i
                     : hone_nk__textf("%s %c %" PRId64, i.s, p->b < 0 ? '-' : '+',
                                      p->b < 0 ? -p->b : p->b);
}

/* floor((i*a + b) / c) + more, held inside of the axis where it would leave it. */
static hone_nk_text index_of(const place *p, unsigned d, int64_t more)
{
    int64_t lo = hone_floor_div(p->b, p->c) + more;
    int64_t hi = hone_floor_div(p->b + (p->out - 1) * p->a, p->c) + more;
    hone_nk_text x = above_of(p, d), r = x;
    if (p->c != 1)
        r = hone_nk__textf("(%s) // %" PRId64, x.s, p->c);
    x = r;
    if (more)
        r = hone_nk__textf("%s %c %" PRId64, x.s, more < 0 ? '-' : '+', more < 0 ? -more : more);
    x = r;
    if (lo < 0)
        r = hone_nk__textf("max(%s, 0)", x.s);
    x = r;
    if (hi >= p->in)
        r = hone_nk__textf("min(%s, %" PRId64 ")", x.s, p->in - 1);
    return r;
}

/* A place whose floor is the nearest element. */
static place nearest_of(hone_net_resize_rounding rounding, place p)
{
    switch (rounding) {
    case HONE_NET_CEIL:
        p.b += p.c - 1;
        break;
    case HONE_NET_PREFER_FLOOR:
        p = (place){2 * p.a, 2 * p.b + p.c - 1, 2 * p.c, p.in, p.out};
        break;
    case HONE_NET_PREFER_CEIL:
        p = (place){2 * p.a, 2 * p.b + p.c, 2 * p.c, p.in, p.out};
        break;
    case HONE_NET_FLOOR:
    case HONE_NET_OLD: /* hone_net_rounding_of */
        break;
    }
    return p;
}

/* ---- between elements ------------------------------------------------------------------------ */

/* The weight of element k - before of those around, for a distance t from the second (of 4) or
 * first (of 2) of them. Cubic: Keys, "Cubic convolution interpolation for digital image
 * processing", IEEE Trans. ASSP 29(6), 1981. */
static hone_nk_text weight_of(bool cubic, unsigned k, const char *t, double a)
{
    if (!cubic)
        return hone_nk__textf(k ? "%s" : "1 - %s", t);
    hone_nk_text x = hone_nk__textf(k == 0   ? "(%s + 1)"
                                    : k == 1 ? "%s"
                                    : k == 2 ? "(1 - %s)"
                                             : "(2 - %s)",
                                    t);
    if (k == 1 || k == 2)
        return hone_nk__textf("(%s * %s - %s) * %s * %s + 1", hone_nk__number(a + 2).s, x.s,
                              hone_nk__number(a + 3).s, x.s, x.s);
    return hone_nk__textf("((%s * %s - %s) * %s + %s) * %s - %s", hone_nk__number(a).s, x.s,
                          hone_nk__number(5 * a).s, x.s, hone_nk__number(8 * a).s, x.s,
                          hone_nk__number(4 * a).s);
}

/* weights[k, i]: what element k of those around counts for output i of the axis. */
static const hone_nk_row *put_weights(hone_nk *e, const place *p, bool cubic, hone_dtype t)
{
    const hone_net_node_row *node = e->u->node;
    double a = cubic ? hone_net_attr_float(node, "cubic_coeff_a") : 0;
    unsigned n = cubic ? 4 : 2;
    int64_t shape[] = {n, p->out};
    const hone_nk_row *far = hone_nk__temp(e, t, shape + 1, 1);
    hone_nk__stage(e, far, 1, "%s((%s) %% %" PRId64 ") * (1 / %" PRId64 ")", hone_dtype_name(t),
                   above_of(p, 0).s, p->c, p->c);
    hone_nk_text at = hone_nk__textf("%s[i1]", far->name);
    hone_buf b = {0};
    for (unsigned k = 0; k < n; k++) {
        if (k + 1 < n)
            hone_buf_printf(&b, "i0 == %u ? ", k);
        hone_buf_printf(&b, "%s%s", weight_of(cubic, k, at.s, a).s, k + 1 < n ? " : " : "");
    }
    const hone_nk_row *weights = hone_nk__temp(e, t, shape, 2);
    hone_nk__stage(e, weights, 2, "%s", b.s);
    hone_buf_free(&b);
    if (!cubic || !hone_net_attr_int(node, "exclude_outside"))
        return weights;
    /* those outside count nothing, and the others for them */
    hone_nk_text floor = hone_nk__textf("(%s) // %" PRId64 " - 1 + i0", above_of(p, 1).s, p->c);
    const hone_nk_row *inside = hone_nk__temp(e, t, shape, 2);
    const hone_nk_row *sum = hone_nk__temp(e, t, shape + 1, 1);
    hone_nk__stage(e, inside, 2, "select(%s >= 0 and %s < %" PRId64 ", %s[i0, i1], 0)", floor.s,
                   floor.s, p->in, weights->name);
    hone_nk__stage(e, sum, 1, "sum(k0 < 4) %s[k0, i0]", inside->name);
    const hone_nk_row *whole = hone_nk__temp(e, t, shape, 2);
    hone_nk__stage(e, whole, 2, "%s[i0, i1] / %s[i1]", inside->name, sum->name);
    return whole;
}

/* Axis d of `from`, which has `shape`, becomes as long as that of the output. */
static const hone_nk_row *put_axis(hone_nk *e, const hone_nk_row *from, int64_t *shape, unsigned d,
                                   const place *p, bool cubic, bool last)
{
    const hone_tensor *y = hone_net_out(e->u, 0);
    const hone_nk_row *weights = put_weights(e, p, cubic, y->dtype);
    hone_nk_index at = hone_nk__indices(y->n_dims);
    hone_buf b = {0};
    for (unsigned k = 0; k < (cubic ? 4 : 2); k++) {
        hone_nk__set(&at, d, "%s", index_of(p, d, (int64_t)k - cubic).s);
        hone_buf_printf(&b, "%s%s * %s[%u, i%u]", k ? " + " : "", hone_nk__at(from, &at).s,
                        weights->name, k, d);
    }
    shape[d] = p->out;
    const hone_nk_row *to =
        last ? hone_nk__out(e, 0) : hone_nk__temp_like(e, y->dtype, shape, y->n_dims, e->out[0]);
    hone_nk__stage(e, to, y->n_dims, "%s", b.s);
    hone_buf_free(&b);
    return to;
}

/* ---- the operator ---------------------------------------------------------------------------- */

typedef struct resizing {
    hone_net_resize r;
    bool moves[HONE_MAX_DIMS]; /* the axes that are resized */
    place at[HONE_MAX_DIMS];
    unsigned n; /* how many */
} resizing;

/* An f32 as p/q. */
static void fraction_of(double s, int64_t *p, int64_t *q)
{
    int exponent;
    double m = frexp(s, &exponent) * 0x1p24;
    exponent -= 24;
    for (; fmod(m, 2) == 0 && m != 0; exponent++)
        m /= 2;
    *p = (int64_t)m << (exponent > 0 ? exponent : 0);
    *q = (int64_t)1 << (exponent < 0 ? -exponent : 0);
}

static hone_status place_axis(hone_nk *e, resizing *z, unsigned d)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    double scale = z->r.scale[d];
    int64_t p = z->r.size[d], q = x->shape[d];
    if (!(scale >= 0x1p-20 && scale <= 0x1p20))
        return hone_nk__refuse(e, "a scale of %g", scale);
    if (scale != (double)p / (double)q)
        fraction_of(scale, &p, &q);
    z->moves[d] = p != q;
    z->n += z->moves[d];
    if (!z->moves[d] || place_of(z->r.transform, p, q, x->shape[d], z->r.size[d], &z->at[d]))
        return HONE_OK;
    return hone_nk__refuse(e, "tf_crop_and_resize has no kernel");
}

static hone_status put_nearest(hone_nk *e, const resizing *z)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    hone_nk_index at = hone_nk__indices(x->n_dims);
    for (unsigned d = 0; d < x->n_dims; d++) {
        place p = nearest_of(hone_net_rounding_of(&z->r, d), z->at[d]);
        if (z->moves[d])
            hone_nk__set(&at, d, "%s", index_of(&p, d, 0).s);
    }
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__at(hone_nk__in(e, 0), &at).s);
    return HONE_OK;
}

hone_status hone_nk__resize(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    resizing z = {.n = 0};
    HONE_TRY(hone_net_resize_of(e->u, &z.r, e->err));
    for (unsigned d = 0; d < x->n_dims; d++)
        HONE_TRY(place_axis(e, &z, d));
    if (z.r.mode == HONE_NET_NEAREST || z.n == 0)
        return put_nearest(e, &z);
    if (!hone_dtype_is_float(x->dtype))
        return hone_nk__refuse(e, "between elements there are floats only");
    const hone_nk_row *from = hone_nk__in(e, 0);
    int64_t shape[HONE_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    unsigned left = z.n;
    for (unsigned d = 0; d < x->n_dims; d++)
        if (z.moves[d])
            from = put_axis(e, from, shape, d, &z.at[d], z.r.mode == HONE_NET_CUBIC, --left == 0);
    return HONE_OK;
}
