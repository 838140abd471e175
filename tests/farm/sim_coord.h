/* The coordinator of the simulation: steps the farm, does what it says, keeps rows, runs sessions;
 * and dies, is suspended, runs out of disk. What is in its memory dies with it. */
#ifndef HONE_TESTS_FARM_SIM_COORD_H
#define HONE_TESTS_FARM_SIM_COORD_H

#include "tests/farm/check.h"

static inline void sim_step(sim *s, const hone_farm_event *e);

/* ---- sessions
 * -------------------------------------------------------------------------------------- */

static inline sim_session *sim_session_of(sim *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->sessions.n; i++)
        if (s->sessions.v[i].job == id)
            return &s->sessions.v[i];
    return NULL;
}

static inline void sim_session_drop(sim *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->sessions.n; i++)
        if (s->sessions.v[i].job == id) {
            free(s->sessions.v[i].steps);
            s->sessions.v[i] = s->sessions.v[--s->sessions.n];
            return;
        }
}

static inline void sim_session_start(sim *s, uint64_t id)
{
    if (sim_session_of(s, id))
        return;
    uint64_t h = hone_hash_mix(s->seed, id);
    sim_session x = {.job = id, .kernel = (int)(h % KERNELS), .n = 4 + (uint32_t)(h / 64 % 24)};
    x.steps = hone_xcalloc(x.n, sizeof *x.steps);
    hone_vec_push(&s->sessions, x);
    sim_at(s, s->now + 50 * MS, SESSION_DOES, id, s->life, NULL);
}

/* Up to four units in the air: first each is built, then measured. */
static inline void sim_session_does(sim *s, uint64_t id)
{
    for (;;) {
        sim_session *x = sim_session_of(s, id);
        uint32_t air = 0, next = UINT32_MAX;
        if (!x)
            return;
        for (uint32_t i = 0; i < x->n && !x->stopping; i++) {
            air += x->steps[i].tag != 0;
            if (!x->steps[i].tag && !x->steps[i].done && next == UINT32_MAX)
                next = i;
        }
        if (x->stopping || (air == 0 && next == UINT32_MAX)) {
            hone_farm_event e = {.kind = HONE_FARM_JOB_ENDED, .ended = {id, HONE_OK}};
            if (x->stopping && x->stuck)
                return;
            if (!x->stopping && id % 17 == 0)
                e.ended.status = HONE_E_MODEL;
            sim_session_drop(s, id);
            sim_step(s, &e);
            return;
        }
        if (air >= 4 || next == UINT32_MAX)
            return;
        step_of *st = &x->steps[next];
        st->tag = ++x->tags * 64 + next;
        hone_farm_event e = {.kind = HONE_FARM_WANT};
        e.want.job = id;
        e.want.tag = st->tag;
        e.want.unit = sim_key(x->kernel, next, !st->built);
        e.want.role = st->built ? HONE_FARM_DEVICE : HONE_FARM_BUILDER;
        e.want.run_ms = 20000;
        uint64_t life = s->life;
        sim_step(s, &e);
        if (s->life != life || !s->farm)
            return;
    }
}

static inline void sim_given(sim *s, const hone_farm_effect *e)
{
    sim_session *x = sim_session_of(s, e->give.job);
    uint32_t i = (uint32_t)(e->give.tag % 64);
    if (!x || i >= x->n || x->steps[i].tag != e->give.tag)
        return;
    step_of *st = &x->steps[i];
    hone_farm_key k = sim_key(x->kernel, i, !st->built);
    if (!key_same(&k, &e->give.unit))
        sim_wrong(s, "a session is given another unit");
    st->tag = 0;
    if (e->give.reason == HONE_FARM_BECAUSE_SETTLED && st->built) {
        const hone_farm_result_row *r = store_result(&s->store, &k);
        if (!r || r->fence != e->give.fence || strcmp(r->worker, e->give.worker) != 0)
            sim_wrong(s, "a session is given what is not durable");
        st->done = true;
    } else if (e->give.status == HONE_OK) {
        st->built = true;
    } else if (hone_status_is_reject(e->give.status) ||
               e->give.reason == HONE_FARM_BECAUSE_POISON || ++st->tries >= 3) {
        st->done = true;
    }
    sim_at(s, s->now + 10 * MS + sim_below(s, 100 * MS), SESSION_DOES, x->job, s->life, NULL);
}

/* ---- life and death
 * ----------------------------------------------------------------------------------- */

static inline void sim_sessions_die(sim *s)
{
    while (s->sessions.n > 0)
        sim_session_drop(s, s->sessions.v[0].job);
}

