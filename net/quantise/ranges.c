/* Which numbers u8 stands for, by what a tensor was seen to hold. */
#include "net/quantise/internal.h"

#include <float.h>
#include <math.h>

#define LEVELS 255
#define STEPS 32 /* parts of an end's distance from 0 at which it is tried, */
#define LEAST 8  /* from so many up */

void hone_net__see(hone_net_seen *s, const float *x, int64_t n, int64_t all)
{
    if (!s->step)
        s->step = all > HONE_NET_KEPT ? (all + HONE_NET_KEPT - 1) / HONE_NET_KEPT : 1;
    for (int64_t k = 0; k < n; k++, s->passed++) {
        if (!isfinite(x[k]))
            continue;
        s->lo = fmin(s->lo, (double)x[k]);
        s->hi = fmax(s->hi, (double)x[k]);
        if (s->passed % s->step == 0)
            hone_vec_push(&s->kept, x[k]);
    }
}

hone_net_range hone_net__range_over(double lo, double hi)
{
    lo = fmin(lo, 0);
    hi = fmax(hi, 0);
    float scale = (float)((hi - lo) / LEVELS);
    if (!(scale >= FLT_MIN))
        return (hone_net_range){1, 0};
    return (hone_net_range){scale, (uint8_t)nearbyint(fmin(LEVELS, fmax(0, -lo / (double)scale)))};
}

uint8_t hone_net__quantise(hone_net_range r, float x)
{
    float v = nearbyintf(x / r.scale) + (float)r.zero;
    return isnan(v) ? r.zero : (uint8_t)fminf(LEVELS, fmaxf(0, v));
}

static double squared_error(const hone_net_seen *s, hone_net_range r)
{
    double sum = 0;
    for (uint32_t k = 0; k < s->kept.n; k++) {
        float x = s->kept.v[k];
        double e = (double)(hone_net__dequantise(r, hone_net__quantise(r, x)) - x);
        sum += e * e;
    }
    return sum;
}

/* One end after the other, each as far out as makes the least error with the other where it is. An
 * end that is cut off by a tenth pays where fewer than one element in some 100 000 lies beyond. */
hone_net_range hone_net__choose_range(const hone_net_seen *s)
{
    double end[2] = {s->lo, s->hi};
    if (!s->passed)
        return (hone_net_range){0};
    for (int e = 1; e >= 0; e--) {
        double whole = end[e], best = whole, least = (double)INFINITY;
        for (int k = STEPS; k >= LEAST; k--) {
            end[e] = whole * k / STEPS;
            double error = squared_error(s, hone_net__range_over(end[0], end[1]));
            if (error < least) {
                least = error;
                best = end[e];
            }
        }
        end[e] = best;
    }
    return hone_net__range_over(end[0], end[1]);
}
