/* A batch normalisation behind a convolution is a factor and a term for each channel: of the
 * weights and the bias. (x * W) g + h = x * (W g) + h, with g = scale / sqrt(variance + epsilon).
 */
#include "net/plan/internal.h"

#include <math.h>

#define MAX_CONV_IN 3

static bool f32_constant(const hone_net *g, hone_net_value v)
{
    return v.i && hone_net_is_constant(g, v) && hone_net_value_at(g, v)->t.dtype == HONE_F32;
}

/* The convolution whose result this normalises, or none. */
static hone_net_node conv_before(const hone_net *g, const hone_net_node_row *n,
                                 const uint32_t *uses)
{
    const hone_net_node none = HONE_NET_NO_NODE;
    if (strcmp(n->op->name, "BatchNormalization") != 0 || hone_net__kind(n) == HONE_NET_ALONE ||
        n->n_in != 5)
        return none;
    for (uint32_t k = 1; k < 5; k++)
        if (!f32_constant(g, n->in[k]))
            return none;
    hone_net_node c = hone_net_value_at(g, n->in[0])->producer;
    const hone_net_node_row *conv = hone_net_node_at(g, c);
    if (!c.i || uses[n->in[0].i] != 1 || strcmp(conv->op->name, "Conv") != 0 ||
        !f32_constant(g, conv->in[1]) ||
        (conv->n_in > 2 && conv->in[2].i && !f32_constant(g, conv->in[2])))
        return none;
    return c;
}

/* A new constant of that shape; its data to be filled. None: no memory is left for it. */
static hone_net_value constant_like(hone_net *g, const hone_tensor *shape, float **ret)
{
    hone_tensor t = *shape;
    t.data = *ret = hone_net_alloc(g, (size_t)hone_tensor_bytes(shape));
    return t.data ? hone_net_add_value(g, "", &t) : HONE_NET_NO_VALUE;
}

static bool fold_one(hone_net *g, uint32_t at, const uint32_t *uses)
{
    const hone_net_node_row bn = *hone_net_node_at(g, g->order.v[at]);
    hone_net_node c = conv_before(g, &bn, uses);
    if (!c.i)
        return false;
    hone_net_node_row conv = *hone_net_node_at(g, c);
    hone_tensor in[5], w = hone_net_value_at(g, conv.in[1])->t;
    for (uint32_t k = 1; k < 5; k++)
        in[k] = hone_net_value_at(g, bn.in[k])->t;
    const float *bias =
        conv.n_in > 2 && conv.in[2].i ? hone_net_value_at(g, conv.in[2])->t.data : NULL;
    float *w_new, *b_new;
    hone_net_value inputs[MAX_CONV_IN] = {conv.in[0], constant_like(g, &w, &w_new),
                                          constant_like(g, &in[2], &b_new)};
    if (!inputs[1].i || !inputs[2].i)
        return false;
    double epsilon = hone_net_attr_float(&bn, "epsilon");
    int64_t channels = w.shape[0], each = channels ? hone_tensor_elems(&w) / channels : 0;
    for (int64_t k = 0; k < channels; k++) {
        double factor =
            ((const float *)in[1].data)[k] / sqrt(((const float *)in[4].data)[k] + epsilon);
        for (int64_t j = 0; j < each; j++)
            w_new[k * each + j] = (float)(((const float *)w.data)[k * each + j] * factor);
        b_new[k] =
            (float)(((const float *)in[2].data)[k] +
                    ((bias ? (double)bias[k] : 0) - ((const float *)in[3].data)[k]) * factor);
    }
    conv.in = inputs;
    conv.n_in = MAX_CONV_IN;
    conv.out = bn.out;
    conv.n_out = 1;
    g->order.v[at] = hone_net_add_node(g, &conv);
    for (uint32_t k = 0; k < at; k++)
        if (g->order.v[k].i == c.i) {
            memmove(&g->order.v[k], &g->order.v[k + 1], (g->order.n - k - 1) * sizeof *g->order.v);
            g->order.n--;
            break;
        }
    return true;
}

void hone_net__fold(hone_net *g)
{
    uint32_t *uses = hone_net__uses(g);
    for (uint32_t k = 0; k < g->order.n;)
        if (!fold_one(g, k, uses))
            k++; /* else another node stands here now */
    free(uses);
}
