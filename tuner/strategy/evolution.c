/* Evolutionary search guided by the cost model (MetaSchedule's, Shao et al. 2022 sec. 4, with
 * elites, tournaments and no random warm-up).
 *
 * A few of the space's seeds come first. Then one round for each ask: the population is the best
 * measured candidates, the seeds not measured yet and fresh random ones; a few generations of
 * tournament selection, crossover and mutation follow, each scored by the model, of which the
 * better half goes on. What is offered comes from two arms: the best predicted of those, and now
 * and then one from anywhere among them; and the best predicted neighbours of the fastest measured
 * (descent by measurements, as Droplet search and Ansor-AF-DS have it). Their shares go by what
 * they brought lately. Best predicted is by one of a committee of models, drawn for each offer:
 * where they agree that is exploitation, where they do not the batch is diverse (Thompson sampling
 * by a bootstrapped ensemble; Lakshminarayanan et al., NIPS 2017).
 *
 * Reader's map: individuals and populations; the seeds' turn; one round, from breeding to
 * offering; what results teach. */
#include "tuner/strategy.h"

#include <math.h>

#define GENERATIONS 3
#define ELITES 48      /* measured candidates that take part */
#define MUTATE_TRIES 4 /* until a mutation is legal */
#define TOURNAMENT 4
#define SEEDS_FIRST 3  /* seeds measured before anything else is */
#define OTHER_SPACES 4 /* of which a seed each follows */
#define SEEDS 8        /* in the space's own order, with those of before */
#define EPSILON 0.05   /* share of the offers that come from anywhere */
#define CROSSED 0.3    /* share of the children that have two parents */

/* Where offers come from. Their shares go by what they brought lately. */
enum { GLOBAL, LOCAL, ARMS };
#define INCUMBENTS 3  /* whose neighbours are looked at */
#define NEIGHBOURS 48 /* of each */
#define LEAST_SHARE 0.2
#define MEMORY 0.9 /* of what an arm brought, kept with each result */
#define WORTH 0.1  /* a result so much slower than the best, in logarithms, brings nothing */

#define COMMITTEE 3
#define PENDING 1024 /* offers of which it is remembered where they came from */
#define SHORTLIST 64 /* of those bred, at least, which the whole committee judges */

typedef struct individual {
    hone_trace trace; /* search part only */
    hone_features features;
    uint64_t key;
    double prior;             /* what the prior says of it; NAN: it was not asked */
    double cost;              /* predicted; lower is better */
    double judged[COMMITTEE]; /* by each of the committee; the first speaks for all: the sum */
    bool offered;
    const char *why;
} individual;

typedef HONE_VEC(individual) population; /* slots beyond n keep their memory for reuse */

typedef struct measured {
    hone_trace trace;
    hone_features features;
    uint64_t key;
    double time_ns, prior;
} measured;

typedef struct origin {
    uint64_t key;
    int arm;
} origin;

typedef struct evolution {
    hone_strategy_env *env;
    hone_model *model[COMMITTEE]; /* they differ in what they hold out and draw; the first breeds */
    uint64_t task;                /* for the model */
    HONE_VEC(measured) good;      /* measured with a time, fastest first, at most ELITES */
    population now, next, pool, near;
    double worth[ARMS];                /* what an offer of the arm brings, 0..1 */
    HONE_VEC(origin) pending;          /* offers that are not told yet */
    bool seeded;                       /* the seeds had their turn */
    HONE_VEC(uint64_t) spaces_offered; /* design spaces of which a seed was */
} evolution;

static bool lacks(const evolution *e, hone_part part)
{
    return e->env->options.without & 1u << part;
}

/* ---- individuals ----------------------------------------------------------------------------- */

static individual *slot(population *p)
{
    if (p->n == p->cap) {
        uint32_t old = p->cap;
        hone_vec_reserve(p, 1);
        memset(p->v + old, 0, (p->cap - old) * sizeof *p->v);
    }
    return &p->v[p->n++];
}

static void population_free(population *p)
{
    for (uint32_t k = 0; k < p->cap; k++) {
        hone_trace_free(&p->v[k].trace);
        hone_features_free(&p->v[k].features);
    }
    hone_vec_free(p);
}

static void individual_copy(individual *dst, const individual *src)
{
    hone_trace_copy(&dst->trace, &src->trace);
    hone_features_copy(&dst->features, &src->features);
    dst->key = src->key;
    dst->prior = src->prior;
    dst->cost = src->cost;
    dst->why = src->why;
}

