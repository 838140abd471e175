/* Arithmetic that several rooms need. */
#include "base/base.h"

int64_t hone_gcd(int64_t a, int64_t b)
{
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void hone_sort(double *v, uint32_t n)
{
    if (n)
        qsort(v, n, sizeof *v, by_value);
}

double hone_median(double *v, uint32_t n)
{
    if (n == 0)
        return 0;
    hone_sort(v, n);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}
