/* Computing a part of a value instead of all: what has to be known of the nodes that make it, and
 * the nodes that compute the part. Threads: as net/plan.h. */
#ifndef HONE_NET_PLAN_CUT_H
#define HONE_NET_PLAN_CUT_H

#include "net/plan/integers.h"

/* The places [from, from + n) along an axis of a value. */
typedef struct hone_net_cut {
    uint32_t axis;
    int64_t from, n;
} hone_net_cut;

/* What elements at one place along an axis of a node's result are made of. */
typedef enum hone_net_reach {
    HONE_NET_ANYTHING, /* nobody knows */
    HONE_NET_WHOLE,    /* all of the input */
    HONE_NET_ALONG     /* those at the same place, along an axis of the input */
} hone_net_reach;
/* Of input k; *ret is that axis. The use has one output. */
hone_net_reach hone_net__reach_of(const hone_net_use *u, uint32_t axis, uint32_t k, uint32_t *ret);

/* ---- nodes; each returns none where there is no memory for constants --------------------------
 */

/* That part of v: of a constant another one, else by a Slice. */
hone_net_value hone_net__slice(hone_net_rewrite *r, hone_net_value v, const hone_net_cut *p);
/* v under the shape of t, as `to`; if that is none as a new value. */
hone_net_value hone_net__reshape(hone_net_rewrite *r, hone_net_value v, const hone_tensor *t,
                                 hone_net_value to);
/* That part of input v of a node. */
typedef hone_net_value hone_net_part_fn(void *ctx, hone_net_value v, const hone_net_cut *p);
/* What the node computes, part p of it: of all inputs of which it takes a part, `part` makes that.
 * The node passes hone_net__reach_of for each input. The result is `to`, or a new value. */
hone_net_value hone_net__cut_node(hone_net_rewrite *r, hone_net_node n, const hone_net_cut *p,
                                  hone_net_part_fn *part, void *ctx, hone_net_value to);

#endif
