/* A convolution of 1 x 1 as a product: images that have their channels last are rows of channels,
 * one for each place, and so are the elementwise nodes that go on with it. Tiles of the product are
 * not bound to the width of the image then, which narrow ones gain by (docs/RATIONALE.md). */
#include "net/plan/internal.h"

#define NARROW 7 /* at most so many places wide */

static bool is_image(const hone_net_plan *p, hone_net_value v)
{
    const hone_tensor *t = &hone_net_value_at(p->graph, v)->t;
    const hone_net_order *o = &p->orders.v[v.i];
    bool last = t->n_dims >= 3 && o->axis[t->n_dims - 1] == 1;
    for (uint8_t d = 1; last && d + 1 < t->n_dims; d++)
        last = o->axis[d] == d + 1;
    return last;
}

bool hone_net__as_rows(const hone_tensor *t, const hone_tensor *image, hone_tensor *ret)
{
    uint8_t n = image->n_dims;
    *ret = *t;
    if (hone_tensor_elems(t) == 1) {
        ret->n_dims = 1;
        ret->shape[0] = 1;
        return true;
    }
    if (t->n_dims == n && hone_tensor_elems(t) > 0 && t->shape[0] == image->shape[0]) {
        bool same = true; /* but for how many channels */
        for (uint8_t d = 2; d < n; d++)
            same &= t->shape[d] == image->shape[d];
        ret->n_dims = 2;
        ret->shape[0] = hone_tensor_elems(t) / t->shape[1];
        ret->shape[1] = t->shape[1];
        if (same)
            return true;
    }
    if (t->n_dims + 1 < n || t->n_dims > n) /* an element for each channel */
        return false;
    uint8_t channels = (uint8_t)(t->n_dims - (n - 1));
    ret->n_dims = 2;
    ret->shape[0] = 1;
    ret->shape[1] = t->shape[channels];
    return hone_tensor_elems(t) == ret->shape[1] && ret->shape[1] == image->shape[1];
}

static bool is_pointwise(const hone_net_plan *p, hone_net_node id, hone_net_use_room *room)
{
    hone_net_use u = hone_net_use_of(p->graph, id, room);
    hone_net_window w;
    if (u.node->op->id != HONE_NET_OP_CONV || hone_net_attr_int(u.node, "group") != 1 ||
        !hone_dtype_is_float(u.in[0]->dtype) || u.in[0]->data || !u.in[1]->data ||
        hone_tensor_elems(u.out[0]) == 0 || hone_net_window_of(&u, &w, NULL) != HONE_OK)
        return false;
    int64_t wide = w.n ? w.out[w.n - 1] : 0;
    bool one = wide <= NARROW && hone_tensor_elems(u.out[0]) > wide * u.out[0]->shape[1];
    for (uint32_t s = 0; s < w.n; s++)
        one &= w.kernel[s] == 1 && w.stride[s] == 1 && w.before[s] == 0 && w.after[s] == 0;
    return one && is_image(p, u.node->in[0]) && is_image(p, u.node->out[0]);
}

bool hone_net__is_of_rows(const hone_net_plan *p, const hone_net_group *x, hone_net_use_room *room)
{
    const hone_net_node_row *conv = hone_net_node_at(p->graph, x->nodes.v[0]);
    if (!is_pointwise(p, x->nodes.v[0], room))
        return false;
    const hone_tensor *image = &hone_net_value_at(p->graph, conv->out[0])->t;
    for (uint32_t k = 1; k < x->nodes.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(p->graph, x->nodes.v[k]);
        if (hone_net__kind(n) != HONE_NET_ELEMENTWISE || !is_image(p, n->out[0]) ||
            strcmp(n->op->name, "BatchNormalization") == 0 ||
            strcmp(n->op->name, "DequantizeLinear") == 0 ||
            strcmp(n->op->name, "QuantizeLinear") == 0) /* these count axes */
            return false;
        for (uint32_t j = 0; j < n->n_in; j++) {
            const hone_tensor *t = &hone_net_value_at(p->graph, n->in[j])->t;
            hone_tensor rows;
            bool whole = n->in[j].i && hone_tensor_same_shape(t, image);
            if (n->in[j].i && (!hone_net__as_rows(t, image, &rows) ||
                               (whole && !t->data && !is_image(p, n->in[j]))))
                return false;
        }
    }
    return true;
}
