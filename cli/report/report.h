/* hone report: a log as one page. What it says is a JSON value, made from the log alone; the page
 * is that value, a script that draws it, and the chart library, in one file.
 *
 * Threads: all functions may be called by any; a database handle belongs to one at a time. */
#ifndef HONE_CLI_REPORT_H
#define HONE_CLI_REPORT_H

#include "db/db.h"

/* What the page says of a log open for reading; the caller decrefs. Times in ns, on the clock that
 * orders the results of a kernel (hone_db_record_clock); names and reasons as the log has them,
 * those that are no UTF-8 cleaned.
 *
 *   {"file", "made_ms", "hone",
 *    "versions": ["hone 0.1.0, space 2, LLVM 19.1.7"],
 *    "targets": [{"cpu", "triple", "cores", "vector_bytes", "l1", "l2", "l3"}],
 *    "devices": [{"name", "env"}],
 *    "library_results",          results of library calls, of which nothing else is told
 *    "kernels": [{"name", "sizes", "target", "threads", "trials", "ok", "build_s", "run_s",
 *      "ops", "bytes",           of one call; bytes of the arguments, each once; 0: unknown
 *      "best_ns", "trace_hash",  of the winner, as hone_db_best has it; 0 and "": none
 *      "written_ns",             of the program as written; 0: not on record
 *      "strategies": [..],
 *      "steps": [[trial, seconds of building and timing so far, ns]],   each a new best; the last
 *                                                                       one: where it ended
 *      "points": {"unit", "trial", "measured", "draft"},   arrays as long: trials since the point
 *                                before; times in units of so many ns; draft 0: cannot be replayed
 *      "pairs",                  share of pairs of those that the draft orders rightly; null
 *      "rejected": [{"status", "means", "n", "kinds", "reasons": [{"text", "n"}]}],
 *      "schedule", "cut",        program text without indentation; lines left out at its end
 *      "no_schedule"}]}          why there is none, or ""
 *
 * Points, steps and schedules are thinned, so that a page of any log stays small. The same log and
 * now_ms give the same value. HONE_E_NOTFOUND: the log holds no record; and what reading returns.
 */
hone_status cli_report_data(hone_db *db, int64_t now_ms, json_t **ret,
                            hone_error *err) HONE_NODISCARD;

/* The page, HTML in ASCII whatever the data hold; the caller frees it. *ret_n: its bytes. */
char *cli_report_page(const json_t *data, size_t *ret_n);

/* The page of `hone net profile`, of what its --json says, likewise. */
char *cli_profile_page(const json_t *data, size_t *ret_n);

#endif
