/* What the instructions that restructure loops and blocks do to a schedule: partition, merge, bind,
 * the order of iterators, padding, windows. As in inst_basic.c, a function runs at most one
 * primitive, and last. */
#include "space/trace/internal.h"

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
    HONE_TRY(hone_prim__merge(&s->prog, loops, in->n_inputs, &ret, err));
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
    HONE_TRY(hone_prim__loop_partition(&s->prog, loop, f, n, ret, err));
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
    return hone_prim__reorder_block_iter_var(&s->prog, block, order, list->n, err);
}

hone_status hone_space__apply_Bind(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop;
    const char *axis;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__attr_text(s, in, 0, &axis, err));
    return hone_prim__bind(&s->prog, loop, axis, err);
}

hone_status hone_space__apply_TransformBlockLayout(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    const char *map;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__attr_text(s, in, 0, &map, err));
    return hone_prim__transform_block_layout(&s->prog, block, map, err);
}

hone_status hone_space__apply_PadEinsum(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    int64_t padding[HONE_MAX_ITERS];
    const hone_value *list = hone_space__attr(s, in, 0);
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    if (list->kind != HONE_VALUE_LIST)
        return hone_space__bad(err, in, "padding should be a list of integers");
    if (list->n > HONE_MAX_ITERS)
        return hone_fail(err, HONE_REJECT_ARG, "PadEinsum: %u multiples", list->n);
    for (uint32_t k = 0; k < list->n; k++)
        HONE_TRY(hone_space__int(s, &s->trace.values.v[list->first + k], &padding[k], err));
    return hone_prim__pad_einsum(&s->prog, block, padding, list->n, err);
}

hone_status hone_space__apply_DecomposePadding(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, loop, ret;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__stmt(s, in, 1, &loop, err));
    HONE_TRY(hone_prim__decompose_padding(&s->prog, block, loop, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_RollingBuffer(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    return hone_prim__rolling_buffer(&s->prog, block, err);
}

hone_status hone_space__apply_OnlineSoftmax(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt top, loop;
    int64_t size;
    HONE_TRY(hone_space__stmt(s, in, 0, &top, err));
    HONE_TRY(hone_space__int(s, hone_space__input(s, in, 1), &size, err));
    HONE_TRY(hone_prim__online_softmax(&s->prog, top, size, &loop, err));
    hone_space__out_stmt(s, 'l', loop);
    return HONE_OK;
}
