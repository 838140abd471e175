/* Resize and Upsample: scales, sizes and modes, from whichever inputs and attributes an opset has
 * them in. */
#include "net/op/infer.h"

#include <math.h>

static const char *const modes[] = {"nearest", "linear", "cubic"};
static const char *const transforms[] = {"half_pixel",           "pytorch_half_pixel",
                                         "align_corners",        "asymmetric",
                                         "tf_half_pixel_for_nn", "tf_crop_and_resize"};
static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

static hone_status choose(const hone_net_use *u, const char *attr, const char *const *names,
                          uint32_t n, uint32_t *ret, hone_error *err)
{
    const char *text = hone_net_attr_text(u->node, attr);
    for (*ret = 0; *ret < n; ++*ret)
        if (strcmp(names[*ret], text) == 0)
            return HONE_OK;
    return HONE_NET_BAD("there is no %s '%s'", attr, text);
}

static hone_status read_modes(const hone_net_use *u, hone_net_resize *ret, hone_error *err)
{
    const char *mode = hone_net_attr_text(u->node, "mode");
    uint32_t k = 1;
    if (strcmp(mode, "bilinear") != 0) /* Upsample of opset 7 */
        HONE_TRY(choose(u, "mode", modes, HONE_LEN(modes), &k, err));
    ret->mode = (hone_net_resize_mode)k;
    if (!hone_net__has_attr(u, "coordinate_transformation_mode")) {
        ret->transform = HONE_NET_ASYMMETRIC;
        ret->rounding = HONE_NET_OLD;
        return ret->mode == HONE_NET_CUBIC ? HONE_NET_BAD("there is no mode 'cubic' in this opset")
                                           : HONE_OK;
    }
    HONE_TRY(
        choose(u, "coordinate_transformation_mode", transforms, HONE_LEN(transforms), &k, err));
    ret->transform = (hone_net_resize_transform)k;
    HONE_TRY(choose(u, "nearest_mode", roundings, HONE_LEN(roundings), &k, err));
    ret->rounding = (hone_net_resize_rounding)k;
    return HONE_OK;
}

/* Input k as `rank` floats; *ret_has: it is given, and not empty. */
static hone_status floats(const hone_net_use *u, uint32_t k, uint32_t n, double *ret, bool *ret_has,
                          hone_error *err)
{
    const hone_tensor *t = hone_net_in(u, k);
    *ret_has = t && hone_tensor_elems(t) > 0;
    if (!*ret_has)
        return HONE_OK;
    HONE_TRY(hone_net__want(u, k, hone_net__is_real, "floats", err));
    HONE_TRY(hone_net__want_data(u, k, err));
    if (hone_tensor_elems(t) != n)
        return HONE_NET_BAD("input %" PRIu32 " has %" PRId64 " numbers, not %" PRIu32, k,
                            hone_tensor_elems(t), n);
    for (uint32_t j = 0; j < n; j++)
        ret[j] = hone_tensor_float(t, j);
    return HONE_OK;
}

static hone_status scale_attribute(const hone_net_use *u, uint32_t rank, hone_net_resize *ret,
                                   hone_error *err)
{
    uint32_t n;
    const float *v = hone_net_attr_floats(u->node, "scales", &n);
    if (n != rank)
        return HONE_NET_BAD("it has %" PRIu32 " scales for %" PRIu32 " axes", n, rank);
    for (uint32_t k = 0; k < n; k++)
        ret->scale[k] = (double)v[k];
    return HONE_OK;
}

/* Sizes from scales: those of a crop for its transform. */
static hone_status sizes_of_scales(const hone_net_use *u, hone_net_resize *ret, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    bool crops = ret->transform == HONE_NET_CROP_AND_RESIZE;
    for (uint32_t k = 0; k < x->n_dims; k++) {
        double part = crops ? ret->roi[x->n_dims + k] - ret->roi[k] : 1;
        double size = floor((double)x->shape[k] * part * ret->scale[k]);
        if (!(ret->scale[k] > 0) || !(size >= 0) || size > (double)HONE_NET_MAX_ELEMS)
            return HONE_NET_BAD("it scales axis %" PRIu32 " by %g", k, ret->scale[k]);
        ret->size[k] = (int64_t)size;
        ret->length[k] = crops ? size : (double)x->shape[k] * ret->scale[k];
    }
    return HONE_OK;
}

