/* What nobody takes is not computed. Of some values all takers want the same part: a classifier
 * looks at the first token of a transformer's last layer, whose products are of all tokens.
 *
 * From the last node to the first: which part of each value is wanted, a range along one axis.
 * Where a Gather or a Slice wants one, that goes on to what the value is made of, as long as an
 * element is made of those at the same place along some axis: elementwise, along rows, in products,
 * behind other shapes and orders. Who wants something else wants all.
 *
 * From the first node to the last: nodes of whose result a part is wanted compute that, of parts of
 * what they take; these are sliced where they are there as a whole. */
#include "net/internal.h"
#include "net/plan/cut.h"

#define LEAST 2 /* a part is worth it from one in so many down */

typedef enum extent { NOTHING, PART, ALL } extent;

typedef struct wanted {
    extent is;
    hone_net_cut part;
} wanted;

typedef struct pass {
    hone_net_rewrite r;
    wanted *wanted;        /* by value, of those that there were before */
    hone_net_value *cut;   /* by value: the part that is wanted, computed; none: it is not */
    hone_net_value *slice; /* by value: a part of what is computed as a whole, which is */
    hone_net_cut *sliced;
    hone_net_use_room room;
} pass;

static const wanted all = {.is = ALL};

static bool same_part(const hone_net_cut *a, const hone_net_cut *b)
{
    return a->axis == b->axis && a->from == b->from && a->n == b->n;
}

static void want(pass *f, hone_net_value v, const wanted *w)
{
    wanted *now = &f->wanted[v.i];
    if (now->is == NOTHING)
        *now = *w;
    else if (now->is != w->is || (w->is == PART && !same_part(&now->part, &w->part)))
        *now = all;
}

/* ---- what is wanted -------------------------------------------------------------------------- */

/* Of a Gather of one index and a Slice of one axis: which part of their first input they take. */
static bool takes_part(const hone_net_use *u, hone_net_cut *ret)
{
    const hone_tensor *x = hone_net_in(u, 0);
    hone_net_slice s;
    *ret = (hone_net_cut){0};
    if (u->node->op->id == HONE_NET_OP_GATHER) {
        const hone_tensor *at = u->in[1];
        if (!at->data || at->n_dims > 1 || hone_tensor_elems(at) != 1 ||
            hone_net_axis_of(u, "axis", x->n_dims, &ret->axis, NULL) != HONE_OK)
            return false;
        ret->from = hone_tensor_int(at, 0);
        ret->from += ret->from < 0 ? x->shape[ret->axis] : 0;
        ret->n = 1;
    } else if (u->node->op->id == HONE_NET_OP_SLICE || u->node->op->id == HONE_NET_OP_SLICE_7) {
        uint32_t n = 0;
        if (hone_net_slice_of(u, &s, NULL) != HONE_OK)
            return false;
        for (uint32_t k = 0; k < x->n_dims; k++) {
            if (s.size[k] == x->shape[k] && s.step[k] == 1)
                continue;
            *ret = (hone_net_cut){k, s.start[k], s.size[k]};
            n += s.step[k] == 1 ? 1 : 2;
        }
        if (n != 1)
            return false;
    } else {
        return false;
    }
    return ret->n > 0 && ret->from >= 0 && ret->n * LEAST <= x->shape[ret->axis] &&
           ret->from <= x->shape[ret->axis] - ret->n && hone_tensor_elems(x) > 0;
}

/* Does a kernel make v that others join and that cannot make a part: a convolution's? */
static bool is_of_window(const hone_net *g, hone_net_value v)
{
    hone_net_node n = hone_net_value_at(g, v)->producer;
    return n.i && !hone_net_is_constant(g, v) &&
           hone_net__kind(hone_net_node_at(g, n)) == HONE_NET_PRODUCT &&
           hone_net_node_at(g, n)->op->id != HONE_NET_OP_MATMUL &&
           hone_net_node_at(g, n)->op->id != HONE_NET_OP_GEMM;
}

