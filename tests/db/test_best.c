/* Which record a query gets: what the session reported, not the luckiest time. */
#include "scratch.h"

static hone_db *db;
static int64_t w, t;

static void start(const char *name)
{
    db = open_rw(at(name));
    w = a_workload(db, 7, "c");
    t = a_target(db, "x", 1);
}

static int64_t session(void)
{
    int64_t id = 0;
    hone_db_session s = {.workload_id = w, .target_id = t};
    CHECK(hone_db_session_save(db, &s, &id, err));
    return id;
}

static void end(int64_t id, uint64_t winner)
{
    hone_db_session s = {.id = id, .ended_ms = 1, .best_hash = winner};
    CHECK(hone_db_session_save(db, &s, NULL, err));
}

static void add(int64_t session_id, uint64_t hash, int64_t compare_ns, int32_t space_version)
{
    hone_db_record r = a_record(w, t, hash, 500);
    r.session_id = session_id;
    r.compare_ns = compare_ns;
    r.space_version = space_version;
    put(db, r);
}

static void convict(uint64_t hash)
{
    hone_db_record r = a_record(w, t, hash, 0);
    r.status = HONE_REJECT_WRONG_RESULT;
    put(db, r);
}

static void best_is(uint64_t hash)
{
    hone_db_record r;
    CHECK(hone_db_best(db, 7, "x", 1, &r, err));
    assert_true(r.trace_hash == hash);
    hone_db_record_free(&r);
}

static void finish(void)
{
    is_sound(db);
    hone_db_close(db);
}

static void without_a_winner_the_clock_decides(void **state)
{
    (void)state;
    start("clock.db");
    int64_t s = session();
    add(s, 1, 300, 0);
    add(s, 2, 200, 0);
    add(s, 3, 200, 0);
    best_is(2);                                /* of equals the earlier; time_ns is 500 for all */
    hone_db_record r = a_record(w, t, 4, 190); /* compare_ns left out: its time */
    put(db, r);
    best_is(4);
    end(s, 0);
    best_is(4);
    finish();
}

static void the_winner_named_stands_against_luckier_times(void **state)
{
    (void)state;
    start("named.db");
    int64_t s = session();
    add(s, 1, 100, 0); /* lucky once, and lost the race */
    add(s, 2, 200, 0);
    best_is(1);
    end(s, 2);
    best_is(2);
    convict(2);
    best_is(1);
    finish();
}

static void a_later_session_beats_it_by_a_faster_one(void **state)
{
    (void)state;
    start("later.db");
    int64_t s1 = session();
    add(s1, 1, 100, 0);
    add(s1, 2, 200, 0);
    end(s1, 2);
    int64_t s2 = session(); /* dies, or still runs */
    add(s2, 3, 250, 0);
    best_is(2);
    add(s2, 4, 190, 0);
    add(s2, 5, 195, 0);
    best_is(4);
    end(s2, 5);
    best_is(5);
    convict(5); /* then the session before it decides, and who beat its winner since */
    best_is(4);
    finish();
}

static void winners_of_this_version_of_the_space_go_first(void **state)
{
    (void)state;
    const int32_t old = HONE_SPACE_VERSION - 1;
    start("version.db");
    int64_t s1 = session();
    add(s1, 1, 100, old);
    add(s1, 2, 200, old);
    end(s1, 2);
    best_is(2); /* none of this version: the old one's */
    int64_t s2 = session();
    add(s2, 3, 300, 0);
    best_is(2);
    end(s2, 3);
    best_is(3);
    int64_t s3 = session(); /* an old program used the file again */
    add(s3, 4, 50, old);
    end(s3, 4);
    best_is(3);
    finish();
}

static void sessions_of_others_do_not_decide(void **state)
{
    (void)state;
    start("others.db");
    int64_t mine = w, s1 = session();
    add(s1, 1, 100, 0);
    add(s1, 2, 200, 0);
    end(s1, 2);
    w = a_workload(db, 8, "c");
    int64_t s2 = session();
    add(s2, 1, 10, 0);
    end(s2, 1);
    w = mine;
    best_is(2);
    finish();
}

static void times_below_zero_are_refused(void **state)
{
    (void)state;
    start("zero.db");
    hone_error e;
    hone_db_record r = a_record(w, t, 1, 100);
    r.compare_ns = -1;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    r.compare_ns = 0;
    r.incumbent_ns = -1;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_winner_the_clock_decides),
        cmocka_unit_test(the_winner_named_stands_against_luckier_times),
        cmocka_unit_test(a_later_session_beats_it_by_a_faster_one),
        cmocka_unit_test(winners_of_this_version_of_the_space_go_first),
        cmocka_unit_test(sessions_of_others_do_not_decide),
        cmocka_unit_test(times_below_zero_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
