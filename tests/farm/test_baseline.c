/* What canaries should be, with canaries made up: noise, steps, drifts, oscillation, and a person
 * who says each minute that all is well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farm/baseline.h"

#include <math.h>

#define SEC INT64_C(1000000000)
#define MINUTE (60 * SEC)

typedef struct course {
    hone_farm_baseline b;
    hone_farm_limits l;
    hone_rng rng;
    int64_t now, cool;
    double noise;
    unsigned said[CANARY_SHIFTED + 1], all;
    int64_t shifted_at;
} course;

static double gauss(course *c)
{
    double u = 1 - hone_rng_double(&c->rng), v = hone_rng_double(&c->rng);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* One more canary of a device that is so much slower than at first, in ln. The next one is a minute
 * later, or when what it said asks for it. */
static hone_farm__word one(course *c, double slow)
{
    double x[HONE_FARM_CANARIES];
    for (int k = 0; k < HONE_FARM_CANARIES; k++)
        x[k] = log(1e6 * (k + 1)) + slow + c->noise * gauss(c);
    hone_farm__word w = hone_farm__baseline_take(&c->b, x, c->now, &c->l);
    c->said[w]++;
    c->all++;
    if (w == CANARY_SHIFTED)
        c->shifted_at = c->now;
    if (w == CANARY_HOT) {
        c->now += c->cool;
        c->cool = c->cool < 120 * SEC ? 2 * c->cool : c->cool;
    } else if (w == CANARY_CHANGED) { /* quarantine */
        c->now += 300 * SEC;
    } else {
        c->cool = w == CANARY_CLEAN ? 30 * SEC : c->cool;
        c->now += hone_farm__baseline_asks(&c->b, c->now, &c->l) ? SEC / 4 : MINUTE;
    }
    return w;
}

static void begin(course *c, double noise)
{
    *c = (course){.noise = noise, .now = MINUTE, .cool = 30 * SEC};
    hone_farm_limits_init(&c->l);
    hone_rng_seed(&c->rng, 7);
    while (one(c, 0) != CANARY_LEARNED)
        assert_false(hone_farm__baseline_known(&c->b));
    for (int k = 0; k < 100; k++)
        one(c, 0);
    memset(c->said, 0, sizeof c->said);
    c->all = 0;
}

static void noise_is_let_alone(void **state)
{
    (void)state;
    static const double noises[] = {0.001, 0.01, 0.03, 0.1};
    for (size_t k = 0; k < HONE_LEN(noises); k++) {
        course c;
        begin(&c, noises[k]);
        while (c.all < 20000)
            one(&c, 0);
        print_message("noise %.3f: %u of %u clean, %u hot, %u changed, %u shifted, %u crept\n",
                      noises[k], c.said[CANARY_CLEAN], c.all, c.said[CANARY_HOT],
                      c.said[CANARY_CHANGED], c.said[CANARY_SHIFTED], c.said[CANARY_CREPT]);
        assert_true(c.said[CANARY_CLEAN] > 0.95 * c.all);
        assert_true(c.said[CANARY_HOT] + c.said[CANARY_CHANGED] + c.said[CANARY_SHIFTED] <= 2);
        assert_true(c.said[CANARY_CREPT] <= 2);
        assert_true(fabs(hone_farm_baseline_drift(&c.b)) < 0.01 + noises[k]);
    }
}

/* Found soon, and taken for what it is when it has lasted; said once. */
static void a_step_that_lasts_is_the_new_level(void **state)
{
    (void)state;
    static const double steps[] = {0.05, 0.09, 0.2, 0.7, -0.05, -0.3};
    for (size_t k = 0; k < HONE_LEN(steps); k++) {
        course c;
        begin(&c, 0.01);
        int64_t start = c.now;
        unsigned before = 0;
        while (c.said[CANARY_SHIFTED] == 0) {
            one(&c, steps[k]);
            before++;
            assert_true(before < 40 && c.now - start < 20 * MINUTE);
        }
        assert_true(c.shifted_at - start >= c.l.level_ms * SEC / 1000);
        assert_true(c.said[CANARY_HOT] + c.said[CANARY_CHANGED] > 0);
        assert_true((c.said[CANARY_HOT] > 0) == (steps[k] > 0.1));
        assert_true(fabs(log(1 + hone_farm_baseline_drift(&c.b)) - steps[k]) < 0.02);
        memset(c.said, 0, sizeof c.said);
        for (c.all = 0; c.all < 1000;)
            one(&c, steps[k]);
        assert_true(c.said[CANARY_CLEAN] > 950);
        assert_int_equal(c.said[CANARY_SHIFTED] + c.said[CANARY_CHANGED] + c.said[CANARY_HOT], 0);
        assert_true(fabs(log(1 + hone_farm_baseline_drift(&c.b)) - steps[k]) < 0.01);
    }
}

/* Heat that cooling helps, and a single canary that was disturbed, move nothing. */
static void what_passes_leaves_no_trace(void **state)
{
    (void)state;
    course c;
    begin(&c, 0.01);
    for (int day = 0; day < 200; day++) {
        int64_t start = c.now;
        while (c.now - start < 100 * SEC)
            one(&c, 0.2);
        for (int k = 0; k < 20; k++)
            one(&c, k == 10 ? 1 : 0);
    }
    assert_true(c.said[CANARY_HOT] >= 200);
    assert_int_equal(c.said[CANARY_SHIFTED] + c.said[CANARY_CHANGED] + c.said[CANARY_CREPT], 0);
    assert_true(fabs(hone_farm_baseline_drift(&c.b)) < 0.01);
}

