/* A worker joins, or joins again: after it, its process, its network or the coordinator was gone.
 * What it says it holds is the truth about it; what the farm thought is made to agree. */
#include "farm/internal.h"

#define HELD_MOST_MS 1800000 /* whatever a worker says */

static void refuse(hone_farm *f, const char *who, hone_farm_reason why, int64_t retry_ms)
{
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_REFUSE, who, 0);
    e->refuse.reason = why;
    e->refuse.retry_ms = retry_ms;
    f->stats.refused++;
}

/* What a key may do. NONE: all of `roles`. */
static hone_farm_reason may_join(const hone_farm *f, const char *who, const hone_farm_hello *h)
{
    const user *u = hone_farm__user(f, who);
    if (!u)
        return HONE_FARM_BECAUSE_UNKNOWN_KEY;
    if (u->row.revoked)
        return HONE_FARM_BECAUSE_KEY_REVOKED;
    if (!h->roles || h->roles & ~(unsigned)(HONE_FARM_DEVICE | HONE_FARM_BUILDER) ||
        h->roles & ~u->row.roles)
        return HONE_FARM_BECAUSE_ROLE;
    if (!h->attrs || strlen(h->attrs) >= HONE_FARM_ATTRS || !h->slots || h->slots > 1024)
        return HONE_FARM_BECAUSE_BOUNDS;
    if (!hone_farm__worker(f, who) && f->workers.n >= f->l.workers)
        return HONE_FARM_BECAUSE_CAPACITY;
    return HONE_FARM_BECAUSE_NONE;
}

static const hone_farm_held *holds(const hone_farm_hello *h, uint64_t fence)
{
    for (uint32_t i = 0; i < h->n_held; i++)
        if (h->held[i].fence == fence)
            return &h->held[i];
    return NULL;
}

/* The worker is taken by l again. */
static void occupy(hone_farm *f, lease *l, int64_t left_ms)
{
    worker *w = l->worker;
    if (l->state != LEASE_GHOST)
        return;
    l->state = LEASE_LIVE;
    w->n_ghosts--;
    w->n_live[l->list]++;
    f->stats.leases++;
    l->phase = HONE_FARM_PHASE_OFFERED;
    l->started = false;
    if (left_ms > HELD_MOST_MS)
        left_ms = HELD_MOST_MS;
    l->check_ms = l->check_ms ? l->check_ms : left_ms ? left_ms : f->l.check_ms;
    l->run_ms = l->run_ms ? l->run_ms : left_ms ? left_ms : f->l.run_ms;
}

/* It runs there: the unit is its unit again, unless that is done or further elsewhere. */
static void adopt(hone_farm *f, lease *l, const hone_farm_held *held)
{
    bool was_told_to_end = l->state == LEASE_ENDING;
    hone_farm_phase p = held->phase;
    unit *u = hone_farm__unit(f, &l->key);
    occupy(f, l, held->left_ms);
    if (l->canary && !was_told_to_end) {
        hone_farm__lease_phase(f, l, p);
        return;
    }
    l->state = LEASE_LIVE;
    if (was_told_to_end || l->canary || hone_farm__settled(f, &l->key)) {
        hone_farm__revoke(f, l, HONE_FARM_BECAUSE_NOT_WANTED);
        return;
    }
    if (u && u->lease && u->lease != l) {
        lease *other = u->lease;
        if (other->phase > HONE_FARM_PHASE_FETCHING) {
            hone_farm__revoke(f, l, HONE_FARM_BECAUSE_NOT_WANTED);
            return;
        }
        hone_farm__attempt_charge(f, other);
        hone_farm__revoke(f, other, HONE_FARM_BECAUSE_NOT_WANTED);
    }
    if (!u) /* a session that has started again will want it */
        u = hone_farm__unit_new(f, &l->key, l->list);
    if (u->lease != l)
        hone_farm__unit_take(
            f, u, l, ring_empty(&u->wants) ? NULL : OF(u->wants.next, want, in_unit)->job->user);
    hone_farm__lease_phase(f, l, p);
}

