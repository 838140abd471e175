/* The farm as others see it: made, restored from rows, stepped. */
#include "farm/internal.h"

hone_farm *hone_farm_new(const hone_farm_limits *l)
{
    hone_farm *f = hone_xcalloc(1, sizeof *f);
    HONE_ASSERT(l->canary_baseline >= 1 && l->canary_baseline <= HONE_FARM_BASELINE);
    HONE_ASSERT(l->canary_again >= 1 && l->canary_again <= 8);
    f->l = *l;
    f->now_ns = MS; /* 0 means "never" in rows */
    f->next_job = f->next_seq = f->next_place = f->batch = 1;
    f->batch_due = f->accounts_at = f->retry_at = NEVER;
    for (unsigned k = 0; k < LISTS; k++)
        hone_farm__ring_init(&f->active[k]);
    hone_farm__ring_init(&f->free_builders);
    hone_farm__ring_init(&f->results_in_order);
    hone_farm__ring_init(&f->strikes_in_order);
    hone_farm__ring_init(&f->ended_jobs);
    hone_vec_push(&f->classes, (dev_class){0}); /* of builders */
    return f;
}

void hone_farm_free(hone_farm *f)
{
    if (!f)
        return;
    f->batch_due = NEVER;
    for (uint32_t i = 0; i < f->jobs_by_id.cap; i++) {
        job *j = f->jobs_by_id.v[i].p;
        if (!j)
            continue;
        while (!ring_empty(&j->wants)) {
            want *w = OF(j->wants.next, want, in_job);
            unit *u = w->unit;
            hone_farm__unit_release(f, u);
            hone_farm__want_remove(f, w);
            hone_farm__unit_drop(f, u);
        }
    }
    for (uint32_t i = 0; i < f->workers.n; i++) {
        worker *w = f->workers.v[i];
        while (!ring_empty(&w->leases)) {
            lease *l = OF(w->leases.next, lease, in_worker);
            unit *u = l->unit;
            if (u) {
                hone_farm__unit_release(f, u);
                hone_farm__unit_drop(f, u);
            }
            hone_farm__lease_free(f, l);
        }
    }
    for (uint32_t i = 0; i < f->jobs_by_id.cap; i++)
        free(f->jobs_by_id.v[i].p);
    for (uint32_t i = 0; i < f->workers.n; i++) {
        free(f->workers.v[i]->attrs);
        free(f->workers.v[i]);
    }
    for (uint32_t i = 0; i < f->users.n; i++) {
        user *u = f->users.v[i];
        for (uint32_t k = 0; k < u->groups.n; k++)
            free(u->groups.v[k]);
        hone_vec_free(&u->groups);
        hone_vec_free(&u->vtime);
        free(u);
    }
    hone_farm__filters_free(f);
    while (!ring_empty(&f->results_in_order)) {
        settled *s = OF(f->results_in_order.next, settled, in_order);
        hone_farm__ring_remove(&s->in_order);
        free(s);
    }
    while (!ring_empty(&f->strikes_in_order))
        hone_farm__struck_remove(f, OF(f->strikes_in_order.next, struck, in_order));
    hone_map *maps[] = {&f->users_by_name, &f->jobs_by_id, &f->jobs_by_request, &f->units,
                        &f->results,       &f->strikes,    &f->workers_by_name};
    for (unsigned i = 0; i < HONE_LEN(maps); i++)
        hone_map_free(maps[i]);
    hone_vec_free(&f->timers);
    hone_vec_free(&f->users);
    hone_vec_free(&f->workers);
    hone_vec_free(&f->classes);
    hone_vec_free(&f->online);
    hone_vec_free(&f->woken_jobs);
    hone_vec_free(&f->woken_workers);
    hone_vec_free(&f->ready);
    hone_vec_free(&f->held);
    hone_vec_free(&f->rows);
    hone_vec_free(&f->batch_rows);
    hone_vec_free(&f->dirty_users);
    hone_vec_free(&f->dirty_jobs);
    hone_vec_free(&f->dirty_workers);
    hone_vec_free(&f->counted_users);
    hone_vec_free(&f->counted_jobs);
    free(f);
}

