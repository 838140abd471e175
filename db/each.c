/* Enumerations. None uses a statement that another, in whose callback it is called, is in. */
#include "db/internal.h"

/* ---- filters ------------------------------------------------------------------------------- */

/* Parameters are numbered, so that the same ones may stand in any of the clauses. */
enum { P_WORKLOAD = 1, P_TARGET, P_WORKLOAD_CLASS, P_TARGET_CLASS, P_THREADS, P_AFTER };

static hone_status prepare_where(hone_db *db, hone_buf *sql, const hone_db_where *w,
                                 sqlite3_stmt **ret, hone_error *err)
{
    hone_status s = hone_db__prepare(db, sql->s, ret, err);
    hone_buf_free(sql);
    if (s != HONE_OK)
        return s;
    int n = sqlite3_bind_parameter_count(*ret); /* the highest number in use */
    int rc = SQLITE_OK;
    if (n >= P_WORKLOAD)
        rc |= sqlite3_bind_int64(*ret, P_WORKLOAD, w->workload_id);
    if (n >= P_TARGET)
        rc |= sqlite3_bind_int64(*ret, P_TARGET, w->target_id);
    if (n >= P_WORKLOAD_CLASS)
        rc |= sqlite3_bind_text(*ret, P_WORKLOAD_CLASS, w->workload_class, -1, SQLITE_STATIC);
    if (n >= P_TARGET_CLASS)
        rc |= sqlite3_bind_text(*ret, P_TARGET_CLASS, w->target_class, -1, SQLITE_STATIC);
    if (n >= P_THREADS)
        rc |= sqlite3_bind_int(*ret, P_THREADS, w->threads);
    if (n >= P_AFTER)
        rc |= sqlite3_bind_int64(*ret, P_AFTER, w->after_id);
    HONE_ASSERT(rc == SQLITE_OK);
    return HONE_OK;
}

/* The statement that is kept prepared, or, within a callback of that one, another. */
static hone_status borrow(hone_db *db, hone_db__sql_id id, sqlite3_stmt **ret, hone_error *err)
{
    if (!db->stmt[id] || !sqlite3_stmt_busy(db->stmt[id]))
        return hone_db__sql(db, id, ret, err);
    return hone_db__prepare(db, hone_db__sql_text(id), ret, err);
}

static void give_back(hone_db *db, hone_db__sql_id id, sqlite3_stmt *stmt)
{
    if (stmt == db->stmt[id]) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    } else {
        sqlite3_finalize(stmt);
    }
}

/* Calls fn for each row of stmt. */
static hone_status read_records(hone_db *db, sqlite3_stmt *stmt, hone_db_record_fn fn, void *ctx,
                                hone_error *err)
{
    hone_status s;
    bool row;
    while ((s = hone_db__step(db, stmt, "reading records", &row, err)) == HONE_OK && row) {
        hone_db__record r;
        s = hone_db__row_read(db, &hone_db__record_table, stmt, 0, &r, err);
        if (s != HONE_OK || !fn(ctx, &r.pub))
            break;
    }
    return s;
}

/* The same; finalizes it. */
static hone_status visit_records(hone_db *db, sqlite3_stmt *stmt, hone_db_record_fn fn, void *ctx,
                                 hone_error *err)
{
    hone_status s = read_records(db, stmt, fn, ctx, err);
    sqlite3_finalize(stmt);
    return s;
}

/* ---- records ------------------------------------------------------------------------------- */

