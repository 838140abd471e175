/* The thread that writes the log: what is put together becomes durable together, a put that fails
 * takes nothing else with it, and whoever hands something over waits for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farm/service/storage.h"

#include <stdatomic.h>
#include <unistd.h>

static char folder[64], *path;
static hone_error e;
static mailbox answers;
static hone_db *db;
static storage *w;
static int64_t workload, target;

#define CHECK(x)                       \
    do {                               \
        if ((x) != HONE_OK)            \
            fail_msg("%s", e.message); \
    } while (0)

/* ---- a disk that does what it is told ----------------------------------------------------------
 */

static _Atomic int commits, fail_next; /* how the next commit fails: a hone_status */
static _Atomic bool shut;              /* commits wait */

static hone_status commit(hone_db *d, hone_error *err)
{
    commits++;
    while (shut)
        usleep(1000);
    hone_status st = (hone_status)fail_next;
    fail_next = HONE_OK;
    if (st == HONE_OK)
        return hone_db_commit(d, err);
    hone_db_rollback(d);
    return hone_fail(err, st, "the disk was told to fail");
}

static void print(const void *what, hone_buf *ret)
{
    hone_buf_puts(ret, what);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-storage-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    path = hone_xasprintf("%s/farm.db", folder);
    hone_service__mail_init(&answers);
    commits = fail_next = 0;
    shut = false;
    CHECK(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &e));
    hone_db_workload k = {.hash = 1, .name = "k", .class = "k", .program = "k"};
    hone_db_target t = {.text = "t", .threads = 1, .class = "c"};
    CHECK(hone_db_workload_put(db, &k, &workload, &e));
    CHECK(hone_db_target_put(db, &t, &target, &e));
    w = hone_service__storage_start(&(storage_options){
        .db = db, .answers = &answers, .print = print, .patience_ns = 1000000, .commit = commit});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hone_service__storage_stop(w);
    hone_db_close(db);
    hone_service__mail_fini(&answers);
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    free(path);
    return rc;
}

/* ---- what is handed over -----------------------------------------------------------------------
 */

/* A result, and the job it is of; the payload is printed with it. */
static void hand_batch(uint64_t number)
{
    hone_farm_row rows[2] = {{.kind = HONE_FARM_ROW_RESULT}, {.kind = HONE_FARM_ROW_WORKER}};
    char attrs[] = "label=shelf";
    rows[0].result.unit.v[1] = number;
    rows[0].result.fence = number;
    snprintf(rows[0].result.worker, sizeof rows[0].result.worker, "pi");
    snprintf(rows[1].worker.name, sizeof rows[1].worker.name, "pi");
    rows[1].worker.attrs = attrs;
    storage_batch *b = hone_service__batch_new(number, rows, 2);
    b->with[0] = "{\"n\":7}";
    memset(attrs, 'x', sizeof attrs - 1); /* the farm's text may change at once */
    hone_service__storage_commit(w, b);
}

static hone_status await_batch(uint64_t number)
{
    storage_batch *b =
        (storage_batch *)hone_service__mail_await(&answers, hone_clock_ns() + INT64_C(60000000000));
    assert_non_null(b);
    assert_null(b->letter.next);
    assert_int_equal(b->batch, number);
    hone_status st = b->status;
    hone_service__batch_free(b);
    return st;
}

static bool has_result(uint64_t number)
{
    json_t *j;
    hone_db *reader;
    CHECK(hone_db_open(path, HONE_DB_READ, &reader, &e));
    hone_farm_key unit = {.v = {0, number}};
    hone_status st = hone_store_payload(reader, unit, 0, &j, &e);
    if (st == HONE_OK)
        assert_int_equal(json_integer_value(json_object_get(j, "n")), 7);
    json_decref(j);
    hone_db_close(reader);
    return st == HONE_OK;
}

