/* Sittings whose candidates are recorded ones: all that a service does with a result but finding
 * out which candidate is next, and building it. Linked instead of farm/service/sitting.c; crew,
 * wants, loop, farm and storage are the service's own.
 *
 * A sitting draws CANDIDATES candidates of its kernel's space when it is opened, and from then on
 * wants them measured, each in turns with the first, in as many units at once as a user may have.
 * Each result becomes a record with its samples, and a line of the job, as a session's does. */
#include "farm/service/sitting.h"

#define CANDIDATES 64
#define UNITS 64 /* in hand of one sitting */

typedef struct candidate {
    char *trace;
    hone_artifact artifact;
} candidate;

struct hone_session {
    candidate *v; /* CANDIDATES */
    hone_artifact reference;
    char *target;
    int64_t workload_id, target_id;
    hone_db_session row;
    uint64_t asked, hash;
    hone_rng rng;
};
typedef struct hone_session recorded;

/* As a light builder's. */
static hone_artifact artifact_of(uint64_t h)
{
    static hone_arg c = {.name = "C", .is_output = HONE_ARG_VARIES, .count = 1};
    hone_artifact borrowed = {.manifest = {.n_args = 1, .args = &c, .flops = 1000},
                              .bytes = (uint8_t *)&h,
                              .n = sizeof h,
                              .hash = hone_hash_bytes(0, &h, sizeof h)},
                  ret;
    hone_artifact_copy(&ret, &borrowed);
    return ret;
}

static hone_status draw(sitting *j, recorded *x, hone_error *err)
{
    hone_space *space;
    hone_sched sched = {0};
    hone_space_options o = {.target = &j->target, .threads = 1};
    HONE_TRY(hone_space_new(&j->programs[0], &o, &space, err));
    x->v = hone_xcalloc(CANDIDATES, sizeof *x->v);
    for (unsigned k = 0; k < CANDIDATES;) {
        if (hone_space_sample(space, &x->rng, &sched, NULL) != HONE_OK)
            continue;
        x->v[k].trace = hone_trace_text(&sched.trace);
        x->v[k++].artifact = artifact_of(hone_rng_u64(&x->rng));
    }
    x->reference = artifact_of(x->hash);
    hone_sched_fini(&sched);
    hone_space_free(space);
    return HONE_OK;
}

/* ---- the log --------------------------------------------------------------------------------- */

typedef struct opening {
    sitting *j;
    recorded *x;
} opening;

static hone_status open_rows(hone_db *db, void *ctx, hone_error *err)
{
    opening *o = ctx;
    recorded *x = o->x;
    const hone_program *p = &o->j->programs[0];
    const char *name = hone_sym_text(p, p->name);
    char *class = hone_target_class(&o->j->target);
    hone_buf program = {0};
    hone_program_print(p, &program);
    hone_db_workload w = {.hash = x->hash,
                          .name = name,
                          .class = name,
                          .program = program.s,
                          .sizes = "{}",
                          .flops = 1000};
    hone_db_target t = {.text = x->target, .threads = 1, .class = class};
    hone_status st = hone_db_workload_put(db, &w, &x->workload_id, err);
    if (st == HONE_OK)
        st = hone_db_target_put(db, &t, &x->target_id, err);
    x->row.workload_id = x->workload_id;
    x->row.target_id = x->target_id;
    x->row.state = "{\"strategy\":\"recorded\"}";
    if (st == HONE_OK)
        st = hone_db_session_save(db, &x->row, &x->row.id, err);
    hone_buf_free(&program);
    free(class);
    return st;
}

static hone_status keep(sitting *j, const given *g, hone_error *err)
{
    recorded *x = j->one[0];
    const hone_measure_result *m = &g->result;
    const candidate *c = &x->v[g->tag % CANDIDATES];
    hone_db_sample samples[HONE_MAX_SAMPLES];
    for (int32_t k = 0; k < m->n_samples; k++)
        samples[k] = (hone_db_sample){m->sample_ns[k], m->incumbent_ns[k]};
    hone_db_record r = {.workload_id = x->workload_id,
                        .target_id = x->target_id,
                        .trace_hash = hone_hash_mix(j->number, g->tag),
                        .trace = c->trace,
                        .status = HONE_OK,
                        .reason = "",
                        .time_ns = m->time_ns,
                        .log_ratio = m->log_ratio,
                        .tolerance = HONE_TOLERANCE,
                        .checked = "reference",
                        .build_ns = 1000,
                        .run_ns = m->check_ns + m->run_ns,
                        .device = g->device,
                        .env = m->env,
                        .llvm_version = j->at->o->llvm_version,
                        .session_id = x->row.id,
                        .compare_ns = m->time_ns,
                        .fence = (int64_t)g->fence,
                        .suspect = g->suspect};
    x->row.trials++;
    return hone_service__storage_store(j->at->o->storage, j->scribe, &r, samples,
                                       (uint32_t)m->n_samples, &x->row, err);
}

