/* Random logs, and what a log holds as text that does not depend on ids and order. */
#ifndef HONE_TESTS_DB_LOGS_H
#define HONE_TESTS_DB_LOGS_H

#include "tests/db/scratch.h"

/* ---- what a log holds ------------------------------------------------------------------------ */

#define OF_WORKLOAD(x) "(SELECT hash FROM workload WHERE id = " x ")"
#define OF_TARGET(x) "(SELECT text || threads FROM target WHERE id = " x ")"
#define OF_SESSION(x)                                                                    \
    "(SELECT format('%s %s %s %s %d', seed, hex(rng), started_ms, hone_version, trials)" \
    " FROM session WHERE id = " x ")"

/* Every row by content, each on a line, in order. */
__attribute__((unused)) static const char *const contents[] = {
    "SELECT 'workload', hash, name, class, program, sizes, flops, created_ms FROM workload"
    " ORDER BY hash",
    "SELECT 'target', text, threads, class, created_ms FROM target ORDER BY text, threads",
    "SELECT 'session', " OF_WORKLOAD("workload_id") ", " OF_TARGET(
        "target_id") ","
                     " seed, hex(rng), trials, state, started_ms, ended_ms, hone_version, "
                     "best_hash FROM session"
                     " ORDER BY started_ms, seed, hone_version",
    "SELECT 'record', " OF_WORKLOAD("r.workload_id") ", " OF_TARGET(
        "r.target_id") ", trace_hash,"
                       " trace, status, reason, time_ns, log_ratio, n_samples, max_error, "
                       "tolerance, checked,"
                       " data_seed, build_ns, run_ns, device, env, " OF_SESSION(
                           "session_id") ", created_ms,"
                                         " space_version, hone_version, llvm_version, compare_ns, "
                                         "incumbent_hash, incumbent_ns,"
                                         " (SELECT group_concat(x.candidate_ns || '/' || "
                                         "x.incumbent_ns) FROM"
                                         "  (SELECT * FROM sample WHERE record_id = r.id AND run = "
                                         "r.run ORDER BY turn) x)"
                                         " FROM record r ORDER BY 2, 3, 4",
    "SELECT 'run', " OF_WORKLOAD("r.workload_id") ", " OF_TARGET(
        "r.target_id") ", trace_hash,"
                       " (SELECT group_concat(y.candidate_ns || '/' || y.incumbent_ns) FROM"
                       "  (SELECT * FROM sample WHERE record_id = r.id AND run = x.run ORDER BY "
                       "turn) y)"
                       " FROM record r JOIN (SELECT DISTINCT record_id, run FROM sample) x ON "
                       "x.record_id = r.id"
                       " ORDER BY 2, 3, 4, 5",
    "SELECT 'forgotten', what, records, samples, created_ms FROM forgotten ORDER BY 2, 5, 3, 4",
    "SELECT 'model', class, threads, about, hex(bytes), created_ms FROM model"
    " ORDER BY 2, 3, 6, 4, 5",
    "SELECT 'machine', " OF_TARGET("target_id") ", numbers, about, created_ms, hone_version"
                                                " FROM machine ORDER BY id",
    "SELECT 'item', kind, key, alt, body FROM item ORDER BY 2, 3",
    /* what depends on order: which of equals goes first, which session was the latest */
    "SELECT 'first', " OF_WORKLOAD("r.workload_id") ", " OF_TARGET(
        "r.target_id") ", r.trace_hash"
                       " FROM record r ORDER BY r.id",
    "SELECT 'latest', seed FROM session ORDER BY id",
};

/* The caller frees. */
__attribute__((unused)) static char *dump_of(const char *path)
{
    hone_db *db = open_r(path);
    hone_buf out = {0};
    for (size_t k = 0; k < HONE_LEN(contents); k++) {
        sqlite3_stmt *stmt = NULL;
        CHECK(hone_db__prepare(db, contents[k], &stmt, err));
        for (bool row = true; row;) {
            CHECK(hone_db__step(db, stmt, "reading", &row, err));
            for (int c = 0; row && c < sqlite3_column_count(stmt); c++) {
                const char *text = (const char *)sqlite3_column_text(stmt, c);
                hone_buf_printf(&out, "%s%s", text ? text : "-",
                                c + 1 < sqlite3_column_count(stmt) ? "|" : "\n");
            }
        }
        sqlite3_finalize(stmt);
    }
    hone_db_close(db);
    return hone_buf_take(&out);
}

/* ---- random logs ----------------------------------------------------------------------------- */

static uint64_t below(hone_rng *g, uint64_t n)
{
    return hone_rng_below(g, n);
}

