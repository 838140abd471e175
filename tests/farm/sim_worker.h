/* Workers of the simulation: they keep to the rules of farm/farm.h, but for those that are made to
 * lie. A device begins what it is offered although something else runs, so that a farm that offers
 * too early is caught. */
#ifndef HONE_TESTS_FARM_SIM_WORKER_H
#define HONE_TESTS_FARM_SIM_WORKER_H

#include "tests/farm/sim_coord.h"

static inline void sim_say(sim *s, int i, hone_farm_event_kind kind, uint64_t fence,
                           hone_farm_phase phase)
{
    msg m = {.worker = i, .to_coord = true, .e = kind, .fence = fence, .phase = phase};
    m.session = s->w[i].session;
    sim_post(s, &m);
}

static inline void sim_hello(sim *s, int i)
{
    sim_worker *w = &s->w[i];
    msg m = {.worker = i, .to_coord = true, .e = HONE_FARM_HELLO};
    m.machine = w->machine;
    m.process = w->process;
    m.count = w->count;
    m.fingerprint = w->fingerprint;
    for (uint32_t k = 0; k < w->n_hand; k++)
        m.held[m.n_held++] =
            (hone_farm_held){w->hand[k].fence, w->hand[k].unit, w->hand[k].phase, 0};
    for (uint32_t k = 0; k < w->spool.n && m.n_held < HELD * 2; k++)
        if (!w->spool.v[k].canary)
            m.held[m.n_held++] = (hone_farm_held){w->spool.v[k].fence, w->spool.v[k].unit,
                                                  HONE_FARM_PHASE_ENDING, 0};
    sim_post(s, &m);
}

static inline void sim_hello_new(sim *s, int i)
{
    sim_worker *w = &s->w[i];
    w->session = 0;
    w->count++;
    w->hello_at = s->now;
    sim_hello(s, i);
}

static inline void sim_send_spooled(sim *s, int i, const spooled *r)
{
    msg m = {
        .worker = i, .to_coord = true, .e = r->canary ? HONE_FARM_CANARY_RESULT : HONE_FARM_RESULT};
    m.session = s->w[i].session;
    m.fence = r->fence;
    m.unit = r->unit;
    m.status = r->status;
    m.epoch = r->epoch;
    m.spent_ns = r->spent_ns;
    memcpy(m.ns, r->ns, sizeof m.ns);
    m.golden = r->golden;
    m.throttled = r->throttled;
    sim_post(s, &m);
}

