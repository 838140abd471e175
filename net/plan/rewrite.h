/* Writing nodes in the place of others, for passes that go over a graph's order and make another.
 * Threads: as net/plan.h. */
#ifndef HONE_NET_PLAN_REWRITE_H
#define HONE_NET_PLAN_REWRITE_H

#include "net/op/op.h"

typedef struct hone_net_rewrite {
    hone_net *g;
    hone_net_node at;              /* which is looked at */
    HONE_VEC(hone_net_node) order; /* what there is instead, so far; the caller frees */
    const uint32_t *uses;          /* by value, of those that there were before; or NULL */
    uint32_t n_uses;
} hone_net_rewrite;

/* A constant of that type and shape, its elements 0, to be filled through *ret. None: there is no
 * memory for it. */
hone_net_value hone_net__constant(hone_net_rewrite *r, const hone_tensor *shape, void **ret);
/* A node at the end of r->order, named as r->at is; `attrs` are all that the operator's row has, in
 * its order. Its result is `to`, or if that is none a new value of type and shape `t`. Returns it;
 * none: an input is `none` where one has to be, which is what the functions above return. */
hone_net_value hone_net__emit(hone_net_rewrite *r, const char *op, const hone_net_attr *attrs,
                              uint32_t n_attrs, const hone_net_value *in, uint32_t n_in,
                              const hone_tensor *t, hone_net_value to);
/* Forgets the nodes from number n on. */
void hone_net__take_back(hone_net_rewrite *r, uint32_t n);

#endif
