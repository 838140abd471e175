/* A session's phases. Each step takes what came, sees whether the phase is over, and hands out what
 * can be handed out:
 *
 *   WAITING     until there are builders and devices
 *   STARTING    the reference is built; the log's best is measured on this machine before anything
 *               is compared with it, and when it is wrong now, the next best is
 *   TUNING      candidates of the search, until trials, time or the space end
 *   RACING      the fastest once more, and the fastest few of these
 *   CONFIRMING  what the log has that claims to be faster than the winner
 *   DONE
 *
 * A request to stop ends every phase at once; what was measured is in the log by then. */
#include "tuner/internal.h"

#include <math.h>

#define LOG_TRIES                                                                  \
    6 /* records of the log that may turn out bad before the session goes on alone \
       */

#define COUNTED 4096 /* traces, of a space that is told the size of: a second or two at most */

/* ---- the end --------------------------------------------------------------------------------- */

static void finish(session *s)
{
    const variant *best = hone_tuner__incumbent(s);
    hone_session_result *r = &s->r;
    if (s->phase == DONE)
        return;
    hone_tuner__give_up(s, NULL);
    s->phase = DONE;
    hone_error err = {0};
    hone_status st = hone_tuner__log_close(s, &err);
    if (st != HONE_OK && r->status == HONE_OK) {
        r->status = st;
        r->error = err;
    }
    if (best) {
        r->best_ns = hone_tuner__log_time(s, best);
        r->gflops = (double)s->flops / (double)r->best_ns;
        r->max_error = best->max_error;
        r->best_trace = best->trace;
        r->best_hash = best->hash;
        r->default_ns =
            best->as_written
                ? r->best_ns
                : (int64_t)(s->default_clock_ns * ((double)r->best_ns / best->clock_ns));
    }
    hone_tuner__libraries_finish(s);
    hone_search_get_stats(s->search, &r->search);
    r->wall_ns = s->now_ns - s->started_ns;
    r->done = true;
    hone_tuner__progress(s, true);
}

void hone_tuner__end(session *s, hone_status status, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (s->phase == DONE)
        return;
    s->r.status = hone_fail(&s->r.error, status, "%s", text);
    finish(s);
}

bool hone_tuner__goes_on(session *s, hone_status st, const hone_error *err)
{
    if (st == HONE_OK)
        return s->phase != DONE;
    if (s->phase != DONE) {
        s->r.status = st;
        s->r.error = *err;
        finish(s);
    }
    return false;
}

/* ---- phases ---------------------------------------------------------------------------------- */

static bool is_able(const session *s, unsigned role)
{
    const char *target = role == HONE_ROLE_RUN ? s->target_text : NULL;
    return s->o.port.able(s->o.port.ctx, role, target) > 0;
}

static bool is_awaited(const session *s, unsigned role)
{
    return s->o.port.coming && s->o.port.coming(s->o.port.ctx, role);
}

/* Somebody must be there to build and to measure, within 10 s or when those who are on their way
 * have come; at the very end, now. */
static void watch_workers(session *s, bool out_of_time)
{
    bool builders = is_able(s, HONE_ROLE_BUILD), devices = is_able(s, HONE_ROLE_RUN);
    if ((builders || is_awaited(s, HONE_ROLE_BUILD)) && (devices || is_awaited(s, HONE_ROLE_RUN)))
        s->manned_ns = s->now_ns;
    bool patient =
        s->now_ns - s->manned_ns < WAIT_FOR_WORKERS_NS && !(out_of_time && s->phase == WAITING);
    if (s->stop_asked || s->o.patient || (builders && devices) || patient)
        return;
    if (s->phase > WAITING)
        hone_tuner__end(s, HONE_E_PEER,
                        "all workers are gone; what was measured is kept, run the same command "
                        "again to go on");
    else if (!devices && s->o.port.able(s->o.port.ctx, HONE_ROLE_RUN, NULL) > 0)
        hone_tuner__end(s, HONE_E_PEER,
                        "none of the machines that measure can run code for this target (see "
                        "--target)");
    else
        hone_tuner__end(s, HONE_E_PEER,
                        "no worker reachable that can %s: start one with `hone worker`, or check "
                        "the endpoint",
                        builders  ? "measure"
                        : devices ? "build"
                                  : "build or measure");
}

/* Workers are there, and none of them takes a job: one of a stranger's may be in hand, but not for
 * so long. The pool tells who it is. */
static void watch_answers(session *s)
{
    bool in_hand = hone_tuner__count(s, BUILDING) + hone_tuner__count(s, MEASURING) > 0;
    if (!in_hand || s->o.patient)
        s->heard_ns = s->now_ns;
    else if (s->now_ns - s->heard_ns >= WAIT_FOR_ANSWERS_NS)
        hone_tuner__end(s, HONE_E_BUSY,
                        "nothing has come back from the workers for %d minutes; what was measured "
                        "is kept, run the same command again to go on",
                        (int)(WAIT_FOR_ANSWERS_NS / (60000 * MS)));
}

