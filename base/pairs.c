/* Two things timed in turns: which takes longer, and how sure is that?
 *
 * What disturbs a pair is the machine's, not theirs: a neighbour, a clock, another process. So a
 * ratio is of one pair, whose two stand close together, and not of two sets of samples; and the
 * third of the pairs that took longest together is left out, which favours neither. (Of one kernel
 * against itself, 15 pairs of 2 ms on a shared processor: the deviation of what is told is 0.023
 * so, 0.037 for the ratio of lower quartiles, 0.036 for that of medians; with another process on
 * one of two processors that the kernel needs, 0.033, 0.030 and 0.15.)
 *
 * Where more wants to run than there are processors, nearly every pair has one that ran and one
 * that waited, for several times its own time. The median of the ratios then is that of a coin, by
 * which clocks of a tuner ran away by a factor of 37. The interval shows it: it is wide. What
 * either takes when it does run is in the lower quarter of its samples, so there the ratio of lower
 * quartiles speaks. */
#include "base/base.h"

#include <math.h>

#define LEAST_KEPT 5
#define WIDE 0.2       /* an interval that says that pairs do not tell */
#define LEAST_SORTED 8 /* of fewer, the lower quartile is the least */

typedef struct pair {
    double sum, ratio; /* of logarithms */
} pair;

static int by_sum(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    return (x->sum > y->sum) - (x->sum < y->sum);
}

static int by_ratio(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    return (x->ratio > y->ratio) - (x->ratio < y->ratio);
}

double hone_lower_quartile(const double *v, uint32_t n)
{
    double sorted[HONE_PAIRS_MOST];
    HONE_ASSERT(n >= 1 && n <= HONE_PAIRS_MOST);
    memcpy(sorted, v, n * sizeof *v);
    hone_sort(sorted, n);
    return sorted[(n - 1) / 4];
}

hone_paired hone_pairs_compare(const double *a, const double *b, uint32_t n, double errors)
{
    if (n == 0)
        return (hone_paired){.low = -INFINITY, .high = INFINITY};
    pair v[HONE_PAIRS_MOST];
    HONE_ASSERT(n <= HONE_PAIRS_MOST);
    for (uint32_t k = 0; k < n; k++)
        v[k] = (pair){.sum = log(a[k]) + log(b[k]), .ratio = log(a[k] / b[k])};
    qsort(v, n, sizeof *v, by_sum);
    uint32_t kept = (2 * n + 2) / 3;
    kept = kept >= LEAST_KEPT ? kept : n < LEAST_KEPT ? n : LEAST_KEPT;
    qsort(v, kept, sizeof *v, by_ratio);
    /* ranks between which the true median lies: so many of `kept` coins fall on one side */
    double rank = floor((kept - errors * sqrt(kept)) / 2);
    uint32_t cut = rank > 0 ? (uint32_t)rank : 0;
    hone_paired r = {.ratio = (v[(kept - 1) / 2].ratio + v[kept / 2].ratio) / 2,
                     .low = v[cut].ratio,
                     .high = v[kept - 1 - cut].ratio};
    if (n >= LEAST_SORTED && r.high - r.low > WIDE) {
        r.ratio = log(hone_lower_quartile(a, n)) - log(hone_lower_quartile(b, n));
        r.low = fmin(r.low, r.ratio);
        r.high = fmax(r.high, r.ratio);
    }
    return r;
}
