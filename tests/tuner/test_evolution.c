/* What is evolution's own: seeds by design space, the model's share, learning from a log, and being
 * worth it. What every strategy must do is in test_strategies.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/tuner/game.h"

static void start(game *g, hone_space *sp, uint64_t seed)
{
    game_start(g, hone_strategy_find("evolution"), sp, seed);
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
    hone_space *sp = small_matmul();
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
        assert_int_equal(game_ask(&g, 1), 1);
    char *asked[16];
    for (unsigned k = 0; k < first; k++)
        asked[k] = space_of(g.asked[k + 1].trace);
    assert_int_equal(distinct(asked, first), first);
    for (unsigned k = 0; k < first; k++)
        free(asked[k]);
    for (unsigned k = 0; k < n; k++)
        free(all[k]);
    game_end(&g);
    hone_space_free(sp);
}

static void seeds_first(void **state)
{
    (void)state;
    hone_space *sp = small_matmul();
    const uint32_t batches[] = {1, 3, 16};
    for (unsigned q = 0; q < HONE_LEN(batches); q++) {
        game g;
        start(&g, sp, 1);
        while (g.n < 8)
            assert_int_equal(game_ask(&g, batches[q]), batches[q]);
        for (uint32_t k = 1; k < 8; k++) {
            assert_string_equal(g.asked[k].why, "seed");
            assert_true(isfinite(g.asked[k].predicted));
        }
        game_end(&g);
    }
    hone_space_free(sp);
}

static void mostly_by_the_model(void **state)
{
    (void)state;
    hone_space *sp = small_matmul();
    game g;
    start(&g, sp, 3);
    game_play(&g, 120, 16);
    unsigned model = 0, local = 0, random = 0;
    for (uint32_t k = 0; k < g.n; k++) {
        model += strcmp(g.asked[k].why, "model") == 0;
        random += strcmp(g.asked[k].why, "random") == 0;
    }
    for (uint32_t k = 0; k < g.n; k++)
        local += strcmp(g.asked[k].why, "local") == 0;
    assert_true(model > 20 && local > 10 && model + local > 60);
    assert_true(random > 0 && random < model);
    hone_search_stats stats;
    hone_search_get_stats(g.search, &stats);
    assert_true(stats.model.trained_on > 0 && stats.predicted > 0);
    game_end(&g);
    hone_space_free(sp);
}

/* It goes on where the log stops, instead of from the start. */
static void learns_from_a_log(void **state)
{
    (void)state;
    hone_space *sp = small_matmul();
    game first, second;
    start(&first, sp, 8);
    game_play(&first, 60, 12);
    start(&second, sp, 8);
    for (uint32_t k = 0; k < first.n; k++) {
        hone_outcome o = game_outcome(&first.asked[k], HONE_NOT_ASKED, first.ns[k]);
        hone_search_tell(second.search, &o);
    }
    game_play(&second, 60, 12);
    hone_search_stats stats;
    hone_search_get_stats(second.search, &stats);
    assert_true(stats.model.candidates >= 100);
    game_end(&first);
    game_end(&second);
    hone_space_free(sp);
}

/* ---- worth it -------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void beats_random(void **state)
{
    (void)state;
    enum { SEEDS = 15, TRIALS = 64 };
    static const struct {
        const char *name;
        hone_size sizes[5];
        unsigned n;
        double most; /* of what random search comes to */
    } kernels[] = {
        {"matmul", {{"M", 512}, {"N", 512}, {"K", 512}}, 3, 0.95},
        {"conv2d_nhwc_bias_relu",
         {{"N", 1}, {"H", 28}, {"W", 28}, {"CI", 32}, {"CO", 64}},
         5,
         1.02}, /* seeds are near the best */
    };
    for (unsigned q = 0; q < HONE_LEN(kernels); q++) {
        hone_space *sp = simulated_space(kernels[q].name, kernels[q].sizes, kernels[q].n, 1);
        double guided[SEEDS], blind[SEEDS];
        for (unsigned k = 0; k < SEEDS; k++) {
            game g;
            start(&g, sp, 100 + k);
            game_play(&g, TRIALS, 16);
            guided[k] = g.best_ns;
            game_end(&g);
            game_start(&g, hone_strategy_find("random"), sp, 100 + k);
            game_play(&g, TRIALS, 16);
            blind[k] = g.best_ns;
            game_end(&g);
        }
        qsort(guided, SEEDS, sizeof guided[0], ascending);
        qsort(blind, SEEDS, sizeof blind[0], ascending);
        print_message("%s: best of %d, median over %d seeds: %.0f us, at random %.0f us\n",
                      kernels[q].name, TRIALS, SEEDS, guided[SEEDS / 2] / 1e3,
                      blind[SEEDS / 2] / 1e3);
        assert_true(guided[SEEDS / 2] < kernels[q].most * blind[SEEDS / 2]);
        hone_space_free(sp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_first),         cmocka_unit_test(one_of_each_space),
        cmocka_unit_test(mostly_by_the_model), cmocka_unit_test(learns_from_a_log),
        cmocka_unit_test(beats_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