/* ---- units ----------------------------------------------------------------------------------- */

/* The next; each is a unit of its own, since its data is. */
static void ask_next(sitting *j)
{
    recorded *x = j->one[0];
    uint64_t tag = atomic_fetch_add(j->at->tags, 1) + 1;
    hone_session_action a = {.kind = HONE_SESSION_MEASURE};
    a.measure = (hone_measure_job){.id = tag,
                                   .target = x->target,
                                   .candidate = &x->v[tag % CANDIDATES].artifact,
                                   .reference = &x->reference,
                                   .incumbent = &x->v[0].artifact,
                                   .threads = 1,
                                   .data_seed = tag,
                                   .tolerance = HONE_TOLERANCE,
                                   .reference_ms = 240000,
                                   .check_ms = 30000,
                                   .run_ms = 60000,
                                   .min_samples = 3,
                                   .max_samples = 16,
                                   .sample_ns = 500000};
    hone_service__ask(j, 0, &a);
    x->asked++;
}

static void fill(sitting *j)
{
    uint64_t most = j->spec.trials > 0 ? (uint64_t)j->spec.trials : UINT64_MAX;
    while (j->asked.n < UNITS && j->trials + j->asked.n < most && atomic_load(&j->wish) == GO_ON)
        ask_next(j);
}

/* ---- what its thread does with it (farm/service/crew.h) -------------------------------------- */

static hone_status try_open(sitting *j, hone_error *err)
{
    recorded *x = hone_xcalloc(1, sizeof *x);
    j->one[0] = x;
    j->scribe = hone_service__scribe_new();
    j->programs = hone_xcalloc(1, sizeof *j->programs);
    HONE_TRY(hone_desk_spec_parse(j->text, strlen(j->text), &j->spec, err));
    j->has_spec = true;
    HONE_TRY(hone_service__parse_task(&j->spec.tasks[0], &j->programs[0], err));
    x->hash = hone_program_hash(&j->programs[0]);
    x->target = hone_target_text(&j->target);
    hone_rng_seed(&x->rng, x->hash);
    HONE_TRY(draw(j, x, err));
    return hone_service__storage_write(j->at->o->storage, j->scribe, open_rows, &(opening){j, x},
                                       err);
}

void hone_service__sitting_open(sitting *j, const seat *at)
{
    hone_error err = {0};
    j->at = at;
    hone_status st = try_open(j, &err);
    j->opened = st == HONE_OK;
    if (st != HONE_OK)
        hone_service__sitting_over(j, st, &err);
    hone_service__sitting_tend(j);
}

void hone_service__sitting_tend(sitting *j)
{
    hone_error err = {0};
    if (!j->opened || j->over || hone_service__sitting_left(j))
        return;
    fill(j);
    if (j->asked.n == 0 || atomic_load(&j->wish) != GO_ON) {
        hone_status st =
            hone_service__storage_write(j->at->o->storage, j->scribe, NULL, NULL, &err);
        hone_service__sitting_over(j, st, &err);
    }
}

static void take(sitting *j, const given *g)
{
    hone_error err = {0};
    if (g->status != HONE_OK) /* of the worker: another unit in its place */
        return;
    hone_status st = keep(j, g, &err);
    j->trials++;
    hone_trial t = {.number = j->trials,
                    .hash = g->tag,
                    .reason = "",
                    .why = "recorded",
                    .device = g->device,
                    .time_ns = g->result.time_ns,
                    .compare_ns = g->result.time_ns};
    hone_service__say_trial(j, &t, NULL);
    if (st != HONE_OK)
        hone_service__sitting_over(j, st, &err);
}

void hone_service__sitting_take(sitting *j, given *g)
{
    asked x;
    if (hone_service__take_asked(j, g->tag, &x) && !j->over && !hone_service__sitting_left(j)) {
        take(j, g);
        fill(j);
    }
    hone_service__blob_drop(g->artifact);
    free(g);
}

void hone_service__sitting_close(sitting *j)
{
    recorded *x = j->one[0];
    if (j->at)
        hone_service__forget(j);
    for (unsigned k = 0; x && x->v && k < CANDIDATES; k++) {
        free(x->v[k].trace);
        hone_artifact_free(&x->v[k].artifact);
    }
    if (x) {
        hone_artifact_free(&x->reference);
        free(x->v);
        free(x->target);
        free(x);
    }
    hone_service__scribe_drop(j->scribe);
    if (j->programs)
        hone_program_fini(&j->programs[0]);
    free(j->programs);
    if (j->has_spec)
        hone_desk_spec_free(&j->spec);
    free(j->text);
    free(j);
}
