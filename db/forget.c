/* Removing records, always with a trace of it. */
#include "db/internal.h"

/* ---- which --------------------------------------------------------------------------------- */

/* A condition on record r, and the values of its parameters. */
typedef struct condition {
    const char *sql;
    const hone_db_choice *values;
} condition;

/* Parameters are numbered, so that the same ones may stand in any of the conditions. */
enum { P_WORKLOAD = 1, P_TRACE, P_STATUS, P_REASON, P_DEVICE, P_BEFORE };

static void both(hone_buf *sql, bool set, const char *more, int parameter)
{
    if (!set)
        return;
    hone_buf_puts(sql, sql->n ? " AND " : "");
    hone_buf_printf(sql, more, parameter);
}

static void where_chosen(const hone_db_choice *c, hone_buf *ret)
{
    both(ret, c->workload,
         "r.workload_id IN (SELECT x.id FROM workload x WHERE ?%d IN (x.name, x.hash))",
         P_WORKLOAD);
    both(ret, c->trace_hash, "r.trace_hash = ?%d", P_TRACE);
    both(ret, c->status, "r.status = ?%d", P_STATUS);
    both(ret, c->reason, "r.reason GLOB ?%d", P_REASON);
    both(ret, c->device, "r.device = ?%d", P_DEVICE);
    both(ret, c->before_ms, "r.created_ms < ?%d", P_BEFORE);
}

/* Prepares text in which %s is the condition. The caller finalizes. */
static hone_status HONE_PRINTF(3, 0)
    prepare(hone_db *db, const condition *c, const char *text, sqlite3_stmt **ret, hone_error *err)
{
    const hone_db_choice *v = c->values;
    const char *const texts[] = {v->workload, v->trace_hash, v->status, v->reason, v->device};
    char *sql = hone_xasprintf(text, c->sql);
    hone_status s = hone_db__prepare(db, sql, ret, err);
    free(sql);
    if (s != HONE_OK)
        return s;
    int n = sqlite3_bind_parameter_count(*ret), rc = SQLITE_OK; /* the highest number in use */
    for (int i = 0; i < (int)HONE_LEN(texts) && i < n; i++)
        rc |= sqlite3_bind_text(*ret, P_WORKLOAD + i, texts[i], -1, SQLITE_STATIC);
    if (n >= P_BEFORE)
        rc |= sqlite3_bind_int64(*ret, P_BEFORE, v->before_ms);
    HONE_ASSERT(rc == SQLITE_OK);
    return HONE_OK;
}

static json_t *describe(const hone_db_choice *c)
{
    json_t *j =
        json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*}", "workload", c->workload, "trace", c->trace_hash,
                  "status", c->status, "reason", c->reason, "device", c->device);
    if (j && c->before_ms)
        json_object_set_new(j, "before_ms", json_integer(c->before_ms));
    return j;
}

/* ---- how many ------------------------------------------------------------------------------ */

enum { MAX_KINDS = 100 };

#define COUNT_BY(column)                                                                         \
    "SELECT " column ", count(*) FROM record r JOIN workload w ON w.id = r.workload_id WHERE %s" \
    " GROUP BY 1 ORDER BY 2 DESC, 1"

/* {"REJECT_CRASH":3, ...}, the most frequent first. */
static hone_status count_by(hone_db *db, const condition *c, const char *text, json_t **ret,
                            hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(prepare(db, c, text, &stmt, err));
    hone_status s;
    *ret = json_object();
    while ((s = hone_db__step(db, stmt, "counting", &row, err)) == HONE_OK && row &&
           json_object_size(*ret) < MAX_KINDS) {
        char *kind = hone_db__text_clean((const char *)sqlite3_column_text(stmt, 0));
        json_object_set_new(*ret, kind, json_integer(sqlite3_column_int64(stmt, 1)));
        free(kind);
    }
    sqlite3_finalize(stmt);
    return s;
}

static hone_status count(hone_db *db, const condition *c, const char *text, json_t **ret,
                         hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(prepare(db, c, text, &stmt, err));
    hone_status s = hone_db__step(db, stmt, "counting", &row, err);
    if (s == HONE_OK)
        *ret = json_integer(sqlite3_column_int64(stmt, 0));
    sqlite3_finalize(stmt);
    return s;
}

