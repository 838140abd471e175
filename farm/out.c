/* What leaves the farm: effects, and rows in batches. Whatever must not be seen before its cause is
 * durable waits for the batch that has it; one batch is under way at a time, and meanwhile the next
 * fills. */
#include "farm/internal.h"

static void due(hone_farm *f)
{
    int64_t at = f->now_ns + f->l.batch_ms * MS;
    if (at < f->batch_due)
        f->batch_due = at;
}

/* There are counts that are not stored. */
static void account(hone_farm *f)
{
    if (f->accounts_at == NEVER)
        f->accounts_at = f->now_ns + f->l.accounts_ms * MS;
    if (f->accounts_at < f->batch_due)
        f->batch_due = f->accounts_at;
}

hone_farm_row *hone_farm__row(hone_farm *f, hone_farm_row_kind kind)
{
    due(f);
    f->batch_results += kind == HONE_FARM_ROW_RESULT;
    hone_vec_reserve(&f->rows, 1);
    hone_farm_row *r = &f->rows.v[f->rows.n++];
    memset(r, 0, sizeof *r);
    r->kind = kind;
    return r;
}

void hone_farm__dirty_user(hone_farm *f, user *u)
{
    due(f);
    if (!u->dirty)
        hone_vec_push(&f->dirty_users, u);
    u->dirty = true;
}

void hone_farm__dirty_job(hone_farm *f, job *j)
{
    due(f);
    if (!j->dirty)
        hone_vec_push(&f->dirty_jobs, j);
    j->dirty = true;
}

void hone_farm__dirty_worker(hone_farm *f, worker *w)
{
    due(f);
    if (!w->dirty)
        hone_vec_push(&f->dirty_workers, w);
    w->dirty = true;
}

void hone_farm__count_user(hone_farm *f, user *u)
{
    account(f);
    if (!u->counted)
        hone_vec_push(&f->counted_users, u);
    u->counted = true;
}

void hone_farm__count_job(hone_farm *f, job *j)
{
    account(f);
    if (!j->counted)
        hone_vec_push(&f->counted_jobs, j);
    j->counted = true;
}

hone_farm_effect *hone_farm__effect(hone_farm *f, hone_farm_effect_kind kind, const char *who,
                                    uint64_t after)
{
    bool wait = after > f->committed;
    if (wait)
        hone_vec_push(&f->held, (outgoing){.after = after});
    else
        hone_vec_push(&f->ready, (outgoing){0});
    outgoing *o = wait ? &f->held.v[f->held.n - 1] : &f->ready.v[f->ready.n - 1];
    o->e.kind = kind;
    snprintf(o->who, sizeof o->who, "%s", who ? who : "");
    if (wait && after == f->batch) /* so that it comes */
        due(f);
    return &o->e;
}

void hone_farm__give(hone_farm *f, const job *j, uint64_t tag, const hone_farm_result_row *r,
                     hone_farm_reason reason, uint64_t after)
{
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_GIVE, NULL, after);
    e->give.job = j->row.id;
    e->give.tag = tag;
    e->give.unit = r->unit;
    e->give.status = r->status;
    e->give.reason = reason;
    e->give.fence = r->fence;
    e->give.place = r->place;
    e->give.handle = r->handle;
    e->give.suspect = r->suspect;
    snprintf(OF(e, outgoing, e)->worker, HONE_FARM_NAME, "%s", r->worker);
}

void hone_farm__notice(hone_farm *f, const char *fmt, ...)
{
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_NOTICE, NULL, 0);
    outgoing *o = OF(e, outgoing, e);
    va_list args;
    va_start(args, fmt);
    vsnprintf(o->notice, sizeof o->notice, fmt, args);
    va_end(args);
}

/* ---- batches
 * ------------------------------------------------------------------------------------- */

static void take_counts(hone_farm *f)
{
    if (f->accounts_at > f->now_ns && f->dirty_users.n + f->dirty_jobs.n == 0)
        return;
    for (uint32_t i = 0; i < f->counted_users.n; i++) {
        f->counted_users.v[i]->counted = false;
        hone_farm__dirty_user(f, f->counted_users.v[i]);
    }
    for (uint32_t i = 0; i < f->counted_jobs.n; i++) {
        f->counted_jobs.v[i]->counted = false;
        hone_farm__dirty_job(f, f->counted_jobs.v[i]);
    }
    f->counted_users.n = f->counted_jobs.n = 0;
    f->accounts_at = NEVER;
}

static void commit(hone_farm *f)
{
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_COMMIT, NULL, 0);
    e->commit.batch = f->batch - 1;
    e->commit.rows = f->batch_rows.v;
    e->commit.n = f->batch_rows.n;
}

