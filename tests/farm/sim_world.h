/* The rest of the simulated world: what reaches the coordinator, people, and trouble. */
#ifndef HONE_TESTS_FARM_SIM_WORLD_H
#define HONE_TESTS_FARM_SIM_WORLD_H

#include "tests/farm/sim_worker.h"

static const char *const sim_users[USERS] = {"ann", "bob", "ci", "root"};

/* ---- to the coordinator
 * --------------------------------------------------------------------------- */

static inline void sim_arrives(sim *s, msg *m)
{
    if (!m->to_coord) {
        sim_to_this_worker(s, m);
        return;
    }
    if (!s->farm)
        return;
    if (s->now < s->suspended_until) {
        msg *copy = hone_xmalloc(sizeof *copy);
        *copy = *m;
        sim_at(s, s->suspended_until, ARRIVES, 0, 0, copy);
        return;
    }
    hone_farm_event e = {.kind = m->e, .session = m->session};
    e.who = m->worker >= 0 ? s->w[m->worker].name : sim_users[m->user];
    switch (m->e) {
    case HONE_FARM_HELLO:
        e.hello = (hone_farm_hello){.machine = m->machine,
                                    .process = m->process,
                                    .count = m->count,
                                    .roles = s->w[m->worker].roles,
                                    .slots = s->w[m->worker].roles == HONE_FARM_BUILDER ? HELD : 1,
                                    .fingerprint = m->fingerprint,
                                    .attrs = s->w[m->worker].attrs,
                                    .held = m->held,
                                    .n_held = m->n_held};
        break;
    case HONE_FARM_RESULT:
        e.result.fence = m->fence;
        e.result.unit = m->unit;
        e.result.epoch = m->epoch;
        e.result.status = m->status;
        e.result.spent_ns = m->spent_ns;
        e.result.handle = ++s->handles;
        break;
    case HONE_FARM_CANARY_RESULT:
        e.canary.fence = m->fence;
        e.canary.status = HONE_OK;
        memcpy(e.canary.ns, m->ns, sizeof m->ns);
        e.canary.golden = m->golden;
        e.canary.throttled = m->throttled;
        break;
    case HONE_FARM_SAY:
        e.say = m->say;
        e.say.name = m->name;
        e.say.filter = m->filter;
        break;
    default:
        e.lease.fence = m->fence;
        e.lease.phase = m->phase;
        break;
    }
    sim_step(s, &e);
}

/* ---- people
 * -------------------------------------------------------------------------------------------- */

static inline saying *sim_speak_later(sim *s, int by, hone_farm_verb verb, int64_t at)
{
    saying x = {.user = by, .client = s->says.n + 1};
    x.say.verb = verb;
    x.say.client = x.client;
    x.say.request = (hone_farm_request){{s->seed, x.client}};
    x.say.key = "";
    x.say.weight = 1;
    hone_vec_push(&s->says, x);
    sim_at(s, at, CLIENT_SAYS, s->says.n - 1, 0, NULL);
    return &s->says.v[s->says.n - 1];
}

static inline saying *sim_speak(sim *s, int by, hone_farm_verb verb)
{
    return sim_speak_later(s, by, verb, s->now);
}

static inline void sim_submit(sim *s)
{
    static const char *const filters[] = {"",        "",        "arch=a",         "arch=b",
                                          "label=x", "name=w1", "label=x,arch=a", "label=nowhere"};
    saying *x = sim_speak(s, (int)sim_below(s, USERS - 1), HONE_FARM_VERB_SUBMIT);
    snprintf(x->filter, sizeof x->filter, "%s", filters[sim_below(s, HONE_LEN(filters))]);
    x->say.class = (hone_farm_class)sim_below(s, HONE_FARM_CLASS_COUNT);
    x->say.queue_ms = (10 + sim_below(s, 110)) * 60000;
}

