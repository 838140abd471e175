/* Contractions: what the rules for matmul, convolution and their kin know of a block.
 *
 *   contraction_analysis.c  which iterator and operand plays which part
 *   contraction_shape.c     shapes of nest, register tiles, first sizes
 *   contraction_move.c      blocks that move data: packed operands, register tiles, what follows
 *   contraction.c           the nest
 *
 * Private to the room. */
#ifndef HONE_SPACE_RULE_CONTRACTION_ANALYSIS_H
#define HONE_SPACE_RULE_CONTRACTION_ANALYSIS_H

#include "space/rule/rule.h"

#define HONE_CONTRACT_MAX_LOOPS 14

/* A sum of products of two operands in the nest the workload gave it: loop q binds iterator q,
 * spatial ones first. Positions are those of loops.
 *
 * B is the operand a vector runs along, `col` the loop it does so by; `row`, which only A uses, is
 * the one whose values a register tile holds next to each other, so that each vector of B serves
 * all rows. A vector-matrix product has no row (-1). */
typedef struct hone_rule__contraction {
    unsigned n_loops, n_spatial;
    int col, row;
    int k;                   /* the reduction to be blocked: along A's last dimension */
    int a, b;                /* which of the block's read buffers, as CacheRead counts them */
    unsigned a_dims, b_dims; /* of the operands' buffers */
    unsigned a_row_dim, b_col_dim;
    unsigned col_dim;      /* of the output */
    int row_dim;           /* -1: no row */
    bool a_plain, b_plain; /* dimension a_row_dim (b_col_dim) is indexed by row (col) alone */
    bool b_direct;         /* B's last dimension is that one */
    bool b_transposed;     /* it is another, and squares of B can be transposed in registers */
    bool
        b_windows; /* neighbours along the column share what they read of B, each moves it by one */
    bool b_turned; /* of it: B is a temporary that is to have the column as its last dimension */
    bool b_const;
    bool clippable;          /* A is a padded stage that can be inlined */
    unsigned b_uses;         /* loops B depends on, a bit each */
    bool a_widens, b_widens; /* shorter floats, of which the product takes the sum's type */
    hone_dtype type;         /* of the sum */
    int bytes;               /* of an accumulator */
    int64_t lanes;           /* of the vectors: a short column gets short ones */
    int64_t line;            /* bytes of a cache line */
    int64_t group; /* registers that a vector is; hone_rule__contraction_analyse: at most */
    int64_t extent[HONE_CONTRACT_MAX_LOOPS];
} hone_rule__contraction;

/* False: the block is not one, or its values are not used often enough for enough for tiles to pay.
 * t NULL: vectors and cache lines of HONE_CONTRACT_NO_TARGET bytes. */
#define HONE_CONTRACT_NO_TARGET 64
bool hone_rule__contraction_analyse(hone_program *p, hone_stmt block, const hone_target *t,
                                    hone_rule__contraction *ret);
/* The block that pads A, none when there is no such. */
hone_stmt hone_rule__contraction_padding(hone_program *p, hone_stmt block,
                                         const hone_rule__contraction *c);

/* Lays B out with the column as its last dimension. (contraction_move.c) */
hone_status hone_rule__contraction_turn_b(hone_sched *s, hone_stmt stmt,
                                          const hone_rule__contraction *c,
                                          hone_error *err) HONE_NODISCARD;

/* Puts the padding's guard into the block, with zeros of the sum's type if `widen`; *c is then that
 * of the block as it has become. (contraction.c) */
hone_status hone_rule__contraction_inline_padding(hone_sched *s, hone_stmt stmt,
                                                  const hone_target *t, bool widen,
                                                  hone_rule__contraction *c,
                                                  hone_error *err) HONE_NODISCARD;

/* ---- shapes (contraction_shape.c) -------------------------------------------------------------
 */

typedef enum hone_pack_place {
    HONE_NOT_PACKED,
    HONE_PACKED_INSIDE,
    HONE_PACKED_AT_ROOT
} hone_pack_place;

typedef struct hone_rule__shape {
    bool k_blocked;
    hone_pack_place b;
    bool pack_a;
    bool clip;     /* skip the padding's zeros instead of storing them */
    int64_t group; /* registers of a vector */
    bool widen;    /* operands have the sum's type from where they are packed or copied */
} hone_rule__shape;

