/* What any search must do, on a simulated device: order of the first candidates, no repetitions,
 * memory of a log, exhaustion, determinism, bad news, and being worth it.
 *
 * Reader's map: the game (a search and its device); what is asked for; the end of the space;
 * determinism; bad news; worth it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/simulated.h"
#include "tuner/tuner.h"

#define MAX 256

/* A search, its device, and all it asked for. */
typedef struct game {
    hone_space *space;
    hone_search *search;
    hone_sched sched;
    hone_features features;
    uint64_t noise;
    hone_candidate asked[MAX];
    double ns[MAX]; /* as told; 0: rejected */
    uint32_t n;
    double best_ns;
} game;

static const hone_size matmul_sizes[] = {{"M", 128}, {"N", 192}, {"K", 160}};

static hone_space *matmul(void)
{
    return simulated_space("matmul", matmul_sizes, 3, 2);
}

static void start(game *g, hone_space *sp, uint64_t seed)
{
    *g = (game){.space = sp, .noise = seed, .best_ns = INFINITY};
    g->search =
        hone_search_new(sp, &(hone_search_options){.seed = seed, .population = 48, .epsilon = -1});
}

static void end(game *g)
{
    for (uint32_t k = 0; k < g->n; k++)
        hone_candidate_free(&g->asked[k]);
    hone_search_free(g->search);
    hone_sched_fini(&g->sched);
    hone_features_free(&g->features);
}

