/* What is durable in the simulation: the farm's tables in memory, changed by whole batches. A real
 * database behind the same three functions (apply, restore, compare) would do as well. Rules of the
 * tables are checked as rows come. */
#ifndef HONE_TESTS_FARM_STORE_H
#define HONE_TESTS_FARM_STORE_H

#include "farm/internal.h"

typedef struct store {
    int64_t clock;
    HONE_VEC(hone_farm_user_row) users;
    HONE_VEC(hone_farm_job_row) jobs;
    HONE_VEC(hone_farm_worker_row) workers;   /* attrs are owned */
    HONE_VEC(hone_farm_result_row *) results; /* owned; NULL: forgotten */
    HONE_VEC(hone_farm_strike_row) strikes;
    HONE_VEC(hone_farm_lease_row) leases;
    HONE_VEC(hone_farm_event_row) last; /* of each object and verb */
    HONE_VEC(hone_farm_row) doubts;     /* SUSPECT */
    hone_map by_unit;
    uint64_t seq, n_events, n_results;
    hone_farm_event_row event; /* the last one */
    uint64_t wrong;            /* rules that were broken */
    bool quiet;                /* without words, for tests of the rules */
    const char *rule;
} store;

static inline void store_wrong(store *s, const char *rule)
{
    s->wrong++;
    s->rule = rule;
    if (!s->quiet)
        fprintf(stderr, "store: %s\n", rule);
}

static inline hone_farm_result_row *store_result(const store *s, const hone_farm_key *k)
{
    uint32_t at = 0;
    hone_farm_result_row *r;
    while ((r = hone_map_next(&s->by_unit, key_hash(k), &at)))
        if (key_same(&r->unit, k))
            return r;
    return NULL;
}

#define STORE_FIND(ret, vec, same)                  \
    do {                                            \
        ret = NULL;                                 \
        for (uint32_t i_ = 0; i_ < (vec).n; i_++) { \
            __typeof__((vec).v) it = &(vec).v[i_];  \
            if (same) {                             \
                ret = it;                           \
                break;                              \
            }                                       \
        }                                           \
    } while (0)

static inline const hone_farm_event_row *store_last(const store *s, const char *verb,
                                                    const char *object)
{
    const hone_farm_event_row *e;
    STORE_FIND(e, s->last, strcmp(it->object, object) == 0 && strcmp(it->verb, verb) == 0);
    return e;
}

static inline void store_job(store *s, const hone_farm_job_row *r)
{
    hone_farm_job_row *old, *same;
    STORE_FIND(old, s->jobs, it->id == r->id);
    STORE_FIND(same, s->jobs,
               it->id != r->id && strcmp(it->user, r->user) == 0 &&
                   memcmp(&it->request, &r->request, sizeof r->request) == 0);
    if (same)
        store_wrong(s, "two jobs of one request");
    if (!old) {
        hone_vec_push(&s->jobs, *r);
        return;
    }
    if (!hone_farm_job_is_live(old->state) && old->state != r->state)
        store_wrong(s, "a terminal state has changed");
    if (strcmp(old->user, r->user) != 0 || old->spent_ns > r->spent_ns || old->done > r->done)
        store_wrong(s, "a job has lost something");
    *old = *r;
}

static inline void store_worker(store *s, const hone_farm_worker_row *r)
{
    hone_farm_worker_row *old;
    STORE_FIND(old, s->workers, strcmp(it->name, r->name) == 0);
    char *attrs = hone_xstrdup(r->attrs);
    if (!old) {
        hone_vec_push(&s->workers, *r);
        s->workers.v[s->workers.n - 1].attrs = attrs;
        return;
    }
    if (old->fence_end > r->fence_end || old->epoch > r->epoch)
        store_wrong(s, "fences or epochs go back");
    free((void *)(uintptr_t)old->attrs);
    *old = *r;
    old->attrs = attrs;
}

static inline void store_result_add(store *s, const hone_farm_result_row *r)
{
    if (store_result(s, &r->unit)) {
        store_wrong(s, "a unit is settled twice");
        return;
    }
    hone_farm_result_row *copy = hone_xmalloc(sizeof *copy);
    *copy = *r;
    copy->handle = 0;
    hone_vec_push(&s->results, copy);
    hone_map_add(&s->by_unit, key_hash(&r->unit), copy);
    s->n_results++;
}

