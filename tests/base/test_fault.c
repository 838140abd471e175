/* Injected faults, lines on stderr, and the clocks. */
#include "tests/base/child.h"

#include <pthread.h>
#include <time.h>

static void every_time(void)
{
    setenv("HONE_FAULT", "disk", 1);
    for (int k = 0; k < 3; k++)
        HONE_ASSERT(hone_fault("disk") && !hone_fault("net") && !hone_fault("dis"));
}

static void third_time(void)
{
    setenv("HONE_FAULT", "a:3,b/2", 1);
    for (int k = 1; k <= 6; k++)
        HONE_ASSERT(hone_fault("a") == (k == 3) && hone_fault("b") == (k % 2 == 0));
}

static void unset(void)
{
    unsetenv("HONE_FAULT");
    HONE_ASSERT(!hone_fault("disk") && !hone_fault(""));
}

static void *count_faults(void *n)
{
    for (int k = 0; k < 1000; k++)
        *(int *)n += hone_fault("site");
    return NULL;
}

/* Of all threads together, one call is the nth. */
static void by_threads(void)
{
    setenv("HONE_FAULT", "site:3999", 1);
    pthread_t t[4];
    int n[4] = {0};
    for (int k = 0; k < 4; k++)
        HONE_ASSERT(pthread_create(&t[k], NULL, count_faults, &n[k]) == 0);
    for (int k = 0; k < 4; k++)
        pthread_join(t[k], NULL);
    HONE_ASSERT(n[0] + n[1] + n[2] + n[3] == 1);
}

static void faults(void **state)
{
    (void)state;
    void (*const all[])(void) = {every_time, third_time, unset, by_threads};
    char text[400];
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        if (in_child(all[k], text, sizeof text) != 0)
            fail_msg("%u: %s", k, text);
    }
}

static void hook(bool before)
{
    fputs(before ? "<" : ">", stderr);
}

static void lines(void)
{
    hone_log(HONE_LOG_ERROR, "%s %d", "one", 1);
    hone_log(HONE_LOG_WARN, "two");
    hone_log(HONE_LOG_INFO, "not shown");
    hone_log_set_level(HONE_LOG_DEBUG);
    hone_log_set_hook(hook);
    hone_log(HONE_LOG_DEBUG, "three\033[2J\n");
    hone_log_set_hook(NULL);
    hone_log_set_level(HONE_LOG_ERROR);
    hone_log(HONE_LOG_WARN, "not shown");
}

/* What others wrote into a line moves no cursor. */
static void logging(void **state)
{
    (void)state;
    char text[400];
    assert_int_equal(in_child(lines, text, sizeof text), 0);
    assert_string_equal(text, "hone: one 1\nhone: warning: two\n"
                              "<hone: debug: three\\x1b[2J\\x0a\n>");
}

static void clocks(void **state)
{
    (void)state;
    int64_t last = hone_clock_ns();
    for (int k = 0; k < 1000; k++) {
        int64_t now = hone_clock_ns();
        assert_true(now >= last);
        last = now;
    }
    struct timespec a, b;
    clock_gettime(CLOCK_REALTIME, &a);
    int64_t wall = hone_clock_wall_ms();
    clock_gettime(CLOCK_REALTIME, &b);
    assert_true(wall >= a.tv_sec * 1000 + a.tv_nsec / 1000000);
    assert_true(wall <= b.tv_sec * 1000 + b.tv_nsec / 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),
        cmocka_unit_test(logging),
        cmocka_unit_test(clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
