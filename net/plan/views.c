/* Other names of the same memory: reshapes, where it lies in ONNX's order, and transpositions. */
#include "net/plan/internal.h"

/* May what is the caller's to read lie in v's memory? Not if it is the caller's already. */
static bool may_be_output(const hone_net_plan *p, hone_net_value v)
{
    const hone_net_value_row *row = hone_net_value_at(p->graph, v);
    return !row->is_input && !row->t.data && !row->is_output &&
           hone_net_plan_output_of(p, v) == p->graph->outputs.n;
}

/* Does some node take v as a view that has to have its elements in ONNX's order? */
static bool has_plain_view(const hone_net_plan *p, hone_net_value v)
{
    for (uint32_t k = 0; k < p->graph->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(p->graph, p->graph->order.v[k]);
        if (hone_net__kind(n) == HONE_NET_VIEW && n->in[0].i == v.i)
            return true;
    }
    return false;
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* Axes of more than one element, in ONNX's order. */
static uint8_t long_axes(const hone_tensor *t, uint8_t ret[HONE_MAX_DIMS])
{
    uint8_t n = 0;
    for (uint8_t d = 0; d < t->n_dims; d++)
        if (t->shape[d] != 1)
            ret[n++] = d;
    return n;
}

/* Axes of `from` and of `to` that have the same elements, the fewest from *i and *j on, which are
 * moved past them. False: there are none. */
static bool next_group(const hone_tensor *from, const uint8_t *f, uint8_t n_from, uint8_t *i,
                       const hone_tensor *to, const uint8_t *t, uint8_t n_to, uint8_t *j)
{
    if (*i == n_from || *j == n_to)
        return false;
    int64_t a = from->shape[f[(*i)++]], b = to->shape[t[(*j)++]];
    while (a != b) {
        if (a < b && *i < n_from)
            a *= from->shape[f[(*i)++]];
        else if (b < a && *j < n_to)
            b *= to->shape[t[(*j)++]];
        else
            return false;
    }
    return a > 0;
}

bool hone_net__reshaped(const hone_tensor *from, const hone_net_order *o, const hone_tensor *to,
                        hone_net_order *ret)
{
    uint8_t f[HONE_MAX_DIMS], t[HONE_MAX_DIMS], n_from = long_axes(from, f),
                                                n_to = long_axes(to, t);
    uint8_t lies[HONE_MAX_DIMS], n = 0, d = 0;
    for (uint8_t k = 0; k < from->n_dims; k++) /* the long ones, as they lie */
        if (from->shape[o->axis[k]] != 1)
            lies[n++] = o->axis[k];
    for (uint8_t k = 0; k < to->n_dims; k++)
        if (to->shape[k] == 1)
            ret->axis[d++] = k;
    for (uint8_t at = 0; at < n;) { /* the group that begins here lies together, in its order */
        uint8_t i = 0, j = 0, first_i = 0, first_j = 0;
        bool found = false;
        while (!found && next_group(from, f, n_from, &i, to, t, n_to, &j)) {
            found = f[first_i] == lies[at];
            if (!found) {
                first_i = i;
                first_j = j;
            }
        }
        if (!found)
            return false;
        for (; first_i < i; first_i++)
            if (at == n || lies[at++] != f[first_i])
                return false;
        for (; first_j < j; first_j++)
            ret->axis[d++] = t[first_j];
    }
    return d == to->n_dims;
}

void hone_net__transposed(const hone_net_order *o, const uint32_t *perm, uint8_t rank,
                          hone_net_order *ret)
{
    for (uint8_t d = 0; d < rank; d++)
        for (uint8_t k = 0; k < rank; k++)
            if (perm[k] == o->axis[d])
                ret->axis[d] = k;
}

/* ---- reshapes -------------------------------------------------------------------------------- */

static void reshape(hone_net_plan *p, const hone_net_node_row *n)
{
    hone_net_value in = n->in[0], out = n->out[0];
    if (!hone_net__is_plain(&hone_net_value_at(p->graph, in)->t, &p->orders.v[in.i]))
        return;
    if (!hone_net_value_at(p->graph, out)->is_output || may_be_output(p, p->of.v[in.i]))
        p->of.v[out.i] = p->of.v[in.i];
}

/* ---- transpositions -------------------------------------------------------------------------- */

/* May v be written in another order? */
static bool may_be_reordered(const hone_net_plan *p, hone_net_value v)
{
    const hone_net_value_row *row = hone_net_value_at(p->graph, v);
    if (!row->producer.i || row->is_output || row->t.data || p->of.v[v.i].i != v.i)
        return false;
    for (uint32_t k = 0; k < p->of.n; k++)
        if (p->of.v[k].i == v.i && k != v.i)
            return false; /* somebody counts on how it lies */
    return !has_plain_view(p, v);
}

/* Axis k of the result is axis perm[k] of the input. The result is read where the input lies, in
 * the order that it lies in; or, where the result has to lie as ONNX has it, the input is written
 * so that it does. */
static void transpose(hone_net_plan *p, const hone_net_node_row *n, const uint32_t *perm)
{
    hone_net_value in = n->in[0], out = n->out[0];
    const hone_net_value_row *row = hone_net_value_at(p->graph, out);
    uint8_t rank = row->t.n_dims;
    HONE_ASSERT(rank <= HONE_MAX_DIMS);
    if (!row->is_output && !has_plain_view(p, out)) {
        hone_net__transposed(&p->orders.v[in.i], perm, rank, &p->orders.v[out.i]);
        p->of.v[out.i] = p->of.v[in.i];
    } else if (may_be_reordered(p, in) && (!row->is_output || may_be_output(p, in))) {
        for (uint8_t d = 0; d < rank; d++)
            p->orders.v[in.i].axis[d] = (uint8_t)perm[d];
        p->of.v[out.i] = in;
    }
}

/* ---- both ------------------------------------------------------------------------------------ */

void hone_net__views(hone_net_plan *p)
{
    hone_net_use_room room = {0};
    for (uint32_t k = 0; k < p->graph->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(p->graph, p->graph->order.v[k]);
        uint32_t perm[HONE_MAX_DIMS];
        if (hone_net__kind(n) == HONE_NET_VIEW)
            reshape(p, n);
        if (hone_net__kind(n) != HONE_NET_ORDER || hone_net_is_constant(p->graph, n->in[0]))
            continue;
        hone_net_use u = hone_net_use_of(p->graph, p->graph->order.v[k], &room);
        if (hone_net_perm_of(&u, perm, NULL) == HONE_OK)
            transpose(p, n, perm);
    }
    hone_net_use_room_free(&room);
}
