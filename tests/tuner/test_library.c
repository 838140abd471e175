/* Library calls beside a search: measured in turns with the winner, rejected or set aside without
 * harm, on record where no schedule is looked for, and answered only to who names them. */
#include "tests/tuner/fake_pool.h"
#include "tuner/lock/lock.h"
#include "tuner/lookup/library.h"

static const hone_libcall calls[2] = {
    {.name = "fast", .file = "libfast.so.0", .real = "libfast-1.so", .function = "f", .hash = 1},
    {.name = "slow", .file = "libslow.so.0", .real = "libslow-1.so", .function = "g", .hash = 2},
};

typedef struct world {
    double ns[2];         /* of each call; 0: a wrong result; < 0: no device has it */
    unsigned measured[2]; /* how often */
    unsigned paired[2];   /* of those, in turns with a schedule */
    unsigned beside;      /* schedules measured in turns with a call */
} world;

static int call_of(const char *text)
{
    hone_libcall c;
    if (!text || !hone_libcall_is(text) ||
        hone_libcall_parse(text, strlen(text), &c, NULL) != HONE_OK)
        return -1;
    return (int)c.hash - 1;
}

static void answer(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    world *w = ctx;
    int k = call_of(j->candidate);
    (void)f;
    if (j->role != HONE_ROLE_RUN)
        return;
    w->beside += call_of(j->incumbent) >= 0;
    if (k < 0)
        return;
    w->measured[k]++;
    w->paired[k] += j->incumbent != NULL;
    if (w->ns[k] > 0)
        fake_set_times(e, w->ns[k], j->incumbent ? fake_ns(j->incumbent) : 0);
    else if (w->ns[k] < 0)
        fake_set_failure(e, HONE_E_INPUT, "this device was not started with it");
    else
        fake_set_failure(e, HONE_REJECT_WRONG_RESULT, "output 'C' is wrong");
}

static fake_user *tune(fake_pool *f, world *w, const fake_want *want)
{
    f->hook = answer;
    f->ctx = w;
    fake_user *u = fake_start(f, 0, want);
    fake_work(f);
    assert_int_equal(u->r->status, HONE_OK);
    return u;
}

static hone_lookup_question question(const fake_user *u)
{
    return (hone_lookup_question){.program = &u->program,
                                  .sizes = u->sizes,
                                  .title = "matmul",
                                  .target = &u->target,
                                  .threads = 1,
                                  .logs = &u->db,
                                  .n_logs = 1,
                                  .lowest = HONE_RUNG_default};
}

/* The name of the call that is the answer; NULL: none is. */
static const char *answered(const fake_user *u, const hone_libcall *allowed, unsigned n,
                            const char *says)
{
    hone_lookup_library_answer a;
    hone_lookup_question q = question(u);
    assert_int_equal(hone_lookup_library(&q, allowed, n, &a, NULL), HONE_OK);
    if (!strstr(a.what, says))
        fail_msg("'%s' does not say '%s'", a.what, says);
    const char *name = a.call ? a.call->name : NULL;
    if (a.call)
        assert_true(a.record.status == HONE_OK && a.record.time_ns > 0);
    hone_lookup_library_free(&a);
    return name;
}

static void one_wins_and_one_loses(void **state)
{
    (void)state;
    fake_pool f;
    world w = {.ns = {300, 90000}};
    fake_open(&f);
    fake_user *u = tune(&f, &w, &(fake_want){.trials = 20, .libraries = calls, .n_libraries = 2});
    const hone_session_library *l = u->r->libraries;
    assert_int_equal(u->r->n_libraries, 2);
    assert_true(l[0].status == HONE_OK && l[0].ratio > 0 && l[0].ratio < 1);
    assert_true(l[1].status == HONE_OK && l[1].ratio > 1);
    assert_int_equal(l[0].time_ns, 300);
    /* as the search begins, and in turns with its winner */
    assert_int_equal(w.measured[0], 2);
    assert_int_equal(w.measured[1], 2);
    assert_true(w.paired[0] >= 1 && w.paired[1] >= 1);
    assert_int_equal(w.beside, 0);
    assert_int_equal(u->r->trials, 20);
    /* the session's own winner is a schedule */
    assert_false(hone_libcall_is(u->r->best_trace));
    hone_db_record r = fake_query(u);
    assert_false(hone_libcall_is(r.trace));
    assert_int_equal(r.trace_hash, u->r->best_hash);
    hone_db_record_free(&r);
    assert_string_equal(answered(u, calls, 2, "to be faster than the best schedule"), "fast");
    assert_string_equal(answered(u, calls, 1, "libfast-1.so"), "fast");
    assert_null(answered(u, calls + 1, 1, "not to be faster"));
    assert_null(answered(u, calls, 0, "none of those named"));
    /* another version of the file is another call */
    hone_libcall other = calls[0];
    other.hash = 7;
    assert_null(answered(u, &other, 1, "none of those named"));
    fake_close(&f);
}