hone_status hone_db_each_record(hone_db *db, const hone_db_where *where, hone_db_record_fn fn,
                                void *ctx, hone_error *err)
{
    static const hone_db_where any = {0};
    const hone_db_where *w = where ? where : &any;
    hone_buf b = {0};
    sqlite3_stmt *stmt;
    if (w->workload_id && w->target_id && !w->workload_class && !w->target_class && !w->threads) {
        hone_status s = hone_db__prepare(db, hone_db__sql_text(HONE_DB__RECORD_OF), &stmt, err);
        if (s != HONE_OK)
            return s;
        hone_db__bind(stmt, "iii", w->workload_id, w->target_id, w->after_id);
        return visit_records(db, stmt, fn, ctx, err);
    }
    hone_buf_puts(&b, "SELECT @r FROM record r WHERE 1");
    if (w->workload_id)
        hone_buf_printf(&b, " AND r.workload_id = ?%d", P_WORKLOAD);
    if (w->target_id)
        hone_buf_printf(&b, " AND r.target_id = ?%d", P_TARGET);
    if (w->workload_class)
        hone_buf_printf(&b, " AND r.workload_id IN (SELECT id FROM workload WHERE class = ?%d)",
                        P_WORKLOAD_CLASS);
    if (w->target_class)
        hone_buf_printf(&b, " AND r.target_id IN (SELECT id FROM target WHERE class = ?%d)",
                        P_TARGET_CLASS);
    if (w->threads)
        hone_buf_printf(&b, " AND r.target_id IN (SELECT id FROM target WHERE threads = ?%d)",
                        P_THREADS);
    if (w->after_id)
        hone_buf_printf(&b, " AND r.id > ?%d", P_AFTER);
    hone_buf_puts(&b, " ORDER BY r.id");
    hone_status s = prepare_where(db, &b, w, &stmt, err);
    return s == HONE_OK ? visit_records(db, stmt, fn, ctx, err) : s;
}

hone_status hone_db_each_fastest(hone_db *db, int64_t workload_id, int64_t target_id, uint32_t n,
                                 hone_db_record_fn fn, void *ctx, hone_error *err)
{
    sqlite3_stmt *stmt;
    HONE_TRY(borrow(db, HONE_DB__RECORD_FASTEST, &stmt, err));
    hone_db__bind(stmt, "iii", workload_id, target_id, (int64_t)n);
    hone_status s = read_records(db, stmt, fn, ctx, err);
    give_back(db, HONE_DB__RECORD_FASTEST, stmt);
    return s;
}

/* ---- what they are of ---------------------------------------------------------------------- */

hone_status hone_db_each_workload(hone_db *db, const char *class, hone_db_workload_fn fn, void *ctx,
                                  hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_status s;
    bool row;
    HONE_TRY(borrow(db, HONE_DB__WORKLOADS_OF, &stmt, err));
    hone_db__bind(stmt, "t", class);
    while ((s = hone_db__step(db, stmt, "reading workloads", &row, err)) == HONE_OK && row) {
        hone_db_workload w;
        s = hone_db__row_read(db, &hone_db__workload_table, stmt, 0, &w, err);
        if (s != HONE_OK || !fn(ctx, &w))
            break;
    }
    give_back(db, HONE_DB__WORKLOADS_OF, stmt);
    return s;
}

hone_status hone_db_each_target(hone_db *db, hone_db_target_fn fn, void *ctx, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_status s;
    bool row;
    HONE_TRY(borrow(db, HONE_DB__TARGETS, &stmt, err));
    while ((s = hone_db__step(db, stmt, "reading targets", &row, err)) == HONE_OK && row) {
        hone_db_target t;
        s = hone_db__row_read(db, &hone_db__target_table, stmt, 0, &t, err);
        if (s != HONE_OK || !fn(ctx, &t))
            break;
    }
    give_back(db, HONE_DB__TARGETS, stmt);
    return s;
}

/* ---- pairs --------------------------------------------------------------------------------- */

