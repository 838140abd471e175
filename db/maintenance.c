/* Counting and checking a database. */
#include "db/internal.h"

#include <sys/stat.h>

/* ---- counts -------------------------------------------------------------------------------- */

static int64_t file_bytes(const char *path, const char *suffix)
{
    struct stat sb;
    char *name = hone_xasprintf("%s%s", path, suffix);
    int64_t n = stat(name, &sb) == 0 ? sb.st_size : 0;
    free(name);
    return n;
}

static hone_status count_by_status(hone_db *db, json_t *j, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    hone_status s;
    HONE_TRY(hone_db__prepare(
        db, "SELECT status, count(*) FROM record GROUP BY status ORDER BY status", &stmt, err));
    int64_t ok = 0, all = 0;
    json_t *rejected = json_object();
    while ((s = hone_db__step(db, stmt, "counting", &row, err)) == HONE_OK && row) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        int64_t n = sqlite3_column_int64(stmt, 1);
        all += n;
        if (name && strcmp(name, "OK") == 0)
            ok = n;
        else
            json_object_set_new(rejected, name ? name : "?", json_integer(n));
    }
    sqlite3_finalize(stmt);
    json_object_set_new(j, "records", json_integer(all));
    json_object_set_new(j, "ok", json_integer(ok));
    json_object_set_new(j, "rejected", rejected);
    return s;
}

hone_status hone_db_stats(hone_db *db, json_t **ret, hone_error *err)
{
    static const struct {
        const char *key, *sql;
    } numbers[] = {
        {"workloads", "SELECT count(*) FROM workload"},
        {"targets", "SELECT count(*) FROM target"},
        {"sessions", "SELECT count(*) FROM session"},
        {"samples", "SELECT count(*) FROM sample"},
        {"suspect", "SELECT count(*) FROM record WHERE suspect <> 0"},
        {"models", "SELECT count(*) FROM model"},
        {"machines", "SELECT count(*) FROM machine"},
        {"forgotten", "SELECT ifnull(sum(records), 0) FROM forgotten"},
        {"schema", "PRAGMA user_version"},
    };
    json_t *j = json_object();
    hone_status s = count_by_status(db, j, err);
    for (size_t i = 0; i < HONE_LEN(numbers) && s == HONE_OK; i++) {
        int64_t n;
        s = hone_db__number(db, numbers[i].sql, &n, err);
        json_object_set_new(j, numbers[i].key, json_integer(n));
    }
    json_object_set_new(j, "bytes", json_integer(file_bytes(db->path, "")));
    json_object_set_new(j, "wal_bytes", json_integer(file_bytes(db->path, "-wal")));
    if (s != HONE_OK) {
        json_decref(j);
        return s;
    }
    *ret = j;
    return HONE_OK;
}

/* ---- check --------------------------------------------------------------------------------- */

enum { MAX_PROBLEMS = 100 };

/* True while there is room for more. */
static bool HONE_PRINTF(2, 3) problem(json_t *list, const char *fmt, ...)
{
    if (json_array_size(list) >= MAX_PROBLEMS)
        return false;
    va_list ap;
    va_start(ap, fmt);
    char text[512];
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(list, hone_json_string(text)); /* names from a damaged file */
    return json_array_size(list) < MAX_PROBLEMS;
}

/* Each row of `sql` is a problem: its columns fill the %s of `format`, at most three. */
static void check_query(hone_db *db, const char *sql, const char *format, json_t *list)
{
    hone_error e = {0};
    sqlite3_stmt *stmt;
    bool row = true;
    hone_status s = hone_db__prepare(db, sql, &stmt, &e);
    if (s != HONE_OK) {
        problem(list, "%s", e.message);
        return;
    }
    while ((s = hone_db__step(db, stmt, "checking", &row, &e)) == HONE_OK && row) {
        hone_buf b = {0};
        int column = 0;
        for (const char *f = format; *f; f++) {
            if (*f != '%') {
                hone_buf_add(&b, f, 1);
                continue;
            }
            const char *t = (const char *)sqlite3_column_text(stmt, column++);
            hone_buf_puts(&b, t ? t : "NULL");
        }
        bool more = problem(list, "%s", b.s);
        hone_buf_free(&b);
        if (!more)
            break;
    }
    if (s != HONE_OK)
        problem(list, "%s", e.message);
    sqlite3_finalize(stmt);
}

const char *hone_db__json_column(const hone_db__table *t)
{
    static const char *const names[] = {"sizes", NULL,    "state",  "trace",
                                        "what",  "about", "numbers"};
    for (size_t i = 0; i < HONE_LEN(names); i++)
        if (hone_db__tables[i] == t)
            return names[i];
    return NULL;
}