void hone_farm_returns(hone_farm *f, int64_t wall_ms)
{
    HONE_ASSERT(!f->begun);
    if (f->wall_ms > 0 && wall_ms > f->wall_ms && wall_ms - f->wall_ms < INT64_MAX / (4 * MS))
        f->away_ns += (wall_ms - f->wall_ms) * MS;
    f->wall_ms = 0;
}

/* ---- a step
 * ----------------------------------------------------------------------------------------- */

/* Time since the last step counts, unless it is so long that the coordinator itself was away. */
static void advance(hone_farm *f, int64_t now_ns)
{
    int64_t passed = f->begun && now_ns > f->last_ns ? now_ns - f->last_ns : 0;
    if (passed > f->l.stall_ms * MS) {
        f->stats.stalled_ns += passed - f->l.stall_ms * MS;
        passed = f->l.stall_ms * MS;
    }
    if (!f->begun || now_ns > f->last_ns)
        f->last_ns = now_ns;
    f->begun = true;
    f->now_ns += passed;
}

static void fire(hone_farm *f)
{
    while (f->timers.n > 0 && f->timers.v[0]->at <= f->now_ns) {
        timer *t = f->timers.v[0];
        hone_farm__timer_set(f, t, NEVER);
        switch (t->kind) {
        case TIMER_JOB:
            hone_farm__job_timer(f, OF(t, job, timer));
            break;
        case TIMER_LEASE:
            hone_farm__lease_timer(f, OF(t, lease, timer));
            break;
        case TIMER_WORKER:
            hone_farm__worker_timer(f, OF(t, worker, timer));
            break;
        }
    }
}

/* What a worker says in its session; NULL: it has none. */
static worker *speaker(hone_farm *f, const hone_farm_event *e)
{
    worker *w = hone_farm__worker(f, e->who);
    const user *u = hone_farm__user(f, e->who);
    if (!u || u->row.revoked) {
        f->stats.refused++;
        hone_farm__effect(f, HONE_FARM_REFUSE, e->who, 0)->refuse.reason =
            u ? HONE_FARM_BECAUSE_KEY_REVOKED : HONE_FARM_BECAUSE_UNKNOWN_KEY;
    } else if (!w || !w->session || w->session != e->session) {
        hone_farm__effect(f, HONE_FARM_WHO, e->who, 0);
    } else {
        hone_farm__worker_heard(f, w);
        return w;
    }
    if (e->kind == HONE_FARM_RESULT) { /* it is said again when it has a session */
        hone_farm_effect *x = hone_farm__effect(f, HONE_FARM_KEEP, e->who, 0);
        x->ack.fence = e->result.fence;
        x->ack.handle = e->result.handle;
    }
    return NULL;
}

static void declined(hone_farm *f, lease *l)
{
    if (l->state != LEASE_LIVE)
        return;
    hone_farm__attempt_failed(f, l, HONE_E_BUSY, true);
    hone_farm__lease_free(f, l);
}

static void from_worker(hone_farm *f, const hone_farm_event *e)
{
    worker *w = speaker(f, e);
    if (!w)
        return;
    if (e->kind == HONE_FARM_RESULT) {
        hone_farm__result(f, w, e);
        return;
    }
    if (e->kind == HONE_FARM_CANARY_RESULT) {
        hone_farm__canary(f, w, e);
        return;
    }
    if (e->kind == HONE_FARM_GOODBYE) {
        hone_farm__worker_expire(f, w, HONE_FARM_BECAUSE_WORKER_LEFT);
        return;
    }
    lease *l = e->kind == HONE_FARM_TRAFFIC ? NULL : hone_farm__lease(w, e->lease.fence);
    if (!l)
        return;
    switch (e->kind) {
    case HONE_FARM_ACCEPT:
        hone_farm__lease_phase(f, l, HONE_FARM_PHASE_FETCHING);
        break;
    case HONE_FARM_DECLINE:
        declined(f, l);
        break;
    case HONE_FARM_PROGRESS:
        hone_farm__lease_phase(f, l, e->lease.phase);
        break;
    case HONE_FARM_REVOKED_OK:
        if (l->state == LEASE_ENDING)
            hone_farm__lease_ghost(f, l);
        break;
    default:
        break;
    }
}

