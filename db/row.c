/* Rows and structs: which column is which member, in one table each, and what follows from it:
 * reading, writing, freeing and the checksum. The order here is the order of @w, @t, @s, @r, @f,
 * @m, @p. */
#include "db/internal.h"

#define COLUMN(T, name, kind)                     \
    {                                             \
#name, HONE_DB__##kind, offsetof(T, name) \
    }

#define W(name, kind) COLUMN(hone_db_workload, name, kind)
static const hone_db__column workload_columns[] = {
    W(hash, HEX),   W(name, TEXT), W(class, TEXT),     W(program, TEXT),
    W(sizes, TEXT), W(flops, I64), W(created_ms, I64),
};

#define T(name, kind) COLUMN(hone_db_target, name, kind)
static const hone_db__column target_columns[] = {
    T(text, TEXT),
    T(threads, I32),
    T(class, TEXT),
    T(created_ms, I64),
};

#define S(name, kind) COLUMN(hone_db_session, name, kind)
static const hone_db__column session_columns[] = {
    S(workload_id, OPT64), S(target_id, OPT64), S(seed, HEX),       S(rng, RNG),
    S(trials, I64),        S(state, TEXT),      S(started_ms, I64), S(ended_ms, I64),
    S(hone_version, TEXT), S(best_hash, HEX),
};

#define R(name, kind)                                               \
    {                                                               \
#name, HONE_DB__##kind, offsetof(hone_db__record, pub.name) \
    }
static const hone_db__column record_columns[] = {
    R(workload_id, I64),    R(target_id, I64),
    R(trace_hash, HEX),     R(trace, TEXT),
    R(status, STATUS),      R(reason, TEXT),
    R(time_ns, OPT64),      R(log_ratio, F64),
    R(n_samples, I32),      COLUMN(hone_db__record, run, I64),
    R(max_error, F64),      R(tolerance, F64),
    R(checked, TEXT),       R(data_seed, HEX),
    R(build_ns, I64),       R(run_ns, I64),
    R(device, TEXT),        R(env, TEXT),
    R(session_id, OPT64),   R(created_ms, I64),
    R(space_version, I32),  R(hone_version, TEXT),
    R(llvm_version, TEXT),  R(compare_ns, I64),
    R(incumbent_hash, HEX), R(incumbent_ns, I64),
    R(fence, I64),          R(suspect, I32),
};

#define F(name, kind) COLUMN(hone_db__forgotten, name, kind)
static const hone_db__column forgotten_columns[] = {
    F(what, TEXT), F(records, I64), F(samples, I64), F(created_ms, I64), F(hone_version, TEXT),
};

#define M(name, kind) COLUMN(hone_db_model, name, kind)
static const hone_db__column model_columns[] = {
    M(class, TEXT), M(threads, I32),    M(about, TEXT),
    M(bytes, BLOB), M(created_ms, I64), M(hone_version, TEXT),
};

#define P(name, kind) COLUMN(hone_db_machine, name, kind)
static const hone_db__column machine_columns[] = {
    P(target_id, I64), P(numbers, TEXT), P(about, TEXT), P(created_ms, I64), P(hone_version, TEXT),
};

#define TABLE(word, many, letter, add)               \
    const hone_db__table hone_db__##word##_table = { \
        #word, many, letter, add, HONE_LEN(word##_columns), word##_columns}
TABLE(workload, "workloads", 'w', HONE_DB__WORKLOAD_ADD);
TABLE(target, "targets", 't', HONE_DB__TARGET_ADD);
TABLE(session, "sessions", 's', HONE_DB__SESSION_ADD);
TABLE(record, "records", 'r', HONE_DB__RECORD_ADD);
TABLE(forgotten, "removals", 'f', HONE_DB__FORGOTTEN_ADD);
TABLE(model, "models", 'm', HONE_DB__MODEL_ADD);
TABLE(machine, "machines", 'p', HONE_DB__MACHINE_ADD);
const hone_db__table *const hone_db__tables[7] = {
    &hone_db__workload_table, &hone_db__target_table,    &hone_db__session_table,
    &hone_db__record_table,   &hone_db__forgotten_table, &hone_db__model_table,
    &hone_db__machine_table,
};

#define MEMBER(type, row, c) (*(type *)((char *)(row) + (c)->offset))
#define CONST_MEMBER(type, row, c) (*(const type *)((const char *)(row) + (c)->offset))

