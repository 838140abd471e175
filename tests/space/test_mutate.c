/* Mutators: what they return replays, differs in one decision, and reaches the whole domain. */
#include "tests/space/prim_test.h"

#include "space/trace/internal.h"

typedef struct bench {
    hone_space sp;
    hone_sched s;
    hone_rng rng;
    hone_rv block, loop[4];
} bench;

static void set_up(bench *b, const char *text, const char *block)
{
    unsigned n;
    memset(b, 0, sizeof *b);
    b->sp.base = load_program(text);
    hone_rng_seed(&b->rng, 1);
    hone_sched_start(&b->s, &b->sp.base, &b->rng);
    APPLY(hone_get_block(&b->s, block, &b->block, err));
    APPLY(hone_get_loops(&b->s, b->block, b->loop, 4, &n, err));
}

static void tear_down(bench *b)
{
    hone_sched_fini(&b->s);
    hone_program_fini(&b->sp.base);
}

/* Walks `steps` mutations from the schedule's trace. Each changes the trace, replays as it is (no
 * decision corrected), and yields a sound program. Calls `see` with each. */
static void wander(bench *b, unsigned steps, void (*see)(const hone_trace *t, void *ctx), void *ctx)
{
    hone_trace t = {0};
    hone_sched s = {0};
    hone_trace_copy(&t, &b->s.trace);
    for (unsigned k = 0; k < steps; k++) {
        uint64_t before = hone_trace_hash(&t);
        assert_true(hone_space_mutate(&b->sp, &t, &b->rng));
        uint64_t h = hone_trace_hash(&t);
        assert_true(h != before);
        APPLY(hone_trace_replay(&t, &b->sp.base, &s, NULL, false, err));
        assert_true(hone_trace_hash(&s.trace) == h);
        if (k % 16 == 0)
            check_same(&b->sp.base, &s.prog);
        if (see)
            see(&t, ctx);
    }
    hone_trace_free(&t);
    hone_sched_fini(&s);
}

static const int64_t *decision(const hone_trace *t, uint32_t inst)
{
    return &t->ints.v[t->insts.v[inst].decision];
}

static void see_perfect(const hone_trace *t, void *ctx)
{
    bool(*seen)[13] = ctx;
    const int64_t *f = decision(t, 2);
    assert_int_equal(f[0] * f[1] * f[2], 12);
    assert_true(f[2] <= 4);
    for (int k = 0; k < 3; k++)
        seen[k][f[k]] = true;
}

static void test_perfect(void **state)
{
    (void)state;
    bench b;
    hone_rv v[3], parts[3];
    bool seen[3][13] = {{false}};
    set_up(&b, MATMUL(12, 10, 8), "C");
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 3, 4, NULL, v, err));
    APPLY(hone_split(&b.s, b.loop[0], v, 3, parts, err));
    wander(&b, 800, see_perfect, seen);
    for (int d = 1; d <= 12; d++)
        if (12 % d == 0)
            assert_true(seen[0][d] && seen[1][d] && (d > 4 ? !seen[2][d] : seen[2][d]));
    tear_down(&b);
}

static void see_imperfect(const hone_trace *t, void *ctx)
{
    bool *seen = ctx;
    const int64_t *f = decision(t, 2);
    assert_true(f[1] * f[2] < 26 && f[2] <= 8);
    seen[f[1]] = true;
}

static void test_imperfect(void **state)
{
    (void)state;
    bench b;
    hone_rv v[3], parts[3];
    bool seen[14] = {false};
    set_up(&b, MATMUL(13, 4, 4), "C");
    APPLY(hone_sample_imperfect_tile(&b.s, b.loop[0], 3, 8, NULL, v, err));
    APPLY(hone_split(&b.s, b.loop[0], v, 3, parts, err));
    wander(&b, 600, see_imperfect, seen);
    for (int d = 1; d <= 13; d++)
        assert_int_equal(seen[d], hone_space__is_imperfect_factor(13, d));
    tear_down(&b);
}

static void see_choice(const hone_trace *t, void *ctx)
{
    ((int *)ctx)[*decision(t, 2)]++;
}

