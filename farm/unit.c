/* Units: who wants them, and how they are open, in flight, or given up. */
#include "farm/internal.h"

unit *hone_farm__unit(const hone_farm *f, const hone_farm_key *k)
{
    uint32_t at = 0;
    unit *u;
    while ((u = hone_map_next(&f->units, key_hash(k), &at)))
        if (key_same(&u->key, k))
            return u;
    return NULL;
}

unit *hone_farm__unit_new(hone_farm *f, const hone_farm_key *k, unsigned list)
{
    unit *u = hone_xcalloc(1, sizeof *u);
    u->key = *k;
    u->list = list;
    hone_farm__ring_init(&u->wants);
    hone_map_add(&f->units, key_hash(k), u);
    return u;
}

void hone_farm__unit_drop(hone_farm *f, unit *u)
{
    if (!ring_empty(&u->wants) || u->lease)
        return;
    hone_map_remove(&f->units, key_hash(&u->key), u);
    free(u);
}

/* ---- a want, in its job's list while its unit is open
 * ----------------------------------------------- */

static void open_want(hone_farm *f, want *w)
{
    job *j = w->job;
    unsigned list = w->unit->list;
    hone_farm__ring_add(&j->open[list], &w->in_open);
    j->n_open[list]++;
    f->stats.units_open++;
    hone_farm__wait_add(f, j, list);
    hone_farm__wake_job(f, j);
}

static void close_want(hone_farm *f, want *w)
{
    job *j = w->job;
    unsigned list = w->unit->list;
    if (!w->in_open.next)
        return;
    hone_farm__ring_remove(&w->in_open);
    f->stats.units_open--;
    if (--j->n_open[list] == 0)
        hone_farm__wait_remove(f, j, list);
}

void hone_farm__want_remove(hone_farm *f, want *w)
{
    if (w->unit->lease)
        w->job->in_flight--;
    close_want(f, w);
    hone_farm__ring_remove(&w->in_job);
    hone_farm__ring_remove(&w->in_unit);
    w->job->n_wants--;
    free(w);
}

static void refuse(hone_farm *f, const hone_farm_want *w, hone_status s, hone_farm_reason why)
{
    hone_farm_effect *e = hone_farm__effect(f, HONE_FARM_GIVE, NULL, 0);
    e->give.job = w->job;
    e->give.tag = w->tag;
    e->give.unit = w->unit;
    e->give.status = s;
    e->give.reason = why;
}

void hone_farm__want(hone_farm *f, const hone_farm_want *spec)
{
    job *j = hone_farm__job(f, spec->job);
    if (!j || j->row.state != HONE_FARM_JOB_RUNNING || j->session != SESSION_UP) {
        refuse(f, spec, HONE_E_INTERRUPTED, HONE_FARM_BECAUSE_ENDED);
        return;
    }
    settled *s = hone_farm__settled(f, &spec->unit);
    if (s && s->row.suspect) { /* not believed, but measured anew */
        hone_farm__forget(f, &spec->unit);
        s = NULL;
    }
    if (s) {
        f->stats.shared++;
        hone_farm__job_touched(f, j);
        hone_farm__give(f, j, spec->tag, &s->row,
                        s->row.poison ? HONE_FARM_BECAUSE_POISON : HONE_FARM_BECAUSE_SETTLED,
                        s->batch);
        return;
    }
    if (j->n_wants >= f->l.job_units) {
        refuse(f, spec, HONE_E_LIMIT, HONE_FARM_BECAUSE_UNITS);
        return;
    }
    unsigned list = spec->role == HONE_FARM_BUILDER ? BUILD : MEASURE;
    unit *u = hone_farm__unit(f, &spec->unit);
    if (u && u->list != list) {
        refuse(f, spec, HONE_E_INPUT, HONE_FARM_BECAUSE_STATE);
        return;
    }
    if (!u)
        u = hone_farm__unit_new(f, &spec->unit, list);
    else
        f->stats.shared += !ring_empty(&u->wants);
    if (ring_empty(&u->wants))
        u->spec = *spec;
    want *w = hone_xcalloc(1, sizeof *w);
    w->job = j;
    w->tag = spec->tag;
    w->unit = u;
    hone_farm__ring_add(&j->wants, &w->in_job);
    hone_farm__ring_add(&u->wants, &w->in_unit);
    j->n_wants++;
    if (u->lease) {
        j->in_flight++;
        hone_farm__job_touched(f, j);
    } else {
        open_want(f, w);
    }
}

