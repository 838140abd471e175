/* Which of two measurements is better, on machines that drift, are shared, and differ.
 *
 * One statistic decides: ln of the candidate's time over the incumbent's as pairs of samples taken
 * in turns tell it (base/pairs.c).
 *
 * Times of different whiles or devices are never compared as they are. Each result has a comparable
 * time: that of the incumbent it was measured with, times the ratio. So all of them are told on one
 * clock, that of what was measured first.
 *
 * Who takes the lead was selected for a lucky ratio, and luck would add up from one to the next
 * (the winner's curse). So it needs a ratio beyond the noise, and then is measured once more with
 * the one it took the lead from: by that ratio, which nothing was selected by, goes its comparable
 * time (tuner/verdict.c).
 *
 * That takes two parts, between which both change places, as heats and confirmations do, and a race
 * takes four. Where a process has its pages and its code may favour the first of its two kernels by
 * some percent, for many processes in a row, which no number of samples shows: while it lasted one
 * candidate after the other took the lead, and each brought its share of it to the clock, a factor
 * of two within 240 trials. How far two parts differ tells what a ratio is off by from process to
 * process; a trial has to lead by more.
 *
 * What was measured alone is converted by the clock of the device: what incumbents took there,
 * smoothed over the last few measurements. No time that was measured in turns goes through it: a
 * device that is shared runs at half its speed for a while, and at all of it again.
 */
#include "tuner/internal.h"

#include <math.h>

/* Two comparable times are never known better than so. */
#define LEAST_NOISE 0.01
#define NOISE_ERRORS 2
#define NOISE_OF_FEW 0.05 /* of ratios of fewer than FEW pairs */
#define FEW 3             /* pairs */
#define LUCK_OF 8         /* comparisons both ways: the latest so many tell what luck there is */
#define MOST_LUCK 0.05    /* or one that was disturbed would keep everybody from the lead */
#define SMOOTHING 0.15    /* share of the latest measurement in a device's clock */
/* A clock of the log does not hold here when even the fastest sample takes so many times as long,
 * or the lower quartile so little. */
#define CLOCK_OFF 3

static comparison compare_samples(const hone_measure_result *m)
{
    hone_paired p =
        hone_pairs_compare(m->sample_ns, m->incumbent_ns, (uint32_t)m->n_samples, NOISE_ERRORS);
    double noise = m->n_samples < FEW ? NOISE_OF_FEW : fmax((p.high - p.low) / 2, LEAST_NOISE);
    return (comparison){.paired = true, .comparable = true, .noise = noise, .ratio = p.ratio};
}

static uint64_t device_hash(const char *device)
{
    return hone_hash_bytes(0, device, strlen(device));
}

static device_clock *clock_of(session *s, const char *device)
{
    uint64_t hash = device_hash(device);
    for (uint32_t k = 0; k < s->clocks.n; k++)
        if (s->clocks.v[k].device == hash)
            return &s->clocks.v[k];
    return NULL;
}

static device_clock *clock_new(session *s, const char *device)
{
    device_clock *c;
    if (s->clocks.n < CLOCKS) {
        hone_vec_push(&s->clocks, (device_clock){0});
        c = &s->clocks.v[s->clocks.n - 1];
    } else {
        c = &s->clocks.v[s->clock_turn];
        s->clock_turn = (s->clock_turn + 1) % CLOCKS;
    }
    c->device = device_hash(device);
    return c;
}

/* What took raw_ns on the device takes clock_ns on the clock. */
static void note_clock(session *s, const char *device, double clock_ns, double raw_ns)
{
    device_clock *c = clock_of(s, device);
    double now = log(clock_ns / raw_ns);
    if (!c) {
        c = clock_new(s, device);
        c->log_scale = now;
    }
    c->log_scale += SMOOTHING * (now - c->log_scale);
}

static double convert(const device_clock *c, double raw_ns)
{
    return raw_ns * exp(c->log_scale);
}

static comparison compare_paired(session *s, const errand *j, const hone_pool_event *e)
{
    const hone_measure_result *m = &e->result;
    const variant *with = j->against;
    comparison c = compare_samples(m);
    note_clock(s, e->device, with->clock_ns,
               hone_lower_quartile(m->incumbent_ns, (uint32_t)m->n_samples));
    if (with == j->v)
        c.ratio = 0;
    c.clock_ns = with->clock_ns * exp(c.ratio);
    return c;
}

/* No machine of this target takes less. */
static bool is_beyond_peak(const session *s, double ns)
{
    return s->peak_gflops > 0 && (double)s->least_ops / ns > HONE_PEAK_SLACK * s->peak_gflops;
}

