/* Which of two measurements is better, on machines that drift, are shared, and differ.
 *
 * One statistic decides: ln of the lower quartile of the candidate's samples over the lower
 * quartile of the incumbent's, both taken in turns over the same while. Drift hits both alike, and
 * what other processes add to more than half of the samples (as they do when a kernel needs every
 * processor) would swamp a median (Chen and Revels, 2016).
 *
 * Times of different whiles or devices are never compared as they are. Each has a comparable time:
 * that of the incumbent it was measured with, times the ratio. So all of them are told on one
 * clock, that of what was measured first. What is measured alone is converted by what its device's
 * clock was last seen to show. */
#include "tuner/internal.h"

#include <math.h>

/* Two comparable times are never known better than so. */
#define LEAST_NOISE 0.01
#define NOISE_OF_FEW 0.05 /* of ratios from one or two pairs */

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

/* Twice the standard error of the mean ratio. */
static double noise_of(const hone_measure_result *m)
{
    double sum = 0, squares = 0, n = m->n_samples;
    if (m->n_samples < 3)
        return NOISE_OF_FEW;
    for (int32_t k = 0; k < m->n_samples; k++) {
        double r = log(m->sample_ns[k] / m->incumbent_ns[k]);
        sum += r;
        squares += r * r;
    }
    double variance = (squares - sum * sum / n) / (n - 1);
    return fmax(2 * sqrt(fmax(variance, 0) / n), LEAST_NOISE);
}

static device_clock *clock_of(session *s, const char *device)
{
    for (uint32_t k = 0; k < s->clocks.n; k++)
        if (strcmp(s->clocks.v[k].name, device) == 0)
            return &s->clocks.v[k];
    return NULL;
}

static void set_clock(session *s, const char *device, double scale)
{
    device_clock *c = clock_of(s, device);
    if (!c) {
        hone_vec_push(&s->clocks, (device_clock){0});
        c = &s->clocks.v[s->clocks.n - 1];
        snprintf(c->name, sizeof c->name, "%s", device);
    }
    c->scale = scale;
    s->clock_is_set = true;
}

comparison hone_tuner__compare(session *s, const errand *j, const hone_pool_event *e,
                               double known_ns)
{
    const hone_measure_result *m = &e->result;
    comparison c = {.noise = NOISE_OF_FEW, .comparable = true};
    double q = hone_tuner__lower_quartile(m->sample_ns, m->n_samples);
    c.paired = j->against && m->incumbent_ns[0] > 0;
    if (c.paired) {
        double with = hone_tuner__lower_quartile(m->incumbent_ns, m->n_samples);
        set_clock(s, e->device, j->against_ns / with);
        c.ratio = j->against == j->v ? 0 : log(q / with);
        c.noise = noise_of(m);
        c.clock_ns = j->against_ns * exp(c.ratio);
        return c;
    }
    const device_clock *clock = clock_of(s, e->device);
    if (known_ns > 0)
        set_clock(s, e->device, known_ns / q);
    else if (!s->clock_is_set)
        set_clock(s, e->device, 1);
    else if (!clock)
        c.comparable = false;
    clock = clock_of(s, e->device);
    c.clock_ns = known_ns > 0 ? known_ns : clock ? q * clock->scale : q;
    return c;
}
