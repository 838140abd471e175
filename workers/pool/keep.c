/* Leases: what workers hold of this coordinator, and results that they keep until ACK. */
#include "workers/pool/internal.h"

#include <math.h>

hone_lease hone_workers__pool_lease(const hone_pool *p, const hone_workers__peer *peer,
                                    const hone_workers__job *j)
{
    if (!peer || peer->revision < HONE_WIRE_REVISION_KEEP || !j->role)
        return (hone_lease){0};
    return p->lasting ? j->measure.lease : (hone_lease){.fence = j->ticket};
}

void hone_workers__pool_holds(hone_pool *p, hone_workers__peer *peer, const hone_wire_hello *h)
{
    peer->held = h->n_held ? hone_xcalloc(h->n_held, sizeof *peer->held) : NULL;
    for (uint32_t i = 0; i < h->n_held; i++) {
        const hone_wire_lease *l = &h->held[i];
        if (l->realm == p->realm)
            peer->held[peer->n_held++] =
                (hone_held){.lease = {l->fence, l->epoch, {l->unit_a, l->unit_b}},
                            .phase = (hone_held_phase)l->phase,
                            .left_ms = l->left_ms};
    }
    if (p->lasting && (peer->roles & HONE_ROLE_RUN) && peer->revision < HONE_WIRE_REVISION_KEEP)
        hone_log(HONE_LOG_WARN,
                 "worker %s is of an older hone: what it has in hand when this service ends is "
                 "measured again",
                 peer->name);
    if (peer->n_held)
        hone_log(HONE_LOG_INFO, "worker %s holds %u leases of ours, of %u results that it keeps",
                 peer->name, peer->n_held, h->spooled);
}

static void send_ack(hone_pool *p, hone_workers__peer *peer, uint64_t fence, hone_ack verdict)
{
    if (!fence || peer->revision < HONE_WIRE_REVISION_KEEP)
        return;
    hone_wire *m = hone_workers__pool_message_new(p, HONE_WIRE_ACK);
    m->ack = (hone_wire_ack){fence, (uint32_t)verdict};
    hone_workers__pool_tell(p, peer, m);
}

void hone_pool_hold(hone_pool *p)
{
    p->by_hand = true;
}

/* Where in `owed`; its length: it is not there. */
static uint32_t owed_at(const hone_pool *p, uint64_t fence)
{
    uint32_t i = 0;
    while (i < p->owed.n && p->owed.v[i] != fence)
        i++;
    return i;
}

void hone_pool_ack(hone_pool *p, uint64_t number, uint64_t fence, hone_ack verdict)
{
    uint32_t i = owed_at(p, fence);
    hone_workers__peer *peer = hone_workers__pool_peer(p, number);
    if (i < p->owed.n)
        p->owed.v[i] = p->owed.v[--p->owed.n];
    if (peer)
        send_ack(p, peer, fence, verdict);
}

void hone_pool_revoke(hone_pool *p, uint64_t number, uint64_t fence)
{
    hone_workers__peer *peer = hone_workers__pool_peer(p, number);
    hone_wire m = {.type = HONE_WIRE_CANCEL, .cancel = {.fence = fence}};
    if (peer && peer->revision >= HONE_WIRE_REVISION_KEEP)
        hone_workers__pool_tell(p, peer, &m);
}

void hone_workers__pool_handed_out(hone_pool *p, hone_workers__peer *peer, uint64_t fence)
{
    if (!fence || p->lasting)
        return;
    if (p->by_hand)
        hone_vec_push(&p->owed, fence);
    else
        send_ack(p, peer, fence, HONE_ACK_TAKEN);
}

/* The widest question that such a result may answer. */
static hone_measure_job widest(const hone_wire_measured *m)
{
    static const hone_artifact some;
    bool paired = m->n_incumbent_ns > 0 && m->incumbent_ns[0] != 0;
    return (hone_measure_job){
        .incumbent = paired ? &some : NULL, .max_samples = HONE_MAX_SAMPLES, .tolerance = INFINITY};
}

void hone_workers__pool_late(hone_pool *p, hone_workers__peer *peer, const hone_wire *m)
{
    const hone_wire_measured *d = &m->measured;
    if (d->fence == 0)
        return;
    if (!p->lasting) { /* said again, and not durable yet; or of a job that came back otherwise */
        if (owed_at(p, d->fence) == p->owed.n)
            send_ack(p, peer, d->fence, HONE_ACK_STALE);
        return;
    }
    hone_measure_job asked = widest(d);
    hone_measure_result result;
    hone_error err = {0};
    if (hone_wire_result(d, &asked, &result, &err) != HONE_OK) {
        hone_workers__pool_expel(p, peer, m->seq, err.message);
        return;
    }
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_LATE);
    e->peer = peer->number;
    e->lease = (hone_lease){d->fence, d->epoch, {d->unit_a, d->unit_b}};
    snprintf(e->device, sizeof e->device, "%s", peer->name);
    hone_workers__pool_outcome(e, d, &result);
}

void hone_workers__pool_progress(hone_pool *p, const hone_workers__peer *peer,
                                 const hone_wire_progress *m)
{
    if (!p->lasting || !m->fence || m->phase < HONE_WIRE_FETCHING || m->phase > HONE_WIRE_TIMING)
        return;
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_PROGRESS);
    e->peer = peer->number;
    e->lease.fence = m->fence;
    e->phase = (hone_held_phase)m->phase;
    snprintf(e->device, sizeof e->device, "%s", peer->name);
}
