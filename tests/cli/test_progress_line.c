/* The live line holds what a service says of a job, whatever that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "tuner/tuner.h"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

enum { LONG = 3000 };

/* What a terminal is sent when the phase is this; the caller frees. */
static char *drawn(const char *phase)
{
    int screen, terminal, own = dup(STDERR_FILENO);
    char got[8192];
    assert_int_equal(openpty(&screen, &terminal, NULL, NULL, NULL), 0);
    assert_int_equal(dup2(terminal, STDERR_FILENO), STDERR_FILENO);
    hone_progress p = {.phase = phase, .trials = 3, .budget = 20, .best_ns = 1500, .left_ns = 4};
    p.rejected[HONE_REJECT_CRASH] = 2;
    cli_progress_start("job 1");
    cli_progress_draw(&p);
    cli_progress_say("running: %s", phase);
    cli_progress_end();
    assert_int_equal(dup2(own, STDERR_FILENO), STDERR_FILENO);
    close(own);
    assert_int_equal(fcntl(screen, F_SETFL, O_NONBLOCK), 0);
    size_t n = 0;
    for (ssize_t k; n < sizeof got - 1 && (k = read(screen, got + n, sizeof got - 1 - n)) > 0;)
        n += (size_t)k;
    got[n] = '\0';
    close(terminal);
    close(screen);
    return hone_xstrdup(got);
}

static void of_a_job(void **state)
{
    (void)state;
    char *line = drawn("tuning");
    assert_non_null(
        strstr(line, "tuning: trial 3/20, best 1.5 us, 0.0 GFLOP/s, 2 rejected (most: "));
    assert_non_null(strstr(line, "), 0 s left\r"));
    free(line);
}

static void of_a_strange_service(void **state)
{
    (void)state;
    char phase[LONG + 1] = "\x1b[2J";
    memset(phase + 4, 'x', LONG - 4);
    char *line = drawn(phase);
    assert_null(strstr(line, "\x1b[2J"));
    assert_non_null(strstr(line, "\r\x1b[K\\x1b[2Jxxx"));
    assert_non_null(strstr(line, "running: \\x1b[2Jxxx"));
    assert_true(strlen(line) < 1200);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_job),
        cmocka_unit_test(of_a_strange_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
