/* Rows of a farm in a real file: what was committed is there for the next farm, once and whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farm/store.h"

#include <math.h>

#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static hone_error e;

#define CHECK(x)                       \
    do {                               \
        if ((x) != HONE_OK)            \
            fail_msg("%s", e.message); \
    } while (0)

static int make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-store-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int clear(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static hone_db *open_db(const char *name)
{
    hone_db *db;
    char *path = hone_xasprintf("%s/%s", folder, name);
    CHECK(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &e));
    free(path);
    return db;
}

static json_t *row_json(const hone_farm_row *row)
{
    hone_buf b = {0};
    json_t *j;
    assert_true(hone_store_row_print(row, &b));
    CHECK(hone_json_parse(b.s, b.n, &j, &e));
    hone_buf_free(&b);
    return j;
}

/* Values as they are read again: exactly those that were printed. */
static void values_survive_their_text(void **state)
{
    (void)state;
    static const double reals[] = {0,      -0.5,         1.0 / 3, 1e15,
                                   1e-300, 123456789.25, 1e22,    9007199254740993.0};
    static const int64_t ints[] = {0, -1, 10, INT64_MAX, INT64_MIN};
    static const char *const texts[] = {"", "plain", "a \"b\" \\c\n\x01", "gr\xc3\xb6\xc3\x9f",
                                        "bad \xff"};
    hone_buf b = {0};
    hone_buf_puts(&b, "[");
    for (size_t k = 0; k < HONE_LEN(reals); k++, hone_buf_puts(&b, ","))
        hone_store_print_real(&b, reals[k]);
    for (size_t k = 0; k < HONE_LEN(ints); k++, hone_buf_puts(&b, ","))
        hone_store_print_int(&b, ints[k]);
    for (size_t k = 0; k < HONE_LEN(texts); k++, hone_buf_puts(&b, ","))
        hone_store_print_text(&b, texts[k]);
    hone_store_print_real(&b, -HUGE_VAL);
    hone_buf_puts(&b, "]");
    json_t *j;
    size_t at = 0;
    CHECK(hone_json_parse(b.s, b.n, &j, &e));
    for (size_t k = 0; k < HONE_LEN(reals); k++, at++) {
        assert_true(json_is_real(json_array_get(j, at)));
        assert_true(json_real_value(json_array_get(j, at)) == reals[k]);
    }
    for (size_t k = 0; k < HONE_LEN(ints); k++, at++)
        assert_true(json_integer_value(json_array_get(j, at)) == ints[k]);
    for (size_t k = 0; k < HONE_LEN(texts); k++, at++) {
        json_t *want = hone_json_string(texts[k]);
        assert_true(json_equal(json_array_get(j, at), want));
        json_decref(want);
    }
    assert_string_equal(json_string_value(json_array_get(j, at)), "-inf");
    json_decref(j);
    hone_buf_free(&b);
}

/* Each row as it is written, read back, is written the same. */
static void rows_survive_their_text(void **state)
{
    (void)state;
    for (int k = 0; k <= HONE_FARM_ROW_EVENT; k++) {
        hone_farm_row row = {.kind = (hone_farm_row_kind)k}, back;
        if (k == HONE_FARM_ROW_WORKER) {
            row.worker.attrs = "arch=aarch64,label=kitchen";
            row.worker.health = HONE_FARM_HEALTH_COOLING;
            row.worker.admin = HONE_FARM_ADMIN_RESERVED;
            row.worker.baseline.base[2][31] = 1.5f;
            row.worker.baseline.sigma[1] = 0.25;
            row.worker.quarantined_at[2] = 77;
            row.worker.fence_end = UINT64_MAX;
        } else if (k == HONE_FARM_ROW_JOB) {
            row.job.id = 1;
            row.job.state = HONE_FARM_JOB_EXPIRED;
            row.job.status = HONE_E_PEER;
            row.job.class = HONE_FARM_BACKGROUND;
            row.job.request.v[1] = 5;
            row.job.queue_ms = INT64_MAX;
        } else if (k == HONE_FARM_ROW_EVENT) {
            row.event.reason = HONE_FARM_BECAUSE_POISON;
            snprintf(row.event.actor, sizeof row.event.actor, "ann \"the\" \xff user");
        }
        json_t *a = row_json(&row);
        CHECK(hone_store_row_read(a, row.kind, &back, &e));
        json_t *b = row_json(&back);
        assert_true(json_equal(a, b));
        if (k == HONE_FARM_ROW_WORKER) {
            assert_true(back.worker.baseline.base[2][31] == 1.5f &&
                        back.worker.baseline.sigma[1] == 0.25);
            assert_true(back.worker.fence_end == UINT64_MAX);
            json_object_set_new(a, "health", json_string("splendid"));
            assert_int_equal(hone_store_row_read(a, row.kind, &back, &e), HONE_E_VERSION);
            json_object_set_new(a, "health", json_string("good"));
            json_object_set_new(a, "score", json_string("70"));
            assert_int_equal(hone_store_row_read(a, row.kind, &back, &e), HONE_E_CORRUPT);
        }
        json_decref(a);
        json_decref(b);
    }
}

