/* A session from end to end inside one program: a forked worker that builds and measures, a pool, a
 * database, and a small matmul. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codegen/codegen.h"
#include "ir/builtin.h"
#include "tuner/tuner.h"
#include "workers/builder.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static unsigned n_tests;

static int group_setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-session-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

/* ---- a session and its surroundings ---------------------------------------------------------- */

typedef struct rig {
    char endpoint[96], path[96];
    pid_t worker;
    hone_program program;
    hone_target target;
    hone_pool *pool;
    hone_db *db;
    bool stop;
    uint64_t stop_after; /* trials; 0: never */
    /* what was reported */
    uint64_t trials, ok, bests, progress;
    uint64_t hashes[64];
    char why_first[32];
    int64_t best_ns;
    bool went_back, not_durable, raced;
} rig;

/* The worker is forked first: this process has no thread and no ZeroMQ context yet. */
static void start_worker(rig *r)
{
    fflush(NULL);
    r->worker = fork();
    assert_true(r->worker >= 0);
    if (r->worker > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    hone_error err = {0};
    hone_worker_options o = {.connect = r->endpoint,
                             .roles = HONE_ROLE_BUILD | HONE_ROLE_RUN,
                             .build_prepare = hone_builder_prepare,
                             .build = hone_builder_build,
                             .build_ctx = hone_builder_new()};
#ifdef __SANITIZE_THREAD__
    o.sandbox = "off"; /* its runtime makes system calls of its own */
#endif
    hone_status st = hone_worker_run(&o, &err);
    if (st != HONE_OK)
        fprintf(stderr, "worker: %s\n", err.message);
    _exit((int)st);
}

static void must(hone_status st, const hone_error *err)
{
    if (st != HONE_OK)
        fail_msg("%s: %s", hone_status_name(st), err->message);
}

static void open_rig(rig *r, const char *db)
{
    hone_error err = {0};
    *r = (rig){.worker = -1};
    snprintf(r->endpoint, sizeof r->endpoint, "ipc://%s/%u", folder, n_tests++);
    snprintf(r->path, sizeof r->path, "%s/%s", folder, db);
    start_worker(r);
    size_t n;
    const char *text = hone_builtin_text(&n);
    const hone_size sizes[] = {{"M", 32}, {"N", 32}, {"K", 32}};
    must(hone_workload_parse("built-in", text, n, "matmul", sizes, 3, &r->program, &err), &err);
    must(hone_target_native(&r->target, &err), &err);
    must(hone_db_open(r->path, HONE_DB_WRITE | HONE_DB_CREATE, &r->db, &err), &err);
    must(hone_pool_new(&(hone_pool_options){0}, &r->pool, &err), &err);
    must(hone_pool_listen(r->pool, r->endpoint, &err), &err);
}

/* Returns the worker's exit code: a pool that says goodbye ends it. */
static int close_rig(rig *r)
{
    int st = -1;
    hone_pool_free(r->pool);
    hone_db_close(r->db);
    hone_program_fini(&r->program);
    for (int k = 0; k < 800; k++) {
        if (waitpid(r->worker, &st, WNOHANG) == r->worker)
            return WIFEXITED(st) ? WEXITSTATUS(st) : 1000;
        usleep(10000);
    }
    kill(r->worker, SIGKILL);
    waitpid(r->worker, &st, 0);
    return -1;
}

static bool count_one(void *ctx, const hone_db_record *rec)
{
    rig *r = ctx;
    if (r->trials < HONE_LEN(r->hashes))
        r->hashes[r->trials] = rec->trace_hash;
    r->trials++;
    r->ok += rec->status == HONE_OK;
    return true;
}

/* Records in the database as it stands, their hashes in ret->hashes. */
static uint64_t records(hone_db *db, rig *ret)
{
    hone_error err = {0};
    *ret = (rig){0};
    must(hone_db_each_record(db, &(hone_db_where){0}, count_one, ret, &err), &err);
    return ret->trials;
}

static void on_trial(rig *r, const hone_trial *t)
{
    rig log;
    r->trials++;
    r->ok += t->status == HONE_OK;
    assert_int_equal(t->number, r->trials);
    if (r->trials == 1)
        snprintf(r->why_first, sizeof r->why_first, "%s", t->why);
    if (t->status == HONE_OK) {
        assert_true(t->time_ns > 0 && t->compare_ns > 0 && t->device[0]);
        assert_true(t->max_error >= 0 && t->max_error <= HONE_TOLERANCE);
    } else {
        assert_true(hone_status_is_reject(t->status) && t->reason[0] && !t->best);
        print_message("%s: %s\n", hone_status_name(t->status), t->reason);
    }
    r->bests += t->best;
    /* durable before it is reported */
    r->not_durable |= records(r->db, &log) < r->trials;
    if (r->stop_after && r->trials >= r->stop_after)
        r->stop = 1;
}

static void on_progress(rig *r, const hone_progress *p)
{
    r->raced |= strcmp(p->phase, "final race") == 0;
    if (strcmp(p->phase, "tuning") != 0)
        return;
    r->went_back |= r->best_ns > 0 && (p->best_ns == 0 || p->trials < r->progress);
    r->progress = p->trials;
    r->best_ns = p->best_ns;
}

static void on_action(void *ctx, unsigned k, const hone_session_action *a)
{
    assert_int_equal(k, 0);
    if (a->kind == HONE_SESSION_TRIAL)
        on_trial(ctx, &a->trial);
    else if (a->kind == HONE_SESSION_PROGRESS)
        on_progress(ctx, &a->progress);
}

static bool should_stop(void *ctx)
{
    return ((rig *)ctx)->stop;
}

/* The session is the caller's to free. */
static hone_session *run(rig *r, uint64_t trials, hone_session_result *ret)
{
    hone_error err = {0};
    hone_session *s = NULL;
    hone_driver d = {.pool = r->pool, .stop = should_stop, .on_action = on_action, .ctx = r};
    must(hone_session_new(&(hone_session_options){.program = &r->program,
                                                  .sizes = "{\"M\":32,\"N\":32,\"K\":32}",
                                                  .target = &r->target,
                                                  .llvm_version = hone_codegen_version(),
                                                  .threads = 1,
                                                  .trials = trials,
                                                  .seed = 5,
                                                  .db = r->db,
                                                  .port = hone_driver_port(&d),
                                                  .exclusive = true},
                          hone_clock_ns(), &s, &err),
         &err);
    hone_drive(&d, &s, 1);
    assert_true(d.step_ns > 0);
    *ret = *hone_session_get_result(s);
    must(ret->status, &ret->error);
    return s;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void check_best(const rig *r, const hone_session_result *got)
{
    hone_trace t = {0};
    hone_sched s = {0};
    hone_error err = {0};
    assert_non_null(got->best_trace);
    must(hone_trace_parse(got->best_trace, strlen(got->best_trace), &t, &err), &err);
    must(hone_trace_replay(&t, &r->program, &s, NULL, false, &err), &err);
    assert_true(got->best_ns > 0 && got->gflops > 0);
    assert_true(got->max_error <= HONE_TOLERANCE);
    hone_trace_free(&t);
    hone_sched_fini(&s);
}

static void tunes_and_goes_on(void **state)
{
    (void)state;
    rig r, log;
    hone_session_result got;
    open_rig(&r, "tune.db");
    hone_session *s = run(&r, 12, &got);
    assert_int_equal(got.trials, 12);
    assert_int_equal(got.known, 0);
    assert_int_equal(got.ok + got.rejected_total, 12);
    assert_int_equal(r.trials, 12);
    assert_int_equal(r.ok, got.ok);
    assert_string_equal(r.why_first, "default");
    assert_true(got.ok > 1);
    assert_true(got.default_ns > 0);
    assert_true(r.bests >= 1);
    assert_false(r.went_back);
    assert_false(r.not_durable);
    assert_false(got.interrupted);
    assert_false(got.exhausted);
    assert_true(r.raced);
    assert_int_equal(records(r.db, &log), 12);
    assert_int_equal(log.ok, got.ok);
    check_best(&r, &got);
    assert_true(got.wall_ns > 0 && got.build_ns > 0 && got.run_ns > 0);
    hone_session_free(s);
    assert_int_equal(close_rig(&r), HONE_OK);

    /* the same again, with another worker: nothing is measured twice, the best is remembered */
    open_rig(&r, "tune.db");
    s = run(&r, 6, &got);
    assert_int_equal(got.known, 12);
    assert_int_equal(got.trials, 6);
    assert_string_not_equal(r.why_first, "default");
    assert_int_equal(records(r.db, &log), 18);
    for (unsigned a = 0; a < 18; a++)
        for (unsigned b = 0; b < a; b++)
            assert_true(log.hashes[a] != log.hashes[b]);
    check_best(&r, &got);
    hone_session_free(s);
    assert_int_equal(close_rig(&r), HONE_OK);
}

/* What was measured is kept; what is in hand is dropped. */
static void stops_when_told(void **state)
{
    (void)state;
    rig r, log;
    hone_session_result got;
    open_rig(&r, "stop.db");
    r.stop_after = 3;
    hone_session *s = run(&r, 200, &got);
    assert_true(got.interrupted);
    assert_in_range(got.trials, 3, 8);
    assert_int_equal(got.trials, r.trials);
    assert_int_equal(records(r.db, &log), got.trials);
    assert_false(r.raced);
    hone_session_free(s);
    assert_int_equal(close_rig(&r), HONE_OK);
}

static void stopped_from_the_start(void **state)
{
    (void)state;
    rig r, log;
    hone_session_result got;
    open_rig(&r, "never.db");
    r.stop = 1;
    hone_session *s = run(&r, 200, &got);
    assert_true(got.interrupted);
    assert_int_equal(got.trials, 0);
    assert_null(got.best_trace);
    assert_int_equal(records(r.db, &log), 0);
    hone_session_free(s);
    kill(r.worker, SIGTERM); /* it may not have met the pool yet */
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tunes_and_goes_on),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(stopped_from_the_start),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
