/* transform_layout: TensorIR's (Feng et al., ASPLOS 2023), for maps whose results are each one
 * index, or // and % of one index by constants (space/prim/index_map.h). A writer that still stands
 * in a nest of its own, and nobody else writes, goes along the new layout. Those of a register tile
 * keep their loops, and then the layout has room for nothing else. */
#include "space/prim/prim.h"
#include "space/prim/index_map.h"
#include "space/prim/util.h"

/* ---- legality -------------------------------------------------------------------------------- */

/* The writer stands alone in a chain of serial loops from the root, each bound to the iterator of
 * its place, and stores at its iterators in order. */
static bool is_plain_nest(const hone_program *p, hone_stmt block)
{
    const hone_stmt_row *row = hone_stmt_at(p, block);
    hone_stmt loops[HONE_MAX_DIMS];
    unsigned n = hone_loops_of(p, block, loops, HONE_MAX_DIMS);
    if (n != row->n_index || n != row->n_iters || row->where.i || row->init.i || !n)
        return false;
    if (!HONE_SAME(hone_stmt_at(p, loops[0])->parent, p->root))
        return false;
    for (unsigned k = 0; k < n; k++) {
        const hone_stmt_row *loop = hone_stmt_at(p, loops[k]);
        const hone_iter *it = hone_iter_at(p, block, k);
        hone_expr index = hone_store_index(p, block, k);
        if (!HONE_SAME(loop->first, loop->last) || loop->loop_kind != HONE_SERIAL || loop->anns ||
            it->kind != HONE_SPATIAL || hone_expr_op(p, it->binding) != HONE_OP_VAR ||
            hone_expr_at(p, it->binding)->sym != loop->var.i ||
            hone_expr_op(p, index) != HONE_OP_VAR || hone_expr_at(p, index)->sym != it->var.i)
            return false;
    }
    return true;
}

/* Does every place of the new layout have an element? */
static bool is_exact(const hone_prim__map *l, const int64_t *shape)
{
    for (unsigned s = 0; s < l->n_sources; s++) {
        int64_t places = 1;
        for (unsigned k = 0; k < l->n; k++)
            if (l->digits[k].source == s)
                places *= hone_prim__digit_extent(&l->digits[k], shape[s]);
        if (places != shape[s])
            return false;
    }
    return true;
}

/* ---- rewriting ------------------------------------------------------------------------------- */

typedef struct relay_ctx {
    const hone_prim__map *map;
    hone_buffer from, to;
} relay_ctx;

static hone_expr relay_node(void *ctx, hone_program *p, hone_expr e)
{
    const relay_ctx *c = ctx;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->op != HONE_OP_LOAD || row->sym != c->from.i)
        return e;
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < c->map->n; k++) {
        const hone_prim__digit *d = &c->map->digits[k];
        index[k] = hone_simplify(p, hone_prim__digit_of(p, d, hone_expr_arg(p, e, d->source)));
    }
    return hone_load(p, c->to, index, c->map->n);
}

/* Stores of a block that keeps its loops. */
static void rewrite_store(hone_program *p, hone_stmt block, const hone_prim__map *map,
                          hone_buffer to)
{
    hone_expr index[HONE_MAX_DIMS];
    const hone_stmt_row row = *hone_stmt_at(p, block);
    for (unsigned k = 0; k < map->n; k++) {
        const hone_prim__digit *d = &map->digits[k];
        index[k] =
            hone_simplify(p, hone_prim__digit_of(p, d, hone_store_index(p, block, d->source)));
    }
    hone_block_set_store(p, block, to, index, map->n, row.value, row.init);
}

