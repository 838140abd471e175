/* Putting right what a check finds, without losing a sound row: what cannot be trusted is written
 * to a text file before it is taken out. Rejections that an earlier hone stored although no worker
 * had pronounced them (db/unfounded.def) are forgotten. */
#include "db/internal.h"

/* ---- what no worker pronounced ------------------------------------------------------------- */

static const char is_unfounded[] = "(0"
#define HONE_DB_UNFOUNDED(status, reason) \
    " OR r.status GLOB '" status "' AND r.reason GLOB '" reason "'"
#include "db/unfounded.def"
#undef HONE_DB_UNFOUNDED
                                   ")";

hone_status hone_db__unfounded(hone_db *db, json_t **ret, hone_error *err)
{
    return hone_db__tell(db, is_unfounded, ret, err);
}

/* ---- what is done --------------------------------------------------------------------------- */

typedef struct repair {
    hone_db *db;
    hone_buf bad; /* CSV of the rows taken out */
    json_t *done; /* sentences */
} repair;

static void HONE_PRINTF(2, 3) say(repair *x, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(x->done, hone_json_string(text));
}

static hone_status run_number(repair *x, const char *sql, int64_t number, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__prepare(x->db, sql, &stmt, err));
    hone_db__bind(stmt, "i", number);
    hone_status st = hone_db__step(x->db, stmt, "repairing", &row, err);
    sqlite3_finalize(stmt);
    return st;
}

/* ---- rows that are taken out ----------------------------------------------------------------- */

static void add_blob(hone_buf *to, const uint8_t *v, int n)
{
    for (int k = 0; k < n; k++)
        hone_buf_printf(to, "%02x", v[k]);
}

/* The row as a JSON object of texts, blobs in hex digits. */
static char *row_json(sqlite3_stmt *stmt, int columns)
{
    json_t *j = json_object();
    for (int c = 0; c < columns; c++) {
        hone_buf b = {0};
        if (sqlite3_column_type(stmt, c) == SQLITE_BLOB)
            add_blob(&b, sqlite3_column_blob(stmt, c), sqlite3_column_bytes(stmt, c));
        const char *text = b.s ? b.s : (const char *)sqlite3_column_text(stmt, c);
        json_object_set_new(j, sqlite3_column_name(stmt, c),
                            text ? hone_json_string(text) : json_null());
        hone_buf_free(&b);
    }
    char *text = hone_json_text(j);
    json_decref(j);
    return text;
}

static void add_bad(repair *x, const char *table, int64_t id, const char *why, const char *json)
{
    if (!x->bad.n)
        hone_buf_puts(&x->bad, "table,id,why,row\r\n");
    hone_buf_printf(&x->bad, "%s,%" PRId64 ",%s,\"", table, id, why);
    for (const char *c = json; *c; c++)
        hone_buf_printf(&x->bad, *c == '"' ? "\"\"" : "%c", *c);
    hone_buf_puts(&x->bad, "\"\r\n");
}

/* Takes out what `sql` selects: rows whose first column is an id. `remove` has the id as ?1. */
static hone_status take_out(repair *x, const char *table, const char *sql, const char *remove,
                            const char *why, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_VEC(int64_t) ids = {0};
    HONE_TRY(hone_db__prepare(x->db, sql, &stmt, err));
    hone_status st;
    while ((st = hone_db__step(x->db, stmt, "repairing", &row, err)) == HONE_OK && row) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        char *json = row_json(stmt, sqlite3_column_count(stmt));
        add_bad(x, table, id, why, json);
        free(json);
        hone_vec_push(&ids, id);
    }
    sqlite3_finalize(stmt);
    for (uint32_t k = 0; k < ids.n && st == HONE_OK; k++)
        st = run_number(x, remove, ids.v[k], err);
    if (ids.n)
        say(x, "%" PRIu32 " row%s of %s taken out: %s", ids.n, ids.n == 1 ? "" : "s", table, why);
    hone_vec_free(&ids);
    return st;
}

