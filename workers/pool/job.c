/* Jobs of the pool: queue, assignment, what they keep alive, and the events they end in. */
#include "workers/pool/internal.h"

#define MS INT64_C(1000000)
#define UPLOAD_BYTES_PER_MS 1000 /* a slow link, for deadlines: 1 MB/s */

hone_pool_event *hone_workers__pool_event(hone_pool *p, hone_pool_event_kind kind)
{
    hone_pool_event *e = hone_xcalloc(1, sizeof *e);
    e->kind = kind;
    hone_vec_push(&p->events, e);
    return e;
}

/* ---- artifacts jobs hold -------------------------------------------------------------------- */

static hone_workers__blob *blob_hold(hone_pool *p, const hone_artifact *a)
{
    if (!a)
        return NULL;
    uint64_t key = hone_wire_artifact_key(&a->manifest, a->bytes, a->n);
    uint32_t at = 0;
    hone_workers__blob *b;
    while ((b = hone_map_next(&p->blobs, key, &at))) {
        if (b->key == key) {
            b->refs++;
            return b;
        }
    }
    b = hone_xcalloc(1, sizeof *b);
    b->key = key;
    b->refs = 1;
    hone_workers__artifact_set(&b->artifact, &a->manifest, a->bytes, a->n);
    hone_map_add(&p->blobs, key, b);
    return b;
}

static void blob_drop(hone_pool *p, hone_workers__blob *b)
{
    if (!b || --b->refs > 0)
        return;
    hone_map_remove(&p->blobs, b->key, b);
    hone_artifact_free(&b->artifact);
    free(b);
}

static bool peer_knows(const hone_workers__peer *peer, uint64_t key)
{
    for (unsigned i = 0; i < HONE_WORKERS__KNOWN; i++)
        if (peer->known[i] == key)
            return true;
    return false;
}

bool hone_workers__job_send_artifact(hone_pool *p, hone_workers__peer *peer, hone_workers__job *j,
                                     hone_workers__blob *b, bool again)
{
    if (!b || (!again && peer_knows(peer, b->key)))
        return true;
    hone_wire *m = hone_workers__pool_message_new(p, HONE_WIRE_ARTIFACT);
    m->artifact.key = b->key;
    m->artifact.manifest = b->artifact.manifest;
    m->artifact.bytes = (hone_wire_bytes){b->artifact.bytes, (uint32_t)b->artifact.n};
    if (!peer_knows(peer, b->key)) {
        peer->known[peer->known_turn] = b->key;
        peer->known_turn = (peer->known_turn + 1) % HONE_WORKERS__KNOWN;
    }
    j->deadline_ns += (int64_t)(b->artifact.n / UPLOAD_BYTES_PER_MS) * MS;
    return hone_workers__pool_tell(p, peer, m);
}

/* ---- the life of a job ---------------------------------------------------------------------- */

static hone_workers__job *job_new(hone_pool *p, unsigned role, uint64_t id)
{
    hone_workers__job *j = hone_xcalloc(1, sizeof *j);
    j->role = role;
    j->id = id;
    j->ticket = ++p->ticket;
    hone_vec_push(&p->waiting, j);
    return j;
}

void hone_workers__job_free(hone_pool *p, hone_workers__job *j)
{
    for (size_t i = 0; i < HONE_LEN(j->blob); i++)
        blob_drop(p, j->blob[i]);
    free((char *)j->build.workload);
    free((char *)j->build.trace);
    hone_text_drop(j->build.target);
    free((char *)j->build.intrins);
    hone_workers__machine_free(&j->needs);
    free(j);
}

void hone_pool_build(hone_pool *p, const hone_build_job *job)
{
    hone_workers__job *j = job_new(p, 0, job->id);
    j->build = *job;
    j->only = job->peer;
    j->build.workload = hone_xstrdup(job->workload);
    j->build.trace = job->trace ? hone_xstrdup(job->trace) : NULL;
    j->build.target = hone_text_hold(job->target);
    j->build.intrins = job->intrins ? hone_xstrdup(job->intrins) : NULL;
}

void hone_pool_measure(hone_pool *p, const hone_measure_job *job)
{
    hone_workers__job *j = job_new(p, 1, job->id);
    j->measure = *job;
    j->only = job->peer;
    snprintf(j->library, sizeof j->library, "%s", job->library ? job->library : "");
    j->measure.library = NULL;
    j->blob[0] = blob_hold(p, job->candidate);
    j->blob[1] = blob_hold(p, job->reference);
    j->blob[2] = blob_hold(p, job->incumbent);
    j->measure.candidate = j->blob[0] ? &j->blob[0]->artifact : NULL;
    j->measure.reference = j->blob[1] ? &j->blob[1]->artifact : NULL;
    j->measure.incumbent = j->blob[2] ? &j->blob[2]->artifact : NULL;
    hone_error err;
    hone_status s =
        job->target ? hone_workers__machine_again(p, job->target, &j->needs, &err) : HONE_OK;
    j->measure.target = j->needs.text;
    if (s == HONE_OK)
        return;
    p->waiting.n--; /* where job_new has put it */
    hone_workers__job_fail(p, j, s, "%s", err.message);
}

