/* What an outcome means, depending on whom it was fetched for: a measurement, a rejection, or
 * nothing after all attempts. */
#include "tuner/internal.h"

#include <math.h>

/* Devices differ by less: who is further behind on one that was not seen before is slower. */
#define UNSEEN_SPAN 4

static void tell(session *s, const variant *v, hone_status status)
{
    hone_search_tell(s->search, &(hone_outcome){.id = v->ask_id,
                                                .trace = v->trace,
                                                .hash = v->hash,
                                                .status = status,
                                                .time_ns = v->clock_ns});
}

/* ---- measured -------------------------------------------------------------------------------- */

static void take_result(variant *v, const hone_measure_result *m, const comparison *c)
{
    v->time_ns = m->time_ns;
    v->clock_ns = c->clock_ns;
    v->noise = c->noise;
    v->max_error = m->max_error;
}

/* v, just measured, takes its place among the fastest. True: it is the first of them now.
 *
 * Measured with the incumbent of now: the ratio tells. Measured with an earlier one, or alone: the
 * chain of ratios does, as far as it is certain. The program as written is so slow that nobody is
 * ahead of it by luck. */
static bool place(session *s, const errand *j, const comparison *c)
{
    variant *v = j->v, *first = hone_tuner__incumbent(s);
    bool close = false, leads = !first, direct = first && c->paired && j->against == first;
    double ahead = 0;
    if (first && !c->comparable) {
        close = c->clock_ns < UNSEEN_SPAN * first->clock_ns;
    } else if (first) {
        double noise = direct ? hone_tuner__noise_of_trial(s, c) : hypot(c->noise, first->noise);
        ahead = direct ? -c->ratio : log(first->clock_ns / c->clock_ns);
        leads = ahead > (direct && j->purpose != FOR_TRIAL ? 0 : noise);
        close = !direct && fabs(ahead) <= noise;
    }
    if (leads && first && !first->as_written && s->phase == TUNING)
        hone_tuner__errand(s, FOR_SETTLE, v)->rival = hone_tuner__hold(first);
    hone_tuner__enter_finals(s, v, leads);
    if (close && j->purpose == FOR_TRIAL)
        hone_tuner__errand(s, FOR_CHALLENGE, v);
    return leads;
}

/* v, which took the lead, has its time by a measurement that nothing was selected by. It keeps the
 * lead; what is faster by its new time has another go. */
static void settle(session *s, variant *v)
{
    if (hone_tuner__incumbent(s) != v)
        hone_tuner__enter_finals(s, v, false);
    else if (s->phase == TUNING && s->best.n > 1 && s->best.v[1]->clock_ns < v->clock_ns)
        hone_tuner__errand(s, FOR_CHALLENGE, s->best.v[1]);
}

/* A part of a comparison of v with another one was measured: the next one follows, in which they
 * have changed places, or what all of them say stands in the log. Who is clearly behind in the
 * first part of a heat has lost it. */
static void part_measured(session *s, errand *j, const hone_pool_event *e, const comparison *c)
{
    if (!j->parts) {
        j->parts = hone_xcalloc(1, sizeof *j->parts);
        j->parts->of = j->purpose;
    }
    parts *p = j->parts;
    bool turned = p->n % 2;
    hone_tuner__add_part(s, p, c, &e->result);
    if (p->of == FOR_HEAT && !turned && c->ratio > hone_tuner__noise_of_trial(s, c))
        return; /* what this part says has been taken */
    if (p->n < hone_tuner__parts_of(j)) {
        errand *next = hone_tuner__errand(s, FOR_PART, j->against);
        next->rival = hone_tuner__hold(j->v);
        next->parts = p;
        j->parts = NULL;
        return;
    }
    variant *v = turned ? j->against : j->v, *other = turned ? j->v : j->against;
    hone_pool_event all = *e;
    all.result = p->result;
    comparison told = hone_tuner__compare_parts(s, p, other);
    const errand of = {.purpose = p->of, .v = v, .against = other};
    take_result(v, &all.result, &told);
    if (!hone_tuner__log_store(s, &of, &all, &told))
        return;
    if (of.purpose == FOR_SETTLE)
        settle(s, v);
    else if (of.purpose == FOR_CONFIRM)
        place(s, &of, &told);
}

static void trial_measured(session *s, errand *j, const hone_pool_event *e, const comparison *c)
{
    variant *v = j->v;
    take_result(v, &e->result, c);
    if (!hone_tuner__log_store(s, j, e, c))
        return;
    s->r.trials++;
    s->r.ok++;
    if (v->as_written)
        s->default_clock_ns = v->clock_ns;
    tell(s, v, HONE_OK);
    bool best = place(s, j, c);
    hone_tuner__queue_trial(s, &(hone_trial){.number = s->r.trials,
                                             .hash = v->hash,
                                             .status = HONE_OK,
                                             .reason = "",
                                             .why = v->why,
                                             .device = e->device,
                                             .time_ns = v->time_ns,
                                             .compare_ns = llround(v->clock_ns),
                                             .max_error = v->max_error,
                                             .best = best});
    hone_tuner__progress(s, best);
}

