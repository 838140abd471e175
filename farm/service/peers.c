/* Workers: the pool has the connections, the farm decides; here one is made the other's. What a
 * worker does not say itself is said for it: that it lives, that it takes an offer, and, of builds,
 * canaries and workers of an older hone, how far it is. */
#include "farm/service/internal.h"

#define PROGRESS_MS 2000

static uint64_t name_hash(const char *name)
{
    return hone_hash_bytes(0, name, strlen(name));
}

worker *hone_service__worker(const service *s, const char *name)
{
    uint32_t at = 0;
    worker *w;
    while ((w = hone_map_next(&s->worker_by_name, name_hash(name), &at)))
        if (strcmp(w->name, name) == 0)
            return w;
    return NULL;
}

worker *hone_service__worker_of_peer(const service *s, uint64_t peer)
{
    uint32_t at = 0;
    worker *w;
    while ((w = hone_map_next(&s->worker_by_peer, peer, &at)))
        if (w->peer == peer)
            return w;
    return NULL;
}

static void worker_add(service *s, worker *w)
{
    w->at = s->workers.n;
    hone_vec_push(&s->workers, w);
    hone_map_add(&s->worker_by_name, name_hash(w->name), w);
    hone_map_add(&s->worker_by_peer, w->peer, w);
}

static void worker_take_out(service *s, worker *w)
{
    s->workers.v[w->at] = s->workers.v[--s->workers.n];
    s->workers.v[w->at]->at = w->at;
    hone_map_remove(&s->worker_by_name, name_hash(w->name), w);
    hone_map_remove(&s->worker_by_peer, w->peer, w);
}

static void worker_free(worker *w)
{
    hone_service__held_free(w);
    hone_text_drop(w->target);
    free(w->attrs);
    free(w->shown);
    free(w);
}

/* ---- what a worker is ----------------------------------------------------------------------- */

char *hone_service__attrs(const worker *w)
{
    hone_target t;
    hone_buf b = {0};
    if (*w->target && hone_target_parse(w->target, &t, NULL) == HONE_OK) {
        char *class = hone_target_class(&t);
        hone_buf_printf(&b, "arch=%.*s,cpu=%s,class=%s/%s,cores=%d", (int)strcspn(t.triple, "-"),
                        t.triple, t.cpu, class, t.cpu, t.cores);
        free(class);
    }
    if (*w->attrs)
        hone_buf_printf(&b, "%s%s", b.n ? "," : "", w->attrs);
    return b.s ? hone_buf_take(&b) : hone_xstrdup("");
}

static bool is_named(const char *filter, const char *name)
{
    for (const char *s = filter; *s;) {
        size_t n = strcspn(s, ",");
        bool is_name = n > 5 && memcmp(s, "name=", 5) == 0;
        if (is_name && (strlen(name) != n - 5 || memcmp(s + 5, name, n - 5) != 0))
            return false;
        s += n + (s[n] == ',');
    }
    return true;
}

bool hone_service__matches(const char *filter, const worker *w)
{
    char *attrs = hone_service__attrs(w);
    bool all = hone_farm_filter_holds(filter, attrs) && is_named(filter, w->name);
    free(attrs);
    return all;
}

/* ---- coming and going ----------------------------------------------------------------------- */

void hone_service__name_builder(const service *s, const char *key, char ret[HONE_FARM_NAME])
{
    unsigned n = 1;
    do
        snprintf(ret, HONE_FARM_NAME, "%.48s.b%u", key, n++);
    while (hone_service__worker(s, ret) || hone_service__is_key(s, ret));
}

/* A device is its key. */
static void name_worker(const service *s, const hone_pool_peer *p, char ret[HONE_FARM_NAME])
{
    if (p->roles & HONE_ROLE_RUN)
        snprintf(ret, HONE_FARM_NAME, "%s", p->name);
    else
        hone_service__name_builder(s, p->name, ret);
}

static unsigned farm_roles(unsigned roles)
{
    return (roles & HONE_ROLE_RUN ? HONE_FARM_DEVICE : 0) |
           (roles & HONE_ROLE_BUILD ? HONE_FARM_BUILDER : 0);
}

void hone_service__joined(service *s, const hone_pool_event *e)
{
    hone_pool_peer p;
    if (e->roles == HONE_ROLE_CLIENT || !hone_pool_peer_get(s->pool, e->peer, &p))
        return;
    char name[HONE_FARM_NAME];
    name_worker(s, &p, name);
    worker *old = hone_service__worker(s, name);
    if (old) { /* the farm is told who speaks now, and decides */
        hone_pool_event gone = {.peer = old->peer};
        bool other = old->process != (p.process | 1);
        hone_service__lost(s, &gone);
        if (other)
            hone_pool_turn_away(s->pool, gone.peer, "a later process with this key has come");
    }
    worker *w = hone_xcalloc(1, sizeof *w);
    snprintf(w->name, sizeof w->name, "%s", name);
    w->peer = e->peer;
    w->roles = p.roles;
    w->machine = p.machine;
    w->process = p.process | 1;
    w->target = hone_text_hold(p.target);
    w->attrs = hone_xstrdup(p.attrs);
    w->fingerprint = hone_hash_mix(p.fingerprint, hone_hash_bytes(0, p.target, strlen(p.target)));
    w->keeps = p.keeps && (p.roles & HONE_ROLE_RUN);
    for (uint32_t i = 0; i < p.n_held; i++)
        hone_service__held_add(w, &p.held[i]);
    worker_add(s, w);
    if (!p.key[0] || strcmp(name, p.name) != 0)
        hone_service__user_needs(s, name, "", farm_roles(p.roles), 1);
    hone_service__greet(s, w);
}

