/* A pool without workers: what a session hands out waits here until the test answers it, and time
 * passes when the test says so.
 *
 * Artifacts are texts, the candidate's trace, so that a test sees what is measured with what. An
 * unanswered job can be answered by hand (fake_built, fake_timed, fake_failed), or by the world
 * (fake_work), in which every trace has a time, and a hook may change any answer. */
#ifndef HONE_TESTS_FAKE_POOL_H
#define HONE_TESTS_FAKE_POOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/simulated.h"
#include "tuner/internal.h"

#include <unistd.h>

typedef struct fake_job {
    unsigned role;
    uint64_t id;
    unsigned session;
    bool reference;
    char *candidate, *incumbent; /* traces; incumbent NULL: alone. "" is the program as written */
    hone_measure_job asked;
} fake_job;

typedef struct fake_pool fake_pool;
/* May change the answer to j, which is about to be given. */
typedef void (*fake_hook)(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e);

/* One session and what it said. */
typedef struct fake_user {
    hone_program program;
    hone_target target;
    hone_db *db;
    hone_session *session;
    const hone_session_result *r;
    char sizes[64];
    uint64_t trials, bests, notices, cancels;
    uint64_t near, imported; /* trials suggested by other kernels, by the logs of others */
    hone_trial last;
    char last_reason[256], notice[512];
    bool seen[8]; /* phases */
} fake_user;

#define FAKE_USERS 2

struct fake_pool {
    char folder[64];
    int64_t now_ns;
    uint64_t ids;
    unsigned builders, devices; /* present */
    bool can_run;               /* whether those are of the target */
    unsigned coming;            /* roles of which one is on its way */
    HONE_VEC(fake_job) jobs;    /* in the order they were handed out */
    fake_user user[FAKE_USERS];
    fake_hook hook;
    void *ctx;
    uint64_t answered;
};

/* ---- the world ------------------------------------------------------------------------------- */

static inline uint64_t fake_hash(const char *trace)
{
    return hone_hash_bytes(7, trace, strlen(trace));
}

/* True time of one call, the same everywhere and always. */
static inline double fake_ns(const char *trace)
{
    return hone_tuner__is_as_written(trace) ? 20000 : 1000 + (double)(fake_hash(trace) % 4000);
}

/* ---- set up ---------------------------------------------------------------------------------- */

static uint64_t fake_new_id(void *ctx)
{
    return ++((fake_pool *)ctx)->ids;
}

static uint32_t fake_able(void *ctx, unsigned role, const char *target)
{
    const fake_pool *f = ctx;
    return role == HONE_ROLE_BUILD ? f->builders : target && !f->can_run ? 0 : f->devices;
}

static bool fake_coming(void *ctx, unsigned role)
{
    return (((const fake_pool *)ctx)->coming & role) != 0;
}

static uint32_t fake_in_hand(void *ctx, unsigned role)
{
    const fake_pool *f = ctx;
    uint32_t n = 0;
    for (uint32_t k = 0; k < f->jobs.n; k++)
        n += f->jobs.v[k].role == role;
    return n;
}

