/* Probes on a pool: each is built, with its reference, then checked and timed, one after the other,
 * so that nothing is built here while something is timed here. */
#include "tuner/calibrate/internal.h"

#include <math.h>

#define TURN_MS 50
#define NO_WORKER_NS (INT64_C(10) * 1000000000)
#define TRIES 3 /* of a job that fails through no fault of the probe */
#define SAMPLES 15
#define SAMPLE_NS 1000000
#define DATA_SEED 1

typedef struct running {
    const hone_calibrate_options *o;
    char *target;
    hone_artifact made[2]; /* candidate, reference */
    hone_measure_result timed;
    int64_t patience_ns;
    int64_t heard_ns; /* when a worker was last there for the job at hand */
} running;

static bool stopped(const running *r)
{
    return r->o->stop && r->o->stop(r->o->ctx);
}

/* Waits for the job's end. HONE_E_INTERRUPTED, HONE_E_PEER: nobody is there to take it. Else what
 * the job's event says, which is in *ret. */
static hone_status await(running *r, uint64_t id, unsigned role, hone_pool_event *ret,
                         hone_error *err)
{
    hone_pool *pool = r->o->pool;
    r->heard_ns = hone_clock_ns();
    for (;;) {
        hone_pool_next(pool, TURN_MS, ret);
        bool mine =
            (ret->kind == HONE_POOL_BUILT || ret->kind == HONE_POOL_MEASURED) && ret->id == id;
        if (mine)
            break;
        hone_artifact_free(&ret->artifact);
        if (r->o->on_turn)
            r->o->on_turn(r->o->ctx);
        int64_t now = hone_clock_ns();
        if (hone_pool_able(pool, role, role == HONE_ROLE_RUN ? r->target : NULL) ||
            (r->o->coming && r->o->coming(r->o->ctx, role)))
            r->heard_ns = now;
        hone_status st = HONE_OK;
        if (stopped(r))
            st = hone_fail(err, HONE_E_INTERRUPTED, "calibration was asked to stop");
        else if (now - r->heard_ns > r->patience_ns)
            st = hone_fail(err, HONE_E_PEER, "no worker reachable that can %s",
                           role == HONE_ROLE_RUN ? "measure for this target" : "build");
        if (st != HONE_OK) {
            hone_pool_cancel(pool, id);
            return st;
        }
    }
    if (ret->status != HONE_OK && err)
        *err = ret->error;
    return ret->status;
}

static bool ends_all(const running *r, hone_status st)
{
    return st == HONE_E_INTERRUPTED ||
           (st == HONE_E_PEER && hone_clock_ns() - r->heard_ns > r->patience_ns);
}

static hone_status build(running *r, const hone_probe_plan *p, bool reference, hone_error *err)
{
    hone_status st = HONE_OK;
    for (int k = 0; k < TRIES; k++) {
        hone_pool_event e;
        hone_build_job job = {.id = hone_pool_new_id(r->o->pool),
                              .workload = p->workload,
                              .trace = reference ? NULL : p->trace,
                              .target = r->target,
                              .threads = p->threads,
                              .reference = reference,
                              .deadline_ms = 30000};
        hone_pool_build(r->o->pool, &job);
        st = await(r, job.id, HONE_ROLE_BUILD, &e, err);
        if (st == HONE_OK)
            r->made[reference] = e.artifact;
        if (st == HONE_OK || hone_status_is_reject(st) || ends_all(r, st))
            break;
    }
    return st;
}

static hone_status measure(running *r, const hone_probe_plan *p, hone_error *err)
{
    hone_status st = HONE_OK;
    for (int k = 0; k < TRIES; k++) {
        hone_pool_event e;
        hone_measure_job job = {.id = hone_pool_new_id(r->o->pool),
                                .target = r->target,
                                .candidate = &r->made[0],
                                .reference = &r->made[1],
                                .threads = p->threads,
                                .data_seed = DATA_SEED,
                                .tolerance = HONE_TOLERANCE,
                                .reference_ms = 60000,
                                .check_ms = 30000,
                                .run_ms = 10000,
                                .min_samples = SAMPLES,
                                .max_samples = SAMPLES,
                                .sample_ns = SAMPLE_NS};
        hone_pool_measure(r->o->pool, &job);
        st = await(r, job.id, HONE_ROLE_RUN, &e, err);
        r->timed = e.result;
        if (st == HONE_OK || hone_status_is_reject(st) || ends_all(r, st))
            break;
    }
    return st;
}

/* Noise only ever adds time. */
static void take_value(const hone_measure_result *m, const hone_probe_plan *p,
                       hone_probe_result *ret)
{
    double ns[HONE_MAX_SAMPLES];
    int n = m->n_samples < HONE_MAX_SAMPLES ? m->n_samples : HONE_MAX_SAMPLES;
    if (n < 1) {
        ret->status = HONE_E_PROTOCOL;
        snprintf(ret->reason, sizeof ret->reason, "no samples came back");
        return;
    }
    memcpy(ns, m->sample_ns, (size_t)n * sizeof *ns);
    hone_sort(ns, (uint32_t)n);
    double low = ns[n / 4], high = ns[3 * n / 4];
    ret->value = p->is_time ? low / p->work : p->work / low;
    ret->spread = hone_fault("calibrate.noise") ? 1e6 : (high - low) / ns[n / 2];
}

static hone_status one(running *r, hone_probe_id k, hone_probe_result *ret, hone_error *err)
{
    hone_probe_plan plan;
    hone_error why = {0};
    int64_t start = hone_clock_ns();
    hone_status st = hone_probe_make(k, r->o->target, r->o->threads, &plan, &why);
    if (st == HONE_OK)
        st = build(r, &plan, true, &why);
    if (st == HONE_OK)
        st = build(r, &plan, false, &why);
    if (st == HONE_OK)
        st = measure(r, &plan, &why);
    *ret = (hone_probe_result){.status = st};
    if (st == HONE_OK)
        take_value(&r->timed, &plan, ret);
    else
        snprintf(ret->reason, sizeof ret->reason, "%.199s", why.message);
    ret->seconds = (double)(hone_clock_ns() - start) / 1e9;
    hone_artifact_free(&r->made[0]);
    hone_artifact_free(&r->made[1]);
    hone_probe_plan_free(&plan);
    if (!ends_all(r, st))
        return HONE_OK;
    if (err)
        *err = why;
    return st;
}

hone_status hone_calibrate_run(const hone_calibrate_options *o, hone_probe_results *ret,
                               hone_error *err)
{
    running r = {.o = o,
                 .target = hone_target_text(o->target),
                 .patience_ns = o->patience_ns ? o->patience_ns : NO_WORKER_NS};
    hone_status st = HONE_OK;
    for (unsigned k = 0; k < HONE_PROBE_COUNT && st == HONE_OK; k++) {
        if (o->on_probe)
            o->on_probe(o->ctx, (hone_probe_id)k);
        st = one(&r, (hone_probe_id)k, &ret->of[k], err);
    }
    free(r.target);
    return st;
}
