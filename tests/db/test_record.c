/* Records, workloads, targets: what goes in comes out, once. */
#include "scratch.h"

#include <math.h>

static void round_trip(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("round.db"));
    hone_db_workload w = {.hash = 0x00ff00000000abcdull,
                          .name = "matmul",
                          .class = "matmul f32",
                          .program = "kernel \xce\xbc { }\n",
                          .sizes = "{\"M\":3}",
                          .flops = INT64_MAX,
                          .created_ms = 17};
    hone_db_target t = {.text = "x86-64 avx512", .threads = 8, .class = "x86", .created_ms = 18};
    int64_t wid = 0, tid = 0, sid = 0, rid = 0;
    CHECK(hone_db_workload_put(db, &w, &wid, err));
    CHECK(hone_db_target_put(db, &t, &tid, err));
    hone_db_session s = {.workload_id = wid, .target_id = tid, .seed = UINT64_MAX, .trials = 5};
    hone_rng_seed(&s.rng, 42);
    CHECK(hone_db_session_save(db, &s, &sid, err));
    hone_db_record r = {.workload_id = wid,
                        .target_id = tid,
                        .trace_hash = 0xfedcba9876543210ull,
                        .trace = "[[\"split\",1,[4,16]]]",
                        .status = HONE_OK,
                        .time_ns = 12345,
                        .log_ratio = -0.25,
                        .max_error = 1e-6,
                        .tolerance = 1e-4,
                        .checked = "reference",
                        .data_seed = 0x8000000000000001ull,
                        .build_ns = 22000000,
                        .run_ns = 33000000,
                        .device = "board-7",
                        .env = "mitigations=off",
                        .session_id = sid,
                        .created_ms = 1700000000000,
                        .space_version = 3,
                        .hone_version = "0.9",
                        .llvm_version = "19.1.7"};
    hone_db_sample samples[] = {{12345, 15000}, {12345.5, 15001}, {12300, 0}};
    bool existed = true;
    CHECK(hone_db_record_put(db, &r, samples, 3, &rid, &existed, err));
    assert_false(existed);
    hone_db_close(db);

    db = open_r(at("round.db"));
    hone_db_workload w2;
    CHECK(hone_db_workload_find(db, w.hash, &w2, err));
    assert_int_equal(w2.id, wid);
    assert_string_equal(w2.name, w.name);
    assert_string_equal(w2.class, w.class);
    assert_string_equal(w2.program, w.program);
    assert_string_equal(w2.sizes, w.sizes);
    assert_true(w2.hash == w.hash && w2.flops == w.flops && w2.created_ms == 17);
    hone_db_workload_free(&w2);
    hone_db_target t2;
    CHECK(hone_db_target_find(db, t.text, 8, &t2, err));
    assert_int_equal(t2.id, tid);
    assert_string_equal(t2.class, "x86");
    assert_int_equal(t2.created_ms, 18);
    hone_db_target_free(&t2);
    hone_db_record g;
    CHECK(hone_db_record_get(db, rid, &g, err));
    assert_true(g.id == rid && g.workload_id == wid && g.target_id == tid);
    assert_true(g.trace_hash == r.trace_hash && g.data_seed == r.data_seed);
    assert_string_equal(g.trace, r.trace);
    assert_int_equal(g.status, HONE_OK);
    assert_string_equal(g.reason, "");
    assert_true(g.time_ns == 12345 && g.n_samples == 3 && g.log_ratio == -0.25);
    assert_true(g.max_error == 1e-6 && g.tolerance == 1e-4);
    assert_string_equal(g.checked, "reference");
    assert_true(g.build_ns == 22000000 && g.run_ns == 33000000 && g.session_id == sid);
    assert_string_equal(g.device, "board-7");
    assert_string_equal(g.env, "mitigations=off");
    assert_true(g.created_ms == 1700000000000 && g.space_version == 3);
    assert_string_equal(g.hone_version, "0.9");
    assert_string_equal(g.llvm_version, "19.1.7");
    hone_db_record_free(&g);
    hone_db_sample got[3];
    assert_int_equal(samples_of(db, rid, got, 3), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(got[i].candidate_ns == samples[i].candidate_ns &&
                    got[i].incumbent_ns == samples[i].incumbent_ns);
    hone_db_close(db);
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("defaults.db"));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    hone_db_record r = {
        .workload_id = w, .target_id = t, .trace_hash = 9, .trace = "[]", .status = HONE_OK};
    r.time_ns = 5;
    r.max_error = NAN;
    r.log_ratio = -0.0;
    r.reason = "bad \xff\xfe byte";
    int64_t id = put(db, r);
    hone_db_record g;
    CHECK(hone_db_record_get(db, id, &g, err));
    assert_string_equal(g.hone_version, HONE_VERSION);
    assert_int_equal(g.space_version, HONE_SPACE_VERSION);
    assert_string_equal(g.llvm_version, "");
    assert_string_equal(g.checked, "");
    assert_string_equal(g.reason, "bad ?? byte");
    assert_true(g.created_ms > 1600000000000);
    assert_true(isinf(g.max_error));
    hone_db_record_free(&g);
    is_sound(db);
    hone_db_close(db);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("bad.db"));
    json_t *j = NULL;
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1), id;
    hone_error e;
    const hone_db_record good = a_record(w, t, 1, 100);
    hone_db_record r = good;
    r.status = HONE_E_TIMEOUT;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    r = good;
    r.time_ns = 0;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    r = good;
    r.trace = "[1,";
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    r = good;
    r.trace = "\"\xc0\xaf\"";
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    char *trace = hone_xmalloc(HONE_MAX_TRACE_BYTES + 1); /* "[    ...]" */
    memset(trace, ' ', HONE_MAX_TRACE_BYTES);
    trace[0] = '[';
    trace[HONE_MAX_TRACE_BYTES - 1] = ']';
    trace[HONE_MAX_TRACE_BYTES] = 0;
    r = good;
    r.trace = trace;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    assert_non_null(strstr(e.message, "the trace is longer than"));
    r.trace_hash = 1000;
    trace[HONE_MAX_TRACE_BYTES - 2] = ']';
    trace[HONE_MAX_TRACE_BYTES - 1] = 0;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_OK);
    CHECK(hone_db_forget(db, &(hone_db_choice){.status = "OK"}, false, &j, err));
    json_decref(j);
    free(trace);
    r = good;
    r.workload_id = 77;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e), HONE_E_INPUT);
    assert_non_null(strstr(e.message, "names a workload"));
    hone_db_sample zero = {0, 1};
    assert_int_equal(hone_db_record_put(db, &good, &zero, 1, NULL, NULL, &e), HONE_E_INPUT);
    hone_db_workload bad = {.hash = 2, .name = "n", .program = "p", .sizes = "{"};
    assert_int_equal(hone_db_workload_put(db, &bad, &id, &e), HONE_E_INPUT);
    hone_db_target none = {.text = "x", .threads = 0};
    assert_int_equal(hone_db_target_put(db, &none, &id, &e), HONE_E_INPUT);
    assert_int_equal(count(db, "records"), 0);
    put(db, good); /* the handle still works */
    is_sound(db);
    hone_db_close(db);
}

