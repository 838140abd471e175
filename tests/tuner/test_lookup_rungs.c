/* The ladder: which rung answers, that no answer is predicted to be slower than the default, and
 * what several logs, or a damaged one, make of it. */
#include "lookup_log.h"

static hone_target cpu;

/* ---- a rung each ----------------------------------------------------------------------------- */

static void exact_is_what_was_measured(void **state)
{
    (void)state;
    test_log l;
    log_open(&l);
    log_tune(&l, (mnk){64, 48, 32}, &cpu, 1, 8);
    hone_lookup_answer a;
    SMALL_CHECK(
        ask_logs(&l.db, 1, &(inquiry){{64, 48, 32}, &cpu, 1, HONE_RUNG_exact, false}, &a, err));
    assert_int_equal(a.rung, HONE_RUNG_exact);
    hone_program p = product((mnk){64, 48, 32});
    char *text = hone_target_text(&cpu);
    hone_db_record best;
    SMALL_CHECK(hone_db_best(l.db, hone_program_hash(&p), text, 1, &best, err));
    assert_int_equal(a.time_ns, best.time_ns);
    assert_string_equal(a.record.trace, best.trace);
    for (unsigned k = HONE_RUNG_class; k < HONE_RUNG_COUNT; k++)
        assert_false(a.steps[k].looked);
    hone_db_record_free(&best);
    hone_program_fini(&p);
    free(text);
    hone_lookup_free(&a);
    log_close(&l);
}

static void class_is_for_other_threads(void **state)
{
    (void)state;
    test_log l;
    log_open(&l);
    log_tune(&l, (mnk){128, 96, 64}, &cpu, 1, 24);
    hone_lookup_answer a;
    SMALL_CHECK(
        ask_logs(&l.db, 1, &(inquiry){{128, 96, 64}, &cpu, 2, HONE_RUNG_default, true}, &a, err));
    assert_true(a.steps[HONE_RUNG_class].found);
    assert_int_equal(a.rung == HONE_RUNG_class, a.steps[HONE_RUNG_class].relative <= 1);
    if (a.rung == HONE_RUNG_class) {
        assert_int_equal(a.from_threads, 1);
        assert_null(a.miss);
    }
    hone_lookup_free(&a);
    log_close(&l);
}

/* A program as written was the fastest that a tuning measured: it needs no space to be carried out
 * in, whatever the model predicts of it. */
static void class_has_the_program_as_written(void **state)
{
    (void)state;
    test_log l;
    hone_trace none = {0};
    log_open(&l);
    log_tune(&l, (mnk){64, 48, 32}, &cpu, 1, 8);
    log_put(&l, (mnk){64, 48, 32}, &cpu, 1, &none, 1);
    hone_lookup_answer a;
    SMALL_CHECK(
        ask_logs(&l.db, 1, &(inquiry){{64, 48, 32}, &cpu, 2, HONE_RUNG_default, true}, &a, err));
    assert_int_equal(a.rung, HONE_RUNG_class);
    assert_true(a.as_written);
    assert_int_equal(a.from_threads, 1);
    assert_true(a.share > 0 && a.share <= 1);
    hone_lookup_free(&a);
    log_close(&l);
}

/* Where the processor's name is no difference, what is one is said. */
static void class_says_in_what_targets_differ(void **state)
{
    (void)state;
    test_log l;
    log_open(&l);
    log_tune(&l, (mnk){64, 96, 64}, &cpu, 1, 24);
    hone_target other = cpu;
    other.l2_bytes *= 2;
    hone_lookup_answer a;
    SMALL_CHECK(
        ask_logs(&l.db, 1, &(inquiry){{64, 96, 64}, &other, 1, HONE_RUNG_default, true}, &a, err));
    assert_true(a.steps[HONE_RUNG_class].found);
    char want[100];
    snprintf(want, sizeof want, "has l2-bytes %" PRId64 " instead of %" PRId64 " (", cpu.l2_bytes,
             other.l2_bytes);
    assert_non_null(strstr(a.steps[HONE_RUNG_class].what, want));
    hone_lookup_free(&a);
    log_close(&l);
}

