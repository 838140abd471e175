/* What every strategy must do, on a simulated device: each test is run with each of them.
 *
 * Reader's map: what is asked for; the log; results; stopping; the end of the space; the search
 * itself; in a session; the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define GAME_POPULATION 16
#include "tests/tuner/fake_pool.h"
#include "tests/tuner/game.h"

/* ---- what is asked for ----------------------------------------------------------------------- */

static void the_program_as_written_first(void **state)
{
    hone_space *sp = small_matmul();
    const uint32_t batches[] = {1, 3, 16};
    for (unsigned q = 0; q < HONE_LEN(batches); q++) {
        game g;
        game_start(&g, *state, sp, 1);
        assert_int_equal(game_ask(&g, 0), 0); /* costs nothing: it still comes */
        while (g.n < 10)
            assert_int_equal(game_ask(&g, batches[q]), batches[q]);
        assert_string_equal(g.asked[0].why, "default");
        assert_true(isnan(g.asked[0].predicted));
        for (uint32_t k = 1; k < g.n; k++)
            assert_string_not_equal(g.asked[k].why, "default");
        /* under the name the log knows it by */
        hone_trace empty = {0};
        assert_int_equal(hone_space_finish(sp, &empty, &g.sched, NULL), HONE_OK);
        assert_true(g.asked[0].hash == hone_trace_hash(&g.sched.trace));
        game_end(&g);
    }
    hone_space_free(sp);
}

/* Candidates are numbered in the order of asking, and are what they say. */
static void candidates_are_whole(void **state)
{
    hone_space *sp = small_matmul();
    game g;
    game_start(&g, *state, sp, 2);
    game_play(&g, 60, 7);
    assert_int_equal(g.n, 60);
    for (uint32_t k = 0; k < g.n; k++) {
        const hone_candidate *c = &g.asked[k];
        hone_trace t = {0};
        hone_error err = {0};
        assert_int_equal(c->id, k);
        assert_true(c->why && c->why[0]);
        assert_false(isinf(c->predicted));
        if (hone_trace_parse(c->trace, strlen(c->trace), &t, &err) != HONE_OK)
            fail_msg("%s", err.message);
        assert_true(hone_trace_hash(&t) == c->hash);
        hone_trace_free(&t);
        game_replay(&g, c->trace);
    }
    game_end(&g);
    hone_space_free(sp);
}

static void never_twice(void **state)
{
    hone_space *sp = small_matmul();
    game g;
    game_start(&g, *state, sp, 3);
    game_play(&g, 120, 16);
    assert_int_equal(g.n, 120);
    game_check_distinct(&g);
    game_end(&g);
    /* also while nothing was told yet: batches overlap with measuring */
    game_start(&g, *state, sp, 5);
    for (int k = 0; k < 6; k++)
        assert_int_equal(game_ask(&g, 12), 12);
    game_check_distinct(&g);
    game_end(&g);
    hone_space_free(sp);
}

static void same_seed_same_search(void **state)
{
    const hone_strategy *strategy = *state;
    hone_space *sp = small_matmul();
    game a, b, c;
    game_start(&a, *state, sp, 21);
    game_start(&b, *state, sp, 21);
    game_start(&c, *state, sp, 22);
    c.noise = 21;
    game_play(&a, 72, 12);
    game_play(&b, 72, 12);
    game_play(&c, 72, 12);
    assert_int_equal(a.n, 72);
    assert_int_equal(a.n, b.n);
    unsigned other = 0;
    for (uint32_t k = 0; k < a.n; k++) {
        assert_string_equal(a.asked[k].trace, b.asked[k].trace);
        assert_string_equal(a.asked[k].why, b.asked[k].why);
        assert_memory_equal(&a.asked[k].predicted, &b.asked[k].predicted, sizeof(double));
        other += k >= c.n || a.asked[k].hash != c.asked[k].hash;
    }
    if (strategy->whole)
        assert_int_equal(other, 0);
    else
        assert_true(other > 30);
    game_end(&a);
    game_end(&b);
    game_end(&c);
    hone_space_free(sp);
}