static void a_group_survives_a_refused_put(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("group.db"));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    hone_db_record stray = a_record(w, 99, 2, 100);
    CHECK(hone_db_begin(db, err));
    put(db, a_record(w, t, 1, 100));
    assert_int_equal(hone_db_record_put(db, &stray, NULL, 0, NULL, NULL, NULL), HONE_E_INPUT);
    put(db, a_record(w, t, 3, 100));
    CHECK(hone_db_commit(db, err));
    assert_int_equal(count(db, "records"), 2);
    CHECK(hone_db_begin(db, err));
    put(db, a_record(w, t, 4, 100));
    hone_db_rollback(db);
    assert_int_equal(count(db, "records"), 2);
    hone_db_close(db);
}

static void names_are_unique(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("unique.db"));
    int64_t w = a_workload(db, 1, "c");
    assert_int_equal(a_workload(db, 1, "other"), w);
    assert_int_not_equal(a_workload(db, 2, "c"), w);
    int64_t one = a_target(db, "x", 1);
    assert_int_equal(a_target(db, "x", 1), one);
    assert_int_not_equal(a_target(db, "x", 2), one);
    hone_db_target t;
    hone_error e;
    assert_int_equal(hone_db_target_find(db, "x", 3, &t, &e), HONE_E_NOTFOUND);
    hone_db_workload got;
    CHECK(hone_db_workload_find(db, 1, &got, err));
    assert_string_equal(got.class, "c");
    hone_db_workload_free(&got);
    assert_int_equal(hone_db_workload_find(db, 99, &got, &e), HONE_E_NOTFOUND);
    hone_db_close(db);
}