void hone_tuner__measured(session *s, errand *j, const hone_pool_event *e)
{
    variant *v = j->v;
    bool again = j->purpose == FOR_INCUMBENT || j->purpose == FOR_RECHECK;
    if (j->purpose == FOR_INCUMBENT && !hone_tuner__clock_holds(s, v->clock_ns, &e->result)) {
        hone_tuner__notice(s,
                           "the log says that its best takes %.0f ns, and it takes %" PRId64
                           " ns: times of this session are not compared with earlier ones",
                           v->clock_ns, e->result.time_ns);
        again = false;
    }
    comparison c = hone_tuner__compare(s, j, e, again ? v->clock_ns : 0);
    if (!c.comparable && hone_tuner__incumbent(s) && !j->must_pair && !v->as_written) {
        /* alone on a device that was not seen yet, while others were measured elsewhere */
        j->must_pair = true;
        j->stage = TO_MEASURE;
        return;
    }
    j->stage = OVER;
    switch (j->purpose) {
    case FOR_REFERENCE:
        break;
    case FOR_TRIAL:
        trial_measured(s, j, e, &c);
        break;
    case FOR_RECHECK:
        v->suspect = false;
        break;
    case FOR_INCUMBENT:
        take_result(v, &e->result, &c);
        if (hone_tuner__log_store(s, j, e, &c))
            hone_tuner__enter_finals(s, v, true);
        break;
    case FOR_LIBRARY:
        take_result(v, &e->result, &c);
        if (hone_tuner__log_store(s, j, e, &c))
            hone_tuner__library_measured(s, v);
        break;
    case FOR_CHALLENGE:
    case FOR_SETTLE:
    case FOR_HEAT:
    case FOR_RACE:
    case FOR_CONFIRM:
        take_result(v, &e->result, &c);
        if (!hone_tuner__log_store(s, j, e, &c))
            break;
        v->raced = true;
        if (j->purpose != FOR_HEAT) /* whose word is not the last */
            hone_tuner__meet(s, v->hash);
        if (c.paired && hone_tuner__parts_of(j) > 1)
            part_measured(s, j, e, &c);
        else if (j->purpose == FOR_SETTLE)
            settle(s, v);
        else if (j->purpose != FOR_RACE && j->purpose != FOR_HEAT) /* they end when all have run */
            place(s, j, &c);
        break;
    case FOR_PART:
        if (c.paired)
            part_measured(s, j, e, &c);
        break;
    }
}

/* ---- rejected -------------------------------------------------------------------------------- */

/* Time limits depend on the machine and its load: the first time says nothing. */
static bool is_time_limit(hone_status s)
{
    return s == HONE_REJECT_RUN_TIMEOUT || s == HONE_REJECT_BUILD_TIMEOUT;
}

static void condemn(session *s, variant *v)
{
    v->condemned = true;
    v->suspect = false;
    hone_tuner__meet(s, v->hash);
    hone_tuner__give_up(s, v);
    hone_tuner__leave_finals(s, v);
}

void hone_tuner__rejected(session *s, errand *j, const hone_pool_event *e)
{
    variant *v = j->v;
    const char *reason = e->error.message[0] ? e->error.message : hone_status_text(e->status);
    if (is_time_limit(e->status) && j->timeouts[j->stage == MEASURING]++ == 0) {
        j->stage = j->stage == BUILDING ? TO_BUILD : TO_MEASURE;
        return;
    }
    j->stage = OVER;
    if (j->purpose == FOR_REFERENCE) {
        hone_tuner__end(s, e->status, "the kernel as written cannot be built: %s", reason);
        return;
    }
    if (!hone_tuner__log_store(s, j, e, NULL))
        return;
    if (j->purpose == FOR_LIBRARY) {
        hone_tuner__library_rejected(s, v, e->status, reason);
        return;
    }
    condemn(s, v);
    tell(s, v, e->status);
    if (j->purpose != FOR_TRIAL) {
        hone_tuner__notice(s, "what was right before is rejected now: %.300s", reason);
        return;
    }
    s->r.trials++;
    s->r.rejected_total++;
    s->r.rejected[e->status]++;
    hone_tuner__queue_trial(s, &(hone_trial){.number = s->r.trials,
                                             .hash = v->hash,
                                             .status = e->status,
                                             .reason = reason,
                                             .why = v->why,
                                             .device = e->device});
    hone_tuner__progress(s, false);
}

/* ---- neither --------------------------------------------------------------------------------- */

void hone_tuner__set_aside(session *s, errand *j, hone_status status)
{
    variant *v = j->v;
    j->stage = OVER;
    s->r.set_aside++;
    hone_tuner__meet(s, v->hash);
    switch (j->purpose) {
    case FOR_TRIAL:
        tell(s, v, status);
        break;
    case FOR_RECHECK: /* whatever it is, nothing can be compared with it */
        condemn(s, v);
        break;
    case FOR_INCUMBENT: /* what the workers cannot do with one, they can hardly with the next */
        s->log_given_up = true;
        break;
    case FOR_LIBRARY:
        v->condemned = true;
        break;
    case FOR_REFERENCE:
    case FOR_CHALLENGE:
    case FOR_SETTLE:
    case FOR_HEAT:
    case FOR_RACE: /* it stays what it was, behind those that were raced */
    case FOR_CONFIRM:
    case FOR_PART: /* what the first one says stands */
        break;
    }
}