/* Calls fn for each row of stmt, @w, @t, @r; finalizes it. */
static hone_status visit_rows(hone_db *db, sqlite3_stmt *stmt, hone_db_row_fn fn, void *ctx,
                              hone_error *err)
{
    hone_status s;
    bool row;
    while ((s = hone_db__step(db, stmt, "reading records", &row, err)) == HONE_OK && row) {
        hone_db_workload wl;
        hone_db_target t;
        hone_db__record r;
        int at = 0;
        s = hone_db__row_read(db, &hone_db__workload_table, stmt, at, &wl, err);
        at += HONE_DB__WIDTH(&hone_db__workload_table);
        if (s == HONE_OK)
            s = hone_db__row_read(db, &hone_db__target_table, stmt, at, &t, err);
        at += HONE_DB__WIDTH(&hone_db__target_table);
        if (s == HONE_OK)
            s = hone_db__row_read(db, &hone_db__record_table, stmt, at, &r, err);
        if (s != HONE_OK || !fn(ctx, &wl, &t, &r.pub))
            break;
    }
    sqlite3_finalize(stmt);
    return s;
}

/* One record, which `which` selects with w.id and t.id, for each workload and target that pass. */
static hone_status visit_pairs(hone_db *db, const hone_db_where *where, const char *which,
                               hone_db_row_fn fn, void *ctx, hone_error *err)
{
    static const hone_db_where any = {0};
    const hone_db_where *w = where ? where : &any;
    hone_buf b = {0};
    sqlite3_stmt *stmt;
    /* One seek per pair; CROSS JOIN keeps the order of the loops. */
    hone_buf_printf(&b,
                    "SELECT @w, @t, @r FROM workload w CROSS JOIN target t CROSS JOIN record r"
                    " WHERE r.id = (SELECT b.id FROM record b WHERE b.workload_id = w.id"
                    " AND b.target_id = t.id %s LIMIT 1)",
                    which);
    if (w->workload_id)
        hone_buf_printf(&b, " AND w.id = ?%d", P_WORKLOAD);
    if (w->target_id)
        hone_buf_printf(&b, " AND t.id = ?%d", P_TARGET);
    if (w->workload_class)
        hone_buf_printf(&b, " AND w.class = ?%d", P_WORKLOAD_CLASS);
    if (w->target_class)
        hone_buf_printf(&b, " AND t.class = ?%d", P_TARGET_CLASS);
    else
        hone_buf_puts(&b, " AND t.class <> '" HONE_DB_IMPORTED "' AND t.class <> '" HONE_DB_LIBRARY
                          "'");
    if (w->threads)
        hone_buf_printf(&b, " AND t.threads = ?%d", P_THREADS);
    if (w->after_id)
        hone_buf_printf(&b, " AND r.id > ?%d", P_AFTER);
    hone_buf_puts(&b, " ORDER BY w.id, t.id");
    HONE_TRY(prepare_where(db, &b, w, &stmt, err));
    return visit_rows(db, stmt, fn, ctx, err);
}

hone_status hone_db_each_best(hone_db *db, const hone_db_where *where, hone_db_row_fn fn, void *ctx,
                              hone_error *err)
{
    return visit_pairs(db, where,
                       "AND b.status = 'OK' AND b.suspect = 0"
                       " ORDER BY iif(b.compare_ns, b.compare_ns, b.time_ns), b.id",
                       fn, ctx, err);
}

hone_status hone_db_each_first(hone_db *db, const hone_db_where *where, hone_db_row_fn fn,
                               void *ctx, hone_error *err)
{
    return visit_pairs(db, where, "ORDER BY b.id", fn, ctx, err);
}

hone_status hone_db_each_by_content(hone_db *db, hone_db_row_fn fn, void *ctx, hone_error *err)
{
    sqlite3_stmt *stmt;
    HONE_TRY(hone_db__prepare(db,
                              "SELECT @w, @t, @r FROM workload w CROSS JOIN target t CROSS JOIN"
                              " record r ON r.workload_id = w.id AND r.target_id = t.id"
                              " ORDER BY w.hash, t.text, t.threads, r.trace_hash",
                              &stmt, err));
    return visit_rows(db, stmt, fn, ctx, err);
}
