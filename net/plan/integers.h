/* What the files that find products of integers have for each other (integers.c, quantised.c).
 * Threads: as net/plan.h. */
#ifndef HONE_NET_PLAN_INTEGERS_H
#define HONE_NET_PLAN_INTEGERS_H

#include "net/plan/internal.h"
#include "net/plan/rewrite.h"

/* What a value is dequantised from. */
typedef struct hone_net_quantised {
    hone_net_value x, scale, zero; /* zero: none is 0 */
    int64_t axis;                  /* of several scales */
} hone_net_quantised;

static inline const hone_tensor *hone_net__tensor(const hone_net *g, hone_net_value v)
{
    return &hone_net_value_at(g, v)->t;
}
static inline bool hone_net__is_known(const hone_net *g, hone_net_value v)
{
    return v.i && hone_net_is_constant(g, v);
}
/* A constant that is one number. */
static inline bool hone_net__is_number(const hone_net *g, hone_net_value v)
{
    return hone_net__is_known(g, v) && hone_tensor_elems(hone_net__tensor(g, v)) == 1;
}
/* Number k of zero points, of which one may stand for all, and none for 0; scales likewise. */
int64_t hone_net__zero_at(const hone_net *g, hone_net_value v, int64_t k);
double hone_net__scale_at(const hone_net *g, hone_net_value v, int64_t k);
/* Is v dequantised from bytes, by known numbers? */
bool hone_net__dequantised(const hone_net *g, hone_net_value v, hone_net_quantised *ret);
/* The same of what is computed when the network runs, by one scale. */
bool hone_net__activation(const hone_net *g, hone_net_value v, hone_net_quantised *ret);
/* v, of the shape of t, rounded to bytes, as `to`. */
bool hone_net__round_to(hone_net_rewrite *r, hone_net_value v, hone_net_value zero,
                        hone_net_value to);

/* Quantised to i8 and only dequantised again: as u8. False: no memory (quantised.c). */
bool hone_net__to_unsigned(hone_net_rewrite *r);
/* What is around products; each false: the node r->at is no such. */
bool hone_net__move_integers(hone_net_rewrite *r);
bool hone_net__cancel(hone_net_rewrite *r);
bool hone_net__requantise(hone_net_rewrite *r);
/* The node r->at, with what it takes dequantised for it alone if it is elementwise. */
void hone_net__own_inputs(hone_net_rewrite *r);

#endif