static inline void sim_worker_wake(sim *s, int i)
{
    sim_worker *w = &s->w[i];
    if (!w->alive)
        return;
    sim_at(s, s->now + SEC + SEC / 2 + sim_below(s, SEC), WORKER_WAKE, (uint64_t)i, w->process,
           NULL);
    if (s->now < w->paused_until)
        return;
    if (w->session && s->now - w->heard_at > 20 * SEC) { /* the coordinator is gone */
        if (s->now - w->hello_at > SEC)
            sim_hello_new(s, i);
        return;
    }
    if (!w->session) {
        sim_hello(s, i);
        return;
    }
    sim_say(s, i, HONE_FARM_TRAFFIC, 0, 0);
    for (uint32_t k = 0; k < w->n_hand; k++)
        sim_say(s, i, HONE_FARM_PROGRESS, w->hand[k].fence, w->hand[k].phase);
    for (uint32_t k = 0; k < w->spool.n; k++)
        sim_send_spooled(s, i, &w->spool.v[k]);
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static inline void sim_worker_boot(sim *s, int i)
{
    sim_worker *w = &s->w[i];
    if (w->alive)
        return;
    w->alive = true;
    w->process = hone_rng_u64(&s->rng) | 1;
    w->count = 1;
    w->session = 0;
    w->seen = 0;
    w->heard_at = s->now;
    sim_hello(s, i);
    sim_at(s, s->now + SEC, WORKER_WAKE, (uint64_t)i, w->process, NULL);
}

static inline void sim_matrix_kill(sim *s, const sim_worker *w, bool power)
{
    static const int rows[] = {[HONE_FARM_PHASE_FETCHING] = ROW_KILL_FETCH,
                               [HONE_FARM_PHASE_CHECKING] = ROW_KILL_CHECK,
                               [HONE_FARM_PHASE_TIMING] = ROW_KILL_TIME};
    for (uint32_t k = 0; k < w->n_hand; k++) {
        s->t->rows[rows[w->hand[k].phase]]++;
        s->t->rows[ROW_POWER] += power;
    }
    for (uint32_t k = 0; k < w->spool.n; k++)
        s->t->rows[ROW_KILL_UNACKED] += !w->spool.v[k].canary;
}

static inline void sim_worker_die(sim *s, int i, bool power, int64_t down)
{
    sim_worker *w = &s->w[i];
    if (!w->alive)
        return;
    sim_matrix_kill(s, w, power);
    w->alive = false;
    w->session = 0;
    w->n_hand = 0; /* what it measured dies with it; what is spooled stays */
    w->timing_until = 0;
    for (uint32_t k = 0; k < w->spool.n; k++)
        if (w->spool.v[k].canary)
            w->spool.v[k--] = w->spool.v[--w->spool.n];
    sim_at(s, s->now + down, WORKER_BOOT, (uint64_t)i, 0, NULL);
}

/* ---- attempts
 * ---------------------------------------------------------------------------------------- */

static inline attempt *sim_in_hand(sim_worker *w, uint64_t fence)
{
    for (uint32_t k = 0; k < w->n_hand; k++)
        if (w->hand[k].fence == fence)
            return &w->hand[k];
    return NULL;
}

static inline void sim_put_down(sim_worker *w, uint64_t fence)
{
    attempt *a = sim_in_hand(w, fence);
    if (!a)
        return;
    if (w->timing_fence == fence)
        w->timing_until = 0;
    *a = w->hand[--w->n_hand];
}

static inline void sim_finish(sim *s, int i, const attempt *a, hone_status status)
{
    sim_worker *w = &s->w[i];
    spooled r = {.fence = a->fence,
                 .unit = a->unit,
                 .status = status,
                 .epoch = a->epoch,
                 .spent_ns = s->now - a->since,
                 .canary = a->canary};
    if (a->canary) {
        bool hot = s->now < w->hot_until;
        for (int k = 0; k < HONE_FARM_CANARIES; k++)
            r.ns[k] = 1e6 * (1 + k) * w->slower * (hot ? 1.2 : 1) *
                      (1 + 0.01 * (hone_rng_double(&s->rng) - 0.5));
        r.golden = !w->lies;
        s->t->rows[ROW_LIAR] += w->lies;
    } else if (!a->build && (status == HONE_OK || hone_status_is_reject(status))) {
        check_made(s, i, a->fence, &a->unit, status);
    }
    hone_vec_push(&w->spool, r);
    uint64_t fence = a->fence;
    if (w->forges && !a->canary) { /* it says somebody else's unit, or fence, is done as well */
        spooled f = r;
        f.forged = true;
        f.unit = sim_key((int)sim_below(s, KERNELS), (uint32_t)sim_below(s, 20), false);
        f.fence = sim_chance(s, 0.5) ? a->fence + 1 : s->w[sim_below(s, WORKERS)].best_fence;
        f.status = HONE_OK;
        if (!key_same(&f.unit, &a->unit)) {
            s->t->faults[FAULT_FORGED]++;
            w->forged = true;
            hone_vec_push(&s->claims, (truth){f.unit, f.fence, i, f.status});
            sim_send_spooled(s, i, &f);
        }
    }
    sim_send_spooled(s, i, &r);
    sim_put_down(w, fence);
}

static inline hone_status sim_outcome(sim *s, const attempt *a)
{
    bool fails = !s->healing && sim_chance(s, 0.01 * s->trouble);
    if (fails) {
        bool bytes = sim_chance(s, 0.5);
        s->t->faults[FAULT_ATTEMPT]++;
        s->t->rows[bytes ? ROW_BAD_BYTES : ROW_NURSERY]++;
        return bytes ? HONE_E_CORRUPT : HONE_E_SANDBOX;
    }
    if (a->build)
        return HONE_OK;
    switch (sim_nature(&a->unit)) {
    case REJECTED:
        return HONE_REJECT_WRONG_RESULT;
    case FAILS:
        return HONE_E_NOMEM;
    default:
        return HONE_OK;
    }
}

static inline void sim_next_phase(sim *s, int i, uint64_t fence, int64_t after)
{
    sim_at(s, s->now + after, WORKER_STEP, (uint64_t)i, fence, NULL);
}

static inline void sim_worker_step(sim *s, int i, uint64_t fence)
{
    sim_worker *w = &s->w[i];
    attempt *a = w->alive ? sim_in_hand(w, fence) : NULL;
    if (!a)
        return;
    if (s->now < w->paused_until) {
        sim_next_phase(s, i, fence, w->paused_until - s->now);
        return;
    }
    if (a->phase == HONE_FARM_PHASE_FETCHING) {
        a->phase = HONE_FARM_PHASE_CHECKING;
        sim_next_phase(s, i, fence, 20 * MS + sim_below(s, a->canary ? 50 * MS : SEC));
    } else if (a->phase == HONE_FARM_PHASE_CHECKING) {
        if (!a->canary && !a->build && sim_nature(&a->unit) == TAKES_DOWN) {
            s->t->faults[FAULT_POISON]++;
            sim_worker_die(s, i, false, 2 * SEC + sim_below(s, 10 * SEC));
            return;
        }
        a->phase = HONE_FARM_PHASE_TIMING;
        int64_t lasts = 50 * MS + sim_below(s, a->canary ? 50 * MS : 4 * SEC);
        if (!a->build) {
            const char *rule = check_window(w, fence, s->now, s->now + lasts);
            if (rule && !w->forged) /* who says it is done though it is not */
                sim_wrong(s, rule);
        }
        sim_next_phase(s, i, fence, lasts);
    } else {
        attempt copy = *a;
        sim_finish(s, i, &copy, sim_outcome(s, &copy));
        return;
    }
    sim_say(s, i, HONE_FARM_PROGRESS, fence, a->phase);
}

/* ---- what the coordinator says
 * ----------------------------------------------------------------------------- */

static inline void sim_offered(sim *s, int i, const msg *m)
{
    sim_worker *w = &s->w[i];
    attempt *a = sim_in_hand(w, m->fence);
    if (m->session != w->session)
        return;
    if (a) { /* said again: the answer was lost */
        sim_say(s, i, HONE_FARM_ACCEPT, m->fence, 0);
        return;
    }
    if (m->fence <= w->seen || s->now - w->heard_at > 20 * SEC)
        return;
    w->seen = m->fence;
    if (w->n_hand == HELD) {
        sim_say(s, i, HONE_FARM_DECLINE, m->fence, 0);
        return;
    }
    bool canary = !m->unit.v[0] && !m->unit.v[1];
    w->hand[w->n_hand++] = (attempt){.fence = m->fence,
                                     .unit = m->unit,
                                     .phase = HONE_FARM_PHASE_FETCHING,
                                     .canary = canary,
                                     .build = m->say.for_ms == HONE_FARM_BUILDER,
                                     .epoch = m->epoch,
                                     .since = s->now};
    sim_say(s, i, HONE_FARM_ACCEPT, m->fence, 0);
    sim_next_phase(s, i, m->fence, canary ? MS : 5 * MS + sim_below(s, SEC));
}

static inline void sim_to_this_worker(sim *s, const msg *m)
{
    int i = m->worker;
    sim_worker *w = &s->w[i];
    if (!w->alive)
        return;
    if (s->now < w->paused_until) { /* it waits in a buffer */
        msg *copy = hone_xmalloc(sizeof *copy);
        *copy = *m;
        sim_at(s, w->paused_until, ARRIVES, 0, 0, copy);
        return;
    }
    w->heard_at = s->now;
    switch (m->x) {
    case HONE_FARM_WELCOME:
        if (m->count != w->count || m->session == w->session)
            break;
        if (w->session) { /* an old hello was heard again: it says nothing of what is held now */
            sim_hello_new(s, i);
            break;
        }
        w->session = m->session;
        break;
    case HONE_FARM_WHO:
        if (w->session && s->now - w->hello_at > SEC)
            sim_hello_new(s, i);
        break;
    case HONE_FARM_REFUSE:
        w->session = 0;
        break;
    case HONE_FARM_OFFER:
        sim_offered(s, i, m);
        break;
    case HONE_FARM_REVOKE:
        if (m->session != w->session)
            break;
        if (m->fence > w->seen)
            w->seen = m->fence;
        sim_put_down(w, m->fence);
        sim_say(s, i, HONE_FARM_REVOKED_OK, m->fence, 0);
        break;
    case HONE_FARM_ACK:
        for (uint32_t k = 0; k < w->spool.n; k++)
            if (w->spool.v[k].fence == m->fence)
                w->spool.v[k--] = w->spool.v[--w->spool.n];
        break;
    default:
        break;
    }
}

#endif