/* ---- a result for a candidate that is there already ---------------------------------------- */

static hone_db *dup_db;
static int64_t dup_w, dup_t;
static uint64_t dup_hash;

/* Puts old and then fresh for one candidate, with samples of their own times; returns the row. */
static hone_db_record after_both(hone_db_record old, uint32_t n_old, hone_db_record fresh,
                                 uint32_t n_fresh)
{
    hone_db_sample s[8];
    int64_t first = 0, second = 0;
    bool existed = false;
    dup_hash++;
    old.workload_id = fresh.workload_id = dup_w;
    old.target_id = fresh.target_id = dup_t;
    old.trace_hash = fresh.trace_hash = dup_hash;
    for (uint32_t i = 0; i < n_old; i++)
        s[i] = (hone_db_sample){(double)old.time_ns + i, 7};
    CHECK(hone_db_record_put(dup_db, &old, s, n_old, &first, &existed, err));
    assert_false(existed);
    for (uint32_t i = 0; i < n_fresh; i++)
        s[i] = (hone_db_sample){(double)fresh.time_ns + i, 9};
    CHECK(hone_db_record_put(dup_db, &fresh, s, n_fresh, &second, &existed, err));
    assert_true(existed);
    assert_int_equal(first, second);
    assert_int_equal(samples_of(dup_db, first, NULL, 0), n_old + n_fresh);
    hone_db_record r;
    CHECK(hone_db_record_get(dup_db, first, &r, err));
    hone_db_record_free(&r); /* the numbers are what is looked at */
    return r;
}

static void the_better_founded_result_stands(void **state)
{
    (void)state;
    dup_db = open_rw(at("dup.db"));
    dup_w = a_workload(dup_db, 1, "c");
    dup_t = a_target(dup_db, "x", 1);
    const hone_db_record fast = a_record(0, 0, 0, 100), slow = a_record(0, 0, 0, 200),
                         late = a_record(0, 0, 0, 0);
    hone_db_record wrong = late;
    wrong.status = HONE_REJECT_WRONG_RESULT;

    /* Of two times, the one with more samples, whichever is faster. */
    assert_int_equal(after_both(fast, 2, slow, 5).time_ns, 200);
    assert_int_equal(after_both(slow, 5, fast, 2).time_ns, 200);
    assert_int_equal(after_both(fast, 2, slow, 2).time_ns, 100);
    assert_int_equal(after_both(fast, 2, slow, 5).n_samples, 5);
    /* A time beats a time limit, either way round. */
    assert_int_equal(after_both(late, 0, slow, 2).time_ns, 200);
    assert_int_equal(after_both(slow, 2, late, 0).time_ns, 200);
    /* A wrong result beats every time. */
    assert_int_equal(after_both(fast, 5, wrong, 0).status, HONE_REJECT_WRONG_RESULT);
    assert_int_equal(after_both(wrong, 0, fast, 5).status, HONE_REJECT_WRONG_RESULT);
    assert_int_equal(after_both(wrong, 0, late, 0).status, HONE_REJECT_WRONG_RESULT);
    is_sound(dup_db);
    hone_db_close(dup_db);
}

