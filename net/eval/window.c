/* Convolutions and pooling, evaluated: windows slid over the spatial axes. */
#include "net/eval/eval.h"

#include <math.h>

/* ---- convolution ----------------------------------------------------------------------------- */

typedef struct conv {
    hone_net_window w;
    int64_t batch, in_channels, out_channels, group;
    int64_t in[HONE_NET_MAX_SPATIAL], in_elems, out_elems, taps; /* of one channel */
} conv;

static int64_t product(const int64_t *v, uint32_t n)
{
    int64_t p = 1;
    for (uint32_t k = 0; k < n; k++)
        p *= v[k];
    return p;
}

static conv conv_of(const hone_net_use *u, const hone_net_window *w)
{
    const hone_tensor *x = u->in[0], *y = u->out[0];
    conv c = {.w = *w,
              .batch = x->shape[0],
              .in_channels = x->shape[1],
              .out_channels = y->shape[1],
              .group = hone_net_attr_int(u->node, "group")};
    memcpy(c.in, x->shape + 2, w->n * sizeof c.in[0]);
    c.in_elems = product(c.in, w->n);
    c.out_elems = product(w->out, w->n);
    c.taps = product(w->kernel, w->n);
    return c;
}

static hone_net_counter count(const int64_t *shape, uint32_t n)
{
    hone_net_counter c = {.n_dims = n};
    memcpy(c.shape, shape, n * sizeof *shape);
    return c;
}

/* One tap of one channel, times `weight`, onto one channel of the result; its last axis at once. */
static void add_tap(const conv *c, const int64_t *tap, const double *x, double weight, double *y)
{
    const hone_net_window *w = &c->w;
    uint32_t last = w->n - 1;
    int64_t stride = w->stride[last], shift = tap[last] * w->dilation[last] - w->before[last];
    int64_t from = -hone_floor_div(shift, stride);
    int64_t to = hone_floor_div(c->in[last] - 1 - shift, stride) + 1;
    from = from < 0 ? 0 : from;
    to = to > w->out[last] ? w->out[last] : to;
    hone_net_counter rows = count(w->out, last);
    for (int64_t r = 0, n = product(w->out, last); r < n; r++, hone_net__next(&rows)) {
        int64_t at = 0;
        bool inside = true;
        for (uint32_t k = 0; k < last && inside; k++) {
            int64_t i = rows.at[k] * w->stride[k] - w->before[k] + tap[k] * w->dilation[k];
            inside = i >= 0 && i < c->in[k];
            at = inside ? at * c->in[k] + i : 0;
        }
        if (!inside)
            continue;
        const double *row = x + at * c->in[last];
        double *out = y + r * w->out[last];
        for (int64_t o = from; o < to; o++)
            out[o] += weight * row[o * stride + shift];
    }
}

/* y [batch, out, ...] += x [batch, in, ...] * w [out, in / group, ...]. */
static void convolve(const conv *c, const double *x, const double *w, double *y)
{
    int64_t in_group = c->in_channels / c->group, out_group = c->out_channels / c->group;
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t m = 0; m < c->out_channels; m++)
            for (int64_t i = 0; i < in_group; i++) {
                int64_t from = m / out_group * in_group + i;
                const double *plane = x + (b * c->in_channels + from) * c->in_elems;
                const double *taps = w + (m * in_group + i) * c->taps;
                double *to = y + (b * c->out_channels + m) * c->out_elems;
                hone_net_counter tap = count(c->w.kernel, c->w.n);
                for (int64_t k = 0; k < c->taps; k++, hone_net__next(&tap))
                    add_tap(c, tap.at, plane, taps[k], to);
            }
}

/* y [batch, out, ...] of x [batch, in, ...] and w [in, out / group, ...], transposed. */
static void convolve_transposed(const conv *c, const double *x, const double *w, double *y)
{
    int64_t in_group = c->in_channels / c->group, out_group = c->out_channels / c->group;
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t i = 0; i < c->in_channels; i++)
            for (int64_t m = 0; m < out_group; m++) {
                int64_t channel = i / in_group * out_group + m;
                double *to = y + (b * c->out_channels + channel) * c->out_elems;
                hone_net_counter at = count(c->in, c->w.n);
                for (int64_t p = 0; p < c->in_elems; p++, hone_net__next(&at)) {
                    double v = x[(b * c->in_channels + i) * c->in_elems + p];
                    hone_net_counter tap = count(c->w.kernel, c->w.n);
                    for (int64_t k = 0; k < c->taps; k++, hone_net__next(&tap)) {
                        int64_t o = 0;
                        bool inside = true;
                        for (uint32_t d = 0; d < c->w.n && inside; d++) {
                            int64_t q = at.at[d] * c->w.stride[d] - c->w.before[d] +
                                        tap.at[d] * c->w.dilation[d];
                            inside = q >= 0 && q < c->w.out[d];
                            o = inside ? o * c->w.out[d] + q : 0;
                        }
                        if (inside)
                            to[o] += v * w[(i * out_group + m) * c->taps + k];
                    }
                }
            }
}

