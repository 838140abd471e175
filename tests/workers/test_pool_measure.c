/* Measurements through the whole chain: pool, wire, a worker process, its nursery and children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/device_kernels.h"
#include "tests/workers/pool_tools.h"

#define SUM "KERNEL { for (int i = 0; i < 256; i++) F32(1)[i] = F32(0)[i] + 1; return 0; }"
#define SUM_DIFFERENTLY \
    "KERNEL { for (int i = 255; i >= 0; i--) F32(1)[i] = 1 + F32(0)[i]; return 0; }"
#define CRASHES "KERNEL { __builtin_trap(); return 0; }"
#define ENDLESS "KERNEL { for (volatile int i = 1; i;) { } return 0; }"

static hone_artifact reference, other, crashes, endless;

static int compile_all(void **state)
{
    if (group_setup(state) != 0)
        return -1;
    hone_manifest m = {.flops = 256};
    add_arg(&m, "in", HONE_ELEM_F32, false, 256);
    add_arg(&m, "out", HONE_ELEM_F32, true, 256);
    reference = artifact(&m, SUM);
    other = artifact(&m, SUM_DIFFERENTLY);
    crashes = artifact(&m, CRASHES);
    endless = artifact(&m, ENDLESS);
    return 0;
}

static int free_all(void **state)
{
    hone_artifact_free(&reference);
    hone_artifact_free(&other);
    hone_artifact_free(&crashes);
    hone_artifact_free(&endless);
    return group_teardown(state);
}

static hone_worker_options runner(void)
{
    return (hone_worker_options){
        .connect = endpoint, .roles = HONE_ROLE_RUN, .sandbox = SANDBOX ? "on" : "off"};
}

static void outcomes(void **state)
{
    (void)state;
    hone_worker_options o = runner();
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    assert_non_null(strstr(e.text, "(run;"));
    hone_measure_job good = plain_job(&other, &reference), bad = plain_job(&crashes, &reference);
    good.id = 21;
    good.incumbent = &reference;
    bad.id = 22;
    hone_pool_measure(p, &good);
    hone_pool_measure(p, &bad);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 21);
    assert_status(e.status, HONE_OK, &e.error);
    assert_true(e.result.time_ns > 0 && e.result.sample_ns[0] > 0);
    assert_in_range(e.result.n_samples, 2, 5); /* 2: its first call waited for a processor */
    assert_true(e.result.incumbent_ns[0] > 0);
    assert_true(e.result.max_error == 0);
    assert_true(e.result.env[0] && e.spent_ns > 0);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 22);
    assert_status(e.status, HONE_REJECT_CRASH, &e.error);
    good.id = 23; /* and the worker goes on */
    hone_pool_measure(p, &good);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 23);
    assert_status(e.status, HONE_OK, &e.error);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

static void killed_in_the_middle(void **state)
{
    (void)state;
    hone_worker_options o = runner();
    child w = start_worker(&o, false), second = start_worker(&o, true);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    hone_measure_job job = plain_job(&endless, &reference);
    job.id = 31;
    await_credit(p, HONE_ROLE_RUN);
    hone_pool_measure(p, &job);
    hone_pool_event e;
    hone_pool_next(p, 100, &e); /* also time to be in the middle of it */
    kill(w.pid, SIGKILL);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 31);
    assert_int_equal(e.status, HONE_E_PEER);
    job.candidate = &other;
    hone_pool_measure(p, &job);
    open_gate(&second);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 31);
    assert_status(e.status, HONE_OK, &e.error);
    hone_pool_free(p);
    assert_int_equal(join(&w), 1000 + SIGKILL);
    assert_int_equal(join(&second), HONE_OK);
}

/* Takes back a kernel that would never end; the device is free for the next at once. */
static void cancelled(void **state)
{
    (void)state;
    hone_worker_options o = runner();
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    hone_measure_job job = plain_job(&endless, &reference);
    job.id = 41;
    job.check_ms = job.run_ms = 3600 * 1000;
    await_credit(p, HONE_ROLE_RUN);
    hone_pool_measure(p, &job);
    hone_pool_event e;
    for (int i = 0; i < 10; i++) { /* time to be in the middle of it */
        hone_pool_next(p, 20, &e);
        assert_int_equal(e.kind, HONE_POOL_NOTHING);
    }
    hone_pool_cancel(p, 41);
    job.id = 42;
    job.candidate = &other;
    hone_pool_measure(p, &job);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 42);
    assert_status(e.status, HONE_OK, &e.error);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

/* A coordinator goes and leaves such a kernel behind: the device is free for the next one. */
static void left_behind(void **state)
{
    (void)state;
    hone_worker_options o = runner();
    o.listen = o.connect;
    o.connect = NULL;
    child w = start_worker(&o, false);
    hone_measure_job job = plain_job(&endless, &reference);
    job.check_ms = job.run_ms = 3600 * 1000;
    for (uint64_t id = 51; id <= 52; id++) {
        hone_pool *p = open_pool(&(hone_pool_options){0});
        assert_int_equal(hone_pool_connect(p, endpoint, NULL), HONE_OK);
        await_credit(p, HONE_ROLE_RUN);
        job.id = id;
        hone_pool_measure(p, &job);
        hone_pool_event e;
        hone_pool_next(p, 200, &e);
        hone_pool_free(p);
    }
    hone_pool *p = open_pool(&(hone_pool_options){0});
    assert_int_equal(hone_pool_connect(p, endpoint, NULL), HONE_OK);
    job.candidate = &other;
    hone_pool_measure(p, &job);
    hone_pool_event e = await(p, HONE_POOL_MEASURED);
    assert_status(e.status, HONE_OK, &e.error);
    hone_pool_free(p);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
}

/* The same when the coordinator is killed, and another takes its place at the socket. */
static void coordinator_killed(void **state)
{
    (void)state;
    hone_worker_options o = runner();
    child w = start_worker(&o, false);
    hone_measure_job job = plain_job(&endless, &reference);
    job.check_ms = job.run_ms = 3600 * 1000;
    int done[2];
    assert_int_equal(pipe(done), 0);
    fflush(NULL);
    pid_t first = fork();
    if (first == 0) {
        hone_pool *p = listening_pool(0);
        hone_pool_event e;
        await_credit(p, HONE_ROLE_RUN);
        hone_pool_measure(p, &job);
        hone_pool_next(p, 200, &e);
        if (write(done[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    char c;
    assert_int_equal(read(done[0], &c, 1), 1);
    kill(first, SIGKILL);
    waitpid(first, NULL, 0);
    close(done[0]);
    close(done[1]);
    hone_pool *p = listening_pool(0);
    job.candidate = &other;
    hone_pool_measure(p, &job);
    hone_pool_event e = await(p, HONE_POOL_MEASURED);
    assert_status(e.status, HONE_OK, &e.error);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

/* A job nobody can run is told to its author, not tried. */
static void badly_described(void **state)
{
    (void)state;
    hone_worker_options o = runner();
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    hone_measure_job job = plain_job(&other, &reference);
    job.max_samples = HONE_MAX_SAMPLES + 1;
    hone_pool_measure(p, &job);
    hone_pool_event e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.status, HONE_E_INPUT);
    job.max_samples = 5;
    hone_pool_measure(p, &job);
    e = await(p, HONE_POOL_MEASURED);
    assert_status(e.status, HONE_OK, &e.error);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(outcomes),    TEST(killed_in_the_middle), TEST(cancelled),
        TEST(left_behind), TEST(coordinator_killed),   TEST(badly_described),
    };
    return cmocka_run_group_tests(tests, compile_all, free_all);
}
