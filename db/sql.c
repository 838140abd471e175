/* Speaking to SQLite: prepared statements, result codes into statuses. */
#include "db/internal.h"

#include <errno.h>

/* ---- result codes -------------------------------------------------------------------------- */

static hone_status damaged(hone_db *db, const char *what, hone_error *err)
{
    return hone_fail(err, HONE_E_CORRUPT,
                     "database '%s' is damaged (%s): put back a copy, or save what is readable "
                     "with: hone db salvage %s NEW_FILE",
                     db->path, what, db->path);
}

static int last_errno(sqlite3_file *f)
{
    int e = 0;
    if (f && f->pMethods)
        f->pMethods->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &e);
    return e;
}

/* errno under a failure. A failed commit leaves it with the file only: the WAL, or the database. */
static int system_error(hone_db *db, int rc)
{
    sqlite3_file *f = NULL;
    if (!db->sqlite)
        return 0;
    int e = sqlite3_system_errno(db->sqlite);
    if ((rc & 0xff) != SQLITE_IOERR)
        return e;
    if (!e && sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) == 0)
        e = last_errno(f);
    if (!e && sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &f) == 0)
        e = last_errno(f);
    return e;
}

hone_status hone_db__fail(hone_db *db, int rc, const char *doing, hone_error *err)
{
    const char *text = db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(rc);
    int sys = system_error(db, rc);
    hone_status s;
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:    /* our SQL is fixed: a table or column it names is gone */
    case SQLITE_MISMATCH: /* a value of the wrong type inside the file */
        s = damaged(db, text, err);
        break;
    case SQLITE_FULL:
        s = hone_fail(err, HONE_E_FULL,
                      "no space left while %s in '%s': everything acknowledged so far is safe; "
                      "free some space and run again",
                      doing, db->path);
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        s = hone_fail(err, HONE_E_BUSY,
                      "database '%s' is locked by another program while %s: close it and run again",
                      db->path, doing);
        break;
    case SQLITE_NOMEM:
        s = hone_fail(err, HONE_E_NOMEM, "out of memory while %s in '%s'", doing, db->path);
        break;
    case SQLITE_TOOBIG:
        s = hone_fail(err, HONE_E_LIMIT, "a row is too large while %s in '%s'", doing, db->path);
        break;
    case SQLITE_CONSTRAINT:
        if (sqlite3_extended_errcode(db->sqlite) == SQLITE_CONSTRAINT_FOREIGNKEY)
            text = "it names a workload, target or session that is not there";
        s = hone_fail(err, HONE_E_INPUT, "the database refuses the row while %s in '%s': %s", doing,
                      db->path, text);
        break;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        if (rc == SQLITE_READONLY_ROLLBACK || rc == SQLITE_READONLY_RECOVERY) {
            s = hone_fail(err, HONE_E_BUSY,
                          "'%s' was left in the middle of a change: open it once for writing",
                          db->path);
            break;
        }
        s = hone_fail(err, HONE_E_DENIED, "may not write to '%s' or its folder while %s", db->path,
                      doing);
        break;
    default:
        if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
            return hone_db__fail(db, SQLITE_FULL, doing, err);
        if (sys == EACCES || sys == EPERM || sys == EROFS)
            return hone_db__fail(db, SQLITE_PERM, doing, err);
        s = hone_fail(err, HONE_E_IO, "%s in '%s' failed: %s (%s)", doing, db->path, text,
                      sys ? strerror(sys) : sqlite3_errstr(rc));
    }
    if (err) {
        err->sys = sys;
        snprintf(err->where, sizeof err->where, "%s", db->path);
    }
    return s;
}

/* ---- statements ---------------------------------------------------------------------------- */

static const char *const sql_text[] = {
#define HONE_DB_SQL(name, text) text,
#include "db/sql.def"
#undef HONE_DB_SQL
};

const char *hone_db__sql_text(hone_db__sql_id id)
{
    return sql_text[id];
}

static const hone_db__table *table_of(char letter)
{
    for (size_t i = 0; i < HONE_LEN(hone_db__tables); i++)
        if (hone_db__tables[i]->letter == letter)
            return hone_db__tables[i];
    hone_bug(__FILE__, __LINE__, "no table of this letter");
}

static void parameters(const hone_db__table *t, hone_buf *ret)
{
    for (int i = 1; i <= HONE_DB__WIDTH(t); i++)
        hone_buf_printf(ret, i == 1 ? "?%d" : ", ?%d", i);
}

/* All but the id: were that set too, if only to what it is, every row that refers to this one would
 * be looked for. */
