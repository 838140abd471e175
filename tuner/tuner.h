/* tuner: search strategies as ask/tell, and the session that drives one kernel's tuning. */
#ifndef HONE_TUNER_H
#define HONE_TUNER_H

#include "costmodel/costmodel.h"
#include "db/db.h"
#include "space/space.h"
#include "workers/workers.h"

/* ---- search: evolutionary, model-guided --------------------------------------------------------
 */

typedef struct hone_search hone_search;

typedef struct hone_search_options {
    uint64_t seed;
    uint32_t population;  /* 0: 256 */
    uint32_t generations; /* 0: 3 */
    double epsilon;       /* share of a batch drawn at random; <0: 0.05 */
} hone_search_options;

typedef struct hone_candidate {
    uint64_t id;      /* position in the order of asking */
    uint64_t hash;    /* hone_trace_hash of the finished trace */
    const char *why;  /* "default", "log" (suggested), "seed", "model" or "random" */
    char *trace;      /* text of the finished trace; "" means the program as written */
    double predicted; /* cost the model gave it; NaN for none */
} hone_candidate;
void hone_candidate_free(hone_candidate *c);

/* The space must outlive the search. */
hone_search *hone_search_new(const hone_space *sp, const hone_search_options *o);
void hone_search_free(hone_search *s);
/* At most n candidates never asked for nor told about before; fewer, or none, when the space is
 * exhausted. HONE_E_MODEL. */
hone_status hone_search_ask(hone_search *s, uint32_t n, hone_candidate *ret, uint32_t *ret_n,
                            hone_error *err) HONE_NODISCARD;
/* A trace worth asking for before the seeds, such as one that was fast in another version of the
 * space. One that cannot be replayed is dropped. */
void hone_search_suggest(hone_search *s, const char *trace);
/* What became of a candidate. Also for results that come from the log: then trace text is replayed
 * (one that cannot be replayed any more is counted and skipped). time_ns <= 0: rejected. */
void hone_search_tell(hone_search *s, const char *trace, uint64_t hash, hone_status status,
                      double time_ns);

typedef struct hone_search_stats {
    uint64_t proposed, replayed, replay_rejected, predicted;
    int64_t mutate_ns, replay_ns, feature_ns, predict_ns, train_ns;
    hone_model_metrics model;
} hone_search_stats;
void hone_search_get_stats(const hone_search *s, hone_search_stats *ret);

/* ---- session: one kernel on one target
 * ----------------------------------------------------------- */

typedef struct hone_trial {
    uint64_t number; /* from 1 */
    hone_status status;
    const char *reason; /* when not HONE_OK */
    const char *why;    /* who proposed it */
    int64_t time_ns;    /* when HONE_OK */
    double max_error;
    bool best; /* the new incumbent */
} hone_trial;

typedef struct hone_progress {
    uint64_t trials, budget, ok;
    uint64_t rejected[HONE_STATUS_COUNT];
    int64_t best_ns; /* 0: none yet */
    double gflops;
    int64_t elapsed_ns, left_ns; /* left_ns < 0: unknown */
    const char *phase;           /* "waiting for workers", "tuning", "final race" */
} hone_progress;

typedef struct hone_session_options {
    const char *kernel;          /* for messages and the log */
    const hone_program *program; /* unscheduled, verified */
    const char *sizes;           /* JSON object of the named sizes, for the log */
    const hone_target *target;
    const char *llvm_version;       /* of the builders, for the log */
    const hone_custom_rules *rules; /* may be NULL */
    const hone_intrin_set *intrins; /* beside hone's own; may be NULL */
    int32_t threads;
    uint64_t trials; /* 0: no limit */
    int64_t time_ms; /* 0: no limit */
    uint64_t seed;
    hone_db *db; /* open for writing */
    hone_pool *pool;
    bool exclusive; /* builds and measurements share all processors: never at the same time */
    const volatile int *stop; /* set by a signal handler: finish what is in flight and return */
    /* All may be NULL. */
    void (*on_trial)(void *ctx, const hone_trial *t);
    void (*on_progress)(void *ctx, const hone_progress *p);
    void (*on_notice)(void *ctx, const char *text); /* a worker joined, was lost, was refused */
    void (*on_turn)(void *ctx); /* every turn of the loop: keep local workers alive */
    void *ctx;
} hone_session_options;

typedef struct hone_session_result {
    uint64_t trials; /* of this run */
    uint64_t known;  /* results found in the log at the start */
    uint64_t ok, rejected_total;
    uint64_t rejected[HONE_STATUS_COUNT];
    int64_t best_ns;
    double gflops;
    double max_error;   /* of the best */
    char *best_trace;   /* owned */
    int64_t default_ns; /* time of the program as written; 0: not measured */
    int64_t wall_ns, search_ns, build_ns, run_ns;
    bool interrupted, exhausted;
} hone_session_result;
void hone_session_result_free(hone_session_result *r);

/* Runs until trials, time, the space or the user's patience ends. Every result is durable before it
 * is reported. HONE_OK (also when interrupted), HONE_E_PEER (no worker within 10 s, or all lost),
 * HONE_E_FULL, HONE_E_IO, HONE_E_MODEL, HONE_E_BUSY. ret is valid on every status. */
hone_status hone_session_run(const hone_session_options *o, hone_session_result *ret,
                             hone_error *err) HONE_NODISCARD;

#endif
