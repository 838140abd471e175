/* Going through decisions and spaces: what is drawn and what is mutated is in it, nothing is twice,
 * what is illegal is passed over at once, and an interruption loses nothing. */
#include "tests/space/trace_test.h"

#include "tests/costmodel/simulated.h"

/* ---- one instruction ------------------------------------------------------------------------- */

typedef struct decision {
    int64_t d[HONE_SPACE_MAX_FACTORS];
    uint32_t n;
} decision;
typedef HONE_VEC(decision) decisions;

/* All of instruction `at` of s, which has not run yet. */
static void all_of(hone_sched *s, uint32_t at, decisions *ret)
{
    decision d = {.n = 0};
    hone_error err = {0};
    ret->n = 0;
    for (;;) {
        if (hone_space__next_decision(s, &s->trace.insts.v[at], d.d, &d.n, &err) != HONE_OK)
            fail_msg("%s", err.message);
        if (d.n == 0)
            return;
        hone_vec_push(ret, d);
        assert_true(ret->n < 2000000);
    }
}

static int64_t find(const decisions *all, const int64_t *d, uint32_t n)
{
    for (uint32_t k = 0; k < all->n; k++)
        if (all->v[k].n == n && memcmp(all->v[k].d, d, n * sizeof *d) == 0)
            return k;
    return -1;
}

/* The trace of s ends with an instruction that samples. What it draws is what there is: nothing
 * else, and in the end all of it, each once. Returns how many. */
static uint32_t check_drawn(hone_sched *s, const hone_program *base, unsigned draws)
{
    hone_trace t = {0};
    hone_rng rng;
    decisions all = {0};
    hone_trace_copy(&t, &s->trace);
    uint32_t at = t.insts.n - 1;
    hone_space__rewind(s, &t, base, NULL);
    for (uint32_t k = 0; k < at; k++)
        APPLY(hone_space__replay_one(s, k, err));
    all_of(s, at, &all);
    for (uint32_t k = 0; k < all.n; k++)
        assert_int_equal(find(&all, all.v[k].d, all.v[k].n), k);
    bool *seen = hone_xcalloc(all.n + 1, sizeof *seen);
    hone_rng_seed(&rng, 1);
    for (unsigned k = 0; k < draws; k++) {
        APPLY(hone_trace_replay(&t, base, s, &rng, true, err));
        const hone_inst *in = &s->trace.insts.v[at];
        int64_t which = find(&all, s->trace.ints.v + in->decision, in->n_decision);
        assert_true(which >= 0);
        seen[which] = true;
    }
    for (uint32_t k = 0; k < all.n; k++)
        if (!seen[k])
            fail_msg("decision %u of %u is never drawn", k, all.n);
    /* and each is accepted as it is */
    for (uint32_t k = 0; k < all.n; k++) {
        hone_trace_copy(&s->trace, &t);
        hone_space__decide(s, &s->trace.insts.v[at], all.v[k].d, all.v[k].n);
        uint64_t h = hone_trace_hash(&s->trace);
        APPLY(hone_trace_replay(&s->trace, base, s, NULL, false, err));
        assert_true(hone_trace_hash(&s->trace) == h);
    }
    uint32_t n = all.n;
    free(seen);
    hone_vec_free(&all);
    hone_trace_free(&t);
    return n;
}

typedef struct bench {
    hone_program base;
    hone_sched s;
    hone_rng rng;
    hone_rv block, loop[3];
} bench;

static void set_up(bench *b, const char *text)
{
    unsigned n;
    *b = (bench){.base = load_program(text)};
    hone_rng_seed(&b->rng, 3);
    hone_sched_start(&b->s, &b->base, &b->rng);
    APPLY(hone_get_block(&b->s, "C", &b->block, err));
    APPLY(hone_get_loops(&b->s, b->block, b->loop, 3, &n, err));
    assert_int_equal(n, 3);
}

static void tear_down(bench *b)
{
    hone_sched_fini(&b->s);
    hone_program_fini(&b->base);
}

