/* A model of a log's kernels: what it was learned from, that it helps with another kernel, which
 * one a log answers with, and the file it travels in.
 *
 * Reader's map: training; finding; files. */
#include "small_log.h"
#include "tuner/calibrate/calibrate.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- training -------------------------------------------------------------------------------- */

static hone_prior_options options(void)
{
    return (hone_prior_options){
        .history = {.db = l.db, .target_class = l.class}, .seed = 1, .threads = 1};
}

static void watch(void *ctx, const hone_prior_progress *p)
{
    hone_prior_progress *last = ctx;
    assert_true(p->results >= last->results && p->kernels >= last->kernels);
    assert_true(p->training >= last->training);
    *last = *p;
}

static json_int_t number(const json_t *j, const char *key)
{
    assert_true(json_is_integer(json_object_get(j, key)));
    return json_integer_value(json_object_get(j, key));
}

static void it_says_what_it_learned_from(void **state)
{
    (void)state;
    hone_prior_progress last = {0};
    hone_prior_options o = options();
    hone_model *m;
    json_t *about;
    o.progress = watch;
    o.ctx = &last;
    SMALL_CHECK(hone_prior_train(&o, &m, &about, err));
    assert_int_equal(number(about, "features_version"), HONE_FEATURES_VERSION);
    assert_int_equal(number(about, "space_version"), HONE_SPACE_VERSION);
    assert_int_equal(number(about, "seed"), 1);
    assert_int_equal(number(about, "results"), 6 * SMALL_LOG_EACH);
    assert_int_equal(number(about, "rejected"), 6 * SMALL_LOG_EACH / 8);
    const json_t *kernels = json_object_get(about, "kernels"), *first = json_array_get(kernels, 0);
    assert_int_equal(json_array_size(kernels), 6);
    char hash[17];
    hone_hash_format(l.v.v[0].workload, hash);
    assert_string_equal(json_string_value(json_object_get(first, "hash")), hash);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "matmul");
    assert_int_equal(number(json_object_get(first, "sizes"), "N"), 48);
    for (size_t k = 0; k < 6; k++)
        assert_int_equal(number(json_array_get(kernels, k), "results"), SMALL_LOG_EACH);
    assert_true(last.training && last.kernels == 6 && last.results == 6 * SMALL_LOG_EACH);
    json_decref(about);
    hone_model_free(m);
}

/* On a kernel that was left out, by the order of its candidates. */
static void it_helps_with_another_kernel(void **state)
{
    (void)state;
    hone_prior_options o = options();
    hone_model *prior;
    json_t *about;
    uint64_t out = l.v.v[SMALL_LOG_EACH].workload;
    o.history.without = out;
    SMALL_CHECK(hone_prior_train(&o, &prior, &about, err));
    assert_int_equal(json_array_size(json_object_get(about, "kernels")), 5);
    json_decref(about);

    const hone_size sizes[] = {{"M", 96}, {"N", 128}, {"K", 64}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 1);
    assert_true(hone_program_hash(&sp->base) == out);
    hone_model *m[2];
    double cost[2][64], ns[64];
    const hone_features *f[64];
    hone_features of[64] = {0};
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 77);
    for (unsigned k = 0; k < 64;) {
        if (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
            continue;
        hone_features_extract(&s.prog, &l.target, 1, NULL, &of[k]);
        ns[k] = small_ns(&of[k], hone_trace_hash(&s.trace));
        f[k] = &of[k];
        k++;
    }
    hone_model_quality q[2];
    for (int with = 0; with < 2; with++) {
        m[with] = hone_model_new(&(hone_model_options){
            .seed = 1, .threads = 1, .prior = with ? prior : NULL, .trust = 1});
        SMALL_CHECK(hone_model_predict(m[with], f, 64, cost[with], err));
        hone_model_judge(cost[with], ns, 64, 0.02, &q[with]);
        hone_model_free(m[with]);
    }
    print_message("pairs in order: %.3f by the draft, %.3f with a prior\n", q[0].pair_accuracy,
                  q[1].pair_accuracy);
    assert_true(q[1].pair_accuracy > q[0].pair_accuracy);
    for (unsigned k = 0; k < 64; k++)
        hone_features_free(&of[k]);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_model_free(prior);
}

static void too_little_to_learn_from(void **state)
{
    (void)state;
    hone_prior_options o = options();
    hone_error err = {0};
    hone_model *m = NULL;
    json_t *about = NULL;
    o.history.most = 1;
    assert_int_equal(hone_prior_train(&o, &m, &about, &err), HONE_E_NOTFOUND);
    assert_non_null(strstr(err.message, "too few results"));
    o.history.target_class = "none";
    assert_int_equal(hone_prior_train(&o, &m, &about, &err), HONE_E_NOTFOUND);
    assert_true(m == NULL && about == NULL);
}

