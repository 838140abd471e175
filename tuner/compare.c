/* Which of two measurements is better, on machines that drift and are shared. */
#include "tuner/internal.h"

#include <math.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double hone_tuner__lower_quartile(const double *v, int32_t n)
{
    double sorted[HONE_MAX_SAMPLES];
    memcpy(sorted, v, (size_t)n * sizeof *v);
    qsort(sorted, (size_t)n, sizeof *v, by_value);
    return sorted[(n - 1) / 4];
}

bool hone_tuner__is_paired(const hone_measure_result *m)
{
    return m->n_samples > 0 && m->incumbent_ns[0] > 0;
}

/* ln(candidate / incumbent), both measured in turns over the same while. Of each the lower
 * quartile: drift hits both alike, and what other processes add to more than half of the samples
 * (as they do when a kernel needs every processor) would swamp a median (Chen and Revels, 2016). */
double hone_tuner__ratio(const hone_measure_result *m)
{
    return log(hone_tuner__lower_quartile(m->sample_ns, m->n_samples) /
               hone_tuner__lower_quartile(m->incumbent_ns, m->n_samples));
}

/* The candidate's time on the incumbent's clock. Between the fastest sample seen and the median, so
 * that lucky ratios do not add up from incumbent to incumbent. */
int64_t hone_tuner__comparable_ns(const hone_measure_result *m, double incumbent_ns)
{
    if (!hone_tuner__is_paired(m))
        return m->time_ns;
    double fastest = m->sample_ns[0], t = incumbent_ns * exp(hone_tuner__ratio(m));
    for (int32_t k = 1; k < m->n_samples; k++)
        fastest = fmin(fastest, m->sample_ns[k]);
    return (int64_t)fmin((double)m->time_ns, fmax(t, fastest));
}