static void perfect_tiles(void **state)
{
    (void)state;
    static const struct {
        unsigned n;
        int64_t max;
        uint32_t of_12, of_24;
    } cases[] = {{1, 0, 1, 1}, {2, 0, 6, 8}, {2, 3, 3, 3}, {3, 0, 18, 30}, {3, 4, 15, 22}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++)
        for (unsigned q = 0; q < 2; q++) {
            bench b;
            hone_rv v[3];
            set_up(&b, MATMUL(12, 24, 8));
            APPLY(
                hone_sample_perfect_tile(&b.s, b.loop[q], cases[k].n, cases[k].max, NULL, v, err));
            assert_int_equal(check_drawn(&b.s, &b.base, 1500), q ? cases[k].of_24 : cases[k].of_12);
            tear_down(&b);
        }
    /* the only factor is above its limit: there is none, and none is drawn */
    bench b;
    hone_rv v;
    decisions all = {0};
    set_up(&b, MATMUL(12, 24, 8));
    APPLY(hone_sample_perfect_tile(&b.s, b.loop[0], 1, 16, NULL, &v, err));
    b.s.trace.values.v[b.s.trace.insts.v[2].attrs + 1].u.i = 8;
    all_of(&b.s, 2, &all);
    assert_int_equal(all.n, 0);
    hone_vec_free(&all);
    tear_down(&b);
}

static void imperfect_tiles(void **state)
{
    (void)state;
    static const int64_t limits[] = {0, 1, 5};
    for (unsigned n = 1; n <= 3; n++)
        for (unsigned k = 0; k < HONE_LEN(limits); k++)
            for (unsigned q = 0; q < 2; q++) {
                bench b;
                hone_rv v[3];
                set_up(&b, MATMUL(7, 20, 8));
                APPLY(hone_sample_imperfect_tile(&b.s, b.loop[q], n, limits[k], NULL, v, err));
                uint32_t all = check_drawn(&b.s, &b.base, 8000);
                if (n == 1)
                    assert_int_equal(all, 1);
                if (n == 2 && q == 0) /* 1 2 3 4 6 7 */
                    assert_int_equal(all, k == 0 ? 6 : k == 1 ? 1 : 4);
                tear_down(&b);
            }
}

static void partitioned_tiles(void **state)
{
    (void)state;
    static const int64_t cases[][4] = {/* factors, position, inner; how many of 24 */
                                       {3, 1, 4, 21},
                                       {3, 2, 2, 18},
                                       {2, 0, 24, 8},
                                       {3, 1, 5, 0}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        bench b;
        decisions all = {0};
        set_up(&b, MATMUL(12, 24, 8));
        const hone_value in = {.kind = HONE_VALUE_RV, .u.rv = b.loop[1]};
        hone_value attrs[3] = {{.kind = HONE_VALUE_INT, .u.i = cases[k][0]},
                               {.kind = HONE_VALUE_INT, .u.i = cases[k][1]},
                               {.kind = HONE_VALUE_INT, .u.i = cases[k][3] ? cases[k][2] : 4}};
        hone_rv first;
        uint32_t n;
        APPLY(hone_sched_apply(&b.s, HONE_INST_SamplePartitionedTile, NULL, &in, 1, attrs, 3, NULL,
                               0, &first, &n, err));
        if (cases[k][3]) {
            assert_int_equal(check_drawn(&b.s, &b.base, 4000), cases[k][3]);
        } else { /* 5 does not divide 24 */
            b.s.trace.values.v[b.s.trace.insts.v[2].attrs + 2].u.i = cases[k][2];
            all_of(&b.s, 2, &all);
            assert_int_equal(all.n, 0);
        }
        hone_vec_free(&all);
        tear_down(&b);
    }
}

