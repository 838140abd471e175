/* cache_read, cache_write, cache_accumulate.
 *
 * The first two are TensorIR's (Feng et al., ASPLOS 2023, sec. 3.2): they stage one operand of a
 * block through a new buffer, by a copy block at the root which compute_at then places. The third
 * is hone's: it keeps a reduction's output tile in its own buffer for the time of one iteration of
 * a loop, even when reduction loops run outside it. That is what blocking K with accumulators in
 * registers needs. */
#include "space/prim.h"
#include "space/prim_util.h"

/* Another block below `top` that touches b? */
static bool touched_by_others(const hone_program *p, hone_stmt top, hone_stmt block, hone_buffer b)
{
    HONE__EACH_LEAF(p, top, s)
    {
        if (!HONE_SAME(s, block) && (hone__writes(p, s, b) || hone__reads(p, s, b)))
            return true;
    }
    return false;
}

/* The block's body with loads of `from` (and, if `store`, its output) moved to `to`. */
static void redirect_block(hone_program *p, hone_stmt block, hone_buffer from, hone_buffer to,
                           bool store, bool keep_init)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < row.n_index; k++)
        index[k] = hone__redirect(p, hone_store_index(p, block, k), from, to);
    hone_expr value = hone__redirect(p, row.value, from, to);
    hone_expr init = keep_init ? hone__redirect(p, row.init, from, to) : HONE_NO_EXPR;
    hone_block_set_store(p, block, store ? to : row.out, index, row.n_index, value, init);
}

hone_status hone__cache_read(hone_program *p, hone_stmt block, unsigned read_index,
                             hone_scope scope, hone_stmt *ret, hone_error *err)
{
    if (!hone__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "cache_read: not a block that computes a value");
    hone_expr loads[HONE__MAX_LOADS];
    unsigned n = hone_block_loads(p, block, loads, HONE__MAX_LOADS), n_distinct = 0;
    if (n > HONE__MAX_LOADS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "cache_read: block has %u loads", n);
    hone_buffer from = HONE_NO_BUFFER, out = hone_stmt_at(p, block)->out;
    for (unsigned k = 0; k < n && !from.i; k++) {
        uint32_t b = hone_expr_at(p, loads[k])->sym;
        bool again = false;
        for (unsigned j = 0; j < k && !again; j++)
            again = hone_expr_at(p, loads[j])->sym == b;
        if (!again && n_distinct++ == read_index)
            from = (hone_buffer){b};
    }
    if (!from.i || HONE_SAME(from, out))
        return hone_fail(err, HONE_REJECT_ARG, "cache_read: block reads no buffer number %u",
                         read_index);
    hone_stmt top = hone__child_towards(p, p->root, block);
    HONE__EACH_LEAF(p, p->root, s)
    {
        if (hone__writes(p, s, from) &&
            !hone__is_before(p, hone__child_towards(p, p->root, s), top))
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "cache_read: the buffer is computed inside the nest that reads it");
    }
    char name[80];
    hone_buffer to = hone__cache_of(p, from, scope, name);
    hone_stmt_insert_before(p, top, hone__copy_nest(p, name, to, from, ret));
    redirect_block(p, block, from, to, false, true);
    return HONE_OK;
}

hone_status hone__cache_write(hone_program *p, hone_stmt block, hone_scope scope, hone_stmt *ret,
                              hone_error *err)
{
    if (!hone__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "cache_write: not a block that computes a value");
    hone_buffer out = hone_stmt_at(p, block)->out;
    hone_stmt top = hone__child_towards(p, p->root, block);
    int iters[HONE_MAX_DIMS];
    if (!hone__store_iters(p, block, iters))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "cache_write: the block does not store at its own iterators");
    /* The copy moves whole dimensions: what the block leaves out must not be overwritten. */
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++) {
        int64_t shape = hone_buffer_at(p, out)->shape[d];
        if (iters[d] >= 0 &&
            hone_var_at(p, hone_iter_at(p, block, (unsigned)iters[d])->var)->extent != shape)
            return hone_fail(err, HONE_REJECT_ARG, "cache_write: the block writes only a part");
    }
    if (!hone__sole_writer(p, block) || touched_by_others(p, top, block, out))
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "cache_write: other blocks of the nest touch the buffer");
    char name[80];
    hone_buffer to = hone__cache_of(p, out, scope, name);
    hone_stmt_insert_after(p, top, hone__copy_nest(p, name, out, to, ret));
    redirect_block(p, block, out, to, true, true);
    return HONE_OK;
}

/* ---- cache_accumulate ------------------------------------------------------------------------ */

/* For each reduction iterator of `block` the part of its binding that stands still inside `loop`,
 * where there is one. The update starts afresh where all parts are 0. */
typedef struct outer_parts {
    unsigned n;
    hone_expr part[HONE_MAX_ITERS];
    int64_t extent[HONE_MAX_ITERS];
} outer_parts;

