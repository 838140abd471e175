/* pad_einsum, decompose_padding, transform_block_layout. */
#include "tests/space/trace_test.h"

#define GET(block, k) "[\"GetBlock\",[],[\"" block "\",\"main\"],[\"b" #k "\"]]"

static void pad_effect(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(5, 7, 3));
    hone_sched s = {0};
    replay_text(&base, "[[" GET("C", 0) ",[\"PadEinsum\",[\"b0\"],[[4,1,4]],[]]],[]]", &s);
    check_text(&s.prog, "program matmul {\n"
                        "  buffer A: f32[5, 3] input\n"
                        "  buffer B: f32[3, 7] input\n"
                        "  buffer C: f32[5, 7] output\n"
                        "  buffer A_pad: f32[8, 4]\n"
                        "  buffer B_pad: f32[4, 7]\n"
                        "  buffer C_pad: f32[8, 7]\n"
                        "  for ax0 in 8 {\n"
                        "    for ax1 in 4 {\n"
                        "      block A_pad(v0: 8 = ax0, v1: 4 = ax1) {\n"
                        "        A_pad[v0, v1] = select(v0 < 5 and v1 < 3, A[v0, v1], 0.0)\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "  for ax0_1 in 4 {\n"
                        "    for ax1_1 in 7 {\n"
                        "      block B_pad(v0: 4 = ax0_1, v1: 7 = ax1_1) {\n"
                        "        B_pad[v0, v1] = select(v0 < 3, B[v0, v1], 0.0)\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "  for i in 8 {\n"
                        "    for j in 7 {\n"
                        "      for k in 4 {\n"
                        "        block C(vi: 8 = i, vj: 7 = j, reduce vk: 4 = k) {\n"
                        "          init 0.0\n"
                        "          C_pad[vi, vj] = C_pad[vi, vj] + A_pad[vi, vk] * B_pad[vk, vj]\n"
                        "        }\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "  for ax0_2 in 5 {\n"
                        "    for ax1_2 in 7 {\n"
                        "      block C_pad(v0: 5 = ax0_2, v1: 7 = ax1_2) {\n"
                        "        C[v0, v1] = C_pad[v0, v1]\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

/* The padded sum is tiled without a remainder, its padding is placed, decomposed and inlined. */
static void pad_then_schedule(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(5, 7, 3)), before = copy_program(&p);
    hone_stmt fill, i = loop_of(&p, "C", 0);
    APPLY(hone_prim__pad_einsum(&p, block_of(&p, "C"), (int64_t[]){4, 8, 2}, 3, err));
    check_same(&before, &p);
    assert_int_equal(hone_loop_extent(&p, i), 8); /* the loops are still the same */
    split_loop(&p, "C", 0, 2, 4);
    assert_int_equal(hone_stmt_at(&p, block_of(&p, "C"))->where.i, 0);
    APPLY(hone_prim__compute_at(&p, block_of(&p, "A_pad"), loop_of(&p, "C", 0), err));
    check_same(&before, &p);
    APPLY(hone_prim__decompose_padding(&p, block_of(&p, "B_pad"), loop_of(&p, "B_pad", 0), &fill,
                                       err));
    end_same(&before, &p);
}

/* What pads a sum changes nothing in it: neither for greatest and least elements, nor for integers.
 */
static void pad_neutral(void **state)
{
    (void)state;
    static const char *const form = "program r {\n"
                                    "  buffer X: %s[5, 7] input\n"
                                    "  buffer Y: %s[5] output\n"
                                    "  for i in 5 {\n"
                                    "    for k in 7 {\n"
                                    "      block Y(v: 5 = i, reduce r: 7 = k) {\n"
                                    "        init %s\n"
                                    "        Y[v] = %s\n"
                                    "      }\n    }\n  }\n}\n";
    static const struct {
        const char *in, *out, *init, *value, *pad;
        hone_status status;
    } cases[] = {
        {"f32", "f32", "0.0", "Y[v] + X[v, r]", "0.0", HONE_OK},
        {"f32", "f32", "1.0", "Y[v] * X[v, r]", "1.0", HONE_OK},
        {"f32", "f32", "-inf", "max(Y[v], X[v, r])", "-inf", HONE_OK},
        {"f32", "f32", "inf", "min(Y[v], X[v, r])", "inf", HONE_OK},
        {"i8", "i8", "i8(-128)", "max(Y[v], X[v, r])", "i8(-128)", HONE_OK},
        {"u8", "u8", "u8(255)", "min(Y[v], X[v, r])", "u8(255)", HONE_OK},
        {"i32", "i32", "i32(2147483647)", "min(Y[v], X[v, r])", "i32(2147483647)", HONE_OK},
        {"i64", "i64", "0", "max(Y[v], X[v, r])", NULL, HONE_REJECT_ARG},
        {"i8", "i32", "i32(0)", "Y[v] + i32(X[v, r]) * i32(X[v, r])", "i8(0)", HONE_OK},
        {"f32", "f32", "0.0", "Y[v] + abs(X[v, r])", NULL, HONE_REJECT_ARG},
        {"f32", "f32", "0.0", "max(Y[v], X[v, r] * X[v, r])", NULL, HONE_REJECT_ARG},
        {"f32", "f32", "0.0", "Y[v] + X[v, 6 - r]", NULL, HONE_REJECT_NOT_AFFINE},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        char text[600];
        snprintf(text, sizeof text, form, cases[k].in, cases[k].out, cases[k].init, cases[k].value);
        hone_program p = load_program(text), before = copy_program(&p);
        if (cases[k].status != HONE_OK) {
            CHECK_REJECTED(&p, cases[k].status,
                           hone_prim__pad_einsum(&p, block_of(&p, "Y"), (int64_t[]){4, 4}, 2, err));
        } else {
            char want[64];
            APPLY(hone_prim__pad_einsum(&p, block_of(&p, "Y"), (int64_t[]){4, 4}, 2, err));
            char *got = program_text(&p);
            snprintf(want, sizeof want, "X[v0, v1], %s)", cases[k].pad);
            if (!strstr(got, want))
                fail_msg("%s is not in\n%s", want, got);
            free(got);
        }
        check_same(&before, &p);
        hone_program_fini(&p);
        hone_program_fini(&before);
    }
}

#define TAPS                                                                          \
    "program taps {\n  buffer X: f32[9, 3] input\n  buffer F: f32[2, 3, 4] input\n"   \
    "  buffer Y: f32[4, 4] output\n"                                                  \
    "  for x in 4 {\n    for f in 4 {\n      for s in 2 {\n        for c in 3 {\n"    \
    "          block Y(vx: 4 = x, vf: 4 = f, reduce vs: 2 = s, reduce vc: 3 = c) {\n" \
    "            init 0.0\n"                                                          \
    "            Y[vx, vf] = Y[vx, vf] + X[vx*2 + vs, vc] * F[vs, vc, vf]\n"          \
    "          }\n        }\n      }\n    }\n  }\n}\n"

/* Other indices may be anything: that dimension is copied as it is. */
static void pad_channels(void **state)
{
    (void)state;
    hone_program base = load_program(TAPS);
    hone_sched s = {0};
    replay_text(&base, "[[" GET("Y", 0) ",[\"PadEinsum\",[\"b0\"],[[1,1,1,4]],[]]],[]]", &s);
    check_text(&s.prog, "program taps {\n"
                        "  buffer X: f32[9, 3] input\n"
                        "  buffer F: f32[2, 3, 4] input\n"
                        "  buffer Y: f32[4, 4] output\n"
                        "  buffer X_pad: f32[9, 4]\n"
                        "  buffer F_pad: f32[2, 4, 4]\n"
                        "  for ax0 in 9 {\n"
                        "    for ax1 in 4 {\n"
                        "      block X_pad(v0: 9 = ax0, v1: 4 = ax1) {\n"
                        "        X_pad[v0, v1] = select(v1 < 3, X[v0, v1], 0.0)\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "  for ax0_1 in 2 {\n"
                        "    for ax1_1 in 4 {\n"
                        "      for ax2 in 4 {\n"
                        "        block F_pad(v0: 2 = ax0_1, v1: 4 = ax1_1, v2: 4 = ax2) {\n"
                        "          F_pad[v0, v1, v2] = select(v1 < 3, F[v0, v1, v2], 0.0)\n"
                        "        }\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "  for x in 4 {\n"
                        "    for f in 4 {\n"
                        "      for s in 2 {\n"
                        "        for c in 4 {\n"
                        "          block Y(vx: 4 = x, vf: 4 = f, reduce vs: 2 = s, reduce vc: 4 = "
                        "c) {\n"
                        "            init 0.0\n"
                        "            Y[vx, vf] = Y[vx, vf] + X_pad[vx*2 + vs, vc] * F_pad[vs, vc, "
                        "vf]\n"
                        "          }\n"
                        "        }\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    check_same(&base, &s.prog);
    hone_sched_fini(&s);
    /* x and s are indices together */
    for (unsigned k = 0; k < 3; k += 2) {
        int64_t padding[] = {1, 1, 1, 1};
        padding[k] = 8;
        CHECK_REJECTED(&base, HONE_REJECT_NOT_AFFINE,
                       hone_prim__pad_einsum(&base, block_of(&base, "Y"), padding, 4, err));
    }
    hone_program_fini(&base);
}

static void pad_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(5, 7, 3));
    hone_stmt ret;
    hone_stmt c = block_of(&p, "C");
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__pad_einsum(&p, c, (int64_t[]){4, 4}, 2, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__pad_einsum(&p, c, (int64_t[]){4, 0, 1}, 3, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__pad_einsum(&p, block_of(&p, "S"), (int64_t[]){4, 4}, 2, err));
    CHECK_REJECTED(&p, HONE_REJECT_TOO_BIG,
                   hone_prim__pad_einsum(&p, c, (int64_t[]){1, 1 << 30, 1 << 30}, 3, err));
    APPLY(hone_prim__decompose_reduction(&p, c, loop_of(&p, "C", 2), &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__pad_einsum(&p, c, (int64_t[]){4, 4, 4}, 3, err));
    hone_program_fini(&p);
    p = load_program(MATMUL(5, 7, 3));
    split_loop(&p, "C", 0, 0, 2);
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__pad_einsum(&p, block_of(&p, "C"), (int64_t[]){4, 4, 4}, 3, err));
    hone_program_fini(&p);
    /* B is not padded along k: times an infinity of its own, 0 would not be neutral */
    p = load_program("program s {\n"
                     "  buffer A: f32[5, 3] input\n"
                     "  buffer B: f32[5] input\n"
                     "  buffer C: f32[5] output\n"
                     "  for i in 5 {\n"
                     "    for k in 3 {\n"
                     "      block C(vi: 5 = i, reduce vk: 3 = k) {\n"
                     "        init 0.0\n"
                     "        C[vi] = C[vi] + A[vi, vk] * B[vi]\n"
                     "      }\n    }\n  }\n}\n");
    CHECK_REJECTED(&p, HONE_REJECT_NOT_AFFINE,
                   hone_prim__pad_einsum(&p, block_of(&p, "C"), (int64_t[]){1, 4}, 2, err));
    APPLY(hone_prim__pad_einsum(&p, block_of(&p, "C"), (int64_t[]){4, 1}, 2, err));
    hone_program_fini(&p);
    /* an attribute that is no list */
    hone_program base = load_program(MATMUL(5, 7, 3));
    hone_trace t = trace_of("[[" GET("C", 0) ",[\"PadEinsum\",[\"b0\"],[4],[]]],[]]");
    hone_sched s = {0};
    assert_int_equal(hone_trace_replay(&t, &base, &s, NULL, false, NULL), HONE_E_INPUT);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void padding_effect(void **state)
{
    (void)state;
    hone_program base = load_program(STENCIL);
    hone_sched s = {0};
    replay_text(&base,
                "[[" GET("T", 0) ",[\"GetLoops\",[\"b0\"],[],[\"l1\"]],"
                                 "[\"DecomposePadding\",[\"b0\",\"l1\"],[],[\"b2\"]],"
                                 "[\"Vectorize\",[\"l1\"],[],[]]],[]]",
                &s);
    assert_true(HONE_SAME(hone_rv_stmt(&s, (hone_rv){3}), block_of(&s.prog, "T_pad_const")));
    check_text(&s.prog, "program stencil {\n"
                        "  buffer X: f32[19] input\n"
                        "  buffer Y: f32[19] output\n"
                        "  buffer T: f32[21]\n"
                        "  for ax0 in 21 {\n"
                        "    block T_pad_const(v0: 21 = ax0) {\n"
                        "      T[v0] = 0.0\n"
                        "    }\n"
                        "  }\n"
                        "  for i in 19 vectorized {\n"
                        "    block T(v: 21 = i + 1) {\n"
                        "      T[v] = X[v - 1]\n"
                        "    }\n"
                        "  }\n"
                        "  for i_1 in 19 {\n"
                        "    for k in 3 {\n"
                        "      block Y(v: 19 = i_1, reduce r: 3 = k) {\n"
                        "        init 0.0\n"
                        "        Y[v] = Y[v] + T[v + r]\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

#define PADDED                                                                                  \
    "program pad {\n"                                                                           \
    "  buffer X: f32[6, 5] input\n"                                                             \
    "  buffer Y: f32[9, 8] output\n"                                                            \
    "  for i in 9 {\n"                                                                          \
    "    for j in 8 {\n"                                                                        \
    "      block Y(vi: 9 = i, vj: 8 = j) {\n"                                                   \
    "        Y[vi, vj] = select(1 <= vi and vi < 7 and (2 <= vj and vj < 7), X[vi - 1, vj - 2]" \
    ", 3.0)\n"                                                                                  \
    "      }\n    }\n  }\n}\n"

/* Loops that are still the iterators are cut, for the others the condition becomes a predicate. */
static void padding_of_split_loops(void **state)
{
    (void)state;
    hone_program base = load_program(PADDED);
    for (unsigned k = 0; k < 6; k++) {
        hone_program p = copy_program(&base);
        hone_stmt fill;
        if (k % 3 == 1)
            split_loop(&p, "Y", 1, 0, 3);
        if (k % 3 == 2)
            split_loop(&p, "Y", 0, 0, 4);
        unsigned at = k / 3;
        APPLY(
            hone_prim__decompose_padding(&p, block_of(&p, "Y"), loop_of(&p, "Y", at), &fill, err));
        check_same(&base, &p);
        if (k == 0) {
            assert_int_equal(hone_loop_extent(&p, loop_of(&p, "Y", 0)), 6);
            assert_int_equal(hone_loop_extent(&p, loop_of(&p, "Y", 1)), 5);
            assert_int_equal(hone_stmt_at(&p, block_of(&p, "Y"))->where.i, 0);
        }
        hone_program_fini(&p);
    }
    hone_program_fini(&base);
}

static void padding_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(STENCIL);
    hone_stmt ret;
    hone_stmt t = block_of(&p, "T"), y = block_of(&p, "Y");
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__decompose_padding(&p, y, loop_of(&p, "Y", 0), &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__decompose_padding(&p, t, loop_of(&p, "Y", 0), &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__decompose_padding(&p, t, t, &ret, err));
    /* Inside the consumer's loop its reads would see the fill of the next window. */
    APPLY(hone_prim__compute_at(&p, t, loop_of(&p, "Y", 0), err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__decompose_padding(&p, t, loop_of(&p, "T", 0), &ret, err));
    APPLY(hone_prim__decompose_padding(&p, t, loop_of(&p, "T", 1), &ret, err));
    hone_program before = load_program(STENCIL);
    check_same(&before, &p);
    hone_program_fini(&before);
    hone_program_fini(&p);
}

static void block_layout_effect(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(6, 5, 4));
    hone_sched s = {0};
    replay_text(&base,
                "[[" GET("C", 0) ",[\"TransformBlockLayout\",[\"b0\"],"
                                 "[\"lambda i, j, k: (k // 2, j, i // 4, i % 4, k % 2)\"],[]]],[]]",
                &s);
    check_text(&s.prog,
               "program matmul {\n"
               "  buffer A: f32[6, 4] input\n"
               "  buffer B: f32[4, 5] input\n"
               "  buffer C: f32[6, 5] output\n"
               "  for ax0 in 2 {\n"
               "    for ax1 in 5 {\n"
               "      for ax2 in 2 {\n"
               "        for ax3 in 4 {\n"
               "          for ax4 in 2 {\n"
               "            block C(reduce v0: 2 = ax0, v1: 5 = ax1, v2: 2 = ax2, v3: 4 = ax3, "
               "reduce v4: 2 = ax4) where ax2*4 + ax3 < 6 {\n"
               "              init 0.0\n"
               "              C[v2*4 + v3, v1] = C[v2*4 + v3, v1] + A[v2*4 + v3, v0*2 + v4] * "
               "B[v0*2 + v4, v1]\n"
               "            }\n"
               "          }\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "  }\n"
               "}\n");
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void block_layout_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL(6, 5, 4));
    hone_stmt c = block_of(&p, "C");
    static const char *const not_layouts[] = {
        "lambda i, j: (i, j)", "lambda i, j, k: (i, j, k // 2)", "lambda i, j, k: (i + j, j, k)",
        "lambda i, j, k: (i, j, k % 3, k // 4)"};
    for (unsigned k = 0; k < HONE_LEN(not_layouts); k++)
        CHECK_REJECTED(&p, HONE_REJECT_LAYOUT,
                       hone_prim__transform_block_layout(&p, c, not_layouts[k], err));
    CHECK_REJECTED(&p, HONE_E_INPUT,
                   hone_prim__transform_block_layout(&p, c, "{\"root\": 1}", err));
    split_loop(&p, "C", 0, 3, 2);
    CHECK_REJECTED(&p, HONE_REJECT_LAYOUT,
                   hone_prim__transform_block_layout(&p, c, "lambda i, j, k: (i, j, k)", err));
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pad_effect),
        cmocka_unit_test(pad_then_schedule),
        cmocka_unit_test(pad_neutral),
        cmocka_unit_test(pad_channels),
        cmocka_unit_test(pad_rejected),
        cmocka_unit_test(padding_effect),
        cmocka_unit_test(padding_of_split_loops),
        cmocka_unit_test(padding_rejected),
        cmocka_unit_test(block_layout_effect),
        cmocka_unit_test(block_layout_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
