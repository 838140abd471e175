/* cache_read, cache_write, cache_accumulate.
 *
 * The first two are TensorIR's (Feng et al., ASPLOS 2023, sec. 3.2): they stage one operand of a
 * block through a new buffer, by a copy block at the root which compute_at then places. The third
 * is hone's: it keeps a reduction's output tile in its own buffer for the time of one iteration of
 * a loop, even when reduction loops run outside it. That is what blocking K with accumulators in
 * registers needs. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

static bool is_among(hone_stmt b, const hone_stmt *list, unsigned n)
{
    unsigned k = 0;
    while (k < n && !HONE_SAME(b, list[k]))
        k++;
    return k < n;
}

hone_status hone_prim__cache_read_for(hone_program *p, hone_stmt block, unsigned read_index,
                                      const hone_stmt *consumers, unsigned n, hone_scope scope,
                                      hone_stmt *ret, hone_error *err)
{
    hone_buffer from = HONE_NO_BUFFER;
    hone_status st = hone_prim__read_buffer(p, block, read_index, &from, err);
    if (st != HONE_OK)
        return st;
    hone_stmt top = HONE_NO_STMT;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (!hone_prim__reads(p, s, from) || (n && !is_among(s, consumers, n)))
            continue;
        if (hone_prim__writes(p, s, from))
            return hone_fail(err, HONE_REJECT_ARG, "cache_read: a consumer writes the buffer too");
        top = top.i ? top : hone_prim__child_towards(p, p->root, s);
    }
    if (!top.i)
        return hone_fail(err, HONE_REJECT_ARG, "cache_read: no consumer reads the buffer");
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (hone_prim__writes(p, s, from) &&
            !hone_prim__is_before(p, hone_prim__child_towards(p, p->root, s), top))
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "cache_read: the buffer is computed inside the nest that reads it");
    }
    char name[HONE_PRIM__CACHE_NAME];
    hone_buffer to = hone_prim__cache_of(p, from, scope, name);
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (hone_prim__reads(p, s, from) && (!n || is_among(s, consumers, n)))
            hone_prim__redirect_block(p, s, from, to, false);
    }
    hone_stmt_insert_before(p, top, hone_prim__copy_nest(p, name, to, from, ret));
    return HONE_OK;
}

hone_status hone_prim__cache_read(hone_program *p, hone_stmt block, unsigned read_index,
                                  hone_scope scope, hone_stmt *ret, hone_error *err)
{
    return hone_prim__cache_read_for(p, block, read_index, &block, 1, scope, ret, err);
}

hone_status hone_prim__cache_write_for(hone_program *p, hone_stmt block, const hone_stmt *consumers,
                                       unsigned n, hone_scope scope, hone_stmt *ret,
                                       hone_error *err)
{
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "cache_write: not a block that computes a value");
    hone_buffer out = hone_stmt_at(p, block)->out;
    hone_stmt top = hone_prim__child_towards(p, p->root, block);
    int iters[HONE_MAX_DIMS];
    if (!hone_prim__store_iters(p, block, iters))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "cache_write: the block does not store at its own iterators");
    /* The copy moves whole dimensions: what the block leaves out must not be overwritten. */
    for (unsigned d = 0; d < hone_stmt_at(p, block)->n_index; d++) {
        int64_t shape = hone_buffer_at(p, out)->shape[d];
        if (iters[d] >= 0 &&
            hone_var_at(p, hone_iter_at(p, block, (unsigned)iters[d])->var)->extent != shape)
            return hone_fail(err, HONE_REJECT_ARG, "cache_write: the block writes only a part");
    }
    bool alone = hone_prim__sole_writer(p, block);
    HONE_PRIM__EACH_LEAF(p, top, s)
    {
        alone = alone &&
                (HONE_SAME(s, block) || !hone_prim__reads(p, s, out) || is_among(s, consumers, n));
    }
    if (!alone)
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "cache_write: other blocks of the nest touch the buffer");
    char name[HONE_PRIM__CACHE_NAME];
    hone_buffer to = hone_prim__cache_of(p, out, scope, name);
    for (unsigned k = 0; k < n; k++) {
        if (!HONE_SAME(consumers[k], block) && hone_prim__is_leaf(p, consumers[k]))
            hone_prim__redirect_block(p, consumers[k], out, to, false);
    }
    hone_prim__redirect_block(p, block, out, to, true);
    hone_stmt_insert_after(p, top, hone_prim__copy_nest(p, name, out, to, ret));
    return HONE_OK;
}

