/* What the instructions on buffers do to a schedule: caches, copies at a loop, in place, addressed
 * by iterators or through an index map; where a buffer is kept and how its rows lie. As in
 * inst_basic.c, a function runs one primitive, and last before its outputs. */
#include "space/trace/internal.h"

/* Attribute k is the number of a buffer the block reads. */
static hone_status read_index(const hone_sched *s, const hone_inst *in, uint32_t k, unsigned *ret,
                              hone_error *err)
{
    int64_t i;
    HONE_TRY(hone_space__attr_int(s, in, k, &i, err));
    if (i < 0 || i > HONE_SPACE_MAX_OPERANDS)
        return hone_fail(err, HONE_REJECT_ARG, "%s: the block reads no buffer %" PRId64,
                         hone_inst_name(in->kind), i);
    *ret = (unsigned)i;
    return HONE_OK;
}

/* Input 1: the consumer blocks that use the cache. */
static hone_status consumers(const hone_sched *s, const hone_inst *in,
                             hone_stmt ret[HONE_SPACE_MAX_OPERANDS], unsigned *ret_n,
                             hone_error *err)
{
    const hone_value *list = hone_space__input(s, in, 1);
    if (list->n > HONE_SPACE_MAX_OPERANDS)
        return hone_space__bad(err, in, "too many consumers");
    *ret_n = list->n;
    for (uint32_t k = 0; k < list->n; k++) {
        ret[k] = s->rvs.v[s->trace.values.v[list->first + k].u.rv.i].stmt;
        if (!hone_is_block(&s->prog, ret[k]))
            return hone_fail(err, HONE_REJECT_ARG, "%s: consumer %u is no longer there",
                             hone_inst_name(in->kind), k);
    }
    return HONE_OK;
}

hone_status hone_space__apply_CacheRead(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, users[HONE_SPACE_MAX_OPERANDS], ret;
    unsigned index, n;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(consumers(s, in, users, &n, err));
    HONE_TRY(read_index(s, in, 0, &index, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    HONE_TRY(hone_prim__cache_read_for(&s->prog, block, index, users, n, scope, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_CacheWrite(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, users[HONE_SPACE_MAX_OPERANDS], ret;
    unsigned n;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(consumers(s, in, users, &n, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    HONE_TRY(hone_prim__cache_write_for(&s->prog, block, users, n, scope, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_ReIndex(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, ret;
    int64_t side;
    unsigned index = 0;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__attr_int(s, in, 1, &side, err));
    if (side == HONE_SPACE_WRITE_SIDE)
        HONE_TRY(hone_space__write_index(s, in, 0, err));
    else
        HONE_TRY(read_index(s, in, 0, &index, err));
    HONE_TRY(hone_prim__reindex(&s->prog, block, index, side == HONE_SPACE_WRITE_SIDE, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_ReindexCacheRead(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, ret;
    unsigned index;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(read_index(s, in, 0, &index, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    const char *map = hone_space__chars(&s->trace, hone_space__input(s, in, 1));
    HONE_TRY(hone_prim__reindex_cache_read(&s->prog, block, index, map, scope, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_ReindexCacheWrite(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, ret;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    const char *map = hone_space__chars(&s->trace, hone_space__input(s, in, 1));
    HONE_TRY(hone_prim__reindex_cache_write(&s->prog, block, map, scope, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_CacheInplace(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, ret[2];
    unsigned index;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(read_index(s, in, 0, &index, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    HONE_TRY(hone_prim__cache_inplace(&s->prog, block, index, scope, ret, err));
    hone_space__out_stmt(s, 'b', ret[0]);
    hone_space__out_stmt(s, 'b', ret[1]);
    return HONE_OK;
}

hone_status hone_space__apply_ComputeInplace(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    unsigned index;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(read_index(s, in, 0, &index, err));
    return hone_prim__compute_inplace(&s->prog, block, index, err);
}

hone_status hone_space__apply_CacheIndex(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block, ret[HONE_SPACE_MAX_OUTPUTS];
    int64_t threshold;
    unsigned n;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__attr_scope(s, in, 0, &scope, err));
    HONE_TRY(hone_space__attr_int(s, in, 1, &threshold, err));
    HONE_TRY(hone_prim__cache_index(&s->prog, block, scope, threshold, ret, HONE_SPACE_MAX_OUTPUTS,
                                    &n, err));
    for (unsigned k = 0; k < n; k++)
        hone_space__out_stmt(s, 'b', ret[k]);
    return HONE_OK;
}

hone_status hone_space__apply_ReadAt(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop, block, ret;
    unsigned index;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__stmt(s, in, 1, &block, err));
    HONE_TRY(read_index(s, in, 0, &index, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    HONE_TRY(hone_prim__read_at(&s->prog, loop, block, index, scope, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_WriteAt(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt loop, block, ret;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &loop, err));
    HONE_TRY(hone_space__stmt(s, in, 1, &block, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    HONE_TRY(hone_prim__write_at(&s->prog, loop, block, scope, &ret, err));
    hone_space__out_stmt(s, 'b', ret);
    return HONE_OK;
}

hone_status hone_space__apply_SetScope(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    hone_scope scope;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    HONE_TRY(hone_space__attr_scope(s, in, 1, &scope, err));
    return hone_prim__set_scope(&s->prog, block, scope, err);
}

hone_status hone_space__apply_Widen(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    const char *name;
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__attr_text(s, in, 0, &name, err));
    hone_dtype wide = hone_dtype_parse(name, strlen(name));
    if (wide == HONE_DTYPE_COUNT)
        return hone_fail(err, HONE_REJECT_ARG, "Widen: there is no type '%s'", name);
    return hone_prim__widen(&s->prog, block, wide, err);
}

hone_status hone_space__apply_StorageAlign(hone_sched *s, hone_inst *in, hone_error *err)
{
    hone_stmt block;
    int64_t v[3];
    HONE_TRY(hone_space__stmt(s, in, 0, &block, err));
    HONE_TRY(hone_space__write_index(s, in, 0, err));
    for (uint32_t k = 0; k < 3; k++)
        HONE_TRY(hone_space__attr_int(s, in, k + 1, &v[k], err));
    return hone_prim__storage_align(&s->prog, block, v[0], v[1], v[2], err);
}
