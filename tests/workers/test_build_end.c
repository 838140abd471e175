/* Why a build server died, and what becomes of builds whose processes are killed or stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/pool_tools.h"
#include "workers/worker/build.h"

static const hone_sandbox__limits no_limits = {HONE_SANDBOX__NO_LIMIT, HONE_SANDBOX__NO_LIMIT,
                                               HONE_SANDBOX__NO_LIMIT, HONE_SANDBOX__NO_LIMIT};

static hone_status explain(int status, const hone_sandbox__limits *l, hone_error *err)
{
    hone_workers__build_end e = {.known = true, .status = status};
    hone_error_clear(err);
    return hone_workers__explain_build(&e, l, err);
}

static void death_is_told_apart(void **state)
{
    (void)state;
    hone_error err;
    hone_sandbox__limits l = no_limits;
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    static const int sent[] = {SIGKILL, SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGUSR1};
    for (size_t i = 0; i < HONE_LEN(crashes); i++)
        assert_int_equal(explain(crashes[i], &l, &err), HONE_REJECT_BUILD);
    for (size_t i = 0; i < HONE_LEN(sent); i++)
        assert_int_equal(explain(sent[i], &l, &err), HONE_E_KILLED);
    assert_int_equal(explain(1 << 8, &l, &err), HONE_E_NOMEM);
    assert_int_equal(explain(0, &l, &err), HONE_E_PEER);
    assert_int_equal(hone_workers__explain_build(&(hone_workers__build_end){0}, &l, &err),
                     HONE_E_KILLED);
    l.cpu_seconds = 7;
    assert_int_equal(explain(SIGXCPU, &l, &err), HONE_E_LIMIT);
    assert_non_null(strstr(err.message, "7 s of processor time here (ulimit -t)"));
    l.address_bytes = 100 << 20;
    assert_int_equal(explain(SIGABRT, &l, &err), HONE_E_NOMEM);
    assert_non_null(strstr(err.message, "100 MiB here (ulimit -v)"));
}

/* ---- real ones ------------------------------------------------------------------------------ */

static hone_pool *pool_with_builder(child *ret)
{
    hone_worker_options o = {.connect = endpoint, .roles = HONE_ROLE_BUILD, .build = build};
    *ret = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    return p;
}

/* The process that builds. */
static pid_t server_of(hone_pool *p)
{
    submit(p, 100, "pid", NULL);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)e.artifact.n, (char *)e.artifact.bytes);
    hone_artifact_free(&e.artifact);
    return (pid_t)strtol(text, NULL, 10);
}

/* The process is in its sleep, past all that comes before a build. */
static void await_sleep(pid_t pid)
{
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%d/wchan", (int)pid);
    for (int i = 0; i < 4000 && !strstr(name, "nanosleep"); i++) {
        FILE *f = fopen(path, "r");
        if (!f || !fgets(name, sizeof name, f))
            name[0] = '\0';
        if (f)
            fclose(f);
        usleep(2000);
    }
}

static void serve_until(hone_pool *p, pid_t pid)
{
    hone_pool_event e;
    hone_pool_next(p, 100, &e); /* the job goes out */
    await_sleep(pid);
}

static void killed_server_is_nobodys_fault(void **state)
{
    (void)state;
    child w;
    hone_pool *p = pool_with_builder(&w);
    pid_t server = server_of(p);
    submit(p, 1, "sleep", NULL);
    serve_until(p, server);
    kill(server, SIGKILL);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 1);
    assert_int_equal(e.status, HONE_E_KILLED);
    assert_non_null(strstr(e.error.message, "killed from outside"));
    submit(p, 2, "ok", NULL); /* in a new one */
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

static void stopped_server_is_not_late_by_its_own_fault(void **state)
{
    (void)state;
    child w;
    hone_pool *p = pool_with_builder(&w);
    pid_t server = server_of(p);
    kill(server, SIGSTOP);
    hone_build_job job = {
        .id = 1, .workload = "ok", .target = "test", .threads = 1, .deadline_ms = 300};
    hone_pool_build(p, &job);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 1);
    assert_int_equal(e.status, HONE_E_TIMEOUT);
    assert_non_null(strstr(e.error.message, "stopped from outside"));
    submit(p, 2, "ok", NULL);
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    hone_artifact_free(&e.artifact);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

static void killed_spawner_is_nobodys_fault(void **state)
{
    (void)state;
    child w;
    int spawner = 0;
    hone_pool *p = pool_with_builder(&w);
    pid_t server = server_of(p);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)server);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d (%*[^)]) %*c %d", &spawner), 1);
    fclose(f);
    submit(p, 1, "sleep", NULL);
    serve_until(p, server);
    kill(spawner, SIGKILL);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.id, 1);
    assert_int_equal(e.status, HONE_E_KILLED);
    submit(p, 2, "ok",
           NULL); /* nothing can be built here any more, which the worker says, and goes */
    e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_E_PEER);
    assert_int_equal(join(&w), HONE_E_PEER);
    hone_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(death_is_told_apart),
        cmocka_unit_test_setup_teardown(killed_server_is_nobodys_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_server_is_not_late_by_its_own_fault, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(killed_spawner_is_nobodys_fault, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
