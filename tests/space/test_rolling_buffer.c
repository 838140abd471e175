/* rolling_buffer. */
#include "tests/space/trace_test.h"

#define GET(block, k) "[\"GetBlock\",[],[\"" block "\",\"main\"],[\"b" #k "\"]]"

/* A window of three over a stage of its own, with a stride. */
#define WINDOW(N, M, read)                                \
    "program window {\n"                                  \
    "  buffer X: f32[" #M "] input\n"                     \
    "  buffer Y: f32[" #N "] output\n"                    \
    "  buffer T: f32[" #M "]\n"                           \
    "  for i in " #M " {\n"                               \
    "    block T(v: " #M " = i) {\n"                      \
    "      T[v] = X[v] * X[v]\n"                          \
    "    }\n  }\n"                                        \
    "  for i_1 in " #N " {\n"                             \
    "    for k in 3 {\n"                                  \
    "      block Y(v: " #N " = i_1, reduce r: 3 = k) {\n" \
    "        init 0.0\n"                                  \
    "        Y[v] = Y[v] + T[" read "]\n"                 \
    "      }\n    }\n  }\n}\n"

/* Two convolution-like stages in two dimensions; T is a sum itself. */
#define TWO_CONVS                                                                             \
    "program convs {\n"                                                                       \
    "  buffer X: f32[12, 13] input\n"                                                         \
    "  buffer Y: f32[8, 9] output\n"                                                          \
    "  buffer T: f32[10, 11]\n"                                                               \
    "  for i in 10 {\n"                                                                       \
    "    for j in 11 {\n"                                                                     \
    "      for r in 3 {\n"                                                                    \
    "        for q in 3 {\n"                                                                  \
    "          block T(vi: 10 = i, vj: 11 = j, reduce vr: 3 = r, reduce vq: 3 = q) {\n"       \
    "            init 0.0\n"                                                                  \
    "            T[vi, vj] = T[vi, vj] + X[vi + vr, vj + vq]\n"                               \
    "          }\n        }\n      }\n    }\n  }\n"                                           \
    "  for i_1 in 8 {\n"                                                                      \
    "    for j_1 in 9 {\n"                                                                    \
    "      for r_1 in 3 {\n"                                                                  \
    "        for q_1 in 3 {\n"                                                                \
    "          block Y(vi: 8 = i_1, vj: 9 = j_1, reduce vr: 3 = r_1, reduce vq: 3 = q_1) {\n" \
    "            init 0.0\n"                                                                  \
    "            Y[vi, vj] = Y[vi, vj] + T[vi + vr, vj + vq]\n"                               \
    "          }\n        }\n      }\n    }\n  }\n}\n"

