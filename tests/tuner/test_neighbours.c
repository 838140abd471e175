/* Which kernels of a log are the nearest: those that a look at all of them finds, whatever their
 * number, targets and threads. */
#include "lookup_log.h"

enum { TARGETS = 3, KERNELS = 14 };

static hone_target targets[TARGETS];

/* One target is none; of the others the later the further. */
static bool admit(void *ctx, const hone_db_workload *w, const hone_db_target *t, int *ret_elsewhere)
{
    const int64_t *left_out = ctx;
    hone_target x;
    assert_true(w->id > 0 && w->hash != 0 && strchr(w->sizes, '{') && t->id > 0);
    SMALL_CHECK(hone_target_parse(t->text, &x, err));
    *ret_elsewhere = x.l3_bytes == targets[1].l3_bytes;
    return w->id != *left_out && strcmp(x.cpu, "no") != 0;
}

static void fill(test_log *l, hone_rng *rng)
{
    hone_space *sp = space_for((mnk){32, 32, 32}, &targets[0], 1);
    hone_sched s = {0};
    bool found;
    SMALL_CHECK(hone_space_default(sp, &s, &found, err));
    assert_true(found);
    SMALL_CHECK(hone_db_begin(l->db, err));
    for (unsigned k = 0; k < KERNELS; k++) {
        mnk size = {16 << hone_rng_below(rng, 4), 16 << hone_rng_below(rng, 4),
                    16 << hone_rng_below(rng, 3)};
        for (unsigned t = 0; t < TARGETS; t++)
            for (int32_t threads = 1; threads <= 4; threads *= 2)
                if (hone_rng_below(rng, 2))
                    log_put(l, size, &targets[t], threads, &s.trace, 1000 + k);
    }
    SMALL_CHECK(hone_db_commit(l->db, err));
    hone_sched_fini(&s);
    hone_space_free(sp);
}

static void expect_same(const neighbour *a, const neighbour *b)
{
    assert_true(a->workload_id == b->workload_id && a->target_id == b->target_id);
    assert_true(a->hash == b->hash && a->threads == b->threads && a->elsewhere == b->elsewhere);
    assert_true(fabs(a->far - b->far) < 1e-12);
    assert_string_equal(a->sizes, b->sizes);
    assert_string_equal(a->target, b->target);
}

static void some_are_the_first_of_all(void **state)
{
    (void)state;
    hone_rng rng;
    unsigned compared = 0, ties = 0;
    for (unsigned turn = 0; turn < 12; turn++) {
        test_log l;
        hone_program p = product((mnk){64, 64, 32});
        char *sizes = sizes_text((mnk){64, 64, 32}), *class = hone_target_class(&targets[0]);
        int64_t left_out = 1 + turn % 3;
        hone_rng_seed(&rng, 100 + turn);
        log_open(&l);
        fill(&l, &rng);
        near_question q = {.program = &p,
                           .sizes = sizes,
                           .target_class = turn % 4 == 1 ? class : NULL,
                           .only_threads = turn % 4 == 2 ? 2 : 0,
                           .threads = turn % 2 ? 2 : 0,
                           .admit = admit,
                           .ctx = &left_out};
        neighbours all = {0};
        SMALL_CHECK(hone_tuner__neighbours(l.db, &q, &all, err));
        assert_true(all.n > 4);
        for (uint32_t k = 0; k < all.n; k++) {
            assert_true(all.v[k].workload_id != left_out);
            assert_true(!q.only_threads || all.v[k].threads == 2);
            if (k == 0)
                continue;
            const neighbour *x = &all.v[k - 1], *y = &all.v[k];
            assert_true(x->far < y->far || (x->far <= y->far && x->elsewhere <= y->elsewhere));
            ties += x->far >= y->far;
        }
        for (q.most = 1; q.most <= all.n + 2; q.most += 1 + q.most / 3) {
            neighbours some = {0};
            SMALL_CHECK(hone_tuner__neighbours(l.db, &q, &some, err));
            assert_int_equal(some.n, q.most < all.n ? q.most : all.n);
            for (uint32_t k = 0; k < some.n; k++, compared++)
                expect_same(&some.v[k], &all.v[k]);
            hone_tuner__neighbours_free(&some);
        }
        hone_tuner__neighbours_free(&all);
        hone_program_fini(&p);
        free(sizes);
        free(class);
        log_close(&l);
    }
    assert_true(compared > 100 && ties > 10);
}

/* Those of a second log stand behind what is there already. */
static void of_several_logs(void **state)
{
    (void)state;
    test_log l;
    hone_rng rng;
    int64_t none = 0;
    hone_program p = product((mnk){64, 64, 32});
    neighbours found = {0};
    near_question q = {.program = &p,
                       .sizes = "{\"K\":32,\"M\":64,\"N\":64}",
                       .most = 3,
                       .admit = admit,
                       .ctx = &none};
    hone_rng_seed(&rng, 7);
    log_open(&l);
    fill(&l, &rng);
    for (unsigned turn = 0; turn < 2; turn++)
        SMALL_CHECK(hone_tuner__neighbours(l.db, &q, &found, err));
    assert_int_equal(found.n, 6);
    for (uint32_t k = 0; k < 3; k++)
        expect_same(&found.v[k], &found.v[k + 3]);
    hone_tuner__neighbours_free(&found);
    hone_program_fini(&p);
    log_close(&l);
}

int main(void)
{
    for (unsigned k = 0; k < TARGETS; k++)
        targets[k] = simulated_target();
    targets[1].l3_bytes *= 2;
    snprintf(targets[2].cpu, sizeof targets[2].cpu, "no");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_are_the_first_of_all),
        cmocka_unit_test(of_several_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