/* ---- checksum ------------------------------------------------------------------------------ */

static uint64_t sum_word(uint64_t h, const hone_db__column *c, uint64_t x)
{
    return hone_hash_mix(hone_hash_bytes(h, c->name, strlen(c->name)), x);
}

/* Over name and value of each column that is not 0 or "", so that a column added by a later schema
 * does not disturb the sums of the rows there are. The id is not in it: rows may be renumbered. */
static uint64_t row_sum(const hone_db__table *t, const void *row)
{
    uint64_t h = (uint64_t)t->letter;
    for (uint32_t i = 0; i < t->n; i++) {
        const hone_db__column *c = &t->columns[i];
        uint64_t x = 0;
        const char *text = NULL;
        hone_db_bytes bytes = {0};
        switch (c->kind) {
        case HONE_DB__I64:
        case HONE_DB__OPT64:
            x = (uint64_t)CONST_MEMBER(int64_t, row, c);
            break;
        case HONE_DB__I32:
            x = (uint64_t)CONST_MEMBER(int32_t, row, c);
            break;
        case HONE_DB__F64: {
            double d = CONST_MEMBER(double, row, c) + 0.0; /* -0 comes back from SQLite as 0 */
            memcpy(&x, &d, sizeof x);
            break;
        }
        case HONE_DB__HEX:
            x = CONST_MEMBER(uint64_t, row, c);
            break;
        case HONE_DB__TEXT:
            text = CONST_MEMBER(char *, row, c);
            break;
        case HONE_DB__STATUS:
            text = hone_status_name(CONST_MEMBER(hone_status, row, c));
            break;
        case HONE_DB__RNG:
            for (int k = 0; k < 4; k++)
                x = hone_hash_mix(x, CONST_MEMBER(hone_rng, row, c).s[k]);
            break;
        case HONE_DB__BLOB:
            bytes = CONST_MEMBER(hone_db_bytes, row, c);
            break;
        }
        if (text)
            bytes = (hone_db_bytes){text, strlen(text)};
        if (bytes.n)
            x = hone_hash_bytes(1, bytes.v, bytes.n);
        if (x)
            h = sum_word(h, c, x);
    }
    return h;
}

/* ---- order --------------------------------------------------------------------------------- */

static int compare_bytes(hone_db_bytes a, hone_db_bytes b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.v, b.v, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_column(const hone_db__column *c, const void *a, const void *b)
{
    double d, e;
    switch (c->kind) {
    case HONE_DB__I64:
    case HONE_DB__OPT64:
        return hone_db__order(CONST_MEMBER(int64_t, a, c), CONST_MEMBER(int64_t, b, c));
    case HONE_DB__I32:
        return hone_db__order(CONST_MEMBER(int32_t, a, c), CONST_MEMBER(int32_t, b, c));
    case HONE_DB__F64:
        d = CONST_MEMBER(double, a, c);
        e = CONST_MEMBER(double, b, c);
        return (d > e) - (d < e);
    case HONE_DB__HEX:
        return (CONST_MEMBER(uint64_t, a, c) > CONST_MEMBER(uint64_t, b, c)) -
               (CONST_MEMBER(uint64_t, a, c) < CONST_MEMBER(uint64_t, b, c));
    case HONE_DB__TEXT:
        return strcmp(CONST_MEMBER(char *, a, c), CONST_MEMBER(char *, b, c));
    case HONE_DB__STATUS:
        return hone_db__order(CONST_MEMBER(hone_status, a, c), CONST_MEMBER(hone_status, b, c));
    case HONE_DB__RNG:
        return memcmp(&CONST_MEMBER(hone_rng, a, c), &CONST_MEMBER(hone_rng, b, c),
                      sizeof(hone_rng));
    case HONE_DB__BLOB:
        return compare_bytes(CONST_MEMBER(hone_db_bytes, a, c), CONST_MEMBER(hone_db_bytes, b, c));
    }
    return 0;
}

static const hone_db__column *column_named(const hone_db__table *t, const char *name)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    hone_bug(__FILE__, __LINE__, "no column of this name");
}

