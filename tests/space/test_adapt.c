/* Traces taken to other sizes: candidates of the space there, with decisions as near as can be, and
 * at their own size the same. */
#include "tests/space/trace_test.h"

#include <math.h>

#include "tests/costmodel/simulated.h"

/* ---- one decision ---------------------------------------------------------------------------- */

/* A product, and a space of one design. */
typedef struct bench {
    hone_space sp;
    hone_sched s;
    hone_rng rng;
    hone_rv block, loop[3];
} bench;

static void set_up(bench *b, int64_t m)
{
    unsigned n;
    const hone_size sizes[] = {{"M", m}, {"N", 16}, {"K", 3}};
    *b = (bench){.sp = {.base = simulated_kernel("matmul", sizes, 3),
                        .target = some_cpu,
                        .threads = 1,
                        .intrins = hone_intrin_shipped()}};
    hone_rng_seed(&b->rng, (uint64_t)m);
    hone_sched_start(&b->s, &b->sp.base, &b->rng);
    APPLY(hone_get_block(&b->s, "C", &b->block, err));
    APPLY(hone_get_loops(&b->s, b->block, b->loop, 3, &n, err));
}

static void tear_down(bench *b)
{
    for (uint32_t k = 0; k < b->sp.traces.n; k++)
        hone_trace_free(&b->sp.traces.v[k]);
    hone_vec_free(&b->sp.traces);
    hone_sched_fini(&b->s);
    hone_program_fini(&b->sp.base);
}

/* What was scheduled is the space's design. */
static void design(bench *b)
{
    hone_trace t = {0};
    hone_trace_copy(&t, &b->s.trace);
    hone_vec_push(&b->sp.traces, t);
}

static const int64_t *decision(const hone_trace *t, uint32_t inst)
{
    return &t->ints.v[t->insts.v[inst].decision];
}

typedef enum tiling { PERFECT, IMPERFECT, PARTITIONED } tiling;

/* Tiles the rows; f NULL: as is drawn. */
static hone_status tile(bench *b, tiling kind, unsigned n, int64_t max, const int64_t *f)
{
    hone_rv v[HONE_SPACE_MAX_FACTORS], parts[HONE_SPACE_MAX_FACTORS];
    if (kind == PERFECT) {
        HONE_TRY(hone_sample_perfect_tile(&b->s, b->loop[0], n, max, f, v, NULL));
    } else if (kind == IMPERFECT) {
        HONE_TRY(hone_sample_imperfect_tile(&b->s, b->loop[0], n, max, f, v, NULL));
    } else {
        const hone_value in = {.kind = HONE_VALUE_RV, .u.rv = b->loop[0]};
        const hone_value attrs[3] = {{.kind = HONE_VALUE_INT, .u.i = n},
                                     {.kind = HONE_VALUE_INT, .u.i = 1},
                                     {.kind = HONE_VALUE_INT, .u.i = max}};
        uint32_t got;
        HONE_TRY(hone_sched_apply(&b->s, HONE_INST_SamplePartitionedTile, NULL, &in, 1, attrs, 3, f,
                                  f ? n : 0, &v[0], &got, NULL));
        for (uint32_t q = 1; q < got; q++)
            v[q] = (hone_rv){v[0].i + q};
    }
    HONE_TRY(hone_split(&b->s, b->loop[0], v, n, parts, NULL));
    design(b);
    return HONE_OK;
}

/* The factor that makes up for the extent hardly counts. */
static double apart(hone_adapt_way way, const int64_t *a, const int64_t *b, unsigned n)
{
    double sum = 0;
    unsigned makes_up = way == HONE_ADAPT_TASKS && n > 2;
    for (unsigned k = 0; k < n; k++)
        sum += (k == makes_up ? 1e-3 : 1) * fabs(log((double)a[k] / (double)b[k]));
    return sum;
}

/* No decision of the tile is nearer to f than d. */
static void check_nearest(const bench *there, hone_adapt_way way, const int64_t *f,
                          const int64_t *d, unsigned n)
{
    hone_sched s = {0};
    hone_space__lend(&there->sp, &s);
    hone_space__rewind(&s, &there->sp.traces.v[0], &there->sp.base, NULL);
    for (uint32_t k = 0; k < 2; k++)
        APPLY(hone_space__replay_one(&s, k, err));
    int64_t x[HONE_SPACE_MAX_FACTORS];
    uint32_t m = 0;
    for (;;) {
        APPLY(hone_space__next_decision(&s, &s.trace.insts.v[2], x, &m, err));
        if (m == 0)
            break;
        if (apart(way, x, f, n) < apart(way, d, f, n) - 1e-6)
            fail_msg("%d.%d is nearer than %d.%d", (int)x[1], (int)x[n - 1], (int)d[1],
                     (int)d[n - 1]);
    }
    hone_sched_fini(&s);
}

