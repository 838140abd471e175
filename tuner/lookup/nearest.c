/* Rung nearest: this kernel at other sizes, for this target or one whose code it can run. The best
 * schedules of the nearest sizes are adapted to these, and the model chooses. */
#include "tuner/lookup/internal.h"

#include <math.h>

#define NEAREST 4 /* kernels that are taken from, */
#define LOOK_AT 4 /* so many of the fastest schedules of each, beside the best */

static bool is_usable(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                      int *ret_elsewhere)
{
    lookup *l = ctx;
    *ret_elsewhere = 0;
    if (w->hash == l->hash)
        return false; /* at these sizes: rungs exact and class have looked at it */
    if (strcmp(t->text, l->target_text) != 0) {
        kin of = hone_lookup__kin(l, t->text);
        *ret_elsewhere = of.apart;
        return of.usable;
    }
    return true;
}

/* Threads are a size, too. */
static void count_threads(const lookup *l, neighbours *v)
{
    for (uint32_t k = 0; k < v->n; k++)
        v->v[k].far += fabs(log((double)v->v[k].threads / l->q->threads));
}

static hone_status read_all(lookup *l, neighbours *ret, hone_error *err)
{
    const hone_lookup_question *q = l->q;
    const hone_db_where where = {.workload_class = hone_sym_text(q->program, q->program->name)};
    const near_question of = {
        .program = q->program, .sizes = q->sizes, .where = &where, .admit = is_usable, .ctx = l};
    for (unsigned k = 0; k < q->n_logs; k++) {
        uint32_t from = ret->n;
        HONE_TRY(hone_tuner__neighbours(q->logs[k], &of, ret, err));
        for (uint32_t i = from; i < ret->n; i++)
            ret->v[i].log = k;
    }
    count_threads(l, ret);
    return HONE_OK;
}

static void say(const neighbour *x, uint32_t of, const char *model, finding *ret)
{
    hone_buf what = {0};
    hone_buf_puts(&what, "it was tuned at ");
    hone_lookup_put_sizes(x->sizes, &what);
    hone_buf_puts(&what, " for ");
    hone_lookup__put_target(x->target, x->threads, &what);
    hone_buf_printf(&what, "; that schedule, adapted, is the best of %" PRIu32 " by %s", of, model);
    ret->what = hone_buf_take(&what);
    ret->from_target = hone_xstrdup(x->target);
    ret->from_sizes = hone_xstrdup(x->sizes);
    ret->from_threads = x->threads;
}

hone_status hone_lookup__nearest(lookup *l, finding *ret, hone_error *err)
{
    neighbours found = {0};
    pool p = {0};
    uint32_t nearest[NEAREST];
    unsigned source = 0;
    hone_status st = read_all(l, &found, err);
    uint32_t n = hone_tuner__nearest(found.v, found.n, nearest, NEAREST);
    if (st == HONE_OK && n > 0)
        st = hone_lookup__prepare(l, err);
    for (uint32_t k = 0; k < n && st == HONE_OK; k++) {
        const neighbour *x = &found.v[nearest[k]];
        trace_texts traces = {0};
        st = hone_tuner__traces_of(l->q->logs[x->log], x, LOOK_AT, &traces, err);
        for (uint32_t i = 0; i < traces.n && st == HONE_OK; i++)
            st = hone_lookup__pool_adapt(l, &p, traces.v[i], nearest[k], err);
        hone_tuner__traces_free(&traces);
    }
    if (st == HONE_OK)
        st = hone_lookup__pool_take(l, &p, ret, &source, err);
    if (st == HONE_OK && ret->found)
        say(&found.v[source], p.n, l->model_name, ret);
    else if (st == HONE_OK)
        ret->what =
            hone_xstrdup(n ? "no schedule of other sizes can be carried out at these"
                           : "it was tuned at no other sizes for a target whose code this one "
                             "can run");
    hone_lookup__pool_free(&p);
    hone_tuner__neighbours_free(&found);
    return st;
}