hone_status hone_prim__cache_write(hone_program *p, hone_stmt block, hone_scope scope,
                                   hone_stmt *ret, hone_error *err)
{
    return hone_prim__cache_write_for(p, block, NULL, 0, scope, ret, err);
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
    hone_stmt loops[HONE_PRIM__MAX_LOOPS];
    hone_var inner[HONE_PRIM__MAX_LOOPS];
    unsigned n = hone_loops_of(p, block, loops, HONE_PRIM__MAX_LOOPS), n_inner = 0;
    if (n > HONE_PRIM__MAX_LOOPS)
        return false;
    while (n && !HONE_SAME(loops[n - 1], loop))
        inner[n_inner++] = hone_stmt_at(p, loops[--n])->var;
    ret->n = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        int64_t c[HONE_PRIM__MAX_LOOPS], lo, hi;
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
                           const hone_prim__tile *tile, const outer_parts *parts, hone_expr *index,
                           hone_expr *ret_first, hone_stmt *ret_block)
{
    hone_prim__nest nest = {0};
    hone_expr offset[HONE_MAX_DIMS], where = HONE_NO_EXPR;
    hone_iter iters[HONE_MAX_ITERS];
    char v[16];
    unsigned n = 0;
    hone_buffer out = hone_stmt_at(p, block)->out;
    for (unsigned d = 0; d < tile->n; d++) {
        offset[d] = hone_prim__nest_loop(p, &nest, tile->extent[d]);
        hone_expr at = hone_simplify(p, hone_binary(p, HONE_OP_ADD, tile->start[d], offset[d]));
        snprintf(v, sizeof v, "v%u", n);
        int64_t extent = hone_buffer_at(p, out)->shape[d];
        iters[n] = (hone_iter){hone_var_new(p, v, extent), HONE_SPATIAL, at};
        index[d] = hone_var_expr(p, iters[n++].var);
        hone_prim__require_range(p, &where, at, extent);
    }
    hone_prim__tile_require(p, tile, block, offset, &where);
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
    return hone_prim__nest_close(p, &nest, b);
}

hone_status hone_prim__cache_accumulate(hone_program *p, hone_stmt block, hone_stmt loop,
                                        hone_scope scope, hone_stmt ret[2], hone_error *err)
{
    if (!hone_prim__is_leaf(p, block) || !hone_stmt_at(p, block)->init.i)
        return hone_fail(err, HONE_REJECT_ARG, "cache_accumulate: not a reduction block with init");
    if (!hone_prim__is_around(p, loop, block))
        return hone_fail(err, HONE_REJECT_ARG,
                         "cache_accumulate: the loop is not around the block");
    hone_buffer out = hone_stmt_at(p, block)->out;
    if (!hone_prim__sole_writer(p, block))
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "cache_accumulate: another block writes the output too");
    if (hone_prim__touched_by_others(p, loop, block, out))
        return hone_fail(err, HONE_REJECT_COMPUTE_AT,
                         "cache_accumulate: another block inside the loop touches the output");
    if (hone_prim__is_vectorized(p, loop))
        return hone_fail(err, HONE_REJECT_ARG,
                         "cache_accumulate: no loop may stand inside a vectorized one");
    hone_prim__tile tile;
    outer_parts parts;
    if (!hone_prim__tile_of(p, block, loop, &tile) || !outer_parts_of(p, block, loop, &parts) ||
        tile.n + parts.n > HONE_MAX_ITERS || hone_has_load(p, hone_stmt_at(p, block)->init))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "cache_accumulate: the elements written inside the loop are no box");

    hone_expr old_init = hone_stmt_at(p, block)->init, index[HONE_MAX_DIMS], first;
    char name[HONE_PRIM__CACHE_NAME], block_name[HONE_PRIM__CACHE_NAME + 8];
    hone_buffer to = hone_prim__cache_of(p, out, scope, name);

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

    hone_stmt_at(p, block)->init = HONE_NO_EXPR;
    hone_prim__redirect_block(p, block, out, to, true);
    hone_stmt_prepend(p, loop, load);
    hone_stmt_append(p, loop, store);
    return HONE_OK;
}