static void assignments(const hone_db__table *t, hone_buf *ret)
{
    for (uint32_t i = 0; i < t->n; i++)
        hone_buf_printf(ret, "%s = ?%u, ", t->columns[i].name, i + 2);
    hone_buf_printf(ret, "sum = ?%d", HONE_DB__WIDTH(t));
}

/* @r: the columns; @+r: "(columns) VALUES(parameters)"; @=r: "column = parameter, ...". */
static void expand(const char *text, hone_buf *ret)
{
    for (const char *at; (at = strchr(text, '@'));) {
        hone_buf_add(ret, text, (size_t)(at - text));
        if (at[1] == '=') {
            assignments(table_of(at[2]), ret);
            text = at + 3;
            continue;
        }
        if (at[1] != '+') {
            const char prefix[] = {at[1], '.', '\0'};
            hone_db__column_list(table_of(at[1]), prefix, ret);
            text = at + 2;
            continue;
        }
        hone_buf_puts(ret, "(");
        hone_db__column_list(table_of(at[2]), "", ret);
        hone_buf_puts(ret, ") VALUES(");
        parameters(table_of(at[2]), ret);
        hone_buf_puts(ret, ")");
        text = at + 3;
    }
    hone_buf_puts(ret, text);
}

static hone_status prepare(hone_db *db, const char *text, unsigned flags, sqlite3_stmt **ret,
                           hone_error *err)
{
    hone_buf b = {0};
    expand(text, &b);
    int rc = sqlite3_prepare_v3(db->sqlite, b.s, -1, flags, ret, NULL);
    hone_buf_free(&b);
    return rc == SQLITE_OK ? HONE_OK : hone_db__fail(db, rc, "preparing a query", err);
}

hone_status hone_db__prepare(hone_db *db, const char *text, sqlite3_stmt **ret, hone_error *err)
{
    return prepare(db, text, 0, ret, err);
}

hone_status hone_db__sql(hone_db *db, hone_db__sql_id id, sqlite3_stmt **ret, hone_error *err)
{
    if (!db->stmt[id]) {
        hone_status s = prepare(db, sql_text[id], SQLITE_PREPARE_PERSISTENT, &db->stmt[id], err);
        if (s != HONE_OK)
            return s;
    }
    sqlite3_reset(db->stmt[id]);
    *ret = db->stmt[id];
    return HONE_OK;
}

void hone_db__bind(sqlite3_stmt *stmt, const char *kinds, ...)
{
    va_list ap;
    va_start(ap, kinds);
    int rc = SQLITE_OK;
    for (int i = 1; kinds[i - 1] && rc == SQLITE_OK; i++) {
        char hex[17];
        switch (kinds[i - 1]) {
        case 'i':
            rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
            break;
        case 'd':
            rc = sqlite3_bind_double(stmt, i, va_arg(ap, double));
            break;
        case 't':
            rc = sqlite3_bind_text(stmt, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'h':
            hone_hash_format(va_arg(ap, uint64_t), hex);
            rc = sqlite3_bind_text(stmt, i, hex, 16, SQLITE_TRANSIENT);
            break;
        default:
            hone_bug(__FILE__, __LINE__, "no such kind of parameter");
        }
    }
    va_end(ap);
    HONE_ASSERT(rc == SQLITE_OK);
}

hone_status hone_db__step(hone_db *db, sqlite3_stmt *stmt, const char *doing, bool *ret_row,
                          hone_error *err)
{
    int rc = sqlite3_step(stmt);
    *ret_row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return HONE_OK;
    hone_status s = rc == SQLITE_DONE ? HONE_OK : hone_db__fail(db, rc, doing, err);
    sqlite3_reset(stmt);
    return s;
}

hone_status hone_db__run(hone_db *db, hone_db__sql_id id, const char *doing, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    hone_status s = hone_db__sql(db, id, &stmt, err);
    if (s == HONE_OK)
        s = hone_db__step(db, stmt, doing, &row, err);
    return s;
}

hone_status hone_db__exec(hone_db *db, const char *text, const char *doing, hone_error *err)
{
    int rc = sqlite3_exec(db->sqlite, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? HONE_OK : hone_db__fail(db, rc, doing, err);
}

hone_status hone_db__number(hone_db *db, const char *text, int64_t *ret, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    *ret = 0;
    HONE_TRY(hone_db__prepare(db, text, &stmt, err));
    hone_status s = hone_db__step(db, stmt, "reading", &row, err);
    if (s == HONE_OK && row)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return s;
}
