/* bind and reorder_block_iter_var: what a loop or an iterator is, not what it does. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

static bool has_axis(const hone_program *p, hone_stmt s, hone_axis axis)
{
    return hone_is_loop(p, s) && hone_stmt_at(p, s)->axis == axis;
}

hone_status hone_prim__bind(hone_program *p, hone_stmt loop, const char *name, hone_error *err)
{
    hone_axis axis = hone_axis_parse(name);
    if (!hone_is_loop(p, loop))
        return hone_fail(err, HONE_REJECT_ARG, "bind: not a loop");
    if (axis == HONE_AXIS_NONE)
        return hone_fail(err, HONE_REJECT_ARG,
                         "bind: there is no axis '%.40s'; blockIdx, threadIdx and vthread have .x, "
                         ".y and .z",
                         name);
    if (hone_stmt_at(p, loop)->loop_kind != HONE_SERIAL)
        return hone_fail(err, HONE_REJECT_ARG, "bind: loop '%s' has a kind or an axis already",
                         hone_sym_text(p, hone_stmt_at(p, loop)->name));
    bool taken = false;
    for (hone_stmt s = hone_stmt_at(p, loop)->parent; s.i; s = hone_stmt_at(p, s)->parent)
        taken = taken || has_axis(p, s, axis);
    for (hone_stmt s = loop; s.i; s = hone_next(p, loop, s))
        taken = taken || has_axis(p, s, axis);
    if (taken)
        return hone_fail(err, HONE_REJECT_ARG,
                         "bind: a loop around or below has the axis '%.40s' already", name);
    HONE_TRY(hone_prim__check_no_race(p, loop, HONE_PARALLEL, err));
    hone_stmt_at(p, loop)->loop_kind = HONE_BOUND;
    hone_stmt_at(p, loop)->axis = (uint8_t)axis;
    return HONE_OK;
}

hone_status hone_prim__reorder_block_iter_var(hone_program *p, hone_stmt block,
                                              const int64_t *order, unsigned n, hone_error *err)
{
    hone_iter iters[HONE_MAX_ITERS];
    unsigned seen = 0;
    if (!hone_is_block(p, block) || n != hone_stmt_at(p, block)->n_iters)
        return hone_fail(err, HONE_REJECT_ARG,
                         "reorder_block_iter_var: the order has %u places, not one for each "
                         "iterator of the block",
                         n);
    for (unsigned k = 0; k < n; k++) {
        if (order[k] < 0 || order[k] >= n || seen >> order[k] & 1)
            return hone_fail(err, HONE_REJECT_ARG,
                             "reorder_block_iter_var: the order is no permutation of 0 to %u",
                             n - 1);
        seen |= 1u << order[k];
        iters[k] = *hone_iter_at(p, block, (unsigned)order[k]);
    }
    hone_block_set_iters(p, block, iters, n);
    return HONE_OK;
}
