/* Jobs: their states, and what ends each. A job's session is a matter of its own: it takes a while
 * to end, and a job that was paused and resumed waits until its last session is gone. */
#include "farm/internal.h"

job *hone_farm__job(const hone_farm *f, uint64_t id)
{
    uint32_t at = 0;
    job *j;
    while ((j = hone_map_next(&f->jobs_by_id, id, &at)))
        if (j->row.id == id)
            return j;
    return NULL;
}

static uint64_t request_hash(const char *name, const hone_farm_request *r)
{
    return hone_hash_mix(hone_hash_bytes(r->v[0], name, strlen(name)), r->v[1]);
}

job *hone_farm__job_of_request(const hone_farm *f, const user *u, const hone_farm_request *r)
{
    uint32_t at = 0;
    job *j;
    while ((j = hone_map_next(&f->jobs_by_request, request_hash(u->row.name, r), &at)))
        if (j->user == u && memcmp(&j->row.request, r, sizeof *r) == 0)
            return j;
    return NULL;
}

job *hone_farm__job_new(hone_farm *f, const hone_farm_job_row *row, user *u)
{
    job *j = hone_xcalloc(1, sizeof *j);
    j->row = *row;
    j->user = u;
    j->ends_at = j->session_ends_at = NEVER;
    j->timer.kind = TIMER_JOB;
    j->estimate_ns = (double)(f->l.estimate_ms * MS);
    hone_farm__ring_init(&j->wants);
    for (unsigned k = 0; k < LISTS; k++)
        hone_farm__ring_init(&j->open[k]);
    hone_map_add(&f->jobs_by_id, row->id, j);
    hone_map_add(&f->jobs_by_request, request_hash(row->user, &row->request), j);
    if (row->id >= f->next_job)
        f->next_job = row->id + 1;
    if (hone_farm_job_is_live(row->state)) {
        j->filter = hone_farm__filter_get(f, row->filter, NULL);
        u->live++;
        f->stats.jobs_live++;
    } else {
        hone_farm__ring_add(&f->ended_jobs, &j->ended);
        f->n_ended++;
    }
    return j;
}

void hone_farm__job_free(hone_farm *f, job *j)
{
    hone_map_remove(&f->jobs_by_id, j->row.id, j);
    hone_map_remove(&f->jobs_by_request, request_hash(j->row.user, &j->row.request), j);
    hone_farm__timer_set(f, &j->timer, NEVER);
    hone_farm__ring_remove(&j->ended);
    for (uint32_t i = 0; j->dirty && i < f->dirty_jobs.n; i++)
        if (f->dirty_jobs.v[i] == j)
            f->dirty_jobs.v[i--] = f->dirty_jobs.v[--f->dirty_jobs.n];
    for (uint32_t i = 0; j->counted && i < f->counted_jobs.n; i++)
        if (f->counted_jobs.v[i] == j)
            f->counted_jobs.v[i--] = f->counted_jobs.v[--f->counted_jobs.n];
    for (uint32_t i = 0; j->woken && i < f->woken_jobs.n; i++)
        if (f->woken_jobs.v[i] == j)
            f->woken_jobs.v[i--] = f->woken_jobs.v[--f->woken_jobs.n];
    free(j);
}

/* It goes to the end of the lists it waits in. */
void hone_farm__job_needs(hone_farm *f, job *j, const char *target)
{
    static const unsigned lists[] = {START, MEASURE}; /* any builder builds for anything */
    bool waits[HONE_LEN(lists)] = {false};
    if (!j->filter || !target)
        return;
    filter *old = j->filter;
    j->filter = hone_farm__filter_get(f, j->row.filter, target);
    for (unsigned k = 0; k < HONE_LEN(lists) && j->filter != old; k++) {
        waits[k] = j->group[lists[k]] != NULL;
        hone_farm__wait_remove(f, j, lists[k]);
    }
    for (unsigned k = 0; k < HONE_LEN(lists) && j->filter != old; k++)
        if (waits[k])
            hone_farm__wait_add(f, j, lists[k]);
    hone_farm__filter_put(f, old);
    if (j->n_open[MEASURE])
        hone_farm__wake_job(f, j);
}

