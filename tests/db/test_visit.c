/* Enumerations, and that the questions asked often are answered by an index. */
#include "scratch.h"

typedef struct seen {
    uint32_t n;
    int64_t ids[16];
    int64_t times[16];
    uint64_t workloads[16];
    int32_t threads[16];
    uint32_t stop_after;
    hone_db *db;
} seen;

static bool note(void *ctx, const hone_db_record *r)
{
    seen *s = ctx;
    HONE_ASSERT(s->n < 16);
    s->ids[s->n] = r->id;
    s->times[s->n] = r->time_ns;
    s->n++;
    return s->n != s->stop_after;
}

static bool note_row(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                     const hone_db_record *r)
{
    seen *s = ctx;
    HONE_ASSERT(s->n < 16);
    s->workloads[s->n] = w ? w->hash : 0;
    s->threads[s->n] = t ? t->threads : 0;
    s->times[s->n] = r ? r->time_ns : 0;
    s->n++;
    return s->n != s->stop_after;
}

static int64_t w1, w2, w3, t1, t4, u4;

static hone_db *filled(const char *name)
{
    hone_db *db = open_rw(at(name));
    w1 = a_workload(db, 1, "matmul");
    w2 = a_workload(db, 2, "matmul");
    w3 = a_workload(db, 3, "conv");
    t1 = a_target(db, "x", 1);
    t4 = a_target(db, "x", 4);
    hone_db_target other = {.text = "u", .threads = 4, .class = "aarch64"};
    CHECK(hone_db_target_put(db, &other, &u4, err));
    put(db, a_record(w1, t1, 9, 300)); /* 1 */
    put(db, a_record(w1, t1, 8, 0));   /* 2, rejected */
    put(db, a_record(w1, t1, 7, 200)); /* 3 */
    put(db, a_record(w1, t4, 9, 80));  /* 4 */
    put(db, a_record(w2, t4, 9, 90));  /* 5 */
    put(db, a_record(w2, t4, 8, 70));  /* 6 */
    put(db, a_record(w3, t4, 9, 60));  /* 7 */
    put(db, a_record(w3, u4, 9, 50));  /* 8 */
    put(db, a_record(w2, u4, 9, 0));   /* 9, rejected */
    return db;
}

static void expect_records(hone_db *db, hone_db_where where, const char *ids)
{
    seen s = {0};
    hone_buf b = {0};
    CHECK(hone_db_each_record(db, &where, note, &s, err));
    hone_buf_puts(&b, "");
    for (uint32_t i = 0; i < s.n; i++)
        hone_buf_printf(&b, "%s%" PRId64, i ? " " : "", s.ids[i]);
    assert_string_equal(b.s, ids);
    hone_buf_free(&b);
}

static void records_by_id_and_filter(void **state)
{
    (void)state;
    hone_db *db = filled("each.db");
    expect_records(db, (hone_db_where){0}, "1 2 3 4 5 6 7 8 9");
    expect_records(db, (hone_db_where){.workload_id = w1, .target_id = t1}, "1 2 3");
    expect_records(db, (hone_db_where){.workload_id = w1, .target_id = t1, .after_id = 1}, "2 3");
    expect_records(db, (hone_db_where){.workload_id = w1}, "1 2 3 4");
    expect_records(db, (hone_db_where){.target_id = t4}, "4 5 6 7");
    expect_records(db, (hone_db_where){.workload_class = "matmul"}, "1 2 3 4 5 6 9");
    expect_records(db, (hone_db_where){.workload_class = "matmul", .target_id = t4}, "4 5 6");
    expect_records(db, (hone_db_where){.target_class = "aarch64"}, "8 9");
    expect_records(db, (hone_db_where){.threads = 1}, "1 2 3");
    expect_records(db, (hone_db_where){.after_id = 7}, "8 9");
    expect_records(db, (hone_db_where){.workload_class = "none"}, "");
    seen s = {.stop_after = 2};
    CHECK(hone_db_each_record(db, NULL, note, &s, err));
    assert_int_equal(s.n, 2);
    hone_db_close(db);
}

