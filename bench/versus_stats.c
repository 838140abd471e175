/* Order statistics of samples. */
#include "bench/versus.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double *versus_sorted(const double *x, uint32_t n)
{
    double *y = hone_xmalloc(n * sizeof *y);
    memcpy(y, x, n * sizeof *y);
    qsort(y, n, sizeof *y, ascending);
    return y;
}

double versus_median(const double *x, uint32_t n)
{
    double *y = versus_sorted(x, n);
    double m = n % 2 ? y[n / 2] : (y[n / 2 - 1] + y[n / 2]) / 2;
    free(y);
    return m;
}

double versus_least(const double *x, uint32_t n)
{
    double least = x[0];
    for (uint32_t k = 1; k < n; k++)
        least = x[k] < least ? x[k] : least;
    return least;
}
