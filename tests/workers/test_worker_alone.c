/* A worker at whose other end nobody is: it says so, once, and waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"

#include <poll.h>

/* Reads what the child says until it has said this. */
static void await_words(int fd, const char *words)
{
    hone_buf said = {0};
    int64_t until = hone_clock_ns() + AWAIT_MS * INT64_C(1000000);
    while (!said.s || !strstr(said.s, words)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char part[256];
        if (hone_clock_ns() > until)
            fail_msg("it says only '%s'", said.s ? said.s : "");
        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t n = read(fd, part, sizeof part);
        assert_true(n > 0);
        hone_buf_add(&said, part, (size_t)n);
    }
    hone_buf_free(&said);
}

static void says_that_it_is_alone(void **state)
{
    (void)state;
    int ends[2], before = dup(STDERR_FILENO);
    hone_worker_options o = builder_at(endpoint);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    child w = start_worker(&o, false);
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    char *words = hone_xasprintf("nobody answers at %s", endpoint);
    await_words(ends[0], words);
    /* and goes on: who comes then is served */
    hone_pool *p = listening_pool(0);
    hone_pool_event e = await(p, HONE_POOL_PEER_JOINED);
    assert_int_equal(e.roles, HONE_ROLE_BUILD);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK); /* a goodbye */
    close(ends[0]);
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_that_it_is_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