/* A tile of `of` rows (f NULL: as is drawn) taken to one of `to` rows. False: it is refused. */
static bool take_tile(tiling kind, hone_adapt_way way, int64_t of, int64_t to, unsigned n,
                      int64_t max, const int64_t *f, int64_t *ret)
{
    bench here, there;
    hone_error why = {0};
    set_up(&here, of);
    set_up(&there, to);
    assert_int_equal(tile(&here, kind, n, max, f), HONE_OK);
    bool any = tile(&there, kind, n, max, NULL) == HONE_OK;
    hone_sched s = {0};
    hone_status st = hone_space_adapt(&there.sp, &here.s.trace, way, &s, &why);
    assert_int_equal(st, any ? HONE_OK : HONE_REJECT_DECISION);
    if (any) {
        memcpy(ret, decision(&s.trace, 2), n * sizeof *ret);
        check_nearest(&there, way, decision(&here.s.trace, 2), ret, n);
        check_members(&there.sp, &s.trace);
        check_same(&there.sp.base, &s.prog);
    }
    hone_sched_fini(&s);
    tear_down(&here);
    tear_down(&there);
    return any;
}

static void tiles(void **state)
{
    (void)state;
    enum { TILES = 1, TASKS = 2, BOTH = 3 };
    static const struct {
        tiling kind;
        unsigned ways;
        int64_t of, to;
        unsigned n;
        int64_t max, from[3], want[3];
    } cases[] = {
        /* inner factors stay, the outermost makes up for it; or the second does */
        {PERFECT, TILES, 64, 256, 3, 0, {2, 4, 8}, {8, 4, 8}},
        {PERFECT, TASKS, 64, 256, 3, 0, {2, 4, 8}, {2, 16, 8}},
        {PERFECT, BOTH, 64, 96, 2, 16, {4, 16}, {6, 16}},
        {IMPERFECT, TILES, 100, 300, 3, 0, {4, 4, 8}, {10, 4, 8}},
        {IMPERFECT, TASKS, 100, 300, 3, 0, {4, 4, 8}, {4, 10, 8}},
        {IMPERFECT, BOTH, 100, 300, 2, 0, {13, 8}, {38, 8}},
        /* no divisor: the nearest, twice and half being equally far */
        {PERFECT, BOTH, 64, 12, 2, 0, {8, 8}, {2, 6}},
        {PERFECT, BOTH, 64, 21, 2, 0, {16, 4}, {7, 3}},
        {PERFECT, BOTH, 64, 50, 2, 0, {16, 4}, {10, 5}},
        {IMPERFECT, BOTH, 60, 13, 2, 0, {6, 10}, {2, 12}},
        /* primes and 1 */
        {PERFECT, BOTH, 64, 13, 2, 0, {32, 2}, {13, 1}},
        {PERFECT, BOTH, 64, 13, 2, 0, {4, 16}, {1, 13}},
        {PERFECT, BOTH, 64, 1, 3, 0, {2, 4, 8}, {1, 1, 1}},
        {IMPERFECT, BOTH, 64, 13, 2, 0, {4, 16}, {1, 13}},
        {IMPERFECT, BOTH, 64, 1, 3, 0, {2, 4, 8}, {1, 1, 1}},
        /* too large together: what is furthest inside is changed least */
        {IMPERFECT, TILES, 512, 20, 3, 0, {4, 8, 16}, {1, 3, 12}},
        /* the last two multiply to a multiple of 8 */
        {PARTITIONED, TILES, 64, 24, 3, 8, {4, 2, 8}, {1, 3, 8}},
        {PARTITIONED, TILES, 64, 40, 3, 8, {4, 2, 8}, {5, 1, 8}},
        {PARTITIONED, TASKS, 64, 40, 3, 8, {4, 2, 8}, {5, 1, 8}},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++)
        for (unsigned way = TILES; way <= TASKS; way++) {
            int64_t got[3] = {0};
            if (!(cases[k].ways & way))
                continue;
            bool any =
                take_tile(cases[k].kind, way == TASKS ? HONE_ADAPT_TASKS : HONE_ADAPT_TILES,
                          cases[k].of, cases[k].to, cases[k].n, cases[k].max, cases[k].from, got);
            if (!any || memcmp(got, cases[k].want, cases[k].n * sizeof *got) != 0)
                fail_msg("case %u, way %u: %d %d %d", k, way, (int)got[0], (int)got[1],
                         (int)got[2]);
        }
    int64_t none[3];
    assert_false(
        take_tile(PARTITIONED, HONE_ADAPT_TILES, 64, 20, 3, 8, (int64_t[]){4, 2, 8}, none));
}

