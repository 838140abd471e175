/* Pointers by hash: what was put in and not taken out is found, whatever hashes are alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

static bool has(const hone_map *m, uint64_t hash, const void *p)
{
    uint32_t at = 0;
    for (void *x; (x = hone_map_next(m, hash, &at));)
        if (x == p)
            return true;
    return false;
}

static void what_is_in_is_found(void **state)
{
    (void)state;
    enum { N = 500 };
    static char things[N];
    static bool in[N];
    hone_map m = {0};
    hone_rng r;
    uint32_t n = 0;
    hone_rng_seed(&r, 1);
    assert_false(has(&m, 0, things));
    for (int step = 0; step < 20000; step++) {
        uint64_t k = hone_rng_below(&r, N), hash = k % 50; /* ten have one hash */
        if (in[k])
            hone_map_remove(&m, hash, &things[k]);
        else
            hone_map_add(&m, hash, &things[k]);
        n += in[k] ? -1u : 1u;
        in[k] = !in[k];
        assert_int_equal(m.n, n);
        uint64_t other = hone_rng_below(&r, N);
        assert_int_equal(has(&m, other % 50, &things[other]), in[other]);
    }
    for (uint32_t k = 0; k < N; k++)
        assert_int_equal(has(&m, k % 50, &things[k]), in[k]);
    assert_true(m.cap <= 4 * N); /* what comes and goes does not make it grow */
    hone_map_remove(&m, 3, "not in it");
    assert_int_equal(m.n, n);
    hone_map_free(&m);
    assert_null(m.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_in_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
