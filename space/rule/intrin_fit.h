/* How a tensor intrinsic and a contraction fit: what intrin.c tiles down to. Private to the
 * room. */
#ifndef HONE_SPACE_RULE_INTRIN_FIT_H
#define HONE_SPACE_RULE_INTRIN_FIT_H

#include "space/rule/rule.h"

#define HONE_FIT_MAX_LOOPS 12

/* An intrinsic C[j] += f(A[k], B[j, k]) or C[i, j] += f(A[i, k], B[j, k]), k may be missing, and a
 * block that is a sum of such. */
typedef struct hone_rule__fit {
    const hone_intrin *in;
    int64_t lanes, group; /* values of j, of k */
    int64_t rows;         /* of i; 1: there is no i */
    unsigned n_loops, n_spatial;
    int col, row, k; /* positions in the nest; row -1: there is none */
    unsigned a, b;   /* which distinct buffers the block reads */
    unsigned a_dims, a_row_dim, a_k_dim, b_dims, b_col_dim, b_k_dim;
    unsigned c_dims, c_row_dim; /* where rows > 1; its columns are the last */
    bool a_plain, b_const;
    hone_dtype a_type, b_type;          /* as the intrinsic takes them */
    bool widens;                        /* an operand is of a narrower one */
    int64_t reuse;                      /* times an element of B is used, or as good as often */
    bool pads;                          /* columns, steps or rows */
    bool clippable;                     /* A is a padded stage that can be inlined */
    int bytes;                          /* of a sum */
    int64_t extent[HONE_FIT_MAX_LOOPS]; /* with the padding */
} hone_rule__fit;

typedef struct hone_fit_shape {
    bool k_blocked, pack_a;
    bool clip; /* skip the padding's zeros instead of storing them */
} hone_fit_shape;

/* The variant-th way to do the block: which intrinsic, which shape. Returns how many there are, up
 * to and with that one. */
unsigned hone_rule__fit_choose(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx,
                               unsigned variant, hone_rule__fit *ret, hone_fit_shape *ret_shape);

/* The stage that pads A, none when there is no such. */
hone_stmt hone_rule__fit_padding(hone_program *p, hone_stmt block, const hone_rule__fit *f);

/* Inlines that stage; *f is then that of the block as it has become. */
hone_status hone_rule__fit_inline_padding(hone_sched *s, const char *name, hone_rule__fit *f,
                                          hone_error *err) HONE_NODISCARD;

#endif
