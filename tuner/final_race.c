/* The fastest few candidates: kept while tuning, raced at the end, and confirmed against the log.
 */
#include "tuner/internal.h"

#include <math.h>

void hone_tuner__finalist_free(finalist *f)
{
    hone_artifact_free(&f->artifact);
    free(f->trace);
    *f = (finalist){0};
}

static void artifact_copy(hone_artifact *dst, const hone_artifact *src)
{
    *dst = *src;
    dst->bytes = hone_xmalloc(src->n);
    memcpy(dst->bytes, src->bytes, src->n);
}

void hone_tuner__set_best(run *u, const finalist *f)
{
    u->r->best_ns = f->time_ns;
    u->r->gflops = f->time_ns > 0 ? (double)u->flops / (double)f->time_ns : 0;
    u->r->max_error = f->max_error;
    free(u->r->best_trace);
    u->r->best_trace = hone_xstrdup(f->trace);
}

/* Takes over f. `wins`: it beat the incumbent in turns and goes first. */
void hone_tuner__enter_finals(run *u, finalist f, bool wins)
{
    uint32_t at = 0;
    while (!wins && at < u->best.n && (at == 0 || u->best.v[at].time_ns <= f.time_ns))
        at++;
    if (u->best.n == FINALISTS) {
        if (at >= FINALISTS) {
            hone_tuner__finalist_free(&f);
            return;
        }
        hone_tuner__finalist_free(&u->best.v[--u->best.n]);
    }
    hone_vec_reserve(&u->best, 1);
    memmove(&u->best.v[at + 1], &u->best.v[at], (u->best.n - at) * sizeof f);
    u->best.v[at] = f;
    u->best.n++;
}

/* Measures one finalist against the first and waits. More samples than in any trial, so that the
 * log takes the result over the earlier one. */
static hone_status race(run *u, const hone_artifact *a, hone_pool_event *ret)
{
    uint64_t id = u->next_id++;
    int most = hone_tuner__most_samples(u);
    hone_tuner__submit_measure(u, a, id, false, most + 1, most + 6);
    for (;;) {
        hone_pool_next(u->o->pool, 50, ret);
        if (u->o->on_turn)
            u->o->on_turn(u->o->ctx);
        hone_tuner__progress(u, false);
        if (ret->kind == HONE_POOL_MEASURED && ret->id == id) {
            u->r->run_ns += ret->spent_ns;
            return ret->status;
        }
        if (ret->kind == HONE_POOL_BUILT)
            hone_artifact_free(&ret->artifact);
        if (hone_pool_peers(u->o->pool, HONE_ROLE_RUN) == 0)
            return HONE_E_PEER;
    }
}

/* One noisy lucky sample must not win: the fastest few run again, in turns with the leader, and the
 * leader with itself. Times in the log follow from the ratios of this race. */
hone_status hone_tuner__final_race(run *u, hone_error *err)
{
    hone_measure_result results[FINALISTS];
    double ratio[FINALISTS] = {0}; /* ln(time / time of the leader at the start) */
    bool raced[FINALISTS] = {false};
    uint32_t n = u->best.n, leader = 0;
    u->phase = "final race";
    if (n == 0 || u->incumbent_is_default)
        return HONE_OK;
    hone_artifact first;
    artifact_copy(&first, &u->best.v[0].artifact);
    double leader_ns = INFINITY;
    for (uint32_t k = 0; k < n && !(u->o->stop && *u->o->stop); k++) {
        hone_pool_event e;
        if ((double)u->best.v[k].time_ns > 1.1 * (double)u->best.v[0].time_ns ||
            race(u, k == 0 ? &first : &u->best.v[k].artifact, &e) != HONE_OK)
            continue;
        raced[k] = true;
        results[k] = e.result;
        ratio[k] = k == 0 || !hone_tuner__is_paired(&e.result) ? 0 : hone_tuner__ratio(&e.result);
        /* the leader's time as this race saw it */
        const double *leader_samples =
            hone_tuner__is_paired(&e.result) ? e.result.incumbent_ns : e.result.sample_ns;
        leader_ns = fmin(leader_ns, hone_tuner__lower_quartile(leader_samples, e.result.n_samples));
        if (ratio[k] < ratio[leader])
            leader = k;
    }
    hone_artifact_free(&first);
    for (uint32_t k = 0; k < n; k++) {
        finalist *f = &u->best.v[k];
        if (!raced[k])
            continue;
        f->time_ns = results[k].time_ns = hone_tuner__comparable_ns(&results[k], leader_ns);
        hone_status st =
            hone_tuner__store(u, f->trace, f->hash, HONE_OK, "", f->build_ns, &results[k], err);
        if (st != HONE_OK)
            return st;
    }
    finalist winner = u->best.v[leader];
    u->best.v[leader] = u->best.v[0];
    u->best.v[0] = winner;
    hone_tuner__set_best(u, &u->best.v[0]);
    return HONE_OK;
}

/* The log's fastest record must be the winner, or a later question gets another answer than this
 * run. Where an older time is better, that candidate runs against the winner too. */
hone_status hone_tuner__confirm(run *u, hone_error *err)
{
    uint64_t asked = 0;
    u->phase = "confirming";
    for (int round = 0; round < CONFIRMATIONS && !(u->o->stop && *u->o->stop); round++) {
        hone_db_record r;
        hone_status st = hone_db_best(u->o->db, hone_program_hash(u->o->program), u->target_text,
                                      u->o->threads, &r, NULL);
        if (st != HONE_OK)
            return st == HONE_E_NOTFOUND ? HONE_OK : st;
        if (r.trace_hash == u->best.v[0].hash || r.trace_hash == asked ||
            hone_tuner__is_as_written(r.trace)) {
            hone_db_record_free(&r);
            return HONE_OK;
        }
        asked = r.trace_hash;
        finalist f = {.trace = hone_xstrdup(r.trace), .hash = r.trace_hash, .build_ns = r.build_ns};
        bool is_old = r.space_version != HONE_SPACE_VERSION;
        hone_db_record_free(&r);
        hone_pool_event e;
        hone_error why = {0};
        st = hone_tuner__build_now(u, f.trace, false, &f.artifact, &why);
        if (is_old && hone_status_is_reject(st)) { /* its time is no answer any more */
            st = hone_tuner__store(u, f.trace, f.hash, st, why.message, 0,
                                   &(hone_measure_result){0}, err);
            hone_tuner__finalist_free(&f);
            if (st != HONE_OK)
                return st;
            continue;
        }
        if (st != HONE_OK || race(u, &f.artifact, &e) != HONE_OK) {
            hone_tuner__finalist_free(&f);
            return HONE_OK;
        }
        f.time_ns = e.result.time_ns =
            hone_tuner__comparable_ns(&e.result, (double)u->best.v[0].time_ns);
        f.max_error = e.result.max_error;
        st = hone_tuner__store(u, f.trace, f.hash, HONE_OK, "", f.build_ns, &e.result, err);
        bool wins = hone_tuner__is_paired(&e.result) && hone_tuner__ratio(&e.result) < 0;
        if (wins) {
            hone_tuner__set_best(u, &f);
            hone_tuner__enter_finals(u, f, true);
        } else {
            hone_tuner__finalist_free(&f);
        }
        if (st != HONE_OK)
            return st;
    }
    return HONE_OK;
}