/* The candidate in env->sched becomes a member of p. */
static void admit(evolution *e, population *p, const char *why)
{
    individual *x = slot(p);
    hone_trace_copy(&x->trace, &e->env->sched.trace);
    x->trace.insts.n = hone_trace_search_part(&x->trace);
    x->key = hone_strategy_key(&x->trace);
    x->why = why;
    x->cost = x->prior = NAN;
    hone_strategy_describe(e->env, &x->features);
}

static void admit_random(evolution *e, population *p, uint32_t want)
{
    for (uint32_t tries = want * 3; p->n < want && tries > 0; tries--)
        if (hone_strategy_sample(e->env))
            admit(e, p, "random");
}

/* The seeds that are not known yet join p. */
static void admit_seeds(evolution *e, population *p)
{
    const hone_space *sp = e->env->space;
    for (uint32_t k = 0; k < sp->seeds.n; k++) {
        const hone_trace *t = &sp->seeds.v[k];
        if (!hone_strategy_knows(e->env, hone_strategy_key(t)) && hone_strategy_finish(e->env, t))
            admit(e, p, "seed");
    }
}

static void admit_elites(evolution *e, population *p)
{
    for (uint32_t k = 0; k < e->good.n; k++) {
        individual *x = slot(p);
        hone_trace_copy(&x->trace, &e->good.v[k].trace);
        hone_features_copy(&x->features, &e->good.v[k].features);
        x->key = e->good.v[k].key;
        x->prior = e->good.v[k].prior;
        x->why = "model";
    }
}

/* Members of a population, as models take them. */
typedef struct asked {
    const hone_features **f;
    double *prior, *cost;
    uint32_t n;
} asked;

static asked ask_about(const population *p, uint32_t first)
{
    asked a = {.n = p->n - first};
    a.f = hone_xmalloc((a.n + 1) * sizeof *a.f);
    a.prior = hone_xmalloc((a.n + 1) * sizeof *a.prior);
    a.cost = hone_xmalloc((a.n + 1) * sizeof *a.cost);
    for (uint32_t k = 0; k < a.n; k++) {
        a.f[k] = &p->v[first + k].features;
        a.prior[k] = p->v[first + k].prior;
    }
    return a;
}

static void asked_free(asked *a)
{
    free(a->f);
    free(a->prior);
    free(a->cost);
}

/* The prior's word on those of whom it is not known: once for all models and rounds. */
static hone_status ask_prior(evolution *e, population *p, uint32_t first, asked *a, hone_error *err)
{
    const hone_features **f = hone_xmalloc((a->n + 1) * sizeof *f);
    uint32_t n = 0;
    for (uint32_t k = 0; k < a->n; k++)
        if (isnan(a->prior[k]))
            f[n++] = a->f[k];
    hone_status st = hone_model_ask_prior(e->model[0], f, n, a->cost, err);
    for (uint32_t k = 0, at = 0; k < a->n && st == HONE_OK; k++)
        if (isnan(a->prior[k]))
            a->prior[k] = p->v[first + k].prior = a->cost[at++];
    free(f);
    return st;
}

/* Predicts the costs of p's members from the first on that has none. */
static hone_status score(evolution *e, population *p, uint32_t first, hone_error *err)
{
    if (p->n <= first)
        return HONE_OK;
    int64_t t = hone_clock_ns();
    asked a = ask_about(p, first);
    hone_status st = ask_prior(e, p, first, &a, err);
    if (st == HONE_OK)
        st = hone_model_predict_after(e->model[0], a.f, a.n, a.prior, a.cost, err);
    for (uint32_t k = 0; k < a.n && st == HONE_OK; k++)
        p->v[first + k].cost = a.cost[k];
    e->env->stats.predict_ns += hone_clock_ns() - t;
    e->env->stats.predicted += a.n;
    asked_free(&a);
    return st;
}

static int by_cost(const void *a, const void *b)
{
    double x = ((const individual *)a)->cost, y = ((const individual *)b)->cost;
    return x < y ? -1 : x > y;
}

static void sort(population *p)
{
    if (p->n)
        qsort(p->v, p->n, sizeof *p->v, by_cost);
}

