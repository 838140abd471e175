/* What the worker holds: the measurement in hand, how far it is, and results that its coordinator
 * has not acknowledged yet. Which of these outlive a session, and a coordinator. */
#include "workers/worker/internal.h"

#define MS INT64_C(1000000)
#define SLACK_MS 1000

/* ---- what is in hand ------------------------------------------------------------------------ */

bool hone_workers__worker_in_hand(const hone_workers__worker *w)
{
    return (w->measuring || w->wanting) && !w->stale && w->measure.fence != 0;
}

bool hone_workers__worker_outlives(const hone_workers__worker *w)
{
    return w->measuring && hone_workers__worker_in_hand(w) && w->measure_lasting;
}

void hone_workers__worker_progress(hone_workers__worker *w)
{
    if (!w->registered || !w->keeps || !hone_workers__worker_in_hand(w) ||
        w->measure_realm != w->realm)
        return;
    hone_wire m = {.type = HONE_WIRE_PROGRESS,
                   .progress = {w->measure.ticket, w->measure.fence, w->phase}};
    hone_workers__worker_say(w, &m);
}

static int64_t left_ms(const hone_workers__worker *w)
{
    const hone_wire_measure *m = &w->measure;
    int64_t most = m->reference_ms + 2 * m->check_ms + m->run_ms + SLACK_MS;
    int64_t since = w->measuring ? (hone_clock_ns() - w->measure_start_ns) / MS : 0;
    return most - since > SLACK_MS ? most - since : SLACK_MS;
}

void hone_workers__worker_holds(const hone_workers__worker *w, hone_wire_hello *ret)
{
    ret->spooled = w->spool.v.n;
    ret->n_held = 0;
    if (hone_workers__worker_in_hand(w))
        ret->held[ret->n_held++] = (hone_wire_lease){.realm = w->measure_realm,
                                                     .fence = w->measure.fence,
                                                     .unit_a = w->measure.unit_a,
                                                     .unit_b = w->measure.unit_b,
                                                     .epoch = w->measure.epoch,
                                                     .phase = w->phase,
                                                     .left_ms = left_ms(w)};
    ret->n_held += hone_workers__spool_held(&w->spool, ret->held + ret->n_held,
                                            HONE_WIRE_LEASES - ret->n_held);
}

/* ---- results -------------------------------------------------------------------------------- */

static void drop(hone_workers__worker *w, hone_workers__kept *k)
{
    hone_workers__folder_drop(&w->folder, k);
    hone_workers__kept_free(k);
}

void hone_workers__worker_prune(hone_workers__worker *w, int64_t now_ns)
{
    hone_workers__kept k;
    uint32_t old = 0;
    while (hone_workers__spool_outlived(&w->spool, w->realm, now_ns, &k)) {
        old += k.lasting;
        drop(w, &k);
    }
    if (old)
        hone_log(HONE_LOG_WARN, "%u results whose service was not seen for a week are forgotten",
                 old);
}

void hone_workers__worker_keep(hone_workers__worker *w, const hone_wire_measured *d, hone_buf *b)
{
    hone_workers__kept gone, k = {.realm = w->measure_realm,
                                  .fence = d->fence,
                                  .unit_a = d->unit_a,
                                  .unit_b = d->unit_b,
                                  .epoch = d->epoch,
                                  .lasting = w->measure_lasting,
                                  .ended_ms = hone_clock_wall_ms(),
                                  .since_ns = hone_clock_ns(),
                                  .message = *b};
    *b = (hone_buf){0};
    if (k.lasting)
        hone_workers__folder_store(&w->folder, &k);
    hone_workers__worker_prune(w, k.since_ns);
    if (hone_workers__spool_put(&w->spool, &k, &gone)) {
        hone_log(HONE_LOG_WARN, "the oldest of %d kept results, of another service, is forgotten",
                 HONE_WORKERS__SPOOL_MAX);
        drop(w, &gone);
    }
    hone_workers__worker_resay(w);
}

void hone_workers__worker_resay(hone_workers__worker *w)
{
    int64_t now = hone_clock_ns();
    if (!w->registered || !w->up || !w->keeps)
        return;
    for (hone_workers__kept *k; (k = hone_workers__spool_due(&w->spool, w->realm, now));) {
        int sys = hone_workers__worker_send(w, &k->message);
        if (sys == 0)
            continue;
        hone_log(HONE_LOG_DEBUG, "a result is not sent yet: %s", zmq_strerror(sys));
        k->said_ns = 0;
        w->up = w->up && sys != EHOSTUNREACH;
        return;
    }
}

void hone_workers__worker_on_ack(hone_workers__worker *w, const hone_wire_ack *a)
{
    hone_workers__kept k;
    if (!hone_workers__spool_take(&w->spool, w->realm, a->fence, &k))
        return; /* acknowledged before */
    drop(w, &k);
    hone_workers__worker_pay_credit(w);
}
