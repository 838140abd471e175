/* Evolutionary search guided by the cost model, as ask/tell.
 *
 * One round of `ask`: the population is the best measured candidates, the seeds not measured yet
 * and fresh random ones; a few generations of tournament selection and mutation follow, each scored
 * by the model, of which the better half goes on; the batch is the best predicted ones never seen,
 * plus a share drawn at random. The program as written is always the first candidate,
 * hardware-derived seeds come next. (MetaSchedule's search, Shao et al. 2022 sec. 4, with elites,
 * tournaments and no random warm-up.)
 *
 * Reader's map: the set of candidates already known; individuals and populations; one round, from
 * collecting and breeding to emitting; the public functions, ask_seeds among them. */
#include "tuner/tuner.h"

#include <math.h>

#define ELITES 48      /* measured candidates that take part */
#define MUTATE_TRIES 4 /* until a mutation is legal */
#define TOURNAMENT 4
#define SEEDS_FIRST 16 /* seeds measured before anything else is */

typedef struct individual {
    hone_trace trace; /* search part only */
    hone_features features;
    uint64_t hash;
    double cost; /* predicted; lower is better */
    const char *why;
} individual;

typedef HONE_VEC(individual) population; /* slots beyond n keep their memory for reuse */

typedef struct measured {
    hone_trace trace;
    hone_features features;
    double time_ns;
} measured;

struct hone_search {
    const hone_space *space;
    hone_search_options o;
    hone_rng rng;
    hone_model *model;
    hone_sched sched;
    HONE_VEC(uint64_t) seen; /* open addressing; 0 empty; n is a power of two */
    uint32_t n_seen;
    HONE_VEC(measured) good; /* measured with a time, fastest first, at most ELITES */
    population now, next, pool;
    bool default_asked;
    HONE_VEC(hone_trace) suggested;  /* not asked for yet, in turn */
    HONE_VEC(uint64_t) spaces_asked; /* design spaces of which a seed was */
    uint64_t asked;
    hone_search_stats stats;
};

/* ---- the set of candidates already known ----------------------------------------------------- */

static bool seen_insert(hone_search *s, uint64_t h)
{
    h = h ? h : 1;
    if (s->n_seen * 2 >= s->seen.n) {
        uint32_t old_n = s->seen.n, n = old_n ? old_n * 2 : 1024;
        uint64_t *old = s->seen.v;
        s->seen.v = hone_xcalloc(n, sizeof *s->seen.v);
        s->seen.n = s->seen.cap = n;
        s->n_seen = 0;
        for (uint32_t k = 0; k < old_n; k++)
            if (old[k])
                seen_insert(s, old[k]);
        free(old);
    }
    uint32_t mask = s->seen.n - 1, k = (uint32_t)h & mask;
    while (s->seen.v[k] && s->seen.v[k] != h)
        k = (k + 1) & mask;
    if (s->seen.v[k] == h)
        return false;
    s->seen.v[k] = h;
    s->n_seen++;
    return true;
}

static bool seen_has(const hone_search *s, uint64_t h)
{
    h = h ? h : 1;
    if (!s->seen.n)
        return false;
    uint32_t mask = s->seen.n - 1, k = (uint32_t)h & mask;
    while (s->seen.v[k] && s->seen.v[k] != h)
        k = (k + 1) & mask;
    return s->seen.v[k] == h;
}

/* The search part of a trace, hashed. Postprocessing is a function of it. */
static uint64_t search_hash(const hone_trace *t)
{
    hone_trace part = *t;
    part.insts.n = hone_trace_search_part(t);
    return hone_trace_hash(&part);
}

/* Different decisions may lead to one program. That of the candidate in s->sched, with trace t, is
 * noted; false: it was there. The program as written is apart: it is compiled in another way. */