/* A result of other versions, dated years from now. */
static hone_db_record of(int32_t space, const char *hone, const char *llvm, int64_t time_ns,
                         int64_t years)
{
    hone_db_record r = a_record(0, 0, 0, time_ns);
    r.space_version = HONE_SPACE_VERSION + space;
    r.hone_version = hone;
    r.llvm_version = llvm;
    r.created_ms = hone_clock_wall_ms() + years * 31557600000;
    return r;
}

static void versions_go_before_dates(void **state)
{
    (void)state;
    dup_db = open_rw(at("versions.db"));
    dup_w = a_workload(dup_db, 1, "c");
    dup_t = a_target(dup_db, "x", 1);
    const char *here = HONE_VERSION;
    const hone_db_record ours = a_record(0, 0, 0, 100);
    hone_db_record wrong = a_record(0, 0, 0, 0);
    wrong.status = HONE_REJECT_WRONG_RESULT;
    for (int64_t years = -100; years <= 100; years += 100) {
        /* This program's stands against older and newer ones, whatever they say. */
        hone_db_record others[] = {
            of(-1, here, "19.1.7", 1, years), of(0, "0.0.9", "19.1.7", 1, years),
            of(1, here, "19.1.7", 1, years), of(0, "99.0", "19.1.7", 1, years)};
        for (size_t i = 0; i < HONE_LEN(others); i++) {
            assert_int_equal(after_both(others[i], 5, ours, 1).time_ns, 100);
            assert_int_equal(after_both(ours, 1, others[i], 5).time_ns, 100);
            assert_int_equal(after_both(others[i], 5, wrong, 0).status, HONE_REJECT_WRONG_RESULT);
            assert_int_equal(after_both(wrong, 0, others[i], 5).status, HONE_REJECT_WRONG_RESULT);
        }
        /* Of two others', the later version's. */
        hone_db_record old = of(0, "0.0.9", "19.1.7", 1, years),
                       older = of(-1, "0.9.9", "19.1.7", 2, 0), newer = of(1, "9.9", "", 3, -years),
                       newest = of(1, "9.10", "", 4, years);
        assert_int_equal(after_both(older, 5, old, 1).time_ns, 1);
        assert_int_equal(after_both(old, 1, older, 5).time_ns, 1);
        assert_int_equal(after_both(old, 5, newer, 1).time_ns, 3);
        assert_int_equal(after_both(newest, 1, newer, 5).time_ns, 4);
        assert_int_equal(after_both(newer, 5, newest, 1).time_ns, 4);
        /* Another LLVM: the one that comes. */
        hone_db_record llvm = of(0, here, "9.0.1", 7, years);
        assert_int_equal(after_both(ours, 5, llvm, 1).time_ns, 7);
        assert_int_equal(after_both(llvm, 5, ours, 1).time_ns, 100);
    }
    is_sound(dup_db);
    hone_db_close(dup_db);
}

static void versions_are_compared_by_number(void **state)
{
    (void)state;
    static const char *const ascending[] = {"",
                                            "0.0.1",
                                            "0.9",
                                            "0.9.1",
                                            "0.10.0-rc1",
                                            "0.10",
                                            "0.11",
                                            "1-a",
                                            "1-b",
                                            "1.0.0",
                                            "1.0.2",
                                            "1.2",
                                            "1.10",
                                            "1.20",
                                            "18446744073709551617",
                                            "18446744073709551618.1"};
    for (size_t i = 0; i < HONE_LEN(ascending); i++)
        for (size_t j = 0; j < HONE_LEN(ascending); j++) {
            int order = hone_db__version_compare(ascending[i], ascending[j]);
            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("'%s' and '%s': %d", ascending[i], ascending[j], order);
        }
    assert_int_equal(hone_db__version_compare("1.0", "1.00.0"), 0);
}

