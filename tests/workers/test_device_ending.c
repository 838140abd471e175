/* What the end of a measuring child says, for every way to end: pure functions, no process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/device_kernels.h"

#include <errno.h>
#include <signal.h>

static const hone_sandbox__limits no_limits = {HONE_SANDBOX__NO_LIMIT, HONE_SANDBOX__NO_LIMIT,
                                               HONE_SANDBOX__NO_LIMIT, HONE_SANDBOX__NO_LIMIT};
static hone_device__dataset data;

/* A child that may use 100 s of processor time. */
static hone_status explain(hone_device__control c, hone_device__ending e,
                           const hone_sandbox__limits *l, hone_error *err)
{
    hone_device__run r = {.data = {&data}, .n_data = 1, .limits = l, .cpu_seconds = 100};
    if (l->cpu_seconds < r.cpu_seconds)
        r.cpu_seconds = l->cpu_seconds;
    hone_error_clear(err);
    return hone_device__explain(&r, &c, &e, err);
}

#define CONTROL(...) ((hone_device__control){__VA_ARGS__})
#define ENDING(...) ((hone_device__ending){__VA_ARGS__})

static const hone_device__stage stages[] = {
    HONE_DEVICE__SETUP, HONE_DEVICE__LOAD, HONE_DEVICE__PACK, HONE_DEVICE__CALL, HONE_DEVICE__TIME};

static void what_was_sent_is_nobodys_fault(void **state)
{
    (void)state;
    static const int sent[] = {SIGKILL, SIGTERM, SIGHUP,  SIGINT,
                               SIGQUIT, SIGPIPE, SIGXFSZ, SIGXCPU};
    hone_error err;
    for (size_t i = 0; i < HONE_LEN(stages); i++) {
        for (int who = 0; who < 2; who++) {
            for (size_t k = 0; k < HONE_LEN(sent); k++)
                assert_status(explain(CONTROL(.stage = stages[i], .who = who),
                                      ENDING(.signal = sent[k], .cpu_ns = 1), &no_limits, &err),
                              HONE_E_KILLED, &err);
            /* kill -SEGV reaches the handler, which says where it came from */
            assert_status(explain(CONTROL(.stage = stages[i], .who = who, .signal = SIGSEGV,
                                          .signal_code = SI_USER),
                                  ENDING(.event = HONE_DEVICE__FAULT), &no_limits, &err),
                          HONE_E_KILLED, &err);
            assert_says(&err, "SIGSEGV");
            assert_status(explain(CONTROL(.stage = stages[i], .who = who),
                                  ENDING(.late = true, .stopped = true), &no_limits, &err),
                          HONE_E_TIMEOUT, &err);
        }
    }
}

static void faults_are_those_of_the_stage(void **state)
{
    (void)state;
    static const struct {
        hone_device__stage stage;
        int signal;
        hone_status want;
        const char *says;
    } cases[] = {
        {HONE_DEVICE__SETUP, SIGSEGV, HONE_E_SANDBOX, "while it was set up"},
        {HONE_DEVICE__LOAD, SIGSEGV, HONE_REJECT_ARTIFACT, "crashes the loader"},
        {HONE_DEVICE__LOAD, SIGSYS, HONE_E_SANDBOX, "the loader of this system"},
        {HONE_DEVICE__PACK, SIGSEGV, HONE_REJECT_CRASH, "the pack function crashed: SIGSEGV"},
        {HONE_DEVICE__CALL, SIGFPE, HONE_REJECT_CRASH, "division by zero"},
        {HONE_DEVICE__CALL, SIGILL, HONE_REJECT_CRASH, "the kernel crashed: SIGILL"},
        {HONE_DEVICE__CALL, SIGABRT, HONE_REJECT_CRASH, "the kernel crashed: SIGABRT"},
        {HONE_DEVICE__TIME, SIGSYS, HONE_REJECT_SYSCALL, "a system call"},
    };
    hone_error err;
    for (size_t i = 0; i < HONE_LEN(cases); i++) {
        assert_status(explain(CONTROL(.stage = cases[i].stage), ENDING(.signal = cases[i].signal),
                              &no_limits, &err),
                      cases[i].want, &err);
        assert_says(&err, cases[i].says);
    }
    assert_status(explain(CONTROL(.stage = HONE_DEVICE__CALL), ENDING(.code = 3), &no_limits, &err),
                  HONE_REJECT_CRASH, &err);
    assert_says(&err, "exit code 3");
    assert_status(
        explain(CONTROL(.stage = HONE_DEVICE__SETUP), ENDING(.code = 3), &no_limits, &err),
        HONE_E_SANDBOX, &err);
}

