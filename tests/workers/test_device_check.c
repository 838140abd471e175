/* Elements: conversions, what inputs are filled with, comparison. No process is forked here. */
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

static hone_arg arg_of(uint8_t elem, double lo, double hi)
{
    return (hone_arg){.elem = elem, .count = 1000, .lo = lo, .hi = hi};
}

static void inputs_depend_on_kind_seed_and_range_alone(void **state)
{
    (void)state;
    for (uint8_t e = 0; e < HONE_ELEM_COUNT; e++) {
        for (hone_device__kind k = 0; k < HONE_DEVICE__KINDS; k++) {
            _Alignas(8) uint8_t a[1000 * 8], b[1000 * 8], c[1000 * 8];
            size_t bytes = 1000 * hone_device__elem_size(e);
            hone_arg any = arg_of(e, 0, 0);
            hone_device__fill(k, &any, a, 5);
            hone_device__fill(k, &any, b, 5);
            hone_device__fill(k, &any, c, 6);
            assert_memory_equal(a, b, bytes);
            assert_memory_not_equal(a, c, bytes);
            hone_device__poison(k, e, b, 1000);
            assert_memory_not_equal(a, b, bytes);
        }
    }
}

/* What is there before a call is larger than any result with some data, and less with other. */
static void poison_is_of_either_sign(void **state)
{
    (void)state;
    for (uint8_t e = 0; e < HONE_ELEM_BOOL; e++) {
        _Alignas(8) uint8_t a[8];
        hone_device__poison(HONE_DEVICE__SPARSE, e, a, 1);
        double high = hone_device__elem_get(e, a, 0);
        hone_device__poison(HONE_DEVICE__EDGES, e, a, 1);
        double low = hone_device__elem_get(e, a, 0);
        assert_true(high > 100 && (e == HONE_ELEM_U8 || low <= -128));
        assert_true(e > HONE_ELEM_BF16 || (high > 60000 && low < -60000));
        hone_device__poison(HONE_DEVICE__SMALL, e, a, 1);
        assert_true(e > HONE_ELEM_BF16 || isnan(hone_device__elem_get(e, a, 0)));
    }
}

static void extremes(hone_device__kind k, uint8_t e, double lo, double hi, double *low,
                     double *high)
{
    _Alignas(8) uint8_t a[1000 * 8];
    hone_arg arg = arg_of(e, lo, hi);
    hone_device__fill(k, &arg, a, 5);
    *low = INFINITY;
    *high = -INFINITY;
    for (int i = 0; i < 1000; i++) {
        *low = fmin(*low, hone_device__elem_get(e, a, i));
        *high = fmax(*high, hone_device__elem_get(e, a, i));
    }
}

static void small_data_are_small(void **state)
{
    (void)state;
    static const double lows[] = {-1, -1, -1, -1, -4, -4, -4, -4, 0, 0};
    static const double highs[] = {1, 1, 1, 1, 4, 4, 4, 4, 4, 1};
    for (uint8_t e = 0; e < HONE_ELEM_COUNT; e++) {
        double low, high;
        extremes(HONE_DEVICE__SMALL, e, 0, 0, &low, &high);
        assert_true(low == lows[e] && high == highs[e]);
    }
}

static void ranges_are_kept_and_used(void **state)
{
    (void)state;
    for (uint8_t e = 0; e < HONE_ELEM_COUNT; e++) {
        if (e == HONE_ELEM_BOOL)
            continue;
        for (hone_device__kind k = 0; k < HONE_DEVICE__KINDS; k++) {
            double low, high;
            extremes(k, e, 3, 120, &low, &high);
            assert_true(low >= 3 && high < 120);
            if (e >= HONE_ELEM_I64) /* an index goes over the whole table */
                assert_true(low < 6 && high > 116);
        }
    }
    double low, high;
    extremes(HONE_DEVICE__FULL, HONE_ELEM_U8, 0, 0, &low, &high);
    assert_true(low < 3 && high > 252);
    extremes(HONE_DEVICE__EDGES, HONE_ELEM_I8, 0, 0, &low, &high);
    assert_true(low == -128 && high == 127);
    extremes(HONE_DEVICE__EDGES, HONE_ELEM_F16, 0, 0, &low, &high);
    assert_true(low == -1000 && high == 1000); /* exp of it is infinite */
    extremes(HONE_DEVICE__SMALL, HONE_ELEM_F32, 0.01, 0.02, &low, &high);
    assert_true(low >= 0.0099 && high <= 0.0201);
    extremes(HONE_DEVICE__FULL, HONE_ELEM_I64, 0, 0x1p63, &low, &high);
    assert_true(low >= 0 && low < 1e18 && high > 8e18);
    for (hone_device__kind k = 0; k < HONE_DEVICE__KINDS; k++) { /* wider than there are integers */
        extremes(k, HONE_ELEM_I64, -1e300, 1e300, &low, &high);
        assert_true(low < -9e18 && high > 9e18);
    }
}

