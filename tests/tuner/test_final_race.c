/* The ends of a session: what the log's best is worth today, the final race, the confirmation, and
 * what a query answers afterwards. */
#include "tests/tuner/fake_pool.h"

#include <math.h>

/* One kernel that is bad from some phase on, or at some kinds of measurement. */
typedef struct badness {
    phase when;         /* it is bad in this phase */
    int nth;            /* the nth kernel measured in that phase; -1: the incumbent of then */
    hone_status status; /* and this is what is found */
    char *bad;
    int seen;
} badness;

static void go_bad(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    badness *b = ctx;
    const fake_user *u = &f->user[j->session];
    if (j->role != HONE_ROLE_RUN || u->session->phase < b->when)
        return;
    if (!b->bad && b->seen++ == b->nth)
        b->bad = hone_xstrdup(j->candidate);
    if (b->bad && strcmp(j->candidate, b->bad) == 0)
        fake_set_failure(e, b->status, "output 'C': element 7 is 0, expected 1");
    else if (b->bad && j->incumbent && strcmp(j->incumbent, b->bad) == 0 &&
             b->status != HONE_REJECT_WRONG_RESULT)
        fake_set_failure(e, HONE_E_INCUMBENT, "the incumbent crashed");
}

/* 2a: whoever is found wrong in the race leaves it, with a verdict; the winner is another. */
static void wrong_in_the_final_race(void **state)
{
    (void)state;
    const hone_status all[] = {HONE_REJECT_WRONG_RESULT, HONE_REJECT_CRASH};
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        for (int nth = 0; nth < 2; nth++) {
            badness b = {.when = RACING, .nth = nth, .status = all[k]};
            fake_pool f;
            fake_open(&f);
            f.hook = go_bad;
            f.ctx = &b;
            fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 16, .seed = 3});
            fake_work(&f);
            assert_int_equal(u->r->status, HONE_OK);
            assert_non_null(u->r->best_trace);
            if (nth == 0)
                assert_non_null(b.bad);
            if (b.bad)
                assert_string_not_equal(u->r->best_trace, b.bad);
            assert_int_equal(fake_log(u).rejected, b.bad ? 1 : 0);
            assert_int_equal(fake_log(u).n, 16);
            fake_assert_answer(u);
            free(b.bad);
            fake_close(&f);
        }
}

/* How often finalists were the first and the second of two, the other one being who leads. */
typedef struct places {
    unsigned first, second;
} places;

static void note_places(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    const session *s = f->user[0].session;
    places *p = ctx;
    (void)e;
    if (j->role != HONE_ROLE_RUN || s->phase != RACING || s->in_heats)
        return;
    const char *leader = hone_tuner__incumbent(s)->trace;
    bool leads = strcmp(j->candidate, leader) == 0, after = strcmp(j->incumbent, leader) == 0;
    p->first += !leads && after;
    p->second += leads && !after;
}

/* Each runs as often before the one who leads as behind it: that may make a difference. */
static void finalists_change_places(void **state)
{
    (void)state;
    places p = {0};
    fake_pool f;
    fake_open(&f);
    f.hook = note_places;
    f.ctx = &p;
    fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 60});
    fake_work(&f);
    assert_true(p.first >= 2);
    assert_int_equal(p.first, p.second);
    fake_assert_answer(u);
    fake_close(&f);
}

/* Candidates that differ by 10 % at most, in processes each of which is off by up to 5 %. */
typedef struct world {
    hone_rng rng;
    double least; /* of all that ran */
} world;

static double close_ns(const char *trace)
{
    return hone_tuner__is_as_written(trace) ? 20000 : 5000 + (double)(fake_hash(trace) % 500);
}

static void off_by_process(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    world *w = ctx;
    (void)f;
    if (j->role != HONE_ROLE_RUN)
        return;
    double ns = close_ns(j->candidate), luck = 0.95 + 0.1 * hone_rng_double(&w->rng);
    fake_set_times(e, ns * luck, j->incumbent ? close_ns(j->incumbent) : 0);
    w->least = fmin(w->least, ns);
}