/* It is gone; a commit that is under way is there, or is not. */
static inline void sim_coord_die(sim *s, int64_t down)
{
    if (s->commit_waits) {
        bool there = sim_chance(s, 0.5);
        s->t->rows[ROW_COORD_POWER]++;
        s->t->rows[there ? ROW_COORD_AFTER : ROW_COORD_BEFORE]++;
        if (there)
            store_apply(&s->store, s->rows, s->n_rows);
    } else if (s->farm->batch_due != NEVER) {
        s->t->rows[ROW_COORD_BEFORE]++;
    }
    hone_farm_free(s->farm);
    s->farm = NULL;
    s->life++;
    s->commit_waits = false;
    s->crash_in = -1;
    s->suspended_until = 0;
    sim_sessions_die(s);
    sim_at(s, s->now + down, RESTART, 0, 0, NULL);
}

static inline void sim_coord_start(sim *s)
{
    s->farm = store_restore(&s->store, &s->limits);
    s->clock_from = s->now - sim_below(s, HOUR); /* another boot, another clock */
    s->tick_at = 0;
    s->t->restarts++;
    s->disk_full = false;
    sim_step(s, &(hone_farm_event){.kind = HONE_FARM_TICK});
}

/* ---- the disk
 * -------------------------------------------------------------------------------------------- */

static inline void sim_commit(sim *s, const hone_farm_effect *e)
{
    bool slow = !s->healing && sim_chance(s, 0.004 * s->trouble);
    s->t->faults[FAULT_DISK_SLOW] += slow;
    s->rows = e->commit.rows;
    s->n_rows = e->commit.n;
    s->commit_waits = true;
    sim_at(s, s->now + (slow ? sim_below(s, 8 * SEC) : MS / 2 + sim_below(s, 8 * MS)), COMMIT_ENDS,
           e->commit.batch, s->life, NULL);
}

static inline void sim_commit_ends(sim *s, uint64_t batch)
{
    hone_farm_event e = {.kind = HONE_FARM_COMMITTED};
    e.commit.batch = batch;
    if (s->now < s->suspended_until) {
        sim_at(s, s->suspended_until, COMMIT_ENDS, batch, s->life, NULL);
        return;
    }
    if (!s->healing && s->now < s->disk_full_until) {
        s->t->faults[FAULT_DISK_FULL]++;
        s->t->rows[ROW_FULL]++;
        e.kind = HONE_FARM_COMMIT_FAILED;
        e.commit.status = HONE_E_FULL;
        s->commit_waits = false;
        sim_step(s, &e);
        return;
    }
    if (!s->healing && sim_chance(s, 0.0004 * s->trouble)) {
        bool fsync = sim_chance(s, 0.5);
        s->t->faults[fsync ? FAULT_DISK_FSYNC : FAULT_DISK_EIO]++;
        s->t->rows[fsync ? ROW_FSYNC : ROW_EIO]++;
        if (fsync) { /* nobody knows; the process ends */
            sim_coord_die(s, SEC);
            return;
        }
        e.kind = HONE_FARM_COMMIT_FAILED;
        e.commit.status = HONE_E_IO;
        s->commit_waits = false;
        sim_step(s, &e);
        return;
    }
    for (uint32_t i = 0; i < s->n_rows; i++)
        if (s->rows[i].kind == HONE_FARM_ROW_RESULT) {
            const char *rule = check_result(s, &s->rows[i].result);
            if (rule)
                sim_wrong(s, rule);
            s->t->results++;
            s->t->rows[ROW_CHILD] += hone_status_is_reject(s->rows[i].result.status);
            s->t->poisoned_innocent +=
                s->rows[i].result.poison && sim_nature(&s->rows[i].result.unit) != TAKES_DOWN;
        }
    store_apply(&s->store, s->rows, s->n_rows);
    s->commit_waits = false;
    if (!s->healing &&
        sim_chance(s, 0.0006 * s->trouble)) { /* it is durable, and nobody hears of it */
        s->t->faults[FAULT_COORD_KILL]++;
        s->t->rows[ROW_COORD_AFTER]++;
        sim_coord_die(s, 500 * MS + sim_below(s, 5 * SEC));
        return;
    }
    sim_step(s, &e);
}

/* ---- effects
 * -----------------------------------------------------------------------------------------------
 */

static inline void sim_trace(sim *s, const hone_farm_effect *e)
{
    uint64_t h = hone_hash_mix(s->trace, e->kind);
    h = hone_hash_mix(h, (uint64_t)s->now);
    if (e->kind == HONE_FARM_OFFER || e->kind == HONE_FARM_REVOKE)
        h = hone_hash_mix(h, e->lease.fence);
    s->trace = store_text(h, e->who);
}

