/* Sittings: a job as its thread of the crew has it, which is a session of the tuner, or those of a
 * list. It goes on from the log, so that starting it again is opening it again. */
#include "farm/service/sitting.h"
#include "tuner/tell.h"

#include <unistd.h>

#define USED "used" /* note of a job: trials and milliseconds of its budget that are used up */
#define NOTE_NS (1000 * MS)
#define TELL_NS (200 * MS)  /* between two words on how far it is */
#define ROOM_NS (1000 * MS) /* until a full disk is tried again */
#define REMEMBER (1u << 13) /* of candidates, by a session, of which there may be 64 for ever */

/* Asked within long computations. */
static bool is_stopped(void *ctx)
{
    const sitting *j = ctx;
    return atomic_load(&j->wish) != GO_ON || atomic_load(j->at->quitting);
}

/* ---- what a session asks of its driver --------------------------------------------------------
 */

static uint64_t new_id(void *ctx)
{
    return atomic_fetch_add(((sitting *)ctx)->at->tags, 1) + 1;
}

/* The farm waits for workers and gives turns; a session asks for no more than there are. */
static uint32_t able(void *ctx, unsigned role, const char *target)
{
    const sitting *j = ctx;
    (void)target;
    uint32_t n = atomic_load(&j->able[role == HONE_ROLE_RUN]);
    return n ? n : 1;
}

static hone_status write_log(void *ctx, hone_session_write_fn fn, void *fn_ctx, hone_error *err)
{
    const sitting *j = ctx;
    return hone_service__storage_write(j->at->o->storage, j->scribe, fn, fn_ctx, err);
}

static hone_status store(void *ctx, const hone_db_record *r, const hone_db_sample *samples,
                         uint32_t n, const hone_db_session *row, hone_error *err)
{
    const sitting *j = ctx;
    hone_db_record mine = *r;
    if (j->taken) {
        mine.fence = (int64_t)j->taken->fence;
        mine.suspect = j->taken->suspect;
    }
    return hone_service__storage_store(j->at->o->storage, j->scribe, &mine, samples, n, row, err);
}

/* ---- what was asked for -----------------------------------------------------------------------
 */

static char *sizes_text(const hone_desk_task *t)
{
    json_t *j = json_object();
    for (unsigned i = 0; i < t->n_sizes; i++)
        json_object_set_new(j, t->sizes[i].name, json_integer(t->sizes[i].value));
    char *text = hone_json_text(j);
    json_decref(j);
    return text;
}

static hone_status load(sitting *j, hone_error *err)
{
    HONE_TRY(hone_desk_spec_parse(j->text, strlen(j->text), &j->spec, err));
    j->has_spec = true;
    j->programs = hone_xcalloc(j->spec.n, sizeof *j->programs);
    j->sizes = hone_xcalloc(j->spec.n, sizeof *j->sizes);
    j->kernels = hone_xcalloc(j->spec.n, sizeof *j->kernels);
    for (unsigned i = 0; i < j->spec.n; i++) {
        HONE_TRY(hone_service__parse_task(&j->spec.tasks[i], &j->programs[i], err));
        j->sizes[i] = sizes_text(&j->spec.tasks[i]);
        j->kernels[i] = (hone_task_kernel){
            .program = &j->programs[i], .sizes = j->sizes[i], .weight = j->spec.tasks[i].weight};
    }
    return HONE_OK;
}

/* What the log has of it. A crash, and a full disk, forget the last second. */
static void read_used(sitting *j)
{
    char *text = NULL;
    if (hone_store_noted(j->at->reader, j->id, USED, &text, NULL) != HONE_OK ||
        sscanf(text, "%" SCNu64 " %" SCNd64, &j->used_trials, &j->used_ms) != 2)
        j->used_trials = 0, j->used_ms = 0;
    free(text);
}