static void fastest_first(void **state)
{
    (void)state;
    hone_db *db = filled("fastest.db");
    seen s = {0};
    CHECK(hone_db_each_fastest(db, w1, t1, 10, note, &s, err));
    assert_int_equal(s.n, 2); /* the rejected one is not among them */
    assert_true(s.ids[0] == 3 && s.ids[1] == 1);
    s = (seen){0};
    CHECK(hone_db_each_fastest(db, w2, t4, 1, note, &s, err));
    assert_int_equal(s.n, 1);
    assert_int_equal(s.times[0], 70);
    hone_db_close(db);
}

typedef struct again {
    hone_db *db;
    hone_buf said;
} again;

static bool inner(void *ctx, const hone_db_record *r)
{
    again *a = ctx;
    hone_buf_printf(&a->said, "%" PRId64 " ", r->time_ns);
    return false;
}

static bool outer(void *ctx, const hone_db_record *r)
{
    again *a = ctx;
    hone_buf_printf(&a->said, "%" PRId64 "(", r->time_ns);
    CHECK(hone_db_each_fastest(a->db, w2, t4, 9, inner, a, err));
    hone_buf_puts(&a->said, ")");
    return true;
}

/* Its statement is kept; one within it, or after one that was left, is another's or a fresh one. */
static void fastest_within_fastest(void **state)
{
    (void)state;
    again a = {.db = filled("within.db")};
    for (unsigned turn = 0; turn < 2; turn++)
        CHECK(hone_db_each_fastest(a.db, w1, t1, 9, outer, &a, err));
    assert_string_equal(a.said.s, "200(70 )300(70 )200(70 )300(70 )");
    hone_buf_free(&a.said);
    hone_db_close(a.db);
}

static bool say_workload(void *ctx, const hone_db_workload *w)
{
    again *a = ctx;
    hone_db_workload same;
    CHECK(hone_db_workload_find(a->db, w->hash, &same, err));
    hone_buf_printf(&a->said, "%" PRIu64 "/%s ", w->hash, same.class);
    hone_db_workload_free(&same);
    return w->hash != 9;
}

static bool say_target(void *ctx, const hone_db_target *t)
{
    again *a = ctx;
    hone_buf_printf(&a->said, "%s/%d ", t->text, t->threads);
    return t->threads != 9;
}

static void kernels_and_targets(void **state)
{
    (void)state;
    again a = {.db = filled("rows.db")};
    int64_t id;
    hone_db_target other = {.text = "tvm", .threads = 1, .class = HONE_DB_IMPORTED};
    CHECK(hone_db_target_put(a.db, &other, &id, err));
    CHECK(hone_db_each_workload(a.db, "matmul", say_workload, &a, err));
    CHECK(hone_db_each_workload(a.db, "none", say_workload, &a, err));
    CHECK(hone_db_each_target(a.db, say_target, &a, err));
    assert_string_equal(a.said.s, "1/matmul 2/matmul x/1 x/4 u/4 ");
    a.said.n = 0;
    a_workload(a.db, 9, "matmul"); /* where to stop */
    a_workload(a.db, 10, "matmul");
    CHECK(hone_db_each_workload(a.db, "matmul", say_workload, &a, err));
    assert_string_equal(a.said.s, "1/matmul 2/matmul 9/matmul ");
    hone_buf_free(&a.said);
    hone_db_close(a.db);
}

static void one_by_its_trace(void **state)
{
    (void)state;
    hone_db *db = filled("trace.db");
    hone_db_record r;
    hone_error e = {0};
    CHECK(hone_db_record_find(db, w1, t4, 9, &r, err));
    assert_int_equal(r.time_ns, 80);
    hone_db_record_free(&r);
    CHECK(hone_db_record_find(db, w1, t1, 8, &r, err));
    assert_true(hone_status_is_reject(r.status));
    hone_db_record_free(&r);
    assert_int_equal(hone_db_record_find(db, w1, t4, 7, &r, &e), HONE_E_NOTFOUND);
    assert_non_null(strstr(e.message, "0000000000000007"));
    hone_db_close(db);
}

