/* Resize and Upsample, evaluated: one axis after the other, as the standard's interpolation is
 * separable. */
#include "net/eval/eval.h"

#include <math.h>

/* Place i of the result along an axis of n elements, in the input's measure. */
static double source(const hone_net_resize *r, uint32_t axis, uint32_t rank, int64_t n, int64_t i)
{
    double x = (double)i, scale = r->scale[axis], size = r->length[axis];
    bool long_one = r->size[axis] > 1;
    double last = (double)(n - 1);
    switch (r->transform) {
    case HONE_NET_PYTORCH_HALF_PIXEL:
        return long_one ? (x + 0.5) / scale - 0.5 : 0;
    case HONE_NET_ALIGN_CORNERS:
        return size > 1 ? x * last / (size - 1) : 0;
    case HONE_NET_ASYMMETRIC:
        return x / scale;
    case HONE_NET_TF_HALF_PIXEL:
        return (x + 0.5) / scale;
    case HONE_NET_CROP_AND_RESIZE: {
        double from = r->roi[axis], to = r->roi[rank + axis];
        return size > 1 ? from * last + x * (to - from) * last / (size - 1)
                        : 0.5 * (from + to) * last;
    }
    default:
        return (x + 0.5) / scale - 0.5;
    }
}

static double nearest(hone_net_resize_rounding how, double x)
{
    switch (how) {
    case HONE_NET_PREFER_FLOOR:
        return ceil(x - 0.5);
    case HONE_NET_PREFER_CEIL:
        return floor(x + 0.5);
    case HONE_NET_FLOOR:
        return floor(x);
    default:
        return ceil(x);
    }
}

#define TAPS 4
typedef struct taps {
    int n;
    int64_t at[TAPS];
    double weight[TAPS];
    bool outside; /* of the input, where a crop is extrapolated */
} taps;

/* Weights of the four elements around a place that is t past the second (Keys, 1981). */
static void cubic(double a, double t, double ret[TAPS])
{
    double s = 1 - t, u = 1 + t, v = 1 + s;
    ret[0] = ((a * u - 5 * a) * u + 8 * a) * u - 4 * a;
    ret[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    ret[2] = ((a + 2) * s - (a + 3)) * s * s + 1;
    ret[3] = ((a * v - 5 * a) * v + 8 * a) * v - 4 * a;
}

static taps taps_of(const hone_net_use *u, const hone_net_resize *r, uint32_t axis, int64_t i)
{
    const hone_tensor *x = u->in[0];
    int64_t n = x->shape[axis];
    double at = source(r, axis, x->n_dims, n, i), base = floor(at);
    taps t = {.n = 1, .weight = {1}};
    t.outside = r->transform == HONE_NET_CROP_AND_RESIZE && (at < 0 || at > (double)(n - 1));
    if (r->mode == HONE_NET_NEAREST) {
        base = nearest(hone_net_rounding_of(r, axis), at);
    } else if (r->mode == HONE_NET_LINEAR) {
        t.n = 2;
        t.weight[1] = at - base;
        t.weight[0] = 1 - t.weight[1];
    } else {
        t.n = TAPS;
        cubic(hone_net_attr_float(u->node, "cubic_coeff_a"), at - base, t.weight);
        base--;
    }
    bool excludes = r->mode == HONE_NET_CUBIC && hone_net_attr_int(u->node, "exclude_outside");
    double sum = 0;
    for (int k = 0; k < t.n; k++) {
        double p = base + k;
        if (excludes && (p < 0 || p > (double)(n - 1)))
            t.weight[k] = 0;
        t.at[k] = !(p > 0) ? 0 : p > (double)(n - 1) ? n - 1 : (int64_t)p; /* 0 for NaN */
        sum += t.weight[k];
    }
    for (int k = 0; excludes && k < t.n; k++)
        t.weight[k] /= sum;
    return t;
}

/* Interpolates along one axis: `from` has outer x n x inner elements. */
static double *along(const hone_net_use *u, const hone_net_resize *r, uint32_t axis, double *from,
                     int64_t outer, int64_t inner, bool *outside)
{
    int64_t n = u->in[0]->shape[axis], size = r->size[axis];
    double *to = hone_xmalloc((size_t)(outer * size * inner + 1) * sizeof *to);
    for (int64_t i = 0; i < size; i++) {
        taps t = taps_of(u, r, axis, i);
        outside[i] = t.outside;
        for (int64_t o = 0; o < outer; o++)
            for (int64_t j = 0; j < inner; j++) {
                double sum = 0;
                for (int k = 0; k < t.n; k++)
                    sum += t.weight[k] * from[(o * n + t.at[k]) * inner + j];
                to[(o * size + i) * inner + j] = sum;
            }
    }
    free(from);
    return to;
}

/* Nearest: elements are moved, whatever their type. */
static void choose(const hone_net_use *u, const hone_net_resize *r, const bool *const *outside)
{
    const hone_tensor *x = u->in[0];
    hone_tensor *y = u->out[0];
    hone_net_counter c = hone_net__count(y);
    for (int64_t k = 0, n = hone_tensor_elems(y); k < n; k++, hone_net__next(&c)) {
        int64_t from = 0;
        bool out = false;
        for (uint32_t d = 0; d < x->n_dims; d++) {
            from = from * x->shape[d] + taps_of(u, r, d, c.at[d]).at[0];
            out |= outside[d][c.at[d]];
        }
        if (out)
            hone_net__set_float(y, k, hone_net_attr_float(u->node, "extrapolation_value"));
        else
            hone_net__move(x, from, y, k);
    }
}

static void interpolate(const hone_net_use *u, const hone_net_resize *r, bool *const *outside)
{
    const hone_tensor *x = u->in[0];
    hone_tensor *y = u->out[0];
    double *v = hone_net__floats(x);
    int64_t outer = 1;
    for (uint32_t d = 0; d < x->n_dims; d++) {
        v = along(u, r, d, v, outer, hone_net__elems(x, d + 1, x->n_dims), outside[d]);
        outer *= r->size[d];
    }
    hone_net_counter c = hone_net__count(y);
    for (int64_t k = 0, n = hone_tensor_elems(y); k < n; k++, hone_net__next(&c)) {
        for (uint32_t d = 0; d < x->n_dims; d++)
            if (outside[d][c.at[d]])
                v[k] = hone_net_attr_float(u->node, "extrapolation_value");
        hone_net__set_float(y, k, v[k]);
    }
    free(v);
}

hone_status hone_net__eval_resize(const hone_net_use *u, hone_error *err)
{
    hone_net_resize r;
    HONE_TRY(hone_net_resize_of(u, &r, err));
    bool *outside[HONE_MAX_DIMS];
    uint32_t rank = u->in[0]->n_dims;
    for (uint32_t d = 0; d < rank; d++) {
        outside[d] = hone_xcalloc((size_t)r.size[d] + 1, 1);
        for (int64_t i = 0; r.mode == HONE_NET_NEAREST && i < r.size[d]; i++)
            outside[d][i] = taps_of(u, &r, d, i).outside;
    }
    if (r.mode == HONE_NET_NEAREST)
        choose(u, &r, (const bool *const *)outside);
    else
        interpolate(u, &r, outside);
    for (uint32_t d = 0; d < rank; d++)
        free(outside[d]);
    return HONE_OK;
}
