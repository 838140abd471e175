/* A product whose columns are split is several products, each with some columns of the weights:
 * queries, keys and values that a model computes at once need no copy then. What is done with the
 * product before it is split, with constants, is done with each part. */
#include "net/internal.h"
#include "net/plan/cut.h"

#define LEAST 64 /* columns that are worth a product */
#define DEPTH 24 /* nodes between it and the split: as many as a kernel has */

typedef struct pass {
    hone_net_rewrite r;
    hone_net_use_room room;
} pass;

static hone_net_node maker_of(const hone_net *g, hone_net_value v)
{
    const hone_net_value_row *row = hone_net_value_at(g, v);
    return row->t.data || row->is_output ? HONE_NET_NO_NODE : row->producer;
}

/* Is v made for one taker, a product of constant columns along that axis, or what is done with such
 * a product element by element, in `depth` nodes at most? */
static bool is_of_columns(pass *f, hone_net_value v, uint32_t axis, unsigned depth)
{
    hone_net_node id = maker_of(f->r.g, v);
    if (!depth || !id.i || v.i >= f->r.n_uses || f->r.uses[v.i] != 1)
        return false;
    const hone_net_node_row *n = hone_net_node_at(f->r.g, id);
    bool found = false;
    for (uint32_t k = 0; k < n->n_in; k++) {
        hone_net_use u = hone_net_use_of(f->r.g, id, &f->room);
        uint32_t of;
        hone_net_reach r = u.n_out == 1 ? hone_net__reach_of(&u, axis, k, &of) : HONE_NET_ANYTHING;
        bool known = n->in[k].i && hone_net_is_constant(f->r.g, n->in[k]);
        if (r == HONE_NET_ANYTHING)
            return false;
        if (r == HONE_NET_WHOLE || known)
            found |= r == HONE_NET_ALONG && hone_net__kind(n) == HONE_NET_PRODUCT;
        else if (!is_of_columns(f, n->in[k], of, depth - 1))
            return false;
        else
            found = true;
    }
    return found;
}

static hone_net_value part_of(void *ctx, hone_net_value v, const hone_net_cut *p)
{
    pass *f = ctx;
    if (hone_net_is_constant(f->r.g, v))
        return hone_net__slice(&f->r, v, p);
    return hone_net__cut_node(&f->r, maker_of(f->r.g, v), p, part_of, f, HONE_NET_NO_VALUE);
}

/* Puts the parts' products in the place of the node r->at; false: it stays. */
static bool rewrite_split(pass *f)
{
    const hone_net_node_row n = *hone_net_node_at(f->r.g, f->r.at);
    hone_net_use u = hone_net_use_of(f->r.g, f->r.at, &f->room);
    hone_net_cut p = {0};
    uint32_t before = f->r.order.n;
    if ((n.op->id != HONE_NET_OP_SPLIT && n.op->id != HONE_NET_OP_SPLIT_7) ||
        hone_net_axis_of(&u, "axis", u.in[0]->n_dims, &p.axis, NULL) != HONE_OK)
        return false;
    for (uint32_t k = 0; k < n.n_out; k++)
        if (!n.out[k].i || u.out[k]->shape[p.axis] < LEAST)
            return false;
    if (!is_of_columns(f, n.in[0], p.axis, DEPTH))
        return false;
    for (uint32_t k = 0; k < n.n_out; k++, p.from += p.n) {
        p.n = hone_net__tensor(f->r.g, n.out[k])->shape[p.axis];
        if (!hone_net__cut_node(&f->r, maker_of(f->r.g, n.in[0]), &p, part_of, f, n.out[k]).i) {
            hone_net__take_back(&f->r, before);
            for (uint32_t j = 0; j < n.n_out; j++)
                hone_net_value_at(f->r.g, n.out[j])->producer = f->r.at;
            return false;
        }
    }
    return true;
}

void hone_net__splits(hone_net *g)
{
    uint32_t *uses = hone_net__uses(g);
    pass f = {.r = {.g = g, .uses = uses, .n_uses = g->values.n}};
    for (uint32_t k = 0; k < g->order.n; k++) {
        f.r.at = g->order.v[k];
        if (!rewrite_split(&f))
            hone_vec_push(&f.r.order, f.r.at);
    }
    free(uses);
    hone_net_use_room_free(&f.room);
    hone_vec_free(&g->order);
    hone_vec_copy(&g->order, &f.r.order);
    hone_vec_free(&f.r.order);
    hone_net__sweep(g);
}
