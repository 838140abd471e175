/* Around products of integers: what only moves a quantised tensor, what requantises a result, and
 * signs. Each function looks at one node of a graph, for integers.c.
 *
 * Reader's map: what is quantised; around them: moves, a factor put into constants, rounding;
 * signs. */
#include "net/plan/integers.h"

#include <float.h>

/* ---- what is quantised ----------------------------------------------------------------------- */

static bool is_byte(hone_dtype t)
{
    return t == HONE_U8 || t == HONE_I8;
}

int64_t hone_net__zero_at(const hone_net *g, hone_net_value v, int64_t k)
{
    if (!v.i)
        return 0;
    return hone_tensor_int(hone_net__tensor(g, v),
                           hone_tensor_elems(hone_net__tensor(g, v)) == 1 ? 0 : k);
}

double hone_net__scale_at(const hone_net *g, hone_net_value v, int64_t k)
{
    return hone_tensor_float(hone_net__tensor(g, v),
                             hone_tensor_elems(hone_net__tensor(g, v)) == 1 ? 0 : k);
}

bool hone_net__dequantised(const hone_net *g, hone_net_value v, hone_net_quantised *ret)
{
    hone_net_node of = v.i ? hone_net_value_at(g, v)->producer : HONE_NET_NO_NODE;
    const hone_net_node_row *n = hone_net_node_at(g, of);
    if (!of.i || n->op->id != HONE_NET_OP_DEQUANTIZE_LINEAR)
        return false;
    *ret = (hone_net_quantised){n->in[0], n->in[1], n->n_in > 2 ? n->in[2] : HONE_NET_NO_VALUE,
                                hone_net_attr_int(n, "axis")};
    return is_byte(hone_net__tensor(g, ret->x)->dtype) && hone_net__is_known(g, ret->scale) &&
           (!ret->zero.i || hone_net__is_known(g, ret->zero));
}

bool hone_net__activation(const hone_net *g, hone_net_value v, hone_net_quantised *ret)
{
    return hone_net__dequantised(g, v, ret) && !hone_net__is_known(g, ret->x) &&
           hone_net__is_number(g, ret->scale) &&
           (!ret->zero.i || hone_net__is_number(g, ret->zero));
}

bool hone_net__round_to(hone_net_rewrite *r, hone_net_value v, hone_net_value zero,
                        hone_net_value to)
{
    const hone_net_attr axis = {.name = "axis", .i = 1};
    const hone_tensor number = {.dtype = HONE_F32};
    float *one;
    const hone_net_value in[] = {v, hone_net__constant(r, &number, (void **)&one), zero};
    if (!in[1].i)
        return false;
    *one = 1;
    return hone_net__emit(r, "QuantizeLinear", &axis, 1, in, zero.i ? 3 : 2, NULL, to).i != 0;
}

/* ---- around them ----------------------------------------------------------------------------- */

/* Does the node only move what its first input holds, or choose among it? */
static bool moves(const hone_net_node_row *n)
{
    hone_net_kind kind = hone_net__kind(n);
    return kind == HONE_NET_VIEW || kind == HONE_NET_ORDER ||
           (n->op->id == HONE_NET_OP_MAX_POOL && (n->n_out < 2 || !n->out[1].i));
}

/* Moves the integers, and dequantises them then. */
bool hone_net__move_integers(hone_net_rewrite *r)
{
    hone_net_node_row n = *hone_net_node_at(r->g, r->at);
    hone_net_quantised q;
    if (!moves(&n) || !hone_net__activation(r->g, n.in[0], &q))
        return false;
    hone_tensor t = *hone_net__tensor(r->g, n.out[0]);
    t.dtype = hone_net__tensor(r->g, q.x)->dtype;
    hone_net_value *in = hone_xcalloc(n.n_in, sizeof *in);
    memcpy(in, n.in, n.n_in * sizeof *in);
    in[0] = q.x;
    hone_net_node_row moved = n;
    hone_net_value v = hone_net_add_value(r->g, "", &t);
    moved.in = in;
    moved.out = &v;
    moved.n_out = 1;
    hone_vec_push(&r->order, hone_net_add_node(r->g, &moved));
    free(in);
    const hone_net_attr axis = {.name = "axis", .i = 1};
    const hone_net_value back[] = {v, q.scale, q.zero};
    t.dtype = HONE_F32;
    hone_net__emit(r, "DequantizeLinear", &axis, 1, back, q.zero.i ? 3 : 2, &t, n.out[0]);
    return true;
}

