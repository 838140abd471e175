/* Leases: an attempt's life from the offer to its end, and what a worker is taken by after it. A
 * lease that is ended by the farm frees its unit at once, but its device only when the worker says
 * that nothing of it runs, or when nothing of it can run any more. Then, and when a worker is gone,
 * it is a ghost: a result of it is still welcome. */
#include "farm/internal.h"

lease *hone_farm__lease(const worker *w, uint64_t fence)
{
    for (ring *r = w->leases.next; r != &w->leases; r = r->next)
        if (OF(r, lease, in_worker)->fence == fence)
            return OF(r, lease, in_worker);
    return NULL;
}

lease *hone_farm__lease_new(hone_farm *f, worker *w, uint64_t fence, unsigned list)
{
    lease *l = hone_xcalloc(1, sizeof *l);
    l->worker = w;
    l->fence = fence;
    l->list = list;
    l->epoch = w->row.epoch;
    l->class = list == BUILD ? 0 : w->class;
    l->resend_at = l->ends_at = NEVER;
    l->timer.kind = TIMER_LEASE;
    hone_farm__ring_add(&w->leases, &l->in_worker);
    w->n_live[list]++;
    f->stats.leases++;
    if (list == BUILD && !f->build_most)
        f->build_most = 1; /* sweeps see only what lasts */
    return l;
}

static bool is_zero(const hone_farm_key *k)
{
    return !k->v[0] && !k->v[1];
}

/* Free of the device, which may have something else now. */
static void let_go(hone_farm *f, lease *l)
{
    if (l->state == LEASE_GHOST)
        return;
    l->worker->n_live[l->list]--;
    f->stats.leases--;
    hone_farm__timer_set(f, &l->timer, NEVER);
    if (l->list == MEASURE && l->started)
        l->worker->busy_ns += f->now_ns - l->since;
    hone_farm__wake_worker(f, l->worker);
}

void hone_farm__lease_free(hone_farm *f, lease *l)
{
    worker *w = l->worker;
    HONE_ASSERT(!l->unit || l->unit->lease != l);
    if (l->state == LEASE_GHOST)
        w->n_ghosts--;
    let_go(f, l);
    if (l->stored) {
        hone_farm_lease_row *r = &hone_farm__row(f, HONE_FARM_ROW_LEASE_END)->lease;
        snprintf(r->worker, sizeof r->worker, "%s", w->row.name);
        r->fence = l->fence;
        r->slot = l->slot;
        w->ended_batch = f->batch;
        w->ended_row = f->rows.n - 1;
    }
    hone_farm__ring_remove(&l->in_worker);
    free(l);
}

void hone_farm__lease_ghost(hone_farm *f, lease *l)
{
    worker *w = l->worker;
    if (l->state == LEASE_GHOST)
        return;
    if (l->list == BUILD || l->canary || is_zero(&l->key)) {
        hone_farm__lease_free(f, l);
        return;
    }
    let_go(f, l);
    l->state = LEASE_GHOST;
    hone_farm__ring_remove(&l->in_worker);
    hone_farm__ring_add_first(&w->leases, &l->in_worker); /* the latest first */
    w->n_ghosts++;
    for (ring *r = w->leases.prev; f->begun && w->n_ghosts > GHOSTS && r != &w->leases;) {
        lease *old = OF(r, lease, in_worker);
        r = r->prev;
        if (old->state == LEASE_GHOST && old != l)
            hone_farm__lease_free(f, old);
    }
}

uint64_t hone_farm__fence(hone_farm *f, worker *w, uint64_t *ret_after)
{
    if (w->fence_batch <= f->committed)
        w->safe_end = w->row.fence_end;
    if (w->fence + FENCES / 4 >= w->row.fence_end && w->fence_batch <= f->committed) {
        w->row.fence_end = (w->fence > w->row.fence_end ? w->fence : w->row.fence_end) + FENCES;
        w->fence_batch = f->batch;
        hone_farm__dirty_worker(f, w);
    }
    if (w->fence >= w->row.fence_end) { /* more than a batch can have; another lot */
        w->row.fence_end = w->fence + FENCES;
        w->fence_batch = f->batch;
        hone_farm__dirty_worker(f, w);
    }
    *ret_after = w->fence < w->safe_end ? w->welcome_after : w->fence_batch;
    return w->fence++;
}