static void choices(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 16, 64, 512}, tiles[][2] = {{4, 16}, {6, 16}, {14, 16}};
    bench b;
    hone_rv v[2];
    set_up(&b, MATMUL(5, 24, 8));
    APPLY(hone_sample_categorical(&b.s, numbers, (double[]){.5, 0, .25, .25}, 4, NULL, v, err));
    assert_int_equal(check_drawn(&b.s, &b.base, 200), 3);
    tear_down(&b);
    set_up(&b, MATMUL(5, 24, 8)); /* 14 rows would leave half of them empty, 4 are not wanted */
    APPLY(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles, (double[]){0, .5, .5}, 3,
                                    NULL, v, err));
    assert_int_equal(check_drawn(&b.s, &b.base, 50), 1);
    tear_down(&b);
}

static void locations(void **state)
{
    (void)state;
    const hone_size sizes[] = {{"M", 4}, {"N", 6}};
    hone_program base = simulated_kernel("bias_gelu", sizes, 2);
    hone_sched s = {0};
    hone_rng rng;
    unsigned more = 0;
    hone_rng_seed(&rng, 1);
    for (hone_stmt b = base.root; b.i; b = hone_next(&base, base.root, b)) {
        if (!hone_is_block(&base, b) || !hone_stmt_at(&base, b)->out.i)
            continue;
        hone_rv block, at;
        hone_sched_start(&s, &base, &rng);
        APPLY(hone_get_block(&s, hone_sym_text(&base, hone_stmt_at(&base, b)->name), &block, err));
        APPLY(hone_sample_compute_location(&s, block, NULL, &at, err));
        more += check_drawn(&s, &base, 200) > 1;
    }
    assert_true(more > 0);
    hone_sched_fini(&s);
    hone_program_fini(&base);
}

/* A candidate with probability 0 is not mutated to. */
static void mutants_of_choices(void **state)
{
    (void)state;
    static const int64_t numbers[] = {1, 2, 3}, tiles[][2] = {{4, 16}, {6, 16}, {8, 16}, {9, 16}};
    for (unsigned q = 0; q < 2; q++) {
        bench b;
        hone_rv v[2];
        set_up(&b, MATMUL(12, 24, 8));
        const hone_space sp = {.base = b.base};
        if (q == 0)
            APPLY(hone_sample_categorical(&b.s, numbers, (double[]){.5, 0, .5}, 3, NULL, v, err));
        else
            APPLY(hone_sample_register_tile(&b.s, b.loop[0], b.loop[1], tiles,
                                            (double[]){.5, 0, 0, .5}, 4, NULL, v, err));
        int64_t *d = &b.s.trace.ints.v[b.s.trace.insts.v[2].decision];
        for (int k = 0; k < 40; k++) {
            int64_t before = *d;
            assert_true(hone_space_mutate(&sp, &b.s.trace, &b.rng));
            assert_int_equal(*d, (q ? 3 : 2) - before);
        }
        tear_down(&b);
    }
}

/* ---- whole traces ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    hone_size sizes[7];
    unsigned n;
} kernels[] = {
    {"matmul", {{"M", 96}, {"N", 100}, {"K", 61}}, 3},
    {"batch_matmul", {{"B", 3}, {"M", 48}, {"N", 40}, {"K", 64}}, 4},
    {"matmul_u8i8", {{"M", 96}, {"N", 64}, {"K", 128}}, 3},
    {"conv2d_nhwc_bias_relu", {{"N", 1}, {"H", 14}, {"W", 14}, {"CI", 32}, {"CO", 64}}, 5},
    {"depthwise_nhwc", {{"N", 1}, {"H", 28}, {"W", 28}, {"C", 64}}, 4},
    {"softmax", {{"M", 64}, {"N", 256}}, 2},
    {"norm", {{"B", 1}, {"M", 64}, {"N", 64}}, 3},
};

static void what_is_drawn_and_mutated(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(kernels); k++) {
        hone_space *sp = simulated_space(kernels[k].name, kernels[k].sizes, kernels[k].n, 2);
        hone_sched s = {0};
        hone_trace t = {0};
        hone_rng rng;
        unsigned drawn = 0, mutated = 0;
        hone_rng_seed(&rng, k + 1);
        for (uint32_t q = 0; q < sp->seeds.n; q++)
            if (hone_space_finish(sp, &sp->seeds.v[q], &s, NULL) == HONE_OK)
                check_members(sp, &s.trace);
        for (int q = 0; q < 60; q++)
            if (hone_space_sample(sp, &rng, &s, NULL) == HONE_OK) {
                check_members(sp, &s.trace);
                hone_trace_copy(&t, &s.trace);
                drawn++;
            }
        assert_true(drawn > 10);
        for (int q = 0; q < 200; q++) {
            t.insts.n = hone_trace_search_part(&t);
            if (!hone_space_mutate(sp, &t, &rng))
                break;
            if (hone_space_finish(sp, &t, &s, NULL) == HONE_OK) {
                check_members(sp, &s.trace);
                mutated++;
            } else {
                hone_trace_copy(&t, &sp->traces.v[0]);
            }
        }
        assert_true(mutated > 20);
        hone_sched_fini(&s);
        hone_trace_free(&t);
        hone_space_free(sp);
    }
}

/* ---- whole spaces ---------------------------------------------------------------------------- */

