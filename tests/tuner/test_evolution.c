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

static uint64_t key_of(const char *text)
{
    hone_trace t = {0};
    assert_int_equal(hone_trace_parse(text, strlen(text), &t, NULL), HONE_OK);
    t.insts.n = hone_trace_search_part(&t);
    uint64_t key = hone_strategy_key(&t);
    hone_trace_free(&t);
    return key;
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

/* Behind the first seeds come some of design spaces that those are not of: what the draft thinks of
 * a whole space is put to the test. Then the seeds go on in the space's own order. */
static void other_spaces_next(void **state)
{
    (void)state;
    enum { FIRST = 3, OTHERS = 4, ALL = 12 };
    hone_space *sp = small_matmul();
    char *all[ALL];
    uint32_t in_order = 0;
    game g;
    start(&g, sp, 1);
    while (g.n < 1 + ALL)
        assert_int_equal(game_ask(&g, 1), 1);
    for (unsigned k = 0; k < ALL; k++) {
        all[k] = space_of(g.asked[k + 1].trace);
        assert_string_equal(g.asked[k + 1].why, "seed");
        if (k >= FIRST && k < FIRST + OTHERS)
            continue;
        bool found = false; /* further on in the space's own order */
        for (; in_order < sp->seeds.n && !found; in_order++)
            found = hone_strategy_key(&sp->seeds.v[in_order]) == key_of(g.asked[k + 1].trace);
        assert_true(found);
    }
    assert_int_equal(distinct(all, FIRST + OTHERS), distinct(all, FIRST) + OTHERS);
    for (unsigned k = 0; k < ALL; k++)
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
    start(&g, sp, 4);
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
         1.05}, /* seeds are near the best: what is learned of others is not worth its trials */
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

/* ---- the prior --------------------------------------------------------------------------------
 */

/* Neither the committee nor a later round asks it again of the same candidate. */
static void a_prior_is_asked_once(void **state)
{
    (void)state;
    hone_space *sp = small_matmul();
    hone_model *prior =
        hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR, .seed = 1, .threads = 1});
    hone_error err = {0};
    game g;
    game_start(&g, hone_strategy_find("random"), sp, 4);
    game_play(&g, 48, 24);
    for (uint32_t k = 1; k < g.n; k++) {
        double ns = game_measure(&g, &g.asked[k]);
        hone_model_add(prior, 1, &g.features, ns);
    }
    game_end(&g);
    assert_int_equal(hone_model_train(prior, &err), HONE_OK);
    start(&g, sp, 5);
    hone_search_free(g.search);
    g.search = hone_search_new(
        hone_strategy_find("evolution"), sp,
        &(hone_search_options){
            .seed = 5, .population = GAME_POPULATION, .prior = prior, .prior_trust = 1});
    game_play(&g, 96, 12);
    hone_search_stats stats;
    hone_model_metrics got;
    hone_search_get_stats(g.search, &stats);
    hone_model_get_metrics(prior, &got);
    /* what was met was replayed, and what was told once more, when it was offered */
    print_message("%u candidates replayed, the prior was asked about %u\n",
                  (unsigned)(stats.replayed - stats.replay_rejected), (unsigned)got.asked);
    assert_true(got.asked > 96 && got.asked <= stats.replayed - stats.replay_rejected);
    game_end(&g);
    hone_model_free(prior);
    hone_space_free(sp);
}

/* ---- parts left out -------------------------------------------------------------------------- */

static void play_without(game *g, hone_space *sp, uint32_t without)
{
    start(g, sp, 7);
    hone_search_free(g->search);
    g->search = hone_search_new(
        hone_strategy_find("evolution"), sp,
        &(hone_search_options){.seed = 7, .population = GAME_POPULATION, .without = without});
    game_play(g, 96, 12);
}

static void parts_left_out(void **state)
{
    (void)state;
    hone_space *sp = small_matmul();
    unsigned local[HONE_PART_COUNT + 1] = {0};
    uint64_t all[HONE_PART_COUNT + 1] = {0};
    for (unsigned part = 0; part <= HONE_PART_COUNT; part++) { /* at last none */
        game g;
        hone_search_stats stats;
        play_without(&g, sp, part < HONE_PART_COUNT ? 1u << part : 0);
        hone_search_get_stats(g.search, &stats);
        for (uint32_t k = 0; k < g.n; k++)
            local[part] += strcmp(g.asked[k].why, "local") == 0;
        for (uint32_t k = 0; k < g.n; k++)
            all[part] = hone_hash_mix(all[part], g.asked[k].hash);
        assert_true((stats.model.trained_on == 0) == (part == HONE_PART_learning));
        /* what nothing is known of costs the same as anything else */
        bool equal = true;
        for (uint32_t k = 2; k < 8; k++)
            equal = equal && g.asked[k].predicted == g.asked[1].predicted;
        assert_true(equal == (part == HONE_PART_draft));
        game_check_distinct(&g);
        game_end(&g);
    }
    for (unsigned part = 0; part < HONE_PART_COUNT; part++) /* each has its say */
        assert_true(all[part] != all[HONE_PART_COUNT]);
    assert_int_equal(local[HONE_PART_descent], 0);
    assert_true(local[HONE_PART_bandit] > 0 && local[HONE_PART_COUNT] > 0);
    assert_null(hone_part_name(HONE_PART_COUNT));
    assert_string_equal(hone_part_name(HONE_PART_draft), "draft");
    hone_space_free(sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_first),           cmocka_unit_test(other_spaces_next),
        cmocka_unit_test(mostly_by_the_model),   cmocka_unit_test(learns_from_a_log),
        cmocka_unit_test(beats_random),          cmocka_unit_test(parts_left_out),
        cmocka_unit_test(a_prior_is_asked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
