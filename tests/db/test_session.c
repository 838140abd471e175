/* Sessions: what a run saves of itself agrees with its results. */
#include "scratch.h"

#include "db/internal.h"

static void sessions_go_on_where_they_stopped(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("session.db"));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1), id = 0, several = 0;
    hone_db_session s = {.workload_id = w, .target_id = t, .seed = 11}, got;
    hone_error e;
    assert_int_equal(hone_db_session_load(db, 1, &got, &e), HONE_E_NOTFOUND);
    hone_rng_seed(&s.rng, 11);
    CHECK(hone_db_session_save(db, &s, &id, err));
    hone_db_session all = {.target_id = t, .seed = 12, .state = "{\"tasks\":[3,1]}"};
    CHECK(hone_db_session_save(db, &all, &several, err));

    /* Results and what the session says of itself become durable together. */
    s.id = id;
    CHECK(hone_db_begin(db, err));
    for (int i = 0; i < 10; i++)
        put(db, a_record(w, t, hone_rng_u64(&s.rng), 100));
    s.trials = 10;
    s.state = "{\"generation\":1}";
    CHECK(hone_db_session_save(db, &s, &id, err));
    CHECK(hone_db_commit(db, err));
    uint64_t next = hone_rng_u64(&s.rng);
    hone_db_close(db);

    db = open_rw(at("session.db"));
    CHECK(hone_db_session_load(db, id, &got, err));
    assert_int_equal(got.id, id);
    assert_int_equal(got.trials, 10);
    assert_true(got.seed == 11 && got.ended_ms == 0 && got.started_ms > 0);
    assert_string_equal(got.state, "{\"generation\":1}");
    assert_string_equal(got.hone_version, HONE_VERSION);
    assert_true(hone_rng_u64(&got.rng) == next);
    got.ended_ms = 99;
    CHECK(hone_db_session_save(db, &got, NULL, err));
    hone_db_session_free(&got);
    CHECK(hone_db_session_load(db, id, &got, err));
    assert_int_equal(got.ended_ms, 99);
    hone_db_session_free(&got);
    CHECK(hone_db_session_load(db, several, &got, err));
    assert_int_equal(got.id, several);
    assert_int_equal(got.workload_id, 0);
    assert_string_equal(got.state, "{\"tasks\":[3,1]}");
    hone_db_session_free(&got);
    hone_db_session bad = {.id = 77};
    assert_int_equal(hone_db_session_save(db, &bad, NULL, &e), HONE_E_NOTFOUND);
    is_sound(db);
    hone_db_close(db);
}

/* A session is saved with each of its results: that must not take longer the more there are. */
static void saving_looks_at_no_record(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("many.db"));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1), id = 0;
    hone_db_session s = {.workload_id = w, .target_id = t, .seed = 1};
    sqlite3_stmt *stmt;
    hone_rng_seed(&s.rng, 1);
    CHECK(hone_db_session_save(db, &s, &id, err));
    s.id = id;
    for (int i = 0; i < 20; i++) {
        hone_db_record r = a_record(w, t, (uint64_t)i + 1, 100);
        r.session_id = id;
        put(db, r);
    }
    CHECK(hone_db_session_save(db, &s, NULL, err));
    CHECK(hone_db__sql(db, HONE_DB__SESSION_SET, &stmt, err));
    assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0);
    assert_true(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0) < 100);
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_go_on_where_they_stopped),
        cmocka_unit_test(saving_looks_at_no_record),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
