/* Concatenations that nobody computes: where pieces are put beside each other along the last
 * dimension in memory, each kernel that makes one writes it to its place. (Images keep their
 * channels last, and channels are what networks put together.)
 *
 * A piece is one if a product or window makes it, whose rule stores rows of a tile, wherever each
 * begins; and if nobody else takes it. An elementwise kernel is one long row when its arrays are
 * whole, which is worth more than the copy. */
#include "net/plan/internal.h"

/* The group whose only result is v, or groups.n. */
static uint32_t maker_of(const hone_net_plan *p, hone_net_value v)
{
    for (uint32_t k = 0; k < p->groups.n; k++) {
        const hone_net_group *x = &p->groups.v[k];
        const hone_net_node_row *last = hone_net_node_at(p->graph, x->nodes.v[x->nodes.n - 1]);
        if (last->n_out == 1 && last->out[0].i == v.i)
            return k;
    }
    return p->groups.n;
}

static bool is_product(const hone_net_plan *p, uint32_t group)
{
    const hone_net_group *x = &p->groups.v[group];
    for (uint32_t k = 0; k < x->nodes.n; k++)
        if (hone_net__kind(hone_net_node_at(p->graph, x->nodes.v[k])) == HONE_NET_PRODUCT)
            return true;
    return false;
}

static bool has_views(const hone_net_plan *p, hone_net_value v)
{
    for (uint32_t k = 0; k < p->of.n; k++)
        if (p->of.v[k].i == v.i && k != v.i)
            return true;
    return false;
}

/* May the maker of `piece` write it into y? */
static bool may_be_part(const hone_net_plan *p, const uint32_t *uses, hone_net_value piece,
                        hone_net_value y)
{
    const hone_net_value_row *row = hone_net_value_at(p->graph, piece);
    uint32_t group = maker_of(p, piece);
    return uses[piece.i] == 1 && !row->is_output && !row->t.data && !row->is_input &&
           p->of.v[piece.i].i == piece.i && !has_views(p, piece) && group < p->groups.n &&
           is_product(p, group) && hone_tensor_elems(&row->t) > 0 &&
           memcmp(p->orders.v[piece.i].axis, p->orders.v[y.i].axis, row->t.n_dims) == 0;
}

/* Is the group a concatenation whose pieces can all be written where they are to be? Then they
 * are. */
static bool divide(hone_net_plan *p, const uint32_t *uses, const hone_net_group *x,
                   hone_net_use_room *room)
{
    const hone_net_node_row *n = hone_net_node_at(p->graph, x->nodes.v[0]);
    uint32_t axis;
    if (x->nodes.n != 1 || strcmp(n->op->name, "Concat") != 0)
        return false;
    hone_net_value y = n->out[0];
    const hone_net_value_row *row = hone_net_value_at(p->graph, y);
    hone_net_use u = hone_net_use_of(p->graph, x->nodes.v[0], room);
    if (row->is_output || hone_net_plan_output_of(p, y) < p->graph->outputs.n ||
        row->t.n_dims < 2 || hone_net_axis_of(&u, "axis", row->t.n_dims, &axis, NULL) != HONE_OK ||
        p->orders.v[y.i].axis[row->t.n_dims - 1] != axis)
        return false;
    for (uint32_t k = 0; k < n->n_in; k++)
        if (!may_be_part(p, uses, n->in[k], y))
            return false;
    int64_t start = 0;
    for (uint32_t k = 0; k < n->n_in; k++) {
        p->parts.v[n->in[k].i] = (hone_net_part){y, start, row->t.shape[axis]};
        start += hone_net_value_at(p->graph, n->in[k])->t.shape[axis];
    }
    return true;
}

void hone_net__parts(hone_net_plan *p)
{
    uint32_t *uses = hone_net__uses(p->graph), kept = 0;
    bool *gone = hone_xcalloc((size_t)p->groups.n + 1, sizeof *gone);
    hone_net_use_room room = {0};
    for (uint32_t k = 0; k < p->groups.n; k++)
        gone[k] = divide(p, uses, &p->groups.v[k], &room);
    for (uint32_t k = 0; k < p->groups.n; k++) {
        if (gone[k])
            hone_vec_free(&p->groups.v[k].nodes);
        else
            p->groups.v[kept++] = p->groups.v[k];
    }
    p->groups.n = kept;
    hone_net_use_room_free(&room);
    free(gone);
    free(uses);
}