/* Before anything but the program as written, once, and only what can be replayed. */
static void suggestions(void **state)
{
    hone_space *sp = small_matmul();
    game first, g;
    game_start(&first, *state, sp, 11);
    game_play(&first, 24, 12);
    game_start(&g, *state, sp, 12);
    hone_outcome known = game_outcome(&first.asked[3], HONE_NOT_ASKED, 1e4);
    hone_search_tell(g.search, &known);
    hone_search_suggest(g.search, first.asked[1].trace, "log");
    hone_search_suggest(g.search, "no trace at all", "log");
    hone_search_suggest(g.search, first.asked[3].trace, "log"); /* known */
    hone_search_suggest(g.search, first.asked[2].trace, "log");
    hone_search_suggest(g.search, first.asked[1].trace, "log"); /* twice */
    while (g.n < 20)
        assert_true(game_ask(&g, 2) > 0);
    assert_string_equal(g.asked[0].why, "default");
    assert_string_equal(g.asked[1].trace, first.asked[1].trace);
    assert_string_equal(g.asked[2].trace, first.asked[2].trace);
    for (uint32_t k = 0; k < g.n; k++)
        assert_int_equal(strcmp(g.asked[k].why, "log") == 0, k == 1 || k == 2);
    game_check_distinct(&g);
    game_end(&first);
    game_end(&g);
    hone_space_free(sp);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void a_log_is_remembered(void **state)
{
    hone_space *sp = small_matmul();
    game first, second;
    game_start(&first, *state, sp, 8);
    game_play(&first, 60, 12);
    game_start(&second, *state, sp, 8);
    for (uint32_t k = 0; k < first.n; k++) {
        hone_outcome o = game_outcome(&first.asked[k], HONE_NOT_ASKED, k % 4 ? first.ns[k] : 0);
        hone_search_tell(second.search, &o);
    }
    game_play(&second, 60, 12);
    assert_int_equal(second.n, 60);
    for (uint32_t a = 0; a < first.n; a++)
        for (uint32_t b = 0; b < second.n; b++)
            assert_true(first.asked[a].hash != second.asked[b].hash);
    for (uint32_t k = 0; k < second.n; k++)
        assert_string_not_equal(second.asked[k].why, "default");
    game_end(&first);
    game_end(&second);
    hone_space_free(sp);
}

/* A result teaches the same, whether by the number of its candidate or by the trace alone. */
static void by_number_or_by_trace(void **state)
{
    hone_space *sp = small_matmul();
    game a, b;
    game_start(&a, *state, sp, 9);
    game_start(&b, *state, sp, 9);
    while (a.n < 72) {
        uint32_t from = a.n;
        assert_true(game_ask(&a, 12) > 0);
        assert_int_equal(game_ask(&b, 12), a.n - from);
        for (uint32_t k = from; k < a.n; k++) {
            assert_string_equal(a.asked[k].trace, b.asked[k].trace);
            double ns = k % 5 == 4 ? 0 : game_measure(&a, &a.asked[k]);
            hone_outcome x = game_outcome(&a.asked[k], k, ns), y = x;
            y.id = HONE_NOT_ASKED;
            hone_search_tell(a.search, &x);
            hone_search_tell(b.search, &y);
        }
    }
    /* and the first of them without a replay */
    hone_search_stats with, without;
    hone_search_get_stats(a.search, &with);
    hone_search_get_stats(b.search, &without);
    assert_int_equal(with.replayed + a.n, without.replayed);
    game_end(&a);
    game_end(&b);
    hone_space_free(sp);
}

/* A log may hold anything. What cannot be read or replayed is passed over. */
static void nonsense_is_ignored(void **state)
{
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
    hone_space *sp = small_matmul();
    game a, b;
    game_start(&a, *state, sp, 4);
    game_start(&b, *state, sp, 4);
    for (unsigned k = 0; k < HONE_LEN(texts); k++)
        for (int id = 0; id < 2; id++) { /* also as an answer to nothing */
            hone_outcome o = {.id = id ? HONE_NOT_ASKED : 1000 + k, .trace = texts[k], .hash = k};
            o.time_ns = 1e3;
            hone_search_tell(a.search, &o);
            o.status = HONE_REJECT_BUILD;
            hone_search_tell(a.search, &o);
        }
    hone_search_stats stats;
    hone_search_get_stats(a.search, &stats);
    assert_int_equal(stats.model.candidates, 0);
    game_play(&a, 40, 10);
    game_play(&b, 40, 10);
    assert_int_equal(a.n, 40);
    /* "[[],[]]" is the program as written, and was told: all else is as without the nonsense */
    assert_string_equal(b.asked[0].why, "default");
    for (uint32_t k = 0; k < a.n; k++)
        assert_true(a.asked[k].hash != b.asked[0].hash);
    game_end(&a);
    game_end(&b);
    hone_space_free(sp);
}

/* ---- results --------------------------------------------------------------------------------- */

static void rejections(void **state)
{
    hone_space *sp = small_matmul();
    game g;
    for (unsigned each = 1; each <= 3; each += 2) { /* all candidates fail; every third */
        game_start(&g, *state, sp, 6);
        while (g.n < 96) {
            uint32_t from = g.n;
            assert_true(game_ask(&g, 12) > 0);
            for (uint32_t k = from; k < g.n; k++)
                game_tell(&g, k, k % each == each - 1);
        }
        game_check_distinct(&g);
        assert_int_equal(isfinite(g.best_ns), each > 1);
        hone_search_stats stats;
        hone_search_get_stats(g.search, &stats);
        assert_int_equal(stats.proposed, g.n);
        assert_true(stats.replayed > stats.replay_rejected);
        game_end(&g);
    }
    hone_space_free(sp);
}

/* OK without a time, or with one that is none; the same result twice, or two that contradict each
 * other; a failure that is nobody's; no result at all. */
static void odd_results(void **state)
{
    static const double odd[] = {5000, 0, -3, NAN, INFINITY};
    hone_space *sp = small_matmul();
    game g;
    game_start(&g, *state, sp, 7);
    while (g.n < 48) {
        uint32_t from = g.n;
        assert_true(game_ask(&g, 12) > 0);
        for (uint32_t k = from; k < g.n; k++) {
            hone_outcome o = game_outcome(&g.asked[k], k, 0);
            o.status = k % 12 < 10 ? HONE_OK : HONE_E_PEER;
            o.time_ns = odd[k % HONE_LEN(odd)];
            if (k % 12 < 11)
                hone_search_tell(g.search, &o);
            if (k % 2)
                hone_search_tell(g.search, &o);
            o.status = HONE_REJECT_CRASH;
            if (k % 7 == 0)
                hone_search_tell(g.search, &o);
        }
    }
    game_play(&g, 90, 12);
    assert_int_equal(g.n, 90);
    game_check_distinct(&g);
    game_end(&g);
    hone_space_free(sp);
}

/* ---- stopping -------------------------------------------------------------------------------- */

/* A button that is pressed at the n-th look, and what the search had done by then. */
typedef struct button {
    hone_search *search;
    uint64_t looks, at; /* at 0: never */
    hone_search_stats then;
} button;

static bool pressed(void *ctx)
{
    button *b = ctx;
    b->looks++;
    if (b->looks == b->at)
        hone_search_get_stats(b->search, &b->then);
    return b->at && b->looks >= b->at;
}

/* Wherever the request comes, nothing more is replayed, nothing is asked for, nothing is lost. */
static void a_stop_is_heeded(void **state)
{
    hone_space *sp = small_matmul();
    uint64_t all = 0;
    game other;
    game_start(&other, *state, sp, 14);
    game_ask(&other, 16);
    for (uint64_t at = 0; at == 0 || at <= all; at += at < 6 ? 1 : all / 5 + 1) {
        game g;
        button b = {0};
        game_start(&g, *state, sp, 13);
        hone_search_free(g.search);
        g.search = hone_search_new(
            *state, sp,
            &(hone_search_options){
                .seed = 13, .population = GAME_POPULATION, .stop = pressed, .stop_ctx = &b});
        b.search = g.search;
        hone_search_suggest(g.search, other.asked[14].trace, "log");
        hone_search_suggest(g.search, other.asked[15].trace, "log");
        while (g.n < 24 && at == 0)
            assert_true(game_ask(&g, 12) > 0);
        /* from the start, and in a round that has news */
        uint32_t before = at % 2 ? 24 : 0;
        if (at > 0)
            game_play(&g, before, 12);
        b.looks = 0;
        b.at = at;
        hone_candidate none[12];
        hone_error err = {0};
        hone_search_stats now;
        uint32_t n = 99;
        hone_status st = hone_search_ask(g.search, 12, none, &n, &err);
        if (at == 0) {
            all = b.looks;
            assert_true(all > 12);
            assert_int_equal(st, HONE_OK);
            assert_int_equal(n, 12);
            for (uint32_t k = 0; k < n; k++)
                g.asked[g.n++] = none[k];
        } else if (b.looks >= at) {
            assert_int_equal(st, HONE_E_INTERRUPTED);
            assert_int_equal(n, 0);
            assert_true(err.message[0]);
            assert_int_equal(b.looks, at); /* once it said so, it is not asked again */
            hone_search_get_stats(g.search, &now);
            assert_int_equal(now.replayed, b.then.replayed);
            assert_int_equal(now.proposed, before);
        } else {
            for (uint32_t k = 0; k < n; k++)
                g.asked[g.n++] = none[k];
        }
        b.at = 0;
        game_play(&g, 48, 12);
        assert_int_equal(g.n, 48);
        assert_string_equal(g.asked[0].why, "default");
        assert_string_equal(g.asked[1].trace, other.asked[14].trace);
        assert_string_equal(g.asked[2].trace, other.asked[15].trace);
        for (uint32_t k = 0; k < g.n; k++)
            assert_int_equal(g.asked[k].id, k);
        game_check_distinct(&g);
        game_end(&g);
    }
    game_end(&other);
    hone_space_free(sp);
}

/* The same when it comes in the middle of a replay, by the space's own stop. */
static void a_stop_of_the_space(void **state)
{
    hone_space *sp = small_matmul();
    game other;
    game_start(&other, *state, sp, 14);
    game_ask(&other, 16);
    unsigned interrupted = 0;
    for (uint64_t at = 1; at < 400; at = at * 3 / 2 + 1) {
        game g;
        game_start(&g, *state, sp, 13);
        hone_search_suggest(g.search, other.asked[14].trace, "log");
        button b = {.search = g.search, .at = at};
        sp->stop = pressed;
        sp->stop_ctx = &b;
        hone_error err = {0};
        uint32_t n = 99;
        hone_status st = hone_search_ask(g.search, 12, g.asked, &n, &err);
        sp->stop = NULL;
        assert_int_equal(st, b.looks < at ? HONE_OK : HONE_E_INTERRUPTED);
        assert_true(st == HONE_OK || n == 0);
        interrupted += st != HONE_OK;
        g.n = n;
        game_play(&g, 16, 12);
        assert_int_equal(g.n, 16);
        assert_string_equal(g.asked[0].why, "default");
        assert_string_equal(g.asked[1].trace, other.asked[14].trace);
        game_check_distinct(&g);
        game_end(&g);
    }
    assert_true(interrupted > 8);
    game_end(&other);
    hone_space_free(sp);
}

/* ---- the end of the space -------------------------------------------------------------------- */

static void exhausts_a_tiny_space(void **state)
{
    const hone_size sizes[] = {{"M", 2}, {"N", 2}};
    hone_space *sp = simulated_space("row_sum", sizes, 2, 1);
    game g;
    game_start(&g, *state, sp, 1);
    game_play(&g, GAME_MAX - 16, 16);
    assert_true(g.n < GAME_MAX - 16);
    game_check_distinct(&g);
    for (int k = 0; k < 3; k++)
        assert_int_equal(game_ask(&g, 16), 0);
    /* no two mean the same, but for the program as written */
    uint64_t programs[GAME_MAX];
    for (uint32_t k = 1; k < g.n; k++) {
        game_replay(&g, g.asked[k].trace);
        programs[k] = hone_program_hash(&g.sched.prog);
        for (uint32_t q = 1; q < k; q++)
            assert_true(programs[q] != programs[k]);
    }
    /* and none is missing */
    hone_rng rng;
    hone_rng_seed(&rng, 99);
    for (int k = 0; k < 2000; k++)
        if (hone_space_sample(sp, &rng, &g.sched, NULL) == HONE_OK) {
            uint64_t h = hone_program_hash(&g.sched.prog);
            uint32_t q = 1;
            while (q < g.n && programs[q] != h)
                q++;
            assert_true(q < g.n);
        }
    game_end(&g);
    hone_space_free(sp);
}

/* A copy of one element: no decision makes a difference. */
static void a_space_of_one(void **state)
{
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
    game_start(&g, *state, sp, 1);
    game_play(&g, 32, 8);
    /* as it is, and once more as a schedule, however many decisions lead to it */
    assert_int_equal(g.n, 2);
    assert_string_equal(g.asked[0].why, "default");
    game_check_distinct(&g);
    assert_int_equal(game_ask(&g, 8), 0);
    game_end(&g);
    hone_space_free(sp);
    hone_program_fini(&p);
}

/* ---- the search itself ----------------------------------------------------------------------- */

static void *greedy_start(hone_strategy_env *env)
{
    return env;
}

static void greedy_end(void *self)
{
    (void)self;
}

/* Offers more than is wanted, some of it twice, and things that are no candidates. */
static hone_status greedy_ask(void *self, hone_error *err)
{
    (void)err;
    hone_strategy_env *env = self;
    hone_trace nonsense = {0};
    hone_inst get = {.kind = HONE_INST_GetBlock};
    hone_vec_push(&nonsense.insts, get);
    for (int k = 0; k < 40; k++)
        if (hone_strategy_sample(env) && hone_strategy_offer_sched(env, "greedy", 1)) {
            assert_false(hone_strategy_offer_sched(env, "again", 1));
            hone_trace same = {0};
            hone_trace_copy(&same, &env->sched.trace);
            assert_true(hone_strategy_knows(env, hone_strategy_key(&same)));
            assert_false(hone_strategy_offer(env, &same, "again", 1));
            hone_trace_free(&same);
            assert_false(hone_strategy_offer(env, &nonsense, "nonsense", 1));
        }
    hone_trace_free(&nonsense);
    assert_int_equal(hone_strategy_wanted(env), 0);
    return HONE_OK;
}

static void greedy_tell(void *self, const hone_lesson *lesson)
{
    (void)self;
    assert_true(lesson->features->rows > 0);
}

/* What is offered beyond what was wanted comes the next time, and first. */
static void more_than_wanted(void **state)
{
    (void)state;
    static const hone_strategy greedy = {.name = "greedy",
                                         .summary = "takes all",
                                         .start = greedy_start,
                                         .end = greedy_end,
                                         .ask = greedy_ask,
                                         .tell = greedy_tell};
    hone_space *sp = small_matmul();
    game g;
    hone_search_stats before, after;
    game_start(&g, &greedy, sp, 1);
    assert_int_equal(game_ask(&g, 4), 4);
    hone_search_get_stats(g.search, &before);
    assert_int_equal(before.proposed, 4);
    game_play(&g, 24, 5);
    hone_search_get_stats(g.search, &after);
    assert_true(before.replayed == after.replayed); /* there were enough */
    game_play(&g, 90, 7);
    assert_int_equal(g.n, 90);
    for (uint32_t k = 0; k < g.n; k++) {
        assert_int_equal(g.asked[k].id, k);
        assert_string_equal(g.asked[k].why, k ? "greedy" : "default");
    }
    game_check_distinct(&g);
    game_end(&g);
    hone_space_free(sp);
}

/* ---- in a session ---------------------------------------------------------------------------- */

/* A session goes by it, and its row in the log says so; another may go on with the same log. */
static void a_session(void **state)
{
    const hone_strategy *strategy = *state;
    fake_pool f;
    fake_open(&f);
    for (unsigned again = 0; again < 2; again++) {
        const hone_strategy *by = again ? hone_strategy_at(0) : strategy;
        hone_error err = {0};
        hone_db_session row;
        json_t *j = NULL;
        fake_user *u = fake_start(&f, 0, &(fake_want){.trials = 12, .strategy = by});
        fake_work(&f);
        assert_int_equal(u->r->status, HONE_OK);
        assert_int_equal(u->r->trials, 12);
        assert_int_equal(u->r->known, again ? 12 : 0);
        assert_true(u->r->search.proposed >= 12);
        assert_int_equal(hone_db_session_load(u->db, again + 1, &row, &err), HONE_OK);
        assert_int_equal(hone_json_parse(row.state, strlen(row.state), &j, &err), HONE_OK);
        const char *name = json_string_value(json_object_get(j, "strategy"));
        assert_non_null(name);
        assert_string_equal(name, by->name);
        json_decref(j);
        hone_db_session_free(&row);
        fake_end(&f, 0);
    }
    fake_close(&f);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void found_by_name(void **state)
{
    const hone_strategy *s = *state;
    assert_ptr_equal(hone_strategy_find(s->name), s);
    assert_true(s->name[0] && s->summary[0] && strlen(s->summary) <= 60);
    assert_null(strpbrk(s->name, " ,\n"));
    assert_null(strchr(s->summary, '\n'));
    assert_null(hone_strategy_find("none such"));
    assert_null(hone_strategy_find(""));
    /* the default */
    hone_space *sp = small_matmul();
    game a, b;
    game_start(&a, NULL, sp, 1);
    game_start(&b, hone_strategy_at(0), sp, 1);
    game_ask(&a, 40);
    game_ask(&b, 40);
    assert_int_equal(a.n, b.n);
    for (uint32_t k = 0; k < a.n; k++)
        assert_true(a.asked[k].hash == b.asked[k].hash);
    game_end(&a);
    game_end(&b);
    hone_space_free(sp);
}

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } all[] = {
#define TEST(f) {#f, f}
        TEST(the_program_as_written_first),
        TEST(candidates_are_whole),
        TEST(never_twice),
        TEST(same_seed_same_search),
        TEST(suggestions),
        TEST(a_log_is_remembered),
        TEST(by_number_or_by_trace),
        TEST(nonsense_is_ignored),
        TEST(rejections),
        TEST(odd_results),
        TEST(a_stop_is_heeded),
        TEST(a_stop_of_the_space),
        TEST(exhausts_a_tiny_space),
        TEST(a_space_of_one),
        TEST(a_session),
        TEST(found_by_name),
#undef TEST
    };
    HONE_VEC(struct CMUnitTest) tests = {0};
    for (unsigned s = 0; hone_strategy_at(s); s++)
        for (unsigned k = 0; k < HONE_LEN(all); k++)
            hone_vec_push(&tests,
                          (struct CMUnitTest){.name = hone_xasprintf(
                                                  "%s: %s", hone_strategy_at(s)->name, all[k].name),
                                              .test_func = all[k].run,
                                              .initial_state = (void *)hone_strategy_at(s)});
    hone_vec_push(&tests, (struct CMUnitTest){.name = hone_xstrdup("more_than_wanted"),
                                              .test_func = more_than_wanted});
    int failed = _cmocka_run_group_tests("strategies", tests.v, tests.n, NULL, NULL);
    for (uint32_t k = 0; k < tests.n; k++)
        free((char *)tests.v[k].name);
    hone_vec_free(&tests);
    return failed;
}