static unsigned records(void)
{
    hone_db *reader;
    uint64_t n;
    CHECK(hone_db_open(path, HONE_DB_READ, &reader, &e));
    CHECK(hone_db_record_count(reader, "c", &n, &e));
    hone_db_close(reader);
    return (unsigned)n;
}

typedef struct session {
    scribe *by;
    hone_db_session row;
} session;

static hone_status open_row(hone_db *d, void *ctx, hone_error *err)
{
    session *s = ctx;
    s->row = (hone_db_session){.workload_id = workload, .target_id = target, .seed = 1};
    return hone_db_session_save(d, &s->row, &s->row.id, err);
}

static session open_session(void)
{
    session s = {.by = hone_service__scribe_new()};
    CHECK(hone_service__storage_write(w, s.by, open_row, &s, &e));
    assert_true(s.row.id > 0);
    return s;
}

static hone_status store(session *s, uint64_t hash, int64_t of)
{
    char trace[32] = "[]"; /* it is copied */
    hone_db_sample x = {100, 0};
    hone_db_record r = {.workload_id = of,
                        .target_id = target,
                        .trace_hash = hash,
                        .trace = trace,
                        .status = HONE_OK,
                        .time_ns = 100,
                        .session_id = s->row.id};
    s->row.trials++;
    hone_status st = hone_service__storage_store(w, s->by, &r, &x, 1, &s->row, &e);
    memset(trace, 'x', sizeof trace - 1);
    return st;
}

static int64_t trials_of(const session *s)
{
    hone_db *reader;
    hone_db_session row;
    CHECK(hone_db_open(path, HONE_DB_READ, &reader, &e));
    CHECK(hone_db_session_load(reader, s->row.id, &row, &e));
    int64_t n = row.trials;
    hone_db_session_free(&row);
    hone_db_close(reader);
    return n;
}

/* A measurement by this lease of "pi". */
static void store_by(session *s, uint64_t hash, int64_t fence)
{
    hone_db_record r = {.workload_id = workload,
                        .target_id = target,
                        .trace_hash = hash,
                        .trace = "[]",
                        .status = HONE_OK,
                        .time_ns = 100,
                        .device = "pi",
                        .fence = fence,
                        .session_id = s->row.id};
    CHECK(hone_service__storage_store(w, s->by, &r, NULL, 0, &s->row, &e));
}

static bool is_suspect(uint64_t hash)
{
    hone_db *reader;
    hone_db_record r;
    CHECK(hone_db_open(path, HONE_DB_READ, &reader, &e));
    CHECK(hone_db_record_find(reader, workload, target, hash, &r, &e));
    bool yes = r.suspect != 0;
    hone_db_record_free(&r);
    hone_db_close(reader);
    return yes;
}

/* ---- the tests ---------------------------------------------------------------------------------
 */

/* What was stored of a device before it was found to compute wrong, and what a session stores of it
 * only then. */
static void doubts_reach_what_comes_late(void **state)
{
    (void)state;
    session s = open_session();
    hone_farm_row row = {.kind = HONE_FARM_ROW_SUSPECT};
    row.suspect.from = 4;
    row.suspect.to = 6;
    snprintf(row.suspect.worker, sizeof row.suspect.worker, "pi");
    store_by(&s, 1, 3);
    store_by(&s, 2, 4);
    hone_service__storage_commit(w, hone_service__batch_new(1, &row, 1));
    assert_int_equal(await_batch(1), HONE_OK);
    store_by(&s, 3, 6);
    store_by(&s, 4, 7);
    CHECK(hone_service__storage_write(w, s.by, NULL, NULL, &e));
    assert_false(is_suspect(1));
    assert_true(is_suspect(2));
    assert_true(is_suspect(3));
    assert_false(is_suspect(4));
    hone_service__scribe_drop(s.by);
}

