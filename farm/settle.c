/* What came of units. A unit is settled once, by the first result that is welcome: one of a lease
 * that was given for it, of the device's present epoch. Results of leases that have expired are as
 * good as others; what nobody has a lease for is stale, whatever it says. Builds are given at once
 * and are not kept here. */
#include "farm/internal.h"

settled *hone_farm__settled(const hone_farm *f, const hone_farm_key *k)
{
    uint32_t at = 0;
    settled *s;
    while ((s = hone_map_next(&f->results, key_hash(k), &at)))
        if (key_same(&s->row.unit, k))
            return s;
    return NULL;
}

static void remove_settled(hone_farm *f, settled *s)
{
    hone_map_remove(&f->results, key_hash(&s->row.unit), s);
    hone_farm__ring_remove(&s->in_order);
    f->n_results--;
    free(s);
}

settled *hone_farm__settled_new(hone_farm *f, const hone_farm_result_row *r, uint64_t batch)
{
    settled *s = hone_xcalloc(1, sizeof *s);
    s->row = *r;
    s->batch = batch;
    hone_map_add(&f->results, key_hash(&r->unit), s);
    if (r->place > 0)
        hone_farm__ring_add(&f->results_in_order, &s->in_order);
    else /* it is older than those that have one */
        hone_farm__ring_add_first(&f->results_in_order, &s->in_order);
    f->n_results++;
    return s;
}

/* ---- strikes
 * ------------------------------------------------------------------------------------------ */

static struck *find_struck(const hone_farm *f, const hone_farm_key *k)
{
    uint32_t at = 0;
    struck *s;
    while ((s = hone_map_next(&f->strikes, key_hash(k), &at)))
        if (key_same(&s->key, k))
            return s;
    return NULL;
}

void hone_farm__struck_remove(hone_farm *f, struck *s)
{
    hone_map_remove(&f->strikes, key_hash(&s->key), s);
    hone_farm__ring_remove(&s->in_order);
    f->n_strikes--;
    free(s);
}

/* Jobs may end before what they wanted is decided. */
static void forget_oldest_strike(hone_farm *f)
{
    const hone_farm_key k = OF(f->strikes_in_order.next, struck, in_order)->key;
    hone_farm__forget(f, &k);
}

struck *hone_farm__strike(hone_farm *f, const hone_farm_key *k, worker *w, int64_t at)
{
    struck *s = find_struck(f, k);
    while (!s && f->begun && f->n_strikes >= f->l.kept_strikes)
        forget_oldest_strike(f);
    if (!s) {
        s = hone_xcalloc(1, sizeof *s);
        s->key = *k;
        hone_map_add(&f->strikes, key_hash(k), s);
        hone_farm__ring_add(&f->strikes_in_order, &s->in_order);
        f->n_strikes++;
    }
    for (uint32_t i = 0; i < s->n; i++)
        if (s->by[i] == w)
            return s;
    if (s->n < TRIED) {
        s->by[s->n] = w;
        s->at[s->n++] = at;
    }
    return s;
}

static void forget_row(hone_farm *f, const hone_farm_key *k, const settled *s, bool is_struck)
{
    hone_farm_row *r = hone_farm__row(f, HONE_FARM_ROW_FORGET);
    r->forget.unit = *k;
    r->forget.place = s ? s->row.place : 0;
    r->forget.struck = is_struck;
}

void hone_farm__forget(hone_farm *f, const hone_farm_key *k)
{
    settled *s = hone_farm__settled(f, k);
    struck *t = find_struck(f, k);
    if (s || t)
        forget_row(f, k, s, t != NULL);
    if (s)
        remove_settled(f, s);
    if (t)
        hone_farm__struck_remove(f, t);
}

/* ---- settling
 * ------------------------------------------------------------------------------------------- */

static void store(hone_farm *f, hone_farm_result_row *r)
{
    struck *t = find_struck(f, &r->unit);
    if (t) { /* what it was suspected of is decided */
        forget_row(f, &r->unit, NULL, true);
        hone_farm__struck_remove(f, t);
    }
    r->place = f->next_place++;
    hone_farm__row(f, HONE_FARM_ROW_RESULT)->result = *r;
    hone_farm__settled_new(f, r, f->batch);
    f->stats.settled++;
    while (f->n_results > f->l.kept_results)
        hone_farm__forget(f, &OF(f->results_in_order.next, settled, in_order)->row.unit);
}

/* The unit u, which may be NULL, is done: by r. */
void hone_farm__settle(hone_farm *f, unit *u, hone_farm_result_row *r)
{
    bool build = u && u->list == BUILD;
    if (!build)
        store(f, r);
    if (!u)
        return;
    for (uint32_t i = 0; i < u->n_tried && !r->poison; i++) /* it was them, as it went well here */
        if (strcmp(u->tried[i]->row.name, r->worker) != 0)
            hone_farm__score(f, u->tried[i], -15, HONE_FARM_BECAUSE_FAILED_THERE);
    hone_farm__unit_release(f, u);
    while (!ring_empty(&u->wants)) {
        want *w = OF(u->wants.next, want, in_unit);
        job *j = w->job;
        hone_farm__give(f, j, w->tag, r,
                        r->poison ? HONE_FARM_BECAUSE_POISON : HONE_FARM_BECAUSE_SETTLED,
                        build ? 0 : f->batch);
        j->row.done++;
        hone_farm__count_job(f, j);
        hone_farm__want_remove(f, w);
    }
    hone_farm__unit_drop(f, u);
}