static void nearest_is_of_other_sizes(void **state)
{
    (void)state;
    test_log l;
    log_open(&l);
    log_tune(&l, (mnk){64, 96, 64}, &cpu, 1, 24);
    log_tune(&l, (mnk){128, 96, 64}, &cpu, 1, 24);
    hone_lookup_answer a;
    inquiry q = {{96, 96, 64}, &cpu, 1, HONE_RUNG_default, true};
    SMALL_CHECK(ask_logs(&l.db, 1, &q, &a, err));
    assert_true(a.steps[HONE_RUNG_nearest].found && !a.steps[HONE_RUNG_class].found);
    assert_int_equal(a.rung == HONE_RUNG_nearest, a.steps[HONE_RUNG_nearest].relative <= 1);
    if (a.rung == HONE_RUNG_nearest)
        assert_non_null(strstr(a.from_sizes, "\"N\":96"));
    hone_lookup_free(&a);
    log_close(&l);
}

static void model_is_the_same_each_time(void **state)
{
    (void)state;
    uint64_t first = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        hone_lookup_answer a;
        inquiry q = {{64, 48, 32}, &cpu, 1, HONE_RUNG_default, turn == 1};
        SMALL_CHECK(ask_logs(NULL, 0, &q, &a, err));
        assert_int_equal(a.rung, HONE_RUNG_model);
        assert_true(turn == 0 || hone_trace_hash(&a.sched.trace) == first);
        first = hone_trace_hash(&a.sched.trace);
        assert_true(a.steps[HONE_RUNG_model].relative <= 1);
        assert_non_null(strstr(a.miss, "there is no result of matmul"));
        hone_lookup_free(&a);
    }
}

/* The measure of all others: a schedule of the space, not the loops as written. */
static void default_is_a_schedule(void **state)
{
    (void)state;
    hone_lookup_answer a;
    inquiry q = {{64, 48, 32}, &cpu, 1, HONE_RUNG_default, true};
    SMALL_CHECK(ask_logs(NULL, 0, &q, &a, err));
    assert_true(a.steps[HONE_RUNG_default].found);
    assert_true(fabs(a.steps[HONE_RUNG_default].relative - 1) < 1e-9);
    assert_non_null(strstr(a.steps[HONE_RUNG_default].what, "registers"));
    hone_lookup_free(&a);
    hone_space *sp = space_for(q.size, &cpu, 1);
    lookup l = {.q = &(hone_lookup_question){.program = &sp->base, .target = &cpu, .threads = 1},
                .intrins = hone_intrin_set_new()};
    finding f = {.cost = NAN};
    SMALL_CHECK(hone_lookup__default(&l, &f, err));
    assert_true(f.found && !f.as_written && isfinite(f.cost));
    assert_true(hone_trace_search_part(&f.sched.trace) == hone_trace_search_part(&sp->seeds.v[0]));
    hone_sched_fini(&f.sched);
    free(f.what);
    hone_space_free(l.space);
    hone_model_free(l.model);
    hone_model_free(l.prior);
    hone_intrin_set_free(l.intrins);
    hone_space_free(sp);
}

/* ---- what code generation refuses ------------------------------------------------------------ */

static unsigned refusals; /* still to come */

static hone_status refuse(const hone_lookup_question *q, const hone_sched *s, bool as_written,
                          const hone_intrin_set *intrins, hone_error *err)
{
    assert_non_null(intrins);
    assert_true(q->threads == 1 && s->prog.name.i > 0);
    assert_int_equal(as_written, hone_trace_search_part(&s->trace) == 0);
    if (refusals == 0)
        return HONE_OK;
    refusals--;
    return hone_fail(err, HONE_REJECT_BUILD, "not this\none");
}