static void what_waits_goes_together(void **state)
{
    (void)state;
    session s = open_session();
    assert_int_equal(commits, 1);
    shut = true;
    hand_batch(1);
    while (commits < 2) /* it is under way */
        usleep(1000);
    for (uint64_t k = 1; k <= 50; k++) /* none of these waits: the disk does not answer */
        CHECK(store(&s, k, workload));
    hone_service__storage_note(w, NULL, 1, "target", "a target");
    hand_batch(2);
    shut = false;
    CHECK(await_batch(1));
    CHECK(await_batch(2));
    CHECK(hone_service__storage_write(w, s.by, NULL, NULL, &e));
    /* Those two, what waits, which has one of its own, and at most one that held what came last. */
    assert_true(commits <= 5);
    assert_true(has_result(1) && has_result(2));
    assert_int_equal(records(), 50);
    assert_int_equal(trials_of(&s), 50);
    hone_service__scribe_drop(s.by);
}

static bool is_noted(const char *what, const char *text)
{
    hone_db *reader;
    char *got = NULL;
    CHECK(hone_db_open(path, HONE_DB_READ, &reader, &e));
    bool yes = hone_store_noted(reader, 1, what, &got, NULL) == HONE_OK && strcmp(got, text) == 0;
    free(got);
    hone_db_close(reader);
    return yes;
}

static void await_note(const char *what, const char *text)
{
    for (int k = 0; k < 60000 && !is_noted(what, text); k++)
        usleep(1000);
    assert_true(is_noted(what, text));
}

/* Nobody says it again. */
static void a_note_without_room_waits_for_some(void **state)
{
    (void)state;
    fail_next = HONE_E_FULL;
    hone_service__storage_note(w, NULL, 1, "target", "a target");
    await_note("target", "a target");
    fail_next = HONE_E_FULL;
    hone_service__storage_note(w, NULL, 1, "target", "older");
    while (fail_next)
        usleep(1000);
    hone_service__storage_note(w, NULL, 1, "target", "newer");
    await_note("target", "newer");
    fail_next = HONE_E_FULL;
    hone_service__storage_note(w, NULL, 1, "used", "1 1");
    await_note("used", "1 1"); /* and with it whatever else would have waited */
    assert_true(is_noted("target", "newer"));
}

static void a_put_that_fails_fails_alone(void **state)
{
    (void)state;
    session a = open_session(), b = open_session();
    shut = true;
    hand_batch(1);
    while (commits < 3)
        usleep(1000);
    CHECK(store(&a, 1, workload));
    CHECK(store(&a, 2, workload + 77)); /* there is no such workload */
    CHECK(store(&a, 3, workload));      /* is lost, as what it followed is */
    CHECK(store(&b, 4, workload));
    hand_batch(2);
    shut = false;
    CHECK(await_batch(1));
    CHECK(await_batch(2));
    CHECK(hone_service__storage_write(w, b.by, NULL, NULL, &e)); /* and with it all before it */
    assert_int_equal(hone_service__scribe_status(a.by, &e), HONE_E_INPUT);
    CHECK(hone_service__scribe_status(b.by, &e));
    assert_int_equal(store(&a, 5, workload), HONE_E_INPUT);
    assert_int_equal(hone_service__storage_write(w, a.by, NULL, NULL, &e), HONE_E_INPUT);
    assert_true(has_result(1) && has_result(2));
    assert_int_equal(records(), 2); /* 1 and 4 */
    assert_int_equal(trials_of(&a), 1);
    assert_int_equal(trials_of(&b), 1);
    hone_service__scribe_drop(a.by);
    hone_service__scribe_drop(b.by);
}

