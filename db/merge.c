/* Several logs into one, which depends on what they hold and not on their order: each table's rows
 * are put together by what they are, one of each stands, and they are numbered anew in an order by
 * content. The log that is written to is one of the logs, read as it was before; all is one
 * transaction.
 *
 * Reader's map: what the rules of each table are; one table; the logs. */
#include "db/merge.h"

#include <unistd.h>

/* ---- rules ----------------------------------------------------------------------------------- */

/* Column names, to compare by one after the other; NULL ends them. */
typedef const char *columns[9];

/* < 0: a stands. Rows that are the same in this are equal in all. */
typedef int (*choose_fn)(const hone_db__any_row *a, const hone_db__any_row *b);

static int earlier_workload(const hone_db__any_row *a, const hone_db__any_row *b)
{
    return hone_db__order(a->workload.created_ms, b->workload.created_ms);
}

static int earlier_target(const hone_db__any_row *a, const hone_db__any_row *b)
{
    return hone_db__order(a->target.created_ms, b->target.created_ms);
}

/* The copy that was made when the session had come further. */
static int later_in_session(const hone_db__any_row *a, const hone_db__any_row *b)
{
    const hone_db_session *x = &a->session, *y = &b->session;
    if ((x->ended_ms > 0) != (y->ended_ms > 0))
        return x->ended_ms > 0 ? -1 : 1;
    int order = hone_db__order(y->trials, x->trials);
    return order ? order : hone_db__order(y->ended_ms, x->ended_ms);
}

/* A model that fell behind the last few and comes back later counts as the later one: else the
 * result would depend on when the few were counted. */
static int later_model(const hone_db__any_row *a, const hone_db__any_row *b)
{
    return hone_db__order(b->model.created_ms, a->model.created_ms);
}

static int later_machine(const hone_db__any_row *a, const hone_db__any_row *b)
{
    return hone_db__order(b->machine.created_ms, a->machine.created_ms);
}

static int either(const hone_db__any_row *a, const hone_db__any_row *b)
{
    (void)a, (void)b;
    return 0;
}

/* What makes two rows the same one; where it stands among the others, before all its columns; which
 * of two that are the same stands; and of those that are alike in `kind` how many, the last, are
 * kept (0: all). In the order of hone_db__tables. */
static const struct rule {
    columns same, order;
    choose_fn choose;
    unsigned keep;
    columns kind;
} rules[] = {
    {{"hash"}, {"created_ms", "hash"}, earlier_workload, 0, {NULL}},
    {{"text", "threads"}, {"created_ms", "text", "threads"}, earlier_target, 0, {NULL}},
    {{"started_ms", "workload_id", "target_id", "seed", "rng", "hone_version"},
     {"started_ms"},
     later_in_session,
     0,
     {NULL}},
    {{NULL}, {NULL}, NULL, 0, {NULL}}, /* records: merge_records.c */
    {{NULL}, {"created_ms"}, either, 0, {NULL}},
    {{"class", "threads", "about", "bytes", "hone_version"},
     {"created_ms"},
     later_model,
     HONE_DB_KEEP_MODELS,
     {"class", "threads"}},
    {{"target_id", "numbers", "about", "hone_version"},
     {"created_ms"},
     later_machine,
     HONE_DB_KEEP_MACHINES,
     {"target_id"}},
};
_Static_assert(HONE_LEN(rules) == HONE_LEN(hone_db__tables), "a rule for each table");

/* ---- one table ------------------------------------------------------------------------------- */

typedef struct item {
    hone_db__any_row row; /* owned; its id is that of its log */
    unsigned source, table;
    bool stands;
    int64_t to;
} item;

typedef struct items {
    HONE_VEC(item) v;
} items;

static int compare_by(const item *a, const item *b, const char *const *names)
{
    return hone_db__row_compare(hone_db__tables[a->table], &a->row, &b->row, names);
}

/* Rows that are the same one side by side, the one that stands first. */
static int by_identity(const void *x, const void *y)
{
    const item *a = x, *b = y;
    const struct rule *r = &rules[a->table];
    int order = compare_by(a, b, r->same);
    if (order == 0)
        order = r->choose(&a->row, &b->row);
    return order ? order : compare_by(a, b, NULL);
}

/* Those that stand first, in their order. */
static int by_place(const void *x, const void *y)
{
    const item *a = *(const item *const *)x, *b = *(const item *const *)y;
    if (a->stands != b->stands)
        return a->stands ? -1 : 1;
    int order = compare_by(a, b, rules[a->table].order);
    return order ? order : compare_by(a, b, NULL);
}

static int by_from(const void *x, const void *y)
{
    const hone_db__moved *a = x, *b = y;
    return hone_db__order(a->from, b->from);
}

int64_t hone_db__merge_moved(const hone_db__source *s, const hone_db__table *t, int64_t from)
{
    unsigned k = 0;
    while (hone_db__tables[k] != t)
        k++;
    const hone_db__moved key = {from, 0}, *found = NULL;
    if (s->moved[k].n)
        found = bsearch(&key, s->moved[k].v, s->moved[k].n, sizeof key, by_from);
    return found ? found->to : 0;
}

