/* MetaSchedule's evolutionary search as published, in hone's own space: what evolution.c is
 * measured against (Shao et al., NeurIPS 2022, sec. 4; the numbers are TVM 0.20's defaults for
 * CPUs).
 *
 * A round offers 64 candidates. Its population is a fifth of the fastest measured so far and random
 * samples; four generations follow, in which a member is drawn in proportion to its predicted
 * throughput and mutated with probability 0.85. One in twenty offers is a random sample. The model
 * learns throughput from nothing; until it has 100 results its predictions are random. */
#include "tuner/strategy.h"

#include <math.h>

#define POPULATION 2 /* times what a search considers: 512 by default */
#define ROUND 8      /* a round's share of the population is one in so many: 64 */
#define MEASURED_SHARE 0.2
#define GENERATIONS 4
#define MUTATE 0.85
#define MUTATE_TRIES 10
#define EPSILON 0.05
#define WARM_UP 100

typedef struct member {
    hone_trace trace; /* search part only */
    hone_features features;
    uint64_t key;
    double cost; /* -predicted throughput */
} member;
typedef HONE_VEC(member) members; /* slots beyond n keep their memory for reuse */

typedef struct metaschedule {
    hone_strategy_env *env;
    hone_model *model;
    uint64_t task;
    uint32_t told, population, round;
    members now, next, best; /* best: of a round, and not known yet, the best first */
    members measured;        /* fastest first; cost is the time */
} metaschedule;

/* ---- members --------------------------------------------------------------------------------- */

static member *slot(members *p)
{
    if (p->n == p->cap) {
        uint32_t old = p->cap;
        hone_vec_reserve(p, 1);
        memset(p->v + old, 0, (p->cap - old) * sizeof *p->v);
    }
    return &p->v[p->n++];
}

static void members_free(members *p)
{
    for (uint32_t k = 0; k < p->cap; k++) {
        hone_trace_free(&p->v[k].trace);
        hone_features_free(&p->v[k].features);
    }
    hone_vec_free(p);
}

static void copy(member *dst, const member *src)
{
    hone_trace_copy(&dst->trace, &src->trace);
    hone_features_copy(&dst->features, &src->features);
    dst->key = src->key;
    dst->cost = src->cost;
}

/* The candidate in env->sched. */
static void admit(metaschedule *m, members *p)
{
    member *x = slot(p);
    hone_trace_copy(&x->trace, &m->env->sched.trace);
    x->trace.insts.n = hone_trace_search_part(&x->trace);
    x->key = hone_strategy_key(&x->trace);
    hone_strategy_describe(m->env, &x->features);
}

/* Keeps the `most` of least cost, in their order; each key once. */
static void insert(members *p, const member *x, uint32_t most)
{
    for (uint32_t k = 0; k < p->n; k++)
        if (p->v[k].key == x->key)
            return;
    if (p->n == most && p->v[p->n - 1].cost <= x->cost)
        return;
    if (p->n < most)
        slot(p);
    member last = p->v[p->n - 1];
    uint32_t at = p->n - 1;
    copy(&last, x);
    for (; at > 0 && p->v[at - 1].cost > x->cost; at--)
        p->v[at] = p->v[at - 1];
    p->v[at] = last;
}

/* ---- a round --------------------------------------------------------------------------------- */

static hone_status score(metaschedule *m, members *p, hone_error *err)
{
    if (m->told < WARM_UP) {
        for (uint32_t k = 0; k < p->n; k++)
            p->v[k].cost = -hone_rng_double(&m->env->rng);
        return HONE_OK;
    }
    const hone_features **f = hone_xmalloc((p->n + 1) * sizeof *f);
    double *cost = hone_xmalloc((p->n + 1) * sizeof *cost);
    for (uint32_t k = 0; k < p->n; k++)
        f[k] = &p->v[k].features;
    int64_t t = hone_clock_ns();
    hone_status st = hone_model_predict(m->model, f, p->n, cost, err);
    m->env->stats.predict_ns += hone_clock_ns() - t;
    m->env->stats.predicted += p->n;
    for (uint32_t k = 0; k < p->n && st == HONE_OK; k++)
        p->v[k].cost = cost[k];
    free(f);
    free(cost);
    return st;
}

static void sample_population(metaschedule *m)
{
    m->now.n = 0;
    for (uint32_t k = 0; k < m->measured.n && k < (uint32_t)(MEASURED_SHARE * m->population); k++)
        copy(slot(&m->now), &m->measured.v[k]);
    for (uint32_t tries = 3 * m->population; m->now.n < m->population && tries > 0; tries--)
        if (hone_strategy_sample(m->env))
            admit(m, &m->now);
}

