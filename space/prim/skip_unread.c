/* skip_unread: hone's own. What is computed for blocks that do not run need not be computed: the
 * conditions that all readers of a temporary share become conditions of the block that writes it. A
 * loop that leaves iterations out then leaves out the whole of them. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

/* Does the condition say the same for the block and the reader, as it is about loops around both?
 */
static bool is_shared(const hone_program *p, hone_expr cond, hone_stmt reader, hone_stmt common)
{
    for (hone_stmt l = hone_stmt_at(p, reader)->parent; hone_is_loop(p, l) && !HONE_SAME(l, common);
         l = hone_stmt_at(p, l)->parent)
        if (hone_uses_var(p, cond, hone_stmt_at(p, l)->var))
            return false;
    return true;
}

/* Does every iteration of the loop write all that the reader loads in it? */
static bool writes_for(hone_program *p, const hone_prim__tile *tile, hone_stmt reader,
                       hone_stmt loop, hone_buffer out)
{
    hone_expr loads[HONE_PRIM__MAX_LOADS], index[HONE_MAX_DIMS];
    const unsigned n = hone_block_loads(p, reader, loads, HONE_PRIM__MAX_LOADS);
    if (n > HONE_PRIM__MAX_LOADS || hone_prim__reads_aside(p, reader, out))
        return false;
    hone_stmt below = hone_prim__child_towards(p, loop, reader);
    for (unsigned k = 0; k < n; k++) {
        hone_box box;
        if (hone_expr_at(p, loads[k])->sym != out.i)
            continue;
        for (unsigned d = 0; d < tile->n; d++)
            index[d] = hone_bind(p, reader, hone_expr_arg(p, loads[k], d));
        if (!hone_access_box(p, out, index, reader, below, &box))
            return false;
        for (unsigned d = 0; d < tile->n; d++) {
            int64_t by;
            hone_expr apart = hone_binary(p, HONE_OP_SUB, box.start[d], tile->start[d]);
            if (!hone_is_int(p, hone_simplify(p, apart), &by) || by < 0 ||
                by + box.extent[d] > tile->extent[d])
                return false;
        }
    }
    return true;
}

hone_status hone_prim__skip_unread(hone_program *p, hone_stmt block, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "skip_unread: not a block that computes a value");
    const hone_buffer out = hone_stmt_at(p, block)->out;
    if (hone_buffer_at(p, out)->role != HONE_TEMP)
        return hone_fail(err, HONE_REJECT_ARG, "skip_unread: the block writes an output");
    if (hone_prim__reads(p, block, out) && !hone_prim__has_reduce_iter(p, block))
        return hone_fail(err, HONE_REJECT_REDUCE, "skip_unread: the block works in place");
    hone_stmt common = block, first = HONE_NO_STMT;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        if (HONE_SAME(s, block) || !hone_prim__reads(p, s, out))
            continue;
        first = first.i ? first : s;
        common = hone_lca(p, common, s);
    }
    if (!first.i || !hone_prim__is_around(p, common, block))
        return hone_fail(err, HONE_REJECT_ARG,
                         "skip_unread: no loop is around the block and all that reads it");
    /* What it wrote in an earlier iteration must not be needed in a later one. */
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        for (hone_stmt l = common; hone_is_loop(p, l); l = hone_stmt_at(p, l)->parent)
            if (it->kind == HONE_REDUCE && hone_uses_var(p, it->binding, hone_stmt_at(p, l)->var))
                return hone_fail(err, HONE_REJECT_REDUCE,
                                 "skip_unread: a sum goes on from iteration to iteration");
    }
    hone_prim__tile tile;
    if (hone_prim__is_rolling(p, block) || !hone_prim__tile_of(p, block, common, &tile))
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "skip_unread: what the block writes in an iteration is no box");
    hone_expr conds[HONE_PRIM__MAX_CONDS], where = hone_stmt_at(p, block)->where;
    unsigned n, kept = 0;
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, first)->where, conds, HONE_PRIM__MAX_CONDS, &n))
        n = 0;
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        hone_expr own[HONE_PRIM__MAX_CONDS];
        unsigned n_own;
        if (HONE_SAME(s, block) || !hone_prim__reads(p, s, out))
            continue;
        if (!writes_for(p, &tile, s, common, out))
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "skip_unread: block '%s' reads what other iterations have written",
                             hone_sym_text(p, hone_stmt_at(p, s)->name));
        if (!hone_prim__conjuncts(p, hone_stmt_at(p, s)->where, own, HONE_PRIM__MAX_CONDS, &n_own))
            n_own = 0;
        kept = 0;
        for (unsigned k = 0; k < n; k++) {
            unsigned q = 0;
            while (q < n_own && !HONE_SAME(own[q], conds[k]))
                q++;
            if (q < n_own && is_shared(p, conds[k], s, common))
                conds[kept++] = conds[k];
        }
        n = kept;
    }
    if (!n)
        return hone_fail(err, HONE_REJECT_ARG,
                         "skip_unread: what reads the block has no condition in common");
    for (unsigned k = 0; k < n; k++)
        hone_prim__require(p, &where, conds[k]);
    hone_stmt_at(p, block)->where = where;
    return HONE_OK;
}
