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

/* What a row was cut into: vectors, `unroll` of them straight code, and the loop over these. */
typedef struct row_cut {
    hone_rv unroll, turns;
} row_cut;

/* How a row is summed: `unroll` vectors of partial results in registers, or one, where what is
 * summed is made in between and needs the others; or in pieces that run in parallel. */
typedef enum row_sum_way { SUM_IN_MANY, SUM_IN_ONE, SUM_IN_PIECES } row_sum_way;

/* rows_stage.c: a reduction of a row, which is the block's innermost loops; elements along the
 * innermost one. `together`: the place among the block's loops of the one over rows that are
 * computed at once, or ALONE. `with`: elements that the reduction right behind, which was cut so,
 * takes as they are made; or NULL. */
hone_status hone_rule__row_sum(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                               row_sum_way way, int together, row_cut *ret,
                               hone_error *err) HONE_NODISCARD;
hone_status hone_rule__row_elements(hone_sched *s, const hone_rule__ctx *ctx, hone_rv block,
                                    int together, const row_cut *with,
                                    hone_error *err) HONE_NODISCARD;

#endif
