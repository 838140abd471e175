/* baseline: what a device's canaries are expected to be, and what one that comes says. Pure: a
 * baseline is changed by the canaries it is given and by nothing else.
 *
 * A baseline keeps learning: it is the median of the last canaries that were as they should be, and
 * their spread (MAD) is its noise. What is not as it should be begins an episode. An episode ends
 *   - well, when canaries are as they should be several times in a row, or when a closer look says
 *     that it was noise; noise is learned;
 *   - otherwise, when it has lasted for level_ms and most of it was off: then what was seen in it
 * is the baseline from now on, which is said (SHIFTED). A slow drift is followed, and said as well
 * each time it has come so far that times of before and after are not one device's any more
 * (CREPT). What the device was at first is kept beside it.
 *
 * Robust location and spread: Huber, Robust Statistics (1981), 5.1; small lasting changes: CUSUM,
 * Page, Biometrika 41 (1954). */
#ifndef HONE_FARM_BASELINE_H
#define HONE_FARM_BASELINE_H

#include "farm/farm.h"

typedef enum hone_farm__word {
    CANARY_LEARNING, /* not known yet what it should be */
    CANARY_LEARNED,  /* with this one it is */
    CANARY_CLEAN,
    CANARY_CREPT,   /* clean, and the baseline has come far from where its epoch began */
    CANARY_OFF,     /* off, or it is being looked at more closely: nothing follows yet */
    CANARY_HOT,     /* the second in a row that is slower by more than a tenth */
    CANARY_CHANGED, /* the closer look says that it is off */
    CANARY_SHIFTED  /* it was off for level_ms: that is what it is now */
} hone_farm__word;

/* Learns anew. anew: what it was at first is of no interest either. */
void hone_farm__baseline_new(hone_farm_baseline *b, bool anew);
/* x: ln ns of a canary's kernels; now_ns: of the farm's clock, never going back. Used of l:
 * canary_burn_in, canary_baseline, canary_again, level_ms. */
hone_farm__word hone_farm__baseline_take(hone_farm_baseline *b, const double x[HONE_FARM_CANARIES],
                                         int64_t now_ns, const hone_farm_limits *l);
/* It is known what canaries should be. */
bool hone_farm__baseline_known(const hone_farm_baseline *b);
/* The next canary should come at once. */
bool hone_farm__baseline_asks(const hone_farm_baseline *b, int64_t now_ns,
                              const hone_farm_limits *l);
/* A person says that it is well: what is off now need not last to be its baseline. */
void hone_farm__baseline_accept(hone_farm_baseline *b, int64_t now_ns, const hone_farm_limits *l);

#endif
