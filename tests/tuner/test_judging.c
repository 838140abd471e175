/* Who leads, when several devices answer in any order and at any speed. */
#include "tests/tuner/fake_pool.h"

/* Two devices are busy with two candidates that were handed out with the same incumbent. */
static fake_user *two_in_hand(fake_pool *f)
{
    fake_open(f);
    fake_user *u = fake_start(f, 0, &(fake_want){.trials = 30});
    while (u->trials < 2)
        f->jobs.n > 0 ? fake_serve(f, 0) : fake_pass(f, 50);
    f->devices = 2;
    for (;;) {
        int at = fake_find(f, HONE_ROLE_BUILD);
        if (at >= 0)
            fake_serve(f, (uint32_t)at);
        else if (f->jobs.n == 2 && f->jobs.v[1].role == HONE_ROLE_RUN)
            return u;
        else
            fake_pass(f, 50);
    }
}

/* Answers job i: so many times the incumbent's time, on that device. */
static void answer_ratio(fake_pool *f, uint32_t i, double ratio, double incumbent_ns,
                         const char *device)
{
    hone_pool_event e;
    fake_answer(&f->jobs.v[i], 1, &e);
    fake_set_times(&e, ratio * incumbent_ns, incumbent_ns);
    snprintf(e.device, sizeof e.device, "%s", device);
    fake_give(f, i, &e);
}

static const char *leader(const fake_user *u)
{
    return hone_tuner__incumbent(u->session)->trace;
}

/* F8: B beats the incumbent by half, A by 1 %, and A's answer comes last. */
static void the_last_answer_does_not_win(void **state)
{
    (void)state;
    fake_pool f;
    fake_user *u = two_in_hand(&f);
    assert_string_equal(f.jobs.v[0].incumbent, f.jobs.v[1].incumbent);
    double before = hone_tuner__incumbent(u->session)->clock_ns;
    char *b = hone_xstrdup(f.jobs.v[1].candidate);
    answer_ratio(&f, 1, 0.5, before, "a");
    assert_true(u->last.best);
    assert_string_equal(leader(u), b);
    answer_ratio(&f, 0, 0.99, before, "a");
    assert_false(u->last.best);
    assert_string_equal(leader(u), b);
    assert_int_equal(u->last.compare_ns, llround(0.99 * before));
    free(b);
    fake_close(&f);
}

/* The same where the second device is three times slower: its raw times are no better than those of
 * the first, its ratios are. */
static void a_slow_device_is_no_disadvantage(void **state)
{
    (void)state;
    fake_pool f;
    fake_user *u = two_in_hand(&f);
    double before = hone_tuner__incumbent(u->session)->clock_ns;
    char *b = hone_xstrdup(f.jobs.v[1].candidate);
    answer_ratio(&f, 0, 0.9, before, "a");
    assert_true(u->last.best);
    answer_ratio(&f, 0, 0.6, 3 * before, "slow");
    assert_true(u->last.best);
    assert_string_equal(leader(u), b);
    assert_int_equal(u->last.compare_ns, llround(0.6 * before));
    assert_int_equal(u->last.time_ns, (int64_t)(1.8 * before));
    free(b);
    fake_close(&f);
}

/* Where the chain cannot tell, the two run against one another. */
static void what_is_too_close_is_raced(void **state)
{
    (void)state;
    for (int wins = 0; wins < 2; wins++) {
        fake_pool f;
        fake_user *u = two_in_hand(&f);
        double before = hone_tuner__incumbent(u->session)->clock_ns;
        char *b = hone_xstrdup(f.jobs.v[1].candidate), *a = hone_xstrdup(f.jobs.v[0].candidate);
        answer_ratio(&f, 1, 0.5, before, "a");
        answer_ratio(&f, 0, 0.498, before, "b");
        assert_false(u->last.best);
        uint32_t at = 0;
        while (at < f.jobs.n &&
               (f.jobs.v[at].role != HONE_ROLE_RUN || strcmp(f.jobs.v[at].candidate, a) != 0))
            at++;
        assert_true(at < f.jobs.n);
        assert_string_equal(f.jobs.v[at].incumbent, b);
        assert_true(f.jobs.v[at].asked.min_samples > 3);
        answer_ratio(&f, at, wins ? 0.99 : 1.01, 0.5 * before, "b");
        assert_string_equal(leader(u), wins ? a : b);
        free(a);
        free(b);
        fake_close(&f);
    }
}

