/* Power cuts while the service's storage commits: at each write and each sync of a group commit the
 * disk is rebuilt as a cut would leave it (tests/db/power.h), and opened as the next service would.
 * All that was acknowledged is there, a batch is there as a whole or not at all, and a farm can be
 * restored from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farm/service/storage.h"
#include "tests/db/power.h"

#include <stdatomic.h>

enum {
    BATCHES = 70,
    EVERY_WRITE = 12 /* batches of which each write is a moment; later only some are */
};

static char folder[64], *path, *after;
static hone_error e;
static mailbox answers;
static hone_db *db;
static storage *w;
static scribe *by;
static hone_db_session row;
static int64_t workload, target;
static _Atomic uint64_t handed, acked, recorded; /* batches; records that are durable */
static uint64_t looked, by_mode[MODE_COUNT];
static hone_rng dice;
static char payload[24 << 10]; /* so that there are checkpoints, too */

#define CHECK(x)                       \
    do {                               \
        if ((x) != HONE_OK)            \
            fail_msg("%s", e.message); \
    } while (0)

/* In the storage's thread, where nothing may be asserted by jumping. */
static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "after a cut: %s (%" PRIu64 " batches acknowledged, %" PRIu64 " handed over)\n",
            what, (uint64_t)acked, (uint64_t)handed);
    abort();
}

/* ---- what a cut leaves ----------------------------------------------------------------------- */

typedef struct found {
    uint64_t n, last;
} found;

static bool note_result(void *ctx, const hone_db_item *i)
{
    found *f = ctx;
    uint64_t number = 0;
    must(strlen(i->key) == 16 && hone_hash_parse(i->key, &number), "a key is none");
    f->n++;
    f->last = number > f->last ? number : f->last;
    return true;
}

static bool note_lease(void *ctx, const hone_db_item *i)
{
    found *f = ctx;
    static const char fence[] = "\"fence\":\"";
    const char *at = strstr(i->body, fence);
    char hex[17] = "";
    f->n++;
    snprintf(hex, sizeof hex, "%.16s", at ? at + strlen(fence) : "");
    must(hone_hash_parse(hex, &f->last), "a lease has no fence");
    return true;
}

/* Batch k has the result of lease k, its end, and lease k + 1. */
static void expect_batches(hone_db *x, uint64_t least, uint64_t most)
{
    found results = {0}, leases = {0};
    hone_error err;
    must(hone_db_each_item(x, "result", NULL, NULL, note_result, &results, &err) == HONE_OK &&
             hone_db_each_item(x, "lease", NULL, NULL, note_lease, &leases, &err) == HONE_OK,
         "rows cannot be read");
    must(results.n == results.last, "a result is missing among those before it");
    must(results.n >= least, "an acknowledged result is lost");
    must(results.n <= most, "a result is there that was not handed over");
    must(leases.n == 1 && leases.last == results.n + 1, "a batch is there in part");
}

static void expect_farm(hone_db *x)
{
    hone_farm_limits l;
    hone_error err;
    hone_farm_limits_init(&l);
    hone_farm *f = hone_farm_new(&l);
    must(hone_store_restore(x, f, &err) == HONE_OK, "no farm can be made of it");
    hone_farm_free(f);
}

static void look(mode m)
{
    hone_error err;
    hone_db *x;
    json_t *j = NULL;
    uint64_t least = acked, records_least = recorded, n;
    cut(after, m, &dice);
    must(hone_db_open(after, HONE_DB_WRITE, &x, &err) == HONE_OK, "it cannot be opened");
    must(hone_db_check(x, &j, &err) == HONE_OK, "it is not sound");
    expect_batches(x, least, handed);
    must(hone_db_record_count(x, "c", &n, &err) == HONE_OK && n >= records_least,
         "a record is lost that somebody waited for");
    expect_farm(x);
    json_decref(j);
    hone_db_close(x);
    looked++;
    by_mode[m]++;
}

static void at_a_moment(void)
{
    if (acked < EVERY_WRITE || hone_rng_below(&dice, 48) == 0)
        look((mode)hone_rng_below(&dice, MODE_COUNT));
}

/* ---- what is handed over --------------------------------------------------------------------- */

static void print(const void *what, hone_buf *ret)
{
    hone_buf_puts(ret, what);
}

static hone_farm_row lease_row(hone_farm_row_kind kind, uint64_t fence)
{
    hone_farm_row r = {.kind = kind};
    snprintf(r.lease.worker, sizeof r.lease.worker, "pi");
    r.lease.fence = fence;
    r.lease.slot = 1 + (uint32_t)fence % 2;
    r.lease.unit = (hone_farm_key){{1, fence}};
    return r;
}

