/* To and from integers with scale and zero point: types and shapes. */
#include "net/op/infer.h"

static bool is_bytes_or_i32(hone_dtype t)
{
    return hone_net__is_byte(t) || t == HONE_I32;
}

static bool is_f32_or_i32(hone_dtype t)
{
    return t == HONE_F32 || t == HONE_I32;
}

/* One scale, or one for each place of `axis`; the zero points alike. */
static hone_status scales(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *scale = u->in[1], *zero = hone_net_in(u, 2);
    uint32_t axis = 0;
    if (scale->dtype != HONE_F32)
        return HONE_NET_BAD("its scale is not f32");
    if (scale->n_dims == 1 && scale->shape[0] != 1) {
        HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
        if (scale->shape[0] != x->shape[axis])
            return HONE_NET_BAD("it has %" PRId64 " scales for %" PRId64 " places of its axis",
                                scale->shape[0], x->shape[axis]);
    } else if (hone_tensor_elems(scale) != 1) {
        return HONE_NET_BAD("its scale is neither one number nor one for each place of an axis");
    }
    if (zero && hone_tensor_elems(zero) != hone_tensor_elems(scale))
        return HONE_NET_BAD("it has %" PRId64 " zero points for %" PRId64 " scales",
                            hone_tensor_elems(zero), hone_tensor_elems(scale));
    return HONE_OK;
}

hone_status hone_net__infer_quantize(const hone_net_use *u, hone_error *err)
{
    hone_tensor t = *u->in[0];
    HONE_TRY(hone_net__want(u, 0, is_f32_or_i32, "f32 or i32", err));
    HONE_TRY(scales(u, err));
    if (hone_net_in(u, 2))
        HONE_TRY(hone_net__want(u, 2, hone_net__is_byte, "u8 or i8", err));
    t.dtype = hone_net_in(u, 2) ? u->in[2]->dtype : HONE_U8;
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_dequantize(const hone_net_use *u, hone_error *err)
{
    hone_tensor t = *u->in[0];
    HONE_TRY(hone_net__want(u, 0, is_bytes_or_i32, "u8, i8 or i32", err));
    HONE_TRY(scales(u, err));
    if (hone_net_in(u, 2) && u->in[2]->dtype != t.dtype)
        return HONE_NET_BAD("its zero point is not of its data's type");
    t.dtype = HONE_F32;
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_dynamic_quantize(const hone_net_use *u, hone_error *err)
{
    hone_tensor t = *u->in[0];
    if (t.dtype != HONE_F32)
        return HONE_NET_BAD("its input is not f32");
    if (hone_tensor_elems(&t) == 0)
        return HONE_NET_BAD("its input has no elements");
    const hone_tensor scale = {.dtype = HONE_F32}, zero = {.dtype = HONE_U8};
    t.dtype = HONE_U8;
    HONE_TRY(hone_net__give(u, 0, &t, err));
    HONE_TRY(hone_net__give(u, 1, &scale, err));
    return hone_net__give(u, 2, &zero, err);
}
