/* The plan's calls one after the other, each tensor in memory of its own: constants are put in the
 * order that a call wants once, for all runs. */
#include "net/plan/internal.h"
#include "net/quantise/internal.h"

static void *zeroed(int64_t bytes)
{
    return hone_xcalloc(1, (size_t)(bytes ? bytes : 1));
}

static void place_constant(hone_net_machine *m, const hone_net_arg *a, void **ret)
{
    const hone_tensor *t = &hone_net_value_at(m->p->graph, a->value)->t;
    *ret = t->data;
    if (hone_net__is_plain(t, &a->order))
        return;
    *ret = zeroed(hone_tensor_bytes(t));
    hone_net_reorder(t, &a->order, t->data, *ret);
    hone_vec_push(&m->made, *ret);
}

static void place(hone_net_machine *m, hone_net_value v)
{
    const hone_tensor *t = &hone_net_value_at(m->p->graph, v)->t;
    if (!t->data && !m->at[v.i])
        hone_vec_push(&m->made, m->at[v.i] = zeroed(hone_tensor_bytes(t)));
}

void hone_net__machine_new(const hone_net_plan *p, hone_net_machine *ret)
{
    const hone_net *g = p->graph;
    *ret = (hone_net_machine){.p = p};
    ret->at = hone_xcalloc(g->values.n, sizeof *ret->at);
    ret->args = hone_xcalloc(p->calls.n + 1, sizeof *ret->args);
    for (uint32_t k = 0; k < g->inputs.n; k++)
        place(ret, g->inputs.v[k]);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        place(ret, p->of.v[g->outputs.v[k].i]);
    for (uint32_t c = 0; c < p->calls.n; c++) {
        const hone_net_call *call = &p->calls.v[c];
        ret->args[c] = hone_xcalloc(call->args.n + 1, sizeof **ret->args);
        for (uint32_t k = 0; k < call->args.n; k++) {
            place(ret, call->args.v[k].value);
            if (hone_net_is_constant(g, call->args.v[k].value))
                place_constant(ret, &call->args.v[k], &ret->args[c][k]);
        }
    }
}

void hone_net__machine_free(hone_net_machine *m)
{
    for (uint32_t c = 0; m->args && c < m->p->calls.n; c++)
        free(m->args[c]);
    for (uint32_t k = 0; k < m->made.n; k++)
        free(m->made.v[k]);
    hone_vec_free(&m->made);
    free(m->args);
    free(m->at);
}

static void *const *arguments(hone_net_machine *m, uint32_t call)
{
    const hone_net_call *c = &m->p->calls.v[call];
    for (uint32_t k = 0; k < c->args.n; k++) {
        const hone_net_arg *a = &c->args.v[k];
        if (!hone_net_is_constant(m->p->graph, a->value))
            m->args[call][k] = (char *)m->at[a->value.i] + hone_net_plan_start(m->p, a);
    }
    return m->args[call];
}

hone_status hone_net__machine_run(hone_net_machine *m, const hone_tensor *in, hone_net_call_fn *run,
                                  void *ctx, hone_tensor *ret, hone_error *err)
{
    const hone_net *g = m->p->graph;
    for (uint32_t k = 0; k < g->inputs.n; k++)
        if (hone_tensor_bytes(&in[k]) && m->at[g->inputs.v[k].i])
            memcpy(m->at[g->inputs.v[k].i], in[k].data, (size_t)hone_tensor_bytes(&in[k]));
    for (uint32_t c = 0; c < m->p->calls.n; c++)
        HONE_TRY(run(ctx, c, arguments(m, c), err));
    for (uint32_t k = 0; k < g->outputs.n; k++) {
        hone_net_value of = m->p->of.v[g->outputs.v[k].i];
        ret[k] = hone_net_value_at(g, g->outputs.v[k])->t;
        const void *from =
            hone_net_is_constant(g, of) ? hone_net_value_at(g, of)->t.data : m->at[of.i];
        ret[k].data = zeroed(hone_tensor_bytes(&ret[k]));
        if (hone_tensor_bytes(&ret[k]))
            memcpy(ret[k].data, from, (size_t)hone_tensor_bytes(&ret[k]));
    }
    return HONE_OK;
}
