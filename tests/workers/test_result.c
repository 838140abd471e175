/* What a worker says of a measurement: honest results pass as they are, lies in form never do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/wire/wire.h"

#include <math.h>

static hone_artifact incumbent;
static hone_measure_job asked;
static hone_wire_measured good;

static int setup(void **state)
{
    (void)state;
    asked = (hone_measure_job){
        .incumbent = &incumbent, .tolerance = 1e-3, .min_samples = 3, .max_samples = 9};
    good = (hone_wire_measured){.ticket = 5,
                                .spent_ns = 1000000,
                                .time_ns = 120,
                                .log_ratio = log(120.0 / 200),
                                .n_sample_ns = 3,
                                .sample_ns = {100, 120.25, 140},
                                .n_incumbent_ns = 3,
                                .incumbent_ns = {200, 200, 200},
                                .max_error = 1e-4,
                                .check_ns = 400000,
                                .run_ns = 500000,
                                .env = "cpu=x"};
    return 0;
}

static hone_status take(hone_measure_result *ret, hone_error *err)
{
    return hone_wire_result(&good, &asked, ret, err);
}

static void honest(void **state)
{
    (void)state;
    hone_measure_result r;
    assert_int_equal(take(&r, NULL), HONE_OK);
    assert_int_equal(r.time_ns, 120);
    assert_int_equal(r.n_samples, 3);
    assert_true(r.sample_ns[1] == 120.25 && r.incumbent_ns[2] == 200 && r.max_error == 1e-4);
    assert_string_equal(r.env, "cpu=x");
    good.max_error = 1e-3; /* at the tolerance */
    assert_int_equal(take(&r, NULL), HONE_OK);
    asked.incumbent = NULL;
    good.log_ratio = 0;
    memset(good.incumbent_ns, 0, sizeof good.incumbent_ns);
    assert_int_equal(take(&r, NULL), HONE_OK);
    good.sample_ns[0] = good.sample_ns[1] = good.sample_ns[2] = 0.3; /* shorter than a nanosecond */
    good.time_ns = 1;
    assert_int_equal(take(&r, NULL), HONE_OK);
}

/* A wrong kernel's error may be anything but NaN; of its times nothing is taken. */
static void rejected(void **state)
{
    (void)state;
    hone_measure_result r;
    good.error.status = HONE_REJECT_WRONG_RESULT;
    good.max_error = INFINITY;
    good.time_ns = -4;
    assert_int_equal(take(&r, NULL), HONE_OK);
    assert_true(isinf(r.max_error));
    assert_int_equal(r.time_ns, 0);
    assert_int_equal(r.n_samples, 0);
    assert_int_equal(r.check_ns, 400000);
    good.max_error = NAN;
    assert_int_equal(take(&r, NULL), HONE_E_PROTOCOL);
}

static void lies(void **state)
{
    (void)state;
    static const double never[] = {NAN, INFINITY, -INFINITY, -1, -1e-300, 1e300};
    hone_measure_result r;
    hone_error err;
#define REFUSED(what, change)                          \
    setup(NULL);                                       \
    change;                                            \
    assert_int_equal(take(&r, &err), HONE_E_PROTOCOL); \
    assert_string_equal(err.message, "a result that cannot be: " what)
    for (size_t i = 0; i < HONE_LEN(never); i++) {
        hone_status s;
        setup(NULL);
        good.max_error = never[i];
        s = take(&r, &err);
        assert_int_equal(s, HONE_E_PROTOCOL);
        setup(NULL);
        good.sample_ns[1] = never[i];
        assert_int_equal(take(&r, &err), HONE_E_PROTOCOL);
        setup(NULL);
        good.incumbent_ns[0] = never[i];
        assert_int_equal(take(&r, &err), HONE_E_PROTOCOL);
        setup(NULL);
        good.log_ratio = never[i];
        assert_int_equal(take(&r, &err), HONE_E_PROTOCOL);
    }
    REFUSED("its error, which is over the tolerance", good.max_error = 1.001e-3);
    REFUSED("its error, which is over the tolerance", good.max_error = 1e300);
    REFUSED("its time", good.time_ns = 0);
    REFUSED("its time", good.time_ns = -7);
    REFUSED("its time", good.time_ns = 98);
    REFUSED("its time", good.time_ns = 142);
    REFUSED("its time", good.time_ns = INT64_MAX);
    REFUSED("its ratio", good.log_ratio = log(0.49));
    REFUSED("its ratio", good.log_ratio = log(0.71));
    REFUSED("a sample", good.sample_ns[2] = 0);
    REFUSED("a sample of the incumbent", good.incumbent_ns[2] = 0);
    REFUSED("a sample of the incumbent", asked.incumbent = NULL); /* there was none to time */
    REFUSED("the number of samples", good.n_sample_ns = good.n_incumbent_ns = 0);
    REFUSED("the number of samples", good.n_incumbent_ns = 2);
    REFUSED("the number of samples", asked.max_samples = 2);
    REFUSED("a duration", good.spent_ns = -1);
    REFUSED("a duration", good.check_ns = INT64_MAX);
    REFUSED("a duration", good.run_ns = INT64_MIN);
}

