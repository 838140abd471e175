/* strategy: which candidates are measured next, as ask/tell.
 *
 * Two sides, and tuner/search.c between them. A session asks a search and tells it what became of
 * what it asked for (hone_search_*). A strategy decides what that is: a table of functions in a
 * file of its own in tuner/strategy/, named in strategies.def (docs/STRATEGIES.md). The search
 * keeps what must hold whatever the strategy: the program as written comes first, then what was
 * suggested; nothing is asked for twice, nor when the log has it; a request to stop is heeded; what
 * was found out about a candidate when it was asked for is there when its result comes.
 *
 * Threads: a search, and all that belongs to it, is used by one thread at a time. Two searches
 * share nothing but the space, which they only read. */
#ifndef HONE_STRATEGY_H
#define HONE_STRATEGY_H

#include "costmodel/costmodel.h"
#include "space/space.h"

/* ---- the session's side ---------------------------------------------------------------------- */

typedef struct hone_search hone_search;
typedef struct hone_strategy hone_strategy;

/* The strategy named so, or NULL. */
const hone_strategy *hone_strategy_find(const char *name);
/* Strategy k, or NULL past the last; 0 is the default. */
const hone_strategy *hone_strategy_at(unsigned k);

/* Parts that a search can do without (tuner/parts.def). */
typedef enum hone_part {
#define HONE_PART(name, summary) HONE_PART_##name,
#include "tuner/parts.def"
#undef HONE_PART
    HONE_PART_COUNT
} hone_part;
/* Its word; NULL past the last. Static storage. */
const char *hone_part_name(unsigned part);
const char *hone_part_summary(unsigned part);

typedef struct hone_search_options {
    uint64_t seed;       /* of every random choice */
    uint32_t without;    /* parts left out: 1u << HONE_PART_*; 0: none */
    uint32_t population; /* candidates considered at a time, by strategies that do; 0: 256 */
    /* The latest so many candidates, and programs they lead to, are surely not asked for again; but
     * a strategy for the whole space remembers all. 0: a million. */
    uint32_t remember;
    /* What was learned from other kernels, and how far it is to be trusted before there are own
     * results (costmodel/costmodel.h). Outlives the search. NULL: nothing. */
    hone_model *prior;
    double prior_trust;
    const hone_machine *machine; /* for drafts; outlives the search. NULL: the target's preset */
    /* Looked at every few milliseconds; true ends an ask. NULL: never. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} hone_search_options;

typedef struct hone_candidate {
    uint64_t id;      /* from 0, in the order of asking */
    uint64_t hash;    /* hone_trace_hash of the finished trace */
    const char *why;  /* "default", a suggestion's word, or the strategy's: "seed", "model", .. */
    char *trace;      /* text of the finished trace; "" means the program as written */
    bool as_written;  /* it is that: no instruction but those of postprocessors */
    double predicted; /* ln of the time the strategy expects, up to a constant; NaN: no idea */
} hone_candidate;
void hone_candidate_free(hone_candidate *c);

/* strategy NULL: the default. It and the space must outlive the search; options are copied. */
hone_search *hone_search_new(const hone_strategy *strategy, const hone_space *sp,
                             const hone_search_options *o);
void hone_search_free(hone_search *s); /* NULL is fine */

/* At most n candidates neither asked for nor told about before, as far as that is remembered, the
 * caller's to free; fewer, or none, when the space is exhausted. HONE_E_MODEL; HONE_E_INTERRUPTED:
 * `stop` said so. Then there are none, and those found on the way come first the next time. */
hone_status hone_search_ask(hone_search *s, uint32_t n, hone_candidate *ret, uint32_t *ret_n,
                            hone_error *err) HONE_NODISCARD;

/* A trace worth asking for right after the program as written, after those suggested before. `why`,
 * of static storage: "log", it was fast in another version of the space; "near", at other sizes;
 * "imported", others say so. One that cannot be replayed is dropped. */
void hone_search_suggest(hone_search *s, const char *trace, const char *why);

#define HONE_NOT_ASKED UINT64_MAX

/* What became of a candidate. */
typedef struct hone_outcome {
    uint64_t id;        /* of the hone_candidate; HONE_NOT_ASKED: a result from the log */
    const char *trace;  /* its text */
    uint64_t hash;      /* as in hone_candidate */
    hone_status status; /* HONE_OK or HONE_REJECT_* */
    double time_ns;     /* with HONE_OK; a time to be compared with those of the others told */
} hone_outcome;
/* A result with the id of a candidate that was asked for and not told yet costs no replay. Any
 * other is replayed from its trace; one that cannot be is skipped. A candidate may be told again,
 * as when it was measured once more. HONE_E_* is no outcome: nothing is learned from it, and a
 * candidate that was asked for is not asked for again. */
