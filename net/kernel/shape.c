/* Kernels: the same elements in another shape or order. Between other operators most of them cost
 * nothing: who schedules a network leaves them out or puts them into its neighbours. */
#include "net/kernel/internal.h"

static hone_status put(hone_nk *e, const hone_nk_index *x)
{
    hone_nk__stage(e, hone_nk__out(e, 0), hone_net_out(e->u, 0)->n_dims, "%s",
                   hone_nk__at(hone_nk__in(e, 0), x).s);
    return HONE_OK;
}

/* The place of the output's element in row-major order. */
static hone_nk_text place_of(const hone_tensor *t)
{
    hone_nk_text r = {"0"};
    int64_t stride = 1;
    for (unsigned d = t->n_dims; d-- > 0; stride *= t->shape[d]) {
        if (t->shape[d] == 1)
            continue;
        hone_nk_text i = hone_nk__times(hone_nk__textf("i%u", d).s, stride), rest = r;
        r = strcmp(rest.s, "0") == 0 ? i : hone_nk__textf("%s + %s", i.s, rest.s);
    }
    return r;
}

hone_status hone_nk__reshape(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *y = hone_net_out(e->u, 0);
    hone_nk_index at = {.n = x->n_dims};
    hone_nk_text place = place_of(y);
    int64_t stride = 1;
    for (unsigned d = x->n_dims; d-- > 0; stride *= x->shape[d]) {
        bool first = stride * x->shape[d] == hone_tensor_elems(x);
        if (x->shape[d] <= 1 || stride == 0)
            hone_nk__set(&at, d, "0");
        else if (stride == 1 && first)
            hone_nk__set(&at, d, "%s", place.s);
        else if (first)
            hone_nk__set(&at, d, "(%s) // %" PRId64, place.s, stride);
        else if (stride == 1)
            hone_nk__set(&at, d, "(%s) %% %" PRId64, place.s, x->shape[d]);
        else
            hone_nk__set(&at, d, "(%s) // %" PRId64 " %% %" PRId64, place.s, stride, x->shape[d]);
    }
    return put(e, &at);
}

hone_status hone_nk__transpose(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    uint32_t perm[HONE_MAX_DIMS];
    HONE_TRY(hone_net_perm_of(e->u, perm, e->err));
    hone_nk_index at = {.n = x->n_dims};
    for (unsigned d = 0; d < x->n_dims; d++)
        hone_nk__set(&at, perm[d], "i%u", d);
    return put(e, &at);
}

hone_status hone_nk__expand(hone_nk *e)
{
    unsigned n = hone_net_out(e->u, 0)->n_dims;
    hone_nk__stage(e, hone_nk__out(e, 0), n, "%s", hone_nk__operand(e, 0, n).s);
    return HONE_OK;
}

hone_status hone_nk__tile(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *y = hone_net_out(e->u, 0);
    hone_nk_index at = hone_nk__indices(x->n_dims);
    for (unsigned d = 0; d < x->n_dims; d++)
        if (x->shape[d] == 1)
            hone_nk__set(&at, d, "0");
        else if (x->shape[d] != y->shape[d])
            hone_nk__set(&at, d, "i%u %% %" PRId64, d, x->shape[d]);
    return put(e, &at);
}

/* The part of matrices above or below a diagonal. */
hone_status hone_nk__trilu(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    unsigned n = x->n_dims;
    bool upper = hone_net_attr_int(e->u->node, "upper") != 0;
    int64_t k;
    HONE_TRY(hone_net_trilu_k(e->u, &k, e->err));
    hone_nk_index i = hone_nk__indices(n);
    hone_nk__stage(e, hone_nk__out(e, 0), n, "select(i%u - i%u %s %" PRId64 ", %s, %s)", n - 1,
                   n - 2, upper ? ">=" : "<=", k, hone_nk__at(hone_nk__in(e, 0), &i).s,
                   x->dtype == HONE_BOOL ? "false" : "0");
    return HONE_OK;
}

hone_status hone_nk__eye_like(hone_nk *e)
{
    const hone_tensor *y = hone_net_out(e->u, 0);
    int64_t k = hone_net_attr_int(e->u->node, "k");
    hone_nk_text on = hone_nk__textf("i1 - i0 == %" PRId64, k);
    if (y->dtype == HONE_BOOL)
        hone_nk__stage(e, hone_nk__out(e, 0), 2, "%s", on.s);
    else
        hone_nk__stage(e, hone_nk__out(e, 0), 2, "select(%s, 1, 0)", on.s);
    return HONE_OK;
}

hone_status hone_nk__depth_to_space(hone_nk *e)
{
    int64_t b = hone_net_attr_int(e->u->node, "blocksize");
    int64_t channels = hone_net_out(e->u, 0)->shape[1];
    bool outer = strcmp(hone_net_attr_text(e->u->node, "mode"), "CRD") != 0;
    hone_nk_index at = hone_nk__indices(4);
    if (outer)
        hone_nk__set(&at, 1, "(i2 %% %" PRId64 "*%" PRId64 " + i3 %% %" PRId64 ")*%" PRId64 " + i1",
                     b, b, b, channels);
    else
        hone_nk__set(&at, 1, "i1*%" PRId64 " + i2 %% %" PRId64 "*%" PRId64 " + i3 %% %" PRId64,
                     b * b, b, b, b);
    hone_nk__set(&at, 2, "i2 // %" PRId64, b);
    hone_nk__set(&at, 3, "i3 // %" PRId64, b);
    return put(e, &at);
}

hone_status hone_nk__space_to_depth(hone_nk *e)
{
    int64_t b = hone_net_attr_int(e->u->node, "blocksize");
    int64_t channels = hone_net_in(e->u, 0)->shape[1];
    hone_nk_index at = hone_nk__indices(4);
    if (channels == 0) /* there is nothing to be moved */
        return put(e, &at);
    hone_nk__set(&at, 1, "i1 %% %" PRId64, channels);
    hone_nk__set(&at, 2, "i2*%" PRId64 " + i1 // %" PRId64, b, channels * b);
    hone_nk__set(&at, 3, "i3*%" PRId64 " + i1 // %" PRId64 " %% %" PRId64, b, channels, b);
    return put(e, &at);
}
