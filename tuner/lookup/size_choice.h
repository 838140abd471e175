/* Which variants of a function for a range of sizes are worth having, and which of them runs when:
 * a pure function of what each is expected to take at some sizes.
 *
 * Threads: no state. */
#ifndef HONE_SIZE_CHOICE_H
#define HONE_SIZE_CHOICE_H

#include "base/base.h"

#define HONE_SIZE_CHOICE_MAX 8 /* variants */

/* All is borrowed. */
typedef struct hone_size_question {
    unsigned n, n_sizes;
    const int64_t *sizes;  /* rising, the first and last of the range among them */
    const double *weights; /* of each size, > 0: how much a loss there counts */
    /* cost[v * n_sizes + s]: ln of the time of variant v at size s, up to a constant of the size;
     * infinite: it does not do that size. Some variant does each size, one all of them. */
    const double *cost;
    const int64_t *most; /* of each variant: the largest size it does */
    unsigned max;        /* variants to take, at most HONE_SIZE_CHOICE_MAX */
    double gain;         /* a further variant has to save so much of the mean ln(time) */
} hone_size_question;

typedef struct hone_size_range {
    int64_t last; /* sizes up to this one, from the range before on */
    unsigned variant;
} hone_size_range;

typedef struct hone_size_choice {
    HONE_VEC(hone_size_range) ranges; /* in order, to the end of the range; neighbours differ */
    double regret; /* weighted mean of ln(time of what runs / time of the best of all n) */
} hone_size_choice;

/* Takes the variants one after the other, each time the one that makes the weighted loss least.
 * Where two sizes next to each other have different ones, the border is where their costs, taken as
 * straight lines over ln(size), cross. *ret is the caller's: hone_vec_free(&ret->ranges). */
void hone_size_choose(const hone_size_question *q, hone_size_choice *ret);

#endif