static bool outer_parts_of(hone_program *p, hone_stmt block, hone_stmt loop, outer_parts *ret)
{
    hone_stmt loops[HONE__MAX_LOOPS];
    hone_var inner[HONE__MAX_LOOPS];
    unsigned n = hone_loops_of(p, block, loops, HONE__MAX_LOOPS), n_inner = 0;
    if (n > HONE__MAX_LOOPS)
        return false;
    while (n && !HONE_SAME(loops[n - 1], loop))
        inner[n_inner++] = hone_stmt_at(p, loops[--n])->var;
    ret->n = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        int64_t c[HONE__MAX_LOOPS], lo, hi;
        hone_expr part;
        if (it.kind != HONE_REDUCE)
            continue;
        if (!hone_linear(p, it.binding, inner, n_inner, c, &part))
            return false;
        for (unsigned x = 0; x < n_inner; x++) {
            if (c[x] < 0)
                return false;
        }
        part = hone_simplify(p, part);
        if (!hone_bounds(p, part, &lo, &hi) || lo != 0)
            return false;
        if (hi == 0)
            continue;
        ret->part[ret->n] = part;
        ret->extent[ret->n++] = hi + 1;
    }
    return true;
}

/* A block over the tile's elements, out in `index`; its nest hangs nowhere yet. The parts become
 * reduction iterators: what the block does is not the same in each of these iterations, so that
 * none of the loops may run in parallel, nor may a consumer of the output move inside them. */
static hone_stmt tile_nest(hone_program *p, const char *name, hone_stmt block,
                           const hone__tile *tile, const outer_parts *parts, hone_expr *index,
                           hone_expr *ret_first, hone_stmt *ret_block)
{
    hone__nest nest = {0};
    hone_expr offset[HONE_MAX_DIMS], where = HONE_NO_EXPR;
    hone_iter iters[HONE_MAX_ITERS];
    char v[16];
    unsigned n = 0;
    hone_buffer out = hone_stmt_at(p, block)->out;
    for (unsigned d = 0; d < tile->n; d++) {
        offset[d] = hone__nest_loop(p, &nest, tile->extent[d]);
        hone_expr at = hone_simplify(p, hone_binary(p, HONE_OP_ADD, tile->start[d], offset[d]));
        snprintf(v, sizeof v, "v%u", n);
        int64_t extent = hone_buffer_at(p, out)->shape[d];
        iters[n] = (hone_iter){hone_var_new(p, v, extent), HONE_SPATIAL, at};
        index[d] = hone_var_expr(p, iters[n++].var);
        hone__require_range(p, &where, at, extent);
    }
    hone__tile_require(p, tile, block, offset, &where);
    *ret_first = HONE_NO_EXPR;
    for (unsigned k = 0; k < parts->n; k++) {
        snprintf(v, sizeof v, "v%u", n);
        iters[n] = (hone_iter){hone_var_new(p, v, parts->extent[k]), HONE_REDUCE, parts->part[k]};
        hone_expr at = hone_var_expr(p, iters[n++].var);
        *ret_first = hone_and(p, *ret_first, hone_binary(p, HONE_OP_EQ, at, hone_int(p, 0)));
    }
    hone_stmt b = hone_block_new(p, name);
    hone_block_set_iters(p, b, iters, n);
    hone_stmt_at(p, b)->where = where;
    *ret_block = b;
    return hone__nest_close(p, &nest, b);
}

hone_status hone__cache_accumulate(hone_program *p, hone_stmt block, hone_stmt loop,
                                   hone_scope scope, hone_stmt ret[2], hone_error *err)
{
    if (!hone__is_leaf(p, block) || !hone_stmt_at(p, block)->init.i)
        return hone_fail(err, HONE_REJECT_ARG, "cache_accumulate: not a reduction block with init");
    if (!hone__is_around(p, loop, block))
        return hone_fail(err, HONE_REJECT_ARG,
                         "cache_accumulate: the loop is not around the block");
    hone_buffer out = hone_stmt_at(p, block)->out;
    if (!hone__sole_writer(p, block))
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "cache_accumulate: another block writes the output too");
    if (touched_by_others(p, loop, block, out))
        return hone_fail(err, HONE_REJECT_COMPUTE_AT,
                         "cache_accumulate: another block inside the loop touches the output");
    if (hone__is_vectorized(p, loop))
        return hone_fail(err, HONE_REJECT_ARG,
                         "cache_accumulate: no loop may stand inside a vectorized one");
    hone__tile tile;
    outer_parts parts;
    if (!hone__tile_of(p, block, loop, &tile) || !outer_parts_of(p, block, loop, &parts) ||
        tile.n + parts.n > HONE_MAX_ITERS || hone__has_load(p, hone_stmt_at(p, block)->init))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "cache_accumulate: the elements written inside the loop are no box");

    hone_expr old_init = hone_stmt_at(p, block)->init, index[HONE_MAX_DIMS], first;
    char name[80], block_name[96];
    hone_buffer to = hone__cache_of(p, out, scope, name);

    snprintf(block_name, sizeof block_name, "%s_load", name);
    hone_stmt load = tile_nest(p, block_name, block, &tile, &parts, index, &first, &ret[0]);
    hone_expr value = old_init;
    if (first.i)
        value = hone_select(p, first, old_init, hone_load(p, out, index, tile.n));
    hone_block_set_store(p, ret[0], to, index, tile.n, value, HONE_NO_EXPR);

    snprintf(block_name, sizeof block_name, "%s_store", name);
    hone_stmt store = tile_nest(p, block_name, block, &tile, &parts, index, &first, &ret[1]);
    hone_block_set_store(p, ret[1], out, index, tile.n, hone_load(p, to, index, tile.n),
                         HONE_NO_EXPR);

    redirect_block(p, block, out, to, true, false);
    hone_stmt_prepend(p, loop, load);
    hone_stmt_append(p, loop, store);
    return HONE_OK;
}
