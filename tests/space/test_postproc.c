#include "tests/space/prim_test.h"

#include "space/space.h"

static const hone_target target = {.cores = 2,
                                   .vector_bytes = 64,
                                   .vector_registers = 32,
                                   .fma_latency = 4,
                                   .fma_per_cycle = 1,
                                   .cache_line = 64,
                                   .l1_bytes = 32768,
                                   .l2_bytes = 1 << 20};

/* The program after the trace's search part and the postprocessors. */
static hone_sched finish(hone_program *p, const char *trace)
{
    hone_trace t = {0};
    hone_error err;
    if (hone_trace_parse(trace, strlen(trace), &t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_space sp = {.base = *p, .target = target, .threads = 2};
    hone_sched s = {0};
    if (hone_space_finish(&sp, &t, &s, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_trace_free(&t);
    return s;
}

static const char sums[] = "program sums {\n"
                           "  buffer X: f32[6, 10] input\n"
                           "  buffer Y: f32[6] output\n"
                           "  for i in 6 {\n"
                           "    for k in 10 {\n"
                           "      block Y(vi: 6 = i, reduce vk: 10 = k) {\n"
                           "        init 0.0\n"
                           "        Y[vi] = Y[vi] + X[vi, vk]\n"
                           "      }\n"
                           "    }\n"
                           "  }\n"
                           "}\n";

static void reduction_starts_before(void **state)
{
    (void)state;
    hone_program p = load_program(sums);
    hone_sched s = finish(&p, "[[],[]]");
    check_text(&s.prog, "program sums {\n"
                        "  buffer X: f32[6, 10] input\n"
                        "  buffer Y: f32[6] output\n"
                        "  for i in 6 {\n"
                        "    block Y_init(v0: 6 = i) {\n"
                        "      Y[v0] = 0.0\n"
                        "    }\n"
                        "    for k in 10 {\n"
                        "      block Y(vi: 6 = i, reduce vk: 10 = k) {\n"
                        "        Y[vi] = Y[vi] + X[vi, vk]\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"EnterPostproc\",[],[],[]],[\"GetBlock\",[],[\"Y\",\"main\"]"));
    free(text);
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

/* Unrolled: each copy knows. */
static void reduction_unrolled(void **state)
{
    (void)state;
    hone_program p = load_program(sums);
    hone_sched s = finish(&p, "[[[\"GetBlock\",[],[\"Y\",\"main\"],[\"b0\"]],"
                              "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\"]],"
                              "[\"Unroll\",[\"l2\"],[],[]]],[]]");
    char *text = program_text(&s.prog);
    assert_non_null(strstr(text, "init 0.0"));
    free(text);
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

/* A sum whose loop lies outside one over elements: started before both, and equal. */
static void reduction_outside(void **state)
{
    (void)state;
    hone_program p = load_program(sums);
    hone_sched s = finish(&p, "[[[\"GetBlock\",[],[\"Y\",\"main\"],[\"b0\"]],"
                              "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\"]],"
                              "[\"Reorder\",[\"l2\",\"l1\"],[],[]],"
                              "[\"Vectorize\",[\"l1\"],[],[]]],[]]");
    char *text = program_text(&s.prog);
    assert_null(strstr(text, "init 0.0"));
    const char *one = strstr(text, "in 6 vectorized");
    assert_non_null(one);
    assert_non_null(strstr(one + 1, "in 6 vectorized"));
    free(text);
    float x[60], want[6], got[6];
    for (int k = 0; k < 60; k++)
        x[k] = (float)(k % 9) / 4;
    assert_int_equal(hone_interp_run(&p, (void *[]){x, want}, NULL), HONE_OK);
    assert_int_equal(hone_interp_run(&s.prog, (void *[]){x, got}, NULL), HONE_OK);
    assert_memory_equal(want, got, sizeof want);
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reduction_starts_before),
        cmocka_unit_test(reduction_unrolled),
        cmocka_unit_test(reduction_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
