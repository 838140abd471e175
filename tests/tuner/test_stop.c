/* Every end that comes from outside: the user, the time, no workers. None of them waits. */
#include "tests/tuner/fake_pool.h"

static const phase phases[] = {WAITING, STARTING, TUNING, RACING, CONFIRMING};

/* A session in this phase, with a job in hand where the phase has some. A first session leaves a
 * log, so that there is something to start with and, by luck, to confirm. */
static fake_user *in_phase(fake_pool *f, phase p, int64_t time_ms)
{
    fake_open(f);
    fake_start(f, 0, &(fake_want){.trials = 8});
    fake_work(f);
    fake_end(f, 0);
    f->devices = p == WAITING ? 0 : 1;
    fake_user *u = fake_start(f, 0, &(fake_want){.trials = 8, .seed = 2, .time_ms = time_ms});
    if (p == CONFIRMING) { /* a claim in the log that this session has not heard of */
        hone_trace t = {0};
        hone_sched sched = {0};
        hone_rng rng;
        hone_rng_seed(&rng, 77);
        while (hone_space_sample(u->session->space, &rng, &sched, NULL) != HONE_OK) {
        }
        char *trace = hone_trace_text(&sched.trace);
        const hone_db_sample fast = {1000, 0};
        const hone_db_record r = {.workload_id = u->session->workload_id,
                                  .target_id = u->session->target_id,
                                  .trace_hash = hone_trace_hash(&sched.trace),
                                  .trace = trace,
                                  .status = HONE_OK,
                                  .time_ns = 1000,
                                  .checked = "reference",
                                  .llvm_version = "none"};
        fake_work_until(f, RACING);
        assert_int_equal(hone_db_record_put(u->db, &r, &fast, 1, NULL, NULL, NULL), HONE_OK);
        free(trace);
        hone_sched_fini(&sched);
        hone_trace_free(&t);
    }
    fake_work_until(f, p);
    while (p != WAITING && f->jobs.n == 0)
        fake_pass(f, 50);
    assert_int_equal(u->session->phase, p);
    return u;
}

static void check_ended(const fake_pool *f, const fake_user *u, uint64_t in_hand, uint64_t logged)
{
    assert_true(u->r->done);
    assert_int_equal(u->cancels, in_hand);
    assert_int_equal(f->jobs.n, 0);
    assert_int_equal(fake_log(u).n, logged);
}

/* Within one step, which the driver makes at least ten times a second. */
static void the_user_has_had_enough(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(phases); k++) {
        fake_pool f;
        fake_user *u = in_phase(&f, phases[k], 0);
        uint64_t in_hand = f.jobs.n, logged = fake_log(u).n;
        hone_session_stop(u->session);
        fake_pass(&f, 50);
        check_ended(&f, u, in_hand, logged);
        assert_int_equal(u->r->status, HONE_OK);
        assert_true(u->r->interrupted);
        if (phases[k] >= TUNING)
            assert_non_null(u->r->best_trace);
        fake_pass(&f, 200);
        assert_int_equal(f.jobs.n, 0);
        fake_close(&f);
    }
}

/* A worker that takes jobs and never answers, in every phase: time ends it. */
static void the_time_is_over(void **state)
{
    (void)state;
    for (unsigned k = 1; k < HONE_LEN(phases); k++) {
        fake_pool f;
        fake_user *u = in_phase(&f, phases[k], 600000);
        int64_t left = (u->session->deadline_ns - f.now_ns) / MS;
        assert_true(left > 0);
        fake_pass(&f, left - 100);
        if (phases[k] != TUNING)
            assert_false(u->r->done);
        fake_pass(&f, 150);
        assert_true(u->r->done);
        assert_int_equal(u->r->status, HONE_OK);
        assert_false(u->r->interrupted);
        assert_int_equal(f.jobs.n, 0);
        fake_close(&f);
    }
}