/* Is what this quantises dequantised by the same numbers? Then it is the same again. */
bool hone_net__cancel(hone_net_rewrite *r)
{
    hone_net_node_row n = *hone_net_node_at(r->g, r->at);
    hone_net_quantised q;
    if (n.op->id != HONE_NET_OP_QUANTIZE_LINEAR || !hone_net__activation(r->g, n.in[0], &q) ||
        !hone_net__is_number(r->g, n.in[1]) ||
        hone_net__scale_at(r->g, n.in[1], 0) != hone_net__scale_at(r->g, q.scale, 0))
        return false;
    hone_net_value zero = n.n_in > 2 ? n.in[2] : HONE_NET_NO_VALUE;
    if ((zero.i && !hone_net__is_number(r->g, zero)) ||
        hone_net__zero_at(r->g, zero, 0) != hone_net__zero_at(r->g, q.zero, 0) ||
        hone_net__tensor(r->g, q.x)->dtype != hone_net__tensor(r->g, n.out[0])->dtype)
        return false;
    hone_tensor t = *hone_net__tensor(r->g, n.out[0]);
    hone_net__emit(r, "Identity", NULL, 0, &q.x, 1, &t, n.out[0]);
    return true;
}

/* As behind_product, after `left` looks at most: a value that many nodes take is come to by as many
 * ways. */
static bool is_behind(const hone_net *g, hone_net_value v, unsigned depth, unsigned *left)
{
    hone_net_node of = v.i ? hone_net_value_at(g, v)->producer : HONE_NET_NO_NODE;
    const hone_net_node_row *n = hone_net_node_at(g, of);
    if (!of.i || hone_net__is_known(g, v) || depth == 0 || *left == 0)
        return false;
    --*left;
    if (n->op->id == HONE_NET_OP_CONV_INTEGER || n->op->id == HONE_NET_OP_MATMUL_INTEGER)
        return true;
    bool ret = false;
    for (uint32_t k = 0; k < n->n_in && !ret && hone_net__kind(n) == HONE_NET_ELEMENTWISE; k++)
        ret = is_behind(g, n->in[k], depth - 1, left);
    return ret;
}

/* Is v a product of integers with nothing but elementwise nodes behind it? */
static bool behind_product(const hone_net *g, hone_net_value v, unsigned depth)
{
    unsigned left = 4096;
    return is_behind(g, v, depth, &left);
}

/* Numbers that meet the channels of an image, or the columns of anything else. */
static hone_tensor per_column(const hone_tensor *t)
{
    hone_tensor ret = {.dtype = HONE_F32};
    uint8_t axis = t->n_dims > 3 ? 1 : t->n_dims ? t->n_dims - 1 : 0;
    ret.n_dims = (uint8_t)(t->n_dims - axis);
    for (uint8_t d = 0; d < ret.n_dims; d++)
        ret.shape[d] = d ? 1 : t->shape[axis];
    return ret;
}

/* Does one node take v, which one of the model or of this pass makes? */
static bool is_taken_once(const hone_net_rewrite *r, hone_net_value v)
{
    return v.i && hone_net_value_at(r->g, v)->producer.i && !hone_net__is_known(r->g, v) &&
           (v.i >= r->n_uses || r->uses[v.i] == 1);
}

/* The constant c of f32, or where there is none 1, times `by`, for what is of t's shape. A single
 * number becomes one for each column: it would be part of the kernel, and each layer another. */
static hone_net_value times(hone_net_rewrite *r, hone_net_value c, double by, const hone_tensor *t)
{
    const hone_tensor *was = c.i ? hone_net__tensor(r->g, c) : NULL;
    bool single = !was || hone_tensor_elems(was) == 1;
    hone_tensor of = single ? per_column(t) : *was;
    float *v;
    hone_net_value ret = hone_net__constant(r, &of, (void **)&v);
    was = c.i ? hone_net__tensor(r->g, c) : NULL;
    for (int64_t k = 0; ret.i && k < hone_tensor_elems(&of); k++)
        v[k] = (float)(by * (was ? hone_tensor_float(was, single ? 0 : k) : 1));
    return ret;
}

static bool is_factor(const hone_net *g, hone_net_value v)
{
    return hone_net__is_known(g, v) && hone_net__tensor(g, v)->dtype == HONE_F32;
}

/* Nodes that have a factor in them, on their way into the places of those that have not. */
typedef struct scaling {
    hone_net_rewrite *r;
    double by;    /* above 0 */
    uint32_t new; /* r->order has them from here on */
    HONE_VEC(hone_net_node) old;
} scaling;

