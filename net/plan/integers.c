/* Products of what is dequantised, as products of integers. A model says them in floats or in one
 * node each:
 *
 *   DequantizeLinear, Conv, Gemm or MatMul of it with dequantised constant weights
 *   QLinearConv, QLinearMatMul
 *   ConvInteger, MatMulInteger with zero points (those of DynamicQuantizeLinear too)
 *
 * All become: the integers' product without zero points, the term that these add (ahead of time:
 * weights are constant), the scales' product, the rest of what there was; so fuse.c finds a product
 * with elementwise nodes behind it, and the schedules of integer products fit. Weights with zero
 * points other than 0 (or 128 of u8) stay as they are.
 *
 * What follows a dequantised tensor without computing (reshapes, the maximum of windows) takes its
 * integers; each elementwise node has a dequantisation of its own, which joins it.
 *
 * (Jacob et al. 2018, section 2.3: the zero points' terms; HAGO, Chen et al. 2021, and ONNX
 * Runtime read pairs around an operator so too.) */
#include "net/internal.h"
#include "net/plan/integers.h"

/* ---- weights --------------------------------------------------------------------------------- */

typedef struct weights {
    hone_net_value v; /* i8 */
    int64_t n;        /* how many columns, or results of a convolution */
    int64_t *sums;    /* of each */
} weights;

/* What is to be taken from each element so that the zero points are 0; false: they differ. */
static bool common_zero(const hone_net *g, const hone_net_quantised *w, int64_t *ret)
{
    int64_t n = w->zero.i ? hone_tensor_elems(hone_net__tensor(g, w->zero)) : 1;
    *ret = hone_net__tensor(g, w->x)->dtype == HONE_U8 ? 128 : 0;
    for (int64_t k = 0; k < n; k++)
        if (hone_net__zero_at(g, w->zero, k) != *ret)
            return false;
    return true;
}

/* Weights as i8 without zero points, transposed if so asked, with their sums. `axis`: of the
 * columns. False: they are not constant, or cannot be had so. */
static bool weights_of(hone_net_rewrite *r, const hone_net_quantised *w, uint32_t axis,
                       bool transposed, weights *ret)
{
    const hone_tensor *t = hone_net__tensor(r->g, w->x);
    int64_t zero;
    if (!hone_net__is_known(r->g, w->x) || (t->dtype != HONE_U8 && t->dtype != HONE_I8) ||
        axis >= t->n_dims || hone_tensor_elems(t) == 0 || !common_zero(r->g, w, &zero))
        return false;
    int64_t n = t->shape[axis], rows = hone_tensor_elems(t) / n;
    const int64_t scales = hone_tensor_elems(hone_net__tensor(r->g, w->scale));
    int64_t at = w->axis < 0 ? w->axis + t->n_dims : w->axis;
    if (scales != 1 && (scales != n || at != axis))
        return false;
    *ret = (weights){.v = w->x, .n = n};
    int8_t *to = NULL;
    if (zero || transposed) {
        hone_tensor made = *t;
        made.dtype = HONE_I8;
        if (transposed) {
            made.shape[0] = t->shape[1];
            made.shape[1] = t->shape[0];
        }
        ret->v = hone_net__constant(r, &made, (void **)&to);
        if (!ret->v.i)
            return false;
        t = hone_net__tensor(r->g, w->x);
    }
    ret->sums = hone_xcalloc((size_t)n, sizeof *ret->sums);
    for (int64_t k = 0; k < n * rows; k++) {
        int64_t x = hone_tensor_int(t, k) - zero;
        ret->sums[hone_net__place_along(t, axis, k)] += x;
        if (to)
            to[transposed ? k % t->shape[1] * t->shape[0] + k / t->shape[1] : k] = (int8_t)x;
    }
    return true;
}

/* ---- constants for each column --------------------------------------------------------------- */

/* The shape in which n numbers meet axis `axis` of t. */
static hone_tensor per_column(const hone_tensor *t, uint32_t axis, int64_t n, hone_dtype dtype)
{
    hone_tensor ret = {.dtype = dtype, .n_dims = (uint8_t)(t->n_dims - axis)};
    for (uint8_t d = 0; d < ret.n_dims; d++)
        ret.shape[d] = d ? 1 : n;
    return ret;
}

