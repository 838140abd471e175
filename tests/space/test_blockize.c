/* blockize, and how the other primitives deal with blocks in blocks. */
#include "tests/space/trace_test.h"

/* i j k -> i_0 j_0 k_0 i_1 j_1 k_1 with inner loops of 4, 16 and 4. */
static hone_program tiled(int m, int n, int k)
{
    char text[1200];
    snprintf(text, sizeof text,
             "program matmul {\n"
             "  buffer A: f32[%d, %d] input\n  buffer B: f32[%d, %d] input\n"
             "  buffer C: f32[%d, %d] output\n"
             "  for i in %d { for j in %d { for k in %d {\n"
             "    block C(vi: %d = i, vj: %d = j, reduce vk: %d = k) {\n"
             "      init 0.0\n      C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj] } } } }\n}\n",
             m, k, k, n, m, n, m, n, k, m, n, k);
    hone_program p = load_program(text);
    split_loop(&p, "C", 2, 0, 4);
    split_loop(&p, "C", 1, 0, 16);
    split_loop(&p, "C", 0, 0, 4);
    /* i0 i1 j0 j1 k0 k1 */
    REORDER(&p, "C", 0, 2, 4, 1, 3, 5);
    return p;
}

static void blockize_effect(void **state)
{
    (void)state;
    hone_program p = tiled(8, 32, 8), before = copy_program(&p);
    hone_stmt outer;
    APPLY(hone_prim__blockize(&p, loop_of(&p, "C", 4), true, &outer, err));
    assert_true(HONE_SAME(outer, block_of(&p, "C_o")));
    check_text(&p, "program matmul {\n"
                   "  buffer A: f32[8, 8] input\n"
                   "  buffer B: f32[8, 32] input\n"
                   "  buffer C: f32[8, 32] output\n"
                   "  for i_0 in 2 {\n"
                   "    for j_0 in 2 {\n"
                   "      for k_0 in 2 {\n"
                   "        for i_1 in 4 {\n"
                   "          block C_o(vi_o: 8 = i_0*4 + i_1, vj_o: 2 = j_0, reduce vk_o: 2 = "
                   "k_0) {\n"
                   "            for j_1 in 16 {\n"
                   "              for k_1 in 4 {\n"
                   "                block C(vi: 8 = vi_o, vj: 32 = j_1 + vj_o*16, reduce vk: 8 = "
                   "k_1 + vk_o*4) {\n"
                   "                  init 0.0\n"
                   "                  C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                   "                }\n              }\n            }\n          }\n"
                   "        }\n      }\n    }\n  }\n}\n");
    end_same(&before, &p);
}

/* Every loop of nests that divide evenly, and of nests that do not. */
static void blockize_everywhere(void **state)
{
    (void)state;
    static const int sizes[][3] = {{8, 32, 8}, {7, 30, 9}, {5, 17, 3}, {1, 16, 4}, {4, 1, 1}};
    for (unsigned z = 0; z < HONE_LEN(sizes); z++)
        for (unsigned at = 0; at < 6; at++)
            for (int unit = 0; unit < 2; unit++) {
                hone_program p = tiled(sizes[z][0], sizes[z][1], sizes[z][2]);
                hone_program before = copy_program(&p);
                hone_stmt outer;
                APPLY(hone_prim__blockize(&p, loop_of(&p, "C", at), unit, &outer, err));
                check_same(&before, &p);
                hone_program_fini(&p);
                hone_program_fini(&before);
            }
}

/* A block in a block in a block. */
static void blockize_twice(void **state)
{
    (void)state;
    hone_program p = tiled(7, 30, 9), before = copy_program(&p);
    hone_stmt outer;
    APPLY(hone_prim__blockize(&p, loop_of(&p, "C", 4), true, &outer, err));
    APPLY(hone_prim__blockize(&p, loop_of(&p, "C_o", 2), true, &outer, err));
    assert_non_null(hone_sym_text(&p, hone_stmt_at(&p, outer)->name));
    assert_true(block_of(&p, "C_o_o").i != 0);
    end_same(&before, &p);
}

static void blockize_rejected(void **state)
{
    (void)state;
    hone_stmt outer;
    hone_program p = load_program(MATMUL(6, 7, 5));
    /* a block is no loop */
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__blockize(&p, block_of(&p, "C"), true, &outer, err));
    hone_stmt init;
    APPLY(hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C", 1), &init, err));
    /* two nests in the loop */
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__blockize(&p, loop_of(&p, "C", 0), true, &outer, err));
    hone_program_fini(&p);
    /* an iterator that is no sum of outer and inner loops */
    p = load_program("program x {\n  buffer A: f32[24] input\n  buffer B: f32[24] output\n"
                     "  for i in 6 { for j in 4 {\n"
                     "    block B(v: 24 = (i*4 + j) % 8 + (i*4 + j) // 8*8) {\n"
                     "      B[v] = A[v] } } }\n}\n");
    hone_program q = load_program("program x {\n  buffer A: f32[24] input\n"
                                  "  buffer B: f32[24] output\n"
                                  "  for i in 4 { for j in 6 {\n"
                                  "    block B(v: 24 = (i*6 + j) % 4*6 + (i*6 + j) // 4) {\n"
                                  "      B[v] = A[v] } } }\n}\n");
    CHECK_REJECTED(&q, HONE_REJECT_NOT_AFFINE,
                   hone_prim__blockize(&q, loop_of(&q, "B", 1), true, &outer, err));
    hone_program_fini(&p);
    hone_program_fini(&q);
}