static hone_net_value put(scaling *s, hone_net_node old, const hone_net_attr *attrs,
                          uint32_t n_attrs, const hone_net_value *in, uint32_t n_in,
                          const hone_tensor *t)
{
    hone_net_value v = hone_net__emit(s->r, hone_net_node_at(s->r->g, old)->op->name, attrs,
                                      n_attrs, in, n_in, t, HONE_NET_NO_VALUE);
    if (v.i)
        hone_vec_push(&s->old, old);
    return v;
}

static hone_net_value scaled_bytes(scaling *s, hone_net_node old, const hone_net_quantised *q,
                                   const hone_tensor *t)
{
    const hone_tensor number = {.dtype = HONE_F32};
    const hone_net_attr axis = {.name = "axis", .i = 1};
    float *scale;
    const hone_net_value in[] = {q->x, hone_net__constant(s->r, &number, (void **)&scale), q->zero};
    if (in[1].i)
        *scale = (float)(s->by * hone_net__scale_at(s->r->g, q->scale, 0));
    return put(s, old, &axis, 1, in, q->zero.i ? 3 : 2, t);
}

/* v times s->by, as another value of which the constants on the way have that in them: those of a
 * factor, a bias, a dequantisation. None: there is something else on the way. */
static hone_net_value scaled(scaling *s, hone_net_value v, unsigned depth)
{
    const hone_net *g = s->r->g;
    hone_net_quantised q;
    if (!depth || !is_taken_once(s->r, v) || hone_net__tensor(g, v)->dtype != HONE_F32)
        return HONE_NET_NO_VALUE;
    const hone_tensor t = *hone_net__tensor(g, v);
    hone_net_node of = hone_net_value_at(g, v)->producer;
    const hone_net_node_row n = *hone_net_node_at(g, of);
    hone_net_value in[2] = {n.in[0], n.n_in > 1 ? n.in[1] : HONE_NET_NO_VALUE};
    unsigned factor = is_factor(g, in[0]) ? 0 : 1;
    if (hone_net__activation(g, v, &q))
        return scaled_bytes(s, of, &q, &t);
    switch (n.op->id) {
    case HONE_NET_OP_RELU:
        in[0] = scaled(s, in[0], depth - 1);
        break;
    case HONE_NET_OP_ADD:
        for (unsigned k = 0; k < 2; k++)
            in[k] =
                is_factor(g, in[k]) ? times(s->r, in[k], s->by, &t) : scaled(s, in[k], depth - 1);
        break;
    case HONE_NET_OP_MUL:
        if (!is_factor(g, in[factor]))
            return HONE_NET_NO_VALUE;
        in[factor] = times(s->r, in[factor], s->by, &t);
        break;
    default:
        return HONE_NET_NO_VALUE;
    }
    return put(s, of, NULL, 0, in, n.n_in, &t);
}

/* Each new node where the old one was: that decides which product it joins. */
static void put_in_place(scaling *s)
{
    for (uint32_t k = 0; k < s->old.n; k++)
        for (uint32_t j = 0; j < s->new; j++)
            if (s->r->order.v[j].i == s->old.v[k].i)
                s->r->order.v[j] = s->r->order.v[s->new + k];
}

/* What v is rounded as, times `by`. To bytes without sign and zero point, what is below 0 becomes 0
 * anyway. */
static hone_net_value before_rounding(hone_net_rewrite *r, const hone_net_node_row *n,
                                      hone_net_value v, double by)
{
    enum { DEPTH = 8 };
    const hone_tensor t = *hone_net__tensor(r->g, v);
    bool sane = by > 0 && by <= (double)FLT_MAX; /* no scale is 0 or below, and yet */
    bool floor = sane && hone_net__tensor(r->g, n->out[0])->dtype == HONE_U8 &&
                 !(n->n_in > 2 && hone_net__zero_at(r->g, n->in[2], 0));
    const hone_net_node_row *of = hone_net_node_at(r->g, hone_net_value_at(r->g, v)->producer);
    if (floor && is_taken_once(r, v) && of->op->id == HONE_NET_OP_RELU)
        v = of->in[0];
    scaling s = {.r = r, .by = by, .new = r->order.n};
    hone_net_value ret = sane ? scaled(&s, v, DEPTH) : HONE_NET_NO_VALUE;
    if (ret.i)
        put_in_place(&s);
    hone_vec_free(&s.old);
    hone_net__take_back(r, s.new);
    if (ret.i)
        return ret;
    const hone_net_value in[] = {v, times(r, HONE_NET_NO_VALUE, by, &t)};
    return hone_net__emit(r, "Mul", NULL, 0, in, 2, &t, HONE_NET_NO_VALUE);
}