static void quanta(void **state)
{
    (void)state;
    hone_arg args[] = {arg_of(HONE_ELEM_F32, 0, 0), arg_of(HONE_ELEM_I8, 0, 0)};
    hone_manifest m = {.n_args = 2, .args = args};
    assert_true(hone_device__quantum(HONE_DEVICE__SMALL, &m) == 0.125);
    assert_true(hone_device__quantum(HONE_DEVICE__SPARSE, &m) == 1);
    assert_true(hone_device__quantum(HONE_DEVICE__FULL, &m) == 0);
    m.args[0] = arg_of(HONE_ELEM_F32, 0.01, 0.02); /* no eighth is in it */
    assert_true(hone_device__quantum(HONE_DEVICE__SMALL, &m) == 0);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static hone_device__diff differ(float got, double want, double bound, double tolerance)
{
    hone_device__expected e = {.elem = HONE_ELEM_F64, .value = &want, .error = &bound};
    return hone_device__compare(HONE_ELEM_F32, &got, &e, 1, tolerance);
}

static void comparison(void **state)
{
    (void)state;
    hone_device__diff d = differ(100, 100, 0, 2);
    assert_true(d.max_error == 0 && d.first_bad == -1);
    d = differ(101, 100, 0.5, 2); /* in units of the bound */
    assert_true(d.max_error == 2 && d.first_bad == -1);
    d = differ(101.5f, 100, 0.5, 2);
    assert_true(d.max_error == 3 && d.first_bad == 0 && d.got == 101.5 && d.bound == 1);
    d = differ(0x1p-149f, 0, 0, 2); /* no room at all */
    assert_true(isinf(d.max_error) && d.first_bad == 0);
    assert_int_equal(differ(-0.0f, 0, 0, 2).first_bad, -1);
    assert_int_equal(differ(NAN, 1, 0.5, 2).first_bad, 0);
    assert_int_equal(differ(NAN, -NAN, 0, 2).first_bad, -1);
    assert_int_equal(differ(1, NAN, 0, 2).first_bad, 0);
    assert_int_equal(differ(INFINITY, INFINITY, 0.1, 2).first_bad, -1);
    assert_int_equal(differ(INFINITY, -INFINITY, 0.1, 2).first_bad, 0);
    assert_int_equal(differ(703, INFINITY, 0.1, 2).first_bad, 0);
    assert_int_equal(differ(INFINITY, 703, 0.1, 2).first_bad, 0);
    assert_int_equal(differ(NAN, 5, INFINITY, 2).first_bad, -1); /* anything is right */
}

static int64_t bad16(uint8_t elem, double got, double want, double bound)
{
    uint16_t h = put16(elem, got);
    hone_device__expected e = {.elem = HONE_ELEM_F64, .value = &want, .error = &bound};
    return hone_device__compare(elem, &h, &e, 1, 2).first_bad;
}

/* The rounding of a store is in the bound, and is not taken twice. */
static void cutting_is_not_rounding(void **state)
{
    (void)state;
    double want = 1 + 0x1.8p-8, before = 0x1p-20; /* three quarters of the way to the next */
    double bound = before + 0x1p-8 * want + 0x1p-134;
    assert_int_equal(bad16(HONE_ELEM_BF16, 1 + 0x1p-7, want, bound), -1);
    assert_int_equal(bad16(HONE_ELEM_BF16, 1, want, bound), 0);
    assert_int_equal(bad16(HONE_ELEM_BF16, 1 + 0x1p-6, want, bound), 0);
    want = 1 + 0x1.0001p-8; /* as good as halfway: either */
    assert_int_equal(bad16(HONE_ELEM_BF16, 1, want, bound), -1);
    assert_int_equal(bad16(HONE_ELEM_BF16, 1 + 0x1p-7, want, bound), -1);
    want = -(2 - 0x1p-12); /* below a power of two places are nearer */
    bound = before + 0x1p-11 * 2 + 0x1p-25;
    assert_int_equal(bad16(HONE_ELEM_F16, -2, want, bound), -1);
    assert_int_equal(bad16(HONE_ELEM_F16, -(2 - 0x1p-10), want, bound), 0);
    want = 0x1.8p-25; /* of the smallest number */
    bound = 0x1p-40 + 0x1p-25;
    assert_int_equal(bad16(HONE_ELEM_F16, 0x1p-24, want, bound), -1);
    assert_int_equal(bad16(HONE_ELEM_F16, 0, want, bound), 0);
    /* whole numbers that may be off by one have no rounding in their bounds */
    assert_int_equal(bad16(HONE_ELEM_BF16, 201, 200, 1), -1);
}

/* The pass that is made vectors says the same as the careful one, wherever the bad one lies. */
static void long_arrays(void **state)
{
    (void)state;
    enum { N = 1500 };
    static float got[N];
    static double want[N], bound[N];
    hone_device__expected e = {.elem = HONE_ELEM_F64, .value = want, .error = bound};
    for (int i = 0; i < N; i++) {
        want[i] = got[i] = (float)i;
        bound[i] = 0.25;
    }
    for (int at = 0; at < N; at += 7) {
        got[at] += 0.375f;
        hone_device__diff d = hone_device__compare(HONE_ELEM_F32, got, &e, N, 2);
        assert_true(d.first_bad == -1 && d.max_error == 1.5);
        d = hone_device__compare(HONE_ELEM_F32, got, &e, N, 1.25);
        assert_int_equal(d.first_bad, at);
        got[at] = NAN;
        assert_int_equal(hone_device__compare(HONE_ELEM_F32, got, &e, N, 2).first_bad, at);
        got[at] = (float)at;
    }
}

static void integers_are_exact(void **state)
{
    (void)state;
    int64_t want[3] = {1, (1ll << 60), 3}, got[3] = {1, (1ll << 60) + 1, 3};
    hone_device__expected e = {.elem = HONE_ELEM_I64, .value = want};
    assert_int_equal(hone_device__compare(HONE_ELEM_I64, got, &e, 3, 1e30).first_bad, 1);
    uint8_t yes = 1, other = 255;
    e = (hone_device__expected){.elem = HONE_ELEM_U8, .value = &yes};
    assert_int_equal(hone_device__compare(HONE_ELEM_U8, &other, &e, 1, 1e30).first_bad, 0);
    assert_int_equal(hone_device__compare(HONE_ELEM_U8, &yes, &e, 1, 0).first_bad, -1);
    /* unless floats made them: then they may be off by what the oracle says */
    double bound = 1;
    uint8_t two = 2;
    e.error = &bound;
    assert_int_equal(hone_device__compare(HONE_ELEM_U8, &two, &e, 1, 1).first_bad, -1);
    assert_int_equal(hone_device__compare(HONE_ELEM_U8, &other, &e, 1, 1).first_bad, 0);
}

/* Where the analysis says nothing, what the program as written is off says how much. */
static void vague_bounds(void **state)
{
    (void)state;
    enum { MANY = 40 }; /* the others are 0 */
    double want[MANY] = {1, 2, 3, 0}, bound[MANY] = {INFINITY, 0.001, NAN, 0};
    uint16_t written[MANY] = {0};
    static const double off[4] = {1.125, 2, 3, 0};
    for (int i = 0; i < 4; i++)
        hone_device__elem_put(HONE_ELEM_BF16, written, i, off[i]);
    hone_device__expected e = {.elem = HONE_ELEM_F64, .value = want, .error = bound};
    hone_device__settle_bounds(HONE_ELEM_BF16, &e, written, MANY);
    assert_true(bound[0] > 0.5 && bound[0] < 0.51);
    assert_true(bound[1] == 0.001);
    assert_true(bound[2] > 0.5 && bound[2] < 0.52);
    assert_int_equal(e.telling, 2);
    /* what overflowed as written may be anything */
    bound[0] = INFINITY;
    bound[2] = 5;
    hone_device__elem_put(HONE_ELEM_BF16, written, 0, -INFINITY);
    hone_device__settle_bounds(HONE_ELEM_BF16, &e, written, MANY);
    assert_true(isinf(bound[0]) && bound[2] < 0.52);
    /* nothing is off where a sum that overflowed was divided by: that is no measure */
    for (int i = 0; i < MANY; i++) {
        want[i] = 0;
        bound[i] = INFINITY;
        hone_device__elem_put(HONE_ELEM_BF16, written, i, 0);
    }
    hone_device__settle_bounds(HONE_ELEM_BF16, &e, written, MANY);
    assert_true(isinf(bound[0]));
    /* what one element is off is chance, and whether it overflowed */
    double one = 100, loose = 1000, infinite = INFINITY;
    uint16_t near;
    hone_device__elem_put(HONE_ELEM_BF16, &near, 0, 101);
    e = (hone_device__expected){.elem = HONE_ELEM_F64, .value = &one, .error = &loose};
    hone_device__settle_bounds(HONE_ELEM_BF16, &e, &near, 1);
    assert_true(loose > 100 && loose < 130);
    e.error = &infinite;
    hone_device__settle_bounds(HONE_ELEM_BF16, &e, &near, 1);
    assert_true(isinf(infinite));
    /* f64 beside a sum in 16 bits is computed in one order both times */
    double sums[4] = {1, 2, 3, 4}, wide[4] = {1e100, 1e-20, 1e100, 1e100};
    e = (hone_device__expected){.elem = HONE_ELEM_F64, .value = sums, .error = wide};
    hone_device__settle_bounds(HONE_ELEM_F64, &e, sums, 4);
    assert_true(wide[0] == 1e100 && wide[1] == 1e-20);
    double alone[2] = {INFINITY, 0};
    e = (hone_device__expected){.elem = HONE_ELEM_F64, .value = (double[2]){5, 0}, .error = alone};
    hone_device__settle_bounds(HONE_ELEM_F32, &e, NULL, 2);
    assert_true(isinf(alone[0]));
    assert_int_equal(e.telling, 0);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void canaries(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < HONE_LEN(sizes); i++) {
        hone_device__buffer b;
        int64_t at = 0;
        assert_int_equal(hone_device__buffer_new(sizes[i], false, &b, NULL), HONE_OK);
        hone_device__buffer_place(&b, i % 2 ? HONE_DEVICE__AT_START : HONE_DEVICE__AT_END);
        assert_int_equal((uintptr_t)b.data % 64, 0);
        uint8_t *end = b.body + b.body_bytes;
        assert_true(end >= b.data + sizes[i]);
        assert_true(i % 2 ? b.data == b.body : end - (b.data + sizes[i]) <= 64);
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

/* Other memory, where it was: what it held is gone, and what is written from now on is seen. */
static void renewed(void **state)
{
    (void)state;
    for (int is_input = 0; is_input < 2; is_input++) {
        hone_device__buffer b;
        assert_int_equal(hone_device__buffer_new(10000, is_input, &b, NULL), HONE_OK);
        const hone_device__buffer before = b;
        uint8_t *to = is_input ? b.writer : b.body;
        for (uint8_t round = 1; round < 4; round++) {
            memset(to, round, 10000);
            assert_int_equal(b.body[9999], round);
            assert_int_equal(hone_device__buffer_renew(&b, NULL), HONE_OK);
            assert_memory_equal(&b, &before, sizeof b);
            for (size_t k = 0; k < b.body_bytes; k++)
                assert_int_equal(b.body[k], 0);
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
        cmocka_unit_test(inputs_depend_on_kind_seed_and_range_alone),
        cmocka_unit_test(poison_is_of_either_sign),
        cmocka_unit_test(small_data_are_small),
        cmocka_unit_test(ranges_are_kept_and_used),
        cmocka_unit_test(quanta),
        cmocka_unit_test(long_arrays),
        cmocka_unit_test(vague_bounds),
        cmocka_unit_test(comparison),
        cmocka_unit_test(cutting_is_not_rounding),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(canaries),
        cmocka_unit_test(renewed),
        cmocka_unit_test(honest_times),
        cmocka_unit_test(lies),
        cmocka_unit_test(limits_of_clock_and_machine),
        cmocka_unit_test(fresh_calls_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
