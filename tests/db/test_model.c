/* Models: kept as they were put, the last few of each, and found by class and number of threads. */
#include "scratch.h"

static hone_db_model a_model(const char *class, int32_t threads, const char *bytes)
{
    return (hone_db_model){.class = class,
                           .threads = threads,
                           .about = "{\"results\":7}",
                           .bytes = {bytes, strlen(bytes)},
                           .created_ms = 1700000000000};
}

static int64_t put_model(hone_db *db, hone_db_model m)
{
    int64_t id = 0;
    CHECK(hone_db_model_put(db, &m, &id, err));
    return id;
}

static void latest_is(hone_db *db, const char *class, int32_t threads, const char *bytes)
{
    hone_db_model m;
    CHECK(hone_db_model_latest(db, class, threads, &m, err));
    assert_string_equal(m.class, class);
    assert_int_equal(m.threads, threads);
    assert_int_equal(m.bytes.n, strlen(bytes));
    assert_memory_equal(m.bytes.v, bytes, m.bytes.n);
    hone_db_model_free(&m);
}

static void as_it_was_put(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("put.db"));
    static uint8_t bytes[100000];
    for (size_t k = 0; k < sizeof bytes; k++)
        bytes[k] = (uint8_t)(k * k >> 3); /* zeros and all */
    hone_db_model m = a_model("a/b", 2, ""), got;
    m.bytes = (hone_db_bytes){bytes, sizeof bytes};
    int64_t id = put_model(db, m);
    hone_db_close(db);
    db = open_r(at("put.db"));
    CHECK(hone_db_model_latest(db, "a/b", 2, &got, err));
    assert_true(got.id == id && got.created_ms == 1700000000000);
    assert_string_equal(got.about, "{\"results\":7}");
    assert_string_equal(got.hone_version, HONE_VERSION);
    assert_int_equal(got.bytes.n, sizeof bytes);
    assert_memory_equal(got.bytes.v, bytes, sizeof bytes);
    hone_db_model_free(&got);
    hone_error e = {0};
    assert_int_equal(hone_db_model_latest(db, "a/b", 0, &got, &e), HONE_E_NOTFOUND);
    assert_non_null(strstr(e.message, "no model of 'a/b'"));
    assert_int_equal(hone_db_model_latest(db, "a", 2, &got, NULL), HONE_E_NOTFOUND);
    assert_int_equal(count(db, "models"), 1);
    is_sound(db);
    hone_db_close(db);
}

static bool tell_one(void *ctx, const hone_db_model *m)
{
    hone_buf_printf(ctx, "%s/%d:%.*s ", m->class, m->threads, (int)m->bytes.n,
                    (const char *)m->bytes.v);
    return true;
}

static bool only_one(void *ctx, const hone_db_model *m)
{
    (void)m;
    return ++*(int *)ctx < 1;
}

static void all_are(hone_db *db, const char *want)
{
    hone_buf b = {0};
    CHECK(hone_db_each_model(db, tell_one, &b, err));
    assert_string_equal(b.s ? b.s : "", want);
    hone_buf_free(&b);
}

static void the_last_few_are_kept(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("few.db"));
    all_are(db, "");
    put_model(db, a_model("a", 0, "first"));
    put_model(db, a_model("a", 1, "one"));
    put_model(db, a_model("b", 0, "other"));
    put_model(db, a_model("a", 0, "second"));
    put_model(db, a_model("a", 0, "third"));
    all_are(db, "a/0:third a/0:second b/0:other a/1:one a/0:first ");
    put_model(db, a_model("a", 0, "fourth"));
    all_are(db, "a/0:fourth a/0:third a/0:second b/0:other a/1:one ");
    latest_is(db, "a", 0, "fourth");
    latest_is(db, "a", 1, "one");
    latest_is(db, "b", 0, "other");
    /* The same again is no news; what was there before the latest is. */
    int64_t last = put_model(db, a_model("a", 0, "fourth"));
    assert_int_equal(count(db, "models"), 5);
    assert_int_equal(put_model(db, a_model("a", 0, "fourth")), last);
    assert_true(put_model(db, a_model("a", 0, "third")) > last);
    all_are(db, "a/0:third a/0:fourth a/0:third b/0:other a/1:one ");
    hone_db_model m = a_model("a", 0, "third");
    m.about = "{}";
    put_model(db, m);
    all_are(db, "a/0:third a/0:third a/0:fourth b/0:other a/1:one ");
    int n = 0;
    CHECK(hone_db_each_model(db, only_one, &n, err));
    assert_int_equal(n, 1);
    is_sound(db);
    hone_db_close(db);
}

