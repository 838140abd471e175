/* What the draft counts of loops and of cache lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/feature_of.h"

#include <math.h>

static void assert_near(double is, double want)
{
    if (!(fabs(is - want) <= 1e-4 * fabs(want)))
        fail_msg("%.6g, not %.6g", is, want);
}

/* Bytes of the lines that a copy of 64 x 8 elements touches, out of rows of so
 * many into rows of 8. */
static double lines_of_copy(int columns)
{
    char *text = hone_xasprintf("program copy {\n  buffer A: f32[64, %d] input\n"
                                "  buffer C: f32[64, 8] output\n"
                                "  for i in 64 { for l in 8 vectorized {\n"
                                "    block C(v: 64 = i, w: 8 = l) { C[v, w] = A[v, w] * 2.0 }\n"
                                "  } }\n}\n",
                                columns);
    double ret = feature_of(text, HONE_FEATURE_fill) * (double)simulated_target().l1_bytes;
    free(text);
    return ret;
}

/* Rows of half a line, side by side, share lines; half of a row that is longer
 * does not. */
static void short_rows_share_lines(void **state)
{
    (void)state;
    assert_near(lines_of_copy(8), 2 * 64 * 32);
    assert_near(lines_of_copy(16), 64 * 64 + 64 * 32);
    assert_near(lines_of_copy(9), 64 * 64 + 64 * 32);
}

/* Arithmetic of a sum of 64 vectors by such loops. */
static double compute_of_sum(const char *outer, const char *inner, const char *index)
{
    char *text = hone_xasprintf("program sum {\n  buffer A: f32[64, 16] input\n"
                                "  buffer C: f32[16] output\n"
                                "  for %s { for %s { for l in 16 vectorized {\n"
                                "    block C(v: 16 = l, reduce vk: 64 = %s) {\n"
                                "      init 0.0\n      C[v] = C[v] + A[vk, v]\n"
                                "    } } } }\n}\n",
                                outer, inner, index);
    double ret = exp2(feature_of(text, HONE_FEATURE_draft_compute)) - 1;
    free(text);
    return ret;
}

/* Each time a loop is left costs something: 16 loops of 4 turns cost 15 times
 * that more than one of 64, and twice as much as 8 loops do. */
static void short_loops_cost(void **state)
{
    (void)state;
    double one = compute_of_sum("a in 1", "b in 64", "a*64 + b");
    double eight = compute_of_sum("a in 8", "b in 8", "a*8 + b");
    double sixteen = compute_of_sum("a in 16", "b in 4", "a*4 + b");
    assert_true(eight > one);
    assert_near((sixteen - one) / 15, (eight - one) / 7);
}

/* Bytes from L3 of 64 rows times four panels of 7/8 MiB, in this order of the
 * outer loops; L2 has 1 MiB. */
static double from_l3(const char *outer, const char *inner)
{
    char *text = hone_xasprintf("program panels {\n  buffer A: f32[64, 1024] input\n"
                                "  buffer B: f32[4, 1024, 224] input\n  buffer C: f32[64, "
                                "4, 224] output\n"
                                "  for %s { for %s { for k in 1024 { for j in 14 unrolled "
                                "{ for l in 16 vectorized {\n"
                                "    block C(vi: 64 = i, vp: 4 = p, vj: 224 = j*16 + l, "
                                "reduce vk: 1024 = k) {\n"
                                "      init 0.0\n      C[vi, vp, vj] = C[vi, vp, vj] + "
                                "A[vi, vk] * B[vp, vk, vj]\n"
                                "    } } } } } }\n}\n",
                                outer, inner);
    double ret = exp2(feature_of(text, HONE_FEATURE_traffic + 2)) - 1;
    free(text);
    return ret;
}

/* A panel of weights that nearly fills L2 stays in it while the rows go by. */
static void panels_stay_in_l2(void **state)
{
    (void)state;
    double panel = 1024 * 224 * 4, rows = 64 * 1024 * 4, sums = 64 * 4 * 224 * 4;
    assert_near(from_l3("p in 4", "i in 64"), 4 * panel + 4 * rows + 1.5 * sums);
    assert_near(from_l3("i in 64", "p in 4"), 64 * 4 * panel + rows + 1.5 * sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_rows_share_lines),
        cmocka_unit_test(short_loops_cost),
        cmocka_unit_test(panels_stay_in_l2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
