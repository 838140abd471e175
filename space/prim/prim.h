/* Primitives: transformations of a program that keep its meaning. Each checks first and changes
 * second; on HONE_REJECT_* the program is unchanged. Private to the room (tests may use it). */
#ifndef HONE_SPACE_PRIM_H
#define HONE_SPACE_PRIM_H

#include "space/intrin/intrin.h"

/* Factors of a tile, loops of a split. */
#define HONE_SPACE_MAX_FACTORS 8
/* Loops of more iterations are refused, so that index arithmetic cannot overflow. */
#define HONE_SPACE_MAX_EXTENT (INT64_C(1) << 40)

/* loops (loop.c) */

/* factors[k] >= 1, or one of them 0 to be inferred as ceil(extent / product of the others). A
 * product above the extent adds `fused < extent` to the predicate of every block below. ret_loops
 * gets n, outermost first. REJECT_SPLIT: product below the extent, n > 8, or overflow. The loop's
 * own row is freed. */
hone_status hone_prim__split(hone_program *p, hone_stmt loop, const int64_t *factors, unsigned n,
                             hone_stmt *ret_loops, hone_error *err) HONE_NODISCARD;
/* Consecutive loops, outermost first, each the only statement in the one before. REJECT_NOT_CHAIN;
 * REJECT_REDUCE: one loop would go over elements and steps of a sum. */
hone_status hone_prim__fuse(hone_program *p, const hone_stmt *loops, unsigned n, hone_stmt *ret,
                            hone_error *err) HONE_NODISCARD;
/* The loops named take the places the same loops had, in the order given; loops between stay.
 * REJECT_NOT_CHAIN: not on one chain of only children. */
hone_status hone_prim__reorder(hone_program *p, const hone_stmt *loops, unsigned n,
                               hone_error *err) HONE_NODISCARD;
hone_status hone_prim__add_unit_loop(hone_program *p, hone_stmt at, hone_stmt *ret,
                                     hone_error *err) HONE_NODISCARD;
/* PARALLEL: every block below that writes a buffer living outside the loop must be bound to it by
 * spatial iterators only (REJECT_REDUCE) and at least one of them (REJECT_DEPENDENCY: iterations
 * would race). VECTORIZED: the same, but a block may also be bound to it by the reduction iterators
 * of a sum, product, minimum or maximum, whose lanes are combined in any order; only leaf blocks,
 * not loops, may be below. UNROLLED: any. */
hone_status hone_prim__set_loop_kind(hone_program *p, hone_stmt loop, hone_loop_kind kind,
                                     hone_error *err) HONE_NODISCARD;

/* blocks (blockize.c) */

/* The loop, the loops below it (each the only statement in the one before) and the block in them
 * become the body of a new block NAME_o. Its iterators are the block's, divided by how far the
 * inner loops move them; those of one value are left out unless preserve_unit_iters. Conditions on
 * the loops outside become the new block's predicate. An init stays inside: it happens where all
 * reduction iterators are 0, as before. REJECT_NOT_CHAIN; REJECT_NOT_AFFINE: an iterator or a
 * condition cannot be divided. */
hone_status hone_prim__blockize(hone_program *p, hone_stmt loop, bool preserve_unit_iters,
                                hone_stmt *ret, hone_error *err) HONE_NODISCARD;

/* tensor intrinsics (tensorize.c) */

/* `at`: a loop, which is blockized, or a block that blockize made. The loops there and the block in
 * them must do what the intrinsic's description says. The block of them gets the annotation
 * "hone.intrin". REJECT_TENSORIZE: they do not, or the block's predicate cuts through the tile, or
 * it still has its init. Whether the regions are contiguous is known when buffers have their final
 * layout: the code generator refuses those that are not. */
hone_status hone_prim__tensorize(hone_program *p, hone_stmt at, const hone_intrin *in,
                                 bool preserve_unit_iters, hone_stmt *ret,
                                 hone_error *err) HONE_NODISCARD;

