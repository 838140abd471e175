/* The schedule a kernel gets: the logs' answer, or one that is given. */
#ifndef HONE_CLI_LOOKUP_H
#define HONE_CLI_LOOKUP_H

#include <limits.h>

#include "cli/cli.h"
#include "cli/libraries.h"
#include "tuner/lookup/lookup.h"

typedef struct cli_answer {
    const char *rung;      /* of the ladder, or "given" */
    hone_lookup_answer of; /* of a rung; of "given" only schedule, trace and intrinsics */
    char *trace;           /* text; NULL: none was needed */
    double gflops;
    hone_libcall *call; /* owned: a library's function is the answer, of rung exact; the schedule is
                           then only for its arguments, and `of` has no trace. NULL: none is */
    char *library;      /* what was found of those that were named; NULL: none was named */
} cli_answer;

typedef struct cli_lookup_options {
    const cli_list *logs;           /* files, in order; none: hone.db */
    const hone_intrin_set *intrins; /* from files */
    hone_rung lowest;
    bool explain;
    const cli_libraries *libraries; /* whose calls may be the answer; NULL: none's */
    bool code; /* is to be made of it: what code generation refuses is no answer */
} cli_lookup_options;

/* The file of a log as it was given to --db: "shipped" is the one that comes with hone; a file of
 * that name is "./shipped". HONE_E_NOTFOUND: there is none. HONE_E_INPUT, HONE_E_IO. */
hone_status cli_log_path(const char *given, char ret[PATH_MAX], hone_error *err) HONE_NODISCARD;
/* By making the code. */
hone_lookup_accept cli_accept_code;

/* Asks the logs. One that is not there is as good as an empty one; of several it is spoken of. One
 * that cannot be read is a failure. HONE_E_NOTFOUND: no answer of o->lowest or better. */
hone_status cli_look_up(const cli_lookup_options *o, const cli_kernel *k, const hone_target *target,
                        int32_t threads, cli_answer *ret, hone_error *err) HONE_NODISCARD;
/* hone_lookup_tuned_sizes and hone_lookup_costs, of the logs. */
hone_status cli_tuned_sizes(const cli_lookup_options *o, const cli_kernel *k,
                            const hone_target *target, int32_t threads, const char *name,
                            hone_sizes_tuned *ret, hone_error *err) HONE_NODISCARD;
hone_status cli_costs(const cli_lookup_options *o, const cli_kernel *k, const hone_target *target,
                      int32_t threads, const hone_trace *const *traces, unsigned n,
                      double *ret_cost, hone_error *err) HONE_NODISCARD;
/* The schedule of a trace's file. */
hone_status cli_read_trace(const char *path, const hone_intrin_set *intrins, const cli_kernel *k,
                           cli_answer *ret, hone_error *err) HONE_NODISCARD;
void cli_answer_free(cli_answer *a);

#endif
