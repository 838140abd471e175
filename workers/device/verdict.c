/* From what a child reported to a verdict on the kernel. */
#include "workers/device/internal.h"

#include <math.h>

/* How much more than the wall clock the samples may add up to: the two read the same clock, so only
 * rounding to whole nanoseconds lies between them. */
#define WALL_SLACK 1.001
#define WALL_SLACK_NS 10000.0

/* A call that stands alone finds colder caches than one among many, and threads that have to wake
 * up: in the worst case it does the work of all of them. */
#define FRESH_RATIO 8.0
#define FRESH_SLACK_NS 20000.0

static bool positive(double x)
{
    return isfinite(x) && x > 0;
}

double hone_device__fresh_most(double time_ns, int32_t threads)
{
    return FRESH_RATIO * (threads < 1 ? 1 : threads) * time_ns + FRESH_SLACK_NS;
}

static bool believable(const hone_measure_job *job, const hone_device__timing *t, int64_t wall_ns)
{
    if (t->n < 1 || t->n > HONE_MAX_SAMPLES || t->n > job->max_samples ||
        t->calls[HONE_DEVICE__CANDIDATE] < 1 ||
        (t->paired && t->calls[HONE_DEVICE__INCUMBENT] < 1) || !positive(t->resolution_ns))
        return false;
    double sum = 0;
    for (int i = 0; i < t->n; i++) {
        if (!positive(t->candidate_ns[i]) || (t->paired && !positive(t->incumbent_ns[i])))
            return false;
        sum += t->candidate_ns[i] * (double)t->calls[HONE_DEVICE__CANDIDATE];
        if (t->paired)
            sum += t->incumbent_ns[i] * (double)t->calls[HONE_DEVICE__INCUMBENT];
    }
    return sum <= (double)wall_ns * WALL_SLACK + WALL_SLACK_NS;
}

hone_status hone_device__judge(const hone_measure_job *job, int64_t flops,
                               const hone_device__timing *t, int64_t wall_ns,
                               hone_measure_result *ret, hone_error *err)
{
    /* A sample of zero is what a clock too coarse for the kernel gives, so it comes first. */
    if (t->n >= 1 && t->n <= HONE_MAX_SAMPLES && t->n <= job->max_samples &&
        positive(t->resolution_ns)) {
        double x[HONE_MAX_SAMPLES];
        memcpy(x, t->candidate_ns, (size_t)t->n * sizeof *x);
        double sample = hone_median(x, (uint32_t)t->n) * (double)t->calls[HONE_DEVICE__CANDIDATE];
        if (sample >= 0 && sample < 10 * t->resolution_ns)
            return hone_fail(err, HONE_REJECT_TOO_SHORT,
                             "%" PRId64 " calls take %.0f ns, and the clock ticks every %.0f ns",
                             t->calls[HONE_DEVICE__CANDIDATE], sample, t->resolution_ns);
    }
    if (!believable(job, t, wall_ns))
        return hone_fail(err, HONE_REJECT_IMPOSSIBLE,
                         "the times reported are not times of the %.3f ms that passed",
                         (double)wall_ns / 1e6);
    ret->n_samples = t->n;
    double times[HONE_MAX_SAMPLES];
    for (int i = 0; i < t->n; i++) {
        ret->sample_ns[i] = times[i] = t->candidate_ns[i];
        ret->incumbent_ns[i] = t->paired ? t->incumbent_ns[i] : 0;
    }
    double time = hone_median(times, (uint32_t)t->n);
    if (!(t->fresh_ns <= hone_device__fresh_most(time, job->threads)))
        return hone_fail(
            err, HONE_REJECT_IMPOSSIBLE,
            "a call takes %.0f ns when the outputs are not there yet, and %.0f ns when "
            "they are",
            t->fresh_ns, time);
    double gflops = (double)flops / time;
    if (job->peak_gflops > 0 && gflops > HONE_PEAK_SLACK * job->peak_gflops)
        return hone_fail(err, HONE_REJECT_IMPOSSIBLE,
                         "%.1f GFLOP/s, and this device does at most %.1f", gflops,
                         job->peak_gflops);
    ret->time_ns = time < 1 ? 1 : (int64_t)llround(time);
    ret->log_ratio = 0;
    if (t->paired)
        ret->log_ratio =
            hone_pairs_compare(t->candidate_ns, t->incumbent_ns, (uint32_t)t->n, 1).ratio;
    return HONE_OK;
}