/* What opset 18 added. */
static hone_status only_plain(const hone_net_use *u, hone_error *err)
{
    if (hone_net_attr_int(u->node, "antialias"))
        return HONE_NET_NOT_YET("antialias");
    if (hone_net_attr_given(u->node, "axes"))
        return HONE_NET_NOT_YET("axes");
    if (strcmp(hone_net_attr_text(u->node, "keep_aspect_ratio_policy"), "stretch") != 0)
        return HONE_NET_NOT_YET("keep_aspect_ratio_policy '%s'",
                                hone_net_attr_text(u->node, "keep_aspect_ratio_policy"));
    return HONE_OK;
}

hone_status hone_net_resize_of(const hone_net_use *u, hone_net_resize *ret, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    uint32_t rank = x->n_dims, n = 0;
    bool has_scales = true, has_roi = false, old = u->node->op->last < 11;
    *ret = (hone_net_resize){0};
    if (u->node->op->id == HONE_NET_OP_RESIZE)
        HONE_TRY(only_plain(u, err));
    HONE_TRY(read_modes(u, ret, err));
    if (hone_net__has_attr(u, "scales"))
        HONE_TRY(scale_attribute(u, rank, ret, err));
    else
        HONE_TRY(floats(u, old ? 1 : 2, rank, ret->scale, &has_scales, err));
    if (!old && ret->transform == HONE_NET_CROP_AND_RESIZE)
        HONE_TRY(floats(u, 1, 2 * rank, ret->roi, &has_roi, err));
    if (ret->transform == HONE_NET_CROP_AND_RESIZE && !has_roi)
        return HONE_NET_BAD("it crops, and says not to what");
    if (has_scales && rank)
        HONE_TRY(sizes_of_scales(u, ret, err));
    int64_t sizes[HONE_MAX_DIMS];
    if (!old)
        HONE_TRY(hone_net__list(u, 3, HONE_MAX_DIMS, sizes, &n, err));
    if (n && n != rank)
        return HONE_NET_BAD("it has %" PRIu32 " sizes for %" PRIu32 " axes", n, rank);
    if (!n && !has_scales)
        return HONE_NET_BAD("it has neither scales nor sizes");
    for (uint32_t k = 0; k < n; k++) {
        if (sizes[k] < 0 || x->shape[k] < 1)
            return HONE_NET_BAD("it makes size %" PRId64 " of %" PRId64, sizes[k], x->shape[k]);
        ret->size[k] = sizes[k];
        ret->length[k] = (double)sizes[k];
        ret->scale[k] = (double)sizes[k] / (double)x->shape[k];
    }
    return HONE_OK;
}

/* Opset 10 does not say; its models are run by ONNX Runtime so, and have been made for that. */
hone_net_resize_rounding hone_net_rounding_of(const hone_net_resize *r, uint32_t axis)
{
    if (r->rounding != HONE_NET_OLD)
        return r->rounding;
    return r->scale[axis] < 1 ? HONE_NET_CEIL : HONE_NET_FLOOR;
}

hone_status hone_net__infer_resize(const hone_net_use *u, hone_error *err)
{
    hone_net_resize r;
    HONE_TRY(hone_net_resize_of(u, &r, err));
    if (r.mode != HONE_NET_NEAREST)
        HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    hone_tensor t = *u->in[0];
    if (hone_tensor_elems(&t) == 0)
        return HONE_NET_BAD("it resizes what has no elements");
    memcpy(t.shape, r.size, t.n_dims * sizeof t.shape[0]);
    return hone_net__give(u, 0, &t, err);
}
