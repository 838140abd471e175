/* compute_inplace: hone's own. A temporary of which a block reads the element it stores, such as
 * the exponentials of a softmax, is computed where the block's results go. The lines of the output
 * are then fetched while there is much to compute, and not one after the other at the end; and the
 * nearest cache holds one row less.
 *
 * Once the block has run for an element, nobody may read or write the temporary's element any more.
 */
#include "space/prim/prim.h"
#include "space/prim/util.h"

static bool same_kind(const hone_program *p, hone_buffer a, hone_buffer b)
{
    const hone_buffer_row *x = hone_buffer_at(p, a), *y = hone_buffer_at(p, b);
    bool same = x->dtype == y->dtype && x->n_dims == y->n_dims && x->role == HONE_TEMP &&
                x->scope == y->scope;
    for (unsigned d = 0; same && d < x->n_dims; d++)
        same = x->shape[d] == y->shape[d];
    return same;
}

/* Every element of the buffer that the block reads is the one it stores. */
static bool reads_own(const hone_program *p, hone_stmt block, hone_buffer from)
{
    hone_expr loads[HONE_PRIM__MAX_LOADS];
    unsigned n = hone_block_loads(p, block, loads, HONE_PRIM__MAX_LOADS);
    bool own = n <= HONE_PRIM__MAX_LOADS && !hone_prim__reads_aside(p, block, from);
    for (unsigned k = 0; own && k < n; k++)
        for (unsigned d = 0;
             hone_expr_at(p, loads[k])->sym == from.i && d < hone_expr_at(p, loads[k])->n_args; d++)
            own = own && HONE_SAME(hone_expr_arg(p, loads[k], d), hone_store_index(p, block, d));
    return own;
}

/* What has both in it, and whether a's part of that comes first. */
static bool comes_before(const hone_program *p, hone_stmt a, hone_stmt b)
{
    hone_stmt both = hone_lca(p, a, b);
    return !HONE_SAME(both, a) && !HONE_SAME(both, b) &&
           hone_prim__is_before(p, hone_prim__child_towards(p, both, a),
                                hone_prim__child_towards(p, both, b));
}

/* Where predicates cut the tile, the buffer ends too. */
static bool is_whole(hone_program *p, const hone_prim__tile *t, hone_buffer b)
{
    for (unsigned c = 0; c < t->n_conds; c++) {
        int d = t->conds[c].dim;
        int64_t zero;
        if (d < 0)
            return false;
        hone_expr past =
            hone_binary(p, HONE_OP_SUB, t->start[d], hone_int(p, hone_buffer_at(p, b)->shape[d]));
        past = hone_simplify(p, hone_binary(p, HONE_OP_SUB, t->conds[c].rest, past));
        if (!hone_is_int(p, past, &zero) || zero)
            return false;
    }
    return !t->lifted.i;
}

/* In one iteration of `all` the access stays within the tile. */
static bool stays_within(hone_program *p, hone_stmt all, hone_stmt leaf, hone_buffer b,
                         const hone_expr *at, const hone_prim__tile *t)
{
    hone_expr index[HONE_MAX_DIMS];
    hone_box box;
    for (unsigned d = 0; d < t->n; d++)
        index[d] = hone_bind(p, leaf, at[d]);
    if (!hone_access_box(p, b, index, leaf, hone_prim__child_towards(p, all, leaf), &box))
        return false;
    for (unsigned d = 0; d < t->n; d++) {
        int64_t by;
        hone_expr apart = hone_binary(p, HONE_OP_SUB, box.start[d], t->start[d]);
        if (!hone_is_int(p, hone_simplify(p, apart), &by) || by < 0 ||
            by + box.extent[d] > t->extent[d])
            return false;
    }
    return true;
}

static bool leaf_stays_within(hone_program *p, hone_stmt all, hone_stmt leaf, hone_buffer b,
                              const hone_prim__tile *t)
{
    hone_expr loads[HONE_PRIM__MAX_LOADS], at[HONE_MAX_DIMS];
    unsigned n = hone_block_loads(p, leaf, loads, HONE_PRIM__MAX_LOADS);
    bool inside = n <= HONE_PRIM__MAX_LOADS && !hone_prim__reads_aside(p, leaf, b);
    for (unsigned d = 0; d < t->n && hone_prim__writes(p, leaf, b); d++)
        at[d] = hone_store_index(p, leaf, d);
    if (hone_prim__writes(p, leaf, b))
        inside = inside && stays_within(p, all, leaf, b, at, t);
    for (unsigned k = 0; inside && k < n; k++) {
        if (hone_expr_at(p, loads[k])->sym != b.i)
            continue;
        for (unsigned d = 0; d < t->n; d++)
            at[d] = hone_expr_arg(p, loads[k], d);
        inside = stays_within(p, all, leaf, b, at, t);
    }
    return inside;
}

