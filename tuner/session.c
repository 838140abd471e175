/* One kernel's tuning, from the first question to the final race.
 *
 *   run_init  rows in the log, what the log already knows, the oracle's artifact
 *   feed      asks the search, gives builders and devices what they can take
 *   on_event  what came back from them
 *   settle    a finished trial: durable first, then told to the search and the caller
 *   loop      all of it until the budget, the space or the user's patience ends
 *
 * Candidates move through the states of `job`: ASKED -> BUILDING -> BUILT -> MEASURING -> gone. An
 * attempt that fails through no fault of the candidate (HONE_E_*) is made again, up to ATTEMPTS. */
#include "tuner/internal.h"

#include <math.h>

#define BATCH 16       /* candidates asked for at once */
#define AHEAD 6        /* built and waiting for a device, at most */
#define SUGGESTIONS 16 /* so many of the fastest are looked at for those of another version */

void hone_tuner__progress(run *u, bool now)
{
    int64_t t = hone_clock_ns();
    if (!u->o->on_progress || (!now && t - u->last_progress_ns < 100000000))
        return;
    u->last_progress_ns = t;
    hone_progress p = {.trials = u->r->trials,
                       .budget = u->o->trials,
                       .ok = u->r->ok,
                       .best_ns = u->r->best_ns,
                       .gflops = u->r->gflops,
                       .elapsed_ns = t - u->started_ns,
                       .left_ns = -1,
                       .phase = u->phase};
    memcpy(p.rejected, u->r->rejected, sizeof p.rejected);
    if (u->o->trials && u->r->trials)
        p.left_ns = (int64_t)((double)p.elapsed_ns / (double)u->r->trials *
                              (double)(u->o->trials - u->r->trials));
    if (u->o->time_ms) {
        int64_t left = u->o->time_ms * 1000000 - p.elapsed_ns;
        if (p.left_ns < 0 || left < p.left_ns)
            p.left_ns = left > 0 ? left : 0;
    }
    u->o->on_progress(u->o->ctx, &p);
}

static bool should_stop(const run *u)
{
    if (u->o->stop && *u->o->stop)
        return true;
    if (u->o->time_ms && hone_clock_ns() - u->started_ns >= u->o->time_ms * 1000000)
        return true;
    return u->o->trials && u->r->trials >= u->o->trials;
}

/* ---- the incumbent and the finalists ----------------------------------------------------------
 */

/* ---- judging ----------------------------------------------------------------------------------
 */

/* ---- results -----------------------------------------------------------------------------------
 */

/* A trial has its outcome: OK or a rejection. Durable, then known. */
static hone_status settle(run *u, job *j, hone_status status, const char *reason,
                          const hone_measure_result *m, hone_error *err)
{
    hone_session_result *r = u->r;
    hone_candidate *c = &j->candidate;
    hone_status st = hone_tuner__store(u, c->trace, c->hash, status, reason, j->build_ns, m, err);
    if (st != HONE_OK)
        return st;
    r->trials++;
    bool is_default = strcmp(c->why, "default") == 0, best = false;
    int64_t t = hone_clock_ns();
    hone_search_tell(u->search, &(hone_outcome){.id = c->id,
                                                .trace = c->trace,
                                                .hash = c->hash,
                                                .status = status,
                                                .time_ns = (double)m->time_ns});
    r->search_ns += hone_clock_ns() - t;
    if (status == HONE_OK) {
        r->ok++;
        best = u->best.n == 0 || (hone_tuner__is_paired(m) ? hone_tuner__ratio(m) < 0
                                                           : m->time_ns < u->best.v[0].time_ns);
        finalist f = {.artifact = j->artifact,
                      .trace = hone_xstrdup(c->trace),
                      .hash = c->hash,
                      .time_ns = m->time_ns,
                      .build_ns = j->build_ns,
                      .max_error = m->max_error};
        j->artifact = (hone_artifact){0};
        if (best) {
            u->incumbent_is_default = is_default;
            hone_tuner__set_best(u, &f);
        }
        hone_tuner__enter_finals(u, f, best);
        if (is_default)
            r->default_ns = m->time_ns;
    } else {
        r->rejected_total++;
        r->rejected[status]++;
    }
    if (u->o->on_trial) {
        hone_trial t_ = {.number = r->trials,
                         .status = status,
                         .reason = reason,
                         .why = c->why,
                         .time_ns = m->time_ns,
                         .max_error = m->max_error,
                         .best = best};
        u->o->on_trial(u->o->ctx, &t_);
    }
    hone_artifact_free(&j->artifact);
    hone_candidate_free(c);
    j->state = GONE;
    hone_tuner__progress(u, best);
    return HONE_OK;
}

/* ---- feeding the workers
 * ---------------------------------------------------------------------------- */

