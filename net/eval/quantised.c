/* To and from integers with scale and zero point, evaluated. */
#include "net/eval/eval.h"

#include <math.h>

/* Which scale element k has: one for all, or one for each place of `axis`. */
typedef struct along {
    int64_t n, inner;
} along;

static hone_status axis_of(const hone_net_use *u, along *ret, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    uint32_t axis = 0;
    *ret = (along){1, 1};
    if (hone_tensor_elems(u->in[1]) == 1)
        return HONE_OK;
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    *ret = (along){x->shape[axis], hone_net__elems(x, axis + 1, x->n_dims)};
    return HONE_OK;
}

hone_status hone_net__eval_quantize(const hone_net_use *u, hone_error *err)
{
    along a;
    HONE_TRY(axis_of(u, &a, err));
    for (int64_t k = 0, n = hone_tensor_elems(u->in[0]); k < n; k++) {
        int64_t c = k / a.inner % a.n;
        /* the quotient is one of floats */
        float v = (float)hone_tensor_float(u->in[0], k) / (float)hone_net__point(u->in[1], c);
        hone_net__set_saturated(u->out[0], k,
                                nearbyint((double)v) + hone_net__point(hone_net_in(u, 2), c));
    }
    return HONE_OK;
}

hone_status hone_net__eval_dequantize(const hone_net_use *u, hone_error *err)
{
    along a;
    HONE_TRY(axis_of(u, &a, err));
    for (int64_t k = 0, n = hone_tensor_elems(u->in[0]); k < n; k++) {
        int64_t c = k / a.inner % a.n;
        double v = hone_tensor_float(u->in[0], k) - hone_net__point(hone_net_in(u, 2), c);
        hone_net__set_float(u->out[0], k, v * hone_net__point(u->in[1], c));
    }
    return HONE_OK;
}

/* u8 over the range of the input and 0; steps are of floats, as the standard has it. */
hone_status hone_net__eval_dynamic_quantize(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    double lo = 0, hi = 0;
    int64_t n = hone_tensor_elems(x);
    for (int64_t k = 0; k < n; k++) {
        lo = fmin(lo, hone_tensor_float(x, k));
        hi = fmax(hi, hone_tensor_float(x, k));
    }
    float scale = (float)(hi - lo) / 255;
    float zero = scale > 0 ? nearbyintf(fminf(255, fmaxf(0, (float)-lo / scale))) : 0;
    for (int64_t k = 0; k < n; k++) {
        float v = scale > 0 ? (float)hone_tensor_float(x, k) / scale : 0;
        hone_net__set_saturated(u->out[0], k, (double)(nearbyintf(v) + zero));
    }
    hone_net__set_float(u->out[1], 0, (double)scale);
    hone_net__set_int(u->out[2], 0, (int64_t)zero);
    return HONE_OK;
}
