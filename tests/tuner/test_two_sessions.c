/* Two sessions share a pool of two devices, and each ends as it would alone. */
#include "tests/tuner/fake_pool.h"

typedef struct ending {
    char *best;
    uint64_t trials, ok;
    int64_t best_ns;
    uint64_t traces; /* of all records, whatever their order */
} ending;

static bool add_trace(void *ctx, const hone_db_record *r)
{
    ((ending *)ctx)->traces += hone_hash_mix(r->trace_hash, (uint64_t)r->status);
    return true;
}

static ending ending_of(const fake_user *u)
{
    ending e = {.best = hone_xstrdup(u->r->best_trace),
                .trials = u->r->trials,
                .ok = u->r->ok,
                .best_ns = u->r->best_ns};
    assert_int_equal(u->r->status, HONE_OK);
    assert_int_equal(hone_db_each_record(u->db, &(hone_db_where){0}, add_trace, &e, NULL), HONE_OK);
    return e;
}

/* Some kernels are wrong, so that there is more to be the same than times. */
static void some_are_wrong(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    (void)ctx, (void)f;
    if (j->role == HONE_ROLE_RUN && j->candidate[0] && fake_hash(j->candidate) % 5 == 0)
        fake_set_failure(e, HONE_REJECT_WRONG_RESULT, "wrong");
}

static const fake_want wants[2] = {
    {.db = "first.db", .trials = 14, .seed = 5, .exclusive = true},
    {.db = "second.db", .trials = 14, .size = 48, .seed = 9, .exclusive = true}};

static void both_end_as_alone(void **state)
{
    (void)state;
    ending alone[2];
    for (unsigned k = 0; k < 2; k++) {
        fake_pool f;
        fake_open(&f);
        f.hook = some_are_wrong;
        fake_user *u = fake_start(&f, 0, &wants[k]);
        fake_work(&f);
        alone[k] = ending_of(u);
        fake_close(&f);
    }
    for (uint64_t order = 1; order <= 5; order++) {
        fake_pool f;
        hone_rng rng;
        hone_rng_seed(&rng, order);
        fake_open(&f);
        f.hook = some_are_wrong;
        f.builders = f.devices = 2;
        for (unsigned k = 0; k < 2; k++)
            fake_start(&f, k, &wants[k]);
        bool together = false;
        while (!fake_all_done(&f)) {
            f.now_ns += 20 * MS;
            together |= f.jobs.n > 1 && f.jobs.v[0].session != f.jobs.v[1].session;
            assert_false(fake_find(&f, HONE_ROLE_BUILD) >= 0 && fake_find(&f, HONE_ROLE_RUN) >= 0);
            if (f.jobs.n > 0)
                fake_serve(&f, (uint32_t)hone_rng_below(&rng, f.jobs.n));
            fake_pass(&f, 50);
        }
        assert_true(together);
        for (unsigned k = 0; k < 2; k++) {
            ending e = ending_of(&f.user[k]);
            assert_int_equal(e.trials, alone[k].trials);
            assert_int_equal(e.ok, alone[k].ok);
            assert_int_equal(e.traces, alone[k].traces);
            assert_string_equal(e.best, alone[k].best);
            assert_int_equal(e.best_ns, alone[k].best_ns);
            free(e.best);
        }
        fake_close(&f);
    }
    free(alone[0].best);
    free(alone[1].best);
}

/* One that is stopped, or fails, leaves the other alone. */
static void one_ends_the_other_goes_on(void **state)
{
    (void)state;
    fake_pool f;
    fake_open(&f);
    f.devices = 2;
    for (unsigned k = 0; k < 2; k++)
        fake_start(&f, k, &wants[k]);
    while (f.user[0].trials < 4) {
        f.now_ns += 20 * MS;
        f.jobs.n > 0 ? fake_serve(&f, 0) : fake_pass(&f, 50);
    }
    hone_session_stop(f.user[0].session);
    fake_pass(&f, 50);
    assert_true(f.user[0].r->done);
    for (uint32_t i = 0; i < f.jobs.n; i++)
        assert_int_equal(f.jobs.v[i].session, 1);
    fake_work_until(&f, DONE);
    while (!f.user[1].r->done)
        f.jobs.n > 0 ? fake_serve(&f, 0) : fake_pass(&f, 50);
    assert_int_equal(f.user[1].r->trials, 14);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_end_as_alone),
        cmocka_unit_test(one_ends_the_other_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
