/* Kernels of a log that are like one at hand but for their sizes. Private to the room. */
#ifndef HONE_TUNER_NEAR_H
#define HONE_TUNER_NEAR_H

#include "db/db.h"
#include "ir/ir.h"

/* A kernel of the log, on a target, with a schedule. */
typedef struct neighbour {
    uint64_t hash; /* of the workload */
    int64_t workload_id, target_id;
    double far;           /* from the one at hand; not finite: they are not alike */
    int elsewhere;        /* 0: on the same target; the greater, the less like it */
    unsigned log;         /* whose ids these are: the number of it, set by who has several */
    char *sizes, *target; /* as the log has them */
    int32_t threads;
} neighbour;
typedef HONE_VEC(neighbour) neighbours;
typedef struct timed_trace {
    char *text;
    int64_t clock_ns; /* hone_db_record_clock */
    int64_t session_id;
} timed_trace;
typedef HONE_VEC(timed_trace) timed_traces;

/* The sum over named sizes (JSON objects) of |ln ratio|. NaN: they do not name the same ones, or
 * none. Pure. */
double hone_tuner__sizes_apart(const char *a, const char *b);
/* The same over the extents of loops. Infinite: nests of another form. Pure. */
double hone_tuner__programs_apart(const hone_program *a, const hone_program *b);
/* The numbers of at most `most` of them, the nearest first; of equally near ones those least
 * elsewhere, then the earlier. Pure. */
uint32_t hone_tuner__nearest(const neighbour *v, uint32_t n, uint32_t *ret, uint32_t most);

typedef struct near_question {
    const hone_program *program; /* unscheduled */
    const char *sizes;           /* JSON object */
    const char *target_class;    /* NULL: of any */
    int32_t only_threads;        /* 0: with any number of them */
    int32_t threads;             /* other numbers are as far as such a size; 0: they are not */
    uint32_t most;               /* the nearest alone; 0: all */
    /* Is a kernel on this target one, and how far elsewhere is it? Of the rows: ids, hash, sizes
     * and class; text and threads. */
    bool (*admit)(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                  int *ret_elsewhere);
    void *ctx;
} near_question;
/* Adds those that are alike and have a good result to ret, the caller's to free, the nearest first;
 * of equally near ones those least elsewhere, then the earlier. Reads every kernel of the name and
 * every target, but records of the nearest alone. What a database returns. */
hone_status hone_tuner__neighbours(hone_db *db, const near_question *q, neighbours *ret,
                                   hone_error *err) HONE_NODISCARD;
void hone_tuner__neighbours_free(neighbours *v);
/* Its `most` fastest traces, the best first. */
hone_status hone_tuner__traces_of(hone_db *db, const neighbour *x, uint32_t most, timed_traces *ret,
                                  hone_error *err) HONE_NODISCARD;
void hone_tuner__traces_free(timed_traces *v);

#endif
