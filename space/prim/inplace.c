/* cache_inplace: TensorIR's. A block that updates a buffer in place works on a copy instead: copied
 * in before its nest, copied back after it. What the block leaves alone comes back as it was. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

hone_status hone_prim__cache_inplace(hone_program *p, hone_stmt block, unsigned read_index,
                                     hone_scope scope, hone_stmt ret[2], hone_error *err)
{
    hone_buffer b = HONE_NO_BUFFER;
    hone_status s = hone_prim__read_buffer(p, block, read_index, &b, err);
    if (s != HONE_OK)
        return s;
    if (!hone_prim__writes(p, block, b))
        return hone_fail(err, HONE_REJECT_ARG,
                         "cache_inplace: the block does not write what it reads");
    hone_stmt top = hone_prim__child_towards(p, p->root, block);
    if (hone_prim__touched_by_others(p, top, block, b))
        return hone_fail(err, HONE_REJECT_DEPENDENCY,
                         "cache_inplace: other blocks of the nest touch the buffer");
    char name[HONE_PRIM__CACHE_NAME], back_name[HONE_PRIM__CACHE_NAME + 8];
    hone_buffer to = hone_prim__cache_of(p, b, scope, name);
    snprintf(back_name, sizeof back_name, "%s_back", name);
    hone_prim__redirect_block(p, block, b, to, true);
    hone_stmt_insert_before(p, top, hone_prim__copy_nest(p, name, to, b, &ret[0]));
    hone_stmt_insert_after(p, top, hone_prim__copy_nest(p, back_name, b, to, &ret[1]));
    return HONE_OK;
}
