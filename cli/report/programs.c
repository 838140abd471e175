/* What the programs of a log say, when its traces are replayed: the bytes a kernel must move, what
 * the draft expects of a candidate, and the winning schedule as text. */
#include "cli/cli.h"
#include "cli/report/task.h"
#include "costmodel/costmodel.h"
#include "space/space.h"
#include "tuner/calibrate/calibrate.h"
#include "tuner/lookup/lookup.h"

typedef struct replaying {
    hone_db *db;
    report_task *task;
    hone_program program;
    hone_target target;
    hone_machine machine; /* of the target, when the log has `measured` it */
    bool measured;
    hone_sched sched;
    hone_intrin_set *intrins; /* of this session */
    int64_t session_id;
    uint32_t next; /* of the task's points */
    hone_features features;
} replaying;

/* Of the arguments, each moved once. */
static double argument_bytes(const hone_program *p)
{
    double all = 0;
    for (uint32_t k = 0; k < p->buffers.n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k];
        if (b->role == HONE_TEMP)
            continue;
        double n = hone_dtype_bytes((hone_dtype)b->dtype);
        for (uint32_t d = 0; d < b->n_dims; d++)
            n *= (double)b->shape[d];
        all += n;
    }
    return all;
}

static hone_status take_intrins(replaying *x, int64_t session_id, hone_error *err)
{
    if (x->intrins && x->session_id == session_id)
        return HONE_OK;
    hone_intrin_set_free(x->intrins);
    x->sched.intrins = x->intrins = hone_intrin_set_new();
    x->session_id = session_id;
    return hone_lookup_intrins(x->db, session_id, x->intrins, err);
}

static hone_status follow(replaying *x, const hone_db_record *r, bool *ret_as_written,
                          hone_error *err)
{
    hone_trace t = {0};
    hone_status st = take_intrins(x, r->session_id, err);
    if (st == HONE_OK)
        st = hone_trace_parse(r->trace, strlen(r->trace), &t, err);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, &x->program, &x->sched, NULL, false, err);
    *ret_as_written = st == HONE_OK && hone_trace_search_part(&t) == 0;
    hone_trace_free(&t);
    return st;
}

/* The draft of those that the page shows. The program as written is looked for among the first few:
 * a session begins with it. */
#define FIRST 16
static bool draft_one(void *ctx, const hone_db_record *r)
{
    replaying *x = ctx;
    report_task *t = x->task;
    while (x->next < t->points.n && t->points.v[x->next].id < r->id)
        x->next++;
    bool shown = x->next < t->points.n && t->points.v[x->next].id == r->id, as_written;
    bool early = t->written_ns == 0 && t->trials.n && r->status == HONE_OK &&
                 r->id <= t->trials.v[t->trials.n < FIRST ? t->trials.n - 1 : FIRST - 1].id;
    if (!shown && !early)
        return true;
    if (follow(x, r, &as_written, NULL) != HONE_OK)
        return true;
    if (as_written) {
        t->written_ns = t->written_ns > 0 ? t->written_ns : (double)hone_db_record_clock(r);
    } else if (shown) {
        hone_features_extract(&x->sched.prog, &x->target, t->threads,
                              x->measured ? &x->machine : NULL, &x->features);
        t->points.v[x->next].draft_ns = x->features.draft_ns;
    }
    return true;
}

static hone_status print_winner(replaying *x, hone_error *err)
{
    report_task *t = x->task;
    hone_db_record r = {0};
    hone_error why = {0};
    bool as_written;
    hone_status st = hone_db_best(x->db, t->hash, t->target_text, t->threads, &r, err);
    if (st == HONE_OK && follow(x, &r, &as_written, &why) == HONE_OK) {
        hone_buf text = {0};
        hone_program_print(&x->sched.prog, &text);
        t->schedule = hone_buf_take(&text);
    } else if (st == HONE_OK) {
        t->no_schedule = hone_xasprintf("The winner's trace cannot be replayed: %s", why.message);
    } else if (st == HONE_E_NOTFOUND) {
        t->no_schedule = hone_xstrdup("No candidate was right.");
        st = HONE_OK;
    }
    hone_db_record_free(&r);
    return st;
}

static hone_status replay_task(hone_db *db, report_task *t, hone_error *err)
{
    replaying x = {.db = db, .task = t};
    hone_error why = {0};
    hone_status st = HONE_OK;
    hone_status read = hone_program_parse(t->program, strlen(t->program), &x.program, &why);
    if (read == HONE_OK && (read = hone_verify(&x.program, &why)) != HONE_OK)
        hone_program_fini(&x.program);
    if (read != HONE_OK) {
        t->no_schedule = hone_xasprintf("The program cannot be read: %.600s", why.message);
        return HONE_OK;
    }
    t->bytes = argument_bytes(&x.program);
    if (hone_target_parse(t->target_text, &x.target, &why) != HONE_OK) {
        t->no_schedule = hone_xasprintf("The target cannot be read: %.600s", why.message);
    } else {
        x.sched.target = &x.target;
        x.measured = hone_calibrate_find(db, &x.target, t->threads, &x.machine, NULL) == HONE_OK;
        const hone_db_where here = {.workload_id = t->workload_id, .target_id = t->target_id};
        st = hone_db_each_record(db, &here, draft_one, &x, err);
        if (st == HONE_OK)
            st = print_winner(&x, err);
    }
    hone_features_free(&x.features);
    hone_sched_fini(&x.sched);
    hone_intrin_set_free(x.intrins);
    hone_program_fini(&x.program);
    return st;
}

hone_status report_replay(hone_db *db, report_log *l, hone_error *err)
{
    for (uint32_t k = 0; k < l->tasks.n; k++)
        HONE_TRY(replay_task(db, &l->tasks.v[k], err));
    return HONE_OK;
}
