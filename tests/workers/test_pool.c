/* Pool and workers over real sockets, in real processes.
 *
 *   workers      jobs, crashes, silence, restarts, busy workers, signals
 *   main         also one end of tests/workers/test_netns.sh:
 *                coordinator|worker ENDPOINT KEY ALLOW SECONDS, plain ENDPOINT SECONDS,
 *                keygen FILE */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"

/* ---- workers -------------------------------------------------------------------------------- */

static void jobs_come_back(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD), 0);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    assert_non_null(strstr(e.text, "(build;"));
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD), 1);
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD | HONE_ROLE_RUN), 0);
    submit(p, 71, "ok", "[1,2]");
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 71);
    assert_int_equal(e.status, HONE_OK);
    assert_int_equal(e.artifact.n, 5);
    assert_memory_equal(e.artifact.bytes, "[1,2]", 5);
    assert_int_equal(e.artifact.hash, hone_hash_bytes(0, "[1,2]", 5));
    assert_int_equal(e.artifact.manifest.args[0].count, 3);
    assert_int_equal(e.artifact.manifest.flops, 123);
    hone_artifact_free(&e.artifact);
    submit(p, 72, "reject", NULL);
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 72);
    assert_int_equal(e.status, HONE_REJECT_SPLIT);
    assert_string_equal(e.error.message, "7 does not divide 10");
    submit(p, 73, "ok", NULL);
    e = await(p, HONE_POOL_BUILT);
    assert_memory_equal(e.artifact.bytes, "no trace", 8);
    hone_artifact_free(&e.artifact);
    await_credits(p, HONE_ROLE_BUILD, 2);
    assert_int_equal(hone_pool_credit(p, HONE_ROLE_RUN), 0);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK); /* told GOODBYE */
}

static void killed_worker_gives_its_job_back(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    child a = start_worker(&o, false), b = start_worker(&o, true);
    hone_pool *p = listening_pool(10 * AWAIT_MS); /* so that it is not by silence that it is lost */
    await(p, HONE_POOL_PEER_JOINED);
    await_credit(p, HONE_ROLE_BUILD);
    submit(p, 5, "sleep", NULL);
    hone_pool_event e;
    hone_pool_next(p, 0, &e);
    kill(a.pid, SIGKILL);
    e = await(p, HONE_POOL_PEER_LOST);
    assert_null(strstr(e.text, "silent"));
    assert_false(e.left);
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 5);
    assert_int_equal(e.status, HONE_E_PEER);
    assert_non_null(strstr(e.error.message, "was lost"));
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD), 0);
    submit(p, 5, "ok", "again");
    open_gate(&b);
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 5);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(p);
    assert_int_equal(join(&a), 1000 + SIGKILL);
    assert_int_equal(join(&b), HONE_OK);
}

