/* Kernels: elements chosen by indices that are read from memory, where negative ones count from the
 * end. The language holds any other index inside of its dimension. */
#include "net/kernel/internal.h"

/* Element `at` of input k as an index of a dimension of `size`. */
static hone_nk_text chosen(hone_nk *e, unsigned k, const hone_nk_index *at, int64_t size)
{
    const hone_tensor *t = hone_net_in(e->u, k);
    bool negative = !t->data;
    for (int64_t i = 0; t->data && i < hone_tensor_elems(t); i++)
        negative = negative || hone_tensor_int(t, i) < 0;
    hone_nk__in_range(e, k, negative ? -size : 0, size);
    hone_nk_text x = hone_nk__as(HONE_I64, t->dtype, hone_nk__at(hone_nk__in(e, k), at).s);
    if (!negative)
        return x;
    return hone_nk__textf("select(%s < 0, %s + %" PRId64 ", %s)", x.s, x.s, size, x.s);
}

hone_status hone_nk__gather(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *i = hone_net_in(e->u, 1);
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(e->u, "axis", x->n_dims, &axis, e->err));
    hone_nk_index at = {.n = x->n_dims}, of = {.n = i->n_dims};
    for (unsigned d = 0; d < i->n_dims; d++)
        hone_nk__set(&of, d, "i%u", axis + d);
    for (unsigned d = 0; d < x->n_dims; d++)
        if (d != axis)
            hone_nk__set(&at, d, "i%u", d < axis ? d : d - 1 + i->n_dims);
    hone_nk__set(&at, axis, "%s", chosen(e, 1, &of, x->shape[axis]).s);
    hone_nk__stage(e, hone_nk__out(e, 0), hone_net_out(e->u, 0)->n_dims, "%s",
                   hone_nk__at(hone_nk__in(e, 0), &at).s);
    return HONE_OK;
}

hone_status hone_nk__gather_elements(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(e->u, "axis", x->n_dims, &axis, e->err));
    hone_nk_index at = hone_nk__indices(x->n_dims), of = at;
    hone_nk__set(&at, axis, "%s", chosen(e, 1, &of, x->shape[axis]).s);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__at(hone_nk__in(e, 0), &at).s);
    return HONE_OK;
}

/* The last dimension of the indices says where in those of x that follow the batch. */
hone_status hone_nk__gather_nd(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *i = hone_net_in(e->u, 1);
    unsigned batch = (unsigned)hone_net_attr_int(e->u->node, "batch_dims");
    unsigned places = i->n_dims - 1u, n = (unsigned)i->shape[places];
    hone_nk_index at = {.n = x->n_dims}, of = hone_nk__indices(i->n_dims);
    for (unsigned d = 0; d < x->n_dims; d++) {
        if (d < batch) {
            hone_nk__set(&at, d, "i%u", d);
        } else if (d < batch + n) {
            hone_nk__set(&of, places, "%u", d - batch);
            hone_nk__set(&at, d, "%s", chosen(e, 1, &of, x->shape[d]).s);
        } else {
            hone_nk__set(&at, d, "i%u", places + d - batch - n);
        }
    }
    /* one range for all columns of the indices */
    int64_t least = INT64_MAX;
    for (unsigned d = batch; d < batch + n; d++)
        least = x->shape[d] < least ? x->shape[d] : least;
    if (n)
        hone_nk__in_range(e, 1, i->data ? 0 : -least, least);
    hone_nk__stage(e, hone_nk__out(e, 0), hone_net_out(e->u, 0)->n_dims, "%s",
                   hone_nk__at(hone_nk__in(e, 0), &at).s);
    return HONE_OK;
}

/* values[1] where the new axis is at the index, values[0] elsewhere. */
hone_status hone_nk__one_hot(hone_nk *e)
{
    const hone_tensor *i = hone_net_in(e->u, 0), *y = hone_net_out(e->u, 0);
    int64_t axis = hone_net_attr_int(e->u->node, "axis");
    axis += axis < 0 ? y->n_dims : 0;
    hone_nk_index of = {.n = i->n_dims};
    for (unsigned d = 0; d < i->n_dims; d++)
        hone_nk__set(&of, d, "i%u", d < axis ? d : d + 1);
    hone_nk_text place = chosen(e, 0, &of, y->shape[axis]);
    const char *values = hone_nk__in(e, 2)->name;
    hone_nk__stage(e, hone_nk__out(e, 0), y->n_dims, "select(%s == i%u, %s[1], %s[0])", place.s,
                   (unsigned)axis, values, values);
    return HONE_OK;
}

hone_status hone_nk__reverse_sequence(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    unsigned time = (unsigned)hone_net_attr_int(e->u->node, "time_axis");
    unsigned batch = (unsigned)hone_net_attr_int(e->u->node, "batch_axis");
    hone_nk_index at = hone_nk__indices(x->n_dims), of = {.n = 1};
    hone_nk__set(&of, 0, "i%u", batch);
    hone_nk_text length = hone_nk__at(hone_nk__in(e, 1), &of);
    hone_nk__in_range(e, 1, 0, x->shape[time] + 1);
    hone_nk__set(&at, time, "select(i%u < %s, %s - 1 - i%u, i%u)", time, length.s, length.s, time,
                 time);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s", hone_nk__at(hone_nk__in(e, 0), &at).s);
    return HONE_OK;
}
