/* Files of earlier schemas: read as they are, converted by the first writer, their rows still true.
 */
#include "scratch.h"

#include <sqlite3.h>

static void make_old(const char *path)
{
    sqlite3 *q;
    char *sql, *why = NULL;
    size_t n;
    CHECK(hone_file_read(HONE_SOURCE_DIR "/tests/db/schema1.sql", 1 << 20, &sql, &n, err));
    assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
    if (sqlite3_exec(q, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(q);
    free(sql);
}

static bool tally(void *ctx, const hone_db_record *r)
{
    assert_true(r->compare_ns == 0 && r->incumbent_hash == 0 && r->incumbent_ns == 0);
    ++*(int *)ctx;
    return true;
}

/* What the old file holds, through this handle. */
static void holds_the_old_rows(hone_db *db)
{
    hone_db_record r;
    int n = 0;
    CHECK(hone_db_best(db, 1, "x", 1, &r, err));
    assert_true(r.trace_hash == 2 && r.time_ns == 200 && r.n_samples == 2 && r.session_id == 1);
    hone_db_record_free(&r);
    CHECK(hone_db_each_record(db, NULL, tally, &n, err));
    assert_int_equal(n, 3);
    n = 0;
    CHECK(hone_db_each_fastest(db, 1, 1, 9, tally, &n, err));
    assert_int_equal(n, 2);
    hone_db_session s;
    CHECK(hone_db_session_load(db, 1, &s, err));
    assert_true(s.seed == 11 && s.trials == 3 && s.best_hash == 0);
    hone_db_session_free(&s);
    is_sound(db);
}

static void a_reader_reads_it_as_it_is(void **state)
{
    (void)state;
    make_old(at("read.db"));
    char *before, *after;
    size_t n_before, n_after;
    CHECK(hone_file_read(at("read.db"), 1 << 20, &before, &n_before, err));
    hone_db *db = open_r(at("read.db"));
    holds_the_old_rows(db);
    assert_int_equal(count(db, "schema"), 1);
    hone_db_close(db);
    CHECK(hone_file_read(at("read.db"), 1 << 20, &after, &n_after, err));
    assert_true(n_before == n_after && memcmp(before, after, n_before) == 0);
    free(before);
    free(after);
}

static void a_writer_converts_it(void **state)
{
    (void)state;
    make_old(at("write.db"));
    hone_db *db = open_rw(at("write.db"));
    holds_the_old_rows(db);
    assert_int_equal(count(db, "schema"), 2);
    put(db, a_record(1, 1, 9, 150)); /* beside those without compare_ns */
    hone_db_record r;
    CHECK(hone_db_best(db, 1, "x", 1, &r, err));
    assert_true(r.trace_hash == 9 && r.compare_ns == 150);
    hone_db_record_free(&r);
    is_sound(db);
    hone_db_close(db);
    db = open_r(at("write.db"));
    assert_int_equal(count(db, "records"), 4);
    hone_db_close(db);
}

static void what_is_salvaged_of_it_is_converted(void **state)
{
    (void)state;
    make_old(at("from.db"));
    json_t *j = NULL;
    CHECK(hone_db_salvage(at("from.db"), at("to.db"), &j, err));
    assert_int_equal(json_integer_value(json_object_get(j, "lost")), 0);
    json_decref(j);
    hone_db *db = open_r(at("to.db"));
    holds_the_old_rows(db);
    assert_int_equal(count(db, "schema"), 2);
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_reads_it_as_it_is),
        cmocka_unit_test(a_writer_converts_it),
        cmocka_unit_test(what_is_salvaged_of_it_is_converted),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