static void silent_worker_is_lost_and_registers_again(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(500);
    await(p, HONE_POOL_PEER_JOINED);
    kill(w.pid, SIGSTOP);
    hone_pool_event e = await(p, HONE_POOL_PEER_LOST);
    assert_non_null(strstr(e.text, "silent"));
    kill(w.pid, SIGCONT);
    await(p, HONE_POOL_PEER_JOINED); /* its PING was answered by WHO */
    do { /* on a busy machine it may be silent for half a second once more */
        submit(p, 1, "ok", NULL);
        e = await(p, HONE_POOL_BUILT);
    } while (e.status == HONE_E_PEER && strstr(e.error.message, "silent"));
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

static void coordinator_restart(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    child w = start_worker(&o, false);
    int done[2];
    assert_int_equal(pipe(done), 0);
    fflush(NULL);
    pid_t first = fork();
    if (first == 0) { /* the first coordinator: gives a job, then is killed */
        hone_pool *p = listening_pool(0);
        hone_pool_event e;
        do
            hone_pool_next(p, 100, &e);
        while (e.kind != HONE_POOL_PEER_JOINED);
        await_credit(p, HONE_ROLE_BUILD);
        submit(p, 1, "sleep", NULL);
        hone_pool_next(p, 100, &e);
        if (write(done[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    char c;
    assert_int_equal(read(done[0], &c, 1), 1);
    kill(first, SIGKILL);
    waitpid(first, NULL, 0);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    submit(p, 2, "ok", NULL); /* and the old job is not in its way */
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 2);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
    close(done[0]);
    close(done[1]);
}

/* What libzmq would do: take the path of its socket away. */
static void one_listens_at_a_path(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_worker_options o = builder_at(endpoint);
    child w = start_worker(&o, true);
    hone_pool *p = listening_pool(0), *second = open_pool(&(hone_pool_options){0});
    assert_int_equal(hone_pool_listen(second, endpoint, &err), HONE_E_BUSY);
    assert_non_null(strstr(err.message, "somebody else"));
    open_gate(&w);
    await(p, HONE_POOL_PEER_JOINED);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
    hone_pool_free(p);
    assert_int_equal(hone_pool_listen(second, endpoint, &err), HONE_OK); /* it is free */
    hone_pool_free(second);
}

static void two_workers_share(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    child a = start_worker(&o, false), b = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    await(p, HONE_POOL_PEER_JOINED);
    await_credits(p, HONE_ROLE_BUILD, 4); /* two of each: so two jobs at least go to each */
    for (uint64_t i = 0; i < 12; i++)
        submit(p, i, "pid", NULL);
    bool seen[12] = {false};
    char first[32] = "";
    unsigned by_first = 0;
    for (int i = 0; i < 12; i++) {
        hone_pool_event e = await(p, HONE_POOL_BUILT);
        assert_int_equal(e.status, HONE_OK);
        assert_true(e.id < 12 && !seen[e.id]);
        seen[e.id] = true;
        char who[32];
        snprintf(who, sizeof who, "%.*s", (int)e.artifact.n, (char *)e.artifact.bytes);
        if (i == 0)
            strcpy(first, who);
        by_first += strcmp(first, who) == 0;
        hone_artifact_free(&e.artifact);
    }
    assert_in_range(by_first, 2, 10);
    hone_pool_free(p);
    assert_int_equal(join(&a), HONE_OK);
    assert_int_equal(join(&b), HONE_OK);
}

static void bad_builds_cost_one_job(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    o.build_rss_limit = INT64_C(200) << 20;
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    hone_build_job slow = {
        .id = 1, .workload = "sleep", .target = "test", .threads = 1, .deadline_ms = 200};
    submit(p, 0, "crash", NULL);
    hone_pool_build(p, &slow);
    submit(p, 2, "hog", NULL);
    submit(p, 3, "ok", NULL);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 0);
    assert_int_equal(e.status, HONE_REJECT_BUILD);
    assert_non_null(strstr(e.error.message, "the build process died: signal 6"));
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 1);
    assert_int_equal(e.status, HONE_REJECT_BUILD_TIMEOUT);
    assert_string_equal(e.error.message, "the build took longer than 200 ms");
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 2);
    assert_int_equal(e.status, HONE_REJECT_BUILD);
    assert_string_equal(e.error.message, "the build used more than 200 MiB");
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 3);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    assert_int_equal(hone_pool_peers(p, HONE_ROLE_BUILD), 1);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

static void job_too_long_for_the_protocol(void **state)
{
    (void)state;
    hone_worker_options o = builder_at(endpoint);
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    char *huge = hone_xmalloc((2 << 20) + 1);
    memset(huge, 'x', 2 << 20);
    huge[2 << 20] = '\0';
    submit(p, 9, huge, NULL);
    free(huge);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 9);
    assert_int_equal(e.status, HONE_E_LIMIT);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

static void says_goodbye_at(int sig)
{
    hone_worker_options o = builder_at(endpoint);
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    await_credit(p, HONE_ROLE_BUILD);
    submit(p, 4, "sleep", NULL);
    hone_pool_event e;
    hone_pool_next(p, 0, &e);
    kill(w.pid, sig);
    e = await(p, HONE_POOL_PEER_LOST);
    assert_non_null(strstr(e.text, "the worker stops"));
    assert_true(e.left);
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_E_PEER);
    assert_int_equal(join(&w), HONE_OK);
    hone_pool_free(p);
}

static void worker_says_goodbye_at_sigterm(void **state)
{
    (void)state;
    says_goodbye_at(SIGTERM);
}

static void worker_says_goodbye_at_sighup(void **state)
{
    (void)state;
    says_goodbye_at(SIGHUP);
}