static void from_session(hone_farm *f, const hone_farm_event *e)
{
    job *j;
    switch (e->kind) {
    case HONE_FARM_WANT:
        hone_farm__want(f, &e->want);
        break;
    case HONE_FARM_UNWANT:
        if ((j = hone_farm__job(f, e->want.job)))
            hone_farm__unwant(f, j, e->want.tag);
        break;
    case HONE_FARM_JOB_ENDED:
        if ((j = hone_farm__job(f, e->ended.job)))
            hone_farm__job_ended(f, j, e->ended.status);
        break;
    case HONE_FARM_NEEDS:
        if ((j = hone_farm__job(f, e->needs.job)))
            hone_farm__job_needs(f, j, e->needs.target);
        break;
    default:
        hone_farm__forget(f, &e->forget);
        break;
    }
}

static void take(hone_farm *f, const hone_farm_event *e)
{
    worker *w;
    switch (e->kind) {
    case HONE_FARM_TICK:
        f->builds_outside = e->builds;
        break;
    case HONE_FARM_COMMITTED:
        hone_farm__committed(f, e->commit.batch);
        break;
    case HONE_FARM_COMMIT_FAILED:
        hone_farm__commit_failed(f, e->commit.batch, e->commit.status);
        break;
    case HONE_FARM_HELLO:
        hone_farm__hello(f, e->who, &e->hello);
        break;
    case HONE_FARM_LOST:
        w = hone_farm__worker(f, e->who);
        if (w)
            hone_farm__worker_link(f, w, HONE_FARM_LINK_OFFLINE, HONE_FARM_BECAUSE_SILENT);
        if (w)
            hone_farm__worker_arm(f, w);
        break;
    case HONE_FARM_WANT:
    case HONE_FARM_UNWANT:
    case HONE_FARM_FORGET:
    case HONE_FARM_NEEDS:
    case HONE_FARM_JOB_ENDED:
        from_session(f, e);
        break;
    case HONE_FARM_SAY:
        hone_farm__say(f, e->who, &e->say);
        break;
    default:
        from_worker(f, e);
        break;
    }
}

static void restart_jobs(hone_farm *f)
{
    f->started = true;
    f->sweep_at = f->now_ns + SWEEP_NS;
    f->build_wait_since = f->build_most_since = f->now_ns;
    for (uint32_t i = 0; i < f->jobs_by_id.cap; i++)
        if (f->jobs_by_id.v[i].p)
            hone_farm__job_restart(f, f->jobs_by_id.v[i].p);
    for (uint32_t i = 0; i < f->workers.n; i++)
        hone_farm__worker_arm(f, f->workers.v[i]);
}

void hone_farm_step(hone_farm *f, const hone_farm_event *e, int64_t now_ns)
{
    advance(f, now_ns);
    if (f->ready_at == f->ready.n)
        f->ready_at = f->ready.n = 0;
    if (!f->started)
        restart_jobs(f);
    if (f->halted)
        return;
    take(f, e);
    fire(f);
    if (f->sweep_at <= f->now_ns)
        hone_farm__sweep(f);
    hone_farm__settle_turns(f);
    hone_farm__start_jobs(f);
    hone_farm__close_batch(f);
}

int64_t hone_farm_wait_ns(const hone_farm *f)
{
    int64_t at = f->now_ns + f->l.stall_ms * MS / 2;
    if (f->timers.n > 0 && f->timers.v[0]->at < at)
        at = f->timers.v[0]->at;
    if (!f->in_flight && f->batch_due < at)
        at = f->batch_due;
    if (f->in_flight && f->retry_at < at)
        at = f->retry_at;
    return at > f->now_ns ? at - f->now_ns : 0;
}

void hone_farm_get_stats(const hone_farm *f, hone_farm_stats *ret)
{
    *ret = f->stats;
    ret->clock_ns = f->now_ns;
    ret->away_ns = f->away_ns;
    ret->results_waiting = f->held.n - f->held_at;
    ret->storage_failed = !can_grant(f);
}