static void payload(void *ctx, const hone_farm_result_row *r, hone_buf *ret)
{
    (void)ctx;
    if (r->handle)
        hone_buf_printf(ret, "{\"n\":%" PRIu64 "}", r->handle);
}

static const char *spec(void *ctx, const hone_farm_job_row *j)
{
    (void)j;
    return ctx;
}

static hone_farm_row result(uint64_t unit, uint64_t fence)
{
    hone_farm_row r = {.kind = HONE_FARM_ROW_RESULT};
    r.result.unit.v[1] = unit;
    r.result.place = unit > 1 ? unit + 100 : 0; /* the first one is an older hone's */
    r.result.fence = fence;
    r.result.handle = 10 * unit;
    snprintf(r.result.worker, sizeof r.result.worker, "pi");
    return r;
}

static bool is_suspect(hone_db *db, const char *key)
{
    char *body;
    CHECK(hone_db_item_get(db, "result", key, &body, &e));
    bool yes = strstr(body, "\"suspect\":true") != NULL;
    free(body);
    return yes;
}

static void batches(void **state)
{
    (void)state;
    static const char old[] = "00000000000000000000000000000001",
                      second[] = "00000000000000000000000000000002", third[] = "0000000000000067";
    hone_store_more more = {.ctx = "{\"verb\":\"submit\"}", .payload = payload, .spec = spec};
    hone_db *db = open_db("batches.db");
    hone_farm_row rows[8] = {result(1, 5),
                             result(2, 6),
                             result(3, 7),
                             {.kind = HONE_FARM_ROW_JOB},
                             {.kind = HONE_FARM_ROW_STRIKE},
                             {.kind = HONE_FARM_ROW_LEASE},
                             {.kind = HONE_FARM_ROW_LEASE}};
    rows[3].job.id = 4;
    rows[4].strike.unit.v[1] = 2;
    rows[5].lease.fence = 9;
    rows[6].lease.fence = 10;
    rows[6].lease.slot = 1;
    snprintf(rows[4].strike.worker, sizeof rows[4].strike.worker, "pi");
    snprintf(rows[5].lease.worker, sizeof rows[5].lease.worker, "pi");
    snprintf(rows[6].lease.worker, sizeof rows[6].lease.worker, "pi");
    CHECK(hone_store_commit(db, rows, 7, &more, &e));
    CHECK(hone_store_note(db, 4, "target", "{\"arch\":1}", &e));
    CHECK(hone_store_note(db, 41, "target", "other", &e));
    json_t *j;
    char *text;
    CHECK(hone_store_payload(db, rows[0].result.unit, 0, &j, &e));
    json_decref(j);
    CHECK(hone_store_payload(db, rows[1].result.unit, 102, &j, &e));
    assert_int_equal(json_integer_value(json_object_get(j, "n")), 20);
    json_decref(j);
    CHECK(hone_store_spec(db, 4, &text, &e));
    assert_string_equal(text, "{\"verb\":\"submit\"}");
    free(text);
    CHECK(hone_store_noted(db, 4, "target", &text, &e));
    assert_string_equal(text, "{\"arch\":1}");
    free(text);
    /* What changes other rows. */
    hone_farm_row then[5] = {{.kind = HONE_FARM_ROW_FORGET, .forget = {.struck = true}},
                             {.kind = HONE_FARM_ROW_SUSPECT},
                             {.kind = HONE_FARM_ROW_FORGET_JOB, .forget_job = 4},
                             {.kind = HONE_FARM_ROW_LEASE_END, .lease = rows[5].lease},
                             {.kind = HONE_FARM_ROW_LEASE_END, .lease = rows[6].lease}};
    then[0].forget.unit.v[1] = 2;
    then[0].forget.place = 102;
    then[1].suspect.from = 7;
    then[1].suspect.to = 100;
    snprintf(then[1].suspect.worker, sizeof then[1].suspect.worker, "pi");
    int64_t k, t;
    CHECK(hone_db_workload_put(
        db, &(hone_db_workload){.hash = 1, .name = "k", .class = "k", .program = "k"}, &k, &e));
    CHECK(
        hone_db_target_put(db, &(hone_db_target){.text = "t", .threads = 1, .class = "c"}, &t, &e));
    hone_db_record r = {.workload_id = k,
                        .target_id = t,
                        .trace_hash = 1,
                        .trace = "[]",
                        .time_ns = 5,
                        .device = "pi",
                        .fence = 7};
    CHECK(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e));
    CHECK(hone_db_item_get(db, "lease", "pi/1", &text, &e));
    free(text);
    CHECK(hone_store_commit(db, then, 5, NULL, &e));
    CHECK(hone_db_record_find(db, k, t, 1, &r, &e)); /* what a session made of it */
    assert_int_equal(r.suspect, 1);
    hone_db_record_free(&r);
    assert_false(is_suspect(db, old));
    assert_true(is_suspect(db, third));
    assert_int_equal(hone_store_payload(db, rows[1].result.unit, 102, &j, &e), HONE_E_NOTFOUND);
    CHECK(hone_store_payload(db, rows[2].result.unit, 103, &j, &e)); /* the mark has not cost it */
    json_decref(j);
    then[0].forget.unit = rows[0].result.unit; /* an older hone's goes by its unit */
    then[0].forget.place = 0;
    CHECK(hone_store_commit(db, then, 1, NULL, &e));
    assert_int_equal(hone_store_payload(db, rows[0].result.unit, 0, &j, &e), HONE_E_NOTFOUND);
    char key[64];
    snprintf(key, sizeof key, "%s/pi", second);
    assert_int_equal(hone_db_item_get(db, "strike", key, &text, &e), HONE_E_NOTFOUND);
    assert_int_equal(hone_db_item_get(db, "lease", "pi/0000000000000009", &text, &e),
                     HONE_E_NOTFOUND);
    assert_int_equal(hone_db_item_get(db, "lease", "pi/1", &text, &e), HONE_E_NOTFOUND);
    assert_int_equal(hone_store_spec(db, 4, &text, &e), HONE_E_NOTFOUND);
    assert_int_equal(hone_store_noted(db, 4, "target", &text, &e), HONE_E_NOTFOUND);
    CHECK(hone_store_noted(db, 41, "target", &text, &e));
    free(text);
    hone_db_close(db);
}