/* ---- the session
 * --------------------------------------------------------------------------------- */

static void session_up(hone_farm *f, job *j, uint64_t after)
{
    j->session = SESSION_UP;
    f->sessions++;
    j->user->sessions++;
    hone_farm__effect(f, HONE_FARM_START_JOB, NULL, after)->job.job = j->row.id;
}

static void session_stop(hone_farm *f, job *j)
{
    hone_farm__unwant_all(f, j);
    if (j->session != SESSION_UP)
        return;
    j->session = SESSION_STOPPING;
    j->session_ends_at = f->now_ns + f->l.finish_ms * MS;
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_STOP_JOB, NULL, 0);
    e->job.job = j->row.id;
    e->job.reason = j->row.why;
}

static void session_gone(hone_farm *f, job *j)
{
    hone_farm__unwant_all(f, j);
    j->session = SESSION_NONE;
    j->session_ends_at = NEVER;
    f->sessions--;
    j->user->sessions--;
}

/* ---- states
 * ---------------------------------------------------------------------------------------- */

void hone_farm__job_arm(hone_farm *f, job *j)
{
    hone_farm__timer_set(f, &j->timer,
                         j->ends_at < j->session_ends_at ? j->ends_at : j->session_ends_at);
}

static int64_t lasts_ms(const hone_farm *f, const job *j)
{
    switch (j->row.state) {
    case HONE_FARM_JOB_QUEUED:
    case HONE_FARM_JOB_RUNNING:
        return j->row.queue_ms;
    case HONE_FARM_JOB_PAUSED:
        return f->l.pause_ms;
    case HONE_FARM_JOB_FINISHING:
        return f->l.finish_ms;
    default:
        return 0;
    }
}

static void end(hone_farm *f, job *j)
{
    j->user->live--;
    f->stats.jobs_live--;
    hone_farm__filter_put(f, j->filter);
    j->filter = NULL;
    hone_farm__ring_add(&f->ended_jobs, &j->ended);
    for (f->n_ended++; f->n_ended > f->l.kept_jobs; f->n_ended--) {
        job *oldest = OF(f->ended_jobs.next, job, ended);
        hone_farm__row(f, HONE_FARM_ROW_FORGET_JOB)->forget_job = oldest->row.id;
        hone_farm__job_free(f, oldest);
    }
}

void hone_farm__job_become(hone_farm *f, job *j, hone_farm_job_state s, hone_farm_reason why,
                           const char *actor)
{
    const char *from = hone_farm_job_state_name(j->row.state);
    HONE_ASSERT(hone_farm_job_is_live(j->row.state));
    hone_farm__wait_remove(f, j, START);
    j->row.state = s;
    j->row.why = why;
    j->row.changed_at = calendar(f);
    hone_farm__dirty_job(f, j);
    hone_farm__audit_job(f, actor, j, from, "job");
    j->ends_at = hone_farm_job_is_live(s) ? f->now_ns + lasts_ms(f, j) * MS : NEVER;
    if (s == HONE_FARM_JOB_RUNNING)
        session_up(f, j, f->batch);
    else if (s != HONE_FARM_JOB_QUEUED)
        session_stop(f, j);
    if (s == HONE_FARM_JOB_QUEUED && j->session == SESSION_NONE)
        hone_farm__wait_add(f, j, START);
    hone_farm__job_arm(f, j);
    if (!hone_farm_job_is_live(s))
        end(f, j);
}

static hone_farm_job_state end_of(hone_farm_reason why)
{
    return why == HONE_FARM_BECAUSE_QUEUE_TIMEOUT || why == HONE_FARM_BECAUSE_PAUSE_TIMEOUT
               ? HONE_FARM_JOB_EXPIRED
               : HONE_FARM_JOB_CANCELLED;
}