/* Takes a job out of the hands of its worker, if it is there. */
static void job_release(hone_pool *p, hone_workers__job *j)
{
    if (!j->peer)
        return;
    p->running.v[j->at] = p->running.v[--p->running.n];
    p->running.v[j->at]->at = j->at;
    hone_map_remove(&p->by_ticket, j->ticket, j);
    hone_workers__job **at = &j->peer->jobs;
    while (*at != j)
        at = &(*at)->beside;
    *at = j->beside;
    j->peer->busy[j->role]--;
}

hone_pool_event *hone_workers__job_finish(hone_pool *p, hone_workers__job *j)
{
    hone_pool_event *e =
        hone_workers__pool_event(p, j->role ? HONE_POOL_MEASURED : HONE_POOL_BUILT);
    e->id = j->id;
    if (j->peer) {
        e->peer = j->peer->number;
        snprintf(e->text, sizeof e->text, "%s", j->peer->name);
        snprintf(e->device, sizeof e->device, "%s", j->peer->name);
    }
    job_release(p, j);
    hone_workers__job_free(p, j);
    return e;
}

static void cancel_waiting(hone_pool *p, uint64_t id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->waiting.n; i++) {
        hone_workers__job *j = p->waiting.v[i];
        if (j->id == id)
            hone_workers__job_free(p, j);
        else
            p->waiting.v[kept++] = j;
    }
    p->waiting.n = kept;
}

static void cancel_running(hone_pool *p, uint64_t id)
{
    for (uint32_t i = 0; i < p->running.n;) {
        hone_workers__job *j = p->running.v[i];
        if (j->id != id) {
            i++;
            continue;
        }
        hone_workers__peer *peer = j->peer;
        hone_wire m = {.type = HONE_WIRE_CANCEL, .cancel = {j->ticket}};
        job_release(p, j);
        hone_workers__job_free(p, j);
        /* An older worker finishes it; what it says then is for nobody. */
        if (peer->revision >= HONE_WIRE_REVISION_CANCEL && !hone_workers__pool_tell(p, peer, &m))
            i = 0; /* the list has changed with the loss of the peer */
    }
}

/* A result that came already goes with its event, and nobody waits for it. */
static void cancel_events(hone_pool *p, uint64_t id)
{
    uint32_t kept = p->first;
    uint64_t peer = 0, fence = 0;
    for (uint32_t i = p->first; i < p->events.n; i++) {
        hone_pool_event *e = p->events.v[i];
        if (e->id == id && (e->kind == HONE_POOL_BUILT || e->kind == HONE_POOL_MEASURED)) {
            peer = e->peer;
            fence = e->lease.fence;
            hone_artifact_free(&e->artifact);
            free(e);
        } else {
            p->events.v[kept++] = e;
        }
    }
    p->events.n = kept;
    if (fence && p->by_hand)
        hone_pool_ack(p, peer, fence, HONE_ACK_STALE);
}

void hone_pool_cancel(hone_pool *p, uint64_t id)
{
    cancel_waiting(p, id);
    cancel_running(p, id);
    cancel_events(p, id); /* last: a peer lost over it gives back jobs, perhaps one of this id */
}

void hone_workers__job_fail(hone_pool *p, hone_workers__job *j, hone_status s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hone_pool_event *e = hone_workers__job_finish(p, j);
    e->status = s;
    hone_fail(&e->error, s, "%s", text);
}

hone_workers__job *hone_workers__job_find(hone_pool *p, const hone_workers__peer *peer,
                                          uint64_t ticket, unsigned role)
{
    uint32_t at = 0;
    hone_workers__job *j;
    while ((j = hone_map_next(&p->by_ticket, ticket, &at)))
        if (j->ticket == ticket && j->peer == peer && j->role == role)
            return j;
    return NULL;
}

/* ---- assignment ----------------------------------------------------------------------------- */

static int64_t limit_ms(const hone_workers__job *j)
{
    const hone_measure_job *m = &j->measure;
    /* It is checked before the timing and after it. */
    int64_t ms = j->role ? m->reference_ms + 2 * m->check_ms + m->run_ms : j->build.deadline_ms;
    return ms > 0 ? ms : 0;
}

