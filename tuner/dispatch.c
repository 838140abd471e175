/* What a session asks of the pool and of the log: builds, measurements, waiting, storing. */
#include "tuner/internal.h"

#include <math.h>

/* NULL: no others than hone's own. */
static const char *intrins_text(const run *u)
{
    const char *text = u->o->intrins ? hone_intrin_set_text(u->o->intrins) : "";
    return text[0] ? text : NULL;
}

void hone_tuner__submit_build(run *u, const char *trace, uint64_t id, bool reference)
{
    hone_pool_build(u->o->pool, &(hone_build_job){.id = id,
                                                  .workload = u->program_text,
                                                  .trace = trace,
                                                  .target = u->target_text,
                                                  .threads = u->o->threads,
                                                  .reference = reference,
                                                  .deadline_ms = 30000,
                                                  .intrins = intrins_text(u)});
}

/* Long samples are quiet ones: fewer do, and a trial should not take a second. */
int hone_tuner__most_samples(const run *u)
{
    int64_t t = u->best.n > 0 ? u->best.v[0].time_ns : 0;
    int64_t fit = 300000000 / (2 * (t + 1));
    return fit < 4 ? 4 : fit > 15 ? 15 : (int)fit;
}

/* Largest error a result may have: of f32, what fast algorithms cost (the reference sums in f64);
 * where 16 bits are stored, two of their last places. */
static double tolerance_of(const hone_program *p)
{
    double most = 1e-3;
    for (uint32_t b = 1; b < p->buffers.n; b++) {
        const hone_buffer_row *r = &p->buffers.v[b];
        double places = r->dtype == HONE_F16 ? 0x1p-9 : r->dtype == HONE_BF16 ? 0x1p-6 : 0;
        most = r->role != HONE_INPUT && places > most ? places : most;
    }
    return most;
}

void hone_tuner__submit_measure(run *u, const hone_artifact *a, uint64_t id, bool plain,
                                int min_samples, int max_samples)
{
    bool paired = !plain && u->best.n > 0 && !u->incumbent_is_default;
    int64_t limit = paired ? 2000 + u->best.v[0].time_ns * 20 * 25 / 1000000 : 60000;
    hone_pool_measure(u->o->pool,
                      &(hone_measure_job){.id = id,
                                          .candidate = a,
                                          .reference = &u->reference,
                                          .incumbent = paired ? &u->best.v[0].artifact : NULL,
                                          .threads = u->o->threads,
                                          .data_seed = DATA_SEED,
                                          .tolerance = tolerance_of(u->o->program),
                                          .peak_gflops = u->peak_gflops,
                                          .check_ms = plain ? 120000 : 30000,
                                          .run_ms = limit > 60000 ? 60000 : limit,
                                          .min_samples = plain ? 1 : min_samples,
                                          .max_samples = plain ? 5 : max_samples,
                                          .sample_ns = 2000000});
}

/* Builds one thing and waits for it; used before the first trial. */
hone_status hone_tuner__build_now(run *u, const char *trace, bool reference, hone_artifact *ret,
                                  hone_error *err)
{
    for (int attempt = 0;; attempt++) {
        uint64_t id = u->next_id++;
        hone_tuner__submit_build(u, trace, id, reference);
        for (;;) {
            hone_pool_event e;
            hone_pool_next(u->o->pool, 50, &e);
            if (u->o->on_turn)
                u->o->on_turn(u->o->ctx);
            if (u->o->stop && *u->o->stop)
                return hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
            if (e.kind != HONE_POOL_BUILT || e.id != id) {
                hone_status st = hone_tuner__on_event(u, &e, err);
                if (st != HONE_OK)
                    return st;
                continue;
            }
            u->r->build_ns += e.spent_ns;
            if (e.status == HONE_OK) {
                *ret = e.artifact;
                return HONE_OK;
            }
            if (hone_status_is_reject(e.status) || attempt + 1 == ATTEMPTS) {
                if (err)
                    *err = e.error;
                return e.status;
            }
            break;
        }
    }
}

hone_status hone_tuner__wait_for_workers(run *u, hone_error *err)
{
    int64_t until = hone_clock_ns() + WAIT_FOR_WORKERS_MS * (int64_t)1000000;
    u->phase = "waiting for workers";
    for (;;) {
        unsigned builders = hone_pool_peers(u->o->pool, HONE_ROLE_BUILD),
                 devices = hone_pool_peers(u->o->pool, HONE_ROLE_RUN);
        if (builders && devices)
            return HONE_OK;
        if (u->o->stop && *u->o->stop)
            return hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
        if (hone_clock_ns() >= until)
            return hone_fail(err, HONE_E_PEER,
                             "no worker reachable that can %s: start one with `hone worker`, or "
                             "check the endpoint",
                             builders  ? "measure"
                             : devices ? "build"
                                       : "build or measure");
        hone_pool_event e;
        hone_pool_next(u->o->pool, 50, &e);
        hone_status st = hone_tuner__on_event(u, &e, err);
        if (st != HONE_OK)
            return st;
        if (u->o->on_turn)
            u->o->on_turn(u->o->ctx);
        hone_tuner__progress(u, false);
    }
}

hone_status hone_tuner__store(run *u, const char *trace, uint64_t hash, hone_status status,
                              const char *reason, int64_t build_ns, const hone_measure_result *m,
                              hone_error *err)
{
    hone_db_record r = {.workload_id = u->workload_id,
                        .target_id = u->target_id,
                        .trace_hash = hash,
                        .trace = trace,
                        .status = status,
                        .reason = reason,
                        .time_ns = status == HONE_OK ? m->time_ns : 0,
                        .log_ratio = m->log_ratio,
                        .max_error = isfinite(m->max_error) ? m->max_error : 1e308,
                        .tolerance = tolerance_of(u->o->program),
                        .checked = status == HONE_OK ? "reference" : "",
                        .data_seed = DATA_SEED,
                        .build_ns = build_ns,
                        .run_ns = m->check_ns + m->run_ns,
                        .env = m->env,
                        .llvm_version = u->o->llvm_version,
                        .session_id = u->session.id};
    hone_db_sample samples[HONE_MAX_SAMPLES];
    uint32_t n = status == HONE_OK && m->n_samples > 0 ? (uint32_t)m->n_samples : 0;
    for (uint32_t k = 0; k < n; k++)
        samples[k] = (hone_db_sample){m->sample_ns[k], m->incumbent_ns[k]};
    hone_status st = hone_db_begin(u->o->db, err);
    if (st != HONE_OK)
        return st;
    st = hone_db_record_put(u->o->db, &r, samples, n, NULL, NULL, err);
    u->session.trials++;
    if (st == HONE_OK)
        st = hone_db_session_save(u->o->db, &u->session, NULL, err);
    if (st == HONE_OK)
        return hone_db_commit(u->o->db, err);
    hone_db_rollback(u->o->db);
    return st;
}