/* Serves what is to be built until something is to be measured. */
static uint32_t next_run(fake_pool *f)
{
    int at;
    while ((at = fake_find(f, HONE_ROLE_RUN)) < 0)
        f->jobs.n > 0 ? fake_serve(f, 0) : fake_pass(f, 50);
    return (uint32_t)at;
}

/* What is ahead by no more than the noise does not lead. Who takes the lead by little is measured
 * with the one it took it from once more, both ways, as the first of two may be favoured: by that
 * it has its time, and if it is the slower one after all, the other has another go. */
static void a_narrow_lead_is_settled(void **state)
{
    (void)state;
    static const double again[] = {0.9, 1.1};
    for (int lucky = 0; lucky < 2; lucky++) {
        fake_pool f;
        fake_user *u = two_in_hand(&f);
        double before = hone_tuner__incumbent(u->session)->clock_ns;
        char *was = hone_xstrdup(leader(u)), *v = hone_xstrdup(f.jobs.v[0].candidate);
        f.devices = 1;
        answer_ratio(&f, 1, 0.995, before, "a");
        assert_false(u->last.best);
        answer_ratio(&f, 0, 0.8, before, "a");
        assert_true(u->last.best);
        assert_string_equal(leader(u), v);
        for (int turned = 0; turned < 2; turned++) {
            uint32_t at = next_run(&f);
            assert_string_equal(f.jobs.v[at].candidate, turned ? was : v);
            assert_string_equal(f.jobs.v[at].incumbent, turned ? v : was);
            double ratio = turned ? 1 / again[lucky] : again[lucky];
            /* whatever the device does meanwhile */
            answer_ratio(&f, at, 0.95 * ratio, 3 * before, "a");
        }
        assert_string_equal(leader(u), v);
        assert_true(fabs(hone_tuner__incumbent(u->session)->clock_ns / before - again[lucky]) <
                    1e-9);
        uint32_t at = next_run(&f);
        assert_string_equal(f.jobs.v[at].incumbent, v);
        assert_int_equal(f.jobs.v[at].asked.min_samples > 3, lucky);
        if (lucky) {
            answer_ratio(&f, at, 0.9, 3 * before, "a");
            assert_string_not_equal(leader(u), v);
        }
        free(was);
        free(v);
        fake_close(&f);
    }
}

/* Halves that say quite different things make trials less certain, but what is far ahead leads. */
static void a_disturbed_comparison_keeps_nobody_away(void **state)
{
    (void)state;
    fake_pool f;
    fake_user *u = two_in_hand(&f);
    double before = hone_tuner__incumbent(u->session)->clock_ns;
    f.devices = 1;
    answer_ratio(&f, 1, 1.5, before, "a");
    answer_ratio(&f, 0, 0.8, before, "a");
    answer_ratio(&f, next_run(&f), 0.3, before, "a");
    answer_ratio(&f, next_run(&f), 0.6, before, "a");
    const double ratio[] = {0.93, 0.85};
    for (int k = 0; k < 2; k++) {
        uint32_t at = next_run(&f);
        assert_int_equal(f.jobs.v[at].asked.min_samples, 3); /* a trial */
        answer_ratio(&f, at, ratio[k], before, "a");
        assert_int_equal(u->last.best, k);
    }
    fake_close(&f);
}

static void all_the_same(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    (void)f;
    if (j->role != HONE_ROLE_RUN)
        return;
    double luck = 1 + 0.6 * hone_rng_double(ctx), other = 1 + 0.6 * hone_rng_double(ctx);
    fake_set_times(e, 5000 * luck, j->incumbent ? 5000 * other : 0);
}