/* Do all blocks with that annotation still do what the descriptions say? REJECT_TENSORIZE: one does
 * not, for what it reads was inlined or its loops were changed since. */
hone_status hone_prim__check_intrins(hone_program *p, const hone_intrin_set *set,
                                     hone_error *err) HONE_NODISCARD;
/* Does the leaf block compute the description's value, whatever its loops? Loads of integers may be
 * of narrower types, which the description's hold: Widen makes them the same. ret_args: the loads
 * that are the description's buffers, in their order. */
bool hone_prim__intrin_matches(hone_program *p, hone_stmt block, const hone_intrin *in,
                               hone_expr ret_args[HONE_INTRIN_MAX_ARGS]);

/* loops once more (loop_partition.c, merge.c, bind.c) */

/* The loop becomes n consecutive ones of sizes[k] >= 1 iterations, one of them 0 to be inferred;
 * each has its own copy of what is below, the first the old blocks. REJECT_SPLIT: the sizes do not
 * add up to the extent, or a block would never run in a part. REJECT_NOT_AFFINE: steps of a sum
 * would be cut apart whose first one cannot be told. REJECT_ARG: a kind or annotations, or blocks
 * in blocks below. REJECT_TOO_BIG. */
hone_status hone_prim__loop_partition(hone_program *p, hone_stmt loop, const int64_t *sizes,
                                      unsigned n, hone_stmt *ret_loops,
                                      hone_error *err) HONE_NODISCARD;
/* The nests from below a common ancestor down to each of the loops become one nest, level by level;
 * what the loops held follows one another in it. REJECT_NOT_CHAIN: the nests do not stand side by
 * side, have other statements in them, or differ in depth or extents. REJECT_DEPENDENCY: an
 * iteration would need what a later one of an earlier nest computes. */
hone_status hone_prim__merge(hone_program *p, const hone_stmt *loops, unsigned n, hone_stmt *ret,
                             hone_error *err) HONE_NODISCARD;
/* The loop is bound to an axis of a GPU's grid (HONE_BOUND): blockIdx, threadIdx or vthread with
 * .x, .y or .z, or vthread alone. On CPUs it runs serially. Legal where PARALLEL is. REJECT_ARG:
 * another axis, one that a loop around or below has, or a loop with a kind. */
hone_status hone_prim__bind(hone_program *p, hone_stmt loop, const char *name,
                            hone_error *err) HONE_NODISCARD;
/* Iterator order[k] becomes the k-th. REJECT_ARG: no permutation of the block's iterators. */
hone_status hone_prim__reorder_block_iter_var(hone_program *p, hone_stmt block,
                                              const int64_t *order, unsigned n,
                                              hone_error *err) HONE_NODISCARD;

/* padding, windows, block layouts (pad_einsum.c, decompose_padding.c, rolling_buffer.c,
 * transform_block_layout.c) */

/* Iterator k of a sum of products of loads gets the next multiple of padding[k] >= 1 as its extent.
 * Inputs become padded copies NAME_pad, filled up with the neutral element; the output is copied
 * from a padded NAME_pad. REJECT_ARG: no such sum, or its nest was changed; REJECT_NOT_AFFINE: read
 * at more than plain iterators, or a factor misses a padded step of the sum; REJECT_TOO_BIG. */
hone_status hone_prim__pad_einsum(hone_program *p, hone_stmt block, const int64_t *padding,
                                  unsigned n, hone_error *err) HONE_NODISCARD;
/* A block of select(inside, value, fill): ret, NAME_pad_const right before `loop`, writes `fill`
 * everywhere; the block itself only runs inside, over shorter loops where they are its iterators.
 * REJECT_ARG: another value; REJECT_DEPENDENCY: another block in the loop touches the buffer. */
hone_status hone_prim__decompose_padding(hone_program *p, hone_stmt block, hone_stmt loop,
                                         hone_stmt *ret, hone_error *err) HONE_NODISCARD;
