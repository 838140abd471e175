/* ShareWindows: what it makes of sums over windows, what it refuses, and that the program computes
 * the same. */
#include "tests/space/trace_test.h"

/* Windows of 2 by 3. */
#define WINDOWS(PLACES, VALUE, START)                                                 \
    "program windows {\n"                                                             \
    "  buffer X: f32[4, " PLACES "] input\n"                                          \
    "  buffer F: f32[3] input\n"                                                      \
    "  buffer Y: f32[3, 4] output\n"                                                  \
    "  for y in 3 {\n    for x in 4 {\n      for r in 2 {\n        for s in 3 {\n"    \
    "          block Y(vy: 3 = y, vx: 4 = x, reduce vr: 2 = r, reduce vs: 3 = s) {\n" \
    "            init " START "\n"                                                    \
    "            Y[vy, vx] = " VALUE "\n"                                             \
    "          }\n        }\n      }\n    }\n  }\n}\n"
#define SUM(A, B, PLACES) WINDOWS(PLACES, "Y[vy, vx] + X[vy + vr, vx*" A " + vs*" B "]", "0.0")
#define INSIDE "select(0 < vx + vs and vx + vs < 6, X[vy + vr, vx + vs - 1], -inf)"

static void effect(void **state)
{
    (void)state;
    hone_program p = load_program(SUM("2", "1", "9")), before = copy_program(&p);
    hone_stmt sums;
    APPLY(hone_prim__share_windows(&p, loop_of(&p, "Y", 3), &sums, err));
    assert_true(HONE_SAME(sums, block_of(&p, "Y_windows")));
    check_text(&p, "program windows {\n"
                   "  buffer X: f32[4, 9] input\n"
                   "  buffer F: f32[3] input\n"
                   "  buffer Y: f32[3, 4] output\n"
                   "  buffer Y.windows: f32[3, 9]\n"
                   "  for ax0 in 3 {\n"
                   "    for ax1 in 9 {\n"
                   "      for ax2 in 2 {\n"
                   "        block Y_windows(v0: 3 = ax0, v1: 9 = ax1, reduce v2: 2 = ax2) {\n"
                   "          init -0.0\n"
                   "          Y.windows[v0, v1] = Y.windows[v0, v1] + X[v0 + v2, v1]\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "  for ax0_1 in 3 {\n"
                   "    for ax1_1 in 4 {\n"
                   "      for ax2_1 in 3 {\n"
                   "        block Y(vy: 3 = ax0_1, vx: 4 = ax1_1, reduce vs: 3 = ax2_1) {\n"
                   "          init 0.0\n"
                   "          Y[vy, vx] = Y[vy, vx] + Y.windows[vy, vx*2 + vs]\n"
                   "        }\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
    end_same(&before, &p);
}

/* Down the rows or along them, one apart or more, taps next to each other or not; maxima of what is
 * guarded; the operand first; more at a place than a load. */
static void forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned loop;
    } cases[] = {
        {SUM("1", "1", "6"), 3},
        {SUM("1", "1", "6"), 2},
        {SUM("1", "3", "10"), 3},
        {WINDOWS("6", "max(Y[vy, vx], " INSIDE ")", "-inf"), 3},
        {WINDOWS("6", "min(X[vy + vr, vx*2 + vs - vx], Y[vy, vx])", "2.0"), 3},
        {WINDOWS("6", "Y[vy, vx] + X[vy + vr, vx + vs] * X[vr, vs + vx]", "0.0"), 3},
        {WINDOWS("6", "Y[vy, vx] + X[vy + vr, (vx + vs) // 2] * X[vr, vs + vx]", "0.0"), 3},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_program p = load_program(cases[k].text), before = copy_program(&p);
        hone_stmt sums;
        assert_true(hone_prim__can_share_windows(&p, loop_of(&p, "Y", cases[k].loop)));
        APPLY(hone_prim__share_windows(&p, loop_of(&p, "Y", cases[k].loop), &sums, err));
        end_same(&before, &p);
    }
}

static void rejected(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned loop;
        hone_status why;
    } cases[] = {
        {SUM("1", "1", "6"), 0, HONE_REJECT_REDUCE},      /* no step */
        {SUM("3", "1", "12"), 3, HONE_REJECT_NOT_AFFINE}, /* side by side */
        {SUM("1", "4", "12"), 3, HONE_REJECT_NOT_AFFINE}, /* with gaps */
        {SUM("2", "2", "11"), 3, HONE_REJECT_NOT_AFFINE},
        {WINDOWS("6", "Y[vy, vx] + X[vy + vr, vx + vs] * F[vs]", "0.0"), 3,
         HONE_REJECT_NOT_AFFINE}, /* weights */
        {WINDOWS("6", "Y[vy, vx] + select(vx < 2, X[vy + vr, vx + vs], 0.0)", "0.0"), 3,
         HONE_REJECT_NOT_AFFINE}, /* by the window */
        {WINDOWS("6", "Y[vy, vx] + X[vy + vr, vx + vs] * X[vr, vx - vs + 2]", "0.0"), 3,
         HONE_REJECT_NOT_AFFINE},
        {WINDOWS("6", "Y[vy, vx] * 2.0 + X[vy + vr, vx + vs]", "0.0"), 3, HONE_REJECT_REDUCE},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_program p = load_program(cases[k].text);
        hone_stmt sums, loop = loop_of(&p, "Y", cases[k].loop);
        assert_false(hone_prim__can_share_windows(&p, loop));
        CHECK_REJECTED(&p, cases[k].why, hone_prim__share_windows(&p, loop, &sums, err));
        hone_program_fini(&p);
    }
}

static void nest_was_changed(void **state)
{
    (void)state;
    hone_program p = load_program(SUM("1", "1", "6"));
    hone_stmt sums;
    split_loop(&p, "Y", 1, 2, 2);
    CHECK_REJECTED(&p, HONE_REJECT_ARG,
                   hone_prim__share_windows(&p, loop_of(&p, "Y", 4), &sums, err));
    hone_program_fini(&p);
}

/* The shared sums in a tile of windows, a row of them kept from one row of windows to the next. */
static void in_a_trace(void **state)
{
    (void)state;
    hone_program base = load_program(SUM("1", "1", "6"));
    hone_sched s = {0};
    hone_rv block, loops[4], sums;
    unsigned n;
    hone_sched_start(&s, &base, NULL);
    APPLY(hone_get_block(&s, "Y", &block, err));
    APPLY(hone_get_loops(&s, block, loops, 4, &n, err));
    APPLY(hone_share_windows(&s, loops[2], &sums, err));
    APPLY(hone_get_loops(&s, block, loops, 4, &n, err));
    assert_int_equal(n, 3);
    APPLY(hone_compute_at(&s, sums, loops[0], err));
    APPLY(hone_set_scope(&s, sums, HONE_LOCAL, err));
    char *text = hone_trace_text(&s.trace);
    assert_non_null(strstr(text, "[\"ShareWindows\",[\"l3\"],[],[\"b5\"]]"));
    free(text);
    check_round_trip(&s, &base);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effect),     cmocka_unit_test(forms),
        cmocka_unit_test(rejected),   cmocka_unit_test(nest_was_changed),
        cmocka_unit_test(in_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
