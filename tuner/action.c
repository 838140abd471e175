/* What a session wants done: queued in a step, handed out one by one afterwards. Jobs are described
 * when they are handed out, from the errand; one that is gone by then is passed over. */
#include "tuner/internal.h"

#define PROGRESS_NS (100 * MS)

static queued *add(session *s, hone_session_action_kind kind)
{
    hone_vec_push(&s->queue, (queued){.kind = kind});
    return &s->queue.v[s->queue.n - 1];
}

void hone_tuner__notice(session *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add(s, HONE_SESSION_NOTICE)->text = hone_xstrdup(text);
}

void hone_tuner__queue_job(session *s, hone_session_action_kind kind, uint64_t id)
{
    add(s, kind)->id = id;
}

void hone_tuner__queue_trial(session *s, const hone_trial *t)
{
    queued *q = add(s, HONE_SESSION_TRIAL);
    q->trial = *t;
    q->text = hone_xstrdup(t->reason);
    snprintf(q->device, sizeof q->device, "%s", t->device);
}

const char *hone_tuner__phase_name(phase p)
{
    static const char *const names[] = {"waiting for workers", "starting",   "tuning",
                                        "final race",          "confirming", "done"};
    return names[p];
}

void hone_tuner__progress(session *s, bool now)
{
    if (!now && s->now_ns - s->progress_ns < PROGRESS_NS)
        return;
    s->progress_ns = s->now_ns;
    const variant *best = hone_tuner__incumbent(s);
    hone_progress p = {.trials = s->r.trials,
                       .budget = hone_tuner__budget(s),
                       .ok = s->r.ok,
                       .failed = s->r.failed,
                       .best_ns = best ? (int64_t)best->clock_ns : 0,
                       .gflops = best ? (double)s->flops / best->clock_ns : 0,
                       .elapsed_ns = s->now_ns - s->started_ns,
                       .left_ns = -1,
                       .phase = hone_tuner__phase_name(s->phase)};
    memcpy(p.rejected, s->r.rejected, sizeof p.rejected);
    if (s->o.trials && s->r.trials)
        p.left_ns = (int64_t)((double)p.elapsed_ns / (double)s->r.trials *
                              (double)(s->o.trials - s->r.trials));
    if (s->deadline_ns) {
        int64_t left = s->deadline_ns - s->now_ns;
        if (p.left_ns < 0 || left < p.left_ns)
            p.left_ns = left > 0 ? left : 0;
    }
    add(s, HONE_SESSION_PROGRESS)->progress = p;
}

static bool describe(session *s, const queued *q, hone_session_action *ret)
{
    const errand *j = NULL;
    if ((q->kind == HONE_SESSION_BUILD || q->kind == HONE_SESSION_MEASURE) &&
        !(j = hone_tuner__find(s, q->id)))
        return false;
    *ret = (hone_session_action){.kind = q->kind};
    switch (q->kind) {
    case HONE_SESSION_BUILD:
        hone_tuner__build_job(s, j, &ret->build);
        break;
    case HONE_SESSION_MEASURE:
        hone_tuner__measure_job(s, j, &ret->measure);
        break;
    case HONE_SESSION_CANCEL:
        ret->cancel = q->id;
        break;
    case HONE_SESSION_NOTICE:
        ret->notice = q->text;
        break;
    case HONE_SESSION_TRIAL:
        ret->trial = q->trial;
        ret->trial.reason = q->text;
        ret->trial.device = q->device;
        break;
    case HONE_SESSION_PROGRESS:
        ret->progress = q->progress;
        break;
    }
    return true;
}

bool hone_session_next_action(hone_session *s, hone_session_action *ret)
{
    free(s->handed_out);
    s->handed_out = NULL;
    while (s->first < s->queue.n) {
        queued *q = &s->queue.v[s->first++];
        bool good = describe(s, q, ret);
        s->handed_out = q->text;
        q->text = NULL;
        if (good)
            return true;
        free(s->handed_out);
        s->handed_out = NULL;
    }
    s->first = s->queue.n = 0;
    return false;
}