static void expect_best(hone_db *db, hone_db_where where, const char *want)
{
    seen s = {0};
    hone_buf b = {0};
    CHECK(hone_db_each_best(db, &where, note_row, &s, err));
    hone_buf_puts(&b, "");
    for (uint32_t i = 0; i < s.n; i++)
        hone_buf_printf(&b, "%sw%" PRIu64 "/%d=%" PRId64, i ? " " : "", s.workloads[i],
                        s.threads[i], s.times[i]);
    assert_string_equal(b.s, want);
    hone_buf_free(&b);
}

static void best_of_each_pair(void **state)
{
    (void)state;
    hone_db *db = filled("ladder.db");
    expect_best(db, (hone_db_where){0}, "w1/1=200 w1/4=80 w2/4=70 w3/4=60 w3/4=50");
    /* same workload, another target of its class */
    expect_best(db, (hone_db_where){.workload_id = w1, .target_class = "x86-64-v4"},
                "w1/1=200 w1/4=80");
    expect_best(db, (hone_db_where){.workload_id = w1, .target_class = "x86-64-v4", .threads = 4},
                "w1/4=80");
    /* other shapes on this target */
    expect_best(db, (hone_db_where){.workload_class = "matmul", .target_id = t4},
                "w1/4=80 w2/4=70");
    expect_best(db, (hone_db_where){.workload_class = "matmul", .target_class = "aarch64"}, "");
    seen s = {.stop_after = 1};
    CHECK(hone_db_each_best(db, NULL, note_row, &s, err));
    assert_true(s.n == 1 && s.workloads[0] == 1);
    hone_db_close(db);
}

/* What was never measured well is there too. */
static void first_of_each_pair(void **state)
{
    (void)state;
    hone_db *db = filled("first.db");
    seen s = {0};
    CHECK(hone_db_each_first(db, NULL, note_row, &s, err));
    assert_int_equal(s.n, 6);
    static const int64_t want[] = {300, 80, 90, 0, 60, 50};
    for (uint32_t i = 0; i < s.n; i++)
        assert_int_equal(s.times[i], want[i]);
    s = (seen){0};
    CHECK(hone_db_each_first(db, &(hone_db_where){.target_id = u4}, note_row, &s, err));
    assert_int_equal(s.n, 2);
    assert_true(s.workloads[0] == 2 && s.workloads[1] == 3);
    hone_db_close(db);
}

static bool look_again(void *ctx, const hone_db_record *r)
{
    seen *s = ctx;
    hone_db_record same;
    CHECK(hone_db_record_get(s->db, r->id, &same, err));
    assert_string_equal(same.trace, r->trace);
    hone_db_record_free(&same);
    seen inner = {0};
    hone_db_where where = {.workload_id = w1, .target_id = t1};
    CHECK(hone_db_each_record(s->db, &where, note, &inner, err));
    assert_int_equal(inner.n, 3);
    s->n++;
    return true;
}

static void a_callback_may_read(void **state)
{
    (void)state;
    hone_db *db = filled("nested.db");
    seen s = {.db = db};
    CHECK(hone_db_each_record(db, NULL, look_again, &s, err));
    assert_int_equal(s.n, 9);
    hone_db_close(db);
}

/* ---- plans --------------------------------------------------------------------------------- */

static void plan_uses(hone_db *db, hone_db__sql_id query, const char *want)
{
    hone_buf b = {0};
    char *text = hone_xasprintf("EXPLAIN QUERY PLAN %s", hone_db__sql_text(query));
    sqlite3_stmt *stmt = NULL;
    CHECK(hone_db__prepare(db, text, &stmt, err));
    while (sqlite3_step(stmt) == SQLITE_ROW)
        hone_buf_printf(&b, "%s\n", (const char *)sqlite3_column_text(stmt, 3));
    sqlite3_finalize(stmt);
    if (!strstr(b.s, want) || strstr(b.s, "SCAN") || strstr(b.s, "TEMP B-TREE"))
        fail_msg("plan of %s:\n%s", text, b.s);
    hone_buf_free(&b);
    free(text);
}

