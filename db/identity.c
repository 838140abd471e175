/* Workloads, targets and sessions: the rows records point to. */
#include "db/internal.h"

/* ---- text ---------------------------------------------------------------------------------- */

hone_status hone_db__text_check(const char *what, const char *s, size_t max, hone_error *err)
{
    if (!s)
        return HONE_OK;
    if (strnlen(s, max + 1) > max)
        return hone_fail(err, HONE_E_INPUT, "%s is longer than %zu bytes", what, max);
    for (const char *p = s; *p;) {
        size_t n = hone_utf8_length(p);
        if (n == 0)
            return hone_fail(err, HONE_E_INPUT, "%s is not UTF-8 text", what);
        p += n;
    }
    return HONE_OK;
}

char *hone_db__text_clean(const char *s)
{
    char *copy = hone_xstrdup(s ? s : "");
    size_t end = strnlen(copy, HONE_DB_MAX_TEXT);
    copy[end] = '\0';
    for (char *p = copy; *p;) {
        size_t n = hone_utf8_length(p);
        if (n == 0) {
            *p = '?';
            n = 1;
        }
        p += n;
    }
    return copy;
}

hone_status hone_db__json_check(const char *what, const char *s, size_t max, hone_error *err)
{
    json_t *j;
    hone_error e;
    hone_status st = hone_db__text_check(what, s, max, err);
    if (st != HONE_OK)
        return st;
    if (hone_json_parse(s, strlen(s), &j, &e) != HONE_OK)
        return hone_fail(err, HONE_E_INPUT, "%s is not JSON: %s", what, e.message);
    json_decref(j);
    return HONE_OK;
}

static const char * or (const char *s, const char *otherwise)
{
    return s && *s ? s : otherwise;
}

static hone_status missing(hone_error *err, const char *what, int64_t id)
{
    return hone_fail(err, HONE_E_NOTFOUND, "the database has no %s %" PRId64, what, id);
}

/* ---- workloads and targets ----------------------------------------------------------------- */

static hone_status find_workload(hone_db *db, uint64_t hash, hone_db_workload *ret, bool *ret_found,
                                 hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_status s = hone_db__sql(db, HONE_DB__WORKLOAD_BY_HASH, &stmt, err);
    if (s != HONE_OK)
        return s;
    hone_db__bind(stmt, "h", hash);
    return hone_db__row_one(db, &hone_db__workload_table, stmt, ret, ret_found, err);
}

static hone_status find_target(hone_db *db, const char *text, int32_t threads, hone_db_target *ret,
                               bool *ret_found, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_status s = hone_db__sql(db, HONE_DB__TARGET_BY_TEXT, &stmt, err);
    if (s != HONE_OK)
        return s;
    hone_db__bind(stmt, "ti", text, (int64_t)threads);
    s = hone_db__row_one(db, &hone_db__target_table, stmt, ret, ret_found, err);
    sqlite3_clear_bindings(stmt);
    return s;
}

/* Reads the row with this id into *row. */
static hone_status get(hone_db *db, hone_db__sql_id id_query, const hone_db__table *t, int64_t id,
                       void *row, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool found;
    hone_status s = hone_db__sql(db, id_query, &stmt, err);
    if (s != HONE_OK)
        return s;
    hone_db__bind(stmt, "i", id);
    s = hone_db__row_one(db, t, stmt, row, &found, err);
    return s == HONE_OK && !found ? missing(err, t->name, id) : s;
}

hone_status hone_db_workload_put(hone_db *db, const hone_db_workload *w, int64_t *ret_id,
                                 hone_error *err)
{
    hone_db_workload row = *w, old;
    row.id = 0;
    row.sizes = or (w->sizes, "{}");
    row.created_ms = w->created_ms ? w->created_ms : hone_clock_wall_ms();
    hone_status s = hone_db__text_check("the workload's name", w->name, HONE_DB_MAX_TEXT, err);
    if (s == HONE_OK)
        s = hone_db__text_check("the workload's class", w->class, HONE_DB_MAX_TEXT, err);
    if (s == HONE_OK)
        s = hone_db__text_check("the workload's program", w->program, HONE_DB_MAX_BODY, err);
    if (s == HONE_OK && !* or (w->program, ""))
        s = hone_fail(err, HONE_E_INPUT, "a workload needs its program");
    if (s == HONE_OK)
        s = hone_db__json_check("the workload's sizes", row.sizes, HONE_DB_MAX_BODY, err);
    bool found = false;
    if (s == HONE_OK)
        s = find_workload(db, w->hash, &old, &found, err);
    if (s != HONE_OK)
        return s;
    if (found) {
        *ret_id = old.id;
        hone_db_workload_free(&old);
        return HONE_OK;
    }
    s = hone_db__enter(db, err);
    if (s != HONE_OK)
        return s;
    s = hone_db__row_write(db, HONE_DB__WORKLOAD_ADD, &hone_db__workload_table, &row, err);
    *ret_id = sqlite3_last_insert_rowid(db->sqlite);
    return hone_db__leave(db, s, err);
}

