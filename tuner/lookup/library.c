/* Results of library calls against the best schedule of the same log. */
#include "tuner/lookup/library.h"

typedef struct best_call {
    const hone_libcall *allowed;
    unsigned n, found; /* found: which, n none */
    int64_t id, clock_ns;
    bool in_turns; /* with a schedule */
} best_call;

/* What ran in turns goes before what did not, then the faster. */
static bool is_better(const best_call *b, bool in_turns, int64_t clock_ns)
{
    if (b->found == b->n || in_turns != b->in_turns)
        return b->found == b->n || in_turns;
    return clock_ns < b->clock_ns;
}

static bool look_at(void *ctx, const hone_db_record *r)
{
    best_call *b = ctx;
    hone_libcall c;
    if (r->status != HONE_OK || r->suspect ||
        hone_libcall_parse(r->trace, strlen(r->trace), &c, NULL) != HONE_OK)
        return true;
    uint64_t hash = hone_libcall_hash(&c);
    int64_t clock_ns = hone_db_record_clock(r);
    bool in_turns = r->incumbent_hash != 0;
    for (unsigned k = 0; k < b->n; k++) {
        if (hone_libcall_hash(&b->allowed[k]) != hash || !is_better(b, in_turns, clock_ns))
            continue;
        b->found = k;
        b->id = r->id;
        b->clock_ns = clock_ns;
        b->in_turns = in_turns;
    }
    return true;
}

/* The fastest of the calls in this log. */
static hone_status find_call(hone_db *db, const hone_lookup_question *q, uint64_t hash,
                             const char *target_text, best_call *ret, hone_error *err)
{
    hone_db_workload w = {0};
    hone_db_target t = {0};
    char *text = hone_libcall_target(target_text);
    hone_status st = hone_db_workload_find(db, hash, &w, err);
    if (st == HONE_OK)
        st = hone_db_target_find(db, text, q->threads, &t, err);
    if (st == HONE_OK)
        st = hone_db_each_record(db, &(hone_db_where){.workload_id = w.id, .target_id = t.id},
                                 look_at, ret, err);
    hone_db_workload_free(&w);
    hone_db_target_free(&t);
    free(text);
    return st == HONE_E_NOTFOUND ? HONE_OK : st;
}

static char *sentence(const hone_libcall *c, const char *what, double ratio)
{
    char more[48] = "";
    if (ratio > 0)
        snprintf(more, sizeof more, " (%.2f times its time)", ratio);
    return hone_xasprintf("library %s, %s of %s, was measured %s%s", c->name, c->function, c->real,
                          what, more);
}

/* *ret_over: this log has decided. */
static hone_status ask(hone_db *db, const hone_lookup_question *q, uint64_t hash,
                       const char *target_text, best_call *b, bool *ret_over,
                       hone_lookup_library_answer *ret, hone_error *err)
{
    hone_db_record own = {0};
    HONE_TRY(find_call(db, q, hash, target_text, b, err));
    hone_status st = hone_db_best(db, hash, target_text, q->threads, &own, err);
    bool has_own = st == HONE_OK, has_call = b->found < b->n;
    if (st != HONE_OK && st != HONE_E_NOTFOUND)
        return st;
    double ratio =
        has_own && has_call ? (double)b->clock_ns / (double)hone_db_record_clock(&own) : 0;
    hone_db_record_free(&own);
    *ret_over = has_own || has_call;
    if (!has_call)
        return HONE_OK;
    const hone_libcall *c = &b->allowed[b->found];
    if (has_own && !b->in_turns) {
        ret->what = sentence(c, "alone so far, and not in turns with a schedule", 0);
        return HONE_OK;
    }
    if (has_own && ratio >= 1) {
        ret->what = sentence(c, "not to be faster than the best schedule", ratio);
        return HONE_OK;
    }
    ret->call = c;
    ret->what = has_own ? sentence(c, "to be faster than the best schedule", ratio)
                        : sentence(c, "here, and no schedule was", 0);
    return hone_db_record_get(db, b->id, &ret->record, err);
}

hone_status hone_lookup_library(const hone_lookup_question *q, const hone_libcall *allowed,
                                unsigned n, hone_lookup_library_answer *ret, hone_error *err)
{
    *ret = (hone_lookup_library_answer){0};
    char *text = hone_target_text(q->target);
    uint64_t hash = hone_program_hash(q->program);
    hone_status st = HONE_OK;
    bool over = false;
    for (unsigned k = 0; k < q->n_logs && st == HONE_OK && !over; k++) {
        best_call b = {.allowed = allowed, .n = n, .found = n};
        st = ask(q->logs[k], q, hash, text, &b, &over, ret, err);
    }
    free(text);
    if (st == HONE_OK && !ret->what)
        ret->what = hone_xstrdup("none of those named was measured at these sizes for this target "
                                 "and so many threads");
    return st;
}

void hone_lookup_library_free(hone_lookup_library_answer *a)
{
    hone_db_record_free(&a->record);
    free(a->what);
    *a = (hone_lookup_library_answer){0};
}