/* Nothing more is to be tried, as of now. */
static bool is_used_up(const session *s)
{
    uint64_t budget = hone_tuner__budget(s);
    return s->finishing || s->r.exhausted || (budget && s->r.trials >= budget);
}

static void wait_step(session *s)
{
    if (s->o.held && !s->granted) {
        if (s->finishing)
            finish(s);
        return;
    }
    if (!is_able(s, HONE_ROLE_BUILD) || !is_able(s, HONE_ROLE_RUN))
        return;
    hone_tuner__errand(s, FOR_REFERENCE, NULL);
    s->phase = STARTING;
}

static void begin_tuning(session *s)
{
    s->phase = TUNING;
    hone_tuner__libraries_measure(s);
}

static void start_step(session *s)
{
    if (s->errands.n > 0)
        return;
    variant *v = NULL;
    if (!hone_tuner__incumbent(s) && !s->log_given_up && s->log_tried++ < LOG_TRIES)
        v = hone_tuner__log_next(s, HUGE_VAL);
    if (v)
        hone_tuner__errand(s, FOR_INCUMBENT, v);
    else if (s->phase != DONE)
        begin_tuning(s);
    hone_tuner__drop(v);
}

int64_t hone_session_race_ns(const hone_session *s)
{
    return s->measured ? hone_tuner__race_trials(s) * (s->r.run_ns / (int64_t)s->measured) : 0;
}

/* So much of the time is kept for the final race. */
static int64_t kept_ns(const session *s)
{
    int64_t race = hone_session_race_ns(s), most = (s->deadline_ns - s->started_ns) / 4;
    return race < most ? race : most;
}

static void tune_step(session *s)
{
    bool out_of_time = s->deadline_ns && s->now_ns >= s->deadline_ns - kept_ns(s);
    bool is_over = is_used_up(s) && s->errands.n == 0 && (!s->o.held || s->finishing);
    if (!out_of_time && !is_over)
        return;
    hone_tuner__give_up(s, NULL);
    const variant *first = hone_tuner__incumbent(s);
    bool unopposed = s->r.trials == 0 || (s->best.n == 1 && first && first->as_written);
    if (!first || (unopposed && s->o.n_libraries == 0)) {
        finish(s);
        return;
    }
    if (unopposed) { /* but for libraries */
        s->phase = CONFIRMING;
        s->confirmed = CONFIRMATIONS;
        return;
    }
    s->phase = RACING;
    hone_tuner__race_begin(s);
}

static void advance(session *s)
{
    phase before;
    do {
        before = s->phase;
        hone_tuner__forget_over(s);
        switch (s->phase) {
        case WAITING:
            wait_step(s);
            break;
        case STARTING:
            start_step(s);
            break;
        case TUNING:
            tune_step(s);
            break;
        case RACING:
            hone_tuner__race_step(s);
            break;
        case CONFIRMING:
            if (!hone_tuner__confirm_step(s))
                finish(s);
            break;
        case DONE:
            break;
        }
    } while (s->phase != before);
    if (s->phase != DONE)
        hone_tuner__feed(s);
}

/* ---- public ---------------------------------------------------------------------------------- */

void hone_session_step(hone_session *s, hone_pool_event *e, int64_t now_ns)
{
    s->now_ns = now_ns;
    if (!s->stepped)
        s->manned_ns = s->heard_ns = now_ns;
    s->stepped = true;
    if (e)
        hone_tuner__outcome(s, e);
    if (s->phase == DONE)
        return;
    bool out_of_time = s->deadline_ns && now_ns >= s->deadline_ns;
    watch_workers(s, out_of_time);
    watch_answers(s);
    if (s->phase != DONE && (s->stop_asked || out_of_time)) {
        s->r.interrupted = s->stop_asked;
        finish(s);
    }
    if (s->phase != DONE)
        advance(s);
    if (s->phase != DONE)
        hone_tuner__progress(s, false);
}

void hone_session_stop(hone_session *s)
{
    s->stop_asked = true;
}

uint64_t hone_tuner__budget(const session *s)
{
    return s->o.held ? s->granted : s->o.trials;
}

void hone_session_grant(hone_session *s, uint64_t trials)
{
    HONE_ASSERT(s->o.held);
    s->granted += trials;
}

void hone_session_finish(hone_session *s)
{
    s->finishing = true;
}

bool hone_session_rests(const hone_session *s)
{
    bool unasked = s->phase == WAITING && !s->granted;
    return s->phase == DONE || unasked ||
           (s->phase == TUNING && s->errands.n == 0 && is_used_up(s));
}

double hone_session_best_ns(const hone_session *s)
{
    const variant *best = hone_tuner__incumbent(s);
    return best ? best->clock_ns : s->known_ns;
}

bool hone_session_owns(const hone_session *s, uint64_t id)
{
    return hone_tuner__find(s, id) != NULL;
}

