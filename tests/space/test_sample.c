/* Sampling instructions: domains, distributions, determinism. */
#include "tests/space/prim_test.h"

#include "space/trace/internal.h"

/* for i in M, j in N: Y = X */
static hone_program copy_of(int64_t m, int64_t n)
{
    char *text = hone_xasprintf("program copy {\n  buffer X: f32[%d, %d] input\n"
                                "  buffer Y: f32[%d, %d] output\n"
                                "  for i in %d {\n    for j in %d {\n"
                                "      block Y(vi: %d = i, vj: %d = j) {\n"
                                "        Y[vi, vj] = X[vi, vj]\n      }\n    }\n  }\n}\n",
                                (int)m, (int)n, (int)m, (int)n, (int)m, (int)n, (int)m, (int)n);
    hone_program p = load_program(text);
    free(text);
    return p;
}

typedef struct bench {
    hone_program base;
    hone_sched s;
    hone_rng rng;
    hone_rv loop[2];
} bench;

static void set_up(bench *b, int64_t m, int64_t n, uint64_t seed)
{
    hone_rv block;
    unsigned n_loops;
    *b = (bench){.base = copy_of(m, n)};
    hone_rng_seed(&b->rng, seed);
    hone_sched_start(&b->s, &b->base, &b->rng);
    APPLY(hone_get_block(&b->s, "Y", &block, err));
    APPLY(hone_get_loops(&b->s, block, b->loop, 2, &n_loops, err));
}

static void tear_down(bench *b)
{
    hone_sched_fini(&b->s);
    hone_program_fini(&b->base);
}

static void values_of(const bench *b, const hone_rv *v, unsigned n, int64_t *ret)
{
    for (unsigned k = 0; k < n; k++)
        ret[k] = hone_rv_int(&b->s, v[k]);
}

static void test_perfect_tile(void **state)
{
    (void)state;
    bench b;
    set_up(&b, 360, 1021, 1);
    for (int k = 0; k < 400; k++) {
        hone_rv v[4];
        int64_t f[4];
        APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 4, 16, NULL, v, err));
        values_of(&b, v, 4, f);
        assert_int_equal(f[0] * f[1] * f[2] * f[3], 360);
        assert_in_range(f[3], 1, 16);
        APPLY(hone_sample_perfect_tile(&b.s, b.loop[1], 2, 64, NULL, v, err)); /* a prime extent */
        values_of(&b, v, 2, f);
        assert_int_equal(f[0], 1021);
        assert_int_equal(f[1], 1);
    }
    tear_down(&b);
}

/* 12 in two factors: six ways, each a sixth of the time; with the last at most 3, three ways. */
static void test_perfect_tile_is_uniform(void **state)
{
    (void)state;
    bench b;
    set_up(&b, 12, 24, 2);
    int seen[13] = {0}, limited[13] = {0}, triples[25][25] = {{0}}, kinds = 0;
    for (int k = 0; k < 6000; k++) {
        hone_rv v[3];
        APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 2, 0, NULL, v, err));
        seen[hone_rv_int(&b.s, v[1])]++;
        APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 2, 3, NULL, v, err));
        limited[hone_rv_int(&b.s, v[1])]++;
        APPLY(hone_sample_perfect_tile(&b.s, b.loop[1], 3, 0, NULL, v, err));
        triples[hone_rv_int(&b.s, v[0])][hone_rv_int(&b.s, v[1])]++;
    }
    for (int d = 1; d <= 12; d++) {
        if (12 % d == 0)
            assert_in_range(seen[d], 850, 1150);
        else
            assert_int_equal(seen[d], 0);
        if (12 % d == 0 && d <= 3)
            assert_in_range(limited[d], 1800, 2200);
        else
            assert_int_equal(limited[d], 0);
    }
    for (int i = 0; i < 25; i++)
        for (int j = 0; j < 25; j++)
            if (triples[i][j]) {
                assert_in_range(triples[i][j], 130, 280); /* of 6000 / 30 */
                kinds++;
            }
    assert_int_equal(kinds, 30); /* C(5, 2) * C(3, 2) */
    tear_down(&b);
}

