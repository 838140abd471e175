/* Several kernels with one budget: who gets the next round, and lists of sessions on a pool. */
#include "tests/tuner/fake_pool.h"

#include <math.h>

static hone_task task(double weight, double ops, double best_ns, uint64_t trials)
{
    return (hone_task){.weight = weight, .ops = ops, .best_ns = best_ns, .trials = trials};
}

static uint32_t next(const hone_task *t, uint32_t n)
{
    return hone_task_next(&(hone_tasks){.v = t, .n = n});
}

static void everyone_has_a_first_round(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 50, 3), task(1, 20, 0, 0), task(5, 30, 0, 0)};
    assert_int_equal(next(t, 3), 2); /* the heaviest first */
    t[2].busy = true;
    assert_int_equal(next(t, 3), 1);
    t[1].over = true;
    assert_int_equal(next(t, 3), 0);
    t[0].busy = true;
    assert_int_equal(next(t, 3), HONE_NO_TASK);
}

static bool near(double x, double y)
{
    return x > y - 1e-6 && x < y + 1e-6;
}

static void the_larger_share_is_hoped_for(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 1000, 8), task(3, 20, 1000, 8)};
    const hone_tasks all = {.v = t, .n = 2};
    assert_true(near(hone_task_gain(&all, 0), 5)); /* 0.04 of it / 8 */
    assert_true(near(hone_task_gain(&all, 1), 15));
    assert_int_equal(next(t, 2), 1); /* it weighs more */
    t[1].trials = 23;
    assert_int_equal(next(t, 2), 1);
    t[1].trials = 25; /* .. but has had its share */
    assert_int_equal(next(t, 2), 0);
    t[1].best_ns = 1100; /* what takes longer has more to gain */
    assert_int_equal(next(t, 2), 1);
}

/* Of a log that does not say how many trials were made, one is taken to have been. */
static void a_time_without_trials_is_one_trial(void **state)
{
    (void)state;
    const hone_task t[] = {task(1, 10, 1000, 0), task(1, 10, 1000, 1)};
    const hone_tasks all = {.v = t, .n = 2};
    assert_true(near(hone_task_gain(&all, 0), 40));
    assert_true(near(hone_task_gain(&all, 1), 40));
}

static void who_has_nothing_is_helped_in_turn(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 1000, 2), task(1, 20, 0, 1)};
    assert_int_equal(next(t, 2), 1);
    t[1].trials = 2;
    assert_int_equal(next(t, 2), 0);
}

/* Gained by the next trial, and by all further ones when they go well. */
static double hope(double best_ns, double n)
{
    return 0.04 * best_ns / n;
}

static double most(double best_ns, double n)
{
    return 0.08 * best_ns * log(100 / n);
}

static void of_a_choice_the_fastest_counts(void **state)
{
    (void)state;
    /* the first two are one choice; the third is always run */
    hone_task t[] = {task(0, 10, 1000, 32), task(0, 20, 1100, 8), task(1, 30, 100, 8)};
    const hone_choice c = {.weight = 1, .n = 2, .covers = {{{0}, 1}, {{1}, 1}}};
    const hone_tasks all = {t, 3, &c, 1};
    double all_of_it = most(1100, 8); /* 222, of which 100 only catch up */
    assert_true(near(hone_task_gain(&all, 0), hope(1000, 32)));
    assert_true(near(hone_task_gain(&all, 1), hope(1100, 8) * (all_of_it - 100) / all_of_it));
    assert_int_equal(hone_task_next(&all), 1);
    t[1].trials = 40; /* had its chances: what is hoped for does not reach the other */
    assert_true(hone_task_gain(&all, 1) == 0);
    assert_int_equal(hone_task_next(&all), 0);
    t[1] = task(0, 20, 2000, 8); /* nor after a first round, when it is twice as slow */
    assert_true(hone_task_gain(&all, 1) == 0);
    t[0].trials = 1000; /* the fastest may gain all the same */
    assert_true(near(hone_task_gain(&all, 0), hope(1000, 1000)));
    t[1].best_ns = 0; /* the choice has a time: this one is not helped */
    assert_int_equal(hone_task_next(&all), 2);
    t[0].best_ns = 0; /* now it has none: they are, in turn */
    t[2].trials = 16;
    assert_int_equal(hone_task_next(&all), 1);
}

/* One kernel, or two that are run one after the other; the first of the two is run elsewhere too.
 */
