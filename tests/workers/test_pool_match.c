/* Jobs know the machine they need, and go to no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/workers/pool_tools.h"

/* Target texts that live until the end. */
static const char *text_of(const char *triple, const char *cpu, const char *features, int cores)
{
    static char *all[64];
    static unsigned n;
    hone_target t = {.cores = cores,
                     .vector_bytes = 16,
                     .vector_registers = 16,
                     .fma_latency = 4,
                     .fma_per_cycle = 1,
                     .cache_line = 64,
                     .l1_bytes = 32768,
                     .l2_bytes = 1 << 20};
    snprintf(t.triple, sizeof t.triple, "%s", triple);
    snprintf(t.cpu, sizeof t.cpu, "%s", cpu);
    snprintf(t.features, sizeof t.features, "%s", features);
    assert_true(n < HONE_LEN(all));
    return all[n++] = hone_target_text(&t);
}
#define X86(features) text_of("x86_64-pc-linux-gnu", "x86-64", features, 4)
#define ARM text_of("aarch64-unknown-linux-gnu", "cortex-a76", "+neon", 4)

static void describe_with(raw *r, const char *name, uint8_t instance, const char *target,
                          const char *attrs)
{
    hone_wire m = {.type = HONE_WIRE_HELLO,
                   .hello = {.proto_min = 1,
                             .proto_max = 1,
                             .roles = HONE_ROLE_RUN,
                             .instance = {instance},
                             .name = name,
                             .revision = HONE_WIRE_REVISION,
                             .target = target,
                             .attrs = attrs}};
    raw_open(r);
    raw_say(r, &m);
}

static void describe(raw *r, const char *name, uint8_t instance, const char *target)
{
    describe_with(r, name, instance, target, NULL);
}

static void join_as(raw *r, hone_pool *p, const char *name, uint8_t instance, const char *target)
{
    describe(r, name, instance, target);
    raw_expect(r, p, HONE_WIRE_WELCOME);
    raw_ready(r, HONE_ROLE_RUN, 1);
}

static uint8_t byte = 'x';

static hone_measure_job job_for(uint64_t id, const char *target)
{
    static hone_artifact a = {.bytes = &byte, .n = 1};
    return (hone_measure_job){.id = id,
                              .target = target,
                              .candidate = &a,
                              .reference = &a,
                              .threads = 1,
                              .check_ms = 1000,
                              .run_ms = 1000,
                              .min_samples = 1,
                              .max_samples = 3};
}

/* Waits for a MEASURE, after the artifact it may need first. */
static void expect_measure(raw *r, hone_pool *p)
{
    do
        raw_receive(r, p);
    while (r->in->type == HONE_WIRE_ARTIFACT);
    assert_int_equal(r->in->type, HONE_WIRE_MEASURE);
}

static void jobs_go_where_they_can_run(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw arm, avx2, avx512;
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, NULL), 0);
    join_as(&arm, p, "arm", 1, ARM);
    join_as(&avx2, p, "avx2", 2, X86("+avx,+avx2,+fma"));
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, NULL), 2);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, ARM), 1);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, X86("+avx")), 1);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, X86("+avx512f")), 0);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, "no target"), 0);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_BUILD, ARM), 0);
    /* The first waits for a machine that is not there; those behind it do not wait for it. */
    hone_measure_job far = job_for(1, X86("+avx2,+avx512f")), here = job_for(2, X86("+avx2,+fma")),
                     board = job_for(3, ARM);
    hone_pool_measure(p, &far);
    hone_pool_measure(p, &here);
    hone_pool_measure(p, &board);
    expect_measure(&avx2, p);
    assert_non_null(strstr(avx2.in->measure.target, "+avx2,+fma"));
    expect_measure(&arm, p);
    raw_ready(&avx2, HONE_ROLE_RUN, 1); /* would take more, and gets nothing */
    raw_ready(&arm, HONE_ROLE_RUN, 1);
    hone_pool_event e;
    for (int i = 0; i < 10; i++) {
        hone_pool_next(p, 20, &e);
        assert_true(e.kind == HONE_POOL_NOTHING || e.kind == HONE_POOL_PEER_JOINED);
    }
    join_as(&avx512, p, "avx512", 3, X86("+avx,+avx2,+avx512f,+fma"));
    expect_measure(&avx512, p);
    hone_measure_job nonsense = job_for(4, "{\"kind\":\"c64\"}");
    hone_pool_measure(p, &nonsense);
    e = await(p, HONE_POOL_MEASURED);
    assert_int_equal(e.id, 4);
    assert_int_equal(e.status, HONE_E_INPUT);
    raw_close(&arm);
    raw_close(&avx2);
    raw_close(&avx512);
    hone_pool_free(p);
}