/* The rows of a table that are no good, into the table `spoilt`. */
static hone_status find_spoilt(repair *x, const hone_db__table *t, hone_error *err)
{
    const char *json_column = hone_db__json_column(t);
    HONE_VEC(int64_t) ids = {0};
    sqlite3_stmt *stmt;
    bool row;
    char *sql = hone_xasprintf("SELECT @%c, %s FROM %s %c", t->letter,
                               json_column ? json_column : "'{}'", t->name, t->letter);
    hone_status st = hone_db__prepare(x->db, sql, &stmt, err);
    free(sql);
    HONE_TRY(st);
    while ((st = hone_db__step(x->db, stmt, "checking", &row, err)) == HONE_OK && row) {
        hone_db__any_row any;
        const char *json = (const char *)sqlite3_column_text(stmt, HONE_DB__WIDTH(t));
        int64_t id = sqlite3_column_int64(stmt, 0);
        if (hone_db__row_read(x->db, t, stmt, 0, &any, NULL) != HONE_OK ||
            hone_db__json_check("", json ? json : "", HONE_DB_MAX_BODY, NULL) != HONE_OK)
            hone_vec_push(&ids, id);
    }
    sqlite3_finalize(stmt);
    for (uint32_t k = 0; k < ids.n && st == HONE_OK; k++)
        st = run_number(x, "INSERT INTO spoilt VALUES(?1)", ids.v[k], err);
    hone_vec_free(&ids);
    return st;
}

static hone_status take_out_spoilt(repair *x, const hone_db__table *t, hone_error *err)
{
    HONE_TRY(hone_db__exec(x->db, "DELETE FROM spoilt", "repairing", err));
    HONE_TRY(find_spoilt(x, t, err));
    char *select = hone_xasprintf("SELECT * FROM %s WHERE id IN (SELECT id FROM spoilt)", t->name);
    char *remove = hone_xasprintf("DELETE FROM %s WHERE id = ?1", t->name);
    hone_status st =
        take_out(x, t->name, select, remove, "it does not match its checksum or is not JSON", err);
    free(select);
    free(remove);
    return st;
}

/* What needs a row that is not there. */
static hone_status take_out_orphans(repair *x, hone_error *err)
{
#define LACKS_ONE                                                                       \
    " WHERE (workload_id IS NOT NULL AND workload_id NOT IN (SELECT id FROM workload))" \
    " OR (target_id IS NOT NULL AND target_id NOT IN (SELECT id FROM target))"
    HONE_TRY(take_out(x, "session", "SELECT * FROM session" LACKS_ONE,
                      "DELETE FROM session WHERE id = ?1", "its workload or target is missing",
                      err));
    HONE_TRY(take_out(x, "record", "SELECT * FROM record" LACKS_ONE,
                      "DELETE FROM record WHERE id = ?1", "its workload or target is missing",
                      err));
    HONE_TRY(take_out(x, "machine",
                      "SELECT * FROM machine WHERE target_id NOT IN (SELECT id FROM target)",
                      "DELETE FROM machine WHERE id = ?1", "its target is missing", err));
    return take_out(x, "sample",
                    "SELECT * FROM sample WHERE record_id NOT IN (SELECT id FROM record)",
                    "DELETE FROM sample WHERE record_id = ?1", "its record is missing", err);
#undef LACKS_ONE
}

/* ---- rows that are changed ------------------------------------------------------------------- */

/* Records that lost samples, or their session. */
static hone_status mend_records(repair *x, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    hone_status st;
    HONE_VEC(hone_db__record) v = {0};
#define HAS "(SELECT count(*) FROM sample x WHERE x.record_id = r.id AND x.run = r.run)"
#define LACKS "(r.session_id IS NOT NULL AND r.session_id NOT IN (SELECT id FROM session))"
    HONE_TRY(hone_db__prepare(x->db,
                              "SELECT @r, " HAS ", " LACKS " FROM record r"
                              " WHERE r.n_samples <> " HAS " OR " LACKS,
                              &stmt, err));
#undef HAS
#undef LACKS
    while ((st = hone_db__step(x->db, stmt, "checking", &row, err)) == HONE_OK && row) {
        hone_db__record r;
        int width = HONE_DB__WIDTH(&hone_db__record_table);
        st = hone_db__row_read(x->db, &hone_db__record_table, stmt, 0, &r, err);
        if (st != HONE_OK)
            break;
        hone_db__row_own(&hone_db__record_table, &r);
        r.pub.n_samples = sqlite3_column_int(stmt, width);
        r.run = r.pub.n_samples ? r.run : HONE_DB__NO_RUN;
        if (sqlite3_column_int(stmt, width + 1))
            r.pub.session_id = 0;
        hone_vec_push(&v, r);
    }
    sqlite3_finalize(stmt);
    for (uint32_t k = 0; k < v.n; k++) {
        if (st == HONE_OK)
            st = hone_db__row_write(x->db, HONE_DB__RECORD_SET, &hone_db__record_table, &v.v[k],
                                    err);
        hone_db__row_free(&hone_db__record_table, &v.v[k]);
    }
    if (v.n)
        say(x, "%" PRIu32 " record%s had lost samples or a session: what is left counts", v.n,
            v.n == 1 ? "" : "s");
    hone_vec_free(&v);
    return st;
}