static const individual *select_parent(evolution *e, const population *p)
{
    const individual *best = NULL;
    for (int k = 0; k < TOURNAMENT; k++) {
        const individual *x = &p->v[hone_rng_below(&e->env->rng, p->n)];
        if (!best || x->cost < best->cost)
            best = x;
    }
    return best;
}

/* ---- the seeds' turn ------------------------------------------------------------------------- */

/* Candidates of one design space differ in their decisions only. */
static uint64_t design_space_of(const hone_trace *t)
{
    uint64_t h = 0;
    for (uint32_t k = 0; k < t->insts.n; k++)
        h = hone_hash_mix(h, (uint64_t)t->insts.v[k].kind);
    return h;
}

static bool knows_space(const evolution *e, uint64_t space)
{
    for (uint32_t k = 0; k < e->spaces_offered.n; k++)
        if (e->spaces_offered.v[k] == space)
            return true;
    return false;
}

static void note_space(evolution *e, const hone_trace *t)
{
    uint64_t space = design_space_of(t);
    if (!knows_space(e, space))
        hone_vec_push(&e->spaces_offered, space);
}

/* How many seeds there are of other design spaces than the first one's, at most OTHER_SPACES. */
static uint32_t other_spaces(const hone_space *sp)
{
    uint32_t n = 0;
    for (uint32_t k = 1; k < sp->seeds.n && n < OTHER_SPACES; k++) {
        bool is_new = true;
        for (uint32_t q = 0; q < k && is_new; q++)
            is_new = design_space_of(&sp->seeds.v[q]) != design_space_of(&sp->seeds.v[k]);
        n += is_new;
    }
    return n;
}

static uint32_t offer_seed(evolution *e, const individual *x)
{
    note_space(e, &x->trace);
    return hone_strategy_offer(e->env, &x->trace, "seed", x->cost);
}

/* Until n seeds of all have had their turn. */
static void offer_in_order(evolution *e, uint32_t *n, uint32_t until)
{
    for (uint32_t k = 0; k < e->now.n && *n < until && hone_strategy_wanted(e->env); k++)
        *n += offer_seed(e, &e->now.v[k]);
}

/* Likewise, the most promising of design spaces that none was of. */
static void offer_others(evolution *e, uint32_t *n, uint32_t until)
{
    while (*n < until && hone_strategy_wanted(e->env)) {
        const individual *best = NULL;
        for (uint32_t k = 0; k < e->now.n; k++)
            if (!knows_space(e, design_space_of(&e->now.v[k].trace)) &&
                (!best || e->now.v[k].cost < best->cost))
                best = &e->now.v[k];
        if (!best)
            return;
        *n += offer_seed(e, best);
    }
}

/* The seeds' turn: a few in the space's own order, which its rules give by what they know of the
 * kernel; then of the design spaces that were not among them the most promising by the draft, which
 * may be wrong about a whole space: a measurement tells; then more in the space's own order. */
static hone_status offer_seeds(evolution *e, hone_error *err)
{
    const hone_space *sp = e->env->space;
    uint32_t n = 0, others = other_spaces(sp);
    if (e->seeded)
        return HONE_OK;
    for (uint32_t k = 0; k < sp->seeds.n; k++)
        if (hone_strategy_knows(e->env, hone_strategy_key(&sp->seeds.v[k]))) {
            note_space(e, &sp->seeds.v[k]);
            n++;
        }
    e->now.n = 0;
    admit_seeds(e, &e->now);
    hone_status st = score(e, &e->now, 0, err);
    if (st != HONE_OK)
        return st;
    offer_in_order(e, &n, SEEDS_FIRST);
    offer_others(e, &n, SEEDS_FIRST + others);
    offer_in_order(e, &n, SEEDS + others);
    e->seeded = hone_strategy_wanted(e->env) > 0;
    return HONE_OK;
}

/* ---- a round --------------------------------------------------------------------------------- */

/* Members of `from` that are not known yet, from the first on, join the pool, once each. */
static void collect(evolution *e, const population *from, uint32_t first)
{
    for (uint32_t k = first; k < from->n; k++) {
        const individual *x = &from->v[k];
        bool known = hone_strategy_knows(e->env, x->key);
        for (uint32_t q = 0; q < e->pool.n && !known; q++)
            known = e->pool.v[q].key == x->key;
        if (known)
            continue;
        individual_copy(slot(&e->pool), x);
    }
}

/* Takes about half of the decisions of `mate`, where that is of the same design space; the others
 * stay. Whether they go together is seen when the child is finished. */
