/* hone db merge: work on whole logs, which may take a while. */
#include "cli/db.h"

/* ---- progress, and an end on request --------------------------------------------------------- */

/* How far a long job is, from its second second on. */
typedef struct watch {
    int64_t start_ns;
    bool shown;
} watch;

static bool tick(void *ctx, const char *doing, uint64_t done, uint64_t all)
{
    watch *w = ctx;
    if (hone_clock_ns() - w->start_ns < 1000000000)
        return !cli_stopped(NULL);
    if (!w->shown)
        cli_progress_start("working");
    w->shown = true;
    if (all)
        cli_progress_say("%s: %" PRIu64 " of %" PRIu64, doing, done, all);
    else
        cli_progress_say("%s: %" PRIu64, doing, done);
    return !cli_stopped(NULL);
}

static watch watch_start(void)
{
    cli_catch_signals();
    return (watch){.start_ns = hone_clock_ns()};
}

static void watch_end(const watch *w)
{
    if (w->shown)
        cli_progress_end();
}

/* ---- jobs ------------------------------------------------------------------------------------ */

/* Is something left out of what came in? */
static bool lacks(const json_t *told)
{
    size_t k;
    const json_t *x;
    bool any = json_object_size(json_object_get(told, "left_out")) > 0;
    json_array_foreach(json_object_get(told, "inputs"), k, x) any |=
        json_object_size(json_object_get(x, "left_out")) > 0;
    return any;
}

static hone_status be_strict(const cli_db_request *q, hone_status st, const json_t *told,
                             hone_error *err)
{
    if (st != HONE_OK || !q->strict || !lacks(told))
        return st;
    return hone_fail(err, HONE_E_INPUT,
                     "not all could be taken (left_out says why); the rest is in '%s'",
                     q->files[0]);
}

hone_status cli_db_merge(const cli_db_request *q, json_t **ret, hone_error *err)
{
    watch w = watch_start();
    hone_status st = hone_db_merge(q->files[0], q->files + 1, q->n_files - 1, tick, &w, ret, err);
    watch_end(&w);
    return be_strict(q, st, *ret, err);
}
