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

static void everyone_has_a_first_round(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 50, 3), task(1, 20, 0, 0), task(5, 30, 0, 0)};
    assert_int_equal(hone_task_next(t, 3), 2); /* the heaviest first */
    t[2].busy = true;
    assert_int_equal(hone_task_next(t, 3), 1);
    t[1].over = true;
    assert_int_equal(hone_task_next(t, 3), 0);
    t[0].busy = true;
    assert_int_equal(hone_task_next(t, 3), HONE_NO_TASK);
}

static void the_larger_share_is_hoped_for(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 1000, 4), task(3, 20, 1000, 4)};
    assert_int_equal(hone_task_next(t, 2), 1); /* it weighs more */
    t[1].rounds = 40;                          /* .. but has had its chances */
    assert_int_equal(hone_task_next(t, 2), 0);
    t[1].past_ns[2] = 4000; /* .. and still gains */
    assert_int_equal(hone_task_next(t, 2), 1);
}

static void similar_kernels_say_what_can_be_reached(void **state)
{
    (void)state;
    /* both of a group: the first does 1 operation in a ns, the second 0.1 */
    hone_task t[] = {task(1, 1000, 1000, 4), task(1, 100, 1000, 5)};
    t[0].group = t[1].group = 7;
    assert_int_equal(hone_task_next(t, 2), 1);
    assert_true(hone_task_gain(t, 2, 1) > 0.8 * 799 && hone_task_gain(t, 2, 1) < 0.8 * 801);
    t[1].rounds = 6; /* it stays behind: it is not like the other */
    assert_int_equal(hone_task_next(t, 2), 0);
}

static void who_has_nothing_is_helped_in_turn(void **state)
{
    (void)state;
    hone_task t[] = {task(1, 10, 1000, 2), task(1, 20, 0, 1)};
    assert_int_equal(hone_task_next(t, 2), 1);
    t[1].rounds = 2;
    assert_int_equal(hone_task_next(t, 2), 0);
}

static void of_a_choice_the_fastest_counts(void **state)
{
    (void)state;
    /* the first two are one choice; the third is always run */
    hone_task t[] = {task(1, 10, 1000, 2), task(1, 20, 1300, 1), task(1, 30, 100, 2)};
    t[0].choice = t[1].choice = 4;
    assert_true(hone_task_gain(t, 3, 0) > 399 && hone_task_gain(t, 3, 0) < 401);
    /* of the 1040 ns hoped for, 300 only catch up */
    assert_true(hone_task_gain(t, 3, 1) > 739 && hone_task_gain(t, 3, 1) < 741);
    assert_int_equal(hone_task_next(t, 3), 1);
    t[1].rounds = 5; /* had its chances: what is hoped for does not reach the other */
    assert_true(hone_task_gain(t, 3, 1) == 0);
    assert_int_equal(hone_task_next(t, 3), 0);
    t[1].best_ns = 0; /* the choice has a time: this one is not helped */
    t[0].rounds = 100;
    assert_int_equal(hone_task_next(t, 3), 2);
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
    uint32_t choice; /* of both */
} listed;

static void list_open(listed *l, uint64_t trials, int64_t time_ms, unsigned at_once)
{
    hone_error err;
    fake_open(&l->f);
    char *path = hone_xasprintf("%s/list.db", l->f.folder);
    assert_int_equal(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &l->db, &err), HONE_OK);
    free(path);
    l->target = simulated_target();
    hone_task_kernel k[2];
    for (int i = 0; i < 2; i++) {
        const hone_size sizes[] = {{"M", 32 + 16 * i}, {"N", 32}, {"K", 32}};
        l->program[i] = simulated_kernel("matmul", sizes, 3);
        k[i] = (hone_task_kernel){&l->program[i], "{}", 1 + i, l->choice};
    }
    hone_session_options each = {.target = &l->target,
                                 .llvm_version = "none",
                                 .threads = 1,
                                 .seed = 1,
                                 .db = l->db,
                                 .port = {&l->f, fake_new_id, fake_able, fake_in_hand}};
    l->list = hone_task_list_new(
        &(hone_task_list_options){
            .each = each, .trials = trials, .time_ms = time_ms, .at_once = at_once},
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
    listed l = {.choice = 3};
    hone_task_list_state s;
    list_open(&l, 32, 0, 2);
    hone_task_list_get_state(l.list, &s);
    assert_true(s.total_ns == 0 && s.without == 1); /* either would do */
    assert_true(to_the_end(&l));
    hone_task_list_get_state(l.list, &s);
    double first = hone_task_list_best_ns(l.list, 0), second = hone_task_list_best_ns(l.list, 1);
    assert_true(first > 0 && second > 0 && s.without == 0);
    assert_true(s.total_ns == (second < first ? 2 * second : first)); /* by their weights */
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