/* A full disk: nothing of the batch is there, and all of it once there is room. */
static void a_full_disk(void **state)
{
    (void)state;
    hone_farm_row rows[2] = {result(1, 5), result(2, 6)};
    int status;
    pid_t pid = fork(); /* faults are read once in a process */
    if (pid == 0) {
        char *body;
        setenv("HONE_FAULT", "db.full:1", 1);
        hone_db *db = open_db("full.db");
        bool good = hone_store_commit(db, rows, 2, NULL, &e) == HONE_E_FULL &&
                    hone_db_item_get(db, "result", "00000000000000000000000000000001", &body, &e) ==
                        HONE_E_NOTFOUND &&
                    hone_store_commit(db, rows, 2, NULL, &e) == HONE_OK &&
                    hone_db_item_get(db, "result", "0000000000000066", &body, &e) == HONE_OK;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- a farm on a file ----------------------------------------------------------------------- */

static uint64_t submitted; /* job of the last reply */

static void step(hone_farm *f, hone_db *db, const hone_farm_event *event, int64_t now)
{
    hone_farm_effect x;
    hone_farm_step(f, event, now);
    while (hone_farm_next_effect(f, &x)) {
        if (x.kind == HONE_FARM_REPLY) {
            submitted = x.reply.job;
        } else if (x.kind == HONE_FARM_COMMIT) {
            hone_farm_event done = {.kind = HONE_FARM_COMMITTED};
            done.commit.batch = x.commit.batch;
            CHECK(hone_store_commit(db, x.commit.rows, x.commit.n, NULL, &e));
            hone_farm_step(f, &done, now);
        }
    }
}

static bool count_row(void *ctx, const hone_farm_row *row)
{
    ++((unsigned *)ctx)[row->kind];
    if (row->kind == HONE_FARM_ROW_JOB)
        assert_true(row->job.id == submitted && strcmp(row->job.user, "ann") == 0);
    return true;
}

static bool join_events(void *ctx, const hone_farm_event_row *r, int64_t wall_ms, const char *hash)
{
    assert_true(wall_ms > 0 && strlen(hash) == 32);
    hone_buf_printf(ctx, "%s ", r->verb);
    return true;
}

static void the_next_farm_knows(void **state)
{
    (void)state;
    int64_t now = 1000000000;
    hone_buf b = {0};
    hone_farm_limits limits;
    hone_farm_limits_init(&limits);
    hone_farm_row user = {.kind = HONE_FARM_ROW_USER};
    snprintf(user.user.name, sizeof user.user.name, "ann");
    user.user.roles = HONE_FARM_USER | HONE_FARM_ADMIN;
    user.user.weight = 1;
    hone_db *db = open_db("farm.db");
    CHECK(hone_store_commit(db, &user, 1, NULL, &e));
    hone_farm *f = hone_farm_new(&limits);
    CHECK(hone_store_restore(db, f, &e));
    hone_farm_event say = {.kind = HONE_FARM_SAY, .who = "ann"};
    say.say.verb = HONE_FARM_VERB_SUBMIT;
    say.say.request.v[0] = 7;
    say.say.client = 3;
    step(f, db, &say, now);
    for (int i = 0; i < 20; i++)
        step(f, db, &(hone_farm_event){.kind = HONE_FARM_TICK}, now += 10000000);
    uint64_t first = submitted;
    assert_true(first > 0);
    hone_farm_free(f);
    f = hone_farm_new(&limits);
    CHECK(hone_store_restore(db, f, &e));
    unsigned n[HONE_FARM_ROW_COUNT] = {0};
    hone_farm_each_row(f, ~0u, count_row, n);
    assert_int_equal(n[HONE_FARM_ROW_JOB], 1);
    assert_int_equal(n[HONE_FARM_ROW_USER], 1);
    submitted = 0;
    step(f, db, &say, now); /* said again: the same job */
    for (int i = 0; i < 20; i++)
        step(f, db, &(hone_farm_event){.kind = HONE_FARM_TICK}, now += 10000000);
    assert_int_equal(submitted, first);
    CHECK(hone_store_each_event(db, 1, 100, join_events, &b, &e));
    assert_non_null(strstr(b.s, "submit"));
    hone_buf_free(&b);
    hone_farm_free(f);
    json_t *report;
    CHECK(hone_db_check(db, &report, &e));
    json_decref(report);
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(values_survive_their_text),
        cmocka_unit_test(rows_survive_their_text),
        cmocka_unit_test(batches),
        cmocka_unit_test(the_next_farm_knows),
    };
    return cmocka_run_group_tests(tests, make, clear);
}
