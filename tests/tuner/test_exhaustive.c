/* The strategy exhaustive: it offers what hone_space_count counts, however it is cut into runs, and
 * a session by it ends by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/tuner/fake_pool.h"
#include "tests/tuner/game.h"

static const hone_strategy *exhaustive(void)
{
    const hone_strategy *s = hone_strategy_find("exhaustive");
    assert_non_null(s);
    assert_true(s->whole);
    return s;
}

static hone_space *tiny_matmul(hone_space_size *ret)
{
    const hone_size sizes[] = {{"M", 3}, {"N", 3}, {"K", 3}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 1);
    hone_error err = {0};
    if (hone_space_count(sp, 10000, ret, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_false(ret->more);
    assert_in_range(ret->candidates, 100, GAME_MAX - 16);
    return sp;
}

/* No more and no less, in the space's order. */
static void all_of_it(void **state)
{
    (void)state;
    hone_space_size size;
    hone_space *sp = tiny_matmul(&size);
    hone_enum *order = hone_enum_new(sp, NULL, NULL);
    game g;
    game_start(&g, exhaustive(), sp, 1);
    game_play(&g, GAME_MAX - 16, 7);
    assert_int_equal(g.n, size.candidates);
    assert_string_equal(g.asked[0].why, "default");
    game_check_distinct(&g);
    for (uint32_t k = 1; k < g.n; k++) {
        const hone_trace *t;
        hone_trace got = {0};
        assert_string_equal(g.asked[k].why, "exhaustive");
        assert_true(isnan(g.asked[k].predicted));
        assert_int_equal(hone_trace_parse(g.asked[k].trace, strlen(g.asked[k].trace), &got, NULL),
                         HONE_OK);
        do { /* what is legal and not the same as one before */
            assert_int_equal(hone_enum_next(order, &t, NULL), HONE_OK);
            assert_non_null(t);
        } while (hone_strategy_key(t) != hone_strategy_key(&got));
        hone_trace_free(&got);
    }
    hone_enum_free(order);
    game_end(&g);
    hone_space_free(sp);
}

/* After results from a log only the rest is offered, and what is known is not replayed again. */
static void the_rest_of_it(void **state)
{
    (void)state;
    hone_space_size size;
    hone_space *sp = tiny_matmul(&size);
    game first, second;
    hone_search_stats before, after;
    game_start(&first, exhaustive(), sp, 1);
    game_play(&first, (uint32_t)size.candidates / 2, 16);
    game_start(&second, exhaustive(), sp, 2);
    for (uint32_t k = 0; k < first.n; k++) {
        hone_outcome o = game_outcome(&first.asked[k], HONE_NOT_ASKED, k % 3 ? first.ns[k] : 0);
        hone_search_tell(second.search, &o);
    }
    hone_search_get_stats(second.search, &before);
    game_play(&second, GAME_MAX - 16, 16);
    assert_int_equal(first.n + second.n, size.candidates);
    for (uint32_t a = 0; a < first.n; a++)
        for (uint32_t b = 0; b < second.n; b++)
            assert_true(first.asked[a].hash != second.asked[b].hash);
    hone_search_get_stats(second.search, &after);
    assert_true(after.replayed - before.replayed <= size.traces - first.n + 1);
    game_end(&first);
    game_end(&second);
    hone_space_free(sp);
}

typedef struct button {
    uint64_t looks, at;
} button;

static bool pressed(void *ctx)
{
    button *b = ctx;
    return ++b->looks >= b->at;
}

/* Stopped again and again, by either stop, all of it comes all the same. */
static void stopped_all_the_time(void **state)
{
    (void)state;
    hone_space_size size;
    hone_space *sp = tiny_matmul(&size);
    for (unsigned by_space = 0; by_space < 2; by_space++) {
        game g;
        button b = {.at = UINT64_MAX};
        game_start(&g, exhaustive(), sp, 1);
        hone_search_free(g.search);
        g.search = hone_search_new(
            exhaustive(), sp,
            &(hone_search_options){.seed = 1, .stop = by_space ? NULL : pressed, .stop_ctx = &b});
        sp->stop = by_space ? pressed : NULL;
        sp->stop_ctx = &b;
        unsigned stops = 0;
        for (uint64_t at = 1;; at++) {
            uint32_t n;
            b = (button){.at = at % 90 + 1};
            hone_status st = hone_search_ask(g.search, 4, g.asked + g.n, &n, NULL);
            if (st == HONE_E_INTERRUPTED) {
                assert_int_equal(n, 0);
                stops++;
                continue;
            }
            assert_int_equal(st, HONE_OK);
            if (n == 0)
                break;
            g.n += n;
        }
        sp->stop = NULL;
        assert_true(stops > 10);
        assert_int_equal(g.n, size.candidates);
        game_check_distinct(&g);
        game_end(&g);
    }
    hone_space_free(sp);
}

/* It says how much there is, needs no limit, and goes on where it was. */
static void a_session_without_a_limit(void **state)
{
    (void)state;
    hone_space_size size;
    hone_space_free(tiny_matmul(&size));
    char *notice = hone_xasprintf("the space has %d candidates", (int)size.candidates);
    for (unsigned cut = 0; cut < 2; cut++) {
        fake_pool f;
        uint64_t done = 0;
        fake_open(&f);
        if (cut) {
            done = 40;
            fake_user *u = fake_start(
                &f, 0, &(fake_want){.size = 3, .trials = done, .strategy = exhaustive()});
            fake_work(&f);
            assert_int_equal(u->r->trials, done);
            assert_false(u->r->exhausted);
            fake_end(&f, 0);
        }
        fake_user *u = fake_start(&f, 0, &(fake_want){.size = 3, .strategy = exhaustive()});
        fake_work(&f);
        assert_int_equal(u->r->status, HONE_OK);
        assert_true(u->r->done && u->r->exhausted && !u->r->interrupted);
        assert_int_equal(u->r->known, done);
        assert_int_equal(u->r->trials, size.candidates - done);
        assert_int_equal(u->notices, 1);
        assert_string_equal(u->notice, notice);
        assert_memory_equal(&u->r->space, &size, sizeof size);
        fake_close(&f);
    }
    free(notice);
    /* a large one is not counted to the end */
    fake_pool f;
    fake_open(&f);
    fake_user *u =
        fake_start(&f, 0, &(fake_want){.size = 64, .trials = 2, .strategy = exhaustive()});
    fake_work(&f);
    assert_int_equal(u->r->trials, 2);
    assert_string_equal(u->notice, "the space has at least 4097 candidates");
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it),
        cmocka_unit_test(the_rest_of_it),
        cmocka_unit_test(stopped_all_the_time),
        cmocka_unit_test(a_session_without_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
