/* Whether what a log does not find is not there: no way to its records is broken. */
#include "db/internal.h"

/* Pairs of workload and target that have records, each by one seek; the first that lacks either. */
static const char broken_pair[] =
    "WITH RECURSIVE pair(w, t) AS ("
    " SELECT * FROM (SELECT workload_id, target_id FROM record"
    "  ORDER BY workload_id, target_id LIMIT 1)"
    " UNION ALL"
    " SELECT n.workload_id, n.target_id FROM pair CROSS JOIN record n WHERE n.id = coalesce("
    "  (SELECT r.id FROM record r WHERE r.workload_id = pair.w AND r.target_id > pair.t"
    "   ORDER BY r.target_id LIMIT 1),"
    "  (SELECT r.id FROM record r WHERE r.workload_id > pair.w"
    "   ORDER BY r.workload_id, r.target_id LIMIT 1)))"
    " SELECT w, t FROM pair WHERE w NOT IN (SELECT id FROM workload)"
    "  OR t NOT IN (SELECT id FROM target) LIMIT 1";

static bool go_on(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                  const hone_db_record *r)
{
    (void)ctx, (void)w, (void)t, (void)r;
    return true;
}

hone_status hone_db_vouch(hone_db *db, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool broken;
    HONE_TRY(hone_db__prepare(db, broken_pair, &stmt, err));
    hone_status st = hone_db__step(db, stmt, "reading records", &broken, err);
    if (st == HONE_OK && broken)
        st = hone_fail(err, HONE_E_CORRUPT,
                       "'%s' has results of workload %lld on target %lld, one of which is missing: "
                       "the file was damaged or edited; put back a copy, or save the other rows "
                       "with: hone db salvage %s NEW_FILE",
                       db->path, (long long)sqlite3_column_int64(stmt, 0),
                       (long long)sqlite3_column_int64(stmt, 1), db->path);
    sqlite3_finalize(stmt);
    return st == HONE_OK ? hone_db_each_first(db, NULL, go_on, NULL, err) : st;
}
