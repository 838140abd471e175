/* The schedule a kernel gets: the logs' answer, or one that is given. */
#ifndef HONE_CLI_LOOKUP_H
#define HONE_CLI_LOOKUP_H

#include "cli/cli.h"
#include "tuner/lookup/lookup.h"

typedef struct cli_answer {
    const char *rung;      /* of the ladder, or "given" */
    hone_lookup_answer of; /* of a rung; of "given" only schedule, trace and intrinsics */
    char *trace;           /* text; NULL: none was needed */
    double gflops;
} cli_answer;

typedef struct cli_lookup_options {
    const cli_list *logs;           /* files, in order; none: hone.db */
    const hone_intrin_set *intrins; /* from files */
    hone_rung lowest;
    bool explain;
} cli_lookup_options;

/* Asks the logs. One that is not there is as good as an empty one; of several it is spoken of. One
 * that cannot be read is a failure. HONE_E_NOTFOUND: no answer of o->lowest or better. */
hone_status cli_look_up(const cli_lookup_options *o, const cli_kernel *k, const hone_target *target,
                        int32_t threads, cli_answer *ret, hone_error *err) HONE_NODISCARD;
/* The schedule of a trace's file. */
hone_status cli_read_trace(const char *path, const hone_intrin_set *intrins, const cli_kernel *k,
                           cli_answer *ret, hone_error *err) HONE_NODISCARD;
void cli_answer_free(cli_answer *a);

#endif