static inline void fake_open(fake_pool *f)
{
    *f = (fake_pool){.builders = 1, .devices = 1, .can_run = true, .now_ns = 1000000000};
    snprintf(f->folder, sizeof f->folder, "%s/hone-fake-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->folder));
}

/* What a test may want otherwise than usual. */
typedef struct fake_want {
    const char *db; /* NULL: "hone.db" */
    int64_t size;   /* of the matmul; 0: 32 */
    uint64_t trials, seed;
    int64_t time_ms;
    bool exclusive;
    const hone_strategy *strategy; /* NULL: the default */
    bool alone;
    int32_t threads; /* 0: one */
    const hone_libcall *libraries;
    unsigned n_libraries;
    /* Who writes the log, as of hone_session_port; the session then only reads it. */
    hone_status (*write)(void *ctx, hone_session_write_fn fn, void *fn_ctx, hone_error *err);
    hone_status (*store)(void *ctx, const hone_db_record *r, const hone_db_sample *samples,
                         uint32_t n, const hone_db_session *row, hone_error *err);
} fake_want;

static inline fake_user *fake_start(fake_pool *f, unsigned k, const fake_want *w)
{
    fake_user *u = &f->user[k];
    hone_error err = {0};
    int64_t size = w->size ? w->size : 32;
    const hone_size sizes[] = {{"M", size}, {"N", size}, {"K", size}};
    char *path = hone_xasprintf("%s/%s", f->folder, w->db ? w->db : "hone.db");
    *u = (fake_user){.target = simulated_target(), .program = simulated_kernel("matmul", sizes, 3)};
    snprintf(u->sizes, sizeof u->sizes, "{\"M\":%d,\"N\":%d,\"K\":%d}", (int)size, (int)size,
             (int)size);
    if (hone_db_open(path, w->write ? HONE_DB_READ : HONE_DB_WRITE | HONE_DB_CREATE, &u->db, &err))
        fail_msg("%s", err.message);
    free(path);
    hone_session_options o = {
        .program = &u->program,
        .sizes = u->sizes,
        .target = &u->target,
        .llvm_version = "none",
        .threads = w->threads ? w->threads : 1,
        .trials = w->trials,
        .time_ms = w->time_ms,
        .seed = w->seed ? w->seed : 1,
        .strategy = w->strategy,
        .alone = w->alone,
        .db = u->db,
        .libraries = w->libraries,
        .n_libraries = w->n_libraries,
        .exclusive = w->exclusive,
        .port = {f, fake_new_id, fake_able, fake_in_hand, w->write, w->store, fake_coming}};
    if (hone_session_new(&o, f->now_ns, &u->session, &err) != HONE_OK)
        fail_msg("%s", err.message);
    u->r = hone_session_get_result(u->session);
    return u;
}

static inline void fake_job_free(fake_job *j)
{
    free(j->candidate);
    free(j->incumbent);
}

static inline void fake_end(fake_pool *f, unsigned k)
{
    fake_user *u = &f->user[k];
    for (uint32_t i = 0; i < f->jobs.n;) {
        if (f->jobs.v[i].session != k) {
            i++;
            continue;
        }
        fake_job_free(&f->jobs.v[i]);
        f->jobs.v[i] = f->jobs.v[--f->jobs.n];
    }
    hone_session_free(u->session);
    hone_db_close(u->db);
    hone_program_fini(&u->program);
    *u = (fake_user){0};
}

static inline void fake_close(fake_pool *f)
{
    for (unsigned k = 0; k < FAKE_USERS; k++)
        if (f->user[k].session)
            fake_end(f, k);
    hone_vec_free(&f->jobs);
    char *command = hone_xasprintf("rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(command);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static inline char *fake_text(const hone_artifact *a)
{
    return a ? hone_xstrdup((const char *)a->bytes) : NULL;
}

static inline void fake_act(fake_pool *f, unsigned k, const hone_session_action *a)
{
    fake_user *u = &f->user[k];
    switch (a->kind) {
    case HONE_SESSION_BUILD:
        hone_vec_push(&f->jobs,
                      (fake_job){.role = HONE_ROLE_BUILD,
                                 .id = a->build.id,
                                 .session = k,
                                 .reference = a->build.reference,
                                 .candidate = hone_xstrdup(a->build.trace ? a->build.trace : "")});
        break;
    case HONE_SESSION_MEASURE:
        assert_non_null(a->measure.reference->bytes);
        hone_vec_push(&f->jobs, (fake_job){.role = HONE_ROLE_RUN,
                                           .id = a->measure.id,
                                           .session = k,
                                           .candidate = fake_text(a->measure.candidate),
                                           .incumbent = fake_text(a->measure.incumbent),
                                           .asked = a->measure});
        break;
    case HONE_SESSION_CANCEL:
        u->cancels++;
        for (uint32_t i = 0; i < f->jobs.n; i++)
            if (f->jobs.v[i].id == a->cancel) {
                fake_job_free(&f->jobs.v[i]);
                memmove(&f->jobs.v[i], &f->jobs.v[i + 1], (f->jobs.n - i - 1) * sizeof *f->jobs.v);
                f->jobs.n--;
            }
        break;
    case HONE_SESSION_NOTICE:
        u->notices++;
        snprintf(u->notice, sizeof u->notice, "%s", a->notice);
        break;
    case HONE_SESSION_TRIAL:
        assert_int_equal(a->trial.number, ++u->trials);
        u->bests += a->trial.best;
        u->near += strcmp(a->trial.why, "near") == 0;
        u->imported += strcmp(a->trial.why, "imported") == 0;
        u->last = a->trial;
        snprintf(u->last_reason, sizeof u->last_reason, "%s", a->trial.reason);
        u->last.reason = u->last_reason;
        u->last.device = NULL;
        break;
    case HONE_SESSION_PROGRESS:
        for (phase p = WAITING; p <= DONE; p++)
            u->seen[p] |= strcmp(a->progress.phase, hone_tuner__phase_name(p)) == 0;
        break;
    }
}

static inline void fake_step(fake_pool *f, unsigned k, hone_pool_event *e)
{
    hone_session_action a;
    fake_user *u = &f->user[k];
    hone_session_step(u->session, e, f->now_ns);
    u->seen[u->session->phase] = true;
    while (hone_session_next_action(u->session, &a))
        fake_act(f, k, &a);
}

/* Time passes: in steps of 50 ms, for all sessions. */
static inline void fake_pass(fake_pool *f, int64_t ms)
{
    for (int64_t t = 0; t < ms; t += 50) {
        f->now_ns += 50 * MS;
        for (unsigned k = 0; k < FAKE_USERS; k++)
            if (f->user[k].session)
                fake_step(f, k, NULL);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The answer an honest world gives on a device that takes `slower` times as long. */
static inline void fake_answer(const fake_job *j, double slower, hone_pool_event *e)
{
    *e = (hone_pool_event){.id = j->id, .spent_ns = 20 * MS};
    if (j->role == HONE_ROLE_BUILD) {
        e->kind = HONE_POOL_BUILT;
        e->artifact.n = strlen(j->candidate) + 1;
        e->artifact.bytes = (uint8_t *)hone_xstrdup(j->candidate);
        return;
    }
    hone_measure_result *r = &e->result;
    e->kind = HONE_POOL_MEASURED;
    r->n_samples = j->asked.max_samples;
    for (int k = 0; k < r->n_samples; k++) {
        r->sample_ns[k] = slower * fake_ns(j->candidate);
        r->incumbent_ns[k] = j->incumbent ? slower * fake_ns(j->incumbent) : 0;
    }
    r->time_ns = (int64_t)r->sample_ns[0];
    r->log_ratio = j->incumbent ? log(r->sample_ns[0] / r->incumbent_ns[0]) : 0;
}

/* The times of an answer become these. */
static inline void fake_set_times(hone_pool_event *e, double candidate_ns, double incumbent_ns)
{
    hone_measure_result *r = &e->result;
    for (int k = 0; k < r->n_samples; k++) {
        r->sample_ns[k] = candidate_ns;
        r->incumbent_ns[k] = incumbent_ns;
    }
    r->time_ns = (int64_t)candidate_ns;
}

static inline void fake_set_failure(hone_pool_event *e, hone_status s, const char *message)
{
    hone_artifact_free(&e->artifact);
    e->result = (hone_measure_result){0};
    e->status = hone_fail(&e->error, s, "%s", message);
}

/* Gives the answer e to job i, which is in hand no more. */
static inline void fake_give(fake_pool *f, uint32_t i, hone_pool_event *e)
{
    fake_job j = f->jobs.v[i];
    assert_true(i < f->jobs.n);
    memmove(&f->jobs.v[i], &f->jobs.v[i + 1], (f->jobs.n - i - 1) * sizeof j);
    f->jobs.n--;
    f->answered++;
    assert_true(hone_session_owns(f->user[j.session].session, j.id));
    fake_step(f, j.session, e);
    fake_job_free(&j);
}

/* Answers job i as the world and the hook have it. */
static inline void fake_serve(fake_pool *f, uint32_t i)
{
    hone_pool_event e;
    fake_job j = f->jobs.v[i];
    fake_answer(&j, 1, &e);
    snprintf(e.device, sizeof e.device, "%s", "a");
    if (f->hook)
        f->hook(f->ctx, f, &j, &e);
    fake_give(f, i, &e);
}

static inline bool fake_all_done(const fake_pool *f)
{
    for (unsigned k = 0; k < FAKE_USERS; k++)
        if (f->user[k].session && !f->user[k].r->done)
            return false;
    return true;
}

/* Serves until `until` is in sight of user 0's session, or all are done. */
static inline void fake_work_until(fake_pool *f, phase until)
{
    for (int turns = 0; !fake_all_done(f) && f->user[0].session->phase < until; turns++) {
        assert_true(turns < 100000);
        f->now_ns += 20 * MS;
        if (f->jobs.n > 0)
            fake_serve(f, 0);
        else
            fake_pass(f, 50);
    }
}

static inline void fake_work(fake_pool *f)
{
    fake_work_until(f, DONE);
    fake_pass(f, 50);
}

/* The first job of this role in hand, or -1. */
static inline int fake_find(const fake_pool *f, unsigned role)
{
    for (uint32_t i = 0; i < f->jobs.n; i++)
        if (f->jobs.v[i].role == role)
            return (int)i;
    return -1;
}

/* ---- the log --------------------------------------------------------------------------------- */

typedef struct fake_records {
    uint64_t n, ok, rejected;
} fake_records;

static bool fake_count(void *ctx, const hone_db_record *r)
{
    fake_records *c = ctx;
    c->n++;
    c->ok += r->status == HONE_OK;
    c->rejected += hone_status_is_reject(r->status);
    return true;
}

static inline fake_records fake_log(const fake_user *u)
{
    fake_records c = {0};
    assert_int_equal(hone_db_each_record(u->db, &(hone_db_where){0}, fake_count, &c, NULL),
                     HONE_OK);
    return c;
}

/* What a query answers; the caller frees it. */
static inline hone_db_record fake_query(const fake_user *u)
{
    hone_db_record r;
    char *target = hone_target_text(&u->target);
    assert_int_equal(hone_db_best(u->db, hone_program_hash(&u->program), target, 1, &r, NULL),
                     HONE_OK);
    free(target);
    return r;
}

/* The log answers what the session reported. */
static inline void fake_assert_answer(const fake_user *u)
{
    hone_db_record r = fake_query(u);
    assert_string_equal(r.trace, u->r->best_trace);
    hone_db_record_free(&r);
}

#endif
