/* Saving what is readable of a damaged file. */
#include "db/internal.h"

#include <unistd.h>

typedef struct salvage {
    hone_db *from, *to;
    int64_t saved[HONE_LEN(hone_db__tables)];
    int64_t seen; /* rows of the table at hand */
    bool torn;    /* some of that table cannot be read */
    int64_t lost, lost_samples;
    json_t *unknown;     /* tables of which nobody knows how many rows are lost */
    uint32_t unreadable; /* tables */
} salvage;

/* ---- one row ------------------------------------------------------------------------------- */

/* The samples of the record's measurement that are left. */
static hone_status save_samples(salvage *x, hone_db__record *r, hone_error *err)
{
    HONE_VEC(hone_db_sample) v = {0};
    sqlite3_stmt *stmt;
    hone_status s = hone_db__sql(x->from, HONE_DB__SAMPLES, &stmt, NULL);
    bool row;
    if (s == HONE_OK) {
        hone_db__bind(stmt, "i", r->pub.id);
        while (hone_db__step(x->from, stmt, "reading", &row, NULL) == HONE_OK && row) {
            hone_db_sample one = {sqlite3_column_double(stmt, 1), sqlite3_column_double(stmt, 2)};
            if (sqlite3_column_int64(stmt, 0) == r->run && one.candidate_ns > 0 &&
                one.incumbent_ns >= 0)
                hone_vec_push(&v, one);
        }
    }
    x->lost_samples += r->pub.n_samples > (int32_t)v.n ? r->pub.n_samples - (int32_t)v.n : 0;
    r->pub.n_samples = (int32_t)v.n;
    r->run = v.n ? 0 : HONE_DB__NO_RUN;
    s = hone_db__row_write(x->to, HONE_DB__RECORD_ADD, &hone_db__record_table, r, err);
    if (s == HONE_OK)
        s = hone_db__samples_add(x->to, r->pub.id, 0, v.v, v.n, err);
    hone_vec_free(&v);
    return s;
}

/* Writes one row that was read. A row the new file refuses is lost; a new file that cannot be
 * written is an error. */
static hone_status save(salvage *x, uint32_t table, hone_db__any_row *row, hone_error *err)
{
    const hone_db__table *t = hone_db__tables[table];
    hone_status s = hone_db__enter(x->to, err);
    if (s != HONE_OK)
        return s;
    if (t != &hone_db__record_table) {
        s = hone_db__row_write(x->to, t->add, t, row, err);
    } else {
        hone_db_session of;
        int64_t *session = &row->record.pub.session_id;
        if (*session && hone_db_session_load(x->to, *session, &of, NULL) == HONE_OK)
            hone_db_session_free(&of);
        else
            *session = 0;
        s = save_samples(x, &row->record, err);
    }
    s = hone_db__leave(x->to, s, err);
    x->saved[table] += s == HONE_OK;
    x->lost += s == HONE_E_INPUT;
    return s == HONE_E_INPUT ? HONE_OK : s;
}

/* ---- one table ----------------------------------------------------------------------------- */

/* Saves rows from `id` on in one direction until the file ends or cannot be read, or *stop is
 * reached. *ret_last is the last id seen; *ret_end tells that the table ended. */
static hone_status walk(salvage *x, uint32_t table, int64_t id, bool up, int64_t stop,
                        int64_t *ret_last, bool *ret_end, hone_error *err)
{
    const hone_db__table *t = hone_db__tables[table];
    char *sql = hone_xasprintf("SELECT @%c FROM %s %c WHERE id %s ?1 ORDER BY id %s", t->letter,
                               t->name, t->letter, up ? ">=" : "<=", up ? "ASC" : "DESC");
    sqlite3_stmt *stmt;
    hone_status s = hone_db__prepare(x->from, sql, &stmt, NULL);
    free(sql);
    *ret_end = s != HONE_OK; /* the table is gone */
    x->unreadable += s != HONE_OK;
    x->torn |= s != HONE_OK;
    if (s != HONE_OK)
        return HONE_OK;
    hone_db__bind(stmt, "i", id);
    bool got;
    while (s == HONE_OK) {
        if (hone_db__step(x->from, stmt, "reading", &got, NULL) != HONE_OK) {
            x->torn = true; /* the page is damaged */
            break;
        }
        *ret_end = !got;
        if (!got || (!up && sqlite3_column_int64(stmt, 0) <= stop))
            break;
        hone_db__any_row row;
        *ret_last = sqlite3_column_int64(stmt, 0);
        x->seen++;
        if (hone_db__row_read(x->from, t, stmt, 0, &row, NULL) == HONE_OK)
            s = save(x, table, &row, err);
        else
            x->lost++;
    }
    sqlite3_finalize(stmt);
    return s;
}