static bool seen_program(hone_search *s, const hone_trace *t)
{
    return t->insts.n == 0 || seen_insert(s, hone_hash_mix(1, hone_program_hash(&s->sched.prog)));
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

static void features_copy(hone_features *dst, const hone_features *src)
{
    hone_vec_copy(&dst->v, &src->v);
    dst->rows = src->rows;
    dst->draft_ns = src->draft_ns;
}

/* Features of what is in s->sched, which has just been finished. */
static void describe(hone_search *s, hone_features *ret)
{
    int64_t t = hone_clock_ns();
    hone_features_extract(&s->sched.prog, &s->space->target, s->space->threads, ret);
    s->stats.feature_ns += hone_clock_ns() - t;
}

/* Replays t; true when it is a legal candidate, then in s->sched. */
static bool finish(hone_search *s, const hone_trace *t)
{
    int64_t start = hone_clock_ns();
    hone_status st = hone_space_finish(s->space, t, &s->sched, NULL);
    s->stats.replay_ns += hone_clock_ns() - start;
    s->stats.replayed++;
    s->stats.replay_rejected += st != HONE_OK;
    return st == HONE_OK;
}

static void individual_copy(individual *dst, const individual *src)
{
    hone_trace_copy(&dst->trace, &src->trace);
    features_copy(&dst->features, &src->features);
    dst->hash = src->hash;
    dst->cost = src->cost;
    dst->why = src->why;
}

/* The candidate in s->sched becomes a member of p. */
static void admit(hone_search *s, population *p, const char *why)
{
    individual *x = slot(p);
    hone_trace_copy(&x->trace, &s->sched.trace);
    x->trace.insts.n = hone_trace_search_part(&x->trace);
    x->hash = search_hash(&x->trace);
    x->why = why;
    x->cost = NAN;
    describe(s, &x->features);
}

static void admit_random(hone_search *s, population *p, uint32_t want)
{
    for (uint32_t tries = want * 3; p->n < want && tries > 0; tries--) {
        int64_t start = hone_clock_ns();
        hone_status st = hone_space_sample(s->space, &s->rng, &s->sched, NULL);
        s->stats.replay_ns += hone_clock_ns() - start;
        s->stats.replayed++;
        s->stats.replay_rejected += st != HONE_OK;
        if (st == HONE_OK)
            admit(s, p, "random");
    }
}

/* Predicts the costs of p's members from the first on that has none. */
static hone_status score(hone_search *s, population *p, uint32_t first, hone_error *err)
{
    if (p->n <= first)
        return HONE_OK;
    uint32_t n = p->n - first;
    const hone_features **f = hone_xmalloc(n * sizeof *f);
    double *cost = hone_xmalloc(n * sizeof *cost);
    for (uint32_t k = 0; k < n; k++)
        f[k] = &p->v[first + k].features;
    int64_t t = hone_clock_ns();
    hone_status st = hone_model_predict(s->model, f, n, cost, err);
    s->stats.predict_ns += hone_clock_ns() - t;
    s->stats.predicted += n;
    for (uint32_t k = 0; k < n && st == HONE_OK; k++)
        p->v[first + k].cost = cost[k];
    free(f);
    free(cost);
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

static const individual *select_parent(hone_search *s, const population *p)
{
    const individual *best = NULL;
    for (int k = 0; k < TOURNAMENT; k++) {
        const individual *x = &p->v[hone_rng_below(&s->rng, p->n)];
        if (!best || x->cost < best->cost)
            best = x;
    }
    return best;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Unseen members of `from`, from the first on, join the pool, once each. */
static void collect(hone_search *s, const population *from, uint32_t first)
{
    for (uint32_t k = first; k < from->n; k++) {
        const individual *x = &from->v[k];
        bool known = seen_has(s, x->hash);
        for (uint32_t q = 0; q < s->pool.n && !known; q++)
            known = s->pool.v[q].hash == x->hash;
        if (known)
            continue;
        individual *y = slot(&s->pool);
        hone_trace_copy(&y->trace, &x->trace);
        y->hash = x->hash;
        y->cost = x->cost;
        y->why = x->why;
    }
}

/* next becomes the better half of now, then children. Returns how many are of the first kind. */
static uint32_t breed(hone_search *s, uint32_t want)
{
    hone_trace child = {0};
    s->next.n = 0;
    sort(&s->now);
    for (uint32_t k = 0; k < s->now.n && k < want / 2; k++)
        individual_copy(slot(&s->next), &s->now.v[k]);
    uint32_t kept = s->next.n;
    for (uint32_t fails = 0; s->next.n < want && fails < want;) {
        const individual *parent = select_parent(s, &s->now);
        bool ok = false;
        for (int k = 0; k < MUTATE_TRIES && !ok; k++) {
            int64_t t = hone_clock_ns();
            hone_trace_copy(&child, &parent->trace);
            ok = hone_space_mutate(s->space, &child, &s->rng);
            if (ok && hone_rng_below(&s->rng, 3) == 0)
                hone_space_mutate(s->space, &child, &s->rng);
            s->stats.mutate_ns += hone_clock_ns() - t;
            ok = ok && finish(s, &child);
        }
        if (ok)
            admit(s, &s->next, "model");
        else
            fails++;
    }
    hone_trace_free(&child);
    return kept;
}

/* The seeds that were never asked for join p. */
static void admit_seeds(hone_search *s, population *p)
{
    for (uint32_t k = 0; k < s->space->seeds.n; k++) {
        const hone_trace *t = &s->space->seeds.v[k];
        if (!seen_has(s, search_hash(t)) && finish(s, t))
            admit(s, p, "seed");
    }
}

static hone_status evolve(hone_search *s, hone_error *err)
{
    s->now.n = s->pool.n = 0;
    for (uint32_t k = 0; k < s->good.n; k++) {
        individual *x = slot(&s->now);
        hone_trace_copy(&x->trace, &s->good.v[k].trace);
        features_copy(&x->features, &s->good.v[k].features);
        x->hash = search_hash(&x->trace);
        x->why = "model";
    }
    admit_seeds(s, &s->now);
    admit_random(s, &s->now, s->o.population);
    uint32_t first = 0; /* those before it have their cost */
    for (uint32_t g = 0; s->now.n > first; g++) {
        hone_status st = score(s, &s->now, first, err);
        if (st != HONE_OK)
            return st;
        collect(s, &s->now, first);
        if (g == s->o.generations)
            break;
        first = breed(s, s->o.population);
        population t = s->now;
        s->now = s->next;
        s->next = t;
    }
    return HONE_OK;
}

/* Emits t as a candidate, if it is new and legal. */
static bool emit(hone_search *s, const hone_trace *t, const char *why, double cost,
                 hone_candidate *ret)
{
    uint64_t h = search_hash(t);
    if (seen_has(s, h) || !finish(s, t))
        return false;
    seen_insert(s, h);
    if (!seen_program(s, t))
        return false;
    *ret = (hone_candidate){.id = s->asked++,
                            .hash = hone_trace_hash(&s->sched.trace),
                            .why = why,
                            .trace = hone_trace_text(&s->sched.trace),
                            .predicted = cost};
    s->stats.proposed++;
    return true;
}

/* ---- public ---------------------------------------------------------------------------------- */

hone_search *hone_search_new(const hone_space *sp, const hone_search_options *o)
{
    hone_search *s = hone_xcalloc(1, sizeof *s);
    s->space = sp;
    s->o = *o;
    if (!s->o.population)
        s->o.population = 256;
    if (!s->o.generations)
        s->o.generations = 3;
    if (s->o.epsilon < 0)
        s->o.epsilon = 0.05;
    hone_rng_seed(&s->rng, o->seed);
    s->model = hone_model_new(&(hone_model_options){.seed = o->seed, .threads = 1});
    return s;
}

void hone_search_free(hone_search *s)
{
    if (!s)
        return;
    for (uint32_t k = 0; k < s->good.n; k++) {
        hone_trace_free(&s->good.v[k].trace);
        hone_features_free(&s->good.v[k].features);
    }
    for (uint32_t k = 0; k < s->suggested.n; k++)
        hone_trace_free(&s->suggested.v[k]);
    hone_vec_free(&s->suggested);
    hone_vec_free(&s->good);
    hone_vec_free(&s->seen);
    hone_vec_free(&s->spaces_asked);
    population_free(&s->now);
    population_free(&s->next);
    population_free(&s->pool);
    hone_sched_fini(&s->sched);
    hone_model_free(s->model);
    free(s);
}

void hone_candidate_free(hone_candidate *c)
{
    free(c->trace);
    *c = (hone_candidate){0};
}

/* Candidates of one design space differ in their decisions only. */
static uint64_t design_space_of(const hone_trace *t)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (uint32_t k = 0; k < t->insts.n; k++)
        h = (h ^ (uint64_t)t->insts.v[k].kind) * 1099511628211u;
    return h;
}

static bool is_new_space(hone_search *s, const hone_trace *t)
{
    uint64_t h = design_space_of(t);
    for (uint32_t k = 0; k < s->spaces_asked.n; k++)
        if (s->spaces_asked.v[k] == h)
            return false;
    hone_vec_push(&s->spaces_asked, h);
    return true;
}

/* The most promising seeds never asked for, as long as it is their turn. First one of each design
 * space: what the draft thinks of a whole space may be wrong, and a measurement tells. */
static hone_status ask_seeds(hone_search *s, uint32_t n, hone_candidate *ret, uint32_t *ret_n,
                             hone_error *err)
{
    uint32_t left = SEEDS_FIRST;
    for (uint32_t k = 0; k < s->space->seeds.n && left > 0; k++)
        left -= seen_has(s, search_hash(&s->space->seeds.v[k]));
    if (left == 0)
        return HONE_OK;
    s->now.n = 0;
    admit_seeds(s, &s->now);
    hone_status st = score(s, &s->now, 0, err);
    if (st != HONE_OK)
        return st;
    sort(&s->now);
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < s->now.n && *ret_n < n && left > 0; k++) {
            const individual *x = &s->now.v[k];
            if (pass == 0 && !is_new_space(s, &x->trace))
                continue;
            bool emitted = emit(s, &x->trace, "seed", x->cost, &ret[*ret_n]);
            *ret_n += emitted;
            left -= emitted;
        }
    return HONE_OK;
}

void hone_search_suggest(hone_search *s, const char *trace)
{
    hone_trace t = {0};
    if (hone_trace_parse(trace, strlen(trace), &t, NULL) != HONE_OK) {
        hone_trace_free(&t);
        return;
    }
    t.insts.n = hone_trace_search_part(&t);
    hone_vec_push(&s->suggested, t);
}

static void ask_suggested(hone_search *s, uint32_t n, hone_candidate *ret, uint32_t *ret_n)
{
    uint32_t k = 0;
    for (; k < s->suggested.n && *ret_n < n; k++) {
        *ret_n += emit(s, &s->suggested.v[k], "log", NAN, &ret[*ret_n]);
        hone_trace_free(&s->suggested.v[k]);
    }
    s->suggested.n -= k;
    for (uint32_t q = 0; k > 0 && q < s->suggested.n; q++)
        s->suggested.v[q] = s->suggested.v[q + k];
}

hone_status hone_search_ask(hone_search *s, uint32_t n, hone_candidate *ret, uint32_t *ret_n,
                            hone_error *err)
{
    *ret_n = 0;
    if (n == 0)
        return HONE_OK;
    if (!s->default_asked) {
        hone_trace as_written = {0};
        s->default_asked = true;
        *ret_n += emit(s, &as_written, "default", NAN, &ret[0]);
    }
    ask_suggested(s, n, ret, ret_n);
    if (*ret_n < n) {
        hone_status st = ask_seeds(s, n, ret, ret_n, err);
        if (st != HONE_OK)
            return st;
    }
    if (*ret_n == n)
        return HONE_OK;
    int64_t t = hone_clock_ns();
    hone_status st = hone_model_train(s->model, err);
    s->stats.train_ns += hone_clock_ns() - t;
    if (st == HONE_OK)
        st = evolve(s, err);
    if (st != HONE_OK)
        return st;
    sort(&s->pool);
    for (uint32_t k = 0; k < s->pool.n && *ret_n < n; k++) {
        /* now and then one from anywhere instead of the next best */
        uint32_t q = k;
        if (hone_rng_double(&s->rng) < s->o.epsilon)
            q = k + (uint32_t)hone_rng_below(&s->rng, s->pool.n - k);
        *ret_n += emit(s, &s->pool.v[q].trace, q == k ? s->pool.v[q].why : "random",
                       s->pool.v[q].cost, &ret[*ret_n]);
    }
    return HONE_OK;
}

void hone_search_tell(hone_search *s, const char *trace, uint64_t hash, hone_status status,
                      double time_ns)
{
    (void)hash;
    hone_trace t = {0};
    if (trace[0] && hone_trace_parse(trace, strlen(trace), &t, NULL) != HONE_OK) {
        hone_trace_free(&t);
        return;
    }
    t.insts.n = hone_trace_search_part(&t);
    seen_insert(s, search_hash(&t));
    measured m = {.time_ns = status == HONE_OK ? time_ns : 0};
    if (finish(s, &t)) {
        seen_program(s, &t);
        describe(s, &m.features);
        /* The program as written is compiled another way (codegen's plain mode): no lesson. */
        if (t.insts.n > 0)
            hone_model_add(s->model, 0, &m.features, m.time_ns);
        if (m.time_ns > 0) {
            hone_trace_copy(&m.trace, &t);
            uint32_t at = s->good.n;
            hone_vec_push(&s->good, m);
            for (; at > 0 && s->good.v[at - 1].time_ns > m.time_ns; at--)
                s->good.v[at] = s->good.v[at - 1];
            s->good.v[at] = m;
            if (s->good.n > ELITES) {
                measured *worst = &s->good.v[--s->good.n];
                hone_trace_free(&worst->trace);
                hone_features_free(&worst->features);
            }
        } else {
            hone_features_free(&m.features);
        }
    }
    hone_trace_free(&t);
}

void hone_search_get_stats(const hone_search *s, hone_search_stats *ret)
{
    *ret = s->stats;
    hone_model_get_metrics(s->model, &ret->model);
}
