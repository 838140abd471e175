/* hone db merge, export and import: work on whole logs, which may take a while. */
#include "cli/db.h"
#include "tuner/interchange/interchange.h"

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

hone_status cli_db_export(const cli_db_request *q, json_t **ret, hone_error *err)
{
    watch w = watch_start();
    const hone_exchange_options o = {.tvm = q->tvm, .tick = tick, .ctx = &w};
    hone_db *db;
    if (cli_is_same_file(q->files[0], q->out))
        return hone_fail(err, HONE_E_INPUT, "'%s' is the log itself: name another file", q->out);
    HONE_TRY(hone_db_open(q->files[0], HONE_DB_READ, &db, err));
    hone_status st = hone_log_export(db, q->format, q->out, &o, ret, err);
    hone_db_close(db);
    watch_end(&w);
    if (st == HONE_OK && cli_is_stdout(q->out)) { /* the log's text is all there is */
        json_decref(*ret);
        *ret = NULL;
    }
    return st;
}

static hone_status import_files(const cli_db_request *q, const cli_kernel *kernel, json_t **ret,
                                hone_error *err)
{
    watch w = watch_start();
    const hone_exchange_options o = {.kernel = kernel ? &kernel->program : NULL,
                                     .sizes = kernel ? kernel->sizes : NULL,
                                     .tick = tick,
                                     .ctx = &w};
    hone_db *db;
    HONE_TRY(hone_db_open(q->files[0], HONE_DB_WRITE, &db, err));
    hone_status st = hone_log_import(db, q->format, q->files + 1, q->n_files - 1, &o, ret, err);
    hone_db_close(db);
    watch_end(&w);
    return be_strict(q, st, st == HONE_OK ? *ret : NULL, err);
}

hone_status cli_db_import(const cli_db_request *q, json_t **ret, hone_error *err)
{
    cli_kernel kernel = {0};
    if (!q->choice.workload)
        return import_files(q, NULL, ret, err);
    HONE_TRY(cli_kernel_load(q->choice.workload, &q->sizes, &kernel, err));
    hone_status st = import_files(q, &kernel, ret, err);
    cli_kernel_free(&kernel);
    return st;
}
