/* Transactions, groups, and the write-ahead log: what makes a put an acknowledged one. */
#include "db/internal.h"

#include <signal.h>

/* ---- transactions -------------------------------------------------------------------------- */

static hone_status again(const hone_error *why, hone_error *err)
{
    if (err)
        *err = *why;
    return why->status;
}

static void undo(hone_db *db)
{
    db->chained = false;
    if (!sqlite3_get_autocommit(db->sqlite))
        (void)hone_db__run(db, HONE_DB__ROLLBACK, "rolling back", NULL);
}

static hone_status begin(hone_db *db, hone_error *err)
{
    HONE_ASSERT(db->write);
    if (db->broken.status != HONE_OK)
        return again(&db->broken, err);
    return hone_db__run(db, HONE_DB__BEGIN, "starting a transaction", err);
}

/* The moment of truth: with synchronous=FULL, COMMIT returns after the WAL is synced. */
static hone_status commit(hone_db *db, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_error e = {0};
    hone_status s = hone_db__sql(db, HONE_DB__COMMIT, &stmt, &e);
    if (s == HONE_OK) {
        if (hone_fault("db.die_before_commit"))
            raise(SIGKILL);
        int rc = hone_fault("db.full")     ? SQLITE_FULL
                 : hone_fault("db.commit") ? SQLITE_IOERR_FSYNC
                                           : sqlite3_step(stmt);
        if (rc != SQLITE_DONE) {
            s = hone_db__fail(db, rc, "committing", &e);
            sqlite3_reset(stmt);
            /* What a failed sync leaves on the disk is unknown, and a second sync may report
             * success without having written: stop, and let the next open look at the file. */
            if ((rc & 0xff) == SQLITE_IOERR && s == HONE_E_IO) {
                db->broken = e;
                snprintf(db->broken.message, sizeof db->broken.message,
                         "the disk failed under '%s': check it, then run again; everything "
                         "acknowledged before is in the file",
                         db->path);
            }
        }
        sqlite3_reset(stmt);
    }
    if (s != HONE_OK) {
        undo(db);
        return again(&e, err);
    }
    if (hone_fault("db.die_after_commit"))
        raise(SIGKILL);
    /* What went into a file that nobody can find is not acknowledged. */
    s = hone_db__file_is_there(db, &db->broken);
    return s == HONE_OK ? s : again(&db->broken, err);
}

static hone_status begin_group(hone_db *db, bool whole, hone_error *err)
{
    HONE_ASSERT(!db->group);
    hone_status s = begin(db, err);
    db->group = s == HONE_OK;
    db->whole = whole;
    hone_error_clear(&db->lost);
    return s;
}

hone_status hone_db_begin(hone_db *db, hone_error *err)
{
    return begin_group(db, false, err);
}

hone_status hone_db_begin_whole(hone_db *db, hone_error *err)
{
    return begin_group(db, true, err);
}

void hone_db_trust_json(hone_db *db)
{
    db->printed_here = true;
}

hone_status hone_db_commit(hone_db *db, hone_error *err)
{
    HONE_ASSERT(db->group);
    db->group = false;
    if (db->lost.status != HONE_OK) {
        undo(db);
        return again(&db->lost, err);
    }
    return commit(db, err);
}

void hone_db_rollback(hone_db *db)
{
    db->group = false;
    undo(db);
}

hone_status hone_db__enter(hone_db *db, hone_error *err)
{
    HONE_ASSERT(db->write);
    if (!db->group)
        return begin(db, err);
    if (db->lost.status != HONE_OK)
        return again(&db->lost, err);
    return db->whole ? HONE_OK : hone_db__run(db, HONE_DB__SAVEPOINT, "starting a put", err);
}

/* The group is what it was before the put that failed, or it is lost. */
static void undo_put(hone_db *db, hone_status s, const hone_error *err)
{
    db->chained = false;
    if (db->whole || sqlite3_get_autocommit(db->sqlite)) {
        /* SQLite itself may have given the transaction up: the puts before this one are gone too.
         */
        hone_fail(&db->lost, s, "the group of results was rolled back: %s",
                  err ? err->message : hone_status_text(s));
        return;
    }
    if (hone_db__run(db, HONE_DB__ROLLBACK_TO, "undoing a put", NULL) != HONE_OK ||
        hone_db__run(db, HONE_DB__RELEASE, "undoing a put", NULL) != HONE_OK)
        hone_fail(&db->lost, s, "a failed put could not be undone in '%s'", db->path);
}

hone_status hone_db__leave(hone_db *db, hone_status s, hone_error *err)
{
    if (!db->group) {
        if (s == HONE_OK)
            return commit(db, err);
        undo(db);
        return s;
    }
    if (s == HONE_OK)
        return db->whole ? HONE_OK : hone_db__run(db, HONE_DB__RELEASE, "ending a put", err);
    undo_put(db, s, err);
    return s;
}

/* ---- the write-ahead log ------------------------------------------------------------------- */

enum {
    CHECKPOINT_BYTES = 4 << 20,
    RARE_CHECKPOINT_BYTES = 32 << 20,
    ALARM_BYTES = 256 << 20,
    PAGE_BYTES = 4096
};

hone_status hone_db_write_much(hone_db *db, hone_error *err)
{
    db->writes_much = true;
    return hone_db__exec(db, "PRAGMA cache_size = -12288", "making room", err);
}

/* Called after each commit with the length of the WAL. Copies it into the file each 4 MiB (or 32),
 * as far as readers allow; while a reader holds an old snapshot the WAL only grows, and is looked
 * at again after another 4 MiB instead of at every commit. */
static int after_commit(void *ctx, sqlite3 *sqlite, const char *schema, int pages)
{
    hone_db *db = ctx;
    int64_t each = db->writes_much ? RARE_CHECKPOINT_BYTES : CHECKPOINT_BYTES;
    if (pages < db->wal_pages_seen) { /* it was reset and starts anew */
        db->wal_pages_seen = 0;
        db->wal_warned = false;
    }
    if ((int64_t)(pages - db->wal_pages_seen) * PAGE_BYTES >= each) {
        (void)sqlite3_wal_checkpoint_v2(sqlite, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        db->wal_pages_seen = pages;
    }
    if (!db->wal_warned && (int64_t)pages * PAGE_BYTES >= ALARM_BYTES) {
        hone_log(HONE_LOG_WARN,
                 "'%s-wal' exceeds %d MiB: some program has been reading the database for long",
                 db->path, ALARM_BYTES >> 20);
        db->wal_warned = true;
    }
    return SQLITE_OK;
}

void hone_db__watch_wal(hone_db *db)
{
    sqlite3_wal_hook(db->sqlite, after_commit, db);
}