static inline void sim_client_says(sim *s, uint32_t i)
{
    saying *x = &s->says.v[i];
    if (x->answered || x->said > 200)
        return;
    if (x->said++ > 0) {
        s->t->faults[FAULT_CLIENT]++;
        s->t->rows[ROW_CLIENT_DIES]++;
    }
    msg m = {.worker = -1, .to_coord = true, .e = HONE_FARM_SAY, .user = x->user, .say = x->say};
    snprintf(m.name, sizeof m.name, "%s", x->name);
    snprintf(m.filter, sizeof m.filter, "%s", x->filter);
    sim_post(s, &m);
    sim_at(s, s->now + 2 * SEC + sim_below(s, SEC), CLIENT_SAYS, i, 0, NULL);
}

static inline void sim_verb(sim *s)
{
    static const hone_farm_verb about_jobs[] = {HONE_FARM_VERB_CANCEL, HONE_FARM_VERB_PAUSE,
                                                HONE_FARM_VERB_RESUME, HONE_FARM_VERB_RESUME};
    static const hone_farm_verb about_workers[] = {HONE_FARM_VERB_RESERVE, HONE_FARM_VERB_RELEASE,
                                                   HONE_FARM_VERB_DRAIN, HONE_FARM_VERB_OPEN};
    int by = sim_chance(s, 0.5) ? USERS - 1 : (int)sim_below(s, USERS);
    hone_farm_verb v;
    if (sim_chance(s, 0.5))
        v = about_jobs[sim_below(s, 4)];
    else
        v = about_workers[sim_below(s, 4)];
    saying *x = sim_speak(s, by, v);
    x->say.job = s->jobs.n ? s->jobs.v[sim_below(s, s->jobs.n)] : 1;
    snprintf(x->name, sizeof x->name, "w%d", (int)sim_below(s, WORKERS));
    x->say.for_ms = 1 + sim_below(s, 600000);
    x->forbidden = by != USERS - 1 && (v == HONE_FARM_VERB_DRAIN || v == HONE_FARM_VERB_OPEN);
    s->t->faults[FAULT_DENIED] += x->forbidden;
}

/* The key of a worker goes, and comes back after a while. */
static inline void sim_revoke(sim *s)
{
    int i = (int)sim_below(s, WORKERS);
    sim_worker *w = &s->w[i];
    s->t->faults[FAULT_REVOKED]++;
    saying *x = sim_speak(s, USERS - 1, HONE_FARM_VERB_KEY_REVOKE);
    snprintf(x->name, sizeof x->name, "%s", w->name);
    x = sim_speak_later(s, USERS - 1, HONE_FARM_VERB_KEY_ADD, s->now + 60 * SEC);
    snprintf(x->name, sizeof x->name, "%s", w->name);
    x->say.roles = w->roles;
}

/* ---- trouble
 * -----------------------------------------------------------------------------------------------
 */

static inline void sim_partition(sim *s)
{
    sim_worker *w = &s->w[sim_below(s, WORKERS)];
    bool is_long = sim_chance(s, 0.4);
    int64_t lasts = is_long ? 30 * SEC + sim_below(s, 120 * SEC) : SEC + sim_below(s, 18 * SEC);
    int ways = (int)sim_below(s, 4);
    s->t->faults[FAULT_PARTITION]++;
    if (ways != 1)
        w->cut_in_until = s->now + lasts;
    if (ways != 2)
        w->cut_out_until = s->now + lasts;
    s->t->rows[is_long ? ROW_CUT_LONG : ROW_CUT_SHORT] += w->n_hand > 0;
}

static inline void sim_twin(sim *s)
{
    int i = (int)sim_below(s, WORKERS);
    msg m = {.worker = i, .to_coord = true, .e = HONE_FARM_HELLO};
    s->t->faults[FAULT_TWIN]++;
    if (!s->w[i].session) /* only one that is there has a twin to be refused */
        return;
    m.machine = 999;
    m.process = hone_rng_u64(&s->rng);
    m.count = 1;
    m.fingerprint = s->w[i].fingerprint;
    sim_post(s, &m);
}

