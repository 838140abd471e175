/* Of the rule for rows: chains of stages, and how one stage of a row is scheduled. Private to the
 * rule. */
#ifndef HONE_SPACE_ROWS_H
#define HONE_SPACE_ROWS_H

#include "space/prim/prim.h"
#include "space/rule/rule.h"

#define MAX_MEMBERS 32 /* of a chain */
#define MAX_LOOPS 16
/* For the place of the loop over rows computed together: there is none. */
#define ALONE (-1)

typedef struct member {
    char name[256];
    bool reduces;
} member;

typedef struct chain {
    member v[MAX_MEMBERS]; /* the anchor first, then backwards through the program */
    unsigned n;
    unsigned rows; /* loops shared by all */
} chain;

unsigned hone_rule__spatial_iters(hone_program *p, hone_stmt block);
/* The last dimension of the load that has more than one element: the one that runs along memory. A
 * column of a matrix N x 1 is as contiguous as a row. */
unsigned hone_rule__contiguous_dim(const hone_program *p, hone_expr load);

/* rows_stage.c: a reduction of a row, which is the block's innermost loops, or `in_pieces` that run
 * in parallel; elements along the innermost one. `together`: the place among the block's loops of
 * the one over rows that are computed at once, or ALONE. */
hone_status hone_rule__row_sum(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                               bool in_pieces, int together, hone_error *err) HONE_NODISCARD;
hone_status hone_rule__row_elements(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                                    int together, hone_error *err) HONE_NODISCARD;

#endif
