/* Parts of values: which nodes can make one of parts of what they take, and how. */
#include "net/internal.h"
#include "net/plan/cut.h"

/* ---- along which axis ------------------------------------------------------------------------ */

/* Of an input that is broadcast. */
static hone_net_reach broadcast(const hone_tensor *in, const hone_tensor *out, uint32_t axis,
                                uint32_t *ret)
{
    uint32_t missing = out->n_dims - (uint32_t)in->n_dims;
    if (axis < missing || in->shape[axis - missing] == 1)
        return HONE_NET_WHOLE;
    *ret = axis - missing;
    return HONE_NET_ALONG;
}

static hone_net_reach in_rows(const hone_net_use *u, uint32_t axis, uint32_t k, uint32_t *ret)
{
    uint32_t from, to;
    bool is[HONE_MAX_DIMS];
    *ret = axis;
    if (u->in[0]->n_dims != u->out[0]->n_dims)
        return HONE_NET_ANYTHING;
    switch (u->node->op->id) {
    case HONE_NET_OP_LAYER_NORM:
        if (hone_net_axis_of(u, "axis", u->in[0]->n_dims, &to, NULL) != HONE_OK || axis >= to)
            return HONE_NET_ANYTHING;
        return broadcast(u->in[k], u->out[0], axis, ret);
    case HONE_NET_OP_SOFTMAX_7:
    case HONE_NET_OP_SOFTMAX:
    case HONE_NET_OP_LOG_SOFTMAX_7:
    case HONE_NET_OP_LOG_SOFTMAX:
        if (hone_net_softmax_of(u, &from, &to, NULL) != HONE_OK || (axis >= from && axis < to))
            return HONE_NET_ANYTHING;
        return HONE_NET_ALONG;
    default:
        if (hone_net_reduced_axes(u, is, NULL) != HONE_OK || is[axis])
            return HONE_NET_ANYTHING;
        return k == 0 ? HONE_NET_ALONG : HONE_NET_WHOLE;
    }
}

/* The operands of a product are inputs 0, whose rows are the result's, and 1, whose columns are. */
static hone_net_reach in_product(const hone_net_use *u, uint32_t axis, uint32_t k, uint32_t *ret)
{
    const hone_tensor *in = u->in[k], *out = u->out[0];
    bool matmul = u->node->op->id == HONE_NET_OP_MATMUL;
    if ((!matmul && u->node->op->id != HONE_NET_OP_GEMM) || u->in[0]->n_dims < 2 ||
        u->in[1]->n_dims < 2)
        return HONE_NET_ANYTHING;
    if (axis + 2u < out->n_dims || k > 1)
        return broadcast(in, out, axis, ret);
    if ((axis + 2u == out->n_dims) != (k == 0))
        return HONE_NET_WHOLE;
    bool turned = !matmul && hone_net_attr_int(u->node, k == 0 ? "transA" : "transB");
    *ret = in->n_dims - ((k == 0) != turned ? 2u : 1u);
    return HONE_NET_ALONG;
}

/* Of another shape: an axis as long that has as many elements before it. */
static hone_net_reach in_shape(const hone_tensor *in, const hone_tensor *out, uint32_t axis,
                               uint32_t *ret)
{
    int64_t before = hone_net__elems(out, 0, axis);
    for (*ret = 0; *ret < in->n_dims; ++*ret)
        if (in->shape[*ret] == out->shape[axis] && hone_net__elems(in, 0, *ret) == before)
            return HONE_NET_ALONG;
    return HONE_NET_ANYTHING;
}

