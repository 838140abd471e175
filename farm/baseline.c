/* What canaries should be: learned, followed, and moved when they have been otherwise for long. */
#include "farm/baseline.h"

#include <math.h>

#define KINDS HONE_FARM_CANARIES
#define OFF 0.03      /* a canary that is off, in ln of its time */
#define CHANGED 0.025 /* a median that is: half of the least change that is looked for */
#define CREPT 0.03    /* a baseline that is, from where its epoch began */
#define HOT 0.1
#define SIGMA_LEAST 0.004
#define CUSUM_SLACK 0.5
#define CUSUM_ALARM 5.0
#define FORGETS 64
#define WELL 6    /* canaries in a row that end an episode */
#define ENOUGH 8U /* canaries of an episode that say what it was */

bool hone_farm__baseline_known(const hone_farm_baseline *b)
{
    return b->sigma[0] > 0;
}

void hone_farm__baseline_new(hone_farm_baseline *b, bool anew)
{
    hone_farm_baseline was = *b;
    *b = (hone_farm_baseline){0};
    if (!anew)
        memcpy(b->first, was.first, sizeof b->first);
}

double hone_farm_baseline_drift(const hone_farm_baseline *b)
{
    double most = 0;
    for (int k = 0; k < KINDS; k++) {
        double by = hone_farm__baseline_known(b) && b->first[k] != 0 ? b->mean[k] - b->first[k] : 0;
        most = fabs(by) > fabs(most) ? by : most;
    }
    return exp(most) - 1;
}

/* ---- what is expected ----------------------------------------------------------------------- */

static void copy(double *ret, const float *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ret[i] = v[i];
}

/* So many of the ring are taken. */
static uint32_t in_base(const hone_farm_baseline *b, const hone_farm_limits *l)
{
    uint32_t kept = (uint32_t)l->canary_baseline, burn_in = (uint32_t)l->canary_burn_in;
    uint32_t n = b->n_baseline > burn_in ? b->n_baseline - burn_in : 0;
    return n < kept ? n : kept;
}

static void add_to_base(hone_farm_baseline *b, const double x[KINDS], const hone_farm_limits *l)
{
    uint32_t n = b->n_baseline++, burn_in = (uint32_t)l->canary_burn_in;
    for (int k = 0; k < KINDS && n >= burn_in; k++)
        b->base[k][(n - burn_in) % (uint32_t)l->canary_baseline] = (float)x[k];
}

/* Expects what is in the ring. Noise is believed at once and forgotten slowly: the spread of so few
 * says little, and too small a one would make changes of it. */
static void settle(hone_farm_baseline *b, const hone_farm_limits *l)
{
    double v[HONE_FARM_BASELINE];
    uint32_t n = in_base(b, l);
    for (int k = 0; k < KINDS; k++) {
        copy(v, b->base[k], n);
        double mean = hone_median(v, n);
        for (uint32_t i = 0; i < n; i++)
            v[i] = fabs(v[i] - mean);
        double sigma = fmax(SIGMA_LEAST, 1.4826 * hone_median(v, n));
        b->mean[k] = mean;
        b->sigma[k] = fmax(sigma, b->sigma[k] - (b->sigma[k] - sigma) / FORGETS);
    }
}

/* From here on it is an epoch's. */
static void begin(hone_farm_baseline *b)
{
    bool had_first = false;
    for (int k = 0; k < KINDS; k++)
        had_first = had_first || b->first[k] != 0;
    memcpy(b->began, b->mean, sizeof b->began);
    if (!had_first)
        memcpy(b->first, b->mean, sizeof b->first);
}

/* ---- episodes ------------------------------------------------------------------------------- */

static uint32_t in_episode(const hone_farm_baseline *b)
{
    return b->n_episode < HONE_FARM_BASELINE ? b->n_episode : HONE_FARM_BASELINE;
}

/* The last n of the episode, n <= in_episode, of which the oldest is the first. */
static void latest(const hone_farm_baseline *b, int k, uint32_t n, double *ret)
{
    for (uint32_t i = 0; i < n; i++)
        ret[i] = b->episode[k][(b->n_episode - n + i) % HONE_FARM_BASELINE];
}

/* Is the median of the last n off? */
static bool is_off(const hone_farm_baseline *b, uint32_t n)
{
    double v[HONE_FARM_BASELINE];
    for (int k = 0; k < KINDS; k++) {
        latest(b, k, n, v);
        if (fabs(hone_median(v, n) - b->mean[k]) > fmax(CHANGED, 4 * b->sigma[k] / sqrt(n)))
            return true;
    }
    return false;
}

static void end_episode(hone_farm_baseline *b)
{
    b->episode_since = 0;
    b->n_episode = b->run = b->again = b->n_burst = 0;
    for (int k = 0; k < KINDS; k++)
        b->up[k] = b->down[k] = 0;
}

/* The last n of it were as it is: they are learned from. */
static void end_well(hone_farm_baseline *b, uint32_t n, const hone_farm_limits *l)
{
    double v[KINDS][HONE_FARM_BASELINE];
    for (int k = 0; k < KINDS; k++)
        latest(b, k, n, v[k]);
    for (uint32_t i = 0; i < n; i++) {
        double x[KINDS];
        for (int k = 0; k < KINDS; k++)
            x[k] = v[k][i];
        add_to_base(b, x, l);
    }
    end_episode(b);
    settle(b, l);
}

