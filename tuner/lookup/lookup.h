/* lookup: the log's answer to a question for a kernel, by a ladder of rungs (docs/LOOKUP.md).
 *
 * Nothing is run and nothing written: the answer is a function of the question and the logs. All
 * that an exact answer costs is its record and one replay; space and cost model are made when a
 * lower rung needs them.
 *
 * Threads: the room has no state of its own. A question, its logs and its answer belong to one
 * thread at a time; different ones do not meet. */
#ifndef HONE_LOOKUP_H
#define HONE_LOOKUP_H

#include "db/db.h"
#include "space/space.h"

/* Best first. */
typedef enum hone_rung {
#define HONE_RUNG(name, share, meaning) HONE_RUNG_##name,
#include "tuner/lookup/rungs.def"
#undef HONE_RUNG
    HONE_RUNG_COUNT
} hone_rung;
const char *hone_rung_name(hone_rung r); /* "exact", .. */
bool hone_rung_parse(const char *name, hone_rung *ret);

typedef struct hone_lookup_question hone_lookup_question;
/* Can code be made of this schedule, for the question's target? HONE_REJECT_*: no, and err says
 * why. */
typedef hone_status hone_lookup_accept(const hone_lookup_question *q, const hone_sched *s,
                                       bool as_written, const hone_intrin_set *intrins,
                                       hone_error *err);

/* All is borrowed for the call. */
struct hone_lookup_question {
    const hone_program *program; /* unscheduled, verified */
    const char *sizes;           /* JSON object of the named sizes, as in the log */
    const char *title;           /* for messages: "matmul M=64 N=48 K=32" */
    const hone_target *target;
    int32_t threads;                /* >= 1 */
    const hone_intrin_set *intrins; /* beside hone's own; NULL: none */
    hone_db *const *logs; /* open for reading or writing. Within a rung the first that has one */
    unsigned n_logs;      /* answers; of sizes those nearest in any. May be 0 */
    hone_rung lowest;     /* a worse one is no answer; HONE_RUNG_default: any will do */
    bool explain;         /* rungs below that of the answer are looked at too */
    hone_lookup_accept *accept; /* asked of what would be the answer; NULL: all are accepted */
    bool (*stop)(void *ctx);    /* asked within long computations; NULL: never */
    void *stop_ctx;
};

/* What was found on one rung. */
typedef struct hone_lookup_step {
    bool looked, found, taken;
    double relative; /* its time over that of the default, both predicted; NaN: not predicted */
    char *what;      /* one sentence: what it is, or why there is none; NULL: not looked at */
    char *trace;     /* text of its trace, with q->explain; NULL: none */
} hone_lookup_step;

/* What the logs know of the kernel at near sizes. */
typedef struct hone_lookup_near {
    char *sizes;                 /* JSON object, as in the log */
    double far;                  /* sum over the sizes and the number of threads of |ln ratio| */
    int64_t best_ns, default_ns; /* clocks; 0: not measured */
    /* By how much the model favours what was measured there over the default more than the clock
     * does, as ln of a ratio; NaN: unknown. */
    double favour;
} hone_lookup_near;
#define HONE_LOOKUP_NEAR 4

typedef struct hone_lookup_answer {
    hone_rung rung;
    char *reason;             /* one sentence, which does not say where the logs lie */
    double share;             /* of the speed of the best, expected: 0..1 */
    char *share_from;         /* where that number comes from, in words */
    int64_t time_ns;          /* of one call, where exactly this was measured: rung exact; else 0 */
    hone_sched sched;         /* program and trace */
    bool as_written;          /* the trace is empty, and code is to be made plainly */
    hone_intrin_set *intrins; /* those that the program may use */
    /* Of exact: the record. Of class and nearest: target (canonical text), threads and sizes that
     * the schedule was measured for; NULL and 0 otherwise. */
    hone_db_record record;
    char *from_target, *from_sizes;
    int32_t from_threads;
    char *miss; /* of all rungs but exact: what the logs have instead, one line with their names */
    hone_lookup_step steps[HONE_RUNG_COUNT];
    hone_lookup_near near[HONE_LOOKUP_NEAR]; /* when rung nearest was looked at: nearest first */
    unsigned n_near;
} hone_lookup_answer;

/* HONE_E_NOTFOUND: no answer of q->lowest or better; the message says in one line what there is.
 * HONE_E_INTERRUPTED (`stop`), HONE_E_MODEL, and what a database returns: a log that cannot be read
 * is a failure, never a miss. What q->accept refuses is passed over; when it refuses the program as
 * written too, its status. *ret is the caller's to free with hone_lookup_free in any case. Of
 * rung exact, a record that another version of the space made is answered as long as it can be
 * replayed; else the fastest of its kernel that can. */
hone_status hone_lookup(const hone_lookup_question *q, hone_lookup_answer *ret,
                        hone_error *err) HONE_NODISCARD;
void hone_lookup_free(hone_lookup_answer *a);

/* ---- ranges of sizes (sizes.c) ------------------------------------------------------------------
 */

typedef HONE_VEC(int64_t) hone_sizes_tuned;
/* Adds the values of the size `name` at which the logs have the kernel with all other sizes as in
 * the question, for a target whose code its own can run: rising, each once. What a database
 * returns. */
hone_status hone_lookup_tuned_sizes(const hone_lookup_question *q, const char *name,
                                    hone_sizes_tuned *ret, hone_error *err) HONE_NODISCARD;
/* ret_cost[k]: ln of the predicted time of trace k, carried out at the question's sizes, up to a
 * constant of these; infinite: it cannot be (as NULL and the program as written). HONE_E_MODEL,
 * HONE_E_INTERRUPTED, and what a database returns. */
hone_status hone_lookup_costs(const hone_lookup_question *q, const hone_trace *const *traces,
                              unsigned n, double *ret_cost, hone_error *err) HONE_NODISCARD;

/* Adds the intrinsics of the tuning run with this id, unless the set has some already. What a
 * database returns, and hone_intrin_set_add. */
hone_status hone_lookup_intrins(hone_db *db, int64_t session_id, hone_intrin_set *set,
                                hone_error *err) HONE_NODISCARD;
/* Adds "M=64 N=32", of the log's JSON. */
void hone_lookup_put_sizes(const char *json, hone_buf *ret);

#endif
