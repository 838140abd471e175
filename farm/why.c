/* What a job waits for, one answer always; and the rows as they stand, for who asks. */
#include "farm/internal.h"

static void count_fit(const hone_farm *f, const job *j, hone_farm_fit *ret)
{
    *ret = (hone_farm_fit){0};
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *w = f->workers.v[i];
        if (!(w->row.roles & HONE_FARM_DEVICE) || w->row.health == HONE_FARM_HEALTH_RETIRED)
            continue;
        const char *lacks = hone_farm__filter_lacks(j->filter, w);
        ret->known++;
        ret->matching += lacks != NULL;
        ret->able += lacks && !*lacks;
        if (lacks && *lacks && !ret->lacks[0]) {
            snprintf(ret->device, sizeof ret->device, "%s", w->row.name);
            snprintf(ret->lacks, sizeof ret->lacks, "%s", lacks);
        }
    }
}

void hone_farm_job_fit(const hone_farm *f, uint64_t id, hone_farm_fit *ret)
{
    const job *j = hone_farm__job(f, id);
    *ret = (hone_farm_fit){0};
    if (j && j->filter)
        count_fit(f, j, ret);
}

bool hone_farm_job_suits(const hone_farm *f, uint64_t id, const char *name, const char *attrs,
                         const char *target)
{
    const job *j = hone_farm__job(f, id);
    return j && j->filter && hone_farm__filter_suits(j->filter, name, attrs, target);
}

/* No device would do. */
static hone_farm_reason why_none(const hone_farm *f, const job *j)
{
    hone_farm_fit fit;
    count_fit(f, j, &fit);
    return fit.matching ? HONE_FARM_BECAUSE_LACKS : HONE_FARM_BECAUSE_NO_DEVICE;
}

static hone_farm_reason why_queued(const hone_farm *f, const job *j)
{
    uint32_t known = 0;
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *w = f->workers.v[i];
        known += w->row.roles & HONE_FARM_DEVICE && w->row.health != HONE_FARM_HEALTH_RETIRED &&
                 hone_farm__filter_fits(j->filter, w);
    }
    if (j->batch > f->committed)
        return HONE_FARM_BECAUSE_COMMITTING;
    if (!known)
        return why_none(f, j);
    if (!hone_farm__any_online(f, j->filter))
        return HONE_FARM_BECAUSE_OFFLINE;
    if (j->user->sessions >= f->l.user_sessions)
        return HONE_FARM_BECAUSE_USER_JOBS;
    return HONE_FARM_BECAUSE_SESSIONS;
}

static hone_farm_reason why_not_measured(const hone_farm *f, const job *j)
{
    uint32_t known = 0, online = 0, healthy = 0, open = 0;
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *w = f->workers.v[i];
        if (!(w->row.roles & HONE_FARM_DEVICE) || w->row.health == HONE_FARM_HEALTH_RETIRED ||
            !hone_farm__filter_fits(j->filter, w))
            continue;
        known++;
        if (w->link != HONE_FARM_LINK_ONLINE)
            continue;
        online++;
        if (!hone_farm__takes(w->row.health))
            continue;
        healthy++;
        open += w->row.admin == HONE_FARM_ADMIN_OPEN ||
                (w->row.admin == HONE_FARM_ADMIN_RESERVED && strcmp(w->row.by, j->row.user) == 0);
    }
    return !known     ? why_none(f, j)
           : !online  ? HONE_FARM_BECAUSE_OFFLINE
           : !healthy ? HONE_FARM_BECAUSE_UNHEALTHY
           : !open    ? HONE_FARM_BECAUSE_ADMIN
                      : HONE_FARM_BECAUSE_SHARE;
}

static hone_farm_reason why_not_built(const hone_farm *f)
{
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *w = f->workers.v[i];
        if (w->row.roles & HONE_FARM_BUILDER && w->link == HONE_FARM_LINK_ONLINE &&
            hone_farm__takes(w->row.health))
            return HONE_FARM_BECAUSE_BUILDERS_BUSY;
    }
    return HONE_FARM_BECAUSE_NO_BUILDER;
}

static hone_farm_reason why_running(const hone_farm *f, const job *j)
{
    if (j->in_flight)
        return HONE_FARM_BECAUSE_IN_FLIGHT;
    if (j->n_open[BUILD] + j->n_open[MEASURE] == 0)
        return HONE_FARM_BECAUSE_SESSION;
    if (j->user->in_flight >= f->l.user_units)
        return HONE_FARM_BECAUSE_UNITS;
    return j->n_open[MEASURE] ? why_not_measured(f, j) : why_not_built(f);
}