static void answer(hone_farm *f, const worker *w, const hone_farm_event *e,
                   hone_farm_effect_kind kind, hone_farm_verdict v, uint64_t after)
{
    hone_farm_effect *x = hone_farm__effect(f, kind, w->row.name, after);
    x->session = w->session;
    x->ack.fence = e->result.fence;
    x->ack.verdict = v;
    x->ack.handle = e->result.handle;
}

/* Another device would say the same, or it is for the session to decide. */
static bool is_final(hone_status s)
{
    switch (s) {
    case HONE_E_REFERENCE:
    case HONE_E_INCUMBENT:
    case HONE_E_INPUT:
    case HONE_E_FOREIGN:
    case HONE_E_USAGE:
    case HONE_E_STALE:
    case HONE_E_LIMIT:
        return true;
    default:
        return false;
    }
}

static void failure(hone_farm *f, worker *w, lease *l, const hone_farm_event *e)
{
    answer(f, w, e, HONE_FARM_ACK, HONE_FARM_COUNTED, 0);
    if (!l)
        return;
    unit *u = l->unit;
    if (u && u->lease == l) {
        if (is_final(e->result.status)) {
            hone_farm__attempt_charge(f, l);
            hone_farm__unit_release(f, u);
            hone_farm__unit_give_up(f, u, HONE_FARM_BECAUSE_FAILED_THERE, e->result.status);
        } else {
            hone_farm__attempt_failed(f, l, e->result.status, true);
        }
    }
    hone_farm__lease_free(f, l);
}

void hone_farm__result(hone_farm *f, worker *w, const hone_farm_event *e)
{
    lease *l = hone_farm__lease(w, e->result.fence);
    if (l && (l->canary || !key_same(&l->key, &e->result.unit)))
        l = NULL;
    settled *s = hone_farm__settled(f, &e->result.unit);
    if (!can_grant(f)) { /* the worker says it again */
        answer(f, w, e, HONE_FARM_KEEP, HONE_FARM_COUNTED, 0);
        return;
    }
    if (e->result.status != HONE_OK && !hone_status_is_reject(e->result.status)) {
        failure(f, w, l, e);
        return;
    }
    if (s && s->row.fence == e->result.fence && strcmp(s->row.worker, w->row.name) == 0) {
        f->stats.duplicates++;
        answer(f, w, e, HONE_FARM_ACK, HONE_FARM_DUPLICATE, s->batch);
        return;
    }
    unit *u = hone_farm__unit(f, &e->result.unit);
    bool stale =
        !l || s ||
        (l->list == MEASURE && (e->result.epoch != w->row.epoch || l->epoch != w->row.epoch));
    if (stale) {
        f->stats.stale++;
        answer(f, w, e, HONE_FARM_ACK, HONE_FARM_STALE, s ? s->batch : 0);
        if (!l && f->refused_lately++ < REFUSALS)
            hone_farm__audit_worker(f, NULL, w, "stale", "", "", HONE_FARM_BECAUSE_NO_SUCH);
        if (!l)
            return;
        if (l->unit && l->unit->lease == l)
            hone_farm__attempt_failed(f, l, HONE_E_PEER, false);
        hone_farm__lease_free(f, l);
        return;
    }
    hone_farm_result_row r = {.unit = e->result.unit,
                              .fence = e->result.fence,
                              .epoch = w->row.epoch,
                              .status = e->result.status,
                              .spent_ns = e->result.spent_ns,
                              .at = f->now_ns,
                              .handle = e->result.handle};
    snprintf(r.worker, sizeof r.worker, "%s", w->row.name);
    unsigned list = l->list;
    if (u && u->lease == l) {
        hone_farm__attempt_charge(f, l);
    } else if (u && u->lease) { /* it was given to another one meanwhile */
        lease *other = u->lease;
        hone_farm__attempt_charge(f, other);
        hone_farm__unit_release(f, u);
        hone_farm__revoke(f, other, HONE_FARM_BECAUSE_SETTLED);
    }
    if (list == MEASURE || u) /* a build that nobody wants any more is nothing */
        hone_farm__settle(f, u, &r);
    answer(f, w, e, HONE_FARM_ACK, HONE_FARM_TAKEN, list == MEASURE ? f->batch : 0);
    if (list == MEASURE) {
        w->measured++;
    } else if (w->row.score < 100) {
        hone_farm__score(f, w, 1, HONE_FARM_BECAUSE_SETTLED);
    }
    hone_farm__lease_free(f, l);
}

void hone_farm__suspect(hone_farm *f, worker *w, uint64_t from, uint64_t to)
{
    hone_farm_row *row = hone_farm__row(f, HONE_FARM_ROW_SUSPECT);
    snprintf(row->suspect.worker, HONE_FARM_NAME, "%s", w->row.name);
    row->suspect.from = from;
    row->suspect.to = to;
    for (ring *r = f->results_in_order.next; r != &f->results_in_order; r = r->next) {
        hone_farm_result_row *x = &OF(r, settled, in_order)->row;
        if (strcmp(x->worker, w->row.name) == 0 && x->fence >= from && x->fence <= to)
            x->suspect = true;
    }
}
