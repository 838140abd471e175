#include "tests/space/prim_test.h"

static void compute_at_effect(void **state)
{
    (void)state;
    hone_program p = load_program(STENCIL), before = copy_program(&p);
    split_loop(&p, "Y", 0, 0, 4);
    assert_true(hone_prim__can_compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 0)));
    APPLY(hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 0), err));
    check_text(
        &p,
        "program stencil {\n"
        "  buffer X: f32[19] input\n"
        "  buffer Y: f32[19] output\n"
        "  buffer T: f32[21]\n"
        "  for i_1_0 in 5 {\n"
        "    for ax0 in 6 {\n"
        "      block T(v: 21 = i_1_0*4 + ax0) where i_1_0*4 + ax0 < 21 {\n"
        "        T[v] = select(0 < v and v < 20, X[v - 1], 0.0)\n"
        "      }\n"
        "    }\n"
        "    for i_1_1 in 4 {\n"
        "      for k in 3 {\n"
        "        block Y(v: 19 = i_1_0*4 + i_1_1, reduce r: 3 = k) where i_1_0*4 + i_1_1 < 19 {\n"
        "          init 0.0\n"
        "          Y[v] = Y[v] + T[v + r]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
    end_same(&before, &p);
}

/* A reduction moves whole, with its init, and may move again. */
static void compute_at_of_reduction(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL_BIAS_RELU(7, 6, 5));
    for (unsigned at = 0; at < 4; at++) {
        hone_program p = copy_program(&base);
        split_loop(&p, "S", 0, 0, 3);
        split_loop(&p, "S", 2, 0, 4);
        REORDER(&p, "S", 0, 2, 1, 3);
        APPLY(hone_prim__compute_at(&p, block_of(&p, "C"), loop_of(&p, "S", at), err));
        check_same(&base, &p);
        for (unsigned again = 0; again < 4; again++) {
            hone_program q = copy_program(&p);
            APPLY(hone_prim__compute_at(&q, block_of(&q, "C"), loop_of(&q, "S", again), err));
            check_same(&base, &q);
            hone_program_fini(&q);
        }
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

/* A nest split before it moves: its guards speak of loops that go. */
static void compute_at_of_split_nest(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 6, 5)), before = copy_program(&p);
    split_loop(&p, "C", 0, 0, 4);
    split_loop(&p, "C", 3, 0, 2);
    APPLY(hone_prim__compute_at(&p, block_of(&p, "C"), loop_of(&p, "S", 0), err));
    check_text(&p, "program mbr {\n"
                   "  buffer A: f32[7, 5] input\n"
                   "  buffer B: f32[5, 6] input\n"
                   "  buffer bias: f32[6] input\n"
                   "  buffer D: f32[7, 6] output\n"
                   "  buffer C: f32[7, 6]\n"
                   "  buffer S: f32[7, 6]\n"
                   "  for i_1 in 7 {\n"
                   "    for ax0 in 1 {\n"
                   "      for ax1 in 6 {\n"
                   "        for ax2 in 5 {\n"
                   "          block C(vi: 7 = i_1, vj: 6 = ax1, reduce vk: 5 = ax2) {\n"
                   "            init 0.0\n"
                   "            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                   "          }\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "    for j_1 in 6 {\n"
                   "      block S(vi: 7 = i_1, vj: 6 = j_1) {\n"
                   "        S[vi, vj] = C[vi, vj] + bias[vj]\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for i_2 in 7 {\n"
                   "    for j_2 in 6 {\n"
                   "      block D(vi: 7 = i_2, vj: 6 = j_2) {\n"
                   "        D[vi, vj] = max(S[vi, vj], 0.0)\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    end_same(&before, &p);
}

static void compute_at_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 4, 5));
    /* An output; a consumer elsewhere; a vectorized loop; not a loop. */
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__compute_at(&p, block_of(&p, "D"), loop_of(&p, "C", 0), err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__compute_at(&p, block_of(&p, "C"), loop_of(&p, "D", 0), err));
    assert_false(hone_prim__can_compute_at(&p, block_of(&p, "C"), loop_of(&p, "D", 0)));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__compute_at(&p, block_of(&p, "C"), block_of(&p, "S"), err));
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "D", 1), HONE_VECTORIZED, err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__compute_at(&p, block_of(&p, "S"), loop_of(&p, "D", 1), err));
    /* C is computed in the nest of S, which S may not leave then. */
    APPLY(hone_prim__compute_at(&p, block_of(&p, "C"), loop_of(&p, "S", 0), err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__compute_at(&p, block_of(&p, "S"), loop_of(&p, "D", 0), err));
    hone_program_fini(&p);
}