int hone_db__row_compare(const hone_db__table *t, const void *a, const void *b,
                         const char *const *names)
{
    int order = 0;
    if (names && *names) {
        for (; *names && order == 0; names++)
            order = compare_column(column_named(t, *names), a, b);
        return order;
    }
    for (uint32_t i = 0; i < t->n && order == 0; i++)
        order = compare_column(&t->columns[i], a, b);
    return order;
}

/* ---- reading ------------------------------------------------------------------------------- */

static const char *column_text(sqlite3_stmt *stmt, int i)
{
    const char *s = (const char *)sqlite3_column_text(stmt, i);
    return s ? s : "";
}

static uint64_t column_hex(sqlite3_stmt *stmt, int i)
{
    uint64_t h = 0;
    return hone_hash_parse(column_text(stmt, i), &h) ? h : 0;
}

static hone_rng column_rng(sqlite3_stmt *stmt, int i)
{
    hone_rng g = {{0}};
    const uint8_t *p = sqlite3_column_blob(stmt, i);
    if (p && sqlite3_column_bytes(stmt, i) == 32)
        for (int k = 0; k < 32; k++)
            g.s[k / 8] |= (uint64_t)p[k] << (8 * (k % 8));
    return g;
}

static hone_db_bytes column_bytes(sqlite3_stmt *stmt, int i)
{
    const void *v = sqlite3_column_blob(stmt, i); /* before its length is asked for */
    return (hone_db_bytes){v, (size_t)sqlite3_column_bytes(stmt, i)};
}

void hone_db__column_list(const hone_db__table *t, const char *prefix, hone_buf *b)
{
    hone_buf_printf(b, "%sid", prefix);
    for (uint32_t i = 0; i < t->n; i++)
        hone_buf_printf(b, ", %s%s", prefix, t->columns[i].name);
    hone_buf_printf(b, ", %ssum", prefix);
}

hone_status hone_db__row_read(hone_db *db, const hone_db__table *t, sqlite3_stmt *stmt, int first,
                              void *row, hone_error *err)
{
    *(int64_t *)row = sqlite3_column_int64(stmt, first);
    int at = first + 1;
    /* A status this release does not know has no number to be summed by its name. */
    bool unknown = false;
    for (uint32_t i = 0; i < t->n; i++, at++) {
        const hone_db__column *c = &t->columns[i];
        switch (c->kind) {
        case HONE_DB__I64:
        case HONE_DB__OPT64:
            MEMBER(int64_t, row, c) = sqlite3_column_int64(stmt, at);
            break;
        case HONE_DB__I32:
            MEMBER(int32_t, row, c) = sqlite3_column_int(stmt, at);
            break;
        case HONE_DB__F64:
            MEMBER(double, row, c) = sqlite3_column_double(stmt, at);
            break;
        case HONE_DB__HEX:
            MEMBER(uint64_t, row, c) = column_hex(stmt, at);
            break;
        case HONE_DB__TEXT:
            MEMBER(const char *, row, c) = column_text(stmt, at);
            break;
        case HONE_DB__STATUS:
            MEMBER(hone_status, row, c) = hone_status_parse(column_text(stmt, at));
            unknown = MEMBER(hone_status, row, c) == HONE_STATUS_COUNT;
            break;
        case HONE_DB__RNG:
            MEMBER(hone_rng, row, c) = column_rng(stmt, at);
            break;
        case HONE_DB__BLOB:
            MEMBER(hone_db_bytes, row, c) = column_bytes(stmt, at);
            break;
        }
    }
    if (unknown || column_hex(stmt, at) == row_sum(t, row))
        return HONE_OK;
    hone_fail(err, HONE_E_CORRUPT,
              "%s %" PRId64 " in '%s' does not match its checksum: the file was damaged or edited; "
              "put back a copy, or save the other rows with: hone db salvage %s NEW_FILE",
              t->name, *(int64_t *)row, db->path, db->path);
    if (err)
        snprintf(err->where, sizeof err->where, "%s", db->path);
    return HONE_E_CORRUPT;
}

void hone_db__row_own(const hone_db__table *t, void *row)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->columns[i].kind == HONE_DB__TEXT) {
            const char **s = &MEMBER(const char *, row, &t->columns[i]);
            *s = hone_xstrdup(*s);
        } else if (t->columns[i].kind == HONE_DB__BLOB) {
            hone_db_bytes *b = &MEMBER(hone_db_bytes, row, &t->columns[i]);
            void *copy = hone_xmalloc(b->n + 1);
            if (b->n)
                memcpy(copy, b->v, b->n);
            b->v = copy;
        }
}

