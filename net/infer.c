/* Types and shapes of every value, in the order of the nodes, and what is constant computed on the
 * way: shapes are often computed from constants, so the two go together. */
#include "net/internal.h"
#include "net/op/op.h"

#define FOLD_BYTES (64 << 20) /* a constant may be as large as this, whatever it is made of */
#define FOLD_GROWTH 4         /* or so many times what it is made of */

static int64_t bytes_in(const hone_net_use *u)
{
    int64_t n = 0;
    for (uint32_t k = 0; k < u->n_in; k++)
        if (u->in[k])
            n += hone_tensor_bytes(u->in[k]);
    return n;
}

/* Of some inputs an operator takes the type or the shape only. */
static bool takes_data(const hone_net_use *u, uint32_t k)
{
    switch (u->node->op->id) {
    case HONE_NET_OP_SHAPE:
    case HONE_NET_OP_SIZE:
    case HONE_NET_OP_EYE_LIKE:
        return false;
    case HONE_NET_OP_CAST_LIKE:
        return k == 0;
    default:
        return true;
    }
}

static bool is_known(const hone_net_use *u)
{
    for (uint32_t k = 0; k < u->n_in; k++)
        if (u->in[k] && !u->in[k]->data && takes_data(u, k))
            return false;
    return true;
}

static hone_status fold(hone_net *g, const hone_net_use *u, bool all, hone_error *err)
{
    int64_t most = FOLD_GROWTH * bytes_in(u), n = 0;
    most = most > FOLD_BYTES ? most : FOLD_BYTES;
    for (uint32_t k = 0; k < u->n_out; k++)
        n += u->out[k] ? hone_tensor_bytes(u->out[k]) : 0;
    if (!all && n > most)
        return HONE_OK;
    for (uint32_t k = 0; k < u->n_out; k++) {
        if (!u->out[k])
            continue;
        u->out[k]->data = hone_net_alloc(g, (size_t)hone_tensor_bytes(u->out[k]));
        if (!u->out[k]->data)
            return hone_net__fail(err, HONE_E_LIMIT, u, "what it computes takes too much memory");
    }
    /* of no elements there is nothing to compute, however large the other sizes are */
    return n ? u->node->op->eval(u, err) : HONE_OK;
}

/* Marks what the outputs need, from the last node to the first, and keeps that. */
void hone_net__sweep(hone_net *g)
{
    bool *needed = hone_xcalloc(g->values.n, sizeof *needed);
    bool *kept = hone_xcalloc(g->nodes.n, sizeof *kept);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        needed[g->outputs.v[k].i] = true;
    for (uint32_t k = g->order.n; k-- > 0;) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        bool keep = false;
        for (uint32_t j = 0; j < n->n_out; j++)
            keep |= n->out[j].i && needed[n->out[j].i] && !hone_net_is_constant(g, n->out[j]);
        for (uint32_t j = 0; keep && j < n->n_in; j++)
            needed[n->in[j].i] = true;
        kept[g->order.v[k].i] = keep;
    }
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->order.n; k++)
        if (kept[g->order.v[k].i])
            g->order.v[n++] = g->order.v[k];
    g->order.n = n;
    free(needed);
    free(kept);
}

hone_status hone_net__infer(hone_net *g, bool all, hone_error *err)
{
    hone_net_use_room room = {0};
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < g->order.n && st == HONE_OK; k++) {
        hone_net_use u = hone_net_use_of(g, g->order.v[k], &room);
        st = u.node->op->infer(&u, err);
        for (uint32_t j = 0; j < u.n_out && st == HONE_OK; j++)
            HONE_ASSERT(!u.out[j] || u.out[j]->dtype != HONE_DTYPE_COUNT);
        if (st == HONE_OK && is_known(&u))
            st = fold(g, &u, all, err);
    }
    hone_net_use_room_free(&room);
    if (st == HONE_OK)
        hone_net__sweep(g);
    return st;
}