static bool at_last(void *ctx)
{
    unsigned *looks = ctx;
    *looks -= *looks > 0;
    return *looks == 0;
}

/* While it reads, and while it makes trees. */
static void it_can_be_stopped(void **state)
{
    (void)state;
    const unsigned when[] = {1, 100, 6 * SMALL_LOG_EACH + 40};
    for (unsigned k = 0; k < HONE_LEN(when); k++) {
        unsigned looks = when[k];
        hone_prior_options o = options();
        hone_error err = {0};
        hone_model *m = NULL;
        json_t *about = NULL;
        o.history.stop = at_last;
        o.history.stop_ctx = &looks;
        assert_int_equal(hone_prior_train(&o, &m, &about, &err), HONE_E_INTERRUPTED);
        assert_true(m == NULL && err.message[0]);
    }
}

/* ---- finding --------------------------------------------------------------------------------- */

/* A row of a model of all kernels but `without`; its texts are the caller's. */
static hone_db_model a_row(uint64_t without, int32_t threads)
{
    hone_prior_options o = options();
    hone_model *m;
    json_t *about;
    hone_buf bytes = {0};
    o.history.without = without;
    SMALL_CHECK(hone_prior_train(&o, &m, &about, err));
    SMALL_CHECK(hone_model_bytes(m, &bytes, err));
    hone_db_model row = {.class = hone_xstrdup(l.class),
                         .threads = threads,
                         .about = hone_json_text(about),
                         .created_ms = 1700000000000,
                         .hone_version = hone_xstrdup(HONE_VERSION)};
    row.bytes.n = bytes.n;
    row.bytes.v = hone_buf_take(&bytes);
    json_decref(about);
    hone_model_free(m);
    return row;
}

/* What is found for a target with so many threads is this one. */
static void finds(const hone_target *t, int32_t threads, const hone_db_model *want)
{
    hone_model *m;
    hone_error why = {0};
    hone_status st = hone_prior_find(l.db, t, threads, &m, &why);
    if (!want) {
        assert_int_equal(st, HONE_E_NOTFOUND);
        assert_non_null(strstr(why.message, "has no model of"));
        return;
    }
    if (st != HONE_OK)
        fail_msg("%s", why.message);
    hone_buf bytes = {0};
    SMALL_CHECK(hone_model_bytes(m, &bytes, err));
    assert_int_equal(bytes.n, want->bytes.n);
    assert_memory_equal(bytes.s, want->bytes.v, bytes.n);
    hone_buf_free(&bytes);
    hone_model_free(m);
}

static void put(const hone_db_model *row)
{
    SMALL_CHECK(hone_db_model_put(l.db, row, NULL, err));
}

/* The latest one that this program can use, of as many threads before one of any number. */
static void the_latest_is_found(void **state)
{
    (void)state;
    hone_db_model a = a_row(0, 0), b = a_row(l.v.v[0].workload, 0),
                  two = a_row(l.v.v[SMALL_LOG_EACH].workload, 2);
    hone_target elsewhere = l.target;
    snprintf(elsewhere.triple, sizeof elsewhere.triple, "aarch64-unknown-linux-gnu");
    finds(&l.target, 1, NULL);
    put(&a);
    finds(&l.target, 1, &a);
    put(&b);
    put(&two);
    finds(&l.target, 1, &b);
    finds(&l.target, 2, &two);
    finds(&elsewhere, 1, NULL);

    /* of its architecture, where there is none of its class */
    hone_target avx512 = l.target;
    hone_db_model all = a;
    snprintf(avx512.features, sizeof avx512.features, "+avx512f,+avx512bw,+avx512vl,+avx512dq");
    finds(&avx512, 1, NULL);
    all.class = "x86_64";
    put(&all);
    finds(&avx512, 1, &a);
    finds(&avx512, 2, &a);
    finds(&l.target, 1, &b);
    finds(&l.target, 2, &two);
    finds(&elsewhere, 1, NULL);

    /* of another version: none */
    hone_db_model old = two, space = two;
    char *bytes = hone_xasprintf("hone-model %d", HONE_FEATURES_VERSION + 1);
    char *header = hone_xmalloc(old.bytes.n);
    memcpy(header, old.bytes.v, old.bytes.n);
    memcpy(header, bytes, strlen(bytes));
    old.bytes.v = header;
    put(&old);
    finds(&l.target, 2, &b);
    char *about = hone_xasprintf("{\"space_version\":%d}", HONE_SPACE_VERSION + 1);
    space.about = about;
    put(&space);
    finds(&l.target, 2, &b);
    finds(&l.target, 1, &b);
    put(&two);
    finds(&l.target, 2, &two);

    /* damaged before it was stored: not taken for none */
    hone_db_model cut = two;
    hone_model *m;
    hone_error err = {0};
    cut.bytes.n /= 2;
    put(&cut);
    assert_int_equal(hone_prior_find(l.db, &l.target, 2, &m, &err), HONE_E_CORRUPT);
    free(bytes);
    free(header);
    free(about);
    hone_db_model_free(&a);
    hone_db_model_free(&b);
    hone_db_model_free(&two);
}

