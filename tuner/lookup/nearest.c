/* Rung nearest: this kernel at other sizes, for this target or one whose code it can run. The best
 * schedules of the nearest sizes are adapted to these, and the model chooses. */
#include "tuner/lookup/internal.h"

#define ALSO_RAN 0.1 /* ln: what a schedule that was not the best there is to be better by */
#define LOOK_AT 4    /* of the fastest schedules of each kernel */

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
static hone_status read_nearest(lookup *l, neighbours *ret, hone_error *err)
{
    const hone_lookup_question *q = l->q;
    const near_question of = {.program = q->program,
                              .sizes = q->sizes,
                              .threads = q->threads,
                              .most = HONE_LOOKUP_NEAR,
                              .admit = is_usable,
                              .ctx = l};
    for (unsigned k = 0; k < q->n_logs; k++) {
        uint32_t from = ret->n;
        HONE_TRY(hone_tuner__neighbours(q->logs[k], &of, ret, err));
        for (uint32_t i = from; i < ret->n; i++)
            ret->v[i].log = k;
    }
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

/* Schedules of a near kernel, adapted to this one. */
static hone_status add_from(lookup *l, uint32_t of, pool *p, hone_error *err)
{
    near_kernel *x = &l->near.v[of];
    hone_status st = hone_lookup__near_judge(l, x, err);
    for (uint32_t i = 0; i < x->fastest.n && st == HONE_OK; i++) {
        uint32_t before = p->n;
        st = hone_lookup__pool_adapt(l, p, &x->fastest.v[i].trace, of, err);
        for (uint32_t k = before; k < p->n && i > 0; k++)
            p->v[k].handicap = ALSO_RAN;
    }
    return st;
}

static hone_status open_nearest(lookup *l, hone_error *err)
{
    neighbours found = {0};
    uint32_t nearest[HONE_LOOKUP_NEAR];
    hone_status st = read_nearest(l, &found, err);
    uint32_t n = hone_tuner__nearest(found.v, found.n, nearest, HONE_LOOKUP_NEAR);
    for (uint32_t k = 0; k < n && st == HONE_OK; k++) {
        near_kernel x;
        st = hone_lookup__near_open(l, &found.v[nearest[k]], LOOK_AT, &x, err);
        hone_vec_push(&l->near, x);
    }
    hone_tuner__neighbours_free(&found);
    return st;
}

hone_status hone_lookup__nearest(lookup *l, finding *ret, hone_error *err)
{
    pool p = {0};
    unsigned source = 0;
    hone_status st = open_nearest(l, err);
    if (st == HONE_OK && l->near.n > 0)
        st = hone_lookup__prepare(l, err);
    for (uint32_t k = 0; k < l->near.n && st == HONE_OK; k++)
        st = add_from(l, k, &p, err);
    if (st == HONE_OK)
        st = hone_lookup__pool_take(l, &p, ret, &source, err);
    if (st == HONE_OK && ret->found)
        say(&l->near.v[source].of, p.n, l->model_name, ret);
    else if (st == HONE_OK)
        ret->what =
            hone_xstrdup(l->near.n ? "no schedule of other sizes can be carried out at these"
                                   : "it was tuned at no other sizes for a target whose code this "
                                     "one can run");
    hone_lookup__pool_free(&p);
    return st;
}
