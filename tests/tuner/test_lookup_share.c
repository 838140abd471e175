/* What is expected of an answer: the estimate, and what a log shows of each rung. */
#include "lookup_log.h"

static hone_target cpu;

/* ---- the estimate ---------------------------------------------------------------------------- */

static void between_what_was_shipped_and_seen(void **state)
{
    (void)state;
    const hone_lookup__seen at[] = {{0.5, 0}, {0.5, 0}, {0.5, 3}, {7, 0}, {0, 0}, {1, 0}};
    assert_true(fabs(hone_lookup__share(0.8, NULL, 0) - 0.8) < 1e-9);
    /* two that are as near as can be weigh as much as hone's lists */
    assert_true(fabs(hone_lookup__share(0.8, at, 2) - 0.63) < 1e-9);
    /* one that is far weighs a quarter: 0.8^(2/2.25) 0.5^(0.25/2.25) */
    assert_true(fabs(hone_lookup__share(0.8, at + 2, 1) - 0.76) < 1e-9);
    /* nothing is faster than the best, nor of no speed at all */
    assert_true(fabs(hone_lookup__share(0.8, at + 3, 1) - hone_lookup__share(0.8, at + 5, 1)) <
                1e-9);
    assert_true(hone_lookup__share(0.8, at + 4, 1) > 0.1);
    assert_true(hone_lookup__share(1e-9, at + 4, 1) >= 0.01);
}

/* ---- what a log shows ------------------------------------------------------------------------ */

static const mnk here = {96, 96, 64}, one = {64, 96, 64}, two = {128, 96, 64};

/* What is expected of the rung's schedule, and how many sizes that is from. */
static double expected(hone_db *db, hone_rung r, int32_t threads, double shipped, unsigned *ret_n)
{
    hone_program p = product(here);
    char *sizes = sizes_text(here), *from = NULL;
    hone_lookup_question q = {.program = &p,
                              .sizes = sizes,
                              .title = "matmul",
                              .target = &cpu,
                              .threads = threads,
                              .logs = &db,
                              .n_logs = 1};
    lookup l;
    double ret = 0;
    SMALL_CHECK(hone_lookup__begin(&q, &l, err));
    SMALL_CHECK(hone_lookup__class(&l, &l.found[HONE_RUNG_class], err));
    SMALL_CHECK(hone_lookup__nearest(&l, &l.found[HONE_RUNG_nearest], err));
    SMALL_CHECK(hone_lookup__default(&l, &l.found[HONE_RUNG_default], err));
    assert_true(l.found[r].found);
    SMALL_CHECK(hone_lookup__expect(&l, r, shipped, &ret, &from, err));
    *ret_n = sscanf(from, "as at %u near size", ret_n) == 1 ? *ret_n : 0;
    assert_non_null(strstr(from, "hone's own lists"));
    free(from);
    hone_lookup__end(&l);
    hone_program_fini(&p);
    free(sizes);
    return ret;
}

static int64_t best_of(test_log *l, mnk size, int32_t threads, char **ret_trace)
{
    hone_program p = product(size);
    char *text = hone_target_text(&cpu);
    hone_db_record r;
    SMALL_CHECK(hone_db_best(l->db, hone_program_hash(&p), text, threads, &r, err));
    int64_t ret = r.time_ns;
    if (ret_trace)
        *ret_trace = hone_xstrdup(r.trace);
    hone_db_record_free(&r);
    hone_program_fini(&p);
    free(text);
    return ret;
}

static void put_default(test_log *l, mnk size, double times_the_best)
{
    hone_space *sp = space_for(size, &cpu, 1);
    hone_sched s = {0};
    bool found;
    SMALL_CHECK(hone_space_default(sp, &s, &found, err));
    assert_true(found);
    log_put(l, size, &cpu, 1, &s.trace,
            llround((double)best_of(l, size, 1, NULL) * times_the_best));
    hone_sched_fini(&s);
    hone_space_free(sp);
}

static void of_default(void **state)
{
    (void)state;
    test_log l;
    unsigned n;
    log_open(&l);
    log_tune(&l, one, &cpu, 1, 12);
    log_tune(&l, two, &cpu, 1, 12);
    assert_true(fabs(expected(l.db, HONE_RUNG_default, 1, 0.5, &n) - 0.5) < 1e-9 && n == 0);
    put_default(&l, one, 1.25);
    double with_one = expected(l.db, HONE_RUNG_default, 1, 0.5, &n);
    assert_true(n == 1 && with_one > 0.5 && with_one < 0.8);
    log_session(&l, "{\"default\": [\"0000000000000007\"]}"); /* one that is not there */
    put_default(&l, two, 0.5);                                /* and the best is of its session */
    assert_true(fabs(expected(l.db, HONE_RUNG_default, 1, 0.5, &n) - with_one) < 1e-9 && n == 1);
    log_session(&l, "[]"); /* it noted none: the space tells */
    double with_two = expected(l.db, HONE_RUNG_default, 1, 0.5, &n);
    assert_true(n == 2 && with_two > with_one && with_two < 1);
    log_close(&l);
}

