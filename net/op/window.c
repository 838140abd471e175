/* Convolutions and pooling: the window that moves over the spatial axes, and shapes. */
#include "net/op/infer.h"

#define MOST (1ll << 40)      /* of a kernel, stride, dilation or padding */
#define MOST_TAPS (1ll << 24) /* of a kernel */

/* ---- the window's attributes ----------------------------------------------------------------- */

/* An attribute of n numbers in [least, MOST], all `otherwise` where it is not given. */
static hone_status numbers(const hone_net_use *u, const char *name, uint32_t n, int64_t least,
                           int64_t otherwise, int64_t *ret, hone_error *err)
{
    uint32_t has = 0;
    const int64_t *v = NULL;
    if (hone_net__has_attr(u, name))
        v = hone_net_attr_ints(u->node, name, &has);
    if (has && has != n)
        return HONE_NET_BAD("attribute '%s' has %" PRIu32 " numbers, not %" PRIu32, name, has, n);
    for (uint32_t k = 0; k < n; k++) {
        ret[k] = has ? v[k] : otherwise;
        if (ret[k] < least || ret[k] > MOST)
            return HONE_NET_BAD("attribute '%s' holds %" PRId64, name, ret[k]);
    }
    return HONE_OK;
}

/* Kernel sizes, of the attribute or the weights, which agree; strides; dilations. `x`: what the
 * window moves over. */
static hone_status kernel(const hone_net_use *u, const hone_tensor *x, const hone_tensor *weights,
                          hone_net_window *ret, hone_error *err)
{
    *ret = (hone_net_window){0};
    if (x->n_dims < 3)
        return HONE_NET_BAD("its input has %u dimensions, and none to move a window over",
                            x->n_dims);
    ret->n = x->n_dims - 2u;
    if (weights && weights->n_dims != x->n_dims)
        return HONE_NET_BAD("its weights have %u dimensions, its input %u", weights->n_dims,
                            x->n_dims);
    HONE_TRY(numbers(u, "kernel_shape", ret->n, 1, 1, ret->kernel, err));
    HONE_TRY(numbers(u, "strides", ret->n, 1, 1, ret->stride, err));
    HONE_TRY(numbers(u, "dilations", ret->n, 1, 1, ret->dilation, err));
    bool given = hone_net_attr_given(u->node, "kernel_shape");
    for (uint32_t k = 0; weights && k < ret->n; k++) {
        int64_t size = weights->shape[k + 2];
        if (size < 1 || (given && ret->kernel[k] != size))
            return HONE_NET_BAD("its kernel has size %" PRId64 " of its weights", size);
        ret->kernel[k] = size;
    }
    int64_t taps = 1;
    for (uint32_t k = 0; k < ret->n; k++) {
        if (ret->kernel[k] > MOST / ret->dilation[k] || ret->kernel[k] > MOST_TAPS / taps)
            return HONE_NET_BAD("its kernel is too large");
        taps *= ret->kernel[k];
    }
    return HONE_OK;
}

/* Elements from a window's first to its last. */
static int64_t reach(const hone_net_window *w, uint32_t k)
{
    return (w->kernel[k] - 1) * w->dilation[k] + 1;
}

static void halve(hone_net_window *w, uint32_t k, int64_t total, bool more_after)
{
    total = total > 0 ? total : 0;
    w->before[k] = more_after ? total / 2 : total - total / 2;
    w->after[k] = total - w->before[k];
}

typedef enum padding { EXPLICIT, NONE, SAME_UPPER, SAME_LOWER } padding;

/* How it is padded; the explicit numbers are in w. */
static hone_status how_padded(const hone_net_use *u, hone_net_window *w, padding *ret,
                              hone_error *err)
{
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    const char *mode = hone_net_attr_text(u->node, "auto_pad");
    uint32_t k = 0;
    while (k < HONE_LEN(names) && strcmp(mode, names[k]) != 0 && *mode)
        k++;
    if (k == HONE_LEN(names))
        return HONE_NET_BAD("there is no auto_pad '%s'", mode);
    *ret = (padding)k;
    int64_t pads[2 * HONE_NET_MAX_SPATIAL];
    HONE_TRY(numbers(u, "pads", 2 * w->n, 0, 0, pads, err));
    for (k = 0; k < w->n && *ret == EXPLICIT; k++) {
        w->before[k] = pads[k];
        w->after[k] = pads[w->n + k];
    }
    return HONE_OK;
}

/* ---- windows that are read ------------------------------------------------------------------- */

static uint32_t weights_at(const hone_net_use *u)
{
    switch (u->node->op->id) {
    case HONE_NET_OP_CONV:
    case HONE_NET_OP_CONV_INTEGER:
        return 1;
    case HONE_NET_OP_QLINEAR_CONV:
        return 3;
    default:
        return UINT32_MAX;
    }
}

