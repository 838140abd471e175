/* What a session does about attempts that fail: the table, the number of attempts, what is set
 * aside, what ends it, and that none of it becomes a verdict. */
#include "tests/tuner/fake_pool.h"

/* Fails what it is told to fail. */
typedef struct trouble {
    hone_status status;
    unsigned role;  /* of the jobs that fail */
    uint64_t after; /* jobs of that role that are answered well before */
    uint64_t times; /* how many fail; 0: all from then on */
    uint64_t seen, failed;
    const char *only; /* trace that fails; NULL: any but the program as written */
} trouble;

static void make_trouble(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    trouble *t = ctx;
    (void)f;
    if (j->role != t->role || j->reference || (t->only && strcmp(j->candidate, t->only) != 0))
        return;
    if (t->seen++ < t->after || (t->times && t->failed >= t->times))
        return;
    t->failed++;
    fake_set_failure(e, t->status, "trouble of the machine");
}

static fake_user *open_with(fake_pool *f, trouble *t, uint64_t trials)
{
    fake_open(f);
    f->hook = make_trouble;
    f->ctx = t;
    return fake_start(f, 0, &(fake_want){.trials = trials});
}

/* Every HONE_E_* is in the table, and nothing else is. */
static void the_table_is_whole(void **state)
{
    (void)state;
    for (int s = 0; s < HONE_STATUS_COUNT; s++) {
        bool is_failure = s != HONE_OK && !hone_status_is_reject((hone_status)s);
        assert_int_equal(is_failure, hone_tuner__policy((hone_status)s) != FAILURE_UNLISTED);
    }
}

/* Two failures of each kind that is tried again are two attempts, and nothing else. */
static void a_third_attempt_is_made(void **state)
{
    (void)state;
    for (int s = 0; s < HONE_STATUS_COUNT; s++) {
        failure_policy p = hone_tuner__policy((hone_status)s);
        if (p != FAILURE_SUSPECT && p != FAILURE_END_AFTER)
            continue;
        for (unsigned role = HONE_ROLE_BUILD; role <= HONE_ROLE_RUN; role++) {
            fake_pool f;
            trouble t = {.status = (hone_status)s, .role = role, .after = 2, .times = 2};
            fake_user *u = open_with(&f, &t, 6);
            fake_work(&f);
            assert_int_equal(u->r->status, HONE_OK);
            assert_int_equal(u->r->failed, 2);
            assert_int_equal(u->r->set_aside, 0);
            assert_int_equal(u->r->ok, 6);
            assert_int_equal(fake_log(u).rejected, 0);
            fake_close(&f);
        }
    }
}

/* Trouble that stays ends the session with its own status and words, and stores nothing. */
static void lasting_trouble_ends_it(void **state)
{
    (void)state;
    for (int s = 0; s < HONE_STATUS_COUNT; s++) {
        failure_policy p = hone_tuner__policy((hone_status)s);
        if (p == FAILURE_UNLISTED)
            continue;
        fake_pool f;
        trouble t = {.status = (hone_status)s, .role = HONE_ROLE_RUN, .after = 2};
        fake_user *u = open_with(&f, &t, 20);
        fake_work(&f);
        assert_int_equal(u->r->status, s);
        assert_non_null(strstr(u->r->error.message, "trouble of the machine"));
        if (p == FAILURE_END)
            assert_int_equal(t.failed, 1);
        else if (p != FAILURE_DEMOTE) /* 3 at one candidate, or 5 at several */
            assert_in_range(t.failed, 3, 5);
        assert_int_equal(u->r->ok, 2);
        assert_int_equal(u->r->rejected_total, 0);
        assert_int_equal(fake_log(u).n, 2);
        assert_non_null(u->r->best_trace); /* what was found is kept */
        fake_close(&f);
    }
}

/* A linker that fails from the start: the reference is not built, nothing is in the log. */
static void fail_references(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    (void)f;
    if (j->reference)
        fake_set_failure(e, *(hone_status *)ctx, "no memory for the linker");
}

