/* Where the tensors between calls lie in one workspace: the largest first, each at the least place
 * that no tensor has which is needed at the same time (greedy by size: Pisarchyk & Lee 2020,
 * section 5.2).
 *
 * What an elementwise kernel makes may lie where one of its inputs does that nobody takes any more:
 * each element is read before it is written, once, and no other at its place. That is done where
 * it makes the workspace smaller: a tensor that lies long in one place may also be in the way. */
#include "net/plan/internal.h"

#include <stdlib.h>

typedef struct tenant {
    uint32_t value;       /* the first that lies there */
    uint32_t first, last; /* calls */
    int64_t bytes, at;
} tenant;

typedef HONE_VEC(tenant) tenants;

static int larger_first(const void *a, const void *b)
{
    const tenant *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static bool meet(const tenant *a, const tenant *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Does the caller keep this value's memory? */
static bool is_outside(const hone_net_plan *p, uint32_t v)
{
    const hone_net_value_row *row = &p->graph->values.v[v];
    return row->is_input || row->t.data ||
           hone_net_plan_output_of(p, (hone_net_value){v}) < p->graph->outputs.n;
}

/* ---- in place of an input -------------------------------------------------------------------- */

/* The last call that has the value, by value. */
static uint32_t *last_calls(const hone_net_plan *p)
{
    uint32_t *last = hone_xcalloc(p->graph->values.n, sizeof *last);
    for (uint32_t c = 0; c < p->calls.n; c++)
        for (uint32_t k = 0; k < p->calls.v[c].args.n; k++)
            last[p->calls.v[c].args.v[k].value.i] = c;
    return last;
}

static bool is_elementwise(const hone_net_plan *p, const hone_net_group *x)
{
    for (uint32_t k = 0; k < x->nodes.n; k++)
        if (hone_net__kind(hone_net_node_at(p->graph, x->nodes.v[k])) != HONE_NET_ELEMENTWISE)
            return false;
    return true;
}

/* Is it read as it lies, element by element beside the result: by its own name, in its shape? */
static bool is_read_along(const hone_net_plan *p, const hone_net_group *x, hone_net_value v,
                          hone_net_value y)
{
    const hone_tensor *a = &hone_net_value_at(p->graph, v)->t;
    const hone_tensor *b = &hone_net_value_at(p->graph, y)->t;
    bool found = false;
    for (uint32_t k = 0; k < x->nodes.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(p->graph, x->nodes.v[k]);
        for (uint32_t j = 0; j < n->n_in; j++)
            found |= n->in[j].i == v.i;
        if (!hone_tensor_same_shape(&hone_net_value_at(p->graph, n->out[0])->t, b))
            return false;
    }
    return found && a->dtype == b->dtype && hone_tensor_same_shape(a, b) &&
           memcmp(p->orders.v[v.i].axis, p->orders.v[y.i].axis, a->n_dims) == 0;
}

/* The input of call c that its result may lie in place of, or none. */
static hone_net_value replaced(const hone_net_plan *p, uint32_t c, const uint32_t *last)
{
    const hone_net_call *x = &p->calls.v[c];
    const hone_net_arg *y = x->args.n ? &x->args.v[x->args.n - 1] : NULL;
    if (x->n_out != 1 || y->part.i || is_outside(p, y->value.i) ||
        !is_elementwise(p, &p->groups.v[x->group]))
        return HONE_NET_NO_VALUE;
    for (uint32_t k = 0; k + 1 < x->args.n; k++) {
        hone_net_value v = x->args.v[k].value;
        uint32_t times = 0;
        for (uint32_t j = 0; j < x->args.n; j++)
            times += x->args.v[j].value.i == v.i;
        if (times == 1 && !x->args.v[k].part.i && !is_outside(p, v.i) && last[v.i] == c &&
            is_read_along(p, &p->groups.v[x->group], v, y->value))
            return v;
    }
    return HONE_NET_NO_VALUE;
}

/* ---- tenants --------------------------------------------------------------------------------- */

/* row: by value, from 1, the tenant whose place it has. Values that no call makes have a place to
 * themselves: whoever runs calls again finds them as they were. */
static void find_tenants(const hone_net_plan *p, bool in_place, uint32_t *row, tenants *ret)
{
    uint32_t *last = last_calls(p);
    bool *made = hone_xcalloc(p->graph->values.n, sizeof *made);
    for (uint32_t c = 0; c < p->calls.n; c++) {
        const hone_net_call *x = &p->calls.v[c];
        hone_net_value over = in_place ? replaced(p, c, last) : HONE_NET_NO_VALUE;
        for (uint32_t k = 0; k < x->args.n; k++) {
            uint32_t v = x->args.v[k].value.i;
            bool is_out = k >= x->args.n - x->n_out;
            if (is_outside(p, v))
                continue;
            if (!row[v] && is_out && over.i && made[over.i])
                row[v] = row[over.i];
            made[v] |= is_out;
            if (!row[v]) {
                int64_t bytes = hone_tensor_bytes(&p->graph->values.v[v].t);
                hone_vec_push(ret, (tenant){v, c, c, hone_net__aligned(bytes), 0});
                row[v] = ret->n;
            }
            ret->v[row[v] - 1].last = c;
        }
    }
    free(made);
    free(last);
}

/* The least place where t meets none of the first n. */
static int64_t place(const tenants *all, uint32_t n, const tenant *t)
{
    int64_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t k = 0; k < n; k++) {
            const tenant *x = &all->v[k];
            if (meet(x, t) && x->at < at + t->bytes && at < x->at + x->bytes) {
                at = x->at + x->bytes;
                moved = true;
            }
        }
    }
    return at;
}