static void a_slow_drift_is_followed_and_told(void **state)
{
    (void)state;
    for (int way = -1; way <= 1; way += 2) {
        course c;
        begin(&c, 0.01);
        while (c.all < 4000)
            one(&c, way * 0.2 * c.all / 4000);
        print_message("a drift of a fifth: crept %u times, changed %u\n", c.said[CANARY_CREPT],
                      c.said[CANARY_CHANGED]);
        assert_true(c.said[CANARY_CREPT] >= 5 && c.said[CANARY_CREPT] <= 8);
        assert_int_equal(c.said[CANARY_HOT] + c.said[CANARY_CHANGED] + c.said[CANARY_SHIFTED], 0);
        assert_true(fabs(log(1 + hone_farm_baseline_drift(&c.b)) - way * 0.2) < 0.01);
    }
}

/* Whatever share of the time something else runs there: some canaries are clean, in the long run
 * most, and no level is taken before it has lasted. */
static void a_machine_that_is_shared_is_not_hot_for_ever(void **state)
{
    (void)state;
    for (int busy = 1; busy < 10; busy++) {
        course c;
        bool loud = false;
        int64_t until = 0, last = 0;
        unsigned clean = 0, n = 0;
        begin(&c, 0.01);
        while (c.now < 72 * 60 * MINUTE) {
            if (c.now >= until) { /* for some minutes */
                loud = hone_rng_below(&c.rng, 10) < (uint64_t)busy;
                until = c.now + (int64_t)hone_rng_below(&c.rng, 10 * MINUTE);
            }
            unsigned was = c.said[CANARY_SHIFTED];
            hone_farm__word w = one(&c, loud ? 0.25 : 0);
            if (c.said[CANARY_SHIFTED] != was) {
                assert_true(c.shifted_at - last >= c.l.level_ms * SEC / 1000);
                last = c.shifted_at;
            }
            n++;
            clean += w == CANARY_CLEAN || w == CANARY_SHIFTED || w == CANARY_CREPT;
        }
        print_message("loud for %d0 %%: %u of %u canaries clean, %u hot, %u levels\n", busy, clean,
                      n, c.said[CANARY_HOT], c.said[CANARY_SHIFTED]);
        assert_true(2 * clean > n);
    }
}

static void noise_that_grows_is_learned(void **state)
{
    (void)state;
    course c;
    begin(&c, 0.01);
    c.noise = 0.08;
    int64_t start = c.now;
    while (c.now - start < 120 * MINUTE)
        one(&c, 0);
    memset(c.said, 0, sizeof c.said);
    for (c.all = 0; c.all < 1000;)
        one(&c, 0);
    assert_true(c.said[CANARY_CLEAN] > 900);
    c.noise = 0.01; /* and forgotten: a change of a twentieth is seen again */
    for (int k = 0; k < 1000; k++)
        one(&c, 0);
    memset(c.said, 0, sizeof c.said);
    for (int k = 0; k < 40; k++)
        one(&c, 0.05);
    assert_true(c.said[CANARY_CHANGED] > 0);
}

/* Whoever opens it each minute does not start its cooling anew for ever. */
static void a_person_need_not_wait_for_it_to_last(void **state)
{
    (void)state;
    course c;
    begin(&c, 0.01);
    int64_t start = c.now;
    while (c.said[CANARY_SHIFTED] == 0) {
        one(&c, 0.3);
        hone_farm__baseline_accept(&c.b, c.now, &c.l);
        assert_true(c.all < 20 && c.now - start < 5 * MINUTE);
    }
    assert_int_equal(one(&c, 0.3), CANARY_CLEAN);
    begin(&c, 0.01); /* of one that is well it is no news */
    hone_farm__baseline_accept(&c.b, c.now, &c.l);
    assert_int_equal(one(&c, 0), CANARY_CLEAN);
    assert_int_equal(c.said[CANARY_SHIFTED], 0);
}

/* A log from before baselines moved: the ring is full, its end and beginning are not known. */
static void an_old_baseline_goes_on(void **state)
{
    (void)state;
    course c;
    begin(&c, 0.01);
    c.b.n_baseline = (uint32_t)(c.l.canary_burn_in + c.l.canary_baseline);
    memset(c.b.began, 0, sizeof c.b.began);
    memset(c.b.first, 0, sizeof c.b.first);
    assert_true(hone_farm_baseline_drift(&c.b) == 0);
    for (int k = 0; k < 100; k++)
        one(&c, 0);
    assert_true(c.said[CANARY_CLEAN] > 95);
    assert_true(fabs(hone_farm_baseline_drift(&c.b)) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_let_alone),
        cmocka_unit_test(a_step_that_lasts_is_the_new_level),
        cmocka_unit_test(what_passes_leaves_no_trace),
        cmocka_unit_test(a_slow_drift_is_followed_and_told),
        cmocka_unit_test(a_machine_that_is_shared_is_not_hot_for_ever),
        cmocka_unit_test(noise_that_grows_is_learned),
        cmocka_unit_test(a_person_need_not_wait_for_it_to_last),
        cmocka_unit_test(an_old_baseline_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