/* Can the node compute what is wanted of its result alone? */
static bool can_be_cut(const hone_net *g, const hone_net_use *u, const wanted *w)
{
    uint32_t axis;
    if (w->is != PART || u->n_out != 1)
        return false;
    for (uint32_t k = 0; k < u->n_in; k++) {
        hone_net_reach r = hone_net__reach_of(u, w->part.axis, k, &axis);
        if (r == HONE_NET_ANYTHING || (r == HONE_NET_ALONG && is_of_window(g, u->node->in[k])))
            return false;
    }
    return true;
}

static void want_inputs(pass *f, hone_net_node id)
{
    hone_net_use u = hone_net_use_of(f->r.g, id, &f->room);
    hone_net_value out = u.node->out[0];
    wanted w = {.is = PART};
    bool picks = takes_part(&u, &w.part), cut = false;
    if (!picks) {
        w = out.i ? f->wanted[out.i] : all;
        cut = can_be_cut(f->r.g, &u, &w);
    }
    for (uint32_t k = 0; k < u.n_in; k++) {
        wanted of = w;
        if (cut ? hone_net__reach_of(&u, w.part.axis, k, &of.part.axis) != HONE_NET_ALONG
                : !picks || k > 0)
            of = all;
        want(f, u.node->in[k], &of);
    }
    for (uint32_t k = 0; k < u.n_out && !cut; k++)
        f->wanted[u.node->out[k].i] = all;
}

/* ---- computing it ---------------------------------------------------------------------------- */

/* That part of v: where it is wanted alone, it has been computed. */
static hone_net_value part_of(void *ctx, hone_net_value v, const hone_net_cut *p)
{
    pass *f = ctx;
    if (f->cut[v.i].i)
        return f->cut[v.i];
    if (!f->slice[v.i].i || !same_part(&f->sliced[v.i], p))
        f->slice[v.i] = hone_net__slice(&f->r, v, p);
    f->sliced[v.i] = *p;
    return f->slice[v.i];
}

/* False: there is no memory for constants. */
static bool rewrite(pass *f)
{
    const hone_net_node_row n = *hone_net_node_at(f->r.g, f->r.at);
    hone_net_value out = n.out[0];
    hone_net_use u = hone_net_use_of(f->r.g, f->r.at, &f->room);
    hone_net_cut p;
    if (takes_part(&u, &p) && f->cut[n.in[0].i].i) {
        const hone_tensor t = *hone_net__tensor(f->r.g, out);
        return hone_net__reshape(&f->r, f->cut[n.in[0].i], &t, out).i != 0;
    }
    if (out.i && can_be_cut(f->r.g, &u, &f->wanted[out.i])) {
        p = f->wanted[out.i].part;
        f->cut[out.i] = hone_net__cut_node(&f->r, f->r.at, &p, part_of, f, HONE_NET_NO_VALUE);
        return f->cut[out.i].i != 0;
    }
    hone_vec_push(&f->r.order, f->r.at);
    return true;
}

/* The order that there was: its nodes make their results again. */
static void take_back(hone_net *g)
{
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        for (uint32_t j = 0; j < n->n_out; j++)
            if (n->out[j].i)
                hone_net_value_at(g, n->out[j])->producer = g->order.v[k];
    }
}

void hone_net__unread(hone_net *g)
{
    pass f = {.r = {.g = g}};
    bool good = true;
    f.wanted = hone_xcalloc(g->values.n, sizeof *f.wanted);
    f.sliced = hone_xcalloc(g->values.n, sizeof *f.sliced);
    f.cut = hone_xcalloc(g->values.n, sizeof *f.cut);
    f.slice = hone_xcalloc(g->values.n, sizeof *f.slice);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        want(&f, g->outputs.v[k], &all);
    for (uint32_t k = g->order.n; k-- > 0;)
        want_inputs(&f, g->order.v[k]);
    for (uint32_t k = 0; k < g->order.n && good; k++) {
        f.r.at = g->order.v[k];
        good = rewrite(&f);
    }
    if (good) {
        hone_vec_free(&g->order);
        hone_vec_copy(&g->order, &f.r.order);
        hone_net__sweep(g);
    } else {
        take_back(g);
    }
    hone_vec_free(&f.r.order);
    hone_net_use_room_free(&f.room);
    free(f.wanted);
    free(f.sliced);
    free(f.cut);
    free(f.slice);
}