/* The final race is part of the time that was given. */
static void time_is_kept_for_the_final_race(void **state)
{
    (void)state;
    fake_pool f;
    fake_open(&f);
    fake_user *u = fake_start(&f, 0, &(fake_want){.time_ms = 2000});
    fake_work(&f);
    assert_true(u->seen[RACING]);
    assert_true(u->r->wall_ns <= 2000 * MS);
    assert_true(u->r->trials > 10);
    fake_close(&f);
}

static void nobody_comes(void **state)
{
    (void)state;
    const struct {
        unsigned builders, devices;
        bool can_run;
        const char *text;
    } cases[] = {{0, 0, true, "can build or measure"},
                 {1, 0, true, "can measure"},
                 {0, 1, true, "can build"},
                 {1, 1, false, "can run code for this target"}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        fake_pool f;
        fake_open(&f);
        f.builders = cases[k].builders;
        f.devices = cases[k].devices;
        f.can_run = cases[k].can_run;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 4});
        fake_pass(&f, 9900);
        assert_false(u->r->done);
        fake_pass(&f, 200);
        assert_true(u->r->done);
        assert_int_equal(u->r->status, HONE_E_PEER);
        assert_non_null(strstr(u->r->error.message, cases[k].text));
        fake_close(&f);
    }
}

/* Who was started is waited for until it is there, or can not be any more. */
static void somebody_is_on_its_way(void **state)
{
    (void)state;
    for (int comes = 0; comes < 2; comes++) {
        fake_pool f;
        fake_open(&f);
        f.devices = 0;
        f.coming = HONE_ROLE_RUN;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 4});
        fake_pass(&f, 12000);
        assert_false(u->r->done);
        f.coming = 0;
        f.devices = (unsigned)comes;
        fake_pass(&f, 9900);
        assert_false(u->r->done);
        if (comes)
            fake_work(&f);
        else
            fake_pass(&f, 200);
        assert_true(u->r->done);
        assert_int_equal(u->r->status, comes ? HONE_OK : HONE_E_PEER);
        fake_close(&f);
    }
}

/* They have ten seconds to come back; what was measured is kept. */
static void all_go(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        fake_pool f;
        fake_user *u = in_phase(&f, TUNING, 0);
        f.devices = 0;
        fake_pass(&f, 9000);
        assert_false(u->r->done);
        f.devices = back ? 1 : 0;
        fake_pass(&f, 2000);
        if (back)
            fake_work(&f);
        assert_true(u->r->done);
        assert_int_equal(u->r->status, back ? HONE_OK : HONE_E_PEER);
        assert_true(fake_log(u).n >= 8);
        fake_close(&f);
    }
}

/* They are there and take nothing: not for ever. */
static void nobody_answers(void **state)
{
    (void)state;
    fake_pool f;
    fake_user *u = in_phase(&f, TUNING, 0);
    fake_pass(&f, 890000);
    assert_false(u->r->done);
    fake_pass(&f, 20000);
    assert_true(u->r->done);
    assert_int_equal(u->r->status, HONE_E_BUSY);
    assert_int_equal(f.jobs.n, 0);
    fake_close(&f);
}

/* Builds and measurements on one machine are never at the same time. */
static void exclusive_means_one_kind_at_a_time(void **state)
{
    (void)state;
    fake_pool f;
    fake_open(&f);
    f.builders = 2;
    fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 20, .exclusive = true});
    while (!u->r->done) {
        bool both = fake_find(&f, HONE_ROLE_BUILD) >= 0 && fake_find(&f, HONE_ROLE_RUN) >= 0;
        assert_false(both);
        f.jobs.n > 0 ? fake_serve(&f, f.jobs.n - 1) : fake_pass(&f, 50);
    }
    assert_int_equal(u->r->trials, 20);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_has_had_enough),
        cmocka_unit_test(the_time_is_over),
        cmocka_unit_test(time_is_kept_for_the_final_race),
        cmocka_unit_test(nobody_comes),
        cmocka_unit_test(somebody_is_on_its_way),
        cmocka_unit_test(all_go),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(exclusive_means_one_kind_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
