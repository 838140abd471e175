/* Division that rounds down, common divisors, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

#include <math.h>

static void divisions(void **state)
{
    (void)state;
    for (int64_t a = -50; a <= 50; a++)
        for (int64_t d = 1; d <= 12; d++) {
            int64_t q = hone_floor_div(a, d), r = hone_floor_mod(a, d);
            assert_int_equal(q * d + r, a);
            assert_in_range(r, 0, d - 1);
        }
    assert_true(hone_floor_div(INT64_MIN, 1) == INT64_MIN);
    assert_true(hone_floor_div(INT64_MIN, INT64_MAX) == -2);
    assert_true(hone_floor_mod(INT64_MIN, INT64_MAX) == INT64_MAX - 1);
    assert_true(hone_floor_div(INT64_MAX, 2) == INT64_MAX / 2);
}

static void divisors(void **state)
{
    (void)state;
    assert_int_equal(hone_gcd(0, 0), 0);
    assert_int_equal(hone_gcd(0, -6), 6);
    assert_int_equal(hone_gcd(-6, 0), 6);
    assert_int_equal(hone_gcd(12, -18), 6);
    assert_int_equal(hone_gcd(1, INT64_MAX), 1);
    for (int64_t a = 1; a <= 30; a++)
        for (int64_t b = 1; b <= 30; b++) {
            int64_t most = 1;
            for (int64_t d = 1; d <= a && d <= b; d++)
                most = a % d == 0 && b % d == 0 ? d : most;
            assert_int_equal(hone_gcd(a, b), most);
        }
}

static void order(void **state)
{
    (void)state;
    double v[] = {3, -1, INFINITY, 0.5, -INFINITY, 3, 0};
    const double want[] = {-INFINITY, -1, 0, 0.5, 3, 3, INFINITY};
    hone_sort(v, HONE_LEN(v));
    assert_memory_equal(v, want, sizeof want);
    hone_sort(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divisions),
        cmocka_unit_test(divisors),
        cmocka_unit_test(order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
