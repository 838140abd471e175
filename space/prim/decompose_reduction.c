/* decompose_reduction: TensorIR's (Feng et al., ASPLOS 2023, sec. 3.2). */
#include "space/prim/prim.h"
#include "space/prim/util.h"

/* How a loop variable is used by the block's bindings. */
enum { BY_SPATIAL = 1, BY_REDUCE = 2 };

static unsigned uses_of(const hone_program *p, hone_stmt block, hone_var v)
{
    unsigned uses = 0;
    for (unsigned k = 0; k < hone_stmt_at(p, block)->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        if (hone_uses_var(p, it->binding, v))
            uses |= it->kind == HONE_REDUCE ? BY_REDUCE : BY_SPATIAL;
    }
    return uses;
}

/* Does the condition hold in the first step of the sum, whatever the element? */
static bool holds_first(hone_program *p, hone_stmt block, const hone_stmt *loops, unsigned n,
                        hone_expr cond)
{
    hone_expr zero = hone_int(p, 0);
    for (unsigned k = 0; k < n; k++) {
        hone_var v = hone_stmt_at(p, loops[k])->var;
        if (uses_of(p, block, v) == BY_REDUCE)
            cond = hone_substitute(p, cond, &v, &zero, 1);
    }
    return hone_prove(p, cond);
}

/* The operands of the predicate that hold for elements rather than for steps of the sum. False: one
 * mixes both, and may leave out the first step. */
static bool spatial_where(hone_program *p, hone_stmt block, const hone_stmt *loops, unsigned n,
                          hone_expr *ret)
{
    hone_expr conds[HONE_PRIM__MAX_CONDS];
    unsigned n_conds;
    *ret = HONE_NO_EXPR;
    if (!hone_prim__conjuncts(p, hone_stmt_at(p, block)->where, conds, HONE_PRIM__MAX_CONDS,
                              &n_conds))
        return false;
    for (unsigned c = 0; c < n_conds; c++) {
        bool step = false, element = false;
        for (unsigned k = 0; k < n; k++) {
            hone_var v = hone_stmt_at(p, loops[k])->var;
            if (!hone_uses_var(p, conds[c], v))
                continue;
            unsigned uses = uses_of(p, block, v);
            step = step || uses == BY_REDUCE;
            element = element || uses != BY_REDUCE;
        }
        if (step && element && !holds_first(p, block, loops, n, conds[c]))
            return false;
        /* The first step of a sum always runs, or it would not start. */
        if (!step)
            *ret = hone_and(p, *ret, conds[c]);
    }
    return true;
}

hone_status hone_prim__decompose_reduction(hone_program *p, hone_stmt block, hone_stmt loop,
                                           hone_stmt *ret, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block) || !hone_stmt_at(p, block)->init.i)
        return hone_fail(err, HONE_REJECT_ARG,
                         "decompose_reduction: not a reduction block with init");
    if (!hone_prim__is_around(p, loop, block))
        return hone_fail(err, HONE_REJECT_ARG,
                         "decompose_reduction: the loop is not around the block");
    hone_stmt loops[HONE_PRIM__MAX_LOOPS];
    unsigned n = hone_loops_of(p, block, loops, HONE_PRIM__MAX_LOOPS), at = 0;
    if (n > HONE_PRIM__MAX_LOOPS)
        return hone_fail(err, HONE_REJECT_TOO_BIG, "decompose_reduction: too many loops");
    for (; !HONE_SAME(loops[at], loop); at++) {
        if (uses_of(p, block, hone_stmt_at(p, loops[at])->var) & BY_REDUCE)
            return hone_fail(err, HONE_REJECT_REDUCE,
                             "decompose_reduction: a loop of the sum lies outside the loop");
    }
    for (hone_stmt b = hone_stmt_at(p, block)->parent; b.i; b = hone_stmt_at(p, b)->parent)
        if (hone_is_block(p, b) && hone_prim__has_reduce_iter(p, b))
            return hone_fail(err, HONE_REJECT_REDUCE,
                             "decompose_reduction: the sum goes on in a block around");
    /* A loop that makes the block do everything anew would add to what is there already. */
    if (!hone_prim__runs_once(p, block, loops + at, n - at, false))
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "decompose_reduction: the sum is computed more than once inside the loop");
    if (at && hone_prim__is_vectorized(p, loops[at - 1]))
        return hone_fail(err, HONE_REJECT_ARG,
                         "decompose_reduction: no loop may stand inside a vectorized one");
    hone_expr where;
    if (!spatial_where(p, block, loops, n, &where))
        return hone_fail(err, HONE_REJECT_REDUCE,
                         "decompose_reduction: the predicate mixes elements and steps of the sum");

    char name[96];
    hone_stmt_row row = *hone_stmt_at(p, block);
    snprintf(name, sizeof name, "%.*s_init", HONE_UTF8_CUT(hone_sym_text(p, row.name), 80));
    hone_stmt init = hone_block_new(p, name);
    hone_prim__nest nest = {0};
    hone_var old[HONE_PRIM__MAX_LOOPS];
    hone_expr fresh[HONE_PRIM__MAX_LOOPS];
    unsigned n_fresh = 0;
    for (unsigned k = at; k < n; k++) {
        hone_var v = hone_stmt_at(p, loops[k])->var;
        if (!(uses_of(p, block, v) & BY_SPATIAL) && !(where.i && hone_uses_var(p, where, v)))
            continue;
        old[n_fresh] = v;
        fresh[n_fresh++] = hone_prim__nest_loop(p, &nest, hone_loop_extent(p, loops[k]));
        hone_prim__take_kind(p, nest.last, loops[k]);
    }
    hone_iter iters[HONE_MAX_ITERS];
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS], index[HONE_MAX_DIMS];
    unsigned n_iters = 0;
    for (unsigned k = 0; k < row.n_iters; k++) {
        hone_iter it = *hone_iter_at(p, block, k);
        if (it.kind == HONE_REDUCE)
            continue;
        from[n_iters] = it.var;
        char v[16];
        snprintf(v, sizeof v, "v%u", n_iters);
        it.var = hone_var_new(p, v, hone_var_at(p, from[n_iters])->extent);
        it.binding = hone_substitute(p, it.binding, old, fresh, n_fresh);
        to[n_iters] = hone_var_expr(p, it.var);
        iters[n_iters++] = it;
    }
    hone_block_set_iters(p, init, iters, n_iters);
    hone_expr init_where = hone_substitute(p, where, old, fresh, n_fresh);
    hone_stmt_at(p, init)->where = init_where;
    for (unsigned k = 0; k < row.n_index; k++)
        index[k] = hone_substitute(p, hone_store_index(p, block, k), from, to, n_iters);
    hone_expr value = hone_substitute(p, row.init, from, to, n_iters);
    hone_block_set_store(p, init, row.out, index, row.n_index, value, HONE_NO_EXPR);
    hone_stmt_at(p, block)->init = HONE_NO_EXPR;
    hone_stmt_insert_before(p, loop, hone_prim__nest_close(p, &nest, init));
    *ret = init;
    return HONE_OK;
}
