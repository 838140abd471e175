/* A record of TVM MetaSchedule (v0.9) for a 128x128x128 product on a CPU of four cores, with the
 * instructions of its postprocessors, replayed as it stands: Split with one attribute, the block
 * called "update" as in the workload the record is of. */
#include "tests/space/trace_test.h"

#define UPDATE                                                               \
    "program matmul {\n"                                                     \
    "  buffer A: f32[128, 128] input\n"                                      \
    "  buffer B: f32[128, 128] input\n"                                      \
    "  buffer C: f32[128, 128] output\n"                                     \
    "  for i in 128 {\n"                                                     \
    "    for j in 128 {\n"                                                   \
    "      for k in 128 {\n"                                                 \
    "        block update(vi: 128 = i, vj: 128 = j, reduce vk: 128 = k) {\n" \
    "          init 0.0\n"                                                   \
    "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"              \
    "        }\n      }\n    }\n  }\n}\n"

/* %s: the name of the instruction that finds blocks, which changed with v0.24. */
static const char record[] =
    "[[[\"%s\",[],[\"update\",\"main\"],[\"b0\"]],"
    "[\"%s\",[],[\"root\",\"main\"],[\"b1\"]]," TVM_TILES "[\"EnterPostproc\",[],[],[]],"
    "[\"Unannotate\",[\"b1\"],[\"meta_schedule.parallel\"],[]],"
    "[\"Unannotate\",[\"b1\"],[\"meta_schedule.vectorize\"],[]],"
    "[\"Unannotate\",[\"b1\"],[\"meta_schedule.unroll_explicit\"],[]],"
    "[\"GetChildBlocks\",[\"b1\"],[],[\"b27\",\"b28\"]],"
    "[\"GetLoops\",[\"b27\"],[],"
    "[\"l29\",\"l30\",\"l31\",\"l32\",\"l33\",\"l34\",\"l35\",\"l36\",\"l37\",\"l38\"]],"
    "[\"Fuse\",[\"l29\",\"l30\",\"l31\",\"l32\"],[1],[\"l39\"]],"
    "[\"Parallel\",[\"l39\"],[],[]],"
    "[\"Fuse\",[\"l38\"],[1],[\"l40\"]],"
    "[\"Vectorize\",[\"l40\"],[],[]],"
    "[\"Annotate\",[\"l39\",64],[\"pragma_auto_unroll_max_step\"],[]],"
    "[\"Annotate\",[\"l39\",1],[\"pragma_unroll_explicit\"],[]],"
    "[\"GetLoops\",[\"b28\"],[],[\"l41\",\"l42\",\"l43\"]],"
    "[\"Fuse\",[\"l43\"],[1],[\"l44\"]],"
    "[\"Vectorize\",[\"l44\"],[],[]],"
    "[\"%s\",[],[\"update\",\"main\"],[\"b46\"]],"
    "[\"GetLoops\",[\"b46\"],[],"
    "[\"l47\",\"l48\",\"l49\",\"l50\",\"l51\",\"l52\",\"l53\"]],"
    "[\"DecomposeReduction\",[\"b46\",\"l48\"],[],[\"b54\"]]],"
    "[[4,[2,4,8,2]],[6,[2,2,8,4]],[8,[32,4]],[15,2]]]";

/* 32 tiles, fused from 2x2 and 4x2, each with its init, its update and the copy of the result. */
static const char scheduled[] =
    "program matmul {\n"
    "  buffer A: f32[128, 128] input\n"
    "  buffer B: f32[128, 128] input\n"
    "  buffer C: f32[128, 128] output\n"
    "  buffer C_global: f32[128, 128]\n"
    "  for i_0_j_0_i_1_j_1_fused in 32 parallel @pragma_auto_unroll_max_step=64 "
    "@pragma_unroll_explicit=1 {\n"
    "    for ax0 in 8 {\n"
    "      for ax1 in 8 {\n"
    "        for ax2 in 2 {\n"
    "          for ax3 in 4 vectorized {\n"
    "            block update_init(v0: 128 = ax0*2 + ax2 + i_0_j_0_i_1_j_1_fused // 16*64 + "
    "i_0_j_0_i_1_j_1_fused // 2 % 4*16, v1: 128 = ax1*4 + ax3 + i_0_j_0_i_1_j_1_fused // 8 % 2*64 "
    "+ i_0_j_0_i_1_j_1_fused % 2*32) {\n"
    "              C_global[v0, v1] = 0.0\n"
    "            }\n"
    "          }\n"
    "        }\n"
    "      }\n"
    "    }\n"
    "    for k_0 in 32 {\n"
    "      for i_2 in 8 {\n"
    "        for j_2 in 8 {\n"
    "          for k_1 in 4 {\n"
    "            for i_3 in 2 {\n"
    "              for j_3 in 4 vectorized {\n"
    "                block update(vi: 128 = i_2*2 + i_3 + i_0_j_0_i_1_j_1_fused // 16*64 + "
    "i_0_j_0_i_1_j_1_fused // 2 % 4*16, vj: 128 = j_2*4 + j_3 + i_0_j_0_i_1_j_1_fused // 8 % 2*64 "
    "+ i_0_j_0_i_1_j_1_fused % 2*32, reduce vk: 128 = k_0*4 + k_1) "
    "@meta_schedule.tiling_structure=\"SSRSRS\" {\n"
    "                  C_global[vi, vj] = C_global[vi, vj] + A[vi, vk] * B[vk, vj]\n"
    "                }\n"
    "              }\n"
    "            }\n"
    "          }\n"
    "        }\n"
    "      }\n"
    "    }\n"
    "    for ax0_1 in 16 {\n"
    "      for ax1_1 in 32 vectorized {\n"
    "        block C_global(v0: 128 = ax0_1 + i_0_j_0_i_1_j_1_fused // 16*64 + "
    "i_0_j_0_i_1_j_1_fused // 2 % 4*16, v1: 128 = ax1_1 + i_0_j_0_i_1_j_1_fused // 8 % 2*64 + "
    "i_0_j_0_i_1_j_1_fused % 2*32) {\n"
    "          C[v0, v1] = C_global[v0, v1]\n"
    "        }\n"
    "      }\n"
    "    }\n"
    "  }\n"
    "}\n";

static void replays_as_it_stands(void **state)
{
    (void)state;
    static const char *const finders[] = {"GetBlock", "GetSBlock"};
    hone_program base = load_program(UPDATE);
    for (unsigned k = 0; k < HONE_LEN(finders); k++) {
        char text[sizeof record + 64];
        hone_sched s = {0};
        snprintf(text, sizeof text, record, finders[k], finders[k], finders[k]);
        replay_text(&base, text, &s);
        check_text(&s.prog, scheduled);
        assert_int_equal(hone_trace_search_part(&s.trace), 17);
        hone_sched_fini(&s);
    }
    hone_program_fini(&base);
}

/* On a program whose block is called otherwise the record is refused, and says so. */
static void another_name_is_refused(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(128, 128, 128));
    char text[sizeof record + 64];
    hone_sched s = {0};
    hone_error err = {0};
    snprintf(text, sizeof text, record, "GetBlock", "GetBlock", "GetBlock");
    hone_trace t = trace_of(text);
    assert_int_equal(hone_trace_replay(&t, &base, &s, NULL, false, &err), HONE_REJECT_ARG);
    assert_non_null(strstr(err.message, "no block 'update'"));
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replays_as_it_stands),
        cmocka_unit_test(another_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