static hone_status store_record(uint64_t k)
{
    hone_db_sample x = {100, 0};
    hone_db_record r = {.workload_id = workload,
                        .target_id = target,
                        .trace_hash = hone_hash_mix(1, k),
                        .trace = "[]",
                        .status = HONE_OK,
                        .time_ns = 100,
                        .session_id = row.id};
    row.trials++;
    return hone_service__storage_store(w, by, &r, &x, 1, &row, &e);
}

static void hand_over(uint64_t k)
{
    hone_farm_row rows[4] = {{.kind = HONE_FARM_ROW_RESULT},
                             lease_row(HONE_FARM_ROW_LEASE, k + 1),
                             lease_row(HONE_FARM_ROW_LEASE_END, k),
                             {.kind = HONE_FARM_ROW_CLOCK}};
    rows[0].result.unit = (hone_farm_key){{1, k}};
    rows[0].result.fence = k;
    rows[0].result.place = k;
    snprintf(rows[0].result.worker, sizeof rows[0].result.worker, "pi");
    rows[3].clock = (int64_t)k;
    storage_batch *b = hone_service__batch_new(k, rows, 4);
    b->with[0] = payload;
    handed = k;
    hone_service__storage_commit(w, b);
}

static void await(uint64_t k)
{
    storage_batch *b = (storage_batch *)hone_service__mail_await(
        &answers, hone_clock_ns() + INT64_C(240000000000));
    assert_non_null(b);
    CHECK(b->status);
    assert_int_equal(b->batch, k);
    acked = k;
    hone_service__batch_free(b);
}

static hone_status open_row(hone_db *d, void *ctx, hone_error *err)
{
    (void)ctx;
    row = (hone_db_session){.workload_id = workload, .target_id = target, .seed = 1};
    return hone_db_session_save(d, &row, &row.id, err);
}

/* ---------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/hone-power-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder) || !power_install())
        return -1;
    path = hone_xasprintf("%s/farm.db", folder);
    after = hone_xasprintf("%s/after.db", folder);
    memset(payload, ' ', sizeof payload - 1);
    payload[0] = '{';
    payload[sizeof payload - 2] = '}';
    hone_rng_seed(&dice, 5);
    hone_service__mail_init(&answers);
    snprintf(watched, sizeof watched, "%s", path);
    CHECK(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &e));
    hone_db_workload k = {.hash = 1, .name = "k", .class = "k", .program = "k"};
    hone_db_target t = {.text = "t", .threads = 1, .class = "c"};
    CHECK(hone_db_workload_put(db, &k, &workload, &e));
    CHECK(hone_db_target_put(db, &t, &target, &e));
    hone_farm_row first[] = {{.kind = HONE_FARM_ROW_WORKER}, lease_row(HONE_FARM_ROW_LEASE, 1)};
    first[0].worker = (hone_farm_worker_row){
        .name = "pi", .roles = HONE_FARM_DEVICE, .attrs = "", .fence_end = 1024};
    CHECK(hone_store_commit(db, first, 2, NULL, &e));
    w = hone_service__storage_start(
        &(storage_options){.db = db, .answers = &answers, .print = print, .patience_ns = 1000000});
    by = hone_service__scribe_new();
    CHECK(hone_service__storage_write(w, by, open_row, NULL, &e));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    at_each = NULL;
    hone_service__scribe_drop(by);
    hone_service__storage_stop(w);
    hone_db_close(db);
    hone_service__mail_fini(&answers);
    power_forget();
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    free(path);
    free(after);
    return rc;
}

static void a_cut_at_any_write_loses_nothing_acknowledged(void **state)
{
    (void)state;
    at_each = at_a_moment;
    for (uint64_t k = 1; k <= BATCHES; k++) {
        CHECK(store_record(2 * k));
        CHECK(store_record(2 * k + 1));
        hand_over(k);
        await(k);
        if (k % 5)
            continue;
        CHECK(hone_service__storage_write(w, by, NULL, NULL, &e));
        recorded = 2 * k;
    }
    at_each = NULL;
    for (mode m = 0; m < MODE_COUNT; m++)
        look(m);
    print_message("%" PRIu64 " cuts: %" PRIu64 " lost all that was not synced, %" PRIu64
                  " nothing, %" PRIu64 " some, %" PRIu64 " some and torn\n",
                  looked, by_mode[0], by_mode[1], by_mode[2], by_mode[3]);
    for (int m = 0; m < MODE_COUNT; m++)
        assert_true(by_mode[m] > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cut_at_any_write_loses_nothing_acknowledged, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