static void tasks_of_a_cover_gain_together(void **state)
{
    (void)state;
    hone_task t[] = {task(0, 10, 1000, 10), task(2, 20, 800, 8), task(0, 30, 300, 8)};
    const hone_choice c = {.weight = 3, .n = 2, .covers = {{{0}, 1}, {{1, 2}, 2}}};
    const hone_tasks all = {t, 3, &c, 1};
    double both = most(800, 8) + most(300, 8), counts = (both - 100) / both;
    assert_true(near(hone_task_gain(&all, 0), 3 * hope(1000, 10)));
    /* of what both may gain, 100 only catch up with the other */
    assert_true(near(hone_task_gain(&all, 1), (2 + 3 * counts) * hope(800, 8)));
    assert_true(near(hone_task_gain(&all, 2), 3 * counts * hope(300, 8)));
    t[2].trials = 80; /* 162 and 5: still enough */
    both = most(800, 8) + most(300, 80);
    assert_true(near(hone_task_gain(&all, 2), 3 * (both - 100) / both * hope(300, 80)));
    t[1].trials = 80; /* 14 and 5: not enough, and the cover is given up */
    assert_true(hone_task_gain(&all, 2) == 0);
    assert_true(near(hone_task_gain(&all, 1), 2 * hope(800, 80)));
    t[2].best_ns = 0; /* of unknown time: no more of it while the other has one */
    assert_true(near(hone_task_gain(&all, 1), 2 * hope(800, 80)));
    assert_int_equal(hone_task_next(&all), 0);
}

static void the_first_rounds_are_for_what_runs_without_times(void **state)
{
    (void)state;
    hone_task t[] = {task(2, 10, 0, 0), task(0, 90, 0, 0), task(0, 10, 0, 0)};
    const hone_choice c = {.weight = 3, .n = 2, .covers = {{{2, 2}, 2}, {{1}, 1}}};
    const hone_tasks all = {t, 3, &c, 1};
    assert_int_equal(hone_task_next(&all), 2); /* twice a time */
    t[2].busy = true;
    assert_int_equal(hone_task_next(&all), 0);
    t[0].busy = true;
    assert_int_equal(hone_task_next(&all), 1); /* instead of another, however heavy */
}

static void the_fastest_cover(void **state)
{
    (void)state;
    const hone_choice c = {.n = 3, .covers = {{{0}, 1}, {{1, 2}, 2}, {{1, 1}, 2}}};
    static const struct {
        double ns[3];
        uint32_t taken;
        double of;
    } cases[] = {
        {{0, 0, 0}, 3, 0}, {{5, 0, 0}, 0, 5}, {{5, 2, 2}, 1, 4}, {{5, 2, 0}, 2, 4},
        {{0, 2, 0}, 2, 4}, {{4, 2, 2}, 0, 4}, {{5, 3, 1}, 1, 4}, {{5, 1, 3}, 2, 2},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        double ns;
        assert_int_equal(hone_choice_fastest(&c, cases[k].ns, &ns), cases[k].taken);
        assert_true(ns == cases[k].of);
    }
}

static void parsed(const char *text, const char *wrong)
{
    json_t *j = NULL;
    hone_choice *c;
    uint32_t n;
    hone_error err = {0};
    assert_int_equal(hone_json_parse(text, strlen(text), &j, &err), HONE_OK);
    hone_status st = hone_choices_parse(j, 3, &c, &n, &err);
    if (wrong) {
        assert_int_equal(st, HONE_E_INPUT);
        if (!strstr(err.message, wrong))
            fail_msg("%s", err.message);
    } else {
        assert_int_equal(st, HONE_OK);
        json_t *again = hone_choices_json(c, n);
        assert_true(json_equal(j, again));
        json_decref(again);
        assert_true(hone_choices_have(c, n, 2));
        assert_false(hone_choices_have(c, n, 0));
    }
    free(c);
    json_decref(j);
}

static void choices_are_read_and_written(void **state)
{
    (void)state;
    parsed("[{\"weight\": 2.0, \"covers\": [[1], [1, 2]]}]", NULL);
    parsed("{}", "is an array");
    parsed("[{\"covers\": [[1]]}]", "of 2 to 8 covers");
    parsed("[{\"covers\": [[1], []]}]", "1 to 4 tasks");
    parsed("[{\"covers\": [[1], [0, 1, 2, 0, 1]]}]", "1 to 4 tasks");
    parsed("[{\"covers\": [[1], [3]]}]", "from 0 to 2");
    parsed("[{\"covers\": [[1], [-1]]}]", "from 0 to 2");
    parsed("[{\"covers\": [[1], [\"1\"]]}]", "from 0 to 2");
    parsed("[{\"weight\": 0, \"covers\": [[1], [2]]}]", "greater than 0");
    parsed("[4]", "a choice is");
}