/* A product on its way: what it is of, and what of it there is. */
typedef struct product {
    hone_net_node_row n; /* of the model */
    hone_net_value x, zero;
    weights w;
    uint32_t axis; /* of columns in the result */
    hone_tensor t; /* type and shape of what there is */
    hone_net_value v;
} product;

static bool step(hone_net_rewrite *r, product *p, const char *op, hone_net_value with,
                 hone_dtype dtype, hone_net_value to)
{
    const hone_net_attr cast = {.name = "to", .given = true, .i = dtype == HONE_F32 ? 1 : 6};
    const hone_net_value in[] = {p->v, with};
    p->t.dtype = dtype;
    bool is_cast = strcmp(op, "Cast") == 0;
    p->v = hone_net__emit(r, op, &cast, is_cast, in, is_cast ? 1 : 2, &p->t, to);
    return p->v.i != 0;
}

static bool times(hone_net_rewrite *r, product *p, hone_net_value sx, hone_net_value sw,
                  hone_net_value sy, hone_net_value to)
{
    bool one = hone_tensor_elems(hone_net__tensor(r->g, sw)) == 1;
    hone_tensor shape = per_column(&p->t, p->axis, one ? 1 : p->w.n, HONE_F32);
    float *v;
    hone_net_value by = hone_net__constant(r, &shape, (void **)&v);
    if (!by.i)
        return false;
    for (int64_t k = 0; k < (one ? 1 : p->w.n); k++)
        v[k] = (float)(hone_net__scale_at(r->g, sx, 0) * hone_net__scale_at(r->g, sw, k) /
                       (sy.i ? hone_net__scale_at(r->g, sy, 0) : 1));
    return step(r, p, "Mul", by, HONE_F32, to);
}

/* ---- the integers' product ------------------------------------------------------------------- */

/* The input with its zero point around it, where windows leave it: what there would be 0 in floats.
 * ret_attrs: the node's, without padding. */
static bool pad(hone_net_rewrite *r, product *p, hone_net_attr *attrs)
{
    hone_net_use_room room = {0};
    hone_net_use u = hone_net_use_of(r->g, r->at, &room);
    hone_net_window w;
    hone_error ignored;
    bool good = hone_net_window_of(&u, &w, &ignored) == HONE_OK;
    hone_net_use_room_free(&room);
    hone_tensor t = *hone_net__tensor(r->g, p->x), pads = {.dtype = HONE_I64, .n_dims = 1};
    hone_tensor number = {.dtype = t.dtype};
    int64_t *by, *none = hone_net_alloc(r->g, 2 * HONE_NET_MAX_SPATIAL * sizeof *none);
    uint8_t *fill;
    pads.shape[0] = 2 * t.n_dims;
    const hone_net_value in[] = {p->x, hone_net__constant(r, &pads, (void **)&by),
                                 hone_net__constant(r, &number, (void **)&fill)};
    if (!good || !none || !in[1].i || !in[2].i)
        return false;
    for (uint32_t s = 0; s < w.n; s++) {
        by[2 + s] = w.before[s];
        by[t.n_dims + 2 + s] = w.after[s];
        t.shape[2 + s] += w.before[s] + w.after[s];
    }
    *fill = (uint8_t)hone_net__zero_at(r->g, p->zero, 0);
    const hone_net_attr mode = {.name = "mode", .kind = HONE_NET_ATTR_TEXT, .text = "constant"};
    p->x = hone_net__emit(r, "Pad", &mode, 1, in, 3, &t, HONE_NET_NO_VALUE);
    for (uint32_t k = 0; k < p->n.n_attrs; k++) {
        if (strcmp(attrs[k].name, "pads") == 0) {
            attrs[k].given = true;
            attrs[k].n = 2 * w.n;
            attrs[k].ints = none;
        }
        if (strcmp(attrs[k].name, "auto_pad") == 0)
            attrs[k].text = "NOTSET";
    }
    return p->x.i != 0;
}