static void without_room_all_fails_and_comes_again(void **state)
{
    (void)state;
    session s = open_session();
    shut = true;
    hand_batch(1);
    while (commits < 2)
        usleep(1000);
    fail_next = HONE_E_FULL;
    CHECK(store(&s, 1, workload));
    shut = false;
    assert_int_equal(await_batch(1), HONE_E_FULL);
    assert_false(has_result(1));
    hand_batch(1);
    CHECK(await_batch(1));
    assert_true(has_result(1));
    /* What had not been in it has lost nothing. */
    CHECK(hone_service__storage_write(w, s.by, NULL, NULL, &e));
    fail_next = HONE_E_FULL;
    CHECK(store(&s, 2, workload));
    assert_int_equal(hone_service__storage_write(w, s.by, NULL, NULL, &e), HONE_E_FULL);
    assert_int_equal(store(&s, 3, workload), HONE_E_FULL);
    assert_int_equal(records(), 1);
    hone_service__scribe_drop(s.by);
}

static void who_waits_is_told_how_it_failed(void **state)
{
    (void)state;
    session s = {.by = hone_service__scribe_new()};
    fail_next = HONE_E_IO;
    assert_int_equal(hone_service__storage_write(w, s.by, open_row, &s, &e), HONE_E_IO);
    assert_string_equal(e.message, "the disk was told to fail");
    hone_service__scribe_drop(s.by);
}

static void the_end_loses_nothing(void **state)
{
    (void)state;
    session s = open_session();
    shut = true;
    hand_batch(1);
    while (commits < 2)
        usleep(1000);
    for (uint64_t k = 1; k <= 20; k++)
        CHECK(store(&s, k, workload));
    hand_batch(2);
    hone_service__scribe_drop(s.by); /* also when its session has gone */
    shut = false;
    hone_service__storage_stop(w);
    w = NULL;
    letter *l = hone_service__mail_take(&answers);
    assert_non_null(l->next);
    assert_null(l->next->next);
    hone_service__batch_free((storage_batch *)l->next);
    hone_service__batch_free((storage_batch *)l);
    assert_true(has_result(1) && has_result(2));
    assert_int_equal(records(), 20);
}

/* ---- mail --------------------------------------------------------------------------------------
 */

static void *put_later(void *arg)
{
    static letter x[3];
    usleep(2000);
    for (int k = 0; k < 3; k++) {
        x[k].kind = k;
        hone_service__mail_put(arg, &x[k]);
    }
    return NULL;
}

static void mail_comes_in_order(void **state)
{
    (void)state;
    mailbox b;
    hone_service__mail_init(&b);
    assert_null(hone_service__mail_take(&b));
    assert_null(hone_service__mail_await(&b, hone_clock_ns())); /* it is late already */
    pthread_t t = hone_service__thread("later", put_later, &b);
    for (int k = 0; k < 3;)
        for (letter *l = hone_service__mail_await(&b, INT64_MAX / 2); l; l = l->next)
            assert_int_equal(l->kind, k++);
    pthread_join(t, NULL);
    letter last = {.kind = 9};
    hone_service__mail_put_urgent(&b, &last);
    assert_ptr_equal(hone_service__mail_gather(&b, INT64_MAX / 2), &last);
    hone_service__mail_put(&b, &last);
    assert_ptr_equal(hone_service__mail_gather(&b, 1000), &last); /* nobody else comes */
    hone_service__mail_put(&b, &last);
    hone_service__mail_close(&b);
    assert_ptr_equal(hone_service__mail_gather(&b, INT64_MAX / 2), &last);
    assert_null(hone_service__mail_gather(&b, INT64_MAX / 2));
    hone_service__mail_fini(&b);
}

static void complaints_are_one_a_minute(void **state)
{
    (void)state;
    int64_t said = 0, second = 1000000000;
    unsigned n = 0;
    for (int64_t t = 1; t <= 600; t++)
        n += hone_service__is_due(&said, t * second);
    assert_int_equal(n, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complaints_are_one_a_minute),
        cmocka_unit_test_setup_teardown(doubts_reach_what_comes_late, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_goes_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_note_without_room_waits_for_some, setup, teardown),
        cmocka_unit_test_setup_teardown(a_put_that_fails_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(without_room_all_fails_and_comes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_how_it_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_loses_nothing, setup, teardown),
        cmocka_unit_test(mail_comes_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
