/* Operators about shapes: constants, reshaping, transposing, repeating. */
#include "net/op/infer.h"

#include <math.h>

static bool is_truth(hone_dtype t)
{
    return t == HONE_BOOL;
}

/* ---- constants ------------------------------------------------------------------------------- */

hone_status hone_net__infer_constant(const hone_net_use *u, hone_error *err)
{
    const hone_net_node_row *n = u->node;
    hone_tensor t = {.dtype = HONE_F32};
    uint32_t size = 0, given = 0;
    for (uint32_t k = 0; k < n->n_attrs; k++)
        given += n->attrs[k].given;
    if (given != 1)
        return HONE_NET_BAD("it has %" PRIu32 " values, not one", given);
    if (hone_net_attr_tensor(n, "value"))
        return hone_net__give(u, 0, hone_net_attr_tensor(n, "value"), err);
    if (hone_net_attr_given(n, "value_floats"))
        hone_net_attr_floats(n, "value_floats", &size);
    else if (hone_net_attr_given(n, "value_ints"))
        hone_net_attr_ints(n, "value_ints", &size);
    if (hone_net_attr_given(n, "value_int") || hone_net_attr_given(n, "value_ints"))
        t.dtype = HONE_I64;
    if (hone_net_attr_given(n, "value_floats") || hone_net_attr_given(n, "value_ints"))
        HONE_TRY(hone_net__push(u, &t, size, err));
    return hone_net__give(u, 0, &t, err);
}

/* A shape that input k lists. */
static hone_status listed_shape(const hone_net_use *u, uint32_t k, hone_tensor *ret,
                                hone_error *err)
{
    int64_t sizes[HONE_MAX_DIMS];
    uint32_t n;
    HONE_TRY(hone_net__list(u, k, HONE_MAX_DIMS, sizes, &n, err));
    for (uint32_t j = 0; j < n; j++) {
        if (sizes[j] < 0)
            return HONE_NET_BAD("input %" PRIu32 " has size %" PRId64, k, sizes[j]);
        HONE_TRY(hone_net__push(u, ret, sizes[j], err));
    }
    return HONE_OK;
}

hone_status hone_net__infer_constant_of_shape(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *value = hone_net_attr_tensor(u->node, "value");
    hone_tensor t = {.dtype = value ? value->dtype : HONE_F32};
    if (value && hone_tensor_elems(value) != 1)
        return HONE_NET_BAD("its value is not one number");
    HONE_TRY(listed_shape(u, 0, &t, err));
    return hone_net__give(u, 0, &t, err);
}