/* Whatever is drawn, at sizes with few and with many divisors: none of all decisions is nearer. */
static void no_tile_is_nearer(void **state)
{
    (void)state;
    static const int64_t extents[] = {1, 2, 7, 24, 36, 61, 64, 96, 120, 128, 210, 256};
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    for (int k = 0; k < 150; k++) {
        int64_t of = extents[hone_rng_below(&rng, HONE_LEN(extents))], ret[4];
        int64_t to = extents[hone_rng_below(&rng, HONE_LEN(extents))];
        unsigned n = 1 + (unsigned)hone_rng_below(&rng, 4);
        tiling kind = (tiling)hone_rng_below(&rng, 2);
        int64_t max = n > 1 && hone_rng_below(&rng, 2) ? 1 + (int64_t)hone_rng_below(&rng, 20) : 0;
        hone_adapt_way way = (hone_adapt_way)(k % 2);
        assert_true(take_tile(kind, way, of, to, n, max, NULL, ret));
        if (of > 1 && of % 2 == 0 && n > 1 && to % 2 == 0)
            assert_true(take_tile(PARTITIONED, way, of, to, n, 2, NULL, ret));
    }
}

static void choices(void **state)
{
    (void)state;
    static const int64_t from[] = {0, 16, 64, 512}, to[] = {1, 32, 0, 128, 16};
    static const int64_t want[] = {0, 16, 32, 128}; /* of 32 and 128 the first */
    static const double probs[] = {.25, .25, .25, .25, 0};
    static const double all[] = {.2, .2, .2, .2, .2};
    for (int64_t k = 0; k < 8; k++) {
        bench here, there;
        hone_rv v;
        hone_sched s = {0};
        set_up(&here, 4);
        set_up(&there, 4);
        int64_t which = k % 4;
        APPLY(hone_sample_categorical(&here.s, from, NULL, 4, &which, &v, err));
        design(&here);
        APPLY(hone_sample_categorical(&there.s, to, k < 4 ? all : probs, 5, NULL, &v, err));
        design(&there);
        APPLY(hone_space_adapt(&there.sp, &here.s.trace, HONE_ADAPT_TASKS, &s, err));
        check_members(&there.sp, &s.trace);
        /* 16 without a probability is none */
        int64_t got = to[*decision(&s.trace, 2)];
        assert_int_equal(got, k == 5 ? 32 : want[which]);
        hone_sched_fini(&s);
        tear_down(&here);
        tear_down(&there);
    }
    static const int64_t tiles[][2] = {{4, 16}, {6, 16}, {14, 16}},
                         others[][2] = {{3, 16}, {8, 32}, {12, 16}, {16, 16}};
    for (int64_t k = 0; k < 3; k++) {
        bench here, there;
        hone_rv v[2];
        hone_sched s = {0};
        set_up(&here, 64);
        set_up(&there, 5); /* 12 rows and more would leave half of them empty */
        APPLY(hone_sample_register_tile(&here.s, here.loop[0], here.loop[1], tiles, NULL, 3, &k, v,
                                        err));
        design(&here);
        APPLY(hone_sample_register_tile(&there.s, there.loop[0], there.loop[1], others, NULL, 4,
                                        NULL, v, err));
        design(&there);
        APPLY(hone_space_adapt(&there.sp, &here.s.trace, HONE_ADAPT_TASKS, &s, err));
        check_members(&there.sp, &s.trace);
        assert_int_equal(*decision(&s.trace, 2), k == 2 ? 1 : 0);
        hone_sched_fini(&s);
        tear_down(&here);
        tear_down(&there);
    }
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static void refusals(void **state)
{
    (void)state;
    bench here, there;
    hone_error why = {0};
    hone_sched s = {0};
    hone_rv rv;
    set_up(&here, 24);
    set_up(&there, 36);
    assert_int_equal(tile(&here, IMPERFECT, 3, 0, NULL), HONE_OK);
    assert_int_equal(tile(&there, IMPERFECT, 3, 0, NULL), HONE_OK);
    hone_trace t = {0};
    hone_trace_copy(&t, &here.s.trace);
    t.insts.v[2].n_decision = 0;
    assert_int_equal(hone_space_adapt(&there.sp, &t, HONE_ADAPT_TASKS, &s, &why), HONE_E_INPUT);
    t.insts.v[2].n_decision = 2;
    assert_int_equal(hone_space_adapt(&there.sp, &t, HONE_ADAPT_TASKS, &s, &why),
                     HONE_REJECT_DECISION);
    t.insts.v[2].n_decision = 3;
    t.ints.v[t.insts.v[2].decision + 1] = -4;
    assert_int_equal(hone_space_adapt(&there.sp, &t, HONE_ADAPT_TASKS, &s, &why),
                     HONE_REJECT_DECISION);
    there.sp.stop = always;
    assert_int_equal(hone_space_adapt(&there.sp, &here.s.trace, HONE_ADAPT_TASKS, &s, &why),
                     HONE_E_INTERRUPTED);
    there.sp.stop = NULL;
    /* a block that is not there, in a schedule that the space has no design for */
    const hone_size sizes[] = {{"M", 8}, {"N", 8}};
    bench other = {.sp = {.base = simulated_kernel("bias_gelu", sizes, 2)}};
    hone_sched_start(&other.s, &other.sp.base, NULL);
    APPLY(hone_get_block(&other.s, "U", &rv, err));
    assert_int_equal(hone_space_adapt(&there.sp, &other.s.trace, HONE_ADAPT_TASKS, &s, &why),
                     HONE_REJECT_ARG);
    assert_non_null(strstr(why.message, "no block 'U'"));
    /* the program as written stays so, and a trace may be adapted in place */
    hone_trace_reset(&s.trace);
    APPLY(hone_space_adapt(&there.sp, &s.trace, HONE_ADAPT_TASKS, &s, err));
    assert_int_equal(hone_trace_search_part(&s.trace), 0);
    APPLY(hone_space_adapt(&there.sp, &here.s.trace, HONE_ADAPT_TASKS, &s, err));
    uint64_t hash = hone_trace_hash(&s.trace);
    APPLY(hone_space_adapt(&there.sp, &s.trace, HONE_ADAPT_TASKS, &s, err));
    assert_true(hone_trace_hash(&s.trace) == hash);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    tear_down(&other);
    tear_down(&here);
    tear_down(&there);
}

/* ---- whole traces ---------------------------------------------------------------------------- */

#define MAX_SIZES 5
#define PLACES 6
#define LIKE 4 /* so many have the same designs; the others are borders */

/* Where traces are from, and where they are taken to: larger, smaller, odd, prime, 1. */
static const struct {
    const char *name;
    unsigned n;
    const char *sizes[MAX_SIZES];
    int64_t at[PLACES][MAX_SIZES];
} kernels[] = {
    {"matmul",
     3,
     {"M", "N", "K"},
     {{96, 128, 64}, {512, 1024, 256}, {48, 32, 24}, {97, 101, 61}, {1, 256, 64}, {4, 1, 7}}},
    {"conv2d_nhwc",
     5,
     {"N", "H", "W", "CI", "CO"},
     {{1, 14, 14, 32, 64},
      {1, 56, 56, 64, 128},
      {2, 7, 7, 16, 32},
      {1, 13, 11, 17, 19},
      {1, 1, 1, 32, 64},
      {1, 14, 14, 3, 1}}},
    {"depthwise_nhwc",
     4,
     {"N", "H", "W", "C"},
     {{1, 28, 28, 64},
      {1, 112, 112, 32},
      {1, 7, 7, 128},
      {1, 13, 17, 37},
      {2, 1, 1, 64},
      {1, 5, 5, 1}}},
    {"softmax", 2, {"M", "N"}, {{64, 256}, {1024, 1024}, {16, 64}, {61, 127}, {1, 1000}, {7, 1}}},
    {"attention",
     4,
     {"B", "H", "L", "D"},
     {{1, 4, 64, 32},
      {1, 12, 128, 64},
      {1, 2, 96, 16},
      {1, 3, 61, 17},
      {1, 1, 1, 64},
      {1, 4, 64, 1}}},
    {"matmul_u8i8",
     3,
     {"M", "N", "K"},
     {{96, 64, 128}, {512, 512, 512}, {32, 32, 16}, {61, 67, 71}, {1, 64, 64}, {16, 1, 3}}},
    {"conv2d_winograd_nhwc",
     5,
     {"N", "H", "W", "CI", "CO"},
     {{1, 16, 16, 16, 32},
      {1, 56, 56, 64, 64},
      {1, 8, 8, 8, 16},
      {1, 13, 11, 7, 5},
      {1, 4, 4, 1, 16},
      {1, 4, 4, 16, 1}}},
    {"layernorm", 2, {"M", "N"}, {{64, 256}, {512, 1024}, {16, 64}, {61, 127}, {1, 512}, {33, 1}}},
};

static hone_space *space_at(unsigned kernel, unsigned place)
{
    hone_size sizes[MAX_SIZES];
    for (unsigned k = 0; k < kernels[kernel].n; k++)
        sizes[k] = (hone_size){kernels[kernel].sizes[k], kernels[kernel].at[place][k]};
    return simulated_space(kernels[kernel].name, sizes, kernels[kernel].n, 2);
}

static uint64_t without_decisions(const hone_trace *t)
{
    hone_trace copy = {0};
    hone_trace_copy(&copy, t);
    copy.insts.n = hone_trace_search_part(t);
    for (uint32_t k = 0; k < copy.insts.n; k++)
        copy.insts.v[k].n_decision = 0;
    uint64_t hash = hone_trace_hash(&copy);
    hone_trace_free(&copy);
    return hash;
}

static bool has_design(const hone_space *sp, const hone_trace *t)
{
    for (uint32_t k = 0; k < sp->traces.n; k++)
        if (without_decisions(&sp->traces.v[k]) == without_decisions(t))
            return true;
    return false;
}

static bool same_kinds(const hone_trace *a, const hone_trace *b)
{
    uint32_t n = hone_trace_search_part(a);
    bool same = n == hone_trace_search_part(b);
    for (uint32_t k = 0; k < n && same; k++)
        same = a->insts.v[k].kind == b->insts.v[k].kind;
    return same;
}

typedef struct count {
    unsigned taken, adapted, of_a_design;
} count;

/* A trace of another size, here: sound, what a search would make of it, and of the space. */
static void take(const hone_space *sp, const hone_trace *t, hone_adapt_way way, count *c)
{
    hone_sched s = {0}, again = {0};
    hone_error why = {0};
    hone_status st = hone_space_adapt(sp, t, way, &s, &why);
    c->taken++;
    if (st != HONE_OK) {
        assert_true(hone_status_is_reject(st));
        assert_true(why.message[0]);
        hone_sched_fini(&s);
        return;
    }
    c->adapted++;
    if (hone_verify(&s.prog, &why) != HONE_OK)
        fail_msg("%s", why.message);
    assert_true(same_kinds(t, &s.trace));
    APPLY(hone_space_finish(sp, &s.trace, &again, err));
    assert_true(hone_trace_hash(&again.trace) == hone_trace_hash(&s.trace));
    assert_true(hone_program_hash(&again.prog) == hone_program_hash(&s.prog));
    if (has_design(sp, &s.trace)) {
        check_members(sp, &s.trace);
        c->of_a_design++;
    }
    /* there and back, and then there, is the same place */
    APPLY(hone_space_adapt(sp, &s.trace, way, &again, err));
    assert_true(hone_trace_hash(&again.trace) == hone_trace_hash(&s.trace));
    hone_sched_fini(&s);
    hone_sched_fini(&again);
}

/* Every seed, and some that are drawn. */
static void each_trace(const hone_space *sp, unsigned draws,
                       void (*fn)(const hone_trace *t, void *ctx), void *ctx)
{
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 7);
    for (uint32_t k = 0; k < sp->seeds.n; k++)
        if (hone_space_finish(sp, &sp->seeds.v[k], &s, NULL) == HONE_OK)
            fn(&s.trace, ctx);
    for (unsigned k = 0; k < draws; k++)
        if (hone_space_sample(sp, &rng, &s, NULL) == HONE_OK)
            fn(&s.trace, ctx);
    hone_sched_fini(&s);
}

