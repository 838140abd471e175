/* Reductions, softmax, norms, running sums: shapes. */
#include "net/op/infer.h"

/* ---- reductions ------------------------------------------------------------------------------ */

/* Axis by axis: is it reduced? */
hone_status hone_net_reduced_axes(const hone_net_use *u, bool ret[HONE_MAX_DIMS], hone_error *err)
{
    hone_net_axes axes;
    HONE_TRY(hone_net_axes_of(u, 1, u->in[0]->n_dims, &axes, err));
    bool all = !axes.n && !hone_net__int_or(u, "noop_with_empty_axes", 0);
    for (uint32_t k = 0; k < HONE_MAX_DIMS; k++)
        ret[k] = k < u->in[0]->n_dims && (all || axes.is[k]);
    return HONE_OK;
}

static hone_status reduced(const hone_net_use *u, const bool is[HONE_MAX_DIMS], hone_dtype dtype,
                           hone_error *err)
{
    const hone_tensor *x = u->in[0];
    bool keep = hone_net_attr_int(u->node, "keepdims");
    hone_tensor t = {.dtype = dtype};
    for (uint32_t k = 0; k < x->n_dims; k++)
        if (!is[k] || keep)
            HONE_TRY(hone_net__push(u, &t, is[k] ? 1 : x->shape[k], err));
    return hone_net__give(u, 0, &t, err);
}

static bool has_nothing(const hone_tensor *x, const bool is[HONE_MAX_DIMS])
{
    for (uint32_t k = 0; k < x->n_dims; k++)
        if (is[k] && x->shape[k] == 0)
            return true;
    return false;
}

hone_status hone_net__infer_reduce(const hone_net_use *u, hone_error *err)
{
    bool is[HONE_MAX_DIMS];
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net_reduced_axes(u, is, err));
    if (has_nothing(u->in[0], is))
        return HONE_NET_BAD("it reduces no elements");
    return reduced(u, is, u->in[0]->dtype, err);
}

hone_status hone_net__infer_arg(const hone_net_use *u, hone_error *err)
{
    bool is[HONE_MAX_DIMS] = {0};
    uint32_t axis;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net_axis_of(u, "axis", u->in[0]->n_dims, &axis, err));
    is[axis] = true;
    if (has_nothing(u->in[0], is))
        return HONE_NET_BAD("it chooses among no elements");
    return reduced(u, is, HONE_I64, err);
}

/* ---- softmax --------------------------------------------------------------------------------- */

hone_status hone_net_softmax_of(const hone_net_use *u, uint32_t *ret_from, uint32_t *ret_to,
                                hone_error *err)
{
    uint32_t rank = u->in[0]->n_dims;
    if (rank == 0) { /* one element */
        *ret_from = *ret_to = 0;
        return HONE_OK;
    }
    bool rows = u->node->op->last < 13;
    if (rows && hone_net_attr_int(u->node, "axis") == rank) { /* rows of one element */
        *ret_from = *ret_to = rank;
        return HONE_OK;
    }
    HONE_TRY(hone_net_axis_of(u, "axis", rank, ret_from, err));
    *ret_to = rows ? rank : *ret_from + 1;
    return HONE_OK;
}

hone_status hone_net__infer_softmax(const hone_net_use *u, hone_error *err)
{
    uint32_t from, to;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    HONE_TRY(hone_net_softmax_of(u, &from, &to, err));
    return hone_net__give(u, 0, u->in[0], err);
}

/* ---- norms ----------------------------------------------------------------------------------- */

/* Inputs [first, first + n) have one number a channel; channels are axis 1. */
static hone_status a_channel_each(const hone_net_use *u, uint32_t first, uint32_t n,
                                  hone_error *err)
{
    const hone_tensor *x = u->in[0];
    int64_t channels = x->n_dims > 1 ? x->shape[1] : 1;
    for (uint32_t k = first; k < first + n; k++) {
        HONE_TRY(hone_net__want(u, k, hone_net__is_real, "floats", err));
        if (u->in[k]->n_dims != 1 || u->in[k]->shape[0] != channels)
            return HONE_NET_BAD("input %" PRIu32 " has not one number for each of %" PRId64
                                " channels",
                                k, channels);
    }
    return HONE_OK;
}