static unsigned count(const run *u, job_state s)
{
    unsigned n = 0;
    for (uint32_t k = 0; k < u->jobs.n; k++)
        n += u->jobs.v[k].state == s;
    return n;
}

static job *find(run *u, uint64_t id)
{
    for (uint32_t k = 0; k < u->jobs.n; k++)
        if (u->jobs.v[k].id == id)
            return &u->jobs.v[k];
    return NULL;
}

static hone_status ask(run *u, uint32_t want, hone_error *err)
{
    hone_candidate c[BATCH];
    uint32_t n = 0;
    int64_t t = hone_clock_ns();
    hone_status st = hone_search_ask(u->search, want < BATCH ? want : BATCH, c, &n, err);
    u->r->search_ns += hone_clock_ns() - t;
    if (st != HONE_OK)
        return st;
    for (uint32_t k = 0; k < n; k++) {
        job j = {.id = u->next_id++, .candidate = c[k]};
        hone_vec_push(&u->jobs, j);
    }
    if (n == 0)
        u->r->exhausted = true;
    return HONE_OK;
}

static void forget_gone(run *u)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < u->jobs.n; k++)
        if (u->jobs.v[k].state != GONE)
            u->jobs.v[n++] = u->jobs.v[k];
    u->jobs.n = n;
}

static hone_status feed(run *u, bool stopping, hone_error *err)
{
    forget_gone(u);
    unsigned asked = count(u, ASKED), building = count(u, BUILDING), built = count(u, BUILT),
             measuring = count(u, MEASURING);
    uint64_t committed = u->r->trials + asked + building + built + measuring;
    bool more = !stopping && !u->r->exhausted && (!u->o->trials || committed < u->o->trials);
    bool quiet = !u->o->exclusive || (building == 0 && built == 0 && measuring == 0);
    if (asked == 0 && more && quiet) {
        uint64_t left = u->o->trials ? u->o->trials - committed : BATCH;
        hone_status st = ask(u, left < BATCH ? (uint32_t)left : BATCH, err);
        if (st != HONE_OK)
            return st;
    }
    bool may_build = !stopping && (!u->o->exclusive || measuring == 0);
    unsigned ahead = u->o->exclusive ? BATCH : AHEAD;
    for (uint32_t k = 0; k < u->jobs.n && may_build; k++) {
        job *j = &u->jobs.v[k];
        if (j->state != ASKED || building + built >= ahead ||
            building >= 2 * hone_pool_peers(u->o->pool, HONE_ROLE_BUILD))
            continue;
        hone_tuner__submit_build(u, j->candidate.trace, j->id, false);
        j->state = BUILDING;
        building++;
    }
    bool may_measure =
        !stopping &&
        (!u->o->exclusive ||
         (building == 0 && (count(u, ASKED) == 0 || built >= ahead || measuring > 0 || built > 0)));
    for (uint32_t k = 0; k < u->jobs.n && may_measure; k++) {
        job *j = &u->jobs.v[k];
        if (j->state != BUILT || measuring >= hone_pool_peers(u->o->pool, HONE_ROLE_RUN))
            continue;
        hone_tuner__submit_measure(u, &j->artifact, j->id, strcmp(j->candidate.why, "default") == 0,
                                   3, hone_tuner__most_samples(u));
        j->state = MEASURING;
        measuring++;
    }
    return HONE_OK;
}

hone_status hone_tuner__on_event(run *u, hone_pool_event *e, hone_error *err)
{
    static const hone_measure_result nothing;
    switch (e->kind) {
    case HONE_POOL_PEER_JOINED:
    case HONE_POOL_PEER_LOST:
    case HONE_POOL_REFUSED:
        if (u->o->on_notice)
            u->o->on_notice(u->o->ctx, e->text);
        return HONE_OK;
    case HONE_POOL_NOTHING:
        return HONE_OK;
    case HONE_POOL_BUILT:
    case HONE_POOL_MEASURED:
        break;
    }
    job *j = find(u, e->id);
    bool built = e->kind == HONE_POOL_BUILT;
    if (!j) {
        hone_artifact_free(&e->artifact);
        return HONE_OK;
    }
    *(built ? &u->r->build_ns : &u->r->run_ns) += e->spent_ns;
    if (e->status == HONE_OK && built) {
        j->artifact = e->artifact;
        j->build_ns = e->spent_ns;
        j->state = BUILT;
        return HONE_OK;
    }
    if (e->status == HONE_OK && !built && u->best.n > 0)
        e->result.time_ns = hone_tuner__comparable_ns(&e->result, (double)u->best.v[0].time_ns);
    if (e->status == HONE_OK || hone_status_is_reject(e->status))
        return settle(u, j, e->status, e->status == HONE_OK ? "" : e->error.message,
                      built ? &nothing : &e->result, err);
    /* the attempt failed, not the candidate */
    if (u->o->on_notice) {
        char text[256];
        snprintf(text, sizeof text, "%s attempt failed: %.180s", built ? "build" : "measuring",
                 e->error.message);
        u->o->on_notice(u->o->ctx, text);
    }
    if (++j->attempts >= ATTEMPTS)
        return settle(u, j, built ? HONE_REJECT_BUILD : HONE_REJECT_CRASH,
                      "its worker was lost at every attempt", &nothing, err);
    j->state = built ? ASKED : BUILT;
    return HONE_OK;
}