/* ---- mutated messages ----------------------------------------------------------------------- */

static void change(hone_rng *rng, uint8_t *bytes, size_t n)
{
    static const double reals[] = {NAN, INFINITY, -INFINITY, 0, -0.0, -1, 1e300, 5e-324, 150};
    static const int64_t whole[] = {0, -1, INT64_MIN, INT64_MAX, 130, 64, 65};
    size_t at = HONE_WIRE_HEADER_BYTES + hone_rng_below(rng, n - HONE_WIRE_HEADER_BYTES);
    uint8_t raw[8];
    size_t k = 8;
    switch (hone_rng_below(rng, 3)) {
    case 0:
        memcpy(raw, &reals[hone_rng_below(rng, HONE_LEN(reals))], 8);
        break;
    case 1:
        memcpy(raw, &whole[hone_rng_below(rng, HONE_LEN(whole))], 8);
        break;
    default:
        raw[0] = (uint8_t)hone_rng_u64(rng);
        k = 1;
    }
    memcpy(bytes + at, raw, k < n - at ? k : n - at);
}

static bool fine(double x, double least, double most)
{
    return isfinite(x) && x >= least && x <= most;
}

/* A ratio of samples beyond what a number holds is no licence for any ratio. */
static void ratios_are_bounded(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err = {0};
    static const double ratios[] = {1e300, INFINITY, -1e300};
    for (size_t i = 0; i < HONE_LEN(ratios); i++) {
        setup(NULL);
        for (uint32_t k = 0; k < good.n_sample_ns; k++) {
            good.sample_ns[k] = 1e16;
            good.incumbent_ns[k] = 5e-324;
        }
        good.time_ns = INT64_C(10000000000000000);
        good.log_ratio = ratios[i];
        assert_int_equal(take(&r, &err), HONE_E_PROTOCOL);
        assert_non_null(strstr(err.message, "its ratio"));
    }
}

/* Whatever is done to the bytes: what is taken could have been measured. */
static void mutated(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 11);
    unsigned taken = 0, refused = 0;
    static hone_wire in, out;
    for (int i = 0; i < 60000; i++) {
        setup(NULL);
        if (i % 2) {
            asked.incumbent = NULL;
            good.log_ratio = 0;
            memset(good.incumbent_ns, 0, sizeof good.incumbent_ns);
        }
        in = (hone_wire){.type = HONE_WIRE_MEASURED, .measured = good};
        hone_buf b = {0};
        assert_int_equal(hone_wire_encode(&in, &b, NULL), HONE_OK);
        for (uint64_t k = 1 + hone_rng_below(&rng, 2); k > 0; k--)
            change(&rng, (uint8_t *)b.s, b.n);
        hone_measure_result r;
        if (hone_wire_decode(b.s, b.n, &out, NULL) != HONE_OK || out.type != HONE_WIRE_MEASURED) {
            hone_buf_free(&b);
            continue;
        }
        hone_status status = out.measured.error.status;
        if (hone_wire_result(&out.measured, &asked, &r, NULL) != HONE_OK) {
            refused++;
        } else {
            taken++;
            assert_false(isnan(r.max_error));
            assert_true(r.max_error >= 0 && r.check_ns >= 0 && r.run_ns >= 0);
            assert_true(memchr(r.env, 0, sizeof r.env) != NULL);
            assert_in_range(r.n_samples, 0, status == HONE_OK ? asked.max_samples : 0);
            for (int32_t s = 0; s < r.n_samples; s++)
                assert_true(fine(r.sample_ns[s], 5e-324, 1e16) &&
                            fine(r.incumbent_ns[s], i % 2 ? 0 : 5e-324, i % 2 ? 0 : 1e16));
            if (status == HONE_OK)
                assert_true(r.time_ns >= 1 && fine(r.log_ratio, -800, 800) &&
                            fine(r.max_error, 0, asked.tolerance) && r.n_samples > 0);
        }
        hone_buf_free(&b);
    }
    assert_true(taken > 1000 && refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(honest, setup),  cmocka_unit_test_setup(rejected, setup),
        cmocka_unit_test_setup(lies, setup),    cmocka_unit_test_setup(ratios_are_bounded, setup),
        cmocka_unit_test_setup(mutated, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
