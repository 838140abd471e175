/* Taking records out: those that somebody chose, and those that no worker pronounced. */
#include "scratch.h"

#include <sqlite3.h>

static hone_db *db;
static int64_t matmul, conv, t;
static uint64_t next_hash;

static void start(const char *name)
{
    db = open_rw(at(name));
    matmul = a_workload(db, 0x10, "c");
    hone_db_workload w = {.hash = 0x20, .name = "conv", .class = "conv", .program = "p"};
    CHECK(hone_db_workload_put(db, &w, &conv, err));
    t = a_target(db, "x", 1);
    next_hash = 1;
}

static int64_t add(int64_t w, hone_status status, const char *reason, const char *device,
                   int64_t created_ms)
{
    hone_db_record r = a_record(w, t, next_hash++, status == HONE_OK ? 100 : 0);
    r.status = status;
    r.reason = reason;
    r.device = device;
    r.created_ms = created_ms;
    hone_db_sample s[] = {{100, 0}, {101, 0}};
    int64_t id = 0;
    CHECK(hone_db_record_put(db, &r, s, status == HONE_OK ? 2 : 0, &id, NULL, err));
    return id;
}

static int64_t number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

/* Forgets, looking first: both tell the same. */
static void forgets(hone_db_choice c, int64_t records, int64_t samples)
{
    json_t *dry = NULL, *j = NULL;
    int64_t before = count(db, "records");
    CHECK(hone_db_forget(db, &c, true, &dry, err));
    assert_int_equal(count(db, "records"), before);
    CHECK(hone_db_forget(db, &c, false, &j, err));
    assert_true(json_equal(dry, j));
    assert_int_equal(number(j, "records"), records);
    assert_int_equal(number(j, "samples"), samples);
    assert_int_equal(count(db, "records"), before - records);
    json_decref(dry);
    json_decref(j);
    is_sound(db);
}

static void fill(const char *name)
{
    start(name);
    add(matmul, HONE_OK, "", "board-1", 1000);                                      /* 1 */
    add(matmul, HONE_OK, "", "board-2", 2000);                                      /* 2 */
    add(matmul, HONE_REJECT_CRASH, "the kernel crashed: SIGSEGV", "board-2", 3000); /* 3 */
    add(conv, HONE_REJECT_CRASH, "the kernel crashed: SIGILL", "board-2", 4000);    /* 4 */
    add(conv, HONE_OK, "", "board-1", 5000);                                        /* 5 */
}

static void what_is_chosen_goes_with_its_samples(void **state)
{
    (void)state;
    fill("workload.db");
    forgets((hone_db_choice){.workload = "matmul"}, 3, 4);
    forgets((hone_db_choice){.workload = "0000000000000020"}, 2, 2);
    forgets((hone_db_choice){.workload = "matmul"}, 0, 0);
    assert_int_equal(count(db, "forgotten"), 5);
    hone_db_close(db);
    fill("trace.db");
    forgets((hone_db_choice){.trace_hash = "0000000000000002"}, 1, 2);
    forgets((hone_db_choice){.status = "REJECT_CRASH", .workload = "conv"}, 1, 0);
    forgets((hone_db_choice){.reason = "*SIG[A-T]?GV"}, 1, 0);
    forgets((hone_db_choice){.device = "board-1", .before_ms = 5000}, 1, 2);
    forgets((hone_db_choice){.status = "OK"}, 1, 2);
    assert_int_equal(count(db, "records"), 0);
    assert_int_equal(count(db, "samples"), 0);
    hone_db_close(db);
    fill("quoted.db"); /* values are no SQL, and no columns' names */
    forgets((hone_db_choice){.reason = "@r' OR 1 --"}, 0, 0);
    forgets((hone_db_choice){.device = "%s%n\"; DELETE FROM record"}, 0, 0);
    hone_db_close(db);
}

static void it_is_counted_by_kind(void **state)
{
    (void)state;
    fill("kinds.db");
    json_t *j = NULL;
    CHECK(hone_db_forget(db, &(hone_db_choice){.device = "board-2"}, true, &j, err));
    char *text = hone_json_text(j);
    assert_string_equal(text,
                        "{\"by_reason\":{\"\":1,\"the kernel crashed: SIGILL\":1,"
                        "\"the kernel crashed: SIGSEGV\":1},"
                        "\"by_status\":{\"OK\":1,\"REJECT_CRASH\":2},"
                        "\"by_workload\":{\"conv\":1,\"matmul\":2},\"records\":3,\"samples\":2}");
    free(text);
    json_decref(j);
    hone_db_close(db);
}

static void a_choice_of_everything_is_refused(void **state)
{
    (void)state;
    fill("all.db");
    json_t *j;
    hone_error e;
    assert_int_equal(hone_db_forget(db, &(hone_db_choice){0}, false, &j, &e), HONE_E_INPUT);
    assert_int_equal(hone_db_forget(db, &(hone_db_choice){.device = "\xff"}, false, &j, &e),
                     HONE_E_INPUT);
    assert_int_equal(count(db, "records"), 5);
    hone_db_close(db);
}