hone_status hone_net__infer_batch_norm(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    if (hone_net__int_or(u, "training_mode", 0))
        return HONE_NET_NOT_YET("it is in training");
    if (!hone_net__int_or(u, "spatial", 1))
        return HONE_NET_NOT_YET("spatial = 0");
    for (uint32_t k = 1; k < u->n_out; k++)
        if (hone_net_out(u, k))
            return HONE_NET_NOT_YET("results of training");
    HONE_TRY(a_channel_each(u, 1, 4, err));
    return hone_net__give(u, 0, u->in[0], err);
}

hone_status hone_net__infer_instance_norm(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    if (u->in[0]->n_dims < 3)
        return HONE_NET_BAD("its input has no spatial axes");
    HONE_TRY(a_channel_each(u, 1, 2, err));
    return hone_net__give(u, 0, u->in[0], err);
}

hone_status hone_net__infer_layer_norm(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    uint32_t axis;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    HONE_TRY(hone_net__want_same(u, 0, 3, err));
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    if (hone_net_attr_int(u->node, "stash_type") != 1)
        return HONE_NET_NOT_YET("a stash_type that is not float");
    for (uint32_t k = 1; k < 3; k++) {
        const hone_tensor *both[] = {x, hone_net_in(u, k)};
        const hone_net_use scaled = {.node = u->node, .in = both, .n_in = 2};
        hone_tensor t = *x;
        HONE_TRY(hone_net_broadcast(&scaled, 0, 2, &t, err));
        if (!hone_tensor_same_shape(&t, x))
            return HONE_NET_BAD("input %" PRIu32 " does not fit its input", k);
    }
    hone_tensor moments = *x;
    moments.dtype = HONE_F32;
    for (uint32_t k = axis; k < x->n_dims; k++)
        moments.shape[k] = 1;
    HONE_TRY(hone_net__give(u, 1, &moments, err));
    HONE_TRY(hone_net__give(u, 2, &moments, err));
    return hone_net__give(u, 0, x, err);
}

hone_status hone_net__infer_lp_norm(const hone_net_use *u, hone_error *err)
{
    uint32_t axis;
    int64_t p = hone_net_attr_int(u->node, "p");
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    HONE_TRY(hone_net_axis_of(u, "axis", u->in[0]->n_dims, &axis, err));
    if (p != 1 && p != 2)
        return HONE_NET_BAD("there is no norm %" PRId64, p);
    return hone_net__give(u, 0, u->in[0], err);
}

hone_status hone_net__infer_lrn(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    if (u->in[0]->n_dims < 2 || hone_net_attr_int(u->node, "size") < 1)
        return HONE_NET_BAD("there are no channels to sum over");
    return hone_net__give(u, 0, u->in[0], err);
}

hone_status hone_net_mvn_axes(const hone_net_use *u, bool ret[HONE_MAX_DIMS], hone_error *err)
{
    hone_net_axes axes;
    HONE_TRY(hone_net_axes_of(u, 1, u->in[0]->n_dims, &axes, err));
    for (uint32_t k = 0; k < HONE_MAX_DIMS; k++)
        ret[k] = k < u->in[0]->n_dims && (axes.n ? axes.is[k] : k != 1);
    return HONE_OK;
}

hone_status hone_net__infer_mean_variance_norm(const hone_net_use *u, hone_error *err)
{
    bool is[HONE_MAX_DIMS];
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    HONE_TRY(hone_net_mvn_axes(u, is, err));
    return hone_net__give(u, 0, u->in[0], err);
}

/* ---- running sums ---------------------------------------------------------------------------- */

hone_status hone_net_cum_sum_axis(const hone_net_use *u, uint32_t *ret, hone_error *err)
{
    int64_t v = 0;
    uint32_t n = 0;
    HONE_TRY(hone_net__list(u, 1, 1, &v, &n, err));
    int64_t rank = u->in[0]->n_dims;
    if (n != 1 || v < -rank || v >= rank)
        return HONE_NET_BAD("there is no axis %" PRId64 " among %" PRId64, v, rank);
    *ret = (uint32_t)(v < 0 ? v + rank : v);
    return HONE_OK;
}

hone_status hone_net__infer_cum_sum(const hone_net_use *u, hone_error *err)
{
    uint32_t axis;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net_cum_sum_axis(u, &axis, err));
    return hone_net__give(u, 0, u->in[0], err);
}
