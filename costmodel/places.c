/* Loads of a body that is written out. Code generation computes a load at an address once for all
 * of the body: nothing that is stored there stands in between, and arguments do not overlap. So
 * windows that overlap share what they load, along rows and columns of a tile as along the taps. */
#include "costmodel/internal.h"

#include <math.h>

#define MAX_SPAN 512 /* of places along a dimension that are told apart one by one */

/* A loop that is written out copy by copy, and moves the access. */
static bool copies(const nest *ne, const access *a, unsigned l)
{
    return a->move[l] != 0 && !ne->intrin[l] && ne->kind[l] != HONE_VECTORIZED && ne->extent[l] > 1;
}

/* Sums k1*s1 + k2*s2 + .. with each k below its extent: how many differ. */
static double sums(const int64_t *step, const int64_t *extent, unsigned n)
{
    int64_t unit = 0, span = 1;
    double all = 1;
    for (unsigned q = 0; q < n; q++) {
        unit = hone_gcd(unit, step[q]);
        all *= (double)extent[q];
    }
    for (unsigned q = 0; q < n && span <= MAX_SPAN; q++)
        span += step[q] / unit > MAX_SPAN ? MAX_SPAN : step[q] / unit * (extent[q] - 1);
    if (n < 2 || span > MAX_SPAN)
        return all;
    bool reached[MAX_SPAN] = {true};
    int64_t top = 0;
    for (unsigned q = 0; q < n; q++) {
        int64_t by = step[q] / unit;
        for (int64_t at = top; at >= 0; at--)
            for (int64_t k = 1; k < extent[q] && reached[at]; k++)
                reached[at + k * by] = true;
        top += by * (extent[q] - 1);
    }
    double found = 0;
    for (int64_t at = 0; at <= top; at++)
        found += reached[at];
    return found;
}

double hone_costmodel__places(const nest *ne, const access *a, unsigned first)
{
    double all = 1, apart = 1;
    for (unsigned l = first; l < ne->n; l++)
        all *= copies(ne, a, l) ? ne->extent[l] : 1;
    for (unsigned d = 0; d < a->dims; d++) {
        int64_t step[MAX_NEST], extent[MAX_NEST];
        unsigned n = 0;
        for (unsigned l = first; l < ne->n; l++) {
            double s = fabs(a->stride[d][l]);
            if (!copies(ne, a, l) || s == 0)
                continue;
            if (s != floor(s) || s > 1e9 || ne->extent[l] > 1e6)
                return all; /* a quotient: it is not known which of its places are one */
            step[n] = (int64_t)s;
            extent[n++] = (int64_t)ne->extent[l];
        }
        apart *= n ? sums(step, extent, n) : 1;
    }
    return fmin(all, apart);
}

double hone_costmodel__held(const nest *ne, const access *a, unsigned first)
{
    double most = 0;
    for (unsigned l = first; l < ne->n; l++) {
        if (ne->intrin[l] || ne->kind[l] == HONE_VECTORIZED || ne->extent[l] < 2)
            continue;
        double one = hone_costmodel__places(ne, a, l + 1), all = hone_costmodel__places(ne, a, l);
        most = fmax(most, one - (all - one) / (ne->extent[l] - 1));
    }
    return most;
}
