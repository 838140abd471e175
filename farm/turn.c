/* Giving work: which free workers look for units, and which open units look for workers. It happens
 * at the end of a step, when everything else is as it should be. */
#include "farm/internal.h"

void hone_farm__wake_job(hone_farm *f, job *j)
{
    if (!j->woken)
        hone_vec_push(&f->woken_jobs, j);
    j->woken = true;
}

void hone_farm__wake_worker(hone_farm *f, worker *w)
{
    if (!w->woken)
        hone_vec_push(&f->woken_workers, w);
    w->woken = true;
}

/* Gives w what there is for it, or puts it among the free. */
static void look(hone_farm *f, worker *w)
{
    want *x;
    hone_farm__ring_remove(&w->in_free[BUILD]);
    hone_farm__ring_remove(&w->in_free[MEASURE]);
    if (!can_grant(f))
        return;
    if (hone_farm__canary_due(f, w)) {
        if (w->n_live[MEASURE] + w->n_live[BUILD] == 0)
            hone_farm__offer(f, w, NULL, NULL, NULL);
        hone_farm__worker_arm(f, w);
        return;
    }
    if (hone_farm__worker_can(f, w, MEASURE)) {
        if ((x = hone_farm__pick(f, w, MEASURE)))
            hone_farm__offer(f, w, x->unit, x->job, x->job->user);
        else
            hone_farm__ring_add(&w->kind->free, &w->in_free[MEASURE]);
    }
    while (hone_farm__worker_can(f, w, BUILD)) {
        if (!(x = hone_farm__pick(f, w, BUILD))) {
            hone_farm__ring_add(&f->free_builders, &w->in_free[BUILD]);
            break;
        }
        hone_farm__offer(f, w, x->unit, x->job, x->job->user);
    }
    hone_farm__worker_arm(f, w);
}

static worker *free_device(const hone_farm *f, const job *j)
{
    const filter *x = j->filter;
    for (uint32_t i = 0; i < x->kinds.n && i < f->online.n; i++)
        for (uint64_t bits = x->kinds.v[i] & f->online.v[i]; bits; bits &= bits - 1) {
            const dev_kind *k = f->kinds.v[64 * i + (uint32_t)__builtin_ctzll(bits)];
            for (ring *r = k->free.next; r != &k->free; r = r->next) {
                worker *w = OF(r, worker, in_free[MEASURE]);
                if (hone_farm__filter_fits(x, w) && (w->row.admin != HONE_FARM_ADMIN_RESERVED ||
                                                     strcmp(w->row.by, j->row.user) == 0))
                    return w;
            }
        }
    return NULL;
}

/* Free workers are offered to j until its units, or they, are used up. One that takes nothing,
 * since it has failed at what is there, is free no more until the next sweep. */
static void serve(hone_farm *f, job *j)
{
    for (unsigned list = BUILD; list <= MEASURE; list++)
        while (can_grant(f) && j->n_open[list] > 0 && j->filter &&
               j->user->in_flight < f->l.user_units) {
            worker *w = list == MEASURE ? free_device(f, j)
                        : ring_empty(&f->free_builders)
                            ? NULL
                            : OF(f->free_builders.next, worker, in_free[BUILD]);
            if (!w)
                break;
            uint32_t before = w->n_live[list];
            look(f, w);
            if (w->n_live[list] == before)
                hone_farm__ring_remove(&w->in_free[list]);
        }
}

void hone_farm__settle_turns(hone_farm *f)
{
    for (uint32_t i = 0; i < f->woken_workers.n; i++) {
        f->woken_workers.v[i]->woken = false;
        look(f, f->woken_workers.v[i]);
    }
    f->woken_workers.n = 0;
    for (uint32_t i = 0; i < f->woken_jobs.n; i++) {
        f->woken_jobs.v[i]->woken = false;
        serve(f, f->woken_jobs.v[i]);
    }
    f->woken_jobs.n = 0;
}

void hone_farm__sweep(hone_farm *f)
{
    f->sweep_at = f->now_ns + SWEEP_NS;
    f->refused_lately = 0;
    for (uint32_t i = 0; i < f->workers.n; i++) {
        worker *w = f->workers.v[i];
        bool frees = hone_farm__worker_can(f, w, MEASURE) || hone_farm__worker_can(f, w, BUILD);
        if (frees && (!ring_empty(&f->active[BUILD]) || !ring_empty(&f->active[MEASURE]) ||
                      !w->in_free[MEASURE].next))
            hone_farm__wake_worker(f, w);
    }
    hone_farm__want_builders(f);
}
