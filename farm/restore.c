/* A farm from the rows of its storage. Sessions start with the first step, workers say HELLO. */
#include "farm/internal.h"

static hone_status bad(hone_error *err, const char *what, const char *name)
{
    return hone_fail(err, HONE_E_CORRUPT, "the farm's tables do not fit together: %s %s", what,
                     name);
}

static hone_status restore_user(hone_farm *f, const hone_farm_user_row *r, hone_error *err)
{
    if (!memchr(r->name, 0, sizeof r->name) || hone_farm__user(f, r->name))
        return bad(err, "there are two users, or one without end, of this name:", r->name);
    hone_farm__user_new(f, r);
    return HONE_OK;
}

static hone_status restore_job(hone_farm *f, const hone_farm_job_row *r, hone_error *err)
{
    user *u = hone_farm__user(f, r->user);
    char id[32];
    snprintf(id, sizeof id, "%" PRIu64, r->id);
    if (!u)
        return bad(err, "nobody has job", id);
    if (r->id == 0 || hone_farm__job(f, r->id) || (unsigned)r->state >= HONE_FARM_JOB_COUNT ||
        (unsigned)r->why >= HONE_FARM_BECAUSE_COUNT ||
        (unsigned)r->class >= HONE_FARM_CLASS_COUNT || !hone_farm__filter_valid(r->filter) ||
        r->queue_ms < 0 || r->queue_ms > INT64_C(31536000000))
        return bad(err, "this cannot be a job:", id);
    if (hone_farm__job_of_request(f, u, &r->request))
        return bad(err, "its request is another's:", id);
    hone_farm__job_new(f, r, u);
    return HONE_OK;
}

static hone_status restore_worker(hone_farm *f, const hone_farm_worker_row *r, hone_error *err)
{
    if (!memchr(r->name, 0, sizeof r->name) || hone_farm__worker(f, r->name) ||
        (unsigned)r->health >= HONE_FARM_HEALTH_COUNT ||
        (unsigned)r->admin >= HONE_FARM_ADMIN_COUNT || r->fence_end > UINT64_MAX / 2 ||
        (unsigned)r->why >= HONE_FARM_BECAUSE_COUNT)
        return bad(err, "this cannot be a worker:", r->name);
    hone_farm__worker_new(f, r);
    return HONE_OK;
}

static hone_status restore_lease(hone_farm *f, const hone_farm_lease_row *r, hone_error *err)
{
    worker *w = hone_farm__worker(f, r->worker);
    if (!w || r->fence >= w->row.fence_end || hone_farm__lease(w, r->fence))
        return bad(err, "this cannot be a lease of", r->worker);
    lease *l = hone_farm__lease_new(f, w, r->fence, MEASURE);
    l->key = r->unit;
    l->epoch = r->epoch;
    l->slot = r->slot;
    l->stored = true;
    hone_farm__lease_ghost(f, l);
    return HONE_OK;
}

hone_status hone_farm_restore(hone_farm *f, const hone_farm_row *row, hone_error *err)
{
    HONE_ASSERT(!f->begun);
    switch (row->kind) {
    case HONE_FARM_ROW_CLOCK:
        if (row->clock > f->now_ns)
            f->now_ns = row->clock;
        f->away_ns = row->away_ns > 0 && row->away_ns < INT64_MAX / 4 ? row->away_ns : 0;
        f->wall_ms = row->wall_ms;
        return HONE_OK;
    case HONE_FARM_ROW_USER:
        return restore_user(f, &row->user, err);
    case HONE_FARM_ROW_JOB:
        return restore_job(f, &row->job, err);
    case HONE_FARM_ROW_WORKER:
        return restore_worker(f, &row->worker, err);
    case HONE_FARM_ROW_RESULT:
        if (hone_farm__settled(f, &row->result.unit))
            return bad(err, "a unit has two results, one by", row->result.worker);
        hone_farm__settled_new(f, &row->result, 0)->row.handle = 0;
        if (row->result.place >= f->next_place)
            f->next_place = row->result.place + 1;
        return HONE_OK;
    case HONE_FARM_ROW_STRIKE: {
        worker *w = hone_farm__worker(f, row->strike.worker);
        if (!w)
            return bad(err, "there is a strike of nobody,", row->strike.worker);
        hone_farm__strike(f, &row->strike.unit, w, row->strike.at);
        return HONE_OK;
    }
    case HONE_FARM_ROW_LEASE:
        return restore_lease(f, &row->lease, err);
    case HONE_FARM_ROW_EVENT:
        if (row->event.seq >= f->next_seq)
            f->next_seq = row->event.seq + 1;
        return HONE_OK;
    default:
        return bad(err, "there is no such table", "");
    }
}
