/* Kernels: from floats to integers of 8 bits and back, by a scale and a zero point, which are one
 * or one for each index of an axis. Casts to integers saturate, and round takes halves to even, as
 * ONNX says. */
#include "net/kernel/internal.h"

/* The index of the axis that scales and zero points are for. */
static hone_status axis_of(hone_nk *e, hone_nk_text *ret)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *scale = hone_net_in(e->u, 1);
    uint32_t axis = 0;
    if (hone_tensor_elems(scale) != 1) {
        HONE_TRY(hone_net_axis_of(e->u, "axis", x->n_dims, &axis, e->err));
        if (scale->n_dims != 1)
            return hone_nk__refuse(e, "scales are one, or one for each index of an axis");
    }
    *ret = hone_nk__textf("i%" PRIu32, axis);
    return HONE_OK;
}

hone_status hone_nk__quantize(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *y = hone_net_out(e->u, 0);
    hone_nk_text at, zero = {"0"};
    HONE_TRY(axis_of(e, &at));
    hone_nk_index i = hone_nk__indices(x->n_dims);
    hone_dtype of = hone_nk__in_type(e, 1);
    hone_nk_text value = hone_nk__as(of, x->dtype, hone_nk__at(hone_nk__in(e, 0), &i).s);
    if (!hone_nk__is_all(hone_net_in(e->u, 1), 1)) {
        hone_nk_text whole = value;
        value = hone_nk__textf("%s / %s", whole.s, hone_nk__per(e, 1, at.s).s);
    }
    if (hone_net_in(e->u, 2) && !hone_nk__is_all(hone_net_in(e->u, 2), 0))
        zero = hone_nk__as(of, y->dtype, hone_nk__per(e, 2, at.s).s);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims,
                   strcmp(zero.s, "0") == 0 ? "%s(round(%s))" : "%s(round(%s) + %s)",
                   hone_dtype_name(y->dtype), value.s, zero.s);
    return HONE_OK;
}

hone_status hone_nk__dequantize(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *y = hone_net_out(e->u, 0);
    hone_nk_text at;
    HONE_TRY(axis_of(e, &at));
    hone_nk_index i = hone_nk__indices(x->n_dims);
    hone_nk_text value = hone_nk__as(HONE_I32, x->dtype, hone_nk__at(hone_nk__in(e, 0), &i).s);
    if (hone_net_in(e->u, 2) && !hone_nk__is_all(hone_net_in(e->u, 2), 0)) {
        hone_nk_text full = value;
        value = hone_nk__textf("%s - %s", full.s,
                               hone_nk__as(HONE_I32, x->dtype, hone_nk__per(e, 2, at.s).s).s);
    }
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "%s(%s) * %s", hone_dtype_name(y->dtype),
                   value.s, hone_nk__per(e, 1, at.s).s);
    return HONE_OK;
}

/* An output, or a temporary where nobody asks for it. */
static const hone_nk_row *out_or_temp(hone_nk *e, unsigned k, hone_dtype t)
{
    return hone_net_out(e->u, k) ? hone_nk__out(e, k) : hone_nk__temp(e, t, NULL, 0);
}

/* To u8, by the range of the values and 0. */
hone_status hone_nk__dynamic_quantize(hone_nk *e)
{
    const hone_tensor *x = hone_net_in(e->u, 0);
    bool folded[HONE_MAX_DIMS];
    hone_nk_steps steps = {0};
    for (unsigned d = 0; d < HONE_MAX_DIMS; d++)
        folded[d] = true;
    hone_nk_text each = hone_nk__folded(e, 0, folded, false, &steps);
    const hone_nk_row *hi = hone_nk__temp(e, HONE_F32, NULL, 0);
    const hone_nk_row *lo = hone_nk__temp(e, HONE_F32, NULL, 0);
    hone_nk__stage(e, hi, 0, "%s", hone_nk__over("max", &steps, each.s).s);
    hone_nk__stage(e, lo, 0, "%s", hone_nk__over("min", &steps, each.s).s);
    const hone_nk_row *scale = out_or_temp(e, 1, HONE_F32);
    const hone_nk_row *zero = out_or_temp(e, 2, HONE_U8);
    hone_nk__stage(e, scale, 0, "(max(%s[], 0) - min(%s[], 0)) / 255", hi->name, lo->name);
    hone_nk__stage(e, zero, 0, "u8(round(-min(%s[], 0) / %s[]))", lo->name, scale->name);
    if (!hone_net_out(e->u, 0))
        return HONE_OK;
    hone_nk_index i = hone_nk__indices(x->n_dims);
    hone_nk__stage(e, hone_nk__out(e, 0), x->n_dims, "u8(round(%s / %s[]) + f32(%s[]))",
                   hone_nk__at(hone_nk__in(e, 0), &i).s, scale->name, zero->name);
    return HONE_OK;
}
