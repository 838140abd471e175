/* Pointers by hash: open addressing; a slot that was used and is free again keeps its hash, and its
 * p is NULL. */
#include "base/base.h"

static void put(hone_map *m, uint64_t hash, void *p)
{
    uint32_t i = (uint32_t)(hash & (m->cap - 1));
    while (m->v[i].p)
        i = (i + 1) & (m->cap - 1);
    m->v[i] = (struct hone_map_slot){hash, p};
}

/* 0 stands for "never used". */
static uint64_t mixed(uint64_t hash)
{
    return hone_hash_mix(0x5eed, hash) | 1;
}

void hone_map_add(hone_map *m, uint64_t hash, void *p)
{
    if (3 * (uint64_t)(m->used + 1) > 2 * (uint64_t)m->cap) {
        hone_map old = *m;
        uint32_t cap = 64;
        while (cap < 2 * ((uint64_t)old.n + 1)) /* at most half full */
            cap *= 2;
        *m = (hone_map){hone_xcalloc(cap, sizeof *m->v), cap, old.n, old.n};
        for (uint32_t i = 0; i < old.cap; i++)
            if (old.v[i].p)
                put(m, old.v[i].hash, old.v[i].p);
        free(old.v);
    }
    uint32_t i = (uint32_t)(mixed(hash) & (m->cap - 1));
    while (m->v[i].p)
        i = (i + 1) & (m->cap - 1);
    m->used += m->v[i].hash == 0;
    m->v[i] = (struct hone_map_slot){mixed(hash), p};
    m->n++;
}

void *hone_map_next(const hone_map *m, uint64_t hash, uint32_t *at)
{
    uint64_t h = mixed(hash);
    for (; *at < m->cap;) {
        const struct hone_map_slot *s = &m->v[((uint32_t)h + (*at)++) & (m->cap - 1)];
        if (s->p && s->hash == h)
            return s->p;
        if (s->hash == 0)
            return NULL;
    }
    return NULL;
}

void hone_map_remove(hone_map *m, uint64_t hash, const void *p)
{
    uint64_t h = mixed(hash);
    for (uint32_t k = 0; k < m->cap; k++) {
        struct hone_map_slot *s = &m->v[((uint32_t)h + k) & (m->cap - 1)];
        if (s->p == p && s->hash == h) {
            s->p = NULL;
            m->n--;
            return;
        }
        if (s->hash == 0)
            return;
    }
}

void hone_map_free(hone_map *m)
{
    free(m->v);
    *m = (hone_map){0};
}