static bool cross(evolution *e, hone_trace *child, const hone_trace *mate)
{
    if (child->insts.n != mate->insts.n || design_space_of(child) != design_space_of(mate))
        return false;
    bool changed = false;
    for (uint32_t k = 0; k < child->insts.n; k++) {
        const hone_inst *x = &child->insts.v[k], *y = &mate->insts.v[k];
        if (!x->n_decision || x->n_decision != y->n_decision ||
            hone_rng_below(&e->env->rng, 2) == 0)
            continue;
        int64_t *to = child->ints.v + x->decision;
        const int64_t *from = mate->ints.v + y->decision;
        changed |= memcmp(to, from, x->n_decision * sizeof *to) != 0;
        memcpy(to, from, x->n_decision * sizeof *to);
    }
    return changed;
}

/* A legal child of one parent or two, in env->sched. */
static bool make_child(evolution *e, hone_trace *child)
{
    const individual *parent = select_parent(e, &e->now);
    for (int k = 0; k < MUTATE_TRIES; k++) {
        hone_trace_copy(child, &parent->trace);
        bool crossed = hone_rng_double(&e->env->rng) < CROSSED &&
                       cross(e, child, &select_parent(e, &e->now)->trace);
        if ((!crossed || hone_rng_below(&e->env->rng, 2)) && !hone_strategy_mutate(e->env, child))
            continue;
        if (hone_rng_below(&e->env->rng, 3) == 0)
            hone_strategy_mutate(e->env, child);
        if (hone_strategy_finish(e->env, child))
            return true;
    }
    return false;
}

/* next becomes the better half of now, then children. Returns how many are of the first kind. */
static uint32_t breed(evolution *e, uint32_t want)
{
    hone_trace child = {0};
    e->next.n = 0;
    sort(&e->now);
    for (uint32_t k = 0; k < e->now.n && k < want / 2; k++)
        individual_copy(slot(&e->next), &e->now.v[k]);
    uint32_t kept = e->next.n;
    for (uint32_t fails = 0; e->next.n < want && fails < want && !hone_strategy_stopped(e->env);) {
        if (make_child(e, &child))
            admit(e, &e->next, "model");
        else
            fails++;
    }
    hone_trace_free(&child);
    return kept;
}

/* Fills the pool. */
static hone_status evolve(evolution *e, hone_error *err)
{
    uint32_t size = e->env->options.population;
    e->now.n = e->pool.n = 0;
    admit_elites(e, &e->now);
    admit_seeds(e, &e->now);
    admit_random(e, &e->now, size);
    uint32_t first = 0; /* those before it have their cost */
    for (uint32_t g = 0; e->now.n > first && !hone_strategy_stopped(e->env); g++) {
        hone_status st = score(e, &e->now, first, err);
        if (st != HONE_OK)
            return st;
        collect(e, &e->now, first);
        if (g == GENERATIONS)
            break;
        first = breed(e, size);
        population t = e->now;
        e->now = e->next;
        e->next = t;
    }
    return HONE_OK;
}

/* Legal neighbours, one or two decisions away, of the fastest measured. */
static hone_status look_around(evolution *e, hone_error *err)
{
    hone_trace t = {0};
    e->near.n = 0;
    for (uint32_t k = 0; k < e->good.n && k < INCUMBENTS; k++)
        for (int n = 0; n < NEIGHBOURS && !hone_strategy_stopped(e->env); n++) {
            hone_trace_copy(&t, &e->good.v[k].trace);
            if (!hone_strategy_neighbour(e->env, &t))
                break;
            if (n % 3 == 2)
                hone_strategy_neighbour(e->env, &t);
            if (!hone_strategy_knows(e->env, hone_strategy_key(&t)) &&
                hone_strategy_finish(e->env, &t))
                admit(e, &e->near, "local");
        }
    hone_trace_free(&t);
    hone_status st = score(e, &e->near, 0, err);
    sort(&e->near);
    return st;
}

static unsigned members(const evolution *e)
{
    return lacks(e, HONE_PART_committee) ? 1 : COMMITTEE;
}

static hone_status train(evolution *e, hone_error *err)
{
    int64_t t = hone_clock_ns();
    hone_status st = HONE_OK;
    for (unsigned m = 0; m < members(e) && st == HONE_OK; m++)
        st = hone_model_train(e->model[m], err);
    e->env->stats.train_ns += hone_clock_ns() - t;
    hone_model_get_metrics(e->model[0], &e->env->stats.model);
    return st;
}

