/* What the logs have instead of an exact answer, in a line. */
#include "tuner/lookup/internal.h"
#include "targets/preset.h"

#define MOST_NAMED 4 /* the others are counted */

typedef struct others {
    const lookup *l;
    hone_buf names;
    unsigned n;
} others;

void hone_lookup_put_sizes(const char *text, hone_buf *ret)
{
    json_t *sizes = json_loads(text, 0, NULL), *value;
    const char *name;
    size_t from = ret->n;
    json_object_foreach(sizes, name, value)
        hone_buf_printf(ret, "%s%s=%" JSON_INTEGER_FORMAT, ret->n > from ? " " : "", name,
                        json_integer_value(value));
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
    bool other = w->hash != o->l->hash;
    if (other)
        hone_lookup_put_sizes(w->sizes, &sizes);
    bool changed = other && strcmp(w->sizes, o->l->q->sizes) == 0;
    hone_buf_printf(
        &o->names, "%s%s%s%d thread%s on %s%s", o->names.n ? "; " : "", sizes.n ? sizes.s : "",
        sizes.n ? ", " : "", t->threads, t->threads == 1 ? "" : "s",
        hone_target_parse(t->text, &target, NULL) == HONE_OK ? hone_preset_name_of(&target) : "?",
        changed ? " (of another text)" : "");
    hone_buf_free(&sizes);
    return true;
}

static void note_all(others *o, const hone_db_where *where, bool this_kernel)
{
    const hone_lookup_question *q = o->l->q;
    for (unsigned k = 0; k < q->n_logs; k++) {
        hone_db_where here = *where;
        hone_db_workload w;
        if (this_kernel) {
            if (hone_db_workload_find(q->logs[k], o->l->hash, &w, NULL) != HONE_OK)
                continue;
            here.workload_id = w.id;
            hone_db_workload_free(&w);
        }
        (void)!hone_db_each_best(q->logs[k], &here, note_other, o, NULL);
    }
}

char *hone_lookup__miss(const lookup *l)
{
    const hone_lookup_question *q = l->q;
    const char *name = hone_sym_text(q->program, q->program->name);
    others o = {.l = l};
    hone_buf text = {0};
    if (l->found[HONE_RUNG_exact].refused)
        return hone_xasprintf("no code can be made of the result of %s for %d thread%s on %s (%s)",
                              q->title, q->threads, q->threads == 1 ? "" : "s",
                              hone_preset_name_of(q->target), l->found[HONE_RUNG_exact].refused);
    note_all(&o, &(hone_db_where){0}, true);
    bool this_kernel = o.n > 0;
    if (!this_kernel)
        note_all(&o, &(hone_db_where){.workload_class = name}, false);
    if (q->n_logs == 0)
        hone_buf_puts(&text, "there is no log, and so");
    for (unsigned k = 0; k < q->n_logs; k++)
        hone_buf_printf(&text, "%s'%s'", k ? ", " : "", hone_db_path(q->logs[k]));
    hone_buf_printf(&text, " %s no result of %s for %d thread%s on %s",
                    q->n_logs == 1 ? "has"
                    : q->n_logs    ? "have"
                                   : "there is",
                    q->title, q->threads, q->threads == 1 ? "" : "s",
                    hone_preset_name_of(q->target));
    if (o.n > 0)
        hone_buf_printf(&text, "; %s %s for %s", q->n_logs == 1 ? "it has" : "they have",
                        this_kernel ? "this kernel" : "this name", o.names.s);
    if (o.n > MOST_NAMED)
        hone_buf_printf(&text, " and %u more", o.n - MOST_NAMED);
    hone_buf_free(&o.names);
    return hone_buf_take(&text);
}