/* ---- offers
 * -----------------------------------------------------------------------------------------------
 */

static void send(hone_farm *f, lease *l, hone_farm_effect_kind what)
{
    const want *w =
        l->unit && !ring_empty(&l->unit->wants) ? OF(l->unit->wants.next, want, in_unit) : NULL;
    uint64_t after = what == HONE_FARM_OFFER ? l->after : 0;
    if (what == HONE_FARM_OFFER && !l->canary && (!w || !hone_farm__takes(l->worker->row.health)))
        return; /* it is left to expire */
    hone_farm_effect *e = hone_farm__effect(f, what, l->worker->row.name, after);
    e->session = l->worker->session;
    e->lease.fence = l->fence;
    e->lease.unit = l->key;
    e->lease.epoch = l->epoch;
    e->lease.role = l->list == BUILD ? HONE_FARM_BUILDER : HONE_FARM_DEVICE;
    e->lease.job = w ? w->job->row.id : 0;
    e->lease.tag = w ? w->tag : 0;
    e->lease.check_ms = l->check_ms;
    e->lease.run_ms = l->run_ms;
    e->lease.reason = l->reason;
}

static void arm(hone_farm *f, lease *l)
{
    hone_farm__timer_set(f, &l->timer, l->resend_at < l->ends_at ? l->resend_at : l->ends_at);
}

static bool has_slot(const worker *w, uint32_t slot)
{
    for (ring *r = w->leases.next; r != &w->leases; r = r->next)
        if (OF(r, lease, in_worker)->stored && OF(r, lease, in_worker)->slot == slot)
            return true;
    return false;
}

/* Mostly the worker's last lease has ended in this very batch: then its row is not dropped but
 * becomes this one's. */
static void store(hone_farm *f, lease *l)
{
    worker *w = l->worker;
    hone_farm_row *r = w->ended_batch == f->batch ? &f->rows.v[w->ended_row] : NULL;
    w->ended_batch = 0;
    l->slot = r ? r->lease.slot : 0;
    if (l->slot > 0) {
        r->kind = HONE_FARM_ROW_LEASE;
    } else {
        while (has_slot(w, ++l->slot))
            ;
        r = hone_farm__row(f, HONE_FARM_ROW_LEASE);
        snprintf(r->lease.worker, sizeof r->lease.worker, "%s", w->row.name);
        r->lease.slot = l->slot;
    }
    r->lease.fence = l->fence;
    r->lease.unit = l->key;
    r->lease.epoch = l->epoch;
    l->stored = true;
}

void hone_farm__offer(hone_farm *f, worker *w, unit *u, job *j, user *charged)
{
    uint64_t after;
    uint64_t fence = hone_farm__fence(f, w, &after);
    lease *l = hone_farm__lease_new(f, w, fence, u ? u->list : MEASURE);
    l->after = after;
    l->canary = !u;
    l->check_ms = u && u->spec.check_ms ? u->spec.check_ms : f->l.check_ms;
    l->run_ms = u && u->spec.run_ms ? u->spec.run_ms : f->l.run_ms;
    if (!u)
        l->check_ms = l->run_ms = f->l.canary_ms;
    l->resend_at = f->now_ns + f->l.resend_ms * MS;
    l->ends_at = f->now_ns + f->l.accept_ms * MS;
    if (u) {
        l->key = u->key;
        l->bytes = u->spec.bytes;
        hone_farm__unit_take(f, u, l, charged);
        l->charged_ns = j->estimate_ns;
        hone_farm__charge(f, charged, l->class, l->charged_ns);
    }
    if (u && u->list == MEASURE) { /* durable before it is offered, so that no restart forgets it */
        l->after = f->batch;
        store(f, l);
    }
    send(f, l, HONE_FARM_OFFER);
    arm(f, l);
}

static int64_t phase_ms(const hone_farm *f, const lease *l)
{
    switch (l->phase) {
    case HONE_FARM_PHASE_OFFERED:
        return f->l.accept_ms;
    case HONE_FARM_PHASE_FETCHING:
        return f->l.fetch_ms + l->bytes / f->l.fetch_bytes_per_ms + f->l.slack_ms;
    case HONE_FARM_PHASE_CHECKING: /* the worker's own limit comes first, and gives a reason */
        return l->check_ms + f->l.slack_ms;
    case HONE_FARM_PHASE_TIMING:
        return l->run_ms + f->l.slack_ms;
    default:
        return f->l.lease_ms;
    }
}

