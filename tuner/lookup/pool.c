/* Candidates of a rung: made here, ranked by the cost model.
 *
 * The model is the log's own, of the first log that has one; or the one that comes with hone, if it
 * learned from the target's class; or the draft alone. All candidates of a lookup go by the same
 * one. */
#include "tuner/calibrate/calibrate.h"
#include "tuner/lookup/internal.h"
#include "tuner/tuner.h"

#include <math.h>

/* ---- space and model ------------------------------------------------------------------------- */

/* Drafts are of the machine that a log has measured; but those that the model which comes with hone
 * corrects are the preset's. */
static void find_machine(lookup *l)
{
    const hone_lookup_question *q = l->q;
    for (unsigned k = 0; k < q->n_logs && !l->measured; k++)
        l->measured =
            hone_calibrate_find(q->logs[k], q->target, q->threads, &l->machine, NULL) == HONE_OK;
}

static hone_status find_prior(lookup *l, hone_error *err)
{
    const hone_lookup_question *q = l->q;
    hone_status st = HONE_E_NOTFOUND;
    l->model_name = "the log's model";
    for (unsigned k = 0; k < q->n_logs && st == HONE_E_NOTFOUND; k++)
        st = hone_prior_find(q->logs[k], q->target, q->threads, &l->prior, err);
    if (st == HONE_OK)
        find_machine(l);
    if (st == HONE_E_NOTFOUND) {
        l->model_name = "the model that comes with hone";
        st = hone_prior_pretrained(q->target, false, &l->prior, err);
    }
    if (st == HONE_E_NOTFOUND) {
        l->model_name = "the analytical estimate";
        find_machine(l);
        st = HONE_OK;
    }
    return st;
}

hone_status hone_lookup__prepare(lookup *l, hone_error *err)
{
    const hone_lookup_question *q = l->q;
    if (l->space)
        return HONE_OK;
    HONE_TRY(find_prior(l, err));
    l->model = hone_model_new(
        &(hone_model_options){.seed = 1, .threads = 1, .prior = l->prior, .trust = 1});
    return hone_space_new(q->program,
                          &(hone_space_options){.target = q->target,
                                                .threads = q->threads,
                                                .intrins = l->intrins,
                                                .stop = q->stop,
                                                .stop_ctx = q->stop_ctx},
                          &l->space, err);
}

void hone_lookup__extract(lookup *l, hone_program *p, hone_features *ret)
{
    hone_features_extract(p, l->q->target, l->q->threads, l->measured ? &l->machine : NULL, ret);
}

hone_status hone_lookup__predict(lookup *l, finding *f, hone_error *err)
{
    hone_features features = {0};
    const hone_features *of = &features;
    if (!isnan(f->cost))
        return HONE_OK;
    HONE_TRY(hone_lookup__prepare(l, err));
    hone_lookup__extract(l, &f->sched.prog, &features);
    hone_status st = hone_model_predict(l->model, &of, 1, &f->cost, err);
    hone_features_free(&features);
    return st;
}

/* ---- candidates ------------------------------------------------------------------------------ */

void hone_lookup__pool_add(lookup *l, pool *p, unsigned source)
{
    uint64_t program = hone_program_hash(&l->sched.prog);
    for (uint32_t k = 0; k < p->n; k++)
        if (p->v[k].program == program)
            return;
    candidate x = {.program = program, .source = source};
    hone_trace_copy(&x.trace, &l->sched.trace);
    hone_lookup__extract(l, &l->sched.prog, &x.features);
    hone_vec_push(p, x);
}

hone_status hone_lookup__pool_adapt(lookup *l, pool *p, const hone_trace *t, unsigned source,
                                    hone_error *err)
{
    static const hone_adapt_way ways[] = {HONE_ADAPT_TASKS, HONE_ADAPT_TILES};
    hone_status st = HONE_OK;
    bool any = hone_trace_search_part(t) > 0;
    for (unsigned k = 0; k < HONE_LEN(ways) && any && st != HONE_E_INTERRUPTED; k++) {
        st = hone_space_adapt(l->space, t, ways[k], &l->sched, err);
        if (st == HONE_OK)
            hone_lookup__pool_add(l, p, source);
    }
    return st == HONE_E_INTERRUPTED ? st : HONE_OK;
}

static int by_cost(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->cost < y->cost || x->cost > y->cost)
        return x->cost < y->cost ? -1 : 1;
    return x->program < y->program ? -1 : x->program > y->program; /* the same everywhere */
}

static hone_status predict(lookup *l, pool *p, hone_error *err)
{
    const hone_features **f = hone_xcalloc(p->n, sizeof *f);
    double *cost = hone_xcalloc(p->n, sizeof *cost);
    for (uint32_t k = 0; k < p->n; k++)
        f[k] = &p->v[k].features;
    hone_status st = hone_model_predict(l->model, f, p->n, cost, err);
    for (uint32_t k = 0; k < p->n; k++)
        p->v[k].cost = cost[k] + p->v[k].handicap;
    free(f);
    free(cost);
    return st;
}

static hone_status rank(lookup *l, pool *p, hone_error *err)
{
    HONE_TRY(predict(l, p, err));
    qsort(p->v, p->n, sizeof *p->v, by_cost);
    return HONE_OK;
}

hone_status hone_lookup__pool_doubt(lookup *l, pool *p, hone_error *err)
{
    HONE_TRY(predict(l, p, err));
    for (uint32_t k = 1; k < p->n; k++) {
        double draft = log(p->v[k].features.draft_ns / p->v[0].features.draft_ns);
        p->v[k].handicap = fmax(0, draft - (p->v[k].cost - p->v[0].cost));
    }
    return HONE_OK;
}

hone_status hone_lookup__pool_take(lookup *l, pool *p, finding *ret, unsigned *ret_source,
                                   hone_error *err)
{
    if (p->n == 0)
        return HONE_OK;
    HONE_TRY(rank(l, p, err));
    hone_sched *s = &ret->sched;
    s->intrins = l->intrins;
    s->target = l->q->target;
    s->stop = l->q->stop;
    s->stop_ctx = l->q->stop_ctx;
    for (uint32_t k = 0; k < p->n && !ret->found; k++) {
        const candidate *x = &p->v[k];
        hone_status st = hone_trace_replay(&x->trace, l->q->program, s, NULL, false, err);
        if (st == HONE_E_INTERRUPTED)
            return st;
        if (st != HONE_OK || hone_verify(&s->prog, NULL) != HONE_OK)
            continue;
        ret->found = true;
        ret->cost = x->cost - x->handicap;
        if (ret_source)
            *ret_source = x->source;
    }
    return HONE_OK;
}

void hone_lookup__pool_free(pool *p)
{
    for (uint32_t k = 0; k < p->n; k++) {
        hone_trace_free(&p->v[k].trace);
        hone_features_free(&p->v[k].features);
    }
    hone_vec_free(p);
}