static inline void store_forget(store *s, const hone_farm_key *k)
{
    for (uint32_t i = 0; i < s->results.n; i++) {
        hone_farm_result_row *r = s->results.v[i];
        if (!r || !key_same(&r->unit, k))
            continue;
        hone_map_remove(&s->by_unit, key_hash(k), r);
        s->results.v[i] = NULL;
        free(r);
    }
    for (uint32_t i = 0; i < s->strikes.n; i++)
        if (key_same(&s->strikes.v[i].unit, k))
            s->strikes.v[i--] = s->strikes.v[--s->strikes.n];
}

static inline void store_strike(store *s, const hone_farm_strike_row *r)
{
    hone_farm_strike_row *old;
    STORE_FIND(old, s->strikes,
               key_same(&it->unit, &r->unit) && strcmp(it->worker, r->worker) == 0);
    if (!old)
        hone_vec_push(&s->strikes, *r);
}

static inline bool store_has_lease(const store *s, const char *name, uint64_t fence)
{
    for (uint32_t i = 0; i < s->leases.n; i++)
        if (s->leases.v[i].fence == fence && strcmp(s->leases.v[i].worker, name) == 0)
            return true;
    return false;
}

static inline void store_lease(store *s, const hone_farm_lease_row *r)
{
    hone_farm_lease_row *old;
    STORE_FIND(old, s->leases, it->fence == r->fence && strcmp(it->worker, r->worker) == 0);
    if (old)
        store_wrong(s, "a fence was given twice");
    STORE_FIND(old, s->leases, it->slot == r->slot && strcmp(it->worker, r->worker) == 0);
    if (old) /* which has ended */
        *old = *r;
    else
        hone_vec_push(&s->leases, *r);
}

static inline void store_lease_end(store *s, const hone_farm_lease_row *r)
{
    for (uint32_t i = 0; i < s->leases.n; i++)
        if (s->leases.v[i].fence == r->fence && strcmp(s->leases.v[i].worker, r->worker) == 0)
            s->leases.v[i--] = s->leases.v[--s->leases.n];
}

static inline void store_event(store *s, const hone_farm_event_row *r)
{
    hone_farm_event_row *old;
    if (r->seq != s->seq + 1)
        store_wrong(s, "the audit log has a gap");
    s->seq = r->seq;
    s->n_events++;
    s->event = *r;
    if (!r->to[0]) /* no transition: of a key, or refused */
        return;
    const char *verb = r->verb;
    hone_farm_event_row key = *r;
    if (strncmp(r->object, "job ", 4) == 0) /* submit, too, is a transition */
        snprintf(key.verb, sizeof key.verb, "%s", verb = "job");
    if (strcmp(verb, "drain") == 0 || strcmp(verb, "reserve") == 0 ||
        strcmp(verb, "release") == 0 || strcmp(verb, "open") == 0)
        snprintf(key.verb, sizeof key.verb, "%s", verb = "admin");
    STORE_FIND(old, s->last, strcmp(it->object, r->object) == 0 && strcmp(it->verb, verb) == 0);
    if (!old)
        hone_vec_push(&s->last, key);
    else if (strcmp(old->to, r->from) != 0 && strcmp(verb, "link") != 0)
        store_wrong(s, "a transition does not begin where the last one ended");
    if (old)
        *old = key;
}

static inline void store_suspect(store *s, const char *name, uint64_t from, uint64_t to)
{
    for (uint32_t i = 0; i < s->results.n; i++) {
        hone_farm_result_row *r = s->results.v[i];
        if (r && strcmp(r->worker, name) == 0 && r->fence >= from && r->fence <= to)
            r->suspect = true;
    }
}

/* Such a result may be measured anew. */
static inline bool store_is_doubted(const store *s, const char *name, uint64_t fence)
{
    for (uint32_t i = 0; i < s->doubts.n; i++) {
        const hone_farm_row *r = &s->doubts.v[i];
        if (fence >= r->suspect.from && fence <= r->suspect.to &&
            strcmp(r->suspect.worker, name) == 0)
            return true;
    }
    return false;
}

