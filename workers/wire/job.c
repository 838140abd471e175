/* Jobs and results as messages and back: what corresponds to what is written here once. */
#include "workers/wire/wire.h"

#include <math.h>

/* Fields that a job, or a result, and its message share by name. */
/* clang-format off */
#define BUILD_FIELDS(X) \
    X(workload) X(trace) X(target) X(threads) X(reference) X(deadline_ms) X(intrins)
#define MEASURE_FIELDS(X) \
    X(threads) X(data_seed) X(tolerance) X(peak_gflops) X(check_ms) X(run_ms) X(min_samples) \
    X(max_samples) X(sample_ns) X(target) X(reference_ms)
#define RESULT_FIELDS(X) X(time_ns) X(log_ratio) X(max_error) X(check_ns) X(run_ns)
/* clang-format on */

#define MESSAGE_TAKES(f) ret.f = job->f;
#define JOB_TAKES(f) ret.f = m->f;

hone_wire_build hone_wire_of_build(const hone_build_job *job, uint64_t ticket)
{
    hone_wire_build ret = {.ticket = ticket};
    BUILD_FIELDS(MESSAGE_TAKES)
    return ret;
}

hone_build_job hone_wire_build_job(const hone_wire_build *m)
{
    hone_build_job ret = {.id = m->ticket};
    BUILD_FIELDS(JOB_TAKES)
    return ret;
}

hone_wire_measure hone_wire_of_measure(const hone_measure_job *job, uint64_t ticket,
                                       const uint64_t keys[3])
{
    hone_wire_measure ret = {
        .ticket = ticket, .candidate = keys[0], .reference = keys[1], .incumbent = keys[2]};
    MEASURE_FIELDS(MESSAGE_TAKES)
    return ret;
}

hone_measure_job hone_wire_measure_job(const hone_wire_measure *m,
                                       const hone_artifact *const artifacts[3])
{
    hone_measure_job ret = {.id = m->ticket,
                            .candidate = artifacts[0],
                            .reference = artifacts[1],
                            .incumbent = artifacts[2]};
    MEASURE_FIELDS(JOB_TAKES)
    return ret;
}

void hone_wire_of_result(const hone_measure_result *r, hone_wire_measured *ret)
{
    int32_t n = r->n_samples < 0 ? 0 : r->n_samples;
    ret->n_sample_ns = ret->n_incumbent_ns = n > HONE_MAX_SAMPLES ? HONE_MAX_SAMPLES : (uint32_t)n;
    memcpy(ret->sample_ns, r->sample_ns, ret->n_sample_ns * sizeof ret->sample_ns[0]);
    memcpy(ret->incumbent_ns, r->incumbent_ns, ret->n_sample_ns * sizeof ret->incumbent_ns[0]);
#define RESULT_GOES(f) ret->f = r->f;
    RESULT_FIELDS(RESULT_GOES)
    ret->env = r->env;
}

/* ---- what cannot be ------------------------------------------------------------------------- */

static bool duration(int64_t ns)
{
    return ns >= 0 && ns <= HONE_WIRE_DURATION_MAX_NS;
}

static bool positive(double x)
{
    return isfinite(x) && x > 0;
}

/* Why the samples of a good result are none, or NULL. The median of one call lies among the calls,
 * and so does the ratio of any two quantiles among the ratios. */
static const char *lie_in_samples(const hone_wire_measured *m, const hone_measure_job *asked)
{
    bool paired = asked->incumbent != NULL;
    double least = INFINITY, most = 0, least_ratio = INFINITY, most_ratio = -INFINITY;
    if (m->n_sample_ns < 1 || m->n_sample_ns > (uint32_t)asked->max_samples ||
        m->n_sample_ns != m->n_incumbent_ns)
        return "the number of samples";
    for (uint32_t i = 0; i < m->n_sample_ns; i++) {
        double x = m->sample_ns[i], y = m->incumbent_ns[i];
        if (!positive(x) || x > (double)HONE_WIRE_DURATION_MAX_NS)
            return "a sample";
        if (paired ? !positive(y) || y > (double)HONE_WIRE_DURATION_MAX_NS : y != 0)
            return "a sample of the incumbent";
        least = fmin(least, x);
        most = fmax(most, x);
        double ratio = paired ? log(x) - log(y) : 0; /* x / y may be too large */
        least_ratio = fmin(least_ratio, ratio);
        most_ratio = fmax(most_ratio, ratio);
    }
    if (m->time_ns < 1 || (double)m->time_ns < least - 1 || (double)m->time_ns > most + 1)
        return "its time";
    if (!(m->log_ratio >= least_ratio - 1e-9 && m->log_ratio <= most_ratio + 1e-9))
        return "its ratio";
    if (!(m->max_error >= 0 && m->max_error <= asked->tolerance))
        return "its error, which is over the tolerance";
    return NULL;
}

/* The same for any outcome; a rejected one may have an infinite error. */
static const char *lie(const hone_wire_measured *m, const hone_measure_job *asked)
{
    if (!duration(m->spent_ns) || !duration(m->check_ns) || !duration(m->run_ns))
        return "a duration";
    if (isnan(m->max_error) || m->max_error < 0)
        return "its error";
    if (isnan(m->log_ratio))
        return "its ratio";
    for (uint32_t i = 0; i < m->n_sample_ns; i++)
        if (isnan(m->sample_ns[i]))
            return "a sample";
    for (uint32_t i = 0; i < m->n_incumbent_ns; i++)
        if (isnan(m->incumbent_ns[i]))
            return "a sample of the incumbent";
    return m->error.status == HONE_OK ? lie_in_samples(m, asked) : NULL;
}

hone_status hone_wire_result(const hone_wire_measured *m, const hone_measure_job *asked,
                             hone_measure_result *ret, hone_error *err)
{
    const char *what = lie(m, asked);
    memset(ret, 0, sizeof *ret);
    if (what)
        return hone_fail(err, HONE_E_PROTOCOL, "a result that cannot be: %s", what);
    ret->max_error = m->max_error;
    ret->check_ns = m->check_ns;
    ret->run_ns = m->run_ns;
    snprintf(ret->env, sizeof ret->env, "%s", m->env);
    if (m->error.status != HONE_OK) /* no time of it counts */
        return HONE_OK;
    ret->time_ns = m->time_ns;
    ret->log_ratio = m->log_ratio;
    ret->n_samples = (int32_t)m->n_sample_ns;
    memcpy(ret->sample_ns, m->sample_ns, m->n_sample_ns * sizeof ret->sample_ns[0]);
    memcpy(ret->incumbent_ns, m->incumbent_ns, m->n_incumbent_ns * sizeof ret->incumbent_ns[0]);
    return HONE_OK;
}
