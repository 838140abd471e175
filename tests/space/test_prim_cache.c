#include "tests/space/prim_test.h"

static void cache_read_effect(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 5, 4)), before = copy_program(&p);
    hone_stmt copy;
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 1, HONE_GLOBAL, &copy, err));
    assert_true(HONE_SAME(copy, block_of(&p, "B_global")));
    check_text(&p, "program matmul {\n"
                   "  buffer A: f32[6, 4] input\n"
                   "  buffer B: f32[4, 5] input\n"
                   "  buffer C: f32[6, 5] output\n"
                   "  buffer B_global: f32[4, 5]\n"
                   "  for ax0 in 4 {\n"
                   "    for ax1 in 5 {\n"
                   "      block B_global(v0: 4 = ax0, v1: 5 = ax1) {\n"
                   "        B_global[v0, v1] = B[v0, v1]\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for i in 6 {\n"
                   "    for j in 5 {\n"
                   "      for k in 4 {\n"
                   "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                   "          init 0.0\n"
                   "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B_global[vk, vj]\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    end_same(&before, &p);
}

/* Only the block asked for reads the copy; the same buffer can be staged once more. */
static void cache_read_of_one_consumer(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(5, 4, 3)), before = copy_program(&p);
    hone_stmt ret;
    APPLY(hone_prim__cache_read(&p, block_of(&p, "S"), 0, HONE_LOCAL, &ret, err));
    APPLY(hone_prim__cache_read(&p, block_of(&p, "S"), 1, HONE_GLOBAL, &ret, err));
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 0, HONE_GLOBAL, &ret, err));
    APPLY(hone_prim__cache_read(&p, block_of(&p, "A_global"), 0, HONE_GLOBAL, &ret, err));
    end_same(&before, &p);
}

static void cache_read_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(5, 4, 3));
    hone_stmt ret;
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__cache_read(&p, block_of(&p, "C"), 2, HONE_GLOBAL, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__cache_read(&p, p.root, 0, HONE_GLOBAL, &ret, err));
    /* S moves into the nest that computes its input. */
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_of(&p, "C", 0), err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__cache_read(&p, block_of(&p, "S"), 0, HONE_GLOBAL, &ret, err));
    hone_program_fini(&p);
}

static void cache_write_effect(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 5, 4)), before = copy_program(&p);
    hone_stmt copy;
    APPLY(hone_prim__cache_write(&p, block_of(&p, "C"), HONE_LOCAL, &copy, err));
    assert_true(HONE_SAME(copy, block_of(&p, "C_local")));
    check_text(&p, "program matmul {\n"
                   "  buffer A: f32[6, 4] input\n"
                   "  buffer B: f32[4, 5] input\n"
                   "  buffer C: f32[6, 5] output\n"
                   "  buffer C_local: f32[6, 5] local\n"
                   "  for i in 6 {\n"
                   "    for j in 5 {\n"
                   "      for k in 4 {\n"
                   "        block C(vi: 6 = i, vj: 5 = j, reduce vk: 4 = k) {\n"
                   "          init 0.0\n"
                   "          C_local[vi, vj] = C_local[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for ax0 in 6 {\n"
                   "    for ax1 in 5 {\n"
                   "      block C_local(v0: 6 = ax0, v1: 5 = ax1) {\n"
                   "        C[v0, v1] = C_local[v0, v1]\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    end_same(&before, &p);
}

static void cache_write_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 5, 4));
    hone_stmt ret;
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__cache_write(&p, p.root, HONE_GLOBAL, &ret, err));
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 2), &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__cache_write(&p, block_of(&p, "C"), HONE_GLOBAL, &ret, err));
    hone_program_fini(&p);
}

