/* Knowledge of other sizes: what was fastest for the log's nearest kernels of the same class,
 * adapted to this one and suggested to its search.
 *
 * Reader's map: how far two kernels are apart, and which are the nearest (pure); the log's; what is
 * suggested. */
#include "tuner/internal.h"

#include <math.h>

/* More suggestions than these two were worse than the seeds they kept waiting (bench/search.py). */
#define NEAREST 2 /* kernels that are taken from, */
#define OF_EACH 1 /* so many schedules of each, different programs here */
#define LOOK_AT 8 /* of the fastest of each: not all can be carried out here */

/* ---- distance -------------------------------------------------------------------------------- */

/* A size may be 0, as that of a border. */
static double ratio(double a, double b)
{
    return fabs(log(fmax(a, 0.5) / fmax(b, 0.5)));
}

double hone_tuner__sizes_apart(const char *a, const char *b)
{
    json_t *x = json_loads(a, 0, NULL), *y = json_loads(b, 0, NULL), *of_x;
    const char *name;
    bool same = json_object_size(x) > 0 && json_object_size(x) == json_object_size(y);
    double sum = same ? 0 : NAN;
    json_object_foreach(x, name, of_x)
    {
        const json_t *of_y = json_object_get(y, name);
        sum += json_is_number(of_x) && json_is_number(of_y)
                   ? ratio(json_number_value(of_x), json_number_value(of_y))
                   : NAN;
    }
    json_decref(x);
    json_decref(y);
    return sum;
}

double hone_tuner__programs_apart(const hone_program *a, const hone_program *b)
{
    hone_stmt x = a->root, y = b->root;
    double sum = 0;
    for (; x.i && y.i; x = hone_next(a, a->root, x), y = hone_next(b, b->root, y)) {
        if (hone_is_loop(a, x) != hone_is_loop(b, y))
            return HUGE_VAL;
        if (hone_is_loop(a, x))
            sum += ratio((double)hone_loop_extent(a, x), (double)hone_loop_extent(b, y));
    }
    return x.i || y.i ? HUGE_VAL : sum;
}

uint32_t hone_tuner__nearest(const neighbour *v, uint32_t n, uint32_t *ret, uint32_t most)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < n; k++) {
        const neighbour *x = &v[k];
        uint32_t at = kept;
        if (!isfinite(x->far))
            continue;
        for (; at > 0; at--) {
            const neighbour *y = &v[ret[at - 1]];
            if (y->far < x->far || (y->far <= x->far && y->elsewhere <= x->elsewhere))
                break;
        }
        if (at == most)
            continue;
        kept += kept < most;
        memmove(ret + at + 1, ret + at, (kept - at - 1) * sizeof *ret);
        ret[at] = k;
    }
    return kept;
}

/* ---- the log --------------------------------------------------------------------------------- */

typedef struct reading {
    session *s;
    HONE_VEC(neighbour) found;
    HONE_VEC(char *) traces; /* the fastest of one of them */
} reading;

/* Kernels of a class have one name, and mostly the same named sizes; else their programs tell. */
static double far_from(const session *s, const hone_db_workload *w)
{
    double far = hone_tuner__sizes_apart(s->o.sizes, w->sizes);
    hone_program p;
    if (!isnan(far))
        return far;
    if (hone_program_parse(w->program, strlen(w->program), &p, NULL) != HONE_OK)
        return HUGE_VAL;
    far = hone_tuner__programs_apart(s->o.program, &p);
    hone_program_fini(&p);
    return far;
}

static bool add_neighbour(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                          const hone_db_record *best)
{
    reading *r = ctx;
    const session *s = r->s;
    if (w->id == s->workload_id && t->id == s->target_id)
        return true;
    neighbour x = {.workload_id = w->id,
                   .target_id = t->id,
                   .elsewhere = t->id != s->target_id,
                   .far = far_from(s, w)};
    if (!isfinite(x.far))
        return true;
    x.best = hone_xstrdup(best->trace);
    hone_vec_push(&r->found, x);
    return true;
}

static bool add_trace(void *ctx, const hone_db_record *rec)
{
    reading *r = ctx;
    hone_vec_push(&r->traces, hone_xstrdup(rec->trace));
    return true;
}

/* The best, which need not have the least time, and then the fastest. */
static hone_status read_traces(reading *r, const neighbour *x, hone_error *err)
{
    hone_vec_push(&r->traces, hone_xstrdup(x->best));
    return hone_db_each_fastest(r->s->o.db, x->workload_id, x->target_id, LOOK_AT, add_trace, r,
                                err);
}