#define HONE_CONTRACT_MAX_SHAPES 48
unsigned hone_rule__contraction_shapes(const hone_rule__contraction *c, hone_rule__shape *ret);
/* The contraction with vectors of so many registers. */
void hone_rule__contraction_widen(hone_rule__contraction *c, int64_t group);

#define HONE_CONTRACT_MAX_TILES 64
/* (rows, columns) of the register tiles worth a try, at least one; returns how many. */
unsigned hone_rule__contraction_tiles(const hone_rule__contraction *c, const hone_target *t,
                                      int64_t (*ret)[2]);
/* The one nearest to what is wanted, of those whose last tile along `extent` rows is filled but for
 * an eighth of these, if there are such. */
int64_t hone_rule__contraction_nearest_tile(const int64_t (*tiles)[2], unsigned n, int64_t extent,
                                            int64_t rows, int64_t columns);
/* [outer, middle, inner] of SampleImperfectTile for a loop over n tiles of `tile` elements: inner
 * covers about `block` elements (0: all there are), outer has at least `split` iterations where
 * there are enough. */
void hone_rule__contraction_blocks(int64_t n, int64_t tile, int64_t block, int64_t split,
                                   int64_t ret[3]);
/* The nearest value at most `want` in SampleImperfectTile's domain for this extent. */
int64_t hone_rule__contraction_snap(int64_t extent, int64_t want);

/* ---- data (contraction_move.c) ------------------------------------------------------------------
 */

/* The from_end-th loop around the block, 0 is the innermost. */
hone_status hone_rule__contraction_loop(hone_sched *s, hone_rv block, unsigned from_end,
                                        hone_rv *ret, hone_error *err) HONE_NODISCARD;
/* Can code generation transpose squares of `lanes` a side of this buffer, whose rows lie along its
 * last dimension, in registers (codegen/emit/transpose.c)? t NULL: the target does not matter. */
bool hone_rule__has_squares(const hone_program *p, hone_buffer b, int64_t lanes,
                            const hone_target *t);
/* A copy goes by such squares: `along` what lies side by side in its source, `across` in what it
 * writes; the latter is the innermost loop, and the former is around it. */
hone_status hone_rule__squares(hone_sched *s, hone_rv along, hone_rv across, int64_t lanes,
                               hone_error *err) HONE_NODISCARD;
/* B in panels of `columns`, each contiguous: at loop `at`, or at the root: then by all threads, or
 * ahead of time if it is const. In the sum's type if `widen` and it can be. */
hone_status hone_rule__contraction_pack_b(hone_sched *s, hone_rv block,
                                          const hone_rule__contraction *c, hone_pack_place where,
                                          bool widen, hone_rv columns, hone_rv at,
                                          hone_error *err) HONE_NODISCARD;
/* A in panels of `rows` at a loop; `widen` as for B. */
hone_status hone_rule__contraction_pack_a(hone_sched *s, hone_rv block,
                                          const hone_rule__contraction *c, bool widen, hone_rv rows,
                                          hone_rv at, hone_error *err) HONE_NODISCARD;
/* What the block reads as its read buffer number `read` is of the type: from the stage that makes
 * it, if nothing else reads that, or from a copy of all of it at the root. */
hone_status hone_rule__widen_operand(hone_sched *s, hone_rv block, unsigned read, hone_dtype type,
                                     const hone_rule__ctx *ctx, hone_error *err) HONE_NODISCARD;
/* A load or store block of the register tile: rows unrolled, vectors along the columns. */
hone_status hone_rule__contraction_tile_copy(hone_sched *s, hone_rv copy,
                                             const hone_rule__contraction *c,
                                             hone_error *err) HONE_NODISCARD;
/* The elementwise consumer joins: folded into the tile's store where the sum is complete there,
 * else computed at `outer`. */
hone_status hone_rule__contraction_epilogue(hone_sched *s, hone_rv store, bool complete,
                                            hone_rv tile_loop, hone_rv outer,
                                            const hone_rule__contraction *c,
                                            hone_error *err) HONE_NODISCARD;

#endif
