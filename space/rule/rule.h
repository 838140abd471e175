/* Rules: from a block to the ways of scheduling it. Private to the room.
 *
 * A rule gets a schedule and the name of a block, and appends instructions to its trace. A rule
 * with several shapes of nest is called once per variant, each on a copy of the schedule. Decisions
 * are taken by a policy: hardware-derived values that make each variant's first trace a seed. */
#ifndef HONE_SPACE_RULE_H
#define HONE_SPACE_RULE_H

#include "space/trace/internal.h"

/* What a seed is made of: sizes as BLIS names them (Low et al., "Analytical modeling is enough for
 * high-performance BLIS", 2016), in elements; 0 means "as large as the loop". */
typedef struct hone_rule__policy {
    int64_t rows;    /* mr: rows of the register tile */
    int64_t vectors; /* nr in vectors */
    int64_t kc, mc, nc;
    int64_t k_unroll;
} hone_rule__policy;

typedef struct hone_rule__ctx {
    const hone_target *target;
    const hone_intrin_set *intrins;
    int32_t threads;
    unsigned variant; /* which shape of nest, from 0 */
    hone_rule__policy policy;
} hone_rule__ctx;

/* ---- the table (table.c) -----------------------------------------------------------------------
 *
 * A target's preset names rules in their order (targets/preset.h). A row is of one of four kinds:
 * it prepares the program before stages are looked at; it schedules one stage; it schedules chains
 * of stages; or it stands for the rules a user brings. */
typedef struct hone_rule__row {
    const char *name;
    hone_status (*prepare)(hone_sched *s, hone_error *err);
    /* One stage: in how many ways; 0: not this one. The first rule that takes a stage has it,
     * unless it leaves others their ways with it, which are then tried after its own. */
    unsigned (*variants)(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx);
    hone_status (*apply)(hone_sched *s, const char *block, const hone_rule__ctx *ctx,
                         hone_error *err);
    bool leaves_others;
    /* Chains: skip[id] are blocks to leave alone, by statement. *ret_failed, the caller's to free,
     * is the name of a stage that is to be left to the rules after this one. */
    unsigned (*chain_variants)(hone_program *p, const hone_rule__ctx *ctx);
    hone_status (*chains)(hone_sched *s, const bool *skip, const hone_rule__ctx *ctx,
                          char **ret_failed, hone_error *err);
    bool is_custom;
} hone_rule__row;

/* NULL: there is none of that name. */
const hone_rule__row *hone_rule__find(const char *name);

/* ---- the rules ---------------------------------------------------------------------------------
 */

/* A sum of products worth register tiles (contraction_analysis.h). */
bool hone_rule__is_contraction(hone_program *p, hone_stmt block);

/* Number of variants of a rule on this block; 0: it does not apply. */
unsigned hone_rule__contraction_variants(hone_program *p, hone_stmt block,
                                         const hone_rule__ctx *ctx);
hone_status hone_rule__contraction_nest(hone_sched *s, const char *block, const hone_rule__ctx *ctx,
                                        hone_error *err) HONE_NODISCARD;
/* MetaSchedule's MultiLevelTilingWithIntrin: contractions whose innermost tile is a tensor
 * intrinsic (intrin.c). */
unsigned hone_rule__intrin_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx);
hone_status hone_rule__intrin(hone_sched *s, const char *block, const hone_rule__ctx *ctx,
                              hone_error *err) HONE_NODISCARD;
/* Scores, their softmax and its product with values as one nest (attention.c). *ret_failed as for
 * rows. */
unsigned hone_rule__attention_variants(hone_program *p, const hone_rule__ctx *ctx);
hone_status hone_rule__attention(hone_sched *s, const bool *skip, const hone_rule__ctx *ctx,
                                 char **ret_failed, hone_error *err) HONE_NODISCARD;
/* Still in the nest the workload gave it: no rule has moved it. */
bool hone_rule__untouched(const hone_program *p, hone_stmt block);

/* Reductions along contiguous elements (rows.c). skip[id]: blocks to leave alone, by
 * statement. When a chain cannot be scheduled *ret_failed is the name of its last stage, to be left
 * to other rules; the caller frees. */
bool hone_rule__is_row_reduction(hone_program *p, hone_stmt block);
unsigned hone_rule__rows_variants(hone_program *p, const hone_rule__ctx *ctx);
hone_status hone_rule__rows(hone_sched *s, const bool *skip, const hone_rule__ctx *ctx,
                            char **ret_failed, hone_error *err) HONE_NODISCARD;
/* Parallel over the outer spatial loops, vectors over the innermost one if it is contiguous; over
 * all of them at once where all that is touched lies so. */
hone_status hone_rule__elementwise(hone_sched *s, const char *block, const hone_rule__ctx *ctx,
                                   hone_error *err) HONE_NODISCARD;
/* The same of a stage that stays where it is: one whose reader is still to be tiled. */
hone_status hone_rule__elementwise_at_root(hone_sched *s, const char *block,
                                           const hone_rule__ctx *ctx,
                                           hone_error *err) HONE_NODISCARD;
