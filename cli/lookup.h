/* The schedule a kernel gets: the log's best, one that is given, or the program as written. */
#ifndef HONE_CLI_LOOKUP_H
#define HONE_CLI_LOOKUP_H

#include "cli/cli.h"
#include "db/db.h"
#include "space/space.h"

typedef struct cli_answer {
    const char *rung;         /* "exact", "default" or "given" */
    char *miss;               /* of rung default: what the log has instead, one line */
    hone_db_record record;    /* of rung exact */
    hone_intrin_set *intrins; /* from files, or those of the run that found the record */
    hone_sched sched;
    const hone_program *program; /* scheduled */
    bool as_written;             /* unscheduled */
    double gflops;
} cli_answer;

/* Asks the log. ret->intrins is set by the caller. A log that is not there, or has no result for
 * this kernel, target and thread count, is the rung default; with exact_only it is HONE_E_NOTFOUND,
 * and the message is what ret->miss would be. */
hone_status cli_look_up(const char *db_path, const cli_kernel *k, const hone_target *target,
                        int32_t threads, bool exact_only, cli_answer *ret,
                        hone_error *err) HONE_NODISCARD;
/* The schedule of a trace's file. */
hone_status cli_read_trace(const char *path, const cli_kernel *k, cli_answer *ret,
                           hone_error *err) HONE_NODISCARD;
void cli_answer_free(cli_answer *a);
/* Adds "M=64 N=32", of the log's JSON. */
void cli_put_sizes(const char *json, hone_buf *ret);

#endif
