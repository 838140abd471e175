/* Whether another schedule is preferred to the default. A pure function of what is predicted here
 * and of what the log has of near sizes, where both were measured.
 *
 * A gain is ln of the default's time over the other's. At near size s it was g_s, where the model
 * would have predicted p_s = g_s + favour_s. Here it predicts p, of which a part b is believed. Off
 * by as much as there, b p_s - g_s in the mean, each size counting the less the further it is, the
 * gain here is
 *
 *   b p - mean(b p_s - g_s) = mean(g) + b (p - mean(p))
 *
 * that is, as at near sizes, and a part of what the model sees between them and this one. Of its
 * deviation the sizes tell little, being four at most: a usual one counts as some sizes more. What
 * is asked for is that the gain is positive even if it is smaller by a number of deviations. The
 * numbers are chosen on bench/lookup.kernels and judged on bench/lookup_heldout.kernels
 * (bench/lookup_guard.py). */
#include "tuner/lookup/internal.h"

#include <math.h>

#define BELIEVE 0.25 /* b */
#define QUANTILE 1.5 /* deviations */
#define SPREAD 0.2   /* the usual deviation, */
#define WORTH 2.0    /* which counts as so many sizes as near as can be */

double hone_lookup__gain(const hone_lookup_near *v, uint32_t n, double predicted)
{
    double w[HONE_LOOKUP_NEAR], off[HONE_LOOKUP_NEAR], all = 0, mean = 0, sum = 0;
    if (!isfinite(predicted)) /* the default is no schedule */
        return predicted;
    for (uint32_t k = 0; k < n; k++) {
        bool known = !isnan(v[k].favour) && v[k].default_ns > 0 && v[k].best_ns > 0;
        double g = known ? log((double)v[k].default_ns / (double)v[k].best_ns) : 0;
        off[k] = known ? BELIEVE * (g + v[k].favour) - g : 0;
        w[k] = known ? 1 / (1 + v[k].far) : 0;
        all += w[k];
        mean += w[k] * off[k];
    }
    if (all <= 0)
        return predicted;
    mean /= all;
    for (uint32_t k = 0; k < n; k++)
        sum += w[k] * (off[k] - mean) * (off[k] - mean);
    double var = (WORTH * SPREAD * SPREAD + sum) / (WORTH + all);
    return BELIEVE * predicted - mean - QUANTILE * sqrt(var * (1 + 1 / (WORTH + all)));
}