/* Exact, also past 2^53. */
static hone_status range_of_integers(const hone_net_use *u, hone_error *err)
{
    int64_t from = hone_tensor_int(u->in[0], 0), to = hone_tensor_int(u->in[1], 0);
    int64_t step = hone_tensor_int(u->in[2], 0);
    if (step == 0)
        return HONE_NET_BAD("it does not end");
    bool some = step > 0 ? from < to : from > to;
    uint64_t span = step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to;
    uint64_t by = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t n = some ? (span - 1) / by + 1 : 0;
    hone_tensor t = {.dtype = u->in[0]->dtype};
    if (n > (uint64_t)HONE_NET_MAX_ELEMS)
        return HONE_NET_BAD("its result would be too large");
    HONE_TRY(hone_net__push(u, &t, (int64_t)n, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_range(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want_same(u, 0, 3, err));
    for (uint32_t k = 0; k < 3; k++) {
        HONE_TRY(hone_net__want_data(u, k, err));
        if (hone_tensor_elems(u->in[k]) != 1)
            return HONE_NET_BAD("input %" PRIu32 " is not one number", k);
    }
    if (!hone_dtype_is_float(u->in[0]->dtype))
        return range_of_integers(u, err);
    double from = hone_tensor_float(u->in[0], 0), step = hone_tensor_float(u->in[2], 0);
    double n = ceil((hone_tensor_float(u->in[1], 0) - from) / step);
    if (!(step != 0) || !(n <= (double)HONE_NET_MAX_ELEMS))
        return HONE_NET_BAD("it does not end");
    hone_tensor t = {.dtype = u->in[0]->dtype};
    HONE_TRY(hone_net__push(u, &t, n > 0 ? (int64_t)n : 0, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_eye_like(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want_dims(u, 0, 2, err));
    hone_tensor t = *u->in[0];
    if (hone_net_attr_given(u->node, "dtype"))
        HONE_TRY(hone_net__onnx_dtype(u, hone_net_attr_int(u->node, "dtype"), &t.dtype, err));
    return hone_net__give(u, 0, &t, err);
}

/* ---- sizes of others ------------------------------------------------------------------------- */

void hone_net_shape_range(const hone_net_use *u, uint32_t *ret_from, uint32_t *ret_to)
{
    int64_t rank = u->in[0]->n_dims;
    int64_t v[2] = {hone_net_attr_int(u->node, "start"), hone_net_attr_int(u->node, "end")};
    for (uint32_t k = 0; k < 2; k++) {
        v[k] += v[k] < 0 ? rank : 0;
        v[k] = v[k] < 0 ? 0 : v[k] > rank ? rank : v[k];
    }
    *ret_from = (uint32_t)v[0];
    *ret_to = (uint32_t)(v[1] < v[0] ? v[0] : v[1]);
}

hone_status hone_net__infer_shape(const hone_net_use *u, hone_error *err)
{
    uint32_t from, to;
    hone_tensor t = {.dtype = HONE_I64};
    hone_net_shape_range(u, &from, &to);
    HONE_TRY(hone_net__push(u, &t, to - from, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_size(const hone_net_use *u, hone_error *err)
{
    const hone_tensor t = {.dtype = HONE_I64};
    return hone_net__give(u, 0, &t, err);
}

/* ---- reshaping ------------------------------------------------------------------------------- */

/* 0: the size that is there (unless allowzero); -1: what is left. */
hone_status hone_net__infer_reshape(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    int64_t sizes[HONE_MAX_DIMS], left = hone_tensor_elems(x), known = 1;
    uint32_t n, free_axis = UINT32_MAX;
    bool zeros = hone_net_attr_int(u->node, "allowzero");
    HONE_TRY(hone_net__list(u, 1, HONE_MAX_DIMS, sizes, &n, err));
    hone_tensor t = {.dtype = x->dtype};
    for (uint32_t k = 0; k < n; k++) {
        if (sizes[k] == 0 && !zeros) {
            if (k >= x->n_dims)
                return HONE_NET_BAD("its shape copies axis %" PRIu32 ", which is not there", k);
            sizes[k] = x->shape[k];
        } else if (sizes[k] == -1) {
            if (free_axis != UINT32_MAX)
                return HONE_NET_BAD("its shape has -1 twice");
            free_axis = k;
            sizes[k] = 1;
        }
        HONE_TRY(hone_net__push(u, &t, sizes[k], err));
        known *= sizes[k];
    }
    if (free_axis != UINT32_MAX) {
        if (known == 0 || left % known)
            return HONE_NET_BAD("%" PRId64 " elements do not fit its shape", left);
        t.shape[free_axis] = left / known;
    }
    if (hone_tensor_elems(&t) != left) {
        char from[HONE_NET_TEXT_BYTES], to[HONE_NET_TEXT_BYTES];
        hone_tensor_text(x, from, sizeof from);
        hone_tensor_text(&t, to, sizeof to);
        return HONE_NET_BAD("%s cannot become %s", from, to);
    }
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_flatten(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    int64_t axis = hone_net_attr_int(u->node, "axis"), rank = x->n_dims;
    if (axis < -rank || axis > rank)
        return HONE_NET_BAD("there is no axis %" PRId64 " among %" PRId64, axis, rank);
    uint32_t at = (uint32_t)(axis < 0 ? axis + rank : axis);
    hone_tensor t = {.dtype = x->dtype, .n_dims = 2};
    t.shape[0] = hone_net__elems(x, 0, at);
    t.shape[1] = hone_net__elems(x, at, x->n_dims);
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_squeeze(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    hone_net_axes axes;
    HONE_TRY(hone_net_axes_of(u, 1, x->n_dims, &axes, err));
    hone_tensor t = {.dtype = x->dtype};
    for (uint32_t k = 0; k < x->n_dims; k++) {
        bool goes = axes.n ? axes.is[k] : x->shape[k] == 1;
        if (goes && x->shape[k] != 1)
            return HONE_NET_BAD("axis %" PRIu32 " has size %" PRId64 ", not 1", k, x->shape[k]);
        if (!goes)
            HONE_TRY(hone_net__push(u, &t, x->shape[k], err));
    }
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_unsqueeze(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    int64_t unused[HONE_MAX_DIMS];
    uint32_t n, from = 0;
    hone_net_axes axes;
    HONE_TRY(hone_net__list_or(u, 1, "axes", HONE_MAX_DIMS, unused, &n, err));
    if (x->n_dims + n > HONE_MAX_DIMS)
        return HONE_NET_NOT_YET("its result has more than %d dimensions", HONE_MAX_DIMS);
    HONE_TRY(hone_net_axes_of(u, 1, x->n_dims + n, &axes, err));
    hone_tensor t = {.dtype = x->dtype};
    for (uint32_t k = 0; k < x->n_dims + n; k++)
        HONE_TRY(hone_net__push(u, &t, axes.is[k] ? 1 : x->shape[from++], err));
    return hone_net__give(u, 0, &t, err);
}

/* ---- moving ---------------------------------------------------------------------------------- */

hone_status hone_net_perm_of(const hone_net_use *u, uint32_t ret[HONE_MAX_DIMS], hone_error *err)
{
    uint32_t n, rank = u->in[0]->n_dims;
    const int64_t *perm = hone_net_attr_ints(u->node, "perm", &n);
    bool seen[HONE_MAX_DIMS] = {0};
    if (n && n != rank)
        return HONE_NET_BAD("its perm has %" PRIu32 " axes, its input %" PRIu32, n, rank);
    for (uint32_t k = 0; k < rank; k++) {
        int64_t a = n ? perm[k] : rank - 1 - k;
        if (a < 0 || a >= rank || seen[a])
            return HONE_NET_BAD("its perm is no permutation of %" PRIu32 " axes", rank);
        seen[a] = true;
        ret[k] = (uint32_t)a;
    }
    return HONE_OK;
}

hone_status hone_net__infer_transpose(const hone_net_use *u, hone_error *err)
{
    uint32_t perm[HONE_MAX_DIMS];
    HONE_TRY(hone_net_perm_of(u, perm, err));
    hone_tensor t = *u->in[0];
    for (uint32_t k = 0; k < t.n_dims; k++)
        t.shape[k] = u->in[0]->shape[perm[k]];
    return hone_net__give(u, 0, &t, err);
}

static hone_status blocks(const hone_net_use *u, int64_t *ret, hone_error *err)
{
    HONE_TRY(hone_net__want_dims(u, 0, 4, err));
    *ret = hone_net_attr_int(u->node, "blocksize");
    if (*ret < 1 || *ret > 1 << 20)
        return HONE_NET_BAD("its block is %" PRId64, *ret);
    return HONE_OK;
}

hone_status hone_net__infer_depth_to_space(const hone_net_use *u, hone_error *err)
{
    int64_t b;
    HONE_TRY(blocks(u, &b, err));
    const char *mode = hone_net_attr_text(u->node, "mode");
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return HONE_NET_BAD("there is no mode '%s'", mode);
    const int64_t *x = u->in[0]->shape;
    if (x[1] % (b * b))
        return HONE_NET_BAD("%" PRId64 " channels do not make blocks of %" PRId64, x[1], b);
    const hone_tensor t = {
        .dtype = u->in[0]->dtype, .n_dims = 4, .shape = {x[0], x[1] / (b * b), x[2] * b, x[3] * b}};
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_space_to_depth(const hone_net_use *u, hone_error *err)
{
    int64_t b;
    HONE_TRY(blocks(u, &b, err));
    const int64_t *x = u->in[0]->shape;
    if (x[2] % b || x[3] % b)
        return HONE_NET_BAD("%" PRId64 " x %" PRId64 " does not make blocks of %" PRId64, x[2],
                            x[3], b);
    hone_tensor t = {.dtype = u->in[0]->dtype, .n_dims = 4, .shape = {x[0], 0, x[2] / b, x[3] / b}};
    if (__builtin_mul_overflow(x[1], b * b, &t.shape[1]))
        return HONE_NET_BAD("its result would be too large");
    return hone_net__give(u, 0, &t, err);
}

/* ---- repeating ------------------------------------------------------------------------------- */

hone_status hone_net__infer_expand(const hone_net_use *u, hone_error *err)
{
    hone_tensor to = {.dtype = u->in[0]->dtype}, t = to;
    HONE_TRY(listed_shape(u, 1, &to, err));
    const hone_tensor *both[] = {u->in[0], &to};
    const hone_net_use sum = {.node = u->node, .in = both, .n_in = 2};
    HONE_TRY(hone_net_broadcast(&sum, 0, 2, &t, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_tile(const hone_net_use *u, hone_error *err)
{
    int64_t times[HONE_MAX_DIMS];
    uint32_t n;
    hone_tensor t = *u->in[0];
    HONE_TRY(hone_net__list(u, 1, HONE_MAX_DIMS, times, &n, err));
    if (n != t.n_dims)
        return HONE_NET_BAD("it repeats %" PRIu32 " axes, its input has %u", n, t.n_dims);
    for (uint32_t k = 0; k < n; k++)
        if (times[k] < 0 || __builtin_mul_overflow(t.shape[k], times[k], &t.shape[k]))
            return HONE_NET_BAD("it repeats an axis %" PRId64 " times", times[k]);
    return hone_net__give(u, 0, &t, err);
}

/* ---- others that keep the shape -------------------------------------------------------------- */

hone_status hone_net__infer_dropout(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_real, "floats", err));
    if (hone_net_in(u, 2)) {
        HONE_TRY(hone_net__want(u, 2, is_truth, "bool", err));
        HONE_TRY(hone_net__want_data(u, 2, err));
        if (hone_tensor_elems(u->in[2]) != 1 || hone_tensor_int(u->in[2], 0))
            return HONE_NET_NOT_YET("it is in training");
    }
    hone_tensor mask = *u->in[0];
    mask.dtype = HONE_BOOL;
    HONE_TRY(hone_net__give(u, 1, &mask, err));
    return hone_net__give(u, 0, u->in[0], err);
}

hone_status hone_net_trilu_k(const hone_net_use *u, int64_t *ret, hone_error *err)
{
    uint32_t n;
    *ret = 0;
    return hone_net__list(u, 1, 1, ret, &n, err);
}

hone_status hone_net__infer_trilu(const hone_net_use *u, hone_error *err)
{
    int64_t k;
    if (u->in[0]->n_dims < 2)
        return HONE_NET_BAD("its input is no matrix");
    HONE_TRY(hone_net_trilu_k(u, &k, err));
    return hone_net__give(u, 0, u->in[0], err);
}