static bool is_conv(const hone_net_node_row *n)
{
    return n->op->id == HONE_NET_OP_CONV || n->op->id == HONE_NET_OP_QLINEAR_CONV ||
           n->op->id == HONE_NET_OP_CONV_INTEGER;
}

static bool pads_anything(hone_net_rewrite *r, const product *p)
{
    hone_net_use_room room = {0};
    hone_net_use u = hone_net_use_of(r->g, r->at, &room);
    hone_net_window w;
    hone_error ignored;
    bool ret = false;
    if (is_conv(&p->n) && hone_net_window_of(&u, &w, &ignored) == HONE_OK)
        for (uint32_t s = 0; s < w.n; s++)
            ret |= w.before[s] != 0 || w.after[s] != 0;
    hone_net_use_room_free(&room);
    return ret;
}

/* Sums of products and the bias that is i32 (or none), less what the zero point adds. */
static bool sums(hone_net_rewrite *r, product *p, hone_net_value bias, hone_net_value to)
{
    hone_net_attr *attrs = hone_net_alloc(r->g, p->n.n_attrs * sizeof *attrs + 1);
    int64_t zero = hone_net__zero_at(r->g, p->zero, 0);
    bool some = false;
    if (!attrs)
        return false;
    memcpy(attrs, p->n.attrs, p->n.n_attrs * sizeof *attrs);
    if (zero && pads_anything(r, p) && !pad(r, p, attrs))
        return false;
    bool conv = is_conv(&p->n);
    for (int64_t k = 0; k < p->w.n; k++)
        some |= zero * p->w.sums[k] != 0 || hone_net__zero_at(r->g, bias, k) != 0;
    const hone_net_value in[] = {p->x, p->w.v};
    p->t.dtype = HONE_I32;
    p->v = hone_net__emit(r, conv ? "ConvInteger" : "MatMulInteger", attrs, conv ? p->n.n_attrs : 0,
                          in, 2, &p->t, some ? HONE_NET_NO_VALUE : to);
    if (!p->v.i || !some)
        return p->v.i != 0;
    hone_tensor shape = per_column(&p->t, p->axis, p->w.n, HONE_I32);
    int32_t *v;
    hone_net_value term = hone_net__constant(r, &shape, (void **)&v);
    for (int64_t k = 0; term.i && k < p->w.n; k++) /* wraps around as the sums themselves do */
        v[k] =
            (int32_t)(uint32_t)(uint64_t)(hone_net__zero_at(r->g, bias, k) - zero * p->w.sums[k]);
    return term.i && step(r, p, "Add", term, HONE_I32, to);
}

/* ---- what models say ------------------------------------------------------------------------- */

/* The bias of a convolution, in the shape that meets its channels. */
static hone_net_value channel_bias(hone_net_rewrite *r, const product *p, hone_net_value bias)
{
    hone_tensor t = *hone_net__tensor(r->g, bias);
    hone_tensor shape = per_column(&p->t, p->axis, p->w.n, HONE_F32);
    float *to;
    hone_net_value v = hone_net__constant(r, &shape, (void **)&to);
    if (v.i)
        memcpy(to, t.data, (size_t)hone_tensor_bytes(&t));
    return v;
}