/* v rounded as the node n does it, as `to` or a new value. Behind a product the factor is made
 * ahead of time: a quotient for each element costs as much as the product of a few dozen steps. A
 * result within a rounding of a tie may then be the other neighbour's. */
static hone_net_value round_value(hone_net_rewrite *r, const hone_net_node_row *n, hone_net_value v,
                                  hone_net_value to)
{
    enum { DEPTH = 12 };
    hone_tensor t = *hone_net__tensor(r->g, v);
    hone_net_value scale = n->in[1], zero = n->n_in > 2 ? n->in[2] : HONE_NET_NO_VALUE;
    const hone_tensor number = {.dtype = HONE_F32};
    if (hone_net__scale_at(r->g, scale, 0) != 1 && t.dtype == HONE_F32 &&
        behind_product(r->g, v, DEPTH)) {
        float *one;
        v = before_rounding(r, n, v, 1 / hone_net__scale_at(r->g, scale, 0));
        scale = hone_net__constant(r, &number, (void **)&one);
        if (!scale.i)
            return HONE_NET_NO_VALUE;
        *one = 1;
    }
    const hone_net_attr axis = {.name = "axis", .i = 1};
    const hone_net_value in[] = {v, scale, zero};
    t.dtype = hone_net__tensor(r->g, n->out[0])->dtype;
    return hone_net__emit(r, "QuantizeLinear", &axis, 1, in, zero.i ? 3 : 2, &t, to);
}

/* May what the node moves be rounded before it? A view only if a product of integers makes what it
 * is of: attention is one kernel as it is. */
static bool may_round_before(const hone_net *g, const hone_net_node_row *n)
{
    enum { DEPTH = 12 };
    return n->op->id == HONE_NET_OP_MAX_POOL ? moves(n)
                                             : moves(n) && behind_product(g, n->in[0], DEPTH);
}

/* Takes v, which one node makes of others without computing, as what is made of these rounded: so
 * the kernels before it write bytes. */
static hone_net_value round_early(hone_net_rewrite *r, const hone_net_node_row *n, hone_net_value v,
                                  hone_net_value to, unsigned depth)
{
    hone_net_node of = hone_net_value_at(r->g, v)->producer;
    bool once =
        of.i && depth && v.i < r->n_uses && r->uses[v.i] == 1 && !hone_net__is_known(r->g, v);
    const hone_net_node_row m = *hone_net_node_at(r->g, of);
    bool joins = once && m.op->id == HONE_NET_OP_CONCAT;
    if (!once || !(joins || may_round_before(r->g, &m)))
        return round_value(r, n, v, to);
    hone_net_value *in = hone_xcalloc(m.n_in, sizeof *in);
    bool good = true;
    memcpy(in, m.in, m.n_in * sizeof *in);
    for (uint32_t k = 0; k < (joins ? m.n_in : 1) && good; k++) {
        in[k] = round_early(r, n, in[k], HONE_NET_NO_VALUE, depth - 1);
        good = in[k].i != 0;
    }
    hone_tensor t = *hone_net__tensor(r->g, v);
    t.dtype = hone_net__tensor(r->g, n->out[0])->dtype;
    if (good && !to.i)
        to = hone_net_add_value(r->g, "", &t);
    hone_net_node_row made = m;
    made.in = in;
    made.out = &to;
    made.n_out = 1;
    if (good)
        hone_vec_push(&r->order, hone_net_add_node(r->g, &made));
    free(in);
    return good ? to : HONE_NET_NO_VALUE;
}

bool hone_net__requantise(hone_net_rewrite *r)
{
    enum { DEPTH = 4 };
    const hone_net_node_row n = *hone_net_node_at(r->g, r->at);
    uint32_t before = r->order.n;
    if (n.op->id != HONE_NET_OP_QUANTIZE_LINEAR || !hone_net__is_number(r->g, n.in[1]) ||
        (n.n_in > 2 && n.in[2].i && !hone_net__is_number(r->g, n.in[2])) ||
        !hone_net_value_at(r->g, n.in[0])->producer.i ||
        hone_net__activation(r->g, n.in[0], &(hone_net_quantised){0}))
        return false;
    if (round_early(r, &n, n.in[0], n.out[0], DEPTH).i)
        return true;
    hone_net__take_back(r, before);
    return false;
}