/* All of it is what the device is now. */
static void end_as_baseline(hone_farm_baseline *b, const hone_farm_limits *l)
{
    b->n_baseline = (uint32_t)l->canary_burn_in;
    end_well(b, in_episode(b), l);
    begin(b);
}

static bool has_lasted(const hone_farm_baseline *b, int64_t now_ns, const hone_farm_limits *l)
{
    return b->episode_since > 0 && now_ns - b->episode_since >= l->level_ms * INT64_C(1000000);
}

bool hone_farm__baseline_asks(const hone_farm_baseline *b, int64_t now_ns,
                              const hone_farm_limits *l)
{
    return b->again > 0 || (has_lasted(b, now_ns, l) && b->n_episode < ENOUGH);
}

void hone_farm__baseline_accept(hone_farm_baseline *b, int64_t now_ns, const hone_farm_limits *l)
{
    int64_t long_ago = now_ns - l->level_ms * INT64_C(1000000);
    if (b->episode_since > long_ago)
        b->episode_since = long_ago > 1 ? long_ago : 1;
}

/* ---- one that comes ------------------------------------------------------------------------- */

static bool drifts(hone_farm_baseline *b, const double r[KINDS])
{
    bool alarm = false;
    for (int k = 0; k < KINDS; k++) {
        double z = r[k] / b->sigma[k];
        b->up[k] = fmax(0, b->up[k] + z - CUSUM_SLACK);
        b->down[k] = fmax(0, b->down[k] - z - CUSUM_SLACK);
        alarm |= b->up[k] > CUSUM_ALARM || b->down[k] > CUSUM_ALARM;
    }
    return alarm;
}

static void add_to_episode(hone_farm_baseline *b, const double x[KINDS], bool off)
{
    for (int k = 0; k < KINDS; k++)
        b->episode[k][b->n_episode % HONE_FARM_BASELINE] = (float)x[k];
    b->n_episode++;
    b->run = off ? 0 : b->run + 1;
}

static bool has_crept(const hone_farm_baseline *b)
{
    for (int k = 0; k < KINDS; k++)
        if (fabs(b->mean[k] - b->began[k]) > fmax(CREPT, 1.5 * b->sigma[k]))
            return true;
    return false;
}

/* One of an episode. After one that is off some more follow at once; what these say counts for the
 * moment, and what the whole of it says when it has lasted. */
static hone_farm__word in_doubt(hone_farm_baseline *b, bool off, bool hot, bool alarm,
                                int64_t now_ns, const hone_farm_limits *l)
{
    bool was_hot = b->was_hot, lasted = has_lasted(b, now_ns, l), changed = false;
    b->was_hot = hot && !was_hot; /* one alone may have been disturbed */
    if (b->again > 0) {
        b->n_burst++;
        b->again--;
        changed = b->again == 0 && is_off(b, b->n_burst);
        if (b->again == 0 && !changed) /* the one that began it, too, was noise */
            end_well(b, b->n_burst < in_episode(b) ? b->n_burst + 1 : b->n_burst, l);
    } else if (off || alarm) {
        b->again = (uint32_t)l->canary_again;
        b->n_burst = 0;
    }
    if (lasted && b->n_episode >= ENOUGH) {
        if (is_off(b, in_episode(b))) {
            end_as_baseline(b, l);
            return CANARY_SHIFTED;
        }
        end_well(b, in_episode(b), l);
    } else if (b->run >= WELL) {
        end_well(b, b->run, l);
    } else if (hot && was_hot && !lasted) {
        b->again = b->n_burst = 0;
        return CANARY_HOT;
    }
    return changed && !lasted ? CANARY_CHANGED : off ? CANARY_OFF : CANARY_CLEAN;
}

hone_farm__word hone_farm__baseline_take(hone_farm_baseline *b, const double x[KINDS],
                                         int64_t now_ns, const hone_farm_limits *l)
{
    bool off = false, hot = false;
    double r[KINDS];
    if (!hone_farm__baseline_known(b)) {
        add_to_base(b, x, l);
        if (in_base(b, l) < (uint32_t)l->canary_baseline)
            return CANARY_LEARNING;
        settle(b, l);
        begin(b);
        return CANARY_LEARNED;
    }
    if (b->began[0] == 0) /* of a log from before there were epochs' beginnings */
        begin(b);
    for (int k = 0; k < KINDS; k++) {
        r[k] = x[k] - b->mean[k];
        off |= fabs(r[k]) > fmax(OFF, 3 * b->sigma[k]);
        hot |= r[k] > fmax(HOT, 6 * b->sigma[k]);
    }
    bool alarm = drifts(b, r);
    if ((off || alarm) && !b->episode_since)
        b->episode_since = now_ns;
    if (b->episode_since) {
        add_to_episode(b, x, off);
        return in_doubt(b, off, hot, alarm, now_ns, l);
    }
    b->was_hot = false;
    add_to_base(b, x, l);
    settle(b, l);
    if (!has_crept(b))
        return CANARY_CLEAN;
    begin(b);
    return CANARY_CREPT;
}
