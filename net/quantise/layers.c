/* Which nodes can compute with integers, and their weights as such. */
#include "net/internal.h"
#include "net/quantise/internal.h"

#include <float.h>
#include <math.h>

static bool f32(const hone_net *g, hone_net_value v)
{
    return v.i && hone_net_value_at(g, v)->t.dtype == HONE_F32;
}

static double elems(const hone_net *g, hone_net_value v)
{
    return (double)hone_tensor_elems(&hone_net_value_at(g, v)->t);
}

/* A convolution whose groups have more than one channel: with one, there are no products to add. */
static bool is_conv(const hone_net *g, const hone_net_node_row *n, hone_net_layer *ret)
{
    const hone_tensor *w = &hone_net_value_at(g, n->in[1])->t;
    if (n->op->id != HONE_NET_OP_CONV || w->n_dims < 3 || w->shape[1] < 2)
        return false;
    ret->axis = 0;
    ret->is_image = true;
    ret->products = elems(g, n->out[0]) * elems(g, n->in[1]) / (double)w->shape[0];
    return true;
}

static bool is_product(const hone_net *g, const hone_net_node_row *n, hone_net_layer *ret)
{
    const hone_tensor *w = &hone_net_value_at(g, n->in[1])->t;
    bool gemm = n->op->id == HONE_NET_OP_GEMM;
    if ((!gemm && n->op->id != HONE_NET_OP_MATMUL) || w->n_dims != 2 ||
        hone_net_value_at(g, n->in[0])->t.n_dims < 2)
        return false;
    if (gemm && (hone_net_attr_int(n, "transA") || hone_net_attr_float(n, "alpha") != 1 ||
                 (n->n_in > 2 && n->in[2].i && hone_net_attr_float(n, "beta") != 1)))
        return false;
    ret->axis = gemm && hone_net_attr_int(n, "transB") ? 0 : 1;
    ret->products = elems(g, n->out[0]) * (double)w->shape[1 - ret->axis];
    return true;
}

void hone_net__find_layers(const hone_net *g, hone_net_quantised_layers *ret)
{
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        hone_net_layer l = {.node = g->order.v[k], .name = n->name, .op = n->op->name};
        if (n->n_in < 2 || !f32(g, n->in[0]) || !f32(g, n->in[1]) || !n->out[0].i ||
            hone_net_is_constant(g, n->in[0]) || !hone_net_is_constant(g, n->in[1]) ||
            elems(g, n->in[1]) == 0 || elems(g, n->out[0]) == 0)
            continue;
        l.x = n->in[0];
        l.w = n->in[1];
        if (is_conv(g, n, &l) || is_product(g, n, &l))
            hone_vec_push(&ret->layers, l);
    }
}

void hone_net__why_no_layers(const hone_net *g, hone_buf *ret)
{
    uint32_t convs = 0, products = 0, floats = 0, single = 0, other = 0;
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        bool conv = n->op->id == HONE_NET_OP_CONV;
        if (!conv && n->op->id != HONE_NET_OP_GEMM && n->op->id != HONE_NET_OP_MATMUL)
            continue;
        *(conv ? &convs : &products) += 1;
        const hone_tensor *w = &hone_net_value_at(g, n->in[1])->t;
        if (!f32(g, n->in[0]) || !f32(g, n->in[1]) || !hone_net_is_constant(g, n->in[1]))
            floats++;
        else if (conv && w->n_dims >= 2 && w->shape[1] < 2)
            single++;
        else
            other++;
    }
    if (convs + products == 0) {
        hone_buf_puts(ret, "the network has no convolution and no product");
        return;
    }
    hone_buf_printf(ret,
                    "none of its %" PRIu32 " convolutions and %" PRIu32
                    " products can compute with integers:",
                    convs, products);
    if (single)
        hone_buf_printf(ret,
                        " %" PRIu32 " with one channel in each group, where there are no "
                        "products to add",
                        single);
    if (floats)
        hone_buf_printf(ret, "%s %" PRIu32 " whose weights are not constants of f32",
                        single ? ";" : "", floats);
    if (other)
        hone_buf_printf(ret, "%s %" PRIu32 " of another form", single || floats ? ";" : "", other);
}

/* ---- weights --------------------------------------------------------------------------------- */

float *hone_net__weight_scales(const hone_net *g, const hone_net_layer *l)
{
    const hone_tensor *w = &hone_net_value_at(g, l->w)->t;
    const float *x = w->data;
    float *scales = hone_xcalloc((size_t)w->shape[l->axis], sizeof *scales);
    for (int64_t k = 0, n = hone_tensor_elems(w); k < n; k++) {
        float *s = &scales[hone_net__place_along(w, l->axis, k)];
        *s = isfinite(x[k]) ? fmaxf(*s, fabsf(x[k])) : *s;
    }
    for (int64_t c = 0; c < w->shape[l->axis]; c++) {
        scales[c] /= HONE_NET_WEIGHT_LIMIT;
        if (!(scales[c] >= FLT_MIN)) /* all 0, or so small that it may as well be */
            scales[c] = 1;
    }
    return scales;
}

int8_t hone_net__weight(const hone_tensor *w, uint32_t axis, const float *scales, int64_t k)
{
    float x = ((const float *)w->data)[k] / scales[hone_net__place_along(w, axis, k)];
    if (isnan(x))
        return 0;
    return (int8_t)nearbyintf(fminf(HONE_NET_WEIGHT_LIMIT, fmaxf(-HONE_NET_WEIGHT_LIMIT, x)));
}
