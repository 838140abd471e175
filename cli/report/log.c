/* The rows of a log, as a report needs them. */
#include "cli/report/task.h"

#define DEVICES 16 /* are named */
#define VERSIONS 8

/* ---- lists of texts -------------------------------------------------------------------------- */

typedef HONE_VEC(char *) texts;

/* Adds what is not there yet; false: it is, or there are too many. */
static bool add_text(void *list, const char *text, uint32_t most)
{
    texts *l = list;
    for (uint32_t k = 0; k < l->n; k++)
        if (strcmp(l->v[k], text) == 0)
            return false;
    if (l->n >= most)
        return false;
    hone_vec_push(l, hone_xstrdup(text));
    return true;
}

static void free_texts(void *list)
{
    texts *l = list;
    for (uint32_t k = 0; k < l->n; k++)
        free(l->v[k]);
    hone_vec_free(l);
}

/* ---- records --------------------------------------------------------------------------------- */

typedef struct reading {
    report_log *log;
    report_task *task;
} reading;

static void add_device(report_log *l, const char *name, const char *env)
{
    for (uint32_t k = 0; k < l->devices.n; k += 2)
        if (strcmp(l->devices.v[k], name) == 0)
            return; /* the rest of env says what was tried on it, and differs by candidate */
    if (!*name || l->devices.n >= 2 * DEVICES)
        return;
    hone_vec_push(&l->devices, hone_xstrdup(name));
    hone_vec_push(&l->devices, hone_xstrdup(env));
}

static report_rejection *rejection_of(report_task *t, hone_status status)
{
    for (uint32_t k = 0; k < t->rejections.n; k++)
        if (t->rejections.v[k].status == status)
            return &t->rejections.v[k];
    report_rejection x = {.status = status};
    hone_vec_push(&t->rejections, x);
    return &t->rejections.v[t->rejections.n - 1];
}

static void add_rejection(report_task *t, const hone_db_record *r)
{
    report_rejection *x = rejection_of(t, r->status);
    x->n++;
    for (uint32_t k = 0; k < x->reasons.n; k++)
        if (strcmp(x->reasons.v[k].text, r->reason) == 0) {
            x->reasons.v[k].n++;
            return;
        }
    if (x->reasons.n < REPORT_REASONS) {
        report_reason one = {.text = hone_xstrdup(r->reason), .n = 1};
        hone_vec_push(&x->reasons, one);
    }
}

static void add_session(report_task *t, int64_t id)
{
    for (uint32_t k = t->sessions.n; k > 0; k--) /* mostly the last */
        if (t->sessions.v[k - 1] == id)
            return;
    hone_vec_push(&t->sessions, id);
}

static bool add_record(void *ctx, const hone_db_record *r)
{
    reading *x = ctx;
    report_task *t = x->task;
    report_trial one = {.id = r->id, .spent_s = (double)(r->build_ns + r->run_ns) / 1e9};
    t->build_s += (double)r->build_ns / 1e9;
    t->run_s += (double)r->run_ns / 1e9;
    if (r->status == HONE_OK) {
        one.ns = r->suspect ? 0 : (double)hone_db_record_clock(r);
        t->ok++;
    } else {
        add_rejection(t, r);
    }
    hone_vec_push(&t->trials, one);
    if (r->session_id)
        add_session(t, r->session_id);
    add_device(x->log, r->device, r->env);
    char *version = hone_xasprintf("hone %s, space %d%s%s", r->hone_version, r->space_version,
                                   r->llvm_version[0] ? ", " : "", r->llvm_version);
    add_text(&x->log->versions, version, VERSIONS);
    free(version);
    return true;
}

/* ---- what belongs to them -------------------------------------------------------------------- */

static hone_status read_sessions(hone_db *db, report_task *t, hone_error *err)
{
    for (uint32_t k = 0; k < t->sessions.n; k++) {
        hone_db_session s;
        hone_status st = hone_db_session_load(db, t->sessions.v[k], &s, err);
        if (st == HONE_E_NOTFOUND)
            continue;
        if (st != HONE_OK)
            return st;
        json_t *state = json_loads(s.state, 0, NULL);
        const char *name = json_string_value(json_object_get(state, "strategy"));
        if (name)
            add_text(&t->strategies, name, VERSIONS);
        json_decref(state);
        hone_db_session_free(&s);
    }
    return HONE_OK;
}

static hone_status read_winner(hone_db *db, report_task *t, hone_error *err)
{
    hone_db_record r = {0};
    hone_status st = hone_db_best(db, t->hash, t->target_text, t->threads, &r, err);
    if (st == HONE_OK) {
        t->best_ns = (double)hone_db_record_clock(&r);
        t->best_hash = r.trace_hash;
    }
    hone_db_record_free(&r);
    return st == HONE_E_NOTFOUND ? HONE_OK : st; /* all were rejected */
}

static bool add_task(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                     const hone_db_record *r)
{
    (void)r;
    report_log *l = ctx;
    report_task x = {.workload_id = w->id,
                     .target_id = t->id,
                     .hash = w->hash,
                     .name = hone_xstrdup(w->name),
                     .sizes = hone_xstrdup(w->sizes),
                     .program = hone_xstrdup(w->program),
                     .target_text = hone_xstrdup(t->text),
                     .threads = t->threads,
                     .ops = w->flops};
    hone_vec_push(&l->tasks, x);
    return true;
}

hone_status report_read(hone_db *db, report_log *ret, hone_error *err)
{
    hone_status st = hone_db_each_first(db, NULL, add_task, ret, err);
    for (uint32_t k = 0; k < ret->tasks.n && st == HONE_OK; k++) {
        report_task *t = &ret->tasks.v[k];
        reading x = {.log = ret, .task = t};
        const hone_db_where here = {.workload_id = t->workload_id, .target_id = t->target_id};
        st = hone_db_each_record(db, &here, add_record, &x, err);
        if (st == HONE_OK)
            st = read_sessions(db, t, err);
        if (st == HONE_OK)
            st = read_winner(db, t, err);
    }
    return st;
}

static void free_task(report_task *t)
{
    for (uint32_t k = 0; k < t->rejections.n; k++) {
        report_rejection *x = &t->rejections.v[k];
        for (uint32_t i = 0; i < x->reasons.n; i++)
            free(x->reasons.v[i].text);
        hone_vec_free(&x->reasons);
    }
    hone_vec_free(&t->rejections);
    hone_vec_free(&t->trials);
    hone_vec_free(&t->sessions);
    hone_vec_free(&t->points);
    free_texts(&t->strategies);
    free(t->name);
    free(t->sizes);
    free(t->program);
    free(t->target_text);
    free(t->schedule);
    free(t->no_schedule);
}

void report_free(report_log *l)
{
    for (uint32_t k = 0; k < l->tasks.n; k++)
        free_task(&l->tasks.v[k]);
    hone_vec_free(&l->tasks);
    free_texts(&l->versions);
    free_texts(&l->devices);
}