/* Of kernels that are all the same, on a machine that is very busy, one leads after the other by
 * luck; their comparable times do not run away from what is true. */
static void luck_does_not_add_up(void **state)
{
    (void)state;
    double sum = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        fake_pool f;
        hone_rng rng;
        hone_rng_seed(&rng, seed);
        fake_open(&f);
        f.hook = all_the_same;
        f.ctx = &rng;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 40, .seed = seed});
        fake_work_until(&f, RACING);
        sum += log(hone_tuner__incumbent(u->session)->clock_ns / 6500) / 8;
        fake_close(&f);
    }
    print_message("off by a factor of %.3f in the mean\n", exp(sum));
    assert_true(fabs(sum) < log(1.5));
}

/* Kernels that are all the same; of two in a process the first is the faster one, for a while, and
 * then the slower one. */
static void favoured(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    if (j->role != HONE_ROLE_RUN)
        return;
    double favour = f->answered / 60 % 2 ? 1.05 : 0.95;
    hone_measure_result *r = &e->result;
    for (int k = 0; k < r->n_samples; k++) {
        r->sample_ns[k] = 5000 * favour * (0.99 + 0.02 * hone_rng_double(ctx));
        r->incumbent_ns[k] = j->incumbent ? 5000 : 0;
    }
}

/* Few are ahead by being measured first, and that is no part of the clock: but once, when the
 * program as written is left behind, and where it changes between two parts. */
static void being_first_does_not_add_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        fake_pool f;
        hone_rng rng;
        hone_rng_seed(&rng, seed);
        fake_open(&f);
        f.hook = favoured;
        f.ctx = &rng;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 150, .seed = seed});
        fake_work(&f);
        double off = hone_tuner__incumbent(u->session)->clock_ns / 5000;
        print_message("off by a factor of %.3f, %d leads\n", off, (int)u->bests);
        assert_true(fabs(log(off)) < log(1.2));
        assert_true(u->bests < 12);
        fake_assert_answer(u);
        fake_close(&f);
    }
}

/* A device that is shared: for a while at a third of its speed, then at all of it, and its times
 * are off by some percent besides. */
static void shared(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    if (j->role != HONE_ROLE_RUN)
        return;
    double slow = f->answered / 30 % 2 ? 3 : 1;
    hone_measure_result *r = &e->result;
    double luck = 0.97 + 0.06 * hone_rng_double(ctx);
    for (int k = 0; k < r->n_samples; k++) {
        r->sample_ns[k] *= slow * luck;
        r->incumbent_ns[k] *= slow;
    }
}

static void a_shared_device_does_not_bend_time(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        fake_pool f;
        hone_rng rng;
        hone_rng_seed(&rng, seed);
        fake_open(&f);
        f.hook = shared;
        f.ctx = &rng;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 150, .seed = seed});
        fake_work_until(&f, RACING);
        const variant *first = hone_tuner__incumbent(u->session);
        worst = fmax(worst, fabs(log(first->clock_ns / fake_ns(first->trace))));
        fake_close(&f);
    }
    print_message("off by a factor of %.3f at most\n", exp(worst));
    assert_true(worst < log(1.15));
}

/* More wants to run than there are processors: of every pair one ran, and one waited. */
static void crowded(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    (void)f;
    if (j->role != HONE_ROLE_RUN)
        return;
    hone_measure_result *r = &e->result;
    for (int k = 0; k < r->n_samples; k++) {
        double wait = 3 + 9 * hone_rng_double(ctx);
        *(hone_rng_below(ctx, 2) ? &r->sample_ns[k] : &r->incumbent_ns[k]) *= wait;
    }
}

