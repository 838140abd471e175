/* Kernels of a log that are like one at hand but for their sizes: how far two are apart, which are
 * the nearest, and their schedules. */
#include "tuner/near.h"

#include <math.h>

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

typedef struct looking {
    const near_question *q;
    neighbours *ret;
} looking;

/* Kernels of a class have one name, and mostly the same named sizes; else their programs tell. */
static double far_from(const near_question *q, const hone_db_workload *w)
{
    double far = hone_tuner__sizes_apart(q->sizes, w->sizes);
    hone_program p;
    if (!isnan(far))
        return far;
    if (hone_program_parse(w->program, strlen(w->program), &p, NULL) != HONE_OK)
        return HUGE_VAL;
    far = hone_tuner__programs_apart(q->program, &p);
    hone_program_fini(&p);
    return far;
}

static bool add_neighbour(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                          const hone_db_record *best)
{
    looking *l = ctx;
    neighbour x = {.workload_id = w->id, .target_id = t->id, .threads = t->threads};
    if (!l->q->admit(l->q->ctx, w, t, &x.elsewhere))
        return true;
    x.far = far_from(l->q, w);
    if (!isfinite(x.far))
        return true;
    x.best = hone_xstrdup(best->trace);
    x.sizes = hone_xstrdup(w->sizes);
    x.target = hone_xstrdup(t->text);
    hone_vec_push(l->ret, x);
    return true;
}

hone_status hone_tuner__neighbours(hone_db *db, const near_question *q, neighbours *ret,
                                   hone_error *err)
{
    looking l = {.q = q, .ret = ret};
    return hone_db_each_best(db, q->where, add_neighbour, &l, err);
}

void hone_tuner__neighbours_free(neighbours *v)
{
    for (uint32_t k = 0; k < v->n; k++) {
        free(v->v[k].best);
        free(v->v[k].sizes);
        free(v->v[k].target);
    }
    hone_vec_free(v);
}

static bool add_trace(void *ctx, const hone_db_record *rec)
{
    trace_texts *v = ctx;
    hone_vec_push(v, hone_xstrdup(rec->trace));
    return true;
}

hone_status hone_tuner__traces_of(hone_db *db, const neighbour *x, uint32_t most, trace_texts *ret,
                                  hone_error *err)
{
    hone_vec_push(ret, hone_xstrdup(x->best));
    return hone_db_each_fastest(db, x->workload_id, x->target_id, most, add_trace, ret, err);
}

void hone_tuner__traces_free(trace_texts *v)
{
    for (uint32_t k = 0; k < v->n; k++)
        free(v->v[k]);
    hone_vec_free(v);
}
