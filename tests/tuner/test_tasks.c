/* Several kernels with one budget: who gets the next round, and lists of sessions on a pool. */
#include "tests/tuner/fake_pool.h"

static hone_task task(double weight, double ops, double best_ns, uint32_t rounds)
{
    return (hone_task){.weight = weight,
                       .ops = ops,
                       .group = (uint64_t)ops,
                       .best_ns = best_ns,
                       .past_ns = {best_ns, best_ns, best_ns},
                       .rounds = rounds};
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

static void the_larger_share_is_hoped_for(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 1000, 4), task(3, 20, 1000, 4)};
    assert_int_equal(next(t, 2), 1); /* it weighs more */
    t[1].rounds = 40;                /* .. but has had its chances */
    assert_int_equal(next(t, 2), 0);
    t[1].past_ns[2] = 4000; /* .. and still gains */
    assert_int_equal(next(t, 2), 1);
}

static void similar_kernels_say_what_can_be_reached(void **state)
{
    (void)state;
    /* both of a group: the first does 1 operation in a ns, the second 0.1 */
    hone_task t[] = {task(1, 1000, 1000, 4), task(1, 100, 1000, 5)};
    t[0].group = t[1].group = 7;
    assert_int_equal(next(t, 2), 1);
    double gain = hone_task_gain(&(hone_tasks){.v = t, .n = 2}, 1);
    assert_true(gain > 0.8 * 799 && gain < 0.8 * 801);
    t[1].rounds = 6; /* it stays behind: it is not like the other */
    assert_int_equal(next(t, 2), 0);
}

static void who_has_nothing_is_helped_in_turn(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 1000, 2), task(1, 20, 0, 1)};
    assert_int_equal(next(t, 2), 1);
    t[1].rounds = 2;
    assert_int_equal(next(t, 2), 0);
}

static bool near(double x, double y)
{
    return x > y - 1e-6 && x < y + 1e-6;
}

static void of_a_choice_the_fastest_counts(void **state)
{
    (void)state;
    /* the first two are one choice; the third is always run */
    hone_task t[] = {task(0, 10, 1000, 2), task(0, 20, 1300, 1), task(1, 30, 100, 2)};
    const hone_choice c = {.weight = 1, .n = 2, .covers = {{{0}, 1}, {{1}, 1}}};
    const hone_tasks all = {t, 3, &c, 1};
    assert_true(near(hone_task_gain(&all, 0), 400));
    assert_true(near(hone_task_gain(&all, 1), 740)); /* of 1040 hoped for, 300 only catch up */
    assert_int_equal(hone_task_next(&all), 1);
    t[1].rounds = 5; /* had its chances: what is hoped for does not reach the other */
    assert_true(hone_task_gain(&all, 1) == 0);
    assert_int_equal(hone_task_next(&all), 0);
    t[1].best_ns = 0; /* the choice has a time: this one is not helped */
    t[0].rounds = 100;
    assert_int_equal(hone_task_next(&all), 2);
    t[0].best_ns = 0; /* now it has none: they are, in turn */
    t[2].rounds = 6;
    assert_int_equal(hone_task_next(&all), 1);
}

/* One kernel, or two that are run one after the other; the first of the two is run elsewhere too.
 */
static void tasks_of_a_cover_gain_together(void **state)
{
    (void)state;
    hone_task t[] = {task(0, 10, 1000, 10), task(2, 20, 800, 2), task(0, 30, 300, 1)};
    const hone_choice c = {.weight = 3, .n = 2, .covers = {{{0}, 1}, {{1, 2}, 2}}};
    const hone_tasks all = {t, 3, &c, 1};
    double elsewhere = 2 * 0.8 * 400;
    /* 320 and 240 hoped for of 1100: together 460 below the other */
    assert_true(near(hone_task_gain(&all, 0), 3 * 80));
    assert_true(near(hone_task_gain(&all, 1), elsewhere + 3 * 460. * 320 / 560));
    assert_true(near(hone_task_gain(&all, 2), 3 * 460. * 240 / 560));
    t[2].rounds = 40; /* 320 and 6: still enough */
    assert_true(near(hone_task_gain(&all, 2), 3 * 226. * 6 / 326));
    t[1].rounds = 40; /* 16 and 6: not enough, and the cover is given up */
    assert_true(hone_task_gain(&all, 2) == 0);
    assert_true(near(hone_task_gain(&all, 1), 2 * 0.8 * 20));
    t[2].best_ns = 0; /* of unknown time: no more of it while the other has one */
    assert_true(near(hone_task_gain(&all, 1), 2 * 0.8 * 20));
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

static void rounds_are_remembered(void **state)
{
    (void)state;
    hone_task t = {.weight = 1, .ops = 1};
    const double best[] = {0, 900, 950, 700};
    for (int k = 0; k < 4; k++)
        hone_task_round(&t, best[k]);
    assert_int_equal(t.rounds, 4);
    assert_true(t.best_ns == 700 && t.past_ns[0] == 900 && t.past_ns[1] == 900 &&
                t.past_ns[2] == 0);
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
        cmocka_unit_test(similar_kernels_say_what_can_be_reached),
        cmocka_unit_test(who_has_nothing_is_helped_in_turn),
        cmocka_unit_test(of_a_choice_the_fastest_counts),
        cmocka_unit_test(tasks_of_a_cover_gain_together),
        cmocka_unit_test(the_first_rounds_are_for_what_runs_without_times),
        cmocka_unit_test(the_fastest_cover),
        cmocka_unit_test(choices_are_read_and_written),
        cmocka_unit_test(rounds_are_remembered),
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