static inline void store_row(store *s, const hone_farm_row *row)
{
    hone_farm_user_row *u;
    switch (row->kind) {
    case HONE_FARM_ROW_CLOCK:
        if (row->clock < s->clock)
            store_wrong(s, "the clock goes back");
        s->clock = row->clock;
        break;
    case HONE_FARM_ROW_USER:
        STORE_FIND(u, s->users, strcmp(it->name, row->user.name) == 0);
        if (u)
            *u = row->user;
        else
            hone_vec_push(&s->users, row->user);
        break;
    case HONE_FARM_ROW_JOB:
        store_job(s, &row->job);
        break;
    case HONE_FARM_ROW_WORKER:
        store_worker(s, &row->worker);
        break;
    case HONE_FARM_ROW_RESULT:
        store_result_add(s, &row->result);
        break;
    case HONE_FARM_ROW_STRIKE:
        store_strike(s, &row->strike);
        break;
    case HONE_FARM_ROW_LEASE:
        store_lease(s, &row->lease);
        break;
    case HONE_FARM_ROW_EVENT:
        store_event(s, &row->event);
        break;
    case HONE_FARM_ROW_FORGET:
        store_forget(s, &row->forget.unit);
        break;
    case HONE_FARM_ROW_FORGET_JOB:
        for (uint32_t i = 0; i < s->jobs.n; i++)
            if (s->jobs.v[i].id == row->forget_job) {
                if (hone_farm_job_is_live(s->jobs.v[i].state))
                    store_wrong(s, "a live job is forgotten");
                s->jobs.v[i] = s->jobs.v[--s->jobs.n];
                break;
            }
        break;
    case HONE_FARM_ROW_LEASE_END:
        store_lease_end(s, &row->lease);
        break;
    case HONE_FARM_ROW_SUSPECT:
        store_suspect(s, row->suspect.worker, row->suspect.from, row->suspect.to);
        hone_vec_push(&s->doubts, *row);
        break;
    default:
        store_wrong(s, "a row of no table");
    }
}

/* The audit log tells the states that the tables have. */
static inline void store_replay(store *s)
{
    char object[HONE_FARM_NAME + 16];
    for (uint32_t i = 0; i < s->jobs.n; i++) {
        const hone_farm_job_row *j = &s->jobs.v[i];
        snprintf(object, sizeof object, "job %" PRIu64, j->id);
        const hone_farm_event_row *e = store_last(s, "job", object);
        if (!e || strcmp(e->to, hone_farm_job_state_name(j->state)) != 0)
            store_wrong(s, "the audit log tells another state of a job");
    }
    for (uint32_t i = 0; i < s->workers.n; i++) {
        const hone_farm_worker_row *w = &s->workers.v[i];
        snprintf(object, sizeof object, "worker %s", w->name);
        const hone_farm_event_row *h = store_last(s, "health", object);
        const hone_farm_event_row *a = store_last(s, "admin", object);
        if (h && strcmp(h->to, hone_farm_health_name(w->health)) != 0)
            store_wrong(s, "the audit log tells another health");
        if (a && strcmp(a->to, hone_farm_admin_name(w->admin)) != 0)
            store_wrong(s, "the audit log tells another admin state");
    }
}

/* What users spent is what their jobs spent, while no job is forgotten. */
static inline void store_usage(store *s)
{
    int64_t users = 0, jobs = 0;
    for (uint32_t i = 0; i < s->users.n; i++)
        users += s->users.v[i].spent_ns;
    for (uint32_t i = 0; i < s->jobs.n; i++)
        jobs += s->jobs.v[i].spent_ns;
    if (users != jobs)
        store_wrong(s, "users have spent other than their jobs");
}

static inline void store_apply(store *s, const hone_farm_row *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        store_row(s, &rows[i]);
}

/* ---- a farm from it ----------------------------------------------------------------------------
 */

static inline bool store_each(const store *s, bool (*fn)(void *ctx, const hone_farm_row *r),
                              void *ctx)
{
    bool good = fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_CLOCK, .clock = s->clock});
    for (uint32_t i = 0; i < s->users.n && good; i++)
        good = fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_USER, .user = s->users.v[i]});
    for (uint32_t i = 0; i < s->jobs.n && good; i++)
        good = fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_JOB, .job = s->jobs.v[i]});
    for (uint32_t i = 0; i < s->workers.n && good; i++)
        good = fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_WORKER, .worker = s->workers.v[i]});
    for (uint32_t i = 0; i < s->results.n && good; i++)
        good = !s->results.v[i] ||
               fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_RESULT, .result = *s->results.v[i]});
    for (uint32_t i = 0; i < s->strikes.n && good; i++)
        good = fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_STRIKE, .strike = s->strikes.v[i]});
    for (uint32_t i = 0; i < s->leases.n && good; i++)
        good = fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_LEASE, .lease = s->leases.v[i]});
    return good && fn(ctx, &(hone_farm_row){.kind = HONE_FARM_ROW_EVENT, .event = {.seq = s->seq}});
}

