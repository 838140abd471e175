/* The records of a merge: who has which candidate, whose result stands, and all in order of date.
 *
 * Reader's map: what there is; measurements; which result stands; writing. */
#include "db/merge.h"

/* A record of one log. */
typedef struct found {
    int64_t workload, target; /* ids in the merged log */
    uint64_t trace_hash;
    int64_t created_ms, id; /* id: in its own log */
    unsigned source;
} found;

/* What the logs have of one candidate. */
typedef struct candidate {
    const found *first, *stands;
    uint32_t n;
} candidate;

typedef struct records {
    hone_db__merge *m;
    HONE_VEC(found) found;
    HONE_VEC(candidate) candidates;
} records;

/* ---- what there is --------------------------------------------------------------------------- */

/* NULL: the record can be taken. */
static const char *why_not(hone_db__source *s, const hone_db__record *r, found *ret,
                           hone_status *ret_st, hone_error *err)
{
    const hone_db_record *p = &r->pub;
    sqlite3_stmt *stmt;
    bool row = false;
    int64_t samples = 0;
    if (p->status == HONE_STATUS_COUNT)
        return "record: a status that this version does not know";
    *ret = (found){.workload = hone_db__merge_moved(s, &hone_db__workload_table, p->workload_id),
                   .target = hone_db__merge_moved(s, &hone_db__target_table, p->target_id),
                   .trace_hash = p->trace_hash,
                   .created_ms = p->created_ms,
                   .id = p->id};
    if (!ret->workload || !ret->target)
        return "record: its workload or target is missing";
    *ret_st = hone_db__sql(s->db, HONE_DB__SAMPLE_COUNT, &stmt, err);
    if (*ret_st != HONE_OK)
        return NULL;
    hone_db__bind(stmt, "ii", p->id, r->run);
    *ret_st = hone_db__step(s->db, stmt, "reading", &row, err);
    if (row)
        samples = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return *ret_st == HONE_OK && samples != p->n_samples ? "record: samples are missing" : NULL;
}

