/* Looking a kernel up in the logs, or taking the trace that is given. */
#include "cli/lookup.h"

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
        hone_status st = hone_db_open(from->v[k], HONE_DB_READ, &ret->v[ret->n], &why);
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

hone_status cli_look_up(const cli_lookup_options *o, const cli_kernel *k, const hone_target *target,
                        int32_t threads, cli_answer *ret, hone_error *err)
{
    logs l = {0};
    hone_lookup_answer *a = &ret->of;
    hone_status st = open_logs(o->logs, &l, err);
    if (st == HONE_OK)
        st = hone_lookup(&(hone_lookup_question){.program = &k->program,
                                                 .sizes = k->sizes,
                                                 .title = k->title,
                                                 .target = target,
                                                 .threads = threads,
                                                 .intrins = o->intrins,
                                                 .logs = l.v,
                                                 .n_logs = l.n,
                                                 .lowest = o->lowest,
                                                 .explain = o->explain},
                         a, err);
    if (l.n == 0 && st == HONE_E_NOTFOUND)
        *err = l.first;
    if (l.n == 0 && st == HONE_OK) {
        free(a->miss);
        a->miss = hone_xstrdup(l.first.message);
    }
    for (unsigned i = 0; i < l.n; i++)
        hone_db_close(l.v[i]);
    if (st != HONE_OK)
        return st;
    ret->rung = hone_rung_name(a->rung);
    ret->trace = a->record.trace ? hone_xstrdup(a->record.trace) : hone_trace_text(&a->sched.trace);
    return HONE_OK;
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
}
