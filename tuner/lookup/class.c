/* Rung class: this kernel at these sizes, tuned for another target whose code this one can run, or
 * for another number of threads.
 *
 * Reader's map: which targets are compatible, and how far apart; the records; what becomes of one.
 */
#include "tuner/lookup/internal.h"

#include <math.h>

#define MOST_TRIED 8 /* records, until one can be carried out here */
#define FAR 1000     /* any other difference counts less than one in vectors */

/* ---- targets --------------------------------------------------------------------------------- */

/* The word of a triple that names the system, after architecture and vendor. */
static const char *system_of(const char *triple, size_t *ret_n)
{
    static const char *const vendors[] = {"pc", "unknown", "apple", "none", "w64", "alpine"};
    const char *at = triple + strcspn(triple, "-");
    at += *at == '-';
    *ret_n = strcspn(at, "-");
    for (size_t k = 0; k < HONE_LEN(vendors); k++)
        if (strlen(vendors[k]) == *ret_n && strncmp(vendors[k], at, *ret_n) == 0 &&
            at[*ret_n] == '-') {
            at += *ret_n + 1;
            *ret_n = strcspn(at, "-");
            break;
        }
    return at;
}

/* Mostly the logs are of this processor. */
static bool has_same_features(const hone_target *a, const hone_target *b)
{
    return strcmp(a->triple, b->triple) == 0 && strcmp(a->cpu, b->cpu) == 0 &&
           strcmp(a->features, b->features) == 0;
}

bool hone_lookup__compatible(const hone_target *asked, const hone_target *made_for)
{
    size_t n, m;
    const char *a = system_of(asked->triple, &n), *b = system_of(made_for->triple, &m);
    return n == m && memcmp(a, b, n) == 0 && made_for->vector_bytes <= asked->vector_bytes &&
           made_for->vector_registers <= asked->vector_registers &&
           (has_same_features(asked, made_for) || hone_target_can_run(asked, made_for));
}

int hone_lookup__targets_apart(const hone_target *asked, const hone_target *made_for)
{
    int apart = made_for->vector_bytes == asked->vector_bytes &&
                        made_for->vector_registers == asked->vector_registers
                    ? 0
                    : FAR;
    if (!has_same_features(asked, made_for))
        apart += (int)hone_target_beyond(asked, made_for);
    apart += strcmp(asked->cpu, made_for->cpu) != 0;
    apart += asked->l1_bytes != made_for->l1_bytes;
    apart += asked->l2_bytes != made_for->l2_bytes;
    apart += asked->l3_bytes != made_for->l3_bytes;
    return apart;
}

kin hone_lookup__kin(lookup *l, const char *text)
{
    hone_target t;
    for (uint32_t k = 0; k < l->kin.n; k++)
        if (strcmp(l->kin.v[k].text, text) == 0)
            return l->kin.v[k];
    kin x = {.text = hone_xstrdup(text)};
    x.usable =
        hone_target_parse(text, &t, NULL) == HONE_OK && hone_lookup__compatible(l->q->target, &t);
    if (x.usable)
        x.apart = hone_lookup__targets_apart(l->q->target, &t);
    hone_vec_push(&l->kin, x);
    return x;
}

void hone_lookup__put_target(const char *text, int32_t threads, hone_buf *ret)
{
    hone_target t;
    bool good = hone_target_parse(text, &t, NULL) == HONE_OK;
    hone_buf_printf(ret, "%s and %d thread%s", good ? t.cpu : "?", threads,
                    threads == 1 ? "" : "s");
}

/* ---- records --------------------------------------------------------------------------------- */

typedef struct source {
    char *target; /* text */
    int32_t threads;
    double threads_apart; /* |ln ratio| */
    int apart;
    int64_t clock_ns;
} source;

typedef struct reading {
    lookup *l;
    unsigned incompatible;
    HONE_VEC(source) v;
} reading;

static bool add_source(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                       const hone_db_record *best)
{
    (void)w;
    reading *r = ctx;
    const hone_lookup_question *q = r->l->q;
    bool same = strcmp(t->text, r->l->target_text) == 0;
    if (same && t->threads == q->threads)
        return true; /* rung exact has looked at it */
    source x = {.threads = t->threads,
                .threads_apart = fabs(log((double)t->threads / q->threads)),
                .clock_ns = hone_db_record_clock(best)};
    if (!same) {
        kin of = hone_lookup__kin(r->l, t->text);
        if (!of.usable) {
            r->incompatible++;
            return true;
        }
        x.apart = of.apart;
    }
    x.target = hone_xstrdup(t->text);
    hone_vec_push(&r->v, x);
    return true;
}

/* As many threads first, then the nearest processor, then the fastest. */
static int by_rank(const void *a, const void *b)
{
    const source *x = a, *y = b;
    if (x->threads_apart < y->threads_apart || x->threads_apart > y->threads_apart)
        return x->threads_apart < y->threads_apart ? -1 : 1;
    if (x->apart != y->apart)
        return x->apart < y->apart ? -1 : 1;
    if (x->clock_ns != y->clock_ns)
        return x->clock_ns < y->clock_ns ? -1 : 1;
    return strcmp(x->target, y->target);
}

/* ---- what becomes of one --------------------------------------------------------------------- */

/* The schedule as it was measured, where as many threads run it, and as this target's space would
 * have it. */