static void reverse_compute_at_effect(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 6, 5)), before = copy_program(&p);
    split_loop(&p, "C", 0, 0, 3);
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_of(&p, "C", 0), err));
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "D"), loop_of(&p, "C", 0), err));
    check_text(&p,
               "program mbr {\n"
               "  buffer A: f32[7, 5] input\n"
               "  buffer B: f32[5, 6] input\n"
               "  buffer bias: f32[6] input\n"
               "  buffer D: f32[7, 6] output\n"
               "  buffer C: f32[7, 6]\n"
               "  buffer S: f32[7, 6]\n"
               "  for i_0 in 3 {\n"
               "    for i_1 in 3 {\n"
               "      for j in 6 {\n"
               "        for k in 5 {\n"
               "          block C(vi: 7 = i_0*3 + i_1, vj: 6 = j, reduce vk: 5 = k) where i_0*3 + "
               "i_1 < 7 {\n"
               "            init 0.0\n"
               "            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
               "          }\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "    for ax0 in 3 {\n"
               "      for ax1 in 6 {\n"
               "        block S(vi: 7 = i_0*3 + ax0, vj: 6 = ax1) where i_0*3 + ax0 < 7 {\n"
               "          S[vi, vj] = C[vi, vj] + bias[vj]\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "    for ax0_1 in 3 {\n"
               "      for ax1_1 in 6 {\n"
               "        block D(vi: 7 = i_0*3 + ax0_1, vj: 6 = ax1_1) where i_0*3 + ax0_1 < 7 {\n"
               "          D[vi, vj] = max(S[vi, vj], 0.0)\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "  }\n"
               "}\n");
    end_same(&before, &p);
}

static void reverse_compute_at_everywhere(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL_BIAS_RELU(23, 6, 5));
    for (unsigned at = 0; at < 4; at++) {
        hone_program p = copy_program(&base);
        split_loop(&p, "C", 0, 0, 10);
        split_loop(&p, "C", 1, 0, 4);
        APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_of(&p, "C", at), err));
        check_same(&base, &p);
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

/* A sum over what is produced tile by tile: each element is added once. */
static void reverse_compute_at_of_reduction(void **state)
{
    (void)state;
    hone_program base = load_program("program rowsum {\n"
                                     "  buffer X: f32[7, 9] input\n"
                                     "  buffer Y: f32[7] output\n"
                                     "  buffer T: f32[7, 9]\n"
                                     "  for i in 7 {\n"
                                     "    for j in 9 {\n"
                                     "      block T(v: 7 = i, w: 9 = j) {\n"
                                     "        T[v, w] = X[v, w] * 2.0\n"
                                     "      }\n    }\n  }\n"
                                     "  for i_1 in 7 {\n"
                                     "    for j_1 in 9 {\n"
                                     "      block Y(v: 7 = i_1, reduce w: 9 = j_1) {\n"
                                     "        init 0.0\n"
                                     "        Y[v] = Y[v] + T[v, w]\n"
                                     "      }\n    }\n  }\n}\n");
    for (unsigned at = 0; at < 4; at++) {
        hone_program p = copy_program(&base);
        split_loop(&p, "T", 0, 0, 3);
        split_loop(&p, "T", 2, 0, 4);
        REORDER(&p, "T", 2, 0, 1, 3);
        APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "Y"), loop_of(&p, "T", at), err));
        check_same(&base, &p);
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

static void reverse_compute_at_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 4, 5));
    hone_stmt ret[2];
    /* Inside the sum; nothing there that feeds it; an input comes later. */
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_of(&p, "C", 2), err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__reverse_compute_at(&p, block_of(&p, "D"), loop_of(&p, "C", 0), err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__reverse_compute_at(&p, block_of(&p, "D"), p.root, err));
    /* Below an outer loop of the sum the stored tile is not complete. */
    split_loop(&p, "C", 2, 0, 2);
    REORDER(&p, "C", 2, 0, 1, 3);
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", 1), HONE_LOCAL, ret,
                                      err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_of(&p, "C", 1), err));
    hone_program_fini(&p);
    /* A stencil needs neighbours that are not there yet. */
    p = load_program(STENCIL);
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__reverse_compute_at(&p, block_of(&p, "Y"), loop_of(&p, "T", 0), err));
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compute_at_effect),
        cmocka_unit_test(compute_at_of_reduction),
        cmocka_unit_test(compute_at_of_split_nest),
        cmocka_unit_test(compute_at_rejected),
        cmocka_unit_test(reverse_compute_at_effect),
        cmocka_unit_test(reverse_compute_at_everywhere),
        cmocka_unit_test(reverse_compute_at_of_reduction),
        cmocka_unit_test(reverse_compute_at_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