/* In a group it is there with the others, or not at all. */
static void part_of_a_group(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("group.db"));
    put_model(db, a_model("a", 0, "old"));
    CHECK(hone_db_begin(db, err));
    put_model(db, a_model("a", 0, "new"));
    hone_db_rollback(db);
    latest_is(db, "a", 0, "old");
    CHECK(hone_db_begin(db, err));
    put_model(db, a_model("a", 0, "new"));
    hone_db_model bad = a_model("", 0, "x");
    assert_int_equal(hone_db_model_put(db, &bad, NULL, NULL), HONE_E_INPUT);
    CHECK(hone_db_commit(db, err));
    latest_is(db, "a", 0, "new");
    hone_db_close(db);
}

static void refused(hone_db *db, hone_db_model m, hone_status want, const char *says)
{
    hone_error e = {0};
    hone_status s = hone_db_model_put(db, &m, NULL, &e);
    if (s != want || !strstr(e.message, says))
        fail_msg("%s: %s", hone_status_name(s), e.message);
}

static void what_is_refused(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("bad.db"));
    hone_db_model m = a_model("a", 0, "x"), bad = m;
    char *large = hone_xcalloc(1, HONE_DB_MAX_MODEL + 1);
    refused(db, a_model(NULL, 0, "x"), HONE_E_INPUT, "needs the class");
    refused(db, a_model("", 0, "x"), HONE_E_INPUT, "needs the class");
    refused(db, a_model("\xff", 0, "x"), HONE_E_INPUT, "class is not UTF-8");
    refused(db, a_model("a", -1, "x"), HONE_E_INPUT, "-1 threads");
    refused(db, a_model("a", 0, ""), HONE_E_INPUT, "needs its bytes");
    bad.about = "{";
    refused(db, bad, HONE_E_INPUT, "not JSON");
    bad = m;
    bad.hone_version = "\xff";
    refused(db, bad, HONE_E_INPUT, "version is not UTF-8");
    bad = m;
    bad.bytes = (hone_db_bytes){large, HONE_DB_MAX_MODEL + 1};
    refused(db, bad, HONE_E_LIMIT, "at most 16 MiB");
    assert_int_equal(count(db, "models"), 0);
    bad.bytes.n--;
    put_model(db, bad); /* the largest there may be */
    hone_db_model got;
    CHECK(hone_db_model_latest(db, "a", 0, &got, err));
    assert_int_equal(got.bytes.n, HONE_DB_MAX_MODEL);
    hone_db_model_free(&got);
    free(large);
    hone_db_close(db);
}

/* Who takes records out of the log leaves what was learned from them. */
static void forgetting_leaves_it(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("forget.db"));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    put(db, a_record(w, t, 1, 100));
    put_model(db, a_model("x86-64-v4", 0, "learned"));
    json_t *j = NULL;
    CHECK(hone_db_forget(db, &(hone_db_choice){.status = "OK"}, false, &j, err));
    json_decref(j);
    assert_int_equal(count(db, "records"), 0);
    latest_is(db, "x86-64-v4", 0, "learned");
    CHECK(hone_db_repair(db, at("bad.csv"), &j, err));
    json_decref(j);
    latest_is(db, "x86-64-v4", 0, "learned");
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_was_put),        cmocka_unit_test(the_last_few_are_kept),
        cmocka_unit_test(part_of_a_group),      cmocka_unit_test(what_is_refused),
        cmocka_unit_test(forgetting_leaves_it),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