static void note_used(sitting *j, int64_t now)
{
    char text[64];
    if (now - j->noted_ns < NOTE_NS || j->trials == j->noted_trials)
        return;
    j->noted_ns = now;
    j->noted_trials = j->trials;
    snprintf(text, sizeof text, "%" PRIu64 " %" PRId64, j->used_trials + j->trials,
             j->used_ms + (now - j->opened_ns) / MS);
    hone_service__storage_note(j->at->o->storage, j->scribe, j->id, USED, text);
}

/* What is left of a budget; 0 is none at all, so that at least 1 is. */
static int64_t left(int64_t budget, int64_t used)
{
    return budget <= 0 ? 0 : budget - used > 1 ? budget - used : 1;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static hone_status open_session(sitting *j, hone_error *err)
{
    const hone_desk_spec *spec = &j->spec;
    const hone_strategy *strategy =
        spec->strategy ? hone_strategy_find(spec->strategy) : hone_strategy_at(0);
    int64_t now = hone_clock_ns();
    if (!strategy)
        return hone_fail(err, HONE_E_INPUT, "no strategy '%.60s'", spec->strategy);
    if (!spec->alone && strategy->learns) {
        hone_status st = hone_prior_pretrained(&j->target, true, &j->prior, err);
        if (st != HONE_OK && st != HONE_E_NOTFOUND)
            return st;
    }
    read_used(j);
    int64_t trials = left(spec->trials, (int64_t)j->used_trials),
            time_ms = left(spec->time_s * 1000, j->used_ms);
    int32_t threads = (int32_t)(spec->threads ? spec->threads : j->target.cores);
    j->each = (hone_session_options){
        .program = &j->programs[0],
        .sizes = j->sizes[0],
        .target = &j->target,
        .llvm_version = j->at->o->llvm_version,
        .threads = threads,
        .trials = (uint64_t)trials,
        .time_ms = time_ms,
        .seed = (uint64_t)spec->seed,
        .strategy = strategy,
        .remember = REMEMBER,
        .prior = j->prior,
        .alone = spec->alone,
        .patient = true,
        .db = j->at->reader,
        .stop = is_stopped,
        .stop_ctx = j,
        .port = {.ctx = j, .new_id = new_id, .able = able, .write = write_log, .store = store}};
    j->scribe = hone_service__scribe_new();
    j->opened_ns = now;
    j->opened = true;
    if (!spec->list)
        return hone_session_new(&j->each, now, &j->one[0], err);
    hone_task_list_options l = {.each = j->each,
                                .trials = (uint64_t)trials,
                                .time_ms = time_ms,
                                .at_once = 2,
                                .choices = spec->choices,
                                .n_choices = spec->n_choices};
    l.each.trials = 0;
    l.each.time_ms = 0;
    j->list = hone_task_list_new(&l, j->kernels, spec->n, now);
    return HONE_OK;
}

static void close_session(sitting *j)
{
    hone_service__forget(j);
    hone_task_list_free(j->list);
    hone_session_free(j->one[0]);
    hone_model_free(j->prior);
    hone_service__scribe_drop(j->scribe);
    j->list = NULL;
    j->one[0] = NULL;
    j->prior = NULL;
    j->scribe = NULL;
    j->life++;
    j->opened = j->lost = j->has_progress = false;
    j->trials = j->noted_trials = 0;
    j->again_ns = hone_clock_ns() + ROOM_NS;
}

static void try_open(sitting *j)
{
    hone_error err = {0};
    hone_status st = j->has_spec ? HONE_OK : load(j, &err);
    if (st == HONE_OK)
        st = open_session(j, &err);
    if (st == HONE_OK)
        return;
    if (st == HONE_E_FULL) /* again, when there is room */
        close_session(j);
    else if (st == HONE_E_INTERRUPTED && is_stopped(j))
        hone_service__sitting_over(j, HONE_OK, &err);
    else
        hone_service__sitting_over(j, st, &err);
}

/* ---- ending -----------------------------------------------------------------------------------
 */

static void tell_progress(sitting *j)
{
    if (j->has_progress)
        hone_service__say(j, SAID_LINE, 0, hone_tell_progress(&j->progress));
    j->has_progress = false;
}

/* A session ends with a write that is awaited: all of it is durable then. */
static void end_of_one(sitting *j)
{
    const hone_session_result *r = hone_session_get_result(j->one[0]);
    if (!r->done || j->over || j->lost)
        return;
    tell_progress(j);
    hone_service__say(j, SAID_LINE, 0,
                      hone_tell_summary(&j->each, r, j->step_ns, r->status, &r->error));
    hone_service__sitting_over(j, r->status, &r->error);
}

static bool list_done(const sitting *j)
{
    hone_session *const *v = hone_task_list_sessions(j->list);
    for (unsigned k = 0; k < j->spec.n; k++)
        if (v[k] && !hone_session_get_result(v[k])->done)
            return false;
    return !hone_task_list_more(j->list);
}

/* How the list stands; the titles are the caller's to free. */
static hone_tell_list told(const sitting *j, const char ***ret_titles)
{
    const char **titles = hone_xcalloc(j->spec.n, sizeof *titles);
    for (unsigned i = 0; i < j->spec.n; i++)
        titles[i] = j->spec.tasks[i].title;
    *ret_titles = titles;
    return (hone_tell_list){.name = j->spec.list,
                            .each = &j->each,
                            .tasks = j->list,
                            .kernels = j->kernels,
                            .titles = titles,
                            .n = j->spec.n,
                            .choices = j->spec.choices,
                            .n_choices = j->spec.n_choices};
}

static void progress_of_list(sitting *j, int64_t now)
{
    const char **titles;
    if (j->over || now - j->told_ns < NOTE_NS)
        return;
    j->told_ns = now;
    hone_tell_list l = told(j, &titles);
    hone_service__say(
        j, SAID_LINE, 0,
        hone_tell_list_progress(&l, j->spec.trials > 0 ? (uint64_t)j->spec.trials : 0));
    free(titles);
}

static void end_of_list(sitting *j)
{
    hone_task_list_state state;
    const char **titles;
    if (j->over || j->lost || !list_done(j))
        return;
    hone_task_list_get_state(j->list, &state);
    hone_tell_list l = told(j, &titles);
    hone_service__say(j, SAID_LINE, 0,
                      hone_tell_list_summary(&l, (double)(hone_clock_ns() - j->opened_ns) / 1e9));
    free(titles);
    hone_service__sitting_over(j, state.status, &state.error);
}

/* ---- stepping ---------------------------------------------------------------------------------
 */

static void act(sitting *j, unsigned k, const hone_session_action *a)
{
    asked x;
    switch (a->kind) {
    case HONE_SESSION_BUILD:
    case HONE_SESSION_MEASURE:
        hone_service__ask(j, k, a);
        break;
    case HONE_SESSION_CANCEL:
        if (hone_service__take_asked(j, a->cancel, &x))
            hone_service__say(j, SAID_UNWANT, a->cancel, NULL);
        break;
    case HONE_SESSION_NOTICE:
        hone_service__say(j, SAID_LINE, 0,
                          json_pack("{s:o}", "notice", hone_json_string(a->notice)));
        break;
    case HONE_SESSION_TRIAL:
        j->trials++;
        hone_service__say_trial(j, &a->trial, j->list ? j->spec.tasks[k].title : NULL);
        break;
    case HONE_SESSION_PROGRESS: /* the last one counts only */
        j->has_progress = !j->list;
        j->progress = a->progress;
        break;
    }
}

static void step(sitting *j, unsigned k, hone_session *x, hone_pool_event *e)
{
    hone_session_action a;
    int64_t start = hone_clock_ns();
    if (hone_fault("session.stall"))
        while (!is_stopped(j))
            usleep(1000);
    if (atomic_load(&j->wish) == STOP)
        hone_session_stop(x);
    bool device_full = e && e->status == HONE_E_FULL;
    hone_session_step(x, e, start);
    j->step_ns += hone_clock_ns() - start;
    /* A device's full disk is its own affair; the log's will have room again. */
    const hone_session_result *r = hone_session_get_result(x);
    if (r->done && r->status == HONE_E_FULL && !device_full)
        j->lost = true;
    while (hone_session_next_action(x, &a))
        act(j, k, &a);
}

static hone_session *session_of(const sitting *j, unsigned k)
{
    return j->list ? hone_task_list_sessions(j->list)[k] : j->one[0];
}

static void pass_time(sitting *j)
{
    if (j->list) {
        if (atomic_load(&j->wish) == STOP)
            hone_task_list_stop(j->list);
        hone_task_list_step(j->list, hone_clock_ns());
    }
    for (unsigned k = 0; k < (j->list ? j->spec.n : 1); k++)
        if (session_of(j, k) && !hone_session_get_result(session_of(j, k))->done)
            step(j, k, session_of(j, k), NULL);
    int64_t now = hone_clock_ns();
    note_used(j, now);
    if (!j->list && now - j->told_ns >= TELL_NS) {
        j->told_ns = now;
        tell_progress(j);
    }
    if (j->list) {
        progress_of_list(j, now);
        end_of_list(j);
    } else {
        end_of_one(j);
    }
}

/* ---- what its thread does with it -------------------------------------------------------------
 */

void hone_service__sitting_open(sitting *j, const seat *at)
{
    j->at = at;
    hone_service__sitting_tend(j);
}

void hone_service__sitting_tend(sitting *j)
{
    if (j->over || hone_service__sitting_left(j))
        return;
    if (j->opened && hone_service__scribe_status(j->scribe, NULL) == HONE_E_FULL)
        j->lost = true;
    if (j->lost) {
        hone_log(HONE_LOG_WARN, "job %" PRIu64 " goes on from what the log has of it", j->id);
        close_session(j);
    }
    if (!j->opened && hone_clock_ns() >= j->again_ns)
        try_open(j);
    if (j->opened && !j->over && !hone_service__sitting_left(j))
        pass_time(j);
}

static void take_event(sitting *j, const given *g, const asked *x)
{
    hone_pool_event e = {0};
    e.kind = g->is_build ? HONE_POOL_BUILT : HONE_POOL_MEASURED;
    e.id = g->tag;
    e.status = g->status;
    e.error = g->error;
    e.result = g->result;
    e.spent_ns = g->spent_ns;
    snprintf(e.device, sizeof e.device, "%s", g->device);
    if (g->artifact) {
        hone_artifact_copy(&e.artifact, &g->artifact->artifact);
        hone_service__remember(j, hone_service__blob_hold(g->artifact));
    }
    j->taken = g;
    step(j, x->k, session_of(j, x->k), &e);
    j->taken = NULL;
    hone_artifact_free(&e.artifact);
}

void hone_service__sitting_take(sitting *j, given *g)
{
    asked x;
    if (j->opened && hone_service__take_asked(j, g->tag, &x) && session_of(j, x.k) && !j->over &&
        !j->lost && !hone_service__sitting_left(j))
        take_event(j, g, &x);
    hone_service__blob_drop(g->artifact);
    free(g);
}

void hone_service__sitting_close(sitting *j)
{
    if (j->at)
        close_session(j);
    for (unsigned i = 0; j->programs && i < j->spec.n; i++) {
        hone_program_fini(&j->programs[i]);
        free(j->sizes[i]);
    }
    free(j->programs);
    free(j->sizes);
    free(j->kernels);
    if (j->has_spec)
        hone_desk_spec_free(&j->spec);
    free(j->text);
    free(j);
}