static void drop_want(hone_farm *f, want *w)
{
    unit *u = w->unit;
    lease *l = u->lease;
    bool last = u->wants.next == u->wants.prev;
    if (last && l && l->state == LEASE_LIVE) {
        hone_farm__attempt_charge(f, l);
        hone_farm__revoke(f, l, HONE_FARM_BECAUSE_NOT_WANTED);
    }
    hone_farm__want_remove(f, w);
    hone_farm__unit_drop(f, u);
}

void hone_farm__unwant(hone_farm *f, job *j, uint64_t tag)
{
    for (ring *r = j->wants.next; r != &j->wants; r = r->next)
        if (OF(r, want, in_job)->tag == tag) {
            drop_want(f, OF(r, want, in_job));
            return;
        }
}

void hone_farm__unwant_all(hone_farm *f, job *j)
{
    while (!ring_empty(&j->wants))
        drop_want(f, OF(j->wants.next, want, in_job));
}

/* ---- in flight, and open again
 * ---------------------------------------------------------------------- */

void hone_farm__unit_take(hone_farm *f, unit *u, lease *l, user *charged)
{
    HONE_ASSERT(!u->lease);
    u->lease = l;
    l->unit = u;
    u->charged = charged;
    if (charged)
        charged->in_flight++;
    f->stats.units_in_flight++;
    for (ring *r = u->wants.next; r != &u->wants; r = r->next) {
        want *w = OF(r, want, in_unit);
        close_want(f, w);
        w->job->in_flight++;
        hone_farm__job_touched(f, w->job);
    }
}

/* Its lease is its own no more. */
void hone_farm__unit_release(hone_farm *f, unit *u)
{
    if (!u->lease)
        return;
    u->lease->unit = NULL;
    u->lease = NULL;
    if (u->charged)
        u->charged->in_flight--;
    u->charged = NULL;
    f->stats.units_in_flight--;
    for (ring *r = u->wants.next; r != &u->wants; r = r->next)
        OF(r, want, in_unit)->job->in_flight--;
}

void hone_farm__unit_give_up(hone_farm *f, unit *u, hone_farm_reason why, hone_status s)
{
    hone_farm_result_row r = {.unit = u->key, .status = s};
    while (!ring_empty(&u->wants)) {
        want *w = OF(u->wants.next, want, in_unit);
        hone_farm__give(f, w->job, w->tag, &r, why, 0);
        hone_farm__want_remove(f, w);
    }
    hone_farm__unit_drop(f, u);
}

void hone_farm__unit_reopen(hone_farm *f, unit *u, hone_status s, worker *blame)
{
    hone_farm__unit_release(f, u);
    if (blame) {
        if (u->n_tried < TRIED)
            u->tried[u->n_tried++] = blame;
        u->failed++;
        u->last = s;
        u->avoid_until = f->now_ns + AVOID_NS;
    }
    if (ring_empty(&u->wants)) {
        hone_farm__unit_drop(f, u);
        return;
    }
    if (u->failed >= f->l.attempts) {
        hone_farm__unit_give_up(f, u, HONE_FARM_BECAUSE_ATTEMPTS, u->last);
        return;
    }
    f->stats.retried++;
    for (ring *r = u->wants.next; r != &u->wants; r = r->next)
        open_want(f, OF(r, want, in_unit));
}
