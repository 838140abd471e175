/* Factors of the draft from results: least squares without negative numbers, and what is kept. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "costmodel/internal.h"
#include "tests/space/prim_test.h"

/* min |Ax - b|, by its normal equations. */
static void solve(const double *a, const double *b, unsigned rows, unsigned n, double *x)
{
    double gram[16] = {0}, right[4] = {0};
    for (unsigned r = 0; r < rows; r++)
        for (unsigned j = 0; j < n; j++) {
            right[j] += a[r * n + j] * b[r];
            for (unsigned k = 0; k < n; k++)
                gram[j * n + k] += a[r * n + j] * a[r * n + k];
        }
    hone_costmodel__nnls(gram, right, x, n);
}

static void exact_where_no_bound_is_met(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 1, 0, 4, 2, 2}, b[] = {7, 6, 12, 8};
    double x[2] = {0, 0};
    solve(a, b, 4, 2, x);
    assert_true(fabs(x[0] - 1) < 1e-9 && fabs(x[1] - 3) < 1e-9);
}

/* The unbounded answer of this one is (-1, 2): with x0 at 0, x1 is a line through the origin. */
static void a_negative_one_is_zero_and_the_rest_makes_up_for_it(void **state)
{
    (void)state;
    const double a[] = {1, 1, 1, 2, 1, 3};
    double b[3], x[2] = {5, 5};
    for (int r = 0; r < 3; r++)
        b[r] = -a[2 * r] + 2 * a[2 * r + 1];
    solve(a, b, 3, 2, x);
    assert_true(x[0] == 0);
    assert_true(fabs(x[1] - (1 * 1 + 2 * 3 + 3 * 5) / 14.0) < 1e-9);
}

static void what_nothing_depends_on_stays(void **state)
{
    (void)state;
    const double a[] = {2, 0, 4, 0}, b[] = {2, 4};
    double x[2] = {0, 7};
    solve(a, b, 2, 2, x);
    assert_true(fabs(x[0] - 1) < 1e-9 && x[1] == 7);
}

/* ---- fits --------------------------------------------------------------------------------------
 */

static hone_machine machine(void)
{
    hone_machine m;
    hone_machine_preset(&some_cpu, &m);
    m.parallel_ns = 2000;
    return m;
}

/* A kernel of this many rows and columns, some of it parallel: drafts that are arithmetic, traffic,
 * or starts of threads. */
static void extract(int rows, int columns, int muls, bool parallel, const hone_machine *m,
                    hone_features *ret)
{
    hone_buf b = {0};
    hone_buf_printf(&b,
                    "program p {\n  buffer A: f32[%d, %d] input\n  buffer C: f32[%d, %d] output\n"
                    "  for i in %d %s { for j in %d {\n    block C(vi: %d = i, vj: %d = j) {"
                    " C[vi, vj] = A[vi, vj]",
                    rows, columns, rows, columns, rows, parallel ? "parallel" : "", columns, rows,
                    columns);
    for (int k = 0; k < muls; k++)
        hone_buf_puts(&b, " * A[vi, vj]");
    hone_buf_puts(&b, " } } }\n}\n");
    hone_program p = load_program(b.s);
    hone_features_extract(&p, &some_cpu, 2, m, ret);
    hone_program_fini(&p);
    hone_buf_free(&b);
}

/* Times are what `truth` has the draft say, `noise` apart. */
static hone_fit *results(const hone_machine *m, const hone_machine *truth, int kernels,
                         double noise)
{
    hone_fit *f = hone_fit_new(m);
    hone_features x = {0}, real = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    for (int kernel = 0; kernel < kernels; kernel++)
        for (int k = 0; k < 12; k++) {
            int rows = 8 << kernel, columns = 64 << k % 6, muls = k % 4 * 9;
            extract(rows, columns, muls, k % 2, m, &x);
            extract(rows, columns, muls, k % 2, truth, &real);
            double up = (double)hone_rng_below(&rng, 1000) / 500 - 1;
            hone_fit_add(f, (uint64_t)kernel, &x, real.draft_ns * exp(noise * up));
        }
    hone_features_free(&x);
    hone_features_free(&real);
    return f;
}

static void factors_are_found_and_kept(void **state)
{
    (void)state;
    hone_machine m = machine(), truth = m, got;
    truth.compute_factor = 3;
    truth.parallel_ns = 9000;
    hone_fit *f = results(&m, &truth, 6, 0.02);
    hone_fit_report r;
    assert_true(hone_fit_solve(f, &got, &r));
    assert_true(r.better && r.results == 72 && r.kernels == 6);
    assert_true(r.after.off < 0.1 && r.before.off > 0.3);
    assert_true(r.after.pair_accuracy > r.before.pair_accuracy - 0.01);
    assert_true(fabs(got.compute_factor - 3) < 0.3);
    assert_true(got.parallel_ns > 5000 && got.parallel_ns < 10000);
    assert_true(got.clock_ghz == m.clock_ghz && got.l2_bytes_per_ns == m.l2_bytes_per_ns);
    hone_machine again;
    assert_true(hone_fit_solve(f, &again, &r));
    assert_memory_equal(&got, &again, sizeof got);
    hone_fit_free(f);
}

/* Where the draft is right already, factors would only follow the noise. */
static void what_is_no_better_is_not_kept(void **state)
{
    (void)state;
    hone_machine m = machine(), got;
    hone_fit *f = results(&m, &m, 6, 0);
    hone_fit_report r;
    assert_true(hone_fit_solve(f, &got, &r));
    assert_false(r.better);
    assert_memory_equal(&got, &m, sizeof m);
    hone_fit_free(f);
}

static void too_few(void **state)
{
    (void)state;
    hone_machine m = machine(), truth = m, got;
    truth.compute_factor = 3;
    hone_fit_report r;
    hone_fit *f = results(&m, &truth, 4, 0);
    assert_false(hone_fit_solve(f, &got, &r));
    assert_true(r.results == 48 && r.kernels == 4 && !r.better);
    assert_memory_equal(&got, &m, sizeof m);
    hone_fit_free(f);
    hone_features x = {0};
    f = hone_fit_new(&m);
    extract(8, 64, 3, false, &m, &x);
    for (int k = 0; k < 60; k++)
        hone_fit_add(f, 1, &x, 1000);
    assert_false(hone_fit_solve(f, &got, &r)); /* one kernel */
    hone_features_free(&x);
    hone_fit_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_where_no_bound_is_met),
        cmocka_unit_test(a_negative_one_is_zero_and_the_rest_makes_up_for_it),
        cmocka_unit_test(what_nothing_depends_on_stays),
        cmocka_unit_test(factors_are_found_and_kept),
        cmocka_unit_test(what_is_no_better_is_not_kept),
        cmocka_unit_test(too_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