typedef HONE_VEC(uint64_t) hashes;

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool has(const hashes *h, uint64_t x)
{
    return bsearch(&x, h->v, h->n, sizeof x, by_value) != NULL;
}

static void enumerate(const hone_space *sp, uint32_t most, hashes *ret)
{
    hone_enum *e = hone_enum_new(sp, NULL, NULL);
    const hone_trace *t;
    ret->n = 0;
    for (;;) {
        APPLY(hone_enum_next(e, &t, err));
        if (!t || ret->n == most)
            break;
        hone_vec_push(ret, hone_trace_hash(t));
    }
    if (!t) { /* and so it stays */
        APPLY(hone_enum_next(e, &t, err));
        assert_null(t);
    }
    hone_enum_free(e);
}

/* All of a space, each once, and always in this order. */
static void small_spaces(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        hone_size sizes[4];
        unsigned n;
    } small[] = {
        {"matmul", {{"M", 8}, {"N", 16}, {"K", 8}}, 3},
        {"softmax", {{"M", 64}, {"N", 256}}, 2},
        {"depthwise_nhwc", {{"N", 1}, {"H", 14}, {"W", 14}, {"C", 64}}, 4},
        {"matmul_u8i8", {{"M", 16}, {"N", 16}, {"K", 16}}, 3},
        {"row_sum", {{"M", 2}, {"N", 2}}, 2},
    };
    for (unsigned k = 0; k < HONE_LEN(small); k++) {
        hone_space *sp = simulated_space(small[k].name, small[k].sizes, small[k].n, 2);
        hone_space_size size, bound;
        hone_sched s = {0};
        hone_rng rng;
        hashes all = {0}, again = {0}, programs = {0};
        enumerate(sp, 100000, &all);
        enumerate(sp, 100000, &again);
        assert_int_equal(all.n, again.n);
        assert_memory_equal(all.v, again.v, all.n * sizeof *all.v);
        qsort(all.v, all.n, sizeof *all.v, by_value);
        for (uint32_t q = 1; q < all.n; q++)
            assert_true(all.v[q] != all.v[q - 1]);

        unsigned drawn = 0;
        hone_rng_seed(&rng, k + 1);
        for (int q = 0; q < 3000; q++) {
            if (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
                continue;
            s.trace.insts.n = hone_trace_search_part(&s.trace);
            assert_true(has(&all, hone_trace_hash(&s.trace)));
            hone_vec_push(&programs, hone_program_hash(&s.prog));
            drawn++;
        }
        assert_true(drawn > 1000);

        APPLY(hone_space_count(sp, 100000, &size, err));
        assert_int_equal(size.traces, all.n);
        assert_false(size.more);
        assert_true(size.legal <= size.traces && size.candidates <= size.legal + 1);
        APPLY(hone_space_count(sp, all.n, &bound, err));
        assert_memory_equal(&size, &bound, sizeof size);
        APPLY(hone_space_count(sp, all.n - 1, &bound, err));
        assert_true(bound.more && bound.traces == all.n - 1);

        /* draws come to the same number of programs, or less when not all were met */
        qsort(programs.v, programs.n, sizeof *programs.v, by_value);
        uint64_t different = 1;
        for (uint32_t q = 0; q < programs.n; q++)
            different += q == 0 || programs.v[q] != programs.v[q - 1];
        if (size.traces <= 256)
            assert_int_equal(different, size.candidates);
        assert_true(different <= size.candidates);
        hone_vec_free(&all);
        hone_vec_free(&again);
        hone_vec_free(&programs);
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
}

/* More than anybody will go through, and no two alike as far as one goes. */
static void a_large_space(void **state)
{
    (void)state;
    const hone_size sizes[] = {{"M", 512}, {"N", 512}, {"K", 512}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 2);
    hone_space_size size;
    hashes all = {0};
    enumerate(sp, 100000, &all);
    assert_int_equal(all.n, 100000);
    qsort(all.v, all.n, sizeof *all.v, by_value);
    for (uint32_t q = 1; q < all.n; q++)
        assert_true(all.v[q] != all.v[q - 1]);
    APPLY(hone_space_count(sp, 0, &size, err));
    assert_true(size.more && size.traces == 0 && size.candidates == 1);
    hone_vec_free(&all);
    hone_space_free(sp);
}

typedef struct counter {
    uint64_t looks, at; /* at 0: never */
} counter;

static bool counted(void *ctx)
{
    counter *c = ctx;
    c->looks++;
    return c->at && c->looks >= c->at;
}

/* A space of one trace: a factor that is legal or not, then 18 * 30 tiles. */
static void set_up_split(bench *b, hone_space *sp, const int64_t *factors, unsigned n)
{
    hone_rv f, v[3], parts[3];
    set_up(b, MATMUL(12, 24, 8));
    APPLY(hone_sample_categorical(&b->s, factors, NULL, n, (int64_t[]){0}, &f, err));
    APPLY(hone_split(&b->s, b->loop[2], (hone_rv[]){HONE_NO_RV, f}, 2, parts, err));
    APPLY(hone_sample_perfect_tile(&b->s, b->loop[0], 3, 0, NULL, v, err));
    APPLY(hone_split(&b->s, b->loop[0], v, 3, parts, err));
    APPLY(hone_sample_perfect_tile(&b->s, b->loop[1], 3, 0, NULL, v, err));
    APPLY(hone_split(&b->s, b->loop[1], v, 3, parts, err));
    *sp = (hone_space){.base = b->base, .target = some_cpu, .threads = 1};
    sp->intrins = hone_intrin_shipped();
    hone_trace t = {0};
    hone_trace_copy(&t, &b->s.trace);
    hone_vec_push(&sp->traces, t);
}

static void tear_down_split(bench *b, hone_space *sp)
{
    hone_trace_free(&sp->traces.v[0]);
    hone_vec_free(&sp->traces);
    tear_down(b);
}

/* What starts with a decision that is illegal is passed over as a whole, and costs no more than one
 * step; between candidates only what changed is replayed. */
static void illegal_beginnings(void **state)
{
    (void)state;
    int64_t factors[1000] = {4, 2};
    bench b;
    hone_space sp;
    hashes some = {0}, all = {0};
    counter c = {0};
    set_up_split(&b, &sp, factors, 2);
    enumerate(&sp, 10000, &all);
    assert_int_equal(all.n, 2 * 18 * 30);
    tear_down_split(&b, &sp);

    for (unsigned k = 1; k < HONE_LEN(factors) - 1; k++)
        factors[k] = 0; /* no factor */
    factors[HONE_LEN(factors) - 1] = 2;
    set_up_split(&b, &sp, factors, HONE_LEN(factors));
    sp.stop = counted;
    sp.stop_ctx = &c;
    enumerate(&sp, 10000, &some);
    assert_int_equal(some.n, all.n);
    assert_in_range(c.looks, 2 * 998, 2 * 998 + 200);
    /* the beginning may be interrupted too */
    hone_enum *e = hone_enum_new(&sp, NULL, NULL);
    const hone_trace *t;
    c.at = 0;
    for (uint32_t k = 0; k < 540; k++)
        APPLY(hone_enum_next(e, &t, err));
    c = (counter){.at = 500};
    assert_int_equal(hone_enum_next(e, &t, NULL), HONE_E_INTERRUPTED);
    assert_int_equal(c.looks, 500);
    assert_null(t);
    c.at = 0;
    for (uint32_t k = 540; k < some.n; k++) {
        APPLY(hone_enum_next(e, &t, err));
        assert_true(t && hone_trace_hash(t) == some.v[k]);
    }
    hone_enum_free(e);
    tear_down_split(&b, &sp);
    hone_vec_free(&some);
    hone_vec_free(&all);
}

/* By the caller's stop or the space's, at any look, any number of times: the same goes on. */
static void interruptions(void **state)
{
    (void)state;
    const hone_size sizes[] = {{"M", 14}, {"N", 16}, {"K", 8}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 2);
    hashes all = {0};
    enumerate(sp, 1500, &all);
    for (unsigned by_space = 0; by_space < 2; by_space++) {
        counter c = {0};
        sp->stop = by_space ? counted : NULL;
        sp->stop_ctx = &c;
        hone_enum *e = by_space ? hone_enum_new(sp, NULL, NULL) : hone_enum_new(sp, counted, &c);
        unsigned stopped = 0;
        for (uint32_t k = 0; k < all.n;) {
            const hone_trace *t;
            hone_error err = {0};
            c = (counter){.at = 1 + k % 7};
            hone_status st;
            while ((st = hone_enum_next(e, &t, &err)) == HONE_E_INTERRUPTED) {
                assert_null(t);
                assert_true(err.message[0]);
                stopped++;
                c = (counter){.at = c.at + 1}; /* else it would never get on */
            }
            assert_int_equal(st, HONE_OK);
            assert_true(hone_trace_hash(t) == all.v[k++]);
        }
        assert_true(stopped > 20);
        hone_enum_free(e);
    }
    counter c = {.at = 1};
    hone_space_size size;
    sp->stop = counted;
    sp->stop_ctx = &c;
    assert_int_equal(hone_space_count(sp, 100, &size, NULL), HONE_E_INTERRUPTED);
    hone_vec_free(&all);
    hone_space_free(sp);
}

/* Nothing to decide: one trace, be it the program as written. */
static void nothing_to_decide(void **state)
{
    (void)state;
    for (unsigned scheduled = 0; scheduled < 2; scheduled++) {
        bench b;
        hashes all = {0};
        hone_space_size size;
        hone_rv parts[2];
        set_up(&b, MATMUL(12, 24, 8));
        hone_space sp = {.base = b.base, .target = some_cpu, .threads = 1};
        sp.intrins = hone_intrin_shipped();
        hone_trace t = {0};
        if (scheduled) {
            APPLY(hone_split_by(&b.s, b.loop[0], (int64_t[]){0, 4}, 2, parts, err));
            hone_trace_copy(&t, &b.s.trace);
        }
        hone_vec_push(&sp.traces, t);
        enumerate(&sp, 10, &all);
        assert_int_equal(all.n, 1);
        APPLY(hone_space_count(&sp, 10, &size, err));
        assert_int_equal(size.candidates, 1 + scheduled);
        hone_vec_free(&all);
        tear_down_split(&b, &sp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perfect_tiles),
        cmocka_unit_test(imperfect_tiles),
        cmocka_unit_test(partitioned_tiles),
        cmocka_unit_test(choices),
        cmocka_unit_test(locations),
        cmocka_unit_test(mutants_of_choices),
        cmocka_unit_test(what_is_drawn_and_mutated),
        cmocka_unit_test(small_spaces),
        cmocka_unit_test(a_large_space),
        cmocka_unit_test(illegal_beginnings),
        cmocka_unit_test(interruptions),
        cmocka_unit_test(nothing_to_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
