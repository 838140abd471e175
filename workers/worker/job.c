/* Jobs of a worker: the build queue in front of the build server, and the one measurement in the
 * nursery. Neither ever blocks the loop, so heartbeats go on. */
#include "workers/worker/internal.h"

#include "targets/target.h"

#include <signal.h>

#define MS INT64_C(1000000)
/* The loop comes by ten times a second while something is built. When it was away for so long, the
 * machine was asleep, or this worker was stopped. */
#define STALL_NS (2000 * MS)
#define MOST_MS 600000 /* for a build, for a check, for a timing: whatever the job says */

static void grant(hone_workers__worker *w, uint32_t role, uint32_t credit)
{
    if (credit == 0 || !w->registered)
        return;
    hone_wire m = {.type = HONE_WIRE_READY, .ready = {role, credit}};
    hone_workers__worker_say(w, &m);
}

/* One more measurement, if there will be room for its result. */
static void grant_run(hone_workers__worker *w)
{
    w->owes_credit = !hone_workers__spool_has_room(&w->spool, w->realm);
    if (!w->owes_credit)
        grant(w, HONE_ROLE_RUN, HONE_WORKERS__RUN_CREDIT);
}

void hone_workers__worker_pay_credit(hone_workers__worker *w)
{
    if (w->owes_credit)
        grant_run(w);
}

void hone_workers__worker_ready(hone_workers__worker *w)
{
    w->owes_credit = false;
    if (w->forge)
        grant(w, HONE_ROLE_BUILD, HONE_WORKERS__BUILD_CREDIT);
    if (w->nursery && !w->measuring)
        grant_run(w);
}

/* The nursery still owes an answer, for which there is no taker; then it is free. */
void hone_workers__worker_give_up(hone_workers__worker *w)
{
    w->wanting = false;
    if (!w->measuring || w->stale)
        return;
    w->stale = true;
    w->gave_up_ns = hone_clock_ns();
    hone_nursery_cancel(w->nursery);
}

void hone_workers__worker_abandon(hone_workers__worker *w)
{
    for (uint32_t i = 0; i < w->builds.n; i++)
        hone_buf_free(&w->builds.v[i].message);
    w->builds.n = 0;
    if (w->building)
        hone_workers__forge_end(w->forge, NULL);
    w->building = false;
    if (!hone_workers__worker_outlives(w))
        hone_workers__worker_give_up(w);
}

void hone_workers__worker_jobs_free(hone_workers__worker *w)
{
    hone_workers__worker_abandon(w);
    hone_vec_free(&w->builds);
    hone_workers__artifacts_free(&w->cache);
}

/* ---- building ------------------------------------------------------------------------------- */

void hone_workers__worker_on_build(hone_workers__worker *w, const hone_wire *m, const void *bytes,
                                   size_t n)
{
    if (!w->forge || w->builds.n >= HONE_WORKERS__BUILD_CREDIT) {
        hone_workers__worker_nack(w, m, HONE_NACK_CREDIT, "more builds than this worker asked for");
        return;
    }
    int64_t ms = m->build.deadline_ms;
    hone_workers__queued_build b = {.ticket = m->build.ticket,
                                    .deadline_ms = ms > 0 && ms < MOST_MS ? ms : MOST_MS};
    hone_buf_add(&b.message, bytes, n);
    hone_vec_push(&w->builds, b);
}

static void drop_build(hone_workers__worker *w, uint32_t i)
{
    hone_buf_free(&w->builds.v[i].message);
    w->builds.n--;
    memmove(&w->builds.v[i], &w->builds.v[i + 1], (w->builds.n - i) * sizeof w->builds.v[0]);
    if (i == 0)
        w->building = false;
    grant(w, HONE_ROLE_BUILD, 1);
}

/* Ends the build in hand with an outcome made here. */
static void build_failed(hone_workers__worker *w, hone_status s, const char *text)
{
    hone_wire *m = hone_xcalloc(1, sizeof *m);
    m->type = HONE_WIRE_BUILT;
    m->built.ticket = w->builds.v[0].ticket;
    m->built.spent_ns = hone_clock_ns() - w->build_start_ns;
    hone_fail(&m->built.error, s, "%s", text);
    hone_workers__worker_say(w, m);
    free(m);
    drop_build(w, 0);
}

static void start_build(hone_workers__worker *w)
{
    hone_error err = {0};
    const hone_buf *b = &w->builds.v[0].message;
    w->building = true;
    w->build_start_ns = w->build_seen_ns = hone_clock_ns();
    hone_status s = hone_workers__forge_send(w->forge, b->s, b->n, &err);
    if (s == HONE_OK)
        return;
    build_failed(w, s, err.message);
    if (s == HONE_E_PEER)
        hone_workers__worker_stop(w, s, "%s", err.message);
}

/* The status in the server's answer; HONE_E_PROTOCOL: it is none to the build in hand. */
static hone_status read_built(const hone_workers__worker *w, const hone_buf *answer)
{
    hone_wire *m = hone_xmalloc(sizeof *m);
    hone_status s = HONE_E_PROTOCOL;
    if (hone_wire_decode(answer->s, answer->n, m, NULL) == HONE_OK && m->type == HONE_WIRE_BUILT &&
        m->built.ticket == w->builds.v[0].ticket)
        s = m->built.error.status;
    free(m);
    return s;
}