void hone_farm__job_stop(hone_farm *f, job *j, hone_farm_reason why, const char *actor)
{
    if (j->row.state == HONE_FARM_JOB_FINISHING)
        return;
    bool up = j->session != SESSION_NONE;
    hone_farm__job_become(f, j, up ? HONE_FARM_JOB_FINISHING : end_of(why), why, actor);
}

void hone_farm__job_pause(hone_farm *f, job *j, const char *actor)
{
    hone_farm__job_become(f, j, HONE_FARM_JOB_PAUSED, HONE_FARM_BECAUSE_BY_USER, actor);
}

void hone_farm__job_resume(hone_farm *f, job *j, const char *actor)
{
    hone_farm__job_become(f, j, HONE_FARM_JOB_QUEUED, HONE_FARM_BECAUSE_BY_USER, actor);
}

void hone_farm__job_ended(hone_farm *f, job *j, hone_status s)
{
    if (j->session == SESSION_NONE)
        return;
    session_gone(f, j);
    hone_farm__job_arm(f, j);
    if (j->row.state == HONE_FARM_JOB_RUNNING) {
        j->row.status = s;
        hone_farm__job_become(
            f, j, s == HONE_OK ? HONE_FARM_JOB_DONE : HONE_FARM_JOB_FAILED,
            s == HONE_OK ? HONE_FARM_BECAUSE_SESSION_OK : HONE_FARM_BECAUSE_SESSION_FAILED, NULL);
    } else if (j->row.state == HONE_FARM_JOB_FINISHING) {
        hone_farm__job_become(f, j, end_of(j->row.why), j->row.why, NULL);
    } else if (j->row.state == HONE_FARM_JOB_QUEUED) {
        hone_farm__wait_add(f, j, START);
    }
}

void hone_farm__job_touched(hone_farm *f, job *j)
{
    if (j->row.state == HONE_FARM_JOB_RUNNING) /* the timer looks when it goes off */
        j->ends_at = f->now_ns + lasts_ms(f, j) * MS;
}

void hone_farm__job_timer(hone_farm *f, job *j)
{
    bool over = j->ends_at <= f->now_ns;
    if (j->session_ends_at <= f->now_ns || (over && j->row.state == HONE_FARM_JOB_FINISHING)) {
        hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_END_JOB, NULL, 0);
        e->job.job = j->row.id;
        e->job.reason = HONE_FARM_BECAUSE_FINISH_TIMEOUT;
        hone_farm__job_ended(f, j, HONE_E_TIMEOUT);
    } else if (over) {
        hone_farm__job_stop(f, j,
                            j->row.state == HONE_FARM_JOB_PAUSED ? HONE_FARM_BECAUSE_PAUSE_TIMEOUT
                                                                 : HONE_FARM_BECAUSE_QUEUE_TIMEOUT,
                            NULL);
    } else {
        hone_farm__job_arm(f, j);
    }
}

void hone_farm__start_jobs(hone_farm *f)
{
    job *j;
    while (can_grant(f) && f->sessions < f->l.sessions && (j = hone_farm__pick_start(f)))
        hone_farm__job_become(f, j, HONE_FARM_JOB_RUNNING, HONE_FARM_BECAUSE_STARTED, NULL);
}

void hone_farm__job_restart(hone_farm *f, job *j)
{
    if (!hone_farm_job_is_live(j->row.state))
        return;
    j->ends_at = f->now_ns + lasts_ms(f, j) * MS;
    if (j->row.state == HONE_FARM_JOB_QUEUED)
        hone_farm__wait_add(f, j, START);
    if (j->row.state == HONE_FARM_JOB_RUNNING)
        session_up(f, j, 0);
    hone_farm__job_arm(f, j);
    if (j->row.state == HONE_FARM_JOB_FINISHING) /* its session went with the last coordinator */
        hone_farm__job_become(f, j, end_of(j->row.why), j->row.why, NULL);
}
