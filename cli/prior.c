/* What a tuning begins with: a model of other kernels, of the log or of those that come with hone.
 */
#include "cli/cli.h"
#include "tuner/tuner.h"

typedef struct watch {
    int64_t start_ns, said_ns;
} watch;

static void on_progress(void *ctx, const hone_prior_progress *p)
{
    watch *w = ctx;
    int64_t now = hone_clock_ns();
    if (now - w->said_ns <= 100 * 1000000 || now - w->start_ns <= 500 * 1000000)
        return;
    w->said_ns = now;
    cli_progress_say("learning from the log: %" PRIu32 " kernels, %" PRIu64 " results%s",
                     p->kernels, p->results, p->training ? ", training" : "");
}

hone_status cli_prior(hone_db *db, const hone_target *t, int32_t threads, bool (*stop)(void *ctx),
                      void *ctx, hone_model **ret, double *ret_trust, hone_error *err)
{
    watch w = {.start_ns = hone_clock_ns()};
    hone_prior_options o = {.history = {.stop = stop, .stop_ctx = ctx},
                            .seed = 1,
                            .threads = 1,
                            .progress = on_progress,
                            .ctx = &w};
    *ret = NULL;
    *ret_trust = 1; /* what these devices have shown */
    cli_progress_start("learning from the log");
    bool ours = false;
    hone_status st = hone_prior_ready(&o, db, t, threads, ret, &ours, err);
    cli_progress_end();
    if (st == HONE_OK && !ours) /* corrects drafts that were others */
        *ret_trust = 0;
    if (st != HONE_E_NOTFOUND)
        return st;
    /* Made elsewhere: it counts as far as the first results show that it is right. */
    *ret_trust = 0;
    st = hone_prior_pretrained(t, true, ret, err);
    return st == HONE_E_NOTFOUND ? HONE_OK : st;
}
