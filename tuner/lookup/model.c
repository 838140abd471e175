/* Rung model: the best of many schedules by the cost model, where the draft does not speak against
 * it. The space's seeds come first, then what the default strategy breeds from them and from random
 * ones; nothing is measured. */
#include "tuner/lookup/internal.h"
#include "tuner/strategy.h"

#define ASKED 32       /* candidates of the strategy that are compared */
#define POPULATION 128 /* of each of its generations: some hundred schedules are looked at */
#define SEED 1

/* A candidate as the strategy tells it becomes one of the pool. */
static hone_status take(lookup *l, pool *p, const hone_candidate *c, hone_error *err)
{
    hone_trace t = {0};
    if (!c->trace[0]) /* the program as written */
        return HONE_OK;
    hone_status st = hone_trace_parse(c->trace, strlen(c->trace), &t, err);
    if (st == HONE_OK)
        st = hone_space_finish(l->space, &t, &l->sched, err);
    if (st == HONE_OK)
        hone_lookup__pool_add(l, p, 0);
    hone_trace_free(&t);
    return hone_status_is_reject(st) ? HONE_OK : st;
}

hone_status hone_lookup__model(lookup *l, finding *ret, hone_error *err)
{
    pool p = {0};
    hone_search_stats stats;
    HONE_TRY(hone_lookup__prepare(l, err));
    hone_search *search = hone_search_new(NULL, l->space,
                                          &(hone_search_options){.seed = SEED,
                                                                 .population = POPULATION,
                                                                 .prior = l->prior,
                                                                 .prior_trust = 1,
                                                                 .stop = l->q->stop,
                                                                 .stop_ctx = l->q->stop_ctx});
    hone_candidate c[ASKED] = {0};
    uint32_t n = 0;
    hone_status st = hone_search_ask(search, ASKED, c, &n, err);
    hone_search_get_stats(search, &stats);
    for (uint32_t k = 0; k < n; k++) {
        if (st == HONE_OK)
            st = take(l, &p, &c[k], err);
        hone_candidate_free(&c[k]);
    }
    hone_search_free(search);
    if (st == HONE_OK)
        st = hone_lookup__pool_doubt(l, &p, err);
    if (st == HONE_OK)
        st = hone_lookup__pool_take(l, &p, ret, NULL, err);
    if (st == HONE_OK)
        ret->what = ret->found ? hone_xasprintf("the best of %" PRIu64 " schedules by %s; nothing "
                                                "was measured",
                                                stats.replayed, l->model_name)
                               : hone_xstrdup("its space has no schedule");
    hone_lookup__pool_free(&p);
    return st;
}
