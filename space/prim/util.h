/* What several primitives need: who reads and writes a buffer, which elements a block writes in one
 * iteration of a loop, moving predicates from loop variables to iteration variables, fresh nests.
 * Private to the primitives. */
#ifndef HONE_SPACE_PRIM_UTIL_H
#define HONE_SPACE_PRIM_UTIL_H

#include "ir/ir.h"

#define HONE_PRIM__MAX_LOOPS 64
#define HONE_PRIM__MAX_LOADS 64
#define HONE_PRIM__MAX_CONDS 16

/* ---- walking -------------------------------------------------------------------------------- */

/* The next block with a store below `top` after `s`; start with s = top. A block is below itself
 * only when it is not `top`. */
hone_stmt hone_prim__next_leaf(const hone_program *p, hone_stmt top, hone_stmt s);
#define HONE_PRIM__EACH_LEAF(p, top, s) \
    for (hone_stmt s = hone_prim__next_leaf(p, top, top); s.i; s = hone_prim__next_leaf(p, top, s))

bool hone_prim__is_leaf(const hone_program *p, hone_stmt s);
bool hone_prim__reads(const hone_program *p, hone_stmt leaf, hone_buffer b);
/* In its init or a store index, where the primitives do not follow. */
bool hone_prim__reads_aside(const hone_program *p, hone_stmt leaf, hone_buffer b);
bool hone_prim__writes(const hone_program *p, hone_stmt leaf, hone_buffer b);
/* True when `leaf` is the only block that writes its output. */
bool hone_prim__sole_writer(const hone_program *p, hone_stmt leaf);
/* The child of `above` that is `below` or holds it. */
hone_stmt hone_prim__child_towards(const hone_program *p, hone_stmt above, hone_stmt below);
/* Both children of one parent: a stands before b. */
bool hone_prim__is_before(const hone_program *p, hone_stmt a, hone_stmt b);
/* Is the loop around the block, with no other block between the two? */
bool hone_prim__is_around(const hone_program *p, hone_stmt loop, hone_stmt block);
/* Does the block stand in the root, and in no other block? */
bool hone_prim__in_root(const hone_program *p, hone_stmt block);
bool hone_prim__has_reduce_iter(const hone_program *p, hone_stmt block);
/* Is the loop, or one around it, vectorized? No loop may then be put inside. */
bool hone_prim__is_vectorized(const hone_program *p, hone_stmt loop);
/* Another leaf below `top` that touches b? */
bool hone_prim__touched_by_others(const hone_program *p, hone_stmt top, hone_stmt block,
                                  hone_buffer b);
/* The buffer number read_index of those that hone_block_loads names, in order of appearance.
 * REJECT_ARG, REJECT_TOO_BIG. */
hone_status hone_prim__read_buffer(const hone_program *p, hone_stmt block, unsigned read_index,
                                   hone_buffer *ret, hone_error *err) HONE_NODISCARD;
/* True when every writer of what `block` reads, other than itself, shares no loop with it but those
 * around `at` as well: the block may then leave its nest for `at`. */
bool hone_prim__inputs_reach(const hone_program *p, hone_stmt block, hone_stmt at);

/* ---- expressions ---------------------------------------------------------------------------- */

/* The operands of a conjunction; none for HONE_NO_EXPR. False: more than max. */
bool hone_prim__conjuncts(const hone_program *p, hone_expr cond, hone_expr *ret, unsigned max,
                          unsigned *ret_n);
/* *where and cond, unless cond always holds or is in *where. cond is simplified first. */
void hone_prim__require(hone_program *p, hone_expr *where, hone_expr cond);
/* The same for 0 <= e < extent. */
void hone_prim__require_range(hone_program *p, hone_expr *where, hone_expr e, int64_t extent);
/* Loads of `from` become loads of `to` at the same indices. */
hone_expr hone_prim__redirect(hone_program *p, hone_expr e, hone_buffer from, hone_buffer to);
/* The same for all of a leaf; with `store` its output moves from `from` to `to` too. */
void hone_prim__redirect_block(hone_program *p, hone_stmt block, hone_buffer from, hone_buffer to,
                               bool store);
/* True when cond is `e < *ret_most` for a constant, in other words. */
bool hone_prim__bounded_by(hone_program *p, hone_expr cond, hone_expr e, int64_t *ret_most);
/* Rewrites a condition over the loop variables around `block` into one over its iteration
 * variables. False: not possible. */
bool hone_prim__lift(hone_program *p, hone_stmt block, hone_expr cond, hone_expr *ret);
/* The same, but false also for a condition that only keeps a digit of an iterator in range, which
 * hone_prim__lift drops: the loops would then run some instances twice. */
bool hone_prim__lift_exactly(hone_program *p, hone_stmt block, hone_expr cond, hone_expr *ret);
/* Lifts the whole predicate; conditions the iterators' extents imply are left out, so that
 * *ret is none for a block whose predicate only guards imperfect splits. */
bool hone_prim__lift_where(hone_program *p, hone_stmt block, hone_expr *ret);

/* The iterator that is the k-th store index, in ret[k]; -1 where the index is the constant 0 and
 * the buffer has one element there. False: some index is neither, an iterator occurs twice or is no
 * spatial one, or a spatial iterator with more than one value occurs nowhere. */
bool hone_prim__store_iters(const hone_program *p, hone_stmt block, int ret[HONE_MAX_DIMS]);

/* ---- tiles ---------------------------------------------------------------------------------- */