static void rolling_effect(void **state)
{
    (void)state;
    hone_program base = load_program(WINDOW(8, 10, "v + r"));
    hone_sched s = {0};
    replay_text(&base,
                "[[" GET("T", 0) "," GET("Y", 1) ",[\"GetLoops\",[\"b1\"],[],[\"l2\",\"l3\"]],"
                                                 "[\"ComputeAt\",[\"b0\",\"l2\"],[1,-1],[]],"
                                                 "[\"RollingBuffer\",[\"b0\"],[0],[]]],[]]",
                &s);
    check_text(&s.prog, "program window {\n"
                        "  buffer X: f32[10] input\n"
                        "  buffer Y: f32[8] output\n"
                        "  buffer T: f32[3]\n"
                        "  for i_1 in 8 {\n"
                        "    for ax0 in 3 {\n"
                        "      block T(v: 10 = i_1 + ax0) where i_1 == 0 or 1 < ax0 {\n"
                        "        T[v % 3] = X[v] * X[v]\n"
                        "      }\n"
                        "    }\n"
                        "    for k in 3 {\n"
                        "      block Y(v: 8 = i_1, reduce r: 3 = k) {\n"
                        "        init 0.0\n"
                        "        Y[v] = Y[v] + T[(v + r) % 3]\n"
                        "      }\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

/* How often a block runs: its predicate over all values of its loops. */
static double runs_of(const hone_program *p, const char *block)
{
    hone_program q = copy_program(p);
    hone_stmt s = block_of(&q, block);
    double runs = 0;
    hone_stmt loops[16];
    hone_var vars[16];
    int64_t at[16] = {0};
    unsigned n = hone_loops_of(&q, s, loops, 16);
    for (unsigned k = 0; k < n; k++)
        vars[k] = hone_stmt_at(&q, loops[k])->var;
    for (;;) {
        hone_expr to[16], where = hone_stmt_at(&q, s)->where;
        int64_t truth = 1;
        for (unsigned k = 0; k < n; k++)
            to[k] = hone_int(&q, at[k]);
        if (where.i)
            assert_true(hone_is_int(&q, hone_simplify(&q, hone_substitute(&q, where, vars, to, n)),
                                    &truth));
        runs += truth != 0;
        unsigned k = n;
        while (k > 0 && ++at[k - 1] == hone_var_at(&q, vars[k - 1])->extent)
            at[--k] = 0;
        if (k == 0)
            break;
    }
    hone_program_fini(&q);
    return runs;
}

/* Every element is computed once. */
static void rolling_two_dimensions(void **state)
{
    (void)state;
    hone_program p = load_program(TWO_CONVS), before = copy_program(&p);
    hone_stmt loops[4];
    APPLY(hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 0), err));
    assert_true(runs_of(&p, "T") == 8 * 3 * 11 * 9);
    APPLY(hone_prim__rolling_buffer(&p, block_of(&p, "T"), err));
    check_same(&before, &p);
    assert_int_equal(hone_buffer_at(&p, hone_buffer_find(&p, "T"))->shape[0], 3);
    assert_int_equal(hone_buffer_at(&p, hone_buffer_find(&p, "T"))->shape[1], 11);
    assert_true(runs_of(&p, "T") == 10 * 11 * 9);
    /* what it leaves behind can be scheduled further */
    hone_stmt outer = loop_of(&p, "Y", 0);
    APPLY(hone_prim__split(&p, outer, (int64_t[]){0, 3}, 2, loops, err));
    check_same(&before, &p);
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__set_loop_kind(&p, loops[0], HONE_PARALLEL, err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__reorder(&p, (hone_stmt[]){loops[1], loops[0]}, 2, err));
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY, hone_prim__bind(&p, loops[1], "threadIdx.x", err));
    APPLY(hone_prim__set_loop_kind(&p, loops[1], HONE_UNROLLED, err));
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 2), HONE_PARALLEL, err));
    check_same(&before, &p);
    hone_program_fini(&p);

    /* inside the loop over columns it is they that roll */
    p = copy_program(&before);
    APPLY(hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 1), err));
    APPLY(hone_prim__rolling_buffer(&p, block_of(&p, "T"), err));
    check_same(&before, &p);
    assert_int_equal(hone_buffer_at(&p, hone_buffer_find(&p, "T"))->shape[0], 10);
    assert_int_equal(hone_buffer_at(&p, hone_buffer_find(&p, "T"))->shape[1], 3);
    assert_true(runs_of(&p, "T") == 8 * 3 * 11 * 9);
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__bind(&p, loop_of(&p, "Y", 1), "threadIdx.x", err));
    APPLY(hone_prim__set_loop_kind(&p, loop_of(&p, "Y", 0), HONE_PARALLEL, err));
    hone_program_fini(&p);
    hone_program_fini(&before);
}

/* Strides, tiles of several windows, and tiles that do not divide. */
static void rolling_strides(void **state)
{
    (void)state;
    static const char *const programs[] = {WINDOW(8, 10, "v + r"), WINDOW(8, 17, "v*2 + r"),
                                           WINDOW(8, 24, "v*3 + r"), WINDOW(8, 13, "v + r*2"),
                                           WINDOW(8, 10, "9 - v - r")};
    static const bool rolls[] = {true, true, false, true, false};
    for (unsigned k = 0; k < HONE_LEN(programs); k++) {
        for (int64_t tile = 1; tile <= 5; tile++) {
            hone_program p = load_program(programs[k]), before = copy_program(&p);
            if (tile > 1)
                split_loop(&p, "Y", 0, 0, tile);
            APPLY(hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 0), err));
            check_same(&before, &p);
            double runs = runs_of(&p, "T");
            hone_status s = hone_prim__rolling_buffer(&p, block_of(&p, "T"), NULL);
            if (8 % tile == 0 || !rolls[k])
                assert_int_equal(s, rolls[k] ? HONE_OK : HONE_REJECT_COMPUTE_AT);
            check_same(&before, &p);
            if (s == HONE_OK)
                assert_true(runs_of(&p, "T") < runs);
            hone_program_fini(&p);
            hone_program_fini(&before);
        }
    }
}