/* An elementwise node, with what it takes dequantised for it alone. */
void hone_net__own_inputs(hone_net_rewrite *r)
{
    hone_net_node_row n = *hone_net_node_at(r->g, r->at);
    hone_net_value *in = hone_xcalloc(n.n_in + 1, sizeof *in);
    bool changed = false;
    memcpy(in, n.in, n.n_in * sizeof *in);
    for (uint32_t k = 0; k < n.n_in && hone_net__kind(&n) == HONE_NET_ELEMENTWISE; k++) {
        hone_net_quantised q;
        if (n.op->id == HONE_NET_OP_DEQUANTIZE_LINEAR || !hone_net__activation(r->g, in[k], &q))
            continue;
        hone_tensor t = *hone_net__tensor(r->g, in[k]);
        const hone_net_attr axis = {.name = "axis", .i = 1};
        const hone_net_value from[] = {q.x, q.scale, q.zero};
        in[k] = hone_net__emit(r, "DequantizeLinear", &axis, 1, from, q.zero.i ? 3 : 2, &t,
                               HONE_NET_NO_VALUE);
        changed = true;
    }
    n.in = in;
    hone_vec_push(&r->order, changed ? hone_net_add_node(r->g, &n) : r->at);
    free(in);
}

/* ---- signs ----------------------------------------------------------------------------------- */

/* Processors multiply unsigned by signed bytes. What is quantised to i8 and only dequantised again
 * is as good as u8, 128 further up. */
static bool only_dequantised(const hone_net *g, hone_net_value v)
{
    bool some = false;
    if (hone_net_value_at(g, v)->is_output)
        return false;
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        for (uint32_t j = 0; j < n->n_in; j++) {
            hone_net_quantised q;
            if (n->in[j].i != v.i)
                continue;
            if (!n->out[0].i || !hone_net__activation(g, n->out[0], &q) || q.x.i != v.i)
                return false;
            some = true;
        }
    }
    return some;
}

/* The zero point of u8 that stands for this one of i8. */
static hone_net_value shifted(hone_net_rewrite *r, hone_net_value zero)
{
    const hone_tensor number = {.dtype = HONE_U8};
    int64_t was = hone_net__zero_at(r->g, zero, 0);
    uint8_t *v;
    hone_net_value ret = hone_net__constant(r, &number, (void **)&v);
    if (ret.i)
        *v = (uint8_t)(was + 128);
    return ret;
}

/* The dequantisation d of v, now of u8. */
static bool dequantise_unsigned(hone_net_rewrite *r, hone_net_node *d, hone_net_value v)
{
    hone_net_node_row n = *hone_net_node_at(r->g, *d);
    const hone_net_value in[] = {v, n.in[1], shifted(r, n.n_in > 2 ? n.in[2] : HONE_NET_NO_VALUE)};
    n.in = in;
    n.n_in = 3;
    if (in[2].i)
        *d = hone_net_add_node(r->g, &n);
    return in[2].i != 0;
}

bool hone_net__to_unsigned(hone_net_rewrite *r)
{
    hone_net *g = r->g;
    for (uint32_t k = 0; k < g->order.n; k++) {
        hone_net_node_row q = *hone_net_node_at(g, g->order.v[k]);
        if (q.op->id != HONE_NET_OP_QUANTIZE_LINEAR || q.n_in < 3 ||
            !hone_net__is_number(g, q.in[1]) || !hone_net__is_number(g, q.in[2]) ||
            hone_net__tensor(g, q.in[2])->dtype != HONE_I8 || !only_dequantised(g, q.out[0]))
            continue;
        const hone_net_value v = q.out[0], in[] = {q.in[0], q.in[1], shifted(r, q.in[2])};
        if (!in[2].i)
            return false;
        q.in = in;
        hone_net_value_at(g, v)->t.dtype = HONE_U8;
        g->order.v[k] = hone_net_add_node(g, &q);
        for (uint32_t j = 0; j < g->order.n; j++) {
            const hone_net_node_row *d = hone_net_node_at(g, g->order.v[j]);
            if (d->op->id == HONE_NET_OP_DEQUANTIZE_LINEAR && d->in[0].i == v.i &&
                !dequantise_unsigned(r, &g->order.v[j], v))
                return false;
        }
    }
    return true;
}