void hone_db__row_free(const hone_db__table *t, void *row)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->columns[i].kind == HONE_DB__TEXT) {
            const char **s = &MEMBER(const char *, row, &t->columns[i]);
            free((void *)*s);
            *s = NULL;
        } else if (t->columns[i].kind == HONE_DB__BLOB) {
            hone_db_bytes *b = &MEMBER(hone_db_bytes, row, &t->columns[i]);
            free((void *)b->v);
            *b = (hone_db_bytes){0};
        }
}

hone_status hone_db__row_one(hone_db *db, const hone_db__table *t, sqlite3_stmt *stmt, void *row,
                             bool *ret_found, hone_error *err)
{
    hone_status s = hone_db__step(db, stmt, "reading", ret_found, err);
    if (s != HONE_OK || !*ret_found)
        return s;
    s = hone_db__row_read(db, t, stmt, 0, row, err);
    if (s == HONE_OK)
        hone_db__row_own(t, row);
    sqlite3_reset(stmt);
    return s;
}

/* ---- writing ------------------------------------------------------------------------------- */

static int bind_column(sqlite3_stmt *stmt, int at, const hone_db__column *c, const void *row)
{
    char hex[17];
    uint8_t bytes[32];
    hone_db_bytes blob;
    const char *text;
    int64_t x;
    switch (c->kind) {
    case HONE_DB__I64:
        return sqlite3_bind_int64(stmt, at, CONST_MEMBER(int64_t, row, c));
    case HONE_DB__OPT64:
        x = CONST_MEMBER(int64_t, row, c);
        return x ? sqlite3_bind_int64(stmt, at, x) : sqlite3_bind_null(stmt, at);
    case HONE_DB__I32:
        return sqlite3_bind_int(stmt, at, CONST_MEMBER(int32_t, row, c));
    case HONE_DB__F64:
        return sqlite3_bind_double(stmt, at, CONST_MEMBER(double, row, c));
    case HONE_DB__HEX:
        hone_hash_format(CONST_MEMBER(uint64_t, row, c), hex);
        return sqlite3_bind_text(stmt, at, hex, 16, SQLITE_TRANSIENT);
    case HONE_DB__TEXT:
        text = CONST_MEMBER(char *, row, c);
        return sqlite3_bind_text(stmt, at, text ? text : "", -1, SQLITE_STATIC);
    case HONE_DB__STATUS:
        text = hone_status_name(CONST_MEMBER(hone_status, row, c));
        return sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    case HONE_DB__RNG:
        for (int k = 0; k < 32; k++)
            bytes[k] = (uint8_t)(CONST_MEMBER(hone_rng, row, c).s[k / 8] >> (8 * (k % 8)));
        return sqlite3_bind_blob(stmt, at, bytes, 32, SQLITE_TRANSIENT);
    case HONE_DB__BLOB:
        blob = CONST_MEMBER(hone_db_bytes, row, c);
        return blob.n ? sqlite3_bind_blob64(stmt, at, blob.v, blob.n, SQLITE_STATIC)
                      : sqlite3_bind_zeroblob(stmt, at, 0);
    }
    return SQLITE_MISUSE;
}

hone_status hone_db__row_write(hone_db *db, hone_db__sql_id id, const hone_db__table *t,
                               const void *row, hone_error *err)
{
    sqlite3_stmt *stmt;
    HONE_TRY(hone_db__sql(db, id, &stmt, err));
    int64_t row_id = *(const int64_t *)row;
    int rc = row_id ? sqlite3_bind_int64(stmt, 1, row_id) : sqlite3_bind_null(stmt, 1);
    for (uint32_t i = 0; i < t->n && rc == SQLITE_OK; i++)
        rc = bind_column(stmt, (int)i + 2, &t->columns[i], row);
    char hex[17];
    hone_hash_format(row_sum(t, row), hex);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, (int)t->n + 2, hex, 16, SQLITE_TRANSIENT);
    bool got;
    hone_status s = rc == SQLITE_OK ? hone_db__step(db, stmt, "storing a row", &got, err)
                                    : hone_db__fail(db, rc, "storing a row", err);
    sqlite3_clear_bindings(stmt); /* the strings are the caller's */
    return s;
}
