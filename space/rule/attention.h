/* Attention: what its rule knows of a program.
 *
 *   attention_find.c   which block plays which part
 *   attention.c        the nest: tiles of queries, blocks of keys, scores
 *   attention_sums.c   softmax and product with the values
 *   attention_loops.c  what both do with loops
 *
 * Private to the room. */
#ifndef HONE_SPACE_RULE_ATTENTION_H
#define HONE_SPACE_RULE_ATTENTION_H

#include "space/prim/online_chain.h"
#include "space/rule/contraction_analysis.h"

#define HONE_ATTENTION_NAME 256

/* Scores of queries against keys, their softmax, and its product with values. Blocks by name, as
 * schedules do; iterators and dimensions by number. A row is what one query has. */
typedef struct hone_rule__attention_parts {
    char scores[HONE_ATTENTION_NAME];
    char last[HONE_ATTENTION_NAME]; /* elementwise stage between scores and maximum, or "" */
    char top[HONE_ATTENTION_NAME], exp[HONE_ATTENTION_NAME], values[HONE_ATTENTION_NAME];
    char anchor[HONE_ATTENTION_NAME]; /* the elementwise stage that reads the sums */
    unsigned n_sums;                  /* with `values`, in the program's order */
    char sums[HONE_PRIM__ONLINE_SUMS][HONE_ATTENTION_NAME];
    unsigned row;                    /* the maximum's iterator that is the query */
    unsigned score_row, score_step;  /* the scores' iterators: query, key */
    unsigned anchor_row, anchor_col; /* the anchor's: query, column of the values */
    unsigned value_col;              /* the values' column */
    unsigned step_dim, row_dim;      /* of the buffer that the maximum reads */
    unsigned query_read;             /* of the scores' buffers that of the queries */
    unsigned query_dims, query_row_dim;
    int64_t queries, keys, columns;
    bool is_masked;
    int bytes; /* of an element */
} hone_rule__attention_parts;

/* The chain that begins with the maximum `top`, of the unscheduled program. False: it is none, or
 * one of its blocks is to be left alone (skip[id], NULL: none is). */
bool hone_rule__attention_find(hone_program *p, hone_stmt top, const bool *skip,
                               hone_rule__attention_parts *ret);

/* ---- while it is scheduled ---------------------------------------------------------------------
 */

#define HONE_ATTENTION_LOOPS 32

typedef struct hone_rule__attention_nest {
    hone_sched *s;
    const hone_rule__ctx *ctx;
    const hone_rule__attention_parts *a;
    int64_t lanes;
    hone_prim__online o;           /* as it was before it became one loop */
    hone_rv scores, last, queries; /* last: of scores, before the maximum */
    hone_rv tile, block, column;   /* loops i0 and o; the anchor's column */
} hone_rule__attention_nest;

/* The n innermost loops around the block: those it was given when it was last put somewhere. */
hone_status hone_rule__attention_loops(hone_sched *s, hone_rv block, unsigned n, hone_rv *ret,
                                       hone_error *err) HONE_NODISCARD;
unsigned hone_rule__count_iters(hone_sched *s, hone_rv block);
/* Vectors along the rows, a few at a time, each over all steps (step < 0: there are none) before
 * the next: i1 | steps | unrolled vectors. `own` loops of the block's own, row and step among them.
 * ret_outer, which may be NULL, gets i1. */
hone_status hone_rule__along_rows(const hone_rule__attention_nest *x, hone_rv block, unsigned own,
                                  unsigned row, int step, hone_rv *ret_outer,
                                  hone_error *err) HONE_NODISCARD;
/* Register tiles for `rows` x `columns` elements, and the one that the policy would take. */
unsigned hone_rule__attention_tiles(const hone_rule__attention_nest *x, int64_t rows,
                                    int64_t columns, int64_t tiles[HONE_CONTRACT_MAX_TILES][2],
                                    int64_t *ret_pick);
hone_status hone_rule__attention_unroll(const hone_rule__attention_nest *x, hone_rv *ret,
                                        hone_error *err) HONE_NODISCARD;

hone_status hone_rule__attention_softmax(const hone_rule__attention_nest *x,
                                         hone_error *err) HONE_NODISCARD;
hone_status hone_rule__attention_sums(const hone_rule__attention_nest *x,
                                      hone_error *err) HONE_NODISCARD;

#endif
