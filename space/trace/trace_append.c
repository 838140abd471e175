/* One trace after another: a piece of schedule made elsewhere, carried out where a schedule is. */
#include "space/trace/internal.h"

typedef struct appending {
    hone_trace own;        /* a copy of the trace, its variables renumbered as they get values */
    HONE_VEC(hone_rv) rvs; /* by the trace's variable: the schedule's */
    const char *name, *as;
} appending;

static void renumber(appending *a, uint32_t first, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        hone_value *v = &a->own.values.v[first + k];
        if (v->kind == HONE_VALUE_RV)
            v->u.rv = a->rvs.v[v->u.rv.i];
        else if (v->kind == HONE_VALUE_LIST)
            renumber(a, v->first, v->n);
    }
}

static void rename_block(appending *a, const hone_inst *in)
{
    hone_value *v = &a->own.values.v[in->attrs];
    if (in->kind == HONE_INST_GetBlock && a->name && v->kind == HONE_VALUE_TEXT &&
        strcmp(hone_space__chars(&a->own, v), a->name) == 0)
        *v = hone_space__text(&a->own, a->as, strlen(a->as));
}

static hone_status append_one(appending *a, uint32_t k, hone_sched *s, hone_error *err)
{
    const hone_inst in = a->own.insts.v[k];
    renumber(a, in.inputs, in.n_inputs);
    rename_block(a, &in);
    hone_rv first = HONE_NO_RV;
    uint32_t n = 0;
    HONE_TRY(hone_sched_apply(s, in.kind, &a->own, a->own.values.v + in.inputs, in.n_inputs,
                              a->own.values.v + in.attrs, in.n_attrs,
                              in.n_decision ? a->own.ints.v + in.decision : NULL, in.n_decision,
                              &first, &n, err));
    if (n != in.n_outputs)
        return hone_fail(err, HONE_REJECT_ARG,
                         "instruction %u (%s) gives %u variables here and %u in the trace", k,
                         hone_inst_name(in.kind), n, in.n_outputs);
    for (uint32_t q = 0; q < n; q++)
        a->rvs.v[in.outputs + q] = (hone_rv){first.i + q};
    return HONE_OK;
}

hone_status hone_trace_append(const hone_trace *t, const char *name, const char *as, hone_sched *s,
                              hone_error *err)
{
    appending a = {.name = name, .as = as};
    hone_trace_copy(&a.own, t);
    for (uint32_t k = 0; k <= t->n_rvs; k++)
        hone_vec_push(&a.rvs, HONE_NO_RV);
    hone_status st = HONE_OK;
    uint32_t n = hone_trace_search_part(t);
    for (uint32_t k = 0; k < n && st == HONE_OK; k++)
        st = append_one(&a, k, s, err);
    hone_vec_free(&a.rvs);
    hone_trace_free(&a.own);
    return st;
}
