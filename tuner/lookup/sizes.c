/* What a function for a range of sizes is made of: at which sizes the logs have the kernel, and
 * what a schedule of one size is expected to take at another. */
#include "tuner/lookup/internal.h"

#include <math.h>

static bool is_usable(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                      int *ret_elsewhere)
{
    lookup *l = ctx;
    (void)w;
    kin of = hone_lookup__kin(l, t->text);
    *ret_elsewhere = of.apart;
    return strcmp(t->text, l->target_text) == 0 || of.usable;
}

/* The size in question, if all others are the same. */
static bool read_size(const char *sizes, const char *mine, const char *name, int64_t *ret)
{
    json_t *a = json_loads(sizes, 0, NULL), *b = json_loads(mine, 0, NULL);
    const json_t *size = json_object_get(a, name);
    bool ok = json_is_integer(size) && json_object_get(b, name) != NULL;
    if (ok) {
        *ret = json_integer_value(size);
        json_object_set(b, name, (json_t *)size);
        ok = json_equal(a, b);
    }
    json_decref(a);
    json_decref(b);
    return ok;
}

static int rising(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

hone_status hone_lookup_tuned_sizes(const hone_lookup_question *q, const char *name,
                                    hone_sizes_tuned *ret, hone_error *err)
{
    lookup l;
    neighbours found = {0};
    hone_status st = hone_lookup__begin(q, &l, err);
    const near_question of = {
        .program = q->program, .sizes = q->sizes, .admit = is_usable, .ctx = &l};
    for (unsigned k = 0; k < q->n_logs && st == HONE_OK; k++)
        st = hone_tuner__neighbours(q->logs[k], &of, &found, err);
    for (uint32_t k = 0; k < found.n && st == HONE_OK; k++) {
        int64_t size;
        if (read_size(found.v[k].sizes, q->sizes, name, &size))
            hone_vec_push(ret, size);
    }
    if (ret->n) {
        qsort(ret->v, ret->n, sizeof *ret->v, rising);
        uint32_t n = 1;
        for (uint32_t k = 1; k < ret->n; k++)
            if (ret->v[k] != ret->v[n - 1])
                ret->v[n++] = ret->v[k];
        ret->n = n;
    }
    hone_tuner__neighbours_free(&found);
    hone_lookup__end(&l);
    return st;
}

/* The model is asked of all that can be carried out at once. */
hone_status hone_lookup_costs(const hone_lookup_question *q, const hone_trace *const *traces,
                              unsigned n, double *ret_cost, hone_error *err)
{
    lookup l;
    hone_features *features = hone_xcalloc(n, sizeof *features);
    const hone_features **some = hone_xcalloc(n, sizeof *some);
    double *cost = hone_xcalloc(n, sizeof *cost);
    unsigned *which = hone_xcalloc(n, sizeof *which), m = 0;
    hone_status st = hone_lookup__begin(q, &l, err);
    if (st == HONE_OK)
        st = hone_lookup__prepare(&l, err);
    for (unsigned k = 0; k < n && st == HONE_OK; k++) {
        ret_cost[k] = INFINITY;
        if (!traces[k] || hone_trace_search_part(traces[k]) == 0)
            continue;
        hone_status done = hone_space_adapt(l.space, traces[k], HONE_ADAPT_TILES, &l.sched, err);
        if (done == HONE_E_INTERRUPTED)
            st = done;
        if (done != HONE_OK)
            continue;
        hone_lookup__extract(&l, &l.sched.prog, &features[m]);
        some[m] = &features[m];
        which[m++] = k;
    }
    if (st == HONE_OK && m > 0)
        st = hone_model_predict(l.model, some, m, cost, err);
    for (unsigned k = 0; k < m; k++) {
        ret_cost[which[k]] = cost[k];
        hone_features_free(&features[k]);
    }
    hone_lookup__end(&l);
    free(features);
    free(some);
    free(cost);
    free(which);
    return st;
}