/* Records and samples; by status, by workload and by reason. */
static hone_status tell(hone_db *db, const condition *c, json_t **ret, hone_error *err)
{
    static const struct {
        const char *key;
        hone_status (*count)(hone_db *db, const condition *c, const char *text, json_t **ret,
                             hone_error *err);
        const char *text;
    } numbers[] = {
        {"records", count, "SELECT count(*) FROM record r WHERE %s"},
        {"samples", count,
         "SELECT count(*) FROM sample s JOIN record r ON r.id = s.record_id WHERE %s"},
        {"by_status", count_by, COUNT_BY("r.status")},
        {"by_workload", count_by, COUNT_BY("w.name")},
        {"by_reason", count_by, COUNT_BY("r.reason")},
    };
    json_t *j = json_object();
    hone_status s = HONE_OK;
    for (size_t i = 0; i < HONE_LEN(numbers) && s == HONE_OK; i++) {
        json_t *number = NULL;
        s = numbers[i].count(db, c, numbers[i].text, &number, err);
        json_object_set_new(j, numbers[i].key, number); /* NULL sets nothing */
    }
    if (s == HONE_OK)
        *ret = j;
    else
        json_decref(j);
    return s;
}

static int64_t number_of(const json_t *told, const char *key)
{
    return json_integer_value(json_object_get(told, key));
}

/* ---- removing ------------------------------------------------------------------------------ */

static hone_status delete_rows(hone_db *db, const condition *c, hone_error *err)
{
    static const char *const texts[] = {
        "DELETE FROM sample WHERE record_id IN (SELECT r.id FROM record r WHERE %s)",
        "DELETE FROM record AS r WHERE %s",
    };
    hone_status s = HONE_OK;
    for (size_t i = 0; i < HONE_LEN(texts) && s == HONE_OK; i++) {
        sqlite3_stmt *stmt;
        bool row;
        HONE_TRY(prepare(db, c, texts[i], &stmt, err));
        s = hone_db__step(db, stmt, "forgetting records", &row, err);
        sqlite3_finalize(stmt);
    }
    return s;
}

static hone_status leave_a_trace(hone_db *db, const json_t *what, const json_t *told,
                                 hone_error *err)
{
    char *text = hone_json_text(what);
    hone_db__forgotten row = {
        .what = text,
        .records = number_of(told, "records"),
        .samples = number_of(told, "samples"),
        .created_ms = hone_clock_wall_ms(),
        .hone_version = HONE_VERSION,
    };
    hone_status s =
        hone_db__row_write(db, HONE_DB__FORGOTTEN_ADD, &hone_db__forgotten_table, &row, err);
    free(text);
    return s;
}

static hone_status forget(hone_db *db, const condition *c, const json_t *what, json_t **ret,
                          hone_error *err)
{
    json_t *told = NULL;
    HONE_TRY(hone_db__enter(db, err));
    hone_status s = tell(db, c, &told, err);
    if (s == HONE_OK && number_of(told, "records") > 0) {
        s = delete_rows(db, c, err);
        if (s == HONE_OK)
            s = leave_a_trace(db, what, told, err);
    }
    s = hone_db__leave(db, s, err);
    if (s == HONE_OK)
        *ret = told;
    else
        json_decref(told);
    return s;
}

hone_status hone_db_forget(hone_db *db, const hone_db_choice *choice, bool dry_run, json_t **ret,
                           hone_error *err)
{
    hone_buf where = {0};
    where_chosen(choice, &where);
    if (where.n == 0)
        return hone_fail(err, HONE_E_INPUT, "say which records are to be forgotten");
    const condition c = {where.s, choice};
    json_t *what = describe(choice);
    hone_status s = !what     ? hone_fail(err, HONE_E_INPUT, "what to forget is not UTF-8 text")
                    : dry_run ? tell(db, &c, ret, err)
                              : forget(db, &c, what, ret, err);
    hone_buf_free(&where);
    json_decref(what);
    return s;
}

/* ---- for other files ------------------------------------------------------------------------ */

static const hone_db_choice no_values;

hone_status hone_db__tell(hone_db *db, const char *which, json_t **ret, hone_error *err)
{
    const condition c = {which, &no_values};
    return tell(db, &c, ret, err);
}

hone_status hone_db__forget(hone_db *db, const char *which, const json_t *what, json_t **ret,
                            hone_error *err)
{
    const condition c = {which, &no_values};
    return forget(db, &c, what, ret, err);
}
