/* Hashes name rows of logs, and seeds name runs: both are the same on every machine and for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

/* Values of the first release. */
static void hashes_stay(void **state)
{
    (void)state;
    assert_true(hone_hash_mix(0, 0) == 0x4e17cf67001b3979u);
    assert_true(hone_hash_mix(1, 2) == 0x9983cb641e5dc687u);
    assert_true(hone_hash_bytes(0, "", 0) == 0x4e17cf67001b3979u);
    assert_true(hone_hash_bytes(0, "hone", 4) == 0x6995bc7bee59a9afu);
    assert_true(hone_hash_bytes(7, "0123456789abcdef!", 17) == 0xd51f9ab3263802acu);
}

/* Neither where the bytes lie nor what follows them counts; their number, order and seed do. */
static void what_counts(void **state)
{
    (void)state;
    char text[64];
    for (unsigned at = 0; at < 8; at++) {
        memset(text, (int)at, sizeof text);
        memcpy(text + at, "abcdefghijk", 11);
        assert_true(hone_hash_bytes(3, text + at, 11) == hone_hash_bytes(3, "abcdefghijk", 11));
    }
    assert_true(hone_hash_bytes(0, "a\0", 1) != hone_hash_bytes(0, "a\0", 2));
    assert_true(hone_hash_bytes(0, "ab", 2) != hone_hash_bytes(0, "ba", 2));
    assert_true(hone_hash_bytes(0, "ab", 2) != hone_hash_bytes(1, "ab", 2));
    /* 2^16 short keys: all different */
    static uint64_t seen[1 << 16];
    for (uint32_t k = 0; k < HONE_LEN(seen); k++)
        seen[k] = hone_hash_bytes(0, &k, sizeof k);
    for (uint32_t k = 0; k < HONE_LEN(seen); k += 257)
        for (uint32_t j = 0; j < k; j++)
            assert_true(seen[j] != seen[k]);
}

static void texts(void **state)
{
    (void)state;
    char text[17];
    uint64_t h = 0;
    hone_hash_format(0xfedcba9876543210u, text);
    assert_string_equal(text, "fedcba9876543210");
    assert_true(hone_hash_parse(text, &h) && h == 0xfedcba9876543210u);
    hone_hash_format(10, text);
    assert_string_equal(text, "000000000000000a");
    static const char *const bad[] = {"",
                                      "0",
                                      "000000000000000",
                                      "00000000000000000",
                                      "FEDCBA9876543210",
                                      "fedcba987654321g",
                                      "fedcba987654321 ",
                                      "0xfedcba98765432"};
    h = 5;
    for (unsigned k = 0; k < HONE_LEN(bad); k++)
        assert_false(hone_hash_parse(bad[k], &h));
    assert_true(h == 5);
}

/* xoshiro256** and splitmix64 as published: the first numbers of seed 0. */
static void numbers_stay(void **state)
{
    (void)state;
    static const uint64_t first[] = {0x99ec5f36cb75f2b4u, 0xbf6e1f784956452au, 0x1a5f849d4933e6e0u,
                                     0x6aa594f1262d2d2cu};
    hone_rng r;
    hone_rng_seed(&r, 0);
    for (unsigned k = 0; k < HONE_LEN(first); k++)
        assert_true(hone_rng_u64(&r) == first[k]);
}

static void ranges(void **state)
{
    (void)state;
    hone_rng r;
    unsigned count[10] = {0};
    hone_rng_seed(&r, 1);
    for (int k = 0; k < 10000; k++)
        count[hone_rng_below(&r, 10)]++;
    double chi = 0; /* of 9 degrees of freedom: over 30 in one of two thousand sequences */
    for (int k = 0; k < 10; k++)
        chi += (count[k] - 1000.0) * (count[k] - 1000.0) / 1000;
    assert_true(chi < 30);
    for (int k = 0; k < 1000; k++) {
        assert_true(hone_rng_below(&r, 1) == 0);
        assert_true(hone_rng_below(&r, UINT64_MAX) < UINT64_MAX);
        double d = hone_rng_double(&r);
        assert_true(d >= 0 && d < 1);
    }
    /* just over half of all numbers: the lower half must not come twice as often */
    unsigned low = 0;
    const uint64_t n = (UINT64_C(1) << 63) + 1;
    for (int k = 0; k < 10000; k++)
        low += hone_rng_below(&r, n) < n / 2;
    assert_in_range(low, 4700, 5300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_stay),  cmocka_unit_test(what_counts), cmocka_unit_test(texts),
        cmocka_unit_test(numbers_stay), cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