hone_status hone_net_window_of(const hone_net_use *u, hone_net_window *ret, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    padding how;
    HONE_TRY(kernel(u, x, hone_net_in(u, weights_at(u)), ret, err));
    HONE_TRY(how_padded(u, ret, &how, err));
    bool ceiling = hone_net__int_or(u, "ceil_mode", 0);
    for (uint32_t k = 0; k < ret->n; k++) {
        int64_t in = x->shape[k + 2], stride = ret->stride[k];
        if (how == SAME_UPPER || how == SAME_LOWER) {
            int64_t out = in / stride + (in % stride != 0);
            halve(ret, k, (out - 1) * stride + reach(ret, k) - in, how == SAME_UPPER);
        }
        int64_t room = in + ret->before[k] + ret->after[k] - reach(ret, k);
        if (room < 0)
            return HONE_NET_BAD("its kernel spans %" PRId64 ", its input %" PRId64, reach(ret, k),
                                in + ret->before[k] + ret->after[k]);
        ret->out[k] = room / stride + 1;
        /* the last window may hang over the end, but begins before it */
        if (ceiling && room % stride && ret->out[k] * stride < in + ret->before[k])
            ret->out[k]++;
    }
    return HONE_OK;
}

static hone_status give_window(const hone_net_use *u, const hone_net_window *w, hone_dtype dtype,
                               int64_t channels, hone_error *err)
{
    hone_tensor t = {.dtype = dtype, .n_dims = 2, .shape = {u->in[0]->shape[0], channels}};
    for (uint32_t k = 0; k < w->n; k++)
        HONE_TRY(hone_net__push(u, &t, w->out[k], err));
    return hone_net__give(u, 0, &t, err);
}

/* Channels and groups of input 0 and the weights; *ret_channels: of the result. */
static hone_status channels(const hone_net_use *u, uint32_t weights, uint32_t bias,
                            int64_t *ret_channels, hone_error *err)
{
    const hone_tensor *x = u->in[0], *w = u->in[weights], *b = hone_net_in(u, bias);
    int64_t group = hone_net_attr_int(u->node, "group");
    if (group < 1 || x->shape[1] % group || w->shape[0] % group ||
        x->shape[1] / group != w->shape[1])
        return HONE_NET_BAD("%" PRId64 " channels in %" PRId64
                            " groups do not fit weights of %" PRId64 " x %" PRId64,
                            x->shape[1], group, w->shape[0], w->shape[1]);
    *ret_channels = w->shape[0];
    if (b && (b->n_dims != 1 || b->shape[0] != w->shape[0]))
        return HONE_NET_BAD("its bias is not one number a channel");
    return HONE_OK;
}

hone_status hone_net__infer_conv(const hone_net_use *u, hone_error *err)
{
    hone_net_window w;
    int64_t n;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    HONE_TRY(hone_net__want_same(u, 0, 3, err));
    HONE_TRY(hone_net_window_of(u, &w, err));
    HONE_TRY(channels(u, 1, 2, &n, err));
    return give_window(u, &w, u->in[0]->dtype, n, err);
}

/* ---- integers -------------------------------------------------------------------------------- */

hone_status hone_net__infer_conv_integer(const hone_net_use *u, hone_error *err)
{
    hone_net_window w;
    int64_t n;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_byte, "u8 or i8", err));
    HONE_TRY(hone_net__want(u, 1, hone_net__is_byte, "u8 or i8", err));
    HONE_TRY(hone_net_window_of(u, &w, err));
    HONE_TRY(channels(u, 1, UINT32_MAX, &n, err));
    HONE_TRY(hone_net__want_point(u, 2, u->in[0]->dtype, 1, err));
    HONE_TRY(hone_net__want_point(u, 3, u->in[1]->dtype, n, err));
    return give_window(u, &w, HONE_I32, n, err);
}

hone_status hone_net__infer_qlinear_conv(const hone_net_use *u, hone_error *err)
{
    hone_net_window w;
    int64_t n;
    for (uint32_t k = 0; k <= 7; k++)
        if (k == 0 || k == 2 || k == 3 || k == 5 || k == 7)
            HONE_TRY(hone_net__want(u, k, hone_net__is_byte, "u8 or i8", err));
    HONE_TRY(hone_net_window_of(u, &w, err));
    HONE_TRY(channels(u, 3, 8, &n, err));
    HONE_TRY(hone_net__want_point(u, 1, HONE_F32, 1, err));
    HONE_TRY(hone_net__want_point(u, 2, u->in[0]->dtype, 1, err));
    HONE_TRY(hone_net__want_point(u, 4, HONE_F32, n, err));
    HONE_TRY(hone_net__want_point(u, 5, u->in[3]->dtype, n, err));
    HONE_TRY(hone_net__want_point(u, 6, HONE_F32, 1, err));
    HONE_TRY(hone_net__want_point(u, 7, u->in[7]->dtype, 1, err));
    if (hone_net_in(u, 8) && u->in[8]->dtype != HONE_I32)
        return HONE_NET_BAD("its bias is not i32");
    return give_window(u, &w, u->in[7]->dtype, n, err);
}

