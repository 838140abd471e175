/* Records: storing a result once, whatever happens, and finding the best. */
#include "db/internal.h"

#include <math.h>

/* ---- put ----------------------------------------------------------------------------------- */

/* Checks what the caller gave and fills in what it left out. reason, device and env become copies,
 * to be freed by drop. */
static hone_status complete(const hone_db *db, const hone_db_record *r,
                            const hone_db_sample *samples, uint32_t n, hone_db__record *ret,
                            hone_error *err)
{
    if (r->status != HONE_OK && !hone_status_is_reject(r->status))
        return hone_fail(err, HONE_E_INPUT,
                         "a record is a success or a rejection; %s is neither and belongs to the "
                         "attempt, not to the candidate",
                         hone_status_name(r->status));
    if (r->status == HONE_OK && r->time_ns <= 0)
        return hone_fail(err, HONE_E_INPUT, "a time of %" PRId64 " ns is not a time", r->time_ns);
    if (r->compare_ns < 0 || r->incumbent_ns < 0)
        return hone_fail(err, HONE_E_INPUT, "a time below zero is not a time");
    if (!isfinite(r->log_ratio))
        return hone_fail(err, HONE_E_INPUT, "the log ratio of a record is not a number");
    if (n > INT32_MAX)
        return hone_fail(err, HONE_E_INPUT, "too many samples");
    for (uint32_t i = 0; i < n; i++)
        if (!(samples[i].candidate_ns > 0 && isfinite(samples[i].candidate_ns) &&
              samples[i].incumbent_ns >= 0 && isfinite(samples[i].incumbent_ns)))
            return hone_fail(err, HONE_E_INPUT, "sample %" PRIu32 " is not a time: %g and %g ns", i,
                             samples[i].candidate_ns, samples[i].incumbent_ns);
    HONE_TRY(hone_db__json_put(db, "the trace", r->trace ? r->trace : "", HONE_MAX_TRACE_BYTES - 1,
                               err));
    HONE_TRY(hone_db__text_check("checked", r->checked, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__text_check("the LLVM version", r->llvm_version, HONE_DB_MAX_TEXT, err));
    HONE_TRY(hone_db__text_check("the hone version", r->hone_version, HONE_DB_MAX_TEXT, err));
    *ret = (hone_db__record){.pub = *r};
    hone_db_record *p = &ret->pub;
    p->id = 0;
    p->n_samples = (int32_t)n;
    p->time_ns = r->status == HONE_OK ? r->time_ns : 0;
    p->compare_ns = r->compare_ns && r->status == HONE_OK ? r->compare_ns : p->time_ns;
    p->max_error = isnan(r->max_error) ? INFINITY : r->max_error;
    p->tolerance = isnan(r->tolerance) ? INFINITY : r->tolerance;
    p->created_ms = r->created_ms ? r->created_ms : hone_clock_wall_ms();
    p->space_version = r->space_version ? r->space_version : HONE_SPACE_VERSION;
    p->hone_version = r->hone_version ? r->hone_version : HONE_VERSION;
    p->llvm_version = r->llvm_version ? r->llvm_version : "";
    p->checked = r->checked ? r->checked : "";
    p->reason = hone_db__text_clean(r->reason);
    p->device = hone_db__text_clean(r->device);
    p->env = hone_db__text_clean(r->env);
    return HONE_OK;
}

static void drop(hone_db__record *r)
{
    free((void *)r->pub.reason);
    free((void *)r->pub.device);
    free((void *)r->pub.env);
}

/* Looks for `samples` among the measurements of the record that are stored: the number of that one,
 * or HONE_DB__NO_RUN, and the number of the next one. */
static hone_status find_run(hone_db *db, int64_t id, const hone_db_sample *samples, uint32_t n,
                            int64_t *ret_known, int64_t *ret_next, hone_error *err)
{
    *ret_known = HONE_DB__NO_RUN;
    *ret_next = 0;
    sqlite3_stmt *stmt;
    hone_status s;
    HONE_TRY(hone_db__sql(db, HONE_DB__SAMPLES, &stmt, err));
    hone_db__bind(stmt, "i", id);
    uint32_t turn = 0;
    bool same = false, row;
    while ((s = hone_db__step(db, stmt, "reading samples", &row, err)) == HONE_OK && row) {
        int64_t run = sqlite3_column_int64(stmt, 0);
        if (run >= *ret_next) { /* the first of a measurement */
            if (same && turn == n)
                *ret_known = *ret_next - 1;
            *ret_next = run + 1;
            turn = 0;
            same = true;
        }
        same = same && turn < n && sqlite3_column_double(stmt, 1) == samples[turn].candidate_ns &&
               sqlite3_column_double(stmt, 2) == samples[turn].incumbent_ns;
        turn++;
    }
    if (same && turn == n)
        *ret_known = *ret_next - 1;
    return s;
}

hone_status hone_db__samples_add(hone_db *db, int64_t id, int64_t run,
                                 const hone_db_sample *samples, uint32_t n, hone_error *err)
{
    hone_status s = HONE_OK;
    for (uint32_t i = 0; i < n && s == HONE_OK; i++) {
        sqlite3_stmt *stmt;
        bool row;
        s = hone_db__sql(db, HONE_DB__SAMPLE_ADD, &stmt, err);
        if (s != HONE_OK)
            return s;
        hone_db__bind(stmt, "iiidd", id, run, (int64_t)i, samples[i].candidate_ns,
                      samples[i].incumbent_ns);
        s = hone_db__step(db, stmt, "storing samples", &row, err);
    }
    return s;
}

static hone_status find_by_key(hone_db *db, const hone_db_record *key, hone_db__record *ret,
                               bool *ret_found, hone_error *err)
{
    sqlite3_stmt *stmt;
    HONE_TRY(hone_db__sql(db, HONE_DB__RECORD_BY_KEY, &stmt, err));
    hone_db__bind(stmt, "iih", key->workload_id, key->target_id, key->trace_hash);
    return hone_db__row_one(db, &hone_db__record_table, stmt, ret, ret_found, err);
}

static hone_status put_again(hone_db *db, const hone_db__record *old, hone_db__record *fresh,
                             const hone_db_sample *samples, uint32_t n, hone_error *err)
{
    int64_t known, run;
    bool cleared = old->pub.suspect && !fresh->pub.suspect; /* then it is another measurement */
    hone_status s = find_run(db, old->pub.id, samples, n, &known, &run, err);
    bool again = n > 0 && known != HONE_DB__NO_RUN;
    if (s != HONE_OK || (again && !cleared))
        return s;
    if (again)
        run = known;
    else
        s = hone_db__samples_add(db, old->pub.id, run, samples, n, err);
    if (s != HONE_OK || !hone_db__is_better_founded(&fresh->pub, &old->pub))
        return s;
    fresh->pub.id = old->pub.id;
    fresh->run = n ? run : HONE_DB__NO_RUN;
    return hone_db__row_write(db, HONE_DB__RECORD_SET, &hone_db__record_table, fresh, err);
}

static hone_status put(hone_db *db, hone_db__record *fresh, const hone_db_sample *samples,
                       uint32_t n, int64_t *ret_id, bool *ret_existed, hone_error *err)
{
    hone_db__record old;
    fresh->run = n ? 0 : HONE_DB__NO_RUN; /* mostly it is new */
    HONE_TRY(hone_db__row_write(db, HONE_DB__RECORD_TRY, &hone_db__record_table, fresh, err));
    *ret_existed = sqlite3_changes(db->sqlite) == 0;
    if (!*ret_existed) {
        *ret_id = sqlite3_last_insert_rowid(db->sqlite);
        return hone_db__samples_add(db, *ret_id, 0, samples, n, err);
    }
    HONE_TRY(find_by_key(db, &fresh->pub, &old, ret_existed, err));
    if (!*ret_existed)
        return hone_fail(err, HONE_E_CORRUPT, "an index of '%s' has a record that is not there",
                         db->path);
    *ret_id = old.pub.id;
    hone_status s = put_again(db, &old, fresh, samples, n, err);
    hone_db__row_free(&hone_db__record_table, &old);
    return s;
}

hone_status hone_db_record_put(hone_db *db, const hone_db_record *r, const hone_db_sample *samples,
                               uint32_t n_samples, int64_t *ret_id, bool *ret_existed,
                               hone_error *err)
{
    hone_db__record fresh;
    int64_t id = 0;
    bool existed = false;
    HONE_TRY(complete(db, r, samples, n_samples, &fresh, err));
    hone_status s = hone_db__enter(db, err);
    if (s == HONE_OK) {
        s = put(db, &fresh, samples, n_samples, &id, &existed, err);
        s = hone_db__leave(db, s, err);
    }
    drop(&fresh);
    if (s != HONE_OK)
        return s;
    if (ret_id)
        *ret_id = id;
    if (ret_existed)
        *ret_existed = existed;
    return HONE_OK;
}

/* ---- get ----------------------------------------------------------------------------------- */

hone_status hone_db_record_get(hone_db *db, int64_t id, hone_db_record *ret, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_db__record row;
    bool found;
    HONE_TRY(hone_db__sql(db, HONE_DB__RECORD_BY_ID, &stmt, err));
    hone_db__bind(stmt, "i", id);
    HONE_TRY(hone_db__row_one(db, &hone_db__record_table, stmt, &row, &found, err));
    if (!found)
        return hone_fail(err, HONE_E_NOTFOUND, "'%s' has no record %" PRId64, db->path, id);
    *ret = row.pub;
    return HONE_OK;
}

hone_status hone_db_record_find(hone_db *db, int64_t workload_id, int64_t target_id,
                                uint64_t trace_hash, hone_db_record *ret, hone_error *err)
{
    const hone_db_record key = {
        .workload_id = workload_id, .target_id = target_id, .trace_hash = trace_hash};
    hone_db__record row;
    bool found;
    char hex[17];
    HONE_TRY(find_by_key(db, &key, &row, &found, err));
    if (found) {
        *ret = row.pub;
        return HONE_OK;
    }
    hone_hash_format(trace_hash, hex);
    return hone_fail(err, HONE_E_NOTFOUND, "'%s' has no record of the trace %s", db->path, hex);
}

/* Why there is no best: the first of workload, target and result that is missing. */
static hone_status explain_miss(hone_db *db, uint64_t workload_hash, const char *target_text,
                                int32_t threads, hone_error *err)
{
    hone_db_workload w;
    hone_db_target t;
    HONE_TRY(hone_db_workload_find(db, workload_hash, &w, err));
    hone_status s = hone_db_target_find(db, target_text, threads, &t, err);
    if (s == HONE_OK) {
        s = hone_fail(err, HONE_E_NOTFOUND,
                      "'%s' has no good result of '%s' on '%.80s', %d thread%s", db->path, w.name,
                      t.text, threads, threads == 1 ? "" : "s");
        hone_db_target_free(&t);
    }
    hone_db_workload_free(&w);
    return s;
}

int64_t hone_db_record_clock(const hone_db_record *r)
{
    return r->compare_ns > 0 ? r->compare_ns : r->time_ns;
}

/* The winner a session named, or what a later session stored that is faster. */
static hone_status named(hone_db *db, uint64_t workload_hash, const char *target_text,
                         int32_t threads, int64_t space_version, hone_db__record *ret,
                         bool *ret_found, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_db__record since;
    bool beaten = false;
    int64_t session = 0;
    HONE_TRY(hone_db__sql(db, HONE_DB__RECORD_NAMED, &stmt, err));
    hone_db__bind(stmt, "htii", workload_hash, target_text, (int64_t)threads, space_version);
    hone_status s = hone_db__step(db, stmt, "reading", ret_found, err);
    if (s == HONE_OK && *ret_found) {
        s = hone_db__row_read(db, &hone_db__record_table, stmt, 0, ret, err);
        if (s == HONE_OK)
            hone_db__row_own(&hone_db__record_table, ret);
        session = sqlite3_column_int64(stmt, HONE_DB__WIDTH(&hone_db__record_table));
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    if (s != HONE_OK || !*ret_found)
        return s;
    s = hone_db__sql(db, HONE_DB__RECORD_SINCE, &stmt, err);
    if (s == HONE_OK) {
        hone_db__bind(stmt, "iiiii", ret->pub.workload_id, ret->pub.target_id,
                      hone_db_record_clock(&ret->pub), session, space_version);
        s = hone_db__row_one(db, &hone_db__record_table, stmt, &since, &beaten, err);
    }
    if (s != HONE_OK || beaten)
        hone_db__row_free(&hone_db__record_table, ret);
    if (beaten)
        *ret = since;
    return s;
}

hone_status hone_db_best(hone_db *db, uint64_t workload_hash, const char *target_text,
                         int32_t threads, hone_db_record *ret, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_db__record row;
    bool found;
    HONE_TRY(named(db, workload_hash, target_text, threads, HONE_SPACE_VERSION, &row, &found, err));
    if (!found)
        HONE_TRY(named(db, workload_hash, target_text, threads, 0, &row, &found, err));
    if (!found) {
        HONE_TRY(hone_db__sql(db, HONE_DB__RECORD_BEST, &stmt, err));
        hone_db__bind(stmt, "hti", workload_hash, target_text, (int64_t)threads);
        hone_status s = hone_db__row_one(db, &hone_db__record_table, stmt, &row, &found, err);
        sqlite3_clear_bindings(stmt);
        HONE_TRY(s);
    }
    if (!found)
        return explain_miss(db, workload_hash, target_text, threads, err);
    *ret = row.pub;
    return HONE_OK;
}

hone_status hone_db_record_samples(hone_db *db, int64_t id, hone_db_sample **ret, uint32_t *ret_n,
                                   hone_error *err)
{
    HONE_VEC(hone_db_sample) v = {0};
    sqlite3_stmt *stmt;
    bool row;
    HONE_TRY(hone_db__sql(db, HONE_DB__SAMPLES_OF_TIME, &stmt, err));
    hone_db__bind(stmt, "i", id);
    hone_status s;
    while ((s = hone_db__step(db, stmt, "reading samples", &row, err)) == HONE_OK && row) {
        const hone_db_sample x = {sqlite3_column_double(stmt, 0), sqlite3_column_double(stmt, 1)};
        hone_vec_push(&v, x);
    }
    if (s != HONE_OK)
        hone_vec_free(&v);
    *ret = v.v;
    *ret_n = v.n;
    return s;
}

hone_status hone_db_record_count(hone_db *db, const char *target_class, uint64_t *ret,
                                 hone_error *err)
{
    sqlite3_stmt *stmt;
    bool row = false;
    *ret = 0;
    HONE_TRY(hone_db__sql(db, HONE_DB__RECORD_COUNT, &stmt, err));
    hone_db__bind(stmt, "t", target_class);
    hone_status s = hone_db__step(db, stmt, "counting records", &row, err);
    if (s == HONE_OK && row)
        *ret = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return s;
}

void hone_db_record_free(hone_db_record *r)
{
    hone_db__record row = {.pub = *r};
    hone_db__row_free(&hone_db__record_table, &row);
    *r = row.pub;
}
