/* Elements: conversions, generated inputs, comparison. No process is forked here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "workers/device/internal.h"

#include <math.h>

static uint16_t put16(uint8_t elem, double x)
{
    uint16_t h = 0;
    hone_device__elem_put(elem, &h, 0, x);
    return h;
}

static double get16(uint8_t elem, uint16_t h)
{
    return hone_device__elem_get(elem, &h, 0);
}

static void half_floats(void **state)
{
    (void)state;
    static const struct {
        double x;
        uint16_t f16, bf16;
    } rows[] = {
        {0, 0, 0},
        {1, 0x3c00, 0x3f80},
        {-2, 0xc000, 0xc000},
        {0.125, 0x3000, 0x3e00},
        {65504, 0x7bff, 0x4780},
        {65519.9, 0x7bff, 0x4780},
        {65520, 0x7c00, 0x4780},
        {INFINITY, 0x7c00, 0x7f80},
        {-INFINITY, 0xfc00, 0xff80},
        {0x1p-14, 0x0400, 0x3880},
        {0x1p-24, 0x0001, 0x3380},
        {0x1p-25, 0x0000, 0x3300}, /* halfway to zero: even */
        {0x1.8p-25, 0x0001, 0x3340},
        {1 + 0x1p-11, 0x3c00, 0x3f80}, /* halfway: even */
        {1 + 0x3p-11, 0x3c02, 0x3f80},
        {1 + 0x1p-8, 0x3c04, 0x3f80},
        {1 + 0x3p-8, 0x3c0c, 0x3f82},
        {2 - 0x1p-12, 0x4000, 0x4000}, /* carries into the exponent */
        {0x1p-14 - 0x1p-26, 0x0400, 0x3880},
    };
    for (size_t i = 0; i < HONE_LEN(rows); i++) {
        assert_int_equal(put16(HONE_ELEM_F16, rows[i].x), rows[i].f16);
        assert_int_equal(put16(HONE_ELEM_BF16, rows[i].x), rows[i].bf16);
    }
    assert_true(isnan(get16(HONE_ELEM_F16, put16(HONE_ELEM_F16, NAN))));
    assert_true(isnan(get16(HONE_ELEM_BF16, put16(HONE_ELEM_BF16, NAN))));
    for (uint32_t h = 0; h < 65536; h++) {
        for (uint8_t e = HONE_ELEM_F16; e <= HONE_ELEM_BF16; e++) {
            double x = get16(e, (uint16_t)h);
            if (!isnan(x))
                assert_int_equal(put16(e, x), h);
        }
    }
}

static void inputs_depend_on_the_seed_alone(void **state)
{
    (void)state;
    for (uint8_t e = 0; e < HONE_ELEM_COUNT; e++) {
        _Alignas(8) uint8_t a[1000 * 8], b[1000 * 8], c[1000 * 8];
        size_t bytes = 1000 * hone_device__elem_size(e);
        hone_device__generate(e, a, 1000, 5);
        hone_device__generate(e, b, 1000, 5);
        hone_device__generate(e, c, 1000, 6);
        assert_memory_equal(a, b, bytes);
        assert_memory_not_equal(a, c, bytes);
        hone_device__poison(e, b, 1000);
        assert_memory_not_equal(a, b, bytes);
        double low = INFINITY, high = -INFINITY;
        for (int i = 0; i < 1000; i++) {
            double x = hone_device__elem_get(e, a, i);
            low = fmin(low, x);
            high = fmax(high, x);
            assert_true(x * 8 == nearbyint(x * 8));
        }
        static const double lows[] = {-1, -1, -1, -1, -4, -4, -4, -4, 0, 0};
        static const double highs[] = {1, 1, 1, 1, 4, 4, 4, 4, 4, 1};
        assert_true(low == lows[e]);
        assert_true(high == highs[e]);
    }
}

