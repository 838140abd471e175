/* What a log teaches: every result once and as it was measured, and how good a model is at kernels
 * it has not seen. */
#include "small_log.h"

static small_log l;

static int setup(void **state)
{
    (void)state;
    small_log_open(&l);
    small_log_fill(&l);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    small_log_close(&l);
    return 0;
}

/* ---- results --------------------------------------------------------------------------------- */

typedef struct reader {
    uint32_t kernels, results, most, last;
    uint64_t task;
    uint32_t stop_after; /* results; 0: never */
} reader;

static small_result *find(uint64_t workload, uint64_t hash, bool other)
{
    for (uint32_t k = 0; k < l.v.n; k++) {
        small_result *r = &l.v.v[k];
        if (r->hash == hash && r->workload == workload && r->other == other)
            return r;
    }
    return NULL;
}

static bool look(void *ctx, const hone_history_kernel *k, const hone_history_result *r)
{
    reader *x = ctx;
    bool other = k->target->l3_bytes != l.target.l3_bytes;
    small_result *want = find(k->hash, hone_trace_hash(r->trace), other);
    if (!want)
        fail_msg("%s %s: a result that is not in the log", k->name, k->sizes);
    want->seen++;
    assert_int_equal(k->threads, want->threads);
    assert_true(r->time_ns == want->ns);
    assert_int_equal(r->status, want->ns > 0 ? HONE_OK : HONE_REJECT_RUN_TIMEOUT);
    assert_true(hone_program_hash(k->program) == k->hash);
    assert_true(k->task == hone_model_task(k->program, k->target, k->threads));
    assert_true(r->features->rows > 0 && r->features->draft_ns > 0);
    if (x->kernels == 0 || x->task != k->task) { /* kernel by kernel */
        x->kernels++;
        x->task = k->task;
        x->most = x->last > x->most ? x->last : x->most;
        x->last = 0;
    }
    x->last++;
    x->results++;
    return x->stop_after == 0 || x->results < x->stop_after;
}

static reader read_log(hone_history_options o, uint32_t stop_after)
{
    reader x = {.stop_after = stop_after};
    o.db = l.db;
    for (uint32_t k = 0; k < l.v.n; k++)
        l.v.v[k].seen = 0;
    SMALL_CHECK(hone_history_read(&o, look, &x, err));
    x.most = x.last > x.most ? x.last : x.most;
    return x;
}

static void every_result_once(void **state)
{
    (void)state;
    reader x = read_log((hone_history_options){0}, 0);
    assert_int_equal(x.kernels, l.kernels);
    assert_int_equal(x.results, l.v.n);
    for (uint32_t k = 0; k < l.v.n; k++)
        assert_int_equal(l.v.v[k].seen, 1);
}

static void of_some_kernels_only(void **state)
{
    (void)state;
    reader x = read_log((hone_history_options){.target_class = l.class}, 0);
    assert_int_equal(x.kernels, l.kernels - 1);
    for (uint32_t k = 0; k < l.v.n; k++)
        assert_int_equal(l.v.v[k].seen, !l.v.v[k].other);
    x = read_log((hone_history_options){.target_class = l.class, .threads = 2}, 0);
    assert_int_equal(x.kernels, 1);
    for (uint32_t k = 0; k < l.v.n; k++)
        assert_int_equal(l.v.v[k].seen, l.v.v[k].threads == 2);
    uint64_t without = l.v.v[0].workload;
    x = read_log((hone_history_options){.without = without}, 0);
    for (uint32_t k = 0; k < l.v.n; k++)
        assert_int_equal(l.v.v[k].seen, l.v.v[k].workload != without);
    x = read_log((hone_history_options){.target_class = "none"}, 0);
    assert_int_equal(x.results, 0);
    x = read_log((hone_history_options){.most = 5}, 0); /* of each, the first */
    assert_int_equal(x.most, 5);
    assert_int_equal(x.results, 5 * l.kernels);
    for (uint32_t k = 0; k < l.v.n; k++)
        assert_int_equal(l.v.v[k].seen, k % SMALL_LOG_EACH < 5);
}

static bool at_the_seventh(void *ctx)
{
    return ++*(unsigned *)ctx >= 7;
}

static void reading_ends_when_it_is_asked_to(void **state)
{
    (void)state;
    assert_int_equal(read_log((hone_history_options){0}, 11).results, 11);
    unsigned asked = 0;
    reader x = {0};
    hone_error err = {0};
    const hone_history_options o = {.db = l.db, .stop = at_the_seventh, .stop_ctx = &asked};
    /* It says so, and reads no further. */
    assert_int_equal(hone_history_read(&o, look, &x, &err), HONE_E_INTERRUPTED);
    assert_true(err.message[0] && x.results < 7);
}

/* ---- held out -------------------------------------------------------------------------------- */

#define MAX_TOLD 64
typedef struct told {
    hone_holdout_kernel kernel;
    uint32_t n;
    hone_model_quality q[HONE_HOLDOUT_TEACHERS];
} told;
typedef struct report {
    told v[MAX_TOLD];
    unsigned n;
} report;

static void note_all(void *ctx, const hone_holdout_kernel *k, uint32_t n,
                     const hone_model_quality of[HONE_HOLDOUT_TEACHERS])
{
    report *r = ctx;
    assert_true(r->n < MAX_TOLD);
    told *t = &r->v[r->n++];
    memset(t, 0, sizeof *t);
    t->kernel = *k;
    t->n = n;
    for (int q = 0; q < HONE_HOLDOUT_TEACHERS; q++)
        t->q[q] = of[q];
}

