/* The loop around sessions: events of the pool go to the session whose job they are of, time goes
 * to all, and what they hand out goes to the pool. */
#include "tuner/tuner.h"

#define TURN_MS 50

static uint64_t new_id(void *ctx)
{
    return hone_pool_new_id(((hone_driver *)ctx)->pool);
}

static uint32_t able(void *ctx, unsigned role, const char *target)
{
    return hone_pool_able(((hone_driver *)ctx)->pool, role, target);
}

static uint32_t in_hand(void *ctx, unsigned role)
{
    const hone_driver *d = ctx;
    uint32_t n = 0;
    for (unsigned k = 0; k < d->n; k++)
        n += d->sessions[k] ? hone_session_in_hand(d->sessions[k], role) : 0;
    return n;
}

static bool coming(void *ctx, unsigned role)
{
    const hone_driver *d = ctx;
    return d->coming && d->coming(d->workers, role);
}

hone_session_port hone_driver_port(hone_driver *d)
{
    return (hone_session_port){
        .ctx = d, .new_id = new_id, .able = able, .in_hand = in_hand, .coming = coming};
}

static void act(hone_driver *d, unsigned k, const hone_session_action *a)
{
    switch (a->kind) {
    case HONE_SESSION_BUILD:
        hone_pool_build(d->pool, &a->build);
        break;
    case HONE_SESSION_MEASURE:
        hone_pool_measure(d->pool, &a->measure);
        break;
    case HONE_SESSION_CANCEL:
        hone_pool_cancel(d->pool, a->cancel);
        break;
    case HONE_SESSION_NOTICE:
    case HONE_SESSION_TRIAL:
    case HONE_SESSION_PROGRESS:
        if (d->on_action)
            d->on_action(d->ctx, k, a);
        break;
    }
}

/* Its device may forget a result when what the session of number k made of it is in the log, or
 * when it is nobody's (k < 0). A session that could not write has ended. */
static void acknowledge(hone_driver *d, int k, const hone_pool_event *e)
{
    if (e->kind == HONE_POOL_MEASURED &&
        (k < 0 || hone_session_get_result(d->sessions[k])->status == HONE_OK))
        hone_pool_ack(d->pool, e->peer, e->lease.fence, k < 0 ? HONE_ACK_STALE : HONE_ACK_TAKEN);
}

static void step(hone_driver *d, unsigned k, hone_pool_event *e)
{
    hone_session_action a;
    int64_t start = hone_clock_ns();
    hone_session_step(d->sessions[k], e, start);
    d->step_ns += hone_clock_ns() - start;
    while (hone_session_next_action(d->sessions[k], &a))
        act(d, k, &a);
}

static bool all_done(const hone_driver *d)
{
    for (unsigned k = 0; k < d->n; k++)
        if (d->sessions[k] && !hone_session_get_result(d->sessions[k])->done)
            return false;
    return !(d->more && d->more(d->ctx));
}

void hone_drive(hone_driver *d, hone_session *const *sessions, unsigned n)
{
    d->sessions = sessions;
    d->n = n;
    hone_pool_hold(d->pool);
    while (!all_done(d)) {
        hone_pool_event e;
        hone_pool_next(d->pool, TURN_MS, &e);
        bool of_job = e.kind == HONE_POOL_BUILT || e.kind == HONE_POOL_MEASURED;
        if (!of_job && e.kind != HONE_POOL_NOTHING && d->on_peer)
            d->on_peer(d->ctx, &e);
        if (d->on_turn)
            d->on_turn(d->ctx);
        bool stop = d->stop && d->stop(d->ctx);
        int owner = -1;
        for (unsigned k = 0; k < n; k++) {
            if (!sessions[k])
                continue;
            bool mine = of_job && hone_session_owns(sessions[k], e.id);
            if (stop)
                hone_session_stop(sessions[k]);
            step(d, k, mine ? &e : NULL);
            owner = mine ? (int)k : owner;
        }
        acknowledge(d, owner, &e);
        hone_artifact_free(&e.artifact); /* nobody's, or taken */
    }
}