void hone_search_tell(hone_search *s, const hone_outcome *o);

/* What was done and what it cost. All but the times is the same in every run. */
typedef struct hone_search_stats {
    uint64_t proposed;                  /* candidates handed out */
    uint64_t replayed, replay_rejected; /* traces, by the space */
    uint64_t predicted;                 /* costs, by the model */
    int64_t mutate_ns, replay_ns, feature_ns, predict_ns, train_ns;
    hone_model_metrics model; /* of a strategy that has one; else candidates is 0 */
} hone_search_stats;
void hone_search_get_stats(const hone_search *s, hone_search_stats *ret);

/* ---- the strategy's side --------------------------------------------------------------------- */

/* What a strategy works with. Made by the search, given to `start`, and there until `end`. */
typedef struct hone_strategy_env {
    const hone_space *space;
    hone_search_options options; /* population is never 0 */
    hone_rng rng;                /* seeded; the only source of random choices */
    hone_sched sched;            /* the candidate last finished or sampled: program and trace */
    hone_search_stats stats;
} hone_strategy_env;

/* A result, with all that is known of the candidate. Borrowed for the call. */
typedef struct hone_lesson {
    const hone_trace *trace; /* search part; empty: the program as written, which is compiled in
                                another way (codegen's plain mode) and so teaches nothing about
                                the others */
    uint64_t key;            /* hone_strategy_key(trace) */
    const hone_features *features; /* empty for one that is blind */
    hone_status status;            /* HONE_OK or HONE_REJECT_* */
    double time_ns;                /* > 0, or 0: rejected */
} hone_lesson;

/* Results that a strategy's model learns from at most, as it may be told without end. */
#define HONE_STRATEGY_LESSONS 2048

struct hone_strategy {
    const char *name;    /* as in strategies.def */
    const char *summary; /* for --help: at most 60 characters, no full stop */
    bool learns;         /* it makes use of the options' prior */
    bool blind;          /* it looks at neither trace nor features: its lessons have none */
    /* Its state. The first draw from env's generator may be made here. */
    void *(*start)(hone_strategy_env *env);
    void (*end)(void *self); /* frees it */
    /* Offers candidates until hone_strategy_wanted is 0; none when it has no other. Offers beyond
     * that are kept for the next time. It ends by itself after a bounded number of tries; once a
     * stop is requested, nothing can be finished, sampled, mutated or offered any more, and what it
     * returns does not count. HONE_OK, HONE_E_MODEL; HONE_E_INTERRUPTED: by a stop, the space's own
     * among them. */
    hone_status (*ask)(void *self, hone_error *err);
    /* Learns; also of candidates it never offered. */
    void (*tell)(void *self, const hone_lesson *lesson);
    /* It offers all that hone_enum has, in its own order: neither seed nor results have a say. */
    bool whole;
};

/* What names a candidate: the search part of t (postprocessing is a function of it), hashed. */
uint64_t hone_strategy_key(const hone_trace *t);
/* Was it asked for, offered or told? */
bool hone_strategy_knows(const hone_strategy_env *env, uint64_t key);
/* How many more candidates are asked for. */
uint32_t hone_strategy_wanted(const hone_strategy_env *env);
/* A request to stop, for long work between the calls below, which look at it themselves. */
bool hone_strategy_stopped(hone_strategy_env *env);

/* Replays t and applies the postprocessors. True: it is legal, and now in env->sched. */
bool hone_strategy_finish(hone_strategy_env *env, const hone_trace *t);
/* A candidate drawn at random, into env->sched. False: the draw was not legal. */
bool hone_strategy_sample(hone_strategy_env *env);
/* Changes one decision of t. False: none can be changed. The result is not checked. */
bool hone_strategy_mutate(hone_strategy_env *env, hone_trace *t);
/* The same by hone_space_neighbour. */
bool hone_strategy_neighbour(hone_strategy_env *env, hone_trace *t);
/* Features of the candidate in env->sched; ret's memory is reused. */
void hone_strategy_describe(hone_strategy_env *env, hone_features *ret);

/* Proposes the candidate t, or the one in env->sched. `why` is of static storage. False: it is
 * known, another with the same program is, or it is not legal. */
bool hone_strategy_offer(hone_strategy_env *env, const hone_trace *t, const char *why,
                         double predicted);
bool hone_strategy_offer_sched(hone_strategy_env *env, const char *why, double predicted);

#endif
