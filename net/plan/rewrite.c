/* Nodes in the place of others. */
#include "net/plan/rewrite.h"

#define OPSET 13 /* of whose operators new nodes are */

hone_net_value hone_net__constant(hone_net_rewrite *r, const hone_tensor *shape, void **ret)
{
    hone_tensor t = *shape;
    t.data = *ret = hone_net_alloc(r->g, (size_t)hone_tensor_bytes(shape));
    return t.data ? hone_net_add_value(r->g, "", &t) : HONE_NET_NO_VALUE;
}

hone_net_value hone_net__emit(hone_net_rewrite *r, const char *op, const hone_net_attr *attrs,
                              uint32_t n_attrs, const hone_net_value *in, uint32_t n_in,
                              const hone_tensor *t, hone_net_value to)
{
    bool known;
    hone_net_node_row n = {.op = hone_net_op_find(op, OPSET, &known),
                           .name = hone_net_node_at(r->g, r->at)->name,
                           .in = in,
                           .n_in = n_in,
                           .attrs = attrs,
                           .n_attrs = n_attrs,
                           .out = &to,
                           .n_out = 1};
    HONE_ASSERT(n.op && n.op->n_attrs == n_attrs);
    for (uint32_t k = 0; k < n.op->min_in; k++)
        if (!in[k].i)
            return HONE_NET_NO_VALUE;
    if (!to.i) {
        hone_tensor made = *t;
        made.data = NULL;
        to = hone_net_add_value(r->g, "", &made);
    }
    hone_vec_push(&r->order, hone_net_add_node(r->g, &n));
    return to;
}

void hone_net__take_back(hone_net_rewrite *r, uint32_t n)
{
    r->order.n = n;
}
