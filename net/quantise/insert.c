/* The model with pairs around what was chosen: QuantizeLinear and DequantizeLinear behind what a
 * layer takes, DequantizeLinear behind weights of i8 and a bias of i32. Any runtime computes this;
 * one that looks for it computes with the integers. */
#include "net/internal.h"
#include "net/plan/rewrite.h"
#include "net/quantise/internal.h"

#include <math.h>

typedef struct inserter {
    hone_net_rewrite r;
    const hone_net_quantised_layers *q;
    hone_net_value *pair_of; /* by value: what it is rounded; none: not yet */
    bool *of_image;          /* by value: all that take it take it rounded */
    bool full;               /* no memory for a constant */
} inserter;

static const hone_tensor *tensor(const inserter *x, hone_net_value v)
{
    return &hone_net_value_at(x->r.g, v)->t;
}

static hone_net_value constant(inserter *x, const hone_tensor *t, const void *from)
{
    void *to;
    hone_net_value v = hone_net__constant(&x->r, t, &to);
    x->full |= !v.i;
    if (v.i)
        memcpy(to, from, (size_t)hone_tensor_bytes(t));
    return v;
}

static hone_net_value dequantise(inserter *x, hone_net_value v, hone_net_value scale,
                                 hone_net_value zero, int64_t axis)
{
    const hone_net_attr a = {.name = "axis", .given = true, .i = axis};
    const hone_net_value in[] = {v, scale, zero};
    if (!v.i || !scale.i)
        return HONE_NET_NO_VALUE;
    hone_tensor t = *tensor(x, v);
    t.dtype = HONE_F32;
    return hone_net__emit(&x->r, "DequantizeLinear", &a, 1, in, zero.i ? 3 : 2, &t,
                          HONE_NET_NO_VALUE);
}

/* v rounded; the pair is written before the first that takes it. */
static hone_net_value pair(inserter *x, hone_net_value v)
{
    const hone_net_attr axis = {.name = "axis", .i = 1};
    const hone_tensor of_scale = {.dtype = HONE_F32}, of_zero = {.dtype = HONE_U8};
    hone_net_range r = x->q->ranges.v[v.i];
    if (x->pair_of[v.i].i)
        return x->pair_of[v.i];
    const hone_net_value in[] = {v, constant(x, &of_scale, &r.scale),
                                 constant(x, &of_zero, &r.zero)};
    if (!in[1].i || !in[2].i)
        return HONE_NET_NO_VALUE;
    hone_tensor t = *tensor(x, v);
    t.dtype = HONE_U8;
    hone_net_value q =
        hone_net__emit(&x->r, "QuantizeLinear", &axis, 1, in, 3, &t, HONE_NET_NO_VALUE);
    return x->pair_of[v.i] = dequantise(x, q, in[1], in[2], 1);
}

static hone_net_value weights(inserter *x, const hone_net_layer *l, const float *scales)
{
    const hone_tensor was = *tensor(x, l->w);
    hone_tensor t = was, per = {.dtype = HONE_F32, .n_dims = 1};
    int64_t n = hone_tensor_elems(&was);
    t.dtype = HONE_I8;
    per.shape[0] = was.shape[l->axis];
    hone_tensor zeros = per;
    zeros.dtype = HONE_I8;
    void *to, *zero;
    hone_net_value v = hone_net__constant(&x->r, &t, &to);
    hone_net_value z = hone_net__constant(&x->r, &zeros, &zero);
    x->full |= !v.i || !z.i;
    if (x->full)
        return HONE_NET_NO_VALUE;
    for (int64_t k = 0; k < n; k++)
        ((int8_t *)to)[k] = hone_net__weight(&was, l->axis, scales, k);
    return dequantise(x, v, constant(x, &per, scales), z, l->axis);
}