/* The next rung takes its place, down to the program as written, of which a refusal is the end. */
static void what_is_refused_is_passed_over(void **state)
{
    (void)state;
    test_log l;
    log_open(&l);
    log_tune(&l, (mnk){64, 48, 32}, &cpu, 1, 8);
    hone_program p = product((mnk){64, 48, 32});
    hone_lookup_question q = {.program = &p,
                              .sizes = "{\"K\":32,\"M\":64,\"N\":48}",
                              .title = "matmul",
                              .target = &cpu,
                              .threads = 1,
                              .logs = &l.db,
                              .n_logs = 1,
                              .lowest = HONE_RUNG_default,
                              .accept = refuse};
    const struct {
        unsigned refusals;
        hone_rung rung;
        bool as_written;
        const char *says;
    } cases[] = {{0, HONE_RUNG_exact, false, "it was tuned"},
                 {1, HONE_RUNG_model, false, "; no code can be made of exact"},
                 {2, HONE_RUNG_default, false,
                  "no code can be made of exact; no code can be made "
                  "of model"},
                 {3, HONE_RUNG_default, true, "(not this); the program as written; no code"}};
    hone_lookup_answer a;
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        refusals = cases[k].refusals;
        SMALL_CHECK(hone_lookup(&q, &a, err));
        assert_int_equal(a.rung, cases[k].rung);
        assert_int_equal(a.as_written, cases[k].as_written);
        assert_non_null(strstr(a.reason, cases[k].says));
        assert_true(!a.steps[HONE_RUNG_exact].taken == (k > 0));
        assert_true(k == 0 || strstr(a.miss, "no code can be made of the result of matmul"));
        hone_lookup_free(&a);
    }
    hone_error e = {0};
    refusals = 4;
    assert_int_equal(hone_lookup(&q, &a, &e), HONE_REJECT_BUILD);
    assert_string_equal(e.message, "not this\none");
    hone_lookup_free(&a);
    refusals = 1;
    q.lowest = HONE_RUNG_exact;
    assert_int_equal(hone_lookup(&q, &a, &e), HONE_E_NOTFOUND);
    assert_non_null(strstr(e.message, "no code can be made"));
    hone_lookup_free(&a);
    hone_program_fini(&p);
    log_close(&l);
}

/* ---- the guard ------------------------------------------------------------------------------- */

/* Schedules at random and seeds, each the only one of its log: taken if and only if the default is
 * not predicted to be faster. */