static inline void sim_to_worker(sim *s, const hone_farm_effect *e)
{
    int i = check_worker_of(s, e->who);
    if (i < 0)
        return; /* a stranger */
    msg m = {.worker = i, .x = e->kind, .session = e->session};
    switch (e->kind) {
    case HONE_FARM_OFFER: {
        const char *rule = check_offer(s, &s->w[i], e);
        if (rule)
            sim_wrong(s, rule);
    } /* fall through */
    case HONE_FARM_REVOKE:
        m.fence = e->lease.fence;
        m.unit = e->lease.unit;
        m.epoch = e->lease.epoch;
        m.say.for_ms = e->lease.role;
        break;
    case HONE_FARM_ACK:
        m.fence = e->ack.fence;
        m.status = (hone_status)e->ack.verdict;
        if (e->ack.verdict == HONE_FARM_TAKEN && e->ack.handle) {
            const truth *x = check_truth(s, i, e->ack.fence);
            if (x) { /* builds are not kept */
                const char *rule = check_acked(s, x);
                if (rule)
                    sim_wrong(s, rule);
                hone_vec_push(&s->acked, *x);
                s->t->acked++;
            }
        }
        s->t->rows[ROW_STRANGE] += e->ack.verdict == HONE_FARM_STALE;
        break;
    case HONE_FARM_WELCOME:
        m.count = e->welcome.count;
        break;
    case HONE_FARM_REFUSE:
        s->t->rows[ROW_SECOND] += e->refuse.reason == HONE_FARM_BECAUSE_TWICE ||
                                  e->refuse.reason == HONE_FARM_BECAUSE_SUPERSEDED;
        s->t->rows[ROW_KEY_GONE] += e->refuse.reason == HONE_FARM_BECAUSE_KEY_REVOKED;
        m.spent_ns = e->refuse.retry_ms;
        break;
    default:
        break;
    }
    sim_post(s, &m);
}

static inline void sim_replied(sim *s, const hone_farm_effect *e)
{
    for (uint32_t i = 0; i < s->says.n; i++) {
        saying *x = &s->says.v[i];
        if (x->client != e->reply.client)
            continue;
        if (x->forbidden && e->reply.status != HONE_E_DENIED)
            sim_wrong(s, "a verb without a role is done");
        if (!s->healing && hone_rng_double(&s->net) < s->loss)
            return; /* the answer is lost: it is said again */
        if (x->say.verb == HONE_FARM_VERB_SUBMIT && e->reply.status == HONE_OK) {
            if (x->job && x->job != e->reply.job)
                sim_wrong(s, "one request, two jobs");
            if (!check_has_job(&s->store, e->reply.job))
                sim_wrong(s, "a job is promised that is not durable");
            if (!x->job)
                hone_vec_push(&s->jobs, e->reply.job);
            x->job = e->reply.job;
        }
        x->answered = e->reply.status != HONE_E_FULL;
        return;
    }
}

static inline void sim_effect(sim *s, const hone_farm_effect *e)
{
    sim_session *x;
    sim_trace(s, e);
    switch (e->kind) {
    case HONE_FARM_COMMIT:
        sim_commit(s, e);
        break;
    case HONE_FARM_HALT:
        s->crash_in = 0;
        break;
    case HONE_FARM_START_JOB:
        sim_session_start(s, e->job.job);
        break;
    case HONE_FARM_STOP_JOB:
        x = sim_session_of(s, e->job.job);
        if (!x) {
            sim_session_start(s, e->job.job);
            x = sim_session_of(s, e->job.job);
        }
        x->stopping = true;
        x->stuck = !s->healing && sim_chance(s, 0.1);
        s->t->faults[FAULT_SESSION_STUCK] += x->stuck;
        sim_at(s, s->now + sim_below(s, 2 * SEC), SESSION_DOES, e->job.job, s->life, NULL);
        break;
    case HONE_FARM_END_JOB:
        sim_session_drop(s, e->job.job);
        break;
    case HONE_FARM_GIVE:
        sim_given(s, e);
        break;
    case HONE_FARM_REPLY:
        sim_replied(s, e);
        break;
    case HONE_FARM_KEEP:
    case HONE_FARM_NOTICE:
    case HONE_FARM_BUILDERS:
        break;
    default:
        sim_to_worker(s, e);
    }
}

static inline void sim_step(sim *s, const hone_farm_event *e)
{
    hone_farm_effect x;
    uint64_t life = s->life;
    if (!s->farm)
        return;
    s->t->steps++;
    hone_farm_step(s->farm, e, s->now - s->clock_from);
    if (s->t->steps % 64 == 0) {
        const char *rule = check_farm(s->farm);
        if (rule)
            sim_wrong(s, rule);
    }
    while (s->farm && s->life == life && hone_farm_next_effect(s->farm, &x)) {
        if (s->crash_in == 0) { /* between any two effects */
            s->t->rows[ROW_COORD_OFFER] += x.kind == HONE_FARM_OFFER;
            s->t->faults[FAULT_COORD_KILL]++;
            sim_coord_die(s, 500 * MS + sim_below(s, 5 * SEC));
            return;
        }
        s->crash_in -= s->crash_in > 0;
        sim_effect(s, &x);
    }
    if (!s->farm || s->life != life)
        return;
    if (s->farm->halted) {
        sim_coord_die(s, SEC);
        return;
    }
    int64_t at = s->now + hone_farm_wait_ns(s->farm);
    if (s->tick_at <= s->now || at < s->tick_at) {
        s->tick_at = at > s->now ? at : s->now + MS;
        sim_at(s, s->tick_at, TICK, 0, s->life, NULL);
    }
}

#endif
