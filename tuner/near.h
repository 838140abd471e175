/* Kernels of a log that are like one at hand but for their sizes. Private to the room. */
#ifndef HONE_TUNER_NEAR_H
#define HONE_TUNER_NEAR_H

#include "db/db.h"
#include "ir/ir.h"

/* A kernel of the log, on a target, with a schedule. */
typedef struct neighbour {
    int64_t workload_id, target_id;
    double far;           /* from the one at hand; not finite: they are not alike */
    int elsewhere;        /* 0: on the same target; the greater, the less like it */
    unsigned log;         /* whose ids these are: the number of it, set by who has several */
    char *best;           /* text of its best trace */
    char *sizes, *target; /* as the log has them */
    int32_t threads;
} neighbour;
typedef HONE_VEC(neighbour) neighbours;
typedef HONE_VEC(char *) trace_texts;

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
    const hone_db_where *where;
    /* Is a kernel on this target one, and how far elsewhere is it? */
    bool (*admit)(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                  int *ret_elsewhere);
    void *ctx;
} near_question;
/* Adds those that are alike to ret, the caller's to free. What a database returns. */
hone_status hone_tuner__neighbours(hone_db *db, const near_question *q, neighbours *ret,
                                   hone_error *err) HONE_NODISCARD;
void hone_tuner__neighbours_free(neighbours *v);
/* Its traces: the best, which need not have the least time, and then the `most` fastest. */
hone_status hone_tuner__traces_of(hone_db *db, const neighbour *x, uint32_t most, trace_texts *ret,
                                  hone_error *err) HONE_NODISCARD;
void hone_tuner__traces_free(trace_texts *v);

#endif