static void nothing_slower_than_the_default(void **state)
{
    (void)state;
    const mnk size = {96, 64, 48};
    hone_space *sp = space_for(size, &cpu, 1);
    hone_sched s = {0};
    hone_rng rng;
    unsigned taken = 0, passed = 0;
    hone_rng_seed(&rng, 11);
    for (unsigned turn = 0; turn < 24; turn++) {
        const hone_trace *seed = turn % 3 ? NULL : &sp->seeds.v[turn % sp->seeds.n];
        if ((seed ? hone_space_finish(sp, seed, &s, NULL)
                  : hone_space_sample(sp, &rng, &s, NULL)) != HONE_OK)
            continue;
        test_log l;
        log_open(&l);
        log_put(&l, size, &cpu, 1, &s.trace, 1000);
        bool other = turn % 2; /* sizes, or else threads */
        hone_rung r = other ? HONE_RUNG_nearest : HONE_RUNG_class;
        inquiry q = {other ? (mnk){96, 64, 96} : size, &cpu, other ? 1 : 2, HONE_RUNG_default,
                     true};
        hone_lookup_answer a;
        hone_error e = {0};
        SMALL_CHECK(ask_logs(&l.db, 1, &q, &a, err));
        if (a.steps[r].found) {
            bool good = a.steps[r].relative <= 1;
            assert_int_equal(a.steps[r].taken, good);
            assert_true(a.steps[a.rung].relative <= 1);
            taken += good;
            passed += !good;
            assert_true(good || strstr(a.steps[r].what, "passed over"));
            assert_true(good || strstr(a.reason, "predicted to be slower than the default"));
            hone_lookup_free(&a);
            q.lowest = r;
            q.explain = false;
            hone_status st = ask_logs(&l.db, 1, &q, &a, &e);
            assert_int_equal(st, good ? HONE_OK : HONE_E_NOTFOUND);
            assert_true(good || strstr(e.message, "passed over"));
        }
        hone_lookup_free(&a);
        log_close(&l);
    }
    print_message("%u taken, %u passed over\n", taken, passed);
    assert_true(taken > 0 && passed > 0);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

/* ---- what is required, and explained --------------------------------------------------------- */

static double gain_at(double predicted, double far, int64_t default_ns, double favour)
{
    const hone_lookup_near v = {
        .far = far, .best_ns = 1000, .default_ns = default_ns, .favour = favour};
    return hone_lookup__gain(&v, 1, predicted);
}

/* What is expected at least follows from what was measured at near sizes. */
static void the_gain_is_as_at_near_sizes(void **state)
{
    (void)state;
    const hone_lookup_near none[] = {{.best_ns = 1000, .favour = NAN}, {.favour = NAN}},
                           two[] = {{.best_ns = 1000, .default_ns = 1500, .favour = 0.1},
                                    {.best_ns = 1000, .default_ns = 1500, .favour = 0.1},
                                    {.favour = NAN}},
                           apart[] = {{.best_ns = 1000, .default_ns = 1500, .favour = 0.5},
                                      {.best_ns = 1000, .default_ns = 1500, .favour = -0.3}};
    /* nothing is known of them: the model's word */
    assert_true(fabs(hone_lookup__gain(NULL, 0, 0.3) - 0.3) < 1e-12);
    assert_true(fabs(hone_lookup__gain(none, 2, -0.2) + 0.2) < 1e-12);
    assert_true(isinf(gain_at(HUGE_VAL, 0, 1500, 0)));
    /* more is expected where more was predicted, where the default did worse and the model favoured
     * others less, and less is sure the further the size, the fewer and the less alike they are */
    double base = gain_at(0.4, 0.5, 1500, 0.1);
    assert_true(base < log(1.5));
    assert_true(gain_at(0.5, 0.5, 1500, 0.1) > base);
    assert_true(gain_at(0.4, 0.5, 2000, 0.1) > base);
    assert_true(gain_at(0.4, 0.5, 1500, 0.3) < base);
    assert_true(gain_at(0.4, 2, 1500, 0.1) < base);
    assert_true(hone_lookup__gain(two, 3, 0.4) > hone_lookup__gain(two, 1, 0.4));
    assert_true(fabs(hone_lookup__gain(two, 3, 0.4) - hone_lookup__gain(two, 2, 0.4)) < 1e-12);
    assert_true(hone_lookup__gain(apart, 2, 0.4) < hone_lookup__gain(two, 2, 0.4));
    /* nowhere faster than the default, whatever the model says of it */
    assert_true(gain_at(0.1, 0, 1000, 0.5) < 0);
}

/* Beside those at random the seeds but for the default, which are as good as it is. */
static void log_seeds(test_log *l, mnk size)
{
    hone_space *sp = space_for(size, &cpu, 1);
    hone_sched s = {0};
    hone_features f = {0};
    for (uint32_t k = 1; k < sp->seeds.n; k++)
        if (hone_space_finish(sp, &sp->seeds.v[k], &s, NULL) == HONE_OK) {
            hone_features_extract(&s.prog, &cpu, 1, NULL, &f);
            log_put(l, size, &cpu, 1, &s.trace, llround(f.draft_ns) + 1);
        }
    hone_features_free(&f);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

/* Of the log of a near size in which the default took so long. */
static hone_rung answer_when_default_took(double times_the_best, mnk near, hone_lookup_answer *a)
{
    test_log l;
    hone_db_record best;
    hone_sched s = {0};
    bool found;
    log_open(&l);
    log_tune(&l, near, &cpu, 1, 24);
    log_seeds(&l, near);
    hone_space *sp = space_for(near, &cpu, 1);
    char *text = hone_target_text(&cpu);
    SMALL_CHECK(hone_db_best(l.db, hone_program_hash(&sp->base), text, 1, &best, err));
    SMALL_CHECK(hone_space_default(sp, &s, &found, err));
    assert_true(found);
    if (times_the_best > 0)
        log_put(&l, near, &cpu, 1, &s.trace, llround((double)best.time_ns * times_the_best) + 1);
    inquiry q = {{96, 96, 64}, &cpu, 1, HONE_RUNG_default, true};
    SMALL_CHECK(ask_logs(&l.db, 1, &q, a, err));
    assert_true(a->steps[HONE_RUNG_nearest].found);
    free(text);
    hone_db_record_free(&best);
    hone_sched_fini(&s);
    hone_space_free(sp);
    log_close(&l);
    return a->rung;
}

/* Where the model thought too little of the default at a near size, it is believed less here. */
static void the_default_of_near_sizes_counts(void **state)
{
    (void)state;
    /* one of these has a schedule that the draft prefers to the default */
    static const mnk nears[] = {{64, 96, 64},   {96, 96, 96},  {96, 96, 128}, {128, 96, 64},
                                {192, 192, 64}, {96, 192, 64}, {32, 96, 64},  {96, 64, 64}};
    hone_lookup_answer a;
    hone_rung plain = HONE_RUNG_default;
    unsigned k = 0;
    while (plain != HONE_RUNG_nearest && k < HONE_LEN(nears)) {
        plain = answer_when_default_took(0, nears[k++], &a); /* not measured */
        hone_lookup_free(&a);
    }
    assert_int_equal(plain, HONE_RUNG_nearest);
    mnk near = nears[k - 1];
    print_message("M=%d N=%d K=%d\n", (int)near.m, (int)near.n, (int)near.k);
    assert_int_equal(answer_when_default_took(1000, near, &a), plain);
    hone_lookup_free(&a);
    assert_int_equal(answer_when_default_took(0.01, near, &a), HONE_RUNG_default);
    assert_true(a.steps[HONE_RUNG_nearest].relative <= 1);
    assert_non_null(strstr(a.steps[HONE_RUNG_nearest].what, "measured at near sizes it may take"));
    assert_int_equal(a.n_near, 1);
    assert_true(a.near[0].default_ns > 0 && a.near[0].favour > 0);
    assert_non_null(strstr(a.reason, "not surely faster"));
    hone_lookup_free(&a);
}

static void a_rung_is_required(void **state)
{
    (void)state;
    test_log l;
    hone_error e = {0};
    hone_lookup_answer a;
    log_open(&l);
    log_tune(&l, (mnk){64, 48, 32}, &cpu, 1, 24);
    log_seeds(&l, (mnk){64, 48, 32});
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        inquiry q = {{64, 48, 64}, &cpu, 1, (hone_rung)k, false};
        hone_status st = ask_logs(&l.db, 1, &q, &a, &e);
        if (k < HONE_RUNG_nearest) {
            assert_int_equal(st, HONE_E_NOTFOUND);
            assert_non_null(strstr(e.message, "it has this name for K=32 M=64 N=48, 1 thread"));
            assert_null(strchr(e.message, '\n'));
        } else {
            assert_int_equal(st, HONE_OK);
            assert_true(a.rung >= HONE_RUNG_nearest && a.rung <= k);
        }
        hone_lookup_free(&a);
    }
    hone_rung r;
    assert_true(hone_rung_parse("nearest", &r) && r == HONE_RUNG_nearest);
    assert_false(hone_rung_parse("best", &r));
    assert_string_equal(hone_rung_name(HONE_RUNG_exact), "exact");
    log_close(&l);
}

/* What is explained is answered the same. */
static void explaining_changes_nothing(void **state)
{
    (void)state;
    const inquiry of[] = {{{64, 48, 32}, &cpu, 1, HONE_RUNG_default, false},
                          {{64, 48, 32}, &cpu, 2, HONE_RUNG_default, false},
                          {{64, 48, 48}, &cpu, 1, HONE_RUNG_default, false},
                          {{64, 48, 48}, &cpu, 1, HONE_RUNG_exact, false}};
    test_log l;
    log_open(&l);
    log_tune(&l, (mnk){64, 48, 32}, &cpu, 1, 16);
    for (unsigned k = 0; k < HONE_LEN(of); k++) {
        hone_lookup_answer a[2];
        hone_status st[2];
        for (int turn = 0; turn < 2; turn++) {
            inquiry q = of[k];
            q.explain = turn;
            st[turn] = ask_logs(&l.db, 1, &q, &a[turn], NULL);
        }
        assert_int_equal(st[0], st[1]);
        assert_int_equal(st[0], k == 3 ? HONE_E_NOTFOUND : HONE_OK);
        assert_int_equal(a[0].rung, a[1].rung);
        assert_true(hone_trace_hash(&a[0].sched.trace) == hone_trace_hash(&a[1].sched.trace));
        for (unsigned r = 0; r < HONE_RUNG_COUNT; r++)
            assert_true(a[1].steps[r].looked && a[1].steps[r].what);
        hone_lookup_free(&a[0]);
        hone_lookup_free(&a[1]);
    }
    log_close(&l);
}

/* ---- logs ------------------------------------------------------------------------------------ */

/* The best rung first; within one the order of the logs; of sizes the nearest in any. */
static void several_logs(void **state)
{
    (void)state;
    test_log one, two;
    hone_lookup_answer a;
    log_open(&one);
    log_open(&two);
    log_tune(&one, (mnk){64, 48, 32}, &cpu, 2, 16); /* of rung class for one thread */
    log_tune(&two, (mnk){64, 48, 32}, &cpu, 1, 4);
    hone_db *const both[] = {one.db, two.db}, *const back[] = {two.db, one.db};
    const inquiry q = {{64, 48, 32}, &cpu, 1, HONE_RUNG_default, false};
    SMALL_CHECK(ask_logs(both, 2, &q, &a, err));
    assert_int_equal(a.rung, HONE_RUNG_exact);
    hone_lookup_free(&a);

    log_tune(&one, (mnk){64, 48, 32}, &cpu, 1, 1);
    for (int turn = 0; turn < 2; turn++) {
        hone_db *const *logs = turn ? back : both;
        hone_lookup_answer first;
        SMALL_CHECK(ask_logs(logs, 2, &q, &a, err));
        SMALL_CHECK(ask_logs(logs, 1, &q, &first, err));
        assert_string_equal(a.record.trace, first.record.trace);
        hone_lookup_free(&a);
        hone_lookup_free(&first);
    }
    log_tune(&one, (mnk){512, 512, 512}, &cpu, 1, 8);
    log_tune(&two, (mnk){96, 96, 64}, &cpu, 1, 8);
    SMALL_CHECK(
        ask_logs(both, 2, &(inquiry){{96, 96, 96}, &cpu, 1, HONE_RUNG_default, true}, &a, err));
    assert_true(a.steps[HONE_RUNG_nearest].found);
    hone_lookup_free(&a);
    log_close(&one);
    log_close(&two);
}

/* Changes the first `what` of the file after `after` bytes. */
static void spoil(const char *path, const char *what)
{
    char *bytes = NULL;
    size_t n = 0;
    SMALL_CHECK(hone_file_read(path, 64 << 20, &bytes, &n, err));
    unsigned spoiled = 0;
    for (char *at = bytes; at + strlen(what) < bytes + n; at++)
        if (memcmp(at, what, strlen(what)) == 0) {
            at[1] ^= 1;
            spoiled++;
        }
    assert_true(spoiled > 0);
    SMALL_CHECK(hone_file_write(path, bytes, n, err));
    free(bytes);
}

/* A failure is told on whatever rung it shows, and no rung below it answers. */
static void a_damaged_log_is_no_miss(void **state)
{
    (void)state;
    const inquiry of[] = {{{64, 48, 32}, &cpu, 1, HONE_RUNG_default, false},
                          {{64, 48, 32}, &cpu, 2, HONE_RUNG_default, false},
                          {{64, 48, 48}, &cpu, 1, HONE_RUNG_default, false}};
    test_log l, fine;
    log_open(&l);
    log_open(&fine);
    log_tune(&l, (mnk){64, 48, 32}, &cpu, 1, 4);
    hone_db_close(l.db);
    spoil(l.path, "SampleImperfectTile");
    SMALL_CHECK(hone_db_open(l.path, HONE_DB_READ, &l.db, err));
    hone_db *const both[] = {fine.db, l.db};
    for (unsigned k = 0; k < HONE_LEN(of); k++) {
        hone_lookup_answer a;
        hone_error e = {0};
        assert_int_equal(ask_logs(both, 2, &of[k], &a, &e), HONE_E_CORRUPT);
        assert_non_null(strstr(e.message, l.path));
        hone_lookup_free(&a);
    }
    log_close(&l);
    log_close(&fine);
}

/* A kernel that cannot be found any more is no kernel that was never there. */
static void a_lost_kernel_is_no_miss(void **state)
{
    (void)state;
    test_log l;
    log_open(&l);
    log_tune(&l, (mnk){64, 48, 32}, &cpu, 1, 4);
    hone_db_close(l.db);
    spoil(l.path, "matmul"); /* its name, by which it is found, in row and index alike */
    SMALL_CHECK(hone_db_open(l.path, HONE_DB_READ, &l.db, err));
    for (unsigned k = 0; k < 2; k++) {
        hone_lookup_answer a;
        hone_error e = {0};
        inquiry q = {{64, 48, 48}, &cpu, 1, k ? HONE_RUNG_default : HONE_RUNG_nearest, false};
        assert_int_equal(ask_logs(&l.db, 1, &q, &a, &e), HONE_E_CORRUPT);
        hone_lookup_free(&a);
    }
    log_close(&l);
}

static bool at_once(void *ctx)
{
    unsigned *left = ctx;
    *left -= *left > 0;
    return *left == 0;
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    hone_program p = product((mnk){64, 48, 32});
    for (unsigned when = 1; when < 2000; when *= 7) {
        unsigned left = when;
        hone_lookup_answer a;
        assert_int_equal(hone_lookup(&(hone_lookup_question){.program = &p,
                                                             .sizes = "{}",
                                                             .title = "matmul",
                                                             .target = &cpu,
                                                             .threads = 1,
                                                             .lowest = HONE_RUNG_default,
                                                             .stop = at_once,
                                                             .stop_ctx = &left},
                                     &a, NULL),
                         HONE_E_INTERRUPTED);
        hone_lookup_free(&a);
    }
    hone_program_fini(&p);
}

int main(void)
{
    cpu = simulated_target();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_is_what_was_measured),
        cmocka_unit_test(class_is_for_other_threads),
        cmocka_unit_test(class_has_the_program_as_written),
        cmocka_unit_test(class_says_in_what_targets_differ),
        cmocka_unit_test(nearest_is_of_other_sizes),
        cmocka_unit_test(model_is_the_same_each_time),
        cmocka_unit_test(what_is_refused_is_passed_over),
        cmocka_unit_test(default_is_a_schedule),
        cmocka_unit_test(nothing_slower_than_the_default),
        cmocka_unit_test(the_gain_is_as_at_near_sizes),
        cmocka_unit_test(the_default_of_near_sizes_counts),
        cmocka_unit_test(a_rung_is_required),
        cmocka_unit_test(explaining_changes_nothing),
        cmocka_unit_test(several_logs),
        cmocka_unit_test(a_damaged_log_is_no_miss),
        cmocka_unit_test(a_lost_kernel_is_no_miss),
        cmocka_unit_test(it_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