typedef struct lodging {
    tenants all;
    uint32_t *row; /* by value */
    int64_t workspace, live;
} lodging;

static lodging lodge(const hone_net_plan *p, bool in_place)
{
    lodging l = {.row = hone_xcalloc(p->graph->values.n, sizeof *l.row)};
    find_tenants(p, in_place, l.row, &l.all);
    for (uint32_t c = 0; c < p->calls.n; c++) {
        int64_t live = 0;
        for (uint32_t k = 0; k < l.all.n; k++)
            live += l.all.v[k].first <= c && c <= l.all.v[k].last ? l.all.v[k].bytes : 0;
        l.live = live > l.live ? live : l.live;
    }
    tenants sorted = {0};
    hone_vec_copy(&sorted, &l.all);
    if (sorted.n)
        qsort(sorted.v, sorted.n, sizeof *sorted.v, larger_first);
    for (uint32_t k = 0; k < sorted.n; k++) {
        tenant *t = &sorted.v[k];
        t->at = place(&sorted, k, t);
        l.all.v[l.row[t->value] - 1].at = t->at;
        l.workspace = t->at + t->bytes > l.workspace ? t->at + t->bytes : l.workspace;
    }
    hone_vec_free(&sorted);
    return l;
}

static void leave(lodging *l)
{
    hone_vec_free(&l->all);
    free(l->row);
}

/* Which kernels write over what they read. */
static void mark_in_place(hone_net_plan *p, const lodging *l)
{
    for (uint32_t k = 0; k < p->kernels.n; k++)
        p->kernels.v[k].in_place = false;
    for (uint32_t c = 0; c < p->calls.n; c++) {
        const hone_net_call *x = &p->calls.v[c];
        for (uint32_t k = 0; k + x->n_out < x->args.n; k++)
            for (uint32_t j = x->args.n - x->n_out; j < x->args.n; j++) {
                uint32_t in = l->row[x->args.v[k].value.i], out = l->row[x->args.v[j].value.i];
                p->kernels.v[x->kernel].in_place |= in && in == out;
            }
    }
}

void hone_net__memory(hone_net_plan *p)
{
    lodging apart = lodge(p, false), over = lodge(p, true);
    const lodging *l = over.workspace < apart.workspace ? &over : &apart;
    p->workspace = l->workspace;
    p->live = l->live;
    for (uint32_t k = 0; k < p->at.n; k++)
        p->at.v[k] = l->row[k] ? l->all.v[l->row[k] - 1].at : -1;
    mark_in_place(p, l);
    leave(&apart);
    leave(&over);
}
