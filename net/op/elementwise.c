/* Operators whose result has one element for each of their inputs', broadcast where these differ:
 * what types they take, and the shape of the result. */
#include "net/op/infer.h"

#include <math.h>

/* All inputs of one type, the result of the same. */
static hone_status alike(const hone_net_use *u, bool (*is)(hone_dtype), const char *what,
                         hone_error *err)
{
    for (uint32_t k = 0; k < u->n_in; k++)
        HONE_TRY(hone_net__want(u, k, is, what, err));
    HONE_TRY(hone_net__want_same(u, 0, u->n_in, err));
    hone_tensor t = {.dtype = u->in[0]->dtype};
    HONE_TRY(hone_net_broadcast(u, 0, u->n_in, &t, err));
    return hone_net__give(u, 0, &t, err);
}

static bool is_truth(hone_dtype t)
{
    return t == HONE_BOOL;
}

hone_status hone_net__infer_real(const hone_net_use *u, hone_error *err)
{
    return alike(u, hone_net__is_real, "floats", err);
}

hone_status hone_net__infer_number(const hone_net_use *u, hone_error *err)
{
    return alike(u, hone_net__is_number, "numbers", err);
}

hone_status hone_net__infer_integer(const hone_net_use *u, hone_error *err)
{
    if (u->node->op->id == HONE_NET_OP_BIT_SHIFT) {
        const char *way = hone_net_attr_text(u->node, "direction");
        if (strcmp(way, "LEFT") != 0 && strcmp(way, "RIGHT") != 0)
            return HONE_NET_BAD("there is no direction '%s'", way);
    }
    return alike(u, hone_net__is_integer, "integers", err);
}

hone_status hone_net__infer_truth(const hone_net_use *u, hone_error *err)
{
    return alike(u, is_truth, "bool", err);
}

hone_status hone_net__infer_same(const hone_net_use *u, hone_error *err)
{
    return hone_net__give(u, 0, u->in[0], err);
}

hone_status hone_net__infer_real_test(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    hone_tensor t = *u->in[0];
    t.dtype = HONE_BOOL;
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_compare(const hone_net_use *u, hone_error *err)
{
    if (u->node->op->id != HONE_NET_OP_EQUAL)
        HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want_same(u, 0, 2, err));
    hone_tensor t = {.dtype = HONE_BOOL};
    HONE_TRY(hone_net_broadcast(u, 0, 2, &t, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_pow(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want(u, 1, hone_net__is_number, "numbers", err));
    hone_tensor t = {.dtype = u->in[0]->dtype};
    HONE_TRY(hone_net_broadcast(u, 0, 2, &t, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_prelu(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(alike(u, hone_net__is_number, "numbers", err));
    hone_tensor t = {.dtype = u->in[0]->dtype};
    HONE_TRY(hone_net_broadcast(u, 0, 2, &t, err));
    if (!hone_tensor_same_shape(&t, u->in[0]))
        return HONE_NET_BAD("its slope does not fit its input");
    return HONE_OK;
}

hone_status hone_net__infer_where(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, is_truth, "bool", err));
    HONE_TRY(hone_net__want_same(u, 1, 2, err));
    hone_tensor t = {.dtype = u->in[1]->dtype};
    HONE_TRY(hone_net_broadcast(u, 0, 3, &t, err));
    return hone_net__give(u, 0, &t, err);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

hone_status hone_net__infer_clip(const hone_net_use *u, hone_error *err)
{
    if (u->node->op->id == HONE_NET_OP_CLIP_7)
        HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    else
        HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want_same(u, 0, 3, err));
    for (uint32_t k = 1; k < 3; k++)
        if (hone_net_in(u, k) && hone_tensor_elems(hone_net_in(u, k)) != 1)
            return HONE_NET_BAD("a bound is not one number");
    return hone_net__give(u, 0, u->in[0], err);
}

hone_status hone_net_clip_of(const hone_net_use *u, double *ret_lo, double *ret_hi, hone_error *err)
{
    *ret_lo = -INFINITY;
    *ret_hi = INFINITY;
    if (u->node->op->id == HONE_NET_OP_CLIP_7) {
        *ret_lo = hone_net_attr_float(u->node, "min");
        *ret_hi = hone_net_attr_float(u->node, "max");
        return HONE_OK;
    }
    if (hone_net_in(u, 1)) {
        HONE_TRY(hone_net__want_data(u, 1, err));
        *ret_lo = hone_tensor_float(u->in[1], 0);
    }
    if (hone_net_in(u, 2)) {
        HONE_TRY(hone_net__want_data(u, 2, err));
        *ret_hi = hone_tensor_float(u->in[2], 0);
    }
    return HONE_OK;
}

/* ---- types ----------------------------------------------------------------------------------- */

hone_status hone_net__infer_cast(const hone_net_use *u, hone_error *err)
{
    hone_tensor t = *u->in[0];
    HONE_TRY(hone_net__onnx_dtype(u, hone_net_attr_int(u->node, "to"), &t.dtype, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_cast_like(const hone_net_use *u, hone_error *err)
{
    hone_tensor t = *u->in[0];
    t.dtype = u->in[1]->dtype;
    return hone_net__give(u, 0, &t, err);
}
