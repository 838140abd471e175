/* Open addressing with linear probing, at most half full. The hashes are good ones, so their low
 * bits are the place; 0 marks an empty slot, and the hash 0 goes by 1. */
#include "tuner/known.h"

#define FIRST_ROOM 1024

/* Where h is, or would be. There is always an empty slot. */
static uint32_t place(const hone_tuner__known *k, uint64_t h)
{
    uint32_t mask = k->room - 1, at = (uint32_t)h & mask;
    while (k->v[at] && k->v[at] != h)
        at = (at + 1) & mask;
    return at;
}

static void grow(hone_tuner__known *k)
{
    hone_tuner__known old = *k;
    k->room = old.room ? old.room * 2 : FIRST_ROOM;
    k->v = hone_xcalloc(k->room, sizeof *k->v);
    for (uint32_t q = 0; q < old.room; q++)
        if (old.v[q])
            k->v[place(k, old.v[q])] = old.v[q];
    free(old.v);
}

bool hone_tuner__known_insert(hone_tuner__known *k, uint64_t hash)
{
    uint64_t h = hash ? hash : 1;
    if (k->n * 2 >= k->room)
        grow(k);
    uint32_t at = place(k, h);
    if (k->v[at] == h)
        return false;
    k->v[at] = h;
    k->n++;
    return true;
}

bool hone_tuner__known_has(const hone_tuner__known *k, uint64_t hash)
{
    uint64_t h = hash ? hash : 1;
    return k->n > 0 && k->v[place(k, h)] == h;
}

void hone_tuner__known_free(hone_tuner__known *k)
{
    free(k->v);
    *k = (hone_tuner__known){0};
}