static void without_a_reference_it_ends(void **state)
{
    (void)state;
    hone_status all[] = {HONE_E_TOOL, HONE_E_PEER, HONE_E_NOMEM, HONE_REJECT_BUILD};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        fake_pool f;
        fake_open(&f);
        f.hook = fail_references;
        f.ctx = &all[k];
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 5});
        fake_work(&f);
        assert_int_equal(u->r->status, all[k]);
        assert_non_null(strstr(u->r->error.message, "no memory for the linker"));
        assert_int_equal(fake_log(u).n, 0);
        fake_close(&f);
    }
}

/* The third candidate that is measured fails each time. */
static void fail_the_third(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    trouble *t = ctx;
    (void)f;
    if (j->role != HONE_ROLE_RUN)
        return;
    if (!t->only && t->seen++ == 2)
        t->only = hone_xstrdup(j->candidate);
    if (t->only && strcmp(j->candidate, t->only) == 0)
        fake_set_failure(e, t->status, "trouble of the machine");
}

/* One candidate that takes its worker down each time, or needs more memory than there is, while
 * others do well: set aside, neither stored nor tried again. */
static void one_that_fails_among_others_is_set_aside(void **state)
{
    (void)state;
    const hone_status all[] = {HONE_E_PEER, HONE_E_KILLED, HONE_E_NOMEM, HONE_E_SANDBOX};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        trouble t = {.status = all[k]};
        fake_pool f;
        fake_open(&f);
        f.hook = fail_the_third;
        f.ctx = &t;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 12});
        fake_work(&f);
        assert_int_equal(u->r->status, HONE_OK);
        assert_int_equal(u->r->failed, 3);
        assert_int_equal(u->r->set_aside, 1);
        assert_int_equal(u->r->trials, 12);
        assert_int_equal(fake_log(u).n, 12);
        assert_int_equal(fake_log(u).rejected, 0);
        free((char *)t.only);
        fake_close(&f);
    }
}

/* Further attempts leave the machine time to recover. */
static void attempts_are_spaced(void **state)
{
    (void)state;
    fake_pool f;
    trouble t = {.status = HONE_E_SANDBOX, .role = HONE_ROLE_RUN, .after = 1, .times = 2};
    fake_user *u = open_with(&f, &t, 3);
    fake_work_until(&f, TUNING);
    while (t.failed == 0 || f.jobs.n > 0)
        f.jobs.n > 0 ? fake_serve(&f, 0) : fake_pass(&f, 50);
    assert_int_equal(fake_find(&f, HONE_ROLE_RUN), -1);
    fake_pass(&f, 50);
    assert_int_equal(fake_find(&f, HONE_ROLE_RUN), -1);
    fake_pass(&f, 100);
    assert_int_not_equal(fake_find(&f, HONE_ROLE_RUN), -1);
    fake_work(&f);
    assert_int_equal(u->r->ok, 3);
    fake_close(&f);
}

/* ---- time limits ----------------------------------------------------------------------------- */

static void a_time_limit_is_tried_once_more(void **state)
{
    (void)state;
    const struct {
        hone_status status;
        unsigned role;
    } cases[] = {{HONE_REJECT_RUN_TIMEOUT, HONE_ROLE_RUN},
                 {HONE_REJECT_BUILD_TIMEOUT, HONE_ROLE_BUILD}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++)
        for (uint64_t times = 1; times <= 2; times++) {
            fake_pool f;
            trouble t = {
                .status = cases[k].status, .role = cases[k].role, .after = 2, .times = times};
            fake_user *u = open_with(&f, &t, 5);
            f.builders = 1;
            fake_work(&f);
            /* twice in a row is the same candidate only if one is in hand at a time */
            if (cases[k].role == HONE_ROLE_RUN || times == 1)
                assert_int_equal(u->r->rejected_total, times - 1);
            assert_int_equal(u->r->trials, 5);
            assert_int_equal(u->r->failed, 0);
            fake_close(&f);
        }
}

/* ---- the incumbent is blamed ----------------------------------------------------------------- */

typedef struct blaming {
    char *bad;         /* an incumbent that faults from some time on */
    char *liar;        /* a candidate that faults and blames the incumbent */
    hone_status alone; /* what the bad one does when it runs alone */
    bool armed;
    uint64_t blamed, alone_runs;
} blaming;