static void stays(const hone_trace *t, void *ctx)
{
    hone_sched s = {0};
    char *before = hone_trace_text(t);
    for (unsigned way = 0; way < 2; way++) {
        APPLY(hone_space_adapt(ctx, t, (hone_adapt_way)way, &s, err));
        char *after = hone_trace_text(&s.trace);
        assert_string_equal(before, after);
        free(after);
    }
    free(before);
    hone_sched_fini(&s);
}

static void at_its_own_size_it_stays(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(kernels); k++)
        for (unsigned at = 0; at < PLACES; at += 3) {
            hone_space *sp = space_at(k, at);
            each_trace(sp, 20, stays, sp);
            hone_space_free(sp);
        }
}

typedef struct journey {
    const hone_space *to;
    count c[2]; /* by way */
} journey;

static void travel(const hone_trace *t, void *ctx)
{
    journey *j = ctx;
    take(j->to, t, HONE_ADAPT_TASKS, &j->c[0]);
    take(j->to, t, HONE_ADAPT_TILES, &j->c[1]);
}

static void at_other_sizes_it_is_a_candidate(void **state)
{
    (void)state;
    unsigned taken = 0, adapted[2] = {0};
    for (unsigned k = 0; k < HONE_LEN(kernels); k++)
        for (unsigned from = 0; from < PLACES; from += 3)
            for (unsigned to = 0; to < PLACES; to++) {
                if (from == to)
                    continue;
                hone_space *here = space_at(k, from), *there = space_at(k, to);
                journey j = {.to = there};
                each_trace(here, 12, travel, &j);
                const count *c = &j.c[0];
                if (to < LIKE && (c->adapted < c->taken * .7 || c->of_a_design < c->adapted))
                    fail_msg("%s, place %u to %u: %u of %u, %u of a design", kernels[k].name, from,
                             to, c->adapted, c->taken, c->of_a_design);
                if (to < LIKE) {
                    taken += c->taken;
                    adapted[0] += c->adapted;
                    adapted[1] += j.c[1].adapted;
                }
                hone_space_free(here);
                hone_space_free(there);
            }
    assert_true(adapted[0] > taken * .9 && adapted[1] > taken * .8);
}