static void test_categorical(void **state)
{
    (void)state;
    bench b;
    hone_rv v;
    int seen[4] = {0};
    set_up(&b, MATMUL(4, 4, 4), "C");
    APPLY(hone_sample_categorical(&b.s, (int64_t[]){0, 1, 2, 3}, (double[]){.25, .5, 0, .25}, 4,
                                  NULL, &v, err));
    wander(&b, 400, see_choice, seen);
    assert_int_equal(seen[2], 0);
    assert_true(seen[1] > seen[0] && seen[1] > seen[3] && seen[0] > 50 && seen[3] > 50);
    tear_down(&b);
}

static void test_register_tile(void **state)
{
    (void)state;
    bench b;
    hone_rv v[2], parts[2];
    static const int64_t tiles[][2] = {{1, 4}, {2, 4}, {3, 4}, {6, 8}, {10, 4}, {14, 4}};
    int seen[6] = {0};
    set_up(&b, MATMUL(5, 8, 4), "C");
    APPLY(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles, NULL, 6, NULL, v, err));
    APPLY(hone_split(&b.s, b.loop[0], (hone_rv[]){HONE_NO_RV, v[0]}, 2, parts, err));
    wander(&b, 300, see_choice, seen);
    for (int k = 0; k < 4; k++)
        assert_true(seen[k] > 20);
    assert_int_equal(seen[4] + seen[5], 0); /* at least half of their rows would be empty */
    tear_down(&b);
}

/* Tiles below a register tile: the extents they cover change with it. */
static void test_dependent_tiles(void **state)
{
    (void)state;
    bench b;
    hone_rv v[3], t[2], parts[3], f[3];
    static const int64_t tiles[][2] = {{1, 4}, {2, 4}, {3, 8}, {4, 8}, {5, 4}, {6, 4}, {7, 8}};
    set_up(&b, MATMUL(29, 26, 12), "C");
    APPLY(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles, NULL, 7, NULL, t, err));
    APPLY(hone_split(&b.s, b.loop[0], (hone_rv[]){HONE_NO_RV, t[0]}, 2, parts, err));
    APPLY(hone_sample_imperfect_tile(&b.s, parts[0], 3, 0, NULL, v, err));
    APPLY(hone_split(&b.s, parts[0], v, 3, f, err));
    APPLY(hone_split(&b.s, b.loop[1], (hone_rv[]){HONE_NO_RV, t[1]}, 2, parts, err));
    APPLY(hone_sample_perfect_tile(&b.s, parts[0], 2, 8, NULL, v, err));
    APPLY(hone_split(&b.s, parts[0], v, 2, f, err));
    APPLY(hone_fuse(&b.s, f, 2, &parts[0], err));
    APPLY(hone_sample_imperfect_tile(&b.s, parts[0], 2, 0, NULL, v, err));
    APPLY(hone_split(&b.s, parts[0], v, 2, f, err));
    wander(&b, 400, NULL, NULL);
    tear_down(&b);
}

/* Loops whose extents only a replay tells: a second list of loops, after splits. */
static void test_loops_after_changes(void **state)
{
    (void)state;
    bench b;
    hone_rv v[3], parts[3], loops[8], f[3];
    unsigned n;
    set_up(&b, MATMUL(13, 10, 9), "C");
    APPLY(hone_split_by(&b.s, b.loop[0], (int64_t[]){0, 2}, 2, parts, err));
    APPLY(hone_get_loops(&b.s, b.block, loops, 8, &n, err));
    assert_int_equal(n, 4);
    APPLY(hone_sample_imperfect_tile(&b.s, loops[0], 2, 0, NULL, v, err));
    APPLY(hone_split(&b.s, loops[0], v, 2, f, err));
    APPLY(hone_sample_register_tile(
        &b.s, loops[3], loops[2], (int64_t[][2]){{1, 1}, {8, 1}, {20, 1}}, NULL, 3, NULL, v, err));
    wander(&b, 200, NULL, NULL);
    tear_down(&b);
}

static void see_place(const hone_trace *t, void *ctx)
{
    ((int *)ctx)[*decision(t, 2) + 2]++;
}

static void test_compute_location(void **state)
{
    (void)state;
    bench b;
    hone_rv at;
    int seen[4] = {0};
    set_up(&b, MATMUL_BIAS_RELU(4, 6, 2), "S");
    APPLY(hone_sample_compute_location(&b.s, b.block, NULL, &at, err));
    APPLY(hone_compute_at(&b.s, b.block, at, err));
    wander(&b, 120, see_place, seen);
    for (int k = 0; k < 4; k++)
        assert_true(seen[k] > 10);
    tear_down(&b);
}