uint32_t hone_session_in_hand(const hone_session *s, unsigned role)
{
    return hone_tuner__count(s, role == HONE_ROLE_BUILD ? BUILDING : MEASURING);
}

const hone_session_result *hone_session_get_result(const hone_session *s)
{
    return &s->r;
}

bool hone_tuner__is_as_written(const char *trace)
{
    hone_trace t = {0};
    bool yes = hone_trace_parse(trace, strlen(trace), &t, NULL) == HONE_OK &&
               hone_trace_search_part(&t) == 0;
    hone_trace_free(&t);
    return yes;
}

static int narrowest(const hone_program *p)
{
    int bytes = 8;
    for (uint32_t b = 1; b < p->buffers.n; b++) {
        int of = hone_dtype_bytes((hone_dtype)p->buffers.v[b].dtype);
        bytes = of < bytes ? of : bytes;
    }
    return bytes;
}

/* Matrix units count where there is an intrinsic that a candidate could use them by. */
static double peak_gflops(const hone_session_options *o)
{
    const hone_intrin_set *set = o->intrins ? o->intrins : hone_intrin_shipped();
    hone_buf features = {0};
    hone_buf_puts(&features, "");
    for (unsigned k = 0; k < hone_intrin_count(set); k++) {
        const hone_intrin *in = hone_intrin_at(set, k);
        if (hone_target_has(o->target, in->features))
            hone_buf_printf(&features, "%s,", in->features);
    }
    double peak = hone_target_peak_gops(o->target, o->threads, narrowest(o->program), features.s);
    hone_buf_free(&features);
    return peak;
}

/* Whoever asks for the whole space wants to know how much that is. */
static hone_status count_space(session *s, hone_error *err)
{
    hone_space_size *z = &s->r.space;
    if (!s->o.strategy || !s->o.strategy->whole)
        return HONE_OK;
    HONE_TRY(hone_space_count(s->space, COUNTED, z, err));
    hone_tuner__notice(s, "the space has %s%" PRIu64 " candidates", z->more ? "at least " : "",
                       z->candidates);
    return HONE_OK;
}

static hone_status open_session(session *s, hone_error *err)
{
    const hone_session_options *o = &s->o;
    hone_buf text = {0};
    hone_program copy = {0};
    hone_program_print(o->program, &text);
    s->program_text = hone_buf_take(&text);
    s->target_text = hone_target_text(o->target);
    s->workload_hash = hone_program_hash(o->program);
    hone_program_copy(&copy, o->program);
    s->flops = hone_program_flops(&copy);
    s->least_ops = hone_program_least_ops(&copy);
    hone_program_fini(&copy);
    s->peak_gflops = peak_gflops(o);
    HONE_TRY(hone_tuner__log_open(s, err));
    HONE_TRY(hone_tuner__libraries_open(s, err));
    const hone_space_options space = {.target = o->target,
                                      .threads = o->threads,
                                      .rules = o->rules,
                                      .intrins = o->intrins,
                                      .stop = o->stop,
                                      .stop_ctx = o->stop_ctx};
    HONE_TRY(hone_space_new(o->program, &space, &s->space, err));
    s->search = hone_search_new(o->strategy, s->space,
                                &(hone_search_options){.seed = o->seed,
                                                       .without = o->without,
                                                       .remember = o->remember,
                                                       .prior = o->prior,
                                                       .prior_trust = o->prior_trust,
                                                       .machine = o->machine,
                                                       .stop = o->stop,
                                                       .stop_ctx = o->stop_ctx});
    HONE_TRY(count_space(s, err));
    return hone_tuner__log_recall(s, err);
}

hone_status hone_session_new(const hone_session_options *o, int64_t now_ns, hone_session **ret,
                             hone_error *err)
{
    session *s = hone_xcalloc(1, sizeof *s);
    s->o = *o;
    s->now_ns = s->started_ns = s->progress_ns = now_ns;
    s->deadline_ns = o->time_ms ? now_ns + o->time_ms * MS : 0;
    hone_status st = open_session(s, err);
    if (st != HONE_OK) {
        hone_session_free(s);
        s = NULL;
    }
    *ret = s;
    return st;
}

void hone_session_free(hone_session *s)
{
    if (!s)
        return;
    hone_tuner__give_up(s, NULL);
    hone_tuner__forget_over(s);
    hone_vec_free(&s->errands);
    for (uint32_t k = 0; k < s->best.n; k++)
        hone_tuner__drop(s->best.v[k]);
    hone_vec_free(&s->best);
    hone_tuner__drop(s->reference);
    hone_tuner__libraries_free(s);
    for (; s->first < s->queue.n; s->first++)
        free(s->queue.v[s->first].text);
    hone_vec_free(&s->queue);
    free(s->handed_out);
    hone_vec_free(&s->met);
    hone_vec_free(&s->clocks);
    hone_search_free(s->search);
    hone_space_free(s->space);
    free(s->program_text);
    free(s->target_text);
    free(s->state_text);
    free(s);
}