/* The committee's word on the first of p, which is sorted; the others are out of question. Those
 * are enough for all that is wanted. */
static hone_status judge(evolution *e, population *p, hone_error *err)
{
    uint32_t wanted = hone_strategy_wanted(e->env), most = wanted > SHORTLIST ? wanted : SHORTLIST;
    p->n = p->n < most ? p->n : most;
    asked a = ask_about(p, 0);
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < p->n; k++) {
        p->v[k].judged[0] = p->v[k].cost;
        p->v[k].offered = false;
    }
    int64_t t = hone_clock_ns();
    for (unsigned m = 1; m < members(e) && p->n && st == HONE_OK; m++) {
        st = hone_model_predict_after(e->model[m], a.f, a.n, a.prior, a.cost, err);
        for (uint32_t k = 0; k < p->n && st == HONE_OK; k++) {
            p->v[k].judged[m] = a.cost[k];
            p->v[k].judged[0] += a.cost[k];
        }
    }
    e->env->stats.predict_ns += hone_clock_ns() - t;
    e->env->stats.predicted += p->n * (members(e) - 1);
    asked_free(&a);
    return st;
}

/* The best by member m that is not offered yet, or NULL. */
static individual *best_of(population *p, unsigned m)
{
    individual *best = NULL;
    for (uint32_t k = 0; k < p->n; k++)
        if (!p->v[k].offered && (!best || p->v[k].judged[m] < best->judged[m]))
            best = &p->v[k];
    return best;
}

/* The arm of the next offer, drawn by what they are worth. */
static int choose_arm(evolution *e)
{
    if (lacks(e, HONE_PART_descent))
        return GLOBAL;
    double share = e->worth[LOCAL] / (e->worth[GLOBAL] + e->worth[LOCAL]);
    share = fmin(fmax(share, LEAST_SHARE), 1 - LEAST_SHARE);
    return hone_rng_double(&e->env->rng) < share ? LOCAL : GLOBAL;
}

/* What is set aside is never told of: the oldest go. */
static void note_origin(evolution *e, origin x)
{
    if (e->pending.n == PENDING) {
        e->pending.n -= PENDING / 2;
        memmove(e->pending.v, e->pending.v + PENDING / 2, e->pending.n * sizeof *e->pending.v);
    }
    hone_vec_push(&e->pending, x);
}

static hone_status propose(evolution *e, hone_error *err)
{
    HONE_TRY(offer_seeds(e, err));
    if (!hone_strategy_wanted(e->env))
        return HONE_OK;
    if (!lacks(e, HONE_PART_learning))
        HONE_TRY(train(e, err));
    HONE_TRY(evolve(e, err));
    e->near.n = 0;
    if (!lacks(e, HONE_PART_descent))
        HONE_TRY(look_around(e, err));
    sort(&e->pool);
    uint32_t bred = e->pool.n; /* of which any may be a stray */
    population *const from[ARMS] = {&e->pool, &e->near};
    for (int arm = 0; arm < ARMS; arm++)
        HONE_TRY(judge(e, from[arm], err));
    for (uint32_t left[ARMS] = {e->pool.n, e->near.n};
         hone_strategy_wanted(e->env) && left[GLOBAL] + left[LOCAL] > 0;) {
        int arm = choose_arm(e);
        if (left[arm] == 0)
            arm = 1 - arm;
        individual *x = best_of(from[arm], (unsigned)hone_rng_below(&e->env->rng, members(e)));
        left[arm]--;
        x->offered = true;
        /* now and then one from anywhere instead of the next best */
        bool stray = arm == GLOBAL && hone_rng_double(&e->env->rng) < EPSILON;
        if (stray)
            x = &e->pool.v[hone_rng_below(&e->env->rng, bred)];
        if (hone_strategy_offer(e->env, &x->trace, stray ? "random" : x->why, x->cost) && !stray)
            note_origin(e, (origin){.key = x->key, .arm = arm});
    }
    return HONE_OK;
}

/* What a round needs beside is given back: a session of a list may rest for long. */
static hone_status ask(void *self, hone_error *err)
{
    evolution *e = self;
    hone_status st = propose(e, err);
    population *const scratch[] = {&e->now, &e->next, &e->pool, &e->near};
    for (unsigned k = 0; k < HONE_LEN(scratch); k++)
        population_free(scratch[k]);
    return st;
}