/* ---- ready for a session --------------------------------------------------------------------- */

typedef struct count {
    unsigned models, trained;
} count;

static bool count_model(void *ctx, const hone_db_model *m)
{
    (void)m;
    ((count *)ctx)->models++;
    return true;
}

static void note_training(void *ctx, const hone_prior_progress *p)
{
    ((count *)ctx)->trained += p->results == 1 && !p->training;
}

/* A log without a model gets one; it serves until the log has grown by half. */
static void a_log_is_learned_from_once(void **state)
{
    (void)state;
    small_log fresh;
    count n = {0};
    hone_model *m;
    bool ours = false;
    hone_prior_options o = {.seed = 1, .threads = 1, .progress = note_training, .ctx = &n};
    small_log_open(&fresh);
    small_log_fill(&fresh);
    uint64_t records = 0;
    SMALL_CHECK(hone_db_record_count(fresh.db, fresh.class, &records, err));
    assert_true(records > 6 * SMALL_LOG_EACH);
    for (unsigned k = 0; k < 2; k++) {
        SMALL_CHECK(hone_prior_ready(&o, fresh.db, &fresh.target, 1, &m, &ours, err));
        assert_int_equal(n.trained, 1);
        hone_model_free(m);
    }
    SMALL_CHECK(hone_db_each_model(fresh.db, count_model, &n, err));
    assert_int_equal(n.models, 1);
    /* as if it had been trained on less */
    hone_db_model row;
    json_t *about;
    SMALL_CHECK(hone_db_model_latest(fresh.db, "x86_64", 0, &row, err));
    SMALL_CHECK(hone_json_parse(row.about, strlen(row.about), &about, err));
    assert_int_equal(number(about, "records"), records);
    json_object_set_new(about, "records", json_integer((json_int_t)records / 2));
    char *text = hone_json_text(about);
    hone_db_model smaller = row;
    smaller.about = text;
    SMALL_CHECK(hone_db_model_put(fresh.db, &smaller, NULL, err));
    SMALL_CHECK(hone_prior_ready(&o, fresh.db, &fresh.target, 1, &m, &ours, err));
    assert_int_equal(n.trained, 2);
    hone_model_free(m);
    free(text);
    json_decref(about);
    hone_db_model_free(&row);
    small_log_close(&fresh);
}

/* What a model corrects are drafts: with other numbers of the machine they are others. */
static void drafts_of_another_machine(void **state)
{
    (void)state;
    small_log fresh;
    count n = {0};
    hone_model *m;
    bool ours = false;
    hone_prior_options o = {.seed = 1, .threads = 1, .progress = note_training, .ctx = &n};
    hone_machine machine;
    json_t *about = json_object();
    small_log_open(&fresh);
    small_log_fill(&fresh);
    SMALL_CHECK(hone_prior_ready(&o, fresh.db, &fresh.target, 1, &m, &ours, err));
    assert_true(ours); /* the preset's */
    hone_model_free(m);
    hone_target sister = fresh.target; /* of which the log has nothing */
    sister.l2_bytes *= 2;
    SMALL_CHECK(hone_prior_ready(&o, fresh.db, &sister, 1, &m, &ours, err));
    assert_false(ours);
    hone_model_free(m);
    hone_machine_preset(&fresh.target, &machine);
    machine.memory_bytes_per_ns /= 2;
    SMALL_CHECK(hone_calibrate_store(fresh.db, &fresh.target, 1, &machine, about, err));
    SMALL_CHECK(hone_prior_ready(&o, fresh.db, &fresh.target, 1, &m, &ours, err));
    assert_false(ours);
    assert_int_equal(n.trained, 1);
    hone_model_free(m);
    /* trained again, it is of both: only what has one thread was measured */
    json_t *told;
    hone_prior_options again = o;
    again.history.db = fresh.db;
    again.history.target_class = fresh.class;
    SMALL_CHECK(hone_prior_train(&again, &m, &told, err));
    assert_int_equal(json_array_size(json_object_get(told, "machines")), 2);
    char *text = hone_json_text(told);
    SMALL_CHECK(hone_db_model_put(
        fresh.db, &(hone_db_model){.class = fresh.class, .about = text, .bytes = {"x", 1}}, NULL,
        err));
    hone_model_free(m);
    hone_error why;
    assert_int_equal(hone_prior_ready(&o, fresh.db, &fresh.target, 1, &m, &ours, &why),
                     HONE_E_FOREIGN); /* those bytes are no model */
    assert_true(ours);
    free(text);
    json_decref(told);
    json_decref(about);
    small_log_close(&fresh);
}

