/* What a session keeps is bounded, as it may go on without end: candidates that were asked for,
 * clocks of devices, traces of the log that were looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/simulated.h"
#include "tuner/internal.h"
#include "tuner/known.h"

#define MANY 20000

static uint64_t nth(uint64_t k)
{
    return hone_hash_mix(1, k);
}

static void the_latest_are_known_and_the_oldest_forgotten(void **state)
{
    (void)state;
    hone_tuner__known k = {.most = 500};
    for (uint64_t n = 0; n < MANY; n++) {
        assert_true(hone_tuner__known_insert(&k, nth(n)));
        assert_false(hone_tuner__known_insert(&k, nth(n)));
        for (uint64_t back = 0; n % 97 == 0 && back < 500 && back <= n; back++)
            assert_true(hone_tuner__known_has(&k, nth(n - back)));
        assert_true(k.now.n + k.before.n <= 1000);
        assert_true(k.now.room <= 1024 && k.before.room <= 1024);
    }
    assert_false(hone_tuner__known_has(&k, nth(0)));
    hone_tuner__known_free(&k);
}

static void without_a_bound_all_are_known(void **state)
{
    (void)state;
    hone_tuner__known k = {0};
    for (uint64_t n = 0; n < MANY; n++)
        assert_true(hone_tuner__known_insert(&k, nth(n)));
    for (uint64_t n = 0; n < MANY; n++)
        assert_true(hone_tuner__known_has(&k, nth(n)));
    hone_tuner__known_free(&k);
}

/* How many candidates of a small space are asked for, of so many at most. */
static unsigned ask_for(uint32_t remember, unsigned most)
{
    hone_size sizes[] = {{"M", 2}, {"N", 2}, {"K", 2}};
    hone_space *space = simulated_space("matmul", sizes, 3, 1);
    hone_search *s = hone_search_new(hone_strategy_find("random"), space,
                                     &(hone_search_options){.seed = 3, .remember = remember});
    hone_candidate c;
    hone_error err;
    uint32_t n = 1;
    unsigned all = 0;
    while (n > 0 && all < most) {
        assert_int_equal(hone_search_ask(s, 1, &c, &n, &err), HONE_OK);
        all += n;
        if (n > 0) {
            hone_search_tell(s, &(hone_outcome){.id = c.id, .trace = c.trace, .time_ns = 1000});
            hone_candidate_free(&c);
        }
    }
    hone_search_free(s);
    hone_space_free(space);
    return all;
}

/* A space that fits into what is remembered ends; a larger one is gone through again. */
static void a_search_asks_again_for_what_it_has_forgotten(void **state)
{
    (void)state;
    unsigned all = ask_for(0, 4000);
    print_message("the space has %u candidates\n", all);
    assert_true(all > 8 && all < 4000);
    assert_true(ask_for(4, 2 * all) == 2 * all);
}

static void clocks_of_devices_are_bounded(void **state)
{
    (void)state;
    hone_session s = {0};
    variant v = {.clock_ns = 1000};
    errand j = {.v = &v, .against = NULL};
    for (unsigned k = 0; k < MANY; k++) {
        hone_pool_event e = {.result = {.n_samples = 1, .sample_ns = {500}}};
        snprintf(e.device, sizeof e.device, "board-%u", k);
        comparison c = hone_tuner__compare(&s, &j, &e, 1000);
        assert_true(c.comparable);
        assert_true(s.clocks.n <= CLOCKS);
        c = hone_tuner__compare(&s, &j, &e, 0); /* it is known there now */
        assert_true(c.comparable && fabs(c.clock_ns - 1000) < 1e-6);
    }
    hone_vec_free(&s.clocks);
}

static void traces_that_were_met_are_bounded(void **state)
{
    (void)state;
    hone_session s = {0};
    for (uint64_t k = 0; k < MANY; k++) {
        hone_tuner__meet(&s, nth(k));
        assert_true(s.met.n <= 2 * MET && s.met.v[s.met.n - 1] == nth(k));
        uint32_t before = s.met.n;
        hone_tuner__meet(&s, nth(k >= MET ? k - MET + 1 : 0));
        assert_int_equal(s.met.n, before);
    }
    hone_vec_free(&s.met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_are_known_and_the_oldest_forgotten),
        cmocka_unit_test(without_a_bound_all_are_known),
        cmocka_unit_test(a_search_asks_again_for_what_it_has_forgotten),
        cmocka_unit_test(clocks_of_devices_are_bounded),
        cmocka_unit_test(traces_that_were_met_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