static bool tally(void *ctx, const hone_db_record *r)
{
    (void)r;
    ++*(int64_t *)ctx;
    return true;
}

/* 50,000 records in groups; the plans are looked at when the tables are full. */
static void questions_use_an_index(void **state)
{
    (void)state;
    enum { N = 50000, GROUP = 1000 };
    hone_db *db = open_rw(at("plans.db"));
    int64_t w[10], t = a_target(db, "x", 4);
    hone_rng g;
    hone_rng_seed(&g, 1);
    for (uint64_t i = 0; i < HONE_LEN(w); i++)
        w[i] = a_workload(db, 100 + i, "matmul");
    int64_t best = INT64_MAX;
    for (int i = 0; i < N; i++) {
        if (i % GROUP == 0)
            CHECK(hone_db_begin(db, err));
        int64_t time = hone_rng_below(&g, 3) ? 1000 + (int64_t)hone_rng_below(&g, 1000000) : 0;
        if (i % 10 == 4 && time && time < best)
            best = time;
        put(db, a_record(w[i % 10], t, hone_rng_u64(&g), time));
        if (i % GROUP == GROUP - 1)
            CHECK(hone_db_commit(db, err));
    }
    plan_uses(db, HONE_DB__RECORD_BEST, "USING INDEX record_best (workload_id=? AND target_id=?)");
    plan_uses(db, HONE_DB__RECORD_NAMED, "USING INDEX session_of (workload_id=? AND target_id=?)");
    plan_uses(db, HONE_DB__RECORD_NAMED, "(workload_id=? AND target_id=? AND trace_hash=?)");
    plan_uses(db, HONE_DB__RECORD_SINCE,
              "USING INDEX record_best (workload_id=? AND target_id=? AND <expr>");
    plan_uses(db, HONE_DB__RECORD_FASTEST,
              "USING INDEX record_best (workload_id=? AND target_id=?)");
    plan_uses(db, HONE_DB__RECORD_OF, "USING INDEX record_of (workload_id=? AND target_id=?");
    plan_uses(db, HONE_DB__RECORD_BY_KEY, "(workload_id=? AND target_id=? AND trace_hash=?)");
    plan_uses(db, HONE_DB__ITEMS_DROP, "COVERING INDEX item_alt (kind=? AND alt>? AND alt<?)");
    plan_uses(db, HONE_DB__WORKLOADS_OF, "USING INDEX workload_class (class=?)");
    plan_uses(db, HONE_DB__WORKLOAD_BY_HASH, "(hash=?)");
    plan_uses(db, HONE_DB__TARGET_BY_TEXT, "(text=? AND threads=?)");
    plan_uses(db, HONE_DB__MODEL_LATEST, "USING INDEX model_of (class=? AND threads=?)");
    plan_uses(db, HONE_DB__MODEL_PRUNE, "model_of (class=? AND threads=?)");
    plan_uses(db, HONE_DB__MACHINE_LATEST, "USING INDEX machine_of (target_id=?)");
    plan_uses(db, HONE_DB__MACHINE_PRUNE, "machine_of (target_id=?)");
    plan_uses(db, HONE_DB__SAMPLES, "USING PRIMARY KEY (record_id=?)");
    hone_db_close(db);

    db = open_r(at("plans.db"));
    hone_db_record r;
    CHECK(hone_db_best(db, 104, "x", 4, &r, err));
    assert_int_equal(r.time_ns, best);
    hone_db_record_free(&r);
    int64_t n = 0;
    hone_db_where where = {.workload_id = w[4], .target_id = t};
    CHECK(hone_db_each_record(db, &where, tally, &n, err));
    assert_int_equal(n, N / 10);
    assert_int_equal(count(db, "records"), N);
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_by_id_and_filter), cmocka_unit_test(fastest_first),
        cmocka_unit_test(fastest_within_fastest),   cmocka_unit_test(kernels_and_targets),
        cmocka_unit_test(one_by_its_trace),         cmocka_unit_test(best_of_each_pair),
        cmocka_unit_test(first_of_each_pair),       cmocka_unit_test(a_callback_may_read),
        cmocka_unit_test(questions_use_an_index),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
