/* Programs as the less common primitives leave them compile, and compute what the interpreter
 * says. Each case is a program and a trace; more is scheduled on top, as a tuner would. */
#include "tests/codegen/codegen_test.h"

#include "space/space.h"

static void check_trace(const char *text, const char *trace)
{
    hone_error err = {0};
    hone_program base = parse_text(text);
    hone_trace t = {0};
    hone_sched s = {0};
    if (hone_trace_parse(trace, strlen(trace), &t, &err) != HONE_OK ||
        hone_trace_replay(&t, &base, &s, NULL, false, &err) != HONE_OK ||
        hone_verify(&s.prog, &err) != HONE_OK)
        fail_msg("%s in\n%s", err.message, trace);
    run_options plain = {.emit.plain = true};
    check_program(&s.prog, &(run_options){0});
    check_program(&s.prog, &plain);
    hone_sched_fini(&s);
    hone_trace_free(&t);
    hone_program_fini(&base);
}

#define GET(block, k) "[\"GetBlock\",[],[\"" block "\",\"main\"],[\"b" #k "\"]]"
#define LOOPS(k, ...) "[\"GetLoops\",[\"b" #k "\"],[],[" __VA_ARGS__ "]]"

#define MATMUL                                                       \
    "program matmul {\n"                                             \
    "  buffer A: f32[37, 29] input\n"                                \
    "  buffer B: f32[29, 50] input\n"                                \
    "  buffer C: f32[37, 50] output\n"                               \
    "  for i in 37 {\n"                                              \
    "    for j in 50 {\n"                                            \
    "      for k in 29 {\n"                                          \
    "        block C(vi: 37 = i, vj: 50 = j, reduce vk: 29 = k) {\n" \
    "          init 0.0\n"                                           \
    "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"      \
    "        }\n      }\n    }\n  }\n}\n"

#define TWO_STAGES                                  \
    "program two {\n"                               \
    "  buffer X: f32[33, 50] input\n"               \
    "  buffer Y: f32[33, 50] output\n"              \
    "  buffer T: f32[33, 50]\n"                     \
    "  for i in 33 {\n"                             \
    "    for j in 50 {\n"                           \
    "      block T(vi: 33 = i, vj: 50 = j) {\n"     \
    "        T[vi, vj] = X[vi, vj] + 1.0\n"         \
    "      }\n    }\n  }\n"                         \
    "  for i_1 in 33 {\n"                           \
    "    for j_1 in 50 {\n"                         \
    "      block Y(vi: 33 = i_1, vj: 50 = j_1) {\n" \
    "        Y[vi, vj] = T[vi, vj] * T[vi, vj]\n"   \
    "      }\n    }\n  }\n}\n"

static void partition(void **state)
{
    (void)state;
    check_trace(MATMUL, "[[" GET("C", 0) "," LOOPS(
                            0, "\"l1\",\"l2\",\"l3\"") ","
                                                       "[\"LoopPartition\",[\"l3\",12,\"None\"],[1]"
                                                       ",[\"l4\",\"l5\"]]],[]]");
    /* columns in vectors, and a part for what is left */
    check_trace(
        MATMUL,
        "[[" GET("C", 0) "," LOOPS(
            0, "\"l1\",\"l2\",\"l3\"") ","
                                       "[\"LoopPartition\",[\"l2\",48,2],[1],[\"l4\",\"l5\"]],"
                                       "[\"Split\",[\"l4\",\"None\",16],[1,0],[\"l6\",\"l7\"]],"
                                       "[\"Reorder\",[\"l3\",\"l7\"],[],[]],"
                                       "[\"Vectorize\",[\"l7\"],[],[]],[\"Parallel\",[\"l1\"],[],[]"
                                       "]],[]]");
}

static void merge(void **state)
{
    (void)state;
    check_trace(
        TWO_STAGES,
        "[[" GET("T", 0) "," GET("Y", 1) "," LOOPS(
            0, "\"l2\",\"l3\"") ","
                                "" LOOPS(1,
                                         "\"l4\",\"l5\"") ","
                                                          "[\"Merge\",[\"l3\",\"l5\"],[],[\"l6\"]],"
                                                          "[\"Vectorize\",[\"l6\"],[],[]]],[]]");
    check_trace(
        TWO_STAGES,
        "[[" GET("T", 0) "," GET("Y", 1) "," LOOPS(
            0, "\"l2\",\"l3\"") ","
                                "" LOOPS(1,
                                         "\"l4\",\"l5\"") ","
                                                          "[\"Merge\",[\"l2\",\"l4\"],[],[\"l6\"]],"
                                                          "[\"Parallel\",[\"l6\"],[],[]],"
                                                          "[\"Vectorize\",[\"l3\"],[],[]],["
                                                          "\"Vectorize\",[\"l5\"],[],[]]],[]]");
}

/* An axis of a GPU's grid is a serial loop on a CPU. */
static void bind(void **state)
{
    (void)state;
    check_trace(
        MATMUL,
        "[[" GET("C", 0) "," LOOPS(
            0, "\"l1\",\"l2\",\"l3\"") ","
                                       "[\"Bind\",[\"l1\"],[\"blockIdx.x\"],[]],"
                                       "[\"Bind\",[\"l2\"],[\"threadIdx.x\"],[]],"
                                       "[\"ReorderBlockIterVar\",[\"b0\",[2,1,0]],[],[]]],[]]");
}