static hone_status eval_conv(const hone_net_use *u, bool transposed, hone_error *err)
{
    hone_net_window w;
    HONE_TRY(transposed ? hone_net_window_transposed(u, &w, err) : hone_net_window_of(u, &w, err));
    conv c = conv_of(u, &w);
    hone_tensor *out = u->out[0];
    const hone_tensor *bias = hone_net_in(u, 2);
    int64_t n = hone_tensor_elems(out);
    double *x = hone_net__floats(u->in[0]), *weights = hone_net__floats(u->in[1]);
    double *y = hone_xcalloc((size_t)n + 1, sizeof *y);
    for (int64_t k = 0; bias && k < n; k++)
        y[k] = hone_tensor_float(bias, k / c.out_elems % c.out_channels);
    (transposed ? convolve_transposed : convolve)(&c, x, weights, y);
    for (int64_t k = 0; k < n; k++)
        hone_net__set_float(out, k, y[k]);
    free(x);
    free(weights);
    free(y);
    return HONE_OK;
}

hone_status hone_net__eval_conv(const hone_net_use *u, hone_error *err)
{
    return eval_conv(u, false, err);
}

hone_status hone_net__eval_conv_transpose(const hone_net_use *u, hone_error *err)
{
    return eval_conv(u, true, err);
}

/* ---- convolution of integers ----------------------------------------------------------------- */

/* Elements less their zero points; of weights, one for each of `channels`, the first axis. The sums
 * of products stay below 2^53, so doubles are exact. */
static double *centred(const hone_tensor *t, const hone_tensor *zero, int64_t channels)
{
    double *v = hone_net__floats(t);
    int64_t n = hone_tensor_elems(t), each = channels ? n / channels : n;
    for (int64_t k = 0; k < n; k++)
        v[k] -= hone_net__point(zero, channels ? k / each : 0);
    return v;
}

/* Sums of products, caller frees; weights and zero points are these inputs. */
static hone_status integer_sums(const hone_net_use *u, uint32_t x_zero, uint32_t weights,
                                uint32_t w_zero, conv *c, double **ret, hone_error *err)
{
    hone_net_window w;
    HONE_TRY(hone_net_window_of(u, &w, err));
    *c = conv_of(u, &w);
    double *x = centred(u->in[0], hone_net_in(u, x_zero), 0);
    double *v = centred(u->in[weights], hone_net_in(u, w_zero), c->out_channels);
    *ret = hone_xcalloc((size_t)hone_tensor_elems(u->out[0]) + 1, sizeof **ret);
    convolve(c, x, v, *ret);
    free(x);
    free(v);
    return HONE_OK;
}

hone_status hone_net__eval_conv_integer(const hone_net_use *u, hone_error *err)
{
    conv c;
    double *y;
    HONE_TRY(integer_sums(u, 2, 1, 3, &c, &y, err));
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++)
        hone_net__set_int(u->out[0], k, (int64_t)y[k]);
    free(y);
    return HONE_OK;
}

hone_status hone_net__eval_qlinear_conv(const hone_net_use *u, hone_error *err)
{
    conv c;
    double *y;
    HONE_TRY(integer_sums(u, 2, 3, 5, &c, &y, err));
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++) {
        int64_t m = k / c.out_elems % c.out_channels;
        if (hone_net_in(u, 8))
            y[k] += hone_tensor_float(u->in[8], m);
        double scale = hone_net__point(u->in[1], 0) * hone_net__point(u->in[4], m) /
                       hone_net__point(u->in[6], 0);
        hone_net__set_saturated(u->out[0], k,
                                nearbyint(y[k] * scale) + hone_net__point(u->in[7], 0));
    }
    free(y);
    return HONE_OK;
}

/* ---- pooling --------------------------------------------------------------------------------- */

typedef struct pool {
    hone_net_window w;
    const hone_tensor *x;
    int64_t plane; /* of input elements, where a channel begins */
    bool columns;  /* indices count the first axis fastest */
} pool;

/* Where a tap at a place of the result is: in the input, in its padding, or past that. */
typedef enum where { IN, PADDING, PAST } where;

static where find(const pool *p, const int64_t *at, const int64_t *tap, int64_t *ret_offset,
                  int64_t *ret_index)
{
    where is = IN;
    int64_t by = 1;
    *ret_offset = *ret_index = 0;
    for (uint32_t k = 0; k < p->w.n; k++) {
        int64_t n = p->x->shape[k + 2];
        int64_t i = at[k] * p->w.stride[k] - p->w.before[k] + tap[k] * p->w.dilation[k];
        if (i >= n + p->w.after[k])
            return PAST;
        if (i < 0 || i >= n)
            is = PADDING;
        if (is == PADDING)
            continue;
        *ret_offset = *ret_offset * n + i;
        *ret_index += by * i;
        by *= n;
    }
    *ret_index = p->columns ? *ret_index : *ret_offset;
    return is;
}

