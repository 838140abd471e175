/* Merging logs: what comes out depends on what they hold, and on nothing else. HONE_LOGS=10000
 * ./test_db_merge is the long run; HONE_SEED says where it starts. */
#include "tests/db/logs.h"

static json_t *merge_many(const char *to, const char *const *from, unsigned n)
{
    json_t *j = NULL;
    CHECK(hone_db_merge(to, from, n, NULL, NULL, &j, err));
    hone_db *db = open_r(to);
    is_sound(db);
    hone_db_close(db);
    return j;
}

#define MERGE(to, ...)                                             \
    json_decref(merge_many(to, (const char *const[]){__VA_ARGS__}, \
                           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static void remove_db(const char *name)
{
    hone_db__file_remove(at(name));
}

static void copy_db(const char *from, const char *to)
{
    char *text = NULL;
    size_t n = 0;
    CHECK(hone_file_read(from, 1 << 26, &text, &n, err));
    CHECK(hone_file_write(to, text, n, err));
    free(text);
}

static void same_contents(const char *a, const char *b, uint64_t seed, const char *what)
{
    char *x = dump_of(a), *y = dump_of(b);
    if (strcmp(x, y) != 0) {
        size_t k = 0;
        while (x[k] == y[k])
            k++;
        while (k > 0 && x[k - 1] != '\n')
            k--;
        fail_msg("%s, HONE_SEED=%" PRIu64 ":\n%.*s\n%.*s", what, seed, (int)strcspn(x + k, "\n"),
                 x + k, (int)strcspn(y + k, "\n"), y + k);
    }
    free(x);
    free(y);
}

/* ---- laws ------------------------------------------------------------------------------------ */

static void laws(uint64_t seed)
{
    static const char *const made[] = {"a",    "b",  "c",    "ab",  "ba",
                                       "ab_c", "bc", "a_bc", "abc", "aa"};
    hone_rng g;
    hone_rng_seed(&g, seed);
    random_log(at("a"), &g);
    random_log(at("b"), &g);
    random_log(at("c"), &g);

    MERGE(at("ab"), at("a"), at("b"));
    MERGE(at("ba"), at("b"), at("a"));
    same_contents(at("ab"), at("ba"), seed, "a b and b a");

    MERGE(at("aa"), at("a"));
    MERGE(at("aa"), at("a"), at("a"));
    MERGE(at("abc"), at("a"));
    same_contents(at("aa"), at("abc"), seed, "a a and a");
    remove_db("abc");

    copy_db(at("ab"), at("ab_c"));
    MERGE(at("ab_c"), at("a"));
    same_contents(at("ab_c"), at("ab"), seed, "a b a and a b");

    MERGE(at("ab_c"), at("c"));
    MERGE(at("bc"), at("b"), at("c"));
    copy_db(at("a"), at("a_bc"));
    MERGE(at("a_bc"), at("bc"));
    same_contents(at("ab_c"), at("a_bc"), seed, "(a b) c and a (b c)");
    MERGE(at("abc"), at("c"), at("a"), at("b"));
    same_contents(at("ab_c"), at("abc"), seed, "(a b) c and c a b");
    for (size_t k = 0; k < HONE_LEN(made); k++)
        remove_db(made[k]);
}

static void of_random_logs(void **state)
{
    (void)state;
    const char *n = getenv("HONE_LOGS"), *from = getenv("HONE_SEED");
    uint64_t seed = from ? strtoull(from, NULL, 10) : 1;
    for (uint64_t k = n ? strtoull(n, NULL, 10) : 60; k > 0; k--)
        laws(seed++);
}

/* ---- what is counted ------------------------------------------------------------------------- */

static int64_t of_input(const json_t *j, unsigned k, const char *key)
{
    return json_integer_value(
        json_object_get(json_array_get(json_object_get(j, "inputs"), k), key));
}

static void counts(void **state)
{
    (void)state;
    const hone_db_sample few[] = {{100, 0}}, many[] = {{100, 0}, {101, 0}};
    hone_db *db = open_rw(at("a"));
    int64_t w = a_workload(db, 1, "matmul"), t = a_target(db, "znver4", 1);
    hone_db_record r = a_record(w, t, 7, 100);
    CHECK(hone_db_record_put(db, &r, few, 1, NULL, NULL, err));
    put(db, a_record(w, t, 8, 50));
    hone_db_close(db);
    db = open_rw(at("b"));
    a_workload(db, 9, "matmul"); /* other ids than in a */
    w = a_workload(db, 1, "matmul"), t = a_target(db, "znver4", 1);
    r = a_record(w, t, 7, 200);
    CHECK(hone_db_record_put(db, &r, many, 2, NULL, NULL, err));
    put(db, a_record(w, t, 9, 0));
    CHECK(hone_db__exec(db, "UPDATE record SET reason = 'edited' WHERE trace_hash GLOB '*9'",
                        "editing", err));
    hone_db_close(db);

    json_t *j = merge_many(at("m"), (const char *const[]){at("a"), at("b")}, 2);
    assert_int_equal(of_input(j, 0, "added"), 2);
    assert_int_equal(of_input(j, 1, "added"), 0);
    assert_int_equal(of_input(j, 1, "better"), 1);
    const json_t *out =
        json_object_get(json_array_get(json_object_get(j, "inputs"), 1), "left_out");
    assert_int_equal(
        json_integer_value(json_object_get(out, "record: its checksum does not match")), 1);
    json_decref(j);
    j = merge_many(at("m"), (const char *const[]){at("a"), at("b")}, 2);
    assert_int_equal(of_input(j, 0, "duplicate"), 2);
    assert_int_equal(of_input(j, 1, "duplicate"), 1);
    json_decref(j);

    db = open_r(at("m"));
    hone_db_record best;
    CHECK(hone_db_best(db, 1, "znver4", 1, &best, err));
    assert_int_equal(best.trace_hash, 8);
    hone_db_record_free(&best);
    assert_int_equal(count(db, "samples"), 3);
    assert_int_equal(count(db, "workloads"), 2);
    hone_db_close(db);
    remove_db("a");
    remove_db("b");
    remove_db("m");
}

/* ---- covers ---------------------------------------------------------------------------------- */

static void put_item(hone_db *db, const char *kind, const char *key, const char *body)
{
    CHECK(hone_db_item_put(db, &(hone_db_item){kind, key, NULL, body}, err));
}

static void has_item(hone_db *db, const char *kind, const char *key, const char *body)
{
    char *is = NULL;
    if (body)
        CHECK(hone_db_item_get(db, kind, key, &is, err));
    else
        assert_int_equal(hone_db_item_get(db, kind, key, &is, NULL), HONE_E_NOTFOUND);
    if (body)
        assert_string_equal(is, body);
    free(is);
}

/* What kernels of networks took in turns comes over; what a service keeps stays where it is. */
static void covers(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("a"));
    put_item(db, HONE_DB_COVER, "both", "{\"runs\":9}");
    put_item(db, "job", "mine", "{}");
    hone_db_close(db);
    db = open_rw(at("b"));
    put_item(db, HONE_DB_COVER, "both", "{\"runs\":64}");
    put_item(db, HONE_DB_COVER, "theirs", "{\"runs\":5}");
    put_item(db, HONE_DB_COVER, "spoilt", "{\"runs\":5}");
    put_item(db, "job", "theirs", "{}");
    CHECK(hone_db__exec(db, "UPDATE item SET body = '{\"runs\":6}' WHERE key = 'spoilt'", "editing",
                        err));
    hone_db_close(db);
    json_t *j = merge_many(at("a"), (const char *const[]){at("b")}, 1);
    const json_t *out =
        json_object_get(json_array_get(json_object_get(j, "inputs"), 0), "left_out");
    assert_int_equal(json_integer_value(json_object_get(out, "cover: its checksum does not match")),
                     1);
    json_decref(j);
    db = open_r(at("a"));
    has_item(db, HONE_DB_COVER, "both", "{\"runs\":64}");
    has_item(db, HONE_DB_COVER, "theirs", "{\"runs\":5}");
    has_item(db, HONE_DB_COVER, "spoilt", NULL);
    has_item(db, "job", "mine", "{}");
    has_item(db, "job", "theirs", NULL);
    hone_db_close(db);
    remove_db("a");
    remove_db("b");
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static bool stop(void *ctx, const char *doing, uint64_t done, uint64_t all)
{
    (void)doing, (void)done, (void)all;
    unsigned *left = ctx;
    return *left != 0 && --*left != 0;
}

/* Stopped at any moment, the log is as it was, or not there. */
static void is_stopped(void **state)
{
    (void)state;
    hone_rng g;
    hone_rng_seed(&g, 5);
    random_log(at("a"), &g);
    random_log(at("b"), &g);
    MERGE(at("m"), at("b"));
    char *before = dump_of(at("m"));
    char a[256];
    snprintf(a, sizeof a, "%s", at("a"));
    const char *const from[] = {a};
    unsigned ticks = 0;
    json_t *j = NULL;
    hone_status st = HONE_E_INTERRUPTED;
    while (st == HONE_E_INTERRUPTED) {
        unsigned left = ++ticks;
        hone_status fresh = hone_db_merge(at("new"), from, 1, stop, &left, &j, NULL);
        assert_int_equal(access(at("new"), F_OK) == 0, fresh == HONE_OK);
        if (fresh == HONE_OK)
            json_decref(j);
        remove_db("new");
        hone_error e = {0};
        left = ticks;
        st = hone_db_merge(at("m"), from, 1, stop, &left, &j, &e);
        if (st == HONE_OK)
            json_decref(j);
        else
            assert_string_equal(hone_status_name(st), "E_INTERRUPTED");
        char *after = dump_of(at("m"));
        if (st != HONE_OK)
            assert_string_equal(before, after);
        free(after);
    }
    assert_true(ticks > 2);
    free(before);
    remove_db("a");
    remove_db("b");
    remove_db("m");
    remove_db("new");
}

/* What was made is removed, by the name it has, and not the link that led there. */
static void a_link_stays(void **state)
{
    (void)state;
    hone_rng g;
    hone_rng_seed(&g, 5);
    random_log(at("a"), &g);
    char a[256], made[256], link[256];
    snprintf(a, sizeof a, "%s", at("a"));
    snprintf(made, sizeof made, "%s", at("made"));
    snprintf(link, sizeof link, "%s", at("link"));
    assert_int_equal(symlink("made", link), 0);
    const char *const from[] = {a};
    unsigned left = 1;
    json_t *j = NULL;
    struct stat sb;
    assert_int_equal(hone_db_merge(link, from, 1, stop, &left, &j, NULL), HONE_E_INTERRUPTED);
    assert_int_equal(lstat(link, &sb), 0);
    assert_int_not_equal(access(made, F_OK), 0);
    hone_db *db = open_rw(at("bare"));
    CHECK(hone_db__exec(db,
                        "DROP TABLE sample; DROP TABLE machine; DROP TABLE model;"
                        "DROP TABLE forgotten; DROP TABLE record; DROP TABLE session;"
                        "DROP TABLE target; DROP TABLE workload",
                        "dropping", err));
    hone_db_close(db);
    assert_int_equal(hone_db_salvage(at("bare"), link, &j, NULL), HONE_E_CORRUPT);
    assert_int_equal(lstat(link, &sb), 0);
    assert_int_not_equal(access(made, F_OK), 0);
    MERGE(link, a);
    assert_int_equal(access(made, F_OK), 0);
    remove_db("made");
    remove_db("link");
    remove_db("bare");
    remove_db("a");
}

static void is_refused(void **state)
{
    (void)state;
    json_t *j = NULL;
    hone_rng g;
    hone_rng_seed(&g, 5);
    random_log(at("a"), &g);
    char *before = dump_of(at("a"));
    const struct {
        const char *to, *from;
        hone_status status;
    } bad[] = {
        {"a", "a", HONE_E_INPUT},         {"a", "none", HONE_E_NOTFOUND},
        {"a", ".", HONE_E_FOREIGN},       {"a", "foreign", HONE_E_FOREIGN},
        {"a", "newer", HONE_E_VERSION},   {"none", "newer", HONE_E_VERSION},
        {"foreign", "a", HONE_E_FOREIGN}, {"newer", "a", HONE_E_VERSION},
    };
    CHECK(hone_file_write(at("foreign"), "not a database", 14, err));
    copy_db(at("a"), at("newer"));
    hone_db *db = open_rw(at("newer"));
    CHECK(hone_db__exec(db, "PRAGMA user_version = 99", "editing", err));
    hone_db_close(db);
    for (size_t k = 0; k < HONE_LEN(bad); k++) {
        const char *const from[] = {at(bad[k].from)};
        hone_error e = {0};
        assert_int_equal(hone_db_merge(at(bad[k].to), from, 1, NULL, NULL, &j, &e), bad[k].status);
        assert_true(e.message[0] && !strchr(e.message, '\n'));
        assert_int_not_equal(access(at("none"), F_OK), 0);
    }
    char *after = dump_of(at("a"));
    assert_string_equal(before, after);
    free(before);
    free(after);
    remove_db("a");
    remove_db("foreign");
    remove_db("newer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_random_logs, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(counts, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(covers, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(is_stopped, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(a_link_stays, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(is_refused, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
