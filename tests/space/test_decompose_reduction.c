#include "tests/space/prim_test.h"

static void decompose_effect(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(7, 6, 5)), before = copy_program(&p);
    hone_stmt init;
    split_loop(&p, "C", 0, 0, 3);
    /* i0 i1 j k -> i0 k i1 j */
    REORDER(&p, "C", 0, 3, 1, 2);
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 1), &init, err));
    assert_true(HONE_SAME(init, block_of(&p, "C_init")));
    check_text(&p,
               "program matmul {\n"
               "  buffer A: f32[7, 5] input\n"
               "  buffer B: f32[5, 6] input\n"
               "  buffer C: f32[7, 6] output\n"
               "  for i_0 in 3 {\n"
               "    for ax0 in 3 {\n"
               "      for ax1 in 6 {\n"
               "        block C_init(v0: 7 = i_0*3 + ax0, v1: 6 = ax1) where i_0*3 + ax0 < 7 {\n"
               "          C[v0, v1] = 0.0\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "    for k in 5 {\n"
               "      for i_1 in 3 {\n"
               "        for j in 6 {\n"
               "          block C(vi: 7 = i_0*3 + i_1, vj: 6 = j, reduce vk: 5 = k) where i_0*3 + "
               "i_1 < 7 {\n"
               "            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
               "          }\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "  }\n"
               "}\n");
    end_same(&before, &p);
}

static void decompose_everywhere(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(7, 6, 5));
    for (unsigned at = 0; at < 4; at++) {
        hone_program p = copy_program(&base);
        hone_stmt init;
        split_loop(&p, "C", 2, 0, 2);
        split_loop(&p, "C", 0, 0, 3);
        /* i0 i1 j k0 k1 -> i0 i1 j k0 k1 with only i0 i1 j outside the sum */
        APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", at), &init,
                                             err));
        check_same(&base, &p);
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

static void decompose_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 6, 5));
    hone_stmt init;
    REORDER(&p, "C", 2, 0, 1);
    CHECK_REJECTED(
        &p, HONE_REJECT_REDUCE,
        hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 1), &init, err));
    CHECK_REJECTED(
        &p, HONE_REJECT_ARG,
        hone_prim__decompose_reduction(&p, block_of(&p, "S"), loop_of(&p, "S", 0), &init, err));
    CHECK_REJECTED(
        &p, HONE_REJECT_ARG,
        hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "S", 0), &init, err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 0), &init, err));
    CHECK_REJECTED(
        &p, HONE_REJECT_ARG,
        hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 0), &init, err));
    hone_program_fini(&p);
}

/* A sum computed anew in each iteration of a loop must also start anew there. */
static void decompose_of_repeated_sum(void **state)
{
    (void)state;
    hone_program p = load_program("program repeated {\n"
                                  "  buffer X: f32[5, 4] input\n"
                                  "  buffer Y: f32[5, 4] output\n"
                                  "  buffer T: f32[5]\n"
                                  "  for i in 5 {\n    for j in 4 {\n"
                                  "      block T(v: 5 = i, reduce w: 4 = j) {\n"
                                  "        init 0.0\n"
                                  "        T[v] = T[v] + X[v, w]\n"
                                  "      }\n    }\n  }\n"
                                  "  for i_1 in 5 {\n    for j_1 in 4 {\n"
                                  "      block Y(v: 5 = i_1, w: 4 = j_1) {\n"
                                  "        Y[v, w] = X[v, w] - T[v]\n"
                                  "      }\n    }\n  }\n}\n"),
                 before = copy_program(&p);
    hone_stmt init;
    APPLY(hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 1), err));
    for (unsigned at = 0; at < 2; at++)
        CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                       hone_prim__decompose_reduction(&p, block_of(&p, "T"), loop_of(&p, "T", at),
                                                      &init, err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "T"), loop_of(&p, "T", 2), &init, err));
    end_same(&before, &p);
}

/* A part of a sum, one for each iteration of a loop outside: the last part is shorter, which is a
 * condition on element and step, but each part has a first step. */
static void decompose_of_parts(void **state)
{
    (void)state;
#define PARTS(COND)                                                \
    "program p {\n"                                                \
    "  buffer X: f32[8] input\n"                                   \
    "  buffer Y: f32[3] output\n"                                  \
    "  for o in 3 {\n"                                             \
    "    for r in 3 {\n"                                           \
    "      block Y(v: 3 = o, reduce w: 3 = r) where " COND " {\n"  \
    "        init 0.0\n"                                           \
    "        Y[v] = Y[v] + select(v*3 + w < 8, X[v*3 + w], 0.0)\n" \
    "      }\n    }\n  }\n}\n"
    hone_program p = load_program(PARTS("o*3 + r < 8")), before = copy_program(&p);
    hone_stmt init;
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "Y"), loop_of(&p, "Y", 1), &init, err));
    assert_false(hone_stmt_at(&p, init)->where.i);
    end_same(&before, &p);
    p = load_program(PARTS("o*3 + r < 6")); /* the last has none */
    CHECK_REJECTED(
        &p, HONE_REJECT_REDUCE,
        hone_prim__decompose_reduction(&p, block_of(&p, "Y"), loop_of(&p, "Y", 1), &init, err));
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decompose_effect),   cmocka_unit_test(decompose_everywhere),
        cmocka_unit_test(decompose_rejected), cmocka_unit_test(decompose_of_repeated_sum),
        cmocka_unit_test(decompose_of_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