/* Calls `each` for every place of the result. */
static hone_status slide(const hone_net_use *u,
                         void (*each)(const hone_net_use *, const pool *, const int64_t *at,
                                      int64_t k),
                         hone_error *err)
{
    pool p = {.x = u->in[0]};
    HONE_TRY(hone_net_window_of(u, &p.w, err));
    if (u->node->op->id == HONE_NET_OP_MAX_POOL)
        p.columns = hone_net_attr_int(u->node, "storage_order");
    int64_t in = product(p.x->shape + 2, p.w.n), out = product(p.w.out, p.w.n);
    int64_t planes = p.x->shape[0] * p.x->shape[1];
    for (int64_t b = 0; b < planes; b++) {
        p.plane = b * in;
        hone_net_counter at = count(p.w.out, p.w.n);
        for (int64_t k = 0; k < out; k++, hone_net__next(&at))
            each(u, &p, at.at, b * out + k);
    }
    return HONE_OK;
}

/* Of what sees nothing of its input. */
static int64_t least_int(hone_dtype t)
{
    return t == HONE_U8 ? 0 : INT64_MIN >> (64 - 8 * hone_dtype_bytes(t));
}

static void max_at(const hone_net_use *u, const pool *p, const int64_t *at, int64_t k)
{
    int64_t best = -1, best_index = 0;
    bool real = hone_dtype_is_float(p->x->dtype);
    hone_net_counter tap = count(p->w.kernel, p->w.n);
    for (int64_t j = 0, n = product(p->w.kernel, p->w.n); j < n; j++, hone_net__next(&tap)) {
        int64_t offset, index;
        if (find(p, at, tap.at, &offset, &index) != IN)
            continue;
        offset += p->plane;
        bool more =
            best < 0 || (real ? hone_tensor_float(p->x, offset) > hone_tensor_float(p->x, best)
                              : hone_tensor_int(p->x, offset) > hone_tensor_int(p->x, best));
        if (more) {
            best = offset;
            best_index = p->plane + index;
        }
    }
    if (best >= 0)
        hone_net__move(p->x, best, u->out[0], k);
    else if (real)
        hone_net__set_float(u->out[0], k, -(double)INFINITY);
    else
        hone_net__set_int(u->out[0], k, least_int(p->x->dtype));
    if (hone_net_out(u, 1))
        hone_net__set_int(u->out[1], k, best_index);
}

hone_status hone_net__eval_max_pool(const hone_net_use *u, hone_error *err)
{
    return slide(u, max_at, err);
}

static void average_at(const hone_net_use *u, const pool *p, const int64_t *at, int64_t k)
{
    bool pads = hone_net_attr_int(u->node, "count_include_pad");
    double sum = 0;
    int64_t of = 0;
    hone_net_counter tap = count(p->w.kernel, p->w.n);
    for (int64_t j = 0, n = product(p->w.kernel, p->w.n); j < n; j++, hone_net__next(&tap)) {
        int64_t offset, index;
        where is = find(p, at, tap.at, &offset, &index);
        of += is == IN || (is == PADDING && pads);
        sum += is == IN ? hone_tensor_float(p->x, p->plane + offset) : 0;
    }
    hone_net__set_float(u->out[0], k, of ? sum / (double)of : 0);
}

hone_status hone_net__eval_average_pool(const hone_net_use *u, hone_error *err)
{
    return slide(u, average_at, err);
}

static void lp_at(const hone_net_use *u, const pool *p, const int64_t *at, int64_t k)
{
    double sum = 0, norm = (double)hone_net_attr_int(u->node, "p");
    hone_net_counter tap = count(p->w.kernel, p->w.n);
    for (int64_t j = 0, n = product(p->w.kernel, p->w.n); j < n; j++, hone_net__next(&tap)) {
        int64_t offset, index;
        if (find(p, at, tap.at, &offset, &index) == IN)
            sum += pow(fabs(hone_tensor_float(p->x, p->plane + offset)), norm);
    }
    hone_net__set_float(u->out[0], k, pow(sum, 1 / norm));
}

hone_status hone_net__eval_lp_pool(const hone_net_use *u, hone_error *err)
{
    return slide(u, lp_at, err);
}

hone_status hone_net__eval_global_pool(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    hone_net_op_id op = u->node->op->id;
    int64_t each = hone_net__elems(x, 2, x->n_dims), planes = hone_tensor_elems(u->out[0]);
    double norm = op == HONE_NET_OP_GLOBAL_LP_POOL ? (double)hone_net_attr_int(u->node, "p") : 1;
    for (int64_t b = 0; b < planes; b++) {
        double sum = 0, most = -(double)INFINITY;
        for (int64_t k = 0; k < each; k++) {
            double v = hone_tensor_float(x, b * each + k);
            most = v > most ? v : most;
            sum += op == HONE_NET_OP_GLOBAL_LP_POOL ? pow(fabs(v), norm) : v;
        }
        double is = op == HONE_NET_OP_GLOBAL_MAX_POOL ? most : sum / (double)each;
        hone_net__set_float(u->out[0], b,
                            op == HONE_NET_OP_GLOBAL_LP_POOL ? pow(sum, 1 / norm) : is);
    }
    return HONE_OK;
}
