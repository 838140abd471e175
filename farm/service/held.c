/* What workers hold beside the attempts of this session of theirs: what ran there, or had ended,
 * when this service or their connection went; and results until the farm's rows have them. */
#include "farm/service/internal.h"

#include <signal.h>
#include <sys/random.h>

#define KEPT_MAX (2 * HONE_MAX_HELD) /* of a worker */
#define REALM "realm"                /* note of the service itself: whose leases these are */

_Static_assert((int)HONE_HELD_FETCHING == HONE_FARM_PHASE_FETCHING &&
                   (int)HONE_HELD_CHECKING == HONE_FARM_PHASE_CHECKING &&
                   (int)HONE_HELD_TIMING == HONE_FARM_PHASE_TIMING &&
                   (int)HONE_HELD_ENDED == HONE_FARM_PHASE_ENDING,
               "phases of the wire are the farm's");

hone_status hone_service__realm(const service *s, uint64_t *ret, hone_error *err)
{
    char *text, made[17];
    hone_status st = hone_store_noted(s->db, 0, REALM, &text, err);
    if (st == HONE_OK) {
        bool good = hone_hash_parse(text, ret) && *ret;
        free(text);
        return good ? HONE_OK : hone_fail(err, HONE_E_CORRUPT, "the log's realm is no number");
    }
    if (st != HONE_E_NOTFOUND)
        return st;
    do
        if (getrandom(ret, sizeof *ret, 0) != (ssize_t)sizeof *ret)
            *ret = 0;
    while (*ret == 0);
    hone_hash_format(*ret, made);
    return hone_store_note(s->db, 0, REALM, made, err);
}

/* ---- the list ------------------------------------------------------------------------------- */

static holding *find(const worker *w, uint64_t fence)
{
    for (uint32_t i = 0; i < w->kept.n; i++)
        if (w->kept.v[i].held.lease.fence == fence)
            return &w->kept.v[i];
    return NULL;
}

static void free_result(holding *k)
{
    free(k->result);
    k->result = NULL;
}

static void drop(worker *w, holding *k)
{
    free_result(k);
    *k = w->kept.v[--w->kept.n];
}

void hone_service__held_free(worker *w)
{
    while (w->kept.n > 0)
        drop(w, &w->kept.v[0]);
    hone_vec_free(&w->kept);
}

void hone_service__held_add(worker *w, const hone_held *h)
{
    holding *k = find(w, h->lease.fence);
    if (k)
        k->held = *h;
    else
        hone_vec_push(&w->kept, (holding){.held = *h});
}

hone_farm_held *hone_service__held(const service *s, const worker *w, uint32_t *ret_n)
{
    hone_farm_held *v = hone_xcalloc(s->attempts.n + w->kept.n + 1, sizeof *v);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->attempts.n; i++) {
        const attempt *a = s->attempts.v[i];
        if (strcmp(a->who, w->name) == 0)
            v[n++] = (hone_farm_held){.fence = a->fence, .unit = a->unit, .phase = a->phase};
    }
    for (uint32_t i = 0; i < w->kept.n; i++) {
        const hone_held *h = &w->kept.v[i].held;
        v[n++] = (hone_farm_held){.fence = h->lease.fence,
                                  .unit = {{h->lease.unit[0], h->lease.unit[1]}},
                                  .phase = (hone_farm_phase)h->phase,
                                  .left_ms = h->left_ms};
    }
    *ret_n = n;
    return v;
}

/* ---- results -------------------------------------------------------------------------------- */

static bool fits(const want *w, const hone_measure_result *r)
{
    return r->n_samples <= w->measure.max_samples && r->max_error <= w->measure.tolerance &&
           (w->measure.incumbent != NULL) == (r->incumbent_ns[0] != 0);
}

/* Could it be the answer to what is wanted? What is not wanted here, now, nobody can say of. */
static bool answers(const service *s, const hone_farm_key *unit, const hone_pool_event *e)
{
    for (uint32_t k = 0; k < s->jobs.n; k++) {
        const job *j = s->jobs.v[k];
        for (uint32_t i = 0; i < j->wants.n; i++)
            if (!j->wants.v[i]->is_build && memcmp(&j->wants.v[i]->unit, unit, sizeof *unit) == 0)
                return fits(j->wants.v[i], &e->result);
    }
    return true;
}