/* What was only tried, as the session was ended before its end, wins nothing. */
static void only_what_ran_in_turns_counts(void **state)
{
    (void)state;
    fake_pool f;
    world w = {.ns = {300, 300}};
    fake_open(&f);
    f.hook = answer;
    f.ctx = &w;
    fake_user *u =
        fake_start(&f, 0, &(fake_want){.trials = 20, .libraries = calls, .n_libraries = 1});
    while (u->trials < 3)
        f.jobs.n > 0 ? fake_serve(&f, 0) : fake_pass(&f, 50);
    hone_session_stop(u->session);
    fake_pass(&f, 50);
    assert_true(u->r->done && u->r->interrupted);
    assert_int_equal(w.measured[0], 1);
    assert_int_equal(w.paired[0], 0);
    assert_null(answered(u, calls, 1, "alone so far"));
    fake_end(&f, 0);
    u = tune(&f, &w, &(fake_want){.trials = 20, .libraries = calls, .n_libraries = 1});
    assert_string_equal(answered(u, calls, 1, "to be faster"), "fast");
    fake_close(&f);
}

/* Also where there is nothing to race: a single schedule, or none that is new. */
static void a_single_schedule_is_enough(void **state)
{
    (void)state;
    fake_pool f;
    world w = {.ns = {300, 90000}};
    fake_open(&f);
    fake_user *u = tune(&f, &w, &(fake_want){.trials = 1, .libraries = calls, .n_libraries = 2});
    assert_int_equal(u->r->trials, 1);
    assert_true(w.paired[0] == 1 && w.paired[1] == 1);
    assert_string_equal(answered(u, calls, 2, "to be faster"), "fast");
    assert_null(answered(u, calls + 1, 1, "not to be faster"));
    fake_close(&f);
}

static void a_search_that_knows_them_does_not_learn_from_them(void **state)
{
    (void)state;
    fake_pool f, g;
    world w = {.ns = {300, 0}};
    fake_open(&f);
    fake_open(&g);
    /* as many as are asked for at once: else it matters what is back when the next are */
    fake_user *with =
        tune(&f, &w, &(fake_want){.trials = 16, .libraries = calls, .n_libraries = 2});
    fake_user *without = fake_start(&g, 0, &(fake_want){.trials = 16});
    fake_work(&g);
    assert_int_equal(with->r->best_hash, without->r->best_hash);
    assert_int_equal(with->r->ok, without->r->ok);
    fake_close(&f);
    fake_close(&g);
}

static void a_liar_is_rejected_once(void **state)
{
    (void)state;
    fake_pool f;
    world w = {.ns = {0, 0}};
    fake_open(&f);
    fake_user *u = tune(&f, &w, &(fake_want){.trials = 10, .libraries = calls, .n_libraries = 2});
    assert_int_equal(u->r->libraries[0].status, HONE_REJECT_WRONG_RESULT);
    assert_string_equal(u->r->libraries[0].reason, "output 'C' is wrong");
    assert_int_equal(w.measured[0], 1);
    assert_int_equal(w.measured[1], 1);
    assert_true(u->r->best_ns > 0);
    assert_int_equal(u->r->rejected_total, 0);
    assert_null(answered(u, calls, 2, "none of those named was measured"));
    /* it is on record all the same */
    fake_records c = fake_log(u);
    assert_int_equal(c.rejected, 2);
    fake_close(&f);
}

static void who_cannot_be_measured_is_set_aside(void **state)
{
    (void)state;
    fake_pool f;
    world w = {.ns = {-1, -1}};
    fake_open(&f);
    fake_user *u = tune(&f, &w, &(fake_want){.trials = 10, .libraries = calls, .n_libraries = 2});
    assert_int_equal(u->r->libraries[0].status, HONE_STATUS_COUNT);
    assert_string_equal(u->r->libraries[1].reason, "this device was not started with it");
    assert_int_equal(u->r->trials, 10);
    assert_true(u->r->best_ns > 0);
    assert_int_equal(fake_log(u).rejected, 0);
    fake_close(&f);
}

static bool is_library(void *ctx, const hone_db_workload *wl, const hone_db_target *t,
                       const hone_db_record *r)
{
    unsigned *n = ctx;
    (void)wl;
    bool call = hone_libcall_is(r->trace);
    assert_true(call == (strcmp(t->class, HONE_DB_LIBRARY) == 0));
    *n += call;
    return true;
}

