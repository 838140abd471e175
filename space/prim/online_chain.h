/* What online_softmax is about: a maximum, exponentials below it, and sums of these. The rule for
 * attention looks for the same. Private to the room. */
#ifndef HONE_SPACE_PRIM_ONLINE_CHAIN_H
#define HONE_SPACE_PRIM_ONLINE_CHAIN_H

#include "space/prim/util.h"

#define HONE_PRIM__ONLINE_EXPS 4
#define HONE_PRIM__ONLINE_SUMS 8

/* Where a block runs below the chain's parent: by iterator, from start (over the loops around the
 * parent and the parent itself) on, extent values of it. */
typedef struct hone_prim__frame {
    hone_expr start[HONE_MAX_ITERS];
    int64_t extent[HONE_MAX_ITERS];
    hone_expr lifted; /* its predicate over its iterators, or none */
} hone_prim__frame;

/* E[.., j] = exp((operand - maximum) * scale), where the operand is just what the maximum is of. */
typedef struct hone_prim__online_exp {
    hone_stmt block;
    int iter_of[HONE_MAX_ITERS]; /* its iterator that is the maximum's k-th; -1: that has one value
                                  */
    hone_expr scale;             /* a positive constant; none: 1 */
    hone_prim__frame frame;
} hone_prim__online_exp;

/* X[..] = sum over j of E[.., j] * (what knows nothing of the chain). */
typedef struct hone_prim__online_sum {
    hone_stmt block;
    unsigned exp;                /* whose values it adds up */
    int iter_of[HONE_MAX_ITERS]; /* as above */
    hone_expr operand, load;     /* what it adds; the exponential in it */
    hone_prim__frame frame;
} hone_prim__online_sum;

typedef struct hone_prim__online {
    hone_stmt top;    /* the maximum's block */
    hone_stmt parent; /* loop or root that all nests of the chain stand in */
    hone_stmt nest;   /* child of the parent that holds `top` */
    unsigned step;    /* the maximum's iterator that it runs along */
    int64_t steps;
    hone_expr operand;
    hone_prim__frame frame; /* of `top` */
    unsigned n_exps, n_sums;
    hone_prim__online_exp exps[HONE_PRIM__ONLINE_EXPS];
    hone_prim__online_sum sums[HONE_PRIM__ONLINE_SUMS];
    /* Over the maximum's iterators: where one of these is not below 0 the operand is -infinity. */
    unsigned n_masks;
    hone_expr masks[HONE_PRIM__MAX_CONDS];
} hone_prim__online;

/* The chain that begins with the block `top`, as docs/PRIMITIVES.md has it for OnlineSoftmax.
 * REJECT_ARG: no maximum of that kind, or something other than exponentials reads it;
 * REJECT_REDUCE: something other than sums of products reads an exponential;
 * REJECT_NOT_CHAIN: one of the blocks does not stand in a nest of its own beside the others;
 * REJECT_DEPENDENCY: one reads what is computed too late; REJECT_NOT_AFFINE: where one runs cannot
 * be told. */
hone_status hone_prim__online_find(hone_program *p, hone_stmt top, hone_prim__online *ret,
                                   hone_error *err) HONE_NODISCARD;

#endif