static void test_perfect_tile_rejects(void **state)
{
    (void)state;
    bench b;
    hone_rv v[9];
    set_up(&b, 12, 100, 3);
    static const int64_t bad[][3] = {{2, 2, 2}, {0, 4, 3},         {-2, -2, 3},
                                     {1, 2, 6}, {INT64_MAX, 4, 1}, {24, 1, 1}};
    for (unsigned k = 0; k < HONE_LEN(bad); k++)
        assert_int_equal(hone_sample_perfect_tile(&b.s, b.loop[0], 3, 4, bad[k], v, NULL),
                         HONE_REJECT_DECISION);
    assert_int_equal(hone_sample_perfect_tile(&b.s, b.loop[0], 0, 4, NULL, v, NULL), HONE_E_INPUT);
    assert_int_equal(hone_sample_perfect_tile(&b.s, b.loop[0], 9, 4, NULL, v, NULL), HONE_E_INPUT);
    assert_int_equal(hone_sample_perfect_tile(&b.s, b.loop[1], 1, 64, NULL, v, NULL),
                     HONE_REJECT_DECISION); /* 100 alone is above 64 */
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[1], 1, 128, NULL, v, err));
    assert_int_equal(b.s.trace.insts.n, 3);
    tear_down(&b);
}

static void test_imperfect_tile(void **state)
{
    (void)state;
    bench b;
    set_up(&b, 100, 17, 4);
    bool seen[101] = {false};
    for (int k = 0; k < 3000; k++) {
        hone_rv v[3];
        int64_t f[3];
        APPLY(hone_sample_imperfect_tile(&b.s, b.loop[0], 3, 32, NULL, v, err));
        values_of(&b, v, 3, f);
        int64_t inner = f[1] * f[2];
        assert_true(inner < 200 && f[2] <= 32);
        assert_int_equal(f[0], (100 + inner - 1) / inner);
        for (int q = 1; q < 3; q++) {
            assert_true(hone_space__is_imperfect_factor(100, f[q]));
            seen[f[q]] = true;
        }
    }
    static const int64_t domain[] = {1,  2,  3,  4,  5,  6,  8,  10, 12, 16,
                                     20, 24, 25, 32, 48, 50, 64, 96, 100};
    int64_t got[64];
    unsigned n = hone_space__imperfect_factors(100, 1000, got, 64);
    assert_int_equal(n, HONE_LEN(domain));
    assert_memory_equal(got, domain, sizeof domain);
    for (unsigned k = 0; k < n; k++)
        assert_true(seen[domain[k]]);
    assert_int_equal(hone_space__imperfect_factors(100, 7, got, 64), 6);
    assert_false(hone_space__is_imperfect_factor(100, 7));
    assert_false(hone_space__is_imperfect_factor(100, 128));
    tear_down(&b);
}

static void test_imperfect_tile_decisions(void **state)
{
    (void)state;
    bench b;
    hone_rv v[3];
    int64_t f[3];
    set_up(&b, 100, 17, 5);
    /* the outermost factor is what covers the loop, whatever was asked for */
    APPLY(hone_sample_imperfect_tile(&b.s, b.loop[0], 3, 0, (int64_t[]){1, 4, 6}, v, err));
    values_of(&b, v, 3, f);
    assert_int_equal(f[0], 5);
    char *text = hone_trace_text(&b.s.trace);
    assert_non_null(strstr(text, "[2,[5,4,6]]"));
    free(text);
    static const int64_t bad[][3] = {{1, 7, 1},   {1, 0, 1},  {1, 128, 1},
                                     {1, 100, 2}, {1, 1, 64}, {1, -4, 1}};
    for (unsigned k = 0; k < HONE_LEN(bad); k++)
        assert_int_equal(hone_sample_imperfect_tile(&b.s, b.loop[0], 3, 32, bad[k], v, NULL),
                         HONE_REJECT_DECISION);
    /* splitting by it keeps the meaning */
    hone_rv parts[3];
    APPLY(hone_split(&b.s, b.loop[0], v, 3, parts, err));
    check_same(&b.base, &b.s.prog);

    /* fitted to another extent */
    int64_t g[3] = {5, 4, 24};
    hone_space__fit_imperfect(17, g, 3, 0);
    assert_true(g[2] <= 17 && g[1] * g[2] < 34 && g[0] == (17 + g[1] * g[2] - 1) / (g[1] * g[2]));
    assert_int_equal(g[2], 17);
    int64_t h[3] = {2, 6, 4};
    hone_space__fit_perfect(100, h, 3);
    assert_int_equal(h[0] * h[1] * h[2], 100);
    assert_int_equal(h[2], 4);
    tear_down(&b);
}