/* In proportion to predicted throughput; cumulative[k]: of the members up to k. */
static const member *draw(metaschedule *m, const double *cumulative)
{
    double total = cumulative[m->now.n - 1], at = hone_rng_double(&m->env->rng) * total;
    uint32_t lo = 0, hi = m->now.n - 1;
    if (!(total > 0))
        return &m->now.v[hone_rng_below(&m->env->rng, m->now.n)];
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (cumulative[mid] <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return &m->now.v[lo];
}

static void next_generation(metaschedule *m)
{
    hone_trace child = {0};
    double *cumulative = hone_xmalloc(m->now.n * sizeof *cumulative), sum = 0;
    for (uint32_t k = 0; k < m->now.n; k++)
        cumulative[k] = sum += fmax(-m->now.v[k].cost, 0);
    m->next.n = 0;
    while (m->next.n < m->now.n && !hone_strategy_stopped(m->env)) {
        const member *parent = draw(m, cumulative);
        bool changed = false;
        bool wanted = hone_rng_double(&m->env->rng) < MUTATE;
        for (int k = 0; wanted && k < MUTATE_TRIES && !changed; k++) {
            hone_trace_copy(&child, &parent->trace);
            changed = hone_strategy_mutate(m->env, &child) && hone_strategy_finish(m->env, &child);
        }
        if (changed)
            admit(m, &m->next);
        else
            copy(slot(&m->next), parent);
    }
    hone_trace_free(&child);
    free(cumulative);
    members t = m->now;
    m->now = m->next;
    m->next = t;
}

static hone_status evolve(metaschedule *m, hone_error *err)
{
    m->best.n = 0;
    for (int g = 0; m->now.n > 0 && !hone_strategy_stopped(m->env); g++) {
        HONE_TRY(score(m, &m->now, err));
        for (uint32_t k = 0; k < m->now.n; k++)
            if (!hone_strategy_knows(m->env, m->now.v[k].key))
                insert(&m->best, &m->now.v[k], m->round);
        if (g == GENERATIONS)
            break;
        next_generation(m);
    }
    return HONE_OK;
}

static hone_status ask(void *self, hone_error *err)
{
    metaschedule *m = self;
    int64_t t = hone_clock_ns();
    if (m->told >= WARM_UP)
        HONE_TRY(hone_model_train(m->model, err));
    m->env->stats.train_ns += hone_clock_ns() - t;
    hone_model_get_metrics(m->model, &m->env->stats.model);
    sample_population(m);
    HONE_TRY(evolve(m, err));
    for (uint32_t k = 0, n = 0; n < m->round && k < m->best.n; k++) {
        bool random = hone_rng_double(&m->env->rng) < EPSILON && hone_strategy_sample(m->env) &&
                      hone_strategy_offer_sched(m->env, "random", NAN);
        const member *x = &m->best.v[k];
        n += random ||
             hone_strategy_offer(m->env, &x->trace, "model", m->told < WARM_UP ? NAN : x->cost);
    }
    /* a small space: what evolution does not meet any more */
    for (uint32_t tries = 512; hone_strategy_wanted(m->env) && tries > 0; tries--)
        if (hone_strategy_sample(m->env))
            hone_strategy_offer_sched(m->env, "random", NAN);
    return HONE_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

static void tell(void *self, const hone_lesson *lesson)
{
    metaschedule *m = self;
    if (lesson->trace->insts.n == 0)
        return;
    m->told++;
    hone_model_add(m->model, m->task, lesson->features, lesson->time_ns);
    if (lesson->time_ns <= 0)
        return;
    member x = {.key = lesson->key, .cost = lesson->time_ns};
    hone_trace_copy(&x.trace, lesson->trace);
    hone_features_copy(&x.features, lesson->features);
    insert(&m->measured, &x, m->population);
    hone_trace_free(&x.trace);
    hone_features_free(&x.features);
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool stopped(void *env)
{
    return hone_strategy_stopped(env);
}

static void *start(hone_strategy_env *env)
{
    metaschedule *m = hone_xcalloc(1, sizeof *m);
    const hone_space *sp = env->space;
    m->env = env;
    m->population = POPULATION * env->options.population;
    m->round = m->population / ROUND;
    m->task = hone_model_task(&sp->base, &sp->target, sp->threads);
    m->model = hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PACK_SUM,
                                                    .seed = env->options.seed,
                                                    .threads = 1,
                                                    .most = HONE_STRATEGY_LESSONS,
                                                    .stop = stopped,
                                                    .stop_ctx = env});
    return m;
}

static void end(void *self)
{
    metaschedule *m = self;
    members_free(&m->now);
    members_free(&m->next);
    members_free(&m->best);
    members_free(&m->measured);
    hone_model_free(m->model);
    free(m);
}

const hone_strategy hone_strategy_metaschedule = {
    .name = "metaschedule",
    .summary = "as MetaSchedule is published, to compare with",
    .start = start,
    .end = end,
    .ask = ask,
    .tell = tell,
};