static void a_crowded_device_does_not_bend_time(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        fake_pool f;
        hone_rng rng;
        hone_rng_seed(&rng, seed);
        fake_open(&f);
        f.hook = crowded;
        f.ctx = &rng;
        for (int k = 0; k < 3; k++) { /* each goes on from the log of the one before */
            fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 60, .seed = seed + 10 * k});
            fake_work(&f);
            const variant *first = hone_tuner__incumbent(u->session);
            worst = fmax(worst, fabs(log(first->clock_ns / fake_ns(first->trace))));
            fake_end(&f, 0);
        }
        fake_close(&f);
    }
    print_message("off by a factor of %.3f at most\n", exp(worst));
    assert_true(worst < log(1.15));
}

/* By a ratio that the machine cannot do nobody leads; it has the time it took. */
static void beyond_the_peak_is_not_believed(void **state)
{
    (void)state;
    fake_pool f;
    fake_user *u = two_in_hand(&f);
    hone_pool_event e;
    char *was = hone_xstrdup(leader(u));
    assert_true(u->session->peak_gflops > 0);
    fake_answer(&f.jobs.v[0], 1, &e);
    fake_set_times(&e, 4000, 4e6);
    uint64_t before = u->notices;
    fake_give(&f, 0, &e);
    assert_int_equal(u->notices, before + 1);
    assert_non_null(strstr(u->notice, "beyond the peak"));
    assert_int_equal(u->last.compare_ns, 4000);
    assert_string_equal(leader(u), was);
    free(was);
    fake_close(&f);
}

static void ten_times_slower(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    (void)ctx;
    (void)f;
    for (int k = 0; j->role == HONE_ROLE_RUN && k < e->result.n_samples; k++) {
        e->result.sample_ns[k] *= 10;
        e->result.incumbent_ns[k] *= 10;
    }
}

/* Where the log's best takes quite another time, the clock of the log is not gone on with. */
static void a_clock_that_does_not_hold_is_set_anew(void **state)
{
    (void)state;
    fake_pool f;
    fake_open(&f);
    for (int slow = 0; slow < 2; slow++) {
        f.hook = slow ? ten_times_slower : NULL;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 20, .seed = 1 + (uint64_t)slow});
        fake_work_until(&f, slow ? TUNING : DONE);
        const variant *first = hone_tuner__incumbent(u->session);
        assert_true(fabs(first->clock_ns / fake_ns(first->trace) / (slow ? 10 : 1) - 1) < 1e-3);
        assert_int_equal(u->notices, slow);
        fake_end(&f, 0);
    }
    fake_close(&f);
}

/* What was measured alone on a device that nothing is known of is measured again, in turns. */
static void alone_on_an_unseen_device_says_little(void **state)
{
    (void)state;
    fake_pool f;
    fake_open(&f);
    f.devices = 2;
    fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 4});
    while (!(f.jobs.n == 2 && f.jobs.v[0].role == HONE_ROLE_RUN &&
             f.jobs.v[1].role == HONE_ROLE_RUN)) {
        int at = fake_find(&f, HONE_ROLE_BUILD);
        at >= 0 ? fake_serve(&f, (uint32_t)at) : fake_pass(&f, 50);
    }
    assert_null(f.jobs.v[0].incumbent);
    assert_null(f.jobs.v[1].incumbent);
    char *second = hone_xstrdup(f.jobs.v[1].candidate);
    hone_pool_event e;
    fake_answer(&f.jobs.v[0], 1, &e);
    snprintf(e.device, sizeof e.device, "a");
    fake_give(&f, 0, &e);
    assert_int_equal(u->trials, 1);
    uint32_t at = 0;
    while (strcmp(f.jobs.v[at].candidate, second) != 0)
        at++;
    fake_answer(&f.jobs.v[at], 1, &e);
    snprintf(e.device, sizeof e.device, "slow");
    fake_give(&f, at, &e);
    assert_int_equal(u->trials, 1);
    at = 0;
    while (strcmp(f.jobs.v[at].candidate, second) != 0)
        at++;
    assert_non_null(f.jobs.v[at].incumbent);
    answer_ratio(&f, at, 0.25, 60000, "slow");
    assert_int_equal(u->trials, 2);
    assert_true(u->last.best);
    assert_int_equal(u->last.compare_ns, 5000);
    free(second);
    fake_close(&f);
}

