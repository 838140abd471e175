/* Any bytes as a database file: opening, checking, asking, writing and salvaging may fail, but only
 * with a status. */
#include "db/db.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64], saved[80], bad[80];

static void remove_all(const char *name)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
    char file[128];
    for (size_t i = 0; i < HONE_LEN(suffixes); i++) {
        snprintf(file, sizeof file, "%s%s", name, suffixes[i]);
        unlink(file);
    }
}

static bool read_all(void *ctx, const hone_db_record *r)
{
    HONE_ASSERT(r->trace && r->reason && r->checked && r->device && r->env);
    HONE_ASSERT(r->hone_version && r->llvm_version);
    ++*(size_t *)ctx;
    return true;
}

static bool read_row(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                     const hone_db_record *r)
{
    HONE_ASSERT(!w || (w->name && w->class && w->program && w->sizes));
    HONE_ASSERT(!t || (t->text && t->class));
    HONE_ASSERT(!r || r->trace);
    ++*(size_t *)ctx;
    return true;
}

static bool read_model(void *ctx, const hone_db_model *m)
{
    HONE_ASSERT(m->class && m->about && m->hone_version && (m->bytes.v || m->bytes.n == 0));
    *(size_t *)ctx += hone_hash_bytes(0, m->bytes.v, m->bytes.n) & 1; /* all of it is there */
    return true;
}

static void ask(hone_db *db)
{
    size_t n = 0;
    json_t *j;
    hone_db_record r;
    hone_db_session s;
    hone_db_model m;
    hone_error e;
    hone_status st = hone_db_check(db, &j, &e);
    HONE_ASSERT(st == HONE_OK || st == HONE_E_CORRUPT);
    json_decref(j);
    if (hone_db_stats(db, &j, &e) == HONE_OK)
        json_decref(j);
    if (hone_db_best(db, 1, "x", 1, &r, &e) == HONE_OK)
        hone_db_record_free(&r);
    if (hone_db_session_load(db, 1, &s, &e) == HONE_OK)
        hone_db_session_free(&s);
    if (hone_db_model_latest(db, "c", 0, &m, &e) == HONE_OK)
        hone_db_model_free(&m);
    (void)!hone_db_each_model(db, read_model, &n, &e);
    hone_db_where where = {.workload_id = 1, .target_id = 1}, class = {.workload_class = "c"};
    (void)!hone_db_each_record(db, NULL, read_all, &n, &e);
    (void)!hone_db_each_record(db, &where, read_all, &n, &e);
    (void)!hone_db_each_record(db, &class, read_all, &n, &e);
    (void)!hone_db_each_fastest(db, 1, 1, 5, read_all, &n, &e);
    (void)!hone_db_each_best(db, &class, read_row, &n, &e);
    (void)!hone_db_each_best(db, NULL, read_row, &n, &e);
}

static void tell(hone_db *db)
{
    int64_t w, t, id;
    bool existed;
    hone_error e;
    hone_db_workload workload = {.hash = 1, .name = "n", .class = "c", .program = "p"};
    hone_db_target target = {.text = "x", .threads = 1, .class = "c"};
    hone_db_sample samples[] = {{1, 2}, {2, 3}};
    if (hone_db_workload_put(db, &workload, &w, &e) != HONE_OK ||
        hone_db_target_put(db, &target, &t, &e) != HONE_OK)
        return;
    hone_db_record r = {.workload_id = w, .target_id = t, .trace_hash = 1, .trace = "[]"};
    r.time_ns = 5;
    (void)!hone_db_record_put(db, &r, samples, 2, &id, &existed, &e);
    r.trace_hash = 2;
    (void)!hone_db_record_put(db, &r, samples, 2, &id, &existed, &e);
    hone_db_model m = {.class = "c", .bytes = {"trees", 5}};
    (void)!hone_db_model_put(db, &m, &id, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/hone-fuzz-db-%ld", (long)getpid());
        snprintf(saved, sizeof saved, "%s-saved", path);
        snprintf(bad, sizeof bad, "%s-bad", path);
    }
    remove_all(path);
    if (hone_file_write(path, data, size, NULL) != HONE_OK)
        return 0;
    hone_db *db;
    json_t *j;
    hone_error e;
    if (hone_db_open(path, HONE_DB_READ, &db, &e) == HONE_OK) {
        ask(db);
        hone_db_close(db);
    }
    remove_all(saved);
    if (hone_db_salvage(path, saved, &j, &e) == HONE_OK)
        json_decref(j);
    if (hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE | HONE_DB_VERIFY, &db, &e) == HONE_OK) {
        tell(db);
        ask(db);
        (void)!hone_db_repair(db, bad, &j, &e);
        json_decref(j);
        if (hone_db_prune(db, 2, false, &j, &e) == HONE_OK)
            json_decref(j);
        if (hone_db_forget(db, &(hone_db_choice){.reason = "*"}, false, &j, &e) == HONE_OK)
            json_decref(j);
        ask(db);
        hone_db_close(db);
    }
    const char *const from[] = {path};
    if (hone_db_merge(saved, from, 1, NULL, NULL, &j, &e) == HONE_OK)
        json_decref(j);
    remove_all(path);
    remove_all(saved);
    remove_all(bad);
    return 0;
}
