/* What the inference of operators is written with, and parameters that several have: axes. */
#include "net/op/infer.h"

/* ---- types ----------------------------------------------------------------------------------- */

hone_status hone_net__want(const hone_net_use *u, uint32_t k, bool (*is)(hone_dtype),
                           const char *what, hone_error *err)
{
    const hone_tensor *t = hone_net_in(u, k);
    if (!t)
        return HONE_NET_BAD("input %" PRIu32 " is not given", k);
    if (!is(t->dtype))
        return HONE_NET_BAD("input %" PRIu32 " is %s, not %s", k, hone_dtype_name(t->dtype), what);
    return HONE_OK;
}

hone_status hone_net__want_same(const hone_net_use *u, uint32_t first, uint32_t n, hone_error *err)
{
    const hone_tensor *a = NULL;
    for (uint32_t k = first; k < first + n && k < u->n_in; k++) {
        const hone_tensor *t = hone_net_in(u, k);
        if (!t)
            continue;
        if (a && t->dtype != a->dtype)
            return HONE_NET_BAD("input %" PRIu32 " is %s, another is %s", k,
                                hone_dtype_name(t->dtype), hone_dtype_name(a->dtype));
        a = t;
    }
    return HONE_OK;
}

hone_status hone_net__want_dims(const hone_net_use *u, uint32_t k, uint32_t n, hone_error *err)
{
    const hone_tensor *t = hone_net_in(u, k);
    if (!t || t->n_dims == n)
        return HONE_OK;
    return HONE_NET_BAD("input %" PRIu32 " has %u dimensions, not %" PRIu32, k, t->n_dims, n);
}

hone_status hone_net__want_point(const hone_net_use *u, uint32_t k, hone_dtype dtype, int64_t n,
                                 hone_error *err)
{
    const hone_tensor *t = hone_net_in(u, k);
    if (!t)
        return HONE_OK;
    int64_t has = hone_tensor_elems(t);
    if (t->dtype != dtype)
        return HONE_NET_BAD("input %" PRIu32 " is %s, not %s", k, hone_dtype_name(t->dtype),
                            hone_dtype_name(dtype));
    if (has != 1 && has != n)
        return HONE_NET_BAD("input %" PRIu32 " has %" PRId64 " elements, not 1 or %" PRId64, k, has,
                            n);
    return HONE_OK;
}

