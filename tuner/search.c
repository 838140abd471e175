/* What every search does, whatever its strategy: the part of tuner/strategy.h between the two.
 *
 * A candidate goes from offered (`ready`) to handed out (`asked`) to told. What was found out about
 * it when it was offered stays with it, so that its result costs nothing but the learning. It is
 * known from the moment it was offered or told, by its key and by the program it leads to.
 *
 * Reader's map: the tables of strategies and parts; making a search; stopping; what a strategy
 * calls; asking; telling. */
#include "tuner/strategy.h"

#include <math.h>

#include "tuner/known.h"

#define POPULATION 256      /* by default */
#define REMEMBER (1u << 20) /* likewise */

/* A candidate on its way. */
typedef struct offered {
    hone_candidate candidate; /* its text goes with it when it is handed out */
    hone_trace trace;         /* search part */
    uint64_t key;
    hone_features features;
} offered;

typedef struct suggestion {
    hone_trace trace; /* search part */
    const char *why;
} suggestion;

struct hone_search {
    hone_strategy_env env; /* first: what a strategy hands back is the search */
    const hone_strategy *strategy;
    void *self; /* of the strategy */
    hone_tuner__known known;
    HONE_VEC(offered) ready, asked; /* in turn */
    HONE_VEC(suggestion) suggested; /* not offered yet, in turn */
    bool default_offered, stopped;
    uint64_t next_id;
    uint32_t want; /* of this ask */
};

/* ---- the table ------------------------------------------------------------------------------- */

#define HONE_STRATEGY(name) extern const hone_strategy hone_strategy_##name;
#include "tuner/strategy/strategies.def"
#undef HONE_STRATEGY

static const hone_strategy *const strategies[] = {
#define HONE_STRATEGY(name) &hone_strategy_##name,
#include "tuner/strategy/strategies.def"
#undef HONE_STRATEGY
};

const hone_strategy *hone_strategy_at(unsigned k)
{
    return k < HONE_LEN(strategies) ? strategies[k] : NULL;
}

const hone_strategy *hone_strategy_find(const char *name)
{
    for (unsigned k = 0; k < HONE_LEN(strategies); k++)
        if (strcmp(strategies[k]->name, name) == 0)
            return strategies[k];
    return NULL;
}

static const char *const parts[][2] = {
#define HONE_PART(name, summary) {#name, summary},
#include "tuner/parts.def"
#undef HONE_PART
};

const char *hone_part_name(unsigned part)
{
    return part < HONE_PART_COUNT ? parts[part][0] : NULL;
}

const char *hone_part_summary(unsigned part)
{
    return part < HONE_PART_COUNT ? parts[part][1] : NULL;
}

/* ---- a search -------------------------------------------------------------------------------- */

hone_search *hone_search_new(const hone_strategy *strategy, const hone_space *sp,
                             const hone_search_options *o)
{
    hone_search *s = hone_xcalloc(1, sizeof *s);
    s->env.space = sp;
    s->env.options = *o;
    if (!o->population)
        s->env.options.population = POPULATION;
    s->env.stats.model.pair_accuracy = NAN;
    hone_rng_seed(&s->env.rng, o->seed);
    s->strategy = strategy ? strategy : strategies[0];
    if (!s->strategy->whole)
        s->known.most = o->remember ? o->remember : REMEMBER;
    s->self = s->strategy->start(&s->env);
    return s;
}

void hone_candidate_free(hone_candidate *c)
{
    free(c->trace);
    *c = (hone_candidate){0};
}

static void offered_free(offered *x)
{
    hone_candidate_free(&x->candidate);
    hone_trace_free(&x->trace);
    hone_features_free(&x->features);
}

void hone_search_free(hone_search *s)
{
    if (!s)
        return;
    s->strategy->end(s->self);
    for (uint32_t k = 0; k < s->ready.n; k++)
        offered_free(&s->ready.v[k]);
    for (uint32_t k = 0; k < s->asked.n; k++)
        offered_free(&s->asked.v[k]);
    for (uint32_t k = 0; k < s->suggested.n; k++)
        hone_trace_free(&s->suggested.v[k].trace);
    hone_vec_free(&s->ready);
    hone_vec_free(&s->asked);
    hone_vec_free(&s->suggested);
    hone_tuner__known_free(&s->known);
    hone_sched_fini(&s->env.sched);
    free(s);
}

void hone_search_get_stats(const hone_search *s, hone_search_stats *ret)
{
    *ret = s->env.stats;
}

/* ---- stopping -------------------------------------------------------------------------------- */

bool hone_strategy_stopped(hone_strategy_env *env)
{
    hone_search *s = (hone_search *)env;
    const hone_search_options *o = &env->options;
    s->stopped = s->stopped || (o->stop && o->stop(o->stop_ctx));
    return s->stopped;
}