hone_net_reach hone_net__reach_of(const hone_net_use *u, uint32_t axis, uint32_t k, uint32_t *ret)
{
    uint32_t perm[HONE_MAX_DIMS];
    if (!u->in[k])
        return HONE_NET_WHOLE;
    switch (hone_net__kind(u->node)) {
    case HONE_NET_ELEMENTWISE:
        switch (u->node->op->id) {
        case HONE_NET_OP_BATCH_NORM_7:
        case HONE_NET_OP_BATCH_NORM:
        case HONE_NET_OP_QUANTIZE_LINEAR:
        case HONE_NET_OP_DEQUANTIZE_LINEAR:
            return HONE_NET_ANYTHING; /* have a number for each place along an axis of theirs */
        default:
            return broadcast(u->in[k], u->out[0], axis, ret);
        }
    case HONE_NET_ROWS:
        return in_rows(u, axis, k, ret);
    case HONE_NET_PRODUCT:
        return in_product(u, axis, k, ret);
    case HONE_NET_ORDER:
        if (hone_net_perm_of(u, perm, NULL) != HONE_OK)
            return HONE_NET_ANYTHING;
        *ret = perm[axis];
        return HONE_NET_ALONG;
    case HONE_NET_VIEW:
        return k == 0 ? in_shape(u->in[0], u->out[0], axis, ret) : HONE_NET_WHOLE;
    default:
        return HONE_NET_ANYTHING;
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static hone_net_value number(hone_net_rewrite *r, int64_t x)
{
    const hone_tensor t = {.dtype = HONE_I64, .n_dims = 1, .shape = {1}};
    int64_t *v;
    hone_net_value ret = hone_net__constant(r, &t, (void **)&v);
    if (ret.i)
        *v = x;
    return ret;
}

static hone_net_value cut_constant(hone_net_rewrite *r, hone_net_value v, const hone_net_cut *p,
                                   const hone_tensor *t)
{
    char *to;
    const hone_tensor from = *hone_net__tensor(r->g, v);
    hone_net_value ret = hone_net__constant(r, t, (void **)&to);
    int64_t inner = hone_net__elems(&from, p->axis + 1, from.n_dims) * hone_dtype_bytes(from.dtype);
    int64_t outer = hone_net__elems(&from, 0, p->axis);
    for (int64_t k = 0; k < outer && ret.i; k++)
        memcpy(to + k * p->n * inner,
               (const char *)from.data + (k * from.shape[p->axis] + p->from) * inner,
               (size_t)(p->n * inner));
    return ret;
}

hone_net_value hone_net__slice(hone_net_rewrite *r, hone_net_value v, const hone_net_cut *p)
{
    hone_tensor t = *hone_net__tensor(r->g, v);
    t.shape[p->axis] = p->n;
    if (hone_net_is_constant(r->g, v))
        return cut_constant(r, v, p, &t);
    const hone_net_value in[] = {v, number(r, p->from), number(r, p->from + p->n),
                                 number(r, p->axis)};
    return hone_net__emit(r, "Slice", NULL, 0, in, HONE_LEN(in), &t, HONE_NET_NO_VALUE);
}

hone_net_value hone_net__reshape(hone_net_rewrite *r, hone_net_value v, const hone_tensor *t,
                                 hone_net_value to)
{
    const hone_net_attr zero = {.name = "allowzero", .kind = HONE_NET_ATTR_INT};
    const hone_tensor shape = {.dtype = HONE_I64, .n_dims = 1, .shape = {t->n_dims}};
    int64_t *sizes;
    const hone_net_value in[] = {v, hone_net__constant(r, &shape, (void **)&sizes)};
    for (uint8_t d = 0; d < t->n_dims && in[1].i; d++)
        sizes[d] = t->shape[d];
    return hone_net__emit(r, "Reshape", &zero, 1, in, 2, t, to);
}

hone_net_value hone_net__cut_node(hone_net_rewrite *r, hone_net_node id, const hone_net_cut *p,
                                  hone_net_part_fn *part, void *ctx, hone_net_value to)
{
    hone_net_node_row n = *hone_net_node_at(r->g, id);
    hone_net_use_room room = {0};
    HONE_VEC(hone_net_value) in = {0};
    hone_tensor t = *hone_net__tensor(r->g, n.out[0]);
    t.shape[p->axis] = p->n;
    bool there = true;
    for (uint32_t k = 0; k < n.n_in; k++) {
        hone_net_cut of = *p;
        hone_net_use u = hone_net_use_of(r->g, id, &room);
        bool along = hone_net__reach_of(&u, p->axis, k, &of.axis) == HONE_NET_ALONG;
        hone_vec_push(&in, along ? part(ctx, n.in[k], &of) : n.in[k]);
        there = there && (in.v[k].i || !n.in[k].i);
    }
    if (there && hone_net__kind(&n) == HONE_NET_VIEW) {
        to = hone_net__reshape(r, in.v[0], &t, to);
    } else if (there) {
        to = to.i ? to : hone_net_add_value(r->g, "", &t);
        n.in = in.v;
        n.out = &to;
        hone_vec_push(&r->order, hone_net_add_node(r->g, &n));
    }
    hone_vec_free(&in);
    hone_net_use_room_free(&room);
    return there ? to : HONE_NET_NO_VALUE;
}