/* A worker builds one job after the other, so a job behind another one has its time after that. */
static int64_t start_of(const hone_workers__job *j, int64_t now)
{
    int64_t start = now;
    for (const hone_workers__job *o = j->peer->jobs; o; o = o->beside)
        if (o->role == j->role && o->deadline_ns > start)
            start = o->deadline_ns;
    return start;
}

/* The message of a job; its texts are borrowed. HONE_E_LIMIT: too long for the protocol. */
static hone_status check_fits(hone_pool *p, hone_wire *m, const hone_workers__job *j,
                              hone_error *err)
{
    memset(m, 0, offsetof(hone_wire, hello));
    m->deadline_ms = limit_ms(j);
    if (j->role == 0) {
        m->type = HONE_WIRE_BUILD;
        m->build = hone_wire_of_build(&j->build, j->ticket);
    } else {
        uint64_t keys[3] = {0};
        for (size_t i = 0; i < HONE_LEN(j->blob); i++) {
            keys[i] = j->blob[i] ? j->blob[i]->key : 0;
            if (j->blob[i] && j->blob[i]->artifact.n > HONE_MAX_ARTIFACT_BYTES)
                return hone_fail(err, HONE_E_LIMIT, "an artifact is larger than %d bytes",
                                 HONE_MAX_ARTIFACT_BYTES);
        }
        m->type = HONE_WIRE_MEASURE;
        m->measure = hone_wire_of_measure(&j->measure, j->ticket, keys);
        hone_lease lease = hone_workers__pool_lease(p, j->peer, j);
        m->measure.fence = lease.fence;
        m->measure.epoch = lease.epoch;
        m->measure.unit_a = lease.unit[0];
        m->measure.unit_b = lease.unit[1];
    }
    hone_buf_reset(&p->out);
    return hone_wire_encode(m, &p->out, err);
}

uint32_t hone_workers__peer_busy(const hone_workers__peer *peer)
{
    return peer->busy[0] + peer->busy[1];
}

/* The peer with credit and the least to do; the freshest first among equals. */
static hone_workers__peer *choose(const hone_pool *p, const hone_workers__job *j)
{
    hone_workers__peer *best = NULL;
    if (j->only) {
        hone_workers__peer *x = hone_workers__pool_peer(p, j->only);
        return x && x->credit[j->role] > 0 && hone_workers__job_suits(p, j, x) ? x : NULL;
    }
    for (uint32_t i = 0; i < p->peers.n; i++) {
        hone_workers__peer *x = p->peers.v[i];
        if (x->credit[j->role] > 0 && hone_workers__job_suits(p, j, x) &&
            (!best || hone_workers__peer_busy(x) < hone_workers__peer_busy(best)))
            best = x;
    }
    return best;
}

/* False when the peer was lost over it; its job is then an event. */
static bool send_job(hone_pool *p, hone_workers__peer *peer, hone_workers__job *j)
{
    hone_wire m;
    hone_error err = {0};
    j->peer = peer;
    hone_status s = check_fits(p, &m, j, &err);
    peer->busy[j->role]++;
    int64_t start = start_of(j, hone_clock_ns());
    j->beside = peer->jobs;
    peer->jobs = j;
    j->at = p->running.n;
    hone_vec_push(&p->running, j);
    hone_map_add(&p->by_ticket, j->ticket, j);
    if (s != HONE_OK) {
        hone_workers__job_fail(p, j, s, "%s", err.message);
        return true;
    }
    peer->credit[j->role]--;
    p->credit[j->role]--;
    /* The worker keeps the job's own deadline; the grace is for the way there and back. */
    j->deadline_ns = start + limit_ms(j) * MS + p->lost_ns;
    for (size_t i = 0; i < HONE_LEN(j->blob); i++)
        if (!hone_workers__job_send_artifact(p, peer, j, j->blob[i], false))
            return false;
    return hone_workers__pool_tell(p, peer, &m);
}

void hone_workers__pool_assign(hone_pool *p)
{
    for (uint32_t i = 0; i < p->waiting.n && (p->credit[0] || p->credit[1]);) {
        hone_workers__job *j = p->waiting.v[i];
        hone_workers__peer *peer = p->credit[j->role] ? choose(p, j) : NULL;
        if (!peer) { /* one behind it may need another machine */
            i++;
            continue;
        }
        memmove(&p->waiting.v[i], &p->waiting.v[i + 1],
                (p->waiting.n - i - 1) * sizeof *p->waiting.v);
        p->waiting.n--;
        send_job(p, peer, j);
    }
}