/* ---- what a strategy calls ------------------------------------------------------------------- */

uint64_t hone_strategy_key(const hone_trace *t)
{
    hone_trace part = *t; /* a shorter view of the same rows */
    part.insts.n = hone_trace_search_part(t);
    return hone_trace_hash(&part);
}

bool hone_strategy_knows(const hone_strategy_env *env, uint64_t key)
{
    return hone_tuner__known_has(&((const hone_search *)env)->known, key);
}

uint32_t hone_strategy_wanted(const hone_strategy_env *env)
{
    const hone_search *s = (const hone_search *)env;
    return s->ready.n < s->want ? s->want - s->ready.n : 0;
}

/* One more replay, begun at `start`. */
static bool count_replay(hone_strategy_env *env, int64_t start, hone_status st)
{
    ((hone_search *)env)->stopped |= st == HONE_E_INTERRUPTED; /* by the space's own stop */
    env->stats.replay_ns += hone_clock_ns() - start;
    env->stats.replayed++;
    env->stats.replay_rejected += st != HONE_OK;
    return st == HONE_OK;
}

static bool finish(hone_strategy_env *env, const hone_trace *t)
{
    int64_t start = hone_clock_ns();
    return count_replay(env, start, hone_space_finish(env->space, t, &env->sched, NULL));
}

bool hone_strategy_finish(hone_strategy_env *env, const hone_trace *t)
{
    return !hone_strategy_stopped(env) && finish(env, t);
}

bool hone_strategy_sample(hone_strategy_env *env)
{
    if (hone_strategy_stopped(env))
        return false;
    int64_t start = hone_clock_ns();
    return count_replay(env, start, hone_space_sample(env->space, &env->rng, &env->sched, NULL));
}

static bool change(hone_strategy_env *env, hone_trace *t,
                   bool (*by)(const hone_space *sp, hone_trace *t, hone_rng *rng))
{
    if (hone_strategy_stopped(env))
        return false;
    int64_t start = hone_clock_ns();
    bool changed = by(env->space, t, &env->rng);
    env->stats.mutate_ns += hone_clock_ns() - start;
    return changed;
}

bool hone_strategy_mutate(hone_strategy_env *env, hone_trace *t)
{
    return change(env, t, hone_space_mutate);
}

bool hone_strategy_neighbour(hone_strategy_env *env, hone_trace *t)
{
    return change(env, t, hone_space_neighbour);
}

void hone_strategy_describe(hone_strategy_env *env, hone_features *ret)
{
    int64_t start = hone_clock_ns();
    hone_features_extract(&env->sched.prog, &env->space->target, env->space->threads,
                          env->options.machine, ret);
    if (env->options.without & 1u << HONE_PART_draft)
        hone_features_forget_draft(ret);
    env->stats.feature_ns += hone_clock_ns() - start;
}

/* Different decisions may lead to one program. That of env->sched, with the search part t, is
 * noted; false: it was there. The program as written is apart: it is compiled in another way. */
static bool note_program(hone_search *s, const hone_trace *t)
{
    return t->insts.n == 0 ||
           hone_tuner__known_insert(&s->known,
                                    hone_hash_mix(1, hone_program_hash(&s->env.sched.prog)));
}

/* The candidate in env->sched is ready to be handed out, if it is new. */
static bool offer(hone_search *s, const char *why, double predicted)
{
    const hone_trace *whole = &s->env.sched.trace;
    offered x = {.key = hone_strategy_key(whole)};
    if (!hone_tuner__known_insert(&s->known, x.key))
        return false;
    hone_trace part = *whole;
    part.insts.n = hone_trace_search_part(whole);
    if (!note_program(s, &part))
        return false;
    if (!s->strategy->blind) {
        hone_trace_copy(&x.trace, &part);
        hone_strategy_describe(&s->env, &x.features);
    }
    x.candidate = (hone_candidate){.id = s->next_id++,
                                   .hash = hone_trace_hash(whole),
                                   .why = why,
                                   .trace = hone_trace_text(whole),
                                   .as_written = part.insts.n == 0,
                                   .predicted = predicted};
    hone_vec_push(&s->ready, x);
    return true;
}

bool hone_strategy_offer_sched(hone_strategy_env *env, const char *why, double predicted)
{
    return !hone_strategy_stopped(env) && offer((hone_search *)env, why, predicted);
}

bool hone_strategy_offer(hone_strategy_env *env, const hone_trace *t, const char *why,
                         double predicted)
{
    return !hone_strategy_knows(env, hone_strategy_key(t)) && hone_strategy_finish(env, t) &&
           offer((hone_search *)env, why, predicted);
}

/* ---- asking ---------------------------------------------------------------------------------- */