/* Of two machines that can run it the one that has the library, whichever is free first. */
static void calls_go_where_their_library_is(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw without, other, has;
    hone_pool_event e;
    join_as(&without, p, "without", 1, ARM);
    describe_with(&other, "other", 2, ARM, "lib=blas/0000000000000002,lib=blas/0000000000000011");
    raw_expect(&other, p, HONE_WIRE_WELCOME);
    raw_ready(&other, HONE_ROLE_RUN, 1);
    describe_with(&has, "has", 3, ARM, "kernel=6,lib=x/0000000000000001,lib=blas/0000000000000001");
    raw_expect(&has, p, HONE_WIRE_WELCOME);
    hone_measure_job call = job_for(1, ARM), plain = job_for(2, ARM), unknown = job_for(3, ARM);
    call.library = "blas/0000000000000001";
    unknown.library = "blas/0000000000000003"; /* that nobody has: one of them will say so */
    await_credits(p, HONE_ROLE_RUN, 2);
    hone_pool_measure(p, &call);
    for (int i = 0; i < 10; i++) {
        hone_pool_next(p, 20, &e);
        assert_true(e.kind == HONE_POOL_NOTHING || e.kind == HONE_POOL_PEER_JOINED);
    }
    assert_int_equal(hone_pool_credit(p, HONE_ROLE_RUN),
                     1); /* of two: a call waits for the third */
    raw_ready(&has, HONE_ROLE_RUN, 1);
    expect_measure(&has, p);
    hone_pool_measure(p, &plain);
    hone_pool_measure(p, &unknown);
    expect_measure(&without, p);
    expect_measure(&other, p);
    raw_close(&without);
    raw_close(&other);
    raw_close(&has);
    hone_pool_free(p);
}

/* Older workers do not describe themselves. At ipc they run here. */
static void older_worker_is_this_machine(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw r;
    raw_open(&r);
    raw_hello_older(&r, HONE_ROLE_RUN);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    hone_target here;
    assert_int_equal(hone_target_host(&here, NULL), HONE_OK);
    char *text = hone_target_text(&here);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, text), 1);
    const char *name;
    assert_string_equal(hone_pool_machine(p, 0, &name), text);
    assert_string_equal(name, "older");
    assert_null(hone_pool_machine(p, 1, &name));
    free(text);
    raw_close(&r);
    hone_pool_free(p);
}

/* Over tcp nobody knows what they are. */
static void older_worker_elsewhere_runs_what_names_no_target(void **state)
{
    (void)state;
    char *at = loopback_endpoint();
    free(endpoint);
    endpoint = at;
    hone_pool *p = open_pool(&(hone_pool_options){.insecure_loopback = true});
    assert_int_equal(hone_pool_listen(p, endpoint, NULL), HONE_OK);
    raw r;
    raw_open(&r);
    raw_hello_older(&r, HONE_ROLE_RUN);
    raw_expect(&r, p, HONE_WIRE_WELCOME);
    raw_ready(&r, HONE_ROLE_RUN, 1);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, NULL), 1);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, X86("")), 0);
    hone_target t;
    hone_error err;
    assert_int_equal(hone_pool_common_machine(p, &t, &err), HONE_E_VERSION);
    assert_non_null(strstr(err.message, "worker older"));
    hone_measure_job named = job_for(1, X86("")), any = job_for(2, NULL);
    hone_pool_measure(p, &named);
    hone_pool_measure(p, &any);
    expect_measure(&r, p);
    assert_null(r.in->measure.target);
    raw_close(&r);
    hone_pool_free(p);
}

static void what_all_devices_are(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw a, b, c;
    hone_target t;
    hone_error err;
    assert_int_equal(hone_pool_common_machine(p, &t, &err), HONE_E_NOTFOUND);
    join_as(&a, p, "a", 1, text_of("x86_64-pc-linux-gnu", "znver4", "+avx2", 8));
    join_as(&b, p, "b", 2, text_of("x86_64-pc-linux-gnu", "znver4", "+avx2", 6));
    assert_int_equal(hone_pool_common_machine(p, &t, &err), HONE_OK);
    assert_int_equal(t.cores, 6);
    assert_string_equal(t.cpu, "znver4");
    join_as(&c, p, "c", 3, ARM);
    assert_int_equal(hone_pool_common_machine(p, &t, &err), HONE_E_INPUT);
    assert_string_equal(err.message,
                        "the devices differ: a is a znver4 (x86_64-pc-linux-gnu), b is a znver4 "
                        "(x86_64-pc-linux-gnu), c is a cortex-a76 (aarch64-unknown-linux-gnu)");
    raw_close(&a);
    raw_close(&b);
    raw_close(&c);
    hone_pool_free(p);
}

/* A newer worker may be something that this hone does not understand. */
static void description_that_makes_no_sense(void **state)
{
    (void)state;
    hone_pool *p = listening_pool(0);
    raw r;
    join_as(&r, p, "newer", 1, "{\"kind\":\"dataflow\",\"tiles\":256}");
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, NULL), 1);
    assert_int_equal(hone_pool_able(p, HONE_ROLE_RUN, X86("")), 0);
    raw_close(&r);
    hone_pool_free(p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(jobs_go_where_they_can_run),   TEST(calls_go_where_their_library_is),
        TEST(older_worker_is_this_machine), TEST(older_worker_elsewhere_runs_what_names_no_target),
        TEST(what_all_devices_are),         TEST(description_that_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
