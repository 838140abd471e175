/* What a log knows of kernels, made ready to be learned from: records replayed, and described. */
#include "tuner/calibrate/calibrate.h"
#include "tuner/tuner.h"

#define LEAST_EACH 16 /* results of a kernel, however many kernels share a limit */

typedef struct place {
    int64_t workload_id, target_id;
    uint64_t hash;
    char *name, *sizes, *class, *program, *target;
    int32_t threads;
} place;

typedef struct reading {
    const hone_history_options *o;
    HONE_VEC(place) places;
    /* of the kernel at hand */
    hone_history_kernel kernel;
    hone_history_fn fn;
    void *ctx;
    hone_sched sched;
    hone_features features;
    uint32_t n, most; /* of its results */
    bool ended;
} reading;

static bool stopped(const hone_history_options *o)
{
    return o->stop && o->stop(o->stop_ctx);
}

static bool add_place(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                      const hone_db_record *best)
{
    reading *r = ctx;
    (void)best;
    const char *of = r->o->target_class;
    if (w->hash == r->o->without || (of && !hone_target_class_within(t->class, of)))
        return true;
    place p = {.workload_id = w->id,
               .target_id = t->id,
               .hash = w->hash,
               .name = hone_xstrdup(w->name),
               .sizes = hone_xstrdup(w->sizes),
               .class = hone_xstrdup(w->class),
               .program = hone_xstrdup(w->program),
               .target = hone_xstrdup(t->text),
               .threads = t->threads};
    hone_vec_push(&r->places, p);
    return true;
}

static bool add_record(void *ctx, const hone_db_record *rec)
{
    reading *r = ctx;
    if (stopped(r->o)) {
        r->ended = true;
        return false;
    }
    if (rec->space_version != HONE_SPACE_VERSION || rec->status >= HONE_STATUS_COUNT ||
        rec->suspect)
        return true;
    hone_trace trace = {0};
    bool fine =
        hone_trace_parse(rec->trace, strlen(rec->trace), &trace, NULL) == HONE_OK &&
        hone_trace_search_part(&trace) > 0 &&
        hone_trace_replay(&trace, r->kernel.program, &r->sched, NULL, false, NULL) == HONE_OK;
    if (fine) {
        hone_features_extract(&r->sched.prog, r->kernel.target, r->kernel.threads,
                              r->kernel.machine, &r->features);
        const hone_history_result result = {
            .status = rec->status,
            .time_ns = rec->status == HONE_OK ? (double)hone_db_record_clock(rec) : 0,
            .trace = &trace,
            .features = &r->features};
        r->n++;
        r->ended = !r->fn(r->ctx, &r->kernel, &result);
    }
    hone_trace_free(&trace);
    return !r->ended && (r->most == 0 || r->n < r->most);
}

/* A kernel whose text this hone cannot read any more teaches nothing. */
static hone_status read_place(reading *r, const place *p, hone_error *err)
{
    hone_program program;
    hone_target target;
    hone_machine machine;
    if (hone_program_parse(p->program, strlen(p->program), &program, NULL) != HONE_OK)
        return HONE_OK;
    hone_status st = HONE_OK;
    if (hone_target_parse(p->target, &target, NULL) == HONE_OK) {
        const hone_machine *m = r->o->machine;
        if (!m && hone_calibrate_find(r->o->db, &target, p->threads, &machine, NULL) == HONE_OK)
            m = &machine;
        r->kernel = (hone_history_kernel){.hash = p->hash,
                                          .name = p->name,
                                          .sizes = p->sizes,
                                          .class = p->class,
                                          .program = &program,
                                          .target = &target,
                                          .threads = p->threads,
                                          .task = hone_model_task(&program, &target, p->threads),
                                          .machine = m};
        r->sched.target = &target;
        r->n = 0;
        const hone_db_where here = {.workload_id = p->workload_id, .target_id = p->target_id};
        st = hone_db_each_record(r->o->db, &here, add_record, r, err);
        hone_sched_fini(&r->sched);
        r->sched = (hone_sched){0};
    }
    hone_program_fini(&program);
    return st;
}

hone_status hone_history_read(const hone_history_options *o, hone_history_fn fn, void *ctx,
                              hone_error *err)
{
    reading r = {.o = o, .fn = fn, .ctx = ctx};
    const hone_db_where where = {.threads = o->threads};
    hone_status st = hone_db_each_best(o->db, &where, add_place, &r, err);
    r.most = o->most;
    if (o->most_in_all && r.places.n) {
        uint32_t share = o->most_in_all / r.places.n;
        share = share < LEAST_EACH ? LEAST_EACH : share;
        r.most = r.most == 0 || share < r.most ? share : r.most;
    }
    for (uint32_t k = 0; k < r.places.n && st == HONE_OK && !r.ended; k++)
        st = read_place(&r, &r.places.v[k], err);
    if (st == HONE_OK && stopped(o))
        st = hone_fail(err, HONE_E_INTERRUPTED, "reading the log was asked to stop");
    for (uint32_t k = 0; k < r.places.n; k++) {
        place *p = &r.places.v[k];
        free(p->name);
        free(p->sizes);
        free(p->class);
        free(p->program);
        free(p->target);
    }
    hone_vec_free(&r.places);
    hone_features_free(&r.features);
    return st;
}