static hone_status scan(records *x, unsigned source, uint64_t all, hone_error *err)
{
    hone_db__source *s = &x->m->sources[source];
    sqlite3_stmt *stmt;
    bool got;
    hone_status st = HONE_OK;
    HONE_TRY(hone_db__prepare(s->db, "SELECT @r FROM record r", &stmt, err));
    while (st == HONE_OK && (st = hone_db__step(s->db, stmt, "reading", &got, err)) == HONE_OK &&
           got) {
        hone_db__record r;
        found f = {0};
        const char *why = "record: its checksum does not match";
        if (hone_db__row_read(s->db, &hone_db__record_table, stmt, 0, &r, NULL) == HONE_OK)
            why = why_not(s, &r, &f, &st, err);
        f.source = source;
        if (why)
            hone_db__merge_leave_out(s, why);
        else if (st == HONE_OK)
            hone_vec_push(&x->found, f);
        if (st == HONE_OK)
            st = hone_db__merge_tick(x->m, "reading", x->found.n, all, err);
    }
    sqlite3_finalize(stmt);
    return st;
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_candidate(const found *a, const found *b)
{
    if (a->workload != b->workload)
        return a->workload > b->workload ? 1 : -1;
    if (a->target != b->target)
        return a->target > b->target ? 1 : -1;
    return order(a->trace_hash, b->trace_hash);
}

static int by_candidate(const void *x, const void *y)
{
    const found *a = x, *b = y;
    int o = compare_candidate(a, b);
    return o ? o : order(a->source, b->source);
}

/* As they were first seen by anybody; of one moment, by what they are. */
static int by_date(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    if (a->stands->created_ms != b->stands->created_ms)
        return a->stands->created_ms > b->stands->created_ms ? 1 : -1;
    return compare_candidate(a->stands, b->stands);
}

/* ---- measurements ---------------------------------------------------------------------------- */

typedef struct run {
    HONE_VEC(hone_db_sample) v;
    bool stands;    /* the result rests on it */
    int64_t number; /* in the merged log */
} run;
typedef struct runs {
    HONE_VEC(run) v;
} runs;

static int compare_runs(const run *a, const run *b)
{
    uint32_t n = a->v.n < b->v.n ? a->v.n : b->v.n;
    for (uint32_t k = 0; k < n; k++) {
        const hone_db_sample *x = &a->v.v[k], *y = &b->v.v[k];
        if (x->candidate_ns < y->candidate_ns || x->candidate_ns > y->candidate_ns)
            return x->candidate_ns > y->candidate_ns ? 1 : -1;
        if (x->incumbent_ns < y->incumbent_ns || x->incumbent_ns > y->incumbent_ns)
            return x->incumbent_ns > y->incumbent_ns ? 1 : -1;
    }
    return (a->v.n > b->v.n) - (a->v.n < b->v.n);
}

static int by_samples(const void *x, const void *y)
{
    const run *a = x, *b = y;
    int o = compare_runs(a, b);
    return o ? o : (int)b->stands - (int)a->stands;
}

/* Adds the measurements that one log has; `stands`: the number of the one that counts, if any. */
static hone_status read_runs(hone_db *db, int64_t id, int64_t stands, runs *to, hone_error *err)
{
    sqlite3_stmt *stmt;
    hone_status st;
    bool row;
    int64_t last = -1;
    HONE_TRY(hone_db__sql(db, HONE_DB__SAMPLES, &stmt, err));
    hone_db__bind(stmt, "i", id);
    while ((st = hone_db__step(db, stmt, "reading samples", &row, err)) == HONE_OK && row) {
        int64_t number = sqlite3_column_int64(stmt, 0);
        if (to->v.n == 0 || number != last)
            hone_vec_push(&to->v, (run){.stands = number == stands});
        last = number;
        const hone_db_sample s = {sqlite3_column_double(stmt, 1), sqlite3_column_double(stmt, 2)};
        hone_vec_push(&to->v.v[to->v.n - 1].v, s);
    }
    return st;
}

/* Numbers them in an order by their samples, equal ones alike. Returns the number of the one that
 * counts. */
static int64_t number_runs(runs *all)
{
    int64_t stands = HONE_DB__NO_RUN;
    if (all->v.n)
        qsort(all->v.v, all->v.n, sizeof *all->v.v, by_samples);
    for (uint32_t k = 0; k < all->v.n; k++) {
        run *r = &all->v.v[k];
        r->number = k == 0 ? 0 : r[-1].number + (compare_runs(r - 1, r) != 0);
        if (r->stands)
            stands = r->number;
    }
    return stands;
}

static hone_status write_runs(hone_db *db, int64_t id, const runs *all, hone_error *err)
{
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < all->v.n && st == HONE_OK; k++) {
        const run *r = &all->v.v[k];
        if (k == 0 || r->number != r[-1].number)
            st = hone_db__samples_add(db, id, r->number, r->v.v, r->v.n, err);
    }
    return st;
}

/* ---- which result stands --------------------------------------------------------------------- */

/* The row with its references as the merged log has them; the caller frees it. */
static hone_status load(const records *x, const found *f, hone_db__record *ret, hone_error *err)
{
    hone_db__source *s = &x->m->sources[f->source];
    sqlite3_stmt *stmt;
    bool got;
    HONE_TRY(hone_db__sql(s->db, HONE_DB__RECORD_BY_ID, &stmt, err));
    hone_db__bind(stmt, "i", f->id);
    HONE_TRY(hone_db__row_one(s->db, &hone_db__record_table, stmt, ret, &got, err));
    if (!got)
        return hone_fail(err, HONE_E_CORRUPT,
                         "record %" PRId64 " of '%s' is gone: check it with "
                         "hone db check %s",
                         f->id, s->path, s->path);
    ret->pub.workload_id = f->workload;
    ret->pub.target_id = f->target;
    ret->pub.session_id = hone_db__merge_moved(s, &hone_db__session_table, ret->pub.session_id);
    ret->pub.fence = 0; /* it is the number of a lease in that log */
    return HONE_OK;
}