/* Weights of a layer that stays in floats, in 16 bits. */
static hone_net_value half_weights(inserter *x, const hone_net_layer *l)
{
    const hone_net_attr to_f32 = {.name = "to", .given = true, .i = 1};
    const hone_tensor was = *tensor(x, l->w);
    hone_tensor t = was;
    t.dtype = x->q->weights;
    hone_net_value v = hone_net__constant(&x->r, &t, &t.data);
    x->full |= !v.i;
    for (int64_t k = 0; v.i && k < hone_tensor_elems(&was); k++)
        hone_net__set_float(&t, k, hone_tensor_float(&was, k));
    t.dtype = HONE_F32;
    return v.i ? hone_net__emit(&x->r, "Cast", &to_f32, 1, &v, 1, &t, HONE_NET_NO_VALUE) : v;
}

/* A constant bias as i32, whose unit is that of the sums; as it is where that does not fit. */
static hone_net_value bias(inserter *x, const hone_net_layer *l, const float *scales,
                           hone_net_value b)
{
    const hone_tensor was = *tensor(x, b);
    int64_t n = tensor(x, l->w)->shape[l->axis];
    if (!was.data || was.dtype != HONE_F32 || was.n_dims != 1 || was.shape[0] != n)
        return b;
    float *units = hone_xcalloc((size_t)n, sizeof *units);
    int32_t *v = hone_xcalloc((size_t)n, sizeof *v);
    bool fits = true;
    for (int64_t k = 0; k < n; k++) {
        units[k] = x->q->ranges.v[l->x.i].scale * scales[k];
        double q = nearbyint((double)((const float *)was.data)[k] / (double)units[k]);
        fits &= fabs(q) <= INT32_MAX; /* not if it is NaN */
        v[k] = fits ? (int32_t)q : 0;
    }
    hone_tensor t = was, per = was;
    t.dtype = HONE_I32;
    if (fits)
        b = dequantise(x, constant(x, &t, v), constant(x, &per, units), HONE_NET_NO_VALUE, 0);
    free(units);
    free(v);
    return b;
}

static const hone_net_layer *layer_of(const inserter *x, hone_net_node n)
{
    for (uint32_t k = 0; k < x->q->layers.n; k++)
        if (x->q->layers.v[k].node.i == n.i)
            return &x->q->layers.v[k];
    return NULL;
}

static void write_node(inserter *x)
{
    hone_net_node_row n = *hone_net_node_at(x->r.g, x->r.at);
    const hone_net_layer *l = layer_of(x, x->r.at);
    hone_net_value *in = hone_xcalloc(n.n_in + 1, sizeof *in);
    memcpy(in, n.in, n.n_in * sizeof *in);
    for (uint32_t k = 0; k < n.n_in; k++)
        if (in[k].i && (x->of_image[in[k].i] || (l && l->chosen && k == 0)))
            in[k] = pair(x, in[k]);
    if (l && !l->chosen && x->q->weights != HONE_F32)
        in[1] = half_weights(x, l);
    if (l && l->chosen) {
        float *scales = hone_net__weight_scales(x->r.g, l);
        in[1] = weights(x, l, scales);
        if (n.n_in > 2 && in[2].i)
            in[2] = bias(x, l, scales, in[2]);
        free(scales);
    }
    n.in = in;
    hone_vec_push(&x->r.order, hone_net_add_node(x->r.g, &n));
    free(in);
}

hone_status hone_net_quantise_insert(hone_net *g, const hone_net_quantised_layers *q,
                                     hone_error *err)
{
    inserter x = {.r = {.g = g}, .q = q};
    x.pair_of = hone_xcalloc(g->values.n, sizeof *x.pair_of);
    x.of_image = hone_xcalloc(g->values.n, sizeof *x.of_image);
    for (uint32_t k = 0; k < q->layers.n; k++)
        if (q->layers.v[k].chosen && q->layers.v[k].is_image)
            x.of_image[q->layers.v[k].x.i] = true;
    for (uint32_t k = 0; k < g->order.n && !x.full; k++) {
        x.r.at = g->order.v[k];
        write_node(&x);
    }
    if (!x.full)
        hone_vec_copy(&g->order, &x.r.order);
    hone_vec_free(&x.r.order);
    free(x.pair_of);
    free(x.of_image);
    return x.full ? hone_fail(err, HONE_E_LIMIT, "constants take too much memory") : HONE_OK;
}