/* Checksum of every row of a table, and its JSON column if it has one. */
static void check_rows(hone_db *db, const hone_db__table *t, int64_t *ret_n, json_t *list)
{
    const char *json_column = hone_db__json_column(t);
    hone_error e = {0};
    sqlite3_stmt *stmt;
    char *sql = hone_xasprintf("SELECT @%c, %s FROM %s %c ORDER BY %c.id", t->letter,
                               json_column ? json_column : "NULL", t->name, t->letter, t->letter);
    hone_status s = hone_db__prepare(db, sql, &stmt, &e);
    free(sql);
    *ret_n = 0;
    if (s != HONE_OK) {
        problem(list, "%s", e.message);
        return;
    }
    hone_db__any_row any;
    bool row, more = true;
    while (more && (s = hone_db__step(db, stmt, "checking", &row, &e)) == HONE_OK && row) {
        ++*ret_n;
        int64_t id = sqlite3_column_int64(stmt, 0);
        if (hone_db__row_read(db, t, stmt, 0, &any, NULL) != HONE_OK)
            more = problem(list, "%s %" PRId64 " does not match its checksum", t->name, id);
        const char *json = (const char *)sqlite3_column_text(stmt, HONE_DB__WIDTH(t));
        if (json_column &&
            hone_db__json_check("", json ? json : "", HONE_DB_MAX_BODY, NULL) != HONE_OK)
            more = problem(list, "%s %" PRId64 ": %s is not JSON", t->name, id, json_column);
    }
    if (s != HONE_OK)
        problem(list, "%s", e.message);
    sqlite3_finalize(stmt);
}

static bool service_problem(void *ctx, const char *what)
{
    return problem(ctx, "%s", what);
}

hone_status hone_db_check(hone_db *db, json_t **ret, hone_error *err)
{
    json_t *list = json_array();
    check_query(db, "SELECT * FROM pragma_integrity_check(100) WHERE integrity_check <> 'ok'", "%",
                list);
    check_query(db,
                "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check"
                " WHERE \"table\" <> 'sample'",
                "% % points to a % that is not there", list);
    check_query(db,
                "SELECT DISTINCT record_id FROM sample"
                " WHERE record_id NOT IN (SELECT id FROM record)",
                "samples of record %, which is not there", list);
    check_query(db,
                "SELECT r.id, r.n_samples, (SELECT count(*) FROM sample x"
                " WHERE x.record_id = r.id AND x.run = r.run) AS n"
                " FROM record r WHERE n <> r.n_samples",
                "record % rests on % samples, of which % are there", list);
    check_query(db,
                "SELECT value FROM meta WHERE key = 'schema'"
                " AND CAST(value AS INTEGER) <> (SELECT user_version FROM pragma_user_version)",
                "meta tells of schema %, the file's head of another", list);
    int64_t n_rows[HONE_LEN(hone_db__tables)];
    for (size_t i = 0; i < HONE_LEN(hone_db__tables); i++)
        check_rows(db, hone_db__tables[i], &n_rows[i], list);
    json_t *unfounded = NULL;
    hone_error e;
    if (hone_db__service_check(db, service_problem, list, &e) != HONE_OK)
        problem(list, "%s", e.message);
    if (hone_db__unfounded(db, &unfounded, &e) != HONE_OK)
        problem(list, "%s", e.message);

    size_t n = json_array_size(list);
    json_int_t n_unfounded = json_integer_value(json_object_get(unfounded, "records"));
    *ret = json_pack("{s:b, s:o, s:o?}", "ok", n == 0 && n_unfounded == 0, "problems", list,
                     "unfounded", unfounded);
    for (size_t i = 0; i < HONE_LEN(hone_db__tables); i++)
        json_object_set_new(*ret, hone_db__tables[i]->plural, json_integer(n_rows[i]));
    hone_status s = HONE_OK;
    if (n)
        s = hone_fail(err, HONE_E_CORRUPT,
                      "'%s' has %zu problem%s, the first: %s. Put back a copy, or save what is "
                      "sound with: hone db salvage %s NEW_FILE; single rows and indices can be put "
                      "right with: hone db check %s --repair",
                      db->path, n, n == 1 ? "" : "s", json_string_value(json_array_get(list, 0)),
                      db->path, db->path);
    else if (n_unfounded)
        s = hone_fail(err, HONE_E_CORRUPT,
                      "'%s' has %" JSON_INTEGER_FORMAT " rejection%s that no worker pronounced, "
                      "stored by an earlier hone when something failed: have these candidates "
                      "tried again with: hone db check %s --repair",
                      db->path, n_unfounded, n_unfounded == 1 ? "" : "s", db->path);
    if (s != HONE_OK && err)
        snprintf(err->where, sizeof err->where, "%s", db->path);
    return s;
}