static void comparison(void **state)
{
    (void)state;
    float want[2000], got[2000];
    hone_device__generate(HONE_ELEM_F32, want, 2000, 1);
    want[1999] = 100;
    memcpy(got, want, sizeof want);
    hone_device__diff d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 0);
    assert_true(d.max_error == 0 && d.first_bad == -1);
    got[1999] = 101; /* relative for what is larger than 1 */
    d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 0.02);
    assert_true(fabs(d.max_error - 0.01) < 1e-9 && d.first_bad == -1);
    d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 0.005);
    assert_true(d.first_bad == 1999 && d.got == 101 && d.want == 100);
    want[7] = 0; /* absolute for what is smaller */
    got[7] = 0.25f;
    d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 0.1);
    assert_true(d.max_error == 0.25 && d.first_bad == 7);
    got[3] = NAN;
    d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 1e30);
    assert_true(isinf(d.max_error) && d.first_bad == 3);
    want[3] = -NAN;
    d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 1e30);
    assert_true(d.max_error == 0.25 && d.first_bad == -1);
    got[4] = INFINITY;
    want[4] = INFINITY;
    d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 1e30);
    assert_int_equal(d.first_bad, -1);
    want[4] = -INFINITY;
    d = hone_device__compare(HONE_ELEM_F32, got, want, 2000, 1e30);
    assert_int_equal(d.first_bad, 4);
}

static void integers_are_exact(void **state)
{
    (void)state;
    int64_t want[3] = {1, (1ll << 60), 3}, got[3] = {1, (1ll << 60) + 1, 3};
    hone_device__diff d = hone_device__compare(HONE_ELEM_I64, got, want, 3, 1e30);
    assert_int_equal(d.first_bad, 1);
    uint8_t yes = 1, other = 255;
    d = hone_device__compare(HONE_ELEM_BOOL, &other, &yes, 1, 1e30);
    assert_int_equal(d.first_bad, 0);
    d = hone_device__compare(HONE_ELEM_U8, &yes, &yes, 1, 0);
    assert_int_equal(d.first_bad, -1);
}

static void canaries(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < HONE_LEN(sizes); i++) {
        hone_device__buffer b;
        int64_t at = 0;
        assert_int_equal(hone_device__buffer_new(sizes[i], &b, NULL), HONE_OK);
        assert_int_equal((uintptr_t)b.data % 64, 0);
        uint8_t *end = b.body + b.body_bytes;
        assert_true(end >= b.data + sizes[i] && end - (b.data + sizes[i]) <= 64);
        hone_device__buffer_set_canary(&b);
        memset(b.data, 0, sizes[i]);
        assert_false(hone_device__buffer_overrun(&b, &at));
        if (end > b.data + sizes[i]) {
            b.data[sizes[i]] = 0;
            assert_true(hone_device__buffer_overrun(&b, &at));
            assert_int_equal(at, sizes[i]);
            hone_device__buffer_set_canary(&b);
        }
        if (b.data > b.body) {
            b.data[-1] = 0;
            assert_true(hone_device__buffer_overrun(&b, &at));
            assert_int_equal(at, -1);
        }
        hone_device__buffer_free(&b);
    }
}

/* ---- what the nursery thinks of reported times -------------------------------------------- */

static hone_measure_job job_of(double peak)
{
    return (hone_measure_job){.min_samples = 3, .max_samples = 10, .peak_gflops = peak};
}

static hone_device__timing three_pairs(void)
{
    return (hone_device__timing){.n = 3,
                                 .paired = true,
                                 .candidate_ns = {1000, 1300, 1100},
                                 .incumbent_ns = {2000, 2600, 1100},
                                 .calls = {100, 50},
                                 .resolution_ns = 30};
}

