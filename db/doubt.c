/* Records of a device that was found to compute wrong. */
#include "db/internal.h"

typedef HONE_VEC(int64_t) ids;

static hone_status find(hone_db *db, const char *device, int64_t from, int64_t to, ids *ret,
                        hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_status s;
    bool row;
    HONE_TRY(hone_db__sql(db, HONE_DB__RECORD_BY, &stmt, err));
    hone_db__bind(stmt, "tii", device, from, to);
    while ((s = hone_db__step(db, stmt, "reading records", &row, err)) == HONE_OK && row) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        hone_vec_push(ret, id);
    }
    sqlite3_clear_bindings(stmt);
    return s;
}

static hone_status mark(hone_db *db, int64_t id, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_db__record r;
    bool found;
    HONE_TRY(hone_db__sql(db, HONE_DB__RECORD_BY_ID, &stmt, err));
    hone_db__bind(stmt, "i", id);
    HONE_TRY(hone_db__row_one(db, &hone_db__record_table, stmt, &r, &found, err));
    HONE_ASSERT(found); /* within this transaction it was */
    r.pub.suspect = 1;
    hone_status s = hone_db__row_write(db, HONE_DB__RECORD_SET, &hone_db__record_table, &r, err);
    hone_db__row_free(&hone_db__record_table, &r);
    return s;
}

static hone_status mark_all(hone_db *db, const char *device, int64_t from, int64_t to,
                            uint64_t *ret_n, hone_error *err)
{
    ids all = {0};
    hone_status s = find(db, device, from, to, &all, err);
    for (uint32_t k = 0; k < all.n && s == HONE_OK; k++)
        s = mark(db, all.v[k], err);
    *ret_n = all.n;
    hone_vec_free(&all);
    return s;
}

hone_status hone_db_doubt(hone_db *db, const char *device, int64_t from, int64_t to,
                          uint64_t *ret_n, hone_error *err)
{
    uint64_t n = 0;
    HONE_TRY(hone_db__enter(db, err));
    hone_status s = mark_all(db, device, from, to, &n, err);
    if (ret_n)
        *ret_n = n;
    return hone_db__leave(db, s, err);
}