void hone_farm__lease_phase(hone_farm *f, lease *l, hone_farm_phase p)
{
    if (l->state != LEASE_LIVE || p <= l->phase || p >= HONE_FARM_PHASE_COUNT)
        return;
    if (!l->started)
        l->since = f->now_ns;
    l->started = true;
    l->phase = p;
    l->resend_at = NEVER;
    l->ends_at = f->now_ns + phase_ms(f, l) * MS;
    arm(f, l);
}

/* ---- ends
 * ---------------------------------------------------------------------------------------------------
 */

void hone_farm__revoke(hone_farm *f, lease *l, hone_farm_reason why)
{
    if (l->unit && l->unit->lease == l)
        hone_farm__unit_release(f, l->unit);
    if (l->state != LEASE_LIVE)
        return;
    f->stats.revoked++;
    l->reason = why;
    if (!l->worker->session) {
        hone_farm__lease_ghost(f, l);
        return;
    }
    l->state = LEASE_ENDING;
    l->resend_at = f->now_ns + f->l.resend_ms * MS;
    l->ends_at = f->now_ns + (f->l.lease_ms + l->check_ms + l->run_ms + f->l.slack_ms) * MS;
    send(f, l, HONE_FARM_REVOKE);
    arm(f, l);
}

/* Device time of an attempt: for all that want the unit, in equal parts. */
void hone_farm__attempt_charge(hone_farm *f, lease *l)
{
    unit *u = l->unit;
    int64_t spent = l->started ? f->now_ns - l->since : 0;
    uint32_t n = 0;
    if (!u)
        return;
    if (u->charged)
        hone_farm__charge(f, u->charged, l->class, -l->charged_ns);
    l->charged_ns = 0;
    for (ring *r = u->wants.next; r != &u->wants; r = r->next)
        n++;
    for (ring *r = u->wants.next; r != &u->wants && spent; r = r->next) {
        job *j = OF(r, want, in_unit)->job;
        int64_t part = spent / n;
        hone_farm__charge(f, j->user, l->class, (double)part);
        if (l->list != MEASURE)
            continue;
        j->estimate_ns += ((double)spent - j->estimate_ns) / 8;
        j->row.spent_ns += part;
        hone_farm__count_job(f, j);
        hone_farm__spend(f, j->user, part);
    }
}

void hone_farm__attempt_failed(hone_farm *f, lease *l, hone_status s, bool blame)
{
    unit *u = l->unit;
    if (!u)
        return;
    hone_farm__attempt_charge(f, l);
    hone_farm__unit_reopen(f, u, s, blame ? l->worker : NULL);
}

void hone_farm__offer_again(hone_farm *f, lease *l)
{
    l->resend_at = f->now_ns + f->l.resend_ms * MS;
    send(f, l, l->state == LEASE_LIVE ? HONE_FARM_OFFER : HONE_FARM_REVOKE);
}

void hone_farm__lease_timer(hone_farm *f, lease *l)
{
    if (l->after > f->committed) { /* it was not offered yet */
        l->resend_at = f->now_ns + f->l.resend_ms * MS;
        l->ends_at = f->now_ns + f->l.accept_ms * MS;
    } else if (l->ends_at <= f->now_ns && l->state == LEASE_ENDING) {
        hone_farm__lease_ghost(f, l);
        return;
    } else if (l->ends_at <= f->now_ns) {
        bool offered = l->phase == HONE_FARM_PHASE_OFFERED;
        hone_farm_reason why =
            offered ? HONE_FARM_BECAUSE_NOT_ACCEPTED : HONE_FARM_BECAUSE_DEADLINE;
        f->stats.expired++;
        if (l->canary && !offered)
            hone_farm__score(f, l->worker, -15, why);
        hone_farm__attempt_failed(f, l, HONE_E_TIMEOUT, !offered);
        hone_farm__revoke(f, l, why);
        return;
    } else if (l->resend_at <= f->now_ns) {
        hone_farm__offer_again(f, l);
    }
    arm(f, l);
}
