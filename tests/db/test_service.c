/* What a service keeps beside the log: items that replace each other or stay, and events whose
 * chain shows what was done to them. */
#include "scratch.h"

#include <sqlite3.h>

static hone_db *db;

static void begin(const char *name)
{
    CHECK(hone_db_open(at(name), HONE_DB_WRITE | HONE_DB_CREATE, &db, err));
}

static void has(const char *kind, const char *key, const char *want)
{
    char *body;
    hone_status s = hone_db_item_get(db, kind, key, &body, NULL);
    assert_int_equal(s, want ? HONE_OK : HONE_E_NOTFOUND);
    if (want)
        assert_string_equal(body, want);
    free(body);
}

static bool join(void *ctx, const hone_db_item *i)
{
    hone_buf_printf(ctx, "%s=%s ", i->key, i->alt ? i->alt : "-");
    return true;
}

static void items(void **state)
{
    (void)state;
    hone_buf b = {0};
    begin("items.db");
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "1", "ann/1", "{}"}, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "1", "ann/1", "{\"a\":1}"}, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "3", NULL, "{}"}, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "4", NULL, "{}"}, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"user", "1", NULL, "{\"u\":1}"}, err));
    has("job", "1", "{\"a\":1}");
    has("user", "1", "{\"u\":1}");
    has("user", "2", NULL);
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "9", "ann/2", "{}"}, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "2", "ann/2", "{}"}, err));
    has("job", "2", "{}");
    has("job", "9", NULL); /* the second key was its own */
    CHECK(hone_db_each_item(db, "job", NULL, NULL, join, &b, err));
    assert_string_equal(b.s, "1=ann/1 2=ann/2 3=- 4=- ");
    hone_buf_reset(&b);
    CHECK(hone_db_each_item(db, "job", "ann/11", "ann/2", join, &b, err));
    assert_string_equal(b.s, "2=ann/2 ");
    hone_buf_free(&b);
    CHECK(hone_db_item_drop(db, "job", "2", err));
    CHECK(hone_db_item_drop(db, "job", "2", err));
    has("job", "2", NULL);
    assert_int_equal(hone_db_item_put(db, &(hone_db_item){"job", "5", NULL, "{"}, NULL),
                     HONE_E_INPUT);
    assert_int_equal(hone_db_item_put(db, &(hone_db_item){"job", "", NULL, "{}"}, NULL),
                     HONE_E_INPUT);
    /* A group is all or nothing. */
    CHECK(hone_db_begin(db, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "7", NULL, "{}"}, err));
    hone_db_rollback(db);
    has("job", "7", NULL);
    is_sound(db);
    hone_db_close(db);
    CHECK(hone_db_open(at("items.db"), HONE_DB_READ, &db, err));
    has("job", "1", "{\"a\":1}");
    hone_db_close(db);
}

static bool tell(void *ctx, int64_t seq, int64_t created_ms, const char *body, const char *chain)
{
    assert_true(created_ms > 0 && strlen(chain) == 32);
    hone_buf_printf(ctx, "%" PRId64 "%s ", seq, body);
    return true;
}

/* Changes the file behind hone's back. */
static void tamper(const char *name, const char *sql)
{
    sqlite3 *q;
    assert_int_equal(sqlite3_open(at(name), &q), SQLITE_OK);
    assert_int_equal(sqlite3_exec(q, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(q);
}

static void finds(const char *name, const char *what)
{
    json_t *j;
    CHECK(hone_db_open(at(name), HONE_DB_READ, &db, err));
    assert_int_equal(hone_db_check(db, &j, NULL), HONE_E_CORRUPT);
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "problems"), 0)), what);
    json_decref(j);
    hone_db_close(db);
}