static void a_round_leaves_the_best(void **state)
{
    (void)state;
    hone_task t = {.weight = 1, .ops = 1};
    static const double best[] = {0, 900, 950, 700}, after[] = {0, 900, 900, 700};
    for (unsigned k = 0; k < HONE_LEN(best); k++) {
        hone_task_round(&t, best[k], 8 + 8 * k);
        assert_true(t.best_ns == after[k] && t.trials == 8 + 8 * k);
    }
}

/* ---- lists ------------------------------------------------------------------------------------
 */

typedef struct listed {
    fake_pool f;
    hone_task_list *list;
    hone_program program[2];
    hone_target target;
    hone_db *db;
    bool choice; /* between the two */
} listed;

static void list_open(listed *l, uint64_t trials, int64_t time_ms, unsigned at_once)
{
    hone_error err;
    fake_open(&l->f);
    char *path = hone_xasprintf("%s/list.db", l->f.folder);
    assert_int_equal(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &l->db, &err), HONE_OK);
    free(path);
    l->target = simulated_target();
    static const hone_choice either = {.weight = 3, .n = 2, .covers = {{{0}, 1}, {{1}, 1}}};
    hone_task_kernel k[2];
    for (int i = 0; i < 2; i++) {
        const hone_size sizes[] = {{"M", 32 + 16 * i}, {"N", 32}, {"K", 32}};
        l->program[i] = simulated_kernel("matmul", sizes, 3);
        k[i] = (hone_task_kernel){&l->program[i], "{}", l->choice ? 0 : 1 + i};
    }
    hone_session_options each = {.target = &l->target,
                                 .llvm_version = "none",
                                 .threads = 1,
                                 .seed = 1,
                                 .db = l->db,
                                 .port = {&l->f, fake_new_id, fake_able, fake_in_hand}};
    l->list = hone_task_list_new(&(hone_task_list_options){.each = each,
                                                           .trials = trials,
                                                           .time_ms = time_ms,
                                                           .at_once = at_once,
                                                           .choices = &either,
                                                           .n_choices = l->choice},
                                 k, 2, l->f.now_ns);
}

static void list_close(listed *l)
{
    for (unsigned k = 0; k < 2; k++)
        l->f.user[k].session = NULL;
    hone_task_list_free(l->list);
    for (uint32_t k = 0; k < l->f.jobs.n; k++) /* in hand when it was stopped */
        fake_job_free(&l->f.jobs.v[k]);
    l->f.jobs.n = 0;
    hone_db_close(l->db);
    for (int i = 0; i < 2; i++)
        hone_program_fini(&l->program[i]);
    fake_close(&l->f);
}

/* One turn of a driver. */
static void turn(listed *l)
{
    fake_pool *f = &l->f;
    hone_task_list_step(l->list, f->now_ns);
    for (unsigned k = 0; k < 2; k++) {
        hone_session *s = hone_task_list_sessions(l->list)[k];
        if (s && !f->user[k].session) {
            f->user[k].session = s;
            f->user[k].r = hone_session_get_result(s);
        }
    }
    fake_pass(f, 50);
    if (f->jobs.n)
        fake_serve(f, 0);
}

static bool to_the_end(listed *l)
{
    for (int k = 0; k < 20000; k++) {
        if (!hone_task_list_more(l->list))
            return true;
        turn(l);
    }
    return false;
}

static void the_budget_is_kept(void **state)
{
    (void)state;
    listed l = {0};
    hone_task_list_state s;
    list_open(&l, 43, 0, 2);
    assert_true(to_the_end(&l));
    hone_task_list_get_state(l.list, &s);
    assert_int_equal(s.status, HONE_OK);
    assert_int_equal(s.trials, 43);
    assert_int_equal(s.without, 0);
    double total = 0;
    for (unsigned k = 0; k < 2; k++) {
        const hone_session_result *r = l.f.user[k].r;
        assert_true(r->done && r->trials >= 8);
        total += (1 + k) * (double)r->best_ns;
    }
    assert_true(s.total_ns == total);
    list_close(&l);
}