static void honest_times(void **state)
{
    (void)state;
    hone_measure_job job = job_of(0);
    hone_device__timing t = three_pairs();
    hone_measure_result r = {0};
    assert_int_equal(hone_device__judge(&job, 1000, &t, 1000000, &r, NULL), HONE_OK);
    assert_int_equal(r.time_ns, 1100);
    assert_int_equal(r.n_samples, 3);
    assert_true(fabs(r.log_ratio - log(0.5)) < 1e-12);
    assert_true(r.sample_ns[1] == 1300 && r.incumbent_ns[1] == 2600);
    t.paired = false;
    assert_int_equal(hone_device__judge(&job, 1000, &t, 1000000, &r, NULL), HONE_OK);
    assert_true(r.log_ratio == 0 && r.incumbent_ns[1] == 0);
}

static void lies(void **state)
{
    (void)state;
    hone_measure_job job = job_of(0);
    hone_measure_result r;
    hone_device__timing t = three_pairs();
    /* 340,000 ns of candidate and 285,000 of incumbent do not fit */
    assert_int_equal(hone_device__judge(&job, 0, &t, 600000, &r, NULL), HONE_REJECT_IMPOSSIBLE);
    static const double bad[] = {-1e9, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < HONE_LEN(bad); i++) {
        t = three_pairs();
        t.candidate_ns[1] = bad[i];
        assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, NULL),
                         HONE_REJECT_IMPOSSIBLE);
        t = three_pairs();
        t.incumbent_ns[2] = bad[i];
        assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, NULL),
                         HONE_REJECT_IMPOSSIBLE);
    }
    t = three_pairs();
    t.incumbent_ns[0] = 0;
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, NULL), HONE_REJECT_IMPOSSIBLE);
    static const int32_t counts[] = {0, -1, 11, HONE_MAX_SAMPLES + 1, INT32_MAX};
    for (size_t i = 0; i < HONE_LEN(counts); i++) {
        t = three_pairs();
        t.n = counts[i];
        assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, NULL),
                         HONE_REJECT_IMPOSSIBLE);
    }
    t = three_pairs();
    t.calls[1] = 0;
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, NULL), HONE_REJECT_IMPOSSIBLE);
}

static void fresh_calls_are_compared(void **state)
{
    (void)state;
    hone_measure_job job = job_of(0);
    hone_measure_result r;
    hone_error err;
    hone_device__timing t = three_pairs();
    job.threads = 1;
    t.fresh_ns = 8 * 1100 + 20000;
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, &err), HONE_OK);
    t.fresh_ns += 1;
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, &err), HONE_REJECT_IMPOSSIBLE);
    assert_non_null(strstr(err.message, "takes 28801 ns when the outputs are not there yet"));
    job.threads = 4; /* the caller may be alone at first */
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, &err), HONE_OK);
    t.fresh_ns = NAN;
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, &err), HONE_REJECT_IMPOSSIBLE);
}

static void limits_of_clock_and_machine(void **state)
{
    (void)state;
    hone_measure_job job = job_of(10);
    hone_measure_result r;
    hone_device__timing t = three_pairs();
    assert_int_equal(hone_device__judge(&job, 12000, &t, 1000000, &r, NULL), HONE_OK);
    assert_int_equal(hone_device__judge(&job, 12200, &t, 1000000, &r, NULL),
                     HONE_REJECT_IMPOSSIBLE);
    t.resolution_ns = 11001;
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, NULL), HONE_REJECT_TOO_SHORT);
    t.resolution_ns = 1e6; /* a clock that stands still */
    memset(t.candidate_ns, 0, sizeof t.candidate_ns);
    assert_int_equal(hone_device__judge(&job, 0, &t, 1000000, &r, NULL), HONE_REJECT_TOO_SHORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_floats),
        cmocka_unit_test(inputs_depend_on_the_seed_alone),
        cmocka_unit_test(comparison),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(canaries),
        cmocka_unit_test(honest_times),
        cmocka_unit_test(lies),
        cmocka_unit_test(limits_of_clock_and_machine),
        cmocka_unit_test(fresh_calls_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
