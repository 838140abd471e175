#include "tests/space/trace_test.h"

/* Y[i] = op over k of X[i, k]; `start` is its init, `op` written between two values. */
#define ROWS(M, K, type, start, expr)                          \
    "program rows {\n"                                         \
    "  buffer X: " type "[" #M ", " #K "] input\n"             \
    "  buffer Y: " type "[" #M "] output\n"                    \
    "  for i in " #M " {\n    for k in " #K " {\n"             \
    "      block Y(vi: " #M " = i, reduce vk: " #K " = k) {\n" \
    "        init " start "\n        Y[vi] = " expr "\n      }\n    }\n  }\n}\n"

static void rfactor_effect(void **state)
{
    (void)state;
    hone_program base = load_program(ROWS(3, 37, "f32", "0.0", "Y[vi] + X[vi, vk]"));
    hone_program p = copy_program(&base);
    hone_stmt rf;
    split_loop(&p, "Y", 1, 0, 8);
    APPLY(hone_prim__rfactor(&p, loop_of(&p, "Y", 2), -1, &rf, err));
    assert_true(HONE_SAME(rf, block_of(&p, "Y_rf")));
    check_text(&p,
               "program rows {\n"
               "  buffer X: f32[3, 37] input\n"
               "  buffer Y: f32[3] output\n"
               "  buffer Y.rf: f32[3, 8]\n"
               "  for i in 3 {\n"
               "    for k_0 in 5 {\n"
               "      for k_1 in 8 {\n"
               "        block Y_rf(v0: 3 = i, v1: 8 = k_1, reduce v2: 5 = k_0) {\n"
               "          init 0.0\n"
               "          Y.rf[v0, v1] = Y.rf[v0, v1] + select(v1 + v2*8 < 37, X[v0, v1 + v2*8], "
               "0.0)\n"
               "        }\n"
               "      }\n"
               "    }\n"
               "    for ax0 in 8 {\n"
               "      block Y(vi: 3 = i, reduce vr: 8 = ax0) {\n"
               "        init 0.0\n"
               "        Y[vi] = Y[vi] + Y.rf[vi, vr]\n"
               "      }\n"
               "    }\n"
               "  }\n"
               "}\n");
    check_same(&base, &p);
    /* vectors of partial sums: the block's own reduction again */
    APPLY(hone_prim__rfactor(&p, loop_of(&p, "Y_rf", 1), 0, &rf, err));
    end_same(&base, &p);
}

/* Any combiner and type, each loop, each place of the new dimension; the start is kept once. */
static void rfactor_means_the_same(void **state)
{
    (void)state;
    static const char *const programs[] = {
        ROWS(3, 21, "f32", "0.0", "Y[vi] + X[vi, vk]"),
        ROWS(3, 21, "f32", "7.0", "X[vi, vk] + Y[vi]"),
        ROWS(2, 11, "f64", "f64(1.0)", "Y[vi] * X[vi, vk]"),
        ROWS(3, 21, "f32", "-inf", "max(Y[vi], X[vi, vk])"),
        ROWS(3, 21, "f32", "inf", "min(X[vi, vk], Y[vi])"),
        ROWS(3, 21, "i32", "i32(0)", "Y[vi] + X[vi, vk] * X[vi, vk]"),
        ROWS(3, 21, "i8", "i8(-128)", "max(Y[vi], X[vi, vk])"),
        ROWS(3, 21, "i64", "9223372036854775807", "min(Y[vi], X[vi, vk])"),
        ROWS(3, 21, "u8", "u8(255)", "min(Y[vi], X[vi, vk])"),
        ROWS(3, 21, "bf16", "bf16(0.0)", "Y[vi] + X[vi, vk]"),
        ROWS(1, 1, "f32", "0.0", "Y[vi] + X[vi, vk]"),
    };
    for (unsigned q = 0; q < HONE_LEN(programs); q++) {
        hone_program base = load_program(programs[q]);
        for (int64_t factor = 1; factor <= 32; factor *= 4)
            for (unsigned loop = 1; loop < 3; loop++)
                for (int axis = -2; axis < 2; axis++) {
                    hone_program p = copy_program(&base);
                    hone_stmt rf;
                    split_loop(&p, "Y", 1, 0, factor);
                    hone_stmt at = loop_of(&p, "Y", loop);
                    APPLY(hone_prim__rfactor(&p, at, axis, &rf, err));
                    check_same(&base, &p);
                    hone_program_fini(&p);
                }
        hone_program_fini(&base);
    }
}

/* Elements and steps in one nest, in any order; several loops of the sum; fused and split. */
static void rfactor_in_products(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL(7, 6, 10));
    for (unsigned order = 0; order < 3; order++)
        for (unsigned factored = 0; factored < 2; factored++) {
            hone_program p = copy_program(&base);
            hone_stmt rf, loops[4];
            split_loop(&p, "C", 2, 0, 4); /* i j k0 k1 */
            loops[0] = loop_of(&p, "C", 2);
            loops[1] = loop_of(&p, "C", 3);
            hone_stmt at = loops[factored];
            if (order == 1)
                REORDER(&p, "C", 2, 0, 3, 1);
            if (order == 2)
                REORDER(&p, "C", 0, 3, 2, 1);
            APPLY(hone_prim__rfactor(&p, at, 1, &rf, err));
            check_same(&base, &p);
            hone_program_fini(&p);
        }
    hone_program_fini(&base);
    base = load_program("program norm {\n"
                        "  buffer X: f32[2, 6, 10] input\n"
                        "  buffer Y: f32[2] output\n"
                        "  for b in 2 {\n    for i in 6 {\n      for j in 10 {\n"
                        "        block Y(v: 2 = b, reduce r: 6 = i, reduce s: 10 = j) {\n"
                        "          init 0.0\n"
                        "          Y[v] = Y[v] + X[v, r, s] * X[v, r, s]\n"
                        "        }\n      }\n    }\n  }\n}\n");
    hone_program p = copy_program(&base);
    hone_stmt rf, fused, ij[2] = {loop_of(&p, "Y", 1), loop_of(&p, "Y", 2)};
    APPLY(hone_prim__fuse(&p, ij, 2, &fused, err));
    split_loop(&p, "Y", 1, 0, 8);
    APPLY(hone_prim__rfactor(&p, loop_of(&p, "Y", 2), -1, &rf, err));
    end_same(&base, &p);
}

