#include "tests/space/prim_test.h"

#include <math.h>

static void compute_inline_effect(void **state)
{
    (void)state;
    hone_program p = load_program(STENCIL), before = copy_program(&p);
    assert_true(hone_prim__can_inline(&p, block_of(&p, "T")));
    APPLY(hone_prim__compute_inline(&p, block_of(&p, "T"), err));
    check_text(&p, "program stencil {\n"
                   "  buffer X: f32[19] input\n"
                   "  buffer Y: f32[19] output\n"
                   "  for i_1 in 19 {\n"
                   "    for k in 3 {\n"
                   "      block Y(v: 19 = i_1, reduce r: 3 = k) {\n"
                   "        init 0.0\n"
                   "        Y[v] = Y[v] + select(0 < v + r and v + r < 20, X[v + r - 1], 0.0)\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    end_same(&before, &p);
}

/* A chain, and an imperfectly split nest whose guard means nothing to the consumers. */
static void compute_inline_of_split_nest(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 6, 5)), before = copy_program(&p);
    split_loop(&p, "S", 0, 0, 4);
    split_loop(&p, "D", 1, 0, 4);
    APPLY(hone_prim__compute_inline(&p, block_of(&p, "S"), err));
    assert_false(hone_block_find(&p, "S").i);
    end_same(&before, &p);
}

/* A store in 16 bits rounds, also when nothing is stored any more. */
static void compute_inline_rounds(void **state)
{
    (void)state;
    for (int reverse = 0; reverse < 2; reverse++) {
        hone_program p = load_program(
            "program over { buffer X: f16[4] input buffer Y: f16[4] output buffer T: f16[4]\n"
            "for i in 4 { block T(v: 4 = i) { T[v] = X[v] * X[v] } }\n"
            "for i in 4 { block Y(v: 4 = i) { Y[v] = T[v] * 0.0078125 } } }");
        hone_program before = copy_program(&p);
        if (reverse)
            APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "Y"), err));
        else
            APPLY(hone_prim__compute_inline(&p, block_of(&p, "T"), err));
        char *text = program_text(&p);
        assert_non_null(strstr(text, "Y[v] = f16(X[v] * X[v]) * "));
        free(text);
        uint16_t x[4], y[4];
        for (int k = 0; k < 4; k++) /* 300 * 300 is beyond f16 */
            hone_elem_set(HONE_F16, x, k, k ? 300 : 2);
        void *args[] = {x, y};
        assert_int_equal(hone_interp_run(&p, args, NULL), HONE_OK);
        assert_true(isinf(hone_elem_get(HONE_F16, y, 1)));
        assert_true(hone_elem_get(HONE_F16, y, 0) == 0.03125);
        end_same(&before, &p);
    }
}

static void compute_inline_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 4, 5));
    /* A sum; an output; an input that is computed in the block's own nest. */
    CHECK_REJECTED(&p, HONE_REJECT_INLINE, hone_prim__compute_inline(&p, block_of(&p, "C"), err));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE, hone_prim__compute_inline(&p, block_of(&p, "D"), err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__compute_inline(&p, p.root, err));
    APPLY(hone_prim__compute_at(&p, block_of(&p, "C"), loop_of(&p, "S", 0), err));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE, hone_prim__compute_inline(&p, block_of(&p, "S"), err));
    assert_false(hone_prim__can_inline(&p, block_of(&p, "S")));
    hone_program_fini(&p);
}

static void reverse_inline_effect(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 6, 5)), before = copy_program(&p);
    split_loop(&p, "S", 0, 0, 4);
    APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "D"), err));
    check_text(&p,
               "program mbr {\n"
               "  buffer A: f32[7, 5] input\n"
               "  buffer B: f32[5, 6] input\n"
               "  buffer bias: f32[6] input\n"
               "  buffer D: f32[7, 6] output\n"
               "  buffer C: f32[7, 6]\n"
               "  for i in 7 {\n"
               "    for j in 6 {\n"
               "      for k in 5 {\n"
               "        block C(vi: 7 = i, vj: 6 = j, reduce vk: 5 = k) {\n"
               "          init 0.0\n"
               "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "  }\n"
               "  for i_1_0 in 2 {\n"
               "    for i_1_1 in 4 {\n"
               "      for j_1 in 6 {\n"
               "        block S(vi: 7 = i_1_0*4 + i_1_1, vj: 6 = j_1) where i_1_0*4 + i_1_1 < 7 {\n"
               "          D[vi, vj] = max(C[vi, vj] + bias[vj], 0.0)\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "  }\n"
               "}\n");
    end_same(&before, &p);
}

/* An epilogue folded into the block that stores the tile of a whole sum. */
static void reverse_inline_into_store(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 6, 5)), before = copy_program(&p);
    hone_stmt ret[2];
    split_loop(&p, "C", 0, 0, 3);
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", 0), HONE_LOCAL, ret,
                                      err));
    APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "S"), err));
    APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "D"), err));
    assert_string_equal(hone_sym_text(&p, hone_buffer_at(&p, hone_stmt_at(&p, ret[1])->out)->name),
                        "D");
    end_same(&before, &p);
}

