/* A session whose log is written by somebody else, later, comes to what it comes to by itself. */
#include "tests/tuner/fake_pool.h"

static hone_db *writer;
static hone_status fails; /* what the next one to be stored is answered with */
static uint64_t stored, written;
static bool open;

static hone_status group(hone_error *err)
{
    hone_status st = open ? HONE_OK : hone_db_begin(writer, err);
    open = st == HONE_OK;
    return st;
}

/* Nobody can read it before something is written. */
static hone_status store(void *ctx, const hone_db_record *r, const hone_db_sample *samples,
                         uint32_t n, const hone_db_session *row, hone_error *err)
{
    (void)ctx;
    stored++;
    if (fails != HONE_OK)
        return hone_fail(err, fails, "what was stored is lost");
    HONE_TRY(group(err));
    HONE_TRY(hone_db_record_put(writer, r, samples, n, NULL, NULL, err));
    return hone_db_session_save(writer, row, NULL, err);
}

/* As when a group has to be made again: what is run is run twice. */
static hone_status write_log(void *ctx, hone_session_write_fn fn, void *fn_ctx, hone_error *err)
{
    (void)ctx;
    written++;
    HONE_TRY(group(err));
    if (fn && !stored) {
        HONE_TRY(fn(writer, fn_ctx, err));
        hone_db_rollback(writer);
        open = false;
        HONE_TRY(group(err));
    }
    if (fn)
        HONE_TRY(fn(writer, fn_ctx, err));
    open = false;
    return hone_db_commit(writer, err);
}

typedef struct ending {
    uint64_t best, trials, traces, records;
    int64_t best_ns;
} ending;

static bool add_trace(void *ctx, const hone_db_record *r)
{
    ending *e = ctx;
    e->traces += hone_hash_mix(r->trace_hash, (uint64_t)r->time_ns);
    e->records++;
    return true;
}

static ending run(const fake_want *w)
{
    fake_pool f;
    hone_error err = {0};
    fake_open(&f);
    stored = written = 0;
    open = false;
    char *path = hone_xasprintf("%s/hone.db", f.folder);
    if (w->write && hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &writer, &err) != HONE_OK)
        fail_msg("%s", err.message);
    free(path);
    fake_user *u = fake_start(&f, 0, w);
    fake_work(&f);
    ending e = {.best = u->r->best_hash, .trials = u->r->trials, .best_ns = u->r->best_ns};
    assert_int_equal(u->r->status, fails);
    assert_int_equal(hone_db_each_record(u->db, &(hone_db_where){0}, add_trace, &e, NULL), HONE_OK);
    fake_close(&f);
    hone_db_close(writer);
    writer = NULL;
    return e;
}

static void it_ends_as_by_itself(void **state)
{
    (void)state;
    ending mine = run(&(fake_want){.trials = 24, .seed = 5});
    ending theirs = run(&(fake_want){.trials = 24, .seed = 5, .write = write_log, .store = store});
    assert_true(stored >= 24 && written > 2);
    assert_true(mine.best == theirs.best && mine.best_ns == theirs.best_ns);
    assert_true(mine.trials == theirs.trials && mine.records == theirs.records);
    assert_true(mine.traces == theirs.traces);
}

static void what_is_lost_ends_it(void **state)
{
    (void)state;
    fails = HONE_E_FULL;
    ending e = run(&(fake_want){.trials = 24, .seed = 5, .write = write_log, .store = store});
    assert_int_equal(stored, 1);
    assert_int_equal(e.records, 0);
    fails = HONE_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_ends_as_by_itself),
                                       cmocka_unit_test(what_is_lost_ends_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