static void post_late(service *s, const worker *w, hone_pool_event *e)
{
    hone_farm_key unit = {{e->lease.unit[0], e->lease.unit[1]}};
    if (e->status == HONE_OK && !answers(s, &unit, e)) {
        hone_log(HONE_LOG_WARN, "%s: a result that does not answer what was asked", w->name);
        e->status = HONE_E_PROTOCOL;
    }
    hone_service__result(s, w->name, w->session, e);
}

void hone_service__result(service *s, const char *who, uint64_t session, hone_pool_event *e)
{
    hone_farm_key unit = {{e->lease.unit[0], e->lease.unit[1]}};
    if (e->kind != HONE_POOL_BUILT && hone_fault("result.die"))
        raise(SIGKILL);
    payload *p = hone_service__payload_add(s, unit, e);
    event *r = hone_service__post(s, HONE_FARM_RESULT, who);
    r->e.session = session;
    r->e.result.fence = e->lease.fence;
    r->e.result.unit = unit;
    r->e.result.epoch = e->lease.epoch;
    r->e.result.status = p->status;
    r->e.result.spent_ns = p->spent_ns;
    r->e.result.handle = p->handle;
}

void hone_service__late(service *s, hone_pool_event *e)
{
    worker *w = hone_service__worker_of_peer(s, e->peer);
    if (!w || (w->kept.n >= KEPT_MAX && !find(w, e->lease.fence)))
        return; /* one that means well says it again */
    hone_service__held_add(w, &(hone_held){.lease = e->lease, .phase = HONE_HELD_ENDED});
    if (w->session) {
        post_late(s, w, e);
        return;
    }
    holding *k = find(w, e->lease.fence); /* until the farm knows this worker again */
    free_result(k);
    k->result = hone_xmalloc(sizeof *e);
    *k->result = *e;
}

void hone_service__held_said(service *s, worker *w)
{
    for (uint32_t i = 0; i < s->attempts.n; i++)
        if (strcmp(s->attempts.v[i]->who, w->name) == 0)
            s->attempts.v[i]->session = w->session;
    for (uint32_t i = 0; i < w->kept.n; i++) {
        if (!w->kept.v[i].result)
            continue;
        post_late(s, w, w->kept.v[i].result);
        free_result(&w->kept.v[i]);
    }
}

void hone_service__acked(service *s, const hone_farm_effect *x)
{
    static const hone_ack verdicts[] = {[HONE_FARM_TAKEN] = HONE_ACK_TAKEN,
                                        [HONE_FARM_DUPLICATE] = HONE_ACK_AGAIN,
                                        [HONE_FARM_STALE] = HONE_ACK_STALE,
                                        [HONE_FARM_COUNTED] = HONE_ACK_COUNTED};
    worker *w = hone_service__worker(s, x->who);
    holding *k = w ? find(w, x->ack.fence) : NULL;
    if (!k)
        return; /* of a build, or an older hone's */
    if (hone_fault("ack.die"))
        raise(SIGKILL);
    drop(w, k);
    hone_pool_ack(s->pool, w->peer, x->ack.fence, verdicts[x->ack.verdict]);
}

/* ---- what runs ------------------------------------------------------------------------------ */

void hone_service__progress(service *s, const hone_pool_event *e)
{
    worker *w = hone_service__worker_of_peer(s, e->peer);
    attempt *a = w ? hone_service__attempt(s, w->name, e->lease.fence) : NULL;
    holding *k = w ? find(w, e->lease.fence) : NULL;
    if (!a && !k)
        return;
    if (a)
        a->phase = (hone_farm_phase)e->phase;
    else if (k->held.phase < e->phase)
        k->held.phase = e->phase;
    if (w->session)
        hone_service__say_of(s, HONE_FARM_PROGRESS, w->name, w->session, e->lease.fence)
            ->e.lease.phase = (hone_farm_phase)e->phase;
}

void hone_service__held_revoke(service *s, worker *w, uint64_t fence)
{
    holding *k = find(w, fence);
    if (!k)
        return;
    if (k->held.phase == HONE_HELD_ENDED)
        return; /* nothing runs; what it says then is for the farm to judge */
    drop(w, k);
    hone_pool_revoke(s->pool, w->peer, fence);
}