bool hone_tuner__clock_holds(const session *s, double known_ns, const hone_measure_result *m)
{
    double least = m->sample_ns[0];
    for (int32_t k = 1; k < m->n_samples; k++)
        least = fmin(least, m->sample_ns[k]);
    return !is_beyond_peak(s, known_ns) && least < CLOCK_OFF * known_ns &&
           known_ns < CLOCK_OFF * hone_lower_quartile(m->sample_ns, (uint32_t)m->n_samples);
}

/* What cannot be is not believed: it has the time it took, which is as uncertain as that. */
static comparison believed(session *s, const hone_measure_result *m, comparison c)
{
    if (!is_beyond_peak(s, c.clock_ns))
        return c;
    hone_tuner__notice(s,
                       "a comparison says %.0f ns, which is beyond the peak of the machine: it is "
                       "not believed",
                       c.clock_ns);
    return (comparison){.comparable = true,
                        .noise = log(CLOCK_OFF),
                        .clock_ns = hone_lower_quartile(m->sample_ns, (uint32_t)m->n_samples)};
}

comparison hone_tuner__compare(session *s, const errand *j, const hone_pool_event *e,
                               double known_ns)
{
    const hone_measure_result *m = &e->result;
    if (j->against && m->incumbent_ns[0] > 0)
        return believed(s, m, compare_paired(s, j, e));
    comparison c = {.noise = NOISE_OF_FEW, .comparable = true};
    double own_ns = hone_lower_quartile(m->sample_ns, (uint32_t)m->n_samples);
    if (known_ns > 0)
        note_clock(s, e->device, known_ns, own_ns);
    else if (s->clocks.n == 0)
        note_clock(s, e->device, own_ns, own_ns);
    const device_clock *clock = clock_of(s, e->device);
    c.comparable = clock != NULL;
    c.clock_ns = known_ns > 0 ? known_ns : clock ? convert(clock, own_ns) : own_ns;
    return c;
}

/* ---- both ways ------------------------------------------------------------------------------- */

unsigned hone_tuner__parts_of(const errand *j)
{
    if (!j->parts && j->against == j->v) /* with itself */
        return 1;
    switch (j->parts ? j->parts->of : j->purpose) {
    case FOR_SETTLE:
    case FOR_HEAT:
    case FOR_CONFIRM:
        return 2;
    case FOR_RACE:
        return MOST_PARTS;
    default:
        return 1;
    }
}

double hone_tuner__noise_of_trial(const session *s, const comparison *c)
{
    return hypot(c->noise, NOISE_ERRORS * sqrt(s->luck));
}

static void append(hone_measure_result *to, const hone_measure_result *m, bool turned)
{
    for (int32_t k = 0; k < m->n_samples && to->n_samples < HONE_MAX_SAMPLES; k++) {
        to->sample_ns[to->n_samples] = turned ? m->incumbent_ns[k] : m->sample_ns[k];
        to->incumbent_ns[to->n_samples++] = turned ? m->sample_ns[k] : m->incumbent_ns[k];
    }
    to->time_ns = llround(hone_median(to->sample_ns, (uint32_t)to->n_samples));
    to->check_ns += m->check_ns;
    to->run_ns += m->run_ns;
}

/* How far two parts differ: both have in them what favours the first of two. */
static void note_luck(session *s, double there, double back)
{
    double off = fmin(fabs(there - back) / sqrt(2), MOST_LUCK);
    s->n_both_ways += s->n_both_ways < LUCK_OF;
    s->luck += (off * off - s->luck) / s->n_both_ways;
}

void hone_tuner__add_part(session *s, parts *p, const comparison *c, const hone_measure_result *m)
{
    bool turned = p->n % 2;
    if (p->n == 0)
        p->result = *m;
    else
        append(&p->result, m, turned);
    p->noise = hypot(p->noise, c->noise);
    p->ratio[p->n++] = turned ? -c->ratio : c->ratio;
    if (turned)
        note_luck(s, p->ratio[p->n - 2], p->ratio[p->n - 1]);
}

comparison hone_tuner__compare_parts(session *s, const parts *p, const variant *other)
{
    double ratio[MOST_PARTS];
    memcpy(ratio, p->ratio, sizeof ratio);
    comparison c = {.paired = true,
                    .comparable = true,
                    .ratio = hone_median(ratio, p->n), /* one may be far off */
                    .noise = p->noise / p->n};
    c.clock_ns = other->clock_ns * exp(c.ratio);
    return believed(s, &p->result, c);
}