/* Conv, Gemm, MatMul of floats that were integers. */
static bool of_floats(hone_net_rewrite *r, product *p)
{
    hone_net_quantised x, w;
    bool gemm = p->n.op->id == HONE_NET_OP_GEMM, conv = is_conv(&p->n);
    bool flip = gemm && hone_net_attr_int(&p->n, "transB");
    hone_net_value bias = p->n.n_in > 2 ? p->n.in[2] : HONE_NET_NO_VALUE;
    if (!hone_net__activation(r->g, p->n.in[0], &x) || !hone_net__dequantised(r->g, p->n.in[1], &w))
        return false;
    uint32_t rank = hone_net__tensor(r->g, w.x)->n_dims;
    if (!conv && (rank != 2 || hone_net__tensor(r->g, x.x)->n_dims < 2))
        return false;
    if (gemm && (hone_net_attr_int(&p->n, "transA") || hone_net_attr_float(&p->n, "alpha") != 1 ||
                 (bias.i && hone_net_attr_float(&p->n, "beta") != 1)))
        return false;
    if (conv && bias.i &&
        (!hone_net__is_known(r->g, bias) || hone_net__tensor(r->g, bias)->dtype != HONE_F32))
        return false;
    if (!weights_of(r, &w, conv || flip ? 0 : 1, flip, &p->w))
        return false;
    p->x = x.x;
    p->zero = x.zero;
    const hone_net_value out = p->n.out[0], none = HONE_NET_NO_VALUE;
    if (!sums(r, p, none, none) || !step(r, p, "Cast", none, HONE_F32, none) ||
        !times(r, p, x.scale, w.scale, none, bias.i ? none : out))
        return false;
    if (!bias.i)
        return true;
    bias = conv ? channel_bias(r, p, bias) : bias;
    return bias.i && step(r, p, "Add", bias, HONE_F32, out);
}

/* QLinearConv, QLinearMatMul. */
static bool of_qlinear(hone_net_rewrite *r, product *p)
{
    const hone_net_value *in = p->n.in;
    hone_net_value bias = p->n.n_in > 8 ? in[8] : HONE_NET_NO_VALUE, out = p->n.out[0];
    bool conv = is_conv(&p->n);
    uint32_t rank = hone_net__tensor(r->g, in[3])->n_dims;
    const hone_net_quantised w = {in[3], in[4], in[5], conv ? 0 : 1};
    if (!hone_net__is_number(r->g, in[1]) || !hone_net__is_number(r->g, in[2]) ||
        !hone_net__is_number(r->g, in[6]) || !hone_net__is_known(r->g, in[4]) ||
        !hone_net__is_known(r->g, in[5]) || hone_net__is_known(r->g, in[0]) ||
        (bias.i && !hone_net__is_known(r->g, bias)) || (!conv && (rank != 2 || p->t.n_dims < 2)) ||
        hone_net__tensor(r->g, in[0])->n_dims < 2 || !weights_of(r, &w, conv ? 0 : 1, false, &p->w))
        return false;
    p->x = in[0];
    p->zero = in[2];
    return sums(r, p, bias, HONE_NET_NO_VALUE) &&
           step(r, p, "Cast", HONE_NET_NO_VALUE, HONE_F32, HONE_NET_NO_VALUE) &&
           times(r, p, in[1], in[4], in[6], HONE_NET_NO_VALUE) &&
           hone_net__round_to(r, p->v, in[7], out);
}

/* A zero point that is known when the network runs: times the sums of weights. */
static bool less_zero(hone_net_rewrite *r, product *p, hone_net_value out)
{
    hone_tensor z = *hone_net__tensor(r->g, p->zero);
    hone_net_value given = p->zero;
    const hone_net_attr cast = {.name = "to", .given = true, .i = 6};
    p->zero = HONE_NET_NO_VALUE;
    z.dtype = HONE_I32;
    hone_net_value z32 = hone_net__emit(r, "Cast", &cast, 1, &given, 1, &z, HONE_NET_NO_VALUE);
    hone_tensor shape = per_column(&p->t, p->axis, p->w.n, HONE_I32);
    int32_t *v;
    const hone_net_value in[] = {hone_net__constant(r, &shape, (void **)&v), z32};
    if (!z32.i || !in[0].i)
        return false;
    for (int64_t k = 0; k < p->w.n; k++)
        v[k] = (int32_t)p->w.sums[k];
    hone_net_value term = hone_net__emit(r, "Mul", NULL, 0, in, 2, &shape, HONE_NET_NO_VALUE);
    return term.i && sums(r, p, HONE_NET_NO_VALUE, HONE_NET_NO_VALUE) &&
           step(r, p, "Sub", term, HONE_I32, out);
}