static void rfactor_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(MATMUL_BIAS_RELU(7, 6, 5));
    hone_stmt rf;
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                   hone_prim__rfactor(&p, loop_of(&p, "C", 1), 0, &rf, err));
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                   hone_prim__rfactor(&p, loop_of(&p, "D", 1), 0, &rf, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__rfactor(&p, loop_of(&p, "C", 2), 3, &rf, err));
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__rfactor(&p, block_of(&p, "C"), 0, &rf, err));
    hone_program_fini(&p);

    /* a bound tiles share: neither of elements nor of steps */
    p = load_program(ROWS(3, 20, "f32", "0.0", "Y[vi] * 0.5 + X[vi, vk]"));
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                   hone_prim__rfactor(&p, loop_of(&p, "Y", 1), 0, &rf, err));
    hone_program_fini(&p);

    /* a sum made anew in each turn of an inner loop */
    p = load_program("program again {\n"
                     "  buffer X: f32[5] input\n  buffer Y: f32[1] output\n"
                     "  for k in 5 {\n    for twice in 2 {\n"
                     "      block Y(v: 1 = 0, reduce w: 5 = k) {\n"
                     "        init 0.0\n        Y[v] = Y[v] + X[w]\n      }\n    }\n  }\n}\n");
    CHECK_REJECTED(&p, HONE_REJECT_REDUCE,
                   hone_prim__rfactor(&p, loop_of(&p, "Y", 0), 0, &rf, err));
    hone_program_fini(&p);

    /* another block among the loops of the sum */
    p = load_program(ROWS(3, 20, "f32", "0.0", "Y[vi] + X[vi, vk]"));
    hone_stmt copy;
    APPLY(hone_prim__cache_read(&p, block_of(&p, "Y"), 0, HONE_GLOBAL, &copy, err));
    split_loop(&p, "Y", 1, 4, 5);
    APPLY(hone_prim__compute_at(&p, copy, loop_of(&p, "Y", 1), err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_CHAIN,
                   hone_prim__rfactor(&p, loop_of(&p, "Y", 2), 0, &rf, err));
    hone_program_fini(&p);
}

/* The nests that come out stand alike, whether the outermost loop of the sum, which loops over
 * elements stand in, has one iteration or several. */
static void rfactor_around_elements(void **state)
{
    (void)state;
    static const int64_t steps[] = {8, 24};
    for (unsigned k = 0; k < HONE_LEN(steps); k++) {
        char *text = hone_xasprintf("program rows {\n"
                                    "  buffer X: f32[3, %d] input\n  buffer Y: f32[3] output\n"
                                    "  for o in 1 {\n    for i in 3 {\n      for k in %d {\n"
                                    "        block Y(v: 3 = i, reduce vk: %d = k) {\n"
                                    "          init 0.0\n          Y[v] = Y[v] + X[v, vk]\n"
                                    "        }\n      }\n    }\n  }\n}\n",
                                    (int)steps[k], (int)steps[k], (int)steps[k]);
        hone_program p = load_program(text), base = copy_program(&p);
        hone_stmt rf, loops[4];
        split_loop(&p, "Y", 2, 0, 8);
        REORDER(&p, "Y", 0, 2, 1, 3); /* o k_0 i k_1 */
        APPLY(hone_prim__rfactor(&p, loop_of(&p, "Y", 3), -1, &rf, err));
        assert_int_equal(hone_loops_of(&p, rf, loops, 4), 4);
        assert_int_equal(hone_loops_of(&p, block_of(&p, "Y"), loops, 4), 2);
        end_same(&base, &p);
        free(text);
    }
}

static void rfactor_round_trip(void **state)
{
    (void)state;
    hone_program base = load_program(ROWS(3, 37, "f32", "0.0", "Y[vi] + X[vi, vk]"));
    hone_sched s = {0};
    hone_rv y, l[2], parts[2], rf;
    hone_error e, *err = &e;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    assert_int_equal(hone_get_block(&s, "Y", &y, err), HONE_OK);
    assert_int_equal(hone_get_loops(&s, y, l, 2, &n, err), HONE_OK);
    assert_int_equal(hone_split_by(&s, l[1], (int64_t[]){0, 8}, 2, parts, err), HONE_OK);
    assert_int_equal(hone_rfactor(&s, parts[1], -1, &rf, err), HONE_OK);
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"RFactor\",[\"l4\"],[-1],[\"b5\"]]"));
    free(text);
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfactor_effect),          cmocka_unit_test(rfactor_means_the_same),
        cmocka_unit_test(rfactor_in_products),     cmocka_unit_test(rfactor_rejected),
        cmocka_unit_test(rfactor_around_elements), cmocka_unit_test(rfactor_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
