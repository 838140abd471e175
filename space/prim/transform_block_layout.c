/* transform_block_layout: a block iterates over the digits of its iterators, as in TVM
 * (TransformBlockLayout), for the maps of space/prim/index_map.h. */
#include "space/prim/prim.h"
#include "space/prim/index_map.h"
#include "space/prim/util.h"

hone_status hone_prim__transform_block_layout(hone_program *p, hone_stmt block, const char *map,
                                              hone_error *err)
{
    hone_prim__map m;
    bool foreign;
    hone_stmt loops[HONE_MAX_ITERS];
    int64_t extent[HONE_MAX_ITERS];
    HONE_TRY(hone_prim__map_parse("transform_block_layout", map, NULL, 0, &m, &foreign, err));
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "transform_block_layout: takes a block that stores");
    hone_stmt_row row = *hone_stmt_at(p, block);
    for (unsigned k = 0; k < row.n_iters; k++)
        extent[k] = hone_var_at(p, hone_iter_at(p, block, k)->var)->extent;
    if (foreign || m.n_sources != row.n_iters || !hone_prim__map_is_positional(&m, extent))
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_block_layout: \"%.200s\" does not keep every iteration apart",
                         map);
    if (!hone_prim__plain_nest(p, block, loops))
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_block_layout: the block's nest is no longer one plain loop for "
                         "each iterator");

    hone_prim__nest nest = {0};
    hone_iter iters[HONE_MAX_DIMS];
    hone_var from[HONE_MAX_ITERS];
    hone_expr at[HONE_MAX_DIMS], to[HONE_MAX_ITERS], index[HONE_MAX_DIMS], where = HONE_NO_EXPR;
    for (unsigned k = 0; k < m.n; k++) {
        char v[16];
        snprintf(v, sizeof v, "v%u", k);
        unsigned s = m.digits[k].source;
        int64_t n = hone_prim__digit_extent(&m.digits[k], extent[s]);
        at[k] = hone_prim__nest_loop(p, &nest, n);
        iters[k] = (hone_iter){hone_var_new(p, v, n), hone_iter_at(p, block, s)->kind, at[k]};
    }
    for (unsigned s = 0; s < row.n_iters; s++) {
        hone_expr guard = hone_int(p, 0);
        to[s] = hone_int(p, 0);
        from[s] = hone_iter_at(p, block, s)->var;
        for (unsigned k = 0; k < m.n; k++) {
            if (m.digits[k].source != s)
                continue;
            hone_expr weight = hone_int(p, m.digits[k].div), v = hone_var_expr(p, iters[k].var);
            to[s] = hone_binary(p, HONE_OP_ADD, to[s], hone_binary(p, HONE_OP_MUL, v, weight));
            guard = hone_binary(p, HONE_OP_ADD, guard, hone_binary(p, HONE_OP_MUL, at[k], weight));
        }
        hone_prim__require_range(p, &where, guard, extent[s]);
    }
    for (unsigned k = 0; k < row.n_index; k++)
        index[k] = hone_simplify(
            p, hone_substitute(p, hone_store_index(p, block, k), from, to, row.n_iters));
    hone_expr value = hone_simplify(p, hone_substitute(p, row.value, from, to, row.n_iters));
    hone_expr init = row.init;
    if (init.i)
        init = hone_simplify(p, hone_substitute(p, init, from, to, row.n_iters));

    hone_stmt top = hone_prim__child_towards(p, p->root, block), inner = row.parent;
    hone_stmt_detach(p, block);
    hone_block_set_iters(p, block, iters, m.n);
    hone_block_set_store(p, block, row.out, index, row.n_index, value, init);
    hone_stmt_at(p, block)->where = where;
    hone_stmt_insert_before(p, top, hone_prim__nest_close(p, &nest, block));
    hone_stmt_prune(p, inner);
    return HONE_OK;
}