/* Others that touch the temporary do so in the iteration in which the block stores the element, and
 * before it does. */
static bool is_done_by_then(hone_program *p, hone_stmt block, hone_buffer from)
{
    hone_stmt all = block, loops[HONE_PRIM__MAX_LOOPS];
    unsigned n = hone_loops_of(p, block, loops, HONE_PRIM__MAX_LOOPS);
    hone_prim__tile tile;
    HONE_PRIM__EACH_LEAF(p, p->root, b)
    {
        if (!hone_prim__reads(p, b, from) && !hone_prim__writes(p, b, from))
            continue;
        all = hone_lca(p, all, b);
        if (!hone_prim__in_root(p, b))
            return false;
    }
    if (n > HONE_PRIM__MAX_LOOPS || !hone_prim__runs_once(p, block, loops, n, true))
        return false;
    bool in_loop = hone_is_loop(p, all);
    if (in_loop && (!hone_prim__tile_of(p, block, all, &tile) ||
                    !is_whole(p, &tile, hone_stmt_at(p, block)->out)))
        return false;
    HONE_PRIM__EACH_LEAF(p, p->root, b)
    {
        if (HONE_SAME(b, block) ||
            (!hone_prim__reads(p, b, from) && !hone_prim__writes(p, b, from)))
            continue;
        if (!hone_prim__is_before(p, hone_prim__child_towards(p, all, b),
                                  hone_prim__child_towards(p, all, block)) ||
            hone_prim__is_rolling(p, b) || (in_loop && !leaf_stays_within(p, all, b, from, &tile)))
            return false;
    }
    return true;
}

static hone_status check(hone_program *p, hone_stmt block, unsigned read_index, hone_buffer *ret,
                         hone_error *err)
{
    if (!hone_prim__is_leaf(p, block) || hone_stmt_at(p, block)->init.i)
        return hone_fail(err, HONE_REJECT_ARG, "compute_inplace: takes a block that is no sum");
    HONE_TRY(hone_prim__read_buffer(p, block, read_index, ret, err));
    hone_buffer out = hone_stmt_at(p, block)->out;
    int iters[HONE_MAX_DIMS];
    if (HONE_SAME(*ret, out) || !same_kind(p, *ret, out) || !reads_own(p, block, *ret) ||
        !hone_prim__store_iters(p, block, iters))
        return hone_fail(
            err, HONE_REJECT_ARG,
            "compute_inplace: the block does not read, of a temporary like its output, "
            "the element it stores");
    if (!hone_prim__sole_writer(p, block) || !hone_prim__in_root(p, block) ||
        !is_done_by_then(p, block, *ret))
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "compute_inplace: an element may be needed when the block has run for it");
    HONE_PRIM__EACH_LEAF(p, p->root, b)
    {
        if (!HONE_SAME(b, block) && hone_prim__reads(p, b, out) && !comes_before(p, block, b))
            return hone_fail(err, HONE_REJECT_DEPENDENCY,
                             "compute_inplace: the output is read before the block has run");
    }
    return HONE_OK;
}

bool hone_prim__can_compute_inplace(hone_program *p, hone_stmt block, unsigned read_index)
{
    hone_buffer from;
    return check(p, block, read_index, &from, NULL) == HONE_OK;
}

hone_status hone_prim__compute_inplace(hone_program *p, hone_stmt block, unsigned read_index,
                                       hone_error *err)
{
    hone_buffer from, out = hone_stmt_at(p, block)->out;
    HONE_TRY(check(p, block, read_index, &from, err));
    HONE_PRIM__EACH_LEAF(p, p->root, b)
    {
        if (hone_prim__reads(p, b, from) || hone_prim__writes(p, b, from))
            hone_prim__redirect_block(p, b, from, out, hone_prim__writes(p, b, from));
    }
    return HONE_OK;
}