void hone_service__greet(service *s, worker *w)
{
    int64_t now = hone_clock_ns();
    if (w->greeted || now < w->hello_ns)
        return;
    if ((w->roles & HONE_ROLE_RUN) && !hone_service__canary(s, w, now))
        return; /* it is no use before its canaries are built */
    uint32_t n_held;
    event *e = hone_service__post(s, HONE_FARM_HELLO, w->name);
    e->attrs = hone_service__attrs(w);
    e->target = *w->target ? hone_text_hold(w->target) : NULL;
    e->held = hone_service__held(s, w, &n_held);
    w->hellos = ++s->hellos; /* also of a process that was lost and comes again */
    e->e.hello = (hone_farm_hello){.machine = w->machine,
                                   .process = w->process,
                                   .count = w->hellos,
                                   .roles = farm_roles(w->roles),
                                   .slots = w->roles & HONE_ROLE_BUILD ? 2 : 1,
                                   .fingerprint = w->fingerprint,
                                   .attrs = e->attrs,
                                   .target = e->target,
                                   .held = e->held,
                                   .n_held = n_held};
    w->greeted = true;
    w->session = 0;
}

void hone_service__lost(service *s, const hone_pool_event *e)
{
    worker *w = hone_service__worker_of_peer(s, e->peer);
    if (!w)
        return;
    for (uint32_t i = 0; i < s->attempts.n;) { /* the farm knows what it had */
        if (strcmp(s->attempts.v[i]->who, w->name) == 0)
            hone_service__attempt_drop(s, s->attempts.v[i]);
        else
            i++;
    }
    bool left = e->left && w->session; /* what it had is free at once */
    hone_service__post(s, left ? HONE_FARM_GOODBYE : HONE_FARM_LOST, w->name)->e.session =
        left ? w->session : 0;
    worker_take_out(s, w);
    worker_free(w);
}

/* ---- attempts ------------------------------------------------------------------------------- */

static uint64_t fence_hash(const char *who, uint64_t fence)
{
    return hone_hash_mix(name_hash(who), fence);
}

static void attempt_add(service *s, attempt *a)
{
    a->at = s->attempts.n;
    hone_vec_push(&s->attempts, a);
    hone_map_add(&s->attempt_by_fence, fence_hash(a->who, a->fence), a);
}

void hone_service__attempt_sent(service *s, attempt *a, uint64_t id)
{
    if (a->id)
        hone_map_remove(&s->attempt_by_id, a->id, a);
    a->id = id;
    if (id)
        hone_map_add(&s->attempt_by_id, id, a);
}

void hone_service__attempt_drop(service *s, attempt *a)
{
    s->attempts.v[a->at] = s->attempts.v[--s->attempts.n];
    s->attempts.v[a->at]->at = a->at;
    hone_service__attempt_sent(s, a, 0);
    hone_map_remove(&s->attempt_by_fence, fence_hash(a->who, a->fence), a);
    free(a);
}

attempt *hone_service__attempt(const service *s, const char *who, uint64_t fence)
{
    uint32_t at = 0;
    attempt *a;
    while ((a = hone_map_next(&s->attempt_by_fence, fence_hash(who, fence), &at)))
        if (a->fence == fence && strcmp(a->who, who) == 0)
            return a;
    return NULL;
}

static attempt *by_id(const service *s, uint64_t id)
{
    uint32_t at = 0;
    attempt *a;
    while ((a = hone_map_next(&s->attempt_by_id, id, &at)))
        if (a->id == id)
            return a;
    return NULL;
}

event *hone_service__say_of(service *s, hone_farm_event_kind kind, const char *who,
                            uint64_t session, uint64_t fence)
{
    event *e = hone_service__post(s, kind, who);
    e->e.session = session;
    e->e.lease.fence = fence;
    e->e.lease.phase = HONE_FARM_PHASE_CHECKING;
    return e;
}