static hone_status carry_over(lookup *l, const source *x, const char *trace, finding *ret,
                              hone_error *err)
{
    pool p = {0};
    hone_trace t = {0};
    hone_status st = HONE_OK;
    bool good = hone_trace_parse(trace, strlen(trace), &t, NULL) == HONE_OK;
    if (good && hone_trace_search_part(&t) == 0) {
        hone_trace_free(&t);
        hone_lookup__as_written(l, ret, NULL); /* it runs everywhere */
        return HONE_OK;
    }
    if (good && x->threads == l->q->threads && hone_trace_search_part(&t) > 0) {
        l->sched.intrins = l->intrins;
        l->sched.target = l->q->target;
        st = hone_trace_replay(&t, l->q->program, &l->sched, NULL, false, err);
        if (st == HONE_OK)
            hone_lookup__pool_add(l, &p, 0);
    }
    if (st != HONE_E_INTERRUPTED)
        st = good ? hone_lookup__pool_adapt(l, &p, &t, 0, err) : HONE_OK;
    if (st == HONE_OK)
        st = hone_lookup__pool_take(l, &p, ret, NULL, err);
    hone_trace_free(&t);
    hone_lookup__pool_free(&p);
    return st;
}

static void put_number(const char *name, int64_t there, int64_t here, hone_buf *ret)
{
    if (there != here)
        hone_buf_printf(ret, "%s %s %" PRId64 " instead of %" PRId64, ret->n ? "," : "", name,
                        there, here);
}

/* In what a target of the same processor is not the one asked about. */
static void put_difference(const hone_target *asked, const char *text, hone_buf *ret)
{
    hone_target t;
    hone_buf b = {0};
    if (hone_target_parse(text, &t, NULL) != HONE_OK || strcmp(t.cpu, asked->cpu) != 0)
        return;
    if (strcmp(t.triple, asked->triple) != 0)
        hone_buf_printf(&b, " mtriple %s instead of %s", t.triple, asked->triple);
    if (strcmp(t.features, asked->features) != 0)
        hone_buf_printf(&b, "%s mattr%s", b.n ? "," : "",
                        hone_target_beyond(&t, asked) || hone_target_beyond(asked, &t)
                            ? ""
                            : ", the same in another order or in other words");
    put_number("cache-line-bytes", t.cache_line, asked->cache_line, &b);
    put_number("fma-latency", t.fma_latency, asked->fma_latency, &b);
    put_number("fma-per-cycle", t.fma_per_cycle, asked->fma_per_cycle, &b);
    put_number("l1-bytes", t.l1_bytes, asked->l1_bytes, &b);
    put_number("l2-bytes", t.l2_bytes, asked->l2_bytes, &b);
    put_number("l3-bytes", t.l3_bytes, asked->l3_bytes, &b);
    put_number("num-cores", t.cores, asked->cores, &b);
    put_number("vector-bytes", t.vector_bytes, asked->vector_bytes, &b);
    put_number("vector-registers", t.vector_registers, asked->vector_registers, &b);
    if (b.n)
        hone_buf_printf(ret, ", whose target has%s (--target takes its text)", b.s);
    hone_buf_free(&b);
}

static hone_status try_source(lookup *l, hone_db *db, const source *x, finding *ret,
                              hone_error *err)
{
    hone_db_record r = {0};
    hone_status st = hone_db_best(db, l->hash, x->target, x->threads, &r, err);
    if (st == HONE_OK)
        st = carry_over(l, x, r.trace, ret, err);
    hone_db_record_free(&r);
    if (st != HONE_OK || !ret->found)
        return st;
    hone_buf what = {0};
    hone_buf_puts(&what, "it was tuned at these sizes for ");
    hone_lookup__put_target(x->target, x->threads, &what);
    put_difference(l->q->target, x->target, &what);
    ret->what = hone_buf_take(&what);
    ret->from_target = hone_xstrdup(x->target);
    ret->from_sizes = hone_xstrdup(l->q->sizes);
    ret->from_threads = x->threads;
    return HONE_OK;
}

static hone_status look_in(lookup *l, hone_db *db, reading *r, finding *ret, hone_error *err)
{
    hone_db_workload w;
    hone_status st = hone_db_workload_find(db, l->hash, &w, err);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    HONE_TRY(st);
    st = hone_db_each_best(db, &(hone_db_where){.workload_id = w.id}, add_source, r, err);
    hone_db_workload_free(&w);
    if (st == HONE_OK && r->v.n > 0) {
        qsort(r->v.v, r->v.n, sizeof *r->v.v, by_rank);
        st = hone_lookup__prepare(l, err);
    }
    for (uint32_t k = 0; k < r->v.n && k < MOST_TRIED && st == HONE_OK && !ret->found; k++)
        st = try_source(l, db, &r->v.v[k], ret, err);
    return st;
}

hone_status hone_lookup__class(lookup *l, finding *ret, hone_error *err)
{
    hone_status st = HONE_OK;
    unsigned compatible = 0, incompatible = 0;
    for (unsigned k = 0; k < l->q->n_logs && st == HONE_OK && !ret->found; k++) {
        reading r = {.l = l};
        st = look_in(l, l->q->logs[k], &r, ret, err);
        ret->log = k;
        compatible += r.v.n;
        incompatible += r.incompatible;
        for (uint32_t i = 0; i < r.v.n; i++)
            free(r.v.v[i].target);
        hone_vec_free(&r.v);
    }
    if (st == HONE_OK && !ret->found)
        ret->what = hone_xstrdup(
            compatible     ? "no schedule of those tuned at these sizes can be carried out here"
            : incompatible ? "it was tuned at these sizes only for targets whose code this one "
                             "cannot run"
                           : "it was tuned at these sizes for no other target or threads");
    return st;
}