/* What becomes at one size of the best of the other, as `hone tune` would have tried it; its hash.
 */
static uint64_t put_adapted(test_log *l, mnk from, mnk to, double times_the_best)
{
    hone_space *sp = space_for(to, &cpu, 1);
    hone_sched s = {0};
    hone_trace t = {0};
    char *text;
    best_of(l, from, 1, &text);
    SMALL_CHECK(hone_trace_parse(text, strlen(text), &t, err));
    SMALL_CHECK(hone_space_adapt(sp, &t, HONE_ADAPT_TILES, &s, err));
    log_put(l, to, &cpu, 1, &s.trace, llround((double)best_of(l, to, 1, NULL) * times_the_best));
    uint64_t ret = hone_trace_hash(&s.trace);
    free(text);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_space_free(sp);
    return ret;
}

static void of_nearest(void **state)
{
    (void)state;
    test_log l;
    unsigned n;
    char hash[17];
    log_open(&l);
    log_tune(&l, one, &cpu, 1, 12);
    log_session(&l, "{}");
    log_tune(&l, two, &cpu, 1, 12);
    assert_true(fabs(expected(l.db, HONE_RUNG_nearest, 1, 0.9, &n) - 0.9) < 1e-9 && n == 0);
    hone_hash_format(put_adapted(&l, one, two, 2), hash);
    assert_true(fabs(expected(l.db, HONE_RUNG_nearest, 1, 0.9, &n) - 0.9) < 1e-9 && n == 0);
    char *noted = hone_xasprintf("{\"near\": [\"0000000000000001\", 3, \"%s\"]}", hash);
    log_session(&l, noted);
    double got = expected(l.db, HONE_RUNG_nearest, 1, 0.9, &n);
    const hone_lookup__seen seen = {0.5, log(128 / 96.)};
    assert_int_equal(n, 1);
    assert_true(fabs(got - hone_lookup__share(0.9, &seen, 1)) < 1e-9);
    free(noted);
    log_close(&l);
}

/* The best for two threads, at a size that was tuned for one thread as well. */
static void of_class(void **state)
{
    (void)state;
    test_log l;
    unsigned n;
    char *text;
    hone_trace t = {0};
    log_open(&l);
    log_tune(&l, here, &cpu, 2, 12);
    log_tune(&l, one, &cpu, 1, 12);
    assert_true(fabs(expected(l.db, HONE_RUNG_class, 1, 0.9, &n) - 0.9) < 1e-9 && n == 0);
    log_tune(&l, one, &cpu, 2, 2); /* among those that are measured for one thread, too */
    double got = expected(l.db, HONE_RUNG_class, 1, 0.9, &n);
    assert_int_equal(n, 1);
    best_of(&l, one, 2, &text);
    SMALL_CHECK(hone_trace_parse(text, strlen(text), &t, err));
    hone_program p = product(one);
    char *target = hone_target_text(&cpu);
    hone_db_workload w;
    hone_db_target on;
    hone_db_record r;
    SMALL_CHECK(hone_db_workload_find(l.db, hone_program_hash(&p), &w, err));
    SMALL_CHECK(hone_db_target_find(l.db, target, 1, &on, err));
    SMALL_CHECK(hone_db_record_find(l.db, w.id, on.id, hone_trace_hash(&t), &r, err));
    const hone_lookup__seen seen = {(double)best_of(&l, one, 1, NULL) / (double)r.time_ns,
                                    log(1.5)};
    assert_true(fabs(got - hone_lookup__share(0.9, &seen, 1)) < 1e-9);
    hone_db_record_free(&r);
    hone_db_workload_free(&w);
    hone_db_target_free(&on);
    hone_program_fini(&p);
    free(target);
    free(text);
    hone_trace_free(&t);
    log_close(&l);
}

int main(void)
{
    cpu = simulated_target();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_what_was_shipped_and_seen),
        cmocka_unit_test(of_default),
        cmocka_unit_test(of_nearest),
        cmocka_unit_test(of_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