static const char *pick(hone_rng *g, const char *const *v, size_t n)
{
    return v[below(g, n)];
}
#define PICK(g, ...)                            \
    pick(g, (const char *const[]){__VA_ARGS__}, \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static int64_t random_workload(hone_db *db, hone_rng *g)
{
    int64_t id = 0;
    hone_db_workload w = {.hash = 1 + below(g, 3),
                          .name = PICK(g, "matmul", "mm"),
                          .class = PICK(g, "matmul", "mm"),
                          .program = "program",
                          .sizes = "{\"M\":64}",
                          .flops = 524288,
                          .created_ms = 1000 + (int64_t)below(g, 3)};
    CHECK(hone_db_workload_put(db, &w, &id, err));
    return id;
}

static int64_t random_target(hone_db *db, hone_rng *g)
{
    int64_t id = 0;
    hone_db_target t = {.text = PICK(g, "znver4", "haswell"),
                        .threads = 1 + (int32_t)below(g, 2),
                        .class = PICK(g, "x86-64-v3", "x86-64-v4"),
                        .created_ms = 1000 + (int64_t)below(g, 3)};
    CHECK(hone_db_target_put(db, &t, &id, err));
    return id;
}

static int64_t random_session(hone_db *db, hone_rng *g, int64_t w, int64_t t)
{
    int64_t id = 0;
    hone_db_session s = {.workload_id = w,
                         .target_id = t,
                         .seed = below(g, 3),
                         .trials = (int64_t)below(g, 3),
                         .started_ms = 2000 + (int64_t)below(g, 4),
                         .ended_ms = below(g, 2) ? 3000 + (int64_t)below(g, 2) : 0,
                         .best_hash = 1 + below(g, 6)};
    hone_rng_seed(&s.rng, s.seed);
    CHECK(hone_db_session_save(db, &s, &id, err));
    return id;
}

/* Few values of everything, so that candidates, measurements and whole results meet again. */
static void random_record(hone_db *db, hone_rng *g, int64_t w, int64_t t, int64_t session)
{
    static const hone_status statuses[] = {
        HONE_OK,          HONE_OK, HONE_OK, HONE_REJECT_RUN_TIMEOUT, HONE_REJECT_WRONG_RESULT,
        HONE_REJECT_BUILD};
    hone_db_sample samples[3];
    uint32_t n = (uint32_t)below(g, 4);
    for (uint32_t k = 0; k < n; k++)
        samples[k] = (hone_db_sample){100 + (double)below(g, 2), (double)below(g, 2)};
    hone_db_record r = a_record(w, t, 1 + below(g, 6), 100 + (int64_t)below(g, 2));
    r.status = statuses[below(g, HONE_LEN(statuses))];
    r.created_ms = 5000 + (int64_t)below(g, 3);
    r.space_version = below(g, 3) ? HONE_SPACE_VERSION : 1 + (int32_t)below(g, 4);
    r.hone_version = below(g, 3) ? HONE_VERSION : PICK(g, "0.0.9", "0.0.10", "7.1");
    r.llvm_version = PICK(g, "19.1.7", "19.1.7", "18.1.8");
    r.session_id = below(g, 2) ? session : 0;
    r.device = PICK(g, "a", "b");
    CHECK(hone_db_record_put(db, &r, samples, n, NULL, NULL, err));
}

/* More than are kept of a target, some of them the same at other times. */
static void random_machine(hone_db *db, hone_rng *g, int64_t t)
{
    const hone_db_machine m = {.target_id = t,
                               .numbers = PICK(g, "{\"GHz\":3}", "{\"GHz\":4}"),
                               .about = PICK(g, "{}", "{\"from\":\"stream\"}"),
                               .created_ms = 8000 + (int64_t)below(g, 6)};
    CHECK(hone_db_machine_put(db, &m, NULL, err));
}

static void random_cover(hone_db *db, hone_rng *g)
{
    const hone_db_item i = {
        HONE_DB_COVER, PICK(g, "a", "b", "c"), NULL,
        PICK(g, "{\"runs\":5}", "{\"runs\":64}", "{\"runs\":64,\"x\":1}", "{\"threads\":2}")};
    CHECK(hone_db_item_put(db, &i, err));
}

static void random_log(const char *path, hone_rng *g)
{
    hone_db *db = open_rw(path);
    CHECK(hone_db_begin(db, err));
    for (unsigned k = 1 + (unsigned)below(g, 4); k-- > 0;) {
        int64_t w = random_workload(db, g), t = random_target(db, g);
        int64_t session = random_session(db, g, w, t);
        for (unsigned q = (unsigned)below(g, 6); q-- > 0;)
            random_record(db, g, w, t, session);
        for (unsigned q = (unsigned)below(g, 3); q-- > 0;)
            random_machine(db, g, t);
    }
    for (unsigned k = (unsigned)below(g, 5); k-- > 0;) {
        const hone_db_model m = {.class = PICK(g, "x86-64-v3", "x86-64-v4"),
                                 .threads = (int32_t)below(g, 2),
                                 .bytes = {PICK(g, "aa", "bb", "cc", "dd", "ee"), 2},
                                 .created_ms = 7000 + (int64_t)below(g, 6)};
        CHECK(hone_db_model_put(db, &m, NULL, err));
    }
    for (unsigned k = (unsigned)below(g, 4); k-- > 0;)
        random_cover(db, g);
    CHECK(hone_db_commit(db, err));
    if (below(g, 3) == 0) {
        json_t *j = NULL;
        const hone_db_choice c = {.status = "REJECT_BUILD"};
        CHECK(hone_db_forget(db, &c, false, &j, err));
        json_decref(j);
    }
    hone_db_close(db);
}

#endif