static void lower_quartiles(void **state)
{
    (void)state;
    const double v[] = {9, 1, 5, 3, 7};
    assert_true(hone_lower_quartile(v, 5) == 3);
    assert_true(hone_lower_quartile(v, 1) == 9);
}

/* One statistic decides: what the pairs that were disturbed least say, whatever the medians do. */
static void quiet_pairs_decide(void **state)
{
    (void)state;
    fake_pool f;
    fake_user *u = two_in_hand(&f);
    double before = hone_tuner__incumbent(u->session)->clock_ns;
    hone_pool_event e;
    fake_answer(&f.jobs.v[0], 1, &e);
    for (int k = 0; k < e.result.n_samples; k++) {
        bool quiet =
            3 * k < 2 * e.result.n_samples; /* the others take longer, and it most of all */
        e.result.sample_ns[k] = before * (quiet ? 0.3 : 6);
        e.result.incumbent_ns[k] = before * (quiet ? 1 : 2);
    }
    e.result.time_ns = (int64_t)(3 * before);
    fake_give(&f, 0, &e);
    assert_true(u->last.best);
    assert_int_equal(u->last.time_ns, (int64_t)(3 * before));
    assert_int_equal(u->last.compare_ns, llround(0.3 * before));
    fake_close(&f);
}

/* An incumbent that went meanwhile still links what was measured with it to the others. */
static void a_gone_incumbent_still_is_a_link(void **state)
{
    (void)state;
    fake_pool f;
    fake_user *u = two_in_hand(&f);
    double before = hone_tuner__incumbent(u->session)->clock_ns;
    hone_pool_event e;
    fake_answer(&f.jobs.v[0], 1, &e);
    fake_set_failure(&e, HONE_E_INCUMBENT, "the incumbent crashed");
    fake_give(&f, 0, &e);
    uint32_t at = 0;
    while (at < f.jobs.n && (f.jobs.v[at].role != HONE_ROLE_RUN || f.jobs.v[at].incumbent))
        at++;
    if (at == f.jobs.n) { /* it waits for a device */
        answer_ratio(&f, 0, 0.7, before, "a");
        at = 0;
        while (f.jobs.v[at].role != HONE_ROLE_RUN || f.jobs.v[at].incumbent)
            at++;
    }
    fake_answer(&f.jobs.v[at], 1, &e);
    fake_set_failure(&e, HONE_REJECT_CRASH, "the kernel crashed: SIGSEGV");
    fake_give(&f, at, &e);
    int other = fake_find(&f, HONE_ROLE_RUN);
    if (f.jobs.v[other].incumbent && u->trials == 2)
        answer_ratio(&f, (uint32_t)other, 0.7, before, "a");
    assert_int_equal(u->last.compare_ns, llround(0.7 * before));
    assert_int_equal(fake_log(u).rejected, 1);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_answer_does_not_win),
        cmocka_unit_test(a_slow_device_is_no_disadvantage),
        cmocka_unit_test(what_is_too_close_is_raced),
        cmocka_unit_test(a_narrow_lead_is_settled),
        cmocka_unit_test(a_disturbed_comparison_keeps_nobody_away),
        cmocka_unit_test(luck_does_not_add_up),
        cmocka_unit_test(being_first_does_not_add_up),
        cmocka_unit_test(a_shared_device_does_not_bend_time),
        cmocka_unit_test(a_crowded_device_does_not_bend_time),
        cmocka_unit_test(beyond_the_peak_is_not_believed),
        cmocka_unit_test(a_clock_that_does_not_hold_is_set_anew),
        cmocka_unit_test(alone_on_an_unseen_device_says_little),
        cmocka_unit_test(lower_quartiles),
        cmocka_unit_test(quiet_pairs_decide),
        cmocka_unit_test(a_gone_incumbent_still_is_a_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
