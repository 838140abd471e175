/* The timing loop, inside the child.
 *
 * Candidate and incumbent take turns, and the order within a pair alternates, so that drift of the
 * machine and what one leaves in the caches fall on both. A sample repeats the call until it lasts
 * about job->sample_ns; caches stay as the calls leave them. */
#include "workers/device/internal.h"

#include <math.h>
#include <time.h>

/* A candidate that loses each of so many pairs by so much has lost. */
#define LOST_PAIRS 3
#define LOST_RATIO 1.10
/* Not worth more than the minimum of samples when its median is behind by so much. */
#define BEHIND_RATIO 1.05
/* Slower than this in the first call: two pairs say enough. */
#define HOPELESS_RATIO 3.0
#define HOPELESS_PAIRS 2

/* Alone and for one sample at least: so long a call, made for calibration, is that sample. */
#define LONG_CALL_NS 1e8

#define MOST_CALLS ((int64_t)1 << 24)
/* Samples are planned for so much of the deadline: the rest is for a machine that stalls, which is
 * no fault of the kernel. */
#define PLANNED_SHARE 0.5

typedef struct timer {
    const hone_device__run *run;
    const hone_rt_kernel *kernels;
    void *const *const *args;
    const hone_rt_api *rt;
    int32_t returned; /* first nonzero */
    double resolution_ns;
} timer;

static int64_t elapsed(timer *t, int who, int64_t calls)
{
    t->run->control->who = who;
    hone_rt_kernel kernel = t->kernels[who];
    void *const *args = t->args[who];
    int32_t returned = 0;
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        returned |= kernel(args, t->rt);
    int64_t ns = hone_clock_ns() - start;
    if (returned && !t->returned)
        t->returned = returned;
    return ns;
}

/* The smallest step the clock is seen to take; no finer than what it claims. */
static double clock_resolution_ns(void)
{
    struct timespec claimed = {0};
    clock_getres(CLOCK_MONOTONIC, &claimed);
    int64_t best = INT64_MAX;
    for (int i = 0; i < 64; i++) {
        int64_t a = hone_clock_ns(), b = a;
        while ((b = hone_clock_ns()) == a) {
        }
        best = b - a < best ? b - a : best;
    }
    double c = (double)claimed.tv_sec * 1e9 + (double)claimed.tv_nsec;
    return fmax(c, (double)best);
}

/* Calls per sample; *ret_ns is the time of one call. Warms up on the way. */
static int64_t calibrate(timer *t, int who, double *ret_ns)
{
    /* Well above what verdict.c asks for, since the first calls are the slowest. */
    double target = fmax((double)t->run->job->sample_ns, 40 * t->resolution_ns);
    int64_t calls = 1;
    for (;;) {
        double ns = (double)elapsed(t, who, calls);
        *ret_ns = ns / (double)calls;
        if (ns >= 0.7 * target || calls >= MOST_CALLS || t->returned)
            return calls;
        /* A first call is slow with cold caches, so its word is taken only in steps. */
        double grow = ns > 0 ? fmin(target / ns, 16) : 16;
        double next = ceil((double)calls * fmax(grow, 1.3));
        calls = next < (double)MOST_CALLS ? (int64_t)next : MOST_CALLS;
    }
}

static bool enough(const hone_measure_job *job, const hone_device__timing *r, bool hopeless)
{
    if (r->n >= job->max_samples)
        return true;
    if (!r->paired)
        return false;
    if (hopeless && r->n >= HOPELESS_PAIRS)
        return true;
    if (r->n < job->min_samples)
        return false;
    double ratios[HONE_MAX_SAMPLES], least = INFINITY;
    for (int i = 0; i < r->n; i++) {
        ratios[i] = r->candidate_ns[i] / r->incumbent_ns[i];
        least = fmin(least, ratios[i]);
    }
    if (r->n >= LOST_PAIRS && least > LOST_RATIO)
        return true;
    return hone_device__median(ratios, r->n) > BEHIND_RATIO;
}

int32_t hone_device__time(const hone_device__run *run, const hone_rt_kernel kernels[],
                          void *const *args[], const hone_rt_api *rt)
{
    const hone_measure_job *job = run->job;
    hone_device__timing *r = &run->control->timing;
    timer t = {.run = run, .kernels = kernels, .args = args, .rt = rt};
    int64_t start = hone_clock_ns();
    t.resolution_ns = r->resolution_ns = clock_resolution_ns();
    r->n = 0;
    r->paired = run->kernels[HONE_DEVICE__INCUMBENT].manifest != NULL;
    double first[HONE_DEVICE__KERNELS] = {0};
    for (int who = 0; who < (r->paired ? 2 : 1); who++)
        r->calls[who] = calibrate(&t, who, &first[who]);
    if (!r->paired && job->min_samples <= 1 && r->calls[0] == 1 && first[0] > LONG_CALL_NS) {
        r->candidate_ns[0] = first[0];
        r->n = 1;
        return t.returned;
    }
    bool hopeless = r->paired && first[0] > HOPELESS_RATIO * first[1];
    while (!t.returned && !enough(job, r, hopeless)) {
        int64_t pair_start = hone_clock_ns();
        int kinds = r->paired ? 2 : 1;
        for (int k = 0; k < kinds; k++) {
            int who = r->n % 2 && r->paired ? 1 - k : k;
            double ns = (double)elapsed(&t, who, r->calls[who]) / (double)r->calls[who];
            (who == 0 ? r->candidate_ns : r->incumbent_ns)[r->n] = ns;
        }
        r->n++;
        /* A slow kernel gets as many samples as it is given time for, and at least one. */
        int64_t now = hone_clock_ns();
        if ((double)(now - start + (now - pair_start)) > PLANNED_SHARE * 1e6 * (double)job->run_ms)
            break;
    }
    return t.returned;
}
