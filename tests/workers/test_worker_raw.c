/* A worker against coordinators that ask for what makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/device_kernels.h"
#include "tests/workers/pool_tools.h"

static void join_as_coordinator(raw *r, uint32_t heartbeat_ms, uint32_t lost_ms)
{
    hone_wire who = {.type = HONE_WIRE_WHO, .who = {"a test"}};
    raw_open(r);
    raw_say(r, &who);
    raw_expect(r, NULL, HONE_WIRE_HELLO);
    assert_int_equal(r->in->hello.revision, HONE_WIRE_REVISION);
    hone_wire welcome = {.type = HONE_WIRE_WELCOME,
                         .welcome = {HONE_WIRE_VERSION, heartbeat_ms, lost_ms}};
    memset(r->session, 7, sizeof r->session);
    raw_say(r, &welcome);
    raw_expect(r, NULL, HONE_WIRE_READY);
}

/* Its signs of life come as often as the silence it is allowed asks for, whatever WELCOME says. */
static void heartbeat_fits_the_silence(void **state)
{
    (void)state;
    hone_worker_options o = {.listen = endpoint, .roles = HONE_ROLE_BUILD, .build = build};
    child w = start_worker(&o, false);
    raw r;
    join_as_coordinator(&r, UINT32_MAX, 2000);
    raw_expect(&r, NULL, HONE_WIRE_PING);
    raw_close(&r);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
}

/* CANCEL of what is not there does nothing; of what waits, it gives the credit back. */
static void cancels(void **state)
{
    (void)state;
    hone_worker_options o = {.listen = endpoint, .roles = HONE_ROLE_BUILD, .build = build};
    child w = start_worker(&o, false);
    raw r;
    join_as_coordinator(&r, 100000, 100000);
    hone_wire cancel = {.type = HONE_WIRE_CANCEL, .cancel = {99}};
    raw_say(&r, &cancel);
    hone_wire job = {.type = HONE_WIRE_BUILD,
                     .build = {.ticket = 1, .workload = "sleep", .target = "t"}};
    raw_say(&r, &job);
    job.build.ticket = 2;
    job.build.workload = "ok";
    raw_say(&r, &job);
    cancel.cancel.ticket = 1;
    raw_say(&r, &cancel);
    raw_expect(&r, NULL, HONE_WIRE_READY);
    assert_int_equal(r.in->ready.credit, 1);
    raw_expect(&r, NULL, HONE_WIRE_BUILT);
    assert_int_equal(r.in->built.ticket, 2);
    assert_int_equal(r.in->built.error.status, HONE_OK);
    raw_expect(&r, NULL, HONE_WIRE_READY);
    raw_close(&r);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
}

/* A wrong machine is nobody's fault but the sender's: never a rejection. */
static void job_for_another_machine(void **state)
{
    (void)state;
    hone_worker_options o = {
        .listen = endpoint, .roles = HONE_ROLE_RUN, .sandbox = SANDBOX ? "on" : "off"};
    child w = start_worker(&o, false);
    raw r;
    join_as_coordinator(&r, 100000, 100000);
    hone_target t;
    assert_int_equal(hone_target_host(&t, NULL), HONE_OK);
    snprintf(t.triple, sizeof t.triple, "pdp11-unknown-none");
    char *text = hone_target_text(&t);
    hone_wire job = {.type = HONE_WIRE_MEASURE,
                     .measure = {.ticket = 1,
                                 .candidate = 1,
                                 .reference = 1,
                                 .threads = 1,
                                 .check_ms = 1,
                                 .run_ms = 1,
                                 .min_samples = 1,
                                 .max_samples = 1,
                                 .target = text}};
    raw_say(&r, &job);
    raw_expect(&r, NULL, HONE_WIRE_MEASURED);
    assert_int_equal(r.in->measured.error.status, HONE_E_INPUT);
    assert_non_null(strstr(r.in->measured.error.message, "built for another machine"));
    raw_expect(&r, NULL, HONE_WIRE_READY);
    raw_close(&r);
    free(text);
    kill(w.pid, SIGTERM);
    assert_int_equal(join(&w), HONE_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(heartbeat_fits_the_silence),
        TEST(cancels),
        TEST(job_for_another_machine),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