/* Asks for up to `want` more; returns how many came. */
static uint32_t ask(game *g, uint32_t want)
{
    hone_error err = {0};
    uint32_t n = 99;
    assert_true(g->n + want <= MAX);
    if (hone_search_ask(g->search, want, g->asked + g->n, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_true(n <= want);
    g->n += n;
    return n;
}

/* The time of a trace by replaying it, as a worker would. */
static double measure(game *g, const char *trace, uint64_t hash)
{
    hone_trace t = {0};
    hone_error err = {0};
    if ((trace[0] && hone_trace_parse(trace, strlen(trace), &t, &err) != HONE_OK) ||
        hone_trace_replay(&t, &g->space->base, &g->sched, NULL, false, &err) != HONE_OK)
        fail_msg("%s in %s", err.message, trace);
    hone_trace_free(&t);
    hone_features_extract(&g->sched.prog, &g->space->target, g->space->threads, &g->features);
    return simulated_ns(&g->features, hash, g->noise, 0.02);
}

static void tell(game *g, uint32_t k, bool rejected)
{
    const hone_candidate *c = &g->asked[k];
    double ns = measure(g, c->trace, c->hash);
    g->ns[k] = rejected ? 0 : ns;
    hone_search_tell(g->search, c->trace, c->hash, rejected ? HONE_REJECT_WRONG_RESULT : HONE_OK,
                     g->ns[k]);
    if (!rejected)
        g->best_ns = fmin(g->best_ns, ns);
}

static void play(game *g, uint32_t trials, uint32_t batch)
{
    while (g->n < trials) {
        uint32_t from = g->n, n = ask(g, batch < trials - g->n ? batch : trials - g->n);
        if (n == 0)
            return;
        for (uint32_t k = from; k < from + n; k++)
            tell(g, k, false);
    }
}

static void check_distinct(const game *g)
{
    for (uint32_t a = 0; a < g->n; a++)
        for (uint32_t b = 0; b < a; b++)
            if (g->asked[a].hash == g->asked[b].hash ||
                strcmp(g->asked[a].trace, g->asked[b].trace) == 0)
                fail_msg("candidates %u and %u are the same: %s", b, a, g->asked[a].trace);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* The instructions of a candidate's search part: which design space it is of. */
static char *space_of(const char *text)
{
    hone_trace t = {0};
    hone_buf b = {0};
    assert_int_equal(hone_trace_parse(text, strlen(text), &t, NULL), HONE_OK);
    for (uint32_t k = 0; k < hone_trace_search_part(&t); k++)
        hone_buf_printf(&b, "%s ", hone_inst_name(t.insts.v[k].kind));
    hone_trace_free(&t);
    return hone_buf_take(&b);
}

static unsigned distinct(char **v, unsigned n)
{
    unsigned found = 0;
    for (unsigned a = 0; a < n; a++) {
        unsigned b = 0;
        while (b < a && strcmp(v[a], v[b]) != 0)
            b++;
        found += a == b;
    }
    return found;
}

/* What the draft thinks of a design space is put to the test at once. */
static void one_of_each_space(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    char *all[256];
    unsigned n = sp->seeds.n < 256 ? sp->seeds.n : 256;
    for (unsigned k = 0; k < n; k++) {
        char *text = hone_trace_text(&sp->seeds.v[k]);
        all[k] = space_of(text);
        free(text);
    }
    unsigned spaces = distinct(all, n), first = spaces < 16 ? spaces : 16;
    assert_true(first > 2);
    game g;
    start(&g, sp, 1);
    while (g.n < first + 1)
        assert_int_equal(ask(&g, 1), 1);
    char *asked[16];
    for (unsigned k = 0; k < first; k++)
        asked[k] = space_of(g.asked[k + 1].trace);
    assert_int_equal(distinct(asked, first), first);
    for (unsigned k = 0; k < first; k++)
        free(asked[k]);
    for (unsigned k = 0; k < n; k++)
        free(all[k]);
    end(&g);
    hone_space_free(sp);
}

static void default_then_seeds(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    const uint32_t batches[] = {1, 3, 16};
    for (unsigned q = 0; q < HONE_LEN(batches); q++) {
        game g;
        start(&g, sp, 1);
        assert_int_equal(ask(&g, 0), 0); /* costs nothing: the default still comes */
        while (g.n < 10)
            assert_int_equal(ask(&g, batches[q]), batches[q]);
        assert_string_equal(g.asked[0].why, "default");
        assert_true(isnan(g.asked[0].predicted));
        for (uint32_t k = 1; k < 10; k++) {
            assert_string_equal(g.asked[k].why, "seed");
            assert_true(isfinite(g.asked[k].predicted));
        }
        for (uint32_t k = 0; k < g.n; k++) {
            assert_int_equal(g.asked[k].id, k);
            tell(&g, k, false);
        }
        /* the default is the program as written, under the name the log knows it by */
        hone_trace empty = {0};
        assert_int_equal(hone_space_finish(sp, &empty, &g.sched, NULL), HONE_OK);
        assert_true(g.asked[0].hash == hone_trace_hash(&g.sched.trace));
        check_distinct(&g);
        end(&g);
    }
    hone_space_free(sp);
}

static void never_twice(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    game g;
    start(&g, sp, 3);
    play(&g, 120, 16);
    assert_int_equal(g.n, 120);
    check_distinct(&g);
    unsigned model = 0, random = 0;
    for (uint32_t k = 0; k < g.n; k++) {
        hone_trace t = {0};
        hone_error err = {0};
        const char *text = g.asked[k].trace;
        if (hone_trace_parse(text, strlen(text), &t, &err) != HONE_OK)
            fail_msg("%s", err.message);
        assert_true(hone_trace_hash(&t) == g.asked[k].hash);
        hone_trace_free(&t);
        model += strcmp(g.asked[k].why, "model") == 0;
        random += strcmp(g.asked[k].why, "random") == 0;
    }
    assert_true(model > 40);
    assert_true(random > 0 && random < model);
    end(&g);
    hone_space_free(sp);
}

/* Also while nothing was told yet: batches overlap with measuring. */
static void never_twice_without_news(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    game g;
    start(&g, sp, 5);
    for (int k = 0; k < 6; k++)
        assert_int_equal(ask(&g, 12), 12);
    check_distinct(&g);
    end(&g);
    hone_space_free(sp);
}

static void a_log_is_remembered(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    game first, second;
    start(&first, sp, 8);
    play(&first, 60, 12);
    start(&second, sp, 8);
    for (uint32_t k = 0; k < first.n; k++)
        hone_search_tell(second.search, first.asked[k].trace, first.asked[k].hash, HONE_OK,
                         first.ns[k]);
    play(&second, 60, 12);
    assert_int_equal(second.n, 60);
    for (uint32_t a = 0; a < first.n; a++)
        for (uint32_t b = 0; b < second.n; b++)
            assert_true(first.asked[a].hash != second.asked[b].hash);
    /* and it goes on where the first stopped, instead of from the start */
    hone_search_stats stats;
    hone_search_get_stats(second.search, &stats);
    assert_true(stats.model.candidates >= 100);
    for (uint32_t k = 0; k < second.n; k++)
        assert_string_not_equal(second.asked[k].why, "default");
    end(&first);
    end(&second);
    hone_space_free(sp);
}

/* ---- the end of the space -------------------------------------------------------------------- */

static void exhausts_a_tiny_space(void **state)
{
    (void)state;
    const hone_size sizes[] = {{"M", 2}, {"N", 2}};
    hone_space *sp = simulated_space("row_sum", sizes, 2, 1);
    game g;
    start(&g, sp, 1);
    play(&g, MAX - 16, 16);
    assert_true(g.n >= 1 && g.n < MAX - 16);
    check_distinct(&g);
    for (int k = 0; k < 3; k++)
        assert_int_equal(ask(&g, 16), 0);
    /* no two mean the same, but for the program as written */
    uint64_t programs[MAX];
    for (uint32_t k = 1; k < g.n; k++) {
        measure(&g, g.asked[k].trace, g.asked[k].hash);
        programs[k] = hone_program_hash(&g.sched.prog);
        for (uint32_t q = 1; q < k; q++)
            assert_true(programs[q] != programs[k]);
    }
    end(&g);
    hone_space_free(sp);
}

/* A copy of one element: no decision makes a difference. */
static void a_space_of_one(void **state)
{
    (void)state;
    static const char text[] = "program one {\n"
                               "  buffer A: f32[1] input\n"
                               "  buffer B: f32[1] output\n"
                               "  block B(v: 1 = 0) {\n"
                               "    B[v] = A[v]\n"
                               "  }\n"
                               "}\n";
    hone_program p;
    hone_error err = {0};
    hone_target t = simulated_target();
    hone_space *sp = NULL;
    if (hone_program_parse(text, sizeof text - 1, &p, &err) != HONE_OK ||
        hone_space_new(&p, &(hone_space_options){.target = &t, .threads = 1}, &sp, &err) != HONE_OK)
        fail_msg("%s", err.message);
    game g;
    start(&g, sp, 1);
    play(&g, 32, 8);
    /* as it is, and once more as a schedule, however many decisions lead to it */
    assert_int_equal(g.n, 2);
    assert_string_equal(g.asked[0].why, "default");
    check_distinct(&g);
    assert_int_equal(ask(&g, 8), 0);
    end(&g);
    hone_space_free(sp);
    hone_program_fini(&p);
}

/* ---- determinism ----------------------------------------------------------------------------- */

static void same_seed_same_search(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    game a, b, c;
    start(&a, sp, 21);
    start(&b, sp, 21);
    start(&c, sp, 22);
    c.noise = 21;
    play(&a, 72, 12);
    play(&b, 72, 12);
    play(&c, 72, 12);
    assert_int_equal(a.n, b.n);
    unsigned other = 0;
    for (uint32_t k = 0; k < a.n; k++) {
        assert_string_equal(a.asked[k].trace, b.asked[k].trace);
        assert_string_equal(a.asked[k].why, b.asked[k].why);
        other += k >= c.n || a.asked[k].hash != c.asked[k].hash;
    }
    assert_true(other > 30);
    end(&a);
    end(&b);
    end(&c);
    hone_space_free(sp);
}

/* ---- bad news -------------------------------------------------------------------------------- */

/* A log may hold anything. What cannot be read or replayed is passed over. */
static void nonsense_is_ignored(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "not json",
        "[",
        "[[],[]]",
        "[[[\"GetBlock\",[],[\"nobody\",\"main\"],[\"b0\"]]],[]]",
        "[[[\"NoSuchThing\",[],[],[]]],[]]",
        "[[[\"Split\",[\"l7\",\"None\",4],[1,0],[\"l1\",\"l2\"]]],[]]",
        "[[[\"EnterPostproc\",[],[],[]]],[[0,3]]]",
        "{}",
        "[[[\"GetBlock\",[],[\"C\",\"main\"],[\"b0\"]],[\"SampleComputeLocation\",[\"b0\"],[],"
        "[\"l1\"]]],[]]",
    };
    hone_space *sp = matmul();
    game a, b;
    start(&a, sp, 4);
    start(&b, sp, 4);
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        hone_search_tell(a.search, texts[k], k, HONE_OK, 1e3);
        hone_search_tell(a.search, texts[k], k, HONE_REJECT_BUILD, 0);
    }
    hone_search_stats stats;
    hone_search_get_stats(a.search, &stats);
    assert_int_equal(stats.model.candidates, 0);
    play(&a, 40, 10);
    play(&b, 40, 10);
    assert_int_equal(a.n, 40);
    /* "[[],[]]" is the program as written, and was told: all else is as without the nonsense */
    assert_string_equal(b.asked[0].why, "default");
    for (uint32_t k = 0; k < a.n; k++)
        assert_true(a.asked[k].hash != b.asked[0].hash);
    end(&a);
    end(&b);
    hone_space_free(sp);
}

static void rejections(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    game g;
    start(&g, sp, 6);
    while (g.n < 96) { /* every third candidate fails */
        uint32_t from = g.n;
        assert_true(ask(&g, 12) > 0);
        for (uint32_t k = from; k < g.n; k++)
            tell(&g, k, k % 3 == 2);
    }
    check_distinct(&g);
    assert_true(isfinite(g.best_ns));
    hone_search_stats stats;
    hone_search_get_stats(g.search, &stats);
    assert_int_equal(stats.proposed, g.n);
    assert_true(stats.model.trained_on > 0);
    assert_true(stats.predicted > 0 && stats.replayed > stats.replay_rejected);
    end(&g);

    start(&g, sp, 6); /* nothing at all works */
    while (g.n < 60) {
        uint32_t from = g.n;
        assert_true(ask(&g, 12) > 0);
        for (uint32_t k = from; k < g.n; k++)
            tell(&g, k, true);
    }
    check_distinct(&g);
    end(&g);
    hone_space_free(sp);
}

/* What the search does not know about candidates made elsewhere does no harm: an OK result without
 * a time, the same result twice. */
static void odd_results(void **state)
{
    (void)state;
    hone_space *sp = matmul();
    game g;
    start(&g, sp, 7);
    ask(&g, 12);
    for (uint32_t k = 0; k < g.n; k++) {
        hone_search_tell(g.search, g.asked[k].trace, g.asked[k].hash, HONE_OK, k % 2 ? 0 : 5000);
        hone_search_tell(g.search, g.asked[k].trace, g.asked[k].hash, HONE_OK, k % 2 ? 0 : 5000);
    }
    play(&g, 60, 12);
    assert_int_equal(g.n, 60);
    check_distinct(&g);
    end(&g);
    hone_space_free(sp);
}

/* ---- worth it -------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Best of the default, the seeds and random candidates, `trials` in all. */
static double random_search(hone_space *sp, uint64_t seed, uint32_t trials)
{
    hone_sched s = {0};
    hone_features f = {0};
    hone_rng rng;
    hone_rng_seed(&rng, seed);
    double best = INFINITY;
    uint32_t seeds = sp->seeds.n < 16 ? sp->seeds.n : 16;
    for (uint32_t n = 0; n < trials;) {
        hone_status st = n < seeds ? hone_space_finish(sp, &sp->seeds.v[n], &s, NULL)
                                   : hone_space_sample(sp, &rng, &s, NULL);
        if (st != HONE_OK)
            continue;
        hone_features_extract(&s.prog, &sp->target, sp->threads, &f);
        best = fmin(best, simulated_ns(&f, hone_trace_hash(&s.trace), seed, 0.02));
        n++;
    }
    hone_features_free(&f);
    hone_sched_fini(&s);
    return best;
}

static void beats_random(void **state)
{
    (void)state;
    enum { SEEDS = 5, TRIALS = 64 };
    static const struct {
        const char *name;
        hone_size sizes[5];
        unsigned n;
    } kernels[] = {
        {"matmul", {{"M", 512}, {"N", 512}, {"K", 512}}, 3},
        {"conv2d_nhwc_bias_relu", {{"N", 1}, {"H", 28}, {"W", 28}, {"CI", 32}, {"CO", 64}}, 5},
    };
    for (unsigned q = 0; q < HONE_LEN(kernels); q++) {
        hone_space *sp = simulated_space(kernels[q].name, kernels[q].sizes, kernels[q].n, 1);
        double guided[SEEDS], blind[SEEDS];
        for (unsigned k = 0; k < SEEDS; k++) {
            game g;
            start(&g, sp, 100 + k);
            play(&g, TRIALS, 16);
            guided[k] = g.best_ns;
            blind[k] = random_search(sp, 100 + k, TRIALS);
            end(&g);
        }
        qsort(guided, SEEDS, sizeof guided[0], ascending);
        qsort(blind, SEEDS, sizeof blind[0], ascending);
        print_message("%s: best of %d, median over %d seeds: %.0f us, at random %.0f us\n",
                      kernels[q].name, TRIALS, SEEDS, guided[SEEDS / 2] / 1e3,
                      blind[SEEDS / 2] / 1e3);
        assert_true(guided[SEEDS / 2] < 0.97 * blind[SEEDS / 2]);
        hone_space_free(sp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_then_seeds),  cmocka_unit_test(one_of_each_space),
        cmocka_unit_test(never_twice),         cmocka_unit_test(never_twice_without_news),
        cmocka_unit_test(a_log_is_remembered), cmocka_unit_test(exhausts_a_tiny_space),
        cmocka_unit_test(a_space_of_one),      cmocka_unit_test(same_seed_same_search),
        cmocka_unit_test(nonsense_is_ignored), cmocka_unit_test(rejections),
        cmocka_unit_test(odd_results),         cmocka_unit_test(beats_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
