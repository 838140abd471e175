/* Which results are kept, which go to make room, and which are said again. */
#include "workers/spool/spool.h"

void hone_workers__kept_free(hone_workers__kept *k)
{
    hone_buf_free(&k->message);
}

void hone_workers__spool_free(hone_workers__spool *s)
{
    for (uint32_t i = 0; i < s->v.n; i++)
        hone_workers__kept_free(&s->v.v[i]);
    hone_vec_free(&s->v);
}

static hone_workers__kept take_out(hone_workers__spool *s, uint32_t i)
{
    hone_workers__kept k = s->v.v[i];
    s->v.n--;
    memmove(&s->v.v[i], &s->v.v[i + 1], (s->v.n - i) * sizeof *s->v.v);
    return k;
}

bool hone_workers__spool_has_room(const hone_workers__spool *s, uint64_t realm)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->v.n; i++)
        n += s->v.v[i].realm == realm;
    return n < HONE_WORKERS__SPOOL_MAX;
}

/* Which goes first: a realm that is not here loses by that no more than it would by time. */
static uint32_t first_to_go(const hone_workers__spool *s, uint64_t realm)
{
    for (uint32_t i = 0; i < s->v.n; i++)
        if (s->v.v[i].realm != realm)
            return i;
    return 0;
}

bool hone_workers__spool_put(hone_workers__spool *s, hone_workers__kept *k,
                             hone_workers__kept *ret_gone)
{
    hone_workers__kept same;
    if (hone_workers__spool_take(s, k->realm, k->fence, &same))
        hone_workers__kept_free(&same);
    bool full = s->v.n >= HONE_WORKERS__SPOOL_MAX;
    if (full)
        *ret_gone = take_out(s, first_to_go(s, k->realm));
    hone_vec_push(&s->v, *k);
    k->message = (hone_buf){0};
    return full;
}

bool hone_workers__spool_take(hone_workers__spool *s, uint64_t realm, uint64_t fence,
                              hone_workers__kept *ret)
{
    for (uint32_t i = 0; i < s->v.n; i++) {
        if (s->v.v[i].realm == realm && s->v.v[i].fence == fence) {
            *ret = take_out(s, i);
            return true;
        }
    }
    return false;
}

bool hone_workers__spool_outlived(hone_workers__spool *s, uint64_t realm, int64_t now_ns,
                                  hone_workers__kept *ret)
{
    for (uint32_t i = 0; i < s->v.n; i++) {
        const hone_workers__kept *k = &s->v.v[i];
        bool old = now_ns > 0 && now_ns - k->since_ns > HONE_WORKERS__SPOOL_AGE_NS;
        if (k->realm != realm && (old || !k->lasting)) {
            *ret = take_out(s, i);
            return true;
        }
    }
    return false;
}

hone_workers__kept *hone_workers__spool_due(hone_workers__spool *s, uint64_t realm, int64_t now_ns)
{
    for (uint32_t i = 0; i < s->v.n; i++) {
        hone_workers__kept *k = &s->v.v[i];
        if (k->realm != realm || (k->said_ns && now_ns - k->said_ns < HONE_WORKERS__SPOOL_AGAIN_NS))
            continue;
        k->said_ns = now_ns;
        return k;
    }
    return NULL;
}

void hone_workers__spool_unsaid(hone_workers__spool *s)
{
    for (uint32_t i = 0; i < s->v.n; i++)
        s->v.v[i].said_ns = 0;
}

uint32_t hone_workers__spool_held(const hone_workers__spool *s, hone_wire_lease *ret, uint32_t n)
{
    uint32_t held = 0;
    for (uint32_t i = s->v.n; i-- > 0 && held < n;) {
        const hone_workers__kept *k = &s->v.v[i];
        ret[held++] = (hone_wire_lease){.realm = k->realm,
                                        .fence = k->fence,
                                        .unit_a = k->unit_a,
                                        .unit_b = k->unit_b,
                                        .epoch = k->epoch,
                                        .phase = HONE_WIRE_ENDED};
    }
    return held;
}
