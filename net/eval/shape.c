/* Operators about shapes, evaluated. */
#include "net/eval/eval.h"

/* ---- constants ------------------------------------------------------------------------------- */

hone_status hone_net__eval_constant(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_net_node_row *n = u->node;
    hone_tensor *y = u->out[0];
    const hone_tensor *value = hone_net_attr_tensor(n, "value");
    uint32_t size;
    if (value) {
        hone_net__move_n(value, 0, y, 0, hone_tensor_elems(y));
        return HONE_OK;
    }
    const float *floats = hone_net_attr_floats(n, "value_floats", &size);
    for (uint32_t k = 0; k < size; k++)
        hone_net__set_float(y, k, (double)floats[k]);
    const int64_t *ints = hone_net_attr_ints(n, "value_ints", &size);
    for (uint32_t k = 0; k < size; k++)
        hone_net__set_int(y, k, ints[k]);
    if (hone_net_attr_given(n, "value_float"))
        hone_net__set_float(y, 0, hone_net_attr_float(n, "value_float"));
    if (hone_net_attr_given(n, "value_int"))
        hone_net__set_int(y, 0, hone_net_attr_int(n, "value_int"));
    return HONE_OK;
}

/* Zeros, unless it says what. */
hone_status hone_net__eval_constant_of_shape(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *value = hone_net_attr_tensor(u->node, "value");
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++)
        if (value)
            hone_net__move(value, 0, u->out[0], k);
        else
            hone_net__set_float(u->out[0], k, 0);
    return HONE_OK;
}

hone_status hone_net__eval_range(const hone_net_use *u, hone_error *err)
{
    (void)err;
    bool real = hone_dtype_is_float(u->in[0]->dtype);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++)
        if (real)
            hone_net__set_float(u->out[0], k,
                                hone_tensor_float(u->in[0], 0) +
                                    (double)k * hone_tensor_float(u->in[2], 0));
        else
            hone_net__set_int(u->out[0], k,
                              (int64_t)((uint64_t)hone_tensor_int(u->in[0], 0) +
                                        (uint64_t)k * (uint64_t)hone_tensor_int(u->in[2], 0)));
    return HONE_OK;
}

hone_status hone_net__eval_eye_like(const hone_net_use *u, hone_error *err)
{
    (void)err;
    int64_t diagonal = hone_net_attr_int(u->node, "k"), columns = u->out[0]->shape[1];
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++)
        hone_net__set_int(u->out[0], k, k % columns - k / columns == diagonal);
    return HONE_OK;
}

/* ---- sizes of others ------------------------------------------------------------------------- */

hone_status hone_net__eval_shape(const hone_net_use *u, hone_error *err)
{
    (void)err;
    uint32_t from, to;
    hone_net_shape_range(u, &from, &to);
    for (uint32_t k = from; k < to; k++)
        hone_net__set_int(u->out[0], k - from, u->in[0]->shape[k]);
    return HONE_OK;
}

hone_status hone_net__eval_size(const hone_net_use *u, hone_error *err)
{
    (void)err;
    hone_net__set_int(u->out[0], 0, hone_tensor_elems(u->in[0]));
    return HONE_OK;
}

/* ---- moving ---------------------------------------------------------------------------------- */

hone_status hone_net__eval_transpose(const hone_net_use *u, hone_error *err)
{
    uint32_t perm[HONE_MAX_DIMS];
    int64_t own[HONE_MAX_DIMS], stride[HONE_MAX_DIMS];
    HONE_TRY(hone_net_perm_of(u, perm, err));
    hone_net__strides(u->in[0], own);
    for (uint32_t k = 0; k < u->in[0]->n_dims; k++)
        stride[k] = own[perm[k]];
    hone_net_counter c = hone_net__count(u->out[0]);
    hone_net__track(&c, 0, stride);
    hone_net__follow(u->in[0], &c, u->out[0]);
    return HONE_OK;
}

hone_status hone_net__eval_depth_to_space(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    int64_t b = hone_net_attr_int(u->node, "blocksize");
    bool depth_first = strcmp(hone_net_attr_text(u->node, "mode"), "DCR") == 0;
    int64_t depth = x->shape[1] / (b * b), plane = x->shape[2] * x->shape[3];
    hone_net_counter c = hone_net__count(u->out[0]);
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++, hone_net__next(&c)) {
        int64_t block = c.at[2] % b * b + c.at[3] % b;
        int64_t channel = depth_first ? block * depth + c.at[1] : c.at[1] * b * b + block;
        int64_t from = (c.at[0] * x->shape[1] + channel) * plane;
        hone_net__move(x, from + c.at[2] / b * x->shape[3] + c.at[3] / b, u->out[0], k);
    }
    return HONE_OK;
}

hone_status hone_net__eval_space_to_depth(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    int64_t b = hone_net_attr_int(u->node, "blocksize");
    hone_net_counter c = hone_net__count(u->out[0]);
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++, hone_net__next(&c)) {
        int64_t block = c.at[1] / x->shape[1], channel = c.at[1] % x->shape[1];
        int64_t row = c.at[2] * b + block / b, column = c.at[3] * b + block % b;
        int64_t plane = (c.at[0] * x->shape[1] + channel) * x->shape[2];
        hone_net__move(x, (plane + row) * x->shape[3] + column, u->out[0], k);
    }
    return HONE_OK;
}

hone_status hone_net__eval_trilu(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    int64_t diagonal, rows = x->shape[x->n_dims - 2], columns = x->shape[x->n_dims - 1];
    HONE_TRY(hone_net_trilu_k(u, &diagonal, err));
    bool upper = hone_net_attr_int(u->node, "upper");
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++) {
        int64_t past = k % columns - k / columns % rows;
        if (upper ? past >= diagonal : past <= diagonal)
            hone_net__move(x, k, u->out[0], k);
        else
            hone_net__set_float(u->out[0], k, 0);
    }
    return HONE_OK;
}

/* ---- repeating ------------------------------------------------------------------------------- */

hone_status hone_net__eval_expand(const hone_net_use *u, hone_error *err)
{
    (void)err;
    hone_net_counter c = hone_net__count(u->out[0]);
    hone_net__track_broadcast(&c, u->in[0]);
    hone_net__follow(u->in[0], &c, u->out[0]);
    return HONE_OK;
}

hone_status hone_net__eval_tile(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    hone_net_counter c = hone_net__count(u->out[0]);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++, hone_net__next(&c)) {
        int64_t from = 0;
        for (uint32_t d = 0; d < x->n_dims; d++)
            from = from * x->shape[d] + c.at[d] % x->shape[d];
        hone_net__move(x, from, u->out[0], k);
    }
    return HONE_OK;
}

/* Not in training nothing is dropped. */
hone_status hone_net__eval_dropout(const hone_net_use *u, hone_error *err)
{
    (void)err;
    int64_t n = hone_tensor_elems(u->in[0]);
    hone_net__move_n(u->in[0], 0, u->out[0], 0, n);
    for (int64_t k = 0; hone_net_out(u, 1) && k < n; k++)
        hone_net__set_int(u->out[1], k, 1);
    return HONE_OK;
}
