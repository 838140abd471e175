/* Opening a database file: what it is, whose it is, its settings and its schema. */
#include "db/internal.h"

#include <sys/stat.h>

enum { BUSY_MS = 10000, CLOSE_BUSY_MS = 200, MAX_ROW_BYTES = 64 << 20 };

/* ---- settings ------------------------------------------------------------------------------ */

static hone_status open_sqlite(hone_db *db, const char *name, int flags, hone_error *err)
{
    int rc = sqlite3_open_v2(name, &db->sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    return rc == SQLITE_OK ? HONE_OK : hone_db__fail(db, rc, "opening", err);
}

/* A file that nobody writes, taken as it is: nothing beside it is read or made. */
static hone_status open_immutable(hone_db *db, hone_error *err)
{
    hone_buf uri = {0};
    hone_buf_puts(&uri, "file:");
    for (const char *c = db->path; *c; c++)
        hone_buf_printf(&uri, strchr("?#%", *c) ? "%%%02x" : "%c", (unsigned char)*c);
    hone_buf_puts(&uri, "?immutable=1");
    hone_status s = open_sqlite(db, uri.s, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    hone_buf_free(&uri);
    return s;
}

/* Results still in the write-ahead log, of a writer that runs or was killed, in a folder where this
 * reader may make nothing: it needs the index of that log that is there already. */
static hone_status open_beside_wal(hone_db *db, hone_error *err)
{
    int64_t n;
    HONE_TRY(open_sqlite(db, db->path, SQLITE_OPEN_READONLY, err));
    hone_status s = hone_db__number(db, "SELECT count(*) FROM sqlite_schema", &n, err);
    if (s == HONE_OK || s == HONE_E_CORRUPT)
        return s;
    return hone_fail(
        err, HONE_E_DENIED,
        "results of '%s' are in '%s-wal', whose index '%s-shm' may neither be read nor "
        "made here, for the folder is not writable: have its owner run `hone db stats "
        "%s` once, or copy the file and its -wal to another folder",
        db->path, db->path, db->path, db->path);
}

/* A reader that cannot keep its notes beside the file (a read-only medium, another machine's disk)
 * may still read one that nobody writes: then there is no WAL. */
static hone_status open_reader(hone_db *db, hone_error *err)
{
    bool shared = hone_db__file_on_network(db->path);
    if (!shared && hone_db__file_may_write_beside(db->path))
        return open_sqlite(db, db->path, SQLITE_OPEN_READONLY, err);
    char *wal = hone_xasprintf("%s-wal", db->path);
    struct stat sb;
    bool in_use = stat(wal, &sb) == 0 && sb.st_size > 0;
    free(wal);
    if (!in_use)
        return open_immutable(db, err);
    if (!shared)
        return open_beside_wal(db, err);
    return hone_fail(err, HONE_E_BUSY,
                     "'%s' is in use, and cannot be shared over a network file system: copy it "
                     "with `sqlite3 %s .backup COPY` where it is written, and read the copy",
                     db->path, db->path);
}

static hone_status open_writer(hone_db *db, hone_error *err)
{
    if (hone_db__file_on_network(db->path))
        return hone_fail(err, HONE_E_INPUT,
                         "'%s' lies on a network file system, where a database would be damaged: "
                         "put it on a local disk",
                         db->path);
    HONE_TRY(open_sqlite(db, db->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err));
    if (sqlite3_db_readonly(db->sqlite, "main") == 1)
        return hone_db__fail(db, SQLITE_READONLY, "opening", err);
    return HONE_OK;
}

/* What holds for readers and the writer. SQLite trusts neither the file nor its schema. */
static hone_status settle(hone_db *db, bool damaged, hone_error *err)
{
    sqlite3 *q = db->sqlite;
    sqlite3_extended_result_codes(q, 1);
    sqlite3_busy_timeout(q, BUSY_MS);
    sqlite3_limit(q, SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES);
    if (damaged) /* makes SQLite read a file that is shorter than it should be */
        sqlite3_exec(q, "PRAGMA writable_schema = ON", NULL, NULL, NULL);
    else
        sqlite3_db_config(q, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(q, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    sqlite3_db_config(q, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL);
    sqlite3_db_config(q, SQLITE_DBCONFIG_ENABLE_VIEW, 0, (int *)NULL);
    if (!db->write)
        sqlite3_db_config(q, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    /* wal_autocheckpoint 0: the writer has its own rule (sql.c), readers never do it, because in
     * SQLite before 3.51.3 two connections that checkpoint at once can damage the file. */
    HONE_TRY(hone_db__exec(db,
                           "PRAGMA mmap_size = 0;"
                           "PRAGMA wal_autocheckpoint = 0;"
                           "PRAGMA cell_size_check = ON;"
                           "PRAGMA temp_store = MEMORY;"
                           "PRAGMA cache_size = -2048;",
                           "opening", err));
    return db->write ? hone_db__exec(db, "PRAGMA cache_size = -8192", "opening", err) : HONE_OK;
}

/* ---- schema -------------------------------------------------------------------------------- */

typedef struct step {
    int version;
    const char *sql;
} step;
static const step steps[] = {
#define HONE_DB_STEP(version, sql) {version, sql},
#define HONE_DB_SEEN_AS(version, sql)
#include "db/schema.def"
#undef HONE_DB_STEP
#undef HONE_DB_SEEN_AS
};
static const step seen_as[] = {
#define HONE_DB_STEP(version, sql)
#define HONE_DB_SEEN_AS(version, sql) {version, sql},
#include "db/schema.def"
#undef HONE_DB_STEP
#undef HONE_DB_SEEN_AS
};

static hone_status migrate(hone_db *db, int64_t from, hone_error *err)
{
    HONE_TRY(hone_db__exec(db, "BEGIN EXCLUSIVE", "making the schema", err));
    hone_status s = HONE_OK;
    for (size_t i = 0; i < HONE_LEN(steps) && s == HONE_OK; i++)
        if (steps[i].version > from)
            s = hone_db__exec(db, steps[i].sql, "making the schema", err);
    char *end = hone_xasprintf(
        "INSERT OR REPLACE INTO meta VALUES('schema', '%d');"
        "INSERT OR IGNORE INTO meta VALUES('made_by', 'hone " HONE_VERSION "');"
        "INSERT OR IGNORE INTO meta VALUES('made_ms', '%" PRId64 "');"
        "PRAGMA application_id = %d;"
        "PRAGMA user_version = %d;"
        "COMMIT;",
        HONE_DB_SCHEMA, hone_clock_wall_ms(), HONE_DB_APPLICATION_ID, HONE_DB_SCHEMA);
    if (s == HONE_OK)
        s = hone_db__exec(db, end, "making the schema", err);
    free(end);
    if (s != HONE_OK && !sqlite3_get_autocommit(db->sqlite))
        (void)hone_db__exec(db, "ROLLBACK", "making the schema", NULL);
    return s;
}

/* A reader converts nothing: it looks at an older file through views. */
static hone_status see_as_ours(hone_db *db, int64_t found, hone_error *err)
{
    for (size_t i = 0; i < HONE_LEN(seen_as); i++)
        if (seen_as[i].version == found)
            return hone_db__exec(db, seen_as[i].sql, "opening", err);
    return hone_fail(err, HONE_E_VERSION,
                     "'%s' has schema %" PRId64 ", which no release of hone wrote: put back a copy",
                     db->path, found);
}

/* user_version against ours; also the first look inside, which makes SQLite parse the schema. */
static hone_status version(hone_db *db, int64_t *ret, hone_error *err)
{
    int64_t tables;
    hone_status s = hone_db__number(db, "PRAGMA user_version", ret, err);
    if (s == HONE_OK)
        s = hone_db__number(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'", &tables,
                            err);
    if (s == HONE_OK && *ret > HONE_DB_SCHEMA) {
        s = hone_fail(err, HONE_E_VERSION,
                      "'%s' was written by a newer hone (schema %" PRId64
                      ", this one knows up to %d): upgrade hone, or use another file",
                      db->path, *ret, HONE_DB_SCHEMA);
    }
    if (s == HONE_E_VERSION && err)
        snprintf(err->where, sizeof err->where, "%s", db->path);
    return s;
}

static hone_status become_reader(hone_db *db, hone_error *err)
{
    int64_t found;
    HONE_TRY(version(db, &found, err));
    return found == HONE_DB_SCHEMA ? HONE_OK : see_as_ours(db, found, err);
}

static hone_status use_wal(hone_db *db, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__prepare(db, "PRAGMA journal_mode = WAL", &stmt, err));
    hone_status s = hone_db__step(db, stmt, "opening", &row, err);
    if (s == HONE_OK && (!row || strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0))
        s = hone_fail(err, HONE_E_IO,
                      "the file system of '%s' cannot hold a write-ahead log: use a local disk",
                      db->path);
    sqlite3_finalize(stmt);
    return s;
}

static hone_status become_writer(hone_db *db, hone_error *err)
{
    int64_t found;
    /* EXTRA is FULL for a WAL. But the file is made before it has one, with a rollback journal
     * whose removal only EXTRA makes durable: a journal that came back would undo the schema under
     * a WAL full of results. */
    HONE_TRY(
        hone_db__exec(db, "PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON;", "opening", err));
    HONE_TRY(version(db, &found, err));
    if (found < HONE_DB_SCHEMA)
        HONE_TRY(migrate(db, found, err));
    HONE_TRY(use_wal(db, err));
    HONE_TRY(hone_db__exec(db, "PRAGMA journal_size_limit = 67108864", "opening", err));
    /* The first look into it makes the WAL. */
    HONE_TRY(hone_db__number(db, "SELECT count(*) FROM meta", &found, err));
    HONE_TRY(hone_db__file_is_there(db, err));
    hone_db__watch_wal(db);
    return HONE_OK;
}

/* ---- open and close ------------------------------------------------------------------------ */

static hone_status verify(hone_db *db, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__prepare(db, "PRAGMA quick_check(1)", &stmt, err));
    hone_status s = hone_db__step(db, stmt, "verifying", &row, err);
    if (s == HONE_OK && row && strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        s = hone_db__fail(db, SQLITE_CORRUPT, "verifying", err);
    sqlite3_finalize(stmt);
    return s;
}

static hone_status open_file(hone_db *db, unsigned flags, hone_error *err)
{
    hone_error e = {0};
    hone_status s = hone_db__file_sniff(db->path, &e);
    bool create = s == HONE_E_NOTFOUND && (flags & HONE_DB_CREATE);
    if (s == HONE_OK || create) {
        s = HONE_OK;
        if (db->write)
            s = hone_db__file_has_one_name(db->path, &e);
        if (s == HONE_OK && db->write)
            s = hone_db__lock_take(db->path, &db->lock, &e);
        /* Another process may have made the file since. */
        if (s == HONE_OK && create) {
            s = hone_db__file_sniff(db->path, &e);
            s = s == HONE_E_NOTFOUND ? HONE_OK : s;
        }
        if (s == HONE_OK)
            s = db->write ? open_writer(db, &e) : open_reader(db, &e);
        if (s == HONE_OK)
            s = settle(db, flags & HONE_DB__DAMAGED, &e);
        if (s == HONE_OK)
            s = db->write ? become_writer(db, &e) : become_reader(db, &e);
        if (s == HONE_OK && (flags & HONE_DB_VERIFY))
            s = verify(db, &e);
    }
    if (s != HONE_OK && err) {
        *err = e;
        if (!err->where[0])
            snprintf(err->where, sizeof err->where, "%s", db->path);
    }
    return s;
}

hone_status hone_db_open(const char *path, unsigned flags, hone_db **ret, hone_error *err)
{
    HONE_ASSERT(flags & (HONE_DB_READ | HONE_DB_WRITE));
    char *real;
    HONE_TRY(hone_db__file_resolve(path, &real, err));
    hone_db *db = hone_xcalloc(1, sizeof *db);
    db->path = real;
    db->write = flags & HONE_DB_WRITE;
    hone_status s = open_file(db, flags, err);
    if (s != HONE_OK) {
        hone_db_close(db);
        return s;
    }
    *ret = db;
    return HONE_OK;
}

void hone_db_close(hone_db *db)
{
    if (!db)
        return;
    if (db->sqlite) {
        if (!sqlite3_get_autocommit(db->sqlite))
            sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
        for (int i = 0; i < HONE_DB__SQL_COUNT; i++)
            sqlite3_finalize(db->stmt[i]);
        if (db->broken.status != HONE_OK) {
            sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
        } else if (db->lock) {
            /* A reader may hold an old snapshot: then the WAL stays, which loses nothing. */
            sqlite3_busy_timeout(db->sqlite, CLOSE_BUSY_MS);
            sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        }
        HONE_ASSERT(sqlite3_close(db->sqlite) == SQLITE_OK);
    }
    hone_db__lock_drop(db->lock);
    free(db->path);
    free(db);
}

void hone_db__discard(hone_db *db)
{
    if (!db)
        return;
    char *path = hone_xstrdup(db->path);
    hone_db_close(db);
    hone_db__file_remove(path);
    free(path);
}

const char *hone_db_path(const hone_db *db)
{
    return db->path;
}
