/* Records of a device that was found to compute wrong: they answer nothing, and what is measured
 * anew takes their place. */
#include "scratch.h"

static int64_t w, t;

/* The candidate `hash`, by lease `fence` of this device; fence 0: by no service. */
static hone_db_record by(uint64_t hash, int64_t time_ns, const char *device, int64_t fence)
{
    hone_db_record r = a_record(w, t, hash, time_ns);
    r.device = device;
    r.fence = fence;
    return r;
}

static hone_db *four_records(const char *name)
{
    hone_db *db = open_rw(at(name));
    w = a_workload(db, 7, "matmul");
    t = a_target(db, "x", 1);
    put(db, by(1, 100, "pi", 5));
    put(db, by(2, 200, "pi", 6));
    put(db, by(3, 300, "nuc", 6));
    put(db, by(4, 0, "pi", 7)); /* rejected */
    put(db, by(5, 500, "pi", 0));
    return db;
}

static uint64_t best(hone_db *db)
{
    hone_db_record r;
    CHECK(hone_db_best(db, 7, "x", 1, &r, err));
    assert_int_equal(r.suspect, 0);
    uint64_t hash = r.trace_hash;
    hone_db_record_free(&r);
    return hash;
}

static bool tally(void *ctx, const hone_db_record *r)
{
    assert_int_equal(r->suspect, 0);
    ++*(unsigned *)ctx;
    return true;
}

static unsigned fastest(hone_db *db)
{
    unsigned n = 0;
    CHECK(hone_db_each_fastest(db, w, t, 9, tally, &n, err));
    return n;
}

static void doubt(hone_db *db, int64_t from, int64_t to, uint64_t expected)
{
    uint64_t n;
    CHECK(hone_db_doubt(db, "pi", from, to, &n, err));
    assert_int_equal(n, expected);
}

static void answers_nothing(void **state)
{
    (void)state;
    hone_db *db = four_records("answers.db");
    assert_int_equal(best(db), 1);
    doubt(db, 1, 4, 0);
    assert_int_equal(best(db), 1);
    doubt(db, 5, 5, 1);
    assert_int_equal(best(db), 2);
    doubt(db, 5, 7, 2); /* the first one is suspect already */
    assert_int_equal(best(db), 3);
    assert_int_equal(fastest(db), 2);
    assert_int_equal(count(db, "suspect"), 3);
    is_sound(db);
    hone_db_close(db);
    db = open_r(at("answers.db"));
    assert_int_equal(best(db), 3);
    hone_db_close(db);
}

/* The winner that a session named does not stand when it is suspect. */
static void no_winner_stands_by_its_name(void **state)
{
    (void)state;
    hone_db *db = four_records("named.db");
    hone_db_session s = {.workload_id = w, .target_id = t, .ended_ms = 1, .best_hash = 1};
    CHECK(hone_db_session_save(db, &s, NULL, err));
    assert_int_equal(best(db), 1);
    doubt(db, 5, 5, 1);
    assert_int_equal(best(db), 2);
    hone_db_close(db);
}

static void what_is_measured_anew_stands(void **state)
{
    (void)state;
    hone_db *db = four_records("anew.db");
    hone_db_sample pairs[] = {{150, 160}, {151, 161}}, fewer[] = {{149, 160}};
    hone_db_record r = by(1, 150, "pi", 8);
    CHECK(hone_db_record_put(db, &r, pairs, 2, NULL, NULL, err));
    doubt(db, 8, 8, 1);
    r = by(1, 149, "nuc", 9); /* of fewer samples */
    CHECK(hone_db_record_put(db, &r, fewer, 1, NULL, NULL, err));
    assert_int_equal(count(db, "suspect"), 0);
    assert_int_equal(best(db), 1);
    r = by(1, 120, "pi", 10); /* what comes late of that device changes nothing */
    r.suspect = 1;
    hone_db_sample many[] = {{120, 160}, {120, 160}, {120, 160}};
    CHECK(hone_db_record_put(db, &r, many, 3, NULL, NULL, err));
    hone_db_record now;
    CHECK(hone_db_record_find(db, w, t, 1, &now, err));
    assert_true(now.time_ns == 149 && now.fence == 9 && now.suspect == 0);
    hone_db_record_free(&now);
    /* Even with the very same samples. */
    doubt(db, 9, 9, 0);
    uint64_t n;
    CHECK(hone_db_doubt(db, "nuc", 9, 9, &n, err));
    assert_int_equal(n, 1);
    r = by(1, 149, "pi", 12);
    CHECK(hone_db_record_put(db, &r, fewer, 1, NULL, NULL, err));
    assert_int_equal(count(db, "suspect"), 0);
    /* A rejection too. */
    doubt(db, 7, 7, 1);
    put(db, by(4, 90, "nuc", 11));
    assert_int_equal(count(db, "suspect"), 0);
    assert_int_equal(best(db), 4);
    is_sound(db);
    hone_db_close(db);
}

static void nothing_but_doubts(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("all.db"));
    w = a_workload(db, 7, "matmul");
    t = a_target(db, "x", 1);
    put(db, by(1, 100, "pi", 5));
    doubt(db, 1, 9, 1);
    hone_db_record r;
    assert_int_equal(hone_db_best(db, 7, "x", 1, &r, NULL), HONE_E_NOTFOUND);
    json_t *j = NULL;
    CHECK(hone_db_prune(db, 1, true, &j, err));
    assert_int_equal(json_integer_value(json_object_get(j, "records")), 1);
    json_decref(j);
    hone_db_close(db);
}

/* Whichever of two logs comes first; and the number of a lease means nothing in another log. */
static void merged(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        hone_db *a = four_records("a.db"), *b = open_rw(at("b.db"));
        doubt(a, 5, 5, 1);
        int64_t wb = a_workload(b, 7, "matmul"), tb = a_target(b, "x", 1);
        put(b, a_record(wb, tb, 1, 170));
        hone_db_close(a);
        hone_db_close(b);
        const char *from[] = {at(turn ? "b.db" : "a.db"), at(turn ? "a.db" : "b.db")};
        json_t *j = NULL;
        CHECK(hone_db_merge(at("to.db"), from, 2, NULL, NULL, &j, err));
        json_decref(j);
        hone_db *db = open_rw(at("to.db"));
        assert_int_equal(count(db, "suspect"), 0);
        assert_int_equal(best(db), 1);
        doubt(db, 1, 9, 0);
        hone_db_close(db);
        unlink(at("a.db"));
        unlink(at("b.db"));
        unlink(at("to.db"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_nothing),
        cmocka_unit_test(no_winner_stands_by_its_name),
        cmocka_unit_test(what_is_measured_anew_stands),
        cmocka_unit_test(nothing_but_doubts),
        cmocka_unit_test(merged),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