static void listening_worker_serves_one_at_a_time(void **state)
{
    (void)state;
    hone_worker_options o = {.listen = endpoint, .roles = HONE_ROLE_BUILD, .build = build};
    child w = start_worker(&o, false);
    hone_error err = {0};
    /* Nobody serves the first pool while this test waits on the second: it must not look lost. */
    hone_pool *first = open_pool(&(hone_pool_options){.lost_ms = 20000});
    assert_int_equal(hone_pool_connect(first, endpoint, &err), HONE_OK);
    await(first, HONE_POOL_PEER_JOINED);
    await_credit(first, HONE_ROLE_BUILD); /* the worker knows it, too */
    hone_pool *second = open_pool(&(hone_pool_options){.lost_ms = 20000});
    assert_int_equal(hone_pool_connect(second, endpoint, &err), HONE_OK);
    hone_pool_event e = await(second, HONE_POOL_REFUSED);
    assert_non_null(strstr(e.text, "serves another coordinator"));
    submit(first, 1, "ok", NULL);
    e = await(first, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(first); /* GOODBYE frees the worker, which stays; the second asks again */
    submit(second, 2, "ok", NULL);
    e = await(second, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(second);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
}

/* ---- one end of test_netns.sh --------------------------------------------------------------- */

static int coordinator(const char *at, const char *key, const char *allow, int seconds)
{
    hone_error err = {0};
    hone_pool *p;
    if (hone_pool_new(&(hone_pool_options){.key_file = key, .allow_file = allow}, &p, &err) ||
        hone_pool_listen(p, at, &err)) {
        printf("error: %s\n", err.message);
        return 1;
    }
    submit(p, 1, "ok", "over the network");
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("listening\n");
    int64_t until = hone_clock_ns() + seconds * INT64_C(1000000000);
    while (hone_clock_ns() < until) {
        hone_pool_event e;
        hone_pool_next(p, 100, &e);
        if (e.kind == HONE_POOL_BUILT)
            printf("built: %s %.*s\n", hone_status_name(e.status), (int)e.artifact.n,
                   e.artifact.bytes ? (char *)e.artifact.bytes : "");
        else if (e.kind != HONE_POOL_NOTHING)
            printf("event %d: %s\n", e.kind, e.text);
        hone_artifact_free(&e.artifact);
    }
    hone_pool_free(p);
    return 0;
}

static int worker(const char *at, const char *key, const char *allow, int seconds)
{
    hone_error err = {0};
    hone_worker_options o = builder_at(at);
    o.key_file = strcmp(key, "-") == 0 ? NULL : key;
    o.allow_file = strcmp(allow, "-") == 0 ? NULL : allow;
    alarm((unsigned)seconds);
    hone_status s = hone_worker_run(&o, &err);
    printf("worker: %s %s\n", hone_status_name(s), err.message);
    return hone_status_exit_code(s);
}

/* A side without CURVE that tries all the same. */
static int plain(int seconds)
{
    raw r;
    raw_open(&r);
    raw_hello(&r, HONE_WIRE_VERSION, HONE_ROLE_BUILD);
    int timeout = seconds * 1000;
    zmq_setsockopt(r.sock, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    bool heard = zmq_msg_recv(&r.message, r.sock, 0) >= 0;
    printf("plain: %s\n", heard ? "was answered" : "no answer");
    raw_close(&r);
    return heard ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "coordinator") == 0)
        return coordinator(argv[2], argv[3], argv[4], atoi(argv[5]));
    if (argc == 6 && strcmp(argv[1], "worker") == 0)
        return worker(argv[2], argv[3], argv[4], atoi(argv[5]));
    if (argc == 3 && strcmp(argv[1], "keygen") == 0)
        return hone_keygen(argv[2], NULL) != HONE_OK;
    if (argc == 4 && strcmp(argv[1], "plain") == 0) {
        endpoint = argv[2];
        return plain(atoi(argv[3]));
    }
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(jobs_come_back),
        TEST(killed_worker_gives_its_job_back),
        TEST(silent_worker_is_lost_and_registers_again),
        TEST(coordinator_restart),
        TEST(one_listens_at_a_path),
        TEST(two_workers_share),
        TEST(bad_builds_cost_one_job),
        TEST(job_too_long_for_the_protocol),
        TEST(worker_says_goodbye_at_sigterm),
        TEST(worker_says_goodbye_at_sighup),
        TEST(listening_worker_serves_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