static hone_farm_reason why(const hone_farm *f, const job *j)
{
    switch (j->row.state) {
    case HONE_FARM_JOB_QUEUED:
        return can_grant(f) ? why_queued(f, j) : HONE_FARM_BECAUSE_STORAGE;
    case HONE_FARM_JOB_RUNNING:
        return can_grant(f) ? why_running(f, j) : HONE_FARM_BECAUSE_STORAGE;
    case HONE_FARM_JOB_PAUSED:
        return HONE_FARM_BECAUSE_PAUSED;
    case HONE_FARM_JOB_FINISHING:
        return HONE_FARM_BECAUSE_FINISHING;
    default:
        return HONE_FARM_BECAUSE_ENDED;
    }
}

hone_farm_reason hone_farm_job_wait(const hone_farm *f, uint64_t id)
{
    const job *j = hone_farm__job(f, id);
    return j ? why(f, j) : HONE_FARM_BECAUSE_ENDED;
}

/* ---- rows
 * --------------------------------------------------------------------------------------------- */

typedef struct reader {
    const hone_farm *f;
    unsigned kinds;
    hone_farm_row_fn fn;
    void *ctx;
    bool enough;
} reader;

static bool wants(const reader *r, hone_farm_row_kind k)
{
    return !r->enough && r->kinds >> k & 1;
}

static void tell(reader *r, const hone_farm_row *row)
{
    r->enough = r->enough || !r->fn(r->ctx, row);
}

static void tell_worker(reader *r, const worker *w)
{
    hone_farm_row row = {.kind = HONE_FARM_ROW_WORKER, .worker = hone_farm__worker_row(r->f, w)};
    row.worker.link = w->link;
    row.worker.leases = w->n_live[BUILD] + w->n_live[MEASURE];
    for (ring *p = w->leases.prev; p != &w->leases; p = p->prev)
        if (OF(p, lease, in_worker)->state != LEASE_GHOST)
            row.worker.unit = OF(p, lease, in_worker)->key;
    tell(r, &row);
}

static void tell_leases(reader *r, const worker *w)
{
    for (ring *p = w->leases.next; p != &w->leases; p = p->next) {
        const lease *l = OF(p, lease, in_worker);
        hone_farm_row row = {
            .kind = HONE_FARM_ROW_LEASE,
            .lease = {.slot = l->slot, .fence = l->fence, .unit = l->key, .epoch = l->epoch}};
        snprintf(row.lease.worker, sizeof row.lease.worker, "%s", w->row.name);
        if (l->stored)
            tell(r, &row);
    }
}

void hone_farm_each_row(const hone_farm *f, unsigned kinds, hone_farm_row_fn fn, void *ctx)
{
    reader r = {.f = f, .kinds = kinds, .fn = fn, .ctx = ctx};
    if (wants(&r, HONE_FARM_ROW_CLOCK))
        tell(&r, &(hone_farm_row){
                     .kind = HONE_FARM_ROW_CLOCK, .clock = f->now_ns, .away_ns = f->away_ns});
    for (uint32_t i = 0; i < f->users.n && wants(&r, HONE_FARM_ROW_USER); i++)
        tell(&r, &(hone_farm_row){.kind = HONE_FARM_ROW_USER, .user = f->users.v[i]->row});
    for (uint32_t i = 0; i < f->jobs_by_id.cap && wants(&r, HONE_FARM_ROW_JOB); i++) {
        const job *j = f->jobs_by_id.v[i].p;
        if (!j)
            continue;
        hone_farm_row row = {.kind = HONE_FARM_ROW_JOB, .job = j->row};
        row.job.wait = why(f, j);
        row.job.open = j->n_open[BUILD] + j->n_open[MEASURE];
        row.job.waiting = j->n_open[MEASURE];
        row.job.in_flight = j->in_flight;
        tell(&r, &row);
    }
    for (uint32_t i = 0; i < f->workers.n && wants(&r, HONE_FARM_ROW_WORKER); i++)
        tell_worker(&r, f->workers.v[i]);
    for (ring *p = f->results_in_order.next;
         p != &f->results_in_order && wants(&r, HONE_FARM_ROW_RESULT); p = p->next)
        tell(&r, &(hone_farm_row){.kind = HONE_FARM_ROW_RESULT,
                                  .result = OF(p, settled, in_order)->row});
    for (ring *p = f->strikes_in_order.next;
         p != &f->strikes_in_order && wants(&r, HONE_FARM_ROW_STRIKE); p = p->next) {
        const struck *s = OF(p, struck, in_order);
        for (uint32_t i = 0; i < s->n; i++) {
            hone_farm_row row = {.kind = HONE_FARM_ROW_STRIKE,
                                 .strike = {.unit = s->key, .at = s->at[i]}};
            snprintf(row.strike.worker, sizeof row.strike.worker, "%s", s->by[i]->row.name);
            tell(&r, &row);
        }
    }
    for (uint32_t i = 0; i < f->workers.n && wants(&r, HONE_FARM_ROW_LEASE); i++)
        tell_leases(&r, f->workers.v[i]);
}
