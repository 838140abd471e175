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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition),
        cmocka_unit_test(merge),
        cmocka_unit_test(bind),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