/* The padded sum in tiles without a remainder; the fill of its padding apart. */
static void pad(void **state)
{
    (void)state;
    check_trace(
        MATMUL,
        "[[" GET(
            "C",
            0) ",[\"PadEinsum\",[\"b0\"],[[8,16,4]],[]],"
               "" LOOPS(
                   0,
                   "\"l1\",\"l2\",\"l3\"") ","
                                           "[\"Split\",[\"l1\",\"None\",4],[1,0],[\"l4\",\"l5\"]],"
                                           "[\"Split\",[\"l2\",\"None\",16],[1,0],[\"l6\",\"l7\"]],"
                                           "[\"Reorder\",[\"l4\",\"l6\",\"l3\",\"l5\",\"l7\"],[],[]"
                                           "],"
                                           "[\"Vectorize\",[\"l7\"],[],[]],[\"Unroll\",[\"l5\"],[],"
                                           "[]],"
                                           "[\"Parallel\",[\"l4\"],[],[]],"
                                           "[\"GetBlock\",[],[\"A_pad\",\"main\"],[\"b8\"]],"
                                           "[\"GetBlock\",[],[\"B_pad\",\"main\"],[\"b9\"]],"
                                           "[\"GetLoops\",[\"b9\"],[],[\"l10\",\"l11\"]],"
                                           "[\"DecomposePadding\",[\"b9\",\"l10\"],[],[\"b12\"]],"
                                           "[\"Vectorize\",[\"l11\"],[],[]],"
                                           "[\"ComputeAt\",[\"b8\",\"l6\"],[1,-1],[]]],[]]");
}

#define TWO_CONVS                                                                               \
    "program convs {\n"                                                                         \
    "  buffer X: f32[22, 43] input\n"                                                           \
    "  buffer Y: f32[18, 39] output\n"                                                          \
    "  buffer T: f32[20, 41]\n"                                                                 \
    "  for i in 20 {\n"                                                                         \
    "    for j in 41 {\n"                                                                       \
    "      for r in 3 {\n"                                                                      \
    "        for q in 3 {\n"                                                                    \
    "          block T(vi: 20 = i, vj: 41 = j, reduce vr: 3 = r, reduce vq: 3 = q) {\n"         \
    "            init 0.0\n"                                                                    \
    "            T[vi, vj] = T[vi, vj] + X[vi + vr, vj + vq]\n"                                 \
    "          }\n        }\n      }\n    }\n  }\n"                                             \
    "  for i_1 in 18 {\n"                                                                       \
    "    for j_1 in 39 {\n"                                                                     \
    "      for r_1 in 3 {\n"                                                                    \
    "        for q_1 in 3 {\n"                                                                  \
    "          block Y(vi: 18 = i_1, vj: 39 = j_1, reduce vr: 3 = r_1, reduce vq: 3 = q_1) {\n" \
    "            init 0.0\n"                                                                    \
    "            Y[vi, vj] = Y[vi, vj] + T[vi + vr, vj + vq]\n"                                 \
    "          }\n        }\n      }\n    }\n  }\n}\n"

/* Rows and columns in turns, plainly, unrolled, split, and with the circular rows private to
 * the tasks of a parallel loop around. */
static void rolling(void **state)
{
    (void)state;
    static const char *const at[] = {"l2", "l3"};
    static const char *const more[] = {"", ",[\"Unroll\",[\"l2\"],[],[]]",
                                       ",[\"Split\",[\"l2\",\"None\",4],[1,0],[\"l6\",\"l7\"]]",
                                       ",[\"Split\",[\"l2\",6,\"None\"],[1,0],[\"l6\",\"l7\"]]"};
    for (unsigned a = 0; a < HONE_LEN(at); a++) {
        for (unsigned k = 0; k < HONE_LEN(more); k++) {
            char trace[1000];
            snprintf(trace, sizeof trace,
                     "[[" GET("T", 0) "," GET(
                         "Y", 1) ","
                                 "[\"GetLoops\",[\"b1\"],[],[\"l2\",\"l3\",\"l4\",\"l5\"]],"
                                 "[\"ComputeAt\",[\"b0\",\"%s\"],[1,-1],[]],"
                                 "[\"RollingBuffer\",[\"b0\"],[0],[]]%s],[]]",
                     at[a], more[k]);
            check_trace(TWO_CONVS, trace);
        }
    }
    /* bands of rows on all threads, each with circular rows of its own */
    check_trace(
        TWO_CONVS,
        "[[" GET("T", 0) "," GET(
            "Y", 1) ","
                    "[\"GetLoops\",[\"b1\"],[],[\"l2\",\"l3\",\"l4\",\"l5\"]],"
                    "[\"Split\",[\"l2\",3,6],[1,0],[\"l6\",\"l7\"]],"
                    "[\"ComputeAt\",[\"b0\",\"l7\"],[1,-1],[]],"
                    "[\"RollingBuffer\",[\"b0\"],[0],[]],"
                    "[\"Parallel\",[\"l6\"],[],[]],"
                    "[\"GetLoops\",[\"b0\"],[],[\"l8\",\"l9\",\"l10\",\"l11\",\"l12\",\"l13\"]],"
                    "[\"Reorder\",[\"l12\",\"l13\",\"l11\"],[],[]],"
                    "[\"Vectorize\",[\"l11\"],[],[]]],[]]");
}

static void block_layout(void **state)
{
    (void)state;
    check_trace(
        MATMUL,
        "[[" GET("C",
                 0) ",[\"TransformBlockLayout\",[\"b0\"],"
                    "[\"lambda i, j, k: (i // 4, j // 16, k, i % 4, j % 16)\"],[]],"
                    "" LOOPS(
                        0,
                        "\"l1\",\"l2\",\"l3\",\"l4\",\"l5\"") ","
                                                              "[\"Vectorize\",[\"l5\"],[],[]],["
                                                              "\"Parallel\",[\"l1\"],[],[]]],[]]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition), cmocka_unit_test(merge),   cmocka_unit_test(bind),
        cmocka_unit_test(pad),       cmocka_unit_test(rolling), cmocka_unit_test(block_layout),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