/* Exactly the elements of its output that a block writes in one iteration of a loop: along
 * dimension d those from start[d] (over the variables of the loop and those outside) on, extent[d]
 * of them, and of these only where all conditions hold. Tiles of different iterations share
 * elements only if the block writes these elements in both. */
typedef struct hone_prim__tile {
    unsigned n; /* dimensions */
    hone_expr start[HONE_MAX_DIMS];
    int64_t extent[HONE_MAX_DIMS];
    /* rest + (offset in the tile along dim) < 0; dim -1: rest < 0 */
    struct {
        int dim;
        hone_expr rest;
    } conds[HONE_PRIM__MAX_CONDS];
    unsigned n_conds;
    hone_expr lifted; /* over the block's iteration variables, or none */
    int iter_of[HONE_MAX_DIMS];
} hone_prim__tile;
/* False: the elements do not form such a tile. */
bool hone_prim__tile_of(hone_program *p, hone_stmt block, hone_stmt loop, hone_prim__tile *ret);
/* Ands the tile's conditions to *where: offset[d] is the place in the tile along d. */
void hone_prim__tile_require(hone_program *p, const hone_prim__tile *tile, hone_stmt block,
                             const hone_expr *offset, hone_expr *where);

/* True when no two iterations of the given loops (all around the block) run it with the same
 * iterators, or with the same spatial ones; what the other loops do is left aside. */
bool hone_prim__runs_once(hone_program *p, hone_stmt block, const hone_stmt *loops, unsigned n,
                          bool spatial);

/* True when the block surely writes every element of its output: not so for a part of a partitioned
 * loop, or for what is inside of a padding. */
bool hone_prim__writes_all(hone_program *p, hone_stmt block);

/* ---- changing loops (loop.c) -------------------------------------------------------------
 */

/* Replaces variables in the bindings and predicates below `top` and adds `cond` (may be none) to
 * the predicate of every block that sees the loop. */
void hone_prim__rewrite_below(hone_program *p, hone_stmt top, const hone_var *from,
                              const hone_expr *to, unsigned n, hone_expr cond);
void hone_prim__move_children(hone_program *p, hone_stmt from, hone_stmt to);
bool hone_prim__only_child(const hone_program *p, hone_stmt parent, hone_stmt child);
/* `to` gets the kind, and the axis, of `from`. */
static inline void hone_prim__take_kind(hone_program *p, hone_stmt to, hone_stmt from)
{
    hone_stmt_at(p, to)->loop_kind = hone_stmt_at(p, from)->loop_kind;
    hone_stmt_at(p, to)->axis = hone_stmt_at(p, from)->axis;
}
/* REJECT_ARG: no loop, or one with a kind or annotations, which would be left without a meaning
 * when the loop is split, fused or merged. `what` begins the message. */
hone_status hone_prim__check_plain(const hone_program *p, hone_stmt loop, const char *what,
                                   hone_error *err) HONE_NODISCARD;
/* May the loop's iterations run at once, as `kind` has them? REJECT_REDUCE, REJECT_DEPENDENCY. */
hone_status hone_prim__check_no_race(hone_program *p, hone_stmt loop, hone_loop_kind kind,
                                     hone_error *err) HONE_NODISCARD;
/* Does the leaf leave to earlier iterations of the loop, by a predicate as rolling_buffer makes
 * them, what others in the loop read? Its iterations then depend on one another. (rolling_buffer.c)
 */
bool hone_prim__is_rolling(const hone_program *p, hone_stmt leaf); /* of any loop */
bool hone_prim__keeps_state(const hone_program *p, hone_stmt leaf, hone_stmt loop);
/* Is the block's nest what a workload gives it: below the root one plain loop for each iterator, in
 * any order, without a predicate? ret_loops[k] is the loop of iterator k. (pad_einsum.c) */
bool hone_prim__plain_nest(const hone_program *p, hone_stmt block,
                           hone_stmt ret_loops[HONE_MAX_ITERS]);
/* Gives a loop another extent: a fresh variable, which stands as var + shift for the old one
 * below. The loop keeps its id. */
void hone_prim__set_extent(hone_program *p, hone_stmt loop, int64_t extent, int64_t shift);

/* ---- nests ---------------------------------------------------------------------------------- */

/* A chain of fresh loops that hangs nowhere yet. Start with all zero. */
typedef struct hone_prim__nest {
    hone_stmt first, last;
    unsigned n;
} hone_prim__nest;
/* Adds an innermost loop, also for extent 1 (so that how many loops there are does not depend on
 * decisions), and returns its variable. */
hone_expr hone_prim__nest_loop(hone_program *p, hone_prim__nest *nest, int64_t extent);
/* Puts `block` innermost and returns the top of the nest. */
hone_stmt hone_prim__nest_close(hone_program *p, hone_prim__nest *nest, hone_stmt block);
/* A block `name` that copies src into dst, both of dst's shape, one loop per dimension; hangs
 * nowhere yet. Returns the top of its nest. */
hone_stmt hone_prim__copy_nest(hone_program *p, const char *name, hone_buffer dst, hone_buffer src,
                               hone_stmt *ret_block);
#define HONE_PRIM__CACHE_NAME 96
/* "<b>_<suffix>" with dots as underscores. */
void hone_prim__cache_name(const hone_program *p, hone_buffer b, const char *suffix,
                           char ret[HONE_PRIM__CACHE_NAME]);
/* A temporary of b's type and shape, and the name "<b>_<scope>" for its block. */
hone_buffer hone_prim__cache_of(hone_program *p, hone_buffer b, hone_scope scope,
                                char ret_name[HONE_PRIM__CACHE_NAME]);

#endif