/* Would a result of this ghost settle its unit, which nobody tries? */
static bool would_settle(const hone_farm *f, const lease *l)
{
    const unit *u = hone_farm__unit(f, &l->key);
    return l->state == LEASE_GHOST && l->epoch == l->worker->row.epoch && !(u && u->lease) &&
           !hone_farm__settled(f, &l->key);
}

/* Finished: its result is on the way, and the unit waits a little for it. After a restart, or a
 * long silence, the lease is a ghost by now, and what it is for may be wanted again already. */
static void await_result(hone_farm *f, lease *l)
{
    if (would_settle(f, l)) {
        unit *u = hone_farm__unit(f, &l->key);
        occupy(f, l, 0);
        if (!u)
            u = hone_farm__unit_new(f, &l->key, l->list);
        hone_farm__unit_take(f, u, l, NULL);
    }
    if (l->state == LEASE_LIVE && l->unit)
        hone_farm__lease_phase(f, l, HONE_FARM_PHASE_ENDING);
    else
        hone_farm__lease_ghost(f, l);
}

/* The process that had it is dead, or has never heard of it. */
static void missing(hone_farm *f, lease *l, bool died)
{
    worker *w = l->worker;
    if (l->state == LEASE_GHOST) { /* nor will there be a result of it */
        hone_farm__lease_free(f, l);
        return;
    }
    if (l->state == LEASE_LIVE && l->unit) {
        unit *u = l->unit;
        bool at_work = died && l->phase > HONE_FARM_PHASE_FETCHING;
        hone_farm_key k = u->key;
        struck *s = NULL;
        if (at_work && u->list == MEASURE) {
            s = hone_farm__strike(f, &k, w, f->now_ns);
            hone_farm_strike_row *r = &hone_farm__row(f, HONE_FARM_ROW_STRIKE)->strike;
            r->unit = k;
            snprintf(r->worker, sizeof r->worker, "%s", w->row.name);
            r->at = f->now_ns;
        }
        if (s && s->n >= f->l.strikes) {
            hone_farm_result_row r = {
                .unit = k, .status = HONE_E_PEER, .poison = true, .at = f->now_ns};
            hone_farm__attempt_charge(f, l);
            hone_farm__settle(f, u, &r);
            f->stats.poisoned++;
        } else {
            hone_farm__attempt_failed(f, l, HONE_E_PEER, at_work);
        }
    }
    hone_farm__lease_ghost(f, l);
}

static void reconcile(hone_farm *f, worker *w, const hone_farm_hello *h, bool died)
{
    /* One after the other, as they move when they change. */
    HONE_VEC(uint64_t) fences = {0};
    for (ring *r = w->leases.next; r != &w->leases; r = r->next)
        hone_vec_push(&fences, OF(r, lease, in_worker)->fence);
    for (uint32_t i = 0; i < fences.n; i++) {
        lease *l = hone_farm__lease(w, fences.v[i]);
        const hone_farm_held *held = holds(h, fences.v[i]);
        if (!l)
            continue;
        if (!held)
            missing(f, l, died);
        else if (held->phase == HONE_FARM_PHASE_ENDING)
            await_result(f, l);
        else
            adopt(f, l, held);
    }
    hone_vec_free(&fences);
    for (uint32_t i = 0; i < h->n_held; i++) { /* what the farm knows nothing of */
        const hone_farm_held *held = &h->held[i];
        if (hone_farm__lease(w, held->fence) || held->phase == HONE_FARM_PHASE_ENDING)
            continue;
        lease *l = hone_farm__lease_new(f, w, held->fence,
                                        w->row.roles & HONE_FARM_DEVICE ? MEASURE : BUILD);
        l->check_ms = f->l.check_ms;
        l->run_ms = f->l.run_ms;
        hone_farm__revoke(f, l, HONE_FARM_BECAUSE_NOT_WANTED);
    }
}

