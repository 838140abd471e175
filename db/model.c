/* Trained models: the last few of each class of targets and number of threads. */
#include "db/internal.h"

static hone_status complete(const hone_db_model *m, hone_db_model *ret, hone_error *err)
{
    *ret = *m;
    ret->id = 0;
    ret->about = m->about && *m->about ? m->about : "{}";
    ret->created_ms = m->created_ms ? m->created_ms : hone_clock_wall_ms();
    ret->hone_version = m->hone_version ? m->hone_version : HONE_VERSION;
    if (!m->class || !*m->class)
        return hone_fail(err, HONE_E_INPUT, "a model needs the class of its targets");
    if (m->threads < 0)
        return hone_fail(err, HONE_E_INPUT, "a model of %d threads is none", m->threads);
    if (m->bytes.n == 0)
        return hone_fail(err, HONE_E_INPUT, "a model needs its bytes");
    if (m->bytes.n > HONE_DB_MAX_MODEL)
        return hone_fail(err, HONE_E_LIMIT, "a model of %zu bytes is too large: at most %d MiB",
                         m->bytes.n, HONE_DB_MAX_MODEL >> 20);
    HONE_TRY(hone_db__text_check("the model's class", m->class, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__text_check("the hone version", m->hone_version, HONE_DB_MAX_TEXT, err));
    return hone_db__json_check("what is said of the model", ret->about, HONE_DB_MAX_BODY, err);
}

static hone_status find_latest(hone_db *db, const char *class, int32_t threads, hone_db_model *ret,
                               bool *ret_found, hone_error *err)
{
    sqlite3_stmt *stmt;
    HONE_TRY(hone_db__sql(db, HONE_DB__MODEL_LATEST, &stmt, err));
    hone_db__bind(stmt, "ti", class, (int64_t)threads);
    hone_status s = hone_db__row_one(db, &hone_db__model_table, stmt, ret, ret_found, err);
    sqlite3_clear_bindings(stmt);
    return s;
}

static hone_status prune(hone_db *db, const hone_db_model *m, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__sql(db, HONE_DB__MODEL_PRUNE, &stmt, err));
    hone_db__bind(stmt, "tii", m->class, (int64_t)m->threads, (int64_t)HONE_DB_KEEP_MODELS);
    hone_status s = hone_db__step(db, stmt, "dropping old models", &row, err);
    sqlite3_clear_bindings(stmt);
    return s;
}

static bool is_same(const hone_db_model *a, const hone_db_model *b)
{
    return a->bytes.n == b->bytes.n && memcmp(a->bytes.v, b->bytes.v, a->bytes.n) == 0 &&
           strcmp(a->about, b->about) == 0 && strcmp(a->hone_version, b->hone_version) == 0;
}

static hone_status put(hone_db *db, const hone_db_model *m, int64_t *ret_id, hone_error *err)
{
    hone_db_model last;
    bool found, same = false;
    HONE_TRY(find_latest(db, m->class, m->threads, &last, &found, err));
    if (found) {
        same = is_same(&last, m);
        *ret_id = last.id;
        hone_db_model_free(&last);
    }
    if (same)
        return HONE_OK;
    HONE_TRY(hone_db__row_write(db, HONE_DB__MODEL_ADD, &hone_db__model_table, m, err));
    *ret_id = sqlite3_last_insert_rowid(db->sqlite);
    return prune(db, m, err);
}

hone_status hone_db_model_put(hone_db *db, const hone_db_model *m, int64_t *ret_id, hone_error *err)
{
    hone_db_model row;
    int64_t id = 0;
    HONE_TRY(complete(m, &row, err));
    HONE_TRY(hone_db__enter(db, err));
    hone_status s = put(db, &row, &id, err);
    s = hone_db__leave(db, s, err);
    if (s == HONE_OK && ret_id)
        *ret_id = id;
    return s;
}

hone_status hone_db_model_latest(hone_db *db, const char *class, int32_t threads,
                                 hone_db_model *ret, hone_error *err)
{
    bool found;
    hone_status s = find_latest(db, class, threads, ret, &found, err);
    if (s != HONE_OK || found)
        return s;
    return hone_fail(err, HONE_E_NOTFOUND, "'%s' has no model of '%.80s'", db->path, class);
}

void hone_db_model_free(hone_db_model *m)
{
    hone_db__row_free(&hone_db__model_table, m);
}

hone_status hone_db_each_model(hone_db *db, hone_db_model_fn fn, void *ctx, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_status s;
    bool row;
    HONE_TRY(hone_db__prepare(db, "SELECT @m FROM model m ORDER BY m.id DESC", &stmt, err));
    while ((s = hone_db__step(db, stmt, "reading models", &row, err)) == HONE_OK && row) {
        hone_db_model m;
        s = hone_db__row_read(db, &hone_db__model_table, stmt, 0, &m, err);
        if (s != HONE_OK || !fn(ctx, &m))
            break;
    }
    sqlite3_finalize(stmt);
    return s;
}