static inline void sim_trouble_device(sim *s)
{
    sim_worker *w = &s->w[2 + sim_below(s, WORKERS - 2)];
    switch (sim_below(s, 5)) {
    case 0:
        s->t->faults[FAULT_HEAT]++;
        w->hot_until = s->now + sim_below(s, 120 * SEC);
        break;
    case 1:
        s->t->faults[FAULT_SLOWS]++;
        w->slower = 1.06 + hone_rng_double(&s->rng) / 10;
        break;
    case 2:
        s->t->faults[FAULT_WRONG]++;
        w->lies = !w->lies;
        break;
    case 3:
        w->forges = !w->forges;
        break;
    default:
        s->t->faults[FAULT_NEW_KERNEL]++;
        w->fingerprint++;
        w->slower = 1;
        sim_worker_die(s, (int)(w - s->w), true, 10 * SEC);
    }
}

static inline void sim_trouble(sim *s)
{
    int i = (int)sim_below(s, WORKERS);
    sim_worker *w = &s->w[i];
    switch (sim_below(s, 18)) {
    case 0:
    case 1:
    case 2:
        s->t->faults[FAULT_WORKER_KILL]++;
        sim_worker_die(s, i, false, SEC + sim_below(s, 20 * SEC));
        break;
    case 3:
        s->t->faults[FAULT_WORKER_POWER]++;
        sim_worker_die(s, i, true, 10 * SEC + sim_below(s, 60 * SEC));
        break;
    case 4:
        s->t->faults[FAULT_WORKER_PAUSE]++;
        w->paused_until = s->now + sim_below(s, 50 * SEC);
        break;
    case 5:
        s->t->faults[FAULT_WORKER_LEAVES]++;
        if (w->alive && w->n_hand == 0) {
            sim_say(s, i, HONE_FARM_GOODBYE, 0, 0);
            sim_worker_die(s, i, false, 30 * SEC);
        }
        break;
    case 6:
    case 7:
        sim_partition(s);
        break;
    case 8:
        if (s->farm)
            s->crash_in = (int)sim_below(s, 12);
        break;
    case 9:
        if (s->farm && s->now >= s->suspended_until) {
            s->t->faults[FAULT_COORD_SUSPEND]++;
            s->suspended_until = s->now + sim_below(s, 60 * SEC);
            s->t->rows[ROW_SUSPEND] += s->suspended_until - s->now > 30 * SEC;
        }
        break;
    case 10: /* durations only: nobody looks at it */
        s->t->faults[FAULT_WALL]++;
        s->t->rows[ROW_WALL_JUMPS]++;
        break;
    case 11:
        s->disk_full_until = s->now + sim_below(s, 30 * SEC);
        break;
    case 12:
        sim_twin(s);
        break;
    case 13:
        if (sim_chance(s, 0.2))
            sim_revoke(s);
        break;
    case 14:
        sim_trouble_device(s);
        break;
    default:
        sim_verb(s);
    }
}

/* ---- the world
 * ------------------------------------------------------------------------------------------- */

static inline void sim_first_rows(sim *s)
{
    for (int i = 0; i < USERS + WORKERS; i++) {
        hone_farm_row r = {.kind = HONE_FARM_ROW_USER, .user = {.weight = 1}};
        snprintf(r.user.name, sizeof r.user.name, "%s",
                 i < USERS ? sim_users[i] : s->w[i - USERS].name);
        r.user.roles = i < USERS - 1 ? HONE_FARM_USER
                       : i < USERS   ? HONE_FARM_ADMIN
                                     : s->w[i - USERS].roles;
        store_apply(&s->store, &r, 1);
    }
}