/* A producer computed at a loop of its consumers with overlapping windows keeps what it has in a
 * circular buffer. The loop's iterations then depend on one another. REJECT_ARG: not the only
 * writer of a temporary; REJECT_COMPUTE_AT: no such loop. */
hone_status hone_prim__rolling_buffer(hone_program *p, hone_stmt block,
                                      hone_error *err) HONE_NODISCARD;
/* map: "lambda i, j, k: (i // 4, j, i % 4, k)" over the block's iterators; the results become its
 * iterators, with new loops in that order. REJECT_LAYOUT: not provably injective, or the nest was
 * changed. HONE_E_INPUT: malformed. */
hone_status hone_prim__transform_block_layout(hone_program *p, hone_stmt block, const char *map,
                                              hone_error *err) HONE_NODISCARD;

/* caches (cache.c) */

/* read_index: which of the distinct buffers of hone_block_loads, in order of appearance. The copy
 * block's nest goes to the root, before the statement that holds `block`. */
hone_status hone_prim__cache_read(hone_program *p, hone_stmt block, unsigned read_index,
                                  hone_scope scope, hone_stmt *ret, hone_error *err) HONE_NODISCARD;
hone_status hone_prim__cache_write(hone_program *p, hone_stmt block, hone_scope scope,
                                   hone_stmt *ret, hone_error *err) HONE_NODISCARD;
/* The same for the consumers named: cache_read of a buffer that `block` reads redirects just these
 * (n == 0: all that read it); cache_write has these read the cache, all others what is copied. */
hone_status hone_prim__cache_read_for(hone_program *p, hone_stmt block, unsigned read_index,
                                      const hone_stmt *consumers, unsigned n, hone_scope scope,
                                      hone_stmt *ret, hone_error *err) HONE_NODISCARD;
hone_status hone_prim__cache_write_for(hone_program *p, hone_stmt block, const hone_stmt *consumers,
                                       unsigned n, hone_scope scope, hone_stmt *ret,
                                       hone_error *err) HONE_NODISCARD;
/* ret[0]: block that loads or starts the tile, ret[1]: block that stores it. Both nests stand
 * inside `loop`, first and last, one loop per output dimension, also where the box extent is 1.
 * REJECT_ARG: not a reduction block with init, or loop not around it. REJECT_NOT_AFFINE. */
hone_status hone_prim__cache_accumulate(hone_program *p, hone_stmt block, hone_stmt loop,
                                        hone_scope scope, hone_stmt ret[2],
                                        hone_error *err) HONE_NODISCARD;

/* buffers (storage.c, widen.c, inplace.c, read_at.c, cache_index.c, reindex.c) */

/* Of the temporary that the block writes. REJECT_ARG: an argument. */
hone_status hone_prim__set_scope(hone_program *p, hone_stmt block, hone_scope scope,
                                 hone_error *err) HONE_NODISCARD;
/* The temporary that the block writes gets the type `wide`, which has all values of the one it had:
 * what is stored is converted, and readers, which convert what they load, convert from there. No
 * value changes. REJECT_ARG: an argument; a type that does not hold the one there is, or is it;
 * the block starts or continues a sum; a reader that uses the temporary's own type, or converts it
 * to one that does not hold `wide`. (widen.c) */
hone_status hone_prim__widen(hone_program *p, hone_stmt block, hone_dtype wide,
                             hone_error *err) HONE_NODISCARD;
/* Annotates the block (hone_aligns_of). axis may count from the end, as -1. REJECT_LAYOUT: it is
 * the last axis. */
hone_status hone_prim__storage_align(hone_program *p, hone_stmt block, int64_t axis, int64_t factor,
                                     int64_t offset, hone_error *err) HONE_NODISCARD;
/* For a block that reads and writes one buffer. ret[0] copies in, ret[1] copies back. */
hone_status hone_prim__cache_inplace(hone_program *p, hone_stmt block, unsigned read_index,
                                     hone_scope scope, hone_stmt ret[2],
                                     hone_error *err) HONE_NODISCARD;
