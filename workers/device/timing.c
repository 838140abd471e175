/* The timing loop, inside the child.
 *
 * Candidate and incumbent take turns, so that drift of the machine falls on both. Who begins is
 * drawn for every two pairs, and the other begins the second of them: what one leaves in the caches
 * falls on both, and nothing that comes and goes in a rhythm of its own falls on one of them alone.
 * A sample repeats the call until it lasts about job->sample_ns; caches stay as the calls leave
 * them.
 *
 * Now and then, before a pair and outside of the clock, the outputs are poisoned: a kernel that
 * finds its work done already has it to do again, and what that takes is compared with what it
 * claims. */
#include "workers/device/internal.h"

#include <math.h>
#include <time.h>

/* A candidate that loses each of so many pairs by so much has lost. */
#define LOST_PAIRS 3
#define LOST_RATIO 1.10
/* From so many pairs on, an interval of so many standard errors speaks: one that is behind with all
 * of it has lost, and where it is as narrow as this, more pairs would tell nothing that matters. */
#define TELLING_PAIRS 5
#define TELLING_ERRORS 1.5
#define NARROW 0.015
/* Slower than this in the first call: two pairs say enough. */
#define HOPELESS_RATIO 3.0
#define HOPELESS_PAIRS 2

/* Alone and for one sample at least: so long a call, made for calibration, is that sample. */
#define LONG_CALL_NS 1e8
/* Up to here a call that took long is made again: it may have waited for a processor. */
#define AGAIN_NS 2e7

/* One pair in so many begins with poisoned outputs. */
#define FRESH_ONE_IN 4
/* A fresh call may be slow for want of a processor. So often it is not. */
#define FRESH_TRIES 16

#define MOST_CALLS ((int64_t)1 << 24)
/* Samples are planned for so much of the deadline: the rest is for a machine that stalls, which is
 * no fault of the kernel. */
#define PLANNED_SHARE 0.5

typedef struct timer {
    const hone_device__run *run;
    const hone_device__caller *by;
    hone_rng rng; /* of moments that no kernel should guess */
} timer;

static int32_t returned(const timer *t)
{
    return t->by->returned ? *t->by->returned : 0;
}

static int64_t elapsed(timer *t, int who, int64_t calls)
{
    return t->by->elapsed(t->by->ctx, who, calls, false);
}

/* The same, beginning with outputs that are not there yet; the first call is noted for itself. */
static int64_t elapsed_fresh(timer *t, int who, int64_t calls)
{
    double *least = &t->run->control->timing.fresh_ns;
    int64_t first = t->by->elapsed(t->by->ctx, who, 1, true);
    if (who == HONE_DEVICE__CANDIDATE && (*least == 0 || (double)first < *least))
        *least = (double)first;
    return calls > 1 ? first + elapsed(t, who, calls - 1) : first;
}

double hone_device__clock_resolution_ns(void)
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
    double target = fmax((double)t->run->job->sample_ns, 40 * t->by->resolution_ns);
    int64_t calls = 1;
    for (;;) {
        double ns = (double)(calls == 1 ? elapsed_fresh(t, who, 1) : elapsed(t, who, calls));
        if (ns >= 0.7 * target && ns < AGAIN_NS)
            ns = fmin(ns, (double)elapsed(t, who, calls));
        *ret_ns = ns / (double)calls;
        if (ns >= 0.7 * target || calls >= MOST_CALLS || returned(t))
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
    double least = INFINITY;
    for (int i = 0; i < r->n; i++)
        least = fmin(least, r->candidate_ns[i] / r->incumbent_ns[i]);
    if (r->n >= LOST_PAIRS && least > LOST_RATIO)
        return true;
    if (r->n < TELLING_PAIRS)
        return false;
    hone_paired p =
        hone_pairs_compare(r->candidate_ns, r->incumbent_ns, (uint32_t)r->n, TELLING_ERRORS);
    return p.low > 0 || p.high - p.low < NARROW;
}

/* The median of the candidate's samples. */
static double median_of(const hone_device__timing *r)
{
    double x[HONE_MAX_SAMPLES];
    memcpy(x, r->candidate_ns, (size_t)r->n * sizeof *x);
    return hone_median(x, (uint32_t)r->n);
}

/* Is a fresh call as slow as it looks, or was it kept from running? */
static void settle_fresh(timer *t, int64_t until_ns)
{
    hone_device__timing *r = &t->run->control->timing;
    double most = hone_device__fresh_most(median_of(r), t->run->job->threads);
    for (int i = 0; i < FRESH_TRIES && r->fresh_ns > most && !returned(t); i++) {
        elapsed_fresh(t, HONE_DEVICE__CANDIDATE, 1);
        if (hone_clock_ns() > until_ns)
            break;
    }
}

int32_t hone_device__time(const hone_device__run *run, const hone_device__caller *by)
{
    const hone_measure_job *job = run->job;
    hone_device__timing *r = &run->control->timing;
    timer t = {.run = run, .by = by};
    int64_t start = hone_clock_ns();
    r->resolution_ns = by->resolution_ns;
    r->n = 0;
    r->fresh_ns = 0;
    hone_rng_seed(&t.rng, hone_hash_mix((uint64_t)start, (uintptr_t)r));
    r->paired = run->kernels[HONE_DEVICE__INCUMBENT].manifest != NULL;
    double first[HONE_DEVICE__KERNELS] = {0};
    for (int who = 0; who < (r->paired ? 2 : 1); who++)
        r->calls[who] = calibrate(&t, who, &first[who]);
    if (!r->paired && job->min_samples <= 1 && r->calls[0] == 1 && first[0] > LONG_CALL_NS) {
        r->candidate_ns[0] = first[0];
        r->n = 1;
        return returned(&t);
    }
    bool turned = false; /* the incumbent begins */
    bool hopeless = r->paired && first[0] > HOPELESS_RATIO * first[1];
    while (!returned(&t) && !enough(job, r, hopeless)) {
        int64_t pair_start = hone_clock_ns();
        int kinds = r->paired ? 2 : 1;
        bool fresh = hone_rng_below(&t.rng, FRESH_ONE_IN) == 0;
        if (r->paired)
            turned = r->n % 2 ? !turned : hone_rng_below(&t.rng, 2) == 1;
        for (int k = 0; k < kinds; k++) {
            int who = turned ? 1 - k : k;
            int64_t calls = r->calls[who];
            int64_t ns = fresh ? elapsed_fresh(&t, who, calls) : elapsed(&t, who, calls);
            (who == 0 ? r->candidate_ns : r->incumbent_ns)[r->n] = (double)ns / (double)calls;
        }
        r->n++;
        /* A slow kernel gets as many samples as it is given time for, and at least one. */
        int64_t now = hone_clock_ns();
        if ((double)(now - start + (now - pair_start)) > PLANNED_SHARE * 1e6 * (double)job->run_ms)
            break;
    }
    settle_fresh(&t, start + job->run_ms * 1000000 / 4 * 3);
    return returned(&t);
}