static bool take_build(hone_workers__worker *w)
{
    hone_buf out = {0};
    int k = hone_workers__forge_receive(w->forge, &out);
    hone_status s = k == 1 ? read_built(w, &out) : HONE_E_PROTOCOL;
    if (k != 0 && s == HONE_E_PROTOCOL) {
        hone_workers__build_end end;
        hone_error err;
        hone_workers__forge_end(w->forge, &end);
        s = hone_workers__explain_build(&end, &w->limits, &err);
        build_failed(w, s, err.message);
    } else if (k != 0) {
        hone_workers__worker_forward(w, &out);
        drop_build(w, 0);
        /* What that process needs may be gone, or was not to be had when it began. */
        if (s != HONE_OK && !hone_status_is_reject(s))
            hone_workers__forge_end(w->forge, NULL);
    }
    hone_buf_free(&out);
    return k != 0;
}

/* Neither this worker nor its server could do anything then. */
static void leave_out_stalls(hone_workers__worker *w)
{
    int64_t now = hone_clock_ns();
    if (now - w->build_seen_ns > STALL_NS)
        w->build_start_ns += now - w->build_seen_ns;
    w->build_seen_ns = now;
}

/* Ends the build in hand when it takes too long or too much memory. */
static void limit_build(hone_workers__worker *w)
{
    int64_t most_bytes = w->o->build_rss_limit, most_ms = w->builds.v[0].deadline_ms;
    char text[128];
    if ((w->build_seen_ns - w->build_start_ns) / MS > most_ms) {
        hone_workers__build_end end;
        hone_workers__forge_end(w->forge, &end);
        snprintf(text, sizeof text, "the build took longer than %" PRId64 " ms", most_ms);
        if (end.stopped)
            build_failed(w, HONE_E_TIMEOUT, "the build process was stopped from outside");
        else
            build_failed(w, HONE_REJECT_BUILD_TIMEOUT, text);
    } else if (most_bytes > 0 && hone_workers__forge_rss(w->forge) > most_bytes) {
        hone_workers__forge_end(w->forge, NULL);
        snprintf(text, sizeof text, "the build used more than %" PRId64 " MiB", most_bytes >> 20);
        build_failed(w, HONE_REJECT_BUILD, text);
    }
}

void hone_workers__worker_tend_build(hone_workers__worker *w)
{
    leave_out_stalls(w);
    if (w->building && take_build(w)) {
        /* Early enough that a build is not blamed for what was leaked before it. */
        int64_t most = w->o->build_rss_limit;
        if (most > 0 && hone_workers__forge_rss(w->forge) > most / 2)
            hone_workers__forge_end(w->forge, NULL);
    } else if (w->building) {
        limit_build(w);
    }
    if (!w->building && w->builds.n > 0 && !w->stopping)
        start_build(w);
}

/* ---- measuring ------------------------------------------------------------------------------ */

static void send_measured(hone_workers__worker *w, const hone_measure_result *r,
                          const hone_error *e)
{
    hone_wire *m = hone_xcalloc(1, sizeof *m);
    hone_wire_measured *d = &m->measured;
    m->type = HONE_WIRE_MEASURED;
    d->ticket = w->measure.ticket;
    d->spent_ns = hone_clock_ns() - w->measure_start_ns;
    d->error = *e;
    d->fence = w->measure.fence;
    d->epoch = w->measure.epoch;
    d->unit_a = w->measure.unit_a;
    d->unit_b = w->measure.unit_b;
    if (r)
        hone_wire_of_result(r, d);
    hone_buf b = {0};
    hone_error err;
    if (d->fence == 0 || e->status == HONE_E_PEER) /* then this worker ends, and HELLO will tell */
        hone_workers__worker_say(w, m);
    else if (hone_wire_encode(m, &b, &err) == HONE_OK)
        hone_workers__worker_keep(w, d, &b);
    else
        hone_log(HONE_LOG_ERROR, "%s", err.message);
    hone_buf_free(&b);
    free(m);
}

static void enter(hone_workers__worker *w, uint32_t phase)
{
    w->phase = phase;
    hone_workers__worker_progress(w);
}

static void start_measure(hone_workers__worker *w)
{
    const uint64_t key[3] = {w->measure.candidate, w->measure.reference, w->measure.incumbent};
    const hone_artifact *a[3] = {NULL};
    bool missing = false;
    for (unsigned i = 0; i < 3; i++) {
        if (key[i] == 0 || (a[i] = hone_workers__artifacts_find(&w->cache, key[i])))
            continue;
        missing = true;
        if (!(w->asked & 1u << i)) {
            hone_wire m = {.type = HONE_WIRE_NEED, .need = {w->measure.ticket, key[i]}};
            hone_workers__worker_say(w, &m);
            w->asked |= 1u << i;
        }
    }
    if (missing) {
        enter(w, HONE_WIRE_FETCHING);
        return;
    }
    w->wanting = false;
    if (hone_fault("worker.die"))
        raise(SIGKILL);
    hone_measure_job job = hone_wire_measure_job(&w->measure, a);
    hone_error err = {0};
    w->measure_start_ns = hone_clock_ns();
    hone_status s = hone_nursery_send(w->nursery, &job, &err);
    if (s == HONE_OK) {
        w->measuring = true;
        w->stale = false;
        enter(w, HONE_WIRE_CHECKING);
        return;
    }
    send_measured(w, NULL, &err);
    if (s == HONE_E_PEER)
        hone_workers__worker_stop(w, HONE_E_SANDBOX, "the measuring process is gone: %s",
                                  err.message);
    else
        grant_run(w);
}