/* ---- start
 * ------------------------------------------------------------------------------------------- */

bool hone_tuner__is_as_written(const char *trace)
{
    hone_trace t = {0};
    bool yes = hone_trace_parse(trace, strlen(trace), &t, NULL) == HONE_OK &&
               hone_trace_search_part(&t) == 0;
    hone_trace_free(&t);
    return yes;
}

/* What another version of the space measured or rejected is not known: its traces may be asked for
 * again. */
static bool recall(void *ctx, const hone_db_record *r)
{
    run *u = ctx;
    if (r->space_version != HONE_SPACE_VERSION || r->status >= HONE_STATUS_COUNT)
        return true;
    if (u->r->default_ns == 0 && r->status == HONE_OK && hone_tuner__is_as_written(r->trace))
        u->r->default_ns = r->time_ns;
    hone_search_tell(u->search, &(hone_outcome){.id = HONE_NOT_ASKED,
                                                .trace = r->trace,
                                                .hash = r->trace_hash,
                                                .status = r->status,
                                                .time_ns = (double)r->time_ns});
    u->r->known++;
    return true;
}

/* The fastest of other versions are measured again, before anything new. */
static bool suggest(void *ctx, const hone_db_record *r)
{
    run *u = ctx;
    if (r->space_version != HONE_SPACE_VERSION && !hone_tuner__is_as_written(r->trace))
        hone_search_suggest(u->search, r->trace);
    return true;
}

/* What a later process needs to build this run's results again: the intrinsics that were added. */
static char *state_of(const hone_session_options *o)
{
    const char *text = o->intrins ? hone_intrin_set_text(o->intrins) : "";
    json_t *j = text[0] ? json_pack("{s:s}", "intrins", text) : json_object();
    char *ret = hone_json_text(j);
    json_decref(j);
    return ret;
}

static hone_status run_init(run *u, hone_error *err)
{
    const hone_session_options *o = u->o;
    hone_status st;
    hone_buf text = {0};
    hone_program_print(o->program, &text);
    u->program_text = hone_buf_take(&text);
    u->target_text = hone_target_text(o->target);
    hone_program copy = {0};
    hone_program_copy(&copy, o->program);
    u->flops = hone_program_flops(&copy);
    hone_program_fini(&copy);
    int64_t cycle_flops = (int64_t)o->target->vector_bytes * 2 * o->target->fma_per_cycle;
    u->peak_gflops = 6.0 * (double)cycle_flops * o->threads; /* bytes as lanes, 6 GHz: a bound */

    char *class = hone_target_class(o->target);
    const char *name = hone_sym_text(o->program, o->program->name);
    hone_db_workload w = {.hash = hone_program_hash(o->program),
                          .name = name,
                          .class = name,
                          .program = u->program_text,
                          .sizes = o->sizes,
                          .flops = u->flops};
    st = hone_db_workload_put(o->db, &w, &u->workload_id, err);
    hone_db_target t = {.text = u->target_text, .threads = o->threads, .class = class};
    if (st == HONE_OK)
        st = hone_db_target_put(o->db, &t, &u->target_id, err);
    free(class);
    if (st != HONE_OK)
        return st;
    u->state_text = state_of(o);
    u->session = (hone_db_session){.workload_id = u->workload_id,
                                   .target_id = u->target_id,
                                   .seed = o->seed,
                                   .state = u->state_text};
    hone_rng_seed(&u->session.rng, o->seed);
    st = hone_db_session_save(o->db, &u->session, &u->session.id, err);
    if (st != HONE_OK)
        return st;

    int64_t start = hone_clock_ns();
    st = hone_space_new(
        o->program,
        &(hone_space_options){
            .target = o->target, .threads = o->threads, .rules = o->rules, .intrins = o->intrins},
        &u->space, err);
    if (st != HONE_OK)
        return st;
    u->search = hone_search_new(o->strategy, u->space, &(hone_search_options){.seed = o->seed});
    st = hone_db_each_record(
        o->db, &(hone_db_where){.workload_id = u->workload_id, .target_id = u->target_id}, recall,
        u, err);
    if (st == HONE_OK)
        st =
            hone_db_each_fastest(o->db, u->workload_id, u->target_id, SUGGESTIONS, suggest, u, err);
    u->r->search_ns += hone_clock_ns() - start;
    if (st == HONE_OK)
        st = hone_tuner__wait_for_workers(u, err);
    if (st == HONE_OK)
        st = hone_tuner__build_now(u, NULL, true, &u->reference, err);
    if (st != HONE_OK || u->r->known == 0)
        return st;

    /* the log's best is the incumbent of this run too */
    hone_db_record best;
    st = hone_db_best(o->db, w.hash, u->target_text, o->threads, &best, NULL);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    if (st != HONE_OK)
        return st;
    finalist f = {.trace = hone_xstrdup(best.trace),
                  .hash = best.trace_hash,
                  .time_ns = best.time_ns,
                  .build_ns = best.build_ns,
                  .max_error = best.max_error};
    hone_db_record_free(&best);
    if (hone_tuner__build_now(u, f.trace, false, &f.artifact, err) == HONE_OK) {
        hone_tuner__set_best(u, &f);
        hone_tuner__enter_finals(u, f, true);
    } else {
        hone_tuner__finalist_free(&f);
    }
    return HONE_OK;
}

