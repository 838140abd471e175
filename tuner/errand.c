/* Errands: what is to be built and measured. Each goes TO_BUILD -> BUILDING -> TO_MEASURE ->
 * MEASURING -> OVER; an attempt that has to be made again goes one stage back. */
#include "tuner/internal.h"

#include <math.h>

#define BATCH 16 /* candidates asked for at once */
#define AHEAD 6  /* built and waiting for a device, at most */
#define LONG_NS \
    1e8 /* a program as written that takes longer is nothing to be timed in turns with */

/* ---- variants and the list ------------------------------------------------------------------- */

variant *hone_tuner__variant_new(uint64_t ask_id, uint64_t hash, const char *why, char *trace)
{
    variant *v = hone_xcalloc(1, sizeof *v);
    v->refs = 1;
    v->ask_id = ask_id;
    v->hash = hash;
    v->why = why;
    v->trace = trace;
    return v;
}

variant *hone_tuner__hold(variant *v)
{
    if (v)
        v->refs++;
    return v;
}

void hone_tuner__drop(variant *v)
{
    if (!v || --v->refs > 0)
        return;
    hone_artifact_free(&v->artifact);
    free(v->trace);
    free(v);
}

errand *hone_tuner__errand(session *s, purpose p, variant *v)
{
    errand *j = hone_xcalloc(1, sizeof *j);
    j->purpose = p;
    j->v = hone_tuner__hold(v);
    j->stage = v && v->artifact.bytes ? TO_MEASURE : TO_BUILD;
    hone_vec_push(&s->errands, j);
    return j;
}

static void errand_free(errand *j)
{
    hone_tuner__drop(j->v);
    hone_tuner__drop(j->against);
    hone_tuner__drop(j->rival);
    free(j->parts);
    free(j);
}

errand *hone_tuner__find(const session *s, uint64_t id)
{
    for (uint32_t k = 0; k < s->errands.n; k++) {
        errand *j = s->errands.v[k];
        if (j->id == id && (j->stage == BUILDING || j->stage == MEASURING))
            return j;
    }
    return NULL;
}

unsigned hone_tuner__count(const session *s, stage st)
{
    unsigned n = 0;
    for (uint32_t k = 0; k < s->errands.n; k++)
        n += s->errands.v[k]->stage == st;
    return n;
}

void hone_tuner__forget_over(session *s)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->errands.n; k++) {
        errand *j = s->errands.v[k];
        if (j->stage == OVER)
            errand_free(j);
        else
            s->errands.v[n++] = j;
    }
    s->errands.n = n;
}

void hone_tuner__give_up(session *s, const variant *v)
{
    for (uint32_t k = 0; k < s->errands.n; k++) {
        errand *j = s->errands.v[k];
        if (v && j->v != v && j->rival != v)
            continue;
        if (j->stage == BUILDING || j->stage == MEASURING)
            hone_tuner__queue_job(s, HONE_SESSION_CANCEL, j->id);
        if (j->purpose == FOR_RECHECK)
            j->v->suspect = false;
        j->stage = OVER;
    }
}

/* ---- what a job asks for --------------------------------------------------------------------- */

void hone_tuner__build_job(const session *s, const errand *j, hone_build_job *ret)
{
    const char *intrins = s->o.intrins ? hone_intrin_set_text(s->o.intrins) : "";
    *ret = (hone_build_job){.id = j->id,
                            .workload = s->program_text,
                            .trace = j->v ? j->v->trace : NULL,
                            .target = s->target_text,
                            .threads = s->o.threads,
                            .reference = j->purpose == FOR_REFERENCE,
                            .deadline_ms = 30000,
                            .intrins = intrins[0] ? intrins : NULL};
}

/* Many short samples tell more than few long ones (base/pairs.c), down to those of one call. A
 * trial takes no more pairs than these, of which most need a part only, and of long calls fewer. */
#define SAMPLE_NS 5e5
static int most_samples(const variant *incumbent)
{
    double pair = 2 * fmax(SAMPLE_NS, incumbent ? incumbent->clock_ns : 0);
    double fit = fmax(fmin(6e7 / pair, HONE_MAX_SAMPLES / 2), fmin(3e8 / pair, 15));
    return fit < 4 ? 4 : (int)fit;
}

