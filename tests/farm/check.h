/* What must hold, looked at where it happens. Each takes what it judges as arguments, so that a
 * test can show it a history that is wrong (tests/farm/test_checker.c). */
#ifndef HONE_TESTS_FARM_CHECK_H
#define HONE_TESTS_FARM_CHECK_H

#include "tests/farm/sim.h"

static inline truth *check_truth(const sim *s, int by, uint64_t fence)
{
    uint64_t h = hone_hash_mix((uint64_t)by + 1, fence);
    uint32_t at = 0;
    truth *x;
    while ((x = hone_map_next(&s->by_fence, h, &at)))
        if (x->worker == by && x->fence == fence)
            return x;
    return NULL;
}

/* A measurement was really made. */
static inline void check_made(sim *s, int by, uint64_t fence, const hone_farm_key *k,
                              hone_status status)
{
    truth *x = hone_xmalloc(sizeof *x);
    *x = (truth){*k, fence, by, status};
    hone_vec_push(&s->truths, x);
    hone_map_add(&s->by_fence, hone_hash_mix((uint64_t)by + 1, fence), x);
}

static inline int check_worker_of(const sim *s, const char *name)
{
    for (int i = 0; i < WORKERS; i++)
        if (strcmp(s->w[i].name, name) == 0)
            return i;
    return -1;
}

/* A device that lies may say that it has done what it was really given: that is its word, and its
 * own name is on it. */
static inline bool check_claimed(const sim *s, const hone_farm_result_row *r)
{
    for (uint32_t i = 0; i < s->claims.n; i++)
        if (s->claims.v[i].fence == r->fence && key_same(&s->claims.v[i].unit, &r->unit) &&
            strcmp(s->w[s->claims.v[i].worker].name, r->worker) == 0)
            return true;
    return false;
}

/* A result that becomes durable was made, there and of that unit, and says of a candidate what is
 * so. */
static inline const char *check_result(const sim *s, const hone_farm_result_row *r)
{
    if (r->poison || check_claimed(s, r))
        return NULL;
    const truth *x = check_truth(s, check_worker_of(s, r->worker), r->fence);
    if (!x)
        return "a result that nobody has made";
    if (!key_same(&x->unit, &r->unit))
        return "a result credited to another unit";
    if (x->status != r->status)
        return "a result with another outcome";
    if (hone_status_is_reject(r->status) && sim_nature(&r->unit) == GOOD)
        return "a good candidate is rejected";
    return NULL;
}

/* Two timings on a device at a time. */
static inline const char *check_window(sim_worker *w, uint64_t fence, int64_t now, int64_t until)
{
    bool overlaps = w->timing_until > now && w->timing_fence != fence;
    w->timing_until = until;
    w->timing_fence = fence;
    return overlaps ? "two timings overlap on a device" : NULL;
}

static inline const char *check_offer(const sim *s, sim_worker *w, const hone_farm_effect *e)
{
    const worker *x = hone_farm__worker(s->farm, w->name);
    const user *u = hone_farm__user(s->farm, w->name);
    bool canary = !e->lease.unit.v[0] && !e->lease.unit.v[1];
    const lease *l = x ? hone_farm__lease(x, e->lease.fence) : NULL;
    if (e->lease.fence < w->best_fence && (!l || l->resend_at == NEVER))
        return "a fence that does not grow";
    if (e->lease.fence > w->best_fence)
        w->best_fence = e->lease.fence;
    if (!x || !u || u->row.revoked)
        return "an offer to a key that was revoked";
    if (x->row.health == HONE_FARM_HEALTH_RETIRED || (!canary && !hone_farm__takes(x->row.health)))
        return "an offer to a device that is not healthy";
    if (!canary && e->lease.role == HONE_FARM_DEVICE && store_result(&s->store, &e->lease.unit))
        return "a unit that is settled is offered";
    if (!canary && e->lease.role == HONE_FARM_DEVICE &&
        !store_has_lease(&s->store, w->name, e->lease.fence))
        return "an offer of what a restart would not know of";
    return NULL;
}

/* What was acknowledged is there, once, as it was, unless its device was found to compute wrong. */
static inline const char *check_acked(const sim *s, const truth *a)
{
    const hone_farm_result_row *r = store_result(&s->store, &a->unit);
    if (store_is_doubted(&s->store, s->w[a->worker].name, a->fence))
        return NULL;
    if (!r)
        return "an acknowledged result is lost";
    if (r->fence != a->fence || strcmp(r->worker, s->w[a->worker].name) != 0)
        return "an acknowledged result is another's";
    return NULL;
}

static inline bool check_has_job(const store *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->jobs.n; i++)
        if (s->jobs.v[i].id == id)
            return true;
    return false;
}

/* Everything that is not at its end has a timer, nothing grows without bound, quotas hold. */
static inline const char *check_farm(const hone_farm *f)
{
    for (uint32_t i = 0; i < f->jobs_by_id.cap; i++) {
        const job *j = f->jobs_by_id.v[i].p;
        if (!j || !hone_farm_job_is_live(j->row.state))
            continue;
        if (!j->timer.pos)
            return "a live job without a deadline";
        hone_farm_reason r = hone_farm_job_wait(f, j->row.id);
        if (r == HONE_FARM_BECAUSE_NONE || r == HONE_FARM_BECAUSE_ENDED)
            return "a live job that does not say what it waits for";
        if (j->n_wants > f->l.job_units)
            return "a job wants more than it may";
    }
    for (uint32_t i = 0; i < f->users.n; i++)
        if (f->users.v[i]->in_flight > f->l.user_units || f->users.v[i]->live > f->l.user_jobs ||
            f->users.v[i]->sessions > f->l.user_sessions)
            return "a user has more than the quota";
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *w = f->workers.v[i];
        uint32_t timed = 0, taken = 0;
        for (ring *r = w->leases.next; r != &w->leases; r = r->next) {
            const lease *l = OF(r, lease, in_worker);
            if (l->state != LEASE_GHOST && !l->timer.pos)
                return "a lease without a deadline";
            timed += l->state != LEASE_GHOST && l->list == MEASURE;
            taken += l->state == LEASE_GHOST;
        }
        if (timed > 1 && w->link == HONE_FARM_LINK_ONLINE && w->n_live[MEASURE] != timed)
            return "leases of a device are not counted right";
        if (taken > GHOSTS + 1)
            return "a device is remembered by too many leases";
        if ((w->session || w->row.health_until) && !w->timer.pos)
            return "a worker without a deadline";
    }
    if (f->held.n - f->held_at > 20000)
        return "too much is held back";
    return NULL;
}

#endif
