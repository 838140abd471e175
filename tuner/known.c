/* Open addressing with linear probing, at most three quarters full. The hashes are good ones, so
 * their low bits are the place. Of each 48 bits are kept, as a search that goes on for days has
 * little else that grows: among a million that are known, one other in 300 million is taken for
 * known, and is not tried. 0 marks an empty slot, and what would be 0 goes by 1.
 *
 * Two tables make the bound: when the one that is written to has as many as are to be remembered,
 * it becomes the one before, and that is forgotten. */
#include "tuner/known.h"

#define FIRST_ROOM 1024
#define BYTES 6

static uint64_t cut(uint64_t hash)
{
    uint64_t h = hash & ((UINT64_C(1) << 8 * BYTES) - 1);
    return h ? h : 1;
}

static uint64_t get(const hone_tuner__hashes *k, uint32_t at)
{
    uint64_t h = 0;
    for (unsigned b = 0; b < BYTES; b++)
        h |= (uint64_t)k->v[(size_t)at * BYTES + b] << 8 * b;
    return h;
}

static void set(hone_tuner__hashes *k, uint32_t at, uint64_t h)
{
    for (unsigned b = 0; b < BYTES; b++)
        k->v[(size_t)at * BYTES + b] = (uint8_t)(h >> 8 * b);
}

/* Where h is, or would be. There is always an empty slot. */
static uint32_t place(const hone_tuner__hashes *k, uint64_t h)
{
    uint32_t mask = k->room - 1, at = (uint32_t)h & mask;
    for (uint64_t x; (x = get(k, at)) && x != h;)
        at = (at + 1) & mask;
    return at;
}

static void grow(hone_tuner__hashes *k)
{
    hone_tuner__hashes old = *k;
    k->room = old.room ? old.room * 2 : FIRST_ROOM;
    k->v = hone_xcalloc((size_t)k->room * BYTES, 1);
    for (uint32_t q = 0; q < old.room; q++) {
        uint64_t h = get(&old, q);
        if (h)
            set(k, place(k, h), h);
    }
    free(old.v);
}

static bool has(const hone_tuner__hashes *k, uint64_t h)
{
    return k->n > 0 && get(k, place(k, h)) == h;
}

bool hone_tuner__known_insert(hone_tuner__known *k, uint64_t hash)
{
    uint64_t h = cut(hash);
    hone_tuner__hashes *now = &k->now;
    if (has(now, h) || has(&k->before, h))
        return false;
    if (k->most && now->n == k->most) {
        free(k->before.v);
        k->before = *now;
        *now = (hone_tuner__hashes){0};
    }
    if (4 * (uint64_t)now->n >= 3 * (uint64_t)now->room)
        grow(now);
    set(now, place(now, h), h);
    now->n++;
    return true;
}

bool hone_tuner__known_has(const hone_tuner__known *k, uint64_t hash)
{
    uint64_t h = cut(hash);
    return has(&k->now, h) || has(&k->before, h);
}

void hone_tuner__known_free(hone_tuner__known *k)
{
    free(k->now.v);
    free(k->before.v);
    *k = (hone_tuner__known){0};
}
