/* What the farm says, done. */
#include "farm/service/internal.h"

/* A payload stays as it is until its ACK or KEEP, which come after the batch that has its row. */
static void commit(service *s, const hone_farm_effect *x)
{
    storage_batch *b = hone_service__batch_new(x->commit.batch, x->commit.rows, x->commit.n);
    b->letter.kind = SAID_STORED;
    for (uint32_t k = 0; k < b->n; k++) {
        const hone_farm_row *r = &b->rows[k];
        if (r->kind == HONE_FARM_ROW_RESULT) {
            const payload *p = hone_service__payload(s, r->result.handle);
            b->with[k] = p && !p->built ? p : NULL;
        } else if (r->kind == HONE_FARM_ROW_JOB) {
            const char *spec = hone_service__spec(s, &r->job);
            b->with[k] = spec ? hone_xstrdup(spec) : NULL;
        } else if (r->kind == HONE_FARM_ROW_CLOCK) {
            b->rows[k].wall_ms = hone_clock_wall_ms();
        }
    }
    s->committing = true;
    hone_service__storage_commit(s->storage, b);
}

void hone_service__stored(service *s, storage_batch *b)
{
    s->committing = false;
    s->numbers.commits++;
    s->numbers.commit_rows += b->n;
    s->numbers.commit_seconds += b->seconds;
    if (b->status == HONE_E_IO || b->status == HONE_E_CORRUPT) {
        s->numbers.fsync_errors++; /* perhaps written: only a new look can tell */
        hone_service__halt(s, b->status, &b->error);
        hone_service__batch_free(b);
        return;
    }
    bool good = b->status == HONE_OK;
    event *e = hone_service__post(s, good ? HONE_FARM_COMMITTED : HONE_FARM_COMMIT_FAILED, NULL);
    e->e.commit.batch = b->batch;
    e->e.commit.status = b->status;
    if (good)
        hone_service__committed(s, b->rows, b->n);
    else if (hone_service__is_due(&s->complained_ns, hone_clock_ns()))
        hone_log(HONE_LOG_WARN, "%s", b->error.message);
    hone_service__batch_free(b);
}

static void refused(service *s, const hone_farm_effect *x)
{
    worker *w = hone_service__worker(s, x->who);
    hone_log(HONE_LOG_WARN, "worker %s is turned away: %s", x->who,
             hone_farm_reason_text(x->refuse.reason));
    if (!w)
        return;
    if (x->refuse.retry_ms == 0) { /* for good */
        hone_pool_turn_away(s->pool, w->peer, hone_farm_reason_text(x->refuse.reason));
        return;
    }
    w->session = 0;
    w->greeted = false;
    w->hello_ns = hone_clock_ns() + x->refuse.retry_ms * HONE_SERVICE__MS;
}

static void welcomed(service *s, const hone_farm_effect *x)
{
    worker *w = hone_service__worker(s, x->who);
    if (!w || x->welcome.count != w->hellos)
        return;
    w->session = x->session;
    hone_service__held_said(s, w);
}

void hone_service__do(service *s, const hone_farm_effect *x)
{
    worker *w;
    hone_error err = {0};
    switch (x->kind) {
    case HONE_FARM_COMMIT:
        commit(s, x);
        break;
    case HONE_FARM_HALT:
        hone_fail(&err, HONE_E_IO, "the log cannot be relied on: check the disk, then start again");
        hone_service__halt(s, HONE_E_IO, &err);
        break;
    case HONE_FARM_WELCOME:
        welcomed(s, x);
        break;
    case HONE_FARM_REFUSE:
        refused(s, x);
        break;
    case HONE_FARM_WHO:
        w = hone_service__worker(s, x->who);
        if (w)
            w->greeted = false; /* said again within a second */
        break;
    case HONE_FARM_OFFER:
        hone_service__offer(s, x);
        break;
    case HONE_FARM_REVOKE:
        hone_service__revoke(s, x);
        break;
    case HONE_FARM_ACK:
        hone_service__acked(s, x);
        hone_service__payload_done(s, x->ack.handle);
        break;
    case HONE_FARM_KEEP:
        hone_service__payload_done(s, x->ack.handle);
        break;
    case HONE_FARM_START_JOB:
        hone_service__job_start(s, x->job.job);
        break;
    case HONE_FARM_STOP_JOB:
        hone_service__job_stop(s, x->job.job);
        break;
    case HONE_FARM_END_JOB:
        hone_service__job_end(s, x->job.job);
        break;
    case HONE_FARM_GIVE:
        hone_service__give(s, x);
        break;
    case HONE_FARM_REPLY:
        hone_service__replied(s, x);
        break;
    case HONE_FARM_NOTICE:
        hone_log(HONE_LOG_WARN, "%s", x->notice);
        break;
    case HONE_FARM_BUILDERS:
        hone_service__launch(s, x->builders);
        break;
    }
}
