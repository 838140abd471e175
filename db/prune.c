/* A log as small as its answers allow: of every workload and target what queries and searches begin
 * with. */
#include "db/internal.h"

/* What stays: the best n by the clock that orders results, the winners that sessions named, and
 * what a query gets. */
static hone_status keep_best(hone_db *db, uint32_t n, hone_error *err)
{
    char *sql = hone_xasprintf(
        "CREATE TEMP TABLE kept(id INTEGER PRIMARY KEY);"
        "INSERT INTO kept SELECT id FROM (SELECT r.id, row_number() OVER"
        " (PARTITION BY r.workload_id, r.target_id ORDER BY " HONE_DB_CLOCK ", r.id) AS place"
        " FROM record r WHERE r.status = 'OK' AND r.suspect = 0) WHERE place <= %" PRIu32 ";"
        "INSERT OR IGNORE INTO kept SELECT r.id FROM session s JOIN record r"
        " ON r.workload_id = s.workload_id AND r.target_id = s.target_id"
        " AND r.trace_hash = s.best_hash WHERE r.status = 'OK' AND r.suspect = 0;",
        n);
    hone_status st = hone_db__exec(db, sql, "choosing what stays", err);
    free(sql);
    return st;
}

static hone_status keep(hone_db *db, int64_t id, hone_error *err)
{
    char *sql = hone_xasprintf("INSERT OR IGNORE INTO kept VALUES(%" PRId64 ")", id);
    hone_status st = hone_db__exec(db, sql, "choosing what stays", err);
    free(sql);
    return st;
}

static hone_status keep_answers(hone_db *db, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__prepare(db,
                              "SELECT w.hash, t.text, t.threads FROM workload w CROSS JOIN target t"
                              " WHERE EXISTS (SELECT 1 FROM record r WHERE r.workload_id = w.id"
                              " AND r.target_id = t.id AND r.status = 'OK' AND r.suspect = 0)",
                              &stmt, err));
    hone_status st;
    while ((st = hone_db__step(db, stmt, "reading", &row, err)) == HONE_OK && row) {
        hone_db_record best;
        uint64_t hash = 0;
        if (!hone_hash_parse((const char *)sqlite3_column_text(stmt, 0), &hash))
            continue;
        st = hone_db_best(db, hash, (const char *)sqlite3_column_text(stmt, 1),
                          sqlite3_column_int(stmt, 2), &best, err);
        if (st != HONE_OK)
            break;
        st = keep(db, best.id, err);
        hone_db_record_free(&best);
        if (st != HONE_OK)
            break;
    }
    sqlite3_finalize(stmt);
    return st;
}

static hone_status prune(hone_db *db, uint32_t n, bool dry_run, json_t **ret, hone_error *err)
{
    static const char rest[] = "r.id NOT IN (SELECT id FROM kept)";
    json_t *told = NULL;
    HONE_TRY(keep_best(db, n, err));
    HONE_TRY(keep_answers(db, err));
    HONE_TRY(hone_db__tell(db, rest, &told, err));
    if (dry_run) {
        *ret = told;
        return HONE_OK;
    }
    /* The note says how many of each there were: that is all that is left of them. */
    json_t *what = json_pack("{s:I, s:O}", "prune_to", (json_int_t)n, "by_status",
                             json_object_get(told, "by_status"));
    json_decref(told);
    hone_status st = hone_db__forget(db, rest, what, ret, err);
    json_decref(what);
    return st;
}

hone_status hone_db_prune(hone_db *db, uint32_t n, bool dry_run, json_t **ret, hone_error *err)
{
    HONE_ASSERT(n > 0 && (dry_run || db->write));
    json_t *told = NULL;
    if (!dry_run)
        HONE_TRY(hone_db_begin(db, err));
    hone_status st = prune(db, n, dry_run, &told, err);
    if (!dry_run && st == HONE_OK)
        st = hone_db_commit(db, err);
    else if (!dry_run)
        hone_db_rollback(db);
    (void)hone_db__exec(db, "DROP TABLE IF EXISTS temp.kept", "choosing what stays", NULL);
    if (st == HONE_OK && !dry_run) {
        db->wal_warned = true; /* VACUUM writes the whole file through it */
        st = hone_db__exec(db, "VACUUM", "giving back space", err);
        db->file.bytes = 0; /* it may be shorter now */
    }
    if (st == HONE_OK)
        *ret = told;
    else
        json_decref(told);
    return st;
}
