/* A plan's memory, watched: which value each place of the workspace holds while the calls run.
 * Finds a kernel that reads what another has written over, and one that writes over what it reads
 * unless it is one that may. */
#ifndef TESTS_NET_MEMORY_H
#define TESTS_NET_MEMORY_H

#include "net/plan.h"

typedef struct memory {
    const hone_net_plan *p;
    uint32_t *holds; /* by unit of HONE_NET_ALIGN bytes */
    bool *written;   /* by value */
} memory;

static inline int64_t memory_units(const memory *m, uint32_t v)
{
    int64_t bytes = hone_tensor_bytes(&m->p->graph->values.v[v].t);
    return (bytes + HONE_NET_ALIGN - 1) / HONE_NET_ALIGN;
}

static inline bool memory_holds(const memory *m, uint32_t v)
{
    int64_t at = m->p->at.v[v], n = memory_units(m, v);
    if (at % HONE_NET_ALIGN || at + n * HONE_NET_ALIGN > m->p->workspace)
        return false;
    for (int64_t k = 0; k < n; k++)
        if (m->holds[at / HONE_NET_ALIGN + k] != v)
            return false;
    return true;
}

static inline bool memory_meet(const memory *m, uint32_t a, uint32_t b)
{
    int64_t x = m->p->at.v[a], y = m->p->at.v[b];
    return x < y + memory_units(m, b) * HONE_NET_ALIGN &&
           y < x + memory_units(m, a) * HONE_NET_ALIGN;
}

/* Is y, which the call makes, exactly where its input x is, element by element? */
static inline bool memory_may_replace(const memory *m, const hone_net_call *c,
                                      const hone_net_arg *x, const hone_net_arg *y)
{
    const hone_tensor *a = &m->p->graph->values.v[x->value.i].t;
    const hone_tensor *b = &m->p->graph->values.v[y->value.i].t;
    return m->p->kernels.v[c->kernel].in_place && c->n_out == 1 && !x->part.i && !y->part.i &&
           m->p->at.v[x->value.i] == m->p->at.v[y->value.i] && a->dtype == b->dtype &&
           hone_tensor_same_shape(a, b) && memcmp(x->order.axis, y->order.axis, a->n_dims) == 0;
}

static inline const char *memory_call(memory *m, const hone_net_call *c)
{
    uint32_t n_in = c->args.n - c->n_out;
    for (uint32_t k = 0; k < n_in; k++) {
        uint32_t v = c->args.v[k].value.i;
        if (m->p->at.v[v] >= 0 && m->written[v] && !memory_holds(m, v))
            return "it reads what another has written over";
    }
    for (uint32_t k = n_in; k < c->args.n; k++) {
        const hone_net_arg *y = &c->args.v[k];
        uint32_t v = y->value.i;
        if (m->p->at.v[v] < 0)
            continue;
        for (uint32_t j = 0; j < c->args.n; j++) {
            uint32_t x = c->args.v[j].value.i;
            if (x != v && m->p->at.v[x] >= 0 && memory_meet(m, x, v) &&
                !(j < n_in && memory_may_replace(m, c, &c->args.v[j], y)))
                return "it writes over what it reads, or twice to one place";
        }
        if (m->written[v] && !memory_holds(m, v)) /* another part of it */
            return "a part of what it makes has been written over";
        m->written[v] = true;
        for (int64_t u = 0; u < memory_units(m, v); u++)
            m->holds[m->p->at.v[v] / HONE_NET_ALIGN + u] = v;
    }
    return NULL;
}

/* What is wrong with the plan's memory, or NULL. */
static inline const char *memory_fault(const hone_net_plan *p)
{
    memory m = {.p = p};
    const char *fault = NULL;
    m.holds = hone_xcalloc((size_t)(p->workspace / HONE_NET_ALIGN) + 1, sizeof *m.holds);
    m.written = hone_xcalloc(p->graph->values.n, sizeof *m.written);
    for (uint32_t k = 0; k < p->calls.n && !fault; k++)
        fault = memory_call(&m, &p->calls.v[k]);
    free(m.holds);
    free(m.written);
    return fault;
}

#endif
