/* TensorProto: its type and shape, and its data in any of the forms that the format has: bytes,
 * numbers of a typed field, or a part of a file beside the model. */
#include "net/read/read.h"

hone_status hone_net__tensor_type(const Onnx__Tensor *m, const char *what, hone_tensor *ret,
                                  hone_error *err)
{
    *ret = (hone_tensor){.dtype = hone_net__dtype(m->data_type)};
    if (*hone_net__dtype_text(m->data_type) == '?')
        return hone_fail(err, HONE_E_INPUT, "%s: there is no element type %d", what, m->data_type);
    if (ret->dtype == HONE_DTYPE_COUNT)
        return hone_fail(err, HONE_E_UNSUPPORTED, "%s: element type %s", what,
                         hone_net__dtype_text(m->data_type));
    if (m->has_segment)
        return hone_fail(err, HONE_E_UNSUPPORTED, "%s: a tensor in segments", what);
    if (m->n_dims > HONE_MAX_DIMS)
        return hone_fail(err, HONE_E_UNSUPPORTED, "%s: %zu dimensions, hone has at most %d", what,
                         m->n_dims, HONE_MAX_DIMS);
    ret->n_dims = (uint8_t)m->n_dims;
    for (size_t k = 0; k < m->n_dims; k++)
        ret->shape[k] = m->dims[k];
    if (!hone_net__shape_ok(ret))
        return hone_fail(err, HONE_E_INPUT, "%s: a size is negative or too large", what);
    return HONE_OK;
}

/* ---- a part of a file ------------------------------------------------------------------------ */

static bool to_u64(const char *s, uint64_t *ret)
{
    *ret = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(*ret, 10, ret) || __builtin_add_overflow(*ret, *s - '0', ret))
            return false;
    return *s == '\0';
}

static hone_status external(const Onnx__Tensor *m, const char *what, const char *folder,
                            hone_tensor *t, hone_error *err)
{
    const char *location = NULL;
    uint64_t offset = 0, n = (uint64_t)hone_tensor_bytes(t), length = n;
    for (size_t k = 0; k < m->n_external_data; k++) {
        const char *key = m->external_data[k]->key, *value = m->external_data[k]->value;
        if (!key || !value)
            return hone_fail(err, HONE_E_INPUT, "%s: external data without key or value", what);
        if (strcmp(key, "location") == 0)
            location = value;
        else if ((strcmp(key, "offset") == 0 && !to_u64(value, &offset)) ||
                 (strcmp(key, "length") == 0 && !to_u64(value, &length)))
            return hone_fail(err, HONE_E_INPUT, "%s: %s of external data is not a number", what,
                             key);
    }
    if (!location)
        return hone_fail(err, HONE_E_INPUT, "%s: external data without a location", what);
    if (length != n)
        return hone_fail(err, HONE_E_INPUT,
                         "%s: %" PRIu64 " bytes of external data, its shape needs %" PRIu64, what,
                         length, n);
    if (!folder)
        return hone_fail(err, HONE_E_UNSUPPORTED, "%s: external data of a model without a folder",
                         what);
    hone_error inner = {0};
    hone_status st = hone_net__read_external(folder, location, offset, n, t->data, &inner);
    return st == HONE_OK ? st : hone_fail(err, st, "%s: %s", what, inner.message);
}

/* ---- numbers of a typed field ---------------------------------------------------------------- */

static hone_status count(const char *what, size_t has, int64_t needs, hone_error *err)
{
    if ((int64_t)has == needs)
        return HONE_OK;
    return hone_fail(err, HONE_E_INPUT, "%s: %zu elements, its shape needs %" PRId64, what, has,
                     needs);
}

/* int32_data holds every integer of at most 32 bits, bool, and the bits of half precision. */
static hone_status from_int32(const Onnx__Tensor *m, const char *what, hone_tensor *t,
                              hone_error *err)
{
    int64_t n = hone_tensor_elems(t);
    HONE_TRY(count(what, m->n_int32_data, n, err));
    for (int64_t k = 0; k < n; k++)
        if (t->dtype == HONE_F16 || t->dtype == HONE_BF16)
            ((uint16_t *)t->data)[k] = (uint16_t)m->int32_data[k];
        else
            hone_net__set_int(t, k, m->int32_data[k]);
    return HONE_OK;
}

static hone_status typed(const Onnx__Tensor *m, const char *what, hone_tensor *t, hone_error *err)
{
    const void *from;
    size_t n;
    switch (t->dtype) {
    case HONE_F32:
        from = m->float_data;
        n = m->n_float_data;
        break;
    case HONE_F64:
        from = m->double_data;
        n = m->n_double_data;
        break;
    case HONE_I64:
        from = m->int64_data;
        n = m->n_int64_data;
        break;
    default:
        return from_int32(m, what, t, err);
    }
    HONE_TRY(count(what, n, hone_tensor_elems(t), err));
    if (n)
        memcpy(t->data, from, (size_t)hone_tensor_bytes(t));
    return HONE_OK;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void bytes_are_bool(hone_tensor *t)
{
    uint8_t *v = t->data;
    for (int64_t k = 0; t->dtype == HONE_BOOL && k < hone_tensor_elems(t); k++)
        v[k] = v[k] != 0;
}

/* The format's order of bytes is that of every processor hone has. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw data is little-endian");

hone_status hone_net__tensor_data(const Onnx__Tensor *m, const char *what, const char *folder,
                                  hone_tensor *t, hone_error *err)
{
    size_t n = (size_t)hone_tensor_bytes(t);
    if (m->data_location == 1) {
        HONE_TRY(external(m, what, folder, t, err));
    } else if (m->data_location != 0) {
        return hone_fail(err, HONE_E_INPUT, "%s: there is no data location %d", what,
                         m->data_location);
    } else if (m->has_raw_data) {
        if (m->raw_data.len != n)
            return hone_fail(err, HONE_E_INPUT, "%s: %zu bytes, its shape needs %zu", what,
                             m->raw_data.len, n);
        if (n)
            memcpy(t->data, m->raw_data.data, n);
    } else {
        HONE_TRY(typed(m, what, t, err));
    }
    bytes_are_bool(t);
    return HONE_OK;
}

hone_status hone_net__read_tensor(hone_net *g, const Onnx__Tensor *m, const char *what,
                                  const char *folder, hone_tensor *ret, hone_error *err)
{
    HONE_TRY(hone_net__tensor_type(m, what, ret, err));
    ret->data = hone_net_alloc(g, (size_t)hone_tensor_bytes(ret));
    if (!ret->data)
        return hone_fail(err, HONE_E_LIMIT, "%s: constants take too much memory", what);
    return hone_net__tensor_data(m, what, folder, ret, err);
}