static void test_categorical(void **state)
{
    (void)state;
    bench b;
    set_up(&b, 4, 4, 6);
    static const int64_t candidates[] = {0, 16, 64};
    int count[65] = {0};
    for (int k = 0; k < 4000; k++) {
        hone_rv v;
        APPLY(hone_sample_categorical(&b.s, candidates, (double[]){.5, 0, .25}, 3, NULL, &v, err));
        count[hone_rv_int(&b.s, v)]++;
    }
    assert_int_equal(count[16], 0);
    assert_in_range(count[0], 2500, 2830); /* two thirds */
    hone_rv v;
    assert_int_equal(hone_sample_categorical(&b.s, candidates, NULL, 3, (int64_t[]){3}, &v, NULL),
                     HONE_REJECT_DECISION);
    assert_int_equal(hone_sample_categorical(&b.s, candidates, NULL, 3, (int64_t[]){-1}, &v, NULL),
                     HONE_REJECT_DECISION);
    assert_int_equal(
        hone_sample_categorical(&b.s, candidates, (double[]){0, 0, 0}, 3, NULL, &v, NULL),
        HONE_E_INPUT);
    assert_int_equal(hone_sample_categorical(&b.s, candidates, NULL, 0, NULL, &v, NULL),
                     HONE_E_INPUT);
    tear_down(&b);
}

static void test_register_tile(void **state)
{
    (void)state;
    bench b;
    set_up(&b, 5, 100, 7);
    static const int64_t tiles[][2] = {{4, 16}, {6, 16}, {9, 16}, {10, 16}, {14, 32}};
    bool seen[16] = {false};
    for (int k = 0; k < 200; k++) {
        hone_rv v[2];
        APPLY(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles, NULL, 5, NULL, v, err));
        seen[hone_rv_int(&b.s, v[0])] = true;
        assert_int_equal(hone_rv_int(&b.s, v[1]), 16);
    }
    assert_true(seen[4] && seen[6] && seen[9]); /* 10 rows would leave half of them empty */
    assert_false(seen[10] || seen[14]);
    hone_rv v[2];
    assert_int_equal(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles, NULL, 5,
                                               (int64_t[]){3}, v, NULL),
                     HONE_REJECT_DECISION);
    assert_int_equal(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles, NULL, 5,
                                               (int64_t[]){5}, v, NULL),
                     HONE_REJECT_DECISION);
    assert_int_equal(
        hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles + 3, NULL, 2, NULL, v, NULL),
        HONE_REJECT_DECISION);
    static const int64_t zero[][2] = {{0, 16}};
    assert_int_equal(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], zero, NULL, 1,
                                               (int64_t[]){0}, v, NULL),
                     HONE_E_INPUT);
    /* the same loop may be both */
    APPLY(hone_sample_register_tile(&b.s, b.loop[1], b.loop[1], tiles, NULL, 5, (int64_t[]){1}, v,
                                    err));
    char *text = hone_trace_text(&b.s.trace);
    assert_non_null(strstr(text, "[[[4,16],[6,16],[9,16],[10,16],[14,32]],[0.2,0.2,0.2,0.2,0.2]]"));
    free(text);
    tear_down(&b);
}

