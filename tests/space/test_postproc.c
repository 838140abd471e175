#include "tests/space/trace_test.h"

/* The program after the trace's search part and the postprocessors. */
static hone_sched finish(hone_program *p, const char *trace)
{
    hone_trace t = trace_of(trace);
    hone_space sp = {.base = *p, .target = some_cpu, .threads = 2};
    hone_sched s = {0};
    APPLY(hone_space_finish(&sp, &t, &s, err));
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
    hone_sched s = finish(&p, "[[[\"GetBlock\",[],[\"Y\",\"main\"],[\"b0\"]]],[]]");
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

/* Candidate 0 is the program as written, which is built plainly. */
static void as_written(void **state)
{
    (void)state;
    hone_program p = load_program(sums);
    hone_sched s = finish(&p, "[[],[]]");
    check_text(&s.prog, sums);
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

static const char dense[] = "program dense {\n"
                            "  buffer A: f32[6, 20] input\n"
                            "  buffer W: f32[20, 48] input const\n"
                            "  buffer C: f32[6, 48] output\n"
                            "  for i in 6 {\n"
                            "    for j in 48 {\n"
                            "      for k in 20 {\n"
                            "        block C(vi: 6 = i, vj: 48 = j, reduce vk: 20 = k) {\n"
                            "          init 0.0\n"
                            "          C[vi, vj] = C[vi, vj] + A[vi, vk] * W[vk, vj]\n"
                            "        }\n"
                            "      }\n"
                            "    }\n"
                            "  }\n"
                            "}\n";

#define TILED                                                 \
    "[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],"            \
    "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"      \
    "[\"Split\",[\"l2\",\"None\",16],[1,0],[\"l4\",\"l5\"]]," \
    "[\"Reorder\",[\"l1\",\"l4\",\"l3\",\"l5\"],[],[]],"

/* Read as [j // 16][k][j % 16], so that is how it is kept. */
static void layout_by_loops(void **state)
{
    (void)state;
    hone_program p = load_program(dense);
    hone_sched s =
        finish(&p, "[[" TILED "[\"Annotate\",[\"b0\",1],[\"layout_free_placeholders\"],[]]],[]]");
    char *text = program_text(&s.prog);
    if (!strstr(text, ": f32[3, 20, 16]"))
        fail_msg("%s", text);
    assert_non_null(strstr(text, "@hone.prepack=1"));
    assert_null(strstr(text, "layout_free_placeholders"));
    free(text);
    check_sound(&s.prog);
    float a[120], w[960], want[288], got[288];
    for (int k = 0; k < 120; k++)
        a[k] = (float)(k % 7) / 4;
    for (int k = 0; k < 960; k++)
        w[k] = (float)(k % 11) / 4;
    assert_int_equal(hone_interp_run(&p, (void *[]){a, w, want}, NULL), HONE_OK);
    assert_int_equal(hone_interp_run(&s.prog, (void *[]){a, w, got}, NULL), HONE_OK);
    assert_memory_equal(want, got, sizeof want);
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

/* Left alone: not asked, an operand that is no constant, one that is read in order already. */
static void layout_kept(void **state)
{
    (void)state;
    static const char *const traces[] = {
        "[[" TILED "[\"Annotate\",[\"b0\",1],[\"other\"],[]]],[]]",
        "[[" TILED "[\"Annotate\",[\"b0\",0],[\"layout_free_placeholders\"],[]]],[]]",
        "[[" TILED "[\"Annotate\",[\"b0\",7],[\"layout_free_placeholders\"],[]]],[]]",
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\","
        "\"l3\"]],[\"Reorder\",[\"l3\",\"l2\"],[],[]],"
        "[\"Annotate\",[\"b0\",1],[\"layout_free_placeholders\"],[]]],[]]",
    };
    hone_program p = load_program(dense);
    for (size_t k = 0; k < HONE_LEN(traces); k++) {
        hone_sched s = finish(&p, traces[k]);
        char *text = program_text(&s.prog);
        assert_null(strstr(text, "hone.prepack"));
        free(text);
        hone_sched_fini(&s);
    }
    hone_program_fini(&p);
}

/* 2^64 copies are too many, though that number is 0 in 64 bits. */
static void too_many_copies(void **state)
{
    (void)state;
    hone_program p = load_program("program many {\n"
                                  "  buffer C: f32[1] output\n"
                                  "  for i in 4294967296 unrolled {\n"
                                  "    for j in 4294967296 unrolled {\n"
                                  "      block C(v: 1 = 0) {\n"
                                  "        C[v] = 1.0\n"
                                  "      }\n"
                                  "    }\n"
                                  "  }\n"
                                  "}\n");
    hone_trace t = trace_of("[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]]],[]]");
    hone_space sp = {.base = p, .target = some_cpu, .threads = 2};
    hone_sched s = {0};
    hone_error err;
    assert_int_equal(hone_space_finish(&sp, &t, &s, &err), HONE_REJECT_TOO_BIG);
    assert_non_null(strstr(err.message, "unrolled"));
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

/* A task that is one element has nothing to be cut into vectors: attention of one token. */
static void one_element_a_task(void **state)
{
    (void)state;
    hone_program p = load_program("program copy {\n"
                                  "  buffer X: f32[6] input\n"
                                  "  buffer Y: f32[6] output\n"
                                  "  for i in 6 {\n"
                                  "    block Y(vi: 6 = i) {\n"
                                  "      Y[vi] = X[vi]\n"
                                  "    }\n"
                                  "  }\n"
                                  "}\n");
    hone_sched s = finish(&p, "[[[\"GetBlock\",[],[\"Y\",\"main\"],[\"b0\"]],"
                              "[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
                              "[\"Annotate\",[\"b0\",4],[\"meta_schedule.vectorize\"],[]],"
                              "[\"Parallel\",[\"l1\"],[],[]]],[]]");
    check_text(&s.prog, "program copy {\n"
                        "  buffer X: f32[6] input\n"
                        "  buffer Y: f32[6] output\n"
                        "  for i in 6 parallel {\n"
                        "    block Y(vi: 6 = i) {\n"
                        "      Y[vi] = X[vi]\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    hone_sched_fini(&s);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_element_a_task), cmocka_unit_test(reduction_starts_before),
        cmocka_unit_test(as_written),         cmocka_unit_test(reduction_unrolled),
        cmocka_unit_test(reduction_outside),  cmocka_unit_test(too_many_copies),
        cmocka_unit_test(layout_by_loops),    cmocka_unit_test(layout_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