static void blame(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    blaming *b = ctx;
    (void)f;
    if (j->role != HONE_ROLE_RUN)
        return;
    /* the best so far goes bad after the fourth trial */
    if (!b->bad && !b->liar && b->armed && j->incumbent)
        b->bad = hone_xstrdup(j->incumbent);
    if (b->bad && j->incumbent && strcmp(j->incumbent, b->bad) == 0) {
        b->blamed++;
        fake_set_failure(e, HONE_E_INCUMBENT, "the incumbent crashed: SIGSEGV");
    } else if (b->bad && !j->incumbent && strcmp(j->candidate, b->bad) == 0) {
        b->alone_runs++;
        fake_set_failure(e, b->alone, "the kernel crashed: SIGSEGV");
    } else if (b->liar && j->incumbent && strcmp(j->candidate, b->liar) == 0) {
        b->blamed++;
        fake_set_failure(e, HONE_E_INCUMBENT, "the incumbent crashed: SIGSEGV");
    } else if (!j->incumbent && b->blamed) {
        b->alone_runs++;
    }
}

static fake_user *blame_open(fake_pool *f, blaming *b, unsigned devices)
{
    fake_open(f);
    f->devices = devices;
    f->hook = blame;
    f->ctx = b;
    return fake_start(f, 0, &(fake_want){.trials = 12});
}

static void serve_trials(fake_pool *f, const fake_user *u, uint64_t n)
{
    while (u->trials < n)
        f->jobs.n > 0 ? fake_serve(f, 0) : fake_pass(f, 50);
}

/* 2b of the attack: whoever is measured with it is innocent; it goes, and is what is convicted. */
static void a_bad_incumbent_goes_and_nobody_else(void **state)
{
    (void)state;
    for (unsigned devices = 1; devices <= 3; devices++)
        for (int way = 0; way < 2; way++) {
            fake_pool f;
            blaming b = {.alone = way == 0 ? HONE_REJECT_CRASH : HONE_E_KILLED};
            fake_user *u = blame_open(&f, &b, devices);
            serve_trials(&f, u, 4);
            b.armed = true;
            fake_work(&f);
            assert_int_equal(u->r->status, HONE_OK);
            assert_int_equal(u->r->trials, 12);
            assert_int_equal(u->r->ok, 12);
            assert_int_equal(u->r->set_aside, way == 0 ? 0 : 1);
            assert_int_equal(b.alone_runs, way == 0 ? 1 : 3);
            assert_true(b.blamed >= 1 && b.blamed <= devices);
            assert_int_equal(fake_log(u).rejected, way == 0 ? 1 : 0);
            assert_string_not_equal(u->r->best_trace, b.bad);
            free(b.bad);
            fake_close(&f);
        }
}

/* 10e: a candidate can forge the blame. The incumbent is found well and stays; the candidate is set
 * aside, for nothing is proved against it either. */
static void forged_blame_harms_nobody(void **state)
{
    (void)state;
    fake_pool f;
    blaming b = {0};
    fake_user *u = blame_open(&f, &b, 1);
    serve_trials(&f, u, 4);
    int at;
    while ((at = fake_find(&f, HONE_ROLE_RUN)) < 0)
        f.jobs.n > 0 ? fake_serve(&f, 0) : fake_pass(&f, 50);
    b.liar = hone_xstrdup(f.jobs.v[at].candidate);
    fake_work(&f);
    assert_int_equal(u->r->status, HONE_OK);
    assert_int_equal(u->r->trials, 12);
    assert_int_equal(b.blamed, 3);
    assert_int_equal(b.alone_runs, 3);
    assert_int_equal(u->r->set_aside, 1);
    assert_int_equal(fake_log(u).rejected, 0);
    assert_int_equal(fake_log(u).n, 12);
    free(b.liar);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(a_third_attempt_is_made),
        cmocka_unit_test(lasting_trouble_ends_it),
        cmocka_unit_test(without_a_reference_it_ends),
        cmocka_unit_test(one_that_fails_among_others_is_set_aside),
        cmocka_unit_test(attempts_are_spaced),
        cmocka_unit_test(a_time_limit_is_tried_once_more),
        cmocka_unit_test(a_bad_incumbent_goes_and_nobody_else),
        cmocka_unit_test(forged_blame_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