/* A winner that is forgotten is no winner any more, and a candidate may be stored again. */
static void what_is_forgotten_is_as_if_never_tried(void **state)
{
    (void)state;
    start("again.db");
    hone_db_session s = {.workload_id = matmul, .target_id = t};
    int64_t id = 0;
    CHECK(hone_db_session_save(db, &s, &id, err));
    hone_db_record slow = a_record(matmul, t, 1, 200), fast = a_record(matmul, t, 2, 100), r;
    slow.session_id = fast.session_id = id;
    put(db, slow);
    put(db, fast);
    s = (hone_db_session){.id = id, .ended_ms = 1, .best_hash = 1};
    CHECK(hone_db_session_save(db, &s, NULL, err));
    CHECK(hone_db_best(db, 0x10, "x", 1, &r, err));
    assert_true(r.trace_hash == 1);
    hone_db_record_free(&r);
    forgets((hone_db_choice){.trace_hash = "0000000000000001"}, 1, 0);
    CHECK(hone_db_best(db, 0x10, "x", 1, &r, err));
    assert_true(r.trace_hash == 2);
    hone_db_record_free(&r);
    bool existed = true;
    CHECK(hone_db_record_put(db, &slow, NULL, 0, NULL, &existed, err));
    assert_false(existed);
    hone_db_close(db);
}

/* ---- what no worker pronounced ------------------------------------------------------------- */

static const struct {
    hone_status status;
    const char *reason;
} unfounded[] =
    {
        {HONE_REJECT_BUILD, "its worker was lost at every attempt"},
        {HONE_REJECT_CRASH, "its worker was lost at every attempt"},
        {HONE_REJECT_BUILD, "the build process died: signal 9, Killed"},
        {HONE_REJECT_BUILD, "the build process died: signal 15, Terminated"},
        {HONE_REJECT_BUILD, "the build process died: it was not running"},
        {HONE_REJECT_ARTIFACT, "artifact crashes the loader"},
        {HONE_REJECT_ARTIFACT, "artifact cannot be loaded: x: failed: Cannot allocate memory"},
        {HONE_REJECT_CRASH, "the kernel crashed: SIGINT"},
        {HONE_REJECT_CRASH, "the pack function crashed: SIGTERM"},
},
  founded[] = {
      {HONE_OK, ""},
      {HONE_REJECT_BUILD, "the build process died: signal 11, Segmentation fault"},
      {HONE_REJECT_BUILD, "the build process died: exit code 1"},
      {HONE_REJECT_BUILD_TIMEOUT, "the build took longer than 30000 ms"},
      {HONE_REJECT_ARTIFACT, "artifact crashes the loader (SIGSEGV)"},
      {HONE_REJECT_ARTIFACT, "artifact cannot be loaded: undefined symbol: f"},
      {HONE_REJECT_CRASH, "the kernel crashed: SIGSEGV at 0x8"},
      {HONE_REJECT_CRASH, "the kernel crashed: SIGILL"},
      {HONE_REJECT_RUN_TIMEOUT, "the kernel did not end in time"},
      {HONE_REJECT_WRONG_RESULT, "wrong"},
};

static void what_no_worker_pronounced_is_healed(void **state)
{
    (void)state;
    start("heal.db");
    for (size_t i = 0; i < HONE_LEN(unfounded); i++)
        add(matmul, unfounded[i].status, unfounded[i].reason, "", 0);
    for (size_t i = 0; i < HONE_LEN(founded); i++)
        add(conv, founded[i].status, founded[i].reason, "", 0);
    hone_db_close(db);

    json_t *j = NULL;
    hone_error e = {0};
    const int64_t n = HONE_LEN(unfounded);
    db = open_r(at("heal.db"));
    assert_int_equal(hone_db_check(db, &j, &e), HONE_E_CORRUPT);
    assert_non_null(strstr(e.message, "9 rejections that no worker pronounced"));
    assert_non_null(strstr(e.message, "heal.db --repair"));
    assert_true(json_is_false(json_object_get(j, "ok")));
    assert_int_equal(json_array_size(json_object_get(j, "problems")), 0);
    assert_int_equal(number(json_object_get(j, "unfounded"), "records"), n);
    json_decref(j);
    hone_db_close(db);

    db = open_rw(at("heal.db"));
    CHECK(hone_db_repair(db, at("bad.csv"), &j, err));
    assert_true(json_is_true(json_object_get(j, "ok")));
    json_t *healed = json_object_get(j, "healed");
    assert_int_equal(number(healed, "records"), n);
    assert_int_equal(
        number(json_object_get(healed, "by_reason"), "its worker was lost at every attempt"), 2);
    json_decref(j);
    assert_int_equal(count(db, "records"), HONE_LEN(founded));
    assert_int_equal(count(db, "forgotten"), n);
    is_sound(db);
    CHECK(
        hone_db_repair(db, at("bad.csv"), &j, err)); /* again: nothing to do, and no trace of it */
    assert_int_equal(number(json_object_get(j, "healed"), "records"), 0);
    assert_int_equal(number(j, "removals"), 1);
    json_decref(j);
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_chosen_goes_with_its_samples),
        cmocka_unit_test(it_is_counted_by_kind),
        cmocka_unit_test(a_choice_of_everything_is_refused),
        cmocka_unit_test(what_is_forgotten_is_as_if_never_tried),
        cmocka_unit_test(what_no_worker_pronounced_is_healed),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