hone_status hone_db__merge_tick(const hone_db__merge *m, const char *doing, uint64_t done,
                                uint64_t all, hone_error *err)
{
    if (!m->tick || done % 256 != 0 || m->tick(m->ctx, doing, done, all))
        return HONE_OK;
    return hone_fail(err, HONE_E_INTERRUPTED, "interrupted: '%s' is as it was", m->to->path);
}

void hone_db__merge_leave_out(hone_db__source *s, const char *why)
{
    json_int_t n = json_integer_value(json_object_get(s->left_out, why));
    json_object_set_new(s->left_out, why, json_integer(n + 1));
}

/* What a session or a machine refers to, by the merged log's ids. False: it is not there. */
static bool move_references(const hone_db__source *s, const hone_db__table *t,
                            hone_db__any_row *row)
{
    if (t == &hone_db__machine_table) {
        row->machine.target_id =
            hone_db__merge_moved(s, &hone_db__target_table, row->machine.target_id);
        return row->machine.target_id != 0;
    }
    if (t != &hone_db__session_table)
        return true;
    int64_t *w = &row->session.workload_id, *of = &row->session.target_id;
    bool had_w = *w, had_t = *of;
    *w = hone_db__merge_moved(s, &hone_db__workload_table, *w);
    *of = hone_db__merge_moved(s, &hone_db__target_table, *of);
    return (!had_w || *w) && (!had_t || *of);
}

static hone_status read_table(hone_db__merge *m, unsigned source, unsigned table, items *to,
                              hone_error *err)
{
    const hone_db__table *t = hone_db__tables[table];
    hone_db__source *s = &m->sources[source];
    char *sql = hone_xasprintf("SELECT @%c FROM %s %c", t->letter, t->name, t->letter);
    sqlite3_stmt *stmt;
    bool got;
    hone_status st = hone_db__prepare(s->db, sql, &stmt, err);
    free(sql);
    HONE_TRY(st);
    while ((st = hone_db__step(s->db, stmt, "reading", &got, err)) == HONE_OK && got) {
        item x = {.source = source, .table = table};
        const char *why = NULL;
        if (hone_db__row_read(s->db, t, stmt, 0, &x.row, NULL) != HONE_OK)
            why = "its checksum does not match";
        else if (!move_references(s, t, &x.row))
            why = "its workload or target is missing";
        if (why) {
            char *text = hone_xasprintf("%s: %s", t->name, why);
            hone_db__merge_leave_out(s, text);
            free(text);
            continue;
        }
        hone_db__row_own(t, &x.row);
        hone_vec_push(&to->v, x);
    }
    sqlite3_finalize(stmt);
    return st;
}

static bool is_of_same(const item *a, const item *b)
{
    return compare_by(a, b, rules[a->table].same) == 0;
}

/* Is it among the last of its kind that are kept? `v` is in order. */
static bool is_kept(item *const *v, uint32_t n, uint32_t k)
{
    const struct rule *r = &rules[v[k]->table];
    unsigned later = 0;
    for (uint32_t q = k + 1; q < n && r->keep; q++)
        later += compare_by(v[k], v[q], r->kind) == 0;
    return !r->keep || later < r->keep;
}

/* Numbers those that stand, and writes them. */
static hone_status write_items(hone_db__merge *m, const hone_db__table *t, items *all,
                               hone_error *err)
{
    HONE_VEC(item *) v = {0};
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < all->v.n; k++)
        if (all->v.v[k].stands)
            hone_vec_push(&v, &all->v.v[k]);
    if (v.n)
        qsort(v.v, v.n, sizeof *v.v, by_place);
    int64_t id = 0;
    for (uint32_t k = 0; k < v.n && st == HONE_OK; k++) {
        if (!is_kept(v.v, v.n, k))
            continue;
        hone_db__any_row row = v.v[k]->row;
        v.v[k]->to = row.id = ++id;
        st = hone_db__row_write(m->to, t->add, t, &row, err);
    }
    hone_vec_free(&v);
    return st;
}

static hone_status merge_table(hone_db__merge *m, unsigned table, hone_error *err)
{
    items all = {0};
    hone_status st = HONE_OK;
    for (unsigned k = 0; k < m->n && st == HONE_OK; k++)
        st = read_table(m, k, table, &all, err);
    item *v = all.v.v;
    uint32_t n = all.v.n;
    if (n)
        qsort(v, n, sizeof *v, by_identity);
    for (uint32_t k = 0; k < n; k++)
        v[k].stands = k == 0 || !is_of_same(&v[k - 1], &v[k]);
    if (st == HONE_OK)
        st = write_items(m, hone_db__tables[table], &all, err);
    for (uint32_t k = 0; k < n; k++) {
        if (!v[k].stands)
            v[k].to = v[k - 1].to;
        hone_vec_push(&m->sources[v[k].source].moved[table],
                      (hone_db__moved){v[k].row.id, v[k].to});
    }
    for (unsigned k = 0; k < m->n; k++)
        if (m->sources[k].moved[table].n)
            qsort(m->sources[k].moved[table].v, m->sources[k].moved[table].n,
                  sizeof(hone_db__moved), by_from);
    for (uint32_t k = 0; k < n; k++)
        hone_db__row_free(hone_db__tables[table], &v[k].row);
    hone_vec_free(&all.v);
    return st;
}