/* Of c's records the one that stands. Each log's counts grow by what it brings to those before. */
static hone_status choose(records *x, candidate *c, hone_error *err)
{
    hone_db__record best, r;
    c->stands = c->first;
    x->m->sources[c->first->source].added++;
    if (c->n == 1)
        return HONE_OK;
    HONE_TRY(load(x, c->first, &best, err));
    hone_status st = HONE_OK;
    for (uint32_t k = 1; k < c->n && st == HONE_OK; k++) {
        const found *f = c->first + k;
        hone_db__source *s = &x->m->sources[f->source];
        st = load(x, f, &r, err);
        if (st != HONE_OK)
            break;
        if (hone_db__founded_compare(&r, &best) > 0) {
            s->better++;
            c->stands = f;
            hone_db__row_free(&hone_db__record_table, &best);
            best = r;
        } else {
            s->duplicate++;
            hone_db__row_free(&hone_db__record_table, &r);
        }
    }
    hone_db__row_free(&hone_db__record_table, &best);
    return st;
}

static hone_status choose_all(records *x, hone_error *err)
{
    hone_status st = HONE_OK;
    if (x->found.n)
        qsort(x->found.v, x->found.n, sizeof *x->found.v, by_candidate);
    for (uint32_t k = 0; k < x->found.n && st == HONE_OK;) {
        candidate c = {.first = &x->found.v[k]};
        while (k < x->found.n && compare_candidate(c.first, &x->found.v[k]) == 0)
            c.n++, k++;
        st = choose(x, &c, err);
        hone_vec_push(&x->candidates, c);
        if (st == HONE_OK)
            st = hone_db__merge_tick(x->m, "comparing", x->candidates.n, 0, err);
    }
    if (x->candidates.n)
        qsort(x->candidates.v, x->candidates.n, sizeof *x->candidates.v, by_date);
    return st;
}

/* ---- writing --------------------------------------------------------------------------------- */

static hone_status write_candidate(const records *x, const candidate *c, int64_t id,
                                   hone_error *err)
{
    hone_db__record r = {0};
    runs all = {0};
    HONE_TRY(load(x, c->stands, &r, err));
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < c->n && st == HONE_OK; k++) {
        const found *f = c->first + k;
        st = read_runs(x->m->sources[f->source].db, f->id, f == c->stands ? r.run : HONE_DB__NO_RUN,
                       &all, err);
    }
    r.pub.id = id;
    r.run = number_runs(&all);
    if (st == HONE_OK)
        st = hone_db__row_write(x->m->to, HONE_DB__RECORD_ADD, &hone_db__record_table, &r, err);
    if (st == HONE_OK)
        st = write_runs(x->m->to, id, &all, err);
    for (uint32_t k = 0; k < all.v.n; k++)
        hone_vec_free(&all.v.v[k].v);
    hone_vec_free(&all.v);
    hone_db__row_free(&hone_db__record_table, &r);
    return st;
}

hone_status hone_db__merge_records(hone_db__merge *m, hone_error *err)
{
    records x = {.m = m};
    hone_status st = HONE_OK;
    uint64_t all = 0;
    for (unsigned k = 0; k < m->n && st == HONE_OK; k++) {
        int64_t n;
        st = hone_db__number(m->sources[k].db, "SELECT count(*) FROM record", &n, err);
        all += (uint64_t)n;
    }
    for (unsigned k = 0; k < m->n && st == HONE_OK; k++)
        st = scan(&x, k, all, err);
    if (st == HONE_OK)
        st = choose_all(&x, err);
    for (uint32_t k = 0; k < x.candidates.n && st == HONE_OK; k++) {
        st = write_candidate(&x, &x.candidates.v[k], k + 1, err);
        if (st == HONE_OK)
            st = hone_db__merge_tick(m, "writing", k, x.candidates.n, err);
    }
    hone_vec_free(&x.found);
    hone_vec_free(&x.candidates);
    return st;
}