static void rolling_rejected(void **state)
{
    (void)state;
    hone_program p = load_program(TWO_CONVS);
    CHECK_REJECTED(&p, HONE_REJECT_ARG, hone_prim__rolling_buffer(&p, block_of(&p, "Y"), err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__rolling_buffer(&p, block_of(&p, "T"), err));
    APPLY(hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 0), err));
    hone_program q = copy_program(&p);
    APPLY(hone_prim__set_loop_kind(&q, loop_of(&q, "Y", 0), HONE_PARALLEL, err));
    CHECK_REJECTED(&q, HONE_REJECT_COMPUTE_AT,
                   hone_prim__rolling_buffer(&q, block_of(&q, "T"), err));
    hone_program_fini(&q);
    /* twice: the elements are no box any more */
    APPLY(hone_prim__rolling_buffer(&p, block_of(&p, "T"), err));
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__rolling_buffer(&p, block_of(&p, "T"), err));
    /* nor can it leave its place */
    hone_stmt ret;
    CHECK_REJECTED(&p, HONE_REJECT_COMPUTE_AT,
                   hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 1), err));
    CHECK_REJECTED(&p, HONE_REJECT_NOT_AFFINE,
                   hone_prim__cache_write(&p, block_of(&p, "T"), HONE_GLOBAL, &ret, err));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE, hone_prim__compute_inline(&p, block_of(&p, "T"), err));
    hone_program_fini(&p);
}

/* One loop for both would cut the buffer down to what one of its iterations needs. */
static void rolling_is_not_merged(void **state)
{
    (void)state;
    hone_program p = load_program("program w {\n"
                                  "  buffer X: f32[10, 4] input\n"
                                  "  buffer Y: f32[8, 4] output\n"
                                  "  buffer T: f32[10, 4]\n"
                                  "  for i in 10 {\n"
                                  "    for j in 4 {\n"
                                  "      block T(v: 10 = i, w: 4 = j) {\n"
                                  "        T[v, w] = X[v, w] * X[v, w]\n"
                                  "      }\n    }\n  }\n"
                                  "  for i_1 in 8 {\n"
                                  "    for j_1 in 4 {\n"
                                  "      block Y(v: 8 = i_1, w: 4 = j_1) {\n"
                                  "        Y[v, w] = T[v, w] + T[v + 1, w] + T[v + 2, w]\n"
                                  "      }\n    }\n  }\n}\n"),
                 before = copy_program(&p);
    hone_stmt ret;
    APPLY(hone_prim__compute_at(&p, block_of(&p, "T"), loop_of(&p, "Y", 0), err));
    APPLY(hone_prim__reorder(&p, (hone_stmt[]){loop_of(&p, "T", 2), loop_of(&p, "T", 1)}, 2, err));
    hone_program q = copy_program(&p);
    APPLY(hone_prim__merge(&q, (hone_stmt[]){loop_of(&q, "T", 1), loop_of(&q, "Y", 1)}, 2, &ret,
                           err));
    check_same(&before, &q);
    APPLY(hone_prim__rolling_buffer(&p, block_of(&p, "T"), err));
    check_same(&before, &p);
    CHECK_REJECTED(&p, HONE_REJECT_DEPENDENCY,
                   hone_prim__merge(&p, (hone_stmt[]){loop_of(&p, "T", 1), loop_of(&p, "Y", 1)}, 2,
                                    &ret, err));
    hone_program_fini(&q);
    hone_program_fini(&p);
    hone_program_fini(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rolling_effect),        cmocka_unit_test(rolling_two_dimensions),
        cmocka_unit_test(rolling_strides),       cmocka_unit_test(rolling_rejected),
        cmocka_unit_test(rolling_is_not_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
