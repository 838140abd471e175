/* Machines: what was measured of targets, the last few times of each. */
#include "db/internal.h"

static hone_status complete(const hone_db_machine *m, hone_db_machine *ret, hone_error *err)
{
    *ret = *m;
    ret->id = 0;
    ret->about = m->about && *m->about ? m->about : "{}";
    ret->created_ms = m->created_ms ? m->created_ms : hone_clock_wall_ms();
    ret->hone_version = m->hone_version ? m->hone_version : HONE_VERSION;
    if (!m->numbers || !*m->numbers)
        return hone_fail(err, HONE_E_INPUT, "a machine needs its numbers");
    HONE_TRY(hone_db__text_check("the hone version", m->hone_version, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__json_check("what is said of the machine", ret->about, HONE_DB_MAX_BODY, err));
    return hone_db__json_check("the machine's numbers", m->numbers, HONE_DB_MAX_TEXT, err);
}

static hone_status prune(hone_db *db, int64_t target_id, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__sql(db, HONE_DB__MACHINE_PRUNE, &stmt, err));
    hone_db__bind(stmt, "ii", target_id, (int64_t)HONE_DB_KEEP_MACHINES);
    return hone_db__step(db, stmt, "dropping old machines", &row, err);
}

hone_status hone_db_machine_put(hone_db *db, const hone_db_machine *m, int64_t *ret_id,
                                hone_error *err)
{
    hone_db_machine row;
    HONE_TRY(complete(m, &row, err));
    HONE_TRY(hone_db__enter(db, err));
    hone_status s =
        hone_db__row_write(db, HONE_DB__MACHINE_ADD, &hone_db__machine_table, &row, err);
    int64_t id = sqlite3_last_insert_rowid(db->sqlite);
    if (s == HONE_OK)
        s = prune(db, m->target_id, err);
    s = hone_db__leave(db, s, err);
    if (s == HONE_OK && ret_id)
        *ret_id = id;
    return s;
}

hone_status hone_db_machine_latest(hone_db *db, const char *target, int32_t threads,
                                   hone_db_machine *ret, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool found;
    HONE_TRY(hone_db__sql(db, HONE_DB__MACHINE_LATEST, &stmt, err));
    hone_db__bind(stmt, "ti", target, (int64_t)threads);
    hone_status s = hone_db__row_one(db, &hone_db__machine_table, stmt, ret, &found, err);
    sqlite3_clear_bindings(stmt);
    if (s != HONE_OK || found)
        return s;
    return hone_fail(err, HONE_E_NOTFOUND, "'%s' has no machine of '%.80s' with %d thread%s",
                     db->path, target, threads, threads == 1 ? "" : "s");
}

void hone_db_machine_free(hone_db_machine *m)
{
    hone_db__row_free(&hone_db__machine_table, m);
}