static void drop_traces(reading *r)
{
    for (uint32_t k = 0; k < r->traces.n; k++)
        free(r->traces.v[k]);
    r->traces.n = 0;
}

/* ---- what is suggested ----------------------------------------------------------------------- */

typedef struct suggesting {
    session *s;
    hone_sched sched;
    hone_features features;
    uint64_t programs[NEAREST * OF_EACH]; /* hashes */
    uint32_t n;
    char *traces[OF_EACH][NEAREST]; /* the best of each, then the next of each; NULL: none */
} suggesting;

static bool is_new_program(suggesting *g, uint64_t hash)
{
    for (uint32_t k = 0; k < g->n; k++)
        if (g->programs[k] == hash)
            return false;
    g->programs[g->n++] = hash;
    return true;
}

/* What becomes of the trace here: of the ways to adapt it the one that the draft expects more of.
 * *ret NULL: nothing. */
static hone_status adapt(suggesting *g, const char *text, char **ret, uint64_t *ret_program,
                         hone_error *err)
{
    static const hone_adapt_way ways[] = {HONE_ADAPT_TASKS, HONE_ADAPT_TILES};
    const session *s = g->s;
    hone_trace t = {0};
    double least = HUGE_VAL;
    hone_status st = HONE_OK;
    *ret = NULL;
    bool any =
        hone_trace_parse(text, strlen(text), &t, NULL) == HONE_OK && hone_trace_search_part(&t) > 0;
    for (unsigned k = 0; k < HONE_LEN(ways) && any && st != HONE_E_INTERRUPTED; k++) {
        st = hone_space_adapt(s->space, &t, ways[k], &g->sched, err);
        if (st != HONE_OK)
            continue;
        hone_features_extract(&g->sched.prog, s->o.target, s->o.threads, &g->features);
        if (g->features.draft_ns >= least)
            continue;
        least = g->features.draft_ns;
        free(*ret);
        *ret = hone_trace_text(&g->sched.trace);
        *ret_program = hone_program_hash(&g->sched.prog);
    }
    hone_trace_free(&t);
    return st == HONE_E_INTERRUPTED ? st : HONE_OK;
}

/* The traces of one kernel, in turn. What cannot be done here is passed over. */
static hone_status adapt_some(suggesting *g, const reading *r, uint32_t kernel, hone_error *err)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < r->traces.n && kept < OF_EACH; k++) {
        char *text;
        uint64_t program = 0;
        hone_status st = adapt(g, r->traces.v[k], &text, &program, err);
        if (st == HONE_OK && text && is_new_program(g, program))
            g->traces[kept++][kernel] = text;
        else
            free(text);
        HONE_TRY(st);
    }
    return HONE_OK;
}

/* The first of each kernel before the second of any: a schedule that was best once is worth more
 * than another of the same kernel. */
static void suggest(suggesting *g)
{
    for (unsigned q = 0; q < OF_EACH; q++)
        for (unsigned k = 0; k < NEAREST; k++) {
            if (g->traces[q][k])
                hone_search_suggest(g->s->search, g->traces[q][k], "near");
            free(g->traces[q][k]);
        }
}

hone_status hone_tuner__near(session *s, hone_error *err)
{
    reading r = {.s = s};
    suggesting g = {.s = s};
    uint32_t nearest[NEAREST];
    char *class = hone_target_class(s->o.target);
    const hone_db_where where = {.workload_class = hone_sym_text(s->o.program, s->o.program->name),
                                 .target_class = class,
                                 .threads = s->o.threads};
    hone_status st = hone_db_each_best(s->o.db, &where, add_neighbour, &r, err);
    uint32_t n = hone_tuner__nearest(r.found.v, r.found.n, nearest, NEAREST);
    for (uint32_t k = 0; k < n && st == HONE_OK; k++) {
        st = read_traces(&r, &r.found.v[nearest[k]], err);
        if (st == HONE_OK)
            st = adapt_some(&g, &r, k, err);
        drop_traces(&r);
    }
    suggest(&g);
    for (uint32_t k = 0; k < r.found.n; k++)
        free(r.found.v[k].best);
    hone_vec_free(&r.found);
    hone_vec_free(&r.traces);
    hone_sched_fini(&g.sched);
    hone_features_free(&g.features);
    free(class);
    return st;
}
