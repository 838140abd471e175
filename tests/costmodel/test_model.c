/* The learned model: the draft before there is data, better than the draft after, the same for the
 * same seed, and through a file.
 *
 * Reader's map: the candidates all tests share; learning; files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/costmodel/simulated.h"

#include <sys/stat.h>
#include <unistd.h>

#define N 260 /* candidates of the matmul all tests share */
#define LEARN 160

static struct {
    hone_space *space;
    hone_features f[N];
    const hone_features *all[N];
    double ns[N];
} data;

static char folder[64];

static int group_setup(void **state)
{
    (void)state;
    hone_size sizes[] = {{"M", 256}, {"N", 384}, {"K", 320}};
    data.space = simulated_space("matmul", sizes, 3, 2);
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 11);
    for (unsigned k = 0; k < N;) {
        if (hone_space_sample(data.space, &rng, &s, NULL) != HONE_OK)
            continue;
        hone_features_extract(&s.prog, &data.space->target, 2, NULL, &data.f[k]);
        data.ns[k] = simulated_ns(&data.f[k], hone_trace_hash(&s.trace), 1, 0.02);
        data.all[k] = &data.f[k];
        k++;
    }
    hone_sched_fini(&s);
    snprintf(folder, sizeof folder, "/tmp/hone-model-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    for (unsigned k = 0; k < N; k++)
        hone_features_free(&data.f[k]);
    hone_space_free(data.space);
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static hone_model *new_model(uint64_t seed)
{
    return hone_model_new(&(hone_model_options){.seed = seed, .threads = 1});
}

static void add(hone_model *m, unsigned from, unsigned to)
{
    for (unsigned k = from; k < to; k++)
        hone_model_add(m, 7, &data.f[k], data.ns[k]);
}

static void train(hone_model *m)
{
    hone_error err = {0};
    if (hone_model_train(m, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

static void predict(hone_model *m, double *ret)
{
    hone_error err = {0};
    if (hone_model_predict(m, data.all, N, ret, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

/* Share of the pairs among [from, to) that `cost` orders as the times do. */
static double pair_accuracy(const double *cost, unsigned from, unsigned to)
{
    unsigned right = 0, pairs = 0;
    for (unsigned a = from; a < to; a++)
        for (unsigned b = a + 1; b < to; b++) {
            pairs++;
            right += (cost[a] < cost[b]) == (data.ns[a] < data.ns[b]);
        }
    return (double)right / pairs;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- learning -------------------------------------------------------------------------------- */

/* A search without end tells a model more than it keeps: it is trained again and again, and knows
 * the order as well as one that was told a part. */
static void keeps_no_more_than_it_was_told_to(void **state)
{
    (void)state;
    double cost[N];
    hone_model *m = hone_model_new(&(hone_model_options){.seed = 1, .threads = 1, .most = 96});
    hone_model_metrics got;
    unsigned trainings = 0;
    double before = 0; /* how long the last one took, which is never the same */
    for (unsigned round = 0; round < 30; round++) {
        add(m, 0, LEARN);
        hone_model_add(m, 7, &data.f[0], 0); /* one that was rejected */
        train(m);
        hone_model_get_metrics(m, &got);
        assert_true(got.candidates <= 96 && got.trained_on <= 96);
        trainings += got.train_ms != before;
        before = got.train_ms;
    }
    predict(m, cost);
    double learned = pair_accuracy(cost, LEARN, N);
    print_message("pairs in order: %.3f after %u trainings\n", learned, trainings);
    assert_true(learned > 0.75 && trainings > 10);
    hone_model_free(m);
}

static void untrained_is_the_draft(void **state)
{
    (void)state;
    double cost[N];
    hone_model *m = new_model(1);
    hone_model_metrics got;
    predict(m, cost);
    for (unsigned k = 0; k < N; k++)
        assert_true(cost[k] == log(data.f[k].draft_ns));
    /* so it is with too little to learn from */
    add(m, 0, 3);
    train(m);
    predict(m, cost);
    for (unsigned k = 0; k < N; k++)
        assert_true(cost[k] == log(data.f[k].draft_ns));
    hone_model_get_metrics(m, &got);
    assert_int_equal(got.trained_on, 0);
    assert_true(isnan(got.pair_accuracy));
    hone_model_free(m);
}

static void learns_the_machine(void **state)
{
    (void)state;
    double cost[N];
    hone_model *m = new_model(1);
    hone_model_metrics got;
    predict(m, cost);
    double draft = pair_accuracy(cost, LEARN, N);
    add(m, 0, LEARN);
    train(m);
    predict(m, cost);
    double learned = pair_accuracy(cost, LEARN, N);
    print_message("pairs in order: draft %.3f, learned %.3f\n", draft, learned);
    assert_true(learned > 0.8);
    assert_true(learned > draft + 0.02);
    hone_model_get_metrics(m, &got);
    assert_int_equal(got.candidates, LEARN);
    assert_int_equal(got.trained_on, LEARN);
    assert_true(got.pair_accuracy > 0.7 && got.pair_accuracy <= 1);
    assert_true(got.train_ms > 0);
    hone_model_free(m);
}

static void a_few_candidates_help_or_do_no_harm(void **state)
{
    (void)state;
    double cost[N];
    hone_model *m = new_model(1);
    predict(m, cost);
    double draft = pair_accuracy(cost, LEARN, N);
    add(m, 0, 24);
    train(m);
    predict(m, cost);
    assert_true(pair_accuracy(cost, LEARN, N) > draft - 0.03);
    hone_model_free(m);
}

/* Who has several models of one prior asks it once for all. */
static void a_prior_that_was_asked(void **state)
{
    (void)state;
    double a[N], b[N], word[N], alone[N];
    hone_error err = {0};
    hone_model *prior =
        hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR, .seed = 3, .threads = 1});
    for (unsigned k = 0; k < LEARN; k++)
        hone_model_add(prior, 5, &data.f[k], data.ns[k]);
    train(prior);
    const hone_model_options o = {.seed = 1, .threads = 1, .prior = prior, .trust = 1};
    hone_model *asks = hone_model_new(&o), *told = hone_model_new(&o), *none = new_model(1);
    assert_int_equal(hone_model_ask_prior(none, data.all, N, word, &err), HONE_OK);
    for (unsigned k = 0; k < N; k++)
        assert_true(word[k] == 0);
    assert_int_equal(hone_model_ask_prior(told, data.all, N, word, &err), HONE_OK);
    for (unsigned n = 0; n <= 24; n += 24) { /* before and after there are own results */
        for (unsigned k = 0; k < n; k++) {
            hone_model_add(asks, 7, &data.f[k], data.ns[k]);
            hone_model_add_after(told, 7, &data.f[k], data.ns[k], word[k]);
        }
        train(asks);
        train(told);
        predict(asks, a);
        assert_int_equal(hone_model_predict_after(told, data.all, N, word, b, &err), HONE_OK);
        assert_memory_equal(a, b, sizeof a);
        predict(none, alone);
        assert_memory_not_equal(a, alone, sizeof a);
    }
    hone_model_free(asks);
    hone_model_free(told);
    hone_model_free(none);
    hone_model_free(prior);
}

/* Candidates whose unrolled body is large are refused by this machine. */
static void rejections_are_avoided(void **state)
{
    (void)state;
    double cost[N], refused = 0, fine = 0;
    unsigned n_refused = 0, n_fine = 0;
    float body[N];
    for (unsigned k = 0; k < N; k++) {
        body[k] = 0;
        for (uint32_t r = 0; r < data.f[k].rows; r++)
            body[k] = fmaxf(body[k], data.f[k].v.v[r * HONE_N_FEATURES + HONE_FEATURE_code_bytes]);
    }
    hone_model *m = new_model(1);
    for (unsigned k = 0; k < LEARN; k++)
        hone_model_add(m, 7, &data.f[k], body[k] > 10.0f ? 0 : data.ns[k]);
    train(m);
    predict(m, cost);
    for (unsigned k = LEARN; k < N; k++) {
        double more = cost[k] - log(data.ns[k]); /* than it would have taken */
        if (body[k] > 10.0f) {
            refused += more;
            n_refused++;
        } else {
            fine += more;
            n_fine++;
        }
    }
    assert_true(n_refused > 10 && n_fine > 10);
    assert_true(refused / n_refused > fine / n_fine + 0.2);
    hone_model_free(m);

    /* nothing but rejections: there is nothing to compare, and it stays the draft */
    m = new_model(1);
    for (unsigned k = 0; k < 40; k++)
        hone_model_add(m, 7, &data.f[k], 0);
    train(m);
    predict(m, cost);
    for (unsigned k = 0; k < N; k++)
        assert_true(cost[k] == log(data.f[k].draft_ns));
    hone_model_free(m);
}

static void same_seed_same_model(void **state)
{
    (void)state;
    double a[N], b[N];
    for (uint64_t seed = 1; seed <= 3; seed++) {
        hone_model *m = new_model(seed), *m2 = new_model(seed);
        add(m, 0, 90);
        add(m2, 0, 90);
        train(m);
        train(m2);
        predict(m, a);
        predict(m2, b);
        assert_memory_equal(a, b, sizeof a);
        hone_model_free(m);
        hone_model_free(m2);
    }
}

/* Times are compared within a task only: another one, a thousand times slower, changes little. */
static void tasks_have_their_own_scale(void **state)
{
    (void)state;
    double cost[N];
    hone_model *m = new_model(1);
    for (unsigned k = 0; k < LEARN; k++)
        hone_model_add(m, k % 2 ? 1 : 2, &data.f[k], data.ns[k] * (k % 2 ? 1 : 1000));
    train(m);
    predict(m, cost);
    assert_true(pair_accuracy(cost, LEARN, N) > 0.8);
    hone_model_free(m);
}

/* Slow candidates are measured in a task that is a thousand times faster. Were the two compared
 * with one another, all of that would be learned the wrong way round. */
static void tasks_do_not_meet(void **state)
{
    (void)state;
    double cost[N], accuracy[2];
    hone_model_metrics got;
    double draft[LEARN];
    for (unsigned k = 0; k < LEARN; k++)
        draft[k] = data.f[k].draft_ns;
    qsort(draft, LEARN, sizeof draft[0], ascending);
    for (unsigned together = 0; together < 2; together++) {
        hone_model *m = new_model(1);
        for (unsigned k = 0; k < LEARN; k++) {
            bool slow = data.f[k].draft_ns > draft[LEARN / 2];
            hone_model_add(m, slow && !together ? 2 : 1, &data.f[k],
                           data.ns[k] / (slow ? 1000 : 1));
        }
        train(m);
        predict(m, cost);
        accuracy[together] = pair_accuracy(cost, LEARN, N);
        hone_model_get_metrics(m, &got);
        if (!together)
            assert_true(got.pair_accuracy > 0.7);
        hone_model_free(m);
    }
    print_message("pairs in order: as two tasks %.3f, as one %.3f\n", accuracy[0], accuracy[1]);
    assert_true(accuracy[0] > 0.8);
    assert_true(accuracy[1] < 0.6);
}

/* The order is measured in every task, also when two take turns: here one with times and one in
 * which nothing worked. */
static void every_task_is_held_out(void **state)
{
    (void)state;
    hone_model_metrics got;
    for (unsigned works = 0; works < 2; works++) {
        hone_model *m = new_model(1);
        for (unsigned k = 0; k < LEARN; k++)
            hone_model_add(m, k % 2, &data.f[k], k % 2 == works ? data.ns[k] : 0);
        train(m);
        hone_model_get_metrics(m, &got);
        assert_true(got.pair_accuracy > 0.7);
        hone_model_free(m);
    }
}

static void a_task_is_a_program_on_a_target(void **state)
{
    (void)state;
    const hone_program *p = &data.space->base;
    hone_target t = simulated_target(), other = t;
    other.l2_bytes *= 2;
    hone_size sizes[] = {{"M", 256}, {"N", 384}, {"K", 321}};
    hone_program q = simulated_kernel("matmul", sizes, 3);
    uint64_t task = hone_model_task(p, &t, 2);
    assert_true(task == hone_model_task(p, &t, 2));
    assert_true(task != hone_model_task(p, &t, 1));
    assert_true(task != hone_model_task(p, &other, 2));
    assert_true(task != hone_model_task(&q, &t, 2));
    hone_program_fini(&q);
}

static bool pressed(void *ctx)
{
    unsigned *looks = ctx;
    return *looks && --*looks == 0;
}

static void training_can_be_stopped(void **state)
{
    (void)state;
    double before[N], after[N], whole[N];
    hone_model *m = new_model(1);
    add(m, 0, LEARN);
    train(m);
    predict(m, whole);
    hone_model_free(m);
    for (unsigned at = 1; at <= 41; at += 20) {
        unsigned looks = 0;
        hone_error err = {0};
        hone_model_metrics got;
        m = hone_model_new(
            &(hone_model_options){.seed = 1, .threads = 1, .stop = pressed, .stop_ctx = &looks});
        add(m, 0, 64);
        train(m);
        predict(m, before);
        add(m, 64, LEARN);
        looks = at;
        assert_int_equal(hone_model_train(m, &err), HONE_E_INTERRUPTED);
        assert_true(err.message[0]);
        predict(m, after);
        assert_memory_equal(before, after, sizeof before);
        hone_model_get_metrics(m, &got);
        assert_int_equal(got.trained_on, 64);
        train(m); /* as if nothing had been */
        predict(m, after);
        assert_memory_equal(after, whole, sizeof whole);
        hone_model_free(m);
    }
}

/* Not after every candidate: training is the search's largest cost. */
static void trains_when_there_is_news(void **state)
{
    (void)state;
    hone_model *m = new_model(1);
    hone_model_metrics a, b;
    add(m, 0, 64);
    train(m);
    hone_model_get_metrics(m, &a);
    assert_int_equal(a.trained_on, 64);
    add(m, 64, 66);
    train(m);
    hone_model_get_metrics(m, &b);
    assert_int_equal(b.candidates, 66);
    assert_int_equal(b.trained_on, 64);
    add(m, 66, 128);
    train(m);
    hone_model_get_metrics(m, &b);
    assert_int_equal(b.trained_on, 128);
    hone_model_free(m);
}

static void nothing_to_predict(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_model *m = new_model(1);
    hone_features none = {.draft_ns = 1000, .fixed_ns = 1000};
    const hone_features *f[] = {&none};
    double cost = 0;
    add(m, 0, 40);
    hone_model_add(m, 7, &none, 5000); /* a candidate without a block */
    train(m);
    assert_int_equal(hone_model_predict(m, NULL, 0, NULL, &err), HONE_OK);
    assert_int_equal(hone_model_predict(m, f, 1, &cost, &err), HONE_OK);
    assert_true(cost == log(1000));
    hone_model_free(m);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char *at(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static hone_model *trained(void)
{
    hone_model *m = new_model(4);
    add(m, 0, 64);
    train(m);
    return m;
}

static void save(hone_model *m, const char *name)
{
    hone_error err = {0};
    if (hone_model_save(m, at(name), &err) != HONE_OK)
        fail_msg("%s", err.message);
}

static void through_a_file(void **state)
{
    (void)state;
    double a[N], b[N];
    hone_error err = {0};
    hone_model *m = trained(), *other = new_model(9);
    save(m, "good");
    predict(m, a);
    if (hone_model_load(other, at("good"), &err) != HONE_OK)
        fail_msg("%s", err.message);
    predict(other, b);
    assert_memory_equal(a, b, sizeof a);
    /* over one that is there already, and written again it is the same file */
    assert_int_equal(hone_model_load(other, at("good"), &err), HONE_OK);
    save(other, "again");
    char *x, *y;
    size_t n, n2;
    assert_int_equal(hone_file_read(at("good"), 1 << 24, &x, &n, &err), HONE_OK);
    assert_int_equal(hone_file_read(at("again"), 1 << 24, &y, &n2, &err), HONE_OK);
    assert_int_equal(n, n2);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
    hone_model_free(m);
    hone_model_free(other);
}

static void check_refused(const char *bytes, size_t n, hone_status want, const char *says)
{
    double a[N], b[N];
    hone_error err = {0};
    assert_int_equal(hone_file_write(at("bad"), bytes, n, &err), HONE_OK);
    hone_model *m = trained();
    predict(m, a);
    hone_status st = hone_model_load(m, at("bad"), &err);
    if (st != want || !strstr(err.message, says) || !strstr(err.message, "bad"))
        fail_msg("%s: %s", hone_status_name(st), err.message);
    predict(m, b); /* what was there is still there */
    assert_memory_equal(a, b, sizeof a);
    hone_model_free(m);
}

static void damaged_files(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_model *m = trained();
    save(m, "whole");
    hone_model_free(m);
    char *s;
    size_t n;
    assert_int_equal(hone_file_read(at("whole"), 1 << 24, &s, &n, &err), HONE_OK);
    size_t body = (size_t)(strchr(s, '\n') - s) + 1;
    assert_true(n > 1000);
    check_refused(s, n - 1, HONE_E_CORRUPT, "damaged");
    check_refused(s, body + 10, HONE_E_CORRUPT, "damaged");
    check_refused(s, body, HONE_E_CORRUPT, "damaged");
    check_refused(s, body - 1, HONE_E_CORRUPT, "first line");
    check_refused(s, 12, HONE_E_CORRUPT, "first line");
    check_refused(s, 5, HONE_E_FOREIGN, "not a model");
    check_refused(s, 0, HONE_E_FOREIGN, "not a model");
    const size_t places[] = {body, body + 1, body + 500, n / 2, n - 1};
    for (unsigned k = 0; k < HONE_LEN(places); k++) {
        s[places[k]] ^= 4;
        check_refused(s, n, HONE_E_CORRUPT, "damaged");
        s[places[k]] ^= 4;
    }
    s[0] ^= 1;
    check_refused(s, n, HONE_E_FOREIGN, "not a model");
    free(s);
}

static void foreign_files(void **state)
{
    (void)state;
    static const char *const foreign[] = {"{\"learner\": {}, \"version\": [1, 7, 4]}", "hone-model",
                                          "\177ELF", "SQLite format 3", "\n"};
    static const char *const broken[] = {
        "hone-model ",
        "hone-model 1",
        "hone-model 1 2 nothexnothexnoth\n{}",
        "hone-model 1 2 0123456789abcde\n{}",
        "hone-model 1 2 0123456789abcdef {}",
        "hone-model 1 2 0123456789abcdef0\n{}",
        "hone-model 99999999999999999999 2 0123456789abcdef\n{}",
    };
    for (unsigned k = 0; k < HONE_LEN(foreign); k++)
        check_refused(foreign[k], strlen(foreign[k]), HONE_E_FOREIGN, "not a model");
    for (unsigned k = 0; k < HONE_LEN(broken); k++)
        check_refused(broken[k], strlen(broken[k]), HONE_E_CORRUPT, "first line");
}

/* A body that is whole but is no booster's: XGBoost says so, and nothing changes. */
static void another_body(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "{}", "[]", "{\"learner\": 3}", "not json at all"};
    for (unsigned k = 0; k < HONE_LEN(bodies); k++) {
        char hash[17];
        hone_hash_format(hone_hash_bytes(0, bodies[k], strlen(bodies[k])), hash);
        char *text = hone_xasprintf("hone-model %d %d %s\n%s", HONE_FEATURES_VERSION,
                                    HONE_N_FEATURES, hash, bodies[k]);
        check_refused(text, strlen(text), HONE_E_CORRUPT, "holds no model");
        free(text);
    }
}

static void other_versions(void **state)
{
    (void)state;
    const int versions[][2] = {{HONE_FEATURES_VERSION + 1, HONE_N_FEATURES},
                               {HONE_FEATURES_VERSION, HONE_N_FEATURES + 1},
                               {0, HONE_N_FEATURES}};
    for (unsigned k = 0; k < HONE_LEN(versions); k++) {
        char *text =
            hone_xasprintf("hone-model %d %d 0123456789abcdef\n{}", versions[k][0], versions[k][1]);
        check_refused(text, strlen(text), HONE_E_VERSION, "train it again");
        free(text);
    }
}

static void no_file(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_model *m = new_model(1);
    assert_int_equal(hone_model_load(m, at("absent"), &err), HONE_E_NOTFOUND);
    assert_int_equal(hone_model_save(m, at("untrained"), &err), HONE_E_NOTFOUND);
    assert_int_equal(access(at("untrained"), F_OK), -1);
    hone_model_free(m);
    m = trained();
    assert_int_equal(hone_model_save(m, at("no/such/folder"), &err), HONE_E_IO);
    assert_true(err.message[0]);
    hone_model_free(m);
}

/* ---- a prior --------------------------------------------------------------------------------- */

static hone_model *prior_of(unsigned from, unsigned to, double sign)
{
    hone_model *m =
        hone_model_new(&(hone_model_options){.kind = HONE_MODEL_PRIOR, .seed = 3, .threads = 1});
    for (unsigned k = from; k < to; k++) /* sign -1: the fast ones of it are slow in truth */
        hone_model_add(m, 5, &data.f[k],
                       data.f[k].draft_ns * pow(data.ns[k] / data.f[k].draft_ns, sign));
    train(m);
    return m;
}

static double order_of(hone_model *m)
{
    double cost[N];
    hone_model_quality q;
    predict(m, cost);
    hone_model_judge(cost + LEARN, data.ns + LEARN, N - LEARN, 0.02, &q);
    return q.pair_accuracy;
}

/* What was learned elsewhere helps before there are own results; where it is wrong, own results say
 * so soon. */
static void a_prior_is_trusted_as_far_as_it_is_right(void **state)
{
    (void)state;
    hone_model *good = prior_of(0, LEARN, 1), *bad = prior_of(0, LEARN, -1), *none = new_model(1);
    hone_model *m[3];
    hone_model *const priors[] = {good, bad, bad};
    const double trust[] = {1, 1, 0};
    double alone = order_of(none);
    for (int k = 0; k < 3; k++)
        m[k] = hone_model_new(
            &(hone_model_options){.seed = 1, .threads = 1, .prior = priors[k], .trust = trust[k]});
    print_message("pairs: draft %.3f, good prior %.3f, bad prior %.3f\n", alone, order_of(m[0]),
                  order_of(m[1]));
    assert_true(order_of(m[0]) > alone + 0.02);
    assert_true(order_of(m[1]) < alone);
    assert_true(order_of(m[2]) == alone);
    for (int k = 0; k < 3; k++) {
        hone_model_metrics x;
        for (unsigned i = 0; i < 24; i++)
            hone_model_add(m[k], 7, &data.f[i], data.ns[i]);
        hone_model_get_metrics(m[k], &x);
        print_message("trust after 24 results: %.2f\n", x.trust);
        assert_true(k == 0 ? x.trust > 0.7 : x.trust < 0.3);
        hone_model_free(m[k]);
    }
    hone_model_free(good);
    hone_model_free(bad);
    hone_model_free(none);
}

static void a_model_is_judged_by_its_order(void **state)
{
    (void)state;
    hone_model_quality q;
    const double ns[] = {100, 101, 200, 400};
    hone_model_judge((const double[]){1, 2, 3, 4}, ns, 4, 0.02, &q);
    assert_true(q.pair_accuracy == 1 && q.top1 == 1 && q.peak32 == 1 && q.candidates == 4);
    hone_model_judge((const double[]){2, 1, 3, 4}, ns, 4, 0.02, &q); /* within noise */
    assert_true(q.pair_accuracy == 1 && q.top1 == 100.0 / 101);
    hone_model_judge((const double[]){4, 3, 2, 1}, ns, 4, 0.02, &q);
    assert_true(q.pair_accuracy == 0 && q.top1 == 0.25 && isnan(q.top5) == 0);
    hone_model_judge((const double[]){1, 1, 1, 1}, ns, 4, 0.02, &q);
    assert_true(q.pair_accuracy == 0.5);
    hone_model_judge(NULL, NULL, 0, 0.02, &q);
    assert_true(isnan(q.pair_accuracy) && isnan(q.top1) && isnan(q.top5) && isnan(q.peak32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prior_is_trusted_as_far_as_it_is_right),
        cmocka_unit_test(a_model_is_judged_by_its_order),
        cmocka_unit_test(untrained_is_the_draft),
        cmocka_unit_test(learns_the_machine),
        cmocka_unit_test(keeps_no_more_than_it_was_told_to),
        cmocka_unit_test(a_few_candidates_help_or_do_no_harm),
        cmocka_unit_test(a_prior_that_was_asked),
        cmocka_unit_test(rejections_are_avoided),
        cmocka_unit_test(same_seed_same_model),
        cmocka_unit_test(tasks_have_their_own_scale),
        cmocka_unit_test(tasks_do_not_meet),
        cmocka_unit_test(every_task_is_held_out),
        cmocka_unit_test(a_task_is_a_program_on_a_target),
        cmocka_unit_test(training_can_be_stopped),
        cmocka_unit_test(trains_when_there_is_news),
        cmocka_unit_test(nothing_to_predict),
        cmocka_unit_test(through_a_file),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(foreign_files),
        cmocka_unit_test(another_body),
        cmocka_unit_test(other_versions),
        cmocka_unit_test(no_file),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
