/* Files of earlier schemas: read as they are, converted by the first writer, their rows still true.
 */
#include "scratch.h"

#include <sqlite3.h>

static int version; /* of the old file: some of its rows differ */

static void make_old(const char *path)
{
    sqlite3 *q;
    char *sql, *why = NULL,
               *from = hone_xasprintf(HONE_SOURCE_DIR "/tests/db/schema%d.sql", version);
    size_t n;
    CHECK(hone_file_read(from, 1 << 20, &sql, &n, err));
    free(from);
    assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
    if (sqlite3_exec(q, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(q);
    free(sql);
}

static bool tally(void *ctx, const hone_db_record *r)
{
    bool first = version > 1 && r->trace_hash == 2;
    assert_int_equal(r->compare_ns, first ? 205 : version > 1 ? r->time_ns : 0);
    assert_int_equal(r->incumbent_hash, first ? 3 : 0);
    assert_int_equal(r->incumbent_ns, first ? 300 : 0);
    assert_true(r->fence == 0 && r->suspect == 0);
    ++*(int *)ctx;
    return true;
}

static bool first_is_new(void *ctx, const hone_db_record *r)
{
    assert_true(r->trace_hash == 9 && r->compare_ns == 150);
    ++*(int *)ctx;
    return true;
}

static bool old_model(void *ctx, const hone_db_model *m)
{
    if (version < 3)
        fail_msg("a model in a file that cannot have one");
    assert_string_equal(m->class, "x86-64-v4");
    ++*(int *)ctx;
    return true;
}

/* What the old file holds, through this handle. */
static void holds_the_old_rows(hone_db *db)
{
    hone_db_record r;
    hone_db_model m;
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
    assert_true(s.seed == 11 && s.trials == 3 && s.best_hash == (version > 1 ? 2 : 0));
    hone_db_session_free(&s);
    assert_int_equal(count(db, "forgotten"), version > 1);
    assert_int_equal(count(db, "models"), version > 2);
    assert_int_equal(hone_db_model_latest(db, "x86-64-v4", 1, &m, NULL), HONE_E_NOTFOUND);
    n = 0;
    CHECK(hone_db_each_model(db, old_model, &n, err));
    assert_int_equal(n, version > 2);
    hone_db_machine machine;
    assert_int_equal(count(db, "machines"), 0);
    assert_int_equal(hone_db_machine_latest(db, "x", 1, &machine, NULL), HONE_E_NOTFOUND);
    is_sound(db);
}

static void a_reader_reads_it_as_it_is(void **state)
{
    version = *(const int *)*state;
    make_old(at("read.db"));
    char *before, *after;
    size_t n_before, n_after;
    CHECK(hone_file_read(at("read.db"), 1 << 20, &before, &n_before, err));
    hone_db *db = open_r(at("read.db"));
    holds_the_old_rows(db);
    assert_int_equal(count(db, "schema"), version);
    hone_db_close(db);
    CHECK(hone_file_read(at("read.db"), 1 << 20, &after, &n_after, err));
    assert_true(n_before == n_after && memcmp(before, after, n_before) == 0);
    free(before);
    free(after);
    unlink(at("read.db"));
}

static void a_writer_converts_it(void **state)
{
    version = *(const int *)*state;
    make_old(at("write.db"));
    hone_db *db = open_rw(at("write.db"));
    holds_the_old_rows(db);
    assert_int_equal(count(db, "schema"), HONE_DB_SCHEMA);
    put(db, a_record(1, 1, 9, 150)); /* beside those without compare_ns */
    CHECK(hone_db_model_put(
        db, &(hone_db_model){.class = "x86-64-v4", .threads = 1, .bytes = {"m", 1}}, NULL, err));
    CHECK(hone_db_machine_put(db, &(hone_db_machine){.target_id = 1, .numbers = "{}"}, NULL, err));
    int n = 0;
    CHECK(hone_db_each_fastest(db, 1, 1, 1, first_is_new, &n, err));
    assert_int_equal(n, 1);
    uint64_t doubted;
    CHECK(hone_db_doubt(db, "", 1, INT64_MAX, &doubted, err)); /* of no service */
    assert_int_equal(doubted, 0);
    is_sound(db);
    hone_db_close(db);
    db = open_r(at("write.db"));
    assert_int_equal(count(db, "records"), 4);
    assert_int_equal(count(db, "models"), version > 2 ? 2 : 1);
    assert_int_equal(count(db, "machines"), 1);
    hone_db_close(db);
    unlink(at("write.db"));
}

static void what_is_salvaged_of_it_is_converted(void **state)
{
    version = *(const int *)*state;
    make_old(at("from.db"));
    json_t *j = NULL;
    CHECK(hone_db_salvage(at("from.db"), at("to.db"), &j, err));
    assert_int_equal(json_integer_value(json_object_get(j, "lost")), 0);
    json_decref(j);
    hone_db *db = open_r(at("to.db"));
    holds_the_old_rows(db);
    assert_int_equal(count(db, "schema"), HONE_DB_SCHEMA);
    hone_db_close(db);
    unlink(at("from.db"));
    unlink(at("to.db"));
}

int main(void)
{
    static int versions[] = {1, 2, 3, 4, 5};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_reader_reads_it_as_it_is, &versions[0]),
        cmocka_unit_test_prestate(a_writer_converts_it, &versions[0]),
        cmocka_unit_test_prestate(what_is_salvaged_of_it_is_converted, &versions[0]),
        cmocka_unit_test_prestate(a_reader_reads_it_as_it_is, &versions[1]),
        cmocka_unit_test_prestate(a_writer_converts_it, &versions[1]),
        cmocka_unit_test_prestate(what_is_salvaged_of_it_is_converted, &versions[1]),
        cmocka_unit_test_prestate(a_reader_reads_it_as_it_is, &versions[2]),
        cmocka_unit_test_prestate(a_writer_converts_it, &versions[2]),
        cmocka_unit_test_prestate(what_is_salvaged_of_it_is_converted, &versions[2]),
        cmocka_unit_test_prestate(a_reader_reads_it_as_it_is, &versions[3]),
        cmocka_unit_test_prestate(a_writer_converts_it, &versions[3]),
        cmocka_unit_test_prestate(what_is_salvaged_of_it_is_converted, &versions[3]),
        cmocka_unit_test_prestate(a_reader_reads_it_as_it_is, &versions[4]),
        cmocka_unit_test_prestate(a_writer_converts_it, &versions[4]),
        cmocka_unit_test_prestate(what_is_salvaged_of_it_is_converted, &versions[4]),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