/* ConvInteger, MatMulInteger: what is left to do if they have zero points. */
static bool of_integers(hone_net_rewrite *r, product *p)
{
    const hone_net_value none = HONE_NET_NO_VALUE;
    const hone_net_value zx = p->n.n_in > 2 ? p->n.in[2] : none;
    const hone_net_value zw = p->n.n_in > 3 ? p->n.in[3] : none;
    bool conv = is_conv(&p->n);
    hone_tensor one = {.dtype = HONE_F32};
    float *v;
    if (!(zx.i && (!hone_net__is_number(r->g, zx) || hone_net__zero_at(r->g, zx, 0))) && !zw.i)
        return false;
    const hone_net_quantised w = {p->n.in[1], hone_net__constant(r, &one, (void **)&v), zw, 0};
    if (!w.scale.i || (zw.i && !hone_net__is_known(r->g, zw)) ||
        hone_net__is_known(r->g, p->n.in[0]) ||
        (!conv && (hone_net__tensor(r->g, w.x)->n_dims != 2 || p->t.n_dims < 2)) ||
        hone_net__tensor(r->g, p->n.in[0])->n_dims < 2)
        return false;
    bool known = !zx.i || hone_net__is_number(r->g, zx);
    if ((!known && (conv || hone_tensor_elems(hone_net__tensor(r->g, zx)) != 1 ||
                    hone_net__tensor(r->g, zx)->n_dims > 1)) ||
        !weights_of(r, &w, conv ? 0 : 1, false, &p->w))
        return false;
    p->x = p->n.in[0];
    p->zero = zx;
    return known ? sums(r, p, none, p->n.out[0]) : less_zero(r, p, p->n.out[0]);
}

/* Puts nodes in the place of the product `r->at`; false: it stays. */
static bool rewrite_product(hone_net_rewrite *r)
{
    product p = {.n = *hone_net_node_at(r->g, r->at)};
    uint32_t before = r->order.n;
    bool done = false;
    if (!p.n.out[0].i)
        return false;
    p.t = *hone_net__tensor(r->g, p.n.out[0]);
    p.axis = is_conv(&p.n) ? 1 : p.t.n_dims ? p.t.n_dims - 1u : 0;
    switch (p.n.op->id) {
    case HONE_NET_OP_CONV:
    case HONE_NET_OP_GEMM:
    case HONE_NET_OP_MATMUL:
        done = of_floats(r, &p);
        break;
    case HONE_NET_OP_QLINEAR_CONV:
    case HONE_NET_OP_QLINEAR_MATMUL:
        done = of_qlinear(r, &p);
        break;
    case HONE_NET_OP_CONV_INTEGER:
    case HONE_NET_OP_MATMUL_INTEGER:
        done = of_integers(r, &p);
        break;
    default:
        break;
    }
    free(p.w.sums);
    if (!done)
        hone_net__take_back(r, before);
    return done;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool has_integers(const hone_net *g)
{
    for (uint32_t k = 0; k < g->order.n; k++)
        switch (hone_net_node_at(g, g->order.v[k])->op->id) {
        case HONE_NET_OP_DEQUANTIZE_LINEAR:
        case HONE_NET_OP_QLINEAR_CONV:
        case HONE_NET_OP_QLINEAR_MATMUL:
        case HONE_NET_OP_CONV_INTEGER:
        case HONE_NET_OP_MATMUL_INTEGER:
            return true;
        default:
            break;
        }
    return false;
}

hone_status hone_net__integers(hone_net *g, hone_error *err)
{
    hone_net_rewrite r = {.g = g};
    if (!has_integers(g))
        return HONE_OK;
    if (!hone_net__to_unsigned(&r))
        return hone_fail(err, HONE_E_LIMIT, "constants take too much memory");
    uint32_t *uses = hone_net__uses(g);
    r.uses = uses;
    r.n_uses = g->values.n;
    for (uint32_t k = 0; k < g->order.n; k++) {
        r.at = g->order.v[k];
        if (!rewrite_product(&r) && !hone_net__move_integers(&r) && !hone_net__cancel(&r) &&
            !hone_net__requantise(&r))
            hone_net__own_inputs(&r);
    }
    free(uses);
    hone_vec_free(&g->order);
    hone_vec_copy(&g->order, &r.order);
    hone_vec_free(&r.order);
    hone_net__sweep(g);
    return HONE_OK;
}