/* ---- results --------------------------------------------------------------------------------- */

static void measured_free(measured *m)
{
    hone_trace_free(&m->trace);
    hone_features_free(&m->features);
}

/* A candidate that is told again is judged by the later result. */
static void drop_good(evolution *e, uint64_t key)
{
    for (uint32_t k = 0; k < e->good.n; k++)
        if (e->good.v[k].key == key) {
            measured_free(&e->good.v[k]);
            e->good.n--;
            memmove(&e->good.v[k], &e->good.v[k + 1], (e->good.n - k) * sizeof *e->good.v);
            return;
        }
}

static void keep_good(evolution *e, const hone_lesson *l, double prior)
{
    measured m = {.key = l->key, .time_ns = l->time_ns, .prior = prior};
    hone_trace_copy(&m.trace, l->trace);
    hone_features_copy(&m.features, l->features);
    uint32_t at = e->good.n;
    hone_vec_push(&e->good, m);
    for (; at > 0 && e->good.v[at - 1].time_ns > m.time_ns; at--)
        e->good.v[at] = e->good.v[at - 1];
    e->good.v[at] = m;
    if (e->good.n > ELITES)
        measured_free(&e->good.v[--e->good.n]);
}

/* The arm a candidate came from is worth what it brought. */
static void credit(evolution *e, const hone_lesson *l)
{
    for (uint32_t k = 0; k < e->pending.n; k++) {
        if (e->pending.v[k].key != l->key)
            continue;
        double *worth = &e->worth[e->pending.v[k].arm], brought = 0;
        if (l->time_ns > 0 && e->good.n)
            brought = fmax(0, 1 - fmax(0, log(l->time_ns / e->good.v[0].time_ns)) / WORTH);
        if (!lacks(e, HONE_PART_bandit))
            *worth = fmax(MEMORY * *worth + (1 - MEMORY) * brought, 0.01);
        e->pending.v[k] = e->pending.v[--e->pending.n];
        return;
    }
}

static void tell(void *self, const hone_lesson *lesson)
{
    evolution *e = self;
    double prior = 0;
    credit(e, lesson);
    if (hone_model_ask_prior(e->model[0], &lesson->features, 1, &prior, NULL) != HONE_OK)
        prior = 0;
    if (lesson->trace->insts.n > 0)
        for (unsigned m = 0; m < members(e); m++)
            hone_model_add_after(e->model[m], e->task, lesson->features, lesson->time_ns, prior);
    drop_good(e, lesson->key);
    if (lesson->time_ns > 0)
        keep_good(e, lesson, prior);
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool stopped(void *env)
{
    return hone_strategy_stopped(env);
}

static void *start(hone_strategy_env *env)
{
    const hone_space *sp = env->space;
    evolution *e = hone_xcalloc(1, sizeof *e);
    e->env = env;
    bool blind = lacks(e, HONE_PART_draft);
    e->worth[GLOBAL] = e->worth[LOCAL] = 0.5;
    e->task = hone_model_task(&sp->base, &sp->target, sp->threads);
    for (unsigned m = 0; m < COMMITTEE; m++)
        e->model[m] =
            hone_model_new(&(hone_model_options){.seed = env->options.seed + m,
                                                 .threads = 1,
                                                 .most = HONE_STRATEGY_LESSONS,
                                                 .prior = blind ? NULL : env->options.prior,
                                                 .trust = env->options.prior_trust,
                                                 .max_gain = blind ? INFINITY : 0,
                                                 .held_out = m,
                                                 .stop = stopped,
                                                 .stop_ctx = env});
    return e;
}

static void end(void *self)
{
    evolution *e = self;
    for (uint32_t k = 0; k < e->good.n; k++)
        measured_free(&e->good.v[k]);
    hone_vec_free(&e->good);
    hone_vec_free(&e->spaces_offered);
    population_free(&e->now);
    population_free(&e->next);
    population_free(&e->pool);
    population_free(&e->near);
    hone_vec_free(&e->pending);
    for (unsigned m = 0; m < COMMITTEE; m++)
        hone_model_free(e->model[m]);
    free(e);
}

const hone_strategy hone_strategy_evolution = {
    .name = "evolution",
    .summary = "bred from the fastest, chosen by the cost model",
    .learns = true,
    .start = start,
    .end = end,
    .ask = ask,
    .tell = tell,
};