static void a_result_delivered_twice_is_stored_once(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("twice.db"));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1), id = 0;
    hone_db_record r = a_record(w, t, 5, 100);
    hone_db_sample a[] = {{100, 110}, {101, 111}}, b[] = {{100, 110}, {101, 112}, {99, 110}};
    for (int i = 0; i < 3; i++) {
        CHECK(hone_db_record_put(db, &r, a, 2, &id, NULL, err));
        CHECK(hone_db_record_put(db, &r, b, 3, &id, NULL, err));
    }
    assert_int_equal(count(db, "samples"), 5);
    assert_int_equal(count(db, "records"), 1);
    /* A prefix of a stored measurement is another measurement. */
    CHECK(hone_db_record_put(db, &r, b, 2, &id, NULL, err));
    CHECK(hone_db_record_put(db, &r, b, 1, &id, NULL, err));
    assert_int_equal(count(db, "samples"), 5 + 2 + 1);
    is_sound(db);
    hone_db_close(db);
}

/* ---- best ---------------------------------------------------------------------------------- */

static void best_is_the_fastest_good_one(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("best.db"));
    int64_t w = a_workload(db, 7, "c"), w2 = a_workload(db, 8, "c");
    int64_t t = a_target(db, "x", 4), t1 = a_target(db, "x", 1);
    hone_db_record r;
    hone_error e = {0};
    assert_int_equal(hone_db_best(db, 9, "x", 4, &r, &e), HONE_E_NOTFOUND);
    assert_non_null(strstr(e.message, "no workload 0000000000000009"));
    assert_int_equal(hone_db_best(db, 7, "y", 4, &r, &e), HONE_E_NOTFOUND);
    assert_non_null(strstr(e.message, "no target 'y' with 4 threads"));
    assert_int_equal(hone_db_best(db, 7, "x", 4, &r, &e), HONE_E_NOTFOUND);
    assert_non_null(strstr(e.message, "no good result"));

    hone_db_record bad = a_record(w, t, 1, 0);
    bad.time_ns = 1; /* ignored: it was rejected */
    put(db, bad);
    put(db, a_record(w, t, 2, 300));
    int64_t best = put(db, a_record(w, t, 3, 200));
    put(db, a_record(w, t, 4, 200));
    put(db, a_record(w2, t, 5, 50));
    put(db, a_record(w, t1, 6, 60));
    CHECK(hone_db_best(db, 7, "x", 4, &r, err));
    assert_int_equal(r.id, best);
    assert_int_equal(r.time_ns, 200);
    assert_true(r.trace_hash == 3);
    hone_db_record_free(&r);
    CHECK(hone_db_best(db, 7, "x", 1, &r, err));
    assert_int_equal(r.time_ns, 60);
    hone_db_record_free(&r);

    /* A winner that is convicted later is no winner any more. */
    hone_db_record wrong = a_record(w, t, 3, 0);
    wrong.status = HONE_REJECT_WRONG_RESULT;
    put(db, wrong);
    CHECK(hone_db_best(db, 7, "x", 4, &r, err));
    assert_true(r.trace_hash == 4);
    hone_db_record_free(&r);

    assert_true(is_stored(db, w, t, 1));
    assert_false(is_stored(db, w, t, 6));
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(a_group_survives_a_refused_put),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(the_better_founded_result_stands),
        cmocka_unit_test(versions_go_before_dates),
        cmocka_unit_test(versions_are_compared_by_number),
        cmocka_unit_test(a_result_delivered_twice_is_stored_once),
        cmocka_unit_test(best_is_the_fastest_good_one),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
