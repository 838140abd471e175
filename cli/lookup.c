/* Looking a kernel up in the log, and saying what is there when it is not. */
#include "cli/lookup.h"

/* Records looked through for one that can be replayed. */
#define MOST_FOLLOWED 256
/* What is there instead: so many are named. */
#define MOST_NAMED 4

/* ---- a trace becomes a schedule ------------------------------------------------------------ */

static hone_status follow(const char *text, size_t n, const cli_kernel *k, cli_answer *ret,
                          hone_error *err)
{
    hone_trace t = {0};
    ret->sched.intrins = ret->intrins;
    hone_status st = hone_trace_parse(text, n, &t, err);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, &k->program, &ret->sched, NULL, false, err);
    ret->as_written = hone_trace_search_part(&t) == 0;
    ret->program = &ret->sched.prog;
    hone_trace_free(&t);
    return st;
}

typedef HONE_VEC(int64_t) ids;

static bool note_id(void *ctx, const hone_db_record *r)
{
    ids *v = ctx;
    hone_vec_push(v, r->id);
    return true;
}

/* The record's schedule, or, when another version of the space made it and it cannot be replayed
 * any more, that of the fastest record that can. */
static hone_status follow_best(hone_db *db, const cli_kernel *k, cli_answer *ret, hone_error *err)
{
    ids fastest = {0};
    hone_db_record *r = &ret->record;
    hone_status st = cli_intrins_recall(db, r->session_id, ret->intrins, err);
    if (st == HONE_OK)
        st = follow(r->trace, strlen(r->trace), k, ret, err);
    if (st == HONE_OK || r->space_version == HONE_SPACE_VERSION)
        return st;
    st = hone_db_each_fastest(db, r->workload_id, r->target_id, MOST_FOLLOWED, note_id, &fastest,
                              err);
    bool found = false;
    for (uint32_t i = 0; i < fastest.n && st == HONE_OK && !found; i++) {
        hone_db_record_free(r);
        *r = (hone_db_record){0};
        st = hone_db_record_get(db, fastest.v[i], r, err);
        found = st == HONE_OK && follow(r->trace, strlen(r->trace), k, ret, NULL) == HONE_OK;
    }
    hone_vec_free(&fastest);
    if (st == HONE_OK && !found)
        st = hone_fail(err, HONE_E_NOTFOUND,
                       "the results of %s in '%s' were made by another version of the space than "
                       "this hone's, %d, and cannot be replayed",
                       k->title, hone_db_path(db), HONE_SPACE_VERSION);
    return st;
}

/* ---- what is there instead ----------------------------------------------------------------- */

typedef struct others {
    const cli_kernel *kernel;
    uint64_t hash;
    hone_buf names;
    unsigned n;
} others;

void cli_put_sizes(const char *text, hone_buf *ret)
{
    json_t *sizes = json_loads(text, 0, NULL), *value;
    const char *name;
    json_object_foreach(sizes, name, value) hone_buf_printf(
        ret, "%s%s=%" JSON_INTEGER_FORMAT, ret->n ? " " : "", name, json_integer_value(value));
    json_decref(sizes);
}

static bool note_other(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                       const hone_db_record *r)
{
    (void)r;
    others *o = ctx;
    if (o->n++ >= MOST_NAMED)
        return true;
    hone_buf sizes = {0};
    hone_target target;
    if (w->hash != o->hash)
        cli_put_sizes(w->sizes, &sizes);
    bool changed = w->hash != o->hash && strcmp(w->sizes, o->kernel->sizes) == 0;
    hone_buf_printf(&o->names, "%s%s%s%d thread%s on %s%s", o->names.n ? "; " : "",
                    sizes.n ? sizes.s : "", sizes.n ? ", " : "", t->threads,
                    t->threads == 1 ? "" : "s",
                    hone_target_parse(t->text, &target, NULL) == HONE_OK ? target.cpu : "?",
                    changed ? " (of another text)" : "");
    hone_buf_free(&sizes);
    return true;
}

/* One line: this kernel for other targets, or others of its name. */
static char *describe_miss(hone_db *db, const cli_kernel *k, const hone_target *target,
                           int32_t threads)
{
    others o = {.kernel = k, .hash = hone_program_hash(&k->program)};
    hone_db_workload w;
    const char *what = "it has this kernel for";
    if (hone_db_workload_find(db, o.hash, &w, NULL) == HONE_OK) {
        (void)!hone_db_each_best(db, &(hone_db_where){.workload_id = w.id}, note_other, &o, NULL);
        hone_db_workload_free(&w);
    }
    if (o.n == 0) {
        const char *name = hone_sym_text(&k->program, k->program.name);
        what = "it has this name for";
        (void)!hone_db_each_best(db, &(hone_db_where){.workload_class = name}, note_other, &o,
                                 NULL);
    }
    hone_buf text = {0};
    hone_buf_printf(&text, "'%s' has no result of %s for %d thread%s on %s", hone_db_path(db),
                    k->title, threads, threads == 1 ? "" : "s", target->cpu);
    if (o.n > 0)
        hone_buf_printf(&text, "; %s %s", what, o.names.s);
    if (o.n > MOST_NAMED)
        hone_buf_printf(&text, " and %u more", o.n - MOST_NAMED);
    hone_buf_free(&o.names);
    return hone_buf_take(&text);
}

/* ---- the rungs ----------------------------------------------------------------------------- */

static hone_status best_of(hone_db *db, const cli_kernel *k, const hone_target *target,
                           int32_t threads, cli_answer *ret, hone_error *err)
{
    char *text = hone_target_text(target);
    hone_status st =
        hone_db_best(db, hone_program_hash(&k->program), text, threads, &ret->record, err);
    free(text);
    if (st == HONE_OK)
        return follow_best(db, k, ret, err);
    if (st == HONE_E_NOTFOUND && err) {
        char *miss = describe_miss(db, k, target, threads);
        hone_fail(err, st, "%s", miss);
        free(miss);
    }
    return st;
}

hone_status cli_look_up(const char *db_path, const cli_kernel *k, const hone_target *target,
                        int32_t threads, bool exact_only, cli_answer *ret, hone_error *err)
{
    hone_db *db = NULL;
    hone_error why = {0};
    hone_status st = hone_db_open(db_path, HONE_DB_READ, &db, &why);
    if (st == HONE_OK)
        st = best_of(db, k, target, threads, ret, &why);
    hone_db_close(db);
    if (st == HONE_E_NOTFOUND && !exact_only) {
        hone_db_record_free(&ret->record);
        ret->record = (hone_db_record){0};
        ret->rung = "default";
        ret->miss = hone_xstrdup(why.message);
        ret->program = &k->program;
        ret->as_written = true;
        return HONE_OK;
    }
    ret->rung = "exact";
    if (st != HONE_OK && err)
        *err = why;
    return st;
}

hone_status cli_read_trace(const char *path, const cli_kernel *k, cli_answer *ret, hone_error *err)
{
    char *text = NULL;
    size_t n = 0;
    hone_status st = hone_file_read(path, HONE_MAX_TRACE_BYTES, &text, &n, err);
    ret->rung = "given";
    if (st == HONE_OK) {
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
            text[--n] = '\0';
        ret->record.trace = hone_xstrdup(text);
        st = follow(text, n, k, ret, err);
    }
    free(text);
    return st;
}

void cli_answer_free(cli_answer *a)
{
    hone_db_record_free(&a->record);
    hone_sched_fini(&a->sched);
    hone_intrin_set_free(a->intrins);
    free(a->miss);
}
