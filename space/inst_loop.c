/* What the instructions that restructure loops and blocks do to a schedule: partition, merge, bind,
 * the order of iterators. As in inst_basic.c, a function runs at most one primitive, and last. */
#include "space/internal.h"

hone_status hone_space__apply_GetOutputBlocks(hone_sched *s, hone_inst *in, hone_error *err)
{
    const hone_program *p = &s->prog;
    hone_stmt scope, ret[HONE_SPACE_MAX_OUTPUTS];
    unsigned n = 0;
    HONE_TRY(hone_space__stmt(s, in, 0, &scope, err));
    if (hone_stmt_at(p, scope)->out.i)
        return hone_fail(err, HONE_REJECT_ARG, "GetOutputBlocks: the block holds no others");
    for (hone_stmt x = scope; x.i; x = hone_next(p, scope, x)) {
        if (!hone_is_block(p, x) || !hone_stmt_at(p, x)->out.i ||
            hone_buffer_at(p, hone_stmt_at(p, x)->out)->role != HONE_OUTPUT)
            continue;
        if (n < HONE_SPACE_MAX_OUTPUTS)
            ret[n] = x;
        n++;
    }
    return hone_space__out_blocks(s, in, ret, n, err);
}

hone_status hone_space__apply_Merge(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loops[HONE_SPACE_MAX_OPERANDS], ret;
    HONE_TRY(hone_space__all_loops(s, in, loops, err));
    HONE_TRY(hone__merge(&s->prog, loops, in->n_inputs, &ret, err));
    hone_space__out_stmt(s, 'l', ret);
    return HONE_OK;
}

hone_status hone_space__apply_LoopPartition(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop, ret[HONE_SPACE_MAX_FACTORS];
    int64_t f[HONE_SPACE_MAX_FACTORS];
    uint32_t n;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__factors(s, in, f, &n, err));
    HONE_TRY(hone__loop_partition(&s->prog, loop, f, n, ret, err));
    for (uint32_t k = 0; k < n; k++)
        hone_space__out_stmt(s, 'l', ret[k]);
    return HONE_OK;
}

hone_status hone_space__apply_ReorderBlockIterVar(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    int64_t order[HONE_MAX_ITERS];
    const hone_value *list = hone_space__input(s, in, 1);
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    if (list->n > HONE_MAX_ITERS)
        return hone_fail(err, HONE_REJECT_ARG, "ReorderBlockIterVar: %u places", list->n);
    for (uint32_t k = 0; k < list->n; k++)
        order[k] = s->trace.values.v[list->first + k].u.i;
    return hone__reorder_block_iter_var(&s->prog, block, order, list->n, err);
}

hone_status hone_space__apply_Bind(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop;
    const char *axis;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__attr_text(s, in, 0, &axis, err));
    return hone__bind(&s->prog, loop, axis, err);
}