/* Whoever had bad luck in its trial may win yet, and who had good luck does not. */
static void luck_of_one_process_does_not_decide(void **state)
{
    (void)state;
    unsigned within = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        world w = {.least = HUGE_VAL};
        fake_pool f;
        hone_rng_seed(&w.rng, seed);
        fake_open(&f);
        f.hook = off_by_process;
        f.ctx = &w;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 64, .seed = seed});
        fake_work(&f);
        within += close_ns(u->r->best_trace) <= 1.02 * w.least;
        fake_assert_answer(u);
        fake_close(&f);
    }
    assert_true(within >= 9);
}

static void fail_all_races(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    if (j->role == HONE_ROLE_RUN && f->user[0].session->phase == RACING)
        fake_set_failure(e, *(hone_status *)ctx, "not now");
}

/* A race that cannot be run says nothing: the session ends as the table has it, and the log with
 * what the trials found. */
static void a_race_that_fails(void **state)
{
    (void)state;
    hone_status all[] = {HONE_E_KILLED, HONE_E_SANDBOX, HONE_E_NOMEM};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        fake_pool f;
        fake_open(&f);
        f.hook = fail_all_races;
        f.ctx = &all[k];
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 10});
        fake_work(&f);
        assert_true(u->r->status == all[k] || u->r->status == HONE_OK);
        assert_int_equal(fake_log(u).ok, 10);
        assert_non_null(u->r->best_trace);
        fake_assert_answer(u);
        fake_close(&f);
    }
}

/* ---- the log's best, today ------------------------------------------------------------------- */

/* A first session of ten trials; then a second one, in which what was best is bad. */
static void second_session(badness *b, uint64_t rejected)
{
    fake_pool f;
    fake_open(&f);
    fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 10});
    fake_work(&f);
    fake_assert_answer(u);
    char *was_best = hone_xstrdup(u->r->best_trace);
    fake_end(&f, 0);

    b->when = STARTING;
    f.hook = go_bad;
    f.ctx = b;
    u = fake_start(&f, 0, &(fake_want){.trials = 6});
    assert_int_equal(u->r->known, 10);
    fake_work_until(&f, TUNING);
    assert_string_equal(b->bad, was_best);
    fake_work(&f);
    assert_int_equal(u->r->status, HONE_OK);
    assert_int_equal(u->r->trials, 6);
    assert_int_equal(u->r->ok, 6);
    assert_int_equal(fake_log(u).n, 16);
    assert_int_equal(fake_log(u).rejected, rejected);
    assert_string_not_equal(u->r->best_trace, was_best);
    if (rejected)
        fake_assert_answer(u);
    free(was_best);
    free(b->bad);
    fake_close(&f);
}

/* 2b, 2c: it is found out before anything is compared with it, and the next best takes its place.
 */
static void the_logs_best_is_bad_today(void **state)
{
    (void)state;
    second_session(&(badness){.status = HONE_REJECT_WRONG_RESULT}, 1);
    second_session(&(badness){.status = HONE_REJECT_CRASH}, 1);
}

/* It cannot be measured: no verdict, and the session goes on without it. */
static void the_logs_best_cannot_be_measured(void **state)
{
    (void)state;
    second_session(&(badness){.status = HONE_E_KILLED}, 0);
}

/* It is well: the first job measured is it, alone, and the candidates are measured with it. */
static void the_logs_best_is_well(void **state)
{
    (void)state;
    fake_pool f;
    fake_open(&f);
    fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 10});
    fake_work(&f);
    char *was_best = hone_xstrdup(u->r->best_trace);
    fake_end(&f, 0);
    u = fake_start(&f, 0, &(fake_want){.trials = 3});
    int at;
    while ((at = fake_find(&f, HONE_ROLE_RUN)) < 0)
        f.jobs.n > 0 ? fake_serve(&f, 0) : fake_pass(&f, 50);
    assert_string_equal(f.jobs.v[at].candidate, was_best);
    assert_null(f.jobs.v[at].incumbent);
    fake_serve(&f, (uint32_t)at);
    while ((at = fake_find(&f, HONE_ROLE_RUN)) < 0)
        f.jobs.n > 0 ? fake_serve(&f, 0) : fake_pass(&f, 50);
    assert_string_equal(f.jobs.v[at].incumbent, was_best);
    fake_work(&f);
    fake_assert_answer(u);
    free(was_best);
    fake_close(&f);
}