/* ---- the end
 * ------------------------------------------------------------------------------------------ */

static void run_fini(run *u)
{
    for (uint32_t k = 0; k < u->jobs.n; k++) {
        hone_artifact_free(&u->jobs.v[k].artifact);
        hone_candidate_free(&u->jobs.v[k].candidate);
    }
    hone_vec_free(&u->jobs);
    for (uint32_t k = 0; k < u->best.n; k++)
        hone_tuner__finalist_free(&u->best.v[k]);
    hone_vec_free(&u->best);
    hone_artifact_free(&u->reference);
    hone_search_free(u->search);
    hone_space_free(u->space);
    free(u->program_text);
    free(u->state_text);
    free(u->target_text);
}

static hone_status loop(run *u, hone_error *err)
{
    u->phase = "tuning";
    for (;;) {
        bool stopping = should_stop(u);
        if (stopping) { /* what is not on a device yet is dropped */
            for (uint32_t k = 0; k < u->jobs.n; k++) {
                job *j = &u->jobs.v[k];
                if (j->state == ASKED || j->state == BUILDING || j->state == BUILT) {
                    hone_artifact_free(&j->artifact);
                    hone_candidate_free(&j->candidate);
                    j->state = GONE;
                }
            }
        }
        hone_status st = feed(u, stopping, err);
        if (st != HONE_OK)
            return st;
        if (u->jobs.n == 0)
            return HONE_OK;
        hone_pool_event e;
        hone_pool_next(u->o->pool, 50, &e);
        st = hone_tuner__on_event(u, &e, err);
        if (st != HONE_OK)
            return st;
        if (u->o->on_turn)
            u->o->on_turn(u->o->ctx);
        hone_tuner__progress(u, false);

        bool manned = hone_pool_peers(u->o->pool, HONE_ROLE_BUILD) &&
                      hone_pool_peers(u->o->pool, HONE_ROLE_RUN);
        int64_t t = hone_clock_ns();
        if (manned)
            u->alone_since_ns = t;
        else if (stopping || t - u->alone_since_ns > WAIT_FOR_WORKERS_MS * (int64_t)1000000)
            return hone_fail(err, HONE_E_PEER,
                             "all workers are gone; what was measured is kept, "
                             "run the same command again to go on");
    }
}

hone_status hone_session_run(const hone_session_options *o, hone_session_result *ret,
                             hone_error *err)
{
    *ret = (hone_session_result){0};
    run u = {.o = o, .r = ret, .next_id = 1, .started_ns = hone_clock_ns(), .phase = "starting"};
    hone_status st = run_init(&u, err);
    u.alone_since_ns = hone_clock_ns();
    if (st == HONE_OK)
        st = loop(&u, err);
    if (st == HONE_OK && u.best.n > 0 && ret->trials > 0)
        st = hone_tuner__final_race(&u, err);
    if (st == HONE_OK && u.best.n > 0 && ret->trials > 0 && !u.incumbent_is_default)
        st = hone_tuner__confirm(&u, err);
    ret->interrupted = o->stop && *o->stop;
    if (st == HONE_E_INTERRUPTED)
        st = HONE_OK;
    if (st == HONE_OK && u.session.id) {
        u.session.ended_ms = hone_clock_wall_ms();
        u.session.best_hash = u.best.n > 0 ? u.best.v[0].hash : 0;
        st = hone_db_session_save(o->db, &u.session, NULL, err);
    }
    hone_tuner__progress(&u, true);
    ret->wall_ns = hone_clock_ns() - u.started_ns;
    if (u.search)
        hone_search_get_stats(u.search, &ret->search);
    run_fini(&u);
    return st;
}

void hone_session_result_free(hone_session_result *r)
{
    free(r->best_trace);
    r->best_trace = NULL;
}
