/* A lock in memory: its entries in order, and what an entry is made of and turns into. */
#include "tuner/lock/internal.h"

void hone_lock_entry_free(hone_lock_entry *e)
{
    char *texts[] = {e->function, e->kernel,       e->sizes,        e->reason,  e->checked,
                     e->trace,    e->hone_version, e->llvm_version, e->intrins, e->text};
    for (unsigned k = 0; k < HONE_LEN(texts); k++)
        free(texts[k]);
    free(e->call);
    hone_program_fini(&e->program);
    *e = (hone_lock_entry){0};
}

void hone_lock_free(hone_lock *l)
{
    for (uint32_t k = 0; k < l->entries.n; k++)
        hone_lock_entry_free(&l->entries.v[k]);
    hone_vec_free(&l->entries);
}

bool hone_lock_same_target(const hone_target *a, const hone_target *b)
{
    return strcmp(a->triple, b->triple) == 0 && strcmp(a->cpu, b->cpu) == 0 &&
           strcmp(a->features, b->features) == 0;
}

int hone_lock__compare(const hone_lock_entry *a, const hone_lock_entry *b)
{
    const char *const x[] = {a->function, a->target.triple, a->target.cpu, a->target.features},
                      *const y[] = {b->function, b->target.triple, b->target.cpu,
                                    b->target.features};
    int c = 0;
    for (unsigned k = 0; k < HONE_LEN(x) && c == 0; k++)
        c = strcmp(x[k], y[k]);
    return c;
}

void hone_lock_put(hone_lock *l, hone_lock_entry *e)
{
    uint32_t at = 0;
    while (at < l->entries.n && hone_lock__compare(&l->entries.v[at], e) < 0)
        at++;
    if (at < l->entries.n && hone_lock__compare(&l->entries.v[at], e) == 0) {
        hone_lock_entry_free(&l->entries.v[at]);
    } else {
        hone_vec_push(&l->entries, (hone_lock_entry){0});
        for (uint32_t k = l->entries.n - 1; k > at; k--)
            l->entries.v[k] = l->entries.v[k - 1];
    }
    l->entries.v[at] = *e;
    *e = (hone_lock_entry){0};
}

/* ---- out of an answer -------------------------------------------------------------------------
 */

/* Does the program use an intrinsic that does not come with hone? */
static bool uses_own(const hone_program *p)
{
    for (uint32_t k = 1; k < p->anns.n; k++) {
        const hone_ann *a = &p->anns.v[k];
        if (strcmp(hone_sym_text(p, a->key), "hone.intrin") == 0 &&
            !hone_intrin_find(hone_intrin_shipped(), hone_sym_text(p, a->text)))
            return true;
    }
    return false;
}

void hone_lock_entry_make(const hone_lock_of *of, const hone_lookup_answer *a, hone_lock_entry *ret)
{
    const hone_db_record *r = a->record.id ? &a->record : NULL;
    *ret = (hone_lock_entry){
        .function = hone_xstrdup(of->function),
        .kernel = hone_xstrdup(of->kernel),
        .sizes = hone_xstrdup(of->sizes),
        .threads = of->threads,
        .target = *of->target,
        .rung = a->rung,
        .reason = hone_xstrdup(a->reason),
        .share = a->share,
        .time_ns = a->time_ns,
        .checked = r && *r->checked ? hone_xstrdup(r->checked) : NULL,
        .max_error = r ? r->max_error : 0,
        .tolerance = r ? r->tolerance : 0,
        .hone_version = hone_xstrdup(r ? r->hone_version : HONE_VERSION),
        .llvm_version = hone_xstrdup(r ? r->llvm_version : of->llvm_version),
        .space_version = r ? r->space_version : HONE_SPACE_VERSION,
        .trace = of->call ? hone_xstrdup("[[],[]]") : hone_trace_text(&a->sched.trace),
        .intrins = hone_xstrdup(
            !of->call && uses_own(&a->sched.prog) ? hone_intrin_set_text(a->intrins) : "")};
    if (of->call) {
        ret->call = hone_xmalloc(sizeof *ret->call);
        *ret->call = *of->call;
    }
    hone_program_copy(&ret->program, of->program);
    ret->text = hone_lock__entry_text(ret);
}

/* ---- into a schedule --------------------------------------------------------------------------
 */

hone_status hone_lock_replay(const hone_lock_entry *e, hone_intrin_set **ret_set, hone_sched *ret,
                             bool *ret_as_written, hone_error *err)
{
    hone_trace t = {0};
    *ret_set = hone_intrin_set_new();
    hone_status st = HONE_OK;
    if (*e->intrins)
        st = hone_intrin_set_add(*ret_set, "intrinsics", e->intrins, strlen(e->intrins), err);
    ret->intrins = *ret_set;
    ret->target = &e->target;
    if (st == HONE_OK)
        st = hone_trace_parse(e->trace, strlen(e->trace), &t, err);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, &e->program, ret, NULL, false, err);
    if (st == HONE_OK)
        st = hone_verify(&ret->prog, err);
    *ret_as_written = hone_trace_search_part(&t) == 0;
    ret->target = NULL;
    hone_trace_free(&t);
    return st;
}