/* Copies just what one iteration of the loop around `block` reads (or writes), for all blocks
 * inside the loop that read the buffer. Rejected as cache_read and compute_at (cache_write and
 * reverse_compute_at) are. */
hone_status hone_prim__read_at(hone_program *p, hone_stmt loop, hone_stmt block,
                               unsigned read_index, hone_scope scope, hone_stmt *ret,
                               hone_error *err) HONE_NODISCARD;
hone_status hone_prim__write_at(hone_program *p, hone_stmt loop, hone_stmt block, hone_scope scope,
                                hone_stmt *ret, hone_error *err) HONE_NODISCARD;
/* Indices of the block's loads that are computed, and occur at least cse_thresh times in it, come
 * from i64 buffers over the iterators they use. ret: the blocks that fill these, at most `max`;
 * none when nothing is computed. */
hone_status hone_prim__cache_index(hone_program *p, hone_stmt block, hone_scope scope,
                                   int64_t cse_thresh, hone_stmt *ret, unsigned max,
                                   unsigned *ret_n, hone_error *err) HONE_NODISCARD;
/* A copy, "<buffer>_reindex", of what the block reads (writes), with one dimension for each of its
 * iterators that the access uses. REJECT_ARG: several elements read; REJECT_NOT_AFFINE: written
 * elsewhere than at iterators. */
hone_status hone_prim__reindex(hone_program *p, hone_stmt block, unsigned buffer_index, bool write,
                               hone_stmt *ret, hone_error *err) HONE_NODISCARD;
/* The same, "<buffer>_<scope>", laid out by a map over all of the block's iterators (text as for
 * transform_layout). REJECT_LAYOUT. */
hone_status hone_prim__reindex_cache_read(hone_program *p, hone_stmt block, unsigned read_index,
                                          const char *map, hone_scope scope, hone_stmt *ret,
                                          hone_error *err) HONE_NODISCARD;
hone_status hone_prim__reindex_cache_write(hone_program *p, hone_stmt block, const char *map,
                                           hone_scope scope, hone_stmt *ret,
                                           hone_error *err) HONE_NODISCARD;

/* storage (compute_inplace.c) */

/* What the block reads of the temporary that is its read buffer number read_index is the element it
 * stores: that is computed in its output, from where it takes it. REJECT_ARG: of another shape or
 * type, or read elsewhere; REJECT_DEPENDENCY: it may be needed once the block has run. */
hone_status hone_prim__compute_inplace(hone_program *p, hone_stmt block, unsigned read_index,
                                       hone_error *err) HONE_NODISCARD;
bool hone_prim__can_compute_inplace(hone_program *p, hone_stmt block, unsigned read_index);

/* zeros (skip_zeros.c) */

/* The block computes out[..] = out[..] + operand, without init. Factors select(cond, x, 0) of the
 * operand become x, and cond part of the block's predicate. Where the zero would have met an
 * infinity or a NaN the result differs (docs/RATIONALE.md). REJECT_REDUCE: the block has an init,
 * which must not be skipped; REJECT_ARG: it is no such sum, or has no such factor. */
hone_status hone_prim__skip_zeros(hone_program *p, hone_stmt block, hone_error *err) HONE_NODISCARD;

/* What of a block's work nobody reads (skip_unread.c) */

/* Conditions that all readers of the temporary the block writes share, about loops around all of
 * them, become part of the block's predicate. REJECT_ARG: it writes an output, shares no loop with
 * all that reads it, or these share no condition. REJECT_DEPENDENCY: one reads in an iteration what
 * another has written; REJECT_REDUCE: its sum goes on from iteration to iteration;
 * REJECT_NOT_AFFINE: what it writes in one is no box. */
hone_status hone_prim__skip_unread(hone_program *p, hone_stmt block,
                                   hone_error *err) HONE_NODISCARD;

/* softmax (online_softmax.c, online_chain.c) */