static void test_compute_location(void **state)
{
    (void)state;
    hone_program base = load_program(MATMUL_BIAS_RELU(4, 6, 8));
    hone_sched s = {0};
    hone_rng rng;
    hone_rv sum, last, at;
    int seen[4] = {0};
    hone_rng_seed(&rng, 8);
    for (int k = 0; k < 200; k++) {
        hone_sched_start(&s, &base, &rng);
        APPLY(hone_get_block(&s, "S", &sum, err));
        APPLY(hone_get_block(&s, "D", &last, err));
        APPLY(hone_sample_compute_location(&s, sum, NULL, &at, err));
        const hone_inst *in = &s.trace.insts.v[2];
        int64_t d = s.trace.ints.v[in->decision];
        assert_in_range(d + 2, 0, 3);
        seen[d + 2]++;
        if (d >= 0)
            assert_int_equal(hone_rv_stmt(&s, at).i, loop_of(&s.prog, "D", (unsigned)d).i);
        APPLY(hone_compute_at(&s, sum, at, err)); /* every place drawn is a legal one */
        check_same(&base, &s.prog);
        if (d == -2)
            assert_int_equal(hone_block_find(&s.prog, "S").i, 0);
        /* the output has no consumer: it stays */
        APPLY(hone_sample_compute_location(&s, last, NULL, &at, err));
        assert_int_equal(s.trace.ints.v[s.trace.insts.v[s.trace.insts.n - 1].decision], -1);
    }
    for (int k = 0; k < 4; k++)
        assert_in_range(seen[k], 25, 75);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

static void sample_all(uint64_t seed, hone_buf *out)
{
    bench b;
    set_up(&b, 96, 100, seed);
    for (int k = 0; k < 20; k++) {
        hone_rv v[4];
        APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 4, 64, NULL, v, err));
        APPLY(hone_sample_imperfect_tile(&b.s, b.loop[1], 4, 64, NULL, v, err));
        APPLY(hone_sample_categorical(&b.s, (int64_t[]){1, 2, 3}, NULL, 3, NULL, v, err));
    }
    char *text = hone_trace_text(&b.s.trace);
    hone_buf_puts(out, text);
    /* resampling the trace with the same generator makes the same decisions */
    hone_rng rng;
    hone_rng_seed(&rng, seed);
    hone_sched again = {0};
    APPLY(hone_trace_replay(&b.s.trace, &b.base, &again, &rng, true, err));
    char *text2 = hone_trace_text(&again.trace);
    assert_string_equal(text, text2);
    APPLY(hone_trace_replay(&b.s.trace, &b.base, &again, &rng, true, err));
    assert_true(hone_trace_hash(&again.trace) != hone_trace_hash(&b.s.trace));
    free(text);
    free(text2);
    hone_sched_fini(&again);
    tear_down(&b);
}

static void test_one_seed_one_trace(void **state)
{
    (void)state;
    hone_buf a = {0}, b = {0}, c = {0};
    sample_all(11, &a);
    sample_all(11, &b);
    sample_all(12, &c);
    assert_string_equal(a.s, b.s);
    assert_string_not_equal(a.s, c.s);
    hone_buf_free(&a);
    hone_buf_free(&b);
    hone_buf_free(&c);
}

static void test_factorise(void **state)
{
    (void)state;
    int64_t primes[16];
    unsigned e[16];
    assert_int_equal(hone_space__factorise(1, primes, e), 0);
    assert_int_equal(hone_space__factorise(360, primes, e), 3);
    assert_true(primes[0] == 2 && e[0] == 3 && primes[1] == 3 && e[1] == 2 && primes[2] == 5);
    assert_int_equal(hone_space__factorise(INT64_C(614889782588491410), primes, e), 15);
    assert_int_equal(hone_space__factorise(INT64_C(1) << 40, primes, e), 1);
    assert_int_equal(e[0], 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_perfect_tile),
        cmocka_unit_test(test_perfect_tile_is_uniform),
        cmocka_unit_test(test_perfect_tile_rejects),
        cmocka_unit_test(test_imperfect_tile),
        cmocka_unit_test(test_imperfect_tile_decisions),
        cmocka_unit_test(test_categorical),
        cmocka_unit_test(test_register_tile),
        cmocka_unit_test(test_compute_location),
        cmocka_unit_test(test_one_seed_one_trace),
        cmocka_unit_test(test_factorise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