static void events_are_chained(void **state)
{
    (void)state;
    hone_buf b = {0};
    static const struct {
        const char *sql, *what;
    } done[] = {
        {"UPDATE event SET body = '{\"n\":7}' WHERE seq = 2",
         "event 2 is not what was written after the one before"},
        {"DELETE FROM event WHERE seq = 2", "event 2 is missing"},
        {"UPDATE event SET created_ms = created_ms - 1 WHERE seq = 1",
         "event 1 is not what was written after the one before"},
        {"UPDATE item SET body = '{\"n\":8}'", "the job '1' does not match its checksum"},
        {"UPDATE item SET alt = 'x'", "the job '1' does not match its checksum"},
    };
    for (size_t i = 0; i < HONE_LEN(done); i++) {
        char name[32];
        snprintf(name, sizeof name, "events%zu.db", i);
        begin(name);
        CHECK(hone_db_item_put(db, &(hone_db_item){"job", "1", NULL, "{}"}, err));
        hone_buf_reset(&b);
        CHECK(hone_db_last_event(db, tell, &b, err));
        assert_int_equal(b.n, 0);
        CHECK(hone_db_event_add(db, 1, "{\"n\":1}", err));
        CHECK(hone_db_event_add(db, 2, "{\"n\":2}", err));
        CHECK(hone_db_event_add(db, 3, "{\"n\":3}", err));
        assert_int_equal(hone_db_event_add(db, 3, "{}", NULL), HONE_E_INPUT);
        assert_int_equal(hone_db_event_add(db, 5, "{}", NULL), HONE_E_INPUT);
        CHECK(hone_db_each_event(db, 2, 1, tell, &b, err));
        CHECK(hone_db_last_event(db, tell, &b, err));
        assert_string_equal(b.s, "2{\"n\":2} 3{\"n\":3} ");
        is_sound(db);
        hone_db_close(db);
        tamper(name, done[i].sql);
        finds(name, done[i].what);
    }
    hone_buf_free(&b);
}

/* Without savepoints a put that fails is the end of its group. */
static void a_whole_group(void **state)
{
    (void)state;
    hone_error e = {0};
    begin("whole.db");
    CHECK(hone_db_begin_whole(db, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "1", NULL, "{}"}, err));
    CHECK(hone_db_event_add(db, 1, "{}", err));
    CHECK(hone_db_commit(db, err));
    CHECK(hone_db_begin_whole(db, err));
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "2", NULL, "{}"}, err));
    CHECK(hone_db_event_add(db, 2, "{}", err));
    assert_int_equal(hone_db_event_add(db, 7, "{}", NULL), HONE_E_INPUT);
    assert_int_equal(hone_db_item_put(db, &(hone_db_item){"job", "3", NULL, "{}"}, NULL),
                     HONE_E_INPUT);
    assert_int_equal(hone_db_commit(db, &e), HONE_E_INPUT);
    has("job", "1", "{}");
    has("job", "2", NULL);
    has("job", "3", NULL);
    /* The chain goes on from what is there, not from what was rolled back. */
    CHECK(hone_db_event_add(db, 2, "{\"b\":1}", err));
    CHECK(hone_db_begin(db, err));
    CHECK(hone_db_event_add(db, 3, "{}", err));
    hone_db_rollback(db);
    CHECK(hone_db_begin(db, err));
    assert_int_equal(hone_db_event_add(db, 9, "{}", NULL), HONE_E_INPUT);
    CHECK(hone_db_event_add(db, 3, "{\"c\":1}", err));
    CHECK(hone_db_commit(db, err));
    json_t *report;
    CHECK(hone_db_check(db, &report, err));
    json_decref(report);
    hone_db_close(db);
}

/* JSON that is said to have been printed here is not looked at again; the check sees it. */
static void trusted_json(void **state)
{
    (void)state;
    json_t *report;
    hone_error e = {0};
    begin("trusted.db");
    hone_db_trust_json(db);
    CHECK(hone_db_item_put(db, &(hone_db_item){"job", "1", NULL, "{"}, err));
    assert_int_equal(hone_db_check(db, &report, &e), HONE_E_CORRUPT);
    json_decref(report);
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items),
        cmocka_unit_test(a_whole_group),
        cmocka_unit_test(trusted_json),
        cmocka_unit_test(events_are_chained),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
