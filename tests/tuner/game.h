/* A search, a device that is simulated, and what was asked for and told. */
#ifndef HONE_TESTS_GAME_H
#define HONE_TESTS_GAME_H

#include "tests/costmodel/simulated.h"
#include "tuner/tuner.h"

#define GAME_MAX 256
#ifndef GAME_POPULATION /* of the searches; what need not be found may be looked for by fewer */
#define GAME_POPULATION 48
#endif

typedef struct game {
    hone_space *space;
    hone_search *search;
    hone_sched sched;
    hone_features features;
    uint64_t noise;
    hone_candidate asked[GAME_MAX];
    double ns[GAME_MAX]; /* as told; 0: rejected */
    uint32_t n;
    double best_ns;
} game;

static inline hone_space *small_matmul(void)
{
    const hone_size sizes[] = {{"M", 128}, {"N", 192}, {"K", 160}};
    return simulated_space("matmul", sizes, 3, 2);
}

static inline void game_start(game *g, const hone_strategy *strategy, hone_space *sp, uint64_t seed)
{
    *g = (game){.space = sp, .noise = seed, .best_ns = INFINITY};
    g->search = hone_search_new(
        strategy, sp, &(hone_search_options){.seed = seed, .population = GAME_POPULATION});
}

static inline void game_end(game *g)
{
    for (uint32_t k = 0; k < g->n; k++)
        hone_candidate_free(&g->asked[k]);
    hone_search_free(g->search);
    hone_sched_fini(&g->sched);
    hone_features_free(&g->features);
}

/* Asks for up to `want` more; returns how many came. */
static inline uint32_t game_ask(game *g, uint32_t want)
{
    hone_error err = {0};
    uint32_t n = 99;
    assert_true(g->n + want <= GAME_MAX);
    if (hone_search_ask(g->search, want, g->asked + g->n, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_true(n <= want);
    g->n += n;
    return n;
}

/* Replays a trace into g->sched, as a worker would. */
static inline void game_replay(game *g, const char *trace)
{
    hone_trace t = {0};
    hone_error err = {0};
    if ((trace[0] && hone_trace_parse(trace, strlen(trace), &t, &err) != HONE_OK) ||
        hone_trace_replay(&t, &g->space->base, &g->sched, NULL, false, &err) != HONE_OK)
        fail_msg("%s in %s", err.message, trace);
    hone_trace_free(&t);
}

static inline double game_measure(game *g, const hone_candidate *c)
{
    game_replay(g, c->trace);
    hone_features_extract(&g->sched.prog, &g->space->target, g->space->threads, NULL, &g->features);
    return simulated_ns(&g->features, c->hash, g->noise, 0.02);
}

/* The result of candidate c as it would be told with this id. time_ns 0: rejected. */
static inline hone_outcome game_outcome(const hone_candidate *c, uint64_t id, double time_ns)
{
    return (hone_outcome){.id = id,
                          .trace = c->trace,
                          .hash = c->hash,
                          .status = time_ns > 0 ? HONE_OK : HONE_REJECT_WRONG_RESULT,
                          .time_ns = time_ns};
}

static inline void game_tell(game *g, uint32_t k, bool rejected)
{
    const hone_candidate *c = &g->asked[k];
    g->ns[k] = rejected ? 0 : game_measure(g, c);
    hone_outcome o = game_outcome(c, c->id, g->ns[k]);
    hone_search_tell(g->search, &o);
    if (!rejected)
        g->best_ns = fmin(g->best_ns, g->ns[k]);
}

/* Until there were `trials` in all, or there are no more. */
static inline void game_play(game *g, uint32_t trials, uint32_t batch)
{
    while (g->n < trials) {
        uint32_t from = g->n;
        uint32_t n = game_ask(g, batch < trials - g->n ? batch : trials - g->n);
        if (n == 0)
            return;
        for (uint32_t k = from; k < from + n; k++)
            game_tell(g, k, false);
    }
}

static inline void game_check_distinct(const game *g)
{
    for (uint32_t a = 0; a < g->n; a++)
        for (uint32_t b = 0; b < a; b++)
            if (g->asked[a].hash == g->asked[b].hash ||
                strcmp(g->asked[a].trace, g->asked[b].trace) == 0)
                fail_msg("candidates %u and %u are the same: %s", b, a, g->asked[a].trace);
}

#endif