/* What reads a part of its input leaves the rest uncomputed. */
static void reverse_inline_of_a_part(void **state)
{
    (void)state;
    hone_program p = load_program("program part {\n"
                                  "  buffer X: f32[6, 8] input\n"
                                  "  buffer Y: f32[5, 8] output\n"
                                  "  buffer T: f32[6, 8]\n"
                                  "  for i in 6 {\n"
                                  "    for j in 8 {\n"
                                  "      block T(v: 6 = i, w: 8 = j) {\n"
                                  "        T[v, w] = X[v, w] + 1.0\n"
                                  "      }\n    }\n  }\n"
                                  "  for i_1 in 5 {\n"
                                  "    for j_1 in 8 {\n"
                                  "      block Y(v: 5 = i_1, w: 8 = j_1) {\n"
                                  "        Y[v, w] = T[v, w] * 2.0\n"
                                  "      }\n    }\n  }\n}\n"),
                 before = copy_program(&p);
    split_loop(&p, "T", 0, 0, 4);
    APPLY(hone_prim__reverse_compute_inline(&p, block_of(&p, "Y"), err));
    check_text(&p, "program part {\n"
                   "  buffer X: f32[6, 8] input\n"
                   "  buffer Y: f32[5, 8] output\n"
                   "  for i_0 in 2 {\n"
                   "    for i_1 in 4 {\n"
                   "      for j in 8 {\n"
                   "        block T(v: 6 = i_0*4 + i_1, w: 8 = j) where i_0*4 + i_1 < 6 and "
                   "i_0*4 + i_1 < 5 {\n"
                   "          Y[v, w] = (X[v, w] + 1.0) * 2.0\n"
                   "        }\n      }\n    }\n  }\n}\n");
    end_same(&before, &p);
}

static void reverse_inline_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(6, 4, 5));
    hone_stmt ret[2];
    /* Into a sum; a sum itself; a stencil; nothing computed. */
    CHECK_REJECTED(&p, HONE_REJECT_INLINE,
                   hone_prim__reverse_compute_inline(&p, block_of(&p, "S"), err));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE,
                   hone_prim__reverse_compute_inline(&p, block_of(&p, "C"), err));
    /* Into the store of a sum that is not complete: relu would be applied to its parts. */
    split_loop(&p, "C", 2, 0, 2);
    REORDER(&p, "C", 2, 0, 1, 3);
    APPLY(hone_prim__cache_accumulate(&p, block_of(&p, "C"), loop_of(&p, "C", 1), HONE_LOCAL, ret,
                                      err));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE,
                   hone_prim__reverse_compute_inline(&p, block_of(&p, "S"), err));
    hone_program_fini(&p);
    p = load_program(STENCIL);
    CHECK_REJECTED(&p, HONE_REJECT_INLINE,
                   hone_prim__reverse_compute_inline(&p, block_of(&p, "Y"), err));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE,
                   hone_prim__reverse_compute_inline(&p, block_of(&p, "T"), err));
    hone_program_fini(&p);
}

/* Two consumers of one input: neither may take it away from the other. */
static void reverse_inline_needs_the_only_consumer(void **state)
{
    (void)state;
    hone_program p = load_program("program two {\n"
                                  "  buffer X: f32[6] input\n"
                                  "  buffer Y: f32[6] output\n"
                                  "  buffer Z: f32[6] output\n"
                                  "  buffer T: f32[6]\n"
                                  "  for i in 6 {\n"
                                  "    block T(v: 6 = i) {\n"
                                  "      T[v] = X[v] + 1.0\n"
                                  "    }\n  }\n"
                                  "  for i_1 in 6 {\n"
                                  "    block Y(v: 6 = i_1) {\n"
                                  "      Y[v] = T[v] * 2.0\n"
                                  "    }\n  }\n"
                                  "  for i_2 in 6 {\n"
                                  "    block Z(v: 6 = i_2) {\n"
                                  "      Z[v] = T[v] * 3.0\n"
                                  "    }\n  }\n}\n"),
                 before = copy_program(&p);
    CHECK_REJECTED(&p, HONE_REJECT_INLINE,
                   hone_prim__reverse_compute_inline(&p, block_of(&p, "Z"), err));
    APPLY(hone_prim__compute_inline(&p, block_of(&p, "T"), err));
    end_same(&before, &p);
}

/* A sum still reads the element it stores, also along dimensions of one element. */
static void inline_into_a_sum(void **state)
{
    (void)state;
    hone_program p = load_program("program sums {\n"
                                  "  buffer X: f32[1, 4, 6] input\n"
                                  "  buffer Y: f32[1, 4] output\n"
                                  "  buffer T: f32[1, 4, 6]\n"
                                  "  for n in 1 {\n    for i in 4 {\n      for k in 6 {\n"
                                  "        block T(a: 1 = n, b: 4 = i, c: 6 = k) {\n"
                                  "          T[a, b, c] = select(0 < c, X[a, b, c - 1], 0.0)\n"
                                  "        }\n      }\n    }\n  }\n"
                                  "  for n_1 in 1 {\n    for i_1 in 4 {\n      for k_1 in 6 {\n"
                                  "        block Y(a: 1 = n_1, b: 4 = i_1, reduce c: 6 = k_1) {\n"
                                  "          init 0.0\n"
                                  "          Y[a, b] = Y[a, b] + T[a, b, c]\n"
                                  "        }\n      }\n    }\n  }\n}\n"),
                 before = copy_program(&p);
    hone_op op;
    hone_expr operand;
    APPLY(hone_prim__compute_inline(&p, block_of(&p, "T"), err));
    assert_true(hone_block_reduction(&p, block_of(&p, "Y"), &op, &operand));
    end_same(&before, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compute_inline_effect),
        cmocka_unit_test(compute_inline_of_split_nest),
        cmocka_unit_test(compute_inline_rounds),
        cmocka_unit_test(compute_inline_rejected),
        cmocka_unit_test(reverse_inline_effect),
        cmocka_unit_test(reverse_inline_into_store),
        cmocka_unit_test(reverse_inline_of_a_part),
        cmocka_unit_test(reverse_inline_rejected),
        cmocka_unit_test(inline_into_a_sum),
        cmocka_unit_test(reverse_inline_needs_the_only_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