void hone_service__offer(service *s, const hone_farm_effect *x)
{
    worker *w = hone_service__worker(s, x->who);
    static const hone_farm_key none;
    bool probe = memcmp(&x->lease.unit, &none, sizeof none) == 0;
    want *what = probe ? NULL : hone_service__find_want(s, x->lease.job, x->lease.tag);
    if (!w || x->session != w->session)
        return;
    if (hone_service__attempt(s, x->who, x->lease.fence)) { /* offered again */
        hone_service__say_of(s, HONE_FARM_ACCEPT, x->who, x->session, x->lease.fence);
        return;
    }
    if (!probe && (!what || memcmp(&what->unit, &x->lease.unit, sizeof none) != 0)) {
        hone_service__say_of(s, HONE_FARM_DECLINE, x->who, x->session, x->lease.fence);
        return;
    }
    bool speaks = w->keeps && what && !what->is_build;
    attempt *a = hone_xcalloc(1, sizeof *a);
    *a = (attempt){.session = x->session,
                   .fence = x->lease.fence,
                   .epoch = x->lease.epoch,
                   .unit = x->lease.unit,
                   .phase = speaks ? HONE_FARM_PHASE_FETCHING : HONE_FARM_PHASE_CHECKING,
                   .speaks = speaks,
                   .canary = probe};
    snprintf(a->who, sizeof a->who, "%s", x->who);
    attempt_add(s, a);
    hone_service__say_of(s, HONE_FARM_ACCEPT, x->who, x->session, x->lease.fence);
    if (probe) {
        hone_service__canary_send(s, w, a);
        return;
    }
    hone_service__attempt_sent(s, a, hone_pool_new_id(s->pool));
    if (what->is_build) {
        hone_build_job b = what->build;
        b.id = a->id;
        b.peer = w->peer;
        hone_pool_build(s->pool, &b);
    } else {
        hone_measure_job m = what->measure;
        m.id = a->id;
        m.peer = w->peer;
        m.lease = (hone_lease){a->fence, a->epoch, {a->unit.v[0], a->unit.v[1]}};
        hone_pool_measure(s->pool, &m);
    }
}

void hone_service__revoke(service *s, const hone_farm_effect *x)
{
    attempt *a = hone_service__attempt(s, x->who, x->lease.fence);
    worker *w = hone_service__worker(s, x->who);
    if (a) {
        hone_pool_cancel(s->pool, a->id);
        hone_service__attempt_drop(s, a);
    } else if (w) {
        hone_service__held_revoke(s, w, x->lease.fence);
    }
    /* The worker ends it before it takes anything else. */
    hone_service__say_of(s, HONE_FARM_REVOKED_OK, x->who, x->session, x->lease.fence);
}

void hone_service__outcome(service *s, hone_pool_event *e)
{
    attempt *a = by_id(s, e->id);
    if (!a)
        return;
    hone_pool_peer p;
    if (e->status == HONE_E_PEER && !hone_pool_peer_get(s->pool, e->peer, &p)) {
        hone_service__attempt_drop(s, a); /* PEER_LOST says so too, and the farm judges it */
        return;
    }
    if (a->canary) {
        hone_service__canary_measured(s, a, e);
        return;
    }
    if (e->status != HONE_OK && !hone_status_is_reject(e->status))
        hone_log(HONE_LOG_WARN, "%s: %s", a->who, e->error.message);
    worker *w = hone_service__worker(s, a->who);
    bool keeps = e->lease.fence != 0;
    e->lease = (hone_lease){a->fence, a->epoch, {a->unit.v[0], a->unit.v[1]}};
    if (w && keeps) /* until the farm's rows have it */
        hone_service__held_add(w, &(hone_held){.lease = e->lease, .phase = HONE_HELD_ENDED});
    hone_service__result(s, a->who, a->session, e);
    hone_service__attempt_drop(s, a);
}

void hone_service__tend_workers(service *s, int64_t now)
{
    hone_pool_peer p;
    bool progress = now - s->progress_ns >= PROGRESS_MS * HONE_SERVICE__MS;
    for (uint32_t i = 0; i < s->workers.n; i++) {
        worker *w = s->workers.v[i];
        hone_service__greet(s, w);
        if (w->session && hone_pool_peer_get(s->pool, w->peer, &p) && p.heard_ns >= s->heard_ns)
            hone_service__post(s, HONE_FARM_TRAFFIC, w->name)->e.session = w->session;
    }
    s->heard_ns = now;
    for (uint32_t i = 0; progress && i < s->attempts.n; i++) {
        const attempt *a = s->attempts.v[i];
        if (!a->speaks)
            hone_service__say_of(s, HONE_FARM_PROGRESS, a->who, a->session, a->fence);
    }
    s->progress_ns = progress ? now : s->progress_ns;
}

void hone_service__peers_free(service *s)
{
    for (uint32_t i = 0; i < s->workers.n; i++)
        worker_free(s->workers.v[i]);
    for (uint32_t i = 0; i < s->attempts.n; i++)
        free(s->attempts.v[i]);
    hone_vec_free(&s->workers);
    hone_vec_free(&s->attempts);
    hone_map_free(&s->worker_by_name);
    hone_map_free(&s->worker_by_peer);
    hone_map_free(&s->attempt_by_fence);
    hone_map_free(&s->attempt_by_id);
}