static void incumbent_is_named_but_the_machine_is_not_the_incumbent(void **state)
{
    (void)state;
    hone_error err;
    hone_device__control c = {.stage = HONE_DEVICE__TIME, .who = HONE_DEVICE__INCUMBENT};
    assert_status(explain(c, ENDING(.signal = SIGSEGV), &no_limits, &err), HONE_E_INCUMBENT, &err);
    assert_int_equal(err.status, HONE_E_INCUMBENT);
    assert_says(&err, "the incumbent crashed");
    assert_status(explain(c, ENDING(.late = true), &no_limits, &err), HONE_E_INCUMBENT, &err);
    assert_status(explain(c, ENDING(.signal = SIGKILL), &no_limits, &err), HONE_E_KILLED, &err);
    c.stage = HONE_DEVICE__LOAD;
    assert_status(explain(c, ENDING(.event = HONE_DEVICE__UNLOADABLE), &no_limits, &err),
                  HONE_E_INCUMBENT, &err);
}

static void limits_of_the_shell_are_named(void **state)
{
    (void)state;
    hone_error err;
    hone_sandbox__limits l = no_limits;
    hone_device__control c = {.stage = HONE_DEVICE__CALL};
    /* our own limit, met with SIGXCPU or, by who ignores that, with SIGKILL */
    for (int hard = 0; hard < 2; hard++)
        assert_status(explain(c,
                              ENDING(.signal = hard ? SIGKILL : SIGXCPU,
                                     .cpu_ns = 100200000000 + hard * 2000000000),
                              &l, &err),
                      HONE_REJECT_RUN_TIMEOUT, &err);
    l.cpu_seconds = 10;
    assert_status(explain(c, ENDING(.signal = SIGXCPU, .cpu_ns = 10000000000), &l, &err),
                  HONE_E_LIMIT, &err);
    assert_says(&err, "10 s of processor time here (ulimit -t)");
    l.processes = 40;
    c.sys = EAGAIN;
    snprintf(c.note, sizeof c.note, "cannot start the threads of the kernel");
    assert_status(explain(c, ENDING(.event = HONE_DEVICE__TROUBLE), &l, &err), HONE_E_LIMIT, &err);
    assert_says(&err, "at most 40 processes are allowed (ulimit -u)");
    l = no_limits; /* as a container's limit of processes is */
    assert_status(explain(c, ENDING(.event = HONE_DEVICE__TROUBLE), &l, &err), HONE_E_LIMIT, &err);
    c.sys = ENOMEM;
    assert_status(explain(c, ENDING(.event = HONE_DEVICE__TROUBLE), &l, &err), HONE_E_NOMEM, &err);
    c.sys = EMFILE;
    assert_status(explain(c, ENDING(.event = HONE_DEVICE__TROUBLE), &l, &err), HONE_E_SANDBOX,
                  &err);
    snprintf(c.note, sizeof c.note, "x.so: cannot map: %s", strerror(ENOMEM));
    assert_status(explain(c, ENDING(.event = HONE_DEVICE__UNLOADABLE), &l, &err), HONE_E_NOMEM,
                  &err);
}

static void late_is_told_apart(void **state)
{
    (void)state;
    hone_error err;
    hone_device__ending late = {.late = true};
    assert_status(explain(CONTROL(.stage = HONE_DEVICE__SETUP), late, &no_limits, &err),
                  HONE_E_TIMEOUT, &err);
    assert_status(explain(CONTROL(.stage = HONE_DEVICE__CALL), late, &no_limits, &err),
                  HONE_REJECT_RUN_TIMEOUT, &err);
    assert_status(explain(CONTROL(.stage = HONE_DEVICE__TIME), late, &no_limits, &err),
                  HONE_REJECT_RUN_TIMEOUT, &err);
    assert_says(&err, "while it was timed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_is_nobodys_fault),
        cmocka_unit_test(faults_are_those_of_the_stage),
        cmocka_unit_test(incumbent_is_named_but_the_machine_is_not_the_incumbent),
        cmocka_unit_test(limits_of_the_shell_are_named),
        cmocka_unit_test(late_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
