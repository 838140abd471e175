/* A set of hashes that only grows: what was asked for or told. Of each 48 bits tell it apart.
 * Private to the room. */
#ifndef HONE_TUNER_KNOWN_H
#define HONE_TUNER_KNOWN_H

#include "base/base.h"

typedef struct hone_tuner__known {
    uint8_t *v; /* open addressing (known.c) */
    uint32_t n, room;
} hone_tuner__known;

/* False: it was there. */
bool hone_tuner__known_insert(hone_tuner__known *k, uint64_t hash);
bool hone_tuner__known_has(const hone_tuner__known *k, uint64_t hash);
void hone_tuner__known_free(hone_tuner__known *k);

#endif
