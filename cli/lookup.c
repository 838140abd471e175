/* Looking a kernel up in the logs, or taking the trace that is given. */
#include "cli/lookup.h"

#include "cli/emit.h"
#include "tuner/lookup/library.h"

typedef struct logs {
    hone_db *v[CLI_MAX];
    unsigned n, missing;
    hone_error first; /* why the first one is missing */
} logs;

static hone_status open_logs(const cli_list *paths, logs *ret, hone_error *err)
{
    static const cli_list usual = {.v = {"hone.db"}, .n = 1};
    const cli_list *from = paths->n ? paths : &usual;
    for (unsigned k = 0; k < from->n; k++) {
        hone_error why = {0};
        char path[PATH_MAX];
        hone_status st = cli_log_path(from->v[k], path, &why);
        if (st == HONE_OK)
            st = hone_db_open(path, HONE_DB_READ, &ret->v[ret->n], &why);
        if (st == HONE_OK) {
            ret->n++;
        } else if (st != HONE_E_NOTFOUND) {
            *err = why;
            return st;
        } else {
            if (from->n > 1)
                hone_log(HONE_LOG_WARN, "%s: not asked", why.message);
            if (ret->missing++ == 0)
                ret->first = why;
        }
    }
    return HONE_OK;
}

hone_status cli_accept_code(const hone_lookup_question *q, const hone_sched *s, bool as_written,
                            const hone_intrin_set *intrins, hone_error *err)
{
    hone_code c = {0};
    if (hone_fault("emit.refuse"))
        return hone_fail(err, HONE_REJECT_BUILD, "HONE_FAULT says so");
    hone_status st = cli_compile(&(cli_schedule){.program = &s->prog,
                                                 .as_written = as_written,
                                                 .intrins = intrins,
                                                 .target = q->target,
                                                 .threads = q->threads},
                                 HONE_EMIT_OBJECT, "f", &c, err);
    hone_code_free(&c);
    return st;
}

static void close_logs(logs *l)
{
    for (unsigned i = 0; i < l->n; i++)
        hone_db_close(l->v[i]);
}

static hone_lookup_question question_of(const cli_lookup_options *o, const cli_kernel *k,
                                        const hone_target *target, int32_t threads, const logs *l)
{
    return (hone_lookup_question){.program = &k->program,
                                  .sizes = k->sizes,
                                  .title = k->title,
                                  .target = target,
                                  .threads = threads,
                                  .intrins = o->intrins,
                                  .logs = l->v,
                                  .n_logs = l->n,
                                  .lowest = o->lowest,
                                  .explain = o->explain,
                                  .accept = o->code ? cli_accept_code : NULL};
}

/* Among the libraries that were named, one that was measured to be faster; else ret->call is NULL.
 */
static hone_status look_for_call(const cli_lookup_options *o, const cli_kernel *k,
                                 const hone_lookup_question *q, cli_answer *ret,
                                 hone_db_record *ret_record, hone_error *err)
{
    hone_libcall calls[HONE_LIBCALL_MAX];
    hone_lookup_library_answer a = {0};
    if (!o->libraries || o->libraries->n == 0)
        return HONE_OK;
    HONE_TRY(cli_libraries_calls(o->libraries, k, calls, err));
    hone_status st = hone_lookup_library(q, calls, o->libraries->n, &a, err);
    if (st == HONE_OK) {
        ret->library = a.what;
        a.what = NULL;
    }
    if (st == HONE_OK && a.call) {
        ret->call = hone_xmalloc(sizeof *ret->call);
        *ret->call = *a.call;
        *ret_record = a.record;
        a.record = (hone_db_record){0};
    }
    hone_lookup_library_free(&a);
    return st;
}

