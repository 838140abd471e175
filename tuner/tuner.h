/* tuner: search strategies as ask/tell (tuner/strategy.h), and the session that drives one kernel's
 * tuning. */
#ifndef HONE_TUNER_H
#define HONE_TUNER_H

#include "db/db.h"
#include "tuner/strategy.h"
#include "workers/workers.h"

/* ---- session: one kernel on one target -------------------------------------------------------
 *
 * A session is a state machine: it is stepped with what came from the pool and with the time, and
 * hands out actions. It has no loop, no clock and no socket; who has them is a driver, such as
 * hone_drive below or the fake pool of the tests. The log is written from inside of a step, so that
 * a result is durable before it is told.
 *
 * Threads: a session, its database and the space below it belong to one thread at a time. */

typedef struct hone_session hone_session;

/* What a session asks of whoever has the pool; answers are taken as of now. */
typedef struct hone_session_port {
    void *ctx;
    uint64_t (*new_id)(void *ctx); /* for a job; no other session of the pool has it */
    /* Peers present that could take a job of this role (HONE_ROLE_*) for this target; target NULL:
     * whatever they are. */
    uint32_t (*able)(void *ctx, unsigned role, const char *target);
    /* Jobs of this role in hand, of all sessions of the pool. NULL: this one is alone. */
    uint32_t (*in_hand)(void *ctx, unsigned role);
} hone_session_port;

/* Texts, program, target, rules, intrinsics and the database must outlive the session. */
typedef struct hone_session_options {
    const hone_program *program; /* unscheduled, verified */
    const char *sizes;           /* JSON object of the named sizes, for the log */
    const hone_target *target;
    const char *llvm_version;       /* of the builders, for the log */
    const hone_custom_rules *rules; /* may be NULL */
    const hone_intrin_set *intrins; /* beside hone's own; may be NULL */
    int32_t threads;
    uint64_t trials; /* 0: no limit */
    int64_t time_ms; /* from hone_session_new on; 0: no limit */
    uint64_t seed;
    const hone_strategy *strategy; /* NULL: the default */
    hone_db *db;                   /* open for writing */
    hone_session_port port;
    bool exclusive; /* builds and measurements share all processors: never at the same time */
    /* Looked at within long computations; true ends them early. Whoever sets it calls
     * hone_session_stop too. May be NULL. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} hone_session_options;

typedef struct hone_trial {
    uint64_t number; /* from 1 */
    uint64_t hash;   /* of the trace */
    hone_status status;
    const char *reason; /* when not HONE_OK */
    const char *why;    /* who proposed it */
    const char *device; /* which measured it; "" when it was not measured */
    int64_t time_ns;    /* when HONE_OK: median of what that device measured */
    int64_t compare_ns; /* when HONE_OK: the same on the clock that all results share */
    double max_error;
    bool best; /* the new incumbent */
} hone_trial;

typedef struct hone_progress {
    uint64_t trials, budget, ok;
    uint64_t rejected[HONE_STATUS_COUNT];
    uint64_t failed; /* attempts that failed through no fault of a candidate */
    int64_t best_ns; /* compare_ns of the incumbent; 0: none yet */
    double gflops;
    int64_t elapsed_ns, left_ns; /* left_ns < 0: unknown */
    const char *phase; /* "waiting for workers", "tuning", "final race", "confirming", "done" */
} hone_progress;

typedef enum hone_session_action_kind {
    HONE_SESSION_BUILD,   /* hand `build` to the pool */
    HONE_SESSION_MEASURE, /* hand `measure` to the pool */
    HONE_SESSION_CANCEL,  /* drop the job with this id; no event of it may follow */
    HONE_SESSION_NOTICE,  /* a line for people */
    HONE_SESSION_TRIAL,   /* a trial has its outcome, which is durable */
    HONE_SESSION_PROGRESS /* ten times a second, and when there is news */
} hone_session_action_kind;