/* Whether the stores of a block that writes an output, which nothing reads, pass by the caches
 * (HONE_ANN_STREAM): a decision where the second level does not hold the output, and no where it
 * does. (elementwise.c) */
hone_status hone_rule__stream(hone_sched *s, hone_rv block, const hone_rule__ctx *ctx,
                              hone_error *err) HONE_NODISCARD;
/* The other reductions without operand reuse (stencil.c): strips of the output in registers,
 * parallel over the rows. */
unsigned hone_rule__reduce_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx);
hone_status hone_rule__reduce(hone_sched *s, const char *block, const hone_rule__ctx *ctx,
                              hone_error *err) HONE_NODISCARD;
/* Of n loops around a tile, that have so many turns: the first long enough for all threads, or the
 * longest. (stencil.c) */
unsigned hone_rule__task_of(const int64_t *turns, unsigned n, int32_t threads);
/* Splits a loop of the output: ret[1] is the part in the tile, at most `most`. (stencil.c) */
hone_status hone_rule__sample_part(hone_sched *s, hone_rv loop, int64_t want, int64_t most,
                                   hone_rv ret[2], hone_error *err) HONE_NODISCARD;
/* Convolutions in groups of few channels (groups.c). */
unsigned hone_rule__groups_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx);
hone_status hone_rule__groups(hone_sched *s, const char *block, const hone_rule__ctx *ctx,
                              hone_error *err) HONE_NODISCARD;
/* Inlines every elementwise temporary that may be inlined. */
hone_status hone_rule__auto_inline(hone_sched *s, hone_error *err) HONE_NODISCARD;

/* Annotates every stage that depends on one const input alone to run ahead of time (const.c),
 * when one buffer, not much larger, then stands for the input. Before inlining, which leaves these
 * stages alone. */
hone_status hone_rule__const(hone_sched *s, hone_error *err) HONE_NODISCARD;
/* Does the block run ahead of time, so that no rule need look at it? */
bool hone_rule__is_ahead(const hone_program *p, hone_stmt block);
/* Is the buffer a const input, or made of one ahead of time? */
bool hone_rule__is_const(const hone_program *p, hone_buffer b);

/* Splits the loop by the vector length of `t` for elements of `bytes` bytes, vectorises the inner
 * and unrolls the outer part if `unroll`. ret (may be NULL) gets the outer loop. */
hone_status hone_rule__vectorize(hone_sched *s, hone_rv loop, const hone_target *t, int bytes,
                                 bool unroll, hone_rv *ret, hone_error *err) HONE_NODISCARD;

static inline int64_t hone_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The layout of what the block writes: of its dims dimensions the n named in `inner` come last, as
 * "lambda d0, d1, d2: (d0, d2, d1)". (contraction_move.c) */
hone_status hone_rule__move_inside(hone_sched *s, hone_rv block, unsigned dims,
                                   const unsigned *inner, unsigned n,
                                   hone_error *err) HONE_NODISCARD;

/* ---- custom rules (custom.c) -------------------------------------------------------------
 */

typedef enum hone_rule__kind {
    HONE_RULE__ANY,
    HONE_RULE__CONTRACTION,
    HONE_RULE__REDUCTION,
    HONE_RULE__ELEMENTWISE
} hone_rule__kind;

typedef struct hone_rule__custom {
    char *name;
    bool only;
    const hone_rule_plugin *plugin; /* NULL: the rest says it */
    char *block;                    /* the block's name in the trace, which may be "*" */
    hone_rule__kind kind;
    hone_trace trace;
} hone_rule__custom;

const hone_rule__custom *hone_rule__custom_at(const hone_custom_rules *r, unsigned k);
bool hone_rule__custom_takes(const hone_rule__custom *r, hone_program *p, hone_stmt block,
                             hone_rule__kind kind);
/* HONE_REJECT_*, HONE_E_INPUT. */
hone_status hone_rule__custom_apply(const hone_rule__custom *r, hone_sched *s, const char *block,
                                    const hone_rule__ctx *ctx, hone_error *err) HONE_NODISCARD;

/* ---- postprocessors (postproc/postproc.c lists them)
 * ---------------------------------------------------
 */

hone_status hone_postproc__reduction_block(hone_sched *s, const hone_rule_info *info,
                                           hone_error *err) HONE_NODISCARD;

/* Are the block's two innermost loops over rows of less than `lanes` elements that follow each
 * other in all memory it touches, with conditions about whole rows alone? (postproc/short_rows.c)
 */
bool hone_postproc__are_short_rows(hone_program *p, hone_stmt block, hone_stmt outer,
                                   hone_stmt inner, int64_t lanes);

hone_status hone_postproc__tensorize(hone_sched *s, const hone_rule_info *info,
                                     hone_error *err) HONE_NODISCARD;
hone_status hone_postproc__layout(hone_sched *s, const hone_rule_info *info,
                                  hone_error *err) HONE_NODISCARD;

/* Checks and rewrites every finished candidate goes through (postproc/postproc.c). */
hone_status hone_postproc__apply(hone_sched *s, const hone_target *t, int32_t threads,
                                 hone_error *err) HONE_NODISCARD;

#endif
