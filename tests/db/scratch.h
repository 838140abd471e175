/* A folder for one test program, and rows to put into a database there. */
#ifndef HONE_TESTS_DB_SCRATCH_H
#define HONE_TESTS_DB_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/internal.h"

/* Set in a forked child, which must end where it fails instead of running the tests that follow; it
 * uses CHECK and HONE_ASSERT only. */
static bool in_child;

#define CHECK(call)                                                                    \
    do {                                                                               \
        hone_error check_e = {0};                                                      \
        hone_error *err = &check_e;                                                    \
        hone_status check_s = (call);                                                  \
        if (check_s != HONE_OK && in_child) {                                          \
            fprintf(stderr, "%s: %s\n", #call, check_e.message);                       \
            _exit(1);                                                                  \
        }                                                                              \
        if (check_s != HONE_OK)                                                        \
            fail_msg("%s: %s: %s", #call, hone_status_name(check_s), check_e.message); \
    } while (0)

static char scratch[64];

static int scratch_make(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/hone-db-XXXXXX");
    return mkdtemp(scratch) ? 0 : 1;
}

static int scratch_remove(void **state)
{
    (void)state;
    DIR *d = opendir(scratch);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", scratch, e->d_name);
        if (e->d_name[0] != '.' && unlink(path) != 0)
            rmdir(path);
    }
    if (d)
        closedir(d);
    return rmdir(scratch);
}

/* fork, with in_child set. */
__attribute__((unused)) static pid_t fork_child(void)
{
    pid_t pid = fork();
    HONE_ASSERT(pid >= 0);
    in_child = pid == 0;
    return pid;
}

/* Borrowed until the next few calls. */
__attribute__((unused)) static const char *at(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", scratch, name);
    return p;
}

__attribute__((unused)) static hone_db *open_rw(const char *path)
{
    hone_db *db = NULL;
    CHECK(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, err));
    return db;
}

__attribute__((unused)) static hone_db *open_r(const char *path)
{
    hone_db *db = NULL;
    CHECK(hone_db_open(path, HONE_DB_READ, &db, err));
    return db;
}

__attribute__((unused)) static int64_t a_workload(hone_db *db, uint64_t hash, const char *class)
{
    int64_t id = 0;
    hone_db_workload w = {.hash = hash,
                          .name = "matmul",
                          .class = class,
                          .program = "kernel matmul(M, N, K) { ... }",
                          .sizes = "{\"M\":64}",
                          .flops = 524288};
    CHECK(hone_db_workload_put(db, &w, &id, err));
    return id;
}

__attribute__((unused)) static int64_t a_target(hone_db *db, const char *text, int32_t threads)
{
    int64_t id = 0;
    hone_db_target t = {.text = text, .threads = threads, .class = "x86-64-v4"};
    CHECK(hone_db_target_put(db, &t, &id, err));
    return id;
}

/* A record of time_ns, or a rejection when time_ns is 0. */
__attribute__((unused)) static hone_db_record a_record(int64_t w, int64_t t, uint64_t trace_hash,
                                                       int64_t time_ns)
{
    return (hone_db_record){.workload_id = w,
                            .target_id = t,
                            .trace_hash = trace_hash,
                            .trace = "[[\"split\",1,[4,16]]]",
                            .status = time_ns ? HONE_OK : HONE_REJECT_RUN_TIMEOUT,
                            .reason = time_ns ? "" : "ran longer than 1 s",
                            .time_ns = time_ns,
                            .checked = "reference",
                            .llvm_version = "19.1.7"};
}

__attribute__((unused)) static int64_t put(hone_db *db, hone_db_record r)
{
    int64_t id = 0;
    CHECK(hone_db_record_put(db, &r, NULL, 0, &id, NULL, err));
    return id;
}

__attribute__((unused)) static bool is_stored(hone_db *db, int64_t w, int64_t t,
                                              uint64_t trace_hash)
{
    sqlite3_stmt *stmt = NULL;
    bool there = false;
    CHECK(hone_db__sql(db, HONE_DB__RECORD_BY_KEY, &stmt, err));
    hone_db__bind(stmt, "iih", w, t, trace_hash);
    CHECK(hone_db__step(db, stmt, "reading", &there, err));
    sqlite3_reset(stmt);
    return there;
}

/* The samples of all measurements of a record in order, at most max; returns how many there are. */
__attribute__((unused)) static uint32_t samples_of(hone_db *db, int64_t id, hone_db_sample *ret,
                                                   uint32_t max)
{
    sqlite3_stmt *stmt = NULL;
    uint32_t n = 0;
    CHECK(hone_db__sql(db, HONE_DB__SAMPLES, &stmt, err));
    hone_db__bind(stmt, "i", id);
    for (bool row = true; row;) {
        CHECK(hone_db__step(db, stmt, "reading", &row, err));
        if (row && n < max)
            ret[n] =
                (hone_db_sample){sqlite3_column_double(stmt, 1), sqlite3_column_double(stmt, 2)};
        n += row;
    }
    return n;
}

__attribute__((unused)) static int64_t count(hone_db *db, const char *key)
{
    json_t *j = NULL;
    CHECK(hone_db_stats(db, &j, err));
    int64_t n = json_integer_value(json_object_get(j, key));
    json_decref(j);
    return n;
}

__attribute__((unused)) static void is_sound(hone_db *db)
{
    json_t *j = NULL;
    hone_error e = {0};
    hone_status s = hone_db_check(db, &j, &e);
    json_decref(j);
    HONE_ASSERT(s == HONE_OK || !in_child);
    if (s != HONE_OK)
        fail_msg("%s", e.message);
}

#endif