static void test_nothing_to_change(void **state)
{
    (void)state;
    bench b;
    hone_rv v[3];
    set_up(&b, MATMUL(1021, 1, 6), "C");
    uint64_t h = hone_trace_hash(&b.s.trace);
    assert_false(hone_space_mutate(&b.sp, &b.s.trace, &b.rng));            /* no decision at all */
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 2, 64, NULL, v, err)); /* a prime above 64 */
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[1], 3, 64, NULL, v, err));
    APPLY(hone_sample_imperfect_tile(&b.s, b.loop[1], 3, 64, NULL, v, err));
    APPLY(hone_sample_imperfect_tile(&b.s, b.loop[2], 1, 64, NULL, v, err));
    APPLY(hone_sample_categorical(&b.s, (int64_t[]){5, 6}, (double[]){1, 0}, 2, NULL, v, err));
    APPLY(hone_sample_compute_location(&b.s, b.block, NULL, v, err)); /* an output stays */
    assert_true(hone_trace_hash(&b.s.trace) != h);
    h = hone_trace_hash(&b.s.trace);
    for (int k = 0; k < 20; k++)
        assert_false(hone_space_mutate(&b.sp, &b.s.trace, &b.rng));
    assert_true(hone_trace_hash(&b.s.trace) == h);
    /* what comes after EnterPostproc is not the search's to change */
    APPLY(hone_enter_postproc(&b.s, err));
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[2], 2, 64, NULL, v, err));
    assert_false(hone_space_mutate(&b.sp, &b.s.trace, &b.rng));
    tear_down(&b);
}

/* Kinds are chosen by the table's shares, whatever their number. */
static void test_shares(void **state)
{
    (void)state;
    bench b;
    hone_rv v[2];
    set_up(&b, MATMUL(64, 64, 64), "C");
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 2, 64, NULL, v, err));
    for (int k = 0; k < 6; k++)
        APPLY(hone_sample_categorical(&b.s, (int64_t[]){1, 2, 3}, NULL, 3, NULL, v, err));
    hone_trace t = {0};
    int tiles = 0;
    for (int k = 0; k < 2000; k++) {
        hone_trace_copy(&t, &b.s.trace);
        assert_true(hone_space_mutate(&b.sp, &t, &b.rng));
        tiles += memcmp(decision(&t, 2), decision(&b.s.trace, 2), 2 * sizeof(int64_t)) != 0;
    }
    assert_in_range(tiles, 1850, 1930); /* .9 of .95 */
    tiles = 0;
    for (int k = 0; k < 2000; k++) {
        hone_trace_copy(&t, &b.s.trace);
        assert_true(hone_space_neighbour(&b.sp, &t, &b.rng));
        tiles += memcmp(decision(&t, 2), decision(&b.s.trace, 2), 2 * sizeof(int64_t)) != 0;
    }
    assert_in_range(tiles, 230, 345); /* one of seven */
    hone_trace_free(&t);
    tear_down(&b);
}

static void test_one_seed_one_walk(void **state)
{
    (void)state;
    bench b;
    hone_rv v[4];
    set_up(&b, MATMUL(96, 64, 64), "C");
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 4, 64, NULL, v, err));
    APPLY(hone_sample_imperfect_tile(&b.s, b.loop[1], 4, 64, NULL, v, err));
    hone_trace t[2] = {0};
    for (int k = 0; k < 2; k++) {
        hone_rng rng;
        hone_rng_seed(&rng, 77);
        hone_trace_copy(&t[k], &b.s.trace);
        for (int q = 0; q < 30; q++)
            assert_true(hone_space_mutate(&b.sp, &t[k], &rng));
    }
    assert_true(hone_trace_hash(&t[0]) == hone_trace_hash(&t[1]));
    hone_trace_free(&t[0]);
    hone_trace_free(&t[1]);
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_perfect),          cmocka_unit_test(test_imperfect),
        cmocka_unit_test(test_categorical),      cmocka_unit_test(test_register_tile),
        cmocka_unit_test(test_dependent_tiles),  cmocka_unit_test(test_loops_after_changes),
        cmocka_unit_test(test_compute_location), cmocka_unit_test(test_nothing_to_change),
        cmocka_unit_test(test_shares),           cmocka_unit_test(test_one_seed_one_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