static inline void sim_init(sim *s, uint64_t seed, tally *t)
{
    static const char *const attrs[] = {"arch=a,class=one,label=x", "arch=a,class=one",
                                        "arch=b,class=two,label=x"};
    *s = (sim){.seed = seed, .t = t, .now = SEC, .crash_in = -1};
    hone_rng_seed(&s->rng, seed);
    hone_rng_seed(&s->net, hone_hash_mix(seed, 1));
    hone_farm_limits_init(&s->limits);
    s->limits.kept_jobs = 100000;
    s->limits.canary_baseline = 10;
    s->limits.user_units = 6;
    s->limits.sessions = 8;
    s->limits.user_sessions = 4;
    s->limits.builders_max = seed % 2 ? 4 : 0;
    s->loss = seed % 5 == 0 ? 0 : 0.3 * hone_rng_double(&s->rng) * hone_rng_double(&s->rng);
    s->twice = 0.5 * hone_rng_double(&s->rng) * hone_rng_double(&s->rng);
    s->late = 0.1 * hone_rng_double(&s->rng) * hone_rng_double(&s->rng);
    s->trouble = 0.2 + 2 * hone_rng_double(&s->rng);
    for (int i = 0; i < WORKERS; i++) {
        sim_worker *w = &s->w[i];
        snprintf(w->name, sizeof w->name, "w%d", i);
        w->roles = i < 2 ? HONE_FARM_BUILDER : HONE_FARM_DEVICE;
        if (i == 2)
            w->roles |= HONE_FARM_BUILDER;
        w->attrs = attrs[i % 3];
        w->machine = (uint64_t)i + 1;
        w->fingerprint = 1;
        w->slower = 1;
        sim_at(s, s->now + sim_below(s, 5 * SEC), WORKER_BOOT, (uint64_t)i, 0, NULL);
    }
    sim_first_rows(s);
    sim_coord_start(s);
}

static inline void sim_happens(sim *s, const happening *h)
{
    switch (h->what) {
    case ARRIVES:
        sim_arrives(s, h->m);
        break;
    case TICK:
        if (h->guard != s->life || !s->farm)
            break;
        if (s->now < s->suspended_until)
            sim_at(s, s->suspended_until, TICK, 0, s->life, NULL);
        else if (h->at >= s->tick_at)
            sim_step(s, &(hone_farm_event){.kind = HONE_FARM_TICK});
        break;
    case RESTART:
        if (!s->farm)
            sim_coord_start(s);
        break;
    case COMMIT_ENDS:
        if (h->guard == s->life && s->farm)
            sim_commit_ends(s, h->a);
        break;
    case WORKER_WAKE:
        if (s->w[h->a].process == h->guard)
            sim_worker_wake(s, (int)h->a);
        break;
    case WORKER_STEP:
        sim_worker_step(s, (int)h->a, h->guard);
        break;
    case WORKER_BOOT:
        sim_worker_boot(s, (int)h->a);
        break;
    case SESSION_DOES:
        if (h->guard != s->life || !s->farm)
            break;
        if (s->now < s->suspended_until)
            sim_at(s, s->suspended_until, SESSION_DOES, h->a, s->life, NULL);
        else
            sim_session_does(s, h->a);
        break;
    case CLIENT_SAYS:
        sim_client_says(s, (uint32_t)h->a);
        break;
    case TROUBLE:
        if (!s->healing) {
            sim_trouble(s);
            sim_at(s, s->now + (int64_t)((double)sim_below(s, 40 * SEC) / s->trouble), TROUBLE, 0,
                   0, NULL);
        }
        break;
    }
    free(h->m);
}

/* Until `until`, or until nothing is left that is alive. */
static inline void sim_run(sim *s, int64_t until)
{
    while (s->heap.n > 0 && s->heap.v[0].at <= until && !s->bad) {
        happening h = sim_pop(s);
        s->now = h.at;
        sim_happens(s, &h);
        if (s->store.wrong)
            sim_wrong(s, s->store.rule);
    }
    if (!s->bad)
        s->now = until;
}

static inline bool sim_any_live(const sim *s)
{
    for (uint32_t i = 0; i < s->store.jobs.n; i++)
        if (hone_farm_job_is_live(s->store.jobs.v[i].state))
            return true;
    return false;
}

static inline void sim_fini(sim *s)
{
    hone_farm_free(s->farm);
    sim_sessions_die(s);
    store_fini(&s->store);
    for (uint32_t i = 0; i < s->heap.n; i++)
        free(s->heap.v[i].m);
    for (int i = 0; i < WORKERS; i++)
        hone_vec_free(&s->w[i].spool);
    for (uint32_t i = 0; i < s->truths.n; i++)
        free(s->truths.v[i]);
    hone_vec_free(&s->truths);
    hone_vec_free(&s->acked);
    hone_vec_free(&s->claims);
    hone_vec_free(&s->jobs);
    hone_vec_free(&s->heap);
    hone_vec_free(&s->says);
    hone_vec_free(&s->sessions);
    hone_map_free(&s->by_fence);
}

#endif