/* HONE_E_INPUT: nobody could run this, or not here. */
static hone_status check_measure(const hone_workers__worker *w, const hone_wire_measure *j,
                                 hone_error *err)
{
    if (j->candidate == 0 || j->reference == 0 || j->threads < 1 || j->min_samples < 1 ||
        j->max_samples < j->min_samples || j->max_samples > HONE_MAX_SAMPLES || j->check_ms < 1 ||
        j->run_ms < 1)
        return hone_fail(err, HONE_E_INPUT, "the measurement is not well described");
    hone_target here, needed;
    char what[64];
    if (!j->target || !w->self.target || hone_target_parse(w->self.target, &here, NULL) != HONE_OK)
        return HONE_OK;
    HONE_TRY(hone_target_parse(j->target, &needed, err));
    if (hone_target_lacks(&here, &needed, what))
        return hone_fail(err, HONE_E_INPUT, "built for another machine: this one lacks %s", what);
    return HONE_OK;
}

static int64_t at_most(int64_t x, int64_t most)
{
    return x < most ? x : most;
}

void hone_workers__worker_on_measure(hone_workers__worker *w, const hone_wire *m)
{
    const hone_wire_measure *j = &m->measure;
    hone_error err;
    if (!w->nursery || w->measuring || w->wanting) {
        hone_workers__worker_nack(w, m, HONE_NACK_CREDIT,
                                  "more measurements than this worker asked for");
        return;
    }
    hone_status s = check_measure(w, j, &err);
    w->measure = *j;
    w->measure.target = NULL; /* lies in the message */
    w->measure.reference_ms = at_most(j->reference_ms, MOST_MS);
    w->measure.check_ms = at_most(j->check_ms, MOST_MS);
    w->measure.run_ms = at_most(j->run_ms, MOST_MS);
    w->measure.fence = w->keeps ? j->fence : 0;
    w->measure_realm = w->realm;
    w->measure_lasting = w->lasting;
    w->phase = HONE_WIRE_FETCHING;
    if (s != HONE_OK) {
        w->measure_start_ns = hone_clock_ns();
        send_measured(w, NULL, &err);
        grant_run(w);
        return;
    }
    w->wanting = true;
    w->asked = 0;
    start_measure(w);
}

/* Is the measurement in hand the one that is taken back? */
static bool is_mine(const hone_workers__worker *w, const hone_wire_cancel *m)
{
    return m->fence ? hone_workers__worker_in_hand(w) && w->measure.fence == m->fence &&
                          w->measure_realm == w->realm
                    : w->measure.ticket == m->ticket;
}

void hone_workers__worker_on_cancel(hone_workers__worker *w, const hone_wire_cancel *m)
{
    for (uint32_t i = 0; i < w->builds.n && !m->fence; i++) {
        if (w->builds.v[i].ticket != m->ticket)
            continue;
        if (i == 0 && w->building)
            hone_workers__forge_end(w->forge, NULL);
        drop_build(w, i);
        return;
    }
    if (!is_mine(w, m))
        return;
    if (w->wanting)
        grant_run(w);
    hone_workers__worker_give_up(w);
}

void hone_workers__worker_on_artifact(hone_workers__worker *w, const hone_wire *m)
{
    const hone_wire_artifact *a = &m->artifact;
    if (hone_wire_artifact_key(&a->manifest, a->bytes.p, a->bytes.n) != a->key) {
        hone_workers__worker_nack(w, m, HONE_NACK_MALFORMED, "the artifact does not fit its key");
        return;
    }
    hone_workers__artifacts_add(&w->cache, a->key, &a->manifest, &a->bytes);
    if (w->wanting)
        start_measure(w);
}

void hone_workers__worker_on_nursery(hone_workers__worker *w)
{
    if (w->measuring && hone_nursery_timing(w->nursery)) {
        enter(w, HONE_WIRE_TIMING);
        return;
    }
    hone_measure_result *r = hone_xcalloc(1, sizeof *r);
    hone_error err = {0};
    hone_status s = hone_nursery_receive(w->nursery, r, &err);
    if (w->measuring) {
        err.status = s;
        w->measuring = false;
        if (!w->stale)
            send_measured(w, r, &err);
        if (s != HONE_E_PEER)
            grant_run(w);
    }
    if (s == HONE_E_PEER)
        hone_workers__worker_stop(w, HONE_E_SANDBOX, "the measuring process is gone: %s",
                                  err.message);
    w->stale = false;
    free(r);
}