/* ---- the logs -------------------------------------------------------------------------------- */

/* Each table after those that refer to it. */
static hone_status delete_all(hone_db *db, hone_error *err)
{
    HONE_TRY(hone_db__exec(db, "DELETE FROM sample", "merging", err));
    for (unsigned k = HONE_LEN(rules); k-- > 0;) {
        char sql[64];
        snprintf(sql, sizeof sql, "DELETE FROM %s", hone_db__tables[k]->name);
        HONE_TRY(hone_db__exec(db, sql, "merging", err));
    }
    return HONE_OK;
}

static hone_status merge_tables(hone_db__merge *m, hone_error *err)
{
    HONE_TRY(delete_all(m->to, err));
    for (unsigned k = 0; k < HONE_LEN(rules); k++)
        HONE_TRY(hone_db__tables[k] == &hone_db__record_table ? hone_db__merge_records(m, err)
                                                              : merge_table(m, k, err));
    HONE_TRY(hone_db__merge_items(m, err));
    return hone_db__merge_tick(m, "writing", 0, 0, err);
}

static hone_status merge_group(hone_db__merge *m, hone_error *err)
{
    HONE_TRY(hone_db_begin(m->to, err));
    hone_status st = merge_tables(m, err);
    if (st != HONE_OK) {
        hone_db_rollback(m->to);
        return st;
    }
    m->to->wal_warned = true; /* it is long because it holds all, not because somebody reads */
    return hone_db_commit(m->to, err);
}

/* Opens a log for reading as it is now, whatever is written to it meanwhile. */
static hone_status open_source(hone_db__source *s, hone_error *err)
{
    HONE_TRY(hone_db_open(s->path, HONE_DB_READ, &s->db, err));
    int64_t n;
    HONE_TRY(hone_db__exec(s->db, "BEGIN", "reading", err));
    return hone_db__number(s->db, "SELECT count(*) FROM meta", &n, err);
}

static hone_status refuse_itself(const char *to, const char *from, hone_error *err)
{
    char *a = NULL, *b = NULL;
    hone_status st = hone_db__file_resolve(to, &a, err);
    if (st == HONE_OK)
        st = hone_db__file_resolve(from, &b, err);
    if (st == HONE_OK && strcmp(a, b) == 0)
        st = hone_fail(err, HONE_E_INPUT,
                       "'%s' is also the log that is written to: name it once, first, and its "
                       "own results stay",
                       from);
    free(a);
    free(b);
    return st;
}

static json_t *tell(const hone_db__merge *m)
{
    json_t *list = json_array();
    for (unsigned k = 1; k < m->n; k++) {
        const hone_db__source *s = &m->sources[k];
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:I, s:O}", "file", hone_json_string(s->path), "added",
                            (json_int_t)s->added, "better", (json_int_t)s->better, "duplicate",
                            (json_int_t)s->duplicate, "left_out", s->left_out));
    }
    /* Rows of the log itself that could not be kept. */
    const json_t *own = m->sources[0].left_out;
    json_t *j = json_pack("{s:o}", "inputs", list);
    if (json_object_size(own) > 0)
        json_object_set(j, "left_out", (json_t *)own);
    return j;
}

static hone_status merge(hone_db__merge *m, const char *to, hone_error *err)
{
    for (unsigned k = 1; k < m->n; k++) {
        HONE_TRY(refuse_itself(to, m->sources[k].path, err));
        HONE_TRY(open_source(&m->sources[k], err));
    }
    HONE_TRY(hone_db_open(to, HONE_DB_WRITE | HONE_DB_CREATE, &m->to, err));
    m->sources[0].path = m->to->path;
    HONE_TRY(open_source(&m->sources[0], err));
    return merge_group(m, err);
}

hone_status hone_db_merge(const char *to, const char *const *from, unsigned n, hone_db_tick_fn tick,
                          void *ctx, json_t **ret, hone_error *err)
{
    hone_db__source *sources = hone_xcalloc(n + 1, sizeof *sources);
    hone_db__merge m = {.sources = sources, .n = n + 1, .tick = tick, .ctx = ctx};
    bool exists = access(to, F_OK) == 0;
    for (unsigned k = 0; k <= n; k++) {
        sources[k].path = k ? from[k - 1] : to;
        sources[k].left_out = json_object();
    }
    hone_status st = merge(&m, to, err);
    if (st == HONE_OK)
        *ret = tell(&m);
    for (unsigned k = 0; k <= n; k++) {
        hone_db_close(sources[k].db);
        json_decref(sources[k].left_out);
        for (unsigned q = 0; q < HONE_LEN(hone_db__tables); q++)
            hone_vec_free(&sources[k].moved[q]);
    }
    free(sources);
    if (st != HONE_OK && !exists)
        hone_db__discard(m.to);
    else
        hone_db_close(m.to);
    return st;
}
