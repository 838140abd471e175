/* Code of one's own in a child: what it writes is seen, what it says comes back, how it dies is
 * said, and it reaches nothing. */
#include "workers/workers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct work {
    int *shared;
    int kind;
} work;

static hone_status ready(void *ctx, hone_error *err)
{
    work *w = ctx;
    if (w->kind < 0)
        return hone_fail(err, HONE_E_TOOL, "it cannot be loaded");
    w->shared[0] = open("/dev/null", O_RDONLY) >= 0; /* still allowed */
    return HONE_OK;
}

static hone_status run(void *ctx, hone_error *err)
{
    work *w = ctx;
    volatile int *nowhere = NULL;
    switch (w->kind) {
    case 0:
        w->shared[1] = 42;
        w->shared[2] = open("/dev/null", O_RDONLY) < 0;
        w->shared[3] = socket(AF_INET, SOCK_STREAM, 0) < 0;
        w->shared[4] = fork() < 0;
        return HONE_OK;
    case 1:
        return hone_fail(err, HONE_E_CORRUPT, "the network returns %d", -7);
    case 2:
        *nowhere = 1;
        return HONE_OK;
    case 3:
        raise(SIGKILL);
        return HONE_OK;
    default:
        _exit(3);
    }
}

static hone_status try(int kind, int *shared, hone_error *err)
{
    work w = {shared, kind};
    const hone_apart a = {.set_up = ready, .run = run, .ctx = &w};
    *err = (hone_error){0};
    return hone_apart_run(&a, err);
}

static void says(const hone_error *err, const char *text)
{
    if (!strstr(err->message, text))
        fail_msg("'%s' does not say '%s'", err->message, text);
}

static void all(void **state)
{
    hone_error err;
    int64_t bytes = 8 * (int64_t)sizeof(int);
    int *shared = hone_apart_memory(bytes);
    (void)state;
    assert_int_equal(try(0, shared, &err), HONE_OK);
    assert_int_equal(shared[0], 1);
    assert_int_equal(shared[1], 42);
#ifndef __SANITIZE_THREAD__ /* whose runtime is not closed in */
    for (int k = 2; k < 5; k++)
        assert_int_equal(shared[k], 1);
#endif
    assert_int_equal(try(-1, shared, &err), HONE_E_TOOL);
    says(&err, "it cannot be loaded");
    assert_int_equal(try(1, shared, &err), HONE_E_CORRUPT);
    says(&err, "the network returns -7");
    assert_int_equal(try(2, shared, &err), HONE_E_CRASHED);
#ifndef __SANITIZE_ADDRESS__ /* which ends it before */
    says(&err, "crashed: ");
#endif
    assert_int_equal(try(3, shared, &err), HONE_E_KILLED);
    says(&err, "was killed");
    assert_int_equal(try(4, shared, &err), HONE_E_CRASHED);
    says(&err, "ended with status 3");
    hone_apart_free(shared, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