hone_status hone_db_target_put(hone_db *db, const hone_db_target *t, int64_t *ret_id,
                               hone_error *err)
{
    hone_db_target row = *t, old;
    row.id = 0;
    row.created_ms = t->created_ms ? t->created_ms : hone_clock_wall_ms();
    hone_status s = hone_db__text_check("the target", t->text, HONE_DB_MAX_TEXT, err);
    if (s == HONE_OK)
        s = hone_db__text_check("the target's class", t->class, HONE_DB_MAX_TEXT, err);
    if (s == HONE_OK && !* or (t->text, ""))
        s = hone_fail(err, HONE_E_INPUT, "a target needs its text");
    if (s == HONE_OK && t->threads < 1)
        s = hone_fail(err, HONE_E_INPUT, "a target has at least one thread, not %d", t->threads);
    bool found = false;
    if (s == HONE_OK)
        s = find_target(db, t->text, t->threads, &old, &found, err);
    if (s != HONE_OK)
        return s;
    if (found) {
        *ret_id = old.id;
        hone_db_target_free(&old);
        return HONE_OK;
    }
    s = hone_db__enter(db, err);
    if (s != HONE_OK)
        return s;
    s = hone_db__row_write(db, HONE_DB__TARGET_ADD, &hone_db__target_table, &row, err);
    *ret_id = sqlite3_last_insert_rowid(db->sqlite);
    return hone_db__leave(db, s, err);
}

hone_status hone_db_workload_find(hone_db *db, uint64_t hash, hone_db_workload *ret,
                                  hone_error *err)
{
    bool found;
    hone_status s = find_workload(db, hash, ret, &found, err);
    if (s != HONE_OK || found)
        return s;
    char hex[17];
    hone_hash_format(hash, hex);
    return hone_fail(err, HONE_E_NOTFOUND, "'%s' has no workload %s", db->path, hex);
}

hone_status hone_db_target_find(hone_db *db, const char *text, int32_t threads, hone_db_target *ret,
                                hone_error *err)
{
    bool found;
    hone_status s = find_target(db, text, threads, ret, &found, err);
    if (s != HONE_OK || found)
        return s;
    return hone_fail(err, HONE_E_NOTFOUND, "'%s' has no target '%.80s' with %d thread%s", db->path,
                     text, threads, threads == 1 ? "" : "s");
}

hone_status hone_db_workload_get(hone_db *db, int64_t id, hone_db_workload *ret, hone_error *err)
{
    return get(db, HONE_DB__WORKLOAD_BY_ID, &hone_db__workload_table, id, ret, err);
}

hone_status hone_db_target_get(hone_db *db, int64_t id, hone_db_target *ret, hone_error *err)
{
    return get(db, HONE_DB__TARGET_BY_ID, &hone_db__target_table, id, ret, err);
}

void hone_db_workload_free(hone_db_workload *w)
{
    hone_db__row_free(&hone_db__workload_table, w);
}

void hone_db_target_free(hone_db_target *t)
{
    hone_db__row_free(&hone_db__target_table, t);
}

/* ---- sessions ------------------------------------------------------------------------------ */

hone_status hone_db_session_save(hone_db *db, const hone_db_session *x, int64_t *ret_id,
                                 hone_error *err)
{
    const char *state = or (x->state, "{}");
    hone_status s = hone_db__json_check("the session's state", state, HONE_DB_MAX_BODY, err);
    if (s != HONE_OK)
        return s;
    if (x->id == 0) {
        hone_db_session row = *x;
        row.state = state;
        row.started_ms = x->started_ms ? x->started_ms : hone_clock_wall_ms();
        row.hone_version = or (x->hone_version, HONE_VERSION);
        s = hone_db__enter(db, err);
        if (s != HONE_OK)
            return s;
        s = hone_db__row_write(db, HONE_DB__SESSION_ADD, &hone_db__session_table, &row, err);
        if (ret_id)
            *ret_id = sqlite3_last_insert_rowid(db->sqlite);
        return hone_db__leave(db, s, err);
    }
    hone_db_session old;
    s = hone_db_session_load(db, x->id, &old, err);
    if (s != HONE_OK)
        return s;
    hone_db_session row = old;
    row.rng = x->rng;
    row.trials = x->trials;
    row.state = state;
    row.ended_ms = x->ended_ms;
    row.best_hash = x->best_hash;
    s = hone_db__enter(db, err);
    if (s == HONE_OK) {
        s = hone_db__row_write(db, HONE_DB__SESSION_SET, &hone_db__session_table, &row, err);
        s = hone_db__leave(db, s, err);
    }
    if (ret_id)
        *ret_id = x->id;
    hone_db_session_free(&old);
    return s;
}

hone_status hone_db_session_load(hone_db *db, int64_t id, hone_db_session *ret, hone_error *err)
{
    return get(db, HONE_DB__SESSION_BY_ID, &hone_db__session_table, id, ret, err);
}

hone_status hone_db_session_last(hone_db *db, int64_t workload_id, int64_t target_id,
                                 hone_db_session *ret, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool found;
    hone_status s = hone_db__sql(db, HONE_DB__SESSION_LAST, &stmt, err);
    if (s != HONE_OK)
        return s;
    sqlite3_clear_bindings(stmt); /* NULL stands for "several" */
    if (workload_id)
        sqlite3_bind_int64(stmt, 1, workload_id);
    if (target_id)
        sqlite3_bind_int64(stmt, 2, target_id);
    s = hone_db__row_one(db, &hone_db__session_table, stmt, ret, &found, err);
    if (s != HONE_OK || found)
        return s;
    return hone_fail(err, HONE_E_NOTFOUND, "'%s' has no session of this workload and target",
                     db->path);
}

void hone_db_session_free(hone_db_session *s)
{
    hone_db__row_free(&hone_db__session_table, s);
}