static void note(void *ctx, const hone_holdout_kernel *k, uint32_t n,
                 const hone_model_quality of[HONE_HOLDOUT_TEACHERS])
{
    assert_true(of[HONE_HOLDOUT_APART].candidates == 0 && of[HONE_HOLDOUT_OWN].candidates == 0);
    note_all(ctx, k, n, of);
}

static void judge(report *r)
{
    static const uint32_t sizes[] = {0, 16, 64};
    memset(r, 0, sizeof *r);
    SMALL_CHECK(hone_holdout(
        &(hone_holdout_options){.history = {.db = l.db, .target_class = l.class, .threads = 1},
                                .seed = 1,
                                .threads = 1,
                                .folds = 3,
                                .sizes = sizes,
                                .n_sizes = HONE_LEN(sizes)},
        note, r, err));
}

static double mean(const report *r, uint32_t n, int warm)
{
    double sum = 0;
    unsigned of = 0;
    for (unsigned k = 0; k < r->n; k++)
        if (r->v[k].n == n) {
            sum += r->v[k].q[warm].pair_accuracy;
            of++;
        }
    assert_int_equal(of, 5);
    return sum / of;
}

/* The machine differs from the draft in ways that all kernels share: what the others taught is
 * worth something from the start. */
static void better_than_chance_at_unseen_kernels(void **state)
{
    (void)state;
    static report r, again;
    judge(&r);
    assert_int_equal(r.n, 10); /* five kernels, none with 64 + 32 candidates */
    for (int n = 0; n <= 16; n += 16)
        print_message("after %2d: pairs in order %.3f without, %.3f with the others\n", n,
                      mean(&r, (uint32_t)n, 0), mean(&r, (uint32_t)n, 1));
    assert_true(mean(&r, 0, 0) > 0.6 && mean(&r, 16, 0) > 0.6);
    assert_true(mean(&r, 0, 1) > mean(&r, 0, 0) + 0.02);
    assert_true(mean(&r, 16, 1) > mean(&r, 16, 0) + 0.02);
    for (unsigned k = 0; k < r.n; k++) {
        const hone_model_quality *q = &r.v[k].q[1];
        assert_int_equal(q->candidates, r.v[k].q[0].candidates);
        uint32_t left = SMALL_LOG_EACH - r.v[k].n; /* of which only those with a time are judged */
        assert_in_range(q->candidates, left - SMALL_LOG_EACH / 8, r.v[k].n ? left : left - 7);
        assert_true(q->top1 > 0 && q->top1 <= q->top5 && q->top5 <= 1 && q->peak32 <= 1);
    }
    judge(&again);
    assert_int_equal(again.n, r.n);
    for (unsigned k = 0; k < r.n; k++)
        for (int w = 0; w < 2; w++) {
            assert_string_equal(again.v[k].kernel.name, r.v[k].kernel.name);
            assert_int_equal(again.v[k].n, r.v[k].n);
            assert_memory_equal(&again.v[k].q[w], &r.v[k].q[w],
                                offsetof(hone_model_quality, candidates));
        }
}

/* Two machines, of which the second has one kernel, known on the first with other threads: it has
 * no others of its own to learn from, and two teachers elsewhere. */
static void machines_held_out(void **state)
{
    (void)state;
    static report r;
    static const uint32_t none[] = {0};
    bool blind[HONE_N_FEATURES];
    double by[2];
    for (unsigned k = 0; k < HONE_N_FEATURES; k++) /* the simulated machine goes by others too */
        blind[k] = k < HONE_FEATURE_draft_compute;
    hone_holdout_options o = {.history = {.db = l.db},
                              .seed = 1,
                              .threads = 1,
                              .folds = UINT32_MAX,
                              .by_machine = true,
                              .sizes = none,
                              .n_sizes = 1};
    for (int with = 0; with < 2; with++) {
        memset(&r, 0, sizeof r);
        o.blind = with ? NULL : blind;
        SMALL_CHECK(hone_holdout(&o, note_all, &r, err));
        assert_int_equal(r.n, l.kernels);
        unsigned alone = 0;
        by[with] = 0;
        for (unsigned k = 0; k < r.n; k++) {
            const told *t = &r.v[k];
            bool other = t->kernel.machine != r.v[0].kernel.machine;
            uint32_t n = t->q[HONE_HOLDOUT_NOBODY].candidates;
            assert_string_equal(t->kernel.cpu, l.target.cpu);
            assert_string_equal(t->kernel.class, l.class);
            assert_non_null(strstr(t->kernel.name, " on x86-64"));
            assert_int_equal(t->q[HONE_HOLDOUT_OTHERS].candidates, n);
            assert_int_equal(t->q[HONE_HOLDOUT_OWN].candidates, other ? 0 : n);
            if (other)
                assert_int_equal(t->q[HONE_HOLDOUT_APART].candidates, n);
            else
                by[with] += t->q[HONE_HOLDOUT_OWN].pair_accuracy / (l.kernels - 1);
            alone += other;
        }
        assert_int_equal(alone, 1);
    }
    print_message("pairs in order by a machine's other kernels: %.3f, by their drafts %.3f\n",
                  by[1], by[0]);
    assert_true(by[1] > by[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_once),
        cmocka_unit_test(of_some_kernels_only),
        cmocka_unit_test(reading_ends_when_it_is_asked_to),
        cmocka_unit_test(better_than_chance_at_unseen_kernels),
        cmocka_unit_test(machines_held_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