/* Small enough to be computed, and for its whole space to be gone through. */
static void it_computes_the_same(void **state)
{
    (void)state;
    const hone_size here[] = {{"M", 14}, {"N", 16}, {"K", 12}},
                    there[] = {{"M", 11}, {"N", 18}, {"K", 7}};
    hone_space *from = simulated_space("matmul", here, 3, 2);
    hone_space *to = simulated_space("matmul", there, 3, 2);
    hone_sched s = {0}, t = {0};
    hone_rng rng;
    hone_enum *e = hone_enum_new(to, NULL, NULL);
    HONE_VEC(uint64_t) all = {0};
    const hone_trace *next;
    for (;;) {
        APPLY(hone_enum_next(e, &next, err));
        if (!next)
            break;
        hone_vec_push(&all, hone_trace_hash(next));
    }
    hone_rng_seed(&rng, 2);
    unsigned members = 0;
    for (unsigned k = 0; k < 30; k++) {
        if (hone_space_sample(from, &rng, &s, NULL) != HONE_OK ||
            hone_space_adapt(to, &s.trace, HONE_ADAPT_TASKS, &t, NULL) != HONE_OK)
            continue;
        check_same(&to->base, &t.prog);
        t.trace.insts.n = hone_trace_search_part(&t.trace);
        bool found = false;
        for (uint32_t q = 0; q < all.n && !found; q++)
            found = all.v[q] == hone_trace_hash(&t.trace);
        assert_int_equal(found, has_design(to, &t.trace));
        members += found;
    }
    assert_true(members > 15);
    hone_vec_free(&all);
    hone_enum_free(e);
    hone_sched_fini(&s);
    hone_sched_fini(&t);
    hone_space_free(from);
    hone_space_free(to);
}

/* Registers of half the width: what was tuned for one is a candidate for the other. */
static void for_another_target(void **state)
{
    (void)state;
    const hone_size sizes[] = {{"M", 96}, {"N", 128}, {"K", 64}};
    hone_space *from = simulated_space("matmul", sizes, 3, 2), *to = NULL;
    hone_target half = simulated_target();
    half.vector_bytes = 32;
    half.vector_registers = 16;
    APPLY(hone_space_new(&from->base, &(hone_space_options){.target = &half, .threads = 2}, &to,
                         err));
    journey j = {.to = to};
    each_trace(from, 12, travel, &j);
    assert_true(j.c[0].of_a_design > j.c[0].taken * .9);
    hone_space_free(from);
    hone_space_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles),
        cmocka_unit_test(no_tile_is_nearer),
        cmocka_unit_test(choices),
        cmocka_unit_test(refusals),
        cmocka_unit_test(at_its_own_size_it_stays),
        cmocka_unit_test(at_other_sizes_it_is_a_candidate),
        cmocka_unit_test(it_computes_the_same),
        cmocka_unit_test(for_another_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