hone_status hone_net__onnx_dtype(const hone_net_use *u, int64_t number, hone_dtype *ret,
                                 hone_error *err)
{
    const char *text = hone_net__dtype_text(number);
    if (*text == '?')
        return HONE_NET_BAD("there is no element type %" PRId64, number);
    *ret = hone_net__dtype(number);
    if (*ret == HONE_DTYPE_COUNT)
        return HONE_NET_NOT_YET("element type %s", text);
    return HONE_OK;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

hone_status hone_net__give(const hone_net_use *u, uint32_t k, const hone_tensor *like,
                           hone_error *err)
{
    hone_tensor *t = hone_net_out(u, k);
    if (!hone_net__shape_ok(like))
        return HONE_NET_BAD("its result would be too large");
    if (t) {
        *t = *like;
        t->data = NULL;
    }
    return HONE_OK;
}

hone_status hone_net__push(const hone_net_use *u, hone_tensor *t, int64_t size, hone_error *err)
{
    if (t->n_dims == HONE_MAX_DIMS)
        return HONE_NET_NOT_YET("its result has more than %d dimensions", HONE_MAX_DIMS);
    if (!hone_net__add_dim(t, size))
        return HONE_NET_BAD("its result would be too large");
    return HONE_OK;
}

hone_status hone_net_broadcast(const hone_net_use *u, uint32_t first, uint32_t n, hone_tensor *ret,
                               hone_error *err)
{
    hone_tensor t = {.dtype = ret->dtype};
    for (uint32_t k = first; k < first + n; k++) {
        const hone_tensor *a = hone_net_in(u, k);
        if (!a)
            continue;
        uint32_t rank = a->n_dims > t.n_dims ? a->n_dims : t.n_dims;
        hone_tensor both = {.dtype = t.dtype, .n_dims = (uint8_t)rank};
        for (uint32_t d = 1; d <= rank; d++) { /* from the last axis on */
            int64_t x = d <= t.n_dims ? t.shape[t.n_dims - d] : 1;
            int64_t y = d <= a->n_dims ? a->shape[a->n_dims - d] : 1;
            if (x != y && x != 1 && y != 1) {
                char have[HONE_NET_TEXT_BYTES], other[HONE_NET_TEXT_BYTES];
                hone_tensor_text(a, have, sizeof have);
                t.dtype = a->dtype;
                hone_tensor_text(&t, other, sizeof other);
                return HONE_NET_BAD("%s does not fit %s", have, other);
            }
            both.shape[rank - d] = x == 1 ? y : x;
        }
        if (!hone_net__shape_ok(&both))
            return HONE_NET_BAD("its result would be too large");
        t = both;
    }
    *ret = t;
    return HONE_OK;
}

/* ---- what inputs hold ------------------------------------------------------------------------ */

hone_status hone_net__want_data(const hone_net_use *u, uint32_t k, hone_error *err)
{
    const hone_tensor *t = hone_net_in(u, k);
    if (!t)
        return HONE_NET_BAD("input %" PRIu32 " is not given", k);
    if (!t->data)
        return HONE_NET_NOT_YET(
            "input %" PRIu32 " decides about shapes or modes, and is not constant", k);
    return HONE_OK;
}

hone_status hone_net__list(const hone_net_use *u, uint32_t k, uint32_t most, int64_t *ret,
                           uint32_t *ret_n, hone_error *err)
{
    *ret_n = 0;
    const hone_tensor *t = hone_net_in(u, k);
    if (!t)
        return HONE_OK;
    HONE_TRY(hone_net__want(u, k, hone_net__is_integer, "integers", err));
    HONE_TRY(hone_net__want_data(u, k, err));
    int64_t n = hone_tensor_elems(t);
    if (t->n_dims > 1 || n > most)
        return HONE_NET_BAD("input %" PRIu32 " is not a list of at most %" PRIu32, k, most);
    for (int64_t j = 0; j < n; j++)
        ret[j] = hone_tensor_int(t, j);
    *ret_n = (uint32_t)n;
    return HONE_OK;
}

bool hone_net__has_attr(const hone_net_use *u, const char *name)
{
    for (uint32_t k = 0; k < u->node->n_attrs; k++)
        if (strcmp(u->node->attrs[k].name, name) == 0)
            return true;
    return false;
}

int64_t hone_net__int_or(const hone_net_use *u, const char *name, int64_t otherwise)
{
    return hone_net__has_attr(u, name) ? hone_net_attr_int(u->node, name) : otherwise;
}

hone_status hone_net__list_or(const hone_net_use *u, uint32_t k, const char *name, uint32_t most,
                              int64_t *ret, uint32_t *ret_n, hone_error *err)
{
    if (!hone_net__has_attr(u, name))
        return hone_net__list(u, k, most, ret, ret_n, err);
    const int64_t *v = hone_net_attr_ints(u->node, name, ret_n);
    if (*ret_n > most)
        return HONE_NET_BAD("attribute '%s' has %" PRIu32 " elements, more than %" PRIu32, name,
                            *ret_n, most);
    if (*ret_n)
        memcpy(ret, v, *ret_n * sizeof *v);
    return HONE_OK;
}

/* ---- axes ------------------------------------------------------------------------------------ */

static hone_status axis(const hone_net_use *u, int64_t given, uint32_t rank, uint32_t *ret,
                        hone_error *err)
{
    if (given < -(int64_t)rank || given >= (int64_t)rank)
        return HONE_NET_BAD("there is no axis %" PRId64 " among %" PRIu32, given, rank);
    *ret = (uint32_t)(given < 0 ? given + rank : given);
    return HONE_OK;
}

hone_status hone_net_axis_of(const hone_net_use *u, const char *name, uint32_t rank, uint32_t *ret,
                             hone_error *err)
{
    return axis(u, hone_net_attr_int(u->node, name), rank, ret, err);
}

hone_status hone_net_axes_of(const hone_net_use *u, uint32_t k, uint32_t rank, hone_net_axes *ret,
                             hone_error *err)
{
    int64_t v[HONE_MAX_DIMS];
    *ret = (hone_net_axes){0};
    HONE_TRY(hone_net__list_or(u, k, "axes", HONE_MAX_DIMS, v, &ret->n, err));
    for (uint32_t j = 0; j < ret->n; j++) {
        uint32_t a = 0;
        HONE_TRY(axis(u, v[j], rank, &a, err));
        if (ret->is[a])
            return HONE_NET_BAD("axis %" PRIu32 " is named twice", a);
        ret->is[a] = true;
        ret->v[j] = (uint8_t)a;
    }
    return HONE_OK;
}