/* A condition that keeps a digit in range must not get lost: 10 = 4 * 3 and 3 < 2 * 2. */
static void blockize_keeps_digits_in_range(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(4, 10, 5));
    for (unsigned at = 1; at < 4; at++) {
        hone_program p = copy_program(&base);
        split_loop(&p, "C", 1, 0, 3);
        split_loop(&p, "C", 2, 0, 2);
        hone_program before = copy_program(&p);
        hone_stmt outer;
        hone_error e;
        hone_status s = hone_prim__blockize(&p, loop_of(&p, "C", at), true, &outer, &e);
        assert_true(s == HONE_OK || s == HONE_REJECT_NOT_AFFINE);
        if (s == HONE_OK)
            check_same(&before, &p);
        hone_program_fini(&p);
        hone_program_fini(&before);
    }
    hone_program_fini(&base);
}

/* What sees whole nests only gets the same program. */
static void flatten(void **state)
{
    (void)state;
    hone_program p = tiled(7, 30, 9), before = copy_program(&p);
    hone_stmt outer;
    assert_false(hone_program_flatten(&p));
    for (unsigned at = 0; at < 6; at++) {
        APPLY(hone_prim__blockize(&p, loop_of(&p, "C", at), true, &outer, err));
        if (at < 4)
            APPLY(hone_prim__blockize(&p, loop_of(&p, "C", 1), true, &outer, err));
        assert_true(hone_program_flatten(&p));
        hone_stmt loops[8];
        assert_int_equal(hone_loops_of(&p, block_of(&p, "C"), loops, 8), 6);
        check_same(&before, &p);
    }
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* The loops outside see the block of statements, what is in it does not see them. */
static void others_cope(void **state)
{
    (void)state;
    hone_program p = tiled(7, 30, 9), before = copy_program(&p);
    hone_stmt outer, ret[2], loops[2];
    APPLY(hone_prim__blockize(&p, loop_of(&p, "C", 4), true, &outer, err));
    /* split, fuse, reorder and unit loops around it */
    split_loop(&p, "C_o", 0, 0, 2);
    check_same(&before, &p);
    split_loop(&p, "C_o", 2, 2, 2);
    check_same(&before, &p);
    loops[0] = loop_of(&p, "C_o", 0);
    loops[1] = loop_of(&p, "C_o", 1);
    APPLY(hone_prim__fuse(&p, loops, 2, ret, err));
    check_same(&before, &p);
    APPLY(hone_prim__add_unit_loop(&p, outer, ret, err));
    check_same(&before, &p);
    /* kinds: rows may run at once, steps of the sum may not */
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "C_o", 0), HONE_PARALLEL, err));
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                   hone_prim__set_loop_kind(&p, loop_of(&p, "C_o", 3), HONE_PARALLEL, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__set_loop_kind(&p, loop_of(&p, "C_o", 4), HONE_VECTORIZED, err));
    /* what would have to look through the block */
    CHECK_REJECTED(
        &p, HONE_REJECT_ARG,
        hone_prim__decompose_reduction(&p, block_of(&p, "C"), loop_of(&p, "C_o", 1), ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C_o", 1),
                                               HONE_LOCAL, ret, err));
    /* a copy of an operand, computed outside of the block */
    APPLY(hone_prim__cache_read(&p, block_of(&p, "C"), 1, HONE_GLOBAL, ret, err));
    check_same(&before, &p);
    APPLY(hone_prim__compute_at(&p, ret[0], loop_of(&p, "C_o", 1), err));
    end_same(&before, &p);
}

static void blockize_round_trip(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(8, 32, 8));
    hone_sched s = {0};
    hone_rv b, l[8], parts[2], outer;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "C", &b, err));
    APPLY(hone_get_loops(&s, b, l, 8, &n, err));
    APPLY(hone_split_by(&s, l[2], (int64_t[]){0, 4}, 2, parts, err));
    APPLY(hone_blockize(&s, parts[1], &outer, err));
    APPLY(hone_get_loops(&s, outer, l, 8, &n, err));
    assert_int_equal(n, 3);
    APPLY(hone_get_loops(&s, b, l, 8, &n, err));
    assert_int_equal(n, 1);
    APPLY(hone_get_child_blocks(&s, outer, &b, 1, &n, err));
    assert_int_equal(n, 1);
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"Blockize\",[\"l5\"],[1],[\"b6\"]]"));
    free(text);
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blockize_effect),
        cmocka_unit_test(blockize_everywhere),
        cmocka_unit_test(blockize_twice),
        cmocka_unit_test(blockize_rejected),
        cmocka_unit_test(blockize_keeps_digits_in_range),
        cmocka_unit_test(flatten),
        cmocka_unit_test(others_cope),
        cmocka_unit_test(blockize_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
