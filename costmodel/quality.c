/* How good a model is at one kernel: its order of candidates against their times. */
#include "costmodel/costmodel.h"

#include <math.h>

#define PEAK 32

typedef struct judged {
    double cost, ns;
} judged;

static int by_cost(const void *a, const void *b)
{
    double x = ((const judged *)a)->cost, y = ((const judged *)b)->cost;
    return x < y ? -1 : x > y;
}

static double pair_accuracy(const judged *v, uint32_t n, double noise)
{
    double pairs = 0, right = 0;
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = a + 1; b < n; b++) { /* a is thought no slower */
            double apart = log(v[b].ns / v[a].ns);
            if (fabs(apart) <= noise)
                continue;
            pairs++;
            right += v[a].cost == v[b].cost ? 0.5 : apart > 0;
        }
    return pairs > 0 ? right / pairs : NAN;
}

void hone_model_judge(const double *cost, const double *time_ns, uint32_t n, double noise,
                      hone_model_quality *ret)
{
    *ret = (hone_model_quality){NAN, NAN, NAN, NAN, n};
    if (n == 0)
        return;
    judged *v = hone_xmalloc(n * sizeof *v);
    double best = INFINITY, least = INFINITY, sum = 0;
    for (uint32_t k = 0; k < n; k++) {
        v[k] = (judged){cost[k], time_ns[k]};
        best = fmin(best, time_ns[k]);
    }
    qsort(v, n, sizeof *v, by_cost);
    ret->pair_accuracy = pair_accuracy(v, n, noise);
    for (uint32_t k = 0; k < PEAK; k++) {
        if (k < n)
            least = fmin(least, v[k].ns);
        sum += best / least;
        if (k == 0)
            ret->top1 = best / least;
        if (k == 4)
            ret->top5 = best / least;
    }
    ret->peak32 = sum / PEAK;
    free(v);
}