typedef struct hone_session_action {
    hone_session_action_kind kind;
    union {
        hone_build_job build;
        hone_measure_job measure;
        uint64_t cancel;
        const char *notice;
        hone_trial trial;
        hone_progress progress;
    };
} hone_session_action;

typedef struct hone_session_result {
    bool done;          /* the rest is final */
    hone_status status; /* how it ended */
    hone_error error;   /* when not HONE_OK: what ended it */
    uint64_t trials;    /* of this run */
    uint64_t known;     /* results found in the log at the start */
    uint64_t ok, rejected_total;
    uint64_t rejected[HONE_STATUS_COUNT];
    uint64_t failed;        /* attempts that failed through no fault of a candidate */
    uint64_t set_aside;     /* candidates given up in this session, without a verdict */
    int64_t best_ns;        /* median time of one call of the best, as the log tells it */
    double gflops;          /* of that */
    double max_error;       /* of the best */
    const char *best_trace; /* the session's; NULL: none */
    uint64_t best_hash;     /* of that */
    int64_t default_ns;     /* what the program as written would take then and there; 0: unknown */
    int64_t wall_ns, build_ns, run_ns;
    hone_search_stats search; /* when it is done */
    bool interrupted, exhausted;
} hone_session_result;

/* Makes the space and reads the log. HONE_E_INTERRUPTED (`stop`), HONE_E_IO, HONE_E_FULL, and what
 * hone_space_new returns; *ret is then NULL. */
hone_status hone_session_new(const hone_session_options *o, int64_t now_ns, hone_session **ret,
                             hone_error *err) HONE_NODISCARD;
/* NULL is fine. */
void hone_session_free(hone_session *s);
/* Time has passed, or peers came and went (e NULL), or a job of this session has ended: then e is
 * its event, HONE_POOL_BUILT or HONE_POOL_MEASURED, whose artifact is taken. Wanted at least ten
 * times a second. now_ns never goes back. */
void hone_session_step(hone_session *s, hone_pool_event *e, int64_t now_ns);
/* The user has had enough: the next step cancels what is in hand and ends the session. */
void hone_session_stop(hone_session *s);
/* The next thing to do, or false. To be called until then after each step, and after the last;
 * what ret points to lives until the next call or step. */
bool hone_session_next_action(hone_session *s, hone_session_action *ret);
/* Is a job with this id in hand, and how many of a role are. */
bool hone_session_owns(const hone_session *s, uint64_t id);
uint32_t hone_session_in_hand(const hone_session *s, unsigned role);
/* As it stands; lives as long as s. Ends with
 *   HONE_OK          trials, time, the space or the user's patience ended
 *   HONE_E_PEER      no worker for 10 s
 *   HONE_E_REFERENCE the program as written fails; HONE_REJECT_*: it cannot be built
 *   HONE_E_IO, HONE_E_FULL, HONE_E_BUSY, HONE_E_MODEL: the log or the model failed
 *   any HONE_E_*     the workers' own trouble, by tuner/failures.def. */
const hone_session_result *hone_session_get_result(const hone_session *s);

/* ---- the loop around sessions ---------------------------------------------------------------- */

/* Hooks may be NULL. Zero the fields that are not hooks. */
typedef struct hone_driver {
    hone_pool *pool;
    bool (*stop)(void *ctx); /* asked every turn, at least ten times a second */
    void (*on_turn)(void *ctx);
    void (*on_peer)(void *ctx, const hone_pool_event *e); /* joined, lost, refused, idle */
    /* Trials, progress and notices of session k. */
    void (*on_action)(void *ctx, unsigned k, const hone_session_action *a);
    void *ctx;
    int64_t step_ns;               /* out: spent inside of sessions, which is search and log */
    hone_session *const *sessions; /* set by hone_drive */
    unsigned n;
} hone_driver;

/* The port for sessions that d will drive. d must outlive them. */
hone_session_port hone_driver_port(hone_driver *d);
/* Drives the sessions on the pool until all are done. */
void hone_drive(hone_driver *d, hone_session *const *sessions, unsigned n);

#endif