/* Forward as far as it goes; then leaps of growing width over the damage until rows can be read
 * again, back from there to the damage, and on. */
static hone_status save_table(salvage *x, uint32_t table, hone_error *err)
{
    int64_t last = 0;
    bool end;
    hone_status s = walk(x, table, 1, true, 0, &last, &end, err);
    while (s == HONE_OK && !end) {
        int64_t damage = last, leap = 1, first = 0;
        for (; s == HONE_OK && !end && leap < INT64_MAX / 4; leap *= 2) {
            first = damage + 1 + leap;
            int64_t seen = 0;
            s = walk(x, table, first, true, 0, &seen, &end, err);
            if (seen) {
                last = seen;
                break;
            }
        }
        if (last == damage && !end)
            break; /* nothing readable behind the damage */
        int64_t ignored;
        bool begin;
        if (s == HONE_OK)
            s = walk(x, table, first - 1, false, damage, &ignored, &begin, err);
    }
    return s;
}

/* ---- what is missing ------------------------------------------------------------------------- */

/* How many rows an index of the table counts, if it can be read. */
static bool count_by_index(hone_db *db, const char *table, const char *index, int64_t *ret)
{
    hone_error e = {0};
    char *sql = sqlite3_mprintf("SELECT count(*) FROM main.%s INDEXED BY \"%w\"", table, index);
    hone_status st = hone_db__number(db, sql, ret, &e);
    sqlite3_free(sql);
    return st == HONE_OK;
}

/* Rows that were on pages which cannot be read: an index may still count them. */
static void count_missing(salvage *x, const hone_db__table *t)
{
    sqlite3_stmt *stmt;
    bool row, known = false;
    int64_t all = 0;
    if (!x->torn)
        return;
    if (hone_db__prepare(x->from,
                         "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1",
                         &stmt, NULL) == HONE_OK) {
        hone_db__bind(stmt, "t", t->name);
        while (!known && hone_db__step(x->from, stmt, "reading", &row, NULL) == HONE_OK && row)
            known =
                count_by_index(x->from, t->name, (const char *)sqlite3_column_text(stmt, 0), &all);
        sqlite3_finalize(stmt);
    }
    if (known && all >= x->seen)
        x->lost += all - x->seen;
    else
        json_array_append_new(x->unknown, json_string(t->plural));
}

static json_t *tell(const salvage *x)
{
    json_t *j = json_object();
    for (uint32_t i = 0; i < HONE_LEN(hone_db__tables); i++)
        json_object_set_new(j, hone_db__tables[i]->plural, json_integer(x->saved[i]));
    json_object_set_new(j, "lost", json_integer(x->lost));
    if (x->lost_samples)
        json_object_set_new(j, "lost_samples", json_integer(x->lost_samples));
    if (json_array_size(x->unknown))
        json_object_set(j, "lost_unknown", x->unknown);
    return j;
}

static hone_status save_tables(salvage *x, const char *from, hone_error *err)
{
    HONE_TRY(hone_db_begin(x->to, err));
    for (uint32_t i = 0; i < HONE_LEN(hone_db__tables); i++) {
        x->seen = 0;
        x->torn = false;
        HONE_TRY(save_table(x, i, err));
        count_missing(x, hone_db__tables[i]);
    }
    if (x->unreadable == HONE_LEN(hone_db__tables))
        return hone_fail(err, HONE_E_CORRUPT, "nothing can be read of '%s': put back a copy", from);
    return hone_db_commit(x->to, err);
}

hone_status hone_db_salvage(const char *from, const char *to, json_t **ret, hone_error *err)
{
    if (access(to, F_OK) == 0)
        return hone_fail(err, HONE_E_INPUT, "'%s' exists already: name a new file", to);
    salvage x = {.unknown = json_array()};
    hone_status s = hone_db_open(from, HONE_DB_READ | HONE_DB__DAMAGED, &x.from, err);
    if (s == HONE_OK)
        s = hone_db_open(to, HONE_DB_WRITE | HONE_DB_CREATE, &x.to, err);
    if (s == HONE_OK)
        s = save_tables(&x, from, err);
    if (s == HONE_OK)
        *ret = tell(&x);
    hone_db_close(x.from);
    if (s == HONE_OK)
        hone_db_close(x.to);
    else
        hone_db__discard(x.to);
    json_decref(x.unknown);
    return s;
}