/* `top`, the maximum of rows, exp((what it is of - it) * c) and the sums of products with these
 * become one loop, ret, over blocks of `size` steps of the rows, which goes on from the maximum and
 * the sums so far. Where a select says that all of a block is -infinity it is left out; a factor
 * that is infinite or NaN there then does not show (docs/RATIONALE.md). REJECT_ARG: size below 1,
 * and what hone_prim__online_find rejects; REJECT_TOO_BIG: no room for another dimension. */
hone_status hone_prim__online_softmax(hone_program *p, hone_stmt top, int64_t size, hone_stmt *ret,
                                      hone_error *err) HONE_NODISCARD;

/* compute location (compute_at.c) */

hone_status hone_prim__compute_at(hone_program *p, hone_stmt block, hone_stmt loop,
                                  hone_error *err) HONE_NODISCARD;
hone_status hone_prim__reverse_compute_at(hone_program *p, hone_stmt block, hone_stmt loop,
                                          hone_error *err) HONE_NODISCARD;
/* True when the call would succeed; for SampleComputeLocation. */
bool hone_prim__can_compute_at(hone_program *p, hone_stmt block, hone_stmt loop);

/* inlining (compute_inline.c) */

hone_status hone_prim__compute_inline(hone_program *p, hone_stmt block,
                                      hone_error *err) HONE_NODISCARD;
hone_status hone_prim__reverse_compute_inline(hone_program *p, hone_stmt block,
                                              hone_error *err) HONE_NODISCARD;
bool hone_prim__can_inline(hone_program *p, hone_stmt block);

/* reductions, layouts (decompose_reduction.c, rfactor.c, share_windows.c, transform_layout.c) */

/* ret: the new block that writes init, in a nest of its own right before `loop`, over the spatial
 * loops from `loop` inwards. REJECT_REDUCE: a reduction loop of the block lies outside `loop`. */
hone_status hone_prim__decompose_reduction(hone_program *p, hone_stmt block, hone_stmt loop,
                                           hone_stmt *ret, hone_error *err) HONE_NODISCARD;
/* The one block below `loop` gets partial results, one for each iteration of the loop, in a new
 * dimension `factor_axis` (negative: from the end) of a temporary; a second nest combines them.
 * ret: the block of partial results, NAME_rf; the final one keeps its name. REJECT_REDUCE: no sum,
 * product, minimum or maximum, or the loop is none of its steps. REJECT_NOT_CHAIN: other blocks in
 * the loops of the reduction. */
hone_status hone_prim__rfactor(hone_program *p, hone_stmt loop, int64_t factor_axis, hone_stmt *ret,
                               hone_error *err) HONE_NODISCARD;
/* The loop runs over a step s of a sum of several, and with an iterator w of the output the place
 * a*w + b*s is all that the operand knows of either: windows that overlap. ret, NAME_windows, sums
 * over the other steps at each place, in a nest before; the block, which keeps its name, only over
 * s. REJECT_ARG: the nest was changed; REJECT_REDUCE: no sum, product, minimum or maximum, or no
 * other steps; REJECT_NOT_AFFINE: no such windows; REJECT_TOO_BIG. */
hone_status hone_prim__share_windows(hone_program *p, hone_stmt loop, hone_stmt *ret,
                                     hone_error *err) HONE_NODISCARD;
bool hone_prim__can_share_windows(hone_program *p, hone_stmt loop);
/* Re-lays the TEMP buffer that `block` writes: element (i, j, ..) moves to map(i, j, ..). map text:
 * "lambda k, j: (j // v0, k, j % v0)" with v0.. = v[0..n). The writer then iterates the new layout
 * in order, under a predicate where the layout pads. Every reader is rewritten. REJECT_LAYOUT: an
 * argument buffer, or the map is not provably injective: every result must be affine or the // and
 * % of one index by the same constant. HONE_E_INPUT: map text malformed. */
hone_status hone_prim__transform_layout(hone_program *p, hone_stmt block, const char *map,
                                        const int64_t *v, unsigned n,
                                        hone_error *err) HONE_NODISCARD;

#endif