/* ---- the transposed convolution -------------------------------------------------------------- */

hone_status hone_net_window_transposed(const hone_net_use *u, hone_net_window *ret, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    padding how;
    int64_t more[HONE_NET_MAX_SPATIAL], shape[HONE_NET_MAX_SPATIAL];
    HONE_TRY(kernel(u, x, u->in[1], ret, err));
    HONE_TRY(how_padded(u, ret, &how, err));
    HONE_TRY(numbers(u, "output_padding", ret->n, 0, 0, more, err));
    HONE_TRY(numbers(u, "output_shape", ret->n, 1, 1, shape, err));
    uint32_t n_shape;
    hone_net_attr_ints(u->node, "output_shape", &n_shape);
    for (uint32_t k = 0; k < ret->n; k++) {
        int64_t in = x->shape[k + 2];
        if (in < 1 || in > MOST / ret->stride[k])
            return HONE_NET_BAD("its result would be too large");
        int64_t whole = ret->stride[k] * (in - 1) + more[k] + reach(ret, k);
        if (!n_shape && (how == SAME_UPPER || how == SAME_LOWER))
            shape[k] = in * ret->stride[k];
        if (n_shape || how == SAME_UPPER || how == SAME_LOWER)
            halve(ret, k, whole - shape[k], how == SAME_UPPER);
        else
            shape[k] = whole - ret->before[k] - ret->after[k];
        ret->out[k] = shape[k];
        if (ret->out[k] < 1)
            return HONE_NET_BAD("nothing is left of its result");
    }
    return HONE_OK;
}

hone_status hone_net__infer_conv_transpose(const hone_net_use *u, hone_error *err)
{
    hone_net_window w;
    const hone_tensor *x = u->in[0], *weights = u->in[1], *b = hone_net_in(u, 2);
    int64_t group = hone_net_attr_int(u->node, "group"), n;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    HONE_TRY(hone_net__want_same(u, 0, 3, err));
    HONE_TRY(hone_net_window_transposed(u, &w, err));
    if (group < 1 || x->shape[1] != weights->shape[0] || x->shape[1] % group ||
        __builtin_mul_overflow(weights->shape[1], group, &n))
        return HONE_NET_BAD("%" PRId64 " channels in %" PRId64
                            " groups do not fit weights of %" PRId64 " x %" PRId64,
                            x->shape[1], group, weights->shape[0], weights->shape[1]);
    if (b && (b->n_dims != 1 || b->shape[0] != n))
        return HONE_NET_BAD("its bias is not one number a channel");
    return give_window(u, &w, x->dtype, n, err);
}

/* ---- pooling --------------------------------------------------------------------------------- */

hone_status hone_net__infer_pool(const hone_net_use *u, hone_error *err)
{
    hone_net_window w;
    if (u->node->op->id == HONE_NET_OP_MAX_POOL)
        HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    else
        HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    if (u->node->op->id == HONE_NET_OP_LP_POOL && hone_net_attr_int(u->node, "p") < 1)
        return HONE_NET_BAD("its norm is not positive");
    HONE_TRY(hone_net_window_of(u, &w, err));
    HONE_TRY(give_window(u, &w, u->in[0]->dtype, u->in[0]->shape[1], err));
    if (hone_net_out(u, 1) && hone_net_out(u, 0)) {
        hone_tensor t = *hone_net_out(u, 0);
        t.dtype = HONE_I64;
        return hone_net__give(u, 1, &t, err);
    }
    return hone_net_out(u, 1) ? HONE_NET_NOT_YET("its indices without its values") : HONE_OK;
}

hone_status hone_net__infer_global_pool(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    hone_tensor t = *u->in[0];
    if (t.n_dims < 3 || hone_net__elems(&t, 2, t.n_dims) == 0)
        return HONE_NET_BAD("its input has nothing to pool");
    for (uint32_t k = 2; k < t.n_dims; k++)
        t.shape[k] = 1;
    if (u->node->op->id == HONE_NET_OP_GLOBAL_LP_POOL && hone_net_attr_int(u->node, "p") < 1)
        return HONE_NET_BAD("its norm is not positive");
    return hone_net__give(u, 0, &t, err);
}