void hone_search_suggest(hone_search *s, const char *trace, const char *why)
{
    suggestion x = {.why = why};
    if (hone_trace_parse(trace, strlen(trace), &x.trace, NULL) != HONE_OK) {
        hone_trace_free(&x.trace);
        return;
    }
    x.trace.insts.n = hone_trace_search_part(&x.trace);
    hone_vec_push(&s->suggested, x);
}

static void offer_default(hone_search *s)
{
    static const hone_trace as_written;
    if (s->default_offered)
        return;
    if (!hone_strategy_knows(&s->env, hone_strategy_key(&as_written)) &&
        finish(&s->env, &as_written))
        offer(s, "default", NAN);
    s->default_offered = !s->stopped;
}

static void offer_suggested(hone_search *s)
{
    uint32_t k = 0;
    for (; k < s->suggested.n && hone_strategy_wanted(&s->env); k++) {
        suggestion *x = &s->suggested.v[k];
        if (!hone_strategy_knows(&s->env, hone_strategy_key(&x->trace)) &&
            hone_strategy_finish(&s->env, &x->trace))
            offer(s, x->why, NAN);
        if (s->stopped)
            break;
        hone_trace_free(&x->trace);
    }
    s->suggested.n -= k;
    if (k > 0 && s->suggested.n > 0)
        memmove(s->suggested.v, s->suggested.v + k, s->suggested.n * sizeof *s->suggested.v);
}

/* The first n of those ready are the caller's. */
static uint32_t hand_out(hone_search *s, uint32_t n, hone_candidate *ret)
{
    n = n < s->ready.n ? n : s->ready.n;
    for (uint32_t k = 0; k < n; k++) {
        ret[k] = s->ready.v[k].candidate;
        s->ready.v[k].candidate.trace = NULL;
        hone_vec_push(&s->asked, s->ready.v[k]);
    }
    s->ready.n -= n;
    if (n > 0 && s->ready.n)
        memmove(s->ready.v, s->ready.v + n, s->ready.n * sizeof *s->ready.v);
    s->env.stats.proposed += n;
    return n;
}

hone_status hone_search_ask(hone_search *s, uint32_t n, hone_candidate *ret, uint32_t *ret_n,
                            hone_error *err)
{
    *ret_n = 0;
    s->want = n;
    s->stopped = false;
    if (n == 0)
        return HONE_OK;
    hone_status st = HONE_OK;
    if (!hone_strategy_stopped(&s->env)) {
        offer_default(s);
        offer_suggested(s);
        if (hone_strategy_wanted(&s->env))
            st = s->strategy->ask(s->self, err);
    }
    if (s->stopped)
        return hone_fail(err, HONE_E_INTERRUPTED, "the search was asked to stop");
    if (st == HONE_OK)
        *ret_n = hand_out(s, n, ret);
    return st;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void teach(hone_search *s, const offered *x, const hone_outcome *o)
{
    bool ok = o->status == HONE_OK && o->time_ns > 0 && isfinite(o->time_ns);
    s->strategy->tell(s->self, &(hone_lesson){.trace = &x->trace,
                                              .key = x->key,
                                              .features = &x->features,
                                              .status = o->status,
                                              .time_ns = ok ? o->time_ns : 0});
}

/* Takes the candidate out of those asked for. */
static bool take_asked(hone_search *s, uint64_t id, offered *ret)
{
    uint32_t k = 0;
    while (k < s->asked.n && s->asked.v[k].candidate.id != id)
        k++;
    if (k == s->asked.n)
        return false;
    *ret = s->asked.v[k];
    s->asked.v[k] = s->asked.v[--s->asked.n];
    return true;
}

/* All that is known of a trace from elsewhere. False: it cannot be read or replayed any more. */
static bool look_up(hone_search *s, const char *text, offered *ret)
{
    *ret = (offered){0};
    if (text[0] && hone_trace_parse(text, strlen(text), &ret->trace, NULL) != HONE_OK)
        return false;
    ret->trace.insts.n = hone_trace_search_part(&ret->trace);
    ret->key = hone_strategy_key(&ret->trace);
    hone_tuner__known_insert(&s->known, ret->key);
    if (!finish(&s->env, &ret->trace))
        return false;
    note_program(s, &ret->trace);
    if (!s->strategy->blind)
        hone_strategy_describe(&s->env, &ret->features);
    return true;
}

void hone_search_tell(hone_search *s, const hone_outcome *o)
{
    offered x;
    bool outcome = o->status == HONE_OK || hone_status_is_reject(o->status);
    bool asked = o->id != HONE_NOT_ASKED && take_asked(s, o->id, &x);
    if (!asked && !outcome)
        return;
    if ((asked || look_up(s, o->trace, &x)) && outcome)
        teach(s, &x, o);
    offered_free(&x);
}
