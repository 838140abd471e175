/* Counting, and finding damage that SQLite itself cannot see. */
#include "scratch.h"

#include <fcntl.h>
#include <sqlite3.h>

static void raw(const char *path, const char *sql)
{
    sqlite3 *q;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
    if (sqlite3_exec(q, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(q);
}

static hone_db *sound(const char *name)
{
    hone_db *db = open_rw(at(name));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    hone_db_record good = a_record(w, t, 1, 100), late = a_record(w, t, 2, 0),
                   wrong = a_record(w, t, 3, 0);
    wrong.status = HONE_REJECT_WRONG_RESULT;
    hone_db_sample s[] = {{100, 0}, {101, 0}, {99, 0}};
    hone_db_session session = {.workload_id = w, .target_id = t};
    CHECK(hone_db_record_put(db, &good, s, 3, NULL, NULL, err));
    put(db, late);
    put(db, wrong);
    CHECK(hone_db_session_save(db, &session, NULL, err));
    CHECK(hone_db_model_put(db, &(hone_db_model){.class = "x86-64-v4", .bytes = {"trees", 5}}, NULL,
                            err));
    return db;
}

static void counts(void **state)
{
    (void)state;
    hone_db *db = sound("stats.db");
    json_t *j = NULL;
    CHECK(hone_db_stats(db, &j, err));
    assert_true(json_integer_value(json_object_get(j, "bytes")) > 0);
    assert_true(json_integer_value(json_object_get(j, "wal_bytes")) > 0);
    json_object_del(j, "bytes");
    json_object_del(j, "wal_bytes");
    char *text = hone_json_text(j);
    assert_string_equal(text, "{\"forgotten\":0,\"machines\":0,\"models\":1,\"ok\":1,\"records\":3,"
                              "\"rejected\":{\"REJECT_RUN_TIMEOUT\":1,\"REJECT_WRONG_RESULT\":1},"
                              "\"samples\":3,\"schema\":6,\"sessions\":1,\"suspect\":0,"
                              "\"targets\":1,\"workloads\":1}");
    free(text);
    json_decref(j);
    CHECK(hone_db_check(db, &j, err));
    text = hone_json_text(j);
    assert_string_equal(
        text,
        "{\"machines\":0,\"models\":1,\"ok\":true,\"problems\":[],\"records\":3,\"removals\":0,"
        "\"sessions\":1,\"targets\":1,"
        "\"unfounded\":{\"by_reason\":{},\"by_status\":{},"
        "\"by_workload\":{},\"records\":0,\"samples\":0},"
        "\"workloads\":1}");
    free(text);
    json_decref(j);
    hone_db_close(db);
}

/* After `sql`, the check names exactly one problem, this one. */
static void after(const char *name, const char *sql, const char *problem)
{
    hone_db_close(sound(name));
    raw(at(name), sql);
    hone_db *db = open_r(at(name));
    json_t *j = NULL;
    hone_error e = {0};
    if (hone_db_check(db, &j, &e) != HONE_E_CORRUPT)
        fail_msg("not found: %s", sql);
    json_t *problems = json_object_get(j, "problems");
    char *text = hone_json_text(problems);
    const char *first = json_string_value(json_array_get(problems, 0));
    if (json_array_size(problems) != 1 || strcmp(first, problem) != 0)
        fail_msg("after %s: %s", sql, text);
    assert_non_null(strstr(e.message, problem));
    assert_true(json_is_false(json_object_get(j, "ok")));
    free(text);
    json_decref(j);
    hone_db_close(db);
}

static void damage_is_found(void **state)
{
    (void)state;
    after("a.db", "UPDATE record SET time_ns = 1 WHERE id = 1",
          "record 1 does not match its checksum");
    after("b.db", "UPDATE workload SET program = 'other'",
          "workload 1 does not match its checksum");
    after("c.db", "UPDATE session SET rng = randomblob(32)",
          "session 1 does not match its checksum");
    after("d.db", "DELETE FROM sample WHERE turn = 1",
          "record 1 rests on 3 samples, of which 2 are there");
    after("e.db", "INSERT INTO sample VALUES(99, 0, 0, 1, 1)",
          "samples of record 99, which is not there");
    after("g.db", "INSERT INTO forgotten VALUES(1, '{}', 5, 0, 1, '0.1', 'no sum')",
          "forgotten 1 does not match its checksum");
    after("h.db", "UPDATE model SET bytes = CAST('treeS' AS BLOB)",
          "model 1 does not match its checksum");
    after("i.db", "UPDATE model SET class = 'other'", "model 1 does not match its checksum");
    after("f.db",
          "DELETE FROM meta WHERE key = 'schema';"
          "INSERT INTO meta VALUES('schema', '7')",
          "meta tells of schema 7, the file's head of another");
}

/* Memory of jansson's that is given back at the end: who frees a value twice is seen. */
typedef struct block {
    _Alignas(max_align_t) struct block *next;
    bool freed;
} block;
static block *blocks;
static unsigned freed_twice;

static void *block_new(size_t n)
{
    block *b = hone_xcalloc(1, sizeof *b + (n > sizeof(json_t) ? n : sizeof(json_t)));
    b->next = blocks;
    blocks = b;
    return b + 1;
}

static void block_free(void *p)
{
    block *b = p;
    if (!b)
        return;
    freed_twice += b[-1].freed;
    b[-1].freed = true;
    ((json_t *)p)->refcount = 1; /* whoever has it still lets go of the last one, again */
}

static void blocks_free(void)
{
    for (block *next; blocks; blocks = next) {
        next = blocks->next;
        free(blocks);
    }
}

static void a_lost_table_is_found(void **state)
{
    (void)state;
    static const char *const tables[] = {"workload", "target", "session", "record", "sample"};
    for (unsigned k = 0; k < HONE_LEN(tables); k++) {
        char *sql = hone_xasprintf("DROP TABLE %s", tables[k]), *name = hone_xstrdup(at("lost.db"));
        hone_db_close(sound("lost.db"));
        raw(name, sql);
        hone_db *db = open_r(name);
        json_t *j = NULL;
        hone_error e = {0};
        json_set_alloc_funcs(block_new, block_free);
        hone_status st = hone_db_check(db, &j, &e);
        json_decref(j);
        json_set_alloc_funcs(malloc, free);
        blocks_free();
        assert_int_equal(st, HONE_E_CORRUPT);
        assert_int_equal(freed_twice, 0);
        hone_db_close(db);
        assert_int_equal(unlink(name), 0);
        free(name);
        free(sql);
    }
}

static void a_changed_row_is_not_served(void **state)
{
    (void)state;
    hone_db_close(sound("served.db"));
    raw(at("served.db"), "UPDATE record SET time_ns = 1 WHERE id = 1");
    hone_db *db = open_rw(at("served.db"));
    hone_db_record r;
    hone_error e = {0};
    assert_int_equal(hone_db_best(db, 1, "x", 1, &r, &e), HONE_E_CORRUPT);
    assert_non_null(strstr(e.message, "record 1 in"));
    assert_string_equal(e.where, at("served.db"));
    assert_int_equal(hone_db_record_get(db, 1, &r, NULL), HONE_E_CORRUPT);
    CHECK(hone_db_record_get(db, 2, &r, err));
    hone_db_record_free(&r);
    hone_db_close(db);
    raw(at("served.db"), "UPDATE model SET bytes = x'00'");
    db = open_r(at("served.db"));
    hone_db_model m;
    assert_int_equal(hone_db_model_latest(db, "x86-64-v4", 0, &m, &e), HONE_E_CORRUPT);
    assert_non_null(strstr(e.message, "model 1 in"));
    hone_db_close(db);
}

/* What would make a log say that it has nothing. */
static void what_is_not_found_is_vouched_for(void **state)
{
    (void)state;
    static const char *const damage[] = {
        "DELETE FROM workload",
        "DELETE FROM target",
        "UPDATE record SET target_id = 77",
        "UPDATE workload SET class = 'd'",
        "UPDATE target SET threads = 3",
        "UPDATE record SET status = 'REJECT_CRASH', time_ns = NULL",
    };
    hone_db *db = sound("vouch.db");
    a_workload(db, 2, "c"); /* without a record: nothing is wrong with that */
    CHECK(hone_db_vouch(db, err));
    hone_db_close(db);
    for (unsigned k = 0; k < HONE_LEN(damage); k++) {
        hone_error e = {0};
        db = sound("vouched.db");
        hone_db_close(db);
        char *path = hone_xstrdup(at("vouched.db"));
        raw(path, damage[k]);
        CHECK(hone_db_open(path, HONE_DB_READ, &db, err));
        assert_int_equal(hone_db_vouch(db, &e), HONE_E_CORRUPT);
        assert_non_null(strstr(e.message, "vouched.db"));
        hone_db_close(db);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
}

/* A later release may know more reasons to reject. */
static void unknown_rejections_are_kept(void **state)
{
    (void)state;
    hone_db_close(sound("later.db"));
    raw(at("later.db"), "UPDATE record SET status = 'REJECT_TIRED' WHERE id = 2");
    hone_db *db = open_r(at("later.db"));
    hone_db_record r;
    CHECK(hone_db_record_get(db, 2, &r, err));
    assert_int_equal(r.status, HONE_STATUS_COUNT);
    hone_db_record_free(&r);
    is_sound(db);
    hone_db_close(db);
}

/* ---- salvage ------------------------------------------------------------------------------- */

static int64_t salvaged(const char *from, const char *to, const char *key)
{
    json_t *j = NULL;
    CHECK(hone_db_salvage(from, to, &j, err));
    int64_t n = json_integer_value(json_object_get(j, key));
    hone_db *db = open_rw(to);
    assert_int_equal(count(db, "records"), json_integer_value(json_object_get(j, "records")));
    is_sound(db);
    hone_db_close(db);
    json_decref(j);
    return n;
}

enum { MANY = 3000 };

static void make_many(const char *path)
{
    hone_db *db = open_rw(path);
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    hone_db_sample s[] = {{100, 0}, {101, 0}};
    CHECK(hone_db_begin(db, err));
    for (uint64_t i = 1; i <= MANY; i++) {
        hone_db_record r = a_record(w, t, i, 100);
        CHECK(hone_db_record_put(db, &r, s, 2, NULL, NULL, err));
    }
    CHECK(hone_db_commit(db, err));
    hone_db_close(db);
}

/* Every record is saved, or counted as lost, or it is said that nobody knows. */
static void is_accounted_for(const char *from, const char *to)
{
    json_t *j = NULL;
    CHECK(hone_db_salvage(from, to, &j, err));
    int64_t saved = json_integer_value(json_object_get(j, "records"));
    int64_t lost = json_integer_value(json_object_get(j, "lost"));
    if (json_object_get(j, "lost_unknown"))
        assert_true(saved + lost < MANY);
    else
        assert_true(saved + lost == MANY);
    json_decref(j);
}

static void salvage_of_a_sound_file_is_a_copy(void **state)
{
    (void)state;
    hone_db_close(sound("whole.db"));
    json_t *j = NULL;
    CHECK(hone_db_salvage(at("whole.db"), at("copy.db"), &j, err));
    char *text = hone_json_text(j);
    assert_string_equal(
        text, "{\"lost\":0,\"machines\":0,\"models\":1,\"records\":3,\"removals\":0,\"sessions\":1,"
              "\"targets\":1,\"workloads\":1}");
    free(text);
    json_decref(j);
    hone_error e;
    assert_int_equal(hone_db_salvage(at("whole.db"), at("copy.db"), &j, &e), HONE_E_INPUT);
    hone_db *db = open_r(at("copy.db"));
    hone_db_record r;
    CHECK(hone_db_best(db, 1, "x", 1, &r, err));
    assert_true(r.id == 1 && r.n_samples == 3);
    hone_db_record_free(&r);
    hone_db_model m;
    CHECK(hone_db_model_latest(db, "x86-64-v4", 0, &m, err));
    assert_true(m.bytes.n == 5 && memcmp(m.bytes.v, "trees", 5) == 0);
    hone_db_model_free(&m);
    is_sound(db);
    hone_db_close(db);
}

static void salvage_steps_over_damage(void **state)
{
    (void)state;
    /* One edited row. */
    hone_db_close(sound("edit.db"));
    raw(at("edit.db"), "UPDATE record SET time_ns = 1 WHERE id = 1");
    assert_int_equal(salvaged(at("edit.db"), at("edit2.db"), "lost"), 1);
    hone_db_close(sound("model.db"));
    raw(at("model.db"), "UPDATE model SET bytes = x'00'");
    assert_int_equal(salvaged(at("model.db"), at("model2.db"), "models"), 0);
    /* Three pages, wherever they are. */
    make_many(at("many.db"));
    struct stat sb;
    assert_int_equal(stat(at("many.db"), &sb), 0);
    char junk[4096];
    memset(junk, 0x5a, sizeof junk);
    for (int i = 1; i <= 3; i++) {
        int fd = open(at("many.db"), O_WRONLY);
        assert_int_equal(pwrite(fd, junk, sizeof junk, sb.st_size / 4096 * i / 4 * 4096),
                         sizeof junk);
        close(fd);
    }
    is_accounted_for(at("many.db"), at("many3.db"));
    assert_true(salvaged(at("many.db"), at("many2.db"), "records") > MANY * 9 / 10);
    /* The last third is missing. */
    make_many(at("third.db"));
    assert_int_equal(truncate(at("third.db"), sb.st_size / 3 * 2 / 4096 * 4096), 0);
    is_accounted_for(at("third.db"), at("third2.db"));
    assert_true(salvaged(at("third.db"), at("third3.db"), "records") > MANY / 2);
    /* More and more of it. */
    for (int i = 2; i < 9; i++) {
        make_many(at("more.db"));
        assert_int_equal(truncate(at("more.db"), sb.st_size * i / 9 / 4096 * 4096), 0);
        is_accounted_for(at("more.db"), at("more2.db"));
        hone_db__file_remove(at("more.db"));
        hone_db__file_remove(at("more2.db"));
    }
    /* The schema itself is gone. */
    make_many(at("lost.db"));
    int fd = open(at("lost.db"), O_WRONLY);
    assert_int_equal(pwrite(fd, junk, 3996, 100), 3996);
    close(fd);
    json_t *j;
    hone_error e;
    assert_int_equal(hone_db_salvage(at("lost.db"), at("lost2.db"), &j, &e), HONE_E_CORRUPT);
    assert_int_not_equal(access(at("lost2.db"), F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(a_lost_table_is_found),
        cmocka_unit_test(a_changed_row_is_not_served),
        cmocka_unit_test(what_is_not_found_is_vouched_for),
        cmocka_unit_test(unknown_rejections_are_kept),
        cmocka_unit_test(salvage_of_a_sound_file_is_a_copy),
        cmocka_unit_test(salvage_steps_over_damage),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