/* Who is looked at again gets more than that, and at the end of the session most: of two results
 * the log takes the one with more samples. */
static int samples_again(const errand *j, int most)
{
    purpose of = j->parts ? j->parts->of : j->purpose;
    bool some = of == FOR_SETTLE || of == FOR_CHALLENGE || of == FOR_HEAT;
    int all = some ? most + most / 2 : 2 * most;
    return all / (int)hone_tuner__parts_of(j); /* all parts make one result */
}

void hone_tuner__measure_job(const session *s, const errand *j, hone_measure_job *ret)
{
    const variant *with = j->against;
    bool plain = j->v->as_written; /* it may take a thousand times longer than others */
    double limit_ms = with ? 2000 + with->clock_ns * 20 * 25 / 1e6 : 60000;
    /* A library's function is only tried before the end. */
    bool tried = j->purpose == FOR_LIBRARY && !s->libraries_raced;
    bool often = !tried && j->purpose != FOR_TRIAL && j->purpose != FOR_INCUMBENT &&
                 j->purpose != FOR_RECHECK;
    int most = most_samples(hone_tuner__incumbent(s));
    int again = samples_again(j, most);
    *ret = (hone_measure_job){.id = j->id,
                              .target = s->target_text,
                              .candidate = &j->v->artifact,
                              .reference = &s->reference->artifact,
                              .incumbent = with ? &with->artifact : NULL,
                              .threads = s->o.threads,
                              .data_seed = DATA_SEED,
                              .tolerance = HONE_TOLERANCE,
                              .peak_gflops = s->peak_gflops,
                              .reference_ms = 240000,
                              .check_ms = plain ? 120000 : 30000,
                              .run_ms = (int64_t)fmin(limit_ms, 60000),
                              .min_samples = often            ? again
                                             : plain || tried ? 1
                                                              : 3,
                              .max_samples = often   ? again
                                             : tried ? 1
                                             : plain ? 5
                                                     : most,
                              .sample_ns = (int64_t)SAMPLE_NS,
                              .library = hone_tuner__library_mark(s, j->v)};
}

/* ---- handing out ----------------------------------------------------------------------------- */

static uint32_t in_hand(const session *s, unsigned role)
{
    return s->o.port.in_hand ? s->o.port.in_hand(s->o.port.ctx, role)
                             : hone_session_in_hand(s, role);
}

/* What j is to be measured with; NULL: alone. */
static variant *opponent(const session *s, const errand *j)
{
    variant *first = hone_tuner__incumbent(s);
    if (j->rival)
        return j->rival;
    if (!first || j->purpose == FOR_INCUMBENT || j->purpose == FOR_RECHECK)
        return NULL;
    bool final = j->purpose == FOR_LIBRARY ? s->libraries_raced : j->purpose != FOR_TRIAL;
    if (final || j->must_pair)
        return first;
    return j->v->as_written || (first->as_written && first->clock_ns > LONG_NS) ? NULL : first;
}

static void ask(session *s, uint32_t want)
{
    hone_candidate c[BATCH];
    uint32_t n = 0;
    hone_error err = {0};
    hone_status st = hone_search_ask(s->search, want < BATCH ? want : BATCH, c, &n, &err);
    if (st == HONE_E_INTERRUPTED) /* who said so will stop the session too */
        return;
    if (!hone_tuner__goes_on(s, st, &err))
        return;
    for (uint32_t k = 0; k < n; k++) {
        variant *v = hone_tuner__variant_new(c[k].id, c[k].hash, c[k].why, c[k].trace);
        v->as_written = c[k].as_written;
        hone_tuner__errand(s, FOR_TRIAL, v);
        hone_tuner__drop(v);
    }
    if (n == 0)
        s->r.exhausted = true;
}

static unsigned count_trials(const session *s)
{
    unsigned n = 0;
    for (uint32_t k = 0; k < s->errands.n; k++)
        n += s->errands.v[k]->purpose == FOR_TRIAL;
    return n;
}

/* New candidates, when none waits to be built. The search needs a processor too, so where all are
 * the device's it is asked between batches only. */