static hone_status mend_head(repair *x, hone_error *err)
{
    int64_t n;
    HONE_TRY(hone_db__number(x->db,
                             "SELECT count(*) FROM meta WHERE key = 'schema' AND"
                             " CAST(value AS INTEGER) <> (SELECT user_version FROM"
                             " pragma_user_version)",
                             &n, err));
    if (n == 0)
        return HONE_OK;
    say(x, "meta tells of the schema that the file's head tells of");
    return hone_db__exec(x->db,
                         "UPDATE meta SET value = (SELECT user_version FROM pragma_user_version)"
                         " WHERE key = 'schema'",
                         "repairing", err);
}

static hone_status mend_indices(repair *x, hone_error *err)
{
    int64_t n;
    HONE_TRY(hone_db__number(
        x->db, "SELECT count(*) FROM pragma_integrity_check(1) WHERE integrity_check <> 'ok'", &n,
        err));
    if (n == 0)
        return HONE_OK;
    say(x, "indices made anew");
    return hone_db__exec(x->db, "REINDEX", "repairing", err);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static hone_status mend(repair *x, hone_error *err)
{
    /* References are put right one after the other, and looked at when all are. */
    HONE_TRY(hone_db__exec(x->db,
                           "PRAGMA defer_foreign_keys = ON;"
                           "CREATE TEMP TABLE IF NOT EXISTS spoilt(id INTEGER)",
                           "repairing", err));
    HONE_TRY(mend_indices(x, err));
    for (size_t k = 0; k < HONE_LEN(hone_db__tables); k++)
        HONE_TRY(take_out_spoilt(x, hone_db__tables[k], err));
    HONE_TRY(take_out_orphans(x, err));
    HONE_TRY(mend_records(x, err));
    return mend_head(x, err);
}

/* The rows that are taken out, after what the file has from before. */
static hone_status write_bad(const repair *x, const char *path, hone_error *err)
{
    char *before = NULL;
    size_t n = 0;
    if (!x->bad.n)
        return HONE_OK;
    hone_status st = hone_file_read(path, 1 << 30, &before, &n, err);
    if (st != HONE_OK && st != HONE_E_NOTFOUND)
        return st;
    hone_buf all = {0};
    if (n)
        hone_buf_add(&all, before, n);
    hone_buf_add(&all, x->bad.s, x->bad.n);
    free(before);
    st = hone_file_write(path, all.s, all.n, err);
    hone_buf_free(&all);
    return st;
}

static bool has_problems(const json_t *told)
{
    return json_array_size(json_object_get(told, "problems")) > 0;
}

/* Inside of a transaction: mends and checks again. */
static hone_status mend_and_check(repair *x, const char *bad, json_t **ret, hone_error *err)
{
    HONE_TRY(mend(x, err));
    hone_status st = hone_db_check(x->db, ret, err);
    if (has_problems(*ret))
        return st;
    return write_bad(x, bad, err);
}

static hone_status forget_unfounded(hone_db *db, json_t **ret, hone_error *err)
{
    json_t *what = json_pack("{s:s}", "repair", "rejections that no worker pronounced");
    hone_status st = hone_db__forget(db, is_unfounded, what, ret, err);
    json_decref(what);
    return st;
}

hone_status hone_db_repair(hone_db *db, const char *bad, json_t **ret, hone_error *err)
{
    HONE_ASSERT(db->write);
    repair x = {.db = db, .done = json_array()};
    json_t *healed = NULL;
    *ret = NULL;
    hone_status st = hone_db_begin(db, err);
    if (st == HONE_OK) {
        st = mend_and_check(&x, bad, ret, err);
        if (st == HONE_OK)
            st = forget_unfounded(db, &healed, err);
        if (st == HONE_OK)
            st = hone_db_commit(db, err);
        else
            hone_db_rollback(db);
    }
    if (st == HONE_OK) {
        json_decref(*ret);
        st = hone_db_check(db, ret, err);
        json_object_set(*ret, "healed", healed);
        json_object_set(*ret, "repaired", x.done);
    }
    json_decref(healed);
    json_decref(x.done);
    hone_buf_free(&x.bad);
    return st;
}
