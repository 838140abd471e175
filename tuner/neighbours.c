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

static double objects_apart(json_t *x, json_t *y)
{
    const json_t *of_x;
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
    return sum;
}

double hone_tuner__sizes_apart(const char *a, const char *b)
{
    json_t *x = json_loads(a, 0, NULL), *y = json_loads(b, 0, NULL);
    double ret = objects_apart(x, y);
    json_decref(x);
    json_decref(y);
    return ret;
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

typedef struct kernel {
    hone_db_workload row; /* id, hash, sizes */
    double far;
} kernel;

typedef struct looking {
    const near_question *q;
    json_t *sizes; /* the question's */
    HONE_VEC(kernel) kernels;
    HONE_VEC(hone_db_target) targets; /* id, text, threads, class */
    neighbours *ret;
    uint32_t first; /* of this log in *ret */
} looking;

/* Kernels of a class have one name, and mostly the same named sizes; else their programs tell. */
static double far_from(const looking *l, const hone_db_workload *w)
{
    json_t *sizes = json_loads(w->sizes, 0, NULL);
    double far = objects_apart(l->sizes, sizes);
    hone_program p;
    json_decref(sizes);
    if (!isnan(far))
        return far;
    if (hone_program_parse(w->program, strlen(w->program), &p, NULL) != HONE_OK)
        return HUGE_VAL;
    far = hone_tuner__programs_apart(l->q->program, &p);
    hone_program_fini(&p);
    return far;
}

static bool add_kernel(void *ctx, const hone_db_workload *w)
{
    looking *l = ctx;
    kernel x = {.row = {.id = w->id, .hash = w->hash}, .far = far_from(l, w)};
    if (!isfinite(x.far))
        return true;
    x.row.sizes = hone_xstrdup(w->sizes);
    hone_vec_push(&l->kernels, x);
    return true;
}

static bool add_target(void *ctx, const hone_db_target *t)
{
    looking *l = ctx;
    const near_question *q = l->q;
    if ((q->target_class && strcmp(t->class, q->target_class) != 0) ||
        (q->only_threads && t->threads != q->only_threads))
        return true;
    hone_db_target x = {.id = t->id, .text = hone_xstrdup(t->text), .threads = t->threads};
    hone_vec_push(&l->targets, x);
    return true;
}

static int by_distance(const void *a, const void *b)
{
    const kernel *x = a, *y = b;
    if (x->far < y->far || x->far > y->far)
        return x->far < y->far ? -1 : 1;
    return (x->row.id > y->row.id) - (x->row.id < y->row.id);
}

static bool is_nearer(const neighbour *x, const neighbour *y)
{
    return x->far < y->far || (x->far <= y->far && x->elsewhere < y->elsewhere);
}

static void drop(neighbour *x)
{
    free(x->sizes);
    free(x->target);
}

static bool is_full(const looking *l)
{
    return l->q->most && l->ret->n - l->first == l->q->most;
}

/* Behind those that are as near. */
static void insert(looking *l, neighbour x)
{
    neighbours *v = l->ret;
    if (is_full(l))
        drop(&v->v[--v->n]);
    hone_vec_push(v, x);
    for (uint32_t k = v->n - 1; k > l->first && is_nearer(&v->v[k], &v->v[k - 1]); k--) {
        neighbour other = v->v[k - 1];
        v->v[k - 1] = v->v[k];
        v->v[k] = other;
    }
}

static bool is_there(void *ctx, const hone_db_record *best)
{
    (void)best;
    *(bool *)ctx = true;
    return false;
}

/* The kernel on each of the targets. */
static hone_status look_at(looking *l, hone_db *db, const kernel *k, hone_error *err)
{
    for (uint32_t i = 0; i < l->targets.n; i++) {
        const hone_db_target *t = &l->targets.v[i];
        neighbour x = {.hash = k->row.hash,
                       .workload_id = k->row.id,
                       .target_id = t->id,
                       .threads = t->threads,
                       .far = k->far};
        bool good = false;
        if (l->q->threads)
            x.far += ratio(t->threads, l->q->threads);
        if (!l->q->admit(l->q->ctx, &k->row, t, &x.elsewhere) ||
            (is_full(l) && !is_nearer(&x, &l->ret->v[l->ret->n - 1])))
            continue;
        HONE_TRY(hone_db_each_fastest(db, k->row.id, t->id, 1, is_there, &good, err));
        if (!good)
            continue;
        x.sizes = hone_xstrdup(k->row.sizes);
        x.target = hone_xstrdup(t->text);
        insert(l, x);
    }
    return HONE_OK;
}

hone_status hone_tuner__neighbours(hone_db *db, const near_question *q, neighbours *ret,
                                   hone_error *err)
{
    looking l = {.q = q, .sizes = json_loads(q->sizes, 0, NULL), .ret = ret, .first = ret->n};
    const char *class = hone_sym_text(q->program, q->program->name);
    hone_status st = hone_db_each_workload(db, class, add_kernel, &l, err);
    if (st == HONE_OK && l.kernels.n > 0)
        st = hone_db_each_target(db, add_target, &l, err);
    if (l.kernels.n > 1)
        qsort(l.kernels.v, l.kernels.n, sizeof *l.kernels.v, by_distance);
    for (uint32_t k = 0; k < l.kernels.n && st == HONE_OK; k++) {
        if (is_full(&l) && l.kernels.v[k].far > ret->v[ret->n - 1].far)
            break;
        st = look_at(&l, db, &l.kernels.v[k], err);
    }
    for (uint32_t k = 0; k < l.kernels.n; k++)
        free((void *)l.kernels.v[k].row.sizes);
    for (uint32_t k = 0; k < l.targets.n; k++)
        free((void *)l.targets.v[k].text);
    hone_vec_free(&l.kernels);
    hone_vec_free(&l.targets);
    json_decref(l.sizes);
    return st;
}

void hone_tuner__neighbours_free(neighbours *v)
{
    for (uint32_t k = 0; k < v->n; k++)
        drop(&v->v[k]);
    hone_vec_free(v);
}

static bool add_trace(void *ctx, const hone_db_record *rec)
{
    timed_traces *v = ctx;
    timed_trace x = {hone_xstrdup(rec->trace), hone_db_record_clock(rec), rec->session_id};
    hone_vec_push(v, x);
    return true;
}

hone_status hone_tuner__traces_of(hone_db *db, const neighbour *x, uint32_t most, timed_traces *ret,
                                  hone_error *err)
{
    return hone_db_each_fastest(db, x->workload_id, x->target_id, most, add_trace, ret, err);
}

void hone_tuner__traces_free(timed_traces *v)
{
    for (uint32_t k = 0; k < v->n; k++)
        free(v->v[k].text);
    hone_vec_free(v);
}
