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

static void open_kernel(rig *r, const char *db, int64_t size)
{
    hone_error err = {0};
    size_t n;
    const char *text = hone_builtin_text(&n);
    const hone_size sizes[] = {{"M", size}, {"N", size}, {"K", size}};
    snprintf(r->path, sizeof r->path, "%s/%s", folder, db);
    must(hone_workload_parse("built-in", text, n, "matmul", sizes, 3, &r->program, &err), &err);
    must(hone_target_native(&r->target, &err), &err);
    must(hone_db_open(r->path, HONE_DB_WRITE | HONE_DB_CREATE, &r->db, &err), &err);
}

static void open_pool(rig *r)
{
    hone_error err = {0};
    must(hone_pool_new(&(hone_pool_options){0}, &r->pool, &err), &err);
    must(hone_pool_listen(r->pool, r->endpoint, &err), &err);
}

static void open_rig(rig *r, const char *db, int64_t size)
{
    *r = (rig){.worker = -1};
    snprintf(r->endpoint, sizeof r->endpoint, "ipc://%s/%u", folder, n_tests++);
    start_worker(r);
    open_kernel(r, db, size);
    open_pool(r);
}

/* Returns the worker's exit code: a pool that says goodbye ends it. */
static int close_rig(rig *r)
{
    int st = -1;
    hone_pool_free(r->pool); /* NULL: it used another's */
    hone_db_close(r->db);
    hone_program_fini(&r->program);
    for (int k = 0; k < 12000; k++) { /* two minutes, on however busy a machine */
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

static hone_session *begin(rig *r, uint64_t trials, hone_driver *d)
{
    hone_error err = {0};
    hone_session *s = NULL;
    must(hone_session_new(&(hone_session_options){.program = &r->program,
                                                  .sizes = "{\"M\":32,\"N\":32,\"K\":32}",
                                                  .target = &r->target,
                                                  .llvm_version = hone_codegen_version(),
                                                  .threads = 1,
                                                  .trials = trials,
                                                  .seed = 5,
                                                  .db = r->db,
                                                  .port = hone_driver_port(d),
                                                  .exclusive = true},
                          hone_clock_ns(), &s, &err),
         &err);
    return s;
}

/* The session is the caller's to free. */
static hone_session *run(rig *r, uint64_t trials, hone_session_result *ret)
{
    hone_driver d = {.pool = r->pool, .stop = should_stop, .on_action = on_action, .ctx = r};
    hone_session *s = begin(r, trials, &d);
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
    open_rig(&r, "tune.db", 32);
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
    open_rig(&r, "tune.db", 32);
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
    open_rig(&r, "stop.db", 32);
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
    open_rig(&r, "never.db", 32);
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

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Which candidates are in the log, in an order of their own; all are good. */
static void candidates(const rig *r, rig *ret)
{
    assert_int_equal(records(r->db, ret), 12);
    assert_int_equal(ret->ok, 12);
    qsort(ret->hashes, 12, sizeof ret->hashes[0], by_value);
}

/* Two sessions on a pool of two devices in one process: each ends as it does alone. */
static void two_share_two_devices(void **state)
{
    (void)state;
    const int64_t sizes[2] = {32, 48};
    const char *const names[2][2] = {{"alone-0.db", "alone-1.db"}, {"both-0.db", "both-1.db"}};
    rig alone[2], log, r[2];
    for (unsigned k = 0; k < 2; k++) {
        hone_session_result got;
        open_rig(&r[k], names[0][k], sizes[k]);
        hone_session_free(run(&r[k], 12, &got));
        candidates(&r[k], &alone[k]);
        assert_int_equal(close_rig(&r[k]), HONE_OK);
    }
    for (unsigned k = 0; k < 2; k++) {
        r[k] = (rig){0};
        snprintf(r[k].endpoint, sizeof r[k].endpoint, "ipc://%s/both", folder);
        start_worker(&r[k]);
    }
    open_pool(&r[0]);
    hone_driver d = {.pool = r[0].pool};
    hone_session *s[2];
    for (unsigned k = 0; k < 2; k++) {
        open_kernel(&r[k], names[1][k], sizes[k]);
        s[k] = begin(&r[k], 12, &d);
    }
    hone_drive(&d, s, 2);
    for (unsigned k = 0; k < 2; k++) {
        const hone_session_result *got = hone_session_get_result(s[k]);
        must(got->status, &got->error);
        assert_int_equal(got->failed, 0);
        assert_non_null(got->best_trace);
        candidates(&r[k], &log);
        assert_memory_equal(log.hashes, alone[k].hashes, 12 * sizeof log.hashes[0]);
        hone_session_free(s[k]);
    }
    for (unsigned k = 0; k < 2; k++)
        assert_int_equal(close_rig(&r[k]), HONE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tunes_and_goes_on),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(stopped_from_the_start),
        cmocka_unit_test(two_share_two_devices),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
