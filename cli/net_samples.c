/* Inputs of a network, from files. */
#include "cli/net_samples.h"

#include <math.h>

static hone_status check_type(const char *path, const hone_net_value_row *input,
                              const hone_tensor *t, hone_error *err)
{
    char is[160], wants[160];
    if (t->dtype == input->t.dtype && hone_tensor_same_shape(t, &input->t))
        return HONE_OK;
    hone_tensor_text(t, is, sizeof is);
    hone_tensor_text(&input->t, wants, sizeof wants);
    return hone_fail(err, HONE_E_INPUT, "%.300s: it is %s, and input '%.60s' is %s", path, is,
                     input->name, wants);
}

static hone_status check_numbers(const char *path, const hone_tensor *t, hone_error *err)
{
    int64_t n = hone_dtype_is_float(t->dtype) ? hone_tensor_elems(t) : 0;
    for (int64_t k = 0; k < n; k++)
        if (!isfinite(hone_tensor_float(t, k)))
            return hone_fail(err, HONE_E_INPUT,
                             "%.300s: element %" PRId64
                             " is no finite number: nothing can be learned from it",
                             path, k);
    return HONE_OK;
}

static hone_status read_input(const char *folder, uint32_t set, const hone_net *g, uint32_t k,
                              hone_tensor *ret, hone_error *err)
{
    char *path =
        hone_xasprintf("%s/test_data_set_%" PRIu32 "/input_%" PRIu32 ".pb", folder, set, k);
    hone_status st = hone_net_read_tensor(path, ret, err);
    if (st == HONE_OK)
        st = check_type(path, hone_net_value_at(g, g->inputs.v[k]), ret, err);
    if (st == HONE_OK)
        st = check_numbers(path, ret, err);
    free(path);
    return st;
}

static hone_status read_sets(const char *folder, const hone_net_sets *sets, const hone_net *g,
                             net_samples *ret, hone_error *err)
{
    if (sets->v.n == 0)
        return hone_fail(err, HONE_E_INPUT,
                         "%.300s: there is no test_data_set_0 with input_0.pb to calibrate with",
                         folder);
    if (sets->v.n > NET_MOST_SAMPLES)
        return hone_fail(err, HONE_E_LIMIT, "%.300s: %" PRIu32 " sets, at most %d are taken",
                         folder, sets->v.n, NET_MOST_SAMPLES);
    ret->v = hone_xcalloc(sets->v.n, sizeof *ret->v);
    for (uint32_t s = 0; s < sets->v.n; s++) {
        ret->v[ret->n++] = hone_xcalloc(g->inputs.n + 1, sizeof **ret->v);
        for (uint32_t k = 0; k < g->inputs.n; k++)
            HONE_TRY(read_input(folder, sets->v.v[s], g, k, &ret->v[s][k], err));
    }
    return HONE_OK;
}

hone_status net_samples_read(const char *folder, const hone_net *g, net_samples *ret,
                             hone_error *err)
{
    hone_net_sets sets;
    *ret = (net_samples){.n_inputs = g->inputs.n};
    hone_status st = hone_net_find_sets(folder, &sets, err);
    if (st == HONE_OK)
        st = read_sets(folder, &sets, g, ret, err);
    hone_vec_free(&sets.v);
    return st;
}

void net_samples_free(net_samples *s)
{
    for (uint32_t k = 0; k < s->n; k++) {
        for (uint32_t i = 0; i < s->n_inputs; i++)
            free(s->v[k][i].data);
        free(s->v[k]);
    }
    free(s->v);
    *s = (net_samples){0};
}