static void feed_search(session *s)
{
    uint64_t committed = s->r.trials + count_trials(s);
    bool quiet = !s->o.exclusive || (s->errands.n == 0 && in_hand(s, HONE_ROLE_RUN) == 0);
    uint64_t budget = hone_tuner__budget(s);
    if (s->phase != TUNING || s->r.exhausted || s->finishing ||
        hone_tuner__count(s, TO_BUILD) > 0 || !quiet || (budget && committed >= budget))
        return;
    uint64_t left = budget ? budget - committed : BATCH;
    ask(s, left < BATCH ? (uint32_t)left : BATCH);
}

static void hand_out(session *s, errand *j, stage st)
{
    j->id = s->o.port.new_id(s->o.port.ctx);
    j->stage = st;
    hone_tuner__queue_job(s, st == BUILDING ? HONE_SESSION_BUILD : HONE_SESSION_MEASURE, j->id);
}

static void feed_builders(session *s)
{
    unsigned building = hone_tuner__count(s, BUILDING),
             ready = building + hone_tuner__count(s, TO_MEASURE);
    unsigned most = 2 * s->o.port.able(s->o.port.ctx, HONE_ROLE_BUILD, NULL);
    if (s->o.exclusive && in_hand(s, HONE_ROLE_RUN) > 0)
        return;
    for (uint32_t k = 0; k < s->errands.n; k++) {
        errand *j = s->errands.v[k];
        if (j->stage != TO_BUILD || j->not_before_ns > s->now_ns || building >= most ||
            ready >= (s->o.exclusive ? BATCH : AHEAD))
            continue;
        hand_out(s, j, BUILDING);
        building++;
        ready++;
    }
}

static void feed_devices(session *s)
{
    unsigned measuring = hone_tuner__count(s, MEASURING);
    unsigned most = s->o.port.able(s->o.port.ctx, HONE_ROLE_RUN, s->target_text);
    if (s->o.exclusive && in_hand(s, HONE_ROLE_BUILD) > 0)
        return;
    /* What decides who leads goes before what is compared with the leader. */
    for (int trials = 0; trials < 2; trials++) {
        for (uint32_t k = 0; k < s->errands.n; k++) {
            errand *j = s->errands.v[k];
            if (j->stage != TO_MEASURE || j->not_before_ns > s->now_ns || measuring >= most ||
                (j->purpose == FOR_TRIAL) != (trials == 1))
                continue;
            variant *with = opponent(s, j);
            if (with && with->suspect) /* whether it is well is being found out */
                continue;
            hone_tuner__drop(j->against);
            j->against = hone_tuner__hold(with);
            hand_out(s, j, MEASURING);
            measuring++;
        }
    }
}

void hone_tuner__feed(session *s)
{
    hone_tuner__forget_over(s);
    feed_search(s);
    if (s->phase == DONE)
        return;
    feed_builders(s);
    feed_devices(s);
}

/* ---- taking back ----------------------------------------------------------------------------- */

static void built(session *s, errand *j, hone_pool_event *e)
{
    if (j->purpose == FOR_REFERENCE) {
        s->reference = hone_tuner__variant_new(HONE_NOT_ASKED, 0, "reference", hone_xstrdup(""));
        j->v = hone_tuner__hold(s->reference);
        j->stage = OVER;
    } else {
        j->stage = TO_MEASURE;
    }
    j->v->artifact = e->artifact;
    j->v->build_ns = e->spent_ns;
    e->artifact = (hone_artifact){0};
}

void hone_tuner__outcome(session *s, hone_pool_event *e)
{
    errand *j = hone_tuner__find(s, e->id);
    bool good = e->status == HONE_OK, is_built = e->kind == HONE_POOL_BUILT;
    if (j && is_built == (j->stage == BUILDING)) {
        s->heard_ns = s->now_ns;
        *(is_built ? &s->r.build_ns : &s->r.run_ns) += e->spent_ns;
        s->measured += !is_built;
        if (good || hone_status_is_reject(e->status)) {
            s->failed_in_a_row[!is_built] = 0;
            s->went_well[!is_built]++;
        }
        if (good && is_built)
            built(s, j, e);
        else if (good)
            hone_tuner__measured(s, j, e);
        else if (hone_status_is_reject(e->status))
            hone_tuner__rejected(s, j, e);
        else
            hone_tuner__failed(s, j, e);
    }
    hone_artifact_free(&e->artifact);
}