/* ---- confirmation ---------------------------------------------------------------------------- */

/* A record that claims to be twice as fast as all others, for a candidate of the first session. */
static void boast(fake_user *u, const char *trace)
{
    session *s = u->session;
    hone_db_sample fast[HONE_MAX_SAMPLES + 1]; /* more than any race takes */
    for (unsigned k = 0; k < HONE_LEN(fast); k++)
        fast[k] = (hone_db_sample){10 + (double)k / 100, 0};
    hone_trace t = {0};
    assert_int_equal(hone_trace_parse(trace, strlen(trace), &t, NULL), HONE_OK);
    const hone_db_record r = {.workload_id = s->workload_id,
                              .target_id = s->target_id,
                              .trace_hash = hone_trace_hash(&t),
                              .trace = trace,
                              .status = HONE_OK,
                              .time_ns = 10,
                              .checked = "reference",
                              .llvm_version = "none"};
    assert_int_equal(hone_db_record_put(u->db, &r, fast, HONE_LEN(fast), NULL, NULL, NULL),
                     HONE_OK);
    hone_trace_free(&t);
}

/* 2c in the confirmation: rejected there is rejected, and no query serves it. */
static void wrong_in_the_confirmation(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        badness b = {
            .when = CONFIRMING, .nth = way == 0 ? 0 : -1, .status = HONE_REJECT_WRONG_RESULT};
        fake_pool f;
        fake_open(&f);
        f.hook = go_bad;
        f.ctx = &b;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 16});
        fake_work_until(&f, TUNING);
        char *loser = NULL;
        while (u->trials < 16) { /* the last trial that did not lead */
            int at = fake_find(&f, HONE_ROLE_RUN);
            if (at >= 0) {
                free(loser);
                loser = hone_xstrdup(f.jobs.v[at].candidate);
            }
            f.jobs.n > 0 ? fake_serve(&f, at >= 0 ? (uint32_t)at : 0) : fake_pass(&f, 50);
        }
        boast(u, loser);
        fake_work(&f);
        assert_true(u->seen[CONFIRMING]);
        assert_int_equal(u->r->status, HONE_OK);
        assert_int_equal(fake_log(u).rejected, way == 0 ? 1 : 0);
        if (way == 0)
            assert_string_not_equal(u->r->best_trace, loser);
        fake_assert_answer(u);
        free(loser);
        free(b.bad);
        fake_close(&f);
    }
}

/* ---- what a query answers -------------------------------------------------------------------- */

static void noise(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    hone_rng *rng = ctx;
    (void)f;
    if (j->role != HONE_ROLE_RUN)
        return;
    for (int k = 0; k < e->result.n_samples; k++) {
        e->result.sample_ns[k] *= 1 + 0.2 * hone_rng_double(rng);
        e->result.incumbent_ns[k] *= 1 + 0.2 * hone_rng_double(rng);
    }
    e->result.time_ns = (int64_t)e->result.sample_ns[e->result.n_samples / 2];
}

/* F9: the trace that tune reports is the one a query gives, session after session. */
static void a_query_answers_what_was_reported(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        hone_rng rng;
        fake_pool f;
        hone_rng_seed(&rng, seed);
        fake_open(&f);
        f.hook = noise;
        f.ctx = &rng;
        for (int round = 0; round < 3; round++) {
            fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 8, .seed = seed});
            fake_work(&f);
            assert_int_equal(u->r->status, HONE_OK);
            fake_assert_answer(u);
            fake_end(&f, 0);
        }
        fake_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_in_the_final_race),
        cmocka_unit_test(finalists_change_places),
        cmocka_unit_test(luck_of_one_process_does_not_decide),
        cmocka_unit_test(a_race_that_fails),
        cmocka_unit_test(the_logs_best_is_bad_today),
        cmocka_unit_test(the_logs_best_cannot_be_measured),
        cmocka_unit_test(the_logs_best_is_well),
        cmocka_unit_test(wrong_in_the_confirmation),
        cmocka_unit_test(a_query_answers_what_was_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
