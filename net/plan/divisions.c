/* Divisions by what is known, and by what many elements share: a division takes a processor as long
 * as some ten products, so it is done once for the divisor and the elements are multiplied. That
 * rounds once more.
 *
 *   x / c          x * (1 / c), of constants c whose reciprocals are normal numbers
 *   x / sqrt(v)    x * (1 / sqrt(v)), of v that is broadcast to x: a row's standard deviation. The
 *                  root of a float is so far from 0 that its reciprocal is a number
 *
 * (A GELU divides by the root of 2, a layer normalisation each element of a row by one number.) */
#include "net/plan/integers.h"

#include <math.h>

#define MANY 8 /* elements of x for one of v */

static bool is_normal(double v, hone_dtype t)
{
    return t == HONE_F32 ? isnormal((float)v) : isnormal(v);
}

/* Constants 1 / c; none: some are no normal numbers, or there is no memory. */
static hone_net_value reciprocals(hone_net_rewrite *r, hone_net_value c)
{
    hone_tensor t = *hone_net__tensor(r->g, c);
    int64_t n = hone_tensor_elems(&t);
    void *v;
    for (int64_t k = 0; k < n; k++)
        if (!is_normal(hone_tensor_float(&t, k), t.dtype) ||
            !is_normal(1 / hone_tensor_float(&t, k), t.dtype))
            return HONE_NET_NO_VALUE;
    hone_net_value ret = hone_net__constant(r, &t, &v);
    for (int64_t k = 0; k < n && ret.i; k++) {
        double x = 1 / hone_tensor_float(&t, k);
        if (t.dtype == HONE_F32)
            ((float *)v)[k] = (float)x;
        else
            ((double *)v)[k] = x;
    }
    return ret;
}

/* 1 / v of a root that many elements of `of` share, or none. */
static hone_net_value inverse_root(hone_net_rewrite *r, hone_net_value v, const hone_tensor *of)
{
    hone_net_node n = hone_net_value_at(r->g, v)->producer;
    const hone_tensor *t = hone_net__tensor(r->g, v);
    if (!n.i || hone_net_node_at(r->g, n)->op->id != HONE_NET_OP_SQRT ||
        hone_tensor_elems(of) < MANY * hone_tensor_elems(t))
        return HONE_NET_NO_VALUE;
    return hone_net__emit(r, "Reciprocal", NULL, 0, &v, 1, t, HONE_NET_NO_VALUE);
}

/* Puts a product in the place of the node r->at; false: it stays. */
static bool rewrite_division(hone_net_rewrite *r)
{
    const hone_net_node_row n = *hone_net_node_at(r->g, r->at);
    if (n.op->id != HONE_NET_OP_DIV || !n.out[0].i)
        return false;
    const hone_tensor t = *hone_net__tensor(r->g, n.out[0]);
    if (t.dtype != HONE_F32 && t.dtype != HONE_F64)
        return false;
    const hone_net_value in[] = {n.in[0], hone_net__is_known(r->g, n.in[1])
                                              ? reciprocals(r, n.in[1])
                                              : inverse_root(r, n.in[1], &t)};
    return hone_net__emit(r, "Mul", NULL, 0, in, 2, &t, n.out[0]).i != 0;
}

void hone_net__divisions(hone_net *g)
{
    hone_net_rewrite r = {.g = g};
    for (uint32_t k = 0; k < g->order.n; k++) {
        r.at = g->order.v[k];
        if (!rewrite_division(&r))
            hone_vec_push(&r.order, r.at);
    }
    hone_vec_free(&g->order);
    hone_vec_copy(&g->order, &r.order);
    hone_vec_free(&r.order);
}