static inline bool store_restore_row(void *ctx, const hone_farm_row *r)
{
    hone_error err = {0};
    if (hone_farm_restore(ctx, r, &err) == HONE_OK)
        return true;
    fprintf(stderr, "%s\n", err.message);
    return false;
}

/* Sum over rows that does not depend on their order. */
typedef struct store_sum {
    uint64_t n, sum;
    uint64_t of[HONE_FARM_ROW_COUNT]; /* by kind, to see where a difference is */
} store_sum;

static inline uint64_t store_text(uint64_t h, const char *s)
{
    return hone_hash_bytes(h, s, strlen(s));
}

static inline bool store_sum_row(void *ctx, const hone_farm_row *row)
{
    store_sum *x = ctx;
    uint64_t h = row->kind;
    if (row->kind == HONE_FARM_ROW_CLOCK || row->kind == HONE_FARM_ROW_EVENT)
        return true;
    switch (row->kind) {
    case HONE_FARM_ROW_USER:
        h = store_text(h, row->user.name);
        h = hone_hash_mix(h, (uint64_t)row->user.spent_ns + row->user.roles + row->user.revoked);
        break;
    case HONE_FARM_ROW_JOB:
        h = store_text(store_text(h, row->job.user), row->job.filter);
        h = hone_hash_mix(hone_hash_mix(h, row->job.id), row->job.state);
        h = hone_hash_mix(hone_hash_mix(h, row->job.done), (uint64_t)row->job.spent_ns);
        h = hone_hash_mix(h, row->job.why);
        break;
    case HONE_FARM_ROW_WORKER:
        h = store_text(store_text(h, row->worker.name), row->worker.attrs);
        h = hone_hash_mix(hone_hash_mix(h, row->worker.fence_end), row->worker.health);
        h = hone_hash_mix(hone_hash_mix(h, (uint64_t)row->worker.score), row->worker.admin);
        h = hone_hash_mix(hone_hash_mix(h, row->worker.epoch), row->worker.baseline.n_baseline);
        h = hone_hash_bytes(h, row->worker.baseline.mean, sizeof row->worker.baseline.mean);
        h = hone_hash_bytes(h, row->worker.baseline.up, sizeof row->worker.baseline.up);
        break;
    case HONE_FARM_ROW_RESULT:
        h = hone_hash_mix(store_text(h, row->result.worker), key_hash(&row->result.unit));
        h = hone_hash_mix(hone_hash_mix(h, row->result.fence), row->result.status);
        h = hone_hash_mix(h, row->result.suspect);
        break;
    case HONE_FARM_ROW_STRIKE:
        h = hone_hash_mix(store_text(h, row->strike.worker), key_hash(&row->strike.unit));
        break;
    default:
        h = hone_hash_mix(store_text(h, row->lease.worker), key_hash(&row->lease.unit));
        h = hone_hash_mix(h, row->lease.fence);
    }
    x->n++;
    x->sum += h;
    x->of[row->kind] += h;
    return true;
}

/* A farm, restored, has the rows it was restored from. */
static inline hone_farm *store_restore(store *s, const hone_farm_limits *l)
{
    store_sum here = {0}, there = {0};
    hone_farm *f = hone_farm_new(l);
    if (!store_each(s, store_restore_row, f))
        store_wrong(s, "the tables cannot be restored");
    store_each(s, store_sum_row, &here);
    hone_farm_each_row(f, ~0u, store_sum_row, &there);
    if (here.n != there.n || here.sum != there.sum)
        store_wrong(s, "a restored farm is not what the tables say");
    return f;
}

static inline void store_fini(store *s)
{
    for (uint32_t i = 0; i < s->workers.n; i++)
        free((void *)(uintptr_t)s->workers.v[i].attrs);
    for (uint32_t i = 0; i < s->results.n; i++)
        free(s->results.v[i]);
    hone_vec_free(&s->users);
    hone_vec_free(&s->jobs);
    hone_vec_free(&s->workers);
    hone_vec_free(&s->results);
    hone_vec_free(&s->strikes);
    hone_vec_free(&s->leases);
    hone_vec_free(&s->last);
    hone_vec_free(&s->doubts);
    hone_map_free(&s->by_unit);
}

#endif
