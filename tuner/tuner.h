/* tuner: search strategies as ask/tell (tuner/strategy.h), and the session that drives one kernel's
 * tuning. */
#ifndef HONE_TUNER_H
#define HONE_TUNER_H

#include "db/db.h"
#include "tuner/strategy.h"
#include "workers/workers.h"

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
    const hone_strategy *strategy; /* NULL: the default */
    hone_db *db;                   /* open for writing */
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
    hone_search_stats search;
    bool interrupted, exhausted;
} hone_session_result;
void hone_session_result_free(hone_session_result *r);

/* Runs until trials, time, the space or the user's patience ends. Every result is durable before it
 * is reported. HONE_OK (also when interrupted), HONE_E_PEER (no worker within 10 s, or all lost),
 * HONE_E_FULL, HONE_E_IO, HONE_E_MODEL, HONE_E_BUSY. ret is valid on every status. */
hone_status hone_session_run(const hone_session_options *o, hone_session_result *ret,
                             hone_error *err) HONE_NODISCARD;

#endif