/* Also of a budget that is not worth a whole round of each. */
static void one_of_a_choice_is_the_networks_time(void **state)
{
    (void)state;
    listed l = {.choice = true};
    hone_task_list_state s;
    list_open(&l, 32, 0, 2);
    hone_task_list_get_state(l.list, &s);
    assert_true(s.total_ns == 0 && s.without == 1); /* either would do */
    assert_true(to_the_end(&l));
    hone_task_list_get_state(l.list, &s);
    double first = hone_task_list_best_ns(l.list, 0), second = hone_task_list_best_ns(l.list, 1);
    assert_true(first > 0 && second > 0 && s.without == 0);
    assert_true(s.total_ns == 3 * (second < first ? second : first));
    list_close(&l);
}

static void a_small_budget_is_for_all(void **state)
{
    (void)state;
    for (uint64_t trials = 4; trials <= 9; trials++) {
        listed l = {0};
        hone_task_list_state s;
        list_open(&l, trials, 0, 1);
        assert_true(to_the_end(&l));
        hone_task_list_get_state(l.list, &s);
        assert_int_equal(s.trials, trials);
        assert_int_equal(s.without, 0);
        for (unsigned k = 0; k < 2; k++)
            assert_true(l.f.user[k].r->trials >= 2);
        list_close(&l);
    }
}

/* One that is opened later begins with what the others have found by then. */
static void the_first_helps_the_next(void **state)
{
    (void)state;
    listed l = {0};
    list_open(&l, 40, 0, 1);
    assert_true(to_the_end(&l));
    assert_int_equal(l.f.user[1].near, 0); /* the heavier one came first */
    assert_in_range(l.f.user[0].near, 1, 2);
    list_close(&l);
}

/* A kernel whose reference fails is told of; the other goes on. */
static void fail_the_first(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    (void)ctx;
    (void)f;
    if (j->session == 0 && j->role == HONE_ROLE_RUN)
        fake_set_failure(e, HONE_E_REFERENCE, "it divides by zero");
}

static void one_fails_the_other_goes_on(void **state)
{
    (void)state;
    listed l = {0};
    hone_task_list_state s;
    list_open(&l, 30, 0, 2);
    l.f.hook = fail_the_first;
    assert_true(to_the_end(&l));
    hone_task_list_get_state(l.list, &s);
    assert_int_equal(s.status, HONE_E_REFERENCE);
    assert_int_equal(s.without, 1);
    assert_int_equal(l.f.user[1].r->trials, 30);
    list_close(&l);
}

/* Without workers there is no waiting for each kernel in turn. */
static void no_workers_for_any(void **state)
{
    (void)state;
    listed l = {0};
    hone_task_list_state s;
    list_open(&l, 30, 0, 1);
    l.f.devices = 0;
    int64_t begin = l.f.now_ns;
    assert_true(to_the_end(&l));
    assert_true(l.f.now_ns - begin < 12000 * MS);
    hone_task_list_get_state(l.list, &s);
    assert_int_equal(s.status, HONE_E_PEER);
    list_close(&l);
}

static void time_is_kept_too(void **state)
{
    (void)state;
    listed l = {0};
    hone_task_list_state s;
    list_open(&l, 0, 4000, 2);
    int64_t begin = l.f.now_ns;
    assert_true(to_the_end(&l));
    assert_true(l.f.now_ns - begin <= 4200 * MS);
    hone_task_list_get_state(l.list, &s);
    assert_true(s.trials > 8 && s.without == 0);
    list_close(&l);
}

static void stopped_it_ends(void **state)
{
    (void)state;
    listed l = {0};
    list_open(&l, 100, 0, 2);
    for (int k = 0; k < 30; k++)
        turn(&l);
    hone_task_list_stop(l.list);
    assert_false(hone_task_list_more(l.list));
    list_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everyone_has_a_first_round),
        cmocka_unit_test(the_larger_share_is_hoped_for),
        cmocka_unit_test(a_time_without_trials_is_one_trial),
        cmocka_unit_test(who_has_nothing_is_helped_in_turn),
        cmocka_unit_test(of_a_choice_the_fastest_counts),
        cmocka_unit_test(tasks_of_a_cover_gain_together),
        cmocka_unit_test(the_first_rounds_are_for_what_runs_without_times),
        cmocka_unit_test(the_fastest_cover),
        cmocka_unit_test(choices_are_read_and_written),
        cmocka_unit_test(a_round_leaves_the_best),
        cmocka_unit_test(the_budget_is_kept),
        cmocka_unit_test(one_of_a_choice_is_the_networks_time),
        cmocka_unit_test(a_small_budget_is_for_all),
        cmocka_unit_test(the_first_helps_the_next),
        cmocka_unit_test(one_fails_the_other_goes_on),
        cmocka_unit_test(no_workers_for_any),
        cmocka_unit_test(time_is_kept_too),
        cmocka_unit_test(stopped_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