static void welcome(hone_farm *f, const worker *w)
{
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_WELCOME, w->row.name, w->welcome_after);
    e->session = w->session;
    e->welcome.count = w->count;
}

/* Two of this name: is the one that speaks to be turned away? */
static hone_farm_reason is_second(hone_farm *f, const worker *w, const hone_farm_hello *h)
{
    if (!w->session || w->link != HONE_FARM_LINK_ONLINE || h->process == w->process)
        return HONE_FARM_BECAUSE_NONE;
    if (h->machine != w->machine) {
        hone_farm__audit_worker(f, NULL, w, "refused", "", "", HONE_FARM_BECAUSE_TWICE);
        hone_farm__notice(f, "%s: a second machine uses its key", w->row.name);
        return HONE_FARM_BECAUSE_TWICE;
    }
    return h->process == w->old_process ? HONE_FARM_BECAUSE_SUPERSEDED : HONE_FARM_BECAUSE_NONE;
}

void hone_farm__hello(hone_farm *f, const char *who, const hone_farm_hello *h)
{
    hone_farm_reason why = may_join(f, who, h);
    worker *w = hone_farm__worker(f, who);
    if (why != HONE_FARM_BECAUSE_NONE) {
        refuse(f, who, why, why == HONE_FARM_BECAUSE_CAPACITY ? f->l.lost_ms : 0);
        return;
    }
    bool is_new = !w;
    if (is_new) {
        hone_farm_worker_row row = {.roles = h->roles, .score = 70, .attrs = h->attrs};
        snprintf(row.name, sizeof row.name, "%s", who);
        row.health = h->roles & HONE_FARM_DEVICE ? HONE_FARM_HEALTH_PROBING : HONE_FARM_HEALTH_GOOD;
        row.why = HONE_FARM_BECAUSE_JOINED;
        w = hone_farm__worker_new(f, &row);
    }
    if (h->process == w->process && w->session && h->count <= w->count) {
        if (h->count == w->count) { /* its welcome was lost */
            hone_farm__worker_heard(f, w);
            welcome(f, w);
        }
        return;
    }
    if (h->process == w->process && h->count <= w->count)
        return; /* from before it was gone */
    why = is_second(f, w, h);
    if (why != HONE_FARM_BECAUSE_NONE) {
        refuse(f, who, why, f->l.torpid_ms);
        return;
    }
    bool died = w->process && h->process != w->process && h->machine == w->machine;
    if (died) {
        w->old_process = w->process;
        if (w->session)
            hone_farm__score(f, w, -5, HONE_FARM_BECAUSE_WORKER_DIED);
    }
    hone_farm__worker_link(f, w, HONE_FARM_LINK_OFFLINE, HONE_FARM_BECAUSE_JOINED);
    w->machine = h->machine;
    w->process = h->process;
    w->count = h->count;
    w->slots = h->slots;
    w->row.roles = h->roles;
    hone_farm__worker_is(f, w, h->attrs, h->target ? h->target : "");
    if (w->row.epoch == 0 || w->row.fingerprint != h->fingerprint) {
        w->row.fingerprint = h->fingerprint;
        w->row.epoch++;
        hone_farm__new_baseline(f, w, true,
                                is_new ? HONE_FARM_BECAUSE_JOINED : HONE_FARM_BECAUSE_NEW_EPOCH);
    }
    hone_farm__dirty_worker(f, w);
    uint64_t after;
    w->session = hone_farm__fence(f, w, &after);
    w->heard_at = f->now_ns;
    w->turn = NULL;
    w->welcome_after = f->batch; /* its row is durable before it works */
    reconcile(f, w, h, died);
    hone_farm__worker_link(f, w, HONE_FARM_LINK_ONLINE, HONE_FARM_BECAUSE_JOINED);
    welcome(f, w);
    hone_farm__worker_arm(f, w);
    hone_farm__wake_worker(f, w);
}
