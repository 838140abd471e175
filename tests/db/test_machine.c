/* Machines: kept as they were put, the last few of each target. */
#include "scratch.h"

static hone_db_machine a_machine(int64_t target_id, const char *numbers)
{
    return (hone_db_machine){.target_id = target_id,
                             .numbers = numbers,
                             .about = "{\"seconds\":2}",
                             .created_ms = 1700000000000};
}

static void latest_is(hone_db *db, const char *target, int32_t threads, const char *numbers)
{
    hone_db_machine m;
    CHECK(hone_db_machine_latest(db, target, threads, &m, err));
    assert_string_equal(m.numbers, numbers);
    assert_string_equal(m.about, "{\"seconds\":2}");
    assert_string_equal(m.hone_version, HONE_VERSION);
    assert_true(m.created_ms == 1700000000000);
    hone_db_machine_free(&m);
}

static void put_one(hone_db *db, int64_t target_id, const char *numbers)
{
    hone_db_machine m = a_machine(target_id, numbers);
    CHECK(hone_db_machine_put(db, &m, NULL, err));
}

static void the_last_few_of_a_target(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("few.db"));
    int64_t one = a_target(db, "x", 1), two = a_target(db, "x", 2), id[5];
    hone_error e = {0};
    hone_db_machine m;
    assert_int_equal(hone_db_machine_latest(db, "x", 1, &m, &e), HONE_E_NOTFOUND);
    assert_non_null(strstr(e.message, "no machine of 'x' with 1 thread"));
    put_one(db, two, "{\"clock_ghz\":9}");
    for (int k = 0; k < 5; k++) {
        char numbers[32];
        snprintf(numbers, sizeof numbers, "{\"clock_ghz\":%d}", k);
        m = a_machine(one, numbers);
        CHECK(hone_db_machine_put(db, &m, &id[k], err));
        assert_true(k == 0 || id[k] > id[k - 1]);
    }
    assert_int_equal(count(db, "machines"), HONE_DB_KEEP_MACHINES + 1);
    hone_db_close(db);
    db = open_r(at("few.db"));
    latest_is(db, "x", 1, "{\"clock_ghz\":4}");
    latest_is(db, "x", 2, "{\"clock_ghz\":9}");
    assert_int_equal(hone_db_machine_latest(db, "y", 1, &m, NULL), HONE_E_NOTFOUND);
    is_sound(db);
    hone_db_close(db);
}

static void part_of_a_group(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("group.db"));
    int64_t t = a_target(db, "x", 1);
    put_one(db, t, "{}");
    CHECK(hone_db_begin(db, err));
    put_one(db, t, "{\"clock_ghz\":1}");
    hone_db_rollback(db);
    latest_is(db, "x", 1, "{}");
    hone_db_close(db);
}

static void refused(hone_db *db, hone_db_machine m, const char *says)
{
    hone_error e = {0};
    hone_status s = hone_db_machine_put(db, &m, NULL, &e);
    if (s != HONE_E_INPUT || !strstr(e.message, says))
        fail_msg("%s: %s", hone_status_name(s), e.message);
}

static void what_is_refused(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("bad.db"));
    int64_t t = a_target(db, "x", 1);
    hone_db_machine bad = a_machine(t, "{}");
    refused(db, a_machine(t, NULL), "needs its numbers");
    refused(db, a_machine(t, "{"), "numbers is not JSON");
    refused(db, a_machine(t + 1, "{}"), "not there");
    bad.about = "x";
    refused(db, bad, "not JSON");
    bad = a_machine(t, "{}");
    bad.hone_version = "\xff";
    refused(db, bad, "version is not UTF-8");
    assert_int_equal(count(db, "machines"), 0);
    is_sound(db);
    hone_db_close(db);
}

static void salvaged_with_its_target(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("from.db"));
    put_one(db, a_target(db, "x", 1), "{\"clock_ghz\":4}");
    hone_db_close(db);
    json_t *j = NULL;
    CHECK(hone_db_salvage(at("from.db"), at("to.db"), &j, err));
    assert_int_equal(json_integer_value(json_object_get(j, "machines")), 1);
    assert_int_equal(json_integer_value(json_object_get(j, "lost")), 0);
    json_decref(j);
    db = open_r(at("to.db"));
    latest_is(db, "x", 1, "{\"clock_ghz\":4}");
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_few_of_a_target),
        cmocka_unit_test(part_of_a_group),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(salvaged_with_its_target),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