/* The answer is the call, whatever the ladder says; the record is its own from now on. */
static void take_call(cli_answer *ret, hone_db_record *record)
{
    hone_lookup_answer *a = &ret->of;
    hone_db_record_free(&a->record);
    free(a->reason);
    free(a->miss);
    free(a->from_target);
    free(a->from_sizes);
    a->record = *record;
    a->rung = HONE_RUNG_exact;
    a->reason = hone_xstrdup(ret->library);
    a->share = 1;
    a->time_ns = record->time_ns;
    a->miss = a->from_target = a->from_sizes = NULL;
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++)
        a->steps[k].taken = false;
}

hone_status cli_look_up(const cli_lookup_options *o, const cli_kernel *k, const hone_target *target,
                        int32_t threads, cli_answer *ret, hone_error *err)
{
    logs l = {0};
    hone_lookup_answer *a = &ret->of;
    hone_status st = open_logs(o->logs, &l, err);
    hone_lookup_question q = question_of(o, k, target, threads, &l);
    hone_db_record record = {0};
    if (st == HONE_OK)
        st = look_for_call(o, k, &q, ret, &record, err);
    if (ret->call)
        q.lowest = HONE_RUNG_default;
    if (st == HONE_OK)
        st = hone_lookup(&q, a, err);
    if (st == HONE_OK && ret->call)
        take_call(ret, &record);
    else
        hone_db_record_free(&record);
    if (l.n == 0 && st == HONE_E_NOTFOUND)
        *err = l.first;
    if (l.n == 0 && st == HONE_OK) {
        free(a->miss);
        a->miss = hone_xstrdup(l.first.message);
    }
    close_logs(&l);
    if (st != HONE_OK)
        return st;
    ret->rung = hone_rung_name(a->rung);
    ret->trace = ret->call         ? NULL
                 : a->record.trace ? hone_xstrdup(a->record.trace)
                                   : hone_trace_text(&a->sched.trace);
    return HONE_OK;
}

hone_status cli_tuned_sizes(const cli_lookup_options *o, const cli_kernel *k,
                            const hone_target *target, int32_t threads, const char *name,
                            hone_sizes_tuned *ret, hone_error *err)
{
    logs l = {0};
    hone_status st = open_logs(o->logs, &l, err);
    hone_lookup_question q = question_of(o, k, target, threads, &l);
    if (st == HONE_OK)
        st = hone_lookup_tuned_sizes(&q, name, ret, err);
    close_logs(&l);
    return st;
}

hone_status cli_costs(const cli_lookup_options *o, const cli_kernel *k, const hone_target *target,
                      int32_t threads, const hone_trace *const *traces, unsigned n,
                      double *ret_cost, hone_error *err)
{
    logs l = {0};
    hone_status st = open_logs(o->logs, &l, err);
    hone_lookup_question q = question_of(o, k, target, threads, &l);
    if (st == HONE_OK)
        st = hone_lookup_costs(&q, traces, n, ret_cost, err);
    close_logs(&l);
    return st;
}

hone_status cli_read_trace(const char *path, const hone_intrin_set *intrins, const cli_kernel *k,
                           cli_answer *ret, hone_error *err)
{
    char *text = NULL;
    size_t n = 0;
    hone_trace t = {0};
    ret->rung = "given";
    ret->of.intrins = hone_intrin_set_new();
    const char *own = hone_intrin_set_text(intrins);
    hone_status st = hone_file_read(path, HONE_MAX_TRACE_BYTES, &text, &n, err);
    if (st == HONE_OK && *own)
        st = hone_intrin_set_add(ret->of.intrins, "--intrin", own, strlen(own), err);
    if (st == HONE_OK) {
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
            text[--n] = '\0';
        ret->trace = hone_xstrdup(text);
        ret->of.sched.intrins = ret->of.intrins;
        st = hone_trace_parse(text, n, &t, err);
        if (st == HONE_OK)
            st = hone_trace_replay(&t, &k->program, &ret->of.sched, NULL, false, err);
        ret->of.as_written = hone_trace_search_part(&t) == 0;
        hone_trace_free(&t);
    }
    free(text);
    return st;
}

void cli_answer_free(cli_answer *a)
{
    hone_lookup_free(&a->of);
    free(a->trace);
    free(a->call);
    free(a->library);
}
