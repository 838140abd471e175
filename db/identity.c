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

hone_status hone_db__json_put(const hone_db *db, const char *what, const char *s, size_t max,
                              hone_error *err)
{
    if (!db->printed_here)
        return hone_db__json_check(what, s, max, err);
    if (strnlen(s, max + 1) > max)
        return hone_fail(err, HONE_E_INPUT, "%s is longer than %zu bytes", what, max);
    return HONE_OK;
}

static const char * or (const char *s, const char *otherwise)
{
    return s && *s ? s : otherwise;
}

/* ---- workloads and targets ----------------------------------------------------------------- */

static hone_status find_workload(hone_db *db, uint64_t hash, hone_db_workload *ret, bool *ret_found,
                                 hone_error *err)
{
    sqlite3_stmt *stmt;
    HONE_TRY(hone_db__sql(db, HONE_DB__WORKLOAD_BY_HASH, &stmt, err));
    hone_db__bind(stmt, "h", hash);
    return hone_db__row_one(db, &hone_db__workload_table, stmt, ret, ret_found, err);
}

static hone_status find_target(hone_db *db, const char *text, int32_t threads, hone_db_target *ret,
                               bool *ret_found, hone_error *err)
{
    sqlite3_stmt *stmt;
    HONE_TRY(hone_db__sql(db, HONE_DB__TARGET_BY_TEXT, &stmt, err));
    hone_db__bind(stmt, "ti", text, (int64_t)threads);
    hone_status s = hone_db__row_one(db, &hone_db__target_table, stmt, ret, ret_found, err);
    sqlite3_clear_bindings(stmt);
    return s;
}

/* A new row, and its id. */
static hone_status add(hone_db *db, const hone_db__table *t, const void *row, int64_t *ret_id,
                       hone_error *err)
{
    HONE_TRY(hone_db__enter(db, err));
    hone_status s = hone_db__row_write(db, t->add, t, row, err);
    if (ret_id)
        *ret_id = sqlite3_last_insert_rowid(db->sqlite);
    return hone_db__leave(db, s, err);
}

hone_status hone_db_workload_put(hone_db *db, const hone_db_workload *w, int64_t *ret_id,
                                 hone_error *err)
{
    hone_db_workload row = *w, old;
    bool found;
    row.id = 0;
    row.sizes = or (w->sizes, "{}");
    row.created_ms = w->created_ms ? w->created_ms : hone_clock_wall_ms();
    HONE_TRY(hone_db__text_check("the workload's name", w->name, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__text_check("the workload's class", w->class, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__text_check("the workload's program", w->program, HONE_DB_MAX_BODY, err));
    if (!* or (w->program, ""))
        return hone_fail(err, HONE_E_INPUT, "a workload needs its program");
    HONE_TRY(hone_db__json_check("the workload's sizes", row.sizes, HONE_DB_MAX_BODY, err));
    HONE_TRY(find_workload(db, w->hash, &old, &found, err));
    if (!found)
        return add(db, &hone_db__workload_table, &row, ret_id, err);
    *ret_id = old.id;
    hone_db_workload_free(&old);
    return HONE_OK;
}

hone_status hone_db_target_put(hone_db *db, const hone_db_target *t, int64_t *ret_id,
                               hone_error *err)
{
    hone_db_target row = *t, old;
    bool found;
    row.id = 0;
    row.created_ms = t->created_ms ? t->created_ms : hone_clock_wall_ms();
    HONE_TRY(hone_db__text_check("the target", t->text, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__text_check("the target's class", t->class, HONE_DB_MAX_TEXT, err));
    if (!* or (t->text, ""))
        return hone_fail(err, HONE_E_INPUT, "a target needs its text");
    if (t->threads < 1)
        return hone_fail(err, HONE_E_INPUT, "a target has at least one thread, not %d", t->threads);
    HONE_TRY(find_target(db, t->text, t->threads, &old, &found, err));
    if (!found)
        return add(db, &hone_db__target_table, &row, ret_id, err);
    *ret_id = old.id;
    hone_db_target_free(&old);
    return HONE_OK;
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

void hone_db_workload_free(hone_db_workload *w)
{
    hone_db__row_free(&hone_db__workload_table, w);
}

void hone_db_target_free(hone_db_target *t)
{
    hone_db__row_free(&hone_db__target_table, t);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static hone_status session_add(hone_db *db, const hone_db_session *x, const char *state,
                               int64_t *ret_id, hone_error *err)
{
    hone_db_session row = *x;
    row.state = state;
    row.started_ms = x->started_ms ? x->started_ms : hone_clock_wall_ms();
    row.hone_version = or (x->hone_version, HONE_VERSION);
    return add(db, &hone_db__session_table, &row, ret_id, err);
}

static hone_status session_set(hone_db *db, const hone_db_session *x, const char *state,
                               hone_error *err)
{
    hone_db_session old;
    HONE_TRY(hone_db_session_load(db, x->id, &old, err));
    hone_db_session row = old;
    row.rng = x->rng;
    row.trials = x->trials;
    row.state = state;
    row.ended_ms = x->ended_ms;
    row.best_hash = x->best_hash;
    hone_status s = hone_db__enter(db, err);
    if (s == HONE_OK) {
        s = hone_db__row_write(db, HONE_DB__SESSION_SET, &hone_db__session_table, &row, err);
        s = hone_db__leave(db, s, err);
    }
    hone_db_session_free(&old);
    return s;
}

hone_status hone_db_session_save(hone_db *db, const hone_db_session *x, int64_t *ret_id,
                                 hone_error *err)
{
    const char *state = or (x->state, "{}");
    HONE_TRY(hone_db__json_put(db, "the session's state", state, HONE_DB_MAX_BODY, err));
    if (x->id == 0)
        return session_add(db, x, state, ret_id, err);
    if (ret_id)
        *ret_id = x->id;
    return session_set(db, x, state, err);
}

hone_status hone_db_session_load(hone_db *db, int64_t id, hone_db_session *ret, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool found;
    HONE_TRY(hone_db__sql(db, HONE_DB__SESSION_BY_ID, &stmt, err));
    hone_db__bind(stmt, "i", id);
    HONE_TRY(hone_db__row_one(db, &hone_db__session_table, stmt, ret, &found, err));
    return found ? HONE_OK
                 : hone_fail(err, HONE_E_NOTFOUND, "the database has no session %" PRId64, id);
}

void hone_db_session_free(hone_db_session *s)
{
    hone_db__row_free(&hone_db__session_table, s);
}
