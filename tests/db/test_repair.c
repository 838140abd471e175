/* Putting right what can be, and making a log small: nothing that is sound and needed is lost. */
#include "tests/db/logs.h"

#include <fcntl.h>

static void raw(const char *path, const char *sql)
{
    sqlite3 *q;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
    sqlite3_db_config(q, SQLITE_DBCONFIG_DEFENSIVE, 0, (int *)NULL);
    if (sqlite3_exec(q, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(q);
}

/* Two workloads with two records of two samples each, the first two in a session. */
static void make(const char *path)
{
    hone_db__file_remove(path);
    unlink(at("bad.csv"));
    hone_db *db = open_rw(path);
    const hone_db_sample samples[] = {{100, 0}, {101, 0}};
    for (uint64_t k = 1; k <= 2; k++) {
        int64_t w = a_workload(db, k, "c"), t = a_target(db, "x", 1), session = 0;
        hone_db_session s = {.workload_id = w, .target_id = t};
        if (k == 1)
            CHECK(hone_db_session_save(db, &s, &session, err));
        for (uint64_t q = 1; q <= 2; q++) {
            hone_db_record r = a_record(w, t, q, 100);
            r.session_id = session;
            CHECK(hone_db_record_put(db, &r, samples, 2, NULL, NULL, err));
        }
    }
    hone_db_close(db);
}

static const struct {
    const char *damage, *said, *in_csv;
    int64_t workloads, sessions, records, samples; /* that are left */
} cases[] = {
    {"UPDATE record SET time_ns = 1 WHERE id = 2", "1 row of record taken out", "record,2,", 2, 1,
     3, 6},
    {"UPDATE workload SET program = 'a \"b\"' WHERE id = 1", "1 row of workload taken out",
     "workload,1,", 1, 0, 2, 4},
    {"UPDATE session SET trials = 9", "1 row of session taken out", "session,1,", 2, 0, 4, 8},
    {"DELETE FROM session", "2 records had lost samples or a session", NULL, 2, 0, 4, 8},
    {"DELETE FROM sample WHERE record_id = 1 AND turn = 1", "1 record had lost samples", NULL, 2, 1,
     4, 7},
    {"DELETE FROM sample WHERE record_id = 1", "1 record had lost samples", NULL, 2, 1, 4, 6},
    {"INSERT INTO sample VALUES(99, 0, 0, 1, 1)", "1 row of sample taken out", "sample,99,", 2, 1,
     4, 8},
    {"DELETE FROM record WHERE id = 1", "2 rows of sample taken out", "sample,1,", 2, 1, 3, 6},
    {"UPDATE meta SET value = '7' WHERE key = 'schema'", "meta tells of the schema", NULL, 2, 1, 4,
     8},
    /* an index that lacks a row: made over another condition, then said to be the one it was */
    {"PRAGMA writable_schema = ON; DROP INDEX record_of;"
     "CREATE INDEX record_of ON record(workload_id, target_id) WHERE id <> 2;"
     "UPDATE sqlite_schema SET sql = 'CREATE INDEX record_of ON record(workload_id, target_id)'"
     " WHERE name = 'record_of'",
     "indices made anew", NULL, 2, 1, 4, 8},
};

static void what_can_be_is_put_right(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        json_t *j = NULL;
        make(at("log"));
        raw(at("log"), cases[k].damage);
        hone_db *db = open_rw(at("log"));
        hone_error e = {0};
        assert_int_equal(hone_db_check(db, &j, &e), HONE_E_CORRUPT);
        assert_non_null(strstr(e.message, "--repair"));
        json_decref(j);
        CHECK(hone_db_repair(db, at("bad.csv"), &j, err));
        char *said = hone_json_text(json_object_get(j, "repaired"));
        if (!strstr(said, cases[k].said))
            fail_msg("%s: %s", cases[k].damage, said);
        free(said);
        json_decref(j);
        is_sound(db);
        assert_int_equal(count(db, "workloads"), cases[k].workloads);
        assert_int_equal(count(db, "sessions"), cases[k].sessions);
        assert_int_equal(count(db, "records"), cases[k].records);
        assert_int_equal(count(db, "samples"), cases[k].samples);
        char *csv = NULL;
        size_t n = 0;
        hone_status st = hone_file_read(at("bad.csv"), 1 << 20, &csv, &n, NULL);
        assert_int_equal(st, cases[k].in_csv ? HONE_OK : HONE_E_NOTFOUND);
        if (cases[k].in_csv)
            assert_non_null(strstr(csv, cases[k].in_csv));
        free(csv);
        CHECK(hone_db_repair(db, at("bad.csv"), &j, err)); /* again: nothing to do */
        said = hone_json_text(json_object_get(j, "repaired"));
        if (strcmp(said, "[]") != 0)
            fail_msg("%s, again: %s", cases[k].damage, said);
        free(said);
        json_decref(j);
        hone_db_close(db);
    }
}

static void what_was_taken_out_before_stays(void **state)
{
    (void)state;
    json_t *j = NULL;
    make(at("log"));
    for (int id = 1; id <= 2; id++) {
        char *sql = hone_xasprintf("UPDATE record SET time_ns = 1 WHERE id = %d", id);
        raw(at("log"), sql);
        free(sql);
        hone_db *db = open_rw(at("log"));
        CHECK(hone_db_repair(db, at("bad.csv"), &j, err));
        json_decref(j);
        hone_db_close(db);
    }
    char *csv = NULL;
    size_t n = 0;
    CHECK(hone_file_read(at("bad.csv"), 1 << 20, &csv, &n, err));
    assert_true(strstr(csv, "record,1,") && strstr(csv, "record,2,"));
    free(csv);
}

/* A page that cannot be read: nothing is changed. */
static void damaged_pages_are_left(void **state)
{
    (void)state;
    make(at("log"));
    hone_db *db = open_rw(at("log"));
    CHECK(hone_db_begin(db, err));
    for (uint64_t k = 3; k < 600; k++)
        put(db, a_record(1, 1, k, 100));
    CHECK(hone_db_commit(db, err));
    hone_db_close(db);
    struct stat sb;
    char junk[4096], *before = NULL, *after = NULL;
    size_t n = 0;
    memset(junk, 0x5a, sizeof junk);
    assert_int_equal(stat(at("log"), &sb), 0);
    int fd = open(at("log"), O_WRONLY);
    assert_int_equal(pwrite(fd, junk, sizeof junk, sb.st_size / 4096 / 2 * 4096), sizeof junk);
    close(fd);
    CHECK(hone_file_read(at("log"), 1 << 26, &before, &n, err));
    db = open_rw(at("log"));
    json_t *j = NULL;
    hone_error e = {0};
    assert_int_equal(hone_db_repair(db, at("bad.csv"), &j, &e), HONE_E_CORRUPT);
    assert_non_null(strstr(e.message, "salvage"));
    json_decref(j);
    hone_db_close(db);
    CHECK(hone_file_read(at("log"), 1 << 26, &after, &n, err));
    assert_memory_equal(before, after, n);
    assert_int_not_equal(access(at("bad.csv"), F_OK), 0);
    free(before);
    free(after);
}

/* ---- prune ----------------------------------------------------------------------------------- */

/* Every answer of the log, each on a line. */
static char *answers(hone_db *db)
{
    hone_buf out = {0};
    for (uint64_t w = 1; w <= 3; w++)
        for (int k = 0; k < 4; k++) {
            hone_db_record r;
            hone_status st =
                hone_db_best(db, w, k & 1 ? "znver4" : "haswell", 1 + (k >> 1), &r, NULL);
            hone_buf_printf(&out, "%s %" PRIx64 "\n", hone_status_name(st),
                            st == HONE_OK ? r.trace_hash : 0);
            if (st == HONE_OK)
                hone_db_record_free(&r);
        }
    return hone_buf_take(&out);
}

static void answers_stay(void **state)
{
    (void)state;
    uint64_t removed = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        hone_rng g;
        hone_rng_seed(&g, seed);
        hone_db__file_remove(at("log"));
        random_log(at("log"), &g);
        random_log(at("log"), &g);
        hone_db *db = open_rw(at("log"));
        char *before = answers(db);
        int64_t n = count(db, "records"), gone, seen;
        json_t *j = NULL;
        CHECK(hone_db_prune(db, 1, true, &j, err));
        seen = json_integer_value(json_object_get(j, "records"));
        json_decref(j);
        assert_int_equal(count(db, "records"), n);
        CHECK(hone_db_prune(db, 1, false, &j, err));
        gone = json_integer_value(json_object_get(j, "records"));
        json_decref(j);
        assert_int_equal(gone, seen);
        assert_int_equal(count(db, "records"), n - gone);
        char *after = answers(db);
        assert_string_equal(before, after);
        is_sound(db);
        CHECK(hone_db_prune(db, 1, false, &j, err)); /* again: nothing */
        assert_int_equal(json_integer_value(json_object_get(j, "records")), 0);
        json_decref(j);
        free(before);
        free(after);
        hone_db_close(db);
        removed += (uint64_t)gone;
    }
    assert_true(removed > 30);
}

static void the_file_shrinks(void **state)
{
    (void)state;
    make(at("log"));
    hone_db *db = open_rw(at("log"));
    CHECK(hone_db_begin(db, err));
    for (uint64_t k = 3; k < 2000; k++)
        put(db, a_record(1, 1, k, 1000 + (int64_t)k));
    CHECK(hone_db_commit(db, err));
    hone_db_close(db);
    struct stat was, is;
    assert_int_equal(stat(at("log"), &was), 0);
    db = open_rw(at("log"));
    json_t *j = NULL;
    CHECK(hone_db_prune(db, 10, false, &j, err));
    json_decref(j);
    assert_int_equal(count(db, "records"), 12);
    assert_int_equal(count(db, "forgotten"), 1989);
    CHECK(hone_db__exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", "shrinking", err));
    put(db, a_record(1, 1, 2000, 1000)); /* nobody else cut it short */
    hone_db_close(db);
    assert_int_equal(stat(at("log"), &is), 0);
    assert_true(is.st_size < was.st_size / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_is_put_right),
        cmocka_unit_test(what_was_taken_out_before_stays),
        cmocka_unit_test(damaged_pages_are_left),
        cmocka_unit_test(answers_stay),
        cmocka_unit_test(the_file_shrinks),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
