/* A log that another version of the space wrote: what can be replayed still answers and is measured
 * again first, and nothing in it counts as known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"

#include <sqlite3.h>
#include <sys/wait.h>

#include "tests/cli/folder.h"

#define HONE HONE_BINARY_DIR "/hone "
#define SMALL "matmul -D M=64 -D N=48 -D K=32 --threads 1 --json "
#define OLD (HONE_SPACE_VERSION - 1)
#define MOST 64
#define FAR 4900000000000 /* a date in another century, which counts for nothing */

/* Runs a command in the folder. Calls fn with each line of its output, returns its exit code. */
static int ask(const char *args, void (*fn)(const json_t *line, void *ctx), void *ctx)
{
    char command[1024], line[1 << 16];
    snprintf(command, sizeof command, "cd %s && %s%s 2>/dev/null </dev/null", folder, HONE, args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        json_t *j = json_loads(line, 0, NULL);
        assert_non_null(j);
        fn(j, ctx);
        json_decref(j);
    }
    int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void ignore(const json_t *line, void *ctx)
{
    (void)line, (void)ctx;
}

typedef struct found {
    char rung[32], hash[32];
    json_int_t time_ns, version;
} found;

static void note_answer(const json_t *j, void *ctx)
{
    found *f = ctx;
    const char *hash = json_string_value(json_object_get(j, "trace_hash"));
    snprintf(f->rung, sizeof f->rung, "%s", json_string_value(json_object_get(j, "rung")));
    snprintf(f->hash, sizeof f->hash, "%s", hash ? hash : "");
    f->time_ns = json_integer_value(json_object_get(j, "time_ns"));
    const json_t *with = json_object_get(j, "measured_with");
    f->version = json_integer_value(json_object_get(with, "space_version"));
}

static found query(void)
{
    found f = {0};
    assert_int_equal(ask("query " SMALL, note_answer, &f), 0);
    return f;
}

typedef struct tuned {
    unsigned from_log;
    json_int_t known;
} tuned;

static void note_trial(const json_t *j, void *ctx)
{
    tuned *t = ctx;
    const char *why = json_string_value(json_object_get(j, "why"));
    t->from_log += why && strcmp(why, "log") == 0;
    if (json_is_true(json_object_get(j, "summary")))
        t->known = json_integer_value(json_object_get(j, "known"));
}

/* ---- the log, rewritten ---------------------------------------------------------------------- */

typedef struct record {
    hone_db_record r;
    char *trace;
} record;

typedef struct records {
    unsigned n, old;
    record v[MOST];
} records;

static bool copy(void *ctx, const hone_db_record *r)
{
    records *all = ctx;
    assert_true(all->n < MOST);
    record *to = &all->v[all->n++];
    to->r = *r;
    to->trace = strdup(r->trace);
    all->old += r->space_version != HONE_SPACE_VERSION;
    return true;
}

static hone_db *open_log(void)
{
    char path[128];
    hone_db *db;
    hone_error err;
    snprintf(path, sizeof path, "%s/hone.db", folder);
    if (hone_db_open(path, HONE_DB_WRITE, &db, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return db;
}

static records read_log(hone_db *db)
{
    records all = {0};
    hone_error err;
    if (hone_db_each_record(db, &(hone_db_where){0}, copy, &all, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return all;
}

static void empty_log(void)
{
    char path[128];
    sqlite3 *q;
    snprintf(path, sizeof path, "%s/hone.db", folder);
    assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
    assert_int_equal(sqlite3_exec(q, "DELETE FROM sample; DELETE FROM record;", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(q);
}

static void forget(records *all)
{
    for (unsigned k = 0; k < all->n; k++)
        free(all->v[k].trace);
}

/* A name of the trace's instructions becomes one that no program has. */
static char *spoil(const char *trace)
{
    char *text = strdup(trace), *at = strstr(text, "[\"C\"");
    assert_non_null(at);
    at[2] = '?';
    return text;
}

/* Every record as the older version would have left it; `spoiled`: not to be replayed. */
static void make_old(bool spoiled)
{
    hone_db *db = open_log();
    records all = read_log(db);
    hone_error err;
    hone_db_close(db);
    empty_log(); /* what this program measured would stand against it */
    db = open_log();
    for (unsigned k = 0; k < all.n; k++) {
        hone_db_record r = all.v[k].r;
        char *text = spoiled && strstr(all.v[k].trace, "[\"C\"") ? spoil(all.v[k].trace)
                                                                 : strdup(all.v[k].trace);
        r = (hone_db_record){.workload_id = r.workload_id,
                             .target_id = r.target_id,
                             .trace_hash = r.trace_hash,
                             .trace = text,
                             .status = r.status,
                             .reason = r.status == HONE_OK ? "" : "it did",
                             .time_ns = r.time_ns,
                             .checked = r.status == HONE_OK ? "reference" : "",
                             .tolerance = 1e-3,
                             .device = "",
                             .env = "",
                             .created_ms = FAR,
                             .space_version = OLD,
                             .llvm_version = "old"};
        if (spoiled && strcmp(text, all.v[k].trace) == 0 && r.status == HONE_OK) {
            r.status = HONE_REJECT_BUILD; /* the program as written always replays */
            r.reason = "it did";
            r.time_ns = 0;
            r.checked = "";
        }
        if (hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &err) != HONE_OK)
            fail_msg("%s", err.message);
        free(text);
    }
    forget(&all);
    all = read_log(db);
    assert_int_equal(all.old, all.n);
    forget(&all);
    hone_db_close(db);
}

/* The fastest record of all, which nothing can be made of. */
static void add_spoiled(uint64_t hash)
{
    hone_db *db = open_log();
    records all = read_log(db);
    hone_error err;
    const record *model = NULL;
    for (unsigned k = 0; k < all.n; k++)
        model = strstr(all.v[k].trace, "[\"C\"") ? &all.v[k] : model;
    assert_non_null(model);
    char *text = spoil(model->trace);
    hone_db_record r = {.workload_id = model->r.workload_id,
                        .target_id = model->r.target_id,
                        .trace_hash = hash,
                        .trace = text,
                        .status = HONE_OK,
                        .reason = "",
                        .time_ns = 1,
                        .checked = "reference",
                        .device = "",
                        .env = "",
                        .created_ms = FAR,
                        .space_version = OLD,
                        .llvm_version = "old"};
    if (hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &err) != HONE_OK)
        fail_msg("%s", err.message);
    free(text);
    forget(&all);
    hone_db_close(db);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void another_versions_log(void **state)
{
    (void)state;
    const uint64_t spoiled = 0x5150;
    assert_int_equal(ask("tune " SMALL "--trials 8", ignore, NULL), 0);
    found fresh = query();
    assert_string_equal(fresh.rung, "exact");
    assert_int_equal(fresh.version, HONE_SPACE_VERSION);

    make_old(false);
    found old = query();
    assert_string_equal(old.rung, "exact");
    assert_int_equal(old.version, OLD);
    assert_string_equal(old.hash, fresh.hash);
    assert_int_equal(old.time_ns, fresh.time_ns);

    add_spoiled(spoiled); /* passed over */
    old = query();
    assert_string_equal(old.rung, "exact");
    assert_string_equal(old.hash, fresh.hash);

    tuned t = {0};
    assert_int_equal(ask("tune " SMALL "--trials 8", note_trial, &t), 0);
    assert_int_equal(t.known, 0);
    assert_true(t.from_log > 0);
    /* This version's winner, not the other's faster one. */
    assert_int_equal(query().version, HONE_SPACE_VERSION);

    make_old(true);
    old = query();
    assert_string_equal(old.rung, "model");
    assert_int_equal(ask("query " SMALL "--require exact", ignore, NULL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_versions_log)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
