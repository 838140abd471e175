/* Counting through the elements of tensors, and moving them. */
#include "net/eval/eval.h"

#include <math.h>

void hone_net__strides(const hone_tensor *t, int64_t ret[HONE_MAX_DIMS])
{
    int64_t n = 1;
    for (uint32_t k = t->n_dims; k-- > 0;) {
        ret[k] = n;
        n *= t->shape[k];
    }
}

hone_net_counter hone_net__count_axes(const hone_tensor *t, uint32_t from, uint32_t to)
{
    hone_net_counter c = {.n_dims = to - from};
    for (uint32_t k = from; k < to; k++)
        c.shape[k - from] = t->shape[k];
    return c;
}

hone_net_counter hone_net__count(const hone_tensor *t)
{
    return hone_net__count_axes(t, 0, t->n_dims);
}

void hone_net__track(hone_net_counter *c, int64_t start, const int64_t *stride)
{
    HONE_ASSERT(c->n_tracks < HONE_NET_TRACKS);
    c->offset[c->n_tracks] = start;
    for (uint32_t k = 0; k < c->n_dims; k++)
        c->stride[c->n_tracks][k] = stride[k];
    c->n_tracks++;
}

void hone_net__track_broadcast(hone_net_counter *c, const hone_tensor *t)
{
    int64_t own[HONE_MAX_DIMS], stride[HONE_MAX_DIMS] = {0};
    hone_net__strides(t, own);
    for (uint32_t k = 0; k < t->n_dims; k++)
        stride[c->n_dims - t->n_dims + k] = t->shape[k] == 1 ? 0 : own[k];
    hone_net__track(c, 0, stride);
}

void hone_net__next(hone_net_counter *c)
{
    for (uint32_t k = c->n_dims; k-- > 0;) {
        bool over = ++c->at[k] == c->shape[k];
        for (uint32_t t = 0; t < c->n_tracks; t++)
            c->offset[t] += over ? -(c->shape[k] - 1) * c->stride[t][k] : c->stride[t][k];
        if (!over)
            return;
        c->at[k] = 0;
    }
}

void hone_net__move_n(const hone_tensor *x, int64_t from, hone_tensor *y, int64_t to, int64_t n)
{
    size_t bytes = (size_t)hone_dtype_bytes(x->dtype);
    if (n)
        memcpy((char *)y->data + (size_t)to * bytes, (const char *)x->data + (size_t)from * bytes,
               (size_t)n * bytes);
}

void hone_net__move(const hone_tensor *x, int64_t from, hone_tensor *y, int64_t to)
{
    hone_net__move_n(x, from, y, to, 1);
}

#define LINE(type)                  \
    for (int64_t k = 0; k < n; k++) \
    ((type *)y->data)[to + k] = ((const type *)x->data)[from + k * stride]

/* n elements, of x a stride apart. Weights of whole networks go through here, when constants are
 * computed. */
static void move_line(const hone_tensor *x, int64_t from, int64_t stride, hone_tensor *y,
                      int64_t to, int64_t n)
{
    switch (hone_dtype_bytes(x->dtype)) {
    case 1:
        LINE(uint8_t);
        break;
    case 2:
        LINE(uint16_t);
        break;
    case 4:
        LINE(uint32_t);
        break;
    default:
        LINE(uint64_t);
    }
}

void hone_net__follow(const hone_tensor *x, const hone_net_counter *c, hone_tensor *y)
{
    hone_net_counter lines = *c;
    int64_t n = 1, stride = 0, elems = hone_tensor_elems(y);
    if (lines.n_dims) {
        lines.n_dims--;
        n = lines.shape[lines.n_dims];
        stride = lines.stride[0][lines.n_dims];
    }
    for (int64_t k = 0; k < elems; k += n, hone_net__next(&lines))
        move_line(x, lines.offset[0], stride, y, k, n);
}

void hone_net__set_saturated(hone_tensor *t, int64_t k, double x)
{
    double lo = t->dtype == HONE_U8 ? 0 : -128, hi = t->dtype == HONE_U8 ? 255 : 127;
    x = nearbyint(x);
    hone_net__set_int(t, k, isnan(x) ? 0 : (int64_t)(x < lo ? lo : x > hi ? hi : x));
}
