/* Which of two things timed in turns takes longer, on machines that are disturbed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

#include <math.h>

enum { PAIRS = 15, ROUNDS = 400 };

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

static void of_none_and_of_few(void **state)
{
    (void)state;
    hone_paired p = hone_pairs_compare(NULL, NULL, 0, 2);
    assert_true(p.ratio == 0 && isinf(p.low) && isinf(p.high) && p.low < p.high);
    const double a[] = {2, 4, 30}, b[] = {1, 1, 10};
    p = hone_pairs_compare(a, b, 1, 2);
    assert_true(near(p.ratio, log(2)) && p.low == p.ratio && p.high == p.ratio);
    p = hone_pairs_compare(a, b, 3, 2);
    assert_true(near(p.ratio, log(3)) && near(p.low, log(2)) && near(p.high, log(4)));
}

static void turned_around(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 7);
    for (uint32_t n = 1; n <= PAIRS; n++) {
        double a[PAIRS], b[PAIRS];
        for (uint32_t k = 0; k < n; k++) {
            a[k] = 1 + hone_rng_double(&rng);
            b[k] = 1 + hone_rng_double(&rng);
        }
        hone_paired p = hone_pairs_compare(a, b, n, 1.5), q = hone_pairs_compare(b, a, n, 1.5);
        assert_true(near(p.ratio, -q.ratio) && near(p.low, -q.high) && near(p.high, -q.low));
        assert_true(p.low <= p.ratio && p.ratio <= p.high);
    }
}

/* Most samples of both take up to five times as long, each for itself: what is left tells. */
static void disturbed(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    double sum = 0, held = 0;
    for (int r = 0; r < ROUNDS; r++) {
        double a[PAIRS], b[PAIRS];
        for (int k = 0; k < PAIRS; k++) {
            a[k] = 1.05 * (1 + 0.02 * hone_rng_double(&rng));
            b[k] = 1 + 0.02 * hone_rng_double(&rng);
            if (hone_rng_below(&rng, 4) == 0)
                a[k] *= 1 + 4 * hone_rng_double(&rng);
            if (hone_rng_below(&rng, 4) == 0)
                b[k] *= 1 + 4 * hone_rng_double(&rng);
        }
        hone_paired p = hone_pairs_compare(a, b, PAIRS, 2);
        sum += fabs(p.ratio - log(1.05));
        held += p.low <= log(1.05) && log(1.05) <= p.high;
    }
    print_message("off by %.4f in the mean; the interval holds it in %.0f of %d\n", sum / ROUNDS,
                  held, ROUNDS);
    assert_true(sum / ROUNDS < 0.01);
    assert_true(held > 0.9 * ROUNDS);
}

/* Of nearly every pair one waits for a processor, for a multiple of its own time, whichever it is.
 */
static void one_of_two_waits(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 11);
    double sum = 0;
    for (int r = 0; r < ROUNDS; r++) {
        double a[32], b[32];
        for (int k = 0; k < 32; k++) {
            a[k] = 1.05 * (1 + 0.02 * hone_rng_double(&rng));
            b[k] = 1 + 0.02 * hone_rng_double(&rng);
            *(hone_rng_below(&rng, 2) ? &a[k] : &b[k]) *= 3 + 9 * hone_rng_double(&rng);
        }
        hone_paired p = hone_pairs_compare(a, b, 32, 2);
        sum += fabs(p.ratio - log(1.05));
        assert_true(p.low <= p.ratio && p.ratio <= p.high);
    }
    print_message("off by %.4f in the mean\n", sum / ROUNDS);
    assert_true(sum / ROUNDS < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_none_and_of_few),
        cmocka_unit_test(turned_around),
        cmocka_unit_test(disturbed),
        cmocka_unit_test(one_of_two_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
