/* A set of hashes: what was asked for or told. Of each 48 bits tell it apart. It grows up to a
 * bound, and then forgets the oldest half. Private to the room. */
#ifndef HONE_TUNER_KNOWN_H
#define HONE_TUNER_KNOWN_H

#include "base/base.h"

typedef struct hone_tuner__hashes {
    uint8_t *v; /* open addressing (known.c) */
    uint32_t n, room;
} hone_tuner__hashes;

typedef struct hone_tuner__known {
    uint32_t most; /* the latest so many are surely there, and at most twice as many; 0: all */
    hone_tuner__hashes now, before;
} hone_tuner__known;

/* False: it was there. */
bool hone_tuner__known_insert(hone_tuner__known *k, uint64_t hash);
bool hone_tuner__known_has(const hone_tuner__known *k, uint64_t hash);
void hone_tuner__known_free(hone_tuner__known *k);

#endif