/* All of the sum inside the loop: the tile starts at init. */
static void accumulate_whole_sum(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(7, 6, 4)), before = copy_program(&p);
    hone_stmt ret[2];
    split_loop(&p, "C", 0, 0, 3);
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", 0), HONE_LOCAL, ret,
                                      err));
    check_text(
        &p, "program matmul {\n"
            "  buffer A: f32[7, 4] input\n"
            "  buffer B: f32[4, 6] input\n"
            "  buffer C: f32[7, 6] output\n"
            "  buffer C_local: f32[7, 6] local\n"
            "  for i_0 in 3 {\n"
            "    for ax0 in 3 {\n"
            "      for ax1 in 6 {\n"
            "        block C_local_load(v0: 7 = i_0*3 + ax0, v1: 6 = ax1) where i_0*3 + ax0 < 7 {\n"
            "          C_local[v0, v1] = 0.0\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "    for i_1 in 3 {\n"
            "      for j in 6 {\n"
            "        for k in 4 {\n"
            "          block C(vi: 7 = i_0*3 + i_1, vj: 6 = j, reduce vk: 4 = k) where i_0*3 + i_1 "
            "< 7 {\n"
            "            C_local[vi, vj] = C_local[vi, vj] + A[vi, vk] * B[vk, vj]\n"
            "          }\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "    for ax0_1 in 3 {\n"
            "      for ax1_1 in 6 {\n"
            "        block C_local_store(v0: 7 = i_0*3 + ax0_1, v1: 6 = ax1_1) where i_0*3 + ax0_1 "
            "< 7 {\n"
            "          C[v0, v1] = C_local[v0, v1]\n"
            "        }\n"
            "      }\n"
            "    }\n"
            "  }\n"
            "}\n");
    end_same(&before, &p);
}

/* The sum is cut by an outer loop: later turns start from what is there. */
static void accumulate_under_outer_sum(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(7, 6, 5)), before = copy_program(&p);
    hone_stmt ret[2];
    split_loop(&p, "C", 2, 0, 2);
    split_loop(&p, "C", 0, 0, 3);
    /* i0 i1 j k0 k1 -> k0 i0 j i1 k1 */
    REORDER(&p, "C", 3, 0, 2, 1, 4);
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", 2), HONE_LOCAL, ret,
                                      err));
    check_text(&p, "program matmul {\n"
                   "  buffer A: f32[7, 5] input\n"
                   "  buffer B: f32[5, 6] input\n"
                   "  buffer C: f32[7, 6] output\n"
                   "  buffer C_local: f32[7, 6] local\n"
                   "  for k_0 in 3 {\n"
                   "    for i_0 in 3 {\n"
                   "      for j in 6 {\n"
                   "        for ax0 in 3 {\n"
                   "          for ax1 in 1 {\n"
                   "            block C_local_load(v0: 7 = i_0*3 + ax0, v1: 6 = j, reduce v2: 5 = "
                   "k_0*2) where i_0*3 + ax0 < 7 {\n"
                   "              C_local[v0, v1] = select(v2 == 0, 0.0, C[v0, v1])\n"
                   "            }\n"
                   "          }\n"
                   "        }\n"
                   "        for i_1 in 3 {\n"
                   "          for k_1 in 2 {\n"
                   "            block C(vi: 7 = i_0*3 + i_1, vj: 6 = j, reduce vk: 5 = k_0*2 + "
                   "k_1) where k_0*2 + k_1 < 5 and i_0*3 + i_1 < 7 {\n"
                   "              C_local[vi, vj] = C_local[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                   "            }\n"
                   "          }\n"
                   "        }\n"
                   "        for ax0_1 in 3 {\n"
                   "          for ax1_1 in 1 {\n"
                   "            block C_local_store(v0: 7 = i_0*3 + ax0_1, v1: 6 = j, reduce v2: 5 "
                   "= k_0*2) where i_0*3 + ax0_1 < 7 {\n"
                   "              C[v0, v1] = C_local[v0, v1]\n"
                   "            }\n"
                   "          }\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    check_same(&before, &p);
    /* No loop outside that is part of the sum may run in parallel, others may. */
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                   hone_prim__set_loop_kind(&p, loop_of(&p, "C", 0), HONE_PARALLEL, err));
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "C", 1), HONE_PARALLEL, err));
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* Splits of splits whose factors do not divide: tiles overlap unless each guard is carried. */
static void accumulate_imperfect_twice(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(23, 5, 6));
    for (unsigned at = 0; at < 5; at++) {
        hone_program p = copy_program(&base);
        hone_stmt ret[2];
        split_loop(&p, "C", 0, 0, 10); /* 3 * 10 > 23 */
        split_loop(&p, "C", 1, 0, 4);  /* 3 * 4 > 10 */
        split_loop(&p, "C", 4, 0, 4);  /* 2 * 4 > 6 */
        /* i0 i10 i11 j k0 k1 -> k0 i0 i10 j i11 k1 */
        REORDER(&p, "C", 4, 0, 1, 3, 2, 5);
        APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", at), HONE_LOCAL,
                                          ret, err));
        check_same(&base, &p);
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

/* A loop of one iteration, split into more: in those that do nothing the tile must not be stored.
 */
static void accumulate_in_idle_iterations(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(4, 3, 5)), before = copy_program(&p);
    int64_t factors[3] = {3, 2, 1};
    hone_stmt unit, parts[3], ret[2];
    APPLY(hone_prim__add_unit_loop(&p, loop_of(&p, "C", 1), &unit, err));
    APPLY(hone_prim__split(&p, unit, factors, 3, parts, err));
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), parts[0], HONE_LOCAL, ret, err));
    check_same(&before, &p);
    assert_true(hone_stmt_at(&p, ret[1])->where.i);
    hone_program_fini(&p);
    hone_program_fini(&before);
}

static void accumulate_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 4, 5));
    hone_stmt ret[2], loop = loop_of(&p, "C", 0);
    hone_stmt other = loop_of(&p, "S", 0);
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__cache_accumulate(&p, block_of(&p, "S"), other, HONE_LOCAL, ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__cache_accumulate(&p, block_of(&p, "C"), other, HONE_LOCAL, ret, err));
    /* Fused loops inside: rows and columns of the tile are not apart. */
    hone_program q = copy_program(&p);
    hone_stmt pair[2] = {loop_of(&q, "C", 0), loop_of(&q, "C", 1)}, fused, parts[2];
    int64_t factors[2] = {0, 7};
    APPLY(hone_prim__fuse(&q, pair, 2, &fused, err));
    APPLY(hone_prim__split(&q, fused, factors, 2, parts, err));
    CHECK_REJECTED(
        &q, HONE_REJECT_NOT_AFFINE,
        hone_prim__cache_accumulate(&q, block_of(&q, "C"), parts[0], HONE_LOCAL, ret, err));
    /* Inside it is a single element, and that is a box again. */
    APPLY(hone_prim__cache_accumulate(&q, block_of(&q, "C"), parts[1], HONE_LOCAL, ret, err));
    check_same(&p, &q);
    hone_program_fini(&q);
    /* A consumer inside the loop would see the output too early. */
    APPLY(hone_prim__reverse_compute_at(&p, block_of(&p, "S"), loop_of(&p, "C", 1), err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop, HONE_LOCAL, ret, err));
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_read_effect),
        cmocka_unit_test(cache_read_of_one_consumer),
        cmocka_unit_test(cache_read_rejected),
        cmocka_unit_test(cache_write_effect),
        cmocka_unit_test(cache_write_rejected),
        cmocka_unit_test(accumulate_whole_sum),
        cmocka_unit_test(accumulate_under_outer_sum),
        cmocka_unit_test(accumulate_imperfect_twice),
        cmocka_unit_test(accumulate_in_idle_iterations),
        cmocka_unit_test(accumulate_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