/* Whoever asks a log for schedules does not come by them. */
static void nobody_comes_by_them(void **state)
{
    (void)state;
    fake_pool f;
    world w = {.ns = {300, 400}};
    unsigned n = 0;
    fake_open(&f);
    fake_user *u = tune(&f, &w, &(fake_want){.trials = 10, .libraries = calls, .n_libraries = 2});
    assert_int_equal(hone_db_each_best(u->db, NULL, is_library, &n, NULL), HONE_OK);
    assert_int_equal(hone_db_each_first(u->db, NULL, is_library, &n, NULL), HONE_OK);
    assert_int_equal(n, 0);
    const hone_db_where them = {.target_class = HONE_DB_LIBRARY};
    assert_int_equal(hone_db_each_best(u->db, &them, is_library, &n, NULL), HONE_OK);
    assert_int_equal(n, 1); /* of the target */
    uint64_t count;
    assert_int_equal(hone_db_record_count(u->db, HONE_DB_LIBRARY, &count, NULL), HONE_OK);
    assert_int_equal(count, 2);
    hone_lookup_answer a;
    hone_lookup_question q = question(u);
    q.explain = true;
    assert_int_equal(hone_lookup(&q, &a, NULL), HONE_OK);
    assert_int_equal(a.rung, HONE_RUNG_exact);
    assert_false(hone_libcall_is(a.record.trace));
    hone_lookup_free(&a);
    /* nor does a search that goes on from there */
    fake_end(&f, 0);
    u = fake_start(&f, 0, &(fake_want){.trials = 5, .seed = 2});
    fake_work(&f);
    assert_int_equal(u->r->status, HONE_OK);
    assert_int_equal(w.measured[0] + w.measured[1], 4);
    fake_close(&f);
}

/* Through the text of a lock, and what a lock must not say. */
static void a_lock_has_the_call(void **state)
{
    (void)state;
    fake_pool f;
    world w = {.ns = {300, 0}};
    fake_open(&f);
    fake_user *u = tune(&f, &w, &(fake_want){.trials = 5, .libraries = calls, .n_libraries = 1});
    hone_lookup_answer a;
    hone_lookup_question q = question(u);
    assert_int_equal(hone_lookup(&q, &a, NULL), HONE_OK);
    hone_lock l = {0}, again = {0};
    hone_lock_entry e;
    hone_lock_of of = {"f", "matmul", u->sizes, "none", &u->program, &u->target, 1, &calls[0]};
    hone_lock_entry_make(&of, &a, &e);
    hone_lock_put(&l, &e);
    hone_buf text = {0}, second = {0};
    hone_lock_print(&l, &text);
    assert_non_null(strstr(text.s, "\"hone_lock\": 2,"));
    hone_error err = {0};
    if (hone_lock_parse("t.lock", text.s, text.n, &again, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_lock_print(&again, &second);
    assert_string_equal(text.s, second.s);
    assert_true(hone_libcall_hash(again.entries.v[0].call) == hone_libcall_hash(&calls[0]));
    assert_string_equal(again.entries.v[0].trace, "[[],[]]");
    hone_lock_free(&again);
    hone_intrin_set *set = NULL;
    hone_sched s = {0};
    bool as_written;
    assert_int_equal(hone_lock_replay(&l.entries.v[0], &set, &s, &as_written, &err), HONE_OK);
    assert_true(as_written);
    hone_sched_fini(&s);
    hone_intrin_set_free(set);
    /* a function with a blank, and a schedule beside the call */
    char *at = strstr(text.s, "\"function\": \"f\",\n        \"hash\"");
    assert_non_null(at);
    at[strlen("\"function\": \"")] = ' ';
    assert_int_equal(hone_lock_parse("t.lock", text.s, text.n, &again, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "\"library\""));
    at[strlen("\"function\": \"")] = 'f';
    char *both = strstr(text.s, "\"decisions\": []");
    char *more = hone_xasprintf("%.*s\"decisions\": [[0, 1]]%s", (int)(both - text.s), text.s,
                                both + strlen("\"decisions\": []"));
    assert_int_equal(hone_lock_parse("t.lock", more, strlen(more), &again, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "in the place of a schedule"));
    free(more);
    hone_buf_free(&text);
    hone_buf_free(&second);
    hone_lock_free(&l);
    hone_lookup_free(&a);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_wins_and_one_loses),
        cmocka_unit_test(only_what_ran_in_turns_counts),
        cmocka_unit_test(a_single_schedule_is_enough),
        cmocka_unit_test(a_search_that_knows_them_does_not_learn_from_them),
        cmocka_unit_test(a_liar_is_rejected_once),
        cmocka_unit_test(who_cannot_be_measured_is_set_aside),
        cmocka_unit_test(nobody_comes_by_them),
        cmocka_unit_test(a_lock_has_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
