/* Where the tensors between calls lie in one workspace: the largest first, each at the least place
 * that no tensor has which is needed at the same time (greedy by size: Pisarchyk & Lee 2020,
 * section 5.2). */
#include "net/plan/internal.h"

#include <stdlib.h>

typedef struct tenant {
    uint32_t value;
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

static void find_tenants(const hone_net_plan *p, tenants *ret)
{
    uint32_t *row = hone_xcalloc(p->graph->values.n, sizeof *row); /* from 1 */
    for (uint32_t c = 0; c < p->calls.n; c++)
        for (uint32_t k = 0; k < p->calls.v[c].args.n; k++) {
            uint32_t v = p->calls.v[c].args.v[k].value.i;
            if (is_outside(p, v))
                continue;
            if (!row[v]) {
                int64_t bytes = hone_tensor_bytes(&p->graph->values.v[v].t);
                hone_vec_push(ret, (tenant){v, c, c, hone_net__aligned(bytes), 0});
                row[v] = ret->n;
            }
            ret->v[row[v] - 1].last = c;
        }
    free(row);
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

void hone_net__memory(hone_net_plan *p)
{
    tenants all = {0};
    p->workspace = p->live = 0;
    for (uint32_t k = 0; k < p->at.n; k++)
        p->at.v[k] = -1;
    find_tenants(p, &all);
    for (uint32_t c = 0; c < p->calls.n; c++) {
        int64_t live = 0;
        for (uint32_t k = 0; k < all.n; k++)
            live += all.v[k].first <= c && c <= all.v[k].last ? all.v[k].bytes : 0;
        p->live = live > p->live ? live : p->live;
    }
    if (all.n)
        qsort(all.v, all.n, sizeof *all.v, larger_first);
    for (uint32_t k = 0; k < all.n; k++) {
        tenant *t = &all.v[k];
        t->at = place(&all, k, t);
        p->at.v[t->value] = t->at;
        p->workspace = t->at + t->bytes > p->workspace ? t->at + t->bytes : p->workspace;
    }
    hone_vec_free(&all);
}