/* Puts the block into a fresh nest over the new layout. */
static void rewrite_writer(hone_program *p, hone_stmt block, const hone_prim__map *map,
                           const int64_t *old_shape, hone_buffer to)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_prim__nest nest = {0};
    hone_iter iters[HONE_MAX_DIMS];
    hone_expr index[HONE_MAX_DIMS], at[HONE_MAX_DIMS], old[HONE_MAX_DIMS], where = HONE_NO_EXPR;
    hone_var old_vars[HONE_MAX_DIMS];
    for (unsigned k = 0; k < map->n; k++) {
        char v[16];
        snprintf(v, sizeof v, "v%u", k);
        int64_t extent = hone_buffer_at(p, to)->shape[k];
        at[k] = hone_prim__nest_loop(p, &nest, extent);
        iters[k] = (hone_iter){hone_var_new(p, v, extent), HONE_SPATIAL, at[k]};
        index[k] = hone_var_expr(p, iters[k].var);
    }
    for (unsigned s = 0; s < map->n_sources; s++) {
        hone_expr guard = old[s] = hone_int(p, 0);
        for (unsigned k = 0; k < map->n; k++) {
            const hone_prim__digit *d = &map->digits[k];
            if (d->source != s)
                continue;
            hone_expr weight = hone_int(p, d->div);
            old[s] =
                hone_binary(p, HONE_OP_ADD, old[s], hone_binary(p, HONE_OP_MUL, index[k], weight));
            guard = hone_binary(p, HONE_OP_ADD, guard, hone_binary(p, HONE_OP_MUL, at[k], weight));
        }
        hone_prim__require_range(p, &where, guard, old_shape[s]);
        old_vars[s] = hone_iter_at(p, block, s)->var;
    }
    hone_expr value = hone_substitute(p, row.value, old_vars, old, map->n_sources);
    value = hone_simplify(p, value);

    hone_stmt top = hone_prim__child_towards(p, p->root, block), inner = row.parent;
    hone_stmt_detach(p, block);
    hone_block_set_iters(p, block, iters, map->n);
    hone_block_set_store(p, block, to, index, map->n, value, HONE_NO_EXPR);
    hone_stmt_at(p, block)->where = where;
    hone_stmt_insert_before(p, top, hone_prim__nest_close(p, &nest, block));
    hone_stmt_prune(p, inner);
}

hone_status hone_prim__transform_layout(hone_program *p, hone_stmt block, const char *map,
                                        const int64_t *v, unsigned n, hone_error *err)
{
    hone_prim__map l;
    bool foreign;
    hone_status s = hone_prim__map_parse("transform_layout", map, v, n, &l, &foreign, err);
    if (s != HONE_OK)
        return s;
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "transform_layout: takes a block that writes");
    hone_buffer from = hone_stmt_at(p, block)->out;
    hone_buffer_row buffer = *hone_buffer_at(p, from);
    if (buffer.role != HONE_TEMP)
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_layout: the layout of an argument is fixed");
    if (l.n_sources != buffer.n_dims || foreign || !hone_prim__map_is_positional(&l, buffer.shape))
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_layout: \"%.200s\" does not keep every element apart", map);
    bool plain = is_plain_nest(p, block) && hone_prim__sole_writer(p, block) &&
                 !hone_prim__reads(p, block, from);
    if (!plain && (buffer.scope != HONE_LOCAL || !is_exact(&l, buffer.shape)))
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_layout: the writer's nest has been changed already");
    HONE_PRIM__EACH_LEAF(p, p->root, leaf)
    {
        if (hone_prim__reads_aside(p, leaf, from))
            return hone_fail(err, HONE_REJECT_LAYOUT,
                             "transform_layout: a consumer reads in an unusual way");
    }

    int64_t shape[HONE_MAX_DIMS];
    for (unsigned k = 0; k < l.n; k++)
        shape[k] = hone_prim__digit_extent(&l.digits[k], buffer.shape[l.digits[k].source]);
    /* A new row: the old loads are still interned with the old number of indices. The name, which
     * is free once nothing uses the old row, goes along. */
    hone_buffer to = hone_buffer_new(p, hone_sym_text(p, buffer.name), (hone_dtype)buffer.dtype,
                                     shape, l.n, HONE_TEMP, (hone_scope)buffer.scope);
    hone_sym fresh = hone_buffer_at(p, to)->name;
    hone_buffer_at(p, to)->name = buffer.name;
    hone_buffer_at(p, from)->name = fresh;
    relay_ctx ctx = {&l, from, to};
    HONE_PRIM__EACH_LEAF(p, p->root, leaf)
    {
        hone_stmt_row row = *hone_stmt_at(p, leaf);
        if ((HONE_SAME(leaf, block) && plain))
            continue;
        if (hone_prim__reads(p, leaf, from)) {
            row.value = hone_rewrite(p, row.value, relay_node, &ctx);
            hone_stmt_at(p, leaf)->value = row.value;
        }
        if (HONE_SAME(row.out, from))
            rewrite_store(p, leaf, &l, to);
    }
    if (plain)
        rewrite_writer(p, block, &l, buffer.shape, to);
    return HONE_OK;
}
