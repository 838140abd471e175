/* What a report knows of one kernel on one target, as it is read from the log (log.c), completed by
 * what its programs say (programs.c) and told (data.c). */
#ifndef HONE_CLI_REPORT_TASK_H
#define HONE_CLI_REPORT_TASK_H

#include "cli/report/report.h"

typedef struct report_trial {
    int64_t id; /* of the record */
    double ns;  /* 0: rejected */
    double spent_s;
} report_trial;

typedef struct report_reason {
    char *text;
    uint64_t n;
} report_reason;

#define REPORT_REASONS 64 /* kinds that are told apart, of one status */
typedef struct report_rejection {
    hone_status status; /* HONE_STATUS_COUNT: one of a newer hone */
    uint64_t n;
    HONE_VEC(report_reason) reasons;
} report_rejection;

/* A measured candidate that the page shows by itself. */
typedef struct report_point {
    int64_t id;
    uint32_t trial; /* from 1 */
    double ns, draft_ns;
} report_point;

typedef struct report_task {
    int64_t workload_id, target_id;
    uint64_t hash;
    char *name, *sizes, *program, *target_text;
    int32_t threads;
    int64_t ops;
    double build_s, run_s;
    uint64_t ok;
    HONE_VEC(report_trial) trials; /* in the order in which they were first stored */
    HONE_VEC(report_rejection) rejections;
    HONE_VEC(int64_t) sessions;
    HONE_VEC(char *) strategies;
    HONE_VEC(report_point) points;
    /* of the winner */
    double best_ns;
    uint64_t best_hash;
    /* of the programs */
    double bytes, written_ns;
    char *schedule, *no_schedule; /* one of them */
} report_task;

typedef struct report_log {
    HONE_VEC(report_task) tasks;
    HONE_VEC(char *) versions;
    HONE_VEC(char *) devices; /* name, then env: two each */
} report_log;

/* All but what the programs say. */
hone_status report_read(hone_db *db, report_log *ret, hone_error *err) HONE_NODISCARD;
/* Which candidates the page shows; of all tasks together at most `most`. */
void report_choose_points(report_log *l, uint32_t most);
/* Fills what is "of the programs" and the drafts of the points. */
hone_status report_replay(hone_db *db, report_log *l, hone_error *err) HONE_NODISCARD;
void report_free(report_log *l);

/* The most each may have, so that all together have no more than total: those that want less than
 * this get what they want. */
uint64_t report_share(const uint64_t *want, uint32_t n, uint64_t total);

#endif
