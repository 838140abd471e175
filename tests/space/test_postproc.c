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

/* A copy of rows of so many channels, of which the trace asks for vectors. */
static char *copied(unsigned channels, unsigned wide, const char *value)
{
    return hone_xasprintf("program copied {\n"
                          "  buffer X: f32[7, 16, %u] input\n"
                          "  buffer B: f32[%u] input\n"
                          "  buffer Y: f32[9, 8, %u] output\n"
                          "  for h in 9 { for w in 8 { for c in %u {\n"
                          "    block Y(vh: 9 = h, vw: 8 = w, vc: %u = c) {\n"
                          "      Y[vh, vw, vc] = %s } } } }\n"
                          "}\n",
                          wide, channels, channels, channels, channels, value);
}

static char *copied_in_vectors(const char *text)
{
    hone_program p = load_program(text);
    hone_sched s = finish(&p, "[[[\"GetBlock\",[],[\"Y\",\"main\"],[\"b0\"]],"
                              "[\"Annotate\",[\"b0\",1],[\"meta_schedule.parallel\"],[]],"
                              "[\"Annotate\",[\"b0\",16],[\"meta_schedule.vectorize\"],[]],"
                              "[\"Annotate\",[\"b0\",8],[\"meta_schedule.unroll_explicit\"],[]]"
                              "],[]]");
    char *ret = program_text(&s.prog);
    check_sound(&s.prog);
    check_round_trip(&s, &p);
    hone_sched_fini(&s);
    hone_program_fini(&p);
    return ret;
}

#define PADDED "select(1 <= vh and vh < 8 and 1 <= vw, X[vh - 1, vw - 1, vc], 0.0)"

/* Vectors go from pixel to pixel, as many as there are; a task is a row, as the threads have enough
 * of them. */
static void short_rows_are_one(void **state)
{
    (void)state;
    for (unsigned channels = 1; channels < 16; channels += 1 + channels / 4) {
        char *text = copied(channels, channels, PADDED), *done = copied_in_vectors(text), want[60];
        snprintf(want, sizeof want, "w_c_fused_1 in %u unrolled", (8 * channels + 15) / 16);
        if (!strstr(done, "for h in 9 parallel") || !strstr(done, "w_c_fused_2 in 16 vectorized") ||
            !strstr(done, want))
            fail_msg("%s", done);
        free(done);
        free(text);
    }
}

/* Rows that are long enough, or lie apart; other conditions; what a channel has of its own. */
static void rows_stay_apart(void **state)
{
    (void)state;
    static const struct {
        unsigned channels, wide;
        const char *value;
    } cases[] = {
        {16, 16, PADDED},
        {3, 4, PADDED},
        {3, 3, "select(vh < 7 and vc < 2, X[vh, vw, vc], 0.0)"},
        {3, 3, "select(vh < 7, X[vh, 2*vw, vc], 0.0)"},
        {3, 3, "select(vh < 7 and 2*vw < vh, X[vh, vw, vc], 0.0)"},
        {3, 3, "select(vh < 7, X[vh, vw, 2 - vc], 0.0)"},
        {3, 3, "select(vh < 7 and vw % 2 == 0, X[vh, vw, vc], 0.0)"},
        {3, 3, "select(vh < 7, X[vh, vw, vc], 0.0) + B[vc]"},
        {3, 3, "select(vh < 7, X[vh, vw, vc], 0.0) * f32(vw)"},
        {3, 3, "select(vw < 7, X[vw, vh, vc], 0.0)"},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        char *text = copied(cases[k].channels, cases[k].wide, cases[k].value);
        char *done = copied_in_vectors(text);
        if (strstr(done, "w_c_fused") || !strstr(done, "vectorized"))
            fail_msg("%s", done);
        free(done);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_element_a_task), cmocka_unit_test(reduction_starts_before),
        cmocka_unit_test(as_written),         cmocka_unit_test(reduction_unrolled),
        cmocka_unit_test(reduction_outside),  cmocka_unit_test(too_many_copies),
        cmocka_unit_test(layout_by_loops),    cmocka_unit_test(layout_kept),
        cmocka_unit_test(short_rows_are_one), cmocka_unit_test(rows_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
