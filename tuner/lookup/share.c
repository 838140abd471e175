/* What an answer of a rung is expected to have of the speed of the best schedule: what hone's own
 * lists of kernels showed (rungs.def), and, counting as much as it is near, what the log shows of
 * the same rung at other sizes, where that is left to its records:
 *
 *   class    a schedule that was best on the other target, measured on this one
 *   nearest  what became of the best of another size, measured there: `hone tune` tries such first
 *            and notes which they are
 *   default  the default schedule: `hone tune` measures it
 *
 * Reader's map: the estimate, a pure function; what the log shows. */
#include "tuner/lookup/internal.h"

#include <math.h>

#define WORTH 2         /* so many sizes as near as can be weigh as much as hone's lists */
#define MOST_SEEN 4     /* other sizes that are looked at */
#define AS_WRITTEN 0.12 /* share of a program as written, where no schedule is legal */

double hone_lookup__share(double shipped, const hone_lookup__seen *v, uint32_t n)
{
    double sum = WORTH * log(shipped), weight = WORTH;
    for (uint32_t k = 0; k < n; k++) {
        double w = 1 / (1 + v[k].far);
        sum += w * log(fmin(fmax(v[k].share, 0.01), 1));
        weight += w;
    }
    /* so that a lock file does not change with every record */
    return fmax(round(100 * exp(sum / weight)), 1) / 100;
}

/* ---- what the log shows ---------------------------------------------------------------------- */

typedef struct shares {
    hone_lookup__seen v[MOST_SEEN];
    uint32_t n;
} shares;

static void see(shares *ret, int64_t best_ns, int64_t ns, double far)
{
    if (best_ns > 0 && ns > 0 && ret->n < MOST_SEEN)
        ret->v[ret->n++] = (hone_lookup__seen){(double)best_ns / (double)ns, far};
}

static void see_default(const lookup *l, shares *ret)
{
    for (uint32_t k = 0; k < l->near.n; k++)
        see(ret, hone_lookup__near_best(&l->near.v[k]), l->near.v[k].default_ns,
            l->near.v[k].of.far);
}

static hone_status see_nearest(const lookup *l, shares *ret, hone_error *err)
{
    for (uint32_t k = 0; k < l->near.n; k++) {
        const near_kernel *x = &l->near.v[k];
        int64_t ns;
        HONE_TRY(hone_lookup__near_least(x, x->nears, x->n_nears, &ns, err));
        see(ret, hone_lookup__near_best(x), ns, x->of.far);
    }
    return HONE_OK;
}

static bool is_asked_for(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                         int *ret_elsewhere)
{
    const lookup *l = ctx;
    *ret_elsewhere = 0;
    return w->hash != l->hash && t->threads == l->q->threads &&
           strcmp(t->text, l->target_text) == 0;
}

typedef struct first {
    uint64_t hash;
    int64_t clock_ns;
} first;

static bool note(void *ctx, const hone_db_record *best)
{
    first *f = ctx;
    *f = (first){best->trace_hash, hone_db_record_clock(best)};
    return false;
}

/* Of a kernel of other sizes: the best for the other target, on this one. */
static hone_status see_carried(hone_db *db, const neighbour *x, int64_t other, shares *ret,
                               hone_error *err)
{
    first here = {0}, there = {0};
    hone_db_record r;
    HONE_TRY(hone_db_each_fastest(db, x->workload_id, x->target_id, 1, note, &here, err));
    HONE_TRY(hone_db_each_fastest(db, x->workload_id, other, 1, note, &there, err));
    if (there.clock_ns == 0)
        return HONE_OK;
    hone_status st = hone_db_record_find(db, x->workload_id, x->target_id, there.hash, &r, err);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    HONE_TRY(st);
    if (r.status == HONE_OK)
        see(ret, here.clock_ns, hone_db_record_clock(&r), x->far);
    hone_db_record_free(&r);
    return HONE_OK;
}

static hone_status see_class(lookup *l, const finding *f, shares *ret, hone_error *err)
{
    hone_db *db = l->q->logs[f->log];
    hone_db_target other;
    neighbours found = {0};
    const near_question q = {.program = l->q->program,
                             .sizes = l->q->sizes,
                             .most = MOST_SEEN,
                             .admit = is_asked_for,
                             .ctx = l};
    HONE_TRY(hone_db_target_find(db, f->from_target, f->from_threads, &other, err));
    hone_status st = hone_tuner__neighbours(db, &q, &found, err);
    for (uint32_t k = 0; k < found.n && st == HONE_OK; k++)
        st = see_carried(db, &found.v[k], other.id, ret, err);
    hone_tuner__neighbours_free(&found);
    hone_db_target_free(&other);
    return st;
}

hone_status hone_lookup__expect(lookup *l, hone_rung r, double shipped, double *ret,
                                char **ret_from, hone_error *err)
{
    const finding *f = &l->found[r];
    shares seen = {.n = 0};
    hone_status st = HONE_OK;
    if (r == HONE_RUNG_class)
        st = see_class(l, f, &seen, err);
    else if (r == HONE_RUNG_nearest)
        st = see_nearest(l, &seen, err);
    else if (r == HONE_RUNG_default && !f->as_written)
        see_default(l, &seen);
    *ret = hone_lookup__share(r == HONE_RUNG_default && f->as_written ? AS_WRITTEN : shipped,
                              seen.v, seen.n);
    *ret_from =
        seen.n ? hone_xasprintf("as at %" PRIu32 " near size%s of the log, and over hone's own "
                                "lists of kernels",
                                seen.n, seen.n == 1 ? "" : "s")
               : hone_xstrdup("as over hone's own lists of kernels");
    return st;
}