void hone_farm__close_batch(hone_farm *f)
{
    if (f->halted)
        return;
    if (f->in_flight) {
        if (f->retry_at <= f->now_ns) {
            f->retry_at = INT64_MAX - 1; /* still failed; the answer says when again */
            commit(f);
        }
        return;
    }
    if (f->batch_due == NEVER ||
        (f->now_ns < f->batch_due && f->batch_results < (uint32_t)f->l.batch_rows))
        return;
    take_counts(f);
    for (uint32_t i = 0; i < f->dirty_users.n; i++) {
        hone_farm__row(f, HONE_FARM_ROW_USER)->user = f->dirty_users.v[i]->row;
        f->dirty_users.v[i]->dirty = false;
    }
    for (uint32_t i = 0; i < f->dirty_jobs.n; i++) {
        job *j = f->dirty_jobs.v[i];
        hone_farm__row(f, HONE_FARM_ROW_JOB)->job = j->row;
        j->dirty = false;
    }
    for (uint32_t i = 0; i < f->dirty_workers.n; i++) {
        hone_farm_worker_row row = hone_farm__worker_row(f, f->dirty_workers.v[i]);
        hone_farm__row(f, HONE_FARM_ROW_WORKER)->worker = row;
        f->dirty_workers.v[i]->dirty = false;
    }
    hone_farm_row *clock = hone_farm__row(f, HONE_FARM_ROW_CLOCK);
    clock->clock = f->now_ns;
    clock->away_ns = f->away_ns;
    f->dirty_users.n = f->dirty_jobs.n = f->dirty_workers.n = 0;
    __typeof__(f->rows) full = f->rows;
    memcpy(&f->rows, &f->batch_rows, sizeof f->rows);
    memcpy(&f->batch_rows, &full, sizeof full);
    f->rows.n = 0;
    f->batch_due = f->accounts_at;
    f->batch_results = 0;
    f->batch++;
    f->in_flight = true;
    f->stats.batches++;
    f->stats.rows += f->batch_rows.n;
    commit(f);
}

/* An offer that nobody awaits any more is not made, and a job that has ended gets nothing. */
static bool is_over(const hone_farm *f, const outgoing *o)
{
    if (o->e.kind == HONE_FARM_OFFER) {
        worker *w = hone_farm__worker(f, o->who);
        lease *l = w && w->session == o->e.session ? hone_farm__lease(w, o->e.lease.fence) : NULL;
        return !l || l->state != LEASE_LIVE || !(l->canary || hone_farm__takes(w->row.health));
    }
    if (o->e.kind == HONE_FARM_WELCOME) {
        worker *w = hone_farm__worker(f, o->who);
        return !w || w->session != o->e.session;
    }
    if (o->e.kind == HONE_FARM_START_JOB) {
        job *j = hone_farm__job(f, o->e.job.job);
        return !j || j->session != SESSION_UP;
    }
    return false;
}

void hone_farm__committed(hone_farm *f, uint64_t batch)
{
    if (!f->in_flight || batch != f->batch - 1)
        return;
    f->in_flight = false;
    f->committed = batch;
    if (f->retry_at != NEVER)
        hone_farm__notice(f, "storage works again");
    f->retry_at = NEVER;
    for (; f->held_at < f->held.n && f->held.v[f->held_at].after <= batch; f->held_at++)
        if (!is_over(f, &f->held.v[f->held_at]))
            hone_vec_push(&f->ready, f->held.v[f->held_at]);
    if (f->held_at == f->held.n) {
        f->held_at = f->held.n = 0;
    } else if (f->held_at > 1024 && f->held_at > f->held.n / 2) {
        memmove(f->held.v, f->held.v + f->held_at, (f->held.n - f->held_at) * sizeof *f->held.v);
        f->held.n -= f->held_at;
        f->held_at = 0;
    }
}

/* Who waits for an answer is told now that there is no room: it may take days. What was said is
 * done, and holds when it is written. */
static void answer_held(hone_farm *f)
{
    uint32_t kept = f->held_at;
    for (uint32_t i = f->held_at; i < f->held.n; i++) {
        outgoing *o = &f->held.v[i];
        if (o->e.kind != HONE_FARM_REPLY || o->e.reply.status != HONE_OK) {
            f->held.v[kept++] = *o;
            continue;
        }
        o->e.reply.status = HONE_E_FULL;
        o->e.reply.reason = HONE_FARM_BECAUSE_STORAGE;
        snprintf(o->notice, sizeof o->notice,
                 "the coordinator's disk is full or failing: this is taken, but not written yet, "
                 "and holds once it is");
        hone_vec_push(&f->ready, *o);
    }
    f->held.n = kept;
}

void hone_farm__commit_failed(hone_farm *f, uint64_t batch, hone_status s)
{
    if (!f->in_flight || batch != f->batch - 1)
        return;
    if (f->retry_at == NEVER)
        hone_farm__notice(f, "storage failed (%s): nothing is granted or acknowledged",
                          hone_status_name(s));
    f->retry_at = f->now_ns + f->l.retry_ms * MS;
    answer_held(f);
    if (s == HONE_E_FULL)
        return;
    f->halted = true;
    hone_farm__effect(f, HONE_FARM_HALT, NULL, 0);
}

bool hone_farm_next_effect(hone_farm *f, hone_farm_effect *ret)
{
    if (f->ready_at == f->ready.n)
        return false;
    outgoing *o = &f->ready.v[f->ready_at++];
    *ret = o->e;
    ret->who = o->who;
    if (ret->kind == HONE_FARM_GIVE)
        ret->give.worker = o->worker;
    if (ret->kind == HONE_FARM_NOTICE)
        ret->notice = o->notice;
    if (ret->kind == HONE_FARM_REPLY)
        ret->reply.text = o->notice;
    return true;
}