static unsigned threads_here(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* In a process of its own, in which XGBoost has done nothing yet. */
static void reading_a_model_starts_no_thread(void **state)
{
    (void)state;
    hone_target avx512 = simulated_target();
    snprintf(avx512.features, sizeof avx512.features, "+avx512f,+avx512bw,+avx512vl,+avx512dq");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hone_model *m = NULL;
        unsigned before = threads_here();
        bool good = hone_prior_pretrained(&avx512, false, &m, NULL) == HONE_OK;
        _exit(good && threads_here() == before ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A model that comes with hone is of this hone's features and space: if not, train it again. */
static void what_comes_with_hone_is_of_its_versions(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_model *m = NULL;
    static const struct {
        const char *features, *class;
    } own[] = {{"+avx512f,+avx512bw,+avx512vl,+avx512dq", "x86_64/avx512"},
               {"+avx2,+fma", "x86_64/avx2"}};
    hone_model *of[HONE_LEN(own)];
    double gain[HONE_LEN(own)][HONE_N_FEATURES];
    for (unsigned k = 0; k < HONE_LEN(own); k++) {
        hone_target t = simulated_target();
        snprintf(t.features, sizeof t.features, "%s", own[k].features);
        char *class = hone_target_class(&t);
        assert_string_equal(class, own[k].class);
        free(class);
        if (hone_prior_pretrained(&t, false, &of[k], &err) != HONE_OK)
            fail_msg("%s: make it again (bench/pretrain.sh)", err.message);
        assert_true(hone_model_gains(of[k], gain[k]));
        hone_model_free(of[k]);
    }
    assert_true(memcmp(gain[0], gain[1], sizeof gain[0]) != 0); /* each has its own */
    hone_target other = {.triple = "riscv64-linux-gnu", .cpu = "generic"};
    assert_int_equal(hone_prior_pretrained(&other, false, &m, &err), HONE_E_NOTFOUND);
    assert_non_null(strstr(err.message, "no model of riscv64/"));
    /* classes it did not learn from, and another architecture for who asks */
    hone_target plain = simulated_target();
    const hone_target *far[] = {&plain, &other};
    for (unsigned k = 0; k < HONE_LEN(far); k++) {
        assert_int_equal(hone_prior_pretrained(far[k], false, &m, &err), HONE_E_NOTFOUND);
        if (hone_prior_pretrained(far[k], true, &m, &err) != HONE_OK)
            fail_msg("%s", err.message);
        hone_model_free(m);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static void refused(const char *bytes, size_t n, hone_status want, const char *says)
{
    hone_db_model row;
    hone_error err = {0};
    char *exact = hone_xmalloc(n + !n); /* so that reading one byte too many is seen */
    memcpy(exact, bytes, n);
    hone_status st = hone_prior_unpack(exact, n, "some.model", &row, &err);
    free(exact);
    if (st != want || !strstr(err.message, says) || !strstr(err.message, "some.model"))
        fail_msg("%s: %s", hone_status_name(st), err.message);
}

/* A first line that fits what follows it. */
static void refused_as_a_whole(const char *body, const char *says)
{
    char hash[17];
    hone_hash_format(hone_hash_bytes(0, body, strlen(body)), hash);
    char *text = hone_xasprintf("hone-prior 1 %s\n%s", hash, body);
    refused(text, strlen(text), HONE_E_CORRUPT, says);
    free(text);
}

static void a_file_is_the_row(void **state)
{
    (void)state;
    hone_db_model row = a_row(0, 4), back;
    hone_buf b = {0}, again = {0};
    hone_prior_pack(&row, &b);
    SMALL_CHECK(hone_prior_unpack(b.s, b.n, "some.model", &back, err));
    assert_string_equal(back.class, row.class);
    assert_string_equal(back.about, row.about);
    assert_string_equal(back.hone_version, row.hone_version);
    assert_int_equal(back.threads, 4);
    assert_true(back.id == 0 && back.created_ms == row.created_ms);
    assert_int_equal(back.bytes.n, row.bytes.n);
    assert_memory_equal(back.bytes.v, row.bytes.v, row.bytes.n);
    hone_prior_pack(&back, &again);
    assert_int_equal(again.n, b.n);
    assert_memory_equal(again.s, b.s, b.n);

    size_t first = (size_t)(strchr(b.s, '\n') - b.s) + 1;
    const size_t cuts[] = {first, first + 1, first + 40, b.n / 2, b.n - 1};
    for (unsigned k = 0; k < HONE_LEN(cuts); k++) {
        refused(b.s, cuts[k], HONE_E_CORRUPT, "damaged");
        b.s[cuts[k]] ^= 4;
        refused(b.s, b.n, HONE_E_CORRUPT, "damaged");
        b.s[cuts[k]] ^= 4;
    }
    refused(b.s, first - 1, HONE_E_CORRUPT, "first line");
    b.s[0] ^= 1;
    refused(b.s, b.n, HONE_E_FOREIGN, "not a model file");
    hone_buf_free(&b);
    hone_buf_free(&again);
    hone_db_model_free(&row);
    hone_db_model_free(&back);
}

static void other_files(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "", "\n", "hone-prio", "hone-model 3 178 0", "{}", "SQLite format 3"};
    static const char *const broken[] = {"hone-prior ",
                                         "hone-prior \n",
                                         "hone-prior x\n",
                                         "hone-prior 1\n",
                                         "hone-prior 1 0123456789abcdef",
                                         "hone-prior 1 0123456789abcde\n{}",
                                         "hone-prior 1 0123456789abcdef \n{}"};
    for (unsigned k = 0; k < HONE_LEN(foreign); k++)
        refused(foreign[k], strlen(foreign[k]), HONE_E_FOREIGN, "not a model file");
    for (unsigned k = 0; k < HONE_LEN(broken); k++)
        refused(broken[k], strlen(broken[k]), HONE_E_CORRUPT, "first line");
    refused("hone-prior 2 what comes\n", 24, HONE_E_VERSION, "form 2");

#define CARD(class, threads, created, about)                                                   \
    "{\"class\":" class ",\"threads\":" threads ",\"created_ms\":" created ",\"about\":" about \
                        ",\"hone_version\":\"1\"}\n"
    static const char *const cards[] = {
        "",
        "\n",
        "{}\nx",
        "[]\nx",
        "no json\nx",
        CARD("\"c\"", "0", "5", "{}"), /* and no model */
        CARD("\"\"", "0", "5", "{}") "x",
        CARD("7", "0", "5", "{}") "x",
        CARD("\"c\"", "-1", "5", "{}") "x",
        CARD("\"c\"", "1025", "5", "{}") "x",
        CARD("\"c\"", "\"1\"", "5", "{}") "x",
        CARD("\"c\"", "1", "-5", "{}") "x",
        CARD("\"c\"", "1", "5", "[]") "x",
    };
    for (unsigned k = 0; k < HONE_LEN(cards); k++)
        refused_as_a_whole(cards[k], "does not say what it is a model of");
    hone_db_model row;
    const char *fine = CARD("\"c\"", "1", "5", "{}") "x";
    char hash[17];
    hone_hash_format(hone_hash_bytes(0, fine, strlen(fine)), hash);
    char *text = hone_xasprintf("hone-prior 1 %s\n%s", hash, fine);
    SMALL_CHECK(hone_prior_unpack(text, strlen(text), "x", &row, err));
    hone_model *m;
    assert_int_equal(hone_prior_parse(&row, "x", &m, NULL), HONE_E_VERSION); /* says no space */
    hone_db_model_free(&row);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_a_model_starts_no_thread),
        cmocka_unit_test(it_says_what_it_learned_from),
        cmocka_unit_test(it_helps_with_another_kernel),
        cmocka_unit_test(too_little_to_learn_from),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(the_latest_is_found),
        cmocka_unit_test(a_log_is_learned_from_once),
        cmocka_unit_test(drafts_of_another_machine),
        cmocka_unit_test(what_comes_with_hone_is_of_its_versions),
        cmocka_unit_test(a_file_is_the_row),
        cmocka_unit_test(other_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
